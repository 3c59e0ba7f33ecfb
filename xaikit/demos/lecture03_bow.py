"""Lecture 03's demo of the bag of words: one picture, its relevance, and the sums that must agree."""
import functools
import math

import numpy as np

from .. import data, plot
from ..features import bow, bow_relevance
from ..widgets import Toggle
from . import Demo
from .canvas import Canvas, Chart, number

_POWERS = {"1: sum": 1.0, "2": 2.0, "∞: maximum": math.inf}
_PAINT = {"whole windows": 0, "their central 6 × 6": 6}  # 0, for buttons take None for none of them
_NAMES = {"triangle": 3, "quadrilateral": 4, "pentagon": 5, "hexagon": 6, "octagon": 8, "circle": 0}


@functools.cache
def pictures():
    """{name: (image (1, H, W), masks (3, H, W))}: for each shape the first test picture with just one; then
    with four."""
    found = data.shapes(256, split="test")
    chosen, sides = {}, found.factors["shape1_sides"].to_numpy()
    for name, k in _NAMES.items():
        chosen[name] = int(np.flatnonzero((found.factors["shapes"] == 1) & (sides == k))[0])
    for name, label in (("polygons", 1), ("circles", 0)):
        four = (found.factors["shapes"] == 4) & (found.labels.numpy() == label)
        chosen[name] = int(np.flatnonzero(four)[0])
    return {name: (found.images[i], found.masks[i]) for name, i in chosen.items()}


def usable(mapping, kernel, p):
    """(kernel, p, note): a Fisher vector can be negative, so histogram kernels and p ≠ 1 have no meaning for
    it."""
    if mapping != "fisher" or (kernel in ("linear", "gaussian") and p == 1):
        return kernel, p, ""
    kernel = "gaussian" if kernel in bow.EXPONENTIAL else "linear"
    return kernel, 1.0, f"Fisher vectors are signed: shown with the {bow.KERNELS[kernel]} kernel and p = 1"


def _train():
    """Every machine that can be asked for: done when the demo opens, so that no move waits for one."""
    for mapping in bow.MAPPINGS:
        for kernel in bow.KERNELS:
            for p in _POWERS.values():
                bow.trained(mapping, *usable(mapping, kernel, p)[:2])


@functools.lru_cache(maxsize=256)
def explained(mapping, kernel, p, picture, paint):
    return bow_relevance.explain(bow.trained(mapping, kernel, p), pictures()[picture][0], paint)


def live(mapping, kernel, p, picture, paint):
    """The picture with its three strongest windows, R⁽¹⁾ over it, the four sums, and R⁽³⁾ of every word."""
    kernel, p, note = usable(mapping, kernel, p)
    found, (image, masks) = explained(mapping, kernel, p, picture, paint or None), pictures()[picture]
    board, side = Canvas(900, 470), 250
    board.text(20, 26, f"{picture}, strongest windows", 11.5, bold=True, anchor="ls")
    board.picture((plot.pixels(image) * 255).round().astype(np.uint8), 20, 36, side)
    for y, x, window, value in _strongest(found, image.shape[1:]):
        scale = side / image.shape[1]
        for grow in (0, 1):
            board.rectangle(20 + x * scale - grow, 36 + y * scale - grow, window * scale + 2 * grow,
                            window * scale + 2 * grow,
                            outline=plot.FOR if value > 0 else plot.AGAINST)
    limit = plot.limit_of(found.pixels, 0.998)
    board.text(294, 26, "relevance of pixels, R⁽¹⁾", 11.5, bold=True, anchor="ls")
    board.picture(plot.overlay(image, found.pixels, limit), 294, 36, side)
    board.scale(limit, 552, 44, side - 16, label="R⁽¹⁾")
    board.text(294, 290, "grey: the picture, where R⁽¹⁾ is near 0", 10, plot.MUTED)
    rows = list(found.sums().items())
    board.bars(752, 36, 130, rows, 2.4 * max(1.0, *(abs(v) for _, v in rows)), row_height=27)
    gap = abs(rows[1][1] - rows[0][1])
    exact = kernel in bow.SUM_DECOMPOSABLE
    board.text(624, 150, "exact: the kernel is a sum over "
                         "words" if exact else f"Taylor: {number(gap, digits=2)} of f(x) unexplained",
               10.5, plot.INK if exact else plot.FOR)
    board.text(624, 168, f"in it the bias, "
                         f"{number(found.bias, True)}" if exact else "the bias is in the root point", 10.5,
                         plot.MUTED)
    corner = masks[2].any()
    for i, (name, where) in enumerate((("corners", masks[2]),
                                       ("straight edges" if corner else "edge", masks[1] & ~masks[2]),
                                       ("inside", masks[0] & ~masks[1]),
                                       ("background", ~(masks[0] | masks[1])))):
        mean = float(found.pixels[where].mean()) if where.any() else float("nan")
        board.text(624, 204 + 20 * i, name, 10.5, plot.INK)
        board.text(880, 204 + 20 * i, "–" if mean != mean else number(1e4 * mean, True), 10.5,
                   plot.INK if mean != mean else plot.FOR if mean > 0 else plot.AGAINST, True, anchor="ra")
    board.text(624, 186, "mean relevance per pixel, in 10⁻⁴", 10.5, plot.MUTED)
    _words(board, found, bow.trained(mapping, kernel, p).machine.parts)
    board.text(20, 460, note, 10.5, plot.FOR, anchor="ls")
    return board.jpeg()


def _strongest(found, size, count=3):
    """(top, left, window, R) of the descriptors whose relevance has the largest size."""
    every = []
    for R, window in zip(found.descriptors, bow.trained().vocabulary.windows, strict=True):
        columns = bow.grid(size, window)[1]
        every += [(int(k) // columns * bow.STRIDE, int(k) % columns * bow.STRIDE, window, float(R[k]))
                  for k in R.abs().topk(count).indices]
    return sorted(every, key=lambda row: -abs(row[3]))[:count]


def _words(board, found, parts):
    """R⁽³⁾ as thin bars, each window size's words sorted from against to for."""
    height, limit = 90, plot.limit_of(found.words)
    chart = Chart(board, (60, 340, 820, height), (0, 1), (-limit, limit), yticks=(-limit, 0, limit))
    board.text(60, 330, "relevance of words, R⁽³⁾, sorted: words of the small windows, then of the large "
                        "ones", 11.5, bold=True, anchor="ls")
    for u, part in enumerate(parts):
        values = found.words[part].sort().values.tolist()
        width = 400 / len(values)
        for i, value in enumerate(values):
            top, bottom = chart.at(0, value)[1], chart.at(0, 0)[1]
            if abs(top - bottom) > 0.2:
                board.rectangle(60 + 420 * u + i * width, bottom, max(width - 0.7, 0.6), top - bottom,
                                plot.FOR if value > 0 else plot.AGAINST)


def demos():
    return [Demo(
        "03/bow", "03", "A bag of words, explained down to its pixels",
        lambda mapping, kernel, p, picture, paint: live(mapping, kernel, p, picture, paint),
        {"mapping": Toggle({v: k for k, v in bow.MAPPINGS.items()}, "rank"),
         "kernel": Toggle({v: k for k, v in bow.KERNELS.items()}, "intersection"),
         "p": Toggle(_POWERS, 1.0, "pooling p"),
         "picture": Toggle((*_NAMES, "polygons", "circles"), "quadrilateral"),
         "paint": Toggle(_PAINT, 0, "area(l)")},
        "A support vector machine on bags of words says polygon (positive) or circle. Red pixels speak for "
        "polygon. The four sums agree where the kernel is a sum over words; elsewhere the Taylor "
        "decomposition leaves a gap. It takes some seconds to open: everything is trained then.",
        "A picture of shapes with boxes round its three strongest windows; the same with the relevance of "
        "its pixels; bars of f(x) and of the sums of relevance over words, descriptors and pixels; below, "
        "the relevance of "
        "every word.", 900, ready=_train)]
