"""Adaptive layers: pooling over maps and places, its transpose, R and Rᵀ with any switches, and inference that settles."""
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xaikit.features import adaptive
from xaikit.features.adaptive import Switches, paint, pool, project, select, unpool


def rand(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7), st.integers(1, 9), st.integers(1, 9), st.tuples(*[st.integers(1, 3)] * 3), st.integers(0, 2**31))
def test_pool_takes_the_strongest_of_every_block(k, h, w, size, seed):
    z = rand(2, k, h, w, seed=seed)
    pooled, s = pool(z, size)
    assert pooled.shape == (2, -(-k // size[0]), -(-h // size[1]), -(-w // size[2])) and s.shape == (k, h, w)
    for a in range(pooled.shape[1]):
        for b in range(pooled.shape[2]):
            for c in range(pooled.shape[3]):
                block = z[:, a * size[0]:(a + 1) * size[0], b * size[1]:(b + 1) * size[1], c * size[2]:(c + 1) * size[2]].flatten(1)
                assert torch.equal(pooled[:, a, b, c], block.gather(1, block.abs().argmax(1, keepdim=True))[:, 0])
    back = unpool(pooled, s)
    assert torch.equal(select(back, s), pooled) and ((back == z) | (back == 0)).all()
    assert int((back != 0).sum()) == pooled.numel()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 6), st.tuples(*[st.integers(1, 3)] * 3), st.integers(1, 5), st.integers(0, 2**31), st.booleans())
def test_r_and_its_transpose_are_adjoint_with_any_switches(channels, k, size, kernel, seed, strongest):
    """Two layers; switches of real maps, or any places at all, also the same one twice."""
    f1, y = rand(k, channels, kernel, 3, seed=seed), rand(2, channels, 11, 13, seed=seed + 1)
    pooled, s = pool(project(y, [f1]), size)
    if not strongest:
        places = torch.randint(s.shape[0] * s.shape[1] * s.shape[2], s.index.shape, generator=torch.Generator().manual_seed(seed))
        s = Switches(places, s.shape)
    f2 = rand(4, pooled.shape[1], 2, kernel, seed=seed + 2)
    up = project(y, [f1, f2], [s])
    z = rand(*up.shape, seed=seed + 3)
    down = paint(z, [f1, f2], [s])
    assert down.shape == y.shape
    assert ((down * y).sum() - (z * up).sum()).abs() <= 1e-5 * (down.norm() * y.norm()).clamp_min(1e-6)


def test_unpooling_without_switches_is_refused():
    z = rand(1, 4, 6, 6)
    pooled, s = pool(z)
    with pytest.raises(ValueError, match="needs the switches"):
        unpool(pooled, None)
    with pytest.raises(ValueError, match="without switches"):
        paint(z, [rand(4, 1, 3, 3), rand(4, 2, 3, 3)])
    with pytest.raises(ValueError, match="shape"):
        unpool(pooled[:, :1], s)
    with pytest.raises(ValueError, match="pool maps"):
        pool(z, (2, 2))
    with pytest.raises(ValueError, match="positive"):
        adaptive.infer(rand(1, 1, 8, 8), [rand(4, 1, 3, 3)], lam=0)


def test_inference_lowers_its_cost_and_the_switches_settle():
    y, f = rand(3, 1, 20, 20), adaptive._unit(rand(6, 1, 5, 5, seed=1))
    start = 0.03 * rand(3, 6, 24, 24, seed=2)
    layer = adaptive.infer(y, [f], lam=1.0, steps=150, z=start)
    h = layer.history
    assert h.objective.iloc[-1] < 0.9 * h.objective.iloc[0]
    moved = adaptive.infer(y, [f], lam=1.0, steps=1, z=start).switches.index != pool(start)[1].index
    held = adaptive.infer(y, [f], lam=1.0, steps=1, z=start).pooled != 0
    assert h.moved[0] == pytest.approx(float(moved[held].float().mean())), "step 1 is counted from the switches of the start"
    assert h.moved[1:4].max() > 0.005 and h.moved.iloc[-10:].mean() < 0.3 * h.moved[1:4].mean()
    assert torch.equal(unpool(layer.pooled, layer.switches), layer.maps), "one entry of every block is left"
    torch.testing.assert_close(layer.picture, paint(layer.maps, [f]), atol=1e-4, rtol=0)


def test_learning_recovers_what_painted_the_pictures():
    """The filters' system alone: with the true maps, conjugate gradients find the true filters of the second layer."""
    f1, f2 = rand(6, 1, 3, 3), rand(3, 3, 3, 3, seed=1)
    _, s = pool(rand(4, 6, 18, 18, seed=2))
    z = rand(4, 3, 11, 11, seed=3) * (rand(4, 3, 11, 11, seed=4) > 1)
    y = paint(z, [f1, f2], [s])
    found = adaptive._solve_filters(y, z, [f1], [s], rand(3, 3, 3, 3, seed=5), 200)
    assert (found - f2).norm() < 0.05 * f2.norm()


def test_learning_a_layer_explains_more_and_is_repeatable():
    y = rand(4, 1, 16, 16)
    f, layer = adaptive.learn_layer(y, count=4, kernel=5, lam=1.0, epochs=6, steps=4, progress=False)
    again, _ = adaptive.learn_layer(y, count=4, kernel=5, lam=1.0, epochs=6, steps=4, progress=False)
    noise = adaptive.infer(y, [adaptive._unit(rand(4, 1, 5, 5))], lam=1.0, steps=12)
    assert torch.equal(f, again) and f.shape == (4, 1, 5, 5)
    assert layer.history.objective.iloc[-1] < noise.history.objective.iloc[-1]
    with pytest.raises(ValueError, match="start has shape"):
        adaptive.learn_layer(y, count=4, kernel=5, start=f[:2])


def test_strongest_activations_add_up_and_fields_are_large_enough():
    f1, f2 = rand(4, 1, 3, 3), rand(3, 2, 3, 3, seed=1)
    _, s = pool(rand(2, 4, 14, 14, seed=2))
    z = rand(2, 3, 9, 9, seed=3) * (rand(2, 3, 9, 9, seed=4) > 2)
    layer = adaptive.Layer(z, None, None, paint(z, [f1, f2], [s]), None)
    pictures, table = adaptive.strongest(layer, [f1, f2], [s], count=1000, item=1)
    mine, of_one = adaptive.strongest(layer, [f1, f2], [s], count=1000, item=1, unit=int(table["map"][0]))
    assert of_one.equals(table[table["map"] == table["map"][0]].reset_index(drop=True)) and torch.equal(mine[0], pictures[0])
    assert len(pictures) == int((z[1] != 0).sum()) == len(table)
    torch.testing.assert_close(pictures.sum(0), layer.picture[1], atol=1e-4, rtol=1e-4)
    assert table.value.abs().is_monotonic_decreasing
    side = adaptive.field([f1, f2], [s])
    lit = (pictures[0] != 0).any(0) & (pictures[0].abs() > 1e-6).any(0)
    rows, columns = lit.any(1).nonzero()[:, 0], lit.any(0).nonzero()[:, 0]
    assert int(rows.max() - rows.min()) < side and int(columns.max() - columns.min()) < side
