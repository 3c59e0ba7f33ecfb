"""The one door into a network: look at a layer, edit it, or change how signals travel back through it.

Everything here is a context manager that leaves the network as it found it, also after an exception.

* ``record`` and ``edit`` see the *output of a module*, by name.
* ``interpose`` sees every *operation* of the forward pass, however it was written: ``nn.ReLU()``, ``F.relu(x)``,
  ``x.relu_()``, a module used twice, ``x + y``.  It rests on ``torch.overrides.TorchFunctionMode``, so no module
  is replaced, patched or hooked.  ``backward_rules`` is its simplest use.
"""
import contextlib
import difflib
import functools
import sys
import threading
from dataclasses import dataclass

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from .errors import UnsupportedLayer
from .kinds import kind_of

_TYPE_KINDS = {nn.ReLU: "relu", nn.MaxPool1d: "max_pool", nn.MaxPool2d: "max_pool", nn.MaxPool3d: "max_pool",
               nn.Sigmoid: "sigmoid", nn.Tanh: "tanh"}
_door = threading.RLock()  # two threads that explain one network must not restore each other's state


def layer(model, name):
    """The module called ``name`` (as in ``model.named_modules()``).  ValueError with the nearest name if there is none."""
    with contextlib.suppress(AttributeError):
        return model.get_submodule(name)
    names = [n for n, _ in model.named_modules() if n]
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0)
    hint = f"  Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"the network has no layer {name!r}.{hint}  Layers: {', '.join(names)[:300]}")


def modules(model):
    """Every module of the network once; several times quicker than ``model.modules()``."""
    found, known = [model], {id(model)}
    for module in found:  # which grows meanwhile
        for child in module._modules.values():
            if child is not None and id(child) not in known:
                known.add(id(child))
                found.append(child)
    return found


def last(model, kind):
    """The name of the last module of a type, in the order of ``model.named_modules()``; None if there is none."""
    waiting, seen, name = [("", model)], set(), None
    while waiting:
        at, module = waiting.pop()
        if id(module) not in seen:
            seen.add(id(module))
            if isinstance(module, kind):
                name = at
            waiting += [(f"{at}.{key}" if at else key, child) for key, child in reversed(module._modules.items()) if child is not None]
    return name


@contextlib.contextmanager
def unchanged(model, found=None):
    """Eval mode inside; afterwards every module's mode, buffer and ``.grad`` is as before.  ``found``: its ``modules``, if known."""
    with _door:
        modes = [(m, m.training) for m in found or modules(model)]
        buffers = [(b, b.detach().clone(), b._version) for m, _ in modes for b in m._buffers.values() if b is not None]
        grads = [(p, p.grad) for m, _ in modes for p in m._parameters.values() if p is not None]
        try:
            for m, mode in modes:
                if mode:  # setting costs more than asking
                    m.training = False  # not .eval(): a module may override it
            yield model
        finally:
            for m, mode in modes:
                if m.training is not mode:
                    m.training = mode
            with torch.no_grad():
                for b, before, version in buffers:
                    if b._version != version:
                        b.copy_(before)
            for p, grad in grads:
                if p.grad is not grad:
                    p.grad = grad


@contextlib.contextmanager
def record(model, *names, stop=False):
    """Collect the outputs of the named modules while the block runs the network.

    Yields a dict name → output: a clone, so that a following in-place ReLU cannot rewrite it, with its graph.  A module
    that runs more than once leaves its last output.  ``stop=True`` ends the forward pass, and the block, as soon as every
    named module has run.
    Raises ValueError for a name that does not exist.
    """
    acts, wanted = {}, {name: layer(model, name) for name in names}

    def keep(name):
        def hook(module, args, output):
            acts[name] = _clone(output)
            if stop and len(acts) == len(wanted):
                raise _Enough
        return hook

    with contextlib.ExitStack() as stack:
        for name, module in wanted.items():
            stack.callback(module.register_forward_hook(keep(name)).remove)
        with contextlib.suppress(_Enough):
            yield acts


@contextlib.contextmanager
def edit(model, edits):
    """Replace outputs while the block runs: ``edits`` maps a module's name to a function output → new output.

    The function gets a clone, so that it may work in place.  Raises ValueError for a name that does not exist.
    """
    with contextlib.ExitStack() as stack:
        for name, change in edits.items():
            hook = layer(model, name).register_forward_hook(lambda m, x, y, change=change: change(_clone(y)))
            stack.callback(hook.remove)
        yield model


@contextlib.contextmanager
def quick_pooling(model):
    """Max pooling of maps that ask for no gradient runs channels last inside: the same values, ten times quicker on a CPU."""
    def turned(module, args):
        if torch.is_tensor(args[0]) and args[0].dim() == 4 and not args[0].requires_grad:
            return args[0].contiguous(memory_format=torch.channels_last), *args[1:]

    def back(module, args, output):  # what follows runs as it would have
        return output if output.requires_grad else output.contiguous()

    with contextlib.ExitStack() as stack:
        for module in modules(model):
            if type(module) is nn.MaxPool2d and not module.return_indices:
                stack.callback(module.register_forward_pre_hook(turned).remove)
                stack.callback(module.register_forward_hook(back).remove)
        yield


@dataclass(slots=True)
class Call:
    """One operation of a forward pass, as ``interpose`` hands it over.  Calling it runs the original."""

    kind: str       # "relu", "conv", "linear", "batch_norm", "add", …, "other"
    func: object    # torch's function
    args: tuple
    kwargs: dict
    module: nn.Module  # the innermost one running
    names: object      # function that gives {id(module): name}

    def __call__(self, *args):
        """Run the operation; given arguments stand in for the first of the original ones."""
        return self.func(*args, *self.args[len(args):], **self.kwargs)

    @property
    def path(self):
        """The name of the module, "" for the network itself."""
        return self.names()[id(self.module)]

    @property
    def name(self):
        return getattr(self.func, "__name__", str(self.func))

    @property
    def in_place(self):
        return is_in_place(self.name, self.kwargs, self.args)


def is_in_place(name, kwargs, args=()):
    """Does the operation write into its first argument?  (``x.relu_()``, ``x += y``, ``F.relu(x, inplace=True)``)"""
    dunder = name.startswith("__")
    if dunder:
        return name.startswith("__i") and name not in ("__invert__", "__index__", "__int__")
    if name.endswith("_") or kwargs.get("inplace", False):
        return True
    # F.dropout(x, p, training, True), F.hardtanh(x, lo, hi, True) … pass the flag by position
    return name in ("dropout", "relu", "leaky_relu", "elu", "hardtanh", "threshold") and any(a is True for a in args[-1:]) \
        and (name != "dropout" or len(args) >= 4)


@contextlib.contextmanager
def interpose(model, handler):
    """Give every operation of the network's forward pass to ``handler(call) -> result`` while the block runs.

    ``call()`` runs the original; what the handler runs is not intercepted again.  Questions about a tensor (its shape,
    its size) do not reach the handler.  Raises as ``visible``: a silent plain gradient would be worse.
    """
    with _Mode(handler, set(map(id, visible(model))), functools.cache(lambda: _names(model))):
        yield


def visible(model):
    """The modules; UnsupportedLayer for compiled or scripted ones, which hide their operations."""
    found = modules(model)
    for m in found:
        if isinstance(m, torch.jit.ScriptModule) or type(m).__name__ == "OptimizedModule":
            raise UnsupportedLayer(f"layer {_names(model)[id(m)] or '(the network)'!r} is a {type(m).__name__}: scripted and "
                                   "compiled modules hide their operations; pass the original module")
    return found


def _names(model):
    return {id(module): name for name, module in model.named_modules()}


@contextlib.contextmanager
def backward_rules(model, rules, keep_input=True):
    """Change how gradients pass a type of layer, e.g. ``{nn.ReLU: rule}``, however the network calls it.

    ``rule(grad_out, x, y) -> grad_x`` gets the gradient that arrives at the output, the layer's input and its output.
    ``keep_input=False``: x is None, which saves a copy of it at every layer that works in place.
    Raises ValueError for a layer type without a rule point (ReLU, max pooling, Sigmoid and Tanh have one).
    """
    unknown = [t for t in rules if t not in _TYPE_KINDS]
    if unknown:
        raise ValueError(f"no backward rule can be set for {unknown[0]!r}; possible: "
                         f"{', '.join(t.__name__ for t in _TYPE_KINDS)}")
    by_kind = {_TYPE_KINDS[t]: rule for t, rule in rules.items()}

    def handler(call):
        rule = by_kind.get(call.kind) or by_kind.get(call.name.rstrip("_"))
        return call() if rule is None else ruled(call, rule, keep_input)

    with interpose(model, handler):
        yield model


def ruled(call, rule, keep_input=True):
    """Run one operation, for a handler of ``interpose``, so that its backward pass is ``rule`` (see ``backward_rules``)."""
    x = call.args[0] if call.args else None
    if not (torch.is_tensor(x) and torch.is_grad_enabled() and x.requires_grad):
        return call()
    return _Ruled.apply(x, call, rule, call.in_place, keep_input)


class _Ruled(torch.autograd.Function):
    """One operation whose backward pass is the given rule."""

    @staticmethod
    def forward(ctx, x, call, rule, in_place, keep_input):
        ctx.rule = rule
        before = None if not keep_input else x.clone() if in_place else x
        y = call(x)
        if in_place:
            ctx.mark_dirty(x)
        ctx.save_for_backward(before, y)
        return y

    @staticmethod
    def backward(ctx, grad_out):
        return ctx.rule(grad_out, *ctx.saved_tensors), None, None, None, None


class _Mode(TorchFunctionMode):
    def __init__(self, handler, inside, names):
        super().__init__()
        self.handler, self.inside, self.names = handler, inside, names

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        kind = kind_of(func)
        if kind == "query":
            return func(*args, **kwargs)
        module = self.running()
        if module is None:  # the block does something of its own between two passes
            return func(*args, **kwargs)
        if not args and "input" in kwargs:  # F.relu(input=x)
            kwargs = dict(kwargs)
            args = (kwargs.pop("input"),)
        return self.handler(Call(kind, func, args, kwargs, module, self.names))

    def running(self):
        """The network's innermost module at work, read off Python's stack (hooks would take longer than a small
        network's pass); None outside a pass."""
        frame = sys._getframe(2)
        while frame is not None:
            if frame.f_code is _MODULE_CALL and id(frame.f_locals["self"]) in self.inside:
                return frame.f_locals["self"]
            frame = frame.f_back
        return None


_MODULE_CALL = nn.Module.__call__.__code__


class _Enough(Exception):
    """Raised inside a forward pass whose remainder nobody needs."""


def _clone(output):
    if torch.is_tensor(output):
        return output.clone()
    if isinstance(output, tuple | list):
        return type(output)(_clone(o) for o in output)
    return output
