"""Lecture 05's demos: a network that memorises while one watches, and what the share of random labels does.

``Memorizer`` is the pure part: it is made, stepped and drawn without a widget, and the same settings and steps give
the same picture.
"""
import functools

import numpy as np
import torch
import torch.nn.functional as F

from .. import plot
from ..dynamics import memorization
from ..widgets import Slider, Toggle
from . import Demo
from .canvas import Canvas, Chart

COUNT, BATCH, EVERY = 300, 50, 5  # training digits, examples a step, steps between two measurements
COLUMNS, ROWS, CELL = 6, 4, 62  # the digits that are wrong now, page pixels of one


class Memorizer:
    """Two hidden layers of ``units`` units on 300 digits, a share ``p`` of them spoiled by ``kind`` of ``KINDS``.

    ``step(n)`` takes n steps of SGD with 50 examples, ``picture()`` draws; ``curve``: a list of (step, training error,
    test error) at every fifth step.
    """

    def __init__(self, kind="labels", p=0.5, units=64, seed=0):
        x, y, test_x, self.test_y = memorization.small_digits(COUNT)
        self.shown, self.y = memorization.corrupt(x, y, kind, p, seed)
        self.true, self.spoiled = y, memorization.draw(COUNT, x.shape[1], seed=seed)[0] < p
        if kind == "labels":
            self.spoiled &= self.y != y  # a drawn class may be the old one
        mean = self.shown.mean(0)
        if kind == "shuffled pixels" and p == 1:
            test_x = test_x[:, memorization.draw(1, x.shape[1], seed=seed)[2][0]]
        self.x, self.test_x = self.shown - mean, test_x - mean
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = memorization.mlp(x.shape[1], units)
        self.optimizer = torch.optim.SGD(self.net.parameters(), 0.05, momentum=0.9)
        self.generator = torch.Generator().manual_seed(seed)
        self.rows, self.steps = torch.empty(0, dtype=torch.long), 0
        self.curve = [self.measure()]

    def step(self, n=1):
        """Learn from n batches."""
        for _ in range(n):
            if len(self.rows) < BATCH:
                self.rows = torch.randperm(COUNT, generator=self.generator)
            rows, self.rows = self.rows[:BATCH], self.rows[BATCH:]
            with torch.enable_grad():
                loss = F.cross_entropy(self.net(self.x[rows]), self.y[rows])
                self.optimizer.zero_grad()
                loss.backward()
            self.optimizer.step()
            self.steps += 1
            if self.steps % EVERY == 0:  # however many steps are asked for at once
                self.curve.append(self.measure())

    @torch.no_grad()
    def measure(self):
        """(step, share of the training digits that are wrong, of the test digits) as it stands."""
        self.said = self.net(self.x).argmax(1)
        return (self.steps, (self.said != self.y).double().mean().item(),
                (self.net(self.test_x).argmax(1) != self.test_y).double().mean().item())

    def wrong(self):
        """Indices of the training digits that the network gets wrong now, (M,)."""
        self.measure()
        return (self.said != self.y).nonzero()[:, 0]

    def picture(self):
        """JPEG bytes, 900 × 430 page pixels."""
        _, train, test = self.measure()
        wrong = self.wrong()
        board = Canvas(900, 430)
        end = max(200, 100 * -(-self.steps // 100))
        chart = Chart(board, (52, 52, 370, 300), (0, end), (0, 1), "steps of SGD", "", (0, end // 2, end), (0, 0.5, 1))
        steps, *errors = np.array([*self.curve[::max(1, len(self.curve) // 150)], (self.steps, train, test)]).T
        for values, color in zip(errors, plot.COLORS[:2], strict=True):
            xs, ys = chart.at(steps, values)
            board.draw.line((2 * np.stack([xs, ys], 1)).ravel().tolist(), color, 4, joint="curve")
        board.text(52, 12, f"training error {train:.0%}", 12.5, plot.COLORS[0], bold=True)
        board.text(230, 12, f"test error {test:.0%}", 12.5, plot.COLORS[1], bold=True)
        board.text(52, 400, f"{int(self.spoiled.sum())} of {COUNT} training digits are spoiled", 11, plot.MUTED)
        spoiled = int(self.spoiled[wrong].sum())
        board.text(470, 12, f"wrong now: {len(wrong)}, of which {spoiled} are spoiled", 12.5, bold=True)
        for k, i in enumerate(wrong[:COLUMNS * ROWS].tolist()):
            left, top = 470 + (k % COLUMNS) * (CELL + 8), 40 + (k // COLUMNS) * (CELL + 30)
            grey = (self.shown[i].view(8, 8).clamp(0, 1) * 255).byte().numpy()
            board.picture(np.repeat(grey[:, :, None], 3, 2), left, top, CELL)
            if self.spoiled[i]:
                for d in range(2):
                    board.rectangle(left - d, top - d, CELL + 2 * d, CELL + 2 * d, outline=plot.FOR)
            board.text(left, top + CELL + 4, f"told {self.y[i]}, says {self.said[i]}", 9.5, plot.MUTED)
        if not len(wrong):
            board.text(470, 60, "Every training digit is fitted, spoiled or not.", 12)
        # half the colour resolution and a lower quality than a picture that stands: a third of the bytes
        return plot.jpeg(board.image, quality=70, subsampling=2)


def compute(steps=200, **settings):
    """The network after ``steps`` steps."""
    game = Memorizer(**settings)
    game.step(steps)
    return game.picture()


@functools.cache
def levels():
    """p → indices of the networks of section 2 with that share of random labels."""
    found = {}
    for i, s in enumerate(memorization.randomised().settings):
        if s["kind"] == "labels":
            found.setdefault(s["p"], []).append(i)
    return dict(sorted(found.items()))


def corruption(p):
    """Five networks on labels that are random with probability ``p`` (the nearest level that was run)."""
    runs = memorization.randomised()
    level = min(levels(), key=lambda q: (abs(q - p), q))
    board = Canvas(900, 380)
    fitted = runs.first("train_error", lambda share: share == 0)
    plain, end = fitted[levels()[0.0]].mean(), int(runs.steps[-1])
    chart = Chart(board, (60, 66, 350, 240), (0, end), (0, 1), "steps of SGD", "error", (0, end // 2, end), (0, 0.5, 1),
                  title=f"p = {level:g}")
    lines = []
    for i in levels()[level]:
        for name, color in (("train_error", plot.COLORS[0]), ("test_error", plot.COLORS[1])):
            lines.append((runs.steps.numpy(), runs.measured[name][:, i].numpy(), color, 1.4))
    chart.lines(*lines)
    board.text(120, 350, "training error", 11, plot.COLORS[0])
    board.text(250, 350, "test error", 11, plot.COLORS[1])
    ps = list(levels())
    slow = [float(fitted[own].mean() / plain) for own in levels().values()]
    held = [float(runs.measured["test_error"][-1, own].mean()) for own in levels().values()]
    for x, ys, top, title in ((500, slow, 6, "time to fit / that of p = 0"), (720, held, 1, "test error at the end")):
        chart = Chart(board, (x, 66, 160, 240), (0, 1), (0, top), "p", "", (0, 0.5, 1), (0, top / 2, top), title=title)
        chart.lines((ps, ys, plot.COLORS[2], 2))
        k = ps.index(level)
        chart.dot(level, ys[k], plot.FOR)
        chart.text(level, ys[k], f"{ys[k]:.2f}", dx=8 if level < 0.6 else -8, dy=12, size=11, anchor="la" if level < 0.6 else "ra")
    return board.jpeg()


def demos():
    live = {"kind": Toggle({"labels": "labels", "shuffled pixels": "shuffled pixels", "random pixels": "random pixels",
                            "Gaussian": "gaussian"}, "labels", label="spoiled"),
            "p": Slider(0.0, 1.0, 0.3, step=0.05, label="p"),
            "units": Slider(4, 256, 64, label="width", log=True)}
    return [Demo("05", "05", "A network that memorises", compute, live,
                 "Press play. Blue: the share of training digits that are wrong; orange: of new digits. Right: training "
                 "digits that are wrong now, with the label that the network is told and what it says. Red frame: spoiled.",
                 "Left, training and test error of a network fall while it trains; right, small digits that it still gets "
                 "wrong, each with its label and the network's answer; those with a wrong label or spoiled pixels have a red frame.",
                 make=Memorizer, preview=120),
            Demo("05/corruption", "05", "From a little noise to nothing but noise", corruption,
                 {"p": Slider(0.0, 1.0, 0.5, step=0.05, label="p")},
                 "Five networks each; p is the probability of a random label (six levels were run; the nearest is shown).",
                 "Left, training and test errors of five networks against steps at the chosen p; right, the time to fit and the "
                 "final test error against p, with a mark at the chosen one.")]
