"""The noise that scenes bear at each depth of a network: what lecture 07's text, demo and claims share."""
import functools

import torch

from .. import data, zoo
from ..dynamics import discarding
from ..dynamics.intervals import student as interval  # noqa: F401

DEPTHS = {f"layer {i + 1}": end for i, end in enumerate((2, 5, 8, 11, 14))}  # of features, each after its ReLU


@functools.cache
def network(name="scenes-cnn", seed=0):
    """The trained network of scenes, ("retrained") one that its recipe makes from another ``seed``, or ("untrained") one
    of the same build before it has learned."""
    if name == "retrained":
        return zoo.train("scenes-cnn", seed=seed, progress=False)
    if name != "untrained":
        return zoo.load(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return zoo.ConvNet((3, 16, 32, 48, 64, 64), 4).eval()


def feature(depth, name="scenes-cnn", seed=0):
    """The network up to one depth: images (N, 3, 64, 64) → (N, maps, H, W)."""
    return network(name, seed).features[:DEPTHS[depth]]


@functools.cache
def pictures(count=12):
    """Scenes with something on the grass: images (count, 3, 64, 64), and their foreground (count, 64, 64) bool."""
    found = data.scenes(3 * count)
    found = found.take((found.labels > 0).nonzero()[:count, 0])
    places = [found.mask_names.index(name) for name in discarding.FOREGROUND]
    return found.images, found.masks[:, places].any(1)


@functools.cache
def spreads(name="scenes-cnn", seed=0):
    """{depth: δ²}, over 64 other scenes."""
    others = data.scenes(64, seed=5, masks=False).images
    return {depth: discarding.spread(feature(depth, name, seed), others) for depth in DEPTHS}


@functools.cache
def discarded(depth, name="scenes-cnn", seed=0, count=12):
    """`Discarded` of the first pictures at one depth, τ = 0.1, cap 1."""
    return discarding.discard(feature(depth, name, seed), pictures(count)[0], spreads(name, seed)[depth], samples=1)


def contrasts(depth, name="scenes-cnn", seed=0, exchanged=False, count=12):
    """Bits kept in the foreground minus elsewhere, (count,); ``exchanged``: with the mask of another scene."""
    masks = pictures(count)[1]
    return discarding.contrast(discarded(depth, name, seed, count).kept, masks.roll(1, 0) if exchanged else masks)
