"""Lecture 08 on its own: its parts, its claims and the sentences that rest on them, its longer runs, its demo of directions."""
import re

import numpy as np
import pytest
import torch
from lectures import prose, read

from xaikit import claims, dissect, exercises, studies, zoo
from xaikit.demos import lecture08_directions
from xaikit.studies import dissected, lecture08
from xaikit.zoo import scene_recipes


@pytest.fixture(scope="module")
def text():
    return prose(read("08"))


def test_seven_sections_and_the_opening_adds_up(text):
    assert re.findall(r"^## (\d+) · ", text, re.M) == [str(k) for k in range(1, 8)]
    assert "PLACEHOLDER" not in text
    minutes = exercises.catalog().query("lecture == '08'").minutes.sum()
    assert f"{minutes} for the six exercises" in text
    for part in re.split(r"^## (?=\d)", text, flags=re.M)[1:]:
        assert "**Claim.**" in part and "**What to see.**" in part, part[:60]


def test_the_claims_and_what_the_text_says_of_them(text):
    found = {c.claim: c.measure()[1] for c in claims.registered("08")}
    failed = [words for words, holds in found.items() if not holds]
    assert len(found) == 11 and len(failed) == 5
    assert any("Random directions" in f for f in failed) and "No loss at all" in text
    assert any("The deeper the layer" in f for f in failed)
    assert not any(words in f for f in failed for words in ("the trees go", "free place", "can refuse", "Units of a generator"))


def test_ablation_and_its_controls():
    change = dissected.ablations()
    assert change.crown["crown"] < -0.7 and abs(change.sky["crown"]) < 0.1 and abs(change.grass["crown"]) < 0.1
    random = change.filter(like="random", axis=0)
    assert len(random) == 5 and (random.crown > -0.3).all()
    assert (random < -0.6).any(axis=None), "the text: a random draw takes the mountains, two the suns"
    assert (change.loc["wall", ["wall", "roof", "door"]] < -0.5).all(), "the whole house goes"


def test_units_with_a_large_overlap_for_four_classes_and_more():
    for block in ("block8", "block16"):
        best = dissected.generator_table(block).groupby("concept").agg(iou=("iou", "max"), control=("control", "max"))
        assert (best.iou > 0.2).sum() >= 7
        assert ((best.iou > 0.2) & (best.control < 0.1)).sum() >= 4, "beyond what place explains"


def test_a_crown_comes_everywhere_and_a_path_only_on_the_ground():
    tries = dissected.tries().set_index(["inserted", "context"]).accepted
    assert tries["crown", "grass"] >= 0.5 and tries["crown", "sky"] >= 0.5
    assert tries["path", "sky"] < 0.05 and tries["path", "grass"] > 0.5
    assert tries["door", "grass"] > 0.8 and tries["door", "sky"] < 0.4
    assert 0.4 < tries["cloud", "grass"] < tries["cloud", "sky"], "the text: often passes for one"


def test_the_longer_runs_say_what_the_notebook_plots():
    greedy = studies.table("08/greedy")
    assert set(greedy.concept) == {"crown", "cloud", "wall", "door"} and greedy.order.nunique() == 7
    last = greedy[greedy["size"] == 8].set_index(["concept", "order"]).change
    for concept in ("crown", "cloud", "wall"):
        assert last[concept, "greedy"] < -0.6 and last[concept].filter(like="random").mean() > -0.5
    effects = studies.table("08/effects")
    assert len(effects) == 96 * 12 and effects.unit.nunique() == 96
    inverted = studies.table("08/inversion")
    assert (inverted.pixel < inverted.start).sum() == 7 and inverted.pixel.median() < 0.6 * inverted.start.median()


def test_a_row_of_the_effects_is_made_again():
    """The shipped table against two of its 96 units, on the same codes."""
    net, see, concepts = dissected.generator()
    shipped = studies.table("08/effects")
    again = dissect.causal_effect(net, "block8", [0, 50], net.codes(60, seed=31), see, concepts)
    for unit in (0, 50):
        a, b = (t[t.unit == unit].sort_values("concept").ablated.to_numpy() for t in (shipped, again))
        assert np.allclose(a, b, atol=2e-4), unit


def test_the_demo_of_directions_moves_along_its_direction():
    assert lecture08_directions.walk(step=0.0) != lecture08_directions.walk(step=3.0)
    assert lecture08_directions.walk(direction=1) != lecture08_directions.walk(direction=2)
    for kind in ("SeFa", "principal", "axes"):
        d = lecture08_directions.directions("plain", kind)
        assert d.shape == (12, 64) and torch.allclose(d.norm(dim=1), torch.ones(12), atol=1e-4)


def test_the_penalty_made_the_hessian_of_brightness_smaller():
    plain, penalty = (dissected.off_diagonal(n).median() for n in ("scenes-gan", "scenes-gan-hessian"))
    v = torch.randint(0, 2, (12, 64), generator=torch.Generator().manual_seed(0)) * 2.0 - 1
    net = zoo.load("scenes-gan")
    with torch.no_grad():
        one = exercises.get("8.6").library(lambda rows: net(rows).mean((1, 2, 3)), net.codes(1, seed=61)[0], v, 0.1)
    assert one.item() == pytest.approx(dissected.off_diagonal("scenes-gan")[0].item(), rel=0.02)
    assert penalty < plain


def test_features_are_those_of_the_card():
    pictures = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(lecture08.features(pictures), scene_recipes._features(pictures), atol=1e-6)


def test_the_numbers_in_the_text_are_those_of_the_tables(text):
    """Sentences that name a number of a figure or table stand only as long as it does."""
    words = " ".join(text.split())
    rows = studies.table("08/artefacts")
    alone = rows[rows.removed == "one unit"]
    best = alone.sort_values("change").iloc[0]
    assert (alone.change < 0).sum() == 27 and "27 of the 64 units" in words
    assert 0.35 < -best.change / (best.distance - best.change) < 0.45 and "by two fifths" in words
    assert f"{dissected.ablations().sun['cloud']:+.0%}" == "+59%" and "suns come out (+59 %)" in words
    score = studies.table("08/directions").query("generator == 'scenes-gan'").groupby("directions").effect.mean()
    assert 1.35 < score["SeFa"] / score["random"] < 1.45 and "four tenths more than random ones" in words
    area = dissected.scenes().masks.float().mean((0, 2, 3))
    ceiling = dict(zip(dissected.scenes().mask_names, (0.01 / area).tolist(), strict=True))
    assert max(ceiling["sky"], ceiling["grass"]) < 0.04 and "never pass .04 here" in words
    assert all(0.25 < ceiling[c] < 0.4 for c in ("cloud", "crown")) and "about .3 for clouds and crowns" in words
