"""The playground without its buttons, and the dreaming network: what is drawn is what the networks say."""
import numpy as np
import pytest
import torch

from xaikit.demos import lecture01_belief as belief
from xaikit.demos import lecture01_playground as playground
from xaikit.demos.lecture01_playground import GRID, HALF, SETS, Playground, points


@pytest.mark.parametrize("dataset", SETS)
def test_sets_have_two_halves_in_the_picture_and_follow_the_seed(dataset):
    x, y = points(dataset, 0.0, seed=1, n=400)
    assert x.shape == (400, 2) and y.sum() == 200 and (x.abs() <= HALF).float().mean() > 0.99
    again, other, noisy = points(dataset, 0.0, 1, 400)[0], points(dataset, 0.0, 2, 400)[0], points(dataset, 0.3, 1, 400)[0]
    assert torch.equal(x, again) and not torch.equal(x, other) and 0.05 < (noisy - x).std() < 0.3
    with pytest.raises(ValueError, match="circle"):
        points("moons", 0.0)
    with pytest.raises(ValueError, match="noise"):
        points(dataset, 0.7)


def test_what_the_sets_are():
    x, y = points("circle", 0.0, n=400)
    radius = x.norm(dim=1)
    assert radius[y == 1].max() < 0.55 < 0.65 < radius[y == 0].min()
    x, y = points("xor", 0.0, n=400)
    assert ((x[:, 0] * x[:, 1] > 0) == (y == 1)).all() and {tuple(q) for q in x.sign().tolist()} == {(a, b) for a in (-1, 1) for b in (-1, 1)}
    x, y = points("spiral", 0.0, n=400)
    nearest = (torch.cdist(x, x) + 9 * torch.eye(400)).argmin(1)
    assert (y[nearest] == y).float().mean() > 0.97, "neighbours are of one arm"
    linear = torch.linalg.lstsq(torch.cat([x, torch.ones(400, 1)], 1), 2 * y[:, None] - 1).solution
    assert ((torch.cat([x, torch.ones(400, 1)], 1) @ linear)[:, 0].gt(0) == y.bool()).float().mean() < 0.75, "no line parts them"


@pytest.mark.parametrize("activation, least, most", [("tanh", 0.95, 1), ("ReLU", 0.95, 1), ("none", 0, 0.75)])
def test_it_learns_a_circle_and_without_an_activation_it_cannot(activation, least, most):
    game = Playground("circle", 0.02, 2, 6, activation, 0.03)
    start = game.losses[0]
    game.step(300)
    assert least <= game.measure()[3] <= most and game.steps == 300
    assert start[0] == 0 and game.losses[-1][0] == 300 and (game.losses[-1][1] < 0.3) == (least > 0)


def test_the_spiral_is_learned_at_the_settings_that_the_demo_starts_with():
    game = Playground()
    game.step(1500)
    assert game.measure()[3] > 0.97


def test_the_picture_does_not_depend_on_how_the_steps_were_counted_out():
    one, two = Playground(seed=4), Playground(seed=4)
    one.step(33)
    for n in (1, 20, 12):
        two.step(n)
        two.picture()
    assert one.picture() == two.picture() and one.losses == two.losses and [s for s, *_ in one.losses] == [0, 5, 10, 15, 20, 25, 30]


def test_surfaces_are_what_the_network_says_row_0_at_the_top():
    game = Playground("gauss", depth=2, units=3)
    game.step(100)
    *hidden, out = game.surfaces()
    assert [h.shape for h in hidden] == [(3, GRID, GRID)] * 2 and out.shape == (1, GRID, GRID)
    assert all(np.abs(h).max() <= 1 for h in hidden)
    corner = torch.tensor([[HALF, HALF], [-HALF, -HALF]])  # upper right: class 1's cloud; lower left: class 0's
    with torch.no_grad():
        wanted = game.layers(corner)[-1][:, 0]
    assert np.allclose([out[0, 0, -1], out[0, -1, 0]], wanted, atol=1e-4) and out[0, 0, -1] > 3 and out[0, -1, 0] < -3


def test_the_output_is_drawn_in_the_colour_of_its_probability():
    """The picture in the middle of the board, against the network asked anew at that place."""
    from io import BytesIO

    from PIL import Image

    from xaikit import plot

    game = Playground("gauss", depth=1, units=4)
    for steps in (0, 60):
        game.step(steps)
        shown = np.asarray(Image.open(BytesIO(game.picture()))).astype(int)
        for u, v in ((0.03, 0.5), (0.5, 0.03), (0.97, 0.03), (0.03, 0.97)):  # shares of the side, away from the points
            side, k = playground.SIDE, playground.SCALE
            at = shown[int(k * (playground.TOP + v * side)), int(k * (playground.RIGHT + u * side))]
            with torch.no_grad():
                out = game.layers(torch.tensor([[HALF * (2 * u - 1), HALF * (1 - 2 * v)]]))[-1]
            assert np.abs(at - plot.signed_rgb(np.tanh(out.numpy() / 2), 1.0)[0, 0]).max() < 30


def test_decay_shrinks_the_weights_and_noise_hurts_on_new_points():
    size = {}
    for l2 in (0.0, 0.02):
        game = Playground("xor", 0.2, 2, 8, "tanh", 0.03, l2)
        game.step(300)
        size[l2] = sum(float(linear.weight.detach().square().sum()) for linear in game.linears)
        if l2 == 0:
            assert game.losses[-1][2] > game.losses[-1][1], "the test loss is the larger one"
    assert size[0.02] < 0.7 * size[0.0]


@pytest.mark.parametrize("units", [1, 8])
@pytest.mark.parametrize("depth", [1, 4])
def test_pictures_at_the_ends_keep_their_size(depth, units):
    from io import BytesIO

    from PIL import Image

    game = Playground("xor", depth=depth, units=units, lr=0.3)
    game.step(60)
    assert Image.open(BytesIO(game.picture())).size == (1800, 860)
    for column in playground._places(depth, units):
        assert all(0 <= y and y + playground.UNIT <= 430 for _, y in column)


def test_clamped_dreams_have_the_unit_on_and_free_ones_are_free():
    held, free = belief.Dream(unit=9), belief.Dream(unit=9, clamped=False)
    for dream in (held, free):
        dream.step(30)
        assert set(dream.v.unique().tolist()) <= {0.0, 1.0} and dream.steps == 30
    assert (held.h[:, 9] == 1).all() and not (free.h[:, 9] == 1).all()
    assert 0 < held.h[:, 10].mean() < 1 and held.picture() != free.picture()
