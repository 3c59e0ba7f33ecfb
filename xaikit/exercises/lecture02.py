"""Lecture 02's exercises on the probe: 2.4 the three ReLU rules, 2.5 one activation down to pixels."""
from dataclasses import replace

import numpy as np

from .core import Verdict
from .formula import formula
from .judging import kind_of, text_of


def relu_with(rule):
    """A torch.autograd.Function: forward max(z, 0), backward by ``rule``, "gradient", "deconvnet" or "guided"."""
    import torch

    class ReLU(torch.autograd.Function):
        @staticmethod
        def forward(ctx, z):
            ctx.save_for_backward(z)
            return z.clamp(min=0)

        @staticmethod
        def backward(ctx, R):
            (z,) = ctx.saved_tensors
            if rule != "gradient":  # deconvnet and guided: only a positive signal goes on
                R = R.clamp(min=0)
            if rule != "deconvnet":  # gradient and guided: only where the ReLU was open
                R = R * (z > 0)
            return R

    return ReLU


def to_pixels(x, w1, w2, unit):
    """The strongest activation of map ``unit`` after conv–ReLU–pool–conv, sent down.  x (C, H, W) → (C, H, W)"""
    import torch
    import torch.nn.functional as F

    up = F.conv2d(x[None], w1).clamp(min=0)
    pooled, switches = F.max_pool2d(up, 2, return_indices=True)
    top = F.conv2d(pooled, w2)
    signal = torch.zeros_like(top)
    place = top[0, unit].argmax()
    signal[0, unit].view(-1)[place] = top[0, unit].view(-1)[place]
    signal = F.conv_transpose2d(signal, w2)
    signal = F.max_unpool2d(signal, switches, 2, output_size=up.shape[2:])
    return F.conv_transpose2d(signal.clamp(min=0), w1)[0]


# ---- 2.4


def _ruled(z, R, gate, rectify):
    return (z > 0) * R if gate and not rectify else (z > 0) * np.maximum(R, 0) if gate else np.maximum(R, 0) if rectify else R


_RULES = {"gradient": (True, False), "deconvnet": (False, True), "guided": (True, True)}


_NO_RULE = "relu_with returned "


def _through(answer):
    """The student's autograd functions put to work on z and −z: what they give, and the signals that come out.

    All three are made before one is used, and all are used before a signal comes back: each must keep its own state.
    """
    def run(z, R):
        import torch

        functions = [answer(rule) for rule in _RULES]
        if any(function is None for function in functions):
            return None
        leaves = [[(sign * z).requires_grad_(True) for sign in (1, -1)] for _ in functions]
        before = [[leaf.detach().clone() for leaf in pair] for pair in leaves]
        up = [[apply(leaf) for leaf in pair] for apply, pair in zip(map(_callable, functions), leaves, strict=True)]
        ways_up = torch.stack([torch.stack([y.detach() for y in pair]) for pair in up])
        for pair, old in zip(leaves, before, strict=True):
            if not all(torch.equal(a.detach(), b) for a, b in zip(pair, old, strict=True)):
                z.fill_(1.0)  # forward wrote into its input: so it shows
        down = []
        for leaf, y in zip(sum(leaves, []), sum(up, []), strict=True):
            signal = R.clone()
            down.append(torch.autograd.grad(y, leaf, signal)[0])
            R.copy_(signal)  # and so does backward
        return ways_up, torch.stack(down).view_as(ways_up)
    return run


def _callable(function):
    """How an autograd function is called; TypeError where it is none, and no plain function."""
    import torch

    if isinstance(function, type) and issubclass(function, torch.autograd.Function):
        return function.apply
    if not callable(function) or isinstance(function, type | torch.nn.Module | torch.autograd.Function):
        kind, named = ("the class", function) if isinstance(function, type) else ("an object of type", type(function))
        raise TypeError(f"{_NO_RULE}{kind} {named.__name__}.")
    return function


def _judge_rules(case, observed):
    message = text_of(observed, "message")
    if kind_of(observed) == "error" and message.startswith(_NO_RULE):
        hint = "Return the class itself, derived from torch.autograd.Function: no instance, no module."
        return Verdict(0.0, message, hint)
    return _base.judge(case, observed)


def _rule_cases(rng):
    made = []
    for shape in ((3, 4), (2, 3, 5, 5), (1, 1, 4, 4)):
        z, R = rng.normal(size=shape), rng.normal(size=shape)
        z.flat[:2], R.flat[0], R.flat[1] = 0.0, 1.5, -1.5  # exactly shut
        made.append({"z": z, "R": R, "note": f"signals of shape {shape}"})
    return made


def _both(z, R):
    return np.stack([z, -z]), np.stack([R, R])


def _all_rules(change=lambda z, R, rule: _ruled(z, R, *_RULES[rule]), forward=lambda z: np.maximum(z, 0)):
    """(ways up, ways down) of the three rules for z and −z, the latter by ``change(z, R, rule)``."""
    return lambda z, R: (np.stack([forward(_both(z, R)[0])] * 3),
                         np.stack([change(*_both(z, R), rule) for rule in _RULES]))


def _but(rule, gate, rectify):
    """All rules right but one."""
    return _all_rules(lambda z, R, r: _ruled(z, R, gate, rectify) if r == rule else _ruled(z, R, *_RULES[r]))


_base = formula(
    id="2.4", title="Three ReLU rules", points=3, minutes=10, difficulty=3,
    task="relu_with(rule): a torch.autograd.Function whose forward is max(z, 0) and whose backward sends the signal R on by "
         "the rule: 'gradient' R where z > 0, 'deconvnet' max(R, 0), 'guided' max(R, 0) where z > 0; 0 elsewhere.",
    library=lambda z, R: None, cases=_rule_cases, use=_through, truth=_all_rules(),
    outputs=("ways up", "ways down (gradient, deconvnet, guided)"), tolerance=1e-6,  # numbers are copied or made 0
    laws=[("Where nothing comes through there stand small numbers: 0 is exactly 0, z > 0 is a mask.", lambda out, z, R: all(
        (o[t == 0] == 0).all() for o, t in zip(out, _all_rules()(z, R), strict=True)))],
    mistakes=[
        ("The deconvnet does not look at z: it rectifies the signal R itself, R.clamp(min=0), wherever the ReLU was shut or open.",
         _but("deconvnet", True, False)),
        ("All three rules give the gradient: the rule's name is not used in backward.", _all_rules(lambda z, R, rule: (z > 0) * R)),
        ("All three functions follow the rule that came last: each call of relu_with needs a class with a rule of "
         "its own.",
         _all_rules(lambda z, R, rule: (z > 0) * np.maximum(R, 0))),
        ("A function that is used twice forgets its first z: keep it in ctx, not in the class.",
         _all_rules(lambda z, R, rule: _ruled(np.stack([z[1], z[1]]), R, *_RULES[rule]))),
        ("A function that is used twice goes on with its first z: keep it in ctx, ctx.save_for_backward(z).",
         _all_rules(lambda z, R, rule: _ruled(np.stack([z[0], z[0]]), R, *_RULES[rule]))),
        ("Guided backprop cuts twice: where z ≤ 0 and where R < 0. The gate z > 0 is missing.", _but("guided", False, True)),
        ("Guided backprop cuts twice: where z ≤ 0 and where R < 0. The rectified signal is missing.", _but("guided", True, False)),
        ("The deconvnet is guided backprop here: it has no gate z > 0.", _but("deconvnet", True, True)),
        ("Deconvnet and guided backprop are swapped: the deconvnet has no gate.",
         _all_rules(lambda z, R, rule: _ruled(z, R, *_RULES[{"deconvnet": "guided", "guided": "deconvnet"}.get(rule, rule)]))),
        ("Where z is exactly 0 the ReLU is shut: the gate is z > 0, not z ≥ 0.",
         _all_rules(lambda z, R, rule: _ruled(z + (z == 0), R, *_RULES[rule]))),
        ("The signal is multiplied by the ReLU's output: the gate is 1 where z > 0, whatever z is.",
         _all_rules(lambda z, R, rule: np.maximum(R, 0) if rule == "deconvnet" else np.maximum(z, 0) * _ruled(z, R, *_RULES[rule]))),
        ("The size of the signal is taken: max(R, 0) drops what is negative, |R| turns it round.",
         _all_rules(lambda z, R, rule: _ruled(z, R if rule == "gradient" else np.abs(R), *_RULES[rule]))),
        ("The way up is changed too: forward is max(z, 0) for all rules.", _all_rules(forward=lambda z: z)),
    ],
    hints=("Two questions decide: is the ReLU open, z > 0? Is the signal positive, R > 0? Which rule asks which?",
           "forward(ctx, z) must keep z for later: ctx.save_for_backward(z); backward(ctx, R) gets it by (z,) = ctx.saved_tensors.",
           "In backward: `if rule != 'gradient': R = R.clamp(min=0)`, then `if rule != 'deconvnet': R = R * (z > 0)`, `return R`."),
    insight="Guided backprop is the gradient's gate and the deconvnet's rectifier, one after the other.")


# ---- 2.5


def _conv(x, w):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(1, 2))
    return np.einsum("chwij,ocij->ohw", windows, w)


def _transposed(y, w, flip=False):
    w = w[:, :, ::-1, ::-1] if flip else w
    k, (h, v) = w.shape[2:], y.shape[1:]
    out = np.zeros((w.shape[1], h + k[0] - 1, v + k[1] - 1))
    for i in range(k[0]):
        for j in range(k[1]):
            out[:, i:i + h, j:j + v] += np.einsum("ohw,oc->chw", y, w[:, :, i, j])
    return out


def _windows(maps):
    """(C, H, W) → (C, H // 2, W // 2, 4)"""
    c, h, v = maps.shape
    cut = maps[:, :h // 2 * 2, :v // 2 * 2].reshape(c, h // 2, 2, v // 2, 2)
    return cut.transpose(0, 1, 3, 2, 4).reshape(c, h // 2, v // 2, 4)


def _down(x, w1, w2, unit, start="activation", kept="strongest", rule="deconvnet", switches=True, flip=(False, False), last=False,
          ties="first"):
    """2.5 in numpy; the arguments after ``unit`` make its mistakes."""
    z = _conv(x, w1)
    up, windows = np.maximum(z, 0), _windows(z if ties == "before" else np.maximum(z, 0))
    c, h, v = up.shape
    top = _conv(_windows(up).max(3), w2)
    signal = np.zeros_like(top)
    if kept in ("strongest", "absolute", "any map", "the place of any map"):
        ranked = np.abs(top) if kept == "absolute" else top
        unit, *place = np.unravel_index(top.argmax(), top.shape) if kept == "any map" else (unit, *np.unravel_index(
            (ranked.max(0) if kept.startswith("the place") else ranked[unit]).argmax(), top[unit].shape))
        signal[(unit, *place)] = 1.0 if start == "one" else top[(unit, *place)]
    elif kept == "map":
        signal[unit] = top[unit]
    else:
        signal = top.copy()
    signal = _transposed(np.maximum(signal, 0) if start == "rectified" else signal, w2, flip[1])
    switch = 3 - windows[..., ::-1].argmax(3) if ties == "last" else windows.argmax(3)
    open_ = np.arange(4) == switch[..., None]
    spread = np.where(open_, signal[..., None], 0) if switches is True else np.where(np.arange(4) == 0, signal[..., None], 0) \
        if switches == "first" else np.broadcast_to(signal[..., None] / (4 if switches == "mean" else 1), open_.shape)
    full = np.zeros_like(up)
    full[:, :h // 2 * 2, :v // 2 * 2] = spread.reshape(c, h // 2, v // 2, 2, 2).transpose(0, 1, 3, 2, 4).reshape(c, h // 2 * 2, v // 2 * 2)
    if rule != "none":
        full = _ruled(z, full, *_RULES[rule])
    out = _transposed(full, w1, flip[0])
    return np.maximum(out, 0) if last else out


def _net_cases(rng):
    made = []
    for c, (h, w), a, b, unit, shut, shift, note in (
            (1, (12, 15), 4, 3, 1, False, 0.0, "a grey picture of 12 × 15: an odd column is not pooled"),
            (3, (13, 10), 5, 4, 0, False, 0.0, "a colour picture of 13 × 10: an odd row is not pooled"),
            (2, (16, 16), 6, 3, 2, True, 0.0, "two channels of 16 × 16"),
            (1, (14, 14), 4, 3, 1, False, 0.3, "a map that is negative everywhere")):
        while True:
            case = {"x": rng.normal(size=(c, h, w)), "w1": rng.normal(size=(a, c, 3, 3)),
                    "w2": rng.normal(size=(b, a, 3, 3)) * 0.5, "unit": unit}
            case["w2"][unit] -= shift
            if _telling(**case, shut=shut, sign=-1 if shift else 1):
                break
        made.append(case | {"note": note})
    return made


def _telling(x, w1, w2, unit, shut, sign=1):
    """Whether usual mistakes show.  ``shut``: a window of zeros gets a signal; any place in it is right then.
    ``sign``: of the strongest activation.
    """
    windows = _windows(np.maximum(_conv(x, w1), 0))
    top = _conv(windows.max(3), w2)
    map_ = top[unit]
    if sign * map_.max() <= 0 or map_.argmax() in (np.abs(map_).argmax(), top.max(0).argmax()) or top.max() == map_.max():
        return False
    signal = _transposed(np.where(top == map_.max(), top, 0), w2)
    return ((windows.max(3) == 0) & (signal > 0)).any() == shut  # only there guided backprop and deconvnet differ


def _way(**how):
    return lambda x, w1, w2, unit: _down(x, w1, w2, unit, **how)


_ONE_MAP = "The strongest place of all maps was taken: look for it in map `unit` alone, top[0, unit]."

_TO_PIXELS = formula(
    id="2.5", title="One activation down to pixels", points=3, minutes=12, difficulty=3,
    task="to_pixels(x, w1, w2, unit): x (C, H, W) goes up through conv w1 (3 × 3, no padding, no bias), ReLU, 2 × 2 max pooling, conv w2. "
         "Keep the strongest activation of map `unit`, with its value, and send it down: filter with w2 transposed, unpool with the "
         "switches, rectify, filter with w1 transposed. → (C, H, W)",
    library=to_pixels, cases=_net_cases, truth=_down, axes="(C, H, W)",
    accept=(_way(ties="last"), _way(ties="before")),  # of four zeros each is the strongest
    mistakes=[
        ("That is the gradient's way through the ReLU: the deconvnet rectifies the signal and does not look at what was open.", _way(rule="gradient")),
        ("That is guided backprop: the deconvnet rectifies the signal and does not look at what was open.", _way(rule="guided")),
        ("The signal is not rectified between unpooling and the first filters: clamp(min=0).", _way(rule="none")),
        ("The signal starts with 1: keep the activation's own value.", _way(start="one"), 0.5),
        ("A negative activation was set to 0: the strongest one is kept with its value, whatever its sign.", _way(start="rectified")),
        ("The whole map was kept: all activations but the strongest are set to zero.", _way(kept="map")),
        ("The strongest by absolute value was kept: strong means large, so no abs().", _way(kept="absolute")),
        (_ONE_MAP, _way(kept="any map")),
        (_ONE_MAP, _way(kept="the place of any map")),
        ("All maps were kept: all activations but the strongest one of map `unit` are set to zero.", _way(kept="all")),
        ("The signal is put into a corner of each window: the switches, return_indices=True, say where it belongs.", _way(switches="first")),
        ("The signal is spread over each window: the switches, return_indices=True, say where it belongs.", _way(switches="mean")),
        ("The signal is repeated over each window: the switches, return_indices=True, say where it belongs.", _way(switches="all")),
        ("The transposed filters are flipped once too often: F.conv_transpose2d(signal, w) takes w as it is.", _way(flip=(True, True))),
        ("The filters w1 are not flipped: a full convolution needs w.flip(2, 3); F.conv_transpose2d(signal, w1) takes w1 as it is.", _way(flip=(True, False))),
        ("The pixels are rectified too: they may be negative.", _way(last=True)),
    ],
    hints=("Up: F.conv2d, clamp, F.max_pool2d(…, return_indices=True), F.conv2d. Make a tensor of zeros like the top, and put one number in.",
           "Each step down undoes one step up, in reverse order: F.conv_transpose2d(signal, w2), F.max_unpool2d(signal, switches, 2, output_size=…), "
           ".clamp(min=0), F.conv_transpose2d(signal, w1).",
           "place = top[0, unit].argmax(); signal[0, unit].view(-1)[place] = top[0, unit].view(-1)[place]; the unpooled size is that of the maps before "
           "pooling: output_size=up.shape[2:]."),
    insight="The pattern you get is the picture's own: the switches put every piece where it was.")


EXERCISES = [
    replace(_base, library=relu_with, judge=_judge_rules),
    _TO_PIXELS,
]
