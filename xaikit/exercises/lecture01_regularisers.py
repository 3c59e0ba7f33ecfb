"""Lecture 01's exercises 1.5 to 1.7: total variation, pictures as sums of waves, jitter."""
from functools import partial

import numpy as np
import torch

from .formula import formula


# 1.5 --------------------------------------------------------------------------------------------------------
def variation_and_gradient(x):
    """Σ (differences of neighbours)², and its gradient.  x (N, H, W) → (N,), (N, H, W)"""
    down, right = x[:, 1:] - x[:, :-1], x[:, :, 1:] - x[:, :, :-1]
    gradient = torch.zeros_like(x)
    gradient[:, 1:] += 2 * down  # a difference pulls at both of its ends
    gradient[:, :-1] -= 2 * down
    gradient[:, :, 1:] += 2 * right
    gradient[:, :, :-1] -= 2 * right
    return down.square().sum((1, 2)) + right.square().sum((1, 2)), gradient


def _twice(answer):
    """The second call's result on the same x: what the first left behind must not count."""
    def run(x):
        answer(x)
        return answer(x)
    return run


def _variation(x, factor=2.0, ring=False, axes=(1, 2), ends=(1, 1), power=2, mean=False, whole=False,
               scale=1.0):
    total, g = np.zeros(len(x)), np.zeros_like(x)
    for axis in axes:
        d = (np.roll(x, -1, axis) - x) if ring else np.diff(x, axis=axis)
        count = max(d[0].size, 1) if mean else 1
        total += (np.abs(d) ** power).reshape(len(x), -1).sum(1) / count
        slope = (factor * d if power == 2 else np.sign(d)) / count
        if ring:
            g += ends[0] * np.roll(slope, 1, axis) - ends[1] * slope
        else:
            upper, lower = [slice(None)] * 3, [slice(None)] * 3
            upper[axis], lower[axis] = slice(1, None), slice(None, -1)
            g[tuple(upper)] += ends[0] * slope
            g[tuple(lower)] -= ends[1] * slope
    return (total.sum() if whole else total) * scale, g * scale


def _inner(x, root=False):
    """Only the pixels that have both neighbours; with ``root`` the length of their slope, √(d² + e²)."""
    d, e = x[:, 1:, :-1] - x[:, :-1, :-1], x[:, :-1, 1:] - x[:, :-1, :-1]
    terms = np.sqrt(d**2 + e**2) if root else d**2 + e**2
    share = 1 / terms if root else 2.0
    g = np.zeros_like(x)
    g[:, 1:, :-1] += share * d
    g[:, :-1, 1:] += share * e
    g[:, :-1, :-1] -= share * (d + e)
    return terms.sum((1, 2)), g


# 1.6 --------------------------------------------------------------------------------------------------------
def waves_to_image(real, imaginary, width, decay):
    """Waves of coefficient (a + ib) · max(f, 1/max(H, W))^−decay.  a, b (N, H, W // 2 + 1) → (N, H, W)"""
    height = real.shape[1]
    f = (torch.fft.fftfreq(height)[:, None] ** 2 + torch.fft.rfftfreq(width) ** 2).sqrt()  # (H, W // 2 + 1)
    gain = f.clamp_min(1 / max(height, width)) ** -decay
    return torch.fft.irfft2(torch.complex(real, imaginary) * gain, s=(height, width), norm="ortho")


def _waves(real, imaginary, width, decay, sign=-1, how="round", norm="ortho", floor=None, even=False,
           constant=None, only_real=False, conjugate=1, root=1.0):
    height = real.shape[1]
    u, v = np.abs(np.fft.fftfreq(height))[:, None], np.fft.rfftfreq(width)[None]
    f = {"round": np.sqrt(u**2 + v**2), "sum": u + v, "square": u**2 + v**2, "most": np.maximum(u, v),
         "rows": u + 0 * v, "columns": v + 0 * u,
         "positive": np.sqrt((np.arange(height)[:, None] / height) ** 2 + v**2),
         "index": np.sqrt((u * height) ** 2 + (v * width) ** 2)}[how]
    least = (1 if how == "index" else 1 / max(height, width)) if floor is None else floor(height, width)
    gain = np.maximum(f, least) ** (sign * decay)
    if constant is not None:
        gain = np.where(f == 0, constant, gain)
    spectrum = (real + (0 if only_real else 1j * conjugate) * imaginary) * gain**root
    return np.fft.irfft2(spectrum, s=(height, 2 * (spectrum.shape[2] - 1) if even else width), norm=norm)


def _wave_cases(rng):
    return [{"real": rng.normal(size=(n, h, w // 2 + 1)), "imaginary": rng.normal(size=(n, h, w // 2 + 1)),
             "width": w, "decay": decay, "note": note}
            for n, h, w, decay, note in ((2, 8, 16, 1.0, "16 columns"), (1, 6, 6, 0.5, "a square"),
                                         (3, 9, 7, 1.5, "an odd number of columns"))]


# 1.7 --------------------------------------------------------------------------------------------------------
def jitter(x, down, right, fill):
    """The pictures x (N, H, W) moved by whole pixels of either sign, fill coming in → (N, H, W)"""
    height, width = x.shape[1:]
    padded = torch.nn.functional.pad(x, (abs(right), abs(right), abs(down), abs(down)), value=fill)
    top, left = abs(down) - down, abs(right) - right
    return padded[:, top:top + height, left:left + width]


def _jitter(x, down, right, fill, how="fill"):
    h, w = x.shape[1:]
    rows, columns = np.arange(h) - down, np.arange(w) - right
    if how == "roll":
        return np.roll(x, (down, right), (1, 2))
    if how == "edge":
        return x[:, np.clip(rows, 0, h - 1)][:, :, np.clip(columns, 0, w - 1)]
    if how == "mirror":  # as padding with mode="reflect" does
        rows, columns = ((n - 1) - np.abs((n - 1) - np.abs(i)) for n, i in ((h, rows), (w, columns)))
        return x[:, rows][:, :, columns]
    out = np.full_like(x, fill)
    r, c = (rows >= 0) & (rows < h), (columns >= 0) & (columns < w)
    out[:, np.flatnonzero(r)[:, None], np.flatnonzero(c)] = x[:, rows[r][:, None], columns[c]]
    return out


def _jitter_cases(rng):
    return [{"x": rng.uniform(1, 2, size=(n, h, w)), "down": down, "right": right, "fill": fill, "note": note}
            for n, h, w, down, right, fill, note in (
                (2, 5, 6, 2, -1, 0.5, "down and left"), (1, 4, 4, -1, 3, -1.0, "up and right"),
                (3, 6, 3, 0, 1, 0.25, "right only"), (1, 5, 5, 3, 0, 0.7, "down only"),
                (2, 3, 4, 0, 0, 0.5, "no move at all"), (1, 6, 5, -4, -2, 3.0, "up and left"))]


EXERCISES = [
    formula(
        id="1.5", title="Total variation and its gradient", points=2, minutes=10, difficulty=2,
        task="Write `variation_and_gradient(x)` for pictures `x` (N, H, W): TV = Σ (x[i+1, j] − x[i, j])² + "
             "Σ (x[i, j+1] − x[i, j])² of each picture, (N,), and its gradient ∂TV/∂x, (N, H, W).",
        library=variation_and_gradient, truth=_variation, outputs=("TV", "gradient"), use=_twice,
        cases=lambda rng: [{"x": 2 * rng.normal(size=shape), "note": f"pictures of {shape[1]} × {shape[2]}"}
                           for shape in ((3, 5, 4), (1, 2, 7), (2, 6, 6), (1, 1, 3), (2, 4, 1))],
        mistakes=[
            ("The slope of d² is 2 d: the 2 is missing in the gradient.", partial(_variation, factor=1.0)),
            ("The gradient is twice too large: does .grad add up when x comes a second time? Begin with "
             "x = x.detach().clone().requires_grad_(True).",
             partial(_variation, factor=4.0)),
            ("The last row or column was compared with the first: a picture is no ring.",
             partial(_variation, ring=True)),
            ("Rows only: columns have neighbours, too.", partial(_variation, axes=(1,))),
            ("Columns only: rows have neighbours, too.", partial(_variation, axes=(2,))),
            ("The gradient counts only the difference to the pixel before; each is in one with the pixel "
             "after it, too.",
             partial(_variation, ends=(1, 0))),
            ("The gradient counts only the difference to the next pixel; each is in one with the pixel "
             "before it, too.",
             partial(_variation, ends=(0, 1))),
            ("The gradient's sign is turned round: a pixel above its neighbours has a positive one.",
             partial(_variation, ends=(-1, -1))),
            ("In the gradient both ends of a difference got the same sign: d = b − a grows with b and falls "
             "with a.",
             partial(_variation, ends=(1, -1))),
            ("Squares, not absolute values.", partial(_variation, power=1)),
            ("Sums, not means.", partial(_variation, mean=True)),
            ("The ½ in front of the sum is not asked for.", partial(_variation, scale=0.5)),
            ("The last row's and the last column's own differences are missing: a pixel at the border has "
             "one neighbour less, not none.",
             _inner),
            ("No root is taken, and rows and columns are added up apart.", partial(_inner, root=True)),
            ("One number for each picture, not for the batch.", partial(_variation, whole=True)),
        ],
        laws=[("The gradient of each picture sums to 0: brightness does not change TV.",
               lambda value, x: np.allclose(value[1].sum((1, 2)), 0, atol=1e-3))],
        hints=("x[:, 1:] - x[:, :-1] are all differences downwards; the same for columns.",
               "One difference d = b − a adds +2d to the gradient of b and −2d to that of a.",
               "g[:, 1:] += 2 * down; g[:, :-1] -= 2 * down; and the same with right. Or let autograd do "
               "it."),
        insight="The gradient is −2 times the discrete Laplacian: a step against it is one step of "
                "diffusion, a blur."),
    formula(
        id="1.6", title="Frequency-scaled Fourier pictures", points=3, minutes=15, difficulty=3,
        task="Write `waves_to_image(real, imaginary, width, decay)`: the inverse orthonormal real FFT of (a "
             "+ ib) · max(f, 1/max(H, W))^−decay, f = √(u² + v²) in cycles per pixel. a, b (N, H, W // 2 + "
             "1) → (N, H, W), W = `width`.",
        library=waves_to_image, cases=_wave_cases, truth=_waves, axes="(N, H, W)",
        mistakes=[
            ("Fast waves came out stronger: the exponent is −decay.", partial(_waves, sign=1)),
            ("f is the length of (u, v): √(u² + v²), not |u| + |v|.", partial(_waves, how="sum")),
            ("The root is missing: f = √(u² + v²).", partial(_waves, how="square")),
            ("f is the length of (u, v), not the larger of the two.", partial(_waves, how="most")),
            ("f counts waves up and down only: the columns' frequency v is missing.",
             partial(_waves, how="rows")),
            ("f counts waves to the side only: the rows' frequency u is missing.",
             partial(_waves, how="columns")),
            ("Rows have frequencies of both signs: fftfreq(H), not 0 … (H − 1)/H.",
             partial(_waves, how="positive")),
            ("f is in cycles per pixel, not per picture.", partial(_waves, how="index")),
            ("The orthonormal transform is asked for: norm=\"ortho\".", partial(_waves, norm="backward")),
            ("The orthonormal transform is asked for, norm=\"ortho\": this one divides by nothing.",
             partial(_waves, norm="forward")),
            ("decay was not used.", partial(_waves, root=0.0)),
            ("decay was not used: the exponent is −decay, not −1.",
             lambda **case: _waves(**{**case, "decay": 1.0})),
            ("The constant has f = 0 and gets the least frequency 1/max(H, W), not a factor of 1.",
             partial(_waves, constant=1.0)),
            ("The constant was left out: it has f = 0 and gets the least frequency 1/max(H, W).",
             partial(_waves, constant=0.0)),
            ("The least frequency is one over the *longer* side: 1/max(H, W).",
             partial(_waves, floor=lambda h, w: 1 / min(h, w))),
            ("W is `width`, not the number of columns of coefficients: the least frequency is 1/max(H, W).",
             partial(_waves, floor=lambda h, w: 1 / max(h, w // 2 + 1))),
            ("The imaginary parts were not used.", partial(_waves, only_real=True)),
            ("The sign of the imaginary parts is turned: a + ib.", partial(_waves, conjugate=-1)),
            ("irfft2 has to be told the size, s=(H, width): an odd width cannot be seen from the "
             "coefficients.",
             partial(_waves, even=True)),
        ],
        hints=("torch.fft.fftfreq(H) for the rows (both signs), torch.fft.rfftfreq(W) for the columns (half "
               "of them).",
               "gain = f.clamp_min(1 / max(H, W)) ** -decay, of shape (H, W // 2 + 1), multiplies both "
               "parts alike.",
               "torch.fft.irfft2(torch.complex(real, imaginary) * gain, s=(H, width), norm=\"ortho\")."),
        insight="No penalty, and yet the fast waves fade: in these coordinates the way through them is "
                "long."),
    formula(
        id="1.7", title="Jitter that does not leak", points=2, minutes=9, difficulty=2,
        task="Write `jitter(x, down, right, fill)`: pictures `x` (N, H, W) moved down and right by whole "
             "pixels (negative: up and left; 0: not at all), |down| < H, |right| < W. What comes in is "
             "`fill`, never what went out at the other side.",
        library=jitter, truth=_jitter, axes="(N, H, W)",
        cases=_jitter_cases,
        mistakes=[
            ("What went out at one side came in at the other: that is torch.roll, the leak.",
             partial(_jitter, how="roll")),
            ("The picture went the other way: down > 0 moves it down.",
             lambda x, down, right, fill: _jitter(x, -down, -right, fill)),
            ("Rows went the other way: down > 0 moves the picture down.",
             lambda x, down, right, fill: _jitter(x, -down, right, fill)),
            ("Columns went the other way: right > 0 moves the picture right.",
             lambda x, down, right, fill: _jitter(x, down, -right, fill)),
            ("Negative numbers moved the picture the same way as positive ones: down < 0 is up, right < 0 is "
             "left.",
             lambda x, down, right, fill: _jitter(x, abs(down), abs(right), fill)),
            ("Negative numbers did not move the picture: down < 0 is up, right < 0 is left.",
             lambda x, down, right, fill: _jitter(x, max(down, 0), max(right, 0), fill)),
            ("down moves rows, right moves columns: they are swapped.",
             lambda x, down, right, fill: _jitter(x, right, down, fill)),
            ("fill was not used: 0 came in.", lambda x, down, right, fill: _jitter(x, down, right, 0.0)),
            ("The border's own pixels came in; fill is asked for.", partial(_jitter, how="edge")),
            ("Mirrored pixels came in; fill is asked for.", partial(_jitter, how="mirror")),
            ("The pictures came back as they were.", lambda x, down, right, fill: x),
        ],
        hints=("Make the picture larger by fill on all sides, then cut a window of its old size at another "
               "place.",
               "torch.nn.functional.pad(x, (left, right, top, bottom), value=fill): the last axis comes "
               "first.",
               "Pad by |right| and |down|; the window begins at row |down| − down and column |right| − "
               "right."),
        insight="A leak would let a unit be fed from two borders at once, and the picture would learn it."),
]
