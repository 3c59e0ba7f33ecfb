"""What a window of the image can reach: the part of each layer that changes when only the window does.

Hiding a window leaves most of an early layer as it was.  ``best_cuts`` looks for the layers between which it pays to
compute only a crop: of the image around the window up to the first, of that layer around what has changed there up to the
next.  A crop's part of a layer is put into the unhidden image's layer, of which the next crop is taken; only behind the
last does the network see the whole.  Exact, not an approximation: a unit whose receptive field lies in the crop, or ends
with the layer where the crop does, has the same value in both.
"""
import contextlib
import math
from collections import Counter
from dataclasses import dataclass

import torch

from .. import hooks
from ..errors import UnsupportedLayer
from ..receptive import Field, after, tensors

# One value that is read and written costs about as much time as this many multiplications of a convolution.
_VALUE = 30
_PROBE = 64  # pixels: about the least that networks for photographs take
_MERGING = {"add", "sub", "mul", "div", "cat", "matmul"}


@dataclass(frozen=True)
class Cut:
    """A layer through which all that is known of the image passes, with the receptive field of its units in the image.

    ``before``, ``total``: work up to the layer and of the whole network; ``copy``: of putting together the whole layer.
    """

    layer: str
    field: Field
    before: float
    total: float
    copy: float = 0.0


def best_cuts(model, image, window, count):
    """The :class:`Cut` s with the least work for ``count`` windows of these sides; none where they save no whole pass.

    image: (1, C, …).  Follows one forward pass of the network, frozen and in eval mode, on a corner of the image, or on
    the whole where it takes no other.
    """
    sides = tuple(image.shape[2:])
    for probe in (image[(..., *(slice(0, _PROBE) for _ in sides))], image):
        with contextlib.suppress(RuntimeError, ValueError, IndexError, TypeError, UnsupportedLayer):
            zoom = math.prod(sides) / math.prod(probe.shape[2:])
            # a copy: a network may begin with an operation in place
            work, cuts = _least_work(list(_cuts(model, probe.clone(), zoom)), sides, window)
            return cuts if cuts and count * (cuts[0].total - work) > cuts[0].total else []
    return []


def _least_work(cuts, sides, window):
    """(work for one window, the cuts that need it): the shortest way through the layers."""
    if not cuts:
        return math.inf, []
    image = Cut("", image_field(len(sides)), 0.0, cuts[0].total)
    found = [(0.0, [], image)]
    for cut in sorted(cuts, key=lambda cut: cut.before):
        ways = [(work + (cut.before - last.before) * _share(last.field, cut.field, sides, window) + cut.copy, [*way, cut])
                for work, way, last in found if cut.before > last.before]
        if ways:
            found.append((*min(ways, key=lambda way: way[0]), cut))
    return min(((work + last.total - last.before, way) for work, way, last in found), key=lambda way: way[0])


def _share(before, after, sides, window):
    """About which share of a layer a crop takes that the next layer's units need where they see a window."""
    own = between(before, after)
    return math.prod(min(1.0, ((w + size - 2) // stride * j + r) * a / side) for side, w, size, stride, j, r, a in zip(
        sides, window, after.size, after.stride, own.stride, own.size, before.stride, strict=True))


def image_field(axes):
    """A pixel's."""
    return Field((1,) * axes, (1,) * axes, (0,) * axes)


def between(before, after):
    """The field of ``after``'s units in the layer with the field ``before`` (both are fields in the image)."""
    axes = list(zip(before.stride, before.size, after.size, before.start, after.start, after.stride, strict=True))
    return Field(tuple((r - q) // j + 1 for j, q, r, *_ in axes), tuple(k // j for j, *_, k in axes),
                 tuple((s - t) // j for j, _, _, t, s, _ in axes))


def seen(field, corner, window, places):
    """The units of a layer with sides ``places`` that see the window: (first, last) on each axis; none: last < first."""
    return [(max(0, -((s + r - 1 - at) // j)), min(count - 1, (at + w - 1 - s) // j))
            for at, w, r, j, s, count in zip(corner, window, field.size, field.stride, field.start, places, strict=True)]


def crops(before, after, corners, window, sides, places):
    """For windows at the corners: what of a layer (``before``, its sides) is needed for the units of the next (``after``,
    its ``places``) that see them.  All crops have one size, so that they make a batch.

    For each corner three tuples of slices: the crop, the units, and where these are in what the crop gives.
    """
    own = between(before, after)
    units = [seen(after, corner, window, places) for corner in corners]
    found = []
    for axis, (j, r, start, side) in enumerate(zip(own.stride, own.size, own.start, sides, strict=True)):
        low = [max(0, (start + first * j) // j * j) for first, _ in (u[axis] for u in units)]
        high = [min(side, start + last * j + r) for _, last in (u[axis] for u in units)]
        # whole strides less than the side, so that both ends fit
        size = side - (side - max(min(r, side), *(h - f for h, f in zip(high, low, strict=True)))) // j * j
        begin = [min(f, side - size) for f in low]
        found.append([(slice(f, f + size), slice(first, last + 1), slice(first - f // j, last + 1 - f // j))
                      for f, (first, last) in zip(begin, (u[axis] for u in units), strict=True)])
    return [tuple(zip(*axes, strict=True)) for axes in zip(*found, strict=True)]


def overlap(crop, units, inside):
    """Where the units lie in a crop of their layer, and where in what was computed; without those outside of it."""
    both = [(max(c.start, u.start), min(c.stop, u.stop), c.start, u.start - i.start)
            for c, u, i in zip(crop, units, inside, strict=True)]
    return (tuple(slice(low - c, max(low, high) - c) for low, high, c, _ in both),
            tuple(slice(low - i, max(low, high) - i) for low, high, _, i in both))


def _cuts(model, x, zoom):
    """All cuts of a forward pass on x (1, C, …), the work on maps ``zoom`` times what it is for x.

    Every operation on what depends on x is a step.  A layer is a cut if all steps up to it are local, and none behind it
    uses anything of the image but its output.
    """
    axes = x.dim() - 2
    made = {id(x): (x, 0, image_field(axes))}  # tensor, its step, its field or None
    used, work, local, runs = [set()], [0.0], True, Counter()
    last_local = 0

    def handler(call):
        nonlocal local, last_local
        seen = [made[id(t)] for t in tensors((call.args, call.kwargs)) if id(t) in made]
        shape = call.args[0].shape if call.args and torch.is_tensor(call.args[0]) else None
        runs[id(call.module)] += call.name == "clone"  # record's, once for each run of a layer
        out = call()
        used.append({step for _, step, _ in seen})
        work.append(work[-1] + _work(call, out) * (zoom if torch.is_tensor(out) and out.dim() == x.dim() else 1))
        if seen:
            field = _field(call, [f for *_, f in seen], shape, out, axes, made)
            local = local and field is not None and not field.whole
            last_local = len(work) - 1 if local else last_local
            made.update({id(t): (t, len(work) - 1, field) for t in tensors(out)})
        return out

    # record is entered first, so that its hooks fire while the layer still runs and its clones are steps
    names = [name for name, _ in model.named_modules() if name]
    with torch.no_grad(), hooks.record(model, *names) as outputs, hooks.interpose(model, handler):
        model(x)
    for name, output in outputs.items():
        if torch.is_tensor(output) and id(output) in made and output.dim() == x.dim():
            _, step, field = made[id(output)]
            own = max(used[step])  # the copy is made from the layer's output
            once = runs[id(hooks.layer(model, name))] == 1
            alone = all(s == own or s > step for later in used[step + 1:] for s in later)
            if step <= last_local and once and alone and max(field.start) <= 0:
                yield Cut(name, field, work[step], work[-1], output.numel() * zoom * _VALUE)


def _field(call, fields, shape, out, axes, made):
    """The field after one operation; None where it does not treat all places of every image's size alike."""
    other = [t for t in tensors((call.args, call.kwargs)) if id(t) not in made and call.kind in _MERGING]
    if None in fields or "adaptive" in call.name or any(max(t.shape[-axes:]) > 1 for t in other if t.dim() > 1):
        return None
    with contextlib.suppress(UnsupportedLayer):
        return after(call, fields, shape, out, axes)


def _work(call, out):
    """In multiplications."""
    if call.kind == "reshape" or not torch.is_tensor(out):
        return 0
    weight = call.args[1] if len(call.args) > 1 else call.kwargs.get("weight")
    return out.numel() * (_VALUE + (weight[0].numel() if call.kind in ("conv", "linear") else 0))
