"""Lecture 07's exercises under attack: answers that once passed though wrong, or got a hint that was not so."""

import numpy as np
import pytest
import torch

from xaikit.exercises import get
from xaikit.exercises.feedback import evaluate


def h(p):
    return -torch.special.xlogy(p, p).sum() / np.log(2)


def library(name):
    return get(name).library


def by_columns(joint):
    conditional = joint / joint.sum(0)
    left = sum(p * h(c) for p, c in zip(joint.sum(0), conditional.T, strict=True))
    return h(joint.sum(1)), h(joint.sum(1)) - left


def by_columns_that_occur(joint):
    return by_columns(joint[:, joint.sum(0) > 0].double())


def coded(kind=None, base=None, dense=False):
    """The layer's rows of bins as numbers of one place for each unit."""

    def answer(x, y, bins, low, high):
        t = ((x - low) / (high - low) * bins).floor().clamp(0, bins - 1).to(kind)
        places = torch.tensor(base or bins, dtype=kind) ** torch.arange(t.shape[1], dtype=kind)
        code = (t * places).sum(1).to(kind)
        if dense:
            counts = torch.bincount(code.long(), minlength=bins ** t.shape[1]).double()
            return h(counts / len(t)), 0.0
        own, classes = (torch.unique(v, return_inverse=True)[1] for v in (code, y))
        table = torch.zeros(int(own.max()) + 1, int(classes.max()) + 1, dtype=torch.float64)
        table.index_put_((own, classes), torch.ones(len(y), dtype=torch.float64) / len(y), accumulate=True)
        return h(table.sum(1)), library("7.1")(table)[1]

    return answer


def leaked_by_y(p, occurs=lambda w: True):
    leaked = sum(w * library("7.1")(p[:, b] / w)[1] for b, w in enumerate(p.sum((0, 2))) if occurs(w))
    return library("7.3")(p)[0], leaked


def clamped(p):
    lost, leaked = library("7.3")(p)
    return max(float(lost), 0.0), leaked


def ends_of_the_images(k, mean, scale, entropy, levels):
    return library("7.4")(k, mean, scale, entropy, int(k.max()) + 1)


def noise(rounds):
    def answer(W, radius, cap):
        squares = (W**2).sum(0)
        free = torch.ones_like(squares, dtype=torch.bool)
        for k in range(rounds + 1):
            share = (radius**2 - (cap**2 * squares[~free]).sum()).clamp(min=0) / max(1, int(free.sum()))
            if k < rounds:
                free = free & ~(cap**2 * squares <= share)
        return torch.where(free, (share / squares).sqrt().clamp(max=cap), torch.tensor(cap))

    return answer


def gate_codes(kind):
    def answer(z):
        code = ((z > 0).to(kind) * torch.tensor(2, dtype=kind) ** torch.arange(z.shape[1], dtype=kind)).sum(1)
        own = h(torch.unique(code.to(kind), return_counts=True)[1].double() / len(z))
        return own, sum(library("7.6")(z)) - own

    return answer


def binned(h, y, bins, low, high, whole=torch.floor, kind=torch.int64, named=False):
    """7.2 with bins by ``whole``, held in numbers of ``kind``; ``named``: rows told apart by their digits in a row."""
    t = whole((h - low) / (high - low) * bins).clamp(0, bins - 1).to(kind).long()
    if named:
        t = torch.tensor(np.unique(["".join(map(str, row)) for row in t.tolist()], return_inverse=True)[1])[:, None]

    def entropy(rows):
        p = torch.unique(rows, dim=0, return_counts=True)[1].double() / len(rows)
        return -(p * p.log2()).sum()

    return entropy(t), entropy(t) + entropy(y[:, None]) - entropy(torch.cat([t, y[:, None]], 1))


def padded(p, eps, put=torch.add):
    """Entropy with a small number added to p, or put in place of 0."""
    return -(p * (p + eps).log2()).sum() if put is torch.add else -(p.clamp(min=eps) * p.clamp(min=eps).log2()).sum()


def table(joint, h):
    return h(joint.sum(1)), h(joint.sum(1)) + h(joint.sum(0)) - h(joint)


def chain(p, h):
    y, z = p.sum((0, 2)), p.sum((0, 1))
    return (h(y) - h(p.sum(2))) - (h(z) - h(p.sum(1))), h(p.sum(2)) + h(p.sum(0)) - h(p) - h(y)


def bound(k, mean, scale, entropy, levels, held=lambda q: q):
    above = torch.where(k == levels - 1, 1.0, torch.sigmoid((k + 0.5 - mean) / scale))
    below = torch.where(k == 0, 0.0, torch.sigmoid((k - 0.5 - mean) / scale))
    return entropy + torch.log2(held(above - below)).sum(1).mean()


SMALL = "A small number was added"
CODES = "Different rows of bins got the same"
RIGHT = [
    ("7.1", by_columns_that_occur),
    ("7.2", binned),
    ("7.1", lambda joint: table(joint, lambda p: padded(p, 1e-9))),
    ("7.4", bound),
    ("7.3", lambda p: leaked_by_y(p, lambda w: w > 0)),
    ("7.5", noise(9)),
]
WRONG = [  # id, answer, the hint's beginning, points
    ("7.1", by_columns, "0 · log 0", 0),
    ("7.1", lambda joint: library("7.1")(joint)[::-1], "The two are swapped", 0),
    ("7.2", coded(torch.float32), "Different rows of bins got the same code", 0),
    ("7.2", coded(torch.float64), "", 0),
    *[("7.2", coded(kind), CODES, 0) for kind in (torch.int32, torch.int64)],
    *[("7.2", coded(torch.int64, base=base), CODES, 0) for base in (10, 31, 32)],
    ("7.2", lambda *a: binned(*a, named=True), CODES + " name", 0),
    ("7.2", lambda *a: binned(*a, kind=torch.uint8), "Bin numbers above 127", 0),
    ("7.2", lambda *a: binned(*a, kind=torch.int8), "Bin numbers above 127", 0),
    ("7.2", lambda *a: binned(*a, whole=lambda v: v.ceil() - 1), "A value just on an edge", 0),
    *[("7.1", lambda joint, e=e: table(joint, lambda p: padded(p, e)), SMALL, 0) for e in (1e-4, 1e-5)],
    ("7.1", lambda joint: table(joint, lambda p: padded(p, 1e-6, "put")), SMALL, 0),
    ("7.1", lambda joint: table(joint, lambda p: h(p * (p > 1e-4))), "", 0),
    ("7.3", lambda p: chain(p, lambda p: padded(p, 1e-5)), SMALL, 0),
    ("7.3", lambda p: chain(p, lambda p: padded(p, 1e-6, "put")), SMALL, 0),
    ("7.4", lambda *a: bound(*a, held=lambda q: q.clamp(min=1e-2)), SMALL, 0),
    ("7.4", lambda *a: bound(*a, held=lambda q: q.clamp(min=1e-4)), SMALL, 0),
    ("7.4", lambda *a: bound(*a, held=lambda q: q + 1e-4), SMALL, 0),
    ("7.4", lambda *a: bound(*a, held=lambda q: q + 1e-6), "", 0),
    ("7.2", coded(torch.int64, dense=True), "", 0),
    ("7.3", leaked_by_y, "0 · log 0", 0),
    ("7.3", clamped, "Without a chain", 0),
    ("7.3", lambda p: library("7.3")(p)[::-1], "The two are swapped", 0),
    ("7.4", ends_of_the_images, "", 0),
    ("7.5", noise(1), "The rest was shared out once", 2.1),
    ("7.5", noise(2), "The rest was shared out twice", 2.4),
    ("7.6", lambda z: (np.log(2) * library("7.6")(z)[0], library("7.6")(z)[1]), "H(Σ) is in nats", 0),
    ("7.6", lambda z: (library("7.6")(z)[0], np.log(2) * library("7.6")(z)[1]), "TC is in nats", 0),
    ("7.6", lambda z: library("7.6")(z)[::-1], "The two are swapped", 0),
    ("7.6", gate_codes(torch.int64), "Rows became numbers", 1.4),
    ("7.6", lambda z: library("7.6")(torch.where(z > 1e-6, z, -1)), "", 0),
    ("7.5", lambda W, radius, cap: library("7.5")(torch.where(W.norm(dim=0) < 1e-3, 0, W), radius, cap), "", 0),
]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name, answer", RIGHT)
def test_a_right_answer_passes(name, answer, seed):
    score, verdict, _ = evaluate(get(name), answer, seed)
    assert score == get(name).points, (verdict.message, verdict.hint, verdict.came)


@pytest.mark.parametrize("seed", (0, 1, 4, 7))
@pytest.mark.parametrize("name, answer, hint, points", WRONG)
def test_a_wrong_answer_gets_its_hint(name, answer, hint, points, seed):
    score, verdict, _ = evaluate(get(name), answer, seed)
    assert score == points and verdict.hint.startswith(hint), (verdict.message, verdict.hint, verdict.came)
    assert "NaN" not in verdict.message or "divide" in verdict.hint
