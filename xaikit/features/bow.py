"""Bag of words, forward: local descriptors, a vocabulary of visual words, pooled statistics, a kernel machine.

Bach et al. 2015, "Pixel-wise decomposition for classifiers over bag of words features".  Stage by stage, with L
descriptors l of D numbers in an image, V dimensions of the bag of words x, S support vectors x_i:

    descriptors   l_1 … l_L    a histogram of edge directions in each window of the image      (L, D)
    mapping       m(l)         which words a descriptor speaks                                 (L, V)
    pooling       x_d = ((1/L) Σ_l m_d(l)^p)^(1/p)                                             (V,)
    classifier    f(x) = b + Σ_i α_i y_i k(x_i, x)                                             a number

What goes back the same way is in `bow_relevance`.  Each window size has its own words; their bags of words stand one
after the other in x, and the kernel is the sum of one kernel for each.
"""
import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

STRIDE, CELLS, ORIENTATIONS = 3, 3, 8
MAPPINGS = {"rank": "rank mapping", "soft": "soft assignment", "fisher": "Fisher vector"}
KERNELS = {"intersection": "histogram intersection", "chi2": "additive χ²", "exp_chi2": "exponential χ²",
           "gaussian": "Gaussian", "linear": "linear"}


# stage 1: local descriptors -----------------------------------------------------------------------
def integral_maps(images):
    """Edge strength by direction, summed from the top left corner.  (N, 1, H, W) → (N, 8, H + 1, W + 1).

    A pixel's gradient is split between the two nearest of 8 directions; directions that differ by half a turn (light
    on dark, dark on light) count as one.  Sums over any rectangle are then four look-ups.  ValueError for other images.
    """
    if images.ndim != 4 or images.shape[1] != 1 or not images.isfinite().all():
        raise ValueError(f"grey images (N, 1, H, W) without NaN are needed, not {tuple(images.shape)}")
    dy, dx = torch.gradient(images[:, 0], dim=(1, 2))
    strength, angle = torch.hypot(dy, dx), torch.atan2(dy, dx) % math.pi * (ORIENTATIONS / math.pi)
    low, share = angle.long() % ORIENTATIONS, angle % 1
    maps = images.new_zeros(len(images), ORIENTATIONS, *(side + 1 for side in images.shape[2:]))
    inner = maps[:, :, 1:, 1:]
    inner.scatter_(1, low[:, None], (strength * (1 - share))[:, None])
    inner.scatter_add_(1, (low[:, None] + 1) % ORIENTATIONS, (strength * share)[:, None])
    return maps.cumsum(2).cumsum(3)


def descriptors(maps, window=12):
    """Dense descriptors like HOG: 8 directions in 3 × 3 cells of each window.  → (N, L, 72) float32, row by row.

    ``maps`` from `integral_maps`; a window every 3 pixels.  The vector is shortened by its norm (plus a constant, so
    that noise alone stays short) and each number is cut at 0.3, as in Dalal & Triggs 2005.
    """
    cell, (rows, columns) = window // CELLS, grid(maps.shape[2:], window, border=1)
    sums = maps[..., cell:, cell:] - maps[..., :-cell, cell:] - maps[..., cell:, :-cell] + maps[..., :-cell, :-cell]
    at = [sums[:, :, i:, j:][:, :, :rows * STRIDE:STRIDE, :columns * STRIDE:STRIDE]
          for i in range(0, window, cell) for j in range(0, window, cell)]
    found = torch.cat(at, 1).flatten(2)
    return (found / (found.norm(dim=1, keepdim=True) + window / 12)).clamp_(max=0.3).transpose(1, 2).contiguous()


def grid(size, window, border=0):
    """How many windows fit below and beside each other in ``size`` (H, W), less ``border``: (rows, columns)."""
    if window < CELLS or window % CELLS or window > min(size) - border:
        raise ValueError(f"a window of {window} pixels must be a multiple of {CELLS} and fit into {tuple(size)}")
    return tuple((side - border - window) // STRIDE + 1 for side in size)


# stage 2: words and mappings ----------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Per window size: ``words`` (128, 72); ``mixture``: mean (72,) and axes (72, D) of the main components, and the
    Gaussian mixture's weights (K,), means (K, D) and standard deviations (K, D) in them."""

    windows: tuple
    words: tuple
    mixtures: tuple

    def map(self, local, scale, mapping):
        """Descriptors (…, L, 72) of one window size → (…, L, V_scale)."""
        if mapping == "fisher":
            return fisher_mapping(local, *self.mixtures[scale])
        if mapping not in MAPPINGS:
            raise ValueError(f"mapping is one of {', '.join(MAPPINGS)}, not {mapping!r}")
        return (rank_mapping if mapping == "rank" else soft_assignment)(local, self.words[scale])


def learn_vocabulary(images, windows=(12, 18), words=128, components=6, dimensions=8, per_image=60, seed=0):
    """Visual words by k-means and a Gaussian mixture (both scikit-learn) on ``per_image`` descriptors of each image."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    rng, samples = np.random.default_rng(seed), [[] for _ in windows]
    for batch in images.split(32):
        maps = integral_maps(batch)
        for sample, window in zip(samples, windows, strict=True):
            found = descriptors(maps, window)
            sample.append(found[:, rng.permutation(found.shape[1])[:per_image]].flatten(0, 1))
    centres, mixtures = [], []
    for sample in samples:
        points = torch.cat(sample).numpy()
        means = MiniBatchKMeans(words, batch_size=2048, n_init=1, max_iter=20, random_state=seed).fit(points)
        centres.append(_tensor(means.cluster_centers_))
        edges = points[np.linalg.norm(points, axis=1) > 0.5]  # a mixture of mostly empty windows would say little
        pca = PCA(dimensions, random_state=seed).fit(edges)
        mixture = GaussianMixture(components, covariance_type="diag", reg_covar=1e-4, random_state=seed)
        mixture.fit(pca.transform(edges[:8000]))
        mixtures.append(tuple(map(_tensor, (pca.mean_, pca.components_.T, mixture.weights_, mixture.means_,
                                            mixture.covariances_ ** 0.5))))
    return Vocabulary(tuple(windows), tuple(centres), tuple(mixtures))


def rank_mapping(local, words, base=2.0, n=4):
    """Of each local descriptor: m_d = base^(−rk_d) if rk_d ≤ n, else 0; rk_d = 1 for the nearest word.  (…, D) → (…, V).

    Bach et al. 2015, experiments; ``base`` is their p, which pooling needs for something else.
    """
    distance = (words * words).sum(1) - 2 * local @ words.T  # squared, less |l|², which is the same for all words
    nearest = distance.topk(n, largest=False).indices
    said = base ** -torch.arange(1.0, n + 1).to(distance)  # for rk_d = 1, …, n
    return torch.zeros_like(distance).scatter(-1, nearest, said.expand(nearest.shape))


def soft_assignment(local, words, beta=15.0):
    """m_d(l) = exp(−β |l − b_d|) / Σ_d' exp(−β |l − b_d'|).  (…, D) → (…, V)."""
    return (-beta * torch.cdist(local, words.to(local.dtype))).softmax(-1)


def fisher_mapping(local, mean, axes, weights, means, deviations):
    """Derivatives of a Gaussian mixture's log likelihood by its weights, means, deviations.  (…, 72) → (…, (2D + 1)K).

    With γ_k(l) the probability that l is of Gaussian k and z = (l − μ_k) / σ_k, the dimensions of Gaussian k are
    (γ_k − w_k) / √w_k, then γ_k z / √w_k, then γ_k (z² − 1) / √(2 w_k).  They can be negative.
    """
    z = (((local - mean) @ axes)[..., None, :] - means) / deviations  # (…, K, D)
    log = weights.log() - deviations.log().sum(1) - 0.5 * (z * z).sum(-1)
    gamma = log.softmax(-1)[..., None]
    root = weights.sqrt()[:, None]
    parts = (gamma - weights[:, None]) / root, gamma * z / root, gamma * (z * z - 1) / (root * 2 ** 0.5)
    return torch.cat(parts, -1).flatten(-2)


def pool(m, p=1.0):
    """x_d = (mean over l of m_d(l)^p)^(1/p); p = 1 is sum pooling (up to 1/L), p = ∞ the maximum.  (…, L, V) → (…, V).

    ValueError for negative m unless p = 1.
    """
    if p == 1:
        return m.mean(-2)
    if not p > 0 or m.amin() < 0:
        raise ValueError(f"p-means pooling needs p > 0 (here {p}) and, unless p = 1, a mapping that is nowhere negative")
    top = m.amax(-2, keepdim=True)
    if math.isinf(p):
        return top.squeeze(-2)
    scaled = m / top.clamp_min(1e-30)  # no power underflows
    return top.squeeze(-2) * scaled.pow(p).mean(-2) ** (1 / p)


def bags(vocabulary, images, mappings=("rank",), p=(1.0,), batch_size=4):
    """{(mapping, p): bags of words (N, V) float64} of images (N, 1, H, W); memory is bounded by ``batch_size``."""
    from tqdm.auto import tqdm

    found = {}
    for rows in tqdm(torch.arange(len(images)).split(batch_size), "bags of words", leave=False, disable=len(images) < 100):
        maps = integral_maps(images[rows])
        every = [descriptors(maps, window) for window in vocabulary.windows]
        for name in mappings:
            m = [vocabulary.map(local, scale, name) for scale, local in enumerate(every)]
            for power in (p if name != "fisher" else (q for q in p if q == 1)):
                x = torch.cat([pool(part, power) for part in m], 1)
                if (name, power) not in found:  # whole from the start: pieces would lie scattered and hold memory between them
                    found[name, power] = x.new_empty(len(images), x.shape[1], dtype=torch.float64)
                found[name, power][rows] = x.double()
    return found


# stage 3: kernels and the classifier --------------------------------------------------------------
# k(a, b) = Σ_d k_d(a_d, b_d): each dimension adds its own share
SUM_DECOMPOSABLE = {
    "intersection": torch.minimum,
    "chi2": lambda a, b: 2 * a * b / (a + b).clamp_min(1e-12),
    "linear": torch.mul,
}
# k(a, b) = exp(−Σ_d h_d(a_d, b_d) / σ): (h_d, −∂h_d/∂b_d)
EXPONENTIAL = {
    "exp_chi2": (lambda a, b: (a - b) ** 2 / (a + b).clamp_min(1e-12),
                 lambda a, b: 4 * a * a / (a + b).clamp_min(1e-12) ** 2 - 1),
    "gaussian": (lambda a, b: (a - b) ** 2, lambda a, b: 2 * (a - b)),
}


@dataclass(frozen=True, eq=False)
class KernelMachine:
    """f(x) = b + Σ_i α_i y_i Σ_u k_u(x_i, x): ``support`` (S, V), ``coef`` (S,) the α_i y_i, ``bias`` b; the columns
    of part u are ``parts[u]`` (a slice) and its σ ``widths[u]`` (exponential kernels)."""

    kernel: str
    support: Tensor
    coef: Tensor
    bias: float
    parts: tuple
    widths: tuple

    def __call__(self, x):
        """Scores f(x), positive for label 1.  (N, V) → (N,)."""
        return self.bias + similarity(self.kernel, self.support, x, self.parts, self.widths) @ self.coef


def similarity(kernel, a, b, parts, widths):
    """k(a_i, b_n), summed over parts.  (S, V), (N, V) → (N, S)."""
    found = a.new_empty(len(b), len(a))
    for rows in torch.arange(len(b)).split(max(1, 1_000_000 // max(1, a.numel()))):
        pairs = a[None], b[rows, None]
        if kernel in SUM_DECOMPOSABLE:
            found[rows] = SUM_DECOMPOSABLE[kernel](*pairs).sum(-1)
        else:
            distance = EXPONENTIAL[kernel][0](*pairs)
            found[rows] = sum(torch.exp(-distance[..., part].sum(-1) / width)
                              for part, width in zip(parts, widths, strict=True))
    return found


def fit_svm(x, labels, kernel="intersection", parts=None, C=30.0):
    """A support vector machine (scikit-learn, precomputed kernel) on bags of words (N, V), labels 0 and 1.

    σ of an exponential kernel is the mean of its exponent over the training pairs, and C counts in units of the mean
    similarity.  ValueError for an unknown kernel, and for a histogram kernel on negative features.
    """
    from sklearn.svm import SVC

    if kernel not in KERNELS:
        raise ValueError(f"kernel is one of {', '.join(KERNELS)}, not {kernel!r}")
    if kernel in ("intersection", "chi2", "exp_chi2") and (x < 0).any():
        raise ValueError(f"the {KERNELS[kernel]} kernel compares histograms: it needs features that are nowhere "
                         "negative. Fisher vectors go with the linear or the Gaussian kernel.")
    parts, widths = parts or (slice(0, x.shape[1]),), None
    if kernel in EXPONENTIAL:
        some = x[:: max(1, len(x) // 100)]
        spread = EXPONENTIAL[kernel][0](some[None], some[:, None])
        widths = tuple(float(spread[..., part].sum(-1).mean()) for part in parts)
    k = similarity(kernel, x.float(), x.float(), parts, widths)
    unit = float(k.abs().mean())
    svm = SVC(C=C, kernel="precomputed").fit((k / unit).numpy(), np.asarray(labels))
    return KernelMachine(kernel, x[svm.support_], torch.from_numpy(svm.dual_coef_[0] / unit),
                         float(svm.intercept_[0]), parts, widths)


# the whole pipeline -------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class BagOfWords:
    """All stages together: calling it on images (N, 1, H, W) gives their scores (N,)."""

    vocabulary: Vocabulary
    mapping: str
    p: float
    machine: KernelMachine

    def __call__(self, images):
        return self.machine(bags(self.vocabulary, images, (self.mapping,), (self.p,))[self.mapping, self.p])


def columns(vocabulary, mapping):
    """The columns of each window size in a bag of words: a tuple of slices."""
    widths = map(len, vocabulary.words) if mapping != "fisher" else [
        k * (2 * d + 1) for k, d in (mixture[3].shape for mixture in vocabulary.mixtures)]
    ends = np.cumsum([0, *widths])
    return tuple(slice(int(a), int(b)) for a, b in zip(ends[:-1], ends[1:], strict=True))


@functools.cache
def course_bags(n=400, seed=0, p=(1.0, 2.0, math.inf)):
    """(vocabulary, {(mapping, p): bags}, labels) of ``n`` training pictures of `data.shapes`, all mappings; computed once."""
    from ..data import shapes

    train = shapes(n, seed=seed)
    vocabulary = learn_vocabulary(train.images[::2], per_image=120, seed=seed)
    return vocabulary, bags(vocabulary, train.images, tuple(MAPPINGS), p), train.labels


@functools.cache
def trained(mapping="rank", kernel="intersection", p=1.0):
    """The `BagOfWords` of the course: 400 polygons and circles of `data.shapes`; the first call takes some seconds."""
    vocabulary, found, labels = course_bags()
    if (mapping, p) not in found:
        raise ValueError(f"mapping and p are one of {', '.join(map(str, found))}, not {(mapping, p)}")
    machine = fit_svm(found[mapping, p], labels, kernel, columns(vocabulary, mapping))
    return BagOfWords(vocabulary, mapping, p, machine)


def _tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
