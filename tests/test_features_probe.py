"""The probe against a deconvnet written out by hand, against attribution, and on networks that are no chain."""
import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from xaikit import attribution, zoo
from xaikit.errors import UnsupportedLayer
from xaikit.features import probe
from xaikit.receptive import receptive_field


def chain(pool=2, seed=0):
    """conv, ReLU, max pool, conv, ReLU, max pool, conv: strides, padding, and windows that overlap if ``pool`` is 3."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.ReLU(), nn.MaxPool2d(pool, 2, padding=pool // 3),
        nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(pool, 2, padding=pool // 3),
        nn.Conv2d(12, 6, 3, padding=1, dilation=1)).double().eval()


def by_hand(net, last, unit, x, position, relu):
    """The paper's section 2.1, operation by operation: F.conv_transpose2d, scatter, max(·, 0)."""
    up, a = [], x
    for layer in net[:last + 1]:
        if isinstance(layer, nn.MaxPool2d):
            b, switches = F.max_pool2d(a, layer.kernel_size, layer.stride, layer.padding, return_indices=True)
        else:
            b, switches = layer(a), None
        up.append((layer, a, switches))
        a = b
    signal = torch.zeros_like(a)
    for n in range(len(x)):
        place = np.unravel_index(int(a[n, unit].argmax()), a.shape[2:]) if position is None else position
        signal[n, unit, place[0], place[1]] = a[n, unit, place[0], place[1]]
    for layer, before, switches in reversed(up):
        if isinstance(layer, nn.MaxPool2d):
            out = torch.zeros_like(before).flatten(2)
            for n, c in np.ndindex(*out.shape[:2]):  # one after the other: overlapping windows add up
                for place, value in zip(switches[n, c].flatten(), signal[n, c].flatten(), strict=True):
                    out[n, c, place] += value
            signal = out.view_as(before)
        elif isinstance(layer, nn.ReLU):
            signal = signal.clamp(min=0) if relu != "gradient" else signal
            signal = signal * (before > 0) if relu != "deconvnet" else signal
        else:
            rest = [before.shape[i] - ((signal.shape[i] - 1) * layer.stride[0] - 2 * layer.padding[0] + layer.kernel_size[0]) for i in (2, 3)]
            signal = F.conv_transpose2d(signal, layer.weight, None, layer.stride, layer.padding, rest)
    return signal


@pytest.mark.parametrize("relu", probe.RULES)
@pytest.mark.parametrize("pool", [2, 3])
@pytest.mark.parametrize(("layer", "position"), [(6, None), (6, (1, 2)), (5, None), (4, (3, 0)), (3, None), (0, (7, 7))])
def test_it_is_the_deconvnet_written_out(relu, pool, layer, position):
    net, x = chain(pool), torch.randn(3, 3, 32, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = probe.deconvnet_probe(net, str(layer), 2, x, position, relu)
    assert found.shape == x.shape
    assert position == (3, 0) or found.abs().amax((1, 2, 3)).gt(0).all()  # there a ReLU may be shut
    torch.testing.assert_close(found, by_hand(net, layer, 2, x, position, relu), rtol=1e-10, atol=1e-12)


def test_a_negative_activation_sends_a_negative_signal():
    net, x = chain(), torch.randn(1, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    maps = net(x)[0, 3]
    place = tuple(map(int, np.unravel_index(int(maps.argmin()), maps.shape)))
    assert maps.min() < 0
    found = probe.deconvnet_probe(net, "6", 3, x, place)
    torch.testing.assert_close(found, by_hand(net, 6, 3, x, place, "deconvnet"), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("relu", "method"), [("gradient", "gradient"), ("deconvnet", "deconvnet"), ("guided", "guided_backprop")])
@pytest.mark.parametrize("name", ["digits-cnn", "digits-resnet", "scenes-cnn"])
def test_a_score_s_probe_is_the_attribution_times_the_score(relu, method, name):
    net = zoo.load(name)
    side, channels = (64, 3) if name == "scenes-cnn" else (28, 1)
    x = torch.rand(4, channels, side, side, generator=torch.Generator().manual_seed(0))
    score = net(x)[:, 1].detach()
    x = x[score > 0] if relu != "gradient" else x  # a negative signal is another question to the deconvnet
    score = net(x)[:, 1].detach()
    if not len(x):
        x, score = torch.rand(1, channels, side, side), None
        with torch.no_grad():
            best = int(net(x)[0].argmax())
            score = net(x)[:, best]
        expected = attribution.METHODS[method](net, x, best) * score[:, None, None, None]
        assert score > 0
        torch.testing.assert_close(probe.deconvnet_probe(net, "head", best, x, relu=relu), expected, rtol=1e-4, atol=1e-6)
        return
    expected = attribution.METHODS[method](net, x, 1) * score[:, None, None, None]
    torch.testing.assert_close(probe.deconvnet_probe(net, "head", 1, x, relu=relu), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("layer", ["features.2", "features.3.squeeze", "features.6", "features.12.expand3x3", "classifier.1"])
def test_branches_and_pooling_of_squeezenet(layer):
    """What reaches the pixels stays inside the receptive field; a batch with units and places of their own gives what one image gives."""
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    net = squeezenet1_1(weights=None).eval()
    x = torch.rand(3, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    units, places = torch.tensor([5, 2, 7]), torch.tensor([[0, 1], [2, 2], [1, 3]])
    found = probe.deconvnet_probe(net, layer, units, x, places)
    field = receptive_field(net, layer, (3, 96, 96))
    for n in range(3):
        alone = probe.deconvnet_probe(net, layer, int(units[n]), x[n:n + 1], tuple(places[n].tolist()))
        torch.testing.assert_close(found[n:n + 1], alone, rtol=1e-4, atol=1e-6)
        (top, bottom), (left, right) = field.box(*places[n].tolist())
        outside = torch.ones(96, 96, dtype=torch.bool)
        outside[max(top, 0):max(bottom, 0), max(left, 0):max(right, 0)] = False
        assert found[n][:, outside].abs().max() == 0 if outside.any() else True
    assert found.abs().amax((1, 2, 3)).gt(0).any()


def test_contrast_normalisation_is_stepped_over_by_the_deconvnet_only():
    torch.manual_seed(0)
    conv = nn.Conv2d(1, 6, 3, padding=1).double()
    with_norm, without = nn.Sequential(conv, nn.ReLU(), nn.LocalResponseNorm(5, alpha=2.0)), nn.Sequential(conv, nn.ReLU())
    x = torch.rand(1, 1, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    conv.bias.data.fill_(1.0)  # all of them are on
    a, b = (probe.deconvnet_probe(n, layer, 2, x, (4, 4)) for n, layer in ((with_norm, "2"), (without, "1")))
    torch.testing.assert_close(a / a.abs().max(), b / b.abs().max())
    g, h = (probe.deconvnet_probe(n, layer, 2, x, (4, 4), "gradient") for n, layer in ((with_norm, "2"), (without, "1")))
    assert not torch.allclose(g / g.abs().max(), h / h.abs().max(), atol=1e-3)


def test_without_switches_the_signal_is_spread_over_the_windows():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.MaxPool2d(4)).eval()
    x = torch.rand(1, 1, 8, 8)
    sharp, spread = (probe.deconvnet_probe(net, "1", 0, x, (1, 0), switches=s) for s in (True, False))
    assert (sharp != 0).sum() == 1 and (spread != 0).sum() == 16
    assert spread[0, 0, 4:, :4].std() < 1e-7 and torch.isclose(sharp.sum(), spread.sum())


def test_the_cuts_add_up_and_say_what_each_rule_zeroes():
    net, x = chain(), torch.randn(4, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    for relu in probe.RULES:
        cuts = probe.relu_cuts(net, "6", 1, x, relu=relu)
        assert list(cuts.layer) == ["4", "1"]
        parts = cuts[["open, positive", "open, negative", "shut, positive", "shut, negative"]]
        assert np.allclose(parts.sum(1), 1)
        zeroed = {"gradient": ["shut, positive", "shut, negative"], "deconvnet": ["open, negative", "shut, negative"],
                  "guided": ["open, negative", "shut, positive", "shut, negative"]}[relu]
        assert np.allclose(cuts["cut"], parts[zeroed].sum(1)) and (cuts["cut"] > 0).all()
    first = [probe.relu_cuts(net, "6", 1, x, relu=relu).iloc[0, 1:5].tolist() for relu in probe.RULES]
    assert np.allclose(first[0], first[1]) and np.allclose(first[0], first[2]), "the same signal arrives at the first ReLU"


def test_top_projections_are_the_whole_projections_cut_out():
    net = zoo.load("scenes-cnn")
    from xaikit import data

    images = data.scenes(40, masks=False).images
    top, down = probe.top_projections(net, "features.6", [3, 5], images, k=4)
    assert down.shape == top.patches.shape and down.shape[:2] == (2, 4)
    for u in (0, 1):
        for r in range(4):
            n, at = int(top.indices[u, r]), tuple(top.positions[u, r].tolist())
            whole = probe.deconvnet_probe(net, "features.6", top.units[u], images[n:n + 1], at)[0]
            t, left, b, right = top.boxes[u, r].tolist()
            assert torch.isclose(whole.abs().sum(), down[u, r].abs().sum(), rtol=1e-4), "nothing lies outside the field"
            assert torch.isclose(whole[:, t:b, left:right].sum(), down[u, r].sum(), atol=1e-4)
    alone, one = probe.top_projections(net, "features.6", 3, images, k=4)
    torch.testing.assert_close(one, down[0])
    assert torch.equal(alone.indices, top.indices[0])
    values, places = probe.activation(net, "features.6", 3, images[alone.indices])
    torch.testing.assert_close(values, alone.activations, rtol=1e-4, atol=1e-5)
    assert torch.equal(places, alone.positions)


def test_unpooling_is_the_transpose_of_pooling():
    x = torch.rand(2, 3, 9, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y, switches = F.max_pool2d(x, 3, 2, return_indices=True)
    signal = torch.rand_like(y)
    expected = torch.autograd.grad(y, x, signal)[0]
    torch.testing.assert_close(probe.unpool(signal, switches, (9, 11)), expected)
    for bad in (None, switches[:1], "max"):
        with pytest.raises(ValueError, match="needs the switches"):
            probe.unpool(signal, bad, (9, 11))


def test_the_network_is_left_as_it_was_also_after_an_error():
    net, x = chain().train(), torch.rand(2, 3, 32, 32, dtype=torch.float64)
    before = copy.deepcopy(net.state_dict())
    for layer, unit in (("6", 0), ("6", 99)):
        try:
            probe.deconvnet_probe(net, layer, unit, x)
        except ValueError:
            assert unit == 99
        assert net.training and all(p.requires_grad and p.grad is None for p in net.parameters())
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    with torch.no_grad():
        assert probe.deconvnet_probe(net, "6", 0, x).abs().sum() > 0


@pytest.mark.parametrize(("change", "error", "words"), [
    ({"layer": "7"}, ValueError, "no layer '7'"), ({"unit": 6}, ValueError, "6 units, 0 … 5; there is no unit 6"),
    ({"unit": -1}, ValueError, "no unit -1"), ({"unit": 0.5}, TypeError, "whole"), ({"unit": [1, 2, 3]}, ValueError, "3 values of unit for 2"),
    ({"position": (9, 0)}, ValueError, "position .9, 0. is not in layer '6'"), ({"position": (-1, 0)}, ValueError, "not in layer"),
    ({"position": (1,)}, ValueError, "not in layer"), ({"relu": "lrp"}, ValueError, "'gradient', 'deconvnet', 'guided'"),
    ({"switches": None}, ValueError, "switches is True"), ({"x": torch.full((2, 3, 32, 32), float("nan"))}, ValueError, "nan"),
    ({"x": torch.rand(3, 32, 32).double()}, ValueError, "batch"), ({"x": torch.rand(2, 1, 32, 32).double()}, ValueError, "layer '.*0'"),
    ({"model": "net"}, TypeError, "Module"),
])
def test_bad_questions(change, error, words):
    question = {"model": chain(), "layer": "6", "unit": 1, "x": torch.rand(2, 3, 32, 32).double()} | change
    with pytest.raises(error, match=words):
        probe.deconvnet_probe(**question)


def test_networks_without_what_it_takes():
    x = torch.rand(1, 1, 8, 8)
    with pytest.raises(ValueError, match="no convolution"):
        probe.deconvnet_probe(nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), "1", 0, x)
    with pytest.raises(UnsupportedLayer, match="leaves no switches"):
        probe.deconvnet_probe(nn.Sequential(nn.Conv2d(1, 2, 3), nn.LPPool2d(2, 2)), "1", 0, x)
    with pytest.raises(UnsupportedLayer, match="gelu in layer '1'"):
        probe.deconvnet_probe(nn.Sequential(nn.Conv2d(1, 2, 3), nn.GELU(), nn.Conv2d(2, 2, 3)), "2", 0, x)
    with pytest.raises(ValueError, match="one number for each unit"):
        probe.deconvnet_probe(zoo.load("digits-cnn"), "head", 0, torch.rand(1, 1, 28, 28), (0, 0))
