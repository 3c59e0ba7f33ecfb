"""train.fit_many: 32 digit networks of width 64 at once, beside a loop of plain PyTorch over them."""

COUNT, BATCH = 32, 64


def rows():
    import functools

    import pandas as pd
    import torch
    import torch.nn.functional as F
    from torch import nn

    from xaikit import data, train

    from . import clock

    def at_once(x, y, make, optimizer, steps):
        return train.fit_many(make, (x, y), seeds=range(COUNT), steps=steps, batch_size=BATCH, optimizer=optimizer,
                              every=steps, progress=False)

    def loop(x, y, make, optimizer, steps):
        """As one would write it: a network, its optimiser, its batches, and then the next one."""
        for seed in range(COUNT):
            torch.manual_seed(seed)
            net = make({})
            step = {"adam": lambda p: torch.optim.Adam(p, 1e-3), "sgd": lambda p: torch.optim.SGD(p, 1e-3)}[optimizer](
                net.parameters())
            order = torch.randperm(len(x))
            for i in range(steps):
                at = order[torch.arange(i * BATCH, (i + 1) * BATCH) % len(x)]
                step.zero_grad()
                F.cross_entropy(net(x[at]), y[at]).backward()
                step.step()

    found = []
    for side, steps in ((8, 200), (28, 40)):
        digits = data.digits(size=side, split="train")
        x, y = digits.images.flatten(1), digits.labels

        def make(setting, pixels=side * side):
            return nn.Sequential(nn.Linear(pixels, 64), nn.ReLU(), nn.Linear(64, 10))

        for optimizer in ("adam", "sgd"):
            took = clock.in_turn({f.__name__: functools.partial(f, x, y, make, optimizer, steps) for f in (at_once, loop)}, rounds=3)
            ratio = took["loop"] / took["at_once"]
            found.append({"what": f"{COUNT} networks on {side} × {side} digits, {steps} steps, {optimizer}",
                          "fit_many s": took["at_once"], "loop s": took["loop"], "loop / fit_many": ratio,
                          "goal": "≥ 4" if side == 8 else "none: the matrix products take most of it",
                          "met": ratio >= 4 if side == 8 else None})
    return pd.DataFrame(found)
