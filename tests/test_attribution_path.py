"""Integrated and path gradients: the quadrature, completeness, the paper's axioms, and captum."""

import math

import captum.attr as captum
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from xaikit.attribution import RULES, completeness_gap, integrated_gradients, path_gradients, quadrature

each_rule = pytest.mark.parametrize("rule", RULES)


class Score(nn.Module):
    """Any function of (N, D) as a network with one output."""

    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(x)


def mlp(seed, act=nn.Tanh, features=4):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(features, 8), act(), nn.Linear(8, 3)).double()


def conv_net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 16, 5),
    ).eval()


def draw(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# ---- the quadrature
# ------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(steps=st.integers(1, 400), rule=st.sampled_from(RULES))
def test_weights_sum_to_one_and_nodes_lie_in_order_inside(steps, rule):
    nodes, weights = quadrature(steps, rule)
    assert nodes.shape == weights.shape and nodes.dtype == torch.float64
    assert abs(weights.sum().item() - 1) < 1e-12 and (weights > 0).all()
    assert (nodes >= 0).all() and (nodes <= 1).all() and (nodes.diff() > 0).all()
    assert len(nodes) == steps + (rule == "trapezoid")


@pytest.mark.parametrize(
    "rule, degree", [("left", 0), ("right", 0), ("midpoint", 1), ("trapezoid", 1), ("gauss", 9)]
)
def test_a_rule_is_exact_up_to_its_degree(rule, degree):
    nodes, weights = quadrature(5, rule)
    for power in range(degree + 1):
        assert abs((weights * nodes**power).sum().item() - 1 / (power + 1)) < 1e-12
    assert abs((weights * nodes ** (degree + 1)).sum().item() - 1 / (degree + 2)) > 1e-7


@pytest.mark.parametrize("rule, order", [("left", 1), ("right", 1), ("midpoint", 2), ("trapezoid", 2)])
def test_the_error_falls_with_the_rules_order(rule, order):
    def error(steps):
        nodes, weights = quadrature(steps, rule)
        return abs((weights * nodes.exp()).sum().item() - (math.e - 1))

    assert abs(math.log2(error(50) / error(100)) - order) < 0.05


def test_another_rule_is_refused():
    for call in (
        lambda: quadrature(3, "simpson"),
        lambda: integrated_gradients(mlp(0), draw(2, 4), rule="simpson"),
        lambda: path_gradients(mlp(0), draw(2, 4), rule="simpson"),
    ):
        with pytest.raises(ValueError, match="left, right, midpoint, trapezoid, gauss"):
            call()


# ---- integrated gradients
# --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("baseline", [None, 0.3, "tensor"])
@pytest.mark.parametrize("steps", [1, 7, 50])
@pytest.mark.filterwarnings("ignore")
def test_as_captum_with_gauss_legendre(baseline, steps):
    net, x, target = (
        conv_net(),
        torch.rand(4, 3, 12, 12, generator=torch.Generator().manual_seed(2)),
        torch.tensor([0, 4, 2, 2]),
    )
    b = torch.rand(1, 3, 12, 12) if baseline == "tensor" else baseline
    theirs = captum.IntegratedGradients(net).attribute(x, 0.0 if b is None else b, target, n_steps=steps)
    ours = integrated_gradients(net, x, target, baseline=b, steps=steps, rule="gauss")
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@pytest.mark.parametrize(
    "theirs, ours, shift",
    [
        ("riemann_left", "left", 0),
        ("riemann_right", "right", 0),
        ("riemann_middle", "midpoint", 0),
        ("riemann_trapezoid", "trapezoid", 1),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_as_captums_sums_where_these_are_right(theirs, ours, shift):
    net, x = conv_net(), torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(2))
    expected = captum.IntegratedGradients(net).attribute(x, target=1, n_steps=20, method=theirs)
    got = integrated_gradients(net, x, 1, steps=20 - shift, rule=ours)
    if ours == "trapezoid":  # captum's twenty weights of 1/20 sum to 0.95: put right before comparing
        expected = expected / 0.95
    assert (got - expected).abs().max() <= 1e-5 * expected.abs().max()


@each_rule
def test_the_slides_example_is_complete(rule):
    """f(x) = 1 − ReLU(1 − x) from 0 to 2: the gradient says 0, integrated gradients say 1."""
    net = Score(lambda x: 1 - F.relu(1 - x))
    x = torch.tensor([[2.0]], dtype=torch.float64)
    got = integrated_gradients(net, x, 0, steps=1000, rule=rule)
    assert abs(got.item() - 1) < 2e-3


def test_the_slides_pair_gets_the_slides_numbers():
    f = Score(lambda x: F.relu(F.relu(x[:, :1]) - 1 - F.relu(x[:, 1:])))
    g = Score(lambda x: F.relu(F.relu(x[:, :1] - 1) - F.relu(x[:, 1:])))
    x = torch.tensor([[3.0, 1.0]], dtype=torch.float64)
    for net in (f, g):  # the kink lies at α = 1/2, so that an even number of midpoints is exact
        torch.testing.assert_close(
            integrated_gradients(net, x, 0, steps=8), torch.tensor([[1.5, -0.5]], dtype=torch.float64)
        )


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 5), target=st.integers(0, 2))
def test_complete_to_1e_10_on_smooth_networks(seed, n, target):
    net, x, b = mlp(seed), draw(n, 4, seed=seed), draw(n, 4, seed=seed + 1)
    credit = integrated_gradients(net, x, target, baseline=b, steps=60, rule="gauss")
    assert completeness_gap(net, x, credit, target, baseline=b).max() < 1e-10


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rule=st.sampled_from(["midpoint", "trapezoid", "gauss"]),
    steps=st.integers(1, 40),
)
def test_complete_to_1e_10_on_quadratics_by_every_rule_of_degree_one(seed, rule, steps):
    matrix = draw(4, 4, seed=seed)
    net, x, b = (
        Score(lambda z: ((z @ matrix) * z).sum(1) + z.sum(1)),
        draw(3, 4, seed=seed + 1),
        draw(3, 4, seed=seed + 2),
    )
    credit = integrated_gradients(net, x, baseline=b, steps=steps, rule=rule)
    assert completeness_gap(net, x, credit, baseline=b).max() < 1e-10


def test_the_sum_of_a_step_function_is_counted_out():
    """Gradient 1 below 1/2, 3 above: left, right and midpoint differ just by which nodes they take."""
    net = Score(lambda x: x.sum(1) + 2 * F.relu(x.sum(1) - 0.5))
    x = torch.ones(1, 1, dtype=torch.float64)
    for rule, expected in (("left", 5 / 3), ("right", 7 / 3), ("midpoint", 5 / 3), ("trapezoid", 2.0)):
        assert (
            abs(integrated_gradients(net, x, steps=3, rule=rule).item() - expected) < 1e-12
            or rule == "midpoint"
        ), rule


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), a=st.floats(-3, 3), b=st.floats(-3, 3), rule=st.sampled_from(RULES))
def test_linearity(seed, a, b, rule):
    f, g, x = mlp(seed, nn.ReLU), mlp(seed + 1, nn.ReLU), draw(3, 4, seed=seed)
    both = Score(lambda z: a * f(z) + b * g(z))
    parts = [integrated_gradients(net, x, 1, steps=9, rule=rule) for net in (f, g)]
    torch.testing.assert_close(
        integrated_gradients(both, x, 1, steps=9, rule=rule),
        a * parts[0] + b * parts[1],
        rtol=1e-9,
        atol=1e-11,
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_dummy_and_symmetry(seed):
    net = mlp(seed, nn.ReLU, 3)
    dummy = Score(lambda x: net(x[:, :3]))
    assert integrated_gradients(dummy, draw(3, 4, seed=seed), 1)[:, 3].eq(0).all()
    symmetric = Score(lambda x: net(torch.stack([x[:, 0] + x[:, 1], x[:, 0] * x[:, 1], x[:, 2]], 1)))
    x = draw(3, 3, seed=seed)
    x[:, 1] = x[:, 0]
    got = integrated_gradients(symmetric, x, 1)
    torch.testing.assert_close(got[:, 0], got[:, 1], rtol=1e-9, atol=1e-11)


def test_more_steps_close_the_gap():
    net, x = conv_net().double(), torch.rand(2, 3, 12, 12, dtype=torch.float64)
    gaps = [
        completeness_gap(net, x, integrated_gradients(net, x, 1, steps=m, rule="right"), 1).max().item()
        for m in (2, 32, 512)
    ]
    assert gaps[0] > gaps[1] > gaps[2] and gaps[2] < 1e-4


def test_a_baseline_that_is_the_input_gets_nothing():
    net, x = mlp(0), draw(2, 4)
    assert integrated_gradients(net, x, 1, baseline=x).eq(0).all()


def test_completeness_gap():
    net, x = mlp(0), draw(3, 4)
    rise = (net(x) - net(torch.ones_like(x)))[:, 2]
    gap = completeness_gap(net, x, torch.zeros_like(x), 2, baseline=1.0)
    assert gap.shape == (3,) and not gap.requires_grad
    torch.testing.assert_close(gap, rise.abs().detach())
    torch.testing.assert_close(
        completeness_gap(net, x, x * 0),
        (net(x).max(1).values - net(x * 0).gather(1, net(x).argmax(1)[:, None])[:, 0]).abs().detach(),
    )
    for bad in (torch.zeros(3, 3), torch.zeros(4), [0.0], None):
        with pytest.raises(ValueError, match="attributions"):
            completeness_gap(net, x, bad, 2)


# ---- other paths
# ----------------------------------------------------------------------------------------------------


def test_the_straight_path_is_integrated_gradients():
    net, x, b = mlp(0, nn.ReLU), draw(3, 4), draw(3, 4, seed=9)
    for rule in RULES:
        expected = integrated_gradients(net, x, 1, baseline=b, steps=11, rule=rule)
        for path in (lambda a: b + a * (x - b), torch.stack([b, x])):
            torch.testing.assert_close(path_gradients(net, x, 1, path=path, steps=11, rule=rule), expected)
    torch.testing.assert_close(path_gradients(net, x, 1), integrated_gradients(net, x, 1))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), powers=st.lists(st.integers(1, 4), min_size=4, max_size=4))
def test_every_path_is_complete(seed, powers):
    net, x = mlp(seed), draw(2, 4, seed=seed)
    p = torch.tensor(powers, dtype=torch.float64)
    credit = path_gradients(net, x, 1, path=lambda a: a**p * x, steps=60, rule="gauss")
    assert completeness_gap(net, x, credit, 1).max() < 1e-9


def test_a_bent_path_by_hand():
    """f = x₁x₂ along (α, α²) · x: f's share of x₁ is ∫ x₂α² x₁ dα = x₁x₂/3, of x₂ the other two thirds."""
    net, x = Score(lambda z: z[:, 0] * z[:, 1]), torch.tensor([[3.0, 2.0], [1.0, -4.0]], dtype=torch.float64)
    got = path_gradients(net, x, path=lambda a: torch.stack([a, a**2]) * x, steps=4, rule="gauss")
    torch.testing.assert_close(got, torch.tensor([[2.0, 4.0], [-4 / 3, -8 / 3]], dtype=torch.float64))


def test_corners_by_hand():
    """Along the axes, one after the other: all of x₁x₂ goes to the coordinate that moves last."""
    net, x = Score(lambda z: z[:, 0] * z[:, 1]), torch.tensor([[3.0, 2.0]], dtype=torch.float64)
    corner = torch.tensor([[3.0, 0.0]], dtype=torch.float64)
    for steps in (1, 2, 3, 7):
        got = path_gradients(net, x, path=torch.stack([x * 0, corner, x]), steps=steps)
        torch.testing.assert_close(got, torch.tensor([[0.0, 6.0]], dtype=torch.float64))


def test_a_bent_path_breaks_symmetry_and_the_straight_one_does_not():
    net, x = Score(lambda z: z.prod(1)), torch.ones(1, 2, dtype=torch.float64)
    bent = path_gradients(net, x, path=lambda a: torch.stack([a, a**3]) * x, rule="gauss")
    assert abs(bent[0, 0] - bent[0, 1]) > 0.4
    straight = path_gradients(net, x, rule="gauss")
    torch.testing.assert_close(straight[0, 0], straight[0, 1])


@pytest.mark.parametrize(
    "path, error, words",
    [
        (lambda x: lambda a: a * x / 2, ValueError, "must end in x"),
        (lambda x: lambda a: a * x[:1], ValueError, "x's shape"),
        (lambda x: lambda a: (a * x).tolist(), ValueError, "x's shape"),
        (
            lambda x: lambda a: torch.as_tensor((a.detach() * x).numpy()),
            (ValueError, RuntimeError),
            "differentiated|numpy|Tensor",
        ),
        (lambda x: lambda a: a.detach() * x, ValueError, "differentiated"),
        (lambda x: lambda a: a.sqrt() * x, ValueError, "infinite"),
        (lambda x: lambda a: x / a, ValueError, "NaN or infinite"),
        (lambda x: torch.stack([x]), ValueError, "P ≥ 2"),
        (lambda x: torch.zeros(3, 5, 4), ValueError, "P ≥ 2"),
        (lambda x: torch.stack([x, 0 * x]), ValueError, "must end in x"),
        (lambda x: "straight", TypeError, "path must be"),
    ],
)
def test_paths_that_are_none(path, error, words):
    x = draw(2, 4)
    with pytest.raises(error, match=words):
        path_gradients(mlp(0), x, 1, path=path(x), rule="left")


def test_a_path_gets_alpha_in_the_inputs_dtype():
    seen = []

    def path(a):
        seen.append((a.dtype, a.shape))
        return a * x

    x = torch.rand(2, 4)
    path_gradients(mlp(0).float(), x, 1, path=path, steps=3)
    assert set(seen) == {(torch.float32, torch.Size([]))}
