"""What a reader waits for: the import, and a slider's picture (ms of processor time)."""

import importlib.util
import statistics
import subprocess
import sys
import time


def rows():
    """The import and three methods in the live demo of lecture 04."""
    import pandas as pd

    found = [("import xaikit", import_seconds(), None, 300)]
    for method, goal in (("gradient", 100), ("grad_cam", 100), ("integrated_gradients", 300)):
        found.append((f"slider to picture, {method}", *slider_seconds(method), goal))
    return pd.DataFrame([{"what": what, "ms": None if why else 1000 * seconds, "goal": why or f"≤ {goal}",
                          "met": None if why else 1000 * seconds <= goal} for what, seconds, why, goal in found])


def import_seconds(statement="import xaikit", repeats=3):
    """Processor time of an import in a fresh interpreter, median."""
    code = f"import time; start = time.process_time(); {statement}; print(time.process_time() - start)"
    return statistics.median(
        float(
            subprocess.run(
                [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
            ).stdout
        )
        for _ in range(repeats)
    )


def slider_seconds(method, repeats=7):
    """Processor time from a control's new value to the picture, in lecture 04's live demo on digits-cnn.

    Returns (seconds, None), or (None, why) where there is no such demo.
    """
    if importlib.util.find_spec("xaikit.demos") is None:
        return None, "no demos yet"
    from xaikit import demos

    try:
        demo = demos.get("04")
        values = {name: control.default for name, control in demo.controls.items()} | {"method": method}
        demo.compute(**values)
        seconds = []
        for k in range(repeats):
            changed = values | ({"steps": 32} if "steps" in values else {})
            if "picture" in values:  # another picture each time, so that nothing can come from a cache
                options = demo.controls["picture"].options
                options = list(options.values() if isinstance(options, dict) else options)
                option = options[k % len(options)]
                changed["picture"] = option[1] if isinstance(option, tuple) else option
            start = time.process_time()
            demo.compute(**changed)
            seconds.append(time.process_time() - start)
        return statistics.median(seconds), None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"
