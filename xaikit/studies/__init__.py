"""Runs too long for a notebook: what they found ships as a small table that the notebook names and plots.

``xaikit run 05 --full`` makes a lecture's tables again, shows progress, and goes on where it was interrupted.
"""
import functools
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Study:
    """``make(folder, progress) -> DataFrame``: everything that is worth keeping half-way goes into ``folder``."""

    name: str
    minutes: float
    make: Callable

    @property
    def what(self):
        return self.make.__doc__.splitlines()[0]

    @property
    def file(self):
        from .. import home

        return home() / "data" / "studies" / f"{self.name.replace('/', '-')}.csv"


_STUDIES: dict[str, Study] = {}


def study(lecture, name, minutes):
    """Decorator that registers a long run as ``lecture/name``; ``minutes`` on two cores.

    The function takes ``folder`` (a Path that outlives an interruption; give it to ``train.fit_many``) and
    ``progress`` (bool), and returns a DataFrame of plain columns.  The first line of its docstring says what it measures.
    """

    def register(make):
        _STUDIES[f"{lecture}/{name}"] = Study(f"{lecture}/{name}", minutes, make)
        return make

    return register


@functools.cache
def _load():
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")


def registered(lecture=None):
    """The studies of one lecture ("05") or of all, by name; ValueError for a lecture without any."""
    _load()
    found = [s for name, s in sorted(_STUDIES.items()) if lecture is None or name.split("/")[0] == lecture]
    if lecture is not None and not found:
        known = ", ".join(sorted({name.split("/")[0] for name in _STUDIES}))
        raise ValueError(f"lecture {lecture!r} has no longer run; there are longer runs for {known}")
    return found


def get(name):
    """The study ``lecture/name``; ValueError with the names there are."""
    _load()
    if name not in _STUDIES:
        raise ValueError(f"no study {name!r}; there are {', '.join(sorted(_STUDIES))}")
    return _STUDIES[name]


def table(name):
    """What the study found, as it ships: a DataFrame.  ValueError for an unknown name, FileNotFoundError with the remedy."""
    import pandas as pd

    found = get(name)
    if not found.file.exists():
        raise FileNotFoundError(f"{found.file} is missing: `xaikit run {name} --full` makes it in about {found.minutes:g} minutes")
    return pd.read_csv(found.file)


def run(name, folder=None, progress=True):
    """Make a study's table and write it, whole or not at all; its path.

    ``folder``: where half-finished work is kept (default: ``build/studies`` in the repository); it is removed at the end.
    """
    import os
    import shutil

    from .. import home

    found = get(name)
    folder = Path(folder or home() / "build" / "studies" / name.replace("/", "-"))
    folder.mkdir(parents=True, exist_ok=True)
    rows = found.make(folder, progress)
    found.file.parent.mkdir(parents=True, exist_ok=True)
    part = found.file.with_suffix(f".{os.getpid()}.part")
    try:
        rows.to_csv(part, index=False, float_format="%.6g")
        part.replace(found.file)
    finally:
        part.unlink(missing_ok=True)
    shutil.rmtree(folder)
    return found.file
