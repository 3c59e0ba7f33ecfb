"""Lecture 01's exercise on belief networks: one Gibbs step of an RBM with a clamped unit."""
import numpy as np
import torch

from .formula import formula


def gibbs_step(v, W, b, c, unit, u_h, u_v):
    """One block Gibbs step with hidden unit ``unit`` held at 1.  v (N, V), W (H, V) → h (N, H), new v (N, V)."""
    h = (u_h < torch.sigmoid(v @ W.T + b)).float()
    h[:, unit] = 1.0  # before v is drawn: the visible units must feel it
    return h, (u_v < torch.sigmoid(h @ W + c)).float()


def _p(z):
    return 1 / (1 + np.exp(-z))


def _step(v, W, b, c, unit, u_h, u_v, clamp="before", draw=np.less, b_times=1.0, c_times=1.0, link=_p):
    """The step, or with other options a usual mistake."""
    h = draw(u_h, link(v @ W.T + b_times * b)).astype(float)
    if clamp == "only":
        h *= 0
    late = h.copy()
    if clamp == "first chain":
        h[0, unit] = 1
    elif clamp == "chain":
        h[min(unit, len(h) - 1)] = 1
    elif clamp == "all":
        h[:] = 1
    elif clamp != "never":
        h[:, unit] = 0 if clamp == "zero" else 1
    return h, draw(u_v, link((late if clamp == "after" else h) @ W + c_times * c)).astype(float)


def _mean_field(v, W, b, c, unit, u_h, u_v, last=True):
    h = _p(v @ W.T + b)
    h[:, unit] = 1
    p = _p(h @ W + c)
    return h, p if last else (u_v < p).astype(float)


def _undrawn(v, W, b, c, unit, u_h, u_v):
    h, _ = _step(v, W, b, c, unit, u_h, u_v)
    return h, _p(h @ W + c)


def _cases(rng):
    """RBMs of several shapes with numbers that no rounding can bring to the other side of a probability."""
    made = []
    for n, hidden, visible, note in ((6, 4, 9, "six chains"), (5, 9, 6, "more hidden than visible units"), (1, 12, 30, "one chain"),
                                     (40, 6, 5, "forty chains")):
        while True:
            case = {"v": (rng.random((n, visible)) < 0.5).astype(float), "W": rng.normal(size=(hidden, visible)),
                    "b": 1.5 * rng.normal(size=hidden), "c": 1.5 * rng.normal(size=visible), "unit": int(rng.integers(hidden)),
                    "u_h": rng.random((n, hidden)), "u_v": rng.random((n, visible))}
            h, _ = _step(**case)
            near = min(np.abs(case["u_h"] - _p(case["v"] @ case["W"].T + case["b"])).min(),
                       np.abs(case["u_v"] - _p(h @ case["W"] + case["c"])).min())
            free = _step(**case, clamp="never")[0][:, case["unit"]]  # the clamp makes a difference: in the first chain, and in others
            if near > 1e-5 and free[0] == 0 and (n == 1 or not free[1:].all()):
                break
        made.append(case | {"note": note})
    return made


EXERCISES = [formula(
    id="1.4", title="One Gibbs step with a clamped unit", points=2, minutes=7, difficulty=2,
    task="Write `gibbs_step(v, W, b, c, unit, u_h, u_v)`: draw all hidden units of an RBM given v (N, V), hold hidden unit "
         "`unit` at 1 in every chain, then draw all visible units given that h. W is (H, V), b (H,), c (V,); u_h (N, H) and "
         "u_v (N, V) are the uniform random numbers to draw with. Return h (N, H) and the new v (N, V), float tensors of 0s and "
         "1s.",
    library=gibbs_step, cases=_cases, truth=_step, outputs=("h", "v"),
    mistakes=[
        ("The unit is not held at 1: set column `unit` of h to 1.", lambda **a: _step(**a, clamp="never")),
        ("The unit is clamped too late: v was drawn from the h before. Clamp, then draw v.", lambda **a: _step(**a, clamp="after"),
         0.5),
        ("The draw is turned round: a unit is 1 where its uniform number lies below its probability.",
         lambda **a: _step(**a, draw=np.greater)),
        ("Those are the probabilities: draw, u < p, both for h and for v.", _mean_field),
        ("v is drawn from the probabilities of h: draw h first, and hand the 0s and 1s down.",
         lambda **a: _mean_field(**a, last=False)),
        ("h is right; v are still probabilities: draw, u_v < p.", _undrawn, 0.5),
        ("No random numbers were used: p > 1/2 always gives the likelier value, a draw gives it with probability p. Compare u with p.",
         lambda **a: _step(**{**a, "u_h": 0 * a["u_h"] + 0.5, "u_v": 0 * a["u_v"] + 0.5})),
        ("The biases are missing: b goes with h, c with v.", lambda **a: _step(**a, b_times=0.0, c_times=0.0)),
        ("The hidden units' bias b is missing: p(h = 1 | v) = sigmoid(b + Wv).", lambda **a: _step(**a, b_times=0.0)),
        ("The visible units' bias c is missing: p(v = 1 | h) = sigmoid(c + Wᵀh).", lambda **a: _step(**a, c_times=0.0)),
        ("The sigmoid is missing: b + Wv is no probability, sigmoid(b + Wv) is.",
         lambda **a: _step(**a, link=lambda z: z)),
        ("The unit is clamped in the first chain only: h[:, unit], all rows.", lambda **a: _step(**a, clamp="first chain")),
        ("A whole chain is clamped: rows of h are chains, columns are units. h[:, unit] = 1.", lambda **a: _step(**a, clamp="chain")),
        ("All other hidden units are off: only this one is held, the others stay as drawn.", lambda **a: _step(**a, clamp="only")),
        ("Every hidden unit is on: only this one is held at 1.", lambda **a: _step(**a, clamp="all")),
        ("The unit is held at 0: clamped means on, 1.", lambda **a: _step(**a, clamp="zero")),
    ],
    laws=[("Draws are 0 or 1, nothing between.", lambda value, **a: all(np.isin(x, (0, 1)).all() for x in value)),
          ("The clamped unit is 1 in every chain.", lambda value, unit, **a: (value[0][:, unit] == 1).all()),
          ("h is not what u_h gives: 1 where u_h < sigmoid(b + Wv), with the uniform numbers that came in, none of your own.",
           lambda value, **a: np.array_equal(value[0], _step(**a)[0])),
          ("h is right, v is not what u_v gives: v comes from the new, clamped h, with Wᵀ, c and u_v.",
           lambda value, **a: np.array_equal(value[1], _step(**a)[1]))],
    hints=("Given v the hidden units are independent: p(h = 1 | v) = sigmoid(b + Wv), for all chains at once v @ W.T + b. "
           "To draw with a uniform number u: 1 where u < p.",
           "Three lines: draw h; set one column of h to 1; draw v from p(v = 1 | h) = sigmoid(c + Wᵀh).",
           "h = (u_h < torch.sigmoid(v @ W.T + b)).float(); h[:, unit] = 1; "
           "v = (u_v < torch.sigmoid(h @ W + c)).float(); return h, v"),
    insight="Because the clamp comes before v is drawn, everything below adapts to it, and in the next step the other hidden "
            "units do, too. That is why samples of a clamped unit are whole digits and not the unit's filter.")]
