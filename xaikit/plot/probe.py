"""Figures of lecture 02: unsigned maps in grey, and maps of classes."""
import numpy as np

from .base import COLORS, FOR, _frame, array, styled, subplots


@styled
def levels(values, ax=None, title=None, low=0.0, high=None, label="", at=None, over=None):
    """Draw an unsigned map (H, W) in grey, ``low`` black and ``high`` (by default the largest value) white; returns the Axes.

    at, over: see :func:`classes`.
    """
    ax = ax or subplots()[1]
    values = array(values)
    shown = ax.imshow(values, cmap="gray", vmin=low, vmax=float(values.max()) if high is None else high, extent=_extent(at))
    _outline(ax, over)
    bar = ax.figure.colorbar(shown, ax=ax, fraction=0.046, pad=0.03)
    bar.outline.set_visible(False)
    bar.set_label(label)
    _frame(ax, title)
    return ax


def _extent(at):
    """(left, right, bottom, top) in pixels of a map whose cells stand at the middles of the squares ``at``."""
    if at is None:
        return None
    tops, lefts, size = at
    sides = []
    for start in (array(lefts), array(tops)):
        stride = np.diff(start)
        if len(stride) == 0 or (stride != stride[0]).any():
            raise ValueError(f"the squares' corners are not evenly spaced: {start.tolist()}")
        first, last = (start[[0, -1]] + (size - 1) / 2).tolist()
        sides.append((first - stride[0] / 2, last + stride[0] / 2))
    return (*sides[0], *sides[1][::-1])


def _outline(ax, mask):
    if mask is not None:
        mask = array(mask).astype(float)
        ax.contour(mask, [0.5], colors=FOR, linewidths=0.9)
        ax.set(xlim=(-0.5, mask.shape[1] - 0.5), ylim=(mask.shape[0] - 0.5, -0.5))


@styled
def classes(labels, names, ax=None, title=None, at=None, over=None):
    """Draw a map of class numbers (H, W), a colour for each class and a legend of those that occur; returns the Axes.

    at: (tops, lefts, size) of the squares that the cells belong to, evenly spaced; each cell then stands at the middle of its
    square, in pixels of the picture · over: a mask (H, W) of that picture, whose outline is drawn over the map.
    """
    ax = ax or subplots()[1]
    labels = np.asarray(labels)
    colours = np.array([[int(c[k:k + 2], 16) for k in (1, 3, 5)] for c in COLORS], np.uint8)
    ax.imshow(colours[labels % len(COLORS)], extent=_extent(at))
    _outline(ax, over)
    for c in np.unique(labels):
        ax.plot([], [], "s", color=COLORS[c % len(COLORS)], label=names[c])
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, columnspacing=0.8, handletextpad=0.1)
    _frame(ax, title)
    return ax
