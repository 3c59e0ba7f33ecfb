"""Lecture 08's exercises: every right answer passes, every wrong one gets the hint that names its mistake."""

import numpy as np
import pytest
import torch

from xaikit.exercises import get
from xaikit.exercises.feedback import evaluate

# ---- right answers of other kinds


def iou_numpy_loop(maps, masks, threshold):
    both = either = 0
    for a, m in zip(np.asarray(maps), np.asarray(masks), strict=True):
        both, either = both + ((a > threshold) * m).sum(), either + ((a > threshold) | m).sum()
    return both / either if either else 0.0


def iou_of_sums(maps, masks, threshold):
    a, b = (maps > threshold).float(), masks.float()
    both = (a * b).sum()
    union = a.sum() + b.sum() - both
    return 0 if union == 0 else float(both / union)


def quantile_by_histogram_with_interpolation(batches, q, bins):
    low = high = None
    for b in batches:
        low = b.amin(0) if low is None else torch.minimum(low, b.amin(0))
        high = b.amax(0) if high is None else torch.maximum(high, b.amax(0))
    answers = []
    for u in range(len(low)):
        edges = np.linspace(float(low[u]), float(high[u]) + 1e-6, bins + 1)
        counts = sum(np.histogram(b[:, u].numpy(), edges)[0] for b in batches)
        answers.append(np.interp(q, np.concatenate([[0], counts.cumsum() / counts.sum()]), edges))
    return np.array(answers)


def quantile_by_bisection(batches, q, bins):
    """As many times through as it takes, three numbers kept."""
    low = torch.stack([b.amin(0) for b in batches]).amin(0).double()
    high = torch.stack([b.amax(0) for b in batches]).amax(0).double()
    count = sum(len(b) for b in batches)
    for _ in range(25):
        middle = (low + high) / 2
        below = sum((b <= middle).sum(0) for b in batches)
        low, high = torch.where(below < q * count, middle, low), torch.where(below < q * count, high, middle)
    return high


def ablated_in_place(model, layer, units, x):
    def hook(_, __, output):
        for u in units:
            output[:, u] = 0

    handle = dict(model.named_modules())[layer].register_forward_hook(hook)
    try:
        y = model(x)
    except Exception:
        handle.remove()
        raise
    handle.remove()
    return y


def ablated_by_the_library(model, layer, units, x):
    from xaikit import hooks

    with hooks.edit(
        model, {layer: lambda a: torch.stack([a[:, c] * (c not in units) for c in range(a.shape[1])], 1)}
    ):
        return model(x)


def effect_by_copies(f, r, units, place, k):
    on, off = r.clone(), r.clone()
    for u in units:
        on[:, u, place], off[:, u, place] = k[u], 0.0
    return float((f(on) - f(off)).mean())


def effect_one_by_one(f, r, units, place, k):
    p, found = place.nonzero()[:, 0], []
    for row in r:
        on, off = row.clone(), row.clone()
        on[units[:, None], p], off[units[:, None], p] = k[units][:, None], 0.0
        found.append(f(on[None]) - f(off[None]))
    return torch.cat(found).mean()


def sefa_by_svd(A, k):
    return -torch.linalg.svd(A, full_matrices=True).Vh[:k]


def sefa_numpy(A, k):
    values, vectors = np.linalg.eigh(np.asarray(A, float).T @ np.asarray(A, float))
    return vectors[:, np.argsort(-values)[:k]].T


def penalty_by_loop(f, z, v, eps):
    s = [float(f((z + eps * row)[None]) - 2 * f(z[None]) + f((z - eps * row)[None])) / eps**2 for row in v]
    mean = sum(s) / len(s)
    return sum((x - mean) ** 2 for x in s) / (len(s) - 1)


def penalty_without_the_middle(f, z, v, eps):
    return ((f(z + eps * v) + f(z - eps * v)) / eps**2).var()  # f(z) is the same for all v


def penalty_in_double(f, z, v, eps):
    z, v = z.double(), v.double()
    rows = torch.cat([z + eps * v, z - eps * v, z[None]])
    y = f(rows)
    return torch.var((y[: len(v)] + y[len(v) : -1] - 2 * y[-1]) / eps / eps, unbiased=True)


# ---- wrong ones


def iou_per_picture(maps, masks, threshold):
    a = maps > threshold
    return ((a & masks).sum((1, 2)) / (a | masks).sum((1, 2)).clamp(min=1)).mean()


def iou_nan(maps, masks, threshold):
    a = maps > threshold
    return (a & masks).sum() / (a | masks).sum()


def hook_stays(model, layer, units, x):
    model.get_submodule(layer).register_forward_hook(
        lambda m, i, o: o.index_fill(1, torch.tensor(units, dtype=torch.long), 0.0)
    )
    return model(x)


def hook_stays_after_an_error(model, layer, units, x):
    handle = model.get_submodule(layer).register_forward_hook(
        lambda m, i, o: o.index_fill(1, torch.tensor(units, dtype=torch.long), 0.0)
    )
    y = model(x)
    handle.remove()
    return y


def weights_zeroed(model, layer, units, x):
    with torch.no_grad():
        model.get_submodule(layer).weight[units] = 0
    return model(x)


def hook_returns_nothing(model, layer, units, x):
    def hook(m, i, output):
        output = output.clone()
        output[:, units] = 0

    handle = model.get_submodule(layer).register_forward_hook(hook)
    try:
        return model(x)
    finally:
        handle.remove()


def pictures_off(model, layer, units, x):
    def hook(m, i, output):
        output = output.clone()
        output[[u for u in units if u < len(output)]] = 0
        return output

    handle = model.get_submodule(layer).register_forward_hook(hook)
    try:
        return model(x)
    finally:
        handle.remove()


def quantile_collected(batches, q, bins):
    return torch.quantile(torch.cat(list(batches)), q, dim=0)


def quantile_of_first_range(batches, q, bins):
    """Edges from the first batch alone."""
    first = next(iter(batches))
    low, high = first.amin(0), first.amax(0)
    width = ((high - low) / bins).clamp(min=1e-9)
    counts = torch.zeros(first.shape[1], bins)
    for b in batches:
        counts.scatter_add_(1, ((b - low) / width).long().clamp(0, bins - 1).T, torch.ones_like(b).T)
    return low + ((counts.cumsum(1) < q * counts.sum(1, keepdim=True)).sum(1) + 0.5) * width


def effect(high, low, places=lambda p: p, chosen=lambda u, c: u, end=lambda d: d.mean()):
    def answer(f, r, units, place, k):
        def put(value):
            if value is None:
                return r
            out, u, p = r.clone(), chosen(units, r.shape[1]), places(place).nonzero()[:, 0]
            out[:, u[:, None], p] = k[u][:, None].expand(-1, len(p)) if value == "k" else 0.0
            return out

        return end(f(put(high)) - f(put(low)))

    return answer


def effect_of_pairs(f, r, units, place, k):
    on, off = r.clone(), r.clone()
    on[:, units, place], off[:, units, place] = k[units], 0.0
    return (f(on) - f(off)).mean()


RIGHT = {
    "8.1": [iou_numpy_loop, iou_of_sums],
    "8.2": [quantile_by_histogram_with_interpolation, quantile_by_bisection],
    "8.3": [ablated_in_place, ablated_by_the_library],
    "8.4": [effect_by_copies, effect_one_by_one],
    "8.5": [sefa_by_svd, sefa_numpy],
    "8.6": [penalty_by_loop, penalty_in_double, penalty_without_the_middle],
}
WRONG = [
    ("8.1", iou_per_picture, "mean of one IoU"),
    ("8.1", lambda maps, masks, t: ((maps > t) & masks).sum() / masks.sum().clamp(min=1), "recall"),
    ("8.1", lambda maps, masks, t: ((maps > t) & masks).sum() / (maps > t).sum().clamp(min=1), "precision"),
    (
        "8.1",
        lambda maps, masks, t: ((maps >= t) & masks).sum() / ((maps >= t) | masks).sum().clamp(min=1),
        "not ≥",
    ),
    ("8.1", iou_nan, ""),
    ("8.2", quantile_collected, "overwritten"),
    ("8.2", quantile_of_first_range, ""),
    (
        "8.2",
        lambda batches, q, bins: torch.stack([b.quantile(q, 0) for b in batches]).mean(0),
        "mean of the batches",
    ),
    ("8.2", lambda batches, q, bins: next(iter(batches)).quantile(q, 0), "first batch"),
    ("8.2", lambda batches, q, bins: quantile_by_bisection(batches, 1 - q, bins), "1 − q"),
    ("8.3", hook_stays, "handle.remove"),
    ("8.3", hook_stays_after_an_error, "finally"),
    ("8.3", weights_zeroed, "weights are 0"),
    ("8.3", hook_returns_nothing, "returns it"),
    ("8.3", pictures_off, "axis 1"),
    ("8.4", effect("k", None), "compare with the units switched off"),
    ("8.4", effect(None, "0"), "as it was against off"),
    ("8.4", effect("k", "0", places=torch.ones_like), "at the place only"),
    ("8.4", effect("k", "0", chosen=lambda u, c: torch.arange(c)), "only `units`"),
    ("8.4", effect("0", "k"), "on minus off"),
    ("8.4", effect_of_pairs, "paired off"),
    ("8.4", effect("k", "0", end=lambda d: d.sum()), "take the mean"),
    ("8.5", lambda A, k: torch.linalg.eigh(A.T @ A)[1].T[:k], "rising order"),
    ("8.5", lambda A, k: torch.linalg.eigh(A.T @ A)[1].flip(1)[:, :k], "transpose|axes are swapped"),
    ("8.5", lambda A, k: torch.linalg.svd(A).Vh[:k] * 2, ""),
    ("8.5", lambda A, k: A[:k] / A[:k].norm(dim=1, keepdim=True), ""),
    ("8.5", lambda A, k: torch.linalg.svd(A, full_matrices=False).Vh[:k], "full_matrices=True"),
    (
        "8.6",
        lambda f, z, v, eps: ((f(z + eps * v) - 2 * f(z[None]) + f(z - eps * v)) / eps**2).var(correction=0),
        "k − 1",
    ),
    ("8.6", lambda f, z, v, eps: ((f(z + eps * v) - 2 * f(z[None]) + f(z - eps * v)) / eps).var(), "not ε"),
    ("8.6", lambda f, z, v, eps: ((f(z + eps * v) - f(z - eps * v)) / (2 * eps)).var(), ""),
    (
        "8.6",
        lambda f, z, v, eps: ((f(z + eps * v) - 2 * f(z[None]) + f(z - eps * v)) / eps**2).square().mean(),
        "mean of squares",
    ),
    ("8.6", lambda f, z, v, eps: ((f(z + eps * v) - f(z[None])) / eps**2).var(), ""),
]
SEEDS = (0, 1, 2, 11)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "name, answer", [(n, a) for n, answers in RIGHT.items() for a in (get(n).library, *answers)]
)
def test_a_right_answer_passes(name, answer, seed):
    score, verdict, _ = evaluate(get(name), answer, seed)
    assert score == get(name).points, (verdict.message, verdict.hint, verdict.came)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name, answer, words", WRONG)
def test_a_wrong_answer_gets_its_hint(name, answer, words, seed):
    score, verdict, _ = evaluate(get(name), answer, seed)
    assert score == 0 and any(w in verdict.message + verdict.hint for w in words.split("|")), (
        verdict.message,
        verdict.hint,
    )


def test_the_hessian_penalty_is_twice_what_is_off_the_diagonal():
    """Over all corners of the cube the variance of vᵀ H v is 2 Σ_{i≠j} H_ij² (Peebles et al. 2020, theorem 1)."""
    torch.manual_seed(0)
    H = torch.randn(4, 4).double()
    H = (H + H.T) / 2
    v = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0]).double()] * 4)
    found = get("8.6").library(lambda x: (x @ H * x).sum(1) / 2, torch.randn(4).double(), v, 0.3)
    off = H - torch.diag(torch.diag(H))
    assert found.item() == pytest.approx(2 * off.square().sum().item() * 16 / 15)
