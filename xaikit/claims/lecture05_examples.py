"""Lecture 05, real data against noise: what Arpit et al. 2017 found, measured on 8 × 8 digits."""
import functools

from . import claim

_PAPER = "Arpit et al. 2017"
DRAWS = 5


def _span(values, digits=2):
    """"mean (least … largest)" of a number for each seed."""
    values = [float(v) for v in values]
    return f"{sum(values) / len(values):.{digits}f} ({min(values):.{digits}f} … {max(values):.{digits}f})"


@functools.cache
def dispersions():
    """DataFrame: for each experiment the ratio of `easiness.dispersion`, its 95 % interval, and the p-value."""
    import pandas as pd

    from ..dynamics import easiness

    rows = []
    for kind, draw in [("real", 0), *((kind, d) for kind in ("randX", "randY") for d in range(DRAWS)), ("randX", None), ("randY", None)]:
        wrong = easiness.one_epoch(kind, draw)
        ratio, p = easiness.dispersion(wrong)
        low, high = easiness.interval(wrong)
        rows.append((kind, "anew for each network" if draw is None else "real" if kind == "real" else f"draw {draw}",
                     wrong.float().mean().item(), ratio, low, high, p))
    return pd.DataFrame(rows, columns=["data", "noise", "mean rate", "ratio", "low", "high", "p"])


@claim("05", f"{_PAPER}, fig. 1", "real data: some examples are easy and some hard, far from the binomial curve (holds: "
       "variance at least 10 times the binomial one)", "a curve far from it, no number")
def _real_is_far():
    row = dispersions().iloc[0]
    return (f"variance {row.ratio:.0f} ({row.low:.0f} … {row.high:.0f}) times the binomial one, 100 networks, 1,000 examples",
            bool(row.low > 10))


def _on_the_curve(kind):
    rows = dispersions().query("data == @kind and noise != 'anew for each network'")
    return (f"variance {_span(rows.ratio)} times the binomial one, p from {rows.p.min():.0e} to {rows.p.max():.0e}: near it, "
            "not on it; the networks share the chance patterns of one draw", bool((rows.p > 0.01).all()))


@claim("05", f"{_PAPER}, fig. 1", "random inputs: all examples equally hard, on the binomial curve (holds: p > 0.01 for each "
       "of five draws of the inputs)", "“closely resembles”")
def _inputs_are_on_it():
    return _on_the_curve("randX")


@claim("05", f"{_PAPER}, fig. 1", "random labels: the same (holds: p > 0.01 for each of five draws of the labels)", "figure only")
def _labels_are_on_it():
    return _on_the_curve("randY")


@claim("05", f"a control to {_PAPER}", "noise drawn anew for every network: on the binomial curve (holds: p > 0.01 for randX "
       "and randY)", "not tried")
def _fresh_noise():
    rows = dispersions().query("noise == 'anew for each network'")
    return ("; ".join(f"{r.data}: {r.ratio:.2f} ({r.low:.2f} … {r.high:.2f}), p = {r.p:.2f}" for r in rows.itertuples()),
            bool((rows.p > 0.01).all()))


@claim("05", f"{_PAPER}, fig. 3", "Gini coefficient of the loss sensitivity: real above random (holds: in each of five seeds)",
       "curves of real above those of noise")
def _gini():
    from ..dynamics import stages

    last = {kind: stages.gini_over_time(kind)[-1] for kind in ("real", "randX", "randY")}
    return ("; ".join(f"{k} {_span(v)}" for k, v in last.items()),
            bool(last["real"].min() > max(last["randX"].max(), last["randY"].max())))


@functools.cache
def class_spread():
    """{kind: (off / diagonal (seeds,), coefficient of variation of the cells off the diagonal (seeds,))}."""
    import torch

    from ..dynamics import stages

    off, found = ~torch.eye(10, dtype=torch.bool), {}
    for kind in ("real", "randX", "randY"):
        matrix = stages.class_matrix(kind)
        cells, own = matrix[:, off], matrix.diagonal(dim1=1, dim2=2)
        found[kind] = cells.mean(1) / own.mean(1), cells.std(1) / cells.mean(1)
    return found


@claim("05", f"{_PAPER}, fig. 4", "class-by-class sensitivity is largest for i = j", "seen in the figure")
def _own_class():
    found = class_spread()
    return ("mean off the diagonal over the mean on it: " + "; ".join(f"{k} {_span(v[0])}" for k, v in found.items()),
            bool(all(v[0].max() < 1 for v in found.values())))


@claim("05", f"{_PAPER}, fig. 4", "real data: more spread out, cross-category patterns (holds: the cells off the diagonal vary "
       "more than for randX and randY, in each seed)", "“more spread out”, no number")
def _spread():
    found = class_spread()
    return ("variation of the cells off the diagonal (σ/mean): " + "; ".join(f"{k} {_span(v[1])}" for k, v in found.items())
            + "; their mean is the same part of the diagonal for all three, near 1/9 as Σ pᵢ = 1 makes it",
            bool(found["real"][1].min() > max(found["randX"][1].max(), found["randY"][1].max())))


@functools.cache
def needed_width(share=0.98):
    """{kind: the least width whose mean validation accuracy is ``share`` of the best one's}."""
    from ..dynamics import capacity

    means = capacity.by_width().groupby(["kind", "width"])["validation"].mean().unstack("width")
    return {kind: int(row.index[(row >= share * row.max()).argmax()]) for kind, row in means.iterrows()}


@claim("05", f"{_PAPER}, fig. 5", "with noise in the training set the best validation accuracy needs more capacity (holds: the "
       "least width within 2 % of the best is larger with half the inputs or labels noise)", "MNIST: yes")
def _capacity():
    found = needed_width()
    kinds = ("real", "half randX", "half randY")
    return ("; ".join(f"{k} {found[k]} units" for k in kinds), bool(min(found[k] for k in kinds[1:]) > found["real"]))


def _slowdown(frame, by, low, high):
    """{kind: (seeds,) epochs at ``low`` over those at ``high``}, what was not fitted in time counted as the limit."""
    from ..dynamics import capacity

    frame = frame.assign(epochs=frame["epochs"].clip(upper=capacity.EPOCHS))
    wide = frame.pivot_table(index=["kind", "seed"], columns=by, values="epochs")
    return {kind: part[low] / part[high] for kind, part in wide.groupby("kind")}


@claim("05", f"{_PAPER}, fig. 6", "fewer hidden units slow training down, noise more than real data (holds: mean factor from 64 "
       "to 16 units larger for randX and randY)", "curves")
def _time_by_width():
    from ..dynamics import capacity

    found = _slowdown(capacity.by_width(), "width", 16, 64)
    return ("epochs to fit with 16 units over those with 64: " + "; ".join(
        f"{k} {_span(found[k], 1)}" for k in ("real", "randX", "randY")),
        bool(min(found["randX"].mean(), found["randY"].mean()) > found["real"].mean() > 1))


@claim("05", f"{_PAPER}, fig. 6", "more examples slow training down, in epochs, noise more than real data (holds: mean factor "
       "from 100 to 400 above 1 for randX and randY, and above real data's)", "curves")
def _time_by_size():
    from ..dynamics import capacity

    found = _slowdown(capacity.by_size(), "n", 400, 100)
    return ("epochs to fit 400 examples over those for 100: " + "; ".join(
        f"{k} {_span(found[k])}" for k in ("real", "randX", "randY")),
        bool(min(found["randX"].mean(), found["randY"].mean()) > max(1, found["real"].mean())))


@claim("05", f"{_PAPER}, fig. 9", "the critical sample ratio is higher for randX and randY than for real data (r = 0.04; holds: in "
       "each of five seeds)", "curves, on CIFAR-10")
def _critical():
    from ..dynamics import stages

    last = {kind: stages.ratio_over_time(kind)[-1] for kind in ("real", "randX", "randY")}
    return ("; ".join(f"{k} {_span(v)}" for k, v in last.items()),
            bool(last["real"].max() < min(last["randX"].min(), last["randY"].min())))


RADII = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.3)


@claim("05", f"a control to {_PAPER}", "that finding does not depend on the radius of the box (holds: at every radius from 0.005 to "
       "0.3 the means differ by more than 0.1)", "one radius")
def _radius():
    from ..dynamics import stages

    real, x, y = (stages.ratio_over_radius(kind, RADII).mean(1) for kind in ("real", "randX", "randY"))
    gaps = [min(a, b) - r for r, a, b in zip(real.tolist(), x.tolist(), y.tolist(), strict=True)]
    return ("noise (the lower of the two) minus real at r = " + ", ".join(
        f"{r:g}: {g:.2f}" for r, g in zip(RADII, gaps, strict=True)), bool(min(gaps) > 0.1))


@claim("05", f"{_PAPER}, sec. 4.1", "the critical sample ratio grows gradually through training, for all three (holds: in the "
       "mean it ends above where it began)", "said of all three data sets")
def _grows():
    from ..dynamics import stages

    found = {kind: stages.ratio_over_time(kind).mean(1) for kind in ("real", "randX", "randY")}
    return ("; ".join(f"{k} from {v[0]:.2f} to {v[-1]:.2f}" for k, v in found.items())
            + ": an untrained network with He's weights has class borders everywhere", bool(all(v[-1] > v[0] for v in found.values())))


@functools.cache
def peaks(kind="half randY"):
    """DataFrame, a row for each seed: when validation accuracy peaks, training accuracy then, the first step at which at
    least 99 % are fitted, and how far validation falls from its peak to the end."""
    import pandas as pd

    from ..dynamics import stages

    train, validation = stages.measured("train", kind), stages.measured("validation", kind)
    best, at = validation.max(0)
    return pd.DataFrame({"peak at step": [stages.MOMENTS[i] for i in at], "validation there": best.tolist(),
                         "training there": train.gather(0, at[None])[0].tolist(),
                         "fitted at step": [stages.MOMENTS[i] for i in (train >= 0.99).int().argmax(0)],
                         "fall": (best - validation[-1]).tolist()})


@claim("05", f"{_PAPER}, fig. 8", "half the labels random: validation accuracy peaks before the noise is fitted, then falls (holds: "
       "in each of five seeds, by at least 0.1)", "figure")
def _patterns_first():
    rows = peaks()
    return (f"peak at step {_span(rows['peak at step'], 0)} with {_span(rows['training there'])} of the training set right; 99 % "
            f"fitted at step {_span(rows['fitted at step'], 0)}; fall {_span(rows['fall'])}",
            bool((rows["peak at step"] < rows["fitted at step"]).all() and (rows["fall"] > 0.1).all()))


@claim("05", f"{_PAPER}, fig. 8", "as it moves from fitting real data to fitting noise, the critical sample ratio greatly increases "
       "(holds: in each seed by at least 0.1 from the peak to the end)", "figure")
def _more_critical():
    from ..dynamics import stages

    ratio, at = stages.ratio_over_time("half randY"), stages.measured("validation", "half randY").argmax(0)
    rise = ratio[-1] - ratio.gather(0, at[None])[0]
    return f"half the labels random, r = 0.04: from the peak to the end {_span(rise)}", bool((rise > 0.1).all())


def resisting(rows):
    """Means, least and largest over the seeds of ``memorised`` and ``validation``, by regulariser and strength."""
    return rows.groupby(["by", "strength"], sort=False)[["memorised", "validation"]].agg(["mean", "min", "max"])


@functools.cache
def traded():
    """DataFrame, a row for each regulariser and strength of the longer run after its last step, against the plain network
    of the same seed: ``memorised`` (mean), ``most`` (of the seeds), ``cost`` in validation accuracy, its 95 % interval."""
    import pandas as pd

    from .. import studies
    from ..dynamics.memorization import interval

    rows = studies.table("05/budget").query("section == 11")
    rows = rows[rows.steps == rows.steps.max()]
    plain, found = rows[rows.by == "none"].set_index("seed").validation, []
    for key, part in rows[rows.by != "none"].groupby(["by", "strength"], sort=False):
        cost = interval((plain - part.set_index("seed").validation).to_numpy())
        found.append((*key, part.memorised.mean(), part.memorised.max(), *cost))
    return pd.DataFrame(found, columns=["by", "strength", "memorised", "most", "cost", "low", "high"]).set_index(["by", "strength"])


@claim("05", f"{_PAPER}, sec. 5", "a regulariser can hinder memorising more than learning (after 3,000 steps; holds: training "
       "accuracy on random labels below 0.5 in each of five seeds, ten times as much lost as in validation)", "shown")
def _capped():
    best = traded().memorised.idxmin()
    row = traded().loc[best]
    return (f"from the longer run: {best[0]}, strength {best[1]:g}: random labels {row.memorised:.2f}, at a cost of "
            f"{row.cost:.3f} ({row.low:.3f} … {row.high:.3f}) in validation",
            bool(row.most < 0.5 and 1 - row.memorised > 10 * row.cost))


@claim("05", f"{_PAPER}, sec. 5", "of the four it is dropout that does best (after 3,000 steps, the stronger setting of each; holds: "
       "no other memorises less at no higher a cost)", "dropout best")
def _dropout():
    four = traded().drop(index="adversarial training, 5 steps", level="by")  # not among the paper's
    strong = four.groupby(level="by", sort=False).tail(1).droplevel("strength").sort_values("memorised")
    mine = strong.loc["dropout"]
    better = strong[(strong.memorised < mine.memorised) & (strong.cost <= mine.cost)]
    return ("from the longer run, memorised (cost in validation): " + "; ".join(
        f"{k} {r.memorised:.2f} ({r.cost:+.3f})" for k, r in strong.iterrows()), better.empty)
