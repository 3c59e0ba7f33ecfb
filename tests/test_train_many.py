"""fit_many: the same numbers as training each network alone, whatever differs between them."""
import copy
import os
import runpy
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from xaikit import train
from xaikit.train.many import batches, build
from xaikit.train.stack import Stack
from xaikit.train.sweep import turn

G = torch.Generator().manual_seed(0)
X = torch.randn(60, 5, generator=G, dtype=torch.float64)
Y = (X[:, 0] * X[:, 1] > 0).long()


def mlp(setting):
    width = setting.get("width", 8)
    return nn.Sequential(nn.Linear(5, width), nn.ReLU(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 2)).double()


def alone(make_model, data, setting, steps, batch_size, optimizer="adam", schedule=None):
    """Plain PyTorch: its own optimisers, one network."""
    with torch.random.fork_rng():
        torch.manual_seed(setting["seed"])
        model = make_model(setting)
    x, y = data(setting) if callable(data) else data
    own = {k: setting.get(k, 0) for k in ("weight_decay", "momentum")}
    optim = torch.optim.AdamW(model.parameters(), setting.get("lr", 1e-3), weight_decay=own["weight_decay"]) \
        if optimizer == "adam" else torch.optim.SGD(model.parameters(), setting.get("lr", 1e-3), **own)
    order = batches(len(x), batch_size, setting["seed"])
    model.train()
    for step in range(steps):
        for group in optim.param_groups:
            group["lr"] = setting.get("lr", 1e-3) * (schedule((step + 0.5) / steps) if schedule else 1)
        rows = next(order)
        loss = F.cross_entropy(model(x[rows]), y[rows])
        optim.zero_grad()
        loss.backward()
        optim.step()
    return model.eval()


def conv(setting):
    c = setting.get("width", 4)
    return nn.Sequential(nn.Unflatten(1, (1, 5)), nn.Conv1d(1, c, 3, padding=1), nn.BatchNorm1d(c), nn.ReLU(), nn.Flatten(1),
                         nn.Linear(5 * c, 2)).double()


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("make_model", [mlp, conv])
def test_the_same_numbers_as_each_alone(make_model, optimizer):
    settings = [{"lr": 0.01}, {"lr": 0.03, "weight_decay": 0.1, "momentum": 0.9}, {"lr": 0.02, "width": 3},
                {"lr": 0.02, "shuffled": True}]

    def data(setting):
        return (X, Y[torch.randperm(60, generator=torch.Generator().manual_seed(setting["seed"]))]) \
            if setting.get("shuffled") else (X, Y)

    def cosine(t):
        return 0.5 * (1 + np.cos(np.pi * t))

    got = train.fit_many(make_model, data, settings, seeds=(0, 1), steps=100, batch_size=16, optimizer=optimizer,
                         schedule=cosine, progress=False)
    for i, setting in enumerate(got.settings):
        expected = alone(make_model, data, setting, 100, 16, optimizer, cosine)
        with torch.no_grad():
            assert torch.allclose(got.model(i)(X), expected(X), atol=1e-4), setting
        assert [p.shape for p in got.model(i).parameters()] == [p.shape for p in expected.parameters()]


def test_full_batches_data_sets_of_several_sizes_and_noise():
    def data(setting):
        return X[:setting.get("n", 60)], Y[:setting.get("n", 60)]

    got = train.fit_many(mlp, data, [{"n": 20}, {}], steps=60, batch_size=8, progress=False)
    for i, setting in enumerate(got.settings):
        assert torch.allclose(got.model(i)(X), alone(mlp, data, setting, 60, 8)(X), atol=1e-4)
    full = train.fit_many(mlp, (X, Y), steps=20, batch_size=None, progress=False)
    assert torch.allclose(full.model(0)(X), alone(mlp, (X, Y), {"seed": 0}, 20, 60)(X), atol=1e-4)
    with pytest.raises(ValueError, match="several sizes need a batch_size"):
        train.fit_many(mlp, data, [{"n": 20}, {}], steps=2, batch_size=None, progress=False)
    noisy = train.fit_many(mlp, (X, Y), [{"noise": 0.5}, {"noise": 0.0}], steps=30, batch_size=8, progress=False)
    assert torch.allclose(noisy.model(1)(X), alone(mlp, (X, Y), {"seed": 0}, 30, 8)(X), atol=1e-4)
    assert not torch.allclose(noisy.model(0)(X), noisy.model(1)(X), atol=1e-3)


def accuracy(now):
    return {"accuracy": (now.forward(X).argmax(2) == Y).double().mean(1), "where": now.forward(X[:3])}


def test_measurements_see_all_networks_and_until_ends():
    got = train.fit_many(mlp, (X, Y), [{"lr": 0.03}, {"lr": 0.01, "width": 16}], seeds=(0, 1, 2), steps=400, batch_size=20,
                         measure=accuracy, every=20, until=lambda now: accuracy(now)["accuracy"] >= 0.9, progress=False)
    assert got.measured["accuracy"].shape == (len(got.steps), 6) and got.measured["where"].shape[2:] == (3, 2)
    assert got.steps[0] == 0 and got.steps[-1] < 400 and (got.measured["accuracy"][-1] >= 0.9).all()
    first = got.first("accuracy", lambda a: a >= 0.9)
    assert (first > 0).all() and first.max() == got.steps[-1]
    table = got.frame()
    assert len(table) == 6 * len(got.steps) and {"lr", "seed", "network", "step", "loss", "accuracy"} <= set(table)
    with torch.no_grad():
        assert (got.model(4)(X).argmax(1) == Y).double().mean() == got.measured["accuracy"][-1, 4]


def test_turns_within_the_memory_give_the_same_and_finished_ones_are_kept(tmp_path, monkeypatch):
    options = {"seeds": range(5), "steps": 30, "batch_size": 8, "measure": accuracy, "every": 10, "progress": False}
    whole = train.fit_many(mlp, (X, Y), **options)
    small = train.fit_many(mlp, (X, Y), limit=30_000, folder=tmp_path, **options)
    kept = sorted(tmp_path.glob("*.npz"))
    assert len(kept) > 1 and torch.allclose(whole.measured["accuracy"], small.measured["accuracy"])
    kept[0].unlink()
    ran = []

    def counted(*args, **kwargs):
        ran.append(args[3].exists())
        return turn(*args, **kwargs)

    monkeypatch.setattr("xaikit.train.sweep.turn", counted)
    again = train.fit_many(mlp, (X, Y), limit=30_000, folder=tmp_path, **options)
    assert sorted(ran) == [False] + [True] * (len(kept) - 1)
    assert torch.equal(again.measured["where"].nan_to_num(), small.measured["where"].nan_to_num())
    with pytest.raises(ValueError, match="one network needs about"):
        train.fit_many(mlp, (X, Y), limit=100, **options)


def test_an_interruption_loses_nothing_that_was_finished(tmp_path, monkeypatch):
    calls = []

    def broken(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return turn(*args, **kwargs)

    monkeypatch.setattr("xaikit.train.sweep.turn", broken)
    with pytest.raises(KeyboardInterrupt):
        train.fit_many(mlp, (X, Y), seeds=range(5), steps=10, batch_size=8, limit=20_000, folder=tmp_path, progress=False)
    assert len(list(tmp_path.iterdir())) == 2 and all(f.suffix == ".npz" for f in tmp_path.iterdir())


KILLED = """
import os, signal, sys
import numpy as np
import torch
from torch import nn
from xaikit import train
from xaikit.train import checkpoint

X = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
seen, last = [], None


def make(setting):
    return nn.Sequential(nn.Linear(5, setting["width"]), nn.BatchNorm1d(setting["width"]), nn.ReLU(), nn.Dropout(0.2),
                         nn.Linear(setting["width"], 2))


def measure(now):
    seen.append(now.step)
    if now.step == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"said": now.forward(X[:4])}


def sweep(folder, optimizer):
    return train.fit_many(make, (X, (X[:, 0] > 0).long()), [{"width": 6, "noise": 0.1}, {"width": 9, "lr": 0.02, "momentum": 0.9}],
                          seeds=(0, 1), steps=60, batch_size=8, optimizer=optimizer, measure=measure, every=7, folder=folder,
                          schedule=lambda t: 1 + np.cos(np.pi * t), progress=False)


if __name__ == "__main__":
    checkpoint.APART, last = 0, 42
    sweep(*sys.argv[1:])
"""


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_turn_that_was_killed_goes_on_from_its_checkpoint_to_the_same_bits(tmp_path, optimizer):
    (tmp_path / "killed.py").write_text(KILLED)
    killed = runpy.run_path(str(tmp_path / "killed.py"), run_name="killed")
    whole, folder = killed["sweep"](None, optimizer), tmp_path / "kept"
    ended = subprocess.run([sys.executable, tmp_path / "killed.py", folder, optimizer], timeout=300,
                           env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])})
    assert ended.returncode == -signal.SIGKILL and [f.suffix for f in folder.iterdir()] == [".checkpoint"]
    killed["seen"].clear()
    again = killed["sweep"](folder, optimizer)
    assert killed["seen"] == [42, 49, 56, 60], "it goes on where it was"
    assert again.steps.tolist() == whole.steps.tolist()
    for name, value in whole.measured.items():
        assert torch.equal(value.nan_to_num(), again.measured[name].nan_to_num()), name
    for i in range(4):
        for a, b in zip(whole.model(i).state_dict().values(), again.model(i).state_dict().values(), strict=True):
            assert torch.equal(a, b)
    assert [f.suffix for f in folder.iterdir()] == [".npz"], "its checkpoint is gone"


def test_another_backend_of_joblib_gives_the_same():
    options = {"seeds": range(4), "steps": 20, "batch_size": 8, "limit": 30_000, "progress": False}
    here = train.fit_many(mlp, (X, Y), **options)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        there = train.fit_many(mlp, (X, Y), **options)
    assert torch.equal(here.measured["loss"].nan_to_num(), there.measured["loss"].nan_to_num())


def test_a_local_dask_cluster_gives_the_same():
    """Turns go to other processes, as they would to other machines, and come back as if trained here."""
    distributed = pytest.importorskip("distributed")
    options = {"seeds": range(4), "steps": 20, "batch_size": 8, "limit": 30_000, "progress": False}
    here = train.fit_many(mlp, (X, Y), **options)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, \
            distributed.Client(cluster), joblib.parallel_config(backend="dask"):
        there = train.fit_many(mlp, (X, Y), measure=_where, **options)
    assert torch.equal(here.measured["loss"].nan_to_num(), there.measured["loss"].nan_to_num())
    assert torch.equal(here.model(3)(X), there.model(3)(X))
    assert os.getpid() not in there.measured["process"], "nothing was trained outside this process"


def _where(now):
    return {"process": torch.full((len(now.settings),), float(os.getpid()), dtype=torch.float64)}


def test_a_network_that_diverges_stops_and_the_others_go_on():
    def explode(setting):
        model = mlp(setting)
        if setting.get("bad"):
            with torch.no_grad():
                model[4].weight.copy_(torch.tensor([[1e308], [-1e308]]).expand(2, 8) * model[2].bias.sign())
                model[2].bias.mul_(100)
        return model

    settings = [{}, {"bad": True}, {"lr": 0.01}]
    got = train.fit_many(explode, (X, Y), settings, steps=20, batch_size=8, measure=accuracy, every=5, progress=False)
    assert got.diverged.tolist()[0] == got.diverged.tolist()[2] == -1 and got.diverged[1] >= 0
    assert got.measured["accuracy"][-1].isnan().tolist() == [False, True, False]
    assert torch.allclose(got.model(0)(X), alone(explode, (X, Y), {"seed": 0}, 20, 8)(X), atol=1e-4)


def test_a_plain_chain_is_what_vmap_gives_and_nothing_else_is_taken_for_one():
    """Layers in turn in place of ``vmap``: only where no layer is shared, hooked, or of another kind."""
    act, shared = nn.Tanh(), nn.Linear(5, 5)
    hooked = nn.Sequential(nn.Linear(5, 5), nn.ReLU())
    hooked[0].register_forward_hook(lambda module, inputs, out: 2 * out)
    cases = {"chain": (nn.Sequential(nn.Linear(5, 7), act, nn.Linear(7, 5), act, nn.GELU()), True),
             "shared": (nn.Sequential(shared, nn.ReLU(), shared), False), "hooked": (hooked, False),
             "no bias": (nn.Sequential(nn.Linear(5, 5, bias=False)), False), "norm": (nn.Sequential(nn.BatchNorm1d(5)), False)}
    x = torch.randn(3, 6, 5, generator=G, dtype=torch.float64)
    for name, (model, chain) in cases.items():
        stack = Stack([model.double(), *(copy.deepcopy(model) for _ in range(2))])
        got, _ = stack.together(stack.parameters, dict(stack.buffers), x)
        assert stack.chain is chain, name
        assert torch.allclose(got, torch.stack([model(part) for part in x]), atol=1e-12), name


def test_a_label_that_does_not_count_and_losses_of_other_kinds():
    y = torch.where(torch.arange(60) % 7 == 0, -100, Y)
    assert torch.allclose(train.fit_many(mlp, (X, y), steps=40, batch_size=8, progress=False).model(0)(X),
                          alone(mlp, (X, y), {"seed": 0}, 40, 8)(X), atol=1e-4)
    soft = F.one_hot(Y, 2).double() * 0.8 + 0.1
    assert torch.allclose(train.fit_many(mlp, (X, soft), steps=40, batch_size=8, progress=False).model(0)(X),
                          alone(mlp, (X, soft), {"seed": 0}, 40, 8)(X), atol=1e-4)


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.gate = nn.Linear(5, 2).double(), Gate()

    def forward(self, x):
        return self.gate(self.inner(x))


class Gate(nn.Module):
    def forward(self, x):
        return x * 2 if x.sum().item() > 0 else x


def test_a_layer_that_cannot_be_vectorised_is_named_and_a_loop_does_it():
    with pytest.warns(UserWarning, match=r"layer 'gate' \(Gate\) cannot be vectorised"):
        got = train.fit_many(lambda s: Branching(), (X, Y), seeds=(0, 1), steps=20, batch_size=8, progress=False)
    assert torch.allclose(got.model(1)(X), alone(lambda s: Branching(), (X, Y), {"seed": 1}, 20, 8)(X), atol=1e-4)


def test_padding_that_is_not_exact_is_noticed():
    def normed(setting):
        w = setting["width"]
        return nn.Sequential(nn.Linear(5, w), nn.LayerNorm(w), nn.ReLU(), nn.Linear(w, 2)).double()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = train.fit_many(normed, (X, Y), [{"width": 4}, {"width": 9}], steps=40, batch_size=8, progress=False)
    for i, setting in enumerate(got.settings):
        assert torch.allclose(got.model(i)(X), alone(normed, (X, Y), setting, 40, 8)(X), atol=1e-4)


def test_the_callers_random_state_and_data_stay():
    before, x = torch.random.get_rng_state(), X.clone()
    train.fit_many(mlp, (X, Y), steps=5, progress=False)
    assert torch.equal(before, torch.random.get_rng_state()) and torch.equal(x, X)


@pytest.mark.parametrize(("change", "said"), [
    ({"settings": []}, "nothing to train"), ({"settings": [{"lr": -1}]}, "lr=-1"), ({"settings": [{"noise": -1}]}, "noise=-1"),
    ({"steps": 0}, "steps is a whole number"), ({"optimizer": "best"}, "optimizer is one of sgd, adam"),
    ({"data": (X[:0], Y[:0])}, "nothing to fit"), ({"data": (X, Y[:3])}, "60 inputs with 3 labels"),
    ({"data": (X, Y + 5)}, "labels"), ({"measure": lambda now: {"a": torch.zeros(3)}}, "one value for each of the 1"),
])
def test_bad_input(change, said):
    options = {"data": (X, Y), "settings": [{}], "steps": 2, "progress": False, **change}
    with pytest.raises(ValueError, match=said):
        train.fit_many(mlp, options.pop("data"), **options)


def test_building_is_seeded():
    class Plan:
        make_model = staticmethod(mlp)

    a, b = build(Plan, {"seed": 3}), build(Plan, {"seed": 3})
    assert torch.equal(a[0].weight, b[0].weight) and not torch.equal(a[0].weight, build(Plan, {"seed": 4})[0].weight)


def test_many_are_quicker_than_one_after_the_other():
    x, y = torch.randn(500, 64), torch.randint(10, (500,))

    def net(setting):
        return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    start = time.process_time()
    train.fit_many(net, (x, y), seeds=range(16), steps=60, progress=False)
    together = time.process_time() - start
    start = time.process_time()
    for seed in range(16):
        alone(net, (x, y), {"seed": seed}, 60, 64)
    assert together < time.process_time() - start
