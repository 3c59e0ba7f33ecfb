"""Networks that call ``view`` on maps, which channels last would break, are explained, searched and dissected all the same."""
import pytest
import torch
from torch import nn

from xaikit import attribution, features, layout, zoo


class Viewing(nn.Module):
    """The idiom of most networks written by hand: ``x.view(len(x), -1)`` after the convolutions."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4 * 24 * 24, 5)

    def forward(self, x):
        return self.head(self.flat(self.conv(x).relu()))

    def flat(self, x):
        return x.view(len(x), -1)


class Hidden(Viewing):
    """The same where nobody sees it beforehand."""

    def flat(self, x):
        return getattr(x, "vi" + "ew")(len(x), -1)


class Flat(Viewing):
    def flat(self, x):
        return x.flatten(1)


def made(kind):
    torch.manual_seed(0)
    return kind().eval()


IMAGES = torch.rand(8, 3, 24, 24, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", [Viewing, Hidden])
@pytest.mark.parametrize("name", ["gradient", "smoothgrad", "integrated_gradients", "occlusion", "grad_cam"])
def test_methods_explain_a_network_that_views(kind, name):
    options = {"layer": "conv"} if name == "grad_cam" else {}
    net = made(kind)
    before = [(p.data_ptr(), p.stride(), p.clone()) for p in net.parameters()]
    torch.testing.assert_close(getattr(attribution, name)(net, IMAGES, 1, **options),
                               getattr(attribution, name)(made(Flat), IMAGES, 1, **options), rtol=1e-4, atol=1e-6)
    for p, (place, stride, value) in zip(net.parameters(), before, strict=True):
        assert p.data_ptr() == place and p.stride() == stride and p.equal(value)


@pytest.mark.parametrize("name", ["guided_backprop", "lrp_epsilon", "deep_lift"])
def test_methods_with_rules_explain_a_network_that_views(name):
    torch.testing.assert_close(getattr(attribution, name)(made(Viewing), IMAGES, 1),
                               getattr(attribution, name)(made(Flat), IMAGES, 1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", [Viewing, Hidden])
def test_features_of_a_network_that_views(kind):
    net, flat = made(kind), made(Flat)
    torch.testing.assert_close(features.responses(net, "head", IMAGES), features.responses(flat, "head", IMAGES))
    found, same = (features.maximize(m, features.logit(2), (3, 24, 24), steps=4, bounds=(0, 1)) for m in (net, flat))
    torch.testing.assert_close(found.images, same.images)
    top, same = (features.top_images(m, "head", 2, IMAGES, k=3) for m in (net, flat))
    assert top.indices.equal(same.indices)


def test_the_layout_is_used_where_it_can_be():
    seen = []
    net = zoo.load("scenes-cnn")
    hook = net.features[0].register_forward_pre_hook(lambda m, args: seen.append(args[0].is_contiguous()))
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(layout.run(net, x), net(x), rtol=1e-4, atol=1e-5)
        layout.run(net.double(), x.double())
    hook.remove()
    assert seen == [False, True, True]


def test_other_errors_are_not_swallowed():
    with pytest.raises(RuntimeError, match="channels"):
        layout.run(made(Flat), torch.rand(1, 2, 24, 24))
