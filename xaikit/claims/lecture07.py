"""Lecture 07: what was claimed of information in hidden layers and of ReLU gates, measured."""

import functools

import numpy as np

from . import claim

_TISHBY, _SAXE, _REN = "Shwartz-Ziv, Tishby 2017", "Saxe et al. 2018", "Ren et al. 2021"


@functools.cache
def _phases(activation, ruler="fixed"):
    from ..dynamics import plane

    return plane.phases(activation, ruler=ruler)


def _said(values, layers=(3, 4, 5)):
    """ "+0.12 ± 0.03" for each of these hidden layers, from values (seeds, 5)."""
    from ..dynamics import information

    m, i = information.interval(values)
    return ", ".join(f"{m[k - 1]:+.2f} ± {i[k - 1]:.2f}" for k in layers)


@claim(
    "07",
    f"{_TISHBY}, section 2",
    "data-processing inequality: of the hidden layers, none knows more of the input than "
    "the one before (holds: for all layers and networks, as binned)",
    "I(X;T₁) ≥ I(X;T₂) ≥ …",
)
def _processing():
    from ..dynamics import plane

    rises = {}
    for activation in plane.ACTIVATIONS:
        _, found = plane.path(activation)
        rises[activation] = float((found[:, 0, :, 1:5] - found[:, 0, :, :4]).max())
    text = ", ".join(f"{name} {rise:+.2f}" for name, rise in rises.items())
    return f"largest rise from a hidden layer to the next, in binned bits: {text}", max(rises.values()) <= 0


@claim(
    "07",
    f"{_TISHBY}, figures 2 and 3",
    "fitting: the upper layers first learn the label (holds: interval of the rise of "
    "I(T;Y) above 0 in layers 4 and 5)",
    "I(T;Y) rises to nearly 1 bit",
)
def _fits():
    rise = _phases("tanh")["I(T;Y) until"]
    from ..dynamics import information

    m, i = information.interval(rise)
    return f"tanh, 20 seeds, layers 4, 5: {_said(rise, (4, 5))} bits", bool((m - i)[3:].min() > 0)


@claim(
    "07",
    f"{_TISHBY}, figures 3 and 4",
    "then compression: I(X;T) falls (holds: after the fit, intervals below 0 in layers "
    "4 and 5; 30 bins from −1 to 1)",
    "all upper layers, most of the time",
)
def _compresses():
    from ..dynamics import information

    after = _phases("tanh")["I(X;T) after"]
    m, i = information.interval(after)
    return f"tanh, 20 seeds, layers 4, 5: {_said(after, (4, 5))} bits", bool((m + i)[3:].max() < 0)


@claim(
    "07",
    f"{_SAXE}, figure 1",
    "ReLU networks do not compress (holds: no interval of the change after the fit lies below "
    "0; bins fixed over training)",
    "no compression",
)
def _relu():
    from ..dynamics import information

    after = _phases("ReLU")["I(X;T) after"]
    m, i = information.interval(after)
    return f"ReLU, 20 seeds, layers 3, 4, 5: {_said(after)} bits", bool((m + i).min() >= 0)


@claim(
    "07",
    "here, no source",
    "the ruler decides: bins chosen anew at each moment make ReLU layers compress",
    "–",
)
def _snapshot():
    from ..dynamics import information

    after = _phases("ReLU", "snapshot")["I(X;T) after"]
    m, i = information.interval(after)
    return f"the same ReLU networks, layers 3, 4, 5: {_said(after)} bits", bool((m + i)[2:].max() < 0)


@claim(
    "07",
    f"{_SAXE}, section 2",
    "the number of bins decides (holds: tanh layer 4 gains with 5 bins, loses with 100, and "
    "loses less than a hundredth of a bit with a million)",
    "I(X;T) of a deterministic network is H(X); the rest is the noise or binning assumed",
)
def _bins():
    from ..dynamics import information, plane

    run, found = plane.train("tanh"), {}
    for bins in (5, 100, 1_000_000):
        found[bins] = information.interval((plane.look(run, -1, bins)[0] - plane.look(run, 0, bins)[0])[:, 3])
    text = ", ".join(f"{bins:,} bins {m:+.2f} ± {i:.2f}" for bins, (m, i) in found.items())
    return f"tanh, layer 4: {text} bits", bool(
        found[5][0] > found[5][1] and found[100][0] < -found[100][1] and abs(found[1_000_000][0]) < 0.01
    )


@claim(
    "07",
    f"{_SAXE}, appendix",
    "a kernel estimate in place of bins gives the same verdict (holds: for a fine one, σ = 0.01, layer 5 falls "
    "for tanh, interval below 0, and not for ReLU; a coarse one, σ = 0.5, shown for comparison)",
    "tanh compresses, ReLU does not",
)
def _kernel():
    from ..dynamics import information, plane

    def change(activation, sigma):
        before, after = plane.kernels(activation, sigma)
        return information.interval((after - before)[:, 4])

    found = {activation: change(activation, 0.01) for activation in plane.ACTIVATIONS}
    text = ", ".join(f"{name} {m:+.2f} ± {i:.2f}" for name, (m, i) in found.items())
    (tanh, a), (relu, b) = found.values()
    coarse = "{:+.2f} ± {:.2f}".format(*change("tanh", 0.5))
    return f"layer 5, eight seeds, {text} bits; with σ = 0.5 tanh {coarse}", bool(tanh + a < 0 <= relu + b)


@claim(
    "07",
    f"{_REN}, entanglement",
    "H(Σ) + TC(Σ) = C for the gates of a layer (holds: to 1e-6 bits, over all states)",
    "exact",
)
def _books():
    from ..dynamics import gates

    books = gates.books()
    gap = float(np.abs(books[:, 0] + books[:, 1] - books[:, 2]).max())
    return f"20 networks, 5 layers, before and after training: largest difference {gap:.0e} bits", gap < 1e-6


def _gaps(level=None):
    from ..dynamics import gates, information

    found = {s: gates.gap_at(s, level) for s in gates.STRENGTHS}
    text = ", ".join("{:g}: {:.2f} ± {:.2f}".format(s, *information.interval(v)) for s, v in found.items())
    first, *_, last = found.values()  # seeds are pairs: the same weights to begin with, the same batches
    m, i = information.interval(last - first)
    return (
        f"test − train loss by strength, six seeds, {text}; strongest − none {m:+.2f} ± {i:.2f} nats",
        bool(m + i < 0),
    )


@claim(
    "07",
    f"{_REN}, loss",
    "a penalty on the gates' entropy reduces the gap between training and test loss (holds: "
    "interval of the paired difference below 0, at the end of training)",
    "reduces the gap",
)
def _penalty():
    return _gaps()


@claim(
    "07",
    f"{_REN}, loss",
    "the same, where the networks have learned equally much (training loss 1)",
    "not measured",
)
def _equally():
    return _gaps(1.0)
