"""Lecture 02's demos of sparse codes: the price λ, the power p and the tie β; the switches on their way to rest."""
import functools

import numpy as np
import torch

from .. import plot
from ..features import adaptive, edges, photo_codes, sparse
from ..features.shrink import table
from ..widgets import Slider, Toggle
from . import Demo
from .canvas import Canvas, Chart, number

STARTS, ITEMS = {"z = 0": 0.0, "z ~ N(0, 0.03²)": 0.03, "z ~ N(0, 0.1²)": 0.1}, 16
PENALTIES = {"p = 1": 1.0, "p = 0.8": 0.8, "p = 0.5": 0.5}
_STEPS, _START = 12, 10.0  # of the continuation: steps, and β at the start


@functools.cache
def _pictures():
    """Eight cut-outs (8, 1, 32, 32) that the filters were not learned on, from other places of the same photographs."""
    return edges.crops(edges.photographs(), 8, 32, seed=77)


@functools.cache
def _ready():
    """The pictures; and the look-up tables of the penalties, so that no move has to make one."""
    for p in PENALTIES.values():
        if p != 1:
            table(p)
    return _pictures()


def price(lam, p, last, picture):
    """Section 1: the code of one cut-out by the continuation scheme, and its cost step by step."""
    y, f = _ready()[picture:picture + 1], photo_codes.photo_filters().filters
    code = sparse.sparse_code(y, f, lam, p, "continuation", _STEPS, beta=_START * lam,
                              growth=max((last / _START) ** (1 / (_STEPS - 1)), 1.0001), tolerance=1e-2)
    board, side, limit = Canvas(900, 470), 200, plot.limit_of(y, 0.99)
    used = int((code.maps != 0).sum())
    error = float((code.picture - y).square().sum() / y.square().sum())
    for i, (x, title) in enumerate(((y, "picture y (high-passed)"), (code.picture, "Σ x ⊕ f"), (y - code.picture, "what is left"))):
        board.picture(_grey(x[0, 0], limit), 20 + i * (side + 18), 36, side, side)
        board.text(20 + i * (side + 18), 26, title, 11.5, bold=True, anchor="ls")
    strength = code.maps[0].abs().sum(0)
    board.picture(plot.signed_rgb(strength, plot.limit_of(strength)), 20 + 3 * (side + 18), 36, side, side)
    board.text(20 + 3 * (side + 18), 26, "where x ≠ 0: Σ |x| over k", 11.5, bold=True, anchor="ls")
    _use(board, code.maps[0], f)
    for i, (label, value) in enumerate((("nonzero entries of x", f"{used:,}"), ("per pixel", used / y.numel()), ("left: ‖Fx − y‖² / ‖y‖²", error),
                                        ("C₁", float(code.objective)))):
        board.text(720, 290 + 40 * i, label, 10.5, plot.MUTED)
        board.text(720, 304 + 40 * i, value if isinstance(value, str) else number(value), 15, bold=True)
    h = code.history.objective.to_numpy()
    unit = 10.0 ** np.floor(np.log10(h.max()))
    high = unit * np.ceil(h.max() / unit)
    chart = Chart(board, (430, 300, 250, 120), (0, _STEPS), (0, high), "step", "C₁ of x", (0, 4, 8, 12), (0, high / 2, high))
    chart.lines((np.arange(len(h)), h, plot.COLORS[0], 2))
    return board.jpeg()


def _use(board, x, f):
    """The sixteen filters, and how much of the code each carries."""
    board.text(20, 262, "the filters f, and Σ |x_k| below each", 11.5, bold=True, anchor="ls")
    share = x.abs().sum((1, 2))
    share = share / share.sum().clamp_min(1e-9)
    for k in range(len(f)):
        left, top = 20 + (k % 8) * 46, 274 + (k // 8) * 92
        board.picture(_grey(f[k, 0], plot.limit_of(f[k])), left, top, 40, 40)
        board.rectangle(left, top + 44, 40 * min(1.0, 4 * float(share[k])), 8, plot.COLORS[0])
        board.text(left, top + 56, f"{float(share[k]):.0%}", 9.5, plot.MUTED)


def settling(step, start, item):
    """Section 3: layer 1 after so many steps, which switches moved in the last one, and the share that moved in each."""
    states = _run(start, item)
    y, (nonzero, picture, moved, held) = photo_codes.photo_layers().y[item], states[step - 1]
    board, side, limit = Canvas(900, 400), 210, plot.limit_of(y, 0.99)
    board.text(20, 26, "picture y", 11.5, bold=True, anchor="ls")
    board.picture(_grey(y[0], limit), 20, 36, side, side)
    board.text(250, 26, f"R z after step {step}", 11.5, bold=True, anchor="ls")
    board.picture(_grey(picture[0, 0], limit), 250, 36, side, side)
    board.text(480, 26, "blocks of the 8 pooled maps that hold something", 11.5, bold=True, anchor="ls")
    held, changed = held[0], moved[0]
    tiles = []
    for g in range(8):
        rgb = np.full((*held.shape[1:], 3), 255, np.uint8)
        rgb[held[g].numpy()] = (175, 175, 175)
        rgb[changed[g].numpy()] = (213, 94, 0)
        tiles.append(np.pad(rgb, ((1, 1), (1, 1), (0, 0)), constant_values=225))
    mosaic = np.concatenate([np.concatenate(tiles[:4], 1), np.concatenate(tiles[4:], 1)])
    board.picture(mosaic, 480, 36, 400)
    board.text(480, 250, "grey: the switch stayed; orange: it moved in this step", 10.5, plot.MUTED)
    share = np.array([float(moved.sum() / held.sum().clamp_min(1)) for _, _, moved, held in states])
    chart = Chart(board, (70, 300, 390, 56), (1, len(states)), (1e-4, 1), "step",
                  "share of switches that moved", (1, 5, 10, 15, 20, 25, 30), (1e-4, 1e-2, 1), log="y")
    chart.lines((np.arange(1, len(states) + 1), share.clip(1e-4), plot.COLORS[1], 2))
    chart.dot(step, max(share[step - 1], 1e-4))
    for i, (label, value) in enumerate((("moved in this step", f"{share[step - 1]:.2%}"), ("nonzero share of z", f"{nonzero:.1%}"),
                                        ("left of y", f"{float((picture[0] - y).square().sum() / y.square().sum()):.0%}"))):
        board.text(490 + 140 * i, 292, label, 10.5, plot.MUTED)
        board.text(490 + 140 * i, 308, value, 18, bold=True)
    return board.jpeg()


@functools.lru_cache(64)
def _run(start, item, steps=30):
    """The thirty states of one item's first layer: (share of z that is not 0, picture, which switches moved,
    which blocks hold something), from z ~ start · N(0, 1)."""
    found = photo_codes.photo_layers()
    y, f = found.y[item:item + 1], found.filters[:1]
    z = start * torch.randn(found.layers[0].maps[:1].shape, generator=torch.Generator().manual_seed(0))
    z = adaptive.unpool(*adaptive.pool(z))
    states, before = [], [adaptive.pool(z)[1].index]

    def keep(z, pooled, switches, picture):
        held = pooled != 0
        states.append((float((z != 0).float().mean()), picture, (switches.index != before[-1]) & held, held))
        before[:] = [switches.index]

    adaptive.infer(y, f, lam=1.0, steps=steps, beta=_beta(), z=z, watch=keep)
    return states


def _settled():
    """Every start of every picture, some seconds: done when the demo opens, so that no move waits for one."""
    for start in STARTS.values():
        for item in range(ITEMS):
            _run(start, item)


@functools.cache
def _beta():
    return 1 / sparse.lipschitz(photo_codes.photo_layers().filters[0])


def _grey(x, limit):
    """A signed picture (H, W) in grey, ±limit black and white, as (H, W, 3) uint8."""
    x = np.asarray(x, float)
    return np.repeat(((np.clip(x / limit, -1, 1) + 1) * 127.5).round().astype(np.uint8)[..., None], 3, 2)


def demos():
    return [
        Demo("02/price", "02", "The price of a stroke: λ, p and β", price,
             {"lam": Slider(0.1, 3.0, 1.5, label="λ", log=True), "p": Toggle(PENALTIES, label="penalty"),
              "last": Slider(20.0, 3000.0, 700.0, label="last β / λ", log=True), "picture": Slider(0, 7, 0, label="picture")},
             "λ is the price of a misfit: where it is small, every stroke is dear, and few are left. A smaller p prefers few strong strokes to many weak ones. "
             "If β ends too low, x stays far from z and the picture pale.",
             "A high-passed picture, its reconstruction from a sparse code, what is left, where the code is not zero, how much each "
             "of sixteen filters is used, and the objective at every step."),
        Demo("02/switches", "02", "Switches come to rest", settling,
             {"step": Slider(1, 30, 3, label="step"), "start": Toggle(STARTS, label="start"),
              "item": Slider(0, ITEMS - 1, 3, label="picture")},
             "From z = 0 the first step decides nearly all switches. From noise they start at random, and move until the picture has won.",
             "A picture, its reconstruction after some steps of ISTA, the blocks whose switches moved in the last step in orange, "
             "and the share of switches that moved in each step.", ready=_settled),
    ]
