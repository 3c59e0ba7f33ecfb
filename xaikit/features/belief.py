"""Networks that learn without labels, and can be run downwards: stacked denoising auto-encoders and deep belief networks.

Both are one :class:`Stack`: layers of sigmoid units whose weights serve up (transposed) and down.  ``fit_sdae`` and
``fit_dbn`` train it greedily, layer by layer.  How to look into one: :mod:`xaikit.features.belief_views`.

Erhan, Bengio, Courville, Vincent 2009, *Visualizing Higher-Layer Features of a Deep Network*, sections 2.1 and 2.2;
Hinton, Osindero, Teh 2006 (greedy training); Hinton 2002 (contrastive divergence); Vincent et al. 2008 (denoising).
"""
import itertools
from collections import OrderedDict
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Rbm(NamedTuple):
    """A restricted Boltzmann machine: p(v, h) ∝ exp(h·Wv + b·h + c·v) over binary v and h.

    weight (H, V) · hidden_bias b (H,) · visible_bias c (V,).  Given one layer, the units of the other are independent.
    """

    weight: Tensor
    hidden_bias: Tensor
    visible_bias: Tensor

    def up(self, v):
        """p(h = 1 | v) = sigmoid(b + Wv).  (N, V) → (N, H)"""
        return torch.sigmoid(F.linear(v, self.weight, self.hidden_bias))

    def down(self, h):
        """p(v = 1 | h) = sigmoid(c + Wᵀh).  (N, H) → (N, V)"""
        return torch.sigmoid(F.linear(h, self.weight.T, self.visible_bias))

    def free_energy(self, v):
        """F(v) = −c·v − Σⱼ log(1 + exp(bⱼ + Wⱼv)), so that p(v) = exp(−F(v)) / Z.  (N, V) → (N,)"""
        return -v @ self.visible_bias - F.softplus(F.linear(v, self.weight, self.hidden_bias)).sum(1)


class Stack(nn.Sequential):
    """``widths`` (pixels, units of layer 1, units of layer 2, …).  (N, …) pictures in [0, 1] → (N, widths[-1]).

    As a network it is the way up: ``linear1``, ``hidden1`` (its sigmoid), ``linear2``, …: names for `hooks.record`.
    ``rbm(k)`` is layer k with its way down: the same weights, and the biases ``down1``, ``down2``, ….
    """

    def __init__(self, widths):
        layers = OrderedDict(flatten=nn.Flatten())
        for k, (below, above) in enumerate(itertools.pairwise(widths), 1):
            layers[f"linear{k}"], layers[f"hidden{k}"] = nn.Linear(below, above), nn.Sigmoid()
        super().__init__(layers)
        self.widths, self.depth = tuple(widths), len(widths) - 1
        for k, below in enumerate(widths[:-1], 1):
            self.register_parameter(f"down{k}", nn.Parameter(torch.zeros(below)))
            nn.init.normal_(self[2 * k - 1].weight, std=0.01)
            nn.init.zeros_(self[2 * k - 1].bias)

    def rbm(self, layer):
        """Layer ``layer`` (1 …) as an :class:`Rbm` that shares the parameters.  ValueError if there is none."""
        if layer not in range(1, self.depth + 1):
            raise ValueError(f"layer is 1 … {self.depth}, not {layer!r}")
        linear = getattr(self, f"linear{layer}")
        return Rbm(linear.weight, linear.bias, getattr(self, f"down{layer}"))

    def up(self, x, layer):
        """What layer ``layer`` says of pictures x (N, …): probabilities (N, widths[layer]); layer 0: the pixels."""
        h = x.flatten(1)
        for k in range(1, layer + 1):
            h = self.rbm(k).up(h)
        return h

    def down(self, h, layer, generator=None):
        """From layer ``layer`` back to the pixels, (N, widths[layer]) → (N, widths[0]) probabilities.

        With a ``generator`` the layers between are drawn (ancestral sampling), without one they are probabilities.
        """
        for k in range(layer, 0, -1):
            h = self.rbm(k).down(h)
            if generator is not None and k > 1:
                h = bernoulli(h, generator)
        return h

    def reconstruct(self, x, layer=None):
        """Up to a layer (the last) and down again, without noise; shaped like x."""
        layer = self.depth if layer is None else layer
        return self.down(self.up(x, layer), layer).view_as(x)


def bernoulli(p, generator=None):
    """0s and 1s, 1 with probability p: the uniform number lies below p."""
    return (torch.rand(p.shape, generator=generator) < p).to(p.dtype)


def fit_sdae(net, images, epochs=60, batch_size=64, lr=2e-3, noise=0.5, augment=None, seed=0, progress=True):
    """Train a Stack as stacked denoising auto-encoder, one layer after the other, in place; returns losses (layer, epoch).

    Layer k sees h, what the layers below say of the pictures.  Of C(h), a copy with each entry set to 0 with
    probability ``noise``, it must restore h:  ĥ = sigmoid(c + Wᵀ sigmoid(b + W C(h))), with the least cross-entropy
    −Σᵢ hᵢ log ĥᵢ + (1 − hᵢ) log(1 − ĥᵢ) (nats; Erhan et al., section 2.2).  Adam, with the rate falling to 0.

    images (N, …) in [0, 1] · augment(images, generator): new pictures from old ones.  ValueError for ``noise`` outside [0, 1).
    """
    if not 0 <= noise < 1:
        raise ValueError(f"noise is the share of inputs set to 0, at least 0 and below 1, not {noise}")
    generator, losses = torch.Generator().manual_seed(seed), torch.zeros(net.depth, epochs)
    for k in range(1, net.depth + 1):
        rbm = net.rbm(k)
        rbm.visible_bias.data = _logit_of_mean(net, images, k)
        optimizer = torch.optim.Adam(rbm, lr)
        batches = -(-len(images) // batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * batches)
        for epoch, h in _inputs(net, images, k, epochs, batch_size, augment, generator, progress):
            kept = h * (torch.rand(h.shape, generator=generator) >= noise)
            with torch.enable_grad():
                up = torch.sigmoid(F.linear(kept, rbm.weight, rbm.hidden_bias))
                loss = F.binary_cross_entropy_with_logits(F.linear(up, rbm.weight.T, rbm.visible_bias), h,
                                                          reduction="sum") / len(h)
            for p, g in zip(rbm, torch.autograd.grad(loss, list(rbm)), strict=True):
                p.grad = g
            optimizer.step()
            schedule.step()
            losses[k - 1, epoch] += loss.item() * len(h) / len(images)
    net.zero_grad(set_to_none=True)
    return losses


def contrastive_divergence(rbm, v, chains=None, steps=1, generator=None):
    """The direction in which the log-likelihood of v (N, V) rises, estimated; and where the chains are afterwards.

    ∂ log p(v)/∂W = E[h vᵀ | data] − E[h vᵀ | model]: the second term from ``steps`` Gibbs steps that start at the data
    (CD-k, Hinton 2002), or at ``chains`` (M, V) that go on from batch to batch (persistent, Tieleman 2008).  CD's last v
    enters as probabilities, which are less noisy (Hinton 2010, section 3.2); persistent chains as drawn, without bias.
    Returns (∂W, ∂b, ∂c), chains (N or M, V) of 0s and 1s.
    """
    h = rbm.up(v)
    drawn = v if chains is None else chains
    for _ in range(steps):
        p = rbm.down(bernoulli(rbm.up(drawn), generator))
        drawn = bernoulli(p, generator)
    dream = p if chains is None else drawn
    dreamt, n, m = rbm.up(dream), len(v), len(dream)
    return (h.T @ v / n - dreamt.T @ dream / m, h.mean(0) - dreamt.mean(0), v.mean(0) - dream.mean(0)), drawn


@torch.no_grad()
def fit_dbn(net, images, epochs=60, batch_size=64, lr=0.05, momentum=0.9, weight_decay=2e-4, steps=1, persistent=False,
            augment=None, seed=0, progress=True):
    """Train a Stack as deep belief network: each layer is an RBM on what the layers below say; in place.

    Contrastive divergence (``steps`` Gibbs steps, from the data, or ``persistent`` chains), momentum (0.5 in the first
    tenth), weight decay, the rate falling linearly to 0 in the second half.  Grey values enter as they are.  Persistent chains
    want smaller steps: less momentum and more epochs.
    Returns the reconstruction error Σ(v − v̂)² by (layer, epoch), which is what one watches though it is not what is minimised.

    images (N, …) in [0, 1] · augment(images, generator): new pictures from old ones.
    """
    generator, errors = torch.Generator().manual_seed(seed), torch.zeros(net.depth, epochs)
    for k in range(1, net.depth + 1):
        rbm = net.rbm(k)
        rbm.visible_bias.copy_(_logit_of_mean(net, images, k))
        rbm.weight.normal_(0, 0.01, generator=generator)
        speed, chains = [torch.zeros_like(p) for p in rbm], None
        for epoch, h in _inputs(net, images, k, epochs, batch_size, augment, generator, progress):
            slope, dreams = contrastive_divergence(rbm, h, chains, steps, generator)
            chains = dreams if persistent else None
            rate = lr * min(1.0, 2 * (1 - epoch / epochs))
            keep = momentum if epoch >= epochs / 10 else min(momentum, 0.5)
            for p, s, g in zip(rbm, speed, slope, strict=True):
                s.mul_(keep).add_(g - (weight_decay * p if p.ndim == 2 else 0), alpha=rate)
                p.add_(s)
            errors[k - 1, epoch] += (h - rbm.down(rbm.up(h))).square().sum().item() / len(images)
    return errors


@torch.no_grad()
def _inputs(net, images, layer, epochs, batch_size, augment, generator, progress):
    """(epoch, what the layers below ``layer`` say of a batch), for all batches of all epochs."""
    from tqdm.auto import tqdm

    bar = tqdm(range(epochs), desc=f"layer {layer}", unit="epoch", delay=2, leave=False, disable=not progress)
    for epoch in bar:
        for rows in torch.randperm(len(images), generator=generator).split(batch_size):
            x = images[rows]
            yield epoch, net.up(x if augment is None else augment(x, generator), layer - 1)


@torch.no_grad()
def _logit_of_mean(net, images, layer, batch_size=1024):
    """The visible bias that gives each unit below ``layer`` its mean over the pictures: where learning starts."""
    total = sum(net.up(x, layer - 1).sum(0) for x in images.split(batch_size))
    return torch.logit((total / len(images)).clamp(0.01, 0.99))
