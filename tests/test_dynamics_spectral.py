"""Spectra, decay, perturbations, noise of one frequency, and flowers: what the library computes is what it says."""
import math

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from xaikit.dynamics import decay, label_noise, manifolds, perturbation, spectral

# ---------------------------------------------------------------------------------------------------- spectral


def test_coefficients_are_the_amplitudes_and_phases_of_the_waves():
    z, x = spectral.grid(50)
    assert torch.allclose(x[:, 0], 2 * z - 1) and z[0] == 0 and z[-1] == pytest.approx(49 / 50)
    values = spectral.waves(z, [2, 7, 11], [1.0, 0.5, 3.0], [0.3, 1.0, 2.0])
    by_hand = sum(a * np.sin(2 * np.pi * k * z.numpy() + p) for k, a, p in ((2, 1, 0.3), (7, 0.5, 1.0), (11, 3, 2.0)))
    assert np.allclose(values, by_hand, atol=1e-4)
    c = spectral.coefficients(values + 4, range(1, 25))
    wanted = np.zeros(24)
    wanted[[1, 6, 10]] = 1, 0.5, 3
    assert np.allclose(c.abs(), wanted, atol=1e-4)
    assert np.allclose(np.angle(c[[1, 6, 10]]) + np.pi / 2, [0.3, 1.0, 2.0], atol=1e-4)
    assert spectral.coefficients(torch.zeros(3, 4, 50), [5]).shape == (3, 4, 1)


@pytest.mark.parametrize("k", [[0, 1], [1, 8], [-1], [1.5]])
def test_frequencies_that_cannot_be_told_apart_are_refused(k):
    with pytest.raises(ValueError, match="1 … 7"):
        spectral.coefficients(torch.zeros(16), k)


def test_sizes_out_of_range_are_refused():
    for bad in ({"width": 0}, {"depth": 0}, {"inputs": 1.5}, {"outputs": True}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            spectral.relu_network(**bad)
    with pytest.raises(ValueError, match="shape"):
        spectral.waves(torch.zeros(4), [1, 2], [1.0], [0.0, 0.0])
    with pytest.raises(ValueError, match="measurements"):
        spectral.time_to_learn(np.zeros((3, 2)), [1, 2])
    with pytest.raises(ValueError, match="K ≥ 3"):
        spectral.rank_correlation([1, 2], [[3, 4]])
    with pytest.raises(ValueError, match="two values"):
        spectral.interval([1.0])


def test_time_to_learn_is_the_first_time_and_never_is_infinite():
    share = np.array([[0, 0.2, 0], [0.6, 0.4, 0.1], [0.3, 0.5, 0.2], [0.9, 0.9, 0.4]])
    assert spectral.time_to_learn(share, [0, 10, 20, 30]).tolist() == [10, 20, math.inf]
    assert spectral.time_to_learn(share, [0, 10, 20, 30], 0.9).tolist() == [30, 30, math.inf]


def test_censored_frequencies_share_the_last_rank():
    k = np.arange(1, 7)
    times = np.array([[1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1], [1, 2, 2, 5, np.inf, np.inf], [3, 1, 2, np.inf, 9, np.inf]])
    rho = spectral.rank_correlation(k, times)
    finite = np.where(np.isinf(times), 1e9, times)
    assert np.allclose(rho, [spearmanr(k, t).statistic for t in finite]) and rho[0] == pytest.approx(1)
    assert np.isnan(spectral.rank_correlation(k, np.full((1, 6), np.inf))).all()


def test_interval_covers_and_follows_the_seed():
    rng = np.random.default_rng(0)
    hits = 0
    for i in range(60):
        middle, low, high = spectral.interval(rng.normal(size=20), np.mean, seed=i, draws=300)
        assert low <= middle <= high
        hits += low <= 0 <= high
    assert hits >= 50
    assert spectral.interval([1.0, 2.0, 4.0]) == spectral.interval([1.0, 2.0, 4.0])


def test_a_small_run_learns_the_lowest_first_and_is_kept():
    run = spectral.learn(False, width=32, depth=3, seeds=4, steps=200, k=(1, 4, 9))
    assert run.share.shape == (len(run.steps), 4, 3) and run.steps[0] == 0 and run.steps[-1] == 200
    assert (run.share[-1, :, 0] > 0.8).all() and (run.share[-1, :, 0] > run.share[-1, :, 2]).all()
    assert spectral.learn(False, width=32, depth=3, seeds=4, steps=200, k=(1, 4, 9)) is run
    model = run.histories.model(2)  # what was measured is what the network says
    with torch.no_grad():
        c = spectral.coefficients(model(spectral.grid()[1])[:, 0], (1, 4, 9)).abs()
    assert np.allclose(c, run.share[-1, 2], atol=1e-4)


# ------------------------------------------------------------------------------------------------------- decay


@pytest.mark.parametrize("alpha", [0.5, 1.7, 3.0])
def test_the_exponent_of_a_power_law_with_and_without_scatter(alpha):
    k = np.arange(5, 200)
    assert decay.exponent(k, 7 * k ** (-2 * alpha)) == pytest.approx(alpha, abs=1e-6)
    assert decay.habitual(k, 7 * k ** (-2 * alpha)) == pytest.approx(alpha, abs=1e-6)
    noisy = np.random.default_rng(0).exponential(size=(400, len(k))) * k ** (-2.0 * alpha)
    whittle, line = decay.exponent(k, noisy), decay.habitual(k, noisy)
    assert abs(whittle.mean() - alpha) < 0.02 and abs(line.mean() - alpha) < 0.03
    assert whittle.std() / line.std() == pytest.approx(math.sqrt(6) / math.pi, abs=0.08)  # variances 1 and π²/6


def test_no_exponent_of_nothing():
    for k, power in (([1], [1.0]), ([0, 1], [1.0, 1.0]), ([1, 2], [0.0, 0.0]), ([1, 2], [-1.0, 2.0]), ([1, 2], [np.nan, 1.0]),
                     ([1, 2, 3], [1.0, 1.0])):
        with pytest.raises(ValueError):
            decay.exponent(k, power)
    with pytest.raises(ValueError, match="without kinks"):
        decay.farthest([])


def test_the_spectrum_of_a_kink_falls_as_k_squared_and_that_of_a_jump_as_k():
    z = np.arange(4096) / 4096
    k = np.arange(32, 513)
    for values, alpha in ((np.abs(z - 0.41), 2), ((z > 0.41) * 1.0, 1)):
        assert decay.exponent(k, decay.spectrum(values)[k] ** 2) == pytest.approx(alpha, abs=0.03)
    smooth = decay.spectrum(np.sin(40 * z) + z)  # no kink, not periodic: nothing is left at high frequencies
    assert smooth[100:].max() < 1e-10


def test_along_is_the_fourier_transform_in_any_direction():
    n = 96
    axis = (np.arange(n) + 0.5) / n
    y, x = np.meshgrid(axis, axis, indexing="ij")
    for angle in (0.0, 0.4, 2.0):
        u = np.cos(angle), np.sin(angle)
        wave = np.cos(2 * np.pi * 20 * (u[0] * x + u[1] * y))
        found = decay.along(wave[None], [angle, angle + 1.0], [5, 20, 30])[0]
        assert found[0, 1] == pytest.approx(0.5, abs=1e-3) and found[0, 0] < 1e-4 and found[1].max() < 1e-4


def test_random_networks_are_linear_between_kinks_and_follow_the_seed():
    x = torch.linspace(-1, 1, 2001, dtype=torch.float64)[:, None]
    f = decay.random_networks(x, 3, (8, 8), seed=1)
    assert f.shape == (3, 2001) and torch.equal(f, decay.random_networks(x, 3, (8, 8), seed=1))
    bends = (f.diff().diff().abs() > 1e-9).sum(1)
    assert (bends > 0).all() and (bends < 200).all()
    assert not torch.allclose(f, decay.random_networks(x, 3, (8, 8), seed=2))


def test_the_kinks_normals_of_one_layer_are_its_weights():
    values, angles = decay.planar_network(0, (1,), 64)
    assert values.shape == (64, 64)
    assert len(angles) > 20 and np.ptp(angles) < 1e-9
    off, gap = decay.farthest(angles)
    assert gap == pytest.approx(np.pi / 2) and abs((off - angles[0]) % np.pi - np.pi / 2) < 1e-9
    assert decay.longest(angles) == pytest.approx(angles[0])
    up, across = np.gradient(values)  # all but the pixels on the kink itself, where differences mix two slopes
    sloping = np.hypot(up, across) > 1e-9
    assert np.isclose(np.arctan2(up, across)[sloping] % np.pi, angles[0], atol=1e-6).mean() > 0.8


# ------------------------------------------------------------------------------------------------ perturbation


def net():
    torch.manual_seed(0)
    return spectral.relu_network(1, 16, 2)


def test_directions_have_length_one_over_all_parameters():
    drawn = perturbation.directions(net(), 5, seed=3)
    lengths = sum(d.flatten(1).square().sum(1) for d in drawn.values())
    assert torch.allclose(lengths, torch.ones(5), atol=1e-5)
    assert set(drawn) == {n for n, _ in net().named_parameters()}


def test_perturbed_outputs_are_those_of_the_moved_network_and_the_network_stays():
    model, x = net(), spectral.grid(20)[1]
    before = {n: p.clone() for n, p in model.named_parameters()}
    found = perturbation.perturbed(model, x, 0.7, 3, seed=2)
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
    moved = perturbation.directions(model, 3, seed=2)
    with torch.no_grad():
        for p in (dict(model.named_parameters()),):
            for n in p:
                p[n] += 0.7 * moved[n][1]
        assert torch.allclose(model(x), found[1], atol=1e-5)
    for bad in (-1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="δ"):
            perturbation.perturbed(model, x, bad)
    with pytest.raises(ValueError, match="count"):
        perturbation.directions(model, 0)


def test_transfer_is_one_without_a_change_and_a_half_for_half_the_wave():
    mean, error = perturbation.transfer(net(), 0.0, (1, 2), 4)
    assert np.allclose(mean, 1, atol=1e-5) and np.allclose(error, 0, atol=1e-5)
    model = torch.nn.Linear(1, 1, bias=False)  # f = w x: with one parameter u = ±1, and T = mean of (w ± δ) / w
    model.weight.data.fill_(2.0)
    signs = perturbation.directions(model, 8, seed=0)["weight"].flatten()
    assert np.allclose(perturbation.transfer(model, 1.0, (1, 3), 8, seed=0)[0], 1 + 0.5 * float(signs.mean()), atol=1e-5)


# -------------------------------------------------------------------------------------------------- label noise


def test_the_radial_wave_and_the_digits():
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert torch.allclose(label_noise.radial_wave(x, 0.5), torch.sin(torch.tensor([2.5, 0.0])))
    (train, clean), (fresh, fresh_clean) = label_noise.digits()
    assert train.shape[1] == 64 and len(train) == len(clean) > len(fresh) == len(fresh_clean) > 50
    assert set(clean.tolist()) == {-1.0, 1.0}
    for bad in (0, -1.0, math.nan):
        with pytest.raises(ValueError, match="k is"):
            label_noise.radial_wave(x, bad)
    with pytest.raises(ValueError, match="β"):
        label_noise.curves(beta=-1.0)


def test_a_dip_is_a_part_of_the_end():
    assert label_noise.dip(np.array([[1.0, 1.0], [0.2, 0.5], [0.4, 0.5]])).tolist() == [0.5, 0.0]


# ---------------------------------------------------------------------------------------------------- manifolds


def test_flowers_close_and_have_their_petals():
    z = torch.arange(400) / 400
    for petals in (0, 3, 16):
        radius = manifolds.flower(z, petals).norm(dim=1)
        assert torch.allclose(manifolds.flower(torch.zeros(1), petals), manifolds.flower(torch.ones(1), petals), atol=1e-4)
        peaks = ((radius > radius.roll(1)) & (radius > radius.roll(-1))).sum() if petals else 0
        assert peaks == petals and radius.max() == pytest.approx(1.5 if petals else 1.0, abs=1e-2)
    for bad in (-1, 1.5, True):
        with pytest.raises(ValueError, match="petals"):
            manifolds.flower(z, bad)


def test_a_cone_is_a_fast_wave_on_a_flower_and_nothing_on_the_circle():
    z = torch.arange(128) / 128
    for petals in (0, 5):
        c = spectral.coefficients(2 * (manifolds.flower(z, petals).norm(dim=1) - 1), range(1, 12)).abs()
        wanted = np.zeros(11)
        if petals:
            wanted[petals - 1] = 1
        assert np.allclose(c, wanted, atol=1e-4)


def test_small_runs_have_the_shapes_that_they_state():
    run = manifolds.regression((0, 4), 2, 40, (2, 6), 16, 2)
    assert run.share.shape == (3, 2, 2, 2) and run.loss.shape == (2, 2) and (run.loss < 1.5).all()
    right = manifolds.classification((0, 4), (2, 30), 2, 60, 16, 2)
    assert set(right) == {"MSE", "BCE"} and all(r.shape == (2, 2, 2) and (r[:, 0] > r[:, 1]).all() for r in right.values())
