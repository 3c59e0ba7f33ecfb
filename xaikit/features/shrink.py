"""The x sub-problem of sparse coding: one number at a time, argmin over x of β/2 (z − x)² + |x|^p."""
import functools

import numpy as np
import torch


def shrink(z, beta, p=1.0):
    """The minimiser x of β/2 (z − x)² + |x|^p for every entry of ``z`` (any shape); Zeiler et al. 2010, equation 8.

    p = 1: max(|z| − 1/β, 0) sign(z) (equation 8).  Other 0 < p < 2: by a look-up table.  One table serves every β: with
    s = β^(−1/(2−p)) the minimiser is s T(z/s), T that for β = 1.  ValueError for β ≤ 0 or p outside (0, 2).
    """
    if not beta > 0:
        raise ValueError(f"beta must be positive, not {beta}")
    if p == 1:
        return torch.nn.functional.softshrink(z, 1 / beta)
    s = beta ** (-1 / (2 - _checked(p)))
    v, u, threshold = (t.to(z) for t in table(p))
    on = z.abs() > threshold * s  # the others become 0, and for p < 1 they are most
    a = z[on].abs() / s
    right = torch.searchsorted(v, a).clamp(1, len(v) - 1)
    share = (a - v[right - 1]) / (v[right] - v[right - 1])
    found = torch.lerp(u[right - 1], u[right], share)
    beyond = a > v[-1]  # the table's end: its asymptote
    if beyond.any():
        found = torch.where(beyond, a - p * a ** (p - 1), found)
    return torch.zeros_like(z).masked_scatter(on, s * found * z[on].sign())


@functools.lru_cache(32)
def table(p, entries=4096):
    """``(v, u, threshold)``: T(v) = argmin over u of ½ (v − u)² + |u|^p, v > 0, at ``entries`` places; 0 below ``threshold``.

    At a minimum u > 0 the slope u − v + p u^(p−1) is 0, so v = u + p u^(p−1): the table is this formula read backwards.
    For p < 1 zero is the other candidate, and wins up to the v at which ½ v² = ½ (v − u)² + u^p, where u = (2 − 2p)^(1/(2−p)).
    """
    least = (2 - 2 * _checked(p)) ** (1 / (2 - p)) if p < 1 else 0.0
    u = least + np.concatenate([[0.0], np.geomspace(1e-6, 1e3, entries - 1)])
    v = u + p * np.power(u, p - 1, where=u > 0, out=np.zeros_like(u))
    return torch.from_numpy(v), torch.from_numpy(u), torch.tensor(v[0])


def _checked(p):
    if not 0 < p < 2:
        raise ValueError(f"p must lie between 0 and 2, not {p}")
    return p
