"""Occlusion: every window whole, overlaps averaged, hidden and not kept; against captum and a loop."""

import captum.attr as captum
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from xaikit.attribution import occlusion


def network(side=12, channels=3):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * (side // 2) ** 2, 5),
    ).eval()


def images(n=3, side=12, channels=3):
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(1))


def loop(net, x, target, window, starts_y, starts_x, value=0.0):
    """The definition, one window and one image at a time."""
    total, covered = torch.zeros_like(x[:, :1]), torch.zeros_like(x[:, :1])
    for i in range(len(x)):
        for a in starts_y:
            for b in starts_x:
                hidden = x[i : i + 1].clone()
                hidden[:, :, a : a + window[0], b : b + window[1]] = value
                with torch.no_grad():
                    drop = (net(x[i : i + 1]) - net(hidden))[0, target]
                total[i, :, a : a + window[0], b : b + window[1]] += drop
                covered[i, :, a : a + window[0], b : b + window[1]] += 1
    return (total / covered / x.shape[1]).expand_as(x)


@pytest.mark.parametrize("window", [(3, 3), (4, 2), (12, 12), (1, 12)])
@pytest.mark.parametrize("value", [0.0, 0.5])
def test_as_captum_without_overlap(window, value):
    net, x, target = network(), images(), torch.tensor([0, 4, 2])
    theirs = captum.Occlusion(net).attribute(x, (3, *window), (3, *window), value, target)
    ours = occlusion(net, x, target, window=window, stride=window, value=value)
    assert (3 * ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def test_as_captum_with_overlap_where_the_windows_fit():
    net, x = network(), images()
    theirs = captum.Occlusion(net).attribute(x, (3, 4, 4), (3, 2, 2), target=1)
    assert (3 * occlusion(net, x, 1, window=4, stride=2) - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@pytest.mark.parametrize(
    "window, stride, starts",
    [
        (5, 3, [0, 3, 6, 7]),
        (5, 5, [0, 5, 7]),
        (4, 4, [0, 4, 8]),
        (7, 2, [0, 2, 4, 5]),
        (12, 1, [0]),
        (11, 11, [0, 1]),
    ],
)
def test_windows_at_the_edge_are_whole(window, stride, starts):
    net, x = network(), images(2)
    torch.testing.assert_close(
        occlusion(net, x, 1, window=window, stride=stride),
        loop(net, x, 1, (window, window), starts, starts),
        rtol=1e-4,
        atol=1e-6,
    )


@settings(max_examples=25, deadline=None)
@given(side=st.integers(2, 9), window=st.integers(1, 9), stride=st.integers(1, 9), seed=st.integers(0, 1000))
def test_of_a_sum_every_pixel_gets_the_mean_over_its_windows_of_their_sums(side, window, stride, seed):
    """F = Σ x, so that a window's drop is what it holds; with windows of one pixel each pixel gets its own
    value."""
    window = min(window, side)
    stride = min(stride, window)

    class Sum(nn.Module):
        def forward(self, x):
            return x.flatten(1).sum(1)

    x = torch.randn(2, 1, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    starts = sorted({*range(0, side - window + 1, stride), side - window})
    total, covered = torch.zeros_like(x), torch.zeros_like(x)
    for a in starts:
        for b in starts:
            box = (..., slice(a, a + window), slice(b, b + window))
            total[box] += x[box].sum((2, 3), keepdim=True)
            covered[box] += 1
    assert (covered > 0).all()
    torch.testing.assert_close(occlusion(Sum(), x, window=window, stride=stride), total / covered)
    torch.testing.assert_close(occlusion(Sum(), x, window=1), x)


def test_hidden_and_not_kept():
    """Only the window that holds the only thing that counts gets credit."""

    class Corner(nn.Module):
        def forward(self, x):
            return x[:, 0, 0, 0]

    got = occlusion(Corner(), torch.ones(1, 1, 6, 6), window=3, stride=3)
    assert got[0, 0, :3, :3].eq(1).all() and got.sum() == 9


def test_features_are_hidden_one_by_one():
    net = nn.Linear(5, 2)
    x = torch.rand(4, 5)
    torch.testing.assert_close(occlusion(net, x, 1), x * net.weight[1].detach(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(
        occlusion(net, x, 1, value=1.0), (x - 1) * net.weight[1].detach(), rtol=1e-4, atol=1e-6
    )
    pairs = occlusion(net, x, 1, window=2, stride=1)
    single = x * net.weight[1].detach()
    torch.testing.assert_close(pairs[:, 0], single[:, 0] + single[:, 1], rtol=1e-4, atol=1e-6)


def test_sequences_are_hidden_along_their_length():
    net = nn.Sequential(nn.Flatten(), nn.Linear(2 * 7, 3))
    x = torch.rand(2, 2, 7)
    got = occlusion(net, x, 1, window=1)
    expected = (x * net[1].weight[1].detach().view(2, 7)).sum(1, keepdim=True).expand_as(x) / 2
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)


def test_a_value_for_each_channel_or_image():
    net, x = network(), images()
    mean = x.mean((2, 3), keepdim=True)
    together = occlusion(net, x, 1, window=4, value=mean)
    alone = torch.cat([occlusion(net, x[i : i + 1], 1, window=4, value=mean[i]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)
    blurred = torch.nn.functional.avg_pool2d(x, 3, 1, 1)
    assert occlusion(net, x, 1, window=12, value=blurred).flatten(1).unique(dim=1).shape[1] == 1


def test_the_default_window_is_a_seventh():
    net, x = network(28, 1), images(1, 28, 1)
    torch.testing.assert_close(occlusion(net, x, 1), occlusion(net, x, 1, window=4, stride=2))


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"window": 0}, ValueError, "window"),
        ({"window": 13}, ValueError, "does not fit"),
        ({"window": 2.5}, TypeError, "window"),
        ({"window": (3, 3, 3)}, ValueError, "window"),
        ({"window": 3, "stride": 0}, ValueError, "stride"),
        ({"window": 3, "stride": 4}, ValueError, "gaps"),
        ({"window": 3, "stride": (1,)}, ValueError, "stride"),
        ({"value": torch.zeros(5)}, ValueError, "value"),
        ({"value": float("nan")}, ValueError, "value"),
    ],
)
def test_options(options, error, words):
    with pytest.raises(error, match=words):
        occlusion(network(), images(), 1, **options)
