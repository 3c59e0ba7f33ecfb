"""Spoiled data sets, the 2n + d network, the smallest interpolant and the blocked solver: what they promise."""
import numpy as np
import pytest
import torch

from xaikit.dynamics import blocked, interpolation, memorization, regularised, smallest
from xaikit.dynamics.memorization import KINDS, SIX, RandomCrop, corrupt, draw, interval, mlp, small_digits

F64 = torch.float64


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def data(n=400, d=30, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.rand(n, d, generator=g), torch.randint(10, (n,), generator=g)


# ---- spoiled data


def test_labels_are_drawn_anew_with_probability_p_and_images_stay():
    x, y = data(4000)
    for p in (0.0, 0.3, 1.0):
        new, labels = corrupt(x, y, "labels", p, seed=2)
        assert torch.equal(new, x) and new.data_ptr() != x.data_ptr()
        assert abs((labels != y).double().mean().item() - 0.9 * p) < 0.03
        assert 0 <= labels.min() and labels.max() <= 9
    assert (np.bincount(corrupt(x, y, "labels", 1.0)[1]) > 320).all(), "all classes alike"


def test_shuffled_pixels_share_one_permutation_with_the_test_set_and_random_ones_do_not():
    x, y = data()
    one, labels = corrupt(x, y, "shuffled pixels", seed=4)
    other = corrupt(x[:7] + 1, y[:7], "shuffled pixels", seed=4)[0]
    assert torch.equal(labels, y) and torch.allclose(other, one[:7] + 1)
    assert not torch.equal(one, x) and torch.equal(one.sort(1).values, x.sort(1).values)
    assert torch.equal(torch.cov(one.T).diag().sort().values, torch.cov(x.T).diag().sort().values)
    many = corrupt(x, y, "random pixels", seed=4)[0]
    assert torch.equal(many.sort(1).values, x.sort(1).values)
    places = torch.stack([(x[i][:, None] == many[i]).double().argmax(0) for i in range(20)])
    assert len({tuple(row.tolist()) for row in places}) == 20


def test_gaussian_images_match_mean_and_variance():
    x, y = data(2000)
    new, labels = corrupt(3 * x + 1, y, "gaussian", seed=1)
    assert torch.equal(labels, y)
    assert abs(new.mean() - (3 * x + 1).mean()) < 0.02 and abs(new.std() / (3 * x).std() - 1) < 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_a_share_of_the_examples_is_spoiled_and_the_seed_decides(kind):
    x, y = data(1000)
    new, labels = corrupt(x, y, kind, 0.4, seed=3)
    hit = draw(1000, 30, seed=3)[0] < 0.4
    changed = (new != x).any(1) | (labels != y)
    assert 0.35 < hit.double().mean() < 0.45 and not changed[~hit].any() and changed[hit].double().mean() > 0.8
    again, other = corrupt(x, y, kind, 0.4, seed=3), corrupt(x, y, kind, 0.4, seed=5)
    assert torch.equal(again[0], new) and torch.equal(again[1], labels)
    assert not (torch.equal(other[0], new) and torch.equal(other[1], labels))


@pytest.mark.parametrize(("change", "message"), [
    ({"p": -0.1}, r"in \[0, 1\], not -0.1"), ({"p": 1.2}, r"in \[0, 1\]"), ({"p": float("nan")}, r"in \[0, 1\]"),
    ({"p": "half"}, "not 'half'"), ({"p": True}, "not True"),
    ({"y": torch.tensor([0, 10])}, "labels lie in 0 … 9, not in 0 … 10"), ({"y": torch.tensor([-1, 3])}, "not in -1"),
    ({"y": torch.tensor([0.0, 1.0])}, "whole numbers"), ({"y": torch.tensor([[0], [1]])}, "whole numbers"),
    ({"y": torch.tensor([1])}, "2 examples with 1 labels"),
    ({"x": torch.zeros(0, 3), "y": torch.zeros(0, dtype=torch.long)}, "0 examples"),
    ({"x": torch.zeros(2, 1, 3)}, r"\(N, D\)"), ({"x": torch.zeros(2, 3, dtype=torch.long)}, "float"),
    ({"kind": "scrambled"}, "shuffled pixels"),
])
def test_what_is_no_data_set_is_refused(change, message):
    given = {"x": torch.zeros(2, 3), "y": torch.tensor([0, 9]), "kind": "labels", "p": 0.5} | change
    with pytest.raises(ValueError, match=message):
        corrupt(**given)


def test_no_more_digits_than_there_are_and_no_interval_from_one_run():
    for n in (0, 1348):
        with pytest.raises(ValueError, match="1347"):
            small_digits(n)
    with pytest.raises(ValueError, match="two runs"):
        interval([1.0])
    mean, low, high = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert mean == 3 and high - mean == pytest.approx(mean - low) == pytest.approx(2.776 * np.sqrt(2.5 / 5), rel=1e-3)


def test_a_random_crop_moves_each_picture_by_a_pixel_at_most_and_only_in_training():
    torch.manual_seed(0)
    crop, x = RandomCrop(8, 1), torch.zeros(400, 64)
    x[:, 3 * 8 + 4] = 1
    moved = crop.train()(x).view(-1, 8, 8).nonzero()
    assert len(moved) == 400 and {tuple(m.tolist()) for m in moved[:, 1:]} == {(r, c) for r in (2, 3, 4) for c in (3, 4, 5)}
    assert torch.equal(crop.eval()(x), x)
    corner = torch.ones(50, 64)
    assert crop.train()(corner).sum(1).min() == 49, "what comes in is fill"


def test_the_six_runs_are_fitted_and_ordered(monkeypatch):
    runs = memorization.randomised.__wrapped__(levels=(), seeds=2, n=120, width=32, steps=800)
    fitted = runs.first("train_error", lambda share: share == 0)
    by = {name: [i for i, s in enumerate(runs.settings) if s["name"] == name] for name in SIX}
    assert fitted.isfinite().all() and all(len(v) == 2 for v in by.values())
    assert fitted[by["true labels"]].max() < fitted[by["random labels"]].min()
    assert runs.measured["test_error"][-1, by["true labels"]].max() < 0.2
    assert runs.measured["test_error"][-1, by["shuffled pixels"]].max() < 0.2, "the test set is shuffled too"
    assert runs.measured["test_error"][-1, by["random labels"]].min() > 0.7


def test_the_regularisers_are_on():
    x = torch.zeros(10, 64)
    assert any(isinstance(m, torch.nn.Dropout) for m in mlp(dropout=0.3)) and any(
        isinstance(m, torch.nn.BatchNorm1d) for m in mlp(norm=True)) and mlp(before=[RandomCrop()])(x).shape == (10, 10)
    h = regularised.runs.__wrapped__(seeds=2, n=60, width=16, steps=60)
    rows = regularised.table(h)
    assert set(rows.regulariser) == set(regularised.REGULARISERS) and set(rows["labels"]) == {"true", "random"}
    assert ((rows.train_low <= rows.train) & (rows.best >= rows.test)).all()


# ---- theorem 1


@pytest.mark.parametrize("n", [1, 2, 8, 1000])
@pytest.mark.parametrize("gap", [0.5, 0.99])
def test_the_construction_fits_any_labels(n, gap):
    x, y, a = normal(n, 20), torch.randint(10, (n,), generator=torch.Generator().manual_seed(n)), normal(20, seed=1)
    b, w = interpolation.fit_any(x, y, a, gap)
    assert a.numel() + b.numel() + w.numel() == 2 * n + 20
    z = (x @ a).sort().values
    assert (b < z).all() and (z[:-1] < b[1:]).all(), "the knots stand between"
    out = interpolation.two_layers(x, a, b, w)
    assert (out - y).abs().max() < (1e-4 if gap == 0.5 else 1e-7) and torch.equal(out.round().long(), y)
    A = interpolation.hinges(z, b)
    assert torch.equal(A, A.tril()) and (A.diag() > 0).all()


def test_the_construction_refuses_what_it_cannot_fit():
    x, y, a = normal(5, 3), torch.arange(5), normal(3, seed=1)
    twice = x.clone()
    twice[4] = twice[0]
    for args, message in (((twice, y, a), "same projection"), ((x, y[:4], a), "x is"), ((x[:0], y[:0], a), "x is"),
                          ((x, y, a[:2]), "a is"), ((x, y, a, 1.0), "gap"), ((x, y, a, 0.0), "gap")):
        with pytest.raises(ValueError, match=message):
            interpolation.fit_any(*args)


# ---- minimum norm


def test_the_smallest_solution_is_the_pseudoinverses():
    X, y = normal(6, 15), normal(6, 3, seed=1)
    K = X @ X.T
    alpha = interpolation.minimum_norm(K, y)
    assert torch.allclose(X.T @ alpha, torch.linalg.pinv(X) @ y)
    assert interpolation.norm(K, alpha) == pytest.approx((X.T @ alpha).norm().item())
    assert interpolation.minimum_norm(K, y[:, 0]).shape == (6,)
    with pytest.raises(ValueError, match="not positive definite"):
        interpolation.minimum_norm(X.T @ X - 1e-3 * torch.eye(15, dtype=F64), normal(15))


@pytest.mark.parametrize("seed", [0, 1])
def test_an_epoch_as_a_triangular_system_is_sgd_step_by_step(seed):
    X, y = normal(7, 10, seed=seed), normal(7, seed=5)
    g, order = torch.Generator().manual_seed(seed), []
    for alpha in interpolation.sgd_epochs(X @ X.T, y, 4, 0.05, seed):
        order.append(torch.randperm(7, generator=g))
        assert torch.allclose(X.T @ alpha[:, 0], interpolation.sgd(X, y, torch.cat(order), 0.05))


def test_problems_solved_at_once_are_those_solved_alone():
    X, y = normal(3, 7, 10), normal(3, 7, 2, seed=5)
    K, eta = X @ X.mT, torch.tensor([0.02, 0.03, 0.05], dtype=F64)[:, None, None]
    together = list(interpolation.sgd_epochs(K, y, 4, eta, 1))[-1]
    for i in range(3):
        alone = list(interpolation.sgd_epochs(K[i], y[i], 4, eta[i].item(), 1))[-1]
        assert torch.allclose(together[i], alone) and alone.shape == (7, 2)


def test_sgd_comes_to_the_smallest_solution_in_every_representation():
    found = smallest.distances()
    assert tuple(found) == smallest.FEATURES and set(smallest.BANKS) < set(found)
    for values in found.values():
        assert values.shape[1] == 5 and (values[0] == 1).all() and values[-1].max() < 1e-3


def test_the_kernel_is_a_kernel():
    a, b = normal(5, 4), normal(6, 4, seed=1)
    expected = (-(torch.cdist(a, b) ** 2) / (2 * 1.7**2)).exp()
    assert torch.allclose(interpolation.gaussian_kernel(a, b, 1.7), expected)
    for sigma in (0.0, -1.0):
        with pytest.raises(ValueError, match="sigma"):
            interpolation.gaussian_kernel(a, b, sigma)


@pytest.mark.parametrize("kind", ["random", "gabor"])
def test_filters_have_norm_1_and_mean_0(kind):
    bank = interpolation.filters(8, 5, kind)
    assert bank.shape == (8, 1, 5, 5) and torch.allclose(bank.flatten(1).norm(dim=1), torch.ones(8, dtype=F64))
    assert bank.mean((1, 2, 3)).abs().max() < 1e-12
    assert interpolation.convolved(torch.rand(3, 64), bank, 2).shape == (3, 2 * 8 * 16)
    with pytest.raises(ValueError, match="gabor"):
        interpolation.filters(kind="wavelet")


def test_kernels_of_digits_refuse_what_there_is_not():
    for args in (("pixels", 0, 0), ("pixels", 0, 601)):
        with pytest.raises(ValueError, match="n is"):
            smallest.kernels(*args)
    with pytest.raises(ValueError, match="random convolutions"):
        smallest.kernels("wavelets", 0, 10)


def test_convolved_features_are_those_of_their_filters():
    s, digits = smallest.split(0, 8), small_digits(5)[0]
    for name, (kind, side) in smallest.BANKS.items():
        assert interpolation.convolved(digits, interpolation.filters(8, side, kind, 0), 2).shape[1] == s[name][0].shape[1] == 256
        assert s[name][0].mean(0).abs().max() < 1e-6 * s[name][0].std() and s[name][1].shape == (450, 256)
    K = smallest.kernels("Gabor filters", 0, 20)[0]
    maps = smallest.split(0)["Gabor filters"][0][:20].double()
    assert torch.allclose(K, maps @ maps.T) and not torch.allclose(K, smallest.kernels("random convolutions", 0, 20)[0])


# ---- the blocked solver


@pytest.mark.parametrize("block", [64, 100, 1000])
def test_tiles_multiply_like_the_whole_matrix(block):
    x, v = normal(250, 9).float(), normal(250, 3, seed=1).float()
    K = interpolation.gaussian_kernel(x.double(), x.double(), 2.0)
    tiles = blocked.Tiles(x, 2.0, block)
    assert torch.allclose((tiles @ v).double(), K @ v.double(), rtol=1e-4, atol=1e-4)
    kept = sum(t.numel() for t in tiles.tiles.values())
    assert kept < 0.75 * 250**2 or block > 64


def test_conjugate_gradients_solve_and_the_preconditioner_saves_steps():
    x, y = small_digits(600)[:2]
    K, wanted = blocked.Tiles(x, 1.5, 200), interpolation.one_hot(y)
    exact = interpolation.minimum_norm(interpolation.gaussian_kernel(x.double(), x.double(), 1.5), wanted)
    alpha, steps, residual = blocked.conjugate_gradients(K, wanted.float(), blocked.nystrom(x, 1.5, 200), 1e-5)
    _, plain, _ = blocked.conjugate_gradients(K, wanted.float(), tolerance=1e-5)
    assert residual <= 1e-5 and steps < 0.6 * plain
    test_x = small_digits(600)[2]
    whole = interpolation.gaussian_kernel(test_x.double(), x.double(), 1.5) @ exact
    assert (blocked.predicted(x, alpha, test_x, 1.5, 77) - whole).abs().max() < 1e-2


def test_tiles_that_do_not_fit_are_refused_before_they_are_made():
    with pytest.raises(ValueError, match=r"60000 examples need 6\.9 GiB, the limit is 4\.0"):
        blocked.Tiles(torch.zeros(60_000, 1), 1.0, limit=2**32)
