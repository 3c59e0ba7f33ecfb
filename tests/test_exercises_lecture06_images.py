"""Exercises 6.6 and 6.7: right answers pass in every manner, wrong ones fail with the hint that names the mistake."""
import numpy as np
import pytest
import torch

from xaikit.exercises import functions, get, lecture06_images
from xaikit.exercises.feedback import evaluate

SPLIT, MARGIN = get("6.6"), get("6.7")


def disc(H, W, r, test=None, middle=False):
    a = (torch.arange(H) - ((H - 1) / 2 if middle else H // 2))[:, None]
    b = torch.arange(W) - ((W - 1) / 2 if middle else W // 2)
    return test(a, b) if test else (a**2 + b**2).sqrt() <= r + 1e-9


def masked(images, mask, there=True, back=True, dims=(1, 2), part=lambda z: z.real):
    z = torch.fft.fft2(images)
    z = (torch.fft.fftshift(z, dims) if there else z) * mask
    low = part(torch.fft.ifft2(torch.fft.ifftshift(z, dims) if back else z))
    return low, images - low


def by_masks(how=None, **options):
    def answer(images, r):
        mask = disc(*images.shape[1:], r, how and (lambda a, b: how(a, b, r)))
        return masked(images, mask, **options)
    return answer


def in_numpy(images, r):
    x = images.numpy().astype(np.float64)
    H, W = x.shape[1:]
    a, b = np.meshgrid(np.fft.fftfreq(H, 1 / H), np.fft.fftfreq(W, 1 / W), indexing="ij")
    low = np.stack([np.fft.ifft2(np.fft.fft2(one) * (np.hypot(a, b) <= r)).real for one in x])
    return [low, x - low]


def one_by_one(images, r):
    parts = [masked(one[None], disc(*one.shape, r)) for one in images]
    return tuple(torch.cat([p[k] for p in parts]) for k in (0, 1))


def high_by_its_own_mask(images, r):
    mask = disc(*images.shape[1:], r)
    return masked(images, mask)[0].double(), masked(images, ~mask)[0]


def half_spectrum(images, r):
    """fftshift without its axes moves the images as well, and moves them back: the same."""
    return masked(images, disc(*images.shape[1:], r), dims=None)


@pytest.mark.parametrize("right", [SPLIT.library, by_masks(), in_numpy, one_by_one, high_by_its_own_mask])
@pytest.mark.parametrize("seed", [0, 3])
def test_right_splits(right, seed):
    score, verdict, _ = evaluate(SPLIT, right, seed)
    assert score == SPLIT.points, verdict


def real_spectrum(images, r):
    z = torch.fft.fftshift(torch.fft.fft2(images), (1, 2)).real * disc(*images.shape[1:], r)
    low = torch.fft.ifft2(torch.fft.ifftshift(z, (1, 2))).real
    return low, images - low


def over_all_axes(images, r):
    z = torch.fft.fftshift(torch.fft.fftn(images), (1, 2)) * disc(*images.shape[1:], r)
    low = torch.fft.ifftn(torch.fft.ifftshift(z, (1, 2))).real
    return low, images - low


WRONG_SPLITS = [
    (by_masks(there=False, back=False), "The mask stands in the middle and the spectrum", 0),
    (by_masks(back=False), "The spectrum was not moved back", 0),
    (by_masks(lambda a, b, r: a**2 + b**2 < r**2), "A frequency at the very distance", 0),
    (by_masks(lambda a, b, r: (a.abs() <= r) & (b.abs() <= r)), "That mask is a square", 0),
    (by_masks(lambda a, b, r: a.abs() + b.abs() <= r), "That mask is a diamond", 0),
    (by_masks(lambda a, b, r: a**2 + b**2 <= r), "r is a distance, not a squared", 0),
    (lambda x, r: masked(x, disc(*x.shape[1:], r, middle=True)), "The constant frequency stands at H // 2", 0),
    (lambda x, r: masked(x, ((torch.arange(x.shape[1]) - x.shape[1] / 2)[:, None]**2 + (torch.arange(x.shape[2])
                                                                          - x.shape[2] / 2)**2 <= r**2)),
     "The constant frequency stands at H // 2, not at H/2", 0),
    (lambda x, r: SPLIT.library(x, r)[::-1], "Low and high are exchanged", 0),
    (by_masks(part=torch.abs), "That is the modulus", 0),
    (real_spectrum, "The real part of the spectrum", 0),
    (lambda x, r: (SPLIT.library(x, r)[0] - x.mean((1, 2), keepdim=True), SPLIT.library(x, r)[1]), "The mean is a low", 1),
    (lambda x, r: (SPLIT.library(x, r)[0], x), "The two components add up", 1),
]


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize(("wrong", "hint", "points"), WRONG_SPLITS, ids=[w[1] for w in WRONG_SPLITS])
def test_wrong_splits_get_their_hint(wrong, hint, points, seed):
    score, verdict, _ = evaluate(SPLIT, wrong, seed)
    assert verdict.hint.startswith(hint) and score == points, verdict


@pytest.mark.parametrize("wrong", [
    lambda x, r: masked(x, disc(8, 8, r)) if x.shape[1:] == (8, 8) else (x, 0 * x),  # for one size only
    lambda x, r: (x.half(), (x - x).half()),
    lambda x, r: (x.mean((1, 2), keepdim=True).expand(x.shape), x - x.mean((1, 2), keepdim=True)),
    lambda x, r: masked(x, disc(x.shape[1], x.shape[1], r) if x.shape[1] == x.shape[2] else disc(*x.shape[1:], 2)),
    lambda x, r: x, lambda x, r: None,
])
def test_other_wrong_splits_fail(wrong):
    assert evaluate(SPLIT, wrong)[0] < SPLIT.points


def slope_of(f, at):
    at = at.detach().clone().requires_grad_(True)
    f(at).sum().backward()
    return at.grad


def search(f, x, basis, steps, overshoot, project=None, step=None, gradient_at=lambda x, d: x + d, stop=True, all_rows=False):
    project = project or (lambda g: g @ basis.T @ basis)
    step = step or (lambda v, g, raw: -v[:, None] * g / (g**2).sum(1, keepdim=True))
    side, d = torch.sign(f(x)), torch.zeros_like(x)
    for _ in range(steps):
        at = gradient_at(x, d)
        raw, v = slope_of(f, at), f(at)
        rest = torch.sign(f(x + d)) != side
        rest = rest.any().expand(len(x)) if all_rows else rest if stop else torch.zeros_like(rest)
        d = d + torch.where(rest[:, None], 0.0, step(v, project(raw), raw)).detach()
    return d


def told(f, x, d, length=None):
    return d, d.norm(dim=1) if length is None else length, f(x + d).sign() != f(x).sign()


def how(grown=True, at_end=None, length=None, **options):
    def answer(f, x, basis, steps, overshoot):
        d = search(f, x, basis, steps, overshoot, **options)
        d = d @ basis.T @ basis if at_end else d
        own = d * (1 + overshoot) if grown else d
        return told(f, x, own, length and length(d, own))
    return answer


def coordinates(f, x, basis, steps, overshoot):
    """The search in the S coordinates of the subspace, a row at a time."""
    rows = []
    for one in x:
        c = torch.zeros(len(basis), dtype=x.dtype)
        for _ in range(steps):
            c = c.detach().requires_grad_(True)
            v = f((one + c @ basis)[None])[0]
            if v.sign() != f(one[None])[0].sign():
                break
            g = torch.autograd.grad(v, c)[0]
            c = c - v * g / g.dot(g)
        rows.append(c.detach() @ basis * (1 + overshoot))
    d = torch.stack(rows)
    return [r.tolist() for r in d], d.norm(dim=1).double().numpy(), (f(x + d) * f(x) < 0).int()


def in_doubles(f, x, basis, steps, overshoot):
    return MARGIN.library(f, x.double(), basis.double(), steps, overshoot)


@pytest.mark.parametrize("right", [MARGIN.library, how(), coordinates, in_doubles])
@pytest.mark.parametrize("seed", [0, 3, 8])
def test_right_margins(right, seed):
    score, verdict, _ = evaluate(MARGIN, right, seed)
    assert score == MARGIN.points, verdict


def found_too_early(f, x, basis, steps, overshoot):
    d = search(f, x, basis, steps, overshoot)
    return (1 + overshoot) * d, (1 + overshoot) * d.norm(dim=1), f(x + d).sign() != f(x).sign()


def grown_each_step(f, x, basis, steps, overshoot, end=1.0):
    step = lambda v, g, raw: -(1 + overshoot) * v[:, None] * g / (g**2).sum(1, keepdim=True)  # noqa: E731
    return told(f, x, end * search(f, x, basis, steps, overshoot, step=step))


WRONG_MARGINS = [
    (how(project=lambda g: g), "δ leaves the subspace", 0),
    (how(project=lambda g: g, at_end=True), "The projection came only at the end", 0),
    (how(step=lambda v, g, raw: -v[:, None] * g / (raw**2).sum(1, keepdim=True)), "Divided by the whole gradient", 0),
    (how(step=lambda v, g, raw: -v[:, None] * g / g.norm(dim=1, keepdim=True)), "Divided by ‖g‖:", 0),
    (how(step=lambda v, g, raw: v[:, None] * g / (g**2).sum(1, keepdim=True)), "You walk away", 0),
    (how(gradient_at=lambda x, d: x), "The slope is that of x itself", 0),
    (lambda f, x, B, n, o: how()(f, x, B, 1, o), "One step only", 0),
    (how(stop=False), "A row that has crossed must rest", 0),
    (how(all_rows=True), "All rows stopped", 0),
    (how(grown=False), "The overshoot is missing", 2),
    (lambda *a: grown_each_step(*a), "The overshoot came in every step", 2),
    (lambda f, x, B, n, o: grown_each_step(f, x, B, n, o, 1 + o), "The overshoot came in every step", 2),
    (how(length=lambda d, own: d.norm(dim=1)), "The margin is the length of the δ that you return", 3),
    (found_too_early, "found is asked of the δ that you return", 3),
    (lambda f, x, B, n, o: how()(f, x, B, n, 0.05), "The overshoot is an argument", 2),
    (lambda f, x, B, n, o: (r := how()(f, x, B, n, o)) and (r[0], torch.where(r[2], r[1], torch.inf), r[2]),
     "Return the length of δ also where", 0),
    (how(length=lambda d, own: (own**2).sum(1)), "That is ‖δ‖²", 3),
    (how(length=lambda d, own: own.abs().sum(1)), "That is the sum of |δ|", 3),
]


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize(("wrong", "hint", "points"), WRONG_MARGINS, ids=[w[1] for w in WRONG_MARGINS])
def test_wrong_margins_get_their_hint(wrong, hint, points, seed):
    score, verdict, _ = evaluate(MARGIN, wrong, seed)
    assert verdict.hint.startswith(hint) and score == points, verdict


def test_a_margin_with_inputs_written_into_or_found_everywhere():
    def writes(f, x, basis, steps, overshoot):
        d = MARGIN.library(f, x, basis, steps, overshoot)[0]
        found = f(x + d).sign() != f(x).sign()
        x += d
        return d, d.norm(dim=1), found

    score, verdict, _ = evaluate(MARGIN, writes)
    assert 0 < score < MARGIN.points and "still needs x" in verdict.hint

    def always(f, x, basis, steps, overshoot):
        d, size, found = MARGIN.library(f, x, basis, steps, overshoot)
        return d, size, torch.ones_like(found)

    assert evaluate(MARGIN, always)[0] < MARGIN.points


def test_a_row_that_is_flat_in_the_subspace_stays_where_it_is():
    delta, size, found = MARGIN.library(lambda z: z[:, 1] + 1, torch.ones(2, 3), torch.eye(3)[:1], 3, 0.05)
    assert not delta.any() and not size.any() and not found.any()


@pytest.mark.parametrize("seed", range(8))
def test_some_rows_cross_by_the_overshoot_alone(seed):
    case = MARGIN.cases(seed)[-1].data
    f = lambda z: functions.value(case, z)  # noqa: E731
    f.gradient = lambda z: functions.gradient(case, z)[1]
    delta = lecture06_images._deepfool(f, case["x"], case["basis"], case["steps"], 0.0)
    side, ends = np.sign(f(case["x"])), [np.sign(f(case["x"] + s * delta)) for s in (1, 1.3)]
    assert case["overshoot"] == 0.3 and ((ends[0] == side) & (ends[1] != side)).sum() == 2


def test_the_answers_are_the_library_s_measures():
    """The exercises and ``dynamics`` agree: the split, and the margins of a linear network, where one step is exact."""
    from xaikit.dynamics import components, margins

    x = torch.rand(3, 8, 8)
    for own, theirs in zip(SPLIT.library(x, 2.5), components.split(x, 2.5), strict=True):
        assert torch.allclose(own, theirs, atol=1e-6)
    net, basis = torch.nn.Linear(6, 2), torch.linalg.qr(torch.randn(6, 2))[0].T
    z = torch.randn(5, 6)
    _, size, _ = MARGIN.library(lambda v: net(v)[:, 0] - net(v)[:, 1], z, basis, 1, 0.0)
    assert torch.allclose(margins.margin(net, z, basis, halvings=16), size, rtol=5e-3)


def test_an_input_that_asks_for_gradients_afterwards_costs_half():
    def on_the_callers_x(f, x, *rest):
        found = MARGIN.library(f, x, *rest)
        x.requires_grad_()
        return found

    score, verdict, _ = evaluate(MARGIN, on_the_callers_x)
    assert score == MARGIN.points / 2 and "leaf of your own" in verdict.hint, verdict
