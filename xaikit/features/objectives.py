"""Objectives: what is to be large, as values that add and scale: ``neuron("features.6", 3) + 0.1 * diversity("features.6")``.

An objective is a number for each picture of a batch.  A term may name one unit, or one for each picture: with
``channel(layer, torch.arange(64))`` a batch of 64 pictures is maximised at once, each for a unit of its own.
"""
import numbers
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

PICTURE = "(picture)"  # the key of the pictures themselves among the activations; "" is the network's own output


@dataclass(frozen=True, eq=False)
class Objective:
    """``value(acts) -> (N,)``, from the activations of ``layers`` by name (N, …)."""

    layers: tuple
    value: Callable = field(repr=False)
    name: str = ""

    def __call__(self, acts):
        return self.value(acts)

    def __add__(self, other):
        if isinstance(other, numbers.Real) and other == 0:  # sum([…]) starts with 0
            return self
        if not isinstance(other, Objective):
            return NotImplemented
        return Objective(tuple(dict.fromkeys(self.layers + other.layers)), lambda acts: self.value(acts) + other.value(acts),
                         f"{self.name} + {other.name}")

    __radd__ = __add__

    def __mul__(self, factor):
        if isinstance(factor, bool) or not isinstance(factor, numbers.Real):
            return NotImplemented
        return Objective(self.layers, lambda acts: factor * self.value(acts), f"{factor:g} · ({self.name})")

    __rmul__ = __mul__

    def __neg__(self):
        return -1 * self

    def __sub__(self, other):
        return self + -1 * other if isinstance(other, Objective) else NotImplemented

    def __truediv__(self, number):
        return (1 / number) * self


def neuron(layer, unit, position=None):
    """One unit at one place: ``position`` (row, column) of the layer's map, its middle if None; no map, no place."""
    def value(acts):
        maps = _units(acts[layer], layer, unit)
        if maps.dim() == 1:
            if position is not None:
                raise ValueError(f"layer {layer!r} has no map: its units have no position {position}")
            return maps
        place = tuple(s // 2 for s in maps.shape[1:]) if position is None else tuple(position)
        if len(place) != maps.dim() - 1 or not all(0 <= p < s for p, s in zip(place, maps.shape[1:], strict=True)):
            raise ValueError(f"layer {layer!r} has a map of {tuple(maps.shape[1:])} places here; there is no position {place}")
        return maps[(slice(None), *place)]

    return Objective((layer,), value, f"{layer}[{_said(unit)}] at {'the middle' if position is None else tuple(position)}")


def channel(layer, unit):
    """The mean over the map of one unit (Olah et al. 2017)."""
    return Objective((layer,), lambda acts: _units(acts[layer], layer, unit).flatten(1).mean(1)
                     if acts[layer].dim() > 2 else _units(acts[layer], layer, unit), f"{layer}[{_said(unit)}], mean")


def layer(name):
    """DeepDream: the mean square of everything in a layer (Mordvintsev et al. 2015)."""
    return Objective((name,), lambda acts: acts[name].flatten(1).square().mean(1), f"all of {name}")


def direction(layer, vector, position=None):
    """⟨activations, v⟩ / ‖v‖ with a vector over the units (C,), averaged over places or at one."""
    vector = torch.as_tensor(vector, dtype=torch.float32)
    if vector.dim() != 1 or not vector.isfinite().all() or vector.norm() == 0:
        raise ValueError("a direction is a vector (units,) of finite numbers, not all 0")

    def value(acts):
        if acts[layer].shape[1] != len(vector):
            raise ValueError(f"layer {layer!r} has {acts[layer].shape[1]} units, the direction {len(vector)} numbers")
        v = (vector / vector.norm()).to(acts[layer])
        maps = torch.einsum("nc...,c->n...", acts[layer], v)
        return (maps if maps.dim() == 1 else maps.flatten(1).mean(1)) if position is None else maps[(slice(None), *position)]

    return Objective((layer,), value, f"a direction in {layer}")


def logit(target):
    """The score S_c of a class, before the softmax (Simonyan et al. 2014, sec. 2)."""
    return Objective(("",), lambda acts: _units(acts[""], "(output)", target), f"score of class {_said(target)}")


def probability(target):
    """log of the softmax share of a class: it also grows where the *other* scores fall (Simonyan et al. 2014, sec. 2)."""
    return Objective(("",), lambda acts: _units(acts[""].log_softmax(1), "(output)", target), f"log share of class {_said(target)}")


def diversity(layer):
    """Minus the mean cosine between a picture's Gram matrix G = A Aᵀ, (units × places) A, and the others' (Olah et al.
    2017): 0 for a batch of one.  Added, it pushes the pictures of a batch to different facets of one unit."""
    def value(acts):
        a = acts[layer].flatten(2) if acts[layer].dim() > 2 else acts[layer][..., None]
        gram = torch.nn.functional.normalize((a @ a.mT).flatten(1), dim=1)
        n = len(gram)
        return -((gram @ gram.T).sum(1) - 1) / max(n - 1, 1) if n > 1 else 0 * gram.sum(1)

    return Objective((layer,), value, f"diversity in {layer}")


def l2():
    """‖x‖² of the picture: subtract it, ``logit(3) - 0.01 * l2()`` is Simonyan's S_c(I) − λ‖I‖²."""
    return Objective((PICTURE,), lambda acts: acts[PICTURE].flatten(1).square().sum(1), "‖x‖²")


def variation():
    """The total variation of the picture: see `total_variation`."""
    return Objective((PICTURE,), lambda acts: total_variation(acts[PICTURE]), "TV")


def total_variation(x):
    """Σ over neighbours of (difference)², each picture of (N, C, H, W): (N,).  Mahendran & Vedaldi 2015, eq. 6 with β = 2.

    The sum runs over both directions separately and stays inside the picture.
    """
    return (x[..., 1:, :] - x[..., :-1, :]).square().flatten(1).sum(1) + (x[..., 1:] - x[..., :-1]).square().flatten(1).sum(1)


def _units(maps, layer, unit):
    """The maps (N, …) of one unit, or of one for each picture."""
    if not torch.is_tensor(maps) or maps.dim() < 2:
        raise ValueError(f"layer {layer!r} gives no units: its output has shape {tuple(getattr(maps, 'shape', ()))}")
    count = maps.shape[1]
    chosen = torch.as_tensor(unit, device=maps.device)
    if chosen.is_floating_point() or chosen.dtype == torch.bool or chosen.dim() > 1:
        raise TypeError(f"a unit is a whole number, or (N,) of them, not {unit!r}")
    if chosen.dim() and len(chosen) != len(maps):
        raise ValueError(f"{len(chosen)} units for {len(maps)} pictures: give one, or one for each (n={len(chosen)})")
    bad = chosen[(chosen < 0) | (chosen >= count)] if chosen.dim() else chosen[None][(chosen[None] < 0) | (chosen[None] >= count)]
    if len(bad):
        raise ValueError(f"layer {layer!r} has {count} units, 0 … {count - 1}; there is no unit {bad[0].item()}")
    return maps[torch.arange(len(maps), device=maps.device), chosen] if chosen.dim() else maps[:, chosen]


def _said(unit):
    many = getattr(unit, "ndim", 0) or isinstance(unit, list | tuple)
    return f"{len(unit)} units" if many else str(unit)
