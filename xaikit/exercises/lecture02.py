"""Lecture 02's exercises on the probe: 2.4 the three ReLU rules, 2.5 one activation down to pixels."""
from dataclasses import replace

import numpy as np

from .formula import formula


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


def _through(answer):
    """The student's autograd functions put to work: what the three give, and the signals that come out below."""
    def run(z, R):
        import torch

        up, down = [], []
        for rule in _RULES:
            function = answer(rule)
            if function is None:
                return None
            leaf = z.clone().requires_grad_(True)
            up.append(getattr(function, "apply", function)(leaf))
            down.append(torch.autograd.grad(up[-1], leaf, R)[0])
        return torch.stack(up), torch.stack(down)
    return run


def _rule_cases(rng):
    made = []
    for shape in ((3, 4), (2, 3, 5, 5), (1, 1, 4, 4)):
        z, R = rng.normal(size=shape), rng.normal(size=shape)
        z.flat[:2], R.flat[0], R.flat[1] = 0.0, 1.5, -1.5  # exactly shut
        made.append({"z": z, "R": R, "note": f"signals of shape {shape}"})
    return made


def _all_rules(change=lambda z, R, rule: _ruled(z, R, *_RULES[rule]), forward=lambda z: np.maximum(z, 0)):
    """(ways up, ways down) of the three rules, the latter by ``change(z, R, rule)``."""
    return lambda z, R: (np.stack([forward(z)] * 3), np.stack([change(z, R, rule) for rule in _RULES]))


def _but(rule, gate, rectify):
    """All rules right but one."""
    return _all_rules(lambda z, R, r: _ruled(z, R, gate, rectify) if r == rule else _ruled(z, R, *_RULES[r]))


_base = formula(
    id="2.4", title="Three ReLU rules", points=3, minutes=15, difficulty=3,
    task="relu_with(rule): a torch.autograd.Function whose forward is max(z, 0) and whose backward sends the signal R on by "
         "the rule: 'gradient' R where z > 0, 'deconvnet' max(R, 0), 'guided' max(R, 0) where z > 0; 0 elsewhere.",
    library=lambda z, R: None, cases=_rule_cases, outputs=("ways up", "ways down (gradient, deconvnet, guided)"), truth=_all_rules(),
    mistakes=[
        ("The deconvnet does not look at z: it rectifies the signal R itself, R.clamp(min=0), wherever the ReLU was shut or open.",
         _but("deconvnet", True, False)),
        ("All three rules give the gradient: the rule's name is not used in backward.", _all_rules(lambda z, R, rule: (z > 0) * R)),
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


def _down(x, w1, w2, unit, start="activation", kept="strongest", rule="deconvnet", switches=True, flip=(False, False), last=False):
    """2.5 in numpy; the arguments after ``unit`` make its mistakes."""
    z = _conv(x, w1)
    up = np.maximum(z, 0)
    c, h, v = up.shape
    windows = up[:, :h // 2 * 2, :v // 2 * 2].reshape(c, h // 2, 2, v // 2, 2).transpose(0, 1, 3, 2, 4).reshape(c, h // 2, v // 2, 4)
    top = _conv(windows.max(3), w2)
    signal = np.zeros_like(top)
    if kept == "strongest":
        place = np.unravel_index(top[unit].argmax(), top[unit].shape)
        signal[(unit, *place)] = top[(unit, *place)] if start == "activation" else 1.0
    elif kept == "map":
        signal[unit] = top[unit]
    else:
        signal = top.copy()
    signal = _transposed(signal, w2, flip[1])
    open_ = np.arange(4) == windows.argmax(3)[..., None]
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
    for c, side, a, b, unit, note in ((1, 12, 4, 3, 1, "a grey picture of 12 × 12"), (3, 13, 5, 4, 0, "a colour picture of 13 × 13: an odd row is not pooled"),
                                      (2, 16, 6, 3, 2, "two channels of 16 × 16")):
        made.append({"x": rng.normal(size=(c, side, side)), "w1": rng.normal(size=(a, c, 3, 3)), "w2": rng.normal(size=(b, a, 3, 3)) * 0.5,
                     "unit": unit, "note": note})
    return made


def _wrong_way(**how):
    return lambda x, w1, w2, unit: _down(x, w1, w2, unit, **how)


_TO_PIXELS = formula(
    id="2.5", title="One activation down to pixels", points=3, minutes=15, difficulty=3,
    task="to_pixels(x, w1, w2, unit): x (C, H, W) goes up through conv w1 (3 × 3, no padding, no bias), ReLU, 2 × 2 max pooling, conv w2. "
         "Keep the strongest activation of map `unit`, with its value, and send it down: filter with w2 transposed, unpool with the "
         "switches, rectify, filter with w1 transposed. → (C, H, W)",
    library=to_pixels, cases=_net_cases, truth=_down, axes="(C, H, W)",
    mistakes=[
        ("That is the gradient's way through the ReLU: the deconvnet rectifies the signal and does not look at what was open.", _wrong_way(rule="gradient")),
        ("That is guided backprop: the deconvnet rectifies the signal and does not look at what was open.", _wrong_way(rule="guided")),
        ("The signal is not rectified between unpooling and the first filters: clamp(min=0).", _wrong_way(rule="none")),
        ("The signal starts with 1: keep the activation's own value.", _wrong_way(start="one"), 0.5),
        ("The whole map was kept: all activations but the strongest are set to zero.", _wrong_way(kept="map")),
        ("All maps were kept: all activations but the strongest one of map `unit` are set to zero.", _wrong_way(kept="all")),
        ("The signal is put into a corner of each window: the switches, return_indices=True, say where it belongs.", _wrong_way(switches="first")),
        ("The signal is spread over each window: the switches, return_indices=True, say where it belongs.", _wrong_way(switches="mean")),
        ("The signal is repeated over each window: the switches, return_indices=True, say where it belongs.", _wrong_way(switches="all")),
        ("The transposed filters are flipped once too often: F.conv_transpose2d(signal, w) takes w as it is.", _wrong_way(flip=(True, True))),
        ("The filters w1 are not flipped: a full convolution needs w.flip(2, 3); F.conv_transpose2d(signal, w1) takes w1 as it is.", _wrong_way(flip=(True, False))),
        ("The pixels are rectified too: they may be negative.", _wrong_way(last=True)),
    ],
    hints=("Up: F.conv2d, clamp, F.max_pool2d(…, return_indices=True), F.conv2d. Make a tensor of zeros like the top, and put one number in.",
           "Each step down undoes one step up, in reverse order: F.conv_transpose2d(signal, w2), F.max_unpool2d(signal, switches, 2, output_size=…), "
           ".clamp(min=0), F.conv_transpose2d(signal, w1).",
           "place = top[0, unit].argmax(); signal[0, unit].view(-1)[place] = top[0, unit].view(-1)[place]; the unpooled size is that of the maps before "
           "pooling: output_size=up.shape[2:]."),
    insight="The pattern you get is the picture's own: the switches put every piece where it was.")


EXERCISES = [
    replace(_base, library=relu_with, observe=lambda answer, case: _base.observe(_through(answer), case)),
    _TO_PIXELS,
]
