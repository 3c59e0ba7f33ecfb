"""Building notebooks from their sources: what comes out, that it stays the same, that drift is noticed."""

import base64
import io
import json
import re
import shutil

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xaikit.classroom import outputs, source
from xaikit.classroom.build import BuildError, adopt, build, lectures, write_all

HEADER = """\
# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: nbgrader,tags,slideshow,-all
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

"""
FLAGS = '"locked": false, "schema_version": 3, "task": false'
ANSWER = f'# %% nbgrader={{"grade": false, "grade_id": "answer-7.1", "solution": true, {FLAGS}}}\n'
CHECK = f'# %% nbgrader={{"grade": true, "grade_id": "check-7.1", "points": 2, "solution": false, {FLAGS}}}\n'
BODY = """\
def twice(x):
    \"\"\"x -> 2 x\"\"\"
    ### BEGIN SOLUTION
    doubled_secretly = x + x
    return doubled_secretly
    ### END SOLUTION

"""
LECTURE = (
    HEADER
    + "# %% [markdown]\n# # A lecture\n\n# %%\nimport os, sys, io, time\n\n"
    + ANSWER
    + BODY
    + CHECK
    + 'check = print; check("7.1", twice(2))\n\n'
    + '# %% tags=["instructor"]\nprint("only for the instructor")\n\n'
    + '# %% tags=["demo"] slideshow={"slide_type": "slide"}\nprint(sys.executable, os.getcwd(), object())\n'
)


@pytest.fixture
def course(tmp_path):
    """A course of one lecture, not yet built, and a function that rewrites its source."""
    folder = tmp_path / "solutions" / "07_small"
    folder.mkdir(parents=True)
    path = folder / "07_small.py"
    path.write_text(LECTURE)

    class Course:
        root, py, solution = tmp_path, path, folder / "07_small.ipynb"
        student = tmp_path / "course" / "07_small" / "07_small.ipynb"

        def change(self, old, new):
            text = self.py.read_text()
            assert old in text
            self.py.write_text(text.replace(old, new))

        def read(self, path):
            return nbformat.read(io.StringIO(path.read_text()), 4)

        def bytes(self):
            return {p: p.read_bytes() for p in self.root.rglob("*.ipynb")}

    return Course()


@pytest.fixture(scope="session")
def _made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    folder = root / "solutions" / "07_small"
    folder.mkdir(parents=True)
    (folder / "07_small.py").write_text(LECTURE)
    build(root)
    return root


@pytest.fixture
def built(course, _made):
    """The course, built (once, then copied)."""
    shutil.copytree(_made, course.root, dirs_exist_ok=True)
    return course


def test_what_a_build_leaves(built, monkeypatch):
    import sys

    solution, student = built.read(built.solution), built.read(built.student)
    for nb in (solution, student):
        nbformat.validate(nb)
    code = [c for c in solution.cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == [1, 2, 3, 4, 5]
    assert code[2].outputs[0].text == "7.1 4\n"
    # this interpreter ran it, in the lecture's folder; neither is written into the notebook as such
    said = code[4].outputs[0].text
    assert said.split()[0].endswith(sys.executable.rsplit("/", 1)[-1])
    assert "./solutions/07_small" in said and str(built.root) not in said and "<object object at 0x…>" in said
    assert [c.id for c in student.cells] == [
        c.id for c in solution.cells if "instructor" not in c.metadata.get("tags", [])
    ]
    assert student.cells[2].source == 'def twice(x):\n    """x -> 2 x"""\n    ...  # your code here'
    assert student.cells[2].metadata.nbgrader == solution.cells[2].metadata.nbgrader
    # what nbgrader's own schema allows in an id
    graded = [c.metadata.nbgrader.grade_id for c in solution.cells if "nbgrader" in c.metadata]
    assert graded == ["answer-7-1", "check-7-1"] and all(re.fullmatch(r"[a-zA-Z0-9_\-]+", x) for x in graded)
    text = built.student.read_text()
    for secret in ("SOLUTION", "doubled_secretly", "only for the instructor", '"tags"', "slideshow", "0x…"):
        assert secret not in text
    assert all(c.outputs == [] and c.execution_count is None for c in student.cells if c.cell_type == "code")
    space = {}
    exec(student.cells[2].source, space)
    assert space["twice"](1) is None


def test_a_second_build_changes_no_byte_and_runs_nothing(built, monkeypatch):
    before = built.bytes()
    monkeypatch.setattr("xaikit.classroom.execute._run", lambda *_: pytest.fail("ran again"))
    assert build(built.root) == [] and built.bytes() == before
    assert build(built.root, check=True) == []


def test_running_again_gives_the_same_bytes(built):
    before = built.bytes()
    assert build(built.root, force=True) == [] and built.bytes() == before


def test_text_alone_is_rebuilt_without_running_and_ids_survive(built, monkeypatch):
    monkeypatch.setattr("xaikit.classroom.execute._run", lambda *_: pytest.fail("ran again"))
    before = [c.id for c in built.read(built.solution).cells]
    built.change("# # A lecture", "# # A better lecture")
    built.change("# %%\nimport os", "# %% [markdown]\n# More.\n\n# %%\nimport os")
    assert len(build(built.root, check=True)) == 2
    assert build(built.root) == ["solutions/07_small/07_small.ipynb", "course/07_small/07_small.ipynb"]
    after = [c.id for c in built.read(built.solution).cells]
    assert [after[0], *after[2:]] == before and after[1] not in before
    assert build(built.root, check=True) == []


def test_changed_code_runs_again(built):
    built.change("doubled_secretly = x + x", "doubled_secretly = 3 * x")
    drift = build(built.root, check=True)
    assert drift == ["solutions/07_small/07_small.ipynb: is older than its source; run the build"]
    before = built.read(built.solution)
    build(built.root, only="07")
    after = built.read(built.solution)
    assert after.cells[3].outputs[0].text == "7.1 6\n"
    assert [c.id for c in after.cells] == [c.id for c in before.cells]


def student_edit(change):
    def edit(course):
        nb = course.read(course.student)
        change(nb)
        course.student.write_text(nbformat.writes(nb))

    return edit


def set_source(k, text):
    return lambda nb: nb.cells[k].update(source=text)


def clear_solution(course):
    nb = course.read(course.solution)
    nb.cells[3]["outputs"] = []
    course.solution.write_text(nbformat.writes(nb))


@pytest.mark.parametrize(
    "spoil, said",
    [
        (lambda c: c.student.unlink(), "course/07_small/07_small.ipynb: is missing"),
        (lambda c: c.solution.unlink(), "solutions/07_small/07_small.ipynb: is missing"),
        (
            lambda c: c.student.write_text("no json"),
            "course/07_small/07_small.ipynb: is no readable notebook",
        ),
        (lambda c: c.solution.write_text("[]"), "solutions/07_small/07_small.ipynb: is no readable notebook"),
        (student_edit(set_source(1, "import os")), "edited by hand"),
        (student_edit(set_source(2, "def twice(x):\n    doubled_secretly = x + x")), "holds solution text"),
        (student_edit(lambda nb: nb.cells[1].update(execution_count=3)), "holds outputs"),
        (student_edit(lambda nb: nb.cells[2].metadata.nbgrader.update(locked=True)), "ids or metadata"),
        (student_edit(lambda nb: nb.cells[2].update(id="other")), "ids or metadata"),
        (
            lambda c: c.student.write_text(c.student.read_text() + "\n"),
            "course/07_small/07_small.ipynb: differs",
        ),
        (
            clear_solution,
            "solutions/07_small/07_small.ipynb: its outputs were edited, cleared or run by hand",
        ),
        (
            lambda c: shutil.copy(c.student, c.root / "course" / "extra.ipynb"),
            "course/extra.ipynb: has no source",
        ),
        (
            lambda c: shutil.copy(c.student, c.solution.with_name("b.ipynb")),
            "solutions/07_small/b.ipynb: has no source",
        ),
        (lambda c: c.change("print(sys", "print(io, sys"), "is older than its source"),
        (lambda c: c.change('tags=["demo"]', 'tags=["other"]'), "solutions/07_small/07_small.ipynb: differs"),
    ],
)
def test_drift_is_noticed_and_healed(built, spoil, said):
    before = built.bytes()
    spoil(built)
    drift = build(built.root, check=True)
    assert any(said in line for line in drift), drift
    if "no source" in said:
        built.root.joinpath(drift[0].split(":")[0]).unlink()
    if built.py.read_text() == LECTURE:
        build(built.root)
        assert build(built.root, check=True) == [] and built.bytes() == before


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("    ### END SOLUTION\n", "", "without '### END SOLUTION'"),
        ("    ### BEGIN SOLUTION\n", "", "'### END SOLUTION' without"),
        ("    return doubled", "    ### BEGIN SOLUTION\n    return doubled", "twice without"),
        ("### BEGIN SOLUTION", "# begin solution", "close to a solution mark"),
        ("### END SOLUTION", "### END SOLUTION here", "close to a solution mark"),
        ("    ### BEGIN SOLUTION\n    doubled_secretly = x + x\n", "    d = 1\n", "without '### BEGIN"),
        ("check-7.1", "answer-7.1", "grade_id 'answer-7.1' is used already by cell 3"),
        ("check-7.1", "check-7.2", "no cell answer-7.2"),
        ("check-7.1", "check 7.1", "takes letters, digits"),
        ('check("7.1"', 'check("7.3"', "checks 7.3; the two must be the same"),
        ('"points": 2', '"points": 0', "needs points, a number above 0, got 0"),
        ('"points": 2, ', "", "needs points, a number above 0, got None"),
        ('"solution": true, "locked": false', '"solution": true', "lacks locked"),
        ("import os", "### BEGIN SOLUTION\nimport os\n### END SOLUTION", "but no nbgrader metadata"),
        ("# %% nbgrader={", '# %% tags=["instructor"] nbgrader={', "cannot be tagged instructor"),
        (LECTURE, "", "has no cells"),
    ],
)
def test_a_malformed_source_is_named_and_nothing_is_written(course, old, new, said):
    course.change(old, new)
    with pytest.raises(BuildError, match="07_small.py") as error:
        build(course.root)
    assert said in str(error.value)
    assert not course.solution.exists() and not course.student.exists()


@pytest.mark.parametrize(
    "code, said",
    [
        ("print(1)\nraise RuntimeError('on purpose')", "raised RuntimeError: on purpose"),
        ("time.sleep(60)", "took longer than 3 s"),
        ("os._exit(1)", "ended the kernel"),
        ("def f(:", "raised SyntaxError"),
    ],
)
def test_a_cell_that_fails_is_named_and_nothing_is_written(built, code, said):
    before = built.bytes()
    built.change("print(sys.executable, os.getcwd(), object())", "# here\n" + code)
    with pytest.raises(BuildError, match="07_small: cell 6 .# here. ") as error:
        build(built.root, cell_timeout=3)
    assert said in str(error.value) and "\x1b" not in str(error.value)
    assert built.bytes() == before and not list(built.root.rglob("*.part"))


def test_widgets_become_pictures_and_volatile_parts_go(course):
    course.change(
        "print(sys.executable, os.getcwd(), object())",
        "import ipywidgets as w, warnings\nfrom PIL import Image\nfrom tqdm.auto import tqdm\n"
        "b = io.BytesIO(); Image.new('RGB', (4, 4), (200, 0, 0)).save(b, 'JPEG')\n"
        "for i in tqdm(range(3)): print(i, end='\\r')\n"
        "warnings.warn('mind this in ' + sys.prefix)\n"
        "display(w.Image(value=b.getvalue(), format='jpeg'))\n"
        "choice = w.Dropdown(options=['black', 'mean'], value='mean', description='baseline')\n"
        "picture = w.Image(value=b.getvalue(), format='jpeg')\n"
        "steps = w.FloatSlider(value=1.5, description='steps <b>')\n"
        "display(w.VBox([steps, picture, w.HTML('<i>gap</i> 0.1'), choice]))\n"
        "display(w.Button())\nw.IntProgress()",
    )
    build(course.root)
    text = course.solution.read_text()
    assert "widget-view" not in text and "widget-state" not in text and "it/s" not in text
    nb = course.read(course.solution)
    assert "widgets" not in nb.metadata
    *streams, alone, box, button = nb.cells[-1].outputs
    warned = "".join(s.text for s in streams if s.name == "stderr")
    assert "mind this in python\n" in warned and str(course.root) not in warned
    assert alone.data["image/jpeg"] and base64.b64decode(alone.data["image/jpeg"])[:2] == b"\xff\xd8"
    assert 'src="data:image/jpeg;base64,/9j' in box.data["text/html"]
    assert "steps &lt;b&gt;: 1.5" in box.data["text/html"] and "<i>gap</i> 0.1" in box.data["text/html"]
    assert "baseline: mean" in box.data["text/plain"]
    assert "interactive part" in button.data["text/plain"]
    before = course.bytes()
    build(course.root, force=True)
    assert course.bytes() == before


def test_works_from_any_folder_and_without_kernel_specs(course, monkeypatch, tmp_path_factory):
    away = tmp_path_factory.mktemp("away")
    monkeypatch.chdir(away)
    for name in ("JUPYTER_PATH", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(away))
    monkeypatch.setattr("jupyter_client.kernelspec.KernelSpecManager.find_kernel_specs", lambda self: {})
    course.change("check = print", "assert os.path.basename(os.getcwd()) == '07_small'; check = print")
    assert len(build(str(course.root))) == 2


def test_lectures_by_number(built):
    assert (
        [x.name for x in lectures(built.root, "07")] == ["07_small"] == [x.name for x in lectures(built.root)]
    )
    with pytest.raises(ValueError, match="no lecture '09'; there are 07_small"):
        build(built.root, only="09")
    with pytest.raises(ValueError, match="no lecture sources"):
        build(built.root / "course")


def test_files_are_written_whole_or_not_at_all(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_all({tmp_path / "a": "new", tmp_path / "b": "\ud800"})
    assert (tmp_path / "a").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


# ------------------------------------------------------------------------------------------ laws
lines = st.lists(st.sampled_from(["x = 1", "    y = 2", "", "def f():"]), max_size=4)


@given(lines, lines, lines)
def test_outside_a_region_nothing_is_lost_and_inside_nothing_is_kept(before, inside, after):
    text = [
        *before,
        "    ### BEGIN SOLUTION",
        *(f"secret {x}" for x in inside),
        "    ### END SOLUTION",
        *after,
    ]
    left = source.without_solutions("\n".join(text)).split("\n")
    assert left == [*before, "    ...  # your code here", *after]


@given(
    st.lists(st.tuples(st.sampled_from(["code", "markdown"]), st.sampled_from("abcdef")), max_size=8),
    st.data(),
)
def test_ids_are_unique_and_survive_any_reordering_of_distinct_cells(cells, data):
    def make(of):
        return source.notebook({"cell_type": t, "source": s, "metadata": {}} for t, s in of)

    old = adopt(make(cells), None, "n")
    ids = [c.id for c in old.cells]
    assert len(set(ids)) == len(ids)
    assert [c.id for c in adopt(make(cells), old, "n").cells] == ids
    kept = [c for k, c in enumerate(cells) if data.draw(st.booleans())]
    fewer = adopt(make(kept), old, "n")
    assert len({c.id for c in fewer.cells}) == len(kept)
    assert {c.id for c in fewer.cells} <= set(ids)


@given(st.text(max_size=60))
def test_stable_text_is_stable(text):
    once = outputs.stable_text(text, "/some/where")
    assert outputs.stable_text(once, "/some/where") == once


def test_the_course_itself_is_in_step_with_its_sources():
    from pathlib import Path

    root = Path(__file__).resolve().parents[1]
    assert build(root, check=True) == []


def test_no_solution_line_of_the_course_reaches_a_student():
    from pathlib import Path

    from xaikit.classroom.drift import solution_lines

    root = Path(__file__).resolve().parents[1]
    for lecture in lectures(root):
        nb = source.read_source(lecture.source)
        student = json.loads(lecture.student.read_text())
        shown = {line.strip() for c in student["cells"] for line in "".join(c["source"]).splitlines()}
        outside = {line.strip() for c in nb.cells for line in source.without_solutions(c.source).splitlines()}
        assert not (solution_lines(nb) - outside) & shown
        assert all(not c.get("outputs") and "tags" not in c["metadata"] for c in student["cells"])
