"""What goes wrong in today's releases of other libraries, once each: here it is right."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from xaikit import attribution
from xaikit.attribution import (
    METHODS,
    AlphaBeta,
    Epsilon,
    completeness_gap,
    deep_lift,
    integrated_gradients,
    lrp,
    occlusion,
    quadrature,
)
from xaikit.attribution.relevance import relevance_budget

each_method = pytest.mark.parametrize("name", list(METHODS))


def draw(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class Relus(nn.Module):
    """Two hidden layers, their ReLUs written in one of the ways people write them."""

    def __init__(self, way):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.c = nn.Linear(6, 9), nn.Linear(9, 9), nn.Linear(9, 3)
        self.act, self.inplace, self.way = nn.ReLU(), nn.ReLU(inplace=True), way

    def forward(self, x):
        relu = {
            "F.relu": F.relu,
            "x.relu()": lambda z: z.relu(),
            "in place": self.inplace,
            "x.relu_()": lambda z: z.relu_(),
            "one module twice": self.act,
        }[self.way]
        return self.c(relu(self.b(relu(self.a(x)))))


def plain():
    """The same network in the one form that every library can read."""
    net = Relus("F.relu").double()
    return nn.Sequential(net.a, nn.ReLU(), net.b, nn.ReLU(), net.c)


@pytest.mark.parametrize("way", ["F.relu", "x.relu()", "in place", "x.relu_()", "one module twice"])
@pytest.mark.parametrize(
    "name", ["guided_backprop", "deconvnet", "deep_lift", "lrp_epsilon", "lrp_alpha_beta"]
)
def test_1_relus_called_as_functions_in_place_or_twice_are_not_seen(name, way):
    net, x = Relus(way).double(), draw(5, 6)
    got = METHODS[name](net, x, 1)
    torch.testing.assert_close(got, METHODS[name](plain(), x, 1), rtol=1e-10, atol=1e-12)
    assert (got - attribution.gradient(net, x, 1)).abs().max() > 1e-3  # not silently the gradient
    if name == "deep_lift":
        assert completeness_gap(net, x, got, 1).max() < 1e-10


@pytest.mark.parametrize("baseline", [0.0, 0.7, "random"])
def test_2_deep_lift_loses_completeness_where_max_pooling_follows_a_relu(baseline):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 4, 4),
    ).double()
    x = draw(6, 1, 12, 12)
    b = draw(6, 1, 12, 12, seed=1) if baseline == "random" else baseline
    credit = deep_lift(net, x, 2, baseline=b)
    assert completeness_gap(net, x, credit, 2, baseline=b).max() < 1e-10


@pytest.fixture(scope="module")
def resnet():
    """ResNet-18 with random weights and the batch norm statistics of a network that has seen something."""
    from torchvision.models import resnet18

    torch.manual_seed(0)
    net = resnet18(weights=None)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.normal_(m.running_mean, 0, 0.2)
            nn.init.uniform_(m.running_var, 0.5, 2)
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.normal_(m.bias, 0, 0.2)
    return net.double().eval()


def test_3_lrp_explodes_on_residual_networks(resnet):
    x = draw(2, 3, 64, 64)
    target = resnet(x).argmax(1)
    logit = resnet(x).gather(1, target[:, None])[:, 0].detach().numpy()
    budget = relevance_budget(resnet, x, target, Epsilon(0))
    assert abs(budget["logit"] - logit).max() < 1e-10
    assert abs(budget["input"] + budget["bias"] - logit).max() < 1e-10  # nothing is lost, nothing made up
    assert (
        abs(budget["input"] - lrp(resnet, x, target, rules=Epsilon(0)).flatten(1).sum(1).numpy()).max()
        < 1e-10
    )
    assert abs(budget["input"]).max() < 3 * abs(logit).max()


def without_bias(net):
    """The same network with nothing added to its activations, so that all relevance has to reach the
    input."""
    net = copy.deepcopy(net)
    for m in net.modules():
        if getattr(m, "bias", None) is not None:
            nn.init.zeros_(m.bias)
        if isinstance(m, nn.BatchNorm2d):
            nn.init.zeros_(m.running_mean)
    return net


def test_3_without_biases_the_relevance_of_a_residual_network_is_its_logit(resnet):
    net, x = without_bias(resnet), draw(2, 3, 64, 64)
    logit = net(x)[:, 7].detach()
    got = lrp(net, x, 7, rules=Epsilon(0)).flatten(1).sum(1)
    assert ((got - logit).abs() <= 1e-10 * logit.abs().max()).all()


def test_3_lrp_where_paths_are_concatenated():
    class Fire(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.s, self.a, self.b, self.head = (
                nn.Conv2d(3, 4, 1),
                nn.Conv2d(4, 5, 1),
                nn.Conv2d(4, 5, 3, padding=1),
                nn.Linear(10, 3),
            )

        def forward(self, x):
            z = F.relu(self.s(x))
            return self.head(torch.cat([F.relu(self.a(z)), F.relu(self.b(z))], 1).mean((2, 3)))

    net, x = Fire().double(), draw(3, 3, 8, 8)
    budget = relevance_budget(net, x, 1, Epsilon(0))
    assert abs(budget["input"] + budget["bias"] - net(x)[:, 1].detach().numpy()).max() < 1e-10
    net = without_bias(net)
    got = lrp(net, x, 1, rules=Epsilon(0)).flatten(1).sum(1)
    torch.testing.assert_close(got, net(x)[:, 1].detach(), rtol=1e-10, atol=1e-10)


def conv_net(dtype=torch.float64):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 6, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 4),
    )
    net(torch.rand(9, 2, 10, 10))
    return net.to(dtype)


def everything(net):
    return (
        {k: v.clone() for k, v in net.state_dict().items()},
        [
            (
                m.training,
                getattr(m, "inplace", None),
                len(m._forward_hooks),
                len(m._forward_pre_hooks),
                len(m._backward_hooks),
                len(m._backward_pre_hooks),
                {k for k in vars(m)},
            )
            for m in net.modules()
        ],
        [(p.requires_grad, p.grad, p.data_ptr()) for p in net.parameters()],
    )


@each_method
@pytest.mark.parametrize("fails", [False, True])
def test_4_the_callers_network_is_changed(name, fails):
    net, x = conv_net().train(), draw(3, 2, 10, 10)
    weights, modules, parameters = everything(net)
    for _ in range(2):  # and the second call still works: no rule was used up
        if fails:
            with pytest.raises(ValueError):
                METHODS[name](net, x, torch.tensor([0, 1, 99]))
        else:
            first = METHODS[name](net, x, 1)
    weights_after, modules_after, parameters_after = everything(net)
    assert all(torch.equal(weights[k], weights_after[k]) for k in weights)  # batch norm statistics among them
    assert modules == modules_after and parameters == parameters_after
    if not fails:
        assert torch.equal(first, METHODS[name](copy.deepcopy(net), x, 1))


@each_method
def test_5_nan_in_and_a_finite_heatmap_out(name):
    x = draw(2, 2, 10, 10)
    x[1, 0, 3, 4] = float("nan")
    with pytest.raises(ValueError, match=r"nan at \[1, 0, 3, 4\]"):
        METHODS[name](conv_net(), x, 1)


@each_method
@pytest.mark.parametrize("target", [4, -1, -4])
def test_5_a_target_out_of_range_is_swallowed(name, target):
    with pytest.raises(ValueError, match=f"target {target} is out of range: the network has 4 outputs"):
        METHODS[name](conv_net(), draw(2, 2, 10, 10), target)


@each_method
def test_5_an_integer_image_fails_obscurely(name):
    with pytest.raises(TypeError, match="x is torch.uint8.*x.float()"):
        METHODS[name](conv_net(), (draw(2, 2, 10, 10) > 0).byte(), 1)


@pytest.mark.parametrize("rule", attribution.RULES)
@pytest.mark.parametrize("steps", [1, 2, 50, 300])
def test_6_quadrature_weights_that_do_not_sum_to_one(rule, steps):
    assert abs(quadrature(steps, rule)[1].sum().item() - 1) < 1e-12
    linear, x = (
        nn.Linear(5, 2).double(),
        draw(3, 5),
    )  # so a linear function is explained exactly, by every rule
    assert (
        completeness_gap(linear, x, integrated_gradients(linear, x, 1, steps=steps, rule=rule), 1).max()
        < 1e-12
    )


@each_method
def test_7_a_batch_differs_from_its_images_one_by_one(name):
    net, x, target = conv_net().eval(), draw(5, 2, 10, 10), torch.tensor([3, 0, 1, 1, 2])
    alone = torch.cat([METHODS[name](net, x[i : i + 1], int(target[i])) for i in range(5)])
    torch.testing.assert_close(METHODS[name](net, x, target), alone, rtol=1e-9, atol=1e-12)


@each_method
def test_7_frozen_parameters_no_grad_and_other_dtypes(name):
    net, x = conv_net().eval(), draw(2, 2, 10, 10)
    expected = METHODS[name](net, x, 3)
    assert expected.any()
    with torch.no_grad():
        torch.testing.assert_close(METHODS[name](net.requires_grad_(False), x, 3), expected)
    with torch.inference_mode():
        torch.testing.assert_close(METHODS[name](net, x, 3), expected)
    single = METHODS[name](conv_net(torch.float32).eval(), x.float(), 3)
    assert single.dtype == torch.float32 and (single - expected).abs().max() < 1e-3 * expected.abs().max()
    half = METHODS[name](conv_net(torch.bfloat16).eval(), x.bfloat16(), 3)
    assert half.dtype == torch.bfloat16 and half.isfinite().all() and half.any()


def test_8_occlusion_overlaps_edges_and_keeping_for_removing():
    class Weights(nn.Module):
        def forward(self, x):
            return (x[:, 0] * w).sum((1, 2))

    w, x = draw(7, 7), torch.ones(1, 1, 7, 7, dtype=torch.float64)
    got = occlusion(Weights(), x, window=3, stride=2)[0, 0]  # windows at 0, 2, 4
    drop = {(a, b): w[a : a + 3, b : b + 3].sum() for a in (0, 2, 4) for b in (0, 2, 4)}
    torch.testing.assert_close(got[0, 0], drop[0, 0])  # removed, not kept
    torch.testing.assert_close(got[2, 0], (drop[0, 0] + drop[2, 0]) / 2)  # averaged, not summed
    torch.testing.assert_close(got[2, 2], (drop[0, 0] + drop[0, 2] + drop[2, 0] + drop[2, 2]) / 4)
    edge = occlusion(Weights(), x, window=3, stride=3)[0, 0]  # windows at 0, 3 and, whole, at 4
    torch.testing.assert_close(edge[6, 6], w[4:, 4:].sum())
    torch.testing.assert_close(edge[4, 0], (w[3:6, :3].sum() + w[4:, :3].sum()) / 2)


class Slides(nn.Module):
    """The slides' pair: equal everywhere, built differently.  (x₁, x₂) → one score."""

    def __init__(self, shift_inside):
        super().__init__()
        self.hidden, self.out = nn.Linear(2, 2), nn.Linear(2, 1)
        with torch.no_grad():
            self.hidden.weight.copy_(torch.eye(2))
            self.hidden.bias.copy_(torch.tensor([-1.0, 0.0] if shift_inside else [0.0, 0.0]))
            self.out.weight.copy_(torch.tensor([[1.0, -1.0]]))
            self.out.bias.fill_(0.0 if shift_inside else -1.0)

    def forward(self, x):
        return F.relu(self.out(F.relu(self.hidden(x))))


def test_9_where_the_bias_goes_in_lrp_is_not_said():
    f, g = Slides(False).double(), Slides(True).double()
    x = torch.tensor([[3.0, 1.0]], dtype=torch.float64)
    for net, excluded in ((f, [1.5, -0.5]), (g, [2.0, -1.0])):
        kept = lrp(net, x, 0, rules=Epsilon(0, bias="absorbs"))
        torch.testing.assert_close(kept, torch.tensor([[3.0, -1.0]], dtype=torch.float64))
        without = lrp(net, x, 0, rules=Epsilon(0, bias="excluded"))
        torch.testing.assert_close(without, torch.tensor([excluded], dtype=torch.float64))
        torch.testing.assert_close(deep_lift(net, x, 0), torch.tensor([excluded], dtype=torch.float64))
    with pytest.raises(ValueError, match="absorbs"):
        Epsilon(1e-6, bias="somewhere")
    with pytest.raises(ValueError, match="alpha"):
        AlphaBeta(2, -2)
