"""Convolutional sparse coding: the operators, the two sub-problems, three ways to one minimum, and filters that are edges."""
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xaikit.features import edges, photo_codes, sparse
from xaikit.features.shrink import shrink, table
from xaikit.features.sparse import correlate, objective, reconstruct, sparse_code


def rand(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("p", [0.2, 0.5, 0.8, 1.0, 1.5])
@pytest.mark.parametrize("beta", [0.3, 1.0, 7.0])
def test_shrink_is_the_minimiser_on_a_fine_grid(p, beta):
    z = torch.linspace(-5, 5, 41, dtype=torch.float64)
    x = torch.linspace(-6, 6, 120001, dtype=torch.float64)
    def cost(z, x):
        return beta / 2 * (z - x) ** 2 + x.abs() ** p
    best = (cost(z[:, None], x)).min(1).values
    assert (cost(z, shrink(z, beta, p)) <= best + 1e-7).all()


def test_shrink_is_odd_closed_form_at_one_and_scales():
    z = rand(200, dtype=torch.float64) * 3
    torch.testing.assert_close(shrink(z, 2.0), torch.nn.functional.softshrink(z, 0.5))
    torch.testing.assert_close(shrink(z, 2.0, 0.999999), shrink(z, 2.0), atol=1e-4, rtol=0)
    torch.testing.assert_close(shrink(-z, 2.0, 0.5), -shrink(z, 2.0, 0.5))
    big = torch.tensor([1e5], dtype=torch.float64)
    torch.testing.assert_close(shrink(big, 1.0, 0.5), big - 0.5 * big**-0.5)
    assert table(0.5)[2] == pytest.approx(1.5)  # v = u + p u^(p−1) at u = (2 − 2p)^(1/(2−p)) = 1
    for bad in (dict(beta=0.0), dict(beta=1.0, p=2.5), dict(beta=1.0, p=0.0)):
        with pytest.raises(ValueError):
            shrink(z, **bad)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 6), st.integers(1, 6), st.integers(0, 10), st.integers(0, 2**31))
def test_reconstruct_and_correlate_are_adjoint(channels, count, h, w, more, seed):
    f, y = rand(count, channels, h, w, seed=seed), rand(2, channels, 6 + more, 9, seed=seed + 1)
    z = rand(2, count, 6 + more + h - 1, 9 + w - 1, seed=seed + 2)
    painted = reconstruct(z, f)
    assert painted.shape == y.shape and correlate(y, f).shape == z.shape
    gap = ((painted * y).sum() - (z * correlate(y, f)).sum()).abs()
    assert gap <= 1e-5 * painted.norm() * y.norm()


def test_an_entry_paints_its_filter():
    f, z = rand(3, 2, 4, 5), torch.zeros(1, 3, 13, 14)
    z[0, 1, 6, 7] = 2.0
    picture = reconstruct(z, f)
    torch.testing.assert_close(picture[0, :, 3:7, 3:8], 2 * f[1], atol=1e-5, rtol=0)
    assert picture.square().sum() == pytest.approx(4 * f[1].square().sum().item(), rel=1e-4)


def test_fast_gram_is_the_product_and_the_z_step_solves_the_papers_system():
    f, y = rand(5, 2, 4, 3), rand(2, 2, 12, 11)
    apply, _ = sparse._gram(f, (12, 11))
    torch.testing.assert_close(apply(y), reconstruct(correlate(y, f), f), atol=1e-4, rtol=1e-4)
    x, lam, beta = rand(2, 5, 15, 13, seed=3), 2.0, 1.5
    apply, invert = sparse._gram(f, (12, 11))
    dual = sparse.conjugate_gradients(lambda r: apply(r) + beta / lam * r, y - reconstruct(x, f), 0 * y, invert(beta / lam),
                                      steps=100, tolerance=1e-6)
    z = x + correlate(dual, f)
    gradient = lam * correlate(reconstruct(z, f) - y, f) + beta * (z - x)
    assert gradient.abs().max() < 1e-3 * lam * correlate(y, f).abs().max()


@pytest.fixture(scope="module")
def problem():
    """Noise under random filters: no help from structure, and small enough to solve to the end."""
    f = edges._unit(rand(6, 1, 5, 5, seed=4))
    return rand(2, 1, 16, 16, seed=5), f


def test_three_methods_reach_one_minimum(problem):
    y, f = problem
    codes = {m: sparse_code(y, f, 1.0, method=m, iterations=n)
             for m, n in (("fista", 500), ("ista", 1500), ("continuation", 900))}
    values = {m: float(c.objective.sum()) for m, c in codes.items()}
    assert max(values.values()) <= 1.01 * min(values.values()), values
    z = codes["fista"].maps  # optimality: |λFᵀ(y − Fz)| ≤ 1, and = sign(z) where z ≠ 0
    pull = correlate(y - reconstruct(z, f), f)
    assert pull.abs().max() < 1.01 and (pull - z.sign())[z != 0].abs().max() < 0.02
    assert 0 < (codes["continuation"].maps != 0).float().mean() < 0.5
    for m, c in codes.items():
        assert list(c.history.columns) == ["iteration", "seconds", "objective", "nonzero"]
        assert c.history.seconds.is_monotonic_increasing and c.history.objective.iloc[-1] == pytest.approx(values[m], rel=1e-4)
    assert (codes["ista"].history.objective.diff().dropna() <= 1e-3).all()


@pytest.mark.parametrize("method", ["ista", "continuation"])
def test_a_smaller_p_leaves_fewer_strokes(problem, method):
    y, f = problem
    counts = [int((sparse_code(y, f, 5.0, p, method, 150).maps != 0).sum()) for p in (1.0, 0.5)]
    assert 0 < counts[1] < counts[0]
    code = sparse_code(y, f, 5.0, 0.5, method, 150)
    torch.testing.assert_close(code.objective, objective(code.maps, code.picture - y, 5.0, 0.5))
    assert float(code.objective.sum()) < float(objective(torch.zeros_like(code.maps), -y, 5.0, 0.5).sum())


def test_the_smooth_map_takes_the_low_frequencies(problem):
    f = problem[1]
    ramp = torch.linspace(0, 4, 24).expand(1, 1, 24, 24).contiguous()
    edge = torch.zeros(1, 1, 24, 24)
    edge[..., 10:12, :] = 1.0
    code = sparse_code(ramp + edge, f, 5.0, smooth=5.0, iterations=60)
    assert (code.low - ramp).square().mean() < 0.1 * ramp.var()
    without = sparse_code(ramp + edge, f, 5.0, iterations=60)
    assert (code.maps.abs().sum()) < 0.5 * without.maps.abs().sum() and not without.low.any()
    assert code.history.objective.iloc[-1] < code.history.objective.iloc[0]
    flat, _ = sparse.smooth_part(torch.full((1, 2, 9, 9), 3.0), 1.0, 5)
    torch.testing.assert_close(flat, torch.full((1, 2, 9, 9), 3.0), atol=1e-2, rtol=0)


def test_what_cannot_be_coded_is_refused(problem):
    y, f = problem
    for message, call in (("method", dict(method="newton")), ("convex", dict(p=0.5)), ("lam", dict(lam=0.0)), ("growth", dict(growth=1.0)),
                          ("between 0 and 2", dict(p=2.0, method="ista")), ("smooth", dict(smooth=-1.0)), ("iterations", dict(iterations=0)),
                          ("z has shape", dict(z=torch.zeros(1, 1, 2, 2)))):
        with pytest.raises(ValueError, match=message):
            sparse_code(y, f, **call)
    with pytest.raises(ValueError, match="channels"):
        sparse_code(y.expand(-1, 3, -1, -1), f)
    with pytest.raises(ValueError, match="NaN"):
        sparse_code(y * float("nan"), f)
    with pytest.raises(TypeError, match="floating"):
        sparse_code(y.long(), f)


def test_orientation_of_known_filters():
    line = torch.arange(9.0)[None].expand(9, 9)
    bars = torch.stack([torch.cos(1.5 * line), torch.cos(1.5 * line.T)])[:, None]
    share, angle = edges.orientation(bars - bars.mean((2, 3), keepdim=True))
    assert (share > 0.8).all() and min(angle[0], 180 - angle[0]) <= 6 and abs(angle[1] - 90) <= 6
    dot = torch.zeros(1, 1, 9, 9)
    dot[0, 0, 4, 4] = 1.0
    assert edges.orientation(dot)[0].item() == pytest.approx(0.25, abs=0.02)


def test_learned_filters_are_edges_and_random_ones_are_not():
    learned = photo_codes.photo_filters()
    share, angle = edges.orientation(learned.filters)
    control = edges.orientation(rand(500, 1, 9, 9))[0]
    assert (share > 0.6).float().mean() >= 0.75 and (control > 0.6).float().mean() < 0.02
    assert len({int(a // 30) for a in angle}) >= 4, "edges of many directions"
    torch.testing.assert_close(learned.filters.flatten(1).norm(dim=1), torch.ones(16))


def test_learning_is_repeatable_and_leaves_the_random_state_alone():
    images, state = rand(2, 1, 40, 40), torch.get_rng_state()
    a, b, c = (edges.learn_filters(images, 3, 5, 1.0, 3, 4, 12, seed=s, progress=False).filters for s in (0, 0, 1))
    assert torch.equal(a, b) and not torch.allclose(a, c) and torch.equal(state, torch.get_rng_state())
    with pytest.raises(ValueError, match="crop"):
        edges.learn_filters(images, 3, 5, crop=4)
    with pytest.raises(ValueError, match="do not fit"):
        edges.crops(images, 2, 50)


def test_denoising_helps_and_the_code_beats_patches():
    table = photo_codes.denoising()
    best = table.groupby("method").psnr.max()
    assert best["convolutional code"] > best["overlapping patches"] > best["nothing done"] + 3
    assert table.psnr.notna().all() and table.groupby("method").nonzeros.apply(lambda c: c.is_monotonic_increasing).all()
    x = rand(1, 1, 8, 8).clamp(0, 1)
    assert photo_codes.psnr(x + 0.1, x) == pytest.approx(20, abs=1e-3)


def test_the_pursuit_of_all_patches_at_once_is_scikit_learn_s():
    from sklearn.linear_model import orthogonal_mp_gram

    rng = np.random.default_rng(0)
    x, atoms = rng.normal(size=(60, 25)), rng.normal(size=(12, 25))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    ours = photo_codes.matching_pursuit(x, atoms, 5)
    theirs = orthogonal_mp_gram(atoms @ atoms.T, atoms @ x.T, n_nonzero_coefs=5, return_path=True)
    np.testing.assert_allclose(ours, theirs.transpose(2, 1, 0), atol=1e-10)
    assert ((ours != 0).sum(2) == np.arange(1, 6)[:, None]).all()
    for count in (0, 13):
        with pytest.raises(ValueError, match="number of atoms"):
            photo_codes.matching_pursuit(x, atoms, count)
