"""The player: it plays without holding up the loop, pause means pause, a control starts anew, closing ends it."""
import asyncio
import base64
import time

import numpy as np
import pytest
from ipywidgets.widgets import widget as registry

from xaikit import widgets
from xaikit.widgets import Check, Slider, Toggle
from xaikit.widgets.play import play


class Counter:
    """Counts steps, and is a grey that tells them."""

    made = 0

    def __init__(self, start=0, end=10**9, takes=0.0):
        Counter.made += 1
        self.at, self.end, self.takes = start, end, takes

    def step(self, n=1):
        time.sleep(self.takes)
        self.at += n

    def picture(self):
        return np.full((40, 60, 3), self.at % 250, np.uint8)

    @property
    def finished(self):
        return self.at >= self.end


def test_step_reset_and_controls_without_a_loop():
    player = play(Counter, alt="a grey", start=Slider(0, 100, 7))
    assert (player.thing.at, player.drawn, player.steps, player.playing) == (7, 1, 0, False)
    first = player.image.value
    player.step(30)
    assert (player.thing.at, player.steps) == (37, 30) and player.image.value != first
    player.buttons["step"].click()
    assert player.thing.at == 37 + player.speed.value
    player.reset()
    assert player.thing.at == 7 and player.image.value == first and player.steps == 0
    player.step(3)
    player.controls["start"].value = 50
    assert (player.thing.at, player.steps) == (50, 0), "another value starts anew"
    player.set(start=60)
    assert player.thing.at == 60 and player.values == {"start": 60}
    for wrong in ({"nobody": 1}, {"start": 101}):
        with pytest.raises(ValueError):
            player.set(**wrong)
    with pytest.raises(RuntimeError, match=r"step\(n\)"):
        player.play()
    assert not player.playing
    player.close()


def test_it_plays_and_the_loop_stays_free_and_pause_means_pause():
    async def main():
        player = play(Counter, alt="x", rate=50, speed=Slider(1, 9, 3), takes=Slider(0.0, 0.1, 0.0))
        player.buttons["play"].click()
        turns, start = 0, time.perf_counter()
        while time.perf_counter() - start < 0.5:
            await asyncio.sleep(0.001)
            turns += 1
        assert player.playing and "pause" in player.buttons["play"].description
        assert player.drawn > 8 and player.thing.at == 3 * (player.drawn - 1), "the speed's steps before each picture"
        assert turns > 50, "what else the loop has to do is done between pictures"
        player.play()  # twice is once
        await asyncio.sleep(0.1)
        assert player.thing.at == 3 * (player.drawn - 1)
        player.buttons["play"].click()
        at = (player.drawn, player.thing.at, player.image.value)
        assert not player.playing and "play" in player.buttons["play"].description
        await asyncio.sleep(0.2)
        assert (player.drawn, player.thing.at, player.image.value) == at
        player.play()
        player.pause()
        player.play()
        await asyncio.sleep(0.2)
        drawn, begun = player.drawn, time.perf_counter()
        await asyncio.sleep(0.5)
        assert player.drawn - drawn <= 50 * (time.perf_counter() - begun) + 2, "one timer, not two"
        player.close()

    asyncio.run(main())


def test_a_control_moved_while_it_plays_starts_anew_and_plays_on():
    async def main():
        player = play(Counter, alt="x", start=Slider(0, 10**6, 0))
        player.play()
        await asyncio.sleep(0.2)
        player.controls["start"].value = 10**5
        assert player.thing.at == 10**5 and player.steps == 0 and player.playing
        await asyncio.sleep(0.2)
        assert player.thing.at > 10**5
        player.buttons["step"].click()
        at = player.thing.at
        await asyncio.sleep(0.1)
        assert player.thing.at == at and not player.playing, "a single step pauses"
        player.close()

    asyncio.run(main())


def test_slow_steps_leave_gaps_in_which_messages_are_read():
    async def main():
        player = play(Counter, alt="x", takes=Slider(0.0, 0.1, 0.08))
        player.play()
        waited = []
        for _ in range(4):
            start = time.perf_counter()
            await asyncio.sleep(0.02)
            waited.append(time.perf_counter() - start)
        assert max(waited) < 0.5 and player.drawn >= 2
        player.close()
        await asyncio.sleep(0.1)

    asyncio.run(main())


def test_closing_ends_it_and_leaves_nothing_behind():
    async def main():
        before = set(registry._instances)
        player = play(lambda start, on, way: Counter(start), alt="x", start=Slider(0, 9, 0), on=Check(), way=Toggle("ab"))
        player.play()
        await asyncio.sleep(0.1)
        thing = player.thing
        player.close()
        at = thing.at
        await asyncio.sleep(0.15)
        assert thing.at == at and player.thing is None and set(registry._instances) == before

    asyncio.run(main())


def test_it_stops_where_the_thing_is_finished():
    async def main():
        player = play(Counter, alt="x", end=Slider(5, 100, 20))
        player.play()
        await asyncio.sleep(0.6)
        assert not player.playing and player.thing.at == 20
        player.step(5)
        assert player.thing.at == 20 and player.steps == 20
        player.close()

    asyncio.run(main())


def test_it_does_not_play_for_ever_to_a_page_that_was_closed(monkeypatch):
    monkeypatch.setattr("xaikit.widgets.play.LONGEST", 0.3)

    async def main():
        player = play(Counter, alt="x")
        player.play()
        await asyncio.sleep(0.8)
        assert not player.playing and "press play" in player.status.value and player.drawn > 3
        at = player.thing.at
        player.play()
        await asyncio.sleep(0.15)
        assert player.thing.at > at
        player.close()

    asyncio.run(main())


class Breaks(Counter):
    def __init__(self, limit):
        if limit == 9:
            raise ValueError("no <nine>")
        super().__init__()
        self.limit = limit

    def step(self, n=1):
        super().step(n)
        if self.at > self.limit:
            raise ArithmeticError("too far")


def test_an_error_stops_it_is_said_and_is_mended_by_a_new_start(monkeypatch):
    shown = []
    monkeypatch.setattr("xaikit.widgets.play.get_ipython", lambda: type("Shell", (), {"showtraceback": lambda s: shown.append(1)})())

    async def main():
        player = play(Breaks, alt="x", limit=Slider(0, 30, 8))
        player.play()
        await asyncio.sleep(0.4)
        assert not player.playing and "ArithmeticError: too far" in player.status.value and shown == [1]
        with pytest.raises(ValueError, match="nine"):
            player.set(limit=9)
        assert "no &lt;nine&gt;" in player.status.value
        player.set(limit=30)
        assert player.status.value == ""
        player.step(1)
        player.close()

    asyncio.run(main())


def test_buttons_pressed_in_the_page_act_on_the_main_loop(monkeypatch):
    """Many moves from another thread, as JupyterLab's subshells make them: one new start, on the loop."""
    import threading

    from tornado.ioloop import IOLoop

    loop = IOLoop()
    player = play(Counter, alt="x", start=Slider(0, 100, 0))
    made, threads = Counter.made, set()
    monkeypatch.setattr("xaikit.widgets.play._frontend_loop", lambda: loop)
    restart = player._restart
    monkeypatch.setattr(player, "_restart", lambda: (threads.add(threading.get_ident()), restart())[1])

    def moves():
        for value in range(1, 11):
            player.controls["start"].value = value
        player.buttons["play"].click()
        time.sleep(0.4)
        player.buttons["play"].click()
        time.sleep(0.1)
        loop.add_callback(loop.stop)

    page = threading.Thread(target=moves)
    page.start()
    time.sleep(0.05)
    loop.start()
    page.join()
    loop.close(all_fds=True)
    assert Counter.made - made == 1 and threads == {threading.get_ident()}
    assert player.thing.at > 10 and not player.playing
    monkeypatch.undo()
    player.close()


def test_page_without_code_gets_a_picture_of_later():
    player = play(Counter, alt="a grey field", preview=99)
    data, meta = player._repr_mimebundle_()
    assert base64.b64decode(data["image/jpeg"]) != player.image.value and player.thing.at == 0
    assert meta["image/jpeg"]["alt"] == data["text/plain"] == "a grey field"
    player.step(4)
    assert base64.b64decode(player._repr_mimebundle_()[0]["image/jpeg"]) == player.image.value
    player.close()


def test_running_a_cell_again_closes_what_it_showed(monkeypatch):
    run = {"header": {"msg_type": "execute_request", "msg_id": "1"}, "metadata": {"cellId": "c"}, "content": {}}
    monkeypatch.setattr(widgets, "_request", lambda: run)
    monkeypatch.setattr(widgets, "_shown", {})
    first = play(Counter, alt="x")
    run["header"] = {"msg_type": "execute_request", "msg_id": "2"}
    second = play(Counter, alt="x")
    assert first.comm is None and first.thing is None and second.comm is not None
    second.close()


def test_play_refuses_what_it_cannot_show():
    with pytest.raises(TypeError, match="Slider"):
        play(Counter, alt="x", start=3)
    with pytest.raises(ValueError, match="alt"):
        play(Counter, alt=" ")
