"""Many networks as one: their parameters stacked along a new first axis, smaller ones padded with zeros.

A padded unit gets no input weight and no output weight, and its gradient is masked, so that it stays absent: a stack
of widths 8 … 512 trains as each network alone would.  Where padding is not exact (a layer norm, a hard-coded
reshape) or the outputs differ in number, the networks of each shape form a stack of their own; this is not assumed
but tried, by comparing the padded network with the original on a few inputs.
"""
import copy

import torch
from torch import nn
from torch.func import functional_call, vmap

ELEMENTWISE = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.ELU, nn.LeakyReLU, nn.Softplus, nn.Identity)


class Stack:
    """E networks of one structure.  ``parameters``, ``buffers``: name → (E, …); ``masks``: name → (E, …) or absent
    where nothing is padded; ``shapes``: for each network name → its own shape."""

    def __init__(self, models):
        self.template = copy.deepcopy(models[0]).requires_grad_(False)
        self.shapes = [{k: v.shape for k, v in m.state_dict(keep_vars=True).items()} for m in models]
        self.masks = {}
        self.parameters = {name: self._pad(name, [m.get_parameter(name).detach() for m in models])
                           for name, _ in models[0].named_parameters()}
        self.buffers = {name: self._pad(name, [m.get_buffer(name) for m in models])
                        for name, _ in models[0].named_buffers()}
        layers = getattr(self.template, "_modules", {})
        self.chain = type(self.template) is nn.Sequential and all(
            type(m) in (nn.Linear, *ELEMENTWISE) and not (m._forward_hooks or m._forward_pre_hooks) for m in layers.values()
        ) and set(self.parameters) == {f"{k}.{p}" for k, m in layers.items() if type(m) is nn.Linear for p in ("weight", "bias")}

    def __len__(self):
        return len(self.shapes)

    def _pad(self, name, tensors):
        if len({t.dim() for t in tensors}) > 1:
            raise ValueError(f"{name} has {tensors[0].dim()} axes in one network and another number in the next")
        largest = [max(sizes) for sizes in zip(*(t.shape for t in tensors), strict=True)]
        if all(list(t.shape) == largest for t in tensors):
            return torch.stack(tensors)
        padded = tensors[0].new_zeros(len(tensors), *largest)
        mask = torch.zeros(padded.shape, dtype=torch.bool)
        for i, t in enumerate(tensors):
            place = (i, *(slice(n) for n in t.shape))
            padded[place], mask[place] = t, True
        self.masks[name] = mask
        return padded

    def one(self, parameters, buffers, x):
        """The output of a single network of the stack, for ``vmap``: no leading axis anywhere."""
        return functional_call(self.template, (parameters, buffers), (x,))

    def together(self, parameters, buffers, x):
        """Outputs (E, B, …) in the template's mode, each network on its own x (E, B, …), and the buffers afterwards.

        What ``vmap`` of ``one`` gives; a plain chain of linear and elementwise layers needs no ``vmap``, whose interpreter
        takes longer than the products of matrices as small as these.
        """
        if self.chain and x.dim() == 3:
            h = x.mT  # (E, units, B): the gradient of a weight (E, out, in) then lies in memory as the weight does
            for name, layer in self.template._modules.items():
                h = torch.baddbmm(parameters[f"{name}.bias"][:, :, None], parameters[f"{name}.weight"], h) \
                    if type(layer) is nn.Linear else layer(h)
            return h.mT, buffers
        return vmap(lambda p, b, x: (self.one(p, b, x), b), randomness="different")(parameters, buffers, x)

    def forward(self, x, parameters=None, buffers=None, shared=True, batch_size=1024):
        """All networks' outputs in eval mode, (E, N, …), without a graph; x (N, …), or (E, N, …) if not ``shared``."""
        self.template.eval()
        run = vmap(self.one, in_dims=(0, 0, None if shared else 0), randomness="different")
        state = (self.parameters if parameters is None else parameters, self.buffers if buffers is None else buffers)
        with torch.no_grad():
            return torch.cat([run(*state, part) for part in x.split(batch_size, dim=0 if shared else 1)], 1)

    def state(self, index):
        """The state dict of network ``index``, at its own sizes."""
        return {name: value[index][tuple(slice(n) for n in self.shapes[index][name])].clone()
                for name, value in {**self.parameters, **self.buffers}.items() if name in self.shapes[index]}


def groups(models, x):
    """Lists of indices of networks that one stack can hold, tried on the inputs ``x`` (N, …).  In order."""
    kinds = {}
    for i, model in enumerate(models):
        key = (tuple((n, type(m).__name__) for n, m in model.named_modules()),
               tuple(model.state_dict()), next(model.parameters()).dtype)
        kinds.setdefault(key, []).append(i)
    found = []
    for members in kinds.values():
        shapes = {}
        for i in members:
            shapes.setdefault(tuple(v.shape for v in models[i].state_dict().values()), []).append(i)
        found += [members] if len(shapes) == 1 or _exact([models[m[0]] for m in shapes.values()], x) else shapes.values()
    return [list(group) for group in found]


def _exact(models, x):
    """Do the padded networks answer as the networks themselves do?"""
    try:
        together = Stack(models).forward(x)
        with torch.no_grad():
            alone = [copy.deepcopy(m).eval()(x) for m in models]
        return all(a.shape == t.shape and torch.allclose(a, t, rtol=1e-4, atol=1e-5)
                   for a, t in zip(alone, together, strict=True))
    except (RuntimeError, ValueError):
        return False


def culprit(error, model):
    """The path and type of the layer inside which ``error`` was raised: the innermost module of its traceback."""
    paths, found = {id(m): (path, m) for path, m in model.named_modules()}, ("", model)
    trace = error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_locals.get("self")
        found = paths.get(id(module), found)
        trace = trace.tb_next
    return f"{found[0] or '(the network)'!r} ({type(found[1]).__name__})"
