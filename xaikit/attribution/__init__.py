"""What in the input made the network say so: every method as ``method(model, x, target=None, **options)``.

``x`` is (N, …), the result has x's shape; ``target`` is an int, a (N,) tensor, or None for the predicted
class.  The network and the input are left as they were.  ``METHODS`` lists all methods with formula, source
and options.
"""

from ..errors import UnsupportedLayer
from . import rules
from .cam import cam, grad_cam, last_convolution
from .deeplift import deep_lift
from .gradient import deconvnet, gradient, gradient_x_input, guided_backprop, smoothgrad
from .methods import METHODS, Method, Option, lrp_alpha_beta, lrp_epsilon
from .path import RULES, completeness_gap, integrated_gradients, path_gradients, quadrature
from .perturbation import occlusion
from .relevance import lrp
from .rules import AlphaBeta, Epsilon, Flat, Gamma, WSquare, ZBox

__all__ = [
    "METHODS",
    "RULES",
    "AlphaBeta",
    "Epsilon",
    "Flat",
    "Gamma",
    "Method",
    "Option",
    "UnsupportedLayer",
    "WSquare",
    "ZBox",
    "cam",
    "completeness_gap",
    "deconvnet",
    "deep_lift",
    "grad_cam",
    "gradient",
    "gradient_x_input",
    "guided_backprop",
    "integrated_gradients",
    "last_convolution",
    "lrp",
    "lrp_alpha_beta",
    "lrp_epsilon",
    "occlusion",
    "path_gradients",
    "quadrature",
    "rules",
    "smoothgrad",
]
