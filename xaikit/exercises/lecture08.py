"""Lecture 08's exercise 8.1: maps against masks.

Source: Bau, Zhou et al. 2017, *Network Dissection* (IoU), section 2.
"""

from functools import partial

import numpy as np

from .formula import formula


def iou(maps, masks, threshold):
    """|maps > t ∩ masks| / |maps > t ∪ masks| over all images together, 0 where the union is empty.  (N, H, W) twice → number"""
    seen, there = maps > threshold, masks.bool()
    return (seen & there).sum() / (seen | there).sum().clamp(min=1)


# ---- 8.1


def _iou_cases(rng):
    made = []
    for n, h, w, note in (
        (3, 6, 6, "three pictures"),
        (1, 5, 8, "one picture, not square"),
        (4, 29, 37, "a picture without the concept"),
    ):
        maps, masks = (
            rng.normal(size=(n, h, w)).round(1),
            rng.random((n, h, w)) < np.linspace(0.05, 0.7, n)[:, None, None],
        )
        if n == 4:
            masks[1], maps[1, 0] = False, 3.0
        threshold = {3: 0.5, 1: 1.3, 4: -0.4}[n]
        maps.flat[:3] = threshold  # just at the threshold
        masks.flat[:3] = (True, False, True)
        made.append({"maps": maps, "masks": masks, "threshold": threshold, "note": note})
    made.append(
        {
            "maps": rng.normal(size=(2, 3, 3)) - 9,
            "masks": np.zeros((2, 3, 3), bool),
            "threshold": 0.0,
            "note": "a concept that never occurs and a unit that never fires",
        }
    )
    one = {"maps": np.ones((1, 1, 1)), "masks": np.ones((1, 1, 1), bool)}
    made.append({**one, "threshold": 0.4, "note": "a single pixel, where both hold"})
    return made


def _share(maps, masks, threshold, over="union", seen=np.greater, each=False):
    a = seen(maps, threshold)
    axes = (1, 2) if each else None
    both = (a & masks).sum(axes)
    below = {
        "union": (a | masks).sum(axes),
        "mask": masks.sum(axes) + 0 * both,
        "map": a.sum(axes),
        "sum": (a.sum(axes) + masks.sum(axes)) / 2,
        "all": np.ones_like(a).sum(axes),
    }[over]
    return (both / np.maximum(below, 1)).mean()


def _counted(maps, masks, threshold, kind):
    both, either = (n.sum(dtype=kind).astype(float) for n in ((maps > threshold) & masks, (maps > threshold) | masks))
    return both / max(1, either)


EXERCISES = [
    formula(
        id="8.1",
        title="How well a unit fits a concept",
        points=1,
        minutes=5,
        difficulty=1,
        task="iou(maps, masks, threshold): over all pixels of all pictures together, the number of those where maps (N, H, W) > threshold "
        "and masks (N, H, W) holds, divided by the number of those where at least one of the two holds; 0 where there are none. → number",
        library=iou,
        cases=_iou_cases,
        truth=_share,
        axes="a number",
        mistakes=[
            (
                "That is the mean of one IoU per picture: count over all pictures, then divide once.",
                partial(_share, each=True),
            ),
            ("You divided by the mask alone: that is recall.", partial(_share, over="mask")),
            ("You divided by the map alone: that is precision.", partial(_share, over="map")),
            (
                "That is Dice, twice the intersection over the sum: divide by the union.",
                partial(_share, over="sum"),
            ),
            ("You divided by all pixels: divide by the union.", partial(_share, over="all")),
            (
                "A pixel just at the threshold does not count: >, not ≥.",
                partial(_share, seen=np.greater_equal),
            ),
            ("The unit counts where it is above the threshold, not below.", partial(_share, seen=np.less)),
            (
                "The sign of the map matters: no absolute values.",
                lambda maps, **case: _share(np.abs(maps), **case),
            ),
            (
                "The threshold is an argument, not always 0.5.",
                lambda maps, masks, threshold: _share(maps, masks, 0.5),
            ),
            (
                "The masks are true or false already: only the maps are compared with the threshold.",
                lambda maps, masks, threshold: _share(maps, masks > threshold, threshold),
            ),
            (
                "Pictures without the concept count too: where the unit fires there, the union grows.",
                lambda maps, masks, threshold: _share(
                    maps[masks.any((1, 2))], masks[masks.any((1, 2))], threshold
                ),
            ),
            (
                "More pixels than a byte holds, 127 or 255, fire or belong to the concept: count them in a wider number.",
                lambda maps, masks, threshold: _counted(maps, masks, threshold, np.uint8),
            ),
            (
                "More pixels than a byte holds, 127 or 255, fire or belong to the concept: count them in a wider number.",
                lambda maps, masks, threshold: _counted(maps, masks, threshold, np.int8),
            ),
            (
                "The union counts a pixel once, also where both hold: a | b, not a + b.",
                lambda maps, masks, threshold: (
                    ((maps > threshold) & masks).sum() / max(1, ((maps > threshold).sum() + masks.sum()))
                ),
            ),
        ],
        laws=[(
            "Where unit and concept are the same single pixel the answer is 1: nothing is added to the union, 0 is a case of "
            "its own.",
            lambda value, maps, masks, threshold: maps.size > 1 or value > 0.999,
        )],
        hints=(
            "Two boolean tensors: where the unit fires, and where the concept is. & is “both”, | is “at least one”.",
            "Sum over everything: (a & b).sum() / (a | b).sum(); and mind an empty union.",
            "seen = maps > threshold; return (seen & masks).sum() / (seen | masks).sum().clamp(min=1)",
        ),
        insight="Rare concepts make small IoUs: a number means little without the control beside it.",
    ),
]
