"""The map of explanation methods: every method of the slides, on the three dimensions of Zhang et al. 2020.

The rows stand in ``methods_map.csv``, one a line, each with the words of the slide it comes from.
``table()`` reads them and adds what can be computed: which of the methods :mod:`xaikit.attribution` has
(looked up, never typed) and which traits of an explanation a method serves (by the rules in ``TRAITS``).
``explore()`` filters the map in a notebook.

Sources: Zhang, Tiňo, Leonardis, Tang 2020, "A survey on neural network interpretability" (the dimensions and
their table); Xie et al. 2020, "Explainable deep learning: a field guide for the uninitiated" (the families
and the traits).
"""
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

import pandas as pd

from . import home

NONE = "—"  # what an empty cell says
ANY = "any"

DECKS = {
    "Na": "Seung-Hoon Na, Explainable deep learning: visualization",
    "Sun": "Yiyou Sun, Introduction on interpretable deep learning",
    "Zhong": "Yicheng Zhong, Interpretability: interpreting deep neural networks",
    "Q. Zhang": "Quanshi Zhang, Efforts in pushing XAI towards science",
    "H. Zhang": "Hanwei Zhang, A quick tour: neural network interpretability",
}

# Dimension → its values in the order of the slides; the kinds of explanation rise in explanatory power.
DIMENSIONS = {
    "approach": {
        "passive": "explains a trained network as it is (post hoc)",
        "active": "changes the architecture or the training so that the network can be interpreted",
    },
    "explanation": {
        "examples": "shows similar inputs, prototypes or counterfactuals",
        "attribution": "gives credit or blame to the features of the input",
        "hidden semantics": "says what a hidden unit or layer stands for",
        "rules": "states logic rules, for instance a decision tree",
        NONE: "explains how the network learns, not what it predicts",
    },
    "scope": {
        "local": "one prediction",
        "semi-local": "a group of similar inputs",
        "global": "the network as a whole",
    },
}


# The ways of working that alter the input, the network or its training and watch what becomes of the answer.
TRIALS = ("perturbation", "counterfactuals", "interventions", "randomisation", "frequencies")


@dataclass(frozen=True)
class Trait:
    """One thing people want of an explanation, and the rule by which the map says a method serves it."""

    name: str
    question: str  # what the user asks, after Xie et al. 2020, section 2
    because: str  # the rule in words
    serves: Callable[[pd.Series], bool]


TRAITS = (
    Trait("confidence", "When does the network work, and when does it not?",
          "ties what the network does to features of the input or to the meaning of a unit",
          lambda row: "attribution" in row.explanation or "hidden semantics" in row.explanation),
    Trait("trust", "Can its answers be used without checking each of them?",
          "watches many answers: semi-local, global, or a simple model fitted to them",
          lambda row: row["scope"] != "local" or row.family == "distillation"),
    Trait("safety", "Does it do what is expected when conditions change?",
          "changes the input or the conditions and watches the answer",
          lambda row: row.way in TRIALS),
    Trait("ethics", "Is its reasoning compatible with what we hold to be right?",
          "lays the reasoning open or constrains it: rules, human concepts, interpretable by design",
          lambda row: "rules" in row.explanation or row.way == "concepts" or row.family == "intrinsic"),
)

LECTURES = {  # number → (title, what it teaches); the numbers are those of the course's design
    "00": ("Start here", "how the course works; a first heatmap; the map of methods"),
    "01": ("Visualization", "what a unit looks for: filters, top patches, activation maximization"),
    "02": ("Deconvolutional networks", "from sparse codes to a probe; three ways through a ReLU; occlusion"),
    "03": ("Layer-wise relevance propagation",
           "a prediction taken apart layer by layer; pixel flipping; sanity checks"),
    "04": ("Integrated gradients", "axioms for attributions, and which method breaks which"),
    "05": ("Memorization", "what networks do with noise, and what stops them"),
    "06": ("Spectral bias", "low frequencies first; high-frequency components; margins"),
    "07": ("Information", "what the layers keep and what they throw away"),
    "08": ("GAN dissection", "which unit draws the tree, and what happens when it is switched off"),
}

COLUMNS = ("method", "year", "source", "paper", "family", "way", "approach", "explanation", "scope", "traits",
           "lecture", "xaikit", "placed", "slide")
SHOWN = ("method", "year", "source", "way", "approach", "explanation", "scope", "traits", "lecture", "xaikit")
LEFT = "text-align:left;padding:3px 8px;vertical-align:top"
HEADS = {"way": "way it works", "explanation": "kind of explanation", "xaikit": "in xaikit"}


@cache
def _rows() -> pd.DataFrame:
    return pd.read_csv(Path(__file__).with_suffix(".csv"), dtype=str, keep_default_na=False)


def table() -> pd.DataFrame:
    """The map, one row a method, in the columns ``COLUMNS``.

    Cells that hold several values separate them by ``", "``; an empty cell is ``"—"``.  ``xaikit`` lists the
    names under which ``attribution.METHODS`` has the method at this moment.  ``placed`` says who put the row
    on the three dimensions: ``"slides"`` where the slides' own table does, else ``"our reading"`` of their
    definitions.  The slides define the traits and assign no methods to them: that column follows ``TRAITS``.
    """
    from xaikit.attribution import METHODS

    frame = _rows().copy()
    frame["year"] = frame["year"].astype(int)
    frame["xaikit"] = [", ".join(n for n in names.split() if n in METHODS) or NONE
                       for names in frame["names"]]
    frame["traits"] = [", ".join(t.name for t in TRAITS if t.serves(row)) or NONE
                       for _, row in frame.iterrows()]
    frame["slide"] = [f"{DECKS[deck]}: “{words}”" if deck != NONE else "not on the slides"
                      for deck, words in zip(frame["deck"], frame["slide"], strict=True)]
    return frame[list(COLUMNS)]


def options() -> dict[str, list[str]]:
    """What each filter can be set to, ``"any"`` first: {filter: values}."""
    frame = _rows()
    return {
        "approach": [ANY, *DIMENSIONS["approach"]],
        "explanation": [ANY, *DIMENSIONS["explanation"]],
        "scope": [ANY, *DIMENSIONS["scope"]],
        "trait": [ANY, *(t.name for t in TRAITS)],
        "family": [ANY, *frame["family"].unique()],
        "lecture": [ANY, *sorted(set(frame["lecture"]) - {NONE}), NONE],
        "here": [ANY, "in xaikit", "not yet"],
    }


def select(frame: pd.DataFrame | None = None, *, search="", approach=ANY, explanation=ANY, scope=ANY,
           trait=ANY, family=ANY, lecture=ANY, here=ANY) -> pd.DataFrame:
    """The rows of ``table()`` that pass every filter.

    ``search`` is split at blanks; every word must occur somewhere in the row, upper and lower case alike.
    Raises ValueError for a filter set to something that is not among its ``options()``.
    """
    frame = table() if frame is None else frame
    chosen = {"approach": approach, "explanation": explanation, "scope": scope, "trait": trait,
              "family": family, "lecture": lecture, "here": here}
    allowed = options()
    keep = pd.Series(True, index=frame.index)
    for name, value in chosen.items():
        if value not in allowed[name]:
            raise ValueError(f"{name}={value!r} is not one of {', '.join(allowed[name])}")
        if value == ANY:
            continue
        if name == "here":
            keep &= (frame["xaikit"] != NONE) == (value == "in xaikit")
        else:
            column = frame["traits" if name == "trait" else name]
            keep &= column.map(lambda cell, value=value: value in cell.split(", "))
    text = frame.astype(str).agg(" ".join, axis=1).str.casefold()
    for word in search.casefold().split():
        keep &= text.str.contains(word, regex=False)
    return frame[keep]


def html(frame: pd.DataFrame, total: int | None = None) -> str:
    """The rows as an HTML table: a caption that counts them, headed columns and rows, every cell escaped.

    The paper's title, the slide and who placed the row stand in the tooltip of the method's name.
    """
    total = len(frame) if total is None else total
    head = "".join(f'<th scope="col" style="{LEFT}">{escape(HEADS.get(c, c))}</th>' for c in SHOWN)
    rows = []
    for row in frame.to_dict("records"):
        note = f"{row['paper']}. Slide: {row['slide']}. Placed on the dimensions by: {row['placed']}."
        cells = "".join(f'<td style="{LEFT}">{escape(str(row[c]))}</td>' for c in SHOWN[1:])
        rows.append(f'<tr><th scope="row" style="{LEFT}" title="{escape(note, quote=True)}">'
                    f"{escape(row['method'])}</th>{cells}</tr>")
    if not rows:
        rows.append(f'<tr><td colspan="{len(SHOWN)}" style="{LEFT}">No method fits all of these: '
                    "set a filter back to “any”.</td></tr>")
    return (f'<table style="line-height:1.3;border-collapse:collapse"><caption style="{LEFT}">'
            f"<b>{len(frame)} of {total} methods</b></caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>")


def explore(height: str = "24em"):
    """The map with a search box and one row of toggles per dimension; the table below follows every change.

    Returns an ``ipywidgets.VBox`` with ``.controls`` ({filter: widget}), ``.table`` (the HTML widget) and
    ``.frame`` (the rows now shown) — or, where ipywidgets is not installed, the DataFrame of ``table()``.
    A page that runs no code shows the rows as an HTML table.
    """
    try:
        import ipywidgets
    except ImportError:
        return table()

    class Map(ipywidgets.VBox):
        """The filters above the table."""

        @property
        def frame(self):
            return select(rows, **{name: control.value for name, control in self.controls.items()})

        def _repr_mimebundle_(self, **kwargs):
            data = super()._repr_mimebundle_(**kwargs) or {}
            frame = self.frame
            return {**data, "text/html": f'<div style="max-height:{height};overflow:auto">'
                                         f"{html(frame, len(rows))}</div>",
                    "text/plain": f"The map of explanation methods, {len(frame)} of {len(rows)} shown"}

    rows = table()
    box = Map()
    box.controls = _filters(ipywidgets)
    box.table = ipywidgets.HTML(layout={"max_height": height, "overflow": "auto", "width": "100%"})

    def refresh(_=None):
        box.table.value = html(box.frame, len(rows))

    for control in box.controls.values():
        control.observe(refresh, names="value")
    refresh()
    box.children = [*box.controls.values(), box.table]
    return box


def _filters(ipywidgets) -> dict:
    """{filter: control}, the search box first, then one row of toggles for each of ``options()``."""
    labels = {"approach": "Approach", "explanation": "Explanation", "scope": "Scope", "trait": "Trait",
              "family": "Family", "lecture": "Lecture", "here": "Library"}
    meaning = {**DIMENSIONS, "trait": {t.name: t.question for t in TRAITS},
               "lecture": {number: title for number, (title, _) in LECTURES.items()}}
    style = {"description_width": "6.5em"}
    hint = "a name, an author, a year, a word"
    controls = {"search": ipywidgets.Text(description="Search", placeholder=hint,
                                          layout={"width": "34em", "max_width": "100%"}, style=style)}
    for name, values in options().items():
        controls[name] = ipywidgets.ToggleButtons(
            options=[("none" if value == NONE else value, value) for value in values], value=ANY,
            description=labels[name], tooltips=[meaning.get(name, {}).get(value, value) for value in values],
            layout={"display": "flex", "margin": "3px 0"}, style={**style, "button_width": "auto"})
    return controls


def crossing(explanation: str = "attribution", count: bool = False) -> pd.DataFrame:
    """The slides' table made anew for one kind of explanation: approach × scope; names or counts."""
    frame = select(explanation=explanation)
    cells = {scope: [list(select(frame, approach=approach, scope=scope)["method"])
                     for approach in DIMENSIONS["approach"]] for scope in DIMENSIONS["scope"]}
    table = pd.DataFrame(cells, index=pd.Index(DIMENSIONS["approach"], name=explanation))
    return table.map(len if count else lambda names: ", ".join(names) or NONE)


def lectures(root: Path | None = None) -> pd.DataFrame:
    """The lectures: number (index), title, what each teaches, its notebook's name or "—" if to come.

    ``root`` holds ``course/`` or ``solutions/``: where the package stands or ``XAIKIT_HOME`` points.
    """
    root = Path(root or home())
    rows = []
    for number, (title, teaches) in LECTURES.items():
        found = [f.name for place in ("course", "solutions") for f in (root / place).glob(f"{number}_*")]
        rows.append((number, title, teaches, min(found, default=NONE)))
    return pd.DataFrame(rows, columns=["lecture", "title", "teaches", "notebook"]).set_index("lecture")


def syllabus(catalog: pd.DataFrame, root: Path | None = None):
    """The lectures and their exercises (``exercises.catalog()``) as HTML; the titles open the notebooks."""
    from .plot import Html

    rows, plain = [], []
    for number, (title, teaches, name) in lectures(root).iterrows():
        own = catalog[catalog["lecture"] == number]
        work = f"{_count(len(own), 'exercise')}, {_count(own['points'].sum(), 'point')}" if len(own) else NONE
        state = "to come" if name == NONE else "ready"
        link = escape(title) if name == NONE else f'<a href="../{name}/{name}.ipynb">{escape(title)}</a>'
        cells = "".join(f'<td style="{LEFT}">{cell}</td>' for cell in (link, escape(teaches), work, state))
        rows.append(f'<tr><th scope="row" style="{LEFT}">{number}</th>{cells}</tr>')
        plain.append(f"{number}  {title}: {teaches} ({state}; exercises: {work})")
    names = ("lecture", "title", "what it teaches", "exercises", "state")
    head = "".join(f'<th scope="col" style="{LEFT}">{name}</th>' for name in names)
    out = Html(f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>")
    out.plain = "\n".join(plain)
    return out


def _count(number, noun):
    return f"{number:g} {noun}{'' if number == 1 else 's'}"
