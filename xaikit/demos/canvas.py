"""A drawing board for pictures that must follow a slider: a matplotlib figure takes 90 ms, this takes ten.

Places and sizes are in page pixels from the top left; the picture has ``SCALE`` pixels for each, so that it is sharp on
fine screens.  Colours and fonts are those of :mod:`xaikit.plot`.
"""
import copy
import functools
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from .. import plot

SCALE = 2
_FINER = 2  # lines are drawn on a finer board still and averaged: no stairs


@functools.cache
def _font(size, bold):
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / f"DejaVuSans{'-Bold' * bold}.ttf"), round(size * SCALE))


@functools.lru_cache(2048)
def _stamp(text, size, bold, anchor):
    """A line of text as a mask, and where its corner lies from the anchor: most words stay from picture to picture."""
    font = _font(size, bold)
    left, top, right, bottom = font.getbbox(text, anchor=anchor)
    mask = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
    ImageDraw.Draw(mask).text((-left, -top), text, 255, font, anchor)
    return mask, left, top


class Canvas:
    """A white board of ``width`` × ``height`` page pixels; ``jpeg()`` gives the picture."""

    def __init__(self, width, height):
        self.width, self.height = width, height
        self.image = Image.new("RGB", (width * SCALE, height * SCALE), "white")
        self.draw = ImageDraw.Draw(self.image)

    def copy(self):
        """Another board with the same on it: what does not move need only be drawn once."""
        other = copy.copy(self)
        other.image = self.image.copy()
        other.draw = ImageDraw.Draw(other.image)
        return other

    def text(self, x, y, text, size=12, color=plot.INK, bold=False, anchor="la"):
        """Write at (x, y); ``anchor``: horizontal l, m, r and vertical a (top), m, s (base line)."""
        text = str(text).replace("-", "−") if _is_number(text) else str(text)
        mask, left, top = _stamp(text, size, bold, anchor)
        self.image.paste(ImageColor.getrgb(color), (round(x * SCALE) + left, round(y * SCALE) + top), mask)

    def measure(self, text, size=12, bold=False):
        """The width of a line of text in page pixels."""
        return _font(size, bold).getlength(str(text)) / SCALE

    def rectangle(self, x, y, width, height, fill=None, outline=None):
        x1, y1 = max(x, x + width), max(y, y + height)
        x0, y0 = min(x, x + width), min(y, y + height)
        self.draw.rectangle([round(v * SCALE) for v in (x0, y0, x1, y1)], fill, outline)

    def line(self, points, color=plot.INK, width=1.0):
        """A straight horizontal or vertical line; slanted ones belong into a :class:`Chart`."""
        self.draw.line([(x * SCALE, y * SCALE) for x, y in points], color, max(1, round(width * SCALE)))

    def picture(self, rgb, x, y, width, height=None, smooth=False):
        """Place an (H,W,3) uint8 picture, by default with hard pixel edges, and a thin frame."""
        height = height or width * rgb.shape[0] / rgb.shape[1]
        small = Image.fromarray(np.ascontiguousarray(rgb))
        how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
        self.image.paste(small.resize((round(width * SCALE), round(height * SCALE)), how),
                         (round(x * SCALE), round(y * SCALE)))
        self.rectangle(x, y, width, height, outline=plot.RULE)

    def scale(self, limit, x, y, height, width=12, label="credit"):
        """The colour bar of a signed map, from −limit (blue) to +limit (red)."""
        ramp = plot.signed_rgb(np.linspace(1, -1, 128)[:, None], 1.0)
        self.picture(ramp, x, y, width, height, smooth=True)
        for value, at in ((limit, y), (0, y + height / 2), (-limit, y + height)):
            self.line([(x + width, at), (x + width + 3, at)], plot.MUTED, 0.5)
            self.text(x + width + 6, at, number(value, signed=True), 10, plot.MUTED, anchor="lm")
        self.text(x + width / 2, y + height + 10, label, 10, plot.MUTED, anchor="ma")

    def bars(self, x, y, width, rows, limit, zero=0.5, row_height=24, size=11, digits=3):
        """Signed bars around one zero line: ``rows`` of (name, value); names stand left of ``x``."""
        origin, reach = x + width * zero, width * max(zero, 1 - zero)
        for i, (name, value) in enumerate(rows):
            top = y + i * row_height
            whole = value / limit
            length = float(np.clip(whole, -zero / max(zero, 1 - zero), (1 - zero) / max(zero, 1 - zero)))
            if value:
                self.rectangle(origin, top + 4, length * reach, row_height - 8,
                               plot.FOR if value > 0 else plot.AGAINST)
            if abs(whole) > abs(length) + 1e-6:  # longer than there is room for: a broken bar
                self.rectangle(origin + 0.9 * length * reach, top + 3, 4, row_height - 6, "white")
            self.text(x - 8, top + row_height / 2, name, size, plot.INK, anchor="rm")
            side = 1 if value >= 0 else -1
            self.text(origin + length * reach + 5 * side, top + row_height / 2, number(value, True, digits),
                      size - 0.5, plot.INK, anchor="lm" if side > 0 else "rm")
        self.line([(origin, y - 2), (origin, y + len(rows) * row_height + 2)], plot.MUTED, 0.5)

    def jpeg(self):
        return plot.jpeg(self.image, quality=82)


class Chart:
    """Axes on a canvas: the box (x, y, width, height) shows ``xlim`` × ``ylim``; log scales by ``log`` in "", "y", "xy"."""

    def __init__(self, canvas, box, xlim, ylim, xlabel="", ylabel="", xticks=(), yticks=(), log="", title=""):
        self.canvas, self.box, self.log = canvas, box, log
        self.xlim, self.ylim = [self._axis(v, "x") for v in xlim], [self._axis(v, "y") for v in ylim]
        x, y, width, height = box
        for value in yticks:
            at = self.at(xlim[0], value)[1]
            canvas.line([(x, at), (x + width, at)], plot.RULE, 0.5)
            canvas.text(x - 6, at, _tick(value, "y" in log), 10, plot.MUTED, anchor="rm")
        for value in xticks:
            at = self.at(value, ylim[0])[0]
            canvas.line([(at, y + height), (at, y + height + 4)], plot.MUTED, 0.5)
            canvas.text(at, y + height + 7, _tick(value, False), 10, plot.MUTED, anchor="ma")
        canvas.line([(x, y), (x, y + height), (x + width, y + height)], plot.MUTED, 0.5)
        canvas.text(x + width / 2, y + height + 24, xlabel, 11, anchor="ma")
        canvas.text(x - 34 if ylabel else x, y - 10, ylabel, 11, anchor="ls")
        canvas.text(x + width / 2, y - 28, title, 12, bold=True, anchor="ms")

    def _axis(self, value, name):
        return np.log10(value) if name in self.log else np.asarray(value, float)

    def at(self, xs, ys):
        """The page pixels of a point or of arrays of points."""
        x, y, width, height = self.box
        u = (self._axis(xs, "x") - self.xlim[0]) / (self.xlim[1] - self.xlim[0])
        v = (self._axis(ys, "y") - self.ylim[0]) / (self.ylim[1] - self.ylim[0])
        return x + u * width, y + (1 - v) * height

    def lines(self, *curves):
        """Draw smooth curves, each (xs, ys, colour, width) or with a dash length as fifth, clipped to the box."""
        x, y, width, height = self.box
        k = SCALE * _FINER
        board = Image.new("RGB", (round(width * k), round(height * k)), "white")
        board.paste(self.canvas.image.crop([round(v * SCALE) for v in (x, y, x + width, y + height)])
                    .resize(board.size, Image.Resampling.NEAREST))
        draw = ImageDraw.Draw(board)
        for xs, ys, color, thick, *dash in curves:
            px, py = self.at(np.asarray(xs, float), np.asarray(ys, float))
            points = np.stack([(px - x) * k, (py - y) * k], 1)
            points = _thinned(points, 4 * k)
            for piece in _dashes(points, dash[0] * k) if dash else [points]:
                draw.line([tuple(p) for p in piece], color, max(1, round(thick * k)), joint="curve")
        self.canvas.image.paste(board.reduce(_FINER), (round(x * SCALE), round(y * SCALE)))

    def dot(self, x, y, color=plot.INK, radius=5, ring="white"):
        """A round mark at a point."""
        px, py = self.at(x, y)
        k, r = SCALE * 4, radius + 1.5
        mask = Image.new("L", (round(2 * r * k), round(2 * r * k)))
        for grow, shade in ((r, ring), (radius, color)):
            mask.paste(0, (0, 0, *mask.size))
            ImageDraw.Draw(mask).ellipse([(r - grow) * k, (r - grow) * k, (r + grow) * k, (r + grow) * k], fill=255)
            small = mask.reduce(4)
            self.canvas.image.paste(ImageColor.getrgb(shade), (round((px - r) * SCALE), round((py - r) * SCALE)), small)

    def text(self, x, y, text, dx=0, dy=0, **options):
        """Write at a point of the chart, moved by (dx, dy) page pixels."""
        px, py = self.at(x, y)
        self.canvas.text(px + dx, py + dy, text, **options)


def number(value, signed=False, digits=3):
    """A number for reading: a true minus sign, no exponent notation in code, "0" for zero."""
    value = float(value)
    if value == 0 or abs(value) < 5e-13:
        return "0"
    text = f"{value:{'+' if signed else ''}.{digits}g}"
    if "e" in text:
        mantissa, power = text.split("e")
        text = f"{mantissa} · 10{_superscript(int(power))}"
    return text.replace("-", "−")


def _tick(value, power):
    if power and value > 0 and float(np.log10(value)).is_integer():
        return f"10{_superscript(int(np.log10(value)))}"
    return number(value)


def _superscript(whole):
    return str(whole).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _is_number(text):
    return isinstance(text, (int, float))


def _thinned(points, distance):
    """Leave out points closer than ``distance`` to the last one kept: whole-pixel drawing makes them wobble."""
    kept = [points[0]]
    for point in points[1:-1]:
        if np.hypot(*(point - kept[-1])) >= distance:
            kept.append(point)
    return np.array([*kept, points[-1]])


def _dashes(points, length):
    """Cut a polyline (n, 2) into every second piece of ``length``."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0], np.cumsum(steps)])
    pieces = []
    for start in np.arange(0, along[-1], 2 * length):
        stop = min(start + length, along[-1])
        inside = (along > start) & (along < stop)
        at = np.concatenate([[start], along[inside], [stop]])
        pieces.append(np.stack([np.interp(at, along, points[:, i]) for i in (0, 1)], 1))
    return pieces
