"""Every attribution method against every axiom, by searching small networks for one that breaks it.

A search can refute and cannot prove: a cell is a ``Witness`` (a network, an input and a number that anyone can recompute), or it
says that none of the networks tried was one ("holds").  The axioms are those of Sundararajan, Taly, Yan 2017, "Axiomatic
Attribution for Deep Networks", sections 2–4; without the baseline they are Shapley's (1953) in other words: completeness
is his efficiency, sensitivity (b) his dummy player, and linearity and symmetry bear the same names.
"""
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from ..attribution import METHODS, UnsupportedLayer, lrp, path_gradients
from ..attribution.rules import Epsilon
from . import families as nets
from .witness import Holds, NotApplicable, Witness

INPUTS = 8         # inputs tried on each random network, in one batch
TOLERANCE = 1e-2   # a violation counts from this share of the credit's size on
LEAST = 0.1        # credit smaller than this is as good as this: a violation is at least LEAST · TOLERANCE
STEPS, FINE = 128, 4096  # of path methods; what looks like a violation is looked at again with the fine ones
ZERO = 1e-9        # credit below this is no credit
SIZES = ((2, 2, 1), (2, 3, 1), (3, 4, 1), (2, 3, 3, 1), (3, 4, 4, 1))


@dataclass
class Trial:
    """Networks and inputs on which an axiom says something.  ``x``, ``baseline``: (N, …); ``features``: input indices (N, k)."""

    networks: tuple
    x: torch.Tensor
    baseline: torch.Tensor
    features: torch.Tensor | None = None
    weights: tuple = ()

    def only(self, k):
        """The trial with its k-th input alone."""
        features = None if self.features is None else self.features[k:k + 1]
        return replace(self, x=self.x[k:k + 1], baseline=self.baseline[k:k + 1], features=features)


@dataclass(frozen=True)
class Axiom:
    """``trials(rng, conv, free)`` yields Trials without end; ``gap(trial, credit, change)`` gives (violation, size, text) per input.

    ``credit``: one (N, D) tensor per network; ``change``: F(x) − F(x′) of the first network, (N,).
    """

    name: str
    says: str
    trials: Callable[..., Iterator[Trial]]
    gap: Callable


def bent_path(baseline, x, corners=33):
    """γ_i(α) = x′_i + α^{p_i}(x_i − x′_i) with p = 1, 2, 3, …: the later the input, the later it moves.  (corners, N, D) points."""
    powers = torch.arange(1, x[0].numel() + 1, dtype=x.dtype).view(1, *x.shape[1:])
    alpha = torch.linspace(0, 1, corners, dtype=x.dtype).view(-1, *[1] * x.dim())
    return baseline + alpha**powers * (x - baseline)


# What to search ---------------------------------------------------------------------------------------------------------

def _batch(rng, width, free, turn, conv):
    """Inputs in [−3, 3] and baselines: zero, or every other time anything, where the method takes one."""
    shape = (INPUTS, 1, 3, 3) if conv else (INPUTS, width)
    x = torch.as_tensor(rng.uniform(-3, 3, shape))
    return x, torch.as_tensor(rng.uniform(-3, 3, shape)) if free and turn % 2 else torch.zeros_like(x)


def _random(rng, conv, turn):
    return nets.random_conv(rng) if conv else nets.random_dense(rng, SIZES[turn % len(SIZES)])


def _twins(rng, conv, turn):
    """Two networks that are equal everywhere: units turned over, or the slides' pair on random lines; kernels moved by one."""
    if not conv and turn % 2:
        return nets.random_slides_pair(rng, SIZES[turn % len(SIZES)][0])
    net = _random(rng, conv, turn)
    return net, nets.shifted(net) if conv else nets.flipped(net, rng)


def _at(*values):
    return torch.tensor([values], dtype=nets.F64)


def _inputs_of(net, conv):
    return 9 if conv else net[0].in_features


def _sensitivity_a(rng, conv, free):
    if conv:
        x = torch.zeros(1, 1, 2, 2, dtype=nets.F64)
        x[0, 0, 0, 0] = 2
        yield Trial((nets.flat_beyond_one_image(),), x, torch.zeros_like(x), torch.tensor([[0]]))
    else:
        yield Trial((nets.slides_pair()[0],), _at(3, 1), _at(3, 0), torch.tensor([[1]]))
        yield Trial((nets.flat_beyond_one(),), _at(2), _at(0), torch.tensor([[0]]))
    for turn in range(10**9):
        net = _random(rng, conv, turn)
        x, other = _batch(rng, _inputs_of(net, conv), free, turn, conv)
        i = torch.as_tensor(rng.integers(_inputs_of(net, conv), size=(INPUTS, 1)))
        baseline = x.flatten(1).scatter(1, i, other.flatten(1).gather(1, i)).view_as(x)
        yield Trial((net,), x, baseline, i)


def _sensitivity_b(rng, conv, free):
    if not conv:
        yield Trial((nets.weighted_sum(nets.slides_pair(), (1, -1)),), _at(3, 1), _at(0, 0), torch.tensor([[0, 1]]))
    for turn in range(10**9):
        k, twin = _twins(rng, conv, turn)
        width = _inputs_of(k, conv)
        i = int(rng.integers(width))
        parts, weights = [k, twin], [1, -1]
        if not conv:  # what is left depends on the other inputs only
            depth = len(nets.layers_of(k))
            parts.append(nets.blinded(nets.random_dense(rng, (width, *[3] * (depth - 1), 1)), i))
            weights.append(1)
        yield Trial((nets.weighted_sum(parts, weights),), *_batch(rng, width, free, turn, conv), torch.full((INPUTS, 1), i))


def _invariance(rng, conv, free):
    if not conv:
        yield Trial(nets.slides_pair(), _at(3, 1), _at(0, 0))
    for turn in range(10**9):
        pair = _twins(rng, conv, turn)
        if not conv and turn % 4 == 2:
            pair = pair[0], nets.rescaled(pair[0], 10.0 ** (rng.integers(-7, 3) if turn > 2 else -6))
        yield Trial(pair, *_batch(rng, _inputs_of(pair[0], conv), free, turn, conv))


def _completeness(rng, conv, free):
    if not conv:
        yield Trial((nets.flat_beyond_one(),), _at(2), _at(0))
    for turn in range(10**9):
        net = _random(rng, conv, turn)
        yield Trial((net,), *_batch(rng, _inputs_of(net, conv), free, turn, conv))


def _linearity(rng, conv, free):
    for turn in range(10**9):
        f1, f2 = _random(rng, conv, turn), _random(rng, conv, turn)
        weights = tuple(rng.uniform(-2, 2, 2).round(1))
        yield Trial((nets.weighted_sum((f1, f2), weights), f1, f2),
                    *_batch(rng, _inputs_of(f1, conv), free, turn, conv), weights=weights)


def _symmetry(rng, conv, free):
    if not conv:
        f, g = nets.slides_pair(weight=((2, 0), (0, 1)))
        yield Trial((nets.weighted_sum((f, nets.swapped(g)), (1, 1)),), _at(2, 2), _at(0, 0), torch.tensor([[0, 1]]))
    for turn in range(10**9):
        if conv:
            net = nets.one_tap(rng)
        else:
            half, other = _twins(rng, conv, turn)
            net = nets.weighted_sum((half, nets.swapped(other if turn % 4 < 2 else half)), (1, 1))
        x, baseline = _batch(rng, _inputs_of(net, conv), free, turn, conv)
        for t in (x, baseline):
            t.flatten(1)[:, 1] = t.flatten(1)[:, 0]
        yield Trial((net,), x, baseline, torch.tensor([[0, 1]]).expand(INPUTS, 2))


# What counts as a violation ------------------------------------------------------------------------------------------------

def _gap_a(trial, credit, change):
    given = credit[0].gather(1, trial.features)[:, 0]
    return torch.where(given.abs() <= ZERO, change.abs(), 0), torch.full_like(change, 5), [
        f"F moves by {c:.2g}, credit 0" for c in change.tolist()]


def _gap_b(trial, credit, change):
    given = credit[0].gather(1, trial.features).abs().amax(1)
    return given, 1 + change.abs(), [f"an input without effect gets {g:.2g}" for g in given.tolist()]


def _gap_invariance(trial, credit, change):
    gap = (credit[0] - credit[1]).abs().amax(1)
    return gap, credit[0].abs().amax(1), [f"equal networks, credit differs by {g:.2g}" for g in gap.tolist()]


def _gap_completeness(trial, credit, change):
    total = credit[0].sum(1)
    return (total - change).abs(), credit[0].abs().sum(1) + change.abs(), [
        f"credit sums to {t:.2g}, F moves by {c:.2g}" for t, c in zip(total.tolist(), change.tolist(), strict=True)]


def _gap_linearity(trial, credit, change):
    a, b = trial.weights
    gap = (credit[0] - a * credit[1] - b * credit[2]).abs().amax(1)
    return gap, sum(c.abs().amax(1) for c in credit), [f"credit of a·f₁ + b·f₂ is off by {g:.2g}" for g in gap.tolist()]


def _gap_symmetry(trial, credit, change):
    pair = credit[0].gather(1, trial.features)
    return (pair[:, 0] - pair[:, 1]).abs(), pair.abs().amax(1), [
        f"two symmetric inputs get {p:.2g} and {q:.2g}" for p, q in pair.tolist()]


AXIOMS = {a.name: a for a in (
    Axiom("sensitivity (a)", "x and x′ differ in one input, F(x) ≠ F(x′) ⇒ that input's credit is not 0", _sensitivity_a, _gap_a),
    Axiom("sensitivity (b)", "F does not depend on input i ⇒ its credit is 0 (dummy)", _sensitivity_b, _gap_b),
    Axiom("implementation invariance", "two networks equal for every x ⇒ the same credit", _invariance, _gap_invariance),
    Axiom("completeness", "the credit adds up to F(x) − F(x′)", _completeness, _gap_completeness),
    Axiom("linearity", "credit of a·f₁ + b·f₂ = a · credit of f₁ + b · credit of f₂", _linearity, _gap_linearity),
    Axiom("symmetry", "swapping i and j never changes F, x_i = x_j, x′_i = x′_j ⇒ the same credit", _symmetry, _gap_symmetry),
)}


def bent_path_gradients(model, x, target=None, baseline=None, steps=32):
    """``path_gradients`` along ``bent_path``."""
    return path_gradients(model, x, target, path=bent_path(baseline, x), steps=steps)


SETTINGS = {"occlusion": {"window": 1, "stride": 1}}  # one input at a time
INSTEAD = {"path_gradients": bent_path_gradients}
SLIDES_LRP = "lrp_epsilon, bias excluded"


def axioms(methods=None, trials=200, seed=0):
    """A DataFrame, methods × axioms: ``"holds"`` where ``trials`` tries found no violation, else the first ``Witness`` found.

    ``methods``: names of ``attribution.METHODS``, or a mapping name → ``method(model, x, target, **options)``; None: all of them,
    and the ε-rule with biases excluded, which is the LRP of the paper's figure.  ``trials`` ≥ 1: pairs of a network and an input
    per cell, the paper's counterexamples first.  ``seed``: of the random ones.
    Methods that take a ``baseline`` also meet random ones; the others are held to x′ = 0 (in sensitivity (a): the differing
    input is 0 in x′).  Methods that read maps meet convolutional networks, the others dense ones.  A violation counts from 1 % of
    the credit's size on; what a path method seems to violate with 128 midpoint steps it must violate with 4096.  Path gradients
    run along ``bent_path``.
    ``"n/a"`` where a method cannot handle the family; ``.reason`` says why.  Raises ValueError for an unknown name or trials < 1.
    """
    if trials < 1:
        raise ValueError(f"trials must be at least 1, not {trials}")
    rows = {name: {a.name: _search(name, function, options, conv, a, k, trials, seed) for k, a in enumerate(AXIOMS.values())}
            for name, function, options, conv in _methods(methods)}
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(AXIOMS), dtype=object)


def _methods(methods):
    """(name, function, options, needs maps) of each row."""
    if hasattr(methods, "items"):
        return [(name, function, {}, False) for name, function in methods.items()]
    names = [*METHODS, SLIDES_LRP] if methods is None else ([methods] if isinstance(methods, str) else list(methods))
    unknown = [n for n in names if n not in METHODS and n != SLIDES_LRP]
    if unknown:
        raise ValueError(f"no method is called {unknown[0]!r}; there are: {', '.join(METHODS)}, and {SLIDES_LRP!r}")
    rules = Epsilon(0, bias="excluded")
    return [(n, lrp, {"rules": rules}, False) if n == SLIDES_LRP else
            (n, INSTEAD.get(n, METHODS[n].function), SETTINGS.get(n, {}), bool(METHODS[n].needs)) for n in names]


def _search(name, function, options, conv, axiom, number, trials, seed):
    """One cell: the first violation, or "holds" with what was tried."""
    takes = inspect.signature(function).parameters
    free, stepped = "baseline" in takes, "steps" in takes
    rng, tried, worst = np.random.default_rng([seed, number]), 0, 0.0

    def look(trial, steps):
        """(credit per network, violation, its share, text), each per input."""
        more = options | ({"baseline": trial.baseline} if free else {}) | ({"steps": steps} if stepped else {})
        credit = [function(net, trial.x, 0, **more).flatten(1) for net in trial.networks]
        change = (trial.networks[0](trial.x) - trial.networks[0](trial.baseline))[:, 0]
        gap, size, texts = axiom.gap(trial, credit, change)
        return credit, gap, torch.nan_to_num(gap / size.clamp(min=LEAST), nan=torch.inf), texts

    for trial in axiom.trials(rng, conv, free):
        try:
            credit, gap, share, texts = look(trial, STEPS)
        except UnsupportedLayer as error:
            return NotApplicable(str(error))
        for k in (share[: trials - tried] > TOLERANCE).nonzero().flatten().tolist():
            one = trial.only(k)
            if stepped:  # an error of the quadrature goes away, a violation stays
                credit, gap, fine, texts = look(one, FINE)
                share[k] = fine[0]
                if fine[0] <= TOLERANCE:
                    continue
                at = 0
            else:
                at = k
            return Witness(name, axiom.name, axiom.says, texts[at], one.networks, one.x[0], one.baseline[0],
                           [c[at] for c in credit], float(gap[at]), tried + k + 1,
                           None if one.features is None else one.features[0].tolist(), one.weights)
        worst, tried = max(worst, float(share[: trials - tried].max())), min(trials, tried + len(share))
        if tried >= trials:
            return Holds(tried, worst)
