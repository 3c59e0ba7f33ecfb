"""What a unit does, by switching it: the average causal effect on what a segmenter sees (Bau et al. 2019, section 3.2)."""
import torch

from .interventions import ablate, coverage, insert


def causal_effect(generator, layer, units, z, see, classes, region=None, values=None, strength=1.0, batch_size=64):
    """The effect of each unit, or set of units, on the area of each concept: DataFrame, a row per unit and concept.

    units: a sequence of units, or of sequences of them, each a set switched together · z: codes (N, latent) · see: a
    function pictures → bool masks (N, C, H, W), see `seen_by` · region: as for `ablate` · values: with a value for each
    unit (in the same shape as ``units``), the unit is also inserted in ``region``.

    Columns: unit, concept; before and ablated, the concept's mean share of the pixels; inserted with ``values``;
    effect, inserted − ablated (equation 3), or before − ablated where nothing is inserted; error, its standard error
    over the codes; change, the area's relative change by ablation, ablated / before − 1 (NaN where it is never seen).
    The codes are the same throughout, so effects are of pairs.  ValueError as `ablate`; for sets and values of
    other lengths; for no codes.
    """
    import pandas as pd

    if not len(z):
        raise ValueError("there are no codes: nothing to switch")
    sets = [tuple(u) if hasattr(u, "__iter__") else (int(u),) for u in units]
    values = [None] * len(sets) if values is None else list(values)
    if len(values) != len(sets):
        raise ValueError(f"{len(values)} values for {len(sets)} units")
    before = areas(lambda q: ablate(generator, layer, (), q), z, see, batch_size)
    rows = []
    for chosen, value in zip(sets, values, strict=True):
        off = areas(lambda q, u=chosen: ablate(generator, layer, u, q, region, min(1.0, strength)), z, see, batch_size)
        on = before if value is None else areas(
            lambda q, u=chosen, v=value: insert(generator, layer, u, q, region, v, strength), z, see, batch_size)
        effect = on - off
        error = effect.std(0) / len(z) ** 0.5 if len(z) > 1 else effect.new_full(effect.shape[1:], torch.nan)
        for c, name in enumerate(classes):
            row = {"unit": chosen if len(chosen) != 1 else chosen[0], "concept": name,
                   "before": before[:, c].mean().item(), "ablated": off[:, c].mean().item()}
            row |= {} if value is None else {"inserted": on[:, c].mean().item()}
            rows.append(row | {"effect": effect[:, c].mean().item(), "error": error[c].item()})
    table = pd.DataFrame(rows)
    table["change"] = (table.ablated / table.before.where(table.before > 0)) - 1
    return table


def areas(make, z, see, batch_size=64):
    """The share of the pixels of each picture that each concept covers, (N, C); ``make`` turns codes into pictures."""
    return torch.cat([see(make(q)).double().mean((2, 3)) for q in z.split(batch_size)])


def greedy(generator, layer, candidates, z, see, classes, concept, size=8, batch_size=64):
    """Choose ``size`` units one by one, each time that which, with those before, takes most of the concept's area.

    DataFrame, a row per step: unit, area (left), change (relative to nothing ablated).  ``candidates``: the units to
    choose from, size · len(candidates) ablations in all.  ValueError for an unknown concept, or fewer candidates.
    """
    import pandas as pd

    if concept not in list(classes):
        raise ValueError(f"no concept {concept!r}; there are {', '.join(classes)}")
    left, chosen, rows, c = [int(u) for u in candidates], [], [], list(classes).index(concept)
    if not 1 <= size <= len(left):
        raise ValueError(f"{size} units cannot be chosen from {len(left)} candidates")

    def area(units):
        return areas(lambda q: ablate(generator, layer, units, q), z, see, batch_size)[:, c].mean().item()

    before = area(())
    for _ in range(size):
        found = [area([*chosen, u]) for u in left]
        best = min(range(len(left)), key=found.__getitem__)
        chosen.append(left.pop(best))
        rows.append({"unit": chosen[-1], "area": found[best],
                     "change": found[best] / before - 1 if before else float("nan")})
    return pd.DataFrame(rows)


def random_sets(units, size, count=5, seed=0, without=()):
    """``count`` sets of ``size`` of ``units`` units drawn at random, none of them of ``without``: the controls.

    ``units`` is how many there are.  Single draws mislead: five at least.  ValueError if there are too few units.
    """
    free = torch.tensor([u for u in range(units) if u not in set(map(int, without))])
    if not 1 <= size <= len(free):
        raise ValueError(f"sets of {size} cannot be drawn from {len(free)} units")
    chance = torch.Generator().manual_seed(seed)
    return [free[torch.randperm(len(free), generator=chance)[:size]].tolist() for _ in range(count)]


def insertions(generator, layer, units, z, see, classes, concept, values, boxes, strength=1.0, batch_size=64):
    """A concept inserted at each box of each picture: DataFrame, a row per try.

    Boxes that show ``concept`` already are no tries.  Columns: code, the row of z; box, its number; context, the concept
    that covers most of the box before; filled, the share of the box that is ``concept`` after; pixels, the box after,
    a tensor (3, h, w).  ValueError as `insert`, and for an unknown concept.
    """
    import pandas as pd

    if concept not in list(classes):
        raise ValueError(f"no concept {concept!r}; there are {', '.join(classes)}")
    c, found = list(classes).index(concept), []
    for start in range(0, len(z), batch_size):
        q = z[start:start + batch_size]
        before = see(ablate(generator, layer, (), q))
        for b, box in enumerate(boxes):
            coverage(box, before.shape[2:])
            top, left, bottom, right = box
            pictures = insert(generator, layer, units, q, box, values, strength)
            old, new = (m[:, :, top:bottom, left:right].double().mean((2, 3)) for m in (before, see(pictures)))
            found += [{"code": start + i, "box": b, "context": classes[int(old[i].argmax())], "filled": new[i, c].item(),
                       "pixels": pictures[i, :, top:bottom, left:right].clone()} for i in range(len(q)) if old[i, c] == 0]
    return pd.DataFrame(found, columns=["code", "box", "context", "filled", "pixels"])


def contexts(generator, layer, units, z, see, classes, concept, values, boxes, strength=1.0, least=0.25, batch_size=64):
    """Which surroundings accept a concept?  The `insertions`, counted: DataFrame, a row per context.

    Columns: context, tries, accepted (the share of the tries after which the concept covers ``least`` of the box or
    more), filled (its mean share of the box), error (the standard error of ``accepted``).  A refusal may be ``see``'s own:
    show it the same pixels, and true ones, pasted there.
    """
    table = insertions(generator, layer, units, z, see, classes, concept, values, boxes, strength, batch_size)
    table["accepted"] = (table.filled >= least).astype(float)
    table = table.groupby("context").agg(tries=("filled", "size"), accepted=("accepted", "mean"),
                                         filled=("filled", "mean")).reset_index()
    table["error"] = (table.accepted * (1 - table.accepted) / table.tries) ** 0.5
    return table.sort_values("tries", ascending=False, kind="stable").reset_index(drop=True)
