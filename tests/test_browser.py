"""The course in a real browser: JupyterLab on lecture 04, the demos as an app, and no request that leaves this machine."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from xaikit.classroom import serve

ROOT = Path(__file__).resolve().parents[1]
LECTURE = Path("course/04_ig_axioms/04_ig_axioms.ipynb")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
HERE = re.compile(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:|about:")

needs_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome on this machine")


@pytest.fixture
def page(tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("websocket", lambda socket: page.asked.append(socket.url))
        yield page
        page.screenshot(path=tmp_path / "last.png")
        browser.close()


@pytest.fixture
def served(tmp_path):
    """``served(code)`` runs a line of Python that serves, and returns the address that it prints."""
    running = []

    def start(code):
        log = tmp_path / "server.log"
        env = os.environ | {"OMP_NUM_THREADS": "1", "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
                            "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
        with log.open("w") as out:
            process = subprocess.Popen([sys.executable, "-c", f"import sys\nfrom xaikit.classroom import serve\nsys.exit({code})"],
                                       stdout=out, stderr=out, env=env, cwd=tmp_path)
        running.append(process)
        for _ in range(480):
            found = re.search(r"http://127\.0\.0\.1:\d+/\S*token=\w+", log.read_text())
            if found:
                return found[0]
            assert process.poll() is None, log.read_text()[-3000:]
            time.sleep(0.25)
        raise AssertionError(f"nothing was served in two minutes: {log.read_text()[-3000:]}")

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143, "stopping the command stops what it served"


def picture(page, which=0):
    """The pixels on the screen of a widget's picture."""
    return page.locator("img.widget-image").nth(which).screenshot()


def move(page, handle, key="ArrowRight", which=0):
    """Press a key on a slider; milliseconds until the picture is another one."""
    image = page.locator("img.widget-image").nth(which)
    before = image.get_attribute("src")
    handle.focus()
    start = time.perf_counter()
    page.keyboard.press(key)
    page.wait_for_function("([n, src]) => document.querySelectorAll('img.widget-image')[n].src != src", arg=[which, before],
                           timeout=30_000)
    return 1000 * (time.perf_counter() - start)


def outside(page):
    return [url for url in page.asked if not HERE.match(url)]


def small_notebook(folder):
    """What is opened where lecture 04 has not been built."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("from xaikit import demos\ndemos.get('04').show()")])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, folder / "small.ipynb")
    return Path("small.ipynb")


@needs_browser
def test_jupyterlab_runs_the_lecture_and_a_slider_moves_the_picture(page, served, tmp_path):
    # a copy: the browser saves, and the course's own notebooks stay as they are
    folder = tmp_path / "course-copy"
    folder.mkdir()
    shutil.copytree(ROOT / "jupyter", folder / "jupyter")
    if (ROOT / LECTURE).exists():
        (folder / LECTURE).parent.mkdir(parents=True)
        shutil.copy(ROOT / LECTURE, folder / LECTURE)
        notebook = LECTURE
    else:
        notebook = small_notebook(folder)
    page.goto(served(f"serve.lab({str(folder)!r}, {str(notebook)!r}, browser=False, port=18888)"))
    page.wait_for_function("() => document.body.innerText.includes('| Idle')", timeout=120_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.locator("img.widget-image").first.wait_for(timeout=180_000)
    # between two cells the kernel is idle for a moment; after the last one it stays so
    page.wait_for_function("""() => {
        if (!document.body.innerText.includes('| Idle')) window.idleSince = undefined
        else window.idleSince ??= Date.now()
        return window.idleSince !== undefined && Date.now() - window.idleSince > 5000
    }""", timeout=300_000, polling=100)
    page.locator("img.widget-image").first.scroll_into_view_if_needed()
    handle = page.locator(".widget-slider .noUi-handle, .widget-inline-hbox .noUi-handle").first
    handle.scroll_into_view_if_needed()
    before = picture(page)
    taken = [move(page, handle) for _ in range(3)]
    page.screenshot(path=tmp_path / "lab.png")
    assert picture(page) != before, "the pixels on the screen are others"
    assert min(taken) < 3000, f"keydown to picture took {taken} ms"
    assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    assert "Would you like to" not in page.locator("body").inner_text(), "no question about news"
    assert outside(page) == []
    print(f"JupyterLab, {notebook.name}: keydown to picture {[round(t) for t in taken]} ms; screenshots in {tmp_path}")


@needs_browser
def test_the_app_works_offline(page, served, tmp_path):
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(served("serve.demo('04', browser=False, port=18866)"), timeout=120_000)
    page.locator("img.widget-image").wait_for(timeout=120_000)
    handle, before = page.locator(".noUi-handle").first, picture(page)
    taken = [move(page, handle) for _ in range(8)]
    assert picture(page) != before
    page.get_by_role("button", name="white").click()
    page.wait_for_timeout(1500)
    page.screenshot(path=tmp_path / "app.png")
    assert outside(page) == [], "nothing was asked of another machine"
    assert errors == []
    assert "Attribution live" in page.locator("body").inner_text()
    assert sorted(taken)[4] < 3000
    print(f"app: keydown to picture {[round(t) for t in taken]} ms; screenshots in {tmp_path}")


@needs_browser
def test_the_app_of_all_demos_changes_between_them(page, served, tmp_path):
    page.goto(served("serve.demo(browser=False, port=18877)"), timeout=120_000)
    page.locator("img.widget-image").wait_for(timeout=120_000)
    page.locator("select").first.select_option(label="04/paths   Every path is complete, only the straight one is fair")
    page.get_by_text("Every path is complete", exact=False).nth(1).wait_for(timeout=60_000)
    page.wait_for_function("() => document.querySelectorAll('img.widget-image').length == 1", timeout=60_000)
    page.wait_for_timeout(1000)
    assert move(page, page.locator(".noUi-handle").first, "ArrowLeft") < 5000
    page.screenshot(path=tmp_path / "all.png")
    assert outside(page) == []


def test_the_servers_refuse_what_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="04/paths"):
        serve.demo("99")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        serve.lab(ROOT, "nowhere.ipynb")
    with pytest.raises(FileNotFoundError, match="settings"):
        serve.environment(tmp_path)


def test_a_taken_port_is_passed_over():
    import socket

    with socket.socket() as taken:
        taken.bind((serve.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert serve.free_port(port) > port
