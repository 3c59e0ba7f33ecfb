"""Lecture 05's demo of the critical sample ratio: what it says of real data and noise depends on the radius of the box."""
import functools

import numpy as np
import torch

from .. import plot
from ..dynamics import csr, stages
from ..dynamics.memorization import small_digits
from ..widgets import Slider
from . import Demo
from .canvas import Canvas, Chart

KINDS = {"real": plot.COLORS[0], "randX": plot.COLORS[1], "randY": plot.COLORS[2]}
SAMPLES, SEED = 100, 0


@functools.cache
def _states():
    """(f, held, {kind: rows}) of one network of each kind at all moments, as one stack."""
    states = torch.cat([stages.measured("state", kind)[:, SEED] for kind in KINDS])
    held = torch.cat([stages.sets(kind, SEED)[2][None, :SAMPLES].expand(len(stages.MOMENTS), -1, -1) for kind in KINDS])
    return stages.networks(states), held


@functools.lru_cache(maxsize=64)
def ratios(radius):
    """{kind: (T,)}: the critical sample ratio at each moment of training."""
    f, held = _states()
    found = csr.critical(f, held, radius).float().mean(1).view(len(KINDS), -1).numpy()
    return dict(zip(KINDS, found, strict=True))


@functools.lru_cache(maxsize=256)
def search(radius, example):
    """{kind: (x, x̂, class of x, class of x̂)} of one held-out point and the trained networks on real and random labels."""
    made = {}
    for kind in ("real", "randY"):
        f = stages.networks(stages.measured("state", kind)[-1:, SEED])
        x = stages.sets(kind, SEED)[2][None, example:example + 1]
        noise = torch.randn(10, 1, 1, 64, generator=torch.Generator().manual_seed(example))
        moved, _ = csr.lass(lambda z, f=f: f(z).log_softmax(-1), x, radius / 2, radius / 5, radius, noise)
        made[kind] = (x.view(8, 8), moved.view(8, 8), int(f(x).argmax()), int(f(moved).argmax()))
    return made


def live(radius, example):
    """CSR against steps for three trainings; a held-out digit and what the search made of it in two of them."""
    board = Canvas(900, 330)
    moments = np.array(stages.MOMENTS)
    chart = Chart(board, (60, 50, 440, 210), (0, moments[-1]), (0, 1), "steps of SGD", "share of critical samples",
                  (0, 200, 400, 600), (0, 0.5, 1), title=f"box of radius r = {radius:.3g} (pixels lie in 0 … 1)")
    found = ratios(radius)
    chart.lines(*((moments, values, KINDS[kind], 2.2, *(() if kind == "real" else (7,) if kind == "randX" else (2,)))
                  for kind, values in found.items()))
    for i, (kind, values) in enumerate(sorted(found.items(), key=lambda item: -item[1][-1])):
        board.text(512, 64 + 20 * i, f"{kind} {values[-1]:.2f}", 11.5, KINDS[kind], bold=True)
    mean = small_digits(stages.N)[0].mean(0).view(8, 8)  # was taken away from all inputs
    for row, (kind, (x, moved, before, after)) in enumerate(search(radius, example).items()):
        top = 46 + 140 * row
        for column, picture in enumerate((x, moved)):
            ink = (picture + mean).clamp(0, 1).numpy()
            board.picture(np.repeat((ink * 255).astype(np.uint8)[..., None], 3, 2), 640 + 130 * column, top, 100)
            board.text(690 + 130 * column, top + 104, f"says {before if column == 0 else after}", 11,
                       plot.FOR if column and after != before else plot.INK, anchor="ma")
        board.text(640, top - 6, f"{kind}: x, and x̂ {'with another class' if after != before else '(none found)'}", 11, bold=True,
                   anchor="ls")
    return board.jpeg()


def demos():
    return [Demo("05/radius", "05", "Critical samples, and the radius on which they depend",
                 lambda radius, example: live(radius, example),
                 {"radius": Slider(0.005, 0.3, 0.04, label="radius r", log=True), "example": Slider(0, 60, 3)},
                 "Left, the share of held-out points within r of another class, while a network learns real digits, noise with "
                 "true labels (randX), or digits with random labels (randY). Small boxes find nothing, large ones everything: only "
                 "between does the ratio tell them apart. Right, one held-out digit before and after the search. The "
                 "first picture takes some seconds: everything is trained then.",
                 "Left, three lines of the critical sample ratio against steps: real, randX, randY. Right, for the networks on "
                 "real and on random labels, a small digit and the changed one with the classes that they are given.", 900)]
