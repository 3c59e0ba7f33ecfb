"""Information discarding: the linear closed form, the deep case against direct search, and its invariances."""
import pytest
import torch
from torch import nn

from xaikit.dynamics import discarding


def spent(W, sigma):
    return (sigma.double() ** 2 * (W.double() ** 2).sum(0)).sum().item()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cap", [0.3, 1.0, float("inf")])
def test_no_other_noise_within_the_radius_has_a_larger_entropy(seed, cap):
    g = torch.Generator().manual_seed(seed)
    W = torch.randn(4, 8, generator=g, dtype=torch.float64) * torch.rand(8, generator=g, dtype=torch.float64) * 3
    sigma = discarding.linear_noise(W.norm(dim=0), 1.5, cap)
    assert (sigma <= cap).all() and spent(W, sigma) <= 1.5 ** 2 * (1 + 1e-9)
    assert (sigma >= cap).all() or spent(W, sigma) == pytest.approx(1.5 ** 2, rel=1e-9)
    for _ in range(200):  # any other: scaled to the radius, cut at the cap
        other = sigma * torch.exp(torch.randn(8, generator=g, dtype=torch.float64) * 0.3)
        other = other.clamp(max=cap)
        other = other * min(1.0, 1.5 / spent(W, other) ** 0.5)
        assert other.log().sum() <= sigma.log().sum() + 1e-9


def test_edges_of_the_linear_case():
    W = torch.tensor([[2.0, 0.0, 1.0]])
    sigma = discarding.linear_noise(W.norm(dim=0), 1.0, 5.0)
    assert sigma[1] == 5 and sigma[[0, 2]].tolist() == pytest.approx([0.5 ** 0.5 / 2, 0.5 ** 0.5])
    assert discarding.linear_noise(W.norm(dim=0), 0.0, 5.0).tolist() == [0, 5, 0]
    assert discarding.linear_noise(W.norm(dim=0), 1e6, 5.0).tolist() == [5, 5, 5]
    assert torch.isinf(discarding.linear_noise(W.norm(dim=0), 1.0))[1]
    rows = discarding.linear_noise(torch.tensor([[1.0, 2.0], [2.0, 2.0]]), 2.0, 1.2)
    assert torch.allclose(rows[0], discarding.linear_noise(torch.tensor([1.0, 2.0]), 2.0, 1.2))
    with pytest.raises(ValueError, match="radius"):
        discarding.linear_noise(W.norm(dim=0), -1.0)


def test_of_a_linear_layer_the_iteration_finds_the_closed_form():
    g = torch.Generator().manual_seed(3)
    W = torch.randn(15, 25, generator=g)
    W[:, 7] = 0
    found = discarding.discard(lambda x: x.flatten(1) @ W.T, torch.rand(2, 1, 5, 5, generator=g), 1.0, tau=3.0, cap=2.0,
                               steps=40, samples=100)
    expected = discarding.linear_noise(W.norm(dim=0), 3.0 ** 0.5, 2.0).view(5, 5)
    assert (found.sigma / expected).log().abs().max() < 0.15
    assert (found.sigma[:, 1, 2] == 2).all() and (found.moved <= 3.0).all() and (found.kept[:, 1, 2] == 0).all()


def test_of_a_deep_network_no_direct_search_finds_much_more_entropy():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(6 * 25, 8), nn.Tanh())
    x = torch.rand(1, 1, 5, 5)
    delta2 = discarding.spread(net, torch.rand(200, 1, 5, 5)).item()
    found = discarding.discard(net, x, delta2, tau=0.3, steps=40, samples=64)
    draws = torch.randn(400, 1, 5, 5, generator=torch.Generator().manual_seed(1))

    def moved(log_sigma):
        return (net(x + log_sigma.exp() * draws) - net(x)).square().sum(1).mean() / delta2

    own = found.sigma[0].log()
    assert moved(own).item() == pytest.approx(0.3, rel=0.15)
    level = moved(own).item()
    free = own.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([free], lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        (-free.clamp(max=0).mean() + (moved(free.clamp(max=0)) / level - 1).clamp(min=0) * 3).backward()
        optimizer.step()
    best = free.detach().clamp(max=0)
    best = best - max(0.0, 0.5 * torch.log(moved(best) / level).item())  # back within the radius
    assert best.mean() - own.mean() < 0.1  # nats a pixel


def test_units_of_the_layer_do_not_matter_and_the_network_is_left_alone():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
    before = [p.clone() for p in net.parameters()]
    x = torch.rand(2, 3, 8, 8)
    a = discarding.discard(net, x, discarding.spread(net, x))
    def large(x):
        return net(x) * 1000
    b = discarding.discard(large, x, discarding.spread(large, x))
    assert torch.allclose(a.sigma, b.sigma, rtol=1e-3)
    assert all(torch.equal(p, q) and p.grad is None for p, q in zip(net.parameters(), before, strict=True))
    again = discarding.discard(net, x, discarding.spread(net, x))
    assert torch.equal(a.sigma, again.sigma)
    assert not torch.equal(a.sigma, discarding.discard(net, x, discarding.spread(net, x), seed=1).sigma)


@pytest.mark.parametrize(("name", "value"), [("tau", 0), ("cap", -1), ("delta2", 0.0)])
def test_bad_settings_are_named(name, value):
    options = {"delta2": 1.0, name: value}
    with pytest.raises(ValueError, match=name):
        discarding.discard(lambda x: x, torch.rand(1, 1, 4, 4), **options)


def test_contrast_is_the_difference_of_means():
    kept = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    mask = torch.tensor([[[True, False], [False, False]]])
    assert discarding.contrast(kept, mask).item() == pytest.approx(1 - 3)
    assert torch.isnan(discarding.contrast(kept, ~mask & mask)).all()


def test_scenes_keep_the_foreground_longer_the_deeper_the_layer():
    from xaikit.studies import scene_noise

    shallow, deep = (scene_noise.contrasts(d) for d in ("layer 1", "layer 5"))
    assert (deep > shallow).all() and scene_noise.interval(deep - scene_noise.contrasts("layer 5", exchanged=True))[1] > 0
