"""Gradient, gradient × input, SmoothGrad, guided backprop, deconvnet: against captum, by hand, and by
finite differences."""

import captum.attr as captum
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from xaikit import attribution
from xaikit.attribution import UnsupportedLayer


def network(seed=0, act=nn.ReLU):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        act(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3),
        act(),
        nn.Flatten(),
        nn.Linear(8 * 16, 12),
        act(),
        nn.Linear(12, 5),
    ).eval()


def images(n=4, seed=1):
    return torch.randn(n, 3, 12, 12, generator=torch.Generator().manual_seed(seed))


def mlp(seed, dtype=torch.float64):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 7), nn.ReLU(), nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3)).to(dtype)


TARGET = torch.tensor([0, 4, 2, 2])


def close(a, b):
    """To 1e-5 of the largest value."""
    assert (a - b).abs().max() <= 1e-5 * b.abs().max().clamp(min=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "ours, theirs",
    [
        ("gradient", lambda net, x: captum.Saliency(net).attribute(x, TARGET, abs=False)),
        ("gradient_x_input", lambda net, x: captum.InputXGradient(net).attribute(x, TARGET)),
        ("guided_backprop", lambda net, x: captum.GuidedBackprop(net).attribute(x, TARGET)),
        ("deconvnet", lambda net, x: captum.Deconvolution(net).attribute(x, TARGET)),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
@pytest.mark.filterwarnings("ignore")
def test_as_captum(ours, theirs, seed):
    net, x = network(seed), images(seed=seed + 10)
    close(attribution.METHODS[ours](net, x, TARGET), theirs(net, x.clone().requires_grad_()).detach())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), target=st.integers(0, 2))
def test_the_gradient_is_the_slope_of_finite_differences(seed, target):
    net = mlp(seed)
    x = torch.randn(2, 4, dtype=torch.float64)
    grad, h = attribution.gradient(net, x, target), 1e-7
    step = torch.eye(4, dtype=torch.float64) * h
    slope = torch.stack([(net(x + e) - net(x - e))[:, target] / (2 * h) for e in step], 1)
    assert ((grad - slope).abs() < 1e-6).double().mean() > 0.8  # a kink within 1e-7 may spoil one


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), a=st.floats(-3, 3), b=st.floats(-3, 3))
@pytest.mark.parametrize("name", ["gradient", "gradient_x_input", "smoothgrad"])
def test_linear_in_the_network(name, seed, a, b):
    f, g = mlp(seed), mlp(seed + 1)

    class Sum(nn.Module):
        def forward(self, x):
            return a * f(x) + b * g(x)

    x = torch.randn(3, 4, dtype=torch.float64)
    method = attribution.METHODS[name]
    torch.testing.assert_close(
        method(Sum(), x, 1), a * method(f, x, 1) + b * method(g, x, 1), rtol=1e-8, atol=1e-10
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_without_bias_gradient_times_input_adds_up_to_the_score(seed):
    net = mlp(seed)
    for m in net:
        if isinstance(m, nn.Linear):
            nn.init.zeros_(m.bias)
    x = torch.randn(3, 4, dtype=torch.float64)
    torch.testing.assert_close(
        attribution.gradient_x_input(net, x, 2).sum(1), net(x)[:, 2].detach(), rtol=1e-10, atol=1e-12
    )


def test_guided_backprop_and_deconvnet_by_hand():
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        net[2].weight.copy_(torch.tensor([[2.0, -3.0]]))
    x = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]])
    assert attribution.gradient(net, x, 0).tolist() == [[2, -3], [0, -3], [2, 0]]
    assert attribution.guided_backprop(net, x, 0).tolist() == [[2, 0], [0, 0], [2, 0]]
    assert attribution.deconvnet(net, x, 0).tolist() == [[2, 0], [2, 0], [2, 0]]


@pytest.mark.parametrize("name", ["guided_backprop", "deconvnet"])
def test_sensitivity_a_is_broken_as_the_lecture_says(name):
    class Slides(nn.Module):  # ReLU(ReLU(x1) − 1 − ReLU(x2))
        def forward(self, x):
            return F.relu(F.relu(x[:, :1]) - 1 - F.relu(x[:, 1:]))

    x = torch.tensor([[3.0, 0.5], [3.0, 1.0], [3.0, 1.9]])
    assert attribution.METHODS[name](Slides(), x, 0)[:, 1].tolist() == [0, 0, 0]
    assert attribution.gradient(Slides(), x, 0)[:, 1].tolist() == [-1, -1, -1]


@pytest.mark.parametrize("name", ["guided_backprop", "deconvnet"])
@pytest.mark.parametrize(
    "relu",
    [
        lambda x: x.clamp(min=0),
        lambda x: torch.clamp(x, 0),
        lambda x: x.clamp_min(0.0),
        lambda x: F.relu(input=x),
        lambda x: x.clip(min=0),
        lambda x: x.clone().clamp_(min=0),
        lambda x: x.clone().relu_(),
    ],
)
def test_a_relu_by_any_other_name(name, relu):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 3)
            self.relu = relu

        def forward(self, x):
            return self.b(self.relu(self.a(x)))

    torch.manual_seed(3)
    net, x = Net(), torch.randn(5, 4)
    got = attribution.METHODS[name](net, x, 1)
    net.relu = nn.ReLU()
    torch.testing.assert_close(got, attribution.METHODS[name](net, x, 1))
    assert not torch.allclose(got, attribution.gradient(net, x, 1))


@pytest.mark.parametrize("name", ["guided_backprop", "deconvnet"])
@pytest.mark.parametrize("act", [nn.GELU, nn.SiLU, nn.LeakyReLU, nn.ELU, nn.Softplus])
def test_an_activation_without_a_rule_is_refused_by_path(name, act):
    net = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(432, 3), act()))
    with pytest.raises(UnsupportedLayer, match="'1.1'"):
        attribution.METHODS[name](net, images())
    assert attribution.gradient(net, images()).isfinite().all()


def test_a_clamp_that_is_no_relu_keeps_its_own_derivative():
    net = nn.Sequential(nn.Flatten(), nn.Linear(432, 3))

    class Clamped(nn.Module):
        def forward(self, x):
            return net(x.clamp(0, 1)) + net(x.clamp(min=-1))

    torch.testing.assert_close(
        attribution.guided_backprop(Clamped(), images(), 1), attribution.gradient(Clamped(), images(), 1)
    )


def test_smoothgrad_without_noise_is_the_gradient():
    net, x = network(), images()
    close(attribution.smoothgrad(net, x, TARGET, samples=3, noise=0), attribution.gradient(net, x, TARGET))


def test_smoothgrad_is_the_mean_gradient_over_the_noise_it_says():
    net, x = network(), images(2)
    generator = torch.Generator().manual_seed(7)
    sigma = 0.2 * (x.flatten(1).max(1).values - x.flatten(1).min(1).values)[:, None, None, None]
    noisy = [x + sigma * torch.randn(3, 12, 12, generator=generator) for _ in range(5)]
    expected = torch.stack([attribution.gradient(net, z, TARGET[:2]) for z in noisy]).mean(0)
    close(attribution.smoothgrad(net, x, TARGET[:2], samples=5, noise=0.2, seed=7), expected)


def test_smoothgrads_seed():
    net, x = network(), images(2)
    same, other = (attribution.smoothgrad(net, x, 1, samples=4, seed=s) for s in (3, 4))
    assert torch.equal(same, attribution.smoothgrad(net, x, 1, samples=4, seed=3))
    assert not torch.allclose(same, other)


def test_smoothgrad_smooths():
    """With many samples two seeds agree far better than two single noisy gradients do."""
    net, x = network(), images(1)
    few = [attribution.smoothgrad(net, x, 1, samples=1, seed=s) for s in (0, 1)]
    many = [attribution.smoothgrad(net, x, 1, samples=60, seed=s) for s in (0, 1)]
    assert (many[0] - many[1]).norm() < 0.4 * (few[0] - few[1]).norm()


@pytest.mark.parametrize(
    "options, error",
    [
        ({"samples": 0}, ValueError),
        ({"samples": 2.5}, TypeError),
        ({"noise": -0.1}, ValueError),
        ({"noise": float("nan")}, ValueError),
        ({"noise": float("inf")}, ValueError),
        ({"noise": "much"}, ValueError),
    ],
)
def test_smoothgrads_options(options, error):
    with pytest.raises(error, match="samples|noise"):
        attribution.smoothgrad(network(), images(), 0, **options)
