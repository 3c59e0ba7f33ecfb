"""Which frequencies survive a random change of the weights: Rahaman et al. 2018, experiment 2.

The measure: let f be the trained network with parameters θ, u a random direction of length 1 in the space of all
parameters, and f_δ the network with θ + δu.  With c(k) for the k-th Fourier coefficient, the **transfer**

    T(k, δ) = mean over u of Re( c_δ(k) / c(k) )

is 1 where the wave stays as it was, and 0 where nothing of it is left but noise of any phase: unlike |c_δ(k)| it does not
count new noise, which random weights make mostly at low frequencies, as a part of the wave.
"""
import functools
import math

import numpy as np
import torch

from .spectral import coefficients, grid, learn


def directions(model, count, seed=0):
    """``count`` random directions of length 1 in the space of all parameters: name → (count, …)."""
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"count is a whole number above 0, not {count!r}")
    generator = torch.Generator().manual_seed(seed)
    drawn = {n: torch.randn(count, *p.shape, generator=generator, dtype=p.dtype) for n, p in model.named_parameters()}
    length = sum(d.flatten(1).square().sum(1) for d in drawn.values()).sqrt()
    return {n: d / length.view(-1, *[1] * (d.dim() - 1)) for n, d in drawn.items()}


@torch.no_grad()
def perturbed(model, x, delta, count=64, seed=0):
    """Outputs (count, N, …) of ``model`` at x (N, …) with parameters θ + δu, for ``count`` directions u; θ stays as it is.

    δ < 0 or no number: ValueError.
    """
    if not 0 <= delta < math.inf:
        raise ValueError(f"δ is a length, 0 or above, not {delta!r}")
    moved = {n: model.get_parameter(n) + delta * u for n, u in directions(model, count, seed).items()}
    return torch.func.vmap(lambda p: torch.func.functional_call(model, p, (x,)))(moved)


def _ratios(model, delta, k, count, seed):
    """c_δ(k) / c(k), complex (count, K)."""
    x = grid()[1]
    with torch.no_grad():
        before = coefficients(model(x)[:, 0], k)
    return coefficients(perturbed(model, x, delta, count, seed)[..., 0], k) / before


def transfer(model, delta, k, count=64, seed=0):
    """T(k, δ) for the frequencies k (K,): mean over ``count`` directions (K,), and its standard error (K,)."""
    ratio = _ratios(model, delta, k, count, seed).real
    error = ratio.std(0) / math.sqrt(count) if count > 1 else torch.full(ratio.shape[1:], torch.nan)
    return ratio.mean(0).numpy(), error.numpy()


@functools.cache
def survival(deltas=(0.5, 1.0, 2.0, 3.0, 4.0), count=64, growing=False):
    """T(k, δ) of all of experiment 1's networks: (δ, E, K), each the mean over ``count`` directions."""
    learned = learn(growing)
    models = [learned.histories.model(e) for e in range(learned.share.shape[1])]
    return np.stack([[transfer(m, d, learned.k, count, seed)[0] for seed, m in enumerate(models)] for d in deltas])


@functools.cache
def sizes(delta, count=64, growing=False):
    """The other measure, mean over u of |c_δ(k)| / |c(k)|: (E, K).  It counts new noise as a part of the wave."""
    learned = learn(growing)
    models = [learned.histories.model(e) for e in range(learned.share.shape[1])]
    return np.stack([_ratios(m, delta, learned.k, count, s).abs().mean(0).numpy() for s, m in enumerate(models)])
