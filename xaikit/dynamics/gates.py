"""The entropy of a network's gates: which ReLUs are open, how many bits that is, and a penalty on it.

Ren, Li, Liu, Zhang 2021, *Towards Theoretical Analysis of Transformation Complexity of ReLU DNNs*: σ_l ∈ {0,
1}^D are the gates of layer l, 1 where the ReLU lets its input through.  In bits, but for the penalty, which
is in nats as losses are.
"""

import functools
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..train import many
from . import information, plane

ENUMERABLE = 16  # gates whose 2^D states still make a table


def states(gates):
    """The table p(σ) of gates (N, D) of 0 and 1 over all 2^D states, state Σ_d σ_d 2^d; ValueError: empty, D
    > 16, no gates."""
    gates = _checked(gates)
    if gates.shape[1] > ENUMERABLE:
        raise ValueError(
            f"{gates.shape[1]} gates have 2^{gates.shape[1]} states: too many for a table, at most "
            f"{ENUMERABLE}"
        )
    codes = gates.long() @ (1 << torch.arange(gates.shape[1]))
    return torch.bincount(codes, minlength=1 << gates.shape[1]).double() / len(gates)


def bookkeeping(gates):
    """H(Σ), TC(Σ) and C of gates (N, D), in bits, each by its own definition over all 2^D states:

    H = −Σ_σ p(σ) log₂ p(σ),  TC = KL(p(σ) ‖ Π_d p(σ_d)),  C = −E_σ log₂ Π_d p(σ_d);  so that H + TC = C.
    ValueError as `states`.
    """
    p = states(gates)
    width = gates.shape[1]
    bits = (torch.arange(len(p))[:, None] >> torch.arange(width)) & 1  # (2^D, D)
    opened = (p[:, None] * bits).sum(0)  # p(σ_d = 1)
    product = torch.where(bits == 1, opened, 1 - opened).prod(1)
    seen = p > 0  # where p is not 0, no factor is
    correlation = (p[seen] * (p[seen].log2() - product[seen].log2())).sum().item()
    return information.entropy(p), correlation, -(p[seen] * product[seen].log2()).sum().item()


def entropies(gates, y=None):
    """Of many networks' gates (E, N, D), any D: arrays (E,) of H(Σ), TC(Σ) and with labels y (N,) I(Σ;Y), in
    bits.

    Given the input the gates are known, H(Σ|X) = 0: I(X;Σ) = H(Σ), and I(X;Σ;Y) = I(Σ;Y).
    """
    gates = np.asarray(gates).astype(bool)
    own, told = information.discrete(gates, y)
    opened = gates.mean(1)
    rest = 1 - opened
    apart = -(
        np.where(opened > 0, opened * np.log2(np.maximum(opened, 1e-300)), 0)
        + np.where(rest > 0, rest * np.log2(np.maximum(rest, 1e-300)), 0)
    ).sum(1)
    return own, apart - own, told


def complexity(z, flip=0.1):
    """The penalty −E log q(σ) of one layer's pre-activations z (B, D), in nats, with gradients: of hard gates an upper
    bound of H(Σ), with the soft ones used here a stand-in for it.

    q is a kernel density over the batch: q(σ_i) = mean over j ≠ i of (1 − a)^(D − d_ij) a^(d_ij), a =
    ``flip``, with d_ij the number of gates in which i and j differ (relaxed: an open gate is sigmoid(z)). 
    Of hard gates it is a cross-entropy, never below the entropy.
    """
    if z.dim() != 2 or len(z) < 2:
        raise ValueError(f"pre-activations are (B, D) with two rows or more, these {tuple(z.shape)}")
    if not 0 < flip < 0.5:
        raise ValueError(f"flip lies between 0 and 0.5, not {flip!r}")
    soft = torch.sigmoid(z)
    differ = soft @ (1 - soft).mT
    differ = differ + differ.mT  # (B, B)
    logs = differ * math.log(flip / (1 - flip)) + z.shape[1] * math.log(1 - flip)
    logs = logs.masked_fill(torch.eye(len(z), dtype=torch.bool), -math.inf)
    return (math.log(len(z) - 1) - logs.logsumexp(1)).mean()


def _checked(gates):
    gates = torch.as_tensor(gates)
    if gates.dim() != 2 or gates.numel() == 0:
        raise ValueError(f"gates are (N, D) and not empty, these have shape {tuple(gates.shape)}")
    if not bool(((gates == 0) | (gates == 1)).all()):
        raise ValueError("a gate is 0 or 1")
    return gates


class Gated(nn.Module):
    """196 – D – D – 10 on digits of 14 × 14 pixels, ReLU.  Its output (N, 10 + 2D + 1): logits, both layers'
    pre-activations and the ``strength`` of its penalty, so that a loss sees them all."""

    def __init__(self, width, strength):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(196, width), nn.Linear(width, width), nn.Linear(width, 10)])
        self.register_buffer("strength", torch.tensor(float(strength)))

    def forward(self, x):
        first = self.layers[0](x)
        second = self.layers[1](first.relu())
        logits = self.layers[2](second.relu())
        return torch.cat([logits, first, second, self.strength.expand(len(x), 1)], 1)


def penalised(out, y):
    """Cross-entropy + strength · Σ_l −E log q(σ_l), for an output of `Gated`; nats."""
    z = out[:, 10:-1]
    first, second = z[:, : z.shape[1] // 2], z[:, z.shape[1] // 2 :]
    return F.cross_entropy(out[:, :10], y) + out[0, -1] * (complexity(first) + complexity(second))


@functools.cache
def digits(count=200, wrong=0.2):
    """Digits of 14 × 14 pixels, ``count`` to train on and 1,000 to test on, each (x (N, 196), labels (N,),
    true labels).

    A share ``wrong`` of the labels is drawn anew at random, in both: something to be learned by heart.
    """
    from .. import data

    parts = [data.digits(split=split) for split in ("train", "test")]
    x = F.avg_pool2d(torch.cat([p.images for p in parts]), 2).flatten(1)
    true = torch.cat([p.labels for p in parts]).long()
    if not 0 < count < len(true):
        raise ValueError(
            f"there are {len(true)} digits: {count} cannot be trained on, with some left to test on"
        )
    generator = torch.Generator().manual_seed(0)
    labels = torch.where(
        torch.rand(len(true), generator=generator) < wrong,
        torch.randint(10, true.shape, generator=generator),
        true,
    )
    order = torch.randperm(len(true), generator=generator)
    return [(x[rows], labels[rows], true[rows]) for rows in (order[:count], order[count : count + 1000])]


@functools.cache
def through_training():
    """H(Σ), TC(Σ) and I(Σ;Y) of the hidden layers of `plane`'s ReLU networks: steps (T,), and (T, 3, E, 5) in
    bits.

    Over all 4,096 inputs: the gates' whole distribution, and no estimate of it.
    """
    run, y = plane.train("ReLU"), plane.twelve_bits()[1]
    found = [[entropies(h > 0, y) for h in run.layers(t)[:-1]] for t in run.coarse]
    return run.steps[run.coarse], np.array(found).transpose(0, 2, 3, 1)


@functools.cache
def books(moments=(0, -1)):
    """H, TC and C, each by its own definition over all states, of every hidden layer and network: (M, 3, E,
    5) in bits."""
    run = plane.train("ReLU")
    found = [[[bookkeeping(own > 0) for own in h] for h in run.layers(t)[:-1]] for t in moments]
    return np.array(found).transpose(0, 3, 2, 1)


STRENGTHS = (0.0, 0.003, 0.01)


@functools.cache
def study(strengths=STRENGTHS, seeds=6, steps=400, width=16, every=40):
    """Networks with penalties of several strengths on the gates' entropy; a `train.many.Histories`.

    Measured, (E,): ``train`` and ``test`` loss in nats (the cross-entropy alone), ``error`` on the test
    digits' true labels; (E, 2), layer by layer, of the 1,000 test digits' gates: ``H``, ``TC`` and ``told`` =
    I(Σ;Y) with the true labels, in bits.
    """
    (x, y, _), (xt, yt, true) = digits()

    def measure(now):
        seen, new = now.forward(x), now.forward(xt)
        losses = [
            F.cross_entropy(out[..., :10].mT, labels.expand(len(out), -1), reduction="none").mean(1)
            for out, labels in ((seen, y), (new, yt))
        ]
        opened = (new[..., 10:-1] > 0).unflatten(2, (2, -1))
        own = [entropies(opened[:, :, layer], true) for layer in range(2)]
        return {
            "train": losses[0],
            "test": losses[1],
            "error": (new[..., :10].argmax(-1) != true).float().mean(1),
            **{
                name: torch.tensor(np.stack([o[k] for o in own], 1))
                for k, name in enumerate(("H", "TC", "told"))
            },
        }

    return many.fit_many(
        lambda s: Gated(width, s["strength"]),
        (x, y),
        [{"strength": s, "lr": 3e-3} for s in strengths],
        range(seeds),
        steps=steps,
        batch_size=64,
        loss=penalised,
        measure=measure,
        every=every,
        progress=False,
    )


def gap_at(strength, level=None):
    """Test minus train loss of each seed (E,) at that strength: at the end, or where its training loss first
    fell to ``level`` (between two measurements: linear in the training loss; NaN where it never did)."""
    histories = study()
    chosen = [i for i, s in enumerate(histories.settings) if s["strength"] == strength]
    if not chosen:
        raise ValueError(f"no network was trained with strength {strength!r}")
    train, test = (histories.measured[k][:, chosen].double().numpy() for k in ("train", "test"))
    if level is None:
        return test[-1] - train[-1]
    if level > train[0].min():
        raise ValueError(f"the training loss begins at {train[0].min():.2f}: no level of {level}")
    found = np.full(len(chosen), np.nan)
    for e in range(len(chosen)):
        below = np.flatnonzero(train[:, e] <= level)
        if len(below):
            t = below[0]
            share = (train[t - 1, e] - level) / (train[t - 1, e] - train[t, e])
            found[e] = (1 - share) * test[t - 1, e] + share * test[t, e] - level
    return found
