"""Dense maps, aliasing, dead units, bands, settling; occlusion and correspondence; the shipped studies."""
import math

import pytest
import torch
from torch import nn

from xaikit import data, features, zoo
from xaikit.errors import DamagedFile, UnsupportedLayer
from xaikit.features import study


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# dense maps and aliasing ---------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["conv1", "relu1", "pool1", "conv2", "pool2", "conv3"])
@pytest.mark.parametrize("first", study.FIRST)
def test_a_layer_is_its_dense_map_read_every_few_pixels(layer, first):
    net, x = study.network(first), torch.rand(2, 1, 96, 96, generator=generator())
    dense, own = features.dense_maps(net, layer, x), features.responses(net, layer, x)
    s = {"conv1": 1, "relu1": 1}.get(layer, 2) * study.FIRST[first][1] * (2 if layer in ("pool2", "conv3") else 1)
    assert dense.shape[2:] == x.shape[2:]
    read = dense[:, :, ::s, ::s]
    assert read.shape == own.shape
    away = slice(2, -2 if own.shape[2] > 12 else -1)  # from the right border, where padding differs
    torch.testing.assert_close(read[..., away, away], own[..., away, away], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("cycles", "stride", "expected"), [(4, 2, 0), (20, 2, 1), (20, 4, 1), (4, 4, 0), (12, 4, 1), (12, 2, 0)])
def test_a_wave_beyond_nyquist_is_aliased_and_one_below_is_not(cycles, stride, expected):
    """48 pixels: Nyquist is 12 cycles at stride 2 and 6 at stride 4."""
    net = nn.Sequential(nn.Conv2d(1, 2, 1, stride, bias=False))
    nn.init.ones_(net[0].weight)
    wave = 0.5 + 0.5 * torch.cos(2 * math.pi * (cycles + 0.0) * torch.arange(48) / 48)
    x = wave.expand(1, 1, 48, 48)
    x = x.mT if cycles == 20 else x  # both axes count
    share = features.aliasing(net, "0", x.contiguous())
    if cycles == 12 and stride == 2:
        assert (share < 0.6).all()  # at the limit the window spreads it to both sides
    else:
        assert torch.allclose(share, torch.tensor(float(expected)), atol=0.02)
    every = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False))
    nn.init.ones_(every[0].weight)
    assert torch.allclose(features.aliasing(every, "0", x.contiguous(), stride), share), "read at another stride than its own"


def test_dense_maps_say_what_they_cannot():
    with pytest.raises(UnsupportedLayer, match="adaptive"):
        features.dense_maps(study.network(), "average", torch.rand(1, 1, 48, 48))
    with pytest.raises(ValueError, match="no layer"):
        features.dense_maps(study.network(), "conv9", torch.rand(1, 1, 48, 48))


def test_dead_units_are_found():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([1.0, -1.0, 1e-4, 2.0])[:, None, None, None].expand_as(net[0].weight))
        net[0].bias.zero_()
    assert features.dead_units(net, "1", torch.rand(3, 1, 8, 8, generator=generator())).tolist() == [False, True, True, False]


def test_bands_of_filters_whose_frequencies_are_known():
    flat = torch.ones(1, 1, 11, 11)
    alternating = (-1.0) ** (torch.arange(11)[:, None] + torch.arange(11)[None])
    middle = torch.cos(2 * math.pi * 0.16 * torch.arange(11.0)).expand(11, 11)
    bands = features.filter_bands(torch.stack([flat[0], alternating[None], middle[None]]))
    assert torch.allclose(bands.sum(1), torch.ones(3)) and bands.argmax(1).tolist() == [0, 2, 1]
    assert bands.diagonal().min() > 0 and bands[0, 0] > 0.7 and bands[1, 2] > 0.7


def test_settling_counts_from_when_it_stays():
    x = torch.rand(8, 1, 48, 48, generator=generator())
    end, other = study.network(seed=0), study.network(seed=1)
    halfway = study.network(seed=0)
    with torch.no_grad():
        halfway.conv2.weight.copy_(other.conv2.weight)
    table, settled = features.settling({0: other, 1: end, 2: halfway, 3: end}, ["conv1", "conv2"], x)
    assert settled.to_dict() == {"conv1": 1, "conv2": 3} and table.loc[3].tolist() == pytest.approx([1, 1])
    assert table.loc[1, "conv2"] == pytest.approx(1) and table.loc[2, "conv2"] < 0.9 > table.loc[0, "conv1"]


# occlusion ------------------------------------------------------------------------------------------


def test_the_three_maps_are_what_a_loop_gives():
    net, x = zoo.load("scenes-cnn"), data.scenes(8, seed=5, masks=False).images[3:4]
    found = features.occlusion_maps(net, x, "features.10", 1, size=20, stride=11, batch_size=7)
    assert found.tops.tolist() == [0, 11, 22, 33, 44] == found.lefts.tolist()
    plain = features.responses(net, "features.10", x)[0]
    assert found.unit == int(plain.flatten(1).amax(1).argmax()) and found.before[0] == pytest.approx(float(plain[found.unit].clamp(min=0).sum()), rel=1e-4)
    for i, t in enumerate(found.tops.tolist()):
        for j, left in enumerate(found.lefts.tolist()):
            hidden = x.clone()
            hidden[..., t:t + 20, left:left + 20] = 0.5
            with torch.no_grad():
                logits = net(hidden)[0]
            assert found.probability[i, j] == pytest.approx(float(logits.softmax(0)[1]), abs=1e-5) and found.prediction[i, j] == logits.argmax()
            assert found.activity[i, j] == pytest.approx(float(features.responses(net, "features.10", hidden)[0, found.unit].clamp(min=0).sum()), rel=1e-3)


@pytest.mark.parametrize(("change", "words"), [
    ({"x": torch.rand(2, 3, 64, 64)}, "one image"), ({"size": 65}, "does not fit"), ({"target": 4}, "class 4 of 4"), ({"unit": 64}, "unit 64"),
    ({"layer": "head"}, "has no maps"), ({"layer": "features.99"}, "no layer"), ({"stride": 0}, "at least 1"),
])
def test_bad_questions_to_occlusion(change, words):
    with pytest.raises(ValueError, match=words):
        features.occlusion_maps(**{"model": zoo.load("scenes-cnn"), "x": torch.rand(1, 3, 64, 64), "layer": "features.10", "target": 1} | change)


def test_a_square_at_the_border_is_cut_off():
    x = torch.zeros(2, 1, 6, 6)
    hidden = features.hide(x, torch.tensor([-1, 4]), torch.tensor([-2, 1]), 3, 1.0)
    assert hidden[0, 0].nonzero().tolist() == [[0, 0], [1, 0]] and hidden[1].sum() == 6 and x.sum() == 0


# correspondence -------------------------------------------------------------------------------------


def test_inconsistency_is_the_papers_sum_over_pairs():
    changes = torch.randint(-1, 2, (6, 4, 3), generator=generator()).float() * torch.rand(6, 4, 3, generator=generator(1))
    signs = changes.flatten(1).sign()
    pairs = [(signs[i] != signs[j]).float().mean().item() for i in range(6) for j in range(6) if i != j]
    assert features.inconsistency(changes)[0] == pytest.approx(sum(pairs) / len(pairs))
    assert features.inconsistency(changes[:1].expand(5, -1, -1))[0] == 0
    # the error is the jackknife's: leave out one image after the other
    without = torch.tensor([features.inconsistency(changes[torch.arange(6) != i])[0] for i in range(6)])
    assert features.inconsistency(changes)[1] == pytest.approx(float((5 / 6 * (without - without.mean()).square().sum()).sqrt()), rel=1e-5)
    for few in (1, 2):
        with pytest.raises(ValueError, match="two at least"):
            features.inconsistency(changes[:few])


def test_the_places_that_are_hidden_lie_on_what_they_are_called_after():
    images, places = features.parts.house_places(60)
    scenes = data.scenes(60, seed=2)
    masks = {name: scenes.masks[:, i] for i, name in enumerate(scenes.mask_names)}
    rows = [int((scenes.images == x).flatten(1).all(1).nonzero()[0]) for x in images]
    assert 10 <= len(rows) < 60 and all(masks["door"][n].sum() >= 12 and masks["window"][n].sum() >= 12 for n in rows)

    def share(kind, *names):
        """of the centres of a kind, the share that lies on one of the parts"""
        at = places[kind].round().long()
        return sum(bool(any(masks[name][n, r, c] for name in names)) for n, (r, c) in zip(rows, at.tolist(), strict=True)) / len(rows)

    assert share("door", "door") > 0.9 and share("roof", "roof") > 0.9 and share("left window", "window") > 0.6
    assert share("random, on the house", "wall", "roof", "door", "window") == 1 and share("random, anywhere", "door", "window") < 0.3
    both = [n for n, row in enumerate(rows) if places["left window"][n, 1] < features.parts.middle(masks["window"][row:row + 1])[0, 1] - 2]
    assert both, "of two windows the left one"


def test_changes_are_differences_and_zero_where_nothing_reaches():
    net, x = zoo.load("scenes-cnn"), data.scenes(3, seed=5, masks=False).images
    centres = torch.tensor([[10.0, 10], [30, 40], [50, 20]])
    found = features.feature_changes(net, ["features.1", "features.7"], x, centres, 10, batch_size=2)
    hidden = features.hide(x, *(centres - 5).long().T, 10)
    for layer, change in found.items():
        torch.testing.assert_close(change, features.responses(net, layer, x) - features.responses(net, layer, hidden), rtol=1e-3, atol=1e-4)
    assert (found["features.1"][0, :, 20:] == 0).all() and (found["features.1"][0, :, :20] != 0).any()
    with pytest.raises(ValueError, match="2 centres for 3"):
        features.feature_changes(net, ["features.1"], x, centres[:2], 10)


# the shipped studies --------------------------------------------------------------------------------


def test_the_studies_are_whole_and_the_recipe_is_theirs(monkeypatch):
    start = study.at_epoch(0)
    for k, v in study.network(seed=0).state_dict().items():
        torch.testing.assert_close(v, start.state_dict()[k], rtol=1e-3, atol=1e-5)  # shipped in half precision
    x, y = study.crops("test", 20)
    with torch.no_grad():
        right = [(study.at_epoch(e)(x).argmax(1) == y).float().mean().item() for e in (0, 10, 64)]
        assert right[0] < 0.2 < right[1] < right[2] > 0.55
        assert min((study.trained(f, s)(x).argmax(1) == y).float().mean() for f in study.FIRST for s in study.SEEDS) > 0.4
    for bad in (lambda: study.at_epoch(3), lambda: study.trained("5 × 5"), lambda: study.trained("7 × 7, stride 2", 9), lambda: study.crops("all")):
        with pytest.raises(ValueError):
            bad()
    study._read.cache_clear()
    monkeypatch.setattr(study, "_file", lambda: study.home() / "nowhere.safetensors")
    with pytest.raises(DamagedFile, match="study.make"):
        study.at_epoch(64)


def test_patches_to_learn_from_and_to_test_on_do_not_overlap():
    """No test patch is, up to its level and contrast, cut from a training part: their best correlation stays below 1."""
    train, test = (study.crops(s, 20)[0].flatten(1) for s in ("train", "test"))
    rows = [nn.functional.normalize(v - v.mean(1, keepdim=True), dim=1) for v in (train, test)]
    assert (rows[1] @ rows[0].T).max() < 0.999


def test_fit_is_repeatable_and_keeps_what_is_asked_for(monkeypatch):
    few = tuple(v[::26] for v in study.crops("train"))
    monkeypatch.setattr(study, "crops", lambda split: few)
    kept = [study.fit(study.network(channels=(4, 4, 4, 4)), 2, at=(0, 2), seed=3) for _ in range(2)]
    assert list(kept[0]) == [0, 2] and all(torch.equal(kept[0][2][k], kept[1][2][k]) for k in kept[0][2])
    assert not torch.equal(kept[0][0]["conv1.weight"], kept[0][2]["conv1.weight"])
