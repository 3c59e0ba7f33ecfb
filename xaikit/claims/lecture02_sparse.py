"""Lecture 02, sparse codes and adaptive layers: what the papers claim, measured."""
from . import claim

_2010, _2011 = "Zeiler et al. 2010", "Zeiler et al. 2011"


@claim("02", f"{_2010}, learned filters", "filters learned from photographs are oriented edges and bars; random filters are not",
       "edges, to the eye")
def _oriented():
    import torch

    from ..features import orientation
    from ..features.photo_codes import photo_filters

    learned = orientation(photo_filters().filters)[0] > 0.6
    control = orientation(torch.randn(1000, 1, 9, 9, generator=torch.Generator().manual_seed(0)))[0] > 0.6
    here = f"{int(learned.sum())} of {len(learned)} learned, {int(control.sum())} of {len(control)} random, have 60 % of their energy in 45°"
    return here, bool(learned.float().mean() >= 0.5 and control.float().mean() < 0.05)


def _ends():
    """How far above the least objective each method ends, in per cent: DataFrame, a row for each number of steps."""
    from ..features.photo_codes import STEPS, minimisers

    table = minimisers()[1]
    ends = table[table.steps.isin(STEPS)].pivot(index="steps", columns="method", values="objective")
    return 100 * (ends / table.objective.min() - 1)


@claim("02", f"{_2010}, inferring feature maps", "alternating z and x while β grows minimises C₁ (here p = 1)", "the tied cost becomes C₁ as β grows")
def _same_minimum():
    above = _ends().continuation
    return "above the least value: " + ", ".join(f"{a:.1f} % after {n} steps" for n, a in above.items()), \
        bool(above.is_monotonic_decreasing and above.iloc[-1] < 1)


@claim("02", f"{_2010}, inferring feature maps", "… and does so efficiently, beside the shrinkage methods of its time", "an efficient scheme")
def _efficient():
    at = _ends().loc[100]
    return ", ".join(f"{name} {at[name]:.1f} %" for name in at.sort_values().index) + " above the least value, 100 steps each", \
        bool(at.continuation <= at.min())


@claim("02", f"{_2010}, denoising images", "with fewer active entries, the convolutional code denoises better than a dictionary of patches",
       "figure: a better trade-off")
def _denoising():
    from ..features.photo_codes import denoising

    table = denoising()
    best = table.loc[table.groupby("method").psnr.idxmax()].set_index("method")
    code, patches = best.loc["convolutional code"], best.loc["overlapping patches"]
    here = (f"code {code.psnr:.1f} dB with {code.nonzeros:.2f} entries a pixel, overlapping patches {patches.psnr:.1f} dB with "
            f"{patches.nonzeros:.2f}, noisy {table.psnr[0]:.1f} dB")
    return here, bool(code.psnr > patches.psnr and code.nonzeros < patches.nonzeros)


@claim("02", f"{_2011}, multiple layers", "given the switches, R and Rᵀ are linear and adjoint, also with two layers", "exact")
def _adjoint():
    import torch

    from ..features import adaptive
    from ..features.photo_codes import photo_layers

    deep, g = photo_layers(), torch.Generator().manual_seed(0)
    first, second = deep.layers
    z, y = torch.randn(second.maps.shape, generator=g), torch.randn(deep.y.shape, generator=g)
    painted, projected = adaptive.paint(z, deep.filters, [first.switches]), adaptive.project(y, deep.filters, [first.switches])
    gap = float(((painted * y).sum() - (z * projected).sum()).abs() / (painted.norm() * y.norm()))
    return f"the two sides of the dot-product test differ by {gap:.0e} of ‖Rz‖ ‖y‖ in float32", bool(gap < 1e-5)


@claim("02", f"{_2011}, inference", "the switches settle in the course of inference", "fixed once inference has converged")
def _settle():
    from ..features.photo_codes import first_layer

    moved = first_layer(0.03).history.moved
    return (f"from noise, {moved[0]:.0%} move in step 1, then at most {moved[1:].max():.1%} (step {moved[1:].idxmax() + 1}), and {moved.iloc[-1]:.2%} in step 40",
            bool(moved.iloc[-1] < 0.01 < moved[1]))


@claim("02", f"{_2011}, reconstructions", "each layer reconstructs the pixels, the second from strokes it composes itself", "close to the input")
def _reconstructs():
    from ..features.photo_codes import photo_layers

    deep = photo_layers()
    left = [float((layer.picture - deep.y).square().sum() / deep.y.square().sum()) for layer in deep.layers]
    return ", ".join(f"layer {i + 1}: {e:.0%} of the energy is left over" for i, e in enumerate(left)), bool(max(left) < 0.2)
