"""Figures of lecture 02: unsigned maps in grey, and maps of classes."""
import numpy as np

from .base import COLORS, _frame, array, styled, subplots


@styled
def levels(values, ax=None, title=None, low=0.0, high=None, label=""):
    """Draw an unsigned map (H, W) in grey, ``low`` black and ``high`` (by default the largest value) white; returns the Axes."""
    ax = ax or subplots()[1]
    values = array(values)
    shown = ax.imshow(values, cmap="gray", vmin=low, vmax=float(values.max()) if high is None else high)
    bar = ax.figure.colorbar(shown, ax=ax, fraction=0.046, pad=0.03)
    bar.outline.set_visible(False)
    bar.set_label(label)
    _frame(ax, title)
    return ax


@styled
def classes(labels, names, ax=None, title=None):
    """Draw a map of class numbers (H, W), a colour for each class and a legend of those that occur; returns the Axes."""
    ax = ax or subplots()[1]
    labels = np.asarray(labels)
    colours = np.array([[int(c[k:k + 2], 16) for k in (1, 3, 5)] for c in COLORS], np.uint8)
    ax.imshow(colours[labels % len(COLORS)])
    for c in np.unique(labels):
        ax.plot([], [], "s", color=COLORS[c % len(COLORS)], label=names[c])
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, columnspacing=0.8, handletextpad=0.1)
    _frame(ax, title)
    return ax
