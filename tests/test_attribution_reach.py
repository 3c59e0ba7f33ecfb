"""Occlusion that recomputes only what a window reaches: the same numbers as with the whole image, or the whole image."""
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from xaikit import hooks
from xaikit.attribution import occlusion, perturbation, reach


class Net(nn.Module):
    """Convolutions, then ``middle``, then a head that is most of nothing: cuts pay."""

    def __init__(self, body, channels=8):
        super().__init__()
        self.body, self.last = body, nn.Conv2d(channels, 8, 3, padding=1)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        return self.head(F.relu(self.last(self.body(x))).mean((2, 3)))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.Conv2d(8, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x):
        out = F.relu_(self.norm(self.a(x)))
        out = self.b(out)
        out += x
        return F.relu(out, inplace=True)


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.three = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 4, 3, padding=2, dilation=2)

    def forward(self, x):
        return torch.cat([self.one(x), F.relu(self.three(x))], 1)


class Places(nn.Module):
    """Adds where a pixel is, as CoordConv does."""

    def forward(self, x):
        return x + torch.linspace(-1, 1, x.shape[-1], dtype=x.dtype)[None, None, None, :].expand_as(x[:1])


class Brightest(nn.Module):
    """Divides by a number that all pixels decide, and that no operation of the network is seen to read."""

    def forward(self, x):
        return x / x.abs().max().item()


class BySize(nn.Module):
    def forward(self, x):
        return x * (100 / x.shape[-1])


class Around(nn.Module):
    """A way round the body."""

    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1)), nn.Conv2d(3, 8, 1)

    def forward(self, x):
        return self.inner(x) + self.outer(x)


class Squeeze(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x.mean((2, 3), keepdim=True))


def stem(*middle, stride=2):
    return nn.Sequential(nn.Conv2d(3, 8, 5, stride, 2), nn.BatchNorm2d(8), nn.ReLU(inplace=True),
                         nn.MaxPool2d(3, 2, ceil_mode=True), *middle)


def networks():
    shared = nn.Conv2d(8, 8, 3, padding=1)
    return {
        "plain": stem(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()),
        "unpadded": nn.Sequential(nn.Conv2d(3, 8, 4, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.AvgPool2d(2)),
        "residual": stem(Residual(), Residual()),
        "branches": stem(Branches(), Branches()),
        "around": Around(),
        "places": nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), Places(), nn.Conv2d(8, 8, 3, padding=1)),
        "brightest": nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), Brightest(), nn.Conv2d(8, 8, 3, padding=1)),
        "by size": nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), BySize(), nn.Conv2d(8, 8, 3, padding=1)),
        "squeeze": nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), Squeeze(), nn.Conv2d(8, 8, 3, padding=1)),
        "twice": nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Sequential(shared, nn.ReLU()), nn.Sequential(shared, nn.ReLU())),
        "resized": nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Upsample(scale_factor=.5), nn.Conv2d(8, 8, 3, padding=1)),
    }


CUT = {  # the last layer at which a crop may end; None: not even behind the first convolution
    "plain": "last", "unpadded": "last", "residual": "last", "branches": "last", "around": "last",
    "places": "body.0", "brightest": "body.0", "by size": "last", "squeeze": "body.0", "twice": "last", "resized": "body.0"}
MORE = {"plain": 2, "residual": 3, "branches": 2, "resized": 1}  # at least so many cuts: a crop of a crop


@pytest.mark.parametrize("name", networks())
@pytest.mark.parametrize("sides, window, stride", [((97, 120), (21, 20), (11, 20)), ((110, 83), (7, 30), (7, 15))])
def test_the_same_numbers_as_with_whole_images(name, sides, window, stride, monkeypatch):
    torch.manual_seed(0)
    net = Net(networks()[name]).double().eval()
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(), m.running_var.uniform_(.5, 2)
    x = torch.rand(2, 3, *sides, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = []
    monkeypatch.setattr(perturbation, "best_cuts", lambda *a: found.append(reach.best_cuts(*a)) or found[-1])
    sent = []
    net.body.register_forward_pre_hook(lambda m, args: sent.append(tuple(args[0].shape[2:])))
    ours = occlusion(net, x, 1, window=window, stride=stride)
    cropped = set(sent)
    monkeypatch.setattr(perturbation, "best_cuts", lambda *a: [])
    sent.clear()
    whole = occlusion(net, x, 1, window=window, stride=stride)
    assert (ours - whole).abs().max() <= 1e-11 * whole.abs().max()
    assert len(found[0]) >= MORE.get(name, 1) and cropped != {sides} == set(sent)


@pytest.mark.parametrize("name", networks())
def test_how_far_a_cut_may_go(name):
    """Not behind a step that mixes all places, and not where something goes round it."""
    torch.manual_seed(0)
    net = Net(networks()[name]).eval().requires_grad_(False)
    cuts = [cut.layer for cut in reach._cuts(net, torch.rand(1, 3, 64, 64), 1)]
    assert cuts[-1] == CUT[name]
    assert not any(c.startswith("body.inner") for c in cuts), "the outer way goes round it"
    if name == "twice":
        assert "body.1.0" not in cuts and "body.2.0" not in cuts, "an edit would change both runs"


def test_a_network_that_computes_with_the_images_size_gets_whole_images(monkeypatch):
    """Nothing of it can be seen in the operations; the unhidden crop, which goes along, gives it away."""
    torch.manual_seed(0)
    net, x = Net(networks()["by size"]).eval(), torch.rand(1, 3, 100, 100)
    cuts = []
    inner = perturbation._drops
    monkeypatch.setattr(perturbation, "_drops", lambda *a: cuts.append(a[-1]) or inner(*a))
    occlusion(net, x, 0, window=20, stride=20)
    assert len(cuts) == 2 and cuts[0] and not cuts[1]


@pytest.mark.parametrize("head", [nn.Linear(8 * 66 * 90, 2), nn.LazyLinear(2)], ids=["only this size", "any size"])
def test_a_network_that_begins_in_place_leaves_the_image_alone(head):
    torch.manual_seed(0)
    net = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 8, 3, padding=1), nn.Flatten(), head).eval()
    x = torch.rand(1, 3, 66, 90) - 0.5
    before = x.clone()
    if isinstance(head, nn.LazyLinear):
        net(x.clone())
    occlusion(net, x, 0, window=22, stride=22)
    assert torch.equal(x, before)
    assert reach.best_cuts(net.requires_grad_(False), x, (22, 22), 20) and torch.equal(x, before)


def test_windows_at_the_borders_and_one_that_covers_all():
    torch.manual_seed(0)
    net, x = Net(stem(Residual())).eval(), torch.rand(1, 3, 96, 96)
    cuts = reach.best_cuts(net.requires_grad_(False), x, (20, 20), 36)
    names = [cut.layer for cut in cuts]
    corners = [(0, 0), (76, 76), (0, 76), (40, 13)]
    with hooks.record(net, *names) as full, torch.no_grad():
        net(x)
    field, sides = reach.image_field(2), (96, 96)
    for cut in cuts:
        places = full[cut.layer].shape[2:]
        boxes = reach.crops(field, cut.field, corners, (20, 20), sides, places)
        for corner, (crop, units, _) in zip(corners, boxes, strict=True):
            hidden = x.clone()
            hidden[:, :, corner[0]:corner[0] + 20, corner[1]:corner[1] + 20] = 0
            with hooks.record(net, cut.layer) as acts, torch.no_grad():
                net(hidden)
            changed = (acts[cut.layer] - full[cut.layer]).abs().amax((0, 1)) > 0
            outside = changed.clone()
            outside[units] = False
            assert changed.any() and not outside.any(), corner
            assert all(0 <= c.start < c.stop <= side for c, side in zip(crop, sides, strict=True))
        field, sides = cut.field, places
    assert len(cuts) > 1 and not reach.best_cuts(net, x, (96, 96), 1)


def test_a_sequence_and_a_network_without_convolutions(monkeypatch):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(2, 8, 9, 2, 4), nn.ReLU(), nn.Conv1d(8, 8, 9, padding=4), nn.AdaptiveAvgPool1d(1), nn.Flatten(),
                        nn.Linear(8, 3)).eval()
    x = torch.rand(1, 2, 10_000)
    ours = occlusion(net, x, 0, window=500)
    assert reach.best_cuts(net.requires_grad_(False), x, (500,), 39)[-1].layer in ("1", "2")
    monkeypatch.setattr(perturbation, "best_cuts", lambda *a: [])
    assert torch.allclose(ours, occlusion(net, x, 0, window=500), atol=1e-6)
    dense = nn.Sequential(nn.Flatten(), nn.Linear(3 * 90 * 90, 2)).eval()
    assert occlusion(dense, torch.rand(1, 3, 90, 90), 0, window=30).shape == (1, 3, 90, 90)


def test_a_stride_that_skips_pixels(monkeypatch):
    """Windows that no unit sees change nothing, the one in the middle of the picture among them."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 2, 12), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)).eval()
    x = torch.rand(1, 3, 133, 97)
    cut = next(iter(reach._cuts(net.requires_grad_(False), x.clone(), 1)))
    (first, last), _ = reach.seen(cut.field, (66, 0), (1, 97), (11, 8))
    assert cut.layer == "0" and last < first
    for size in (1, 2, 3):
        maps = []
        for cuts in ([cut], []):
            monkeypatch.setattr(perturbation, "best_cuts", lambda *a, cuts=cuts: cuts)
            maps.append(occlusion(net, x, 0, window=(size, 97), stride=(size, 97)))
        assert torch.allclose(*maps, atol=1e-6) and (maps[0] == 0).any() and (maps[0] != 0).any()
