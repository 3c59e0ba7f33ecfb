"""Which frequencies a network has learned, and when: sums of sines, their spectra, and networks that learn them.

Rahaman et al. 2018, *On the Spectral Bias of Neural Networks*, experiment 1.
"""
import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

FREQUENCIES, POINTS, STEPS, RATE = tuple(range(1, 11)), 64, 600, 3e-3


def waves(z, k, amplitudes, phases):
    """λ(z) = Σ_i A_i sin(2π k_i z + φ_i).  z (N,); k, amplitudes, phases (K,) → (N,).  ValueError: other shapes."""
    z, k, amplitudes, phases = (torch.as_tensor(v, dtype=torch.float32) for v in (z, k, amplitudes, phases))
    if z.dim() != 1 or not k.shape == amplitudes.shape == phases.shape or k.dim() != 1:
        raise ValueError(f"z is (N,), and k, amplitudes and phases have one shape (K,); these are {tuple(z.shape)}, "
                         f"{tuple(k.shape)}, {tuple(amplitudes.shape)}, {tuple(phases.shape)}")
    return amplitudes @ torch.sin(2 * math.pi * k[:, None] * z + phases[:, None])


def coefficients(values, k):
    """c(k) = 2/N Σ_n f(n/N) e^(−2πikn/N), so that |c(k)| is the amplitude of the wave with k periods.

    values (…, N) at z = 0, 1/N, …; k whole numbers (K,), 0 < k < N/2 → complex (…, K).  ValueError: other k.
    """
    n, k = values.shape[-1], torch.as_tensor(k)
    if k.is_floating_point() and (k != k.round()).any() or k.numel() and not (0 < k.min() and k.max() < n / 2):
        raise ValueError(f"of {n} points the frequencies 1 … {(n - 1) // 2} can be told apart; asked for {k.tolist()}")
    return 2 * torch.fft.rfft(values, dim=-1)[..., k.long()] / n


def relu_network(inputs=1, width=64, depth=5, outputs=1):
    """``depth`` hidden layers of ``width`` ReLUs.  ValueError: a size below 1."""
    for name, size in (("inputs", inputs), ("width", width), ("depth", depth), ("outputs", outputs)):
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"{name} is a whole number above 0, not {size!r}")
    sizes = [inputs, *[width] * depth]
    hidden = [layer for a, b in zip(sizes, sizes[1:], strict=False) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(width, outputs))


def grid(points=POINTS):
    """z = 0, 1/N, … in [0, 1) (N,), and what a network gets: x = 2z − 1 (N, 1)."""
    z = torch.arange(points) / points
    return z, (2 * z - 1)[:, None]


def target(seed, growing=False, k=FREQUENCIES):
    """Amplitudes and random phases, each (K,): A = 1, or growing from 1/K to 1 with k."""
    count = len(k)
    amplitudes = torch.arange(1, count + 1) / count if growing else torch.ones(count)
    return amplitudes, 2 * math.pi * torch.rand(count, generator=torch.Generator().manual_seed(seed))


def cosine(t):
    """The step size's factor, from 1 at t = 0 to 0 at t = 1."""
    return 0.5 * (1 + math.cos(math.pi * t))


@dataclass(frozen=True)
class Learned:
    """``share`` (T, E, K): |c(k)| / A_k at ``steps`` (T,) for E networks; ``signed``: Re(c(k) / c*(k)) with c* the target's,
    which does not count a wave of the wrong phase; ``histories``: the networks themselves."""

    k: np.ndarray
    steps: np.ndarray
    share: np.ndarray
    signed: np.ndarray
    histories: object


@functools.cache
def learn(growing=False, width=64, depth=5, seeds=10, steps=STEPS, k=FREQUENCIES, points=POINTS, rate=RATE, every=10, folder=None):
    """Experiment 1: networks learn λ, each with phases and weights of its own; what they know of each frequency when.

    All ``seeds`` networks train at once on a grid of ``points`` with Adam, and are asked after ``every`` steps; ``folder`` as for
    ``fit_many``.  Kept, so that a second call costs nothing.
    """
    from ..train import fit_many

    z, x = grid(points)
    goals = torch.stack([waves(z, k, *target(seed, growing, k)) for seed in range(seeds)])

    def data(setting):
        return x, goals[setting["seed"]][:, None]

    def measure(now):
        rows = [setting["seed"] for setting in now.settings]
        ratio = coefficients(now.forward(x)[..., 0], k) / coefficients(goals[rows], k)
        return {"share": ratio.abs(), "signed": ratio.real}

    histories = fit_many(lambda setting: relu_network(1, width, depth), data, [{"lr": rate}], range(seeds), steps=steps,
                         batch_size=None, loss=F.mse_loss, schedule=cosine, measure=measure, every=every, folder=folder)
    return Learned(np.array(k), histories.steps.numpy(), *(histories.measured[n].numpy() for n in ("share", "signed")), histories)


def time_to_learn(share, steps, level=0.5):
    """The first of ``steps`` (T,) at which ``share`` (T, …) has reached ``level``; inf: never seen (censored)."""
    share, steps = np.asarray(share, float), np.asarray(steps, float)
    if len(share) != len(steps) or not len(steps):
        raise ValueError(f"{len(share)} measurements at {len(steps)} steps")
    reached = share >= level
    return np.where(reached.any(0), steps[reached.argmax(0)], np.inf)


def rank_correlation(k, times):
    """Spearman's ρ between frequency and time to learn, one for each row of ``times`` (…, K).

    A frequency that was not learned in time is censored: it took longer than all that were, nobody knows by how much, and
    all such share the last rank.  NaN where all times are equal.  ValueError: fewer than three frequencies.
    """
    from scipy.stats import rankdata

    k, times = np.asarray(k, float), np.asarray(times, float)
    if len(k) < 3 or times.shape[-1] != len(k):
        raise ValueError(f"{len(k)} frequencies and times of shape {times.shape}: (…, K) with K ≥ 3 is needed")
    a, b = rankdata(k), rankdata(times, axis=-1)
    a, b = a - a.mean(), b - b.mean(-1, keepdims=True)
    spread = np.sqrt((a**2).sum() * (b**2).sum(-1))
    return np.divide((a * b).sum(-1), spread, out=np.full(times.shape[:-1], np.nan), where=spread > 0)


def interval(values, statistic=np.median, level=0.95, seed=0, draws=2000):
    """(value, low, high) of a statistic over the first axis: percentile bootstrap (Efron 1979).  values (E, …)."""
    values = np.asarray(values, float)
    if len(values) < 2:
        raise ValueError("an interval needs at least two values")
    rows = np.random.default_rng(seed).integers(len(values), size=(draws, len(values)))
    again = statistic(values[rows], axis=1)
    low, high = np.quantile(again, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return statistic(values, axis=0), low, high
