"""Open the course in JupyterLab, and serve the live demos as an app: both on this machine only, neither asks a network.

The folder ``jupyter/`` beside the package holds what makes that so: Jupyter's settings (``JUPYTER_CONFIG_PATH``) and,
in ``jupyter/share``, the app's page template (``JUPYTER_PATH``).
"""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import nbformat

from .. import home

HOST = "127.0.0.1"
WIDGETS = ["@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8"]


def lab(root, notebook=None, *, browser=True, port=8888):
    """Run JupyterLab on the course's folder until it is stopped; returns its exit code.

    ``notebook`` is opened first (relative to ``root``); ``port`` is the first that is tried.
    """
    root = Path(root).resolve()
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={root}", f"--ServerApp.ip={HOST}",
               f"--ServerApp.port={free_port(port)}"]
    if notebook:
        if not (root / notebook).is_file():
            raise FileNotFoundError(f"there is no notebook {notebook} in {root}")
        command.append(f"--LabApp.default_url=/lab/tree/{Path(notebook).as_posix()}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return _run(command if browser else [*command, "--no-browser"], root)


def demo(name=None, *, browser=True, port=8866, root=None):
    """Serve a demo ("04" or "04/paths"), or all of them, as an app until it is stopped; returns the exit code.

    ValueError where there is no such demo.  The app is a notebook of one cell, written to a temporary folder.
    """
    from .. import demos

    if name:
        demos.get(name)
    root = Path(root or home())
    with tempfile.TemporaryDirectory(prefix="xaikit-demo-") as folder:
        page = Path(folder) / "demo.ipynb"
        nbformat.write(_page(name), page)
        command = [sys.executable, "-m", "voila", str(page), "--template=course", f"--Voila.ip={HOST}",
                   f"--port={free_port(port)}", "--Voila.auto_token=True", "--show_tracebacks=True",
                   # other front-end extensions are written for JupyterLab's page and fail on this one
                   *(f"--VoilaConfiguration.extension_allowlist={name}" for name in WIDGETS)]
        return _run(command if browser else [*command, "--no-browser"], root)


def free_port(first):
    """The first port from ``first`` on that nothing on this machine listens to."""
    for port in range(first, min(first + 100, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise ValueError(f"no free port from {first} to {first + 99}: name another one with --port")


def environment(root):
    """The surroundings of a Jupyter process that finds the course's settings, before the user's own."""
    folder = Path(root) / "jupyter"
    if not (folder / "jupyter_lab_config.json").is_file():
        raise FileNotFoundError(f"{folder} is missing or empty: it holds Jupyter's settings for the course")
    env = dict(os.environ)
    for variable, path in (("JUPYTER_CONFIG_PATH", folder), ("JUPYTER_PATH", folder / "share")):
        env[variable] = os.pathsep.join(filter(None, [str(path), env.get(variable)]))
    return env


def _page(name):
    source = f"from xaikit import demos\n\ndemos.get({name!r}).page()" if name else (
        "from xaikit import demos\n\ndemos.browse()")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book.metadata["title"] = f"Live demo {name}" if name else "Live demos"
    return book


def _run(command, root):
    """Run until the process ends.  Ctrl-C reaches it too, and we wait for it to clean up; if we are ended, so is it."""
    def ended(signum, frame):
        raise SystemExit(128 + signum)

    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, ended) if main else None
    process = subprocess.Popen(command, env=environment(root), cwd=root)
    try:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(20)
        if main:
            signal.signal(signal.SIGTERM, before)
