"""hooks: every operation is seen however it is written, and the network is left as it was."""
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from xaikit import hooks
from xaikit.errors import UnsupportedLayer


class Ways(nn.Module):
    """One linear map and a ReLU, written in each way people write it."""

    def __init__(self, way):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last, self.way = nn.Linear(3, 5), nn.Linear(5, 2), way
        self.act, self.act_in_place = nn.ReLU(), nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.first(x)
        if self.way == "in place, result unused":
            F.relu_(x)
            return self.last(x)
        x = {"module": self.act, "module in place": self.act_in_place, "F.relu": F.relu, "torch.relu": torch.relu,
             "method": lambda t: t.relu(), "method in place": lambda t: t.relu_(),
             "F.relu in place": lambda t: F.relu(t, inplace=True), "positional in place": lambda t: F.relu(t, True),
             "twice": lambda t: self.act(self.act(t))}[self.way](x)
        return self.last(x)


WAYS = ["module", "module in place", "F.relu", "torch.relu", "method", "method in place", "F.relu in place",
        "positional in place", "twice", "in place, result unused"]


def backward(model, x, rule):
    x = x.clone().requires_grad_()
    with hooks.backward_rules(model, {nn.ReLU: rule}):
        y = model(x)
    return y.detach(), torch.autograd.grad(y[:, 0].sum(), x)[0]


@pytest.mark.parametrize("way", WAYS)
def test_a_relu_is_seen_however_it_is_written(way):
    model, x = Ways(way), torch.randn(4, 3)
    y, got = backward(model, x, lambda g, x, y: g.clamp(min=0))  # the deconvnet's rule
    hidden = model.last.weight[0].clamp(min=0).expand(4, 5)
    torch.testing.assert_close(got, hidden @ model.first.weight)
    torch.testing.assert_close(y, Ways("module")(x).detach())


@pytest.mark.parametrize("way", WAYS)
def test_a_rule_gets_the_input_before_the_relu_and_the_output_after(way):
    seen = []
    backward(Ways(way), torch.randn(4, 3), lambda g, x, y: seen.append((x.clone(), y.clone())) or g * (x > 0))
    x, y = seen[-1]
    assert (x < 0).any()
    torch.testing.assert_close(y, x.clamp(min=0))


@pytest.mark.parametrize("way", WAYS)
def test_the_true_derivative_as_a_rule_is_the_gradient(way):
    x = torch.randn(4, 3)
    _, got = backward(Ways(way), x, lambda g, x, y: g * (x > 0))
    x.requires_grad_()
    torch.testing.assert_close(got, torch.autograd.grad(Ways("module")(x)[:, 0].sum(), x)[0])


def test_record_keeps_what_an_in_place_relu_would_rewrite():
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(inplace=True))
    x = torch.randn(20, 3)
    with hooks.record(model, "0", "1") as acts:
        model(x)
    assert (acts["0"] < 0).any() and not (acts["1"] < 0).any()
    torch.testing.assert_close(acts["0"].clamp(min=0), acts["1"])


def test_record_is_differentiable_and_can_stop_early():
    ran = []
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    model[2].register_forward_hook(lambda *a: ran.append(1))
    x = torch.randn(2, 3, requires_grad=True)
    with hooks.record(model, "1", stop=True) as acts:
        model(x)
        raise AssertionError("the block goes on after the layer was reached")
    assert not ran
    assert torch.autograd.grad(acts["1"].sum(), x)[0].abs().sum() > 0


def test_edit_replaces_an_output():
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    with hooks.edit(model, {"1": lambda a: a * 0}):
        y = model(torch.randn(4, 3))
    torch.testing.assert_close(y, model[2].bias.expand(4, 2))


def test_the_last_of_a_type_is_the_last_by_name():
    shared = nn.Conv2d(3, 3, 1)
    nets = [nn.Sequential(shared, nn.Sequential(nn.ReLU(), nn.Conv2d(3, 3, 1)), shared), nn.Sequential(nn.Sequential(shared), nn.ReLU(), shared),
            nn.Sequential(nn.Linear(3, 3)), shared]
    for net in nets:
        names = [name for name, m in net.named_modules() if isinstance(m, nn.Conv2d)]
        assert hooks.last(net, nn.Conv2d) == (names[-1] if names else None)


def test_a_wrong_name_suggests_the_nearest():
    model = nn.ModuleDict({"features": nn.Sequential(nn.Linear(1, 1))})
    with pytest.raises(ValueError, match="Did you mean 'features.0'"):
        with hooks.record(model, "feature.0"):
            pass


def test_hooks_are_gone_after_an_exception():
    model = Ways("module")

    def hook_count():
        return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())

    for door in (lambda: hooks.record(model, "first"), lambda: hooks.edit(model, {"first": lambda a: a}),
                 lambda: hooks.backward_rules(model, {nn.ReLU: lambda g, x, y: g})):
        with pytest.raises(RuntimeError), door():
            model(torch.randn(4, 7))
        assert hook_count() == 0


def test_the_path_is_right_again_after_a_module_raised():
    class Brave(nn.Module):
        def __init__(self):
            super().__init__()
            self.bad, self.good = nn.Linear(9, 9), nn.Linear(3, 2)

        def forward(self, x):
            try:
                self.bad(x)
            except RuntimeError:
                return self.good(x) + 1

    paths = []
    model = Brave()
    with hooks.interpose(model, lambda call: paths.append((call.kind, call.path)) or call()):
        model(torch.randn(1, 3))
    assert paths == [("linear", "bad"), ("linear", "good"), ("add", "")]


def test_unchanged_puts_back_mode_buffers_and_grads():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Sequential(nn.Dropout()))
    model.train()
    model[2].eval()
    grad = torch.ones(4, 3)
    model[0].weight.grad = grad
    with pytest.raises(KeyError), hooks.unchanged(model):
        assert not any(m.training for m in model.modules())
        model[1].running_mean.add_(1)
        model[0].weight.grad = None
        raise KeyError
    assert [m.training for m in model.modules()] == [True, True, True, False, False]
    assert model[1].running_mean.abs().sum() == 0 and model[0].weight.grad is grad


def test_scripted_and_compiled_modules_are_refused():
    scripted = torch.jit.trace(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), torch.zeros(1, 2))
    with pytest.raises(UnsupportedLayer, match="scripted"):
        with hooks.backward_rules(nn.Sequential(scripted), {nn.ReLU: lambda g, x, y: g}):
            pass


def test_a_rule_for_an_unknown_layer_type_is_refused():
    with pytest.raises(ValueError, match="Conv2d"):
        with hooks.backward_rules(nn.ReLU(), {nn.Conv2d: lambda g, x, y: g}):
            pass


def test_quick_pooling_gives_the_same_values_and_leaves_gradients_and_the_network_alone():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.MaxPool2d(2, return_indices=True))
    x = torch.rand(2, 1, 21, 18)
    maps = net[:2](x)
    values, places = net[2](maps)
    net.requires_grad_(False)
    layouts = []

    def look(call):
        if call.kind == "max_pool":
            layouts.append(call.args[0].is_contiguous(memory_format=torch.channels_last) and not call.args[0].is_contiguous())
        return call()

    with hooks.quick_pooling(net), hooks.interpose(net, look):
        again = net(x)
    assert layouts == [True], "channels last"
    assert torch.equal(again[0], values) and torch.equal(again[1], places) and again[0].is_contiguous()
    with hooks.quick_pooling(net):
        points = x.clone().requires_grad_()
        (there,) = torch.autograd.grad(net(points)[0].sum(), points)
    (here,) = torch.autograd.grad(net(points)[0].sum(), points)
    assert torch.equal(there, here)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
