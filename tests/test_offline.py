"""Once installed, everything runs with the network cut off: the doctor, and nbval over every student notebook."""
import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

NOTHING_PASSED = """from xaikit import exercises as _all
_own = [e for e in _all.catalog().query("lecture == '{}'").id if _all.answer(e) is not _all.get(e).library]
assert not _own, f"an unanswered exercise passed: {{_own}}"
"""
ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "course").glob("*/*.ipynb"))
EARLIER, LATER = NOTEBOOKS[:5], NOTEBOOKS[5:]  # tests/test_offline_later.py has the others


@functools.cache
def unshare():
    """The command that starts a process without a network, where this machine lets us; else none."""
    for command in (["unshare", "-n"], ["unshare", "-rn"]):
        if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command


def run(what, home):
    """What `offline_run` says without a network and without anything that was downloaded before; fails where it does."""
    env = {k: v for k, v in os.environ.items()
           if not k.lower().endswith("_proxy") and not k.startswith("PYTEST") and k != "XAIKIT_DATA"}
    env |= {"TORCH_HOME": str(home), "XDG_CACHE_HOME": str(home)}
    namespace = unshare()
    if not namespace:
        env["PYTHONPATH"] = str(ROOT / "tests" / "no_network")
    done = subprocess.run([*(namespace or []), sys.executable, str(ROOT / "tests" / "offline_run.py"),
                           "namespace" if namespace else "sockets", str(what)],
                          env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    return done.stdout


def test_the_doctor_is_content(tmp_path):
    assert "FAIL" not in run("doctor", tmp_path)


def check_notebook(path, folder):
    """Runs it under nbval, with a last cell that finds an exercise which passed unanswered."""
    notebook = nbformat.read(path, 4)
    notebook.cells.append(nbformat.v4.new_code_cell(NOTHING_PASSED.format(path.stem[:2])))
    nbformat.write(notebook, folder / path.name)
    cells = sum(c.cell_type == "code" for c in notebook.cells)
    assert f"{cells} passed" in run(folder / path.name, folder)


@pytest.mark.parametrize("path", EARLIER, ids=lambda p: p.stem)
def test_a_student_notebook_with_nothing_answered_runs_to_its_end(path, tmp_path):
    check_notebook(path, tmp_path)


def test_there_are_notebooks():
    assert len(NOTEBOOKS) == len(list((ROOT / "solutions").glob("*/*.py"))) > 4


def test_the_socket_guard_refuses_what_leaves_the_machine():
    code = ("import socket\ntry: socket.create_connection(('outside.invalid', 80), 1)\n"
            "except OSError as e: print('refused', 'cut off' in str(e))")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                         env=os.environ | {"PYTHONPATH": str(ROOT / "tests" / "no_network")})
    assert run.stdout.strip() == "refused True", run.stderr
