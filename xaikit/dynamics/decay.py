"""How fast the spectrum of a ReLU network decays: Rahaman et al. 2018, theorem 1."""
import functools
import math

import numpy as np
import torch

FINE = 640  # points per side of the plane: on 320, rays beyond |k| = 160 come back as aliases of half the off-ray amplitude
WINDOW = 30.0  # Kaiser's β: the edges of the domain, cut off at 1e−12 of the middle, leave no trace in the spectrum


def random_networks(x, count, widths=(32, 32), activation=torch.relu, seed=0):
    """Values (count, N) at x (N, D) of random networks: weights N(0, 2 / inputs), biases N(0, ½), float64."""
    generator = torch.Generator().manual_seed(seed)
    h = torch.as_tensor(x, dtype=torch.float64).expand(count, *x.shape)
    for i, width in enumerate((*widths, 1)):
        scale = math.sqrt(2 / h.shape[-1])
        weights = scale * torch.randn(count, h.shape[-1], width, dtype=torch.float64, generator=generator)
        biases = math.sqrt(0.5) * torch.randn(count, 1, width, dtype=torch.float64, generator=generator)
        h = torch.baddbmm(biases, h, weights)
        h = activation(h) if i < len(widths) else h
    return h[..., 0]


def window(points, beta=WINDOW):
    """Kaiser's window on ``points`` points, mean 1, falling to nothing at both ends (Kaiser 1966)."""
    w = np.kaiser(points, beta)
    return w / w.mean()


def spectrum(values):
    """|F(k)|, k = 0 … N/2, of functions (…, N) on [0, 1), seen through the window, so that they need not be periodic.

    Without it the jump from the last value back to the first would add a decay of its own, 1/k.
    """
    values = np.asarray(values, float)
    return np.abs(np.fft.rfft(values * window(values.shape[-1]), axis=-1)) / values.shape[-1]


def along(values, angles, k):
    """|F(k u)| in the directions u = (cos θ, sin θ) of functions on the square: values (E, N, N), x along the last axis,
    y along the one before; angles (A,) in radians, k (K,) periods per side → (E, A, K).

    e^(−2πi k·x) is a product of one factor for x and one for y: two matrix products, no grid of frequencies is needed.
    """
    values = np.asarray(values, float)
    n = values.shape[-1]
    z, w = (np.arange(n) + 0.5) / n, window(n, 20.0)
    phase = -2j * np.pi * np.multiply.outer(np.asarray(k, float), z)
    found = []
    for angle in np.asarray(angles, float):
        across, up = w * np.exp(phase * np.cos(angle)), w * np.exp(phase * np.sin(angle))
        found.append(np.abs(np.einsum("kn,enk->ek", up, values @ across.T)) / n**2)
    return np.stack(found, 1)


def exponent(k, power, low=0.0, high=8.0):
    """α of power(k) ∝ k^(−2α) by Whittle's likelihood: the α for which k^(2α) · power is uncorrelated with log k.

    k (K,) > 0, power (…, K) ≥ 0 → (…), within [low, high].  A periodogram scatters around the spectrum like an exponential
    variable; its likelihood (Whittle 1953) is largest where Σ_k k^(2α) P(k) (log k − mean log k) = 0, and the left side
    changes its sign once, from − to +: bisection finds it.  ValueError: k ≤ 0, fewer than two, negative or no power.
    """
    k, power = np.asarray(k, float), np.asarray(power, float)
    if len(k) < 2 or power.shape[-1] != len(k) or (k <= 0).any():
        raise ValueError(f"at least two k > 0 and as many powers are needed; k: {len(k)}, power: {power.shape}")
    if not (np.isfinite(power).all() and (power >= 0).all() and (power.max(-1) > 0).all()):
        raise ValueError("power is not negative, finite, and not 0 everywhere")
    log_k = np.log(k) - np.log(k).mean()
    low, high = np.full(power.shape[:-1], float(low)), np.full(power.shape[:-1], float(high))
    for _ in range(50):
        middle = (low + high) / 2
        rising = (np.exp(2 * middle[..., None] * log_k) * power * log_k).sum(-1) > 0
        low, high = np.where(rising, low, middle), np.where(rising, middle, high)
    return (low + high) / 2


def habitual(k, power):
    """α by a straight line through log power against log k, each frequency counted alike.  (K,), (…, K) → (…)"""
    x = np.log(np.asarray(k, float))
    return -((x - x.mean()) * np.log(power)).sum(-1) / (2 * ((x - x.mean()) ** 2).sum())


# ---- two dimensions: where the kinks are


@functools.cache
def plane(points=320):
    """The square [−1, 1]²: x (N², 2), rows from bottom to top."""
    axis = (2 * torch.arange(points, dtype=torch.float64) + 1) / points - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], 1)


def planar_network(seed, widths=(8, 8), points=320):
    """A random ReLU network on the square: values (N, N), and for each pixel on a kink the angle in [0, π) orthogonal to it.

    A kink is where a neuron's pre-activation changes its sign between two neighbouring pixels; it runs orthogonal to that
    pre-activation's gradient there.  Only the middle half of the square counts: outside the window is small.
    """
    generator = torch.Generator().manual_seed(seed)
    h = plane(points)
    slope = torch.eye(2, dtype=torch.float64).expand(len(h), 2, 2)  # the layer's gradient at each pixel (N², D, units)
    middle = (h.abs().amax(1) < 0.5).reshape(points, points)
    angles = []
    for width in widths:
        weights = math.sqrt(2 / h.shape[1]) * torch.randn(h.shape[1], width, dtype=torch.float64, generator=generator)
        z = h @ weights + 0.3 * torch.randn(width, dtype=torch.float64, generator=generator)
        slope = slope @ weights
        on = (z > 0).reshape(points, points, width)
        kink = torch.zeros_like(on)
        kink[:-1] |= on[1:] != on[:-1]
        kink[:, :-1] |= on[:, 1:] != on[:, :-1]
        at = (kink & middle[..., None]).reshape(-1, width)
        angles.append(torch.atan2(slope[:, 1][at], slope[:, 0][at]) % math.pi)
        h, slope = z.relu(), slope * (z > 0)[:, None]
    values = h @ (torch.randn(widths[-1], dtype=torch.float64, generator=generator) / math.sqrt(widths[-1]))
    return values.reshape(points, points).numpy(), torch.cat(angles).numpy()


def longest(angles):
    """The direction orthogonal to the straight kink that crosses the most pixels: the most frequent of ``angles`` (A,), to a
    quarter degree.  (A kink along the diagonal crosses fewer pixels than its length.)"""
    bins = np.round(np.degrees(_some(angles)) * 4)
    kinds, counts = np.unique(bins, return_counts=True)
    return float(np.mean(np.asarray(angles)[bins == kinds[counts.argmax()]]))


def farthest(angles):
    """The direction in [0, π) farthest from all ``angles`` (A,), and how far it is, in radians."""
    angles = np.unique(_some(angles) % np.pi)
    gaps = np.diff(np.append(angles, angles[0] + np.pi))
    widest = gaps.argmax()
    return float((angles[widest] + gaps[widest] / 2) % np.pi), float(gaps[widest] / 2)


def _some(angles):
    angles = np.asarray(angles, float)
    if not len(angles):
        raise ValueError("no angle: a function without kinks has no slow direction")
    return angles


@functools.cache
def anisotropy(count=8, apart=15.0, k=(24, 72), points=FINE):
    """Exponents orthogonal to a long kink, and in the direction farthest from all kinks' normals, of ``count`` random
    planar networks whose farthest direction is at least ``apart`` degrees from them: two arrays (count,).

    Nearer than that the window, which widens every ray, would mix the two.  The functions are sampled on ``points`` ×
    ``points`` (a coarse grid is enough to see whether a network is taken).
    """
    frequencies, found, seed = np.arange(k[0], k[1] + 1), [], 0
    while len(found) < count:
        values, angles = planar_network(seed)
        off, gap = farthest(angles)
        if gap >= np.radians(apart):
            values, _ = planar_network(seed, points=points)
            found.append(exponent(frequencies, along(values[None], [longest(angles), off], frequencies)[0] ** 2))
        seed += 1
    return tuple(np.array(found).T)
