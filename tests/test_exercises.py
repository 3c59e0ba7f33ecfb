"""The framework of the exercises: `check` shows a card whatever an answer does; judges survive anything."""

import io
import json
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from xaikit import exercises
from xaikit.exercises import Case, Result, Verdict, answer, catalog, check, failures, functions, get, guard
from xaikit.exercises.card import Badge, card_html, card_text
from xaikit.exercises.feedback import evaluate
from xaikit.exercises.oracle import ROWS, Oracle, remote

IDS = list(catalog().id)
PLAIN = (np.ndarray, int, float, str)


@pytest.fixture(autouse=True)
def fresh():
    exercises.reset()
    yield
    exercises.reset()


def right(f, x):
    x = x.detach().clone().requires_grad_(True)
    return torch.autograd.grad(f(x).sum(), x)[0]


# ---- the catalog


def test_catalog_lists_lecture_04():
    table = catalog()
    assert list(table.columns) == ["id", "lecture", "title", "points", "minutes", "difficulty"]
    assert table[table.lecture == "04"].points.tolist() == [1, 3, 1, 3, 3, 2, 2]
    assert table.id.is_unique


def test_an_unknown_exercise_is_named():
    with pytest.raises(ValueError, match="no exercise '9.9'; there are"):
        get("9.9")


def test_import_is_light():
    code = "import sys, xaikit.exercises; print(*(m in sys.modules for m in ('torch', 'pandas', 'IPython')))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split()
        == ["False"] * 3
    )


# ---- check never raises


class Odd(BaseException):
    pass


class Hostile:
    def __repr__(self):
        raise RuntimeError("no")

    __str__ = __repr__

    def __array__(self, *_):
        raise RuntimeError("no")


class HostileTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, *_, **__):
        raise Odd("no")


class BadMessage(Exception):
    def __str__(self):
        raise RuntimeError("no message")


def raising(error):
    def f(*_):
        raise error

    return f


def endless(*args):
    return endless(*args)


def generator(f, x):
    yield from right(f, x)


def writes_into_x(f, x):
    g = right(f, x)
    x.zero_()
    return g


def shrinks_x(f, x):
    g = right(f, x)
    x.resize_(1)
    return g


def closes_stdout(f, x):
    sys.stdout.close()
    return Hostile()


def leaves_gradients_off(f, x):
    torch.set_grad_enabled(False)
    return x


HOSTILE = {
    "a string": lambda f, x: "<b>0</b>",
    "a dict": lambda f, x: {"value": 1},
    "ragged lists": lambda f, x: [[1.0], [1.0, 2.0]],
    "an object": lambda f, x: Hostile(),
    "a hostile tensor": lambda f, x: torch.zeros(1, 1).as_subclass(HostileTensor),
    "a list that holds itself": lambda f, x: (lambda v: v.append(v) or v)([]),
    "NaN": lambda f, x: x * float("nan"),
    "infinity": lambda f, x: x / 0,
    "complex": lambda f, x: x.to(torch.complex64),
    "a meta tensor": lambda f, x: x.to("meta"),
    "a sparse tensor of other shape": lambda f, x: torch.eye(3).to_sparse(),
    "a huge array": lambda f, x: np.broadcast_to(np.float64(0), (10**6, 10**6)),
    "a huge list": lambda f, x: [0.0] * 10**6,
    "an object array": lambda f, x: np.array([None, 1], dtype=object),
    "dates": lambda f, x: np.array(["2026-01-01"], dtype="datetime64[D]"),
    "no axes": lambda f, x: torch.tensor(0.0),
    "an empty tensor": lambda f, x: torch.zeros(0, 3),
    "a generator": generator,
    "f itself": lambda f, x: f,
    "a class": Hostile,
    "an error": raising(ValueError("<script>alert(1)</script>")),
    "an error without a message": raising(BadMessage()),
    "an error beside Exception": raising(Odd("odd")),
    "GeneratorExit": raising(GeneratorExit()),
    "no memory": raising(MemoryError()),
    "endless recursion": endless,
    "no arguments": lambda: 0,
    "writes into x": writes_into_x,
    "shrinks x": shrinks_x,
    "closes stdout": closes_stdout,
    "leaves gradients off": leaves_gradients_off,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_check_never_raises(name):
    out = sys.stdout
    result = check("4.1", HOSTILE[name])
    assert result.status == "wrong" and 0 <= result.score < 1 and result.message
    assert "<script" not in result._repr_html_() and repr(result)
    assert torch.is_grad_enabled() and sys.stdout is out


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize(
    "function", [Hostile, endless, raising(Odd()), lambda *a, **k: Hostile(), lambda *a, **k: [[]]]
)
def test_check_never_raises_in_any_exercise(id, function):
    assert not check(id, function).passed


@pytest.mark.parametrize(
    "args", [("9.9", right), (right, "4.1"), (None, None), ([], right), ("4.1", "right"), ("4.1", 3)]
)
def test_check_takes_nonsense(args):
    result = check(*args)
    assert not result.passed and result.score == 0 and result.message


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_the_interrupt_button_goes_through(error):
    with pytest.raises(error):
        check("4.1", raising(error()))


@pytest.mark.parametrize(
    "turn",
    [
        lambda g: g.tolist(),
        lambda g: g.numpy(),
        lambda g: g.double(),
        lambda g: tuple(g),
        lambda g: g.clone().requires_grad_(True) * 1,
        lambda g: g.numpy().astype(np.float16),
        lambda g: [list(map(float, row)) for row in g],
        lambda g: g.to_sparse(),
    ],
)
def test_any_form_of_the_right_numbers_passes(turn):
    result = check("4.1", lambda f, x: turn(right(f, x)))
    assert result.passed and result.score == result.max_score == 1


def test_not_finite_is_named():
    assert "holds NaN" in check("4.1", HOSTILE["NaN"]).message
    assert "holds infinity" in check("4.1", HOSTILE["infinity"]).message


def test_on_the_graph_under_no_grad_and_inference_mode():
    def on_graph(f, x):
        x.requires_grad_(True)
        return torch.autograd.grad(f(x).sum(), x, create_graph=True)[0]

    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert check("4.1", on_graph).passed
            assert not torch.is_grad_enabled()


# ---- not attempted


@pytest.mark.parametrize(
    "function", [None, ..., lambda f, x: None, lambda f, x: ..., raising(NotImplementedError())]
)
def test_not_attempted(function):
    result = check("4.1", function)
    assert (result.status, result.score, result.passed) == ("empty", 0, False)
    assert "not attempted" in result._repr_html_() and "not attempted" in repr(result)
    assert failures("4.1") == 0


def test_nothing_for_some_cases_only_is_wrong():
    result = check("4.1", lambda f, x: right(f, x) if len(x) == 1 else None)
    assert result.status == "wrong" and result.score == 0 and result.hint.startswith("Is there a branch")


# ---- printing and time


def test_what_is_printed_is_kept_and_bounded(capsys):
    def chatty(f, x):
        print("<i>hello</i>" + "x" * 10**6)

    result = check("4.1", chatty)
    assert (
        result.output.startswith("<i>hello</i>")
        and len(result.output) < guard.KEPT + 100
        and "more characters" in result.output
    )
    assert "&lt;i&gt;hello" in result._repr_html_() and "<i>hello" not in result._repr_html_()
    assert len(capsys.readouterr().out) < 10_000


def forever(f, x):
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            pass


def stubborn(f, x):
    for _ in range(3):
        try:
            time.sleep(60)
        except:  # noqa: E722
            pass
    return right(f, x)


@pytest.fixture
def hurried(monkeypatch):
    import dataclasses

    exercise = dataclasses.replace(get("4.1"), seconds=0.3)
    monkeypatch.setattr("xaikit.exercises.feedback.get", lambda id: exercise)


@pytest.mark.parametrize("function", [forever, stubborn])
def test_an_endless_function_is_stopped(hurried, function):
    before, began = signal.getsignal(signal.SIGALRM), time.monotonic()
    result = check("4.1", function)
    assert time.monotonic() - began < 5
    assert result.status == "wrong" and "longer than 0.3 s" in result.message
    assert signal.getsignal(signal.SIGALRM) is before and signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_an_endless_function_is_stopped_outside_the_main_thread(hurried):
    got = []
    thread = threading.Thread(target=lambda: got.append(check("4.1", forever)))
    thread.start()
    thread.join(10)
    assert "longer than 0.3 s" in got[0].message
    got.clear()
    thread = threading.Thread(target=lambda: got.append(check("4.1", right)))
    thread.start()
    thread.join(10)
    assert got[0].passed


def test_a_running_timer_goes_on(hurried):
    rang = []
    before = signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
    signal.setitimer(signal.ITIMER_REAL, 100)
    try:
        check("4.1", right)
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 100
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# ---- hints, solution, fallback


def test_hints_open_one_by_one_then_the_solution():
    hints = get("4.1").hints
    for n in range(1, 6):
        result = check("4.1", lambda f, x: -right(f, x))
        assert result.opened == hints[:n] and bool(result.solution) == (n > len(hints))
        page = result._repr_html_()
        assert page.count("<details") == page.count("</details>") == min(n, 3) + (n > 3)
    assert "def gradient_credit" in result.solution
    result = check("4.1", right)
    assert result.opened == () and "def gradient_credit" in result.solution


def test_answer_is_the_students_once_it_passed(capsys):
    library = get("4.1").library
    assert answer("4.1") is library and "library" in capsys.readouterr().out
    check("4.1", lambda f, x: -right(f, x))
    assert answer("4.1") is library
    check("4.1", right)
    capsys.readouterr()
    assert answer("4.1") is right and "your function" in capsys.readouterr().out
    check("4.1", lambda f, x: -right(f, x))
    assert answer("4.1") is library


def test_an_empty_notebook_runs_on():
    check("4.2", lambda f, x, baseline, steps=32: ...)
    x = torch.tensor([[2.0, 3.0]])
    assert answer("4.2")(lambda z: z.prod(1), x, 0 * x).tolist() == [[3.0, 3.0]]


# ---- cards


def result_of(**kw):
    base = dict(id="4.2", title="T", status="wrong", score=0.0, max_score=3.0, message="m")
    return Result(**{**base, **kw})


NASTY = "<script>alert('x')</script>&\"<img src=x onerror=alert(1)>"


def test_cards_escape_everything():
    result = result_of(
        id=NASTY,
        title=NASTY,
        message=NASTY,
        hint=NASTY,
        expected=NASTY,
        came=NASTY,
        output=NASTY,
        opened=(NASTY, f"`{NASTY}`"),
        solution=NASTY,
    )
    for page in (card_html(result), Badge(NASTY, NASTY, True)._repr_html_()):
        assert "<script" not in page and "<img" not in page and "&lt;script&gt;" in page
    assert "<code" in card_html(result_of(hint="call `f(x)` once"))


@given(st.text(), st.sampled_from(["right", "wrong", "empty", "?"]))
def test_cards_are_well_formed_whatever_they_say(text, status):
    from html.parser import HTMLParser

    page = card_html(
        result_of(status=status, message=text, hint=text, came=text, output=text, opened=(text,))
    )
    opened, seen = [], []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen.append(tag)
            if tag != "br":
                opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

    Parser().feed(page)
    assert not opened and not {"script", "style", "img", "a", "link"} & set(seen)


def test_cards_reach_for_nothing_outside():
    page = card_html(result_of(hint="h", opened=("a",), output="o"))
    assert "http" not in page and "url(" not in page


def test_a_card_says_in_words_what_it_says_in_colour():
    for status, word in (("right", "right"), ("wrong", "not right yet"), ("empty", "not attempted")):
        result = result_of(status=status)
        assert word in card_html(result) and word in card_text(result)


def contrast_with_white(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 1.05 / (0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05)


def test_chips_are_legible():
    from xaikit.exercises.card import STATUS

    assert all(contrast_with_white(colour) > 4.5 for _, _, colour in STATUS.values())


def test_a_notebook_cell_shows_one_card():
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()
    try:
        shell.run_cell("from xaikit.exercises import check", store_history=True)
        with capture_output() as got:
            shell.run_cell("check('4.1', None)", store_history=True)
        assert (
            len(got.outputs) == 1
            and "text/html" in got.outputs[0].data
            and "not attempted" in got.outputs[0].data["text/plain"]
        )
        with capture_output() as got:
            shell.run_cell("r = check('4.1', None)\n1 + 1", store_history=True)
        assert sum("text/html" in o.data for o in got.outputs) == 1
        with capture_output() as got:
            shell.run_cell("r", store_history=True)
        assert sum("text/html" in o.data for o in got.outputs) == 1
        with capture_output() as got:
            shell.run_cell("from xaikit.exercises import answer; g = answer('4.1')", store_history=True)
        assert sum("text/html" in o.data for o in got.outputs) == 1
    finally:
        InteractiveShell.clear_instance()


# ---- judges are not impressed

KINDS = st.sampled_from(["array", "none", "error", "other", "networks", "missing", "timeout", "died", "?", 0])
ARRAYS = hnp.arrays(
    st.sampled_from(
        [np.float64, np.float32, np.float16, np.int8, np.complex64, np.bool_, object, "U3", "datetime64[s]"]
    ),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
)
VALUES = st.one_of(
    ARRAYS,
    st.none(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.booleans(),
    st.lists(st.integers(), max_size=3),
)
NAMES = st.one_of(
    st.sampled_from(
        ["value", "type", "error", "message", "line", "changed", "calls", "seconds", "f.count", "g.count"]
        + [f"{n}.{p}.{i}" for n in "fg" for p in ("weight", "bias") for i in range(3)]
    ),
    st.text(max_size=4),
    st.integers(),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(IDS), KINDS, st.dictionaries(NAMES, VALUES, max_size=8))
def test_judges_survive_anything(id, kind, rest):
    exercise = get(id)
    case = exercise.cases(1)[-1]
    verdict = exercise.judge(case, {**rest, "kind": kind})
    assert isinstance(verdict, Verdict) and verdict.status in ("wrong", "empty") and 0 <= verdict.fraction < 1
    assert len(verdict.message) < 2000 and len(verdict.came) < 2000


@pytest.mark.parametrize("id", IDS)
def test_judges_survive_arrays_of_the_right_shape(id):
    exercise = get(id)
    for case in exercise.cases(0):
        theirs = case if not case.oracle else Case.from_payload(case.payload(), exercise.oracle(case).answer)
        good = exercise.observe(exercise.library, theirs)
        for fill in (np.nan, np.inf, -np.inf, 1e308, -1e308):
            bad = {k: np.full_like(v, fill) if isinstance(v, np.ndarray) else v for k, v in good.items()}
            assert exercise.judge(case, {**bad, "calls": 1}).status == "wrong"
        for bad in (
            None,
            [],
            "array",
            0,
            {},
            {"kind": "array"},
            {"kind": ["array"]},
            {"value": 1},
            {"kind": "array", "value": [[0.0]]},
            {"kind": "array", "value": memoryview(b"0")},
            {"kind": "array", "value": np.zeros((10**4, 10**3), np.int8)},
            {"kind": "timeout", "seconds": "x"},
            {"kind": "timeout", "seconds": float("nan")},
            {"kind": "error"},
        ):
            assert exercise.judge(case, bad).status in ("wrong", "empty")


@pytest.mark.parametrize("calls", [None, "1", 0, -1, float("nan"), True, 3])
def test_calls_are_what_the_oracle_counted(calls):
    exercise = get("4.7")
    case = exercise.cases(0)[0]
    observed = exercise.observe(
        exercise.library, Case.from_payload(case.payload(), exercise.oracle(case).answer)
    )
    assert exercise.judge(case, {**observed, "calls": 1}).status == "right"
    assert exercise.judge(case, {**observed, "calls": calls}).status == "wrong"


class NoTorch(TorchDispatchMode):
    def __torch_dispatch__(self, func, *_, **__):
        raise AssertionError(f"torch computed {func}")


class NoFunction(TorchFunctionMode):
    def __torch_function__(self, func, *_, **__):
        raise AssertionError(f"torch computed {func}")


@pytest.mark.parametrize("id", IDS)
def test_cases_oracles_and_judges_compute_nothing_with_torch(id):
    exercise = get(id)
    observed = []
    for case in exercise.cases(2):
        oracle = exercise.oracle(case)
        values = exercise.observe(
            exercise.library, Case.from_payload(case.payload(), oracle.answer if oracle else None)
        )
        observed.append({**values, **(oracle.measured() if oracle else {})})
    with NoTorch(), NoFunction():
        for case, values in zip(exercise.cases(2), observed, strict=True):
            assert exercise.judge(case, values).status == "right"
            if case.oracle:
                exercise.oracle(case).answer({"op": "value", "points": np.zeros((2, case["x"].shape[1]))})


# ---- across a pipe


def over_a_pipe(payload):
    """As a grader might send it: arrays in an npz, the rest as JSON."""
    box = io.BytesIO()
    np.savez(box, **{k: v for k, v in payload.items() if isinstance(v, np.ndarray)})
    box.seek(0)
    rest = json.loads(json.dumps({k: v for k, v in payload.items() if not isinstance(v, np.ndarray)}))
    with np.load(box, allow_pickle=False) as arrays:
        return {**rest, **{k: arrays[k] for k in arrays.files}}


@pytest.mark.parametrize("id", IDS)
def test_grading_by_the_contract(id):
    exercise = get(id)
    verdicts = []
    for case in exercise.cases(11):
        payload = case.payload()
        assert all(type(k) is str and type(v) in PLAIN for k, v in payload.items())
        oracle = exercise.oracle(case)
        ask = (lambda request, o=oracle: over_a_pipe(o.answer(over_a_pipe(request)))) if oracle else None
        observed = exercise.observe(exercise.library, Case.from_payload(over_a_pipe(payload), ask))
        assert all(type(k) is str and type(v) in PLAIN for k, v in observed.items())
        observed = over_a_pipe(observed)
        verdicts.append(exercise.judge(case, {**observed, **(oracle.measured() if oracle else {})}))
    assert exercise.combine(verdicts) == (exercise.points, exercise.combine(verdicts)[1])


def test_the_child_never_sees_what_the_judge_keeps():
    for case in get("4.7").cases(0):
        assert not [k for k in case.payload() if k.startswith("f.")] and [
            k for k in case.data if k.startswith("f.")
        ]
    for case in get("4.5").cases(0):
        assert set(case.payload()) == {"note", "oracle"}


def test_combine_takes_the_least_and_explains_with_a_named_mistake():
    exercise = get("4.2")
    ok, vague, named = Verdict(1.0, "holds"), Verdict(0.5, "vague"), Verdict(0.5, "named", "hint")
    assert exercise.combine([ok, ok])[0] == 3
    assert exercise.combine([ok, vague, named]) == (1.5, named)
    assert exercise.combine([ok, Verdict(0.0, "vague"), named]) == (0.0, named)
    assert exercise.combine([])[0] == 0
    empty = Verdict(0.0, "nothing", status="empty")
    assert exercise.combine([empty, empty])[1].status == "empty"
    assert exercise.combine([ok, empty, named]) == (0.0, named)


# ---- functions, paths, oracles


def functions_of(seed):
    rng = np.random.default_rng(seed)
    return [
        functions.random_network(rng, 3),
        functions.random_network(rng, 3, activation="relu"),
        functions.polynomial(3, rng.normal(size=(3, 3)), rng.normal(size=3), 0.5, rng.normal(size=3)),
    ]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_numpy_and_torch_agree_on_functions(seed):
    for data in functions_of(seed):
        x = torch.from_numpy(np.random.default_rng(seed).normal(size=(6, 3))).requires_grad_(True)
        expected, slopes = functions.gradient(data, x.detach().numpy())
        y = functions.torch_function(data)(x)
        np.testing.assert_allclose(y.detach().numpy(), expected, atol=1e-12)
        np.testing.assert_allclose(torch.autograd.grad(y.sum(), x)[0].numpy(), slopes, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_gradients_are_the_slope_of_values(seed):
    for data in (functions_of(seed)[0], functions_of(seed)[2]):
        x = np.random.default_rng(seed).normal(size=(4, 3))
        h = 1e-5 * np.eye(3)
        slopes = np.stack(
            [(functions.value(data, x + e) - functions.value(data, x - e)) / 2e-5 for e in h], 1
        )
        np.testing.assert_allclose(functions.gradient(data, x)[1], slopes, atol=1e-5, rtol=1e-6)


def test_paths_agree_start_and_end_and_have_their_speed():
    for case in get("4.4").cases(5):
        path = functions.torch_path(case.data)
        alpha = torch.linspace(0.01, 0.99, 37, dtype=torch.float64)
        position, speed = functions.points(case.data, alpha.numpy())
        np.testing.assert_allclose(path(alpha).numpy(), position, atol=1e-12)
        moved = torch.func.jvp(path, (alpha,), (torch.ones_like(alpha),))[1]
        np.testing.assert_allclose(moved.numpy(), speed, atol=1e-12)
        np.testing.assert_allclose(path(0.25).numpy(), functions.points(case.data, [0.25])[0][0], atol=1e-6)
        assert path(1).shape == position[0].shape


@pytest.mark.parametrize(
    "x,error,words",
    [
        (torch.zeros(3), ValueError, r"add a batch axis: x\[None\]"),
        (torch.zeros(2, 2, 3), ValueError, "flatten"),
        (torch.zeros(2, 4), ValueError, r"\(N, 3\)"),
        (torch.zeros(2, 3, dtype=torch.int64), TypeError, "floating"),
        (np.zeros((2, 3)), TypeError, "tensor"),
    ],
)
def test_f_says_what_it_takes(x, error, words):
    data = functions_of(0)[0]
    oracle = Oracle(Case(data, oracle="f"))
    for f in (functions.torch_function(data), remote(oracle.answer, 3)):
        with pytest.raises(error, match=words):
            f(x)
    assert oracle.calls == 0


def test_a_remote_function_is_the_function_and_each_call_counts():
    for data in functions_of(3):
        oracle, plain = Oracle(Case(data, oracle="f")), functions.torch_function(data)
        f = remote(oracle.answer, 3)
        x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(f(x), plain(x))
        assert oracle.measured() == {"calls": 1}
        torch.testing.assert_close(right(f, x), right(plain, x))
        assert oracle.calls == 2
        one = torch.func.grad(lambda row, f=f: f(row[None])[0])
        torch.testing.assert_close(torch.func.vmap(one)(x), right(plain, x))
        torch.testing.assert_close(
            torch.func.vmap(torch.func.vmap(one))(x[None].repeat(2, 1, 1))[1], right(plain, x)
        )
        assert oracle.calls == 4
        rows = torch.func.jacrev(f)(x).diagonal(dim1=0, dim2=1).T
        torch.testing.assert_close(rows, right(plain, x))
        assert oracle.calls == 5


def test_an_oracle_bounds_its_work():
    oracle = Oracle(Case(functions_of(0)[0], oracle="f"))
    with pytest.raises(RuntimeError, match="rows were asked"):
        remote(oracle.answer, 3)(torch.zeros(ROWS + 1, 3))
    assert not oracle.kept


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.none(),
        st.dictionaries(
            st.sampled_from(["op", "points", "token", "cotangent"]),
            st.one_of(VALUES, st.sampled_from(["value", "vjp"])),
        ),
    )
)
def test_an_oracle_survives_any_request(request):
    oracle = Oracle(Case(functions_of(0)[0], oracle="f"))
    oracle.answer({"op": "value", "points": np.zeros((2, 3))})
    reply = oracle.answer(request)
    assert type(reply) is dict and all(type(v) in PLAIN for v in reply.values())


def test_the_same_seed_gives_the_same_result():
    wrong = lambda f, x: -right(f, x)  # noqa: E731
    assert evaluate(get("4.1"), wrong, 3) == evaluate(get("4.1"), wrong, 3)


@pytest.mark.parametrize("mode", ["autograde", "validate"])
def test_under_nbgrader_only_a_right_answer_runs_through(monkeypatch, mode):
    monkeypatch.setenv("NBGRADER_EXECUTION", mode)
    assert check("4.1", exercises.get("4.1").library).passed
    with pytest.raises(AssertionError, match="4.1"):
        check("4.1", lambda f, x: -x)


def test_the_librarys_function_does_not_pass_as_an_answer():
    borrowed = check("6.1", lambda *given: exercises.answer("6.1")(*given))
    assert not borrowed.passed and "until yours has passed" in borrowed.came
    assert exercises.answer("6.1") is exercises.get("6.1").library, "after the check it is there again"
