"""Exercise 8.2 keeps no rows: what holds a copy of them, in whatever form, is told so; what holds counts passes."""

import collections

import numpy as np
import pytest
import torch

from xaikit.dissect.sketch import QuantileSketch
from xaikit.exercises import get
from xaikit.exercises.feedback import evaluate

STREAM = get("8.2")


def copies(batches, q, bins):
    return torch.quantile(torch.cat([b.clone() for b in batches]), q, dim=0)


def growing(batches, q, bins):
    kept = None
    for b in batches:
        kept = b.clone() if kept is None else torch.cat([kept, b])
    return kept.sort(0).values[int(q * len(kept))]


def lists(batches, q, bins):
    return torch.tensor([row for b in batches for row in b.tolist()]).quantile(q, 0)


def arrays(batches, q, bins):
    return np.quantile(np.concatenate([b.numpy().copy() for b in batches]), q, 0)


def ranges(batches, bins):
    low, high = torch.stack([b.amin(0) for b in batches]).amin(0), torch.stack([b.amax(0) for b in batches]).amax(0)
    return low, high, ((high - low) / bins).clamp(min=1e-30)


def codes(batches, q, bins):
    """The place of each value among the bins, in two bytes, kept in the second way through."""
    low, _, width = ranges(batches, bins)
    kept = torch.cat([((b - low) / width).clamp(0, bins - 1).to(torch.int16) for b in batches]).sort(0).values
    return low + (kept[int(q * len(kept))] + 0.5) * width


def error_caught(batches, q, bins):
    kept = []
    try:
        for b in batches:
            kept.append(b.clone())
    except MemoryError:
        pass
    return torch.cat(kept).sort(0).values[int(q * sum(map(len, kept)))]


def counted_in_dicts(batches, q, bins):
    low, high, width = ranges(batches, bins)
    counts, n = [collections.Counter() for _ in low], 0
    for b in batches:
        n += len(b)
        for unit, places in zip(counts, ((b - low) / width).long().clamp(0, bins - 1).T.tolist(), strict=True):
            unit.update(places)
    found = []
    for u, unit in enumerate(counts):
        seen = 0
        for place in sorted(unit):
            seen += unit[place]
            if seen >= q * n:
                break
        found.append(min(float(low[u] + (place + 0.5) * width[u]), float(high[u])))
    return found


def with_a_history(batches, q, bins):
    """Keeps each batch's mean and size as well, as one might to plot them."""
    history = []
    for b in batches:
        history.append((len(b), b.mean(0)))
    return STREAM.library(batches, q, bins) if history else None


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("answer", [copies, growing, lists, arrays, codes, error_caught])
def test_what_keeps_the_rows_gets_a_third(answer, seed):
    score, verdict, _ = evaluate(STREAM, answer, seed)
    assert score == STREAM.points / 3 and "grows with the rows" in verdict.message, verdict
    assert "twice" in verdict.hint


def sketched(batches, q, bins):
    """In one way through, with a cascade that grows with the logarithm of the rows."""
    sketch = QuantileSketch(next(iter(batches)).shape[1], size=4096)
    for b in batches:
        sketch.add(b.T)
    return sketch.quantile(q)


def test_the_sketch_of_the_library_is_no_copy():
    case = STREAM.cases(0)[-1]
    assert case["times"] > 1
    verdict = STREAM.judge(case, STREAM.observe(sketched, case))
    assert verdict.fraction == 1, verdict


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("answer", [STREAM.library, counted_in_dicts, with_a_history])
def test_what_keeps_counts_passes(answer, seed):
    score, verdict, _ = evaluate(STREAM, answer, seed)
    assert score == STREAM.points, verdict


def test_a_wrong_answer_that_keeps_the_rows_gets_nothing():
    score, verdict, _ = evaluate(STREAM, lambda batches, q, bins: copies(batches, 1 - q, bins))
    assert score == 0, verdict
