"""Lecture 03, judging explanations: what the sources claim of maps on digits, flipping, random weights and
the truth."""

import functools

from . import claim

_PAPER = "Bach et al. 2015"
_EXPERIMENTS = f"{_PAPER}, experiments on digits"


@functools.cache
def _digits(count=16):
    """digits-cnn and test digits that it gets right."""
    import torch

    from .. import data, zoo

    net, found = zoo.load("digits-cnn"), data.digits(split="test")
    with torch.no_grad():
        right = net(found.images[: 2 * count]).argmax(1) == found.labels[: 2 * count]
    return net, found.take(right.nonzero()[:count, 0])


@functools.cache
def _flips(replace):
    from ..evaluate import pixel_flipping

    net, d = _digits()
    return pixel_flipping(
        net, d.images, d.labels, ["lrp_epsilon"], replace=replace, steps=8, share=0.1
    ).set_index("order")


@claim(
    "03",
    _EXPERIMENTS,
    "evidence for a digit's own class goes with the class density ratio d_k (LRP ε)",
    "correlations per digit, shown",
)
def _density():
    from .. import attribution, data, evaluate

    net, train = _digits()[0], data.digits(split="train")
    d = data.digits(split="test").take(slice(0, 40))  # the forty of section 6
    density = evaluate.ink_density(train.images, train.labels)
    maps = attribution.lrp_epsilon(net, d.images, d.labels).sum(1)
    r = evaluate.density_correlation(maps, density[d.labels])
    mean, low, high = evaluate.bootstrap(r.numpy())
    return (
        f"{len(d)} digits: mean r {mean:.2f} ({low:.2f} … {high:.2f}), above 0 for "
        f"{(r > 0).float().mean():.0%}: weak",
        bool(low > 0),
    )


@claim(
    "03",
    _EXPERIMENTS,
    "flipping the pixels of highest relevance brings the class down faster than random flips",
    "faster",
)
def _highest():
    f = _flips("flip")
    return f"area over the curve {f.area['highest']:.2f} against {f.area['random']:.2f}", bool(
        f.area["highest"] > f.area["random"]
    )


def _near_zero(replace):
    f = _flips(replace)
    near, high = f.area["near_zero"], f.area["highest"]
    return f"area {near:.2f}, highest first {high:.2f}", bool(near < 0.25 * high)


@claim(
    "03",
    _EXPERIMENTS,
    "flipping pixels of relevance near zero hardly changes the prediction: x → 1 − x",
    "little change",
)
def _near_zero_flipped():
    return _near_zero("flip")


@claim(
    "03", _EXPERIMENTS, "the same, where a pixel is replaced by the image's mean and not by 1 − "
                        "x", "little change"
)
def _near_zero_mean():
    return _near_zero("mean")


@claim(
    "03",
    _EXPERIMENTS,
    "flipping what speaks against 8 in a 3, and against 9 in a 4, raises these classes (more than random "
    "flips)",
    "they rise",
)
def _negative():
    from .. import data
    from ..evaluate import pixel_flipping

    (net, _), d, said, holds = _digits(), data.digits(split="test"), [], True
    for digit, other in ((3, 8), (4, 9)):
        x = d.images[d.labels == digit][:16]
        f = pixel_flipping(
            net, x, other, ["lrp_epsilon"], order=("lowest", "random"), steps=8, share=0.1, output="logit"
        ).set_index("order")
        gain = {o: f.score[o][-1] - f.score[o][0] for o in ("lowest", "random")}
        said.append(
            f"{digit} → {other}: logit {gain['lowest']:+.1f} (random {gain['random']:+.1f})".replace("-", "−")
        )
        holds &= gain["lowest"] > max(gain["random"], 0)
    return "; ".join(said), bool(holds)


@claim(
    "03",
    "Samek et al. 2017, sec. V",
    "LRP has a larger area over the flipping curve than sensitivity (|gradient|) and the deconvnet",
    "LRP first",
)
def _samek():
    from ..attribution import gradient
    from ..evaluate import pixel_flipping

    net, d = _digits()
    methods = {"lrp_epsilon": None, "|gradient|": lambda m, x, t: gradient(m, x, t).abs(), "deconvnet": None}
    f = pixel_flipping(net, d.images, d.labels, methods, order="highest", steps=8, share=0.1).set_index(
        "method"
    )
    said = ", ".join(f"{name} {f.area[name]:.2f}" for name in methods)
    return said, bool(f["rank"]["lrp_epsilon"] == 1 and not f.tied.drop("lrp_epsilon").any())


@functools.cache
def _scenes(count=6):
    from .. import data, zoo

    found = data.scenes(20)
    return zoo.load("scenes-cnn"), found.take((found.labels > 0).nonzero()[:count, 0])


@functools.cache
def _sanity():
    from ..evaluate import sanity

    net, s = _scenes()
    return sanity(
        net, s.images, ["gradient", "guided_backprop", "lrp_epsilon", "lrp_alpha_beta"], s.labels
    ).set_index(["method", "depth"])


@claim(
    "03",
    f"{_PAPER}, last experiment",
    "the decomposition is different from an edge detector (LRP ε, scenes)",
    "different",
)
def _edges():
    row = _sanity().loc["lrp_epsilon", 0]
    return f"rank correlation of |R| with Sobel edges {row.edges:.2f}", bool(abs(row.edges) < 0.5)


@claim(
    "03",
    "Adebayo et al. 2018, sec. 4",
    "guided backprop hardly notices random upper layers, the gradient does (3 of 6 random, scenes)",
    "0.9 and lower",
)
def _guided():
    at = _sanity().signed.xs(3, level="depth")
    return (
        f"rank correlation of R, its sign kept, with the old map {at['guided_backprop']:.2f}; gradient {at['gradient']:.2f}",
        bool(at["guided_backprop"] > 0.5 > abs(at["gradient"])),
    )


@claim(
    "03",
    "Sixt, Granz, Landgraf 2020",
    "by |R|, LRP α2β1 notices random upper layers less than LRP ε (3 of 6 random, scenes)",
    "α2β1 above ε",
)
def _alpha_beta():
    at = _sanity().absolute.xs(3, level="depth")
    return f"rank correlation of |R| {at['lrp_alpha_beta']:.2f}; ε {at['lrp_epsilon']:.2f}", bool(
        at["lrp_alpha_beta"] > at["lrp_epsilon"] + 0.1
    )


@claim(
    "03",
    "Arras, Osman, Samek 2022",
    "LRP puts more of its mass on the true cause than integrated gradients and guided backprop (α2β1, scenes)",
    "LRP first",
)
def _arras():
    from ..evaluate import truth

    net, s = _scenes(12)
    f = truth(
        net,
        s,
        ["lrp_alpha_beta", "integrated_gradients", "guided_backprop", "sobel"],
        options={"integrated_gradients": {"steps": 8}},
    ).set_index("method")
    said = ", ".join(f"{row.label} {row['mass']:.2f}" for row in map(f.loc.__getitem__, f.index))
    return f"{said}; chance {f.chance.iloc[0]:.2f}", bool(f.index[0] == "lrp_alpha_beta")
