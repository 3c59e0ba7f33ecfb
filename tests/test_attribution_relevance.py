"""LRP: the slides' numbers, agreement with zennit and captum, conservation, and what it must refuse."""
import copy
import warnings

import pytest
import torch
import torch.nn.functional as F
import torchvision
from captum.attr import LRP as CaptumLRP
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from zennit import rules as zennit_rules
from zennit import types as zennit_types
from zennit.attribution import Gradient as ZennitGradient
from zennit.composites import LayerMapComposite

from xaikit import data, zoo
from xaikit.attribution import UnsupportedLayer, lrp
from xaikit.attribution.relevance import relevance_budget
from xaikit.attribution.rules import AlphaBeta, Epsilon, Flat, Gamma, Pass, WSquare, ZBox


def layer(weight, bias):
    linear = nn.Linear(len(weight[0]), len(weight)).double()
    linear.weight.data = torch.tensor(weight, dtype=torch.float64)
    linear.bias.data = torch.tensor(bias, dtype=torch.float64)
    return linear


class SlideF(nn.Module):
    """ReLU(ReLU(x1) − 1 − ReLU(x2))"""

    def __init__(self):
        super().__init__()
        self.h = layer([[1, -1]], [-1])

    def forward(self, x):
        return F.relu(self.h(F.relu(x)))


class SlideG(nn.Module):
    """ReLU(ReLU(x1 − 1) − ReLU(x2))"""

    def __init__(self):
        super().__init__()
        self.first, self.k = layer([[1, 0], [0, 1]], [-1, 0]), layer([[1, -1]], [0])

    def forward(self, x):
        return F.relu(self.k(F.relu(self.first(x))))


class SlideGByHand(nn.Module):
    """The same written with operators."""

    def forward(self, x):
        return ((x[:, 0] - 1).relu_() + x[:, 1].relu() * -1).relu()[:, None]


def plain_convnet(bias=True, dtype=torch.float32, pool=nn.MaxPool2d, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1, bias=bias), nn.ReLU(), pool(2), nn.Conv2d(6, 8, 3, stride=2, bias=bias), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=2, bias=bias), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 9, 12, bias=bias), nn.ReLU(),
        nn.Linear(12, 4, bias=bias)).to(dtype)


def restless(net, seed=0):
    """Batch-norm statistics and weights as after training, not 0 and 1."""
    gen = torch.Generator().manual_seed(seed)
    for m in net.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
            for tensor, low, high in ((m.running_mean, -1, 1), (m.running_var, .5, 2), (m.weight.data, .5, 1.5), (m.bias.data, -1, 1)):
                tensor.copy_(torch.rand(tensor.shape, generator=gen) * (high - low) + low)
    return net


def images(n, *shape, dtype=torch.float32, seed=1):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def total(relevance):
    return relevance.flatten(1).sum(1)


def zennit(net, x, target, layers, first=None):
    """zennit's relevance under rules for layer types (``first``: for layer "0"), what has no weights as it does by default."""
    composite = LayerMapComposite([*layers, (zennit_types.Activation, zennit_rules.Pass()),
                                   (zennit_types.AvgPool, zennit_rules.Norm())])
    by_type = composite.module_map
    if first is not None:
        composite.module_map = lambda ctx, path, module: first if path == "0" else by_type(ctx, path, module)
    with ZennitGradient(model=net, composite=composite) as attributor:
        return attributor(x, lambda out: F.one_hot(torch.tensor(target), out.shape[1]) * out.detach())[1]


# ------------------------------------------------------------------------------------------------- the slides' pair

@pytest.mark.parametrize("eps", [0.0, 1e-13])
@pytest.mark.parametrize("net, bias, expected", [
    (SlideF, "excluded", (1.5, -0.5)), (SlideG, "excluded", (2.0, -1.0)), (SlideGByHand, "excluded", (2.0, -1.0)),
    (SlideF, "absorbs", (3.0, -1.0)), (SlideG, "absorbs", (3.0, -1.0)), (SlideGByHand, "absorbs", (3.0, -1.0))])
def test_the_slides_pair_where_the_bias_goes(net, bias, expected, eps):
    relevance = lrp(net(), torch.tensor([[3.0, 1.0]], dtype=torch.float64), 0, Epsilon(eps, bias))
    torch.testing.assert_close(relevance, torch.tensor([expected], dtype=torch.float64), atol=1e-11, rtol=0)


def test_the_formula_on_one_layer_by_hand():
    x, w, b = [2.0, -1.0, 0.5], [[1.0, 2.0, -3.0], [0.5, -1.0, 4.0]], [0.25, -0.5]
    eps = 0.1
    z = sum(a * v for a, v in zip(x, w[0], strict=True)) + b[0]
    expected = [a * v / (z + eps * (1 if z >= 0 else -1)) * z for a, v in zip(x, w[0], strict=True)]
    found = lrp(layer(w, b), torch.tensor([x], dtype=torch.float64), 0, Epsilon(eps))
    torch.testing.assert_close(found[0], torch.tensor(expected, dtype=torch.float64))
    plus, minus = 2.0 * 1.0 + 0.25, -1.0 * 2.0 + 0.5 * -3.0
    expected = [2 * 2.0 / plus * z, -(-1.0 * 2.0) / minus * z, -(0.5 * -3.0) / minus * z]
    found = lrp(layer(w, b), torch.tensor([x], dtype=torch.float64), 0, AlphaBeta(2, -1, eps=0))
    torch.testing.assert_close(found[0], torch.tensor(expected, dtype=torch.float64))


# ------------------------------------------------------------------------------------------------- the peers

RULES = {
    "epsilon": (Epsilon(1e-6), zennit_rules.Epsilon(1e-6)),
    "epsilon large": (Epsilon(0.25), zennit_rules.Epsilon(0.25)),
    "epsilon, bias excluded": (Epsilon(0.1, "excluded"), zennit_rules.Epsilon(0.1, zero_params=["bias"])),
    "alpha 2 beta -1": (AlphaBeta(2, -1), zennit_rules.AlphaBeta(2, 1)),
    "alpha 3 beta -2": (AlphaBeta(3, -2), zennit_rules.AlphaBeta(3, 2)),
    "alpha 1 beta 0": (AlphaBeta(1, 0), zennit_rules.ZPlus()),
    "alpha beta, bias excluded": (AlphaBeta(2, -1, "excluded"), zennit_rules.AlphaBeta(2, 1, zero_params=["bias"])),
    "gamma": (Gamma(0.25), zennit_rules.Gamma(0.25)),
    "gamma large": (Gamma(3.0), zennit_rules.Gamma(3.0)),
    "z box": (ZBox(-3, 3), zennit_rules.ZBox(-3.0, 3.0)),
    "w square": (WSquare(), zennit_rules.WSquare()),
    "flat": (Flat(), zennit_rules.Flat()),
}


@pytest.mark.parametrize("pool", [nn.MaxPool2d, nn.AvgPool2d])
@pytest.mark.parametrize("name", RULES)
def test_agrees_with_zennit_rule_by_rule(name, pool):
    ours, theirs = RULES[name]
    net, x, target = plain_convnet(pool=pool).eval(), images(3, 2, 14, 14), [2, 0, 3]
    expected = zennit(net, x, target, [(zennit_types.Linear, theirs)])
    found = lrp(net, x, torch.tensor(target), {nn.Conv2d: ours, nn.Linear: ours, "*": Epsilon(1e-6)})
    assert (found - expected).abs().max() <= 1e-5 * max(1, expected.abs().max())


@pytest.mark.parametrize("name", ["z box", "w square", "flat"])
def test_agrees_with_zennit_for_the_rules_of_a_first_layer(name):
    ours, theirs = RULES[name]
    net, x = plain_convnet().eval(), images(2, 2, 14, 14)
    x[:, :, :5] = 0  # a dark border, which these rules give its share all the same
    expected = zennit(net, x, [1, 1], [(nn.Linear, zennit_rules.Epsilon(1e-6)), (nn.Conv2d, zennit_rules.AlphaBeta(2, 1))],
                      first=theirs)
    found = lrp(net, x, 1, {"0": ours, nn.Conv2d: AlphaBeta(2, -1), nn.Linear: Epsilon(1e-6)})
    assert (found - expected).abs().max() <= 1e-5 * max(1, expected.abs().max())
    assert found[:, :, :4].abs().sum() > 0


@pytest.mark.parametrize("ours, theirs", [RULES["epsilon"], RULES["epsilon large"], RULES["alpha 2 beta -1"], RULES["gamma"]])
def test_a_batch_norm_is_merged_into_the_layer_before_it(ours, theirs):
    torch.manual_seed(3)
    net = restless(nn.Sequential(
        nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True),
        nn.Flatten(), nn.Linear(96, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))).double().eval()
    x = images(2, 2, 8, 8, dtype=torch.float64)
    found = lrp(net, x, torch.tensor([1, 2]), ours)
    # fused by torch: zennit's own canonizer leaves the batch norm's eps behind, 5e-6 for each
    fused = nn.Sequential(fuse_conv_bn_eval(net[0], net[1]), nn.ReLU(), fuse_conv_bn_eval(net[3], net[4]), nn.ReLU(), nn.Flatten(),
                          fuse_linear_bn_eval(net[7], net[8]), nn.ReLU(), net[10])
    expected = zennit(fused, x, [1, 2], [(zennit_types.Linear, theirs)])
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)


def test_agrees_with_captum_where_captum_is_right():
    net = nn.Sequential(nn.Conv2d(2, 5, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                        nn.Dropout(), nn.Conv2d(4, 3, 1)).eval()
    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x).flatten(1)

    x = images(3, 2, 12, 12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = CaptumLRP(Head().eval()).attribute(x.clone(), target=1).detach()
    found = lrp(Head(), x, 1, Epsilon(1e-9))
    assert (found - expected).abs().max() <= 1e-5 * max(1, expected.abs().max())


# ------------------------------------------------------------------------------------------------- conservation

@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "densenet121"])
def test_residual_and_concatenating_networks_conserve(name):
    net = restless(getattr(torchvision.models, name)(weights=None)).double().eval()
    x = images(2, 3, 64, 64, dtype=torch.float64)
    budget = relevance_budget(net, x, torch.tensor([1, 5]), Epsilon(0.0))
    logits = net(x).detach()[[0, 1], [1, 5]]
    assert abs(budget["logit"] - logits.numpy()).max() < 1e-10
    assert abs(budget["logit"] - budget["input"] - budget["bias"]).max() < 1e-10
    assert abs(budget["stabiliser"]).max() < 1e-10
    relevance = lrp(net, x, torch.tensor([1, 5]), Epsilon(0.0))
    points = x.clone().requires_grad_()
    slope, = torch.autograd.grad(net(points)[[0, 1], [1, 5]].sum(), points)
    assert (relevance - x * slope).abs().max() < 1e-10  # with ε = 0 and the bias kept, the ε-rule is gradient × input


def test_without_biases_all_of_the_logit_reaches_the_input_of_a_residual_network():
    net = restless(torchvision.models.resnet18(weights=None)).double().eval()
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.zero_(), m.bias.data.zero_()
    nn.init.zeros_(net.fc.bias)
    x = images(2, 3, 64, 64, dtype=torch.float64)
    logits = net(x).detach()[:, 7]
    for bias in ("absorbs", "excluded"):
        assert (total(lrp(net, x, 7, Epsilon(0.0, bias))) - logits).abs().max() < 1e-10
    assert (total(lrp(net, x, 7, AlphaBeta(1, 0, eps=0.0))) - logits).abs().max() < 1e-10


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 9), min_size=1, max_size=4), st.booleans())
def test_random_relu_networks_conserve(seed, widths, biased):
    torch.manual_seed(seed)
    sizes = [5, *widths, 3]
    pairs = zip(sizes, sizes[1:], strict=False)
    net = nn.Sequential(*[m for a, b in pairs for m in (nn.Linear(a, b, bias=biased), nn.ReLU())][:-1]).double()
    x = images(4, 5, dtype=torch.float64, seed=seed)
    with torch.no_grad():
        logits = net(x)[:, 1]
    exact = relevance_budget(net, x, 1, Epsilon(0.0))
    assert abs(exact[["input", "bias"]].sum(1) - logits.numpy()).max() < 1e-10
    leaky = relevance_budget(net, x, 1, Epsilon(1e-3))
    assert abs(leaky[["input", "bias", "stabiliser"]].sum(1) - logits.numpy()).max() < 1e-10
    if not biased:
        for rule in (Epsilon(0.0), Epsilon(0.0, "excluded"), Gamma(0.3, eps=0.0)):
            assert (total(lrp(net, x, 1, rule)) - logits).abs().max() < 1e-10


@pytest.mark.parametrize("name", ["digits-mlp", "digits-cnn", "digits-resnet"])
def test_the_networks_of_the_course_conserve(name):
    net, x = zoo.load(name).double(), data.digits(split="test").images[:8].double()
    budget = relevance_budget(net, x, None, Epsilon(0.0))
    assert abs(budget["logit"] - net(x).detach().amax(1).numpy()).max() < 1e-12
    assert abs(budget["logit"] - budget["input"] - budget["bias"]).max() < 1e-10
    assert abs(budget["stabiliser"]).max() < 1e-10
    if name == "digits-mlp":  # in the others the black border moves neurons by their bias alone, and these keep their relevance
        excluded = total(lrp(net, x, None, Epsilon(0.0, "excluded")))
        assert (excluded - net(x).detach().amax(1)).abs().max() < 1e-10


def test_what_only_moves_values_about_conserves():
    class Mover(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 8, 3, bias=False)

        def forward(self, x):
            x = self.conv(F.pad(x, (1, 1, 1, 1), mode="circular")).relu()
            x = F.pixel_shuffle(F.interpolate(x, scale_factor=2, mode="bilinear"), 2)
            top, bottom = x.flip(2).roll(1, 3).chunk(2, 2)
            x = torch.stack([top, bottom], 1).transpose(2, 3).unbind(1)[0].clone()
            x = x.masked_fill(torch.ones(x.shape[2:]).tril() > 0, 0.0)
            x[:, 0] = x[:, 1]
            return torch.where(x > 0, x, 0.0).sum((2, 3)).expand(-1, -1).repeat(1, 2).float().double()

    x = images(2, 2, 6, 6, dtype=torch.float64)
    torch.manual_seed(0)
    net = Mover().double()
    assert (total(lrp(net, x, 1, Epsilon(0.0))) - net(x)[:, 1].detach()).abs().max() < 1e-6  # one step of it is in float32


def test_the_budget_of_the_slides_pair():
    budget = relevance_budget(SlideF(), torch.tensor([[3.0, 1.0]], dtype=torch.float64), 0, Epsilon(0.0))
    assert budget.iloc[0].tolist() == [1, 2, -1, 0]


def test_a_large_stabiliser_takes_everything():
    net, x = plain_convnet(dtype=torch.float64), images(2, 2, 14, 14, dtype=torch.float64)
    budget = relevance_budget(net, x, 1, Epsilon(1e9))
    assert lrp(net, x, 1, Epsilon(1e9)).abs().max() < 1e-12
    assert abs(budget["stabiliser"] - budget["logit"]).max() < 1e-6


@pytest.mark.parametrize("rule", [Epsilon(0.0), Epsilon(0.0, "excluded"), AlphaBeta(2, -1, eps=0.0), Gamma(0.25, eps=0.0),
                                  WSquare(eps=0.0), Flat(eps=0.0)])
def test_nothing_divided_by_nothing_is_nothing(rule):
    net = plain_convnet(bias=False, dtype=torch.float64)
    net[0].weight.data[:3] = 0
    x = torch.zeros(2, 2, 14, 14, dtype=torch.float64)
    x[1] = images(1, 2, 14, 14, dtype=torch.float64)
    relevance = lrp(net, x, 0, rule)
    assert relevance.isfinite().all()
    assert not relevance[0].any()


# ------------------------------------------------------------------------------------------------- how a network is written

class Written(nn.Module):
    """One network in different hands: modules, functions, methods, in place, operators."""

    def __init__(self, style):
        super().__init__()
        torch.manual_seed(5)
        self.a, self.b, self.c = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 3)
        self.norm = restless(nn.BatchNorm2d(4))
        self.relu, self.style = nn.ReLU(inplace=style == "in place"), style

    def forward(self, x):
        relu = {"module": self.relu, "in place": self.relu, "function": F.relu, "method": torch.Tensor.relu,
                "statement": lambda t: (t.relu_(), t)[1]}[self.style]
        x = relu(self.a(x))
        y = self.norm(self.b(x))
        if self.style == "in place":
            y += x
        elif self.style == "method":
            y = y.add(x)
        elif self.style == "function":
            y = torch.add(x, y)
        elif self.style == "statement":
            y.add_(x)
        else:
            y = y + x
        y = relu(y)
        y = F.max_pool2d(y, 2)
        y = y.mean((2, 3)) if self.style in ("function", "in place") else F.adaptive_avg_pool2d(y, 1).flatten(1)
        return y @ self.c.weight.T + self.c.bias if self.style == "method" else self.c(y)


@pytest.mark.parametrize("rule", [Epsilon(1e-6), Epsilon(0.1), AlphaBeta(2, -1), Flat(), WSquare()])
@pytest.mark.parametrize("style", ["in place", "function", "statement"])
def test_it_does_not_matter_how_the_network_is_written(style, rule):
    x = images(2, 2, 8, 8, dtype=torch.float64)
    expected, found = (lrp(Written(s).double(), x, 1, rule) for s in ("module", style))
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-9)


def test_a_linear_layer_written_by_hand():
    x = images(2, 2, 8, 8, dtype=torch.float64)
    for rule, tolerance in ((Epsilon(0.0), 1e-12), (Epsilon(0.0, "excluded"), 1e-12), (Epsilon(1e-6), 1e-4)):
        expected, found = (lrp(Written(s).double(), x, 1, rule) for s in ("module", "method"))
        torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)


def test_a_module_used_twice():
    torch.manual_seed(0)

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.act, self.out = nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)

        def forward(self, x):
            return self.out(self.act(self.inner(self.act(self.inner(x)))))

    net = Twice().double()
    flat = nn.Sequential(net.inner, nn.ReLU(), copy.deepcopy(net.inner), nn.ReLU(), net.out)
    x = images(3, 4, dtype=torch.float64)
    torch.testing.assert_close(lrp(net, x, 1, AlphaBeta(2, -1)), lrp(flat, x, 1, AlphaBeta(2, -1)))


def test_constants_scale_and_shift():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = layer([[1, 2], [3, -1]], [0, 0])

        def forward(self, x):
            return -(2 * self.inner((x - 0.5) / 0.25)) / 3

    x = torch.tensor([[1.0, 0.75]], dtype=torch.float64)
    excluded = lrp(Scaled(), x, 0, Epsilon(0.0, "excluded"))
    torch.testing.assert_close(total(excluded), Scaled()(x)[:, 0].detach())
    torch.testing.assert_close(excluded[0], torch.tensor([2.0, 2.0], dtype=torch.float64) * Scaled()(x)[0, 0].detach() / 4)


def test_rules_by_type_and_by_name_first_match_wins():
    net, x = plain_convnet(dtype=torch.float64), images(2, 2, 14, 14, dtype=torch.float64)
    assert torch.equal(lrp(net, x, 0, {nn.Module: Gamma(0.5), "*": Flat()}), lrp(net, x, 0, Gamma(0.5)))
    assert torch.equal(lrp(net, x, 0, {"[0-9]": Gamma(0.5), "10": Gamma(0.5)}), lrp(net, x, 0, Gamma(0.5)))
    mixed = lrp(net, x, 0, {"0": Flat(), nn.Conv2d: AlphaBeta(1, 0), "*": Epsilon(0.1)})
    assert not torch.allclose(mixed, lrp(net, x, 0, {nn.Conv2d: AlphaBeta(1, 0), "0": Flat(), "*": Epsilon(0.1)}))


def test_one_batch_or_many_and_targets_of_each():
    net, x, target = plain_convnet(dtype=torch.float64), images(4, 2, 14, 14, dtype=torch.float64), torch.tensor([3, 0, 1, 1])
    for rule in (Epsilon(), AlphaBeta(), Gamma(), WSquare()):
        together = lrp(net, x, target, rule)
        apart = torch.cat([lrp(net, x[i:i + 1], int(target[i]), rule) for i in range(4)])
        torch.testing.assert_close(together, apart, atol=1e-12, rtol=1e-10)
        assert not together.requires_grad
    predicted = net(x).argmax(1)
    assert torch.equal(lrp(net, x), lrp(net, x, predicted))


# ------------------------------------------------------------------------------------------------- what it refuses

@pytest.mark.parametrize("make, message", [
    (lambda: AlphaBeta(2, 1), "alpha \\+ beta must be 1"), (lambda: AlphaBeta(0.5, 0.5), "beta must be ≤ 0"),
    (lambda: AlphaBeta(float("nan"), 1), "must be 1"), (lambda: Epsilon(-1), "eps"), (lambda: Epsilon(float("nan")), "eps"),
    (lambda: Epsilon(bias="no"), "bias must be"), (lambda: Gamma(-1), "gamma"), (lambda: ZBox(1, 0), "low")])
def test_rules_that_are_none(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("rules, error, message", [
    ("epsilon", TypeError, "rules must be a rule"), (Epsilon, TypeError, "rules must be a rule"), ({}, TypeError, "rules must be"),
    ({"*": 0.25}, TypeError, "must be a rule"), ({3: Epsilon()}, TypeError, "layer type or a name pattern"),
    ({"body.*": Epsilon()}, ValueError, "no layer of the network is called 'body"),
    ({nn.Linear: Epsilon()}, UnsupportedLayer, "layer '0' \\(Conv2d.*matched by no key")])
def test_rules_that_do_not_fit(rules, error, message):
    with pytest.raises(error, match=message):
        lrp(plain_convnet(), images(1, 2, 14, 14), 0, rules)


class Head(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.inner, self.last = nn.Linear(4, 4), forward

    def forward(self, x):
        return self.last(self.inner(x))


@pytest.mark.parametrize("last", [
    nn.Softmax(1), nn.Sigmoid(), nn.Tanh(), nn.LayerNorm(4), nn.Softplus(), lambda z: z * z, lambda z: z / z.sum(1, keepdim=True),
    lambda z: 1 / z, lambda z: z.exp(), lambda z: F.dropout(z, 0.5), lambda z: z @ z.T, lambda z: torch.linalg.norm(z, dim=1),
    lambda z: z.clamp(min=0.1), nn.BatchNorm1d(4, track_running_stats=False)])
def test_a_layer_no_rule_covers_is_named_before_any_heatmap(last):
    with pytest.raises(UnsupportedLayer, match="LRP: layer '(last|\\(the network\\))'"):
        lrp(Head(last), images(3, 4), 0)


def test_the_user_may_let_relevance_pass():
    net = nn.Sequential(nn.Linear(4, 5, bias=False), nn.Tanh(), nn.Linear(5, 2, bias=False)).double()
    x = images(3, 4, dtype=torch.float64)
    passed = lrp(net, x, 1, {nn.Tanh: Pass(), "*": Epsilon(0.0)})
    assert (total(passed) - net(x)[:, 1].detach()).abs().max() < 1e-10
    with pytest.raises(UnsupportedLayer, match="layer '0'.*cannot just Pass"):
        lrp(net, x, 1, Pass())
    with pytest.raises(UnsupportedLayer, match="several inputs"):
        lrp(Written("module").double(), images(1, 2, 8, 8, dtype=torch.float64), 0, {Written: Pass(), "*": Epsilon()})


@pytest.mark.parametrize("model, x, target, error", [
    (lambda x: x, images(1, 4), 0, TypeError), (nn.Linear(4, 2), images(1, 4), 2, ValueError),
    (nn.Linear(4, 2), torch.full((1, 4), float("nan")), 0, ValueError), (nn.Linear(4, 2), images(1, 5), 0, ValueError),
    (nn.Linear(4, 2), images(1, 4).int(), 0, TypeError), (nn.Linear(4, 2), images(2, 4), torch.tensor([0]), ValueError)])
def test_bad_input(model, x, target, error):
    with pytest.raises(error):
        lrp(model, x, target)


@pytest.mark.parametrize("fails", [False, True])
def test_network_and_input_stay_as_they_were(fails):
    net = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(4, 2),
                        *[nn.Softmax(1)] * fails).train()
    net[1].weight.requires_grad_(False)
    net[5].bias.grad = torch.ones(2)
    x, before = images(3, 4), copy.deepcopy(net.state_dict())
    original = x.clone()
    with torch.inference_mode() if not fails else torch.no_grad():
        if fails:
            with pytest.raises(UnsupportedLayer):
                lrp(net, x, 0)
        else:
            lrp(net, x, 0, AlphaBeta())
    assert torch.equal(x, original) and not x.requires_grad
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert all(m.training for m in net.modules()) and not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert not net[1].weight.requires_grad and net[1].bias.requires_grad and net[5].bias.grad.tolist() == [1, 1]
    assert net[5].weight.grad is None


def test_nothing_is_left_in_memory():
    import gc
    import weakref

    net, x = Written("in place"), images(1, 2, 8, 8)
    lrp(net, x, 0)
    gc.collect()
    gc.disable()
    try:
        seen, forward = [], net.forward
        net.forward = lambda x: seen.append(weakref.ref(x)) or forward(x)
        lrp(net, x, 0)
        assert seen[0]() is None  # freed at once: no circle of references waits for the collector
    finally:
        gc.enable()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_dtypes(dtype):
    net, x = plain_convnet().to(dtype), images(2, 2, 14, 14, dtype=dtype)
    for rule in (Epsilon(), AlphaBeta(), Gamma()):
        assert lrp(net, x, 1, rule).dtype == dtype
