"""How alike pictures are, as numbers: of several answers to one question, and of several views of one unit."""
import copy

import torch
import torch.nn.functional as F


def agreement(pictures):
    """The mean cosine similarity between each two of S pictures, for each of U units: (U, S, …) → (U,); 1: all the same."""
    x = F.normalize(pictures.flatten(2), dim=2)
    count = x.shape[1]
    if count < 2:
        raise ValueError("agreement is between two pictures or more")
    return ((x @ x.mT).sum((1, 2)) - count) / (count * (count - 1))


def matches(a, b):
    """Do two views (U, …) of the same U units belong together?  (share, cosine).

    From each view its mean over the units is taken away, which all have in common.  share: of the units whose view in
    ``a`` resembles their own in ``b`` more than any other unit's; by chance 1/U.  cosine: the median between the two.
    """
    a, b = (F.normalize((v - v.mean(0)).flatten(1), dim=1) for v in (a, b))
    likeness = a @ b.T
    own = likeness.diagonal()
    return float((likeness.argmax(1) == torch.arange(len(own))).float().mean()), float(own.median())


def nearest(pictures, others):
    """The cosine of each of ``pictures`` (N, …) with the one of ``others`` (M, …) that is most like it: (N,)."""
    return (F.normalize(pictures.flatten(1), dim=1) @ F.normalize(others.flatten(1), dim=1).T).amax(1)


def scrambled(network, seed=0):
    """A copy of a network with the numbers within each weight matrix and bias shuffled: its sizes without what it learned."""
    generator, rival = torch.Generator().manual_seed(seed), copy.deepcopy(network)
    with torch.no_grad():
        for p in rival.parameters():
            p.copy_(p.flatten()[torch.randperm(p.numel(), generator=generator)].view_as(p))
    return rival
