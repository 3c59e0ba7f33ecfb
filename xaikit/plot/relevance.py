"""Where relevance goes: a bar for each way of sharing it, that adds up to the score."""
import numpy as np

from .base import AGAINST, COLORS, FOR, INK, MUTED, styled, subplots

_SHADES = {"input": FOR, "bias": COLORS[4], "stabiliser": COLORS[0]}


@styled
def budget(table, ax=None, title=None, xlabel="relevance (share of the score)"):
    """Stacked bars of what reaches the input and what biases and stabilisers keep; a black mark where they
    add up.

    ``table``: a DataFrame with the columns ``logit``, ``input``, ``bias`` and ``stabiliser``, a bar for each
    row, named by its index; each row is divided by its logit.  What is positive stands right of zero, what is
    negative left.
    """
    ax = ax or subplots(size=(7.0, 0.9 + 0.36 * len(table)))[1]
    parts = table[list(_SHADES)].to_numpy(float) / table[["logit"]].to_numpy(float)
    for row, values in enumerate(parts):
        ends = {1: 0.0, -1: 0.0}
        for value, shade in zip(values, _SHADES.values(), strict=True):
            side = 1 if value >= 0 else -1
            ax.barh(
                row,
                value,
                left=ends[side],
                height=0.66,
                color=AGAINST if shade == FOR and value < 0 else shade,
            )
            ends[side] += value
        total = values.sum()
        ax.plot([total, total], [row - 0.42, row + 0.42], color=INK, lw=2)
    for name, shade in _SHADES.items():
        ax.barh([0], [np.nan], color=shade, label={"input": "reaches the input", "bias": "kept by biases",
                                                   "stabiliser": "kept by stabilisers"}[name])
    ax.axvline(0, color=MUTED, lw=0.8)
    ax.set(yticks=range(len(table)), yticklabels=[str(i) for i in table.index], xlabel=xlabel,
           ylim=(len(table) - 0.5, -0.5))
    ax.tick_params(axis="y", length=0)
    ax.figure.legend(
        *ax.get_legend_handles_labels(), loc="outside lower center", ncols=3
    ) if not ax.figure.legends else None
    if title:
        ax.set_title(title)
    return ax
