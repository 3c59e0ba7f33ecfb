"""Directions in the space of codes and what they move; the code of a given scene; units that spoil the picture."""
import math

import numpy as np
import pytest
import torch
from torch import nn

from xaikit import data, dissect, evaluate, generate, zoo

NAMES = data.scenes(1).mask_names


@pytest.fixture(scope="module")
def generator():
    return zoo.load("scenes-gan")


@pytest.fixture(scope="module")
def see():
    return dissect.seen_by(zoo.load("scenes-segmenter"), NAMES)


@pytest.fixture(scope="module")
def features():
    net = zoo.load("scenes-cnn")
    return lambda x: net.features(x).mean((2, 3))


# directions ---------------------------------------------------------------------------------------

def test_sefa_is_the_eigenvectors_of_the_first_weight(generator):
    weight = next(m for m in generator.modules() if isinstance(m, nn.Linear)).weight.detach()
    directions, stretch = dissect.sefa(generator)
    assert directions.shape == (64, 64) and (stretch.diff() <= 0).all()
    assert torch.allclose(directions @ directions.T, torch.eye(64), atol=1e-4)
    assert torch.allclose(weight.T @ weight @ directions.T, directions.T * stretch**2, atol=1e-2)
    few, _ = dissect.sefa(generator, 3)
    assert torch.equal(few, directions[:3]) and not few.requires_grad
    other = torch.nn.functional.normalize(torch.randn(64, 64, generator=torch.Generator().manual_seed(0)), dim=1)
    assert (weight @ directions[0]).norm() > (weight @ other.T).norm(dim=0).max()
    for k in (0, 65):
        with pytest.raises(ValueError, match="64 directions"):
            dissect.sefa(generator, k)
    with pytest.raises(ValueError, match="no linear"):
        dissect.sefa(nn.Sequential(nn.Conv2d(3, 3, 1)))


def test_principal_directions_of_a_linear_generator_are_its_singular_vectors():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 20))
    with torch.no_grad():
        u, _, v = torch.linalg.svd(net[0].weight, full_matrices=False)
        net[0].weight.copy_(u * torch.tensor([9., 6, 4, 2, 1, .5]) @ v)
    z = torch.randn(20_000, 6)
    found, share = dissect.principal(net, "0", z, 3)
    assert (found * v[:3]).sum(1).abs().min() > .99 and torch.allclose(found.norm(dim=1), torch.ones(3))
    squares = torch.tensor([9., 6, 4, 2, 1, .5]).square()
    assert torch.allclose(share, (squares / squares.sum())[:3], atol=.02)
    with pytest.raises(ValueError, match="too few"):
        dissect.principal(net, "0", z[:6])


def test_principal_directions_move_a_trained_layer_most(generator):
    found, share = dissect.principal(generator, "block8", generator.codes(300, 2), 5)
    assert found.shape == (5, 64) and (share.diff() <= 0).all() and 0 < share.sum() < 1
    z = generator.codes(8, 3)
    random = torch.nn.functional.normalize(torch.randn(5, 64, generator=torch.Generator().manual_seed(1)), dim=1)
    size = [(dissect.moved(generator, z, d, (-2., 2.)).diff(dim=1)).square().mean().item() for d in (found, random)]
    assert size[0] > 1.3 * size[1]


def test_moved_pictures(generator):
    z, directions = generator.codes(3), torch.eye(64)[:2]
    found = dissect.moved(generator, z, directions, (-1.0, 0.0, 2.0))
    assert found.shape == (2, 3, 3, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(found[1, 2], generator(z + 2 * directions[1]), atol=1e-5)
        assert torch.allclose(found[0, 1], generator(z), atol=1e-5)


def test_factors_by_hand():
    masks = torch.zeros(2, 2, 4, 5, dtype=torch.bool)
    masks[0, 0, 3, 4] = masks[0, 0, 3, 0] = True
    pictures = torch.zeros(2, 3, 4, 5)
    pictures[1, 2] = .5
    found, names = dissect.factors(pictures, masks, ["a", "b"])
    row = dict(zip(names, found[0].tolist(), strict=True))
    assert (row["area a"], row["x a"], row["y a"], row["area b"]) == (.1, .5, 1, 0)
    assert math.isnan(row["x b"]) and found[1, -1] == .5 and names[-1] == "blue"


class Painter(nn.Module):
    """A code of three numbers is the brightness of red, green and blue."""

    def forward(self, z):
        return z[:, :, None, None].expand(-1, 3, 4, 4) / 10 + .5


def test_effects_know_which_direction_moves_what():
    z = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    never = lambda x: torch.zeros(len(x), 1, 4, 4, dtype=torch.bool)  # noqa: E731
    found, names = dissect.moves(Painter(), z, torch.eye(3), never, ["nothing"], step=1.0)
    assert names[-3:] == ["red", "green", "blue"] and (found[:, :-3] == 0).all()
    assert torch.allclose(found[:, -3:], 2 * torch.eye(3).double(), atol=.2)
    mixed = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)))[0]
    other, _ = dissect.moves(Painter(), z, mixed, never, ["nothing"], step=1.0)
    assert dissect.disentanglement(found[:, -3:])[0] > .999 > .8 > dissect.disentanglement(other[:, -3:])[0]


def test_disentanglement_is_the_formula():
    assert dissect.disentanglement(torch.eye(4)) == pytest.approx((1, 1))
    assert dissect.disentanglement(torch.ones(3, 5)) == pytest.approx((0, 0), abs=1e-9)
    half = torch.tensor([[1., 1, 0, 0], [0, 0, 1, 1]])
    assert dissect.disentanglement(half) == pytest.approx((.5, 1))
    assert dissect.disentanglement(torch.tensor([[3., 0], [1, 1]]))[0] == pytest.approx(.6)  # 1 · 3/5 + 0 · 2/5
    assert dissect.disentanglement([[0., 0], [1, 0]])[0] == pytest.approx(1), "a direction without effect has no weight"
    for wrong in (torch.ones(3), torch.ones(1, 4), torch.tensor([[1., -1], [1, 1]]), torch.full((2, 2), math.nan)):
        with pytest.raises(ValueError, match="effects"):
            dissect.disentanglement(wrong)


# inversion ----------------------------------------------------------------------------------------

def test_a_generated_scene_is_found_again_and_a_real_one_nearly(generator, features):
    with torch.no_grad():
        own = generator(generator.codes(1, seed=123))
    before = torch.get_rng_state()
    found = dissect.invert(generator, own, features, steps=60, starts=3, draws=128)
    assert torch.equal(before, torch.get_rng_state())
    assert found.pixel < .08 and found.pixel < .5 * found.start and found.feature < .2 and found.losses.shape == (61,)
    assert found.losses[-1] < .5 * found.losses[0]
    with torch.no_grad():
        assert torch.allclose(generator(found.z), found.picture, atol=1e-5)
    again = dissect.invert(generator, own, features, steps=60, starts=3, draws=128)
    assert torch.equal(again.z, found.z)
    assert all(p.grad is None for p in generator.parameters())
    real = data.scenes(1, seed=1003).images
    there = dissect.invert(generator, real, features, steps=60, starts=3, draws=128)
    print(f"own: {found.pixel:.3f}, {found.feature:.3f}; held-back: pixel {there.start:.3f} → {there.pixel:.3f}, "
          f"feature {there.feature:.3f}")
    assert there.pixel < .16 and there.pixel < .95 * there.start and there.feature < .5


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (2, 3, 64, 64), (3, 64, 64), (1, 1, 64, 64)])
def test_a_picture_of_another_size(generator, features, shape):
    with pytest.raises(ValueError, match="draws pictures"):
        dissect.invert(generator, torch.zeros(shape), features)
    with pytest.raises(ValueError, match="starts"):
        dissect.invert(generator, torch.zeros(1, 3, 64, 64), features, starts=9, draws=8)


# artefacts ----------------------------------------------------------------------------------------

def test_a_unit_that_spoils_the_picture_is_found():
    """A generator whose unit 2 adds stripes that the real pictures lack; unit 0 is needed."""
    torch.manual_seed(0)
    net = generate.Generator((6, 6), latent=8).eval()
    with torch.no_grad():
        net.block8[1].weight[:] = 0
        for k in range(6):
            net.block8[1].weight[k, k, 1, 1] = 1
        net.rgb[0].weight[:] = 0
        net.rgb[0].weight[:, 0, 1, 1] = 1
    z = net.codes(200)
    features = lambda x: x.flatten(1)[:, ::7]  # noqa: E731
    with torch.no_grad():
        real = features(net(net.codes(200, 5)))
        net.rgb[0].weight[:, 2, 1, 1] = .5
    found = dissect.artefacts(net, "block8", z, real, features, evaluate.frechet_distance)
    assert found.unit[0] == 2 and found.change[0] < 0 and found.improved[0] == 2
    assert found.unit.iloc[-1] == 0 and found.change.iloc[-1] > 0 and len(found) == 6
    both = dissect.artefacts(net, "block8", z, real, features, evaluate.frechet_distance, units=[[1, 2], 3])
    assert both.unit[0] == (1, 2)
    with pytest.raises(ValueError, match="parts"):
        dissect.artefacts(net, "block8", z[:3], real, features, evaluate.frechet_distance, folds=2)
    assert np.isfinite(found.distance).all()
