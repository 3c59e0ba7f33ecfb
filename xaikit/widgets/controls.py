"""The controls of an interactive figure, as data: each knows its values and makes its ipywidget."""
from dataclasses import dataclass

import ipywidgets
import numpy as np

_LABEL = {"description_width": "72px"}


@dataclass(frozen=True)
class Slider:
    """A number from ``low`` to ``high``: whole if both ends are; ``log`` spaces its positions geometrically."""

    low: float
    high: float
    default: float
    step: float | None = None
    label: str = ""
    log: bool = False

    def __post_init__(self):
        if not self.low <= self.default <= self.high or self.low == self.high:
            raise ValueError(f"a slider needs low < high and the default between: {self}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic slider starts above 0, not at {self.low}")

    @property
    def whole(self):
        return all(isinstance(v, int) for v in (self.low, self.high, self.default)) and (
            self.step is None or isinstance(self.step, int))

    def positions(self):
        """The values that a logarithmic slider stops at."""
        stops = np.geomspace(self.low, self.high, 48)
        if self.whole:
            return sorted({int(round(s)) for s in stops} | {self.low, self.default, self.high})
        return sorted({float(f"{s:.3g}") for s in stops[1:-1]} | {self.low, self.default, self.high})

    def values(self):
        """Least, middle and largest value: what a test sets."""
        if self.log:
            stops = self.positions()
            return [stops[0], stops[len(stops) // 2], stops[-1]]
        middle = (self.low + self.high) / 2
        return [self.low, int(middle) if self.whole else middle, self.high]

    def nearest(self, value):
        if not self.low <= value <= self.high:
            raise ValueError(f"{self.label or 'slider'}: {value} is outside [{self.low}, {self.high}]")
        return min(self.positions(), key=lambda s: abs(s - value)) if self.log else value

    def widget(self, name):
        common = dict(description=self.label or name, continuous_update=True, style=_LABEL,
                      layout={"width": "340px"})
        if self.log:
            return ipywidgets.SelectionSlider(options=self.positions(), value=self.default, **common)
        if self.whole:
            return ipywidgets.IntSlider(self.default, self.low, self.high, self.step or 1, **common)
        step = self.step or (self.high - self.low) / 100
        return ipywidgets.FloatSlider(self.default, min=self.low, max=self.high, step=step, **common)


@dataclass(frozen=True)
class Toggle:
    """One of several named options: buttons for a few, a list for many (Tab and Enter for the buttons, arrow keys for the list)."""

    options: tuple
    default: object = None
    label: str = ""

    def __post_init__(self):
        options = tuple(self.options.items()) if isinstance(self.options, dict) else tuple(self.options)
        object.__setattr__(self, "options", options)
        if not options:
            raise ValueError("a toggle needs at least one option")
        default = self.values()[0] if self.default is None else self.default
        object.__setattr__(self, "default", self.nearest(default))

    def values(self):
        return [o[1] if isinstance(o, tuple) else o for o in self.options]

    def nearest(self, value):
        if value not in self.values():
            raise ValueError(f"{self.label or 'toggle'}: {value!r} is not one of {self.values()}")
        return value

    def widget(self, name):
        common = dict(options=self.options, value=self.default, description=self.label or name, style=_LABEL)
        if len(self.options) > 6:
            return ipywidgets.Dropdown(layout={"width": "340px"}, **common)
        common["style"] = {**_LABEL, "button_width": "auto"}
        return ipywidgets.ToggleButtons(layout={"width": "auto", "display": "flex", "flex_flow": "row",
                                                "align_items": "baseline"}, **common)


@dataclass(frozen=True)
class Check:
    """Yes or no."""

    default: bool = False
    label: str = ""

    def values(self):
        return [False, True]

    def nearest(self, value):
        return bool(value)

    def widget(self, name):
        return ipywidgets.Checkbox(self.default, description=self.label or name, indent=False)


Control = Slider | Toggle | Check
