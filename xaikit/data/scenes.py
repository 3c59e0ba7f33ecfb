"""Small landscapes drawn on the fly, with a mask of everything in them that is right to the pixel.

A painter's algorithm: objects are signed distances (negative inside), painted from the sky to the trees; what is painted
later hides what was there.  A pixel belongs to the last object whose inside holds its centre, so that the twelve masks
divide the picture between them.
"""
from types import SimpleNamespace

import numpy as np
import torch

from .dataset import Dataset, check_count, check_size

OBJECTS = ["sky", "cloud", "sun", "mountain", "grass", "path", "wall", "roof", "door", "window", "trunk", "crown"]
CLASSES = ["nothing", "house", "trees", "house with trees"]
_CHUNK = 256  # scenes drawn from one stream of random numbers
_SKIES = {"blue": ((.22, .47, .88), (.70, .86, .99)), "pale": ((.42, .62, .90), (.90, .94, .97)),
          "sunset": ((.46, .34, .62), (.99, .69, .42))}
_KINDS = ["round", "pointed"]


def scenes(n, size=64, seed=0, masks=True):
    """``n`` drawn landscapes: images (n, 3, size, size), masks (n, 12, size, size) of what is *visible* where.

    Labels: which of the two kinds of object stand on the grass — 0 nothing, 1 house, 2 trees, 3 house with trees.  For
    a network with one output per object use ``masks.flatten(2).any(2)``.  ``factors`` has a row per scene: what was
    drawn and where, in fractions of the picture (x to the right, y down; NaN for what is absent); a house or tree stands
    on its y.  The sky's colour and the sun, clouds and mountains say nothing about the label.
    The first k of n scenes are the same for every n, and the same scenes at every ``size``.
    ``masks=False`` leaves the masks (12 bytes a pixel) away, where many scenes are only looked at.
    """
    check_count(n)
    check_size(size, 16)
    import pandas as pd

    pictures, where, tables = np.empty((n, 3, size, size), np.float32), np.empty((n, size, size), np.uint8), []
    for start in range(0, n, _CHUNK):
        rng = np.random.default_rng([seed, start // _CHUNK])
        table = {k: v[:n - start] for k, v in _draw(rng).items()}
        k = min(_CHUNK, n - start)
        picture, where[start:start + k] = _paint(table, size, rng)
        pictures[start:start + k] = picture.transpose(0, 3, 1, 2)
        tables.append(pd.DataFrame(_visible(table)))
    factors = pd.concat(tables, ignore_index=True)
    labels = factors.house.to_numpy().astype(np.int64) + 2 * (factors.trees.to_numpy() > 0)
    found = None
    if masks:
        found = torch.from_numpy(where)[:, None] == torch.arange(len(OBJECTS), dtype=torch.uint8)[:, None, None]
    return Dataset(images=torch.from_numpy(pictures), labels=torch.from_numpy(labels), classes=list(CLASSES),
                   masks=found, mask_names=list(OBJECTS) if masks else [], factors=factors, name="scenes")


def _draw(rng):
    """All that is decided about _CHUNK scenes, as columns (_CHUNK,); also about what will not be drawn."""
    m = _CHUNK

    def u(low, high):
        return rng.uniform(low, high, m)

    t = {"horizon": u(.5, .66), "sky": np.array(list(_SKIES))[rng.integers(3, size=m)],
         "sun": rng.random(m) < .5, "sun_x": u(.1, .9), "sun_y": u(.1, .3), "sun_size": u(.06, .1),
         "mountains": rng.integers(0, 3, m), "clouds": rng.integers(0, 3, m), "house": rng.random(m) < .5,
         "house_x": u(.25, .75), "house_width": u(.26, .4), "house_height": u(.2, .28), "roof_height": u(.11, .18)}
    t["house_y"] = t["horizon"] + u(.06, .16)
    t["path"], t["windows"] = t["house"] & (rng.random(m) < .6), t["house"] & (rng.random(m) < .8)
    t["trees"], t["tree_kind"] = rng.choice(3, m, p=[.5, .28, .22]), np.array(_KINDS)[rng.integers(2, size=m)]
    for k in (1, 2):
        t |= {f"mountain{k}_x": u(0, 1), f"mountain{k}_width": u(.5, .9), f"mountain{k}_height": u(.12, .3),
              f"cloud{k}_x": u(.1, .9), f"cloud{k}_y": u(.08, .3), f"cloud{k}_width": u(.09, .15),
              f"tree{k}_x": u(.06, .94), f"tree{k}_size": u(.8, 1.25)}
        ground, near = t["horizon"] + u(.08, .26), t["house_y"] + u(.01, .1)
        t[f"tree{k}_y"] = np.where(t["house"], np.maximum(ground, near), ground)  # in front of the house, never on it
    swap = (t["trees"] == 2) & (t["tree1_y"] > t["tree2_y"])  # the farther tree is painted first
    for what in ("_x", "_size", "_y"):
        a, b = t["tree1" + what], t["tree2" + what]
        t["tree1" + what], t["tree2" + what] = np.where(swap, b, a), np.where(swap, a, b)
    t["_wave"], t["_phase"], t["_lean"] = u(4, 12), u(0, 6), u(-.5, .5)
    t["_top"], t["_bottom"] = (np.array([_SKIES[s][i] for s in t["sky"]]) + rng.normal(0, .03, (m, 3)) for i in (0, 1))
    for name, spread, choices in (
            ("sun", .02, [(1, .9, .3)]), ("mountain", .03, [(.5, .55, .65), (.55, .5, .5), (.45, .48, .58)]),
            ("cloud", .01, [(.97, .97, .97)]), ("grass", .03, [(.35, .65, .25), (.5, .7, .3), (.6, .65, .3)]),
            ("path", .02, [(.85, .75, .55), (.7, .65, .6)]),
            ("wall", .03, [(.9, .85, .75), (.8, .5, .4), (.85, .8, .5), (.75, .8, .9)]),
            ("roof", .03, [(.6, .2, .15), (.4, .25, .2), (.35, .35, .42)]),
            ("door", .02, [(.35, .2, .1), (.15, .3, .25), (.5, .1, .1)]), ("window", .02, [(.2, .3, .5), (.95, .9, .5)]),
            ("trunk", .03, [(.4, .26, .13)]), ("crown", .03, [(.1, .35, .15), (.15, .42, .12), (.3, .42, .1)])):
        picked = np.array(choices)[rng.integers(len(choices), size=m)]
        t["_" + name] = np.clip(picked + rng.normal(0, spread, (m, 3)), 0, 1)
    return t


def _visible(t):
    """The table that users see: no private columns, NaN for what was not drawn."""
    absent = {"sun": ~t["sun"], "house": ~t["house"], "roof": ~t["house"]}
    for k in (1, 2):
        absent |= {f"{one}{k}": t[one + "s"] < k for one in ("mountain", "cloud", "tree")}
    out = {}
    for name, column in t.items():
        owner = name.split("_")[0]
        if name.startswith("_"):
            continue
        if name == "tree_kind":
            column = np.where(t["trees"] > 0, column, None)
        elif "_" in name and owner in absent:
            column = np.where(absent[owner], np.nan, column)
        out[name] = column
    return out


def _paint(t, size, rng):
    """Pictures (k, size, size, 3) float32 in [0, 1] and labels (k, size, size) uint8 of the k rows of ``t``."""
    k = len(t["horizon"])
    noise = rng.standard_normal((k, size, size, 5), np.float32)  # scene by scene, so that k does not matter
    centre = (np.arange(size, dtype=np.float32) + .5) / size
    y, x = centre[None, :, None], centre[None, None, :]
    blend = np.clip(y / _column(t["horizon"]), 0, 1)[..., None]
    picture = _column(t["_top"]) * (1 - blend) + _column(t["_bottom"]) * blend
    picture = np.broadcast_to(picture, (k, size, size, 3)).copy()
    label = np.zeros((k, size, size), np.uint8)

    def paint(name, on, distance, shade=None):
        """Where ``on`` (k,), paint the object whose distance is ``distance(q)``; ``q`` holds the columns of ``t``."""
        rows = np.flatnonzero(on)
        if not len(rows):
            return
        q = SimpleNamespace(**{c: _column(v[rows]) for c, v in t.items() if v.dtype.kind in "fi" and v.ndim == 1})
        d = np.broadcast_to(distance(q), (len(rows), size, size))
        colour = _column(t["_" + name][rows])
        if shade is not None:
            colour = colour * shade(q, rows)[..., None]
        cover = np.clip(.5 - d * size, 0, 1)[..., None]  # the border is one pixel wide
        picture[rows] += cover * (colour - picture[rows])
        label[rows] = np.where(d < 0, np.uint8(OBJECTS.index(name)), label[rows])

    def rough(channel, much):
        return lambda q, rows: 1 + much * noise[rows, :, :, channel]

    paint("sun", t["sun"], lambda q: _ellipse(x - q.sun_x, y - q.sun_y, q.sun_size, q.sun_size))
    for i in (1, 2):
        paint("mountain", t["mountains"] >= i, lambda q, i=i: _triangle(
            x - getattr(q, f"mountain{i}_x"), y - q.horizon - .02, getattr(q, f"mountain{i}_width") / 2,
            getattr(q, f"mountain{i}_height")), lambda q, rows, i=i: np.full((1, 1, 1), 1.12 - .12 * i, np.float32))
    for i in (1, 2):
        paint("cloud", t["clouds"] >= i, lambda q, i=i: _cloud(
            x - getattr(q, f"cloud{i}_x"), y - getattr(q, f"cloud{i}_y"), getattr(q, f"cloud{i}_width")))
    paint("grass", np.ones(k, bool), lambda q: q.horizon - y + .012 * np.sin(x * q._wave + q._phase),
          lambda q, rows: (1.1 - .35 * (y - q.horizon) / (1 - q.horizon)) * (1 + .03 * noise[rows, :, :, 0]))
    house = t["house"]
    paint("path", t["path"], lambda q: np.maximum(
        q.house_y - .01 - y, np.abs(x - q.house_x - (y - q.house_y) * q._lean) - .045 - (y - q.house_y) * .22))
    paint("wall", house, lambda q: _box(x - q.house_x, y - q.house_y + q.house_height / 2, q.house_width / 2,
                                        q.house_height / 2))
    paint("roof", house, lambda q: _triangle(x - q.house_x, y - q.house_y + q.house_height - .005, q.house_width * .625,
                                             q.roof_height))
    paint("door", house, lambda q: _box(x - q.house_x, y - q.house_y + q.house_height * .31, q.house_width * .12,
                                        q.house_height * .31))
    for side in (-1, 1):
        paint("window", t["windows"], lambda q, side=side: _box(
            x - q.house_x - side * q.house_width * .31, y - q.house_y + q.house_height * .61, q.house_width * .1,
            q.house_height * .19))
    pointed = t["tree_kind"] == "pointed"
    for i in (1, 2):
        def place(q, i=i):
            s = getattr(q, f"tree{i}_size")
            return x - getattr(q, f"tree{i}_x"), y - getattr(q, f"tree{i}_y"), s

        def trunk(q):
            dx, dy, s = place(q)
            return _box(dx, dy + .065 * s, .022 * s, .065 * s)

        paint("trunk", t["trees"] >= i, trunk)
        paint("crown", (t["trees"] >= i) & ~pointed, lambda q: _round(*place(q)), rough(1, .04))
        paint("crown", (t["trees"] >= i) & pointed, lambda q: _pointed(*place(q)), rough(1, .04))
    picture += .006 * noise[..., 2:]
    return np.clip(picture, 0, 1, out=picture), label


def _column(values):
    """(k,) or (k, 3) to what broadcasts over the pixels of k scenes."""
    return values.astype(np.float32)[:, None, None]



# Signed distances: negative inside, in fractions of the picture; dx, dy from the object's own origin.

def _ellipse(dx, dy, rx, ry):
    """Exact for a circle, right in sign and near the border for an ellipse."""
    return (np.hypot(dx / rx, dy / ry) - 1) * np.minimum(rx, ry)


def _box(dx, dy, half_width, half_height):
    return np.maximum(np.abs(dx) - half_width, np.abs(dy) - half_height)


def _triangle(dx, dy, half_width, height):
    """Apex up; the middle of its base is the origin."""
    side = (np.abs(dx) * height - (dy + height) * half_width) / np.hypot(half_width, height)
    return np.maximum(dy, side)


def _cloud(dx, dy, w):
    parts = [_ellipse(dx, dy, w, w * .5), _ellipse(dx + w * .7, dy - w * .15, w * .7, w * .38),
             _ellipse(dx - w * .7, dy - w * .15, w * .7, w * .38)]
    return np.minimum.reduce(parts)


def _round(dx, dy, s):
    parts = [_ellipse(dx, dy + .22 * s, .11 * s, .12 * s), _ellipse(dx + .06 * s, dy + .18 * s, .08 * s, .08 * s),
             _ellipse(dx - .06 * s, dy + .18 * s, .08 * s, .08 * s)]
    return np.minimum.reduce(parts)


def _pointed(dx, dy, s):
    return np.minimum(_triangle(dx, dy + .11 * s, .11 * s, .22 * s), _triangle(dx, dy + .22 * s, .085 * s, .19 * s))
