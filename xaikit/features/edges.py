"""Filters learned from photographs: the learning, the photographs made ready for it, and how oriented a filter is."""
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..data import photo
from .sparse import sparse_code

NAMES = ("camera", "astronaut", "coffee", "rocket")


@dataclass(frozen=True)
class Filters:
    """``filters`` (K, C, h, w) of unit norm, the most used first, and ``history``, a DataFrame with a row per iteration:
    [iteration, error: ‖F z − y‖²/‖y‖², nonzero: share of z, revived: filters begun anew]."""

    filters: torch.Tensor
    history: object


def high_pass(images, sigma=2.0):
    """Images (N, C, H, W) minus their blurred copies (Gaussian, ``sigma`` pixels), each divided by its own deviation."""
    radius = math.ceil(3 * sigma)
    taps = torch.exp(-torch.arange(-radius, radius + 1, dtype=images.dtype) ** 2 / (2 * sigma**2))
    taps, c = taps / taps.sum(), images.shape[1]
    blurred = F.pad(images, [radius] * 4, mode="reflect")
    for window in (taps[:, None], taps[None]):
        blurred = F.conv2d(blurred, window.expand(c, 1, *window.shape), groups=c)
    left = images - blurred
    return left / left.flatten(1).std(1).clamp_min(1e-8)[:, None, None, None]


def photographs(names=NAMES, size=256, sigma=2.0):
    """scikit-image's photographs in grey and high-passed, (N, 1, size, size) of deviation 1; see ``data.photo``."""
    return high_pass(torch.cat([photo(name, size) for name in names]).mean(1, keepdim=True), sigma)


def crops(images, n, size, seed=0, busiest=0.4):
    """``n`` cut-outs (n, C, size, size), each of deviation 1, from the ``busiest`` share of places of (N, C, H, W).

    Flat places, where a high-passed photograph holds only noise, are left out.  ValueError if ``size`` does not fit.
    """
    count, c, height, width = images.shape
    if not 1 <= size <= min(height, width):
        raise ValueError(f"crops of {size} pixels do not fit into images of {height} × {width}")
    generator = torch.Generator().manual_seed(seed)
    energy = F.avg_pool2d(images.square().sum(1, keepdim=True), size, stride=1)[:, 0]  # of the crop at every corner
    rows, columns = energy.shape[1:]
    chosen = []
    for i in range(count):
        share = n // count + (i < n % count)
        good = (energy[i] >= energy[i].quantile(1 - busiest)).flatten().nonzero()[:, 0]
        for place in good[torch.randint(len(good), (share,), generator=generator)].tolist():
            top, left = divmod(place, columns)
            chosen.append(images[i, :, top:top + size, left:left + size])
    y = torch.stack(chosen)[torch.randperm(n, generator=generator)]
    return y / y.flatten(1).std(1).clamp_min(1e-8)[:, None, None, None]


def learn_filters(images, count=16, size=7, lam=2.0, iterations=60, batch=32, crop=32, steps=8, seed=0, progress=True):
    """Learn ``count`` filters of ``size`` × ``size`` from high-passed images (N, C, H, W): `Filters`.

    Algorithm 1 of Zeiler et al. 2010 on small batches: fresh crops, their codes (``steps`` of FISTA), one gradient step
    on the filters (their equation 9).  What is not in the paper makes it work in seconds: the step is divided by the
    energy of each filter's map, filters keep the norm 1, λ starts larger than it ends, so that a filter has more to do
    at first, and a filter that hardly fires begins anew as a piece of the worst reconstruction.
    ValueError for settings out of range.
    """
    import pandas as pd
    from tqdm.auto import tqdm

    if min(count, size, iterations, batch, steps) < 1 or not lam > 0:
        raise ValueError("count, size, iterations, batch, steps and lam must be positive")
    if crop < size:
        raise ValueError(f"a crop of {crop} pixels is smaller than a filter of {size}")
    generator = torch.Generator().manual_seed(seed)
    f = _unit(torch.randn(count, images.shape[1], size, size, generator=generator))
    everything, rows = crops(images, 4 * batch, crop, seed), []
    for i in tqdm(range(iterations), desc="filters", delay=2, disable=not progress, leave=False):
        done = i / iterations
        y = everything[torch.randperm(len(everything), generator=generator)[:batch]]
        # a weak penalty first, so that every filter is used, then the full one
        code = sparse_code(y, f, lam / (0.4 + 0.6 * min(1, 2 * done)), iterations=steps + 6 * (done > 0.7), record=False)
        z, residual = code.maps, code.picture - y
        slope = torch.nn.grad.conv2d_weight(z, (f.shape[1], count, size, size), residual).flip(2, 3).transpose(0, 1)
        energy = z.square().sum((0, 2, 3))[:, None, None, None]
        f = f - (0.5 if done < 0.6 else 0.25) * slope / (energy + 0.05 * energy.mean())
        f = _unit(f - 0.5 * f.mean((2, 3), keepdim=True))
        used, revived = z.abs().mean((0, 2, 3)), 0
        if done < 0.6:
            for k in (used < 0.05 * used.mean()).nonzero()[:, 0].tolist():
                worst = int(residual.abs().flatten(1).mean(1).argmax())
                top, left = torch.randint(crop - size + 1, (2,), generator=generator).tolist()
                f[k] = _unit(-residual[worst:worst + 1, :, top:top + size, left:left + size])[0]
                revived += 1
        rows.append((i, float(residual.square().sum() / y.square().sum()), float((z != 0).float().mean()), revived))
    order = used.argsort(descending=True)
    return Filters(f[order].contiguous(), pd.DataFrame(rows, columns=["iteration", "error", "nonzero", "revived"]))


def _unit(f):
    return f / f.flatten(1).norm(dim=1).clamp_min(1e-8)[:, None, None, None]


def orientation(filters, width=45.0):
    """``(share, angle)``, each (K,): the largest share of a filter's spectral energy that lies in one band of
    orientations, ``width`` degrees wide, and the band's middle in degrees, that of the wave's direction (an edge runs at right angles to it).

    The energy |f̂|² on a 64 × 64 grid of frequencies, without the mean and without the corners of the square, where not
    all orientations have room.  Filters of white noise have a share of ``width``/180 or somewhat more: the best band is taken.
    """
    n = 64
    energy = torch.fft.fft2(filters, s=(n, n)).abs().square().sum(1)
    frequency = torch.fft.fftfreq(n).to(energy)
    radius = torch.hypot(frequency[:, None], frequency[None])
    inside = (radius > 0) & (radius <= 0.5)
    angles = torch.rad2deg(torch.atan2(frequency[:, None], frequency[None]))[inside] % 180
    energy = energy[:, inside]
    middles = torch.arange(0, 180, 3.0).to(energy)
    apart = (angles[None] - middles[:, None] + 90) % 180 - 90
    share = energy @ (apart.abs() <= width / 2).to(energy).T / energy.sum(1, keepdim=True)
    best, at = share.max(1)
    return best, middles[at]
