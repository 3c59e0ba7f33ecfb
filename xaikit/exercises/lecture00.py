"""Lecture 00, one exercise small enough to try out what a check does."""

import numpy as np

from .formula import formula


def total_credit(heatmap):
    """The sum of all credits.  heatmap: (H, W) → one number"""
    return heatmap.sum()


def _cases(rng):
    """Heatmaps of several shapes, for and against mixed; one that speaks only against."""
    maps = [{"heatmap": rng.normal(0.1, 1.0, size=shape), "note": f"a heatmap of {shape[0]} × {shape[1]} pixels"}
            for shape in ((28, 28), (3, 5), (1, 6))]
    return [*maps, {"heatmap": -rng.uniform(0.1, 1.0, size=(4, 4)), "note": "a heatmap that is blue all over"}]


_ONE_AXIS = "You summed over one axis only: sum over rows and columns, heatmap.sum()."

EXERCISES = [formula(
    id="0.1", title="A heatmap in one number", points=1, minutes=2, difficulty=1,
    task="Write `total_credit(heatmap)`: the sum of all credits of a heatmap (H, W), as one number.",
    library=total_credit, cases=_cases, truth=lambda heatmap: heatmap.sum(),
    mistakes=[
        ("That is the mean: do not divide by the number of pixels.", lambda heatmap: heatmap.mean()),
        ("Signs matter: keep the minus of the blue pixels, take no absolute values.",
         lambda heatmap: np.abs(heatmap).sum()),
        ("Only the red pixels were counted: the blue ones belong to the sum.",
         lambda heatmap: np.maximum(heatmap, 0).sum()),
        ("Only the blue pixels were counted: the red ones belong to the sum.",
         lambda heatmap: np.minimum(heatmap, 0).sum()),
        ("The sign is turned round: red is positive, blue is negative.", lambda heatmap: -heatmap.sum()),
        ("That is the largest credit: all pixels are to be added up.", lambda heatmap: heatmap.max()),
        ("That is the number of pixels: add up what is in them.", lambda heatmap: np.float64(heatmap.size)),
        (_ONE_AXIS, lambda heatmap: heatmap.sum(0)), (_ONE_AXIS, lambda heatmap: heatmap.sum(1)),
    ],
    hints=("A heatmap is a tensor of shape (H, W). Every tensor can add up its own entries.",
           "One line: return heatmap.sum()"),
    insight="Red and blue, added up. Lecture 04 shows for which methods this number is no accident.")]
