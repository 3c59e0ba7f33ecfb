"""Lecture 01, convolutional networks: maxima, class models, saliency and regularisers, measured on the shipped ones."""
import functools

from . import claim

_PIXELS = (1, 28, 28)


@functools.cache
def _digits():
    from .. import data, zoo

    return zoo.load("digits-cnn"), data.digits(split="train").images


@functools.cache
def _scenes():
    from .. import data, zoo

    return zoo.load("scenes-cnn"), data.scenes(n=200, seed=5)


@functools.cache
def _norm():
    return float(_digits()[1].flatten(1).norm(dim=1).mean())


@functools.cache
def _agreement(network, layer):
    import torch

    from .. import features

    units = torch.arange(6).repeat_interleave(3)
    x = features.maximize(network, features.neuron(layer, units), _PIXELS, n=18, steps=24, norm=_norm()).images
    return float(features.agreement(x.view(6, 3, -1)).mean())


@functools.cache
def _class_pictures(network, name):
    """Pictures of the ten digits: of the objective features.``name``."""
    import torch

    from .. import features

    objective = getattr(features, name)(torch.arange(10))
    return features.maximize(network, objective, _PIXELS, n=10, steps=48, norm=_norm()).images


@functools.cache
def _grain_of(network, way):
    import torch

    from .. import features

    options = {"blur": {"blur": 1.0}, "Fourier": {"parameters": features.Fourier()},
               "shift, turn, scale": {"jitter": 6, "rotate": 10.0, "scale": 0.1}}.get(way, {})
    objective = features.logit(torch.tensor([1, 2]))
    if way == "total variation":
        objective = objective - 0.01 * features.variation()
    x = features.maximize(network, objective, (3, 64, 64), n=2, steps=32, bounds=(0, 1), **options).images
    return float(features.fast_share(x).mean())


@claim("01", "Erhan, Bengio, Courville, Vincent 2009, sec. 5, asked of a convolutional ReLU network",
       "activation maximisation of a unit ends at one picture from all starts", "found for SDAE and DBN units")
def _one_answer_here():
    layers = {"the first layer": "features.0", "the third": "features.6", "class scores": "head"}
    found = {name: _agreement(_digits()[0], layer) for name, layer in layers.items()}
    return ("mean cosine between three answers, six units each: " + ", ".join(f"{name} {v:.2f}" for name, v in found.items()),
            min(found.values()) > 0.95)


@claim("01", "Erhan, Bengio, Courville, Vincent 2009, sec. 3.1",
       "under the same norm, what the search finds excites a unit at least as much as the best patch of the data",
       "said, no number; at least 90 % of the units asked for here")
def _above_the_best():
    import torch

    from .. import features

    network, train = _digits()
    best = features.top_patches(network, "features.6", range(24), train, k=1)
    found = features.maximize(network, features.neuron("features.6", torch.arange(24)), _PIXELS, n=24, steps=32,
                              norm=best.patches[:, 0].flatten(1).norm(dim=1))
    share = float((found.values >= best.activations[:, 0]).float().mean())
    return f"{share:.0%} of 24 units of the third layer of digits-cnn", share >= 0.9


@claim("01", "Simonyan, Vedaldi, Zisserman 2014, sec. 2",
       "climbing the softmax share keeps the other classes down, at the price of the own score",
       "given as the reason to climb the score, no number")
def _score_and_share():
    import torch

    network, ten, own, rival, recognised = _digits()[0], torch.arange(10), {}, {}, {}
    for name, objective in (("score", "logit"), ("share", "probability")):
        with torch.no_grad():
            scores = network(_class_pictures(network, objective))
        own[name] = float(scores[ten, ten].mean())
        rival[name] = float(scores.scatter(1, ten[:, None], -torch.inf).amax(1).mean())
        recognised[name] = float((scores.argmax(1) == ten).float().mean())
    text = "; ".join(f"climbing the {k}: own score {own[k]:.0f}, highest other {rival[k]:.0f}, recognised {recognised[k]:.0%}"
                     for k in own)
    return text, own["share"] < own["score"] and rival["share"] < rival["score"]


@claim("01", "Simonyan, Vedaldi, Zisserman 2014, sec. 3", "a class saliency map finds the object of the class",
       "46.4 % top-5 error of localisation on ILSVRC-2013: another measure, boxes and no shares of pixels")
def _saliency():
    import torch

    from .. import attribution

    network, scenes = _scenes()
    houses = scenes[scenes.labels == 1]
    with torch.no_grad():
        houses = houses[network(houses.images).argmax(1) == 1]
    names = [houses.mask_names.index(n) for n in ("wall", "roof", "door", "window")]
    house = houses.masks[:, names].any(1).flatten(1)
    saliency = attribution.gradient(network, houses.images, 1).abs().amax(1).flatten(1)
    top = saliency >= saliency.quantile(0.95, dim=1, keepdim=True)
    inside, area = float(house[top].float().mean()), float(house.float().mean())
    hit = float(house[torch.arange(len(house)), saliency.argmax(1)].float().mean())
    return (f"{inside:.0%} of the 5 % most salient pixels lie on the house, which covers {area:.0%}; the most salient one does "
            f"in {hit:.0%} of {len(house)} pictures"), inside > 3 * area


@claim("01", "Olah, Mordvintsev, Schubert 2017, *The spectrum of regularization*",
       "frequency penalisation, transformation robustness and preconditioning each lower high frequencies",
       "shown in pictures, no number")
def _grain():
    ways = ("none", "total variation", "blur", "Fourier", "shift, turn, scale")
    found = {way: _grain_of(_scenes()[0], way) for way in ways}
    return ("share of energy above half the Nyquist frequency (two classes, 32 steps): "
            + ", ".join(f"{k} {v:.2f}" for k, v in found.items()),
            max(v for k, v in found.items() if k != "none") < 0.75 * found["none"])
