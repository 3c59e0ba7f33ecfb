"""Figures of spectra and how they come to be: a table of numbers as a field, and lines with their intervals."""
import numpy as np

from .base import COLORS, DASHES, array, styled, subplots


@styled
def field(values, x, y, ax=None, xlabel="", ylabel="", title=None, label="", limits=(0.0, 1.0), colorbar=True):
    """Draw unsigned numbers (len(y), len(x)) as a field, dark for the low limit and bright for the high; returns the Axes.

    x: where the columns were measured (increasing, at any distances); y: the rows' names, row 0 at the bottom.
    """
    values, x = array(values), array(x)
    if values.shape != (len(y), len(x)):
        raise ValueError(f"{len(y)} rows and {len(x)} columns are named, the values are {values.shape}")
    ax = ax or subplots(size=(5.6, 3.2))[1]
    edges = np.concatenate([x[:1], (x[1:] + x[:-1]) / 2, x[-1:]])
    shown = ax.pcolormesh(edges, np.arange(len(y) + 1) - 0.5, values, cmap="cividis", vmin=limits[0], vmax=limits[1],
                          rasterized=True)
    ax.set(xlabel=xlabel, ylabel=ylabel, yticks=range(len(y)), yticklabels=[str(v) for v in y])
    if colorbar:
        extend = "max" if np.nanmax(values) > limits[1] else "neither"
        bar = ax.figure.colorbar(shown, ax=ax, pad=0.02, extend=extend)
        bar.outline.set_visible(False)
        bar.set_label(label)
    if title:
        ax.set_title(title)
    return ax


@styled
def bands(lines, ax=None, xlabel="", ylabel="", title=None, log="", legend=True, among=None):
    """Draw named lines with their intervals as shades: {name: (x, middle, low, high)}; ``log`` as in ``curves``.

    ``among``: all names, of which these lines are some; a name then has one colour and dash in several figures.
    """
    ax = ax or subplots(size=(5.6, 3.4))[1]
    for i, (name, line) in enumerate(dict(lines).items()):
        x, middle, low, high = map(array, line)
        i = i if among is None else list(among).index(name)
        color = COLORS[i % len(COLORS)]
        ax.fill_between(x, low, high, color=color, alpha=0.18, lw=0)
        ax.plot(x, middle, label=name, color=color, ls=DASHES[i % len(DASHES)])
    ax.set(xlabel=xlabel, ylabel=ylabel, xscale="log" if "x" in log else "linear",
           yscale="log" if "y" in log else "linear")
    ax.grid(True, axis="y")
    if title:
        ax.set_title(title)
    if legend and len(lines) > 1:
        ax.legend()
    return ax
