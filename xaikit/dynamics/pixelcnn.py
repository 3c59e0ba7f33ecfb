"""A small PixelCNN: a decoder q(x|h) that draws a picture pixel by pixel, each given those before it and h.

q(x|h) = Π_i q(x_i | x_1 … x_{i−1}, h): van den Oord, Kalchbrenner, Kavukcuoglu 2016, *Pixel Recurrent Neural
Networks*, section 3.4 (masked convolutions); van den Oord et al. 2016, *Conditional Image Generation with
PixelCNN Decoders*, section 2.3 (the condition as maps that are added in every layer).
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

from .bounds import LEVELS, SIDE


class Masked(nn.Conv2d):
    """A convolution that sees only pixels above, and in the same row only those to the left; ``itself``: and
    the pixel's own place (type B), which the first layer must not see (type A)."""

    def __init__(self, a, b, size, itself):
        super().__init__(a, b, size, padding=size // 2)
        mask = torch.ones(size, size)
        mask[size // 2, size // 2 + itself:] = 0
        mask[size // 2 + 1:] = 0
        self.register_buffer("mask", mask, persistent=False)
        nn.init.normal_(self.weight, std=(1 / (mask.sum() * a)) ** 0.5)  # of the weights that are seen

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class PixelCNN(nn.Module):
    """Images (N, 1, R, 10), their first R rows, and codes (N, K), or None for q(x) → logits of each pixel's
    17 levels (N, 17, R, 10)."""

    def __init__(self, codes=64, width=24, depth=3, maps=4, hidden=40):
        super().__init__()
        self.maps = maps
        self.place = nn.Sequential(nn.Linear(codes, hidden), nn.ReLU(), nn.Linear(hidden, maps * SIDE * SIDE))
        self.first = Masked(1, width, 5, itself=False)
        self.told = nn.ModuleList([nn.Conv2d(maps, width, 1) for _ in range(depth)])
        self.middle = nn.ModuleList([Masked(width, width, 3, itself=True) for _ in range(depth)])
        self.last = nn.Conv2d(width, LEVELS, 1)
        for layer in self.place[::2]:
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.last.weight.mul_(0.1)

    def forward(self, x, h=None):
        told = None if h is None else F.relu(self.place(h)).view(-1, self.maps, SIDE, SIDE)[:, :, :x.shape[2]]
        x = self.first(x * 2 - 1)
        for conv, tell in zip(self.middle, self.told, strict=True):
            x = x + conv(F.relu(x)) + (0 if told is None else tell(told))
        return self.last(F.relu(x))


def nats(model, images, h=None):
    """−ln q(x|h) of images (N, 1, 10, 10), (N,)."""
    k = (images[:, 0] * (LEVELS - 1)).round().long()
    return F.cross_entropy(model(images, h), k, reduction="none").sum((1, 2))


def fit(images, h=None, steps=1000, batch_size=32, lr=1e-2, seed=0, **sizes):
    """A PixelCNN of images (N, 1, 10, 10) given codes h (N, K) (None: of the images alone), by Adam."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = PixelCNN(**sizes)
    optimizer = torch.optim.Adam([p for n, p in model.named_parameters()
                                  if h is not None or not n.startswith(("place", "told"))], lr=lr, fused=True)
    g = torch.Generator().manual_seed(seed)
    for step in range(steps):
        rows = torch.randint(len(images), (batch_size,), generator=g)
        optimizer.param_groups[0]["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimizer.zero_grad()
        nats(model, images[rows], None if h is None else h[rows]).mean().backward()
        optimizer.step()
    return model.eval()


@torch.no_grad()
def bits(model, images, h=None, batch_size=500):
    """E log2 q(x|h) over images (N, 1, 10, 10): a negative number of bits per image."""
    parts = [nats(model, x, None if h is None else h[i:i + batch_size])
             for i, x in zip(range(0, len(images), batch_size), images.split(batch_size), strict=True)]
    return -torch.cat(parts).mean().item() / math.log(2)


@torch.no_grad()
def sample(model, h, seed=0):
    """One picture for each code (N, K), drawn pixel by pixel from left to right and down; (N, 1, 10, 10)."""
    g = torch.Generator().manual_seed(seed)
    x = torch.zeros(len(h), 1, SIDE, SIDE)
    for i in range(SIDE):
        for j in range(SIDE):
            p = model(x[:, :, :i + 1], h)[:, :, i, j].softmax(1)  # what lies below is not seen
            x[:, 0, i, j] = torch.multinomial(p, 1, generator=g)[:, 0] / (LEVELS - 1)
    return x
