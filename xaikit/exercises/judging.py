"""What judges share: is the value well-formed, is it right, and if not, which mistake gives just that?

Numpy only. What was observed came from a process that ran a student's code: nothing in it is taken on
trust.
"""

import numpy as np

from .core import Verdict

TOLERANCE = 1e-3


def kind_of(observed) -> str:
    """The kind of an observation, "" where it is malformed."""
    kind = observed.get("kind") if type(observed) is dict else None
    return kind if type(kind) is str else ""


def text_of(observed, key, longest=300) -> str:
    """A string of the observation, shortened; "" where there is none."""
    value = observed.get(key) if type(observed) is dict else None
    return value[:longest] if type(value) is str else ""


def unusable(observed) -> Verdict | None:
    """The verdict on an observation that holds no array, or None where it holds one."""
    kind = kind_of(observed)
    if kind == "array" and type(observed.get("value")) is np.ndarray:
        return None
    if kind == "missing":
        return Verdict(0.0, "There is no answer: the function was not defined.", status="empty")
    if kind == "none":
        return Verdict(
            0.0,
            "Nothing came back. Write your code in place of the `...`; if you have, is a `return` missing?",
            status="empty",
        )
    if kind == "error":
        error, message, line = (text_of(observed, k) for k in ("error", "message", "line"))
        if error == "NotImplementedError" and (not message or "raise" in line):  # torch has some of its own
            return Verdict(0.0, "The function says that it is not implemented yet.", status="empty")
        where = f" ({line})" if line else ""
        return Verdict(
            0.0, f"Your function raised {error or 'an error'}{where}.", _remedy(error, message), came=message
        )
    if kind == "timeout":
        seconds = observed.get("seconds")
        limit = (
            f"{seconds:g} s" if type(seconds) in (int, float) and 0 < seconds < 1e6 else "the time allowed"
        )
        return Verdict(
            0.0,
            f"Your function was stopped: it took longer than {limit}.",
            "Is there a loop that never ends, or one network call per step that one batch could replace?",
        )
    if kind == "died":
        return Verdict(0.0, "Your function ended the process that ran it.", came=text_of(observed, "message"))
    name = text_of(observed, "type", 80) or "something that is no tensor"
    hint = "Return a tensor of numbers."
    if name.startswith("complex"):
        return Verdict(0.0, "Complex numbers came back.", "Is the real part asked for, .real, or |·|, .abs()?", "real numbers", name)
    if name == "generator":
        hint = "A function with `yield` gives a generator: collect the values and `return` a tensor."
    elif name in ("function", "method", "builtin_function_or_method"):
        hint = "You returned a function: call it, and return what it gives."
    elif name in ("list", "tuple"):
        hint = "The parts are not numbers, or have different shapes: return one tensor."
    return Verdict(
        0.0,
        f"A {name} came back where a tensor was expected.",
        hint,
        "a tensor",
        text_of(observed, "message"),
    )


def _remedy(error, message) -> str:
    """The likely cause of an exception that students meet often."""
    if "does not require grad" in message:
        return (
            "Gradients flow only to tensors that ask for them: x = x.detach().clone().requires_grad_(True)."
        )
    if "Can't call numpy() on Tensor that requires grad" in message:
        return "Take the tensor off the graph before numpy: .detach().numpy()."
    if "grad can be implicitly created only for scalar outputs" in message:
        return "f returns one number per row: sum before backward; each row keeps its own gradient."
    if "to not have been used in the graph" in message:
        return "No gradient came down to this tensor: is a `return` missing in backward, or was it detached?"
    if "NoneType" in message:
        return (
            "Something is None that should be a tensor: is a `return` missing? Only a leaf that asks for it"
            " gets a .grad: x = x.detach().clone().requires_grad_(True)."
        )
    if "indexing tensors could not be broadcast" in message:
        return "Two lists or masks in one index are paired off, not crossed: index twice, or set one mask first."
    if "backward through the graph a second time" in message:
        return (
            "The graph is used up after one backward pass: call f again, or sum first and differentiate once."
        )
    if "f takes a batch of pictures" in message:
        return "Mind the shape: f maps pictures (N, H, W) to (N,), the batch axis first: picture[None]."
    if "f takes a batch" in message or "path takes" in message:
        return "Mind the shape: f maps (N, D) to (N,), the batch axis first."
    if error == "RecursionError":
        return "The function calls itself without end: does a name inside it mean the function itself?"
    if error == "NameError":
        return "A name is used before it is defined; run the cell with the imports, and mind the spelling."
    if error == "TypeError" and "positional argument" in message:
        return "Keep the arguments of the function as they stand in the exercise."
    return ""


def read(observed, shape, axes="", instead=None, steps=0, finite="") -> tuple[np.ndarray | None, Verdict | None]:
    """(array, None) where the observation holds finite numbers of `shape`, else (None, verdict).

    `axes` names the shape; `instead` maps other shapes to the hints of the mistakes that lead to them, and
    `steps` is the length of an axis that should be averaged over. `finite` is the hint for NaN and infinity.
    """
    verdict = unusable(observed)
    if verdict:
        return None, verdict
    value, expected = observed["value"], f"shape {_shape(shape)}{axes and ' = ' + axes}"
    if value.dtype.kind not in "biuf":
        return None, Verdict(0.0, "The values are not real numbers.", "Return a tensor of numbers.", expected)
    if value.shape != shape:
        hint = (instead or {}).get(value.shape) or shape_hint(value.shape, shape, steps)
        return None, Verdict(
            0.0,
            "The result has another shape than asked for.",
            hint,
            expected,
            f"shape {_shape(value.shape)}",
            fits=None if max(shape, default=1) == 1 else (hint,) if hint else (),
        )
    value = value.astype(np.float64)
    if not np.isfinite(value).all():
        bad = "NaN" if np.isnan(value).any() else "infinity"
        return None, Verdict(
            0.0,
            f"The result holds {bad}.",
            finite or "Is something divided by zero, or a tensor made with torch.empty?",
            "finite numbers",
            show(value),
        )
    return value, None


def _shape(shape) -> str:
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def shape_hint(got, shape, steps=0) -> str:
    """What probably went wrong when an array of shape `got` came in place of `shape`."""
    if max(shape, default=1) == 1:  # where all axes have length 1, which is which cannot be told
        lost = "An axis got lost in a case where its length is 1: squeeze() drops those too."
        return lost if len(got) < len(shape) else ""
    if got == shape[::-1]:
        return "The axes are swapped."
    if got == () and shape:
        return "Everything was summed to one number: sum over one axis only."
    if len(shape) == 2 and got == shape[1:]:
        return "The batch axis is gone: return one row for each row of x, also where there is only one."
    if len(shape) == 2 and got == shape[:1]:
        return "The features were summed away: return one number for each feature."
    if len(got) == len(shape) + 1 and steps in got and (got[1:] == shape or (got[0], *got[2:]) == shape):
        return "The axis of the steps is still there: average over it."
    if got == (1, *shape):
        return (
            "There is one axis too many: take the first and only entry, [0]. `autograd.grad` gives a tuple."
        )
    if len(shape) == 2 and len(got) == 2 and got[0] == 1 and got[1] == shape[1]:
        return "Only one row came back: it works for a batch of one only."
    return ""


def show(value, row=None) -> str:
    """An array as short text: of a larger one with several axes the row at ``row``, a tuple, with its place."""
    value = np.asarray(value, dtype=np.float64)
    least = 1e-6 * np.abs(value[np.isfinite(value)]).max(initial=0.0)  # beside it the rest is rounding
    place = ""
    if value.ndim > 1 and value.size > 12:
        row = row if row is not None else (0,) * (value.ndim - 1)
        place, value = f"row {', '.join(map(str, row))} of shape {value.shape}: ", value[row]
    number = {"float_kind": lambda v: "0" if abs(v) <= least else f"{v:.4g}"}
    shown = place + np.array2string(value, formatter=number, separator=", ", threshold=12, edgeitems=3)
    return shown if len(shown) <= 300 else shown[:300] + " …"


def close(value, expected, tolerance=TOLERANCE) -> bool:
    """Whether all differ by at most tolerance × max(1, the largest expected)."""
    expected = np.asarray(expected, dtype=np.float64)
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    with np.errstate(all="ignore"):
        return bool((np.abs(value - expected) <= tolerance * scale).all())


def decide(value, expected, mistakes=(), tolerance=TOLERANCE, message="", accept=()) -> Verdict:
    """Right, or wrong with the hint of the one mistake that gives `value`.

    `mistakes` are (hint, array) or (hint, array, fraction). One that agrees with the expected value here
    cannot be told from it, and says nothing; where two give `value`, neither is named and the milder one's
    fraction stands. `accept` are other right values.
    """
    if close(value, expected, tolerance) or any(close(value, other, tolerance) for other in accept):
        return Verdict(1.0, "holds")
    found = {}
    for hint, wrong, *fraction in mistakes:
        if wrong.shape == value.shape and close(value, wrong, tolerance):
            found[hint] = fraction[0] if fraction else 0.0
    hint = next(iter(found)) if len(found) == 1 else ""
    return Verdict(
        max(found.values(), default=0.0),
        message or "The values differ from what is expected.",
        hint,
        show(expected),
        show(value),
        fits=tuple(found),
    )


def changed(observed, verdict, names) -> Verdict:
    """Half of `verdict`'s fraction where the answer wrote into an input."""
    index = observed.get("changed")
    if type(index) is not int or not 0 <= index < len(names):
        return verdict
    return Verdict(
        verdict.fraction / 2,
        f"Your function wrote into its input {names[index]}.",
        f"The caller still needs {names[index]}: work on a copy ({names[index]}.clone()) and avoid +=, *="
        f" and methods ending in _.",
        f"{names[index]} as it was",
        f"{names[index]} with other values",
    )


def switched(observed, verdict, names) -> Verdict:
    """Half the points for an answer that is right, but left requires_grad of an input switched; `names` of
    those that are looked at, None for the others.
    """
    index = observed.get("switched") if type(observed) is dict else None
    if verdict.fraction < 1 or type(index) is not int or not 0 <= index < len(names) or not names[index]:
        return verdict
    x = names[index]
    return Verdict(
        0.5,
        f"Right, but your function left {x} with another requires_grad than it came with.",
        f"The caller's {x} records a graph from now on: make a leaf of your own, "
        f"{x}.detach().clone().requires_grad_().",
    )
