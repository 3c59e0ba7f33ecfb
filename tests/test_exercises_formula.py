"""The short form of an exercise: truth, mistakes, shapes, laws, several outputs, functions as data."""
import numpy as np
import pytest
import torch

from xaikit.exercises.core import Case
from xaikit.exercises.feedback import evaluate
from xaikit.exercises.formula import formula

TEXTS = {"title": "t", "points": 2, "minutes": 1, "difficulty": 1, "task": "t", "hints": ("a",)}


def scale(x, k):
    return k * x


SCALE = formula(
    id="1.90", library=scale, truth=lambda x, k: k * x, axes="(N, D)",
    cases=lambda rng: [{"x": rng.normal(size=(3, 2)), "k": 2.5, "note": "three rows"},
                       {"x": rng.normal(size=(1, 4)), "k": -1.5}],
    mistakes=[("divided", lambda x, k: x / k), ("half", lambda x, k: -k * x, 0.5), ("summed", lambda x, k: (k * x).sum(1))],
    laws=[("no sign may change where k is positive", lambda value, x, k: k < 0 or (value * x >= 0).all())], **TEXTS)


@pytest.mark.parametrize(("answer", "points", "hint"), [
    (lambda x, k: k * x, 2, ""), (lambda a, b: (b * a).numpy().tolist(), 2, ""),
    (lambda x, k: x / k, 0, "divided"), (lambda x, k: -k * x, 1, "half"), (lambda x, k: (k * x).sum(1), 0, "summed"),
    (lambda x, k: k * x - 9, 0, "no sign may change"), (lambda x, k: x.mul_(k), 1, "The caller still needs x"),
    (lambda x, k: (x, k), 0, "The parts are not numbers"), (lambda x, k: x * float("nan"), 0, "Is something divided"),
])
def test_one_value(answer, points, hint):
    score, verdict, _ = evaluate(SCALE, answer)
    assert score == points and verdict.hint.startswith(hint) and (verdict.status == "right") == (points == 2)


def test_an_answer_may_be_put_to_another_use():
    called_twice = formula(id="1.94", library=scale, truth=lambda x, k: k * k * x, axes="(N, D)",
                           cases=lambda rng: [{"x": rng.normal(size=(3, 2)), "k": 2.5}],
                           use=lambda answer: lambda x, k: answer(answer(x, k), k), **TEXTS)
    assert evaluate(called_twice, scale)[0] == 2 and evaluate(called_twice, lambda x, k: k * k * x)[0] == 0


@pytest.mark.parametrize("exercise", ["one value", "several values"])
def test_complex_results_are_named(exercise):
    one, answer = (SCALE, lambda x, k: k * x + 0j) if exercise == "one value" else (BOTH, lambda x: (x.sum(1) + 0j, x))
    score, verdict, _ = evaluate(one, answer)
    assert score == 0 and verdict.hint.startswith("Is the real part asked for, .real") and verdict.came == "complex Tensor"


def both(x):
    return x.sum(1), x


BOTH = formula(
    id="1.91", library=both, truth=lambda x: (x.sum(1), x), outputs=("sum", "x"),
    cases=lambda rng: [{"x": rng.normal(size=(3, 2))}],
    mistakes=[("averaged", lambda x: (x.mean(1), x)), ("wrong axis", lambda x: (x.sum(0), x))], **TEXTS)


@pytest.mark.parametrize(("answer", "right", "hint"), [
    (lambda x: [x.sum(1), x.clone()], True, ""), (lambda x: (x.mean(1), x), False, "averaged"),
    (lambda x: (x.sum(0), x), False, "wrong axis"), (lambda x: x, False, ""), (lambda x: (x, x, x), False, ""),
    (lambda x: (None, x), False, "value 1 is nothing"), (lambda x: None, False, ""),
])
def test_several_values(answer, right, hint):
    _, verdict, _ = evaluate(BOTH, answer)
    assert (verdict.status == "right") == right and hint in verdict.hint + verdict.message


def orthogonal(v):
    return torch.stack([-v[1], v[0]])


LAWS = formula(
    id="1.92", library=orthogonal, shape=lambda v: (2,), cases=lambda rng: [{"v": rng.normal(size=2)} for _ in range(3)],
    laws=[("not orthogonal", lambda value, v: abs(value @ v) < 1e-4), ("zero", lambda value, v: (value @ value) > 1e-6)],
    mistakes=[("that is v itself", lambda v: v)], **TEXTS)


@pytest.mark.parametrize(("answer", "message", "hint"), [
    (orthogonal, "holds", ""), (lambda v: -3 * orthogonal(v), "holds", ""), (lambda v: v, "not orthogonal", "that is v"),
    (lambda v: 0 * v, "zero", ""), (lambda v: v[:1], "The result has another shape", ""),
])
def test_laws_decide_where_many_answers_are_right(answer, message, hint):
    _, verdict, _ = evaluate(LAWS, answer)
    assert hint in verdict.hint and (message in verdict.message or verdict.status == "right" and message == "holds")


def slope(f, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(f(x).sum(), x)[0]


def test_functions_as_data_and_what_only_the_judge_knows():
    from xaikit.exercises import functions

    exercise = formula(
        id="1.93", library=slope, truth=lambda f, x, factor: f.gradient(x) * factor / factor,
        mistakes=[("value", lambda f, x, factor: f(x))],
        cases=lambda rng: [{"x": rng.normal(size=(4, 3)), "judge.factor": 2.0, **functions.random_network(rng, 3)}], **TEXTS)
    assert evaluate(exercise, slope)[0] == 2 and evaluate(exercise, lambda f, x: f(x))[1].hint == "value"
    assert not any("judge" in key or "factor" in key for key in exercise.cases(0)[0].payload())


@pytest.mark.parametrize("observed", [{}, {"kind": "parts"}, {"kind": "parts", "part.0": "x", "part.1": 3}, [], None,
                                      {"kind": "array", "value": "no"}, {"kind": "array", "value": np.zeros((9, 9))},
                                      {"kind": "array", "value": np.array(["a"])}, {"kind": 3}])
@pytest.mark.parametrize("exercise", [SCALE, BOTH, LAWS], ids=lambda e: e.id)
def test_hostile_observations_are_wrong_and_nothing_is_raised(exercise, observed):
    assert exercise.judge(exercise.cases(0)[0], observed).fraction == 0


def test_cases_follow_from_the_seed_and_cross_a_pipe():
    a, b, c = (SCALE.cases(seed)[0]["x"] for seed in (1, 1, 2))
    assert (a == b).all() and (a != c).any()
    assert SCALE.observe(scale, Case.from_payload(SCALE.cases(0)[0].payload()))["kind"] == "array"


def test_without_truth_laws_and_shape_are_needed():
    with pytest.raises(ValueError, match=r"exercise 1\.9: .* laws"):
        formula(id="1.9", library=scale, cases=lambda rng: [], **TEXTS)


def test_what_is_shown_of_pictures_is_the_row_that_differs_most():
    from xaikit.exercises import get
    from xaikit.exercises.feedback import evaluate
    from xaikit.exercises.judging import show

    def one_pixel(images, r):
        low, high = get("6.6").library(images, r)
        low[0, 2, 3] += 1
        return low, high

    _, verdict, _ = evaluate(get("6.6"), one_pixel)
    assert verdict.expected.startswith("low = row 0, 2 of shape") and verdict.came.startswith("low = row 0, 2 of shape")
    assert show([1.0, 1e-9]) == "[1, 0]" and show([2e-20, 1e-20]) == "[2e-20, 1e-20]" and show([]) == "[]"
