"""Margins: DeepFool in subspaces against closed forms, bands of the DCT, and what is done with them."""
import pytest
import torch
from torch import nn

from xaikit.dynamics import margins as m


def linear(seed, inputs=6, classes=3):
    torch.manual_seed(seed)
    return nn.Linear(inputs, classes)


def closed_form(net, x, basis=None):
    """min over classes of |f_k − f_own| / ‖P(w_k − w_own)‖."""
    with torch.no_grad():
        f, W = net(x), net.weight
        own = f.argmax(1)
        way = W[None] - W[own][:, None]
        way = way if basis is None else way @ basis.T
        far = (f - f.gather(1, own[:, None])).abs() / way.norm(dim=2)
        return far.scatter(1, own[:, None], torch.inf).min(1).values


@pytest.mark.parametrize("dim", [None, 1, 3])
def test_a_linear_network_s_margin_is_known(dim):
    net, x = linear(0), torch.randn(50, 6, generator=torch.Generator().manual_seed(1))
    basis = None if dim is None else m.subspaces(1, 6, dim, seed=2)[0]
    move, found = m.deepfool(net, x, basis, halvings=20)
    assert found.all() and torch.allclose(move.norm(dim=1), closed_form(net, x, basis), rtol=1e-3, atol=2e-4)
    assert (net(x + move).argmax(1) != net(x).argmax(1)).all()
    if basis is not None:
        assert torch.allclose(move @ basis.T @ basis, move, atol=1e-4 * move.abs().max().item())


def test_several_networks_and_bands_at_once_are_each_alone():
    nets = [nn.Sequential(nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 4)) for _ in range(3)]
    x, basis = torch.randn(7, 16), m.bands(4, 2)
    together = m.margin(nets, x, basis[:, None])
    assert together.shape == (3, 3, 7)
    for e, net in enumerate(nets):
        for b in range(3):
            alone = m.margin(net, x, basis[b])
            assert torch.allclose(together[e, b], alone, rtol=1e-3)
    own = m.subspaces(7, 16, 2)
    assert torch.allclose(m.margin(nets[0], x, own)[3:4], m.margin(nets[0], x[3:4], own[3]), rtol=1e-3)


def test_what_is_not_found_is_infinite():
    net = linear(3)
    with torch.no_grad():
        net.weight[:, 0] = 1.0  # the first input tells no class from another
    assert m.margin(net, torch.randn(5, 6), torch.eye(6)[:1]).isinf().all()
    move, found = m.deepfool(net, torch.randn(5, 6), torch.eye(6)[:1])
    assert not found.any() and (move == 0).all()


def test_the_networks_are_left_as_they_were():
    net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    x = torch.randn(9, 6)
    first = m.margin(net, x)
    assert net.training and all(k.training for k in net.modules()) and torch.equal(first, m.margin(net, x))
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items()) and all(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize(("change", "words"), [
    ({"x": torch.tensor([[float("nan")] * 6])}, "finite"), ({"x": torch.ones(2, 6, dtype=torch.long)}, "finite"),
    ({"basis": torch.ones(2, 6)}, "orthonormal"), ({"basis": torch.eye(5)}, "a basis is"), ({"steps": 0}, "steps"),
    ({"overshoot": -1.0}, "overshoot")])
def test_bad_input_is_named(change, words):
    with pytest.raises(ValueError, match=words):
        m.deepfool(**({"models": linear(0), "x": torch.ones(2, 6)} | change))


def test_bands_and_the_turn_of_frequencies():
    c, bases = m.cosines(8), m.bands(8)
    assert torch.allclose(c @ c.T, torch.eye(8), atol=1e-6) and bases.shape == (7, 4, 64)
    assert torch.allclose(bases @ bases.mT, torch.eye(4).expand(7, 4, 4), atol=1e-5)
    x = torch.randn(5, 8, 8)
    turned = m.flip_frequencies(x)
    assert torch.allclose(m.flip_frequencies(turned), x, atol=1e-5)
    assert torch.allclose(torch.cdist(turned.flatten(1), turned.flatten(1)), torch.cdist(x.flatten(1), x.flatten(1)), atol=1e-3)
    energy = (bases @ x.flatten(1).T).norm(dim=(1, 2))
    assert torch.allclose((bases @ turned.flatten(1).T).norm(dim=(1, 2)), energy.flip(0), rtol=1e-4)
    with pytest.raises(ValueError, match="does not fit"):
        m.bands(8, 9)


def test_random_subspaces():
    u = nn.functional.normalize(torch.randn(20), dim=0)
    found = m.subspaces(6, 20, 3, u, seed=1)
    assert found.shape == (6, 3, 20) and (found @ u).abs().max() < 1e-5
    assert torch.allclose(found @ found.mT, torch.eye(3).expand(6, 3, 3), atol=1e-5)
    assert torch.equal(found, m.subspaces(6, 20, 3, u, seed=1)) and not torch.equal(found, m.subspaces(6, 20, 3, u, seed=2))


def test_margins_follow_the_data_s_frequencies():
    plain, turned = (m.band_margins(k).median(2).values.mean(0) for k in (False, True))
    assert plain[-1] > 2 * plain[0] and turned[0] > 1.2 * turned[-1]
    assert torch.allclose(m.discriminative(False), m.discriminative(True).flip(0), rtol=1e-3)
    assert (m.classifiers(True).measured["accuracy"][-1] > 0.95).all()
