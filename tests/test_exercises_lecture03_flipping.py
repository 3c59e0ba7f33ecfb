"""Exercise 3.8: right answers pass in every manner, wrong ones fail with the hint that names the mistake."""
import numpy as np
import pytest
import torch

from xaikit.exercises import get
from xaikit.exercises.feedback import evaluate

EXERCISE = get("3.8")


def rows_of(x, order, other=None):
    other, rows = 1 - x if other is None else other, [x]
    for i in order:
        rows.append(rows[-1].clone())
        rows[-1][i] = other[i]
    return torch.stack(rows)


def down(r):
    return r.argsort(descending=True)


def area(curve):
    return (curve[0] - curve).mean()


def loop(f, x, r):
    curve = f(rows_of(x, down(r)))
    return curve, area(curve)


def one_call_each(f, x, r):
    scores = [f(row[None]).item() for row in rows_of(x, down(r))]
    return scores, sum(scores[0] - s for s in scores) / len(scores)


def in_numpy(f, x, r):
    x, r = x.numpy(), r.numpy()
    turn = np.argsort(np.argsort(-r))
    curve = f(torch.tensor(np.where(turn[None] < np.arange(len(x) + 1)[:, None], 1 - x, x))).numpy()
    return [curve, curve[0] - curve.mean()]


def triangle(f, x, r):
    order = down(r)
    rows = x.repeat(len(x) + 1, 1)
    rows[:, order] = torch.where(torch.ones_like(rows).tril(-1)[:, :].bool(), 1 - x[order], x[order])
    curve = f(rows)
    return curve, curve[0] - curve.mean()


@pytest.mark.parametrize("right", [EXERCISE.library, loop, one_call_each, in_numpy, triangle])
@pytest.mark.parametrize("seed", [0, 7])
def test_right_answers(right, seed):
    score, verdict, _ = evaluate(EXERCISE, right, seed) if seed else evaluate(EXERCISE, right)
    assert score == EXERCISE.points, verdict


def curve_then(make, measure=area):
    def answer(f, x, r):
        curve = f(make(x, r))
        return curve, measure(curve)
    return answer


WRONG = [
    (curve_then(lambda x, r: rows_of(x, r.argsort())), "Lowest first", 0),
    (curve_then(lambda x, r: rows_of(x, down(r.abs()))), "That is the order of |relevance|", 0),
    (curve_then(lambda x, r: rows_of(x, down(r.abs())), lambda c: (c[0] - c)[1:].mean()), "Two things: the order", 0),
    (curve_then(lambda x, r: torch.cat([x[None], torch.where(torch.eye(len(x)).bool(), 1 - x, x)[down(r)]])),
     "Each row flips one", 0),
    (curve_then(lambda x, r: rows_of(x, down(r), 0 * x)), "The pixels were set to 0", 0),
    (curve_then(lambda x, r: rows_of(x, down(r), 0 * x + 1)), "The pixels were set to 1", 0),
    (curve_then(lambda x, r: rows_of(x, down(r), -x)), "The sign of the pixels", 0),
    (curve_then(lambda x, r: rows_of(x, down(r))[-1:].repeat(len(x) + 1, 1)), "All rows are one and the same",
     0),
    (curve_then(lambda x, r: rows_of(x, down(r)), lambda c: torch.trapezoid(c[0] - c) / (len(c) - 1)),
     "That is the trapezoidal", 1),
    (curve_then(lambda x, r: rows_of(x, down(r))[1:]), "The start is missing", 0),
    (curve_then(lambda x, r: rows_of(x, down(r))[:-1]), "The last flip is missing", 0),
    (curve_then(lambda x, r: rows_of(x, down(r).argsort())), "One argsort gives", 0),
    (curve_then(lambda x, r: rows_of(x, down(r)), lambda c: c.mean()), "That is the area under", 1),
    (curve_then(lambda x, r: rows_of(x, down(r)), lambda c: (c - c[0]).mean()), "The sign of the area", 1),
    (curve_then(lambda x, r: rows_of(x, down(r)), lambda c: (c[0] - c)[1:].mean()), "Divided by D", 1),
    (curve_then(lambda x, r: rows_of(x, down(r)), lambda c: (c[0] - c).sum()), "The differences are summed",
     1),
    (curve_then(lambda x, r: rows_of(x, down(r)), lambda c: c[0] - c[-1]), "That is the fall", 1),
    (curve_then(lambda x, r: rows_of(x, down(r)), lambda c: area(c).abs()), "The sign of the area", 1),
    (curve_then(lambda x, r: rows_of(x, down(r)), lambda c: area(c).clamp(min=0)), "The area may be negative", 1),
]


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(("wrong", "hint", "points"), WRONG, ids=[w[1] for w in WRONG])
def test_wrong_answers_get_their_hint(wrong, hint, points, seed):
    score, verdict, _ = evaluate(EXERCISE, wrong, seed)
    assert verdict.hint.startswith(hint) and score == points, verdict


def test_what_writes_into_x_or_returns_one_thing_is_told_so():
    def in_place(f, x, r):
        curve = [f(x[None])[0]]
        for i in down(r):
            x[i] = 1 - x[i]
            curve.append(f(x[None])[0])
        return torch.stack(curve), area(torch.stack(curve))

    score, verdict, _ = evaluate(EXERCISE, in_place)
    assert 0 < score < EXERCISE.points and "still needs x" in verdict.hint
    score, verdict, _ = evaluate(EXERCISE, lambda f, x, r: loop(f, x, r)[0])
    assert score == 0 and "curve, area" in verdict.hint and "a Tensor" in verdict.message
    score, verdict, _ = evaluate(EXERCISE, lambda f, x, r: (loop(f, x, r)[0], None))
    assert score == 0 and verdict.status == "wrong" and "whose value 2 is nothing" in verdict.message, verdict
    score, verdict, _ = evaluate(EXERCISE, lambda f, x, r: loop(f, x, r)[::-1])
    assert score == 0 and "another order" in verdict.message and "curve, area" in verdict.hint, verdict


def test_the_answer_is_the_library_s_measure():
    """The exercise and ``evaluate`` agree on a real network: one pixel a step, every pixel."""
    from xaikit import evaluate as judge

    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2))
    x, r = torch.rand(1, 1, 4, 4), torch.randn(1, 4, 4)
    own, _ = judge.flip_curves(net, x, 0, r, steps=16, share=1.0, output="logit")
    curve, over = EXERCISE.library(lambda rows: net(rows.view(-1, 1, 4, 4))[:, 0], x.flatten(), r.flatten())
    assert torch.allclose(own[0], curve,
                          atol=1e-5) and judge.area_over_curve(own)[0].item() == pytest.approx(over.item(),
                                                                                               abs=1e-5)
