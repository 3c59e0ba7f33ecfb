"""How far two sets of pictures are from each other, as a network sees them."""
import torch


def frechet_distance(a, b):
    """The Fréchet distance of two sets of features, (N, D) and (M, D), each taken for a normal distribution.

    ‖μa − μb‖² + tr(Σa + Σb − 2 (Σa Σb)^½), a float ≥ 0 in the features' unit squared (Heusel et al. 2017,
    equation 6).  Two samples of one distribution are not at 0, the less so the fewer they are: state beside
    it the distance of two real sets of the same size.  ValueError for sets of other shapes, of one item, or
    with values that are no numbers.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError("two sets of features (N, D), two rows or more, not "
                         f"{tuple(a.shape)} and {tuple(b.shape)}")
    a, b = a.double(), b.double()
    if not (a.isfinite().all() and b.isfinite().all()):
        raise ValueError("the features hold values that are no numbers")
    one, two = torch.cov(a.T).view(a.shape[1], -1), torch.cov(b.T).view(a.shape[1], -1)
    values, vectors = torch.linalg.eigh(one)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    # (Σa Σb)^½ has the trace of (Σa^½ Σb Σa^½)^½, whose inside is symmetric
    cross = torch.linalg.eigvalsh(root @ two @ root).clamp_min(0).sqrt().sum()
    return max(0.0, ((a.mean(0) - b.mean(0)).square().sum() + one.trace() + two.trace() - 2 * cross).item())
