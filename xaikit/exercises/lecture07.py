"""Lecture 07's exercises 7.1 to 7.3: information of tables and of binned layers, and what processing
loses."""

from functools import partial

import numpy as np

from .formula import formula


def table_information(joint):
    """H(X) and I(X;Y) in bits of a joint table (K, L), rows x.  Returns two numbers."""
    import torch

    def entropy(p):
        return -torch.special.xlogy(p, p).sum() / np.log(2)  # 0 log 0 = 0

    x, y = joint.sum(1), joint.sum(0)
    return entropy(x), entropy(x) + entropy(y) - entropy(joint)


def binned_information(h, y, bins, low, high):
    """I(X;T) and I(T;Y) in bits of a layer h (N, D) with labels y (N,), its values in equal bins from low to
    high."""
    import torch

    def entropy(states):
        counts = torch.unique(states, dim=0, return_counts=True)[1].double()
        p = counts / len(states)
        return -(p * p.log2()).sum()

    t = ((h - low) / (high - low) * bins).floor().clamp(0, bins - 1).long()
    together = torch.cat([t, y[:, None]], 1)
    return entropy(t), entropy(t) + entropy(y[:, None]) - entropy(together)


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


def _binned(h, y, bins, low, high, t=None, base=1.0, units=False):
    t = np.clip(np.floor((h - low) / (high - low) * bins), 0, bins - 1) if t is None else t
    if units:  # each unit by itself
        return tuple(
            base * sum(v)
            for v in zip(*[_binned(h, y, bins, low, high, c[:, None]) for c in t.T], strict=True)
        )
    return base * _states(t), base * (_states(t) + _states(y) - _states(t, y))


def _binned_cases(rng):
    made = []
    for n, d, bins, low, high, classes, note in (
        (60, 3, 4, -1.0, 1.0, (0, 1), "three units, four bins"),
        (90, 1, 7, 0.0, 5.0, (0, 1, 2), "one unit, seven bins, three classes"),
        (40, 6, 2, -1.0, 1.0, (2, 9), "six units, two bins, classes called 2 and 9"),
        (300, 2, 30, 0.0, 1.0, (0, 1, 2, 3), "thirty bins"),
        (24, 2, 1, -2.0, 2.0, (0, 1), "a single bin"),
        (2000, 5, 3, -1.0, 1.0, (0, 1), "two thousand inputs"),
    ):
        width = (high - low) / bins
        kinds = rng.integers(-1, bins + 1, (max(4, n // 6), d))  # some lie outside: −1 and bins
        kinds = kinds[rng.integers(len(kinds), size=n)]  # and most states occur more than once
        h = low + width * (kinds + rng.uniform(0.1, 0.9, (n, d)))
        h[0], h[1] = high, low  # a saturated unit sits exactly on the end
        if bins == 4:
            h[rng.random((n, d)) < 0.2] = 0.0  # and a ReLU that is shut on an edge
        label = np.asarray(classes)[(kinds.sum(1) + (rng.random(n) < 0.25)) % len(classes)]
        made.append({"h": h, "y": label, "bins": bins, "low": low, "high": high, "note": note})
    # 40^12 possible rows; those that occur differ in the first or the last unit only, or have one code to a smaller
    # base, or digit by digit
    t = np.tile(rng.integers(20, 40, 12), (18, 1))
    t[:4, 0], t[4:8, -1] = rng.permutation(40)[:4], rng.permutation(range(20, 40))[:4]
    t[8:18, :2] = [(1, 23), (12, 3), *((n, m) for base in _BASES for n, m in ((base + 2, 7), (2, 8)))]
    which = np.concatenate([np.arange(18), rng.integers(18, size=82)])
    h = (t[which] + rng.uniform(0.1, 0.9, (100, 12))) / 40
    made.append({"h": h, "y": which % 2, "bins": 40, "low": 0.0, "high": 1.0, "note": "twelve units, forty bins"})
    t = np.tile(rng.integers(0, 4, 40), (16, 1))  # 4^40 codes: in a number of 64 bits those of the last units are 0
    t[:, 35], t[:, 38] = np.repeat(range(4), 4), np.tile(range(4), 4)
    which = np.concatenate([np.arange(16), rng.integers(16, size=64)])
    h = (t[which] + rng.uniform(0.1, 0.9, (80, 40))) / 4
    made.append({"h": h, "y": (which + (rng.random(80) < 0.2)) % 2, "bins": 4, "low": 0.0, "high": 1.0, "note": "forty units, four bins"})
    t = np.repeat(rng.permutation(44)[:20], 5)[:, None] + 256 * rng.integers(0, 2, (100, 1))  # beyond a byte
    h, y = (t + rng.uniform(0.1, 0.9, (100, 1))) / 300, (t[:, 0] // 256 + (rng.random(100) < 0.2)) % 2
    made.append({"h": h, "y": y, "bins": 300, "low": 0.0, "high": 1.0, "note": "three hundred bins"})
    return made


def _rounded(h, y, bins, low, high):
    return _binned(h, y, bins, low, high, np.round((h - low) / (high - low) * bins))


def _unclipped(h, y, bins, low, high):
    return _binned(h, y, bins, low, high, np.floor((h - low) / (high - low) * bins))


def _own_range(h, y, bins, low, high):
    a, b = h.min(), h.max()
    return _binned(h, y, bins, a, b)


def _number(h, y, bins, low, high):
    """States added up, so that different ones meet."""
    return _binned(h, y, bins, low, high, _cut(h, bins, low, high).sum(1, keepdims=True))


def _cut(h, bins, low, high, whole=np.floor):
    return np.clip(whole((h - low) / (high - low) * bins), 0, bins - 1).astype(int)


def _read(h, y, bins, low, high):
    names = ["".join(map(str, row)) for row in _cut(h, bins, low, high)]
    return _binned(h, y, bins, low, high, np.unique(names, return_inverse=True)[1][:, None])


def _wrapped(size, h, y, bins, low, high):
    return _binned(h, y, bins, low, high, _cut(h, bins, low, high) % size)


def _upper(h, y, bins, low, high):
    return _binned(h, y, bins, low, high, _cut(h, bins, low, high, lambda v: np.ceil(v) - 1))


_BASES = (10, 30, 31, 32)


def _coded(h, y, bins, low, high, base=None, kind=np.int64):
    t, base = _cut(h, bins, low, high).astype(kind), np.array(base or bins, kind)
    return _binned(h, y, bins, low, high, (t * base ** np.arange(t.shape[1], dtype=kind)).sum(1, keepdims=True, dtype=kind))


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
    formula(
        id="7.2",
        title="what a layer knows, by bins",
        points=2,
        minutes=10,
        difficulty=2,
        task="Write `binned_information(h, y, bins, low, high)` → I(X;T), I(T;Y) in bits, for a layer `h` "
        "(N, D) on N different inputs with labels `y` (N,). Bin number: floor((h − low) / (high − low) · bins), "
        "cut to 0 … bins − 1; T is the whole row of D bin numbers, of which there may be far more than fit into a "
        "table or a float. Advice: no Python loop over inputs.",
        library=binned_information,
        cases=_binned_cases,
        outputs=("I(X;T)", "I(T;Y)"),
        truth=_binned,
        mistakes=[
            ("These are nats: bits need the logarithm to base 2.",
             lambda h, y, bins, low, high: _binned(h, y, bins, low, high, base=np.log(2))),
            ("You added up the units' entropies: T is the whole row, and its units know the same things.",
             lambda h, y, bins, low, high: _binned(h, y, bins, low, high, units=True)),
            ("Bin numbers are rounded down (floor), not to the nearest.", _rounded),
            ("What lies on or beyond the ends belongs into the first or last bin: clamp to 0 … bins − 1.",
             _unclipped),
            ("The bins go from low to high, which are given, not from the layer's own smallest to its largest value: a ruler "
             "that moves with what it measures.", _own_range),
            ("Different rows of bins got the same number: their sum is no name for a row. Use the row itself.", _number),
            *[("Different rows of bins got the same code: its base is not `bins`, or bins^D is beyond what the number holds. "
               "Use the row itself.", partial(_coded, **how))
              for how in (*({"kind": k} for k in (np.float32, np.float64, np.int32, np.int64)), *({"base": b} for b in _BASES))],
            ("Different rows of bins got the same name: (1, 23) and (12, 3) both read 123. Use the row itself.",
             _read),
            ("Bin numbers above 127 or 255 do not fit into a byte.", partial(_wrapped, 256)),
            ("A value just on an edge belongs to the bin above it: floor, not ceil − 1.", _upper),
            ("That is H(T|Y): I(T;Y) = H(T) − H(T|Y).",
             lambda h, y, bins, low, high: (lambda a, b: (a, a - b))(*_binned(h, y, bins, low, high))),
            (
                "That is H(T,Y), the entropy of states and labels together: I(T;Y) = H(T) + H(Y) − H(T,Y).",
                lambda h, y, bins, low, high: (lambda a, b: (a, a - b + _states(y)))(
                    *_binned(h, y, bins, low, high)
                ),
            ),
            (
                "That is H(Y|T), what T leaves unknown of the label: I(T;Y) = H(Y) − H(Y|T).",
                lambda h, y, bins, low, high: (lambda a, b: (a, _states(y) - b))(
                    *_binned(h, y, bins, low, high)
                ),
            ),
            ("The two are swapped: first I(X;T), then I(T;Y).",
             lambda h, y, bins, low, high: _binned(h, y, bins, low, high)[::-1]),
            ("The layer is not binned: with continuous values every input has a state of its own.",
             lambda h, y, bins, low, high: _binned(h, y, bins, low, high, h)),
        ],
        hints=(
            "The network is deterministic: given the input, T is known, H(T|X) = 0, so that I(X;T) = H(T). "
            "It needs only how often each row of bins occurs.",
            "torch.unique(t, dim=0, return_counts=True) counts equal rows. I(T;Y) = H(T) + H(Y) − H(T,Y); "
            "for H(T,Y) put the label beside the row.",
            "t = ((h - low) / (high - low) * bins).floor().clamp(0, bins - 1).long(); counts = "
            "torch.unique(t, dim=0, "
            "return_counts=True)[1]; p = counts / len(h); H(T) = -(p * p.log2()).sum(); the same with "
            "torch.cat([t, y[:, None]], 1) and with y[:, None]",
        ),
        insight="Equal rows are found by sorting, N log N steps: twenty networks of 4,096 inputs take a few "
        "hundredths of a "
        "second, and no table of bins^D entries is ever made.",
    ),
]


def _unweighted(joint):
    """Σ p(x) p(y) log₂ p(x,y) / (p(x) p(y)), over pairs that occur."""
    product = np.outer(joint.sum(1), joint.sum(0))
    seen = joint > 0
    return (product[seen] * np.log2(joint[seen] / product[seen])).sum()
