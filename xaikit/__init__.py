"""xaikit: the small library behind a notebook course on interpreting deep networks.

``import xaikit`` is light: a room is imported when it is first named (``xaikit.data``, ``xaikit.zoo`` …),
so that the command line and an empty notebook start at once.
"""
import importlib

__version__ = "0.1.0"
_ROOMS = (
    "attribution", "claims", "classroom", "data", "demos", "errors", "evaluate", "exercises",
    "hooks", "methods_map", "plot", "train", "widgets", "zoo",
)
__all__ = list(_ROOMS)


def __getattr__(name):
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_ROOMS])
