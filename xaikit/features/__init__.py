"""What a unit looks for: receptive fields, strongest patches, preferred inputs, sparse codes, probes."""
from .belief import Rbm, Stack, contrastive_divergence, fit_dbn, fit_sdae
from .belief_views import (gibbs, linear_combination, log_likelihood_bound, log_partition, maximize_units,
                           reconstruction_error, sample_unit)
from .similarity import agreement, matches, nearest, scrambled

__all__ = ["Rbm", "Stack", "agreement", "contrastive_divergence", "fit_dbn", "fit_sdae", "gibbs", "linear_combination",
           "log_likelihood_bound", "log_partition", "matches", "maximize_units", "nearest", "reconstruction_error", "sample_unit",
           "scrambled"]
