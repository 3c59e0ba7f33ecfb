"""Methods that send one signal back through the network: the gradient, and what guided backprop makes of
it."""

import functools
import numbers

import torch
from torch.nn import functional as F

from .. import hooks
from ..errors import UnsupportedLayer
from .call import derivative, each, explaining
from .checks import check_steps

# Activations that stand where a ReLU could, for which guided backprop and the deconvnet are not defined.
_NO_RULE = set("leaky_relu prelu rrelu elu selu celu gelu silu mish relu6 hardswish softplus".split())


def gradient(model, x, target=None):
    """Sensitivity of the score to each input value: ∂F/∂x.  (N, …) → (N, …)

    Source: Simonyan, Vedaldi, Zisserman 2014, "Deep Inside Convolutional Networks", section 3, equation 4
    (signed here: no absolute value, no maximum over channels).
    Raises as ``call.explaining``.
    """
    with explaining(model, x, target) as score:
        return score.per_image(score.gradient)


def gradient_x_input(model, x, target=None):
    """First-order share of each input value in the score: x ⊙ ∂F/∂x.  (N, …) → (N, …)

    Source: Shrikumar, Greenside, Kundaje 2017, "Learning Important Features Through Propagating Activation
    Differences", section 2.2.
    Raises as ``call.explaining``.
    """
    with explaining(model, x, target) as score:
        return score.per_image(lambda points, rows: points * score.gradient(points, rows))


def smoothgrad(model, x, target=None, samples=16, noise=0.15, seed=0):
    """Mean gradient over noisy copies of the input: (1/n) Σₖ ∂F(x + εₖ)/∂x, εₖ ~ N(0, σ²).  (N, …) → (N, …)

    ``samples``: n ≥ 1.  ``noise``: σ as a share ≥ 0 of each image's range, max x − min x.  ``seed``: of the
    noise, which is the same for every image, so that a batch gives what its images give alone.  Target None
    is the class predicted without noise.
    Source: Smilkov et al. 2017, "SmoothGrad", section 2.1.
    Raises as ``call.explaining``; ValueError for options out of range.
    """
    samples = check_steps(samples, "samples")
    if isinstance(noise, bool) or not isinstance(noise, numbers.Real) or not 0 <= noise < float("inf"):
        raise ValueError(f"noise must be a share of the image's range, 0 or more, not {noise!r}")
    with explaining(model, x, target, many=True) as score:
        generator, flat = torch.Generator().manual_seed(seed), score.x.flatten(1)
        sigma = each(noise * (flat.amax(1) - flat.amin(1)), score.x)

        @functools.lru_cache(maxsize=1)  # asked for in order; the next chunk may begin with the same one
        def epsilon(k):
            return torch.randn(x.shape[1:], generator=generator).to(score.x)

        def noisy(k, rows):
            return score.x[rows] + sigma[rows] * torch.cat(
                [epsilon(i).expand_as(score.x[rows[k == i]]) for i in k.unique().tolist()]
            )

        return score.sum_gradients(torch.full((samples,), 1 / samples), noisy)


def guided_backprop(model, x, target=None):
    """The gradient, where each ReLU lets back only what is positive: R = 1[x > 0] · max(R, 0).  (N, …) → (N,
    …)

    Source: Springenberg, Dosovitskiy, Brox, Riedmiller 2015, "Striving for Simplicity", section 3.4, figure
    1.
    Raises as ``call.explaining``; UnsupportedLayer for activations like GELU, which have no such rule.
    """
    return _with_relu_rule(model, x, target, "guided")


def deconvnet(model, x, target=None):
    """The gradient, where each ReLU's mask is dropped and the signal itself rectified: R = max(R, 0).  (N, …)
    → (N, …)

    Source: Zeiler, Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 2.1, as
    written in Simonyan et al. 2014, section 4.
    Raises as ``guided_backprop``.
    """
    return _with_relu_rule(model, x, target, "deconvnet")


def _with_relu_rule(model, x, target, rule):
    with explaining(model, x, target) as score:
        hooks.visible(model)
        return score.per_image(lambda points, rows: _signal(score, points, rows, rule))


def _signal(score, points, rows, rule):
    """What arrives at the points.  A node of autograd's graph knows the gradient that came (out) and the one it makes of
    that (in): guided backprop rectifies the second, the deconvnet the first."""
    points = points.detach().requires_grad_()
    logits, seed = score.seeded(points, rows)
    rectified = {  # what comes in was made for this node alone; what came out, another branch may hold, too
        "guided": lambda R_in, R_out: (R_in[0].clamp_(min=0),),
        "deconvnet": lambda R_in, R_out: (R_out[0].clamp(min=0),),
    }[rule]
    nodes = _nodes(logits)
    if _doubtful_nodes() & {node.name() for node in nodes}:  # each operation has to be looked at, which takes longer
        return score.gradient(points, rows, relu_handler(RELU_RULES[rule]))
    for node in nodes:
        if node.name() == _relu_node():
            node.register_hook(rectified)
    return derivative(logits, points, seed)


def _nodes(output):
    """The graph that autograd kept: a node for every operation on the way from x, however the network wrote it."""
    nodes, known = [output.grad_fn] * output.requires_grad, {output.grad_fn}
    for node in nodes:  # which grows meanwhile
        new = {before for before, _ in node.next_functions if before is not None} - known
        known |= new
        nodes += new
    return nodes


# What goes on down where the signal R arrives at y = max(x, 0).
RELU_RULES = {
    "gradient": lambda R, x, y: R * y.sign(),
    "deconvnet": lambda R, x, y: R.clamp(min=0),
    "guided": lambda R, x, y: torch.ops.aten.threshold_backward(R, y, 0).clamp_(min=0),  # R where y > 0
}


@functools.cache
def _relu_node():
    return torch.ones(1, requires_grad=True).relu().grad_fn.name()  # torch itself says what it calls it


@functools.cache
def _doubtful_nodes():
    """Nodes that may be a ReLU in disguise (a clamp, an in-place operation on a view) or an activation without a rule."""
    t = torch.ones(1, 1, requires_grad=True)
    made = [getattr(F, name)(*(t, t.detach()[0]) if name == "prelu" else (t,)) for name in _NO_RULE]
    made += [t.clamp(min=0), t.clamp_min(0), t.clamp(min=t.detach()), t.clone()[0].relu_()._base]
    return {m.grad_fn.name() for m in made}


def relu_handler(rule):
    """A handler for ``hooks.interpose``: every ReLU goes back by ``rule(R, x, y)`` (x is None), all else as it is."""

    def handler(call):
        name = call.name.rstrip("_")
        if name in _NO_RULE:
            raise UnsupportedLayer(
                f"{name} in layer {call.path or '(the network)'!r}: this method has a rule for ReLU only"
            )
        if call.kind == "relu" or _is_relu_by_clamping(name, call):
            return hooks.ruled(call, rule, keep_input=False)
        return call()

    return handler


def _is_relu_by_clamping(name, call):
    """``x.clamp(min=0)`` in its spellings."""
    if name not in ("clamp", "clip", "clamp_min"):
        return False
    bounds = dict(zip(("min", "max"), call.args[1:], strict=False)) | call.kwargs
    low, high = bounds.get("min"), bounds.get("max")
    return high is None and not torch.is_tensor(low) and low == 0
