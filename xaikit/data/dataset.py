"""The one type that every data set comes as, and the one way a picture is resized."""
import dataclasses
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_PER_ITEM = ("images", "tokens", "labels", "masks", "lengths", "weights")


@dataclass(eq=False, repr=False, kw_only=True)
class Dataset:
    """Inputs, labels and all that is known to be true about them.  Everything is checked on construction.

    Either ``images`` or ``tokens`` is the input of a network (``inputs`` is whichever there is):

    * ``images``  (N, C, H, W) float32 in [0, 1]
    * ``tokens``  (N, T) int64 places in ``vocabulary``, padded with 0; ``lengths`` (N,) int64 words without padding
    * ``labels``  (N,) int64 places in ``classes``
    * ``masks``   (N, M, H, W) bool, one per name of ``mask_names``: where something is in the picture
    * ``weights`` (N, T) float32, the true share of each word in the label
    * ``factors`` DataFrame with a row per item: what it was made from

    ``data[3]`` is the pair (input, label); ``data[10:20]``, ``data[[4, 2]]`` and ``data[data.labels == 7]`` are data sets.
    ValueError or TypeError names the field that is wrong.
    """

    labels: Tensor
    classes: list[str]
    images: Tensor | None = None
    tokens: Tensor | None = None
    masks: Tensor | None = None
    mask_names: list[str] = field(default_factory=list)
    factors: object = None
    vocabulary: list[str] = field(default_factory=list)
    lengths: Tensor | None = None
    weights: Tensor | None = None
    name: str = "data"

    def __post_init__(self):
        _check(self)

    @property
    def inputs(self):
        """What a network takes: the images, or the tokens of sentences."""
        return self.tokens if self.images is None else self.images

    def __len__(self):
        return len(self.labels)

    def __repr__(self):
        more = [what for what in ("masks", "factors", "weights") if getattr(self, what) is not None]
        return (f"<{self.name}: {len(self)} × {tuple(self.inputs.shape[1:])}, {len(self.classes)} classes"
                + (f", with {', '.join(more)}" if more else "") + ">")

    def __getitem__(self, index):
        if isinstance(index, (int, np.integer)) or (isinstance(index, Tensor) and index.ndim == 0
                                                    and index.dtype != torch.bool):
            return self.inputs[index], self.labels[index]
        return self.take(index)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def take(self, index):
        """The Dataset of the items that a slice, a list of places, or a bool mask picks, in that order."""
        if isinstance(index, slice):
            rows = index  # a view: nothing is copied
        else:
            rows = torch.as_tensor(index)
            if rows.numel() == 0 and rows.dtype != torch.bool:
                rows = rows.long()
            if rows.dtype == torch.bool:
                if rows.shape != self.labels.shape:
                    raise ValueError(f"a mask of {tuple(rows.shape)} cannot pick from {len(self)} items")
                rows = rows.nonzero()[:, 0]
            elif rows.is_floating_point() or rows.ndim != 1:
                raise TypeError(f"pick items with a slice, whole numbers or a bool mask, not {index!r:.60}")
        new = {k: getattr(self, k)[rows] for k in _PER_ITEM if getattr(self, k) is not None}
        if self.factors is not None:
            places = rows if isinstance(rows, slice) else rows.numpy()
            new["factors"] = self.factors.iloc[places].reset_index(drop=True)
        return dataclasses.replace(self, **new)

    def batches(self, n=64, seed=None):
        """Yield (inputs, labels), ``n`` items at a time, the last one shorter; in order, or shuffled by ``seed``."""
        if not isinstance(n, (int, np.integer)) or n < 1:
            raise ValueError(f"a batch holds one item or more, not {n!r}")
        if seed is None:
            order = None
        else:
            order = torch.from_numpy(np.random.default_rng(seed).permutation(len(self)))
        for start in range(0, len(self), n):
            rows = slice(start, start + n) if order is None else order[start:start + n]
            yield self.inputs[rows], self.labels[rows]

    def split(self, fraction=0.8, seed=0):
        """Two Datasets that share no item: ``fraction`` of every class, and the rest."""
        first = stratify(self.labels.numpy(), fraction, seed)
        return self.take(torch.from_numpy(first)), self.take(torch.from_numpy(~first))


def stratify(labels, fraction, seed):
    """(N,) bool that picks ``fraction`` of each class of ``labels`` (N,), each class shuffled by ``seed``."""
    if not 0 < fraction < 1:
        raise ValueError(f"a fraction lies between 0 and 1, not {fraction!r}")
    rng, picked = np.random.default_rng(seed), np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        picked[members[:round(fraction * len(members))]] = True
    return picked


def resize(images, size):
    """(N, C, H, W) in [0, 1] to (N, C, size, size): bicubic, with a low-pass filter where it shrinks, kept in [0, 1]."""
    check_size(size)
    return F.interpolate(images, (size, size), mode="bicubic", antialias=True).clamp_(0, 1)


def check_size(size, least=1):
    """ValueError unless ``size`` is a whole number of pixels, at least ``least``."""
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < least:
        raise ValueError(f"size is a whole number of pixels, {least} or more, not {size!r}")


def check_count(n, least=1):
    """ValueError unless ``n`` is a whole number, at least ``least``."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < least:
        raise ValueError(f"n is a whole number, {least} or more, not {n!r}")


def check_split(split, known=("train", "test")):
    """ValueError unless ``split`` is one of ``known``."""
    if split not in known:
        raise ValueError(f"split is one of {', '.join(map(repr, known))}, not {split!r}")


def _check(d):
    n = _tensor(d, "labels", torch.int64, 1).shape[0]
    if not d.classes or not all(isinstance(c, str) for c in d.classes):
        raise ValueError(f"classes are names, one or more, not {d.classes!r:.60}")
    _within(d, "labels", 0, len(d.classes) - 1)
    if (d.images is None) == (d.tokens is None):
        raise ValueError("a Dataset holds either images or tokens")
    if d.images is not None:
        _tensor(d, "images", torch.float32, 4, n)
        _within(d, "images", 0, 1)
    else:
        _tensor(d, "tokens", torch.int64, 2, n)
        if not d.vocabulary:
            raise ValueError("tokens need a vocabulary")
        _within(d, "tokens", 0, len(d.vocabulary) - 1)
    if d.lengths is not None:
        _tensor(d, "lengths", torch.int64, 1, n)
        _within(d, "lengths", 1, d.inputs.shape[1])
    if d.weights is not None:
        _tensor(d, "weights", torch.float32, 2, n)
        if d.tokens is None or d.weights.shape != d.tokens.shape or not d.weights.isfinite().all():
            raise ValueError(f"weights are finite, one per token, not {tuple(d.weights.shape)}")
    if d.masks is not None:
        _tensor(d, "masks", torch.bool, 4, n)
        if d.images is None or d.masks.shape[2:] != d.images.shape[2:] or d.masks.shape[1] != len(d.mask_names):
            raise ValueError(f"masks {tuple(d.masks.shape)} do not fit images {tuple(d.inputs.shape)} "
                             f"and {len(d.mask_names)} mask_names")
    if d.factors is not None and len(d.factors) != n:
        raise ValueError(f"factors have {len(d.factors)} rows for {n} items")


def _tensor(d, name, dtype, rank, n=None):
    value = getattr(d, name)
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} is a Tensor, not {type(value).__name__}")
    if value.dtype != dtype:
        raise TypeError(f"{name} are {dtype}, not {value.dtype}")
    if value.ndim != rank:
        raise ValueError(f"{name} have {rank} dimensions, not shape {tuple(value.shape)}")
    if n is not None and len(value) != n:
        raise ValueError(f"{len(value)} {name} for {n} labels")
    return value


def _within(d, name, low, high):
    value = getattr(d, name)
    if value.numel():
        least, most = value.aminmax()  # NaN comes through, and fails the comparison
        if not (least >= low and most <= high):
            raise ValueError(f"{name} lie in [{low}, {high}], not [{least.item()}, {most.item()}]")
