"""A picture as a sum of few strokes: convolutional sparse coding (Zeiler, Krishnan, Taylor, Fergus 2010).

    C₁(y) = λ/2 Σ_c ‖Σ_k z_k ⊕ f_{k,c} − y_c‖² + Σ_k |z_k|^p

y (N, C, H, W) pictures, f (K, C, h, w) filters that all pictures share, z (N, K, H+h−1, W+w−1) one map per filter and
picture.  ⊕ is the convolution without padding, written F z below: an entry of z paints its filter into the picture.
"""
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .shrink import shrink

METHODS = ("fista", "ista", "continuation")
BETA = 10.0, 700.0  # β of the continuation at its start and its end, for λ = 1


@dataclass(frozen=True)
class Code:
    """What ``sparse_code`` found: ``maps`` z (N, K, H+h−1, W+w−1), ``picture`` (N, C, H, W) its reconstruction, the
    part ``low`` (N, C, H, W) of it that the smooth map z₀ paints (zeros without one), ``objective`` C₁ (N,), and
    ``history``, a DataFrame[iteration, seconds of CPU time, objective summed over the pictures, nonzero: share of z].
    """

    maps: torch.Tensor
    picture: torch.Tensor
    low: torch.Tensor
    objective: torch.Tensor
    history: object


def reconstruct(z, filters):
    """F z: Σ_k z_k ⊕ f_{k,c}.  z (N, K, H+h−1, W+w−1), filters (K, C, h, w) → (N, C, H, W)."""
    if filters.shape[1] > 3:
        return F.conv2d(z, filters.flip(2, 3).transpose(0, 1))
    size, (h, w) = z.shape[2:], filters.shape[2:]  # to few channels, four times as fast by the convolution theorem
    spectrum = (torch.fft.rfft2(z)[:, :, None] * torch.fft.rfft2(filters, size)).sum(1)
    return torch.fft.irfft2(spectrum, size)[:, :, h - 1:, w - 1:]


def correlate(r, filters):
    """Fᵀ r, the adjoint of ``reconstruct``: every filter laid on every place.  (N, C, H, W) → (N, K, H+h−1, W+w−1)."""
    h, w = filters.shape[2:]
    return F.conv2d(F.pad(r, (w - 1, w - 1, h - 1, h - 1)), filters)


def objective(z, residual, lam, p=1.0):
    """C₁ of each picture (N,): λ/2 ‖residual‖² + Σ |z|^p."""
    sparsity = z.abs() if p == 1 else z.abs().pow(p)
    return lam / 2 * residual.square().flatten(1).sum(1) + sparsity.flatten(1).sum(1)


def lipschitz(filters):
    """A bound L on ‖FᵀF‖: the largest eigenvalue of Σ_k f̂_k f̂_kᴴ (C × C) over all frequencies."""
    spectrum = torch.fft.fft2(filters, s=(64, 64)).permute(2, 3, 1, 0)
    return 1.01 * float(torch.linalg.eigvalsh(spectrum @ spectrum.mH)[..., -1].max())


def sparse_code(y, filters, lam=2.0, p=1.0, method="fista", iterations=100, smooth=None, beta=None, growth=None,
                z=None, record=True, tolerance=1e-4):
    """The code of pictures under given filters: a `Code`.

    y (N, C, H, W), filters (K, C, h, w); ``lam`` λ > 0 weighs the picture against the sparsity, 0 < ``p`` < 2.

    * ``"ista"``          z ← shrink(z − Fᵀ(Fz − y)/L), a gradient step and a shrinkage (Daubechies et al. 2004)
    * ``"fista"``         the same with momentum (Beck, Teboulle 2009); p ≥ 1 only
    * ``"continuation"``  the paper's scheme (“inferring feature maps”): a copy x of z takes the sparsity, β/2 ‖z − x‖² ties the
      two.  For growing β = β₀, β₀·growth, …: shrink z to x (equation 8; p ≠ 1 by table), then solve for z exactly
      (equation 6; by conjugate gradients, up to ``tolerance``).  By default ``beta`` = β₀ = 10 λ, and ``growth`` is such
      that the last β is 700 λ.  What comes back
      is x, which has exact zeros.  The slower β grows, the nearer it comes: the distance does not close by itself.

    ``smooth`` μ > 0 adds one map z₀ per channel with a uniform filter and the prior μ/2 ‖∇z₀‖² instead of sparsity
    (“image representation”): it takes the low frequencies of a raw photograph.  ``z`` starts from given maps.  ``record=False``
    leaves the history empty.  ValueError for shapes that do not fit, λ, p, μ out of range, an unknown method.
    """
    _check(y, filters, lam, p, method, iterations, smooth, beta, growth)
    shape = (len(y), len(filters), y.shape[2] + filters.shape[2] - 1, y.shape[3] + filters.shape[3] - 1)
    z = y.new_zeros(shape) if z is None else z.detach().clone()
    if z.shape != shape:
        raise ValueError(f"z has shape {tuple(z.shape)}; the maps of these pictures and filters have {shape}")
    low, z0, track = torch.zeros_like(y), None, _Track(lam, p, record)
    solve = {"ista": _ista, "fista": _fista, "continuation": _continuation}[method]
    rounds = 1 if smooth is None else 6  # z and z₀ take turns: C₁ is convex in both together where p ≥ 1
    with torch.no_grad():
        for turn in range(rounds):
            if smooth is not None:
                low, z0 = smooth_part(y - reconstruct(z, filters), smooth / lam, filters.shape[2], z0)
                track.extra = smooth / 2 * _roughness(z0)
            steps = iterations // rounds + (turn < iterations % rounds)
            z = solve(y - low, filters, lam, p, steps, z, track, beta, growth, tolerance)
        picture = reconstruct(z, filters) + low
        return Code(z, picture, low, objective(z, picture - y, lam, p) + track.extra, track.frame())


def _ista(y, filters, lam, p, iterations, z, track, *_):
    bound = lam * lipschitz(filters)
    for _ in range(iterations):
        residual = reconstruct(z, filters) - y
        track(z, residual)
        z = shrink(z - lam / bound * correlate(residual, filters), bound, p)
    track(z, reconstruct(z, filters) - y)
    return z


def _fista(y, filters, lam, p, iterations, z, track, *_):
    bound, t = lam * lipschitz(filters), 1.0
    residual = reconstruct(z, filters) - y
    v, residual_v = z, residual
    for _ in range(iterations):
        track(z, residual)
        last, last_residual = z, residual
        z = shrink(v - lam / bound * correlate(residual_v, filters), bound, p)
        residual = reconstruct(z, filters) - y
        t, old = (1 + (1 + 4 * t * t) ** 0.5) / 2, t
        v = z + (old - 1) / t * (z - last)
        residual_v = residual + (old - 1) / t * (residual - last_residual)  # F is linear: no second convolution
    track(z, residual)
    return z


def _continuation(y, filters, lam, p, iterations, z, track, beta, growth, tolerance):
    beta, growth = beta or BETA[0] * lam, growth or (BETA[1] / BETA[0]) ** (1 / max(iterations - 1, 1))
    dual, x, apply, invert = torch.zeros_like(y), z, *_gram(filters, y.shape[2:])
    for i in range(iterations):
        if i or not z.any():  # from nothing, start with the z sub-problem: x = 0
            x = shrink(z, beta, p)
        painted = reconstruct(x, filters)
        track(x, painted - y)
        # z = x + Fᵀ(FFᵀ + β/λ)⁻¹(y − Fx): the paper's system has K unknowns a pixel, this one C (Woodbury)
        dual = conjugate_gradients(lambda r, b=beta / lam: apply(r) + b * r, y - painted, dual, invert(beta / lam),
                                   tolerance=tolerance)
        z = x + correlate(dual, filters)
        beta *= growth
    x = shrink(z, beta / growth, p)
    track(x, reconstruct(x, filters) - y)
    return x


def _gram(filters, size):
    """FFᵀ as a function of pictures of that size (H, W), and for b > 0 what (FFᵀ + b)⁻¹ would be if they were tori."""
    def spectrum(size):  # Σ_k f̂_k f̂_kᴴ, a C × C matrix at every frequency
        f = torch.fft.rfft2(filters, size).permute(2, 3, 1, 0)
        return f @ f.mH

    def multiply(matrices, r, size):
        seen = torch.fft.rfft2(r, size)
        if seen.shape[1] == 1:  # a matrix of one number
            return torch.fft.irfft2(matrices[..., 0, 0] * seen, size)
        return torch.fft.irfft2((matrices @ seen.permute(2, 3, 1, 0)).permute(3, 2, 0, 1), size)

    padded = [n + k - 1 for n, k in zip(size, filters.shape[2:], strict=True)]  # wide enough that nothing comes round
    on_torus, on_plane, one = spectrum(size), spectrum(padded), torch.eye(filters.shape[1]).to(filters)

    def invert(b):
        inverse = torch.linalg.inv(on_torus + b * one)
        return lambda r: multiply(inverse, r, size)

    return lambda r: multiply(on_plane, r, padded)[:, :, :size[0], :size[1]], invert


def conjugate_gradients(apply, b, x, invert=None, steps=30, tolerance=1e-4):
    """Solve apply(x) = b from ``x``, for each item of the batch (first axis); ``apply`` is linear, symmetric, positive,
    and ``invert`` (by default nothing) a rough inverse of it, the preconditioner."""
    def dot(a, c):
        return (a * c).flatten(1).sum(1).reshape(-1, *[1] * (a.ndim - 1))

    invert = invert or (lambda r: r)
    r = b - apply(x)
    d = s = invert(r)
    rs, small = dot(r, s), tolerance**2 * dot(b, b)
    for _ in range(steps):
        if bool((dot(r, r) <= small).all()):
            break
        along = apply(d)
        step = rs / dot(d, along).clamp_min(1e-30)
        x, r = x + step * d, r - step * along
        s = invert(r)
        rs, old = dot(r, s), rs
        d = s + rs / old.clamp_min(1e-30) * d
    return x


def smooth_part(r, weight, size, z0=None):
    """What a smooth map explains of r (N, C, H, W): f₀ ⊕ z₀ and z₀, at the least ‖f₀ ⊕ z₀ − r‖² + weight ‖∇z₀‖².

    f₀ is the uniform ``size`` × ``size`` filter of sum 1, z₀ has the maps' size; both of (N, C, …).
    """
    n, c, height, width = r.shape
    flat, box = r.reshape(n * c, 1, height, width), r.new_full((1, 1, size, size), 1 / size**2)
    start = F.pad(flat, [size // 2, size - 1 - size // 2] * 2, mode="replicate") if z0 is None else z0.flatten(0, 1)[:, None]
    z0 = conjugate_gradients(lambda z: correlate(reconstruct(z, box), box) + weight * _laplacian(z),
                             correlate(flat, box), start, steps=60)
    return reconstruct(z0, box).reshape(r.shape), z0.reshape(n, c, *z0.shape[2:])


def _laplacian(z):
    """∇ᵀ∇ z with free borders, ∇ the differences of neighbours."""
    dy, dx = z.diff(dim=2), z.diff(dim=3)
    return F.pad(dy, (0, 0, 1, 0)) - F.pad(dy, (0, 0, 0, 1)) + F.pad(dx, (1, 0)) - F.pad(dx, (0, 1))


def _roughness(z0):
    return z0.diff(dim=2).square().flatten(1).sum(1) + z0.diff(dim=3).square().flatten(1).sum(1)


class _Track:
    """The history of one run; its own work is not timed."""

    def __init__(self, lam, p, record):
        self.lam, self.p, self.record, self.extra = lam, p, record, 0.0
        self.rows, self.spent, self.since = [], 0.0, time.process_time()

    def __call__(self, z, residual):
        if self.record:
            self.spent += time.process_time() - self.since
            value = float((objective(z, residual, self.lam, self.p) + self.extra).sum())
            self.rows.append((len(self.rows), self.spent, value, float((z != 0).float().mean())))
            self.since = time.process_time()

    def frame(self):
        import pandas as pd

        return pd.DataFrame(self.rows, columns=["iteration", "seconds", "objective", "nonzero"])


def _check(y, filters, lam, p, method, iterations, smooth, beta, growth):
    for name, value, axes in (("y", y, "(N, C, H, W)"), ("filters", filters, "(K, C, h, w)")):
        if not torch.is_tensor(value) or not value.is_floating_point():
            raise TypeError(f"{name} must be a floating-point tensor {axes}, not {getattr(value, 'dtype', type(value).__name__)}")
        if value.ndim != 4 or 0 in value.shape:
            raise ValueError(f"{name} must have the shape {axes}, not {tuple(value.shape)}")
        if not value.isfinite().all():
            raise ValueError(f"{name} holds NaN or infinite values")
    if y.shape[1] != filters.shape[1]:
        raise ValueError(f"y has {y.shape[1]} channels, the filters paint {filters.shape[1]}")
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    if method == "fista" and p < 1:
        raise ValueError(f"p = {p} is not convex, and momentum may then climb: use method='ista' or 'continuation'")
    for name, value in (("lam", lam), ("smooth", smooth), ("beta", beta)):
        if value is not None and not 0 < value < float("inf"):
            raise ValueError(f"{name} must be positive, not {value}")
    if growth is not None and not growth > 1:
        raise ValueError(f"growth must be above 1, so that z and x come together, not {growth}")
    if iterations < 1:
        raise ValueError(f"iterations must be at least 1, not {iterations}")
