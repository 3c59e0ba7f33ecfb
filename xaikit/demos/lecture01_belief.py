"""Lecture 01: a belief network dreams while one of its units is held at 1, beside two other views of that unit."""
import functools

import numpy as np
import torch

from .. import data, features, plot, zoo
from ..widgets import Check, Slider
from . import Demo
from .canvas import Canvas

CHAINS, SHOWN = 64, 24  # chains that run, and those that are drawn


@functools.cache
def _network():
    return zoo.load("digits-dbn").requires_grad_(False)


@functools.cache
def _still_views():
    """The maximum and the linear combination of every unit of layer 2: (200, 28, 28) each."""
    net, norm = _network(), float(data.digits().images.flatten(1).norm(dim=1).mean())
    best = features.maximize_units(net, range(net.widths[-1]), norm, starts=1)[0][:, 0]
    return best.view(-1, 28, 28).numpy(), features.linear_combination(net).view(-1, 28, 28).numpy()


class Dream:
    """Chains of the upper RBM with ``unit`` held at 1 (or none); ``step(n)``: n Gibbs steps; ``picture()``: what they dream."""

    def __init__(self, unit=3, clamped=True, seed=0):
        self.net, self.unit, self.clamped = _network(), unit, clamped
        self.generator = torch.Generator().manual_seed(seed)
        self.v = features.belief.bernoulli(torch.full((CHAINS, self.net.widths[-2]), 0.5), self.generator)
        self.h = features.belief.bernoulli(torch.full((CHAINS, self.net.widths[-1]), 0.5), self.generator)
        self.steps = 0

    def step(self, n=1):
        self.v, self.h = features.gibbs(self.net.rbm(self.net.depth), self.v, n, self.unit if self.clamped else None, self.generator)
        self.steps += n

    @torch.no_grad()
    def picture(self):
        x = self.net.rbm(1).down(self.v).view(-1, 28, 28).numpy()
        board, side = Canvas(900, 400), 96
        on = float(self.h[:, self.unit].mean())
        board.text(20, 22, f"unit {self.unit}, {'held at 1' if self.clamped else 'free'}", 12, bold=True, anchor="ls")
        for i, (title, picture) in enumerate(zip(
                ("what excites it most", "the filters below it, added up", "the mean of all dreams"),
                (*(plot.signed_rgb(view[self.unit]) for view in _still_views()), _grey(x.mean(0))), strict=True)):
            board.picture(picture, 20, 44 + 122 * i, side, smooth=True)
            board.text(20 + side + 10, 44 + 122 * i + side / 2, title, 11.5, anchor="lm")
        board.text(340, 22, f"dreams of {SHOWN} of {CHAINS} chains after {self.steps} Gibbs steps; the unit is on in {on:.0%}", 12, bold=True,
                   anchor="ls")
        sheet = _grey(x[:SHOWN].reshape(4, 6, 28, 28).transpose(0, 2, 1, 3).reshape(4 * 28, 6 * 28))
        board.picture(sheet, 340, 34, 534, smooth=True)
        return plot.jpeg(board.image, quality=75, subsampling=2)


def _grey(x):
    return np.repeat((x * 255).clip(0, 255).astype(np.uint8)[..., None], 3, 2)


def compute(steps=100, **settings):
    """The dream after ``steps`` Gibbs steps."""
    dream = Dream(**settings)
    dream.step(steps)
    return dream.picture()


def demos():
    return [Demo("01/dream", "01", "A belief network dreams of one unit", compute,
                 {"unit": Slider(0, 199, 3, label="unit"), "clamped": Check(True, "hold the unit at 1")},
                 "Press play, move the unit. Right, digits that the network dreams up from noise, all with this unit on; left, their mean "
                 "beside what excites the unit most (red bright, blue dark) and the filters below it, added up. Free the unit to see "
                 "what the network dreams of by itself.",
                 "Left, three pictures of one unit: its maximum and its combined filters as red and blue strokes, and the mean of dreams "
                 "as a blurred digit. Right, 24 dreamt digits that change from step to step.",
                 make=Dream, preview=100, speed=Slider(1, 20, 1, label="speed"))]
