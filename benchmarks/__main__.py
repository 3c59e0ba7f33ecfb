"""``python -m benchmarks [name …]``: the attribution methods against captum and zennit, then every topic
(see ``benchmarks/__init__.py``); with names, only the networks and topics that have one of them in their name."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import importlib  # noqa: E402
import pkgutil  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import torch  # noqa: E402

import benchmarks  # noqa: E402

_MARK = {True: "met", False: "MISSED", None: ""}


def _cell(value):
    return f"{value:8.2f}" if isinstance(value, float) else f"{(value or '–')[:12]:>8}"


def _line(*cells):
    print("{:<22}{:>8} {:>13} {:>13}   {:<7}{}".format(*cells), flush=True)


def main(only):
    """Print the tables; ``only``: parts of the names of networks and topics, none for all."""
    began = time.perf_counter()
    torch.set_num_threads(1)

    def wanted(name):
        return not only or any(word in name for word in only)

    topics = {info.name: importlib.import_module(f"benchmarks.{info.name}")
              for info in pkgutil.iter_modules(benchmarks.__path__) if info.name != "__main__" and wanted(info.name)}
    missed = _contests(wanted)
    for name, topic in topics.items():
        if hasattr(topic, "rows"):
            missed += _topic(name, topic)
    print(f"\n{time.perf_counter() - began:.0f} s.  "
          + (f"Missed: {'; '.join(missed)}" if missed else "Every goal met."))


def _contests(wanted):
    """The attribution methods on each network; returns what missed its goal."""
    from . import contest, goals

    missed = []
    for name, net, x, rounds in contest.networks():
        if not wanted(name):
            continue
        results, unit = contest.contest(net, x, rounds)
        print(f"\n{name}: multiples of one forward-and-backward pass to the input (fb = {unit * 1000:.2f} ms), "
              "processor time, one thread, best of runs in turn")
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
    return missed


def _topic(name, topic):
    """Print a topic's rows; returns what missed its goal."""
    print(f"\n{name}: {topic.__doc__.splitlines()[0]}")
    table = topic.rows()
    marks = [None if met is None or met != met else bool(met) for met in table.get("met", [None] * len(table))]
    missed = [f"{what} ({name})" for what, met in zip(table.iloc[:, 0], marks, strict=True) if met is False]
    if "met" in table:
        table["met"] = [_MARK[met] for met in marks]
    print(table.to_string(index=False, float_format="{:.4g}".format, na_rep="–"), flush=True)
    return missed


if __name__ == "__main__":
    main(sys.argv[1:])
