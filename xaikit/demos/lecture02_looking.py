"""Lecture 02's demos of sections 6, 7 and 9: a unit through training, strides and aliasing, hiding the same part."""
import functools

import numpy as np
import torch

from .. import data, features, plot, zoo
from ..features import study
from ..widgets import Slider, Toggle
from . import Demo
from .canvas import Canvas, Chart, number

_LAYERS = ("conv1", "conv2", "conv3", "conv4")
_AT = study.EPOCHS
_BLOCKS = {"block 2": "features.4", "block 3": "features.7", "block 4": "features.10", "block 5": "features.13"}
_SIZES = Slider(6, 20, 10, label="square, pixels")
_PARTS = ("door", "left window", "roof", "random, on the house", "random, anywhere")


def through_training(layer, unit, stage):
    """Section 6: the three strongest patches of a unit at one of the kept epochs, their projections, and the layer's likeness to its end."""
    epoch, name = _AT[stage - 1], f"relu{_LAYERS.index(layer) + 1}"
    net, tops = _trained(epoch)
    top = tops[name].of(unit)
    down = features.project(net, top, _patches())
    board, side = Canvas(900, 330), 120
    board.text(20, 30, f"unit {unit} of {layer} after {epoch} epoch{'s' * (epoch != 1)}: its strongest patches, and what they show", 11.5, bold=True, anchor="ls")
    for r in range(3):
        board.picture(_rgb(top.patches[r]), 20 + r * (side + 8), 42, side, side)
        board.picture(plot.signed_rgb(down[r], plot.limit_of(plot.flat(down[r]))), 20 + r * (side + 8), 42 + side + 8, side, side)
        board.text(20 + r * (side + 8), 42 + 2 * side + 20, f"patch {int(top.indices[r])}: {number(top.activations[r])}", 10.5, plot.MUTED)
    table, _ = study.evolution()
    chart = Chart(board, (500, 62, 360, 206), (0, _AT[-1]), (0, 1), "epoch", "correlation with the end", (0, 10, 20, 30, 40, 64), (0, 0.5, 0.9, 1))
    chart.lines(*((table.index, table[n], plot.COLORS[i], 3.2 if n == layer else 1.4) for i, n in enumerate(_LAYERS)))
    chart.dot(epoch, table[layer][epoch], plot.COLORS[_LAYERS.index(layer)], 6)
    for i, n in enumerate(_LAYERS):
        board.text(610 + 62 * i, 240, n, 11, plot.COLORS[i], n == layer)
    return board.jpeg()


@functools.cache
def _patches():
    return study.crops("test", 20)[0]


@functools.cache
def _trained(epoch):
    """The network after so many epochs, and {layer: every unit's strongest patches}; all epochs when the demo opens."""
    net = study.at_epoch(epoch)
    return net, {f"relu{k + 1}": features.top_patches(net, f"relu{k + 1}", None, _patches(), k=3, fill=1.0) for k in range(len(_LAYERS))}


def _ready():
    for epoch in _AT:
        _trained(epoch)


def sampled(first, unit, stride):
    """Section 7: a first-layer map at every pixel, what is left of it at a stride, and how much was folded over."""
    power, dense = _first(first)
    height = dense.shape[2]
    down, across = torch.fft.fftfreq(height).abs(), torch.fft.rfftfreq(dense.shape[3])
    weight = torch.where((across > 0) & (across < 0.5), 2.0, 1.0)
    beyond = (down[:, None] > 1 / (2 * stride)) | (across[None] > 1 / (2 * stride))
    mine = power[unit] * weight
    share = float((mine * beyond).sum() / mine.sum())
    board, side = Canvas(900, 326), 240
    limit = plot.limit_of(dense[0, unit], 0.995)
    start = (stride - 1) // 2
    for k, (shown, title) in enumerate(((dense[0, unit], "the map at every pixel"), (dense[0, unit, start::stride, start::stride], f"read every {stride} pixels"))):
        board.picture(plot.signed_rgb(shown, limit), 20 + k * (side + 20), 42, side, side)
        board.text(20 + k * (side + 20), 32, title, 11.5, bold=True, anchor="ls")
    line = (mine.sum(0) / mine.sum())[1:]
    chart = Chart(board, (600, 62, 270, 170), (0, 0.5), (1e-5, 1), "horizontal frequency (cycles per pixel)", "share of the energy",
                  (0, 0.125, 0.25, 0.5), (1e-4, 1e-2, 1), log="y")
    chart.lines((across[1:], line.clamp(min=1e-5), plot.INK, 2), ([1 / (2 * stride)] * 2, [1e-5, 1], plot.FOR, 1.2, 4))
    chart.text(1 / (2 * stride), 1, f"Nyquist, stride {stride}", 4, 4, size=10, color=plot.FOR)
    board.text(600, 276, "aliased share of the map's energy", 11, plot.MUTED)
    board.text(600, 292, f"{share:.1%}", 20, bold=True)
    own = study.FIRST[first][1]
    board.text(700, 300, f"this network's own stride is {own}", 10.5, plot.MUTED)
    return board.jpeg()


@functools.cache
def _first(first):
    net = study.trained(first)
    photos = torch.cat([data.photo(n, 120).mean(1, keepdim=True) for n in ("camera", "chelsea", "coffee", "brick")])
    rim = study.FIRST[first][0] // 2  # what the zeros around the picture touch
    dense = features.dense_maps(net, "conv1", photos)[:, :, rim:-rim, rim:-rim]
    return features.spectrum(dense), dense


def same_part(part, size, block):
    """Section 9: a square on the same part of many houses, and how alike the features of a block change."""
    net, images, spots = _houses()
    board, side = Canvas(900, 300), 126
    hidden = features.hide(images[:6], *(spots[part][:6] - size / 2).round().long().T, size)
    board.text(20, 30, f"six of {len(images)} houses, hidden: {part}", 11.5, bold=True, anchor="ls")
    for k, x in enumerate(hidden):
        board.picture(_rgb(x), 20 + (k % 3) * (side + 6), 42 + (k // 3) * (side - 4), side - 10)
    board.text(450, 30, f"Δ in {block}, averaged over places (low: alike)", 11.5, bold=True, anchor="ls")
    for i, (name, (delta, error)) in enumerate(_deltas(size)[_BLOCKS[block]].items()):
        y, mine = 50 + 44 * i, name == part
        board.text(580, y + 12, name, 11, bold=mine, anchor="rm")
        board.rectangle(590, y, 240 * delta / 0.8, 24, plot.AGAINST if mine else "#9db8d3")
        board.line([(590 + 240 * (delta - 2 * error) / 0.8, y + 12), (590 + 240 * (delta + 2 * error) / 0.8, y + 12)], plot.INK, 1.5)
        board.text(596 + 240 * (delta + 2 * error) / 0.8, y + 12, number(delta), 10.5, anchor="lm")
    board.text(450, 276, "black: ± 2 standard errors over the houses", 10.5, plot.MUTED)
    return board.jpeg()


@functools.cache
def _deltas(size):
    """{block: {kind of place: (Δ, its error)}}, all from one pass: the houses as they are, and with each kind of square."""
    net, images, spots = _houses()
    every = [images, *(features.hide(images, *(at - size / 2).round().long().T, size) for at in spots.values())]
    found = {}
    for block, maps in features.responses(net, _BLOCKS.values(), torch.cat(every)).items():
        whole, *hidden = maps.mean((2, 3)).chunk(len(every))
        changes = {name: whole - seen for name, seen in zip(spots, hidden, strict=True)}
        found[block] = {name: features.inconsistency(torch.where(c.abs() > 1e-6 * whole.abs().max(), c, 0.0))
                        for name, c in changes.items()}
    return found


def _all_deltas():
    for size in range(_SIZES.low, _SIZES.high + 1):
        _deltas(size)


@functools.cache
def _houses():
    """scenes-cnn, ten houses, and where each kind of square goes."""
    images, places = features.parts.house_places()
    return zoo.load("scenes-cnn"), images[:10], {kind: centres[:10] for kind, centres in places.items()}


def _rgb(x):
    return (plot.pixels(x) * 255).round().astype(np.uint8)


def demos():
    return [
        Demo("02/epochs", "02", "A unit through training", through_training,
             {"layer": Toggle({n: n for n in _LAYERS}, "conv2", "layer"), "unit": Slider(0, 15, 3, label="unit"),
              "stage": Slider(1, len(_AT), len(_AT), label="kept epoch, 1 … 9")},
             "The strongest patches of a unit, and their projections, from the random start to epoch 64.",
             "Three patches and their projections at one epoch, beside curves of how much each layer correlates with its end.", 900,
             ready=_ready),
        Demo("02/stride", "02", "What a stride folds over", sampled,
             {"first": Toggle({n: n for n in study.FIRST}, next(iter(study.FIRST)), "first layer"), "unit": Slider(0, 15, 1, label="unit"),
              "stride": Slider(1, 10, 4, label="stride, pixels")},
             "A map of the first layer at every pixel and read at a stride; what lies right of the dashed line folds over.",
             "Two maps, one at every pixel and one read at a stride, and the spectrum with the Nyquist frequency.", 900),
        Demo("02/parts", "02", "The same part in many houses", same_part,
             {"part": Toggle({n: n for n in _PARTS}, "door", "hidden"), "size": _SIZES,
              "block": Toggle({n: n for n in _BLOCKS}, "block 4", "features of")},
             "Does hiding the same part change the features alike? Compare with random places.",
             "Six houses with a grey square on the same part, and bars of the inconsistency of the change for five kinds of places.", 900,
             ready=_all_deltas),
    ]
