"""Circles and polygons whose outline, edges and corners are known to the pixel."""
import numpy as np
import torch

from .dataset import Dataset, check_count, check_size, check_split

_CHUNK = 64  # pictures drawn from one stream of random numbers
_SHAPES = 4  # at most, in one picture
_SIDES = 8  # at most, of one polygon
_TRIES = 40  # places tried for a shape before it is left away
_SPLITS = ("train", "test")


def shapes(n, size=102, split="train", seed=0):
    """``n`` grey pictures (n, 1, size, size) of one to four circles (label 0) or convex polygons (label 1).

    Polygons have 3–8 unequal sides and any rotation; shapes are filled or outlined, lighter or darker than what is
    behind them, and do not touch.  Lengths are in pixels of a 102-pixel picture and grow with ``size``.
    ``masks`` (n, 3, size, size): "shape", pixels whose centre lies within an outline, filled or not; "edge", within
    1.5 of a border of what was drawn; "corner", pixels of an edge within 4 of a polygon's corner (none for circles).
    ``factors``: per picture and shape x, y, radius (of the circle its corners lie on), sides (0: a circle), filled.
    The first k of n pictures are the same for every n; "train" and "test" are drawn from different streams.
    """
    check_count(n)
    check_size(size, 24)
    check_split(split, _SPLITS)
    import pandas as pd

    pictures, masks = np.empty((n, 1, size, size), np.float32), np.empty((n, 3, size, size), bool)
    labels, tables = np.empty(n, np.int64), []
    for start in range(0, n, _CHUNK):
        rows = slice(start, min(start + _CHUNK, n))
        rng = np.random.default_rng([seed, _SPLITS.index(split), start // _CHUNK])
        drawn = {k: v[:n - start] for k, v in _draw(rng).items()}
        labels[rows] = drawn["polygon"]
        pictures[rows, 0], masks[rows] = _paint(drawn, size, rng)
        tables.append(pd.DataFrame(_table(drawn)))
    return Dataset(images=torch.from_numpy(pictures), labels=torch.from_numpy(labels), classes=["circle", "polygon"],
                   masks=torch.from_numpy(masks), mask_names=["shape", "edge", "corner"],
                   factors=pd.concat(tables, ignore_index=True), name=f"shapes ({split})")


def _draw(rng):
    """What is in _CHUNK pictures: arrays (_CHUNK,) or (_CHUNK, _SHAPES[, 2]), in pixels of a 102-pixel picture."""
    m = _CHUNK
    radius = rng.uniform(11, 22, (m, _SHAPES))
    on = np.arange(_SHAPES) < rng.integers(1, _SHAPES + 1, m)[:, None]
    centre = np.zeros((m, _SHAPES, 2))
    for s in range(_SHAPES):
        room = radius[:, s, None, None] + 3
        tried = rng.uniform(room, 102 - room, (m, _TRIES, 2))
        gap = np.linalg.norm(tried[:, :, None] - centre[:, None, :s], axis=-1) - radius[:, None, :s] - radius[:, s, None, None]
        free = ((gap > 6) | ~on[:, None, :s]).all(-1)
        on[:, s] &= free.any(1)
        centre[:, s] = tried[np.arange(m), free.argmax(1)]
    sides = rng.integers(3, _SIDES + 1, (m, _SHAPES))
    place = np.arange(_SIDES + 1) % sides[..., None]  # after the last corner the first again
    wobble = np.take_along_axis(rng.uniform(-.22, .22, (m, _SHAPES, _SIDES + 1)), place, -1)
    behind = rng.uniform(.05, .95, m)
    contrast = rng.uniform(.35, .75, m)
    dark = np.where(rng.random(m) < .5, behind - contrast > 0, behind + contrast > 1)
    ink = np.clip(behind + np.where(dark, -contrast, contrast), 0, 1)
    return {"polygon": rng.random(m) < .5, "on": on, "x": centre[..., 0], "y": centre[..., 1], "radius": radius,
            "sides": sides, "angle": 2 * np.pi * ((place + wobble) / sides[..., None] + rng.random((m, _SHAPES, 1))),
            "filled": rng.random((m, _SHAPES)) < .6, "stroke": rng.uniform(2.5, 4, (m, _SHAPES)),
            "behind": behind, "ink": ink}


def _table(t):
    out = {"shapes": t["on"].sum(1), "behind": t["behind"], "ink": t["ink"]}
    for s in range(_SHAPES):
        on = t["on"][:, s]
        for what in ("x", "y", "radius", "sides", "filled"):
            values = np.where(t["polygon"], t["sides"][:, s], 0) if what == "sides" else t[what][:, s]
            out[f"shape{s + 1}_{what}"] = np.where(on, values.astype(float), np.nan)
    return out


def _paint(t, size, rng):
    """Pictures (k, size, size) float32 in [0, 1] and masks (k, 3, size, size) of the k rows of ``t``."""
    k, unit = len(t["on"]), 102 / size
    noise = rng.standard_normal((k, size, size), np.float32)
    centre = ((np.arange(size) + .5) * unit).astype(np.float32)
    y, x = centre[None, :, None], centre[None, None, :]
    behind, ink = (t[c].astype(np.float32)[:, None, None] for c in ("behind", "ink"))
    picture = np.broadcast_to(behind, (k, size, size)).copy()
    masks = np.zeros((k, 3, size, size), bool)
    for s in range(_SHAPES):
        for polygon in (False, True):
            rows = np.flatnonzero(t["on"][:, s] & (t["polygon"] == polygon))
            if not len(rows):
                continue
            cx, cy, radius, stroke = (t[c][rows, s].astype(np.float32)[:, None, None] for c in ("x", "y", "radius", "stroke"))
            filled = t["filled"][rows, s][:, None, None]
            if polygon:
                angle = t["angle"][rows, s].astype(np.float32)[..., None, None]  # (rows, _SIDES + 1, 1, 1)
                vx, vy = cx[:, None] + radius[:, None] * np.cos(angle), cy[:, None] + radius[:, None] * np.sin(angle)
                outline, corner = _polygon(x, y, vx, vy, t["sides"][rows, s].max())
            else:
                outline, corner = np.hypot(x - cx, y - cy) - radius, None
            drawn = np.where(filled, outline, np.abs(outline + stroke / 2) - stroke / 2)
            cover = np.clip(.5 - drawn / unit, 0, 1)  # the border is one pixel wide
            picture[rows] += cover * (ink[rows] - picture[rows])
            edge = np.abs(drawn) <= 1.5
            masks[rows, 0] |= outline < 0
            masks[rows, 1] |= edge
            if polygon:
                masks[rows, 2] |= edge & (corner <= 4)
    return np.clip(picture + .03 * noise, 0, 1), masks


def _polygon(x, y, vx, vy, most):
    """Signed distance to a convex polygon's outline (negative inside) and distance to its nearest corner, (rows, H, W).

    ``vx``, ``vy`` (rows, _SIDES + 1, 1, 1) are its corners by growing angle, over and over; no polygon has more than
    ``most``, and one that has fewer goes round twice, which changes nothing.
    """
    inside, outline, nearest = True, np.float32(np.inf), np.float32(np.inf)  # squares of distances, at first
    for j in range(most):
        dx, dy = x - vx[:, j], y - vy[:, j]
        ex, ey = vx[:, j + 1] - vx[:, j], vy[:, j + 1] - vy[:, j]
        along = np.clip((dx * ex + dy * ey) / (ex * ex + ey * ey), 0, 1)
        outline = np.minimum(outline, (dx - along * ex) ** 2 + (dy - along * ey) ** 2)
        nearest = np.minimum(nearest, dx * dx + dy * dy)
        inside = inside & (dx * ey < dy * ex)
    return np.where(inside, -1, 1).astype(np.float32) * np.sqrt(outline), np.sqrt(nearest)
