"""Where a square hides the same part of many houses, and where it hides anything: lecture 02's places of its section 9.

The drawn scenes come with the masks of their parts, so that "the left window" is a place and not an opinion.
"""
import functools

import torch

from .. import data
from .occlude import feature_changes, inconsistency

SOLID = {"door": 12, "window": 12, "roof": 40}  # pixels of each that a scene must show


def middle(mask):
    """The centres of mass (N, 2) of masks (N, H, W), row and column."""
    m, rows, columns = mask.float(), *(torch.arange(float(n)) for n in mask.shape[1:])
    return torch.stack([(m * rows[:, None]).sum((1, 2)), (m * columns).sum((1, 2))], 1) / m.sum((1, 2))[:, None]


def anywhere(mask, seed):
    """A random pixel (N, 2) of each mask (N, H, W), row and column."""
    drawn = torch.multinomial(mask.flatten(1).float(), 1, generator=torch.Generator().manual_seed(seed))[:, 0]
    return torch.stack([drawn // mask.shape[2], drawn % mask.shape[2]], 1).float()


@functools.cache
def house_places(scenes=300, seed=2):
    """The houses among so many scenes that show door, window and roof: ``(images (N, 3, 64, 64), {kind: centres (N, 2)})``.

    The kinds: door, left window, roof; as controls a random place of the house (any of its pixels, its doors and windows
    too), and a random place of the picture.
    """
    drawn = data.scenes(scenes, seed=seed)
    masks = {name: drawn.masks[:, i] for i, name in enumerate(drawn.mask_names)}
    whole = torch.stack([masks[part].flatten(1).sum(1) >= pixels for part, pixels in SOLID.items()]).all(0)
    masks = {name: mask[whole] for name, mask in masks.items()}
    left = masks["window"] & (torch.arange(64.0) < middle(masks["window"])[:, 1, None, None])
    house = masks["wall"] | masks["roof"] | masks["door"] | masks["window"]
    return drawn.images[whole], {
        "door": middle(masks["door"]), "left window": middle(left), "roof": middle(masks["roof"]),
        "random, on the house": anywhere(house, 0), "random, anywhere": anywhere(torch.ones_like(house), 1)}


def hidden_parts(model, blocks, size=10):
    """Δ of every kind of place of `house_places` in some layers of a network, a square of ``size`` pixels around each centre.

    blocks: {layer: what to call it}.  DataFrame[block, features: "place by place" or "averaged over places", hidden: the
    kind, delta, error (see `inconsistency`)].
    """
    import pandas as pd

    images, places = house_places()
    rows = []
    for kind, centres in places.items():
        for layer, change in feature_changes(model, blocks, images, centres, size).items():
            rows += [(blocks[layer], name, kind, *inconsistency(c))
                     for name, c in (("place by place", change), ("averaged over places", change.mean((2, 3))))]
    return pd.DataFrame(rows, columns=["block", "features", "hidden", "delta", "error"])
