"""Lecture 08's own runs, each made once: the notebook shows them and the claims read them."""
import functools

import torch
import torch.nn.functional as F

from .. import data, dissect, zoo

LAYERS = {"features.1": "1", "features.4": "2", "features.7": "3", "features.10": "4", "features.13": "5"}
BLOCKS = ("block4", "block8", "block16", "block32")
GRID = tuple((y, x, y + 16, x + 16) for y in (0, 16, 32, 48) for x in (0, 32))
INSERTED, STRENGTH = ("crown", "cloud", "path", "door", "wall"), 2.0
LEAST = 0.25  # of a box: then an object counts as accepted


@functools.cache
def scenes():
    return data.scenes(120, seed=21)


@functools.cache
def generator():
    """The generator, what sees masks in its pictures, and the concepts' names."""
    concepts = data.scenes(1).mask_names
    return zoo.load("scenes-gan"), dissect.seen_by(zoo.load("scenes-segmenter"), concepts), concepts


@functools.cache
def classifier_table(layer, turned=None, untrained=None, pooled=1):
    """`dissect.units` of a layer of scenes-cnn on 120 scenes: of its units, of random directions (``turned``: a seed), or
    of the units of a network of the same build before it has learned (``untrained``: a seed); ``pooled``: its maps
    averaged over squares of so many places a side."""
    from .scene_noise import network

    classifier = zoo.load("scenes-cnn") if untrained is None else network("untrained", untrained)
    width = {"features.1": 16, "features.4": 32, "features.7": 48, "features.10": 64, "features.13": 64}[layer]
    basis = None if turned is None else dissect.rotation(width, seed=turned)
    if pooled > 1:
        below = classifier.features[:int(layer.removeprefix("features.")) + 1]
        classifier, layer = torch.nn.Sequential(below, torch.nn.AvgPool2d(pooled)), "1"
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


def _patches(pictures):
    """Every pixel's colours with those of its eight neighbours: (N, 3, H, W) → (N · H · W, 27)."""
    return F.unfold(F.pad(pictures, (1, 1, 1, 1), mode="reflect"), 3).transpose(1, 2).flatten(0, 1)


@functools.cache
def _examples(count=300):
    """``count`` pixels of each object in `scenes()`: their patches (12 · count, 27) and objects (12 · count,)."""
    chance, patches = torch.Generator().manual_seed(0), _patches(scenes().images)
    there = [m.flatten().nonzero()[:, 0] for m in scenes().masks.transpose(0, 1)]
    picked = torch.cat([t[torch.randperm(len(t), generator=chance)[:count]] for t in there])
    return patches[picked], torch.arange(len(there)).repeat_interleave(count)


def by_pixels(pictures, nearest=5):
    """Masks (N, 12, H, W) bool of pictures: a pixel is what most of the five examples are whose 3 × 3 colours are nearest.

    A judge that knows no place and no surroundings.
    """
    patches, objects = _examples()
    votes = [objects[torch.cdist(p, patches).topk(nearest, largest=False).indices].mode(1).values
             for p in _patches(pictures).split(8192)]
    masks = F.one_hot(torch.cat(votes), 12).bool().view(len(pictures), *pictures.shape[2:], 12)
    return masks.permute(0, 3, 1, 2)


@functools.cache
def attempts(count=16):
    """`dissect.insertions` of five objects in block8, eight boxes of 16 × 16 pixels in each of ``count`` pictures.

    Further columns: inserted, the object; alone, the share of the box that is the object by `by_pixels`, which is shown
    the box alone.
    """
    import pandas as pd

    net, see, concepts = generator()
    found = []
    for concept in INSERTED:
        units = best_units(generator_table("block8"), concept, 8)
        rows = dissect.insertions(net, "block8", units.unit.tolist(), net.codes(count, seed=8), see, concepts, concept,
                                  units.inside.tolist(), GRID, strength=STRENGTH)
        alone = by_pixels(torch.stack(list(rows.pixels)))[:, concepts.index(concept)].float().mean((1, 2))
        found.append(rows.assign(inserted=concept, alone=alone.numpy()))
    return pd.concat(found, ignore_index=True)


def tries():
    """The `attempts` counted: DataFrame, a row per object and context; accepted by the segmenter, alone by the pixels."""
    rows = attempts()
    rows = rows.assign(tries=1, accepted=rows.filled >= LEAST, alone=rows.alone >= LEAST)
    return rows.groupby(["inserted", "context"]).agg(
        {"tries": "sum", "accepted": "mean", "alone": "mean"}).reset_index()


@functools.cache
def pasted():
    """What the segmenter says of the same pixels elsewhere: DataFrame, a row per object, shares accepted.

    Columns: moved up, boxes accepted on grass and pasted into the sky; moved down, boxes refused in the sky and pasted on
    grass (NaN if fewer than ten); true up, true down: objects cut from drawn scenes, pasted in the sky and on grass.
    """
    import pandas as pd

    net, see, concepts = generator()
    with torch.no_grad():
        pictures = net(net.codes(16, seed=8))
    chance, found = torch.Generator().manual_seed(0), {}

    def share(patches, shapes, places, c):
        """Of patches (T, 3, 16, 16), each pasted in one of the places, a quarter or more is seen as object c."""
        if len(patches) < 10:
            return float("nan")
        named = []
        for patch, shape, i in zip(patches, shapes, torch.randint(len(places), (len(patches),), generator=chance), strict=True):
            place = places.iloc[int(i)]
            (top, left, bottom, right), picture = GRID[place.box], pictures[place.code].clone()
            box = picture[:, top:bottom, left:right]
            box.copy_(torch.where(shape, patch, box))
            named.append((see(picture[None])[0, c, top:bottom, left:right] & shape).sum() / shape.sum())
        return (torch.stack(named) >= LEAST).float().mean().item()

    for concept in INSERTED:
        c, rows = concepts.index(concept), attempts().query("inserted == @concept")
        grass, sky = (rows[rows.context == where] for where in ("grass", "sky"))
        true = _cut_out(concept)
        came, refused = (list(r.pixels) for r in (grass[grass.filled >= LEAST], sky[sky.filled < LEAST]))
        whole = torch.ones(16, 16, dtype=torch.bool)
        found[concept] = {"moved up": share(came, [whole] * len(came), sky, c),
                          "moved down": share(refused, [whole] * len(refused), grass, c),
                          "true up": share(*true, sky, c), "true down": share(*true, grass, c)}
    return pd.DataFrame(found).T


def _cut_out(concept):
    """From each of 60 other scenes that shows it, the 16 × 16 pixels with most of the object: pixels (T, 3, 16, 16) and
    which of them it is, (T, 16, 16) bool."""
    real = data.scenes(60, seed=88)
    masks = real.masks[:, real.mask_names.index(concept)]
    most = F.avg_pool2d(masks[:, None].float(), 16, stride=1)[:, 0]
    cut = [(image[:, y:y + 16, x:x + 16], mask[y:y + 16, x:x + 16]) for image, mask, m in zip(real.images, masks, most, strict=True)
           if m.max() > 0 for y, x in [divmod(int(m.argmax()), m.shape[1])]]
    return torch.stack([c[0] for c in cut]), torch.stack([c[1] for c in cut])


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
