"""Lecture 07's exercises 7.1 to 7.3 and 7.6: every right answer passes, every wrong one gets the hint that
names its mistake."""

from collections import Counter

import numpy as np
import pytest
import torch

from xaikit.dynamics import gates, information
from xaikit.exercises import get
from xaikit.exercises.feedback import evaluate


def h(p):
    return -torch.special.xlogy(p, p).sum() / np.log(2)


def table_loop(joint):
    """Sums over single entries, and the definition with a logarithm of the ratio."""
    px = [float(row.sum()) for row in joint]
    py = [float(column.sum()) for column in joint.T]
    own = -sum(p * np.log2(p) for p in px if p > 0)
    both = sum(
        float(p) * np.log2(float(p) / (px[i] * py[j]))
        for i, row in enumerate(joint)
        for j, p in enumerate(row)
        if p > 0
    )
    return own, both


def table_library(joint):
    return [information.entropy(joint.sum(1)), information.mutual_information(joint / joint.double().sum())]


def table_nudged(joint):
    """With the little number under the logarithm that one is used to."""
    p = joint.double()
    x, y = p.sum(1), p.sum(0)
    return (
        -(x * (x + 1e-12).log2()).sum(),
        (p * ((p + 1e-12).log2() - (x[:, None] * y + 1e-12).log2())).sum(),
    )


def states(rows):
    return -sum(c / len(rows) * np.log2(c / len(rows)) for c in Counter(map(tuple, rows)).values())


def binned_counter(h, y, bins, low, high):
    t = np.clip(((h.double().numpy() - low) / (high - low) * bins // 1), 0, bins - 1).tolist()
    y = y.tolist()
    both = [[*row, label] for row, label in zip(t, y, strict=True)]
    return states(t), states(t) + states([[v] for v in y]) - states(both)


def binned_bucketize(h, y, bins, low, high):
    edges = torch.linspace(low, high, bins + 1)[1:-1]
    t = torch.bucketize(h, edges, right=True)
    codes = torch.unique(t, dim=0, return_inverse=True)[1]
    table = torch.zeros(int(codes.max()) + 1, int(y.max()) + 1, dtype=torch.float64)
    table.index_put_((codes, y), torch.ones(len(y), dtype=torch.float64), accumulate=True)
    table /= table.sum()
    return h_of(table.sum(1)), information.mutual_information(table)


def h_of(p):
    return information.entropy(p)


def binned_library(h, y, bins, low, high):
    own, told = information.binned(h[None], y, bins, low, high)
    return torch.tensor(own[0]), torch.tensor(told[0])


def processing_informations(p):
    p = p.double()
    p = p / p.sum()
    leaked = sum(
        float(w) * information.mutual_information(p[:, k] / w) for k, w in enumerate(p.sum((0, 2))) if w > 0
    )
    return information.mutual_information(p.sum(2)) - information.mutual_information(p.sum(1)), leaked


def gates_library(z):
    own, correlation = gates.entropies((z > 0)[None])[:2]
    return own.item(), correlation.item()


def gates_codes(z):
    g = (z > 0).numpy().astype(object)  # whole numbers of any length
    p = np.array(list(Counter(g @ 2 ** np.arange(g.shape[1]).astype(object)).values())) / len(g)
    g = g.astype(int)
    single = sum(h(torch.tensor([q, 1 - q])) for q in g.mean(0))
    return -(p * np.log2(p)).sum(), single + (p * np.log2(p)).sum()


RIGHT = {
    "7.1": [table_loop, table_library, table_nudged],
    "7.2": [binned_counter, binned_bucketize, binned_library],
    "7.3": [processing_informations],
    "7.6": [gates_library, gates_codes],
}


def b(h, y, bins, low, high, t=None):
    t = ((h - low) / (high - low) * bins).floor().clamp(0, bins - 1) if t is None else t
    y = y[:, None].float()
    return (torch.tensor(states(v.tolist())) for v in (t, y, torch.cat([t, y], 1)))


def b_nats(*case):
    t, y, both = b(*case)
    return np.log(2) * t, np.log(2) * (t + y - both)


def b_moving(x, y, bins, low, high):
    t, y, both = b(x, y, bins, x.min(), x.max())
    return t, t + y - both


def b_open(x, y, bins, low, high):
    t, y, both = b(x, y, bins, low, high, ((x - low) / (high - low) * bins).floor())
    return t, t + y - both


def b_round(x, y, bins, low, high):
    t, y, both = b(x, y, bins, low, high, ((x - low) / (high - low) * bins).round())
    return t, t + y - both


def b_summed(x, y, bins, low, high):
    t = ((x - low) / (high - low) * bins).floor().clamp(0, bins - 1).sum(1, keepdim=True)
    t, y, both = b(x, y, bins, low, high, t)
    return t, t + y - both


def b_raw(x, y, bins, low, high):
    t, y, both = b(x, y, bins, low, high, x)
    return t, t + y - both


def b_units(x, y, bins, low, high):
    parts = [get("7.2").library(c[:, None], y, bins, low, high) for c in x.T]
    return sum(p[0] for p in parts), sum(p[1] for p in parts)


def b_given(*case):
    t, y, both = b(*case)
    return t, both - y


def b_label(*case):
    t, y, both = b(*case)
    return t, both - t


def b_both(*case):
    t, y, both = b(*case)
    return t, both


def b_mutates(x, y, bins, low, high):
    own = get("7.2").library(x, y, bins, low, high)
    x.clamp_(low, high)
    return own


def library(name):
    return get(name).library


def nats(name):
    return lambda *case: [np.log(2) * v for v in library(name)(*case)]


def turned(name, index):
    return lambda *case: [-v if k == index else v for k, v in enumerate(library(name)(*case))]


def gates_of(g):
    return library("7.6")(g.float() * 2 - 1)



def naive(p):
    return -(p * p.log2()).sum()


WRONG = [  # id, answer, how the hint begins
    ("7.1", nats("7.1"), "These are nats"),
    ("7.1", lambda joint: library("7.1")(joint.T), "That is H(Y)"),
    ("7.1", lambda joint: (h(joint), library("7.1")(joint)[1]), "That is H(X,Y)"),
    ("7.1", turned("7.1", 0), "The sign of the entropy"),
    ("7.1", turned("7.1", 1), "The sign of I"),
    ("7.1", lambda joint: (h(joint.sum(1)), h(joint) - h(joint.sum(1))), "That is H(Y|X)"),
    ("7.1", lambda joint: (h(joint.sum(1)), h(joint) - h(joint.sum(0))), "That is H(X|Y)"),
    ("7.1", lambda joint: (h(joint.sum(1)), h(joint)), "That is the joint entropy"),
    (
        "7.1",
        lambda joint: (
            -(joint.sum(1) * joint.sum(1).log2()).sum(),
            h(joint.sum(1)) + h(joint.sum(0)) - h(joint),
        ),
        "0 · log 0",
    ),
    (
        "7.1",
        lambda joint: (h(joint.sum(1)), h(joint.sum(1)) + h(joint.sum(0)) - h(joint.clamp_min(1e-4))),
        "",
    ),
    ("7.2", b_nats, "These are nats"),
    ("7.2", b_moving, "The bins go from low to high"),
    ("7.2", b_open, "What lies on or beyond the ends"),
    ("7.2", b_round, "Bin numbers are rounded down"),
    ("7.2", b_summed, "Different rows of bins"),
    ("7.2", b_raw, "The layer is not binned"),
    ("7.2", b_units, "You added up the units' entropies"),
    ("7.2", b_given, "That is H(T|Y)"),
    ("7.2", b_label, "That is H(Y|T)"),
    ("7.2", b_both, "That is H(T,Y)"),
    ("7.2", lambda *case: library("7.2")(*case)[::-1], "The two are swapped"),
    ("7.3", nats("7.3"), "These are nats"),
    ("7.3", turned("7.3", 0), "The difference is turned round"),
    ("7.3", turned("7.3", 1), "The sign of the second"),
    ("7.3", lambda p: library("7.3")(p.permute(0, 2, 1)), "The axes are swapped"),
    ("7.3", lambda p: (library("7.3")(p)[0], library("7.1")(p.sum(1))[1]), "That is I(X;Z)"),
    ("7.3", lambda p: (library("7.3")(p)[0], library("7.3")(p.permute(0, 2, 1))[1]), "That is I(X;Y|Z)"),
    ("7.3", lambda p: (library("7.3")(p)[0], library("7.3")(p)[1] + h(p.sum((0, 2)))), "H(Y) is missing"),
    ("7.3", lambda p: (library("7.3")(p)[0], 0.0), ""),  # right only for chains
    ("7.3", lambda p: (naive(p.sum(2)) - naive(p.sum(1)), naive(p)), "0 · log 0"),
    ("7.6", nats("7.6"), "These are nats"),
    ("7.6", lambda z: gates_of(z >= 0), "A gate whose pre-activation is exactly 0"),
    ("7.6", turned("7.6", 1), "The sign of TC"),
    ("7.6", lambda z: (sum(library("7.6")(z)), library("7.6")(z)[1]), "That is C"),
    ("7.6", lambda z: (library("7.6")(z)[0], sum(library("7.6")(z))), "TC is the sum"),
    (
        "7.6",
        lambda z: (np.log2(len(torch.unique(z > 0, dim=0))), library("7.6")(z)[1]),
        "That is the logarithm",
    ),
    (
        "7.6",
        lambda z: (library("7.6")(z)[0], sum(library("7.6")(z)) / z.shape[1] - library("7.6")(z)[0]),
        "The entropies of the single gates",
    ),
    (
        "7.6",
        lambda z: [
            torch.tensor(v)
            for v in (states(z.tolist()), sum(states(c[:, None].tolist()) for c in z.T) - states(z.tolist()))
        ],
        "You used the pre-activations",
    ),
]


@pytest.mark.parametrize(
    "name, answer",
    [(n, f) for n, fs in RIGHT.items() for f in (get(n).library, *fs)],
    ids=lambda v: getattr(v, "__name__", v),
)
def test_right_answers_pass(name, answer):
    score, verdict, _ = evaluate(get(name), answer)
    assert score == get(name).points, (verdict.message, verdict.hint, verdict.expected, verdict.came)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", [torch.float32, torch.int32, torch.int64])
def test_gates_as_codes_of_too_few_bits(kind, seed):
    def coded(z):
        codes = ((z > 0).to(kind) * torch.tensor(2, dtype=kind) ** torch.arange(z.shape[1])).sum(1, dtype=kind)
        own, apart = states(codes[:, None].tolist()), sum(library("7.6")(z))
        return own, apart - own

    score, verdict, _ = evaluate(get("7.6"), coded, seed)
    assert 0 < score < get("7.6").points and "float32 holds 24 gates" in verdict.hint, verdict


@pytest.mark.parametrize("name, answer, hint", WRONG, ids=[f"{n} {h}" for n, _, h in WRONG])
def test_wrong_answers_fail_with_their_hint(name, answer, hint):
    score, verdict, _ = evaluate(get(name), answer)
    assert score == 0, verdict.message
    assert verdict.hint.startswith(hint), (verdict.message, verdict.hint, verdict.expected, verdict.came)


def test_an_answer_that_writes_into_its_argument_is_told_so():
    score, verdict, _ = evaluate(get("7.2"), b_mutates)
    assert score < get("7.2").points and "h" in verdict.message + verdict.hint


@pytest.mark.parametrize("seed", (1, 6))
@pytest.mark.parametrize("name", RIGHT)
def test_right_and_wrong_stay_what_they_are_whatever_the_seed(name, seed):
    for answer in (get(name).library, *RIGHT[name]):
        assert evaluate(get(name), answer, seed)[0] == get(name).points, (answer.__name__, seed)
    for _, answer, hint in (w for w in WRONG if w[0] == name):
        assert evaluate(get(name), answer, seed)[0] == 0, (hint, seed)


@pytest.mark.parametrize("name", RIGHT)
def test_texts_are_whole_and_the_cases_depend_on_the_seed(name):
    exercise = get(name)
    assert len(exercise.hints) == 3 and len(exercise.insight) > 20 and "def " in exercise.solution()
    one, other = exercise.cases(0), exercise.cases(1)
    assert all(a.note == b.note for a, b in zip(one, other, strict=True))
    assert any(
        (a.data[k] != b.data[k]).any()
        for a, b in zip(one, other, strict=True)
        for k in a.data
        if isinstance(a.data[k], np.ndarray)
    )
