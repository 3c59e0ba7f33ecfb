"""Every figure the course draws, in one style: what all lectures use is in ``base``, what one topic needs in a file
of its own, and all of it is reached as ``plot.name``.
"""
from .base import (AGAINST, COLORS, DASHES, FOR, INK, MUTED, RULE, SIGNED, STYLE, Html, array, bars, curves, describe,
                   flat, grid, heatmap, image, jpeg, limit_of, overlay, pixels, signed_rgb, styled, subplots, words)
from .judging import intervals, outlined, sheet, tile
from .probe import classes, levels
from .relevance import budget
from .spectra import bands, field

__all__ = ["AGAINST", "COLORS", "DASHES", "FOR", "INK", "MUTED", "RULE", "SIGNED", "STYLE", "Html", "array", "bars",
           "curves", "describe", "flat", "grid", "heatmap", "image", "jpeg", "limit_of", "overlay", "pixels",
           "signed_rgb", "styled", "subplots", "words",
           "intervals", "outlined", "sheet", "tile", "budget", "bands", "field",
           "classes", "levels"]
