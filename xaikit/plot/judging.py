"""Figures for comparing many maps: a sheet of small pictures, and means with their intervals."""

import numpy as np

from .base import COLORS, MUTED, RULE, array, signed_rgb, styled, subplots
from .base import pixels as as_pixels


def tile(picture, signed=False, limit=None):
    """One small picture as (H, W, 3) uint8: a signed map in its colours, or an image."""
    return signed_rgb(picture, limit) if signed else (as_pixels(picture) * 255).round().astype(np.uint8)


@styled
def sheet(rows, columns=(), labels=(), ax=None, title=None, size=0.42, gap=2, framed=()):
    """Draw rows of equally large small pictures ((H, W, 3) uint8; None leaves a hole) as one sheet; returns
    the Axes.

    ``columns``: a name above each column, ``labels``: one left of each row; ``framed``: (row, column) pairs
    to be framed.  One picture for hundreds of maps: as many Axes would take a minute.
    """
    rows = [list(row) for row in rows]
    first = next(p for row in rows for p in row if p is not None)
    h, w = first.shape[0] + gap, first.shape[1] + gap
    wide = max(map(len, rows))
    canvas = np.full((len(rows) * h + gap, wide * w + gap, 3), 255, np.uint8)
    for r, row in enumerate(rows):
        for c, picture in enumerate(row):
            if picture is not None:
                canvas[gap + r * h : (r + 1) * h, gap + c * w : (c + 1) * w] = picture
    ax = (
        ax
        or subplots(
            size=(size * wide + 0.6 * bool(labels), size * len(rows) * h / w + 0.4 * bool(title) + 0.25)
        )[1]
    )
    ax.imshow(canvas, aspect="equal")
    ax.set_xticks([gap / 2 + (c + 0.5) * w for c in range(len(columns))], columns)
    ax.set_yticks([gap / 2 + (r + 0.5) * h for r in range(len(labels))], labels)
    ax.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False, labelsize=8)
    for r, c in framed:
        ax.plot(
            np.array([0, 1, 1, 0, 0]) * w + c * w + gap / 2 - 0.5,
            np.array([0, 0, 1, 1, 0]) * h + r * h + gap / 2 - 0.5,
            color=COLORS[2],
            lw=1.4,
        )
    for spine in ax.spines.values():
        spine.set_visible(False)
    if title:
        ax.set_title(title)
    return ax


@styled
def intervals(means, low, high, names, ax=None, xlabel="", title=None, muted=(), chance=None):
    """Draw means as dots and their intervals as lines, one row per name, in the order given; returns the
    Axes.

    ``muted``: names (the controls) in grey; ``chance``: where a dashed line stands.
    """
    ax = ax or subplots(size=(4.6, 0.6 + 0.24 * len(names)))[1]
    for y, (name, m, a, b) in enumerate(zip(names, array(means), array(low), array(high), strict=True)):
        color = MUTED if name in muted else COLORS[0]
        ax.plot([a, b], [y, y], color=color, lw=2, solid_capstyle="butt", alpha=0.55)
        ax.plot(m, y, "s" if name in muted else "o", color=color, ms=5)
    if chance is not None:
        ax.axvline(chance, color=MUTED, lw=0.9, ls="--")
    ax.set(yticks=range(len(names)), yticklabels=list(names), xlabel=xlabel)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(True, axis="x", color=RULE)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    if title:
        ax.set_title(title)
    return ax


def outlined(rgb, mask, scale=1, color=(255, 196, 0)):
    """A picture (H, W, 3) uint8 enlarged ``scale`` times, the border of ``mask`` (H, W) bool drawn over it
    one fine pixel wide."""
    big, inside = (np.repeat(np.repeat(np.asarray(v), scale, 0), scale, 1) for v in (rgb, mask))
    padded = np.pad(inside, 1)
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    big = big.copy()
    big[inside & ~core] = color
    return big
