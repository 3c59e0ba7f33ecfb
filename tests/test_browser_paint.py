"""The paintbrush in a real browser: a stroke of "crown" on grass makes crown grow there, and undo takes it away."""
import io
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from test_browser import ROOT, needs_browser, outside, page, served  # noqa: F401  (page and served are fixtures)

from xaikit.demos import lecture08

SRC = "() => document.querySelector('img.widget-image').src"
BYTES = """async () => {
    const shown = await (await fetch(document.querySelector('img.widget-image').src)).arrayBuffer();
    return Array.from(new Uint8Array(shown));
}"""


def board(page):  # noqa: F811
    return Image.open(io.BytesIO(bytes(page.evaluate(BYTES)))).convert("RGB")


def crown(board, area):
    """The share of a part of the painted picture, a box of its 64 × 64 pixels, that the segmenter takes for crown."""
    left, top, side, _ = lecture08.BOX
    small = board.crop([2 * v for v in (left, top, left + side, top + side)]).resize((64, 64), Image.Resampling.BOX)
    x = torch.from_numpy(np.array(small)).movedim(2, 0)[None].float() / 255
    seen = lecture08.networks()[1](x)[0, lecture08.NAMES.index("crown")]
    y0, x0, y1, x1 = area
    return seen[y0:y1, x0:x1].float().mean().item()


def settle(page, before):  # noqa: F811
    page.wait_for_function("src => document.querySelector('img.widget-image').src !== src", arg=before, timeout=30_000)
    page.wait_for_timeout(1500)


@needs_browser
@pytest.mark.parametrize("how", ["app", "lab"])
def test_a_stroke_of_crown_on_grass_grows_a_crown(page, served, tmp_path, how):  # noqa: F811
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    if how == "app":
        page.goto(served("serve.demo('08/paintbrush', browser=False, port=18898)"), timeout=120_000)
    else:
        import nbformat

        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(
            "from xaikit import demos\ndemos.get('08/paintbrush').show()")])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        folder = tmp_path / "copy"
        shutil.copytree(ROOT / "jupyter", folder / "jupyter")
        nbformat.write(book, folder / "small.ipynb")
        page.goto(served(f"serve.lab({str(folder)!r}, 'small.ipynb', browser=False, port=18899)"), timeout=120_000)
        page.wait_for_function("() => document.body.innerText.includes('| Idle')", timeout=120_000)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
    page.locator("img.widget-image").wait_for(timeout=180_000)
    page.wait_for_timeout(2000)
    page.locator("canvas.xaikit-canvas").scroll_into_view_if_needed()
    start, first = board(page), page.evaluate(SRC)
    grass = lecture08.before(0)[1][lecture08.NAMES.index("grass")]
    area = next((y, x, y + 12, x + 20) for y in range(40, 52, 2) for x in range(4, 42, 2)
                if grass[y:y + 12, x:x + 20].all())
    assert crown(start, area) == 0
    box = page.locator("canvas.xaikit-canvas").bounding_box()
    scale = box["width"] / lecture08.WIDTH
    left, top, side, _ = lecture08.BOX

    def to(x, y):  # pixels of the picture to the page's
        return box["x"] + scale * (left + side * x / 64), box["y"] + scale * (top + side * y / 64)

    y0, x0, y1, x1 = area
    page.mouse.move(*to(x0 + 3, (y0 + y1) / 2))
    page.mouse.down()
    page.mouse.move(*to(x1 - 3, (y0 + y1) / 2), steps=12)
    page.mouse.up()
    settle(page, first)
    grown, second = board(page), page.evaluate(SRC)
    page.screenshot(path=tmp_path / "painted.png")
    share = crown(grown, area)
    print(f"{how}: crown covers {share:.0%} of the stroke's place; screenshot in {tmp_path}")
    assert share > .4
    page.locator("canvas.xaikit-canvas").focus()  # a dab with the keyboard, in the middle of the picture
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    settle(page, second)
    third = page.evaluate(SRC)
    page.get_by_role("button", name="undo").click()
    settle(page, third)
    again = page.evaluate(SRC)
    page.get_by_role("button", name="undo").click()
    settle(page, again)
    assert (np.asarray(board(page)) == np.asarray(start)).all(), "as it was"
    last = page.evaluate(SRC)
    page.get_by_role("button", name="new sample").click()
    settle(page, last)
    assert (np.asarray(board(page)) != np.asarray(start)).any()
    assert outside(page) == [] and [e for e in errors if "data:," not in e] == []
