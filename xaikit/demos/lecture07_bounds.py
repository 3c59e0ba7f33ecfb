"""Lecture 07's demos of what a layer kept: samples from its decoder, and the noise that it does not notice."""
import functools

import numpy as np
import torch

from .. import plot
from ..dynamics import bounds, kept, pixelcnn
from ..studies import scene_noise
from ..widgets import Slider, Toggle
from . import Demo
from .canvas import Canvas

_SAMPLES = 12


# ---- samples from q(x|h) --------------------------------------------------------------------------------------

@functools.cache
def ten():
    """Ten digits of the test part in their middle place, one of each class: images (10, 1, 10, 10)."""
    images, labels = bounds.moved_digits("test")
    middle = slice(4 * len(images) // 9, 5 * len(images) // 9)  # neither moved up or down nor left or right
    images, labels = images[middle], labels[middle]
    return images[[int((labels == d).nonzero()[3]) for d in range(10)]]


@functools.lru_cache(maxsize=256)
def samples(task, layer, digit, count=_SAMPLES):
    """``count`` samples of q(x|h), (count, 1, 10, 10): h is ``layer`` of the network for ``task`` at ``ten()[digit]``."""
    codes, model = kept.shipped()[task][layer]
    return pixelcnn.sample(model, codes(ten()[digit][None]).expand(count, -1), seed=digit)


def _grey(image):
    return (plot.pixels(image) * 255).round().astype(np.uint8)


def kept_samples(network, depth, digit):
    """The digit; twelve samples of q(x|h); the mean of them: what is sharp there, h fixes."""
    found = samples(network, f"h{depth}", digit)
    board = Canvas(900, 300)
    board.text(20, 26, f"x, a {digit}", 12, bold=True, anchor="ls")
    board.picture(_grey(ten()[digit]), 20, 40, 170)
    board.text(230, 26, f"twelve samples of q(x | h{depth}), {network}", 12, bold=True, anchor="ls")
    for i, image in enumerate(found):
        board.picture(_grey(image), 230 + i % 6 * 78, 40 + i // 6 * 92, 70)
    board.text(720, 26, "their mean", 12, bold=True, anchor="ls")
    board.picture(_grey(found.mean(0)), 720, 40, 160)
    same = (kept.judge(found) == digit).sum().item()
    board.text(230, 248, f"{same} of {_SAMPLES} look like a {digit} to the judge", 12)
    apart = (found - found.mean(0)).square().mean().sqrt().item()
    board.text(230, 270, f"spread of the samples: {apart:.2f} a pixel (0 black, 1 white)", 12)
    return board.jpeg()


# ---- noise that is not noticed ----------------------------------------------------------------------------------

def discarded_live(picture, depth, factor):
    """A scene, the same under the noise of one depth times a factor, and the bits that its pixels kept."""
    name = f"layer {depth}"
    found, (images, masks) = scene_noise.discarded(name), scene_noise.pictures()
    x, mask = images[picture - 1], masks[picture - 1]
    sigma, bits = found.sigma[picture - 1] * factor, found.kept[picture - 1]
    g = torch.Generator().manual_seed(0)
    many = x + sigma * torch.randn(8, *x.shape, generator=g)
    feature = scene_noise.feature(name)
    with torch.no_grad():
        moved = (feature(many) - feature(x[None])).flatten(1).square().sum(1).mean() / scene_noise.spreads()[name]
    board = Canvas(900, 340)
    board.text(20, 26, "x", 12, bold=True, anchor="ls")
    board.picture(_grey(x), 20, 40, 250)
    board.text(300, 26, f"x + noise of {name} × {factor:.2g}", 12, bold=True, anchor="ls")
    board.picture(_grey(many[0].clamp(0, 1)), 300, 40, 250)
    board.text(580, 26, "bits kept: white many, black none", 12, bold=True, anchor="ls")
    board.picture(plot.outlined(_grey(bits.clamp(0, 8) / 8), mask.numpy(), scale=4), 580, 40, 250)
    share = f"{moved.item():.1%}"
    board.text(300, 312, f"the feature moves by {share} of its variance", 12)
    inside, outside = bits[mask].mean().item(), bits[~mask].mean().item()
    board.text(580, 312, f"house and trees {inside:.1f} bits, the rest {outside:.1f}", 12)
    return board.jpeg()


def demos():
    return [Demo(
        "07/kept", "07", "What a layer kept", kept_samples,
        {"network": Toggle(kept.TASKS, "classifier"), "depth": Slider(1, 4, 4, label="depth"),
         "digit": Slider(0, 9, 3, label="digit")},
        "Twelve pictures that a PixelCNN draws from one hidden layer's activations alone. What all of them "
        "share, the layer kept; what differs, it dropped, or the decoder could not read it.",
        "A digit; twelve smaller pictures drawn from a hidden layer of the chosen network; their mean, sharp "
        "where the layer fixes the pixels and grey where it does not.", 900),
        Demo(
        "07/discarded", "07", "Noise that a layer does not notice", discarded_live,
        {"picture": Slider(1, 12, 1, label="scene"), "depth": Slider(1, 5, 5, label="depth"),
         "factor": Slider(0.0, 3.0, 1.0, label="noise ×")},
        "Each pixel gets the noise that the layer bears there. At × 1 the feature moves by a tenth of its "
        "variance, however deep the layer; what the noise covers, the layer has discarded.",
        "A scene; the same scene under noise that is strong in the sky and weak on house and trees; a map of "
        "the bits that each pixel kept, with house and trees outlined.", 900)]
