"""Layers of sparse codes with movable parts: adaptive deconvolutional networks (Zeiler, Taylor, Fergus 2011).

    ŷ_l = F₁ U_{s₁} F₂ U_{s₂} … F_l z_l = R_l z_l,      C_l(y) = λ_l/2 ‖ŷ_l − y‖² + Σ_k |z_{k,l}|

A layer's maps z_l are pooled over small blocks of places **and maps**; the switches s_l record where in each block the
strongest entry was.  Given the switches, R_l is linear, and its transpose carries an error at the pixels up to layer l.
Networks are lists from the bottom up: ``filters`` [f₁, …, f_l], each (K_l, maps below, h, w), and ``switches``
[s₁, …, s_{l−1}] of the layers below the maps z_l (N, K_l, H_l, W_l) in question.
"""
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .sparse import conjugate_gradients, correlate, lipschitz, objective, reconstruct


@dataclass(frozen=True)
class Switches:
    """``index`` (N, G, h, w) int64: for every block the place of its strongest entry in the maps, counted through the
    flattened ``shape`` (K, H, W) of one item."""

    index: torch.Tensor
    shape: tuple


@dataclass(frozen=True)
class Layer:
    """What a layer came to: ``maps`` z (N, K, H, W), its ``pooled`` values and ``switches``, the ``picture`` R z, and
    ``history``, a DataFrame[step, objective of C_l summed over the pictures, moved: share of the switches that moved in
    that step, among the blocks that hold anything after it, nonzero: share of z].  A block of zeros has its switch at
    its first place."""

    maps: torch.Tensor
    pooled: torch.Tensor
    switches: Switches
    picture: torch.Tensor
    history: object


def pool(z, size=(2, 2, 2)):
    """3-D max pooling P(z) → (p, s): the entry of largest absolute value, with its sign, of every block of ``size`` =
    (maps, rows, columns), and its place.  z (N, K, H, W) → p (N, ⌈K/g⌉, ⌈H/a⌉, ⌈W/b⌉); blocks at the border may be smaller.
    """
    if z.ndim != 4 or len(size) != 3 or min(size) < 1:
        raise ValueError(f"pool maps (N, K, H, W) over (maps, rows, columns) ≥ 1, not {tuple(z.shape)} over {size}")
    strength = z.detach().abs()[:, None]
    short = [-n % s for n, s in zip(z.shape[1:], size, strict=True)]
    padded = F.pad(strength, [v for n in reversed(short) for v in (0, n)], value=-1.0)  # padding never is the largest
    index = F.max_pool3d(padded, size, return_indices=True)[1][:, 0]
    wide = [n + s for n, s in zip(z.shape[1:], short, strict=True)]
    k, rest = index // (wide[1] * wide[2]), index % (wide[1] * wide[2])
    index = (k * z.shape[2] + rest // wide[2]) * z.shape[3] + rest % wide[2]
    switches = Switches(index, tuple(z.shape[1:]))
    return select(z, switches), switches


def select(z, switches):
    """P_s z: the entries of z (N, K, H, W) at the switches → (N, G, h, w).  For fixed s it is linear."""
    _fits(z, switches, switches.shape)
    return z.flatten(1).gather(1, switches.index.flatten(1)).reshape(switches.index.shape)


def unpool(pooled, switches):
    """U_s p = P_sᵀ p: every value back to the place that its switch remembers, zeros elsewhere; (N, G, h, w) → (N, K, H, W).

    ValueError without switches: the pooled values alone do not say where they came from.
    """
    if not isinstance(switches, Switches):
        raise ValueError("unpooling needs the switches that pool(z) returned with the values: "
                         f"without them the places are lost; got {type(switches).__name__}")
    _fits(pooled, switches, tuple(switches.index.shape[1:]))
    z = pooled.new_zeros(len(pooled), switches.shape[0] * switches.shape[1] * switches.shape[2])
    # added, so that it is the transpose of `select` whatever the switches are, also where two name one place
    return z.scatter_add(1, switches.index.flatten(1), pooled.flatten(1)).reshape(-1, *switches.shape)


def paint(z, filters, switches=()):
    """R_l z: from the maps of layer l = len(filters) down to the pixels, (N, K_l, H_l, W_l) → (N, C, H, W)."""
    _check(filters, switches)
    for f, s in zip(filters[:0:-1], reversed(switches), strict=True):
        z = unpool(reconstruct(z, f), s)
    return reconstruct(z, filters[0])


def project(y, filters, switches=()):
    """R_lᵀ y, the adjoint of ``paint``: from the pixels up to the maps of layer l = len(filters), by the same switches."""
    _check(filters, switches)
    z = correlate(y, filters[0])
    for f, s in zip(filters[1:], switches, strict=True):
        z = correlate(select(z, s), f)
    return z


def infer(y, filters, switches=(), size=(2, 2, 2), lam=2.0, steps=20, beta=None, z=None, watch=None):
    """The maps of the top layer, l = len(filters), by ISTA on C_l with switches that move: a `Layer` (algorithm 1, lines 5–13).

    Each step: g = Rᵀ(R z − y), z ← z − λ β g, shrinkage by β, then pool and unpool, so that one entry of every block
    is left.  ``beta`` is by default 1/(λ ‖RᵀR‖), the longest step that ISTA allows.  ``switches`` are those of the
    layers below, and stay.  z starts from 0, or from given maps.  ``watch(z, pooled, switches, picture)`` is
    called after every step.  ValueError for settings that are not positive.
    """
    if not (lam > 0 and steps >= 1 and (beta is None or beta > 0)):
        raise ValueError(f"lam, steps and beta must be positive, not {lam}, {steps}, {beta}")
    import pandas as pd

    with torch.no_grad():
        start = project(y, filters, switches) if z is None or beta is None else z
        beta = beta or 1 / (lam * _norm(start, filters, switches))
        z = torch.zeros_like(start) if z is None else z
        residual, rows, before = paint(z, filters, switches) - y, [], pool(z, size)[1].index
        for step in range(steps):
            z = F.softshrink(z - lam * beta * project(residual, filters, switches), beta)
            pooled, s = pool(z, size)
            z = unpool(pooled, s)
            residual = paint(z, filters, switches) - y
            held = pooled != 0
            moved = float(((s.index != before) & held).sum() / held.sum().clamp_min(1))
            before = s.index
            rows.append((step + 1, float(objective(z, residual, lam).sum()), moved, float((z != 0).float().mean())))
            if watch:
                watch(z, pooled, s, residual + y)
        return Layer(z, pooled, s, residual + y, pd.DataFrame(rows, columns=["step", "objective", "moved", "nonzero"]))


def learn_layer(y, filters=(), switches=(), count=16, kernel=7, size=(2, 2, 2), lam=0.5, epochs=10, steps=6, solve=4, seed=0,
                start=None, progress=True):
    """Learn the filters of the next layer on pictures y (N, C, H, W): ``(f, Layer)``, f (count, maps below, kernel, kernel).

    ``filters`` and ``switches`` are those of the layers below (none for the first).  Algorithm 1: in every epoch ``steps``
    of ISTA from the maps of the epoch before, then the filters by ``solve`` steps of linear conjugate gradients on their
    normal equations (equation 8), then length 1.  ``start`` are filters to begin with, by default noise.
    Ours: a filter that is hardly used begins anew, in the first half of the epochs, as a piece of what is explained worst.
    ValueError for settings that are not positive, or a ``start`` of another shape.
    """
    from tqdm.auto import tqdm

    if min(count, kernel, epochs, steps, solve) < 1:
        raise ValueError("count, kernel, epochs, steps and solve must be positive")
    filters, switches = list(filters), list(switches)
    generator = torch.Generator().manual_seed(seed)
    below = switches[-1].index.shape[1] if switches else y.shape[1]
    f = _unit(torch.randn(count, below, kernel, kernel, generator=generator) if start is None else start.clone())
    if f.shape != (count, below, kernel, kernel):
        raise ValueError(f"start has shape {tuple(f.shape)}; this layer's filters have {(count, below, kernel, kernel)}")
    z = None
    for epoch in tqdm(range(epochs), desc=f"layer {len(filters) + 1}", delay=2, disable=not progress, leave=False):
        layer = infer(y, [*filters, f], switches, size, lam, steps, z=z)
        z, used = layer.maps, layer.maps.abs().mean((0, 2, 3))
        f = _unit(_solve_filters(y, z, filters, switches, f, solve))
        if epoch < epochs / 2:
            left = _up(y - layer.picture, filters, switches)
            for k in (used < 0.05 * used.mean()).nonzero()[:, 0].tolist():
                f[k] = _unit(_worst(left, kernel, generator))
    return f, infer(y, [*filters, f], switches, size, lam, 3 * steps)


def pieces(maps, count, kernel, seed=0):
    """``count`` pieces (count, C, kernel, kernel) of maps (N, C, H, W) from their busiest places: filters for
    ``learn_layer`` to start from, each of which paints at once something that is there."""
    energy = F.avg_pool2d(maps.abs().sum(1, keepdim=True), kernel, 1)[:, 0]
    good = (energy >= energy.flatten().quantile(0.7)).nonzero()
    chosen = good[torch.randperm(len(good), generator=torch.Generator().manual_seed(seed))[:count]].tolist()
    return torch.stack([maps[i, :, top:top + kernel, left:left + kernel] for i, top, left in chosen])


def _solve_filters(y, z, filters, switches, f, steps):
    """The filters that paint y best with the maps z, the layers below fixed: equation 8 by conjugate gradients."""
    def adjoint(r):
        seen = _up(r, filters, switches)
        return torch.nn.grad.conv2d_weight(z, (f.shape[1], f.shape[0], *f.shape[2:]), seen).flip(2, 3).transpose(0, 1)

    def normal(f):
        return adjoint(paint(z, [*filters, f[0]], switches))[None] + weight * f

    weight = 1e-3 * float(z.square().sum()) / len(f)  # keeps filters that are not used from running away
    return conjugate_gradients(normal, adjoint(y)[None] + weight * f, f[None], steps=steps)[0]


def _up(r, filters, switches):
    """P_{s_{l−1}} R_{l−1}ᵀ r: a signal at the pixels, carried up to where the filters of layer l paint."""
    return select(project(r, filters, switches[:-1]), switches[-1]) if filters else r


def _worst(left, kernel, generator):
    """A piece (1, C, kernel, kernel) of one of the items with most left unexplained, around its strongest place."""
    item = left[left.square().flatten(1).sum(1).topk(min(4, len(left))).indices[
        int(torch.randint(min(4, len(left)), (1,), generator=generator))]]
    strength = item.square().sum(0)
    top = int(torch.randint(strength.shape[0] - kernel + 1, (1,), generator=generator))
    sums = F.avg_pool2d(strength[None, None, top:top + kernel], kernel, 1)[0, 0, 0]
    return item[None, :, top:top + kernel, int(sums.argmax()):][..., :kernel]


def strongest(layer, filters, switches=(), count=9, item=0, unit=None):
    """The ``count`` strongest activations of one item's top maps, or of its map ``unit``, each alone down to the pixels.

    Returns ``(pictures (count, C, H, W), DataFrame[map, row, column, value])``, the strongest first; ``switches`` are
    those of the layers below.  Activations that are 0 are not shown, so that there may be fewer.
    """
    import pandas as pd

    z = layer.maps[item]
    if unit is not None:
        z = z * (torch.arange(len(z)) == unit)[:, None, None]
    places = z.abs().flatten().topk(min(count, int((z != 0).sum()))).indices
    alone = torch.zeros(len(places), z.numel()).to(z)
    alone[torch.arange(len(places)), places] = z.flatten()[places]
    own = [Switches(s.index[item:item + 1].expand(len(places), -1, -1, -1), s.shape) for s in switches]
    k, rest = places // (z.shape[1] * z.shape[2]), places % (z.shape[1] * z.shape[2])
    rows = {"map": k, "row": rest // z.shape[2], "column": rest % z.shape[2], "value": z.flatten()[places]}
    return paint(alone.reshape(-1, *z.shape), filters, own), pd.DataFrame({n: v.tolist() for n, v in rows.items()})


def look(filters, layer, switches=()):
    """What each filter of the top layer paints: its strongest activation in all items, down to the pixels, as the paper
    shows filters.  Returns (K, C, P, P), cut to P pixels around what is painted; zeros for unused filters."""
    pictures = []
    side = field(filters, switches)
    for k in range(layer.maps.shape[1]):
        z = layer.maps[:, k]
        item, rest = divmod(int(z.abs().flatten().argmax()), z[0].numel())
        alone = torch.zeros_like(layer.maps[item:item + 1])
        alone[0, k, rest // z.shape[2], rest % z.shape[2]] = z[item].flatten()[rest].sign()
        own = [Switches(s.index[item:item + 1], s.shape) for s in switches]
        pictures.append(_around(paint(alone, filters, own)[0], side))
    return torch.stack(pictures)


def field(filters, switches=()):
    """The largest side, in pixels, of what one activation of layer l = len(filters) can paint."""
    side = filters[-1].shape[2]
    for f, s in zip(filters[-2::-1], reversed(switches), strict=True):
        side = side * -(-s.shape[1] // s.index.shape[2]) + f.shape[2] - 1
    return side


def _around(picture, side):
    """The square of ``side`` pixels of (C, H, W) that holds most of its energy."""
    side = min(side, *picture.shape[1:])
    sums = F.avg_pool2d(picture.square().sum(0)[None, None], side, 1)[0, 0]
    top, left = divmod(int(sums.argmax()), sums.shape[1])
    return picture[:, top:top + side, left:left + side]


def _norm(start, filters, switches):
    """‖RᵀR‖, the largest over the items: a bound in layer 1, above by the power method, a little more to be safe."""
    if not switches:
        return lipschitz(filters[0])
    v = start + 1e-3
    for _ in range(4):  # from Rᵀy it is within a few per cent by then
        v = v / v.flatten(1).norm(dim=1).clamp_min(1e-30)[:, None, None, None]
        v = project(paint(v, filters, switches), filters, switches)
    return 1.1 * float(v.flatten(1).norm(dim=1).max()) or 1.0


def _unit(f):
    return f / f.flatten(1).norm(dim=1).clamp_min(1e-8)[:, None, None, None]


def _check(filters, switches):
    if len(filters) == 0 or len(switches) != len(filters) - 1:
        raise ValueError(f"{len(filters)} layers of filters need the switches of the {max(len(filters) - 1, 0)} layers below the "
                         f"top one, from the bottom up; there are {len(switches)}: without switches nothing can be unpooled")


def _fits(x, switches, shape):
    if tuple(x.shape[1:]) != tuple(shape) or len(x) != len(switches.index):
        raise ValueError(f"the values have shape {tuple(x.shape)}; these switches are for ({len(switches.index)}, "
                         f"{', '.join(map(str, shape))})")
