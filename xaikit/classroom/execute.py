"""Running notebooks from beginning to end in a kernel of this very environment, whatever kernels are
installed."""

import os
import re
import sys
import tempfile

from .source import BuildError, first_line

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def kernel_manager(folder):
    """A kernel manager whose kernel is ``sys.executable``; no kernel spec needs to be installed."""
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    class ThisPython(KernelSpecManager):
        def get_kernel_spec(self, kernel_name):
            return KernelSpec(
                argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                display_name="Python 3 (ipykernel)",
                language="python",
            )

    private = {} if os.name == "nt" else {"transport": "ipc", "ip": os.path.join(folder, "kernel")}
    return AsyncKernelManager(
        kernel_spec_manager=ThisPython(),
        kernel_name="python3",
        connection_file=os.path.join(folder, "kernel.json"),
        **private,
    )


def execute(waiting, root, cell_timeout):
    """Run each (name, notebook, folder) in ``waiting`` in place, with one progress bar over all their
    code cells.

    Widgets become static pictures.  Raises BuildError at the first cell that fails, is slower than
    ``cell_timeout`` seconds, or kills its kernel; the message names lecture, cell and error.
    """
    if not waiting:
        return
    from tqdm.auto import tqdm

    total = sum(c.cell_type == "code" for _, nb, _ in waiting for c in nb.cells)
    with tqdm(total=total, desc="running cells", unit="cell", leave=False) as bar:
        for name, nb, folder in waiting:
            bar.set_description(name)
            _run(name, nb, folder, cell_timeout, bar)


def _run(name, nb, folder, cell_timeout, bar):
    from nbclient import NotebookClient
    from nbclient.exceptions import CellControlSignal, DeadKernelError
    from nbclient.util import run_sync

    from .outputs import widgets_to_pictures

    at = 0

    def started(cell, cell_index):
        nonlocal at
        at = cell_index

    def finished(cell, cell_index):
        if cell.cell_type == "code":
            bar.update()

    for cell in nb.cells:
        if cell.cell_type == "code":
            cell["outputs"], cell["execution_count"] = [], None
    with tempfile.TemporaryDirectory(prefix="xaikit-kernel-") as private:
        client = NotebookClient(
            nb,
            km=kernel_manager(private),
            timeout=cell_timeout,
            startup_timeout=120,
            store_widget_state=True,
            record_timing=False,
            resources={"metadata": {"path": str(folder)}},
            on_cell_start=started,
            on_cell_complete=finished,
        )
        # a private IPython folder: nobody's start-up files and history take part
        environment = {**os.environ, "PYTHONHASHSEED": "0", "IPYTHONDIR": private}
        environment.pop("MPLBACKEND", None)
        try:
            client.execute(env=environment)
        except (CellControlSignal, DeadKernelError) as error:
            cell = nb.cells[at]
            raise BuildError(
                f"{name}: cell {at + 1} ({first_line(cell)}) {_reason(error, cell_timeout)}"
            ) from None
        finally:
            if client.km is not None and run_sync(client.km.is_alive)():
                run_sync(client.km.shutdown_kernel)(now=True)
        widgets_to_pictures(nb, client.widget_state, client.widget_buffers)
    nb.metadata.pop("widgets", None)
    nb.metadata["language_info"] = {"name": "python"}


def _reason(error, cell_timeout):
    from nbclient.exceptions import CellTimeoutError

    if isinstance(error, CellTimeoutError):
        return f"took longer than {cell_timeout:g} s"
    if hasattr(error, "ename"):
        trace = "\n".join(_ANSI.sub("", str(error.traceback)).splitlines()[-25:])
        return f"raised {error.ename}: {error.evalue}\n{trace}"
    return f"ended the kernel: {error}"
