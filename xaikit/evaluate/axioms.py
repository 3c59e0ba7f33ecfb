"""Every attribution method against every axiom, by searching small networks for one that breaks it.

A search can refute and cannot prove: a cell is a ``Witness`` (a network, an input and a number that anyone
can recompute), or it says that none of the networks tried was one ("holds").  The axioms are those of
Sundararajan, Taly, Yan 2017, "Axiomatic Attribution for Deep Networks", sections 2–4; without the baseline
they are Shapley's (1953) in other words: completeness is his efficiency, sensitivity (b) his dummy player,
and linearity and symmetry bear the same names.
"""

import inspect

import numpy as np
import pandas as pd
import torch

from ..attribution import METHODS, UnsupportedLayer, lrp, path_gradients
from ..attribution.rules import Epsilon
from .trials import AXIOMS
from .witness import Holds, NotApplicable, Witness

TOLERANCE = 1e-2  # a violation counts from this share of the credit's size on
LEAST = 0.1  # credit smaller than this is as good as this: a violation is at least LEAST · TOLERANCE
STEPS, FINE = 128, 4096  # of path methods; what looks like a violation is looked at again with the fine ones


def bent_path(baseline, x, corners=33):
    """γ_i(α) = x′_i + α^{p_i}(x_i − x′_i) with p = 1, 2, 3, …: the later the input, the later it moves.
    (corners, N, D) points.
    """
    powers = torch.arange(1, x[0].numel() + 1, dtype=x.dtype).view(1, *x.shape[1:])
    alpha = torch.linspace(0, 1, corners, dtype=x.dtype).view(-1, *[1] * x.dim())
    return baseline + alpha**powers * (x - baseline)


def bent_path_gradients(model, x, target=None, baseline=None, steps=32):
    """``path_gradients`` along ``bent_path``."""
    return path_gradients(model, x, target, path=bent_path(baseline, x), steps=steps)


SETTINGS = {"occlusion": {"window": 1, "stride": 1}}  # one input at a time
INSTEAD = {"path_gradients": bent_path_gradients}
SLIDES_LRP = "lrp_epsilon, bias excluded"


def axioms(methods=None, trials=200, seed=0):
    """A DataFrame, methods × axioms: ``"holds"`` where ``trials`` tries found no violation, else the first
    ``Witness`` found.

    ``methods``: names of ``attribution.METHODS``, or a mapping name → ``method(model, x, target,
    **options)``; None: all of them, and the ε-rule with biases excluded, which is the LRP of the paper's
    figure.  ``trials`` ≥ 1: pairs of a network and an input per cell, the paper's counterexamples first.
    ``seed``: of the random ones. Methods that take a ``baseline`` also meet random ones; the others are held
    to x′ = 0 (in sensitivity (a): the differing input is 0 in x′).  Methods that read maps meet
    convolutional networks, the others dense ones.  A violation counts from 1 % of the credit's size on; what
    a path method seems to violate with 128 midpoint steps it must violate with 4096.  Path gradients run
    along ``bent_path``. ``"n/a"`` where a method cannot handle the family; ``.reason`` says why.  Raises
    ValueError for an unknown name or trials < 1.
    """
    if trials < 1:
        raise ValueError(f"trials must be at least 1, not {trials}")
    rows = {
        name: {
            a.name: _search(name, function, options, conv, a, k, trials, seed)
            for k, a in enumerate(AXIOMS.values())
        }
        for name, function, options, conv in _methods(methods)
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(AXIOMS), dtype=object)


def _methods(methods):
    """(name, function, options, needs maps) of each row."""
    if hasattr(methods, "items"):
        return [(name, function, {}, False) for name, function in methods.items()]
    names = (
        [*METHODS, SLIDES_LRP]
        if methods is None
        else ([methods] if isinstance(methods, str) else list(methods))
    )
    unknown = [n for n in names if n not in METHODS and n != SLIDES_LRP]
    if unknown:
        raise ValueError(
            f"no method is called {unknown[0]!r}; there are: {', '.join(METHODS)}, and {SLIDES_LRP!r}"
        )
    rules = Epsilon(0, bias="excluded")
    return [
        (n, lrp, {"rules": rules}, False)
        if n == SLIDES_LRP
        else (n, INSTEAD.get(n, METHODS[n].function), SETTINGS.get(n, {}), bool(METHODS[n].needs))
        for n in names
    ]


def _search(name, function, options, conv, axiom, number, trials, seed):
    """One cell: the first violation, or "holds" with what was tried."""
    takes = inspect.signature(function).parameters
    free, stepped = "baseline" in takes, "steps" in takes
    rng, tried, worst = np.random.default_rng([seed, number]), 0, 0.0

    def look(trial, steps):
        """(credit per network, violation, its share, text), each per input."""
        more = (
            options | ({"baseline": trial.baseline} if free else {}) | ({"steps": steps} if stepped else {})
        )
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
            return Witness(
                name,
                axiom.name,
                axiom.says,
                texts[at],
                one.networks,
                one.x[0],
                one.baseline[0],
                [c[at] for c in credit],
                float(gap[at]),
                tried + k + 1,
                None if one.features is None else one.features[0].tolist(),
                one.weights,
            )
        worst, tried = max(worst, float(share[: trials - tried].max())), min(trials, tried + len(share))
        if tried >= trials:
            return Holds(tried, worst)
