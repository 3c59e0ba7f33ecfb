"""One training that several questions share: real digits and noise, the networks kept at many moments.

Arpit et al. 2017 compare real data with ``randX`` (inputs replaced by noise) and ``randY`` (labels drawn at random).
"""
import functools

import torch

from .csr import critical
from .memorization import corrupt, error, mlp, small_digits
from .sensitivity import class_sensitivity, gini, loss_sensitivity

KINDS = {"real": ("labels", 0.0), "randX": ("gaussian", 1.0), "randY": ("labels", 1.0),
         "half randX": ("gaussian", 0.5), "half randY": ("labels", 0.5)}
MOMENTS = (0, 10, 20, 30, 50, 80, 120, 170, 230, 300, 400, 500, 600)
SEEDS, N, WIDTH = 5, 500, 64


@functools.cache
def sets(kind, seed):
    """(x (n, 64), y (n,), held (450, 64)): the training set of a kind, and held-out points of the same kind of input."""
    x, y, test, _ = small_digits(N)
    new, labels = corrupt(x, y, *KINDS[kind], seed)
    held = corrupt(test, torch.zeros(len(test), dtype=torch.int64), "gaussian", 1.0, 1000 + seed)[0]
    return new - new.mean(0), labels, (held if kind == "randX" else test) - new.mean(0)


@functools.cache
def training():
    """The histories: ``train`` and ``validation`` accuracy (on real test digits), and ``state``, (E, P) flat weights."""
    from ..train import fit_many

    test, test_y = small_digits(N)[2:]

    def measure(now):
        xs, ys, _ = zip(*(sets(s["kind"], s["seed"]) for s in now.settings), strict=True)
        tests = torch.stack([sets("real", s["seed"])[2] if s["kind"] == "randX" else sets(s["kind"], s["seed"])[2]
                             for s in now.settings])
        return {"train": 1 - error(now.forward(torch.stack(xs), shared=False), torch.stack(ys)),
                "validation": 1 - error(now.forward(tests, shared=False), test_y),
                "state": torch.cat([p.flatten(1) for p in now.stack.parameters.values()], 1)}

    return fit_many(lambda s: mlp(64, WIDTH), lambda s: sets(s["kind"], s["seed"])[:2],
                    [{"kind": kind, "lr": 0.1, "momentum": 0.9} for kind in KINDS], range(SEEDS), steps=MOMENTS[-1],
                    batch_size=50, optimizer="sgd", measure=measure, every=MOMENTS)


def rows(kind):
    """The networks of a kind in ``training``, one for each seed."""
    first = list(KINDS).index(kind) * SEEDS
    return slice(first, first + SEEDS)


def measured(name, kind):
    """(T, seeds): what ``training`` measured of a kind, at every moment."""
    return training().measured[name][:, rows(kind)]


def band(values, x=MOMENTS):
    """(x, mean, least, largest) over the seeds of values (len(x), seeds), as ``plot.bands`` draws them."""
    return x, values.mean(1), values.amin(1), values.amax(1)


def networks(state):
    """Flat weights (M, P) as one function: inputs (M, N, 64) → logits (M, N, 10), each network on its own."""
    layers, at = [], 0
    for inputs, outputs in ((64, WIDTH), (WIDTH, WIDTH), (WIDTH, 10)):
        weight = state[:, at:at + inputs * outputs].view(-1, outputs, inputs).transpose(1, 2).contiguous()
        at += inputs * outputs
        layers.append((weight, state[:, None, at:at + outputs]))
        at += outputs

    def f(x):
        for i, (weight, bias) in enumerate(layers):
            x = torch.baddbmm(bias, x.relu() if i else x, weight)
        return x

    return f


def at_moments(kind, seeds=range(SEEDS)):
    """(f, x, y, held) of every network of a kind at every moment, M = T · seeds of them, moments first."""
    states = measured("state", kind)[:, list(seeds)]
    parts = zip(*(sets(kind, s) for s in seeds), strict=True)
    return networks(states.flatten(0, 1)), *(torch.stack(p).repeat(len(MOMENTS), *[1] * p[0].dim()) for p in parts)


def over_moments(kind):
    """(T, seeds, n): ḡ_x after each moment T, the mean of the loss sensitivity g_x over the moments up to T."""
    f, x, y, _ = at_moments(kind)
    g = loss_sensitivity(f, x, y).view(len(MOMENTS), SEEDS, -1)
    return g.cumsum(0) / torch.arange(1, len(MOMENTS) + 1).view(-1, 1, 1)


@functools.cache
def gini_over_time(kind):
    """(T, seeds): the Gini coefficient of ḡ_x over the examples x."""
    return gini(over_moments(kind))


@functools.cache
def class_matrix(kind):
    """(seeds, 10, 10): the class-by-class sensitivity ḡ_ij, the mean over all moments."""
    f, x, y, _ = at_moments(kind)
    return class_sensitivity(f, x, y).view(len(MOMENTS), SEEDS, 10, 10).mean(0)


@functools.cache
def ratio_over_time(kind, radius=0.04, samples=150):
    """(T, seeds): the critical sample ratio among held-out points, at every moment."""
    f, _, _, held = at_moments(kind)
    return critical(f, held[:, :samples], radius).float().mean(1).view(len(MOMENTS), SEEDS)


@functools.cache
def ratio_over_radius(kind, radii, samples=150):
    """(radii, seeds): the critical sample ratio of the trained networks in boxes of several radii."""
    state = measured("state", kind)[-1]
    held = torch.stack([sets(kind, s)[2] for s in range(SEEDS)])[:, :samples]
    return torch.stack([critical(networks(state), held, r).float().mean(1) for r in radii])
