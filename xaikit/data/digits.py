"""Real handwriting that scikit-learn ships: 1,797 digits, 8 × 8 counts from 0 to 16."""
import functools

import numpy as np
import torch

from .dataset import Dataset, check_split, resize, stratify

_TRAIN = 0.75


def digits(size=28, split="train", seed=0):
    """Handwritten digits, (N, 1, size, size), white ink on black: 1,347 to train on, 450 to test on.

    split: "train", "test" or "all".  The split is stratified and the same for everyone; another ``seed`` is another
    split (``data.digits(seed=s)`` and ``data.digits(split="test", seed=s)`` never share an image).  Enlarging is
    bicubic, shrinking has a low-pass filter, so that no size shows frequencies which the scan did not have.
    Mind: the 13 writers are not named in the set, so that both parts hold digits by the same hand.
    """
    check_split(split, ("train", "test", "all"))
    scans, labels = _scans()
    images = resize(torch.from_numpy(scans)[:, None], size)
    everything = Dataset(images=images, labels=torch.from_numpy(labels), classes=[str(d) for d in range(10)],
                         name=f"digits ({split})")
    if split == "all":
        return everything
    train = stratify(labels, _TRAIN, seed)
    return everything[torch.from_numpy(train if split == "train" else ~train)]


@functools.cache
def _scans():
    from sklearn.datasets import load_digits

    raw = load_digits()
    return (raw.images / 16).astype(np.float32), raw.target.astype(np.int64)
