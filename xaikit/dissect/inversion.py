"""The code of a given picture: the generator run backwards by optimisation (Zhu et al. 2016, section 4.1)."""
from dataclasses import dataclass

import torch

from .. import hooks


@dataclass(frozen=True, eq=False)
class Inversion:
    """``z`` (1, latent), its ``picture`` (1, 3, S, S); ``pixel``, the root mean square error over the pixels' values in
    [0, 1]; ``feature``, the distance of the features as a share of the target's norm; ``losses`` (steps + 1,) of the best
    start, and ``start``, the pixel error that it began with."""

    z: torch.Tensor
    picture: torch.Tensor
    pixel: float
    feature: float
    losses: torch.Tensor
    start: float


def invert(generator, picture, features, steps=150, starts=4, draws=256, lr=0.2, weight=0.05, prior=1e-3, seed=0):
    """Find the code whose picture is nearest to ``picture`` (1, 3, S, S) in [0, 1]: :class:`Inversion`.

    Minimises pixel² + weight · feature² + prior · ‖z‖² / latent by Adam, from the ``starts`` nearest of ``draws`` codes
    drawn from ``seed``, all at once; the best of them at the end is returned.  features: a function of pictures
    (N, 3, S, S) → (N, …), differentiable.  ValueError for a picture of another size, or no start.
    """
    size = generator.size
    if picture.shape != (1, 3, size, size):
        raise ValueError(f"this generator draws pictures (1, 3, {size}, {size}), not {tuple(picture.shape)}")
    if not 1 <= starts <= draws:
        raise ValueError(f"{starts} starts of {draws} draws")
    with torch.no_grad():
        wanted = features(picture).flatten(1)

    def errors(x):
        far = (features(x).flatten(1) - wanted).square().sum(1) / wanted.square().sum().clamp_min(1e-12)
        return (x - picture).square().mean((1, 2, 3)), far

    with hooks.unchanged(generator), torch.no_grad():
        drawn = generator.codes(draws, seed)
        first = torch.cat([torch.stack(errors(generator(z))) for z in drawn.split(64)], 1)
        best = (first[0] + weight * first[1]).argsort()[:starts]
    z = drawn[best].clone().requires_grad_()
    adam, losses = torch.optim.Adam([z], lr), []
    with hooks.unchanged(generator), torch.enable_grad():
        for step in range(steps + 1):
            for group in adam.param_groups:
                group["lr"] = lr * min(1.0, 4 * (1 - step / (steps + 1)))
            x = generator(z)
            pixel, far = errors(x)
            loss = pixel + weight * far + prior * z.square().mean(1)
            losses.append(loss.detach())
            if step < steps:
                z.grad, = torch.autograd.grad(loss.sum(), z)
                adam.step()
    k = int(losses[-1].argmin())
    return Inversion(z[k:k + 1].detach(), x[k:k + 1].detach(), pixel[k].item() ** .5, far[k].item() ** .5,
                     torch.stack(losses)[:, k], first[0, best[k]].item() ** .5)
