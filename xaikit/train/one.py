"""Fit a network.  AdamW with one learning-rate cycle is good enough for everything this course trains."""
import time
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F


@dataclass
class History:
    """What happened, epoch by epoch: mean training loss and accuracy (in training mode), and seconds in all."""

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def frame(self):
        """A DataFrame with a row per epoch."""
        import pandas as pd

        return pd.DataFrame({"epoch": range(1, len(self.loss) + 1), "loss": self.loss, "accuracy": self.accuracy})


def fit(model, data, epochs=20, batch_size=64, lr=3e-3, weight_decay=1e-2, seed=0, progress=True, augment=None,
        loss=F.cross_entropy):
    """Train ``model`` in place and leave it in eval mode; returns a History.

    data: a Dataset, or a pair (inputs (N, …), labels (N,)).  augment: ``f(inputs, generator) -> inputs`` on each
    batch.  loss: ``f(outputs, labels) -> scalar``.  The order of the batches, dropout and the augmentation follow from
    ``seed`` alone, and the caller's random state is as it was.  A bar appears when it takes longer than two seconds.
    AdamW: Loshchilov & Hutter 2019; the cycle (learning rate up to ``lr``, then down to 0): Smith & Topin 2018.
    ValueError for no data or settings out of range; RuntimeError if the loss stops being a number.
    """
    inputs, labels = data if isinstance(data, tuple) else (data.inputs, data.labels)
    if len(inputs) == 0 or len(inputs) != len(labels):
        raise ValueError(f"{len(inputs)} inputs with {len(labels)} labels: nothing to fit")
    for name, value, good in (("epochs", epochs, epochs >= 1), ("batch_size", batch_size, batch_size >= 1),
                              ("lr", lr, lr > 0), ("weight_decay", weight_decay, weight_decay >= 0)):
        if not good:
            raise ValueError(f"{name}={value} is too small")
    from tqdm.auto import tqdm

    device = next(model.parameters()).device
    steps = -(-len(inputs) // batch_size)
    optimizer = torch.optim.AdamW(_groups(model, weight_decay), lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=epochs * steps)
    history, start = History(), time.perf_counter()
    with torch.random.fork_rng(), torch.enable_grad(), \
            tqdm(total=epochs * steps, desc="fit", unit="batch", delay=2, disable=not progress, leave=False) as bar:
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        model.train()
        for epoch in range(epochs):
            total = right = 0.0
            for rows in torch.randperm(len(inputs), generator=generator).split(batch_size):
                x, y = inputs[rows], labels[rows].to(device)
                if augment is not None:
                    x = augment(x, generator)  # where the data and the generator are
                out = model(x.to(device))
                value = loss(out, y)
                optimizer.zero_grad(set_to_none=True)
                value.backward()
                optimizer.step()
                schedule.step()
                bar.update()
                total += value.item() * len(rows)
                if out.ndim == 2 and y.ndim == 1:
                    right += (out.argmax(1) == y).sum().item()
            history.loss.append(total / len(inputs))
            history.accuracy.append(right / len(inputs))
            if not total < float("inf"):
                raise RuntimeError(f"the loss is {history.loss[-1]} in epoch {epoch + 1}: try a smaller lr than {lr}")
            bar.set_postfix(epoch=epoch + 1, loss=f"{history.loss[-1]:.3f}", accuracy=f"{history.accuracy[-1]:.3f}",
                            refresh=False)  # a refresh would show the bar before its delay is over
    for parameter in model.parameters():
        parameter.grad = None
    model.eval()
    history.seconds = time.perf_counter() - start
    return history


def accuracy(model, data, batch_size=256):
    """The share of ``data`` (a Dataset or a pair) that ``model`` in eval mode labels right; its mode is put back.

    Labels (N,), or one per pixel, (N, H, W), for outputs (N, classes, H, W).
    """
    inputs, labels = data if isinstance(data, tuple) else (data.inputs, data.labels)
    if len(inputs) == 0:
        raise ValueError("no data: an accuracy of nothing is no number")
    device, modes = next(model.parameters()).device, [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            right = sum((model(x.to(device)).argmax(1).cpu() == y).sum().item()
                        for x, y in zip(inputs.split(batch_size), labels.split(batch_size), strict=True))
    finally:
        for module, mode in modes:
            module.training = mode
    return right / labels.numel()


def _groups(model, weight_decay):
    """Biases, norms and other vectors are not decayed: that would only pull them from where they belong."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("the network has no parameter that can be trained")
    return [{"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0}]
