"""Lecture 07's longer run: what can be read from four layers of ten networks while they learn."""
import json
import os

from . import study

SEEDS = 5
MOMENTS = (0, 25, 50, 100, 200, 400, 800, 1200)


@study("07", "decoder-bounds", minutes=6)
def decoder_bounds(folder, progress):
    """Decoder bounds of I(x; h) and I(y; h), four layers, classifier and auto-encoder, five seeds; PixelCNNs.

    Rows: task, seed, step, layer, x_bits, y_bits; at the last step also, by a PixelCNN (all layers for seed 0,
    else h4): pixelcnn_bits, same_label, apart, from_original (see `xaikit.dynamics.kept`).
    """
    import itertools

    import pandas as pd
    from tqdm.auto import tqdm

    from ..dynamics import kept

    rows, weights = [], {}
    todo = list(itertools.product(range(SEEDS), kept.TASKS))
    for seed, task in tqdm(todo, desc="networks", disable=not progress):
        file, tensors = folder / f"{task}-{seed}.json", folder / f"{task}-{seed}.safetensors"
        if not file.exists():
            found, state = kept.network(task, seed, MOMENTS, all_layers=seed == 0)
            if seed == 0:
                _write(tensors, lambda part, state=state: kept.save(state, part))
            _write(file, lambda part, found=found: part.write_text(json.dumps(found)))
        rows += json.loads(file.read_text())
        if seed == 0:
            weights |= kept.read(tensors)
    _write(_home() / kept.WEIGHTS, lambda part: kept.save(weights, part))
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
