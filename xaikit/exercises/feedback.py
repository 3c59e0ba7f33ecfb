"""`check`, `answer`, `catalog`, `get`: what a notebook calls."""

import functools
import importlib
import os
import pkgutil
import sys
import time

from .core import Case, Exercise, Result, Verdict

_passed: dict = {}
_failures: dict = {}
_running: list = []  # the exercises whose check is under way


@functools.cache
def _all() -> dict[str, Exercise]:
    import xaikit.exercises as package

    names = sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name.startswith("lecture"))
    modules = [importlib.import_module(f"{package.__name__}.{name}") for name in names]
    found = [e for module in modules for e in getattr(module, "EXERCISES", ())]
    return {e.id: e for e in sorted(found, key=lambda e: [int(part) for part in e.id.split(".")])}


def get(id: str) -> Exercise:
    """The exercise with this id, such as "4.2". ValueError, naming those there are, where there is none."""
    exercises = _all()
    if id not in exercises:
        raise ValueError(f"there is no exercise {id!r}; there are {', '.join(exercises)}")
    return exercises[id]


def catalog():
    """All exercises as a DataFrame: id, lecture, title, points, minutes, difficulty (1 to 3)."""
    import pandas as pd

    columns = ["id", "lecture", "title", "points", "minutes", "difficulty"]
    return pd.DataFrame([[getattr(e, c) for c in columns] for e in _all().values()], columns=columns)


def failures(id: str) -> int:
    """How often `check` has found this exercise wrong in this session: so many hints may be opened."""
    return _failures.get(id, 0)


def reset(id: str | None = None):
    """Forget the answers and failures of one exercise, or of all."""
    for kept in (_passed, _failures):
        kept.clear() if id is None else kept.pop(id, None)


def evaluate(exercise: Exercise, function, seed: int = 0) -> tuple[float, Verdict, str]:
    """(points, verdict, what was printed) of `function` on the cases of `seed`, run in this process under
    the time limit.
    """
    import torch

    from .guard import TimeLimit, captured, limited

    verdicts = []

    def run():
        began = time.monotonic()
        for case in exercise.cases(seed):
            oracle = exercise.oracle(case)
            theirs = Case.from_payload(case.payload(), oracle.answer if oracle else None)
            observed = exercise.observe(function, theirs)
            if time.monotonic() - began > exercise.seconds:  # it swallowed what was to stop it: no further case
                raise TimeLimit
            if oracle:
                observed = {**observed, **oracle.measured()}
            verdicts.append(exercise.judge(case, observed))
            if verdicts[-1].status == "empty" and len(verdicts) == 1:
                break

    with captured() as out:
        try:
            with torch.inference_mode(False), torch.enable_grad():
                limited(run, exercise.seconds)
        except TimeLimit:
            late = {"kind": "timeout", "seconds": float(exercise.seconds)}
            verdicts = [exercise.judge(exercise.cases(seed)[0], late)]
    score, verdict = exercise.combine(verdicts)
    return score, verdict, out.text()


def check(id: str, function, seed: int = 0) -> Result:
    """Try `function` on the cases of exercise `id`, show a card, and return the `Result`.

    Never raises, whatever the function does; only the interrupt button and ``SystemExit`` go through.
    Under nbgrader a failed check has to: AssertionError, since a cell that runs through earns its points there.
    """
    try:
        result = _checked(id, function, seed)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        result = Result(
            str(id),
            "",
            "wrong",
            0.0,
            0.0,
            f"The check could not be run: {type(error).__name__}: {str(error)[:300]}",
            shown_in=current_cell(),
        )
    show(result)
    if not result.passed and os.environ.get("NBGRADER_EXECUTION"):
        raise AssertionError(f"{result.id}: {result.message}")
    return result


def _checked(id, function, seed):
    if callable(id):
        raise TypeError('the id comes first: check("4.2", your_function)')
    exercise = get(id)
    printed = ""
    if function is None or function is Ellipsis:
        score, verdict = 0.0, Verdict(0.0, "There is no answer yet.", status="empty")
    elif isinstance(function, str):
        score, verdict = (
            0.0,
            Verdict(
                0.0,
                "A text came, not a function.",
                'Hand over the function itself: check("4.2", name), without quotes.',
            ),
        )
    elif not callable(function):
        kind = type(function).__name__
        score, verdict = (
            0.0,
            Verdict(
                0.0,
                f"A {kind} came, not a function.",
                "Hand over the function itself, without calling it: no brackets.",
            ),
        )
    else:
        _running.append(exercise.id)
        try:
            score, verdict, printed = evaluate(exercise, function, seed)
        finally:
            _running.pop()
    if verdict.status == "right":
        _passed[id] = function
    else:
        _passed.pop(id, None)
    if verdict.status == "wrong":
        _failures[id] = failures(id) + 1
    count = failures(id)
    used_up = count > len(exercise.hints) or verdict.status == "right"
    return Result(
        exercise.id,
        exercise.title,
        verdict.status,
        score,
        float(exercise.points),
        verdict.message,
        verdict.hint,
        verdict.expected,
        verdict.came,
        printed,
        exercise.hints[:count] if verdict.status != "right" else (),
        max(len(exercise.hints) - count, 0),
        exercise.solution() if used_up else "",
        current_cell(),
    )


def answer(id: str):
    """The student's function if it has passed its check in this session, else the library's. A small badge
    says which.  RuntimeError inside the check of this exercise.
    """
    from .card import Badge

    exercise = get(id)
    own = id in _passed
    if not own and exercise.id in _running:
        raise RuntimeError(f"answer({id!r}) is the library's function until yours has passed: an answer cannot be made of it")
    show(Badge(exercise.id, exercise.title, own))
    return _passed[id] if own else exercise.library


def _shell():
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def current_cell():
    """The number of the notebook cell that is running, or None outside a notebook."""
    shell = _shell()
    return shell.execution_count if shell else None


def show(card):
    """Show a card: as HTML in a notebook, as text in a script; a plain Python prompt echoes it by itself."""
    if _shell():
        from IPython.display import display

        display({"text/html": card._repr_html_(), "text/plain": repr(card)}, raw=True)
    elif not hasattr(sys, "ps1"):
        print(card)
