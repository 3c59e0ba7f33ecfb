"""Lecture 08's demo of directions: a code moved along SeFa's, principal or latent directions, and what that changes."""
import functools

import torch

from .. import data, dissect, plot, zoo
from ..widgets import Slider, Toggle
from . import Demo
from .canvas import Canvas

NETWORKS = {"plain": "scenes-gan", "penalty": "scenes-gan-hessian"}
COUNT, REACH, WIDTH, HEIGHT = 12, 5.0, 900, 400


@functools.cache
def _parts(which):
    """The generator, what names the objects of its pictures, and the objects."""
    concepts = data.scenes(1).mask_names
    return zoo.load(NETWORKS[which]), dissect.seen_by(zoo.load("scenes-segmenter"), concepts), concepts


@functools.cache
def directions(which, kind):
    """(12, latent): SeFa's, those of `block8`'s principal components, or the first latent axes."""
    generator = _parts(which)[0]
    if kind == "SeFa":
        return dissect.sefa(generator, COUNT)[0]
    if kind == "principal":
        return dissect.principal(generator, "block8", generator.codes(400, seed=39), COUNT)[0]
    return torch.eye(generator.latent)[:COUNT]


def walk(which="plain", kind="SeFa", direction=1, step=2.5, sample=12):
    """Five pictures along a direction, the middle one as drawn; large, the one at ``step``, and how the areas changed."""
    generator, see, concepts = _parts(which)
    way, z = directions(which, kind)[direction - 1], generator.codes(60, seed=8)[sample:sample + 1]
    steps = torch.tensor([-REACH, -REACH / 2, 0.0, REACH / 2, REACH, step])
    with torch.no_grad():
        pictures = generator(z + steps[:, None] * way)
    board = Canvas(WIDTH, HEIGHT)
    board.text(20, 28, f"direction {direction}, step {step:+.1f}".replace("-", "−"), 12.5, bold=True, anchor="ls")
    board.picture(_rgb(pictures[5]), 20, 40, 250, smooth=True)
    for k in range(5):
        board.picture(_rgb(pictures[k]), 20 + 118 * k, 304, 76, smooth=True)
        board.text(20 + 118 * k + 38, 390, f"{steps[k]:+g}".replace("-", "−") if k != 2 else "as drawn", 10.5, plot.MUTED, anchor="ms")
    now, was = (100 * m.float().mean((1, 2)) for m in see(pictures[[5, 2]]))
    changed = (now - was).abs().argsort(descending=True)[:7].tolist()
    limit = max(4.0, (now - was).abs().max().item())
    board.text(300, 28, "areas that change most, in % of the picture", 12.5, bold=True, anchor="ls")
    for row, c in enumerate(changed):
        y, by = 48 + 32 * row, (now[c] - was[c]).item()
        board.text(380, y + 8, concepts[c], 12, anchor="rm")
        board.rectangle(560, y, by / limit * 130, 16, plot.FOR if by > 0 else plot.AGAINST)
        board.text(720, y + 8, f"{was[c]:.1f} → {now[c]:.1f}", 12, anchor="lm")
    board.line([(560, 44), (560, 48 + 32 * 7)], plot.MUTED, 0.5)
    colour = (pictures[5] - pictures[2]).mean((1, 2)).tolist()
    words = ", ".join(f"{n} {v:+.3f}".replace("-", "−") for n, v in zip(("red", "green", "blue"), colour, strict=True))
    board.text(300, 288, f"mean colour: {words}", 12, plot.MUTED)
    return board.jpeg()


def _rgb(picture):
    return (picture.movedim(0, 2).clamp(0, 1) * 255).round().byte().numpy()


def demos():
    return [Demo(
        "08/directions", "08", "One direction, one thing?", walk,
        {"which": Toggle({"plain": "plain", "with the Hessian penalty": "penalty"}, "plain", "generator"),
         "kind": Toggle({"SeFa": "SeFa", "principal": "principal", "latent axes": "axes"}, "SeFa", "directions"),
         "direction": Slider(1, COUNT, 1, label="direction"),
         "step": Slider(-REACH, REACH, 2.5, 0.1, label="step"),
         "sample": Slider(0, 59, 12, label="sample")},
        "Choose a direction and move the step. Does one object change, or the whole scene? Keep the direction and change "
        "the sample: does it still mean the same?",
        "A generated scene moved along a direction of the latent space, large; below it five steps of the same way; beside "
        "it bars of the objects whose areas change most.", WIDTH)]
