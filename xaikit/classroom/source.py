"""The source of a lecture: reading it, saying what is wrong with it, and the student's notebook it leaves."""

import re
from pathlib import Path

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
STUB = {"code": "...  # your code here", "markdown": "*Your answer here.*"}
CHECK_CALL = re.compile(r"""\bcheck\(\s*["']([^"']+)["']""")
_LOOKS_LIKE_MARK = re.compile(r"#\s*(begin|end)[\s_]*solution", re.I)
_GRADE_ID = re.compile(r"[A-Za-z0-9_.-]+")
_NBGRADER_KEYS = ("grade", "grade_id", "locked", "schema_version", "solution", "task")
_KEPT_METADATA = ("nbgrader", "tags", "slideshow")


class BuildError(ValueError):
    """A source that cannot be built; the message names the file, the cell and what to change."""


# ------------------------------------------------------------------------------------------ reading a source
def read_source(path):
    """The source as a notebook whose cells hold type, source and kept metadata.  Raises BuildError if
    malformed."""
    import jupytext

    try:
        cells = jupytext.reads(Path(path).read_text(encoding="utf-8"), fmt="py:percent").cells
    except Exception as error:
        raise BuildError(f"{path}: not a readable py:percent source: {error}") from error
    if not cells:
        raise BuildError(f"{path}: has no cells; each starts with a line '# %%'")
    nb = notebook(
        {
            "cell_type": c.cell_type,
            "source": c.source,
            "metadata": {k: c.metadata[k] for k in _KEPT_METADATA if k in c.metadata},
        }
        for c in cells
    )
    problems = source_problems(nb.cells)
    if problems:
        raise BuildError(f"{path}:\n  " + "\n  ".join(problems))
    for cell in nb.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata["nbgrader"]["grade_id"] = grade_id(cell.metadata["nbgrader"]["grade_id"])
    return nb


def grade_id(name):
    """An id such as ``answer-4.2`` as notebooks hold it, ``answer-4-2``: nbgrader takes no full stop."""
    return name.replace(".", "-")


def source_problems(cells):
    """What is wrong with the cells of a source, one line each; an empty list if nothing is."""
    problems, seen = [], {}
    for number, cell in enumerate(cells, 1):
        where = f"cell {number} ({first_line(cell)})"
        grader = cell.metadata.get("nbgrader")
        problems += [
            f"{where}: {text}" for text in _mark_problems(cell, bool(grader and grader.get("solution")))
        ]
        if not grader:
            continue
        missing = [key for key in _NBGRADER_KEYS if key not in grader]
        if missing:
            problems.append(f"{where}: nbgrader metadata lacks {', '.join(missing)}")
            continue
        name = grader["grade_id"]
        if not (isinstance(name, str) and _GRADE_ID.fullmatch(name)):
            problems.append(f"{where}: grade_id {name!r} takes letters, digits and - _ . only")
            continue
        if name in seen:
            problems.append(f"{where}: grade_id {name!r} is used already by cell {seen[name]}")
        seen.setdefault(name, number)
        if "instructor" in cell.metadata.get("tags", []):
            problems.append(f"{where}: {name!r} cannot be tagged instructor, students need the cell")
        if grader["grade"] and not grader["solution"]:
            points = grader.get("points")
            if isinstance(points, bool) or not isinstance(points, int | float) or points <= 0:
                problems.append(f"{where}: {name!r} needs points, a number above 0, got {points!r}")
            called = CHECK_CALL.findall(cell.source)
            if name.startswith("check-") and called and name.removeprefix("check-") not in called:
                problems.append(
                    f"{where}: {name!r} checks {', '.join(called)}; the two must be the same exercise"
                )
    for name, number in seen.items():
        if name.startswith("check-") and "answer-" + name.removeprefix("check-") not in seen:
            problems.append(f"cell {number}: {name!r} has no cell answer-{name.removeprefix('check-')}")
    return problems


def _mark_problems(cell, is_answer):
    opened, regions = False, 0
    for line in cell.source.splitlines():
        text = line.strip()
        if text == BEGIN:
            if opened:
                yield f"{BEGIN!r} twice without {END!r} between"
            opened, regions = True, regions + 1
        elif text == END:
            if not opened:
                yield f"{END!r} without {BEGIN!r}"
            opened = False
        elif _LOOKS_LIKE_MARK.search(text):
            yield f"{text!r} is close to a solution mark; write {BEGIN!r} or {END!r} alone on its line"
    if opened:
        yield f"{BEGIN!r} without {END!r}"
    if regions and not is_answer:
        yield "has a solution region but no nbgrader metadata with solution: true"
    if is_answer and not regions:
        yield f"is an answer cell without {BEGIN!r} … {END!r}, its solution would reach the students"


def first_line(cell):
    """How a message names a cell: the start of its first line."""
    lines = cell.source.strip().splitlines() or ["empty"]
    return lines[0][:60]


def notebook(cells, metadata=None):
    """A notebook node of these cells (dicts), with the one metadata all notebooks of the course have."""
    import nbformat

    made = []
    for cell in cells:
        cell = dict(cell)
        if cell["cell_type"] == "code":
            cell.setdefault("execution_count", None)
            cell.setdefault("outputs", [])
        made.append(cell)
    return nbformat.from_dict(
        {
            "cells": made,
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {
                "kernelspec": {
                    "display_name": "Python 3 (ipykernel)",
                    "language": "python",
                    "name": "python3",
                },
                "language_info": {"name": "python"},
                **(metadata or {}),
            },
        }
    )


# ------------------------------------------------------------------------------------------ the two notebooks
def student_notebook(solution):
    """The student's notebook: a pure function of the (executed or not) solution notebook, ids included."""
    cells = []
    for cell in solution.cells:
        if "instructor" in cell.metadata.get("tags", []):
            continue
        kept = {"nbgrader": cell.metadata["nbgrader"]} if "nbgrader" in cell.metadata else {}
        cells.append(
            {
                "cell_type": cell.cell_type,
                "id": cell.id,
                "metadata": kept,
                "source": without_solutions(cell.source, cell.cell_type),
            }
        )
    return notebook(cells)


def without_solutions(source, cell_type="code"):
    """``source`` with each solution region replaced by a stub of the same indentation."""
    lines, inside = [], False
    for line in source.split("\n"):
        if line.strip() == BEGIN:
            inside = True
            lines.append(line[: len(line) - len(line.lstrip())] + STUB[cell_type])
        elif line.strip() == END:
            inside = False
        elif not inside:
            lines.append(line)
    return "\n".join(lines)
