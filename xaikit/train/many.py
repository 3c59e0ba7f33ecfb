"""Train many small networks at once: one vectorised pass serves every seed, setting, label set and width.

Each network trains as it would alone: its own initial weights, its own order of the data, its own step sizes; the
losses are summed, so that no network sees another.  What a loop would do in E passes is here one: the gradient of
the sum of ``vmap(functional_call)`` (Horace He, Richard Zou 2021, *functorch*).
"""
import itertools
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from .batches import Data, batches
from .checkpoint import Checkpoint
from .stack import Stack, culprit

OPTIMIZERS = ("sgd", "adam")
_OWN = {"lr": 1e-3, "weight_decay": 0.0, "momentum": 0.0, "noise": 0.0}  # what a setting may set for the training


@dataclass
class Now:
    """What a measurement sees: all networks of a stack at one moment.  ``losses`` (E,): of the last batch."""

    step: int
    settings: list
    losses: torch.Tensor
    stack: Stack

    def forward(self, x, shared=True):
        """Outputs (E, N, …) in eval mode for x (N, …); for (E, N, …), each network its own, with ``shared=False``."""
        return self.stack.forward(x, shared=shared)


@dataclass
class Histories:
    """What happened.  ``settings``: a dict for each network; ``steps`` (T,): when was measured; ``measured``: name →
    (T, E, …), with NaN after a network's divergence; ``diverged``: (E,) the step at which a loss was no number, −1
    where none was.  ``model(i)``: network i as a module in eval mode."""

    settings: list
    steps: torch.Tensor
    measured: dict
    diverged: torch.Tensor
    models: list = field(repr=False, default_factory=list)

    def model(self, index):
        return self.models[index]()

    def frame(self):
        """A DataFrame, a row for each network and measured step: its setting, step, and every scalar measurement."""
        import pandas as pd

        rows = []
        scalars = {k: v for k, v in self.measured.items() if v.dim() == 2}
        for e, setting in enumerate(self.settings):
            plain = {k: v for k, v in setting.items() if isinstance(v, int | float | str | bool | type(None))}
            for t, step in enumerate(self.steps.tolist()):
                rows.append({**plain, "network": e, "step": step, **{k: v[t, e].item() for k, v in scalars.items()}})
        return pd.DataFrame(rows)

    def first(self, name, condition):
        """(E,) the first measured step at which ``condition(measured[name])`` holds, inf where it never does."""
        met = condition(self.measured[name])
        steps = self.steps.double()[:, None].expand(met.shape)
        return torch.where(met, steps, torch.inf).amin(0)


@dataclass(frozen=True)
class Plan:
    """How every network of a sweep is trained; what differs between them stands in their settings."""

    make_model: Callable
    data: Callable
    steps: int
    batch_size: int | None
    optimizer: str
    loss: Callable
    schedule: Callable | None
    measure: Callable | None
    moments: tuple
    until: Callable | None


def fit_many(make_model, data, settings=({},), seeds=(0,), *, steps=1000, batch_size=64, optimizer="adam",
             loss=F.cross_entropy, schedule=None, measure=None, every=None, until=None, limit=2**31, folder=None,
             progress=True):
    """Train a network for every setting and seed, all at once; returns `Histories` (settings outer, seeds inner).

    ``make_model(setting) -> nn.Module`` is called under ``torch.manual_seed(setting["seed"])``; widths may differ
    between settings.  ``data``: (inputs (N, …), labels (N, …)), or ``data(setting)`` that returns such a pair; equal
    tensors are held once.  A setting is a dict; of its keys training itself reads ``seed``, ``lr``, ``weight_decay``
    (decoupled for "adam", AdamW; coupled for "sgd"), ``momentum`` and ``noise`` (σ of Gaussian noise on the inputs).
    ``batch_size=None``: all data in every step.  ``schedule(t) -> factor`` on lr, t from 0 to 1.
    ``measure(now: Now) -> {name: (E, …)}`` at step 0, after every ``every`` steps (a number, or the steps themselves)
    and after the last; ``until(now) -> (E,)`` bool ends the training of a stack once it holds for all its networks.
    ``limit``: bytes that training may take; more networks than fit are trained in turn, and each turn is a task of
    joblib, so that ``joblib.parallel_config(backend=…)`` spreads them over processes or machines.
    ``folder``: finished turns are kept there, and every 20 seconds the state of the one that runs; the same call
    continues where it was interrupted, with the same results to the last bit.

    The same numbers as each alone: initial weights, batches (``batches``) and noise follow from the seed.
    A network whose loss is no number stops there (``diverged``), the others go on.  One that cannot be vectorised is
    trained in a loop, with a warning that names the layer.  ValueError: settings or data out of range or empty.
    """
    from .sweep import run

    chosen = [{"seed": seed, **setting} for setting, seed in itertools.product(settings, seeds)]
    _check(chosen, steps, batch_size, optimizer)
    stops = [every or max(1, steps // 50)] if not hasattr(every, "__iter__") else None
    moments = range(0, steps, stops[0]) if stops else [m for m in every if m < steps]
    plan = Plan(make_model, data if callable(data) else lambda setting: data, steps, batch_size, optimizer, loss,
                schedule, measure, tuple(sorted({0, *moments, steps})), until)
    return run(plan, chosen, limit, folder, progress)


def build(plan, setting):
    """The untrained network of a setting, the caller's random state untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(setting["seed"])
        return plan.make_model(setting)


def train_stack(plan, settings, models, vectorised=True, tick=lambda n=1: None, kept=None):
    """Train the networks of one stack; returns (stack, measured steps, name → (T, E, …), diverged (E,)).  ``kept``: a
    `Checkpoint`, from whose state the training goes on."""
    kept = kept or Checkpoint()
    stack, data, count = Stack(models), Data(plan, settings), len(models)
    if not data.x.is_floating_point() and any(s.get("noise", 0) for s in settings):
        raise ValueError("noise on inputs that are whole numbers")
    hyper = {k: torch.tensor([float(s.get(k, v)) for s in settings], dtype=torch.float64) for k, v in _OWN.items()}
    losses_of, state = _losses(plan, stack, data, vectorised), kept.read()
    begin, found, at, losses, diverged = 0, {}, [], torch.full((count,), torch.nan), torch.full((count,), -1)
    if state:
        begin, found, at, losses, diverged, stack.parameters, stack.buffers, noise, optimizer = state
        data.resume(begin, noise)
        tick(begin)
    update = _Update(plan.optimizer, stack, hyper)
    if state:
        update.optimizer.load_state_dict(optimizer)

    def standing():
        return (step + 1, found, at, losses, diverged, stack.parameters, stack.buffers, data.state(), update.optimizer.state_dict())

    with torch.random.fork_rng(devices=[]):
        for step in range(begin, plan.steps + 1):
            if step in plan.moments:
                now = Now(step, settings, losses, stack)
                done = _record(plan, now, found, diverged)
                at.append(step)
                if done or step == plan.steps or (diverged >= 0).all():
                    break
            # for dropout; torch.manual_seed would also look for devices, which takes longer than a small network's step
            torch.default_generator.manual_seed(1_000_003 * settings[0]["seed"] + step)
            stack.template.train()
            losses, grads = _gradients(losses_of, stack, *data.batch())
            if not losses.isfinite().all():
                diverged[~losses.isfinite() & (diverged < 0)] = step
            factor = float(plan.schedule((step + 0.5) / plan.steps)) if plan.schedule else 1.0
            update(grads, factor, (diverged >= 0).nonzero()[:, 0])
            kept.keep(standing)
            tick()
    return stack, at, {k: torch.stack(v) for k, v in found.items()}, diverged


def _losses(plan, stack, data, vectorised):
    """f(parameters, buffers, x (E, B, …), y (E, B, …)) → (losses (E,) with a graph, the buffers afterwards)."""
    def one(parameters, buffers, x, y):
        return plan.loss(stack.one(parameters, buffers, x), y), buffers

    def at_once(parameters, buffers, x, y):
        out, buffers = stack.together(parameters, buffers, x)
        if plan.loss is F.cross_entropy and classes:  # as vmap gives it, in half the time
            each = F.cross_entropy(out.flatten(0, 1), y.flatten(0, 1), reduction="none")
            return each.view(len(x), -1).mean(1), buffers
        return torch.func.vmap(plan.loss, randomness="different")(out, y), buffers

    def in_turn(parameters, buffers, x, y):
        parts = [one({k: v[e] for k, v in parameters.items()}, {k: v[e].clone() for k, v in buffers.items()}, x[e], y[e])
                 for e in range(len(x))]
        return torch.utils._pytree.tree_map(lambda *leaves: torch.stack(leaves), *parts)

    classes = not data.y.is_floating_point() and bool((data.y >= 0).all())  # a label of −100 would count for nothing
    return at_once if vectorised else in_turn


def _gradients(losses_of, stack, x, y):
    """The losses (E,) and name → gradient; no network's loss depends on another, so that those of the sum are theirs."""
    leaves = {name: p.detach().requires_grad_() for name, p in stack.parameters.items()}
    with torch.enable_grad():
        losses, buffers = losses_of(leaves, stack.buffers, x, y)
        grads = torch.autograd.grad(losses.sum(), tuple(leaves.values()), materialize_grads=True)
    stack.buffers = {name: b.detach() for name, b in buffers.items()}
    return losses.detach(), {name: g.contiguous() for name, g in zip(leaves, grads, strict=True)}  # as fused updates need it


def _record(plan, now, found, diverged):
    values = {"loss": now.losses, **(plan.measure(now) if plan.measure else {})}
    for name, value in values.items():
        value = torch.as_tensor(value).detach()
        if value.dim() == 0 or len(value) != len(now.settings):
            raise ValueError(f"measurement {name!r} has shape {tuple(value.shape)}: one value for each of the "
                             f"{len(now.settings)} networks is needed, (E, …)")
        value = value if value.is_floating_point() else value.double()
        gone = (diverged >= 0).view(-1, *[1] * (value.dim() - 1))
        found.setdefault(name, []).append(torch.where(gone, torch.nan, value))
    return plan.until is not None and bool((torch.as_tensor(plan.until(now)) | (diverged >= 0)).all())


class _Update:
    """torch's fused AdamW or SGD, in place on the stacked parameters; networks with equal settings are one group."""

    def __init__(self, optimizer, stack, hyper):
        self.stack, alike = stack, {}
        for e, setting in enumerate(zip(*(hyper[k].tolist() for k in ("lr", "weight_decay", "momentum")), strict=True)):
            alike.setdefault(setting, []).append(e)
        groups, self.places = [], []
        for (lr, decay, momentum), members in alike.items():
            rows = [slice(None)] if len(alike) == 1 else members  # all alike: the stacks themselves, else views of them
            self.places.append([(name, row) for name in stack.parameters for row in rows])
            groups.append({"params": [stack.parameters[name][row] for name, row in self.places[-1]], "lr": lr, "base": lr,
                           "weight_decay": decay, **({} if optimizer == "adam" else {"momentum": momentum})})
        self.optimizer = (torch.optim.AdamW if optimizer == "adam" else torch.optim.SGD)(groups, fused=True)

    def __call__(self, grads, factor, gone):
        """One step; the networks ``gone``, indices, stay as they were."""
        for name in grads.keys() & self.stack.masks.keys():
            grads[name] = grads[name] * self.stack.masks[name]
        kept = {n: p[gone].clone() for n, p in self.stack.parameters.items()} if len(gone) else {}
        for name in kept:
            grads[name][gone] = 0
        for group, places in zip(self.optimizer.param_groups, self.places, strict=True):
            group["lr"] = group["base"] * factor
            for view, (name, row) in zip(group["params"], places, strict=True):
                view.grad = grads[name][row]
        self.optimizer.step()
        for name, p in kept.items():
            self.stack.parameters[name][gone] = p


def vectorises(plan, settings, models):
    """True, or False with a warning that names the layer because of which a loop is needed."""
    try:
        stack, data = Stack(models[:2]), Data(plan, settings[:2])
        stack.template.train()
        with torch.random.fork_rng(devices=[]):
            _gradients(_losses(plan, stack, data, True), stack, *(part[:, :2] for part in data.batch()))
    except RuntimeError as error:
        if "vmap" not in str(error) and "functorch" not in str(error):
            raise
        warnings.warn(f"layer {culprit(error, stack.template)} cannot be vectorised, so that the networks are trained one by "
                      f"one: {str(error).splitlines()[0][:200]}", stacklevel=4)
        return False
    return True


def _check(settings, steps, batch_size, optimizer):
    if not settings:
        raise ValueError("no settings or no seeds: nothing to train")
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer is one of {', '.join(OPTIMIZERS)}, not {optimizer!r}")
    for name, value in (("steps", steps), ("batch_size", batch_size)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f"{name} is a whole number above 0, not {value!r}")
    for setting in settings:
        for name, low in (("lr", 0), ("weight_decay", 0), ("momentum", 0), ("noise", 0)):
            value = setting.get(name, _OWN[name])
            if not (isinstance(value, int | float) and low <= value < math.inf) or (name == "lr" and value == 0):
                raise ValueError(f"{name}={value!r} in setting {setting} is out of range")


__all__ = ["Histories", "Now", "Plan", "batches", "build", "fit_many", "train_stack", "vectorises"]
