"""Lecture 03's longer run: the small windows' relevance with other visual words."""
import json

from . import study

DRAWS = 5


@study("03", "words", minutes=6)
def words(folder, progress):
    """Corners above zero and above straight edges, with visual words from five draws of the windows.

    The shipped ones are draw 0.  Columns: draw, pictures (0: those that chose the settings, 1: others), sides, polygons,
    share (of these polygons), accuracy (of the classifier on these pictures).
    """
    import pandas as pd
    from tqdm.auto import tqdm

    rows = []
    for draw in tqdm(range(DRAWS), desc="words", disable=not progress):
        kept = folder / f"{draw}.json"
        if not kept.exists():
            part = kept.with_suffix(".part")
            part.write_text(json.dumps(judged(draw)))
            part.replace(kept)
        rows += json.loads(kept.read_text())
    return pd.DataFrame(rows)


def judged(draw):
    """The rows of one draw."""
    from .. import data, zoo
    from ..features import bow_relevance

    vocabulary = zoo.train("shapes-words", seed=draw, progress=False).vocabulary()
    model, rows = bow_relevance.finer(vocabulary), []
    for pictures in (0, 1):
        test = data.shapes(150, split="test", seed=pictures)
        right = float(((model(test.images) > 0) == (test.labels == 1)).double().mean())
        found = bow_relevance.located_finer(vocabulary, seed=pictures)
        good = ((found["corner"] > 0) & (found["corner"] > found["straight"])).groupby(found["sides"])
        rows += [{"draw": draw, "pictures": pictures, "sides": int(sides), "polygons": len(part), "share": float(part.mean()),
                  "accuracy": right} for sides, part in good]
    return rows
