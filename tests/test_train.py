import pytest
import torch
from torch import nn

from xaikit import train
from xaikit.data import Dataset


def spirals(n=200, seed=0):
    """Two classes that no line divides, (n, 2)."""
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 2
    r = torch.rand(n, generator=g) * 2 + .3
    angle = 2 * r + torch.pi * y
    return torch.stack([r * angle.cos(), r * angle.sin()], 1), y


def network(seed=0, *more):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(2, 32), nn.ReLU(), *more, nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))


def test_fit_learns_and_says_how():
    net = network()
    before = train.accuracy(net, spirals(seed=1))
    history = train.fit(net, spirals(), epochs=60, batch_size=16, lr=1e-2, progress=False)
    assert before < .8 and train.accuracy(net, spirals(seed=1)) > .97
    assert len(history.loss) == len(history.accuracy) == 60 and history.seconds > 0
    assert history.loss[-1] < .1 * history.loss[0] and history.accuracy[-1] > .95
    frame = history.frame()
    assert list(frame.columns) == ["epoch", "loss", "accuracy"] and frame.epoch.iloc[-1] == 60
    assert not net.training and all(p.grad is None for p in net.parameters())


def test_fit_follows_from_its_seed_and_leaves_the_callers_randomness_alone():
    def run(seed, noise=0):
        net = network(0, nn.Dropout(.3))
        torch.manual_seed(noise)
        before = torch.get_rng_state()
        train.fit(net, spirals(), epochs=3, seed=seed, progress=False,
                  augment=lambda x, g: x + .1 * torch.randn(x.shape, generator=g))
        assert torch.equal(before, torch.get_rng_state())
        return torch.cat([p.flatten() for p in net.parameters()])

    one = run(0)
    assert torch.equal(one, run(0, noise=9)), "dropout, too, follows from the seed"
    assert not torch.equal(one, run(1))


def test_fit_takes_a_dataset_and_another_loss():
    x, y = spirals(64)
    d = Dataset(images=((x + 3) / 6)[:, :, None, None], labels=y, classes=["a", "b"])
    net = nn.Sequential(nn.Flatten(), network())
    assert len(train.fit(net, d, epochs=2, progress=False).loss) == 2
    target = x.sum(1, keepdim=True)
    line = nn.Linear(2, 1)
    history = train.fit(line, (x, target), epochs=120, batch_size=16, lr=.05, weight_decay=0, progress=False,
                        loss=nn.functional.mse_loss)
    assert history.loss[-1] < 1e-3 and torch.allclose(line.weight, torch.ones(1, 2), atol=.05)


def test_weight_decay_shrinks_weights_and_not_biases():
    x, y = torch.zeros(32, 2), torch.arange(32) % 2  # no signal reaches the weights of the first layer
    net = network()
    weight, last = net[0].weight.detach().clone(), None
    with torch.no_grad():
        net[0].bias.fill_(-1)  # every unit is off: no gradient comes to this layer
    last = net[0].bias.detach().clone()
    train.fit(net, (x, y), epochs=30, lr=1e-2, weight_decay=.5, progress=False)
    assert torch.equal(net[0].bias, last)
    ratio = net[0].weight / weight
    assert (ratio < .99).all() and ratio.std() < 1e-4


def test_fit_under_no_grad_and_with_a_bar(capsys):
    with torch.no_grad():
        train.fit(network(), spirals(20), epochs=1)
    assert capsys.readouterr().err == "", "no bar for what is over in two seconds"
    import time

    def slow(x, g):
        time.sleep(.25)
        return x

    train.fit(network(), spirals(80), epochs=2, batch_size=8, progress=False, augment=slow)
    assert capsys.readouterr().err == ""
    train.fit(network(), spirals(80), epochs=2, batch_size=8, augment=slow)
    assert "fit" in capsys.readouterr().err


@pytest.mark.parametrize("data, more, says", [
    ((torch.zeros(0, 2), torch.zeros(0).long()), {}, "0 inputs"),
    ((torch.zeros(3, 2), torch.zeros(2).long()), {}, "3 inputs with 2"),
    (spirals(8), {"epochs": 0}, "epochs=0"), (spirals(8), {"batch_size": 0}, "batch_size=0"),
    (spirals(8), {"lr": 0}, "lr=0"), (spirals(8), {"weight_decay": -1}, "weight_decay=-1"),
])
def test_fit_refuses(data, more, says):
    with pytest.raises(ValueError, match=says):
        train.fit(network(), data, progress=False, **more)


def test_a_frozen_network_is_refused_and_a_partly_frozen_one_stays_where_frozen():
    net = network().requires_grad_(False)
    with pytest.raises(ValueError, match="no parameter"):
        train.fit(net, spirals(8), progress=False)
    net[-1].requires_grad_(True)
    first, last = net[0].weight.clone(), net[-1].weight.detach().clone()
    train.fit(net, spirals(), epochs=1, progress=False)
    assert torch.equal(first, net[0].weight) and not torch.equal(last, net[-1].weight)


def test_a_loss_that_is_no_number_stops_the_run():
    x, y = spirals(32)
    with pytest.raises(RuntimeError, match="smaller lr"):
        train.fit(network(), (x * torch.nan, y), epochs=2, progress=False)


def test_accuracy_puts_the_mode_back():
    net = network(0, nn.Dropout(.9)).train()
    assert train.accuracy(net, spirals()) == train.accuracy(net, spirals(), batch_size=7)
    assert net.training and all(m.training for m in net.modules())
    with pytest.raises(ValueError, match="no data"):
        train.accuracy(net, (torch.zeros(0, 2), torch.zeros(0).long()))
