"""Lecture 08's exercises 8.3 and 8.4: units switched off, and their average causal effect.

Source: Bau et al. 2019, *GAN Dissection*, section 3.
"""

from dataclasses import replace
from functools import partial

import numpy as np

from . import functions
from .formula import formula


def ablated(model, layer, units, x):
    """model(x) with the channels ``units`` of the layer's output at 0; the model is afterwards what it was."""
    from xaikit import hooks

    def switch_off(output):
        output = output.clone()
        output[:, units] = 0
        return output

    with hooks.edit(model, {layer: switch_off}):
        return model(x)


def average_causal_effect(f, r, units, place, k):
    """E f(r with k at the units and place) − E f(r with 0 there).  r (N, C, P), units (u,), place (P,) bool, k (C,) → number"""
    import torch

    there = torch.zeros(r.shape[1:], dtype=torch.bool)
    there[units] = place
    return (f(torch.where(there, k[:, None], r)) - f(torch.where(there, 0.0, r))).mean()


# ---- 8.3


def _on_a_network(answer):
    """What the answer gives on a small network; what the network gives afterwards; and after a call that failed."""

    def run(first, last, units, x):
        import torch
        from torch import nn

        model = nn.Module()
        model.block = nn.Sequential(
            nn.Conv2d(first.shape[1], len(first), 1, bias=False), nn.ReLU(inplace=True)
        )
        model.last = nn.Conv2d(len(first), len(last), 1, bias=False)
        model.forward = lambda x: model.last(model.block(x))
        with torch.no_grad():
            model.block[0].weight.copy_(first[:, :, None, None])
            model.last.weight.copy_(last[:, :, None, None])
            came = answer(model, "block.0", units.tolist(), x)
            if came is None:
                return None
            came = came.clone() if isinstance(came, torch.Tensor) else came
            after = model(x)
            try:
                answer(model, "block.0", units.tolist(), torch.zeros(1, first.shape[1] + 1, 2, 2))
            except Exception:
                pass
            try:
                failed = model(x)
            except Exception:
                failed = torch.full_like(after, 1e6)
        return came, after, failed

    return run


def _network_cases(rng):
    made = []
    for n, c, k, o, size, off, note in (
        (2, 3, 5, 4, 3, [1, 3], "two units off"),
        (5, 2, 4, 2, 2, [0], "one unit off, five pictures"),
        (1, 1, 6, 3, 4, [5, 0, 2], "three units off, one picture"),
        (2, 2, 3, 3, 3, [], "no unit off"),
    ):
        made.append(
            {
                "first": rng.normal(size=(k, c)),
                "last": rng.normal(size=(o, k)) + 0.3,
                "units": np.array(off, dtype=np.int64),
                "x": rng.normal(size=(n, c, size, size + 1)),
                "note": note,
            }
        )
    return made


def _output(first, last, x, keep=1.0):
    hidden = np.maximum(np.einsum("kc,nchw->nkhw", first, x), 0)
    return np.einsum(
        "ok,nkhw->nohw", last, hidden * (np.reshape(keep, (-1, 1, 1)) if np.ndim(keep) else keep)
    )


def _off(units, k, off=0.0, on=1.0):
    keep = np.full(k, on)
    keep[units] = off
    return keep


def _switched(first, last, units, x, off=0.0, on=1.0, after=False, failed=False):
    plain, dark = _output(first, last, x), _output(first, last, x, _off(units, len(first), off, on))
    return dark, dark if after else plain, dark if failed or after else plain


def _rows_off(first, last, units, x):
    plain = _output(first, last, x)
    dark = plain.copy()
    dark[[u for u in units if u < len(x)]] = 0
    return dark, plain, plain


_ablation = formula(
    id="8.3",
    title="Units switched off",
    points=2,
    minutes=8,
    difficulty=2,
    task="ablated(model, layer, units, x): model(x) (N, …) while the channels `units` (a list) of the output (N, C, H, W) of the "
    "module named `layer` are 0. The model is afterwards what it was, also when model(x) raises.",
    library=lambda first, last, units, x: None,
    cases=_network_cases,
    use=_on_a_network,
    truth=_switched,
    outputs=("output", "the model's output afterwards", "its output after a call that failed"),
    mistakes=[
        ("The hook is still there after the call: handle.remove().", partial(_switched, after=True)),
        (
            "After a call that failed the hook is still there: put remove() into `finally:`.",
            partial(_switched, failed=True),
        ),
        ("Those units were kept and all others switched off.", partial(_switched, off=1.0, on=0.0)),
        (
            "Nothing changed: a hook's new output counts only if the hook returns it, or writes into it.",
            partial(_switched, off=1.0),
        ),
        ("Axis 0 is the pictures, axis 1 the channels: output[:, units] = 0.", _rows_off),
        ("Every unit was switched off.", partial(_switched, on=0.0)),
        ("The sign of the units was turned: switched off is 0.", partial(_switched, off=-1.0)),
    ],
    hints=(
        "model.get_submodule(layer) is the module; register_forward_hook on it returns a handle.",
        "hook(module, inputs, output) may return what takes the output's place: a clone with output[:, units] = 0.",
        "handle = …; then try: return model(x), finally: handle.remove().",
    ),
    insight="The same hook with another value than 0 inserts what the unit draws.",
)


# ---- 8.4


def _flat(answer):
    """The answer with an f that takes features (N, C, P)."""

    def run(f, r, units, place, k):
        def of_features(features):
            if features.dim() != 3:
                raise ValueError(f"f takes a batch of features (N, C, P), not {tuple(features.shape)}")
            return f(features.flatten(1))

        return answer(of_features, r, units, place, k)

    return run


def _effect_cases(rng):
    made = []
    for n, c, p, units, note in (
        (4, 3, 4, [0, 2], "two units at some places"),
        (1, 2, 5, [1], "one picture"),
        (6, 4, 2, [3, 0, 1], "three units"),
    ):
        place = rng.random(p) < 0.5
        place[:2] = (True, False)
        made.append(
            {
                **functions.random_network(rng, c * p, activation="tanh"),
                "r": rng.normal(size=(n, c, p)),
                "units": np.array(units),
                "place": place,
                "k": rng.uniform(0.5, 3, c),
                "note": note,
            }
        )
    return made


def _set(r, units, place, value):
    there = np.zeros(r.shape[1:], bool)
    there[units] = place
    return np.where(there, value, r)


def _effect(f, r, units, place, k, high="k", low="0", where=True, summed=False, turn=1, of_all=False):
    place = place if where else np.ones_like(place)
    units = np.arange(r.shape[1]) if of_all else units
    change = {
        "k": _set(r, units, place, k[:, None]),
        "0": _set(r, units, place, 0.0),
        "r": r,
        "mean": _set(r, units, place, k[units].mean()),
    }
    difference = turn * (f(change[high].reshape(len(r), -1)) - f(change[low].reshape(len(r), -1)))
    return difference.sum() if summed else difference.mean()


EXERCISES = [
    replace(_ablation, library=ablated),
    formula(
        id="8.4",
        title="Average causal effect",
        points=2,
        minutes=8,
        difficulty=2,
        task="average_causal_effect(f, r, units, place, k): the mean over the N rows of f(r with the units set to their k at the place) − f(r with "
        "the units set to 0 at the place). f takes features (N, C, P) and returns (N,), the class's share of each picture; r (N, C, P), units "
        "(u,) numbers of channels, place (P,) bool, k (C,). → number",
        library=average_causal_effect,
        cases=_effect_cases,
        truth=_effect,
        use=_flat,
        axes="a number",
        mistakes=[
            (
                "That is on against as it was: compare with the units switched off, 0.",
                partial(_effect, low="r"),
            ),
            (
                "That is as it was against off: compare the units set to k with those set to 0.",
                partial(_effect, high="r"),
            ),
            ("The units are to change at the place only, not everywhere.", partial(_effect, where=False)),
            ("All channels were set: only `units`.", partial(_effect, of_all=True)),
            ("Off minus on: the effect is on minus off.", partial(_effect, turn=-1)),
            ("That is the sum over the pictures: take the mean.", partial(_effect, summed=True)),
            ("Each unit has its own k: k[units], along the channels.", partial(_effect, high="mean")),
            ("The effect has a sign: no absolute values.", lambda **case: abs(_effect(**case))),
        ],
        hints=(
            "Two versions of r, each a copy: one with k, one with 0 at [units, place].",
            "A mask (C, P) that is True at the units and the place, and torch.where(mask, k[:, None], r).",
            "there = zeros(C, P, dtype=bool); there[units] = place; (f(where(there, k[:, None], r)) − f(where(there, 0.0, r))).mean()",
        ),
        insight="On against off asks for both, that the units suffice and that they are needed.",
    ),
]
