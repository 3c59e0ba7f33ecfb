"""Every demo of lectures 01 to 03: the worst move of a walk through its controls (ms of processor time), first visits included.

Each demo is opened in a process of its own, so that nothing is ready from another one.  Opening it is no move.  The walk
then changes one control at a time: first each to each of its values, then at random.  A demo that plays makes a step too.
Where other work slows the processor down, as the same fixed work before and after shows ("slow"), its times count less.
"""

LECTURES, SHIPPED, PHOTO = ("01", "02", "03"), 100, 1500  # the most ms of a move, on the course's networks and on photographs
PASS = 70  # ms of that fixed work on a quiet machine
WALK = 120  # random moves, after the tour of every value


def rows():
    import json
    import subprocess
    import sys

    import pandas as pd

    from xaikit import demos

    found = []
    for demo in demos.all():
        if demo.lecture in LECTURES:
            code = f"import json, benchmarks.moves as m; print(json.dumps(m.walk({demo.name!r})))"
            said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
            if said.returncode:
                raise RuntimeError(f"demo {demo.name}: {said.stderr[-2000:]}")
            opening, slow, moves = json.loads(said.stdout.splitlines()[-1])
            for photo, most in ((False, SHIPPED), (True, PHOTO)):
                ms = sorted((t / slow, what) for t, what, of_photo in moves if of_photo == photo)
                if ms:
                    found.append({"what": f"demo {demo.name}" + ", photograph" * photo, "moves": len(ms), "median": ms[len(ms) // 2][0],
                                  "worst": ms[-1][0], "where": ms[-1][1], "opening": opening / slow, "slow": slow, "goal": f"≤ {most}",
                                  "met": ms[-1][0] <= most})
    return pd.DataFrame(found)


def walk(name, seed=0, count=WALK):
    """(ms to open it, how many times slower than when quiet, [(ms, what was moved, whether a photograph is shown) for every
    move]) of a demo, in this process."""
    import random
    import time

    import torch

    from xaikit import demos
    from xaikit.demos.lecture04_scenes import PHOTOS

    torch.set_num_threads(1)
    demo, rng, moves, quiet = demos.get(name), random.Random(seed), [], [_fixed()]
    start = time.process_time()
    shown = demo.show()
    opening = 1000 * (time.process_time() - start)

    def timed(what, move):
        photo = any(v in PHOTOS for v in shown.values.values() if isinstance(v, str))
        start = time.process_time()
        move()
        moves.append((1000 * (time.process_time() - start), what, photo))

    def to(control, value):
        photo = any(v in PHOTOS for v in (shown.values | {control: value}).values() if isinstance(v, str))
        start = time.process_time()
        shown.set(**{control: value})
        moves.append((1000 * (time.process_time() - start), f"{control} = {value}", photo))
        if demo.make:
            timed("steps", lambda: shown.step(shown.speed.value))

    for control, spec in demo.controls.items():
        for value in _values(spec):
            to(control, value)
        shown.set(**{control: spec.default})
    for _ in range(count):
        control = rng.choice(list(demo.controls))
        to(control, rng.choice(_values(demo.controls[control])))
    shown.close()
    quiet.append(_fixed())
    return opening, max(1.0, sum(quiet) / len(quiet) / PASS), moves


def _fixed():
    """ms of passes of the shipped digits network, up and down: the median of nine."""
    import time

    import torch

    from xaikit import zoo

    net, x, ms = zoo.load("digits-cnn"), torch.ones(64, 1, 28, 28), []
    for _ in range(9):
        start = time.process_time()
        net(x.requires_grad_()).sum().backward()
        ms.append(1000 * (time.process_time() - start))
    return sorted(ms)[4]


def _values(spec, most=12):
    """Up to ``most`` values of a slider, from end to end; every option of another control."""
    from xaikit.widgets import Slider

    if not isinstance(spec, Slider):
        return spec.values()
    step = spec.step or (1 if spec.whole else (spec.high - spec.low) / 100)
    every = spec.positions() if spec.log else [spec.low + i * step for i in range(int((spec.high - spec.low) / step + 1.5))]
    every = [min(v, spec.high) for v in every]
    return every[:: max(1, -(-len(every) // most))] + every[-1:]
