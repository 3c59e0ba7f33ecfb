"""The sanity check: a map that stays the same when the network's weights are drawn anew did not explain the
network.

Adebayo et al. 2018, "Sanity Checks for Saliency Maps", section 4.
"""

import copy

import numpy as np
import torch

from ..attribution.checks import check_steps
from .maps import bootstrap, check_images, chosen, maps_of, rank_correlation, sobel


def layers(model):
    """Names of the modules that hold parameters themselves, the last ("top") first, in the order of
    ``named_modules``."""
    return [
        n
        for n, m in model.named_modules()
        if any(p is not None and p.numel() for p in m._parameters.values())
    ][::-1]


def randomised(model, names, seed=0):
    """A copy of the network in which every parameter of the named layers is drawn anew; the caller's stays as
    it is.

    Each tensor gets normal numbers of its own mean and standard deviation: nothing that was learned is left
    but the scale, and signals neither die nor explode on the way up.  One seed draws the same numbers for a
    layer whatever other layers are named, so that a cascade changes one layer at a time.  ValueError for a
    layer that has no parameters or does not exist.
    """
    known = layers(model)
    copied = copy.deepcopy(model)
    modules = dict(copied.named_modules())
    with torch.no_grad():
        for name in names:
            if name not in known:
                raise ValueError(f"no layer {name!r} with parameters; there are: {', '.join(known)}")
            generator = torch.Generator().manual_seed(1000 * seed + known.index(name))
            for p in modules[name]._parameters.values():
                if p is not None:
                    drawn = torch.randn(p.shape, generator=generator).to(p)
                    p.copy_(drawn * p.std(correction=0) + p.mean())
    return copied


def similarity(a, b):
    """How alike maps are, image by image: {"absolute", "signed", "ssim"} → (N,); maps (N, H, W).

    "absolute" and "signed": Spearman's rank correlation of |a| and |b|, of a and b.  "ssim": structural
    similarity (Wang et al. 2004, windows of 7) of |a| and |b|, each divided by its maximum.  1 for equal
    maps; 0 where one ranks nothing.
    """
    from skimage.metrics import structural_similarity

    a, b = (np.asarray(v, np.float64) for v in (a, b))
    size = [np.abs(v) / np.maximum(np.abs(v).max((1, 2), keepdims=True), 1e-300) for v in (a, b)]
    ssim = [structural_similarity(u, v, data_range=1.0) for u, v in zip(*size, strict=True)]
    return {"absolute": rank_correlation(*size), "signed": rank_correlation(a, b), "ssim": np.array(ssim)}


def sanity(model, images, methods=None, labels=None, options=None, draws=1, seed=0, batch_size=64):
    """Randomise the network layer by layer from the top, and see whether the maps change: a DataFrame, a row
    per method and depth.

    ``images`` (N, C, H, W); ``labels``: the classes explained, by default those that the untouched network
    predicts.  ``methods``, ``options``: see ``maps.chosen``.  ``draws``: random networks per depth, averaged.

    Columns: method, label; ``depth``, how many layers are random (0: none); ``layer``, the last one that was
    drawn anew; the mean similarity to the untouched network's map as in ``similarity``: ``absolute`` with the
    ends ``low`` and ``high`` of its 95 % bootstrap interval over images, ``signed``, ``ssim``; ``edges``, the
    rank correlation of |map| with the picture's Sobel edges; ``why``, which says why a method has no numbers
    here.  The control "sobel" is the same at every depth, by construction; "random" has no similarity to
    lose, because it draws other numbers for every network. Raises as ``pixel_flipping``.
    """
    from tqdm.auto import tqdm

    picked, classes = chosen(methods, options, seed), check_images(model, images, labels)
    check_steps(draws, "draws"), check_steps(batch_size, "batch_size")
    names, why = layers(model), {}
    if not names:
        raise ValueError("the network has no parameters, so that there is nothing to randomise")
    found = {(name, depth): [] for name, _, _ in picked for depth in range(len(names) + 1)}
    parts = range(0, len(images), batch_size)
    with tqdm(
        total=len(parts) * (1 + draws * len(names)), desc="randomising", unit="network", delay=2, leave=False
    ) as bar:
        for start in parts:
            x, target = images[start : start + batch_size], classes[start : start + batch_size]
            edges, first = sobel(None, x).sum(1), {}
            for depth in range(len(names) + 1):
                per_draw = {}
                for draw in range(draws if depth else 1):
                    net = randomised(model, names[:depth], seed + draw) if depth else model
                    bar.update()
                    for name, _, function in picked:
                        if name in why:
                            continue
                        if name == "random":
                            function = chosen("random", seed=seed + 97 * depth + draw)[0][2]
                        a = maps_of(function, net, x, target)
                        if isinstance(a, str):
                            why[name] = a
                            continue
                        first.setdefault(name, a)
                        alike = similarity(a, first[name]) | {"edges": rank_correlation(a.abs(), edges)}
                        per_draw.setdefault(name, []).append(np.stack(list(alike.values())))
                for name, each in per_draw.items():
                    found[name, depth].append(np.mean(each, 0))
    return _table(picked, names, found, why, seed)


def _table(picked, names, found, why, seed):
    import pandas as pd

    rows = []
    for name, label, _ in picked:
        for depth in range(len(names) + 1):
            row = {
                "method": name,
                "label": label,
                "depth": depth,
                "layer": names[depth - 1] if depth else "",
                "why": why.get(name, ""),
            }
            if name not in why:
                values = np.concatenate(found[name, depth], 1)
                (absolute, signed, ssim, edges), low, high = bootstrap(values, seed)
                row |= {
                    "images": values.shape[1],
                    "absolute": absolute,
                    "low": low[0],
                    "high": high[0],
                    "signed": signed,
                    "ssim": ssim,
                    "edges": edges,
                }
            rows.append(row)
    return pd.DataFrame(
        rows,
        columns=[
            "method",
            "label",
            "depth",
            "layer",
            "images",
            "absolute",
            "low",
            "high",
            "signed",
            "ssim",
            "edges",
            "why",
        ],
    )
