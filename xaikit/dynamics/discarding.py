"""Pixel-wise information discarding: how much noise a pixel bears before a layer's feature notices.

Ma, Zhang et al. 2019, *Quantifying Layerwise Information Discarding of Neural Networks*; Guan et al. 2019,
*Towards a Deep and Unified Understanding of Deep Neural Models in NLP*: among all Gaussian noises
ε ~ N(0, diag σ²) with E‖f(x + ε) − f(x)‖² ≤ r² take the one of the largest entropy, Σ_i ln σ_i + const.
Here r² = τ δ², δ² = E‖f(x′) − mean f‖² over pictures x′: the feature may move a share τ of its variance.
"""
from dataclasses import dataclass

import torch
from torch import Tensor

FOREGROUND = ("wall", "roof", "door", "window", "trunk", "crown")  # what the label of a scene depends on


def linear_noise(norms, radius, cap=float("inf")):
    """The σ (…, n) of the largest entropy for f(x) = Wx: ``norms`` (…, n) of W's columns, Σ σ_i² norm_i² = radius².

    No σ exceeds ``cap``.  Every pixel that stays below it has the same share of the radius,
    σ_i = ν / norm_i (water-filling); a pixel that f does not see has σ = cap.  ValueError for a negative
    radius.
    """
    norms = torch.as_tensor(norms)
    if radius < 0:
        raise ValueError(f"a radius is 0 or more, not {radius!r}")
    squares, n = norms.double() ** 2, norms.shape[-1]
    order = squares.argsort(-1)  # the least seen pixel reaches the cap first
    s = squares.gather(-1, order)
    capped = torch.cat([torch.zeros_like(s[..., :1]), s.cumsum(-1)[..., :-1]], -1) * cap ** 2 if cap < float("inf") else 0 * s
    share = (radius ** 2 - capped).clamp(min=0) / torch.arange(n, 0, -1)  # of each pixel, if those before are at the cap
    full = share >= s * cap ** 2 if cap < float("inf") else torch.zeros_like(s, dtype=torch.bool)
    count = full.long().cumprod(-1).sum(-1, keepdim=True)
    level = share.gather(-1, count.clamp(max=n - 1))
    return torch.where(squares > 0, (level / squares).sqrt(), torch.inf).clamp(max=cap).to(norms.dtype)


@dataclass
class Discarded:
    """``sigma`` (N, H, W): the noise each pixel bears; ``moved`` (N,): E‖f(x + ε) − f(x)‖² / δ², τ or less; ``cap``."""

    sigma: Tensor
    moved: Tensor
    cap: float

    @property
    def kept(self):
        """Bits of each pixel and channel that survive: log2(cap / σ), (N, H, W); 0 where all was discarded."""
        return torch.log2(self.cap / self.sigma)


def spread(feature, images):
    """δ², the mean squared distance of the features of images (N, …) from their mean."""
    with torch.no_grad():
        h = feature(images).flatten(1)
        return (h - h.mean(0)).square().sum(1).mean()


def discard(feature, x, delta2, tau=0.1, cap=1.0, steps=24, samples=2, seed=0):
    """The noise of the largest entropy that moves ``feature`` by the share τ of its variance; `Discarded`.

    ``feature``: images (M, C, H, W) → (M, …); x (N, C, H, W); ``delta2``: `spread` of the feature.  The
    channels of a pixel share their σ ≤ ``cap``.  At the optimum σ_i² · E‖∂f/∂x_i‖² is the same for every
    pixel below the cap, where the slope is taken at noisy pictures: the closed form of a linear layer,
    iterated.  The slopes' norms come from products with random vectors, E_v (vᵀ ∂f/∂x_i)² = ‖∂f/∂x_i‖²;
    then one factor is fitted so that the feature moves by τ (by less, where all pixels are at the cap).
    All images at once; memory grows with N · samples.  ValueError for τ, cap, delta2 ≤ 0.
    """
    for name, value in (("tau", tau), ("cap", cap), ("delta2", float(delta2))):
        if not value > 0:
            raise ValueError(f"{name} is above 0, not {value!r}")
    g = torch.Generator().manual_seed(seed)
    n, c, height, width = x.shape
    clean = feature(x).detach()
    many = x.repeat(samples, 1, 1, 1)
    target = clean.repeat(samples, *[1] * (clean.dim() - 1))
    slopes = torch.zeros(n, height, width)
    factor = torch.full((n, 1, 1), 0.05)  # σ of the first step
    sigma = factor.expand(n, height, width)

    def noise():
        return torch.randn(many.shape, generator=g)

    def move(f):
        return (f - target).flatten(1).square().sum(1).view(samples, n).mean(0) / delta2

    for step in range(steps):
        noisy = (many + sigma.repeat(samples, 1, 1)[:, None] * noise()).requires_grad_(True)
        f = feature(noisy)
        v = torch.randn(f.shape, generator=g)
        (slope,) = torch.autograd.grad((f * v).sum(), noisy)
        found = slope.square().sum(1).view(samples, n, height, width).mean(0)
        slopes += (found - slopes) / (min(step, steps // 2) + 1)  # the first, at too little noise, are forgotten
        unit = _unit(slopes)
        moved = move(f.detach()).view(n, 1, 1).clamp(min=1e-9)
        factor = (factor * (tau / moved).clamp(0.25, 4) ** 0.35).clamp(1e-5, 1e4)
        sigma = (factor * unit).clamp(max=cap)
    low, high = (factor / 4).log(), (factor * 4).log()
    draws = noise()
    with torch.no_grad():
        for _ in range(7):  # with the same draws: the largest factor that stays within
            middle = (low + high) / 2
            sigma = (middle.exp() * unit).clamp(max=cap)
            moved = move(feature(many + sigma.repeat(samples, 1, 1)[:, None] * draws))
            inside = (moved <= tau).view(n, 1, 1)
            low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
        sigma = (low.exp() * unit).clamp(max=cap)
        moved = move(feature(many + sigma.repeat(samples, 1, 1)[:, None] * draws))
    return Discarded(sigma, moved, cap)


def _unit(slopes):
    """1 / ‖slope‖, of geometric mean near 1 in each picture; a pixel without slope gets a very large one."""
    least = slopes.mean((1, 2), keepdim=True) * 1e-8 + 1e-30
    unit = slopes.clamp(min=least).rsqrt()
    return unit / unit.log().mean((1, 2), keepdim=True).exp()


def contrast(kept, mask):
    """Mean bits kept inside the mask minus outside it, (N,); kept (N, H, W), mask (N, H, W) bool.

    NaN where a mask is empty or full.
    """
    inside = (kept * mask).sum((1, 2)) / mask.sum((1, 2))
    return inside - (kept * ~mask).sum((1, 2)) / (~mask).sum((1, 2))
