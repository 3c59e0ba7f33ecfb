"""Scoring against the truth: how much of a map lies on the pixels that cause the class, where these are
known.

Arras, Osman, Samek 2022, "CLEVR-XAI", section 3.2 (relevance mass and rank accuracy); Zhang et al. 2018,
"Top-Down Neural Attention by Excitation Backprop", section 4.1 (the pointing game).
"""

import torch

from ..attribution.call import explaining
from ..attribution.checks import check_steps
from .flipping import flipping_order
from .maps import bootstrap, chosen, logits, maps_of

HOUSE, TREES = ("path", "wall", "roof", "door", "window"), ("trunk", "crown")
MEASURES = ("mass", "rank", "pointing")


def cause(dataset, which=None):
    """The pixels that cause the label, (N, H, W) bool.

    ``which``: a name or names of ``dataset.mask_names`` (their union), a bool tensor (N, H, W), or None for
    what the two drawn data sets are about.  *shapes*: "edge", the border of what was drawn: the inside and
    the background of a circle look like those of a polygon, only the course of the border tells them apart.
    *scenes*: all that is visible of house (with its path, which no scene has without a house) and trees,
    since the label says which of them are there; a scene of the class "nothing" has no such pixels, its row
    is False everywhere.  ValueError for anything else.
    """
    if torch.is_tensor(which):
        if which.dtype != torch.bool or which.shape != (len(dataset), *dataset.images.shape[2:]):
            raise ValueError(
                f"a cause is a bool tensor {(len(dataset), *dataset.images.shape[2:])}, not {which.dtype} "
                f"{tuple(which.shape)}"
            )
        return which
    if dataset.images is None or dataset.masks is None:
        raise ValueError(
            f"{dataset.name} has no masks of its images, so that nobody knows where the cause is; give cause="
        )
    names = [which] if isinstance(which, str) else which
    if names is None:
        names = next((n for n in (("edge",), HOUSE + TREES) if set(n) <= set(dataset.mask_names)), None)
    if not names or not set(names) <= set(dataset.mask_names):
        raise ValueError(f"cause must be chosen from the masks {', '.join(dataset.mask_names)}, not "
                         f"{which!r}")
    return dataset.masks[:, [dataset.mask_names.index(n) for n in names]].any(1)


def against_truth(relevance, mask, absolute=False, seed=0):
    """Three scores in [0, 1] for maps (N, H, W) and the pixels of the cause (N, H, W) bool: {measure: (N,)}.

    "mass": the share of the positive relevance that lies on the cause (0 where there is none).  "rank": of
    the K pixels of highest relevance, the share on the cause, K being the cause's own number of pixels.
    "pointing": 1 if the highest pixel of all is on the cause.  ``absolute``: of |R| instead.  Equal
    relevances are ranked in a random order (``seed``), so that a constant map gets what chance gives. 
    ValueError for a cause without pixels.
    """
    if not mask.flatten(1).any(1).all():
        raise ValueError("there is an image whose cause has no pixels: leave it out")
    relevance = relevance.abs() if absolute else relevance
    turns, flat, on = (
        flipping_order(relevance, "highest", seed),
        relevance.flatten(1).clamp(min=0).double(),
        mask.flatten(1),
    )
    total, count = flat.sum(1), on.sum(1, keepdim=True)
    return {
        "mass": (flat * on).sum(1) / torch.where(total > 0, total, 1),
        "rank": (on & (turns < count)).sum(1) / count[:, 0],
        "pointing": (on & (turns == 0)).any(1).double(),
    }


def truth(model, dataset, methods=None, cause=None, absolute=False, options=None, seed=0, batch_size=64):
    """Each method's maps against the pixels that cause the class: a DataFrame, one row per method, best mass
    first.

    ``dataset``: a ``data.Dataset`` with masks (``shapes``, ``scenes``); ``cause``: see ``truth.cause``.  Only
    images that the network classifies rightly and that have a cause are scored, for their label: where the
    network is wrong, a faithful map may well lie elsewhere.  ``methods``, ``options``: see ``maps.chosen``;
    ``absolute``: see ``against_truth``.

    Columns: method, label, images; ``mass``, ``rank``, ``pointing`` (means of ``against_truth``), each with
    the ends ``…_low`` and ``…_high`` of its 95 % bootstrap interval over images; ``chance``, the share of all
    pixels that belong to the cause, which is what a random map gets; ``why``, which says why a method has no
    numbers here. Raises ValueError where no image is left, and as ``attribution.gradient`` for what cannot be
    explained.
    """
    import pandas as pd
    from tqdm.auto import tqdm

    picked, mask = chosen(methods, options, seed), _cause(dataset, cause)
    check_steps(batch_size, "batch_size")
    with explaining(model, dataset.images, dataset.labels) as score:
        right = logits(score, dataset.images).argmax(1) == dataset.labels
    kept = (right & mask.flatten(1).any(1)).nonzero()[:, 0]
    if not len(kept):
        raise ValueError(f"of {len(dataset)} images none is classified rightly and has a cause")
    found, why, parts = {name: [] for name, _, _ in picked}, {}, kept.split(batch_size)
    with tqdm(total=len(parts) * len(picked), desc="scoring", unit="map", delay=2, leave=False) as bar:
        for rows in parts:
            for name, _, function in picked:
                bar.update()
                a = why.get(name) or maps_of(function, model, dataset.images[rows], dataset.labels[rows])
                if isinstance(a, str):
                    why[name] = a
                    continue
                found[name].append(torch.stack(list(against_truth(a, mask[rows], absolute, seed).values())))
    table = []
    for name, label, _ in picked:
        row = {
            "method": name,
            "label": label,
            "images": len(kept),
            "chance": mask[kept].double().mean().item(),
            "why": why.get(name, ""),
        }
        if name not in why:
            for measure, *numbers in zip(
                MEASURES, *bootstrap(torch.cat(found[name], 1).numpy(), seed), strict=True
            ):
                row |= dict(zip((measure, f"{measure}_low", f"{measure}_high"), numbers, strict=True))
        table.append(row)
    columns = [
        "method",
        "label",
        "images",
        *(m + end for m in MEASURES for end in ("", "_low", "_high")),
        "chance",
        "why",
    ]
    return pd.DataFrame(table, columns=columns).sort_values(
        "mass", ascending=False, kind="stable", ignore_index=True
    )


_cause = cause  # ``truth`` has an argument of that name


def painted_over(dataset, which=None):
    """The images with the cause painted over, (N, C, H, W): each of its pixels gets the mean colour of its
    row's other pixels.

    A test of the truth itself: if the network then no longer says the class, those pixels were its cause as
    well.
    """
    mask = cause(dataset, which)[:, None]
    x, rest = dataset.images, ~mask
    row = (x * rest).sum(3, keepdim=True) / rest.sum(3, keepdim=True).clamp(min=1)
    whole = (x * rest).sum((2, 3), keepdim=True) / rest.sum((2, 3), keepdim=True).clamp(min=1)
    return torch.where(mask, torch.where(rest.any(3, keepdim=True), row, whole), x)
