"""Which unit stands for what, and what happens when it is switched: network dissection and GAN dissection."""
from .effects import areas, causal_effect, contexts, greedy, random_sets
from .interventions import ablate, change, insert
from .rotation import rotation
from .sketch import QuantileSketch
from .stream import seen_by
from .units import detectors, quantiles, units

__all__ = ["QuantileSketch", "ablate", "areas", "causal_effect", "change", "contexts", "detectors", "greedy",
           "insert", "quantiles", "random_sets", "rotation", "seen_by", "units"]
