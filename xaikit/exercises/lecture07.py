"""Lecture 07's exercise 7.1: entropy and mutual information of a table."""

import numpy as np

from .formula import formula


def table_information(joint):
    """H(X) and I(X;Y) in bits of a joint table (K, L), rows x.  Returns two numbers."""
    import torch

    def entropy(p):
        return -torch.special.xlogy(p, p).sum() / np.log(2)  # 0 log 0 = 0

    x, y = joint.sum(1), joint.sum(0)
    return entropy(x), entropy(x) + entropy(y) - entropy(joint)


def _h(p):
    p = np.asarray(p, float)
    p = p[p > 0]
    return -(p * np.log2(p)).sum()


PADDED = ("A small number was added to the probabilities, or stands in place of 0: over many entries that adds up. xlogy "
          "needs none.")
PADS = [lambda p, e=10.0**-n: -(p * np.log2(p + e)).sum() for n in range(3, 7)] + [
    lambda p, e=10.0**-n: -(np.maximum(p, e) * np.log2(np.maximum(p, e))).sum() for n in range(3, 8)]


def _information(p, h=_h):
    return h(p.sum(1)) + h(p.sum(0)) - h(p)


def _states(*columns):
    """Entropy of the rows of stacked columns, in bits."""
    rows = np.column_stack(columns)
    return _h(np.unique(rows, axis=0, return_counts=True)[1] / len(rows))


def _table_cases(rng):
    made = [
        {"joint": rng.dirichlet(np.ones(12)).reshape(3, 4), "note": "three rows, four columns"},
        {"joint": rng.dirichlet(np.full(10, 0.5)).reshape(5, 2), "note": "five rows, two columns"},
        {"joint": np.outer(rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(3))), "note": "X and Y independent"},
    ]
    p = np.diag(rng.dirichlet(np.full(6, 3.0)))
    note = "a table with one entry per row, the others 0: Y is known from X"
    made.append({"joint": p[:, rng.permutation(6)], "note": note})
    p = rng.dirichlet(np.ones(9)).reshape(3, 3)
    p[rng.integers(3)] = 0
    p[:, rng.integers(3)] *= 3
    made.append({"joint": p / p.sum(), "note": "an x that never occurs"})
    p = rng.dirichlet(np.ones(12)).reshape(3, 4)
    p[:, rng.integers(4)] = 0
    made.append({"joint": p / p.sum(), "note": "a y that never occurs"})
    p = rng.exponential(size=(80, 60)) * (rng.random((80, 60)) < 0.1)
    made.append({"joint": p / p.sum(), "note": "80 rows, 60 columns, nine entries in ten are 0"})
    made.append({"joint": np.array([[1.0]]), "note": "a single entry: nothing to be known"})
    return made


EXERCISES = [
    formula(
        id="7.1",
        title="entropy and mutual information of a table",
        finite="0 · log 0 counts as 0 here (torch.special.xlogy, or leave out the zeros). Or do you divide by a "
               "sum that is 0?",
        points=1,
        minutes=5,
        difficulty=1,
        task="Write `table_information(joint)`: from a joint table p(x, y), `joint` (K, L) with a row for each x, "
        "return H(X) and I(X;Y), in bits. Entries may be 0.",
        library=table_information,
        cases=_table_cases,
        outputs=("H(X)", "I(X;Y)"),
        truth=lambda joint: (_h(joint.sum(1)), _information(joint)),
        mistakes=[
            ("These are nats: bits need the logarithm to base 2.",
             lambda joint: (np.log(2) * _h(joint.sum(1)), np.log(2) * _information(joint))),
            ("H(X) is in nats: bits need the logarithm to base 2.",
             lambda joint: (np.log(2) * _h(joint.sum(1)), _information(joint))),
            ("I(X;Y) is in nats: bits need the logarithm to base 2.",
             lambda joint: (_h(joint.sum(1)), np.log(2) * _information(joint))),
            ("That is H(Y): x counts the rows, so that p(x) is the sum over columns, joint.sum(1).",
             lambda joint: (_h(joint.sum(0)), _information(joint))),
            ("That is H(X,Y), the entropy of the whole table: sum over y first.",
             lambda joint: (_h(joint), _information(joint))),
            ("The sign of the entropy is turned: log p is negative.",
             lambda joint: (-_h(joint.sum(1)), _information(joint))),
            ("The sign of I is turned: it is H(X) + H(Y) − H(X,Y), never below 0.",
             lambda joint: (_h(joint.sum(1)), -_information(joint))),
            ("The two are swapped: first H(X), then I(X;Y).",
             lambda joint: (_information(joint), _h(joint.sum(1)))),
            ("That is H(X|Y), what is left unknown of X: I(X;Y) = H(X) − H(X|Y).",
             lambda joint: (_h(joint.sum(1)), _h(joint) - _h(joint.sum(0)))),
            ("That is H(Y|X), what is left unknown of Y: I(X;Y) = H(Y) − H(Y|X).",
             lambda joint: (_h(joint.sum(1)), _h(joint) - _h(joint.sum(1)))),
            ("H(X,Y) is missing: I(X;Y) = H(X) + H(Y) − H(X,Y).",
             lambda joint: (_h(joint.sum(1)), _h(joint.sum(1)) + _h(joint.sum(0)))),
            ("That is the joint entropy H(X,Y): I(X;Y) = H(X) + H(Y) − H(X,Y).",
             lambda joint: (_h(joint.sum(1)), _h(joint))),
            ("Each logarithm is to be weighted with the probability of its own pair, p(x,y), not with p(x) p(y).",
             lambda joint: (_h(joint.sum(1)), _unweighted(joint))),
            *[(PADDED, lambda joint, h=h: (h(joint.sum(1)), _information(joint, h))) for h in PADS],
        ],
        hints=(
            "H(X) needs p(x), the sum of each row. I(X;Y) needs p(x), p(y) and the table: three entropies.",
            "0 log 0 is 0, but 0 * torch.log2(0) is NaN: torch.special.xlogy(p, p) = p ln p is 0 there; "
            "divide by ln 2.",
            "x, y = joint.sum(1), joint.sum(0); h = lambda p: -torch.special.xlogy(p, p).sum() / np.log(2); "
            "return h(x), h(x) + h(y) - h(joint)",
        ),
        insight="I(X;Y) is what the joint table knows beyond its two margins: it is 0 exactly where they "
        "explain the table.",
    ),
]


def _unweighted(joint):
    """Σ p(x) p(y) log₂ p(x,y) / (p(x) p(y)), over pairs that occur."""
    product = np.outer(joint.sum(1), joint.sum(0))
    seen = joint > 0
    return (product[seen] * np.log2(joint[seen] / product[seen])).sum()
