"""What a window of the image can reach: the part of a layer that changes when only the window does.

Hiding a window leaves most of an early layer as it was.  ``best_cut`` looks for the layer up to which it pays to compute
only a crop of the image around the window; the crop's part of the layer is then put into the unhidden image's, and only
the rest of the network sees the whole.  Exact, not an approximation: a unit whose receptive field lies in the crop, or
ends with the image where the crop does, has the same value in both.
"""
import contextlib
import math
from collections import Counter
from dataclasses import dataclass, replace

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
    """A layer through which all that is known of the image passes, with the receptive field of its units.

    ``before`` and ``total``: work up to the layer and of the whole network.  ``sides``, ``window``: of the image and of
    what is hidden; ``crop``: the sides of the crop, the same for every place of the window.
    """

    layer: str
    field: Field
    before: float
    total: float
    sides: tuple = ()
    window: tuple = ()

    @property
    def crop(self):
        """Enough for every unit that sees the window; whole strides less than the image, so that both ends fit."""
        return tuple(side - j * max(0, (side - (w + 2 * r - 3 + j)) // j)
                     for side, w, r, j in zip(self.sides, self.window, self.field.size, self.field.stride, strict=True))

    @property
    def middle(self):
        """The corner of the window in the middle."""
        return tuple((side - w) // 2 for side, w in zip(self.sides, self.window, strict=True))

    @property
    def work(self):
        """The work for one window."""
        return self.total - self.before + self.before * math.prod(self.crop) / math.prod(self.sides)

    def boxes(self, corner, places):
        """For a window at ``corner``: its crop of the image, the units that see it, and where these are in the crop's
        layer.  Three tuples of slices; ``places``: the layer's sides."""
        image, units, inside = [], [], []
        for at, w, side, crop, r, j, start, count in zip(corner, self.window, self.sides, self.crop, self.field.size,
                                                         self.field.stride, self.field.start, places, strict=True):
            first = max(0, -((start + r - 1 - at) // j))  # the first whose field ends at the corner or behind it
            last = min(count - 1, (at + w - 1 - start) // j)
            from_ = min(max(0, (start + first * j) // j * j), side - crop)
            image.append(slice(from_, from_ + crop))
            units.append(slice(first, last + 1))
            inside.append(slice(first - from_ // j, last + 1 - from_ // j))
        return tuple(image), tuple(units), tuple(inside)


def best_cut(model, image, window, count):
    """The :class:`Cut` with the least work for ``count`` windows of these sides, or None where none saves a whole pass.

    image: (1, C, …).  Follows one forward pass of the network, frozen and in eval mode, on a corner of the image, or on
    the whole where it takes no other.
    """
    sides = tuple(image.shape[2:])
    for probe in (image[(..., *(slice(0, _PROBE) for _ in sides))], image):
        with contextlib.suppress(RuntimeError, ValueError, IndexError, TypeError, UnsupportedLayer):
            zoom = math.prod(sides) / math.prod(probe.shape[2:])
            # a copy: a network may begin with an operation in place
            cuts = [replace(cut, sides=sides, window=tuple(window)) for cut in _cuts(model, probe.clone(), zoom)]
            best = min(cuts, key=lambda cut: cut.work, default=None)
            return best if best and count * (best.total - best.work) > best.total else None
    return None


def _cuts(model, x, zoom):
    """All cuts of a forward pass on x (1, C, …), the work on maps ``zoom`` times what it is for x.

    Every operation on what depends on x is a step.  A layer is a cut if all steps up to it are local, and none behind it
    uses anything of the image but its output.
    """
    axes = x.dim() - 2
    made = {id(x): (x, 0, Field((1,) * axes, (1,) * axes, (0,) * axes))}  # tensor, its step, its field or None
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
                yield Cut(name, field, work[step], work[-1])


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
