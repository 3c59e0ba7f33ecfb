"""Pixel flipping: if a map is right about what matters, the score must fall when its first pixels are
changed.

Bach et al. 2015, section "Experiments"; the area over the curve: Samek et al. 2017, section III.
"""

import numpy as np
import torch
import torch.nn.functional as F

from .. import hooks
from ..attribution.call import explaining
from ..attribution.checks import check_steps
from .maps import bootstrap, check_images, chosen, logits, maps_of, resampled

ORDERS = ("highest", "near_zero", "lowest", "random")
REPLACE = ("flip", "zero", "mean", "blurred")


def replacement(images, replace="flip"):
    """What takes the place of a pixel, (N, C, H, W): 1 − x ("flip"), 0, the image's mean colour, or the image
    blurred.

    A number or a tensor that broadcasts to the images stands for itself.  ValueError for another word.
    """
    if not isinstance(replace, str):
        return torch.as_tensor(replace).to(images).expand_as(images)
    if replace not in REPLACE:
        raise ValueError(f"replace is one of {', '.join(REPLACE)}, a number or a tensor, not {replace!r}")
    if replace == "blurred":
        sigma = max(images.shape[-2:]) / 8
        for axis in (2, 3):
            images = _smooth(images, sigma, axis)
        return images
    return {
        "flip": lambda: 1 - images,
        "zero": lambda: torch.zeros_like(images),
        "mean": lambda: images.mean((2, 3), keepdim=True).expand_as(images),
    }[replace]()


def _smooth(x, sigma, axis):
    """A Gaussian along one axis, mirrored at the border."""
    reach = min(round(2.5 * sigma), x.shape[axis] - 1)
    line = torch.exp(-(torch.arange(-reach, reach + 1, dtype=x.dtype) ** 2) / (2 * sigma**2)).to(x.device)
    flat = F.pad(x.movedim(axis, -1).flatten(0, 2)[:, None], [reach] * 2, mode="reflect")
    return F.conv1d(flat, (line / line.sum())[None, None]).view_as(x.movedim(axis, -1)).movedim(-1, axis)


def flipping_order(relevance, order="highest", seed=0):
    """Every pixel's turn, 0 for the first: (N, H, W) relevances → (N, H·W) whole numbers.

    ``order``: "highest" relevance first, "lowest" first, "near_zero" (smallest |R| first), or "random". 
    Equal relevances come in a random order that ``seed`` fixes: by place, the top of the picture would be
    favoured.
    """
    if order not in ORDERS:
        raise ValueError(f"order is one of {', '.join(ORDERS)}, not {order!r}")
    flat = relevance.flatten(1)
    shuffle = torch.rand(flat.shape, generator=torch.Generator().manual_seed(seed)).argsort(1).to(flat.device)
    key = {"highest": -flat, "lowest": flat, "near_zero": flat.abs(), "random": torch.zeros_like(flat)}[order]
    first_to_last = shuffle.gather(1, key.gather(1, shuffle).argsort(dim=1, stable=True))
    return first_to_last.argsort(1)


def flipped(image, other, turns, flips):
    """One image (C, H, W) at every level: (len(flips), C, H, W), the pixels of turn < flips[k] taken from
    ``other``."""
    gone = (turns[None] < flips[:, None]).view(len(flips), 1, *image.shape[-2:])
    return torch.where(gone, other[None], image[None])


def levels(pixels, steps=20, share=0.2):
    """The numbers of flipped pixels: 0 and ``steps`` equal steps up to ``share`` of all ``pixels``, (steps +
    1,)."""
    check_steps(steps)
    if not 0 < share <= 1:
        raise ValueError(
            f"share is the part of all pixels that is flipped in the end, above 0 up to 1, not {share!r}"
        )
    flips = torch.linspace(0, share * pixels, steps + 1, dtype=torch.float64).round().long()
    if len(flips.unique()) <= steps:
        raise ValueError(
            f"{steps} steps up to {share:.3g} of {pixels} pixels are less than a pixel each; use fewer steps"
        )
    return flips


def flip_curves(
    model,
    images,
    labels,
    relevance,
    order="highest",
    replace="flip",
    steps=20,
    share=0.2,
    output="probability",
    seed=0,
    first=None,
):
    """(class score, best other class's score) while pixels are flipped, each (N, steps + 1); index 0 is the
    image itself.

    ``images`` (N, C, H, W), ``labels`` int or (N,) the class followed, ``relevance`` (N, H, W) what orders
    the pixels. ``replace``: see ``replacement``.  All levels of an image go through the network together, so
    that memory is bounded by ``steps`` images and what the network holds of a chunk.  ``output``:
    "probability" (softmax) or "logit".  ``first``: the network's outputs (N, K) for the images themselves,
    where they are known.
    """
    if output not in ("probability", "logit"):
        raise ValueError(f"output is 'probability' or 'logit', not {output!r}")
    flips = levels(images[0, 0].numel(), steps, share).to(images.device)
    turns, other = flipping_order(relevance, order, seed), replacement(images, replace)
    own, rival = [], []
    with explaining(model, images, labels, many=True) as score:
        target = score.predicted().target
        first = logits(score, images) if first is None else first
        together = max(1, score.chunks(len(images) * steps)[0].stop // steps)  # a chunk is filled
        for rows in torch.arange(len(images)).split(together):
            points = torch.cat([flipped(images[i], other[i], turns[i], flips[1:]) for i in rows])
            out = logits(score, points).unflatten(0, (len(rows), steps))
            out = torch.cat([first[rows, None], out], 1)
            if out.shape[2] < 2:
                raise ValueError("flipping follows a class against the others: the network needs two "
                                 "outputs or more")
            out = out.softmax(2) if output == "probability" else out
            its = target[rows].view(-1, 1, 1).expand(-1, len(flips), 1)
            own.append(out.gather(2, its)[..., 0])
            rival.append(out.scatter(2, its, -torch.inf).amax(2))
    return torch.cat(own), torch.cat(rival)


def area_over_curve(scores):
    """AOPC of each curve: the mean over k = 0 … L of f(x⁽⁰⁾) − f(x⁽ᵏ⁾).  (…, L + 1) → (…).

    Source: Samek et al. 2017, "Evaluating the Visualization of What a Deep Neural Network Has Learned", eq.
    12.
    """
    return (scores[..., :1] - scores).mean(-1)


def pixel_flipping(
    model,
    images,
    labels,
    methods=None,
    order=ORDERS,
    replace="flip",
    steps=20,
    share=0.2,
    output="probability",
    options=None,
    draws=1,
    seed=0,
    batch_size=64,
):
    """Flip pixels in the order that each method's map gives, and follow the class: a DataFrame, a row per
    method, order and replacement.

    ``images`` (N, C, H, W) in [0, 1], ``labels`` int or (N,): the class that is explained and followed (the
    true one for "what speaks for it", another one for "what speaks against it").  ``methods``, ``options``:
    see ``maps.chosen``; by default all methods and both controls.  ``order``, ``replace``: one
    of ``ORDERS`` and of ``REPLACE``, or several.  ``steps``, ``share``, ``output``: see ``flip_curves``.
    ``draws``: random maps per image, whose curves the control "random" is the mean of.
    ``batch_size``: images whose maps are in memory at once.

    Columns: method, label, order, replace, images; ``area`` over the curve (``area_over_curve``) with ``low``
    and ``high``, the ends of its 95 % bootstrap interval over images; ``under``, the mean of the curve (with
    share=1: the *deletion* score for "highest" and the *insertion* score for "lowest", Petsiuk et al. 2018,
    since what is left when the lowest go first is what is put in highest first); ``rank``, 1 for the best of
    its order and replacement (largest area for "highest", smallest for "lowest" and smallest |area| for
    "near_zero"); ``tied``, whether the interval of the paired difference to the best covers 0; ``gain``, the
    paired difference of the area to the random map's, with the ends ``gain_low`` and ``gain_high`` of its
    interval (NaN where "random" is not among the methods); the curves ``flips``, ``score``, ``wrong``
    (L + 1,), means over images; ``why``, which says why a method has no
    numbers here.

    A large area says that the map found pixels whose change *to this replacement* moves this network.  It
    does not say that a person would call them the cause: flipped pictures are none that the network was
    trained on, replacement and order decide between methods, and a map of adversarial pixels would score best
    of all. Raises ValueError for words and numbers out of range, and as ``attribution.gradient`` for what
    cannot be explained.
    """
    from tqdm.auto import tqdm

    orders, words = ((v,) if isinstance(v, str) else tuple(v) for v in (order, replace))
    ways = [(o, r) for o in orders for r in words]
    picked, classes = chosen(methods, options, seed), check_images(model, images, labels)
    check_steps(batch_size, "batch_size"), check_steps(draws, "draws")
    maps = {name: [f] for name, _, f in picked}
    if "random" in maps and draws > 1:
        maps["random"] = [chosen("random", seed=seed + k)[0][2] for k in range(draws)]
    curves = {(name, *way): [] for name, _, _ in picked for way in ways}
    why, parts = {}, range(0, len(images), batch_size)
    settings = {"steps": steps, "share": share, "output": output}
    with (
        tqdm(total=len(parts) * len(picked), desc="flipping", unit="map", delay=2, leave=False) as bar,
        hooks.unchanged(model),
    ):
        for start in parts:
            rows, by_chance = slice(start, start + batch_size), {}  # one random order serves all methods
            with explaining(model, images[rows]) as score:
                first = logits(score, images[rows])
            for name in maps:
                bar.update()
                if name in why:
                    continue
                found = [maps_of(f, model, images[rows], classes[rows]) for f in maps[name]]
                if isinstance(found[0], str):
                    why[name] = found[0]
                    continue
                for o, r in ways:
                    made = by_chance.get(r) if o == "random" else None
                    made = made or _mean_curves(
                        model, images[rows], classes[rows], found, o, r, seed=seed + start, first=first, **settings
                    )
                    if o == "random":
                        by_chance[r] = made
                    curves[name, o, r].append(made)
    flips = levels(images[0, 0].numel(), steps, share).numpy()
    return _table(picked, ways, curves, why, flips, seed)


def _mean_curves(model, images, labels, relevances, order, replace, **settings):
    """``flip_curves`` of each map, averaged over the maps; one map where the order is random anyway."""
    relevances = relevances[:1] if order == "random" else relevances
    each = [flip_curves(model, images, labels, R, order, replace, **settings) for R in relevances]
    return tuple(torch.stack(curves).mean(0) for curves in zip(*each, strict=True))


def _table(picked, ways, curves, why, flips, seed):
    import pandas as pd

    rows = []
    judged = [name for name, _, _ in picked if name not in why]
    for o, r in ways:
        scores = {
            n: [torch.cat(part).double().numpy() for part in zip(*curves[n, o, r], strict=True)]
            for n in judged
        }
        areas = np.stack([area_over_curve(scores[n][0]) for n in judged]) if judged else np.empty((0, 1))
        worth = {"highest": areas.mean(1), "near_zero": -abs(areas.mean(1))}.get(o, -areas.mean(1))
        mean, low, high = bootstrap(areas, seed)
        for name, label, _ in picked:
            row = {"method": name, "label": label, "order": o, "replace": r, "why": why.get(name, "")}
            if name in scores:
                i, best, (own, rival) = judged.index(name), int(worth.argmax()), scores[name]
                apart = np.quantile(resampled(areas[i] - areas[best], seed), [0.025, 0.975])
                chance = areas[judged.index("random")] if "random" in judged else np.full(areas.shape[1], np.nan)
                gain, gain_low, gain_high = bootstrap(areas[i] - chance, seed)
                row |= {
                    "images": areas.shape[1],
                    "area": mean[i],
                    "low": low[i],
                    "high": high[i],
                    "under": own.mean(),
                    "rank": np.nan if o == "random" else float((worth > worth[i]).sum() + 1),
                    "tied": bool(apart[0] <= 0 <= apart[1]),
                    "gain": gain,
                    "gain_low": gain_low,
                    "gain_high": gain_high,
                    "flips": flips,
                    "score": own.mean(0),
                    "wrong": rival.mean(0),
                }
            rows.append(row)
    columns = [
        "method",
        "label",
        "order",
        "replace",
        "images",
        "area",
        "low",
        "high",
        "under",
        "rank",
        "tied",
        "gain",
        "gain_low",
        "gain_high",
        "flips",
        "score",
        "wrong",
        "why",
    ]
    return pd.DataFrame(rows, columns=columns)
