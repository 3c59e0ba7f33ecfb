"""Once installed, everything runs with the network cut off."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def unshare():
    """The command that starts a process without a network, where this machine lets us; else none."""
    for command in (["unshare", "-n"], ["unshare", "-rn"]):
        if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command


def test_doctor_and_every_student_notebook_run_without_a_network(tmp_path):
    namespace = unshare()
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and k != "XAIKIT_DATA"}
    env |= {"TORCH_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}  # nothing that was downloaded before
    if not namespace:
        env["PYTHONPATH"] = str(ROOT / "tests" / "no_network")
    run = subprocess.run([*(namespace or []), sys.executable, str(ROOT / "tests" / "offline_run.py"),
                          "namespace" if namespace else "sockets"], env=env, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    notebooks = sorted((ROOT / "course").glob("*/*.ipynb"))
    assert notebooks and run.stdout.count("ran offline:") == len(notebooks)


def test_the_socket_guard_refuses_what_leaves_the_machine():
    code = ("import socket\ntry: socket.create_connection(('outside.invalid', 80), 1)\n"
            "except OSError as e: print('refused', 'cut off' in str(e))")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                         env=os.environ | {"PYTHONPATH": str(ROOT / "tests" / "no_network")})
    assert run.stdout.strip() == "refused True", run.stderr
