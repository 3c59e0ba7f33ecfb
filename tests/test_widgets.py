"""One picture that follows its controls: newest wins, errors show, nothing leaks."""
import base64
import io
import threading
import time

import matplotlib.pyplot as plt
import numpy as np
import pytest
from ipywidgets.widgets import widget as registry
from PIL import Image

from xaikit import plot, widgets
from xaikit.widgets import Check, Slider, Toggle, explore


def grey(level=0, **_):
    return np.full((40, 60, 3), level, np.uint8)


def shade(explorer):
    return int(np.asarray(Image.open(io.BytesIO(explorer.image.value))).mean().round())


def test_picture_follows_a_control_and_is_replaced():
    explorer = explore(grey, alt="grey", level=Slider(0, 250, 10))
    children = len(explorer.children)
    for level in (0, 125, 250):
        explorer.controls["level"].value = level
        assert abs(shade(explorer) - level) <= 2
    assert len(explorer.children) == children and explorer.image.layout.width == "60px"
    explorer.close()


def test_set_draws_once_for_many_controls():
    explorer = explore(grey, alt="grey", level=Slider(1, 250, 10, log=True), on=Check(), which=Toggle("ab"))
    explorer.set(level=200, on=True, which="b")
    assert explorer.drawn == 2 and explorer.values["on"] is True and explorer.values["which"] == "b"
    assert explorer.values["level"] == explorer._specs["level"].nearest(200)
    for wrong in ({"nobody": 1}, {"level": 0}, {"which": "c"}):
        with pytest.raises(ValueError):
            explorer.set(**wrong)
    assert explorer.drawn == 2, "a refused value draws nothing"
    explorer.close()


@pytest.mark.parametrize("control", [Slider(1, 300, 32, log=True), Slider(0.5, 4.0, 3.0, log=True), Slider(0, 9, 3),
                                     Slider(-1.0, 3.0, 2.0, step=0.05), Toggle(range(9), 4), Toggle({"a": 1, "b": 2}),
                                     Check(True)])
def test_every_value_of_a_control_can_be_set(control):
    widget = control.widget("name")
    assert widget.value == control.default and widget.description == "name"
    for value in control.values():
        widget.value = value
        assert widget.value == value
    widget.close()


def test_values_are_least_middle_largest():
    assert Slider(0, 9, 3).values() == [0, 4, 9]
    low, middle, high = Slider(1, 300, 32, log=True).values()
    assert (low, high) == (1, 300) and 10 < middle < 50
    assert all(isinstance(v, int) for v in Slider(1, 300, 32, log=True).positions())
    assert 32 in Slider(1, 300, 32, log=True).positions()


@pytest.mark.parametrize("make", [lambda: Slider(3, 1, 2), lambda: Slider(0, 1, 5), lambda: Slider(0, 9, 3, log=True),
                                  lambda: Toggle(()), lambda: Toggle("ab", "c")])
def test_impossible_controls_are_refused(make):
    with pytest.raises(ValueError):
        make()


def test_explore_refuses_what_it_cannot_show():
    with pytest.raises(TypeError, match="Slider"):
        explore(grey, alt="grey", level=3)
    with pytest.raises(ValueError, match="alt"):
        explore(grey, alt=" ", level=Slider(0, 9, 3))
    for wrong in ("text", b"PNG", None):
        with pytest.raises(TypeError):
            explore(lambda wrong=wrong: wrong, alt="x")


def test_an_error_is_raised_and_shown_and_gone_when_mended():
    def fails_above(level):
        if level > 5:
            raise ArithmeticError("too <grey>")
        return grey(level)

    explorer = explore(fails_above, alt="x", level=Slider(0, 9, 3))
    with pytest.raises(ArithmeticError, match="too"):
        explorer.controls["level"].value = 8
    assert "ArithmeticError: too &lt;grey&gt;" in explorer.status.value
    explorer.controls["level"].value = 2
    assert explorer.status.value == ""
    with pytest.raises(ArithmeticError):
        explore(fails_above, alt="x", level=Slider(0, 9, 8))
    explorer.close()


def test_busy_mark_only_when_it_takes_long():
    seen = []

    def slow(seconds):
        time.sleep(seconds)
        return grey()

    explorer = explore(slow, alt="x", seconds=Slider(0.0, 0.5, 0.0))
    explorer.status.observe(lambda change: seen.append(change["new"]), "value")
    explorer.controls["seconds"].value = 0.01
    assert seen == []
    explorer.controls["seconds"].value = 0.3
    assert len(seen) == 2 and "computing" in seen[0] and seen[1] == ""
    explorer.close()


def test_newest_request_wins(monkeypatch):
    """Ten moves from the page while one picture is computed: that one, and the last; nothing queues up."""
    tornado = pytest.importorskip("tornado.ioloop")
    loop = tornado.IOLoop()
    drawn = []

    def slow(level):
        drawn.append(level)
        time.sleep(0.15)
        return grey(level)

    explorer = explore(slow, alt="x", level=Slider(0, 100, 0))
    drawn.clear()
    monkeypatch.setattr(widgets, "_frontend_loop", lambda: loop)

    def moves():
        for level in range(1, 11):
            explorer.controls["level"].value = level
            time.sleep(0.01)
        time.sleep(0.5)
        loop.add_callback(loop.stop)

    page = threading.Thread(target=moves)
    page.start()
    loop.start()
    page.join()
    loop.close(all_fds=True)
    assert drawn[-1] == 10 and 2 <= len(drawn) <= 3, drawn
    assert abs(shade(explorer) - 10) <= 2
    explorer.close()


def test_moves_on_the_loop_itself_do_not_queue(monkeypatch):
    """The same where page and pictures share the main loop: what waited during a computation is read first."""
    tornado = pytest.importorskip("tornado.ioloop")
    loop = tornado.IOLoop()
    drawn = []

    def slow(level):
        drawn.append(level)
        time.sleep(0.05)
        return grey(level)

    explorer = explore(slow, alt="x", level=Slider(0, 100, 0))
    drawn.clear()
    explorer._ended = 0.0
    monkeypatch.setattr(widgets, "_frontend_loop", lambda: loop)
    for level in range(1, 21):
        loop.call_later(0.004 * level, setattr, explorer.controls["level"], "value", level)
    loop.call_later(0.6, loop.stop)
    loop.start()
    loop.close(all_fds=True)
    assert drawn[-1] == 20 and len(drawn) <= 5, drawn
    explorer.close()


def test_close_leaves_nothing_behind():
    before = set(registry._instances)
    explorer = explore(grey, alt="x", level=Slider(0, 9, 3), which=Toggle(range(9)), on=Check())
    assert len(set(registry._instances) - before) > 5
    explorer.close()
    assert set(registry._instances) == before


def test_running_a_cell_again_closes_what_it_showed(monkeypatch):
    run = {"header": {"msg_type": "execute_request", "msg_id": "1"}, "metadata": {"cellId": "c"}, "content": {}}
    monkeypatch.setattr(widgets, "_request", lambda: run)
    monkeypatch.setattr(widgets, "_shown", {})
    first, second = (explore(grey, alt="x", level=Slider(0, 9, 3)) for _ in range(2))
    assert first.comm is not None, "two in one run of a cell live side by side"
    run["header"] = {"msg_type": "execute_request", "msg_id": "2"}
    before = len(registry._instances)
    third = explore(grey, alt="x", level=Slider(0, 9, 3))
    assert first.comm is None and second.comm is None and third.comm is not None
    assert len(registry._instances) < before
    third.close()


def test_page_without_code_gets_the_picture_and_its_alt_text():
    explorer = explore(grey, alt="a grey field", level=Slider(0, 250, 99))
    data, meta = explorer._repr_mimebundle_()
    assert base64.b64decode(data["image/jpeg"]) == explorer.image.value
    assert meta["image/jpeg"]["alt"] == data["text/plain"] == "a grey field"
    assert "application/vnd.jupyter.widget-view+json" in data
    explorer.close()


def test_figures_are_drawn_and_closed():
    before = plt.get_fignums()

    def figure(level):
        fig, ax = plot.subplots(size=(2, 1))
        ax.plot([0, level])
        return fig

    explorer = explore(figure, alt="x", level=Slider(0, 9, 3))
    explorer.controls["level"].value = 5
    assert Image.open(io.BytesIO(explorer.image.value)).size == (220, 110)
    assert plt.get_fignums() == before
    explorer.close()
