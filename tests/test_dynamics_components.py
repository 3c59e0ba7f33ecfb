"""Components of images: the split, the ways to train, and what the experiments return."""
import numpy as np
import pytest
import torch
from torch import nn

from xaikit import studies
from xaikit.dynamics import components as c


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("radius", [0, 1.5, 3])
def test_the_parts_add_up_and_are_orthogonal(size, radius):
    x = torch.randn(4, 3, size, size, dtype=torch.float64)
    low, high = c.split(x, radius)
    assert torch.allclose(low + high, x) and abs((low * high).sum()) < 1e-9
    assert torch.allclose(c.split(low, radius)[0], low) and c.split(high, radius)[0].abs().max() < 1e-12


def test_a_wave_lies_inside_or_outside_of_the_disc():
    k = torch.arange(8) / 8
    wave = torch.cos(2 * torch.pi * (2 * k[:, None] + k)).expand(1, 8, 8)  # at distance √5 from the middle
    assert torch.allclose(c.split(wave, 2.3)[0], wave, atol=1e-6) and c.split(wave, 2.2)[0].abs().max() < 1e-6
    assert c.split(wave, 0)[0].abs().max() < 1e-6 and c.split(wave + 1, 0)[0].sub(1).abs().max() < 1e-6
    assert c.disc(8, 1).sum() == 5 and c.disc(8, 9).all()


@pytest.mark.parametrize(("images", "radius"), [(torch.rand(2, 8, 6), 2), (torch.rand(8), 2), (torch.rand(2, 8, 8), -1),
                                                (torch.rand(2, 8, 8), float("nan"))])
def test_bad_input_is_named(images, radius):
    with pytest.raises(ValueError, match="images are|a radius is"):
        c.split(images, radius)


def test_mix_up_mixes_images_and_labels_alike():
    x, y = torch.eye(4).view(4, 1, 2, 2), torch.arange(4)
    images, labels = c.mixed(x, y, copies=3, classes=4)
    assert images.shape == (12, 1, 2, 2) and torch.allclose(images.flatten(1), labels)  # an image is its own label here
    assert torch.allclose(labels.sum(1), torch.ones(12)) and 0 < labels.max(1).values.min() < 0.9
    assert torch.equal(images, c.mixed(x, y, 3, 4)[0]) and not torch.equal(images, c.mixed(x, y, 3, 4, seed=1)[0])


def test_smoothing_keeps_length_and_takes_roughness_away():
    kernels = torch.randn(8, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(c.smoothed(kernels, 0), kernels)
    smooth = c.smoothed(kernels, 0.5)
    assert torch.allclose(smooth.norm(dim=(2, 3)), kernels.norm(dim=(2, 3)))
    assert c.roughness(smooth[None]) < c.roughness(kernels[None])
    assert c.roughness(torch.ones(1, 2, 1, 5, 5)) < 1e-6
    one = torch.zeros(1, 1, 5, 5)
    one[..., 2, 2] = 1
    spread = c.smoothed(one, 0.25)[0, 0]
    assert spread[1, 1] == spread[2, 1] == spread[2, 2] / 4 and spread[0].abs().max() == 0


def test_the_attack_raises_the_loss_and_leaves_the_network():
    net, x, y = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), torch.rand(20, 1, 8, 8), torch.arange(20) % 10
    before = {k: v.clone() for k, v in net.state_dict().items()}
    moved = c.fast_gradient(net, x, y, 0.1)
    loss = nn.functional.cross_entropy
    assert loss(net(moved), y) > loss(net(x), y) and (moved - x).abs().max() <= 0.1 + 1e-6
    assert 0 <= moved.min() and moved.max() <= 1 and all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


def test_several_steps_stay_in_the_box_and_find_more_than_one():
    torch.manual_seed(2)
    net, x, y = nn.Sequential(nn.Flatten(), nn.Linear(64, 60), nn.ReLU(), nn.Linear(60, 10)), torch.rand(200, 1, 8, 8), torch.arange(200) % 10
    loss, one, many = nn.functional.cross_entropy, c.fast_gradient(net, x, y, 0.3), c.projected_gradient(net, x, y, 0.3, 20)
    assert (many - x).abs().max() <= 0.3 + 1e-6 and 0 <= many.min() and many.max() <= 1
    assert loss(net(many), y) > loss(net(one), y) + 0.01
    slope = torch.func.grad(lambda z: loss(net(z), y, reduction="sum"))(x)
    assert torch.allclose(one, (x + 0.3 * slope.sign()).clamp(0, 1), atol=1e-6)


def test_the_longer_run_of_attacks_begins_where_the_figure_of_the_notebook_does():
    rows = studies.table("06/attacks")
    assert len(rows) == 3 * 2 * 4 * 5
    mean = rows.groupby(["trained", "attack", "epsilon"]).accuracy.mean()
    for trained in (0, 1, 5):
        assert mean[trained, 1, 0.0] == mean[trained, 20, 0.0] > 0.9
        assert (mean[trained, 20] <= mean[trained, 1] + 0.01).all(), "more steps find no fewer"
    net, (z, labels) = c.on_components()["all", 0][0], c.digits()[2:]
    again = c.accuracy(net, c.projected_gradient(net, z, labels, 0.1, 20), labels)
    shipped = rows.query("trained == 0 and attack == 20 and epsilon == 0.1 and seed == 0").accuracy.item()
    assert again == pytest.approx(shipped, abs=0.03)


def test_interval_is_student_s():
    mean, low, high = c.interval(np.array([[1.0, 2.0, 3.0, 4.0, 5.0], [2.0] * 5]))
    assert mean.tolist() == [3, 2] and high[0] - 3 == pytest.approx(2.776445 * np.sqrt(2.5 / 5), rel=1e-5) and low[1] == high[1] == 2
    with pytest.raises(ValueError, match="two runs"):
        c.interval([[1.0]])


def test_networks_learn_what_their_component_tells(monkeypatch):
    """Few steps: all of a digit tells more than the corners of its spectrum, and each network is in eval mode."""
    found = c.table().groupby(["part", "radius"])[["train", "own", "test"]].mean()
    assert len(c.table()) == c.SEEDS * 9 and found.loc[("all", 0)].test > 0.9
    assert found.test["low", 1] < found.test["low", 4] and found.own["high", 4] < found.own["high", 1]
    assert (found.loc[("all", 0)].own == found.loc[("all", 0)].test) and not c.on_components()["all", 0][0].training


def test_shuffled_labels_are_learned_later_and_only_from_both_components():
    found = c.picked_up()
    accuracy = found.measured["all"].view(len(found.steps), 2, c.SEEDS).mean(2)
    assert (accuracy[5, 0] > accuracy[5, 1] + 0.3) and accuracy[-1].min() > 0.85
    lead = (found.measured["low 2"] - found.measured["high 2"])[-1].view(2, c.SEEDS).mean(1)
    assert lead[0] > lead[1] + 0.05
