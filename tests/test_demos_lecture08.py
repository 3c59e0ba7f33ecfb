"""The paintbrush without a browser: what the page writes, strokes, undo, and its speed."""
import io
import time

import numpy as np
import pytest
import torch
from PIL import Image

from xaikit import demos
from xaikit.demos import lecture08
from xaikit.widgets import Check, Slider
from xaikit.widgets.paint import Stroke, paint

NAMES = lecture08.NAMES


def blank(strokes, **values):
    return np.full((8, 8, 3), min(255, 40 * len(strokes)), np.uint8)


@pytest.fixture
def easel():
    seen = []

    def compute(strokes, **values):
        seen.append((strokes, values))
        return blank(strokes)

    painter = paint(compute, "a board", (20, 10, 40, 20), 100, 50, renews="sample", sample=Slider(0, 2, 0), big=Check())
    painter.seen = seen
    yield painter
    painter.close()


def test_what_the_page_writes_becomes_strokes(easel):
    """Points are fractions of the whole picture; strokes are of its box; a stroke grows; another one follows."""
    easel._ink.value = "100|0.2,0.2 0.6,0.6"
    assert easel.strokes == [Stroke(((0.0, 0.0), pytest.approx((1.0, 1.0))), {"sample": 0, "big": False})]
    easel.controls["big"].value = True
    easel._ink.value = "100|0.2,0.2 0.4,0.4 0.6,0.6;101|0.4,0.4"
    assert [len(s.points) for s in easel.strokes] == [3, 1]
    assert [s.values["big"] for s in easel.strokes] == [False, True], "a stroke keeps what it began with"
    assert len(easel.seen[-1][0]) == 2 and easel.drawn == len(easel.seen)
    drawn = easel.drawn
    easel._ink.value = "100|0.2,0.2 0.4,0.4 0.6,0.6;101|0.4,0.4 0.99,0.99"
    assert easel.drawn == drawn, "nothing new inside the box: no redraw"


@pytest.mark.parametrize("text", ["", ";;", "x|0.5,0.5", "7|", "7|a,b", "7|nan,0.3 inf,0.3", "7|0.5", "7|0.01,0.01", "|0.3,0.3"])
def test_what_is_no_stroke_is_left_out(easel, text):
    easel._ink.value = "1|0.3,0.3"
    easel._ink.value = text
    assert len(easel.strokes) == 1


def test_undo_clear_and_a_new_sample(easel):
    easel._ink.value = "1|0.3,0.3;2|0.4,0.4;3|0.5,0.5"
    easel.undo()
    assert len(easel.strokes) == 2 and len(easel.seen[-1][0]) == 2
    easel._ink.value = "1|0.3,0.3;2|0.4,0.4;3|0.5,0.5 0.55,0.5"
    assert len(easel.strokes) == 2, "a stroke that was undone does not come back with the page's next message"
    easel._ink.value = "2|0.4,0.4;4|0.5,0.5"
    assert len(easel.strokes) == 3
    easel.clear()
    easel._ink.value = "4|0.5,0.5 0.52,0.5"
    assert easel.strokes == []
    easel.undo()
    easel._ink.value = "5|0.5,0.5"
    for expected in (1, 2, 0):
        easel.renew()
        assert easel.values["sample"] == expected and easel.strokes == [] and easel.seen[-1][0] == ()


def test_a_stroke_during_a_redraw_is_in_the_next_picture_and_the_newest_wins(monkeypatch):
    """Three messages arrive while a picture is being computed: one more picture, with all that they brought."""
    from xaikit import widgets

    turns, shown = [], []

    class Loop:
        def add_callback(self, f, *args):
            turns.append((f, args))

        def call_later(self, delay, f, *args):
            turns.append((f, args))

    def compute(strokes, **values):
        shown.append([len(s.points) for s in strokes])
        if len(shown) == 2:  # the redraw of the first stroke is under way
            for text in ("1|0.1,0.1 0.2,0.2", "1|0.1,0.1 0.2,0.2 0.3,0.3", "1|0.1,0.1 0.2,0.2 0.3,0.3;2|0.4,0.4"):
                painter._ink.value = text
        return blank(strokes)

    painter = paint(compute, "a board", (0, 0, 50, 50), 50, 50)
    monkeypatch.setattr(widgets, "_frontend_loop", Loop)
    painter.image.comm = painter.image.comm or object()
    painter._ink.value = "1|0.1,0.1"
    for _ in range(10):
        if turns:
            f, args = turns.pop(0)
            f(*args)
    assert shown == [[], [1], [3, 1]]


def test_what_does_not_fit(easel):
    for points in ((), ((.5, 1.5),), ((.1,),)):
        with pytest.raises(ValueError, match="a stroke is"):
            easel.stroke(*points)
    with pytest.raises(ValueError, match="no control"):
        easel.stroke((.5, .5), colour="red")
    for change, error in (({"box": (0, 0, 60, 10)}, "not inside"), ({"alt": " "}, "alt"), ({"renews": "big"}, "slider")):
        given = {"alt": "a", "box": (0, 0, 5, 5), "width": 50, "height": 50, "big": Check()} | change
        with pytest.raises(ValueError, match=error):
            paint(blank, **given)
    with pytest.raises(TypeError, match="Slider"):
        paint(blank, "a", (0, 0, 5, 5), 50, 50, x=3)


def test_the_brush_covers_what_lies_near_the_line():
    dot = lecture08.brushed([(.5, .5)], 6)
    assert dot[32, 32] and dot.sum() == pytest.approx(np.pi * 36, rel=.05)
    line = lecture08.brushed([(.25, .5), (.75, .5)], 4)
    assert line.sum() == pytest.approx(8 * 32 + np.pi * 16, rel=.05) and not line[:27].any()
    corner = lecture08.brushed([(0, 0)], 3)
    assert corner[0, 0] and corner.sum() < .4 * lecture08.brushed([(.5, .5)], 3).sum()


def crown(strokes, sample=0):
    seen = lecture08.networks()[1](lecture08.painted(strokes, sample))[0]
    return seen[NAMES.index("crown")]


def test_crown_grows_under_the_brush_and_goes_where_it_is_erased():
    values = {"what": "crown", "do": "add", "layer": "block16", "brush": 6, "strength": 3.0}
    stroke = Stroke(((.6, .8), (.8, .8)), values)
    under = lecture08.brushed(stroke.points, 4)
    before, after = crown(()), crown((stroke,))
    assert before[under].float().mean() < .05 and after[under].float().mean() > .6
    with_erased = crown((Stroke(((.35, .55), (.35, .6)), values | {"do": "erase", "brush": 14, "layer": "block8"}),))
    assert with_erased.sum() < .5 * before.sum()
    assert torch.equal(crown((Stroke(stroke.points, values | {"strength": 0.0}),)), before)


def test_a_stroke_is_redrawn_in_time():
    painter = demos.get("08/paintbrush").show()
    before = painter.image.value
    painter.stroke((.6, .8), (.8, .8))
    assert painter.image.value != before
    taken = []
    for k in range(5):
        start = time.process_time()
        painter.stroke((.2 + k / 10, .8), (.3 + k / 10, .9))
        taken.append(time.process_time() - start)
    assert min(taken) < .15, f"{1e3 * min(taken):.0f} ms of compute"
    for _ in range(6):
        painter.undo()
    old, new = (np.asarray(Image.open(io.BytesIO(v))) for v in (before, painter.image.value))
    assert (old == new).all()
    painter.close()
