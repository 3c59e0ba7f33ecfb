"""Which regulariser stops memorisation?  Training accuracy on noise against validation accuracy on real data.

Arpit et al. 2017, section 5: dropout, weight decay, input noise, adversarial training, each at several strengths.
"""
import functools

import pandas as pd
import torch
from torch import nn

from .memorization import corrupt, error, mlp, small_digits

STRENGTHS = {  # none, then from weak to strong
    "none": (0.0,),
    "dropout": (0.2, 0.5),
    "weight decay": (0.01, 0.03),
    "input noise": (0.2, 0.4),
    "adversarial training": (0.05, 0.1),
}
SLOW = {"adversarial training, 5 steps": (0.05, 0.1)}  # for the longer run


class Dropout(nn.Module):
    """Dropout whose rate is a buffer, so that networks of several rates train as one stack."""

    def __init__(self, rate):
        super().__init__()
        self.register_buffer("rate", torch.tensor(float(rate)))

    def forward(self, x):
        if not self.training:
            return x
        return x * (torch.rand_like(x) >= self.rate) / (1 - self.rate)


class Attacked(nn.Module):
    """A network that in training sees x + δ in place of x: δ is what of |δ| ≤ ε raises the loss, by signs of its slope.

    One step of ε·sign(∂L/∂x) (Goodfellow et al. 2015), or several of 2.5 ε / steps, cut to the box after each (Madry et al.
    2018, *Towards Deep Learning Models Resistant to Adversarial Attacks*: projected gradient descent, PGD).
    In training the label is the last column of x, as only the network itself can find its own worst direction.
    """

    def __init__(self, net, radius, steps=1):
        super().__init__()
        self.net, self.steps = net, steps
        self.register_buffer("radius", torch.tensor(float(radius)))

    def forward(self, x):
        if not self.training:
            return self.net(x[..., :-1])
        x, y = x[..., :-1], x[..., -1:]
        return self.net((x + self.attack(x, y)).detach())

    def attack(self, x, y):
        """δ (B, D) for inputs x (B, D), labels y (B, 1)."""
        delta = torch.zeros_like(x)
        for _ in range(self.steps):
            stride = 2.5 * self.radius / self.steps * self.slope(x + delta, y).sign()
            delta = torch.clamp(delta + stride, -self.radius, self.radius)
        return delta

    def slope(self, x, y):
        """∂L/∂x (B, D) of ReLU layers by the chain rule: inputs x (B, D), labels y (B, 1)."""
        values = [x]
        for layer in self.net:
            values.append(layer(values[-1]))
        back = values.pop().softmax(-1) - (y == torch.arange(self.net[-1].out_features)).to(x.dtype)  # ∂L/∂logits
        for layer in reversed(self.net):
            h = values.pop()
            back = back @ layer.weight if isinstance(layer, nn.Linear) else back * (h > 0)
        return back


def _network(setting, width):
    net, rate = mlp(64, width), setting["strength"]
    if setting["by"] == "dropout":
        layers = [m for layer in net for m in ((layer, Dropout(rate)) if isinstance(layer, nn.ReLU) else (layer,))]
        return nn.Sequential(*layers)
    return Attacked(net, rate, 5 if "5 steps" in setting["by"] else 1) if "adversarial" in setting["by"] else net


@functools.cache
def trained(seeds=5, n=200, width=32, moments=(200,), names=tuple(STRENGTHS)):
    """DataFrame: regulariser ``by``, ``strength``, ``seed``, ``steps``, ``memorised`` (training accuracy on random labels)
    and ``validation`` (accuracy on held-out digits of networks that were trained on the true labels).

    A row for each of the ``moments``, in steps: whether noise is not fitted, or only not fitted yet, needs several.
    ``names``: of ``STRENGTHS`` and ``SLOW``."""
    from ..train import fit_many

    x, y, test, test_y = small_digits(n)
    mean = x.mean(0)
    tables = []
    for by, strengths in (STRENGTHS | SLOW).items():
        if by not in names:
            continue
        with_label = "adversarial" in by

        @functools.cache
        def pair(share, seed, with_label=with_label):
            labels = corrupt(x, y, "labels", share, seed)[1]
            return torch.cat([x - mean, labels[:, None].float()], 1) if with_label else x - mean, labels

        def measure(now, pair=pair, with_label=with_label):
            xs, ys = (torch.stack(p) for p in zip(*(pair(s["share"], s["seed"]) for s in now.settings), strict=True))
            held = torch.cat([test - mean, test_y[:, None].float()], 1) if with_label else test - mean
            return {"train": 1 - error(now.forward(xs, shared=False), ys), "validation": 1 - error(now.forward(held), test_y)}

        settings = [{"by": by, "strength": s, "share": share, "lr": 0.1, "momentum": 0.9,
                     "weight_decay": s if by == "weight decay" else 0.0, "noise": s if by == "input noise" else 0.0}
                    for s in strengths for share in (0.0, 1.0)]
        found = fit_many(lambda s: _network(s, width), lambda s, pair=pair: pair(s["share"], s["seed"]), settings,
                         range(seeds), steps=moments[-1], batch_size=50, optimizer="sgd", measure=measure, every=moments)
        at = {step: t for t, step in enumerate(found.steps.tolist())}
        rows = pd.DataFrame([{**s, "steps": step, **{k: found.measured[k][at[step], e].item() for k in ("train", "validation")}}
                             for step in moments for e, s in enumerate(found.settings)])
        real, noise = rows.query("share == 0"), rows.query("share == 1")
        tables.append(real[["by", "strength", "seed", "steps", "validation"]].merge(
            noise[["by", "strength", "seed", "steps", "train"]].rename(columns={"train": "memorised"})))
    return pd.concat(tables, ignore_index=True)
