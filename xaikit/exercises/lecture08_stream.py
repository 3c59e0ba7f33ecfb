"""Lecture 08's exercise 8.2: a quantile in a stream."""

import gc
import tracemalloc
from contextlib import suppress
from dataclasses import replace

import numpy as np

from .core import Verdict
from .formula import formula


def streaming_quantile(batches, q, bins):
    """The q-quantile of each of U units over all rows of the batches (n, U), within a bin's width.  → (U,)"""
    import torch

    low = torch.stack([batch.amin(0) for batch in batches]).amin(0)
    high = torch.stack([batch.amax(0) for batch in batches]).amax(0)
    width = ((high - low) / bins).clamp(min=1e-30)
    counts = torch.zeros(len(low), bins)
    for batch in batches:
        place = ((batch - low) / width).long().clamp(0, bins - 1)
        counts.scatter_add_(1, place.T, torch.ones_like(batch).T)
    first = (counts.cumsum(1) < q * counts.sum(1, keepdim=True)).sum(
        1
    )  # the bin in which the share q is reached
    return torch.minimum(low + (first + 0.5) * width, high)


class KeepsRows(MemoryError):
    """What an answer holds grows with the rows that it has seen."""


class _Stream:
    """Batches from one buffer that is written anew each time, as a reader of files does; run through as often as wanted.

    All of it comes ``times`` times.  A long stream looks at what is held when a quarter of it has passed, and at its
    end: KeepsRows if that grew by more than half a byte for each value between.  (Counts do not grow at all, a sketch
    with its logarithm; a copy in bytes grows by one for each.)
    """

    def __init__(self, values, sizes, times=1):
        self.values, self.sizes = values, sizes.tolist() * times
        self.times, self.kept, self.looks = times, False, 0

    def __len__(self):
        return len(self.sizes)

    def __iter__(self):
        import torch

        buffer, last = torch.empty(max(self.sizes), self.values.shape[1]), len(self.sizes) - 1
        look, parts = self.times > 1 and self.looks < 3, self.values.split(self.sizes[: len(self.sizes) // self.times])
        self.looks, early, between = self.looks + look, 0, 0
        for i in range(len(self.sizes)):
            batch = parts[i % len(parts)]
            if look and i == last // 4:
                early, between = _held(), 0
            between += batch.numel()
            if look and i == last:
                limit = early + between / 2
                if _held() > limit and (gc.collect(), _held())[1] > limit:
                    self.kept = True
                    raise KeepsRows("what is kept grows with the rows")
            buffer[: len(batch)] = batch
            yield buffer[: len(batch)]


def _held():
    """Bytes in tensors that are alive, and what Python and numpy hold since ``tracemalloc.start``."""
    import torch

    there = gc.get_objects()
    tensors = {kind for kind in set(map(type, there)) if issubclass(kind, torch.Tensor)}
    stores = {}
    for one in there:
        if type(one) in tensors:
            with suppress(ValueError, RuntimeError):  # parameters of lazy modules, sparse and fake tensors have no bytes
                store = one.untyped_storage()
                stores[store.data_ptr()] = store.nbytes()
    return sum(stores.values()) + tracemalloc.get_traced_memory()[0]


def _streamed(answer):
    def streams(values, sizes, q, bins, times):
        stream, traced = _Stream(values, sizes, times), tracemalloc.is_tracing()
        if times > 1 and not traced:
            tracemalloc.start()
        try:
            value = answer(stream, q, bins)
        finally:
            if times > 1 and not traced:
                tracemalloc.stop()
        if stream.kept:  # and the error was caught
            raise KeepsRows("what is kept grows with the rows")
        return value

    return streams


def _judged(judge):
    """``judge``, with an answer that keeps all rows told so: what it gives may be right."""

    def told(case, observed):
        if type(observed) is dict and observed.get("kind") == "error" and observed.get("error") == "KeepsRows":
            return Verdict(
                1 / 3,
                "What you keep grows with the rows: a stream may be longer than the memory.",
                "Go through the batches twice: for the smallest and largest values, then for the counts.",
            )
        return judge(case, observed)

    return told


def _stream_cases(rng):
    made = []
    for batches, q, bins, note in (
        (4, 0.9, 200, "the top tenth"),
        (7, 0.5, 1000, "the median"),
        (5, 0.995, 300, "the top 0.5 %"),
    ):
        sizes = rng.integers(300, 700, batches)
        sizes[-1] = 250  # what is overwritten differs from the last batch
        n = int(sizes.sum())
        drift = np.repeat(np.linspace(0, 1, batches), sizes)[:, None]  # the batches are not alike
        values = rng.random((n, 4)) * [1, 20, 3, 0] + drift * [2, -15, 0, 0] + [0, -4, 10, rng.normal()]
        made.append(
            {
                "values": values,
                "sizes": sizes,
                "times": 1,
                "q": q,
                "bins": bins,
                "note": f"{note}; the batches differ, one unit is constant",
            }
        )
    values = rng.random((2000, 2))
    values[:3] += 30  # a few values far out, in the first batch
    made.append(
        {
            "values": values,
            "sizes": np.array([40, 1960]),
            "times": 1,
            "q": 0.3,
            "bins": 2000,
            "note": "batches of other sizes, some values far out",
        }
    )
    values, sizes = rng.random((24_000, 4)) * [1, 20, 3, 5], np.full(8, 3000)
    made.append(
        {"values": values, "sizes": sizes, "times": 4, "q": 0.8, "bins": 100, "note": "a long stream, the same again and again"}
    )
    return made


def _exact(values, q, **case):
    return np.quantile(values, q, axis=0)


def _within(value, values, q, bins, **case):
    """Between the order statistics next to the quantile, or off by a bin's width at most."""
    ordered, n = np.sort(values, axis=0), len(values)
    low, high = ordered[max(int(np.floor(q * n)) - 2, 0)], ordered[min(int(np.ceil(q * n)) + 1, n - 1)]
    slack = (ordered[-1] - ordered[0]) / bins + 1e-5 * np.maximum(1, np.abs(ordered[-1]))
    return bool(((value >= low - slack) & (value <= high + slack)).all())


def _split(values, sizes):
    return np.split(values, np.cumsum(sizes)[:-1])


def _collected(values, sizes, q, **case):
    """All batches kept without a copy: each of them shows what the buffer holds at last."""
    buffer = np.zeros((sizes.max(), values.shape[1]))
    for part in _split(values, sizes):
        buffer[: len(part)] = part
    return np.quantile(np.concatenate([buffer[:n] for n in sizes]), q, axis=0)


def _told(wrong):
    """The mistake ``wrong``, and nan where the truth is about the same: what comes close to it by chance is not it."""

    def value(values, q, bins, **case):
        found = wrong(values=values, q=q, bins=bins, **case)
        near = np.abs(found - _exact(values, q)) <= 3 * np.ptp(values, axis=0) / bins + 1e-3
        return found if not near.all() else np.full_like(found, np.nan)

    return value


EXERCISES = [
    replace(
        _STREAM := formula(
            id="8.2",
            title="A quantile in a stream",
            points=3,
            minutes=18,
            difficulty=3,
            task="streaming_quantile(batches, q, bins): the q-quantile of each unit over the rows of all batches (n, U), wrong by at most "
            "(largest − smallest value of the unit) / bins. `batches` may be run through more than once; a batch is overwritten when the next "
            "one comes. What you keep must not grow with the rows: keep counts. → (U,)",
            library=lambda values, sizes, q, bins, times: None,
            cases=_stream_cases,
            use=_streamed,
            truth=None,
            axes="(U,)",
            shape=lambda values, **case: values.shape[1:],
            laws=[("A quantile is off by more than a bin's width.", _within)],
            mistakes=[(hint, _told(wrong)) for hint, wrong in [
                (
                    "That is the mean of the batches' quantiles: the quantile of all rows is another number.",
                    lambda values, sizes, q, **case: np.mean(
                        [np.quantile(p, q, axis=0) for p in _split(values, sizes)], axis=0
                    ),
                ),
                (
                    "That is the median of the batches' quantiles: the quantile of all rows is another number.",
                    lambda values, sizes, q, **case: np.median(
                        [np.quantile(p, q, axis=0) for p in _split(values, sizes)], axis=0
                    ),
                ),
                (
                    "That is the mean of the batches' quantiles, weighted: the quantile of all rows is another number.",
                    lambda values, sizes, q, **case: np.average(
                        [np.quantile(p, q, axis=0) for p in _split(values, sizes)], axis=0, weights=sizes
                    ),
                ),
                (
                    "That is the largest of the batches' quantiles.",
                    lambda values, sizes, q, **case: np.max(
                        [np.quantile(p, q, axis=0) for p in _split(values, sizes)], axis=0
                    ),
                ),
                (
                    "Only the last batch was used.",
                    lambda values, sizes, q, **case: np.quantile(_split(values, sizes)[-1], q, axis=0),
                ),
                (
                    "Only the first batch was used.",
                    lambda values, sizes, q, **case: np.quantile(_split(values, sizes)[0], q, axis=0),
                ),
                (
                    "The batches you kept were overwritten: count them as they come, and keep the counts.",
                    _collected,
                ),
                (
                    "That is the (1 − q)-quantile: count from the smallest.",
                    lambda values, q, **case: _exact(values, 1 - q),
                ),
                (
                    "One number for each unit: the units were thrown together.",
                    lambda values, q, **case: np.full(values.shape[1], np.quantile(values, q)),
                ),
                (
                    "That is the share between smallest and largest value: count how many lie below.",
                    lambda values, q, **case: values.min(0) + q * (values.max(0) - values.min(0)),
                ),
            ]],
            hints=(
                "A histogram holds `bins` counts for each unit, however many rows come. What must be known before its bins can be set?",
                "Twice through: first each unit's smallest and largest value, then the counts. The quantile lies in the bin where the sum of the "
                "counts reaches q times the number of rows.",
                "place = ((batch − low) / width).long().clamp(0, bins − 1); counts.scatter_add_(1, place.T, ones); then cumsum(1); low + (first + ½) "
                "· width. A constant unit has width 0: clamp it.",
            ),
            insight="A sketch with bins that grow where the values are needs only one way through.",
        ),
        library=streaming_quantile,
        judge=_judged(_STREAM.judge),
    ),
]
