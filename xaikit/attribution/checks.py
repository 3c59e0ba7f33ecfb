"""What cannot be explained, and how that is said: TypeError or ValueError that name the value and what to
do."""

import contextlib
import math
import numbers

import torch
from torch import nn

from .. import hooks


def check_steps(steps, name="steps"):
    """A whole number ≥ 1, as int; TypeError or ValueError otherwise."""
    if isinstance(steps, bool) or not isinstance(steps, numbers.Integral):
        raise TypeError(f"{name} must be a whole number, not {steps!r}")
    if steps < 1:
        raise ValueError(f"{name} must be at least 1, not {steps}")
    return int(steps)


def check_baseline(baseline, x, name="baseline"):
    """The baseline as a tensor of x's shape.

    ``baseline``: None (zeros), a number, or a tensor of x's shape, of one image's shape, or with ones in
    place of some sizes.  TypeError or ValueError otherwise.
    """
    if baseline is None:
        return torch.zeros_like(x)
    if isinstance(baseline, bool) or not (torch.is_tensor(baseline) or isinstance(baseline, numbers.Real)):
        raise TypeError(f"{name} must be None, a number or a tensor, not {type(baseline).__name__}")
    given = torch.as_tensor(baseline).detach().to(x)
    full = given if given.dim() in (0, x.dim()) else given[None]
    if full.dim() not in (0, x.dim()) or any(
        a not in (1, b) for a, b in zip(full.shape, x.shape, strict=False)
    ):
        raise ValueError(
            f"{name} has shape {tuple(given.shape)}, x has {tuple(x.shape)}; "
            "it must be that of x, or of one image"
        )
    if not given.isfinite().all():
        raise ValueError(f"{name} holds NaN or infinite values")
    return full.expand_as(x)


def check_model(model):
    """The network's modules and its parameters.  TypeError if it is no module, ValueError if nothing can be
    differentiated through it."""
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model must be a torch.nn.Module, not {type(model).__name__}; "
            "wrap a function in a module whose forward calls it"
        )
    modules = hooks.modules(model)
    parameters = list({id(p): p for m in modules for p in m._parameters.values() if p is not None}.values())
    buffers = [b for m in modules for b in m._buffers.values() if b is not None]
    if any(tensor.is_inference() for tensor in (*parameters, *buffers)):
        raise ValueError(
            "the network was made under inference_mode, so that nothing can be differentiated through it; "
            "make or load it outside"
        )
    return modules, parameters


def check_input(x):
    """TypeError or ValueError if x is no floating-point batch (N, …) of finite values."""
    if not torch.is_tensor(x):
        raise TypeError(f"x must be a tensor (N, …), not {type(x).__name__}")
    if not x.is_floating_point():
        raise TypeError(
            f"x is {x.dtype}; gradients need floating point: x.float() (images: x / 255; words: explain the "
            "network after its embedding)"
        )
    if x.dim() < 2:
        raise ValueError(
            f"x has shape {tuple(x.shape)}; a batch (N, …) is needed: x[None] makes one of one image"
        )
    if x.numel() == 0:
        raise ValueError(f"x has shape {tuple(x.shape)}: there is nothing in it to explain")
    if not math.isfinite(x.sum()) and not x.isfinite().all():  # the sum is quick, and finite only if all are
        where = (~x.isfinite()).nonzero()[0].tolist()
        raise ValueError(
            f"x holds {x[tuple(where)].item()} at {where}; clean it first, for example with x.nan_to_num()"
        )


def check_target(target, x):
    """The target as (N,) int64, or None for the predicted class.  TypeError or ValueError for anything
    else."""
    if target is None:
        return None
    if isinstance(target, str):
        raise TypeError(f"target must be a whole number, a (N,) tensor of them, or None, not {target!r}")
    try:
        target = torch.as_tensor(target)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"target must be a whole number, a (N,) tensor of them, or None, not {type(target).__name__}"
        ) from None
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise TypeError(f"target must be whole, not {target.tolist()!r} ({target.dtype})")
    if target.dim() > 1 or (target.dim() == 1 and len(target) != len(x)):
        raise ValueError(
            f"target has shape {tuple(target.shape)} for {len(x)} image{'s' * (len(x) > 1)}; "
            f"give one number or ({len(x)},) of them"
        )
    return target.to(x.device, torch.int64, copy=True).expand(len(x))


@contextlib.contextmanager
def watched(model, at):
    """Keeps the operation that is running in the list ``at``; RuntimeError where a convolution gets no
    batch."""

    def look(call):
        at[:] = [call]
        if call.kind in ("conv", "conv_transpose") and call.args[0].dim() < call.args[1].dim():
            raise RuntimeError(
                f"the batch is missing; it got {call.args[0].dim()} dimensions and needs {call.args[1].dim()}"
            )
        return call()

    with hooks.interpose(model, look):
        yield


def misfit(score, points, error):
    """The error to raise for a forward pass that failed: it names the layer that could not take what it
    got."""
    model = score.model
    dtypes = {p.dtype for p in model.parameters() if p.is_floating_point()}
    if dtypes and points.dtype not in dtypes:
        return TypeError(
            f"x is {points.dtype}, the network {'/'.join(map(str, dtypes))}: use x.to({next(iter(dtypes))})"
        )
    devices = {p.device for p in model.parameters()}
    if devices and points.device not in devices:
        return ValueError(
            f"x is on {points.device}, the network on {'/'.join(map(str, devices))}: move one of them"
        )
    at = []
    with contextlib.suppress(Exception), torch.no_grad(), watched(model, at):
        model(points.clone())
    where = (
        f"layer {at[0].path or '(the network)'!r} ({type(at[0].module).__name__})" if at else "the network"
    )
    return ValueError(
        f"x has shape {tuple(score.x.shape)}, which {where} cannot take: {str(error).splitlines()[0]}"
    )
