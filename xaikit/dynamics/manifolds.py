"""The same target on a circle and on flowers: Rahaman et al. 2018, section 4, experiments 4 and 5."""
import functools
import math
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F

from .spectral import coefficients, cosine, relu_network, target, waves

PETALS, POINTS, SEEDS = (0, 4, 10, 16), 128, 5


def flower(z, petals):
    """γ_L(z) = (1 + ½ sin 2πLz) · (cos 2πz, sin 2πz): a circle with L petals; L = 0 is the circle.  z (N,) → (N, 2).

    ValueError: L is no whole number, 0 or above (the curve would not close).
    """
    if isinstance(petals, bool) or petals != int(petals) or petals < 0:
        raise ValueError(f"L is a whole number of petals, 0 or above, not {petals!r}")
    z = torch.as_tensor(z, dtype=torch.float32)
    radius, angle = 1 + 0.5 * torch.sin(2 * math.pi * petals * z), 2 * math.pi * z
    return torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], -1)


def _grid():
    return torch.arange(POINTS) / POINTS


@functools.cache
def regression(petals=PETALS, seeds=SEEDS, steps=300, k=tuple(range(2, 21, 2)), width=64, depth=4):
    """Experiment 4: networks f: ℝ² → ℝ learn λ on γ_L.  ``steps`` (T,), ``share`` (T, L, seed, K), ``loss`` (L, seed)."""
    from ..train import fit_many

    z, curves = _grid(), {L: flower(_grid(), L) for L in petals}
    goals = {seed: waves(z, k, *target(seed, k=k)) for seed in range(seeds)}

    def measure(now):
        out = now.forward(torch.stack([curves[s["L"]] for s in now.settings]), shared=False)[..., 0]
        wanted = torch.stack([goals[s["seed"]] for s in now.settings])
        return {"share": coefficients(out, k).abs(), "error": (out - wanted).square().mean(1) / wanted.square().mean(1)}

    found = fit_many(lambda s: relu_network(2, width, depth), lambda s: (curves[s["L"]], goals[s["seed"]][:, None]),
                     [{"L": L, "lr": 3e-3} for L in petals], range(seeds), steps=steps, batch_size=None, loss=F.mse_loss,
                     schedule=cosine, measure=measure, every=20)
    shape = (len(found.steps), len(petals), seeds)
    return SimpleNamespace(k=np.array(k), petals=petals, steps=found.steps.numpy(),
                           share=found.measured["share"].reshape(*shape, len(k)).numpy(),
                           loss=found.measured["error"].reshape(shape).numpy()[-1])


@functools.cache
def in_phase(petals=16, seeds=4, steps=300, k=tuple(range(2, 21, 2)), width=64, depth=4):
    """Experiment 4 on one flower, with the phase of the wave k = L set and the others random: does it beat with the petals?

    name of the wave with L periods → |c(L)| / A of the trained networks (seed,).  sin 2πLz is in phase with the radius of
    γ_L, cos 2πLz a quarter period off.  ValueError: L is not among the frequencies k.
    """
    from ..train import fit_many

    if petals not in k:
        raise ValueError(f"L = {petals} is to be one of the frequencies {k}")
    z, quarter = _grid(), {"sin": 0.0, "cos": 0.5 * math.pi}
    curve, goals = flower(z, petals), {}
    for wave, phase in quarter.items():
        for seed in range(seeds):
            heights, phases = target(seed, k=k)
            phases[k.index(petals)] = phase
            goals[wave, seed] = waves(z, k, heights, phases)
    found = fit_many(lambda s: relu_network(2, width, depth), lambda s: (curve, goals[s["wave"], s["seed"]][:, None]),
                     [{"wave": w, "lr": 3e-3} for w in quarter], range(seeds), steps=steps, batch_size=None, loss=F.mse_loss,
                     schedule=cosine, every=steps, progress=False,
                     measure=lambda now: {"share": coefficients(now.forward(curve)[..., 0], (petals,)).abs()[..., 0]})
    return dict(zip(quarter, found.measured["share"][-1].reshape(len(quarter), seeds).numpy(), strict=True))


LOSSES = {"MSE": lambda out, sign: F.mse_loss(out[:, 0], sign),
          "BCE": lambda out, sign: F.binary_cross_entropy_with_logits(out[:, 0], (sign + 1) / 2)}


@functools.cache
def classification(petals=PETALS, frequencies=(8, 16, 24), seeds=SEEDS, steps=120, width=32, depth=4):
    """Experiment 5: the label is the sign of sin(2πkz + φ), learned on γ_L with either loss.

    name of the loss → the share of points with the right sign after ``steps`` steps, (L, k, seed).
    """
    from ..train import fit_many

    z, curves = _grid(), {L: flower(_grid(), L) for L in petals}
    signs = {}
    for k in frequencies:
        for seed in range(seeds):
            phase = 2 * math.pi * torch.rand(1, generator=torch.Generator().manual_seed(seed))
            signs[k, seed] = torch.where(torch.sin(2 * math.pi * k * z + phase) > 0, 1.0, -1.0)
    settings = [{"L": L, "k": k, "lr": 3e-3} for L in petals for k in frequencies]
    found = {}
    for name, loss in LOSSES.items():
        h = fit_many(lambda s: relu_network(2, width, depth), lambda s: (curves[s["L"]], signs[s["k"], s["seed"]]),
                     settings, range(seeds), steps=steps, batch_size=None, loss=loss, schedule=cosine,
                     measure=lambda now: {"right": _right(now, curves, signs)}, every=steps)
        found[name] = h.measured["right"][-1].reshape(len(petals), len(frequencies), seeds).numpy()
    return found


def _right(now, curves, signs):
    out = now.forward(torch.stack([curves[s["L"]] for s in now.settings]), shared=False)[..., 0]
    wanted = torch.stack([signs[s["k"], s["seed"]] for s in now.settings])
    return ((out > 0) == (wanted > 0)).float().mean(1)
