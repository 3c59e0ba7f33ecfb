"""The four nouns: an exercise, one case of it, the verdict on a case, and the result a student sees."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

Plain = np.ndarray | int | float | str


@dataclass(frozen=True)
class Case:
    """One question put to an answer: plain data only, so that it crosses a pipe without pickle.

    `data` is flat: arrays, ints, floats and strings. Keys that start with ``f.`` and ``path.`` describe
    functions (see `functions`), keys that start with ``judge.`` stay with the judge. `oracle` names the
    function that stays with the judge ("" where there is none) and `ask` is then the way to it. `note` says
    in words what is tried.
    """

    data: dict[str, Plain]
    note: str = ""
    oracle: str = ""
    ask: Callable[[dict], dict] | None = field(default=None, compare=False)

    def payload(self) -> dict[str, Plain]:
        """What the child may know: all but the judge's own data and the function of an oracle."""
        hidden = ("judge.", self.oracle + ".") if self.oracle else ("judge.",)
        known = {k: v for k, v in self.data.items() if not k.startswith(hidden)}
        return {**known, "note": self.note, "oracle": self.oracle}

    @classmethod
    def from_payload(cls, payload: dict[str, Plain], ask: Callable[[dict], dict] | None = None) -> "Case":
        """The case on the child's side; `ask` carries a request to the oracle and brings its reply."""
        data = dict(payload)
        return cls(note=str(data.pop("note", "")), oracle=str(data.pop("oracle", "")), data=data, ask=ask)

    def __getitem__(self, key):
        return self.data[key]


@dataclass(frozen=True)
class Verdict:
    """What a case says of an answer. `fraction` in [0, 1]; `status` is "right", "wrong" or "empty" (not
    attempted). `fits` are the hints of all known mistakes that give just what came, where that was asked.
    """

    fraction: float
    message: str
    hint: str = ""
    expected: str = ""
    came: str = ""
    status: str = ""
    fits: tuple[str, ...] | None = None

    def __post_init__(self):
        if not self.status:
            object.__setattr__(self, "status", "right" if self.fraction >= 1 else "wrong")


@dataclass(frozen=True)
class Exercise:
    """One exercise; grading keeps its three parts `cases`, `observe` and `judge` in separate processes."""

    id: str
    lecture: str
    title: str
    task: str
    points: float
    minutes: int
    difficulty: int
    library: Callable
    cases: Callable[[int], list[Case]]
    observe: Callable[[Callable, Case], dict[str, Plain]]
    judge: Callable[[Case, dict], Verdict]
    hints: tuple[str, ...]
    insight: str = ""
    seconds: float = (
        20.0  # a notebook's for all cases, grading's for each; a cold torch.func alone takes five
    )

    def oracle(self, case: Case):
        """The oracle that answers for `case`, or None where the case needs none."""
        if not case.oracle:
            return None
        from .oracle import Oracle

        return Oracle(case)

    def combine(self, verdicts: list[Verdict]) -> tuple[float, Verdict]:
        """Points for the exercise, by the least fraction over its cases, and the verdict that explains them.

        A mistake explains an answer if it fits in every case that failed: one that fits here and not there
        is a coincidence, and a case too simple to tell two mistakes apart is settled by the others.
        """
        if not verdicts:
            return 0.0, Verdict(0.0, "No case was run.")
        failed = [v for v in verdicts if v.status != "right"]
        if not failed:
            found = [v.message for v in verdicts if v.message != "holds"][:1]
            return float(self.points), Verdict(
                1.0, " ".join(found + [self.insight]).strip() or "Every case holds."
            )
        if failed[0].status == "empty" and len(failed) == len(verdicts):
            return 0.0, failed[0]
        failed = [v for v in failed if v.status != "empty"]
        if not failed:
            hint = "Is there a branch without `return`?"
            return 0.0, Verdict(0.0, "Nothing came back in some of the cases.", hint)
        score = round(self.points * min(v.fraction for v in verdicts), 2)
        asked = [v for v in failed if v.fits is not None]
        common = [hint for hint in asked[0].fits if all(hint in v.fits for v in asked)] if asked else []
        if len(common) == 1:
            return score, replace(asked[0], hint=common[0])
        other = next((v for v in failed if v.fits is None and v.hint), failed[0])
        return score, other if other.fits is None else replace(other, hint="")

    def solution(self) -> str:
        """The source text of the library's answer."""
        import inspect

        try:
            return inspect.getsource(self.library)
        except (OSError, TypeError):  # installed without sources
            return ""


@dataclass(frozen=True)
class Result:
    """What `check` returns. `opened` are the hints that may be read by now; `solution` is "" until all are
    used up.
    """

    id: str
    title: str
    status: str
    score: float
    max_score: float
    message: str
    hint: str = ""
    expected: str = ""
    came: str = ""
    output: str = ""
    opened: tuple[str, ...] = ()
    remaining: int = 0
    solution: str = ""
    shown_in: object = field(default=None, compare=False, repr=False)

    @property
    def passed(self) -> bool:
        """Whether every case held."""
        return self.status == "right"

    def _repr_html_(self) -> str:
        from .card import card_html

        return card_html(self)

    def __repr__(self) -> str:
        from .card import card_text

        return card_text(self)

    def _ipython_display_(self):
        # `check` has shown the card already: do not show it again as the value of the same cell
        from .feedback import current_cell, show

        if self.shown_in is None or self.shown_in != current_cell():
            show(self)
