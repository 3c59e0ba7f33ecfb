"""Lecture 05, exercise 5.3: the smallest interpolant, from the kernel and from SGD."""

import numpy as np

from .formula import formula


def two_ways(X, y, order, eta):
    """The smallest w with Xw = y, and SGD's w.  X (n, d), y (n,), order (T,) → (d,), (d,)"""
    import torch

    smallest = X.T @ torch.linalg.solve(X @ X.T, y)
    w = torch.zeros_like(X[0])
    for i in order.tolist():
        w = w - eta * (w @ X[i] - y[i]) * X[i]
    return smallest, w


def _sgd(X, y, order, eta, start=0.0, sign=-1.0, factor=1.0, frozen=False):
    w = np.full(X.shape[1], start)
    for i in order:
        e = ((0 if frozen else w) @ X[i] if not frozen else 0.0) - y[i]
        w = w + sign * factor * eta * e * X[i]
    return w


def _batch(X, y, order, eta):
    w = np.zeros(X.shape[1])
    for _ in order:
        w = w - eta * X.T @ (X @ w - y)
        if np.abs(w).max() > 1e12:
            break
    return w


def _smallest(X, y):
    return X.T @ np.linalg.solve(X @ X.T, y)


def _two(X, y, order, eta, first=_smallest, second=_sgd):
    return first(X, y), second(X, y, order, eta)


def _second(**how):
    return lambda X, y, order, eta: _two(X, y, order, eta, second=lambda *a: _sgd(*a, **how))


def _way_cases(rng):
    made = []
    for n, d, epochs, eta, note in ((3, 5, 1, 0.45, "three examples once each"), (4, 9, 400, 0.3, "many epochs: both ways agree"),
                                    (1, 4, 1, 0.3, "one example"), (5, 5, 2, 0.2, "as many examples as features"),
                                    (2, 6, 0, 0.3, "no step at all"),
                                    (3, 6, 7, 0.25, "an order that is no whole number of rounds"),
                                    (2, 4, 2, 900.0, "small features")):
        X = np.linalg.qr(rng.normal(size=(d, n)))[0].T * rng.uniform(0.7, 1.4, (n, 1)) + 0.1 * rng.normal(size=(n, d))
        X *= 0.02 if "small" in note else 1.0  # what is added to XXᵀ is then not small
        if "whole" in note:
            order = np.append(rng.integers(0, n - 1, epochs - 1), n - 1)
        else:
            order = np.concatenate([np.zeros(0, np.int64), *(rng.permutation(n) for _ in range(epochs))])
        made.append({"X": X, "y": rng.normal(size=n) * 2 + 1, "order": order, "eta": eta, "note": note})
    return made


_WAYS = formula(
    id="5.3", title="The smallest solution, two ways", points=2, minutes=8, difficulty=2,
    task="two_ways(X, y, order, eta): first α from XXᵀα = y and w = Xᵀα; second, from w = 0, for each i of order one step "
         "w ← w − η (w·x_i − y_i) x_i. X (n, d) with n ≤ d, y (n,), order (T,) whole numbers → both w, each (d,).",
    library=two_ways, cases=_way_cases, truth=_two, outputs=("w from the kernel", "w from SGD"),
    mistakes=[
        ("α came back in place of w: the weights are Xᵀα.", lambda X, y, order, eta: (np.linalg.solve(X @ X.T, y), _sgd(X, y, order, eta))),
        ("That fits, but it is not the smallest: it leaves features out. Solve XXᵀα = y, then w = Xᵀα.",
         lambda X, y, order, eta: _two(X, y, order, eta, first=_leading)),
        ("The kernel matrix has some ridge added to it: no regulariser is asked for, XXᵀα = y.",
         lambda X, y, order, eta: _two(X, y, order, eta, first=lambda X, y: X.T @ np.linalg.solve(X @ X.T + 0.1 * np.eye(len(y)), y))),
        ("The two w are exchanged: first the smallest one, then SGD's.", lambda X, y, order, eta: _two(X, y, order, eta)[::-1]),
        ("η is an argument: the step is not always 0.3.", lambda X, y, order, eta: _two(X, y, order, 0.3)),
        ("SGD climbs: the step is w − η e x_i.", _second(sign=1.0)),
        ("The step is twice as long: the update has no factor 2.", _second(factor=2.0), 0.5),
        ("SGD starts at 1: from w = 0 only, all it adds stays in the span of the examples.", _second(start=1.0)),
        ("The error e is that of the first w in every step: compute w·x_i − y_i anew.", _second(frozen=True)),
        ("Each step uses all examples: SGD's step looks at example i of the order alone.",
         lambda X, y, order, eta: _two(X, y, order, eta, second=_batch)),
        ("The examples were taken in their own order: follow order, which may repeat or leave out.",
         lambda X, y, order, eta: _two(X, y, order, eta, second=lambda X, y, o, e: _sgd(X, y, np.sort(o), e))),
        ("The examples were taken once each in their own order: one step for each entry of order, which may repeat or leave out.",
         lambda X, y, order, eta: _two(X, y, order, eta, second=lambda X, y, o, e: _sgd(X, y, range(len(y)), e))),
        ("The last step is missing: one for each entry of order.",
         lambda X, y, order, eta: _two(X, y, order, eta, second=lambda X, y, o, e: _sgd(X, y, o[:-1], e))),
        ("SGD was not run, or run too long: one step for each entry of order; after few it is not yet at the smallest solution.",
         lambda X, y, order, eta: (_smallest(X, y), _smallest(X, y))),
    ],
    laws=[("The first w does not fit the examples, Xw = y: is something added to XXᵀ, or XᵀX solved, which has no inverse for n < d? The kernel is XXᵀ, and no "
           "regulariser is asked for.",
           lambda found, X, y, order, eta: np.abs(X @ found[0] - y).max() < 1e-3)],
    hints=("First: alpha = torch.linalg.solve(X @ X.T, y) has one number for each example; w = X.T @ alpha has one for each feature.",
           "Second: w = torch.zeros(X.shape[1]); for i in order.tolist(): …",
           "The error of one example is e = w @ X[i] − y[i], a number; the step is w − eta * e * X[i]."),
    insight="Every step adds a multiple of some x_i, so w stays in the span of the examples; the only solution there is the smallest.")


def _leading(X, y):
    """A solution that uses the first n features alone."""
    w = np.zeros(X.shape[1])
    w[: len(y)] = np.linalg.lstsq(X[:, : len(y)], y, rcond=None)[0]
    return w


EXERCISES = [_WAYS]
