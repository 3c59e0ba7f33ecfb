"""Lecture 06, images: what the sources claim of frequency components and of margins, on digits and, in the longer run,
on CIFAR-10."""

import functools

import numpy as np

from . import claim

_WANG = "Wang et al. 2019"
_HOLD = "Ortiz-Jimenez et al. 2020"


def _spread(values, digits=2):
    """"mean (low … high)" over networks, and the interval's ends."""
    from ..dynamics.components import interval

    mean, low, high = interval(values)
    return f"{mean:.{digits}f} ({low:.{digits}f} … {high:.{digits}f})".replace("-", "−"), low, high


def _by_radius(table, part, column="test"):
    """{radius: accuracies on that kind of test} of one part, in the order of the radii."""
    rows = table[table.part == part].sort_values(["radius", "seed"])
    return {r: g[column].to_numpy() for r, g in rows.groupby("radius")}


def _low(table):
    found = _by_radius(table, "low")
    first, last = list(found.values())[0], list(found.values())[-1]
    return (", ".join(f"r = {r}: {v.mean():.2f}" for r, v in found.items()), bool(_spread(last - first)[1] > 0))


def _high(table, chance=0.25):
    found = _by_radius(table, "high")
    return (", ".join(f"r = {r}: {_spread(v)[0]}" for r, v in found.items()),
            bool(all(_spread(v)[2] < chance for v in found.values())))


@functools.cache
def _tables():
    from .. import studies
    from ..dynamics.components import table

    return table(), studies.table("06/cifar-components")


@claim("06", f"{_WANG}, table 1", "what is learned from low frequencies alone serves for whole images, the better the larger r (digits, "
                                  "r of 8 × 8)", "0.62, 0.72, 0.75, 0.77 at r = 4, 8, 12, 16 of 32 × 32")
def _low_digits():
    return _low(_tables()[0])


@claim("06", f"{_WANG}, table 1", "what is learned from high frequencies alone does not serve for whole images (digits)",
       "0.20, 0.09, 0.10, 0.13")
def _high_digits():
    return _high(_tables()[0])


@claim("06", f"{_WANG}, table 1", "low frequencies, the larger r the better: CIFAR-10, from the longer run (1,000 images)", "0.62 … 0.77")
def _low_cifar():
    return _low(_tables()[1])


@claim("06", f"{_WANG}, table 1", "high frequencies do not serve for whole images: CIFAR-10, from the longer run", "0.20, 0.09, 0.10, 0.13")
def _high_cifar():
    return _high(_tables()[1])


def _halves(labels):
    """Low and high accuracy at r = 2 when the labels are learned, (networks,) each: there each half has half of the variance."""
    from ..dynamics.components import SEEDS, picked_up

    found = picked_up()
    rows = slice(0, SEEDS) if labels == "true" else slice(SEEDS, None)
    return [found.measured[name][-1, rows].numpy() for name in ("low 2", "high 2")]


def _preference(labels):
    low, high = _halves(labels)
    return low - high


@claim("06", f"{_WANG}, section 4", "with true labels the low frequencies are picked up more than the high ones (accuracy on x_l minus on x_h, r = 2)",
       "low first")
def _true():
    said, low, _ = _spread(_preference("true"))
    return said, bool(low > 0)


@claim("06", f"{_WANG}, section 4", "with shuffled labels they are not: both are treated alike (decided only where one of the two is "
                                  "above 0.25, chance being 0.1)", "equally")
def _shuffled():
    said, low, high = _spread(_preference("shuffled"))
    each = [float(half.mean()) for half in _halves("shuffled")]
    if max(each) < 0.25:
        return f"{said}; but {each[0]:.2f} and {each[1]:.2f} are so near chance that a lead has no room: not decided", None
    return said, bool(high < _spread(_preference("true"))[1] and low < 0.02)


@claim("06", f"{_WANG}, section 4", "with true labels low more than high: CIFAR-10, from the longer run (500 images, r = 4)", "low first")
def _true_cifar():
    said, low, _ = _spread(_lead("true"))
    return said, bool(low > 0)


@claim("06", f"{_WANG}, section 4", "with shuffled labels both are treated alike: CIFAR-10, from the longer run (the same)", "equally")
def _shuffled_cifar():
    said, low, high = _spread(_lead("shuffled"))
    return said, bool(high < _spread(_lead("true"))[1] and low < 0.02)


def _lead(labels):
    """The same on CIFAR-10 at r = 4 (networks,)."""
    from .. import studies

    found = studies.table("06/cifar-labels")
    end = found[(found.labels == labels) & (found.step == found.step.max())]
    return (end["low 4"] - end["high 4"]).to_numpy()


def _norm_gain(column):
    """Gain of batch norm by the radius trained on, as text, and how much larger it is at r = 2 and 3 than at 1."""
    from ..dynamics.components import table

    plain, norm = (_by_radius(table(n), "low", column) for n in (False, True))
    gain = {r: norm[r] - plain[r] for r in norm}
    more, low, high = _spread(np.mean([gain[r] for r in gain if r > 1], 0) - gain[1])
    return ", ".join(f"r = {r}: {_spread(v)[0]}" for r, v in gain.items()) + f"; beyond 1 minus 1: {more}", low, high


@claim("06", f"{_WANG}, figure 6", "batch norm gains least where only the lowest frequencies are trained on (r = 4; ours 1)", "least")
def _norm():
    said, low, high = _norm_gain("test")
    return said + ("" if low > 0 or high < 0 else ": not decided by five networks"), bool(low > 0) if low > 0 or high < 0 else None


@claim("06", f"{_WANG}, figure 6", "so too if tested on x_l, which it was trained on", "not shown")
def _norm_own():
    said, low, _ = _norm_gain("own")
    return said, bool(low > 0)


@functools.cache
def _compared():
    from ..dynamics.components import compared

    return compared().set_index(["how", "seed"])


def _against_plain(how, column):
    """That heuristic minus plain training, network by network."""
    return (_compared().loc[how][column] - _compared().loc["plain"][column]).to_numpy()


@claim("06", f"{_WANG}, section 5", "small batches are better on test images than large ones", "better")
def _batch():
    said, low, _ = _spread(-_against_plain("batch 256", "test"))
    return f"batch 64 minus 256: {said}", bool(low > 0)


@claim("06", f"{_WANG}, section 5", "mix-up makes the network use more of the high frequencies (accuracy on x_h, r = 2)", "more")
def _mixup():
    said, low, _ = _spread(_against_plain("mix-up", "high 2"))
    return f"minus plain: {said}", bool(low > 0)


@claim("06", f"{_WANG}, section 5", "batch norm makes the network use more of the high frequencies (the same)", "more")
def _norm_high():
    said, low, _ = _spread(_against_plain("batch norm", "high 2"))
    return f"minus plain: {said}; roughness of the kernels {_spread(_against_plain('batch norm', 'roughness'))[0]}", bool(low > 0)


@claim("06", f"{_WANG}, section 6", "robust networks have smoother first-layer kernels (share of energy beyond radius 1)", "smoother")
def _smooth():
    said, _, high = _spread(_against_plain("adversarial", "roughness"))
    return f"adversarial minus plain: {said}", bool(high < 0)


@claim("06", f"{_WANG}, section 6", "smoothing the first layer's kernels makes a network more robust (FGSM, ε = 0.05 and 0.1)", "a little")
def _smoothing():
    from ..dynamics.components import robustness

    found = robustness().set_index(["how", "rho", "epsilon", "seed"]).accuracy.sort_index()
    gains = {e: (found["plain", 0.25, e] - found["plain", 0.0, e]).to_numpy() for e in (0.05, 0.1)}
    return "; ".join(f"ε = {e}: {_spread(g)[0]}" for e, g in gains.items()), bool(all(_spread(g)[1] > 0 for g in gains.values()))


def _rank(flipped):
    """Spearman's ρ of each network's median margins with how far apart the classes are, over the bands."""
    from scipy.stats import spearmanr

    from ..dynamics import margins

    apart = margins.discriminative(flipped)
    return np.array([spearmanr(apart, m)[0] for m in margins.band_margins(flipped).median(2).values])


@claim("06", f"{_HOLD}, section 3", "margins are small along discriminative directions and large elsewhere (ρ over DCT bands)", "yes")
def _bands():
    said, _, high = _spread(_rank(False))
    return f"ρ {said}", bool(high < 0)


@claim("06", f"{_HOLD}, section 3", "so too after the frequency order of the images was turned round", "reversed")
def _flipped():
    from ..dynamics import margins

    said, _, high = _spread(_rank(True))
    m, f = (margins.band_margins(k).median(2).values for k in (False, True))
    ends = f"highest over lowest band {(m[:, -1] / m[:, 0]).mean():.1f}, flipped {(f[:, -1] / f[:, 0]).mean():.1f}"
    s, t = (margins.band_margins(k, "sgd").median(2).values.mean(0) for k in (False, True))
    ends += f"; by SGD {s[-1] / s[0]:.1f}, flipped {t[-1] / t[0]:.1f}"
    return f"ρ {said}; {ends}", bool(high < 0 and (m[:, -1] > m[:, 0]).all() and (f[:, -1] < f[:, 0]).all())


@claim("06", f"{_HOLD}, table 1", "synthetic data: the margin is smallest along u₁, larger orthogonal to it, far larger in random subspaces",
       "medians 2.5, 12.4, 27.9 (random), 102 (orthogonal)")
def _synthetic():
    from ..dynamics import margins

    found = {name: m.median(1).values.numpy() for name, m in margins.synthetic().items()}
    order = [found[k] for k in ("u₁", "span{u₁}⊥", "S_rand", "S_orth")]
    return (", ".join(f"{name} {v.mean():.1f}" for name, v in found.items()),
            bool(all(_spread(np.log(b) - np.log(a))[1] > 0 for a, b in zip(order, order[1:], strict=False))))


@claim("06", f"{_HOLD}, figure 8", "a few DeepFool examples move the boundary in many directions (median margin, against clean images)",
       "margins change")
def _tuned():
    from ..dynamics import margins

    found = {k: v.median(2).values for k, v in margins.fine_tuned().items()}
    growth = (found["deepfool"] / found["clean"] - 1).numpy()
    noise = (found["noise"] / found["clean"] - 1).numpy()
    lows = [_spread(g)[1] for g in growth.T]
    return (f"{_spread(growth.mean(1))[0]} in the mean over bands, noise {_spread(noise.mean(1))[0]}; grown in {sum(v > 0 for v in lows)} "
            f"of {len(lows)} bands", bool(_spread(growth.mean(1) - noise.mean(1))[1] > 0))
