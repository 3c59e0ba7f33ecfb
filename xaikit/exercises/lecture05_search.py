"""Lecture 05, exercise 5.7: Langevin adversarial sample search, Arpit et al. 2017, Algorithm 1."""
import numpy as np

from ..dynamics import csr
from . import functions
from .formula import formula
from .lecture05_examples import classifier


def _search(f, x, alpha, beta, radius, noise, climb=-1.0, here=True, box="clip", stay=True, raw=False, before=False,
            early=False, soft=False):
    """Algorithm 1 in numpy, with switches for what goes wrong in it."""
    start = functions.outputs(f.data, x).argmax(1)
    moved, found, K = x.copy(), np.zeros(len(x), bool), functions.outputs(f.data, x).shape[1]
    for eta in noise:
        at, seen = moved if here else x, np.eye(K)[start]
        if soft:  # the logarithm of the softmax of f
            z = functions.outputs(f.data, at)
            seen = seen - np.exp(z - z.max(1, keepdims=True)) / np.exp(z - z.max(1, keepdims=True)).sum(1, keepdims=True)
        slope = functions.pull_back(f.data, at, seen)
        push = climb * alpha * (slope if raw else np.sign(slope))
        stepped = free = moved + push + beta * eta
        if box == "clip":
            stepped = x + np.clip(stepped - x, -radius, radius)
        elif box == "ball":
            length = np.linalg.norm(stepped - x, axis=1, keepdims=True)
            stepped = x + (stepped - x) * np.minimum(1, radius / np.maximum(length, 1e-12))
        elif box == "step":
            stepped = moved + np.clip(stepped - moved, -radius, radius)
        elif box == "zero":
            stepped = np.clip(stepped, -radius, radius)
        elif box == "unnoised":
            stepped = x + np.clip(moved + push - x, -radius, radius) + beta * eta
        elif box == "twice":
            stepped = x + np.clip(x + np.clip(moved + push - x, -radius, radius) + beta * eta - x, -radius, radius)
        elif box == "flat":
            stepped = x + radius * np.sign(stepped - x)
        elif box == "pixels":
            stepped = np.clip(x + np.clip(stepped - x, -radius, radius), 0, 1)
        elif box == "undo":
            stepped = np.where(np.abs(stepped - x) > radius, moved, stepped)
        moved = np.where((found & stay)[:, None], moved, stepped)
        now = functions.outputs(f.data, free if early else moved).argmax(1) != start
        found = (found | now) if stay or before else now
    return moved, found.astype(float)


def _mistake(**how):
    return lambda f, x, alpha, beta, radius, noise: _search(f, x, alpha, beta, radius, noise, **how)


def _moved_only(part):
    """The right search with one of its two results spoiled."""
    def wrong(f, x, alpha, beta, radius, noise):
        moved, found = _search(f, x, alpha, beta, radius, noise)
        return part(x, moved, found)
    return wrong


def _lass_cases(rng):
    made = []
    for N, D, K, T, alpha, beta, radius in ((6, 4, 3, 6, 0.15, 0.1, 0.4), (8, 3, 2, 12, 0.05, 0.05, 0.25),
                                            (7, 5, 3, 4, 0.12, 0.05, 0.4), (5, 6, 4, 5, 0.2, 0.3, 0.5), (1, 4, 3, 4, 0.1, 0.1, 0.3)):
        for _ in range(2000):  # N = 7: a network that is sure, whose slopes are tiny
            f, x = classifier(rng, D, K, gain=1.2, scale=1e-6 if N == 7 else 1.0), rng.normal(size=(N, D))
            noise = rng.normal(size=(T, N, D))
            z = functions.outputs(f, x)
            found = _search(_Data(f), x, alpha, beta, radius, noise)[1]
            early = _search(_Data(f), x, alpha, beta, radius, noise, early=True)[1]
            before = _search(_Data(f), x, alpha, beta, radius, noise[:-1])[1]
            clear = np.abs(np.diff(np.sort(z, 1)[:, -2:], axis=1)).min() > (2e-8 if N == 7 else 0.02)
            if clear and (N == 1 or 1 <= found.sum() <= N - 1) and (N != 5 or (early != found).any()) and (
                    N in (1, 5) or (before != found).any()):  # some row is found in the last iteration
                break
        made.append({"x": x, "alpha": alpha, "beta": beta, "radius": radius, "noise": noise, **f,
                     "note": f"{N} inputs of {D} pixels, {K} classes, {T} iterations"})
    flat = classifier(rng, 3, 2)  # no slope at all: only the noise moves
    flat["f.weight.0"] = np.zeros_like(flat["f.weight.0"])
    made.append({"x": rng.normal(size=(3, 3)), "alpha": 0.3, "beta": 0.2, "radius": 0.35,
                 "noise": rng.normal(size=(3, 3, 3)), **flat, "note": "a network without slope"})
    return made


class _Data:
    def __init__(self, data):
        self.data = data


EXERCISES = [formula(
    id="5.7", title="Langevin adversarial sample search", points=4, minutes=18, difficulty=3,
    task="lass(f, x, alpha, beta, radius, noise): f maps (N, D) to outputs (N, K), k = arg max f(x) for every row of x "
         "(N, D). Starting from x̃ = x, in each iteration t, with η = noise[t] (noise is (T, N, D)): x̃ ← x̃ − α "
         "sign(∂f_k(x̃)/∂x̃) + β η (f_k itself, whatever f gives: no softmax), then every pixel back to |x̃ − x| ≤ radius; where arg max f(x̃) ≠ k the row has "
         "found its x̂ and stays there. → x̂ (N, D) (the last x̃ where nothing was found), found (N,) bool. Tolerance 1e-3.",
    library=csr.lass, cases=_lass_cases, truth=_search, outputs=("x_hat", "found"), quiet=("x",),
    mistakes=[
        ("f_k must fall, so that the class k is left: subtract α · sign.", _mistake(climb=1.0)),
        ("The gradient was taken at x: take it anew at x̃ in each iteration.", _mistake(here=False)),
        ("The box is missing: bring x̃ back to within radius of x, pixel by pixel.", _mistake(box="")),
        ("Each step was clipped, not the way from x: the box stands round x, x + clamp(x̃ − x, −r, r).", _mistake(box="step")),
        ("x̃ itself was clipped to ±radius: the box stands round x, x + clamp(x̃ − x, −r, r).", _mistake(box="zero")),
        ("x̃ was cut to [0, 1] as well: Algorithm 1 knows no limit but the box round x, and x may be any numbers.",
         _mistake(box="pixels")),
        ("The noise came after the box and leads out of it: first both steps, then the box.", _mistake(box="unnoised")),
        ("The box came twice, after the gradient step and after the noise: once, after both.", _mistake(box="twice")),
        ("Whether the class has changed is asked of the x̃ that is back in the box.", _mistake(early=True)),
        ("That is a ball, ‖x̃ − x‖₂ ≤ r: the box limits each pixel alone.", _mistake(box="ball")),
        ("Every pixel was put to the side of the box: only those outside are brought back to it.", _mistake(box="flat")),
        ("Pixels that would leave the box were not moved: they go to its side, x ± r.", _mistake(box="undo")),
        ("Rows that have found another class moved on: they stay where they are.", _mistake(stay=False)),
        ("Rows that have found another class moved on: they stay where they are.", _mistake(stay=False, before=True)),
        ("The raw gradient was used: take its sign.", _mistake(raw=True)),
        ("A softmax was taken of f: the gradient is that of f_k itself, which may be anything.", _mistake(soft=True)),
        ("Whether the class has changed was not asked after the last iteration.", lambda f, x, alpha, beta, radius, noise: (
            _search(f, x, alpha, beta, radius, noise)[0], _search(f, x, alpha, beta, radius, noise[:-1])[1])),
        ("The noise is missing.", lambda f, x, alpha, beta, radius, noise: _search(f, x, alpha, 0.0, radius, noise)),
        ("The noise enters with the factor β.", lambda f, x, alpha, beta, radius, noise: _search(
            f, x, alpha, 1.0, radius, noise)),
        ("The gradient step is missing: only noise moves x̃.", lambda f, x, alpha, beta, radius, noise: _search(
            f, x, 0.0, beta, radius, noise)),
        ("The noise's sign is turned: + β η.", lambda f, x, alpha, beta, radius, noise: _search(
            f, x, alpha, -beta, radius, noise)),
        ("Only one iteration ran: there are T, one for each noise[t].", lambda f, x, alpha, beta, radius, noise: _search(
            f, x, alpha, beta, radius, noise[:1])),
        ("The last iteration is missing: there are T, one for each noise[t].", lambda f, x, alpha, beta, radius,
         noise: _search(f, x, alpha, beta, radius, noise[:-1])),
        ("noise[0] was used in every iteration: take noise[t].", lambda f, x, alpha, beta, radius, noise: _search(
            f, x, alpha, beta, radius, np.repeat(noise[:1], len(noise), 0))),
        ("Where nothing was found, return the last x̃, not x.", _moved_only(
            lambda x, moved, found: (np.where(found[:, None] > 0, moved, x), found)), 0.5),
        ("x̂ is a point, not the way to it: x̃ itself, not x̃ − x.", _moved_only(
            lambda x, moved, found: (moved - x, found)), 0.5),
        ("found is turned round: True where the class has changed.", _moved_only(
            lambda x, moved, found: (moved, 1 - found)), 0.5),
    ],
    hints=("k = f(x).argmax(1) once, before the loop. In the loop: x̃ as a fresh leaf, the outputs of the classes k by "
           "gather, their sum, one torch.autograd.grad.",
           "The step: x̃ − α slope.sign() + β η; the box: x + (x̃ − x).clamp(−radius, radius); who has found stays: "
           "torch.where(found[:, None], x̃_before, x̃). Then found |= f(x̃).argmax(1) != k.",
           "`k = f(x).argmax(1); moved = x.clone(); found = torch.zeros(len(x), dtype=torch.bool)`\n`for eta in noise:`\n"
           "`    moved = moved.detach().requires_grad_()`\n"
           "`    (slope,) = torch.autograd.grad(f(moved).gather(1, k[:, None]).sum(), moved)`\n"
           "`    step = x + (moved.detach() - alpha * slope.sign() + beta * eta - x).clamp(-radius, radius)`\n"
           "`    moved = torch.where(found[:, None], moved.detach(), step)`\n`    found |= f(moved).argmax(1) != k`\n"
           "`return moved, found`"),
    insight="Without noise it is the iterated fast gradient sign method, which stands still where the slope is 0; the last "
            "case is such a place.")]
