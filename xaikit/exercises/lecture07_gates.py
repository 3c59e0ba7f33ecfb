"""Lecture 07's exercise 7.6: the entropy of a layer's gates."""

import numpy as np

from .formula import formula
from .lecture07 import _states


def gate_entropy(z):
    """H(Σ) and TC(Σ) in bits of the gates z > 0 of pre-activations z (N, D).  Returns two numbers."""
    import torch

    gates = z > 0
    counts = torch.unique(gates, dim=0, return_counts=True)[1].double()
    p = counts / len(gates)
    own = -(p * p.log2()).sum()
    opened = gates.double().mean(0)
    apart = -(
        torch.special.xlogy(opened, opened) + torch.special.xlogy(1 - opened, 1 - opened)
    ).sum() / np.log(2)
    return own, apart - own


def _gate_cases(rng):
    made = []
    for n, d, note in (
        (50, 3, "three gates"),
        (200, 6, "six gates"),
        (30, 1, "one gate"),
        (3000, 10, "ten gates"),
    ):
        z = rng.normal(size=(n, d)) + rng.normal(size=d)
        if d > 2:
            z[:, 1] = z[:, 0] * rng.uniform(0.5, 2)  # two gates that always agree
            z[:, 2] = -np.abs(z[:, 2]) - 0.1  # and one that is always shut
        made.append({"z": z, "note": note})
    z = rng.normal(size=(60, 4))
    z[rng.random((60, 4)) < 0.3] = 0.0
    small = rng.random((60, 4)) < 0.2
    z[small] = rng.choice([-1e-9, 1e-9], small.sum())
    made.append({"z": z, "note": "pre-activations that are 0, whose gate is shut, or nearly 0"})
    made.append({"z": np.abs(rng.normal(size=(20, 3))) + 0.1, "note": "all gates always open"})
    # more gates than an int64 has bits; rows that differ in the first gate alone, and others in the last alone.  The
    # gates next to these are shut, so that rounding takes the lone one away in whatever order a code is summed.
    z = -np.abs(rng.normal(size=(54, 80))) - 0.1
    z[:, 37:43] = np.repeat(rng.normal(size=(18, 6)), 3, axis=0)
    z[:, 0] *= np.tile([1, -1, -1], 18)
    z[:, -1] *= np.tile([-1, -1, 1], 18)
    made.append({"z": z, "note": "eighty gates, rows that differ in a single one"})
    return made


def _gates(z, gates=None, base=1.0):
    gates = z > 0 if gates is None else gates
    own = _states(gates)
    apart = sum(_states(column) for column in gates.T)
    return base * own, base * (apart - own)


def _coded(z, back=False, kind=np.float32):
    """C, and the entropy of rows that became one number each, Σ gate · 2^d: float32 holds 24 bits, an int64 63."""
    places, bits = np.arange(z.shape[1]), 8 * np.dtype(kind).itemsize
    powers = kind(2) ** places.astype(kind) if kind(0.5) else np.where(
        places < bits, np.uint64(1) << (places % bits).astype(np.uint64), np.uint64(0)).astype(kind)
    return sum(_gates(z)), _states(((z > 0).astype(kind) * powers[:: -1 if back else 1]).sum(1, dtype=kind)[:, None])


def _one_sided(z):
    p = (z > 0).mean(0)
    p = p[p > 0]
    return -(p * np.log2(p)).sum()


EXERCISES = [
    formula(
        id="7.6",
        title="the entropy of gates",
        finite="A gate that is always open, or never, has entropy 0: 0 · log 0 counts as 0, torch.special.xlogy.",
        points=2,
        minutes=7,
        difficulty=2,
        task="Write `gate_entropy(z)`: from pre-activations `z` (N, D) of a ReLU layer, return H(Σ) and "
        "TC(Σ) in bits. A "
        "gate is open where z > 0; TC = Σ_d H(Σ_d) − H(Σ). There may be more gates than an int64 has bits.",
        library=gate_entropy,
        cases=_gate_cases,
        outputs=("H(Σ)", "TC(Σ)"),
        truth=_gates,
        mistakes=[
            ("These are nats: bits need the logarithm to base 2.", lambda z: _gates(z, base=np.log(2))),
            ("H(Σ) is in nats: log2.", lambda z: (np.log(2) * _gates(z)[0], _gates(z)[1])),
            ("TC is in nats: log2.", lambda z: (_gates(z)[0], np.log(2) * _gates(z)[1])),
            ("The two are swapped: first H(Σ), then TC(Σ).", lambda z: _gates(z)[::-1]),
            (
                "A gate whose pre-activation is exactly 0 is shut: z > 0, not z ≥ 0.",
                lambda z: _gates(z, z >= 0),
            ),
            (
                "That is C, the sum of the single gates' entropies: H(Σ) counts whole rows.",
                lambda z: (sum(_gates(z)), _gates(z)[1]),
            ),
            (
                "TC is the sum of the single gates' entropies minus H(Σ).",
                lambda z: (_gates(z)[0], sum(_gates(z))),
            ),
            (
                "The sign of TC is turned: single gates' entropies minus that of the whole, never below 0.",
                lambda z: (_gates(z)[0], -_gates(z)[1]),
            ),
            (
                "That is the logarithm of the number of states: they do not occur equally often.",
                lambda z: (np.log2(len(np.unique(z > 0, axis=0))), _gates(z)[1]),
            ),
            (
                "That is the logarithm of the number of states: they do not occur equally often.",
                lambda z: (lambda n: (n, sum(_gates(z)) - n))(np.log2(len(np.unique(z > 0, axis=0)))),
            ),
            (
                "The entropies of the single gates are added up, not averaged.",
                lambda z: (_gates(z)[0], sum(_gates(z)) / z.shape[1] - _gates(z)[0]),
            ),
            *[
                (
                    "Rows became numbers that cannot tell them apart: float32 holds 24 gates, int32 31, float64 53, int64 63. "
                    "Count rows.",
                    lambda z, how=how: (lambda whole, own: (own, whole - own))(*_coded(z, *how)),
                    0.7,
                )
                for how in ((back, kind) for back in (False, True) for kind in (np.float32, np.float64, np.int32, np.int64))
            ],
            (
                "You counted rows of outputs: a gate only knows whether z is above 0.",
                lambda z: _gates(z, z.clip(0)),
            ),
            (
                "sign has a third value, at 0: a gate has two states.",
                lambda z: _gates(z, np.sign(z)),
            ),
            (
                "Which gates are open is the state, not how many.",
                lambda z: (lambda own: (own, sum(_gates(z)) - own))(_states((z > 0).sum(1))),
            ),
            (
                "You used the pre-activations themselves: a gate only knows whether they are above 0.",
                lambda z: _gates(z, z),
            ),
            (
                "A single gate has two states, open and shut: −p log p − (1 − p) log(1 − p).",
                lambda z: (_gates(z)[0], _one_sided(z) - _gates(z)[0]),
            ),
        ],
        hints=(
            "The gates are a table of 0 and 1; its rows are states, as bins were in exercise 7.2.",
            "torch.unique(gates, dim=0, return_counts=True) for H(Σ); gates.double().mean(0) is each gate's "
            "probability to "
            "be open, and a gate that is always shut has entropy 0.",
            "p = counts / N; own = -(p * p.log2()).sum(); q = (z > 0).double().mean(0); apart = "
            "-(torch.special.xlogy(q, q) + torch.special.xlogy(1 - q, 1 - q)).sum() / np.log(2); return "
            "own, apart - own",
        ),
        insight="TC is how far the gates are from acting each for itself. H + TC = C: for given single "
        "gates, more agreement "
        "among them means fewer states.",
    ),
]
