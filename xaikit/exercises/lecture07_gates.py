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
    made.append({"z": z, "note": "pre-activations that are exactly 0: their gate is shut"})
    made.append({"z": np.abs(rng.normal(size=(20, 3))) + 0.1, "note": "all gates always open"})
    # more gates than a float32 has bits; rows that differ in the first gate alone, and others in the last alone.  The
    # gates next to these are shut, so that rounding takes the lone one away in whatever order a code is summed.
    z = -np.abs(rng.normal(size=(54, 40))) - 0.1
    z[:, 17:23] = np.repeat(rng.normal(size=(18, 6)), 3, axis=0)
    z[:, 0] *= np.tile([1, -1, -1], 18)
    z[:, -1] *= np.tile([-1, -1, 1], 18)
    made.append({"z": z, "note": "forty gates, rows that differ in a single one"})
    return made


def _gates(z, gates=None, base=1.0):
    gates = z > 0 if gates is None else gates
    own = _states(gates)
    apart = sum(_states(column) for column in gates.T)
    return base * own, base * (apart - own)


def _coded(z, back=False):
    """Each row one number, Σ gate · 2^d, in float32, which holds 24 bits."""
    powers = np.float32(2) ** np.arange(z.shape[1], dtype=np.float32)
    return _gates(z)[0] + _gates(z)[1], _states(((z > 0) @ powers[:: -1 if back else 1])[:, None])


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
        "gate is open where z > 0; TC = Σ_d H(Σ_d) − H(Σ). There may be dozens of gates.",
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
            (
                "Rows became numbers that cannot tell them apart: float32 holds 24 gates, int32 31. Count rows, or use int64.",
                lambda z: (_coded(z)[1], _coded(z)[0] - _coded(z)[1]),
                0.7,
            ),
            (
                "Rows became numbers that cannot tell them apart: float32 holds 24 gates, int32 31. Count rows, or use int64.",
                lambda z: (_coded(z, True)[1], _coded(z, True)[0] - _coded(z, True)[1]),
                0.7,
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
