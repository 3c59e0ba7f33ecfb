"""What one operation of a forward pass is to a rule that sends something back through it (LRP, DeepLIFT).

``hooks.interpose`` hands over every operation as a ``call``; an input of it is *active* if it depends on x.
"""
import torch

from ..errors import UnsupportedLayer

_LINEAR = {"conv", "conv_transpose", "linear", "matmul", "batch_norm", "avg_pool", "sum", "add", "sub", "neg", "mul", "div"}
_MOVES = {"reshape", "cat", "dropout"}
_MOVES_BY_NAME = {"tile", "repeat", "repeat_interleave", "flip", "roll", "rot90", "pixel_shuffle", "pixel_unshuffle",
                  "index_select", "gather", "masked_fill", "where", "unbind", "hstack", "vstack", "column_stack",
                  "moveaxis", "swapdims", "channel_shuffle", "ravel", "__setitem__"}
_RESAMPLES = {"interpolate", "upsample"}
_RECTIFIERS = {"leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish", "relu6", "hardtanh",
               "hardswish", "threshold", "clamp", "clip", "clamp_min"}


def active(call):
    """The inputs of the operation that depend on x, in order."""
    return [a for a in (*call.args, *call.kwargs.values()) if torch.is_tensor(a) and a.requires_grad]


def depends(value):
    """Does a result (a tensor, or a tuple or list of them) depend on x?"""
    if torch.is_tensor(value):
        return value.requires_grad
    return isinstance(value, tuple | list) and any(map(depends, value))


def function(call):
    """The operation as a function of its active inputs.  It never works in place, and holds on to none of them."""
    hole = object()
    args = [hole if torch.is_tensor(a) and a.requires_grad else a for a in call.args]
    kwargs = {name: hole if torch.is_tensor(a) and a.requires_grad else a for name, a in call.kwargs.items()}
    func, in_place = call.func, call.in_place

    def run(*inputs):
        fill = iter(inputs)
        now = [next(fill) if a is hole else a for a in args]
        if in_place:
            now[0] = now[0].clone()
        return func(*now, **{name: next(fill) if a is hole else a for name, a in kwargs.items()})

    return run


def is_move(call):
    """Does it only put values elsewhere, so that its own gradient takes to each input what belongs to it?"""
    if call.kind in _MOVES:
        return call.name not in _RESAMPLES
    return call.kind == "other" and (call.name in _MOVES_BY_NAME or call.name.rstrip("_") in _MOVES_BY_NAME)


def is_linear(call):
    """Is it an operation that weighs and adds?"""
    return call.kind in _LINEAR or call.name in _RESAMPLES


def is_rectifier(call, x):
    """Is it a ReLU or one of its kin, applied value by value, with g(0) = 0?"""
    if call.kind == "relu":
        return True
    name = call.name.rstrip("_")
    if name not in _RECTIFIERS or len(active(call)) != 1:
        return False
    if name in ("hardtanh", "threshold", "clamp", "clip", "clamp_min"):  # where g(0) depends on the bounds
        with torch.no_grad():
            return not call.func(torch.zeros_like(x), *call.args[1:], **call.kwargs).any()
    return True


class Keeper:
    """Holds values until the backward pass: before an operation writes into their memory, they are copied."""

    def __init__(self):
        self.boxes = {}  # address of the memory → the boxes [value] with values in it

    def hold(self, value):
        """A box [value], whose content stays what it is now."""
        box = [value.detach()]
        self.boxes.setdefault(value.untyped_storage().data_ptr(), []).append(box)
        return box

    def before(self, call):
        """To be told of every operation before it runs."""
        if self.boxes and (call.in_place or call.name == "__setitem__") and torch.is_tensor(call.args[0]):
            for box in self.boxes.pop(call.args[0].untyped_storage().data_ptr(), []):
                box[0] = box[0].clone()


def refuse(method, call, reason):
    """The error for an operation that the method cannot explain; it names the layer."""
    return UnsupportedLayer(f"{method}: layer {call.path or '(the network)'!r} ({type(call.module).__name__}, operation "
                            f"{call.name!r}) {reason}")


def check(method, call, inputs):
    """UnsupportedLayer where an operation of a kind that is usually linear, or does nothing, is not so here.

    ``inputs``: the active ones.
    """
    kind, reason = call.kind, None
    alone = len(inputs) == 1 and call.args and inputs[0] is call.args[0]
    if kind == "dropout" and call.kwargs.get("training", call.args[2] if len(call.args) > 2 else True):
        reason = "drops values at random even in eval mode; switch it off to explain the network"
    elif kind in ("mul", "matmul") and len(inputs) > 1:
        reason = "multiplies two values that both depend on the input, and no rule says how to share between them"
    elif kind == "div" and (not alone or call.name == "__rtruediv__"):
        reason = "divides by a value that depends on the input; no rule covers that"
    elif kind in ("conv", "conv_transpose", "linear") and not (alone or len(inputs) == 1 and inputs[0] is call.kwargs.get("input")):
        reason = "has weights that depend on the input; no rule covers that"
    elif kind == "batch_norm" and (_argument(call, 5, "training", False) or _argument(call, 1, "running_mean") is None):
        reason = "normalises by the batch at hand even in eval mode; it needs running statistics"
    if reason:
        raise refuse(method, call, reason)


class Layer:
    """A layer with weights: z = run(x, weight) + bias.  ``out``: the dimension of ``weight`` that counts its outputs,
    ``channels``: that of z."""

    def __init__(self, run, weight, bias, out, channels, norm=None):
        self.run, self.own_weight, self.own_bias, self.out, self.channels, self.norm = run, weight, bias, out, channels, norm

    @classmethod
    def of(cls, call):
        """The layer that a call is, or None if it has no weights that a rule could modify."""
        if call.kind == "matmul":
            x, w = (*call.args, *call.kwargs.values())[:2]
            if call.name not in ("matmul", "__matmul__", "mm") or not x.requires_grad or w.dim() != 2:
                return None
            return cls(torch.matmul, w, None, 1, x.dim() - 1)
        if call.kind not in ("conv", "conv_transpose", "linear"):
            return None
        x, w, b = (_argument(call, i, name) for i, name in enumerate(("input", "weight", "bias")))
        if call.kind == "linear":
            return cls(call.func, w, b, 0, x.dim() - 1)
        func, rest = call.func, call.args[3:]  # stride, padding, …
        others = {k: v for k, v in call.kwargs.items() if k not in ("input", "weight", "bias")}
        space = w.dim() - 2
        return cls(lambda x, w: func(x, w, None, *rest, **others), w, b if b is None else b.view(-1, *[1] * space),
                   int(call.kind == "conv_transpose"), x.dim() - space - 1)

    def merged(self, call, z):
        """This layer with the batch norm ``call`` of its output z in it, or None where the channels do not match."""
        if self.norm or self.channels != 1 or self.own_weight.shape[self.out] != z.shape[1]:
            return None
        return Layer(self.run, self.own_weight, self.own_bias, self.out, self.channels, _scale_and_shift(call, z.dim() - 2))

    @property
    def weight(self):
        if self.norm is None:
            return self.own_weight
        shape = [1] * self.own_weight.dim()
        shape[self.out] = -1
        return self.own_weight * self.norm[0].view(shape)

    @property
    def bias(self):
        if self.norm is None:
            return self.own_bias
        scale, shift = self.norm
        return shift if self.own_bias is None else self.own_bias * scale + shift


def _scale_and_shift(call, space):
    """A batch norm in eval mode as z · scale + shift, shaped (C, 1, …) with ``space`` ones."""
    mean, var, gain, shift, eps = (_argument(call, i, name) for i, name in
                                   ((1, "running_mean"), (2, "running_var"), (3, "weight"), (4, "bias"), (7, "eps")))
    scale = (var + (1e-5 if eps is None else eps)).rsqrt() * (1 if gain is None else gain)
    shift = (0 if shift is None else shift) - mean * scale
    return scale.view(-1, *[1] * space), shift.view(-1, *[1] * space)


def _argument(call, position, name, default=None):
    return call.args[position] if len(call.args) > position else call.kwargs.get(name, default)
