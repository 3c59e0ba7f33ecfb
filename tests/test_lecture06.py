"""Lecture 06 on its own: its parts, its numbers, its demos, and the empty notebook."""
import io
import re

import numpy as np
import pytest
import torch
from lectures import prose, read
from PIL import Image

from xaikit import claims, demos, exercises
from xaikit.demos import lecture06
from xaikit.dynamics import label_noise, manifolds, margins, perturbation, spectral


@pytest.fixture(scope="module")
def notebook():
    return read("06")


def test_seven_sections_in_order_and_the_opening_adds_up(notebook):
    headings = re.findall(r"^## (\d+) · ", prose(notebook), re.M)
    assert headings == [str(k) for k in range(1, 8)]
    catalog = exercises.catalog().query("lecture == '06'")
    assert len(catalog) == 7 and f"{catalog.minutes.sum()} for the seven exercises" in prose(notebook)
    for part in re.split(r"^## (?=\d)", prose(notebook), flags=re.M)[1:]:
        assert "**What to see.**" in part and "**Claim**" in part, part[:60]


def test_the_exercises_come_in_the_order_of_their_numbers(notebook):
    asked = re.findall(r"^### Exercise (\S+) ", prose(notebook), re.M)
    assert asked == [f"6.{k}" for k in range(1, 8)]


# ------------------------------------------------------------------------------ what must be seen to work


@pytest.mark.parametrize("growing", [False, True])
def test_low_frequencies_are_learned_first(growing):
    learned = spectral.learn(growing)
    times = spectral.time_to_learn(learned.share, learned.steps)
    rho = spectral.rank_correlation(learned.k, times)
    assert len(rho) == 10 and np.median(rho) >= 0.9 and rho.min() > 0.5
    shuffled = np.random.default_rng(0).permuted(times, axis=1)  # the same measure on the same times in any order
    assert abs(np.median(spectral.rank_correlation(learned.k, shuffled))) < 0.5


def test_low_frequencies_survive():
    moved = perturbation.survival()
    assert moved.shape == (5, 10, 10)
    assert (np.diff(moved[..., -2:].mean((1, 2))) < 0).all(), "a larger change leaves less of the high waves"
    gap = moved[-1, :, :2].mean(1) - moved[-1, :, -2:].mean(1)
    assert spectral.interval(gap, np.mean)[1] > 0


def test_low_noise_hurts_at_once_and_high_noise_late():
    steps, validation, _ = label_noise.curves()
    best, dips = validation.min(0).mean(1), label_noise.dip(validation).mean(1)
    assert best[1] > 5 * best[0] and best[-1] < 4 * best[0]
    assert dips[0] < 0.1 and dips[1] < 0.2 and min(dips[2:]) > 0.3
    turns = steps[validation.mean(2).argmin(0)][1:]
    assert (np.diff(turns) > 0).all(), "the higher the noise's frequency, the later the validation turns"


def test_petals_help_high_frequencies_with_both_losses():
    flowers = manifolds.regression()
    high = flowers.share[-1][..., flowers.k >= 14].mean(-1)
    assert spectral.interval(high[-1] - high[0], np.mean)[1] > 0
    for right in manifolds.classification().values():
        assert spectral.interval(right[-1, 1] - right[0, 1], np.mean)[1] > 0  # k = 16


def test_only_a_wave_in_step_with_the_petals_is_easy():
    share = manifolds.in_phase()
    assert share["sin"].min() > 0.9 and share["cos"].max() < 0.7
    with pytest.raises(ValueError, match="one of the frequencies"):
        manifolds.in_phase(5)


def test_sgd_mirrors_the_turned_digits_and_adam_does_not():
    skew = {}
    for optimizer in ("adam", "sgd"):
        plain, turned = (margins.band_margins(k, optimizer).median(2).values.mean(0) for k in (False, True))
        skew[optimizer] = float((plain.log() - turned.flip(0).log()).abs().mean())
    assert skew["sgd"] < 0.1 < 0.2 < skew["adam"], skew


def test_the_phase_never_raises_what_is_learned():
    learned = spectral.learn(False)
    assert (learned.signed <= learned.share + 1e-5).all() and (learned.signed[0] < learned.share[0] - 0.001).any()
    assert np.median(learned.signed[-1, :, :4], 0).min() > 0.9  # the lowest waves end in phase


# ------------------------------------------------------------------------------------------------- the demos


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_the_network_that_is_watched_learns_the_lowest_wave_first():
    game = lecture06.Watch(2, 7, 15)
    seen = {}
    for _ in range(60):
        game.step(10)
        amplitudes = game.now()[1]
        for k in game.chosen:
            if amplitudes[k - 1] > 0.5 * game.wanted[k - 1]:
                seen.setdefault(k, game.steps)
    assert seen[2] < seen[7] < seen.get(15, 601)
    assert game.now()[2] < 0.7


def test_the_watched_spectrum_is_that_of_the_drawn_function_and_the_caller_is_left_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    game = lecture06.Watch(1, 3, 5, 1.0, 0.5, 0.0)
    game.step(7)
    assert torch.equal(before, torch.get_rng_state())
    out, amplitudes, error = game.now()
    assert np.allclose(2 * np.abs(np.fft.rfft(out))[1:25] / len(out), amplitudes, atol=1e-4)
    assert np.allclose(game.wanted[:5], [1, 0, 0.5, 0, 0], atol=1e-4)
    goal = game.goal.numpy()
    assert error == pytest.approx(((out - goal) ** 2).mean() / (goal**2).mean(), rel=1e-4)


def test_a_target_of_nothing_is_drawn_too():
    game = lecture06.Watch(1, 1, 1, 0.0, 0.0, 0.0)
    game.step(3)
    assert pixels(game.picture()).shape == (720, 1800, 3) and np.isfinite(game.now()[2])


def test_bars_stand_in_their_frames_when_all_is_learned():
    """The picture against the numbers: blue where a learned wave's bar is, white in the frame of one that is not."""
    game = lecture06.Watch(1, 6, 20)
    game.step(300)
    _, amplitudes, _ = game.now()
    assert amplitudes[0] > 0.9 and amplitudes[19] < 0.4
    shown = pixels(game.picture())
    x0, y0, width, height = 492, 48, 384, 230
    high = max(1.25, 1.15 * float(game.wanted.max()))
    for k, blue in ((1, True), (20, False)):
        at = shown[int(2 * (y0 + height * (1 - 0.7 / high))), int(2 * (x0 + width * k / 25))]
        assert (at[2] - at[0] > 80) == blue, (k, at)


def test_stop_means_stop_and_ten_pictures_a_second_are_possible():
    player = demos.get("06").show()
    player.step(5)
    player.pause()
    drawn = player.drawn
    assert not player.playing and player.drawn == drawn and player.seconds < 0.5
    player.set(k1=4)
    assert player.steps == 0
    player.close()


# --------------------------------------------------------------------------------------------- the notebook


def test_the_rows_that_do_not_hold_are_those_that_the_closing_text_names(notebook):
    mine = [c for c in claims.registered("06") if c.measure.__module__.endswith(".lecture06")]
    verdicts = {c.claim: c.measure()[1] for c in mine}
    failed = [claim for claim, holds in verdicts.items() if not holds]
    assert len(mine) == 10
    closing = prose(notebook).split("**The rows that do not hold.**")[1]
    assert len(failed) == 2 and "experiment 4" in closing and "experiment 5" in closing, failed
    assert {"the larger L, the easier the learning task", "larger L gives better classification, for BCE as for MSE"} == set(failed)
