"""Paper against here: what the sources claim, and what our own networks and data say to it.

Each row is a function that measures; no number of ours is written down anywhere.  A lecture adds its rows
with ``claim``.
"""

import functools
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

COLUMNS = ["lecture", "source", "claim", "paper", "here", "holds"]


@dataclass(frozen=True)
class Claim:
    """``measure()`` returns (what we found, as text; whether the claim holds: a bool, or None where it cannot be tested here)."""

    lecture: str
    source: str
    claim: str
    paper: str
    measure: Callable


_CLAIMS: list[Claim] = []


def claim(lecture, source, claim, paper):
    """Decorator that registers a measuring function as a row."""

    def register(measure):
        _CLAIMS.append(Claim(lecture, source, claim, paper, measure))
        return measure

    return register


@functools.cache
def _load():
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")


def registered(lecture=None):
    """The claims of one lecture ("04") or of all, not yet measured; ValueError for a lecture without any."""
    _load()
    found = [c for c in _CLAIMS if lecture is None or c.lecture == lecture]
    if not found:
        known = ", ".join(sorted({c.lecture for c in _CLAIMS}))
        raise ValueError(f"no claims of lecture {lecture!r}; there are claims of {known}")
    return found


def table(lecture=None):
    """DataFrame[lecture, source, claim, paper, here, holds], measured now; of one lecture ("04") or of all.

    ValueError for a lecture without rows.
    """
    import pandas as pd

    rows = [(c.lecture, c.source, c.claim, c.paper, *c.measure()) for c in registered(lecture)]
    return pd.DataFrame(rows, columns=COLUMNS)


def styled(rows):
    """Such a table as HTML for a notebook, the last column in words and colour."""
    from .. import plot

    words = {True: "✓ holds", False: "✗ does not", None: "– not decided here"}
    colours = {"✓": plot.AGAINST, "✗": plot.FOR, "–": plot.MUTED}
    shown = rows.assign(holds=[words[holds] for holds in rows["holds"]])
    look = {"text-align": "left", "vertical-align": "top", "white-space": "normal", "max-width": "22em"}
    html = plot.Html(
        shown.style.set_uuid("claims")
        .hide(axis="index")
        .set_properties(**look)
        .map(lambda word: f"font-weight: 600; color: {colours[word[0]]}", subset=["holds"])
        .to_html()
    )
    html.plain = shown.to_string(index=False)
    return html
