"""Is an explanation any good?  ``axioms`` searches small networks for one that shows that it is not; ``pixel_flipping``
asks the network, ``sanity`` asks whether the map noticed that the network is gone, ``truth`` asks the one who drew the picture.
"""

from . import families
from .axioms import SLIDES_LRP, axioms
from .density import density_correlation, ink_density
from .flipping import area_over_curve, flip_curves, pixel_flipping
from .frechet import frechet_distance
from .maps import CONTROLS, bootstrap, random_map, rank_correlation, sobel
from .sanity import randomised, sanity, similarity
from .trials import AXIOMS
from .truth import against_truth, cause, painted_over, truth
from .witness import Holds, NotApplicable, Witness, styled

__all__ = ["AXIOMS", "CONTROLS", "SLIDES_LRP", "Holds", "NotApplicable", "Witness", "against_truth", "area_over_curve", "axioms",
           "bootstrap", "cause", "density_correlation", "families", "flip_curves", "frechet_distance", "ink_density", "painted_over",
           "pixel_flipping", "random_map", "randomised", "rank_correlation", "sanity", "similarity", "sobel", "styled", "truth"]
