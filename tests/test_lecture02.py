"""Lecture 02's second half on its own: its parts, what the sources claim, the demos' pictures against the library."""
import io
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lectures import prose, read
from PIL import Image

from xaikit import claims, data, demos, exercises, features
from xaikit.demos import lecture02


def test_nine_sections_with_something_to_see_in_each():
    text = prose(read("02"))
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert [h[0] for h in headings if h[0].isdigit()] == list("123456789") and headings[-2:] == ["The live demo", "Paper against here"]
    for part in re.split(r"^## (?=\d)", text, flags=re.M)[1:]:
        assert "**What to see.**" in part and "**Claim**" in part and "**Formula" in part or "**A measure" in part or "**Aliasing, measured" in part, part[:40]


def test_the_opening_table_adds_up():
    minutes = exercises.catalog().query("lecture == '02'").minutes.sum()
    assert f"{minutes} for the six exercises" in prose(read("02"))


@pytest.fixture(scope="module")
def table():
    return claims.table("02")


@pytest.mark.parametrize(("words", "holds"), [
    ("differs at the ReLU only", True), ("the one structure they share", True), ("switches preserve", True), ("sharper", True),
    ("the more a rule cuts", True), ("lower layers converge", True), ("learn faster", False), ("causes aliasing", True),
    ("dead features", False), ("classifies better", False), ("localises the object", True), ("hiding the same part", True), ("uppermost layer", True),
    ("while β grows minimises", True), ("does so efficiently", False),
])
def test_what_the_sources_claim_is_said_as_it_came_out(table, words, holds):
    rows = table[table.claim.str.contains(words, regex=False)]
    assert len(rows) == 1 and bool(rows.holds.iloc[0]) is holds, rows.to_string()
    assert re.search(r"\d", rows.here.iloc[0]), "a number of ours"


def test_the_notebook_says_so_too():
    """The sentences that rest on these numbers stand only as long as the numbers do."""
    text = prose(read("02"))
    for words in ("*exactly* the same blob", "No first-layer\n", "differ by less than the seeds do", "every layer covers its way at much the same pace"):
        assert words.replace("\n", "") in text.replace("\n", " ").replace("  ", " ") or words in text, words


def test_the_aliasing_that_the_text_tells():
    study = features.study
    seeds = study.architectures()
    for layer, least, most in ((1, 1.8, 2.9), (2, 1.0, 2.9)):
        by = seeds.pivot(index="seed", columns="first layer", values=f"aliased, layer {layer}")
        ratio = by["11 × 11, stride 4"] / by["7 × 7, stride 2"]
        assert least < ratio.min() and ratio.max() < most
    assert "in layer 1 about twice as much" in " ".join(prose(read("02")).split())
    photographs = torch.cat([data.photo(n, 160).mean(1, keepdim=True) for n in study.SEEN])
    read_at_4 = [float(features.aliasing(study.trained("7 × 7, stride 2", s), "conv1", photographs, stride=4).mean()) for s in study.SEEDS]
    own = seeds[seeds["first layer"] == "11 × 11, stride 4"]["aliased, layer 1"]
    assert min(read_at_4) > 1.7 * own.max() and max(read_at_4) < 2.5 * own.min()


def picture(name, **values):
    demo = demos.get(name)
    data = demo.compute(**({n: c.default for n, c in demo.controls.items()} | values))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_the_live_demo_s_square_moves_and_the_bars_follow():
    at = lecture02.setting("house with trees")
    plain = picture("02", size=0)
    assert (plain != picture("02", size=30)).any()
    with torch.no_grad():
        chances = {down: at.model(features.hide(at.x, *[torch.tensor([round(v / 100 * 64 - 16)]) for v in (down, 45)], 32, 0.5)).softmax(1)[0, 3].item()
                   for down in (5, 60)}
    assert chances[60] < chances[5], "on the house and tree it costs more than on the sky"
    bars = {down: (picture("02", size=50, across=45, down=down)[100:140, 1170:1600] == (33, 102, 172)).all(2).sum() for down in (5, 60)}
    near = {down: (np.abs(picture("02", size=50, across=45, down=down)[108:132, 1190:1580] - (33, 102, 172)).sum(2) < 40).mean() for down in (5, 60)}
    assert near[60] < near[5], (bars, near)


def test_the_three_ways_demo_shows_the_library_s_cuts():
    top, down, cuts = lecture02._projected("features.7", 3, "guided")
    images = lecture02._drawn().images
    expected = features.relu_cuts(lecture02.zoo.load("scenes-cnn"), "features.7", 3, images[top.indices], top.positions, "guided")
    assert np.allclose(cuts.cut, expected.cut) and list(cuts.layer) == ["features.7", "features.4", "features.1"]
    _, alone = features.top_projections(lecture02.zoo.load("scenes-cnn"), "features.7", 3, images, relu="guided")
    torch.testing.assert_close(down, alone)


def test_the_numbers_in_the_text_are_those_of_the_study():
    """Sentences that name a number or a direction stand only as long as it does."""
    text, study = prose(read("02")).replace("\n", " "), features.study
    settled = study.evolution()[1].tolist()
    patches = study.crops("test", 40)[0][::2]
    unit = int(features.responses(study.at_epoch(64), "relu4", patches).transpose(0, 1).flatten(1).amax(1).argmax())
    best = [int(features.responses(study.at_epoch(e), "relu4", patches)[:, unit].flatten(1).amax(1).argmax()) for e in (40, 64)]
    assert settled[-1] == 40 and best[0] != best[1] and "the unit of layer 4 still jumps between epochs 40 and 64, when its layer has “settled”" in text
    starts = [F.cosine_similarity(*(getattr(study.at_epoch(e), f"conv{n}").weight.detach().flatten(1) for e in (0, 64))).mean() for n in (1, 2, 3, 4)]
    assert all(0.5 < cosine < 0.75 for cosine in starts) and "keep a good part of the start" in text


def test_the_7_by_7_filters_would_alias_more_at_stride_4():
    study = features.study
    photographs = torch.cat([features.study.data.photo(n, 160).mean(1, keepdim=True) for n in study.SEEN])
    beyond = {}
    for first in study.FIRST:
        across = features.spectrum(features.dense_maps(study.trained(first, 0), "conv1", photographs)).mean(0).sum(0)[1:]
        beyond[first] = across[torch.fft.rfftfreq(160)[1:] > 1 / 8].sum() / across.sum()
    assert beyond["7 × 7, stride 2"] > 1.3 * beyond["11 × 11, stride 4"]


def test_noise_must_shrink_before_a_neighbour_overtakes_it():
    for start in (0.03, 0.1):
        moved = features.photo_codes.first_layer(start).history.moved
        assert moved[1] < 0.9 * moved[2:].max() < moved[0] and moved.iloc[-1] < 0.005


def test_occlusion_s_text_is_what_the_maps_say():
    text, (net, scenes) = prose(read("02")).replace("\n# ", " ").replace("\n", " "), claims.lecture02._scenes()
    x, masks = scenes.images[scenes.labels == 3][:1], scenes.masks[scenes.labels == 3][0]
    found = features.occlusion_maps(net, x, "features.13", 3, size=14, stride=5)

    def share(values):
        """Of each square: the part of ``values`` (H, W) that it hides."""
        return F.avg_pool2d(values[None, None].float(), 14, 1)[0, 0][found.tops][:, found.lefts] * 14**2 / values.sum()

    hidden = share(features.deconvnet_probe(net, "features.13", found.unit, x).abs().sum((0, 1)))
    assert 0.2 < hidden.max() < 0.3 and "hides more than about a quarter" in text
    assert np.corrcoef(hidden.flatten(), found.activity.flatten())[0, 1] < -0.7 and found.activity.min() > 0.25 * found.before[0]
    changed = found.prediction != 3
    tree = share(masks[[scenes.mask_names.index(n) for n in ("crown", "trunk")]].any(0))
    assert changed.sum() == 1 and scenes.classes[int(found.prediction[changed])] == "house" and tree[changed] > 0.5 * tree.max()
    assert "One place, on the tree, turns “house with trees” into “house”" in text


def test_most_of_the_projections_is_blue():
    net, scenes = claims.lecture02._scenes()
    down = features.top_projections(net, "features.10", [3, 29, 9], scenes.images)[1].nan_to_num().sum(2)
    blue = -down.clamp(max=0).flatten(1).sum(1) / down.abs().flatten(1).sum(1)
    assert ((blue > 0.7) & (blue < 0.85)).all()
