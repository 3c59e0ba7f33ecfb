"""Two small studies on photographs that ship trained, and the recipe that trained them, `study.make()`.

*Architecture*: the same network with 11 × 11 filters at stride 4, and with 7 × 7 at stride 2, in its first layer, from
several seeds (Zeiler, Fergus 2014, section 4.1).  *Evolution*: the second one, at the epochs of the paper's figure 4.
The task: from which of scikit-image's thirteen photographs is a patch?  Patches to learn from lie in a photograph's left
part, those to test on in its right part.
"""
import functools
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

from .. import data, home, train
from ..data.photos import FILES as PHOTOS
from ..errors import DamagedFile
from .diagnose import aliasing, dead_units, filter_bands, settling

SIDE, EPOCHS, SEEDS = 48, (0, 1, 2, 5, 10, 20, 30, 40, 64), (0, 1, 2, 3)  # 0: before the first step
FIRST = {"11 × 11, stride 4": (11, 4), "7 × 7, stride 2": (7, 2)}
CLASSES = tuple(PHOTOS)
SEEN = ("astronaut", "camera", "chelsea", "coffee", "motorcycle", "brick", "grass", "gravel")  # to measure spectra on
_LEFT = 0.62  # of a photograph's width


@functools.cache
def crops(split="train", each=80, seed=0):
    """Grey patches of the photographs at 256 rows, each set to mean 1/2 and the same contrast: (13 · each, 1, 48, 48), labels.

    split: "train" (left parts) or "test" (right parts).  The same seed gives the same patches.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split is 'train' or 'test', not {split!r}")
    generator, found = torch.Generator().manual_seed(seed + 1000 * (split == "test")), []
    for name in CLASSES:
        picture = data.photo(name).mean(1, keepdim=True)
        width = round(picture.shape[3] * 256 / picture.shape[2])
        picture = F.interpolate(picture, (256, width), mode="bilinear", antialias=True, align_corners=False)[0, 0]
        cut = round(_LEFT * width)
        part = picture[:, :cut] if split == "train" else picture[:, cut:]
        windows = part.unfold(0, SIDE, 1).unfold(1, SIDE, 1)
        place = torch.randint(windows.shape[0] * windows.shape[1], (each,), generator=generator)
        found.append(windows[place // windows.shape[1], place % windows.shape[1]])
    x = torch.cat(found)
    x = x - x.mean((1, 2), keepdim=True)
    x = 0.5 + 0.18 * x / (x.std((1, 2), keepdim=True) + 0.02)
    return x.clamp(0, 1)[:, None], torch.arange(len(CLASSES)).repeat_interleave(each)


class Centre(nn.Module):
    """Patches in [0, 1] less their mean level, 1/2."""

    def forward(self, x):
        return x - 0.5


def network(first="7 × 7, stride 2", channels=(16, 24, 32, 32), seed=0):
    """Four convolutions, ``conv1`` … ``conv4``, with ``relu1`` … and, after the first two, ``pool1``, ``pool2`` (3 × 3,
    stride 2, overlapping as in the paper); their average, ``head``.  He et al. 2015's start.  (N, 1, H, W) → (N, 13).
    """
    (kernel, stride), (a, b, c, d) = FIRST[first], channels
    layers = {"centre": Centre()}
    for k, conv in enumerate((nn.Conv2d(1, a, kernel, stride, kernel // 2), nn.Conv2d(a, b, 3, padding=1),
                              nn.Conv2d(b, c, 3, padding=1), nn.Conv2d(c, d, 3, padding=1)), 1):
        layers |= {f"conv{k}": conv, f"relu{k}": nn.ReLU()} | ({f"pool{k}": nn.MaxPool2d(3, 2, 1)} if k < 3 else {})
    model = nn.Sequential(OrderedDict(layers, average=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), head=nn.Linear(d, len(CLASSES))))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in model:
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                gain = 2.0 if isinstance(layer, nn.Conv2d) else 0.1
                layer.weight.normal_(0, (gain / layer.weight[0].numel()) ** 0.5, generator=generator)
                layer.bias.zero_()
    return model.eval()


def fit(model, epochs, at=(), lr=0.03, momentum=0.9, batch_size=32, seed=0):
    """SGD with the paper's momentum of 0.9, but a constant rate (the paper lowers it by hand), in place; patches are mirrored at random.

    Returns {epoch: a copy of the weights} for the epochs in ``at``, 0 being the start.
    """
    x, y = crops("train")
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr, momentum, weight_decay=5e-4)
    kept = {}
    for epoch in range(epochs + 1):
        if epoch in at:
            kept[epoch] = {k: v.detach().clone() for k, v in model.state_dict().items()}
        if epoch == epochs:
            break
        for rows in torch.randperm(len(x), generator=generator).split(batch_size):
            batch = torch.where(torch.rand(len(rows), 1, 1, 1, generator=generator) < 0.5, x[rows], x[rows].flip(3))
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(batch), y[rows]).backward()
            optimizer.step()
    model.eval()
    return kept


def make(epochs=25):
    """Train both studies anew (about three minutes) and write ``data/studies/02.safetensors``, in half precision; its path."""
    from safetensors.torch import save_file
    from tqdm.auto import tqdm

    found = {}
    for first, seed in tqdm([(f, s) for f in FIRST for s in SEEDS], desc="architectures", unit="network"):
        model = network(first, seed=seed)
        fit(model, epochs, seed=seed)
        found |= {f"{first}/{seed}/{k}": v.half() for k, v in model.state_dict().items()}
    model = network(seed=0)
    for epoch, state in fit(model, EPOCHS[-1], EPOCHS, seed=0).items():
        found |= {f"epoch {epoch}/{k}": v.half() for k, v in state.items()}
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_suffix(".part")
    save_file({k: v.contiguous() for k, v in found.items()}, whole)
    whole.chmod(0o644)
    whole.replace(path)
    return path


def trained(first, seed=0):
    """A shipped network of the architecture study.  ValueError if there is none of that kind and seed."""
    if first not in FIRST or seed not in SEEDS:
        raise ValueError(f"there are networks for {', '.join(map(repr, FIRST))} and the seeds {SEEDS}, not {first!r}, {seed!r}")
    return _load(network(first), f"{first}/{seed}/")


def at_epoch(epoch):
    """The network of the evolution study as it was after ``epoch`` epochs.  ValueError if that was not kept."""
    if epoch not in EPOCHS:
        raise ValueError(f"kept are the epochs {', '.join(map(str, EPOCHS))}, not {epoch!r}")
    return _load(network(), f"epoch {epoch}/")


@functools.cache
def architectures():
    """The shipped networks of the architecture study, measured: a DataFrame with a row for each.

    Columns: first layer, seed; aliased, layer 1 and layer 2 (`aliasing`, mean over units, of eight photographs); dead units
    of layer 1 (`dead_units`); low, middle, high: its filters' energy (`filter_bands`); accuracy on the test patches.
    """
    import pandas as pd

    x, y = crops("test", 40)
    photos = torch.cat([data.photo(n, 160).mean(1, keepdim=True) for n in SEEN])
    rows = []
    for first in FIRST:
        for seed in SEEDS:
            net = trained(first, seed)
            low, middle, high = filter_bands(net.conv1.weight.detach()).mean(0).tolist()
            rows.append({"first layer": first, "seed": seed, "aliased, layer 1": float(aliasing(net, "conv1", photos).mean()),
                         "aliased, layer 2": float(aliasing(net, "conv2", photos).mean()),
                         "dead units": int(dead_units(net, "relu1", x).sum()), "low": low, "middle": middle, "high": high,
                         "accuracy": train.accuracy(net, (x, y))})
    return pd.DataFrame(rows)


@functools.cache
def evolution():
    """When the layers of the evolution study settle, on 260 test patches: what `settling` returns."""
    return settling({e: at_epoch(e) for e in EPOCHS}, ("conv1", "conv2", "conv3", "conv4"), crops("test", 40)[0][::2])


def _load(model, prefix):
    state = {k.removeprefix(prefix): v.float() for k, v in _read().items() if k.startswith(prefix)}
    model.load_state_dict(state)
    return model.eval()


def _file():
    return home() / "data" / "studies" / "02.safetensors"


@functools.cache
def _read():
    from safetensors.torch import load_file

    try:
        return load_file(_file())
    except Exception as error:
        raise DamagedFile(f"{_file()} cannot be read ({error}): get it again, or make it anew with features.study.make()") from error


if __name__ == "__main__":
    print(make())
