"""Where a class writes: the share of its ink at each pixel, to compare with the evidence that a map finds for
it."""

import torch


def ink_density(images, labels, classes=10, least=0.02):
    """d_k(p), the share of class k in all the ink at pixel p: (classes, H, W), NaN where hardly anybody
    wrote.

    d_k(p) = Σ_{N in digits(k)} N(p) / Σ_l Σ_{N in digits(l)} N(p), Bach et al. 2015, eq. 65.  "Hardly": less
    than ``least`` of the ink of the blackest pixel; there the ratio is one of two nothings.
    """
    ink = torch.stack([images[labels == k].sum((0, 1)) for k in range(classes)])
    total = ink.sum(0)
    return torch.where(total > least * total.max(), ink / total.clamp(min=1e-12), torch.nan)


def density_correlation(relevance, density):
    """Pearson correlation of maps (N, H, W) with densities (H, W) or (N, H, W) over the pixels that have one:
    (N,)."""
    flat = density.expand_as(relevance).flatten(1)
    known = ~flat.isnan()
    count = known.sum(1, keepdim=True)
    a, b = (torch.where(known, v, 0) for v in (relevance.flatten(1), flat))
    a, b = (torch.where(known, v - v.sum(1, keepdim=True) / count, 0) for v in (a, b))
    return (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt().clamp(min=1e-12)
