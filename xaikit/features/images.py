"""How a picture is written down while it is being optimised, and how it is shaken: each way favours other pictures.

`Pixels`: a number per pixel.  `Fourier`: a number per wave, the slow ones cheap.  `Prior`: a code that a decoder, learned
from pictures, turns into one.  Each has ``start(n, shape, generator) -> code`` and ``picture(code, shape) -> (n, C, H, W)``,
with codes of size about 1 and pictures (C, H, W) = ``shape``.
"""
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

# The colours of photographs vary together: a square root of their covariance, scaled (Olah et al. 2017, preconditioning).
_COLOURS = torch.tensor([[0.56, 0.19, 0.04], [0.58, 0.00, -0.11], [0.58, -0.19, 0.06]])


class Pixels:
    """The picture itself is what is optimised; it starts as uniform noise in [0, 1] (Erhan et al. 2009, sec. 4)."""

    def start(self, n, shape, generator):
        return torch.rand(n, *shape, generator=generator)

    def picture(self, code, shape):
        return code


@dataclass(frozen=True)
class Fourier:
    """A sum of waves, each coefficient divided by its frequency to the power ``decay`` (Olah et al. 2017, *preconditioning*).

    The steepest way up is then another one: it moves the slow waves first, and the fast ones only where they pay.
    Three channels also vary together as the colours of photographs do.
    """

    decay: float = 1.0

    def start(self, n, shape, generator):
        return torch.randn(n, 2, shape[0], shape[1], shape[2] // 2 + 1, generator=generator)

    def picture(self, code, shape):
        x = fourier_image(code[:, 0], code[:, 1], shape[2], self.decay)
        return torch.einsum("nchw,dc->ndhw", x, _COLOURS.to(x)) if shape[0] == 3 else x


@dataclass(frozen=True)
class Prior:
    """A learned prior: ``decode(code (n, size)) -> (n, C, H, W)``, codes about normal with standard deviation 1.

    `principal_components` learns a linear one; a generator of lecture 08 is another.
    """

    decode: Callable = field(repr=False)
    size: int

    def start(self, n, shape, generator):
        return torch.randn(n, self.size, generator=generator)

    def picture(self, code, shape):
        x = self.decode(code)
        if tuple(x.shape[1:]) != tuple(shape):
            raise ValueError(f"the prior makes pictures of {tuple(x.shape[1:])}, asked for are {tuple(shape)}")
        return x


def principal_components(images, size=32):
    """A linear :class:`Prior`: mean + code · (components × their standard deviations), by PCA of images (N, C, H, W)."""
    from sklearn.decomposition import PCA

    if not 1 <= size <= min(len(images), images[0].numel()):
        raise ValueError(f"size is 1 … {min(len(images), images[0].numel())} for these pictures, not {size}")
    pca = PCA(size, random_state=0, svd_solver="randomized").fit(images.flatten(1).numpy())
    mean = torch.tensor(pca.mean_, dtype=images.dtype)
    basis = torch.tensor(pca.components_ * pca.explained_variance_[:, None] ** 0.5, dtype=images.dtype)
    return Prior(lambda code: (mean + code @ basis).view(len(code), *images.shape[1:]), size)


def frequencies(height, width):
    """(H, W // 2 + 1) cycles per pixel of the waves of ``torch.fft.rfft2``: √(u² + v²), at most √½."""
    return (torch.fft.fftfreq(height)[:, None] ** 2 + torch.fft.rfftfreq(width) ** 2).sqrt()


def fourier_image(real, imaginary, width, decay=1.0):
    """Pictures (…, H, width) from coefficients (…, H, width // 2 + 1), each times f^(−decay); f = 1 / max(H, width) for
    the constant, which has none.  Scaled so that coefficients of size 1 give pixels of size about 1."""
    f = frequencies(real.shape[-2], width).to(real)
    gain = f.clamp_min(1 / max(real.shape[-2], width)) ** -decay
    gain = gain / gain.square().mean().sqrt()
    return torch.fft.irfft2(torch.complex(real * gain, imaginary * gain), s=(real.shape[-2], width), norm="ortho")


def fast_share(images, above=0.5):
    """The share of a picture's energy in waves faster than ``above`` of the Nyquist frequency (½ cycle per pixel), the
    constant left out: (N, C, H, W) → (N,).  Twice the share, twice the fine grain."""
    spectrum = torch.fft.fft2(images.double(), norm="ortho").abs().square()
    h, w = images.shape[-2:]
    f = (torch.fft.fftfreq(h)[:, None] ** 2 + torch.fft.fftfreq(w) ** 2).sqrt()
    energy = spectrum.sum(1) * (f > 0)
    return (energy * (f > above / 2)).flatten(1).sum(1) / energy.flatten(1).sum(1).clamp_min(1e-300)


def shift(x, down, right, fill=0.0):
    """The pictures (N, C, H, W) moved by whole pixels; what comes in at the border is ``fill``, and never what went out
    at the other side, as with ``torch.roll``."""
    h, w = x.shape[-2:]
    reach = min(max(abs(down), abs(right)), max(h, w))
    padded = F.pad(x, [reach] * 4, value=fill)
    top, left = reach - max(-reach, min(reach, down)), reach - max(-reach, min(reach, right))
    return padded[..., top:top + h, left:left + w]


def turn_and_zoom(x, degrees, zoom, fill=0.0):
    """The pictures (N, C, H, W) turned about their middle and made ``zoom`` times as large, bilinear; ``fill`` outside."""
    a, (h, w) = math.radians(degrees), x.shape[-2:]
    theta = x.new_tensor([[math.cos(a), -math.sin(a) * h / w, 0], [math.sin(a) * w / h, math.cos(a), 0]]) / zoom
    grid = F.affine_grid(theta.expand(len(x), 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(x - fill, grid, align_corners=False) + fill


def blurred(x, sigma):
    """The pictures under a Gaussian of ``sigma`` pixels; the border's own pixels go on outside."""
    if sigma <= 0:
        return x
    reach = max(1, round(3 * sigma))
    line = torch.exp(-torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device) ** 2 / (2 * sigma**2))
    line = line / line.sum()
    flat = F.pad(x.flatten(0, 1)[:, None], [reach] * 4, mode="replicate")
    return F.conv2d(F.conv2d(flat, line.view(1, 1, 1, -1)), line.view(1, 1, -1, 1)).view_as(x)
