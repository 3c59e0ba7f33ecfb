"""Lecture 03's exercises on the rules of one layer, 3.1 to 3.3: the ε-rule, its leak, the αβ-rule."""
import numpy as np

from .formula import formula

# What the exercises share: a layer takes a (N, I), has weights W (I, J) and biases b (J,), and z = a W + b
# gets R (N, J).


def lrp_epsilon(a, W, b, R, eps):
    """The ε-rule of one dense layer.  a (N, I), W (I, J), b (J,), R (N, J) → (N, I)"""
    import torch

    z = a @ W + b
    sign = torch.where(z >= 0, 1.0, -1.0)  # torch.sign(0) is 0, and 0 / 0 no number
    return a * ((R / (z + eps * sign)) @ W.T)


def lrp_alpha_beta(a, W, b, R, alpha):
    """The αβ-rule of one dense layer, β = 1 − α.  a (N, I), W (I, J), b (J,), R (N, J) → (N, I)"""
    contributions = a[:, :, None] * W  # (N, I, J)
    beta, result = 1 - alpha, 0
    for weight, part, bias in ((alpha, contributions.clamp(min=0), b.clamp(min=0)),
                               (beta, contributions.clamp(max=0), b.clamp(max=0))):
        total = part.sum(1) + bias
        total = total.masked_fill(total == 0, 1.0)  # where nothing has this sign there is nothing to share
        result = result + weight * (part * (R / total)[:, None]).sum(2)
    return result


def passed_on(z, b, R, eps):
    """What a layer under the ε-rule passes on in all, of the relevance that arrives.  z, R (N, J), b (J,) →
    (N,)"""
    import torch

    sign = torch.where(z >= 0, 1.0, -1.0)
    return (R * (1 - (b + eps * sign) / (z + eps * sign))).sum(1)


# ---- the same in numpy, with a place for each mistake


def signed(z):
    return np.where(z >= 0, 1.0, -1.0)


def _epsilon(a, W, b, R, eps, z=None, times=True):
    z = a @ W + b + eps * signed(a @ W + b) if z is None else z
    back = (R / z) @ W.T
    return a * back if times else back


def _layers(rng):
    """A few layers: several shapes, inputs of both signs, contributions that cancel, large and small ε."""
    made = []
    for n, i, j, eps, note in ((3, 4, 5, 0.1, "three inputs of four values, ε = 0.1"),
                               (1, 3, 2, 0.5, "one input, ε = 0.5"),
                               (2, 4, 5, 0.2, "a neuron whose contributions cancel: z = 0")):
        a, W, b = rng.normal(size=(n, i)), rng.normal(size=(i, j)), rng.normal(size=j) * 0.7
        if "z = 0" in note:
            b = rng.normal(size=j) * 2
            a[:, :2], W[:, 1], b[1] = [[1, 2], [2, 4]], [2, -1, 0, 0], 0
        if n == 3:  # one |z| below ε: a floor is then another thing than a sum
            b[0] += 0.05 - (a @ W + b)[0, 0]
        made.append({"a": a, "W": W, "b": b, "R": rng.normal(size=(n, j)), "eps": eps, "note": note})
    a, W = rng.normal(size=(1, 4)), rng.normal(size=(4, 2))  # a sum that nearly cancels is lost in half precision
    made.append({"a": a, "W": W, "b": np.array([0.05, -0.05]) - (a @ W)[0], "R": rng.normal(size=(1, 2)), "eps": 0.01,
                 "note": "contributions and bias that nearly cancel"})
    return made


def _split(a, W, b, R, alpha, beta=None, bias="split", by="contribution", total=None):
    """αβ in numpy; the arguments after alpha make its mistakes."""
    beta, out = 1 - alpha if beta is None else beta, 0
    for weight, cut in ((alpha, np.maximum), (beta, np.minimum)):
        if by == "contribution":
            part = cut(a[:, :, None] * W, 0)
        elif by == "weight":
            part = a[:, :, None] * cut(W, 0)
        whole = part.sum(1) + {"split": cut(b, 0), "none": 0 * b, "whole": b}[bias]
        if total is not None:
            whole = a @ W + b
        share = np.divide(R, whole, out=np.zeros_like(R), where=whole != 0)
        out = out + weight * (part * share[:, None]).sum(2)
    return out


def _alpha_cases(rng):
    made = []
    for n, i, j, alpha, note in ((3, 6, 4, 2.0, "α = 2, inputs of both signs"),
                                 (1, 5, 3, 1.0, "α = 1: only what speaks for"),
                                 (2, 4, 3, 3.0, "α = 3, a neuron with positive contributions only"),
                                 (2, 5, 3, 0.5, "α = β = ½"),
                                 (3, 4, 3, 2.0, "α = 2, a neuron with contributions of one sign only")):
        while True:
            a, W, b = rng.normal(size=(n, i)), rng.normal(size=(i, j)), rng.normal(size=j) * 0.7
            if alpha == 3:
                a, W[:, 0], b[0] = np.abs(a), np.abs(W[:, 0]), 0.5
            if "one sign" in note:  # negative in the first row, positive in the second
                a[:2] = np.abs(a[:2])
                a[1], W[:, 0], b[0] = -a[1], -np.abs(W[:, 0]), 0
            z = a[:, :, None] * W
            sums = np.stack([cut(z, 0).sum(1) + cut(b, 0) for cut in (np.maximum, np.minimum)])
            if (np.abs(sums)[sums != 0] >= 0.05).all():  # a small stabiliser of one's own does no harm
                break
        made.append({"a": a, "W": W, "b": b, "R": rng.normal(size=(n, j)), "alpha": alpha, "note": note})
    return made


def _passed(z, b, R, eps):
    return (R * (1 - (b + eps * signed(z)) / (z + eps * signed(z)))).sum(1)


def _passed_cases(rng):
    made = []
    for n, j, eps, note in ((3, 4, 0.1, "three inputs, ε = 0.1"), (1, 6, 0.0, "ε = 0: only the bias keeps"),
                            (2, 4, 0.5, "two neurons with z = 0"), (2, 3, 1.0, "a large ε")):
        z = rng.normal(size=(n, j))
        z += 0.2 * signed(z)
        if "z = 0" in note:
            z[0, 1] = z[1, 3] = 0
        made.append({"z": z, "b": rng.normal(size=j), "R": rng.normal(size=(n, j)), "eps": eps, "note": note})
    return made


def _quietly(mistake):
    """The mistake without numpy's words where it divides by zero; NaN there, which equals nothing."""
    def wrong(**case):
        with np.errstate(all="ignore"):
            value = mistake(**case)
        return np.where(np.isfinite(value), value, np.nan)

    return wrong


AT_ZERO = "Where z is exactly 0 the sign is +: ε stands there alone, torch.where(z >= 0, 1.0, -1.0)."
SIGN_OF_ZERO = ("Is something divided by zero? Where z is exactly 0, torch.sign(z) is 0 and leaves no ε: take + there, "
                "torch.where(z >= 0, 1.0, -1.0).")
ONE_SIDED = "ε always has to move z away from zero: it needs z's own sign, +ε where z ≥ 0 and −ε where z < 0."

EXERCISES = [
    formula(
        id="3.1", title="The ε-rule", points=2, minutes=8, difficulty=1,
        task="Write `lrp_epsilon(a, W, b, R, eps)` for one dense layer: inputs `a` (N, I), weights `W` (I, "
             "J), biases `b` (J,), relevance of the outputs `R` (N, J) → relevance of the inputs (N, I).",
        library=lrp_epsilon, cases=_layers, truth=_epsilon, axes="(N, I)", finite=SIGN_OF_ZERO,
        mistakes=[
            (ONE_SIDED, lambda a, W, b, R, eps: _epsilon(a, W, b, R, eps, a @ W + b + eps)),
            ("That is what inputs rounded to half precision give: compute in float32.",
             lambda eps, **case: _epsilon(**{k: v.astype(np.float16).astype(float) for k, v in case.items()}, eps=eps)),
            ("The sign of ε is turned round: it must move z away from zero, not towards it.",
             lambda a, W, b, R, eps: _epsilon(a, W, b, R, eps, a @ W + b - eps * signed(a @ W + b))),
            ("The bias is missing: z_j is the sum of all contributions and b_j.",
             lambda a, W, b, R, eps: _epsilon(a, W, b, R, eps, a @ W + eps * signed(a @ W))),
            ("ε is missing in the denominator.", lambda a, W, b, R, eps: _epsilon(a, W, b, R, eps, np.where(
                a @ W + b == 0, 1, a @ W + b))),
            ("The factor a_i is missing: an input that is 0 contributed nothing and gets nothing.",
             lambda a, W, b, R, eps: _epsilon(a, W, b, R, eps, times=False)),
            ("That is gradient × input with R in front: the division by z is missing.",
             lambda a, W, b, R, eps: a * (R @ W.T)),
            ("The sum runs over the wrong axis: R_i adds up the messages from all outputs j.",
             lambda a, W, b, R, eps: a @ W / (a @ W + b + eps * signed(a @ W + b)) * R),
            (AT_ZERO, lambda a, W, b, R, eps: _epsilon(a, W, b, R, eps, a @ W + b + eps * np.where(
                a @ W + b > 0, 1, -1))),
            ("A neuron with z_j = 0 was dropped: its sign is +, and ε alone is its denominator.",
             lambda a, W, b, R, eps: _epsilon(a, W, b, np.where(a @ W + b == 0, 0, R), eps)),
            ("ε is added to z, it is no floor for it.",
             lambda a, W, b, R, eps: _epsilon(a, W, b, R, eps, signed(a @ W + b) * np.maximum(
                 np.abs(a @ W + b), eps))),
            ("The sum over the outputs j is missing: these are the messages, R_i adds them up.",
             lambda a, W, b, R, eps: a[:, :, None] * W * (
                 R / (a @ W + b + eps * signed(a @ W + b)))[:, None]),
            ("The bias keeps its share: do not hand it to the inputs.",
             lambda a, W, b, R, eps: ((a[:, :, None] * W + b / a.shape[1]) * (
                 R / (a @ W + b + eps * signed(a @ W + b)))[:, None]).sum(2)),
            ("An input's sign counts: a_i, not |a_i|.",
             lambda a, W, b, R, eps: np.abs(a) * _epsilon(a, W, b, R, eps, times=False)),
            ("|z| has no sign: relevance keeps the sign of z_ij / z_j.",
             lambda a, W, b, R, eps: _epsilon(a, W, b, R, eps, np.abs(a @ W + b) + eps)),
            ("The bias's own share belongs to no input: drop the last column.",
             lambda a, W, b, R, eps: np.concatenate([_epsilon(a, W, b, R, eps), (
                 b * R / (a @ W + b + eps * signed(a @ W + b))).sum(1)[:, None]], 1)),
        ],
        hints=("Write z = a W + b first. Then every output j hands R_j / (z_j ± ε) down, and input i "
               "collects a_i w_ij times that.",
               "The sum over j is a matrix product with W transposed; torch.where(z >= 0, 1.0, -1.0) is the "
               "sign that is never 0.",
               "s = R / (z + eps * torch.where(z >= 0, 1.0, -1.0)); return a * (s @ W.T)"),
        insight="Forward, divide, backward, multiply: these four steps are all that LRP does in a layer."),
    formula(
        id="3.2", title="Where relevance leaks", points=2, minutes=8, difficulty=2,
        task="Write `passed_on(z, b, R, eps)`: how much relevance a layer under the ε-rule hands on in all, "
             "per row, from z, R (N, J), b (J,) and ε alone → (N,). No weights, no inputs.",
        library=passed_on, cases=_passed_cases, truth=_passed, axes="(N,)", finite=SIGN_OF_ZERO,
        mistakes=[
            ("That is what leaks, not what is passed on: R less that.",
             lambda z, b, R, eps: R.sum(1) - _passed(z, b, R, eps)),
            ("Only the bias was counted: the stabiliser keeps its part too.",
             _quietly(lambda z, b, R, eps: (R * (1 - b / z)).sum(1))),
            ("ε stands only below: it is in the denominator, and no input contributed it, so that it keeps "
             "a part as the bias does.",
             lambda z, b, R, eps: (R * (1 - b / (z + eps * signed(z)))).sum(1)),
            (AT_ZERO, lambda z, b, R, eps: (R * (z - b) / (z + eps * np.where(z > 0, 1, -1))).sum(1)),
            ("One number per row: the sum over the outputs, without keepdim.",
             lambda z, b, R, eps: _passed(z, b, R, eps)[:, None]),
            ("The sum over the outputs is asked for, not the mean.",
             lambda z, b, R, eps: _passed(z, b, R, eps) / z.shape[1]),
            ("Only the stabiliser was counted: the bias b_j keeps its part too.",
             lambda z, b, R, eps: (R * z / (z + eps * signed(z))).sum(1)),
            ("For negative z both ε in the fraction are negative.",
             lambda z, b, R, eps: (R * (1 - (b + eps) / (z + eps))).sum(1)),
            ("The ε in the numerator has z's sign as well.",
             lambda z, b, R, eps: (R * (1 - (b + eps) / (z + eps * signed(z)))).sum(1)),
            ("The sum over the outputs is missing: one number per row.",
             lambda z, b, R, eps: R * (1 - (b + eps * signed(z)) / (z + eps * signed(z)))),
            ("Rows were summed: the sum runs over the outputs j.",
             lambda z, b, R, eps: (R * (1 - (b + eps * signed(z)) / (z + eps * signed(z)))).sum(0)),
            ("|z| has no sign: the denominator keeps z's.",
             _quietly(lambda z, b, R, eps: (R * (z - b) / (np.abs(z) + eps)).sum(1))),
            ("z contains the bias already: the inputs sent z − b.",
             lambda z, b, R, eps: (R * (z + b) / (z + eps * signed(z))).sum(1)),
            ("Each neuron has a fraction of its own: multiply by its R first, then sum.",
             lambda z, b, R, eps: R.sum(1) * ((z - b) / (z + eps * signed(z))).sum(1)),
            ("Conservation does not hold here: bias and stabiliser keep some of it.",
             lambda z, b, R, eps: R.sum(1)),
        ],
        hints=("The contributions of a neuron's inputs add up to z_j − b_j. What fraction of R_j is that "
               "under the ε-rule?",
               "Σ_i R_{i←j} = R_j · (z_j − b_j) / (z_j ± ε), which is R_j · (1 − (b_j ± ε) / (z_j ± ε)).",
               "s = torch.where(z >= 0, 1.0, -1.0); return (R * (1 - (b + eps * s) / (z + eps * s))).sum(1)"),
        insight="Where b_j has the sign opposite to z_j and |b_j| > ε, the fraction exceeds 1: a bias can "
                "also add."),
    formula(
        id="3.3", title="The αβ-rule", points=3, minutes=15, difficulty=2,
        task="Write `lrp_alpha_beta(a, W, b, R, alpha)` with β = 1 − α for one dense layer: `a` (N, I), `W` "
             "(I, J), `b` (J,), `R` (N, J) → (N, I). Inputs may be negative; where no contribution has a "
             "sign, nothing is shared on that side.",
        library=lrp_alpha_beta, cases=_alpha_cases, truth=_split, axes="(N, I)",
        mistakes=[
            ("Positive is what contributes positively: split a_i w_ij, not w_ij (a negative input turns the "
             "sign round).",
             lambda a, W, b, R, alpha: _split(a, W, b, R, alpha, by="weight")),
            ("β is 1 − α, and z⁻ / z⁻ is positive: the negative half came with its sign turned round.",
             lambda a, W, b, R, alpha: _split(a, W, b, R, alpha, beta=alpha - 1)),
            ("The negative half is missing (β is 1 − α also where α is below 1).",
             lambda a, W, b, R, alpha: _split(a, W, b, R, alpha, beta=0.0)),
            ("The bias is missing: b⁺ belongs to z⁺ and b⁻ to z⁻.",
             lambda a, W, b, R, alpha: _split(a, W, b, R, alpha, bias="none")),
            ("The bias has a sign too: only its positive part belongs to z⁺, only its negative part to z⁻.",
             lambda a, W, b, R, alpha: _split(a, W, b, R, alpha, bias="whole")),
            ("Each half is divided by its own sum, z⁺ or z⁻, not by z.",
             lambda a, W, b, R, alpha: _split(a, W, b, R, alpha, total="z")),
            ("β = −α: the two must add up to 1.",
             lambda a, W, b, R, alpha: _split(a, W, b, R, alpha, beta=-alpha)),
            ("α and β are swapped: α weighs what speaks for.",
             lambda a, W, b, R, alpha: _split(a, W, b, R, 1 - alpha, beta=alpha)),
        ],
        hints=("Make all contributions at once: a[:, :, None] * W is (N, I, J). Split them with "
               "clamp(min=0) and clamp(max=0).",
               "Each half: sum over the inputs, plus the bias's part of the same sign, is the denominator; "
               "where it is 0 put a 1, since nothing is multiplied there.",
               "plus = (a[:, :, None] * W).clamp(min=0); zp = plus.sum(1) + b.clamp(min=0); zp[zp == 0] = "
               "1; (plus * (R / zp)[:, None]).sum(2) is the positive half; the other is the same with "
               "max=0; α · one + (1 − α) · other"),
        insight="Nothing is divided by a difference of large numbers any more: no stabiliser is needed but "
                "for 0 / 0."),
]
