"""A picture to paint on: strokes of the pointer, or of the keyboard, go to the kernel, and the picture follows them.

``paint(compute, alt, box, …)`` is `explore` with a transparent canvas over its picture.  The canvas is plain HTML: its
handlers write the last strokes, whole, into a hidden text field of ipywidgets, which brings them to the kernel as it
brings any text.  So nothing is loaded from elsewhere, and what is lost between two messages comes with the next one.
Redraws are the explorer's: between cells, one at a time, the newest strokes win.
"""
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import ipywidgets

from . import Control, Explorer, Slider, _remember

__all__ = ["Painter", "Stroke", "paint"]
MOST = 4000  # points of a stroke that are kept

_CANVAS = """<canvas class="xaikit-canvas" width="{width}" height="{height}" tabindex="0" data-lm-suppress-shortcuts="true"
 role="application" aria-label="{label}"
 style="position:absolute;inset:0;width:100%;height:100%;cursor:crosshair;touch-action:none;z-index:2"
 onpointerdown="this.setPointerCapture(event.pointerId); this.begin(); this.onpointermove(event)"
 onpointermove="if (!this.dots) return; const b = this.getBoundingClientRect();
  this.mark((event.clientX - b.left) / b.width, (event.clientY - b.top) / b.height)"
 onpointerup="this.dots = null" onpointercancel="this.dots = null"
 onkeydown="const by = {{ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}}[event.key];
  if (by) {{ this.at = [0, 1].map(i => Math.min(1, Math.max(0, this.at[i] + by[i] * {step}[i]))); this.cross() }}
  else if (event.key === ' ') {{ this.begin(); this.mark(...this.at); this.dots = null; this.cross() }}
  else return; event.preventDefault(); event.stopPropagation()"></canvas><img alt="" src="data:," style="display:none"
 onerror="const c = this.previousElementSibling, pen = c.getContext('2d'); c.strokes = []; c.at = {middle};
  const clear = () => pen.clearRect(0, 0, c.width, c.height);
  const shown = c.closest('.xaikit-easel').querySelector('img.widget-image'); shown.addEventListener('load', clear);
  c.begin = () => {{ c.dots = []; c.strokes = [...c.strokes, [c.stroke = Math.max(Date.now(), (c.stroke || 0) + 1), c.dots]].slice(-6) }};
  c.cross = () => {{ clear(); const x = c.at[0] * c.width, y = c.at[1] * c.height; pen.strokeStyle = 'black'; pen.beginPath();
   pen.moveTo(x - 9, y); pen.lineTo(x + 9, y); pen.moveTo(x, y - 9); pen.lineTo(x, y + 9); pen.stroke() }};
  c.mark = (x, y) => {{ const d = c.dots, w = c.width, h = c.height; if (d.length >= {most}) return;
   d.push(x.toFixed(4) + ',' + y.toFixed(4)); pen.fillStyle = 'rgba(255, 255, 255, .7)';
   pen.beginPath(); pen.arc(x * w, y * h, 3, 0, 7); pen.fill();
   c.due = c.due || requestAnimationFrame(() => {{ c.due = 0; const text = document.querySelector('.{ink} input');
    text.value = c.strokes.map(s => s[0] + '|' + s[1].join(' ')).join(';');
    text.dispatchEvent(new Event('input', {{bubbles: true}})) }}) }}">"""


@dataclass(frozen=True)
class Stroke:
    """``points``: ((x, y), …) in fractions of the painted picture, from its top left; ``values``: the controls' when it
    began."""

    points: tuple
    values: Mapping = field(default_factory=dict)


class Painter(Explorer):
    """What :func:`paint` returns: an :class:`Explorer` with ``.strokes``, ``.stroke(…)``, ``.undo()``, ``.renew()``."""

    def __init__(self, compute, alt, controls, box, width, height, sample=None):
        self.strokes, self._ids, self._gone = [], [], -1
        self.box, self._sample = box, sample
        super().__init__(lambda **values: compute(tuple(self.strokes), **values), alt, controls, width)
        ink = f"xaikit-ink-{self.image.model_id}"
        self._ink = ipywidgets.Text(layout={"display": "none"})
        self._ink.add_class(ink)
        self._ink.observe(self._inked, "value")
        left, top, side, tall = box
        canvas = ipywidgets.HTML(_CANVAS.format(
            width=width, height=height, ink=ink, most=MOST, step=[side / 64, tall / 64],
            middle=[left + side / 2, top + tall / 2],
            label="the picture: paint with the pointer, or move with the arrow keys and paint with the space bar"),
            layout={"grid_area": "1 / 1", "margin": "0", "height": "auto"})
        self.image.layout.grid_area = "1 / 1"
        easel = ipywidgets.GridBox([self.image, canvas], layout={"width": f"{width}px", "max_width": "100%"})
        easel.add_class("xaikit-easel")
        style = ipywidgets.HTML("<style>.xaikit-easel > * { position: relative } "
                                ".xaikit-easel .widget-html-content { position: static }</style>",
                                layout={"display": "none"})
        self.buttons = {name: ipywidgets.Button(description=name, layout={"width": "110px"})
                        for name in ("undo", "clear", *(["new sample"] if sample else []))}
        for name, act in (("undo", self.undo), ("clear", self.clear), ("new sample", self.renew)):
            if name in self.buttons:
                self.buttons[name].on_click(lambda _, act=act: act())
        rows, status, image, spoken = self.children
        self.children = [rows, ipywidgets.HBox([*self.buttons.values(), status]), style, easel, self._ink, spoken]

    def stroke(self, *points, **values):
        """Paint a stroke through points (x, y), fractions of the picture, with the controls' values; draw at once.

        ValueError for no point, one that is not in [0, 1]², or values that a control cannot take.
        """
        if not points or not all(len(p) == 2 and 0 <= p[0] <= 1 and 0 <= p[1] <= 1 for p in points):
            raise ValueError(f"a stroke is one point or more, (x, y) in [0, 1], not {points!r:.80}")
        if values:
            self.set(**values)
        self._ids.append(None)
        self.strokes.append(Stroke(tuple((float(x), float(y)) for x, y in points), self.values))
        self._draw()

    def undo(self):
        """Take the last stroke away."""
        if self.strokes:
            self._gone = max(self._gone, *(i or -1 for i in self._ids[-1:]))
            self.strokes.pop(), self._ids.pop()
            self._moved(None)

    def clear(self):
        """Take every stroke away."""
        self._forget()
        self._moved(None)

    def renew(self):
        """Take every stroke away and go on to the next sample."""
        self._forget()
        widget, values = self.controls[self._sample], self._specs[self._sample]
        widget.value = widget.value + 1 if widget.value < values.high else values.low

    def _forget(self):
        self._gone = max([self._gone, *(i for i in self._ids if i)])
        self.strokes, self._ids = [], []

    def _inked(self, change):
        """Strokes have come from the page: new ones, or old ones that have grown."""
        before = list(self.strokes)
        for number, points in _read(change["new"], self.box):
            if number in self._ids:
                at = self._ids.index(number)
                self.strokes[at] = Stroke(points, self.strokes[at].values)
            elif number > self._gone and points:
                self._ids.append(number)
                self.strokes.append(Stroke(points, self.values))
        if self.strokes != before:
            self._moved(None)


def _read(text, box):
    """(number, points) of each stroke that the page has written; what is no number is left out, as is what lies
    outside the box (left, top, width, height: fractions of the whole picture)."""
    for part in text.split(";"):
        number, _, dots = part.partition("|")
        points = []
        for dot in dots.split()[:MOST]:
            try:
                x, y = (float(v) for v in dot.split(","))
            except ValueError:
                continue
            x, y = (x - box[0]) / box[2], (y - box[1]) / box[3]
            if math.isfinite(x + y) and 0 <= x <= 1 and 0 <= y <= 1 and points[-1:] != [(x, y)]:
                points.append((x, y))
        if number.isdecimal():
            yield int(number), tuple(points)


def paint(compute, alt, box, width, height, renews=None, **controls):
    """Show ``compute(strokes, **values)``, a picture of ``width`` × ``height`` page pixels, and paint on a part of it.

    compute   as for `explore`, with a tuple of :class:`Stroke` first
    alt       what the picture shows, for those who cannot see it
    box       the part that is painted on, (left, top, width, height) in page pixels
    renews    the name of a :class:`Slider` that "new sample" moves on
    controls  :class:`Slider`, :class:`Toggle` or :class:`Check` by parameter name

    Returns the :class:`Painter`.  With the keyboard: Tab to the picture, arrow keys, space bar.
    """
    for name, control in controls.items():
        if not isinstance(control, Control):
            raise TypeError(f"{name} is a {type(control).__name__}; a control is a Slider, a Toggle or a Check")
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("alt is empty: say in words what the picture shows")
    if renews is not None and not isinstance(controls.get(renews), Slider):
        raise ValueError(f"renews is the name of a slider, not {renews!r}")
    left, top, side, tall = box
    if not (0 <= left < left + side <= width and 0 <= top < top + tall <= height):
        raise ValueError(f"the box {box} is not inside the picture of {width} × {height}")
    part = (left / width, top / height, side / width, tall / height)
    painter = Painter(compute, alt, controls, part, width, height, renews)
    _remember(painter)
    return painter
