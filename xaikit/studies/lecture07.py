"""Lecture 07's longer runs: what can be read from four layers of forty networks while they learn, what ten of them kept,
and what five networks of scenes discard."""
import json
import os

from . import study

SEEDS, OTHERS, DRAWING = 20, 5, 5
SHOWN = 3  # of the five, the pair whose gap between classifier's and auto-encoder's h4 (45 bits) is nearest the twenty's mean (44)
MOMENTS = (0, 25, 50, 100, 200, 400, 1000, 4000)


@study("07", "decoder-bounds", minutes=45)
def decoder_bounds(folder, progress):
    """Decoder bounds of I(x; h) and I(y; h), four layers, classifier and auto-encoder, twenty seeds.

    Rows: task, seed, step, layer, x_bits, y_bits.
    """
    import itertools

    import pandas as pd
    from tqdm.auto import tqdm

    from ..dynamics import kept

    rows = []
    for seed, task in tqdm(list(itertools.product(range(SEEDS), kept.TASKS)), desc="networks", disable=not progress):
        file = folder / f"{task}-{seed}.json"
        if not file.exists():
            found = kept.curves(task, seed, MOMENTS)
            _write(file, lambda part, found=found: part.write_text(json.dumps(found)))
        rows += json.loads(file.read_text())
    return pd.DataFrame(rows)


@study("07", "samples", minutes=20)
def samples(folder, progress):
    """What PixelCNNs draw from four layers of five classifiers and five auto-encoders of 07/decoder-bounds.

    Rows: task, seed, layer, and what `xaikit.dynamics.kept.decoded` measures: alone, pixelcnn_bits, same_label, apart,
    from_original.  The networks of seed ``SHOWN`` and their PixelCNNs ship, in ``kept.WEIGHTS``.
    """
    import itertools

    import pandas as pd
    from tqdm.auto import tqdm

    from ..dynamics import bounds, kept

    rows, weights = [], {}
    for seed, task in tqdm(list(itertools.product(range(DRAWING), kept.TASKS)), desc="networks", disable=not progress):
        file, tensors = folder / f"{task}-{seed}.json", folder / f"{task}-{seed}.safetensors"
        if not file.exists():
            last = bounds.watch(task, seed, MOMENTS[-1], MOMENTS[-1:])[-1][1]
            found, drawn = kept.decoded(task, last, seed)
            _write(tensors, lambda part, drawn=drawn: kept.save(drawn, part))
            _write(file, lambda part, found=found: part.write_text(json.dumps(found)))
        rows += json.loads(file.read_text())
        weights |= kept.read(tensors) if seed == SHOWN else {}
    _write(_home() / kept.WEIGHTS, lambda part: kept.save(weights, part))
    return pd.DataFrame(rows)


@study("07", "discarding", minutes=7)
def discarded_by_others(folder, progress):
    """Bits kept in the foreground minus elsewhere at each depth of five other networks of scenes.

    Rows: seed, layer, own, exchanged (with another scene's mask), untrained (the same build and seed, own masks); means
    over twelve scenes.
    """
    import pandas as pd
    from tqdm.auto import tqdm

    from . import scene_noise

    rows = []
    for seed in tqdm(range(1, 1 + OTHERS), desc="networks", disable=not progress):
        file = folder / f"discarding-{seed}.json"
        if not file.exists():
            found = [{"seed": seed, "layer": depth,
                      "own": scene_noise.contrasts(depth, "retrained", seed).mean().item(),
                      "exchanged": scene_noise.contrasts(depth, "retrained", seed, exchanged=True).mean().item(),
                      "untrained": scene_noise.contrasts(depth, "untrained", seed).mean().item()}
                     for depth in scene_noise.DEPTHS]
            _write(file, lambda part, found=found: part.write_text(json.dumps(found)))
        rows += json.loads(file.read_text())
    return pd.DataFrame(rows)


def _home():
    from .. import home

    return home() / "data" / "studies"


def _write(file, write):
    """The file whole or not at all."""
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        write(part)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
