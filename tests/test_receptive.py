"""Receptive fields against what the gradient says: light in one line of pixels, and which units feel it."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from xaikit import features, hooks, zoo
from xaikit.errors import UnsupportedLayer
from xaikit.receptive import Field


def positive(net):
    """The same network with weights above 0 and no biases: no two ways from a pixel to a unit cancel."""
    net.double().eval()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(p.abs() + 0.01 if p.dim() > 1 else torch.zeros_like(p))
        for m in net.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.weight.fill_(1.0)
    return net


def measured(net, layer, shape, axis):
    """(size, stride, start) on one axis by gradients: light in one line of pixels, so that every max pooling
    that looks there chooses it; the unit feels the line if the gradient at the line is not 0."""
    n = shape[1 + axis]
    seen = []  # per line: the places that feel it
    for lines in torch.arange(n).split(32):
        x = torch.zeros(len(lines), *shape, dtype=torch.float64)
        x.movedim(2 + axis, 1)[torch.arange(len(lines)), lines] = 1.0
        x.requires_grad_()
        with hooks.record(net, layer, stop=True) as acts:
            net(x)
        maps = acts[layer].movedim(2 + axis, 0).flatten(2).sum(2)  # (places, lines)
        middle = len(maps) // 2
        felt = []
        for p in (middle, middle + 1):
            g = torch.autograd.grad(maps[p].sum(), x, retain_graph=True)[0]
            felt.append(g.movedim(2 + axis, 1)[torch.arange(len(lines)), lines].flatten(1).abs().sum(1) > 0)
        seen.append(torch.stack(felt, 1))
    first, after = (column.nonzero().flatten() for column in torch.cat(seen).T)
    assert first[0] > 0 and after[-1] < n - 1, "the picture is too small for this field"
    stride = int(after[0] - first[0])
    return int(first[-1] - first[0]) + 1, stride, int(first[0]) - middle * stride


def agrees(net, layer, shape):
    field = features.receptive_field(net, layer)
    assert not field.whole
    for axis in range(2):
        assert (field.size[axis], field.stride[axis], field.start[axis]) == measured(net, layer, shape, axis)


def random_stack(seed):
    """Convolutions and poolings with kernels, strides, paddings and dilations of their own on each axis."""
    rng = np.random.default_rng(seed)

    def pair(low, high):
        return tuple(int(v) for v in rng.integers(low, high, 2))

    layers, channels, strides = [], 1, np.ones(2)
    while len(layers) < 8:
        stride = pair(1, 3) if strides.max() < 8 else (1, 1)
        strides *= stride
        kind = rng.choice(["conv", "conv", "max", "average"])
        if kind == "conv":
            conv = nn.Conv2d(channels, 3, pair(1, 5), stride, pair(0, 3), pair(1, 3))
            layers += [conv, nn.BatchNorm2d(3), nn.ReLU()]
            channels = 3
        else:
            kernel = pair(2, 4)
            padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
            layers.append(nn.AvgPool2d(kernel, stride, padding) if kind == "average" else
                          nn.MaxPool2d(kernel, stride, padding, pair(1, 3), ceil_mode=bool(rng.integers(2))))
    if not any(isinstance(m, nn.Conv2d) for m in layers):
        layers.insert(0, nn.Conv2d(1, 1, 3))
    return nn.Sequential(*layers)


@pytest.mark.parametrize("seed", range(10))
def test_random_stacks_exactly(seed):
    torch.manual_seed(seed)
    net = positive(random_stack(seed))
    last = str(len(net) - 1)
    field = features.receptive_field(net, last)
    agrees(net, last, (1, *(2 * field.size[axis] + 6 * field.stride[axis] + 12 for axis in range(2))))


class Branches(nn.Module):
    """Fire, residual and inception-like blocks, "same" padding, padding and pooling by functions."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, stride=2)
        self.squeeze = nn.Conv2d(4, 2, 1)
        self.left, self.right = nn.Conv2d(2, 3, 1), nn.Conv2d(2, 3, 3, padding=1)
        self.residual = nn.Conv2d(6, 6, (5, 3), padding="same", dilation=(1, 2))
        self.wide, self.tail = nn.Conv2d(6, 2, (5, 1), padding=(2, 0)), nn.Conv2d(4, 4, 3, stride=2)
        self.after, self.end = nn.Identity(), nn.Identity()

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = F.relu(self.squeeze(x))
        x = torch.cat([self.left(x), self.right(x)], 1)
        x = self.after(x + F.relu(self.residual(x)))
        x = F.pad(x, (2, 1, 1, 2))
        x = torch.cat([F.max_pool2d(x[:, :2], 3, stride=1, padding=1), self.wide(x)], 1)
        return self.end(self.tail(x))


@pytest.mark.parametrize("layer", ["stem", "right", "residual", "after", "end"])
def test_branches(layer):
    torch.manual_seed(0)
    agrees(positive(Branches()), layer, (1, 61, 57))


class Plain(Branches):
    def forward(self, x):
        x = F.relu(self.stem(x))
        x = F.pad(x, (2, 1, 1, 3))
        x = F.avg_pool2d(x, 3, 2, padding=1)
        return self.end(F.max_pool2d(F.relu(self.squeeze(x)).mean(1, keepdim=True), kernel_size=2))


def test_functional_poolings_padding_and_means_over_channels():
    torch.manual_seed(0)
    agrees(positive(Plain()), "end", (1, 90, 97))


class Cut(nn.Module):
    def __init__(self, cut):
        super().__init__()
        self.one, self.end, self.cut = nn.Conv2d(1, 4, 3), nn.Identity(), cut

    def forward(self, x):
        return self.end(self.cut(self.one(x)))


@pytest.mark.parametrize("cut", [lambda x: x[..., 1:-1], lambda x: x[:, :, ::2], lambda x: x.chunk(2, 2)[1],
                                 lambda x: x.narrow(2, 1, 3), lambda x: x.flip(2), lambda x: x.roll(1, 2),
                                 lambda x: F.interpolate(x, scale_factor=2), lambda x: x[:, :, 0],
                                 lambda x: F.pad(x, (1, 1, 0, 0), mode="circular")])
def test_a_map_that_is_cut_turned_or_resampled_has_no_common_field(cut):
    with pytest.raises(UnsupportedLayer, match="no common receptive field"):
        features.receptive_field(Cut(cut), "end")


@pytest.mark.parametrize("keep", [lambda x: x[:, 1:], lambda x: x.chunk(2, 1)[1],
                                  lambda x: x.reshape(x.shape),
                                  lambda x: x.mean(1, keepdim=True), lambda x: x.amax((1,), keepdim=True),
                                  lambda x: x.contiguous().clone(), lambda x: x[:, [0, 2]] * 2])
def test_channels_may_be_chosen(keep):
    assert features.receptive_field(Cut(keep), "end") == Field((3, 3), (1, 1), (0, 0))


@pytest.mark.parametrize("mix", [lambda x: x.permute(0, 1, 3, 2), lambda x: x.flatten(1),
                                 lambda x: x.mean((2, 3)), lambda x: F.layer_norm(x, x.shape[1:]),
                                 lambda x: x.sum(3)])
def test_what_mixes_places_sees_the_whole_picture(mix):
    assert features.receptive_field(Cut(mix), "end", (1, 9, 9)).whole


SQUEEZENET = ("features.0", "features.2", "features.3.expand3x3", "features.5", "features.7", "features.10")


@pytest.mark.parametrize("layer", SQUEEZENET)
def test_squeezenet(layer):
    from torchvision import models

    torch.manual_seed(0)
    net = positive(models.squeezenet1_1(weights=None, num_classes=5))
    field = features.receptive_field(net, layer)
    long, axis = 2 * field.size[0] + 6 * field.stride[0], SQUEEZENET.index(layer) % 2
    shape = (3, long, 25) if axis == 0 else (3, 25, long)
    assert (field.size[axis], field.stride[axis], field.start[axis]) == measured(net, layer, shape, axis)
    assert field.size[0] == field.size[1]


def test_the_published_numbers_of_alexnet_and_vgg():
    """Araujo, Norris, Sim 2019, table 1: field and stride of the last convolutional layers."""
    from torchvision import models

    vgg = features.receptive_field(models.vgg16(weights=None), "features.30")
    assert (vgg.size[0], vgg.stride[0]) == (212, 32)
    alexnet = features.receptive_field(models.alexnet(weights=None), "features.12")
    assert (alexnet.size[0], alexnet.stride[0]) == (195, 32)


def test_adaptive_pooling_that_divides_and_that_does_not():
    torch.manual_seed(0)
    pool = nn.AdaptiveAvgPool2d((4, 5))
    net = positive(nn.Sequential(nn.Conv2d(1, 2, 3, stride=2), pool, nn.Conv2d(2, 2, 1)))
    field = features.receptive_field(net, "2", (1, 34, 42))  # 16 × 20 places into 4 × 5
    assert [field.size, field.stride, field.start] == [(9, 9), (8, 8), (0, 0)]
    for axis in range(2):
        assert measured(net, "2", (1, 34, 42), axis) == (9, 8, 0)
    with pytest.raises(UnsupportedLayer, match="windows of several sizes"):
        features.receptive_field(net, "2", (1, 40, 41))


def test_units_that_see_the_whole_picture():
    net = zoo.load("digits-cnn")
    with pytest.raises(ValueError, match="give shape"):
        features.receptive_field(net, "head")
    assert features.receptive_field(net, "head", (1, 28, 28)) == Field((28, 28), (28, 28), (0, 0), whole=True)


def test_box():
    assert Field((5, 7), (2, 3), (-1, 0)).box(3, 4) == ((5, 10), (12, 19))


def test_bad_input():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(2, 2, 3))
    with pytest.raises((ValueError, KeyError), match="3"):
        features.receptive_field(net, "3")
    with pytest.raises(UnsupportedLayer, match="1"):
        features.receptive_field(net, "2")
    with pytest.raises(UnsupportedLayer, match="transpose"):
        features.receptive_field(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ConvTranspose2d(2, 2, 2, 2)), "1")
    with pytest.raises(ValueError, match="no convolution"):
        features.receptive_field(nn.Sequential(nn.Flatten(), nn.Linear(9, 3), nn.ReLU()), "1")
    with pytest.raises(UnsupportedLayer, match="different strides"):
        features.receptive_field(Mixed(), "both", (1, 16, 16))
    with pytest.raises(ValueError, match="took no picture"):
        features.receptive_field(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(7, 2)), "2",
                                 (1, 9, 9))


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(1, 2, 2, stride=2)
        self.both = nn.Identity()

    def forward(self, x):
        return self.both(torch.cat([self.one(x), self.two(F.pad(x, [8] * 4))], 1))


def test_the_network_is_as_it_was():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.Conv2d(2, 2, 3)).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    state = torch.get_rng_state()
    field = features.receptive_field(net, "3")
    assert field.size == (5, 5) and net.training and torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert not any(m._forward_hooks for m in net.modules())
