"""One contest: a network, an input, and for each method the ways to compute it, ours and the peers'."""

import warnings
from functools import partial

import captum.attr as captum
import torch
from torch import nn
from zennit import attribution as zennit
from zennit import composites, rules, types
from zennit.torchvision import ResNetCanonizer

from xaikit import attribution

from . import clock

STEPS, SAMPLES = 50, 8  # 50 steps are captum's default


def networks():
    """(name, network, input, rounds) with random weights, frozen: nobody is charged for gradients to the
    weights."""
    from torchvision.models import resnet18, squeezenet1_1

    torch.manual_seed(0)
    small = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    contests = [
        ("3 convolutions, 1 image 32²", small, torch.rand(1, 3, 32, 32), 15),
        ("3 convolutions, 64 images", small, torch.rand(64, 3, 32, 32), 5),
        ("squeezenet1_1, 1 image 224²", squeezenet1_1(weights=None), torch.rand(1, 3, 224, 224), 7),
        ("resnet18, 1 image 224²", resnet18(weights=None), torch.rand(1, 3, 224, 224), 7),
    ]
    return [(name, net.eval().requires_grad_(False), x, repeats) for name, net, x, repeats in contests]


def one_pass(net, x, target):
    """The measure of everything: one forward and one backward pass to the input."""
    points = x.clone().requires_grad_()
    return torch.autograd.grad(net(points).gather(1, target[:, None]).sum(), points)[0]


def entries(net, x, target):
    """{method: {"ours": f, "captum": f, "zennit": f}}; a method that a library lacks is left out."""
    layer = attribution.last_convolution(net)
    side = x.shape[-1] // 4
    box = (x.shape[1], side, side)
    seed = torch.nn.functional.one_hot(target, net(x[:1]).shape[1]).to(x)

    def ours(name, **options):
        return {"ours": partial(attribution.METHODS[name], net, x, target, **options)}

    def cap(method, **options):
        return {"captum": partial(method.attribute, x, target=target, **options)}

    def zen(attributor=zennit.Gradient, composite=None, **options):
        def run():
            with attributor(model=net, composite=composite, **options) as attribute:
                return attribute(x.clone(), seed)[1]

        return {"zennit": run}

    pool = [(types.Activation, rules.Pass()), (types.AvgPool, rules.Norm())]
    residual = [ResNetCanonizer()] if any(isinstance(m, nn.BatchNorm2d) for m in net.modules()) else None

    def layer_map(rule):
        return composites.LayerMapComposite([*pool, (types.Linear, rule)], canonizers=residual)

    def grad_cam():  # enlarged to the image's size, which ours always is
        maps = captum.LayerGradCam(net, net.get_submodule(layer)).attribute(x, target, relu_attributions=True)
        return captum.LayerAttribution.interpolate(maps, x.shape[2:], "bilinear")

    return {
        "gradient": ours("gradient") | cap(captum.Saliency(net), abs=False) | zen(),
        "gradient_x_input": ours("gradient_x_input") | cap(captum.InputXGradient(net)),
        "smoothgrad": ours("smoothgrad", samples=SAMPLES)
        | zen(zennit.SmoothGrad, n_iter=SAMPLES)
        | cap(
            captum.NoiseTunnel(captum.Saliency(net)),
            nt_samples=SAMPLES,
            nt_type="smoothgrad",
            stdevs=0.15,
            abs=False,
        ),
        "guided_backprop": ours("guided_backprop")
        | cap(captum.GuidedBackprop(net))
        | zen(composite=composites.GuidedBackprop()),
        "deconvnet": ours("deconvnet")
        | cap(captum.Deconvolution(net))
        | zen(composite=composites.DeconvNet()),
        "cam": ours("cam"),
        "grad_cam": ours("grad_cam") | {"captum": grad_cam},
        "occlusion": ours("occlusion", window=side, stride=side)
        | zen(zennit.Occlusion, window=side, stride=side)
        | cap(captum.Occlusion(net), sliding_window_shapes=box, strides=box),
        "integrated_gradients": ours("integrated_gradients", steps=STEPS, rule="gauss")
        | cap(captum.IntegratedGradients(net), n_steps=STEPS)
        | zen(zennit.IntegratedGradients, n_iter=STEPS),
        "deep_lift": ours("deep_lift") | cap(captum.DeepLift(net)),
        "lrp_epsilon": ours("lrp_epsilon", eps=1e-6)
        | cap(captum.LRP(net))
        | zen(composite=layer_map(rules.Epsilon(1e-6))),
        "lrp_alpha_beta": ours("lrp_alpha_beta", alpha=2.0)
        | zen(composite=layer_map(rules.AlphaBeta(2.0, 1.0))),
    }


def contest(net, x, rounds):
    """{method: {who: multiple of one pass, or the error}}, and the seconds of one pass."""
    target = torch.full((len(x),), 3)
    table, failed = entries(net, x, target), {}
    runs = {("", "fb"): partial(one_pass, net, x, target)}
    runs |= {(method, who): f for method, ways in table.items() for who, f in ways.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for key, function in list(runs.items()):
            try:
                function()
            except Exception as error:  # a peer that fails is a result
                failed[key] = type(error).__name__
                del runs[key]
        seconds = clock.in_turn(runs, rounds)
    unit = seconds["", "fb"]
    return {
        method: {who: failed.get((method, who)) or seconds[method, who] / unit for who in ways}
        for method, ways in table.items()
    }, unit


def gaps(net, x):
    """Completeness gap (mean over the images) of integrated gradients with the same number of steps: ours
    and captum's."""
    ours = attribution.integrated_gradients(net, x, 3, steps=STEPS, rule="gauss")
    theirs = captum.IntegratedGradients(net).attribute(x, target=3, n_steps=STEPS)
    return [attribution.completeness_gap(net, x, a, 3).mean().item() for a in (ours, theirs)]
