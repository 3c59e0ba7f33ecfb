"""Lecture 08 on its own: its parts, its claims and the sentences that rest on them, its longer runs, its demo of directions."""
import re

import numpy as np
import pandas as pd
import pytest
import torch
from lectures import prose, read

from xaikit import claims, data, demos, dissect, exercises, studies, zoo
from xaikit.demos import lecture08 as lecture08_brush
from xaikit.demos import lecture08_directions
from xaikit.studies import dissected, lecture08
from xaikit.studies.lecture08 import CONTROL
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
    assert len(found) == 11 and len(failed) == 6
    assert any("Random directions" in f for f in failed) and "No loss at all" in text
    assert any("The deeper the layer" in f for f in failed)
    assert any("can refuse" in f for f in failed) and "*Refusals*: they are the segmenter's" in " ".join(text.split())
    assert not any(words in f for f in failed for words in ("the trees go", "free place", "Units of a generator"))


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


def test_the_segmenter_refuses_the_same_pixels_and_true_objects_in_the_sky():
    tries = dissected.tries().set_index(["inserted", "context"])
    by_segmenter, alone, moved = tries.accepted, tries.alone, dissected.pasted()
    assert by_segmenter["crown", "grass"] >= 0.5 and by_segmenter["crown", "sky"] >= 0.5
    assert by_segmenter["path", "sky"] < 0.05 and by_segmenter["path", "grass"] > 0.5
    assert by_segmenter["door", "grass"] > 0.8 and by_segmenter["door", "sky"] < 0.4
    assert by_segmenter["wall", "grass"] > by_segmenter["wall", "sky"]
    assert moved["moved up"]["path"] < 0.05 and 0.4 < moved["moved down"]["path"] < 0.6, "half of them"
    assert (moved["true up"][["path", "wall"]] < 0.15).all() and (moved["true down"][["path", "wall"]] > 0.8).all()
    assert [f"{moved[k]['door']:.0%}" for k in ("moved up", "true up", "true down")] == ["5%", "41%", "15%"]
    assert [f"{moved[k]['wall']:.0%}" for k in ("moved up", "true up")] == ["26%", "9%"]
    assert f"{by_segmenter['wall', 'sky']:.0%}" == "51%", "half of the boxes"
    assert (moved["true up"][["crown", "cloud"]] > 0.9).all()
    assert all(0.75 < alone[c, "sky"] < 0.85 for c in ("path", "wall")), "four fifths"
    assert all(alone[c, "grass"] > alone[c, "sky"] + 0.1 for c in ("path", "wall")), "somewhat less often"
    assert alone["door", "sky"] >= alone["door", "grass"] and alone["cloud", "grass"] < alone["cloud", "sky"] - 0.1
    assert np.isnan(moved["moved down"]["crown"]), "fewer than ten refusals are no share"


def test_the_judge_by_pixels_knows_the_objects_and_no_place():
    real = data.scenes(10, seed=88)
    found = dissected.by_pixels(real.images)
    right = (found & real.masks).sum((0, 2, 3)) / real.masks.sum((0, 2, 3))
    assert (found.sum(1) == 1).all() and all(right[real.mask_names.index(c)] > 0.75 for c in dissected.INSERTED)
    turned = dissected.by_pixels(real.images[:1].flip(2))  # the sky below is the sky still
    assert (turned.flip(2) == found[:1]).float().mean() > 0.98


def test_what_training_adds_to_the_detectors_of_layers():
    def count(layer, untrained=None):
        return len(dissect.detectors(dissected.classifier_table(layer, untrained=untrained)))

    for layer, name in dissected.LAYERS.items():
        share = np.mean([count(layer, seed) for seed in (0, 1)]) / count(layer)
        assert share >= 0.5 if name in "12" else share < 0.45, name


def test_the_detectors_are_of_parts_that_the_labels_need(text):
    words, free = " ".join(text.split()), ["sky", "sun", "mountain", "grass"]
    found = {name: dissect.detectors(dissected.classifier_table(layer)) for layer, name in dissected.LAYERS.items()}
    bare = [dissect.detectors(dissected.classifier_table(layer, untrained=seed)) for layer in dissected.LAYERS for seed in (0, 1)]
    assert not any(t.concept.isin(free).any() for t in found.values())
    assert [int((t.concept == "cloud").sum()) for t in found.values()] == [2, 1, 0, 0, 0]
    assert max((t.concept == "cloud").sum() for t in bare) == 6 and "up to six in a layer" in words
    few = pd.concat([t[t.concept.isin(["sky", "grass"])] for t in bare])
    assert len(few) and (few.iou < few.control + 0.005).all(), "hardly better than the control"
    path = dissected.classifier_table("features.10", untrained=0)
    assert path.iou.max() > found["4"].iou.max() and path.concept[path.iou.idxmax()] == "path"


def test_the_share_of_detectors_with_maps_of_one_size(text):
    def share(layer, pooled=1):
        table = dissected.classifier_table(layer, pooled=pooled)
        return len(dissect.detectors(table)) / table.unit.nunique()

    third, fourth, fifth = "features.7", "features.10", "features.13"
    assert share(third) > share(third, 2) > share(fourth) and share(third, 4) > share(fourth, 2)
    assert share(fifth) > 2 * share(third, 4) and "layer 5 has by far the largest share" in " ".join(text.split())


def test_what_the_random_sets_hold_by_chance(text):
    table, words = dissected.generator_table("block8"), " ".join(text.split())
    crown = dissected.best_units(table, "crown", 8).unit.tolist()
    sets = dissect.random_sets(96, 8, 5, seed=4, without=crown)

    def ranks(number, concept):
        best = dissected.best_units(table, concept, 8).unit.tolist()
        return [i + 1 for i, unit in enumerate(best) if unit in sets[number - 1]]

    assert ranks(3, "mountain") == [1, 2, 3] and "random 3 holds the mountain's three best matches" in words
    assert ranks(4, "sun") == [3, 4] and ranks(5, "sun") == [3, 7] and ranks(3, "sun") == [2]
    assert f"{dissected.ablations().sun['random 3']:+.0%}" == "+10%" and "the suns stay, +10 %" in words


def test_the_demo_begins_with_what_the_text_says(text):
    shown = demos.get("08/paintbrush").controls
    assert shown["layer"].default == "block16" and shown["strength"].default == 3 and lecture08_brush.LAYERS["block16"] == 6
    assert "At first it takes six units of `block16`, with strength 3" in " ".join(text.split())


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


def test_the_penalty_made_the_hessian_of_brightness_smaller(text):
    plain, penalty = (dissected.off_diagonal(n, 24) for n in ("scenes-gan", "scenes-gan-hessian"))
    v = torch.randint(0, 2, (12, 64), generator=torch.Generator().manual_seed(0)) * 2.0 - 1
    net = zoo.load("scenes-gan")
    with torch.no_grad():
        one = exercises.get("8.6").library(lambda rows: net(rows).mean((1, 2, 3)), net.codes(1, seed=61)[0], v, 0.1)
    assert one.item() == pytest.approx(plain[0].item(), rel=0.02)
    assert penalty.median() < plain.median() / 2 and (penalty < plain).sum() >= 14


def test_what_the_text_says_of_the_penalty(text):
    words = " ".join(text.split())
    rows = studies.table("08/directions")
    by = rows.groupby("generator")[["penalty", "distance"]].first()
    plain, control, penalised = (by.loc[n] for n in ("scenes-gan", CONTROL, "scenes-gan-hessian"))
    assert penalised.penalty < control.penalty / 2 and "less than half of the control's" in words
    assert control.distance < 0.3 < 0.5 < penalised.distance and penalised.distance > 2 * control.distance
    assert 0.03 < control.distance - plain.distance < 0.15 and "more than twice as far" in words
    axes = rows[rows.directions == "latent axes"].groupby("generator").disentanglement.agg(["mean", "std"])
    assert axes["mean"]["scenes-gan-hessian"] < axes["mean"][CONTROL] + axes["std"][CONTROL]
    for name in ("scenes-gan-hessian", CONTROL):  # the cards and a checkpoint say the same again
        assert name == CONTROL or by.distance[name] == pytest.approx(zoo.card(name)["score"], abs=1e-4)


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
    again = rows[rows.removed.str.startswith("again")]
    whole = (again.distance - again.change).groupby(again.removed).first()
    chosen = again[again.unit.isin(alone.sort_values("change").unit.head(8))]
    mean = chosen.groupby("removed").change.mean()
    assert len(again) == 64 and 3 < whole.max() / whole.min() < 3.5 and "by a factor of three and more" in words
    assert mean.idxmin() == whole.idxmax() and mean.idxmax() == whole.idxmin() and mean.min() < 0 < mean.max()
    largest = chosen[chosen.removed == whole.idxmax()].sort_values("change").unit.tolist()
    assert largest[:2] == ["26", "7"] and "unit 7 most of all but one" in words
    assert (again[again.unit == "26"].change < 0).all() and "Unit 26 lowers the distance in every draw" in words
    assert (again[again.unit == "58"].change > -0.005).all() and "gains nothing any more" in words
    assert (again[~again.unit.isin(chosen.unit)].groupby("removed").change.mean() > 0).all() and "The eight others" in words
    many = rows[rows.removed == "best first"]
    assert (many.distance - many.change).iloc[0] < whole.min()
    together = rows[(rows.removed == "best first") & (rows["size"] == 1)].change.item()
    assert 0 < together < 0.05 and "the very best unit makes it a little worse" in words
    greedy = studies.table("08/greedy").query("size == 8").set_index(["concept", "order"]).change
    assert (greedy["door"][["greedy", "IoU"]] < -0.9).all() and "hardly a door is left" in words
    assert all((greedy[c].filter(like="random") > greedy[c]["IoU"]).all() for c in ("crown", "cloud", "wall", "door"))
    score = studies.table("08/directions").query("generator == 'scenes-gan'").groupby("directions").effect.mean()
    assert 1.35 < score["SeFa"] / score["random"] < 1.45 and "four tenths more than random ones" in words
    area = dissected.scenes().masks.float().mean((0, 2, 3))
    ceiling = dict(zip(dissected.scenes().mask_names, (0.01 / area).tolist(), strict=True))
    assert max(ceiling["sky"], ceiling["grass"]) < 0.04 and "hardly pass .04 here" in words
    assert all(0.25 < ceiling[c] < 0.4 for c in ("cloud", "crown")) and "about .3 for clouds and crowns" in words
