"""Switching units of a generator off and on, everywhere or at a place (Bau et al. 2019, section 3.2)."""
import numbers

import torch
import torch.nn.functional as F

from .. import hooks


def ablate(generator, layer, units, z, region=None, strength=1.0):
    """Pictures (N, 3, S, S) of the codes z (N, latent) with units of ``layer`` switched off.

    Their activations h become (1 − strength · r) h, r the part of each place of the layer's map that ``region`` covers.

    region: None for everywhere; a box (top, left, bottom, right) in pixels of the picture; or a mask (S, S) or
    (N, S, S) of the picture's pixels, bool or in [0, 1].  ValueError: no such layer or unit, a unit named twice, a
    region that is empty or not inside the picture, a strength outside [0, 1], codes of another shape.
    """
    return change(generator, z, [(layer, units, 0.0, region, strength)])


def insert(generator, layer, units, z, region, value, strength=1.0):
    """Pictures (N, 3, S, S) with units of ``layer`` switched on in ``region``: h becomes (1 − strength · r) h +
    strength · r · value.

    value: a number or one per unit; the mean of the unit where the concept is (column ``inside`` of
    `dissect.units`) is what Bau et al. take.  strength ≥ 0: beyond 1 the units get more than ``value``.  Else as `ablate`.
    """
    return change(generator, z, [(layer, units, value, region, strength)])


def change(generator, z, edits):
    """Pictures with several edits (layer, units, value, region, strength), made one after the other; as `insert`."""
    with torch.no_grad():
        size = None if all(e[3] is None for e in edits) else _size(generator, z[:1])
        by_layer = {}
        for layer, units, value, region, strength in edits:
            region = None if region is None else coverage(region, size)
            by_layer.setdefault(layer, []).append((units, value, region, _strength(strength, value)))
        with hooks.unchanged(generator), hooks.edit(generator, {k: _editor(k, v) for k, v in by_layer.items()}):
            return generator(z)


def _editor(layer, edits):
    """The function maps → maps that makes the edits to one layer's output."""
    def edit(maps):
        for units, value, region, strength in edits:
            at = check_units(layer, units, maps)
            share = torch.as_tensor(strength * _on_map(region, maps))
            level = torch.as_tensor(value, dtype=maps.dtype, device=maps.device)
            if level.ndim and level.shape != (len(at),):
                raise ValueError(f"{tuple(level.shape)} values for {len(at)} units")
            level = level.reshape(-1, 1, 1) if level.ndim else level
            # a strength above 1 goes beyond the value, but never takes away more than all there is
            maps[:, at] = maps[:, at] * (1 - share).clamp_min(0) + share * level
        return maps
    return edit


def coverage(region, size):
    """A region as a mask (1 or N, H, W) in [0, 1] on a picture of ``size`` (H, W); ValueError if it is not inside."""
    height, width = size
    if not torch.is_tensor(region):
        box = tuple(region) if hasattr(region, "__iter__") else ()
        if len(box) != 4 or not all(isinstance(v, numbers.Integral) for v in box):
            raise ValueError(f"a region is a mask or a box (top, left, bottom, right) of whole pixels, not {region!r:.80}")
        top, left, bottom, right = box
        if not (0 <= top < bottom <= height and 0 <= left < right <= width):
            raise ValueError(f"the box {box} is empty or not inside the picture of {height} × {width} pixels")
        mask = torch.zeros(1, height, width)
        mask[:, top:bottom, left:right] = 1
        return mask
    mask = region.float()
    mask = mask[None] if mask.ndim == 2 else mask
    if mask.ndim != 3 or mask.shape[1:] != (height, width):
        raise ValueError(f"a region's mask has the picture's size {height} × {width}, not {tuple(region.shape)}")
    if not ((mask >= 0) & (mask <= 1)).all():
        raise ValueError("a region's mask lies in [0, 1]")
    return mask


def check_units(layer, units, maps):
    """A list of whole numbers; ValueError or TypeError for what is no unit of the layer's maps (N, U, h, w)."""
    found = units.tolist() if hasattr(units, "tolist") else units
    found = [found] if isinstance(found, numbers.Integral) else list(found)
    for u in found:
        if isinstance(u, bool) or not isinstance(u, numbers.Integral):
            raise TypeError(f"a unit is a whole number, not {u!r}")
        if not 0 <= u < maps.shape[1]:
            raise ValueError(f"layer {layer!r} has {maps.shape[1]} units, 0 … {maps.shape[1] - 1}; there is no unit {u}")
    if len(set(found)) != len(found):
        raise ValueError("a unit is named twice")
    return found


def _size(generator, z):
    """The height and width of the pictures: a generator of ours says it, another one is asked for a picture."""
    if getattr(generator, "size", None):
        return (generator.size,) * 2
    with hooks.unchanged(generator):
        return tuple(generator(z).shape[2:])


def _on_map(region, maps):
    """The share of each place of the maps that a region covers, (1 or N, 1, h, w)."""
    if region is None:
        return 1.0
    if len(region) not in (1, len(maps)):
        raise ValueError(f"{len(region)} regions for {len(maps)} codes")
    return F.adaptive_avg_pool2d(region[:, None].to(maps), maps.shape[2:])


def _strength(strength, value):
    ablation = isinstance(value, float | int) and value == 0
    if not isinstance(strength, numbers.Real) or not 0 <= strength <= (1 if ablation else 10):
        raise ValueError(f"strength lies in [0, {1 if ablation else 10}], not {strength!r}")
    return strength
