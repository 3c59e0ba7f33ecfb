"""Lecture 05, exercises 5.4 to 5.6: examples that are equally hard, loss sensitivity, the Gini coefficient.

Arpit et al. 2017, sections 3.1 and 3.2.
"""
import math

import numpy as np

from ..dynamics import easiness, sensitivity
from . import functions
from .formula import formula


def classifier(rng, D, K, width=8, activation="tanh", gain=1.0, scale=1.0):
    """A network with K outputs, as data."""
    layers = [(rng.normal(size=(n, m)) * gain * 1.5 / np.sqrt(m), rng.normal(size=n) * 0.5)
              for m, n in ((D, width), (width, width), (width, K))]
    layers[-1] = (layers[-1][0] * scale, layers[-1][1] * scale)
    return {**functions.network(*layers, activation=activation), "f.outputs": "all"}


# 5.4: equally hard ----------------------------------------------------------------------------------------------

def _below(trials, p):
    """P(K ≤ k) for k = 0 … trials, K binomial."""
    return np.cumsum([math.comb(trials, k) * p**k * (1 - p)**(trials - k) for k in range(trials + 1)])


def _curve(wrong, ranks=lambda i, n: (i - 0.5) / n, trials=None, p=None):
    """The sorted curve; ``ranks(i, n)``: the quantile at which rank i of n stands."""
    E, n = wrong.shape
    p = wrong.mean() if p is None else p
    below = _below(trials or E, p)
    return np.searchsorted(below, ranks(np.arange(1, n + 1), n)).clip(max=trials or E) / (trials or E)


def _hard_cases(rng):
    made = []
    for E, n, p in ((12, 9, 0.3), (7, 16, 0.85), (30, 5, 0.5), (10, 10, 0.6), (9, 24, 0.08), (100, 30, 0.8)):
        while True:
            wrong = rng.random((E, n)) < np.clip(p + rng.normal(size=n) * 0.25, 0, 1)
            gaps = np.abs(_below(E, wrong.mean())[:, None] - (np.arange(1, n + 1) - 0.5) / n)
            if gaps.min() > 2e-4 and 0 < wrong.mean() < 1:
                break
        made.append({"wrong": wrong, "note": f"{E} networks, {n} examples"})
    made.append({"wrong": np.ones((4, 6), bool), "note": "examples that every network gets wrong"})
    made.append({"wrong": np.zeros((5, 3), bool), "note": "examples that no network gets wrong"})
    return made


def _normal(wrong):
    from statistics import NormalDist

    E, n = wrong.shape
    p = wrong.mean()
    return np.array([p + NormalDist().inv_cdf((i - 0.5) / n) * math.sqrt(p * (1 - p) / E) for i in range(1, n + 1)])


_HARD = formula(
    id="5.4", title="If all examples were equally hard", points=2, minutes=10, difficulty=2,
    task="equally_hard(wrong): wrong (E, n) says which of n examples each of E networks gets wrong. If all examples were "
         "equally hard, each one's count of mistakes K would be binomial, E trials with p̂ = mean of wrong. → (n,) "
         "ascending: at rank i = 1 … n the smallest k with P(K ≤ k) ≥ (i − ½)/n, divided by E. Tolerance 1e-3.",
    library=easiness.equally_hard, cases=_hard_cases, truth=_curve,
    finite="A quantile that is 0 or less has no k: ranks begin with 1, and rank i stands at (i − ½)/n.",
    mistakes=[
        ("Sorted the wrong way round: the easiest example comes first.", lambda wrong: _curve(wrong)[::-1]),
        ("That is the measured curve. Asked is the one that chance alone would give: only p̂, E and n enter.",
         lambda wrong: np.sort(wrong.mean(0))),
        ("That is the measured rate of each example: only p̂, E and n should enter.", lambda wrong: wrong.mean(0)),
        ("Rank i stands at (i − ½)/n, not at i/n: there the last rank is always E.",
         lambda wrong: _curve(wrong, lambda i, n: i / n)),
        ("Rank i stands at (i − ½)/n, not at (i − 1)/n: you count from 0.",
         lambda wrong: _curve(wrong, lambda i, n: (i - 1) / n)),
        ("Rank i stands at (i − ½)/n; with i/(n + 1) the ends move inwards.",
         lambda wrong: _curve(wrong, lambda i, n: i / (n + 1))),
        ("Those are counts k: a rate is k/E.", lambda wrong: _curve(wrong) * len(wrong), 0.5),
        ("Divided by n: of E networks k get the example wrong, the rate is k/E.",
         lambda wrong: _curve(wrong) * len(wrong) / wrong.shape[1], 0.5),
        ("That is p̂ for everyone: with E networks the rates of equally hard examples still scatter.",
         lambda wrong: np.full(wrong.shape[1], wrong.mean())),
        ("That is a normal curve: counts are whole, and for few networks or p̂ near 0 or 1 it is far off.", _normal),
        ("The trials of one example are the E networks, not the n examples.",
         lambda wrong: _curve(wrong, trials=wrong.shape[1])),
        ("p̂ is the share of wrong answers; this is the curve of right ones.",
         lambda wrong: _curve(wrong, p=1 - wrong.mean())),
        ("One k too few: the smallest k with P(K ≤ k) ≥ the quantile; count the k that are still below.",
         lambda wrong: (_curve(wrong) * len(wrong) - 1).clip(0) / len(wrong)),
        ("One k too many: P(K ≤ k) includes k itself.",
         lambda wrong: (_curve(wrong) * len(wrong) + 1).clip(max=len(wrong)) / len(wrong)),
        ("The ranks run over the n examples, wrong's second axis.", lambda wrong: _curve(wrong.T)),
    ],
    # what the last rank gets there hangs on how the sum was rounded, so that no mistake above need be met to the digit
    laws=[("Rank i stands at (i − ½)/n, not at i/n: there the last rank is always E.",
           lambda out, wrong: not np.allclose(out[:-1], _curve(wrong, lambda i, n: i / n)[:-1]) or np.allclose(out, _curve(wrong)))],
    hints=("You need p̂ = wrong.mean(), E and n, and the distribution of K: P(K = k) = C(E, k) p̂ᵏ (1 − p̂)ᴱ⁻ᵏ, "
           "k = 0 … E; its running sum is P(K ≤ k).",
           "For each quantile q the smallest k with P(K ≤ k) ≥ q is the number of k whose P(K ≤ k) is below q. "
           "Mind p̂ = 0 and p̂ = 1.",
           "`E, n = wrong.shape; p = wrong.double().mean().item()`\n`pmf = torch.tensor([math.comb(E, k) * p**k * "
           "(1 - p)**(E - k) for k in range(E + 1)])`\n`q = (torch.arange(n) + 0.5) / n`\n"
           "`return (pmf.cumsum(0) < q[:, None]).sum(1).clamp(max=E) / E`"),
    insight="Sorting makes any noise look like easy and hard examples: without this curve beside it a sorted plot says "
            "nothing.")


# 5.5: loss sensitivity ------------------------------------------------------------------------------------------

def _softmax(z):
    p = np.exp(z - z.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def _right(f, x, y):
    """What the softmax gives the label."""
    return _softmax(functions.outputs(f.data, x))[np.arange(len(x)), y]


def _slope(f, x, y, other=None, twice=False):
    """∂L(x_n, y_n)/∂x_n of the cross entropy, (N, D)."""
    z = functions.outputs(f.data, x)
    p, labels = _softmax(z), np.eye(z.shape[1])[y if other is None else other(z)]
    if twice:  # through p = softmax(z): Σ_j ∂L/∂p_j p_j (δ_jk − p_k)
        g = (_softmax(p) - labels) * p
        return functions.pull_back(f.data, x, g - p * g.sum(1, keepdims=True))
    return functions.pull_back(f.data, x, p - labels)


def _sensitivity_cases(rng):
    made = []
    for N, D, K, options in ((5, 4, 3, {}), (1, 6, 5, {}), (8, 3, 2, {"activation": "relu"}), (4, 4, 4, {}),
                             (6, 5, 3, {"scale": 2000.0})):
        made.append({"x": rng.normal(size=(N, D)), "y": rng.permutation(np.arange(N) % K),
                     **classifier(rng, D, K, **options),
                     "note": f"{N} inputs of {D} pixels, {K} classes" + (", large logits" if options.get("scale") else "")})
    return made


def _again(answer):
    """The answer's value on the same inputs after another function and once more: the lecture calls it again and again on one
    batch, with one network after the other.  A value that changes from call to call comes back as neither of the two."""
    def last(f, x, y):
        answer(lambda z: 0 * f(z), x, y)  # without slope: what is left in x.grad stays as it was
        first, second = answer(f, x, y), answer(f, x, y)
        alike = type(first) is type(second) and hasattr(first, "shape") and first.shape == second.shape
        return 2 * second - first if alike else second
    return last


_SENSITIVITY = formula(
    id="5.5", title="Loss sensitivity of a whole batch", points=2, minutes=8, difficulty=2,
    task="loss_sensitivity(f, x, y): g_n = ‖∂L(x_n, y_n)/∂x_n‖₁ for every example, L the cross entropy, in one backward "
         "pass (a loop over the examples is right too, but slow). f maps (N, D) to logits (N, K), which may be large: "
         "cross_entropy or log_softmax, not the log of a softmax. Called again on the same x it gives the same, with another f that "
         "of the other; leave x as it came, requires_grad included. "
         "x (N, D), y (N,) → (N,). Tolerance 1e-3.",
    library=sensitivity.loss_sensitivity, cases=_sensitivity_cases, use=_again, quiet=("x",),
    finite="A softmax of large logits is 0 in single precision, and its log infinite: use cross_entropy or log_softmax.",
    truth=lambda f, x, y: np.abs(_slope(f, x, y)).sum(1),
    mistakes=[
        ("The losses were averaged: that divides every g by N. Use reduction=\"sum\".",
         lambda f, x, y: np.abs(_slope(f, x, y)).sum(1) / len(x)),
        ("That is the Euclidean norm: the paper takes ‖·‖₁, the sum of absolute values.",
         lambda f, x, y: np.sqrt((_slope(f, x, y)**2).sum(1))),
        ("That is the largest absolute value: ‖·‖₁ is their sum.", lambda f, x, y: np.abs(_slope(f, x, y)).max(1)),
        ("The absolute values are averaged over pixels: ‖·‖₁ is their sum.",
         lambda f, x, y: np.abs(_slope(f, x, y)).mean(1)),
        ("The absolute value is missing: positive and negative slopes cancel.", lambda f, x, y: _slope(f, x, y).sum(1)),
        ("The absolute value comes after the sum: take |∂L/∂x_d| of each pixel, then add up.",
         lambda f, x, y: np.abs(_slope(f, x, y).sum(1))),
        ("That is the squared norm: ‖·‖₁ is the sum of absolute values.", lambda f, x, y: (_slope(f, x, y)**2).sum(1)),
        ("A small number was added to the softmax, or it was cut off below: that hides the infinite logarithm and loses the slope. "
         "Use cross_entropy.", lambda f, x, y: np.where(_right(f, x, y) > 1e-9, np.abs(_slope(f, x, y)).sum(1), 0.0)),
        ("The softmax was taken twice: cross_entropy takes logits.", lambda f, x, y: np.abs(_slope(f, x, y, twice=True)).sum(1)),
        ("The label of the loss is y, not the predicted class.",
         lambda f, x, y: np.abs(_slope(f, x, y, lambda z: z.argmax(1))).sum(1)),
        ("That is the slope of the logit f_y: the loss is the cross entropy, −log softmax(f)_y.",
         lambda f, x, y: np.abs(functions.pull_back(f.data, x, np.eye(functions.outputs(f.data, x).shape[1])[y])).sum(1)),
        ("That is the slope of the sum of all logits: the loss is the cross entropy of y.",
         lambda f, x, y: np.abs(functions.pull_back(f.data, x, np.ones_like(functions.outputs(f.data, x)))).sum(1)),
        ("That is gradient × input: the loss sensitivity is the gradient alone.",
         lambda f, x, y: np.abs(_slope(f, x, y) * x).sum(1)),
        ("Gradients have piled up in x.grad: one row's g holds those before it. Clear it, or take one backward pass.",
         lambda f, x, y: np.abs(_slope(f, x, y)).sum(1).cumsum()),
        ("x.grad still holds the gradient of the call before on the same x: x = x.detach().clone().requires_grad_() first.",
         lambda f, x, y: 3 * np.abs(_slope(f, x, y)).sum(1)),
        ("The first call with a function gave 0, the second did not: what it gives may not hang on what was called before.",
         lambda f, x, y: 2 * np.abs(_slope(f, x, y)).sum(1)),
        ("That is the gradient of each pixel: sum its absolute values over the D pixels.",
         lambda f, x, y: _slope(f, x, y)),
        ("Those are the absolute values of each pixel: sum them over the D pixels.",
         lambda f, x, y: np.abs(_slope(f, x, y))),
        ("You summed over the examples: one number per example, (N,), is asked for.",
         lambda f, x, y: np.abs(_slope(f, x, y)).sum(0)),
        ("That is one number for the batch: sum over the pixels only.",
         lambda f, x, y: np.abs(_slope(f, x, y)).sum()),
    ],
    hints=("Loss n depends on row n alone. So the gradient of the *sum* of the losses has in row n just ∂L_n/∂x_n: one "
           "backward pass gives them all.",
           "`x = x.detach().clone().requires_grad_()`, then F.cross_entropy(f(x), y, reduction=\"sum\") and "
           "torch.autograd.grad(loss, x).",
           "`loss = torch.nn.functional.cross_entropy(f(x), y, reduction=\"sum\")`\n"
           "`(slope,) = torch.autograd.grad(loss, x)`\n`return slope.abs().sum(1)`"),
    insight="The same holds for any layer that treats rows alone; batch norm in training mode does not: there the sum's "
            "gradient mixes examples.")


# 5.6: Gini ------------------------------------------------------------------------------------------------------

def _gini(g):
    n, total = len(g), np.sum(g)
    return np.float64(0.0) if total == 0 else np.abs(np.subtract.outer(g, g)).sum() / (2 * n * total)


def _gini_cases(rng):
    sparse = rng.exponential(size=12) * (rng.random(12) < 0.5)
    sparse[3] = 2.0
    made = [("seven values", rng.exponential(size=7)), ("values of very different size", rng.exponential(size=9)**4),
            ("some of them 0", sparse), ("all alike", np.full(5, 0.7)), ("one has everything", np.eye(6)[2] * 3.0),
            ("all 0", np.zeros(4)), ("a single value", np.array([2.5])), ("whole numbers", rng.integers(1, 40, 8).astype(float)),
            ("large values", rng.uniform(1e4, 3e5, 11)), ("tiny values", rng.exponential(size=6) * 1e-20)]
    return [{"g": g, "note": note} for note, g in made]


def _told(g):
    """Whether a mistake that gives nearly 0 for tiny values can be told from others: it is not where all are tiny."""
    return np.max(g) > 1e-3 or not np.any(g)


def _ratio(upper):
    """upper(g), but 0 where all are 0."""
    return lambda g: np.float64(0.0) if np.sum(g) == 0 else np.float64(upper(np.asarray(g, float)))


_GINI = formula(
    id="5.6", title="The Gini coefficient", points=1, minutes=6, difficulty=1,
    finite="Where all values are 0, so is their mean, and 0 / 0 is no number: return 0 there.",
    task="gini(g): Σᵢ Σⱼ |gᵢ − gⱼ| / (2 n² ḡ) of values g (n,) ≥ 0 with mean ḡ, and 0 where all are 0. → a number. "
         "Tolerance 1e-3.",
    library=sensitivity.gini, cases=_gini_cases, truth=_gini,
    mistakes=[
        ("The 2 in the denominator is missing: every pair is counted twice.", lambda g: 2 * _gini(g)),
        ("Every pair was counted once: the double sum runs over all i and all j.", lambda g: _gini(g) / 2),
        ("Divided by n(n − 1): here the mean is over all n² pairs.",
         _ratio(lambda g: _gini(g) * len(g) / max(len(g) - 1, 1))),
        ("1 − G: 0 is to mean that all are alike.", lambda g: 1 - _gini(g)),
        ("The sign is turned: sort ascending.", lambda g: -_gini(g)),
        ("Divided by the sum in place of n²ḡ = n Σg: a factor n is left.", _ratio(lambda g: _gini(g) * len(g))),
        ("The sum Σg stands where the mean ḡ belongs: a factor n is too much in the denominator.", _ratio(lambda g: _gini(g) / len(g))),
        ("The mean ḡ is missing in the denominator: G must not change when all values are doubled.",
         lambda g: np.abs(np.subtract.outer(g, g)).mean() / 2 if _told(g) else np.nan),
        ("That is the standard deviation over the mean.", _ratio(lambda g: g.std() / g.mean())),
        ("That is the mean distance from the mean: Gini compares every value with every other.",
         _ratio(lambda g: np.abs(g - g.mean()).mean() / (2 * g.mean()))),
        ("The values were not sorted before the weights 2i − n − 1 were laid on them.",
         _ratio(lambda g: ((2 * np.arange(1, len(g) + 1) - len(g) - 1) * g).sum() / (len(g) * g.sum()))),
        ("The ranks begin with 1, not 0: the weights are 2i − n − 1, i = 1 … n.",
         _ratio(lambda g: ((2 * np.arange(len(g)) - len(g) - 1) * np.sort(g)).sum() / (len(g) * g.sum()))),
        ("0 came where the values differ: is |·| missing in the sum over pairs, or does your test for \"all are 0\" catch "
         "more than that, such as one value that is 0?", lambda g: np.float64(0.0 if _told(g) else np.nan)),
    ],
    laws=[("Something was added so that nothing is divided by 0, or small values were taken for 0: then they are judged "
           "wrongly. Treat all-zero g as a case of its own.", lambda out, g: abs(out - _gini(g)) < 1e-3 or np.max(g) > 1e-3 or abs(out) > 1e-3)],
    hints=("Make the table of differences by broadcasting: g[:, None] − g[None, :] is (n, n).",
           "abs().sum(), divided by 2 · n · g.sum(), as n²ḡ = n Σg. Where the sum is 0, return 0.",
           "`g = g.double(); total = g.sum()`\n`if total == 0: return total`\n"
           "`return (g[:, None] - g).abs().sum() / (2 * len(g) * total)`"),
    insight="Sorted, the double sum is a weighted single one, Σ (2i − n − 1) g₍ᵢ₎: n log n in place of n².")

EXERCISES = [_HARD, _SENSITIVITY, _GINI]
