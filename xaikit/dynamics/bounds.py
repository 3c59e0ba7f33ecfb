"""Lower bounds on mutual information by decoders: what can be read from a hidden layer.

Barber, Agakov 2003; Darlow, Storkey 2020, *What information does a ResNet compress?*, section 3:
I(x; h) ≥ E log q(x|h) + H(x) for every decoder q, and the gap is E KL(p(x|h) ‖ q(x|h)).
The same with q(y|h), a classifier, for I(y; h).  Everything here is in bits, log base 2, unless it says nats.
"""
import functools
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .. import data

LEVELS = 17  # scikit-learn's digits count the dark points of a 4 × 4 field: 0 … 16
SIDE = 10
LAYERS = ("h1", "h2", "h3", "h4")


@functools.cache
def moved_digits(split="train"):
    """The digits, each in nine places: images (N, 1, 10, 10) of values k / 16, k = 0 … 16, and labels (N,).

    The 8 × 8 scans are moved by −1, 0 or 1 pixel down and right; the place says nothing about the label.
    """
    scans = data.digits(size=8, split=split)
    wide = F.pad(scans.images, (2, 2, 2, 2))
    places = [wide[..., 1 + i:1 + i + SIDE, 1 + j:1 + j + SIDE] for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return torch.cat(places), scans.labels.repeat(9)


def level(images):
    """Images (N, 1, H, W) of values k / 16 as the whole numbers k, (N, H·W) float32."""
    return (images.flatten(1) * (LEVELS - 1)).round()


class Residual(nn.Module):
    """ReLU(x + conv(ReLU(conv(x)))); the last convolution starts at 0, so that the block starts as a ReLU."""

    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x):
        return F.relu(x + self.second(F.relu(self.first(x))))


class Watched(nn.Module):
    """A small ResNet with four hidden layers h1 … h4 that no skip connection goes round, and a head.

    Images (N, 1, 10, 10); 600, 300, 216 and 24 units.  ``outputs``: 10 logits, or 100 pixels through a
    hidden layer of 96: an auto-encoder whose bottleneck is h4, as in Darlow, Storkey 2020, section 4.
    """

    def __init__(self, outputs=10, width=6):
        super().__init__()
        w = width
        self.h1 = nn.Sequential(nn.Conv2d(1, w, 3, padding=1), nn.ReLU())
        self.h2 = nn.Sequential(Residual(w), nn.Conv2d(w, 2 * w, 3, 2, 1), nn.ReLU())
        self.h3 = nn.Sequential(Residual(2 * w), nn.Conv2d(2 * w, 4 * w, 3, 2, 1), nn.ReLU())
        self.h4 = nn.Sequential(Residual(4 * w), nn.Conv2d(4 * w, 4 * w, 3), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(4 * w, outputs) if outputs == 10 else nn.Sequential(
            nn.Linear(4 * w, 96), nn.ReLU(), nn.Linear(96, outputs))

    def layers(self, x):
        """The four hidden layers of images, [(N, units)]."""
        found = []
        for name in LAYERS:
            x = getattr(self, name)(x)
            found.append(x.flatten(1))
        return found

    def forward(self, x):
        return self.head(self.layers(x)[-1])


def log_likelihood(k, mean, log_scale):
    """ln q(k) of the discretised logistic, in nats: k, mean (…, D) in levels 0 … 16, log_scale (D,) or (…, D).

    q(k) = s((k + ½ − mean) / scale) − s((k − ½ − mean) / scale), s the sigmoid; level 0 gets all that lies
    below, level 16 all above (Salimans et al. 2017, *PixelCNN++*, eq. 2).  Computed as
    s(a) − s(b) = s(a) s(−b) (1 − e^(b − a)), which does not round to 0.
    """
    inverse = torch.exp(-log_scale)
    a, b = (k + 0.5 - mean) * inverse, (k - 0.5 - mean) * inverse
    low, high = k <= 0, k >= LEVELS - 1
    inside = torch.log(-torch.expm1(-inverse)) * ~(low | high)
    return F.logsigmoid(a) * ~high + F.logsigmoid(-b) * ~low + inside


def _parted(covariance):
    """Eigenvalues and eigenvectors, in double precision where single fails: with many units that are always 0 it
    may raise, and it may return nan."""
    try:
        values, vectors = torch.linalg.eigh(covariance)
        if vectors.isfinite().all() and values.isfinite().all():
            return values, vectors
    except torch.linalg.LinAlgError:
        pass
    return tuple(v.to(covariance) for v in torch.linalg.eigh(covariance.double()))


@dataclass
class Principal:
    """The first principal components of a layer, divided by one number: the mean spread of those components.

    One scale for all, because dividing each by its own would blow the noise of the least up to the size of
    the first.
    """

    mean: torch.Tensor
    basis: torch.Tensor

    @classmethod
    def of(cls, h, count=64, rows=1500):
        """From activations (N, units), at most ``rows`` of them; missing components (few units) are 0."""
        h = h[:: max(1, len(h) // rows)]
        mean = h.mean(0)
        covariance = (h - mean).T @ (h - mean) / len(h)
        values, vectors = _parted(covariance)
        values, vectors = values.flip(0)[:count].clamp(min=0), vectors.flip(1)[:, :count]
        scale = values.mean().sqrt().clamp(min=1e-6)
        return cls(mean, F.pad(vectors / scale, (0, count - vectors.shape[1])))

    def __call__(self, h):
        return (h - self.mean) @ self.basis


class Decoders:
    """E pairs of decoders, one for each layer (of each network and moment): q(x|h) and q(y|h), trained at once.

    Each has one hidden layer of ``width``; q(x|h) gives the mean of every pixel's discretised logistic, whose
    scale is one number per pixel.  ``h`` (E, N, K) everywhere.  The losses are summed: no decoder sees another.
    """

    def __init__(self, count, inputs, pixels, classes=10, width=96, seed=0):
        g = torch.Generator().manual_seed(seed)
        sizes = {"x": (inputs, width, pixels), "y": (inputs, width, classes)}
        self.weights = {}
        for name, (a, b, c) in sizes.items():
            self.weights |= {f"{name}1": torch.randn(count, a, b, generator=g) * math.sqrt(2 / a),
                             f"{name}1b": torch.zeros(count, 1, b),
                             f"{name}2": torch.randn(count, b, c, generator=g) * 0.1 * math.sqrt(1 / b),
                             f"{name}2b": torch.zeros(count, 1, c)}
        self.weights["scale"] = torch.full((count, 1, pixels), 1.0)

    def _out(self, name, h):
        w = self.weights
        hidden = F.relu(torch.baddbmm(w[f"{name}1b"], h, w[f"{name}1"]))
        return torch.baddbmm(w[f"{name}2b"], hidden, w[f"{name}2"])

    def mean(self, h):
        """What q(x|h) takes for each pixel's mean level, (E, N, D)."""
        return self._out("x", h) * 8 + self.centre

    def scale(self):
        """The scale of each pixel's discretised logistic, in levels, (E, D)."""
        return self.weights["scale"][:, 0].exp()

    def nats(self, h, k, y):
        """ln q(x|h) and ln q(y|h) for h (E, N, K), levels k (N, D), labels y (N,): (E, N) twice."""
        x_part = log_likelihood(k, self.mean(h), self.weights["scale"]).sum(2)
        logits = F.log_softmax(self._out("y", h), 2)
        return x_part, logits.gather(2, y.expand(len(h), -1)[:, :, None])[:, :, 0]

    def fit(self, h, k, y, steps=300, batch_size=64, lr=4e-3, seed=0):
        """Adam with a cosine schedule on all; returns itself."""
        self.centre = k.mean(0)
        for w in self.weights.values():
            w.requires_grad_(True)
        optimizer = torch.optim.AdamW(list(self.weights.values()), lr=lr, weight_decay=1e-3, fused=True)
        g = torch.Generator().manual_seed(seed)
        for step in range(steps):
            rows = torch.randint(len(k), (batch_size,), generator=g)
            optimizer.param_groups[0]["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
            x_part, y_part = self.nats(h[:, rows], k[rows], y[rows])
            optimizer.zero_grad()
            (-x_part.mean(1).sum() / 50 - y_part.mean(1).sum()).backward()
            optimizer.step()
        for w in self.weights.values():
            w.requires_grad_(False)
        return self


def alone(k, test):
    """E log2 q(x) of the decoder that sees no h: each pixel's discretised logistic at its best mean and scale.

    k (N, D) levels to fit on, ``test`` (M, D) to measure on; a negative number of bits per image.
    """
    decoder = Decoders(1, 1, k.shape[1])
    nothing = torch.zeros(1, len(k), 1)
    decoder.fit(nothing, k, torch.zeros(len(k), dtype=torch.long), steps=400, lr=2e-2)
    seen = torch.zeros(1, len(test), 1), test, torch.zeros(len(test), dtype=torch.long)
    return decoder.nats(*seen)[0].mean().item() / math.log(2)


def information(h, k, y, h_test, k_test, y_test, **options):
    """The two bounds of E layers in bits, measured on images that neither network nor decoder has seen.

    h: list of E activations (N, units), h_test (M, units); k (N, D), k_test levels; y labels.  Returns (E,) of
    E log2 q(x|h) − E log2 q(x) and (E,) of log2(10) + E log2 q(y|h) for labels that are equally frequent.
    """
    maps = [Principal.of(layer) for layer in h]
    seen, tested = (torch.stack([m(layer) for m, layer in zip(maps, part, strict=True)]) for part in (h, h_test))
    decoders = Decoders(len(h), seen.shape[2], k.shape[1]).fit(seen, k, y, **options)
    parts = [decoders.nats(tested[:, rows], k_test[rows], y_test[rows])
             for rows in torch.arange(len(k_test)).split(300)]
    x_bits, y_bits = (torch.cat(part, 1).mean(1) / math.log(2) for part in zip(*parts, strict=True))
    return x_bits - alone(k, k_test), y_bits + math.log2(10)


def watch(task, seed=0, steps=800, moments=(0, 50, 100, 200, 400, 800), batch_size=64, lr=2e-3):
    """Train a `Watched` network, "classifier" or "auto-encoder"; returns [(step, state dict)] at ``moments``."""
    if task not in ("classifier", "auto-encoder"):
        raise ValueError(f'a task is "classifier" or "auto-encoder", not {task!r}')
    images, labels = moved_digits()
    target = labels if task == "classifier" else images.flatten(1)
    loss = F.cross_entropy if task == "classifier" else F.mse_loss
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Watched(10 if task == "classifier" else SIDE * SIDE)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr, fused=True)
    g, kept = torch.Generator().manual_seed(seed), []
    for step in range(steps + 1):
        if step in moments or step == steps:
            kept.append((step, {n: v.detach().clone() for n, v in network.state_dict().items()}))
        if step < steps:
            rows = torch.randint(len(images), (batch_size,), generator=g)
            optimizer.param_groups[0]["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
            optimizer.zero_grad()
            loss(network(images[rows]), target[rows]).backward()
            optimizer.step()
    return kept


def hidden(state, images, batch_size=1000):
    """The layers h1 … h4 of a `Watched` network with these weights, [(N, units)] without a graph."""
    network = Watched(state["head.weight"].shape[0] if "head.weight" in state else state["head.2.weight"].shape[0])
    network.load_state_dict(state)
    with torch.no_grad():
        parts = [network.layers(part) for part in images.split(batch_size)]
    return [torch.cat(layer) for layer in zip(*parts, strict=True)]
