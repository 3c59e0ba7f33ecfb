"""Lecture 08's exercises under attack: answers that once passed though wrong, or failed though right."""

import copy
from fractions import Fraction

import numpy as np
import pytest
import torch

from xaikit.exercises import get
from xaikit.exercises.feedback import evaluate


def share(a, m):
    return (a & m).sum() / (a | m).sum().clamp(min=1)


def off(output, units):
    output = output.clone()
    output[:, units] = 0
    return output


def hooked(model, layer, units, x, change=off):
    handle = model.get_submodule(layer).register_forward_hook(lambda m, i, o: change(o, units))
    try:
        return model(x)
    finally:
        handle.remove()


def on_a_copy(model, layer, units, x):
    model = copy.deepcopy(model)
    model.get_submodule(layer).register_forward_hook(lambda m, i, o: off(o, units))
    return model(x)


def forward_replaced(model, layer, units, x):
    module = model.get_submodule(layer)
    forward = module.forward
    module.forward = lambda *a: off(forward(*a), units)
    try:
        return model(x)
    finally:
        module.forward = forward


def weights_restored(model, layer, units, x):
    weight = model.get_submodule(layer).weight
    kept = weight.clone()
    weight[units] = 0
    try:
        return model(x)
    finally:
        weight.copy_(kept)


def weights_restored_without_finally(model, layer, units, x):
    state = {k: v.clone() for k, v in model.state_dict().items()}
    model.get_submodule(layer).weight[units] = 0
    y = model(x)
    model.load_state_dict(state)
    return y


def module_around(model, layer, units, x):
    return hooked(model, layer.rsplit(".", 1)[0], units, x)


def all_hooks_cleared(model, layer, units, x):
    module = model.get_submodule(layer)
    module.register_forward_hook(lambda m, i, o: off(o, units))
    try:
        return model(x)
    finally:
        module._forward_hooks.clear()


def left_in_eval(model, *rest):
    model.eval()
    return hooked(model, *rest)


def left_without_gradients(model, *rest):
    model.requires_grad_(False)
    return hooked(model, *rest)


def idle_hook(model, layer, units, x):
    on = [True]
    model.get_submodule(layer).register_forward_hook(lambda m, i, o: off(o, units) if on[0] else o)
    try:
        return model(x)
    finally:
        on[0] = False


def swallowed(*case):
    try:
        return hooked(*case)
    except Exception:
        return None


def effect(write, end=lambda d: d.mean()):
    def answer(f, r, units, place, k):
        on, dark = r.clone(), r.clone()
        write(on, units, place, k)
        for u in units:
            dark[:, u, place] = 0
        return end(f(on) - f(dark))

    return answer


def each(value, at=lambda place: place):
    def write(r, units, place, k):
        for j, u in enumerate(units):
            r[:, u, at(place)] = value(r[:, u, at(place)], j, u, k)

    return write


def chained(f, r, units, place, k):
    on, dark = r.clone(), r.clone()
    on[:, units][:, :, place] = k[units][:, None]
    dark[:, units][:, :, place] = 0
    return (f(on) - f(dark)).mean()


def inverted(f, r, units, place, k):
    return get("8.4").library(f, r, units, ~place, k)


def second(f, z, v, eps):
    return (f(z + eps * v) - 2 * f(z[None]) + f(z - eps * v)) / eps**2


def sampled(batches, q, bins):
    rows = torch.cat([b.clone() for b in batches])
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:1500]].quantile(q, 0)


def with_a_third_of_the_bins(batches, q, bins):
    return get("8.2").library(batches, q, bins // 3)


def hooks_skipped(model, layer, units, x):
    """Another module in the layer's place, which calls the layer's forward and so none of its hooks."""
    parent, name = model.get_submodule(layer.rpartition(".")[0]), layer.rpartition(".")[2]
    module = getattr(parent, name)

    class Dark(torch.nn.Module):
        def forward(self, x):
            return off(module.forward(x), units)

    setattr(parent, name, Dark())
    try:
        return model(x)
    finally:
        setattr(parent, name, module)


def in_eval_meanwhile(model, *rest):
    mode = model.training
    model.eval()
    try:
        return hooked(model, *rest)
    finally:
        model.train(mode)


def counted(kind):
    return lambda a, m, t: ((a > t) & m).sum(dtype=kind) / ((a > t) | m).sum(dtype=kind).clamp(min=1)


RIGHT = [
    ("8.1", lambda a, m, t: Fraction(int(((a > t) & m).sum()), max(1, int(((a > t) | m).sum())))),
    ("8.3", hooked),
    ("8.3", on_a_copy),
    ("8.3", forward_replaced),
    ("8.4", effect(each(lambda old, j, u, k: k[u]))),
    ("8.5", lambda A, k: np.linalg.svd(A.double().numpy())[2][:k]),
]
WRONG = [
    ("8.1", lambda a, m, t: share(a > 0.5, m), "not always 0.5"),
    ("8.1", lambda a, m, t: share(a > t, m > t), "only the maps are compared"),
    ("8.1", lambda a, m, t: share(a > t, m >= t), ""),
    ("8.1", lambda a, m, t: share((a > t)[m.any(2).any(1)], m[m.any(2).any(1)]), "without the concept"),
    ("8.1", counted(torch.uint8), "More pixels than a byte holds"),
    ("8.1", counted(torch.int8), "More pixels than a byte holds"),
    ("8.1", lambda a, m, t: ((a > t) & m).sum() / (((a > t) | m).sum() + 0.1), "nothing is added to the union"),
    ("8.2", sampled, ""),
    ("8.3", hooks_skipped, "did not work during the call"),
    ("8.3", in_eval_meanwhile, "in another mode"),
    ("8.3", weights_restored, "weights are 0"),
    ("8.3", weights_restored_without_finally, "weights are 0"),
    ("8.3", module_around, "module around"),
    ("8.3", all_hooks_cleared, "somebody else's"),
    ("8.3", left_in_eval, "mode"),
    ("8.3", left_without_gradients, "requires_grad"),
    ("8.3", idle_hook, "idle"),
    ("8.3", swallowed, "go on to the caller"),
    ("8.4", chained, "Index once"),
    ("8.4", effect(each(lambda old, j, u, k: k[j])), "not k[j]"),
    ("8.4", effect(each(lambda old, j, u, k: old + k[u])), "not added"),
    ("8.4", inverted, "not where it is False"),
    ("8.4", effect(each(lambda old, j, u, k: k[u]), end=lambda d: d), "One value for each picture"),
    ("8.5", lambda A, k: torch.linalg.svd(A, full_matrices=False).Vh[:k], "shape"),
    ("8.5", lambda A, k: torch.linalg.svd(A).Vh.T[:k], "svd's Vh has them as rows"),
    ("8.5", lambda A, k: torch.linalg.svd(A).Vh[:k].flip(0), "strongest"),
    ("8.6", lambda *case: second(*case).abs().var(), "sign of a second difference"),
    ("8.6", lambda f, z, v, eps: second(f, z, v, 0.1).var(), ""),
    ("8.6", second, "take their variance"),
]
SEEDS = (0, 3, 4, 7)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name, answer", RIGHT)
def test_a_right_answer_passes(name, answer, seed):
    score, verdict, _ = evaluate(get(name), answer, seed)
    assert score == get(name).points, (verdict.message, verdict.hint, verdict.came)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name, answer, words", WRONG)
def test_a_wrong_answer_gets_its_hint(name, answer, words, seed):
    score, verdict, _ = evaluate(get(name), answer, seed)
    assert score == 0 and words in verdict.message + verdict.hint, (verdict.message, verdict.hint)


@pytest.mark.parametrize("seed", range(8))
def test_hints_do_not_name_what_came_about_by_chance(seed):
    score, verdict, _ = evaluate(get("8.2"), with_a_third_of_the_bins, seed)
    assert verdict.hint == "" or score == get("8.2").points, verdict.hint  # within a bin, now and then
    score, verdict, _ = evaluate(get("8.5"), lambda A, k: torch.linalg.eigh(A.T @ A)[1].T[:k], seed)
    assert score == 0 and verdict.message != verdict.hint
