"""Every lecture as a whole: its shape; that it runs, each cell twice with the same result, in time and memory."""
import re

import lectures
import pytest
from lectures import code_cells, prose, read

from xaikit import demos, exercises

LECTURES = [lecture for lecture in lectures.SOURCES if lecture != "00"]


@pytest.fixture(scope="module", params=LECTURES)
def lecture(request):
    return request.param


@pytest.fixture(scope="module")
def notebook(lecture):
    return read(lecture)


@pytest.fixture(scope="module")
def twice(lecture, notebook):
    return lectures.run(lecture, [c for cell in code_cells(notebook) for c in (cell, cell)])


def test_every_exercise_is_asked_answered_and_checked(lecture, notebook):
    catalog = exercises.catalog().query(f"lecture == '{lecture}'").set_index("id")
    names = [c.metadata["nbgrader"]["grade_id"].replace("-", ".").split(".", 1) for c in notebook.cells
             if "nbgrader" in c.metadata]
    assert names == [[kind, e] for e in sorted(catalog.index, key=_place(notebook)) for kind in ("answer", "check")]
    assert len(catalog) >= 6
    for cell in notebook.cells:
        grader = cell.metadata.get("nbgrader", {})
        name = grader.get("grade_id", "").replace("-", ".").partition(".")[2]
        if grader.get("grade"):
            assert grader["points"] == catalog.points[name] and grader["locked"]
            assert cell.source.startswith(f'check("{name}", ')
        elif grader:
            theirs = re.search(r"^def .*:$", exercises.get(name).solution(), re.M)
            assert cell.source.count("### BEGIN SOLUTION") == 1
            assert _arguments(theirs.group()) == _arguments(re.search(r"^def .*:$", cell.source, re.M).group())
    for name, row in catalog.iterrows():
        stars = "★" * row.difficulty + "☆" * (3 - row.difficulty)
        assert re.search(rf"### Exercise {name} — .* {stars} · {row.minutes} min · {row.points:g} point", prose(notebook))


def _place(notebook):
    text = prose(notebook)
    return lambda name: text.index(f"### Exercise {name} ")


def _arguments(line):
    return line[line.index("("):]


def test_it_opens_and_closes_as_every_lecture_does(lecture, notebook):
    opening, text = notebook.cells[0].source, prose(notebook)
    for word in ("**You will be able to**", "**Time**", "**Builds on**", "**Sources**"):
        assert word in opening
    assert re.findall(r"^## (.*)$", text, re.M)[-1] == "Paper against here"
    numbered = [int(n) for n in re.findall(r"^## (\d+) · ", text, re.M)]
    assert numbered == list(range(numbered[0], numbered[0] + len(numbered))) and len(numbered) >= 7


def test_no_boilerplate_and_every_figure_has_its_words(notebook):
    first, *rest = code_cells(notebook)
    assert first.source.startswith("import ") or first.source.startswith("from ")
    for cell in rest:
        assert not re.search(r"^(import|from) |^[%!]|pip install|https?:|/work|/tmp|monkey", cell.source, re.M), cell.source
        if re.search(r"plot\.(subplots|grid|curves|bars|image|heatmap)\(", cell.source):
            assert "plot.describe(" in cell.source, cell.source


def test_every_demo_is_shown(lecture, notebook):
    shown = set(re.findall(r'demos\.get\("([^"]*)"\)', "\n".join(c.source for c in notebook.cells)))
    assert shown == {d.name for d in demos.all() if d.lecture == lecture}


def test_each_cell_run_twice_gives_the_same(twice):
    for first, second in zip(twice[0][::2], twice[0][1::2], strict=True):
        assert lectures.words(first.outputs) == lectures.words(second.outputs), first.source[:200]


def test_figures_are_there_with_their_words(twice):
    for cell in twice[0][1::2]:
        shown = [o for o in cell.outputs if o.output_type != "stream"]
        for output in shown:
            if "image/png" in output.data:
                assert len(output.metadata["image/png"]["alt"]) > 40, cell.source[:80]
        if "demos.get(" in cell.source:
            assert any(lectures.WIDGET in o.data or "image/jpeg" in o.data for o in shown)


def test_solutions_pass_and_nothing_is_whispered(lecture, twice):
    text = lectures.texts(twice[0][1::2])
    for name, points in exercises.catalog().query(f"lecture == '{lecture}'").set_index("id").points.items():
        assert re.search(rf"✓ {re.escape(name)} .*: right, {points:g} of {points:g} point", text)
    assert "✓ holds" in text and not re.search(r"warning|/home/|site-packages|Traceback", text, re.I)


def test_it_takes_a_minute_and_two_gibibytes_at_most(twice):
    # every cell ran twice; how slow the machine is at the moment is known to a fifth or so
    assert twice[1] <= 120 * 1.2 and twice[2] <= 2, twice[1:]
