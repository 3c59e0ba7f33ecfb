"""What a unit looks for: receptive fields, strongest patches, preferred inputs, sparse codes, probes."""
from . import adaptive, edges, photo_codes, sparse, study
from .belief import Rbm, Stack, contrastive_divergence, fit_dbn, fit_sdae
from .belief_views import (gibbs, linear_combination, log_likelihood_bound, log_partition, maximize_units,
                           reconstruction_error, sample_unit)
from .similarity import agreement, matches, nearest, scrambled
from .probe import deconvnet_probe, relu_cuts, top_projections, unpool
from .occlude import Occluded, hide, inconsistency, occlusion_maps, sign_changes
from .edges import learn_filters, orientation
from .shrink import shrink
from .sparse import sparse_code
from .diagnose import aliasing, dead_units, dense_maps, filter_bands, responses, settling, spectrum

__all__ = ["Occluded", "Rbm", "Stack", "adaptive", "agreement", "aliasing", "contrastive_divergence", "dead_units",
           "deconvnet_probe", "dense_maps", "edges", "filter_bands", "fit_dbn", "fit_sdae", "gibbs", "hide", "inconsistency", "learn_filters",
           "linear_combination", "log_likelihood_bound", "log_partition", "matches", "maximize_units", "nearest",
           "occlusion_maps", "orientation", "photo_codes", "reconstruction_error", "relu_cuts", "responses", "sample_unit", "scrambled", "settling", "shrink",
           "sign_changes", "sparse", "sparse_code", "spectrum", "study", "top_projections", "unpool"]
