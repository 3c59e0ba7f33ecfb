"""Lecture 01 on its own: its parts, what the sources claim, and the numbers that its text rests on."""
import re

import pytest
import torch
from lectures import prose, read

from xaikit import claims, data, exercises, features, zoo
from xaikit.claims import lecture01 as rows
from xaikit.demos import lecture01_playground as playground

PARTS = ["A toy network to play with", "First-layer filters are pictures", "The patches a unit likes best",
         "Activation maximisation: one answer or many?", "Sampling from a unit", "Class models", "Regularisers", "Objectives"]


def test_eight_parts_with_a_claim_and_something_to_see_in_each():
    text = prose(read("01"))
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert headings[:8] == [f"{i} · {name}" for i, name in enumerate(PARTS)]
    assert headings[8].startswith("Live") and headings[9] == "Paper against here"
    for part in re.split(r"^## (?=\d)", text, flags=re.M)[1:]:
        assert "**What to see.**" in part and ("**Claim.**" in part or part.startswith("4")) and "**Formula" in part or "| name |" in part


def test_the_opening_table_adds_up():
    minutes = exercises.catalog().query("lecture == '01'").minutes.sum()
    assert f"{minutes} for the seven exercises" in prose(read("01"))


@pytest.fixture(scope="module")
def table():
    return claims.table("01")


@pytest.mark.parametrize(("words", "holds"), [
    ("ends at one picture from all starts: the response is unimodal", True), ("tells a trained network", False),
    ("at least as much as the best patch", True), ("keeps the other classes down", True), ("saliency map finds the object", True),
    ("each lower high frequencies", True), ("E[x | h = 1]", None), ("samples look like examples", False), ("far above chance", True)])
def test_what_the_sources_claim_is_said_as_it_came_out(table, words, holds):
    row, = table[table.claim.str.contains(words, regex=False)].itertuples()
    assert row.holds is holds and any(c.isdigit() for c in row.here)


def test_a_convolutional_network_has_no_one_answer(table):
    row, = table[table.source.str.contains("asked of a convolutional", regex=False)].itertuples()
    assert row.holds is False and "the first layer 1.00" in row.here


def test_another_network_would_have_another_verdict(monkeypatch):
    """Without what was learned the saliency map does not find the house; with one layer only there is one answer."""
    network, scenes = rows._scenes()
    monkeypatch.setattr(rows, "_scenes", lambda: (network, _elsewhere(scenes)))
    assert rows._saliency()[1] is False
    monkeypatch.setattr(rows, "_digits", lambda: (_Flat(), data.digits(split="train").images))
    assert rows._one_answer_here()[1] is True


class _Flat(torch.nn.Module):
    """Three names for one linear layer of the pixels."""

    def __init__(self):
        super().__init__()
        first = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 16))
        self.features = torch.nn.Sequential(first, *[torch.nn.Identity() for _ in range(6)])
        self.head = torch.nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.features(x))


def _elsewhere(scenes):
    """The same scenes with every mask half a picture further, both ways."""
    from dataclasses import replace

    return replace(scenes, masks=scenes.masks.roll((32, 32), (2, 3)))


def test_xor_wants_four_units_of_one_layer():
    """What section 0 answers to its second question."""
    def right(units):
        game = playground.Playground("xor", noise=0.0, depth=1, units=units, activation="tanh", lr=0.03)
        game.step(2000)
        return game.measure()[-1]

    assert right(2) < 0.9 < 0.97 < right(4)


def test_the_grainy_filters_are_the_dead_ones():
    mlp, train = zoo.load("digits-mlp"), data.digits(split="train").images
    grain = features.fast_share(mlp[1].weight.detach().view(-1, 1, 28, 28))
    dead = features.responses(mlp, "1", train).amax(0) <= 0
    count = int(dead.sum())
    order = grain.argsort()
    assert 10 < count < 60 and dead[order[-count:]].float().mean() > 0.6 > 0.1 > dead[order[:-count]].float().mean()


def test_each_regulariser_lowers_the_grain_and_l2_least():
    """What the text of section 6 says of its table, for one class."""
    network, objective = zoo.load("scenes-cnn"), features.logit(1)

    def grain(objective=objective, **options):
        found = features.maximize(network, objective, (3, 64, 64), steps=32, bounds=(0, 1), **options)
        return features.fast_share(found.images).item()

    none = grain()
    middle = features.Objective((features.objectives.PICTURE,), lambda a: (a[features.objectives.PICTURE] - 0.5).flatten(1).square().sum(1))
    l2 = grain(objective - 0.1 * middle)
    others = [grain(objective - 0.01 * features.variation()), grain(blur=1.0), grain(parameters=features.Fourier()),
              grain(jitter=6, rotate=10.0, scale=0.1)]
    assert max(others) < l2 < none and max(others) < 0.75 * none
