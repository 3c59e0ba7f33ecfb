"""Information of tables and samples, gates and the networks of the information plane: against definitions and
by hand."""

import math
from collections import Counter

import numpy as np
import pytest
import torch

from xaikit.dynamics import gates, information, plane

rng = np.random.default_rng(0)


def entropy_of(rows):
    return -sum(c / len(rows) * math.log2(c / len(rows)) for c in Counter(map(tuple, rows)).values())


# ------------------------------------------------------------------------------------------------- tables


def test_entropies_known_by_heart():
    assert information.entropy([0.5, 0.5]) == 1 and information.entropy([1.0, 0.0]) == 0
    assert information.entropy(np.full((4, 8), 1 / 32)) == pytest.approx(5)
    p = 0.11
    assert information.mutual_information([[(1 - p) / 2, p / 2], [p / 2, (1 - p) / 2]]) == pytest.approx(
        1 - information.entropy([p, 1 - p])
    )  # the symmetric channel's capacity
    assert information.mutual_information(np.diag([0.2, 0.3, 0.5])) == pytest.approx(
        information.entropy([0.2, 0.3, 0.5])
    )


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (7, 3)])
def test_mutual_information_by_its_other_formulas(shape):
    joint = rng.dirichlet(np.full(shape[0] * shape[1], 0.4)).reshape(shape)
    joint[0, 0] += joint[-1, -1] * (shape != (1, 1))
    joint[-1, -1] *= shape == (1, 1)  # a zero
    h = information.entropy
    found = information.mutual_information(joint)
    assert found == pytest.approx(h(joint.sum(0)) + h(joint.sum(1)) - h(joint)) and found > -1e-12
    assert found == pytest.approx(information.mutual_information(joint.T))
    assert information.mutual_information(np.outer(joint.sum(1), joint.sum(0))) == pytest.approx(0, abs=1e-12)


def test_processing_never_adds():
    for _ in range(50):
        joint, channel = rng.dirichlet(np.ones(12)).reshape(3, 4), rng.dirichlet(np.ones(5), 4)
        after = information.through(joint, channel)
        assert after.shape == (3, 5) and after.sum() == pytest.approx(1)
        assert information.mutual_information(after) <= information.mutual_information(joint) + 1e-12


@pytest.mark.parametrize(
    "bad, said",
    [
        ([[0.5, 0.6], [0.0, 0.1]], "sums to 1.2"),
        ([[3.0, 1.0], [2.0, 4.0]], "divide counts"),
        ([[1.2, -0.2], [0.0, 0.0]], "no probability"),
        ([[math.nan, 1.0], [0.0, 0.0]], "no probability"),
        (np.zeros((0, 3)), "empty"),
        ([0.5, 0.5], "two axes"),
    ],
)
def test_what_is_no_joint_table_is_refused(bad, said):
    with pytest.raises(ValueError, match=said):
        information.mutual_information(bad)


def test_a_channel_must_fit_its_table():
    joint = np.full((2, 3), 1 / 6)
    with pytest.raises(ValueError, match="one row for each y"):
        information.through(joint, np.eye(2))
    with pytest.raises(ValueError, match="a row of the channel sums to 2"):
        information.through(joint, 2 * np.eye(3))


# ------------------------------------------------------------------------------------------------- samples


@pytest.mark.parametrize(
    "e, n, d, bins", [(1, 50, 1, 2), (3, 200, 4, 3), (2, 4096, 7, 30), (4, 300, 12, 1000)]
)
def test_binned_is_counting(e, n, d, bins):
    h = torch.tensor(rng.uniform(-1.2, 1.2, (e, n, d)))
    h = h[:, torch.tensor(rng.integers(n // 3, size=n))]  # states that come again
    y = torch.tensor(rng.integers(5, size=n))
    own, told = information.binned(h, y, bins, -1.0, 1.0)
    for k in range(e):
        t = np.clip(np.floor((h[k].numpy() + 1) * (bins / 2)), 0, bins - 1)
        assert own[k] == pytest.approx(entropy_of(t))
        both = entropy_of(np.column_stack([t, y]))
        assert told[k] == pytest.approx(entropy_of(t) + entropy_of(y[:, None].numpy()) - both)


def test_hashes_of_all_states_differ():
    """Every state of twelve gates, of four units with eight bins and of one unit with a million bins: none is
    mistaken."""
    for d, base in ((12, 2), (4, 8), (1, 4096)):
        states = np.arange(4096)[:, None] // base ** np.arange(d) % base
        assert information.discrete(states[None])[0][0] == pytest.approx(12)
        assert information.discrete(states[None] * -1)[0][0] == pytest.approx(12)


@pytest.mark.parametrize("count", [0, -3, 2.5, True])
def test_no_bins_are_refused(count):
    with pytest.raises(ValueError, match="number of bins"):
        information.binned(torch.zeros(1, 4, 2), torch.zeros(4).long(), count, -1, 1)


def test_empty_and_ill_formed_data_are_refused():
    with pytest.raises(ValueError, match="not empty"):
        information.binned(torch.zeros(1, 0, 2), torch.zeros(0).long(), 3, -1, 1)
    with pytest.raises(ValueError, match="not empty"):
        information.discrete(np.zeros((4, 2), int))
    with pytest.raises(ValueError, match="bin them first"):
        information.discrete(np.zeros((1, 4, 2)))
    with pytest.raises(ValueError, match="one label"):
        information.discrete(np.zeros((1, 4, 2), int), [0, 1])
    with pytest.raises(ValueError, match="low < high"):
        information.bins(torch.zeros(3), 2, 1.0, 1.0)
    for options, said in (({"sigma": 0}, "sigma"), ({"bound": "middle"}, "bound")):
        with pytest.raises(ValueError, match=said):
            information.kernel(torch.zeros(3, 2), **options)
    with pytest.raises(ValueError, match="not empty"):
        information.kernel(torch.zeros(0, 2))


def test_the_kernels_bounds_hold_the_truth_between_them():
    """Two points with noise: I(X; T + ε) by numerical integration; far apart both bounds are H(X)."""
    for distance in (0.5, 1.0, 2.0, 4.0):
        h = torch.tensor([[0.0], [distance]], dtype=torch.float64)
        t = np.linspace(-8, 8 + distance, 40_001)
        p = (np.exp(-(t**2) / 2) + np.exp(-((t - distance) ** 2) / 2)) / 2 / math.sqrt(2 * math.pi)
        truth = -(p * np.log2(p + 1e-300)).sum() * (t[1] - t[0]) - 0.5 * math.log2(2 * math.pi * math.e)
        low, high = (information.kernel(h, sigma=1.0, bound=bound) for bound in ("lower", "upper"))
        assert low < truth < high
    far = torch.arange(64.0)[:, None] * 100
    own, told = information.kernel(far, torch.arange(64) % 4, sigma=1.0)
    assert own == pytest.approx(6) and told == pytest.approx(2)


def test_intervals():
    from scipy import stats

    values = rng.normal(size=(9, 3))
    mean, half = information.interval(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval()
    assert np.allclose(mean - half, low) and np.allclose(mean + half, high)
    with pytest.raises(ValueError, match="two runs"):
        information.interval([1.0])


# --------------------------------------------------------------------------------------------------- gates


@pytest.mark.parametrize("width, chance", [(1, 0.5), (5, 0.3), (10, 0.1), (3, 0.0), (16, 0.5)])
def test_the_books_of_gates_close_and_agree_with_the_fast_way(width, chance):
    g = torch.rand(500, width, generator=torch.Generator().manual_seed(width)) < chance
    g[:, -1] = g[:, 0]  # two that agree, where there are two
    own, correlation, cross = gates.bookkeeping(g)
    assert abs(own + correlation - cross) < 1e-6
    fast = gates.entropies(g[None])
    assert own == pytest.approx(fast[0][0]) and correlation == pytest.approx(fast[1][0], abs=1e-9)
    assert own == pytest.approx(entropy_of(g.int().numpy())) and correlation > -1e-12
    if width > 1 and chance:
        assert correlation > 0.1


def test_what_gates_tell_of_labels():
    y = np.arange(400) % 4
    g = np.stack([y % 2, y // 2, np.zeros(400, int)], 1).astype(bool)
    own, correlation, told = gates.entropies(g[None], y)
    assert (
        own[0] == pytest.approx(2)
        and correlation[0] == pytest.approx(0, abs=1e-12)
        and told[0] == pytest.approx(2)
    )


def test_what_are_no_gates_is_refused():
    for bad, said in (
        (torch.zeros(0, 3), "not empty"),
        (torch.full((4, 2), 0.5), "0 or 1"),
        (torch.zeros(4, 17), "too many"),
    ):
        with pytest.raises(ValueError, match=said):
            gates.bookkeeping(bad)
    for z, options, said in ((torch.zeros(1, 3), {}, "two rows"), (torch.zeros(4, 3), {"flip": 0.5}, "flip")):
        with pytest.raises(ValueError, match=said):
            gates.complexity(z, **options)


def test_the_penalty_bounds_the_entropy_and_falls_with_it():
    """On crisp gates it is a leave-one-out cross-entropy: above the entropy; equal gates cost least;
    gradients exist."""
    generator = torch.Generator().manual_seed(0)
    z = 60 * torch.randn(600, 4, generator=generator)
    loss = gates.complexity(z, flip=0.05).item() / math.log(2)
    truth = gates.bookkeeping(z > 0)[0]
    assert truth < loss < truth + 1.5
    same = gates.complexity(60 * torch.ones(50, 4)).item()
    assert same == pytest.approx(-4 * math.log(0.9), abs=1e-5) and same < loss
    z = torch.randn(20, 6, generator=generator, requires_grad=True)
    before = gates.complexity(z)
    before.backward()
    assert z.grad.abs().sum() > 0 and gates.complexity(z - 0.5 * z.grad) < before


def test_spoiled_digits_and_levels():
    (x, labels, true), (xt, _, truet) = gates.digits()
    assert x.shape == (200, 196) and len(xt) == 1000 and 0.1 < (labels != true).double().mean() < 0.3
    assert not (x[:, None] == xt[None, :200]).all(2).any()
    with pytest.raises(ValueError, match="cannot be trained on"):
        gates.digits(10**6)


# --------------------------------------------------------------------------------------------------- plane


def test_twelve_bits():
    x, y = plane.twelve_bits()
    assert x.shape == (4096, 12) and len(x.unique(dim=0)) == 4096 and set(x.unique().tolist()) == {-1.0, 1.0}
    assert y.double().mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("activation", list(plane.ACTIVATIONS))
def test_a_small_run(activation):
    """Layers are those of the modules, the same call gives the same run, the caller's random state stays as
    it was."""
    state = torch.random.get_rng_state()
    run = plane.train.__wrapped__(activation, 2, 20, 5e-3)
    again = plane.train.__wrapped__(activation, 2, 20, 5e-3)
    assert (torch.random.get_rng_state() == state).all()
    assert all((run.parameters[k] == again.parameters[k]).all() for k in run.parameters)
    assert run.steps[0] == 0 and run.steps[-1] == 20
    net = plane.network(activation)
    net.load_state_dict({k: v[-1, 1] for k, v in run.parameters.items()})
    said = run.layers(-1)
    with torch.no_grad():
        assert torch.allclose(net(plane.twelve_bits()[0]).softmax(-1), said[-1][1], atol=1e-5)
        assert torch.allclose(net[:4](plane.twelve_bits()[0]), said[1][1], atol=1e-5)
    found = plane.look(run, -1, 30)
    assert (
        found.shape == (2, 2, 6)
        and (found >= -1e-9).all()
        and (found[0] <= 12 + 1e-9).all()
        and (found[1] <= 1 + 1e-9).all()
    )
    assert np.allclose(found[:, 1:], plane.look(run, -1, 30, seeds=slice(1, 2)))
    h = run.layers(-1, slice(1, 2))[4]
    low, high = (-1.0, 1.0) if activation == "tanh" else (0.0, run.high[4][1:2].clamp_min(1e-6))
    assert found[0, 1, 4] == pytest.approx(information.binned(h, plane.twelve_bits()[1], 30, low, high)[0][0])
    own, leaked = plane.leaks(run, -1, 30)
    assert np.allclose(own, found[0, :, :5]) and (leaked > -1e-9).all()
