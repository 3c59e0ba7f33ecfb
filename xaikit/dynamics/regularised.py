"""The table of regularisers: training and test accuracy with each switched on or off, on true and on random labels.

Zhang et al. 2017, *Understanding deep learning requires rethinking generalization*, section 3 and table 1.
"""

import functools

import pandas as pd
import torch

from .memorization import RandomCrop, corrupt, error, interval, mlp, small_digits

REGULARISERS = {  # what differs from the plain network
    "none": {},
    "random crop": {"crop": 1},
    "weight decay": {"weight_decay": 0.005},
    "dropout": {"dropout": 0.3},
    "batch norm": {"norm": True},
}
PAPER = pd.DataFrame(  # Zhang et al., table 1: CIFAR-10, percent
    [("Inception, crop and decay", 100.0, 89.05), ("Inception, random crop", 100.0, 89.31),
     ("Inception, weight decay", 100.0, 86.03), ("Inception, none", 100.0, 85.75),
     ("Inception, random labels", 100.0, 9.78),
     ("Inception w/o batch norm, weight decay", 100.0, 83.00), ("Inception w/o batch norm, none", 100.0, 82.00),
     ("Inception w/o batch norm, random labels", 100.0, 10.12),
     ("MLP 3 × 512, weight decay", 100.0, 53.35), ("MLP 3 × 512, none", 100.0, 52.39),
     ("MLP 3 × 512, random labels", 100.0, 10.48)],
    columns=["network", "train accuracy", "test accuracy"])


@functools.cache
def runs(seeds=5, n=300, width=64, steps=450, names=tuple(REGULARISERS)):
    """Histories with the regularisers ``names`` on true and on random labels; ``train_error``, ``test_error`` measured.

    The step size falls to a tenth after 80 % of the steps, whatever their number."""
    from ..train import fit_many

    x, y, test_x, test_y = small_digits(n)
    mean = x.mean(0)

    @functools.cache
    def labels(kind, seed):
        return corrupt(x, y, "labels", float(kind == "random"), seed)[1]

    settings = [{"name": name, "labels": kind, "lr": 0.05, "momentum": 0.9, **extra}
                for kind in ("true", "random") for name, extra in REGULARISERS.items() if name in names]

    def make(s):
        crop = [RandomCrop(8, s["crop"])] if "crop" in s else []
        return mlp(x.shape[1], width, dropout=s.get("dropout", 0.0), norm=s.get("norm", False), before=crop)

    def measure(now):
        ys = torch.stack([labels(s["labels"], s["seed"]) for s in now.settings])
        return {"train_error": error(now.forward(x - mean), ys), "test_error": error(now.forward(test_x - mean), test_y)}

    return fit_many(make, lambda s: (x - mean, labels(s["labels"], s["seed"])), settings, range(seeds), steps=steps,
                    batch_size=50, optimizer="sgd", measure=measure, every=50,
                    schedule=lambda t: 1.0 if t < 0.8 else 0.1)


def table(histories=None):
    """A row for each regulariser and kind of labels: train and test accuracy at the end, and the best test accuracy
    on the way, each as mean, low, high (95 %, seeds), in percent."""
    h = histories or runs()
    accuracy = {k: 100 * (1 - h.measured[f"{k}_error"]) for k in ("train", "test")}
    rows = []
    for kind in ("true", "random"):
        for name in REGULARISERS:
            own = [i for i, s in enumerate(h.settings) if (s["name"], s["labels"]) == (name, kind)]
            found = {"train": accuracy["train"][-1, own], "test": accuracy["test"][-1, own],
                     "best": accuracy["test"][:, own].amax(0)}
            rows.append({"labels": kind, "regulariser": name}
                        | {f"{k}{end}": v for k, values in found.items()
                           for end, v in zip(("", "_low", "_high"), interval(values), strict=True)})
    return pd.DataFrame(rows)
