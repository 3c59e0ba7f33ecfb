"""Which concept does a unit stand for?  Network dissection (Bau, Zhou et al. 2017), section 2."""
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .sketch import QuantileSketch
from .stream import Source, Strangers

SHARES = (0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995)  # the quantiles that "iqr" chooses from
_CHUNK = 1 << 22  # numbers in a block of enlarged maps


def units(model, layer, images, masks=None, classes=None, quantile=0.995, *, thresholds=None, basis=None, size=None,
          batch_size=32, sketch=4096, seed=0, progress=True):
    """How well each unit's mask overlaps each concept's: DataFrame, a row per unit and concept.

    A unit's mask is where its activation, enlarged to the picture (bilinear), lies above its threshold T; its IoU with
    a concept is |unit ∩ concept| / |unit ∪ concept|, counted over all pixels of all pictures (section 2.2).

    model, layer: a name as in ``model.named_modules()`` · images, masks, classes: see `stream.Source`; for a
    generator, codes and a function that sees masks in its pictures (`seen_by`) · quantile: T is this quantile of
    a unit's activations, or "iqr": for each unit and concept, T among the quantiles ``SHARES`` with the largest
    information-quality ratio on every second picture, and the IoU on the others (Bau et al. 2019, section 3.1) ·
    thresholds: (U,) instead, and one pass over the pictures is enough · basis (U, U): directions, its rows, in place
    of units (`rotation`) · size: compare at this height and width, not at the masks' own · sketch: values kept per
    level, see `QuantileSketch`; T's rank is off by 4.6 / sketch at most (99 %).

    Columns: unit, concept, iou; threshold and the quantile it stands for (NaN with ``thresholds``); control, the IoU
    with the masks of other pictures; iqr, the information-quality ratio I(unit; concept) / H(unit, concept) in
    [0, 1]; inside, the unit's mean activation where the concept is; area, the concept's share of the pixels; occurs.
    For a concept that never occurs the row says ``occurs`` False, and iou, control, iqr and inside are NaN.

    Memory is a batch's, the sketch's and the counts', however many pictures there are.
    ValueError: no such layer; masks, classes or pictures that do not fit; no picture; a stream that can be read only
    once where two passes are needed.
    """
    source = Source(images, masks, classes, batch_size)
    chosen = quantile == "iqr"
    if not chosen and not (isinstance(quantile, float | int) and 0 < quantile < 1):
        raise ValueError(f'quantile is a share between 0 and 1, or "iqr", not {quantile!r}')
    shares = torch.tensor(SHARES if chosen else [quantile], dtype=torch.float64)
    if thresholds is None:
        if source.once:
            raise ValueError("the images can be read only once, and two passes are needed: give thresholds "
                             "(`quantiles` finds them in one pass), or a list, Dataset or DataLoader")
        levels = quantiles(model, layer, source, shares, basis=basis, sketch=sketch, seed=seed, progress=progress)
    else:
        chosen, shares = False, torch.tensor([torch.nan])
        levels = torch.as_tensor(thresholds, dtype=torch.float32).reshape(-1, 1)
    counts, other, strangers, first = None, None, Strangers(seed), 0
    for maps, true in _with_bar(source.answers(model, layer, basis=basis), "overlap", progress):
        if counts is None:
            if len(levels) != maps.shape[1]:
                raise ValueError(f"{len(levels)} thresholds for the {maps.shape[1]} units of layer {layer!r}")
            counts, other = (_Counts.zeros(*levels.shape, len(source.classes)) for _ in range(2))
        strange = strangers(true)
        if chosen:  # thresholds by one half, the table by the other
            odd = (first + torch.arange(len(maps))) % 2 == 1
            _count(counts, maps[odd], true[odd], None if strange is None else strange[odd], levels, size)
            _count(other, maps[~odd], true[~odd], None if strange is None else strange[~odd], levels, size)
        else:
            _count(counts, maps, true, strange, levels, size)
        first += len(maps)
    if counts is None or not first:
        raise ValueError("there are no pictures: nothing to dissect")
    if chosen and first < 2:
        raise ValueError('"iqr" needs two pictures or more: one half chooses, the other measures')
    best = _quality(other).nan_to_num(-1).argmax(1) if chosen else torch.zeros(len(levels), len(source.classes)).long()
    return _table(counts, best, levels, shares, source.classes)


def quantiles(model, layer, images, quantile=0.995, *, basis=None, batch_size=32, sketch=4096, seed=0, progress=True):
    """The thresholds of all units of a layer, in one pass: (U,), or (U, Q) for Q quantiles.

    Over every place of the layer's own maps, which are not enlarged.  ``images`` as for `units`, no masks needed.
    """
    source = images if isinstance(images, Source) else Source(images, lambda x: None, ["any"], batch_size)
    found = None
    for maps, _ in _with_bar(source.answers(model, layer, masked=False, basis=basis), "thresholds", progress):
        found = found or QuantileSketch(maps.shape[1], sketch, seed)
        found.add(maps.transpose(0, 1).flatten(1).float().cpu())
    if found is None or not found.count:
        raise ValueError("there are no pictures: nothing to dissect")
    return found.quantile(quantile)


def detectors(table, least=0.04, column="iou"):
    """Which units detect what: the rows of ``table`` (of `units`) that are their unit's best, above ``least``; best first.

    ``found.concept.nunique()`` is the number of unique detectors (Bau, Zhou et al. 2017, section 3.2).
    """
    known = table.dropna(subset=[column])
    best = known.loc[known.groupby("unit")[column].idxmax()]
    return best[best[column] > least].sort_values(column, ascending=False, kind="stable").reset_index(drop=True)


@dataclass
class _Counts:
    """Pixels, for U units with T thresholds and C concepts."""

    both: torch.Tensor      # (U, T, C) of the unit and the concept
    control: torch.Tensor   # (U, T, C) of the unit and another picture's concept
    unit: torch.Tensor      # (U, T)
    compared: torch.Tensor  # (U, T) of the unit in pictures that have a control
    concept: torch.Tensor   # (C,)
    stranger: torch.Tensor  # (C,)
    sums: torch.Tensor      # (U, C) of the activations where the concept is
    pixels: float = 0.0

    @classmethod
    def zeros(cls, u, t, c):
        return cls(*(torch.zeros(s, dtype=torch.float64) for s in ((u, t, c), (u, t, c), (u, t), (u, t), c, c, (u, c))))


def _count(counts, maps, true, strange, levels, size):
    """Add pictures to the counts: every intersection is an entry of one matrix product."""
    c, levels = true.shape[1], levels.to(maps)
    target = true.shape[2:] if size is None else (size, size) if isinstance(size, int) else tuple(size)
    pixels = target[0] * target[1]
    for rows in torch.arange(len(maps)).split(max(1, _CHUNK // pixels)):
        ones = torch.ones(len(rows) * pixels, 1)
        right = [_flat(true[rows], target), ones]
        right += [] if strange is None else [_flat(strange[rows], target), ones]
        right = torch.cat(right, 1).to(maps)
        per_concept = right.sum(0, dtype=torch.float64).cpu()
        counts.concept += per_concept[:c]
        counts.pixels += len(rows) * pixels
        if strange is not None:
            counts.stranger += per_concept[c + 1:-1]
        for u in torch.arange(maps.shape[1]).split(max(1, _CHUNK // (len(rows) * pixels))):
            large = maps[rows][:, u]
            if large.shape[2:] != target:
                large = F.interpolate(large, target, mode="bilinear", align_corners=False)
            large = large.transpose(0, 1).flatten(1)
            counts.sums[u] += (large @ right[:, :c]).double().cpu()
            for t in range(levels.shape[1]):
                found = ((large > levels[u, t, None]).to(large) @ right).double().cpu()
                counts.both[u, t] += found[:, :c]
                counts.unit[u, t] += found[:, c]
                if strange is not None:
                    counts.control[u, t] += found[:, c + 1:-1]
                    counts.compared[u, t] += found[:, -1]


def _flat(masks, size):
    """(N, C, H, W) bool to (N · h · w, C) of 0 and 1 at another size."""
    masks = masks.float()
    if masks.shape[2:] != size:
        masks = F.interpolate(masks, size, mode="nearest-exact")
    return masks.transpose(0, 1).flatten(1).T


def _iou(both, unit, concept):
    union = unit[..., None] + concept - both
    return torch.where(union > 0, both / union.clamp_min(1), torch.nan)


def _quality(counts):
    """The information-quality ratio I(unit; concept) / H(unit, concept), (U, T, C); 0 where they exclude each other,
    NaN where nothing is known (Bau et al. 2019, equation 2)."""
    n = max(counts.pixels, 1.0)
    p11, unit, concept = counts.both / n, counts.unit[..., None] / n, counts.concept / n
    p10, p01 = unit - p11, concept - p11
    p00 = 1 - p11 - p10 - p01
    together = _entropy(p11) + _entropy(p10) + _entropy(p01) + _entropy(p00)
    alone = _entropy(unit) + _entropy(1 - unit) + _entropy(concept) + _entropy(1 - concept)
    ratio = torch.where(together > 0, (alone - together) / together.clamp_min(1e-12), torch.nan)
    return torch.where(p11 * p00 >= p10 * p01, ratio.clamp_min(0), 0.0)


def _entropy(p):
    return torch.special.entr(p.clamp_min(0))


def _table(counts, best, levels, shares, classes):
    import pandas as pd

    def at_best(values):  # (U, T, C) → (U, C)
        return values.gather(1, best[:, None]).squeeze(1)

    occurs = counts.concept > 0
    pick = best.clamp_max(levels.shape[1] - 1)
    columns = {"iou": at_best(_iou(counts.both, counts.unit, counts.concept)),
               "threshold": levels.double().cpu().gather(1, pick), "quantile": shares.double()[pick],
               "control": at_best(_iou(counts.control, counts.compared, counts.stranger)),
               "iqr": at_best(_quality(counts)), "inside": counts.sums / counts.concept.clamp_min(1),
               "area": (counts.concept / counts.pixels).expand(best.shape)}
    for name in ("iou", "control", "iqr", "inside"):
        columns[name] = torch.where(occurs, columns[name], torch.nan)
    u, c = best.shape
    return pd.DataFrame({"unit": torch.arange(u).repeat_interleave(c).numpy(), "concept": list(classes) * u}
                        | {name: v.flatten().numpy() for name, v in columns.items()}
                        | {"occurs": occurs.repeat(u).numpy()})


def _with_bar(items, what, progress):
    from tqdm.auto import tqdm

    return tqdm(items, desc=what, unit="batch", delay=2, leave=False, disable=not progress)
