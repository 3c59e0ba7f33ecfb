"""Lecture 05's longer runs: the six data sets of MNIST and CIFAR-10; a Gaussian kernel on more and more of MNIST;
regularisers given more and more steps."""

import json

from . import study

SIZES, SEEDS, SIGMAS = (1000, 2000, 4000, 8000, 16000), (0, 1, 2, 3, 4), (3.5, 5.0)


@study("05", "kernel", minutes=15)
def kernel(folder, progress):
    """The test error of a Gaussian kernel that fits n of MNIST's images exactly, for n up to 16,000.

    Five random subsets and two σ for each n up to 8,000, one subset and the larger σ beyond.  Needs MNIST
    (``XAIKIT_DATA``) and 2 GiB of memory.  Columns: those of ``fitted``.
    """
    import pandas as pd
    from tqdm.auto import tqdm

    tasks = [(n, seed, sigma) for n in SIZES for seed in (SEEDS if n <= 8000 else SEEDS[:1])
             for sigma in (SIGMAS if n <= 8000 else SIGMAS[1:])]
    rows = []
    for n, seed, sigma in tqdm(tasks, desc="kernel", disable=not progress):
        kept = folder / f"{n}-{seed}-{sigma:g}.json"
        if not kept.exists():
            part = kept.with_suffix(".part")
            part.write_text(json.dumps(fitted(n, seed, sigma)))
            part.replace(kept)
        rows.append(json.loads(kept.read_text()))
    return pd.DataFrame(rows)


BUDGETS, CROP = (200, 1000, 3000), (450, 2000, 6000)  # steps


@study("05", "budget", minutes=3)
def budget(folder, progress):
    """Does a regulariser stop memorisation or delay it?  Random labels with more and more steps of SGD.

    The random crop of section 3 with 450 to 6,000 steps, and section 11's regularisers, adversarial training of five steps
    too, with 200 to 3,000.  Columns: section,
    by, strength, seed, steps, memorised (training accuracy on random labels), validation (test accuracy on true ones).
    """
    import pandas as pd
    from tqdm.auto import tqdm

    from ..dynamics import regularised, resistance

    tables, names = [], (*resistance.STRENGTHS, *resistance.SLOW)
    for task in tqdm((*CROP, *names), desc="budget", disable=not progress):
        kept = folder / f"{task}.json"
        if not kept.exists():
            rows = cropped(regularised.runs(5, steps=task, names=("random crop",))) if task in CROP else (
                resistance.trained(5, moments=BUDGETS, names=(task,)).assign(section=11))
            part = kept.with_suffix(".part")
            rows.to_json(part, double_precision=15)
            part.replace(kept)
        tables.append(pd.read_json(kept))
    return pd.concat(tables, ignore_index=True)[["section", "by", "strength", "seed", "steps", "memorised", "validation"]]


def cropped(histories):
    """The rows of one training of `regularised.runs` with the random crop alone."""
    import pandas as pd

    last = {k: 1 - histories.measured[f"{k}_error"][-1] for k in ("train", "test")}
    rows = [{"labels": s["labels"], "seed": s["seed"], **{k: v[e].item() for k, v in last.items()}}
            for e, s in enumerate(histories.settings)]
    both = pd.DataFrame(rows).pivot(index="seed", columns="labels").reset_index()
    return pd.DataFrame({"section": 3, "by": "random crop", "strength": 1.0, "seed": both["seed"],
                         "steps": int(histories.steps[-1]), "memorised": both[("train", "random")],
                         "validation": both[("test", "true")]})


def fitted(n, seed, sigma):
    """One row of the study: n of MNIST's training images, chosen by the seed, fitted and tested on all 10,000.

    ``fitted(60_000, 0, 5.0)`` is the paper's case, and needs 8 GiB.
    """
    import time

    import torch

    from .. import data
    from ..dynamics import blocked
    from ..dynamics.interpolation import one_hot

    began = time.perf_counter()
    train, test = data.mnist(), data.mnist("test")
    rows = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:n]
    x, y = train.images[rows].flatten(1), one_hot(train.labels[rows]).float()
    K = blocked.Tiles(x, sigma)
    alpha, iterations, residual = blocked.conjugate_gradients(K, y, blocked.nystrom(x, sigma, min(2000, n // 4)))
    wrong = blocked.predicted(x, alpha, test.images.flatten(1), sigma).argmax(1) != test.labels
    return {"n": n, "seed": seed, "sigma": sigma, "test_error": wrong.double().mean().item(),
            "norm": (alpha * (K @ alpha)).sum().sqrt().item(), "iterations": iterations, "residual": residual,
            "train_error": ((K @ alpha).argmax(1) != y.argmax(1)).double().mean().item(),
            "seconds": time.perf_counter() - began}


SGD, ADAM = ("sgd", {"lr": 0.05, "momentum": 0.9}), ("adam", {"lr": 2e-3})
LARGER = {"MNIST, MLP": SGD, "CIFAR-10, CNN": ADAM, "CIFAR-10, MLP": SGD}  # the third tells data and network apart


def larger(which, n=1000):
    """Images of MNIST or CIFAR-10 at full size, to train on and to test on: x (n, D) flat, y, and as many of others.

    OfflineError where they are not on the machine.  (Of CIFAR-10 both are from its training part.)"""
    from .. import data

    if which.startswith("MNIST"):
        parts = data.mnist(n=n), data.mnist("test", n=n)
        return tuple(t for part in parts for t in (part.images.flatten(1), part.labels))
    found = data.cifar10(n=2 * n)
    x, y = found.images.flatten(1), found.labels
    return x[:n], y[:n], x[n:], y[n:]


def wider(which):
    """An MLP of two layers of 256 units, or the small CNN of lecture 06 for CIFAR-10."""
    from torch import nn

    from ..dynamics.memorization import mlp
    from .lecture06 import network

    if which.endswith("CNN"):
        return nn.Sequential(nn.Unflatten(1, (3, 32, 32)), *network({}))
    return mlp(784 if which.startswith("MNIST") else 3072, 256)


@study("05", "scale", minutes=12)
def scale(folder, progress):
    """Section 1's six data sets, made of 1,000 images of MNIST and CIFAR-10, for wider MLPs and a CNN: steps until fitted.

    Five networks each, until none errs on its training set, which is looked at every 20 steps.  Needs both (``XAIKIT_DATA``).
    Columns: data (and network), name, seed, steps (empty where 6,000 were not enough), train_error and test_error at the end.
    """
    import pandas as pd

    rows = [row for which in LARGER for row in scaled(which, folder, progress)]
    return pd.DataFrame(rows).replace({"steps": {float("inf"): None}})


def scaled(which, folder=None, progress=True):
    """The rows of one kind of images and network."""
    import functools

    import torch

    from ..dynamics.memorization import SIX, corrupt, draw, error
    from ..train import fit_many

    rows, (x, y, test, test_y), (optimizer, own) = [], larger(which), LARGER[which]
    for name, (kind, p) in SIX.items():
        @functools.cache
        def spoiled(seed, kind=kind, p=p):
            new, labels = corrupt(x, y, kind, p, seed)
            return new - new.mean(0), labels, new.mean(0)

        def measure(now, spoiled=spoiled):
            xs, ys = (torch.stack(t) for t in list(zip(*(spoiled(s["seed"]) for s in now.settings), strict=True))[:2])
            return {"train_error": error(now.forward(xs, shared=False), ys)}

        seen = {}
        found = fit_many(lambda s: wider(which), lambda s, spoiled=spoiled: spoiled(s["seed"])[:2], [own], SEEDS,
                         steps=6000, batch_size=50, optimizer=optimizer, every=20, folder=folder, progress=progress,
                         measure=lambda now, measure=measure, seen=seen: seen.update(measure(now)) or dict(seen),
                         until=lambda now, seen=seen: seen["train_error"] == 0)
        fitted = found.first("train_error", lambda share: share == 0)
        for k in SEEDS:
            held = test[:, draw(1, test.shape[1], seed=k)[2][0]] if kind == "shuffled pixels" else test
            with torch.no_grad():
                out = found.model(k)(held - spoiled(k)[2])
            rows.append({"data": which, "name": name, "seed": k, "steps": fitted[k].item(),
                         "train_error": found.measured["train_error"][-1, k].item(), "test_error": error(out, test_y).item()})
    return rows
