"""Lecture 05's longer runs: a Gaussian kernel on more and more of MNIST; regularisers given more and more steps."""

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

    The random crop of section 3 with 450 to 6,000 steps, and section 11's regularisers with 200 to 3,000.  Columns: section,
    by, strength, seed, steps, memorised (training accuracy on random labels), validation (test accuracy on true ones).
    """
    import pandas as pd
    from tqdm.auto import tqdm

    from ..dynamics import regularised, resistance

    tables = []
    for steps in tqdm((*CROP, None), desc="budget", disable=not progress):
        kept = folder / f"{steps or 'resistance'}.json"
        if not kept.exists():
            rows = cropped(regularised.runs(5, steps=steps, names=("random crop",))) if steps else (
                resistance.trained(5, moments=BUDGETS).assign(section=11))
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
