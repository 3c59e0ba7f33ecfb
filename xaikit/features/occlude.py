"""Hide a part and see what changes: occlusion maps, and whether hiding the same part changes features the same way
(Zeiler, Fergus 2014, sections 4.2 and 4.3)."""
from dataclasses import dataclass

import torch
from torch import Tensor

from .. import hooks
from ..attribution.checks import check_input, check_model, check_steps


@dataclass(frozen=True, eq=False)
class Occluded:
    """What a grey square did at each of its (rows, columns) places: ``activity`` of the map ``unit``, summed over its
    places, ``probability`` of the class ``target``, and ``prediction``, the most likely class; ``before``: the three
    without a square.  ``tops`` (rows,) and ``lefts`` (columns,) of the square in pixels, and its ``size``.
    """

    activity: Tensor
    probability: Tensor
    prediction: Tensor
    before: tuple
    unit: int
    target: int
    tops: Tensor
    lefts: Tensor
    size: int


def corners(side, size, stride):
    """Where a square begins along one side; the last one ends at the border."""
    found = torch.arange(0, side - size + 1, stride)
    return found if found[-1] == side - size else torch.cat([found, found.new_tensor([side - size])])


def hide(x, tops, lefts, size, grey=0.5):
    """Copies of x (M, C, H, W), each with a square of ``size`` set to ``grey`` whose corner is ``tops[m]``, ``lefts[m]``.

    What of a square lies outside is not there.  One comparison of places, no loop.
    """
    rows, columns = (torch.arange(n, device=x.device) for n in x.shape[2:])
    down, right = ((at[:, None] <= n) & (n < at[:, None] + size) for at, n in ((tops, rows), (lefts, columns)))
    return torch.where((down[:, :, None] & right[:, None, :])[:, None], torch.as_tensor(grey, dtype=x.dtype), x)


@torch.no_grad()
def occlusion_maps(model, x, layer, target=None, size=12, stride=6, grey=0.5, unit=None, batch_size=128):
    """The three maps of the paper's figure 7 for one image x (1, C, H, W) in [0, 1]: :class:`Occluded`.

    layer: whose strongest map is followed; ``unit``: which one, by default the one with the largest activation in x ·
    target: the true class, or None for the predicted one · size, stride of the grey square in pixels.
    ValueError: no such layer or class, more than one image, a square larger than the picture.
    """
    check_model(model)
    check_input(x)
    hooks.layer(model, layer)
    size, stride = check_steps(size, "size"), check_steps(stride, "stride")
    if x.dim() != 4 or len(x) != 1:
        raise ValueError(f"one image (1, C, H, W) is needed, not {tuple(x.shape)}")
    if size > min(x.shape[2:]):
        raise ValueError(f"a square of {size} does not fit into a picture of {tuple(x.shape[2:])}")
    tops, lefts = (corners(side, size, stride) for side in x.shape[2:])
    grid = torch.cartesian_prod(tops, lefts)
    with hooks.unchanged(model):
        maps, logits = _look(model, layer, x)
        if maps.dim() != 4:
            raise ValueError(f"layer {layer!r} has no maps: its output is {tuple(maps.shape)}")
        unit = int(maps[0].flatten(1).amax(1).argmax()) if unit is None else unit
        target = int(logits.argmax()) if target is None else target
        if not 0 <= target < logits.shape[1] or not 0 <= unit < maps.shape[1]:
            raise ValueError(f"class {target} of {logits.shape[1]}, unit {unit} of {maps.shape[1]}: there is no such thing")
        found = [_measured(*_look(model, layer, hide(x.expand(len(g), -1, -1, -1), *g.T, size, grey)), unit, target)
                 for g in grid.split(batch_size)]
    activity, probability, prediction = (torch.cat(v).view(len(tops), len(lefts)) for v in zip(*found, strict=True))
    before = tuple(v.item() for v in _measured(maps, logits, unit, target))
    return Occluded(activity, probability, prediction, before, unit, target, tops, lefts, size)


def _look(model, layer, x):
    with hooks.record(model, layer) as acts:
        logits = model(x)
    return acts[layer], logits


def _measured(maps, logits, unit, target):
    return maps[:, unit].clamp(min=0).sum((1, 2)), logits.softmax(1)[:, target], logits.argmax(1)


@torch.no_grad()
def feature_changes(model, layers, x, centres, size, grey=0.5, batch_size=128):
    """ε = features of x − features of x with a square hidden around ``centres`` (N, 2), in pixels: {layer: (N, units, …)}.

    What is smaller than a millionth of the layer's largest feature is rounding, and set to 0.
    """
    check_model(model)
    check_input(x)
    if len(centres) != len(x):
        raise ValueError(f"{len(centres)} centres for {len(x)} images")
    corner = (torch.as_tensor(centres, dtype=torch.float32) - size / 2).round().long()
    found = {layer: [] for layer in layers}
    with hooks.unchanged(model):
        for pictures, at in zip(x.split(batch_size), corner.split(batch_size), strict=True):
            with hooks.record(model, *layers, stop=True) as acts:
                model(torch.cat([pictures, hide(pictures, *at.T, size, grey)]))
            for layer in layers:
                shown, hidden = acts[layer].chunk(2)
                change = shown - hidden
                found[layer].append(torch.where(change.abs() > 1e-6 * acts[layer].abs().max(), change, 0.0))
    return {layer: torch.cat(parts) for layer, parts in found.items()}


def inconsistency(changes):
    """The paper's Δ for changes ε (N, …): Σ over pairs i ≠ j of H(sign εᵢ, sign εⱼ), as (mean over the pairs, standard error).

    H, the Hamming distance, is divided by the number of features: the share of them whose change has another sign (−1, 0
    or 1) in one image than in the other.  Low: hiding the part changes the features of all images alike.  The error is
    the jackknife's over images: each image sits in n − 1 pairs, so that the mean moves with it at twice the weight that it
    would have in a mean of n numbers.  ValueError for fewer than three images.
    """
    signs = changes.flatten(1).sign()
    n, features = signs.shape
    if n < 3:
        raise ValueError("the measure compares images: two at least are needed, and three for an error")
    equal = sum((signs == v).float() @ (signs == v).float().T for v in (-1, 0, 1))
    each = (1 - equal / features).fill_diagonal_(0).sum(1) / (n - 1)
    return float(each.mean()), 2 * float(each.std()) * (n - 1) / (n - 2) / n ** 0.5
