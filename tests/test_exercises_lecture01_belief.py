"""Exercise 1.4: right answers of other kinds pass, wrong ones fail with the hint that names their mistake."""
import numpy as np
import pytest
import torch

from xaikit.exercises import get
from xaikit.exercises.feedback import evaluate
from xaikit.exercises.lecture01_belief import gibbs_step


def sigmoid(z):
    return 1 / (1 + torch.exp(-z))


def by_loops(v, W, b, c, unit, u_h, u_v):
    h, new = torch.zeros(len(v), len(b)), torch.zeros(v.shape)
    for n in range(len(v)):
        for j in range(len(b)):
            h[n, j] = 1.0 if j == unit or u_h[n, j] < sigmoid(b[j] + W[j] @ v[n]) else 0.0
        for i in range(len(c)):
            new[n, i] = float(u_v[n, i] < sigmoid(c[i] + W[:, i] @ h[n]))
    return h, new


def in_numpy(v, W, b, c, unit, u_h, u_v):
    v, W, b, c, u_h, u_v = (np.asarray(t) for t in (v, W, b, c, u_h, u_v))
    p = 1 / (1 + np.exp(-(v @ W.T + b)))
    p[:, unit] = 1  # u < 1 always: the unit is on
    h = (u_h < p).astype(int)
    return h, u_v < 1 / (1 + np.exp(-(h @ W + c)))


def rounded(v, W, b, c, unit, u_h, u_v):
    h = torch.ceil(torch.sigmoid(torch.nn.functional.linear(v, W, b)) - u_h).clamp(0, 1)
    h = h.index_fill(1, torch.tensor([unit]), 1.0)
    return [h, torch.ceil(torch.sigmoid(torch.addmm(c, h, W)) - u_v).clamp(0, 1)]


def never(v, W, b, c, unit, u_h, u_v):
    h = (u_h < torch.sigmoid(v @ W.T + b)).float()
    return h, (u_v < torch.sigmoid(h @ W + c)).float()


def too_late(v, W, b, c, unit, u_h, u_v):
    h, new = never(v, W, b, c, unit, u_h, u_v)
    h[:, unit] = 1
    return h, new


def turned(v, W, b, c, unit, u_h, u_v):
    h = (u_h > torch.sigmoid(v @ W.T + b)).float()
    h[:, unit] = 1
    return h, (u_v > torch.sigmoid(h @ W + c)).float()


def probabilities(v, W, b, c, unit, u_h, u_v):
    h = torch.sigmoid(v @ W.T + b)
    h[:, unit] = 1
    return h, torch.sigmoid(h @ W + c)


def half_drawn(v, W, b, c, unit, u_h, u_v):
    h, p = probabilities(v, W, b, c, unit, u_h, u_v)
    return h, (u_v < p).float()


def v_not_drawn(v, W, b, c, unit, u_h, u_v):
    h = gibbs_step(v, W, b, c, unit, u_h, u_v)[0]
    return h, torch.sigmoid(h @ W + c)


def likelier(v, W, b, c, unit, u_h, u_v):
    h = (torch.sigmoid(v @ W.T + b) > 0.5).float()
    h[:, unit] = 1
    return h, (torch.sigmoid(h @ W + c) > 0.5).float()


def no_bias(v, W, b, c, unit, u_h, u_v):
    return gibbs_step(v, W, 0 * b, 0 * c, unit, u_h, u_v)


def no_b(v, W, b, c, unit, u_h, u_v):
    return gibbs_step(v, W, 0 * b, c, unit, u_h, u_v)


def no_c(v, W, b, c, unit, u_h, u_v):
    return gibbs_step(v, W, b, 0 * c, unit, u_h, u_v)


def no_sigmoid(v, W, b, c, unit, u_h, u_v):
    h = (u_h < v @ W.T + b).float()
    h[:, unit] = 1
    return h, (u_v < h @ W + c).float()


def a_row(v, W, b, c, unit, u_h, u_v):
    h = (u_h < torch.sigmoid(v @ W.T + b)).float()
    h[min(unit, len(h) - 1)] = 1
    return h, (u_v < torch.sigmoid(h @ W + c)).float()


def one_chain(v, W, b, c, unit, u_h, u_v):
    h = (u_h < torch.sigmoid(v @ W.T + b)).float()
    h[0, unit] = 1
    return h, (u_v < torch.sigmoid(h @ W + c)).float()


def alone(v, W, b, c, unit, u_h, u_v):
    h = torch.zeros(len(v), len(b))
    h[:, unit] = 1
    return h, (u_v < torch.sigmoid(h @ W + c)).float()


def swapped(v, W, b, c, unit, u_h, u_v):
    return gibbs_step(v, W, b, c, unit, u_h, u_v)[::-1]


def own_numbers(v, W, b, c, unit, u_h, u_v):
    g = torch.Generator().manual_seed(len(v))
    return gibbs_step(v, W, b, c, unit, torch.rand(u_h.shape, generator=g), torch.rand(u_v.shape, generator=g))


def own_numbers_for_v(v, W, b, c, unit, u_h, u_v):
    return gibbs_step(v, W, b, c, unit, u_h, torch.rand(u_v.shape, generator=torch.Generator().manual_seed(len(v))))


def signs(v, W, b, c, unit, u_h, u_v):
    return tuple(2 * t - 1 for t in gibbs_step(v, W, b, c, unit, u_h, u_v))


def into_v(v, W, b, c, unit, u_h, u_v):
    h, new = gibbs_step(v, W, b, c, unit, u_h, u_v)
    v.copy_(new)
    return h, v


RIGHT = [gibbs_step, by_loops, in_numpy, rounded]
WRONG = [(never, "The unit is not held at 1", 0), (too_late, "The unit is clamped too late", 1), (turned, "The draw is turned round", 0),
         (probabilities, "Those are the probabilities", 0), (half_drawn, "v is drawn from the probabilities of h", 0),
         (v_not_drawn, "h is right; v are still probabilities", 1), (likelier, "No random numbers were used", 0),
         (no_bias, "The biases are missing", 0), (no_b, "The hidden units' bias b", 0), (no_c, "The visible units' bias c", 0),
         (no_sigmoid, "The sigmoid is missing", 0), (a_row, "A whole chain is clamped", 0),
         (one_chain, "The unit is clamped in the first chain only", 0), (alone, "All other hidden units are off", 0),
         (swapped, "Return h, v, in this order", 0), (own_numbers, "h is not what u_h gives", 0),
         (own_numbers_for_v, "h is right, v is not what u_v gives", 0), (signs, "Draws are 0 or 1", 0),
         (into_v, "The caller still needs v", 1), (lambda *a: None, "", 0), (lambda v, *a: v, "", 0)]


@pytest.mark.parametrize("seed", [0, 1, 5, 17])
@pytest.mark.parametrize("answer", RIGHT, ids=lambda f: f.__name__)
def test_right_answers_pass(answer, seed):
    score, verdict, _ = evaluate(get("1.4"), answer, seed)
    assert (score, verdict.status) == (2, "right"), verdict


@pytest.mark.parametrize("seed", [0, 3, 11, 20])
@pytest.mark.parametrize(("answer", "hint", "points"), WRONG, ids=lambda v: getattr(v, "__name__", None))
def test_wrong_answers_fail_with_their_hint(answer, hint, points, seed):
    score, verdict, _ = evaluate(get("1.4"), answer, seed)
    assert verdict.status != "right" and score == points and verdict.hint.startswith(hint), verdict


def test_the_step_is_the_librarys():
    from xaikit.features.belief import Rbm
    from xaikit.features.belief_views import gibbs

    g = torch.Generator().manual_seed(3)
    w, b, c = (torch.randn(s, generator=g) for s in ((4, 6), (4,), (6,)))
    v = (torch.rand(50, 6, generator=g) < 0.5).float()
    uniform = torch.Generator().manual_seed(9)
    u_h, u_v = torch.rand(50, 4, generator=uniform), torch.rand(50, 6, generator=uniform)
    new, h = gibbs(Rbm(w, b, c), v, 1, 2, torch.Generator().manual_seed(9))
    mine = gibbs_step(v, w, b, c, 2, u_h, u_v)
    assert torch.equal(mine[0], h) and torch.equal(mine[1], new)
