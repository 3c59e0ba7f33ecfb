"""4.4 path gradients and 4.6 a path that breaks symmetry: cases, observation, judgement."""

from dataclasses import replace
from itertools import combinations

import numpy as np

from .. import functions
from ..core import Case, Verdict
from ..judging import changed, close, decide, read, show
from .gradients import _draw, _random_polynomial

PRODUCT = functions.polynomial(2, A=[[0.0, 1.0], [1.0, 0.0]])  # f(x₁, x₂) = x₁·x₂
# even steps, and ever finer ones to both ends: there α^p and 1 − (1 − α)^p with a small p are steep
ALPHA = np.concatenate([np.linspace(0, 1, 10_001), np.geomspace(1e-30, 1e-3, 700)])
ALPHA = np.unique(np.float32(np.append(ALPHA, 1 - np.geomspace(2.0**-24, 1e-3, 200)))).astype(np.float64)
SAMPLES, AGAIN = len(ALPHA), [1000, 1900, 3003, 4567]  # and some of them on their own
JUMP = 0.05  # of the way from baseline to x, the longest step between neighbours; steep paths need room
EVEN = np.searchsorted(ALPHA, np.float32(np.linspace(0, 1, 10_001))[10:-10].astype(np.float64))
MARGIN = 0.05  # of (x₁ − x′₁)², the area of the box


def _curve(start, end, power=1.0, bend=0.0):
    start, end = np.asarray(start, float), np.asarray(end, float)
    full = np.ones_like(start)
    return {
        "path.kind": "curve",
        "path.start": start,
        "path.end": end,
        "path.power": power * full,
        "path.bend": bend * full,
    }


# ---- 4.4


def path_cases(seed):
    """The straight line; the slide's two others in the plane on a product, where the integral is p₁/(p₁ +
    p₂); curves and a detour for polynomials and a smooth network.
    """
    rng = np.random.default_rng([seed, 44])
    corners = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 1.5]])
    while True:  # so few steps that their number shows
        curve = _curve(_draw(rng, 3), _draw(rng, 3), np.array([1.0, 2.0, 3.0]), _draw(rng, 3))
        data = {"steps": 3, **curve, **_random_polynomial(rng, 3)}
        few = Case(data, "a polynomial of three features on a curve, 3 steps")
        sums = [_sum(few, m) for m in (2, 3, 4, 4000)]
        if min(np.abs(a - b).max() for a, b in combinations(sums, 2)) > 0.1:
            break
    return [
        Case(
            {"steps": 100, **_curve([0, 0], [2.0, 1.5]), **PRODUCT},
            "f(x₁, x₂) = x₁·x₂ on a straight line from the origin",
        ),
        Case(
            {"steps": 100, "path.kind": "legs", "path.corners": corners, **PRODUCT},
            "f(x₁, x₂) = x₁·x₂, first along x₁, then along x₂",
        ),
        Case(
            {"steps": 100, **_curve([0, 0], [2.0, 1.5], np.array([1.0, 3.0])), **PRODUCT},
            "f(x₁, x₂) = x₁·x₂ on the path (2α, 1.5α³)",
        ),
        Case(
            {
                "steps": 50,
                **_curve(_draw(rng, 4), _draw(rng, 4), np.array([1.0, 2.0, 1.0, 3.0]), _draw(rng, 4)),
                **_random_polynomial(rng, 4),
            },
            "a polynomial of four features on a curve, 50 steps",
        ),
        Case(
            {
                "steps": 80,
                **_curve(_draw(rng, 3), _draw(rng, 3), np.array([2.0, 1.0, 1.0]), np.array([0.8, -1.1, 0.5])),
                **functions.random_network(rng, 3),
            },
            "a smooth network of three features on a detour, 80 steps",
        ),
        few,
    ]


def path_observe(answer, case):
    """Call the answer on f, path and steps."""
    from ..observe import call

    return call(
        answer, functions.torch_function(case.data), functions.torch_path(case.data), int(case["steps"])
    )


def _along(case, alpha):
    point, speed = functions.points(case.data, alpha)
    return functions.gradient(case.data, point)[1], point, speed


def _sum(case, m):
    """The midpoint sum with m pieces."""
    corner = functions.points(case.data, np.arange(m + 1) / m)[0]
    return (_along(case, functions.midpoints(m))[0] * np.diff(corner, axis=0)).sum(0)


def path_tolerance(steps) -> float:
    """What the midpoint sum of a curve may be off by: its error falls as 1/m², and 30/m² leaves room for
    any such rule.
    """
    return max(1e-3, 30.0 / steps**2)


def path_judge(case, observed):
    """The integral itself (4000 midpoints in float64) to 1e-3 or 30/m², whichever is larger."""
    gradient, point, speed = _along(case, functions.midpoints(4_000))
    inputs, m = point.shape[1], int(case["steps"])
    summed = "The features are summed: each keeps its own credit; sum over the steps only."
    value, verdict = read(observed, (inputs,), "(D,)", {(): summed, (m,): summed}, m)
    if verdict:
        return verdict
    for n in (2, 4000, 20, 50, 100, 1000) if m < 5 else ():  # the tolerance would let them pass
        if close(value, _sum(case, n), 1e-3):
            hint = "linspace(0, 1, m) has m − 1 pieces: m pieces have m + 1 edges."
            hint = hint if n == 2 else "The argument steps is not used."
            return Verdict(0.5, f"Wrong for {case.note}: that is the sum of {n}.", hint)
    expected = (gradient * speed).mean(0)
    ends = functions.points(case.data, [0.0, 1.0])[0]
    way = ends[1] - ends[0]
    line = functions.gradient(case.data, ends[0] + functions.midpoints(1000)[:, None] * way)[1].mean(0) * way
    edges = np.arange(m + 1) / m
    left, right = _along(case, edges[:-1]), _along(case, edges[1:])
    corner = functions.points(case.data, edges)[0]
    step = corner[1:] - corner[:-1]
    middle = _along(case, functions.midpoints(m))
    ends_hint = "End points of the steps: take the gradient at the midpoints (k − ½)/m."
    both = [_along(case, np.linspace(0, 1, n)) for n in (m, m + 1)]
    mistakes = [
        *((ends_hint, (slope * speed).mean(0), 0.5) for slope, _, speed in both),
        ("The derivative γ′ of the path is missing.", gradient.mean(0)),
        (
            "The gradient follows the path but the factor is x − x′: multiply by γ′(α) inside the sum.",
            gradient.mean(0) * way,
        ),
        ("That is the straight line's answer: take the gradient at γ(α) and multiply by γ′(α).", line),
        ("The path is multiplied in, not its derivative: the factor is γ′(α).", (gradient * point).mean(0)),
        ("The sign is flipped: γ runs from the baseline to x as α grows.", -expected),
        (ends_hint, (left[0] * step).sum(0), 0.5),
        (ends_hint, (left[0] * left[2]).mean(0), 0.5),
        (ends_hint, (right[0] * step).sum(0), 0.5),
        (ends_hint, (right[0] * right[2]).mean(0), 0.5),
        ("The sum is not divided by the number of steps (dα = 1/m).", (middle[0] * middle[2]).sum(0)),
        (
            "Divided by m twice: a difference γ(k/m) − γ((k−1)/m) holds dα = 1/m already.",
            (middle[0] * step).mean(0),
        ),
        (
            "γ′ is that of the end of the path for every step: take it at each midpoint.",
            gradient.mean(0) * speed[-1],
        ),
        (
            "γ′ is that of the end of the path for every step: take it at each midpoint.",
            gradient.mean(0) * middle[2][-1],
        ),
        ("The gradient is that of the end of the path: take it at each midpoint.", gradient[-1] * way),
        ("The last piece is missing: m pieces have m + 1 edges.", (middle[0][:-1] * step[:-1]).sum(0)),
        (
            "The way travelled is from edge to edge of each piece, not from middle to middle.",
            (middle[0][1:] * np.diff(middle[1], axis=0)).sum(0),
        ),
        ("A direction lost its sign: γ′ may be negative.", (gradient * np.abs(speed)).mean(0)),
    ]
    tolerance = path_tolerance(m)
    verdict = decide(value, expected, mistakes, tolerance, f"Wrong for {case.note}.")
    moved = float(np.diff(functions.value(case.data, ends))[0])
    with np.errstate(over="ignore"):
        total = float(value.sum())
    if verdict.fraction < 1 and not close(total, moved, 5 * tolerance):
        text = f" The credits add up to {total:.4g}; f moves by {moved:.4g} along the path."
        verdict = replace(verdict, message=verdict.message + text)
    return changed(observed, verdict, ())


# ---- 4.6


def bent_cases(seed):
    """Three boxes whose corners lie on the diagonal: the features are alike in the function, the baseline
    and the input.
    """
    rng = np.random.default_rng([seed, 46])
    low, size = np.float32(rng.uniform(-1.5, -0.5)), np.float32(rng.uniform(1.5, 3.0))
    boxes = [(0.0, 1.0), (float(low), float(low) + float(size)), (0.5, 3.0)]
    return [
        Case(
            {"baseline": np.full(2, a), "x": np.full(2, b), **PRODUCT},
            f"from ({a:.3g}, {a:.3g}) to ({b:.3g}, {b:.3g})",
        )
        for a, b in boxes
    ]


def bent_observe(answer, case):
    """Call the answer on `ALPHA`, the baseline and x; and once more on four of its values (``again``)."""
    from ..observe import call, tensor

    first, again = (
        call(answer, tensor(alpha), tensor(case["baseline"]), tensor(case["x"]))
        for alpha in (ALPHA, ALPHA[AGAIN])
    )
    if first["kind"] == again["kind"] == "array":
        return {**first, "again": again["value"]}
    return first if first["kind"] != "array" else again


def bent_judge(case, observed):
    """Ends within 1e-3; the same point for the same α, asked for alone or among others; no step between
    neighbours above 5 % of the way, and none that stands alone between two rests; the credits on x₁·x₂,
    integrated exactly between the points, differ by at least 5 % of (x₁ − x′₁)².
    """
    baseline, x = case["baseline"], case["x"]
    way = float(x[0] - baseline[0])
    rows = "The axes are swapped. Two rows came: stack them along axis 1, torch.stack([…], dim=1)."
    value, verdict = read(observed, (SAMPLES, 2), "(S, 2)", {(2, SAMPLES): rows})
    if verdict:
        return verdict
    ends, wanted = value[[0, -1]], np.stack([baseline, x])
    if not close(ends, wanted):
        return _wrong_ends(case, ends, wanted)
    again = read({"kind": "array", "value": observed.get("again")}, (len(AGAIN), 2))[0]
    if again is None or not close(again, value[AGAIN]):
        return Verdict(
            0.0,
            "Asked for four values of α only, the path goes elsewhere.",
            "Use the values in alpha, each for itself: not their number, their largest or their place.",
            show(value[AGAIN]),
            "" if again is None else show(again),
        )
    with np.errstate(all="ignore"):
        steps = np.diff(value, axis=0)
        length = np.sqrt((steps**2).sum(1))
        jump, at = float(length.max()), ALPHA[int(length.argmax())]
        middle = (value[1:] + value[:-1]) / 2
        credit = (middle[:, ::-1] * steps).sum(
            0
        )  # ∂(x₁x₂)/∂x₁ = x₂: exact on the straight pieces between the points
        apart = float(np.abs(value[:, 0] - value[:, 1]).max())
        even = np.abs(np.diff(value[EVEN], axis=0))
        stairs = (even[1:-1] > 10 * (even[:-2] + even[2:])) & (even[1:-1] > 2e-4 * way)  # rest, step, rest
    if jump <= JUMP * way and stairs.any():
        at, jump = ALPHA[EVEN[1 + int(stairs.any(1).argmax())]], float(even[1:-1][stairs].max())
    if jump > JUMP * way or stairs.any():
        return Verdict(
            0.0,
            f"The path jumps at α ≈ {at:.3f}, {case.note}.",
            "A path is continuous: where one leg ends, the next begins.",
            "steps that shrink with α",
            f"a step of {jump:.3g}",
        )
    if not np.isfinite(credit).all() or not np.isfinite(apart):
        return Verdict(0.0, "The path runs off to infinity.", "Stay near the box between baseline and x.")
    if abs(credit[0] - credit[1]) >= MARGIN * way**2:
        return changed(observed, Verdict(1.0, "holds"), ("alpha", "baseline", "x"))
    if apart < 1e-3 * way:
        hint = "Both coordinates move alike: that is the straight line. Let one of them go ahead."
        return Verdict(
            0.0, f"The features get the same credit, {case.note}.", hint, "different credits", show(credit)
        )
    hint = "The path bends too little: let one coordinate go further ahead of the other."
    if apart > 0.1 * way:
        hint = "The path bends to both sides of the diagonal, and the two halves cancel: stay on one side."
    return Verdict(
        0.0,
        f"The features get almost the same credit, {case.note}.",
        hint,
        f"credits that differ by {MARGIN * way**2:.3g} at least",
        show(credit),
    )


def _wrong_ends(case, ends, wanted):
    hint = "γ(0) is the baseline and γ(1) is x."
    if close(ends, wanted[::-1]):
        hint = "The path runs backwards: γ(0) is the baseline and γ(1) is x."
    elif close(ends, wanted - case["baseline"]):
        hint = "The baseline is forgotten: start from it, baseline + share · (x − baseline)."
    elif close(ends, [[0, 0], [1, 1]]):
        hint = "That path runs from (0, 0) to (1, 1) only: scale it, baseline + share · (x − baseline)."
    elif close(ends[0], [0, 0]) and close(ends[1], case["x"]):
        hint = "The baseline is forgotten: start from it, baseline + share · (x − baseline)."
    elif close(ends, np.stack([wanted[0], wanted[0] + wanted[1]])):
        hint = "The path overshoots: the way to go is x − baseline, not x."
    elif close(ends[0], wanted[0]):
        hint = "The path starts well and does not end at x: both coordinates arrive at α = 1."
    return Verdict(
        0.0,
        f"The path has other ends than asked for, {case.note}.",
        hint,
        f"from {show(wanted[0])} to {show(wanted[1])}",
        f"from {show(ends[0])} to {show(ends[1])}",
    )
