"""Lecture 03, bag of words: what the paper claims of its relevance, measured on polygons and circles."""
import functools

from . import claim

_PAPER = "Bach et al. 2015, bag of words"


@functools.cache
def _explained(kernel, count=20):
    """The explanations of ``count`` test pictures, sum-pooled rank mapping."""
    from ..data import shapes
    from ..features import bow, bow_relevance

    model = bow.trained("rank", kernel, 1.0)
    return [bow_relevance.explain(model, image) for image in shapes(count, split="test").images]


@claim("03", f"{_PAPER}, Def. 1", "sum-decomposable kernels: f(x) = Σ R⁽³⁾ = Σ R⁽²⁾ = Σ R⁽¹⁾ without "
                                  "error", "no error, b shared as b / V")
def _exact():
    gaps = {}
    for kernel in ("intersection", "chi2"):
        sums = [list(e.sums().values()) for e in _explained(kernel)]
        gaps[kernel] = max(abs(stage - s[0]) for s in sums for stage in s[1:])
    return (f"largest gap {max(gaps.values()):.0e} over {len(sums)} pictures, histogram intersection and "
            f"additive χ²",
            bool(max(gaps.values()) < 1e-6))


@claim("03", f"{_PAPER}, Def. 2", "differentiable kernels: Σ R⁽³⁾ ≈ f(x), from a root point (holds: the "
                                  "sum's sign is right, its error in the median below a quarter of |f|)",
       "approximately")
def _taylor():
    import numpy as np

    found, signs = {}, True
    for kernel in ("exp_chi2", "gaussian"):
        f, sums = np.array([[e.score, float(e.words.sum())] for e in _explained(kernel)]).T
        found[kernel], signs = np.abs(sums - f) / np.abs(f), signs and bool((sums * f > 0).all())
    text = (f"median and largest error {np.median(found[k]):.0%} and {found[k].max():.0%} of |f| ({name})"
            for k, name in (("exp_chi2", "exponential χ²"), ("gaussian", "Gaussian")))
    return "; ".join(text), bool(signs and max(map(np.median, found.values())) < 0.25)


@claim("03", f"{_PAPER}, Def. 4", "p-means: the share of the descriptor with the largest m tends to 1 as p "
                                  "grows", "an indicator in the limit")
def _limit():
    import torch

    from ..features.bow_relevance import descriptor_relevance

    m = torch.rand(50, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    shares = [[float(descriptor_relevance(torch.eye(20, dtype=m.dtype)[d], m, p).max()) for d in range(20)]
              for p in (1, 10, 100, 1000, float("inf"))]
    least = [min(s) for s in shares]
    return ("least share of the largest at p = 1, 10, 100, 1000, ∞: " + ", ".join(f"{v:.2f}" for v in least),
            bool(least == sorted(least) and least[-2] > 0.7 and least[-1] == 1))


def _on_corners(sides, **options):
    from ..features.bow_relevance import located

    rows = located(**options, label=1) if options else located()
    return _good(rows[rows["sides"].isin(sides)])


def _good(rows):
    return float(((rows["corner"] > 0) & (rows["corner"] > rows["straight"])).mean()), len(rows)


def _share_on_corners(sides):
    share, count = _on_corners(sides)
    chance, _ = _on_corners(sides, shift=0)
    return (f"{share:.0%} of {count} polygons (maps shifted: {chance:.0%}); with soft assignment "
            f"{_on_corners(sides, mapping='soft')[0]:.0%}", bool(share >= 0.9))


@claim("03", f"{_PAPER}, polygons against circles", "3 to 6 sides: corners speak for “polygon”, more than "
                                                    "straight edges do "
       "(rank mapping; holds: in nine of ten polygons)", "heatmaps, not measured")
def _sharp():
    return _share_on_corners((3, 4, 5, 6))


@claim("03", f"{_PAPER}, polygons against circles", "7 and 8 sides: the same (windows of 12 and 18 pixels, "
                                                    "128 words)", "heatmaps, not measured")
def _blunt():
    return _share_on_corners((7, 8))


@claim("03", f"{_PAPER}, polygons against circles", "3 to 8 sides: the same, with windows of 6 and 9 pixels, "
                                                    "512 words, p = 2, on the windows' central cells "
       "(holds: in 95 of 100 polygons)", "heatmaps, not measured")
def _finer():
    from .. import zoo
    from ..features.bow_relevance import located_finer

    words = zoo.load("shapes-words").vocabulary()
    shares, counts = zip(*(_good(located_finer(words, **options)) for options in ({}, {"seed": 1}, {"shift": 0})),
                         strict=True)
    return (f"{shares[0]:.0%} of {counts[0]} polygons, {shares[1]:.0%} of {counts[1]} others "
            f"(maps shifted: {shares[2]:.0%})", bool(min(shares[:2]) >= 0.95))
