"""Lecture 07: decoder bounds through training, what was kept, and information discarded pixel by pixel."""
import functools

from . import claim

_DARLOW = "Darlow, Storkey 2020, section 5"
_MA = "Ma et al. 2019"
_LATE = 1000  # the step from which h4 of the classifier tells nearly all of the label


def longer(measure):
    """The same row, "not decided here" where the table of the longer run is missing."""
    @functools.wraps(measure)
    def wrapper():
        try:
            return measure()
        except FileNotFoundError as error:
            return str(error).partition(" is missing: ")[2], None
    return wrapper


def _differences(task, layer, column, start, stop):
    from .. import studies

    rows = studies.table("07/decoder-bounds").query("task == @task and layer == @layer")
    wide = rows.pivot(index="seed", columns="step", values=column)
    stop = wide.columns.max() if stop is None else stop
    return (wide[stop] - wide[start]).to_numpy(), start, stop


@functools.cache
def change(task, layer, column, start, stop=None):
    """Bits from step ``start`` to ``stop``, the last: mean, ends of its 95 % interval over the longer run's seeds,
    and the two steps."""
    from ..studies.scene_noise import interval

    found, start, stop = _differences(task, layer, column, start, stop)
    return *interval(found), start, stop


def fell(task, layer, column, start, stop=None):
    """In how many of the longer run's networks these bits fell."""
    return int((_differences(task, layer, column, start, stop)[0] < 0).sum())


def _said(task, layer, column, start, stop=None):
    mean, low, high, first, last = change(task, layer, column, start, stop)
    return f"{layer} {mean:+.1f} ({low:+.1f} … {high:+.1f})", (low, high), f"from step {first} to {last}"


def _all(task, column, start, layers, stop=None):
    found = [_said(task, layer, column, start, stop) for layer in layers]
    return f"bits {found[0][2]}, from the longer run: " + ", ".join(f[0] for f in found), [f[1] for f in found]


@claim("07", _DARLOW, "classifier: the bound on I(y; h) rises through training (holds: at h4, 95 % interval above 0)",
       "rises in all four layers")
@longer
def _label():
    text, found = _all("classifier", "y_bits", 0, ("h1", "h2", "h3", "h4"))
    return text, bool(found[3][0] > 0)


@claim("07", _DARLOW, "classifier: the bound on I(x; h) falls late in training at the deepest layer, h4 (holds: 95 % "
       "interval below 0)", "falls late")
@longer
def _compressed():
    text, found = _all("classifier", "x_bits", _LATE, ("h4",))
    each, *_ = _differences("classifier", "h4", "x_bits", _LATE, None)
    early = _all("classifier", "x_bits", 25, ("h4",), 100)[0]
    return f"{text}, down in {(each < 0).sum()} of {len(each)} networks; early, {early}", bool(found[0][1] < 0)


@claim("07", _DARLOW, "classifier: it falls late in the layers before, too (holds: in h2 and h3)", "falls late, less")
@longer
def _compressed_before():
    text, found = _all("classifier", "x_bits", _LATE, ("h2", "h3"))
    return text, bool(all(high < 0 for _, high in found))


@claim("07", "here, beside Darlow, Storkey 2020", "auto-encoder: the bound on I(x; h) rises in its bottleneck, h4, which has "
       "to return the picture (holds: 95 % interval above 0)", "–; some compression in an auto-encoder, too (abstract): here early, in h3")
@longer
def _rises():
    text, found = _all("auto-encoder", "x_bits", _LATE, ("h4",))
    return text, bool(found[0][0] > 0)


@claim("07", f"{_DARLOW}, samples", "from h4 of the classifier come many pictures, from h4 of the auto-encoder nearly one "
       "(holds: samples of one h differ more, in each of five pairs of networks)", "pictures, not measured")
@longer
def _samples():
    from .. import studies
    from ..studies.scene_noise import interval

    wide = studies.table("07/samples").query("layer == 'h4'").pivot(index="seed", columns="task")
    text = "; ".join("{}: two samples differ by {:.2f} ({:.2f} … {:.2f}) a pixel, ".format(t, *interval(wide["apart"][t]))
                     + "{:.0%} ({:.0%} … {:.0%}) have the label".format(*interval(wide["same_label"][t]))
                     for t in ("classifier", "auto-encoder"))
    return text, bool((wide["apart"]["classifier"] > wide["apart"]["auto-encoder"]).all())


@claim("07", _MA, "foreground is discarded less than background, the more the deeper the layer (holds: last layer above "
       "the first, over 12 scenes, and above exchanged masks)", "foreground less")
def _foreground():
    from ..studies import scene_noise as s

    first, last = (s.contrasts(d) for d in ("layer 1", "layer 5"))
    swapped = s.contrasts("layer 5", exchanged=True)
    mean, low, high = s.interval(last)
    text = (f"bits kept, foreground − rest: layer 1 {s.interval(first)[0]:+.2f}, layer 5 {mean:+.2f} ({low:.2f} … {high:.2f}); "
            f"with another scene's mask {s.interval(swapped)[0]:+.2f}")
    return text, bool(s.interval(last - first)[1] > 0 and s.interval(last - swapped)[1] > 0)


@claim("07", _MA, "the same for five networks of other seeds (holds: both differences above 0, intervals over networks)",
       "foreground less")
@longer
def _foreground_of_others():
    from .. import studies
    from ..studies.scene_noise import interval

    wide = studies.table("07/discarding").pivot(index="seed", columns="layer")
    last = wide["own"]["layer 5"]
    deeper, learned = interval(last - wide["own"]["layer 1"]), interval(last - wide["exchanged"]["layer 5"])
    return ("layer 5 − layer 1 {:+.2f} ({:.2f} … {:.2f}), ".format(*deeper)
            + "own − another scene's mask at layer 5 {:+.2f} ({:.2f} … {:.2f})".format(*learned), min(deeper[1], learned[1]) > 0)


@claim("07", f"{_MA}, coherency", "layers and networks can be compared by it, not by gradients: a layer × 10 and the next "
       "÷ 10 changes no output", "gradients cannot")
def _coherent():
    plain, scaled = comparison(1.0), comparison(10.0)
    return (f"gradient × {scaled[0] / plain[0]:.1f}, bits kept {plain[1]:.3f} before and {scaled[1]:.3f} after, outputs differ by "
            f"{scaled[2]:.0e}", bool(abs(scaled[1] - plain[1]) < 1e-3 and scaled[0] / plain[0] > 9))


@functools.cache
def comparison(factor):
    """Gradient's size, mean bits kept at layer 2, and change of the outputs when layer 2 is multiplied by ``factor`` and
    layer 3's weights divided by it."""
    import copy

    import torch

    from ..dynamics import discarding
    from ..studies import scene_noise as s

    network = copy.deepcopy(s.network()).requires_grad_(False)
    network.features[3].weight *= factor
    network.features[3].bias *= factor
    network.features[6].weight /= factor
    x = s.pictures()[0][:3]
    layer = network.features[:5]
    y = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(layer(y).sum(), y)
    delta2 = discarding.spread(layer, s.pictures()[0])
    found = discarding.discard(layer, x, delta2, samples=1)
    return gradient.norm().item(), found.kept.mean().item(), (network(x) - s.network()(x)).abs().max().item()
