"""Pixel flipping: planted maps that are known to be best and worst, areas in closed form, and what it must leave alone."""
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from xaikit import attribution, data, zoo
from xaikit.evaluate import (
    area_over_curve,
    bootstrap,
    flip_curves,
    pixel_flipping,
    random_map,
    rank_correlation,
    sobel,
)
from xaikit.evaluate.flipping import flipped, flipping_order, levels, replacement


class Weighing(nn.Module):
    """Two classes: Σ w x and 0.  Flipping a pixel x → 1 − x moves the first logit by w (1 − 2x) and nothing else."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, x):
        score = (x * self.weights).sum((1, 2, 3))
        return torch.stack([score, torch.zeros_like(score)], 1)


@pytest.fixture
def weighing():
    generator = torch.Generator().manual_seed(0)
    net = Weighing(torch.randn(1, 8, 8, generator=generator)).double()
    return net, torch.rand(5, 1, 8, 8, generator=generator, dtype=torch.float64)


def loss(net, x, target=None):
    """What flipping each pixel alone takes from the score: the perfect map for a weighing network."""
    return -net.weights * (1 - 2 * x)


PLANTED = {"best": loss, "worst": lambda net, x, target: -loss(net, x), "blind": random_map,
           "half": lambda net, x, target: loss(net, x) * (torch.arange(8) < 4)}


def test_a_planted_map_that_is_best_comes_out_best_and_its_opposite_worst(weighing):
    net, x = weighing
    table = pixel_flipping(net, x, 0, PLANTED, steps=16, share=0.5, output="logit").set_index(["order", "method"])
    areas = table.area.loc["highest"]
    assert areas["best"] > areas["half"] > areas["blind"] > areas["worst"] and areas["worst"] < 0
    assert table["rank"].loc["highest"].to_dict() == {"best": 1, "half": 2, "blind": 3, "worst": 4}
    assert table["rank"].loc["lowest"].to_dict() == {"best": 1, "half": 2, "blind": 3, "worst": 4}
    assert table["rank"].loc["near_zero", "best"] == 1 or table.area.loc["near_zero"].abs()["best"] < 0.05 * areas["best"]
    assert table.tied.loc["highest"].to_dict() == {"best": True, "half": False, "blind": False, "worst": False}
    assert (table.low <= table.area).all() and (table.area <= table.high).all() and table["rank"].loc["random"].isna().all()
    assert table.area.loc["random"].nunique() == 1, "a random order does not depend on the map"


def test_the_gain_over_random_maps_is_paired_and_their_curves_are_averaged(weighing):
    net, x = weighing
    settings = {"order": "highest", "steps": 16, "share": 0.5, "output": "logit"}
    table = pixel_flipping(net, x, 0, {"loss": loss, "random": None}, draws=3, **settings).set_index("method")
    areas = {name: torch.stack([area_over_curve(flip_curves(net, x, 0, R.sum(1), **settings)[0]) for R in maps]).mean(0)
             for name, maps in {"loss": [loss(net, x).detach().expand_as(x)],
                                "random": [random_map(net, x, seed=s) for s in range(3)]}.items()}
    assert table.area["random"] == pytest.approx(areas["random"].mean().item())
    mean, low, high = bootstrap((areas["loss"] - areas["random"]).numpy())
    assert table.loc["loss", ["gain", "gain_low", "gain_high"]].tolist() == pytest.approx([mean, low, high])
    assert table.gain_low["loss"] > 0 == table.gain["random"]
    assert np.isnan(pixel_flipping(net, x, 0, {"loss": loss}, **settings).gain).all()


def test_the_curve_and_its_area_in_closed_form(weighing):
    """Pixels go one by one, so the curve is f(x) less the sorted losses added up, and the area their weighted sum."""
    net, x = weighing
    row = pixel_flipping(net, x[:1], 0, {"best": loss}, order="highest", steps=64, share=1.0, output="logit").iloc[0]
    losses = np.sort(loss(net, x[:1]).detach().numpy().ravel())[::-1]
    expected = net(x[:1])[0, 0].item() - np.concatenate([[0], np.cumsum(losses)])
    assert np.allclose(row.score, expected) and list(row.flips) == list(range(65)) and (row.wrong == 0).all()
    assert row.area == pytest.approx(sum(loss_ * (64 - k) for k, loss_ in enumerate(losses)) / 65)
    assert row.under == pytest.approx(expected.mean())


def test_area_of_known_curves():
    assert area_over_curve(torch.tensor([[1.0, 0.5, 0.0]])).item() == pytest.approx(0.5)  # (0 + ½ + 1) / 3
    assert area_over_curve(torch.full((2, 9), 0.7)).tolist() == [0, 0]
    line = 1 - torch.linspace(0, 1, 101, dtype=torch.float64)
    assert area_over_curve(line).item() == pytest.approx(0.5)
    assert area_over_curve(1 + line * 0 + torch.arange(101)).item() == pytest.approx(-50)


def test_insertion_is_deletion_from_the_other_end():
    """What is left when the lowest go first is what is put back highest first."""
    x, other = torch.rand(1, 6, 6), torch.zeros(1, 6, 6)
    relevance = torch.randn(1, 6, 6, generator=torch.Generator().manual_seed(1))
    removed = flipped(x, other, flipping_order(relevance, "lowest")[0], torch.arange(37))
    inserted = flipped(other, x, flipping_order(relevance, "highest")[0], torch.arange(37))
    assert torch.equal(removed, inserted.flip(0))


@pytest.mark.parametrize(("order", "key"), [("highest", lambda r: -r), ("lowest", lambda r: r), ("near_zero", lambda r: r.abs())])
def test_orders(order, key):
    relevance = torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(2))
    turns = flipping_order(relevance, order)
    assert (turns.sort(1).values == torch.arange(35)).all()
    assert (key(relevance).flatten(1).gather(1, turns.argsort(1)).diff(dim=1) >= 0).all()


def test_ties_are_broken_by_chance_not_by_place():
    first = [(flipping_order(torch.zeros(1, 20, 20), seed=s)[0] < 40).nonzero()[:, 0].double().mean() for s in range(40)]
    assert np.mean(first) == pytest.approx(199.5, abs=15) and np.std(first) > 5


def test_replacements():
    x = torch.rand(2, 3, 16, 24)
    assert torch.equal(replacement(x, "flip"), 1 - x) and not replacement(x, "zero").any()
    assert torch.allclose(replacement(x, "mean")[1, 2], x[1, 2].mean())
    assert torch.allclose(replacement(torch.full((1, 1, 9, 9), 0.4), "blurred"), torch.tensor(0.4))
    assert replacement(x, "blurred").std() < 0.3 * x.std() and (replacement(x, 0.5) == 0.5).all()
    with pytest.raises(ValueError, match="blurred"):
        replacement(x, "white")


def test_levels():
    assert levels(100, 4, 0.2).tolist() == [0, 5, 10, 15, 20]
    for wrong in ({"steps": 30, "share": 0.2}, {"share": 0}, {"share": 1.5}, {"steps": 0}):
        with pytest.raises(ValueError):
            levels(100, **wrong)


@pytest.fixture(scope="module")
def digits():
    return zoo.load("digits-cnn"), data.digits(split="test").take(slice(0, 6))


def test_every_method_has_a_row_and_who_cannot_says_why(digits):
    net, d = digits
    quick = {"occlusion": {"window": 14, "stride": 14}, "smoothgrad": {"samples": 1}, "integrated_gradients": {"steps": 1},
             "path_gradients": {"steps": 1}}
    table = pixel_flipping(net, d.images[:2], d.labels[:2], order="highest", steps=2, options=quick)
    assert list(table.method) == [*attribution.METHODS, "random", "sobel"] and (table.why == "").all()
    dense = pixel_flipping(zoo.load("digits-mlp"), d.images[:2], d.labels[:2], order="highest", steps=2, options=quick).set_index("method")
    for name, method in attribution.METHODS.items():
        assert bool(dense.why[name]) == bool(method.needs) and np.isnan(dense.area[name]) == bool(method.needs)
    assert "global average pooling" in dense.why["cam"]


def test_batches_levels_and_seeds_change_nothing(digits):
    net, d = digits
    first, again, small = (pixel_flipping(net, d.images, d.labels, ["gradient"], steps=5, batch_size=b) for b in (64, 64, 6))
    pd.testing.assert_frame_equal(first, again)
    pd.testing.assert_frame_equal(first, small)
    own, wrong = flip_curves(net, d.images, d.labels, attribution.gradient(net, d.images, d.labels).sum(1), steps=5)
    with torch.no_grad():
        p = net(d.images).softmax(1)
    assert torch.allclose(own[:, 0], p.gather(1, d.labels[:, None])[:, 0], atol=1e-5) and own.shape == wrong.shape == (6, 6)
    assert torch.allclose(wrong[:, 0], p.scatter(1, d.labels[:, None], 0).amax(1), atol=1e-5)


def test_flipping_another_class_s_negative_pixels_raises_it(digits):
    """The slides' threes and eights: what speaks against 8 in a 3 holds the 8 back."""
    net, d = digits[0], data.digits(split="test")
    threes = d.images[d.labels == 3][:12]
    rules = {"features.0": attribution.ZBox(0.0, 1.0), "*": attribution.Gamma(0.25)}
    table = pixel_flipping(net, threes, 8, {"lrp": lambda m, x, t: attribution.lrp(m, x, t, rules=rules), "random": None},
                           order="lowest", steps=10, share=0.1, output="logit").set_index("method")
    assert table.high["lrp"] < 0 and table.area["lrp"] < table.area["random"] - 1


def test_the_network_is_left_alone(digits):
    net = zoo.load("digits-cnn").train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    pixel_flipping(net, digits[1].images[:2], 3, ["gradient", "lrp_epsilon"], steps=2)
    with pytest.raises(RuntimeError, match="mine"):
        pixel_flipping(net, digits[1].images[:2], 3, {"bad": lambda *a: (_ for _ in ()).throw(RuntimeError("mine"))}, steps=2)
    assert net.training and all(p.requires_grad and p.grad is None for p in net.parameters())
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert not any(m._forward_hooks for m in net.modules())


@pytest.mark.parametrize(("change", "error"), [
    ({"methods": ["gradeint"]}, "no method is called"), ({"order": "first"}, "order is one of"), ({"replace": "grey"}, "replace is one of"),
    ({"labels": 10}, "target 10 is out of range"), ({"images": torch.rand(2, 784)}, r"\(N, C, H, W\)|cannot take"),
    ({"options": {"nobody": {}}}, "options for 'nobody'"), ({"methods": []}, "no method is left"), ({"output": "score"}, "output is"),
    ({"batch_size": 0}, "batch_size must be"),
])
def test_wrong_questions_are_refused(digits, change, error):
    given = {"images": digits[1].images[:2], "labels": 3, "methods": ["gradient"], "steps": 2} | change
    with pytest.raises(ValueError, match=error):
        pixel_flipping(digits[0], **given)


def test_controls():
    x = torch.zeros(1, 3, 8, 8)
    x[..., 4:] = 1
    edges = sobel(None, x)
    assert edges.shape == x.shape and torch.allclose(edges.sum(1)[0, :, 3:5], torch.ones(8, 2)) and not edges[..., :3].any()
    assert torch.equal(sobel(None, x.transpose(2, 3)).transpose(2, 3), edges)
    a, b = (random_map(None, torch.zeros(4, 1, 9, 9), seed=s) for s in (0, 1))
    assert not torch.equal(a, b) and not torch.equal(a[0], a[1]) and torch.equal(a, random_map(None, torch.zeros(4, 1, 9, 9)))


def test_rank_correlation_is_scipy_s():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, (5, 40)), rng.normal(size=(5, 40))
    assert np.allclose(rank_correlation(a, b), [spearmanr(u, v).statistic for u, v in zip(a, b, strict=True)])
    assert rank_correlation(np.ones((1, 9)), b[:1, :9]) == 0


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    mean, low, high = bootstrap(rng.normal(2.0, 1.0, size=(400, 30)), draws=600)
    assert mean.shape == (400,) and 0.88 < ((low < 2) & (2 < high)).mean() < 0.98
