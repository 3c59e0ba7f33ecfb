"""Lecture 02's sparse codes of photographs, computed once for the notebook, its demos and its claims; and denoising."""
import functools
from typing import NamedTuple

import numpy as np
import torch

from ..data import photo
from .adaptive import Layer, infer, learn_layer, pieces
from .edges import NAMES, crops, learn_filters, photographs
from .sparse import sparse_code

STEPS = 10, 30, 100, 1000  # budgets of the continuation in `minimisers`


@functools.cache
def photo_filters():
    """`Filters`: sixteen of 9 × 9 learned from the four photographs of ``photographs()``; a few seconds, once."""
    return learn_filters(photographs(), count=16, size=9, lam=1.0, iterations=40, batch=16)


@functools.cache
def minimisers():
    """Three ways to the least C₁ (λ = 1, p = 1) of one cut-out: ``(y (1, 1, 32, 32), DataFrame)``.

    Columns: method; steps; seconds of CPU time and the objective after them; nonzero, the share of z.  FISTA and ISTA do
    not know how many steps there will be, so that one run says what every number of steps gives.  The continuation
    divides β's way by its steps: each of ``STEPS`` is a run of its own, of which the end is kept.
    """
    import pandas as pd

    y, f = crops(photographs(), 1, 32, seed=5), photo_filters().filters

    def history(name, method, steps):
        return sparse_code(y, f, lam=1.0, method=method, iterations=steps).history.assign(method=name)

    runs = [history("FISTA", "fista", 300), history("ISTA", "ista", STEPS[-1]),
            *(history("continuation", "continuation", n).tail(1) for n in STEPS)]
    table = pd.concat(runs, ignore_index=True).rename(columns={"iteration": "steps"})
    return y, table[["method", "steps", "seconds", "objective", "nonzero"]]


class Adaptive(NamedTuple):
    """Two layers as they were learned: the pictures y (N, 1, 48, 48), and filters and `Layer` of each."""

    y: torch.Tensor
    filters: list
    layers: list[Layer]


@functools.cache
def photo_layers():
    """`Adaptive`: two adaptive layers on sixteen cut-outs of the photographs, the first begun from ``photo_filters``."""
    y = crops(photographs(), 16, 48)
    f1, first = learn_layer(y, count=16, kernel=9, lam=1.0, epochs=4, start=photo_filters().filters)
    start = pieces(first.pooled, 16, 7)
    f2, second = learn_layer(y, [f1], [first.switches], count=16, kernel=7, lam=1.0, epochs=8, start=start)
    return Adaptive(y, [f1, f2], [first, second])


@functools.cache
def first_layer(start, steps=40):
    """`Layer`: layer 1's inference when its maps begin as ``start`` times standard noise."""
    deep = photo_layers()
    z = start * torch.randn(deep.layers[0].maps.shape, generator=torch.Generator().manual_seed(0))
    return infer(deep.y, deep.filters[:1], lam=1.0, steps=steps, z=z)


def noisy_photographs(names=NAMES, size=45, sigma=0.1, seed=0):
    """``(clean, noisy)`` (N, 1, size, size): the photographs' middles at half scale in grey, and with Gaussian noise of
    deviation ``sigma`` (pictures lie in [0, 1]) added."""
    whole = torch.cat([photo(name, 256) for name in names]).mean(1, keepdim=True)
    edge = (256 - size) // 2
    clean = whole[:, :, edge:edge + size, edge:edge + size].contiguous()
    return clean, clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))


def psnr(x, clean):
    """Peak signal-to-noise ratio in decibels, averaged over pictures in [0, 1]: −10 log₁₀ of the mean squared error."""
    return float((-10 * (x - clean).square().flatten(1).mean(1).log10()).mean())


def denoise_by_code(clean, noisy, filters, lams=(1.5, 3, 5, 8, 12), smooth=0.3, iterations=60):
    """Rows [method, setting, nonzeros per pixel, PSNR, picture] of the convolutional code with a smooth map, for each λ.

    The smooth map's prior is ``smooth`` × λ, so that it takes the same low frequencies at every λ.
    """
    rows = []
    for lam in lams:
        code = sparse_code(noisy, filters, lam, iterations=iterations, smooth=smooth * lam, record=False)
        rows.append(("convolutional code", f"λ = {lam:g}", float((code.maps != 0).sum() / clean.numel()), psnr(code.picture, clean), code.picture))
    return rows


def denoise_by_patches(clean, noisy, training, atoms=16, size=9, counts=(1, 2, 5, 8, 12, 16), seed=0):
    """The same rows for scikit-learn's patch dictionary (Mairal et al. 2009): ``atoms`` of ``size`` × ``size`` learned from
    ``training`` (N, 1, H, W); every patch of the noisy picture minus its mean is painted by k atoms, chosen by orthogonal
    matching pursuit.  "overlapping patches" averages all patches, one at every pixel; "tiled patches" lays them side by side.
    """
    from numpy.lib.stride_tricks import sliding_window_view
    from sklearn.decomposition import MiniBatchDictionaryLearning

    def windows(images):
        return sliding_window_view(images[:, 0].numpy().astype(np.float64), (size, size), axis=(1, 2))

    rng = np.random.default_rng(seed)
    seen = windows(training)
    drawn = rng.permutation(np.prod(seen.shape[:3]))[:2000]
    seen = seen[np.unravel_index(drawn, seen.shape[:3])].reshape(-1, size * size)
    seen = seen - seen.mean(1, keepdims=True)
    learner = MiniBatchDictionaryLearning(atoms, alpha=1.0, batch_size=200, max_iter=4, fit_algorithm="cd",
                                          random_state=seed).fit(seen / seen.std())
    p = windows(noisy)
    p = p.reshape(*p.shape[:3], -1)
    mean = p.mean(3, keepdims=True)
    flat, rows = (p - mean).reshape(-1, size * size), []
    codes = matching_pursuit(flat, learner.components_, max(counts))
    for k in counts:
        code = codes[k - 1]
        painted = ((code @ learner.components_).reshape(p.shape) + mean).reshape(*p.shape[:3], size, size)
        used = (code != 0).sum(1).reshape(p.shape[:3])
        for name, step in (("overlapping patches", 1), ("tiled patches", size)):
            total, weight = np.zeros((2, *noisy[:, 0].shape))
            for i in range(size):  # all patches at once, one of their pixels after the other
                for j in range(size):
                    part = painted[:, ::step, ::step, i, j]
                    places = (slice(None), slice(i, i + step * part.shape[1], step), slice(j, j + step * part.shape[2], step))
                    total[places] += part
                    weight[places] += 1
            picture = torch.from_numpy(total / weight)[:, None].float()
            rows.append((name, f"k = {k}", float(used[:, ::step, ::step].sum() / clean.numel()), psnr(picture, clean), picture))
    return rows


def matching_pursuit(x, atoms, count):
    """Orthogonal matching pursuit of all rows of x (N, D) at once: the codes (count, N, K) with 1, 2, … ``count`` of the
    ``atoms`` (K, D).  Each step adds the atom that the residual looks most like, then solves for all chosen so far.

    As `sklearn.linear_model.orthogonal_mp_gram`, which goes row by row; ValueError if ``count`` is not in 1 … K.
    """
    if not 1 <= count <= len(atoms):
        raise ValueError(f"count must be in 1 … {len(atoms)}, the number of atoms, not {count}")
    gram, seen = atoms @ atoms.T, x @ atoms.T
    rows, codes = np.arange(len(x))[:, None], np.zeros((count, len(x), len(atoms)))
    chosen, left = np.zeros((len(x), 0), int), seen
    for k in range(count):
        best = np.abs(left)
        best[rows, chosen] = -1.0  # none twice
        chosen = np.concatenate([chosen, best.argmax(1)[:, None]], 1)
        inner = gram[chosen[:, :, None], chosen[:, None]]
        codes[k][rows, chosen] = np.linalg.solve(inner, seen[rows, chosen][..., None])[..., 0]
        left = seen - codes[k] @ gram
    return codes


@functools.cache
def denoising():
    """DataFrame[method, setting, nonzeros: per pixel, psnr, picture (N, 1, H, W)] of both, with the same number and size of
    filters."""
    import pandas as pd

    clean, noisy = noisy_photographs()
    training = torch.cat([photo(name, 256) for name in NAMES]).mean(1, keepdim=True)
    rows = [("nothing done", "", 1.0, psnr(noisy, clean), noisy), *denoise_by_code(clean, noisy, photo_filters().filters),
            *denoise_by_patches(clean, noisy, training)]
    return pd.DataFrame(rows, columns=["method", "setting", "nonzeros", "psnr", "picture"])
