"""What lecture 04's demos look at: digits, photographs where the weights are here, and the baselines for them."""
import functools
import os
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from .. import data, zoo

BASELINES = ("black", "white", "mean", "blurred", "noise")
PHOTO_NET, PHOTOS = "squeezenet1_1", {"coffee": "coffee", "chelsea": "cat", "camera": "camera man"}


class Scene(NamedTuple):
    """An input and the network that looks at it."""

    model: nn.Module
    x: torch.Tensor  # (1,C,H,W) in [0,1]
    classes: list
    others: torch.Tensor  # (N,C,H,W) further images of the kind, for the mean and the average of many


class Normalised(nn.Module):
    """A network that takes images in [0,1] and does its own normalisation, so that a black image is all zeros."""

    def __init__(self, model, mean, std):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(self, x):
        return self.model((x - self.mean) / self.std)


def pictures():
    """The pictures a demo offers, {label: name}: ten digits, and photographs where the network's weights are here."""
    found = {f"digit {d}": str(d) for d in range(10)}
    return found | ({f"photo: {label}": name for name, label in PHOTOS.items()} if _photo_weights() else {})


def _photo_weights():
    """Whether the weights are on this machine; asks torchvision, slow to import, only where a file is there."""
    folders = [Path(torch.hub.get_dir()) / "checkpoints",
               Path(os.environ.get("XAIKIT_DATA", "/nowhere")) / "torch_home" / "hub" / "checkpoints"]
    return any(any(folder.glob(f"{PHOTO_NET}-*")) for folder in folders) and zoo.cached(PHOTO_NET)


@functools.cache
def scene(name):
    """The :class:`Scene` of a picture's name; digits are the first test images that the network gets right."""
    return _photo(name) if name in PHOTOS else _digits()[int(name)]


@functools.cache
def _digits():
    model, test, train = zoo.load("digits-cnn"), data.digits(split="test"), data.digits(split="train")
    with torch.no_grad():
        right = model(test.images).argmax(1) == test.labels
    firsts = [int((right & (test.labels == d)).nonzero()[0]) for d in range(10)]
    return [Scene(model, test.images[i:i + 1], test.classes, train.images) for i in firsts]


@functools.cache
def _photo_net():
    model, preprocess, classes = zoo.imagenet(PHOTO_NET)
    return Normalised(model, preprocess.mean, preprocess.std).eval(), classes


def _photo(name):
    model, classes = _photo_net()
    everything = data.photos(size=224)
    x = everything.images[everything.classes.index(name)][None]
    noise = torch.rand(16, *x.shape[1:], generator=torch.Generator().manual_seed(1))
    return Scene(model, x, classes, noise)


def baseline(name, at):
    """The baseline (1,C,H,W) of that name for a scene."""
    x = at.x
    if name == "black":
        return torch.zeros_like(x)
    if name == "white":
        return torch.ones_like(x)
    if name == "mean":  # of the other images; of a photograph's own colours
        return at.others.mean(0, keepdim=True) if x.shape[1] == 1 else x.mean((2, 3), keepdim=True).expand_as(x)
    if name == "blurred":
        return blur(x, x.shape[-1] / 8)
    if name == "noise":
        return torch.rand(x.shape, generator=torch.Generator().manual_seed(0))
    raise ValueError(f"no baseline {name!r}; there are {', '.join(BASELINES)}")


def blur(x, sigma):
    """Images (N,C,H,W) under a Gaussian of ``sigma`` pixels, mirrored at the edges."""
    reach = min(round(2.5 * sigma), min(x.shape[-2:]) - 1)
    line = torch.exp(-torch.arange(-reach, reach + 1, dtype=x.dtype) ** 2 / (2 * sigma**2))
    line /= line.sum()
    flat = nn.functional.pad(x.flatten(0, 1)[:, None], [reach] * 4, mode="reflect")
    flat = nn.functional.conv2d(nn.functional.conv2d(flat, line[None, None, None]), line[None, None, :, None])
    return flat.view_as(x)
