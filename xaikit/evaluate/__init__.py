"""Is an explanation any good?  ``axioms`` searches small networks for one that shows that it is not."""

from . import families
from .axioms import SLIDES_LRP, axioms
from .trials import AXIOMS
from .witness import Holds, NotApplicable, Witness, styled

__all__ = ["AXIOMS", "SLIDES_LRP", "Holds", "NotApplicable", "Witness", "axioms", "families", "styled"]
