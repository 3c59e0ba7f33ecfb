"""Grading: a class of honest and hostile submissions, one row each, the right points, and nothing taken
from the grader."""

import inspect
import itertools
import json
import os
import re
import socket
import textwrap
import threading
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from xaikit import exercises
from xaikit.classroom import grade as grading
from xaikit.classroom import submission, wire
from xaikit.classroom.sandbox import Ended, Server

IDS = ["4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "4.7"]
POINTS = {i: float(exercises.get(i).points) for i in IDS}
FULL = sum(POINTS.values())
IMPORTS = "import torch\nimport numpy as np\nfrom xaikit.exercises import check"
linux = pytest.mark.skipif(not os.path.exists("/proc/self/ns"), reason="forked grading is for Linux")
root_only = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="these barriers need root"
)


LIBRARY = {i: inspect.getsource(exercises.get(i).library) for i in IDS}


def library(i):
    return LIBRARY[i]


def name(i):
    return exercises.get(i).library.__name__


def stub(i):
    return re.match(r"def .*?:\n", library(i), re.S)[0] + "    ...  # your code here"


def notebook(answers, extra=(), ids=True, checks=None, imports=IMPORTS):
    """A submission as JSON text; ``answers``: exercise → code of its cell."""

    count = itertools.count(1)

    def cell(source, grade_id=None):
        meta = (
            {
                "nbgrader": {
                    "grade": grade_id.startswith("check"),
                    "grade_id": grade_id,
                    "locked": False,
                    "schema_version": 3,
                    "solution": grade_id.startswith("answer"),
                    "task": False,
                    "points": 1,
                }
            }
            if grade_id and ids
            else {}
        )
        return {
            "cell_type": "code",
            "id": f"c{next(count)}",
            "metadata": meta,
            "source": source,
            "outputs": [],
            "execution_count": None,
        }

    cells = [cell(imports), *(cell(x) for x in extra)]
    for i in IDS:
        cells.append(cell(answers.get(i, stub(i)), f"answer-{i}"))
        cells.append(cell((checks or {}).get(i, f'check("{i}", {name(i)})'), f"check-{i}"))
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def source_text():
    """A small lecture source with the seven exercises, a demo that must not run, and a constant that an
    answer may read."""
    parts = [
        "# ---\n# jupyter:\n#   jupytext:\n#     cell_metadata_filter: nbgrader,tags,slideshow,-all\n# ---\n",
        f"# %%\n{IMPORTS}\n",
        "# %%\nHALF = 0.5\n",
        '# %% tags=["demo"]\nimport time; time.sleep(1000)\n',
    ]
    for i in IDS:
        head, body = library(i).split("\n", 1)
        meta = {
            "grade": False,
            "grade_id": f"answer-{i}",
            "locked": False,
            "schema_version": 3,
            "solution": True,
            "task": False,
        }
        body = "\n".join(["    ### BEGIN SOLUTION", body.rstrip(), "    ### END SOLUTION"])
        parts.append(f"# %% nbgrader={json.dumps(meta)}\n{head}\n{body}\n")
        meta |= {
            "grade": True,
            "grade_id": f"check-{i}",
            "locked": True,
            "points": POINTS[i],
            "solution": False,
        }
        parts.append(f'# %% nbgrader={json.dumps(meta)}\ncheck("{i}", {name(i)})\n')
    return "\n".join(parts)


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    folder = root / "solutions" / "04_small"
    folder.mkdir(parents=True)
    (folder / "04_small.py").write_text(source_text())
    (folder / "hidden.py").write_text("raise_me = None\n\ndef cases(exercise, seed):\n    return []\n")
    (root / "secret.txt").write_text("the seed")
    return root


PERFECT = {i: library(i) for i in IDS}
NEARLY = PERFECT | {"4.2": library("4.2").replace("k + 0.5", "k + 0.45")}
HALF = {i: library(i) for i in ("4.1", "4.2", "4.3")}
RAISE_SECRETS = """
def gradient_credit(f, x):
    import os, glob
    found = []
    for p in {places!r}:
        for p in sorted(glob.glob(p, recursive=True))[:300]:
            try:
                if os.path.isfile(p): open(p).read(10); found.append(p)
            except OSError: pass
    raise ValueError('FOUND ' + ' '.join(found))
"""


def in_cell(code):
    return textwrap.dedent(code).strip()


def hostile(course, folder):
    """name → (answers, extra cells, expected points)"""
    none = {i: 0.0 for i in IDS}
    patch = in_cell("""
        import numpy, torch, xaikit.exercises as e
        numpy.allclose = torch.allclose = numpy.array_equal = torch.equal = lambda *a, **k: True
        for i in ["4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "4.7"]:
            x = e.get(i)
            object.__setattr__(x, "judge", lambda case, observed: e.Verdict(1.0, "right"))
            object.__setattr__(x, "points", 0.001)
        e.core.Exercise.combine = lambda self, verdicts: (100.0, e.Verdict(1.0, "right"))
    """)
    forge = in_cell("""
        import os, json, struct
        def forged(text):
            meta = {"n": 2, "score": 100, "error": ""}
            header = json.dumps({"meta": meta, "plain": {"points": 100.0}, "arrays": []}).encode()
            return struct.pack(">II", len(header), 0) + header
        for fd in range(3, 64):
            try: os.write(fd, forged("x") * 5)
            except OSError: pass
    """)
    bomb = in_cell("""
        import os, time
        for _ in range(60):
            try:
                if os.fork() == 0:
                    os.setsid(); time.sleep(300); os._exit(0)
            except OSError: break
    """)
    huge = {
        "4.1": "def gradient_credit(f, x):\n    return torch.full_like(x, float('nan'))",
        "4.2": "def integrated_gradients(f, x, baseline, steps=32):\n    return x * 1e38 * 10",
        "4.3": "def completeness_gap(f, x, baseline, attributions):\n    return torch.zeros(5000, 5000)",
        "4.4": "def path_gradients(f, path, steps=100):\n    return '" + "9" * 50000 + "'",
        "4.5": "def twin_networks():\n    return [([[float('nan')] * 2], [10**400])], {1: object()}",
    }
    return {
        "nearly": (NEARLY, (), FULL - 3, None),
        "empty": ({}, (), 0.0, none),
        "perfect": (PERFECT, (), FULL, POINTS),
        "half": (HALF, (), 5.0, None),
        "patched": ({}, (patch,), 0.0, none),
        "forged": ({}, (forge,), 0.0, none),
        "bomb": (PERFECT, (bomb,), FULL, POINTS),
        "huge": (huge, (), 0.0, none),
        "printer": (
            PERFECT,
            ("print('x' * 50_000_000)", "import os; os.write(1, b'y' * 50_000_000)"),
            FULL,
            POINTS,
        ),
        "hungry": (
            PERFECT
            | {"4.3": "def completeness_gap(f, x, baseline, attributions):\n    return bytearray(64 << 30)"},
            ("hoard = [bytearray(1 << 28) for _ in range(1000)]",),
            FULL - 1,
            None,
        ),
        "syntax": (PERFECT | {"4.2": "def integrated_gradients(f, x:\n    return"}, (), FULL - 3, None),
        "loop_in_answer": (
            PERFECT | {"4.2": "def integrated_gradients(f, x, baseline, steps=32):\n    while True: pass"},
            (),
            FULL - 3,
            None,
        ),
        "loop_in_cell": (PERFECT, ("while True: pass",), FULL, POINTS),
        "exit_in_cell": (PERFECT, ("import os\nos._exit(0)",), FULL, POINTS),
        "exit_in_answer": (
            PERFECT | {"4.1": "def gradient_credit(f, x):\n    import os\n    os._exit(0)"},
            (),
            FULL - 1,
            None,
        ),
        "sys_exit": (
            PERFECT | {"4.3": "import sys\nsys.exit('bye')\ndef completeness_gap(*a): pass"},
            (),
            FULL - 1,
            None,
        ),
        "deaf": (
            PERFECT,
            (
                "import signal\nfor s in (15, 2, 24): signal.signal(s, signal.SIG_IGN)\nwhile True:\n"
                "    try:\n        while True: pass\n    except BaseException: pass",
            ),
            FULL,
            POINTS,
        ),
        "deep": (
            PERFECT,
            (
                "-" * 50_000 + "1",
                "(" * 5_000,
                "x" + "[0]" * 20_000,
                "1" + "+1" * 40_000,
                "\x00",
                "\ud800 = 1",
            ),
            FULL,
            POINTS,
        ),
        "spy": (
            {
                "4.1": RAISE_SECRETS.format(
                    places=[f"{course}/**", f"{folder}/**", f"/proc/{os.getpid()}/environ"]
                )
            },
            (),
            0.0,
            none,
        ),
        "caller": (
            {
                "4.1": "def gradient_credit(f, x):\n    import socket\n"
                "    s = socket.socket()\n    s.settimeout(2)\n"
                "    s.connect(('127.0.0.1', PORT))\n    s.send(b'hello')"
            },
            (),
            0.0,
            none,
        ),
    }


def renamed(answers):
    """The code intact, everything by which a platform knows a cell lost: other grade_ids, other cell ids,
    cells moved."""
    nb = json.loads(notebook(answers, ids=False))
    for k, cell in enumerate(nb["cells"]):
        cell["id"] = f"other{k}"
        if k % 2:
            cell["metadata"] = {"nbgrader": {"grade_id": f"something-{k}", "grade": False, "solution": True}}
    nb["cells"].insert(1, {"cell_type": "markdown", "metadata": {}, "source": "hello"})
    return json.dumps(nb)


@pytest.fixture(scope="session")
def graded(course, tmp_path_factory):
    """All submissions in one batch: (table, grades.json, out folder, seconds, what the network heard)."""
    base = tmp_path_factory.mktemp("batch")
    folder, out = base / "submitted", base / "out"
    folder.mkdir()
    heard, server = [], socket.create_server(("127.0.0.1", 0))

    def listen():
        while True:
            try:
                heard.append(server.accept())
            except OSError:
                return

    threading.Thread(target=listen, daemon=True).start()
    for key, (answers, extra, _, _) in hostile(course, folder).items():
        text = notebook(answers, extra).replace("PORT", str(server.getsockname()[1]))
        (folder / f"{key}.ipynb").write_text(text, encoding="utf-8")
    (folder / "renamed.ipynb").write_text(renamed(PERFECT))
    moodle = folder / "Jane Doe_123456_assignsubmission_file_"
    moodle.mkdir()
    (moodle / "my final FINAL.ipynb").write_text(notebook(HALF))
    (moodle / "notes.txt").write_text("not a submission: the notebook beside it is")
    (folder / "no extension").write_text(notebook(HALF))
    (folder / "essay.pdf").write_bytes(b"%PDF-1.4 \xff\xfe")
    (folder / "nothing.ipynb").write_bytes(b"")
    (folder / "list.ipynb").write_text("[1, 2, 3]")
    (folder / "nest.ipynb").write_text("[" * 200_000)
    (folder / "other.ipynb").write_text(
        json.dumps(
            {
                "cells": [{"cell_type": "code", "source": ["x = 1"], "metadata": {}}],
                "metadata": {},
                "nbformat": 4,
                "nbformat_minor": 5,
            }
        )
    )
    (folder / "markdown.ipynb").write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4}))
    with open(folder / "large.ipynb", "wb") as f:
        f.truncate(100 << 20)
    (folder / "link.ipynb").symlink_to(course / "secret.txt")
    (folder / "empty folder").mkdir()
    began = time.monotonic()
    table = grading.grade(
        folder, out, workers=2, seed=7, root=course, cell_seconds=2.0, limits={"memory": 1 << 30}
    )
    server.close()
    yield (
        table.set_index("file"),
        json.loads((out / "grades.json").read_text()),
        out,
        time.monotonic() - began,
        heard,
    )


def test_one_row_for_each_submission(graded):
    table, facts, out, *_ = graded
    assert table.index.is_unique and len(table) == 20 + 3 + 9
    assert len(facts["submissions"]) == len(table) == len(pd.read_csv(out / "grades.csv"))
    assert not (out / "grades.partial.jsonl").exists()


@pytest.mark.parametrize("key", list(hostile("", "")))
def test_points_of(graded, key):
    table, facts, *_ = graded
    _, _, points, each = hostile("", "")[key]
    row = table.loc[f"{key}.ipynb"]
    told = next(x for x in facts["submissions"] if x["file"] == f"{key}.ipynb")
    assert row.points == points and row.out_of == FULL, (row.note, told)
    for i, expected in (each or {}).items():
        assert row[i] == expected, (i, told)


def test_renamed_cells_get_their_points(graded):
    assert graded[0].loc["renamed.ipynb"].points == FULL


def test_names_do_not_matter(graded):
    table = graded[0]
    row = table.loc["Jane Doe_123456_assignsubmission_file_/my final FINAL.ipynb"]
    assert row.student == "Jane Doe" and row.points == 5 == table.loc["no extension"].points
    assert not any("notes.txt" in x for x in table.index)


@pytest.mark.parametrize(
    "file, said",
    [
        ("essay.pdf", "not JSON"),
        ("nothing.ipynb", "empty file"),
        ("list.ipynb", "no list of cells"),
        ("nest.ipynb", "not JSON"),
        ("other.ipynb", "no known cell"),
        ("markdown.ipynb", "without code"),
        ("large.ipynb", "100 MiB, at most 32 MiB"),
        ("link.ipynb", "not a regular file"),
        ("empty folder", "an empty folder"),
    ],
)
def test_what_is_no_submission_has_a_row_that_says_so(graded, file, said):
    row = graded[0].loc[file]
    assert row.points == 0 and said in row.note


def test_a_broken_cell_costs_only_itself_and_is_named(graded):
    table = graded[0]
    assert "SyntaxError" in table.loc["syntax.ipynb"].note
    assert "took longer than 2 s" in table.loc["loop_in_cell.ipynb"].note
    assert "exit code 0" in table.loc["exit_in_cell.ipynb"].note


@linux
@root_only
def test_solutions_submissions_and_other_processes_are_out_of_sight(graded, course):
    facts = graded[1]
    spy = next(x for x in facts["submissions"] if x["file"] == "spy.ipynb")
    assert spy["exercises"][0]["came"].strip() == "FOUND", spy["exercises"][0]
    assert "solutions, submissions and home folder hidden" in facts["barriers"]


def test_no_network(graded):
    assert not graded[4]


def test_nothing_survives_a_submission(graded):
    if not os.path.isdir("/proc/self"):
        pytest.skip("looks at /proc")
    me, left = os.getpid(), []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as f, open(f"/proc/{pid}/status") as status:
                if "xaikit.classroom.child" in f.read() and re.search(r"^State:\s+[^Z]", status.read(), re.M):
                    with open(f"/proc/{pid}/environ") as e:
                        left += [pid] * (f"xaikit-grade-{me}" in e.read())
        except OSError:
            continue
    assert not left


def test_same_seed_same_grades(graded, course, tmp_path):
    (tmp_path / "nearly.ipynb").write_text(notebook(NEARLY))
    grading.grade(tmp_path / "nearly.ipynb", tmp_path / "out", seed=7, root=course)
    again = json.loads((tmp_path / "out" / "grades.json").read_text())
    before = next(x for x in graded[1]["submissions"] if x["file"] == "nearly.ipynb")
    assert before["exercises"] == again["submissions"][0]["exercises"] and again["seed"] == 7


def test_hidden_cases_count(course, tmp_path):
    root = tmp_path / "course"
    folder = root / "solutions" / "04_small"
    folder.mkdir(parents=True)
    (folder / "04_small.py").write_text(source_text())
    (folder / "hidden.py").write_text(
        "from xaikit.exercises import get\n\n"
        "def cases(exercise, seed):\n    return get(exercise).cases(seed + 1)\n"
    )
    (tmp_path / "a.ipynb").write_text(notebook(PERFECT))
    grading.grade(tmp_path / "a.ipynb", tmp_path / "out", seed=1, root=root)
    told = json.loads((tmp_path / "out" / "grades.json").read_text())["submissions"][0]["exercises"]
    assert [x["cases"] for x in told] == [2 * len(exercises.get(i).cases(0)) for i in IDS]
    assert sum(x["points"] for x in told) == FULL


def test_an_answer_that_hands_on_the_librarys_is_pointed_out(course, tmp_path):
    head = stub("4.1").splitlines()[0]
    (tmp_path / "a.ipynb").write_text(notebook(
        {"4.1": f"from xaikit.exercises import get\n{head}\n    return get('4.1').library(f, x)", "4.3": PERFECT["4.3"]}))
    note = grading.grade(tmp_path / "a.ipynb", tmp_path / "out", seed=1, root=course)["note"][0]
    assert note.startswith("4.1: the answer calls the library") and "4.3" not in note


@pytest.mark.skipif(os.name == "nt", reason="not tried there")
def test_without_fork(course, tmp_path):
    (tmp_path / "a.ipynb").write_text(
        notebook(PERFECT | {"4.7": "def quick_integrated_gradients(*a):\n    import os; os._exit(1)"})
    )
    table = grading.grade(tmp_path / "a.ipynb", tmp_path / "out", root=course, fork=False)
    assert table.points.tolist() == [FULL - 2]
    assert "fewer barriers" in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda p: p / "missing", "there is no folder"),
        (lambda p: (p / "none").mkdir() or p / "none", "no submissions"),
    ],
)
def test_a_folder_without_submissions(course, tmp_path, make, said):
    with pytest.raises(ValueError, match=said):
        grading.grade(make(tmp_path), tmp_path / "out", root=course)


def test_an_interrupted_batch_keeps_finished_rows(course, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    for k in range(4):
        (tmp_path / "in" / f"{k}.ipynb").write_text(notebook({}))
    once, seen = grading._grade_one, []

    def interrupted(path, *rest):
        seen.append(path)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return once(path, *rest)

    monkeypatch.setattr(grading, "_grade_one", interrupted)
    with pytest.raises(KeyboardInterrupt):
        grading.grade(tmp_path / "in", tmp_path / "out", root=course, workers=1)
    rows = (tmp_path / "out" / "grades.partial.jsonl").read_text().splitlines()
    assert 1 <= len(rows) <= 3 and all(json.loads(r)["out_of"] == FULL for r in rows)
    assert not (tmp_path / "out" / "grades.csv").exists()


def test_reports_escape_what_students_write(course, tmp_path):
    evil = "<script>alert(1)</script>"
    folder = tmp_path / "in" / f"=cmd|{'x' * 5}"
    folder.mkdir(parents=True)
    code = f"def gradient_credit(f, x):\n    '''{evil}'''\n    raise ValueError('{evil}')"
    (folder / "&<b>.ipynb").write_text(notebook({"4.1": code}, (f"raise ValueError('{evil} \\ud800')",)))
    grading.grade(tmp_path / "in", tmp_path / "out", root=course)
    assert isinstance(json.loads((tmp_path / "out" / "grades.json").read_text())["seed"], int)
    pages = [p.read_text() for p in (tmp_path / "out").rglob("*.html")]
    assert len(pages) == 2
    for page in pages:
        assert "<script" not in page and "<b>.ipynb" not in page and "http" not in page
    assert "&lt;script&gt;" in "".join(pages)
    assert pd.read_csv(tmp_path / "out" / "grades.csv").student[0].startswith("'=")


# ------------------------------------------------------------------------------------------ planning
@pytest.fixture(scope="session")
def ref(course):
    return submission.references(course)[0]


def cells(*sources):
    return [submission.Cell(s) for s in sources]


def test_demos_are_not_run_and_needed_cells_are(ref):
    demo = "import time; time.sleep(1000)"
    uses = "def gradient_credit(f, x):\n    return HALF * x"
    steps = submission.plan(cells(IMPORTS, "HALF = 0.5", demo, uses), ref).steps
    assert [s.code for s in steps if isinstance(s, submission.Run)] == [IMPORTS, "HALF = 0.5", uses]
    steps = submission.plan(
        cells(IMPORTS, "HALF = 0.5", demo, "def gradient_credit(f, x):\n    HALF = 1"), ref
    ).steps
    assert "HALF = 0.5" not in [s.code for s in steps if isinstance(s, submission.Run)]


def test_the_last_definition_before_the_check_counts(ref):
    first, second, third = (f"def gradient_credit(f, x):\n    return {k}" for k in "123")
    found = submission.plan(cells(first, second, 'check("4.1", gradient_credit)', third), ref)
    at = next(k for k, s in enumerate(found.steps) if isinstance(s, submission.Take) and s.exercise == "4.1")
    assert [s.code for s in found.steps[:at]] == [first, second] and found.code["4.1"] == second
    assert sum(isinstance(s, submission.Take) for s in found.steps) == len(IDS)


@pytest.mark.parametrize(
    "source, expected",
    [
        ('check("4.1", g)', [("4.1", "g")]),
        ("xaikit.exercises.check('4.1', function=Model.g)", [("4.1", "Model.g")]),
        ('%%time\ncheck("4.1", lambda f, x: x)', [("4.1", "lambda f, x: x")]),
        ('# check("4.1", g)', []),
        ('check("4.1", g', [("4.1", "g")]),
        ('check(name, g); check("4.2")', []),
        ('!ls\ncheck("4.1", g);', [("4.1", "g")]),
    ],
)
def test_check_calls_are_found(source, expected):
    assert submission.checked(source) == expected


# ------------------------------------------------------------------------------------------ the wire
finite = st.one_of(
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.floats(allow_nan=False),
)
boxes = st.sampled_from(["<f4", "<f8", "<i8", "|b1", "|u1", ">f8"]).flatmap(
    lambda d: arrays.arrays(np.dtype(d), arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8), st.one_of(finite, boxes), max_size=6
    )
)
def test_values_cross_the_wire_unchanged(data):
    message = wire.encode({"n": 1}, data)
    header, body = wire._LENGTHS.unpack(message[:8])
    meta, came = wire.decode(message[8 : 8 + header], message[8 + header :])
    assert meta == {"n": 1} and set(came) == set(data) and len(message) == 8 + header + body
    for key, value in data.items():
        if isinstance(value, np.ndarray):
            assert came[key].shape == value.shape
            np.testing.assert_array_equal(came[key], value)
        else:
            assert came[key] == value and type(came[key]) is type(value)


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_any_bytes_are_a_message_or_garbage(header, body):
    try:
        wire.decode(header, body)
    except wire.Garbage:
        pass


@pytest.mark.parametrize(
    "header",
    [
        {"meta": {}, "plain": {}, "arrays": [["a", "|O8", [1]]]},
        {"meta": {}, "plain": {}, "arrays": [["a", "<f8", [2**62, 4]]]},
        {"meta": {}, "plain": {}, "arrays": [["a", "<f8", [-1]]]},
        {"meta": {}, "plain": {}, "arrays": [["a", "<f8", [2]]]},
        {"meta": {}, "plain": {"a": [1]}, "arrays": []},
        {"meta": [], "plain": {}, "arrays": []},
        {"meta": {}, "plain": {}, "arrays": [["a", "<f8", [True]]]},
        {"meta": {}, "plain": {}, "arrays": []},
    ],
)
def test_forged_headers_are_refused(header):
    with pytest.raises(wire.Garbage):
        wire.decode(json.dumps(header).encode(), b"12345678")


def test_objects_are_never_sent():
    with pytest.raises(wire.Garbage, match="key: a set"):
        wire.encode({}, {"key": {1}})
    with pytest.raises(wire.Garbage, match="object"):
        wire.encode({}, {"key": np.array([{}])})


@linux
def test_a_child_is_quick_alone_and_gone_with_its_children(tmp_path):
    with Server() as server:
        server.child().close()
        began = time.monotonic()
        child = server.child()
        assert time.monotonic() - began < 2
        assert "FileNotFoundError" in child.run("open('/etc/nothing')", 5)
        child.run("import os\nif os.fork() == 0:\n    os.setsid()\n    while True: pass", 5)
        with pytest.raises(Ended, match="took longer than 0.5 s"):
            child.run("while True: pass", 0.5)
        began = time.monotonic()
        with pytest.raises(Ended, match="SIGSEGV|SIGBUS"):
            server.child().run("import ctypes; ctypes.string_at(0)", 20)
        assert time.monotonic() - began < 10
