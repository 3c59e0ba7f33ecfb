"""Lecture 03's demos and composites: a move of a control to its picture; LRP beside zennit (ms of processor time)."""


def rows():
    """Every kind of rule in the live demo, on a digit and (where the weights are here) a photograph; the other demos;
    composites on a network like VGG beside zennit's."""
    import pandas as pd

    from xaikit import demos

    from . import clock

    live = demos.get("03")
    usual = {name: control.default for name, control in live.controls.items()}
    moves = {f"03, a digit, {rule} in every block": (live, usual | {"first": rule, "lower": rule, "middle": rule, "upper": rule})
             for rule in ("epsilon", "alpha", "gamma")}
    moves |= {f"03, a digit, {rule} first": (live, usual | {"first": rule}) for rule in ("box", "square", "flat")}
    moves |= {name: (demo, {k: c.default for k, c in demo.controls.items()}) for name in ("03/messages", "03/taylor")
              for demo in [demos.get(name)]}
    found = [{"what": name, "ours": 1000 * s, "goal": "≤ 100 ms", "met": s <= 0.1} for name, s in _timed(moves).items()]
    if "coffee" in live.controls["picture"].values():
        photo = usual | {"picture": "coffee"}
        moves = {"03, a photograph, αβ below": (live, photo), "03, a photograph, αβ everywhere": (
            live, photo | {"first": "alpha", "middle": "alpha", "upper": "alpha"})}
        found += [{"what": name, "ours": 1000 * s, "goal": "≤ 1500 ms", "met": s <= 1.5} for name, s in _timed(moves, 3).items()]
    for name, pair in _composites().items():
        ms = {who: 1000 * s for who, s in clock.in_turn(pair, rounds=5).items()}
        found.append({"what": f"composite {name}", **ms, "goal": "≤ zennit", "met": ms["ours"] <= ms["zennit"]})
    return pd.DataFrame(found)


def _timed(moves, rounds=5):
    from . import clock

    return clock.in_turn({name: lambda demo=demo, values=values: demo.compute(**values) for name, (demo, values) in moves.items()},
                         rounds=rounds)


def _composites():
    """{preset: {"ours": function, "zennit": function}} on six convolutions and two dense layers, four images of 64 × 64."""
    import torch
    from torch import nn
    from zennit import composites
    from zennit.attribution import Gradient

    from xaikit import attribution

    torch.manual_seed(0)
    widths, modules = [3, 16, 16, 32, 32, 64, 64], []
    for i, (a, b) in enumerate(zip(widths, widths[1:], strict=False)):
        modules += [nn.Conv2d(a, b, 3, padding=1), nn.ReLU()] + [nn.MaxPool2d(2)] * (i % 2)
    net = nn.Sequential(*modules, nn.Flatten(), nn.Linear(64 * 64, 64), nn.ReLU(), nn.Linear(64, 10)).eval()
    x = torch.rand(4, 3, 64, 64)

    def theirs(composite):
        with Gradient(model=net, composite=composite) as attributor:
            attributor(x.clone(), lambda out: nn.functional.one_hot(out.argmax(1), 10) * out.detach())

    edge = {"low": torch.zeros(1, 3, 1, 1), "high": torch.ones(1, 3, 1, 1)}
    pairs = {"epsilon_plus": composites.EpsilonPlus(), "epsilon_plus_flat": composites.EpsilonPlusFlat(),
             "epsilon_alpha2_beta1": composites.EpsilonAlpha2Beta1(), "epsilon_gamma_box": composites.EpsilonGammaBox(**edge)}
    return {name: {"ours": lambda name=name: attribution.lrp_composite(net, x, preset=name),
                   "zennit": lambda composite=composite: theirs(composite)} for name, composite in pairs.items()}
