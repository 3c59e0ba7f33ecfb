"""DeepLIFT: the gradient in which each nonlinearity's slope is taken over the whole step from a baseline to the input.

Two forward passes: one of the baseline, which records what each nonlinearity was given, and one of x, in which each
nonlinearity is an ``autograd.Function`` with the discrete slope Δy / Δx.  What is linear keeps its own gradient, so
the multipliers obey the chain rule of Shrikumar et al. 2017, eq. 3, and the attributions sum to F(x) − F(baseline).
"""
from collections import deque

import torch

from ..errors import UnsupportedLayer
from . import operations
from .call import explaining
from .checks import check_baseline

# Elementwise functions beyond the kinds of ``hooks``, and those without a kink.
_ELEMENTWISE = {"prelu", "rrelu", "erf", "sin", "cos", "atan", "expm1", "log1p", "softshrink", "hardshrink", "tanhshrink"}
_SMOOTH = {"sigmoid", "tanh", "softplus", "gelu", "silu", "mish", "exp", "log", "logsigmoid", "sqrt", "square", "pow", "__pow__",
           "softsign", "erf", "sin", "cos", "atan", "expm1", "log1p", "tanhshrink"}


def deep_lift(model, x, target=None, baseline=None):
    """DeepLIFT with the rescale rule: m_x = m_y Δy / Δx at each nonlinearity, attribution (x − baseline) · m.

    ``x``: (N, …).  ``target``: int, (N,) tensor, or None for the class predicted for x.  ``baseline``: None (zeros), a number,
    one image, or a tensor shaped like x.  Returns a detached tensor shaped like x that sums to F(x) − F(baseline).
    Max pooling hands Δy to the winner of whichever side is larger; where Δx vanishes the slope is the derivative.
    Raises UnsupportedLayer, naming the layer, for products of two activations, softmax and whatever else is not elementwise.
    Source: Shrikumar et al. 2017, section 3.5.2; max pooling as in Lundberg and Lee's DeepSHAP.
    """
    with explaining(model, x, target) as score:
        base = check_baseline(baseline, score.x)
        return score.per_image(lambda images, rows: _attribute(score, images, base[rows], rows))


def _attribute(score, images, base, rows):
    """Attributions for some of the images."""
    alone = base[:1] if base.stride(0) == 0 else base  # one baseline for all images goes through the network once
    try:
        multipliers = _multipliers(score, images, alone, rows)
    except _Shapes:  # a layer folds the images together with something else
        multipliers = _multipliers(score, images, base.contiguous(), rows)
    attribution = (images - base) * multipliers
    if not attribution.isfinite().all():
        raise ValueError("the baseline takes a layer where it is infinite (log or a root of 0?); choose another baseline")
    return attribution


def _multipliers(score, images, base, rows):
    """Δ score / Δ input, as the product of the slopes along the way."""
    reference = _Reference()
    with torch.no_grad():
        score.logits(base, reference)
    points = images.detach().requires_grad_()
    scores = score(points, rows, engine := _Engine(reference.given))
    if engine.given:
        raise UnsupportedLayer(f"DeepLIFT: layer {engine.given[0][0][1]!r} is not reached in the same order for x and the baseline")
    if not scores.requires_grad:
        return torch.zeros_like(images)
    return torch.autograd.grad(scores.sum(), points)[0]


class _Reference:
    """Records what each nonlinearity is given on the baseline: [(what and where, box of the value), …] in order."""

    def __init__(self):
        self.given, self.keeper = [], operations.Keeper()

    def __call__(self, call):
        self.keeper.before(call)
        if _is_nonlinear(call):
            value = _subject(call)
            self.given.append((_label(call), self.keeper.hold(value.clone() if call.in_place else value)))
        return call()


class _Engine:
    """Runs each nonlinearity of the pass of x with the slope to what the baseline gave it."""

    def __init__(self, given):
        self.given, self.keeper = deque(given), operations.Keeper()

    def __call__(self, call):
        self.keeper.before(call)
        label, base = self.given.popleft() if self.given and _is_nonlinear(call) else (None, None)
        inputs = operations.active(call)
        if not inputs:
            return call()
        operations.check("DeepLIFT", call, inputs)
        if operations.is_move(call) or operations.is_linear(call):
            return call()
        if _is_nonlinear(call) and len(inputs) == 1 and inputs[0] is _subject(call):
            if label != _label(call):
                raise operations.refuse("DeepLIFT", call, "is not reached in the same order for x and for the baseline")
            return self.rescale(call, inputs[0], base)
        result = call()
        if operations.depends(result):
            raise operations.refuse("DeepLIFT", call, "is not covered: it is neither linear nor elementwise nor a max pooling; "
                                    "explain the layer before it (the logits before a softmax), or replace it")
        return result

    def rescale(self, call, x, base):
        value = self.keeper.hold(x.clone() if call.in_place else x)
        if base[0].dim() != x.dim() or any(a not in (1, b) for a, b in zip(base[0].shape, x.shape, strict=True)):
            raise _Shapes
        step = _Step(operations.function(call), value, base, call.name.rstrip("_") in _SMOOTH)
        with torch.no_grad():
            result = call()
        y, *others = result if isinstance(result, tuple) else (result,)  # the max of a dimension comes with its place
        y = (_MaxPool if call.kind == "max_pool" else _Rescale).apply(x, [y.detach()], step, call.in_place)
        return type(result)((y, *others)) if others else y


class _Step:
    """One nonlinearity: y = function(x), the value it had and the one on the baseline."""

    def __init__(self, function, value, base, smooth):
        self.function, self.value, self.base, self.smooth = function, value, base, smooth

    def back(self, at, m):
        """y and the vector-Jacobian product of m there."""
        with torch.enable_grad():
            leaf = at.detach().requires_grad_()
            y = self.function(leaf)
            y = y[0] if isinstance(y, tuple) else y
        return y.detach(), torch.autograd.grad(y, leaf, m.expand_as(y))[0]


class _Rescale(torch.autograd.Function):
    """y = g(x), value by value, and m_x = m_y Δy / Δx."""

    @staticmethod
    def forward(ctx, x, result, step, in_place):
        ctx.step = step
        if in_place:
            ctx.mark_dirty(x)
            return x
        return result[0]

    @staticmethod
    def backward(ctx, m):
        step, x, base = ctx.step, ctx.step.value[0], ctx.step.base[0]
        y, derivative = step.back(x, m)
        run, rise = x - base, y - step.function(base)
        # A quotient loses digits where the run is short, a derivative is off where it is long: they meet at the root of
        # the dtype's resolution.  At a kink the quotient is exact however short the run.
        short = torch.finfo(x.dtype).eps ** 0.5 if step.smooth else 0
        return torch.where(run.abs() <= short, derivative, m * rise / run), None, None, None


class _MaxPool(_Rescale):
    """y = max of some x.  Where y rose, x's winner rose by as much or more; where it fell, the baseline's winner fell so:
    that one gets the credit, and a slope between 0 and 1."""

    @staticmethod
    def backward(ctx, m):
        step, x = ctx.step, ctx.step.value[0]
        base = step.base[0].expand_as(x)
        y, derivative = step.back(x, m)
        rise = y - step.back(base, m)[0]
        credit = step.back(x, m * rise.clamp(min=0))[1] + step.back(base, m * rise.clamp(max=0))[1]
        run = x - base
        return torch.where(run == 0, derivative, credit / run), None, None, None


class _Shapes(Exception):
    """One baseline does not stand for all images in some layer."""


def _is_nonlinear(call):
    return call.kind in ("relu", "activation", "max_pool") or call.name.rstrip("_") in _ELEMENTWISE


def _subject(call):
    """What the nonlinearity is applied to."""
    return call.args[0] if call.args else call.kwargs["input"]


def _label(call):
    return call.name, call.path
