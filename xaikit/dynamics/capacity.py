"""Capacity, noise and time: what more hidden units buy, on real data and on noise.

Arpit et al. 2017, sections 3.3 and 3.4.  All networks have two hidden layers of ``width`` ReLU units.
"""
import functools

import pandas as pd
import torch

from .memorization import corrupt, error, mlp, small_digits
from .stages import KINDS

WIDTHS = (8, 16, 32, 64, 128)
BATCH, EPOCHS = 50, 75


@functools.cache
def fitted(width, n, kinds=tuple(KINDS), seeds=5, limit=EPOCHS):
    """DataFrame: for each kind and seed of a width and n examples the ``epochs`` until all n are right, looked at once an
    epoch (inf where they are not after ``limit``), and the last ``validation`` and ``train`` accuracy."""
    from ..train import fit_many

    x, y, test, test_y = small_digits(n)

    @functools.cache
    def noisy(kind, seed):
        new, labels = corrupt(x, y, *KINDS[kind], seed)
        return new - new.mean(0), labels, test - new.mean(0)

    seen, epoch = {}, n // min(BATCH, n)
    steps = limit * epoch

    def measure(now):
        xs, ys, tests = (torch.stack(part) for part in zip(*(noisy(s["kind"], s["seed"]) for s in now.settings),
                                                           strict=True))
        seen["wrong"] = error(now.forward(xs, shared=False), ys)
        over = now.step == steps or bool((seen["wrong"] == 0).all())  # validation counts at the end only
        right = 1 - error(now.forward(tests, shared=False), test_y) if over else torch.full((len(xs),), torch.nan)
        return {**seen, "validation": right}

    found = fit_many(lambda s: mlp(64, width), lambda s: noisy(s["kind"], s["seed"])[:2],
                     [{"kind": kind, "lr": 0.1, "momentum": 0.9} for kind in kinds], range(seeds), steps=steps,
                     batch_size=min(BATCH, n), optimizer="sgd", measure=measure, every=epoch,
                     until=lambda now: seen["wrong"] == 0)
    epochs = found.first("wrong", lambda w: w == 0) / epoch
    return pd.DataFrame([{"width": width, "n": n, "kind": s["kind"], "seed": s["seed"], "epochs": epochs[e].item(),
                          "train": 1 - found.measured["wrong"][-1, e].item(),
                          "validation": found.measured["validation"][-1, e].item()} for e, s in enumerate(found.settings)])


def by_width(n=200):
    """`fitted` for every width of ``WIDTHS``, n examples."""
    return pd.concat([fitted(width, n) for width in WIDTHS], ignore_index=True)


def by_size(width=64, sizes=(100, 400)):
    """`fitted` for real data, randX and randY of several sizes, one width."""
    return pd.concat([fitted(width, n, ("real", "randX", "randY")) for n in sizes], ignore_index=True)
