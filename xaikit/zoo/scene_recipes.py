"""How the segmenter of scenes and the generators of scenes that it looks at learn and are measured."""
import torch
import torch.nn.functional as F

from .. import data, generate

_BATCH = 200


def labelled(n, seed):
    """Images (n, 3, 64, 64), and which object each pixel shows: (n, 64, 64), places in ``mask_names``."""
    found = data.scenes(n, seed=seed)
    return found.images, torch.cat([m.byte().argmax(1) for m in found.masks.split(_BATCH)])


def soften(x, generator):
    """Half of (N, C, H, W) blurred, as generated pictures are softer than drawn ones; all a little noisy."""
    blurred = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2.0, mode="bilinear")
    x = torch.where(torch.rand(len(x), 1, 1, 1, generator=generator) < 0.5, blurred, x)
    return x + 0.03 * torch.randn(x.shape, generator=generator)


def segment(network, images):
    """(N, 3, H, W) -> (N, H, W) int64, the object that ``network`` sees at each pixel."""
    with torch.no_grad():
        return torch.cat([network(x).argmax(1) for x in images.split(_BATCH)])


def iou(found, true, classes):
    """Intersection over union of each class over all pixels, (classes,); NaN for a class in neither."""
    both = torch.bincount(true.flatten() * classes + found.flatten(), minlength=classes ** 2)
    both = both.view(classes, classes).double()
    return both.diag() / (both.sum(0) + both.sum(1) - both.diag())


def segmenter_facts(network, test):
    found = iou(segment(network, test[0]), test[1], len(data.scenes(1).mask_names))
    return {"iou": dict(zip(data.scenes(1).mask_names, found.tolist(), strict=True))}


def learn_gan(network, images, **options):
    """``generate.fit_gan`` on a GPU where there is one; the network comes back to the CPU."""
    generate.fit_gan(network.to("cuda" if torch.cuda.is_available() else "cpu"), images, **options)
    return network.cpu().to(memory_format=torch.contiguous_format)


def draw(generator, n, seed=0):
    """n generated pictures (n, 3, S, S)."""
    with torch.no_grad():
        return torch.cat([generator(z) for z in generator.codes(n, seed).split(_BATCH)])


def _features(images):
    from . import load

    network = load("scenes-cnn")
    with torch.no_grad():
        return torch.cat([network.features(x).mean((2, 3)) for x in images.split(_BATCH)])


def distance(network, test):
    """Fréchet distance of as many generated as held-back pictures, in scenes-cnn's last maps' means."""
    from ..evaluate import frechet_distance

    return frechet_distance(_features(draw(network, len(test))), _features(test.images))


def gan_facts(network, test):
    """For the card: the distance of other real scenes to the held-back ones, areas, the Hessian penalty.

    Areas are means over pictures, as scenes-segmenter sees them: {object: [generated, real]}.
    """
    from ..evaluate import frechet_distance
    from . import load

    other, segmenter = data.scenes(len(test), seed=1004, masks=False), load("scenes-segmenter")
    names = data.scenes(1).mask_names
    seen = [segment(segmenter, x) for x in (draw(network, len(test)), test.images)]
    areas = torch.stack([torch.bincount(x.flatten(), minlength=len(names)) / x.numel() for x in seen], 1)
    with torch.no_grad():
        chance = torch.Generator().manual_seed(1)
        penalty = generate.hessian_penalty(network, network.codes(_BATCH, seed=1), chance).item()
    return {"real_against_real": frechet_distance(_features(other.images), _features(test.images)),
            "hessian_penalty": penalty,
            "areas": {name: [round(a, 5) for a in row]
                      for name, row in zip(names, areas.tolist(), strict=True)}}
