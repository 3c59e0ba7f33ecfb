"""Other directions than the units: the same space, turned (Bau, Zhou et al. 2017, section 3.2)."""
import torch


def rotation(units, amount=1.0, seed=0):
    """A random rotation Q of ``units`` axes, to the power ``amount`` in [0, 1]: (units, units), for ``units(…, basis=)``.

    0 is the identity, 1 a rotation drawn uniformly; between them every axis moves on along the same way.  ValueError
    for other amounts.
    """
    if not 0 <= amount <= 1:
        raise ValueError(f"amount lies between 0 (the units) and 1 (a random rotation), not {amount!r}")
    chance = torch.Generator().manual_seed(seed)
    q, r = torch.linalg.qr(torch.randn(units, units, generator=chance, dtype=torch.float64))
    q = q * r.diag().sign()  # makes it uniform (Mezzadri 2007)
    if torch.linalg.det(q) < 0:
        q[0] = -q[0]  # a rotation, no reflection: else it has no real power
    angles, axes = torch.linalg.eig(q)
    return ((axes * torch.exp(1j * amount * angles.angle())) @ axes.conj().T).real.float()
