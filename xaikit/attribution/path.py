"""Path methods: integrate the gradient from a baseline to the input, along a straight line or any other
path."""

import functools
import math

import numpy as np
import torch

from .call import each, explaining
from .checks import check_baseline, check_steps

RULES = ("left", "right", "midpoint", "trapezoid", "gauss")


def quadrature(steps, rule="midpoint"):
    """Nodes and weights (K,), (K,) in float64 for ∫₀¹ g(α) dα ≈ Σₖ wₖ g(αₖ); the weights sum to one.

    "left", "right", "midpoint": one node in each of ``steps`` equal intervals, K = steps.  "trapezoid": the
    intervals' ends, K = steps + 1, the outermost two with half the weight.  "gauss": the Gauss–Legendre rule
    with K = steps nodes, exact for polynomials up to degree 2·steps − 1.  ValueError for steps < 1 or another
    rule, TypeError for steps not whole.
    """
    steps = check_steps(steps)
    k = torch.arange(steps, dtype=torch.float64)
    equal = torch.full((steps,), 1 / steps, dtype=torch.float64)
    if rule == "left":
        return k / steps, equal
    if rule == "right":
        return (k + 1) / steps, equal
    if rule == "midpoint":
        return (k + 0.5) / steps, equal
    if rule == "trapezoid":
        ends = torch.cat([equal, equal[:1]])
        ends[[0, -1]] /= 2
        return torch.arange(steps + 1, dtype=torch.float64) / steps, ends
    if rule == "gauss":
        nodes, weights = np.polynomial.legendre.leggauss(steps)  # on [−1, 1]
        return torch.from_numpy((nodes + 1) / 2), torch.from_numpy(weights / 2)
    raise ValueError(f"rule must be one of {', '.join(RULES)}, not {rule!r}")


def integrated_gradients(model, x, target=None, baseline=None, steps=32, rule="midpoint"):
    """(x − x′) ⊙ ∫₀¹ ∂F(x′ + α(x − x′))/∂x dα: what each input value adds on the way from x′ to x.  (N, …) →
    (N, …)

    ``baseline``: x′, None (zeros), a number, or a tensor of x's or of one image's shape.  ``steps``,
    ``rule``: see ``quadrature``. The attributions sum to F(x) − F(x′) up to the error of the quadrature
    (``completeness_gap``).
    Source: Sundararajan, Taly, Yan 2017, "Axiomatic Attribution for Deep Networks",
    equations 1 and 3.
    Raises as ``call.explaining``; ValueError or TypeError for the options.
    """
    alphas, weights = quadrature(steps, rule)
    with explaining(model, x, target, many=True) as score:
        start = check_baseline(baseline, score.x)
        way = score.x - start
        return way * score.sum_gradients(
            weights, lambda k, rows: start[rows] + each(alphas[k], way) * way[rows]
        )


def path_gradients(model, x, target=None, path=None, steps=32, rule="midpoint"):
    """∫₀¹ ∂F(γ(α))/∂x ⊙ γ′(α) dα along any path γ that ends in x.  (N, …) → (N, …)

    ``path``: a function γ of α in [0, 1] (a tensor without dimensions) that returns points of x's shape,
    written in torch operations, of which the derivative γ′ is taken automatically; or a tensor (P, N, …) of P
    ≥ 2 points that straight lines join, each line with ``steps`` / (P − 1) steps, rounded up; or None, the
    straight line from zeros. The attributions sum to F(x) − F(γ(0)).
    Source: Sundararajan, Taly, Yan 2017,
    section 4.1, the definition of PathIntegratedGrads.
    Raises as ``call.explaining``; ValueError for a path
    that does not end in x, has other shapes, or cannot be differentiated.
    """
    with explaining(model, x, target, many=True) as score:
        if path is None:
            path = torch.stack([torch.zeros_like(score.x), score.x])
        curve, alphas, weights = _curve(path, score.x, steps, rule)
        # the next chunk of points often begins at the node this one ends with
        at = functools.lru_cache(maxsize=1)(lambda k: curve(alphas[k]))

        def along(part, k, rows):
            return torch.cat([at(i)[part][rows[k == i]] for i in k.unique().tolist()])

        return score.sum_gradients(
            weights, lambda k, rows: along(0, k, rows), lambda k, rows: along(1, k, rows)
        )


def completeness_gap(model, x, attributions, target=None, baseline=None):
    """How far the attributions are from adding up: |Σᵢ Aᵢ − (F(x) − F(x′))|, (N,).

    ``attributions``: (N, …) shaped like x; ``baseline``: x′, see ``integrated_gradients``.
    Source: Sundararajan, Taly, Yan 2017, proposition 1.
    Raises as ``call.explaining``.
    """
    if not torch.is_tensor(attributions) or attributions.shape != x.shape:
        raise ValueError(
            f"attributions must be a tensor shaped like x, {tuple(x.shape)}, not "
            f"{tuple(attributions.shape) if torch.is_tensor(attributions) else type(attributions).__name__}"
        )
    with explaining(model, x, target) as score:
        score.predicted()
        rise = score.values(score.x) - score.values(check_baseline(baseline, score.x))
        return (attributions.detach().double().flatten(1).sum(1) - rise).abs().to(x.dtype)


def _curve(path, x, steps, rule):
    """A path as a function α → (point, derivative), with the nodes and weights to integrate along it."""
    if torch.is_tensor(path):
        return _polygon(path.detach().to(x), x, steps, rule)
    if not callable(path):
        raise TypeError(
            f"path must be a function of alpha, a tensor of points, or None, not {type(path).__name__}"
        )

    def curve(alpha):
        alpha = alpha.to(x).detach().requires_grad_()
        point = path(alpha)
        _check_point(point, x, alpha)
        velocity = _derivative(point, alpha)
        if not velocity.isfinite().all():
            raise ValueError(
                f"the path's derivative at alpha = {alpha.item():g} is infinite; another rule than "
                f"{rule!r} may keep away from there"
            )
        return point.detach(), velocity.detach()

    start, end = (path(torch.tensor(alpha).to(x)) for alpha in (0.0, 1.0))
    _check_point(start, x, 0.0)
    _check_end(end, x)
    alphas, weights = quadrature(steps, rule)
    # a path that left torch for a moment (item(), numpy) has a derivative of zero while its points move
    if not torch.equal(start, end) and not any(curve(alpha)[1].any() for alpha in quadrature(3, "gauss")[0]):
        raise ValueError(
            "the path cannot be differentiated: write it in torch operations on alpha, "
            "or give points (P, N, …)"
        )
    return curve, alphas, weights


def _derivative(point, alpha):
    """γ′(α), shaped like the point.  The slope of v·γ is linear in v, and its derivative by v is γ′:
    reverse mode twice."""
    if not point.requires_grad:
        return torch.zeros_like(point)
    v = torch.zeros_like(point, requires_grad=True)
    (slope,) = torch.autograd.grad((v * point).sum(), alpha, create_graph=True, allow_unused=True)
    return torch.zeros_like(point) if slope is None else torch.autograd.grad(slope, v)[0]


def _polygon(corners, x, steps, rule):
    if corners.dim() != x.dim() + 1 or len(corners) < 2 or corners.shape[1:] != x.shape:
        raise ValueError(
            f"a path of points must be (P, {', '.join(map(str, x.shape))}) with P ≥ 2, "
            f"not {tuple(corners.shape)}"
        )
    _check_end(corners[-1], x)
    lines = len(corners) - 1
    nodes, weights = quadrature(math.ceil(check_steps(steps) / lines), rule)

    def curve(alpha):  # alpha counts lines: 2.25 is a quarter of the way along the third
        line = min(int(alpha), lines - 1)
        velocity = corners[line + 1] - corners[line]
        return corners[line] + (alpha - line).to(x) * velocity, velocity

    return curve, torch.cat([nodes + line for line in range(lines)]), weights.repeat(lines)


def _check_point(point, x, alpha):
    if not torch.is_tensor(point) or point.shape != x.shape:
        got = tuple(point.shape) if torch.is_tensor(point) else type(point).__name__
        raise ValueError(
            f"the path must return points of x's shape {tuple(x.shape)}; "
            f"at alpha = {float(alpha):g} it gives {got}"
        )
    if not point.isfinite().all():
        raise ValueError(f"the path's point at alpha = {float(alpha):g} holds NaN or infinite values")


def _check_end(end, x):
    _check_point(end, x, 1.0)
    if not torch.allclose(end.to(x), x, rtol=1e-3, atol=1e-3):
        raise ValueError(
            f"the path must end in x: path(1) differs from x by up to {(end - x).abs().max().item():.3g}"
        )
