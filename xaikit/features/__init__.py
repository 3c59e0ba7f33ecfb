"""What a unit looks for: receptive fields, strongest patches, preferred inputs, sparse codes, probes."""
from . import adaptive, bow, bow_relevance, edges, parts, photo_codes, sparse, study
from .belief import Rbm, Stack, contrastive_divergence, fit_dbn, fit_sdae
from .belief_views import (gibbs, linear_combination, log_likelihood_bound, log_partition, maximize_units,
                           reconstruction_error, sample_unit)
from .similarity import agreement, matches, nearest, scrambled
from .probe import cut_out, deconvnet_probe, probe_and_cuts, project, relu_cuts, top_projections, unpool
from .occlude import Occluded, feature_changes, hide, inconsistency, occlusion_maps
from .edges import learn_filters, orientation
from .shrink import shrink
from .sparse import sparse_code
from .diagnose import aliasing, dead_units, dense_maps, filter_bands, responses, settling, spectrum

from .images import (Fourier, Pixels, Prior, blurred, fast_share, fourier_image, frequencies, principal_components, shift,
                     turn_and_zoom)
from .maximize import Found, ascend, maximize, sphere_step
from .objectives import (Objective, channel, direction, diversity, l2, layer, logit, neuron, probability, total_variation,
                         variation)
from ..receptive import Field, receptive_field
from .top import Top, top_images, top_patches

__all__ = [
    "Field", "Found", "Fourier", "Objective", "Pixels", "Prior", "Top", "ascend", "blurred", "channel", "direction",
    "diversity", "fast_share", "fourier_image", "frequencies", "l2", "layer", "logit", "maximize", "neuron",
    "principal_components", "probability", "receptive_field", "shift", "sphere_step", "top_images", "top_patches",
    "total_variation", "turn_and_zoom", "variation",
    "Occluded", "Rbm", "Stack", "adaptive", "agreement", "bow", "bow_relevance", "aliasing", "contrastive_divergence", "dead_units",
           "deconvnet_probe", "dense_maps", "edges", "feature_changes", "filter_bands", "fit_dbn", "fit_sdae", "gibbs", "hide", "inconsistency", "learn_filters",
           "linear_combination", "log_likelihood_bound", "log_partition", "matches", "maximize_units", "nearest",
           "occlusion_maps", "parts", "project", "orientation", "photo_codes", "reconstruction_error", "relu_cuts", "responses", "sample_unit", "scrambled", "settling", "shrink",
           "sparse", "sparse_code", "spectrum", "study", "top_projections", "unpool"]
