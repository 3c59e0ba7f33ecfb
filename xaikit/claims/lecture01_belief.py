"""Lecture 01, denoising auto-encoders and belief networks: what Erhan et al. 2009 found, measured on the shipped ones."""
import functools

from . import claim

_PAPER = "Erhan, Bengio, Courville, Vincent 2009"
NETWORKS = {"digits-sdae": 3, "digits-dbn": 2}


@functools.cache
def _network(name):
    from .. import zoo

    return zoo.load(name).requires_grad_(False)


@functools.cache
def _norm():
    from .. import data

    return float(data.digits(split="train").images.flatten(1).norm(dim=1).mean())


@functools.cache
def _maxima(name, starts=9, units=48):
    from .. import features

    return features.maximize_units(_network(name), range(units), _norm(), starts=starts)[0]


@functools.cache
def _views():
    """Of all units of the belief network's second layer: the mean sample, the maximum, the linear combination."""
    from .. import features

    net = _network("digits-dbn")
    samples = features.sample_unit(net, range(net.widths[-1]), chains=16, steps=40)
    return samples, samples.mean(1), _maxima("digits-dbn", 1, net.widths[-1])[:, 0], features.linear_combination(net)


@claim("01", f"{_PAPER}, sec. 5", "activation maximisation of a unit ends at one picture from all starts: the response is unimodal",
       "“the maximum is found reliably and consistently for all the random initializations tested”")
def _one_answer():
    from ..features import agreement

    found = {name: agreement(_maxima(name)) for name in NETWORKS}
    text = "; ".join(f"{name}, layer {NETWORKS[name]}: cosine between nine answers {s.mean():.3f} on average, {s.min():.3f} for "
                     f"the worst of {len(s)} units" for name, s in found.items())
    return text, bool(min(float(s.mean()) for s in found.values()) > 0.95)


@claim("01", f"a control to {_PAPER}", "the agreement of the starts tells a trained network from one with shuffled weights",
       "no such control; the finding is called very surprising")
def _untrained_too():
    from .. import features

    text, learned = [], True
    for name in NETWORKS:
        rival = features.scrambled(_network(name), seed=0)
        s = features.agreement(features.maximize_units(rival, range(48), _norm())[0])
        text.append(f"{name} with its weights shuffled: {s.mean():.3f}")
        learned &= float(s.mean()) < float(features.agreement(_maxima(name)).mean()) - 0.05
    return "; ".join(text) + " (a random stack of sigmoids is nearly linear)", bool(learned)


@claim("01", f"{_PAPER}, sec. 3.2", "E[x | h = 1] = arg max p(h = 1 | x) where p(x | h = 1) concentrates at one x",
       "equality in the limit of one point")
def _sampling_and_maximum():
    import torch.nn.functional as F

    samples, mean, best, _ = _views()
    spread = float((samples - mean[:, None]).square().sum(2).mean().sqrt() / mean.norm(dim=1).mean())
    same = float(F.cosine_similarity(mean, best).median())
    return (f"median cosine of the two {same:.2f}; it does not concentrate: distance of a sample from the mean = {spread:.2f} · "
            "‖mean‖"), (same > 0.9 if spread < 0.2 else None)  # the condition is not met: neither confirmed nor refuted


@claim("01", f"{_PAPER}, sec. 5", "sampling, maximisation and linear combination speak of the same unit, far above chance",
       "shown side by side for layer 2, no number")
def _three_views():
    from .. import features

    _, mean, best, filters = _views()
    pairs = {"mean sample and maximum": (mean, best), "mean sample and combination": (mean, filters),
             "maximum and combination": (best, filters)}
    found = {name: features.matches(*pair) for name, pair in pairs.items()}
    chance = 1 / len(mean)
    return ("; ".join(f"{name} find each other among {len(mean)} units in {share:.0%} (median cosine {cosine:.2f})"
                      for name, (share, cosine) in found.items()) + f"; by chance {chance:.1%}",
            bool(min(share for share, _ in found.values()) > 10 * chance))


@claim("01", f"{_PAPER}, sec. 5", "samples look like examples of the data, maxima do not: they are features",
       "said of the pictures, no number")
def _examples_and_features():
    from .. import data, features

    train, test = (data.digits(split=s).images.flatten(1) for s in ("train", "test"))
    samples, _, best, _ = _views()
    mean, shuffled = train.mean(0), test.roll(len(test) // 2, 0)
    near = {"test digits": test, "two of them averaged": (test + shuffled) / 2, "samples": samples[:, :2].flatten(0, 1),
            "maxima (negative pixels as 0)": best.clamp(min=0)}
    found = {name: float(features.nearest(x - mean, train - mean).median()) for name, x in near.items()}
    return ("median cosine to the nearest training digit, the mean digit taken away: "
            + ", ".join(f"{name} {v:.2f}" for name, v in found.items())
            + "; samples are nearer than maxima, but not as near as averages, which are no examples",
            bool(found["samples"] > found["two of them averaged"] and found["samples"] > found["maxima (negative pixels as 0)"]))
