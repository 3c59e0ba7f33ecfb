"""Layer-wise relevance propagation: one forward pass, and one backward pass in which the gradient *is* the relevance.

Each operation of the network is run as an ``autograd.Function`` whose backward pass is the rule.  What autograd then
carries from the logit to the pixels is R, layer by layer, so residual connections, reused modules and functional calls
need no care of their own: autograd adds the relevances that meet at an activation.

* What weighs and adds (convolution, linear, batch norm, average pooling, ``+``, a constant factor): ``_Share``.
* What applies one activation to each value (ReLU and its kin, with g(0) = 0): ``_Pass``, the relevance goes through.
* What only moves values about (reshape, concatenation, indexing) and max pooling, where the winner takes all: the
  operation itself, since its own gradient hands each output's relevance to the input it came from.
* Anything else: UnsupportedLayer, before there is a heatmap.
"""
import fnmatch
import math
from collections.abc import Mapping
from contextlib import nullcontext

import torch

from . import operations
from .call import explaining
from .rules import AlphaBeta, Epsilon, Gamma, Pass, Rule

_EPSILON = Epsilon(1e-6)


def lrp(model, x, target=None, rules=_EPSILON):
    """Relevance of every input value for the logit of ``target``: R_i = Σ_j (share of i in j) R_j, from the logit down.

    ``x``: (N, …).  ``target``: int, (N,) tensor, or None for the predicted class.
    ``rules``: one rule for all layers, or a mapping {layer type or name pattern: rule} read from top to bottom, first
    match wins; patterns are those of fnmatch (``"features.*"``).  A rule that modifies weights acts at convolutions and
    linear layers, a batch norm that follows merged into them; additions, average pooling and a batch norm on its own have
    no weights to tell apart and share in proportion (the ε-rule with the same ε).
    Returns a detached tensor shaped like x.  It sums to the logit less what biases and stabilisers keep.
    Raises UnsupportedLayer, naming the layer, where no rule covers it; ValueError or TypeError for rules that are none.
    Source: Bach et al. 2015, eqs. 52–60; composites of rules: Montavon et al. 2019.
    """
    with explaining(model, x, target) as score:
        rules = _check_rules(rules, model)
        return score.per_image(lambda images, rows: _propagate(score, images, rows, rules)[0])


def relevance_budget(model, x, target=None, rules=_EPSILON):
    """Where the logit's relevance ends up: a DataFrame, one row for each image, whose columns add up.

    logit = input + bias + stabiliser.  ``input``: the sum of ``lrp``; ``bias``: kept by biases, batch-norm shifts and added
    constants; ``stabiliser``: kept by ε, and by neurons none of whose contributions has the sign that a rule shares by.
    """
    import pandas as pd

    tables = []
    with explaining(model, x, target) as score:
        rules = _check_rules(rules, model)
        for rows in score.chunks():
            ledger = []
            relevance, logit = _propagate(score, score.x[rows], rows, rules, ledger)
            bias, stabiliser = sum((kept for _, _, kept in ledger), torch.zeros(3, len(logit)).to(logit))[1:]
            tables.append(torch.stack([logit, relevance.flatten(1).sum(1), bias, stabiliser], 1).double().cpu())
    return pd.DataFrame(torch.cat(tables).numpy(), columns=["logit", "input", "bias", "stabiliser"])


def relevance_by_layer(model, x, target=None, rules=_EPSILON):
    """(what ``lrp`` gives, the same bookkeeping operation by operation from the logit down): a tensor and a DataFrame.

    The table has one row for each operation and image: ``image``, ``layer`` (its name), ``operation`` (conv, linear, add,
    …), ``arrives`` (the relevance of its output, summed), ``bias`` and ``stabiliser`` (what each keeps of it) and ``sent``
    (what goes on to its inputs).  Where a network branches, a branch gets only its part of the logit.  ReLUs, max pooling
    and what moves values keep nothing and have no row.
    """
    import pandas as pd

    relevance, tables = [], []
    with explaining(model, x, target) as score:
        rules = _check_rules(rules, model)
        for rows in score.chunks():
            ledger = []
            relevance.append(_propagate(score, score.x[rows], rows, rules, ledger)[0])
            for layer, kind, kept in ledger:
                arrives, bias, stabiliser = kept.double().cpu().numpy()
                tables.append(pd.DataFrame({"image": range(rows.start, rows.start + len(arrives)), "layer": layer,
                                            "operation": kind, "arrives": arrives, "bias": bias,
                                            "stabiliser": stabiliser, "sent": arrives - bias - stabiliser}))
    columns = ["image", "layer", "operation", "arrives", "bias", "stabiliser", "sent"]
    table = pd.concat(tables) if tables else pd.DataFrame(columns=columns)  # none where the network ignores its input
    return torch.cat(relevance), table.sort_values("image", kind="stable", ignore_index=True)


def _propagate(score, images, rows, rules, ledger=None):
    """(relevance, logits) of some of the images."""
    points = images.detach().requires_grad_()
    logits = score(points, rows, _Engine(rules, ledger))
    if not logits.requires_grad:  # a network that ignores its input
        return torch.zeros_like(images), logits
    relevance, = torch.autograd.grad(logits, points, logits.detach())
    if not math.isfinite(relevance.sum()) and not relevance.isfinite().all():
        raise ValueError("the relevance is too large for its dtype: a rule divides by sums that nearly vanish; "
                         "use a larger eps, bias='absorbs', or float64")
    return relevance, logits.detach()


class _Engine:
    """What happens to each operation of the forward pass: the handler that ``hooks.interpose`` calls."""

    def __init__(self, rules, ledger):
        self.rules, self.ledger, self.keeper = rules, ledger, operations.Keeper()
        # Under these a value of 0 never has relevance, so a ReLU's own gradient, which is quicker, lets the same pass.
        self.zero_gets_none = all(isinstance(rule, Epsilon | AlphaBeta | Gamma) for rule in rules.values())

    def __call__(self, call):
        self.keeper.before(call)
        inputs = operations.active(call)
        if not inputs:  # nothing in it depends on x
            return call()
        operations.check("LRP", call, inputs)
        if call.kind == "max_pool" or operations.is_move(call) or call.kind == "relu" and self.zero_gets_none:
            return call()
        rule = self.rule(call)
        if isinstance(rule, Pass) and len(inputs) > 1:
            raise operations.refuse("LRP", call, "has several inputs: relevance cannot just Pass()")
        if isinstance(rule, Pass) or operations.is_rectifier(call, inputs[0]):
            return _Pass.apply(inputs[0], call)
        if operations.is_linear(call):
            step = _Step(call, inputs, rule, self.ledger, self.keeper)
            return _Share.apply(step, call.args[0] if call.in_place else None, *step.inputs)
        result = call()
        if operations.depends(result):
            raise operations.refuse("LRP", call, "is covered by no rule.  Replace it; or, if it works on each value alone, let "
                                    f"relevance pass: rules={{{call.path or '*'!r}: Pass(), '*': Epsilon()}}")
        return result  # a shape, a comparison, a constant: no relevance comes back through it

    def rule(self, call):
        """The first rule whose type or pattern fits the layer; None if there is none."""
        for key, rule in self.rules.items():
            if key == "*" or (fnmatch.fnmatchcase(call.path, key) if isinstance(key, str) else isinstance(call.module, key)):
                return rule
        return None


class _Pass(torch.autograd.Function):
    """y = g(x), value by value, and R_x = R_y."""

    @staticmethod
    def forward(ctx, x, call):
        y = call()
        if y.shape != x.shape:
            raise operations.refuse("LRP", call, f"makes {tuple(y.shape)} of {tuple(x.shape)}: relevance cannot just Pass()")
        if call.in_place:
            ctx.mark_dirty(x)
        return y

    @staticmethod
    def backward(ctx, R):
        return R, None


class _Share(torch.autograd.Function):
    """z = Σ x w + b, and R_x = x · (what the rule sends back).  ``target``: where an in-place operation writes z."""

    @staticmethod
    def forward(ctx, step, target, *inputs):
        ctx.step = step
        if target is None:
            return step.out.detach()
        ctx.mark_dirty(target)
        step.inputs = None  # the target may be among them: no circle of references
        return target.copy_(step.out.detach())

    @staticmethod
    def backward(ctx, R):
        return None, None, *ctx.step.relevance(R)


class _Step:
    """One linear operation z = Σ x w + b, and the way back through it."""

    def __init__(self, call, inputs, rule, ledger, keeper):
        if rule is None and call.kind in ("conv", "conv_transpose", "linear", "matmul"):
            raise operations.refuse("LRP", call, "is matched by no key of rules; add '*': Epsilon() as the last")
        self.inputs, self.rule, self.ledger, self.run = inputs, rule or Epsilon(), ledger, operations.function(call)
        self.shifts = len(inputs) == 1 and call.kind in ("add", "sub", "batch_norm", "matmul")  # may add a constant
        self.layer, start, self.place = operations.Layer.of(call), None, (call.path, call.kind)
        if call.kind == "batch_norm":  # merged into the layer before it, if there is one
            before = getattr(inputs[0].grad_fn, "step", None)
            self.layer = before and before.layer and before.layer.merged(call, before.out)
            if self.layer:
                start, self.inputs, self.rule, self.leaves = before.out, before.inputs, before.rule, before.leaves
                self.place = before.place
        if self.layer is None and not isinstance(self.rule, Epsilon):
            if call.kind == "matmul":
                raise operations.refuse("LRP", call, "is a product for which only the Epsilon rule is defined")
            self.rule = Epsilon(self.rule.eps, getattr(self.rule, "bias", "absorbs"))
        if start is None:
            values = [x.detach().clone() if call.in_place else x.detach() for x in self.inputs]
            self.leaves = [x.requires_grad_() for x in values]
        with nullcontext() if isinstance(self.rule, Epsilon) else torch.no_grad():  # ε goes back the way the values came
            self.out = self.run(*self.leaves if start is None else [start])
        self.x, self.z = [keeper.hold(x) for x in self.leaves], keeper.hold(self.out)

    def bias(self):
        """What the operation adds to the contributions of its inputs: b, or None."""
        if self.layer:
            return self.layer.bias
        return self.run(torch.zeros_like(self.leaves[0])).detach() if self.shifts else None

    def relevance(self, R):
        """R of each input, from the R of the output."""
        shares, taken = self.in_proportion(R) if isinstance(self.rule, Epsilon) else self.by_branches(R)
        if self.ledger is not None:
            total, sent = _per_image(R, R), sum(_per_image(share, R) for share in shares)
            self.ledger.append((*self.place, torch.stack([total, taken, total - sent - taken])))
        return shares

    def in_proportion(self, R):
        """R_i = x_i Σ_j w_ij R_j / (z_j + ε sign z_j): a vector-Jacobian product through the operation as it ran."""
        excluded = self.rule.bias == "excluded"
        b = self.bias() if excluded or self.ledger is not None else None
        s = _divide(R, self.z[0] - b if excluded and b is not None else self.z[0], self.rule.eps)
        back = torch.autograd.grad(self.out, self.leaves, s)
        return [x * g for (x,), g in zip(self.x, back, strict=True)], self.taken(s, None if excluded else b)

    def by_branches(self, R):
        """The same for each branch of a rule, with its own version of inputs, weights and bias (see ``rules``)."""
        (x,), = self.x
        result, taken = 0, 0
        for branch in self.rule.branches(x, self.layer.weight, self.layer.bias, self.z[0]):
            inputs = [a.detach().requires_grad_() for a, _ in branch.parts]
            with torch.enable_grad():
                total = sum(self.layer.run(a, v) for a, (_, v) in zip(inputs, branch.parts, strict=True))
            z = total.detach() if branch.bias is None else total.detach() + branch.bias
            s = _divide(R * branch.factor, z, self.rule.eps)
            for a, back in zip(inputs, torch.autograd.grad(total, inputs, s), strict=True):
                result = result + a.detach() * back
            taken = taken + self.taken(s, branch.bias)
        return [result], taken

    def taken(self, s, b):
        """What the bias keeps of the relevance, (N,), where somebody asks."""
        return 0 if self.ledger is None else _per_image(s * 0 if b is None else s * b, s)


def _divide(R, z, eps):
    """R / (z + ε sign z), with sign 0 = 1; where that still is a division by zero, the result is 0."""
    if eps == 0:
        return torch.where(z == 0, 0, R / torch.where(z == 0, 1, z))
    bottom = torch.copysign(torch.full((), eps, dtype=z.dtype, device=z.device), z).add_(z)
    return torch.div(R, bottom, out=bottom)


def _per_image(values, like):
    return values.reshape(len(like), -1).sum(1)


def _check_rules(rules, model):
    """The rules as a mapping.  TypeError or ValueError if they are none."""
    if isinstance(rules, Rule):
        return {"*": rules}
    if not isinstance(rules, Mapping) or not rules:
        raise TypeError(f"rules must be a rule such as Epsilon() or a mapping {{layer type or name pattern: rule}}, not {rules!r}")
    names = [name for name, _ in model.named_modules()]
    for key, rule in rules.items():
        if not isinstance(rule, Rule):
            raise TypeError(f"rules[{key!r}] must be a rule such as Epsilon(), not {rule!r}")
        if not isinstance(key, str | type):
            raise TypeError(f"a key of rules must be a layer type or a name pattern, not {key!r}")
        if isinstance(key, str) and not fnmatch.filter(names, key):
            raise ValueError(f"no layer of the network is called {key!r} (a key of rules); layers: {', '.join(names[1:])[:300]}")
    return dict(rules)
