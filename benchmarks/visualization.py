"""Lecture 01: a move of each demo and a picture of those that play (ms of processor time)."""

PLAYING = {"01": 100, "01/playground": 15, "01/dream": 50}  # most ms for the steps of the default speed and their picture


def rows():
    import pandas as pd

    from xaikit import demos

    from . import clock

    found = []

    def row(what, function, most):
        ms = 1000 * clock.in_turn({what: function}, rounds=5)[what]
        found.append({"what": what, "ms": ms, "goal": f"≤ {most}", "met": ms <= most})

    for name, most in PLAYING.items():
        demo = demos.get(name)
        still = {control: spec.default for control, spec in demo.controls.items()}
        things = []

        def play(things=things, demo=demo, still=still):
            if not things or getattr(things[0], "finished", False):
                things[:] = [demo.make(**still)]
            things[0].step(demo.speed.default if demo.speed else 5)
            return things[0].picture()

        row(f"demo {name}: steps and a picture", play, most)
    for name, still in (("01", {}), ("01/patches", {}), ("01/patches", {"network": "scenes-cnn", "layer": 5})):
        demo = demos.get(name)
        values = {control: spec.default for control, spec in demo.controls.items()} | still
        turn = iter(range(10**9))

        def move(demo=demo, values=values, turn=turn):
            moved = values | {"unit": next(turn) % 64}
            return demo.make(**moved).picture() if demo.make else demo.compute(**moved)

        row(f"demo {name}{', scenes' if still else ''}: another unit", move, 100)
    return pd.DataFrame(found)
