"""The short form of an exercise: a formula, and the mistakes that look like it.

Most exercises ask for a function that computes something.  ``formula`` needs only what is particular to one:
the cases (plain data), the ``truth`` and each usual mistake **as numpy functions of the same arguments**, and the
texts.  The machinery runs them: what came is right if it agrees with the truth, and otherwise the hint belongs to
the one mistake that gives just what came; a mistake that gives another shape explains that shape.

    formula(id="1.9", title="Scale", points=1, minutes=3, difficulty=1, task="scale(x, k): k·x. x (N, D) → (N, D).",
            library=scale,                                      # torch, the solution that a card reveals
            cases=lambda rng: [{"x": rng.normal(size=(3, 2)), "k": 2.0, "note": "three rows"}],
            truth=lambda x, k: k * x, axes="(N, D)",
            mistakes=[("Divided instead of multiplied.", lambda x, k: x / k),
                      ("Half right: the sign.", lambda x, k: -k * x, 0.5)],
            hints=("…", "…", "…"), insight="…")

The student's function is called with the case's values in the order of ``library``'s arguments: float arrays as
float32 tensors, whole ones as int64, bool as bool; numbers and texts as they are.  A case may hold functions as data
(see `functions`): keys ``f.*`` become the argument ``f``, keys ``path.*`` the argument ``path``; ``truth`` and
mistakes get ``f(x)``, ``f.gradient(x)`` and ``path(alpha)`` in numpy.  Keys ``judge.*`` reach only ``truth``,
mistakes and laws (as the part after the dot).

``outputs=("name", …)``: the answer returns that many values, truth and mistakes too.
``laws``: (message, predicate(value, **case)) pairs, properties that every right answer has.  With ``truth=None`` they
alone decide (many answers are right; give ``shape=lambda **case: …`` then); with a truth, the first one broken
explains an answer that no known mistake does.
``accept``: other truths (numpy functions) that are right as well.
``free``: names of arguments that an answer may write into; ``quiet``: of those whose requires_grad it has to leave.
``finite``: the hint for a result that holds NaN or infinity.
``use``: from the answer to the function that is called in its place, such as one that calls it twice.
"""
import inspect
import zlib

import numpy as np

from . import functions
from .core import Case, Exercise, Verdict
from .judging import TOLERANCE, changed, close, decide, kind_of, read, switched, text_of


def formula(*, id, library, cases, truth=None, mistakes=(), laws=(), shape=None, accept=(), tolerance=TOLERANCE,
            axes="", outputs=(), free=(), quiet=(), use=None, finite="", lecture=None, **texts) -> Exercise:
    """The `Exercise` of a formula; see the module's docstring.  ``texts``: the other fields of `Exercise`."""
    names = tuple(inspect.signature(library).parameters)
    if truth is None and (not laws or shape is None):
        raise ValueError(f"exercise {id}: without a truth it needs laws and a shape")

    def make(seed):
        rng = np.random.default_rng([seed, zlib.crc32(id.encode())])
        made = []
        for values in cases(rng):
            values = {k: float(v) if isinstance(v, np.floating) else int(v) if isinstance(v, np.integer) else v
                      for k, v in values.items()}
            made.append(Case(values, note=str(values.pop("note", "this case"))))
        return made

    def given(case):  # the arguments in numpy, for truth, mistakes and laws
        values = {k.removeprefix("judge."): v for k, v in case.data.items() if not k.startswith(("f.", "path."))}
        if "f.kind" in case.data:
            values["f"] = _Function(case.data)
        if "path.kind" in case.data:
            values["path"] = lambda alpha: functions.points(case.data, alpha)[0]
        return values

    def observe(answer, case):
        from .observe import call

        answer = use(answer) if use else answer
        return call(answer, *[_argument(case, name) for name in names if _has(case, name)], parts=len(outputs))

    def judge(case, observed):
        came = text_of(observed, "type", 80) or "something else"
        if outputs and kind_of(observed) in ("array", "other") and not came.startswith("complex"):
            return Verdict(0.0, f"{len(outputs)} values were expected, and what came is a {came}.",
                           f"Return {', '.join(outputs)}, in this order, each a number or a tensor.")
        values = given(case)
        expected = _tuple(truth(**values), outputs) if truth else None
        shapes = [np.shape(e) for e in expected] if truth else [tuple(shape(**values))]
        wrongs = None  # the mistakes are computed only where they are needed
        parts = []
        if outputs and _swapped(observed, shapes):
            return Verdict(0.0, "The values came in another order.", f"Return {', '.join(outputs)}, in this order.")
        for i, (wanted, part) in enumerate(zip(shapes, _parts(observed, outputs), strict=True)):
            if wanted == () and _is_array(part) and part["value"].size == 1:
                part = {**part, "value": part["value"].reshape(())}  # one number is one number, however it is wrapped
            value, verdict = read(part, wanted, axes if not outputs else "", finite=finite)
            if verdict is not None and _is_array(part) and part["value"].shape != wanted:
                wrongs = wrongs or [(m[0], _tuple(m[1](**values), outputs), *m[2:]) for m in mistakes]
                hint = _shape_told(part["value"], [(w[0], w[1][i]) for w in wrongs], verdict.hint, tolerance)
                verdict = read(part, wanted, axes if not outputs else "", {part["value"].shape: hint})[1]
            if verdict is not None:
                return _of(outputs[i], verdict) if outputs and _is_array(part) else verdict
            parts.append(value)
        if truth is None:
            broken = [message for message, law in laws if not _holds(law, parts, values, outputs)]
            verdict = _explained(parts, values, broken)
        else:
            verdict = _compared(parts, expected, values, case, wrongs)
        watched = [name for name in names if _has(case, name)]
        verdict = switched(observed, verdict, [name in quiet and name for name in watched])
        index = observed.get("changed") if type(observed) is dict else None
        if type(index) is int and 0 <= index < len(watched) and watched[index] in free:
            return verdict
        return changed(observed, verdict, watched)

    def _explained(parts, values, broken):
        if not broken:
            return Verdict(1.0, "holds")
        for hint, wrong, *fraction in mistakes:
            found = _tuple(wrong(**values), outputs)
            if all(np.shape(w) == p.shape and close(p, w, tolerance) for p, w in zip(parts, found, strict=True)) \
                    and not all(_holds(law, found, values, outputs) for _, law in laws):  # right here by chance
                return Verdict(fraction[0] if fraction else 0.0, broken[0], hint)
        return Verdict(0.0, broken[0])

    def _compared(parts, expected, values, case, wrongs):
        scales = [max(1.0, float(np.abs(e).max(initial=0.0))) for e in expected]

        def joined(arrays):
            return np.concatenate([np.ravel(np.asarray(a, dtype=np.float64)) / s
                                   for a, s in zip(arrays, scales, strict=True)])

        value, target = joined(parts), joined(expected)
        if close(value, target, tolerance) or any(
                close(value, joined(_tuple(other(**values), outputs)), tolerance) for other in accept):
            return Verdict(1.0, "holds")
        wrongs = wrongs or [(m[0], _tuple(m[1](**values), outputs), *m[2:]) for m in mistakes]
        fitting = [(hint, joined(arrays), *rest) for hint, arrays, *rest in wrongs
                   if all(np.shape(a) == p.shape for a, p in zip(arrays, parts, strict=True))]
        verdict = decide(value, target, fitting, tolerance, f"The values differ from what is expected, for {case.note}.")
        worst = max(range(len(parts)), key=lambda i: float(np.abs(parts[i] - expected[i]).max(initial=0.0)) / scales[i])
        off = np.abs(parts[worst] - expected[worst])
        row = np.unravel_index(off.argmax(), off.shape)[:-1] if off.size else ()
        verdict = Verdict(verdict.fraction, verdict.message, verdict.hint, _shown(outputs, worst, expected[worst], row),
                          _shown(outputs, worst, parts[worst], row), fits=verdict.fits)
        if not verdict.fits:
            broken = [message for message, law in laws if not _holds(law, parts, values, outputs)]
            if broken:
                return Verdict(0.0, verdict.message, broken[0], verdict.expected, verdict.came)
        return verdict

    return Exercise(id=id, lecture=lecture or f"{int(id.split('.')[0]):02d}", library=library, cases=make,
                    observe=observe, judge=judge, **texts)


class _Function:
    """The case's f in numpy."""

    def __init__(self, data):
        self.data = data

    def __call__(self, x):
        return functions.value(self.data, x)

    def gradient(self, x):
        return functions.gradient(self.data, x)[1]


def _has(case, name):
    return name in case.data or f"{name}.kind" in case.data


def _argument(case, name):
    """The value of one argument as the student gets it."""
    import torch

    if f"{name}.kind" in case.data:
        return {"f": functions.torch_function, "path": functions.torch_path}[name](case.data)
    value = case[name]
    if not isinstance(value, np.ndarray):
        return value
    kind = {"f": torch.float32, "b": torch.bool}.get(value.dtype.kind, torch.int64)
    return torch.tensor(value, dtype=kind)


def _tuple(value, outputs):
    return tuple(value) if outputs else (value,)


def _parts(observed, outputs):
    """What came, one observation for each output."""
    if not outputs:
        return [observed]
    kind = kind_of(observed)
    if kind == "parts":
        return [{"kind": "array", "value": observed.get(f"part.{i}"), "type": "part"} for i in range(len(outputs))]
    return [observed] * len(outputs)


def _swapped(observed, shapes):
    """Whether the parts have the right shapes, but in another order."""
    came = [np.shape(observed.get(f"part.{i}")) for i in range(len(shapes))] if kind_of(observed) == "parts" else shapes
    return came != shapes and sorted(came) == sorted(shapes)


def _shape_told(value, wrongs, usual, tolerance):
    """The hint of the mistake that gives just these values; else what the shape alone says; else a mistake's shape."""
    alike = [(hint, wrong) for hint, wrong in wrongs if np.shape(wrong) == value.shape]
    same = [hint for hint, wrong in alike if value.dtype.kind in "biuf" and close(value, wrong, tolerance)]
    return same[0] if same else usual or (alike[0][0] if alike else "")


def _is_array(part):
    return kind_of(part) == "array" and type(part.get("value")) is np.ndarray


def _of(name, verdict):
    return Verdict(verdict.fraction, f"{name}: {verdict.message}", verdict.hint, verdict.expected, verdict.came)


def _shown(outputs, index, value, row):
    from .judging import show

    return (f"{outputs[index]} = " if outputs else "") + show(value, row)


def _holds(law, parts, values, outputs):
    return bool(law(tuple(parts) if outputs else parts[0], **values))
