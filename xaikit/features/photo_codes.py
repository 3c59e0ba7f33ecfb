"""Lecture 02's sparse codes of photographs, computed once for the notebook, its demos and its claims; and denoising."""
import functools
from typing import NamedTuple

import numpy as np
import torch

from ..data import photo
from .adaptive import Layer, learn_layer, pieces
from .edges import NAMES, crops, learn_filters, photographs
from .sparse import sparse_code


@functools.cache
def photo_filters(seed=0):
    """`Filters`: sixteen of 9 × 9 learned from the four photographs of ``photographs()``; a few seconds, once."""
    return learn_filters(photographs(), count=16, size=9, lam=1.0, iterations=40, batch=16, seed=seed)


class Adaptive(NamedTuple):
    """Two layers as they were learned: the pictures y (N, 1, 48, 48), and filters and `Layer` of each."""

    y: torch.Tensor
    filters: list
    layers: list[Layer]


@functools.cache
def photo_layers(seed=0):
    """`Adaptive`: two adaptive layers on sixteen cut-outs of the photographs, the first begun from ``photo_filters``."""
    y = crops(photographs(), 16, 48, seed)
    f1, first = learn_layer(y, count=16, kernel=9, lam=1.0, epochs=4, start=photo_filters(seed).filters, seed=seed)
    start = pieces(first.pooled, 16, 7, seed)
    f2, second = learn_layer(y, [f1], [first.switches], count=16, kernel=7, lam=1.0, epochs=8, start=start, seed=seed)
    return Adaptive(y, [f1, f2], [first, second])


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
    """Rows [method, setting, nonzeros per pixel, PSNR] of the convolutional code with a smooth map, for each λ.

    The smooth map's prior is ``smooth`` × λ, so that it takes the same low frequencies at every λ.
    """
    rows = []
    for lam in lams:
        code = sparse_code(noisy, filters, lam, iterations=iterations, smooth=smooth * lam, record=False)
        rows.append(("convolutional code", lam, float((code.maps != 0).sum() / clean.numel()), psnr(code.picture, clean)))
    return rows


def denoise_by_patches(clean, noisy, training, atoms=16, size=9, counts=(1, 2, 5, 8), seed=0):
    """The same rows for scikit-learn's patch dictionary (Mairal et al. 2009): ``atoms`` of ``size`` × ``size`` learned from
    ``training`` (N, 1, H, W); every patch of the noisy picture minus its mean is painted by k atoms, chosen by orthogonal
    matching pursuit.  "overlapping patches" averages all patches, one at every pixel; "tiled patches" lays them side by side.
    """
    from numpy.lib.stride_tricks import sliding_window_view
    from sklearn.decomposition import MiniBatchDictionaryLearning, sparse_encode

    def patches(images):
        windows = sliding_window_view(images[:, 0].numpy().astype(np.float64), (size, size), axis=(1, 2))
        return windows.reshape(*windows.shape[:3], -1)

    rng = np.random.default_rng(seed)
    seen = patches(training).reshape(-1, size * size)
    seen = seen[rng.permutation(len(seen))[:2000]]
    seen = seen - seen.mean(1, keepdims=True)
    learner = MiniBatchDictionaryLearning(atoms, alpha=1.0, batch_size=200, max_iter=4, fit_algorithm="cd",
                                          random_state=seed).fit(seen / seen.std())
    p = patches(noisy)
    mean = p.mean(3, keepdims=True)
    flat, rows = (p - mean).reshape(-1, size * size), []
    for k in counts:
        code = sparse_encode(flat, learner.components_, algorithm="omp", n_nonzero_coefs=k)
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
            rows.append((name, k, float(used[:, ::step, ::step].sum() / clean.numel()), psnr(picture, clean)))
    return rows


@functools.cache
def denoising(seed=0):
    """DataFrame[method, setting, nonzeros: per pixel, psnr] of both, with the same number and size of filters."""
    import pandas as pd

    clean, noisy = noisy_photographs(seed=seed)
    training = torch.cat([photo(name, 256) for name in NAMES]).mean(1, keepdim=True)
    rows = [("nothing done", 0, 1.0, psnr(noisy, clean)), *denoise_by_code(clean, noisy, photo_filters(seed).filters),
            *denoise_by_patches(clean, noisy, training, seed=seed)]
    return pd.DataFrame(rows, columns=["method", "setting", "nonzeros", "psnr"])
