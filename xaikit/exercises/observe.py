"""The student's side of an exercise: call the answer, and turn whatever comes back into plain data.

Every observation is a flat dict with ``kind``: "array" (with ``value``, ``type``), "none", "error" (with
``error``, ``message``, ``line``), "other" (with ``type``, ``message``) or, from the caller, "missing",
"timeout" and "died". ``changed`` is the place of an input that the answer wrote into, ``switched`` of one whose
requires_grad it left other than it was.
"""

import numbers
import traceback

import numpy as np

from .guard import TimeLimit

LARGEST = 200_000  # elements of an array that is still handed on
LONGEST = 300  # characters of a message that is still handed on


def call(answer, *args, parts=0) -> dict:
    """What ``answer(*args)`` gives, as plain data; tensors among `args` are watched for changes.

    ``parts``: how many values the answer should return; they come as ``part.0``, ``part.1`` … of kind "parts".
    """
    import torch

    before = [a.detach().clone() if isinstance(a, torch.Tensor) else None for a in args]
    asked = [isinstance(a, torch.Tensor) and a.requires_grad for a in args]
    try:
        with torch.inference_mode(False), torch.enable_grad():
            value = answer(*args)
            observed = several(value, parts) if parts else plain(value)
    except (KeyboardInterrupt, SystemExit, TimeLimit):
        raise
    except BaseException as error:
        return failure(error)
    for i, (a, b) in enumerate(zip(args, before, strict=True)):
        if b is not None and not _unchanged(a, b):
            observed["changed"] = i
        if b is not None and a.requires_grad != asked[i]:
            observed["switched"] = i
    return observed


def _unchanged(now, before) -> bool:
    try:
        return now.shape == before.shape and bool((now.detach() == before).all())
    except Exception:
        return False


def failure(error: BaseException) -> dict:
    """An exception as plain data: type, message, and the line of the student's code that it left from."""
    try:
        message = str(error)[:LONGEST]
    except Exception:
        message = ""
    frames = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if "xaikit/exercises" not in f.filename.replace("\\", "/")
    ]
    frames = [f for f in frames if "site-packages" not in f.filename] or frames
    line = f"line {frames[-1].lineno}: {frames[-1].line}" if frames else ""
    if isinstance(error, RecursionError) and frames:
        line = f"line {frames[0].lineno}: {frames[0].line}"
    return {"kind": "error", "error": type(error).__name__[:80], "message": message, "line": line[:LONGEST]}


def plain(value) -> dict:
    """`value` as a flat dict of plain data; never raises."""
    if value is None or value is Ellipsis:
        return {"kind": "none"}
    kind = type(value).__name__[:80]
    try:
        array = to_array(value)
    except Exception as error:
        return {"kind": "other", "type": kind, "message": str(error)[:LONGEST]}
    if array is None:
        import torch

        if type(value) in (torch.Tensor, np.ndarray) and "complex" in str(value.dtype):
            kind = f"complex {kind}"[:80]
        return {"kind": "other", "type": kind, "message": ""}
    return {"kind": "array", "value": array, "type": kind}


def several(value, count) -> dict:
    """`count` values, in a tuple, a list or along an array's first axis, as plain data of kind "parts";
    anything else as `plain` has it."""
    import torch

    if isinstance(value, torch.Tensor | np.ndarray) and value.shape[:1] == (count,):
        value = list(value)
    if not isinstance(value, tuple | list) or len(value) != count:
        observed = plain(value)
        return observed if observed["kind"] in ("none", "error") else {
            "kind": "other", "type": type(value).__name__[:80], "message": f"{count} values are asked for"}
    found = [plain(part) for part in value]
    empty = [i + 1 for i, part in enumerate(found) if part["kind"] == "none"]
    if empty and len(empty) < count:
        return {"kind": "other", "type": f"{type(value).__name__[:80]} whose value {empty[0]} is nothing", "message": ""}
    for part in found:
        if part["kind"] != "array":
            return part
    return {"kind": "parts", **{f"part.{i}": part["value"] for i, part in enumerate(found)}}


def to_array(value) -> np.ndarray | None:
    """A fresh float64 array of `value`: a tensor, array, number or nested lists of them; else None."""
    import torch

    if isinstance(value, torch.Tensor):
        if value.numel() > LARGEST:
            raise ValueError(f"a tensor of shape {tuple(value.shape)} is too large to be an answer")
        value = value.detach()
        value = value.to_dense() if value.layout != torch.strided else value
        value = value.to("cpu", torch.float64) if value.is_floating_point() else value.cpu().resolve_conj()
        array = value.numpy()
    elif isinstance(value, np.ndarray):
        if value.size > LARGEST:
            raise ValueError(f"an array of shape {value.shape} is too large to be an answer")
        array = value
    elif isinstance(value, (numbers.Real, np.number)):
        array = np.asarray(float(value))
    elif isinstance(value, (list, tuple)):
        if len(value) > LARGEST:
            raise ValueError(f"a {type(value).__name__} of {len(value)} is too large to be an answer")
        array = _stack(value)
    else:
        return None
    if array is None or array.dtype.kind not in "biuf":
        return None
    if array.size > LARGEST:
        raise ValueError(f"an array of shape {array.shape} is too large to be an answer")
    return np.array(array, dtype=np.float64, subok=False)


def _stack(values):
    parts = [to_array(v) for v in values]
    if any(p is None for p in parts) or len({p.shape for p in parts}) > 1:
        return None
    return np.stack(parts) if parts else np.zeros(0)


def tensor(array):
    """A fresh float32 leaf tensor of `array`: what a student's own networks eat."""
    import torch

    return torch.tensor(np.asarray(array), dtype=torch.float32)
