"""Lecture 01's first demo: a small network learns to part two clouds of points while one watches every unit of it.

After the slides' toy demo, Smilkov and Carter's TensorFlow playground.  ``Playground`` is the pure part: it is
made, stepped and drawn without a widget, and the same settings and steps give the same picture.
"""
import functools
import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageColor, ImageDraw
from torch import nn

from .. import plot
from ..widgets import Slider, Toggle
from . import Demo
from .canvas import SCALE, Canvas

SETS = ("circle", "xor", "gauss", "spiral")
ACTIVATIONS = {"tanh": nn.Tanh, "ReLU": nn.ReLU, "sigmoid": nn.Sigmoid, "none": nn.Identity}
COUNT, BATCH, EVERY, HALF = 200, 32, 5, 1.2  # points to train on and to test on, per step, steps per loss, half the plane's side
GRID, UNIT, SIDE = 40, 40, 244  # points per side of a surface, page pixels per side of a unit's picture, of the output's
TOP, LEFT, RIGHT, MIDDLE = 34, 24, 636, 234  # the output's corner, where the inputs stand, the height that units lie around


def points(dataset, noise, seed=0, n=COUNT):
    """n points x (n, 2), mostly in [−1, 1]², and labels y (n,) of 0 and 1; ``noise`` in [0, 0.5] moves points after labelling.

    circle: a disc in a ring · xor: the sign of x₁x₂ · gauss: two clouds · spiral: two arms.
    """
    if dataset not in SETS:
        raise ValueError(f"the sets are {', '.join(SETS)}, not {dataset!r}")
    if not 0 <= noise <= 0.5:
        raise ValueError(f"noise lies in [0, 0.5], not {noise}")
    rng = np.random.default_rng([seed, SETS.index(dataset)])
    y, u, v = np.arange(n) % 2, rng.random(n), rng.random(n)
    if dataset == "circle":
        radius, angle = np.where(y == 1, 0.5 * np.sqrt(u), 0.7 + 0.3 * u), 2 * math.pi * v
    elif dataset == "spiral":
        radius, angle = 0.05 + 0.95 * u, 2.5 * math.pi * u + math.pi * y
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1) if dataset in ("circle", "spiral") else (
        0.15 * rng.normal(size=(n, 2)) + np.where(y == 1, 0.4, -0.4)[:, None])
    if dataset == "xor":
        x = (0.06 + 0.9 * np.stack([u, v], 1)) * rng.choice([-1.0, 1.0], n)[:, None]
        x[:, 1] *= np.where(y == 1, 1, -1)
    x = x + noise * 0.5 * rng.normal(size=x.shape)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)


class Playground:
    """A network of ``depth`` hidden layers of ``units`` units, trained with Adam on ``points(dataset, noise)``.

    ``step(n)`` takes n batches of 32 points, ``picture()`` draws what each unit says of the plane, ``losses`` is a list
    of (step, loss on the training points, on the test points), in nats, at every fifth step.  ``l2`` is the weight decay.
    """

    def __init__(self, dataset="spiral", noise=0.05, depth=3, units=6, activation="tanh", lr=0.02, l2=0.0, seed=0):
        x, y = points(dataset, noise, seed, 2 * COUNT)
        self.train, self.test = (x[:COUNT], y[:COUNT]), (x[COUNT:], y[COUNT:])
        self.generator = torch.Generator().manual_seed(seed)
        widths = [2, *[units] * depth, 1]
        self.linears = [nn.utils.skip_init(nn.Linear, a, b) for a, b in zip(widths, widths[1:], strict=False)]
        for linear in self.linears:
            nn.init.xavier_normal_(linear.weight, gain=1.3, generator=self.generator)
            nn.init.zeros_(linear.bias)
        self.activation = ACTIVATIONS[activation]()
        parameters = [p for linear in self.linears for p in linear.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr, weight_decay=l2, fused=True)
        self.steps = 0
        self.dots = _dots(self.train, self.test)
        self.rows = torch.empty(0, dtype=torch.long)
        self.now = self.measure()
        self.losses = [self.now[:3]]

    def layers(self, x):
        """What every layer says of points (N, 2): one (N, units) per hidden layer, and the output (N, 1) before its sigmoid."""
        said = []
        for linear in self.linears[:-1]:
            said.append(x := self.activation(linear(x)))
        return [*said, self.linears[-1](x)]

    def step(self, n=1):
        """Learn from n batches."""
        for _ in range(n):
            if len(self.rows) < BATCH:
                self.rows = torch.randperm(COUNT, generator=self.generator)
            rows, self.rows = self.rows[:BATCH], self.rows[BATCH:]
            with torch.enable_grad():
                loss = F.binary_cross_entropy_with_logits(self.layers(self.train[0][rows])[-1][:, 0], self.train[1][rows])
                self.optimizer.zero_grad()
                loss.backward()
            self.optimizer.step()
            self.steps += 1
            if self.steps % EVERY == 0:  # however many steps are asked for at once
                self.now = self.measure()
                self.losses.append(self.now[:3])

    @torch.no_grad()
    def measure(self):
        """(step, training loss, test loss, share of test points right) as it stands."""
        said = self.layers(torch.cat([self.train[0], self.test[0]]))[-1][:, 0].split(COUNT)
        losses = [float(F.binary_cross_entropy_with_logits(s, y)) for s, (_, y) in zip(said, (self.train, self.test), strict=True)]
        return self.steps, *losses, float(((said[1] > 0) == (self.test[1] > 0.5)).float().mean())

    @torch.no_grad()
    def surfaces(self):
        """Each layer's units on the grid: arrays (units, GRID, GRID), row 0 at the top, the hidden ones scaled to a
        largest value of ±1; last the output (1, GRID, GRID), before its sigmoid.
        """
        *hidden, out = (h.T.reshape(-1, GRID, GRID).numpy() for h in self.layers(_grid()))
        return [m / (np.abs(m).max((1, 2), keepdims=True) + 1e-9) for m in hidden] + [out]

    def picture(self):
        """JPEG bytes, 900 × 430 page pixels."""
        *hidden, out = self.surfaces()
        board = _furniture(len(hidden), len(hidden[0])).copy()
        places = _places(len(hidden), len(hidden[0]))
        weights = [linear.weight.detach().numpy() for linear in self.linears]
        inks = ImageColor.getrgb(plot.AGAINST), ImageColor.getrgb(plot.FOR)
        for (left, right), weight in zip(zip(places, [*places[1:], [(RIGHT, MIDDLE - UNIT / 2)]], strict=True),
                                         weights, strict=True):
            for (x0, y0), column in zip(left, weight.T.tolist(), strict=True):
                for (x1, y1), w in zip(right, column, strict=True):
                    if abs(w) > 0.05:
                        board.draw.line([SCALE * v for v in (x0 + UNIT, y0 + UNIT / 2, x1, y1 + UNIT / 2)],
                                        inks[w > 0], min(round(SCALE * abs(w)) + 1, 8))
        side, values = SCALE * UNIT, np.linspace(-1, 1, 256)
        sheet = _coloured(np.concatenate([_inputs(), *hidden]).reshape(-1, GRID), values, side, Image.Resampling.NEAREST)
        for i, (x, y) in enumerate(p for column in places for p in column):
            board.image.paste(sheet.crop((0, i * side, side, (i + 1) * side)), (round(SCALE * x), round(SCALE * y)))
            board.rectangle(x, y, UNIT, UNIT, outline=plot.RULE)
        most = min(max(np.abs(out).max(), 1e-9), 8.0)  # beyond it, p is 0 or 1 to the eye
        sure = np.tanh(np.linspace(-most, most, 256) / 2)  # 2p − 1
        output = _coloured(out[0] / most, sure, SIDE * SCALE, Image.Resampling.BICUBIC)
        board.image.paste(output, (RIGHT * SCALE, TOP * SCALE))
        board.image.paste(self.dots, (RIGHT * SCALE, TOP * SCALE), self.dots)
        self._curve(board)
        # half the colour resolution and a lower quality than a picture that stands: half the work, a third of the bytes
        return plot.jpeg(board.image, quality=70, subsampling=2)

    def _curve(self, board):
        """The two losses so far, from 0 to 1 nat, and the numbers of now."""
        x, y, width, height = RIGHT, TOP + SIDE + 26, SIDE, 74
        step, train, test, right = self.now if self.now[0] == self.steps else self.measure()
        table = np.array([*self.losses[::max(1, len(self.losses) // 120)], (step, train, test)])
        across = x + width * table[:, 0] / max(step, 1)
        for values, color in ((table[:, 1], plot.COLORS[0]), (table[:, 2], plot.COLORS[1])):
            down = y + height * (1 - values.clip(0, 1))
            board.draw.line((SCALE * np.stack([across, down], 1)).ravel().tolist(), color, 3)
        board.text(x, y + height + 8, f"loss  train {train:.3f}", 11, plot.COLORS[0])
        board.text(x + 110, y + height + 8, f"test {test:.3f}", 11, plot.COLORS[1])
        board.text(x + width, y + height + 8, f"step {step}", 11, plot.MUTED, anchor="ra")
        board.text(x, TOP - 10, f"output: {right:.0%} of the test points right", 11.5, bold=True, anchor="ls")


@functools.cache
def _grid():
    axis = torch.linspace(-HALF, HALF, GRID)
    return torch.stack([axis.expand(GRID, GRID), -axis[:, None].expand(GRID, GRID)], 2).reshape(-1, 2)


@functools.cache
def _inputs():
    """The two coordinates as the units of a layer 0."""
    return (_grid() / HALF).T.reshape(2, GRID, GRID).numpy()


@functools.cache
def _places(depth, width):
    """Where the units of layer 0 (the inputs), 1, … stand: lists of (x, y) of their upper left corners."""
    columns = [LEFT + (RIGHT - LEFT) * k / (depth + 1) for k in range(depth + 1)]
    return [[(x, MIDDLE - UNIT / 2 + 47 * (i - (n - 1) / 2)) for i in range(n)]
            for x, n in zip(columns, [2, *[width] * depth], strict=True)]


@functools.cache
def _furniture(depth, width):
    """What does not move: titles, and the frame of the losses."""
    board = Canvas(900, 430)
    for k, column in enumerate(_places(depth, width)):
        board.text(column[0][0], column[0][1] - 7, "x₁, x₂" if k == 0 else f"layer {k}", 11.5, bold=True, anchor="ls")
    x, y = RIGHT, TOP + SIDE + 26
    board.line([(x, y), (x, y + 74), (x + SIDE, y + 74)], plot.MUTED, 0.5)
    for value in (0, 1):
        board.text(x - 6, y + 74 * (1 - value), str(value), 10, plot.MUTED, anchor="rm")
    return board


def _coloured(signed, values, width, how):
    """Numbers (h, w) as an image of that width in the signed map's colours: −1 … 1 has those of ``values`` (256,).

    What is enlarged is the numbers, not their colours: smooth borders from few points, and a third of the work.
    """
    levels = Image.fromarray(np.rint(127.5 * signed.clip(-1, 1) + 127.5).astype(np.uint8))
    levels = levels.resize((width, width * signed.shape[0] // signed.shape[1]), how)
    levels.putpalette(plot.signed_rgb(values[None], 1.0).tobytes())
    return levels.convert("RGB")


def _dots(*sets):
    """Red and blue points on a clear ground; those of the first set have a white ring, those of the second a dark one."""
    image = Image.new("RGBA", (SIDE * SCALE, SIDE * SCALE))
    draw = ImageDraw.Draw(image)
    for (x, y), ring in zip(sets, ("white", plot.INK), strict=True):
        for (px, py), label in zip((x.numpy() * [1, -1] / HALF + 1) / 2 * SIDE * SCALE, y, strict=True):
            draw.ellipse((px - 5, py - 5, px + 5, py + 5), plot.FOR if label > 0.5 else plot.AGAINST, ring)
    return image


def compute(steps=300, **settings):
    """The playground after ``steps`` steps."""
    game = Playground(**settings)
    game.step(steps)
    return game.picture()


def demos():
    controls = {"dataset": Toggle(SETS, "spiral", label="data"),
                "activation": Toggle(tuple(ACTIVATIONS), "tanh", label="activation"),
                "noise": Slider(0.0, 0.5, 0.05, step=0.01, label="noise"),
                "depth": Slider(1, 4, 3, label="layers"), "units": Slider(1, 8, 6, label="units"),
                "lr": Slider(0.0003, 0.3, 0.02, label="rate", log=True),
                "l2": Slider(0.0, 0.02, 0.0, step=0.0005, label="decay")}
    return [Demo("01/playground", "01", "A network to play with", compute, controls,
                 "Press play. Each small picture is one unit: how it answers at every point of the plane, red for high and "
                 "blue for low. Red lines are positive weights, blue negative, thick ones large. Points with a white ring are "
                 "for training, with a dark ring for testing.",
                 "A network drawn from left to right: two inputs, layers of small pictures that show each unit's answer over "
                 "the plane, joined by lines for the weights, and a large picture of the output with two kinds of points "
                 "on it; below, the training and the test loss fall.",
                 make=Playground, preview=600)]
