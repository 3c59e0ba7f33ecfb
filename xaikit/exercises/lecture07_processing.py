"""Lecture 07's exercise 7.3: what processing loses, and what leaks past it."""

import numpy as np

from .formula import formula
from .lecture07 import PADDED, PADS, _h, _information


def processing(p):
    """I(X;Y) − I(X;Z) and I(X;Z|Y) in bits of a table p(x, y, z) (K, L, M).  Returns two numbers."""
    import torch

    def entropy(p):
        return -torch.special.xlogy(p, p).sum() / np.log(2)

    xy, xz, yz, y, z = p.sum(2), p.sum(1), p.sum(0), p.sum((0, 2)), p.sum((0, 1))
    lost = (entropy(y) - entropy(xy)) - (entropy(z) - entropy(xz))  # H(X) stands in both
    return lost, entropy(xy) + entropy(yz) - entropy(p) - entropy(y)


def _processing(p, base=1.0, h=_h):
    xy, xz, yz = p.sum(2), p.sum(1), p.sum(0)
    return (
        base * (_information(xy, h) - _information(xz, h)),
        base * (h(xy) + h(yz) - h(p) - h(p.sum((0, 2)))),
    )


def _processing_cases(rng):
    made = []
    for k, size, m, note in ((3, 4, 2, "a chain X → Y → Z"), (2, 3, 5, "a chain, Z has more values than Y")):
        xy, channel = rng.dirichlet(np.ones(k * size)).reshape(k, size), rng.dirichlet(np.ones(m), size)
        made.append({"p": xy[:, :, None] * channel[None], "note": note})
    xy = rng.dirichlet(np.full(12, 0.6)).reshape(3, 4)
    same = np.eye(4)[rng.permutation(4)]
    made.append({"p": xy[:, :, None] * same[None], "note": "Z is Y by other names: nothing is lost"})
    made.append({"p": rng.dirichlet(np.full(24, 0.5)).reshape(2, 4, 3), "note": "no chain: Z knows X past Y"})
    p = np.zeros((3, 2, 3))
    p[np.arange(3), :, np.arange(3)] = rng.dirichlet(np.ones(6)).reshape(3, 2)
    made.append({"p": p, "note": "Z is a copy of X, and Y is not: no chain"})
    xy = rng.dirichlet(np.ones(12)).reshape(3, 4)
    xy[:, rng.integers(4)] = 0
    p = xy[:, :, None] * (0.05 + 0.85 * np.eye(3))[:, None]
    made.append({"p": p / p.sum(), "note": "Z is X nearly, and a y never occurs: no chain"})
    p = rng.exponential(size=(12, 15, 10)) * (rng.random((12, 15, 10)) < 0.3)
    made.append({"p": p / p.sum(), "note": "a large table, seven entries in ten are 0"})
    p = np.zeros((2, 2, 2))
    for x in (0, 1):
        for y in (0, 1):
            p[x, y, x ^ y] = 0.25
    made.append({"p": p, "note": "Z = X xor Y: neither alone tells of X"})
    return made


EXERCISES = [
    formula(
        id="7.3",
        title="the data-processing inequality as a test",
        finite="0 · log 0 counts as 0 here (torch.special.xlogy, or leave out the zeros). Or do you divide by a "
               "sum that is 0?",
        points=1,
        minutes=6,
        difficulty=2,
        task="Write `processing(p)`: from a table p(x, y, z), `p` (K, L, M), return two numbers in bits: "
        "what processing lost, "
        "I(X;Y) − I(X;Z), and what leaked past Y, I(X;Z|Y) = H(X,Y) + H(Y,Z) − H(X,Y,Z) − H(Y).",
        library=processing,
        cases=_processing_cases,
        outputs=("lost", "leaked"),
        truth=_processing,
        mistakes=[
            ("These are nats: bits need the logarithm to base 2.", lambda p: _processing(p, np.log(2))),
            (
                "The difference is turned round: what is lost is I(X;Y) − I(X;Z), at least 0 in a chain (p.sum(2) is p(x,y)).",
                lambda p: (-_processing(p)[0], _processing(p)[1]),
            ),
            (
                "That is I(X;Z), what Z knows in all; leaked is only what it knows past Y: I(X;Z|Y).",
                lambda p: (_processing(p)[0], _information(p.sum(1))),
            ),
            (
                "That is I(X;Y|Z): y and z are swapped in the second number.",
                lambda p: (_processing(p)[0], _processing(p.transpose(0, 2, 1))[1]),
            ),
            (
                "The axes are swapped: axis 1 of p is y, axis 2 is z.",
                lambda p: _processing(p.transpose(0, 2, 1)),
            ),
            (
                "That is I(Y;Z) in place of I(X;Z): sum the table over y, p.sum(1).",
                lambda p: (_information(p.sum(2)) - _information(p.sum(0)), _processing(p)[1]),
            ),
            (
                "Without a chain the first number may be negative: no cut at 0.",
                lambda p: (max(_processing(p)[0], 0.0), _processing(p)[1]),
            ),
            (
                "The two are swapped: first what was lost, then what leaked.",
                lambda p: _processing(p)[::-1],
            ),
            (
                "The sign of the second number is turned: a conditional mutual information is never below 0.",
                lambda p: (_processing(p)[0], -_processing(p)[1]),
            ),
            *[(PADDED, lambda p, h=h: _processing(p, h=h)) for h in PADS],
            (
                "That is I(Y;Z|X): x and y are swapped in the second number.",
                lambda p: (_processing(p)[0], _processing(p.transpose(1, 0, 2))[1]),
            ),
            (
                "That is I(X;Y|Z) = lost + leaked: the same as lost only in a chain.",
                lambda p: (sum(_processing(p)), _processing(p)[1]),
            ),
            (
                "That is I(X;Y,Z): what leaked is what is left of it when I(X;Y) is subtracted.",
                lambda p: (_processing(p)[0], _processing(p)[1] + _information(p.sum(2))),
            ),
            (
                "H(Y) is missing in the second number.",
                lambda p: (_processing(p)[0], _processing(p)[1] + _h(p.sum((0, 2)))),
            ),
        ],
        laws=[
            (
                "By the chain rule, lost + leaked = I(X;Y|Z), which is never below 0.",
                lambda parts, p: parts[0] + parts[1] > -1e-6,
            )
        ],
        hints=(
            "p(x,y) = p.sum(2), p(x,z) = p.sum(1), p(y,z) = p.sum(0): the axes summed over are those left "
            "out.",
            "Every term is an entropy of one of these tables; take 0 log 0 = 0.",
            "h = lambda p: -torch.special.xlogy(p, p).sum() / np.log(2); lost = (h(y) - h(xy)) - (h(z) - "
            "h(xz)); "
            "leaked = h(xy) + h(yz) - h(p) - h(y)",
        ),
        insight="I(X;Y,Z) splits in two ways: lost + leaked = I(X;Y|Z) ≥ 0. No leak, no gain: that is the "
        "data-processing "
        "inequality, and its proof.",
    ),
]
