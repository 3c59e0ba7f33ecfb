"""Lecture 07 on its own: its parts, its numbers against the library, and its demos."""

import re

import numpy as np
import pytest
import torch
from lectures import prose, read

from xaikit import claims, demos, exercises, studies
from xaikit.claims import lecture07_bounds
from xaikit.demos import lecture07
from xaikit.dynamics import bounds, gates, information, kept, plane
from xaikit.studies import scene_noise


@pytest.fixture(scope="module")
def notebook():
    return read("07")


def test_seven_sections_in_order_and_the_opening_adds_up(notebook):
    text = prose(notebook)
    assert (
        re.findall(r"^## (\d+) · ", text, re.M) == [str(k) for k in range(1, 8)]
        and "To be filled" not in text
    )
    catalog = exercises.catalog().query("lecture == '07'")
    assert len(catalog) == 6 and f"{catalog.minutes.sum()} for the six exercises" in text
    for part in re.split(r"^## (?=\d)", text, flags=re.M)[1:]:
        assert "**Claim" in part and "What to see" in part, part[:60]


def test_the_exercises_come_in_the_order_of_their_numbers(notebook):
    assert re.findall(r"^### Exercise (\S+) ", prose(notebook), re.M) == [f"7.{k}" for k in range(1, 7)]


# ------------------------------------------------------------------------------- what sections 1 to 3 and 7 say


def test_tanh_layers_fit_first_and_compress_then():
    phases = plane.phases("tanh")
    assert phases["I(X;T) after"].shape == (20, 5)
    for layer in (3, 4):
        m, i = information.interval(phases["I(T;Y) until"][:, layer])
        assert m - i > 0.2
    m, i = information.interval(phases["I(X;T) after"])
    assert (m + i)[3:].max() < 0 and m[4] + i[4] < -1 and (phases["I(X;T) after"][:, 4] < 0).all()
    assert (phases["I(T;Y) until"][:, :3] == 0).all(1).mean() > 0.5, "layers 1 to 3 have nothing to fit"


def test_relu_layers_do_not_until_the_ruler_is_changed():
    m, i = information.interval(plane.phases("ReLU")["I(X;T) after"])
    assert (m + i).min() > -0.01
    m, i = information.interval(plane.phases("ReLU", ruler="snapshot")["I(X;T) after"])
    assert (m + i)[2:].max() < 0
    assert plane.phases("ReLU")["last − peak"].max() <= 0, "cannot be positive"


def test_the_number_of_bins_changes_the_verdict():
    tanh, found = plane.train("tanh"), {}
    for bins in (5, 100, 1_000_000):
        found[bins] = information.interval(
            (plane.look(tanh, -1, bins)[0] - plane.look(tanh, 0, bins)[0])[:, 3]
        )
    assert found[5][0] - found[5][1] > 0 > found[100][0] + found[100][1] and abs(found[1_000_000][0]) < 0.01
    assert plane.exact(tanh, -1) == pytest.approx(12), "every input keeps an output of its own"


def test_all_networks_have_learned_the_task():
    for activation in plane.ACTIVATIONS:
        run = plane.train(activation)
        assert run.accuracy[-1].min() > 0.9 and (run.accuracy[0].mean(0) < 0.6).all()


def test_the_penalised_gap_is_smaller_at_the_end_and_not_at_equal_loss():
    free, most = gates.STRENGTHS[0], gates.STRENGTHS[-1]
    m, i = information.interval(gates.gap_at(most) - gates.gap_at(free))
    assert m + i < 0
    equal = gates.gap_at(most, 1.0) - gates.gap_at(free, 1.0)
    assert len(equal) == 6 and not np.isnan(equal).any() and equal.mean() > 0
    study = gates.study()
    H = study.measured["H"][-1].mean(1)
    assert H[-6:].max() < H[:6].min(), "the penalty lowers what it penalises"
    with pytest.raises(ValueError, match="strength"):
        gates.gap_at(7.0)
    with pytest.raises(ValueError, match="training loss begins"):
        gates.gap_at(0.0, 9.0)


def test_the_claims_of_sections_1_to_3_and_7_and_which_do_not_hold(notebook):
    mine = [c for c in claims.registered("07") if c.measure.__module__.endswith(".lecture07")]
    failed = [c for c in mine if not c.measure()[1]]
    assert len(mine) == 10 and [c.source.split(",")[0] for c in failed] == ["Shwartz-Ziv", "Ren et al. 2021"]
    closing = " ".join(prose(notebook).split("**The rows that do not hold.**")[1].split())
    assert "*Data processing*" in closing and "*The penalty at equal training loss*" in closing


def test_the_longer_runs_claims_and_which_do_not_hold(notebook):
    mine = [c for c in claims.registered("07") if c.measure.__module__.endswith(".lecture07_bounds")]
    darlow = [c for c in mine if "Darlow" in c.source]
    found = {c.claim.partition(" (holds")[0]: c.measure() for c in darlow}
    assert len(mine) == 8 and len(found) == 5 and None not in [holds for _, holds in found.values()]
    failed = [name for name, (_, holds) in found.items() if not holds]
    assert failed == ["classifier: it falls late in the layers before, too"], failed
    text = prose(notebook)
    assert "*Late compression in the layers before*" in " ".join(text.split("**The rows that do not hold.**")[1].split())

    def changed(layer, *steps, task="classifier", about="x_bits"):
        mean, low, high, *_ = lecture07_bounds.change(task, layer, about, *steps)
        return mean, "falls" if high < 0 else "rises" if low > 0 else "not decided"

    assert [changed(n, 25, 100)[1] for n in bounds.LAYERS[1:]] == ["falls"] * 3, "early"
    begun = lecture07_bounds._differences("classifier", "h4", "x_bits", 0, 50)[0]
    assert 6.5 < -begun.mean() < 7.5 and (begun < 0).sum() == 17 and begun.argmin() == 0, "about 7 bits, in 17, the one above most"
    steady = lecture07_bounds.change("classifier", "h4", "x_bits", 100, 1000)
    assert 4 <= round(-steady[0]) < 5 and steady[2] < 0 and abs(changed("h4", 50, 200)[0]) < 0.5, "little up to 200, then 4 bits"
    assert [changed(n, 1000, 4000)[1] for n in bounds.LAYERS] == ["not decided"] * 3 + ["falls"], "late"
    assert changed("h3", 100, 1000)[1] == "rises" and 1.5 < -changed("h4", 1000, 4000)[0] < 2.5, "about two more"
    assert (lecture07_bounds._differences("classifier", "h4", "x_bits", 1000, 4000)[0] < 0).all(), "in every one of the networks"
    means = studies.table("07/decoder-bounds").query("task == 'classifier'").groupby(["step", "layer"])[["x_bits", "y_bits"]].mean()
    assert means.y_bits[1000, "h4"] > 3.1 and all(means.x_bits.xs(n, level=1).idxmax() == 25 for n in bounds.LAYERS[1:])
    assert all(changed(n, 0, 4000, about="y_bits")[1] == "rises" for n in bounds.LAYERS)
    assert round(4000 * 64 / len(bounds.moved_digits()[0])) in (19, 20, 21), "epochs of the longer run"
    assert all(changed("h4", start, 4000, task="auto-encoder")[1] == "rises" for start in (100, 1000))
    assert changed("h3", 25, 100, task="auto-encoder")[1] == "falls"
    assert lecture07_bounds.change("auto-encoder", "h4", "y_bits", 0)[1] > 0


# --------------------------------------------------------------------------------------------------- the demos


def test_the_planes_points_are_the_librarys():
    thing = lecture07.Plane("ReLU", 17, 30, network=20)
    step = thing.run.steps[thing.moment]
    assert abs(step * plane.BATCH / plane.TRAINED - 30) < 3
    assert np.allclose(lecture07._cloud("ReLU", 17, thing.moment), plane.look(plane.train("ReLU"), thing.moment, 17))
    path = lecture07._path("ReLU", 17, 19)
    for k in (0, 3, path.shape[1] - 1):
        assert np.allclose(path[:, k], plane.look(thing.run, k * lecture07.APART, 17)[:, 19])
    thing.step(len(thing.run.steps))
    assert thing.run.steps[thing.moment] == step, "from the last moment it goes on with the first"


def test_the_demos_promise_what_they_have():
    live = demos.get("07")
    assert set(live.controls) == {"activation", "bins", "epoch", "network"} and live.make is lecture07.Plane
    assert {d.name for d in demos.all() if d.lecture == "07"} >= {"07", "07/bins", "07/channel"}
    for one, flip in ((0.0, 0.5), (1.0, 1.0), (0.5, 0.0)):
        assert lecture07.channel(one, flip, 0.0)[:2] == b"\xff\xd8"


def test_the_numbers_in_the_text_are_those_of_the_tables(notebook):
    """Sentences that name a number of a figure or table stand only as long as it does."""
    words, tanh, relu = " ".join(prose(notebook).split()), plane.train("tanh"), plane.train("ReLU")
    steps, found = plane.path("tanh")
    largest = [round(float(relu.layers(moment)[4].amax((1, 2)).mean())) for moment in (0, -1)]
    outermost = [[float((h.abs() > 1 - 2 / 30).float().mean()) for h in tanh.layers(moment)[:5]] for moment in (0, -1)]
    broken = [(own[:, :-1] < own[:, 1:]).sum() for own in (
        plane.leaks(run, -1, plane.BINS[run_of])[0] for run_of, run in (("ReLU", relu), ("tanh", tanh)))]
    told = gates.through_training()[1][[0, -1], 2].mean(1)  # I(Σ;Y) before and after, five layers
    together = gates.through_training()[1][[0, -1], 1].mean(1)  # TC(Σ)
    vary = [np.linalg.eigvalsh(np.cov(h.double().numpy().T)) for h in tanh.layers(tanh.coarse[int((steps == 42).argmax())])[4]]
    drawn = studies.table("07/samples").groupby(["task", "layer"])[["pixelcnn_bits", "apart"]].mean().loc["classifier"]
    last = studies.table("07/decoder-bounds").query("task == 'classifier' and layer == 'h1' and step == 4000").x_bits.mean()
    test, labels = kept.held_back()
    first, second = torch.randint(len(test), (2, 20_000), generator=torch.Generator().manual_seed(0))
    images, told_of = bounds.moved_digits()
    codes = kept.shipped()["classifier"]["h4"][0]
    decoder = bounds.Decoders(1, 64, 100).fit(codes(images)[None], bounds.level(images), told_of, steps=200)
    independent = float(decoder.nats(codes(test)[None], bounds.level(test), labels)[0].mean() / np.log(2))
    alike = (test[first] - test[second])[labels[first] == labels[second]].square().mean().sqrt()
    lowest = gates.study().measured["test"][:, :6].amin(0).mean()
    own, other = (scene_noise.contrasts("layer 5", exchanged=e).mean() for e in (False, True))
    for phrase, holds in (
        ("a dip up to step 42", steps[found[:, 0, :, 2].mean(1).argmin()] == 42),
        ("in layer 5 the largest from 2 to 23", largest == [2, 23]),
        ("four in ten end there. But layers 1 to 3 end with more of their outputs there than layer 4",
         abs(outermost[1][4] - 0.4) < 0.05 and outermost[1][3] < min(outermost[1][:3]) and max(outermost[0]) < 0.06),
        ("in two of the 80 ReLU pairs, and in no tanh pair", broken == [2, 0]),
        ("to between 0.5 and 0.8 bits, in layer 1 only from 0.33 to 0.42",
         (0.5 < told[1, 2:]).all() and (told[1, 2:] < 0.8).all() and told[:, 0].round(2).tolist() == [0.33, 0.42]),
        ("in layer 2 from 0.10 to 0.49", told[:, 1].round(2).tolist() == [0.1, 0.49]),
        ("total correlation rises most in layer 5, more than twofold",
         together[1, 4] > 2 * together[0, 4] and (together[1] - together[0]).argmax() == 4),
        ("their outputs lie nearly on a line", np.mean([v.sum() ** 2 / (v**2).sum() for v in vary]) < 1.1),
        ("(from $h_1$ about half)", abs(drawn.pixelcnn_bits["h1"] / last - 0.5) < 0.03),
        ("(the decoder of an $h_4$ in section 4 reached −165)", abs(independent + 165) < 1),
        ("differ by four fifths of what two digits of the same class do", abs(drawn.apart["h4"] / alike - 0.8) < 0.04),
        ("pass a test loss of 1.40", f"{lowest:.2f}" == "1.40"),
        ("more than twice as much at layer 5", own > 2 * other > 0),
    ):
        assert phrase in words and holds, phrase


def test_five_networks_of_scenes_agree_within_hundredths(notebook):
    others = studies.table("07/discarding")
    last = others.query("layer == 'layer 5'")
    assert len(last) == 5 and np.ptp(last.own) < 0.1, "the text: within a few hundredths"
    assert "within a few hundredths" in " ".join(prose(notebook).split())
    wide = others.pivot(index="seed", columns="layer", values="own")
    assert (np.diff(wide.to_numpy(), axis=1) > 0).all(), "deeper layers keep more of the foreground, in every network"
    assert (last.own > 2 * last.exchanged).all() and (last.own > 2 * last.untrained).all()
