"""Are some examples easier than others?  Misclassification rates after one epoch, over many networks.

Arpit et al. 2017, *A Closer Look at Memorization in Deep Networks*, section 3.1.
"""
import functools

import torch

from .memorization import corrupt, mlp, small_digits

KINDS = {"real": ("labels", 0.0), "randX": ("gaussian", 1.0), "randY": ("labels", 1.0)}


def equally_hard(wrong):
    """The sorted misclassification rates that chance alone would give, if all examples were equally hard.

    wrong (E, n) bool or 0/1: network e gets example i wrong → (n,) ascending.  Every example's count is then binomial,
    E trials with p̂ = mean of ``wrong``; rank i of n stands at the quantile (i − ½)/n of that, divided by E.
    """
    wrong = torch.as_tensor(wrong).double()
    networks, examples = wrong.shape
    k = torch.arange(networks + 1).double()
    ways = torch.lgamma(torch.tensor(networks + 1.0).double()) - torch.lgamma(k + 1) - torch.lgamma(networks - k + 1)
    p = wrong.mean()
    below = (ways + torch.xlogy(k, p) + torch.xlogy(networks - k, 1 - p)).exp().cumsum(0)  # P(K ≤ k)
    ranks = (torch.arange(examples) + 0.5).double() / examples
    return torch.searchsorted(below, ranks).clamp(max=networks) / networks


def dispersion(wrong):
    """(ratio, p-value): the variance of the rates over what the binomial law gives, p̂(1 − p̂)/E.

    wrong (E, n) as above.  About 1 if all examples are equally hard: ratio · (n − 1) is then χ² with n − 1 degrees of
    freedom (Fisher's index of dispersion), and the p-value is that of a ratio at least as large.  ValueError where
    nothing or everything is wrong: there is nothing to compare.
    """
    from scipy.stats import chi2

    wrong = torch.as_tensor(wrong).double()
    p, free = wrong.mean(), wrong.shape[1] - 1
    if not 0 < p < 1:
        raise ValueError(f"the share of wrong answers is {p.item():g}: with no variation there is no dispersion")
    ratio = (wrong.mean(0).var() / (p * (1 - p) / len(wrong))).item()
    return ratio, float(chi2.sf(ratio * free, free))


def interval(wrong, draws=400, seed=0):
    """The 95 % interval of the ratio of ``dispersion`` when the networks (rows) and examples are drawn again."""
    wrong = torch.as_tensor(wrong).float()
    g, (networks, examples) = torch.Generator().manual_seed(seed), wrong.shape
    rates, columns = wrong.mean(0), torch.randint(examples, (draws, examples), generator=g)
    found = rates[columns].var(1) / (wrong.mean() * (1 - wrong.mean()) / networks)
    return found.quantile(torch.tensor([0.025, 0.975])).tolist()


@functools.cache
def balanced_digits(n=1000):
    """(x (n, 64) of mean 0, y (n,)): as many digits of each class, so that no class is easier for being larger."""
    x, y, *_ = small_digits(1347)
    rows = torch.cat([(y == c).nonzero()[:n // 10, 0] for c in range(10)])
    return x[rows] - x[rows].mean(0), y[rows]


def noisy(kind, seed=0, n=1000):
    """The balanced digits as they are ("real"), as Gaussian noise ("randX"), or with their labels dealt out anew
    ("randY", a permutation: the classes stay equally large)."""
    x, y = balanced_digits(n)
    if kind == "randY":
        return x, y[torch.randperm(n, generator=torch.Generator().manual_seed(seed))]
    return corrupt(x, y, *KINDS[kind], seed)


@functools.cache
def one_epoch(kind, draw=0, networks=100, n=1000, width=32):
    """wrong (networks, n): which of n examples each network gets wrong after one epoch over them.

    ``draw``: the seed of the noise, the same for all networks; None draws new noise for each network, so that no
    chance pattern of one draw can be shared.
    """
    from ..train import fit_many

    sets = [noisy(kind, seed if draw is None else draw, n) for seed in range(networks if draw is None else 1)]
    xs, ys = (torch.stack(parts) for parts in zip(*sets, strict=True))

    def measure(now):
        shared = len({x.data_ptr() for x, _ in sets}) == 1
        out = now.forward(xs[0]) if shared else now.forward(xs, shared=False)
        return {"wrong": out.argmax(-1) != ys}

    steps = n // 50
    found = fit_many(lambda s: mlp(64, width), lambda s: sets[s["seed"] % len(sets)], [{"lr": 0.05, "momentum": 0.9}],
                     range(networks), steps=steps, batch_size=50, optimizer="sgd", measure=measure, every=[steps])
    return found.measured["wrong"][-1].bool()
