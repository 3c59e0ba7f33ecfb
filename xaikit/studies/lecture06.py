"""Lecture 06 on CIFAR-10, where it is on the machine: components of real photographs."""
from . import study

SIZE = {"train": 1000, "test": 1000}  # the first images, and those after them


def network(setting):
    """A CNN for 32 × 32 colour images: kernels of 5 × 5 and 3 × 3 at stride 2, 64 hidden units, 10 logits."""
    from torch import nn

    return nn.Sequential(nn.Conv2d(3, 12, 5, 2), nn.ReLU(), nn.Conv2d(12, 24, 3, 2), nn.ReLU(), nn.Flatten(1),
                         nn.Linear(864, 64), nn.ReLU(), nn.Linear(64, 10))


def images():
    """Images minus 1/2 and labels, to train on and to test on; OfflineError where CIFAR-10 is not on the machine."""
    from .. import data

    found = data.cifar10(n=sum(SIZE.values()))
    x, y, n = found.images - 0.5, found.labels, SIZE["train"]
    return x[:n], y[:n], x[n:], y[n:]


def _fit(inputs, labels, folder, progress, seeds=5, steps=320, **options):
    from ..train import fit_many

    return fit_many(network, (inputs, labels) if not callable(labels) else lambda s: (inputs, labels(s)), [{"lr": 2e-3}],
                    range(seeds), steps=steps, batch_size=50, folder=folder, progress=progress, **options)


@study("06", "cifar-components", minutes=5)
def cifar_components(folder, progress):
    """CNNs trained on the low or the high frequencies of CIFAR-10: accuracy there and on the original images."""
    import pandas as pd

    from ..dynamics.components import accuracy, components

    x, y, z, labels = images()
    learned, told = ({("all", 0): v} | components(v, (4, 8, 12, 16)) for v in (x, z))
    rows = []
    for (part, radius), inputs in learned.items():
        found = _fit(inputs, y, folder, progress, every=[], schedule=lambda t: 1 - t)
        rows += [{"part": part, "radius": radius, "seed": k, "train": accuracy(net, inputs, y),
                  "own": accuracy(net, told[part, radius], labels), "test": accuracy(net, z, labels)}
                 for k, net in ((k, found.model(k)) for k in range(len(found.settings)))]
    return pd.DataFrame(rows)


@study("06", "cifar-labels", minutes=5)
def cifar_labels(folder, progress):
    """True and shuffled labels of CIFAR-10: the training accuracy on images and their components, step by step."""
    import pandas as pd
    import torch

    from ..dynamics.components import components

    x, y = (t[:500] for t in images()[:2])
    parts = {("all", 0): x} | components(x, (4, 8, 12, 16))
    order = [torch.randperm(len(y), generator=torch.Generator().manual_seed(seed)) for seed in range(5)]
    kinds, rows = {"true": lambda s: y, "shuffled": lambda s: y[order[s["seed"]]]}, []
    for kind, given in kinds.items():
        def measure(now, given=given):
            wanted = torch.stack([given(s) for s in now.settings])
            return {f"{p} {r}": (now.forward(v).argmax(-1) == wanted).double().mean(1) for (p, r), v in parts.items()}

        frame = _fit(x, given, folder, progress, steps=600, every=25, measure=measure).frame()
        rows.append(frame.drop(columns=["network", "loss", "lr"]).assign(labels=kind))
    return pd.concat(rows)
