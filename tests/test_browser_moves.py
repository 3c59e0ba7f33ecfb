"""Every control of every demo of lectures 02 and 03, moved with the keyboard alone in a real browser: the picture follows."""
import contextlib

import pytest
from test_browser import needs_browser, outside, page, served  # noqa: F401  (page and served are fixtures)

from xaikit import demos
from xaikit.widgets import Check, Slider

playwright = pytest.importorskip("playwright.sync_api")
SRC = "() => document.querySelector('img.widget-image').src"
VALUES = "() => [document.activeElement.outerHTML.slice(0, 80), ...[...document.querySelectorAll('select')].map(s => s.value)]"


def key_of(spec):
    """The arrow key towards a slider's farther end."""
    at, low, high = (spec.positions().index(v) for v in (spec.default, spec.low, spec.high)) if spec.log else (
        spec.default, spec.low, spec.high)
    return "ArrowRight" if high - at >= at - low else "ArrowLeft"


def moves(page, demo):  # noqa: F811
    """(name, what to focus, keys) of each control, sliders first: a rule that is switched off has a slider without effect."""
    found, seen = {}, dict.fromkeys((".noUi-handle", ".widget-toggle-buttons", ".widget-dropdown select", ".widget-checkbox input"), 0)
    seen[".widget-dropdown select"] = 1  # the first is the list of demos
    for name, spec in demo.controls.items():
        options = 0 if isinstance(spec, Slider | Check) else len(spec.values())
        kind = list(seen)[0 if isinstance(spec, Slider) else 3 if isinstance(spec, Check) else 2 if options > 6 else 1]
        place = page.locator(kind).nth(seen[kind])
        seen[kind] += 1
        if isinstance(spec, Slider):
            found[name] = 0, place, [key_of(spec)] * 5  # one step may be less than a pixel
        elif isinstance(spec, Check):
            found[name] = 1, place, ["Space"]
        elif options > 6:
            found[name] = 1, place, ["ArrowUp" if spec.default == spec.values()[-1] else "ArrowDown"]
        else:
            found[name] = 1, place.locator("button:not(.mod-active)").first, ["Enter"]
    for kind, count in seen.items():
        assert page.locator(kind).count() == count, f"{demo.name}: {count} of {kind}"
    return [(name, place, keys) for name, (_, place, keys) in sorted(found.items(), key=lambda item: item[1][0])]


@needs_browser
@pytest.mark.parametrize("lecture", ["02", "03"])
def test_every_control_moves_its_picture_by_keyboard(page, served, tmp_path, lecture):  # noqa: F811
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(served(f"serve.demo(browser=False, port=189{lecture})"), timeout=180_000)
    page.locator("img.widget-image").wait_for(timeout=180_000)
    for demo in (d for d in demos.all() if d.lecture == lecture):
        page.locator("select").first.select_option(label=f"{demo.name}   {demo.title}")
        page.get_by_role("heading", name=demo.title, exact=True).wait_for(timeout=180_000)
        page.wait_for_function("() => document.querySelectorAll('img.widget-image').length == 1", timeout=180_000)
        for name, place, keys in moves(page, demo):
            before = page.evaluate(SRC)
            for _ in range(3):  # on a busy machine a page that is drawing may lose a key
                place.focus()
                for key in keys:
                    page.keyboard.press(key)
                with contextlib.suppress(playwright.TimeoutError):
                    page.wait_for_function(f"src => ({SRC})() !== src", arg=before, timeout=30_000)
                    break
            else:
                page.screenshot(path=tmp_path / "stuck.png")
                said = page.locator("span[role=status]").all_inner_texts(), page.evaluate(VALUES)
                raise AssertionError(f"{demo.name}, {name}: the picture stays ({tmp_path / 'stuck.png'}): {said}, {errors}")
            page.wait_for_timeout(1000)  # the newest of five moves
            said = " ".join(page.locator("span[role=status]").all_inner_texts())
            assert "Error" not in said, f"{demo.name}, {name}: {said}"
        page.screenshot(path=tmp_path / f"{demo.name.replace('/', '-')}.png")
    assert outside(page) == [] and errors == [], "nothing was asked of another machine"
    print(f"lecture {lecture}: screenshots in {tmp_path}")
