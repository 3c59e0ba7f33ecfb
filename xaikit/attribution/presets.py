"""Composites of LRP rules: which rule acts at which depth of a network, and those that the literature uses.

A composite is a mapping read from top to bottom, from a *place* to a rule.  Places by depth are the four ``BLOCKS``;
places by kind are "conv" and "dense".  ``composite(model, x, places)`` makes of it the mapping {layer name: rule} that
``lrp`` takes; a ``Preset`` is a composite with a name and a source.
"""
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from .. import hooks
from ..errors import UnsupportedLayer
from . import operations
from .call import explaining
from .relevance import lrp
from .rules import AlphaBeta, Epsilon, Flat, Gamma, Rule, ZBox

BLOCKS = ("first", "lower", "middle", "upper")
_WEIGHTED = {"conv": "conv", "conv_transpose": "conv", "linear": "dense", "matmul": "dense"}
_UNIT_BOX = ZBox(0, 1)  # stands for the range of the input, which a call may set


def layers(model, x):
    """The operations with weights in the order in which they run: a list of (layer's name, block, kind), for x (N, …).

    The block is "first" for the first, "upper" for the dense layers at the end of a network of convolutions (else for the
    last layer), and "lower" and "middle" for the two halves between, the odd one being lower.  The kind is "conv" or
    "dense".  ValueError where the network cannot take x.
    """
    found = []

    def look(call):
        if call.kind in _WEIGHTED and operations.active(call):
            found.append((call.path, _WEIGHTED[call.kind]))
        return call()

    with explaining(model, x.detach()[:1] if torch.is_tensor(x) else x) as score, hooks.interpose(model, look):
        score.logits(score.x.clone().requires_grad_())
    kinds = [kind for _, kind in found]
    upper = max((i + 1 for i, kind in enumerate(kinds) if kind == "conv"), default=0)  # where the dense tail begins
    if upper in (0, len(kinds)):
        upper = len(kinds) - 1
    half = 1 + upper // 2
    return [(name, "first" if i == 0 else "upper" if i >= upper else "lower" if i < half else "middle", kind)
            for i, (name, kind) in enumerate(found)]


def composite(model, x, places, rest=Epsilon()):  # noqa: B008  a frozen value
    """The mapping {layer name: rule} for ``lrp`` that puts rules by depth and kind of layer.

    ``places``: {"first" | "lower" | "middle" | "upper" | "conv" | "dense": rule}, read from top to bottom, first match
    wins (see ``layers``).  ``rest``: the rule of all else, additions and poolings included, which share in proportion.
    ValueError for another place, TypeError for no rule, UnsupportedLayer where one module works at two depths.
    """
    if not isinstance(places, Mapping):
        raise TypeError(f"places must be a mapping from a place to a rule, not {type(places).__name__}")
    for place, rule in places.items():
        if place not in (*BLOCKS, "conv", "dense"):
            raise ValueError(f"no place is called {place!r}; there are {', '.join(BLOCKS)}, conv, dense")
        if not isinstance(rule, Rule):
            raise TypeError(f"places[{place!r}] must be a rule such as Epsilon(), not {rule!r}")
    rules = {}
    for name, *where in layers(model, x):
        rule = next((rule for place, rule in places.items() if place in where), rest)
        if rules.setdefault(name, rule) != rule:
            raise UnsupportedLayer(f"LRP: layer {name or '(the network)'!r} runs several operations with weights, which get "
                                   "different rules by depth; write them as modules of their own, each used once")
    return rules | {"*": rest}


@dataclass(frozen=True, eq=False)
class Preset:
    """A composite of the literature: ``preset(model, x, low, high)`` → {layer name: rule}, for ``lrp(…, rules=…)``."""

    name: str
    label: str
    source: str
    places: Mapping

    def __call__(self, model, x, low=None, high=None):
        """``low``, ``high``: the range that an input can have, for a z^B-rule: numbers, or tensors that broadcast
        (C, 1, 1); None: 0 and 1, or as far as x goes beyond.  ValueError where x leaves the range, whose shares would
        have no sense.
        """
        if _UNIT_BOX not in self.places.values():
            return composite(model, x, self.places)
        x = x.detach()
        low = min(0.0, float(x.min())) if low is None else low
        high = max(1.0, float(x.max())) if high is None else high
        if bool(((x < low) | (x > high)).any()):
            raise ValueError(f"{self.label}: x reaches from {float(x.min()):.3g} to {float(x.max()):.3g}, beyond low and high: "
                             "give the range that an input can have")
        return composite(model, x, {k: ZBox(low, high) if rule is _UNIT_BOX else rule for k, rule in self.places.items()})


_PLUS, _ALPHA2, _EPSILON = AlphaBeta(1, 0), AlphaBeta(2, -1), Epsilon(1e-6)
_ZENNIT = "Anders et al. 2021 (zennit)"
_BEST = "Kohlbrenner et al. 2020, section III"

PRESETS = {p.name: p for p in (
    Preset("epsilon", "ε everywhere", "Bach et al. 2015, eq. 58", {"conv": _EPSILON, "dense": _EPSILON}),
    Preset("alpha2_beta1", "α2β1 everywhere", "Bach et al. 2015, eq. 60", {"conv": _ALPHA2, "dense": _ALPHA2}),
    Preset("epsilon_plus", "ε-plus", f"{_BEST} (LRP-CMP, α = 1); {_ZENNIT}, EpsilonPlus",
           {"conv": _PLUS, "dense": _EPSILON}),
    Preset("epsilon_plus_flat", "ε-plus, flat first", f"{_BEST} (LRP-CMP, α = 1, flat); {_ZENNIT}, EpsilonPlusFlat",
           {"first": Flat(), "conv": _PLUS, "dense": _EPSILON}),
    Preset("epsilon_plus_box", "ε-plus, zᴮ first", f"{_BEST}, with the first layer of Montavon et al. 2017, section 4",
           {"first": _UNIT_BOX, "conv": _PLUS, "dense": _EPSILON}),
    Preset("epsilon_alpha2_beta1", "ε-α2β1", f"{_BEST} (LRP-CMP, α = 2); {_ZENNIT}, EpsilonAlpha2Beta1",
           {"conv": _ALPHA2, "dense": _EPSILON}),
    Preset("epsilon_alpha2_beta1_flat", "ε-α2β1, flat first",
           f"{_BEST} (LRP-CMP, α = 2, flat); {_ZENNIT}, EpsilonAlpha2Beta1Flat",
           {"first": Flat(), "conv": _ALPHA2, "dense": _EPSILON}),
    Preset("epsilon_alpha2_beta1_box", "ε-α2β1, zᴮ first", f"{_BEST}, with the first layer of Montavon et al. 2017, section 4",
           {"first": _UNIT_BOX, "conv": _ALPHA2, "dense": _EPSILON}),
    Preset("epsilon_gamma_box", "ε-γ, zᴮ first", f"Montavon et al. 2019, section 10.3; {_ZENNIT}, EpsilonGammaBox",
           {"first": _UNIT_BOX, "conv": Gamma(0.25), "dense": _EPSILON}),
    Preset("lrp_cmp", "composite by depth (zᴮ, γ, ε, 0)", "Montavon et al. 2019, section 10.3, fig. 10.4",
           {"first": _UNIT_BOX, "lower": Gamma(0.25), "middle": Epsilon(0.25), "upper": Epsilon(0)}),
)}


def lrp_composite(model, x, target=None, preset="epsilon_plus", low=None, high=None):
    """LRP with a composite of the literature: ``lrp(…, rules=PRESETS[preset](model, x, low, high))``.

    ``low``, ``high``: the range of the input, for those whose first layer takes the z^B-rule (see ``Preset``).
    ValueError for an unknown preset; otherwise as ``lrp``.
    """
    if preset not in PRESETS:
        raise ValueError(f"no preset is called {preset!r}; there are {', '.join(PRESETS)}")
    return lrp(model, x, target, rules=PRESETS[preset](model, x, low, high))
