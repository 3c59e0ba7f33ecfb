"""Lecture 02's demos on the probe: the live demo, three ways through a ReLU, the three occlusion maps."""
import functools
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from .. import data, features, plot, zoo
from ..features.top import top_patches
from ..receptive import receptive_field
from ..widgets import Slider, Toggle
from . import Demo
from .canvas import Canvas, number
from .lecture04_scenes import PHOTOS, _photo_weights, scene

RELU = {"gradient": "gradient", "deconvnet": "deconvnet", "guided backprop": "guided"}
GREY = 0.5
_SCENES = {"house with trees": 3, "house": 1, "trees": 2, "nothing": 0}


class Setting(NamedTuple):
    """A picture, the network that looks at it, and five of its layers from bottom to top."""

    model: nn.Module
    x: torch.Tensor  # (1, C, H, W) in [0, 1]
    classes: list
    layers: tuple
    most: int  # bars to show


@functools.cache
def setting(picture):
    """The :class:`Setting` of a picture's name: a drawn scene, or a photograph where squeezenet's weights are here."""
    if picture in PHOTOS:
        at = scene(picture)
        return Setting(at.model, at.x, at.classes, ("model.features.1", "model.features.4", "model.features.7",
                                                    "model.features.10", "model.features.12"), 5)
    drawn, n = _drawn(), _examples()[_SCENES[picture]]
    return Setting(_net(), drawn.images[n:n + 1], drawn.classes, relus(_net()), 4)


@functools.cache
def _examples():
    """{class: the first drawn scene of it that the network gets right}."""
    drawn = _drawn()
    with torch.no_grad():
        right = _net()(drawn.images).argmax(1) == drawn.labels
    return {c: int((right & (drawn.labels == c)).nonzero()[0]) for c in _SCENES.values()}


@functools.cache
def _net():
    return zoo.load("scenes-cnn")


@functools.cache
def _drawn():
    return data.scenes(60, seed=2)


def relus(model):
    """The names of a ConvNet's ReLUs, from the bottom up."""
    return tuple(f"features.{k}" for k, layer in enumerate(model.features) if isinstance(layer, nn.ReLU))


def pictures():
    photos = {f"photo: {label}": name for name, label in PHOTOS.items()} if _photo_weights() else {}
    return {name: name for name in _SCENES} | photos


def live(picture, layer, rank, relu, size, across, down):
    """The picture with a grey square, what one unit sees in it, and what the network says."""
    at = setting(picture)
    side = at.x.shape[-1]
    square = max(0, round(size / 100 * side))
    corner = [torch.tensor([round(share / 100 * side - square / 2)]) for share in (down, across)]
    x = features.hide(at.x, *corner, square, GREY) if square else at.x
    name = at.layers[layer - 1]
    with torch.no_grad():
        maps, whole = features.responses(at.model, name, torch.cat([x, at.x]))
        chances, before = at.model(torch.cat([x, at.x])).softmax(1)
    strongest = whole.flatten(1).amax(1)  # of the picture without the square: the same unit wherever it lies
    unit = int(strongest.argsort(descending=True, stable=True)[rank - 1])
    value, (row, column) = float(maps[unit].max()), divmod(int(maps[unit].argmax()), maps.shape[2])
    projection = features.deconvnet_probe(at.model, name, unit, x, (row, column), relu)
    board, width = Canvas(900, 396), 276
    board.picture(_rgb(x), 20, 40, width, width, smooth=side > 100)
    board.text(20, 30, "the picture" + (f" with a square of {square} pixels" if square else ""), 11.5, bold=True, anchor="ls")
    limit = plot.limit_of(plot.flat(projection), 0.999)
    board.picture(plot.signed_rgb(projection[0], limit), 20 + width + 20, 40, width, width)
    board.text(20 + width + 20, 30, f"layer {layer}, unit {unit}, number {rank} by strength", 11.5, bold=True, anchor="ls")
    (top, bottom), (left, right) = receptive_field(at.model, name, tuple(x.shape[1:])).box(row, column)
    k = width / side
    for x0 in (20, 40 + width):
        a, b, c, d = (min(max(v, 0), side) * k for v in (left, top, right, bottom))
        board.rectangle(x0 + a, 40 + b, c - a, d - b, outline=plot.FOR)
    board.text(20, 40 + width + 10, "red frame: what the unit can see", 10.5, plot.MUTED)
    board.text(40 + width, 40 + width + 10, f"{relu}, activation {number(value)} (no square: {number(float(strongest[unit]))}); scale ± {number(limit, digits=2)}", 10.5, plot.MUTED)
    board.text(40 + width, 40 + width + 28, f"{float((projection == 0).float().mean()):.0%} of the pixel values are exactly 0", 10.5, plot.MUTED)
    _bars(board, 40 + 2 * width + 24, 30, at, chances, before)
    return board.jpeg()


def _bars(board, x, y, at, chances, before):
    """The most likely classes of the whole picture, now and (outlined) without the square."""
    board.text(x, y, "what the network says", 11.5, bold=True, anchor="ls")
    for i, c in enumerate(before.topk(at.most).indices.tolist()):
        top = y + 14 + 46 * i
        board.text(x, top, _short(at.classes[c]), 11)
        board.rectangle(x, top + 18, 190 * float(chances[c]), 14, plot.AGAINST)
        board.rectangle(x, top + 18, 190 * float(before[c]), 14, outline=plot.INK)
        board.text(x + 196, top + 25, f"{float(chances[c]):.0%}", 10.5, anchor="lm")
    now = int(chances.argmax())
    board.text(x, y + 14 + 46 * at.most, f"now: {_short(at.classes[now])}", 11, plot.INK if now == int(before.argmax()) else plot.FOR, True)
    board.text(x, y + 34 + 46 * at.most, "outlined: without the square", 10.5, plot.MUTED)


def three_ways(relu, layer, unit):
    """Section 5: the strongest patches of a unit, their projections by one rule, and where the signal is cut."""
    name = f"features.{layer}"
    top, projections, cuts = _projected(name, unit, relu)
    board, side = Canvas(900, 330), 76
    for r in range(len(top.patches)):
        x, y = 20 + (r % 3) * (side + 6), 40 + (r // 3) * (side + 6)
        board.picture(_rgb(top.patches[r]), x, y, side, side)
        limit = plot.limit_of(plot.flat(projections[r]))
        board.picture(plot.signed_rgb(projections[r], limit), x + 290, y, side, side)
    board.text(20, 30, f"the nine patches that unit {unit} likes best", 11.5, bold=True, anchor="ls")
    board.text(310, 30, f"their projections: {relu}", 11.5, bold=True, anchor="ls")
    board.text(600, 30, "share of the signal that each ReLU cuts", 11.5, bold=True, anchor="ls")
    for i, row in enumerate(cuts.itertuples()):
        y = 48 + 40 * i
        board.text(600, y, f"ReLU {row.layer}", 11)
        board.rectangle(600, y + 17, 200, 12, outline=plot.RULE)
        board.rectangle(600, y + 17, 200 * row.cut, 12, plot.AGAINST)
        board.text(808, y + 23, f"{row.cut:.0%}", 11, anchor="lm")
    board.text(600, 292, "scenes-cnn, from layer " + name, 10.5, plot.MUTED)
    return board.jpeg()


@functools.cache
def _tops():
    """{layer: every unit's strongest patches}: all layers at once, when the demo opens, so that no move waits for one."""
    return {layer: top_patches(_net(), layer, None, _drawn().images, fill=1.0) for layer in relus(_net())}


@functools.lru_cache(256)
def _projected(layer, unit, relu):
    top, images = _tops()[layer].of(unit), _drawn().images
    whole, cuts = features.probe_and_cuts(_net(), layer, unit, images[top.indices], top.positions, relu)
    return top, features.cut_out(top, whole), cuts


def occlusion(picture, size, stride):
    """Section 8: the paper's three maps for a grey square of a size that moves by a stride."""
    at = setting(picture)
    # a few at a time: their maps then stay in the processor's cache
    found = features.occlusion_maps(at.model, at.x, at.layers[-1], size=size, stride=stride, grey=GREY, batch_size=16)
    board, side = Canvas(900, 292), 196
    board.picture(_rgb(features.hide(at.x, found.tops[:1], found.lefts[:1], size, GREY)), 20, 44, side, side)
    board.text(20, 34, f"{len(found.tops)} × {len(found.lefts)} places", 11.5, bold=True, anchor="ls")
    activity, chance = (m.numpy() for m in (found.activity, found.probability))
    shades = plot.COLORS[:len(at.classes)]
    label = np.array([[[int(shades[int(c)][k:k + 2], 16) for k in (1, 3, 5)] for c in row] for row in found.prediction], np.uint8)
    whole = max(found.before[0], float(activity.max()), 1e-9)
    for i, (shown, title, below) in enumerate((
            (_grey(activity / whole), f"activity of unit {found.unit}", f"{activity.min():.3g} … {activity.max():.3g}; whole: {found.before[0]:.3g}"),
            (_grey(chance), f"P({at.classes[found.target]})", f"{chance.min():.0%} … {chance.max():.0%}"),
            (label, "most likely class", ""))):
        x = 20 + (i + 1) * (side + 24)
        board.picture(_placed(shown, found, at.x.shape[-1], stride), x, 44, side, side)
        board.text(x, 34, title, 11.5, bold=True, anchor="ls")
        board.text(x, 248, below, 10.5, plot.MUTED)
    x = 20 + 3 * (side + 24)
    for k, c in enumerate(sorted(set(found.prediction.flatten().tolist()))):  # two columns: four classes at most
        left, top = x + 105 * (k % 2), 250 + 18 * (k // 2)
        board.rectangle(left, top, 12, 12, shades[c])
        board.text(left + 16, top + 6, _short(at.classes[c]), 10.5, plot.MUTED, anchor="lm")
    board.text(20, 248, f"square {size}, stride {stride} pixels", 10.5, plot.MUTED)
    board.text(20, 268, "dark: low.  Each cell stands where the square's middle was.", 10.5, plot.MUTED)
    return board.jpeg()


def _placed(cells, found, side, stride):
    """A map of the squares' places as a picture of side × side pixels: each cell around its square's middle, white elsewhere."""
    nearest, inside = [], []
    for start in (found.tops, found.lefts):
        off = (np.arange(side)[:, None] - (start.numpy() + (found.size - 1) / 2)[None])
        nearest.append(np.abs(off).argmin(1))
        inside.append(np.abs(off).min(1) <= stride / 2)
    return np.where((inside[0][:, None] & inside[1][None])[..., None], cells[nearest[0]][:, nearest[1]], np.uint8(255))


def _grey(values):
    return np.repeat((np.clip(values, 0, 1) * 255).round().astype(np.uint8)[..., None], 3, 2)


def _rgb(x):
    return (plot.pixels(x) * 255).round().astype(np.uint8)


def _short(name):
    return name if len(name) < 26 else name[:24] + "…"


def demos():
    rule = Toggle(RELU, "deconvnet", "ReLU rule")
    layers = {f"{k + 1}": str(n) for k, n in enumerate((1, 4, 7, 10, 13))}
    return [
        Demo("02", "02", "The probe live: layer × unit × picture × ReLU rule, and a grey square", live,
             {"picture": Toggle(pictures(), "house with trees", "picture"), "layer": Slider(1, 5, 4, label="layer"),
              "rank": Slider(1, 12, 1, label="unit, by strength"), "relu": rule,
              "size": Slider(0, 50, 20, label="square, % of the side"), "across": Slider(0, 100, 80, label="square across, %"),
              "down": Slider(0, 100, 20, label="square down, %")},
             "Left what goes in, in the middle what the strongest activation of the chosen unit answers to, right the network's "
             "answer. Put the square on what the projection shows, then on the sky.",
             "A picture with a grey square, the projection of one unit's strongest activation to the pixels, and bars of the class "
             "probabilities with and without the square.", 900),
        Demo("02/relu", "02", "Three ways through a ReLU", three_ways,
             {"relu": rule, "layer": Toggle(layers, "7", "layer"), "unit": Slider(0, 31, 3, label="unit")},
             "The same nine activations sent down by three rules; each ReLU on the way cuts a part of the signal.",
             "Nine patches, their nine projections, and a bar for each ReLU with the share of the signal it cuts.", 900),
        Demo("02/occlusion", "02", "Occlusion: size and stride", occlusion,
             {"picture": Toggle({n: n for n in _SCENES}, "house with trees", "picture"),
              "size": Slider(8, 32, 16, label="square, pixels"), "stride": Slider(10, 20, 10, label="stride, pixels")},
             "A grey square visits every place. What happens to the strongest map, to the probability of the class, to the answer?",
             "A picture with a grey square at the corner, and three maps over its places: activity of the strongest unit, probability "
             "of the class, most likely class.", 900),
    ]
