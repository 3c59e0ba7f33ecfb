"""Lecture 03's exercises 3.4 and 3.5: LRP through a convolution, and a root point by line search."""
import numpy as np

from .formula import formula
from .lecture03 import AT_ZERO, ONE_SIDED, SIGN_OF_ZERO, _quietly, signed


def lrp_conv(x, weight, bias, R, eps, padding):
    """The ε-rule of a convolution by one vector-Jacobian product.

    x (N, C, H, W), weight (K, C, k, k), bias (K,), R (N, K, H′, W′) → (N, C, H, W)
    """
    import torch

    x = x.clone().requires_grad_()
    z = torch.nn.functional.conv2d(x, weight, bias, padding=padding)
    s = (R / (z + eps * torch.where(z >= 0, 1.0, -1.0))).detach()
    back, = torch.autograd.grad(z, x, s)
    return (x * back).detach()


def line_root(f, x, other, steps):
    """A root of f between each x and its other by interval bisection.  x, other (N, D) → (N, D)"""
    import torch

    low, high = torch.zeros(len(x), 1), torch.ones(len(x), 1)
    side = f(x).sign()[:, None]
    for _ in range(steps):
        middle = (low + high) / 2
        same = f(x + middle * (other - x)).sign()[:, None] == side
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    return x + high * (other - x)


def _conv(x, weight, padding):
    """(N, C, H, W) * (K, C, k, k) → (N, K, H′, W′), as torch does it (correlation)."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))
    return np.einsum("nchwij,kcij->nkhw", windows, weight)


def _back(s, weight, padding, shape):
    """The transpose of ``_conv``."""
    k = weight.shape[2]
    full = np.zeros((*shape[:2], shape[2] + 2 * padding, shape[3] + 2 * padding))
    for i in range(k):
        for j in range(k):
            full[:, :, i:i + s.shape[2], j:j + s.shape[3]] += np.einsum(
                "nkhw,kc->nchw", s, weight[:, :, i, j])
    return full[:, :, padding:padding + shape[2], padding:padding + shape[3]]


def _conv_epsilon(x, weight, bias, R, eps, padding, bottom=None, times=True):
    z = _conv(x, weight, padding) + bias[:, None, None]
    back = _back(R / (z + eps * signed(z) if bottom is None else bottom(z)), weight, padding, x.shape)
    return x * back if times else back


def _dropped(x, weight, bias, R, eps, padding):
    z = _conv(x, weight, padding) + bias[:, None, None]
    return _conv_epsilon(x, weight, bias, np.where(z == 0, 0, R), eps, padding)


def _unturned(x, weight, bias, R, eps, padding):
    z = _conv(x, weight, padding) + bias[:, None, None]
    return x * _back(R / (z + eps * signed(z)), weight[:, :, ::-1, ::-1], padding, x.shape)


def _conv_cases(rng):
    made = []
    for n, c, k, size, padding, eps, note in ((2, 2, 3, 5, 0, 0.25, "two images of two channels"),
                                              (1, 1, 2, 4, 1, 0.1, "a padded image"),
                                              (1, 3, 1, 6, 2, 0.5, "padding 2")):
        x, bias = rng.normal(size=(n, c, size, size)), rng.normal(size=k)
        weight = rng.normal(size=(k, c, 3, 3))
        R = rng.normal(size=(n, k, size + 2 * padding - 2, size + 2 * padding - 2))
        made.append({"x": x, "weight": weight, "bias": bias, "R": R, "eps": eps, "padding": padding,
                     "note": note})
    x, weight, bias = rng.normal(size=(2, 2, 4, 6)), rng.normal(size=(3, 2, 2, 2)), rng.normal(size=3)
    x[:, 0, 1:3, 2:4], weight[0], bias[0] = 1.0, 0, 0
    weight[0, 0] = [[1, -1], [1, -1]]  # an edge filter: its z is 0 where the picture is even
    made.append({"x": x, "weight": weight, "bias": bias, "R": rng.normal(size=(2, 3, 5, 7)), "eps": 0.5,
                 "padding": 1,
                 "note": "images that are not square, 2 × 2 filters, some z = 0"})
    return made


def _bisected(f, x, other, steps, start=None):
    low, high = np.zeros((len(x), 1)), np.ones((len(x), 1))
    side = np.sign(f(x))[:, None]
    for _ in range(steps):
        middle = (low + high) / 2
        same = np.sign(f(x + middle * (other - x)))[:, None] == side
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return low, high


def _root(f, x, other, steps):
    return x + _bisected(f, x, other, steps)[1] * (other - x)


def _root_cases(rng):
    """Networks with a change of sign between x and other, found by drawing; the pairs differ within one
    batch."""
    from . import functions

    made = []
    for n, d, note in ((4, 2, "four points of the plane"), (1, 3, "one point"),
                       (3, 5, "three points of five values")):
        while True:
            data = functions.random_network(rng, d, activation="tanh")
            points = rng.normal(size=(400, d)) * 1.5
            f = functions.value(data, points)
            low, high = points[f < -0.3], points[f > 0.3]
            if min(len(low), len(high)) > n:
                break
        x, other = high[:n].copy(), low[:n].copy()
        x[::2], other[::2] = low[:n][::2], high[:n][::2]
        made.append({**data, "x": x, "other": other, "steps": 30, "note": note})
    slope, x = rng.normal(size=3), rng.normal(size=(4, 3))
    x *= np.where((x @ slope > 0) == (np.arange(4) % 2 == 0), 1, -1)[:, None]  # both signs of f
    x += 0.3 * np.sign(x @ slope)[:, None] * slope / (slope @ slope)  # not near 0
    made.append({**functions.polynomial(3, b=slope), "x": x, "other": -x, "steps": 30,
                 "note": "roots that lie just in the middle"})
    while True:  # four halvings, which end in lower and in upper halves, and not near a root
        data = functions.random_network(rng, 2, activation="tanh")
        points = rng.normal(size=(400, 2)) * 1.5
        f = lambda z, data=data: functions.value(data, z)  # noqa: E731
        x, other = points[f(points) > 0.3], points[f(points) < -0.3]
        if min(len(x), len(other)) >= 40:
            x, other = np.concatenate([x[:20], other[20:40]]), np.concatenate([other[:20], x[20:40]])
            root = _bisected(f, x, other, 12)[0][:, 0] * 16
            clear = (np.abs(root % 0.5 - 0.25) < 0.1)
            few = np.concatenate([np.flatnonzero(clear & (root % 2 // 1 == half))[:2] for half in (0, 1)])
            if len(few) == 4:
                break
    made.append({**data, "x": x[few], "other": other[few], "steps": 4, "note": "four halvings only"})
    return made


def _through(x, weight, bias, R, eps, padding):
    """x · d/dx Σ z · R / (z ± ε) where the denominator is differentiated too: R (± ε) / (z ± ε)² in place of
    R / (z ± ε)."""
    z = _conv(x, weight, padding) + bias[:, None, None]
    e = eps * signed(z)
    return x * _back(R * e / (z + e) ** 2, weight, padding, x.shape)


def _on_line(value, x, other):
    way = other - x
    t = ((value - x) * way).sum(1) / (way**2).sum(1)
    off = value - x - t[:, None] * way
    return bool((t > -1e-3).all() and (t < 1 + 1e-3).all() and (np.abs(off) < 1e-3).all())


def _in_interval(value, f, x, other, steps):
    """Whether the points are an end or the middle of the interval that is left, or the halvings were many."""
    if steps > 20:
        return True
    low, high = (t[:, 0] for t in _bisected(f, x, other, steps))
    way = other - x
    t = ((value - x) * way).sum(1) / (way**2).sum(1)
    return bool((np.min(np.abs([t - low, t - high, t - (low + high) / 2]), 0) < 1e-3).all())


def _wrong_half(f, x, other, steps):
    low, high = np.zeros((len(x), 1)), np.ones((len(x), 1))
    side = np.sign(f(x))[:, None]
    for _ in range(steps):
        middle = (low + high) / 2
        same = np.sign(f(x + middle * (other - x)))[:, None] == side
        low, high = np.where(same, low, middle), np.where(same, middle, high)
    return high


def _assuming(f, x, other, steps):
    low, high = np.zeros((len(x), 1)), np.ones((len(x), 1))
    for _ in range(steps):
        middle = (low + high) / 2
        above = f(x + middle * (other - x))[:, None] > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return high


EXERCISES = [
    formula(
        id="3.4", title="A convolution in one vector-Jacobian product", points=3, minutes=12, difficulty=3,
        task="Write `lrp_conv(x, weight, bias, R, eps, padding)`: the ε-rule of a convolution with stride "
             "1, without a loop over pixels. x (N, C, H, W), weight (K, C, k, k), bias (K,), R (N, K, H′, "
             "W′) → (N, C, H, W).",
        library=lrp_conv, cases=_conv_cases, truth=_conv_epsilon, axes="(N, C, H, W)", finite=SIGN_OF_ZERO,
        mistakes=[
            ("The result is still to be multiplied by x.", lambda **case: _conv_epsilon(**case, times=False)),
            ("The division is missing: the vector is R / (z ± ε), not R.",
             lambda x, weight, bias, R, eps, padding: x * _back(R, weight, padding, x.shape)),
            (ONE_SIDED, lambda eps, **case: _conv_epsilon(eps=eps, **case, bottom=lambda z: z + eps)),
            ("The bias is missing in z.", lambda x, weight, bias, R, eps, padding: _conv_epsilon(
                x, weight, 0 * bias, R, eps, padding)),
            ("ε is missing in the denominator.",
             _quietly(lambda eps, **case: _conv_epsilon(eps=eps, **case, bottom=lambda z: z))),
            (AT_ZERO, lambda eps, **case: _conv_epsilon(
                eps=eps, **case, bottom=lambda z: z + eps * np.where(z > 0, 1, -1))),
            ("A neuron with z = 0 was dropped: its sign is +, and ε alone is its denominator.", _dropped),
            ("|z| has no sign: relevance keeps the sign of z_ij / z_j.",
             lambda eps, **case: _conv_epsilon(eps=eps, **case, bottom=lambda z: np.abs(z) + eps)),
            ("The way back meets the filter turned round: conv_transpose2d does it, or autograd.", _unturned),
            ("One relevance for each channel too: do not sum over them.",
             lambda **case: _conv_epsilon(**case).sum(1)),
            ("The vector must be detached: the derivative went through the denominator z as well, which "
             "doubles the work and changes the result. Call .detach() on R / (z ± ε).",
             lambda x, weight, bias, R, eps, padding: _through(
                 x, weight, bias, R, eps, padding)),
            ("R was used twice: the vector is R / (z ± ε), without another factor z.",
             lambda x, weight, bias, R, eps, padding: _conv_epsilon(x, weight, bias, R * (
                 _conv(x, weight, padding) + bias[:, None, None]), eps, padding)),
        ],
        hints=("For a linear operation z(x), Σ_j w_ij s_j is the vector-Jacobian product of z with the "
               "vector s: autograd computes it.",
               "z = conv2d(x, …) on an x that requires its gradient; s = R / (z ± ε), detached; then "
               "torch.autograd.grad(z, x, s).",
               "x = x.clone().requires_grad_(); z = F.conv2d(x, weight, bias, padding=padding); s = (R / "
               "(z + eps * torch.where(z >= 0, 1.0, -1.0))).detach(); return (x * torch.autograd.grad(z, "
               "x, s)[0]).detach()"),
        insight="The same four lines serve any linear operation: pooling, batch norm, an addition."),
    formula(
        id="3.5", title="A root by line search", points=2, minutes=10, difficulty=2,
        task="Write `line_root(f, x, other, steps)`: on the straight line from each x to its `other`, where "
             "f has the opposite sign, a point with f = 0, by halving the interval `steps` times. f takes "
             "(N, D) and returns (N,); x, other (N, D) → (N, D).",
        library=line_root, cases=_root_cases, axes="(N, D)", shape=lambda f, x, other, steps: x.shape,
        laws=[
            ("The points do not lie between x and other.",
             lambda value, f, x, other, steps: _on_line(value, x, other)),
            ("f does not vanish at the points that came back.",
             lambda value, f, x, other, steps: steps < 20 or bool((np.abs(f(value)) < 2e-5).all())),
            ("After few halvings, an end or the middle of the interval that is left is asked for.",
             _in_interval),
        ],
        mistakes=[
            *[("The number of halvings is `steps`: it is an argument.",
               lambda f, x, other, steps, n=n: _root(f, x, other, n))
              for n in (2, 3, 8, 30)],
            ("That is the middle of the line: halve again, on the side where the sign changes.",
             lambda f, x, other, steps: (x + other) / 2),
            ("f is taken for a straight line; halve the interval instead, it works for every continuous f.",
             lambda f, x, other, steps: x + (f(x) / (f(x) - f(other)))[:, None] * (other - x)),
            ("The wrong half is kept: where the middle has x's sign, the root lies beyond it.",
             lambda f, x, other, steps: x + (
                _wrong_half(f, x, other, steps)) * (other - x)),
            ("x comes back as it was.", lambda f, x, other, steps: x),
            ("That is t: return the point x + t (other − x).", lambda f, x, other, steps: _bisected(
                f, x, other, steps)[1]),
            ("That is t: return the point x + t (other − x).", lambda f, x, other, steps: _bisected(
                f, x, other, steps)[1][:, 0]),
            ("The end of the line came back, not the root.", lambda f, x, other, steps: other),
            ("All rows share one interval: each row needs its own, torch.where per row.",
             lambda f, x, other, steps: x + _bisected(f, x, other, steps)[1][:1] * (other - x)),
            ("The sign of f at x may be negative: compare with f(x)'s own sign.",
             lambda f, x, other, steps: x + _assuming(
                f, x, other, steps) * (other - x)),
        ],
        hints=("Keep an interval [low, high] of t for every row, with the point x + t (other − x); at low f "
               "has x's sign, at high not.",
               "Where f at the middle has the sign of f(x), the middle is the new low, elsewhere the new "
               "high: torch.where, per row.",
               "low, high = zeros(N, 1), ones(N, 1); repeat: m = (low + high) / 2; same = (f(x + m * "
               "(other - x)) * f(x) > 0)[:, None]; low, high = torch.where(same, m, low), "
               "torch.where(same, high, m); at last x + high * (other - x)"),
        insight="Thirty halvings find the root to nine digits, whatever f looks like in between."),
]
