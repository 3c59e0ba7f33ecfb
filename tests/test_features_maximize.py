"""Activation maximisation: what it reaches, what each regulariser does, objectives by hand, bad input."""
import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from xaikit import data, features, hooks, zoo

REAL = os.environ.get("XAIKIT_DATA")
CLASSES = torch.arange(10)


@pytest.fixture(scope="module")
def cnn():
    return zoo.load("digits-cnn")


def maximize(net, objective, n=10, **options):
    return features.maximize(net, objective, (1, 28, 28), n=n, **{"steps": 32, "norm": 9.0} | options)


@pytest.mark.parametrize("layer", ["features.0", "features.3", "features.6", "head"])  # before the ReLUs
def test_reaches_the_best_picture_under_its_norm(cnn, layer):
    """≥ 90 % of the units, with the norm of the best training picture for each."""
    top = features.top_images(cnn, layer, None, data.digits(split="train"), k=1)
    rho, n = top.patches.flatten(1).norm(dim=1), len(top.units)
    found = maximize(cnn, features.neuron(layer, torch.arange(n)), n=n, steps=64, norm=rho)
    torch.testing.assert_close(found.images.flatten(1).norm(dim=1), rho)
    assert found.step == 64 and (found.values >= top.activations[:, 0]).float().mean() >= 0.9


def test_each_regulariser_lowers_the_share_of_fast_waves(cnn):
    """The share of energy above half Nyquist, mean over the ten class scores, all else equal."""
    score = features.logit(CLASSES)
    ways = {"none": {}, "Fourier": {"parameters": features.Fourier()}, "jitter": {"jitter": 2},
            "rotate": {"rotate": 10.0}, "scale": {"scale": 0.1}, "blur": {"blur": 1.0},
            "total variation": {"objective": score - 0.1 * features.variation()}}
    made = {name: maximize(cnn, **{"objective": score} | o).images for name, o in ways.items()}
    share = {name: features.fast_share(images).mean().item() for name, images in made.items()}
    assert all(v < 0.85 * share["none"] for name, v in share.items() if name != "none"), share
    assert share["Fourier"] < 0.1 * share["none"], share
    assert share["total variation"] < 0.5 * share["none"], share


def test_fast_share_of_pure_waves():
    t = torch.arange(32) / 32 * 2 * torch.pi
    slow, fast = torch.sin(2 * t).expand(1, 1, 32, 32), torch.sin(12 * t).expand(1, 1, 32, 32)
    for x, share in ((slow, 0), (fast, 1), (slow + fast + 5, 0.5), (2 * slow + fast, 0.2)):
        assert features.fast_share(x).item() == pytest.approx(share, abs=1e-6)


def test_bounds_and_norm_are_kept_and_steps_are_reported(cnn):
    steps = list(features.ascend(cnn, features.logit(3), (1, 28, 28), n=2, steps=20, every=8,
                                 bounds=(-0.5, 1.5)))
    assert [s.step for s in steps] == [0, 8, 16, 20]
    assert all(-0.5 <= s.images.min() and s.images.max() <= 1.5 for s in steps)
    assert (steps[-1].values > steps[0].values).all()
    for s in steps:
        with torch.no_grad():
            torch.testing.assert_close(cnn(s.images)[:, 3], s.values)
    rho = torch.tensor([2.0, 5.0])
    prior = features.principal_components(data.digits().images, 20)
    for parameters in (features.Pixels(), features.Fourier(), prior):
        for found in features.ascend(cnn, features.logit(3), (1, 28, 28), n=2, steps=2, norm=rho, blur=0.7,
                                     parameters=parameters):
            torch.testing.assert_close(found.images.flatten(1).norm(dim=1), rho)


def test_sphere_step():
    x, g = torch.tensor([[1.0, 0.0], [0.0, 3.0]]), torch.tensor([[0.0, 5.0], [2.0, 0.0]])
    stepped = features.sphere_step(x, g, 1.0, 1.0)
    torch.testing.assert_close(stepped, F.normalize(torch.tensor([[1.0, 1.0], [1.0, 3.0]]), dim=1))


def test_the_seed_decides(cnn):
    one, same, other = (maximize(cnn, features.logit(1), n=1, steps=3, jitter=2, seed=s).images
                        for s in (4, 4, 5))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_the_network_is_as_it_was_also_between_steps_and_after_an_exception(cnn):
    cnn = zoo.load("digits-cnn").train()
    before, state = {k: v.clone() for k, v in cnn.state_dict().items()}, torch.get_rng_state()

    def unchanged():
        assert cnn.training and torch.equal(torch.get_rng_state(), state)
        assert all(torch.equal(v, before[k]) for k, v in cnn.state_dict().items())
        assert all(p.grad is None and p.requires_grad for p in cnn.parameters())
        assert not any(m._forward_hooks for m in cnn.modules())

    for i, _ in enumerate(features.ascend(cnn, features.logit(0), (1, 28, 28), steps=9, every=3, jitter=1)):
        unchanged()
        if i == 2:
            break  # whoever stops listening
    unchanged()
    broken = features.Objective(("features.3",), lambda acts: 1 / 0, "broken")
    with pytest.raises(ZeroDivisionError):
        maximize(cnn, broken)
    unchanged()
    with torch.no_grad():
        assert maximize(cnn, features.logit(0), n=1, steps=1).step == 1
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        assert maximize(cnn, features.logit(0), n=1, steps=1).step == 1


def test_objectives_by_hand():
    g = torch.Generator().manual_seed(0)
    maps, dense, out, x = (torch.randn(s, generator=g) for s in ((3, 4, 5, 6), (3, 7), (3, 10), (3, 2, 8, 8)))
    acts = {"map": maps, "dense": dense, "": out, "(picture)": x}
    v = torch.randn(4, generator=g)
    gram = torch.stack([(m.flatten(1) @ m.flatten(1).T).flatten() for m in maps])
    cosine = F.cosine_similarity(gram[:, None], gram[None], dim=2)
    pairs = [((i, j), (i - 1, j)) for i in range(1, 8) for j in range(8)]
    pairs += [((i, j), (i, j - 1)) for i in range(8) for j in range(1, 8)]
    tv = sum((x[:, :, a, b] - x[:, :, c, d]).square().sum(1) for (a, b), (c, d) in pairs)
    each = torch.stack([maps[0, 3], maps[1, 0], maps[2, 1]])
    for objective, expected in (
            (features.neuron("map", 1), maps[:, 1, 2, 3]),
            (features.neuron("map", 1, (4, 0)), maps[:, 1, 4, 0]),
            (features.neuron("map", torch.tensor([3, 0, 1])), each[:, 2, 3]),
            (features.neuron("dense", 6), dense[:, 6]), (features.channel("map", 2), maps[:, 2].mean((1, 2))),
            (features.channel("dense", 2), dense[:, 2]), (features.layer("map"), (maps**2).mean((1, 2, 3))),
            (features.direction("map", v), (maps * v[:, None, None]).sum(1).mean((1, 2)) / v.norm()),
            (features.direction("map", v, (0, 1)), maps[:, :, 0, 1] @ v / v.norm()),
            (features.logit(4), out[:, 4]), (features.probability(4), out.softmax(1)[:, 4].log()),
            (features.diversity("map"), -(cosine.sum(1) - 1) / 2), (features.l2(), (x**2).sum((1, 2, 3))),
            (features.variation(), tv),
            (2 * features.logit(1) - features.l2() / 4 + (-features.logit(2)),
             2 * out[:, 1] - (x**2).sum((1, 2, 3)) / 4 - out[:, 2]),
            (sum([features.logit(1), features.logit(2)]), out[:, 1] + out[:, 2])):
        torch.testing.assert_close(objective(acts), expected, msg=objective.name)


def test_diversity_pushes_apart(cnn):
    unit = features.channel("features.3", 5)
    apart = unit + 5 * features.diversity("features.3")
    plain, diverse = (maximize(cnn, o, n=4, steps=24) for o in (unit, apart))

    def spread(found):
        with hooks.record(cnn, "features.3") as acts, torch.no_grad():
            cnn(found.images)
        return features.diversity("features.3")(acts).mean()

    assert spread(diverse) > spread(plain)


@pytest.mark.parametrize("options, error, match", [
    ({"norm": 0.0}, ValueError, "norm is above 0"),
    ({"norm": float("nan")}, ValueError, "norm is above 0"),
    ({"bounds": (0, 1)}, ValueError, "either a norm or bounds"),
    ({"norm": None, "bounds": (1, 0)}, ValueError, "low < high"),
    ({"steps": 0}, ValueError, "steps is"),
    ({"steps": 1.5}, ValueError, "steps is"),
    ({"n": True}, ValueError, "n is"),
    ({"rate": 0}, ValueError, "rate is"),
    ({"rate": float("nan")}, ValueError, "rate is"),
    ({"blur": -1}, ValueError, "blur is"),
    ({"jitter": -1}, ValueError, "jitter is"),
    ({"jitter": 0.5}, ValueError, "jitter is"),
    ({"every": 0}, ValueError, "every is"),
    ({"rotate": float("inf")}, ValueError, "rotate is"),
    ({"scale": "a"}, ValueError, "scale is"),
    ({"objective": 3}, TypeError, "objective is a int"),
    ({"objective": features.logit(10)}, ValueError, "no unit 10"),
    ({"objective": features.logit(-1)}, ValueError, "no unit -1"),
    ({"objective": features.logit(1.5)}, TypeError, "whole number"),
    ({"objective": features.logit(torch.arange(3))}, ValueError, "3 units for 10 pictures"),
    ({"objective": features.neuron("nowhere", 0)}, ValueError, "no layer 'nowhere'"),
    ({"objective": features.neuron("features.3", 0, (14, 0))}, ValueError, "no position"),
    ({"objective": features.neuron("head", 0, (0, 0))}, ValueError, "no position"),
    ({"objective": features.direction("head", [1.0, 2.0])}, ValueError, "10 units, the direction 2"),
    ({"objective": float("nan") * features.logit(0)}, ValueError, "became nan"),
    ({"objective": features.Objective(("",), lambda acts: acts[""].detach()[:, 0], "loose")}, ValueError,
     "does not depend"),
])
def test_bad_input(cnn, options, error, match):
    with pytest.raises(error, match=match):
        maximize(cnn, **{"objective": features.logit(0), "steps": 2} | options)


def test_bad_directions_and_shapes(cnn):
    for vector in ([0.0, 0.0], [[1.0]], [float("nan")]):
        with pytest.raises(ValueError, match="a direction is"):
            features.direction("head", vector)
    for shape in ((28, 28), (1, 0, 28), (1, 28.0, 28)):
        with pytest.raises(ValueError, match="shape is"):
            features.maximize(cnn, features.logit(0), shape)


FOLDERS = [Path(p) for p in (os.environ.get("TORCH_HOME"), REAL and Path(REAL, "torch_home")) if p]


@pytest.mark.skipif(not any(list(p.glob("hub/checkpoints/squeezenet1_1*.pth")) for p in FOLDERS),
                    reason="no ImageNet weights here")
def test_squeezenet_sees_the_class_in_its_picture():
    """With transformation robustness, a Fourier code and pixels in ImageNet's range; ten classes at once."""
    net, _, classes = zoo.imagenet("squeezenet1_1")
    target = torch.tensor([classes.index(name) for name in (
        "goldfish", "flamingo", "pug", "lion", "zebra", "Indian elephant", "castle", "sports car",
        "strawberry", "banana")])
    found = features.maximize(net, features.logit(target), (3, 96, 96), n=10, steps=24, every=24,
                              bounds=(-2.1, 2.6), parameters=features.Fourier(), jitter=8, rotate=5.0,
                              scale=0.1)
    with torch.no_grad():
        assert (net(found.images).argmax(1) == target).sum() >= 8


def test_shaking_and_blurring_pictures():
    x = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    for down, right in ((2, -3), (0, 0), (-9, 1), (40, 0)):
        moved = features.shift(x, down, right, fill=0.5)
        for i in range(9):
            for j in range(9):
                inside = 0 <= i - down < 9 and 0 <= j - right < 9
                assert (moved[..., i, j] == (x[..., i - down, j - right] if inside else 0.5)).all()
    quarter = features.turn_and_zoom(x, 90.0, 1.0)
    assert any(torch.allclose(quarter, x.rot90(k, (2, 3)), atol=1e-5) for k in (1, 3))
    torch.testing.assert_close(features.turn_and_zoom(x, 0.0, 1.0, fill=0.3), x)
    large = features.turn_and_zoom(x, 0.0, 3.0)  # the middle three pixels fill the picture
    torch.testing.assert_close(large[..., 1::3, 1::3], x[..., 3:6, 3:6])
    assert (features.turn_and_zoom(x, 0.0, 0.25, fill=0.3)[..., 0, :] == 0.3).all()
    from scipy.ndimage import gaussian_filter

    by_scipy = gaussian_filter(x.double().numpy(), (0, 0, 1, 1), mode="nearest", radius=(0, 0, 3, 3))
    torch.testing.assert_close(features.blurred(x.double(), 1.0), torch.from_numpy(by_scipy))
    assert features.blurred(x, 0.0) is x
