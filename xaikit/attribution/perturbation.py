"""Occlusion: hide a part of the input and see what it does to the score."""

import contextlib
import itertools
import math
from typing import NamedTuple

import torch

from .. import hooks
from .call import explaining
from .checks import check_baseline, check_steps
from .reach import best_cuts, crops, image_field, overlap

_VALUES = 2**14  # in smaller images looking for what a window can reach takes longer than it saves


def occlusion(model, x, target=None, window=None, stride=None, value=0.0):
    """F(x) − F(x with a window hidden), the mean over the windows that cover an input value.  (N, …) → (N, …)

    x: (N, C, H, W): windows of ``window`` × ``window`` pixels (or a pair), all channels hidden together; (N,
    C, L): windows along L; (N, D): windows of features.  ``stride``: from one window to the next, at most the
    window; the last one is moved back to end at the border, so that every window is complete and everything
    is covered.  Default: a seventh of each side (one feature), with half a window's stride.  ``value``: what
    is put in the window, a number or a tensor of x's or one image's shape. The value in each channel is
    divided by C, so that the channels sum to the pixel's drop in score.
    Of large images only what a window can reach is computed again, up to the layer where that pays (``reach``): the
    result is the same.
    Source: Zeiler, Fergus 2014,
    "Visualizing and Understanding Convolutional Networks", section 4.2.
    Raises as ``call.explaining``;
    ValueError or TypeError for the options.
    """
    with explaining(model, x, target, many=True) as score, torch.no_grad():
        sides = score.x.shape[2:] if x.dim() > 2 else score.x.shape[1:]
        if window is None:
            window = 1 if x.dim() == 2 else tuple(max(1, math.ceil(side / 7)) for side in sides)
        window = _per_side(window, sides, "window")
        stride = _per_side(tuple((w + 1) // 2 for w in window) if stride is None else stride, sides, "stride")
        for side, w, s in zip(sides, window, stride, strict=True):
            if w > side:
                raise ValueError(f"a window of {w} does not fit a side of {side}")
            if s > w:
                raise ValueError(f"a stride of {s} leaves gaps between windows of {w}")
        value = check_baseline(value, score.x, "value")
        score.predicted()
        starts = [_starts(*three) for three in zip(sides, window, stride, strict=True)]
        corners = list(itertools.product(*starts))
        cuts = []
        if x.dim() > 2 and score.x[0].numel() >= _VALUES and score.kernels:
            cuts = best_cuts(score.model, score.x[:1], window, len(corners))
        drops = score.per_image(
            lambda images, rows: _drops(score, images, rows, corners, window, value[rows], cuts)
        )
        return _spread(drops, corners, window, score.x)


def _drops(score, images, rows, corners, window, value, cuts):
    """F(x) − F(x with each window hidden) for some of the images: (n, windows)."""
    n = len(images)
    scores = torch.empty((1 + len(corners)) * n, device=images.device, dtype=images.dtype)
    steps = list(_steps(score.model, images, corners, window, cuts)) if cuts else []
    places = [None, *corners]  # None: nothing hidden
    for pairs in score.chunks(len(scores)):
        pair = torch.arange(pairs.start, pairs.stop, device=images.device)
        which, at = (pair // n).tolist(), pair % n
        points = _hide(images[at], [places[k] for k in which], window, value[at])
        try:
            with _cropped(score, points, which, at.tolist(), steps) if cuts else contextlib.nullcontext(points) as shown:
                scores[pairs] = score(shown, at + rows.start)
        except _Inexact:
            return _drops(score, images, rows, corners, window, value, [])
    scores = scores.view(1 + len(corners), n)
    return (scores[0] - scores[1:]).T


class _Step(NamedTuple):
    """The way to one cut.  ``whole`` (n, K, …): the unhidden images' layer; ``boxes``: what ``crops`` gives for nothing
    hidden, that is a window which the last cut's middle unit sees, and for each corner."""

    layer: str
    whole: torch.Tensor
    boxes: list


def _steps(model, images, corners, window, cuts):
    """The :class:`_Step` to each cut, from the image or the cut before."""
    with hooks.record(model, *(cut.layer for cut in cuts), stop=True) as acts:
        model(images.clone())
    field, sides, last = image_field(len(window)), images.shape[2:], cuts[-1]
    middle = tuple(min(max(0, last.field.start[k] + acts[last.layer].shape[2 + k] // 2 * last.field.stride[k]), side - window[k])
                   for k, side in enumerate(sides))
    for cut in cuts:
        places = acts[cut.layer].shape[2:]
        yield _Step(cut.layer, acts[cut.layer], crops(field, cut.field, [middle, *corners], window, sides, places))
        field, sides = cut.field, places


@contextlib.contextmanager
def _cropped(score, points, places, rows, steps):
    """What to send in for ``points`` (M, C, …) while the block runs: crops around what is hidden.

    What they give of each layer takes its place in that of the unhidden images, of which the next crop is taken.
    ``places``, ``rows``: of each point, which of the step's boxes, and which image.
    """

    def paste(step, following):
        def put(part):
            out = []
            for piece, row, place in zip(part, rows, places, strict=True):
                _, units, inside = step.boxes[place]
                before, now = step.whole[(row, ..., *units)], piece[(..., *inside)]
                # nothing hidden, nothing changed: but a network may compute with the image's size
                if place == 0 and not torch.allclose(before, now, rtol=1e-3, atol=1e-4 * before.abs().max().item()):
                    raise _Inexact
                crop = following.boxes[place][0] if following else [slice(0, n) for n in step.whole.shape[2:]]
                new = step.whole[(row, ..., *crop)].clone()
                to, of = overlap(crop, units, inside)
                new[(..., *to)] = piece[(..., *of)]
                out.append(new)
            return torch.stack(out)

        return put

    pastes = {step.layer: paste(step, following) for step, following in zip(steps, [*steps[1:], None], strict=True)}
    with hooks.edit(score.model, pastes):
        yield torch.stack([point[(..., *steps[0].boxes[place][0])] for point, place in zip(points, places, strict=True)])


class _Inexact(Exception):
    """A crop does not give the layer's values that the whole image gives."""


def _hide(points, places, window, value):
    for point, replacement, place in zip(points, value, places, strict=True):
        if place is not None:
            box = (..., *_box(place, window))
            point[box] = replacement[box]
    return points


def _spread(drops, corners, window, x):
    """Every position gets the mean of its windows' drops; each channel a C-th.  (N, windows) → like x"""
    channels = x.shape[1] if x.dim() > 2 else 1
    total = torch.zeros(
        len(x),
        *x.shape[-len(window) :],
        dtype=torch.promote_types(x.dtype, torch.float32),
        device=x.device,
    )
    covered = torch.zeros_like(total[0])
    for k, corner in enumerate(corners):
        box = (..., *_box(corner, window))
        total[box] += drops[:, k].view(-1, *[1] * len(window))
        covered[box] += 1
    mean = (total / covered / channels).to(x.dtype)
    return mean if x.dim() == 2 else mean[:, None].expand_as(x).contiguous()


def _starts(side, window, stride):
    """Where windows begin along one side; the last one ends at the border."""
    starts = list(range(0, side - window + 1, stride))
    return starts if starts[-1] == side - window else [*starts, side - window]


def _box(corner, window):
    return tuple(slice(c, c + w) for c, w in zip(corner, window, strict=True))


def _per_side(size, sides, name):
    """A size for each side, from one number or one for each."""
    sizes = tuple(size) if isinstance(size, tuple | list) else (size,) * len(sides)
    if len(sizes) != len(sides):
        raise ValueError(f"{name} must be one number or {len(sides)} of them, not {size!r}")
    return tuple(check_steps(s, name) for s in sizes)
