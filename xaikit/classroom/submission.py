"""What is in a submitted notebook: which lecture it belongs to, which of its cells to run, and where each
answer stands.

Nothing here runs a student's code.  Cells are known by nbgrader's grade_id, else by cell id, else by
their text; an answer is found through the ``check("4.2", function)`` calls of the notebook, so that lost
or renamed ids cost nobody a point.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

from .reading import checked, names, only_imports
from .source import grade_id, read_source, without_solutions

SIZE_LIMIT = 32 << 20
CELL_LIMIT, CODE_LIMIT = 100_000, 1_000_000
CELLS_LIMIT = 2_000


class Refused(ValueError):
    """A file that is no submission to any lecture; the message is what its row in the table says."""


@dataclass(frozen=True)
class Cell:
    """A code cell: its text, nbgrader's name for it, its id."""

    source: str
    grade_id: str = ""
    id: str = ""


@dataclass(frozen=True)
class Reference:
    """A lecture as it was handed out.  ``checks``: exercise → (expression checked, points); ``demos``,
    ``setup``: texts."""

    name: str
    cells: tuple
    demos: frozenset
    setup: frozenset
    checks: dict
    functions: frozenset


@dataclass(frozen=True)
class Run:
    """Run this cell; ``number`` counts the notebook's code cells from 1."""

    number: int
    code: str


@dataclass(frozen=True)
class Take:
    """Observe here what this expression does as the answer to an exercise; ``code`` is what the student
    wrote for it."""

    exercise: str
    expression: str


@dataclass
class Plan:
    """What to do with a submission, in order, and the text of each answer for the report."""

    lecture: str
    steps: list
    code: dict = field(default_factory=dict)


# ------------------------------------------------------------------------------------------ reading
def references(root):
    """A Reference for every lecture under ``root`` that has graded exercises.  Raises BuildError for a
    bad source."""
    from .build import lectures, read_notebook

    found = []
    for lecture in lectures(root):
        nb = read_source(lecture.source)
        ids = {}
        student, _ = read_notebook(lecture.student)
        if student is not None:
            ids = {c.source.strip(): c.get("id", "") for c in student.cells}
        cells, demos, setup, checks, functions = [], set(), set(), {}, set()
        for cell in nb.cells:
            if cell.cell_type != "code":
                continue
            text = without_solutions(cell.source)
            grader, tags = cell.metadata.get("nbgrader", {}), cell.metadata.get("tags", [])
            cells.append(Cell(text, grader.get("grade_id", ""), ids.get(text.strip(), "")))
            if "demo" in tags:
                demos.add(text.strip())
            if "setup" in tags or only_imports(text):
                setup.add(text.strip())
            if grader.get("grade"):
                for exercise, expression in checked(text):
                    checks[exercise] = (expression, float(grader.get("points", 0)))
            if grader.get("solution"):
                functions |= names(text)[0]
        if checks:
            found.append(
                Reference(
                    lecture.name,
                    tuple(cells),
                    frozenset(demos),
                    frozenset(setup),
                    checks,
                    frozenset(functions),
                )
            )
    return found


def read(path):
    """The code cells of a submitted notebook.  Raises Refused, with the reason, for anything that is none."""
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        raise Refused("an empty folder")
    if path.is_symlink() or not path.is_file():
        raise Refused("not a regular file")
    size = path.stat().st_size
    if size > SIZE_LIMIT:
        raise Refused(f"too large: {size / 2**20:.0f} MiB, at most {SIZE_LIMIT >> 20} MiB; clear the outputs")
    raw = path.read_bytes()
    if not raw.strip():
        raise Refused("an empty file")
    try:
        top = json.loads(raw)
    except (ValueError, RecursionError, MemoryError):
        raise Refused("not a notebook: the file is not JSON") from None
    sheets = top.get("worksheets") if isinstance(top, dict) else None  # notebooks of format 3
    cells = (
        sheets[0].get("cells")
        if isinstance(sheets, list) and sheets and isinstance(sheets[0], dict)
        else (top.get("cells") if isinstance(top, dict) else None)
    )
    if not isinstance(cells, list):
        raise Refused("not a notebook: there is no list of cells in it")
    if len(cells) > CELLS_LIMIT:
        raise Refused(f"{len(cells)} cells, at most {CELLS_LIMIT}")
    found = [_cell(c) for c in cells if isinstance(c, dict) and c.get("cell_type") == "code"]
    if sum(len(c.source) for c in found) > CODE_LIMIT:
        raise Refused(f"more than {CODE_LIMIT // 1000:,} kB of code")
    if not any(c.source.strip() for c in found):
        raise Refused("a notebook without code")
    return found


def _cell(raw):
    source = raw.get("source", raw.get("input", ""))
    if isinstance(source, list):
        source = "".join(x for x in source if isinstance(x, str))
    source = source if isinstance(source, str) else ""
    if len(source) > CELL_LIMIT:
        source = f"raise ValueError('this cell has {len(source)} characters, at most {CELL_LIMIT} are run')"
    metadata = raw.get("metadata")
    grader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = grader.get("grade_id") if isinstance(grader, dict) else ""
    return Cell(
        source.replace("\r\n", "\n"),
        grade_id(name) if isinstance(name, str) else "",
        str(raw.get("id", ""))[:64],
    )


# ------------------------------------------------------------------------------------------ the plan
def lecture_of(cells, known):
    """The Reference a submission belongs to: most graded ids, cell ids, unchanged texts, checks and
    function names in common.  Raises Refused if it has nothing in common with any."""
    sources = {c.source.strip() for c in cells if c.source.strip()}
    grade_ids, ids = {c.grade_id for c in cells} - {""}, {c.id for c in cells} - {""}
    calls = {exercise for c in cells if "check" in c.source for exercise, _ in checked(c.source)}
    defined = set().union(*(names(c.source)[0] for c in cells))

    def common(ref):
        graded = 3 * len(grade_ids & {c.grade_id for c in ref.cells}) + 3 * len(calls & set(ref.checks))
        texts = len(sources & {c.source.strip() for c in ref.cells} - ref.setup)
        return graded + texts + len(ids & {c.id for c in ref.cells}) + 2 * len(defined & ref.functions)

    best = max(known, key=common, default=None)
    if best is None or common(best) == 0:
        raise Refused("no known cell: neither ids, checks nor function names of any lecture are in it")
    return best


def plan(cells, ref):
    """What to run of a submission and where to observe its answers."""
    by_name = {c.grade_id: c for c in ref.cells if c.grade_id}
    by_id = {c.id: c for c in ref.cells if c.id}
    official = {c.source.strip(): c for c in ref.cells}
    kinds = [_kind(c, ref, by_name, by_id, official) for c in cells]
    facts = [names(c.source) for c in cells]
    wanted = {i for i, kind in enumerate(kinds) if kind in ("answer", "setup", "added")}
    while True:  # what the answers read and only the lecture's own cells bind must run too
        have = set().union(*(facts[i][0] for i in wanted))
        need = set().union(*(facts[i][1] for i in wanted)) - have
        more = {
            i for i, kind in enumerate(kinds) if kind == "lecture" and i not in wanted and facts[i][0] & need
        }
        if not more:
            break
        wanted |= more
    steps, code, seen = [], {}, {}
    for i, cell in enumerate(cells):
        if i in wanted and cell.source.strip():
            steps.append(Run(i + 1, cell.source))
        for exercise, expression in (
            checked(cell.source) if kinds[i] != "demo" and "check" in cell.source else ()
        ):
            if exercise in ref.checks:
                seen[exercise] = len(steps)
                steps.append(Take(exercise, expression))
    last = [s for k, s in enumerate(steps) if isinstance(s, Run) or seen[s.exercise] == k]
    last += [
        Take(exercise, expression) for exercise, (expression, _) in ref.checks.items() if exercise not in seen
    ]
    for k, step in enumerate(last):
        if isinstance(step, Take):
            root = step.expression.split(".")[0].split("(")[0].strip()
            ran = [s.number - 1 for s in last[:k] if isinstance(s, Run)]
            code[step.exercise] = next((cells[i].source for i in reversed(ran) if root in facts[i][0]), "")
    return Plan(ref.name, last, code)


def _kind(cell, ref, by_name, by_id, official):
    text = cell.source.strip()
    match = official.get(text)
    known = match or by_name.get(cell.grade_id) or by_id.get(cell.id)
    if known is None:
        return "added"
    if known.grade_id.startswith("answer-"):
        return "answer"
    if known.grade_id.startswith("check-"):
        return "check" if match else "added"  # an edited check cell holds something of the student's own
    if known.source.strip() in ref.demos:
        return "demo"
    return "setup" if known.source.strip() in ref.setup or only_imports(text) else "lecture"
