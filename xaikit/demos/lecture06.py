"""Lecture 06's live demos: a network learns three waves while one watches its spectrum, and the order of learning for
other depths and widths."""
import functools

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F

from .. import plot
from ..dynamics.spectral import (
    FREQUENCIES,
    STEPS,
    coefficients,
    grid,
    learn,
    rank_correlation,
    relu_network,
    time_to_learn,
    waves,
)
from ..widgets import Slider, Toggle
from . import Demo
from .canvas import Canvas, Chart, number

POINTS_LIVE, HIGHEST, RATE = 128, 24, 2e-3
FIELD = (np.array(matplotlib.colormaps["cividis"].colors) * 255).round().astype(np.uint8)


class Watch:
    """A network of 3 × 64 ReLUs that learns λ(z) = Σ a_i sin(2πk_i z + φ_i) with Adam, all 128 points in every step.

    ``step(n)`` takes n steps, ``picture()`` draws the function on the left and its spectrum on the right; ``error`` is the
    mean squared error as a part of the target's own mean square.
    """

    def __init__(self, k1=1, k2=6, k3=14, a1=1.0, a2=1.0, a3=1.0, seed=0):
        self.z, self.x = grid(POINTS_LIVE)
        phases = 6.2832 * torch.rand(3, generator=torch.Generator().manual_seed(seed))
        self.goal = waves(self.z, [k1, k2, k3], [a1, a2, a3], phases)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = relu_network(1, 64, 3)
        self.optimizer = torch.optim.Adam(self.network.parameters(), RATE, fused=True)
        self.k = torch.arange(1, HIGHEST + 1)
        self.own = coefficients(self.goal, self.k)
        self.wanted = self.own.abs().numpy()
        self.chosen, self.steps = sorted({k1, k2, k3}), 0

    def step(self, n=1):
        """Learn for n steps."""
        with torch.enable_grad():
            for _ in range(n):
                loss = F.mse_loss(self.network(self.x)[:, 0], self.goal)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
        self.steps += n

    @torch.no_grad()
    def now(self):
        """What the network says (N,), its amplitudes at 1 … 24, the error, and how far each wave is met, 1 − |c − c*| / |c*|,
        not below 0, at 1 … 24: amplitude and phase have to be right."""
        out = self.network(self.x)[:, 0]
        error = float((out - self.goal).square().mean() / self.goal.square().mean().clamp(min=1e-12))
        c = coefficients(out, self.k)
        return out.numpy(), c.abs().numpy(), error, (1 - (c - self.own).abs() / self.own.abs()).clamp(0).numpy()

    def picture(self):
        """JPEG bytes, 900 × 360 page pixels."""
        out, amplitudes, error, met = self.now()
        top = float(self.goal.abs().max().clamp(min=0.5)) * 1.25
        high = max(1.25, 1.15 * float(self.wanted.max()))
        board, left, right = _board(round(top, 3), round(high, 3))
        board = board.copy()
        left.canvas = right.canvas = board
        z = self.z.numpy()
        left.lines((z, self.goal.numpy(), "#b5b5b5", 3.0), (z, out.clip(-top, top), plot.COLORS[0], 1.8))
        for k, (is_, wanted) in enumerate(zip(amplitudes, self.wanted, strict=True), 1):
            (x, base), (_, y), (_, w) = right.at(k, 0), right.at(k, min(is_, high)), right.at(k, wanted)
            board.rectangle(x - 6, y, 12, base - y, plot.COLORS[0])
            if wanted > 0.01:
                board.rectangle(x - 8, w, 16, base - w, outline=plot.INK)
        shares = [f"k = {k}: {met[k - 1]:.0%}" for k in self.chosen if self.wanted[k - 1] > 0.01]
        board.text(480, 346, "learned so far:   " + "     ".join(shares), 12, bold=True, anchor="ls")
        board.text(54, 346, f"step {self.steps}     error {error:.3f} of the target's square", 12, bold=True, anchor="ls")
        return plot.jpeg(board.image, quality=75, subsampling=2)


@functools.lru_cache(8)
def _board(top, high):
    """What does not move: the two charts' axes."""
    board = Canvas(900, 360)
    ticks = [v for v in (-3, -2, -1, 0, 1, 2, 3) if abs(v) <= top]
    left = Chart(board, (54, 48, 372, 230), (0, 1), (-top, top), xlabel="z", xticks=(0, 0.25, 0.5, 0.75, 1), yticks=ticks,
                 title="function: the target in grey, the network in blue")
    right = Chart(board, (492, 48, 384, 230), (0, HIGHEST + 1), (0, high), xlabel="frequency k",
                  xticks=(1, 5, 10, 15, 20, 24), yticks=[v for v in (0, 0.5, 1, 1.5, 2, 2.5, 3) if v <= high],
                  title="spectrum |c(k)|: frames are the target's")
    return board, left, right


def watch(steps=300, **values):
    """The picture after ``steps`` steps."""
    game = Watch(**values)
    game.step(steps)
    return game.picture()


def order(growing, depth, units, step):
    """Experiment 1 for another network: the field of shares with a line at ``step``, and the shares at that step."""
    learned = learn(growing == "growing", units, depth)
    share = np.median(learned.share, 1)  # (T, K)
    t = int(np.abs(learned.steps - step).argmin())
    board = Canvas(900, 360)
    box = (60, 48, 430, 250)
    levels = (share.T[::-1].clip(0, 1) * 255).round().astype(int)
    board.picture(FIELD[levels], *box)
    x, y, wide, tall = box
    for row, k in enumerate(FREQUENCIES):
        board.text(x - 8, y + tall * (len(FREQUENCIES) - row - 0.5) / len(FREQUENCIES), k, 10, plot.MUTED, anchor="rm")
    for v in (0, 200, 400, STEPS):
        board.text(x + wide * v / STEPS, y + tall + 7, v, 10, plot.MUTED, anchor="ma")
    board.text(x + wide / 2, y + tall + 24, "step", 11, anchor="ma")
    board.text(x, y - 12, "|c(k)| / A for each frequency k, median of ten networks: dark 0, bright 1", 11.5, bold=True,
               anchor="ls")
    at = x + wide * t / (len(share) - 1)
    board.line([(at, y), (at, y + tall)], plot.FOR, 1.5)
    chart = Chart(board, (560, 48, 310, 250), (0, len(FREQUENCIES) + 1), (0, 1.25), xlabel="frequency k",
                  xticks=FREQUENCIES, yticks=(0, 0.5, 1))
    for k, value in zip(FREQUENCIES, share[t], strict=True):
        (px, base), (_, top) = chart.at(k, 0), chart.at(k, min(value, 1.25))
        board.rectangle(px - 9, top, 18, base - top, plot.COLORS[0])
    board.text(560, 36, f"at step {learned.steps[t]}", 11.5, bold=True, anchor="ls")
    rho = np.nanmedian(rank_correlation(learned.k, time_to_learn(learned.share, learned.steps)))
    board.text(60, 350, f"Spearman's ρ of frequency and time to half the amplitude, median: {number(rho, digits=2)}", 12,
               bold=True, anchor="ls")
    return board.jpeg()


def demos():
    live = {}  # a wave in a row
    for i, sub, k in zip((1, 2, 3), "₁₂₃", (1, 6, 14), strict=True):
        live[f"k{i}"] = Slider(1, 20, k, label=f"k{sub}")
        live[f"a{i}"] = Slider(0.0, 1.0, 1.0, step=0.05, label=f"a{sub}")
    return [
        Demo("06", "06", "Three waves, one after the other", watch, live,
             "Press play. Left the target and what the network says, right both spectra: the frames fill from the left. "
             "Make the high frequency's amplitude the largest, or all three frequencies high.",
             "Left a sum of three waves in grey and the network's function in blue, right bars of the network's spectrum in "
             "frames of the target's: the low frequencies are full, the high one is not yet.",
             make=Watch, preview=360, speed=Slider(1, 30, 4, label="speed")),
        Demo("06/order", "06", "The order of learning, for other networks", order,
             {"growing": Toggle(("equal", "growing"), "equal", label="amplitudes"),
              "depth": Toggle((1, 3, 5), 5, label="layers"), "units": Toggle((16, 32, 64), 64, label="width"),
              "step": Slider(0, STEPS, 100, step=10, label="step")},
             "Each new depth or width trains ten networks, which takes some seconds once; the step follows at once.",
             "A field of the share of each frequency that is learned, over the steps, bright from below; beside it bars of "
             "the shares at one step, falling with the frequency."),
    ]
