"""Lecture 02, the sparse-coding half: shrinkage, unpooling with switches, and a transpose that is put to the test."""
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from .formula import formula


def shrink(z, beta):
    """argmin over x of β/2 (z − x)² + |x|, for every entry.  z (N, D), beta one number → (N, D)"""
    return (z.abs() - 1 / beta).clamp_min(0) * z.sign()


def unpool(pooled, switches, size):
    """Each value back to the place its switch names.  pooled (N, M), switches (N, M) places 0 … size−1 → (N, size)"""
    z = torch.zeros(len(pooled), size)
    return z.scatter_add(1, switches, pooled)  # added: the transpose of picking, also where two name one place


def dot_product_test(p, y, filters, switches):
    """Rᵀy (N, M), and the two sides ⟨R p, y⟩ (N,) and ⟨p, Rᵀy⟩ (N,).  p (N, M), y (N, H, W), filters (K, h, w), switches (N, M)"""
    k, h, w = filters.shape
    shape = (len(y), k, y.shape[1] + h - 1, y.shape[2] + w - 1)  # of the maps
    kernel = filters.flip(1, 2)[None]
    z = torch.zeros(len(p), k * shape[2] * shape[3]).scatter_add(1, switches, p).reshape(shape)
    painted = F.conv2d(z, kernel)[:, 0]
    projected = F.conv_transpose2d(y[:, None], kernel).flatten(1).gather(1, switches)
    return projected, (painted * y).sum((1, 2)), (p * projected).sum(1)


def _shrink_cases(rng):
    made = []
    for shape, beta in (((4, 5), 2.0), ((1, 7), 0.5), ((6, 3), 4.0)):
        z = rng.normal(0, 2, size=shape)
        z.flat[:3] = 0.0, 1 / beta, -1 / beta  # the corners
        made.append({"z": z, "beta": beta, "note": f"{shape[0]} × {shape[1]} numbers, β = {beta:g}"})
    return made


_soft = lambda z, t: np.sign(z) * np.maximum(np.abs(z) - t, 0)  # noqa: E731

SHRINK = formula(
    id="2.1", title="Shrinkage", points=2, minutes=5, difficulty=2,
    task="shrink(z, beta): the minimiser x of β/2 (z − x)² + |x| for every entry. z (N, D), beta one number → (N, D).",
    library=shrink, cases=_shrink_cases, truth=lambda z, beta: _soft(z, 1 / beta), axes="(N, D)",
    mistakes=[
        ("The threshold is 1/β, not β: a large β ties x to z, and then little is taken off.", lambda z, beta: _soft(z, beta)),
        ("The factor ½ goes when you differentiate: the threshold is 1/β, not ½ of it.", lambda z, beta: _soft(z, 1 / (2 * beta))),
        ("The threshold is 1/β, not 2/β.", lambda z, beta: _soft(z, 2 / beta)),
        ("That is hard thresholding: what is left must also become smaller by 1/β.", lambda z, beta: z * (np.abs(z) > 1 / beta), 0.5),
        ("Small entries overshoot zero and change their sign: cut off at 0 before the sign comes back.",
         lambda z, beta: np.sign(z) * (np.abs(z) - 1 / beta)),
        ("Negative entries are lost: shrink |z| and give it the sign of z back.", lambda z, beta: np.maximum(z - 1 / beta, 0)),
        ("The sign is lost: multiply by the sign of z at the end.", lambda z, beta: np.maximum(np.abs(z) - 1 / beta, 0)),
        ("That is the answer to a squared penalty, which makes everything smaller and nothing zero.",
         lambda z, beta: beta * z / (beta + 1)),
        ("That is the least value of the cost; return the x at which it is reached.",
         lambda z, beta: beta / 2 * (z - _soft(z, 1 / beta))**2 + np.abs(_soft(z, 1 / beta))),
    ],
    hints=("For x > 0 the derivative β (x − z) + 1 is zero at x = z − 1/β, if that is positive. What for x < 0, and what if neither?",
           "Take 1/β off the absolute value, stop at 0, and give the sign back.",
           "return (z.abs() - 1 / beta).clamp_min(0) * z.sign()"),
    insight="|x| has one slope on each side of 0, so each side is a linear equation. For |x|^p in general no formula solves what comes, and a table does.")


def _unpool_cases(rng):
    made = []
    for n, blocks, block in ((2, 3, 4), (3, 5, 2), (1, 4, 4)):
        inside = rng.integers(0, block, size=(n, blocks))
        inside[:, 0] = block - 1  # never all at the first place
        switches = inside + block * np.arange(blocks)
        made.append({"pooled": rng.normal(0, 1, size=(n, blocks)) + 0.1, "switches": switches, "size": int(blocks * block),
                     "judge.block": int(block), "note": f"{n} items, {blocks} blocks of {block}"})
    switches = np.stack([rng.permutation(17)[:4] for _ in range(3)])  # no order, and nothing at the last places
    switches[0] = np.sort(switches[0])[::-1]
    made.append({"pooled": rng.normal(0, 1, size=(3, 4)) + 0.1, "switches": switches, "size": 18, "judge.block": 4,
                 "note": "3 items, 4 values to any of 18 places"})
    return made


def _placed(pooled, switches, size):
    z = np.zeros((len(pooled), size))
    np.put_along_axis(z, switches, pooled, 1)
    return z


def _whole_batch(pooled, switches, size):
    z = np.zeros((len(pooled), size))
    z[:, switches[0]] = pooled
    return z


def _first_row(pooled, switches, size):
    z = np.zeros(len(pooled) * size)
    z[switches.ravel()] = pooled.ravel()
    return z.reshape(len(pooled), size)


_NO_SWITCH = "The switches are not used: every value went to the first place of its block. Put it where the maximum was."

UNPOOL = formula(
    id="2.2", title="Unpool with switches", points=2, minutes=3, difficulty=2,
    task="unpool(pooled, switches, size): every value back to its place, zeros elsewhere. pooled (N, M), switches (N, M) → (N, size).",
    library=unpool, cases=_unpool_cases, truth=lambda pooled, switches, size, block: _placed(pooled, switches, size),
    axes="(N, size)", tolerance=1e-6,  # values are copied, zeros are zeros
    laws=[("Where no switch points there stand small numbers: begin with zeros.",
           lambda z, pooled, switches, size, block: (
               z[_placed(np.ones_like(pooled), switches, size) == 0] == 0).all())],
    mistakes=[
        (_NO_SWITCH, lambda pooled, switches, size, block: _placed(
            pooled, 0 * switches + block * np.arange(pooled.shape[1]), size)),
        ("The values were placed in rising order of the switches: pooled[n, m] goes to switches[n, m], in whatever "
         "order they come.",
         lambda pooled, switches, size, block: _placed(pooled, np.sort(switches, 1), size)),
        ("Rows are `size` long, also where no switch names the last places.",
         lambda pooled, switches, size, block: _placed(pooled, switches, switches.max() + 1)),
        ("The value fills its whole block: only the place of the switch gets it, the others are 0.",
         lambda pooled, switches, size, block: np.repeat(pooled, block, 1)),
        ("The value is spread evenly over its block: that is the transpose of average pooling.",
         lambda pooled, switches, size, block: np.repeat(pooled, block, 1) / block),
        ("All items got the first item's switches: each row has its own.",
         lambda pooled, switches, size, block: _whole_batch(pooled, switches, size)),
        ("Flattening the batch mixed the items: places count from 0 in every row. Scatter along axis 1.",
         lambda pooled, switches, size, block: _first_row(pooled, switches, size)),
        ("Those are ones at the right places: put the pooled values there.",
         lambda pooled, switches, size, block: _placed(np.ones_like(pooled), switches, size)),
        ("The signs are lost: the pooled value keeps its sign, although pooling compared absolute values.",
         lambda pooled, switches, size, block: _placed(np.abs(pooled), switches, size), 0.5),
        ("The places and the values are exchanged: the switches say where, pooled says what.",
         lambda pooled, switches, size, block: _placed(switches.astype(float), switches, size)),
    ],
    hints=("Begin with zeros of shape (N, size). Row n gets pooled[n, m] at the place switches[n, m].",
           "torch.Tensor.scatter_add(axis, places, values) does it for all rows at once; the axis is 1.",
           "return torch.zeros(len(pooled), size).scatter_add(1, switches, pooled)"),
    insight="One value, one place: the matrix has a single 1 in each column. Its transpose picks the values out again: U = Pᵀ.")


def _adjoint_cases(rng):
    made = []
    for n, (height, width), k, (h, w) in ((2, (5, 7), 3, (3, 2)), (1, (6, 4), 2, (2, 3)), (3, (6, 6), 1, (3, 3))):
        places = k * (height + h - 1) * (width + w - 1)
        switches = np.stack([rng.permutation(places)[:6] for _ in range(n)])
        made.append({"p": rng.normal(size=(n, 6)), "y": rng.normal(size=(n, height, width)),
                     "filters": rng.normal(size=(k, h, w)), "switches": switches,
                     "note": f"{n} pictures of {height} × {width}, {k} filters of {h} × {w}"})
    return made


def _adjoint(p, y, filters, switches, flip=False, pick=None, normal=False):
    """Three values in numpy; ``flip`` and ``pick`` make the mistakes."""
    k, h, w = filters.shape
    n, height, width = y.shape
    shape = (n, k, height + h - 1, width + w - 1)
    z = _placed(p, switches, k * shape[2] * shape[3]).reshape(shape)
    painted, back = np.zeros_like(y), np.zeros(shape)
    for i in range(h):
        for j in range(w):
            part = z[:, :, h - 1 - i:h - 1 - i + height, w - 1 - j:w - 1 - j + width]
            painted += np.einsum("nkab,k->nab", part, filters[:, i, j])
            a, b = (i, j) if flip else (h - 1 - i, w - 1 - j)
            back[:, :, a:a + height, b:b + width] += y[:, None] * filters[None, :, i, j, None, None]
    flat = back.reshape(n, -1)
    projected = np.take_along_axis(flat, switches if pick is None else pick(switches), 1)
    return projected, (painted * y).sum((1, 2)), (p * projected).sum(1)


def _columns_first(p, y, filters, switches):
    """The mistake of counting a map's places column by column."""
    rows, columns = y.shape[1] + filters.shape[1] - 1, y.shape[2] + filters.shape[2] - 1
    filter_, place = np.divmod(switches, rows * columns)
    return _adjoint(p, y, filters, filter_ * rows * columns + place % rows * columns + place // rows)


def _filled(least, p, y, filters, switches):
    """Maps that hold ``least`` where no switch points."""
    back, left, right = _adjoint(p, y, filters, switches)
    k, h, w = filters.shape
    places = np.tile(np.arange(k * (y.shape[1] + h - 1) * (y.shape[2] + w - 1)), (len(p), 1))
    everywhere, named = (_adjoint(least * np.ones(s.shape), y, filters, s)[1] for s in (places, switches))
    return back, left + everywhere - named, right


def _unflipped(p, y, filters, switches):
    """R as a correlation, Rᵀ right."""
    back, _, right = _adjoint(p, y, filters, switches)
    return back, _adjoint(p, y, filters[:, ::-1, ::-1], switches)[1], right


ADJOINT = formula(
    id="2.3", title="R and its transpose", points=3, minutes=20, difficulty=3,
    task="dot_product_test(p, y, filters, switches): Rᵀy, ⟨R p, y⟩ and ⟨p, Rᵀy⟩. p (N, M), y (N, H, W), filters (K, h, w), "
         "switches (N, M) → (N, M), (N,), (N,).",
    library=dot_product_test, cases=_adjoint_cases, truth=lambda p, y, filters, switches: _adjoint(p, y, filters, switches),
    outputs=("Rᵀy", "⟨R p, y⟩", "⟨p, Rᵀy⟩"), tolerance=1e-5,
    mistakes=[
        *[("R starts from maps that are small numbers where no switch points: begin with zeros.",
           partial(_filled, least)) for least in (1e-3, 1e-4)],
        ("On the way up the filter is turned round: the transpose of a convolution is the correlation with the same filter. "
         "Your two sides differ, which is what the test is for.",
         lambda p, y, filters, switches: _adjoint(p, y, filters, switches, flip=True)),
        ("R paints with the filters turned round and Rᵀ agrees with it: the two sides are equal, and both belong to another R. "
         "⊕ is a convolution, conv2d a correlation: flip the filters.",
         lambda p, y, filters, switches: _adjoint(p, y, filters[:, ::-1, ::-1], switches)),
        ("Your two sides differ, and Rᵀ is right: conv2d is a correlation, so R needs filters.flip(1, 2).",
         _unflipped),
        ("The maps lie the other way: the places count along the rows of maps of (H + h − 1, W + w − 1).",
         _columns_first),
        ("On the way up all pictures were pooled with the first one's switches.",
         lambda p, y, filters, switches: _adjoint(p, y, filters, switches, pick=lambda s: np.broadcast_to(s[:1], s.shape))),
        ("The inner products are averaged: they are sums.",
         lambda p, y, filters, switches: (lambda r: (r[0], r[1] / y[0].size, r[2] / p.shape[1]))(_adjoint(p, y, filters, switches))),
        ("Half of the test is right: ⟨R p, y⟩ is a sum of products at the pixels, not ‖R p‖².",
         lambda p, y, filters, switches: (lambda r, q: (r[0], q, r[2]))(
             _adjoint(p, y, filters, switches), _norm2(p, y, filters, switches)), 0.5),
    ],
    hints=("R: unpool p to maps (N, K, H+h−1, W+w−1), then convolve and sum over k. Rᵀ the other way round: correlate, then pick.",
           "kernel = filters.flip(1, 2)[None] makes conv2d a convolution, and conv_transpose2d with the same kernel is its transpose.",
           "projected = F.conv_transpose2d(y[:, None], kernel).flatten(1).gather(1, switches); the sides are (painted * y).sum((1, 2)) "
           "and (p * projected).sum(1)."),
    insight="The two sides agree to rounding, whatever the switches are. So Rᵀ carries an error at the pixels to the codes: a gradient.")


def _norm2(p, y, filters, switches):
    k, h, w = filters.shape
    z = _placed(p, switches, k * (y.shape[1] + h - 1) * (y.shape[2] + w - 1)).reshape(
        len(y), k, y.shape[1] + h - 1, y.shape[2] + w - 1)
    painted = sum(np.einsum("nkab,k->nab", z[:, :, h - 1 - i:h - 1 - i + y.shape[1], w - 1 - j:w - 1 - j + y.shape[2]],
                            filters[:, i, j]) for i in range(h) for j in range(w))
    return (painted**2).sum((1, 2))


EXERCISES = [SHRINK, UNPOOL, ADJOINT]
