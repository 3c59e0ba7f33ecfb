"""What a student sees: a card as HTML without scripts (``<details>`` folds) and as plain text."""

import re
import textwrap
from dataclasses import dataclass
from html import escape as plain_escape

STATUS = {  # mark, word, colour behind white text (contrast above 5 : 1)
    "right": ("✓", "right", "#1a7f37"),
    "wrong": ("✗", "not right yet", "#b42318"),
    "empty": ("○", "not attempted", "#57606a"),
}
# colours of the page shine through: only the chip and the edge have one of their own
BOX = (
    "border:1px solid rgba(128,128,128,.45);border-left:6px solid {};border-radius:6px;padding:.6em .9em;"
    "margin:.4em 0;max-width:52em;font-family:system-ui,sans-serif;font-size:14px;line-height:1.45;"
    "color:inherit;overflow-wrap:anywhere"
)
CHIP = "background:{};color:#fff;border-radius:4px;padding:.1em .55em;font-weight:600;white-space:nowrap"
PRE = (
    "background:rgba(128,128,128,.13);color:inherit;border-radius:4px;padding:.5em .7em;margin:.3em 0;"
    "overflow:auto;max-height:22em;white-space:pre-wrap;font-family:ui-monospace,monospace;font-size:13px"
)
INLINE = "background:rgba(128,128,128,.13);color:inherit;border-radius:3px;padding:0 .25em"
CELL = "text-align:left;vertical-align:top;padding:.1em 1em .1em 0"
HEAD = f"{CELL};font-weight:600;font-size:13px;white-space:nowrap"
BARE = "background:transparent;color:inherit"
CODE = re.compile("`([^`]+)`")


def escape(text) -> str:
    """`text` for HTML."""
    return plain_escape(str(text))


def prose(text) -> str:
    """`text` for HTML, with what stands in backquotes set as code and lines kept."""
    return CODE.sub(rf'<code style="{INLINE}">\1</code>', escape(text)).replace("\n", "<br>")


def card_html(result) -> str:
    """The card of a `Result`. All text is escaped."""
    mark, word, colour = STATUS.get(result.status, STATUS["wrong"])
    parts = [
        f'<div role="status" style="{BOX.format(colour)}">',
        f'<div><span style="{CHIP.format(colour)}"><span aria-hidden="true">{mark}</span> {word}</span> '
        f"<strong>Exercise {escape(result.id)}</strong> {escape(result.title)} "
        f'<span style="white-space:nowrap">· {result.score:g} of {_points(result.max_score)}</span></div>',
        f'<div style="margin-top:.4em">{prose(result.message)}</div>',
    ]
    rows = [(k, v) for k, v in (("expected", result.expected), ("came", result.came)) if v]
    if rows:
        cells = "".join(
            f'<tr style="{BARE}"><th scope="row" style="{HEAD}">{k}</th><td style="{CELL}">'
            f'<code style="{BARE};white-space:pre-wrap">{escape(v)}</code></td></tr>'
            for k, v in rows
        )
        parts.append(f'<table style="border-collapse:collapse;margin:.4em 0;border:0;{BARE}">{cells}</table>')
    if result.hint:
        parts.append(f'<div style="margin-top:.4em"><strong>Likely:</strong> {prose(result.hint)}</div>')
    for number, hint in enumerate(result.opened, 1):
        parts.append(_fold(f"Hint {number} of {len(result.opened) + result.remaining}", prose(hint)))
    if result.solution:
        title = "A solution" if result.status != "right" else "The library's solution, to compare"
        parts.append(_fold(title, f'<pre style="{PRE}">{escape(result.solution)}</pre>'))
    elif result.status == "wrong":
        parts.append(f'<div style="margin-top:.4em;font-size:13px">{escape(_next(result))}</div>')
    if result.output:
        parts.append(_fold("Your function printed", f'<pre style="{PRE}">{escape(result.output)}</pre>'))
    return "".join(parts) + "</div>"


def card_text(result) -> str:
    """The card as plain text."""
    mark, word, _ = STATUS.get(result.status, STATUS["wrong"])
    lines = [
        f"{mark} {result.id} {result.title}: {word}, {result.score:g} of {_points(result.max_score)}",
        _wrap(result.message),
    ]
    lines += [_wrap(f"{k}: {v}") for k, v in (("expected", result.expected), ("came", result.came)) if v]
    lines += [_wrap(f"likely: {result.hint}")] if result.hint else []
    if result.opened:
        lines.append(_wrap(f"hints open by now: {len(result.opened)}; to read the last: from xaikit.exercises import get; "
                           f'get("{result.id}").hints[{len(result.opened) - 1}]'))
    if result.solution and result.status == "wrong":
        lines.append(_wrap("the solution is open: print(result.solution)"))
    if result.output:
        lines += ["  it printed:", textwrap.indent(result.output, "  | ")]
    return "\n".join(lines)


def _points(n) -> str:
    return f"{n:g} point" + ("" if n == 1 else "s")


def _wrap(text) -> str:
    return "\n".join(textwrap.wrap(text, 100, initial_indent="  ", subsequent_indent="    ")) or "  "


def _next(result) -> str:
    return (
        "After the next attempt one more hint opens."
        if result.remaining
        else "After the next attempt the solution opens."
    )


def _fold(title, html) -> str:
    return (
        '<details style="margin-top:.4em"><summary style="cursor:pointer;font-weight:600">'
        f"{escape(title)}</summary>"
        f'<div style="padding:.2em 0 .2em 1.1em">{html}</div></details>'
    )


@dataclass(frozen=True)
class Badge:
    """One line that says whose function is used from here on."""

    id: str
    title: str
    own: bool

    def _text(self):
        whose = "your function, it has passed" if self.own else "the library's function, until yours passes"
        return f"{self.id} {self.title}: {whose}"

    def _repr_html_(self) -> str:
        colour = STATUS["right" if self.own else "empty"][2]
        chip = "yours" if self.own else "library"
        return (
            '<div style="font-family:system-ui,sans-serif;font-size:13px;line-height:1.9;color:inherit">'
            f'<span style="{CHIP.format(colour)}">{chip}</span> '
            f"{escape(self._text())}</div>"
        )

    def __repr__(self) -> str:
        return self._text()
