"""The rules of layer-wise relevance propagation, as data: which inputs and weights a rule looks at.

A layer computes z_j = Σ_i x_i w_ij + b_j.  A rule shares the relevance R_j that arrives at j among the inputs i in
proportion to some version of these contributions.  It says so as a list of branches; each branch names its *parts*,
pairs (a, v) of modified input and modified weight, so that the engine in ``relevance`` can do the same for every rule:

    total_j = Σ_parts Σ_i a_i v_ij + bias_j          (forward)
    R_i     = Σ_branches Σ_parts a_i Σ_j v_ij · factor_j R_j / (total_j + eps · sign total_j)     (backward)

What a bias puts into ``total`` it takes out of the relevance: that share goes to the bias and not to the input.
"""
from dataclasses import dataclass, field

import torch

_BIAS = ("absorbs", "excluded")


@dataclass(frozen=True)
class Branch:
    """One fraction of a rule: ``parts`` [(a, v), …], the ``bias`` beside them, and the ``factor`` on the relevance."""

    parts: list
    bias: torch.Tensor | None = None
    factor: object = 1  # a number, or a tensor with one value for each output


@dataclass(frozen=True)
class Rule:
    """What all rules share.  A subclass adds ``branches(x, w, b, z) -> list[Branch]``.

    ``x``: the layer's input, ``w``: its weight, ``b``: its bias shaped to be added to the output, or None,
    ``z``: its output.  ``eps`` ≥ 0 keeps the denominators from zero; where one is zero all the same, no relevance passes.
    """

    eps: float = field(default=1e-6, kw_only=True)

    def __post_init__(self):
        if not 0 <= self.eps < float("inf"):
            raise ValueError(f"eps must be ≥ 0 and finite, not {self.eps}")
        if getattr(self, "bias", "absorbs") not in _BIAS:
            raise ValueError(f"bias must be 'absorbs' or 'excluded', not {self.bias!r}")

    def __str__(self):
        """Its name and dial in a word or two, for tables: "ε 0.25", "αβ 2/−1", "γ 0.25"; repr says everything."""
        name = {"Epsilon": "ε", "AlphaBeta": "αβ", "Gamma": "γ", "ZBox": "zᴮ", "WSquare": "w²"}.get(type(self).__name__)
        dial = {"ε": ("eps",), "αβ": ("alpha", "beta"), "γ": ("gamma",)}.get(name, ())
        values = "/".join(f"{getattr(self, v):g}" for v in dial).replace("-", "−").replace("1e−06", "10⁻⁶")
        return f"{name or type(self).__name__.lower()} {values}".strip()

    def kept(self, b):
        """The bias that counts in the denominator: ``b``, or None where the rule excludes it."""
        return b if getattr(self, "bias", "absorbs") == "absorbs" else None


@dataclass(frozen=True)
class Epsilon(Rule):
    """The ε-rule: R_i = Σ_j x_i w_ij / (z_j + ε sign z_j) R_j.  ε = 0 is the plain z-rule.

    ``bias="absorbs"`` keeps b_j in z_j, as most libraries do: of R_j the fraction b_j / z_j stays with the bias.
    ``bias="excluded"`` divides by z_j − b_j, so that all of R_j goes to the inputs; the published comparisons of LRP
    with integrated gradients need this one.  A neuron that its bias alone moves (all inputs 0) keeps its R_j.  Where z_j − b_j
    nearly vanishes and z_j does not, messages grow without bound: in deep networks with large biases or batch norms take a
    larger ε, or keep the bias.  Source: Bach et al. 2015, eq. 58.

    It modifies neither inputs nor weights and so names no branches: the engine takes the forward pass itself.
    """

    eps: float = 1e-6
    bias: str = "absorbs"


@dataclass(frozen=True)
class AlphaBeta(Rule):
    """The αβ-rule: R_i = Σ_j (α z⁺_ij / z⁺_j + β z⁻_ij / z⁻_j) R_j with α + β = 1 and β ≤ 0.

    z⁺ and z⁻ are the positive and negative contributions x_i w_ij (and the positive or negative bias with them).
    ValueError if α + β ≠ 1 or β > 0.  Source: Bach et al. 2015, eq. 60.
    """

    alpha: float = 2.0
    beta: float = -1.0
    bias: str = "absorbs"

    def __post_init__(self):
        super().__post_init__()
        if not abs(self.alpha + self.beta - 1) < 1e-9:
            raise ValueError(f"alpha + beta must be 1 so that relevance is conserved, not {self.alpha} + {self.beta}")
        if self.beta > 0:
            raise ValueError(f"beta must be ≤ 0, not {self.beta}: alpha weighs what speaks for, beta what speaks against")

    def branches(self, x, w, b, z):
        b = self.kept(b)
        found = [Branch(_products(x, w.clamp(min=0), w, torch.Tensor.clamp_max), _clamp(b, min=0), self.alpha)]
        if self.beta:  # the second half of the work, and nothing to do where β = 0
            found += [Branch(_products(x, w.clamp(max=0), w, torch.Tensor.clamp_min), _clamp(b, max=0), self.beta)]
        return found


@dataclass(frozen=True)
class Gamma(Rule):
    """The γ-rule: R_i = Σ_j x_i (w_ij + γ w⁺_ij) / Σ_i(…) R_j, which favours positive contributions.

    With inputs of both signs: contributions of z_j's own sign are enlarged by 1 + γ.
    Source: Montavon et al. 2019, section 10.2.3; for inputs of both signs Andéol et al. 2021.
    """

    gamma: float = 0.25
    bias: str = "absorbs"

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.gamma < float("inf"):
            raise ValueError(f"gamma must be ≥ 0 and finite, not {self.gamma}")

    def branches(self, x, w, b, z):
        b, found = self.kept(b), []
        up, down = w + self.gamma * w.clamp(min=0), w + self.gamma * w.clamp(max=0)
        for same, other, sign, side in ((up, down, z > 0, "min"), (down, up, z < 0, "max")):
            bias = None if b is None else b + self.gamma * b.clamp(**{side: 0})
            positive, negative = _halves(x)
            parts = [(positive, same)] + ([] if negative is None else [(negative, other)])
            found += [Branch(parts, bias, sign.to(z))]
        return found


@dataclass(frozen=True, eq=False)
class ZBox(Rule):
    """The z^B-rule for a first layer whose inputs lie in [low, high]: contributions x_i w_ij − low_i w⁺_ij − high_i w⁻_ij.

    ``low``, ``high``: numbers, or tensors that broadcast against the input (for pixels normalised by channel:
    shape (C, 1, 1)).  The bias takes nothing.  ValueError if low > high.  Source: Montavon et al. 2017, section 4.
    """

    low: float | torch.Tensor
    high: float | torch.Tensor

    def __post_init__(self):
        super().__post_init__()
        if bool(torch.as_tensor(self.low > self.high).any()):
            raise ValueError(f"low must not exceed high: {self.low}, {self.high}")

    def branches(self, x, w, b, z):
        low, high = (torch.as_tensor(edge).to(x).expand_as(x) for edge in (self.low, self.high))
        return [Branch([(x, w), (-low, w.clamp(min=0)), (-high, w.clamp(max=0))])]


@dataclass(frozen=True)
class WSquare(Rule):
    """The w²-rule: R_i = Σ_j w_ij² / Σ_i w_ij² R_j, for a first layer with unbounded inputs.  Montavon et al. 2017, section 4."""

    bias: str = "absorbs"

    def branches(self, x, w, b, z):
        b = self.kept(b)
        return [Branch([(torch.ones_like(x), w.square())], None if b is None else b.square())]


@dataclass(frozen=True)
class Flat(Rule):
    """The flat rule: every input of a neuron gets the same share.  It draws receptive fields.  Lapuschkin et al. 2019."""

    def branches(self, x, w, b, z):
        return [Branch([(torch.ones_like(x), torch.ones_like(w))])]


@dataclass(frozen=True)
class Pass(Rule):
    """Relevance passes unchanged, for an elementwise layer: what LRP does at a ReLU.

    Bach et al. 2015 do so for any monotone activation with g(0) = 0; for others it is the user's choice to say so.
    """


def _halves(x):
    """The positive and the negative part of x; None for the negative part if there is none."""
    return (x.clamp(min=0), x.clamp(max=0)) if x.numel() and x.amin() < 0 else (x, None)


def _products(x, own, w, rest):
    """The parts of the contributions x_i w_ij of one sign, that of ``own``: positive inputs meet weights of that sign,
    negative inputs those of the other one, which ``rest`` cuts out of w only where they are needed."""
    positive, negative = _halves(x)
    return [(positive, own)] + ([] if negative is None else [(negative, rest(w, 0))])


def _clamp(b, **bounds):
    return None if b is None else b.clamp(**bounds)
