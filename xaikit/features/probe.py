"""The deconvnet as a probe: one activation, sent back to the pixels (Zeiler, Fergus 2014, section 2.1).

Keep one activation, set all others of its layer to zero; then, layer by layer, *unpool* with the switches (the places of
the maxima on the way up), *rectify*, and *filter* with the transposed filters.  Each of the three is the transpose of
what the layer did on the way up, except the rectifying; so the way down is a backward pass with another rule at the ReLU,
and it goes through branches, strides and overlapping pooling as autograd does.  Contrast normalisation is stepped over,
as in the paper; biases play no part.
"""
import contextlib
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .. import hooks
from ..attribution.call import derivative, explaining
from ..attribution.checks import check_input, check_model
from ..attribution.gradient import RELU_RULES, relu_handler
from ..errors import UnsupportedLayer
from .top import check_units, top_patches

RULES = tuple(RELU_RULES)  # "gradient", "deconvnet", "guided"


def deconvnet_probe(model, layer, unit, x, position=None, relu="deconvnet", switches=True):
    """The pattern in x (N, C, H, W) that one activation answers to, shaped like x; signed.

    The signal that starts at the top is the activation h itself, so the projection is in units of h · ∂h/∂x, and 0 for an
    activation of 0.

    layer: a name as in ``model.named_modules()``; the probe starts at its output · unit: a channel, or (N,) one for each
    image · position: None for its strongest place in each image, (row, column), or (N, 2) · relu: what goes on down where
    the signal R arrives at y = max(z, 0): "deconvnet" max(R, 0), "gradient" R · 1[z > 0], "guided" max(R, 0) · 1[z > 0] ·
    switches: True, or False to spread the signal evenly over each pooling window, as if nobody had recorded where the
    maximum was.

    ValueError: no such layer, unit or position; no convolution in the network; an unknown rule; a pooling that leaves no
    switches.  UnsupportedLayer for an activation without a rule (GELU …).  Else as the attribution methods.
    """
    with _probing(model, layer, unit, x, position, relu, switches) as score:
        return score.per_image(lambda points, rows: _down(score, points, rows))


def activation(model, layer, unit, x):
    """(values (N,), positions (N, 2)) of the strongest place of ``unit`` (or (N,) units) of ``layer`` in each image."""
    with _probing(model, layer, unit, x, None, "gradient", True) as score, torch.no_grad():
        values = score.per_image(lambda points, rows: _strength(score, points, rows))
        return values, torch.cat(score.model.places)


def top_projections(model, layer, unit, images, k=9, relu="deconvnet", batch_size=64):
    """A unit's k strongest patches and their projections, each cut to the unit's receptive field: figure 2 of the paper.

    unit: one, or a sequence of U units, all sent down in the same batches · images (N, C, H, W) or a Dataset.  Where a
    field reaches over the border the patch is white and the projection 0.
    Returns (`Top`, projections (k, C, h, w) or (U, k, C, h, w)).  Raises as `top_patches` and `deconvnet_probe`.
    """
    images = getattr(images, "images", images)
    top = top_patches(model, layer, unit, images, k, batch_size, fill=1.0)
    return top, project(model, top, images, relu, batch_size)


def project(model, top, images, relu="deconvnet", batch_size=64):
    """The projections of the activations in ``top`` (from `top_patches` on these images), shaped like ``top.patches``."""
    images, count = getattr(images, "images", images), top.indices.shape[-1]
    units = torch.tensor(top.units).repeat_interleave(count)
    indices, places = top.indices.flatten(), top.positions.reshape(len(units), -1)
    down = (deconvnet_probe(model, top.layer, units[rows], images[indices[rows]], places[rows] if places.shape[1] else None, relu)
            for rows in torch.arange(len(units)).split(batch_size))
    return cut_out(top, (picture for batch in down for picture in batch))


def cut_out(top, whole):
    """Whole projections, one (C, H, W) for each activation in ``top``, cut to its receptive field: shaped like ``top.patches``."""
    projections = torch.zeros_like(top.patches).reshape(-1, *top.patches.shape[-3:])
    places, boxes = top.positions.reshape(len(projections), -1).tolist(), top.boxes.reshape(-1, 4).tolist()
    everything = top.field is None or top.field.whole
    for cut, picture, place, (t, left, b, right) in zip(projections, whole, places, boxes, strict=True):
        y0, x0 = (0, 0) if everything else (first for first, _ in top.field.box(*place))
        cut[:, t - y0:b - y0, left - x0:right - x0] = picture[:, t:b, left:right]
    return projections.view_as(top.patches)


def relu_cuts(model, layer, unit, x, position=None, relu="deconvnet"):
    """Where the signal is cut on its way down: DataFrame, a row per ReLU from the top down.

    Columns: ``layer``; of the signal's size Σ|R| arriving there, the shares with z > 0 and R > 0 ("open, positive"), z > 0
    and R < 0 ("open, negative"), z ≤ 0 and R > 0 ("shut, positive"), z ≤ 0 and R < 0 ("shut, negative"), which add up to 1;
    and ``cut``, the share that the rule sets to zero.  All images together.  Raises as `deconvnet_probe`.
    """
    return probe_and_cuts(model, layer, unit, x, position, relu)[1]


def probe_and_cuts(model, layer, unit, x, position=None, relu="deconvnet"):
    """(`deconvnet_probe`, `relu_cuts`) of the same question in one pass."""
    import pandas as pd

    found = {}

    def seen(call, rule):
        def back(R, z, y):
            out, on = rule(R, z, y), (y > 0).to(R)
            size, up, off = R.abs(), R.clamp_min(0), 1 - on
            shares = up * on, (size - up) * on, up * off, (size - up) * off, size * (out == 0)
            entry = found.setdefault(call.path or "(the network)", torch.zeros(5, dtype=R.dtype))
            entry += torch.stack([share.sum() for share in shares])
            return out
        return back

    with _probing(model, layer, unit, x, position, relu, True, seen) as score:
        down = score.per_image(lambda points, rows: _down(score, points, rows))
    rows = [(path, *(v[:4] / v[:4].sum()).tolist(), float(v[4] / v[:4].sum())) for path, v in found.items()]
    columns = ["layer", "open, positive", "open, negative", "shut, positive", "shut, negative", "cut"]
    return down, pd.DataFrame(rows, columns=columns)


def unpool(maps, switches, size):
    """Maps (N, C, h, w) put back at the places ``switches`` (N, C, h, w; flat indices, as ``F.max_pool2d(…,
    return_indices=True)`` gives them) of larger maps (N, C, *size); all else is zero.  Where windows overlap and share a
    maximum, what they bring is added: that makes it the transpose of pooling.  ValueError without switches of that shape.
    """
    if not torch.is_tensor(switches) or switches.shape != maps.shape:
        raise ValueError(f"unpooling needs the switches of the way up, a tensor {tuple(maps.shape)}; got "
                         f"{tuple(getattr(switches, 'shape', ())) or switches!r}: F.max_pool2d(…, return_indices=True) gives them")
    out = maps.new_zeros(*maps.shape[:2], size[0] * size[1])
    return out.scatter_add(2, switches.flatten(2), maps.flatten(2)).view(*maps.shape[:2], *size)


@dataclass
class _Handler:
    """What happens on the way down, for `hooks.interpose`: the ReLU's rule, unpooling, and no contrast normalisation."""

    relu: str
    switches: bool
    seen: object = None  # wraps the rule of each call

    def __call__(self, call):
        name, rule = call.name.rstrip("_"), RELU_RULES[self.relu]
        if name.startswith(("lp_pool", "fractional_max_pool")):
            raise UnsupportedLayer(f"layer {call.path!r} runs {name}, which leaves no switches: the probe unpools max and average pooling")
        if name == "local_response_norm" and self.relu == "deconvnet":
            return hooks.ruled(call, lambda R, x, y: R, keep_input=False)
        if call.kind == "max_pool" and not self.switches and "pool" in name:
            return hooks.ruled(call, _spread(call))
        return relu_handler(rule if self.seen is None else self.seen(call, rule))(call)


def _spread(call):
    """Back through max pooling as if it were average pooling with the same windows."""
    def back(R, x, y):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            if "adaptive" in call.name:
                mean = F.adaptive_avg_pool2d(x, R.shape[2:])
            else:
                sizes = dict(zip(("kernel_size", "stride", "padding"), call.args[1:4], strict=False)) | call.kwargs
                # what the ceiling adds at the end is no window of average pooling's: it divides by what is inside
                mean = F.avg_pool2d(x, sizes["kernel_size"], sizes.get("stride"), sizes.get("padding", 0),
                                    sizes.get("ceil_mode", False), count_include_pad=False)
            return torch.autograd.grad(mean, x, R)[0]
    return back


class _Unit(nn.Module):
    """A network up to one activation for each image: (N, C, H, W) → (N,)."""

    def __init__(self, model, layer, unit, position):
        super().__init__()
        self.model, self.layer, self.unit, self.position, self.places, self.rows = model, layer, unit, position, [], None

    def forward(self, x):
        rows = self.rows
        with hooks.record(self.model, self.layer, stop=True) as acts:
            self.model(x)
        maps = acts[self.layer]
        units = self.unit[rows] if self.unit.dim() else self.unit.expand(len(x))
        try:
            check_units(self.layer, units.unique(), maps)
        except ValueError as error:
            raise _Question(str(error)) from None
        maps = maps[torch.arange(len(x)), units]
        if maps.dim() == 1:
            if self.position is not None:
                raise _Question(f"layer {self.layer!r} has one number for each unit, so there is no position {self.position.tolist()} in it")
            self.places.append(units.new_zeros(len(x), 0))
            return maps
        size = maps.shape[1:]
        if self.position is None:
            place = torch.stack(torch.unravel_index(maps.detach().flatten(1).argmax(1), size), 1)
        else:
            place = self.position[rows] if self.position.dim() == 2 else self.position.expand(len(x), -1)
            if place.shape[1] != len(size) or (place < 0).any() or (place >= place.new_tensor(size)).any():
                raise _Question(f"position {place.tolist()[0]} is not in layer {self.layer!r}, whose maps are {tuple(size)}")
        self.places.append(place)
        return maps[(torch.arange(len(x)), *place.T)]


class _Question(Exception):
    """The unit or the position asked for does not exist; leaves the forward pass as it is."""


@contextlib.contextmanager
def _probing(model, layer, unit, x, position, relu, switches, seen=None):
    """Check the question and set the network up as ``explaining`` does, with the rules of the way down.

    Yields its score, the activation asked for; ``score(points, rows)`` as there.
    """
    if relu not in RELU_RULES:
        raise ValueError(f"relu is one of {', '.join(map(repr, RULES))}, not {relu!r}")
    if not isinstance(switches, bool):
        raise ValueError(f"switches is True (those of the way up) or False (spread evenly), not {switches!r}")
    check_model(model)
    check_input(x)
    hooks.layer(model, layer)
    if not any(p.dim() > 3 for p in model.parameters()):
        raise ValueError(f"the network has no convolution: there is no map in which a unit of {layer!r} could have a place "
                         "(attribution.deconvnet explains its scores)")
    unit, position = _whole(unit, "unit"), None if position is None else _whole(position, "position")
    for name, value, single in (("unit", unit, 0), ("position", position, 1)):
        if value is not None and value.dim() > single and len(value) != len(x):
            raise ValueError(f"{len(value)} values of {name} for {len(x)} images: give one, or one for each")
    try:
        with explaining(_Unit(model, layer, unit, position), x, 0) as score, \
                hooks.interpose(model, _Handler(relu, switches, seen)):
            yield score
    except _Question as question:
        raise ValueError(str(question)) from None


def _whole(value, name):
    value = torch.as_tensor(value)
    if value.is_floating_point() or value.dtype == torch.bool:
        raise TypeError(f"{name} is whole, not {value.tolist()!r}")
    return value.long()


def _down(score, points, rows):
    """The projections of some of the images; the signal starts as the activation itself."""
    points = points.detach().requires_grad_()
    h = _strength(score, points, rows)
    return derivative(h * h.detach(), points)


def _strength(score, points, rows):
    score.model.rows = rows
    return score(points, rows)
