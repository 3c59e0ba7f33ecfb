"""Lecture 03's classifier of the plane, where a root point can be seen, and its demo: gradient at x, Taylor
at a root."""
import functools

import numpy as np
import torch

from .. import attribution, plot
from ..evaluate.by_hand import plane
from ..widgets import Slider, Toggle
from . import Demo
from .canvas import Canvas, Chart, number

REACH = 3.0


@functools.cache
def _ground():
    """The plane's colours under f, the dots, and dashed where f changes sign: (H, W, 3) uint8."""
    points, labels, f = plane()
    line = torch.linspace(-REACH, REACH, 241, dtype=torch.float64)
    grid = torch.cartesian_prod(line.flip(0), line).flip(1)  # rows from the top
    with torch.no_grad():
        value = f(grid).reshape(241, 241).numpy()
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots()
    boundary = ax.contour(line, line.flip(0), value, [0.0]).allsegs[0]
    plt.close(fig)
    board = Canvas(290, 290)
    chart = Chart(board, (0, 0, 290, 290), (-REACH, REACH), (-REACH, REACH))
    board.picture((255 - 0.45 * (255.0 - plot.signed_rgb(value, 2.0))).astype(np.uint8), 0, 0, 290, 290,
                  smooth=True)
    for p, y in zip(points[::2].tolist(), labels[::2].tolist(), strict=True):
        if max(map(abs, p)) < REACH - 0.1:
            chart.dot(*p, plot.COLORS[0] if y > 0 else plot.COLORS[2], 2)
    chart.lines(*[(*b.T, plot.INK, 1.4, 5) for b in boundary if len(b) > 8])
    return np.asarray(board.image)


def expansion(x1, x2, search):
    """The point x among the dots; left the gradient at x, right its root and the Taylor terms there."""
    points, labels, f = plane()
    x = torch.tensor([[x1, x2]], dtype=torch.float64)
    with torch.no_grad():
        here = float(f(x))
    slope = attribution.gradient(f, x, 0)
    try:
        root = (attribution.line_root(f, x, points[(labels > 0) != (here > 0)], 0) if search == "line" else
                attribution.nearest_root(f, x, 0))
    except ValueError:  # the local search follows the gradient, and may lose its way in the flat
        root = None
    board = Canvas(940, 430)
    for left, title in ((30, "gradient at x"), (340, "Taylor at a root x⁰")):
        board.picture(_ground(), left, 46, 290, 290, smooth=True)
        chart = Chart(board, (left, 46, 290, 290), (-REACH, REACH), (-REACH, REACH), "x₁", "", (-2, 0, 2))
        board.text(left, 36, title, 12.5, bold=True, anchor="ls")
        curves = []
        if left == 30:
            step = 0.9 * slope[0] / slope.norm().clamp(min=1e-12)
            curves += _arrow(x[0], x[0] + step)
        elif root is not None:
            curves += _arrow(root[0], x[0])
        chart.lines(*curves)
        if left != 30 and root is not None:
            chart.dot(*root[0].tolist(), "#ffffff", 5, plot.INK)
        chart.dot(x1, x2, plot.COLORS[1], 5)
    board.text(660, 36, "relevance", 12.5, bold=True, anchor="ls")
    if root is None:
        board.bars(740, 50, 150, [("f(x)", here)], 1.3 * max(0.5, abs(here)), row_height=36)
        for i, line in enumerate(("No root was met from here:", "the gradient leads away.")):
            board.text(660, 110 + 20 * i, line, 12, plot.FOR, bold=True)
        return board.jpeg()
    R = attribution.taylor(f, x, 0, root=root)[0].tolist()
    reach = 1.3 * max(0.5, abs(here), *map(abs, R))
    board.bars(740, 50, 150, [("f(x)", here), ("R₁", R[0]), ("R₂", R[1]), ("R₁ + R₂", sum(R))], reach,
               row_height=36)
    size = float(slope.norm() * (x - root).norm())
    cosine = float((slope * (x - root)).sum()) / size if size > 1e-12 else 0.0
    for i, (name, value) in enumerate((
            ("between the two arrows", f"{np.degrees(np.arccos(np.clip(cosine, -1, 1))):.0f}°"),
            ("distance |x − x⁰|", number(float((x - root).norm()))),
            ("residuum f(x) − Σ R", number(here - sum(R), True)))):
        board.text(660, 220 + 62 * i, name, 11.5, plot.MUTED)
        board.text(660, 236 + 62 * i, value, 22, bold=True)
    return board.jpeg()


def _arrow(start, end):
    """The curves of an arrow in the plane."""
    way = (end - start).numpy()
    tip, size = end.numpy(), 0.22
    along = way / max(np.hypot(*way), 1e-9) * min(size, np.hypot(*way))
    across = np.array([-along[1], along[0]])
    wings = np.stack([tip - along + 0.6 * across, tip, tip - along - 0.6 * across])
    return [(*np.stack([start.numpy(), tip]).T, plot.COLORS[1], 3), (*wings.T, plot.COLORS[1], 3)]


def demos():
    return [Demo(
        "03/taylor", "03", "The gradient at x does not know where the boundary is", expansion,
        {"x1": Slider(-2.5, 2.5, 0.05, step=0.05, label="x₁"),
         "x2": Slider(-2.0, 2.0, 0.9, step=0.05, label="x₂"),
         "search": Toggle({"line to the nearest neighbour": "line",
                           "local search": "local"}, "line", "root by")},
        "Red ground: f > 0. Left the direction of the gradient at x, which climbs; right the way from a "
        "root x⁰ on the dashed boundary to x.",
        "The plane with dots of two classes and the decision boundary, twice: with the gradient at the point "
        "x, and with the "
        "arrow from a root point to x; beside it bars of f(x) and of the two relevances.", 940)]
