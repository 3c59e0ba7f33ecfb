"""Noise of one frequency on the targets, and when it hurts: Rahaman et al. 2018, experiment 3."""
import functools
import math

import numpy as np
import torch
import torch.nn.functional as F

from .spectral import relu_network

FREQUENCIES, BETA, SEEDS, STEPS = (0.1, 1.0, 10.0), 1.0, 5, 200


def radial_wave(x, k):
    """ψ_k(x) = sin(k ‖x‖), one number for each row of x (N, …).  ValueError: k is no positive number."""
    if not 0 < k < math.inf:
        raise ValueError(f"k is a positive number, not {k!r}")
    return torch.sin(k * x.flatten(1).norm(dim=1))


@functools.cache
def digits(classes=(3, 8)):
    """Pixels (N, 64) and targets (N,) of ±1 of two digits, to train on and to validate: two pairs."""
    from ..data import digits as load

    pairs = []
    for split in ("train", "test"):
        some = load(size=8, split=split)
        some = some.take((some.labels == classes[0]) | (some.labels == classes[1]))
        pairs.append((some.images.flatten(1) * 4, (some.labels == classes[1]).float() * 2 - 1))
    return tuple(pairs)


@functools.cache
def curves(frequencies=FREQUENCIES, beta=BETA, seeds=SEEDS, steps=STEPS, width=32, depth=2):
    """Networks learn τ = τ₀ + β ψ_k; k = 0 stands for no noise.

    Returns steps (T,), and validation and training error, each (T, k, seed): the mean squared distance from the *clean*
    target τ₀ on digits that were not trained on, and from the noisy τ on those that were.  ValueError: β < 0.
    """
    from ..train import fit_many

    if not 0 <= beta < math.inf:
        raise ValueError(f"β is an amplitude, 0 or above, not {beta!r}")
    (x, clean), (fresh, fresh_clean) = digits()
    noisy = {k: (clean + beta * radial_wave(x, k) if k else clean)[:, None] for k in (0.0, *frequencies)}

    def measure(now):
        wanted = torch.stack([noisy[s["k"]][:, 0] for s in now.settings])
        return {"validation": (now.forward(fresh)[..., 0] - fresh_clean).square().mean(1),
                "training": (now.forward(x)[..., 0] - wanted).square().mean(1)}

    settings = [{"k": k, "lr": 1e-3} for k in noisy]
    found = fit_many(lambda s: relu_network(64, width, depth), lambda s: (x, noisy[s["k"]]), settings, range(seeds),
                     steps=steps, batch_size=None, loss=F.mse_loss, measure=measure, every=_moments(steps))
    shape = (len(found.steps), len(settings), seeds)
    return found.steps.numpy(), *(found.measured[n].reshape(shape).numpy() for n in ("validation", "training"))


def _moments(steps):
    return tuple(sorted({round(v) for v in np.geomspace(1, steps, 40)}))


def dip(validation):
    """How far the lowest point of each curve lies below its end, as a part of the end: (T, …) → (…), in [0, 1].

    0: the error is lowest at the end; near 1: it was much lower on the way, before the noise was fitted.
    """
    validation = np.asarray(validation, float)
    return 1 - validation.min(0) / validation[-1]
