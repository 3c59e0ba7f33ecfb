"""Lecture 06's exercises on functions, 6.4 and 6.5: weights that are shaken, and flowers."""
import numpy as np

from . import functions
from .formula import formula


def transfer(x, theta, u, delta, k):
    """T(k): mean over the directions u of Re(c_δ(k) / c(k)).  x (N,), theta (3, H), u (M, 3, H), k (K,) → (K,)"""
    import torch

    def coefficients(p):  # (…, 3, H) → (…, K)
        w, b, v = p.unsqueeze(-1).unbind(-3)  # each (…, H, 1)
        return torch.fft.rfft((v * (w * x + b).relu()).sum(-2))[..., k]

    u = u / u.flatten(1).norm(dim=1)[:, None, None]
    return (coefficients(theta + delta * u) / coefficients(theta)).real.mean(0)


def on_flower(f, z, L, goal):
    """γ_L(z), and the mean squared error of f ∘ γ_L.  z, goal (N,), L a whole number → (N, 2), a number"""
    import math

    import torch

    radius = 1 + 0.5 * torch.sin(2 * math.pi * L * z)
    x = torch.stack([radius * torch.cos(2 * math.pi * z), radius * torch.sin(2 * math.pi * z)], 1)
    return x, ((f(x) - goal) ** 2).mean()


# ---- the same in numpy, with a place for each mistake


def _transfer(x, theta, u, delta, k, unit="whole", measure="ratio", part=slice(None), relative=False, offset=0,
              stretch=1):
    def coefficients(p):
        w, b, v = (p[..., i, :, None] for i in range(3))
        return np.fft.rfft((v * np.maximum(w * x + b, 0)).sum(-2))[..., stretch * k + offset]

    if unit == "whole":
        u = u / np.sqrt((u**2).sum((1, 2), keepdims=True))
    elif unit == "rows":
        u = u / np.sqrt((u**2).sum(2, keepdims=True))
    step = np.zeros_like(u)
    step[:, part] = u[:, part]
    before, after = coefficients(theta), coefficients(theta + delta * (step * theta if relative else step))
    return {"ratio": lambda: (after / before).real, "sizes": lambda: np.abs(after) / np.abs(before),
            "change": lambda: np.abs(after - before) / np.abs(before),
            "size of the mean": lambda: np.abs(after.mean(0, keepdims=True)) / np.abs(before)}[measure]()


def _transfer_cases(rng):
    made = []
    for N, H, M, delta, k, note in ((32, 6, 5, 0.7, [1, 2, 5], "five directions"), (16, 4, 1, 0.4, [3], "one direction"),
                                    (25, 5, 3, 2.5, [1, 4], "a large step"), (16, 4, 2, 0.0, [1, 2], "δ = 0")):
        while True:
            x, theta = 2 * np.arange(N) / N - 1, rng.normal(size=(3, H))
            c = np.fft.rfft((theta[2][:, None] * np.maximum(np.multiply.outer(theta[0], x) + theta[1][:, None], 0)).sum(0))
            u = 2 * rng.normal(size=(M, 3, H))
            if (np.abs(c[k]) > 0.3).all():
                found = _transfer(x, theta, u, delta, np.array(k))  # a large step turns some wave, but not in each direction
                turned = ((found.mean(0) < -0.1) & (found.max(0) > 0.05)).any()
                if delta < 0.5 or (turned if delta > 2 else found.mean(0).max() > 1.1):
                    break
        made.append({"x": x, "theta": theta, "u": u, "delta": delta, "k": np.array(k), "note": note})
    return made


def _flower(z, L, swell=0.5, turns=2 * np.pi, form=np.sin):
    radius = 1 + swell * form(turns * L * z)
    return np.stack([radius * np.cos(2 * np.pi * z), radius * np.sin(2 * np.pi * z)], 1)


def _flower_cases(rng):
    made = []
    for N, L, note in ((24, 4, "four petals"), (15, 0, "the circle, L = 0"), (40, 7, "seven petals"), (1, 3, "one point")):
        z = rng.uniform(0, 1, 1) if N == 1 else np.arange(N) / N
        made.append({"z": z, "L": L, "goal": rng.normal(size=N), **functions.random_network(rng, 2, activation="relu"),
                     "note": note})
    return made


EXERCISES = [
    formula(
        id="6.4", title="Shaking the weights", points=2, minutes=12, difficulty=2,
        task="f(x) = Σ_h v_h ReLU(w_h x + b_h), with θ = (w, b, v) as the rows of `theta` (3, H). Write `transfer(x, theta, u, "
             "delta, k)`: the mean, over the directions `u` (M, 3, H), each scaled to length 1, of Re(c_δ(k) / c(k)), where c_δ "
             "are the coefficients of f with θ + δu, a signed number. `x` (N,) is 2z − 1 on the grid z = n/N; `k` (K,) counts periods "
             "in z → (K,).",
        library=transfer, cases=_transfer_cases, truth=lambda **c: _transfer(**c).mean(0), axes="(K,)",
        mistakes=[
            ("A direction has length 1: divide each u[m] by the root of the sum of all its squares.",
             lambda **c: _transfer(**c, unit="none").mean(0)),
            ("A direction is one vector of all 3H numbers: its length is taken over all of them, not row by row.",
             lambda **c: _transfer(**c, unit="rows").mean(0)),
            ("|c_δ| / |c| counts new noise as a part of the wave: take the real part of c_δ / c.",
             lambda **c: _transfer(**c, measure="sizes").mean(0)),
            ("That is |mean of c_δ| / |c|, the size of the mean ratio: its real part is asked for.",
             lambda **c: _transfer(**c, measure="size of the mean").mean(0)),
            ("That is how much changed, |c_δ − c| / |c|. What is asked is how much of the wave is left.",
             lambda **c: _transfer(**c, measure="change").mean(0)),
            ("T is a signed number: a wave that comes back upside down counts below 0. No |·| after the mean.",
             lambda **c: np.abs(_transfer(**c).mean(0))),
            ("T is a signed number: a wave that comes back upside down counts below 0. No |·| before the mean.",
             lambda **c: np.abs(_transfer(**c)).mean(0)),
            ("T is a signed number: a wave that comes back upside down counts below 0. It is not cut off there.",
             lambda **c: _transfer(**c).mean(0).clip(0)),
            ("T may be above 1: a wave can grow. It is not cut off there.", lambda **c: _transfer(**c).mean(0).clip(max=1)),
            ("T may be above 1: a wave can grow. It is not cut off there.", lambda **c: _transfer(**c).mean(0).clip(-1, 1)),
            ("The mean over the directions is missing.", lambda **c: _transfer(**c)),
            ("The mean runs over the directions, one number for each frequency.", lambda **c: _transfer(**c).mean(1)),
            ("All parameters move, biases and output weights too.", lambda **c: _transfer(**c, part=slice(0, 1)).mean(0)),
            ("δu is added as it is, not in proportion to each weight.", lambda **c: _transfer(**c, relative=True).mean(0)),
            ("rfft begins with frequency 0: frequency k stands at place k.", lambda **c: _transfer(**c, offset=-1).mean(0)),
            ("That is frequency 2k: k counts periods in z, and x = 2z − 1 runs twice as far. Use exp(−2πik z), or rfft.",
             lambda **c: _transfer(**c, stretch=2).mean(0)),
        ],
        hints=("u / u.flatten(1).norm(dim=1)[:, None, None] has directions of length 1.",
               "Write a helper that takes parameters (…, 3, H) and returns rfft of the outputs at k: then one call serves θ "
               "and another all θ + δu.",
               "w, b, v = (p[..., i, :, None] for i in range(3)); out = (v * (w * x + b).relu()).sum(-2); "
               "torch.fft.rfft(out)[..., k]; then (after / before).real.mean(0)"),
        insight="Re(c_δ / c) is the regression of the new wave on the old one: noise of any phase averages out, which |c_δ| "
                "never does."),
    formula(
        id="6.5", title="A flower and the error on it", points=2, minutes=5, difficulty=1,
        task="Write `on_flower(f, z, L, goal)`: the points γ_L(z) = (1 + ½ sin 2πLz) (cos 2πz, sin 2πz), (N, 2), and the mean "
             "over z of (f(γ_L(z)) − goal)². `f` takes (N, 2) and returns (N,); `z`, `goal` (N,).",
        library=on_flower, cases=_flower_cases, outputs=("points", "error"),
        truth=lambda f, z, L, goal: (x := _flower(z, L), ((f(x) - goal) ** 2).mean()),
        mistakes=[
            ("The radius swings by ½ around 1.",
             lambda f, z, L, goal: (x := _flower(z, L, 1.0), ((f(x) - goal) ** 2).mean())),
            ("2π is missing inside the petals' sine.",
             lambda f, z, L, goal: (x := _flower(z, L, turns=1.0), ((f(x) - goal) ** 2).mean())),
            ("The petals are a sine.", lambda f, z, L, goal: (x := _flower(z, L, form=np.cos), ((f(x) - goal) ** 2).mean())),
            ("First cos, then sin: the coordinates are swapped.",
             lambda f, z, L, goal: (x := _flower(z, L)[:, ::-1], ((f(x) - goal) ** 2).mean())),
            ("The error is a mean over the points, not a sum.",
             lambda f, z, L, goal: (x := _flower(z, L), ((f(x) - goal) ** 2).sum())),
            ("One row for each point: stack along the last axis.",
             lambda f, z, L, goal: (_flower(z, L).T, ((f(_flower(z, L)) - goal) ** 2).mean())),
            ("The error is the mean square: no root.",
             lambda f, z, L, goal: (x := _flower(z, L), np.sqrt(((f(x) - goal) ** 2).mean()))),
            ("The error is squared, not absolute.",
             lambda f, z, L, goal: (x := _flower(z, L), np.abs(f(x) - goal).mean())),
        ],
        hints=("radius (N,) and angle (N,) first; torch.stack([…, …], 1) makes (N, 2).",
               "f(x) and goal are both (N,): no axis has to be added.",
               "r = 1 + 0.5 * torch.sin(2 * torch.pi * L * z); x = torch.stack([r * torch.cos(2 * torch.pi * z), "
               "r * torch.sin(2 * torch.pi * z)], 1); return x, ((f(x) - goal) ** 2).mean()"),
        insight="The network sees only x. Which frequency in z it needs is the manifold's doing: the same f can be a slow "
                "function of x and a fast one of z."),
]
