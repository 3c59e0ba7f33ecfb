"""The information plane in a real browser: it plays, pause means pause, the bins start it anew."""

from test_browser import needs_browser, outside, page, served  # noqa: F401  (page and served are fixtures)
from test_browser_play import COUNT


@needs_browser
def test_the_plane_plays_and_stops(page, served, tmp_path):  # noqa: F811
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(served("serve.demo('07', browser=False, port=18907)"), timeout=180_000)
    page.locator("img.widget-image").wait_for(timeout=180_000)
    page.wait_for_timeout(1000)
    assert page.evaluate(COUNT, 500) == 0, "it waits for play"
    page.get_by_role("button", name="▶ play").first.click()
    page.wait_for_timeout(3000)  # once through the training: from then on its points are known
    shown = page.evaluate(COUNT, 3000)
    page.get_by_role("button", name="pause").first.click()
    page.get_by_role("button", name="▶ play").wait_for(timeout=5000)
    page.wait_for_timeout(300)
    assert shown >= 6 and page.evaluate(COUNT, 1000) == 0, f"{shown} pictures in 3 s; paused, none"
    before = page.locator("img.widget-image").screenshot()
    page.locator(".noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(1500)
    assert page.locator("img.widget-image").screenshot() != before and page.evaluate(COUNT, 500) == 0
    page.screenshot(path=tmp_path / "plane.png")
    assert outside(page) == [] and errors == []
    print(f"plane: {shown / 3:.0f} pictures a second; screenshots in {tmp_path}")
