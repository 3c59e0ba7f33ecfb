"""Lecture 08's demo: a brush that switches units of the generator on and off (Bau et al. 2019, section 4.4)."""
import functools
from collections import namedtuple

import numpy as np
import torch

from .. import dissect, plot, zoo
from ..studies.dissected import best_units, generator_table
from ..widgets import Slider, Toggle
from ..widgets.paint import paint
from . import Demo
from .canvas import Canvas

# the objects' usual colours, for the segmenter's view and its legend
COLOURS = {"sky": "#9cc9f0", "cloud": "#f4f4f8", "sun": "#ffd84d", "mountain": "#8088a0", "grass": "#8cbf4f",
           "path": "#d9bf8c", "wall": "#e0b8c8", "roof": "#a03c28", "door": "#5c3a1e", "window": "#345c9c",
           "trunk": "#7a4a24", "crown": "#1e6b28"}
NAMES = tuple(COLOURS)
LAYERS = {"block8": 12, "block16": 6}  # how many units make an object there
WIDTH, HEIGHT, BOX = 860, 404, (16, 40, 336, 336)
SAMPLES, SEED = 100, 80

Kit = namedtuple("Kit", "units values iou")


@functools.cache
def networks():
    """The generator, a function that sees the twelve masks of its pictures, and the codes of the samples."""
    generator = zoo.load("scenes-gan")
    return generator, dissect.seen_by(zoo.load("scenes-segmenter"), NAMES), generator.codes(SAMPLES, SEED)


@functools.cache
def kit(concept, layer):
    """The units of a concept in a layer, most overlap first, and what they are where it is: ``Kit``."""
    rows = best_units(generator_table(layer), concept, LAYERS[layer])
    return Kit(tuple(rows.unit), torch.tensor(rows.inside.to_numpy(), dtype=torch.float32), rows.iou.iloc[0])


def brushed(points, radius, size=64):
    """(size, size) of 0 and 1: the pixels within ``radius`` of the line through points (n, 2), fractions (x, y)."""
    at = np.asarray(points, float) * size
    a, b = at[:-1] if len(at) > 1 else at, at[1:] if len(at) > 1 else at
    centre = np.arange(size) + .5
    pixels = np.stack(np.meshgrid(centre, centre), -1).reshape(-1, 1, 2)
    near = np.full(size * size, np.inf)
    for k in range(0, len(a), 64):  # pieces of the line at once, so that memory stays small
        p, d = a[k:k + 64], (b - a)[k:k + 64]
        along = ((pixels - p) * d).sum(-1) / np.maximum((d**2).sum(-1), 1e-12)
        foot = p + along.clip(0, 1)[..., None] * d
        near = np.minimum(near, np.hypot(*np.moveaxis(pixels - foot, -1, 0)).min(1))
    return torch.from_numpy((near <= radius).reshape(size, size))


def painted(strokes, sample):
    """The picture (1, 3, 64, 64) of a sample with strokes: each puts its units on, or off, under its brush."""
    generator, _, codes = networks()
    edits = []
    for stroke in strokes:
        how, found = stroke.values, kit(stroke.values["what"], stroke.values["layer"])
        mask, add = brushed(stroke.points, how["brush"]), how["do"] == "add"
        edits.append((how["layer"], found.units, found.values if add else 0.0, mask,
                      how["strength"] if add else min(1.0, how["strength"])))
    return dissect.change(generator, codes[sample:sample + 1], edits)


@functools.lru_cache(4)
def before(sample):
    """A sample's picture without a stroke, and what the segmenter sees in it."""
    picture = painted((), sample)
    return picture, networks()[1](picture)[0]


def paintbrush(strokes, what="crown", do="add", layer="block16", brush=6, strength=3.0, sample=0):
    """The board: the picture as it is painted, as it was, what the segmenter sees, and how much of each object."""
    old, seen_before = before(sample)
    new = painted(strokes, sample) if strokes else old
    seen = networks()[1](new)[0] if strokes else seen_before
    left, top, side, _ = BOX
    board, found = Canvas(WIDTH, HEIGHT), kit(what, layer)
    board.text(left, 28, "Paint here", 12.5, bold=True, anchor="ls")
    board.picture(_rgb(new[0]), left, top, side, smooth=True)
    board.text(372, 28, "before", 12.5, bold=True, anchor="ls")
    board.picture(_rgb(old[0]), 372, top, 140, smooth=True)
    board.text(372, 224, "the segmenter sees", 12.5, bold=True, anchor="ls")
    board.picture(_coloured(seen), 372, 236, 140)
    board.text(540, 28, "area in %", 12.5, bold=True, anchor="ls")
    board.text(742, 28, "change", 12.5, bold=True, anchor="rs")
    now, was = (100 * m.float().mean((1, 2)) for m in (seen, seen_before))
    limit = max(4.0, (now - was).abs().max().item())
    for i, name in enumerate(NAMES):
        y = top + 28 * i
        board.rectangle(540, y + 5, 14, 14, COLOURS[name], plot.MUTED)
        board.text(562, y + 12, name, 12, bold=name == what, anchor="lm")
        board.text(666, y + 12, f"{now[i]:.1f}", 12, anchor="rm")
        by = (now[i] - was[i]).item()
        if abs(by) >= .05:
            board.rectangle(800, y + 4, by / limit * 50, 16, plot.FOR if by > 0 else plot.AGAINST)
            board.text(742, y + 12, f"{by:+.1f}".replace("-", "−"), 12, anchor="rm")
    board.line([(800, top), (800, top + 28 * len(NAMES))], plot.MUTED, .5)
    units = f"{len(found.units)} units of {layer} {'on' if do == 'add' else 'off'} under the brush"
    board.text(left, 396, f"{what}: {units}, best IoU {found.iou:.2f}; brush {2 * brush} pixels wide, "
               f"strength {strength:g}", 11, plot.MUTED, anchor="ls")
    return plot.jpeg(np.asarray(board.image), quality=82)


def _rgb(picture):
    return (picture.movedim(0, 2).clamp(0, 1) * 255).round().byte().numpy()


def _coloured(masks):
    palette = np.array([[int(c[k:k + 2], 16) for k in (1, 3, 5)] for c in COLOURS.values()], np.uint8)
    return palette[masks.int().argmax(0).numpy()]


def demos():
    controls = {"what": Toggle(NAMES, "crown", "what"), "do": Toggle((("add", "add"), ("erase", "erase")), "add", "do"),
                "layer": Toggle((("8 × 8", "block8"), ("16 × 16", "block16")), "block16", "layer"),
                "brush": Slider(2, 14, 6, label="brush"), "strength": Slider(0.0, 6.0, 3.0, 0.1, label="strength"),
                "sample": Slider(0, SAMPLES - 1, 8, label="sample")}
    return [Demo("08/paintbrush", "08", "A brush that switches units", functools.partial(paintbrush, ()), controls,
                 "Choose an object and draw on the large picture: its units are switched on under the brush, or off, "
                 "and the generator draws the rest. Put a crown on the grass, then one in the sky. Which objects come "
                 "everywhere, which does the segmenter not name although you see them, and in which layer? Move the sample: the "
                 "same strokes in another scene. With the keyboard: Tab to the picture, arrow keys, space bar.",
                 "Left, a generated landscape to paint on; in the middle the landscape before the strokes, and what the "
                 "segmenter sees now; right, the area of each object and how the strokes changed it.",
                 width=WIDTH, widget=functools.partial(
                     paint, paintbrush, box=BOX, width=WIDTH, height=HEIGHT, renews="sample"))]
