"""4.2 and 4.7 integrated gradients: cases, observation, judgement."""

from dataclasses import replace

import numpy as np

from .. import functions
from ..core import Case, Verdict
from ..judging import changed, close, decide, kind_of, read
from .gradients import VANISHING, _draw, _f, _random_polynomial

SLIDE_PAIR = functions.network(
    ([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]), ([[1.0, -1.0]], [-1.0]), ([[1.0]], [0.0])
)


def _some_equal(cases):
    """The cases; in those of three rows or more an input, and a whole row, are where the baseline is."""
    for case in cases:
        x, baseline = case["x"], case["baseline"]
        if len(x) >= 3:
            x[0, 1], x[1] = baseline[0, 1], baseline[1]
    return cases


def integrated_cases(seed):
    """Functions whose integral is known (1 − ReLU(1 − x); the slide's f; polynomials, where m midpoints
    give a closed form) and a random smooth network; one row and several, few steps and many.
    """
    rng = np.random.default_rng([seed, 42])
    cases = [
        Case(
            {"x": np.array([[2.0]]), "baseline": np.zeros((1, 1)), "steps": 32, **VANISHING},
            "f(x) = 1 − ReLU(1 − x) from 0 to 2",
        ),
        Case(
            {"x": np.array([[3.0, 1.0]]), "baseline": np.zeros((1, 2)), "steps": 32, **SLIDE_PAIR},
            "f(x₁, x₂) = ReLU(ReLU(x₁) − 1 − ReLU(x₂)) from (0, 0) to (3, 1)",
        ),
        Case(
            {"x": _draw(rng, 1, 4), "baseline": _draw(rng, 1, 4), "steps": 4, **_random_polynomial(rng, 4)},
            "a polynomial of four features, one row, 4 steps",
        ),
        Case(
            {"x": _draw(rng, 3, 4), "baseline": _draw(rng, 3, 4), "steps": 5, **_random_polynomial(rng, 4)},
            "a polynomial of four features, three rows, 5 steps",
        ),
        Case(
            {"x": _draw(rng, 5, 3), "baseline": _draw(rng, 5, 3), "steps": 1, **_random_polynomial(rng, 3)},
            "a polynomial of three features, five rows, a single step",
        ),
        Case(
            {
                "x": _draw(rng, 4, 3),
                "baseline": _draw(rng, 4, 3),
                "steps": 100,
                **functions.random_network(rng, 3),
            },
            "a smooth network of three features, four rows, 100 steps",
        ),
    ]
    return _some_equal(cases)


def quick_cases(seed):
    """The same, with the network kept by an oracle that counts its calls."""
    rng = np.random.default_rng([seed, 47])
    cases = [
        Case(
            {"x": _draw(rng, 1, 3), "baseline": _draw(rng, 1, 3), "steps": 7, **_random_polynomial(rng, 3)},
            "one row, 7 steps",
            oracle="f",
        ),
        Case(
            {"x": _draw(rng, 4, 3), "baseline": _draw(rng, 4, 3), "steps": 5, **_random_polynomial(rng, 3)},
            "four rows, 5 steps",
            oracle="f",
        ),
        Case(  # rows and steps share a factor: only here do the pairs (i mod N, i mod m) miss some
            {"x": _draw(rng, 4, 2), "baseline": _draw(rng, 4, 2), "steps": 8, **_random_polynomial(rng, 2)},
            "four rows, 8 steps",
            oracle="f",
        ),
        Case(
            {"x": _draw(rng, 3, 2), "baseline": _draw(rng, 3, 2), "steps": 3, **_random_polynomial(rng, 2)},
            "as many steps as rows",
            oracle="f",
        ),
        Case(
            {
                "x": _draw(rng, 3, 5),
                "baseline": _draw(rng, 3, 5),
                "steps": 64,
                **functions.random_network(rng, 5),
            },
            "three rows of a smooth network, 64 steps",
            oracle="f",
        ),
    ]
    return _some_equal(cases)


def integrated_observe(answer, case):
    """Call the answer on f, x, baseline and steps."""
    from ..observe import call, tensor

    return call(answer, _f(case), tensor(case["x"]), tensor(case["baseline"]), int(case["steps"]))


def _average(case, alpha, start, way):
    # the mean gradient over start + α·way, and the gradients themselves (S, N, D)
    points = start + np.asarray(alpha)[:, None, None] * way
    gradients = functions.gradient(case.data, points.reshape(-1, start.shape[1]))[1].reshape(points.shape)
    return gradients.mean(0), gradients


def _integrated_mistakes(case):
    """The expected credits, and what the usual mistakes would give."""
    x, b, m = case["x"], case["baseline"], int(case["steps"])
    way, middle, k = x - b, functions.midpoints(m), np.arange(m)
    mean, each = _average(case, middle, b, way)
    left, right = _average(case, k / m, b, way)[0], _average(case, (k + 1) / m, b, way)[0]
    fine = _average(case, functions.midpoints(1000), b, way)[0]
    none = "The baseline is forgotten: the path is x′ + α(x − x′), from the baseline to x."
    mixed = each.reshape(len(x), m, -1).mean(1) if len(x) > 1 else mean
    i = np.arange(len(x) * m)  # α₁ … αₘ repeated beside rows repeated: row i mod N meets α of i mod m only
    paired = each[i % m, i % len(x)].reshape(m, *x.shape).mean(0)
    unused = "The argument steps is not used, or not as the number of midpoints."
    swapped = each.transpose(1, 0, 2).reshape(m, *x.shape).mean(0) if len(x) > 1 else mean
    divided = "Divided by the number of points, or by m twice: f(points).sum(), not .mean(), and one average."
    shifted = "Off by one: (k − ½)/m goes with k = 1 … m, and (k + ½)/m with k = 0 … m − 1."
    first = np.zeros_like(x)
    first[0] = (way * mean)[0]
    from_zero = _average(case, middle, 0 * b, x)[0]
    mistakes = [
        ("The factor (x − x′) is missing.", mean),
        ("Multiply by x − x′, not by x.", x * mean),
        ("The sign is flipped: the path runs from the baseline to x, so the factor is x − x′.", -way * mean),
        ("Left end points: the midpoints are (k − ½)/m for k = 1 … m.", way * left, 0.5),
        (
            "Right end points, as in the paper's sum: the midpoints are (k − ½)/m for k = 1 … m.",
            way * right,
            0.5,
        ),
        (
            "Both ends are sampled: linspace(0, 1, m) gives no midpoints; they are (k − ½)/m for k = 1 … m.",
            way * _average(case, np.linspace(0, 1, m), b, way)[0],
            0.5,
        ),
        (
            "Both ends are sampled: linspace(0, 1, m) gives no midpoints; they are (k − ½)/m for k = 1 … m.",
            way * _average(case, np.linspace(0, 1, m + 1), b, way)[0],
            0.5,
        ),
        (
            "Both ends are sampled: linspace(0, 1, m) gives no midpoints; they are (k − ½)/m for k = 1 … m.",
            way * (left + right) / 2,
            0.5,
        ),
        ("The sum is not divided by the number of steps.", way * mean * m),
        ("Off by one: divide by m, the number of midpoints.", way * mean * m / (m + 1)),
        ("Off by one: divide by m, the number of midpoints.", way * mean * m / max(m - 1, 1)),
        (shifted, way * _average(case, middle + 1 / m, b, way)[0]),
        (shifted, way * _average(case, middle - 1 / m, b, way)[0]),
        ("Off by one: a step is missing at one end, k runs over m values.", way * each[:-1].sum(0) / m),
        ("Off by one: a step is missing at one end, k runs over m values.", way * each[1:].sum(0) / m),
        (none, x * from_zero),
        (none, way * from_zero),
        (none, from_zero),
        (none, way * _average(case, middle, 0 * b, way)[0]),
        ("The path overshoots: it is x′ + α(x − x′), not x′ + αx.", way * _average(case, middle, b, x)[0]),
        ("That is the gradient at x alone: average over the path.", way * _average(case, [1.0], b, way)[0]),
        (
            "That is the gradient at the baseline alone: average over the path.",
            way * _average(case, [0.0], b, way)[0],
        ),
        ("Divided by the number of rows: use sum(), not mean(), before backward.", way * mean / len(x)),
        ("Only the first row is right: it works for a batch of one only.", first, 0.25),
        (
            "Every row carries the first row's gradient: it works for a batch of one only.",
            way * mean[:1],
            0.25,
        ),
        (
            "The gradient is averaged over the rows: average over the steps only.",
            way * mean.mean(0, keepdims=True),
        ),
        (
            "Steps and rows are mixed up: after (steps, N, D) → (steps·N, D), go back to (steps, N, D) and"
            " average over axis 0.",
            way * mixed,
            0.25,
        ),
        (
            "Not every row meets every step: where the rows come one after the other and again, each α stands"
            " N times in a row (repeat_interleave, or alpha[:, None, None]).",
            way * paired,
            0.25,
        ),
        (
            "The points are (N, steps, D) and the gradients were reshaped to (steps, N, D): keep one order.",
            way * swapped,
            0.25,
        ),
        (
            "The gradient was taken at x, through the point: that puts in a factor α. Differentiate at the"
            " point itself.",
            way * (each * middle[:, None, None]).mean(0),
        ),
        (divided, way * mean / (m * len(x))),
        (divided, way * mean / m),
        ("The path starts at the baseline, not at x.", way * _average(case, middle, x, way)[0]),
        (unused, way * fine, 0.5),
        (unused, way * _average(case, functions.midpoints(32), b, way)[0], 0.5),
        ("The size without the sign: drop the abs().", np.abs(way * mean)),
    ]
    return way * mean, mistakes


def integrated_judge(case, observed):
    """The midpoint sum in float64, to 1e-3; and, where the steps are many, credits that add up to f(x) −
    f(x′).
    """
    left_over = "You averaged over the rows, and the axis of the steps is left: average over the steps."
    steps = int(case["steps"])
    value, verdict = read(
        observed, case["x"].shape, "(N, D)", {(steps, case["x"].shape[1]): left_over}, steps
    )
    if verdict:
        return verdict
    expected, mistakes = _integrated_mistakes(case)
    verdict = decide(value, expected, mistakes, message=f"Wrong for {case.note}.")
    moved = functions.value(case.data, case["x"]) - functions.value(case.data, case["baseline"])
    with np.errstate(over="ignore"):
        total = value.sum(1)
    if verdict.fraction < 1 and not close(total, moved, 0.05):
        row = int(np.argmax(np.abs(total - moved)))
        gap = f" The credits of row {row} add up to {total[row]:.4g}; f(x) − f(x′) is {moved[row]:.4g}."
        verdict = replace(verdict, message=verdict.message + gap)
    return changed(observed, verdict, ("f", "x", "baseline"))


def quick_judge(case, observed):
    """As 4.2, and the oracle saw at most two calls of f."""
    verdict = integrated_judge(case, observed)
    if kind_of(observed) != "array":
        return verdict
    calls = observed.get("calls")
    calls = calls if type(calls) is int else -1
    if calls < 1:
        return Verdict(
            0.0,
            "The network was never called.",
            "Call f on the points of the path.",
            "1 or 2 calls",
            "no call",
        )
    if verdict.status != "right" or calls <= 2:
        return verdict
    steps, rows = int(case["steps"]), len(case["x"])
    hint = "Make one tensor of all points on all paths, (steps·N, D), and call f once."
    if calls == steps or calls == steps + 2:
        hint = "One call for each step: put the steps on the batch axis, next to the rows. " + hint
    elif calls in (rows, 2 * rows) and rows > 1:
        hint = "One call for each row: put the rows on the batch axis, next to the steps. " + hint
    return Verdict(
        0.0, f"The values hold, with {calls} calls of the network.", hint, "at most 2 calls", f"{calls} calls"
    )
