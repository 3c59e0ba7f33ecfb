"""Lecture 00, one exercise small enough to try out what a check does."""

import numpy as np

from . import judging, observe
from .core import Case, Exercise, Verdict


def total_credit(heatmap):
    """The sum of all credits.  heatmap: (H, W) → one number"""
    return heatmap.sum()


def cases(seed):
    """Heatmaps of several shapes, for and against mixed; one that speaks only against."""
    rng = np.random.default_rng([0, 1, seed])
    maps = [
        (rng.normal(0.1, 1.0, size=shape), f"a heatmap of {shape[0]} × {shape[1]} pixels")
        for shape in ((28, 28), (3, 5), (1, 6))
    ]
    maps.append((-rng.uniform(0.1, 1.0, size=(4, 4)), "a heatmap that is blue all over"))
    return [Case({"heatmap": heatmap}, note=note) for heatmap, note in maps]


def watch(answer, case):
    """What the answer makes of the case's heatmap."""
    return observe.call(answer, observe.tensor(case["heatmap"]))


def judge(case, observed):
    """Right if the one number that came back is the sum; a mistake that gives just this number is named."""
    heatmap = case["heatmap"]
    unusable = judging.unusable(observed)
    if unusable:
        return unusable
    value = observed["value"]
    if value.size == 1:
        value = value.reshape(())
    elif value.shape in ((heatmap.shape[0],), (heatmap.shape[1],)):
        return Verdict(
            0.0,
            "A row of numbers came back, not one.",
            "You summed over one axis only: sum over rows and columns, heatmap.sum().",
            "one number",
            f"{value.size} numbers",
        )
    value, wrong = judging.read({**observed, "value": value}, ())
    if wrong:
        return wrong
    mistakes = (
        ("That is the mean: do not divide by the number of pixels.", heatmap.mean()),
        ("Signs matter: keep the minus of the blue pixels, take no absolute values.", np.abs(heatmap).sum()),
        ("Only the red pixels were counted: the blue ones belong to the sum.", np.maximum(heatmap, 0).sum()),
        ("Only the blue pixels were counted: the red ones belong to the sum.", np.minimum(heatmap, 0).sum()),
        ("The sign is turned round: red is positive, blue is negative.", -heatmap.sum()),
        ("That is the largest credit: all pixels are to be added up.", heatmap.max()),
        ("That is the number of pixels: add up what is in them.", np.float64(heatmap.size)),
    )
    verdict = judging.decide(value, heatmap.sum(), [(hint, np.asarray(number)) for hint, number in mistakes])
    return judging.changed(observed, verdict, ("heatmap",))


EXERCISES = (
    Exercise(
        id="0.1",
        lecture="00",
        title="A heatmap in one number",
        task="Write `total_credit(heatmap)`: the sum of all credits of a heatmap (H, W), as one number.",
        points=1,
        minutes=2,
        difficulty=1,
        library=total_credit,
        cases=cases,
        observe=watch,
        judge=judge,
        hints=(
            "A heatmap is a tensor of shape (H, W). Every tensor can add up its own entries.",
            "One line: return heatmap.sum()",
        ),
        insight="Red and blue, added up. Lecture 04 shows for which methods this number is no accident.",
    ),
)
