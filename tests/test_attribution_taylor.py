"""Taylor-type decomposition: the terms, roots by line and by local search, what they promise and what they refuse."""
import numpy as np
import pytest
import torch
from torch import nn

from xaikit import attribution, data, zoo
from xaikit.attribution import Decision, line_root, nearest_root, taylor
from xaikit.attribution.taylor import margin


class Sphere(nn.Module):
    """f(x) = |x|² − r²: every root lies on a sphere, the nearest in x's own direction."""

    def __init__(self, radius):
        super().__init__()
        self.radius = radius

    def forward(self, x):
        return (x.square().sum(1) - self.radius**2)[:, None]


def points(n=6, d=3, seed=0, scale=2.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


def test_the_terms_are_those_of_the_formula():
    x, root = points(), points(seed=1)
    found = taylor(Sphere(1.0), x, 0, root=root)
    torch.testing.assert_close(found, (x - root) * 2 * root)
    one = taylor(Sphere(1.0), x, 0, root=root[0])
    torch.testing.assert_close(one, (x - root[0]) * 2 * root[0])


def test_of_a_linear_network_the_decomposition_is_exact_and_the_target_counts():
    torch.manual_seed(0)
    net = nn.Linear(3, 4).double()
    x, target = points(), torch.tensor([0, 1, 2, 3, 0, 1])
    for t in range(4):
        f = Decision(net, t)
        root = nearest_root(f, x)
        assert f(root).abs().max() < 1e-9
        R = taylor(f, x, 0, root=root)
        other = margin(net(x), torch.full((6,), t))
        exact = (R.sum(1) - other).abs() < 1e-9  # unless another class is the best beyond a corner of the boundary
        assert exact.sum() >= 4
    assert torch.equal(taylor(net, x, target, root=0 * x), x * net.weight.detach()[target])


def test_the_nearest_root_of_a_sphere_is_found():
    x = points()
    root = nearest_root(Sphere(1.5), x, 0, steps=80)
    expected = 1.5 * x / x.norm(dim=1, keepdim=True)
    assert (root - expected).norm(dim=1).max() < 2e-3
    assert Sphere(1.5)(root).abs().max() < 1e-9
    again = taylor(Sphere(1.5), x, 0, steps=80)
    assert torch.equal(again, taylor(Sphere(1.5), x, 0, root=root))


def test_a_root_within_a_range_stays_there_and_is_the_nearest_there():
    x = torch.tensor([[2.0, 0.5], [1.0, 1.5]], dtype=torch.float64)
    root = nearest_root(Sphere(1.0), x, 0, steps=80, within=(0.4, 3))
    assert root.min() >= 0.4 and Sphere(1.0)(root).abs().max() < 1e-9
    expected = torch.tensor([[0.84**0.5, 0.4], [1.0, 1.5]], dtype=torch.float64)
    expected[1] /= expected[1].norm()
    assert (root - expected).norm(dim=1).max() < 0.02
    assert nearest_root(Sphere(1.0), x, 0, steps=80)[0].min() < 0.4, "which is nearer, but outside"


def test_on_digits_both_searches_end_on_the_boundary_and_on_the_right_side_of_near():
    net, digits = zoo.load("digits-cnn"), data.digits(split="test")
    x, train = digits.images[:12], data.digits(split="train").images
    with torch.no_grad():
        target = net(x).argmax(1)
        local, line = nearest_root(net, x), line_root(net, x, train)
        best = line_root(net, x, train, candidates=8)
        least = line_root(net, x, train, candidates=8, choose="residuum")
        for root in (local, line, best, least):
            assert margin(net(root), target).abs().max() < 1e-4

    def distance(root):
        return (root - x).flatten(1).norm(dim=1)

    assert (distance(local) < distance(best)).all() and (distance(best) <= distance(line) + 1e-6).all()

    def residuum(root):
        return torch.stack([(Decision(net, int(t))(x[i:i + 1]) - taylor(Decision(net, int(t)), x[i:i + 1], 0, root=root[i:i + 1]).sum())
                            .abs().squeeze() for i, t in enumerate(target)]).detach()

    assert (residuum(least) <= residuum(best) + 1e-4).all() and (residuum(least) < residuum(line) - 1e-3).any()
    # at the nearest root x − x₀ is parallel to the gradient, and no term is negative
    f = Decision(net, int(target[0]))
    R = taylor(f, x[:1], 0, root=nearest_root(f, x[:1], 0, steps=150))
    assert R.clamp(max=0).sum().abs() < 0.1 * R.sum()


def test_a_batch_is_each_image_on_its_own():
    net, x = zoo.load("digits-cnn"), data.digits(split="test").images[:3]
    together = nearest_root(net, x)
    assert (together - torch.cat([nearest_root(net, x[i:i + 1]) for i in range(3)])).abs().max() < 1e-4


def test_the_decision_function_is_positive_where_the_class_wins():
    net, x = zoo.load("digits-mlp"), data.digits(split="test").images[:30]
    logits = net(x)
    for t in range(10):
        f = Decision(net, t)(x)[:, 0]
        assert ((f > 0) == (logits.argmax(1) == t)).all()
        others = logits[:, [k for k in range(10) if k != t]].amax(1)
        torch.testing.assert_close(f, logits[:, t] - others)
    assert torch.equal(Decision(Sphere(1.0), 0)(points()), Sphere(1.0)(points()))


class Flat(nn.Module):
    def forward(self, x):
        return 1 + 0 * x.sum(1, keepdim=True)


@pytest.mark.parametrize("ask, error, words", [
    (lambda x: nearest_root(Flat(), x, 0), ValueError, "image 0: no root was met"),
    (lambda x: line_root(Sphere(1.0), x + 9, x + 10, 0), ValueError, "image 0: none of the 6 others is on the other side"),
    (lambda x: line_root(Sphere(1.0), x, x[:, :2], 0), ValueError, "must be of one shape"),
    (lambda x: line_root(Sphere(1.0), x, x, 0, choose="best"), ValueError, "'distance' or 'residuum'"),
    (lambda x: line_root(Sphere(1.0), x, x, 0, candidates=0), ValueError, "candidates must be at least 1"),
    (lambda x: nearest_root(Sphere(1.0), x, 0, within=(0, 1)), ValueError, r"x has values outside of \[0, 1\]"),
    (lambda x: nearest_root(Sphere(1.0), x, 0, steps=1.5), TypeError, "steps must be a whole number"),
    (lambda x: taylor(Sphere(1.0), x, 0, root=x[:, :2]), ValueError, "root has shape"),
    (lambda x: taylor(Sphere(1.0), x, 0, root="zero"), TypeError, "root must be"),
    (lambda x: taylor(Sphere(1.0), x, 1, root=x), ValueError, "out of range"),
    (lambda x: Decision(nn.Linear(3, 2).double(), 2)(x), ValueError, "target 2 is out of range"),
])
def test_what_is_refused(ask, error, words):
    with pytest.raises(error, match=words):
        ask(points())


def test_without_a_root_the_least_decided_point_stands_in():
    assert not taylor(Flat(), points(), 0).any()


def test_network_and_input_stay_as_they_were():
    net, x = zoo.load("digits-cnn").train(), data.digits(split="test").images[:2]
    before, given = {k: v.clone() for k, v in net.state_dict().items()}, x.clone()
    with torch.no_grad():
        nearest_root(net, x), line_root(net, x, data.digits(split="train").images[:200]), taylor(net, x)
    assert torch.equal(x, given) and net.training and all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())


def test_the_bisection_is_brents_root():
    from scipy.optimize import brentq

    net, x = zoo.load("digits-mlp").double(), data.digits(split="test").images[:3].double()
    train = data.digits(split="train").images.double()
    roots = line_root(net, x, train)
    for i in range(3):
        f = Decision(net, int(net(x[i:i + 1]).argmax()))
        with torch.no_grad():
            beyond = train[f(train)[:, 0] < 0]
        end = beyond[(beyond - x[i]).flatten(1).norm(dim=1).argmin()]
        t = brentq(lambda t, f=f, end=end, i=i: f((x[i] + t * (end - x[i]))[None]).item(), 0, 1)
        assert np.allclose(roots[i].numpy(), (x[i] + t * (end - x[i])).numpy(), atol=1e-6)


def test_lrp_and_taylor_meet_in_a_network_without_biases():
    """With the root at 0 and no biases, the Taylor terms at x's own linear piece are gradient × input and LRP-0."""
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(4, 8, bias=False), nn.ReLU(), nn.Linear(8, 3, bias=False)).double()
    x = points(5, 4)
    tiny = 1e-6 * x  # on the same piece as x
    torch.testing.assert_close(taylor(net, x, 1, root=tiny) / (1 - 1e-6), attribution.lrp(net, x, 1, attribution.Epsilon(0)))
