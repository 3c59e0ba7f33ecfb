"""Belief networks and denoising auto-encoders, against networks so small that everything can be enumerated."""
import itertools

import pytest
import torch

from xaikit import data, features, hooks, zoo
from xaikit.features import Rbm, Stack, belief, contrastive_divergence, fit_dbn, fit_sdae


def states(n):
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=n)), dtype=torch.float64)


def small_rbm(hidden=4, visible=5, seed=0, scale=1.0):
    g = torch.Generator().manual_seed(seed)
    return Rbm(*(scale * torch.randn(s, generator=g, dtype=torch.float64) for s in ((hidden, visible), (hidden,), (visible,))))


def joint(rbm):
    """All v, all h, and p(v, h) as a table (2^V, 2^H), from the definition; log Z."""
    v, h = states(rbm.weight.shape[1]), states(rbm.weight.shape[0])
    energy = v @ rbm.weight.T @ h.T + (h @ rbm.hidden_bias)[None] + (v @ rbm.visible_bias)[:, None]
    return v, h, (energy - energy.flatten().logsumexp(0)).exp(), energy.flatten().logsumexp(0)


def small_stack(widths=(6, 4, 3), seed=0):
    net, g = Stack(widths), torch.Generator().manual_seed(seed)
    for p in net.parameters():
        p.data = 1.2 * torch.randn(p.shape, generator=g)
    return net


def exact(net):
    """log p(x) of all x of a two-layer belief network, and E[x | h2_u = 1] for each unit u of the top."""
    top, below = (Rbm(*(p.detach().double() for p in net.rbm(k))) for k in (2, 1))
    h1, h2, p, _ = joint(top)
    x = states(net.widths[0])
    down = below.down(h1)  # (2^H1, V)
    like = (x @ down.log().T + (1 - x) @ (1 - down).log().T).exp()  # p(x | h1)
    given = torch.stack([(p * h2[:, u]).sum(1) / (p * h2[:, u]).sum() for u in range(h2.shape[1])])
    return x, (like @ p.sum(1)).log(), given @ down


def test_an_rbm_is_what_its_energy_says():
    rbm = small_rbm()
    v, h, p, log_z = joint(rbm)
    assert torch.allclose(rbm.up(v), (p @ h) / p.sum(1, keepdim=True))
    assert torch.allclose(rbm.down(h), (p.T @ v) / p.sum(0)[:, None])
    assert torch.allclose((-rbm.free_energy(v) - log_z).exp(), p.sum(1))


@pytest.mark.parametrize("seed", [0, 1])
def test_annealed_importance_sampling_finds_log_z(seed):
    rbm = small_rbm(6, 8, seed, 1.5)
    found, error = features.log_partition(rbm, chains=400, steps=300, seed=seed)
    assert abs(found - float(joint(rbm)[3])) < max(4 * error, 0.02) and error < 0.1


@pytest.mark.parametrize("unit", [None, 2])
def test_gibbs_chains_reach_the_distribution_with_and_without_a_clamp(unit):
    rbm = Rbm(*(p.float() for p in small_rbm()))
    v, h, p, _ = joint(small_rbm())
    if unit is not None:
        p = p * h[:, unit]
        p = p / p.sum()
    start = torch.zeros(20000, 5)
    found_v, found_h = features.gibbs(rbm, start, 40, unit, torch.Generator().manual_seed(0))
    assert torch.allclose(found_v.double().mean(0), p.sum(1) @ v, atol=0.02)
    assert torch.allclose(found_h.double().mean(0), p.sum(0) @ h, atol=0.02)
    assert unit is None or (found_h[:, unit] == 1).all()
    assert not start.any(), "the caller's chains are not written into"


def test_each_chain_can_have_a_unit_of_its_own():
    rbm = Rbm(*(p.float() for p in small_rbm()))
    unit = torch.arange(4).repeat_interleave(50)
    h = features.gibbs(rbm, torch.zeros(200, 5), 3, unit, torch.Generator().manual_seed(0))[1]
    assert (h[torch.arange(200), unit] == 1).all() and (h == 0).any(0).all()


def test_contrastive_divergence_with_long_chains_is_the_gradient_of_the_likelihood():
    rbm = small_rbm()
    v, h, p, _ = joint(rbm)
    g = torch.Generator().manual_seed(0)
    batch = belief.bernoulli(torch.full((64, 5), 0.6, dtype=torch.float64), g)
    free = [q.clone().requires_grad_(True) for q in rbm]
    again = Rbm(*free)
    (-again.free_energy(batch).mean() - (-again.free_energy(v)).logsumexp(0)).backward()
    slopes, chains = contrastive_divergence(rbm, batch, chains=torch.zeros(20000, 5, dtype=torch.float64), steps=30, generator=g)
    for found, wanted in zip(slopes, free, strict=True):
        assert found.shape == wanted.shape and (found - wanted.grad).abs().max() < 0.05
    assert set(chains.unique().tolist()) == {0.0, 1.0}
    one = contrastive_divergence(rbm, batch, steps=1, generator=g)[0]
    assert sum(float((a * b.grad).sum()) for a, b in zip(one, free, strict=True)) > 0, "CD-1 goes uphill"


def test_the_bound_lies_below_the_likelihood_and_not_far():
    net = small_stack()
    x, truth, _ = exact(net)
    bound = features.log_likelihood_bound(net, x.float(), samples=300, chains=400, steps=300)
    gap = truth - bound
    assert gap.min() > -0.1 and 0 < gap.mean() < 3, gap
    alone = small_stack((5, 4))
    rbm = Rbm(*(p.detach().double() for p in alone.rbm(1)))
    v, _, p, _ = joint(rbm)
    assert torch.allclose(features.log_likelihood_bound(alone, v.float(), samples=1, chains=400, steps=400), p.sum(1).log(), atol=0.05)


def test_clamped_samples_have_the_exact_mean():
    net = small_stack()
    _, _, wanted = exact(net)
    found = features.sample_unit(net, [0, 1, 2], chains=6000, steps=40)
    assert found.shape == (3, 6000, 6) and 0 <= found.min() and found.max() <= 1
    assert torch.allclose(found.double().mean(1), wanted, atol=0.02)
    drawn = features.sample_unit(net, 1, chains=300, steps=10, draws=20)
    assert drawn.shape == (1, 6000, 6) and torch.allclose(drawn[0].double().mean(0), wanted[1], atol=0.03), "one chain after another"


def test_the_layer_that_is_clamped_is_the_top_and_the_seed_decides():
    net = small_stack((6, 4, 3, 3))
    short = small_stack((6, 4, 3))
    short.load_state_dict({k: v for k, v in net.state_dict().items() if k in short.state_dict()})
    a, b, c = (features.sample_unit(n, 1, layer=2, seed=s) for n, s in ((net, 0), (short, 0), (net, 1)))
    assert torch.equal(a, b) and not torch.equal(a, c), "layers above are left out"
    assert features.sample_unit(net, 2, layer=1).shape == (1, 32, 6)


def test_a_filter_combination_is_the_sum_of_the_strongest():
    net = small_stack((6, 5, 4, 3))
    w1, w2, w3 = (net.rbm(k).weight.detach() for k in (1, 2, 3))
    assert torch.equal(features.linear_combination(net, layer=1), w1)
    assert torch.allclose(features.linear_combination(net, layer=2), w2 @ w1, atol=1e-6)
    assert torch.allclose(features.linear_combination(net, [2, 0]), (w3 @ w2 @ w1)[[2, 0]], atol=1e-5)
    for u in range(4):
        strongest = w2[u].abs().argsort(descending=True)[:2]
        assert torch.allclose(features.linear_combination(net, u, 2, strongest=2)[0], sum(w2[u, j] * w1[j] for j in strongest), atol=1e-6)
    assert torch.allclose(features.linear_combination(net, 1, strongest=3), features.linear_combination(net, strongest=3)[1:2])


def test_the_maximum_of_the_first_layer_is_the_filter_and_above_no_picture_does_better():
    net = zoo.load("digits-dbn")
    before = {k: v.clone() for k, v in net.state_dict().items()}
    x, reached = features.maximize_units(net, [3, 7], 5.0, layer=1, starts=4)
    w = net.linear1.weight.detach()[[3, 7]]
    assert torch.allclose(x, (5 * w / w.norm(dim=1, keepdim=True))[:, None].expand_as(x), atol=2e-2)
    assert torch.allclose(reached, (5 * w.norm(dim=1) + net.linear1.bias.detach()[[3, 7]])[:, None].expand_as(reached), rtol=1e-3)
    digits = data.digits().images.flatten(1)
    digits = 13 * digits / digits.norm(dim=1, keepdim=True)
    x, reached = features.maximize_units(net, range(6), 13.0)
    assert torch.allclose(x.norm(dim=2), torch.full((6, 9), 13.0), rtol=1e-4)
    with torch.no_grad():
        sums = torch.nn.functional.linear(net.up(digits, 1), net.linear2.weight[:6], net.linear2.bias[:6])
        again = torch.nn.functional.linear(net.up(x[2], 1), net.linear2.weight[2:3], net.linear2.bias[2:3])[:, 0]
    assert (reached.min(1).values > sums.max(0).values).all() and torch.allclose(again, reached[2], atol=1e-3)
    assert features.agreement(x).min() > 0.9
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    with torch.no_grad():
        assert torch.allclose(features.maximize_units(net, [2], 13.0)[0].norm(dim=2), torch.tensor(13.0), rtol=1e-4), "also without gradients around"


def test_a_stack_is_a_network_with_names():
    net, x = small_stack(), torch.rand(7, 1, 2, 3)
    with hooks.record(net, "linear2", "hidden1") as acts:
        out = net(x)
    assert torch.allclose(out, net.up(x, 2)) and torch.allclose(acts["hidden1"], net.up(x, 1))
    assert torch.allclose(acts["linear2"].sigmoid(), out) and net.up(x, 0).shape == (7, 6)
    assert net.reconstruct(x).shape == x.shape and torch.allclose(net.down(net.up(x, 1), 1), net.reconstruct(x, 1).flatten(1))
    assert (features.reconstruction_error(net, x) >= 0).all()
    same = net.down(net.up(x, 2), 2, torch.Generator().manual_seed(0))
    assert torch.equal(same, net.down(net.up(x, 2), 2, torch.Generator().manual_seed(0))) and not torch.equal(same, net.down(net.up(x, 2), 2))


@pytest.fixture(scope="module")
def bars():
    """Pictures of 3 × 3 with each row bright or dark, as many as one likes."""
    g = torch.Generator().manual_seed(0)
    return belief.bernoulli(torch.full((300, 1, 3, 1), 0.4), g).expand(-1, -1, -1, 3).contiguous()


@pytest.mark.parametrize("persistent", [False, True])
def test_a_belief_network_learns_what_is_probable(bars, persistent):
    torch.manual_seed(0)
    net = Stack((9, 6, 4))
    errors = fit_dbn(net, bars, epochs=160, batch_size=30, lr=0.1, momentum=0.5, persistent=persistent, progress=False)
    x, like, _ = exact(net)
    rows = x.view(-1, 3, 3)
    of_bars = (rows == rows[..., :1]).all(2).all(1)
    assert like[of_bars].exp().sum() > 0.5, "eight of 512 pictures have most of the probability"
    assert errors.shape == (2, 160) and errors[0, -1] < 0.5 * errors[0, 0]
    assert not any(p.grad is not None for p in net.parameters())


def test_an_auto_encoder_restores_what_was_erased(bars):
    torch.manual_seed(0)
    net = Stack((9, 8, 6))
    before = features.reconstruction_error(net, bars).mean()
    losses = fit_sdae(net, bars, epochs=60, batch_size=30, lr=0.02, noise=0.3, progress=False)
    assert (losses[:, -1] < 0.8 * losses[:, 0]).all() and features.reconstruction_error(net, bars).mean() < 0.3 * before
    broken = bars.clone()
    broken[:, :, :, 0] = 0  # one third of each row erased
    restored = net.reconstruct(broken, 1)
    assert ((restored > 0.5) == (bars > 0.5))[:, :, :, 0].float().mean() > 0.95
    assert not any(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize("fit", [fit_dbn, fit_sdae])
def test_training_follows_the_seed_and_leaves_the_callers_randomness_alone(bars, fit):
    results = []
    for seed in (0, 0, 1):
        torch.manual_seed(5)
        net = Stack((9, 4))
        state = torch.get_rng_state()
        fit(net, bars, epochs=2, augment=lambda x, g: x * (torch.rand(len(x), 1, 1, 1, generator=g) < 0.9), seed=seed, progress=False)
        assert torch.equal(state, torch.get_rng_state())
        results.append(net(bars))
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])


@pytest.mark.parametrize("call, what", [
    (lambda n: n.rbm(0), "layer"), (lambda n: n.rbm(3), "layer"), (lambda n: features.sample_unit(n, 3), "0 … 2"),
    (lambda n: features.sample_unit(n, [0, -1]), "-1"), (lambda n: features.sample_unit(n, 0, layer=5), "layer"),
    (lambda n: features.maximize_units(n, 9, 1.0), "9"), (lambda n: features.linear_combination(n, 0.5), "float"),
    (lambda n: features.linear_combination(n, 0, strongest=5), "strongest=5"),
    (lambda n: features.linear_combination(n, 0, strongest=0), "strongest=0"),
    (lambda n: fit_sdae(n, torch.rand(4, 6), noise=1.0), "noise"), (lambda n: features.agreement(torch.rand(3, 1, 4)), "two pictures")])
def test_what_cannot_be_is_said(call, what):
    with pytest.raises(ValueError, match=what):
        call(small_stack())


def test_likeness_as_numbers():
    x = torch.randn(5, 1, 8).expand(5, 4, 8)
    assert torch.allclose(features.agreement(3 * x), torch.ones(5)) and features.agreement(torch.randn(1, 300, 500)).abs() < 0.05
    a = torch.randn(40, 6, 6)
    assert features.matches(a, 2 * a + torch.rand(6, 6)) == (1.0, pytest.approx(1.0, abs=1e-5)), "what all have in common does not count"
    share, cosine = features.matches(torch.randn(200, 50), torch.randn(200, 50))
    assert share < 0.05 and abs(cosine) < 0.1
    assert torch.allclose(features.nearest(a, torch.cat([-a, 5 * a])), torch.ones(40))
    net = small_stack()
    rival = features.scrambled(net)
    for p, q in zip(net.parameters(), rival.parameters(), strict=True):
        assert torch.equal(p.flatten().sort().values, q.flatten().sort().values)
    assert not torch.equal(net.linear1.weight, rival.linear1.weight)
