"""Lecture 02, the deconvnet as a probe: what the sources claim, measured."""
import functools

from . import claim

_PAPER = "Zeiler, Fergus 2014"


@functools.cache
def _scenes():
    from .. import data, zoo

    return zoo.load("scenes-cnn"), data.scenes(300, seed=2)  # those of the notebook


@functools.cache
def _top():
    """{unit of block 4: (indices, positions, boxes) of its 24 strongest places, the strongest first}: a unit for trees, roofs, doors."""
    from ..features.top import top_patches

    net, scenes = _scenes()
    top = top_patches(net, "features.10", (29, 9, 3), scenes.images, k=24)
    return {u: (top.indices[i], top.positions[i], top.boxes[i]) for i, u in enumerate((29, 9, 3))}, top.field


def _likeness(found):
    """Mean size of the cosine between the rows of (N, …), each with each; rows of zeros are left out."""
    import torch.nn.functional as F

    rows = F.normalize(found.flatten(1), dim=1)
    rows = rows[rows.norm(dim=1) > 0]
    return float(((rows @ rows.T).abs().sum() - len(rows)) / (len(rows) * (len(rows) - 1)))


@claim("02", f"{_PAPER}, sec. 2.1", "the deconvnet's way down is a backward pass that differs at the ReLU only",
       "“similar to backprop … the ReLU is imposed independently”")
def _same():
    import torch.nn.functional as F

    from .. import features

    net, scenes = _scenes()
    x, (c1, c2) = scenes.images[:8], (net.features[0], net.features[3])
    z1 = c1(x).detach()
    a1, switches = F.max_pool2d(z1.clamp(min=0), 2, return_indices=True)
    z2 = c2(a1).detach()[:, 5:6]
    at = z2.flatten(1).argmax(1)
    r = z2.new_zeros(len(x), c2.out_channels, z2[0, 0].numel())
    r[range(len(x)), 5, at] = z2.flatten(1)[range(len(x)), at]
    r = F.conv_transpose2d(r.view(len(x), -1, *z2.shape[2:]), c2.weight, padding=c2.padding)
    r = features.unpool(r, switches, z1.shape[2:]).clamp(min=0)
    written = F.conv_transpose2d(r, c1.weight, padding=c1.padding).detach()
    off = float((features.deconvnet_probe(net, "features.3", 5, x) - written).abs().max() / written.abs().max())
    return f"written out with transposed convolutions: off by {off:.0e} of the largest value", off < 1e-5


@claim("02", f"{_PAPER}, sec. 3.1", "the top nine projections of a unit show the one structure they share, in patches that differ",
       "figure 2, by eye")
def _structure():
    from .. import features

    net, scenes = _scenes()
    ratios = []
    for unit, parts in ((29, ("crown", "trunk")), (9, ("roof",)), (3, ("door",))):
        indices, positions, boxes = (v[:9] for v in _top()[0][unit])
        size = features.deconvnet_probe(net, "features.10", unit, scenes.images[indices], positions).abs().sum(1)
        mask = sum(scenes.masks[indices, scenes.mask_names.index(p)] for p in parts).float()
        seen = size.new_zeros(size.shape)
        for r, (t, left, b, right) in enumerate(boxes.tolist()):
            seen[r, t:b, left:right] = 1
        ratios.append(float((size * mask).sum() / size.sum() / ((seen * mask).sum() / seen.sum())))
    return ("on trees, roofs, doors (units 29, 9, 3 of block 4): " + ", ".join(f"{r:.1f}" for r in ratios) +
            " times what their area would give"), min(ratios) > 1.5


@claim("02", f"{_PAPER}, sec. 2.1", "the switches preserve the structure of the stimulus", "said of figure 1")
def _switches():
    from .. import features

    (net, scenes), (top, field) = _scenes(), _top()
    inside = [(n, at, box) for n, at, box in zip(*(v.tolist() for v in top[29]), strict=True)
              if box[2] - box[0] == box[3] - box[1] == field.size[0]]
    with_, without = (_likeness(_cut(features.deconvnet_probe(net, "features.10", 29, scenes.images[[n for n, _, _ in inside]],
                                                              [at for _, at, _ in inside], switches=s), inside)) for s in (True, False))
    return (f"likeness of a unit's projections in {len(inside)} pictures: {with_:.2f}; with the switches withheld {without:.2f}: "
            "all that tells them apart is the switches'"), with_ < 0.5 and without > 0.999


def _cut(found, inside):
    import torch

    return torch.stack([p[:, t:b, left:right] for p, (_, _, (t, left, b, right)) in zip(found, inside, strict=True)])


@claim("02", "Springenberg et al. 2015, sec. 3.4", "guided backprop shows the structure better than gradient and deconvnet (“sharper”)", "figures 3, 4, by eye")
def _sharper():
    from .. import features

    net, scenes = _scenes()
    indices, positions, _ = (v[:9] for v in _top()[0][29])
    mask = sum(scenes.masks[indices, scenes.mask_names.index(p)] for p in ("crown", "trunk")).bool()
    on = {}
    for relu in ("gradient", "deconvnet", "guided"):
        size = features.deconvnet_probe(net, "features.10", 29, scenes.images[indices], positions, relu).abs().sum(1)
        on[relu] = float((size * mask).sum() / size.sum())
    return ("share of a tree unit's projections that lies on trees: " + ", ".join(f"{r} {v:.0%}" for r, v in on.items())), \
        on["guided"] > max(on["gradient"], on["deconvnet"])


@claim("02", "Mahendran, Vedaldi 2016", "the more a rule cuts, the less its picture depends on the unit that is asked", "figure 5, by eye")
def _who_is_asked():
    from .. import features

    net, scenes = _scenes()
    pictures, like = scenes.images[scenes.labels == 3][:2, None], dict.fromkeys(("gradient", "deconvnet", "guided"), 0.0)
    for x in pictures:
        maps = features.responses(net, "features.10", x)[0]
        place = divmod(int((maps > 0).sum(0).argmax()), maps.shape[2])  # where most units are active: one field for all
        units = (maps[:, place[0], place[1]] > 0).nonzero()[:16, 0]
        for r in like:
            like[r] += _likeness(features.deconvnet_probe(net, "features.10", units, x.expand(len(units), -1, -1, -1), place, r)) / len(pictures)
    return ("likeness (size of the cosine) of block 4's projections from one place of a picture: " + ", ".join(f"{r} {v:.2f}" for r, v in like.items())), \
        like["gradient"] < like["deconvnet"] < like["guided"]


@claim("02", f"{_PAPER}, sec. 3.2", "lower layers converge before upper layers",
       "within a few epochs; upper layers after 40–50 of 70")
def _lower_first():
    from ..features import study

    epochs = study.evolution()[1].tolist()
    return (f"layers 1 to 4 correlate ≥ 0.9 with their end from epoch {', '.join(map(str, epochs))} of 64 on: in this order, but "
            f"{epochs[0]} is no “few”"), epochs == sorted(epochs) and epochs[0] < epochs[-1]


@claim("02", f"{_PAPER}, sec. 3.2", "… and so the lower layers learn faster", "implied")
def _faster():
    from ..features import study

    table = study.evolution()[0]
    way = ((table - table.loc[0]) / (1 - table.loc[0])).loc[10]
    return "share of the way from the random start covered by epoch 10: " + ", ".join(f"{v:.2f}" for v in way), \
        bool(way.is_monotonic_decreasing and way.iloc[0] > 1.2 * way.iloc[-1])


def _architectures():
    """The measurements of `study.architectures` for stride 4 and for stride 2, a row per seed each."""
    from ..features import study

    table = study.architectures()
    return [table[table["first layer"] == first].set_index("seed") for first in study.FIRST]


@claim("02", f"{_PAPER}, sec. 4.1", "stride 4 in the first layer causes aliasing that stride 2 does not",
       "figure 6 (c), (d), by eye")
def _aliasing():
    big, small = _architectures()
    layers = ["aliased, layer 1", "aliased, layer 2"]
    more = (big[layers] > small[layers]).all(axis=1)
    means = ", ".join(f"{n.removeprefix('aliased, ')} {big[n].mean():.1%} against {small[n].mean():.1%}" for n in layers)
    return f"energy beyond Nyquist: {means}; more in {more.sum()} of {len(more)} seeds", bool(more.all())


@claim("02", f"{_PAPER}, sec. 4.1", "11 × 11 filters at stride 4: dead features, and few filters for middle frequencies",
       "figure 6 (a), (b), by eye")
def _dead():
    big, small = (table.mean() for table in (t[["dead units", "middle"]] for t in _architectures()))
    return (f"dead units of 16: {big['dead units']:.1f} against {small['dead units']:.1f}; energy at middle frequencies "
            f"{big.middle:.0%} against {small.middle:.0%}"), \
        bool(big["dead units"] > small["dead units"] and big.middle < small.middle)


@claim("02", f"{_PAPER}, sec. 4.1", "7 × 7 at stride 2 classifies better", "top-1 error 38.4 % against 40.5 %")
def _better():
    big, small = (table.accuracy for table in _architectures())
    gain = small - big
    error = gain.std() / len(gain) ** 0.5
    return (f"accuracy {small.mean():.1%} against {big.mean():.1%}; gain {gain.mean():+.3f} ± {error:.3f} over "
            f"{len(gain)} seeds"), bool(gain.mean() > 2 * error)


@claim("02", f"{_PAPER}, sec. 4.2", "the network localises the object: covering it costs the class most", "figure 7")
def _occlusion():
    import torch.nn.functional as F

    from .. import features

    net, scenes = _scenes()
    hit, chance = 0, 0.0
    rows = (scenes.labels > 0).nonzero()[:30, 0].tolist()
    for n in rows:
        there = scenes.masks[n, [scenes.mask_names.index(p) for p in ("wall", "roof", "door", "window", "trunk", "crown")]].any(0)
        found = features.occlusion_maps(net, scenes.images[n:n + 1], "features.13", int(scenes.labels[n]), 14, 8)
        touching = F.avg_pool2d(there[None, None].float(), 14, 1)[0, 0][found.tops][:, found.lefts] > 0.05
        hit, chance = hit + int(touching.flatten()[found.probability.argmin()]), chance + float(touching.float().mean()) / len(rows)
    return f"the costliest square touches house or trees in {hit} of {len(rows)} scenes; a square at random in {chance:.0%}", hit / len(rows) > chance + 0.25


@functools.cache
def _deltas():
    """Δ of the features place by place, as the paper counts, in blocks 4 and 5: a DataFrame[delta, error], a row for each
    (block, hidden)."""
    from ..features.parts import hidden_parts

    table = hidden_parts(_scenes()[0], {"features.10": 4, "features.13": 5})
    return table[table.features == "place by place"].set_index(["block", "hidden"])[["delta", "error"]]


def _lower(found, part, control):
    """Whether a part's Δ lies below a control's by more than two standard errors of the difference."""
    a, b = found.loc[part], found.loc[control]
    return bool(a.delta + 2 * (a.error**2 + b.error**2) ** 0.5 < b.delta)


_PARTS, _CONTROL = ("door", "left window", "roof"), "random, on the house"


@claim("02", f"{_PAPER}, sec. 4.3", "hiding the same part changes features alike, hiding random parts does not (layer 5)", "Δ 0.07 (eyes, nose) against 0.11 (random)")
def _correspondence():
    found = _deltas().loc[4]
    told = [part for part in _PARTS if _lower(found, part, _CONTROL)]
    return ("block 4, place by place: Δ " + ", ".join(f"{n} {v:.3f}" for n, v in found.delta.items()) +
            f"; told from a random place of the house: {', '.join(told) or 'none'}, {len(told)} of 3"), len(told) == 3


@claim("02", f"{_PAPER}, sec. 4.3", "in the uppermost layer parts and random places no longer differ (layer 7)", "Δ 0.07–0.09 for all")
def _uppermost():
    found = _deltas().loc[5]
    told = [part for part in _PARTS if _lower(found, part, _CONTROL)]
    return ("block 5, place by place: Δ " + ", ".join(f"{n} {v:.3f}" for n, v in found.delta.items()) +
            f"; told from a random place of the house: {', '.join(told) or 'none'}, {len(told)} of 3"), not told
