"""Lecture 04 as a whole: its shape, and that it runs: with the solutions, each cell twice; and empty, as a
student opens it.
"""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from xaikit import exercises
from xaikit.classroom import source

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "solutions" / "04_ig_axioms" / "04_ig_axioms.py"
POINTS = {"4.1": 1, "4.2": 3, "4.3": 1, "4.4": 3, "4.5": 3, "4.6": 2, "4.7": 2}
WIDGET = "application/vnd.jupyter.widget-view+json"
USED = """import resource, time
print('USED', time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)"""


@pytest.fixture(scope="module")
def notebook():
    return source.read_source(SOURCE)


def code_cells(nb):
    return [c for c in nb.cells if c.cell_type == "code"]


def prose(nb):
    return "\n\n".join(c.source for c in nb.cells if c.cell_type == "markdown")


# its shape ----------------------------------------------------------------------------------------


def test_every_exercise_is_asked_answered_and_checked(notebook):
    ids = [
        c.metadata["nbgrader"]["grade_id"].replace("4-", "4.")
        for c in notebook.cells
        if "nbgrader" in c.metadata
    ]
    assert ids == [f"{kind}-{e}" for e in POINTS for kind in ("answer", "check")]
    catalog = exercises.catalog().set_index("id")
    for cell in notebook.cells:
        grader = cell.metadata.get("nbgrader", {})
        if grader.get("grade"):
            name = grader["grade_id"].removeprefix("check-").replace("-", ".")
            assert grader["points"] == POINTS[name] == catalog.loc[name, "points"]
            assert cell.source.startswith(f'check("{name}", ') and grader["locked"]
    for name, points in POINTS.items():
        stars = "★" * catalog.loc[name, "difficulty"] + "☆" * (3 - catalog.loc[name, "difficulty"])
        assert re.search(
            rf"### Exercise {name} — .* {stars} · {catalog.loc[name, 'minutes']} min · {points} point",
            prose(notebook),
        )
    assert f"{catalog.loc[list(POINTS), 'minutes'].sum()} for the seven exercises" in prose(notebook)


def test_answers_have_the_library_s_signatures(notebook):
    for name in POINTS:
        cell = next(
            c
            for c in notebook.cells
            if c.metadata.get("nbgrader", {}).get("grade_id")
            in (f"answer-{name}", f"answer-{name}".replace(".", "-"))
        )
        theirs = re.search(r"^def .*:$", exercises.get(name).solution(), re.M)
        assert cell.source.splitlines()[0] == theirs.group()
        assert "torch.allclose" not in cell.source and cell.source.count("### BEGIN SOLUTION") == 1


def test_nine_sections_in_order_and_the_closing_table(notebook):
    text = prose(notebook)
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert [h for h in headings if h[0].isdigit()] == [
        h for k in range(1, 10) for h in headings if h.startswith(f"{k} · ")
    ]
    assert len([h for h in headings if h[0].isdigit()]) == 9 and headings[-1] == "Paper against here"
    opening = notebook.cells[0].source
    assert all(
        word in opening for word in ("**You will be able to**", "**Time**", "**Builds on**", "**Sources**")
    )
    for part in re.split(r"^## (?=\d)", text, flags=re.M)[1:9]:
        assert re.search(r"What to see|second look|\*\*Picture", part), part[:60]
    shown = re.findall(r'demos\.get\("(04[^"]*)"\)', "\n".join(c.source for c in notebook.cells))
    assert shown == ["04/vanishing", "04/sensitivity", "04/steps", "04/paths", "04/baseline", "04"]


def test_no_boilerplate(notebook):
    first, *rest = code_cells(notebook)
    assert first.source.startswith("import ")
    for cell in rest:
        assert not re.search(r"^(import|from) |^[%!]|pip install|https?:|/work|/tmp", cell.source, re.M), (
            cell.source[:80]
        )
    figures = [
        c.source for c in code_cells(notebook) if re.search(r"plot\.(subplots|grid|curves)\(", c.source)
    ]
    assert len(figures) >= 9 and all("plot.describe(" in c for c in figures)


# that it runs -------------------------------------------------------------------------------------


def run(cells):
    """The executed code cells, the processor's seconds and the memory in GiB; fails where a cell does."""
    cells = [nbformat.from_dict(dict(c)) for c in cells]
    cells.append(nbformat.v4.new_code_cell(USED))
    nb = source.notebook(cells)
    nb.cells = [nbformat.v4.new_code_cell(c.source, metadata=c.metadata) for c in cells]
    NotebookClient(
        nb, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(SOURCE.parent)}}
    ).execute()
    _, seconds, memory = nb.cells[-1].outputs[0]["text"].split()
    return nb.cells[:-1], float(seconds), float(memory)


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
    streams = "".join(f for f in found if isinstance(f, str))
    return streams, [f for f in found if not isinstance(f, str)]


def texts(cells):
    return "\n".join(
        words(c.outputs)[0] + "\n".join(d.get("text/plain", "") for d in words(c.outputs)[1]) for c in cells
    )


@pytest.fixture(scope="module")
def twice(notebook):
    return run([c for cell in code_cells(notebook) for c in (cell, cell)])


def test_each_cell_run_twice_gives_the_same(twice):
    cells = twice[0]
    for first, second in zip(cells[::2], cells[1::2], strict=True):
        assert words(first.outputs) == words(second.outputs), first.source[:200]


def test_figures_are_there_with_their_words(notebook, twice):
    for cell in twice[0][1::2]:
        pictures = [o for o in cell.outputs if o.output_type != "stream" and "image/png" in o.data]
        if "plot.describe(" in cell.source and "def photograph" not in cell.source:
            assert len(pictures) == 1 and len(pictures[0].metadata["image/png"]["alt"]) > 40, cell.source[:80]
        elif "fig = table" in cell.source:
            assert len(pictures) == 1
        elif "demos.get(" in cell.source or "widgets.explore(" in cell.source:
            assert any(
                WIDGET in o.data or "image/jpeg" in o.data for o in cell.outputs if o.output_type != "stream"
            )


def test_solutions_pass_and_the_numbers_of_the_paper_come_out(twice):
    text = texts(twice[0][1::2])
    for name, points in POINTS.items():
        assert re.search(rf"✓ {re.escape(name)} .*: right, {points} of {points} point", text)
    rows = {
        line.split("  ")[0].strip(): re.findall(r"-?\d\.\d", line)
        for line in text.splitlines()
        if re.match(r"(Int|DeepL|LRP)", line)
    }
    assert rows["LRP, bias excluded"] == ["1.5", "-0.5", "2.0", "-1.0"] and rows["LRP, bias kept"] == [
        "3.0",
        "-1.0",
        "3.0",
        "-1.0",
    ]
    assert "1.5 -0.5  2.0 -1.0" in text and "1.5 -0.5  1.5 -0.5" in text
    assert "✗ does not" in text and "✓ holds" in text
    assert not re.search(r"warning|/home/|site-packages", text, re.I)


def test_an_empty_notebook_runs_to_the_end_in_time(notebook):
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    student = source.student_notebook(notebook)
    assert "BEGIN SOLUTION" not in "\n".join(c.source for c in student.cells)
    cells, seconds, memory = run(code_cells(student))
    text = texts(cells)
    assert text.count("not attempted") >= 7 and "✓ holds" in text
    assert seconds <= 60 and memory <= 2, (seconds, memory)
