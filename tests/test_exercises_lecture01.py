"""Lecture 01 but 1.4: right answers of every form pass, wrong ones fail with the hint of their mistake."""
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from xaikit import features
from xaikit.exercises import get
from xaikit.exercises.feedback import evaluate

SEEDS = (0, 3, 11, 20)


# 1.1 ---- right


def field_from_the_top(layers):
    """From the unit down to the input: the first and the last pixel that it needs."""
    first, last, stride = 0, 0, 1
    for k, s, q, d in layers.flip(0).tolist():
        first, last, stride = first * s - q, last * s - q + d * (k - 1), stride * s
    return last - first + 1, stride, first


def field_in_sums(layers):
    k, s, q, d = layers.double().T
    before = torch.cat([torch.ones(1), s.cumprod(0)[:-1]])
    return 1 + (d * (k - 1) * before).sum(), s.prod(), -(q * before).sum()


def field_in_numpy(layers):
    size = stride = np.int64(1)
    start = np.int64(0)
    for k, s, q, d in layers.numpy():
        size, stride, start = size + d * (k - 1) * stride, stride * s, start - q * stride
    return [np.array([size]), stride, start]


def field_in_one_tensor(layers):
    return torch.tensor(field_from_the_top(layers))


def field_measured(layers):
    """By where the gradient goes."""
    size, stride, start = field_from_the_top(layers)
    x = torch.zeros(1, 1, 2 * size + 8 * stride + 4 * abs(start), dtype=torch.float64, requires_grad=True)
    y = x
    for k, s, q, d in layers.tolist():
        y = F.conv1d(y, torch.ones(1, 1, k, dtype=torch.float64), stride=s, padding=q, dilation=d)
    p = abs(start) // stride + 1  # the first place that sees no padding
    seen = [torch.autograd.grad(y[0, 0, i], x, retain_graph=True)[0].flatten().nonzero() for i in (p, p + 1)]
    step = int(seen[1].min() - seen[0].min())
    return int(seen[0].max() - seen[0].min()) + 1, step, int(seen[0].min()) - p * step


# 1.1 ---- wrong


def field(early=False, late=False, dilate=True, less=1, sign=-1, scaled=True, add=False, grow=True):
    def answer(layers):
        size, stride, start = 1, 1, 0
        for k, s, q, d in layers.tolist():
            after = stride + s if add else stride * s
            size += (d if dilate else 1) * (k - less) * ((after if early else stride) if grow else 1)
            start += sign * q * ((after if late else stride) if scaled else 1)
            stride = after
        return size, stride, start
    return answer


def field_centres(layers):
    """The centre of the first field in place of its first pixel."""
    size, stride, start = field_in_sums(layers)
    return size, stride, start + (size - 1) / 2


# 1.2 ---- right


def patches_by_loops(maps, images, k, size, stride, start):
    found = []
    for m, picture in zip(maps, images, strict=True):
        best = max((m[r, c].item(), r, c) for r in range(m.shape[0]) for c in range(m.shape[1]))
        patch = torch.zeros(size, size)
        for i in range(size):
            for j in range(size):
                y, x = start + stride * best[1] + i, start + stride * best[2] + j
                if 0 <= y < picture.shape[0] and 0 <= x < picture.shape[1]:
                    patch[i, j] = picture[y, x]
        found.append((best[0], patch))
    return torch.stack([p for _, p in sorted(found, key=lambda f: -f[0])[:k]])


def patches_unfolded(maps, images, k, size, stride, start):
    """All fields of all places; padding as the layers had it."""
    pad = -start
    folded = F.unfold(F.pad(images, [pad] * 4)[:, None], size, stride=stride)  # (N, size · size, places)
    best, place = maps.flatten(1).max(1)
    top = best.topk(k).indices
    return folded[top, :, place[top]].view(k, size, size)


def patches_in_numpy(maps, images, k, size, stride, start):
    maps, images = maps.numpy(), images.numpy()
    wide = 100
    padded = np.pad(images, ((0, 0), (wide, wide), (wide, wide)))
    order = np.argsort(maps.max((1, 2)))[::-1][:k]
    corners = [np.unravel_index(maps[n].argmax(), maps[n].shape) for n in order]
    return [padded[n, wide + start + stride * r:, wide + start + stride * c:][:size, :size]
            for n, (r, c) in zip(order, corners, strict=True)]


def patches_sampled(maps, images, k, size, stride, start):
    """By index arrays and a mask."""
    best, place = maps.reshape(len(maps), -1).max(-1)
    n = best.sort(descending=True).indices[:k]
    y = (start + stride * (place[n] // maps.shape[2]))[:, None, None] + torch.arange(size)[:, None]
    x = (start + stride * (place[n] % maps.shape[2]))[:, None, None] + torch.arange(size)
    inside = (y >= 0) & (y < images.shape[1]) & (x >= 0) & (x < images.shape[2])
    values = images[n[:, None, None], y.clamp(0, images.shape[1] - 1), x.clamp(0, images.shape[2] - 1)]
    return torch.where(inside, values, 0.0)


# 1.2 ---- wrong


def patches(order="strong", place="best",
            border="black", swap=False, begin=lambda start, stride, p, size: start + stride * p):
    def answer(maps, images, k, size, stride, start):
        if order == "all places":
            flat = maps.flatten().topk(k).indices
            n, at = flat // maps[0].numel(), flat % maps[0].numel()
        else:
            value, at = (maps.abs() if place == "absolute" else maps).flatten(1).max(1)
            value = {"strong": value, "weak": -value, "mean": maps.mean((1, 2)), "as they come": value}[order]
            n = value.argsort(descending=True)[:k]
            n = n.sort().values if order == "as they come" else n
            at = at[n]
        out = torch.zeros(k, size, size)
        for i in range(k):
            p = divmod(int(at[i]), maps.shape[2])
            y, x = (begin(start, stride, q, size) for q in (p[::-1] if swap else p))
            if border == "pushed":
                y, x = max(0, min(y, images.shape[1] - size)), max(0, min(x, images.shape[2] - size))
            for a in range(size):
                for b in range(size):
                    c, d = y + a, x + b
                    if border == "repeated":
                        c, d = max(0, min(c, images.shape[1] - 1)), max(0, min(d, images.shape[2] - 1))
                    if 0 <= c < images.shape[1] and 0 <= d < images.shape[2]:
                        out[i, a, b] = images[n[i], c, d]
        return out
    return answer


def patches_of_too_few(maps, images, k, size, stride, start):
    """The 2 k strongest places of all, then one for each picture: one picture may hold all of them."""
    flat, found = maps.flatten().topk(2 * k).indices, {}
    for n, at in zip((flat // maps[0].numel()).tolist(), (flat % maps[0].numel()).tolist(), strict=True):
        found.setdefault(n, at)
    out = [patches_by_loops(maps[n:n + 1], images[n:n + 1], 1, size, stride, start) for n in list(found)[:k]]
    return torch.cat(out)


def patches_in_a_square(maps, images, k, size, stride, start):
    h = images.shape[1]
    cut = torch.where(torch.arange(images.shape[2]) < h, images, 0.0)
    return patches_by_loops(maps, cut, k, size, stride, start)


def patches_cut_short(maps, images, k, size, stride, start):
    """Slices that begin below 0 come out empty or from the other side."""
    best, place = maps.flatten(1).max(1)
    out = torch.zeros(k, size, size)
    for i, n in enumerate(best.topk(k).indices):
        y, x = start + stride * (place[n] // maps.shape[2]), start + stride * (place[n] % maps.shape[2])
        piece = images[n, max(y, 0):y + size, max(x, 0):x + size]
        out[i, :piece.shape[0], :piece.shape[1]] = piece  # at the wrong corner
    return out


# 1.3 ---- right


def ascent_by_rows(f, x, rho, eta):
    rows = []
    for row in x:
        leaf = row.clone().requires_grad_()
        f(leaf[None])[0].backward()
        moved = row + eta * leaf.grad / leaf.grad.norm()
        rows.append(rho * moved / moved.norm())
    return torch.stack(rows)


def ascent_functional(f, x, rho, eta):
    g = F.normalize(torch.func.vmap(torch.func.grad(lambda row: f(row[None])[0]))(x), dim=1)
    return rho * F.normalize(x + eta * g, dim=1)


def ascent_in_float64(f, x, rho, eta):
    x = x.double().requires_grad_()
    f(x).mean().backward()  # the mean's gradient points the same way
    y = x.detach().numpy() + eta * (x.grad / torch.linalg.vector_norm(x.grad, dim=-1, keepdim=True)).numpy()
    return (rho / np.sqrt((y**2).sum(1)))[:, None] * y


def ascent_by_log(f, x, rho, eta):
    """Any objective that grows with f has the same direction."""
    x = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(torch.exp(f(x)).sum(), x)
    y = x + eta * g / g.pow(2).sum(1, keepdim=True).sqrt()
    return y.renorm(2, 0, 1e-6) * rho / 1e-6


# 1.3 ---- wrong


def ascent(sign=1, unit="row", back="row", radius=None, tangent=False):
    def answer(f, x, rho, eta):
        x = x.detach().clone().requires_grad_()
        g = torch.autograd.grad(f(x).sum(), x)[0]
        x = x.detach()
        if tangent:
            g = g - (g * x).sum(1, keepdim=True) * x / x.square().sum(1, keepdim=True)
        g = {"row": F.normalize(g, dim=1), "batch": g / g.norm(), "none": g, "sign": g.sign()}[unit]
        y = x + sign * eta * g
        if back == "none":
            return y
        if back == "ball":
            return y.renorm(2, 0, rho)
        n = y.norm(dim=1, keepdim=True)
        n = {"row": n, "batch": y.norm(), "square": n**2, "root": n.sqrt()}[back]
        return (rho if radius is None else radius) * y / n
    return answer


def ascent_to_the_old_length(f, x, rho, eta):
    y = x + eta * F.normalize(torch.func.grad(lambda z: f(z).sum())(x), dim=1)
    return F.normalize(y, dim=1) * x.norm(dim=1, keepdim=True)


def ascent_from_the_sphere(f, x, rho, eta):
    return get("1.3").library(f, rho * F.normalize(x, dim=1), rho, eta)


def ascent_of_a_leaf(f, x, rho, eta):
    """Well once; its own result is no leaf, and has no .grad."""
    x.requires_grad_(True)
    f(x).sum().backward()
    return rho * F.normalize(x + eta * F.normalize(x.grad, dim=1), dim=1)


# 1.5 ---- right


def variation_by_autograd(x):
    x = x.clone().requires_grad_()
    tv = x.diff(dim=1).pow(2).sum((1, 2)) + x.diff(dim=2).pow(2).sum((1, 2))
    tv.sum().backward()
    return tv, x.grad


def variation_by_laplacian(x):
    """−2 Δx, the picture continued by its own border."""
    p = F.pad(x[:, None], [1] * 4, mode="replicate")[:, 0]
    laplacian = p[:, 2:, 1:-1] + p[:, :-2, 1:-1] + p[:, 1:-1, 2:] + p[:, 1:-1, :-2] - 4 * x
    return -(x * laplacian).sum((1, 2)), -2 * laplacian


def variation_by_loops(x):
    tv, g = [0.0] * len(x), np.zeros(x.shape)
    for n in range(len(x)):
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                for a, b in ((i + 1, j), (i, j + 1)):
                    if a < x.shape[1] and b < x.shape[2]:
                        d = float(x[n, a, b] - x[n, i, j])
                        tv[n] += d * d
                        g[n, a, b] += 2 * d
                        g[n, i, j] -= 2 * d
    return tv, g


def variation_in_numpy(x):
    x = x.numpy()
    g = np.zeros_like(x)
    g[:, :-1] -= 2 * np.diff(x, axis=1)
    g[:, 1:] += 2 * np.diff(x, axis=1)
    g[..., :-1] -= 2 * np.diff(x)
    g[..., 1:] += 2 * np.diff(x)
    return [np.square(np.diff(x, axis=1)).sum((1, 2)) + np.square(np.diff(x)).sum((1, 2)), g]


# 1.5 ---- wrong


def variation(value, factor=1.0):
    """TV by ``value(x)``, its gradient by autograd and so consistent, times ``factor``."""
    def answer(x):
        x = x.clone().requires_grad_()
        tv = value(x)
        return tv.detach(), factor * torch.autograd.grad(tv.sum(), x)[0]
    return answer


def squares(x, over=torch.sum, axes=(1, 2)):
    return sum(over(x.diff(dim=axis).square().flatten(1), 1) for axis in axes)


def variation_one_end(upper, lower):
    def answer(x):
        g = torch.zeros_like(x)
        g[:, 1:] += upper * 2 * x.diff(dim=1)
        g[:, :-1] -= lower * 2 * x.diff(dim=1)
        g[:, :, 1:] += upper * 2 * x.diff(dim=2)
        g[:, :, :-1] -= lower * 2 * x.diff(dim=2)
        return squares(x), g
    return answer


def inner_slopes(x):
    """d² + e² where a pixel has both neighbours, as many libraries have it: (N, H − 1, W − 1)."""
    return (x[:, 1:, :-1] - x[:, :-1, :-1]).square() + (x[:, :-1, 1:] - x[:, :-1, :-1]).square()


def variation_of_a_leaf(x):
    """x keeps its .grad, and the next call adds to it."""
    x.requires_grad_(True)
    tv = squares(x)
    tv.sum().backward()
    return tv.detach(), x.grad


def variation_by_borders(x):
    """The border rows and columns written out: there must be two of each."""
    g = torch.zeros_like(x)
    for z, out in ((x, g), (x.transpose(1, 2), g.transpose(1, 2))):
        out[:, 0] += 2 * (z[:, 0] - z[:, 1])
        out[:, -1] += 2 * (z[:, -1] - z[:, -2])
        out[:, 1:-1] += 2 * (2 * z[:, 1:-1] - z[:, :-2] - z[:, 2:])
    return squares(x), g


def variation_of_the_batch(x):
    tv, g = variation_by_autograd(x)
    return tv.sum(), g


# 1.6 ---- right


def gain(height, width, decay):
    f = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    f[0, 0] = 1 / max(height, width)  # no other is slower than that
    return f**-decay


def waves_in_numpy(real, imaginary, width, decay):
    spectrum = (real.numpy() + 1j * imaginary.numpy()) * gain(real.shape[1], width, decay)
    return np.fft.irfft2(spectrum, s=(real.shape[1], width), norm="ortho")


def waves_added_up(real, imaginary, width, decay):
    """Cosines and sines, one wave after the other."""
    n, height, columns = real.shape
    g = gain(height, width, decay)
    y, x = np.mgrid[:height, :width]
    out = np.zeros((n, height, width))
    for i in range(height):
        for j in range(columns):
            phase = 2 * np.pi * (i * y / height + j * x / width)
            twice = 1 if j == 0 or 2 * j == width else 2  # its mirror image in the other half
            a, b = (t[:, i, j].numpy()[:, None, None] for t in (real, imaginary))
            out += twice * g[i, j] * (a * np.cos(phase) - b * np.sin(phase))
    return out / math.sqrt(height * width)


def waves_in_two_steps(real, imaginary, width, decay):
    height = real.shape[1]
    u, v = torch.fft.fftfreq(height), torch.fft.rfftfreq(width)
    f = torch.sqrt(u.reshape(-1, 1).square() + v.square())
    f = torch.where(f < 1 / max(height, width), 1 / max(height, width), f)
    spectrum = torch.view_as_complex(torch.stack([real, imaginary], -1)) / f.pow(decay)
    return torch.fft.irfft(torch.fft.ifft(spectrum, dim=1), n=width, dim=2) * (height * width) ** 0.5


# 1.6 ---- wrong


def waves(f=lambda u, v: (u**2 + v**2).sqrt(), exponent=lambda decay: -decay, norm="ortho", least=max,
          constant=None, size=True, imaginary_times=1.0, rows=torch.fft.fftfreq):
    def answer(real, imaginary, width, decay):
        height = real.shape[1]
        frequency = f(rows(height)[:, None], torch.fft.rfftfreq(width)[None])
        g = frequency.clamp_min(1 / least(height, width)) ** exponent(decay)
        if constant is not None:
            g[0, 0] = constant
        spectrum = torch.complex(real, imaginary_times * imaginary) * g
        return torch.fft.irfft2(spectrum, s=(height, width) if size else None, norm=norm)
    return answer


# 1.7 ---- right


def jitter_by_slices(x, down, right, fill):
    out = torch.full_like(x, fill)
    h, w = x.shape[1:]
    out[:, max(down, 0):h + min(down, 0), max(right, 0):w + min(right, 0)] = \
        x[:, max(-down, 0):h + min(-down, 0), max(-right, 0):w + min(-right, 0)]
    return out


def jitter_by_roll(x, down, right, fill):
    """Rolled, and what came round the corner painted over."""
    x = torch.roll(x, (down, right), (1, 2))
    rows, columns = torch.arange(x.shape[1]) - down, torch.arange(x.shape[2]) - right
    lost = ((rows < 0) | (rows >= x.shape[1]))[:, None] | ((columns < 0) | (columns >= x.shape[2]))
    return x.masked_fill(lost, fill)


def jitter_by_loops(x, down, right, fill):
    n, h, w = x.shape
    def pixel(m, i, j):
        return x[m, i, j].item() if 0 <= i < h and 0 <= j < w else fill

    return [[[pixel(m, i - down, j - right) for j in range(w)] for i in range(h)] for m in range(n)]


def jitter_negative_padding(x, down, right, fill):
    """Padding below 0 cuts off."""
    return F.pad(x, (right, -right, down, -down), value=fill)


def jitter_of_the_library(x, down, right, fill):
    return features.shift(x[:, None], down, right, fill)[:, 0]


# 1.7 ---- wrong


def jitter_slices_of_0(x, down, right, fill):
    """[:-0] is empty."""
    out = torch.full_like(x, fill)
    if down >= 0 and right >= 0:
        out[:, down:, right:] = x[:, :-down, :-right]
        return out
    return jitter_by_slices(x, down, right, fill)


def moved(rows=1, columns=1, swap=False, fill=None, mode=None):
    def answer(x, down, right, value):
        down, right = (rows * down, columns * right) if not swap else (right, down)
        if mode == "roll":
            return torch.roll(x, (down, right), (1, 2))
        if mode:
            a, b = abs(down), abs(right)
            x, (h, w) = F.pad(x[:, None], (b, b, a, a), mode=mode)[:, 0], x.shape[1:]
            return x[:, a - down:a - down + h, b - right:b - right + w]
        return jitter_by_slices(x, down, right, value if fill is None else fill)
    return answer


RIGHT = {"1.1": [field_from_the_top, field_in_sums, field_in_numpy, field_in_one_tensor, field_measured],
         "1.2": [patches_by_loops, patches_unfolded, patches_in_numpy, patches_sampled],
         "1.3": [ascent_by_rows, ascent_functional, ascent_in_float64, ascent_by_log],
         "1.5": [variation_by_autograd, variation_by_laplacian, variation_by_loops, variation_in_numpy],
         "1.6": [waves_in_numpy, waves_added_up, waves_in_two_steps],
         "1.7": [jitter_by_slices, jitter_by_roll, jitter_by_loops, jitter_negative_padding,
                 jitter_of_the_library]}

WRONG = [  # id, answer, how the hint begins; points where some are left
    ("1.1", field(early=True), "The size grows by the stride *so far*"),
    ("1.1", field(late=True), "The padding counts in pixels of the input"),
    ("1.1", field(early=True, late=True), "Both at once"),
    ("1.1", field(dilate=False), "Dilation spreads the kernel"),
    ("1.1", field(less=0), "A kernel of k places has k − 1 steps"),
    ("1.1", field(grow=False), "An upper layer's steps are wider"),
    ("1.1", field(add=True), "Strides multiply"),
    ("1.1", field(sign=1), "Padding lets the first field begin"),
    ("1.1", field(sign=0), "The padding is missing"),
    ("1.1", field(scaled=False), "The padding of an upper layer"),
    ("1.1", lambda layers: field()(layers.flip(0)), "The first layer comes first"),
    ("1.1", lambda layers: tuple(field()(layers)[i] for i in (0, 2, 1)), "The order of the three"),
    ("1.1", lambda layers: torch.tensor(field()(layers)).to(torch.int8), "The numbers are larger than a byte holds"),
    ("1.1", lambda layers: (lambda size, stride, start: (size, stride, max(start, 1 - size)))(*field()(layers)),
     "A field may begin further before the picture"),
    ("1.1", field_centres, "start is the first pixel of the field"),
    ("1.2", patches(order="all places"), "Two patches came from one picture"),
    ("1.2", patches(order="weak"), "Those are the weakest"),
    ("1.2", patches(order="as they come"), "The right patches in the order of the pictures"),
    ("1.2", patches(order="mean"), "The pictures were ranked by the mean"),
    ("1.2", patches(place="absolute"), "Strong means large"),
    ("1.2", patches(swap=True), "Row and column are swapped"),
    ("1.2", patches(border="pushed"), "A field at the border was pushed"),
    ("1.2", patches_cut_short, "A field that begins outside"),
    ("1.2", patches(border="repeated"), "Outside are 0s"),
    ("1.2", patches_of_too_few, ""),
    ("1.2", patches_in_a_square, "The picture ends at column W"),
    ("1.2", lambda maps, *rest: get("1.2").library(maps.clamp(min=0), *rest), "A picture that is negative"),
    ("1.2", patches(begin=lambda start, stride, p, size: stride * p), "The field of place p begins"),
    ("1.2", patches(begin=lambda start, stride, p, size: start + stride * p - size // 2),
     "start + p · stride is where a field begins, not"),
    ("1.2", patches(begin=lambda start, stride, p, size: stride * p - size // 2),
     "start + p · stride is where a field begins; p"),
    ("1.3", ascent(sign=-1), "That went downhill"),
    ("1.3", ascent(back="none"), "The step is made, the way back"),
    ("1.3", ascent(unit="batch"), "Each row has a gradient norm of its own"),
    ("1.3", ascent(back="batch"), "Each row goes back to norm ρ by itself"),
    ("1.3", ascent(unit="batch", back="batch"), "Both times you took the norm"),
    ("1.3", ascent(unit="none"), "The step has length η"),
    ("1.3", ascent(unit="sign"), "Divide by the gradient's norm"),
    ("1.3", ascent(radius=1.0), "The norm is to be ρ"),
    ("1.3", ascent_to_the_old_length, "Every row got the length back"),
    ("1.3", ascent_from_the_sphere, "x was set to norm ρ before"),
    ("1.3", ascent_of_a_leaf, "Something is None that should be a tensor"),
    ("1.3", ascent(back="ball"), "That stays in the ball"),
    ("1.3", ascent(back="square"), "Divide by the norm, not by its square"),
    ("1.3", ascent(back="root"), "Every row must have norm ρ"),
    ("1.3", ascent(tangent=True), "The gradient was projected", 1.0),
    ("1.3", lambda f, x, rho, eta: x.copy_(ascent(back="none")(f, x, rho, eta)), "The caller still needs x"),
    ("1.5", variation(squares, factor=0.5), "The slope of d² is 2 d"),
    ("1.5", variation(lambda x: sum((x.roll(-1, a) - x).square().sum((1, 2)) for a in (1, 2))),
     "The last row or column"),
    ("1.5", variation(lambda x: squares(x, axes=(1,))), "Rows only"),
    ("1.5", variation(lambda x: squares(x, axes=(2,))), "Columns only"),
    ("1.5", variation_one_end(1, 0), "The gradient counts only the difference to the pixel before"),
    ("1.5", variation_one_end(0, 1), "The gradient counts only the difference to the next"),
    ("1.5", variation_one_end(-1, -1), "The gradient's sign is turned"),
    ("1.5", variation_one_end(1, -1), "In the gradient both ends"),
    ("1.5", variation(lambda x: sum(x.diff(dim=a).abs().sum((1, 2)) for a in (1, 2))),
     "Squares, not absolute values"),
    ("1.5", variation(lambda x: squares(x, over=torch.mean)), "Sums, not means"),
    ("1.5", variation(lambda x: squares(x) / 2), "The ½ in front"),
    ("1.5", variation_of_a_leaf, "The gradient is twice too large"),
    ("1.5", variation_by_borders, ""),
    ("1.5", variation_of_the_batch, "One number for each picture"),
    ("1.5", variation(lambda x: inner_slopes(x).sum((1, 2))), "The last row's and the last column's own"),
    ("1.5", variation(lambda x: inner_slopes(x).sqrt().sum((1, 2))), "No root is taken"),
    ("1.6", waves(exponent=lambda decay: decay), "Fast waves came out stronger"),
    ("1.6", waves(f=lambda u, v: u.abs() + v), "f is the length of (u, v): √(u² + v²), not |u| + |v|"),
    ("1.6", waves(f=lambda u, v: u**2 + v**2), "The root is missing"),
    ("1.6", waves(f=lambda u, v: torch.maximum(u.abs(), v)), "f is the length of (u, v), not the larger"),
    ("1.6", waves(f=lambda u, v: u.abs() + 0 * v), "f counts waves up and down only"),
    ("1.6", waves(f=lambda u, v: v + 0 * u), "f counts waves to the side only"),
    ("1.6", waves(rows=lambda n: torch.arange(n) / n), "Rows have frequencies of both signs"),
    ("1.6", waves(norm=None), "The orthonormal transform is asked for: norm"),
    ("1.6", waves(norm="forward"), "The orthonormal transform is asked for, norm"),
    ("1.6", waves(exponent=lambda decay: 0.0), "decay was not used."),
    ("1.6", waves(exponent=lambda decay: -1.0), "decay was not used: the exponent"),
    ("1.6", waves(constant=1.0), "The constant has f = 0"),
    ("1.6", waves(constant=0.0), "The constant was left out"),
    ("1.6", waves(least=lambda h, w: max(h, w // 2 + 1)), "W is `width`"),
    ("1.6", waves(least=min), "The least frequency is one over the *longer*"),
    ("1.6", waves(imaginary_times=0.0), "The imaginary parts were not used"),
    ("1.6", waves(imaginary_times=-1.0), "The sign of the imaginary parts"),
    ("1.6", waves(size=False), "irfft2 has to be told the size"),
    ("1.6", waves(f=lambda u, v: (u**2 + v**2).sqrt() + 1e-3, least=lambda *s: 1e9), ""),
    ("1.6", waves(least=lambda *s: math.inf), "Is something divided by zero"),
    ("1.7", moved(mode="roll"), "What went out at one side"),
    ("1.7", moved(rows=-1, columns=-1), "The picture went the other way"),
    ("1.7", moved(rows=-1), "Rows went the other way"),
    ("1.7", moved(columns=-1), "Columns went the other way"),
    ("1.7", moved(swap=True), "down moves rows"),
    ("1.7", lambda x, down, right, fill: jitter_by_slices(x, abs(down), abs(right), fill),
     "Negative numbers moved the picture the same way"),
    ("1.7", lambda x, down, right, fill: jitter_by_slices(x, max(down, 0), max(right, 0), fill),
     "Negative numbers did not move"),
    ("1.7", moved(fill=0.0), "fill was not used"),
    ("1.7", moved(mode="replicate"), "The border's own pixels"),
    ("1.7", moved(mode="reflect"), "Mirrored pixels"),
    ("1.7", lambda x, down, right, fill: x, "The pictures came back"),
    ("1.7", moved(fill=0.5), ""),
]


@pytest.mark.parametrize("name, answer", [(n, f) for n, fs in RIGHT.items() for f in (get(n).library, *fs)],
                         ids=lambda v: getattr(v, "__name__", v))
def test_right_answers_pass(name, answer):
    for seed in SEEDS:
        score, verdict, _ = evaluate(get(name), answer, seed)
        assert score == get(name).points, (seed, verdict)


@pytest.mark.parametrize("name, answer, hint, points", [(*w, 0.0)[:4] for w in WRONG],
                         ids=[f"{w[0]} {w[2]}" for w in WRONG])
def test_wrong_answers_fail_with_their_hint(name, answer, hint, points):
    for seed in SEEDS:
        score, verdict, _ = evaluate(get(name), answer, seed)
        assert verdict.status == "wrong" and score == points, (seed, verdict)
        assert verdict.hint.startswith(hint), (seed, verdict.message, verdict.hint)


def test_a_slice_that_ends_at_minus_0_fails():
    score, verdict, _ = evaluate(get("1.7"), jitter_slices_of_0)
    assert score == 0 and verdict.status == "wrong"


def test_complex_results_are_named():
    for name in ("1.2", "1.5", "1.6"):
        library = get(name).library
        def answer(*given, library=library):
            found = library(*given)
            return tuple(t + 0j for t in found) if isinstance(found, tuple) else found + 0j
        score, verdict, _ = evaluate(get(name), answer)
        assert score == 0 and verdict.message == "Complex numbers came back."
        assert verdict.hint.startswith("Is the real part asked for, .real")


def test_one_value_in_place_of_several_is_told_so():
    for name, answer in (("1.1", lambda layers: field_from_the_top(layers)[0]), ("1.5", squares)):
        score, verdict, _ = evaluate(get(name), answer)
        assert score == 0 and "values were expected" in verdict.message, verdict
        assert verdict.hint.startswith("Return "), verdict


def test_answers_that_write_into_their_inputs_get_half():
    def into_x(x, down, right, fill):
        x.copy_(jitter_by_slices(x, down, right, fill))
        return x

    score, verdict, _ = evaluate(get("1.7"), into_x)
    assert score == 1 and verdict.hint.startswith("The caller still needs x")


@pytest.mark.parametrize("name", RIGHT)
def test_empty_and_hostile_answers_get_nothing(name):
    assert evaluate(get(name), lambda *a: None)[1].status == "empty"
    for value in (float("nan"), torch.tensor(float("inf")), "size", torch.zeros(0), [[1], [1, 2]], object(),
                  (1, 2, 3, 4), torch.zeros(2, 2, 2, 2), 1j):
        score, verdict, _ = evaluate(get(name), lambda *a, value=value: value)
        assert score == 0 and verdict.status == "wrong", (value, verdict)


@pytest.mark.parametrize("name", RIGHT)
def test_texts_are_whole_and_the_cases_depend_on_the_seed(name):
    exercise = get(name)
    assert len(exercise.hints) == 3 and len(exercise.insight) > 20 and "def " in exercise.solution()
    assert compile(exercise.solution(), name, "exec") and exercise.library.__doc__.count("→") == 1
    one, other = exercise.cases(0), exercise.cases(1)
    pairs = list(zip(one, other, strict=True))
    assert all(a.note == b.note for a, b in pairs)
    assert any(not np.array_equal(a.data[k], b.data[k]) for a, b in pairs for k in a.data)


def test_the_answers_are_the_librarys():
    """What the exercises ask for is what `features` computes."""
    rows = torch.tensor([[5, 2, 1, 1], [2, 2, 0, 1], [3, 1, 2, 2]])
    net = torch.nn.Sequential(*(torch.nn.Conv2d(1, 1, k, s, q, d) for k, s, q, d in rows.tolist()))
    field = features.receptive_field(net, "2")
    assert get("1.1").library(rows) == (field.size[0], field.stride[0], field.start[0])
    images = torch.rand(12, 1, 40, 40)
    top = features.top_patches(net, "2", 0, images, k=3)
    with torch.no_grad():
        mine = get("1.2").library(net(images)[:, 0], images[:, 0], 3, field.size[0], field.stride[0],
                                  field.start[0])
    torch.testing.assert_close(mine, top.patches[:, 0])

    x = F.normalize(torch.randn(4, 6), dim=1) * 2.0
    gradient = torch.cos(x)
    torch.testing.assert_close(get("1.3").library(lambda x: x.sin().sum(1), x, 2.0, 0.3),
                               features.sphere_step(x, gradient, 2.0, 0.3))
    picture = torch.randn(3, 7, 6)
    torch.testing.assert_close(get("1.5").library(picture)[0], features.total_variation(picture[:, None]))
    a, b = torch.randn(2, 3, 9, 4)
    mine, theirs = get("1.6").library(a, b, 7, 1.5), features.fourier_image(a, b, 7, 1.5)
    torch.testing.assert_close(mine / mine.std(), theirs / theirs.std())  # theirs: pixels of size about 1
    torch.testing.assert_close(get("1.7").library(picture, -2, 3, 0.5),
                               features.shift(picture[:, None], -2, 3, 0.5)[:, 0])
