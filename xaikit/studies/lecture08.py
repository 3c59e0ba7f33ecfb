"""Longer runs of lecture 08: what every unit of the generator does, and which sets of units do most."""
import pandas as pd

from .. import data, dissect, evaluate, zoo
from ..zoo.recipes import RECIPES
from . import study
from .dissected import best_units, generator, generator_table

LAYER = "block8"


def parts():
    """The generator, what sees masks in its pictures, the concepts, and the units' table at `LAYER`."""
    return *generator(), generator_table(LAYER)


def _kept(file, make):
    """What ``make()`` returns, from ``file`` where it was finished before."""
    if not file.exists():
        part = file.with_suffix(".part")
        make().to_csv(part, index=False)
        part.replace(file)
    return pd.read_csv(file)


@study("08", "effects", minutes=2)
def effects(folder, progress):
    """What switching off each unit of block8 does to the area of every object, over 60 codes."""
    from tqdm.auto import tqdm

    generator, see, concepts, _ = parts()
    z, blocks = generator.codes(60, seed=31), []
    for first in tqdm(range(0, 96, 16), desc="units", unit="16 units", disable=not progress):
        blocks.append(_kept(folder / f"{first}.csv", lambda f=first: dissect.causal_effect(
            generator, LAYER, range(f, f + 16), z, see, concepts)))
    return pd.concat(blocks)[["unit", "concept", "before", "ablated", "effect", "error", "change"]]


@study("08", "greedy", minutes=5)
def greedy(folder, progress, concepts=("crown", "cloud", "wall", "door")):
    """How much of an object goes with its units chosen greedily, by IoU, and at random (five draws).

    Chosen on 32 codes among the 16 of the largest IoU; measured on 60 others.
    """
    from tqdm.auto import tqdm

    bar = tqdm(concepts, desc="objects", disable=not progress)
    return pd.concat([_kept(folder / f"{c}.csv", lambda c=c: _orders(c)) for c in bar])


def _orders(concept, most=8):
    generator, see, concepts, table = parts()
    by_iou = best_units(table, concept, 16).unit.tolist()
    chosen = dissect.greedy(generator, LAYER, by_iou, generator.codes(32, seed=32), see, concepts, concept, size=most).unit.tolist()
    orders = [("greedy", k, chosen[:k]) for k in range(1, most + 1)] + [("IoU", k, by_iou[:k]) for k in range(1, most + 1)]
    for draw, units in enumerate(dissect.random_sets(table.unit.nunique(), most, 5, seed=33, without=by_iou)):
        orders += [(f"random {draw + 1}", k, units[:k]) for k in (1, 2, 4, 8)]
    z = generator.codes(60, seed=34)
    found = dissect.causal_effect(generator, LAYER, [units for *_, units in orders], z, see, concepts)
    found = found[found.concept == concept].reset_index(drop=True)
    return pd.DataFrame({"concept": concept, "order": [o for o, *_ in orders], "size": [k for _, k, _ in orders],
                         "units": [" ".join(map(str, u)) for *_, u in orders], "change": found.change})


def features(pictures):
    """Means of the last maps of scenes-cnn, (N, 64): what Fréchet distances are measured in."""
    network = zoo.load("scenes-cnn")
    return network.features(pictures).mean((2, 3))


@study("08", "artefacts", minutes=9)
def artefacts(folder, progress, layer="block16", most=8):
    """What removing units of block16 does to the Fréchet distance to 1,000 real scenes.

    First each unit alone, over 150 codes; then the best of them together, and as many drawn at random, on 400 others.
    Last, on four further draws of 150 codes, each of the best alone again, and each of as many drawn from the rest.
    """
    import torch
    from tqdm.auto import tqdm

    generator, real = parts()[0], data.scenes(1000, seed=35, masks=False).images
    with torch.no_grad():
        real = torch.cat([features(x) for x in real.split(100)])

    def measured(units, codes):
        return dissect.artefacts(generator, layer, codes, real, features, evaluate.frechet_distance, units, folds=1)

    alone = []
    for first in tqdm(range(0, 64, 8), desc="units", unit="8 units", disable=not progress):
        alone.append(_kept(folder / f"{first}.csv",
                           lambda f=first: measured(range(f, f + 8), generator.codes(150, seed=36))))
    alone = pd.concat(alone).sort_values("change", kind="stable").assign(removed="one unit", size=1)
    best = alone.unit.tolist()[:most]
    orders = [("best first", best[:k]) for k in (1, 2, 4, most)]
    orders += [(f"random {d + 1}", u) for d, u in enumerate(dissect.random_sets(64, most, 5, seed=37, without=best))]

    def together():
        found = measured([tuple(u) for _, u in orders], generator.codes(400, seed=38))
        found["unit"] = [" ".join(map(str, u)) for u in found.unit]
        names = {" ".join(map(str, u)): (name, len(u)) for name, u in orders}
        return found.assign(removed=[names[u][0] for u in found.unit], size=[names[u][1] for u in found.unit])

    rest = dissect.random_sets(64, most, 1, seed=39, without=best)[0]
    again = [_kept(folder / f"again{d}.csv", lambda d=d: measured(best + rest, generator.codes(150, seed=100 + d)).assign(
        removed=f"again {d}", size=1)) for d in tqdm(range(1, 5), desc="other codes", unit="draw", disable=not progress)]
    found = [alone, _kept(folder / "together.csv", together), *again]
    return pd.concat(found)[["removed", "size", "unit", "distance", "change"]]


CONTROL = "scenes-gan further"


@study("08", "directions", minutes=25)
def directions(folder, progress, k=6, codes=24):
    """How disentangled SeFa's, principal and random directions and latent axes are, five draws of codes, with a control.

    The generators are scenes-gan, the same trained further with the Hessian penalty, and, as its control, trained
    further just so without it; distance (Fréchet) and penalty are those that a card states.
    """
    from tqdm.auto import tqdm

    names = ("scenes-gan", "scenes-gan-hessian", CONTROL)
    jobs = [(g, kind, seed) for g in names for kind in ("SeFa", "principal", "random", "latent axes") for seed in range(5)]
    further = zoo.train("scenes-gan-hessian", progress=progress, checkpoint=folder / "control.pt", hessian=0.0)
    quality = _kept(folder / "quality.csv", lambda: pd.DataFrame([_quality(g, further) for g in names]))
    bar = tqdm(jobs, desc="directions", disable=not progress)
    rows = pd.concat([_kept(folder / f"{g}-{kind}-{s}.csv", lambda g=g, kind=kind, s=s: _disentangled(
        g, further if g == CONTROL else zoo.load(g), kind, s, k, codes)) for g, kind, s in bar])
    return rows.merge(quality, on="generator")


def _quality(name, further):
    if name != CONTROL:
        return {"generator": name, "distance": zoo.card(name)["score"], "penalty": zoo.card(name)["hessian_penalty"]}
    recipe = RECIPES["scenes-gan-hessian"]
    test = recipe.test()
    return {"generator": name, "distance": recipe.measure(further, test),
            "penalty": recipe.facts(further, test)["hessian_penalty"]}


def _disentangled(name, generator, kind, seed, k, codes):
    import torch

    _, see, concepts, _ = parts()
    chance = torch.Generator().manual_seed(seed)
    if kind == "SeFa":
        found = dissect.sefa(generator, k)[0]
    elif kind == "principal":
        found = dissect.principal(generator, "block8", generator.codes(400, seed=39 + seed), k)[0]
    elif kind == "random":
        found = torch.linalg.qr(torch.randn(generator.latent, k, generator=chance))[0].T
    else:
        found = torch.eye(generator.latent)[torch.randperm(generator.latent, generator=chance)[:k]]
    effect, _ = dissect.moves(generator, generator.codes(codes, seed=50 + seed), found, see, concepts)
    one, all_of = dissect.disentanglement(effect)
    return pd.DataFrame([{"generator": name, "directions": kind, "seed": seed, "disentanglement": one, "completeness": all_of,
                          "effect": effect.mean().item()}])


@study("08", "inversion", minutes=3)
def inversion(folder, progress, scenes=8):
    """How near the nearest picture that the generator can draw comes to each of eight held-back scenes."""
    from tqdm.auto import tqdm

    generator, real = parts()[0], data.scenes(12, seed=99, masks=False).images

    def nearest(i):
        found = dissect.invert(generator, real[i:i + 1], features, steps=150, starts=2, lr=0.1, weight=0.1)
        return pd.DataFrame([{"scene": i, "pixel": found.pixel, "feature": found.feature, "start": found.start}])

    bar = tqdm(range(scenes), desc="scenes", disable=not progress)
    return pd.concat([_kept(folder / f"{i}.csv", lambda i=i: nearest(i)) for i in bar])
