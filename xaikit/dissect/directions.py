"""Directions in the space of codes, in place of units: which turn one thing and nothing else?"""
import math

import torch

from .. import hooks


def sefa(generator, k=None):
    """The directions of codes that the first linear map stretches most: (directions (k, latent), stretch (k,)).

    The eigenvectors of AᵀA, A (outputs, latent) its weight, largest first; stretch is √ of the eigenvalues (Shen, Zhou
    2020, equation 5).  k: all by default.  ValueError for a network without a linear map, or k out of range.
    """
    first = next((m for m in hooks.modules(generator) if isinstance(m, torch.nn.Linear)), None)
    if first is None:
        raise ValueError("the generator has no linear layer: SeFa looks at the first one's weight")
    _, values, vectors = torch.linalg.svd(first.weight.detach(), full_matrices=False)
    return vectors[:_count(k, len(vectors))], values[:_count(k, len(vectors))]


def principal(generator, layer, z, k=None):
    """The directions of codes that move a layer's features along their principal components (Härkönen et al. 2020).

    The features (N, D) of codes z (N, latent) are reduced to their k coordinates of largest variance; the codes are
    regressed on them by least squares, and a component's row, of length 1, is its direction (section 3.2, GANSpace).
    Returns (directions (k, latent), share (k,) of the variance).  ValueError: no such layer, k out of range, too few codes.
    """
    if len(z) <= z.shape[1]:
        raise ValueError(f"{len(z)} codes are too few for {z.shape[1]} numbers each")
    with hooks.unchanged(generator), torch.no_grad(), hooks.record(generator, layer, stop=True) as acts:
        generator(z)
    features = acts[layer].flatten(1)
    features = features - features.mean(0)
    k = _count(k, z.shape[1])
    u, values, _ = torch.linalg.svd(features, full_matrices=False)
    scores = (u * values)[:, :k]
    found = torch.linalg.lstsq(scores, z - z.mean(0)).solution
    return found / found.norm(dim=1, keepdim=True), values[:k].square() / values.square().sum()


def moved(generator, z, directions, steps=(-2.0, 0.0, 2.0)):
    """Pictures (directions, steps, N, 3, S, S): codes z (N, latent) moved along each direction (k, latent) by each step."""
    shifts = torch.as_tensor(steps, dtype=z.dtype)[None, :, None, None] * directions[:, None, None]
    with hooks.unchanged(generator), torch.no_grad():
        out = [generator((z + s).flatten(0, 1)) for s in shifts]
    return torch.stack(out).unflatten(1, (len(steps), len(z)))


def factors(pictures, masks, classes):
    """What can be measured in a picture with masks (N, C, H, W): ((N, F) float, names).

    For each concept its area, and the middle of it, x and y in [0, 1] (NaN where it is absent); and the picture's mean
    red, green and blue.
    """
    share = masks.double()
    area = share.mean((2, 3))
    places = [torch.linspace(0, 1, n, dtype=torch.float64, device=share.device) for n in share.shape[2:]]
    total = share.sum((2, 3))
    y, x = (share.sum(3) @ places[0]) / total, (share.sum(2) @ places[1]) / total  # 0 / 0 is NaN: absent
    names = [f"{what} {c}" for what in ("area", "x", "y") for c in classes] + ["red", "green", "blue"]
    return torch.cat([area, x, y, pictures.double().mean((2, 3))], 1), names


def moves(generator, z, directions, see, classes, step=2.0):
    """How far each direction moves each factor: (k, F), in the factor's standard deviations over codes; and the names.

    Root mean square over the codes of f(z + step · d) − f(z − step · d), see `factors`; what is present at one end only
    has no place to compare there.  A factor that never varies gets 0.
    """
    with hooks.unchanged(generator), torch.no_grad():
        plain, names = factors(x := generator(z), see(x), classes)
        ends = [[factors(x := generator(z + sign * step * d), see(x), classes)[0] for sign in (1, -1)] for d in directions]
    spread = _std(plain)
    found = torch.stack([(a - b).square().nanmean(0).sqrt() for a, b in ends])
    return torch.where(spread > 0, found / spread.clamp_min(1e-12), 0.0).nan_to_num(0.0), names


def disentanglement(effect):
    """(disentanglement, completeness) in [0, 1] of effects (k directions, F factors) ≥ 0 (Eastwood, Williams 2018, section 2).

    A direction's score is 1 − H(p) / log F, with p the shares of the factors in its effects: 1 where it moves one factor
    alone; the mean weighs directions by their effect.  Completeness is the same over the directions of each factor.
    ValueError for effects of another shape, below 0, or not finite.
    """
    e = torch.as_tensor(effect).double()
    if e.ndim != 2 or min(e.shape) < 2 or not (e.isfinite().all() and (e >= 0).all()):
        raise ValueError(f"effects are (directions, factors), two or more of each, finite and ≥ 0, not {tuple(e.shape)}")

    def score(rows):
        total = rows.sum(1, keepdim=True)
        entropy = torch.special.entr(rows / total.clamp_min(1e-300)).sum(1) / math.log(rows.shape[1])
        return ((1 - entropy) * total[:, 0]).sum().item() / max(total.sum().item(), 1e-300)

    return score(e), score(e.T)


def _std(values):
    known = ~values.isnan()
    count = known.sum(0).clamp_min(1)
    mean = values.nan_to_num(0).sum(0) / count
    return (torch.where(known, values - mean, 0).square().sum(0) / count).sqrt()


def _count(k, most):
    if k is not None and not 1 <= k <= most:
        raise ValueError(f"there are {most} directions, not {k}")
    return k or most
