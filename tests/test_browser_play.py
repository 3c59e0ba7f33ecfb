"""The playing demos in a real browser: they play, pause means pause, a control starts anew, nothing leaves this machine."""
from test_browser import needs_browser, outside, page, served  # noqa: F401  (page and served are fixtures)

COUNT = """milliseconds => new Promise(done => {
    const image = document.querySelector('img.widget-image');
    let shown = 0;
    const count = () => shown++;
    image.addEventListener('load', count);
    setTimeout(() => { image.removeEventListener('load', count); done(shown) }, milliseconds);
})"""


@needs_browser
def test_the_playground_plays_in_the_app(page, served, tmp_path):  # noqa: F811
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(served("serve.demo('01/playground', browser=False, port=18896)"), timeout=120_000)
    page.locator("img.widget-image").wait_for(timeout=120_000)
    page.wait_for_timeout(1000)
    press = lambda name: page.get_by_role("button", name=name).first.click()  # noqa: E731
    assert page.evaluate(COUNT, 500) == 0, "it waits for play"
    press("▶ play")
    page.wait_for_timeout(500)
    shown = page.evaluate(COUNT, 3000)
    press("pause")
    page.get_by_role("button", name="▶ play").wait_for(timeout=5000)
    page.wait_for_timeout(300)
    assert shown >= 6 and page.evaluate(COUNT, 1000) == 0, f"{shown} pictures in 3 s; paused, none"
    press("step")
    page.wait_for_timeout(700)
    before = page.locator("img.widget-image").screenshot()
    press("circle")
    page.wait_for_timeout(1000)
    assert page.locator("img.widget-image").screenshot() != before and page.evaluate(COUNT, 500) == 0, "a new start, still paused"
    press("▶ play")
    handle = page.locator(".noUi-handle").nth(1)
    handle.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(1000)
    assert page.evaluate(COUNT, 2000) >= 4, "a control moved while it plays starts anew and plays on"
    page.screenshot(path=tmp_path / "playground.png")
    assert outside(page) == [] and errors == []
    print(f"playground: {shown / 3:.0f} pictures a second; screenshots in {tmp_path}")


@needs_browser
def test_the_picture_forms_and_another_unit_starts_anew(page, served, tmp_path):  # noqa: F811
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(served("serve.demo('01', browser=False, port=18897)"), timeout=120_000)
    image = page.locator("img.widget-image")
    image.wait_for(timeout=120_000)
    page.wait_for_timeout(1000)
    start = image.screenshot()
    page.get_by_role("button", name="▶ play").first.click()
    page.get_by_role("button", name="pause").wait_for(timeout=5000)
    page.get_by_role("button", name="▶ play").wait_for(timeout=90_000)  # it ends by itself
    page.wait_for_timeout(500)
    grown = image.screenshot()
    assert grown != start
    page.locator(".noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(1500)
    other = image.screenshot()
    assert other not in (start, grown) and page.evaluate(COUNT, 500) == 0, "a new start, not playing"
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(1500)
    assert image.screenshot() == start, "the same settings start the same"
    page.screenshot(path=tmp_path / "forming.png")
    assert outside(page) == [] and errors == []
