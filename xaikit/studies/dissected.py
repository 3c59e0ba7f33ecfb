"""Lecture 08's own runs, each made once: the notebook shows them and the claims read them."""
import functools

import torch

from .. import data, dissect, zoo

LAYERS = {"features.1": "1", "features.4": "2", "features.7": "3", "features.10": "4", "features.13": "5"}
BLOCKS = ("block4", "block8", "block16", "block32")
GRID = tuple((y, x, y + 16, x + 16) for y in (0, 16, 32, 48) for x in (0, 32))
INSERTED, STRENGTH = ("crown", "cloud", "path", "door", "wall"), 2.0


@functools.cache
def scenes():
    return data.scenes(120, seed=21)


@functools.cache
def generator():
    """The generator, what sees masks in its pictures, and the concepts' names."""
    concepts = data.scenes(1).mask_names
    return zoo.load("scenes-gan"), dissect.seen_by(zoo.load("scenes-segmenter"), concepts), concepts


@functools.cache
def classifier_table(layer, turned=None):
    """`dissect.units` of a layer of scenes-cnn on 120 scenes: of its units, or (``turned``: a seed) of random directions."""
    classifier = zoo.load("scenes-cnn")
    width = {"features.1": 16, "features.4": 32, "features.7": 48, "features.10": 64, "features.13": 64}[layer]
    basis = None if turned is None else dissect.rotation(width, seed=turned)
    return dissect.units(classifier, layer, scenes(), quantile=0.99, size=32, basis=basis, progress=False)


@functools.cache
def generator_table(block):
    """`dissect.units` of a block of the generator on 160 codes, thresholds by the information-quality ratio."""
    net, see, concepts = generator()
    return dissect.units(net, block, net.codes(160, seed=8), see, concepts, quantile="iqr", size=32, progress=False)


def best_units(table, concept, count):
    """The units of the largest IoU with the concept, the best first: rows of the table."""
    return table[table.concept == concept].sort_values("iou", ascending=False, kind="stable").head(count)


@functools.cache
def ablations(count=40):
    """Relative change of every object's area without the eight best units of an object, or eight random ones, in block8.

    DataFrame, a row for each set: crown, cloud, sun, wall, and five random sets; a column for each object.
    """
    net, see, concepts = generator()
    table = generator_table("block8")
    sets = {c: best_units(table, c, 8).unit.tolist() for c in ("crown", "cloud", "sun", "wall")}
    chance = dissect.random_sets(96, 8, 5, seed=4, without=sets["crown"])
    sets |= {f"random {i + 1}": units for i, units in enumerate(chance)}
    found = dissect.causal_effect(net, "block8", list(sets.values()), net.codes(count, seed=8), see, concepts)
    found["switched off"] = [name for name in sets for _ in concepts]
    return found.pivot(index="switched off", columns="concept", values="change").loc[list(sets)]


def insert(concept, z, box, count=8):
    """Pictures of codes z with the ``count`` best units of a concept switched on in a box, in block8."""
    units = best_units(generator_table("block8"), concept, count)
    value = torch.tensor(units.inside.to_numpy(), dtype=torch.float32)
    return dissect.insert(generator()[0], "block8", units.unit.tolist(), z, box, value, STRENGTH)


@functools.cache
def tries(count=16):
    """`dissect.contexts` of five objects in block8: eight boxes of 16 × 16 pixels in each of ``count`` pictures."""
    import pandas as pd

    net, see, concepts = generator()
    found = []
    for concept in INSERTED:
        units = best_units(generator_table("block8"), concept, 8)
        found.append(dissect.contexts(net, "block8", units.unit.tolist(), net.codes(count, seed=8), see, concepts, concept,
                                      units.inside.tolist(), GRID, strength=STRENGTH).assign(inserted=concept))
    return pd.concat(found)


@functools.cache
def inverted():
    """The code of a held-back scene: (the scene (1, 3, 64, 64), `dissect.Inversion`)."""
    from .lecture08 import features

    target = data.scenes(12, seed=99, masks=False).images[1:2]
    return target, dissect.invert(generator()[0], target, features, steps=150, starts=2, lr=0.1, weight=0.1)


@functools.cache
def off_diagonal(name, codes=8):
    """Variance of vᵀHv (12 signs) for the mean brightness of a generator's pictures, at each of some codes: (codes,)."""
    net = zoo.load(name)
    v = torch.randint(0, 2, (12, net.latent), generator=torch.Generator().manual_seed(0)) * 2.0 - 1
    with torch.no_grad():
        rows = torch.stack([torch.cat([z + 0.1 * v, z[None], z - 0.1 * v]) for z in net.codes(codes, seed=61)])
        y = net(rows.flatten(0, 1)).mean((1, 2, 3)).view(codes, -1)
    return ((y[:, :12] - 2 * y[:, 12:13] + y[:, 13:]) / 0.01).var(1)
