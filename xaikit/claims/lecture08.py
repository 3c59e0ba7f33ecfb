"""Lecture 08's rows of “paper against here”: which units detect what, what they do, and what directions change."""
import numpy as np

from .. import dissect, studies
from ..studies import dissected
from ..studies.lecture08 import CONTROL
from . import claim

NETWORK = "Bau, Zhou et al. 2017"
GAN = "Bau et al. 2019"


NOT_NEEDED = ("sky", "cloud", "sun", "mountain", "grass")  # what neither of the labels, house and trees, asks for


@claim("08", NETWORK, "Units of a classifier detect concepts that no label names, beyond what place alone explains.",
       "many units of each network; IoU above .04")
def _detect():
    table = dissected.classifier_table("features.7")
    found, control = (dissect.detectors(table, column=c) for c in ("iou", "control"))
    untrained = [dissect.detectors(dissected.classifier_table("features.7", untrained=seed)) for seed in (0, 1)]
    free = [int(t.concept.isin(NOT_NEEDED).sum()) for t in (found, *untrained)]
    return (f"only parts of what the labels name. Layer 3 of scenes-cnn: {len(found)} of {table.unit.nunique()} units ("
            + ", ".join(f"{c} {n}" for c, n in found.concept.value_counts().items())
            + f"); against another picture's masks {len(control)}; untrained {len(untrained[0])} and {len(untrained[1])}. Of "
            f"{', '.join(NOT_NEEDED)}, which no label needs: {free[0]}; untrained {free[1]} and {free[2]}"), (
                len(found) >= 10 * max(1, len(control)) and len(found) > 2 * max(map(len, untrained)))


@claim("08", NETWORK, "Random directions of a layer detect less than its units: the axes are special.",
       "conv5 of AlexNet: unique detectors fall by four fifths under full rotation")
def _axes():
    words, fewer = [], []
    for layer in ("features.7", "features.10"):
        units = dissect.detectors(dissected.classifier_table(layer)).concept.nunique()
        turned = np.array([dissect.detectors(dissected.classifier_table(layer, s)).concept.nunique() for s in range(5)])
        words.append(f"layer {dissected.LAYERS[layer]}: {units} concepts with a detector, five rotations {turned.mean():.1f} ± "
                     f"{turned.std(ddof=1):.1f}")
        fewer.append(units > turned.mean() + 2 * turned.std(ddof=1))
    return "; ".join(words), all(fewer)


@claim("08", NETWORK, "The deeper the layer, the more of its units are detectors.", "conv1 to conv5 of AlexNet: rising")
def _depth():
    def share(layer, pooled=1):
        table = dissected.classifier_table(layer, pooled=pooled)
        return len(dissect.detectors(table)) / table.unit.nunique()

    found = [share(layer) for layer in dissected.LAYERS]
    same = [share("features.7", 4), share("features.10", 2), found[-1]]
    return (f"layers 1 to 5: {', '.join(f'{s:.0%}' for s in found)}; averaged to layer 5's 4 × 4 places, layers 3 to 5: "
            f"{', '.join(f'{s:.0%}' for s in same)}"), all(b > a for a, b in zip(found, found[1:], strict=False))


@claim("08", GAN, "Units of a generator match objects, most of all in its middle layers.", "church and bedroom generators: layer4 of 8")
def _generator():
    tables = {b: dissected.generator_table(b) for b in dissected.BLOCKS}
    mean = {b: t.groupby("concept").iou.max().mean() for b, t in tables.items()}
    middle = max(mean, key=mean.get)
    return ("concepts that are some unit's best, IoU above .2: " + ", ".join(
        f"{b} {dissect.detectors(t, 0.2).concept.nunique()}" for b, t in tables.items())
            + f"; mean best IoU highest in {middle} ({mean[middle]:.2f})"), middle in ("block8", "block16")


@claim("08", GAN, "Without the units of trees the trees go, and the rest of the picture stays.", "trees of a church generator, 20 units")
def _ablate():
    change = dissected.ablations()
    crown = change.loc["crown"]
    random = change.filter(like="random", axis=0).crown
    return (f"8 units of block8: crowns {crown.crown:+.0%}, sky {crown.sky:+.0%}, grass {crown.grass:+.0%}; five random sets: crowns "
            f"{random.min():+.0%} … {random.max():+.0%}"), bool(
                crown.crown < -0.7 and abs(crown.sky) < 0.1 and abs(crown.grass) < 0.1 and random.min() > crown.crown / 2)


def _accepted(concept, context, judge="accepted"):
    row = dissected.tries().set_index(["inserted", "context"]).loc[(concept, context)]
    return row[judge], int(row.tries)


@claim("08", GAN, "Switched on at a free place, the units put their object there.", "doors, trees, …")
def _insert():
    share, n = _accepted("crown", "grass")
    return f"crown on grass, strength 2: {share:.0%} of {n} tries", bool(share >= 0.5)


@claim("08", GAN, "Surroundings can refuse an object.", "doors appear on buildings, not on trees or in the sky")
def _refuse():
    (grass, n), (sky, m) = _accepted("path", "grass"), _accepted("path", "sky")
    moved = dissected.pasted().loc["path"]
    alone = {(c, where): _accepted(c, where, "alone")[0] for c in ("path", "door") for where in ("grass", "sky")}
    return (f"the segmenter refuses: paths {grass:.0%} of {n} tries on grass, {sky:.0%} of {m} in the sky, but the same pixels, pasted "
            f"there, {moved['moved up']:.0%}, and true paths {moved['true up']:.0%}. By pixels alone: paths {alone['path', 'grass']:.0%} and "
            f"{alone['path', 'sky']:.0%}, doors {alone['door', 'grass']:.0%} and {alone['door', 'sky']:.0%}"), any(
                alone[c, "sky"] < 0.5 * alone[c, "grass"] for c in ("path", "door"))


@claim("08", GAN, "Removing units that make artefacts brings the pictures nearer to the real ones.",
       "20 units: Fréchet inception distance 43.2 → 27.1")
def _artefacts():
    rows = studies.table("08/artefacts")
    together = rows[rows.removed == "best first"].set_index("size")
    best = together.change.idxmin()
    random = rows[rows.removed.str.startswith("random")].change
    return (f"longer run: the best {best} of 64 units, on other codes: {together.change[best]:+.3f} of "
            f"{together.distance[best] - together.change[best]:.3f}; random sets {random.min():+.2f} … {random.max():+.2f}"), bool(
                together.change[best] < 0 and together.change[best] < random.min())


@claim("08", "Shen, Zhou 2021", "The directions that the first layer stretches most each change one thing.", "by eye, and by attribute classifiers")
def _sefa():
    score = _scores("scenes-gan")
    return ("longer run, disentanglement (1: one factor alone), five draws of codes: " + ", ".join(
        f"{kind} {mean:.3f} ± {std:.3f}" for kind, mean, std in score.itertuples())), bool(
            score["mean"]["SeFa"] > score["mean"]["random"] + 2 * score["std"]["random"])


@claim("08", "Peebles et al. 2020", "With the Hessian penalty the latent axes disentangle.", "by eye, and by path lengths")
def _penalty():
    plain, control, penalty = (_scores(name).loc["latent axes"] for name in ("scenes-gan", CONTROL, "scenes-gan-hessian"))
    return (f"longer run, disentanglement of the axes: {penalty['mean']:.3f} ± {penalty['std']:.3f} with it, {control['mean']:.3f} ± "
            f"{control['std']:.3f} trained further without it, {plain['mean']:.3f} before"), bool(
                penalty["mean"] - control["mean"] > 2 * np.hypot(control["std"], penalty["std"]) / 5 ** 0.5)


def _scores(generator):
    rows = studies.table("08/directions")
    return rows[rows.generator == generator].groupby("directions", sort=False).disentanglement.agg(["mean", "std"])


@claim("08", "Zhu et al. 2016", "A given picture can be inverted, and then edited.", "by eye")
def _invert():
    rows, (_, found) = studies.table("08/inversion"), dissected.inverted()
    return (f"root mean square error of the pixels' values: section 7's scene {found.pixel:.3f}; eight scenes (longer run) "
            f"{rows.pixel.median():.3f} in the median, the best random code {rows.start.median():.3f}"), bool(rows.pixel.median() < 0.6 * rows.start.median())
