"""The errors of our own; everything else is a ValueError or a TypeError."""


class UnsupportedLayer(ValueError):
    """A method met a layer it has no rule for.  The message names the layer's path and type."""


class OfflineError(RuntimeError):
    """A file that is not on this machine is needed and could not be had.  The message says what to do."""


class DamagedFile(RuntimeError):
    """A shipped file is truncated or altered.  The message names the file."""
