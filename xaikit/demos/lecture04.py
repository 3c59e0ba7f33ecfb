"""Lecture 04's demos on trained networks: the live demo, the number of steps, the choice of the baseline."""
import functools
import textwrap

import numpy as np
import torch
from torch import nn

from .. import attribution, plot
from ..errors import UnsupportedLayer
from ..widgets import Slider, Toggle
from . import Demo
from .canvas import Canvas, Chart, number
from .lecture04_scenes import BASELINES, baseline, pictures, scene

MANY = "average of many"
RULES = {"left": "left", "right": "right", "midpoint": "midpoint", "trapezoid": "trapezoid",
         "gauss": "Gauss–Legendre"}
_STEPS = Slider(1, 300, 32, label="steps m", log=True)


def live(method, baseline_name, steps, picture):
    """The live demo: input, baseline and attribution, and whether the credits add up."""
    at, chosen = scene(picture), attribution.METHODS[method]
    start = baseline(baseline_name, at)
    logits, target = _predict(at)
    options, used = _options(chosen, at, start, steps)
    try:
        credit = chosen.function(at.model, at.x, target, **options)
    except UnsupportedLayer as error:
        return _cannot(at, chosen.label, str(error))
    rise = float(logits[target] - _score(at, start, target))
    return _panels(at, start, credit, target, logits, rise, chosen.label,
                   f"baseline x′: {baseline_name}" if "baseline" in used else "baseline x′ (only for the sum)",
                   f"{steps} steps" if "steps" in used else "no steps")


def which_baseline(baseline_name, picture):
    """Section 8: integrated gradients from one baseline, or averaged over many."""
    at = scene(picture)
    logits, target = _predict(at)
    if baseline_name == MANY:
        count = 25 if at.x.shape[1] == 1 else 4
        chosen = torch.randperm(len(at.others), generator=torch.Generator().manual_seed(0))[:count]
        starts = at.others[chosen]
    else:
        starts = baseline(baseline_name, at)
    steps = 32 if len(starts) == 1 else 16 if at.x.shape[1] == 1 else 8
    credit = attribution.integrated_gradients(
        at.model, at.x.expand(len(starts), -1, -1, -1), target, baseline=starts, steps=steps).mean(0, keepdim=True)
    rise = float(logits[target] - _score(at, starts, target).mean())
    return _panels(at, starts, credit, target, logits, rise, "integrated gradients",
                   f"baseline x′: {baseline_name}", f"{steps} steps")


@torch.no_grad()
def _predict(at):
    logits = at.model(at.x)[0]
    return logits, int(logits.argmax())


@torch.no_grad()
def _score(at, points, target):
    return at.model(points)[:, target]


def _options(method, at, start, steps):
    """The options of a method that the two controls set, and which of them it uses."""
    if method.name == "path_gradients":  # not the straight line again: by way of the blurred picture
        return {"path": torch.stack([start, baseline("blurred", at), at.x]), "steps": steps}, {"baseline", "steps"}
    options, used = {}, set()
    for control, value, names in (("baseline", start, ("baseline",)), ("steps", steps, ("steps", "samples"))):
        for name in names:
            if name in method.options:
                options[name] = value
                used.add(control)
    return options, used


def _panels(at, starts, credit, target, logits, rise, label, below_baseline, below_credit):
    """Input, baseline and attribution side by side, and the two sides of completeness as bars below."""
    board, side = Canvas(900, 430), 250
    colour = at.x.shape[1] == 3
    a = plot.flat(credit)
    limit = plot.limit_of(a, 0.995 if colour else 1.0)
    shown = plot.overlay(at.x, a, limit) if colour else plot.signed_rgb(a, limit)
    share = float(logits.softmax(0)[target])
    for i, (picture, title) in enumerate((
            (_rgb(at.x), f"input x: {at.classes[target]}  ({share:.0%})"),
            (_mosaic(starts), below_baseline), (shown, f"{label}, {below_credit}"))):
        board.picture(picture, 20 + i * (side + 24), 36, side, side, smooth=colour and i < 2)
        board.text(20 + i * (side + 24), 26, _fit(board, title, side), 11.5, bold=True, anchor="ls")
    board.scale(limit, 20 + 3 * side + 2 * 24 + 12, 46, side - 40)
    total = float(a.sum())
    reach = 1.3 * max(abs(rise), 1.0)
    board.bars(150, 326, 380, [("F(x) − F(x′)", rise), ("Σ credit", total)], reach, zero=0.3, row_height=34)
    gap = abs(total - rise)
    good = gap <= 0.01 * max(abs(rise), 1e-3)
    board.text(640, 332, "completeness gap", 11.5, plot.MUTED)
    board.text(640, 349, number(gap), 24, plot.INK if good else plot.FOR, bold=True)
    share = f"{gap / max(abs(rise), 1e-9):.1%} of F(x) − F(x′)" if gap < 10 * abs(rise) else "more than 10 × F(x) − F(x′)"
    board.text(640, 388, ("✓ " if good else "✗ ") + share, 10.5, plot.MUTED)
    return board.jpeg()


def _cannot(at, label, reason):
    """The picture where a method does not apply to this network: the input and the library's own words."""
    board = Canvas(900, 430)
    board.picture(_rgb(at.x), 20, 36, 250, 250, smooth=True)
    board.text(294, 26, f"{label} does not apply to this network", 11.5, bold=True, anchor="ls")
    for i, line in enumerate(textwrap.wrap(reason, 78)):
        board.text(294, 40 + 20 * i, line, 11.5, plot.FOR)
    return board.jpeg()


def _rgb(x):
    return (plot.pixels(x) * 255).round().astype(np.uint8)


def _mosaic(starts):
    """One image as it is; many as a square of small ones."""
    if len(starts) == 1:
        return _rgb(starts)
    n = int(len(starts) ** 0.5)
    starts = nn.functional.pad(starts, [1] * 4, value=0.5)
    rows = [torch.cat(list(starts[r * n:(r + 1) * n]), 2) for r in range(n)]
    return _rgb(torch.cat(rows, 1))


def _fit(board, text, width):
    while board.measure(text, 11.5, True) > width:
        text = text[:-2].rstrip(" ,(:") + "…"
    return text


@functools.cache
def _errors(name="3"):
    """{rule: (steps, errors in logits)} of the completeness of integrated gradients from black.

    Σᵢ IGᵢ is the quadrature of φ′(α), φ(α) = F(x′ + α (x − x′)): φ′ is computed once at the nodes of all rules together.
    """
    at = scene(name)
    grid = sorted({*_STEPS.positions()[::3], _STEPS.high})
    rules = {(rule, m): attribution.quadrature(m, rule) for rule in RULES for m in grid}
    nodes, place = torch.unique(torch.cat([n for n, _ in rules.values()]), return_inverse=True)
    slope = _slopes(at, nodes)[place].split([len(n) for n, _ in rules.values()])
    logits, target = _predict(at)
    rise = float(logits[target] - _score(at, baseline("black", at), target))
    errors = {key: abs(float(weights @ values) - rise)
              for (key, (_, weights)), values in zip(rules.items(), slope, strict=True)}
    return {rule: (grid, [max(errors[rule, m], 1e-7) for m in grid]) for rule in RULES}


def _slopes(at, alphas):
    """d F(α x) / dα at every α, float64; the gradients come from the library, a batch at a time."""
    target = _predict(at)[1]
    found = []
    for part in alphas.split(128):
        gradient = attribution.gradient(at.model, part.to(at.x.dtype)[:, None, None, None] * at.x, target)
        found.append((gradient * at.x).flatten(1).sum(1).double())
    return torch.cat(found)


def steps_and_error(m, rule):
    """Section 4: the completeness error against the number of steps, and the map at this number."""
    at, errors = scene("3"), _errors()
    credit = attribution.integrated_gradients(at.model, at.x, steps=m, rule=rule)
    now = max(float(attribution.completeness_gap(at.model, at.x, credit)), 1e-7)
    board = Canvas(900, 400)
    every = [e for _, curve in errors.values() for e in curve] + [now]
    low, high = 10.0 ** np.floor(np.log10(min(every))), 10.0 ** np.ceil(np.log10(max(every)))
    powers = 10.0 ** np.arange(np.log10(low), np.log10(high) + 0.5)
    chart = Chart(board, (70, 56, 400, 270), (1, 300), (low, high), "number of steps m",
                  "|Σ IG − (F(x) − F(x′))|  (logits)", (1, 3, 10, 30, 100, 300), powers, log="xy")
    curves = []
    for i, (name, (grid, error)) in enumerate(errors.items()):
        mine = name == rule
        points = sorted({**dict(zip(grid, error, strict=True)), **({m: now} if mine else {})}.items())
        curves.append((*zip(*points, strict=True), plot.COLORS[i], 3.2 if mine else 1.6))
        board.line([(486, 70 + 22 * i), (508, 70 + 22 * i)], plot.COLORS[i], 3 if mine else 1.6)
        board.text(514, 70 + 22 * i, RULES[name], 11, plot.COLORS[i] if mine else plot.MUTED, mine, "lm")
    chart.lines(([m, m], [low, high], plot.MUTED, 0.8, 4), *sorted(curves, key=lambda curve: curve[3]))
    chart.dot(m, now, plot.COLORS[list(RULES).index(rule)], 6)
    a = plot.flat(credit)
    limit = plot.limit_of(a)
    board.text(640, 46, f"m = {m}, {RULES[rule]}", 12, bold=True, anchor="ls")
    board.picture(plot.signed_rgb(a, limit), 640, 56, 190)
    board.scale(limit, 842, 66, 150)
    board.text(640, 282, "completeness gap", 11.5, plot.MUTED)
    board.text(640, 299, number(now), 22, bold=True)
    return board.jpeg()


def _methods():
    """{label: name} of the methods that ``digits-cnn`` allows: it has convolutions and a global average pooling."""
    return {m.label: name for name, m in attribution.METHODS.items() if m.needs <= {"conv", "gap"}}


def demos():
    choose = Toggle(pictures(), "3", "picture")
    return [
        Demo("04", "04", "Attribution live: method × baseline × steps", lambda method, baseline, steps, picture:
             live(method, baseline, steps, picture),
             {"method": Toggle(_methods(), "integrated_gradients", "method"), "baseline": Toggle(BASELINES, "black"),
              "steps": _STEPS, "picture": choose},
             "Red pixels speak for the class, blue against it. A complete method's credits add up to F(x) − F(x′); "
             "with more steps the gap closes.",
             "An input, a baseline and the attribution map of the chosen method; below, bars of F(x) − F(x′) and of "
             "the sum of all credits, with the gap between them as a number.", 900),
        Demo("04/steps", "04", "How many steps?", lambda m, rule: steps_and_error(m, rule),
             {"m": _STEPS, "rule": Toggle({v: k for k, v in RULES.items()}, "midpoint", "rule")},
             "How far the credits of integrated gradients are from adding up, for five quadrature rules, on digits-cnn.",
             "Error against number of steps on logarithmic axes for the left, right, midpoint, trapezoid and "
             "Gauss–Legendre sums, with the map of integrated gradients at the chosen number.", 900),
        Demo("04/baseline", "04", "Which baseline?", lambda baseline, picture: which_baseline(baseline, picture),
             {"baseline": Toggle((*BASELINES, MANY), "black"), "picture": choose},
             "Integrated gradients explains the difference to the baseline: where input and baseline agree, a pixel "
             "gets nothing, however much it matters.",
             "An input, the chosen baseline and the map of integrated gradients from it; below, bars of F(x) − F(x′) "
             "and the sum of all credits.", 900),
    ]
