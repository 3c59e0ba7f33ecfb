"""Lecture 06's demo on images: a picture, the disc in its spectrum, and what stands inside and outside of it."""
import functools

import numpy as np
import torch

from .. import data, plot
from ..dynamics.components import disc, split
from ..widgets import Slider, Toggle
from . import Demo
from .canvas import Canvas, number

SIZE = 128
_PHOTOS = ("camera", "astronaut", "chelsea", "coffee", "brick")


@functools.cache
def _picture(name):
    """A picture (C, 128, 128) and its spectrum's amplitudes (128, 128), as logarithms from 0 to 1."""
    x = data.photo(name, SIZE)[0]
    amplitude = torch.fft.fftshift(torch.fft.fft2(x), dim=(-2, -1)).abs().mean(0).log1p()
    return x, (amplitude / amplitude.max()).numpy()


def compute(radius, picture):
    """The picture, its spectrum with the disc, and the components x_l and x_h."""
    x, amplitude = _picture(picture)
    low, high = split(x, radius)
    inside = disc(SIZE, radius).numpy()
    board = Canvas(900, 300)
    grey = np.repeat((amplitude * 255).astype(np.uint8)[..., None], 3, 2)
    shown = np.where(inside[..., None], grey // 2 + np.uint8([0, 50, 90]), grey)  # the disc in blue
    parts = [("picture  x", (plot.pixels(x) * 255).round().astype(np.uint8)), ("spectrum, disc in blue", shown.astype(np.uint8)),
             ("low  x_l", (plot.pixels(low) * 255).round().astype(np.uint8))]
    for i, (title, rgb) in enumerate(parts):
        board.text(14 + 222 * i, 26, title, 12, bold=True, anchor="ls")
        board.picture(rgb, 14 + 222 * i, 36, 206)
    board.text(14 + 222 * 3, 26, "high  x_h = x − x_l", 12, bold=True, anchor="ls")
    board.picture(plot.signed_rgb(high.mean(0), 0.4), 14 + 222 * 3, 36, 206)
    centred = x - x.mean((-2, -1), keepdim=True)
    total = float((centred**2).sum())
    share = float((high**2).sum()) / total
    board.text(14, 262, f"radius {radius}: the disc holds {inside.mean():.1%} of the frequencies and", 11, plot.MUTED)
    board.text(14, 280, f"{number(100 * (1 - share), digits=3)} % of the picture's contrast", 12, bold=True)
    board.rectangle(458, 268, 428, 12, plot.RULE)
    board.rectangle(458, 268, 428 * max(0.0, min(1.0, 1 - share)), 12, plot.COLORS[0])
    board.text(458, 284, "contrast (variance) in x_l", 10, plot.MUTED)
    return board.jpeg()


def demos():
    return [Demo("06/components", "06", "Low and high frequencies of a picture", compute,
                 {"radius": Slider(1, 64, 8, 1, "radius r"), "picture": Toggle(_PHOTOS)},
                 "A small disc of low frequencies holds nearly all of the contrast, and what is left is edges: red where the "
                 "picture is brighter than its low part, blue where it is darker.",
                 "A picture, its spectrum with a disc of the chosen radius, the picture made from the frequencies within the "
                 "disc, and the rest, which shows edges.", 900)]
