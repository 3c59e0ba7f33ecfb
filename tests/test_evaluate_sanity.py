"""Randomised weights: what must fall, what cannot, and that the caller's network is not the one that is randomised."""
import numpy as np
import pytest
import torch

from xaikit import attribution, data, zoo
from xaikit.evaluate import randomised, sanity, similarity
from xaikit.evaluate.sanity import layers


@pytest.fixture(scope="module")
def digits():
    return zoo.load("digits-cnn"), data.digits(split="test").images[:6]


@pytest.fixture(scope="module")
def table(digits):
    net, x = digits
    planted = {"gradient": None, "guided_backprop": None, "sobel": None, "random": None, "image": lambda m, x, t: x,
               "last layer": lambda m, x, t: x * m.head.weight[t].sum(1).view(-1, 1, 1, 1).sign()}
    return sanity(net, x, planted).set_index(["method", "depth"])


def test_layers_from_the_top(digits):
    assert layers(digits[0]) == ["head", "features.6", "features.3", "features.0"]
    assert layers(zoo.load("digits-resnet"))[0] == "head"


def test_nothing_is_lost_at_depth_0_and_constants_stay(table):
    at_start = table.xs(0, level="depth")
    assert np.allclose(at_start[["absolute", "signed", "ssim"]], 1) and (at_start.layer == "").all()
    for name in ("sobel", "image"):
        assert np.allclose(table.loc[name][["absolute", "signed", "ssim"]], 1), "a map that asks no network cannot fail to stay"
    assert np.allclose(table.loc["sobel"].edges, 1)


def test_a_map_of_the_network_s_falls_and_guided_backprop_less(table):
    assert table.loc["gradient"].signed[1:].abs().max() < 0.35
    assert table.loc["random"].absolute[1:].abs().max() < 0.1
    assert table.loc["guided_backprop"].signed[1] > table.loc["gradient"].signed[1] + 0.4
    assert list(table.loc["gradient"].layer) == ["", "head", "features.6", "features.3", "features.0"]
    assert table.loc["last layer"].absolute.iloc[1] == pytest.approx(1), "|map| does not see a sign that turns"
    assert table.loc["last layer"].signed.iloc[1] < 1
    assert ((table.low <= table.absolute + 1e-9) & (table.absolute <= table.high + 1e-9)).all()


def test_randomised_changes_the_named_layers_of_a_copy_only(digits):
    net = digits[0]
    before = {k: v.clone() for k, v in net.state_dict().items()}
    one, two = randomised(net, ["head"]), randomised(net, ["head", "features.6"])
    for key, value in before.items():
        assert torch.equal(net.state_dict()[key], value)
        drawn = key.startswith("head")
        assert torch.equal(one.state_dict()[key], value) != drawn
        assert torch.equal(two.state_dict()[key], one.state_dict()[key]) != key.startswith("features.6"), "a cascade adds one layer"
    weights, old = one.head.weight, net.head.weight
    assert weights.std().item() == pytest.approx(old.std().item(), rel=0.15) and abs(np.corrcoef(
        weights.detach().flatten(), old.detach().flatten())[0, 1]) < 0.15
    assert not torch.equal(randomised(net, ["head"], seed=1).head.weight, weights)
    with pytest.raises(ValueError, match=r"features\.3"):
        randomised(net, ["features.4"])


def test_similarity():
    a = torch.randn(2, 9, 9, generator=torch.Generator().manual_seed(0))
    alike = similarity(a, -3 * a)
    assert np.allclose(alike["absolute"], 1) and np.allclose(alike["signed"], -1) and np.allclose(alike["ssim"], 1)
    other = similarity(a, a.flip(0))
    assert all((abs(v) < 0.5).all() for v in other.values())
    assert (similarity(a, torch.zeros_like(a))["absolute"] == 0).all()


def test_methods_that_cannot_say_why_and_the_network_is_left_alone(digits):
    net = zoo.load("digits-mlp").train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    found = sanity(net, digits[1][:2], ["cam", "gradient"], draws=2, batch_size=1).set_index("method")
    assert "global average pooling" in found.why["cam"].iloc[0] and found.absolute["cam"].isna().all()
    assert found.absolute["gradient"].notna().all() and (found.images["gradient"] == 2).all()
    assert net.training and all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())


def test_seeds_and_batches(digits):
    net, x = digits
    a, b, c = (sanity(net, x[:4], ["gradient"], seed=s, batch_size=n) for s, n in ((0, 64), (0, 3), (5, 64)))
    assert np.allclose(a.signed, b.signed, atol=1e-5) and not np.allclose(a.signed[1:], c.signed[1:], atol=1e-3)


def test_a_network_without_parameters_is_refused(digits):
    with pytest.raises(ValueError, match="nothing to randomise"):
        sanity(torch.nn.Flatten(), digits[1], ["gradient"])


def test_lrp_is_no_edge_detector_and_its_magnitude_follows_the_input(digits):
    """What lecture 03 says of its figure: below 1 at every depth, and |R| keeps the picture's zeros."""
    net, x = digits
    found = sanity(net, x, ["lrp_epsilon", "gradient"]).set_index(["method", "depth"])
    assert (found.loc["lrp_epsilon"].edges < 0.9).all()
    assert found.loc["lrp_epsilon"].absolute[4] > found.loc["gradient"].absolute[4] + 0.4
    assert attribution.lrp(net, x)[x == 0].abs().max() == 0
