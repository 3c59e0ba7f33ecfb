"""Occlusion: hide a part of the input and see what it does to the score."""

import itertools
import math

import torch

from .call import explaining
from .checks import check_baseline, check_steps


def occlusion(model, x, target=None, window=None, stride=None, value=0.0):
    """F(x) − F(x with a window hidden), the mean over the windows that cover an input value.  (N, …) → (N, …)

    x: (N, C, H, W): windows of ``window`` × ``window`` pixels (or a pair), all channels hidden together; (N,
    C, L): windows along L; (N, D): windows of features.  ``stride``: from one window to the next, at most the
    window; the last one is moved back to end at the border, so that every window is complete and everything
    is covered.  Default: a seventh of each side (one feature), with half a window's stride.  ``value``: what
    is put in the window, a number or a tensor of x's or one image's shape. The value in each channel is
    divided by C, so that the channels sum to the pixel's drop in score.
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
        drops = score.per_image(
            lambda images, rows: _drops(score, images, rows, corners, window, value[rows])
        )
        return _spread(drops, corners, window, score.x)


def _drops(score, images, rows, corners, window, value):
    """F(x) − F(x with each window hidden) for some of the images: (n, windows)."""
    n = len(images)
    scores = torch.empty((1 + len(corners)) * n, device=images.device, dtype=images.dtype)
    for pairs in score.chunks(len(scores)):
        pair = torch.arange(pairs.start, pairs.stop, device=images.device)
        which, at = pair // n - 1, pair % n  # −1: nothing hidden
        scores[pairs] = score(_hide(images[at], which.tolist(), corners, window, value[at]), at + rows.start)
    scores = scores.view(1 + len(corners), n)
    return (scores[0] - scores[1:]).T


def _hide(points, which, corners, window, value):
    for point, replacement, k in zip(points, value, which, strict=True):
        if k >= 0:
            box = (..., *_box(corners[k], window))
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
