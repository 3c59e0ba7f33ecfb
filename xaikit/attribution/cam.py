"""Class activation maps: weigh the channels of one layer by what they mean for the class."""

import contextlib

import torch
from torch import nn
from torch.nn import functional as F

from .. import hooks
from ..errors import UnsupportedLayer
from .call import derivative, explaining


def cam(model, x, target=None):
    """Class activation map Σₖ wₖ fₖ(x, y): the last feature maps weighed by the class's row of the final
    linear layer.

    x: (N, C, H, W) → (N, C, H, W): the map (signed), bilinearly enlarged, its value divided by C in every
    channel, so that the channels sum to it.  Only for networks that end in global average pooling and one
    linear layer; all others raise UnsupportedLayer.
    Source: Zhou et al. 2016, "Learning Deep Features for
    Discriminative Localization", equation 2.
    """
    _check_images(x)
    with explaining(model, x, target) as score, torch.no_grad():
        return score.per_image(lambda images, rows: _cam(score, images, rows))


def grad_cam(model, x, target=None, layer=None):
    """Grad-CAM: max(0, Σₖ αₖ Aₖ) with αₖ the mean of ∂F/∂Aₖ over the layer's positions.

    x: (N, C, H, W) → (N, C, H, W): the map, bilinearly enlarged, its value divided by C in every channel.
    ``layer``: name of the layer whose output is A, (N, K, h, w); None is the last convolution in the order of
    ``model.named_modules()``.  The gradient is taken only from the layer on.
    Source: Selvaraju et al. 2017,
    "Grad-CAM", equations 1 and 2.
    Raises as ``call.explaining``; ValueError with the nearest name for a layer
    that does not exist or has no positions.
    """
    _check_images(x)
    with explaining(model, x, target) as score:
        name = last_convolution(model) if layer is None else layer
        hooks.layer(model, name)
        return score.per_image(lambda images, rows: _grad_cam(score, images, rows, name))


def last_convolution(model):
    """The name of the last convolution; UnsupportedLayer if there is none."""
    name = hooks.last(model, nn.Conv2d)
    if name is None:
        raise UnsupportedLayer(
            "the network has no nn.Conv2d, so there is no layer of feature maps; give one by layer="
        )
    return name


def _grad_cam(score, images, rows, name):
    outputs = []

    def leaf(activation):
        if not torch.is_tensor(activation) or activation.dim() != 4:
            raise UnsupportedLayer(
                f"layer {name!r} does not give feature maps (N, K, h, w); choose a layer before the "
                "positions are pooled"
            )
        outputs.append(activation.detach().requires_grad_())
        return outputs[-1].clone()  # what follows may work in place

    large = images[0].numel() >= 2**15  # for small ones the two hooks take longer than they save
    with hooks.edit(score.model, {name: leaf}), hooks.quick_pooling(score.model) if large else contextlib.nullcontext():
        logits, seed = score.seeded(images, rows)
    if not outputs:
        raise UnsupportedLayer(f"layer {name!r} does not run in the network's forward pass")
    activation = outputs[-1]
    weights = derivative(logits, activation, seed).mean((2, 3), keepdim=True)
    return _enlarge((weights * activation.detach()).sum(1, keepdim=True).relu(), images)


def _cam(score, images, rows):
    pooled, linear = (
        [],
        [],
    )  # the last of each: what goes into the pooling; input, weights and result of the linear layer

    def look(call):
        result = call()
        if call.kind == "avg_pool" and call.args[0].dim() == 4:
            pooled[:] = [call.args[0]]
        if call.kind == "linear":
            linear[:] = [call.args[0], call.args[1] if len(call.args) > 1 else call.kwargs["weight"], result]
        return result

    logits = score.logits(images, look)
    # checked on the numbers, not on the layers' types: what matters is what was computed, however it was
    # written
    if not (
        pooled
        and linear
        and linear[0].shape == pooled[0].shape[:2]
        and logits.shape == linear[2].shape
        and torch.allclose(linear[0], pooled[0].mean((2, 3)), rtol=1e-3, atol=1e-5)
        and torch.equal(logits, linear[2])
    ):
        raise UnsupportedLayer(
            "CAM needs a network that ends in global average pooling and one linear layer; "
            "this one does not.  Use grad_cam, which needs neither"
        )
    weights = linear[1][score.classes(logits, rows)]
    return _enlarge(torch.einsum("nk,nkhw->nhw", weights, pooled[0])[:, None], images)


def _enlarge(maps, images):
    """(N, 1, h, w) → (N, C, H, W), each channel holding a C-th."""
    maps = F.interpolate(maps / images.shape[1], images.shape[2:], mode="bilinear", align_corners=False)
    return maps.expand_as(images).contiguous()


def _check_images(x):
    if torch.is_tensor(x) and x.dim() != 4:
        raise ValueError(f"class activation maps need images (N, C, H, W), not x of shape {tuple(x.shape)}")
