"""Which unit stands for what, and what happens when it is switched: network dissection and GAN dissection."""
from .artefacts import artefacts
from .directions import disentanglement, factors, moved, moves, principal, sefa
from .effects import areas, causal_effect, contexts, greedy, insertions, random_sets
from .interventions import ablate, change, insert
from .inversion import Inversion, invert
from .rotation import rotation
from .sketch import QuantileSketch
from .stream import seen_by
from .units import detectors, quantiles, units

__all__ = ["Inversion", "QuantileSketch", "ablate", "areas", "artefacts", "causal_effect", "change", "contexts",
           "detectors", "disentanglement", "factors", "greedy", "insert", "insertions", "invert", "moved", "moves", "principal",
           "quantiles", "random_sets", "rotation", "seen_by", "sefa", "units"]
