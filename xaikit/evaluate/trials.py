"""The six axioms, each with the networks and inputs to search and with what counts as a violation."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch

from . import families as nets

INPUTS = 8  # inputs tried on each random network, in one batch
ZERO = 1e-9  # credit below this is no credit
SIZES = ((2, 2, 1), (2, 3, 1), (3, 4, 1), (2, 3, 3, 1), (3, 4, 4, 1))


@dataclass
class Trial:
    """Networks and inputs on which an axiom says something.  ``x``, ``baseline``: (N, …); ``features``:
    input indices (N, k).
    """

    networks: tuple
    x: torch.Tensor
    baseline: torch.Tensor
    features: torch.Tensor | None = None
    weights: tuple = ()

    def only(self, k):
        """The trial with its k-th input alone."""
        features = None if self.features is None else self.features[k : k + 1]
        return replace(self, x=self.x[k : k + 1], baseline=self.baseline[k : k + 1], features=features)


@dataclass(frozen=True)
class Axiom:
    """``trials(rng, conv, free)`` yields Trials without end; ``gap(trial, credit, change)`` gives
    (violation, size, text) per input.

    ``credit``: one (N, D) tensor per network; ``change``: F(x) − F(x′) of the first network, (N,).
    """

    name: str
    says: str
    trials: Callable[..., Iterator[Trial]]
    gap: Callable


# What to search -----------------------------------------------------------------------------------


def _batch(rng, width, free, turn, conv):
    """Inputs in [−3, 3] and baselines: zero, or every other time anything, where the method takes one."""
    shape = (INPUTS, 1, 3, 3) if conv else (INPUTS, width)
    x = torch.as_tensor(rng.uniform(-3, 3, shape))
    return x, torch.as_tensor(rng.uniform(-3, 3, shape)) if free and turn % 2 else torch.zeros_like(x)


def _random(rng, conv, turn):
    return nets.random_conv(rng) if conv else nets.random_dense(rng, SIZES[turn % len(SIZES)])


def _twins(rng, conv, turn):
    """Two networks that are equal everywhere: units turned over, or the slides' pair on random lines;
    kernels moved by one.
    """
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
        yield Trial(
            (nets.weighted_sum(nets.slides_pair(), (1, -1)),), _at(3, 1), _at(0, 0), torch.tensor([[0, 1]])
        )
    for turn in range(10**9):
        k, twin = _twins(rng, conv, turn)
        width = _inputs_of(k, conv)
        i = int(rng.integers(width))
        parts, weights = [k, twin], [1, -1]
        if not conv:  # what is left depends on the other inputs only
            depth = len(nets.layers_of(k))
            parts.append(nets.blinded(nets.random_dense(rng, (width, *[3] * (depth - 1), 1)), i))
            weights.append(1)
        yield Trial(
            (nets.weighted_sum(parts, weights),),
            *_batch(rng, width, free, turn, conv),
            torch.full((INPUTS, 1), i),
        )


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
        yield Trial(
            (nets.weighted_sum((f1, f2), weights), f1, f2),
            *_batch(rng, _inputs_of(f1, conv), free, turn, conv),
            weights=weights,
        )


def _symmetry(rng, conv, free):
    if not conv:
        f, g = nets.slides_pair(weight=((2, 0), (0, 1)))
        yield Trial(
            (nets.weighted_sum((f, nets.swapped(g)), (1, 1)),), _at(2, 2), _at(0, 0), torch.tensor([[0, 1]])
        )
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


# What counts as a violation -----------------------------------------------------------------------


def _gap_a(trial, credit, change):
    given = credit[0].gather(1, trial.features)[:, 0]
    return (
        torch.where(given.abs() <= ZERO, change.abs(), 0),
        torch.full_like(change, 5),
        [f"F moves by {c:.2g}, credit 0" for c in change.tolist()],
    )


def _gap_b(trial, credit, change):
    given = credit[0].gather(1, trial.features).abs().amax(1)
    return given, 1 + change.abs(), [f"an input without effect gets {g:.2g}" for g in given.tolist()]


def _gap_invariance(trial, credit, change):
    gap = (credit[0] - credit[1]).abs().amax(1)
    return gap, credit[0].abs().amax(1), [f"equal networks, credit differs by {g:.2g}" for g in gap.tolist()]


def _gap_completeness(trial, credit, change):
    total = credit[0].sum(1)
    return (
        (total - change).abs(),
        credit[0].abs().sum(1) + change.abs(),
        [
            f"credit sums to {t:.2g}, F moves by {c:.2g}"
            for t, c in zip(total.tolist(), change.tolist(), strict=True)
        ],
    )


def _gap_linearity(trial, credit, change):
    a, b = trial.weights
    gap = (credit[0] - a * credit[1] - b * credit[2]).abs().amax(1)
    return (
        gap,
        sum(c.abs().amax(1) for c in credit),
        [f"credit of a·f₁ + b·f₂ is off by {g:.2g}" for g in gap.tolist()],
    )


def _gap_symmetry(trial, credit, change):
    pair = credit[0].gather(1, trial.features)
    return (
        (pair[:, 0] - pair[:, 1]).abs(),
        pair.abs().amax(1),
        [f"two symmetric inputs get {p:.2g} and {q:.2g}" for p, q in pair.tolist()],
    )


AXIOMS = {
    a.name: a
    for a in (
        Axiom(
            "sensitivity (a)",
            "x and x′ differ in one input, F(x) ≠ F(x′) ⇒ that input's credit is not 0",
            _sensitivity_a,
            _gap_a,
        ),
        Axiom(
            "sensitivity (b)",
            "F does not depend on input i ⇒ its credit is 0 (dummy)",
            _sensitivity_b,
            _gap_b,
        ),
        Axiom(
            "implementation invariance",
            "two networks equal for every x ⇒ the same credit",
            _invariance,
            _gap_invariance,
        ),
        Axiom("completeness", "the credit adds up to F(x) − F(x′)", _completeness, _gap_completeness),
        Axiom(
            "linearity",
            "credit of a·f₁ + b·f₂ = a · credit of f₁ + b · credit of f₂",
            _linearity,
            _gap_linearity,
        ),
        Axiom(
            "symmetry",
            "swapping i and j never changes F, x_i = x_j, x′_i = x′_j ⇒ the same credit",
            _symmetry,
            _gap_symmetry,
        ),
    )
}
