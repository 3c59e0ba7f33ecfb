"""Lecture 08's exercises 8.5 and 8.6: directions of a latent space, and the Hessian penalty.

Sources: Shen, Zhou 2021, *Closed-Form Factorization of Latent Semantics in GANs*; Peebles et al. 2020, *The Hessian Penalty*.
"""

from functools import partial

import numpy as np

from . import functions
from .formula import formula


def sefa(A, k):
    """The k unit directions of z that A z answers most to, as rows, the strongest first.  A (M, D) → (k, D)"""
    import torch

    values, vectors = torch.linalg.eigh(A.T @ A)  # rising
    return vectors.T.flip(0)[:k]


def hessian_penalty(f, z, v, eps):
    """The unbiased variance over the rows of v of f's second difference at z along them.  z (D,), v (k, D) → number"""
    second = (f(z + eps * v) - 2 * f(z[None]) + f(z - eps * v)) / eps**2
    return second.var()


# ---- 8.5


def _sefa_cases(rng):
    made = []
    for m, d, k, note in (
        (6, 6, 6, "all directions"),
        (7, 4, 2, "more outputs than inputs"),
        (3, 5, 4, "fewer outputs than directions asked for"),
    ):
        A = rng.normal(size=(m, d)) * rng.uniform(0.3, 3, d)
        made.append({"A": A, "k": k, "note": note})
    return made


def _directions(A, k, small=False, columns=False, other=False, scaled=False):
    values, vectors = np.linalg.eigh(A @ A.T if other else A.T @ A)
    chosen = (vectors if small else vectors[:, ::-1])[:, :k]
    chosen = chosen * np.sqrt(np.maximum((values if small else values[::-1])[:k], 0)) if scaled else chosen
    return chosen if columns else chosen.T


def _strongest(value, A, k, turn=-1):
    return np.allclose(
        ((A @ value.T) ** 2).sum(0), np.linalg.eigvalsh(A.T @ A)[::turn][:k], rtol=2e-3, atol=1e-3
    )


# ---- 8.6


def _penalty_cases(rng):
    made = []
    for d, k, kind, eps, note in (
        (3, 6, "polynomial", 0.1, "a polynomial of three inputs"),
        (4, 5, "network", 0.5, "a network, ε = 0.5"),
        (5, 4, "network", 0.2, "a network"),
        (2, 8, "polynomial", 0.5, "two inputs, ε = 0.5"),
    ):
        f = (
            functions.random_network(rng, d, activation="tanh")
            if kind == "network"
            else functions.polynomial(d, 2 * rng.normal(size=(d, d)), rng.normal(size=d), rng.normal())
        )
        v = np.where(rng.random((k, d)) < 0.5, -1.0, 1.0)
        v[0], v[1], v[1, 0] = 1, 1, -1  # not all alike, up to a sign
        made.append({**f, "z": rng.normal(size=d), "v": v, "eps": eps, "note": note})
    A = np.diag(rng.normal(size=4))
    made.append(
        {
            **functions.polynomial(4, A, rng.normal(size=4)),
            "z": rng.normal(size=4),
            "v": np.where(rng.random((5, 4)) < 0.5, -1.0, 1.0),
            "eps": 0.25,
            "note": "a Hessian that is diagonal already: the penalty is 0",
        }
    )
    return made


def _penalty(f, z, v, eps, ends=None, by=None, spread=lambda s: s.var(ddof=1)):
    up, down, here = f(z + eps * v), f(z - eps * v), f(z[None])
    ends = up - 2 * here + down if ends is None else ends(up, here, down)
    return spread(ends / (eps**2 if by is None else by(eps)))


EXERCISES = [
    formula(
        id="8.5",
        title="SeFa in three lines",
        points=2,
        minutes=6,
        difficulty=2,
        task="sefa(A, k): the k directions n of length 1, orthogonal to each other, for which ‖A n‖² is largest, as rows, the strongest first. "
        "A (M, D) → (k, D). The sign of a direction is free.",
        library=sefa,
        cases=_sefa_cases,
        truth=None,
        axes="(k, D)",
        shape=lambda A, k: (k, A.shape[1]),
        laws=[
            (
                "The directions do not have length 1.",
                lambda value, A, k: np.allclose((value**2).sum(1), 1, atol=1e-3),
            ),
            (
                "The directions are not orthogonal.",
                lambda value, A, k: np.allclose(value @ value.T, np.diag((value**2).sum(1)), atol=2e-3),
            ),
            (
                "Those are the directions that A answers least to: eigenvalues come in rising order.",
                lambda value, A, k: k == A.shape[1] or not _strongest(value, A, k, 1),
            ),
            (
                "Those are the right directions in rising order: the strongest comes first.",
                lambda value, A, k: _strongest(value, A, k) or not _strongest(value[::-1], A, k),
            ),
            (
                "Rows and columns are mixed up: eigh's vectors are columns (transpose), svd's Vh has them as rows.",
                lambda value, A, k: (
                    k < A.shape[1]
                    or _strongest(value, A, k)
                    or not (_strongest(value.T, A, k) or _strongest(value.T, A, k, 1))
                ),
            ),
            ("‖A n‖² is not the largest possible, the strongest first.", _strongest),
        ],
        mistakes=[
            (
                "The strongest are eigh's last vectors: turn the order round before you take k.",
                partial(_directions, small=True),
            ),
            (
                "One row for each direction: transpose eigh's vectors; svd's Vh has rows already.",
                partial(_directions, columns=True),
            ),
            (
                "Directions of the outputs, A Aᵀ: those of the latent are eigenvectors of Aᵀ A.",
                partial(_directions, other=True),
            ),
            ("The directions are to have length 1.", partial(_directions, scaled=True)),
            (
                "Turn the order round: .flip(0).",
                lambda A, k: _directions(A, k)[::-1],
            ),
            (
                "Directions that A maps to 0 count too: a thin SVD leaves them out. full_matrices=True, or eigh of Aᵀ A.",
                lambda A, k: np.linalg.svd(A, full_matrices=False)[2][:k],
            ),
            (
                "The rows of A are no directions that A answers to most.",
                lambda A, k: (A / np.linalg.norm(A, axis=1, keepdims=True))[:k],
            ),
        ],
        hints=(
            "‖A n‖² = nᵀ Aᵀ A n: for n of length 1 this is largest for which vectors?",
            "Eigenvectors of Aᵀ A (D × D), torch.linalg.eigh: eigenvalues rising, vectors in columns.",
            "values, vectors = torch.linalg.eigh(A.T @ A); return vectors.T.flip(0)[:k]",
        ),
        insight="They are A's right singular vectors: no data and no training are needed.",
    ),
    formula(
        id="8.6",
        title="The Hessian penalty by differences",
        points=2,
        minutes=6,
        difficulty=2,
        task="hessian_penalty(f, z, v, eps): the second differences (f(z + εv) − 2 f(z) + f(z − εv)) / ε² for every row of v (k, D), and their "
        "unbiased variance over the k rows. f takes (N, D) and returns (N,); z (D,). → number. Tolerance 3e-3 of the size of the answer.",
        library=hessian_penalty,
        cases=_penalty_cases,
        truth=_penalty,
        axes="a number",
        tolerance=3e-3,
        mistakes=[
            ("Divide by k − 1, not k: the unbiased variance.", partial(_penalty, spread=lambda s: s.var())),
            (
                "The mean is to be subtracted: a variance, not the mean of squares.",
                partial(_penalty, spread=lambda s: (s**2).mean()),
            ),
            (
                "The mean is to be subtracted: a variance, not a sum of squares over k − 1.",
                partial(_penalty, spread=lambda s: (s**2).sum() / (len(s) - 1)),
            ),
            (
                "That is the standard deviation: the variance is its square.",
                partial(_penalty, spread=lambda s: s.std(ddof=1)),
            ),
            ("The sign of a second difference counts.", partial(_penalty, spread=lambda s: np.abs(s).var(ddof=1))),
            ("Those are the second differences: take their variance.", partial(_penalty, spread=lambda s: s)),
            ("Divide by ε², not ε.", partial(_penalty, by=lambda e: e)),
            ("The division by ε² is missing.", partial(_penalty, by=lambda e: 1.0)),
            ("Divide by ε², not (2ε)² or 2ε².", partial(_penalty, by=lambda e: 4 * e**2)),
            ("Divide by ε², not (2ε)² or 2ε².", partial(_penalty, by=lambda e: 2 * e**2)),
            (
                "That is the first difference: f(z + εv) − 2 f(z) + f(z − εv).",
                partial(_penalty, ends=lambda up, here, down: up - down),
            ),
            (
                "That is the first difference: f(z + εv) − 2 f(z) + f(z − εv).",
                partial(_penalty, ends=lambda up, here, down: up - here),
            ),
            (
                "That is the mean of the second differences, the trace of the Hessian on average: take their variance.",
                partial(_penalty, spread=lambda s: s.mean()),
            ),
        ],
        hints=(
            "One batch z + εv, one batch z − εv, and f(z[None]) once: (k,), (k,), (1,).",
            "vᵀ H v = Σ H_ii + Σ_{i≠j} v_i v_j H_ij for v = ±1: only what is off the diagonal varies with v.",
            "second = (f(z + eps * v) − 2 * f(z[None]) + f(z − eps * v)) / eps**2; return second.var()",
        ),
        insight="Var(vᵀ H v) = 2 Σ_{i≠j} H_ij²: with a diagonal Hessian each latent acts by itself. (f(z) is the same for all v: the variance would not miss it.)",
    ),
]
