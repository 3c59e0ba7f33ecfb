"""The generators of scenes and the segmenter that looks at them."""
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from xaikit import data, evaluate, generate, zoo
from xaikit.errors import DamagedFile
from xaikit.zoo import scene_recipes
from xaikit.zoo.recipes import RECIPES, mirror

GANS = ["scenes-gan", "scenes-gan-hessian"]
NAMES = data.scenes(1).mask_names


@pytest.fixture(scope="module")
def held_back():
    return data.scenes(400, seed=1003)


@pytest.fixture(scope="module", params=GANS)
def shipped(request):
    generator = zoo.load(request.param)
    return request.param, generator, scene_recipes.draw(generator, 400, seed=9)


# the generator ------------------------------------------------------------------------------------

def test_shapes_range_and_blocks(shipped):
    _, generator, pictures = shipped
    assert pictures.shape == (400, 3, 64, 64) and pictures.min() >= 0 and pictures.max() <= 1
    assert not generator.training and generator.size == 64
    h, sizes = generator.codes(2), {}
    with torch.no_grad():
        for name, block in generator.named_children():
            h = block(h)
            sizes[name] = h.shape[2]
        assert torch.equal(h, generator(generator.codes(2)))
    assert sizes == {"block4": 4, "block8": 8, "block16": 16, "block32": 32, "block64": 64, "rgb": 64}
    assert not any(isinstance(m, nn.ConvTranspose2d) for m in generator.modules())


def test_codes_follow_from_the_seed():
    generator, before = generate.Generator((8, 4)), torch.get_rng_state()
    assert torch.equal(generator.codes(3, 5), generator.codes(7, 5)[:3])
    assert not torch.equal(generator.codes(3, 5), generator.codes(3, 6))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("shape", [(2, 63), (64,), (2, 64, 1), (2, 64, 1, 1)])
def test_codes_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"\(N, 64\), not \(" + ", ".join(map(str, shape))):
        zoo.load("scenes-gan")(torch.zeros(shape))


def nyquist(x):
    """Power on the finest stripes, down and across, over the power of stripes a little wider."""
    grey = x.mean(1) - x.mean((1, 2, 3))[:, None, None]
    power, n = torch.fft.fft2(grey).abs().square().mean(0), x.shape[-1] // 2
    return max((p[n].mean() / p[n - 4:n - 1].mean()).item() for p in (power, power.T))


def test_no_checkerboard(shipped, held_back):
    """Uneven upsampling leaves a peak of power at the finest stripes; real scenes have none."""
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 0.02
    assert nyquist(held_back.images) < 1.1 and nyquist(shipped[2]) < 1.1
    assert nyquist(shipped[2] + board) > 2, "the measure sees one of 2 %"


def test_windows_and_wall_colours_appear(held_back):
    """Each of the four colours of walls is generated about as often as drawn, and so are windows."""
    segmenter = zoo.load("scenes-segmenter")

    def walls(x):
        seen = scene_recipes.segment(segmenter, x)
        wall, window = seen == NAMES.index("wall"), seen == NAMES.index("window")
        house = wall.sum((1, 2)) > 60
        colour = (x * wall[:, None]).sum((2, 3)) / wall.sum((1, 2)).clamp_min(1)[:, None]
        palette = torch.tensor([(.9, .85, .75), (.8, .5, .4), (.85, .8, .5), (.75, .8, .9)])
        kinds = torch.cdist(colour[house], palette).argmin(1).bincount(minlength=4) / house.sum()
        return kinds, (window.sum((1, 2)) > 8)[house].float().mean()

    generated, real = walls(scene_recipes.draw(zoo.load("scenes-gan"), 400, seed=9)), walls(held_back.images)
    assert generated[0].min() > .08 and (generated[0] - real[0]).abs().max() < .15, (generated, real)
    assert abs(generated[1] - real[1]) < .15 and real[1] > .5, (generated, real)


# what the cards say -------------------------------------------------------------------------------

def test_cards_state_quality_as_it_was_asked_for(shipped):
    name, generator, _ = shipped
    card = zoo.card(name)
    assert "accuracy" not in card and "Fréchet" in card["measured"] and card["bytes"] <= 6_000_000
    assert set(card["areas"]) == set(NAMES)
    for object, (generated, real) in card["areas"].items():
        assert real < .01 or abs(generated / real - 1) < .25, object
    assert 0 < card["real_against_real"] < .2
    assert card["score"] < {"scenes-gan": .25, "scenes-gan-hessian": .75}[name]


def test_areas_of_the_card_seen_again(shipped, held_back):
    """On fewer pictures, with other codes: the means agree within their spread over pictures."""
    name, _, pictures = shipped
    seen = scene_recipes.segment(zoo.load("scenes-segmenter"), pictures)
    each = torch.nn.functional.one_hot(seen, len(NAMES)).float().mean((1, 2))
    stated = torch.tensor([zoo.card(name)["areas"][n][0] for n in NAMES])
    error = each.std(0) * (1 / 400 + 1 / 2000) ** .5
    off = (each.mean(0) - stated).abs() / error
    assert off.max() < 4.5, dict(zip(NAMES, off.tolist(), strict=True))
    true = held_back.masks.float().mean((0, 2, 3))
    most = .25 * true + 2 * (each.var(0) / 200) ** .5  # two samples of 400 pictures
    assert ((each.mean(0) - true).abs() < most)[true > .01].all(), "against the masks themselves"


def test_distance_of_the_card_seen_again(shipped, held_back):
    """A smaller sample, of other codes, lies farther away; one picture again and again far farther."""
    name, generator, pictures = shipped
    real = scene_recipes._features(held_back.images)
    found = evaluate.frechet_distance(scene_recipes._features(pictures), real)
    card = zoo.card(name)
    assert .3 * card["score"] < found < 2 * card["score"] + 8 * card["real_against_real"]
    same = evaluate.frechet_distance(scene_recipes._features(pictures[:1].expand(400, -1, -1, -1)), real)
    assert same > 10 and same > 5 * found


def test_the_penalised_generator_bends_less():
    cards = [zoo.card(name) for name in GANS]
    assert cards[1]["hessian_penalty"] < .6 * cards[0]["hessian_penalty"]
    for name, card in zip(GANS, cards, strict=True):
        net = zoo.load(name)
        with torch.no_grad():
            found = generate.hessian_penalty(net, net.codes(48, 3), torch.Generator().manual_seed(3)).item()
        assert found == pytest.approx(card["hessian_penalty"], rel=.25)


def test_the_segmenter():
    net, card = zoo.load("scenes-segmenter"), zoo.card("scenes-segmenter")
    images, labels = scene_recipes.labelled(200, seed=77)
    seen = scene_recipes.segment(net, images)
    accuracy = (seen == labels).float().mean().item()
    assert card["accuracy"] >= .9 and accuracy == pytest.approx(card["accuracy"], abs=.003)
    found = scene_recipes.iou(seen, labels, len(NAMES))
    for name, value in zip(NAMES, found.tolist(), strict=True):
        assert value == pytest.approx(card["iou"][name], abs=.05) and value > .8, name
    assert net(images[:2]).shape == (2, 12, 64, 64) and net(torch.rand(1, 3, 32, 48)).shape == (1, 12, 32, 48)


def test_iou_by_hand():
    found, true = torch.tensor([[0, 0, 1, 1]]), torch.tensor([[0, 1, 1, 1]])
    by_class = scene_recipes.iou(found, true, 3).tolist()
    assert by_class[:2] == [1 / 2, 2 / 3] and np.isnan(by_class[2])


# the distance -------------------------------------------------------------------------------------

def test_frechet_distance_is_the_formula():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 5)), rng.normal(size=(200, 5)) + 1
    from scipy.linalg import sqrtm

    one, two = np.cov(a.T), np.cov(b.T)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(one + two - 2 * sqrtm(one @ two).real)
    a, b = torch.from_numpy(a), torch.from_numpy(b)
    assert evaluate.frechet_distance(a, b) == pytest.approx(expected)
    assert evaluate.frechet_distance(b, a) == pytest.approx(expected)
    assert evaluate.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert evaluate.frechet_distance(a, a + 2) == pytest.approx(20)
    one = a[:, :1]  # one feature: means and standard deviations apart, squared
    assert evaluate.frechet_distance(one, 3 * one) == pytest.approx(4 * (one.mean() ** 2 + one.var()).item())
    assert np.isfinite(evaluate.frechet_distance(a[:3], b[:3])), "covariances without full rank"


@pytest.mark.parametrize("a, b, says", [
    ((4, 3), (4, 2), "not"), ((1, 3), (4, 3), "two rows"), ((4,), (4,), "not"), ((4, 3), (0, 3), "two")])
def test_frechet_distance_of_what_does_not_fit(a, b, says):
    with pytest.raises(ValueError, match=says):
        evaluate.frechet_distance(torch.zeros(a), torch.zeros(b))
    with pytest.raises(ValueError, match="no numbers"):
        evaluate.frechet_distance(torch.full((4, 3), torch.nan), torch.zeros(4, 3))


# the Hessian penalty ------------------------------------------------------------------------------

class Polynomial(nn.Module):
    """(N, 3) -> (N, 1): zᵀAz / 2, whose Hessian is A."""

    def __init__(self, hessian):
        super().__init__()
        self.hessian = hessian

    def forward(self, z):
        return ((z @ self.hessian) * z).sum(1, keepdim=True) / 2


def test_hessian_penalty_is_twice_the_squares_off_the_diagonal():
    hessian = torch.tensor([[3., .5, -1], [.5, -2, 2], [-1, 2, .7]], dtype=torch.float64)
    f = nn.Sequential(nn.Sequential(Polynomial(hessian), nn.Identity()))
    z = torch.randn(20_000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    off = 2 * (hessian.square().sum() - hessian.diag().square().sum())
    for directions in (2, 5):
        found = generate.hessian_penalty(f, z, torch.Generator().manual_seed(1), directions)
        assert found.item() == pytest.approx(off.item(), rel=.05)
    f[0][0].hessian = torch.diag(hessian.diag())
    assert generate.hessian_penalty(f, z, torch.Generator().manual_seed(1)).item() < 1e-12


# training -----------------------------------------------------------------------------------------

FIT = {"steps": 9, "batch_size": 8, "critic": (4, 8), "every": 4, "cool": 4, "hessian": 1e-3}
TINY = FIT | {"augment": mirror, "progress": False}


def tiny(seed=0):
    torch.manual_seed(seed)
    return generate.Generator((8, 6, 4), latent=5)


@pytest.fixture(scope="module")
def small():
    return data.scenes(40, size=16, seed=3, masks=False).images


class Cut(Exception):
    pass


def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(small, tmp_path, monkeypatch):
    whole, parts, path = tiny(), tiny(), tmp_path / "deep" / "state.pt"
    generate.fit_gan(whole, small, **TINY)
    monkeypatch.setattr(generate.gan, "_keep", cut_after(generate.gan._keep, 6))
    with pytest.raises(Cut):
        generate.fit_gan(parts, small, checkpoint=path, save_every=3, **TINY)
    monkeypatch.undo()
    assert torch.load(path, weights_only=True)["step"] == 6
    again, before = tiny(seed=7), torch.get_rng_state()  # starts from anything: the file holds all
    generate.fit_gan(again, small, checkpoint=path, save_every=3, **TINY)
    assert torch.equal(before, torch.get_rng_state())
    one, two = whole.state_dict(), again.state_dict()
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert not again.training and all(p.grad is None for p in again.parameters())
    assert [p.name for p in path.parent.iterdir()] == ["state.pt"], "no half file is left"


def cut_after(keep, step):
    def keeps(path, state, settings, now):
        keep(path, state, settings, now)
        if now == step:
            raise Cut
    return keeps


def test_a_checkpoint_of_other_settings_or_none_at_all(small, tmp_path):
    path = tmp_path / "state.pt"
    generate.fit_gan(tiny(), small, checkpoint=path, **TINY | {"steps": 2})
    with pytest.raises(ValueError, match="other settings"):
        generate.fit_gan(tiny(), small, checkpoint=path, **TINY | {"steps": 2, "gamma": 7.0})
    path.write_bytes(path.read_bytes()[:999])
    with pytest.raises(DamagedFile, match="state.pt.*anew"):
        generate.fit_gan(tiny(), small, checkpoint=path, **TINY)


def test_the_seed_decides_and_nothing_else(small):
    nets = []
    for start, seed in ((1, 0), (2, 0), (3, 1)):
        net = tiny()
        torch.manual_seed(start)
        generate.fit_gan(net, small, seed=seed, **TINY)
        nets.append(net(net.codes(4)))
    assert torch.equal(nets[0], nets[1]) and not torch.equal(nets[0], nets[2])


def test_the_critic_learns_alone_while_it_warms_up(small, tmp_path):
    """No weight of the generator moves; afterwards it does, from where it was, and the critic has learned."""
    path, net = tmp_path / "state.pt", tiny()
    start = {k: v.clone() for k, v in net.named_parameters()}
    generate.fit_gan(net, small, checkpoint=path, **TINY | {"warm": 9})
    assert all(torch.equal(v, start[k]) for k, v in net.named_parameters())
    learned = torch.load(path, weights_only=True)["critic"]
    for warm, moves in ((8, True), (0, True)):
        net = tiny()
        generate.fit_gan(net, small, **TINY | {"warm": warm})
        assert moves == any(not torch.equal(v, start[k]) for k, v in net.named_parameters())
    fresh = generate.fit_gan(tiny(), small, **TINY | {"steps": 0, "warm": 9}).state_dict()
    assert all(not torch.equal(learned[k], v) for k, v in fresh.items())


def test_a_recipe_that_starts_from_a_shipped_network(small, monkeypatch):
    """scenes-gan-hessian without a step is scenes-gan; its card says what it began with, and other settings can be asked for."""
    card, start = zoo.card("scenes-gan-hessian"), zoo.card("scenes-gan")
    assert card["start"] == "scenes-gan" and card["start_sha256"] == start["sha256"]
    assert RECIPES["scenes-gan-hessian"].start == "scenes-gan" and RECIPES["scenes-gan"].start is None
    few = dataclasses.replace(RECIPES["scenes-gan-hessian"], train=lambda: data.scenes(8, seed=3, masks=False))
    monkeypatch.setitem(RECIPES, "scenes-gan-hessian", few)
    one, two = zoo.train("scenes-gan-hessian", progress=False, steps=0), zoo.load("scenes-gan")
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_training_moves_pictures_towards_the_real_ones():
    """Blue above, green below: 300 steps on 16 × 16 pictures are enough for the mean of each row."""
    images = data.scenes(256, size=16, seed=3, masks=False).images
    torch.manual_seed(0)
    net = generate.Generator((16, 12, 8), latent=16)

    def off():
        with torch.no_grad():
            return (net.eval()(net.codes(128)).mean((0, 3)) - images.mean((0, 3))).abs().mean().item()

    before = off()
    generate.fit_gan(net, images, steps=300, batch_size=16, critic=(16, 32), lr=2e-3, cool=50, average=.95,
                     progress=False)
    assert off() < .07 and before > .12


def test_each_part_of_the_loss_and_the_schedule_matters_and_can_be_left_out(small):
    nets = []
    for change in ({}, {"gamma": 0}, {"hessian": 0}, {"noise": 0}, {"cool": 0}, {"augment": None}):
        net = tiny()
        generate.fit_gan(net, small, **TINY | change)
        nets.append(net(net.codes(2)))
    assert all(x.isfinite().all() for x in nets)
    assert all(not torch.equal(a, b) for i, a in enumerate(nets) for b in nets[:i])


@pytest.mark.parametrize("change, shape", [({"batch_size": 12}, (9, 3, 16, 16)), ({}, (9, 3, 32, 32)),
                                           ({}, (9, 1, 16, 16))])
def test_settings_and_pictures_that_do_not_fit(change, shape):
    with pytest.raises(ValueError, match="pictures"):
        generate.fit_gan(tiny(), torch.rand(shape), **TINY | change)


def test_the_recipe_goes_on_from_its_checkpoint(small, tmp_path, monkeypatch):
    """What `xaikit train scenes-gan` does: cut off, given again, and the file is gone at the end."""
    from typer.testing import CliRunner

    from xaikit import cli

    short = dataclasses.replace(
        RECIPES["scenes-gan"], build=tiny, fit=FIT | {"save_every": 3},
        train=lambda: data.scenes(40, size=16, seed=3, masks=False),
        measure=lambda net, test: net(net.codes(8)).mean().item())
    monkeypatch.setitem(RECIPES, "scenes-gan", short)
    whole = zoo.train("scenes-gan", progress=False)
    monkeypatch.setattr(cli, "home", lambda: tmp_path)
    kept = tmp_path / "build" / "train" / "scenes-gan-0.pt"
    monkeypatch.setattr(generate.gan, "_keep", cut_after(generate.gan._keep, 6))
    assert isinstance(CliRunner().invoke(cli.app, ["train", "scenes-gan"]).exception, Cut) and kept.exists()
    monkeypatch.setattr(generate.gan, "_keep", cut_after(generate.gan._keep, -1))
    done = CliRunner().invoke(cli.app, ["train", "scenes-gan"])
    assert done.exit_code == 0 and not kept.exists()
    assert f"{short.measure(whole, None):.4f}" in done.output
    with pytest.raises(ValueError, match="too short"):
        zoo.train("digits-mlp", checkpoint=kept)
