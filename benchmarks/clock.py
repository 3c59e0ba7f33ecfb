"""Processor time, measured so that other work on the machine matters little."""

import gc
import math
import time


def cpu_time(function, times=1):
    """Seconds of processor time, mean over ``times`` calls in a row."""
    start = time.process_time()
    for _ in range(times):
        function()
    return (time.process_time() - start) / times


def in_turn(functions, rounds=7, turn=0.02, long=2.0):
    """{key: seconds of processor time} of functions without arguments: each one's best round.

    All take turns, so that whatever else the machine does hits all alike, and each round begins with another one: the first
    finds cold caches.  What the machine does can only add to a time, so the best round is the nearest to the truth.  After
    ``rounds`` of them, those that take less than ``long`` seconds have as many again: in their short turns they hit a calm
    moment less often.
    ``turn``: seconds that a turn lasts at least (short functions run several times).  Each function has run once before it
    is timed; what it raises then is raised here.
    """
    for function in functions.values():
        function()
    calls = {key: math.ceil(turn / max(cpu_time(f), 1e-6)) for key, f in functions.items()}
    best = dict.fromkeys(functions, float("inf"))
    enabled = gc.isenabled()
    gc.disable()
    try:
        for k in range(2 * rounds):
            gc.collect()
            keys = [key for key in functions if k < rounds or best[key] < long]
            first = k % rounds * len(keys) // rounds
            for key in keys[first:] + keys[:first]:
                best[key] = min(best[key], cpu_time(functions[key], calls[key]))
    finally:
        if enabled:
            gc.enable()
    return best
