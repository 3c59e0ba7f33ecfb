"""Lecture 04, the library's own answers: what `answer` falls back to and what a card reveals in the end."""

import torch


def gradient_credit(f, x):
    """∂f/∂x, row by row.  x: (N, D) → (N, D)"""
    x = x.detach().clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(f(x).sum(), x)  # rows do not mix: the sum keeps each row's own gradient
    return gradient


def integrated_gradients(f, x, baseline, steps=32):
    """Midpoint sum of the path integral.  x, baseline: (N, D) → (N, D)"""
    x, baseline = x.detach(), baseline.detach()
    total = torch.zeros_like(x)
    for k in range(steps):
        point = baseline + (k + 0.5) / steps * (x - baseline)
        point.requires_grad_(True)
        (gradient,) = torch.autograd.grad(f(point).sum(), point)
        total = total + gradient
    return (x - baseline) * total / steps


def completeness_gap(f, x, baseline, attributions):
    """Σ attributions − (f(x) − f(x′)), row by row.  x, baseline, attributions: (N, D) → (N,)"""
    with torch.no_grad():
        return attributions.sum(1) - (f(x) - f(baseline))


def path_gradients(f, path, steps=100):
    """∫ ∂f/∂γᵢ · γᵢ′ dα, midpoint by midpoint.  path: α (S,) → (S, D);  result (D,)"""
    edges = torch.linspace(0, 1, steps + 1)
    corners = path(edges).detach()
    point = path((edges[1:] + edges[:-1]) / 2).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(f(point).sum(), point)
    return (gradient * (corners[1:] - corners[:-1])).sum(0)  # γ′ dα is the step that the path takes


def twin_networks():
    """max(x₁, x₂, 1), bracketed in two ways; a network is a list of (weight (out, in), bias (out,)), ReLU
    between them.
    """
    # max(a, b) = b + ReLU(a − b), and a value of either sign passes a ReLU as ReLU(a) − ReLU(−a)
    f = [  # max(max(x₁, x₂), 1)
        ([[1, -1], [0, 1], [0, -1]], [0, 0, 0]),
        ([[1, 1, -1]], [-1]),
        ([[1]], [1]),
    ]
    g = [  # max(x₁, max(x₂, 1))
        ([[0, 1], [1, 0], [-1, 0]], [-1, 0, 0]),
        ([[-1, 1, -1], [1, 0, 0]], [-1, 1]),
        ([[1, 1]], [0]),
    ]
    return f, g


def bent_path(alpha, baseline, x):
    """A path from baseline to x that bends towards the first feature.  alpha: (S,), baseline, x: (2,) → (S,
    2)
    """
    share = torch.stack(
        [alpha, alpha**3], dim=1
    )  # the first feature goes ahead, the second catches up at the end
    return baseline + share * (x - baseline)


def quick_integrated_gradients(f, x, baseline, steps=32):
    """Integrated gradients with one call of f.  x, baseline: (N, D) → (N, D)"""
    x, baseline = x.detach(), baseline.detach()
    alpha = (torch.arange(steps) + 0.5) / steps
    points = baseline + alpha[:, None, None] * (x - baseline)  # (steps, N, D)
    points = points.reshape(-1, x.shape[1]).requires_grad_(True)
    (gradient,) = torch.autograd.grad(f(points).sum(), points)
    return (x - baseline) * gradient.reshape(steps, *x.shape).mean(0)
