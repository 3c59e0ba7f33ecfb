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
from .presets import BLOCKS, PRESETS, Preset, composite, layers, lrp_composite
from .relevance import lrp, relevance_budget, relevance_by_layer
from .rules import AlphaBeta, Epsilon, Flat, Gamma, Pass, WSquare, ZBox
from .taylor import Decision, line_root, nearest_root, taylor

__all__ = [
    "AlphaBeta",
    "BLOCKS",
    "Decision",
    "Epsilon",
    "Flat",
    "Gamma",
    "METHODS",
    "Method",
    "Option",
    "PRESETS",
    "Pass",
    "Preset",
    "RULES",
    "UnsupportedLayer",
    "WSquare",
    "ZBox",
    "cam",
    "completeness_gap",
    "composite",
    "deconvnet",
    "deep_lift",
    "grad_cam",
    "gradient",
    "gradient_x_input",
    "guided_backprop",
    "integrated_gradients",
    "last_convolution",
    "layers",
    "line_root",
    "lrp",
    "lrp_alpha_beta",
    "lrp_composite",
    "lrp_epsilon",
    "nearest_root",
    "occlusion",
    "path_gradients",
    "quadrature",
    "relevance_budget",
    "relevance_by_layer",
    "rules",
    "smoothgrad",
    "taylor",
]
