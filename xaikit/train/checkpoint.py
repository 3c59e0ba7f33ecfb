"""Files that are whole or not there, and the state of a training that goes on where it was interrupted."""
import contextlib
import os
import time
from pathlib import Path

import torch

APART = 20.0  # seconds between two checkpoints


def write(file, save):
    """``save(out)`` writes the file, which is there whole or not at all."""
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        with part.open("wb") as out:
            save(out)
        os.replace(part, file)
    finally:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()


class Checkpoint:
    """The last state of a training at ``file`` (None: nowhere), written every `APART` seconds."""

    def __init__(self, file=None):
        self.file, self.last = file and Path(file), time.monotonic()

    def read(self):
        """What was kept, or None."""
        if self.file is None or not self.file.exists():
            return None
        return torch.load(self.file, weights_only=True)

    def keep(self, state):
        """Write ``state()``, tensors and numbers in dicts and lists, if it is time."""
        if self.file is not None and time.monotonic() - self.last >= APART:
            write(self.file, lambda out: torch.save(state(), out))
            self.last = time.monotonic()

    def done(self):
        """The training has ended: its checkpoint goes."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)
