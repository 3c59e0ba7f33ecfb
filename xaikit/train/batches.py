"""The data of many networks, and the order in which each of them meets it."""
import itertools

import torch


def batches(n, batch_size, seed):
    """The rows of batch 0, 1, 2 …: (B,) indices; each epoch is a new order of all n rows, a last short batch is left out."""
    return (rows[0] for rows in _together(n, min(batch_size, n), [seed]))


def _together(n, size, seeds):
    """The same for several seeds at once, (E, B) each: an epoch's orders are stacked once, not in every step."""
    for epoch in itertools.count():
        orders = torch.stack([torch.randperm(n, generator=torch.Generator().manual_seed(seed * 100_003 + epoch)) for seed in seeds])
        yield from orders[:, :n // size * size].split(size, 1)


class Data:
    """The data of E networks: tensors that are equal are held once, and shorter ones are padded (never drawn)."""

    def __init__(self, plan, settings):
        pairs = [plan.data(setting) for setting in settings]
        for setting, (x, y) in zip(settings, pairs, strict=True):
            if len(x) == 0 or len(x) != len(y):
                raise ValueError(f"{len(x)} inputs with {len(y)} labels for setting {setting}: nothing to fit")
        self.sizes = [len(x) for x, _ in pairs]
        self.x, self.which_x = _unique([x for x, _ in pairs])
        self.y, self.which_y = _unique([y for _, y in pairs])
        size = plan.batch_size and min(plan.batch_size, *self.sizes)
        if size is None and len(set(self.sizes)) > 1:
            raise ValueError("data sets of several sizes need a batch_size")
        seeds = [s["seed"] for s in settings]
        if not size:
            self.rows = None
        elif len(set(self.sizes)) == 1:
            self.rows = _together(self.sizes[0], size, seeds)
        else:
            self.rows = map(torch.stack, zip(*(batches(n, size, seed) for n, seed in zip(self.sizes, seeds, strict=True)), strict=True))
        sigma = torch.tensor([float(s.get("noise", 0)) for s in settings], dtype=self.x.dtype)
        self.sigma = sigma.view(-1, *[1] * (self.x.dim() - 1)) if sigma.any() else None
        self.noise = [torch.Generator().manual_seed(s["seed"] * 7919 + 1) for s in settings]

    def batch(self):
        """The next batch of every network: x (E, B, …), y (E, B, …)."""
        if self.rows is None:
            x, y = self.x[self.which_x], self.y[self.which_y]
        else:
            rows = next(self.rows)
            x, y = _drawn(self.x, self.which_x, rows), _drawn(self.y, self.which_y, rows)
        if self.sigma is not None:
            x = x + self.sigma * torch.stack([torch.randn(x.shape[1:], generator=g, dtype=x.dtype) for g in self.noise])
        return x, y

    def state(self):
        """The generators of the noise, as they stand."""
        return [g.get_state() for g in self.noise]

    def resume(self, step, state):
        """Go on with batch number ``step``."""
        for _ in range(step if self.rows else 0):
            next(self.rows)
        for generator, kept in zip(self.noise, state, strict=True):
            generator.set_state(kept)


def _drawn(kept, which, rows):
    """kept[which[e], rows[e, b]], (E, B, …); whole rows are copied, which indexing by two tensors does one by one."""
    at = (which[:, None] * kept.shape[1] + rows).flatten()
    return kept.flatten(0, 1).index_select(0, at).unflatten(0, rows.shape)


def _unique(tensors):
    """The distinct tensors stacked (shorter ones padded with zeros), and for each which of them it is."""
    kept, which = [], []
    for t in tensors:
        known = next((i for i, k in enumerate(kept) if k is t or k.shape == t.shape and torch.equal(k, t)), None)
        which.append(len(kept) if known is None else known)
        if known is None:
            kept.append(t)
    longest = max(len(t) for t in kept)
    padded = [torch.cat([t, t.new_zeros(longest - len(t), *t.shape[1:])]) if len(t) < longest else t for t in kept]
    return torch.stack(padded), torch.tensor(which)
