"""The picture that forms and the patches, without their buttons: what is drawn is what the library says."""
import io

import numpy as np
import pytest
import torch
from PIL import Image

from xaikit import data, demos, features
from xaikit.demos import lecture01 as live
from xaikit.demos import lecture01_patches as cut
from xaikit.demos.lecture01 import STEPS, Ascent

DEMO = demos.get("01")


def after(n, **settings):
    ascent = Ascent(**settings)
    ascent.step(n)
    return ascent


def pixels(jpeg):
    image = Image.open(io.BytesIO(jpeg))
    assert image.format == "JPEG"
    return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize("settings", [{}, {"written": "Fourier", "shake": True, "start": 3},
                                      {"l2": True, "variation": True}])
def test_the_picture_does_not_depend_on_how_the_steps_were_counted_out(settings):
    one, two = after(22, **settings), Ascent(**settings)
    for n in (1, 16, 5):
        two.step(n)
        two.picture()
    assert one.picture() == two.picture() and one.course == two.course
    assert [step for step, *_ in one.course] == [0, 4, 8, 12, 16, 20]
    assert torch.equal(one.x, two.x) and not torch.equal(one.x, after(23, **settings).x)


def test_it_is_the_librarys_ascent():
    ascent = after(12, layer="digits-cnn/1", unit=5)
    at = live.setting("digits-cnn")
    neuron = features.neuron("features.3", 5)
    walk = features.ascend(at.model, neuron, (1, 28, 28), steps=STEPS, every=12, norm=at.rho)
    next(walk)
    wanted = next(walk)
    assert torch.equal(ascent.x, wanted.images)
    assert ascent.measure()[0] == pytest.approx(wanted.values.item(), rel=1e-5)


def test_it_ends_and_then_stays():
    ascent = after(STEPS - 1)
    assert not ascent.finished
    ascent.step(5)
    last = ascent.picture()
    assert ascent.finished and ascent.steps == STEPS
    ascent.step(3)
    assert ascent.picture() == last and len(ascent.course) == STEPS // 4 + 1


def test_another_unit_starts_anew_playing_or_not():
    player = DEMO.show()
    player.step(7)
    walked = player.thing
    assert walked.steps == 7
    player.set(unit=9)
    assert player.thing is not walked and player.thing.steps == player.steps == 0
    assert player.image.value == Ascent(unit=9).picture()
    player.step(3)
    player.controls["unit"].value = 7  # as the front end does it
    assert player.thing.steps == 0 and player.image.value == Ascent(unit=7).picture()
    player.close()


@pytest.mark.parametrize("layer", DEMO.controls["layer"].values())
@pytest.mark.parametrize("objective", live.OBJECTIVES)
def test_every_objective_on_every_layer_grows_and_a_unit_beyond_the_last_is_the_last(layer, objective):
    ascent = after(12, layer=layer, objective=objective, unit=63, written="pixels")
    first, last = ascent.course[0][1], ascent.course[-1][1]
    assert last > first and ascent.goal.unit == min(63, ascent.goal.count - 1)
    classes = len(ascent.at.classes)
    units = dict(ascent.at.model.named_modules())[ascent.layer].weight.shape[0]
    assert ascent.goal.count == {"layer": 1, "direction": classes, "class": classes}.get(objective, units)
    again = after(12, layer=layer, objective=objective, unit=ascent.goal.unit)
    assert torch.equal(again.x, ascent.x), "clamped is the same walk"
    shown = pixels(ascent.picture())
    assert shown.shape == (848, 1800, 3)
    clamped = ascent.goal.count not in (1, 64)
    assert (pixels(again.picture()) != shown)[780:].any() == clamped, "only the note says it"


@pytest.mark.parametrize("network", live.LAST)
def test_layers_are_those_before_the_relus_and_pictures_have_one_norm(network):
    at = live.setting(network)
    assert len(at.layers) == live.LAST[network] + 1 and at.layers[-1] == "head"
    offered = {name.split(": ")[1] for name, value in DEMO.controls["layer"].options if value.startswith(network)}
    assert offered == {live.named(at, layer) for layer in at.layers}
    assert torch.allclose(at.scaled.flatten(1).norm(dim=1), torch.tensor(at.rho), rtol=1e-4)
    assert at.rho == pytest.approx(at.images.flatten(1).norm(dim=1).mean().item(), rel=1e-5)


@pytest.mark.parametrize("layer, unit", [("features.3", 5), ("features.6", 7), ("head", 3)])
def test_the_best_real_picture_is_the_one_that_top_images_finds(layer, unit):
    at = live.setting("digits-cnn")
    top = features.top_images(at.model, layer, unit, at.scaled, k=1)
    goal = live.goal("digits-cnn", layer, "neuron", unit)
    assert int(goal.real.argmax()) == int(top.indices[0])
    assert float(goal.real.max()) == pytest.approx(float(top.activations[0]), rel=1e-4)


@pytest.mark.parametrize("kind", ["channel", "layer", "direction", "class"])
def test_what_real_pictures_reach_is_the_same_objective(kind):
    at, goal = live.setting("digits-cnn"), live.goal("digits-cnn", "features.6", kind, 4)
    start = at.scaled[:5]
    found = next(features.ascend(at.model, goal.objective, (1, 28, 28), n=5, start=start, norm=at.rho))
    assert torch.allclose(found.values, goal.real[:5], rtol=1e-4, atol=1e-4)


def test_each_regulariser_but_l2_lowers_the_share_of_fine_grain():
    """Over four units, in the mean: what the caption asks the reader to see."""
    def share(**settings):
        return np.mean([after(STEPS, unit=u, **settings).measure()[1] for u in range(2, 34, 8)])

    none = share()
    for settings in ({"variation": True}, {"blur": True}, {"shake": True}, {"written": "Fourier"},
                     {"written": "prior"}):
        assert share(**settings) < 0.7 * none, settings
    assert share(l2=True) > 0.7 * none


def test_without_a_regulariser_it_beats_the_best_real_picture_for_nearly_every_unit():
    beaten = []
    for unit in range(1, 64, 6):
        ascent = after(STEPS, unit=unit, objective="neuron")
        assert float(ascent.x.norm()) == pytest.approx(ascent.at.rho, rel=1e-4)
        beaten.append(ascent.measure()[0] > ascent.best_value)
    assert np.mean(beaten) >= 0.9


def test_the_l2_penalty_leaves_the_norm_free_and_its_activation_is_taken_at_the_norm():
    ascent = after(STEPS, l2=True)
    norm = float(ascent.x.norm())
    assert abs(norm / ascent.at.rho - 1) > 0.05 and 0.1 < norm / ascent.at.rho < 10
    at = ascent.at
    scaled = features.ascend(at.model, ascent.goal.objective, (1, 28, 28), start=ascent.x, norm=at.rho)
    assert ascent.measure()[0] == pytest.approx(next(scaled).values.item(), rel=1e-4)


def test_the_network_is_as_it_was():
    at = live.setting("digits-cnn")
    before = {k: v.clone() for k, v in at.model.state_dict().items()}
    ascent = after(5, variation=True, shake=True)
    ascent.picture()
    assert all(torch.equal(v, before[k]) for k, v in at.model.state_dict().items())
    assert all(p.grad is None for p in at.model.parameters()) and not at.model.training
    assert not any(m._forward_hooks for m in at.model.modules())


@pytest.mark.parametrize("network", live.LAST)
@pytest.mark.parametrize("which", [0, 2, -1])
def test_patches_are_those_that_one_pass_over_all_pictures_finds(network, which):
    at = live.setting(network)
    layer = at.layers[which]
    for unit in (0, 3):
        ours = cut.strongest(network, layer, unit)
        wanted = features.top_patches(at.model, layer, unit, at.images, fill=1.0)
        assert torch.allclose(ours.activations, wanted.activations, rtol=1e-4)
        assert ours.indices.tolist() == wanted.indices.tolist() and torch.equal(ours.boxes, wanted.boxes)
        assert torch.equal(ours.patches, wanted.patches)


def test_a_layer_or_unit_too_many_is_the_last_and_said_so():
    shown = {(layer, unit): pixels(cut.patches("digits-cnn", layer, unit)) for layer in (4, 6)
             for unit in (9, 40)}
    assert all((image[:760] == shown[4, 9][:760]).all() for image in shown.values()), "scores of the class 9"
    notes = {key: image[770:].tobytes() for key, image in shown.items()}
    assert len(set(notes.values())) == 3 and notes[6, 9] == notes[6, 40]


def test_names_and_real_pictures():
    assert data.digits().images.shape[0] == len(live.setting("digits-cnn").images)
    assert list(DEMO.controls["layer"].options)[0] == ("digits: features.0", "digits-cnn/0")
    assert [live._round(v) for v in (0.7, 1, 1.01, 3, 5.5, 260)] == [1, 1, 2, 5, 10, 500]
    assert [live._percent(v) for v in (0.0, 0.0001, 0.004, 0.0994, 0.0996, 0.5)] == [
        "0 %", "0 %", "0.4 %", "9.9 %", "10 %", "50 %"]
