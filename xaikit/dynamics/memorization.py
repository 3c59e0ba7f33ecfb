"""What a network memorises: data sets spoiled in known ways, and how networks fit them.

Zhang et al. 2017, *Understanding deep learning requires rethinking generalization*, section 2.
"""

import functools
import math

import torch
from torch import nn

from .intervals import student as interval  # noqa: F401

KINDS = ("labels", "shuffled pixels", "random pixels", "gaussian")
SIX = {  # the six data sets of Zhang et al., section 2.1: kind, and the share of examples that is spoiled
    "true labels": ("labels", 0.0),
    "half the labels random": ("labels", 0.5),
    "random labels": ("labels", 1.0),
    "shuffled pixels": ("shuffled pixels", 1.0),
    "random pixels": ("random pixels", 1.0),
    "Gaussian": ("gaussian", 1.0),
}


def check_share(p):
    """ValueError unless ``p`` is a number in [0, 1]."""
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
        raise ValueError(f"p is a share of the examples, in [0, 1], not {p!r}")


def check_labels(x, y, classes):
    """ValueError unless x (N, …) and y (N,) are a data set of at least one example and y counts 0 … classes − 1."""
    if len(x) == 0 or x.shape[0] != y.shape[0]:
        raise ValueError(f"{len(x)} examples with {len(y)} labels: a data set needs one label for each, and at least one")
    if y.dim() != 1 or y.is_floating_point() or y.is_complex() or y.dtype == torch.bool:
        raise ValueError(f"labels are whole numbers, (N,), not {y.dtype} of shape {tuple(y.shape)}")
    if y.min() < 0 or y.max() >= classes:
        raise ValueError(f"labels lie in 0 … {classes - 1}, not in {y.min().item()} … {y.max().item()}")


def draw(n, pixels, classes=10, seed=0):
    """All that is random in ``spoil``: chance (n,) in [0, 1), drawn (n,) classes, orders (n, pixels), noise (n, pixels).

    ``orders[0]``, the permutation of "shuffled pixels", depends on the seed alone: training and test sets share it.
    """
    g = torch.Generator().manual_seed(seed)
    first = torch.randperm(pixels, generator=g)[None]
    chance, drawn = torch.rand(n, generator=g), torch.randint(classes, (n,), generator=g)
    orders = torch.cat([first, torch.rand(n - 1, pixels, generator=g).argsort(1)])
    return chance, drawn, orders, torch.randn(n, pixels, generator=g)


def spoil(x, y, kind, p, chance, drawn, orders, noise):
    """Spoil each example i with chance_i < p: its label becomes drawn_i, or its pixels are permuted or replaced.

    x (N, D), y (N,), chance (N,), drawn (N,), orders (N, D), noise (N, D) → x (N, D), y (N,).  ``kind``: "labels" ·
    "shuffled pixels" (orders_0 for all) · "random pixels" (orders_i) · "gaussian" (mean and variance of all of x).
    """
    hit = chance < p
    if kind == "labels":
        return x.clone(), torch.where(hit, drawn, y)
    if kind == "shuffled pixels":
        new = x[:, orders[0]]
    elif kind == "random pixels":
        new = x.gather(1, orders)
    elif kind == "gaussian":
        new = x.mean() + x.std(correction=0) * noise
    else:
        raise ValueError(f"kind is one of {', '.join(KINDS)}, not {kind!r}")
    return torch.where(hit[:, None], new, x), y.clone()


def corrupt(x, y, kind, p=1.0, seed=0, classes=10):
    """``spoil`` with draws that follow from ``seed``.  x (N, D) float, y (N,) int64 → new x, new y.

    ValueError: p outside [0, 1], labels that are no classes, no examples, an unknown kind.
    """
    check_share(p)
    if x.dim() != 2 or not x.is_floating_point():
        raise ValueError(f"x is a float tensor (N, D), not {x.dtype} of shape {tuple(x.shape)}")
    check_labels(x, y, classes)
    return spoil(x, y, kind, p, *draw(len(x), x.shape[1], classes, seed))


def mlp(inputs=64, width=96, depth=2, classes=10, dropout=0.0, norm=False, before=()):
    """ReLU layers of one width, then ``classes`` logits; He's initial weights, biases 0."""
    layers, size = [*before], inputs
    for _ in range(depth):
        layers += [nn.Linear(size, width), *([nn.BatchNorm1d(width)] if norm else []), nn.ReLU(),
                   *([nn.Dropout(dropout)] if dropout else [])]
        size = width
    layers.append(nn.Linear(size, classes))
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


class RandomCrop(nn.Module):
    """In training each picture (B, side²) moves by −reach … reach pixels both ways, ``fill`` coming in; else nothing."""

    def __init__(self, side=8, reach=1, fill=0.0):
        super().__init__()
        self.side, self.reach, self.fill = side, reach, fill

    def forward(self, x):
        if not self.training:
            return x
        s, r = self.side, self.reach
        padded = nn.functional.pad(x.view(-1, s, s), (r, r, r, r), value=self.fill).flatten(1)
        at = torch.randint(2 * r + 1, (len(x), 2))
        i = torch.arange(s)
        rows, cols = at[:, :1] + i, at[:, 1:] + i
        return padded.gather(1, (rows[:, :, None] * (s + 2 * r) + cols[:, None, :]).flatten(1))


@functools.cache
def small_digits(n=500, size=8, seed=0):
    """(x (n, D), y, x of the test set, y of it): handwritten digits of ``size`` pixels a side, flat, in [0, 1]."""
    from .. import data

    train, test = data.digits(size), data.digits(size, split="test")
    if not 1 <= n <= len(train):
        raise ValueError(f"n is 1 … {len(train)}, not {n}")
    rows = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:n]
    return train.images[rows].flatten(1), train.labels[rows], test.images.flatten(1), test.labels


def log_steps(steps, first=10, count=70):
    """Steps to measure at: from ``first`` to ``steps``, equally spaced on a log scale, whole multiples of ``first``."""
    spaced = torch.logspace(math.log10(first), math.log10(steps), count)
    return sorted({round(s / first) * first for s in spaced.tolist()})


def error(outputs, labels):
    """Share of wrong answers, (E,): outputs (E, N, C); labels (N,) or (E, N)."""
    return (outputs.argmax(-1) != labels).double().mean(-1)


@functools.cache
def randomised(levels=(0.1, 0.25, 0.75), seeds=5, n=500, width=96, steps=1500):
    """The histories of networks on the six data sets and on labels spoiled with probability p in ``levels``.

    Settings: name (of ``SIX``, or p as text), kind, p, seed.  Measured, on all examples in eval mode: ``train_loss``
    (nats), ``train_error``, and ``test_error`` on the test set (for shuffled pixels, shuffled too).
    """
    from ..train import fit_many

    x, y, test_x, test_y = small_digits(n)

    @functools.cache
    def spoiled(kind, p, seed):
        new, labels = corrupt(x, y, kind, p, seed)
        mean = new.mean(0)
        held = test_x[:, draw(1, x.shape[1], seed=seed)[2][0]] if kind == "shuffled pixels" else test_x
        return new - mean, labels, held - mean

    settings = [{"name": name, "kind": kind, "p": p} for name, (kind, p) in SIX.items()]
    settings += [{"name": f"p = {p:g}", "kind": "labels", "p": p} for p in levels]

    seen = {}  # the last measurement: ``until`` asks for it again

    def measure(now):
        xs, ys, tests = (torch.stack(parts) for parts in zip(
            *(spoiled(s["kind"], s["p"], s["seed"]) for s in now.settings), strict=True))
        out = now.forward(xs, shared=False)
        loss = nn.functional.cross_entropy(out.flatten(0, 1), ys.flatten(), reduction="none").view(ys.shape).mean(1)
        seen.update(train_loss=loss, train_error=error(out, ys),
                    test_error=error(now.forward(tests, shared=False), test_y))
        return dict(seen)

    return fit_many(lambda s: mlp(x.shape[1], width), lambda s: spoiled(s["kind"], s["p"], s["seed"])[:2],
                    [{**s, "lr": 0.05, "momentum": 0.9} for s in settings], range(seeds), steps=steps, batch_size=50,
                    optimizer="sgd", measure=measure, every=log_steps(steps),
                    until=lambda now: seen["train_error"] == 0)
