"""Margins: how far the decision boundary is along chosen directions, and which directions the data gave it.

Ortiz-Jimenez, Modas, Moosavi-Dezfooli, Frossard 2020, *Hold me tight! Influence of discriminative features on deep
network boundaries*; the search: Moosavi-Dezfooli, Fawzi, Frossard 2016, *DeepFool*.
"""
import copy
import functools

import numpy as np
import torch
import torch.nn as nn
from torch.func import functional_call, jacrev, stack_module_state, vmap

from ..train import fit_many


def deepfool(models, x, basis=None, steps=40, overshoot=0.02, halvings=6):
    """The perturbation δ of each input that changes the class, found inside a subspace: (δ, whether it was found).

    models: a network that maps (N, D) to (N, K), or a list of E networks of one shape, searched together · x (…, D)
    · basis: orthonormal rows (…, S, D) that broadcast with x's leading axes, None for all of ℝᴰ.  → δ (E, …, D) and
    bool (E, …), without the E for a single network.  Each step goes to the nearest of the K − 1 boundaries as the
    network's slope inside the subspace has it (Hold me tight, Definition 1; DeepFool, Algorithm 2), all inputs
    at once, and goes beyond it by the share ``overshoot``; then δ is shortened by ``halvings`` bisections, because
    where the slope grows on the way the steps go too far.  The networks stay as they are.
    Where nothing was found within ``steps``, δ is 0 and the margin is to be taken as infinite.
    ValueError: inputs that are no numbers, a basis that is not orthonormal, steps below 1.
    """
    several = isinstance(models, list | tuple)
    nets = list(models) if several else [models]
    basis = _checked(x, basis, steps, overshoot)
    logits, slopes = _stacked(nets)
    start = x.expand(len(nets), *torch.broadcast_shapes(x.shape[:-1], basis.shape[:-2] if basis is not None else ()),
                     x.shape[-1])
    shape, flat = start.shape[:-1], start.reshape(len(nets), -1, x.shape[-1])
    if basis is not None and basis.dim() > 2:
        basis = basis.expand(*shape[1:], *basis.shape[-2:]).reshape(-1, *basis.shape[-2:])
    first = logits(flat).argmax(-1)
    move, found = torch.zeros_like(flat), torch.zeros(first.shape, dtype=torch.bool)
    for _ in range(steps):
        # only the inputs that some network still holds: most are done after a few steps
        rows = (~found).any(0).nonzero()[:, 0]
        if not len(rows):
            break
        at, mine = flat[:, rows] + move[:, rows], first[:, rows]
        step = _nearest(*slopes(at), mine, basis if basis is None or basis.dim() == 2 else basis[rows])
        tried = torch.where(found[:, rows, None], move[:, rows], move[:, rows] + step)
        found[:, rows] |= logits(flat[:, rows] + (1 + overshoot) * tried).argmax(-1) != mine
        move[:, rows] = tried
    move = torch.where(found[..., None], (1 + overshoot) * move, 0.0)
    short, long = torch.zeros(*found.shape, 1), torch.ones(*found.shape, 1)
    for _ in range(halvings):
        middle = (short + long) / 2
        over = (logits(flat + middle * move).argmax(-1) != first)[..., None]
        short, long = torch.where(over, short, middle), torch.where(over, middle, long)
    move, found = (long * move).view(*shape, -1), found.view(shape)
    return (move, found) if several else (move[0], found[0])


def _nearest(values, slopes, mine, basis):
    """The step (…, D) to the nearest boundary: values (…, K), slopes (…, K, D), own class (…)."""
    own = mine[..., None]
    gap = values.gather(-1, own) - values  # (…, K), how much the other classes lack
    way = slopes - slopes.gather(-2, own[..., None].expand(*own.shape, slopes.shape[-1]))
    if basis is not None:
        way = way @ basis.mT @ basis  # what of the slope lies in the subspace
    length = way.norm(dim=-1).clamp_min(1e-12)
    far = (gap.abs() / length).scatter(-1, own, torch.inf)
    distance, k = far.min(-1)
    pick = k[..., None]
    towards = way.gather(-2, pick[..., None].expand(*pick.shape, way.shape[-1]))[..., 0, :]
    # a little beyond, as in DeepFool; and never so far that a nearly flat direction ends in overflow
    return towards / length.gather(-1, pick) * (distance + 1e-4).clamp_max(1e3)[..., None]


def _stacked(nets):
    """Two functions of z (E, N, D), network e on row e: the logits (E, N, K), and both logits and their Jacobian (E, N, K, D)."""
    parameters, buffers = stack_module_state(nets)
    parameters = {k: v.detach() for k, v in parameters.items()}
    template = nets[0]
    modes = [(module, module.training) for module in template.modules()]

    def one(p, b, z):
        return functional_call(template, (p, b), (z,))

    def single(p, b, point):
        out = one(p, b, point[None])[0]
        return out, out

    def evaluated(function):
        def call(z):
            template.eval()
            try:
                with torch.no_grad():
                    return function(parameters, buffers, z)
            finally:
                for module, mode in modes:
                    module.training = mode
        return call

    def jacobian(p, b, z):
        slopes, values = vmap(jacrev(single, argnums=2, has_aux=True), in_dims=(None, None, 0))(p, b, z)
        return values, slopes

    return evaluated(vmap(one)), evaluated(vmap(jacobian))


def _checked(x, basis, steps, overshoot):
    if not x.is_floating_point() or not x.isfinite().all():
        raise ValueError("x is made of finite numbers, (…, D)")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1 or not overshoot >= 0:
        raise ValueError(f"steps={steps!r} and overshoot={overshoot!r}: at least 1 and at least 0 are needed")
    if basis is None:
        return None
    basis = basis.to(x.dtype)
    if basis.dim() < 2 or basis.shape[-1] != x.shape[-1]:
        raise ValueError(f"a basis is (…, S, {x.shape[-1]}), not {tuple(basis.shape)}")
    if not torch.allclose(basis @ basis.mT, torch.eye(basis.shape[-2], dtype=x.dtype).expand(
            *basis.shape[:-1], basis.shape[-2]), atol=1e-4):
        raise ValueError("the rows of a basis are orthonormal")
    return basis


def margin(models, x, basis=None, **options):
    """‖δ‖₂ of each input in the subspace (Definition 2), inf where no step crossed a boundary; see ``deepfool``."""
    move, found = deepfool(models, x, basis, **options)
    return torch.where(found, move.norm(dim=-1), torch.inf)


# bands of the discrete cosine transform -------------------------------------------------------------------------


@functools.cache
def cosines(size):
    """The orthonormal DCT-II of ``size`` points: (size, size), row k the cosine of frequency k."""
    from scipy.fft import dct

    return torch.tensor(dct(np.eye(size), norm="ortho", axis=0), dtype=torch.float32)


def bands(size, width=2):
    """Orthonormal bases of the width × width blocks along the DCT's diagonal, lowest frequency first, for images of
    size × size: (B, width², size²), B = size − width + 1.  ValueError for a width outside 1 … size."""
    if not 1 <= width <= size:
        raise ValueError(f"a block of {width} × {width} does not fit into {size} × {size} frequencies")
    c = cosines(size)
    return torch.stack([torch.einsum("ai,bj->abij", c[k:k + width], c[k:k + width]).reshape(width**2, size**2)
                        for k in range(size - width + 1)])


def flip_frequencies(images):
    """Each image with the order of its DCT frequencies turned round, highest for lowest: (…, H, H) → the same shape.

    An orthogonal map, its own inverse, so that distances between images stay what they were."""
    c = cosines(images.shape[-1]).to(images.dtype)
    return c.mT @ (c @ images @ c.mT).flip(-1, -2) @ c


def subspaces(count, size, dim, orthogonal_to=None, seed=0):
    """``count`` random subspaces of ``dim`` dimensions of ℝ^size, orthonormal rows: (count, dim, size).

    ``orthogonal_to`` (size,): a unit vector that all of them are orthogonal to."""
    g = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, dim, size, generator=g)
    if orthogonal_to is not None:
        rows = rows - (rows @ orthogonal_to)[..., None] * orthogonal_to
    return torch.linalg.qr(rows.mT)[0].mT.contiguous()


SEEDS, TESTED = 5, 120  # networks of each kind, and test images of which margins are measured
_RATES = {"adam": {"lr": 3e-3, "weight_decay": 1e-2}, "sgd": {"lr": 0.1, "momentum": 0.9}}

# the experiments -----------------------------------------------------------------------------------------------


def _dense(*sizes):
    layers = [m for a, b in zip(sizes, sizes[1:], strict=False) for m in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


@functools.cache
def synthetic(distance=5.0, sigma=1.0, count=4000, size=100, tested=200, dim=3):
    """Hold me tight's table 1: margins of MLPs (100-64-64-2) on x = (ε/2)·y·u₁ + w, y = ±1, w ~ N(0, σ²) orthogonal to u₁.

    → {name of the directions: margins (networks, tested)}, each network with data, u₁ and subspaces of its own.
    """
    def drawn(seed):
        g = torch.Generator().manual_seed(1000 + seed)
        u = torch.nn.functional.normalize(torch.randn(size, generator=g), dim=0)
        y = torch.randint(2, (count + tested,), generator=g)
        w = sigma * torch.randn(count + tested, size, generator=g)
        return u, w - (w @ u)[:, None] * u + distance * (y - 0.5)[:, None] * u, y

    sets = [drawn(seed) for seed in range(SEEDS)]
    found = fit_many(lambda setting: _dense(size, 64, 64, 2),
                     lambda s: (sets[s["seed"]][1][:count], sets[s["seed"]][2][:count]), [{"lr": 2e-3}], range(SEEDS),
                     steps=400, batch_size=128, progress=False, schedule=lambda t: 1 - t)
    result = {}
    for seed, (u, x, _) in enumerate(sets):
        spaces = {"u₁": u[None], "span{u₁}⊥": torch.linalg.qr(torch.cat([u[:, None], torch.eye(size)[:, 1:]], 1))[0].mT[1:],
                  "S_orth": subspaces(tested, size, dim, u, seed), "S_rand": subspaces(tested, size, dim, None, seed + 77)}
        for name, basis in spaces.items():
            result.setdefault(name, []).append(margin(found.model(seed), x[count:], basis))
    return {name: torch.stack(values) for name, values in result.items()}


@functools.cache
def digits_flat(flipped):
    """Digits of 8 × 8 pixels minus their mean, as vectors: train (1347, 64), labels, test (450, 64), labels."""
    from .. import data

    train, test = data.digits(size=8), data.digits(size=8, split="test")
    mean = train.images.mean(0)
    x, z = ((d.images - mean)[:, 0] for d in (train, test))
    if flipped:
        x, z = flip_frequencies(x), flip_frequencies(z)
    return x.flatten(1), train.labels, z.flatten(1), test.labels


@functools.cache
def classifiers(flipped, optimizer="adam"):
    """MLPs (64-64-64-10) trained on the digits, with the frequency order turned round if ``flipped``, by "adam" or "sgd":
    Histories with "accuracy", the test images'."""
    x, y, z, labels = digits_flat(flipped)
    return fit_many(lambda setting: _dense(64, 64, 64, 10), (x, y), [_RATES[optimizer]], range(SEEDS), steps=500,
                    batch_size=64, optimizer=optimizer, schedule=lambda t: 1 - t, every=[], progress=False,
                    measure=lambda now: {"accuracy": (now.forward(z).argmax(-1) == labels).double().mean(1)})


def models_of(histories):
    """The trained networks of Histories, a list."""
    return [histories.model(i) for i in range(len(histories.settings))]


@functools.cache
def band_margins(flipped, optimizer="adam"):
    """Margins of the classifiers along the DCT's diagonal, 2 × 2 frequencies each, of test images: (networks, bands, tested)."""
    return margin(models_of(classifiers(flipped, optimizer)), digits_flat(flipped)[2][:TESTED], bands(8)[:, None])


def discriminative(flipped):
    """How far the classes' means lie apart in each of these bands, in units of the spread within a class: (bands,).

    Both are roots of mean squares, so that a band which merely has little energy does not count as one without classes.
    """
    x, y = digits_flat(flipped)[:2]
    means = torch.stack([x[y == c].mean(0) for c in range(10)])
    between, within = ((bands(8) @ part.T).pow(2).sum(1).mean(1).sqrt() for part in (means - x.mean(0), x - means[y]))
    return between / within


@functools.cache
def fine_tuned(examples=100, steps=100):
    """Margins before and after the classifiers were trained a little longer: {how: (networks, bands, tested)}.

    "before" · "clean": longer on the same images · "deepfool": the first ``examples`` images replaced by
    their DeepFool examples, labels kept · "noise": by images as far away in random directions."""
    x, y, z, _ = digits_flat(False)
    nets = models_of(classifiers(False))
    move, _ = deepfool(nets, x[:examples])
    g = torch.Generator().manual_seed(0)
    random = torch.nn.functional.normalize(torch.randn(move.shape, generator=g), dim=-1) * move.norm(dim=-1, keepdim=True)
    moved = {"clean": 0 * move, "noise": random, "deepfool": move}

    def taught(setting):
        inputs = x.clone()
        inputs[:examples] += moved[setting["how"]][setting["seed"]]
        return inputs, y

    after = fit_many(lambda s: copy.deepcopy(nets[s["seed"]]).train(), taught, [{"how": h, "lr": 1e-3} for h in moved],
                     range(SEEDS), steps=steps, batch_size=64, every=[], progress=False)
    margins = margin(models_of(after), z[:TESTED], bands(8)[:, None]).view(len(moved), SEEDS, -1, TESTED)
    return {"before": band_margins(False), **dict(zip(moved, margins, strict=True))}
