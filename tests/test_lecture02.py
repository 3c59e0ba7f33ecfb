"""Lecture 02's second half on its own: its parts, what the sources claim, the demos' pictures against the library."""
import io
import re

import numpy as np
import pytest
import torch
from lectures import prose, read
from PIL import Image

from xaikit import claims, demos, exercises, features
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
    ("dead features", False), ("classifies better", False), ("localises the object", True), ("hiding the same part", False), ("uppermost layer", False),
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
