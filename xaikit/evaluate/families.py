"""Small ReLU networks of which the truth is known: equal everywhere, blind to an input, symmetric in two, a
weighted sum.

All are ``nn.Sequential`` in float64 with one output, so that a student can print, read and rerun them.
*Dense* networks take (N, D) and read Linear, ReLU, …, Linear; *convolutional* ones take (N, 1, H, W) and
read Conv2d (circular), ReLU, global average pooling, Flatten, Linear, which is what CAM needs.
"""

import itertools

import torch
from torch import nn

F64 = torch.float64


def linear(weight, bias):
    """A Linear layer with these weights (out, in) and biases (out,)."""
    weight = torch.as_tensor(weight, dtype=F64)
    layer = nn.Linear(weight.shape[1], weight.shape[0], dtype=F64)
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(torch.as_tensor(bias, dtype=F64))
    return layer


def dense(*layers):
    """Linear layers, given as (weight, bias), with a ReLU between each two."""
    modules = [m for w, b in layers for m in (linear(w, b), nn.ReLU())]
    return nn.Sequential(*modules[:-1]).requires_grad_(False)


def layers_of(net):
    """The (weight, bias) pairs of a network of this module, in order."""
    return [(m.weight.detach(), m.bias.detach()) for m in net if isinstance(m, nn.Linear | nn.Conv2d)]


# The slides' networks (Sundararajan, Taly, Yan 2017, section 2.1 and appendix B) ------------------


def flat_beyond_one():
    """f(x) = 1 − ReLU(1 − x): it climbs from 0 to 1 and stays there."""
    return dense(([[-1.0]], [1.0]), ([[-1.0]], [1.0]))


def slides_pair(shift=1.0, weight=((1, 0), (0, 1)), bias=(0, 0)):
    """f = ReLU(ReLU(u) − s − ReLU(v)) and g = ReLU(ReLU(u − s) − ReLU(v)), equal everywhere for a shift s ≥
    0.

    u and v are the two rows of ``weight`` · x + ``bias``; on the slides u = x₁, v = x₂, s = 1.
    """
    bias, s, out = torch.as_tensor(bias, dtype=F64), torch.tensor([shift, 0.0], dtype=F64), ([[1.0]], [0.0])
    return (
        dense((weight, bias), ([[1.0, -1.0]], [-shift]), out),
        dense((weight, bias - s), ([[1.0, -1.0]], [0.0]), out),
    )


class TheoremOne(nn.Module):
    """The function in the proof of theorem 1, (N, 2) → (N, 1): (x₁ − a)(x₂ − a), both inputs clipped to [a, b].

    The paper's own (appendix A) is the same where min ≤ a and in the square, but (b − a)² wherever max ≥ b: it
    jumps there.
    """

    def __init__(self, a, b):
        super().__init__()
        self.a, self.b = a, b

    def forward(self, x):
        return (x.clamp(self.a, self.b) - self.a).prod(1, keepdim=True)


# Random networks, and others made from them -------------------------------------------------------


def random_dense(rng, sizes):
    """Weights N(0, 2/fan-in), biases N(0, ½): ``sizes`` = (inputs, hidden, …, 1).  ``rng``: of numpy."""
    return dense(
        *[
            (rng.normal(0, (2 / a) ** 0.5, (b, a)), rng.normal(0, 0.5**0.5, b))
            for a, b in itertools.pairwise(sizes)
        ]
    )


def random_slides_pair(rng, inputs):
    """The slides' pair with random u, v and shift."""
    return slides_pair(rng.uniform(0.5, 2), rng.normal(0, 1, (2, inputs)), rng.normal(0, 0.5, 2))


def flipped(net, rng):
    """Equal everywhere: some hidden units of layer 1 turned over, ReLU(z) = z + ReLU(−z), with z = Σ w
    (ReLU(x) − ReLU(−x)) + b.
    """
    (w1, b1), (w2, b2), *rest = layers_of(net)
    turn = torch.as_tensor(rng.random(len(w1)) < 0.5)
    turn[rng.integers(len(w1))] = True
    sign = torch.where(turn, -1.0, 1.0).to(F64)
    eye = torch.eye(w1.shape[1], dtype=F64)
    through = w2[:, turn] @ w1[turn]  # what z carries straight to layer 2
    first = (
        torch.cat([w1 * sign[:, None], eye, -eye]),
        torch.cat([b1 * sign, torch.zeros(2 * len(eye), dtype=F64)]),
    )
    second = torch.cat([w2, through, -through], 1), b2 + w2[:, turn] @ b1[turn]
    return dense(first, second, *rest)


def rescaled(net, scale):
    """Equal everywhere: layer 1 times ``scale`` > 0, layer 2 divided by it (ReLU(c·z) = c·ReLU(z))."""
    (w1, b1), (w2, b2), *rest = layers_of(net)
    return dense((w1 * scale, b1 * scale), (w2 / scale, b2), *rest)


def weighted_sum(nets, weights):
    """Σ a_k f_k as one network: the f_k side by side.  All must have the same kinds of layer in the same
    order.
    """
    stacks = [layers_of(net) for net in nets]
    pieces = []
    for depth, level in enumerate(zip(*stacks, strict=True)):
        ws, bs = zip(*level, strict=True)
        last = depth == len(stacks[0]) - 1
        if last:
            head = torch.cat([a * w for a, w in zip(weights, ws, strict=True)], 1)
            pieces.append((head, sum(a * b for a, b in zip(weights, bs, strict=True))))
        else:
            pieces.append((torch.cat(ws) if depth == 0 else torch.block_diag(*ws), torch.cat(bs)))
    return conv(*pieces) if isinstance(nets[0][0], nn.Conv2d) else dense(*pieces)


def swapped(net, i=0, j=1):
    """The network with its inputs ``i`` and ``j`` exchanged."""
    (w, b), *rest = layers_of(net)
    order = list(range(w.shape[1]))
    order[i], order[j] = j, i
    return dense((w[:, order], b), *rest)


def blinded(net, i):
    """The network with every weight of input ``i`` set to zero."""
    (w, b), *rest = layers_of(net)
    w = w.clone()
    w[:, i] = 0
    return dense((w, b), *rest)


# Convolutional networks for the methods that read maps --------------------------------------------


def conv(first, head):
    """Conv2d (circular padding, odd kernel), ReLU, global average pooling, Flatten, Linear, from two
    (weight, bias) pairs.
    """
    weight = torch.as_tensor(first[0], dtype=F64)
    layer = nn.Conv2d(
        weight.shape[1],
        weight.shape[0],
        tuple(weight.shape[2:]),
        padding=weight.shape[2] // 2,
        padding_mode="circular",
        dtype=F64,
    )
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(torch.as_tensor(first[1], dtype=F64))
    return nn.Sequential(
        layer, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear(*head)
    ).requires_grad_(False)


def flat_beyond_one_image():
    """The mean over pixels of 1 − ReLU(1 − x)."""
    return conv(([[[[-1.0]]]], [1.0]), ([[-1.0]], [1.0]))


def random_conv(rng, channels=2, taps=2):
    """A 3 × 3 kernel whose right ``3 − taps`` columns are zero, so that it can move right by one (see
    ``shifted``).
    """
    weight = rng.normal(0, 0.5, (channels, 1, 3, 3))
    weight[..., taps:] = 0
    return conv(
        (weight, rng.normal(0, 0.5**0.5, channels)),
        (rng.normal(0, 1, (1, channels)), rng.normal(0, 0.5**0.5, 1)),
    )


def shifted(net):
    """Equal everywhere: every kernel moved right by one column, which moves the maps left, and the average
    is the same.
    """
    first, head = layers_of(net)
    return conv((torch.roll(first[0], 1, dims=-1), first[1]), head)


def one_tap(rng):
    """A kernel that looks at its right neighbour only: the output is the same for any order of the pixels."""
    weight = torch.zeros(1, 1, 3, 3, dtype=F64)
    weight[0, 0, 1, 2] = rng.uniform(0.5, 1.5)
    return conv((weight, rng.uniform(0, 0.5, 1)), (rng.uniform(0.5, 1.5, (1, 1)), rng.normal(0, 0.5, 1)))


def formula(net, digits=2):
    """The network as lines of text, for example ``h1 = ReLU(−x1 + 1)``, ``F = −h1 + 1``."""
    pairs = layers_of(net)
    if isinstance(net[0], nn.Conv2d):
        (kernels, bias), (head, out) = pairs
        lines = [
            f"map{k + 1} = ReLU(x ∗ kernel{k + 1}{_plus(b, digits)}), "
            f"kernel{k + 1} = {_matrix(kernels[k, 0], digits)}"
            for k, b in enumerate(bias.tolist())
        ]
        return lines + [
            "F = " + _affine(head[0], out[0], [f"mean(map{k + 1})" for k in range(len(bias))], digits)
        ]
    names, lines = [f"x{i + 1}" for i in range(pairs[0][0].shape[1])], []
    for depth, (weight, bias) in enumerate(pairs):
        if depth == len(pairs) - 1:
            lines.append("F = " + _affine(weight[0], bias[0], names, digits))
            break
        fresh = [f"{'hkuv'[depth % 4]}{j + 1}" for j in range(len(weight))]
        lines += [
            f"{n} = ReLU({_affine(w, b, names, digits)})" for n, w, b in zip(fresh, weight, bias, strict=True)
        ]
        names = fresh
    return lines


def _affine(weights, bias, names, digits):
    terms = [(float(w), name) for w, name in zip(weights, names, strict=True) if w != 0]
    text = "".join(_term(w, name, digits, not i) for i, (w, name) in enumerate(terms))
    tail = _plus(float(bias), digits)
    return (text + tail) if text else (_number(float(bias), digits))


def _term(w, name, digits, first):
    sign = ("−" if w < 0 else "") if first else (" − " if w < 0 else " + ")
    return sign + ("" if abs(w) == 1 else f"{abs(w):.{digits + 1}g}·") + name


def _plus(b, digits):
    return "" if b == 0 else f" {'−' if b < 0 else '+'} {abs(b):.{digits + 1}g}"


def _number(v, digits):
    return f"{v:.{digits + 1}g}".replace("-", "−")


def _matrix(m, digits):
    return "[" + "; ".join(" ".join(_number(v, digits) for v in row) for row in m.tolist()) + "]"
