"""One interactive figure: controls, one picture that is replaced and never stacked, newest request wins.

``explore(compute, alt="…", steps=Slider(1, 300, 32, log=True))`` shows sliders above a JPEG.  Where a front end
moves a control, the picture is computed on the kernel's main loop, between cells: a cell that runs is never
disturbed by a slider.  While one picture is being computed only the newest values are remembered, so a slow
``compute`` falls behind by one picture at most.  Code that sets a value gets the picture, or the error, at once.
"""
import base64
import html
import io
import threading
import time

import ipywidgets
from IPython import get_ipython
from PIL import Image

from ..plot import jpeg
from .controls import Check, Control, Slider, Toggle

__all__ = ["Check", "Control", "Explorer", "Slider", "Toggle", "close", "explore", "to_jpeg"]
BUSY_AFTER = 0.1  # seconds; what takes longer says that it is being computed
DRAIN = 0.01  # seconds in which moves that arrived during a computation are read before the next one starts
_shown: dict[str, tuple[str, list]] = {}  # cell -> (request that showed them, its explorers)


class Explorer(ipywidgets.VBox):
    """What :func:`explore` returns: ``.controls`` (name → ipywidget), ``.image``, ``.set(…)``, ``.close()``.

    ``.drawn`` counts the pictures computed, ``.seconds`` is what the last one took.
    """

    def __init__(self, compute, alt, controls, width=None):
        self._compute, self._specs, self.alt = compute, dict(controls), alt
        self.drawn, self.seconds = 0, 0.0
        self._quiet = self._waiting = False
        self._ended = 0.0
        self._lock = threading.Lock()
        self.controls = {name: spec.widget(name) for name, spec in self._specs.items()}
        self.status = ipywidgets.HTML(layout={"min_height": "1.6em", "margin": "0"})
        value = self._picture()
        width = width or Image.open(io.BytesIO(value)).width
        self.image = ipywidgets.Image(value=value, format="jpeg",
                                      layout={"width": f"{width}px", "max_width": "100%", "height": "auto"})
        # The Image widget has no alt text, and fails to show with a tooltip: a screen reader finds this line instead.
        spoken = ipywidgets.HTML(f'<span role="note">{html.escape(alt)}</span>',
                                 layout={"width": "1px", "height": "1px", "margin": "0", "overflow": "hidden"})
        rows = ipywidgets.VBox(list(self.controls.values()), layout={"width": f"max({width}px, 360px)",
                                                                     "max_width": "100%"})
        super().__init__([rows, self.status, self.image, spoken])
        for widget in self.controls.values():
            widget.observe(self._moved, "value")

    @property
    def values(self):
        """The controls' values now, by name."""
        return {name: widget.value for name, widget in self.controls.items()}

    def set(self, **values):
        """Set controls, all at once, and draw once; a logarithmic slider takes its nearest position.

        ValueError for an unknown control, a value out of range or no option; what ``compute`` raises.
        """
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
        self._draw()

    def close(self):
        """Close the controls, the picture and the box: nothing of it stays in the kernel or the page."""
        close(self)

    def _repr_mimebundle_(self, **kwargs):
        """The live view, and for a page that runs no code the picture as it stands, with its alt text."""
        data = super()._repr_mimebundle_(**kwargs) or {}
        data["text/plain"] = self.alt
        data["image/jpeg"] = base64.b64encode(self.image.value).decode()
        return data, {"image/jpeg": {"alt": self.alt}}

    def _moved(self, change):
        if self._quiet:
            return
        loop = _frontend_loop()
        if loop is None:
            self._draw()
            return
        with self._lock:
            if self._waiting:
                return
            self._waiting = True
        loop.add_callback(self._turn, loop)

    def _turn(self, loop, drained=False):
        """On the main loop: draw the newest values, after reading what came in while the last was drawn."""
        if not drained and time.perf_counter() - self._ended < DRAIN:
            loop.call_later(DRAIN, self._turn, loop, True)
            return
        with self._lock:
            self._waiting = False
        if self.image.comm is None:
            return
        try:
            self._draw()
        except Exception:
            get_ipython().showtraceback()

    def _draw(self):
        busy = threading.Timer(BUSY_AFTER, self._say, ["computing …", "#666"])
        busy.daemon = True
        busy.start()
        try:
            value = self._picture()
        except Exception as error:
            self._finish(busy, f"{type(error).__name__}: {error}", "#b2182b")
            raise
        self._finish(busy, "", "")
        self.image.value = value

    def _finish(self, busy, text, colour):
        busy.cancel()
        busy.join()
        self._say(text, colour)
        self._ended = time.perf_counter()

    def _say(self, text, colour):
        said = f'<span role="status" style="color:{colour}">{html.escape(text)}</span>' if text else ""
        if self.status.value != said:
            self.status.value = said

    def _picture(self):
        start = time.perf_counter()
        value = to_jpeg(self._compute(**self.values))
        self.drawn, self.seconds = self.drawn + 1, time.perf_counter() - start
        return value


def explore(compute, alt, width=None, **controls):
    """Show ``compute(**values)`` as a picture that follows its controls.

    compute   returns JPEG bytes, an image (H,W) or (H,W,3), uint8 or floats in [0,1], or a matplotlib Figure
    alt       what the picture shows, for those who cannot see it
    width     of the picture on the page, in pixels; by default the first picture's own
    controls  :class:`Slider`, :class:`Toggle` or :class:`Check` by parameter name

    Returns the :class:`Explorer`; running a cell again closes the explorers it showed before.
    """
    for name, control in controls.items():
        if not isinstance(control, Control):
            raise TypeError(f"{name} is a {type(control).__name__}; a control is a Slider, a Toggle or a Check")
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("alt is empty: say in words what the picture shows")
    explorer = Explorer(compute, alt, controls, width)
    _remember(explorer)
    return explorer


def close(widget):
    """Close a widget and all that it holds: its children, their layouts and their styles."""
    for child in getattr(widget, "children", ()):
        close(child)
    for part in (getattr(widget, "layout", None), getattr(widget, "style", None)):
        if part is not None:
            part.close()
    ipywidgets.Widget.close(widget)


def to_jpeg(picture):
    """What a ``compute`` may return, as JPEG bytes; a Figure is closed, so that it is not shown a second time."""
    if isinstance(picture, bytes):
        if not picture.startswith(b"\xff\xd8"):
            raise TypeError("compute returned bytes that are no JPEG; plot.jpeg makes them")
        return picture
    if hasattr(picture, "canvas"):
        import matplotlib.pyplot as plt
        data = jpeg(picture)
        plt.close(picture)
        return data
    if not hasattr(picture, "__array__"):
        raise TypeError(f"compute returned a {type(picture).__name__}: JPEG bytes, an image array or a Figure is "
                        "needed")
    return jpeg(picture)


def _request():
    """The message that the kernel is answering now, {} outside a kernel."""
    kernel = getattr(get_ipython(), "kernel", None)
    return (kernel.get_parent() or {}) if hasattr(kernel, "get_parent") else {}


def _frontend_loop():
    """The kernel's main loop if a front end moved the control; None if code did, or there is no such loop."""
    if _request().get("header", {}).get("msg_type") != "comm_msg":
        return None
    return getattr(get_ipython().kernel, "io_loop", None)


def _remember(explorer):
    """Close what an earlier run of this cell showed."""
    request = _request()
    if request.get("header", {}).get("msg_type") != "execute_request":
        return
    cell = request.get("metadata", {}).get("cellId") or request["content"].get("code", "")
    run = request["header"]["msg_id"]
    last, explorers = _shown.get(cell, (run, []))
    if last != run:
        for old in explorers:
            old.close()
        explorers = []
    _shown[cell] = (run, [*explorers, explorer])
