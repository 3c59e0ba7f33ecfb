"""Every attribution method by name: what it is called, its formula, where it comes from, what can be set."""

from collections.abc import Callable
from dataclasses import dataclass, field

from .cam import cam, grad_cam
from .deeplift import deep_lift
from .gradient import deconvnet, gradient, gradient_x_input, guided_backprop, smoothgrad
from .path import RULES, integrated_gradients, path_gradients
from .perturbation import occlusion
from .presets import PRESETS, lrp_composite
from .relevance import lrp
from .rules import AlphaBeta, Epsilon


@dataclass(frozen=True)
class Option:
    """What can be set: its default, and its range (``low`` … ``high``) or its ``choices``."""

    default: object
    low: float | None = None
    high: float | None = None
    choices: tuple | None = None
    label: str = ""


@dataclass(frozen=True)
class Method:
    """An attribution method.  ``formula`` is LaTeX without dollars.

    ``complete``: what the attributions add up to: "input-baseline" (F(x) − F(x′)), "logit" (F(x)) or None.
    ``needs``: what a network must have for it: "conv" (feature maps), "gap" (global average pooling and one
    linear layer).
    """

    name: str
    label: str
    formula: str
    source: str
    function: Callable
    options: dict[str, Option] = field(default_factory=dict)
    complete: str | None = None
    needs: frozenset = frozenset()

    def __call__(self, model, x, target=None, **options):
        return self.function(model, x, target, **options)


def lrp_epsilon(model, x, target=None, eps=1e-6, bias="absorbs"):
    """LRP with the ε-rule in every layer: ``lrp(…, rules=Epsilon(eps, bias))``."""
    return lrp(model, x, target, rules=Epsilon(eps, bias=bias))


def lrp_alpha_beta(model, x, target=None, alpha=2.0, bias="absorbs"):
    """LRP with the αβ-rule and β = 1 − α in every layer: ``lrp(…, rules=AlphaBeta(alpha, 1 - alpha,
    bias))``."""
    return lrp(model, x, target, rules=AlphaBeta(alpha, 1 - alpha, bias=bias))


_BASELINE = Option(None, label="baseline x′ (None: zeros)")
_STEPS = Option(32, 1, 300, label="steps m")
_RULE = Option("midpoint", choices=RULES, label="quadrature")
_BIAS = Option("absorbs", choices=("absorbs", "excluded"), label="bias")
_IMAGES = frozenset({"conv"})

METHODS = {
    m.name: m
    for m in (
        Method(
            "gradient",
            "Gradient",
            r"R_i = \frac{\partial F}{\partial x_i}",
            "Simonyan, Vedaldi, Zisserman 2014, section 3, eq. 4",
            gradient,
        ),
        Method(
            "gradient_x_input",
            "Gradient × input",
            r"R_i = x_i \frac{\partial F}{\partial x_i}",
            "Shrikumar, Greenside, Kundaje 2017, section 2.2",
            gradient_x_input,
        ),
        Method(
            "smoothgrad",
            "SmoothGrad",
            r"R_i = \frac{1}{n} \sum_{k=1}^{n} \frac{\partial F(x + \varepsilon_k)}{\partial x_i},"
            r"\quad \varepsilon_k \sim \mathcal{N}(0, \sigma^2)",
            "Smilkov et al. 2017, section 2.1",
            smoothgrad,
            {
                "samples": Option(16, 1, 100, label="samples n"),
                "noise": Option(0.15, 0.0, 0.5, label="noise σ / range"),
                "seed": Option(0, 0, 99, label="seed"),
            },
        ),
        Method(
            "guided_backprop",
            "Guided backprop",
            r"R^{l}_i = 1[x^{l}_i > 0]\; \max(R^{l+1}_i, 0) \text{ at each ReLU}",
            "Springenberg, Dosovitskiy, Brox, Riedmiller 2015, section 3.4",
            guided_backprop,
        ),
        Method(
            "deconvnet",
            "Deconvnet",
            r"R^{l}_i = \max(R^{l+1}_i, 0) \text{ at each ReLU}",
            "Zeiler, Fergus 2014, section 2.1",
            deconvnet,
        ),
        Method(
            "cam",
            "CAM",
            r"M(x, y) = \sum_k w_k f_k(x, y)",
            "Zhou et al. 2016, eq. 2",
            cam,
            {},
            None,
            frozenset({"conv", "gap"}),
        ),
        Method(
            "grad_cam",
            "Grad-CAM",
            r"M = \max\Big(0, \sum_k \alpha_k A_k\Big),\quad \alpha_k = \frac{1}{hw} \sum_{x, y}"
            r" \frac{\partial F}{\partial A_k(x, y)}",
            "Selvaraju et al. 2017, eqs. 1 and 2",
            grad_cam,
            {"layer": Option(None, label="layer (None: last convolution)")},
            None,
            _IMAGES,
        ),
        Method(
            "occlusion",
            "Occlusion",
            r"R_i = \operatorname{mean}_{B \ni i} \big( F(x) - F(x \text{ with } x_B = v) \big)",
            "Zeiler, Fergus 2014, section 4.2",
            occlusion,
            {
                "window": Option(None, 1, 64, label="window (None: a seventh)"),
                "stride": Option(None, 1, 64, label="stride (None: half a window)"),
                "value": Option(0.0, 0.0, 1.0, label="value v"),
            },
        ),
        Method(
            "integrated_gradients",
            "Integrated gradients",
            r"R_i = (x_i - x'_i) \int_0^1 \frac{\partial F(x' + \alpha (x - x'))}{\partial x_i}\, d\alpha",
            "Sundararajan, Taly, Yan 2017, eqs. 1 and 3",
            integrated_gradients,
            {"baseline": _BASELINE, "steps": _STEPS, "rule": _RULE},
            "input-baseline",
        ),
        Method(
            "path_gradients",
            "Path gradients",
            r"R_i = \int_0^1 \frac{\partial F(\gamma(\alpha))}{\partial \gamma_i}\,"
            r" \frac{\partial \gamma_i}{\partial \alpha}\, d\alpha",
            "Sundararajan, Taly, Yan 2017, section 4.1",
            path_gradients,
            {
                "path": Option(None, label="path γ (None: straight from zeros)"),
                "steps": _STEPS,
                "rule": _RULE,
            },
            "input-baseline",
        ),
        Method(
            "deep_lift",
            "DeepLIFT (rescale)",
            r"R_i = (x_i - x'_i)\, m_i,\quad"
            r" m_{\mathrm{in}} = m_{\mathrm{out}} \frac{\sigma(z) - \sigma(z')}{z - z'}"
            r" \text{ at each nonlinearity}",
            "Shrikumar, Greenside, Kundaje 2017, section 3.5.2",
            deep_lift,
            {"baseline": _BASELINE},
            "input-baseline",
        ),
        Method(
            "lrp_epsilon",
            "LRP ε",
            r"R_i = \sum_j \frac{x_i w_{ij}}{z_j + \varepsilon \operatorname{sign} z_j} R_j",
            "Bach et al. 2015, eq. 58",
            lrp_epsilon,
            {"eps": Option(1e-6, 0.0, 1.0, label="ε"), "bias": _BIAS},
        ),
        Method(
            "lrp_alpha_beta",
            "LRP αβ",
            r"R_i = \sum_j \Big( \alpha \frac{z_{ij}^{+}}{z_j^{+}}"
            r" + \beta \frac{z_{ij}^{-}}{z_j^{-}} \Big) R_j,"
            r"\quad \alpha + \beta = 1",
            "Bach et al. 2015, eq. 60",
            lrp_alpha_beta,
            {"alpha": Option(2.0, 1.0, 4.0, label="α"), "bias": _BIAS},
        ),
        Method(
            "lrp_composite",
            "LRP composite",
            r"R_i = \sum_j \frac{a_i \rho_l(w_{ij})}{\sum_{i'} a_{i'} \rho_l(w_{i'j})} R_j,"
            r"\quad \rho_l \text{ the rule of layer } l",
            "Montavon et al. 2019, section 10.3",
            lrp_composite,
            {
                "preset": Option("epsilon_plus", choices=tuple(PRESETS), label="composite"),
                "low": Option(None, label="least input"),
                "high": Option(None, label="largest input"),
            },
        ),
    )
}
