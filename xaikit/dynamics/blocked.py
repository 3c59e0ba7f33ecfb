"""A Gaussian kernel's interpolant for tens of thousands of examples, in bounded memory.

K is symmetric: half of it is kept, in square tiles of 32-bit floats (7.2 GB for 60,000 examples instead of the 30 GB
that Zhang et al. 2017, section 5, report), and Kα = y is solved by conjugate gradients, which only multiply by K.
"""

import torch

from .interpolation import gaussian_kernel


class Tiles:
    """The kernel matrix of x (n, d) with itself: tiles (i, j), j ≥ i, of ``block`` rows; ``self @ v`` for v (n, C).

    ValueError if the tiles need more than ``limit`` bytes.  ``tick()`` is called after each row of tiles.
    """

    def __init__(self, x, sigma, block=2000, limit=2**33, tick=lambda: None):
        self.n, parts = len(x), x.split(block)
        count = len(parts)
        need = 4 * block**2 * count * (count + 1) // 2
        if need > limit:
            raise ValueError(f"the tiles of {self.n} examples need {need / 2**30:.1f} GiB, the limit is {limit / 2**30:.1f}: "
                             "take fewer examples or raise the limit")
        self.block, self.tiles = block, {}
        for i, a in enumerate(parts):
            for j in range(i, count):
                self.tiles[i, j] = gaussian_kernel(a, parts[j], sigma)
            tick()

    def __matmul__(self, v):
        # Rows of v lie along memory here: with few columns the product is several times quicker that way.
        parts = [part.T.contiguous() for part in v.split(self.block)]
        out = [torch.zeros_like(part) for part in parts]
        for (i, j), tile in self.tiles.items():
            out[i].addmm_(parts[j], tile.T)
            if i != j:
                out[j].addmm_(parts[i], tile)
        return torch.cat(out, 1).T.contiguous()


def nystrom(x, sigma, rank, seed=0):
    """r ↦ M⁻¹ r, M ≈ K: the part of K that ``rank`` random examples span, plus μ on the diagonal (Woodbury's identity)."""
    chosen = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:rank]
    U = gaussian_kernel(x, x[chosen], sigma)
    small = gaussian_kernel(x[chosen].double(), x[chosen].double(), sigma)
    small += 1e-6 * torch.eye(len(small), dtype=torch.float64)
    factor = torch.linalg.cholesky(small)
    inside = torch.linalg.solve_triangular(factor, U.double().T[:, :2000], upper=False).square().sum(0)
    mu = float((1 - inside).mean().clamp(min=1e-3))
    whole = torch.linalg.cholesky(mu * small + (U.T @ U).double())

    def apply(r):
        rows = r.T.contiguous()
        inner = torch.cholesky_solve((rows @ U).T.double(), whole).float()
        return (rows - inner.T.contiguous() @ U.T).T.contiguous() / mu

    return apply


def conjugate_gradients(K, y, precondition=lambda r: r, tolerance=1e-4, most=500, tick=lambda residual: None):
    """α with ‖Kα − y‖ ≤ tolerance ‖y‖ in every column; K needs only ``@``.  y (n, C) → (α (n, C), iterations, residual)."""
    alpha, r = torch.zeros_like(y), y.clone()
    z = precondition(r)
    p, rz, scale = z.clone(), (r * z).sum(0), y.norm(dim=0).clamp(min=1e-30)
    residual = 1.0
    for k in range(1, most + 1):
        Kp = K @ p
        step = rz / (p * Kp).sum(0).clamp(min=1e-30)
        alpha, r = alpha + step * p, r - step * Kp
        residual = float((r.norm(dim=0) / scale).max())
        tick(residual)
        if residual <= tolerance:
            return alpha, k, residual
        z = precondition(r)
        new = (r * z).sum(0)
        p, rz = z + new / rz.clamp(min=1e-30) * p, new
    return alpha, most, residual


def predicted(x, alpha, test_x, sigma, block=2000):
    """(N, C): Σ_i α_i k(x_i, ·) at test_x (N, d), ``block`` test examples at a time."""
    return torch.cat([gaussian_kernel(part, x, sigma) @ alpha for part in test_x.split(block)])
