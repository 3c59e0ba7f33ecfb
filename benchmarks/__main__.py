"""``python -m benchmarks [name …]``: every method against captum and zennit, and how long a reader waits.
About 3 minutes."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys  # noqa: E402
import time  # noqa: E402

import torch  # noqa: E402

from . import contest, goals, startup  # noqa: E402

_MARK = {True: "met", False: "MISSED", None: ""}


def _cell(value):
    return f"{value:8.2f}" if isinstance(value, float) else f"{(value or '–')[:12]:>8}"


def _line(*cells):
    print("{:<22}{:>8} {:>13} {:>13}   {:<7}{}".format(*cells), flush=True)


def main(only):
    """Print the table; ``only``: parts of the networks' names, none for all."""
    began = time.perf_counter()
    torch.set_num_threads(1)
    missed = []
    print(
        "Multiples of one forward-and-backward pass to the input (fb), processor time, one thread, "
        "medians of runs in turn."
    )
    for name, net, x, repeats in contest.networks():
        if only and not any(word in name for word in only):
            continue
        results, unit = contest.contest(net, x, repeats)
        print(f"\n{name}   (fb = {unit * 1000:.1f} ms)")
        _line("method", "xaikit", "captum", "zennit", "", "goal")
        for method, row in results.items():
            asked, met = "", None
            if method in goals.GOALS and isinstance(row["ours"], float):
                asked, met = goals.GOALS[method](
                    row,
                    large=x.shape[-1] > 100,
                    single=len(x) == 1,
                    gaps=contest.gaps(net, x) if method == "integrated_gradients" else None,
                )
            if met is False:
                missed.append(f"{method} on {name}")
            _line(method, *(_cell(row.get(who)) for who in ("ours", "captum", "zennit")), _MARK[met], asked)
    if not only:
        missed += _waiting()
    print(
        f"\n{time.perf_counter() - began:.0f} s.  "
        + (f"Missed: {'; '.join(missed)}" if missed else "Every goal met.")
    )


def _waiting():
    print("\nWhat a reader waits for (ms of processor time)")
    seconds = startup.import_seconds()
    found = [("import xaikit", seconds, None, 0.3)]
    for method, goal in (("gradient", 0.1), ("grad_cam", 0.1), ("integrated_gradients", 0.3)):
        found.append((f"slider to picture, {method}", *startup.slider_seconds(method), goal))
    missed = []
    for what, seconds, why, goal in found:
        if why:
            print(f"{what:<44} skipped: {why}")
            continue
        met = seconds <= goal
        missed += [] if met else [what]
        print(f"{what:<44}{seconds * 1000:8.1f}   {_MARK[met]:<7}≤ {goal * 1000:.0f}")
    return missed


if __name__ == "__main__":
    main(sys.argv[1:])
