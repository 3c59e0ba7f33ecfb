"""Low- and high-frequency components of images: which of the two a classifier learns from, and when.

Wang, Wu, Huang, Xing 2019, *High-Frequency Component Helps Explain the Generalization of Convolutional Neural
Networks*.  Their images are 32 × 32; the digits have 8 × 8 pixels, so that a radius of theirs is four of ours.
"""
import copy
import functools

import torch
import torch.nn as nn
import torch.nn.functional as F

from ..train import fit_many
from .intervals import student

RADII = (1, 2, 3, 4)  # of 8 × 8 pixels: 4, 8, 12 and 16 of 32 × 32
LR, EPOCHS, SEEDS = 2e-2, 7, 5
interval = functools.partial(student, axis=-1)  # over networks or other repetitions


def disc(size, radius):
    """Which frequencies of the centred DFT lie within ``radius`` of the constant one: (size, size) bool."""
    k = torch.arange(size) - size // 2
    return k[:, None] ** 2 + k**2 <= radius**2


def split(images, radius):
    """x = x_l + x_h: what the frequencies up to ``radius`` make of each image (…, H, H), and the rest.

    Wang et al. 2019, section 3: a circular mask on the centred discrete Fourier transform.  ValueError for a radius
    below 0 or images that are not square."""
    size = images.shape[-1]
    if images.dim() < 2 or images.shape[-2] != size:
        raise ValueError(f"images are (…, H, H), not {tuple(images.shape)}")
    if not radius >= 0:
        raise ValueError(f"a radius is 0 or more, not {radius!r}")
    spectrum = torch.fft.fftshift(torch.fft.fft2(images), dim=(-2, -1)) * disc(size, radius)
    low = torch.fft.ifft2(torch.fft.ifftshift(spectrum, dim=(-2, -1))).real
    return low, images - low


def components(images, radii=RADII):
    """{("low" or "high", r): that component of the images}."""
    return {(part, r): x for r in radii for part, x in zip(("low", "high"), split(images, r), strict=True)}


# networks and the heuristics ------------------------------------------------------------------------------------


def network(setting):
    """A CNN for 8 × 8 images: 8 kernels of 5 × 5, 32 hidden units, 10 logits; setting keys ``norm`` and ``dropout``."""
    norm, drop = setting.get("norm", False), setting.get("dropout", 0)
    return nn.Sequential(nn.Conv2d(1, 8, 5), *[nn.BatchNorm2d(8)] * norm, nn.ReLU(), nn.Flatten(1), nn.Linear(128, 32),
                         *[nn.BatchNorm1d(32)] * norm, nn.ReLU(), *[nn.Dropout(drop)] * bool(drop), nn.Linear(32, 10))


def mixed(images, labels, copies=8, classes=10, seed=0):
    """Mix-up (Zhang et al. 2018), ``copies`` times the data: λx + (1 − λ)x′ with labels mixed alike, λ uniform in [0, 1]."""
    g, hot = torch.Generator().manual_seed(seed), F.one_hot(labels, classes).to(images.dtype)
    pairs = [(torch.rand(len(images), generator=g), torch.randperm(len(images), generator=g)) for _ in range(copies)]
    blend = [(s.view(-1, 1, 1, 1), o) for s, o in pairs]
    return (torch.cat([s * images + (1 - s) * images[o] for s, o in blend]),
            torch.cat([s[:, 0, 0] * hot + (1 - s[:, 0, 0]) * hot[o] for s, o in blend]))


def smoothed(kernels, rho):
    """Kernels (…, k, k) whose weights got the share ``rho`` of each of their eight neighbours (Wang et al. 2019, section 6),
    at the length they had, so that nothing but their shape changes."""
    around = torch.full((1, 1, 3, 3), float(rho), dtype=kernels.dtype)
    around[..., 1, 1] = 1
    flat = kernels.reshape(-1, 1, *kernels.shape[-2:])
    new = F.conv2d(flat, around, padding=1).view(kernels.shape)
    return new * (kernels.norm(dim=(-2, -1), keepdim=True) / new.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-12))


def roughness(kernels):
    """The share of kernels' energy (…, k, k) in frequencies beyond radius 1, in the mean over kernels of each network."""
    power = torch.fft.fftshift(torch.fft.fft2(kernels), dim=(-2, -1)).abs() ** 2
    far = (power * ~disc(kernels.shape[-1], 1)).sum((-2, -1))
    return (far / power.sum((-2, -1))).flatten(1).mean(1)


def projected_gradient(net, images, labels, epsilon, steps=5):
    """x + δ with |δ| ≤ ε, kept in [0, 1]: ``steps`` moves of 2.5 ε / steps along sign ∇ₓ loss, cut to the box after each
    (Madry et al. 2018, *Towards Deep Learning Models Resistant to Adversarial Attacks*)."""
    moved, slope = images, torch.func.grad(lambda z: F.cross_entropy(net(z), labels, reduction="sum"))
    for _ in range(steps):
        moved = torch.clamp(moved + 2.5 * epsilon / steps * slope(moved).sign(), images - epsilon, images + epsilon).clamp(0, 1)
    return moved


def fast_gradient(net, images, labels, epsilon):
    """x + ε sign ∇ₓ loss, kept in [0, 1] (Goodfellow, Shlens, Szegedy 2015, *Explaining and Harnessing Adversarial Examples*)."""
    return projected_gradient(net, images, labels, epsilon, 1)


# the experiments -------------------------------------------------------------------------------------------------


@functools.cache
def digits():
    """Digits at their own 8 × 8 pixels: train images (1347, 1, 8, 8), labels, test images (450, …), labels."""
    from .. import data

    train, test = data.digits(size=8), data.digits(size=8, split="test")
    return train.images, train.labels, test.images, test.labels


def accuracy(net, images, labels):
    """The share of images that are called right."""
    with torch.no_grad():
        return (net(images).argmax(1) == labels).double().mean().item()


def trained(make, data, settings, batch=64, **options):
    """`EPOCHS` of Adam for five networks of each setting: the list of its networks for each setting."""
    steps = EPOCHS * (len(digits()[0]) // batch)
    settings = [{"lr": LR, **s} for s in settings]
    done = fit_many(make, data, settings, range(SEEDS), **{"steps": steps, "batch_size": batch, "every": [], "progress": False,
                                                          "schedule": lambda t: 1 - t, **options})
    return [[done.model(i * SEEDS + k) for k in range(SEEDS)] for i in range(len(settings))]


@functools.cache
def on_components(norm=False):
    """Five networks for each component, trained on it alone: {("low" or "high", r) or ("all", 0): networks}.

    With batch norm (``norm``) only the low ones of radius 1 to 3 and all."""
    x, y = digits()[:2]
    learned = components(x) | {("all", 0): x}
    parts = [p for p in learned if not norm or p[0] != "high" and p[1] < 4]
    return dict(zip(parts, trained(network, lambda s: (learned[s["part"]], y), [{"part": p, "norm": norm} for p in parts]),
                    strict=True))


def table(norm=False):
    """DataFrame of ``on_components``, a row a network: part, radius, seed; accuracy in "train" (on what it was trained
    on), "own" (the same component of test images) and "test" (the test images as they are)."""
    import pandas as pd

    x, y, z, labels = digits()
    learned, told = components(x) | {("all", 0): x}, components(z) | {("all", 0): z}
    return pd.DataFrame([{"part": p[0], "radius": p[1], "seed": k, "train": accuracy(net, learned[p], y),
                          "own": accuracy(net, told[p], labels), "test": accuracy(net, z, labels)}
                         for p, nets in on_components(norm).items() for k, net in enumerate(nets)])


@functools.cache
def picked_up(count=200, steps=300, every=10):
    """True and shuffled labels of ``count`` images: Histories with "all", "low r" and "high r", the accuracy on these
    images and on their components, by the labels that were trained on; settings outer, seeds inner."""
    x, y = (t[:count] for t in digits()[:2])
    order = [torch.randperm(count, generator=torch.Generator().manual_seed(seed)) for seed in range(SEEDS)]
    parts = {"all": x} | {f"{part} {r}": v for (part, r), v in components(x).items()}

    def labels_of(setting):
        return y if setting["labels"] == "true" else y[order[setting["seed"]]]

    def measure(now):
        wanted = torch.stack([labels_of(s) for s in now.settings])
        return {name: (now.forward(v).argmax(-1) == wanted).double().mean(1) for name, v in parts.items()}

    return fit_many(network, lambda s: (x, labels_of(s)), [{"labels": k, "lr": LR} for k in ("true", "shuffled")],
                    range(SEEDS), steps=steps, batch_size=50, every=every, measure=measure, progress=False)


@functools.cache
def heuristics(epsilon=0.1):
    """{heuristic: five networks}, all trained equally many epochs; "adversarial" with one step."""
    x, y = digits()[:2]
    found = {"plain": on_components()["all", 0], "batch norm": on_components(True)["all", 0],
             "batch 256": trained(network, (x, y), [{}], 256)[0],
             "dropout": trained(network, (x, y), [{"dropout": 0.5}])[0],
             "mix-up": trained(network, mixed(x, y, EPOCHS), [{}])[0]}
    return found | {"adversarial": adversarial(epsilon)}


@functools.cache
def adversarial(epsilon=0.1, steps=1):
    """Five networks, trained in each epoch on images that were attacked in ``steps`` on the network as it was when the epoch
    began (Goodfellow et al. 2015 and Madry et al. 2018, taken an epoch at a time)."""
    x, y = digits()[:2]
    nets, many = None, len(x) // 64
    for epoch in range(EPOCHS):
        moved = [projected_gradient(net, x, y, epsilon, steps).detach() for net in nets] if nets else [x] * SEEDS
        nets = trained(lambda s, nets=nets: copy.deepcopy(nets[s["seed"]]).train() if nets else network(s),
                       lambda s, moved=moved: (moved[s["seed"]], y), [{}], steps=many,
                       schedule=lambda t, epoch=epoch: 1 - (epoch + t) / EPOCHS)[0]
    return nets


def compared():
    """DataFrame of ``heuristics``, a row a network: accuracy in training and on test images, on their components,
    and the roughness of its first-layer kernels."""
    import pandas as pd

    x, y, z, labels = digits()
    told = {f"{part} {r}": v for (part, r), v in components(z).items()}
    return pd.DataFrame([{"how": how, "seed": k, "train": accuracy(net, x, y), "test": accuracy(net, z, labels),
                          **{name: accuracy(net, v, labels) for name, v in told.items()},
                          "roughness": roughness(first_kernels(net).detach()[None]).item()}
                         for how, nets in heuristics().items() for k, net in enumerate(nets)])


def robustness(rhos=(0.0, 0.25, 0.5, 1.0), epsilons=(0.0, 0.05, 0.1, 0.2)):
    """DataFrame, a row an attack on a test set: how it was trained, rho (smoothing of the first-layer kernels), epsilon,
    seed, accuracy."""
    import pandas as pd

    z, labels = digits()[2:]
    rows = []
    for how, rho in [*[("plain", rho) for rho in rhos], ("adversarial", 0.0)]:
        for k, net in enumerate(heuristics()[how]):
            net = copy.deepcopy(net)
            kernels = first_kernels(net)
            kernels.data = smoothed(kernels.data, rho)
            rows += [{"how": how, "rho": rho, "epsilon": e, "seed": k,
                      "accuracy": accuracy(net, fast_gradient(net, z, labels, e), labels)} for e in epsilons]
    return pd.DataFrame(rows)


def first_kernels(net):
    """The first layer's kernels (8, 1, 5, 5), a parameter."""
    return next(m for m in net.modules() if isinstance(m, nn.Conv2d)).weight
