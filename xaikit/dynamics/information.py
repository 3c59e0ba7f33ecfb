"""Entropy and mutual information, in bits: of probability tables, and of samples, by bins and by kernels.

Thomas M. Cover, Joy A. Thomas 2006, *Elements of Information Theory*, chapter 2; for hidden layers
Shwartz-Ziv, Tishby 2017 (bins) and Kolchinsky, Tracey 2017, *Estimating Mixture Entropy with Pairwise
Distances* (kernels).
"""

import math

import numpy as np
import torch

from .intervals import student

_LABELS = 1 << 12  # classes that fit beside a hash


def table(p, name="the table"):
    """``p`` (any shape) as float64 probabilities; ValueError if it is empty, has negative entries or does not
    sum to 1."""
    p = torch.as_tensor(p, dtype=torch.float64)
    if p.numel() == 0:
        raise ValueError(f"{name} is empty: no probabilities")
    if not bool(p.isfinite().all()) or p.min() < 0:
        raise ValueError(
            f"{name} has an entry that is no probability: {p.min().item():g} … {p.max().item():g}"
        )
    if abs(p.sum().item() - 1) > 1e-6:
        raise ValueError(f"{name} sums to {p.sum().item():.6g}, not to 1: divide counts by their sum first")
    return p


def entropy(p):
    """H = −Σ p log₂ p of a table of any shape, in bits; 0 log 0 = 0.  ValueError as `table`."""
    p = table(p)
    return -torch.special.xlogy(p, p).sum().item() / math.log(2)


def mutual_information(joint):
    """I(X;Y) = Σ p(x,y) log₂ p(x,y) / (p(x) p(y)) of a joint table (K, L), in bits.  ValueError as
    `table`."""
    joint = table(joint, "the joint table")
    if joint.dim() != 2:
        raise ValueError(f"a joint table of two variables has two axes, this one {tuple(joint.shape)}")
    product = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    ratio = torch.where(joint > 0, joint / torch.where(joint > 0, product, 1.0), 1.0)
    return (joint * ratio.log2()).sum().item()


def through(joint, channel):
    """The joint table of X and Z for Y → Z by ``channel`` (L, M), rows p(z|y): (K, L) → (K, M).  ValueError
    as `table`."""
    joint, channel = table(joint, "the joint table"), torch.as_tensor(channel, dtype=torch.float64)
    if channel.dim() != 2 or joint.dim() != 2 or channel.shape[0] != joint.shape[1]:
        raise ValueError(
            f"a channel for a joint table {tuple(joint.shape)} is (L, M) with one row for each y, "
            f"not {tuple(channel.shape)}"
        )
    for row in channel:
        table(row, "a row of the channel")
    return joint @ channel


def bins(h, count, low, high):
    """The number of the bin, 0 … count − 1, of every value of ``h``: ``count`` equal bins from ``low`` to
    ``high``.

    ``low``, ``high``: numbers, or tensors that broadcast against h; what lies outside falls into the first or
    last bin. ValueError: no bin, or high ≤ low.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"the number of bins is a whole number of 1 or more, not {count!r}")
    h = torch.as_tensor(h)
    low, high = (torch.as_tensor(v, dtype=h.dtype) for v in (low, high))
    if not bool((high > low).all()):
        raise ValueError("bins need low < high")
    return ((h - low) * (count / (high - low))).floor_().clamp_(0, count - 1).to(torch.int32)


def discrete(states, y=None):
    """Entropies of E layers from their states: I(X;T) = H(T) and, with labels ``y`` (N,), I(T;Y); two arrays
    (E,), bits.

    ``states``: (E, N, D) whole numbers (bins, gates): row n is the state T of input n.  The network is
    deterministic, so that H(T|X) = 0.  Each row becomes one 52-bit hash, rows are sorted and equal neighbours
    counted: no loop over inputs, O(E N log N).  (Two of 4,096 states share a hash with probability 2·10⁻⁹.) 
    ValueError: empty or of other shape.
    """
    states = np.asarray(states)
    if states.ndim != 3 or 0 in states.shape:
        raise ValueError(f"states are (E, N, D) and not empty, these have shape {states.shape}")
    if not np.issubdtype(states.dtype, np.integer) and states.dtype != bool:
        raise ValueError(f"states are whole numbers, not {states.dtype}: bin them first")
    labels = np.zeros(states.shape[1], np.int64) if y is None else np.asarray(y)
    if labels.shape != states.shape[1:2] or labels.min() < 0 or labels.max() >= _LABELS:
        raise ValueError(f"one label in 0 … {_LABELS - 1} for each of {states.shape[1]} inputs is needed")
    factors = np.random.default_rng(0).integers(1 << 62, size=states.shape[2], dtype=np.uint64) * np.uint64(
        2
    ) + np.uint64(1)
    codes = np.zeros(states.shape[:2], np.uint64)
    for d, factor in enumerate(factors):  # over units, never over inputs
        codes ^= codes >> np.uint64(29)
        codes = (
            codes * np.uint64(0x9E3779B97F4A7C15) + (states[..., d].astype(np.uint64) + np.uint64(1)) * factor
        )
    codes ^= codes >> np.uint64(32)
    codes *= np.uint64(0xD6E8FEB86659FD93)
    joint = np.sort((codes & ~np.uint64(_LABELS - 1)) | labels.astype(np.uint64), axis=1)
    information, both = _counted(joint >> np.uint64(12)), _counted(joint)
    return information, information + _counted(np.sort(labels)[None]) - both


def _counted(ordered):
    """The entropy of each row (E, N) of sorted codes, in bits: log₂ N − Σ c log₂ c / N over runs of length
    c."""
    rows, n = ordered.shape
    starts = np.ones((rows, n + 1), bool)
    starts[:, 1:-1] = ordered[:, 1:] != ordered[:, :-1]
    row, at = np.nonzero(starts)
    last = at == n
    counts = np.diff(at)[~last[:-1]]
    return math.log2(n) - np.bincount(row[~last], counts * np.log2(counts), rows) / n


def binned(h, y, count, low, high):
    """I(X;T) and I(T;Y) of layers h (E, N, D) after binning (`bins`, `discrete`): two arrays (E,), in
    bits."""
    return discrete(bins(h, count, low, high), y)


def kernel(h, y=None, sigma=0.1, bound="upper"):
    """Bounds of I(X; T + ε), ε ~ N(0, σ²) in each unit, for one layer h (N, D); with y also of I(T + ε; Y). 
    Bits.

    −1/N Σ_i log₂ 1/N Σ_j exp(−c ‖h_i − h_j‖² / 2σ²): upper with c = 1 (from KL divergences), lower with c =
    1/4 (Chernoff); Kolchinsky, Tracey 2017, eqs. 10 and 11, since H(T + ε | X) is the noise's own entropy. 
    Time and memory O(N²). Returns a number, or two with ``y`` (N,).  ValueError: σ ≤ 0, empty h, another
    ``bound``.
    """
    h = torch.as_tensor(h)
    if h.dim() != 2 or h.numel() == 0:
        raise ValueError(f"a layer is (N, D) and not empty, this one has shape {tuple(h.shape)}")
    if not (isinstance(sigma, int | float) and 0 < sigma < math.inf):
        raise ValueError(f"sigma is a number above 0, not {sigma!r}")
    if bound not in ("upper", "lower"):
        raise ValueError(f"bound is 'upper' or 'lower', not {bound!r}")
    scale = (1.0 if bound == "upper" else 0.25) / (2 * sigma**2)
    close = torch.cdist(h, h, compute_mode="donot_use_mm_for_euclid_dist").square_().mul_(-scale).exp_()
    whole = -(close.mean(1).log2().mean().item())
    if y is None:
        return whole
    y = torch.as_tensor(y)
    if y.shape != h.shape[:1]:
        raise ValueError(f"one label for each of {len(h)} inputs is needed")
    within = 0.0
    for label in y.unique():
        own = y == label
        within -= own.double().mean().item() * close[own][:, own].mean(1).log2().mean().item()
    return whole, whole - within


def interval(values):
    """Mean over runs, the first axis, and half the width of its 95 % interval (`intervals.student`)."""
    mean, low, high = student(values)
    return mean, (high - low) / 2
