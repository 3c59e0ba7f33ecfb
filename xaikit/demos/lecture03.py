"""Lecture 03's live demo: a rule for each block of layers, and where the relevance goes."""
import functools
from typing import NamedTuple

import numpy as np
import torch

from .. import attribution, plot
from ..attribution import BLOCKS, AlphaBeta, Epsilon, Flat, Gamma, WSquare, ZBox
from ..widgets import Slider, Toggle
from . import Demo
from .canvas import Canvas, number
from .lecture04_scenes import PHOTOS, pictures, scene

FIRST = {"zᴮ": "box", "w²": "square", "flat": "flat", "ε": "epsilon", "αβ": "alpha", "γ": "gamma"}
OTHERS = {"ε": "epsilon", "αβ": "alpha", "γ": "gamma"}


class Question(NamedTuple):
    """What is explained, as the network takes it."""

    model: torch.nn.Module
    x: torch.Tensor  # (1, C, H, W)
    shown: np.ndarray  # (H, W, 3) uint8
    said: str
    target: int
    blocks: dict  # layer's name → block
    box: ZBox


@functools.cache
def question(name):
    """The digit or photograph of that name; a photograph is explained as the network gets it, normalised by
    channel."""
    at = scene(name)
    model, x, low, high = at.model, at.x, 0.0, 1.0
    if name in PHOTOS:
        model, (low, x, high) = at.model.model, ((v - at.model.mean) / at.model.std for v in (0.0, at.x, 1.0))
    with torch.no_grad():
        share = model(x)[0].softmax(0)
    target = int(share.argmax())
    said = f"{at.classes[target]}  ({float(share[target]):.0%})"
    blocks = {layer: block for layer, block, _ in attribution.layers(model, x)}
    return Question(model, x, (plot.pixels(at.x) * 255).round().astype(np.uint8), said, target, blocks,
                    ZBox(low, high))


def rules(at, first, lower, middle, upper, eps, alpha, gamma):
    """{layer's name: rule}, as ``lrp`` takes it."""
    made = {"epsilon": Epsilon(eps), "alpha": AlphaBeta(alpha, 1 - alpha), "gamma": Gamma(gamma),
            "flat": Flat(),
            "square": WSquare(), "box": at.box}
    chosen = dict(zip(BLOCKS, (first, lower, middle, upper), strict=True))
    return {layer: made[chosen[block]] for layer, block in at.blocks.items()} | {"*": Epsilon(1e-6)}


def live(picture, first, lower, middle, upper, eps, alpha, gamma):
    """The picture, its heatmap, and below them how f(x) is used up on the way to the pixels."""
    at = question(picture)
    mapping = rules(at, first, lower, middle, upper, eps, alpha, gamma)
    relevance, ledger = attribution.relevance_by_layer(at.model, at.x, at.target, mapping)
    return _draw(at, plot.flat(relevance), ledger)


def kept_by_block(at, ledger):
    """{block: (kept by biases, kept by stabilisers)}, from the logit down; what has no weights belongs to the
    layer above it."""
    found, block = {b: [0.0, 0.0] for b in BLOCKS[::-1]}, "upper"
    for row in ledger.itertuples():
        block = at.blocks.get(row.layer, block)
        found[block][0] += row.bias
        found[block][1] += row.stabiliser
    return found


def _draw(at, a, ledger):
    board, side = Canvas(900, 520), 262
    colour = at.x.shape[1] == 3
    limit = plot.limit_of(a, 0.995 if colour else 1.0)
    board.text(20, 26, f"input: {at.said}"[:44], 12, bold=True, anchor="ls")
    board.picture(at.shown, 20, 36, side, side, smooth=colour)
    board.text(310, 26, "relevance of each pixel", 12, bold=True, anchor="ls")
    board.picture(plot.signed_rgb(a, limit), 310, 36, side, side)
    board.scale(limit, 584, 44, side - 16, label="relevance")
    total, kept = float(a.sum()), kept_by_block(at, ledger)
    logit = float(ledger.arrives[0])
    board.text(668, 56, "f(x)", 12, plot.MUTED)
    board.text(668, 72, number(logit), 22, bold=True)
    board.text(668, 116, "reaches the pixels", 12, plot.MUTED)
    board.text(668, 132, number(total), 22, bold=True)
    board.text(668, 176, "positive / negative", 12, plot.MUTED)
    board.text(668, 194, f"{number(float(a[a > 0].sum()))} / {number(float(a[a < 0].sum()))}", 15, bold=True)
    gap = logit - total - sum(map(sum, kept.values()))
    board.text(668, 236, "not accounted for", 12, plot.MUTED)
    board.text(668, 254, f"{'✓' if abs(gap) <= 1e-4 * max(1, abs(logit)) else '✗'} "
                         f"{number(gap, digits=2)}", 15, bold=True)
    _waterfall(board, 20, 326, logit, kept, total)
    return board.jpeg()


def _waterfall(board, left, top, logit, kept, total):
    """f(x), then what each block keeps from where the one above left off, then what is left: signed bars on
    one scale."""
    rows, at = [("f(x)", [(0.0, logit, plot.INK)])], logit
    for block, (bias, stabiliser) in kept.items():
        rows.append((f"kept in {block}",
                     [(at, at - bias, plot.COLORS[4]), (at - bias, at - bias - stabiliser, plot.COLORS[0])]))
        at -= bias + stabiliser
    rows.append(("pixels", [(0.0, total, plot.FOR if total > 0 else plot.AGAINST)]))
    ends = [v for _, parts in rows for a, b, _ in parts for v in (a, b)]
    low, high = min(0.0, *ends), max(1e-9, *ends)
    x, width = left + 130, 520

    def place(value):
        return x + width * (value - low) / (high - low)

    for i, (name, parts) in enumerate(rows):
        y = top + 26 * i
        board.text(x - 10, y + 10, name, 11.5, anchor="rm")
        for a, b, shade in parts:
            if abs(place(b) - place(a)) >= 0.5:
                board.rectangle(place(a), y + 2, place(b) - place(a), 16, shade)
        edge = max(place(v) for a, b, _ in parts for v in (a, b))
        given = parts[0][1] if len(parts) == 1 else sum(a - b for a, b, _ in parts)
        board.text(edge + 6, y + 10, number(given, len(parts) > 1), 11, anchor="lm")
    board.line([(place(0), top - 4), (place(0), top + 26 * len(rows))], plot.MUTED, 0.6)
    board.rectangle(x, top + 26 * len(rows) + 10, 12, 12, plot.COLORS[4])
    board.text(x + 18, top + 26 * len(rows) + 16, "kept by biases", 11, anchor="lm")
    board.rectangle(x + 140, top + 26 * len(rows) + 10, 12, 12, plot.COLORS[0])
    board.text(x + 158, top + 26 * len(rows) + 16, "kept by stabilisers", 11, anchor="lm")


def photograph(name="chelsea", presets=("epsilon", "epsilon_plus", "epsilon_gamma_box", "lrp_cmp")):
    """A figure: a photograph and its relevance under some composites, for the class that SqueezeNet sees
    there.

    Returns the list of Axes; None where the network's weights are not on this machine.
    """
    if name not in pictures().values():
        return None
    at = question(name)
    edges = {"low": at.box.low, "high": at.box.high}
    maps = [plot.flat(attribution.lrp_composite(at.model, at.x, at.target, preset=p,
                                                **edges)) for p in presets]
    limits = [plot.limit_of(m, 0.995) for m in maps]  # a few bright pixels would leave the rest pale
    axes = plot.grid([at.shown, *(m.clip(-top, top) for m, top in zip(maps, limits, strict=True))],
                     signed=[False] + [True] * len(maps), size=2.1, columns=len(maps) + 1,
                     titles=[at.said, *(attribution.PRESETS[p].label.split(" (")[0] for p in presets)])
    plot.describe(axes[0], f"A photograph, {name}, and its relevance for {at.said} under {len(maps)} "
                           f"composites.")
    return axes


def demos():
    return [Demo(
        "03", "03", "LRP live: a rule for each depth",
        lambda picture, first, lower, middle, upper, eps, alpha, gamma: live(
            picture, first, lower, middle, upper, eps, alpha, gamma),
        {"picture": Toggle(pictures(), "3", "picture"), "first": Toggle(FIRST, "box", "first layer"),
         "lower": Toggle(OTHERS, "gamma", "lower"), "middle": Toggle(OTHERS, "alpha", "middle"),
         "upper": Toggle(OTHERS, "epsilon", "upper"), "eps": Slider(1e-3, 10.0, 2.0, label="ε", log=True),
         "alpha": Slider(1.0, 3.0, 2.0, step=0.1, label="α"),
         "gamma": Slider(0.0, 2.0, 0.25, step=0.05, label="γ")},
        "The score f(x) flows down from the upper layers to the pixels. The bars say what biases and "
        "stabilisers keep on the way: together with what reaches the pixels it adds up to f(x).",
        "An input and its relevance map under the chosen rules; below, bars from f(x) down to the pixels "
        "with what biases and "
        "stabilisers keep in each block of layers.", 900)]
