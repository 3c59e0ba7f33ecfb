"""DeepLIFT: the slides' numbers, agreement with captum, completeness, and what it must refuse."""
import copy
import warnings

import pytest
import torch
import torch.nn.functional as F
import torchvision
from captum.attr import DeepLift as CaptumDeepLift
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from xaikit import data, zoo
from xaikit.attribution import UnsupportedLayer, deep_lift, integrated_gradients


def images(n, *shape, dtype=torch.float64, seed=1):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def gap(net, x, found, target, baseline):
    """|Σ attributions − (F(x) − F(baseline))|, the largest of the batch."""
    with torch.no_grad():
        rise = (net(x) - net(baseline.expand_as(x)))[:, target]
    return (found.flatten(1).sum(1) - rise).abs().max().item()


class Slide(nn.Module):
    """The slides' pair: equal everywhere, written differently."""

    def __init__(self, which):
        super().__init__()
        self.which = which

    def forward(self, x):
        x1, x2 = x[:, :1], x[:, 1:]
        return F.relu(F.relu(x1) - 1 - F.relu(x2)) if self.which == "f" else F.relu(F.relu(x1 - 1) - F.relu(x2))


@pytest.mark.parametrize("which, expected", [("f", (1.5, -0.5)), ("g", (2.0, -1.0))])
def test_the_slides_pair(which, expected):
    found = deep_lift(Slide(which), torch.tensor([[3.0, 1.0]], dtype=torch.float64), 0)
    assert found[0].tolist() == list(expected)


def test_a_slope_over_the_whole_step_by_hand():
    net = nn.Sequential(nn.Linear(2, 1, bias=False), nn.Sigmoid()).double()
    net[0].weight.data = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    x, base = torch.tensor([[3.0, 0.5]], dtype=torch.float64), torch.tensor([[1.0, 1.0]], dtype=torch.float64)
    slope = (torch.sigmoid(torch.tensor(2.0)) - torch.sigmoid(torch.tensor(-1.0))).item() / 3
    found = deep_lift(net, x, 0, base)
    torch.testing.assert_close(found, torch.tensor([[2.0 * slope, 1.0 * slope]], dtype=torch.float64), atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("act", [nn.ReLU, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.LeakyReLU, nn.ELU])
def test_agrees_with_captum_where_captum_is_right(act):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 5, 3), act(), nn.Conv2d(5, 4, 3, stride=2), act(), nn.AvgPool2d(2), nn.Flatten(),
                        nn.Linear(16, 8), act(), nn.Linear(8, 3)).eval()
    x, base = images(3, 2, 12, 12, dtype=torch.float32), images(3, 2, 12, 12, dtype=torch.float32, seed=2)
    for baseline in (torch.zeros(1, 2, 12, 12), base):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = CaptumDeepLift(copy.deepcopy(net)).attribute(x, baseline.expand_as(x), target=2).detach()
        assert (deep_lift(net, x, 2, baseline) - expected).abs().max() <= 1e-5


def test_a_linear_network_is_gradient_times_difference():
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(27, 2)).double().eval()
    x, base = images(2, 2, 8, 8), images(2, 2, 8, 8, seed=4)
    torch.testing.assert_close(deep_lift(net, x, 1, base), integrated_gradients(net, x, 1, baseline=base, steps=1))


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1), nn.AdaptiveMaxPool2d(3)])
def test_a_relu_directly_before_max_pooling_stays_complete(pool, inplace):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(inplace), pool, nn.Conv2d(6, 8, 2), nn.ReLU(inplace), nn.MaxPool2d(2),
                        nn.Flatten(), nn.LazyLinear(3)).double()
    net(x := images(5, 2, 12, 12))
    for base in (torch.zeros(1, 2, 12, 12).double(), images(5, 2, 12, 12, seed=3)):
        assert gap(net, x, deep_lift(net, x, 1, base), 1, base) < 1e-10


def test_the_largest_of_a_window_gets_what_the_window_gained():
    net = nn.Sequential(nn.MaxPool1d(3), nn.Flatten())
    x, base = torch.tensor([[[5.0, 1.0, 2.0]]]), torch.tensor([[[0.0, 3.0, 1.0]]])
    assert deep_lift(net, x, 0, base).tolist() == [[[2.0, 0.0, 0.0]]]  # 5 − 3, to the winner now
    assert deep_lift(net, base, 0, x).tolist() == [[[-2.0, 0.0, 0.0]]]  # 3 − 5, to the winner before


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "densenet121", "mobilenet_v2"])
def test_residual_and_concatenating_networks_are_complete(name):
    torch.manual_seed(0)
    net = getattr(torchvision.models, name)(weights=None).double().eval()
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(), m.running_var.uniform_(.5, 2), m.weight.data.uniform_(.5, 1.5), m.bias.data.normal_()
    x = images(2, 3, 64, 64)
    for base in (torch.zeros(1, 3, 64, 64).double(), images(2, 3, 64, 64, seed=3)):
        assert gap(net, x, deep_lift(net, x, 3, base), 3, base) < 1e-10


@pytest.mark.parametrize("name", ["digits-mlp", "digits-cnn", "digits-resnet"])
def test_the_networks_of_the_course_are_complete(name):
    net, x = zoo.load(name).double(), data.digits(split="test").images[:8].double()
    for base in (torch.zeros(1, 1, 28, 28).double(), x.flip(0)):
        assert gap(net, x, deep_lift(net, x, 3, base), 3, base) < 1e-10


class Written(nn.Module):
    def __init__(self, style):
        super().__init__()
        torch.manual_seed(2)
        self.a, self.b, self.act, self.style = nn.Conv1d(3, 3, 3, padding=1), nn.Linear(3, 2), nn.ReLU(), style

    def forward(self, x):
        if self.style == "modules":
            h = self.act(self.a(self.act(self.a(x)) + x))
            h = torch.cat([h, torch.sigmoid(h)], 2)
            return self.b(F.adaptive_max_pool1d(h, 1)[:, :, 0])
        h = self.a(x).relu_()
        h += x
        h = F.relu(self.a(h), inplace=True)
        h = torch.cat([h, h.sigmoid()], dim=-1)
        h = {"named tuple": lambda h: h.max(2).values, "amax": lambda h: h.amax(2), "pool": lambda h: F.max_pool1d(h, 16).flatten(1)}[
            self.style](h)
        return F.linear(h, self.b.weight) + self.b.bias


@pytest.mark.parametrize("style", ["named tuple", "amax", "pool"])
def test_it_does_not_matter_how_the_network_is_written(style):
    x, base = images(3, 3, 8), images(1, 3, 8, seed=5)
    expected, found = (deep_lift(Written(s).double(), x, 0, base) for s in ("modules", style))
    torch.testing.assert_close(found, expected)
    assert gap(Written(style).double(), x, found, 0, base) < 1e-10


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.tuples(st.integers(1, 9), st.sampled_from(
    [nn.ReLU(), nn.Sigmoid(), nn.Tanh(), nn.Softplus(), nn.GELU(), nn.Hardtanh(), nn.SiLU(), nn.PReLU()])), max_size=4))
def test_random_networks_are_complete(seed, layers):
    torch.manual_seed(seed)
    sizes = [5, *[width for width, _ in layers]]
    net = nn.Sequential(*[m for a, (b, act) in zip(sizes, layers, strict=False) for m in (nn.Linear(a, b), act)],
                        nn.Linear(sizes[-1], 3)).double()
    x, base = images(4, 5, seed=seed), images(4, 5, seed=seed + 1)
    base[:, 0] = x[:, 0]
    found = deep_lift(net, x, 1, base)
    assert gap(net, x, found, 1, base) < 1e-10
    assert not found[:, 0].any()  # what did not change gets nothing


def test_a_step_that_vanishes_has_the_derivative_as_slope():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.Sigmoid(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)).double()
    x = images(3, 4)
    assert not deep_lift(net, x, 0, x).any()
    points = x.clone().requires_grad_()
    slope, = torch.autograd.grad(net(points)[:, 0].sum(), points)
    for step in (1e-4, 1e-9, 1e-13):
        found = deep_lift(net, x, 0, x - step) / (x - (x - step))
        assert (found - slope).abs().max() < 1e-3


def test_layers_that_fold_the_images_together():
    class Patches(nn.Module):
        """Sees each half of an image on its own, as one longer batch."""

        def __init__(self):
            super().__init__()
            self.inner, self.out = nn.Linear(4, 3), nn.Linear(6, 2)

        def forward(self, x):
            return self.out(F.relu(self.inner(x.reshape(-1, 4))).reshape(len(x), 6))

    net, x = Patches().double(), images(3, 8)
    for base in (torch.zeros(1, 8).double(), images(1, 8, seed=3)):
        assert gap(net, x, deep_lift(net, x, 1, base), 1, base) < 1e-10


def test_one_batch_or_many_baselines_and_targets_of_each():
    net = Written("pool").double()
    x, base, target = images(4, 3, 8), images(4, 3, 8, seed=9), torch.tensor([1, 0, 0, 1])
    together = deep_lift(net, x, target, base)
    apart = torch.cat([deep_lift(net, x[i:i + 1], int(target[i]), base[i]) for i in range(4)])
    torch.testing.assert_close(together, apart, atol=1e-12, rtol=1e-10)
    assert not together.requires_grad
    one = deep_lift(net, x, target, base[0])
    torch.testing.assert_close(one, deep_lift(net, x, target, base[:1].expand_as(x).clone()))
    assert torch.equal(deep_lift(net, x), deep_lift(net, x, net(x).argmax(1)))
    assert torch.equal(deep_lift(net, x, 0), deep_lift(net, x, 0, 0.0))


class Head(nn.Module):
    def __init__(self, last):
        super().__init__()
        self.inner, self.last = nn.Linear(4, 4), last

    def forward(self, x):
        return self.last(self.inner(x))


@pytest.mark.parametrize("last", [
    nn.Softmax(1), nn.LayerNorm(4), lambda z: z * z, lambda z: z / z.sum(1, keepdim=True), lambda z: 1 / z, lambda z: z @ z.T,
    lambda z: F.dropout(z, 0.5), lambda z: z.sort(1).values, lambda z: torch.max(z, 1 - z),
    nn.BatchNorm1d(4, track_running_stats=False)])
def test_a_layer_no_rule_covers_is_named_before_any_heatmap(last):
    with pytest.raises(UnsupportedLayer, match="DeepLIFT: layer '(last|\\(the network\\))'"):
        deep_lift(Head(last), images(4, 4, dtype=torch.float32), 0)


@pytest.mark.parametrize("turn", [lambda z: z.relu() if z.sum() > 5 else z.sigmoid(), lambda z: z.relu() if z.sum() > 5 else z,
                                  lambda z: z if z.sum() > 5 else z.relu()])
def test_a_network_that_turns_elsewhere_for_the_baseline(turn):
    class Turning(nn.Module):
        def forward(self, x):
            return turn(x)

    with pytest.raises(UnsupportedLayer, match="same order"):
        deep_lift(Turning(), torch.full((2, 4), 9.0), 0)


def test_a_baseline_where_the_network_is_infinite():
    with pytest.raises(ValueError, match="infinite"):
        deep_lift(nn.Sequential(Log()), torch.ones(1, 2), 0)


class Log(nn.Module):
    def forward(self, x):
        return x.log()


@pytest.mark.parametrize("model, x, target, baseline, error", [
    (lambda x: x, images(1, 4), 0, None, TypeError), (nn.Linear(4, 2).double(), images(1, 4), 2, None, ValueError),
    (nn.Linear(4, 2).double(), images(1, 4), 0, torch.zeros(3), ValueError),
    (nn.Linear(4, 2).double(), images(1, 4), 0, "black", TypeError),
    (nn.Linear(4, 2).double(), images(1, 4), 0, torch.full((1, 4), float("nan")), ValueError)])
def test_bad_input(model, x, target, baseline, error):
    with pytest.raises(error):
        deep_lift(model, x, target, baseline)


@pytest.mark.parametrize("fails", [False, True])
def test_network_and_input_stay_as_they_were(fails):
    net = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(4, 2),
                        *[nn.Softmax(1)] * fails).train()
    x, base, before = images(3, 4, dtype=torch.float32), images(3, 4, dtype=torch.float32, seed=8), copy.deepcopy(net.state_dict())
    originals = x.clone(), base.clone()
    with torch.no_grad() if fails else torch.inference_mode():
        if fails:
            with pytest.raises(UnsupportedLayer):
                deep_lift(net, x, 0, base)
        else:
            deep_lift(net, x, 0, base)
    assert torch.equal(x, originals[0]) and torch.equal(base, originals[1])
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert all(m.training and not m._forward_hooks and not m._forward_pre_hooks for m in net.modules())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())
