"""What a unit of a deep belief network stands for, as Erhan et al. 2009 looked at it, and how good such a network is.

``sample_unit`` clamps a unit and lets the network dream (section 3.2 of the paper), ``linear_combination`` adds up the
filters below it (section 3.3; Lee, Ekanadham, Ng 2008); the third view, the input that excites it most, is
`features.maximize`.  ``log_likelihood_bound`` says how probable pictures are (Salakhutdinov, Murray 2008), and
``reconstruction_error`` how well an auto-encoder restores them.
"""
import torch
import torch.nn.functional as F

from .belief import bernoulli
from .maximize import maximize
from .objectives import neuron


@torch.no_grad()
def gibbs(rbm, v, steps=1, unit=None, generator=None):
    """Block Gibbs sampling: all h given v, then all v given h, ``steps`` times; v (N, V) of 0s and 1s → v, h (N, H).

    unit: None, or a hidden unit, or (N,) one for each chain, which is held at 1 all along ("clamped").
    """
    h = None
    for _ in range(steps):
        h = bernoulli(rbm.up(v), generator)
        if unit is not None:
            h[torch.arange(len(h)), unit] = 1.0
        v = bernoulli(rbm.down(h), generator)
    return v, h


@torch.no_grad()
def sample_unit(net, units, layer=None, chains=32, steps=100, draws=1, seed=0):
    """Pictures that a belief network dreams while a unit is held at 1: samples of p(x | h_unit = 1).

    Layers ``layer`` − 1 and ``layer`` (the last one by default) form an RBM.  Chains start at random there; each runs
    ``steps`` Gibbs steps with the unit clamped, is followed down to the pixels by ancestral sampling, runs on for
    ``steps`` more, … ``draws`` times.  What lies above ``layer`` is left out, as in the paper (p_j).

    net a `Stack` · units an int or a list of U → (U, chains · draws, pixels) probabilities of ink.  All chains of all
    units run as one batch.  The mean over axis 1 is E[x | h_unit = 1].  ValueError for a unit that is not there.
    """
    layer = net.depth if layer is None else layer
    rbm, units = net.rbm(layer), torch.as_tensor(units).reshape(-1)
    check_units(net, layer, units)
    generator = torch.Generator().manual_seed(seed)
    unit = units.repeat_interleave(chains)
    v, found = bernoulli(torch.full((len(unit), rbm.visible_bias.numel()), 0.5), generator), []
    for _ in range(draws):
        v, h = gibbs(rbm, v, steps, unit, generator)
        x = net.down(h, layer, generator)
        found.append(x.view(len(units), chains, -1))
    return torch.cat(found, 1)


def maximize_units(net, units, norm, layer=None, starts=9, steps=80, rate=0.3, seed=0):
    """The pictures of length ``norm`` that excite a unit most: x* = arg max of h_unit(x) over ‖x‖ = norm, from several starts.

    Erhan et al., section 3.1: from random pixels go up the gradient and put the length back, ``steps`` times: `maximize`
    with a norm.  The unit's sum before its sigmoid is climbed: it has the same maximum and does not level off.  All starts
    of all U units are one batch.  → x (U, starts, pixels), the sums reached (U, starts).
    """
    layer = net.depth if layer is None else layer
    units = torch.as_tensor(units).reshape(-1)
    check_units(net, layer, units)
    unit = units.repeat_interleave(starts)
    found = maximize(net, neuron(f"linear{layer}", unit), (1, 1, net.widths[0]), n=len(unit), steps=steps, every=steps, rate=rate,
                     norm=norm, seed=seed)
    return found.images.view(len(units), starts, -1), found.values.view(len(units), starts)


@torch.no_grad()
def linear_combination(net, units=None, layer=None, strongest=None):
    """A unit as the sum of the filters below it, each times its weight; (U, pixels), signed.

    Layer 1: the filter itself.  Above: Σⱼ w_uj · (filter of j), over the ``strongest`` connections by absolute value, or
    all of them (then it is the product of the weight matrices: what the unit would do were there no sigmoids).
    """
    layer = net.depth if layer is None else layer
    units = torch.arange(net.widths[layer]) if units is None else torch.as_tensor(units).reshape(-1)
    check_units(net, layer, units)
    weight = net.rbm(layer).weight[units]
    if layer == 1:
        return weight.clone()
    if strongest is not None:
        if not 1 <= strongest <= weight.shape[1]:
            raise ValueError(f"strongest={strongest}: a unit of layer {layer} has 1 … {weight.shape[1]} connections")
        weight = weight * torch.zeros_like(weight).scatter(1, weight.abs().topk(strongest, 1).indices, 1.0)
    return weight @ linear_combination(net, None, layer - 1, strongest and min(strongest, net.widths[layer - 2]))


def check_units(net, layer, units):
    """ValueError unless all ``units`` are units of ``layer``."""
    if layer not in range(1, net.depth + 1):
        raise ValueError(f"layer is 1 … {net.depth}, not {layer!r}")
    bad = [int(u) for u in units if not 0 <= u < net.widths[layer]]
    if units.is_floating_point() or bad:
        raise ValueError(f"layer {layer} has the units 0 … {net.widths[layer] - 1}, not {bad[:3] or units.dtype}")


@torch.no_grad()
def log_partition(rbm, chains=100, steps=1000, seed=0):
    """log Z of an RBM by annealed importance sampling: (estimate, its standard error).

    From β = 0, where only the visible biases act and log Z₀ = H log 2 + Σᵢ log(1 + exp cᵢ), to β = 1 in ``steps``:
    log wₘ = Σ over β of log p*_{β+}(v) − log p*_β(v), p*_β(v) = exp(c·v) Πⱼ (1 + exp β(bⱼ + Wⱼv)), one Gibbs step at
    each β; log Z = log Z₀ + log mean w.  Neal 2001; Salakhutdinov, Murray 2008.
    """
    generator = torch.Generator().manual_seed(seed)
    w, b, c = (p.detach() for p in rbm)
    v, log_w = bernoulli(torch.sigmoid(c).expand(chains, -1), generator), torch.zeros(chains, dtype=torch.float64)
    betas = torch.linspace(0, 1, steps + 1, dtype=w.dtype)
    for low, high in zip(betas, betas[1:], strict=False):
        drive = F.linear(v, w, b)
        log_w += (F.softplus(high * drive) - F.softplus(low * drive)).sum(1).double()
        h = bernoulli(torch.sigmoid(high * drive), generator)
        v = bernoulli(torch.sigmoid(F.linear(h, high * w.T, c)), generator)
    start = len(b) * torch.log(torch.tensor(2.0, dtype=torch.float64)) + F.softplus(c.double()).sum()
    scaled = (log_w - log_w.max()).exp()
    error = scaled.std() / scaled.mean() / chains ** 0.5
    return float(start + log_w.max() + scaled.mean().log()), float(error)


@torch.no_grad()
def log_likelihood_bound(net, x, samples=10, chains=100, steps=1000, seed=0, log_z=None):
    """A lower bound on log p(x) under a belief network, in nats for each picture, (N, …) → (N,).

    log p(x) ≥ E_q[ Σₖ log p(h_{k−1} | h_k) − log q(h_k | h_{k−1}) + log p(h_{top−1}) ], q the way up, h₀ = x, and the top
    RBM's log p(h) = −F(h) − log Z with Z from :func:`log_partition`.  Grey values count as probabilities of ink.
    """
    top = net.rbm(net.depth)
    log_z = log_partition(top, chains, steps, seed)[0] if log_z is None else log_z
    generator = torch.Generator().manual_seed(seed)
    h = x.flatten(1).repeat_interleave(samples, 0)
    total = torch.zeros(len(h), dtype=torch.float64)
    for k in range(1, net.depth):
        q = net.rbm(k).up(h)
        above = bernoulli(q, generator)
        total += (_log_bernoulli(h, net.rbm(k).down(above)) - _log_bernoulli(above, q)).double()
        h = above
    if net.depth == 1:
        h = bernoulli(h, generator)
    return (total - top.free_energy(h).double() - log_z).view(len(x), samples).mean(1)


@torch.no_grad()
def reconstruction_error(net, x, layer=None):
    """KL(x ‖ x̂) = Σᵢ xᵢ log xᵢ/x̂ᵢ + (1 − xᵢ) log (1 − xᵢ)/(1 − x̂ᵢ) of a Stack's reconstruction x̂ from ``layer``,
    in nats for each picture, (N, …) → (N,).  Erhan et al. 2009, section 2.2.
    """
    x, restored = x.flatten(1), net.reconstruct(x, layer).flatten(1)
    return _log_bernoulli(x, x) - _log_bernoulli(x, restored)


def _log_bernoulli(v, p):
    return -F.binary_cross_entropy(p, v, reduction="none").sum(1)
