"""Lecture 04's demos on functions of one or two numbers, where every attribution can be followed by hand."""
import functools

import numpy as np
import torch
from torch import nn

from .. import attribution, plot
from ..widgets import Slider
from . import Demo
from .canvas import Canvas, Chart, number

BLUE, ORANGE, GREEN = plot.COLORS[:3]
_NAMES = {"gradient": "gradient", "gradient_x_input": "gradient × input", "deconvnet": "deconvnet",
          "guided_backprop": "guided backprop", "integrated_gradients": "integrated gradients",
          "deep_lift": "DeepLIFT", "lrp_epsilon": "LRP (ε, bias excluded)"}


class Ramp(nn.Module):
    """f(x) = 1 − ReLU(1 − x), (N,1) → (N,1): it rises up to x = 1 and is flat from there."""

    def forward(self, x):
        return 1 - torch.relu(1 - x)


class Difference(nn.Module):
    """f(x₁,x₂) = ReLU(ReLU(x₁) − 1 − ReLU(x₂)), (N,2) → (N,1), with the slide's layers and parameters."""

    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.Linear(2, 2, bias=False), nn.Linear(2, 1)
        for parameter, value in ((self.inner.weight, torch.eye(2)), (self.outer.weight, torch.tensor([[1.0, -1.0]])),
                                 (self.outer.bias, torch.tensor([-1.0]))):
            parameter.data.copy_(value)

    def forward(self, x):
        return torch.relu(self.outer(torch.relu(self.inner(x))))


class Product(nn.Module):
    """f(x₁,x₂) = x₁ · x₂, (N,2) → (N,1): symmetric in its inputs."""

    def forward(self, x):
        return x[:, :1] * x[:, 1:]


def credit(name, model, x, **options):
    """The attribution of one input, (D,) numpy, by a method of ``attribution.METHODS``; its output is explained."""
    x = torch.tensor([x], dtype=torch.float64)
    return attribution.METHODS[name].function(model.double(), x, target=0, **options)[0].numpy()


def vanishing(x):
    """Section 1: f between the baseline 0 and x, its tangent at x, and what three methods say about x."""
    board = Canvas(900, 360)
    chart = Chart(board, (60, 56, 400, 240), (-1, 3), (-1.25, 1.25), "x", "f(x)", range(-1, 4), (-1, -0.5, 0, 0.5, 1),
                  title="f(x) = 1 − ReLU(1 − x)")
    f, slope = min(x, 1.0), float(credit("gradient", Ramp(), [x])[0])
    reach = np.array([x - 0.9, x + 0.9])
    chart.lines(([-1, 1, 3], [-1, 1, 1], BLUE, 2.5), (reach, f + slope * (reach - x), ORANGE, 2, 6),
                ([x, x], [0, f], plot.MUTED, 1, 3))
    chart.dot(0, 0, plot.MUTED)
    chart.text(0, 0, "baseline", dx=9, dy=14, size=11, color=plot.MUTED, anchor="lm")
    chart.dot(x, f, ORANGE, 6)
    # beside the line, not on it: above its left, or below its right where the left is out of the picture
    dx, dy, anchor = (0, -16, "mm") if x > 1 else (-12, -9, "rm") if x > -0.4 else (13, 15, "lm")
    chart.text(x, f, f"x = {number(x)}", dx=dx, dy=dy, size=11, anchor=anchor, bold=True)
    rows = [("f(x) − f(0)", f), ("gradient", slope),
            ("gradient × input", float(credit("gradient_x_input", Ramp(), [x])[0])),
            ("integrated gradients", float(credit("integrated_gradients", Ramp(), [x], steps=1000)[0]))]
    board.text(560, 16, "What x is given credit for", 12, bold=True)
    board.bars(650, 56, 190, rows, 1.0, row_height=46, digits=2)
    verdict = ("The function moved, the gradient says 0." if slope == 0 else
               "x is the baseline: nothing to explain." if x == 0 else "Below the bend f is a straight line.")
    board.text(560, 262, verdict, 11, plot.FOR if slope == 0 else plot.MUTED)
    return board.jpeg()


def of_difference(x1, x2):
    """{label: credit (2,)} of ``Difference`` at (x₁, x₂), baseline (x₁, 0).

    They differ in x₂ alone: only then does sensitivity (a) say anything.  LRP knows no baseline.
    """
    start = torch.tensor([[x1, 0.0]], dtype=torch.float64)
    options = {"integrated_gradients": {"steps": 1000, "baseline": start}, "deep_lift": {"baseline": start},
               "lrp_epsilon": {"bias": "excluded"}}
    return {label: credit(name, Difference(), [x1, x2], **options.get(name, {})) for name, label in _NAMES.items()}


def sensitivity(x1, x2):
    """Section 2: f along x₂ at this x₁, and the credit that each method gives to x₁ and x₂."""
    board = Canvas(940, 400)
    chart = Chart(board, (60, 56, 300, 270), (0, 3), (0, 2.1), "x₂", "f(x₁, x₂)", range(4), (0, 0.5, 1, 1.5, 2),
                  title=f"f along x₂, at x₁ = {number(x1)}")
    along = np.linspace(0, 3, 301)
    value, before = max(max(x1, 0) - 1 - max(x2, 0), 0), max(max(x1, 0) - 1, 0)
    chart.lines((along, np.maximum(x1 - 1 - along, 0), BLUE, 2.5))
    chart.dot(x2, value, ORANGE, 6)
    chart.text(x2, value, f"f = {number(value)}", dx=10, dy=-14, size=11, bold=True,
               anchor="lm" if x2 < 2.2 else "rm")
    board.text(530, 16, "credit of x₁", 12, bold=True)
    board.text(730, 16, "credit of x₂", 12, bold=True)
    for i, (label, (first, second)) in enumerate(of_difference(x1, x2).items()):
        top = 44 + 42 * i
        missed = before != value and abs(second) < 1e-9
        if missed:
            board.rectangle(390, top, 540, 34, "#fdeee8")
        board.bars(530, top + 5, 120, [(label, first)], 3.2, zero=0.25)
        board.bars(730, top + 5, 130, [("", second)], 3.2, zero=0.6)
        if missed:
            board.text(920, top + 17, "misses x₂", 10.5, plot.FOR, bold=True, anchor="rm")
    said = (f"x₂ took f from {number(before)} to {number(value)}: sensitivity(a) asks for a credit other than 0."
            if before != value else "Here x₂ makes no difference to f.")
    board.text(920, 352, said, 11, plot.MUTED, anchor="ra")
    return board.jpeg()


def corner(first):
    """The path from (0,0) to (1,1) along two sides of the square, coordinate ``first`` before the other: 3 points."""
    turn = [1.0, 0.0] if first == 0 else [0.0, 1.0]
    return torch.tensor([[[0.0, 0.0]], [turn], [[1.0, 1.0]]], dtype=torch.float64)


def powers(p1, p2):
    """The path γ(α) = (α^p₁, α^p₂), for one α as (1,2)."""
    return lambda alpha: torch.stack([alpha**p1, alpha**p2], -1).reshape(-1, 2)


def paths(p1, p2):
    """Section 5: four paths from (0,0) to (1,1) on f = x₁ x₂, and the credit that each gives."""
    board = Canvas(900, 400)
    chart = Chart(board, (60, 56, 290, 290), (-0.03, 1.03), (-0.03, 1.03), "x₁", "x₂", (0, 0.5, 1), (0, 0.5, 1),
                  title="paths from x′ = (0, 0) to x = (1, 1)")
    level = np.linspace(0.01, 1.03, 200)
    alpha = torch.linspace(0, 1, 301, dtype=torch.float64)
    mine = powers(p1, p2)(alpha).numpy()
    chart.lines(*[(level, c / level, plot.RULE, 1) for c in np.arange(0.1, 1, 0.2)],
                ([0, 0, 1], [0, 1, 1], GREEN, 2.2), ([0, 1], [0, 1], BLUE, 2.2),
                ([0, 1, 1], [0, 0, 1], plot.COLORS[3], 2.2), (mine[:, 0], mine[:, 1], ORANGE, 3.5))
    for at, name, color, dx, dy in (((0, 1), "P₁", GREEN, 14, 14), ((0.5, 0.5), "P₂", BLUE, -14, -10),
                                    ((1, 0), "P₃", plot.COLORS[3], -16, -12)):
        chart.text(*at, name, dx=dx, dy=dy, size=12, color=color, bold=True, anchor="mm")
    chart.dot(0, 0), chart.dot(1, 1)
    board.text(470, 16, "credit of x₁", 12, bold=True)
    board.text(630, 16, "credit of x₂", 12, bold=True)
    board.text(800, 16, "sum", 12, bold=True)
    rows = [*zip(("P₁  x₂ first", "P₂  straight", "P₃  x₁ first"), slide_paths(), (GREEN, BLUE, plot.COLORS[3]),
                 strict=True), (f"γ  p = ({number(p1)}, {number(p2)})", along(powers(p1, p2)), ORANGE)]
    for i, (name, (first, second), color) in enumerate(rows):
        top = 62 + 58 * i
        board.bars(478, top, 90, [("", first)], 1, zero=0)
        board.bars(638, top, 90, [("", second)], 1, zero=0)
        board.text(466, top + 12, name, 11, color, bold=True, anchor="rm")
        board.text(800, top + 12, f"{first + second:.4f}", 11, anchor="lm")
    board.text(470, 310, "f(x) − f(x′) = 1: every path is complete.", 11)
    fair = "equal shares: this path keeps the symmetry" if p1 == p2 else "unequal shares for inputs that f treats alike"
    board.text(470, 332, f"γ: {fair}.", 11, ORANGE if p1 != p2 else plot.MUTED)
    return board.jpeg()


@functools.cache
def slide_paths():
    """The credits along the slide's three paths: x₂ first, straight, x₁ first."""
    return [along(path) for path in (corner(1), powers(1, 1), corner(0))]


def along(path, steps=32):
    """The credit (2,) of (1,1) along a path from (0,0) for f = x₁ x₂."""
    x = torch.ones(1, 2, dtype=torch.float64)
    return attribution.path_gradients(Product(), x, target=0, path=path, steps=steps, rule="gauss")[0].numpy()


def demos():
    return [
        Demo("04/vanishing", "04", "A gradient can vanish where the function moved", vanishing,
             {"x": Slider(-1.0, 3.0, 2.0, step=0.05, label="input x")},
             "Beyond x = 1 the function is flat: gradient and gradient × input give x nothing, although f went from 0 "
             "to 1. Integrated gradients gives it the whole difference.",
             "The curve f(x) = 1 − ReLU(1 − x) with its tangent at the input, beside bars of the credit that gradient, "
             "gradient × input and integrated gradients give to x.", 900),
        Demo("04/sensitivity", "04", "Sensitivity(a): deconvnet and guided backprop miss x₂", sensitivity,
             {"x1": Slider(0.0, 3.0, 3.0, step=0.05, label="x₁"), "x2": Slider(0.0, 3.0, 1.0, step=0.05, label="x₂")},
             "f(x₁,x₂) = ReLU(ReLU(x₁) − 1 − ReLU(x₂)), baseline (x₁, 0): x₂ alone moves. A shaded row gives x₂ "
             "nothing although x₂ changed the output. (LRP knows no baseline: it shares out f(x).)",
             "The output as x₂ grows, beside bars of the credit that seven methods give to x₁ and to x₂; deconvnet and "
             "guided backprop give x₂ nothing.", 940),
        Demo("04/paths", "04", "Every path is complete, only the straight one is fair", paths,
             {"p1": Slider(0.5, 4.0, 3.0, step=0.25, label="p₁"), "p2": Slider(0.5, 4.0, 1.0, step=0.25, label="p₂")},
             "f(x₁,x₂) = x₁ · x₂ treats its inputs alike; γ(α) = (α^p₁, α^p₂). The credits always add up to 1, but only "
             "the straight line shares it equally.",
             "Four paths from (0, 0) to (1, 1) in the plane, beside the credit that each gives to x₁ and to x₂ and "
             "their sum, always 1.", 900),
    ]
