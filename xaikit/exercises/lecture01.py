"""Lecture 01's exercises 1.1 to 1.3: receptive fields, strongest patches, ascent on a sphere."""
from functools import partial

import numpy as np
import torch

from . import functions
from .formula import formula


# 1.1 --------------------------------------------------------------------------------------------------------
def stack_field(layers):
    """The receptive field of a stack on one axis.  layers (L, 4): k, s, q, d of each → size, stride, start"""
    size, stride, start = 1, 1, 0
    for k, s, q, d in layers.tolist():
        size += d * (k - 1) * stride  # by the stride so far, that of the layer below
        start -= q * stride
        stride *= s
    return size, stride, start


def _field(layers, early=False, late_start=False, dilate=True, less=1, add=False, sign=-1, scaled=True,
           turned=False, grow=True):
    size, stride, start = 1, 1, 0
    for kernel, step, padding, dilation in layers[::-1] if turned else layers:
        after = stride + step if add else stride * step
        size += (dilation if dilate else 1) * (kernel - less) * ((after if early else stride) if grow else 1)
        start += sign * padding * ((after if late_start else stride) if scaled else 1)
        stride = after
    return tuple(np.float64(v) for v in (size, stride, start))


def _middle(layers):
    size, stride, start = _field(layers)
    return size, stride, start + (size - 1) / 2


_CONFUSED = ({"early": True}, {"dilate": False}, {"turned": True}, {"late_start": True}, {"scaled": False})


def _field_cases(rng):
    first, pool, third = [5, 1, 2, 1], [2, 2, 0, 1], [3, 1, 1, 1]
    stacks = [("four layers with everything in them", [first, pool, [3, 2, 1, 2], [3, 1, 2, 1]]),
              ("the layers of digits-cnn", [first, pool, third, pool, third]), ("one layer", [[3, 2, 1, 2]]),
              ("more padding than the kernel is wide: the first field lies beside the picture", [[2, 1, 3, 1]]),
              ("eight layers of stride 2", [[3, 2, 1, 1]] * 8)]
    while len(stacks) < 8:
        depth = int(rng.integers(3, 7))
        layers = np.stack([rng.integers(1, 6, depth), rng.integers(1, 4, depth), rng.integers(0, 3, depth),
                           rng.integers(1, 4, depth)], 1)
        if all(_field(layers, **wrong) != _field(layers) for wrong in _CONFUSED):  # it tells them apart
            stacks.append((f"random stack {len(stacks) - 4}", layers))
    return [{"layers": np.asarray(layers, dtype=np.int64), "note": note} for note, layers in stacks]


# 1.2 --------------------------------------------------------------------------------------------------------
def strongest_patches(maps, images, k, size, stride, start):
    """The k best patches of a unit, strongest first.  maps (N, h, w), images (N, H, W) → (k, size, size)"""
    best, place = maps.flatten(1).max(1)  # one place from each picture
    border = size + abs(start)
    padded = torch.nn.functional.pad(images, [border] * 4)  # zeros all round, so that no box ends outside
    patches = []
    for n in best.argsort(descending=True)[:k].tolist():
        row, column = divmod(place[n].item(), maps.shape[2])
        top, left = border + start + stride * row, border + start + stride * column
        patches.append(padded[n, top:top + size, left:left + size])
    return torch.stack(patches)


def _patches(maps, images, k, size, stride, start, several=False, least=False, unsorted=False, mean=False,
             swap=False, moved=False, corner=True, middle=False, absolute=False, outside="constant",
             pasted=False):
    flat = maps.reshape(len(maps), -1)
    flat = np.abs(flat) if absolute else flat
    if several:
        picks = [divmod(int(o), flat.shape[1]) for o in np.argsort(-flat.ravel(), kind="stable")[:k]]
    else:
        order = np.argsort(-(flat.mean(1) if mean else flat.max(1)) * (-1 if least else 1), kind="stable")[:k]
        picks = [(int(n), int(flat[n].argmax())) for n in (np.sort(order) if unsorted else order)]
    out, wide = np.zeros((k, size, size)), 2 * (size + abs(start) + stride * max(maps.shape[1:]))
    for i, (n, place) in enumerate(picks):
        first = stride * np.array(divmod(place, maps.shape[2]))[::-1 if swap else 1]
        first = first + (start if corner else 0) - (size // 2 if middle else 0)
        if moved:
            first = np.clip(first, 0, np.array(images.shape[1:]) - size)
        a, b = first + wide
        out[i] = np.pad(images[n], wide, mode=outside)[a:a + size, b:b + size]
        if pasted:
            out[i] = np.roll(out[i], np.minimum(first, 0), (0, 1))
    return out


def _patch_cases(rng):
    made = []
    for n, places, size, stride, start, k, note in (
            (7, (5, 6), 6, 2, -2, 4, "fields that reach over the border"),
            (5, (4, 3), 3, 3, 0, 5, "all pictures"), (9, (3, 5), 10, 4, -4, 3, "large fields"),
            (4, (3, 4), 2, 3, 1, 1, "one patch, fields that leave pixels out")):
        h, w = places
        while True:
            half = n * h * w / 20
            maps = rng.permutation(n * h * w).reshape(n, h, w) / 10.0 - half  # of both signs; no two alike
            best, second, third, low = rng.permutation(n)[:4]
            maps[best] += 2 * half  # one picture has all of the largest
            maps[best, 0, 1], maps[best, -1, -1] = maps.max() + 2, maps.max() + 1
            maps[second, -1, 0], maps[third, h // 2, -1] = half - 0.03, half - 0.06  # at other borders
            maps[low] -= 2 * half  # negative everywhere,
            maps[low, -1, 0], maps[low, 0, 0] = -40.0 * n, -30.0 * n  # and far from 0
            order = np.argsort(-maps.reshape(n, -1).max(1))[:k]
            means = np.argsort(-maps.mean((1, 2)))[:k]
            if k == 1 or (order != np.sort(order)).any() and (order != means).any():
                break
        images = rng.uniform(0.1, 1, size=(n, *(stride * (p - 1) + size + 2 * start for p in places)))
        made.append({"maps": maps, "images": images, "k": k, "size": size, "stride": stride, "start": start,
                     "note": note})
    return made


# 1.3 --------------------------------------------------------------------------------------------------------
def ascent_step(f, x, rho, eta):
    """One step uphill, of length η, and back to ‖x‖ = ρ, row by row.  f takes (N, D), x (N, D) → (N, D)"""
    x = x.detach().clone().requires_grad_(True)
    gradient = torch.autograd.grad(f(x).sum(), x)[0]
    x = x.detach() + eta * gradient / gradient.norm(dim=1, keepdim=True)
    return rho * x / x.norm(dim=1, keepdim=True)


def _step_on(answer):
    """A search feeds each step with the last one's result: the answer must take its own."""
    def run(f, x, rho, eta):
        y = answer(f, x, rho, eta)
        if isinstance(y, torch.Tensor) and y.shape == x.shape:
            answer(f, y.clone(), rho, eta)
        return y
    return run


def _ascent(f, x, rho, eta, sign=1, unit="row", back="row", to=None, tangent=False, first=False):
    old = np.linalg.norm(x, axis=1, keepdims=True)
    x = rho * x / old if first else x
    g = f.gradient(x)
    if tangent:
        g = g - (g * x).sum(1, keepdims=True) / (x * x).sum(1, keepdims=True) * x
    norm = {"row": np.linalg.norm(g, axis=1, keepdims=True), "batch": np.linalg.norm(g), "none": 1.0,
            "sign": np.abs(g)}[unit]
    y = x + sign * eta * g / norm
    if back == "none":
        return y
    length = np.linalg.norm(y) if back == "batch" else np.linalg.norm(y, axis=1, keepdims=True)
    if back == "ball":
        return y * np.minimum(1, rho / length)
    if back == "square":
        return rho * y / length**2
    return (rho if to is None else old if to == "old" else to) * y / length


def _ascent_cases(rng):
    made = []
    for n, d, rho, eta, spread, note in ((4, 5, 2.0, 0.7, 0.0, "four rows"), (1, 3, 0.5, 0.2, 0.0, "one row"),
                                 (6, 2, 3.0, 1.5, 0.4, "six rows of other lengths than ρ")):
        while True:
            x = rng.normal(size=(n, d))
            x *= rho / np.linalg.norm(x, axis=1, keepdims=True)
            x *= rng.uniform(1 - spread, 1 + spread, size=(n, 1))
            net = functions.random_network(rng, d)
            g = np.linalg.norm(functions.gradient(net, x)[1], axis=1)
            y = np.linalg.norm(x + eta * functions.gradient(net, x)[1] / g[:, None], axis=1)
            # no division by nearly nothing; and one row ends inside the sphere, which tells sphere from ball
            if g.min() > 0.02 and y.min() > 0.2 * rho and (n == 1 or y.min() < 0.95 * rho):
                break
        made.append({"x": x, "rho": rho, "eta": eta, "note": note, **net})
    return made


EXERCISES = [
    formula(
        id="1.1", title="The receptive field of a stack", points=2, minutes=10, difficulty=2,
        task="Write `stack_field(layers)`: `layers` (L, 4) holds kernel k, stride s, padding q and dilation "
             "d of each layer, the first layer first. Return size, stride and start of the last layer's "
             "receptive field along one axis, three whole numbers: its unit at place p sees the pixels "
             "start + p · stride … start + p · stride + size − 1.",
        library=stack_field, cases=_field_cases, truth=_field, outputs=("size", "stride", "start"),
        tolerance=1e-5,
        mistakes=[
            ("The size grows by the stride *so far*: multiply by s only afterwards.",
             partial(_field, early=True)),
            ("The padding counts in pixels of the input: q times the stride so far, before it is multiplied "
             "by s.",
             partial(_field, late_start=True)),
            ("Both at once: size and start use the stride of the layer below; multiply by s last.",
             partial(_field, early=True, late_start=True)),
            ("Dilation spreads the kernel: it reaches over d (k − 1) + 1 places.",
             partial(_field, dilate=False)),
            ("A kernel of k places has k − 1 steps between them.", partial(_field, less=0)),
            ("An upper layer's steps are wider: each is as wide as the stride so far.",
             partial(_field, grow=False)),
            ("Strides multiply: two layers of stride 2 make 4.", partial(_field, add=True)),
            ("Padding lets the first field begin *before* the picture: start goes down.",
             partial(_field, sign=1)),
            ("The padding is missing: start goes down by q times the stride so far.",
             partial(_field, sign=0)),
            ("The padding of an upper layer counts in its own places, each a stride wide.",
             partial(_field, scaled=False)),
            ("The first layer comes first: from the input upwards.", partial(_field, turned=True)),
            ("The order of the three is size, stride, start.",
             lambda layers: tuple(_field(layers)[i] for i in (0, 2, 1))),
            ("start is the first pixel of the field of place 0, not its middle.", _middle),
            ("The numbers are larger than a byte holds: leave them as Python has them.", lambda layers: tuple(
                (v + 128) % 256 - 128 for v in _field(layers))),
            *[("A field may begin further before the picture than it is long: start is not cut off.",
               lambda layers, d=d: (*_field(layers)[:2], max(_field(layers)[2], d - _field(layers)[0]))) for d in (0, 1)],
        ],
        hints=("Begin with an input pixel: size 1, stride 1, start 0. Go up layer by layer and change the "
               "three.",
               "A kernel of k places with dilation d spans d (k − 1) steps, each as wide as the stride so "
               "far.",
               "size += d * (k - 1) * stride; start -= q * stride; stride *= s, in this order."),
        insight="Three numbers for each axis, whatever the depth. A stride makes all *later* kernels "
                "larger."),
    formula(
        id="1.2", title="Top-k patches", points=3, minutes=15, difficulty=2,
        task="Write `strongest_patches(maps, images, k, size, stride, start)`: `maps` (N, h, w) are one "
             "unit's activations on `images` (N, H, W), k at most N. Return (k, size, size): from each of "
             "the k pictures with the highest activation the field of its strongest place, strongest first; "
             "0 where a field reaches over the border.",
        library=strongest_patches, cases=_patch_cases, truth=_patches, axes="(k, size, size)",
        mistakes=[
            ("Two patches came from one picture: take the best place of each picture first, then the best "
             "pictures.",
             partial(_patches, several=True)),
            ("Those are the weakest pictures: sort in falling order.", partial(_patches, least=True)),
            ("The right patches in the order of the pictures: the strongest comes first.",
             partial(_patches, unsorted=True)),
            ("The pictures were ranked by the mean of their maps: a patch counts by its strongest place.",
             partial(_patches, mean=True)),
            ("Strong means large, not far from 0: no absolute values.", partial(_patches, absolute=True)),
            ("Row and column are swapped: a flat place is row · w + column.", partial(_patches, swap=True)),
            ("A field at the border was pushed into the picture: leave it where it is, and put 0 for what "
             "lies outside.",
             partial(_patches, moved=True)),
            ("A field that begins outside was cut short and moved: what lies inside stays in its place.",
             partial(_patches, pasted=True)),
            ("The picture ends at column W, not H: the border of the rows was used for the columns, too.",
             lambda images, **case: _patches(
                 images=images * (np.arange(images.shape[2]) < images.shape[1]), **case)),
            ("A picture that is negative everywhere has a strongest place, too: do not cut off at 0.",
             lambda maps, **case: _patches(np.maximum(maps, 0), **case)),
            ("Outside are 0s, not the border's own pixels.", partial(_patches, outside="edge")),
            ("The field of place p begins at start + p · stride, not at p · stride.",
             partial(_patches, corner=False)),
            ("start + p · stride is where a field begins, not its middle.", partial(_patches, middle=True)),
            ("start + p · stride is where a field begins; p · stride is not its middle, either.",
             partial(_patches, corner=False, middle=True)),
        ],
        hints=("First the best place of each picture, then the k best pictures, then cut.",
               "divmod(place, w) gives row and column; the box begins at start + stride · row and is size "
               "long.",
               "Pad the pictures with zeros by size + |start| on every side, "
               "torch.nn.functional.pad(images, [p] * 4), and add p to both corners."),
        insight="Keep a running top k in place of all maps, and this reads a data set of any size."),
    formula(
        id="1.3", title="One step of norm-constrained ascent", points=2, minutes=8, difficulty=2,
        task="Write `ascent_step(f, x, rho, eta)`: with g the gradient of f at a row of `x` (N, D), return "
             "ρ · (x + η g/‖g‖) / ‖x + η g/‖g‖‖ for every row, a float tensor (N, D). f maps (N, D) to (N,), "
             "each row by itself.",
        library=ascent_step, cases=_ascent_cases, truth=_ascent, axes="(N, D)", use=_step_on,
        mistakes=[
            ("That went downhill: add the gradient.", partial(_ascent, sign=-1)),
            ("The step is made, the way back to the sphere is missing: divide by the norm, multiply by ρ.",
             partial(_ascent, back="none")),
            ("Each row has a gradient norm of its own: norm(dim=1, keepdim=True).",
             partial(_ascent, unit="batch")),
            ("Each row goes back to norm ρ by itself: norm(dim=1, keepdim=True).",
             partial(_ascent, back="batch")),
            ("Both times you took the norm of the whole batch: each row has its own, norm(dim=1, "
             "keepdim=True).",
             partial(_ascent, unit="batch", back="batch")),
            ("The step has length η: divide the gradient by its norm.", partial(_ascent, unit="none")),
            ("Divide by the gradient's norm, not by its absolute values: those leave only signs.",
             partial(_ascent, unit="sign")),
            ("The norm is to be ρ, not 1.", partial(_ascent, to=1.0)),
            ("Every row got the length back that it had: it is to be ρ.", partial(_ascent, to="old")),
            ("x was set to norm ρ before the step: the step begins at x as it comes.",
             partial(_ascent, first=True)),
            ("That stays in the ball ‖x‖ ≤ ρ; the constraint here is ‖x‖ = ρ.",
             partial(_ascent, back="ball")),
            ("Divide by the norm, not by its square: a root is missing.", partial(_ascent, back="square")),
            ("The gradient was projected on the sphere first: a good step, too, but here it is added as it "
             "is.",
             partial(_ascent, tangent=True), 0.5),
        ],
        laws=[("Every row must have norm ρ.",
               lambda value, f, x, rho, eta: np.allclose(np.linalg.norm(value, axis=1), rho, atol=1e-3))],
        hints=("Gradient, step, back to the sphere: three lines.",
               "torch.autograd.grad(f(x).sum(), x)[0] gives every row its own gradient; x must require it.",
               "x = x + eta * g / g.norm(dim=1, keepdim=True); return rho * x / x.norm(dim=1, "
               "keepdim=True)."),
        insight="With ‖g‖ divided out, one η serves every unit of every layer."),
]
