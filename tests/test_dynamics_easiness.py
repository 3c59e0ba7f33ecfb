"""Arpit's measurements: easy examples, loss sensitivity, critical samples, capacity and what resists memorising."""
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import binom

from xaikit import train
from xaikit.claims import lecture05_examples as rows
from xaikit.claims import registered
from xaikit.dynamics import capacity, csr, easiness, resistance, sensitivity, stages
from xaikit.dynamics.memorization import mlp

MINE = {c.measure.__name__: c for c in registered("05") if c.measure.__module__ == rows.__name__}


# equally hard -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("E,n,p", [(100, 1000, 0.87), (7, 30, 0.2), (1, 5, 0.5)])
def test_the_curve_of_equally_hard_examples_is_binomial(E, n, p):
    wrong = torch.rand(E, n, generator=torch.Generator().manual_seed(0)) < p
    expected = binom.ppf((np.arange(1, n + 1) - 0.5) / n, E, wrong.double().mean().item()) / E
    assert np.allclose(easiness.equally_hard(wrong), expected)


def test_dispersion_keeps_its_level_and_finds_what_is_not_alike():
    """Of coin flips one in twenty has p < 0.05; hard and easy halves are found; the interval holds the ratio."""
    g = torch.Generator().manual_seed(1)
    found = [easiness.dispersion(torch.rand(50, 200, generator=g) < 0.7) for _ in range(200)]
    assert 0.95 < np.mean([r for r, _ in found]) < 1.05
    assert 0.01 < np.mean([p < 0.05 for _, p in found]) < 0.1
    halves = torch.rand(50, 200, generator=g) < torch.cat([torch.full((100,), 0.5), torch.full((100,), 0.9)])
    ratio, p = easiness.dispersion(halves)
    low, high = easiness.interval(halves)
    assert p < 1e-20 and low < ratio < high
    # p(1 − p) = 0.21 in the mean; within the halves the variance is p(1 − p)/E, between them 0.2²
    assert ratio == pytest.approx((0.04 + (0.25 + 0.09) / 2 / 50) / (0.21 / 50), rel=0.2)
    with pytest.raises(ValueError, match="no variation"):
        easiness.dispersion(torch.ones(3, 4))


def test_noise_drawn_anew_is_another_for_each_network_and_classes_are_alike():
    x, y = easiness.balanced_digits()
    assert torch.equal(y.bincount(), torch.full((10,), 100)) and x.mean(0).abs().max() < 1e-5
    a, b = easiness.noisy("randY", 0), easiness.noisy("randY", 1)
    assert torch.equal(a[0], x) and not torch.equal(a[1], b[1]) and torch.equal(a[1].bincount(), y.bincount())
    a = easiness.noisy("randX", 0)
    assert torch.equal(a[1], y) and not torch.allclose(a[0], x)
    assert torch.equal(easiness.noisy("real", 3)[0], x)
    wrong = easiness.one_epoch("randY", None, networks=4, n=200)
    assert wrong.shape == (4, 200) and wrong.dtype == torch.bool and 0.7 < wrong.float().mean() < 1


# sensitivity ------------------------------------------------------------------------------------------------------

def test_sensitivity_is_the_slope_of_each_loss_and_stacks_agree_with_networks():
    torch.manual_seed(0)
    nets = [mlp(5, 7, classes=4).double() for _ in range(3)]
    x, y = torch.randn(3, 6, 5).double(), torch.randint(4, (3, 6))
    together = sensitivity.loss_sensitivity(lambda z: torch.stack([n(v) for n, v in zip(nets, z, strict=True)]), x, y)
    for e, net in enumerate(nets):
        assert torch.allclose(sensitivity.loss_sensitivity(net, x[e], y[e]), together[e])
    h, net = 1e-6, nets[0]
    for n in range(6):
        steps = torch.eye(5).double() * h
        up, down = (F.cross_entropy(net(x[0, n] + s * steps), y[0, n].expand(5), reduction="none") for s in (1, -1))
        assert together[0, n] == pytest.approx(((up - down) / (2 * h)).abs().sum().item(), rel=1e-5)
    assert all(p.grad is None for p in net.parameters())


def test_gini_knows_its_ends_and_a_closed_form():
    assert sensitivity.gini(torch.ones(9)) == 0 and sensitivity.gini(torch.zeros(4)) == 0
    assert sensitivity.gini(torch.eye(8)[3]) == pytest.approx(1 - 1 / 8)
    g = torch.rand(50, 20)
    direct = (g[..., :, None] - g[..., None, :]).abs().sum((-1, -2)) / (2 * 20**2 * g.mean(-1))
    assert torch.allclose(sensitivity.gini(g), direct, atol=1e-5)
    assert torch.allclose(sensitivity.gini(7 * g), direct, atol=1e-5)
    exponential = torch.distributions.Exponential(1.0).icdf((torch.arange(20000).double() + 0.5) / 20000)
    assert sensitivity.gini(exponential) == pytest.approx(0.5, abs=1e-3)
    assert sensitivity.gini(torch.tensor([1, 2, 3])) == pytest.approx(2 / 9)


def test_class_terms_add_up_to_what_they_are():
    torch.manual_seed(0)
    net, x = mlp(5, 7, classes=3).double(), torch.randn(8, 5).double()
    y = torch.tensor([0, 0, 1, 1, 2, 2, 2, 0])
    matrix = sensitivity.class_sensitivity(net, x, y, 3)
    for i in range(3):
        for j in range(3):
            rows_ = x[y == j].clone().requires_grad_()
            p = net(rows_).softmax(1)[:, i]
            term = -(p.log() if i == j else (1 - p).log()).sum()
            assert matrix[i, j] == pytest.approx(torch.autograd.grad(term, rows_)[0].abs().sum(1).mean().item())


# critical samples -------------------------------------------------------------------------------------------------

def linear(w, b):
    """Two classes, the border where w·x + b = 0."""
    w = torch.tensor(w)
    return lambda x: torch.stack([x @ w + b, torch.zeros(x.shape[:-1])], -1)


def test_of_a_linear_classifier_just_those_within_reach_are_critical():
    """The border is within r of x in the maximum norm where |w·x + b| < r ‖w‖₁."""
    g = torch.Generator().manual_seed(0)
    x, w = torch.randn(400, 6, generator=g), [0.5, -1.0, 2.0, 0.3, -0.7, 1.1]
    f, r = linear(w, 0.2), 0.3
    reach = (x @ torch.tensor(w) + 0.2).abs() / sum(map(abs, w))
    found = csr.critical(f, x, r, steps=60)
    assert not found[reach > r].any() and found[reach < 0.75 * r].all() and 0.1 < found.float().mean() < 0.9


def test_what_lass_finds_is_in_the_box_and_has_another_class():
    torch.manual_seed(0)
    net, x = mlp(6, 12, classes=4), torch.randn(200, 6)
    before = [p.clone() for p in net.parameters()]
    given = x.clone()
    moved, found = csr.lass(net, x, 0.15, 0.06, 0.3, torch.randn(12, 200, 6))
    assert torch.equal(x, given) and all(torch.equal(p, q) and p.grad is None
                                         for p, q in zip(net.parameters(), before, strict=True))
    assert ((moved - x).abs() <= 0.3 + 1e-6).all() and not moved.requires_grad
    assert torch.equal(net(x).argmax(1) != net(moved).argmax(1), found) and 0 < found.sum() < 200
    shares = [csr.critical(net, x, r).float().mean() for r in (0.01, 0.1, 0.3, 1.0)]
    assert shares == sorted(shares) and shares[-1] > shares[0]
    for bad in (0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="radius"):
            csr.critical(net, x, bad)


def test_the_noise_leads_off_a_plateau():
    """Where the slope is 0, FGSM stands still; the border at 0.2 is found by the noise alone."""
    def f(x):
        right = (x[..., 0] > 0.2).float()
        return torch.stack([right, 1 - right], -1) + 0 * x.sum(-1, keepdim=True)

    x, noise = torch.zeros(50, 3), torch.randn(40, 50, 3, generator=torch.Generator().manual_seed(0))
    assert not csr.lass(f, x, 0.2, 0.0, 0.4, noise)[1].any()
    assert csr.lass(f, x, 0.2, 0.1, 0.4, noise)[1].float().mean() > 0.6  # a walk of 40 steps of 0.1 passes 0.2 in three of four


# the shared training ----------------------------------------------------------------------------------------------

def test_flat_weights_are_the_networks_that_were_trained():
    found = stages.training()
    for kind, e in (("real", 0), ("half randY", 4)):
        index = stages.rows(kind).start + e
        assert found.settings[index]["kind"] == kind and found.settings[index]["seed"] == e
        x = stages.sets(kind, e)[2]
        with torch.no_grad():
            alone = found.model(index)(x)
        assert torch.allclose(stages.networks(stages.measured("state", kind)[-1])(x.expand(5, -1, -1))[e], alone, atol=1e-4)
    assert (found.diverged == -1).all()


def test_kinds_are_what_their_names_say():
    x, y, held = stages.sets("real", 1)
    for kind, (inputs, labels) in {"randX": (True, False), "randY": (False, True)}.items():
        a, b, other = stages.sets(kind, 1)
        assert torch.allclose(a, x) is not inputs and torch.equal(b, y) is not labels
        assert torch.allclose(other, held, atol=1e-6) is not inputs
    agree = (stages.sets("half randY", 1)[1] == y).float().mean()
    assert 0.48 < agree < 0.62  # half kept, and a tenth of the rest by luck


def test_running_means_and_ratios_have_the_shape_of_moments_and_seeds():
    mean = stages.over_moments("real")
    f, x, y, _ = stages.at_moments("real")
    g = sensitivity.loss_sensitivity(f, x, y).view(len(stages.MOMENTS), 5, -1)
    assert torch.allclose(mean[-1], g.mean(0), rtol=1e-4) and torch.allclose(mean[0], g[0])
    assert stages.ratio_over_time("real").shape == stages.gini_over_time("real").shape == (len(stages.MOMENTS), 5)
    x, mean, low, high = stages.band(stages.ratio_over_time("real"))
    assert x == stages.MOMENTS and (low <= mean).all() and (mean <= high).all()


# capacity and regularisers ----------------------------------------------------------------------------------------

def test_a_network_too_small_for_noise_is_told_as_not_fitted():
    tiny = capacity.fitted(2, 100, ("real", "randY"), seeds=2, limit=20)
    assert len(tiny) == 4 and tiny["epochs"].eq(math.inf).all() and tiny["train"].lt(1).all()
    assert tiny["validation"].between(0, 1).all()
    wide = capacity.fitted(64, 100, ("real", "randX", "randY"))
    assert wide["epochs"].lt(math.inf).all() and wide["train"].eq(1).all()


def test_the_attack_is_the_sign_of_the_true_slope_and_only_in_training():
    torch.manual_seed(0)
    net = resistance.Attacked(mlp(6, 9, classes=10), 0.1).double()
    x, y = torch.randn(5, 6).double().requires_grad_(), torch.randint(10, (5, 1))
    (slope,) = torch.autograd.grad(F.cross_entropy(net.net(x), y[:, 0], reduction="sum"), x)
    assert torch.allclose(net.slope(x, y), slope)
    labelled = torch.cat([x.detach(), y.double()], 1)
    assert torch.allclose(net(labelled), net.net(x + 0.1 * slope.sign()))
    assert torch.allclose(net.eval()(labelled), net.net(x))


def test_several_steps_find_a_worse_point_of_the_box_than_one():
    torch.manual_seed(1)
    one = resistance.Attacked(mlp(6, 40), 0.5).double()
    many = resistance.Attacked(one.net, 0.5, 5)
    x, y = torch.randn(300, 6).double(), torch.randint(10, (300, 1))
    labelled = torch.cat([x, y.double()], 1)
    assert sum(many.attack(x, y).abs().amax(1) <= 0.5) == 300
    clean, single, several = (F.cross_entropy(out, y[:, 0]) for out in (one.net(x), one(labelled), many(labelled)))
    assert several > single + 0.01 > clean
    names = tuple(resistance.SLOW)
    rows = resistance.trained(seeds=2, n=60, width=8, moments=(20, 40), names=names)
    assert tuple(rows.by.unique()) == names and len(rows) == 8 and rows[["memorised", "validation"]].notna().all(axis=None)


def test_dropout_by_a_buffer_keeps_the_mean_and_differs_between_the_networks_of_a_stack():
    layer = resistance.Dropout(0.4)
    torch.manual_seed(0)
    out = layer(torch.ones(20000))
    assert out.mean() == pytest.approx(1, abs=0.02) and (out == 0).float().mean() == pytest.approx(0.4, abs=0.02)
    assert torch.equal(layer.eval()(torch.ones(5)), torch.ones(5))
    x, y = torch.randn(80, 64), torch.randint(10, (80,))
    found = train.fit_many(lambda s: resistance._network(s, 16), (x, y), [
        {"by": "dropout", "strength": r, "lr": 0.05} for r in (0.0, 0.9)], steps=60, batch_size=20, optimizer="sgd", progress=False)
    assert found.measured["loss"][-1, 0] < found.measured["loss"][-1, 1]


# the claims -------------------------------------------------------------------------------------------------------

def test_the_verdicts():
    found = {name: claim.measure() for name, claim in MINE.items()}
    assert {name: holds for name, (_, holds) in found.items()} == {
        "_real_is_far": True, "_inputs_are_on_it": False, "_labels_are_on_it": False, "_fresh_noise": True, "_gini": True,
        "_own_class": True, "_spread": True,
        "_capacity": True, "_time_by_width": True, "_time_by_size": False, "_critical": True, "_radius": False, "_grows": False,
        "_patterns_first": True, "_more_critical": True, "_capped": True, "_dropout": False}
    assert all(any(c.isdigit() for c in text) for text, _ in found.values())


def test_other_networks_would_have_other_verdicts(monkeypatch):
    """Untrained networks have no easy examples that last, no peak and no rise: each verdict turns."""
    coins = torch.rand(100, 1000, generator=torch.Generator().manual_seed(0)) < 0.5
    rows.dispersions.cache_clear()
    monkeypatch.setattr(easiness, "one_epoch", lambda kind, draw=0: coins)
    assert MINE["_real_is_far"].measure()[1] is False
    assert MINE["_inputs_are_on_it"].measure()[1] is True and MINE["_labels_are_on_it"].measure()[1] is True
    rows.dispersions.cache_clear()
    same = torch.full((len(stages.MOMENTS), 5), 0.5)
    monkeypatch.setattr(stages, "gini_over_time", lambda kind: same)
    monkeypatch.setattr(stages, "ratio_over_time", lambda kind: same)
    for name in ("_gini", "_critical", "_more_critical"):
        assert MINE[name].measure()[1] is False
    rows.peaks.cache_clear()
    monkeypatch.setattr(stages, "measured", lambda name, kind: torch.ones(len(stages.MOMENTS), 5))
    assert MINE["_patterns_first"].measure()[1] is False
    rows.peaks.cache_clear()
