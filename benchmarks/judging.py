"""What judging a map costs, per image and method, in forward passes of the network (processor time; maps
themselves not counted)."""


def rows():
    import pandas as pd
    import torch

    from xaikit import data, evaluate, zoo

    from . import clock

    net, d = zoo.load("digits-cnn"), data.digits(split="test").take(slice(0, 32))
    viewer, scenes = zoo.load("scenes-cnn"), data.scenes(32)
    given = torch.rand(32, 28, 28, generator=torch.Generator().manual_seed(0))

    def forward(network, images):
        from xaikit.attribution.call import explaining

        with torch.no_grad(), explaining(network, images, 0) as score:
            return [score.logits(images[rows_]) for rows_ in score.chunks()]

    def blind(model, x, target):
        return given[: len(x), None] if x.shape[1] == 1 else x

    tasks = {
        "forward, digits": lambda: forward(net, d.images),
        "forward, scenes": lambda: forward(viewer, scenes.images),
        "flipping, 21 levels": lambda: evaluate.pixel_flipping(
            net, d.images, d.labels, {"given": blind}, order="highest"
        ),
        "sanity, 4 layers": lambda: evaluate.sanity(net, d.images, {"given": blind}, d.labels),
        "truth": lambda: evaluate.truth(viewer, scenes, {"given": blind}),
    }
    ms = {name: 1000 * seconds / 32 for name, seconds in clock.in_turn(tasks, rounds=3).items()}
    goals = {"flipping, 21 levels": 25, "sanity, 4 layers": 20, "truth": 6}
    return pd.DataFrame(
        [
            {
                "what": name,
                "ms per image": ms[name],
                "forward passes": ms[name] / ms[f"forward, {'scenes' if name == 'truth' else 'digits'}"],
                "goal": f"≤ {goal} forward passes",
                "met": ms[name] / ms[f"forward, {'scenes' if name == 'truth' else 'digits'}"] <= goal,
            }
            for name, goal in goals.items()
        ]
    )
