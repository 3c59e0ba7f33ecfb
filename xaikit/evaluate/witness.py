"""What a cell of the axiom table holds: a network that breaks an axiom, or a note that none was found."""

import textwrap
from dataclasses import dataclass, field
from html import escape

import numpy as np
import torch

from .. import plot
from .families import formula, layers_of

WIDTH = 72  # characters of a line in a witness's picture


class Holds(str):
    """``"holds"``: no violation among ``.tried`` tries.  ``.worst``: the largest gap met, as a share of the
    credit's size.
    """

    def __new__(cls, tried, worst):
        self = super().__new__(cls, "holds")
        self.tried, self.worst = tried, worst
        return self

    def __repr__(self):
        return "holds"

    def __getnewargs__(self):
        return self.tried, self.worst

    def show(self):
        """What was tried, as a Figure."""
        return _note(
            f"No violation in {self.tried} tries.\n\nLargest gap met: {self.worst:.1e} of the credit's size; "
            "a violation counts\nfrom 1e-02 on.  This is the outcome of a search, not a proof."
        )


class NotApplicable(str):
    """``"n/a"``: the method does not apply to these networks; ``.reason`` says why."""

    def __new__(cls, reason):
        self = super().__new__(cls, "n/a")
        self.reason = reason
        return self

    def __getnewargs__(self):
        return (self.reason,)

    def show(self):
        """Why the method does not apply, as a Figure."""
        return _note(f"Not applicable: {self.reason}")


@dataclass(eq=False, repr=False)
class Witness:
    """A violation that anyone can recompute.

    ``networks``: what was explained (two equal ones; a sum and its terms; or one).  ``x``, ``baseline``: one
    input without its batch axis.  ``attributions``: flat credit, one tensor per network.  ``violation``: its
    size, in units of the credit. ``tries``: how many tries it took.  ``features``: the inputs that the axiom
    speaks of; ``weights``: (a, b) of a sum.
    """

    method: str
    axiom: str
    says: str
    text: str
    networks: tuple
    x: torch.Tensor
    baseline: torch.Tensor
    attributions: list
    violation: float
    tries: int
    features: list | None = None
    weights: tuple = field(default=())

    def __repr__(self):
        return f"fails: {self.text}"

    def dict(self):
        """The same as plain numbers and numpy arrays."""
        return {
            "method": self.method,
            "axiom": self.axiom,
            "text": self.text,
            "violation": self.violation,
            "networks": [[(w.numpy(), b.numpy()) for w, b in layers_of(net)] for net in self.networks],
            "x": self.x.numpy(),
            "baseline": self.baseline.numpy(),
            "features": self.features,
            "weights": self.weights,
            "attributions": [a.numpy() for a in self.attributions],
            "values": self.values(),
        }

    def values(self):
        """[(F(x), F(x′)) of each network]."""
        with torch.no_grad():
            return [(float(net(self.x[None])), float(net(self.baseline[None]))) for net in self.networks]

    def names(self):
        """What the networks are called."""
        return {1: ["F"], 2: ["f", "g"], 3: ["a·f₁ + b·f₂", "f₁", "f₂"]}[len(self.networks)]

    def lines(self):
        """The witness written out: what it shows, the input, the networks."""
        lines = [
            *textwrap.wrap(f"{self.method}, {self.axiom}: {self.text}", WIDTH),
            *textwrap.wrap(f"(the axiom: {self.says})", WIDTH),
            "",
            f"x  = {_vector(self.x)}",
            f"x′ = {_vector(self.baseline)}",
        ]
        if self.weights:
            lines.append("a, b = " + ", ".join(f"{w:.3g}" for w in self.weights))
        for name, net, (at_x, at_baseline) in zip(self.names(), self.networks, self.values(), strict=True):
            lines += ["", f"{name}: {at_x:.4g} at x, {at_baseline:.4g} at x′"]
            if not name.startswith("a·"):  # the sum is its terms side by side
                lines += _short(formula(net))
        return [line.replace("-", "−") for line in lines]

    def credits(self):
        """The credit on each network, as text."""
        return [f"credit on {n}: {_vector(a)}" for n, a in zip(self.names(), self.attributions, strict=True)]

    def show(self):
        """The witness as a picture: the networks written out, the input, and the credit each input gets.
        Returns the Figure.
        """
        lines = self.lines()
        count = len(self.attributions[0])
        height = max(2.2, 0.17 * len(lines) + 0.3, 0.5 + 0.26 * count * len(self.networks))
        fig, (left, right) = plot.subplots(1, 2, size=(9.6, height), gridspec_kw={"width_ratios": [1.45, 1]})
        left.axis("off")
        left.text(
            0,
            1,
            "\n".join(lines),
            va="top",
            fontsize=8.5,
            family="DejaVu Sans Mono",
            transform=left.transAxes,
        )
        values = {f"x{i + 1}": [float(a[i]) for a in self.attributions] for i in range(count)}
        plot.bars(
            values,
            labels=self.names() if len(self.networks) > 1 else None,
            ax=right,
            xlabel="credit (units of F)",
        )
        if not any(v for row in values.values() for v in row):
            right.set_xlim(-1, 1)
        plot.describe(
            fig,
            f"{self.method} breaks {self.axiom}: {self.text}. At x = {_vector(self.x)}: "
            f"{'; '.join(self.credits())}.",
        )
        return fig


def styled(table):
    """The axiom table with its verdicts in colour and in words, as HTML; a click on a violation opens its
    witness."""

    def colour(cell):
        return (
            f"color: {plot.FOR}" if isinstance(cell, Witness) else f"color: {plot.AGAINST}; font-weight: 600"
        )

    def words(cell):
        if isinstance(cell, Witness):
            return f"✗ {cell.text}".replace("-", "−")
        return f"✓ {cell}" if isinstance(cell, Holds) else str(cell)

    def clickable(cell):
        if not isinstance(cell, Witness):
            return escape(words(cell))
        lines = cell.lines()
        witness = escape("\n".join([*lines[lines.index("") + 1:], "", *cell.credits()]))
        return (f'<details><summary style="cursor: pointer">{escape(words(cell))}</summary>'
                f'<pre style="color: {plot.INK}; white-space: pre-wrap">{witness}</pre></details>')

    look = {"text-align": "left", "font-size": "85%", "max-width": "13em", "white-space": "normal",
            "vertical-align": "top"}
    html = plot.Html(
        table.style.set_uuid("axioms").map(colour).format(clickable).set_properties(**look).to_html()
    )
    html.plain = table.map(words).to_string()
    return html


def _note(text):
    fig, ax = plot.subplots(size=(9.6, 1.6))
    ax.axis("off")
    ax.text(0, 0.9, text, va="top", fontsize=10, transform=ax.transAxes, wrap=True)
    plot.describe(fig, text)
    return fig


def _vector(x):
    return "(" + ", ".join(f"{v:.3g}" for v in np.asarray(x).reshape(-1)) + ")"


def _short(lines, most=14, width=WIDTH):
    kept = [line if len(line) <= width else line[: width - 1] + "…" for line in lines]
    return kept if len(kept) <= most else [*kept[: most - 2], f"… ({len(kept) - most + 1} more)", kept[-1]]
