"""4.1 gradient and 4.3 completeness gap: cases, observation, judgement."""

import numpy as np

from .. import functions
from ..core import Case, Verdict
from ..judging import changed, close, decide, read, unusable

VANISHING = functions.network(([[-1.0]], [1.0]), ([[-1.0]], [1.0]))  # 1 − ReLU(1 − x)


def _draw(rng, *shape):
    # what float32 holds exactly, so that the student's tensor and the judge's array are the same numbers
    return rng.uniform(-1.5, 1.5, size=shape).astype(np.float32).astype(np.float64)


def _random_polynomial(rng, inputs):
    return functions.polynomial(
        inputs,
        rng.normal(size=(inputs, inputs)),
        rng.normal(size=inputs),
        rng.normal(),
        rng.uniform(0.5, 1.0, size=inputs) * rng.choice([-1, 1], size=inputs),
    )


def _f(case):
    if case.oracle:
        from ..oracle import remote

        return remote(case.ask, case["x"].shape[1])
    return functions.torch_function(case.data)


# ---- 4.1


def gradient_cases(seed):
    """The vanishing gradient; a polynomial; random tanh and ReLU networks, one row and many."""
    rng = np.random.default_rng([seed, 41])
    relu = functions.random_network(rng, 3, activation="relu")
    x = _draw(rng, 200, 3)
    weight, bias = relu["f.weight.0"], relu["f.bias.0"]
    hidden = x @ weight.T + bias
    second = np.maximum(hidden, 0) @ relu["f.weight.1"].T + relu["f.bias.1"]
    clear = np.minimum(
        np.abs(hidden).min(1), np.abs(second).min(1)
    )  # away from the kinks, so that differences agree
    return [
        Case({"x": np.array([[2.0]]), **VANISHING}, "f(x) = 1 − ReLU(1 − x) at x = 2"),
        Case(
            {"x": _draw(rng, 1, 3), **_random_polynomial(rng, 3)}, "a polynomial of three features, one row"
        ),
        Case(
            {"x": _draw(rng, 5, 2), **functions.random_network(rng, 2)},
            "a smooth network of two features, five rows",
        ),
        Case({"x": x[np.argsort(-clear)[:4]], **relu}, "a ReLU network of three features, four rows"),
    ]


def gradient_observe(answer, case):
    """Call the answer on f and x."""
    from ..observe import call, tensor

    return call(answer, _f(case), tensor(case["x"]))


def gradient_judge(case, observed):
    """Central differences of f in float64, to 1e-3."""
    x = case["x"]
    verdict = unusable(observed)
    if verdict:
        return verdict
    f0 = functions.value(case.data, x)
    if observed["value"].shape == f0.shape != x.shape and close(observed["value"].astype(float), f0):
        return Verdict(
            0.0,
            "The values of f came back, not its slope.",
            "That is f(x) itself: differentiate it.",
            f"shape {x.shape}",
            f"shape {f0.shape}",
        )
    value, verdict = read(observed, x.shape, "(N, D)")
    if verdict:
        return verdict
    h = 1e-5
    eye = h * np.eye(x.shape[1])
    expected = np.stack(
        [(functions.value(case.data, x + e) - functions.value(case.data, x - e)) / (2 * h) for e in eye], 1
    )
    first = np.zeros_like(expected)
    first[0] = expected[0]
    origin = functions.value(case.data, np.zeros_like(x))
    mistakes = [
        ("That is gradient × input: leave the factor x out.", expected * x),
        ("The sign is flipped.", -expected),
        ("The size without the sign: drop the abs().", np.abs(expected)),
        (
            "The gradient is divided by the number of rows: use sum(), not mean(), before backward.",
            expected / len(x),
        ),
        ("Only the first row has a gradient: f(x)[0] forgets the other rows; sum over all of them.", first),
        ("All rows carry the first row's gradient.", np.broadcast_to(expected[:1], expected.shape)),
        (
            "The rows are summed: each row keeps its own gradient.",
            np.broadcast_to(expected.sum(0), expected.shape),
        ),
        (
            "That is a difference quotient to the origin; the gradient is the slope at x.",
            np.divide((f0 - origin)[:, None], x, out=np.zeros_like(x), where=x != 0),
        ),
        (
            "The step of the finite difference is missing from the denominator, or halved: (f(x + h) − f(x −"
            " h)) / (2h).",
            2 * expected,
        ),
    ]
    return changed(observed, decide(value, expected, mistakes, message=f"Wrong for {case.note}."), ("f", "x"))


# ---- 4.3


def gap_cases(seed):
    """Credits that are complete by a closed form, and credits that are not, for one row and several."""
    rng = np.random.default_rng([seed, 43])
    complete = functions.polynomial(3, rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal())
    x, b = _draw(rng, 4, 3), _draw(rng, 4, 3)
    credit = (x - b) * functions.gradient(complete, (x + b) / 2)[1]  # exact for a quadratic
    return [
        Case(
            {"x": x, "baseline": b, "attributions": credit, **complete},
            "complete credits of a quadratic, four rows",
        ),
        Case(
            {
                "x": _draw(rng, 1, 4),
                "baseline": _draw(rng, 1, 4),
                "attributions": _draw(rng, 1, 4),
                **functions.random_network(rng, 4),
            },
            "credits that are not complete, one row",
        ),
        Case(
            {
                "x": _draw(rng, 5, 3),
                "baseline": _draw(rng, 5, 3),
                "attributions": _draw(rng, 5, 3),
                **functions.random_network(rng, 3),
            },
            "credits that are not complete, five rows",
        ),
    ]


def gap_observe(answer, case):
    """Call the answer on f, x, baseline and attributions."""
    from ..observe import call, tensor

    return call(answer, _f(case), *(tensor(case[k]) for k in ("x", "baseline", "attributions")))


def gap_judge(case, observed):
    """Σ attributions − (f(x) − f(x′)) to 1e-3; its size without the sign is as good."""
    credit = case["attributions"]
    n, over_rows = len(credit), "The sum runs over the rows: sum over the features, axis 1."
    keeps = "sum(1, keepdim=True) gives (N, 1), and (N, 1) less (N,) gives (N, N): sum without keepdim."
    value, verdict = read(
        observed,
        (n,),
        "(N,)",
        {
            credit.shape[1:]: over_rows,
            (n, 1): keeps,
            (n, n): keeps,
            credit.shape: "The features are still there: one number for each row, the sum over axis 1.",
        },
    )
    if verdict:
        return verdict
    at_x, at_b = functions.value(case.data, case["x"]), functions.value(case.data, case["baseline"])
    total = credit.sum(1)
    expected = total - (at_x - at_b)
    forgotten = "The baseline is forgotten: the credits add up to f(x) − f(x′), not to f(x)."
    mistakes = [
        (forgotten, total - at_x),
        (forgotten, at_x - total),
        (forgotten, np.abs(total - at_x)),
        ("f is missing: subtract f(x) − f(x′) from the sum.", total),
        ("The sign is flipped: the gap is the sum of the credits minus f(x) − f(x′).", -expected),
        ("Mind the brackets: Σ − (f(x) − f(x′)) is Σ − f(x) + f(x′).", total - at_x - at_b),
        ("Input and baseline are swapped.", total + (at_x - at_b)),
        ("The credits are averaged: add them up.", credit.mean(1) - (at_x - at_b)),
        (
            "The credits of all rows are added up: sum over the features of each row only.",
            credit.sum() - (at_x - at_b),
        ),
        ("The credits lose their sign: add them up as they are.", np.abs(credit).sum(1) - (at_x - at_b)),
        ("The gap is squared: leave it as it is.", expected**2),
        ("That is f(x) − f(x′) alone: the sum of the credits is missing.", at_x - at_b),
    ]
    verdict = decide(value, expected, mistakes, message=f"Wrong for {case.note}.", accept=[np.abs(expected)])
    return changed(observed, verdict, ("f", "x", "baseline", "attributions"))
