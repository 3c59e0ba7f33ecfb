"""Lecture 07: what was claimed of information in hidden layers and of ReLU gates, measured."""
from . import claim

_TISHBY, _SAXE = "Shwartz-Ziv, Tishby 2017", "Saxe et al. 2018"


@claim("07", f"{_TISHBY}, section 2.2", "data-processing inequality: I(X;T₁) ≥ I(X;T₂) ≥ … for the layers of a network",
       "must hold for every network")
def _processing():
    from ..dynamics import plane

    rises = {}
    for activation in plane.ACTIVATIONS:
        _, found = plane.path(activation)
        rises[activation] = float((found[:, 0, :, 1:5] - found[:, 0, :, :4]).max())
    text = ", ".join(f"{name} {rise:+.3f}" for name, rise in rises.items())
    return f"largest rise from one hidden layer to the next, in binned bits: {text}", max(rises.values()) <= 0
