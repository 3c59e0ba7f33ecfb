"""What differs between the notebooks on disk and what a build would leave, and in which direction."""

from .build import code_stamp, read_notebook, read_text, text_of
from .source import BEGIN, student_notebook


def drift(root, plans, complete=True):
    """One line ``path: reason`` for each notebook that a build would change or that has no source.

    plans: (lecture, notebook of the source with ids, the same with stored outputs or None, trouble) for
    each lecture; complete: whether these are all lectures, so that any other notebook is one too many.
    """
    lines = []

    def report(path, reason):
        lines.append(f"{path.relative_to(root).as_posix()}: {reason}")

    for lecture, nb, done, trouble in plans:
        if trouble:
            report(lecture.solution, trouble)
        elif done is None:
            report(lecture.solution, _why_stale(nb, lecture.solution))
        elif text_of(done) != read_text(lecture.solution):
            report(lecture.solution, "differs from its source in text, ids or metadata; run the build")
        expected = student_notebook(nb)
        if not lecture.student.is_file():
            report(lecture.student, "is missing")
        elif text_of(expected) != read_text(lecture.student):
            report(lecture.student, _why_different(lecture.student, nb, expected))
    if complete:
        known = {path for lecture, *_ in plans for path in (lecture.solution, lecture.student)}
        for place in ("solutions", "course"):
            for path in sorted((root / place).rglob("*.ipynb")):
                if path not in known and ".ipynb_checkpoints" not in path.parts:
                    report(path, "has no source; delete it, or write the source it is made from")
    return lines


def _why_stale(nb, path):
    stamp = read_notebook(path)[0].metadata.get("xaikit", {})
    if stamp.get("code") != code_stamp(nb):
        return "is older than its source; run the build"
    return "its outputs were edited, cleared or run by hand; run the build"


def _why_different(path, nb, expected):
    stored, trouble = read_notebook(path)
    if stored is None:
        return trouble
    code = [c for c in stored.cells if c.cell_type == "code"]
    secret = solution_lines(nb) - {line.strip() for c in expected.cells for line in c.source.splitlines()}
    if any(BEGIN in c.source or secret & {x.strip() for x in c.source.splitlines()} for c in stored.cells):
        return "holds solution text; run the build"
    if any(c.get("outputs") or c.get("execution_count") for c in code):
        return "holds outputs; run the build"
    if [(c.cell_type, c.source) for c in stored.cells] != [(c.cell_type, c.source) for c in expected.cells]:
        return "differs from its source: edited by hand, or older; edit the source and run the build"
    return "differs from its source in ids or metadata; run the build"


def solution_lines(nb):
    """The lines inside solution regions that are long enough to be recognised, stripped."""
    lines, inside = set(), False
    for cell in nb.cells:
        for line in cell.source.splitlines():
            if line.strip() == BEGIN:
                inside = True
            elif line.strip().startswith("### END"):
                inside = False
            elif inside and len(line.strip()) > 8:
                lines.add(line.strip())
    return lines
