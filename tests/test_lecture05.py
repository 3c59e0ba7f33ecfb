"""Lecture 05 on its own: its parts, its demo, its numbers against the library, and the empty notebook."""
import re
from io import BytesIO

import numpy as np
import pytest
import torch
from lectures import prose, read
from PIL import Image

from xaikit import claims, exercises, studies
from xaikit.demos import lecture05
from xaikit.demos.lecture05 import Memorizer
from xaikit.dynamics import memorization, resistance


@pytest.fixture(scope="module")
def notebook():
    return read("05")


def test_eleven_sections_in_order_and_the_opening_adds_up(notebook):
    assert re.findall(r"^## (\d+) · ", prose(notebook), re.M) == [str(k) for k in range(1, 12)]
    catalog = exercises.catalog().query("lecture == '05'")
    assert len(catalog) == 7 and f"{catalog.minutes.sum()} for the seven exercises" in prose(notebook)
    asked = re.findall(r"^### Exercise (\S+) ", prose(notebook), re.M)
    assert asked == sorted(asked) and len(asked) == 7
    for part in re.split(r"^## (?=\d)", prose(notebook), flags=re.M)[1:]:
        assert "What to see" in part and "Being written" not in part, part[:60]


# ------------------------------------------------------------------------------------------------- the demo


def test_the_network_that_is_watched_learns_first_and_memorises_later():
    game = Memorizer("labels", 0.5, 128)
    game.step(300)
    steps, train, test = np.array(game.curve).T
    assert (steps == np.arange(0, 301, 5)).all() and train[-1] == 0
    assert test.min() < 0.5 * test[-1], "it was better before it had fitted the noise"
    early = Memorizer("labels", 0.5, 128)
    early.step(40)
    wrong = early.wrong()
    assert early.spoiled[wrong].double().mean() > 1.5 * early.spoiled.double().mean(), "what is wrong is mostly spoiled"


@pytest.mark.parametrize("kind", memorization.KINDS)
@pytest.mark.parametrize("p", [0.0, 1.0])
def test_marks_are_on_what_was_spoiled(kind, p):
    game, plain = Memorizer(kind, p, 4), Memorizer(kind, 0.0, 4)
    changed = (game.shown != plain.shown).any(1) | (game.y != plain.y)
    assert torch.equal(changed, game.spoiled) and (p == 0) == (not game.spoiled.any())
    game.step(3)
    assert Image.open(BytesIO(game.picture())).size == (1800, 860)


def test_a_narrow_network_cannot_memorise():
    narrow, wide = Memorizer("labels", 1.0, 4), Memorizer("labels", 1.0, 256)
    for game in (narrow, wide):
        game.step(250)
    assert narrow.measure()[1] > 0.4 and wide.measure()[1] == 0


def test_the_caller_s_random_state_stays():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    lecture05.compute(steps=6, kind="gaussian", p=0.5, units=8)
    assert torch.equal(torch.get_rng_state(), before)


def test_bad_settings_are_refused():
    for settings in ({"p": 1.5}, {"kind": "blurred"}):
        with pytest.raises(ValueError):
            Memorizer(**settings)


# --------------------------------------------------------------------------------------------- the notebook


def test_the_longer_run_shipped_and_falls_with_n():
    rows = studies.table("05/kernel")
    assert (rows.train_error == 0).all() and (rows.residual <= 1e-4).all()
    mean = rows[rows.sigma == rows.sigma.max()].groupby("n").test_error.mean()
    assert mean.is_monotonic_decreasing and mean.index[-1] == 16000
    assert (rows.query("n <= 8000").groupby(["n", "sigma"]).seed.nunique() == 5).all()


def test_the_claims_of_the_first_half(notebook):
    mine = [c for c in claims.registered("05") if c.measure.__module__.endswith(".lecture05")]
    found = {c.claim: c.measure()[1] for c in mine}
    assert len(found) == 15
    failed = [c for c, holds in found.items() if holds is False]
    assert not failed, failed
    assert [c for c, holds in found.items() if holds is None] == [c for c in found if "MNIST" in c]
    assert "random crop" in prose(notebook).split("## Paper against here")[1]


def test_a_regulariser_that_delays_is_told_from_one_that_caps():
    rows = studies.table("05/budget")
    crop = rows.query("section == 3").groupby("steps").memorised
    assert crop.max().iloc[0] < 0.5 and crop.min().iloc[-1] > 0.95
    mean = rows.query("section == 11").pivot_table(index=["by", "strength"], columns="steps", values="memorised")
    assert mean[200]["adversarial training", 0.1] < 0.4 and mean[3000]["adversarial training", 0.1] > 0.9
    assert mean[3000]["weight decay", 0.03] < 0.4
    assert rows.groupby(["section", "by", "strength", "steps"]).seed.nunique().eq(5).all()
    live = resistance.trained(seeds=2)
    shipped = rows.query("section == 11 and steps == 200 and seed < 2")
    both = live.merge(shipped, on=["by", "strength", "seed", "steps"], validate="1:1")
    assert len(both) == len(live) == 18 and (both.memorised_x - both.memorised_y).abs().mean() < 0.1
