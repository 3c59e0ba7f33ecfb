"""Composites: what lies at which depth, agreement with zennit composite by composite, and the books of every network."""
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from zennit import composites as zennit_composites
from zennit.attribution import Gradient as ZennitGradient

from xaikit import attribution, data, zoo
from xaikit.attribution import PRESETS, AlphaBeta, Epsilon, Flat, Gamma, UnsupportedLayer, composite, layers


def vgg_like(seed=0):
    """Convolutions in pairs, pooling, two dense layers: six convolutions deep enough for all four blocks."""
    torch.manual_seed(seed)
    widths, modules = [3, 8, 8, 12, 12, 16, 16], []
    for i, (a, b) in enumerate(zip(widths, widths[1:], strict=False)):
        modules += [nn.Conv2d(a, b, 3, padding=1), nn.ReLU()] + [nn.MaxPool2d(2)] * (i % 2)
    net = nn.Sequential(*modules, nn.Flatten(), nn.Linear(16 * 4, 20), nn.ReLU(), nn.Dropout(), nn.Linear(20, 5))
    for m in net:  # biases that matter
        if isinstance(m, nn.Conv2d | nn.Linear):
            nn.init.normal_(m.bias, 0.0, 0.1)
            nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
    return net.eval()


def images(n=3, channels=3, size=16, seed=1):
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(seed))


THEIRS = {
    "epsilon_plus": zennit_composites.EpsilonPlus(), "epsilon_plus_flat": zennit_composites.EpsilonPlusFlat(),
    "epsilon_alpha2_beta1": zennit_composites.EpsilonAlpha2Beta1(),
    "epsilon_alpha2_beta1_flat": zennit_composites.EpsilonAlpha2Beta1Flat(),
    "epsilon_gamma_box": zennit_composites.EpsilonGammaBox(low=torch.zeros(1, 3, 1, 1), high=torch.ones(1, 3, 1, 1)),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", THEIRS)
def test_agrees_with_zennit_composite_by_composite(name, seed):
    net, x, target = vgg_like(seed), images(), [0, 2, 4]
    with ZennitGradient(model=net, composite=THEIRS[name]) as attributor:
        expected = attributor(x.clone(), lambda out: F.one_hot(torch.tensor(target), 5) * out.detach())[1].detach()
    found = attribution.lrp_composite(net, x, torch.tensor(target), preset=name)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max() and expected.abs().max() > 1e-4


def test_the_composite_by_depth_agrees_with_zennit_by_names():
    net, x, target = vgg_like(), images(), [1, 1, 3]
    from zennit import rules as z
    from zennit import types

    names = [(["0"], z.ZBox(low=torch.zeros(1, 3, 1, 1), high=torch.ones(1, 3, 1, 1))), (["2", "5", "7"], z.Gamma(0.25)),
             (["10", "12"], z.Epsilon(0.25)), (["16", "19"], z.Epsilon(1e-12))]
    theirs = zennit_composites.NameLayerMapComposite(names, [(types.Activation, z.Pass())])
    assert [n for n, *_ in layers(net, x)] == ["0", "2", "5", "7", "10", "12", "16", "19"]
    with ZennitGradient(model=net, composite=theirs) as attributor:
        expected = attributor(x.clone(), lambda out: F.one_hot(torch.tensor(target), 5) * out.detach())[1].detach()
    found = attribution.lrp_composite(net, x, torch.tensor(target), preset="lrp_cmp")
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max() and expected.abs().max() > 1e-4


def test_depth_is_that_of_the_run_and_vgg16_gets_the_authors_blocks():
    with torch.device("meta"):
        vgg = torchvision.models.vgg16(weights=None)
    convs = [f"features.{i}" for i, m in enumerate(vgg.features) if isinstance(m, nn.Conv2d)]
    small = torchvision.models.vgg16(weights=None, num_classes=3)
    small.classifier = nn.Sequential(*[m for a, b in ((25088, 4), (4, 4), (4, 3)) for m in (nn.Linear(a, b), nn.ReLU())][:-1])
    found = layers(small, torch.rand(2, 3, 32, 32))
    block = {name: block for name, block, _ in found}
    assert [n for n, *_ in found][:13] == convs
    # Montavon et al. 2019, section 10.3 and its tutorial: z^B, γ up to conv3_3, ε up to conv5_3, LRP-0 in the dense layers
    assert [block[c] for c in convs] == ["first"] + ["lower"] * 6 + ["middle"] * 6
    assert {b for n, b, _ in found if n.startswith("classifier")} == {"upper"}

    class Backwards(nn.Module):  # registered in another order than they run in
        def __init__(self):
            super().__init__()
            self.d, self.c, self.b, self.a = nn.Linear(4, 2), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            return self.d(self.c(self.b(self.a(x).relu()).relu()).relu())

    assert layers(Backwards(), torch.rand(1, 4)) == [("a", "first", "dense"), ("b", "lower", "dense"), ("c", "middle", "dense"),
                                                     ("d", "upper", "dense")]
    assert layers(nn.Linear(4, 2), torch.rand(1, 4)) == [("", "first", "dense")]


def test_places_are_read_from_top_to_bottom():
    net, x = vgg_like(), images()
    rules = composite(net, x, {"first": Flat(), "conv": Gamma(0.5), "upper": Epsilon(0)}, rest=Epsilon(0.125))
    assert rules == {"0": Flat(), "2": Gamma(0.5), "5": Gamma(0.5), "7": Gamma(0.5), "10": Gamma(0.5), "12": Gamma(0.5), "16": Epsilon(0),
                     "19": Epsilon(0), "*": Epsilon(0.125)}
    found = attribution.lrp(net, x, 1, rules)
    by_hand = {"0": Flat(), nn.Conv2d: Gamma(0.5), nn.Linear: Epsilon(0), "*": Epsilon(0.125)}
    assert torch.equal(found, attribution.lrp(net, x, 1, by_hand))


def test_the_box_follows_the_range_of_the_input():
    net, x = vgg_like(), images() * 4 - 1
    low, high = torch.tensor([-1.0, -1.5, -2.0])[:, None, None], torch.tensor([3.0, 3.5, 4.0])[:, None, None]
    rules = PRESETS["epsilon_plus_box"](net, x, low, high)
    assert torch.equal(rules["0"].low, low) and torch.equal(rules["0"].high, high)
    with pytest.raises(ValueError, match="beyond low and high"):
        PRESETS["lrp_cmp"](net, x, 0.0, 1.0)
    free = PRESETS["lrp_cmp"](net, x)["0"]
    assert free.low == pytest.approx(float(x.min())) and free.high == pytest.approx(float(x.max()))


def test_what_is_refused():
    net, x = vgg_like(), images()
    with pytest.raises(ValueError, match="no place is called 'top'"):
        composite(net, x, {"top": Epsilon()})
    with pytest.raises(TypeError, match="must be a rule"):
        composite(net, x, {"upper": 0.25})
    with pytest.raises(TypeError, match="must be a mapping"):
        composite(net, x, Epsilon())
    with pytest.raises(ValueError, match="no preset is called 'best'"):
        attribution.lrp_composite(net, x, preset="best")
    with pytest.raises(ValueError, match="alpha \\+ beta"):
        composite(net, x, {"conv": AlphaBeta(2, 1)})

    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.once, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.once(self.once(x).relu()).relu())

    with pytest.raises(UnsupportedLayer, match="layer 'once' runs several"):
        composite(Shared(), torch.rand(1, 4), {"first": Flat(), "lower": Gamma()})
    same = composite(Shared(), torch.rand(1, 4), {"first": Gamma(1), "lower": Gamma(1)})
    assert same["once"] == Gamma(1)


def test_every_preset_says_where_it_comes_from():
    for name, preset in PRESETS.items():
        assert preset.name == name and preset.label and "20" in preset.source and preset.places
    assert attribution.METHODS["lrp_composite"].options["preset"].choices == tuple(PRESETS)


# ------------------------------------------------------------------------------------------------- the books

def whole_zoo():
    """(name, network, inputs): every network of the course that takes images or vectors, and two of torchvision's."""
    digits = data.digits(split="test").images[:4]
    inputs = {"digits-mlp": digits, "digits-cnn": digits, "digits-resnet": digits, "shapes-cnn": data.shapes(3, split="test").images,
              "scenes-cnn": data.scenes(3, seed=5).images}
    for name, x in inputs.items():
        yield name, zoo.load(name), x
    reader, reviews = zoo.load("sentiment-cnn"), data.sentences(split="test").take(slice(0, 4))
    yield "sentiment-cnn", reader.body, reader.embedding(reviews.tokens).detach()
    for name in ("squeezenet1_1", "resnet18"):
        torch.manual_seed(0)
        yield name, getattr(torchvision.models, name)(weights=None).eval(), torch.rand(2, 3, 64, 64)


@pytest.fixture(scope="module")
def networks():
    return {name: (net, x) for name, net, x in whole_zoo()}


@pytest.mark.parametrize("preset", ["epsilon", "epsilon_plus", "epsilon_plus_flat", "epsilon_gamma_box", "epsilon_alpha2_beta1", "lrp_cmp"])
@pytest.mark.parametrize("name", ["digits-mlp", "digits-cnn", "digits-resnet", "shapes-cnn", "scenes-cnn", "sentiment-cnn",
                                  "squeezenet1_1", "resnet18"])
def test_input_bias_and_stabiliser_add_up_to_the_logit_in_every_network(networks, name, preset):
    net, x = networks[name]
    rules = PRESETS[preset](net, x)
    books = attribution.relevance_budget(net, x, rules=rules)
    relevance, steps = attribution.relevance_by_layer(net, x, rules=rules)
    with torch.no_grad():
        logits = net(x).amax(1).double().numpy()
    size = 1e-5 * abs(books[["logit", "input", "bias", "stabiliser"]]).max(axis=1).clip(lower=1.0)
    assert (abs(books["logit"] - logits) <= size).all()
    assert (abs(books["logit"] - books[["input", "bias", "stabiliser"]].sum(axis=1)) <= size).all()
    assert torch.equal(relevance, attribution.lrp(net, x, rules=rules))
    kept = steps.groupby("image")[["bias", "stabiliser"]].sum()
    assert abs(kept["bias"] - books["bias"]).max() <= size.max() and abs(kept["stabiliser"] - books["stabiliser"]).max() <= size.max()
    assert set(steps["layer"]) >= {n for n, *_ in layers(net, x)} - {""}
    assert abs(steps["arrives"] - steps["sent"] - steps["bias"] - steps["stabiliser"]).max() < 1e-9
    first = steps.groupby("image").first()
    assert (abs(first["arrives"] - books["logit"]) <= size).all()
