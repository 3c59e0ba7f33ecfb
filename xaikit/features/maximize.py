"""The picture that a unit looks for, found by walking uphill (Erhan et al. 2009; Simonyan et al. 2014; Olah et al. 2017)."""
import contextlib
import math
from typing import NamedTuple

import torch
from torch import Tensor

from .. import hooks, layout
from .images import Pixels, blurred, shift, turn_and_zoom
from .objectives import PICTURE, Objective


class Found(NamedTuple):
    """``images`` (n, C, H, W), the objective there ``values`` (n,) (of the pictures as they are, unshaken), after ``step``."""

    images: Tensor
    values: Tensor
    step: int


def maximize(model, objective, shape, **options):
    """The last of `ascend`'s pictures: :class:`Found`.  Options as there; a bar shows where it takes long."""
    from tqdm.auto import tqdm

    with tqdm(total=options.get("steps", 64), desc="maximize", unit="step", delay=2, leave=False) as bar:
        for found in ascend(model, objective, shape, **options):
            bar.update(found.step - bar.n)
    return found


def ascend(model, objective, shape, n=1, steps=64, every=16, rate=0.3, norm=None, bounds=None, parameters=None, blur=0.0,
           jitter=0, rotate=0.0, scale=0.0, fill=None, start=None, seed=0):
    """Walk uphill from ``n`` random pictures of ``shape`` (C, H, W) and yield a :class:`Found` at the start, after ``every``
    steps, and at the end.  Whoever stops listening stops the work; the network is as it was also in between.

    Each step follows the gradient of the *code* (see `images`: ``parameters`` is Pixels(), Fourier() or a Prior), made as
    long as ``rate`` times the code's usual length, and less and less to the end.  The picture is the decoded code, then:

    * ``blur``    under a Gaussian of so many pixels (the gradient is then blurred, too: Øygard 2015)
    * ``norm``    ρ, a number or (n,): scaled to ‖x‖ = ρ (Erhan et al. 2009); or
    * ``bounds``  (low, high): squashed between them by a sigmoid; or neither, so that only penalties in the objective
                  (``logit(3) - 0.01 * l2()``) keep it small

    At each step the network sees it shaken: moved by up to ``jitter`` pixels, turned by up to ``rotate`` degrees, made up to
    ``scale`` (0.1: ten per cent) larger or smaller, with ``fill`` coming in at the border (by default 0, or the middle of
    ``bounds``).  ``start``: a code to begin with, (n, …) or (1, …).  ValueError, TypeError: settings out of range, a layer
    or unit that the network does not have, values that are no numbers.
    """
    if not isinstance(objective, Objective):
        raise TypeError(f"objective is a {type(objective).__name__}; it is made by features.neuron(…), features.logit(…) …")
    _check(shape, n=n, steps=steps, every=every, rate=rate, blur=blur, jitter=jitter, rotate=rotate, scale=scale)
    if norm is not None and bounds is not None:
        raise ValueError("a picture has either a norm or bounds: scaled to the one it would leave the other")
    rho = None if norm is None else torch.as_tensor(norm, dtype=torch.float32).expand(n).view(-1, 1, 1, 1)
    if rho is not None and not (rho > 0).all() or bounds is not None and not bounds[0] < bounds[1]:
        raise ValueError(f"norm is above 0 and bounds are (low, high) with low < high, not {norm if bounds is None else bounds}")
    parameters = Pixels() if parameters is None else parameters
    fill = (sum(bounds) / 2 if bounds else 0.0) if fill is None else fill
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode(False):  # a tensor made in inference mode could never get a gradient
        rho = None if rho is None else rho.clone()
        if start is None:
            code = parameters.start(n, tuple(shape), generator)
            if bounds is not None:
                code = 0.1 * (code - 0.5 * isinstance(parameters, Pixels))  # the middle, nearly
        else:
            code = start.detach().clone().expand(n, *start.shape[1:])
    length = math.sqrt(code[0].numel())  # of a code whose numbers have size 1

    def picture(code):
        x = blurred(parameters.picture(code, tuple(shape)), blur)
        if rho is not None:  # the length is taken as given, so that the step is the gradient's and then the scaling
            return x * (rho / x.detach().flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1))
        return x if bounds is None else bounds[0] + (bounds[1] - bounds[0]) * x.sigmoid()

    def found(step):
        with _looking(model), torch.no_grad():
            x = picture(code)
            return Found(x, _values(model, objective, x), step)

    yield found(0)
    for first in range(0, steps, every):
        last = min(first + every, steps)
        with _looking(model):
            for step in range(first, last):
                code = code.detach().requires_grad_()
                values = _values(model, objective, _shaken(picture(code), jitter, rotate, scale, fill, generator))
                gradient = None
                if values.requires_grad:
                    gradient, = torch.autograd.grad(values.sum(), code, allow_unused=True)
                if gradient is None:
                    raise ValueError(f"the objective ({objective.name}) does not depend on the picture")
                eta = rate * length * (1 - step / steps)
                code = code.detach() + eta * _unit(gradient)
                if rho is not None:
                    code = length * _unit(code)  # Erhan's: back to the sphere
        yield found(last)


def sphere_step(x, gradient, rho, eta):
    """One step of ascent under ‖x‖ = ρ (Erhan et al. 2009, sec. 3.1): ρ (x + η g/‖g‖) / ‖x + η g/‖g‖‖, picture by picture."""
    return rho * _unit(x + eta * _unit(gradient))


def _unit(x):
    """Each of (N, …) divided by its norm; 0 stays 0."""
    return x / x.flatten(1).norm(dim=1).clamp_min(1e-20).view(-1, *[1] * (x.dim() - 1))


@contextlib.contextmanager
def _looking(model):
    with torch.inference_mode(False), torch.enable_grad(), hooks.unchanged(model):
        yield


def _values(model, objective, x):
    """The objective for pictures (N, C, H, W), (N,); the network runs only as far as it must."""
    names = [name for name in objective.layers if name != PICTURE]
    acts, parameter = {}, next(model.parameters(), x)
    if names:
        with hooks.record(model, *names, stop=True) as acts:
            layout.run(model, x.to(parameter))
        missing = [name for name in names if name not in acts]
        if missing:
            raise ValueError(f"layer {missing[0]!r} did not run in the forward pass")
    values = objective(acts | {PICTURE: x})
    if not values.detach().isfinite().all():
        raise ValueError(f"the objective ({objective.name}) became {values[~values.isfinite()][0].item()}: try a smaller rate")
    return values


def _shaken(x, jitter, rotate, scale, fill, generator):
    """The pictures as the network sees them at this step: the same random shift, turn and size for all."""
    u = (2 * torch.rand(4, generator=generator) - 1).tolist()
    if rotate or scale:
        x = turn_and_zoom(x, u[2] * rotate, (1 + scale) ** u[3], fill)
    if jitter:
        x = shift(x, round(u[0] * jitter), round(u[1] * jitter), fill)
    return x


def _check(shape, **values):
    if len(shape) != 3 or not all(isinstance(s, int) and s > 0 for s in shape):
        raise ValueError(f"shape is (C, H, W), not {shape!r}")
    for name in ("n", "steps", "every", "jitter"):
        least = 0 if name == "jitter" else 1
        if isinstance(values[name], bool) or not isinstance(values[name], int) or values[name] < least:
            raise ValueError(f"{name} is a whole number, {least} or more, not {values[name]!r}")
    for name in ("rate", "blur", "rotate", "scale"):
        if not (isinstance(values[name], int | float) and 0 <= values[name] < math.inf) or name == "rate" and values[name] == 0:
            raise ValueError(f"{name} is a number above 0, or 0 for none, not {values[name]!r}")
