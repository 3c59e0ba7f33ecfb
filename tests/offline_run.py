"""Run inside a network namespace that holds nothing: `doctor`, or nbval over one notebook.

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


def main(wall, what):
    if wall == "namespace":
        assert [name for _, name in socket.if_nameindex() if name != "lo"] == [], "there is a network here"
        loopback_up()
    command = ["-m", "xaikit", "doctor"] if what == "doctor" else [
        "-m", "pytest", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", "120",
        "--nbval-kernel-startup-timeout", "120", "-p", "no:cacheprovider", "-p", "no:xdist", "-q", what]
    sys.exit(subprocess.run([sys.executable, *command], cwd=ROOT).returncode)


main(*sys.argv[1:])
