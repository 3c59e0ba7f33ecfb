"""Scoring against the truth: maps that are the truth, its opposite and chance; and what the cause is."""
import dataclasses

import numpy as np
import pytest
import torch

from xaikit import attribution, data, zoo
from xaikit.evaluate import against_truth, cause, painted_over, truth
from xaikit.evaluate.truth import MEASURES


@pytest.fixture(scope="module")
def shapes():
    return zoo.load("shapes-cnn"), data.shapes(12, split="test")


@pytest.fixture(scope="module")
def scenes():
    return zoo.load("scenes-cnn"), data.scenes(24)


@pytest.mark.parametrize("which", ["shapes", "scenes"])
def test_the_truth_scores_1_its_opposite_0_and_chance_its_area(which, request):
    net, d = request.getfixturevalue(which)
    mask = cause(d)
    right = dict(zip(d.images.flatten(1).sum(1).tolist(), mask, strict=True))  # the map gets images, not their places

    def oracle(model, x, target):
        return torch.stack([right[s] for s in x.flatten(1).sum(1).tolist()])[:, None].float()

    found = truth(net, d, {"oracle": oracle, "opposite": lambda m, x, t: 1 - oracle(m, x, t), "random": None,
                           "constant": lambda m, x, t: torch.ones_like(x), "nothing": lambda m, x, t: -torch.ones_like(x)}).set_index("method")
    assert (found.loc["oracle", list(MEASURES)] == 1).all() and (found.loc["opposite", ["mass", "pointing"]] == 0).all()
    chance = found.chance.iloc[0]
    assert found.loc["opposite", "rank"] == 0 and 0.03 < chance < 0.3
    for name in ("random", "constant"):
        assert found.mass[name] == pytest.approx(chance, rel=0.05) and found["rank"][name] == pytest.approx(chance, abs=0.03)
        assert found.pointing[name] < 0.45
    assert found.mass["nothing"] == 0, "a map without positive relevance points nowhere"
    assert found.index[0] == "oracle" and (found.mass_low <= found.mass).all() and (found.mass <= found.mass_high).all()


def test_scores_by_hand():
    relevance = torch.tensor([[[4.0, 3.0], [-9.0, 1.0]]])
    mask = torch.tensor([[[False, True], [True, False]]])
    assert {k: v.item() for k, v in against_truth(relevance, mask).items()} == {"mass": 3 / 8, "rank": 0.5, "pointing": 0}
    assert {k: v.item() for k, v in against_truth(relevance, mask, absolute=True).items()} == {"mass": 12 / 17, "rank": 0.5, "pointing": 1}
    with pytest.raises(ValueError, match="no pixels"):
        against_truth(relevance, mask & False)


def test_what_the_cause_is(shapes, scenes):
    _, d = shapes
    assert torch.equal(cause(d), d.masks[:, 1]) and torch.equal(cause(d, "corner"), d.masks[:, 2])
    assert torch.equal(cause(d, ["shape", "edge"]), d.masks[:, 0] | d.masks[:, 1])
    _, s = scenes
    has = cause(s).flatten(1).any(1)
    assert torch.equal(has, s.labels > 0), "only the scenes of the class nothing have no cause"
    names = s.mask_names
    assert not (cause(s) & s.masks[:, [names.index(n) for n in ("sky", "cloud", "sun", "mountain", "grass")]].any(1)).any()
    own = torch.zeros(len(d), 102, 102, dtype=torch.bool)
    assert cause(d, own) is own
    for wrong in ("crown", [], own[:3], own.float()):
        with pytest.raises(ValueError):
            cause(d, wrong)
    with pytest.raises(ValueError, match="no masks"):
        cause(data.digits(split="test"))


def test_the_networks_rest_on_the_cause(scenes):
    """The truth of the truth: without house and trees the network says nothing, with something else painted over it does not."""
    net, s = scenes
    s = s.take(s.labels > 0)
    with torch.no_grad():
        assert (net(painted_over(s)).argmax(1) == 0).float().mean() > 0.8
        assert (net(painted_over(s, ["sky", "sun", "cloud"])).argmax(1) == s.labels).float().mean() > 0.8
    assert torch.equal(painted_over(s)[~cause(s)[:, None].expand_as(s.images)], s.images[~cause(s)[:, None].expand_as(s.images)])


def test_only_rightly_classified_images_with_a_cause(scenes):
    net, s = scenes
    wrong = dataclasses.replace(s, labels=torch.where(torch.arange(24) < 6, (s.labels + 1) % 4, s.labels))
    with torch.no_grad():
        expected = ((net(s.images).argmax(1) == wrong.labels) & (s.labels > 0)).sum().item()
    assert truth(net, wrong, ["gradient"]).images[0] == expected < 24
    with pytest.raises(ValueError, match="none is classified rightly"):
        truth(net, dataclasses.replace(s, labels=(net(s.images).argmax(1) + 1) % 4), ["gradient"])


def test_methods_that_cannot_say_why_and_nothing_else_changes(shapes):
    net, d = shapes
    flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(102 * 102, 2)).train()
    found = truth(flat, d, ["cam", "gradient"]).set_index("method")
    assert "pooling" in found.why["cam"] and np.isnan(found.mass["cam"]) and found.mass["gradient"] > 0
    assert flat.training and flat[1].weight.grad is None
    a, b = truth(net, d, ["gradient", "random"]), truth(net, d, ["gradient", "random"], batch_size=5)
    assert np.allclose(a.set_index("method").mass["gradient"], b.set_index("method").mass["gradient"], atol=1e-5)


def test_lrp_beats_chance_by_far_on_both(shapes, scenes):
    for net, d in (shapes, scenes):
        found = truth(net, d, ["lrp_alpha_beta", "random"]).set_index("method")
        assert found.mass_low["lrp_alpha_beta"] > 2 * found.mass_high["random"]


def test_every_method_is_there(shapes):
    quick = {"occlusion": {"window": 51, "stride": 51}, "smoothgrad": {"samples": 1}, "integrated_gradients": {"steps": 1},
             "path_gradients": {"steps": 1}}
    found = truth(shapes[0], shapes[1].take(slice(0, 2)), options=quick)
    assert set(found.method) == {*attribution.METHODS, "random", "sobel"} and (found.why == "").all()
