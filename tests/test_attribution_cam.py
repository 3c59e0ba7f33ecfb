"""CAM and Grad-CAM: against captum, by hand, and against each other."""

import captum.attr as captum
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from xaikit import attribution
from xaikit.attribution import UnsupportedLayer, cam, grad_cam, last_convolution


def network(seed=0, inplace=False):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(inplace),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 6, 3),
        nn.ReLU(inplace),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(6, 5),
    ).eval()


def images(n=4):
    return torch.rand(n, 3, 14, 14, generator=torch.Generator().manual_seed(1))


TARGET = torch.tensor([0, 4, 2, 2])


@pytest.mark.parametrize("layer", ["0", "1", "2", "3", "4"])
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_grad_cam_as_captum(layer, inplace):
    net, x = network(inplace=False), images()
    theirs = captum.LayerGradCam(net, net[int(layer)]).attribute(x, TARGET, relu_attributions=True)
    theirs = captum.LayerAttribution.interpolate(theirs, x.shape[2:], "bilinear").detach()
    ours = grad_cam(network(inplace=inplace), x, TARGET, layer=layer)
    torch.testing.assert_close(ours.sum(1, keepdim=True), theirs, rtol=1e-5, atol=1e-5 * theirs.max().item())
    assert theirs.max() > 0


def test_grad_cam_takes_the_last_convolution_by_itself():
    net, x = network(), images()
    assert last_convolution(net) == "3"
    torch.testing.assert_close(grad_cam(net, x, 1), grad_cam(net, x, 1, layer="3"))


def test_grad_cam_runs_no_gradient_before_the_layer():
    seen = []

    class Look(nn.Module):
        def forward(self, x):
            seen.append(x.requires_grad)
            return x

    net = network()
    net = nn.Sequential(*net[:3], Look(), *net[3:5], Look(), *net[5:])
    grad_cam(net, images(), 1, layer="4")
    assert seen == [False, True]


@pytest.mark.parametrize("name", ["cam", "grad_cam"])
def test_the_map_is_the_same_in_every_channel_and_the_channels_sum_to_it(name):
    got = attribution.METHODS[name](network(), images(), 1)
    torch.testing.assert_close(got[:, :1].expand_as(got), got)
    grey = network()
    grey[0] = nn.Conv2d(1, 8, 3, padding=1)
    with torch.no_grad():
        grey[0].weight.copy_(network()[0].weight.sum(1, keepdim=True))
        grey[0].bias.copy_(network()[0].bias)
    x = images()[:, :1]
    torch.testing.assert_close(
        attribution.METHODS[name](network(), x.repeat(1, 3, 1, 1), 1).sum(1, keepdim=True),
        attribution.METHODS[name](grey, x, 1),
        rtol=1e-4,
        atol=1e-6,
    )


def test_cam_by_hand():
    net, x = network(), images()
    maps = net[:5](x)
    expected = torch.einsum("nk,nkhw->nhw", net[-1].weight[TARGET], maps)[:, None]
    expected = F.interpolate(expected, x.shape[2:], mode="bilinear", align_corners=False)
    torch.testing.assert_close(cam(net, x, TARGET).sum(1, keepdim=True), expected, rtol=1e-5, atol=1e-7)


def test_grad_cam_at_the_last_maps_is_the_rectified_cam():
    """With global average pooling and one linear layer both are the same up to the number of positions."""
    net, x = network(), images()
    maps = net[:5](x)
    scores = torch.einsum("nk,nkhw->nhw", net[-1].weight[TARGET], maps)[:, None] / maps[0, 0].numel()
    expected = F.interpolate(scores.relu(), x.shape[2:], mode="bilinear", align_corners=False)
    torch.testing.assert_close(
        grad_cam(net, x, TARGET, layer="4").sum(1, keepdim=True), expected, rtol=1e-4, atol=1e-7
    )


class Written(nn.Module):
    """The same network, its end written in other ways."""

    def __init__(self, pool):
        super().__init__()
        self.features, self.head, self.pool = network()[:5], network()[-1], pool

    def forward(self, x):
        return self.head(self.pool(self.features(x)))


@pytest.mark.parametrize(
    "pool",
    [
        lambda f: f.mean((2, 3)),
        lambda f: f.mean([-2, -1]),
        lambda f: f.mean(dim=(2, 3)),
        lambda f: torch.mean(f, (2, 3)),
        lambda f: F.adaptive_avg_pool2d(f, 1).flatten(1),
        lambda f: F.avg_pool2d(f, f.shape[2]).squeeze(),
        lambda f: F.adaptive_avg_pool2d(f, (1, 1))[:, :, 0, 0],
    ],
)
def test_cam_however_the_pooling_is_written(pool):
    torch.testing.assert_close(cam(Written(pool), images(), 1), cam(network(), images(), 1))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(*network()[:5], nn.Flatten(), nn.Linear(6 * 25, 5)),  # no pooling
        lambda: nn.Sequential(
            *network()[:7], nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 5)
        ),  # two layers after it
        lambda: nn.Sequential(*network()[:7]),  # no linear layer
        lambda: nn.Sequential(*network(), nn.Softmax(1)),  # something on top
        lambda: nn.Sequential(
            *network()[:5], nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 5)
        ),  # another pooling
        lambda: nn.Sequential(*network()[:5], nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 5)),
        lambda: (
            nn.Sequential(*network()[:7], nn.ReLU(), nn.BatchNorm1d(6), nn.Linear(6, 5)).eval().apply(_used)
        ),
    ],
)
def test_cam_refuses_other_networks(make):
    with pytest.raises(UnsupportedLayer, match="global average pooling"):
        cam(make(), images())


def _used(module):
    if isinstance(module, nn.BatchNorm1d):
        module.running_mean += 0.5


def test_layers_that_cannot_serve():
    net, x = network(), images()
    with pytest.raises(ValueError, match="'conv'.*Did you mean|no layer 'conv'"):
        grad_cam(net, x, layer="conv")
    named = nn.Sequential()
    named.add_module("features", network()[:5])
    named.add_module("head", network()[5:])
    with pytest.raises(ValueError, match="Did you mean 'features.3'"):
        grad_cam(named, x, layer="feature.3")
    with pytest.raises(UnsupportedLayer, match="'8'"):
        grad_cam(net, x, layer="8")
    net.add_module("idle", nn.Conv2d(3, 3, 1))
    net.forward = network().forward
    with pytest.raises(UnsupportedLayer, match="does not run"):
        grad_cam(net, x, layer="idle")
    with pytest.raises(UnsupportedLayer, match="no nn.Conv2d"):
        grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(588, 2)), x)
    for method in (cam, grad_cam):
        with pytest.raises(ValueError, match="images"):
            method(nn.Linear(4, 2), torch.rand(3, 4))


def test_a_layer_used_twice_counts_with_its_last_output():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.head = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3, 4)

        def forward(self, x):
            return self.head(self.conv(self.conv(x).relu()).relu().mean((2, 3)))

    net, x = Twice(), images()
    last = net.conv(net.conv(x).relu()).detach().requires_grad_()
    net.head(last.relu().mean((2, 3)))[:, 1].sum().backward()
    expected = (last.grad.mean((2, 3), keepdim=True) * last).sum(1, keepdim=True).relu()
    torch.testing.assert_close(grad_cam(net, x, 1, layer="conv").sum(1, keepdim=True), expected.detach())
