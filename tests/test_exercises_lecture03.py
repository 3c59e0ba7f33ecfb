"""Lecture 03's exercises 3.1 to 3.5: every right answer passes, every wrong one gets the hint that names its
mistake."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from xaikit import attribution
from xaikit.exercises import get
from xaikit.exercises.feedback import evaluate


def sign(z):
    return torch.where(z >= 0, 1.0, -1.0)


def epsilon_loop(a, W, b, R, eps):
    out = torch.zeros_like(a)
    for n in range(len(a)):
        for j in range(W.shape[1]):
            z = sum(a[n, i] * W[i, j] for i in range(W.shape[0])) + b[j]
            for i in range(W.shape[0]):
                out[n, i] += a[n, i] * W[i, j] / (z + eps if z >= 0 else z - eps) * R[n, j]
    return out


def epsilon_numpy(a, W, b, R, eps):
    a, W, b, R = (v.numpy() for v in (a, W, b, R))
    z = a @ W + b
    return np.einsum("ni,ij,nj->ni", a, W, R / (z + eps * np.where(z < 0, -1, 1)))


def alpha_loop(a, W, b, R, alpha):
    out = torch.zeros_like(a)
    for n in range(len(a)):
        for j in range(W.shape[1]):
            z = a[n] * W[:, j]
            for weight, part, bias in ((alpha, z.clamp(min=0), b[j].clamp(min=0)),
                                       (1 - alpha, z.clamp(max=0), b[j].clamp(max=0))):
                total = part.sum() + bias
                if total != 0:
                    out[n] += weight * part / total * R[n, j]
    return out


def alpha_four_products(a, W, b, R, alpha):
    """By four matrix products, as libraries do it, with a stabiliser of 1e-9."""
    ap, an, wp, wn = a.clamp(min=0), a.clamp(max=0), W.clamp(min=0), W.clamp(max=0)
    zp, zn = ap @ wp + an @ wn + b.clamp(min=0) + 1e-9, ap @ wn + an @ wp + b.clamp(max=0) - 1e-9
    sp, sn = alpha * R / zp, (1 - alpha) * R / zn
    return ap * (sp @ wp.T) + an * (sp @ wn.T) + ap * (sn @ wn.T) + an * (sn @ wp.T)


def alpha_habitual(a, W, b, R, alpha):
    """With the stabiliser that one is used to."""
    z = a[:, :, None] * W
    zp, zn = z.clamp(min=0), z.clamp(max=0)
    sp = R / (zp.sum(1) + b.clamp(min=0) + 1e-6)
    sn = R / (zn.sum(1) + b.clamp(max=0) - 1e-6)
    return torch.einsum("nij,nj->ni", zp, sp) * alpha + torch.einsum("nij,nj->ni", zn, sn) * (1 - alpha)


def passed_by_products(z, b, R, eps):
    return torch.einsum("nj,nj->n", R, (z - b) / (z + eps * sign(z))).numpy()


def passed_loop(z, b, R, eps):
    return [sum(float(R[n, j] * (z[n, j] - b[j]) / (z[n, j] + (eps if z[n, j] >= 0 else -eps)))
                for j in range(z.shape[1])) for n in range(len(z))]


def conv_transpose(x, weight, bias, R, eps, padding):
    z = F.conv2d(x, weight, bias, padding=padding)
    return x * F.conv_transpose2d(R / (z + eps * sign(z)), weight, padding=padding)


def conv_by_the_product(x, weight, bias, R, eps, padding):
    x = x.clone().requires_grad_()
    z = F.conv2d(x, weight, bias, padding=padding)
    (z * (R / (z + eps * sign(z))).detach()).sum().backward()
    return x.detach() * x.grad


def root_by_rows(f, x, other, steps):
    found = []
    for a, c in zip(x, other, strict=True):
        inside, outside = a, c
        for _ in range(steps):
            middle = (inside + outside) / 2
            if float(f(middle[None])) * float(f(a[None])) > 0:
                inside = middle
            else:
                outside = middle
        found.append((inside + outside) / 2)
    return torch.stack(found)


def root_by_brent(f, x, other, steps):
    from scipy.optimize import brentq

    return np.stack([(a + brentq(lambda t, a=a, c=c: float(f((a + t * (c - a))[None])), 0,
                                 1) * (c - a)).numpy()
                     for a, c in zip(x.double(), other.double(), strict=True)])


RIGHT = {"3.1": [epsilon_loop, epsilon_numpy], "3.2": [passed_loop, passed_by_products],
         "3.3": [alpha_loop, alpha_four_products, alpha_habitual],
         "3.4": [conv_transpose, conv_by_the_product], "3.5": [root_by_rows]}


def conv(x, w, b, p):
    return F.conv2d(x, w, b, padding=p)


def through_the_denominator(x, weight, bias, R, eps, padding):
    x = x.clone().requires_grad_()
    z = F.conv2d(x, weight, bias, padding=padding)
    (z * R / (z + eps * sign(z))).sum().backward()
    return x.detach() * x.grad


def shared_interval(f, x, other, steps):
    t = get("3.5").library(f, x, other, steps)
    share = ((t - x) / (other - x))[:1, :1]
    return x + share * (other - x)


WRONG = [  # id, answer, how the hint begins
    ("3.1", lambda a, W, b, R, eps: a * ((R / (a @ W + b + eps)) @ W.T), "ε always has to move"),
    ("3.1", lambda a, W, b, R, eps: a * ((R / (a @ W + eps * sign(a @ W))) @ W.T), "The bias is missing"),
    ("3.1", lambda a, W, b, R, eps: (R / (a @ W + b + eps * sign(a @ W + b))) @ W.T,
     "The factor a_i is missing"),
    ("3.1", lambda a, W, b, R, eps: a * (R @ W.T), "That is gradient × input"),
    ("3.1", lambda a, W, b, R, eps: a * ((R / (a @ W + b - eps * sign(a @ W + b))) @ W.T),
     "The sign of ε is turned"),
    ("3.1", lambda a, W, b, R, eps: a @ W / (a @ W + b + eps * sign(a @ W + b)) * R,
     "The sum runs over the wrong axis"),
    ("3.1", lambda a, W, b, R, eps: a * ((R / (a @ W + b + eps * torch.sign(a @ W + b))) @ W.T),
     "Is something divided by zero? Where z is exactly 0, torch.sign(z) is 0"),
    ("3.1", lambda a, W, b, R, eps: a * ((R / torch.where((a @ W + b).abs() < eps, eps * sign(a @ W + b),
                                                          a @ W + b + eps * sign(a @ W + b))) @ W.T), ""),
    ("3.1", lambda a, W, b, R, eps: torch.cat([
        a * ((R / (a @ W + b + eps * sign(a @ W + b))) @ W.T),
        (b * R / (a @ W + b + eps * sign(a @ W + b))).sum(1, keepdim=True)], 1), "The bias's own share"),
    ("3.2", lambda z, b, R, eps: (R * (z - b) / (z.abs() + eps)).sum(1), "|z| has no sign"),
    ("3.2", lambda z, b, R, eps: (R * (z + b) / (z + eps * sign(z))).sum(1), "z contains the bias"),
    ("3.2", lambda z, b, R, eps: R.sum(1) * ((z - b) / (z + eps * sign(z))).sum(1), "Each neuron has a fraction"),
    ("3.3", lambda a, W, b, R, alpha: by_weights(a, W, b, R, alpha),
     "Positive is what contributes positively"),
    ("3.3", lambda a, W, b, R, alpha: alpha_four(a, W, b, R, alpha, alpha - 1), "β is 1 − α"),
    ("3.3", lambda a, W, b, R, alpha: alpha_four(a, W, b, R, alpha, 0.0), "The negative half is missing"),
    ("3.3", lambda a, W, b, R, alpha: alpha_four(a, W, 0 * b, R, alpha, 1 - alpha), "The bias is missing"),
    ("3.3", lambda a, W, b, R, alpha: alpha_four(a, W, b, R, 1 - alpha, alpha), "α and β are swapped"),
    ("3.2", lambda z, b, R, eps: (R * (1 - b / z)).sum(1), "Only the bias was counted"),
    ("3.2", lambda z, b, R, eps: (R * z / (z + eps * sign(z))).sum(1), "Only the stabiliser was counted"),
    ("3.2", lambda z, b, R, eps: (R * (b + eps * sign(z)) / (z + eps * sign(z))).sum(1),
     "That is what leaks"),
    ("3.2", lambda z, b, R, eps: (R * (1 - (b + eps) / (z + eps))).sum(1), "For negative z"),
    ("3.2", lambda z, b, R, eps: R.sum(1), "Conservation does not hold"),
    ("3.2", lambda z, b, R, eps: R * (1 - (b + eps * sign(z)) / (z + eps * sign(z))),
     "The sum over the outputs is missing"),
    ("3.4", lambda x, weight, bias, R, eps, padding: conv_transpose(x, weight, bias, R, eps, padding) / x,
     "The result is still to be multiplied"),
    ("3.4", lambda x, weight, bias, R, eps, padding: x * F.conv_transpose2d(R, weight, padding=padding),
     "The division is missing"),
    ("3.4", lambda x, weight, bias, R, eps, padding: conv_transpose(x, weight, None, R, eps, padding),
     "The bias is missing"),
    ("3.4", through_the_denominator, "The vector must be detached"),
    ("3.4", lambda x, weight, bias, R, eps, padding: x * F.conv_transpose2d(
        R / (conv(x, weight, bias, padding) + eps), weight, padding=padding), "ε always has to move"),
    # what is exactly zero
    ("3.1", lambda a, W, b, R, eps: dense(a, W, R, above(a @ W + b, eps)), "Where z is exactly 0"),
    ("3.1", lambda a, W, b, R, eps: dense(a, W, R * (a @ W + b != 0), a @ W + b + eps * sign(a @ W + b)),
     "A neuron with z_j = 0 was dropped"),
    ("3.1", lambda a, W, b, R, eps: dense(a, W, R, sign(a @ W + b) * (a @ W + b).abs().clamp(min=eps)),
     "ε is added to z"),
    ("3.1", lambda a, W, b, R, eps: a[:, :, None] * W * (R / (a @ W + b + eps * sign(a @ W + b)))[:, None],
     "The sum over the outputs j"),
    ("3.1", lambda a, W, b, R, eps: dense(a.abs(), W, R, a @ W + b + eps * sign(a @ W + b)),
     "An input's sign counts"),
    ("3.2", lambda z, b, R, eps: (R * (1 - b / (z + eps * sign(z)))).sum(1), "ε stands only below"),
    ("3.2", lambda z, b, R, eps: (R * (z - b) / above(z, eps)).sum(1), "Where z is exactly 0"),
    ("3.2", lambda z, b, R, eps: get("3.2").library(z, b, R, eps)[:, None], "One number per row"),
    ("3.2", lambda z, b, R, eps: (R * (z - b) / (z + eps * sign(z))).mean(1),
     "The sum over the outputs is asked"),
    ("3.2", lambda z, b, R, eps: (R * (z - b) / (z + eps * torch.sign(z))).sum(1),
     "Is something divided by zero? Where z is exactly 0, torch.sign(z) is 0"),
    ("3.3", lambda a, W, b, R, alpha: alpha_four(a, W, b, R, alpha, min(0, 1 - alpha)),
     "The negative half is missing"),
    ("3.3", lambda a, W, b, R, alpha: alpha_unmasked(a, W, b, R, alpha), "Is something divided"),
    ("3.4", lambda x, weight, bias, R, eps, padding: x * F.conv_transpose2d(R / above(conv(
        x, weight, bias, padding), eps), weight, padding=padding), "Where z is exactly 0"),
    ("3.4", lambda x, weight, bias, R, eps, padding: x * F.conv_transpose2d(R / (conv(
        x, weight, bias, padding).abs() + eps), weight, padding=padding), "|z| has no sign"),
    ("3.4", lambda x, weight, bias, R, eps,
     padding: (z := conv(x, weight, bias, padding), x * F.conv_transpose2d(
        R / (z + eps * z.sign()), weight, padding=padding))[1],
     "Is something divided by zero? Where z is exactly 0, torch.sign(z) is 0"),
    ("3.4", lambda x, weight, bias, R, eps, padding: conv_transpose(x, weight, bias, R, eps, padding).sum(1),
     "One relevance for each channel"),
    ("3.1", lambda *given: get("3.1").library(*(v.half().float() for v in given[:4]), given[4]),
     "That is what inputs rounded to half precision give"),
    ("3.1", lambda *given: get("3.1").library(*(v.bfloat16().float() for v in given[:4]), given[4]), ""),
    ("3.5", root_by_brent, "The number of halvings is `steps`"),
    ("3.5", lambda f, x, other, steps: halved(f, x, other, 30), "The number of halvings is `steps`"),
    ("3.5", lambda f, x, other, steps: halved(f, x, other, 25), "The number of halvings is `steps`"),
    ("3.5", lambda f, x, other, steps: halved(f, x, other, steps - 1), "The number of halvings is `steps`"),
    ("3.5", lambda f, x, other, steps: halved(f, x, other, 12), ""),
    ("3.5", lambda f, x, other, steps: halved(f, x, other, steps // 2), ""),
    ("3.5", lambda f, x, other, steps: halved(f, x, other, steps, lost=True), ""),
    ("3.5", lambda f, x, other, steps: ((halved(f, x, other, steps) - x) / (other - x))[:, :1], "That is t"),
    ("3.5", lambda f, x, other, steps: (x + other) / 2, "That is the middle"),
    ("3.5", lambda f, x, other, steps: x + (f(x) / (f(x) - f(other)))[:, None] * (other - x),
     "f is taken for a straight line"),
    ("3.5", lambda f, x, other, steps: x.clone(), "x comes back as it was"),
    ("3.5", shared_interval, "All rows share one interval"),
]


def above(z, eps):
    return z + eps * torch.where(z > 0, 1.0, -1.0)


def dense(a, W, R, below):
    return a * ((R / below) @ W.T)


def alpha_unmasked(a, W, b, R, alpha):
    z = a[:, :, None] * W
    zp, zn = z.clamp(min=0), z.clamp(max=0)
    zn_sum = zn.sum(1) + b.clamp(max=0)
    zn_sum[zn_sum == 0] = 1
    return (alpha * zp * (R / (zp.sum(1) + b.clamp(min=0)))[:, None] + (1 - alpha) * zn * (R / zn_sum)[:,
        None]).sum(2)


def halved(f, x, other, steps, lost=False):
    """Halving; ``lost``: an exact root in the middle is taken for x's own side's end, and the far end comes
    back."""
    low, high = torch.zeros(len(x), 1), torch.ones(len(x), 1)
    for _ in range(steps):
        middle = (low + high) / 2
        product = (f(x + low * (other - x)) * f(x + middle * (other - x)))[:, None]
        same = product >= 0 if lost else product > 0
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    return x + high * (other - x)


def by_weights(a, W, b, R, alpha):
    out = 0
    for weight, w, bias in ((alpha, W.clamp(min=0), b.clamp(min=0)),
                            (1 - alpha, W.clamp(max=0), b.clamp(max=0))):
        z = a @ w + bias
        out = out + weight * a * (torch.where(z == 0, 0, R / z) @ w.T)
    return out


def alpha_four(a, W, b, R, alpha, beta):
    z = a[:, :, None] * W
    out = 0
    for weight, part, bias in ((alpha, z.clamp(min=0), b.clamp(min=0)),
                               (beta, z.clamp(max=0), b.clamp(max=0))):
        total = part.sum(1) + bias
        out = out + weight * (part * torch.where(total == 0, 0, R / total)[:, None]).sum(2)
    return out


@pytest.mark.parametrize("name, answer", [(n, f) for n, fs in RIGHT.items() for f in (get(n).library, *fs)],
                         ids=lambda v: getattr(v, "__name__", v))
def test_right_answers_pass(name, answer):
    score, verdict, _ = evaluate(get(name), answer)
    assert score == get(name).points, (verdict.message, verdict.hint, verdict.expected, verdict.came)


@pytest.mark.parametrize("name, answer, hint", WRONG, ids=[f"{n} {h}" for n, _, h in WRONG])
def test_wrong_answers_fail_with_their_hint(name, answer, hint):
    score, verdict, _ = evaluate(get(name), answer)
    assert score == 0 and verdict.hint.startswith(hint), (verdict.message, verdict.hint)


@pytest.mark.parametrize("seed", range(0, 21, 4))
@pytest.mark.parametrize("name", RIGHT)
def test_right_and_wrong_stay_what_they_are_whatever_the_seed(name, seed):
    for answer in (get(name).library, *RIGHT[name]):
        assert evaluate(get(name), answer, seed)[0] == get(name).points, (answer.__name__, seed)
    for _, answer, hint in (w for w in WRONG if w[0] == name):
        assert evaluate(get(name), answer, seed)[0] == 0, (hint, seed)


@pytest.mark.parametrize("name", RIGHT)
def test_texts_are_whole_and_the_cases_depend_on_the_seed(name):
    exercise = get(name)
    assert len(exercise.hints) == 3 and len(exercise.insight) > 20 and "def " in exercise.solution()
    one, other = exercise.cases(0), exercise.cases(1)
    assert all(a.note == b.note for a, b in zip(one, other, strict=True))
    arrays = [(a.data[k], b.data[k]) for a,
              b in zip(one, other, strict=True) for k in a.data if isinstance(a.data[k], np.ndarray)]
    assert any((a != b).any() for a, b in arrays)
    for seed in range(4):
        assert evaluate(exercise, exercise.library, seed)[0] == exercise.points


def test_the_answers_are_the_librarys_lrp():
    """What the exercises ask for is what ``attribution.lrp`` computes in one layer."""
    torch.manual_seed(0)
    net = torch.nn.Linear(4, 3).double()
    a = torch.randn(2, 4, dtype=torch.float64)
    R = F.one_hot(torch.tensor([2, 2]), 3) * net(a).detach()
    W, b = net.weight.data.T, net.bias.data
    for mine, rule in ((get("3.1").library(a, W, b, R, 0.3), attribution.Epsilon(0.3)),
                       (get("3.3").library(a, W, b, R, 2.0), attribution.AlphaBeta(2, -1, eps=0))):
        torch.testing.assert_close(attribution.lrp(net, a, 2, rule), mine)
    kept = attribution.relevance_budget(net, a, 2, attribution.Epsilon(0.3))
    assert np.allclose(kept["input"], get("3.2").library(net(a).detach(), b, R, 0.3).numpy())
