"""Erhan's claims: each verdict follows from what was measured, and would have been another for other networks."""
import pytest
import torch

from xaikit import data, features
from xaikit.claims import lecture01_belief as rows
from xaikit.claims import registered

MINE = {c.measure.__name__: c for c in registered("01") if c.measure.__module__ == rows.__name__}


@pytest.fixture
def fresh():
    cached = (rows._network, rows._norm, rows._maxima, rows._views)
    for f in cached:
        f.cache_clear()
    yield
    for f in cached:
        f.cache_clear()


def test_the_verdicts():
    found = {name: claim.measure() for name, claim in MINE.items()}
    assert {name: holds for name, (_, holds) in found.items()} == {
        "_one_answer": True, "_untrained_too": False, "_sampling_and_maximum": None, "_three_views": True,
        "_examples_and_features": False}
    assert all(any(c.isdigit() for c in text) for text, holds in found.values())


def test_untrained_networks_would_not_have_three_views_that_agree(fresh, monkeypatch):
    """Views of different networks find each other by chance only, and the verdict says so."""
    torch.manual_seed(0)
    views = [torch.rand(200, 784) for _ in range(3)]
    monkeypatch.setattr(rows, "_views", lambda: (torch.rand(200, 24, 784), *views))
    assert MINE["_three_views"].measure()[1] is False
    assert MINE["_examples_and_features"].measure()[1] is False


def test_samples_that_are_digits_would_pass_as_examples(fresh, monkeypatch):
    """And where all samples are one picture, which is also the maximum, the condition is met and the claim holds."""
    digits = data.digits(split="test").images.flatten(1)[:200]
    samples, mean, best, filters = digits[:, None].expand(200, 24, 784), digits, torch.rand(200, 784), digits
    monkeypatch.setattr(rows, "_views", lambda: (samples, mean, best, filters))
    assert MINE["_examples_and_features"].measure()[1] is True and MINE["_sampling_and_maximum"].measure()[1] is False
    monkeypatch.setattr(rows, "_views", lambda: (samples, mean, mean, filters))
    assert MINE["_sampling_and_maximum"].measure()[1] is True


def test_a_unit_with_several_maxima_would_break_the_first_claim(fresh, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(rows, "_maxima", lambda name, starts=9, units=48: torch.randn(units, starts, 784))
    assert MINE["_one_answer"].measure()[1] is False
    assert features.agreement(torch.randn(4, 9, 784)).abs().max() < 0.1
