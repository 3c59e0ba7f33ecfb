"""Lecture 05, first half: what Zhang et al. claim of random data, regularisers and interpolation, measured."""

from . import claim

_PAPER = "Zhang et al. 2017"


def _own(runs, **wanted):
    return [i for i, s in enumerate(runs.settings) if all(s[k] == v for k, v in wanted.items())]


def _told(values, form="{:.2f}"):
    """Mean and 95 % interval as text."""
    from ..dynamics.memorization import interval

    mean, low, high = (form.format(v) for v in interval(values))
    return f"{mean} ({low} … {high})"


@claim("05", f"{_PAPER}, section 2.1", "all six data sets, from true labels to Gaussian noise, are fitted to 100 %",
       "CIFAR-10: training error 0")
def _all_fitted():
    from ..dynamics import memorization

    runs = memorization.randomised()
    own = [i for name in memorization.SIX for i in _own(runs, name=name)]
    fitted = (runs.measured["train_error"][:, own] == 0).any(0)
    return f"digits: {int(fitted.sum())} of {len(own)} networks, {len(memorization.SIX)} data sets", bool(fitted.all())


@claim("05", f"{_PAPER}, section 2.1", "and so are the six made of larger images: 1,000 of MNIST, 1,000 of CIFAR-10",
       "CIFAR-10: training error 0")
def _larger_fitted():
    from .. import studies

    rows = studies.table("05/scale")
    fitted = rows.train_error == 0
    factor = rows.pivot_table(index="data", columns="name", values="steps", sort=False)
    text = "; ".join(f"{which} random labels {row['random labels'] / row['true labels']:.1f} times the true labels' steps"
                     for which, row in factor.iterrows())
    return f"from the longer run: {fitted.sum()} of {len(rows)} networks; {text}", bool(fitted.all())


@claim("05", f"{_PAPER}, section 2.1", "fitting random labels takes longer only by a small constant factor", "small factor")
def _small_factor():
    from ..dynamics import memorization

    runs = memorization.randomised()
    fitted = runs.first("train_error", lambda share: share == 0)
    plain = fitted[_own(runs, name="true labels")].mean()
    factor = fitted[_own(runs, name="random labels")] / plain
    low, high = memorization.interval(factor)[1:]
    return f"digits: {_told(factor, '{:.1f}')} times", bool(low > 1 and high < 10)


@claim("05", f"{_PAPER}, figure 1a", "random pixels and Gaussian noise are fitted sooner than random labels (holds: the "
                                    "slowest network of the former before the quickest of the latter)", "shown")
def _order():
    from ..dynamics import memorization

    runs = memorization.randomised()
    fitted = runs.first("train_error", lambda share: share == 0)
    steps = {name: fitted[_own(runs, name=name)] for name in memorization.SIX}
    text = ", ".join(f"{name} {v.mean():.0f}" for name, v in sorted(steps.items(), key=lambda kv: kv[1].mean()))
    noise = max(steps["random pixels"].max(), steps["Gaussian"].max())
    return f"digits, steps: {text}", bool(noise < steps["random labels"].min())


@claim("05", f"{_PAPER}, figure 1a", "and so they are on MNIST and CIFAR-10 (holds: the same of all three)", "shown for CIFAR-10")
def _larger_order():
    from .. import studies

    rows = studies.table("05/scale")
    steps = {which: part.groupby("name").steps.agg(["mean", "min", "max"]) for which, part in rows.groupby("data", sort=False)}
    text = "; ".join(f"{which} " + ", ".join(f"{name} {row['mean']:.0f}" for name, row in found.sort_values("mean").iterrows())
                     for which, found in steps.items())
    return f"from the longer run, steps: {text}", all(
        found["max"][["random pixels", "Gaussian"]].max() < found["min"]["random labels"] for found in steps.values())


@claim("05", f"{_PAPER}, figure 1b", "time to fit grows with the share of random labels (holds: Spearman's ρ over all networks "
                                    "> 0.5, and more than doubled at p = 1)", "grows, up to 1.5 … 3.5 times")
def _slows():
    from scipy import stats

    from ..dynamics import memorization

    runs = memorization.randomised()
    fitted = runs.first("train_error", lambda share: share == 0)
    own = _own(runs, kind="labels")
    p = [runs.settings[i]["p"] for i in own]
    rho = float(stats.spearmanr(p, fitted[own]).statistic)
    factor = fitted[_own(runs, kind="labels", p=1.0)] / fitted[_own(runs, kind="labels", p=0.0)].mean()
    noisy = [i for i in own if runs.settings[i]["p"] > 0]
    rest = float(stats.spearmanr([runs.settings[i]["p"] for i in noisy], fitted[noisy]).statistic)
    early = {q: float(fitted[_own(runs, kind="labels", p=q)].mean() / fitted[_own(runs, kind="labels", p=0.0)].mean())
             for q in (0.1, 0.25)}
    return (f"digits: ρ = {rho:.2f} (without p = 0 {rest:.2f}); " + ", ".join(f"{v:.1f} times at p = {q:g}" for q, v in early.items())
            + f", {_told(factor, '{:.1f}')} at p = 1: nearly all of it up to p = 0.25",
            bool(rho > 0.5 and memorization.interval(factor)[1] > 2))


@claim("05", f"{_PAPER}, figure 1c", "the test error grows steadily with the share of random labels, up to guessing",
       "to 90 % on CIFAR-10")
def _error_grows():
    from ..dynamics import memorization

    runs = memorization.randomised()
    levels = sorted({s["p"] for s in runs.settings if s["kind"] == "labels"})
    error = [runs.measured["test_error"][-1, _own(runs, kind="labels", p=p)] for p in levels]
    means = [float(e.mean()) for e in error]
    low, high = memorization.interval(error[-1])[1:]
    return (", ".join(f"p = {p:g}: {m:.0%}" for p, m in zip(levels, means, strict=True)),
            bool(means == sorted(means) and low < 0.9 < high))


@claim("05", f"{_PAPER}, section 3", "without any regulariser networks still generalise (holds: the best regulariser gains less "
                                    "than five points)", "CIFAR-10, Inception: 85.75 % without, 89.31 % at best")
def _not_needed():
    from ..dynamics import regularised

    rows = regularised.table().query("labels == 'true'").set_index("regulariser")
    plain, name = rows.test["none"], rows.test.idxmax()
    return (f"digits: {plain:.1f} % without, {rows.test[name]:.1f} % at best ({name})",
            bool(rows.test[name] - plain < 5 and rows.test_low["none"] > 50))


def _random_labels(name):
    from ..dynamics import regularised

    rows = regularised.table().query("labels == 'random'").set_index("regulariser")
    return (f"training accuracy {rows.train[name]:.1f} ({rows.train_low[name]:.1f} … {rows.train_high[name]:.1f}) %",
            bool(rows.train[name] > 95))


@claim("05", f"{_PAPER}, section 3", "with weight decay networks still fit random labels (holds: above 95 %)",
       "ImageNet: 87.81 % top-1")
def _decay_fits():
    return _random_labels("weight decay")


@claim("05", f"{_PAPER}, section 3", "with dropout networks still fit random labels (holds: above 95 %)",
       "ImageNet, with weight decay: 91.18 % top-1")
def _dropout_fits():
    return _random_labels("dropout")


@claim("05", f"{_PAPER}, appendix E", "with data augmentation networks still fit random labels (holds: above 95 % in each of "
                                     "five seeds)", "CIFAR-10, Inception, random cropping: 99.93 %")
def _crop_fits():
    from .. import studies

    rows = studies.table("05/budget").query("section == 3").groupby("steps").memorised.agg(["mean", "min"])
    text = ", ".join(f"{100 * row['mean']:.0f} % after {steps:,} steps" for steps, row in rows.iterrows())
    return f"from the longer run: training accuracy {text}", bool(rows["min"].iloc[-1] > 0.95)


@claim("05", f"{_PAPER}, section 3", "early stopping gains next to nothing on true labels (holds: less than a point)",
       "CIFAR-10: no potential benefit observed")
def _early_stopping():
    from ..dynamics import memorization, regularised

    rows = regularised.table().query("labels == 'true'").set_index("regulariser")
    gain = rows.best["none"] - rows.test["none"]
    runs = memorization.randomised()
    error = runs.measured["test_error"][:, _own(runs, kind="labels", p=0.5)]
    return (f"digits: {gain:.1f} points; with half of the labels random {100 * float((error[-1] - error.amin(0)).mean()):.0f}",
            bool(gain < 1))


@claim("05", f"{_PAPER}, theorem 1", "two layers of ReLU units with 2n + d weights represent any labels of n examples "
                                 "(knots just behind the example before, gap 0.99)", "proof")
def _exact():
    import torch

    from ..dynamics import interpolation
    from ..dynamics.memorization import small_digits

    x, worst, met, n = small_digits(1000)[0].double(), 0.0, True, 1000
    for seed in range(5):
        g = torch.Generator().manual_seed(seed)
        a, y = torch.randn(64, generator=g, dtype=torch.float64), torch.randint(10, (n,), generator=g)
        b, w = interpolation.fit_any(x, y, a, 0.99)
        out = interpolation.two_layers(x, a, b, w)
        worst, met = max(worst, float((out - y).abs().max())), met and bool((out.round() == y).all())
    return f"{n} random labels, {len(a) + len(b) + len(w)} weights, 5 draws: largest |C(x) − y| {worst:.0e}", met and worst < 1e-6


@claim("05", f"{_PAPER}, section 5", "SGD from zero converges to the solution of minimum norm (holds: to 10⁻³)", "algebra")
def _same():
    from ..dynamics import smallest

    ends = {name: float(v[-1].max()) for name, v in smallest.distances().items()}
    text = ", ".join(f"{name} {v:.0e}" for name, v in ends.items())
    return f"30 digits, largest of 5 relative distances: {text}", all(v < 1e-3 for v in ends.values())


@claim("05", f"{_PAPER}, section 5", "a solution that fits wrong labels on the test set as well has a much larger norm "
                                    "(holds: 1.5 times that of the one that fits the right labels there)",
       "significantly larger")
def _poisoned():
    from ..dynamics import memorization, smallest

    size = smallest.table().query("n == n.max()").pivot(index=["features", "seed"], columns="solution", values="norm").dropna()
    ratio = {name: part.to_numpy() for name, part in (size["poisoned"] / size["control"]).groupby("features")}
    return ("500 digits, times: " + "; ".join(f"{name} {_told(r, '{:.1f}')}" for name, r in ratio.items()),
            bool(all(memorization.interval(r)[1] > 1.5 for r in ratio.values())))


@claim("05", f"{_PAPER}, section 5", "across representations the norm does not predict the test error (holds: a norm more than "
                                    "1.5 times as large without more than 1.5 times the error)", "MNIST: norm 220 → 390, error halved")
def _norm_blind():
    from ..dynamics import smallest

    mean = smallest.table().query("n == n.max() and solution == 'smallest'").groupby("features")[["norm", "test_error"]].mean()
    kernel, others = mean.loc["Gaussian kernel"], mean.loc[["random convolutions", "Gabor filters"]]
    text = "; ".join(f"{name} {row['norm']:.0f}, {row.test_error:.1%}" for name, row in others.iterrows())
    return (f"500 digits: kernel norm {kernel['norm']:.0f}, error {kernel.test_error:.1%}; {text}",
            bool((others["norm"] > 1.5 * kernel["norm"]).all() and (others.test_error < 1.5 * kernel.test_error).all()))


@claim("05", f"{_PAPER}, section 5", "a Gaussian kernel that fits MNIST exactly has a test error of 1.2 % (holds: 60,000 "
                                    "images, below 1.5 %)", "1.2 % with all 60,000 images")
def _mnist():
    import numpy as np

    from .. import studies

    rows = studies.table("05/kernel")
    rows = rows[rows.sigma == rows.sigma.max()].groupby("n").test_error.mean()
    n, last = int(rows.index[-1]), float(rows.iloc[-1])
    slope, offset = np.polyfit(np.log(rows.index), np.log(rows), 1)
    reach = float(np.exp(offset + slope * np.log(60000)))
    holds = bool(last < 0.015) if n == 60000 else None
    return f"from the longer run: {last:.1%} with {n:,} images; error ∝ n^{slope:.2f}, which leads to {reach:.1%} at 60,000", holds
