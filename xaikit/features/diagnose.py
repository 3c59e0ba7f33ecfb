"""What is wrong with a layer, as numbers: dead units, the frequencies its filters pass, aliasing; and when layers settle.

Zeiler and Fergus (2014, sections 3.2 and 4.1) looked at pictures of filters and said "dead", "mostly high and low
frequencies", "aliasing", "lower layers converge first".  Each of these can be measured.
"""
import torch
import torch.nn.functional as F

from .. import hooks, layout
from ..errors import UnsupportedLayer
from ..receptive import argument, convolution, each, receptive_field


@torch.no_grad()
def responses(model, layer, x, batch_size=128):
    """The outputs of ``layer`` for x (N, …), batch by batch: (N, units, …); of several layers, a dict of them."""
    names = [layer] if isinstance(layer, str) else list(layer)
    found = {name: [] for name in names}
    with hooks.unchanged(model):
        for part in x.split(batch_size):
            with hooks.record(model, *names, stop=True) as acts:
                layout.run(model, part)
            for name in names:
                found[name].append(acts[name])
    found = {name: torch.cat(parts) for name, parts in found.items()}
    return found[layer] if isinstance(layer, str) else found


def dead_units(model, layer, x, share=0.01):
    """Which units of ``layer`` never say anything: the largest response over all images and places is below ``share`` of
    that of the layer's strongest unit.  (units,) bool."""
    strongest = responses(model, layer, x).clamp(min=0).transpose(0, 1).flatten(1).amax(1)
    return strongest < share * strongest.max()


def filter_bands(weight, edges=(0.08, 0.25)):
    """The share of each filter's energy at low, middle and high frequencies: weight (U, C, k, k) → (U, 3), rows sum to 1.

    Frequencies are radial, in cycles per pixel; ``edges`` divide the bands.  The filters are padded to 64 × 64, so that
    filters of different sizes are measured with one ruler.
    """
    power = torch.fft.fft2(weight, s=(64, 64)).abs().square().sum(1)
    f = torch.fft.fftfreq(64)
    radius = torch.hypot(f[:, None], f[None, :])
    bands = [radius < edges[0], (radius >= edges[0]) & (radius < edges[1]), radius >= edges[1]]
    parts = torch.stack([power[:, b].sum(1) for b in bands], 1)
    return parts / parts.sum(1, keepdim=True)


@torch.no_grad()
def dense_maps(model, layer, x):
    """The maps of ``layer`` as they would be at every pixel: each convolution and pooling moves by one pixel and reaches
    over as many as the strides below it amount to ("à trous").  (N, units, H, W)

    The network's own map is every ``receptive_field(model, layer).stride``-th value of it, apart from what the padding
    touches.  UnsupportedLayer for adaptive pooling.
    """
    moved = [1, 1]  # the strides so far

    def handler(call):
        if call.kind == "conv":
            kernel, stride, padding, dilation = convolution(call, 2)
            run = lambda **at: F.conv2d(call.args[0], call.args[1], argument(call, 2, "bias"), groups=argument(call, 6, "groups", 1), **at)  # noqa: E731
        elif call.kind in ("max_pool", "avg_pool") and "pool2d" in call.name:
            if "adaptive" in call.name or call.kind == "avg_pool":
                raise UnsupportedLayer(f"layer {call.path!r} runs {call.name}: dense maps know convolution and max pooling")
            kernel = each(argument(call, 1, "kernel_size"), 2)
            stride = each(argument(call, 2, "stride") or kernel, 2)
            padding, dilation = each(argument(call, 3, "padding", 0), 2), each(argument(call, 4, "dilation", 1), 2)
            run = lambda padding, **at: F.max_pool2d(  # noqa: E731
                F.pad(call.args[0], [padding[1], padding[1], padding[0], padding[0]], value=-torch.inf), kernel, **at)
        else:
            return call()
        out = run(stride=1, padding=tuple(p * m for p, m in zip(padding, moved, strict=True)),
                  dilation=tuple(d * m for d, m in zip(dilation, moved, strict=True)))
        moved[:] = [m * s for m, s in zip(moved, stride, strict=True)]
        return out

    with hooks.unchanged(model), hooks.record(model, layer, stop=True) as acts, hooks.interpose(model, handler):
        model(x)
    return acts[layer]


def spectrum(maps):
    """The mean power spectrum of maps (N, U, H, W), their mean level removed, under a Hann window: (U, H, W // 2 + 1)."""
    window = torch.hann_window(maps.shape[2])[:, None] * torch.hann_window(maps.shape[3])
    maps = maps - maps.mean((2, 3), keepdim=True)
    return torch.fft.rfft2(maps * window).abs().square().mean(0)


def aliasing(model, layer, x, stride=None):
    """How much of each unit's map is aliased at the layer's own stride, or at another: (units,) shares in [0, 1].

    A map sampled every s pixels can hold frequencies up to 1/(2s) cycles per pixel (Nyquist); what the filter passes
    beyond folds over and poses as a lower frequency.  The share is the energy of the dense map (`dense_maps`) beyond 1/(2s)
    on either axis, over all its energy but the mean level's.  x: pictures large beside the receptive field, (N, C, H, W).
    """
    s = (stride, stride) if stride else receptive_field(model, layer, tuple(x.shape[1:])).stride
    power = spectrum(dense_maps(model, layer, x))
    rows, columns = torch.fft.fftfreq(x.shape[2]).abs(), torch.fft.rfftfreq(x.shape[3])
    beyond = (rows[:, None] > 1 / (2 * s[0])) | (columns[None] > 1 / (2 * s[1]))
    weight = torch.where((columns > 0) & (columns < 0.5), 2.0, 1.0)  # rfft holds each of these for two
    power = power * weight
    return (power * beyond).sum((1, 2)) / power.sum((1, 2)).clamp(min=1e-20)


def settling(models, layers, x, level=0.9):
    """When layers settle: (DataFrame of similarities, a row per epoch and a column per layer; Series of epochs).

    models: {epoch: network}, one network at several epochs, the last one being the end · x (N, …).  The similarity of a
    layer is the correlation, over all images and places, of a unit's response at that epoch with the same unit's at the
    end, averaged over the layer's units that respond at the end.  A layer has settled at the first epoch from which on the
    similarity stays at ``level`` or above.
    """
    import pandas as pd

    epochs, rows = sorted(models), {}
    ends = {layer: _standard(maps) for layer, maps in responses(models[epochs[-1]], layers, x).items()}
    for epoch in epochs:
        now = responses(models[epoch], layers, x)
        rows[epoch] = {layer: float((_standard(now[layer]) * end).sum(1)[end.abs().sum(1) > 0].mean())
                       for layer, end in ends.items()}
    table = pd.DataFrame(rows).T
    good = (table >= level)[::-1].cummin()[::-1]
    return table, good.apply(lambda column: column.index[column.to_numpy().argmax()])


def _standard(maps):
    """(N, U, …) → (U, values), each row with mean 0 and length 1; 0 for a unit that never changes."""
    rows = maps.transpose(0, 1).flatten(1)
    rows = rows - rows.mean(1, keepdim=True)
    return F.normalize(rows, dim=1)
