"""The house stands: a room imports only from the floors below it, and no module grows into two rooms."""
import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "xaikit"
FLOORS = {"errors": 0, "source": 2, "kinds": 0, "hooks": 1, "layout": 1.5, "receptive": 1.5, "train": 1, "plot": 1, "data": 2, "attribution": 2, "widgets": 2,
          "features": 2.5, "dissect": 2.5, "generate": 2.5, "dynamics": 2.5,
          "evaluate": 3, "zoo": 3.5, "methods_map": 3, "demos": 4, "exercises": 4, "claims": 4, "studies": 3.7, "classroom": 5, "cli": 6,
          "__main__": 7}
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def imported_rooms(path):
    """Names of the rooms of xaikit that a module imports, also inside its functions."""
    here = ("xaikit", *path.relative_to(PACKAGE).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(here[:len(here) - node.level]) if node.level else []
            base += node.module.split(".") if node.module else []
            names = [".".join([*base, a.name]) for a in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "xaikit" and len(parts) > 1:
                yield parts[1]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_from_floors_below(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    room = parts[0]
    assert room in FLOORS, f"{room} has no floor yet"
    above = {r for r in imported_rooms(path) if r != room and r in FLOORS and FLOORS[r] >= FLOORS[room]}
    assert above == set(), f"{'/'.join(parts)} (floor {FLOORS[room]}) imports {above}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_is_one_room(path):
    assert path.read_text().count("\n") < 300


def test_hooks_are_registered_in_one_place():
    for path in MODULES:
        if path.name == "hooks.py":
            continue
        text = path.read_text()
        for word in ("register_forward_hook(", "register_forward_pre_hook(", "register_full_backward", "TorchFunctionMode"):
            assert word not in text, f"{path.name}: {word} belongs in hooks.py"


def test_imported_rooms_sees_every_form(tmp_path, monkeypatch):
    module = PACKAGE / "evaluate" / "imaginary.py"
    monkeypatch.setattr(Path, "read_text", lambda self, *a: (
        "from .. import zoo\nfrom ..classroom.grade import grade\nimport xaikit.cli\ndef f():\n    from xaikit import demos\n"))
    assert set(imported_rooms(module)) == {"zoo", "classroom", "cli", "demos"}
