"""Lecture 02: the probe beside a plain gradient, and a move of each demo (ms of processor time)."""


def rows():
    import pandas as pd
    import torch

    from xaikit import demos, features, zoo

    from . import clock

    found = []
    net, x = zoo.load("scenes-cnn"), torch.rand(9, 3, 64, 64, generator=torch.Generator().manual_seed(0))

    def plain():
        points = x.clone().requires_grad_()
        return torch.autograd.grad(net.features[:11](points)[:, 3].flatten(1).amax(1).sum(), points)[0]

    ms = {k: 1000 * s for k, s in clock.in_turn({"probe": lambda: features.deconvnet_probe(net, "features.10", 3, x), "gradient": plain}, rounds=5).items()}
    found.append({"what": "probe, 9 scenes", "ours": ms["probe"], "plain gradient": ms["gradient"], "goal": "≤ 1.5 × plain gradient + 2", "met": ms["probe"] <= 1.5 * ms["gradient"] + 2})
    for name, moves in (("02", {"down": (20, 40, 60, 80)}), ("02/relu", {"unit": tuple(range(16))}), ("02/occlusion", {"size": (10, 14, 20, 30)})):
        demo = demos.get(name)
        ((control, values),) = moves.items()
        still = {n: c.default for n, c in demo.controls.items()}
        turn = iter(range(10**9))

        def move(demo=demo, still=still, control=control, values=values, turn=turn):
            return demo.compute(**still | {control: values[next(turn) % len(values)]})

        found.append(_row(f"demo {name}: {control}", 1000 * clock.in_turn({"move": move}, rounds=5)["move"], 100))
        if "chelsea" in getattr(demo.controls.get("picture"), "values", list)():
            still = still | {"picture": "chelsea"}
            found.append(_row(f"demo {name}, photo: {control}", 1000 * clock.in_turn({"move": lambda m=move, s=still: m(still=s)}, rounds=3)["move"], 1500))
    return pd.DataFrame(found)


def _row(what, ms, goal):
    return {"what": what, "ours": ms, "goal": f"≤ {goal}", "met": ms <= goal}
