"""Bag of words, backward: the score f(x) is shared out to words R⁽³⁾, descriptors R⁽²⁾ and pixels R⁽¹⁾.

Bach et al. 2015, Algorithm 1.  Each stage hands on what it was given: Σ_q R⁽¹⁾ = Σ_l R⁽²⁾ = Σ_d R⁽³⁾, and for
a sum-decomposable kernel all of them are f(x), the bias b included.  The forward stages are in `bow`.
"""
import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from . import bow


# R⁽³⁾: words --------------------------------------------------------------------------------------
def word_relevance(x, support, coef, bias, share=torch.minimum):
    """R_d = b / V + Σ_i coef_i k_d(x_id, x_d), coef_i = α_i y_i, k_d = min for histogram intersection.

    x (V,), support (S, V), coef (S,) → (V,).  Bach et al. 2015, Definition 1 (Eq. 24).
    """
    return bias / len(x) + coef @ share(support, x)


def exact_relevance(machine, x):
    """R⁽³⁾ of one bag of words (V,), without error: Σ_d R_d = f(x).  ValueError unless the kernel is
    sum-decomposable."""
    if machine.kernel not in bow.SUM_DECOMPOSABLE:
        raise ValueError(f"the {bow.KERNELS[machine.kernel]} kernel is not a sum over dimensions, so no "
                         "exact R⁽³⁾ exists: use taylor_relevance, or a kernel of "
                         f"{', '.join(bow.SUM_DECOMPOSABLE)}")
    return word_relevance(x, machine.support, machine.coef, machine.bias,
                          bow.SUM_DECOMPOSABLE[machine.kernel])


def slope(machine, x):
    """∂f/∂x_d of an exponential kernel's f at x (V,) or at each row of x (N, V), in closed form."""
    rows, h = x.reshape(-1, x.shape[-1]), bow.EXPONENTIAL[machine.kernel]
    pairs = machine.support[None], rows[:, None]  # (N, S, V) together
    distance, fall = (part(*pairs) for part in h)
    out = [(torch.exp(-distance[..., part].sum(-1) / width) * machine.coef / width)[:, None] @ fall[..., part]
           for part, width in zip(machine.parts, machine.widths, strict=True)]
    return torch.cat(out, -1).reshape(x.shape)


def taylor_relevance(machine, x, root=None):
    """R_d = (x − x₀)_d ∂f/∂x_d(x₀) with f(x₀) = 0: to first order, Σ_d R_d ≈ f(x).  (V,) → (V,).

    Bach et al. 2015, Definition 2 (Eq. 25); ``root`` is x₀, by default that of `find_root`.
    ValueError for the sum-decomposable kernels, which need no approximation and may have kinks.
    """
    if machine.kernel not in bow.EXPONENTIAL:
        raise ValueError(f"the {bow.KERNELS[machine.kernel]} kernel is a sum over dimensions: use "
                         f"exact_relevance")
    root = find_root(machine, x) if root is None else root
    return (x - root) * slope(machine, root)


def find_root(machine, x, candidates=8, steps=24):
    """A point x₀ (V,) between x and a support vector of the other sign, with f(x₀) = 0.

    The line to each of the nearest ``candidates`` is halved ``steps`` times; of the roots the one with the
    smallest Taylor residual |f(x) − Σ_d R_d| is taken.  ValueError if no support vector has the other sign.
    """
    sign = machine(x[None]).sign()
    others = machine.support[machine(machine.support) * sign < 0]
    if not len(others):
        raise ValueError("no support vector is on the other side of the boundary, so there is no line to a "
                         "root")
    others = others[torch.cdist(x[None], others)[0].argsort()[:candidates]]
    near, far = torch.zeros(len(others), dtype=x.dtype), torch.ones(len(others), dtype=x.dtype)
    for _ in range(steps):
        middle = (near + far) / 2
        same = machine(x + middle[:, None] * (others - x)) * sign > 0
        near, far = torch.where(same, middle, near), torch.where(same, far, middle)
    roots = x + far[:, None] * (others - x)
    residual = (((x - roots) * slope(machine, roots)).sum(1) - machine(x[None])).abs()
    return roots[residual.argmin()]


# R⁽²⁾: descriptors --------------------------------------------------------------------------------
def descriptor_relevance(R, m, p=1.0):
    """R_l = Σ_{d∉Z} R_d m_d(l)^p / Σ_l' m_d(l')^p + Σ_{d∈Z} R_d / L, where Z = {d : Σ_l m_d(l)^p = 0}.

    R (V,), m (L, V) → (L,), with Σ_l R_l = Σ_d R_d.  p = ∞: to the descriptor with the largest m, ties share.
    Bach et al. 2015, Definitions 3 and 4 (Eqs. 27, 31).
    """
    top = m.abs().amax(0)
    scaled = m / torch.where(top > 0, top, 1)  # the quotient stays, and no power underflows
    power = (scaled == 1).to(m.dtype) if p == float("inf") else scaled ** p
    total = power.sum(0)
    unmapped = total == 0  # Z(x)
    share = torch.where(unmapped, 1 / len(m), power / torch.where(unmapped, 1, total))
    return share @ R


# R⁽¹⁾: pixels -------------------------------------------------------------------------------------
def pixel_relevance(R, size, window=12, paint=None):
    """R_q = Σ_{l covers q} R_l / |area(l)|.  R (L,) → (H, W) with the same sum.  Bach et al. 2015, Eq. 34.

    ``paint``: take area(l) to be the central ``paint`` × ``paint`` pixels of the window alone (sharper, same
    sum). (A descriptor looks at the window and, through its gradients, at one pixel around it.)
    """
    side = window if paint is None else paint
    if not 0 < side <= window or (window - side) % 2:
        raise ValueError(f"paint at most {window} pixels, an even number fewer than the window has, not "
                         f"{paint}")
    rows, columns = bow.grid(size, window)
    first = (window - side) // 2
    each = torch.zeros(size[0] + 1, size[1] + 1,
                       dtype=R.dtype)  # the integral image, backward: corners, then sums
    corners = R.reshape(rows, columns) / side ** 2
    for dy, dx, sign in ((0, 0, 1), (0, side, -1), (side, 0, -1), (side, side, 1)):
        each[first + dy:, first + dx:][:rows * bow.STRIDE:bow.STRIDE,
                                       :columns * bow.STRIDE:bow.STRIDE] += sign * corners
    return each.cumsum(0).cumsum(1)[:size[0], :size[1]]


# all stages ---------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Explanation:
    """One picture explained: ``score`` f(x), ``bias`` b, ``words`` R⁽³⁾ (V,), ``descriptors`` R⁽²⁾, a tensor
    (L,) per window size, ``pixels`` R⁽¹⁾ (H, W), ``x`` (V,); for exact kernels every one of them adds up to
    the score."""

    score: float
    bias: float
    x: Tensor
    words: Tensor
    descriptors: tuple
    pixels: Tensor

    def sums(self):
        """{stage: its sum}, beginning with f(x)."""
        return {"f(x)": self.score, "Σ R⁽³⁾ words": float(self.words.sum()),
                "Σ R⁽²⁾ descriptors": float(sum(R.sum() for R in self.descriptors)),
                "Σ R⁽¹⁾ pixels": float(self.pixels.sum())}


def explain(model, image, paint=None, share=descriptor_relevance, shift=None):
    """The `Explanation` of a `bow.BagOfWords` for one image (1, H, W).

    ``paint``: as in `pixel_relevance`, or "cell", the central cell of each window.  ``share``: the function for R⁽²⁾.  ``shift``: a seed; the grids of
    R⁽²⁾ are then moved round by a random part of the picture, a quarter to three quarters each way, what
    leaves on one side entering on the other: sum, sizes and smoothness stay (but for the seam), and only the
    place is wrong.
    """
    vocabulary, machine = model.vocabulary, model.machine
    maps = bow.integral_maps(image[None])
    m = [vocabulary.map(bow.descriptors(maps, w), s, model.mapping)[0].double() for s,
         w in enumerate(vocabulary.windows)]
    x = torch.cat([bow.pool(part, model.p) for part in m])
    exact = machine.kernel in bow.SUM_DECOMPOSABLE
    words = (exact_relevance if exact else taylor_relevance)(machine, x)
    local = [share(words[part], each, model.p) for part, each in zip(machine.parts, m, strict=True)]
    local = _moved(vocabulary, local, image.shape[1:], shift)
    return Explanation(float(machine(x[None])[0]), machine.bias, x, words, tuple(local),
                       _painted(vocabulary, local, image.shape[1:], paint))


def _moved(vocabulary, local, size, shift):
    """R⁽²⁾ of each window size on its grid, moved round; ``shift`` as of `explain`."""
    if shift is None:
        return local
    parts = 0.25 + 0.5 * torch.rand(2, generator=torch.Generator().manual_seed(shift))
    grids = [bow.grid(size, window) for window in vocabulary.windows]
    return [R.view(at).roll([int(side * part) for side, part in zip(at, parts, strict=True)], (0, 1)).flatten()
            for R, at in zip(local, grids, strict=True)]


def _painted(vocabulary, local, size, paint):
    """R⁽¹⁾ (H, W) from R⁽²⁾ of each window size; ``paint`` as of `explain`."""
    return sum(pixel_relevance(R, size, w, w // bow.CELLS if paint == "cell" else paint)
               for R, w in zip(local, vocabulary.windows, strict=True))


@functools.cache
def located(mapping="rank", kernel="intersection", p=1.0, shift=None, label=None, n=150):
    """`where_relevance_is` for the course's model on ``n`` test pictures of `data.shapes`, computed once.

    ``label``: leave out the pictures of circles (1) or of polygons (0).  ``shift``: see `explain`; each
    picture has a seed of its own, from this one on.
    """
    return _located(functools.partial(bow.trained, mapping, kernel, p), (mapping, kernel, p), n, 0, label, None, shift)


@functools.cache
def located_finer(vocabulary, paint="cell", shift=None, n=150, seed=0):
    """`where_relevance_is` of the `finer` model on the polygons among ``n`` test pictures of that ``seed``."""
    return _located(functools.partial(finer, vocabulary), ("finer", vocabulary), n, seed, 1, paint, shift)


_handed_on = {}  # R⁽²⁾ of whole sets: painted in several ways, and moved, they need not be found again


def _located(trained, name, n, seed, label, paint, shift):
    from ..data import shapes

    test, model = shapes(n, split="test", seed=seed), trained()
    chosen = [i for i, y in enumerate(test.labels.tolist()) if label is None or y == label]
    words, size = model.vocabulary, test.images.shape[2:]
    if (name, n, seed) not in _handed_on:  # whole from the start, as in `bow.bags`
        _handed_on[name, n, seed] = set(), [torch.empty(n, np.prod(bow.grid(size, w)), dtype=torch.float64) for w in words.windows]
    done, known = _handed_on[name, n, seed]
    for i in chosen:
        if i not in done:
            for kept, R in zip(known, explain(model, test.images[i]).descriptors, strict=True):
                kept[i] = R
            done.add(i)
    heat = [_painted(words, _moved(words, [R[i] for R in known], size, None if shift is None else shift + k), size, paint)
            for k, i in enumerate(chosen)]
    return where_relevance_is(torch.stack(heat), test[torch.tensor(chosen)])


@functools.cache
def finer(vocabulary):
    """A `bow.BagOfWords` that tells blunt corners from arcs: many words for small windows (the zoo's "shapes-words":
    512 for 6 and for 9 pixels), rank mapping, p = 2, histogram intersection; trained on the course's 400 pictures."""
    from ..data import shapes

    train = shapes(400)
    x = bow.bags(vocabulary, train.images, ("rank",), (2.0,))["rank", 2.0]
    machine = bow.fit_svm(x, train.labels, parts=bow.columns(vocabulary, "rank"), C=0.3)
    return bow.BagOfWords(vocabulary, "rank", 2.0, machine)


def where_relevance_is(heat, data):
    """DataFrame[picture, sides, corner, straight, inside, background]: mean relevance per pixel, a row for
    each shape.

    ``heat`` (N, H, W) for the pictures of a `data.shapes` set.  ``sides``: of a polygon, 0 for a circle;
    ``corner``: the pixels of its edge near a corner, ``straight``: the others (of a circle all); ``inside``:
    what lies within it and on no edge; ``background``: what lies outside of all shapes in the picture.  NaN
    where there is no such pixel.
    """
    import pandas as pd
    from scipy import ndimage

    rows, scale = [], heat.shape[1] / 102
    for picture, (values, masks) in enumerate(zip(heat.numpy(), data.masks.numpy(), strict=True)):
        shape, edge, corner = masks
        number, count = ndimage.label(shape | edge, np.ones((3, 3)))
        means = [_means(values, where, number, count) for where in (corner, edge & ~corner, shape & ~edge)]
        drawn = data.factors.iloc[picture]
        sides = {number[int(drawn[f"shape{s}_y"] * scale),
                        int(drawn[f"shape{s}_x"] * scale)]: int(drawn[f"shape{s}_sides"])
                 for s in (1, 2, 3, 4) if drawn[f"shape{s}_x"] == drawn[f"shape{s}_x"]}  # NaN: not drawn
        outside = values[number == 0].mean()
        rows += [(picture, sides[k + 1], *(m[k] for m in means), outside) for k in range(count)]
    return pd.DataFrame(rows, columns=["picture", "sides", "corner", "straight", "inside", "background"])


def _means(values, where, number, count):
    """The mean of ``values`` over ``where`` in each of ``count`` numbered regions."""
    total = np.bincount(number[where], values[where], count + 1)[1:]
    pixels = np.bincount(number[where], minlength=count + 1)[1:]
    return np.where(pixels > 0, total / np.maximum(pixels, 1), np.nan)


def windows_of_words(vocabulary, images, scale, words, k=4):
    """What words look like: (len(words), k, window, window), the windows of ``k`` images that are nearest to
    each."""
    window, best = vocabulary.windows[scale], []
    for batch in images.split(32):
        local = bow.descriptors(bow.integral_maps(batch), window)
        best.append(torch.cdist(local, vocabulary.words[scale][words]).min(1))
    distance, place = (torch.cat([getattr(b, what) for b in best]) for what in ("values",
                                                                                "indices"))  # (N, words)
    nearest = distance.topk(k, 0, largest=False).indices  # (k, words)
    tiles = images[:, 0].unfold(1, window, bow.STRIDE).unfold(2, window,
        bow.STRIDE)  # (N, rows, columns, window, window)
    at = place.gather(0, nearest)
    return tiles[nearest, at // tiles.shape[2], at % tiles.shape[2]].transpose(0, 1)
