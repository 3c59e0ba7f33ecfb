"""Exercises 7.4 and 7.5: right answers pass in every manner, wrong ones fail with the hint that names the mistake."""
import math

import numpy as np
import pytest
import torch

from xaikit.dynamics import bounds, discarding
from xaikit.exercises import get
from xaikit.exercises.feedback import evaluate

BOUND, NOISE = get("7.4"), get("7.5")
INF = float("inf")


# ---- 7.4 ----------------------------------------------------------------------------------------------------

def mass(k, mean, scale, levels, low=True, high=True, half=(0.5, 0.5)):
    above, below = torch.sigmoid((k + half[0] - mean) / scale), torch.sigmoid((k - half[1] - mean) / scale)
    if high:
        above = above.masked_fill(k == levels - 1, 1.0)
    if low:
        below = below.masked_fill(k == 0, 0.0)
    return above - below


def bound(k, mean, scale, entropy, levels, log=torch.log2, **options):
    return entropy + log(mass(k, mean, scale, levels, **options)).sum(1).mean()


def by_loops(k, mean, scale, entropy, levels):
    total = 0.0
    for n in range(len(k)):
        for d in range(len(scale)):
            z = [(k[n, d].item() + s - mean[n, d].item()) / scale[d].item() for s in (0.5, -0.5)]
            high = 1.0 if k[n, d] == levels - 1 else 1 / (1 + math.exp(-z[0]))
            low = 0.0 if k[n, d] == 0 else 1 / (1 + math.exp(-z[1]))
            total += math.log(high - low) / math.log(2)
    return entropy + total / len(k)


def in_numpy(k, mean, scale, entropy, levels):
    k, mean, scale = (v.double().numpy() for v in (k, mean, scale))
    upper = np.where(k == levels - 1, np.inf, k + 0.5)
    lower = np.where(k == 0, -np.inf, k - 0.5)
    with np.errstate(over="ignore"):
        q = 1 / (1 + np.exp(-(upper - mean) / scale)) - 1 / (1 + np.exp(-(lower - mean) / scale))
    return np.log2(q).sum(axis=1).mean() + entropy


def stable(k, mean, scale, entropy, levels):
    a, b = (k + 0.5 - mean) / scale, (k - 0.5 - mean) / scale
    F = torch.nn.functional
    ends = (k == 0) | (k == levels - 1)
    nats = (F.logsigmoid(a) * (k < levels - 1) + F.logsigmoid(-b) * (k > 0)
            + torch.log1p(-torch.exp(-1 / scale)) * ~ends)
    return (nats.sum(1).mean() / math.log(2) + entropy).reshape(1)


@pytest.mark.parametrize("right", [BOUND.library, bound, by_loops, in_numpy, stable])
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_right_bounds(right, seed):
    score, verdict, _ = evaluate(BOUND, right, seed)
    assert score == BOUND.points, verdict


WRONG_BOUNDS = [
    (lambda **c: bound(**c, log=torch.log), "These are nats", 0),
    (lambda **c: bound(**c, low=False, high=False), "The ends are closed", 0),
    (lambda **c: bound(**c, high=False), "The last level is closed", 0),
    (lambda **c: bound(**c, low=False), "Level 0 is closed", 0),
    (lambda k, mean, scale, entropy, levels: entropy + torch.log2(mass(k, mean, scale, levels)).mean(),
     "Averaged over the pixels", 0),
    (lambda k, mean, scale, entropy, levels: entropy + torch.log2(mass(k, mean, scale, levels)).sum(),
     "Summed over the images", 0),
    (lambda **c: bound(**{**c, "entropy": 0.0}), "H(x) is missing", 0),
    (lambda **c: 2 * c["entropy"] - bound(**c), "The sign of E log q", 0),
    (lambda **c: bound(**{**c, "entropy": -c["entropy"]}), "H(x) is subtracted", 0),
    (lambda **c: bound(**c).clamp(min=0), "The bound was cut off", 1.5),
    (lambda k, mean, scale, entropy, levels: entropy + torch.log2(mass(k, mean, scale, levels).prod(1).mean()),
     "That is the logarithm of the mean", 0),
    (lambda k, mean, scale, entropy, levels: entropy + torch.log2(
        torch.sigmoid((k - mean) / scale) * torch.sigmoid((mean - k) / scale) / scale).sum(1).mean(),
     "That is the density", 0),
    (lambda **c: bound(**c, half=(1.0, 0.0)), "The bin reaches from k to", 0),
    (lambda **c: bound(**c, half=(0.0, 1.0)), "The bin reaches from k − 1", 0),
    (lambda **c: bound(**c, half=(1.0, 1.0)), "The bin is two levels", 0),
]


def named(function):
    return lambda k, mean, scale, entropy, levels: function(k=k, mean=mean, scale=scale, entropy=entropy, levels=levels)


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(("wrong", "hint", "points"), WRONG_BOUNDS, ids=[w[1] for w in WRONG_BOUNDS])
def test_wrong_bounds_get_their_hint(wrong, hint, points, seed):
    score, verdict, _ = evaluate(BOUND, named(wrong), seed)
    assert verdict.hint.startswith(hint) and score == points, verdict


def test_a_value_for_each_image_is_told_so():
    score, verdict, _ = evaluate(BOUND, lambda k, mean, scale, entropy, levels: entropy + torch.log2(
        mass(k, mean, scale, levels)).sum(1))
    assert score == 0 and verdict.hint.startswith("One value for each image"), verdict


def test_rounded_and_constant_bounds_fail():
    for wrong in (lambda **c: bound(**c).half().float() * 1.01, lambda **c: torch.tensor(1.0),
                  lambda **c: bound(**{**c, "levels": 17})):
        assert evaluate(BOUND, named(wrong))[0] == 0


def test_the_answer_is_the_library_s():
    k = torch.randint(0, 17, (50, 6), generator=torch.Generator().manual_seed(0)).float()
    mean, log_scale = k + torch.linspace(-2, 2, 6), torch.linspace(-1, 1, 6)
    own = bounds.log_likelihood(k, mean, log_scale).sum(1).mean().item() / math.log(2)
    assert BOUND.library(k, mean, log_scale.exp(), 3.0, 17).item() == pytest.approx(3 + own, abs=1e-4)


# ---- 7.5 ----------------------------------------------------------------------------------------------------

def squares(W):
    return (W ** 2).sum(0)


def fill(s, radius, cap, rounds=99, share_of_all=False):
    free = torch.ones(len(s), dtype=torch.bool)
    sigma = None
    for _ in range(rounds + 1):
        rest = max(0.0, radius ** 2 - float((cap ** 2 * s[~free]).sum()))
        share = rest / (len(s) if share_of_all else max(1, int(free.sum())))
        sigma = torch.where(free, (share / s.clamp(min=1e-30)).sqrt().clamp(max=cap), torch.tensor(float(cap)))
        over = free & (cap ** 2 * s <= share)
        if not over.any():
            break
        free = free & ~over
    return sigma


def by_bisection(W, radius, cap):
    norms = squares(W).double().sqrt()
    low, high = 0.0, float(cap * norms.max()) + 1e-9
    for _ in range(80):
        level = (low + high) / 2
        used = (level / norms).clamp(max=cap).square() @ norms.square() if (norms > 0).all() else (
            torch.where(norms > 0, level / norms.clamp(min=1e-30), torch.tensor(0.0).double()).clamp(max=cap).square()
            @ norms.square())
        low, high = (level, high) if used <= radius ** 2 else (low, level)
    return [min(cap, low / float(n)) if n > 0 else cap for n in norms]


def sorted_numpy(W, radius, cap):
    s = (W.numpy().astype(float) ** 2).sum(0)
    sigma, rest = np.full(len(s), float(cap)), radius ** 2
    for place, i in enumerate(np.argsort(s)):
        share = rest / (len(s) - place)
        sigma[i] = cap if cap ** 2 * s[i] <= share else math.sqrt(share / s[i])
        rest -= sigma[i] ** 2 * s[i]
    return sigma


@pytest.mark.parametrize("right", [NOISE.library, by_bisection, sorted_numpy, lambda W, r, cap: fill(squares(W), r, cap),
                                   lambda W, r, cap: discarding.linear_noise(W.norm(dim=0), r, cap)])
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_right_noises(right, seed):
    score, verdict, _ = evaluate(NOISE, right, seed)
    assert score == NOISE.points, verdict


WRONG_NOISES = [
    (lambda W, r, c: fill(squares(W), r, c, rounds=0), "Inputs at the cap use less", 1.5),
    (lambda W, r, c: fill(squares(W), r, c, rounds=1), "The rest was shared out once", 2.1),
    (lambda W, r, c: fill(squares(W), r, c, rounds=2), "The rest was shared out twice", 2.4),
    (lambda W, r, c: fill(squares(W), r, c, rounds=3), "The rest was shared out 3 times", 2.4),
    (lambda W, r, c: fill(squares(W), r, c, rounds=4), "The rest was shared out 4 times", 2.4),
    (lambda W, r, c: fill(squares(W), r, c, share_of_all=True), "What is left is shared", 1.5),
    (lambda W, r, c: (r / squares(W).sqrt()).clamp(max=c), "That spends the whole", 0),
    (lambda W, r, c: fill(squares(W), r, c) ** 2, "Those are variances", 0),
    (lambda W, r, c: fill(squares(W), r ** 0.5, c), "The constraint is", 0),
    (lambda W, r, c: torch.full((W.shape[1],), min(c, r / W.norm().item())), "All inputs have the same", 0),
    (lambda W, r, c: (r / W.shape[1] ** 0.5 / squares(W)).clamp(max=c), "σᵢ goes with one over the norm", 0),
    (lambda W, r, c: fill(W.abs().sum(0) ** 2, r, c), "σᵢ goes with one over the column's", 0),
    (lambda W, r, c: fill(W.sum(0) ** 2, r, c), "The weights of a column", 0),
    (lambda W, r, c: fill(squares(W), r * (W.shape[1] / W.shape[0]) ** 0.5, c), "The radius² was shared", 0),
    (lambda W, r, c: torch.where(squares(W) > 0, fill(squares(W), r, c), torch.tensor(0.0)), "An input that no", 1.5),
    (lambda W, r, c: fill((W ** 2).sum(1), r, c), "Those are the norms of the rows", 0),
]


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(("wrong", "hint", "points"), WRONG_NOISES, ids=[w[1] for w in WRONG_NOISES])
def test_wrong_noises_get_their_hint(wrong, hint, points, seed):
    score, verdict, _ = evaluate(NOISE, wrong, seed)
    assert verdict.hint.startswith(hint) and score == points, verdict


def test_a_noise_without_cap_or_written_into_its_input_is_told_so():
    score, verdict, _ = evaluate(NOISE, lambda W, r, c: r / W.shape[1] ** 0.5 / squares(W).sqrt())
    assert score == 0, verdict
    score, verdict, _ = evaluate(NOISE, lambda W, r, c: fill(W.square_().sum(0), r, c))
    assert 0 < score < NOISE.points and "still needs W" in verdict.hint
