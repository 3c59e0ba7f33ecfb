"""What a unit can see: the receptive field, computed from the network by following one forward pass.

Along one axis, the unit at place p of a layer sees the input pixels ``start + p · stride … start + p · stride + size − 1``.
The input itself has size 1, stride 1, start 0; a convolution or pooling with kernel k, stride s, padding q, dilation d
turns (size, stride, start) into (Araujo, Norris, Sim 2019, *Computing receptive fields of CNNs*, eqs. 2 and 5)

    size + d (k − 1) stride,    s · stride,    start − q · stride.
"""
import math
from dataclasses import dataclass

import torch

from . import hooks
from .errors import UnsupportedLayer

_KEEP = {"relu", "activation", "batch_norm", "dropout", "neg", "softmax"}  # place by place
_MERGE = {"add", "sub", "mul", "div", "cat"}
_TURN = {"permute", "transpose", "t", "movedim", "swapaxes"}
_MIX = _TURN | {"reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as"}
_SIDES = (32, 64, 128, 224, 320, 512)  # probes, the smallest that the network takes


@dataclass(frozen=True)
class Field:
    """The receptive field of a layer's units, per spatial axis (rows, columns): ``size`` in pixels, ``stride`` from
    one unit's field to its neighbour's, ``start`` where the field of the unit at place 0 begins (below 0: in the padding).

    ``whole``: every unit sees the whole picture (after a global pooling or a dense layer); size is then the picture's.
    """

    size: tuple
    stride: tuple
    start: tuple
    whole: bool = False

    def box(self, *position):
        """The (first, one past the last) pixel on each axis that the unit at ``position`` sees."""
        return tuple((a + p * j, a + p * j + r) for a, p, j, r in zip(self.start, position, self.stride, self.size, strict=True))


def receptive_field(model, layer, shape=None):
    """The :class:`Field` of the units of ``layer`` (a name as in ``model.named_modules()``).

    Exact for convolutions and poolings with any stride, padding and dilation, however the network calls them; where
    branches meet (Fire, Inception, residual blocks) it is the smallest field that holds all of theirs.  ``shape``
    (C, H, W) of the pictures is only needed where it matters: for a layer whose units see everything.
    ValueError: no such layer; no convolution in the network; a layer that sees everything, without ``shape``.
    UnsupportedLayer: an operation that does not treat all places alike (a transposed convolution, a resampling).
    """
    module = hooks.layer(model, layer)
    kernels = [p for p in model.parameters() if p.dim() > 2]
    if not kernels:
        raise ValueError(f"the network has no convolution: each unit of {layer!r} sees the whole picture, which has no "
                         "patches (features.top_images finds whole pictures)")
    first = next((m.in_channels for m in model.modules() if hasattr(m, "in_channels")), kernels[0].shape[1])
    axes = kernels[0].dim() - 2
    problem = None
    for probe in [shape] if shape is not None else [(first, *[side] * axes) for side in _SIDES]:
        try:
            field = _follow(model, layer, torch.zeros(1, *probe, dtype=kernels[0].dtype, device=kernels[0].device))
        except UnsupportedLayer:
            raise
        except (RuntimeError, ValueError, IndexError) as error:  # too small a picture, or one that a dense layer cannot take
            problem = error
            continue
        if not field.whole:
            return field
        if shape is None:
            raise ValueError(f"each unit of {layer!r} ({type(module).__name__}) sees the whole picture: its field is the "
                             "picture's size, give shape=(C, H, W)")
        return Field(tuple(shape[1:]), tuple(shape[1:]), (0,) * (len(shape) - 1), whole=True)
    raise ValueError(f"the network took no picture of shape {tuple(probe)} (up to {layer!r}): give shape=(C, H, W) of one it "
                     f"takes.  It said: {str(problem).splitlines()[0]}")


def _follow(model, layer, x):
    """Run the network up to ``layer`` and carry a Field beside every tensor that depends on the picture ``x``."""
    axes = x.dim() - 2
    known = {id(x): (x, Field((1,) * axes, (1,) * axes, (0,) * axes))}  # the tensors are kept: an id is theirs alone

    def handler(call):
        seen = [known[id(t)][1] for t in tensors((call.args, call.kwargs)) if id(t) in known]
        shape = call.args[0].shape if call.args and torch.is_tensor(call.args[0]) else None
        out = call()
        if seen:
            field = after(call, seen, shape, out, axes)
            for t in tensors(out):
                known[id(t)] = t, field
        return out

    # record is entered first, so that its hook fires while the layer still runs and its clone has a field
    with hooks.unchanged(model), torch.no_grad(), hooks.record(model, layer, stop=True) as acts, \
            hooks.interpose(model, handler):
        model(x)
    outputs = tensors(acts.get(layer, ()))
    if not outputs or id(outputs[0]) not in known:
        raise UnsupportedLayer(f"the output of layer {layer!r} is no tensor that the forward pass makes from the picture")
    return known[id(outputs[0])][1]


def after(call, seen, shape, out, axes):
    """The field after one operation, from those of its inputs."""
    field, kind, name = seen[0], call.kind, call.name
    if any(f.whole for f in seen):
        return next(f for f in seen if f.whole)
    whole = Field(field.size, field.stride, field.start, whole=True)
    if kind in _MERGE:
        return _union(call, seen)
    if kind in _KEEP or name in ("local_response_norm", "clone", "contiguous", "to", "float", "double", "detach"):
        return field
    if kind == "conv":
        return _window(field, axes, *convolution(call, axes))
    if kind in ("max_pool", "avg_pool") and f"pool{axes}d" in name:
        if "adaptive" in name:
            return _adaptive(call, field, shape[2:], out, whole)
        kernel = each(argument(call, 1, "kernel_size"), axes)
        stride = each(argument(call, 2, "stride") or kernel, axes)
        dilation = each(argument(call, 4, "dilation", 1) if kind == "max_pool" else 1, axes)
        padding = each(argument(call, 3, "padding", 0), axes)
        return _window(field, axes, kernel, stride, padding, dilation)
    if name == "pad" and argument(call, 2, "mode", "constant") != "circular":
        widths = list(argument(call, 1, "pad"))[:2 * axes]
        before = [*widths[0::2], *[0] * axes][:axes][::-1]  # torch counts the axes from the last
        return Field(field.size, field.stride, tuple(a - q * j for a, q, j in zip(field.start, before, field.stride, strict=True)))
    if torch.is_tensor(out) and kind in ("avg_pool", "max_pool", "sum", "linear", "matmul", "norm", "reshape"):
        if kind in ("avg_pool", "max_pool", "sum"):  # mean, amax: over channels only, or over places too?
            over = argument(call, 1, "dim")
            channels = over is not None and all(d % len(shape) == 1 for d in each(over, 1))
            return field if channels else whole
        same = shape is not None and out.dim() == len(shape) and tuple(out.shape[2:]) == tuple(shape[2:])
        if kind == "reshape" and same and name not in _TURN:
            return field  # split and indexing of channels leave the places alone
        if kind != "reshape" or name in _MIX:
            return whole  # what leaves (N, C, H, W) mixes the places; cutting or resampling the map does not
    if kind == "reshape" and isinstance(out, tuple | list) and all(o.shape[2:] == shape[2:] for o in out):
        return field
    raise UnsupportedLayer(f"layer {call.path or '(the network)'!r} ({type(call.module).__name__}) runs {name!r}, after which "
                           "neighbouring units have no common receptive field")


def _window(field, axes, kernel, stride, padding, dilation):
    return Field(tuple(field.size[i] + dilation[i] * (kernel[i] - 1) * field.stride[i] for i in range(axes)),
                 tuple(field.stride[i] * stride[i] for i in range(axes)),
                 tuple(field.start[i] - padding[i] * field.stride[i] for i in range(axes)))


def convolution(call, axes):
    kernel = tuple(argument(call, 1, "weight").shape[2:])
    stride, dilation = (each(argument(call, i, n, 1), axes) for i, n in ((3, "stride"), (5, "dilation")))
    padding = argument(call, 4, "padding", 0)
    if padding == "same":  # torch puts the odd one at the end
        padding = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    return kernel, stride, each(0 if padding == "valid" else padding, axes), dilation


def _adaptive(call, field, size, out, whole):
    out = out[0] if isinstance(out, tuple) else out
    after = tuple(out.shape[2:])
    if math.prod(after) == 1:
        return whole
    if any(a % b for a, b in zip(size, after, strict=True)):
        raise UnsupportedLayer(f"layer {call.path!r} pools {tuple(size)} places to {after}: windows of several sizes, so that "
                               "its units have no common field; give a shape=(C, H, W) for which they divide")
    window = [a // b for a, b in zip(size, after, strict=True)]
    return _window(field, len(after), window, window, [0] * len(after), [1] * len(after))


def _union(call, seen):
    if any(f.stride != seen[0].stride for f in seen):
        raise UnsupportedLayer(f"in layer {call.path!r} branches of different strides meet: "
                               f"{' and '.join(str(f.stride) for f in seen)} pixels")
    start = tuple(map(min, *(f.start for f in seen))) if len(seen) > 1 else seen[0].start
    ends = [[a + r for a, r in zip(f.start, f.size, strict=True)] for f in seen]
    end = tuple(map(max, *ends)) if len(seen) > 1 else ends[0]
    return Field(tuple(b - a for a, b in zip(start, end, strict=True)), seen[0].stride, start)


def argument(call, place, name, default=None):
    return call.args[place] if len(call.args) > place else call.kwargs.get(name, default)


def each(value, axes):
    """One number for every axis; a sequence as it is (torch takes one of length 1 for all axes)."""
    value = tuple(value) if isinstance(value, tuple | list) else (value,)
    return value * axes if len(value) == 1 else value


def tensors(value):
    if torch.is_tensor(value):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    return [t for v in value for t in tensors(v)] if isinstance(value, (tuple, list)) or hasattr(value, "mapping") else []
