"""Network dissection of scenes-cnn at 1×, 4× and 16× the pictures, and a stroke of the paintbrush until it is redrawn."""

COUNT = 64


def rows():
    import subprocess
    import sys

    import pandas as pd

    from . import clock

    found = []
    for times in (1, 4, 16):  # a process each: the peak of memory is a process's
        code = f"from benchmarks.dissection import measure; print(*measure({COUNT * times}))"
        seconds, peak = map(float, subprocess.run([sys.executable, "-c", code], check=True, capture_output=True,
                                                  text=True).stdout.split())
        found.append({"what": f"{COUNT * times} pictures", "pictures/s": COUNT * times / seconds, "peak MB": peak})
        first = found[0]
        found[-1] |= {"goal": "peak ≤ 1.15 of the first, pictures/s ≥ 0.8 of it",
                      "met": found[-1]["peak MB"] <= 1.15 * first["peak MB"]
                      and found[-1]["pictures/s"] >= .8 * first["pictures/s"]}
    from xaikit import demos

    painter = demos.get("08/paintbrush").show()

    def stroke():
        painter.stroke((.6, .8), (.8, .8))
        painter.strokes.clear(), painter._ids.clear()

    took = 1000 * clock.in_turn({"stroke": stroke})["stroke"]
    painter.close()
    found.append({"what": "a stroke, redrawn", "ms": took, "goal": "≤ 150 ms", "met": took <= 150})
    return pd.DataFrame(found)


def measure(n):
    """(seconds of processor time, peak of memory in MB) of the dissection of n pictures that are drawn on the fly.

    The time that drawing takes is left out.  Linux only: the peak is read from /proc.
    """
    import time
    from pathlib import Path

    import torch

    from xaikit import data, dissect, zoo

    torch.set_num_threads(1)
    net, drawn = zoo.load("scenes-cnn"), 0.0

    class Drawn:
        def __iter__(self):
            nonlocal drawn
            for seed in range(n // 32):
                start = time.process_time()
                found = data.scenes(32, seed=seed)
                drawn += time.process_time() - start
                yield found.images, found.masks

    start = time.process_time()
    dissect.units(net, "features.10", Drawn(), classes=data.scenes(1).mask_names, progress=False)
    seconds = time.process_time() - start - drawn
    status = Path("/proc/self/status").read_text()  # not ru_maxrss, which counts the parent's memory too
    return seconds, int(status.split("VmHWM:")[1].split()[0]) / 1024
