"""Run inside a network namespace that holds nothing: the doctor, then every student notebook, top to bottom.

Not a test module: tests/test_offline.py starts it with the network cut off.
"""
import fcntl
import socket
import struct
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def loopback_up():
    """A fresh namespace has its loopback down, and Jupyter talks to its kernels over it.  (ioctl SIOCSIFFLAGS, IFF_UP)"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x1))


def main(namespace):
    if namespace:
        assert [name for _, name in socket.if_nameindex() if name != "lo"] == [], "there is a network here"
        loopback_up()
    import nbclient
    import nbformat

    assert subprocess.run([sys.executable, "-m", "xaikit", "doctor"]).returncode == 0
    for path in sorted((ROOT / "course").glob("*/*.ipynb")):
        nbclient.NotebookClient(nbformat.read(path, 4), timeout=120, kernel_name="python3",
                                resources={"metadata": {"path": str(path.parent)}}).execute()
        print("ran offline:", path.name, flush=True)


main(namespace=sys.argv[1] == "namespace")
