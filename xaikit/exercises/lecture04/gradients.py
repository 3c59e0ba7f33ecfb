"""4.1 gradient and 4.3 completeness gap."""

import numpy as np

from .. import functions
from ..formula import formula
from . import answers

VANISHING = functions.network(([[-1.0]], [1.0]), ([[-1.0]], [1.0]))  # 1 − ReLU(1 − x)


def _draw(rng, *shape):
    # what float32 holds exactly, so that the student's tensor and the judge's array are the same numbers
    return rng.uniform(-1.5, 1.5, size=shape).astype(np.float32).astype(np.float64)


def _random_polynomial(rng, inputs):
    cubic = rng.uniform(0.5, 1.0, size=inputs) * rng.choice([-1, 1], size=inputs)
    return functions.polynomial(inputs, rng.normal(size=(inputs, inputs)), rng.normal(size=inputs), rng.normal(), cubic)


def _f(case):
    if case.oracle:
        from ..oracle import remote

        return remote(case.ask, case["x"].shape[1])
    return functions.torch_function(case.data)


# ---- 4.1


def _steep(rng):
    """50 |x − x₀|² + u·(x − x₀) near x₀: its gradient is wrong where x is rounded to half precision, and right in float32."""
    start, u, x = _draw(rng, 3), rng.normal(size=3), _draw(rng, 2, 3)
    f = functions.polynomial(3, 100 * np.eye(3), u - 100 * start, 50 * start @ start - u @ start)
    return {"x": start + 0.01 * x, **f}


def _gradient_cases(rng):
    """The vanishing gradient; a polynomial; random tanh and ReLU networks, one row and many."""
    relu, x = functions.random_network(rng, 3, activation="relu"), _draw(rng, 200, 3)
    hidden = x @ relu["f.weight.0"].T + relu["f.bias.0"]
    second = np.maximum(hidden, 0) @ relu["f.weight.1"].T + relu["f.bias.1"]
    clear = np.minimum(np.abs(hidden).min(1), np.abs(second).min(1))  # away from the kinks: differences agree there
    return [
        {"x": np.array([[2.0]]), **VANISHING, "note": "f(x) = 1 − ReLU(1 − x) at x = 2"},
        {"x": _draw(rng, 1, 3), **_random_polynomial(rng, 3), "note": "a polynomial of three features, one row"},
        {"x": _draw(rng, 5, 2), **functions.random_network(rng, 2),
         "note": "a smooth network of two features, five rows"},
        {**_steep(rng), "note": "a steep polynomial near its least value, two rows"},
        {"x": x[np.argsort(-clear)[:4]], **relu, "note": "a ReLU network of three features, four rows"},
    ]


def _slope(f, x, h=1e-5):
    """Central differences of f in float64."""
    return np.stack([(f(x + e) - f(x - e)) / (2 * h) for e in h * np.eye(x.shape[1])], 1)


def _first_row_alone(f, x):
    return _slope(f, x) * (np.arange(len(x)) == 0)[:, None]


def _to_the_origin(f, x):
    return np.divide((f(x) - f(0 * x))[:, None], x, out=np.zeros_like(x), where=x != 0)


GRADIENT = formula(
    id="4.1", title="The gradient's credit", points=1, minutes=5, difficulty=1,
    task="gradient_credit(f, x): the gradient ∂f/∂x of each row. x (N, D) → (N, D). Tolerance 1e-3.",
    library=answers.gradient_credit, cases=_gradient_cases, truth=_slope, axes="(N, D)",
    use=lambda answer: lambda f, x: (answer(f, x), answer(f, x))[1],  # .grad adds up from call to call
    mistakes=[
        ("That is f(x) itself: differentiate it.", lambda f, x: f(x)),
        ("That is the gradient at a rounded x: half precision keeps three digits, compute in float32.",
         lambda f, x: _slope(f, x.astype(np.float16).astype(float))),
        ("That is gradient × input: leave the factor x out.", lambda f, x: _slope(f, x) * x),
        ("The sign is flipped.", lambda f, x: -_slope(f, x)),
        ("The size without the sign: drop the abs().", lambda f, x: np.abs(_slope(f, x))),
        ("The gradient is divided by the number of rows: use sum(), not mean(), before backward.",
         lambda f, x: _slope(f, x) / len(x)),
        ("Only the first row has a gradient: f(x)[0] forgets the other rows; sum over all of them.", _first_row_alone),
        ("All rows carry the first row's gradient.", lambda f, x: np.broadcast_to(_slope(f, x)[:1], x.shape)),
        ("The rows are summed: each row keeps its own gradient.",
         lambda f, x: np.broadcast_to(_slope(f, x).sum(0), x.shape)),
        ("That is a difference quotient to the origin; the gradient is the slope at x.", _to_the_origin),
        ("Twice the gradient: .grad adds up from call to call (work on x.detach().clone()), or the 2 in"
         " (f(x + h) − f(x − h)) / (2h) is missing.",
         lambda f, x: 2 * _slope(f, x)),
    ],
    hints=(
        "PyTorch gives the gradient of one number. Rows do not mix, so which single number of f(x) carries all rows'"
        " gradients?",
        "∂/∂x Σₙ f(xₙ) has as its row n just ∂f(xₙ)/∂xₙ; `torch.autograd.grad(number, x)` returns a tuple.",
        "`x = x.detach().clone().requires_grad_(True)`\n`return torch.autograd.grad(f(x).sum(), x)[0]`",
    ),
    insight="For f(x) = 1 − ReLU(1 − x) at x = 2 the credit is 0: f is flat there, although it rose from 0 to 1 on the"
    " way from the baseline 0. The gradient looks at one point, and sensitivity(a) asks about two.",
)

# ---- 4.3


def _gap_cases(rng):
    """Credits that are complete by a closed form, and credits that are not, for one row and several."""
    complete = functions.polynomial(3, rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal())
    x, b = _draw(rng, 4, 3), _draw(rng, 4, 3)
    credit = (x - b) * functions.gradient(complete, (x + b) / 2)[1]  # exact for a quadratic
    return [
        {"x": x, "baseline": b, "attributions": credit, **complete, "note": "complete credits of a quadratic, four rows"},
        *({**{name: _draw(rng, n, d) for name in ("x", "baseline", "attributions")}, **functions.random_network(rng, d),
           "note": f"credits that are not complete, {said}"} for n, d, said in ((1, 4, "one row"), (5, 3, "five rows"))),
    ]


def _gap(f, x, baseline, attributions):
    return attributions.sum(1) - (f(x) - f(baseline))


_FORGOTTEN = "The baseline is forgotten: the credits add up to f(x) − f(x′), not to f(x)."
_KEEPS = "sum(1, keepdim=True) gives (N, 1), and (N, 1) less (N,) gives (N, N): sum without keepdim."

GAP = formula(
    id="4.3", title="The completeness gap", points=1, minutes=3, difficulty=1,
    task="completeness_gap(f, x, baseline, attributions): Σᵢ attributionsᵢ − (f(x) − f(x′)) for each row. (N, D) each"
    " → (N,). Tolerance 1e-3; its size without the sign is accepted too.",
    library=answers.completeness_gap, cases=_gap_cases, truth=_gap, axes="(N,)",
    accept=[lambda **case: np.abs(_gap(**case))],
    mistakes=[
        (_FORGOTTEN, lambda f, x, baseline, attributions: attributions.sum(1) - f(x)),
        (_FORGOTTEN, lambda f, x, baseline, attributions: f(x) - attributions.sum(1)),
        (_FORGOTTEN, lambda f, x, baseline, attributions: np.abs(attributions.sum(1) - f(x))),
        ("f is missing: subtract f(x) − f(x′) from the sum.", lambda f, x, baseline, attributions: attributions.sum(1)),
        ("The sign is flipped: the gap is the sum of the credits minus f(x) − f(x′).", lambda **case: -_gap(**case)),
        ("Mind the brackets: Σ − (f(x) − f(x′)) is Σ − f(x) + f(x′).",
         lambda f, x, baseline, attributions: attributions.sum(1) - f(x) - f(baseline)),
        ("Input and baseline are swapped.", lambda f, x, baseline, attributions: _gap(f, baseline, x, attributions)),
        ("The credits are averaged: add them up.",
         lambda f, x, baseline, attributions: _gap(f, x, baseline, attributions / x.shape[1])),
        ("The credits of all rows are added up: sum over the features of each row only.",
         lambda f, x, baseline, attributions: attributions.sum() - (f(x) - f(baseline))),
        ("The credits lose their sign: add them up as they are.",
         lambda f, x, baseline, attributions: _gap(f, x, baseline, np.abs(attributions))),
        ("The gap is squared: leave it as it is.", lambda **case: _gap(**case) ** 2),
        ("That is f(x) − f(x′) alone: the sum of the credits is missing.",
         lambda f, x, baseline, attributions: f(x) - f(baseline)),
        ("The sum runs over the rows: sum over the features, axis 1.",
         lambda f, x, baseline, attributions: attributions.sum(0)),
        (_KEEPS, lambda f, x, baseline, attributions: _gap(f, x, baseline, attributions)[:, None]),
        (_KEEPS, lambda f, x, baseline, attributions: attributions.sum(1)[:, None] - (f(x) - f(baseline))),
        ("The features are still there: one number for each row, the sum over axis 1.",
         lambda f, x, baseline, attributions: attributions - (f(x) - f(baseline))[:, None]),
    ],
    hints=(
        "What should the credits of one row add up to?",
        "gap = Σᵢ aᵢ − (f(x) − f(x′)), one number for each row: the sum runs over the features, axis 1.",
        "`return attributions.sum(1) - (f(x) - f(baseline))`",
    ),
    insight="A gap of zero says that nothing got lost. It does not say that the credit went to the right features.",
)
