"""Lecture 01: the patches of real pictures that a unit likes best, cut out by its receptive field."""
from dataclasses import replace

from .. import features, plot
from ..widgets import Slider, Toggle
from . import Demo
from .canvas import Canvas, number
from .lecture01 import LAST, named, said, setting, shown


def strongest(network, layer, unit, k=9):
    """`features.top_patches` of a unit, from those pictures only that `said` knows to be the k best."""
    at, places = setting(network), said(network, scaled=False)[layer][0]
    chosen = places[:, unit].sort(descending=True, stable=True).indices[:k].sort().values
    top = features.top_patches(at.model, layer, unit, at.images[chosen], k, fill=1.0)
    return replace(top, indices=chosen[top.indices])


def patches(network, layer, unit):
    """Nine patches that a unit likes best, cut out by its receptive field, and where they lie."""
    at = setting(network)
    deep = min(layer, len(at.layers))
    name = at.layers[deep - 1]
    count = said(network, scaled=False)[name][0].shape[1]
    last = min(unit, count - 1)
    top = strongest(network, name, last)
    board, side, field = Canvas(900, 424), 108, top.field
    board.text(20, 26, f"{named(at, name)}, unit {last}: its nine favourites", 12.5, bold=True, anchor="ls")
    board.text(392, 26, "where they lie", 12.5, bold=True, anchor="ls")
    board.text(764, 26, "activation, class", 12.5, bold=True, anchor="ls")
    scale, frame = side / at.images.shape[-1], plot.COLORS[1]
    rows = zip(top.indices.tolist(), top.activations, top.boxes * scale, strict=True)
    for r, (picture, value, box) in enumerate(rows):
        x, y = 20 + r % 3 * (side + 8), 40 + r // 3 * (side + 8)
        board.picture(shown(top.patches[r], real=True), x, y, side)
        x += 372
        board.picture(shown(at.images[picture], real=True), x, y, side)
        above, left, below, right = box.tolist()
        for k in (0, 0.5, 1):
            board.rectangle(x + left - k, y + above - k, right - left + 2 * k, below - above + 2 * k,
                            outline=frame)
        board.rectangle(x + 3, y + side - 16, 12, 13, "white")
        board.text(x + 9, y + side - 9, str(r + 1), 9.5, plot.MUTED, anchor="mm")
        board.text(764, 52 + 22 * r, f"{r + 1}.", 11, plot.MUTED, anchor="lm")
        board.text(826, 52 + 22 * r, number(value), 11, anchor="rm")
        board.text(838, 52 + 22 * r, _short(at.classes[int(at.labels[picture])]), 11, plot.MUTED, anchor="lm")
    apart = f"; its neighbour's window lies {_pixels(field.stride[0])} further."
    seen = "the whole picture." if field.whole else f"{field.size[0]} × {field.size[1]} pixels{apart}"
    board.text(20, 392, f"A unit of this layer sees {seen}", 11, plot.MUTED)
    if deep < layer or last < unit:
        what = f"{network} has {len(at.layers)} layers" if deep < layer else f"this layer has {count} units"
        board.text(880, 392, f"{what}: the last is shown", 11, plot.FOR, anchor="ra")
    return plot.jpeg(board.image, quality=85)


def _pixels(n):
    return "1 pixel" if n == 1 else f"{n} pixels"


def _short(name):
    return {"house with trees": "both"}.get(name, name)


def _ready():
    for network in LAST:
        said(network, scaled=False)


def demos():
    controls = {"network": Toggle(tuple(LAST), "digits-cnn", "network"),
                "layer": Slider(1, 6, 2, label="layer"), "unit": Slider(0, 63, 5, label="unit")}
    return [Demo("01/patches", "01", "The patches that a unit likes best", patches, controls,
                 "Move up through the layers: the windows grow. Find a unit whose nine patches come from "
                 "one class, and one whose patches come from many: what do they have in common? What lies "
                 "over the border is filled with white.",
                 "Left, nine patches of real pictures; in the middle, the whole pictures with a frame "
                 "around each patch; right, the activation and the class of each.", ready=_ready)]
