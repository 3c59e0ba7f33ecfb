"""Every demo with real widgets: each control at its least, middle and largest value and at every option."""
import io
import time

import numpy as np
import pytest
import torch
from PIL import Image

from xaikit import attribution, demos
from xaikit.demos import lecture04, lecture04_functions, lecture04_scenes
from xaikit.widgets import Slider, Toggle

STEPS = 20  # of a demo that plays, before two pictures are compared: at the start a rate, say, changes nothing yet
NAMES = ("04", "04/vanishing", "04/sensitivity", "04/paths", "04/steps", "04/baseline")
ALL = {demo.name: demo for demo in demos.all()}


def pixels(data):
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG"
    return np.asarray(image.convert("RGB")).astype(int)


def default(demo, **changed):
    return {name: control.default for name, control in demo.controls.items()} | changed


def test_the_demos_that_were_promised_are_there():
    assert set(NAMES) <= set(ALL)
    for demo in ALL.values():
        assert demo.title and demo.caption and demo.alt and demo.name.split("/")[0] == demo.lecture
    with pytest.raises(ValueError, match="04/paths"):
        demos.get("99")


@pytest.mark.parametrize("name", ALL)
def test_every_control_at_every_end(name):
    demo = ALL[name]
    explorer = demo.show()

    def move(**values):
        explorer.set(**values)
        if demo.make:
            explorer.step(STEPS)

    move()
    before = pixels(explorer.image.value)
    assert before.shape[1] == 2 * demo.width and before.std() > 5
    for control, spec in demo.controls.items():
        seen = []
        for value in spec.values():
            move(**{control: value})
            assert explorer.values[control] == value and explorer.status.value == ""
            picture = pixels(explorer.image.value)
            assert picture.shape == before.shape and picture.std() > 5
            seen.append(explorer.image.value)
        assert len(set(seen)) == len(seen), f"{control} changes nothing between two of {spec.values()}"
        move(**{control: spec.default})
        assert (pixels(explorer.image.value) == before).all(), "the same values give the same picture"
    explorer.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_move_of_the_real_slider_moves_the_picture(name):
    explorer = ALL[name].show()
    for control, spec in ALL[name].controls.items():
        if isinstance(spec, Slider):
            before = explorer.image.value
            explorer.controls[control].value = spec.values()[0]
            assert explorer.image.value != before
    explorer.close()


def test_the_live_demo_offers_every_method_and_baseline_and_digit():
    controls = ALL["04"].controls
    assert set(controls["method"].values()) == set(attribution.METHODS)
    assert set(controls["baseline"].values()) == set(lecture04.BASELINES)
    assert {str(d) for d in range(10)} <= set(controls["picture"].values())
    steps = controls["steps"]
    assert (steps.low, steps.high, steps.log) == (1, 300, True)


@pytest.mark.parametrize("method", ["integrated_gradients", "path_gradients", "deep_lift"])
@pytest.mark.parametrize("baseline", lecture04.BASELINES)
def test_the_live_demos_sums_close_for_complete_methods(method, baseline):
    at = lecture04.scene("5")
    start = lecture04.baseline(baseline, at)
    assert start.shape == at.x.shape and 0 <= start.min() and start.max() <= 1
    options, used = lecture04._options(attribution.METHODS[method], at, start, 300)
    assert "baseline" in used
    credit = attribution.METHODS[method].function(at.model, at.x, 5, **options)
    with torch.no_grad():
        rise = float(at.model(at.x)[0, 5] - at.model(start)[0, 5])
    assert abs(float(credit.sum()) - rise) < 0.02 * max(abs(rise), 1)


def test_the_steps_curve_is_the_completeness_gap_of_the_library():
    at, errors = lecture04.scene("3"), lecture04._errors()
    assert list(errors) == list(attribution.RULES)
    for rule, (grid, error) in errors.items():
        assert grid[0] == 1 and grid[-1] == 300
        credit = attribution.integrated_gradients(at.model, at.x, steps=grid[3], rule=rule)
        gap = float(attribution.completeness_gap(at.model, at.x, credit))
        assert error[3] == pytest.approx(gap, abs=2e-4)
        assert error[-1] < 0.1 * max(error[:3])


def test_blur_keeps_the_mean_of_a_flat_picture_and_smooths():
    flat = torch.full((1, 3, 20, 30), 0.3)
    assert torch.allclose(lecture04_scenes.blur(flat, 2.5), flat, atol=1e-6)
    x = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    assert lecture04_scenes.blur(x, 3.5).std() < 0.3 * x.std()


def test_numbers_of_the_slides():
    credit, f = lecture04_functions.credit, lecture04_functions.Difference()
    assert credit("gradient", lecture04_functions.Ramp(), [2.0]) == 0
    assert credit("integrated_gradients", lecture04_functions.Ramp(), [2.0], steps=1000) == pytest.approx(1)
    for name, options in (("integrated_gradients", {"steps": 1000}), ("deep_lift", {}),
                          ("lrp_epsilon", {"bias": "excluded"})):
        assert credit(name, f, [3.0, 1.0], **options) == pytest.approx([1.5, -0.5], abs=1e-3)
    for name in ("deconvnet", "guided_backprop"):
        assert credit(name, f, [3.0, 1.0])[1] == 0


@pytest.mark.parametrize("p1, p2", [(0.5, 0.5), (3.0, 1.0), (0.5, 4.0), (4.0, 4.0)])
def test_a_bent_paths_shares(p1, p2):
    """∫ x₂ dx₁ along (α^p₁, α^p₂) is p₁ / (p₁ + p₂)."""
    assert lecture04_functions.along(lecture04_functions.powers(p1, p2)) == pytest.approx(
        [p1 / (p1 + p2), p2 / (p1 + p2)], abs=1e-4)
    assert np.allclose(lecture04_functions.slide_paths(), [[1, 0], [0.5, 0.5], [0, 1]])


def test_a_method_that_does_not_apply_says_so_in_the_picture(monkeypatch):
    """CAM on a network without global average pooling, as on the photographs: no error in the widget."""
    at = lecture04.scene("5")
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 5), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(2304, 10))
    monkeypatch.setattr(lecture04, "scene", lambda name: at._replace(model=net.eval()))
    shown = pixels(lecture04.live("cam", "black", 32, "5"))
    assert shown.shape == (860, 1800, 3) and shown.std() > 5
    assert (shown != pixels(lecture04.live("grad_cam", "black", 32, "5"))).any()


@pytest.mark.skipif(len(ALL["04"].controls["picture"].options) == 10, reason="squeezenet1_1's weights are not here")
@pytest.mark.parametrize("method", attribution.METHODS)
def test_photographs(method):
    assert pixels(lecture04.live(method, "blurred", 2, "coffee")).std() > 5


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="black"):
        lecture04.baseline("grey", lecture04.scene("0"))


def test_browse_shows_one_demo_at_a_time():
    from ipywidgets.widgets import widget as registry

    page = demos.browse()
    choice, holder = page.children
    shown = []
    for name in NAMES[1:3] + NAMES[1:3]:
        choice.value = name
        title, explorer, caption = holder.children[0].children
        assert ALL[name].title in title.value and explorer.drawn == 1
        shown.append(explorer)
    assert [e.comm is None for e in shown] == [True, True, True, False], "the demo before is closed"
    count = len(registry._instances)
    choice.value = NAMES[1]
    choice.value = NAMES[2]
    assert len(registry._instances) == count, "nothing is left behind"


def test_toggle_labels_are_not_the_names_students_type():
    assert all(isinstance(o, tuple) for o in ALL["04"].controls["method"].options)
    assert isinstance(ALL["04"].controls["method"], Toggle)


@pytest.mark.parametrize("name", [name for name, demo in ALL.items() if demo.make])
def test_a_demo_that_plays_is_pure_and_quick(name):
    """The same values and steps give the same picture, in one go or in many; 20 pictures a second take no whole core."""
    demo = ALL[name]
    values = {control: spec.default for control, spec in demo.controls.items()}
    one, two = demo.make(**values), demo.make(**values)
    one.step(30)
    for _ in range(6):
        two.step(5)
    assert type(one.picture()) is bytes and one.picture() == two.picture()
    taken = []
    for _ in range(12):
        start = time.process_time()
        two.step(5)
        two.picture()
        taken.append(time.process_time() - start)
    assert sorted(taken)[3] < 0.05, f"{1e3 * sorted(taken)[3]:.0f} ms for 5 steps and a picture"
    assert demo.compute(steps=40, **values) == demo.compute(steps=40, **values) != demo.compute(steps=1, **values)
