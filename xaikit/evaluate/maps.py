"""The maps that are judged: of every attribution method, and of two controls that know nothing of the
network.

An evaluation is worth what its controls say: ``random_map`` is what nobody should lose to, and ``sobel``, the
edges of the picture itself, is a picture-shaped map that never asked the network anything.
"""

import functools

import numpy as np
import torch
import torch.nn.functional as F

from ..attribution import METHODS, UnsupportedLayer
from ..attribution.call import explaining


def random_map(model, x, target=None, seed=0):
    """Control: independent uniform numbers in [0, 1) for every image and pixel, whatever the network.  (N, C,
    H, W) → same."""
    return torch.rand(x.shape, generator=torch.Generator().manual_seed(seed)).to(x)


def sobel(model, x, target=None):
    """Control: the Sobel edge map √(gₕ² + gᵥ²) of the picture's mean over channels, whatever the network.

    (N, C, H, W) → the same shape, ≥ 0, a C-th in every channel; the border is repeated, so that it is no
    edge. Source: Sobel, Feldman 1968, as in Gonzalez, Woods, *Digital Image Processing*, section 10.2.
    """
    grey = F.pad(x.mean(1, keepdim=True), [1] * 4, mode="replicate")
    kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).to(x) / 4
    edges = F.conv2d(grey, torch.stack([kernel, kernel.T])[:, None]).square().sum(1, keepdim=True).sqrt()
    return (edges / x.shape[1]).expand_as(x).contiguous()


CONTROLS = {"random": ("Random map", random_map), "sobel": ("Sobel edges", sobel)}


def chosen(methods=None, options=None, seed=0):
    """[(name, label, function(model, x, target))] of what to judge.

    ``methods``: None (all of ``attribution.METHODS``, then ``CONTROLS``), a name or names of these, or a
    mapping name → ``method(model, x, target)``, None standing for the one that bears the name.  ``options``:
    {name: {option: value}} for methods that should not run with their defaults.  ``seed``: of the random map.
    ValueError for a name that nobody has, here or in ``options``.
    """
    known = {n: (m.label, m.function) for n, m in METHODS.items()} | CONTROLS
    known["random"] = CONTROLS["random"][0], functools.partial(random_map, seed=seed)
    if hasattr(methods, "items"):
        wanted = dict(methods)
    else:
        wanted = dict.fromkeys(
            known if methods is None else [methods] if isinstance(methods, str) else methods
        )
    unknown = [n for n, f in wanted.items() if f is None and n not in known]
    if unknown:
        raise ValueError(f"no method is called {unknown[0]!r}; there are: {', '.join(known)}")
    picked = {n: known[n] if f is None else (n, f) for n, f in wanted.items()}
    options = options or {}
    stray = [n for n in options if n not in picked and n not in known]
    if stray or not picked:
        raise ValueError(f"options for {stray[0]!r}, which is no "
                         f"method" if stray else "no method is left to judge")
    return [(n, label, functools.partial(_call, f, options.get(n, {}))) for n, (label, f) in picked.items()]


def _call(function, options, model, x, target):
    return function(model, x, target, **options)


def maps_of(function, model, images, target):
    """The (N, H, W) map of images (N, C, H, W), summed over channels; or the reason (str) why the network has
    none."""
    try:
        return function(model, images, target).detach().sum(1).float()
    except UnsupportedLayer as error:
        return str(error)


def check_images(model, images, labels):
    """The classes (N,) that are explained: ``labels``, an int or (N,), or None for the predicted ones.

    TypeError or ValueError for what cannot be explained; images must be (N, C, H, W).
    """
    with explaining(model, images, labels) as score:
        if images.dim() != 4:
            raise ValueError(f"these evaluations need images (N, C, H, W), not x of shape "
                             f"{tuple(images.shape)}")
        classes = score.predicted().target
        logits(score, images[:1])  # a class that the network does not have is said here, not after minutes
        return classes


def logits(score, points):
    """All outputs (M, K) of M points, without a graph, a bounded number at a time."""
    with torch.no_grad():
        found = torch.cat([score.logits(points[rows]) for rows in score.chunks(len(points))])
    score.classes(found[:1], slice(0, 1))
    return found


def bootstrap(values, seed=0, draws=2000, level=0.95):
    """Means of ``values`` (…, N) over the N images with a percentile bootstrap interval: (mean, low, high),
    each (…).

    Images are drawn anew with replacement, the same ones for every row, so that rows may be compared
    pairwise. Source: Efron, Tibshirani 1993, *An Introduction to the Bootstrap*, section 13.3.
    """
    values = np.asarray(values, float)
    means = resampled(values, seed, draws)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=-1)
    return values.mean(-1), low, high


def resampled(values, seed=0, draws=2000):
    """The means of ``draws`` resamples of the last axis: (…, N) → (…, draws)."""
    return values @ _weights(values.shape[-1], seed, draws).T


@functools.lru_cache(maxsize=8)  # tables ask again and again for the same few
def _weights(n, seed, draws):
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws) / n


def rank_correlation(a, b):
    """Spearman's ρ of each row of a and b, (N, …) each, with tied values sharing their mean rank: (N,).

    0 where one of the two is the same everywhere: it ranks nothing.
    """
    from scipy.stats import rankdata

    ranks = [rankdata(np.asarray(v, np.float64).reshape(len(v), -1), axis=1) for v in (a, b)]
    a, b = (r - r.mean(1, keepdims=True) for r in ranks)
    size = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return np.divide((a * b).sum(1), size, out=np.zeros(len(a)), where=size > 0)
