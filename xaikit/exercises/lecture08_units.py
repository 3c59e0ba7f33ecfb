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


def _left(model):
    """What a call can leave behind and no output shows: hooks, modes, and which parameters ask for gradients."""
    hooked = [m for m in model.modules() for _ in (*m._forward_hooks, *m._forward_pre_hooks)]
    return len(hooked), [m.training for m in model.modules()], [p.requires_grad for p in model.parameters()]


def _on_a_network(answer):
    """What the answer gives on a small network; what the network gives afterwards, and after a call that failed;
    and what else is wrong then: 0 nothing, 1 another's hook is gone, 2 an idle hook, 3 modes, 4 gradients, 5 no error.
    """

    def run(first, last, units, x):
        import torch
        from torch import nn

        from .. import hooks

        class Layer(nn.Conv2d):
            def forward(self, x):
                return (1 if self.training else -1) * super().forward(x).cos()  # not 0 where the weights are 0

        class Small(nn.Module):
            def __init__(self):
                super().__init__()
                self.block = nn.Sequential(Layer(first.shape[1], len(first), 1, bias=False), nn.Softplus())
                self.last = nn.Conv2d(len(first), len(last), 1, bias=False)

            def forward(self, x):
                return self.last(self.block(x))

        model = Small()
        # under a hook of somebody else's, which works during the call and has to outlive it
        with torch.no_grad(), hooks.edit(model, {"block.0": lambda output: 1.5 * output}):
            model.block[0].weight.copy_(first[:, :, None, None])
            model.last.weight.copy_(last[:, :, None, None])
            plain, before = model(x), _left(model)
            came = answer(model, "block.0", units.tolist(), x)
            if came is None:
                return None
            came = came.clone() if isinstance(came, torch.Tensor) else came
            after = model(x)
            swallowed = True
            try:
                answer(model, "block.0", units.tolist(), torch.zeros(1, first.shape[1] + 1, 2, 2))
            except Exception:
                swallowed = False
            try:
                failed = model(x)
            except Exception:
                failed = torch.full_like(after, 1e6)
            same, now = torch.allclose(after, plain) and torch.allclose(failed, plain), _left(model)
        if swallowed or not same:
            return came, after, failed, 5.0 * swallowed
        return came, after, failed, float(next((n for n, wrong in enumerate((
            now[0] < before[0], now[0] > before[0], now[1] != before[1], now[2] != before[2]), 1) if wrong), 0))

    return run


def _network_cases(rng):
    made = []
    for n, c, k, o, size, off, note in (
            (2, 3, 5, 4, 3, [1, 3], "two units off"), (5, 2, 4, 2, 2, [0], "one unit off, five pictures"),
            (1, 1, 6, 3, 4, [5, 0, 2], "three units off, one picture"), (2, 2, 3, 3, 3, [], "no unit off")):
        first, last = rng.normal(size=(k, c)), rng.normal(size=(o, k)) + 0.3
        units, x = np.array(off, dtype=np.int64), rng.normal(size=(n, c, size, size + 1))
        made.append({"first": first, "last": last, "units": units, "x": x, "note": note})
    return made


def _output(first, last, x, keep=1.0, around=False, scale=1.5):
    hidden, keep = scale * np.cos(np.einsum("kc,nchw->nkhw", first, x)), np.reshape(keep, (-1, 1, 1))
    hidden = keep * np.log1p(np.exp(hidden)) if around else np.log1p(np.exp(keep * hidden))
    return np.einsum("ok,nkhw->nohw", last, hidden)


def _off(units, k, off, on):
    return np.where(np.isin(np.arange(k), units), off, on)


def _switched(first, last, units, x, off=0.0, on=1.0, left=0, after=False, failed=False, later=1.5, **how):
    plain, keep = _output(first, last, x, scale=later), _off(units, len(first), off, on)
    weights = how.pop("weights", False)
    dark = _output(keep[:, None] * first, last, x) if weights else _output(first, last, x, keep, **how)
    if (after or failed) and not weights and not len(units):
        left = 2  # a hook that switches nothing off shows nowhere else
    return dark, dark if after else plain, dark if failed or after else plain, left


def _rows_off(first, last, units, x):
    plain = _output(first, last, x)
    dark = plain.copy()
    rows = [u for u in units if u < len(x)]
    dark[rows] = _output(first, last, x, 0.0)[rows]
    return dark, plain, plain, 0


_ablation = formula(
    id="8.3", title="Units switched off", points=2,
    minutes=8,
    difficulty=2,
    task="ablated(model, layer, units, x): model(x) (N, …) while the channels `units` (a list) of the output (N, C, H, W) of the "
    "module named `layer` are 0. The model is afterwards what it was, its mode and other hooks too, also when model(x) "
    "raises; the error goes on to the caller.",
    library=lambda first, last, units, x: None,
    cases=_network_cases,
    use=_on_a_network,
    truth=_switched,
    outputs=("output", "the model's output afterwards", "its output after a call that failed", "else left (0: nothing)"),
    mistakes=[
        *[
            (
                "Where a unit's weights are 0 its output need not be 0: change the output, by a hook.",
                partial(_switched, weights=True, after=after, failed=failed),
            )
            for after, failed in ((True, False), (False, True), (False, False))
        ],
        ("The hook is on the module around `layer`: its output is another.", partial(_switched, around=True)),
        ("A hook of somebody else's on the layer did not work during the call: call the module, not its forward.",
         partial(_switched, scale=1.0)),
        *[("The model ran in another mode: leave train() and eval() alone.", partial(_switched, scale=-1.5, later=later))
          for later in (1.5, -1.5)],
        ("A hook of somebody else's is gone: remove yours alone, handle.remove().", partial(_switched, later=1.0)),
        ("The hook is idle but still there: handle.remove().", partial(_switched, left=2)),
        ("The model's mode is another than before: leave train() and eval() alone.", partial(_switched, left=3)),
        ("The parameters' requires_grad is another than before.", partial(_switched, left=4)),
        ("The error of model(x) is to go on to the caller: no `except` that keeps it.", partial(_switched, left=5)),
        ("The hook is still there after the call: handle.remove().", partial(_switched, after=True)),
        ("The model is not what it was after a call that failed: put it right, handle.remove(), in `finally:`.",
         partial(_switched, failed=True)),
        ("Those units were kept and all others switched off.", partial(_switched, off=1.0, on=0.0)),
        ("Nothing changed: a hook's new output counts only if the hook returns it, or writes into it.",
         partial(_switched, off=1.0)),
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
    for n, c, p, units, note in ((4, 3, 4, [0, 2], "two units at some places"), (1, 2, 5, [1], "one picture"),
                                 (6, 4, 2, [3, 0, 1], "three units")):
        place = rng.random(p) < 0.5
        place[:2] = (True, False)
        f, r = functions.random_network(rng, c * p, activation="tanh"), rng.normal(size=(n, c, p))
        k = rng.uniform(0.5, 3, c)
        made.append({**f, "r": r, "units": np.array(units), "place": place, "k": k, "note": note})
    return made


def _places(k, units):
    """k as it is where the j-th of the units gets k[j]."""
    k = k.copy()
    k[units] = k[: len(units)].copy()
    return k[:, None]


def _set(r, units, place, value):
    there = np.zeros(r.shape[1:], bool)
    there[units] = place
    return np.where(there, value, r)


def _paired(f, r, units, place, k):
    """What r[:, units, place] = … gives, where numbers and places are as many."""
    at = np.flatnonzero(place)
    if len(at) != len(units):
        return np.nan
    on, off = r.copy(), r.copy()
    on[:, units, at], off[:, units, at] = k[units], 0
    return (f(on.reshape(len(r), -1)) - f(off.reshape(len(r), -1))).mean()


PAIRED = "A list of numbers and a mask in one index are paired off, one unit to one place: set a mask (C, P) first, or index twice."


def _effect(f, r, units, place, k, high="k", low="0", where=True, end=np.mean, turn=1, of_all=False, invert=False):
    place = ~place if invert else place if where else np.ones_like(place)
    units = np.arange(r.shape[1]) if of_all else units
    change = {
        "k": _set(r, units, place, k[:, None]),
        "k[j]": _set(r, units, place, _places(k, units)),
        "added": _set(r, units, place, r + k[:, None]),
        "0": _set(r, units, place, 0.0),
        "r": r,
        "mean": _set(r, units, place, k[units].mean()),
    }
    difference = turn * (f(change[high].reshape(len(r), -1)) - f(change[low].reshape(len(r), -1)))
    return end(difference)


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
            ("That is on against as it was: compare with the units switched off, 0.",
             partial(_effect, low="r")),
            ("That is as it was against off: compare the units set to k with those set to 0.",
             partial(_effect, high="r")),
            ("The units are to change at the place only, not everywhere.", partial(_effect, where=False)),
            ("All channels were set: only `units`.", partial(_effect, of_all=True)),
            ("Off minus on: the effect is on minus off.", partial(_effect, turn=-1)),
            ("That is the sum over the pictures: take the mean.", partial(_effect, end=np.sum)),
            ("One value for each picture came back: take the mean.", partial(_effect, end=np.asarray)),
            ("The place is where `place` is True, not where it is False.", partial(_effect, invert=True)),
            ("The unit with number u gets k[u]: k[units[j]], not k[j].", partial(_effect, high="k[j]")),
            ("The units are set to k: it is not added to what they are.", partial(_effect, high="added")),
            ("Nothing was set: r[:, units] is a copy, and what is written into it is lost. Index once.",
             lambda **case: 0.0),
            ("Each unit has its own k: k[units], along the channels.", partial(_effect, high="mean")),
            (PAIRED, _paired),
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
