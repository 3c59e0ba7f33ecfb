"""Lecture 01's live demo: the picture that a unit looks for forms while one watches.

Layers are taken before their ReLU: after it, a unit that is silent at the random start has no slope to climb.
"""
import functools
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from .. import data, features, hooks, plot, zoo
from ..widgets import Check, Slider, Toggle
from . import Demo
from .canvas import Canvas, Chart, number

STEPS, EVERY = 128, 4  # of the ascent, and for each point of the curves
SCENES, COMPONENTS = 400, 32  # real scenes, and principal components that the learned prior has
LAST = {"digits-cnn": 3, "scenes-cnn": 5}  # the number of their last layer, the class scores, from 0
TV, L2 = 0.3, 3.0  # penalties on the best real picture, as multiples of its activation
OBJECTIVES = {"neuron": "one place, the middle", "channel": "the mean over the map",
              "layer": "all units (DeepDream)", "direction": "towards a class", "class": "score of a class"}


class Setting(NamedTuple):
    """A network, its layers from bottom to top, and real pictures; ``scaled`` to ‖x‖ = ρ, their mean norm."""

    model: nn.Module
    layers: tuple
    images: torch.Tensor
    labels: torch.Tensor
    classes: list
    rho: float
    scaled: torch.Tensor


@functools.cache
def setting(network):
    model = zoo.load(network)
    real = data.digits() if network == "digits-cnn" else data.scenes(SCENES, seed=2, masks=False)
    norms = real.images.flatten(1).norm(dim=1)
    rho = float(norms.mean())
    layers = tuple(name for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear))
    return Setting(model, layers, real.images, real.labels, list(real.classes), rho,
                   real.images * (rho / norms).view(-1, 1, 1, 1))


@functools.cache
def prior(network):
    return features.principal_components(setting(network).images, COMPONENTS)


@functools.cache
def said(network, scaled=True):
    """What each layer says of every real picture, in one pass: {layer: (at the best place (N, U), the mean
    (N, U), the root mean square (N,))}."""
    at = setting(network)
    parts = {layer: [] for layer in at.layers}
    for batch in (at.scaled if scaled else at.images).split(64):
        with torch.no_grad(), hooks.record(at.model, *at.layers) as acts:
            at.model(batch)
        for layer, maps in acts.items():
            maps = maps.reshape(*maps.shape[:2], -1)
            parts[layer].append((maps.amax(2), maps.mean(2), maps.square().mean((1, 2)).sqrt()))
    return {layer: tuple(map(torch.cat, zip(*part, strict=True))) for layer, part in parts.items()}


class Goal(NamedTuple):
    """What is to grow, what it is for each ``real`` picture at norm ρ (N,), and which of ``count`` units."""

    objective: features.Objective
    real: torch.Tensor
    unit: int
    count: int
    title: str


def goal(network, layer, kind, unit):
    """The :class:`Goal`; a ``unit`` beyond the last is the last."""
    at, (places, means, sizes) = setting(network), said(network)[layer]
    of_class = kind in ("direction", "class")
    count = 1 if kind == "layer" else len(at.classes) if of_class else means.shape[1]
    unit = min(unit, count - 1)
    if kind == "neuron":
        title = f"unit {unit}, the middle place" if layer != "head" else f"unit {unit}"
        return Goal(features.neuron(layer, unit), places[:, unit], unit, count, title)
    if kind == "channel":
        title = f"unit {unit}, mean over its map" if layer != "head" else f"unit {unit}"
        return Goal(features.channel(layer, unit), means[:, unit], unit, count, title)
    if kind == "layer":  # the root: the same way up, and it grows with the picture as the others do
        square = features.layer(layer)
        size = features.Objective(square.layers, lambda acts: square(acts).sqrt(), square.name)
        return Goal(size, sizes, 0, 1, "all units")
    name = at.classes[unit]
    if kind == "direction":
        towards = means[at.labels == unit].mean(0) - means.mean(0)
        return Goal(features.direction(layer, towards), means @ (towards / towards.norm()), unit, count,
                    f"direction towards “{name}”")
    return Goal(features.logit(unit), said(network)["head"][1][:, unit], unit, count, f"score of “{name}”")


class Ascent:
    """The walk uphill; ``step(n)``: n steps; ``picture()``: where it stands; ``finished`` after STEPS steps.

    ``course``: (step, activation at norm ρ, share of energy above half Nyquist) at every fourth step.
    """

    def __init__(self, layer="digits-cnn/2", objective="neuron", unit=7, written="pixels", l2=False,
                 variation=False, blur=False, shake=False, start=0):
        network, which = layer.split("/")
        self.at = at = setting(network)
        self.layer = at.layers[int(which)]
        self.goal, self.asked = goal(network, self.layer, objective, unit), unit
        best = int(self.goal.real.argmax())
        self.best, self.best_value = at.images[best], float(self.goal.real[best])
        self.best_share = float(features.fast_share(at.images[best:best + 1]))
        scale, wanted = max(abs(self.best_value), 1e-3), self.goal.objective
        if variation:
            weight = TV * scale / float(features.total_variation(at.scaled[[best]]))
            wanted = wanted - weight * features.variation()
        if l2:
            wanted = wanted - L2 * scale / at.rho**2 * features.l2()
        side = at.images.shape[-1]
        options = {"jitter": side // 14, "rotate": 10.0, "scale": 0.1} if shake else {}
        # without a norm, what penalties leave may be short: steps as long as with one would overshoot
        options |= {"rate": 0.05} if l2 else {"norm": at.rho}
        written = {"pixels": features.Pixels, "Fourier": features.Fourier,
                   "prior": functools.partial(prior, network)}[written]
        self.walk = features.ascend(at.model, wanted, tuple(at.images.shape[1:]), steps=STEPS, every=1,
                                    parameters=written(), blur=float(blur), seed=start, **options)
        self.x, self.steps, self.course = next(self.walk).images, 0, []
        self._measure()
        self.board = self._furniture()

    @property
    def finished(self):
        return self.steps >= STEPS

    def step(self, n=1):
        for _ in range(min(n, STEPS - self.steps)):
            self.x = next(self.walk).images
            self.steps += 1
            if self.steps % EVERY == 0:
                self._measure()

    def measure(self):
        """(activation, share of energy above half Nyquist, softmax (classes,)) of the picture at norm ρ."""
        x = self.x * (self.at.rho / self.x.norm().clamp_min(1e-12))
        with torch.no_grad(), hooks.unchanged(self.at.model), hooks.record(self.at.model, self.layer) as acts:
            acts[""] = logits = self.at.model(x)
        return float(self.goal.objective(acts)), float(features.fast_share(x)), logits.softmax(1)[0].numpy()

    def _measure(self):
        self.course.append((self.steps, *self.measure()[:2]))

    def _furniture(self):
        """What does not move: titles, the best real picture, the classes' names."""
        board, at = Canvas(900, 424), self.at
        where = "" if self.goal.objective.layers == ("",) else f"{named(at, self.layer)}, "
        board.text(20, 26, where + self.goal.title, 12.5, bold=True, anchor="ls")
        if self.asked >= self.goal.count > 1:
            beyond = f"There are {self.goal.count} here, 0 … {self.goal.count - 1}: this is the last."
            board.text(20, 404, beyond, 11, plot.FOR)
        board.text(20, 370, "white 0, red above, blue below" if len(self.best) == 1 else
                   "colours: mean to grey, spread to fit", 10.5, plot.MUTED)
        board.text(352, 26, f"best of {len(at.images)} real pictures", 12.5, bold=True, anchor="ls")
        board.picture(shown(self.best, real=True), 352, 40, 116)
        board.text(478, 46, "activation", 10.5, plot.MUTED)
        board.text(478, 60, number(self.best_value), 13)
        board.text(478, 86, "grain", 10.5, plot.MUTED)
        board.text(478, 100, _percent(self.best_share), 13)
        board.text(352, 264, "what the network says", 12.5, bold=True, anchor="ls")
        for i, name in enumerate(at.classes):
            board.text(352, 281 + 14 * i, name, 10.5, anchor="lm")
        board.text(352, 184, "the picture so far, at the same ‖x‖", 12.5, bold=True, anchor="ls")
        board.text(352, 192, "activation", 10.5, plot.MUTED)
        board.text(478, 192, "grain", 10.5, plot.MUTED)
        return board

    def picture(self):
        board = self.board.copy()
        value, share, chances = self.measure()
        board.picture(shown(self.x[0]), 20, 40, 306)
        norms = f"‖x‖ = {number(self.x.norm())}, real pictures {number(self.at.rho)}"
        board.text(20, 352, f"step {self.steps} of {STEPS}   {norms}", 10.5, plot.MUTED)
        ratio = f"{number(value / self.best_value, digits=2)} ×" if self.best_value > 0 else number(value)
        board.text(352, 206, ratio, 20, plot.COLORS[0], bold=True)
        board.text(478, 206, _percent(share), 20, plot.COLORS[1], bold=True)
        left = 352 + max(board.measure(name, 10.5) for name in self.at.classes) + 8
        for i, chance in enumerate(chances):
            y = 281 + 14 * i
            length = (552 - left) * float(chance)
            board.rectangle(left, y - 4, max(length, 0.5), 8, plot.COLORS[5])
            if chance >= 0.005:
                board.text(left + length + 5, y, f"{chance:.0%}", 10, plot.MUTED, anchor="lm")
        self._curves(board, value, share)
        return plot.jpeg(board.image, quality=75, subsampling=2)

    def _curves(self, board, value, share):
        steps, values, shares = np.array([*self.course, (self.steps, value, share)]).T
        low, high = min(0.0, values.min(), self.best_value), max(values.max(), self.best_value, 1e-6)
        high, low = _round(1.08 * high), -_round(-1.08 * low) if low < 0 else 0.0
        ticks = sorted({0.0, high} | ({low} if -low > 0.15 * (high - low) else set()))
        for top, limits, yticks, ys, real, title, color in (
                (44, (low, high), ticks, values, self.best_value, "activation", plot.COLORS[0]),
                (258, (0, 1), (0, 0.5, 1), shares, self.best_share, "grain: energy above half Nyquist",
                 plot.COLORS[1])):
            chart = Chart(board, (640, top, 222, 128), (0, STEPS), limits, xticks=(0, STEPS // 2, STEPS),
                          yticks=yticks)
            board.text(640, top - 18, title, 12.5, bold=True, anchor="ls")
            chart.lines(((0, STEPS), (real, real), plot.MUTED, 1, 5), (steps, ys, color, 2))
            chart.dot(steps[-1], ys[-1], color, 4)
            chart.text(STEPS, real, "real", dx=8, size=10, color=plot.MUTED, anchor="lm")
        board.text(751, 408, "step", 10.5, plot.MUTED, anchor="ma")


def named(at, layer):
    return layer if layer != at.layers[-1] else "class scores"


def _round(value):
    """The next of 1, 2, 5 · 10ᵏ: the axis rarely changes while the curve grows."""
    power = 10.0 ** np.floor(np.log10(value))
    return next(float(f * power) for f in (1, 2, 5, 10) if value <= f * power * (1 + 1e-9))


def _percent(share):
    share = 100 * share
    return f"{share:.0f} %" if share >= 9.95 else f"{share:.1f} %" if share >= 0.05 else "0 %"


def shown(x, real=False):
    """A picture (C, H, W) for the eye: a real one as it is; else one channel signed, colours spread to fit."""
    if len(x) == 1 and not real:
        return plot.signed_rgb(x.numpy())
    rgb = x.expand(3, -1, -1).permute(1, 2, 0)
    rgb = rgb if real else 0.5 + (rgb - rgb.mean()) / (4 * rgb.std().clamp_min(1e-6))
    return (255 * rgb.clamp(0, 1)).round().byte().numpy()


def live(steps=STEPS, **settings):
    """The picture after ``steps`` steps."""
    ascent = Ascent(**settings)
    ascent.step(steps)
    return ascent.picture()


def _ready():
    """What both networks say of the real pictures, and their priors: done when the demo opens, no move waits for it."""
    for network in LAST:
        said(network), prior(network)


def demos():
    layers = {f"{network[:6]}: {f'features.{3 * k}' if k < last else 'class scores'}": f"{network}/{k}"
              for network, last in LAST.items() for k in range(last + 1)}
    return [
        Demo("01", "01", "What a unit looks for, while one watches", live,
             {"layer": Toggle(layers, "digits-cnn/2", "layer"), "unit": Slider(0, 63, 7, label="unit, class"),
              "objective": Toggle({v: k for k, v in OBJECTIVES.items()}, "neuron", "objective"),
              "written": Toggle({"pixels": "pixels", "Fourier": "Fourier", "learned prior": "prior"},
                                label="written as"),
              "start": Slider(0, 9, 0, label="start"),
              "l2": Check(False, "L2 penalty instead of a fixed norm"),
              "variation": Check(False, "total variation penalty"),
              "blur": Check(False, "blur"), "shake": Check(False, "shift, turn, scale")},
             "Press play, then pick another unit: the walk uphill starts anew. Without a regulariser the "
             "picture beats every real one by far (blue number) and is fine grain (orange number: the share of its "
             "energy above half the Nyquist frequency). Add one "
             "regulariser at a time, then several. Which of them does not lower the orange number, and what "
             "do the others cost in blue? With the learned prior a class score's picture is nearly a digit: "
             "whose merit is that, the unit's or the prior's? And does another random start end elsewhere?",
             "Left, a picture that grows out of noise. In the middle the real picture with the highest "
             "activation, the activation of the growing one as a multiple of it, and bars of the classes' "
             "probabilities. Right, two curves over the steps: activation, and share of energy above half "
             "the Nyquist frequency.",
             make=Ascent, preview=STEPS, speed=Slider(1, 16, 1, label="speed"), ready=_ready),
    ]
