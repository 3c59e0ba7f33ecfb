"""Lecture 06, spectral bias: what Rahaman et al. 2018 claim, measured on the runs that the lecture shows."""
import numpy as np

from . import claim

_PAPER = "Rahaman et al. 2018"


def _shown(values, statistic=np.median, digits=2):
    """A statistic over networks with its 95 % interval as text, and the interval."""
    from ..dynamics.spectral import interval

    middle, low, high = (float(v) for v in interval(values, statistic))
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]".replace("-", "−"), low, high


@claim("06", f"{_PAPER}, theorem 1", "in one dimension the amplitude of a ReLU network decays as k⁻², whatever its depth",
       "k⁻² for d = 1")
def _one_dimension():
    import torch

    from ..dynamics import decay

    x = (torch.arange(4096, dtype=torch.float64) / 2048 - 1)[:, None]
    k, found = np.arange(32, 513), {}
    for depth in (1, 3):
        power = decay.spectrum(decay.random_networks(x, 60, (32,) * depth))[:, k] ** 2
        found[depth] = _shown(decay.exponent(k, power))
    text = "; ".join(f"{d} hidden layer{'s' * (d > 1)}: {t}" for d, (t, *_) in found.items())
    return f"exponent, median of 60 random networks: {text}", all(
        low - 0.05 < 2 < high + 0.05 for _, low, high in found.values())


@claim("06", f"{_PAPER}, theorem 1", "the decay is anisotropic: slowest orthogonal to the kinks", "k⁻² there, k⁻³ in almost "
                                                                                                 "all directions of the plane")
def _two_dimensions():
    from ..dynamics import decay

    on, off = decay.anisotropy()
    return f"8 random networks, exponent on the rays {_shown(on)[0]}, off them {_shown(off)[0]}", bool(
        _shown(off - on)[1] > 0)


def _order(growing):
    from ..dynamics import spectral

    run = spectral.learn(growing)
    times = spectral.time_to_learn(run.share, run.steps)
    text, *_ = _shown(rho := spectral.rank_correlation(run.k, times))
    return (f"10 networks, Spearman's ρ of k and time to half the amplitude: {text}; never reached: "
            f"{np.isinf(times).mean():.0%}"), bool(np.median(rho) >= 0.9)


@claim("06", f"{_PAPER}, experiment 1", "with equal amplitudes, lower frequencies are learned first", "figure: from the "
                                                                                                     "bottom up")
def _equal():
    return _order(False)


@claim("06", f"{_PAPER}, experiment 1", "and also where amplitudes grow with the frequency", "figure: from the bottom up")
def _growing():
    return _order(True)


@claim("06", f"{_PAPER}, experiment 1", "and with the paper's frequencies, k = 5, 10 … 50, in a larger network (six layers of 128)",
       "figure: from the bottom up")
def _larger():
    from ..dynamics import spectral
    from ..studies.lecture06 import larger_runs

    found, parts = [], []
    for target in ("equal", "growing"):
        run = larger_runs(target)
        times = spectral.time_to_learn(run.share, run.steps)
        found.append(rho := spectral.rank_correlation(run.k, times))
        parts.append(f"{target} amplitudes {np.median(rho):.2f} (five networks: {rho.min():.2f} … {rho.max():.2f}), never reached "
                     f"{np.isinf(times).mean():.0%}")
    return "from the longer run, Spearman's ρ: " + "; ".join(parts), bool(min(map(np.median, found)) >= 0.9)


@claim("06", f"{_PAPER}, experiment 2", "lower frequencies are more robust to changes of the parameters",
       "figure: high frequencies vanish first")
def _robust():
    from ..dynamics import perturbation

    moved = perturbation.survival()[-1]  # (networks, frequencies), at the largest δ
    text, low, _ = _shown(moved[:, :2].mean(1) - moved[:, -2:].mean(1), np.mean)
    return (f"transfer at δ = 4: {moved[:, :2].mean():.2f} for k = 1, 2, {moved[:, -2:].mean():.2f} for k = 9, 10; "
            f"difference {text}, 10 networks × 64 directions"), low > 0


@claim("06", f"{_PAPER}, experiment 3", "label noise of low frequency hurts the validation more than noise of high frequency",
       "affects the network more")
def _low_noise_hurts():
    from ..dynamics import label_noise
    from ..dynamics.spectral import interval

    best = label_noise.curves()[1].min(0)  # (noise, network)
    text, low, _ = _shown(best[1] - best[-1], np.mean)
    between = "{:.3f} ({:.3f} … {:.3f})".format(*interval(best[2] - best[-1], np.mean))
    return (f"validation error at its best: {best[0].mean():.2f} without noise, {best[1].mean():.2f} for k = 0.1, "
            f"{best[-1].mean():.2f} for k = 10; difference {text}, between k = 1 and 10 only {between}"), low > 0


@claim("06", f"{_PAPER}, experiment 3", "with noise of high frequency the validation error has a dip early in training",
       "a dip for high k, none for low k")
def _dip():
    from ..dynamics import label_noise

    dips = label_noise.dip(label_noise.curves()[1])
    (low, _, top), (high, bottom, _) = _shown(dips[1], np.mean), _shown(dips[-1], np.mean)
    return f"depth of the dip, as a part of the end: k = 0.1 {low}, k = 10 {high}", bottom > top + 0.1


@claim("06", f"{_PAPER}, experiment 4", "the larger L, the better high frequencies are learned", "attenuation of the bias as L "
                                                                                               "grows")
def _petals():
    from ..dynamics import manifolds

    run = manifolds.regression()
    high = run.share[-1][..., run.k >= 14].mean(-1)
    text, low, _ = _shown(high[-1] - high[0], np.mean)
    shares = ", ".join(f"L = {L}: {h.mean():.2f}" for L, h in zip(run.petals, high, strict=True))
    return f"share of k = 14 … 20 that is learned: {shares}; L = 16 less L = 0: {text}", low > 0


@claim("06", f"{_PAPER}, experiment 4", "the larger L, the easier the learning task", "lower loss for larger L")
def _loss():
    from ..dynamics import manifolds

    run = manifolds.regression()
    losses = ", ".join(f"L = {L}: {v:.3f}" for L, v in zip(run.petals, run.loss.mean(1), strict=True))
    (text, _, high), (last, _, top) = (_shown(run.loss[-1] - run.loss[k], np.mean) for k in (0, -2))
    return f"error after 300 steps: {losses}; L = 16 less L = 0: {text}, less L = 10: {last}", True if top < 0 else None if high < 0 else False


@claim("06", f"{_PAPER}, experiment 5", "larger L gives better classification, for BCE as for MSE", "accuracy grows with L")
def _classes():
    from ..dynamics import manifolds

    parts, holds = [], []
    for name, right in manifolds.classification().items():
        gains = right[-1] - right[0]  # (frequency, network)
        shown = [_shown(g, np.mean) for g in gains]
        parts.append(f"{name}: " + ", ".join(f"k = {k} {t}" for k, (t, *_) in zip((8, 16, 24), shown, strict=True)))
        holds += [low > 0 for _, low, _ in shown]
    return "accuracy for L = 16 less L = 0, " + "; ".join(parts), all(holds)
