"""Decoder bounds and the PixelCNN: what must hold exactly, and what training must reach."""
import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from xaikit import data
from xaikit.dynamics import bounds, kept, pixelcnn


@pytest.mark.parametrize("log_scale", [-2.0, 0.0, 2.0])
@pytest.mark.parametrize("mean", [-5.0, 0.0, 7.3, 16.0, 30.0])
def test_the_levels_probabilities_add_up_to_one(mean, log_scale):
    k = torch.arange(17.0, dtype=torch.float64)[:, None]
    log_q = bounds.log_likelihood(k, torch.full_like(k, mean), torch.tensor([log_scale], dtype=torch.float64))
    assert log_q.exp().sum().item() == pytest.approx(1, abs=1e-9) and log_q.isfinite().all()


def test_far_levels_have_their_logarithm_and_not_minus_infinity():
    far = bounds.log_likelihood(torch.tensor([[15.0]]), torch.tensor([[0.0]]), torch.tensor([-3.0]))
    assert far.item() == pytest.approx(-14.5 * math.exp(3) + math.log1p(-math.exp(-math.exp(3))), rel=1e-4)


def test_a_decoder_is_a_lower_bound_and_the_best_one_is_tight():
    """h = a noisy copy of one of four pictures: I(x; h) is known, and no decoder may exceed it by more than chance."""
    g = torch.Generator().manual_seed(0)
    pictures = torch.tensor([[0.0, 16], [16, 0], [16, 16], [0, 0]])
    rows = torch.randint(4, (6000,), generator=g)
    flipped = torch.where(torch.rand(6000, generator=g) < 0.2, torch.randint(4, (6000,), generator=g), rows)
    k, h = pictures[rows], torch.eye(4)[flipped]
    right = 0.8 + 0.2 / 4
    exact = 2 + right * math.log2(right) + 3 * 0.05 * math.log2(0.05)
    x_bits, y_bits = bounds.information([h[:4000]], k[:4000], rows[:4000], [h[4000:]], k[4000:], rows[4000:], steps=600)
    label = y_bits.item() - math.log2(10) + 2  # four labels, not ten
    assert exact - 0.1 < label < exact + 0.06
    assert x_bits.item() < exact + 0.06 and x_bits.item() > 0.4  # pixels that are independent given h lose some


def test_decoders_do_not_see_each_other():
    g = torch.Generator().manual_seed(1)
    h, k, y = torch.randn(2, 200, 5, generator=g), torch.randint(17, (200, 3), generator=g).float(), torch.arange(200) % 10
    both = bounds.Decoders(2, 5, 3).fit(h, k, y, steps=20)
    again = bounds.Decoders(2, 5, 3).fit(torch.stack([h[0], h[0] * 0]), k, y, steps=20)
    for a, b in zip(both.nats(h, k, y), again.nats(h, k, y), strict=True):
        assert torch.allclose(a[0], b[0], atol=1e-4) and not torch.allclose(a[1], b[1], atol=1e-2)


def test_principal_components_have_one_scale_and_pad_small_layers():
    g = torch.Generator().manual_seed(2)
    h = torch.randn(400, 5, generator=g) * torch.tensor([10.0, 5, 1, 0.1, 0.01]) + 3
    codes = bounds.Principal.of(h, count=8)(h)
    assert codes.shape == (400, 8) and (codes[:, 5:] == 0).all()
    ratio = codes[:, 0].std() / codes[:, 1].std()
    assert 1.6 < ratio < 2.5 and codes.square().sum(1).mean().item() == pytest.approx(5, rel=0.02)


@pytest.mark.parametrize("failure", ["nan", "error"])
def test_where_single_precision_does_not_part_the_components_double_does(monkeypatch, failure):
    eigh, h = torch.linalg.eigh, torch.randn(300, 6, generator=torch.Generator().manual_seed(3)).cumsum(1)
    h = F.pad(h, (0, 18))  # most units are always 0, as early in training
    expected = bounds.Principal.of(h)(h)

    def fails(covariance):
        if covariance.dtype == torch.float64:
            return eigh(covariance)
        if failure == "error":
            raise torch.linalg.LinAlgError("not converged")
        values, vectors = eigh(covariance)
        return values, vectors.fill_(float("nan"))

    monkeypatch.setattr(torch.linalg, "eigh", fails)
    codes = bounds.Principal.of(h)(h)
    assert codes.shape == (300, 64) and torch.allclose(codes @ codes.T, expected @ expected.T, atol=1e-3)


def test_moved_digits_are_whole_levels_in_nine_places():
    images, labels = bounds.moved_digits("test")
    scans = data.digits(size=8, split="test")
    k, n = bounds.level(images), len(scans.images)
    assert images.shape == (9 * n, 1, 10, 10) and torch.equal(k, (images * 16).flatten(1)) and k.max() == 16
    places = list(itertools.product((-1, 0, 1), repeat=2))
    found = []
    for part, same in zip(images.split(n), labels.split(n), strict=True):
        assert torch.equal(same, scans.labels)
        found.append([(down, right) for down, right in places
                      if torch.equal(part, F.pad(scans.images, (1 + right, 1 - right, 1 + down, 1 - down)))])
    assert sorted(found) == [[place] for place in places], "every place once, and nothing of a scan is cut off"


def test_a_network_learns_and_its_states_are_its_moments():
    states = bounds.watch("classifier", seed=0, steps=200, moments=(0, 30))
    assert [step for step, _ in states] == [0, 30, 200]
    images, labels = kept.held_back(300)
    found = []
    for _, state in states:
        network = bounds.Watched()
        network.load_state_dict(state)
        found.append((network(images).argmax(1) == labels).float().mean().item())
        assert torch.equal(bounds.hidden(state, images)[3], network.layers(images)[3])
    assert found[2] > found[0] + 0.2
    with pytest.raises(ValueError, match="auto-encoder"):
        bounds.watch("sorter")


def test_a_pixel_depends_on_those_before_it_alone():
    torch.manual_seed(0)
    model = pixelcnn.PixelCNN().eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    x, h = torch.rand(1, 1, 10, 10).requires_grad_(True), torch.randn(1, 64)
    for i, j in ((0, 0), (4, 5), (9, 9), (3, 0)):
        (gradient,) = torch.autograd.grad(model(x, h)[0, :, i, j].sum(), x)
        seen = gradient[0, 0].flatten() != 0
        assert not seen[10 * i + j:].any() and (seen.any() or (i, j) == (0, 0))
    assert torch.allclose(model(x[:, :, :4], h), model(x, h)[:, :, :4], atol=1e-5)
    assert not torch.allclose(model(x, h), model(x, h + 1), atol=1e-3)


def test_all_pictures_probabilities_add_up_to_one():
    """Over every picture of two free pixels in the corner, given all others are what was drawn: the chain rule."""
    torch.manual_seed(1)
    model = pixelcnn.PixelCNN().eval()
    base = torch.zeros(17 * 17, 1, 10, 10)
    for n, (a, b) in enumerate(itertools.product(range(17), range(17))):
        base[n, 0, 9, 8], base[n, 0, 9, 9] = a / 16, b / 16
    joint = -pixelcnn.nats(model, base).double()
    k = torch.zeros(10, 10).long()
    others = model(base[:1]).log_softmax(1)[0].gather(0, k[None])[0].double()
    rest = others.sum() - others[9, 8] - others[9, 9]
    assert joint.sub(rest).exp().sum().item() == pytest.approx(1, abs=1e-4)


def test_a_pixelcnn_reads_its_codes_and_draws_levels():
    images, labels = bounds.moved_digits()
    keep = (labels < 2).nonzero()[:400, 0]
    images, codes = images[keep], torch.eye(64)[labels[keep]] * 3
    model = pixelcnn.fit(images, codes, steps=60, seed=0)
    blind = pixelcnn.fit(images, codes * 0, steps=60, seed=0)
    assert pixelcnn.bits(model, images, codes) > pixelcnn.bits(blind, images, codes * 0) + 1
    drawn = pixelcnn.sample(model, codes[:4], seed=3)
    assert torch.equal((drawn * 16).round() / 16, drawn) and drawn.shape == (4, 1, 10, 10)
    assert torch.equal(drawn, pixelcnn.sample(model, codes[:4], seed=3))
    assert not torch.equal(drawn, pixelcnn.sample(model, codes[:4], seed=4))


def test_the_shipped_networks_are_those_of_the_table():
    from xaikit import studies
    from xaikit.studies import lecture07

    table = studies.table("07/decoder-bounds")
    assert table[["x_bits", "y_bits"]].notna().all(axis=None)
    assert set(table.seed) == set(range(20)) and set(table.task) == set(kept.TASKS) and set(table.layer) == set(bounds.LAYERS)
    images, _ = kept.held_back()
    drawn = studies.table("07/samples")
    assert set(drawn.seed) == set(range(5)) and len(drawn) == 5 * 8 and drawn.notna().all(axis=None)
    last = table.query("layer == 'h4' and step == 4000").pivot(index="seed", columns="task", values="x_bits")
    gap = last["auto-encoder"] - last["classifier"]
    assert (gap[:5] - gap.mean()).abs().argmin() == lecture07.SHOWN, "of the five the most usual pair ships"
    row = drawn[drawn.seed == lecture07.SHOWN].set_index(["task", "layer"])
    for task in kept.TASKS:
        codes, model = kept.shipped()[task]["h4"]
        found = pixelcnn.bits(model, images[:400], codes(images[:400])) + row.alone[task, "h4"]
        assert found == pytest.approx(row.pixelcnn_bits[task, "h4"], abs=4)  # 400 of 1,350 pictures, half precision
    assert (kept.judge(images[:200]) == kept.held_back()[1][:200]).float().mean() > 0.9
