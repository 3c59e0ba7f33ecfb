"""The information plane: the networks of Shwartz-Ziv and Tishby 2017, twenty at once, and what their layers
know.

Every twelve-bit input occurs once, so that the 4,096 inputs are the whole distribution and not a sample of
it: what is estimated here by bins has no sampling error, and what it depends on is the bins alone.
"""

import functools
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import information

SIZES = (12, 10, 7, 5, 4, 3, 2)
LAYERS = tuple(f"layer {k}" for k in range(1, len(SIZES)))
ACTIVATIONS = {"tanh": nn.Tanh, "ReLU": nn.ReLU}
SEEDS, STEPS, BATCH, RATE, TRAINED = 20, 1200, 256, 6e-3, 3276  # four fifths of the inputs are trained on
BINS = {"tanh": 30, "ReLU": 100}  # as in Shwartz-Ziv and Tishby 2017 and in Saxe et al. 2018


@functools.cache
def twelve_bits(seed=0):
    """All inputs x (4096, 12) of −1 and 1, and labels y (4096,) of 0 and 1, half of each.

    After Shwartz-Ziv and Tishby: the bits say which of twelve points on a sphere are there, and the label
    depends on what a rotation leaves as it is: here on the power of the pattern's first two degrees, m·m − ½
    Σ q².
    """
    x = ((torch.arange(4096)[:, None] >> torch.arange(12)) & 1).float() * 2 - 1
    points = torch.randn(12, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    points = points / points.norm(dim=1, keepdim=True)
    there = (x.double() + 1) / 2
    first = there @ points
    second = (
        torch.einsum("ni,ia,ib->nab", there, points, points) - there.sum(1)[:, None, None] * torch.eye(3) / 3
    )
    score = first.square().sum(1) - 0.5 * second.square().sum((1, 2))
    return x, (score > score.median()).long()


def network(activation):
    """12 – 10 – 7 – 5 – 4 – 3 – 2 with this activation; weights normal with variance 1 / inputs (ReLU: 2 /
    inputs)."""
    layers = []
    for a, b in zip(SIZES, SIZES[1:], strict=False):
        layers += [nn.Linear(a, b), ACTIVATIONS[activation]()]
        deviation = ((2 if activation == "ReLU" else 1) / a) ** 0.5
        nn.init.trunc_normal_(layers[-2].weight, 0, deviation, -2 * deviation, 2 * deviation)
        nn.init.zeros_(layers[-2].bias)
    return nn.Sequential(*layers[:-1])


@dataclass(frozen=True)
class Run:
    """What was trained.  ``steps`` (T,): when was looked; ``parameters``: name → (T, E, …); ``coarse``: every
    fourth moment and the last; at those, ``accuracy`` (…, E, 2) on the inputs trained on and on the others,
    and ``high``: for each layer (E, 1, 1) its largest output at any of them."""

    activation: str
    steps: np.ndarray
    parameters: dict
    coarse: list
    accuracy: np.ndarray
    high: list

    def layers(self, moment, seeds=slice(None)):
        """The outputs of every layer for all 4,096 inputs at steps[moment], (E, 4096, width) each."""
        return layers(
            self.activation, {k: v[moment, seeds] for k, v in self.parameters.items()}, twelve_bits()[0]
        )


def layers(activation, parameters, x):
    """The outputs T₁ … T₆ of every layer, (E, N, width) each, the last as probabilities; parameters: name →
    (E, …).

    In memory the inputs lie side by side, (E, width, N): with rows of two to twelve units a step takes twice as long.
    """
    h = x.expand(len(parameters["0.weight"]), *x.shape[-2:]).mT
    said = []
    for k in range(0, 2 * len(SIZES) - 2, 2):
        h = torch.baddbmm(parameters[f"{k}.bias"][:, :, None], parameters[f"{k}.weight"], h)
        h = ACTIVATIONS[activation]()(h) if k < 2 * len(SIZES) - 4 else h.softmax(1)
        said.append(h.mT)
    return said


def moments(steps=STEPS, count=90):
    """When is looked: at 0 and at steps that lie ever farther apart."""
    return sorted({0, *np.rint(np.geomspace(1, steps, count)).astype(int).tolist()})


@functools.cache
def train(activation, seeds=SEEDS, steps=STEPS, lr=RATE):
    """Train ``seeds`` such networks at once with Adam on batches of 256, each on its own four fifths of the
    inputs; a `Run`.

    Plain stacked matrices: for layers as narrow as these, half the time of ``train.many.fit_many``, which can
    do more.
    """
    x, y = twelve_bits()
    begun, orders = [], []
    with torch.random.fork_rng(devices=[]):
        for seed in range(seeds):
            torch.manual_seed(seed)
            begun.append(network(activation).state_dict())
            orders.append(torch.randperm(len(x)))
    parameters = {k: torch.stack([d[k] for d in begun]).requires_grad_() for k in begun[0]}
    orders, generator = torch.stack(orders), torch.Generator().manual_seed(0)
    optimizer, kept, when = torch.optim.Adam(parameters.values(), lr, fused=True), [], moments(steps)
    with torch.enable_grad():
        for step in range(steps + 1):
            if step in when:
                kept.append({k: p.detach().clone() for k, p in parameters.items()})
            # drawn for all, so that a network's batches do not depend on how many are trained
            drawn = torch.randint(TRAINED, (max(seeds, SEEDS), BATCH), generator=generator)[:seeds]
            rows = orders[:, :TRAINED].gather(1, drawn)
            said = layers(activation, parameters, x.index_select(0, rows.flatten()).view(*rows.shape, -1))[-1]
            loss = (
                F.nll_loss(said.clamp_min(1e-12).log().flatten(0, 1), y[rows].flatten(), reduction="sum")
                / BATCH
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    parameters = {k: torch.stack([state[k] for state in kept]) for k in begun[0]}
    accuracy, high, coarse = [], [0.0] * (len(SIZES) - 1), sorted({*range(0, len(when), 4), len(when) - 1})
    for t in coarse:
        said = layers(activation, {k: v[t] for k, v in parameters.items()}, x)
        right = (said[-1].argmax(-1) == y).float().gather(1, orders)
        accuracy.append(torch.stack([right[:, :TRAINED].mean(1), right[:, TRAINED:].mean(1)], 1).numpy())
        high = [
            torch.maximum(h.amax((1, 2), keepdim=True), torch.as_tensor(top))
            for h, top in zip(said, high, strict=True)
        ]
    return Run(activation, np.array(when), parameters, coarse, np.stack(accuracy), high)


def ends(run, said, layer, ruler="fixed"):
    """Where a layer's bins begin and end.  tanh: −1 and 1, the last layer 0 and 1; ReLU: 0 and its largest
    output, of all of training ("fixed") or of the moment itself ("snapshot")."""
    if layer == len(SIZES) - 2:  # probabilities
        return 0.0, 1.0
    if ruler == "snapshot":
        low, high = (said[layer].amin((1, 2), keepdim=True), said[layer].amax((1, 2), keepdim=True))
        return low, torch.maximum(high, low + 1e-6)
    return (-1.0, 1.0) if run.activation == "tanh" else (0.0, run.high[layer].clamp_min(1e-6))


def look(run, moment, bins, ruler="fixed", seeds=slice(None)):
    """I(X;T) and I(T;Y) of every layer at steps[moment], (2, E, 6), in bits."""
    said, y = run.layers(moment, seeds), twelve_bits()[1]
    found = []
    for layer, h in enumerate(said):
        low, high = ends(run, said, layer, ruler)
        high = high[seeds] if torch.is_tensor(high) and ruler == "fixed" else high
        found.append(information.binned(h, y, bins, low, high))
    return np.array(found).transpose(1, 2, 0)


@functools.cache
def path(activation, bins=None, ruler="fixed"):
    """Every fourth moment of training of all seeds: steps (T,) and I(X;T), I(T;Y) as (T, 2, E, 6), in
    bits."""
    run = train(activation)
    return run.steps[run.coarse], np.stack(
        [look(run, t, bins or BINS[activation], ruler) for t in run.coarse]
    )


def fitted(told):
    """The moment (E, L) at which I(T;Y) first reached nine tenths of its last value; ``told`` (T, E, L)."""
    return (told >= 0.9 * told[-1]).argmax(0)


def phases(activation, bins=None, ruler="fixed"):
    """For each seed and hidden layer (E, 5), in bits: how I(T;Y) and I(X;T) changed until `fitted` and after
    it, the change of I(X;T) from first to last moment, and, a biased measure, from its highest to the last. 
    A dict."""
    _, found = path(activation, bins, ruler)
    known, told = found[:, 0, :, :-1], found[:, 1, :, :-1]
    when = fitted(told)[None]
    then = np.take_along_axis(known, when, 0)[0]
    label = np.take_along_axis(told, when, 0)[0]
    return {
        "I(T;Y) until": label - told[0],
        "I(X;T) until": then - known[0],
        "I(T;Y) after": told[-1] - label,
        "I(X;T) after": known[-1] - then,
        "last − first": known[-1] - known[0],
        "last − peak": known[-1] - known.max(0),
    }


@functools.cache
def kernels(activation, sigma, seeds=8, inputs=512, bound="upper"):
    """I(X; T + ε) of the hidden layers by `information.kernel` before and after training: (2, seeds, 5), in
    bits.

    On ``inputs`` of the 4,096 inputs, the same for all: no more than log₂ of their number can come out.
    """
    run = train(activation)
    rows = torch.randperm(4096, generator=torch.Generator().manual_seed(0))[:inputs]
    return np.array(
        [
            [
                [information.kernel(h[seed, rows], sigma=sigma, bound=bound) for h in said[:-1]]
                for seed in range(seeds)
            ]
            for said in (run.layers(t) for t in (0, -1))
        ]
    )


def leaks(run, moment, bins):
    """I(X;T_k) as binned, and I(X;T_{k+1} | T_k), what the next layer's bins know past this one's: (E, 5),
    (E, 4), in bits.

    All are functions of X, so that the second is H(T_k, T_{k+1}) − H(T_k).
    """
    said = run.layers(moment)[:-1]
    states = [information.bins(h, bins, *ends(run, said, k)) for k, h in enumerate(said)]
    own = np.stack([information.discrete(t)[0] for t in states], 1)
    pairs = zip(states, states[1:], strict=False)
    both = np.stack([information.discrete(torch.cat(pair, 2))[0] for pair in pairs], 1)
    return own, both - own[:, :-1]


def exact(run, moment):
    """I(X;T) of every hidden layer with each number of 32 bits as a bin of its own, (E, 5): what no bins can
    exceed."""
    return np.stack(
        [information.discrete((h + 0.0).view(torch.int32))[0] for h in run.layers(moment)[:-1]], 1
    )
