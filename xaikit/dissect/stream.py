"""Batches of what a network sees, what a layer answers, and where each concept is: read once, kept nowhere."""
import itertools

import torch
import torch.nn.functional as F

from .. import hooks, layout


class Source:
    """Inputs with the masks of their concepts, that can be gone through once or more.

    images: a Dataset (whose masks and mask_names are taken where none are given), a tensor (N, …) of pictures or of a
    generator's codes, or an iterable of batches or single pictures, alone or in pairs with their masks · masks: a bool
    tensor (N, C, H, W), an iterable that runs beside the images, or a function of the network's output that returns
    them: what a segmenter sees in a generated picture · classes: C names.

    ValueError: numbers, sizes or classes that do not fit.  TypeError: masks that are not bool.
    """

    def __init__(self, images, masks=None, classes=None, batch_size=32):
        if masks is None and getattr(images, "masks", None) is not None:
            masks = images.masks
            classes = classes or images.mask_names
        images = getattr(images, "images", images)
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"a batch holds one item or more, not {batch_size!r}")
        if classes is None:
            raise ValueError("classes are missing: a name for each of the masks' concepts")
        if torch.is_tensor(images) and masks is None:
            raise ValueError("masks are missing: where each concept is, (N, concepts, H, W)")
        if torch.is_tensor(images) and torch.is_tensor(masks) and len(images) != len(masks):
            raise ValueError(f"{len(masks)} masks for {len(images)} images")
        if len(set(classes)) != len(classes) or not len(classes):
            raise ValueError(f"classes are names, one or more and each once, not {list(classes)!r:.80}")
        self.images, self.masks, self.classes, self.batch_size = images, masks, list(classes), batch_size
        self.see = masks if callable(masks) else None

    @property
    def once(self):
        """Is this a stream that can only be read once?"""
        return any(hasattr(s, "__next__") for s in (self.images, self.masks))

    def batches(self, masked=True):
        """(inputs, masks) batch by batch; masks are None where a function sees them, or ``masked`` is False."""
        if torch.is_tensor(self.images):
            found = zip(self.images.split(self.batch_size), self._mask_batches(len(self.images)), strict=True)
        elif self.see is not None or (self.masks is None and not masked):
            found = ((x[0] if isinstance(x, tuple | list) else x, None) for x in self.images)
        elif self.masks is None:
            found = self.images
        else:
            found = itertools.zip_longest(self.images, self.masks)
        single = []
        for pair in found:
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise ValueError("masks are missing: images gives no pairs of a picture and its masks")
            if pair[0] is None or (pair[1] is None and self.see is None and masked):
                raise ValueError(f"the stream of {'images' if pair[0] is None else 'masks'} ends before the other one")
            inputs, masks = pair
            if inputs.ndim in (1, 3):  # a single code or picture
                single.append((inputs, masks))
                if len(single) == self.batch_size:
                    yield _stack(single)
                    single = []
            else:
                yield inputs, masks
        if single:
            yield _stack(single)

    def _mask_batches(self, n):
        if torch.is_tensor(self.masks):
            return self.masks.split(self.batch_size)
        return [None] * len(range(0, n, self.batch_size)) if self.see is not None else self.masks

    def answers(self, model, layer, masked=True, basis=None):
        """(activations (B, U, h, w), masks (B, C, H, W) bool or None) batch by batch; the network stays as it is.

        ``basis`` (U, U): its rows are directions, whose activations stand in for the units'.
        """
        hooks.layer(model, layer)
        parameter = next(model.parameters(), torch.empty(0))
        for inputs, masks in self.batches(masked):
            see = self.see if masked else None
            with hooks.unchanged(model), torch.no_grad(), hooks.record(model, layer, stop=see is None) as seen:
                output = layout.run(model, inputs.to(parameter))
            maps = seen[layer]
            if maps.ndim == 2:
                maps = maps[:, :, None, None]
            if maps.ndim != 4:
                raise ValueError(f"layer {layer!r} has no maps (N, units, h, w): its output is {tuple(maps.shape)}")
            if basis is not None:
                if basis.shape != (maps.shape[1], maps.shape[1]):
                    raise ValueError(f"the basis is ({maps.shape[1]}, {maps.shape[1]}) for the units of {layer!r}, "
                                     f"not {tuple(basis.shape)}")
                maps = torch.einsum("uv,bvhw->buhw", basis.to(maps), maps)
            if masked:
                pictures = inputs if see is None else output
                masks = self._checked(see(output) if see is not None else masks, pictures)
            yield maps, masks if masked else None

    def _checked(self, masks, pictures):
        if not torch.is_tensor(masks) or masks.dtype != torch.bool:
            raise TypeError(f"masks are a bool tensor, not {getattr(masks, 'dtype', type(masks).__name__)}")
        if masks.ndim != 4 or masks.shape[1] != len(self.classes):
            raise ValueError(f"masks are (N, {len(self.classes)}, H, W) for {len(self.classes)} classes, "
                             f"not {tuple(masks.shape)}")
        if len(masks) != len(pictures):
            raise ValueError(f"{len(masks)} masks for {len(pictures)} images")
        if pictures.ndim == 4 and masks.shape[2:] != pictures.shape[2:]:
            raise ValueError(f"the masks are {tuple(masks.shape[2:])}, the images {tuple(pictures.shape[2:])}")
        return masks


def _stack(pairs):
    inputs, masks = zip(*pairs, strict=True)
    return torch.stack(inputs), None if masks[0] is None else torch.stack(masks)


class Strangers:
    """For every picture the masks of another one, drawn among its batch and as many from before.

    Concepts keep their usual size and place but have nothing to do with the picture: what a unit's overlap with
    them comes to without any meaning.
    """

    def __init__(self, seed):
        self.generator, self.pool = torch.Generator().manual_seed(seed), None

    def __call__(self, masks):
        """(B, C, H, W) → the same shape, or None for the first picture of a stream of single ones."""
        n = len(masks)
        old = 0 if self.pool is None else len(self.pool)
        pool = masks if self.pool is None else torch.cat([masks, self.pool])
        self.pool = pool[torch.randperm(len(pool), generator=self.generator)[:max(n, old)].to(pool.device)]
        if len(pool) < 2:
            return None
        step = torch.randint(1, len(pool), (n,), generator=self.generator)  # never itself
        return pool[((torch.arange(n) + step) % len(pool)).to(pool.device)]


def seen_by(segmenter, classes, batch_size=100):
    """A function pictures (N, 3, H, W) → bool masks (N, C, H, W) of what ``segmenter`` takes each pixel for.

    ``segmenter`` gives scores (N, C, H, W); ``classes`` are C names, or how many there are.
    """
    count = classes if isinstance(classes, int) else len(classes)

    def see(pictures):
        with torch.no_grad():
            found = torch.cat([segmenter(x).argmax(1) for x in pictures.split(batch_size)])
        return F.one_hot(found, count).movedim(3, 1).bool()

    return see
