"""Lecture 03's demo of relevance as messages: the slides' network of seven neurons, the relevance on every
edge."""
import numpy as np

from .. import plot
from ..evaluate.by_hand import BIAS, EDGES, LAYERS, forward, messages
from ..widgets import Check, Slider
from . import Demo
from .canvas import Canvas, Chart, number

_PLACE = {n: (60 + 155 * c, 215 if len(layer) == 1 else 95 + 120 * r)
          for c, layer in enumerate(LAYERS) for r, n in enumerate(layer)}


def network(x1, x2, x3, bias):
    """The two pictures of the slides, live: what the neurons send up, and the relevance that comes down."""
    a, z = forward((x1, x2, x3), bias)
    relevance, sent = messages(a, z)
    board = Canvas(940, 560)
    _graph(board, 0, "prediction: aᵢ wᵢₖ goes up", a, {e: a[e[0]] * w for e, w in EDGES.items()}, "a")
    _graph(board, 480, "relevance: Rᵢ←ₖ comes down", relevance, sent, "R")
    sums = [sum(relevance[n] for n in layer) for layer in LAYERS]
    reach = 1.25 * max(1e-9, *map(abs, sums))
    names = ("R₁ + R₂ + R₃", "R₄ + R₅ + R₆", "R₇ = f(x)")
    board.bars(150, 440, 330, list(zip(names[::-1], sums[::-1], strict=True)), reach, row_height=32)
    steps = []
    for below, above, k_of in ((0, 1, LAYERS[1]), (1, 2, LAYERS[2])):
        kept = sum(relevance[k] * (BIAS[k] if bias else 0.0) / z[k] if z[k] else relevance[k] for k in k_of)
        steps.append((sums[above] - sums[below], kept))
    for i, (lost, kept) in enumerate(steps[::-1]):
        good = abs(lost) < 1e-9
        said = "✓ conserved" if good else f"✗ {number(lost, True)} stays with the biases"
        board.text(560, 472 + 32 * i, said, 12, plot.INK if good else plot.FOR, bold=True, anchor="lm")
        assert abs(lost - kept) < 1e-9 * max(1, abs(lost))  # what is missing is just what the biases keep
    return board.jpeg()


def _two(value):
    """Two decimals everywhere, so that what is added up by hand agrees to a hundredth or two."""
    return f"{value + 0.0:+.2f}".replace("-", "−").replace("−0.00", "0").replace("+0.00", "0")


def _graph(board, left, title, values, edges, letter):
    board.text(left + 20, 24, title, 12.5, bold=True)
    chart = Chart(board, (left + 4, 50, 440, 370), (0, 440), (370, 0))
    board.rectangle(left, 46, 460, 380, "white")  # a graph has no axes
    most = max(1e-9, *map(abs, edges.values()))
    curves = []
    for (i, k), value in edges.items():
        (x0, y0), (x1, y1) = _PLACE[i], _PLACE[k]
        colour = plot.RULE if abs(value) < 1e-12 else plot.FOR if value > 0 else plot.AGAINST
        curves.append(([x0, x1], [y0 - 50, y1 - 50], colour, 1 + 7 * abs(value) / most))
    chart.lines(*curves)
    for (i, k), value in edges.items():
        (x0, y0), (x1, y1) = _PLACE[i], _PLACE[k]
        t = 0.36
        x, y = left + 4 + x0 + t * (x1 - x0), y0 + t * (y1 - y0)
        text = _two(value)
        width = board.measure(text, 10.5) + 6
        board.rectangle(x - width / 2, y - 8, width, 16, "white")
        board.text(x, y, text, 10.5, plot.MUTED if abs(value) < 1e-12 else plot.INK, anchor="mm")
    for n, (x, y) in _PLACE.items():
        shade = plot.signed_rgb(np.array([[values[n]]]), max(1e-9, *map(abs, values.values())))[0, 0]
        chart.dot(x, y - 50, "#{:02x}{:02x}{:02x}".format(*shade), 24, plot.MUTED)
        ink = "white" if shade @ np.array([0.299, 0.587, 0.114]) < 140 else plot.INK
        board.text(left + 4 + x, y - 8, f"{letter}{'₀₁₂₃₄₅₆₇'[n]}", 10.5, ink, anchor="mm")
        board.text(left + 4 + x, y + 8, _two(values[n]), 10.5, ink, bold=True, anchor="mm")


def demos():
    def at(label, default):
        return Slider(-1.0, 2.0, default, step=0.05, label=label)

    return [Demo(
        "03/messages", "03", "Relevance travels in messages", network,
        {"x1": at("x₁", 1.0), "x2": at("x₂", 0.5), "x3": at("x₃", 1.5),
         "bias": Check(False, "biases b₄ … b₇")},
        "Seven neurons, ReLU at 4, 5, 6. Each neuron hands its relevance down in the proportions in which "
        "its inputs made its sum. Without biases every layer's relevance adds up to f(x).",
        "The network of seven neurons twice: on the left with what each neuron sends up, on the right with "
        "the relevance that comes down on every edge, red for positive and blue for negative; below, bars of "
        "each layer's "
        "sum.", 940)]
