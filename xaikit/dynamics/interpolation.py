"""Fitting every label exactly: a two-layer network by construction, and the smallest of all linear interpolants.

Zhang et al. 2017, *Understanding deep learning requires rethinking generalization*, sections 4 and 5, appendix C.
Everything here is float64: an exact fit is a claim about numbers.
"""

import functools
import math

import torch
import torch.nn.functional as F

# ---- theorem 1


def fit_any(x, y, a, gap=0.5):
    """Knots b (n,) and weights w (n,) with Σ_j w_j max(a·x_i − b_j, 0) = y_i for every example; a is (d,).

    With z = a·x sorted, b_1 < z_1 < b_2 < z_2 < …: each knot stands ``gap`` of the way down from its z to the z
    before (the first one ``gap`` below z_1), so that the matrix max(z_i − b_j, 0) is lower triangular with a positive diagonal
    (Zhang et al., lemma 1).  ``gap`` in (0, 1).  ValueError where two examples have one projection.
    """
    if len(x) == 0 or x.dim() != 2 or y.shape != x.shape[:1]:
        raise ValueError(f"x is (n, d) with n ≥ 1 and y (n,), not {tuple(x.shape)} and {tuple(y.shape)}")
    if a.shape != x.shape[1:]:
        raise ValueError(f"a is ({x.shape[1]},), not {tuple(a.shape)}")
    if not 0 < gap < 1:
        raise ValueError(f"gap lies strictly between 0 and 1, not {gap}")
    z, order = (x.double() @ a.double()).sort()
    steps = torch.cat([torch.ones(1, dtype=z.dtype), z.diff()])
    if not (steps > 0).all():
        raise ValueError("two examples have the same projection a·x: no function of it can part them; take another a")
    b = z - gap * steps
    w = torch.linalg.solve_triangular(hinges(z, b), y[order].double()[:, None], upper=False)[:, 0]
    return b, w


def hinges(z, b):
    """max(z_i − b_j, 0): z (N,), b (n,) → (N, n)."""
    return (z[:, None] - b).clamp(min=0)


def two_layers(x, a, b, w):
    """C(x) = Σ_j w_j max(a·x − b_j, 0): x (N, d) → (N,).  d + n + n weights."""
    return hinges(x.double() @ a.double(), b) @ w


# ---- minimum norm


def minimum_norm(K, y):
    """α with K α = y by Cholesky's factors: K (n, n) positive definite, y (n,) or (n, C).  ValueError where K is not."""
    factor, failed = torch.linalg.cholesky_ex(K)
    if failed:
        raise ValueError(f"K is not positive definite ({len(K)} examples): there are duplicates, or more examples than features")
    return torch.cholesky_solve(y.reshape(len(K), -1), factor).reshape(y.shape)


def norm(K, alpha):
    """The norm of w = Σ α_i φ(x_i) from K alone, over all outputs: sqrt(Σ_c α_cᵀ K α_c)."""
    alpha = alpha.reshape(len(K), -1)
    return float((alpha * (K @ alpha)).sum().clamp(min=0).sqrt())


def sgd(x, y, order, eta):
    """w after one step w ← w − η (w·x_i − y_i) x_i for every i of ``order``, from w = 0.  x (n, d), y (n,) → (d,)"""
    w = torch.zeros_like(x[0])
    for i in order.tolist():
        w = w - eta * (w @ x[i] - y[i]) * x[i]
    return w


def sgd_epochs(K, y, epochs, eta, seed=0):
    """Yield α (…, n, C) after each epoch of SGD from zero, with w = Σ α_i φ(x_i); every epoch is a new order of all n.

    K (…, n, n) and y (…, n) or (…, n, C): several problems at once, in one order; eta a number or (…, 1, 1).
    A step on example i changes α_i alone, by −η ((Kα)_i − y_i); with Δ the changes of one epoch and L the part of K
    (in that order) below its diagonal, (I/η + L) Δ = y − Kα: a whole epoch is one triangular system, the same numbers
    as n single steps.
    """
    n, g = K.shape[-1], torch.Generator().manual_seed(seed)
    y = y.reshape(*K.shape[:-1], -1)
    alpha, eye = torch.zeros_like(y), torch.eye(n, dtype=K.dtype) / eta
    for _ in range(epochs):
        rows = torch.randperm(n, generator=g)
        system = K[..., rows, :][..., rows].tril(-1) + eye
        step = torch.linalg.solve_triangular(system, (y - K @ alpha)[..., rows, :], upper=False)
        alpha = alpha.index_add(-2, rows, step)
        yield alpha


# ---- features and kernels


def gaussian_kernel(a, b, sigma):
    """exp(−‖a_i − b_j‖² / 2σ²): a (N, d), b (M, d) → (N, M)."""
    if not sigma > 0:
        raise ValueError(f"sigma is above 0, not {sigma}")
    squares = (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp(min=0)
    return squares.div_(-2 * sigma**2).exp_()


def median_distance(x):
    """The median distance between two different examples of x (n, d)."""
    return float(torch.pdist(x).median())


@functools.cache
def filters(count=256, side=3, kind="random", seed=0):
    """(count, 1, side, side) filters of norm 1: "random" (normal, mean 0 each), or "gabor" (random angle and phase)."""
    g = torch.Generator().manual_seed(seed)
    if kind == "random":
        bank = torch.randn(count, side, side, generator=g, dtype=torch.float64)
    elif kind == "gabor":
        at = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
        angle, phase = (2 * math.pi * torch.rand(count, 1, 1, generator=g, dtype=torch.float64) for _ in range(2))
        period = side * (0.6 + 0.8 * torch.rand(count, 1, 1, generator=g, dtype=torch.float64))
        along = at[:, None] * angle.sin() + at * angle.cos()
        envelope = (-(at[:, None] ** 2 + at**2) / (2 * (side / 3) ** 2)).exp()
        bank = envelope * (2 * math.pi * along / period + phase).cos()
    else:
        raise ValueError(f"filters are 'random' or 'gabor', not {kind!r}")
    bank = bank - bank.mean((1, 2), keepdim=True)
    return (bank / bank.flatten(1).norm(dim=1)[:, None, None])[:, None]


def convolved(x, bank, pool=3):
    """Images x (N, D), D a square, through filters, ReLU of both signs and average pooling: (N, 2 · count · cells)."""
    side = math.isqrt(x.shape[1])
    maps = F.conv2d(x.reshape(-1, 1, side, side).float(), bank.float(), padding=bank.shape[-1] // 2)
    halves = torch.cat([maps.clamp(min=0), (-maps).clamp(min=0)], 1)
    return F.avg_pool2d(halves, pool, ceil_mode=True, count_include_pad=False).flatten(1).double()


def one_hot(y, classes=10):
    """Targets (n, classes) of 0 and 1 in float64."""
    return F.one_hot(y, classes).double()
