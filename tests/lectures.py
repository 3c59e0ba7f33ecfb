"""What the tests of every lecture share: its source read, its cells run, and what they printed and showed."""
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from xaikit.classroom import source

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {p.stem[:2]: p for p in sorted((ROOT / "solutions").glob("*/*.py"))}
WIDGET = "application/vnd.jupyter.widget-view+json"
PROBE = """import resource as _resource, sys as _sys, time as _time, torch as _torch, xaikit.zoo as _zoo
def _pass(net=_zoo.load('digits-cnn'), x=_torch.ones(64, 1, 28, 28)):
    began = _time.process_time()
    net(x.requires_grad_()).sum().backward()
    return _time.process_time() - began
_pass()
_passes, _before = [], _time.process_time()"""
AGAIN = "_passes.append([_pass() for _ in range(3)])"
USED = """_used = _time.process_time() - _before - sum(map(sum, _passes))
# ru_maxrss begins with what the process had that started this one; Linux counts a program's own peak apart
_own = [line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')] if _sys.platform == 'linux' else []
_peak = int(_own[0]) if _own else _resource.getrusage(_resource.RUSAGE_SELF).ru_maxrss
print('USED', _before + _used, _peak / 2**20, sum(sorted(p)[1] for p in _passes) / len(_passes))"""
PASS = 0.07  # its seconds on the two cores for which a minute is meant, at their quickest


def read(lecture):
    return source.read_source(SOURCES[lecture])


def code_cells(nb):
    return [c for c in nb.cells if c.cell_type == "code"]


def prose(nb):
    return "\n\n".join(c.source for c in nb.cells if c.cell_type == "markdown")


def run(lecture, cells):
    """The executed code cells, the processor's seconds and the memory in GiB; fails where a cell does.

    Where other work slows the processor down, as the same fixed work between the cells shows, its seconds count less.
    """
    every = 5
    parts = [[*cells[i:i + every], nbformat.v4.new_code_cell(AGAIN)] for i in range(0, len(cells), every)]
    asked = [nbformat.v4.new_code_cell(PROBE), *(c for part in parts for c in part), nbformat.v4.new_code_cell(USED)]
    nb = source.notebook(asked)
    nb.cells = [nbformat.v4.new_code_cell(c.source, metadata=c.metadata) for c in map(nbformat.from_dict, map(dict, asked))]
    place = {"metadata": {"path": str(SOURCES[lecture].parent)}}
    NotebookClient(nb, timeout=600, kernel_name="python3", resources=place).execute()
    seconds, memory, each = map(float, nb.cells[-1].outputs[0]["text"].split()[1:])
    slow = max(1.0, each / PASS)
    print(f"lecture {lecture}: {seconds:.0f} s of the processor, which is {slow:.2f} times as slow as when quiet")
    return [c for c in nb.cells[1:-1] if c.source != AGAIN], seconds / slow, memory


def words(outputs):
    """What a cell printed and showed, without the ids of widgets and objects."""
    found = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stdout":  # Python says a warning once per process
                found.append(output.text)
            continue
        data = dict(output.data)
        if WIDGET in data:
            data = {"widget": True}
        found.append({k: re.sub(r"0x[0-9a-f]+", "0x", v) for k, v in data.items() if isinstance(v, str)})
    # a progress bar that has gone leaves an empty output, and what is kept from a first run needs no bar
    return "".join(f for f in found if isinstance(f, str)), [f for f in found if f and not isinstance(f, str)]


def texts(cells):
    return "\n".join(words(c.outputs)[0] + "\n".join(d.get("text/plain", "") for d in words(c.outputs)[1]) for c in cells)
