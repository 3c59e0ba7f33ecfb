"""Lecture 03's exercises 3.6 and 3.7: every right answer passes, every wrong one gets the hint that names its
mistake."""
import numpy as np
import pytest
import torch

from xaikit.exercises import get, lecture03_bow
from xaikit.exercises.feedback import evaluate
from xaikit.features import bow_relevance


def words_loop(x, support, coef, bias):
    return [bias / len(x) + sum(float(c) * min(float(s[d]), float(x[d])) for c,
                                s in zip(coef, support, strict=True))
            for d in range(len(x))]


def words_numpy(x, support, coef, bias):
    return np.einsum("s,sv->v", coef.numpy(), np.minimum(support.numpy(), x.numpy()[None])) + bias / x.numel()


def words_by_the_absolute_difference(x, support, coef, bias):
    return ((x + support - (x - support).abs()) / 2 * coef[:, None]).sum(0) + bias / len(x)


def local_loop(R, m, p):
    out = torch.zeros(len(m))
    for d in range(len(R)):
        total = sum(m[k, d] ** p for k in range(len(m)))
        for k in range(len(m)):
            out[k] += R[d] * (m[k, d] ** p / total if total != 0 else 1 / len(m))
    return out


def local_numpy(R, m, p):
    R, power = R.numpy(), m.numpy() ** p
    spoken = power.sum(0) != 0
    return power[:, spoken] / power[:, spoken].sum(0) @ R[spoken] + R[~spoken].sum() / len(power)


def local_masked(R, m, p):
    share, total = m ** p, (m ** p).sum(0)
    share[:, total == 0], total[total == 0] = 1.0, len(m)
    return torch.einsum("lv,v->l", share / total, R)


RIGHT = {"3.6": [words_loop, words_numpy, words_by_the_absolute_difference],
         "3.7": [local_loop, local_numpy, local_masked]}


def shares(m, p, total=None):
    total = (m ** p).sum(0) if total is None else total
    return torch.where((m ** p).sum(0) == 0, 1 / len(m), m ** p / total)


def above(threshold):
    """Sums below a threshold taken for 0."""
    return lambda R, m, p: torch.where((m ** p).sum(0).abs() < threshold, torch.tensor(1 / len(m)),
                                       m ** p / (m ** p).sum(0)) @ R


WRONG = [  # id, answer, how the hint begins
    ("3.7", above(0.05), ""), ("3.7", above(0.01), ""),
    ("3.6", lambda x, support, coef, bias: coef @ torch.minimum(support, x), "The bias is missing"),
    ("3.6", lambda x, support, coef, bias: bias + coef @ torch.minimum(support, x),
     "Every word got the whole bias"),
    ("3.6", lambda x, support, coef, bias: bias / len(coef) + coef @ torch.minimum(support, x),
     "The bias is shared among the V"),
    ("3.6", lambda x, support, coef, bias: bias / len(x) + coef @ (support * x), "That is the linear kernel"),
    ("3.6", lambda x, support, coef, bias: bias / len(x) + coef @ torch.maximum(support, x),
     "An intersection is the smaller"),
    ("3.6", lambda x, support, coef, bias: bias / len(x) + torch.minimum(support, x).sum(0),
     "α_i y_i is missing"),
    ("3.6", lambda x, support, coef, bias: bias / len(x) + coef.abs() @ torch.minimum(support, x),
     "coef is α_i y_i"),
    ("3.6", lambda x, support, coef, bias: coef * torch.minimum(support, x).sum(1) + bias / len(coef),
     "You summed over the words"),
    ("3.6", lambda x, support, coef, bias: bias + coef @ torch.minimum(support, x).sum(1),
     "That is f(x) itself"),
    ("3.6", lambda x, support, coef, bias: bias / len(x) + coef[:, None] * torch.minimum(support, x),
     "The sum over support vectors i"),
    ("3.6", lambda x, support, coef,
     bias: bias / len(x) + (coef[:, None] * torch.minimum(support, x)).mean(0),
     "The sum over support vectors is a sum"),
    ("3.6", lambda x, support, coef, bias: bias / len(x) + coef @ torch.minimum(support, x) * 1.1,
     "Not conserved"),
    ("3.7", lambda R, m, p: m ** p / (m ** p).sum(0) @ R, "Is something divided by zero"),
    ("3.7", lambda R, m, p: (m ** p / (m ** p).sum(0)).nan_to_num() @ R, "The words in Z were dropped"),
    ("3.7", lambda R, m, p: (m ** p / ((m ** p).sum(0) + 1e-9)) @ R, "The words in Z were dropped"),
    ("3.7", lambda R, m, p: (m ** p / (m ** p).sum(0)).nan_to_num(nan=1.0) @ R,
     "Every descriptor got all of a word in Z"),
    ("3.7", lambda R, m, p: (m ** p / (m ** p).sum(0)).nan_to_num(nan=1 / len(R)) @ R,
     "A word in Z is shared among the L"),
    ("3.7", lambda R, m, p: shares(m, 1) @ R, "p is forgotten"),
    ("3.7", lambda R, m, p: (m ** p / m.sum(0)).nan_to_num(nan=1 / len(m)) @ R,
     "p is missing in the denominator"),
    ("3.7", lambda R, m, p: (m / (m ** p).sum(0)).nan_to_num(nan=1 / len(m)) @ R,
     "p is missing in the numerator"),
    ("3.7", lambda R, m, p: (m ** p / m.sum(0) ** p).nan_to_num(nan=1 / len(m)) @ R,
     "The denominator is the sum of the powers"),
    ("3.7", lambda R, m, p: (m.abs() / (m ** p).sum(0).abs() ** (1 / p)).nan_to_num(nan=1 / len(m)) @ R,
     "The shares are powers"),
    ("3.7", lambda R, m, p: torch.where((m ** p).sum(0) == 0, 1 / len(m),
                                        m ** p / (m ** p).sum(1, keepdim=True)) @ R,
     "The denominator runs over descriptors"),
    ("3.7", lambda R, m, p: shares(m.abs(), p) @ R, "Shares keep their sign"),
    ("3.7", lambda R, m, p: R.sum().expand(len(m)) / len(m), "Every descriptor got the same"),
    ("3.7", lambda R, m, p: (m ** p / (m ** p).sum(0)).nan_to_num() * R,
     "The sum over the words d is missing"),
    ("3.7", lambda R, m, p: shares(m, p).sum(0) * R, "You summed over the descriptors"),
    ("3.7", lambda R, m, p: shares(m, p) @ R * 0.9, "Not conserved"),
    ("3.7", lambda R, m, p: shares(m.clamp(min=0), p) @ R, "The mapping may be negative"),
    ("3.7", lambda R, m, p: shares(m, p, (m ** p).sum(0).abs()) @ R, "The denominator keeps its sign"),
    ("3.7", lambda R, m, p: torch.where((m ** p).sum(0) > 0, m ** p / (m ** p).sum(0), 1 / len(m)) @ R,
     "A word is in Z where"),
    ("3.7", lambda R, m, p: shares(m, p, (m ** p).sum(0).clamp(min=1e-9)) @ R, ""),
    ("3.7", lambda R, m, p: (m ** p / (m ** p).sum(0)).nan_to_num(nan=1 / len(m)) @ R, ""),
    # a sum of 0 is no 0/0
    ("3.7", lambda R, m, p: shares(m,
                                   p) @ (R * ((m ** p).sum(0) != 0)) + (m != 0).any(1) / (m != 0).any(1).sum(
                                       ) * R[
        (m ** p).sum(0) == 0].sum(), "A word in Z is shared by all L"),
]


@pytest.mark.parametrize("seed", [0, 1, 2, 17])
@pytest.mark.parametrize("id", RIGHT)
def test_the_library_answers_its_own_exercises(id, seed):
    exercise = get(id)
    score, verdict, _ = evaluate(exercise, exercise.library, seed)
    assert (score, verdict.status) == (exercise.points, "right"), verdict


@pytest.mark.parametrize("seed", [0, 5, 11])
@pytest.mark.parametrize("id,other", [(i, f) for i, fs in RIGHT.items() for f in fs],
                         ids=lambda v: getattr(v, "__name__", v))
def test_other_right_answers_pass(id, other, seed):
    score, verdict, _ = evaluate(get(id), other, seed)
    assert (score, verdict.status) == (get(id).points, "right"), verdict


@pytest.mark.parametrize("seed", [0, 3, 8])
@pytest.mark.parametrize("id,wrong,hint", WRONG, ids=[f"{i}-{h[:28]}" for i, _, h in WRONG])
def test_each_mistake_gets_its_hint(id, wrong, hint, seed):
    score, verdict, _ = evaluate(get(id), wrong, seed)
    assert verdict.status == "wrong" and score == 0, verdict
    assert verdict.hint.startswith(hint), verdict


def test_no_answer_is_no_attempt():
    for id in RIGHT:
        assert evaluate(get(id), lambda *a: None, 0)[1].status == "empty"


@pytest.mark.parametrize("seed", range(5))
def test_the_exercises_are_the_librarys_rules(seed):
    for case in get("3.6").cases(seed):
        args = [torch.as_tensor(case[k]) for k in ("x", "support", "coef")]
        assert torch.allclose(lecture03_bow.word_relevance(*args, case["bias"]),
                              bow_relevance.word_relevance(*args, case["bias"]))
    for case in get("3.7").cases(seed):
        R, m = torch.as_tensor(case["R"]), torch.as_tensor(case["m"])
        assert torch.allclose(lecture03_bow.descriptor_relevance(R, m, case["p"]),
                              bow_relevance.descriptor_relevance(R, m, case["p"]))
