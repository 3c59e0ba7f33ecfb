"""xaikit: the small library behind a notebook course on interpreting deep networks.

``import xaikit`` is light: a room is imported when it is first named (``xaikit.data``, ``xaikit.zoo`` …),
so that the command line and an empty notebook start at once.
"""
import importlib
import os
from pathlib import Path

__version__ = "0.1.0"
_ROOMS = (
    "attribution", "claims", "classroom", "data", "demos", "dissect", "dynamics", "errors", "evaluate", "exercises",
    "features", "generate", "hooks", "methods_map", "plot", "studies", "train", "widgets", "zoo",
)
__all__ = ["home", *_ROOMS]


def home():
    """The course's folder: where ``XAIKIT_HOME`` points, else the repository that holds this package."""
    return Path(os.environ.get("XAIKIT_HOME") or Path(__file__).resolve().parents[1]).resolve()


def __getattr__(name):
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_ROOMS])
