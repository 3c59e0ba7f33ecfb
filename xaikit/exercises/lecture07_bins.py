"""Lecture 07's exercise 7.2: what a layer knows, by bins."""

from functools import partial

import numpy as np

from .formula import formula
from .lecture07 import _states


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
        (40, 6, 2, -1.0, 1.0, (2, 8), "six units, two bins, classes called 2 and 8"),
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
    # 4^40 codes: in a number of 64 bits those of the last units are 0, or those of the first
    t = np.tile(rng.integers(1, 3, 40), (18, 1))
    t[range(6), [0, 1, 2, 35, 38, 39]], t[6:, 20:22] = 0, [(n % 4, n // 4) for n in range(12)]
    which = np.concatenate([np.arange(18), rng.integers(18, size=72)])
    h = (t[which] + rng.uniform(0.1, 0.9, (90, 40))) / 4
    made.append({"h": h, "y": (which + (rng.random(90) < 0.2)) % 2, "bins": 4, "low": 0.0, "high": 1.0, "note": "forty units, four bins"})
    t = np.repeat(rng.permutation(44)[:20], 5)[:, None] + 65536 * rng.integers(0, 2, (100, 1))  # beyond a byte, and beyond int16
    h, y = (t + rng.uniform(0.2, 0.8, (100, 1))) / 70_000, (t[:, 0] // 65536 + (rng.random(100) < 0.2)) % 2
    h = h.astype(np.float32).astype(float)  # as the answer sees it: which values are equal must not hang on the precision
    made.append({"h": h, "y": y, "bins": 70_000, "low": 0.0, "high": 1.0, "note": "seventy thousand bins"})
    return made


def _rounded(h, y, bins, low, high, cut=True, count=0):
    t = np.round((h - low) / (high - low) * (bins - count))
    return _binned(h, y, bins, low, high, np.clip(t, 0, bins - 1) if cut else t)


def _top(h, y, bins, low, high, least=0, most=0):
    """Cut to 0 … bins, or at one end only."""
    return _binned(h, y, bins, low, high, np.clip(np.floor((h - low) / (high - low) * bins), least, bins + most))


def _fewer(h, y, bins, low, high):
    t = np.clip(np.floor((h - low) / (high - low) * (bins - 1)), 0, bins - 1)
    return _binned(h, y, bins, low, high, t)


def _singles(h, y, bins, low, high):
    t = _cut(h, bins, low, high)
    return _states(t.reshape(-1, 1)), _binned(h, y, bins, low, high)[1]


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


def _coded(h, y, bins, low, high, base=None, kind=np.int64, back=False):
    t, base = _cut(h, bins, low, high).astype(kind), np.array(base or bins, kind)
    t = t[:, ::-1] if back else t
    return _binned(h, y, bins, low, high, (t * base ** np.arange(t.shape[1], dtype=kind)).sum(1, keepdims=True, dtype=kind))


def _labelled(h, y, bins, low, high):
    """States and labels in one number that is no name for the pair: state · number of classes + label."""
    own, t = np.unique(_cut(h, bins, low, high), axis=0, return_inverse=True)[1], _binned(h, y, bins, low, high)[0]
    return t, t + _states(y) - _states(own.reshape(-1) * len(np.unique(y)) + y)


EXERCISES = [
    formula(
        id="7.2",
        title="what a layer knows, by bins",
        finite="A label or a state that does not occur has p = 0, and 0 · log 0 counts as 0: count only those that occur.",
        points=2,
        minutes=10,
        difficulty=2,
        task="Write `binned_information(h, y, bins, low, high)` → I(X;T), I(T;Y) in bits, for a layer `h` "
        "(N, D) on N different inputs with labels `y` (N,), any whole numbers. Bin number: floor((h − low) / (high − low) · bins), "
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
            *[("Bin numbers are rounded down (floor), not to the nearest.", partial(_rounded, cut=cut)) for cut in (True, False)],
            ("`bins` bins have bins + 1 edges: multiply by bins, not by bins − 1.", _fewer),
            ("`bins` bins have bins + 1 edges: multiply by bins, not by bins − 1.", partial(_rounded, count=1)),
            *[("The last bin is bins − 1, and what lies below low belongs to bin 0: cut at both ends.", partial(_top, least=a, most=b))
              for a, b in ((0, 0), (-9, -1), (0, 9))],
            ("Single numbers were counted, not rows: unique needs dim=0.", _singles),
            ("That is H(X): inputs that share a row of bins are one state.",
             lambda h, y, bins, low, high: (np.log2(len(h)), _binned(h, y, bins, low, high)[1])),
            ("That is H(T): of the label T tells H(T) + H(Y) − H(T,Y), and no more than H(Y).",
             lambda h, y, bins, low, high: (_binned(h, y, bins, low, high)[0],) * 2),
            ("Label and state went into one number in which different pairs meet: labels may be any whole numbers. Put the label "
             "beside the row.", _labelled),
            ("What lies on or beyond the ends belongs into the first or last bin: clamp to 0 … bins − 1.",
             _unclipped),
            ("The bins go from low to high, which are given, not from the layer's own smallest to its largest value: a ruler "
             "that moves with what it measures.", _own_range),
            ("Different rows of bins got the same number: their sum is no name for a row. Use the row itself.", _number),
            *[("Different rows of bins got the same code: its base is not `bins`, or bins^D is beyond what the number holds. "
               "Use the row itself.", partial(_coded, **how))
              for how in (*({"kind": k} for k in (np.float32, np.float64, np.int32, np.int64)), {"back": True},
                          {"back": True, "kind": np.float64}, *({"base": b} for b in _BASES))],
            ("Different rows of bins got the same name: (1, 23) and (12, 3) both read 123. Use the row itself.",
             _read),
            *[("Bin numbers above 127 (255, 32,767) do not fit into so small a whole number: use int64.", partial(_wrapped, size)) for size in (256, 65536)],
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
