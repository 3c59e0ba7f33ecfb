"""Lecture 06's longer runs: experiment 1 with the paper's frequencies; on CIFAR-10, where it is on the machine, components;
attacks of one and of several steps."""
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


WAVES, LARGE = tuple(range(5, 51, 5)), {"width": 128, "depth": 6, "seeds": 5, "steps": 6000, "points": 200, "rate": 2e-3}


@study("06", "larger", minutes=5)
def larger(folder, progress):
    """Experiment 1 with the paper's frequencies, k = 5, 10 … 50, and six layers of 128 units, five phases for each target.

    Columns: target ("equal" or "growing" amplitudes), seed, step, k, share |c(k)| / A, signed Re(c / c of the target)."""
    import numpy as np
    import pandas as pd

    from ..dynamics import spectral
    from ..dynamics.memorization import log_steps

    tables, moments = [], tuple(log_steps(LARGE["steps"], 25, 40))
    for name, growing in (("equal", False), ("growing", True)):
        run = spectral.learn(growing, k=WAVES, every=moments, folder=folder, **LARGE)
        steps, seeds, k = np.meshgrid(run.steps, np.arange(LARGE["seeds"]), run.k, indexing="ij")
        tables.append(pd.DataFrame({"target": name, "seed": seeds.ravel(), "step": steps.ravel(), "k": k.ravel(),
                                    "share": run.share.ravel().round(3), "signed": run.signed.ravel().round(3)}))
    return pd.concat(tables, ignore_index=True)


def larger_runs(target):
    """What the study found for "equal" or "growing" amplitudes, as `spectral.Learned` (without the networks)."""
    import numpy as np

    from ..dynamics.spectral import Learned
    from . import table

    rows = table("06/larger").query("target == @target").sort_values(["step", "seed", "k"])
    if rows.empty:
        raise ValueError(f"targets are 'equal' and 'growing', not {target!r}")
    k, steps = np.unique(rows.k), np.unique(rows.step)
    return Learned(k, steps, *(rows[name].to_numpy().reshape(len(steps), -1, len(k)) for name in ("share", "signed")), None)


@study("06", "attacks", minutes=1)
def attacks(folder, progress):
    """Digits' networks trained plainly, against one and against five steps of attack; attacked in one and in twenty steps.

    Columns: trained (steps of the attack in training, 0: none), attack (steps), epsilon, seed, accuracy on test digits."""
    import pandas as pd

    from ..dynamics import components as c

    z, labels = c.digits()[2:]
    nets = {0: c.on_components()["all", 0], 1: c.adversarial(steps=1), 5: c.adversarial(steps=5)}
    return pd.DataFrame([{"trained": how, "attack": steps, "epsilon": epsilon, "seed": k, "accuracy": c.accuracy(
        net, c.projected_gradient(net, z, labels, epsilon, steps), labels)}
        for how, own in nets.items() for steps in (1, 20) for epsilon in (0.0, 0.05, 0.1, 0.2) for k, net in enumerate(own)])
