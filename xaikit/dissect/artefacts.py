"""Units that spoil the picture: without them the pictures lie nearer to the real ones (Bau et al. 2019, section 4.3)."""
import torch

from .interventions import ablate


def artefacts(generator, layer, z, real, features, distance, units=None, batch_size=100, folds=2):
    """What the removal of each unit does to the distance to real pictures: DataFrame, largest improvement first.

    z: codes (N, latent) · real: features (M, D) of real pictures · features: a function pictures → (B, D) · distance: of
    two sets of features, `evaluate.frechet_distance` · units: the sets to remove (each a unit or a sequence; all units,
    one by one, by default) · folds: the codes are cut into as many parts.

    Columns: unit; distance, without it, mean over the parts; change, that less the distance with all units; improved, in
    how many of the parts the distance fell.  The same codes with and without, so that changes are of pairs; a unit
    that is chosen as the best of many must be measured again on other codes.  ValueError as `ablate`, or too few codes.
    """
    import pandas as pd

    if not 1 <= folds <= len(z) // 2:
        raise ValueError(f"{len(z)} codes cannot be cut into {folds} parts")
    if units is None:
        from .. import hooks

        with torch.no_grad(), hooks.unchanged(generator), hooks.record(generator, layer, stop=True) as acts:
            generator(z[:1])
        units = range(acts[layer].shape[1])

    def distances(chosen):
        with torch.no_grad():
            found = torch.cat([features(ablate(generator, layer, chosen, q)) for q in z.split(batch_size)])
        return torch.tensor([distance(part, real) for part in found.tensor_split(folds)])

    whole, rows = distances(()), []
    for chosen in units:
        found = distances(chosen)
        rows.append({"unit": tuple(chosen) if hasattr(chosen, "__iter__") else int(chosen),
                     "distance": found.mean().item(), "change": (found - whole).mean().item(),
                     "improved": int((found < whole).sum())})
    return pd.DataFrame(rows).sort_values("change", kind="stable").reset_index(drop=True)
