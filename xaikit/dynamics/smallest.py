"""The minimum-norm interpolant of handwritten digits in four representations, and how SGD comes to it.

Zhang et al. 2017, *Understanding deep learning requires rethinking generalization*, section 5.
"""

import functools
import math

import pandas as pd
import torch

from .interpolation import (
    convolved,
    filters,
    gaussian_kernel,
    median_distance,
    minimum_norm,
    norm,
    one_hot,
    sgd_epochs,
)

FEATURES = ("pixels", "Gaussian kernel", "random convolutions", "Gabor filters")
BANKS = {"random convolutions": ("random", 3), "Gabor filters": ("gabor", 5)}  # kind and side of the filters


@functools.cache
def split(seed, count=192):
    """One random split of the 8 × 8 digits: x (600, 64), y, test_x and test_y of 450 to test; each of ``BANKS`` by its name:
    (features of x, features of test_x).

    Pixels and convolved features are centred with the mean over all that may be trained on.
    """
    from .. import data

    train, test = data.digits(8, seed=seed), data.digits(8, split="test", seed=seed)
    rows = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:600]
    x, test_x = train.images[rows].flatten(1).double(), test.images.flatten(1).double()
    found = {"x": x - x.mean(0), "y": train.labels[rows], "test_x": test_x - x.mean(0), "test_y": test.labels}
    for name, (kind, side) in BANKS.items():
        bank = filters(count, side, kind, seed)
        maps, test_maps = (convolved(v, bank, pool=2) / math.sqrt(count) for v in (x, test_x))
        found[name] = (maps - maps.mean(0)).float(), (test_maps - maps.mean(0)).float()  # kept for all splits
    return found


def kernels(feature, seed, n, share=0.35):
    """(K (n, n), k (450, n), K of the test images, y (n,), y of the test images) of the first n of a split.

    ``share``: the Gaussian's σ as a share of the median distance between digits.
    """
    s = split(seed)
    if not 1 <= n <= len(s["y"]):
        raise ValueError(f"n is 1 … {len(s['y'])}, not {n}")
    if feature == "Gaussian kernel":
        sigma = share * median_distance(s["x"])
        a, b = s["x"][:n], s["test_x"]
        found = [gaussian_kernel(u, v, sigma) for u, v in ((a, a), (b, a), (b, b))]
    elif feature in FEATURES:
        a, b = (s["x"], s["test_x"]) if feature == "pixels" else s[feature]
        a, b = a[:n].double(), b.double()
        found = [a @ a.T, b @ a.T, b @ b.T]
    else:
        raise ValueError(f"features are {', '.join(FEATURES)}, not {feature!r}")
    return (*found, s["y"][:n], s["test_y"])


@functools.cache
def table(sizes=(30, 500), seeds=5):
    """DataFrame: for each size, feature (pixels only up to 60 examples: they have 61 dimensions), seed and solution
    "smallest", "poisoned" or "control": test_error, norm.

    "poisoned", not of pixels, fits a wrong label for every test image as well, and is the smallest to do so;
    "control" fits the right ones instead: as many labels, so that what is left of the longer norm is their wrongness.
    """
    rows = []
    for n in sizes:
        for feature in FEATURES:
            for seed in range(seeds):
                if feature == "pixels" and n > 60:
                    continue
                K, k, kk, y, test_y = kernels(feature, seed, n)
                alpha = minimum_norm(K, one_hot(y))
                found = {"smallest": ((k @ alpha).argmax(1), norm(K, alpha))}
                if feature != "pixels":  # they have too few dimensions for so many labels
                    other = (test_y + torch.randint(1, 10, test_y.shape, generator=torch.Generator().manual_seed(seed))) % 10
                    whole = torch.cat([torch.cat([K, k.T], 1), torch.cat([k, kk], 1)])
                    both = minimum_norm(whole, torch.cat([one_hot(torch.cat([y, t])) for t in (other, test_y)], 1))
                    for name, beta in zip(("poisoned", "control"), both.split(10, 1), strict=True):
                        found[name] = ((whole[n:] @ beta).argmax(1), norm(whole, beta))
                rows += [{"n": n, "features": feature, "seed": seed, "solution": name, "norm": size,
                          "test_error": (said != test_y).double().mean().item()} for name, (said, size) in found.items()]
    return pd.DataFrame(rows)


@functools.cache
def distances(n=30, epochs=1500, seeds=5):
    """feature → (epochs + 1, seeds): ‖w_t − w*‖ / ‖w*‖ of SGD from zero after each epoch; η = 1 / the largest ‖x_i‖²."""
    problems = [kernels(feature, seed, n) for feature in FEATURES for seed in range(seeds)]
    K, y = torch.stack([p[0] for p in problems]), torch.stack([one_hot(p[3]) for p in problems])
    best = torch.stack([minimum_norm(*pair) for pair in zip(K, y, strict=True)])
    eta = 1 / K.diagonal(dim1=1, dim2=2).amax(1)[:, None, None]
    away = torch.stack([-best, *(alpha - best for alpha in sgd_epochs(K, y, epochs, eta))])
    norms = (away * (K @ away)).sum((2, 3)).clamp(min=0).sqrt()
    lines = (norms / norms[0]).split(seeds, 1)
    return dict(zip(FEATURES, lines, strict=True))
