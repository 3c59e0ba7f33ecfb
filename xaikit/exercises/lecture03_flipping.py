"""Lecture 03, exercise 3.8: the pixel-flipping curve and the area over it.

Bach et al. 2015 (flipping x → 1 − x in the order of relevance); the area: Samek et al. 2017, eq. 12.
"""

import numpy as np

from . import functions
from .formula import formula


def flipping_curve(f, x, relevance):
    """Scores while x (D,) is flipped pixel by pixel, highest relevance (D,) first, and the area over them.  →
    (D + 1,), number"""
    import torch

    D = len(x)
    turn = relevance.argsort(descending=True).argsort()  # each pixel's place in the order
    gone = turn < torch.arange(D + 1)[:, None]  # row k: the first k pixels are flipped
    curve = f(torch.where(gone, 1 - x, x))
    return curve, (curve[0] - curve).mean()


def _cases(rng):
    made = []
    for D, kind in ((6, "polynomial"), (9, "network"), (4, "network")):
        f = functions.random_network(rng, D,
                                     activation="tanh") if kind == "network" else functions.polynomial(
            D, rng.normal(size=(D, D)), rng.normal(size=D), rng.normal())
        while True:
            relevance = rng.permutation(D) - D / 2 + rng.uniform(-0.3, 0.3, D)  # both signs, no ties
            x = rng.uniform(0, 0.45, D) + 0.55 * (rng.random(D) < 0.5)
            if D != 6 or _truth(lambda rows: functions.value(f, rows), x, relevance)[1] < -0.05:  # one area is negative
                break
        made.append({"x": x, "relevance": relevance, "note": f"an input of {D} pixels", **f})
    return made


def _curve(f, x, order, other=None, alone=False):
    other, rows = 1 - x if other is None else other, [x]
    for i in order:
        rows.append((x if alone else rows[-1]).copy())
        rows[-1][i] = other[i]
    return f(np.stack(rows))


def _both(curve, area=None):
    return curve, (curve[0] - curve).mean() if area is None else area


def _highest(relevance):
    return np.argsort(-relevance, kind="stable")


def _truth(f, x, relevance):
    return _both(_curve(f, x, _highest(relevance)))


def _with_area(area):
    """The right curve with another area."""
    def wrong(f, x, relevance):
        curve = _curve(f, x, _highest(relevance))
        return _both(curve, area(curve))
    return wrong


def _over(curve):
    """The area divided by D, not by D + 1."""
    return (curve[0] - curve).sum() / (len(curve) - 1)


def _turn_as_order(f, x, relevance):
    return _both(_curve(f, x, np.argsort(np.argsort(-relevance))))


EXERCISES = [formula(
    id="3.8", title="A flipping curve and its area", points=2, minutes=8, difficulty=2,
    task="flipping_curve(f, x, relevance): the scores f(x⁽⁰⁾), …, f(x⁽ᴰ⁾) while the pixels of x (D,) are "
         "flipped one after the other, x_i → 1 − x_i, highest relevance (D,) first, and the area over the "
         "curve, the mean over k = 0 … D of f(x⁽⁰⁾) − f(x⁽ᵏ⁾). f takes (N, D) and returns (N,). → curve (D "
         "+ 1,), area. Tolerance 1e-3.",
    library=flipping_curve, cases=_cases, truth=_truth, outputs=("curve", "area"),
    mistakes=[
        ("Lowest first: sort so that the highest relevance comes first, argsort(descending=True).",
         lambda f, x, relevance: _both(_curve(f, x, _highest(-relevance)))),
        ("That is the order of |relevance|: pixels that speak against the class come last, not first.",
         lambda f, x, relevance: _both(_curve(f, x, _highest(abs(relevance))))),
        ("Two things: the order is that of |relevance|, and the area is divided by D, where there are D + 1 scores.",
         lambda f, x, relevance: _both(c := _curve(f, x, _highest(abs(relevance))), _over(c))),
        ("Each row flips one pixel alone: pixels that were flipped stay flipped.",
         lambda f, x, relevance: _both(_curve(f, x, _highest(relevance), alone=True))),
        ("All rows are one and the same tensor, which was flipped on and on: append a copy, .clone().",
         lambda f, x, relevance: _both(f(np.stack([1 - x] * (len(x) + 1))))),
        ("The pixels were set to 0: flipping is x → 1 − x.",
         lambda f, x, relevance: _both(_curve(f, x, _highest(relevance), np.zeros_like(x)))),
        ("The pixels were set to 1: flipping is x → 1 − x.",
         lambda f, x, relevance: _both(_curve(f, x, _highest(relevance), np.ones_like(x)))),
        ("The sign of the pixels was turned: flipping is x → 1 − x.",
         lambda f, x, relevance: _both(_curve(f, x, _highest(relevance), -x))),
        ("The start is missing: the curve begins with f(x) itself and has D + 1 scores.",
         lambda f, x, relevance: _both(_curve(f, x, _highest(relevance))[1:])),
        ("The last flip is missing: in the end all D pixels are flipped, which makes D + 1 scores.",
         lambda f, x, relevance: _both(_curve(f, x, _highest(relevance))[:-1])),
        ("One argsort gives the pixels in their order, the second each pixel's turn; they are mixed up "
         "here.", _turn_as_order),
        ("That is the area under the curve: take f(x⁽⁰⁾) − f(x⁽ᵏ⁾), so that a falling curve has a large "
         "area.",
         _with_area(lambda c: c.mean()), 0.5),
        ("The sign of the area is turned, or lost: a falling curve has a positive area, a rising one a "
         "negative: no abs().", _with_area(lambda c: (c - c[0]).mean()), 0.5),
        ("The area may be negative, where the score rises: no clamp.",
         _with_area(lambda c: max((c[0] - c).mean(), 0.0)), 0.5),
        ("Divided by D: there are D + 1 scores, the first with a difference of 0.",
         _with_area(_over), 0.5),
        ("That is the trapezoidal rule: the mean counts all D + 1 scores alike.",
         _with_area(lambda c: (c[0] - (c[1:] + c[:-1]) / 2).mean()), 0.5),
        ("The differences are summed: the area is their mean.", _with_area(lambda c: (c[0] - c).sum()), 0.5),
        ("That is the fall from the first score to the last: every score in between "
         "counts.", _with_area(lambda c: c[0] - c[-1]), 0.5),
    ],
    hints=("Start with the order: `order = relevance.argsort(descending=True)`. Then make x⁽ᵏ⁾ from x⁽ᵏ⁻¹⁾ "
           "by flipping pixel order[k−1] in a copy. A loop is fine.",
           "Collect the D + 1 inputs, stack them to (D + 1, D), and call f once. The area is `(curve[0] - "
           "curve).mean()`.",
           "`rows = [x]`\n`for i in relevance.argsort(descending=True):`\n`    "
           "rows.append(rows[-1].clone()); rows[-1][i] = 1 - x[i]`\n`curve = "
           "f(torch.stack(rows))`\n`return curve, (curve[0] - curve).mean()`"),
    insight="All maps end at the same point, the picture's negative; only the way there differs, and the "
            "area measures it.")]
