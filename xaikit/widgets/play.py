"""A player: play, pause, step and reset around something that moves on by itself, drawn as it goes.

``play(make, alt="…", rate=Slider(…))`` builds ``make(rate=…)``, an object with ``step(n)``, which moves it on by n
steps, and ``picture()``, what :func:`xaikit.widgets.explore` may show.  While it plays, a timer on the kernel's main loop
takes ``speed`` steps, draws once, and waits: messages are read between two pictures, so that pause means pause, and a
cell that runs is never disturbed.  Changing a control builds the object anew, from its start, in the same state of play.
"""
import base64
import html
import io
import time

import ipywidgets
from IPython import get_ipython
from PIL import Image

from . import Control, Slider, _frontend_loop, _remember, close, to_jpeg

__all__ = ["Player", "play"]
GAP = 0.008  # seconds between two pictures, at least: in them the kernel reads what the page sent
LONGEST = 600.0  # seconds that it plays for one press of the button: a page that was closed tells nobody
SAYS = 0.25  # seconds between two updates of the line that says how fast it goes


class Player(ipywidgets.VBox):
    """What :func:`play` returns: ``.play()``, ``.pause()``, ``.step(n)``, ``.reset()``, ``.set(…)``, ``.close()``.

    ``.thing`` is what plays, ``.playing`` whether it does; ``.drawn`` counts pictures, ``.steps`` the steps since the
    start, ``.seconds`` is what the last picture and the steps before it took.
    """

    def __init__(self, make, alt, controls, speed, rate=25, width=None, preview=0):
        self._make, self._specs, self.alt, self._preview, self._pause = make, dict(controls), alt, preview, 1 / rate
        self.drawn = self.steps = 0
        self.seconds, self.playing, self.thing = 0.0, False, None
        self._quiet = self._waiting = False
        self._loop = self._timer = None
        self._begun = 0.0
        self._since = (0.0, 0)  # when the line of the speed was written last, and how many pictures there were then
        self.controls = {name: spec.widget(name) for name, spec in self._specs.items()}
        self.speed = speed.widget("speed")
        self.buttons = {name: ipywidgets.Button(description=text, layout={"width": "98px"}) for name, text in (
            ("play", "▶ play"), ("step", "step"), ("reset", "reset"))}
        self.status = ipywidgets.HTML(layout={"min_height": "1.6em", "margin": "0 0 0 8px"})
        value = self._restart()
        width = width or Image.open(io.BytesIO(value)).width
        self.image = ipywidgets.Image(value=value, format="jpeg",
                                      layout={"width": f"{width}px", "max_width": "100%", "height": "auto"})
        spoken = ipywidgets.HTML(f'<span role="note">{html.escape(alt)}</span>',
                                 layout={"width": "1px", "height": "1px", "margin": "0", "overflow": "hidden"})
        row = {"flex_flow": "row wrap", "width": f"max({width}px, 360px)", "max_width": "100%"}
        super().__init__([ipywidgets.Box(list(self.controls.values()), layout=row),
                          ipywidgets.Box([*self.buttons.values(), self.speed, self.status], layout=row), self.image, spoken])
        for widget in self.controls.values():
            widget.observe(self._moved, "value")
        self.buttons["play"].on_click(lambda _: self._ask(self.pause if self.playing else self.play))
        self.buttons["step"].on_click(lambda _: self._ask(self._single))
        self.buttons["reset"].on_click(lambda _: self._ask(self.reset))

    @property
    def values(self):
        """The controls' values now, by name."""
        return {name: widget.value for name, widget in self.controls.items()}

    def set(self, **values):
        """Set controls, all at once, and start anew; ValueError for an unknown control or a value that it cannot take."""
        for name in values:
            if name not in self._specs:
                raise ValueError(f"no control {name!r}; there are {', '.join(self._specs)}")
        values = {name: self._specs[name].nearest(value) for name, value in values.items()}
        self._quiet = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._quiet = False
        self.reset()

    def play(self):
        """Let it run: ``speed`` steps for each picture, ``rate`` pictures a second or as many as there is time for.

        RuntimeError where no event loop runs (a plain script): there, ``step(n)``.
        """
        if self.playing:
            return
        self._loop = self._loop or _main_loop()
        self.playing, self._begun = True, time.perf_counter()
        self._since = (self._begun, self.drawn)
        self.buttons["play"].description = "❚❚ pause"
        self._loop.add_callback(self._start)

    def pause(self):
        """Stop where it is: no step and no picture after this."""
        self.playing = False
        self.buttons["play"].description = "▶ play"
        if self._timer is not None:
            self._loop.remove_timeout(self._timer)
            self._timer = None

    def step(self, n=1):
        """Move on by ``n`` steps and draw."""
        start = time.perf_counter()
        self._guarded(self._forward, n)
        self.seconds = time.perf_counter() - start

    def reset(self):
        """Build it anew from the controls' values, and draw it as it is before the first step."""
        self._say("")
        self._since = (time.perf_counter(), self.drawn)
        self._guarded(self._restart)

    def close(self):
        """Stop, and close the controls, the picture and the box: nothing of it stays in the kernel or the page."""
        self.pause()
        self.thing = None
        close(self)

    def _repr_mimebundle_(self, **kwargs):
        """The live view, and for a page that runs no code the picture after ``preview`` steps, with its alt text."""
        data = super()._repr_mimebundle_(**kwargs) or {}
        still = self.image.value
        if self._preview and not self.steps:
            thing = self._make(**self.values)
            thing.step(self._preview)
            still = to_jpeg(thing.picture())
        data["text/plain"] = self.alt
        data["image/jpeg"] = base64.b64encode(still).decode()
        return data, {"image/jpeg": {"alt": self.alt}}

    def _ask(self, action):
        """Do what a button says, on the main loop if the page pressed it."""
        loop = _frontend_loop()
        self._loop = loop or self._loop
        loop.add_callback(self._shown, action) if loop else action()

    def _shown(self, action):
        """On the main loop: an error is shown under the cell, in addition to the line above the picture."""
        if self.image.comm is None:
            return
        try:
            action()
        except Exception:
            get_ipython().showtraceback()

    def _single(self):
        self.pause()
        self.step(self.speed.value)

    def _moved(self, change):
        if self._quiet or self._waiting:
            return
        self._waiting = _frontend_loop() is not None  # of many moves before the loop is free, the newest is built
        self._ask(self._renew)

    def _renew(self):
        self._waiting = False
        self.reset()

    def _start(self):
        if self._timer is None:
            self._tick()

    def _tick(self):
        """On the main loop: a picture, then the timer for the next one."""
        self._timer = None
        if not self.playing:
            return
        start = time.perf_counter()
        self._shown(lambda: self.step(self.speed.value))
        if self.playing:
            if getattr(self.thing, "finished", False):
                self.pause()
                return
            now = time.perf_counter()
            if now - self._begun > LONGEST:
                self.pause()
                self._say(f"paused after {LONGEST / 60:.0f} minutes: press play to go on")
                return
            if now - self._since[0] > SAYS:
                self._say(f"{(self.drawn - self._since[1]) / (now - self._since[0]):.0f} pictures a second")
                self._since = (now, self.drawn)
            self._timer = self._loop.call_later(max(self._pause - (now - start), GAP), self._tick)

    def _restart(self):
        self.thing, self.steps = self._make(**self.values), 0
        return self._draw()

    def _forward(self, n):
        if n > 0 and not getattr(self.thing, "finished", False):
            self.thing.step(n)
            self.steps += n
        return self._draw()

    def _draw(self):
        value = to_jpeg(self.thing.picture())
        self.drawn += 1
        return value

    def _guarded(self, act, *args):
        """The picture that ``act`` gives; an error stops the play, is said above the picture, and raised."""
        try:
            value = act(*args)
        except Exception as error:
            self.pause()
            self._say(f"{type(error).__name__}: {error}", "#b2182b")
            raise
        self.image.value = value

    def _say(self, text, colour="#666"):
        said = f'<span role="status" style="color:{colour}">{html.escape(text)}</span>' if text else ""
        if self.status.value != said:
            self.status.value = said


def play(make, alt, speed=None, rate=25, width=None, preview=0, **controls):
    """Show ``make(**values)`` with play, pause, step, reset, a slider of the speed, and its controls.

    make      returns an object with ``step(n)`` and ``picture()``; once its ``finished`` (if it has one) is true it stops
    alt       what the picture shows, for those who cannot see it
    speed     a :class:`Slider` of the steps before each picture (by default 1 to 20, first 5)
    rate      pictures a second, at most
    width     of the picture on the page, in pixels; by default the first picture's own
    preview   on a page that runs no code the picture after so many steps is shown
    controls  :class:`Slider`, :class:`Toggle` or :class:`Check` by parameter name of ``make``

    (so no control is called speed, rate, width or preview.)

    Returns the :class:`Player`, not yet playing; running a cell again closes the players it showed before.
    """
    for name, control in controls.items():
        if not isinstance(control, Control):
            raise TypeError(f"{name} is a {type(control).__name__}; a control is a Slider, a Toggle or a Check")
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("alt is empty: say in words what the picture shows")
    player = Player(make, alt, controls, speed or Slider(1, 20, 5, label="speed"), rate, width, preview)
    _remember(player)
    return player


def _main_loop():
    """The kernel's main loop; outside a kernel the one that runs here."""
    import asyncio

    from tornado.ioloop import IOLoop

    loop = getattr(getattr(get_ipython(), "kernel", None), "io_loop", None)
    if loop is None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError("nothing can play here, no event loop runs: use step(n)") from None
        loop = IOLoop.current()
    return loop
