"""The pictures, and the patches of them, that a unit likes best (Girshick et al. 2014; Springenberg et al. 2015).

One pass over any number of pictures: after each batch only the k best of each unit are kept, so that the memory needed
is a batch's and theirs, however long the data set.
"""
import numbers
from dataclasses import dataclass

import torch
from torch import Tensor

from .. import hooks, layout
from ..receptive import Field, receptive_field


@dataclass(frozen=True, eq=False)
class Top:
    """The k best of each unit, strongest first; with several units each tensor has a leading axis (U,).

    ``patches`` (k, C, h, w), ``activations`` (k,), ``indices`` (k,) of the pictures in the data set, ``positions``
    (k, 2) of the unit in the layer's map (row, column; (k, 0) for a layer without a map), ``boxes`` (k, 4) top, left,
    bottom, right of the patch in the picture: the part of ``field`` that lies inside it.
    """

    layer: str
    units: tuple
    field: Field | None
    patches: Tensor
    activations: Tensor
    indices: Tensor
    positions: Tensor
    boxes: Tensor

    def of(self, unit):
        """The `Top` of one of all units of a layer."""
        found = (t[unit] for t in (self.patches, self.activations, self.indices, self.positions, self.boxes))
        return Top(self.layer, (unit,), self.field, *found)


def top_patches(model, layer, unit, images, k=9, batch_size=64, fill=0.0):
    """The k patches, each from another picture, to which ``unit`` of ``layer`` responds most: :class:`Top`.

    A patch is the receptive field of the strongest place in its picture, cut out; where the field reaches over the border
    it is padded with ``fill`` (``boxes`` says what is inside).  For a layer whose units see everything it is the picture.
    ``unit``: a channel or neuron; a sequence of them, or None for all, is answered in the same pass.  ``images``: a
    tensor (N, C, H, W), a Dataset, or any iterable of batches or of single pictures, alone or with labels, read once.
    ValueError: no such layer or unit, no convolution in the network, no picture; fewer than k pictures give fewer patches.
    """
    return _strongest(model, layer, unit, images, k, batch_size, fill, crop=True)


def top_images(model, layer, unit, images, k=9, batch_size=64):
    """The k whole pictures to which ``unit`` responds most, at its best place: as `top_patches`, for any network."""
    return _strongest(model, layer, unit, images, k, batch_size, 0.0, crop=False)


def _strongest(model, layer, unit, images, k, batch_size, fill, crop):
    for name, value in (("k", k), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(f"{name} is a whole number, 1 or more, not {value!r}")
    hooks.layer(model, layer)
    kept = field = None
    parameter = next(model.parameters(), torch.zeros(()))
    with hooks.unchanged(model), torch.no_grad():
        for first, pictures in _progress(images, batch_size):
            if kept is None:
                field = receptive_field(model, layer, tuple(pictures.shape[1:])) if crop else None
            with hooks.record(model, layer, stop=True) as acts:
                layout.run(model, pictures.to(parameter))
            maps = acts[layer]
            if kept is None:
                units = check_units(layer, unit, maps)
                kept = _Kept(units, k, field, fill)
            kept.add(first, pictures, maps.to(pictures.device)[:, list(units)])
    if kept is None:
        raise ValueError("there are no pictures: nothing to choose from")
    return kept.top(layer, single=isinstance(unit, numbers.Integral) or torch.is_tensor(unit) and unit.dim() == 0)


class _Kept:
    """The k best of each unit so far."""

    def __init__(self, units, k, field, fill):
        self.units, self.k, self.field, self.fill = units, k, field, fill
        self.values = self.indices = self.positions = self.boxes = self.patches = None

    def add(self, first, pictures, maps):
        """Merge a batch: pictures (B, C, H, W), of which the first has number ``first``, and maps (B, U, …)."""
        size = maps.shape[2:]
        best, place = maps.flatten(2).max(2) if size else (maps, torch.zeros_like(maps, dtype=torch.long))
        best, place = best.T, place.T  # (U, B); a tie goes to the first place, and below to the first picture
        if not best.isfinite().all():
            raise ValueError(f"the activations of pictures {first} … {first + len(pictures) - 1} are not all finite; look for "
                             "NaN in the pictures")
        position = torch.stack(torch.unravel_index(place, size), -1) if size else place.new_zeros(*place.shape, 0)
        index = first + torch.arange(len(pictures)).expand_as(place)
        if self.values is None:
            self.values, self.indices, self.positions = best[:, :0], index[:, :0], position[:, :0]
            self.boxes = index.new_zeros(len(self.units), 0, 4)
        values, order = torch.cat([self.values, best], 1).sort(dim=1, descending=True, stable=True)
        order = order[:, :self.k]
        self.values = values[:, :self.k]
        self.indices = torch.cat([self.indices, index], 1).gather(1, order)
        self.positions = torch.cat([self.positions, position], 1).take_along_dim(order[..., None], 1)
        self._cut(pictures, order, first)

    def _cut(self, pictures, order, first):
        """Take over the patches that stay, and cut those that are new."""
        height, width = pictures.shape[2:]
        whole = self.field is None or self.field.whole
        h, w = (height, width) if whole else self.field.size
        if self.patches is not None and self.patches.shape[2:] != (pictures.shape[1], h, w):
            raise ValueError(f"the pictures are of several sizes: {tuple(self.patches.shape[2:])} and, from picture {first} on, "
                             f"{tuple(pictures.shape[1:])}")
        old = order < self.boxes.shape[1]
        boxes, patches = self.boxes.new_zeros(*order.shape, 4), pictures.new_full((*order.shape, pictures.shape[1], h, w), self.fill)
        if old.any():
            u, r = old.nonzero().T
            patches[u, r], boxes[u, r] = self.patches[u, order[old]], self.boxes[u, order[old]]
        for u, r in (~old).nonzero().tolist():
            picture, at = pictures[self.indices[u, r] - first], self.positions[u, r].tolist()
            (y0, y1), (x0, x1) = ((0, h), (0, w)) if whole else self.field.box(*at)
            top, left, bottom, right = max(y0, 0), max(x0, 0), min(y1, height), min(x1, width)
            patches[u, r, :, top - y0:bottom - y0, left - x0:right - x0] = picture[:, top:bottom, left:right]
            boxes[u, r] = boxes.new_tensor([top, left, bottom, right])
        self.boxes, self.patches = boxes, patches

    def top(self, layer, single):
        found = self.patches, self.values, self.indices, self.positions, self.boxes
        return Top(layer, self.units, self.field, *((t[0] for t in found) if single else found))


def check_units(layer, unit, maps):
    """The units asked for as a tuple of ints; ValueError or TypeError for one that the layer's output (N, U, …) lacks."""
    if not torch.is_tensor(maps) or maps.dim() < 2:
        raise ValueError(f"layer {layer!r} gives no units: its output is {tuple(getattr(maps, 'shape', ()))}, needed is (N, units, …)")
    if unit is None:
        return tuple(range(maps.shape[1]))
    unit = unit.tolist() if torch.is_tensor(unit) else unit
    units = tuple(unit) if hasattr(unit, "__iter__") else (unit,)
    if not units:
        raise ValueError("no unit was asked for")
    for u in units:
        if isinstance(u, bool) or not isinstance(u, numbers.Integral):
            raise TypeError(f"a unit is a whole number, not {u!r}")
        if not 0 <= u < maps.shape[1]:
            raise ValueError(f"layer {layer!r} has {maps.shape[1]} units, 0 … {maps.shape[1] - 1}; there is no unit {u}")
    return tuple(map(int, units))


def _progress(images, batch_size):
    """(number of the first, pictures (B, C, H, W)) batch by batch, with a bar where it takes longer than two seconds."""
    from tqdm.auto import tqdm

    count = None
    if getattr(images, "images", None) is not None:  # a Dataset of ours
        images = images.images
    if torch.is_tensor(images):
        if images.dim() != 4:
            raise ValueError(f"images are (N, C, H, W), not {tuple(images.shape)}")
        count, images = len(images), images.split(batch_size) if len(images) else ()
    first = 0
    single = count is not None and count <= batch_size  # no bar for one batch: it would come and go at once
    with tqdm(total=count, desc="top patches", unit="picture", delay=2, leave=False, disable=single) as bar:
        for pictures in _batches(images, batch_size):
            if not pictures.is_floating_point():
                raise TypeError(f"pictures are {pictures.dtype}; a network takes floating point: x / 255")
            yield first, pictures
            first += len(pictures)
            bar.update(len(pictures))


def _batches(items, batch_size):
    """Batches as they come; single pictures are gathered into batches."""
    single = []
    for item in items if hasattr(items, "__iter__") else (items[i] for i in range(len(items))):
        picture = item[0] if isinstance(item, tuple | list) else item
        if not torch.is_tensor(picture) or picture.dim() not in (3, 4):
            raise TypeError("images is a tensor (N, C, H, W), a Dataset, or an iterable of tensors (N, C, H, W) or (C, H, W), "
                            f"alone or with labels; it gave {type(picture).__name__} {tuple(getattr(picture, 'shape', ()))}")
        if picture.dim() == 4:
            yield picture.detach()
            continue
        single.append(picture.detach())
        if len(single) == batch_size:
            yield torch.stack(single)
            single = []
    if single:
        yield torch.stack(single)
