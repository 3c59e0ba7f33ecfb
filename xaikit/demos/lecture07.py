"""Lecture 07's demos: a noisy channel, the verdict of the bins, and the information plane in motion."""

import functools

import numpy as np

from .. import plot
from ..dynamics import information, plane
from ..widgets import Slider, Toggle
from . import Demo
from .canvas import Canvas, Chart

HIDDEN, APART = 5, 8  # hidden layers; moments between two points of a path


def _joint(one, flip):
    """p(x, y) of a bit that is 1 with probability ``one`` and flipped with probability ``flip``."""
    return np.array([1 - one, one])[:, None] * np.array([[1 - flip, flip], [flip, 1 - flip]])


def channel(one, flip, again):
    """X → Y → Z: a bit through one noisy channel and then through a second; its table, and I against the
    first's noise."""
    joint = _joint(one, flip)
    after = information.through(joint, [[1 - again, again], [again, 1 - again]]).numpy()
    board = Canvas(900, 400)
    for left, table, name in ((40, joint, "y"), (240, after, "z")):
        board.text(left + 20, 10, f"p(x, {name})", 12.5, bold=True)
        for x in (0, 1):
            board.text(left + 10, 92 + 74 * x, f"x={x}", 11, plot.MUTED, anchor="rm")
            for y in (0, 1):
                board.text(left + 55 + 74 * y, 50, f"{name}={y}", 11, plot.MUTED, anchor="ms")
                shade = int(round(255 - 150 * table[x, y]))
                board.rectangle(left + 20 + 74 * y, 58 + 74 * x, 70, 70, (shade, shade, 255), plot.RULE)
                board.text(left + 55 + 74 * y, 93 + 74 * x, f"{table[x, y]:.3f}", 12, anchor="mm")
    known = [information.mutual_information(t) for t in (joint, after)]
    rows = [("H(X)", information.entropy(joint.sum(1))), ("I(X;Y)", known[0]), ("I(X;Z)", known[1])]
    for k, (name, value) in enumerate(rows):
        board.text(60, 254 + 36 * k, name, 12, bold=True, anchor="lm")
        board.rectangle(124, 244 + 36 * k, 230 * max(value, 0), 20, plot.COLORS[k])
        board.text(132 + 230 * max(value, 0), 254 + 36 * k, f"{abs(value):.3f} bits", 11.5, anchor="lm")
    chart = Chart(
        board,
        (520, 60, 330, 250),
        (0, 1),
        (0, 1),
        "probability that the first channel flips the bit",
        "bits",
        (0, 0.25, 0.5, 0.75, 1),
        (0, 0.25, 0.5, 0.75, 1),
    )
    flips = np.linspace(0, 1, 81)
    first = [information.mutual_information(_joint(one, f)) for f in flips]
    second = [
        information.mutual_information(
            information.through(_joint(one, f), [[1 - again, again], [again, 1 - again]])
        )
        for f in flips
    ]
    chart.lines((flips, first, plot.COLORS[1], 2), (flips, second, plot.COLORS[2], 2, 7))
    chart.dot(flip, known[0], plot.COLORS[1])
    chart.dot(flip, known[1], plot.COLORS[2])
    board.text(520, 372, "—— I(X;Y)", 11.5, plot.COLORS[1])
    board.text(620, 372, "– – I(X;Z)", 11.5, plot.COLORS[2])
    return board.jpeg()


@functools.cache
def _change(activation, bins):
    """I(X;T) at the end minus at the start, (20, 6)."""
    run = plane.train(activation)
    begun, ended = (plane.look(run, t, bins)[0] for t in (0, -1))
    return ended - begun


RULERS = (2, 3, 5, 8, 12, 20, 30, 50, 80, 150, 300, 1000, 10_000)


def verdict(activation, bins):
    """Does each hidden layer compress? The change of I(X;T) over training for every number of bins, one
    marked."""
    board = Canvas(900, 400)
    counts = sorted({*RULERS, bins})
    changes = np.stack([_change(activation, count).mean(0)[:HIDDEN] for count in counts])
    span = np.abs(changes).max() * 1.1
    ticks = [v for v in (-4, -2, 0, 2, 4) if abs(v) < span]
    chart = Chart(
        board, (70, 50, 500, 290), (np.log10(2), 4), (-span, span), "bins per unit", "bits", (), ticks
    )
    for count in (2, 10, 100, 1000, 10_000):
        x, _ = chart.at(np.log10(count), 0)
        board.text(x, 347, f"{count:,}", 10, plot.MUTED, anchor="ma")
    across = np.log10(counts)
    chart.lines(
        ([across[0], 4], [0, 0], plot.MUTED, 1),
        *((across, changes[:, k], plot.COLORS[k], 2) for k in range(HIDDEN)),
    )
    now = _change(activation, bins)
    for k in range(HIDDEN):
        chart.dot(np.log10(bins), now[:, k].mean(), plot.COLORS[k])
    board.text(70, 26, f"I(X;T) after training minus before, {activation}", 12.5, bold=True)
    board.text(610, 60, f"with {bins:,} bins", 12.5, bold=True)
    for k in range(HIDDEN):
        change, down = now[:, k].mean(), int((now[:, k] < -0.05).sum())
        up, most = int((now[:, k] > 0.05).sum()), 0.75 * plane.SEEDS
        word = "compresses" if down >= most else "grows" if up >= most else "neither"
        board.text(610, 96 + 34 * k, f"layer {k + 1}", 12, plot.COLORS[k], bold=True)
        board.text(680, 96 + 34 * k, f"{change:+.2f} bits: {word}".replace("-", "−"), 12)
    board.text(610, 290, f"{plane.SEEDS} networks; a word where 3 of 4 change by 0.05 bits", 10.5, plot.MUTED)
    return board.jpeg()


@functools.lru_cache(1024)
def _cloud(activation, bins, moment):
    """All networks' layers in the plane at one moment, (2, 20, 6)."""
    return plane.look(plane.train(activation), moment, bins)


@functools.lru_cache(1024)
def _own(activation, bins, moment, network):
    """One network's layers at one moment, (2, 6)."""
    return plane.look(plane.train(activation), [moment], bins, seeds=network)[:, 0]


@functools.lru_cache(256)
def _path(activation, bins, network):
    """One network's layers at every eighth moment of its training, (2, T, 6): as many networks, one look."""
    run = plane.train(activation)
    return plane.look(run, list(range(0, len(run.steps), APART)), bins, seeds=network)


class Plane:
    """The information plane of twenty networks of one activation, moving on through the moments of their training.

    ``step(n)`` moves on by n moments, and from the last to the first; ``picture()`` draws ``network`` (1 … 20) at this
    moment and every layer's path so far, and the layers of all networks, with their means as frames, at every 24th moment and the last.
    """

    def __init__(self, activation="tanh", bins=30, epoch=0, network=1):
        self.activation, self.bins, self.network, self.run = activation, bins, network, plane.train(activation)
        self.moment = int(np.abs(self.run.steps - epoch * plane.TRAINED / plane.BATCH).argmin())

    def step(self, n=1):
        self.moment = (self.moment + n) % len(self.run.steps)

    def picture(self):
        """JPEG bytes, 900 × 430 page pixels."""
        # all twenty take as long as the rest of five pictures: they follow at every third point of the path, and at the end
        at = self.moment - (0 if self.moment == len(self.run.steps) - 1 else self.moment % (3 * APART))
        cloud = _cloud(self.activation, self.bins, at)
        own, mean = _own(self.activation, self.bins, self.moment, self.network - 1), cloud.mean(1)
        past = _path(self.activation, self.bins, self.network - 1)[:, :-(-self.moment // APART)]
        path = np.concatenate([past, own[:, None]], 1)  # (2, T, 6)
        board = _furniture().copy()
        chart = Chart(board, *_AXES)
        for k, color in enumerate(plot.COLORS[: len(plane.LAYERS)]):
            for x, y in zip(*chart.at(*cloud[:, :, k]), strict=True):
                board.rectangle(x - 1.25, y - 1.25, 2.5, 2.5, color)
        chart.lines((*own, plot.MUTED, 0.7), *((*path[:, :, k], plot.COLORS[k], 1.5) for k in range(len(plane.LAYERS))))
        for k, name in enumerate(plane.LAYERS):
            (x, y), color, row = chart.at(*mean[:, k]), plot.COLORS[k], 92 + 34 * k
            board.rectangle(x - 5, y - 5, 10, 10, outline=color)
            chart.dot(*own[:, k], color)
            chart.text(*own[:, k], f"{k + 1}", 9, 7, size=11, color=color, bold=True)
            board.text(625, row, name, 12, color, bold=True)
            for left, value in zip((690, 735, 790, 835), (own[0, k], own[1, k], *mean[:, k]), strict=True):
                board.text(left, row, f"{value:5.2f}", 12)
        board.text(690, 44, f"network {self.network}", 11, bold=True)
        step = self.run.steps[self.moment]
        board.text(790, 58, f"at step {self.run.steps[at]}", 10, plot.MUTED)
        board.text(625, 320, f"{self.activation}, {self.bins} bins", 12, bold=True)
        board.text(625, 342, f"epoch {step * plane.BATCH / plane.TRAINED:.1f}, step {step}", 12)
        return plot.jpeg(board.image, quality=72, subsampling=2)


_AXES = (
    (60, 40, 520, 330),
    (0, 12.4),
    (0, 1.02),
    "I(X;T), bits",
    "I(T;Y), bits",
    (0, 2, 4, 6, 8, 10, 12),
    (0, 0.2, 0.4, 0.6, 0.8, 1),
)


@functools.cache
def _furniture():
    """What does not move."""
    board = Canvas(900, 430)
    Chart(board, *_AXES)
    board.text(790, 40, f"mean of {plane.SEEDS}", 11, bold=True)
    for left in (690, 790):
        board.text(left, 74, "I(X;T)", 10, plot.MUTED)
        board.text(left + 45, 74, "I(T;Y)", 10, plot.MUTED)
    board.text(625, 374, f"small dots: all {plane.SEEDS} networks; frames: means", 10.5, plot.MUTED)
    board.text(625, 390, "input and label have 12 bits and 1 bit", 10.5, plot.MUTED)
    return board


def compute(steps=0, **settings):
    """The plane ``steps`` moments after the epoch that was set."""
    thing = Plane(**settings)
    thing.step(steps)
    return thing.picture()


def demos():
    last = int(plane.STEPS * plane.BATCH / plane.TRAINED)
    live = {
        "activation": Toggle(tuple(plane.ACTIVATIONS), "tanh", label="activation"),
        "bins": Slider(2, 1000, 30, label="bins", log=True),
        "epoch": Slider(0, last, 0, label="epoch"),
        "network": Slider(1, plane.SEEDS, 1, label="network"),
    }
    return [
        Demo(
            "07",
            "07",
            "The information plane",
            compute,
            live,
            "Each path is a layer of one network: to the right, what it knows of the input, upwards, what it knows of "
            "the label; the small dots are that layer in all twenty networks, the frames their means. Press play, or set "
            "the epoch; then change the bins, and see how much of the picture was the ruler's.",
            "A plane with the information on the input across and on the label upwards. Six coloured paths, one for each "
            "layer of a network, rise as training goes on, in clouds of dots, the same layers of twenty networks; for "
            "tanh those of the upper layers then turn left.",
            make=Plane,
            preview=70,
            speed=Slider(1, 5, 1, label="speed"),
        ),
        Demo(
            "07/bins",
            "07",
            "Does it compress?",
            verdict,
            {
                "activation": Toggle(tuple(plane.ACTIVATIONS), "tanh", label="activation"),
                "bins": Slider(2, 10_000, 30, label="bins", log=True),
            },
            "Below the line a layer's I(X;T) fell in training, above it rose. Move the ruler.",
            "Five curves, one for each hidden layer, of the change of information over training against the "
            "number of bins; "
            "with few bins some are above zero, with about a hundred below, and with very many at zero.",
        ),
        Demo(
            "07/channel",
            "07",
            "A noisy channel, and another",
            channel,
            {
                "one": Slider(0.0, 1.0, 0.5, step=0.01, label="p(x = 1)"),
                "flip": Slider(0.0, 1.0, 0.1, step=0.01, label="flip"),
                "again": Slider(0.0, 1.0, 0.1, step=0.01, label="flip again"),
            },
            "A bit goes through two channels that flip it now and then. What is lost does not come back.",
            "Two tables of probabilities, bars of the entropy and of the two mutual informations, and "
            "curves of these against "
            "the noise of the first channel: highest at both ends, zero in the middle, the second below the "
            "first.",
        ),
    ]
