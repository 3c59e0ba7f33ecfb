"""Lecture 02's first three exercises: right answers pass, wrong ones get the hint that names their mistake."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from xaikit.exercises import get
from xaikit.exercises.feedback import evaluate

IDS = ["2.1", "2.2", "2.3"]


def shrink_by_cases(z, beta):
    t = 1 / beta
    return torch.where(z > t, z - t, torch.where(z < -t, z + t, torch.zeros_like(z)))


def shrink_in_numpy(z, beta):
    z = z.numpy()
    return np.sign(z) * np.maximum(np.abs(z) - 1 / beta, 0)


def shrink_softshrink(z, beta):
    return F.softshrink(z, 1 / beta)


def unpool_loop(pooled, switches, size):
    z = torch.zeros(len(pooled), size)
    for n in range(len(pooled)):
        for m in range(pooled.shape[1]):
            z[n, switches[n, m]] = pooled[n, m]
    return z


def unpool_one_hot(pooled, switches, size):
    return (F.one_hot(switches, size) * pooled[..., None]).sum(1)


def adjoint_by_autograd(p, y, filters, switches):
    p = p.clone().requires_grad_(True)
    k, h, w = filters.shape
    z = torch.zeros(len(p), k * (y.shape[1] + h - 1) * (y.shape[2] + w - 1)).scatter(1, switches, p)
    z = z.reshape(len(p), k, y.shape[1] + h - 1, y.shape[2] + w - 1)
    left = (F.conv2d(z, filters.flip(1, 2)[None])[:, 0] * y).sum((1, 2))
    back = torch.autograd.grad(left.sum(), p)[0]
    return back, left.detach(), (p.detach() * back).sum(1)


def adjoint_by_padding(p, y, filters, switches):
    """Rᵀ as a plain correlation over a padded picture."""
    k, h, w = filters.shape
    back = F.conv2d(F.pad(y[:, None], (w - 1, w - 1, h - 1, h - 1)), filters[:, None])
    back = back.flatten(1).gather(1, switches)
    return back, adjoint_by_autograd(p, y, filters, switches)[1], (p * back).sum(1)


RIGHT = {"2.1": [shrink_by_cases, shrink_in_numpy, shrink_softshrink], "2.2": [unpool_loop, unpool_one_hot],
         "2.3": [adjoint_by_autograd, adjoint_by_padding]}


def turned_on_the_way_up(p, y, filters, switches):
    left = adjoint_by_autograd(p, y, filters, switches)[1]
    back = adjoint_by_padding(p, y, filters.flip(1, 2), switches)[0]
    return back, left, (p * back).sum(1)


def plain_conv2d(p, y, filters, switches):
    return adjoint_by_autograd(p, y, filters.flip(1, 2), switches)


def first_switches(p, y, filters, switches):
    left = adjoint_by_autograd(p, y, filters, switches)[1]
    back = adjoint_by_padding(p, y, filters, switches[:1].expand(len(p), -1))[0]
    return back, left, (p * back).sum(1)


def averaged(p, y, filters, switches):
    back, left, right = adjoint_by_autograd(p, y, filters, switches)
    return back, left / y[0].numel(), right / p.shape[1]


def unpool_rows_mixed(pooled, switches, size):
    z = torch.zeros(len(pooled) * size)
    z[switches.flatten()] = pooled.flatten()
    return z.reshape(len(pooled), size)


def unpool_by_a_mask(pooled, switches, size):
    """A mask is filled in rising order."""
    z = torch.zeros(len(pooled), size)
    z[torch.zeros(len(pooled), size, dtype=torch.bool).scatter(1, switches, True)] = pooled.flatten()
    return z


def correlated_down(p, y, filters, switches):
    back, _, right = adjoint_by_autograd(p, y, filters, switches)
    return back, adjoint_by_autograd(p, y, filters.flip(1, 2), switches)[1], right


def adjoint_laid_out(p, y, filters, switches, turn=False, height=0, width=0, swap=False):
    """The library's lines with another idea of the maps' shape."""
    k, h, w = filters.shape
    rows, columns = (height or y.shape[1]) + h - 1, (width or y.shape[2]) + w - 1
    if swap:
        rows, columns = y.shape[1] + w - 1, y.shape[2] + h - 1
    z = torch.zeros(len(p), k * rows * columns).scatter(1, switches, p)
    z = z.reshape(len(p), k, columns, rows).mT if turn else z.reshape(len(p), k, rows, columns)
    kernel = filters.flip(1, 2)[None]
    back = F.conv_transpose2d(y[:, None], kernel)
    back = (back.mT if turn else back).flatten(1).gather(1, switches)
    return back, (F.conv2d(z, kernel)[:, 0] * y).sum((1, 2)), (p * back).sum(1)


def only_square_pictures(p, y, filters, switches):
    return adjoint_laid_out(p, y, filters, switches, height=y.shape[1], width=y.shape[1])


def only_square_filters(p, y, filters, switches):
    h = filters.shape[1]
    return adjoint_laid_out(p, y, filters, switches, width=y.shape[2] + h - filters.shape[2])


def maps_filled(least):
    def answer(p, y, filters, switches):
        k, h, w = filters.shape
        shape = (len(y), k, y.shape[1] + h - 1, y.shape[2] + w - 1)
        z = torch.full((len(p), k * shape[2] * shape[3]), least).scatter(1, switches, p).reshape(shape)
        back, _, right = adjoint_by_autograd(p, y, filters, switches)
        return back, (F.conv2d(z, filters.flip(1, 2)[None])[:, 0] * y).sum((1, 2)), right
    return answer


WRONG = [
    ("2.2", lambda p, s, size: torch.full((len(p), size), 1e-4).scatter(1, s, p), "Where no switch points there stand", 0),
    ("2.2", lambda p, s, size: torch.full((len(p), size), 1e-5).scatter(1, s, p), "Where no switch points there stand", 0),
    ("2.3", maps_filled(1e-4), "R starts from maps that are small numbers", 0),
    ("2.1", lambda z, beta: z / z.abs() * (z.abs() - 1 / beta).clamp_min(0), "Is something divided by zero", 0),
    ("2.2", lambda p, s, size: torch.zeros(len(p), size).scatter(1, s.sort(1).values, p), "The values were placed in rising", 0),
    ("2.2", unpool_by_a_mask, "The values were placed in rising", 0),
    ("2.2", lambda p, s, size: unpool_one_hot(p, s, int(s.max()) + 1), "Rows are `size` long", 0),
    ("2.2", lambda p, s, size: unpool_one_hot(p, s % (size // p.shape[1])
                                              + size // p.shape[1] * torch.arange(p.shape[1]), size), "", 0),
    ("2.3", correlated_down, "Your two sides differ, and Rᵀ is right", 0),
    ("2.3", lambda *given: adjoint_laid_out(*given, turn=True), "The maps lie the other way", 0),
    ("2.3", lambda *given: adjoint_laid_out(*given, swap=True), "", 0),
    ("2.3", only_square_pictures, "", 0),
    ("2.3", only_square_filters, "", 0),
    ("2.1", lambda z, beta: F.softshrink(z, beta), "The threshold is 1/β, not β", 0),
    ("2.1", lambda z, beta: F.hardshrink(z, 1 / beta), "That is hard thresholding", 1.0),
    ("2.1", lambda z, beta: (z - 1 / beta).clamp_min(0), "Negative entries are lost", 0),
    ("2.1", lambda z, beta: (z.abs() - 1 / beta).clamp_min(0), "The sign is lost", 0),
    ("2.1", lambda z, beta: (z.abs() - 1 / beta) * z.sign(), "Small entries overshoot", 0),
    ("2.1", lambda z, beta: beta * z / (beta + 1), "That is the answer to a squared penalty", 0),
    ("2.2", lambda p, s, size: p.repeat_interleave(size // p.shape[1], 1), "The value fills its whole block", 0),
    ("2.2", lambda p, s, size: torch.zeros(len(p), size).index_copy(1, torch.arange(0, size, size // p.shape[1]), p),
     "The switches are not used", 0),
    ("2.2", lambda p, s, size: torch.zeros(len(p), size).index_copy(1, s[0], p), "All items got the first", 0),
    ("2.2", unpool_rows_mixed, "Flattening the batch mixed", 0),
    ("2.2", lambda p, s, size: torch.zeros(len(p), size).scatter(1, s, 1.0), "Those are ones", 0),
    ("2.2", lambda p, s, size: torch.zeros(len(p), size).scatter(1, s, p.abs()), "The signs are lost", 1.0),
    ("2.3", turned_on_the_way_up, "On the way up the filter is turned round", 0),
    ("2.3", plain_conv2d, "R paints with the filters turned round", 0),
    ("2.3", first_switches, "On the way up all pictures were pooled", 0),
    ("2.3", averaged, "The inner products are averaged", 0),
]


@pytest.mark.parametrize("seed", [0, 3, 11, 20])
@pytest.mark.parametrize("id", IDS)
def test_the_library_and_other_right_answers_pass(id, seed):
    for answer in (get(id).library, *RIGHT[id]):
        score, verdict, _ = evaluate(get(id), answer, seed)
        assert (score, verdict.status) == (get(id).points, "right"), (answer, verdict)


@pytest.mark.parametrize("seed", [0, 3, 11, 20])
@pytest.mark.parametrize("number", range(len(WRONG)))
def test_wrong_answers_get_the_hint_of_their_mistake(number, seed):
    id, answer, hint, points = WRONG[number]
    score, verdict, _ = evaluate(get(id), answer, seed)
    assert verdict.status == "wrong" and score == points
    assert verdict.hint.startswith(hint), verdict


@pytest.mark.parametrize("id", IDS)
def test_each_exercise_says_what_it_asks(id):
    exercise = get(id)
    assert len(exercise.hints) == 3 and exercise.points == (3 if id == "2.3" else 2) and exercise.insight
    assert exercise.task.startswith(exercise.library.__name__ + "(")
    assert sum(i == id for i, *_ in WRONG) >= 3
