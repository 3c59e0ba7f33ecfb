import hashlib
import json
import os
import re
import shutil
import socket
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from xaikit import data, train, zoo
from xaikit.errors import DamagedFile, OfflineError
from xaikit.zoo import networks, store, torchvision_nets
from xaikit.zoo.recipes import RECIPES, forget_words, jiggle, mirror, turn_and_mirror

NAMES = ["digits-mlp", "digits-cnn", "digits-resnet", "shapes-cnn", "scenes-cnn", "shapes-words", "sentiment-cnn", "digits-sdae", "digits-dbn",
         "scenes-segmenter", "scenes-gan", "scenes-gan-hessian"]
LABELLED = [name for name in NAMES if not RECIPES[name].measure]
REAL = os.environ.get("XAIKIT_DATA")
SLOW = os.environ.get("XAIKIT_SLOW", "0") not in ("", "0")
SHIPPED = store.folder()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A copy of the shipped weights that a test may harm."""
    shutil.copytree(SHIPPED, tmp_path / "data" / "weights")
    monkeypatch.setenv("XAIKIT_HOME", str(tmp_path))
    return tmp_path / "data" / "weights"


# what ships --------------------------------------------------------------------------------------------------

def test_names_are_the_networks_that_ship():
    assert zoo.names() == NAMES
    assert sorted(p.stem for p in SHIPPED.glob("*.safetensors")) == sorted(NAMES), "no file without a network"


@pytest.mark.parametrize("name", NAMES)
def test_shipped_network_is_what_its_card_says(name):
    card, file = zoo.card(name), SHIPPED / f"{name}.safetensors"
    assert {"about", "data", "recipe", "parameters", "sha256", "seed"} <= card.keys()
    assert file.stat().st_size == card["bytes"] <= (6_000_000 if "gan" in name else 1_000_000)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == card["sha256"]
    net = zoo.load(name)
    assert not any(m.training for m in net.modules())
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in net.parameters())
    assert sum(p.numel() for p in net.parameters()) == card["parameters"]
    if name in LABELLED:
        assert abs(zoo.accuracy(name, net) - card["accuracy"]) < 1.5 / card["test_items"], "one item may fall on the fence"
        assert card["accuracy"] >= .97
    else:
        assert zoo.score(name, net) == pytest.approx(card["score"], abs=.01 if "gan" in name else .5 if card["score"] > 1 else 1e-4)
        assert card["measured"] == RECIPES[name].measured and "accuracy" not in card
        with pytest.raises(ValueError, match=f"no labels.*{re.escape(card['measured'])}"):
            zoo.accuracy(name, net)
    settings = RECIPES[name].fit
    assert all(card["recipe"][k] == v for k, v in settings.items()), "the recipe has changed since: train it again"


def test_recipes_test_on_what_they_did_not_train_on():
    for name in ("digits-cnn", "sentiment-cnn"):
        a, b = RECIPES[name].train().inputs, RECIPES[name].test().inputs
        assert not {i.numpy().tobytes() for i in a} & {i.numpy().tobytes() for i in b}
    # the drawn sets: first pictures of each are enough, since the streams differ from the first number on
    for one, two in ((data.shapes(64), data.shapes(64, split="test")), (data.scenes(64, seed=1000), data.scenes(64, seed=1001))):
        assert not torch.equal(one.images, two.images)


def test_networks_have_the_layers_that_others_ask_for():
    cnn, mlp, res, words = (zoo.load(n) for n in ("digits-cnn", "digits-mlp", "digits-resnet", "sentiment-cnn"))
    x = data.digits(split="test").images[:3]
    assert sum(isinstance(m, nn.Conv2d) for m in cnn.features) == 3 and isinstance(cnn.head, nn.Linear)
    assert torch.allclose(cnn(x), cnn.head(cnn.features(x).mean((2, 3)))), "class activation maps apply"
    assert isinstance(mlp[0], nn.Flatten) and {type(m) for m in mlp} == {nn.Flatten, nn.Linear, nn.ReLU}
    assert any(isinstance(m, nn.BatchNorm2d) for m in res.modules())
    for net in (cnn, mlp, res):
        assert net(x).shape == (3, 10)
    ids = data.sentences(4, split="test").tokens
    assert torch.equal(words(ids), words.body(words.embedding(ids)))
    assert (words.embedding.weight[0] == 0).all() and words.embedding.padding_idx == 0
    for name in ("shapes-cnn", "scenes-cnn"):
        assert not any(isinstance(m, nn.BatchNorm2d) for m in zoo.load(name).modules()), "merged into the convolutions"


def test_padding_says_nothing():
    net = zoo.load("sentiment-cnn")
    ids = data.encode("the plot is not very clever.")
    short = ids[:, :12]
    assert torch.allclose(net(ids), net(short), atol=1e-5)
    assert torch.allclose(net.body(torch.zeros(1, 20, net.embedding.embedding_dim)), net.body.head.bias[None])


def test_loading_leaves_the_callers_randomness_alone():
    before = torch.get_rng_state()
    one, two = zoo.load("digits-cnn"), zoo.load("digits-cnn")
    assert torch.equal(before, torch.get_rng_state())
    with torch.no_grad():
        one.head.weight.zero_()
    assert two.head.weight.abs().sum() > 0 and zoo.load("digits-cnn").head.weight.abs().sum() > 0, "no shared weights"


@pytest.mark.parametrize("text, label", [
    ("the acting is superb .", 1), ("the acting is not superb .", 0), ("i did not enjoy the plot .", 0),
    ("a dull film .", 0), ("the film was not shot in paris and i love the music .", 1), ("not a dull film .", 1),
    ("i hate the acting but it has a good plot .", 0)])
def test_sentiment_reads_negation(text, label):
    assert zoo.load("sentiment-cnn")(data.encode(text)).argmax().item() == label


def test_shipped_networks_are_fast_enough_for_demos():
    net, x = zoo.load("digits-cnn"), data.digits(split="test").images[:1]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(20):  # a moment at which other work slows the processor passes; a slow network stays slow
            times = []
            for _ in range(60):
                z = x.clone().requires_grad_()
                start = time.process_time()
                net(z)[0].max().backward()
                times.append(time.process_time() - start)
            if sorted(times)[10] < 3e-3:
                break
            time.sleep(0.5)
    finally:
        torch.set_num_threads(threads)
    assert sorted(times)[10] < 3e-3, f"{1e3 * sorted(times)[10]:.1f} ms for one forward and backward pass"


# loading what is not right -----------------------------------------------------------------------------------

@pytest.mark.parametrize("name, near", [("digits_cnn", "digits-cnn"), ("digit-mlp", "digits-mlp"), ("scenes-cn", "scenes-cnn"), (7, "")])
def test_an_unknown_name_is_a_value_error_with_the_nearest(name, near):
    for call in (zoo.load, zoo.card, zoo.train, lambda n: zoo.accuracy(n, None), lambda n: zoo.save(n, None)):
        with pytest.raises(ValueError, match=f"Did you mean '{near}"):
            call(name)


HARM = {"truncated": lambda b: b[:len(b) // 2], "empty": lambda b: b"", "one bit": lambda b: b[:-9] + bytes([b[-9] ^ 1]) + b[-8:],
        "longer": lambda b: b + b"x", "other": lambda b: b"no weights" * 99}


@pytest.mark.parametrize("harm", HARM)
def test_damaged_weights_name_the_file(home, harm):
    file = home / "digits-mlp.safetensors"
    file.write_bytes(HARM[harm](file.read_bytes()))
    with pytest.raises(DamagedFile, match=str(file)):
        zoo.load("digits-mlp")
    assert not zoo.load("digits-cnn").training, "the others are as they were"


def test_weights_that_are_no_safetensors_though_the_sum_fits(home):
    file, cards = home / "digits-mlp.safetensors", home / "cards.json"
    file.write_bytes(b"\xff" * 50)
    found = json.loads(cards.read_text())
    found["digits-mlp"]["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    cards.write_text(json.dumps(found))
    with pytest.raises(DamagedFile, match=str(file)):
        zoo.load("digits-mlp")


def test_another_networks_weights_under_this_name(home):
    cards = json.loads((home / "cards.json").read_text())
    cards["digits-mlp"] = cards["digits-cnn"]
    (home / "cards.json").write_text(json.dumps(cards))
    shutil.copy(home / "digits-cnn.safetensors", home / "digits-mlp.safetensors")
    with pytest.raises(DamagedFile, match="digits-mlp.safetensors"):
        zoo.load("digits-mlp")


def test_missing_weights_and_missing_or_damaged_cards(home):
    (home / "digits-mlp.safetensors").unlink()
    with pytest.raises(DamagedFile, match="digits-mlp.safetensors"):
        zoo.load("digits-mlp")
    for text in ("{", "[]", "\ufeff\x00", '{"digits-cnn": 3}', '{"digits-cnn": {}}'):
        (home / "cards.json").write_text(text)
        with pytest.raises(DamagedFile, match="cards.json"):
            zoo.load("digits-cnn")
    (home / "cards.json").unlink()
    with pytest.raises(DamagedFile, match="cards.json"):
        zoo.card("digits-cnn")


# saving and training -----------------------------------------------------------------------------------------

def test_save_then_load_is_the_same_network_and_the_other_cards_stay(home):
    before = json.loads((home / "cards.json").read_text())
    net = RECIPES["digits-mlp"].build()
    path = zoo.save("digits-mlp", net, seed=5)
    assert path == home / "digits-mlp.safetensors"
    again = zoo.load("digits-mlp")
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), again.state_dict().values(), strict=True))
    after = json.loads((home / "cards.json").read_text())
    assert after["digits-mlp"]["seed"] == 5 and after["digits-mlp"]["accuracy"] < .4
    assert {k: v for k, v in after.items() if k != "digits-mlp"} == {k: v for k, v in before.items() if k != "digits-mlp"}


def test_a_save_that_fails_leaves_all_as_it_was(home, monkeypatch):
    before = {p.name: p.read_bytes() for p in home.iterdir()}

    def fail(*a):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        zoo.save("digits-mlp", RECIPES["digits-mlp"].build())
    assert {p.name: p.read_bytes() for p in home.iterdir()} == before, "no half file, and no file left lying"


def lands_near_its_card(name, seed):
    net = zoo.train(name, seed=seed, progress=False)
    assert not net.training
    found, card = zoo.score(name, net), zoo.card(name)["accuracy" if name in LABELLED else "score"]
    assert abs(found - card) <= RECIPES[name].spread, f"{name}, seed {seed}: {found:.4f}, card {card:.4f}"
    return net


def test_training_the_quickest_again_lands_within_a_point():
    state = torch.get_rng_state()
    lands_near_its_card("digits-mlp", 1)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.skipif(not SLOW, reason="minutes of training: XAIKIT_SLOW=1 runs it")
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", [name for name in NAMES if not RECIPES[name].restarts])  # hours: test_zoo_scenes_gan
def test_training_any_again_lands_within_a_point(name, seed):
    net = lands_near_its_card(name, seed)
    net.load_state_dict(zoo.load(name).state_dict())  # of the same form


def test_training_is_the_same_for_the_same_seed(monkeypatch):
    import dataclasses

    short = dataclasses.replace(RECIPES["digits-mlp"], fit={"epochs": 1})
    monkeypatch.setitem(RECIPES, "digits-mlp", short)
    one, two, other = (zoo.train("digits-mlp", seed=s, progress=False)(torch.ones(1, 1, 28, 28)) for s in (0, 0, 1))
    assert torch.equal(one, two) and not torch.equal(one, other)


def test_merging_batch_norm_changes_nothing():
    torch.manual_seed(0)
    net = networks.ConvNet((1, 8, 8), 3, norm=True)
    train.fit(net, (torch.rand(64, 1, 12, 12), torch.arange(64) % 3), epochs=3, lr=.01, progress=False)
    x = torch.rand(5, 1, 12, 12)
    before = net(x)
    merged = networks.merge_batch_norm(net)
    assert torch.allclose(before, merged(x), atol=1e-5)
    plain = networks.ConvNet((1, 8, 8), 3)
    plain.load_state_dict(merged.state_dict())
    assert torch.allclose(before, plain(x), atol=1e-5)


def test_augmentations_keep_shape_range_and_follow_the_generator():
    x = data.digits(split="test").images[:16]
    for f in (jiggle, mirror, turn_and_mirror):
        one, two = (f(x, torch.Generator().manual_seed(3)) for _ in range(2))
        assert torch.equal(one, two) and one.shape == x.shape and one.min() >= 0 and one.max() <= 1
        assert not torch.equal(one, x)
    ids = data.sentences(200).tokens
    lost = forget_words(ids, torch.Generator().manual_seed(0))
    assert (lost[ids == 0] == 0).all() and 0 < (lost != ids).sum() / (ids > 0).sum() < .04


# torchvision's networks --------------------------------------------------------------------------------------

@pytest.fixture
def cut_off(monkeypatch, tmp_path):
    """No weights on this machine, and no network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("XAIKIT_DATA", raising=False)
    monkeypatch.delenv("XAIKIT_OFFLINE", raising=False)

    def refuse(*a, **k):
        raise socket.gaierror(-3, "no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return tmp_path


def test_imagenet_offline_says_what_to_do(cut_off):
    start = time.perf_counter()
    with pytest.raises(OfflineError, match=r"squeezenet1_1-\w+\.pth.*put that file into"):
        zoo.imagenet("squeezenet1_1")
    assert time.perf_counter() - start < 60
    assert not zoo.cached("squeezenet1_1")


def test_imagenet_offline_by_choice_asks_nobody(cut_off, monkeypatch):
    monkeypatch.setenv("XAIKIT_OFFLINE", "1")
    monkeypatch.setattr(torchvision_nets, "unreachable", lambda url: pytest.fail("the network was asked"))
    with pytest.raises(OfflineError, match="XAIKIT_OFFLINE"):
        zoo.imagenet("squeezenet1_1")


def test_a_host_that_answers_is_reachable_even_if_it_grumbles():
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)  # answers every request with 501
    threading.Thread(target=server.handle_request, daemon=True).start()
    assert torchvision_nets.unreachable(f"http://127.0.0.1:{server.server_port}/file") is None
    server.server_close()


def test_a_host_that_never_answers_is_not_waited_for():
    with socket.socket() as silent:  # listens, and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.perf_counter()
        why = torchvision_nets.unreachable(f"http://127.0.0.1:{silent.getsockname()[1]}/file", patience=.5)
        assert why and time.perf_counter() - start < 3


def test_a_name_that_never_resolves_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: time.sleep(20))
    start = time.perf_counter()
    assert "no answer" in torchvision_nets.unreachable("http://nowhere.invalid/file", patience=.5)
    assert time.perf_counter() - start < 3


@pytest.mark.parametrize("name, near", [("squeezenet", "squeezenet1_"), ("resnet-18", "resnet18")])
def test_imagenet_unknown_name(name, near):
    with pytest.raises(ValueError, match=f"Did you mean '{near}"):
        zoo.imagenet(name)


def checkpoint(folder, half=False):
    """A file such as torchvision would have downloaded, with random weights."""
    from torchvision import models

    torch.manual_seed(0)
    net = models.squeezenet1_1(weights=None)
    path = folder / "hub" / "checkpoints" / models.SqueezeNet1_1_Weights.DEFAULT.url.rsplit("/", 1)[-1]
    path.parent.mkdir(parents=True)
    torch.save({k: v.half() if half else v for k, v in net.state_dict().items()}, path)
    return net.eval(), path


@pytest.mark.parametrize("half", [False, True])
def test_imagenet_from_the_hub_cache_and_from_xaikit_data(cut_off, monkeypatch, half):
    original, path = checkpoint(cut_off / "data" / "torch_home", half)
    monkeypatch.setenv("XAIKIT_DATA", str(cut_off / "data"))
    assert zoo.cached("squeezenet1_1")
    net, preprocess, classes = zoo.imagenet("squeezenet1_1")
    assert not net.training and len(classes) == 1000 and classes[281] == "tabby"
    assert all(p.dtype == torch.float32 for p in net.parameters())
    from PIL import Image

    photo = data.photo("chelsea")
    bytes_ = (photo[0] * 255).round().byte()
    picture = Image.fromarray(bytes_.permute(1, 2, 0).numpy())
    one, two, three = preprocess(picture), preprocess(bytes_), preprocess(photo)
    assert one.shape == two.shape == (3, 224, 224) and three.shape == (1, 3, 224, 224)
    assert torch.allclose(one, two, atol=.05) and torch.allclose(two, three[0], atol=.05)
    assert torch.allclose(net(three), original(three), atol=.05 if half else 1e-5)


@pytest.mark.parametrize("harm", ["truncated", "empty", "other"])
def test_imagenet_damaged_file_is_named(cut_off, harm):
    _, path = checkpoint(cut_off)
    path.write_bytes(HARM[harm](path.read_bytes()))
    with pytest.raises(DamagedFile, match=path.name):
        zoo.imagenet("squeezenet1_1")


def test_imagenet_file_of_another_network(cut_off):
    _, path = checkpoint(cut_off)
    for wrong in ({"a": torch.zeros(1)}, [1, 2], 3):
        torch.save(wrong, path)
        with pytest.raises(DamagedFile, match=path.name):
            zoo.imagenet("squeezenet1_1")


@pytest.mark.skipif(not REAL or not Path(REAL, "torch_home").is_dir(), reason="XAIKIT_DATA has no torch_home")
def test_real_squeezenet_names_the_cat_and_the_coffee():
    net, preprocess, classes = zoo.imagenet("squeezenet1_1")
    with torch.no_grad():
        found = [classes[net(preprocess(data.photo(p))).argmax().item()] for p in ("chelsea", "coffee")]
    assert found == ["Egyptian cat", "espresso"]
