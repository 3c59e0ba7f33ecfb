"""From one source per lecture to two notebooks: the executed solution and the student's.

``solutions/NN_topic/NN_topic.py`` (jupytext py:percent) is what an instructor writes.  ``build`` makes
from it

* ``solutions/NN_topic/NN_topic.ipynb``: every cell, executed, with static pictures in place of widgets;
* ``course/NN_topic/NN_topic.ipynb``: solution regions replaced by a stub, no outputs, no tags, no
  instructor cells.

Nothing is written unless everything could be made, and a notebook whose code did not change is not run
again, so that a second build changes no byte.  Cell ids live in the solution notebook and survive edits
of the source.
"""

import contextlib
import difflib
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .outputs import normalise
from .source import BuildError, read_source, student_notebook

__all__ = ["BuildError", "Lecture", "build", "lectures"]


@dataclass(frozen=True)
class Lecture:
    """The three files of one lecture; ``name`` is its folder's name, such as ``04_ig_axioms``."""

    name: str
    source: Path
    solution: Path
    student: Path


def lectures(root, only=None):
    """The lectures under ``root`` in order; ``only`` keeps those whose name starts with one of the given
    numbers.

    Raises ValueError when there are no sources, or when a name in ``only`` matches none.
    """
    root = Path(root).resolve()
    found = [
        Lecture(
            folder.name,
            folder / f"{folder.name}.py",
            folder / f"{folder.name}.ipynb",
            root / "course" / folder.name / f"{folder.name}.ipynb",
        )
        for folder in sorted((root / "solutions").glob("[0-9][0-9]_*"))
        if (folder / f"{folder.name}.py").is_file()
    ]
    if not found:
        raise ValueError(f"no lecture sources in {root / 'solutions'}: expected NN_topic/NN_topic.py there")
    if only is None:
        return found
    wanted = [only] if isinstance(only, str) else list(only)
    for start in wanted:
        if not any(x.name.startswith(start) for x in found):
            raise ValueError(f"no lecture {start!r}; there are {', '.join(x.name for x in found)}")
    return [x for x in found if x.name.startswith(tuple(wanted))]


# ------------------------------------------------------------------------------------------ ids and outputs
def adopt(nb, old, name):
    """Give the cells of ``nb`` the ids of their counterparts in ``old`` (or None), new cells a stable new
    one.

    Counterparts have the same grade_id, else the same type and source, else follow the same cell.
    """
    before = list(old.cells) if old is not None else []
    partner, free = {}, set(range(len(before)))

    def pair(i, j):
        partner[i] = j
        free.discard(j)

    graded = {
        c.metadata["nbgrader"].get("grade_id"): j for j, c in enumerate(before) if c.metadata.get("nbgrader")
    }
    for i, cell in enumerate(nb.cells):
        j = graded.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
        if j in free and before[j].cell_type == cell.cell_type:
            pair(i, j)
    new_keys = [(c.cell_type, c.source) if i not in partner else i for i, c in enumerate(nb.cells)]
    old_keys = [(c.cell_type, c.source) if j in free else -j - 1 for j, c in enumerate(before)]
    for i, j, size in difflib.SequenceMatcher(None, new_keys, old_keys, autojunk=False).get_matching_blocks():
        for k in range(size):
            pair(i + k, j + k)
    for i, cell in enumerate(nb.cells):
        j = partner.get(i - 1, -1) + 1
        if i not in partner and j in free and before[j].cell_type == cell.cell_type:
            pair(i, j)
    taken = {before[j].id for j in partner.values() if "id" in before[j]}
    for i, cell in enumerate(nb.cells):
        if i in partner and "id" in before[partner[i]]:
            cell["id"] = before[partner[i]].id
            continue
        salt = 0
        while (new := _sha(f"{name}\n{cell.cell_type}\n{cell.source}\n{salt}")[:8]) in taken:
            salt += 1
        taken.add(new)
        cell["id"] = new
    return nb


def with_outputs(nb, old):
    """``nb`` with the outputs stored in ``old``, or None where these do not belong to its code."""
    stamp = old.metadata.get("xaikit", {}) if old is not None else {}
    if stamp.get("code") != code_stamp(nb):
        return None
    stored = {c.id: c for c in old.cells if c.cell_type == "code" and "id" in c}
    for cell in nb.cells:
        if cell.cell_type == "code":
            match = stored.get(cell.id)
            if match is None or (cell.source.strip() and match.execution_count is None):
                return None
            cell["outputs"], cell["execution_count"] = match.outputs, match.execution_count
    if stamp.get("outputs") != output_stamp(nb):
        return None
    nb.metadata["xaikit"] = dict(stamp)
    return nb


def code_stamp(nb):
    """A digest of all code, in order: while it stays the same the notebook need not be run again."""
    return _sha("\0".join(c.source for c in nb.cells if c.cell_type == "code"))[:32]


def output_stamp(nb):
    """A digest of all outputs, by which an edited or cleared output is noticed."""
    import json

    parts = [[c.execution_count, c.outputs] for c in nb.cells if c.cell_type == "code"]
    return _sha(json.dumps(parts, sort_keys=True))[:32]


def _sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def text_of(nb):
    """The notebook as the text that is stored: sorted keys, one space of indentation, a final newline."""
    import nbformat

    return nbformat.v4.writes(nbformat.from_dict(nb)).rstrip("\n") + "\n"


# ------------------------------------------------------------------------------------------ the whole course
def build(root, check=False, only=None, force=False, cell_timeout=180.0):
    """Make (or with ``check`` only compare) the notebooks of all lectures under ``root``.

    only: a lecture's number or name, or several; force: run also what did not change; cell_timeout:
    seconds a cell may take.  Returns the paths, relative to ``root``, of the files that changed; with
    ``check``, one line ``path: reason`` for each file that differs from what a build would leave. Raises
    BuildError for a malformed source, and for a cell that fails or takes too long; then nothing is
    written.
    """
    from .execute import execute

    root = Path(root).resolve()
    chosen = lectures(root, only)
    plans = []
    for lecture in chosen:
        old, trouble = read_notebook(lecture.solution)
        nb = adopt(read_source(lecture.source), old, lecture.name)
        done = None if force else with_outputs(nb, old)
        plans.append((lecture, nb, done, trouble))
    if check:
        from .drift import drift

        return drift(root, plans, complete=only is None)
    waiting = [(lecture.name, nb, lecture.source.parent) for lecture, nb, done, _ in plans if done is None]
    execute(waiting, root, cell_timeout)
    files = {}
    for lecture, nb, done, _ in plans:
        if done is None:
            normalise(nb, root)
            nb.metadata["xaikit"] = {"code": code_stamp(nb), "outputs": output_stamp(nb)}
        files[lecture.solution] = text_of(nb)
        files[lecture.student] = text_of(student_notebook(nb))
    changed = {path: text for path, text in files.items() if not path.is_file() or read_text(path) != text}
    write_all(changed)
    return [path.relative_to(root).as_posix() for path in changed]


def read_text(path):
    """The file's exact text, line ends untouched."""
    return path.read_bytes().decode("utf-8", "replace")


def read_notebook(path):
    """(notebook, "") or (None, reason) for a stored notebook."""
    import nbformat

    if not path.is_file():
        return None, "is missing"
    try:
        return nbformat.reads(read_text(path), as_version=4), ""
    except Exception as error:
        return None, f"is no readable notebook ({type(error).__name__})"


def write_all(files):
    """Write every {path: text}, or none: all are written beside their place first and only then renamed."""
    waiting = []
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
            waiting.append((name, path))
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as out:
                out.write(text)
            os.chmod(name, 0o644)
        for name, path in waiting:
            os.replace(name, path)
    finally:
        for name, _ in waiting:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
