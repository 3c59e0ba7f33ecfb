import gzip
import hashlib
import os
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation

from xaikit import data
from xaikit.data.dataset import Dataset, stratify
from xaikit.data.sentences import DEGREE, VALUE, shapley
from xaikit.errors import DamagedFile, OfflineError

REAL = os.environ.get("XAIKIT_DATA")


def small(n=6, **more):
    fields = {"images": torch.rand(n, 1, 4, 4), "labels": torch.arange(n) % 2, "classes": ["a", "b"]}
    return Dataset(**fields | more)


# the Dataset type ------------------------------------------------------------------------------------------

def test_dataset_gives_items_views_and_batches():
    d = small(7, factors=pd.DataFrame({"k": range(7)}))
    image, label = d[3]
    assert len(d) == 7 and image.shape == (1, 4, 4) and label == 1
    assert torch.equal(d[-1][0], d.images[6])
    picked = d[[4, 1]]
    assert torch.equal(picked.images, d.images[[4, 1]]) and picked.factors.k.tolist() == [4, 1]
    assert list(picked.factors.index) == [0, 1]
    assert d[d.labels == 1].factors.k.tolist() == [1, 3, 5]
    assert d[2:5].images.data_ptr() == d.images[2:].data_ptr(), "a slice is a view"
    assert [len(y) for _, y in d.batches(3)] == [3, 3, 1]
    assert torch.equal(torch.cat([x for x, _ in d.batches(3)]), d.images)
    assert len(list(d)) == 7 and len(d[[]]) == 0
    with pytest.raises(IndexError):
        d[7]


def test_batches_are_shuffled_by_the_seed_and_lose_nothing():
    d = small(20, images=torch.arange(20.)[:, None, None, None] / 20)
    one, same, other = (torch.cat([x for x, _ in d.batches(6, seed=s)]).flatten() for s in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(one.sort().values, d.images.flatten())


@given(st.integers(2, 60), st.floats(.05, .95), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_split_is_a_stratified_partition(n, fraction, seed):
    labels = np.arange(n) % 3
    first = stratify(labels, fraction, seed)
    for k in range(3):
        assert first[labels == k].sum() == round(fraction * (labels == k).sum())
    d = small(n, images=torch.arange(n).float()[:, None, None, None] / n, labels=torch.from_numpy(labels),
              classes=list("abc"))
    a, b = d.split(fraction, seed)
    assert torch.equal(torch.cat([a.images, b.images]).flatten().sort().values, d.images.flatten())


@pytest.mark.parametrize("wrong, error, says", [
    ({"images": torch.rand(6, 1, 4, 4).double()}, TypeError, "float64"),
    ({"images": torch.rand(6, 4, 4)}, ValueError, "4 dimensions"),
    ({"images": torch.rand(5, 1, 4, 4)}, ValueError, "5 images for 6 labels"),
    ({"images": torch.rand(6, 1, 4, 4) + 1}, ValueError, r"\[0, 1\]"),
    ({"images": torch.full((6, 1, 4, 4), torch.nan)}, ValueError, "nan"),
    ({"images": np.zeros((6, 1, 4, 4), "f4")}, TypeError, "ndarray"),
    ({"images": None}, ValueError, "either images or tokens"),
    ({"labels": torch.zeros(6)}, TypeError, "float32"),
    ({"labels": torch.full((6,), 2)}, ValueError, r"labels lie in \[0, 1\]"),
    ({"classes": []}, ValueError, "classes"),
    ({"masks": torch.zeros(6, 2, 4, 4, dtype=torch.bool), "mask_names": ["one"]}, ValueError, "mask_names"),
    ({"masks": torch.zeros(6, 1, 4, 4), "mask_names": ["one"]}, TypeError, "masks"),
    ({"masks": torch.zeros(6, 1, 4, 5, dtype=torch.bool), "mask_names": ["one"]}, ValueError, "do not fit"),
    ({"factors": pd.DataFrame({"k": [1]})}, ValueError, "1 rows for 6"),
    ({"tokens": torch.zeros(6, 3, dtype=torch.int64)}, ValueError, "either"),
    ({"images": None, "tokens": torch.zeros(6, 3, dtype=torch.int64)}, ValueError, "vocabulary"),
    ({"images": None, "tokens": torch.full((6, 3), 2), "vocabulary": ["x", "y"]}, ValueError, "tokens lie in"),
    ({"images": None, "tokens": torch.zeros(6, 3, dtype=torch.int64), "vocabulary": ["x"],
      "weights": torch.zeros(6, 4)}, ValueError, "weights"),
])
def test_dataset_refuses_what_does_not_fit(wrong, error, says):
    with pytest.raises(error, match=says):
        small(**wrong)


@pytest.mark.parametrize("index, error", [(torch.tensor([.5]), TypeError), (torch.tensor([True]), ValueError),
                                          (torch.zeros(2, 2).long(), TypeError)])
def test_dataset_refuses_a_strange_index(index, error):
    with pytest.raises(error):
        small()[index]


@pytest.mark.parametrize("call", [
    lambda: data.digits(size=0), lambda: data.digits(size=2.5), lambda: data.digits(split="tset"),
    lambda: data.shapes(0), lambda: data.shapes(3, size=10), lambda: data.shapes(3, split="all"),
    lambda: data.scenes(-1), lambda: data.scenes(2, size=8), lambda: data.sentences(0), lambda: data.photos(size=-3),
    lambda: data.photo("cat"), lambda: data.mnist("validation"), lambda: data.cifar10(n=0), lambda: data.encode("  "),
    lambda: data.encode("very " * 40), lambda: next(small().batches(0)), lambda: small().split(1.0),
    lambda: data.sentences(split="dev"),
])
def test_bad_arguments_are_value_errors_that_name_the_value(call):
    with pytest.raises(ValueError, match=r"\d|'|cat"):
        call()


# digits ------------------------------------------------------------------------------------------------------

def test_digits_split_is_fixed_stratified_and_disjoint():
    train, test, both = (data.digits(split=s) for s in ("train", "test", "all"))
    assert (len(train), len(test), len(both)) == (1347, 450, 1797)
    assert train.images.shape[1:] == (1, 28, 28)
    rows = {s: {i.numpy().tobytes() for i in d.images} for s, d in (("train", train), ("test", test), ("all", both))}
    assert len(rows["all"]) == 1797, "no digit is there twice"
    assert not rows["train"] & rows["test"] and rows["train"] | rows["test"] == rows["all"]
    share = test.labels.bincount() / both.labels.bincount()
    assert share.min() > .24 and share.max() < .26
    # the split that the shipped networks were trained on; if this fails they have seen test images
    raw = data.digits(size=8, split="test")
    assert hashlib.sha256((raw.images * 16).round().byte().numpy().tobytes()).hexdigest()[:16] == "d51577cdedc65f4d"


def test_digits_another_seed_is_another_split_and_sizes_share_one():
    assert not torch.equal(data.digits(seed=1).labels, data.digits(seed=0).labels)
    assert torch.equal(data.digits(size=14, split="test").labels, data.digits(split="test").labels)


def test_digits_at_their_own_size_are_the_scans():
    from sklearn.datasets import load_digits

    scans = torch.from_numpy(load_digits().images / 16).float()
    assert torch.allclose(data.digits(size=8, split="all").images[:, 0], scans, atol=1e-6)


def test_resizing_makes_no_frequencies_up():
    # shrinking: stripes finer than the new grid vanish instead of coming back as broad ones
    x = torch.arange(64.)
    for period in (2, 2.5, 3):
        stripes = (.5 + .5 * torch.cos(2 * torch.pi * x / period)).expand(1, 1, 64, 64)
        small = data.resize(stripes, 16)[..., 4:12]
        assert small.std() < .03, f"period {period} px aliases: standard deviation {small.std():.3f}"
        assert stripes[..., ::4].std() > .3 or period == 2, "without a filter they would come back"
    # a coarse stripe survives
    assert data.resize((.5 + .5 * torch.cos(2 * torch.pi * x / 16)).expand(1, 1, 64, 64), 16).std() > .25
    # enlarging: next to nothing beyond the scan's own 4 cycles per picture
    power = torch.fft.fft2(data.digits(split="test").images[:, 0] - .5).abs() ** 2
    f = torch.fft.fftfreq(28).abs() * 28
    power[:, 0, 0] = 0
    fine = (f[:, None] > 6) | (f[None] > 6)
    assert power[:, fine].sum() / power.sum() < .02


# shapes ------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def drawn():
    return data.shapes(200, seed=3)


def test_shapes_masks_lie_in_each_other(drawn):
    shape, edge, corner = drawn.masks.numpy().swapaxes(0, 1)
    assert not (corner & ~edge).any(), "every corner pixel is an edge pixel"
    grown = binary_dilation(shape, np.ones((1, 7, 7)))
    assert not (edge & ~grown).any(), "edges lie in the shape or within three pixels (a tip may be thinner than one)"
    polygon = drawn.labels.numpy() == 1
    assert not corner[~polygon].any() and corner[polygon].any((1, 2)).all()
    assert shape.any((1, 2)).all() and edge.any((1, 2)).all()


def test_shapes_pixels_agree_with_masks(drawn):
    ink, behind = (torch.tensor(drawn.factors[c].to_numpy(), dtype=torch.float32) for c in ("ink", "behind"))
    shape, edge, _ = drawn.masks.unbind(1)
    image = drawn.images[:, 0]
    outside = ~shape & ~edge
    middle = .5 * (ink + behind)[:, None, None]
    lighter = (ink > behind)[:, None, None]
    wrong = ((image > middle) == lighter) & outside
    assert wrong.float().mean() < 1e-5, "what is outside of every mask has the colour of the background"
    filled = torch.tensor((drawn.factors.filter(like="filled").fillna(1) == 1).all(axis=1).to_numpy())
    inside = shape & ~edge & filled[:, None, None]
    right = ((image > middle) == lighter) & inside
    assert right.sum() / inside.sum() > .9999, "what is inside of filled shapes has the ink's"
    # where the picture changes most, there is an edge
    steep = ((image[:, 1:, :-1] - image[:, :-1, :-1]).abs() + (image[:, :-1, 1:] - image[:, :-1, :-1]).abs()) > .3
    assert (steep & ~edge[:, :-1, :-1]).sum() / steep.sum() < .03


def test_shapes_area_is_the_polygons_area():
    d = data.shapes(120, seed=8)
    one = d.factors.shapes == 1
    for i in np.flatnonzero(one):
        r, area = d.factors.shape1_radius[i], d.masks[i, 0].sum().item()
        if d.labels[i] == 0:
            assert abs(area - np.pi * r * r) < .03 * np.pi * r * r + 4
        else:
            k = int(d.factors.shape1_sides[i])
            most = k / 2 * r * r * np.sin(2 * np.pi / k)  # the regular one is the largest in its circle
            assert .6 * most - 4 < area < 1.03 * most + 4
            y, x = np.nonzero(d.masks[i, 2].numpy())
            reach = np.hypot(x + .5 - d.factors.shape1_x[i], y + .5 - d.factors.shape1_y[i])
            assert reach.max() < r + 4.1, "corners lie on the circle"


def test_shapes_vary(drawn):
    f = drawn.factors
    sides = f.filter(like="_sides").to_numpy()
    assert set(np.unique(sides[~np.isnan(sides)])) == {0, 3, 4, 5, 6, 7, 8}
    filled = f.filter(like="_filled").to_numpy()
    assert .4 < np.nanmean(filled) < .8
    assert (f.ink > f.behind).mean() > .2 and (f.ink < f.behind).mean() > .2
    assert set(f.shapes) == {1, 2, 3, 4} and .35 < drawn.labels.float().mean() < .65
    assert set((sides[drawn.labels.numpy() == 0] == 0)[~np.isnan(sides[drawn.labels.numpy() == 0])]) == {True}


# scenes ------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def land():
    return data.scenes(300, seed=5)


def test_scenes_masks_divide_the_picture(land):
    assert land.masks.shape == (300, 12, 64, 64) and land.mask_names[0] == "sky" and len(set(land.mask_names)) == 12
    assert (land.masks.sum(1) == 1).all(), "each pixel belongs to one thing"


def test_scenes_factors_agree_with_masks_and_labels(land):
    f = land.factors
    seen = dict(zip(land.mask_names, land.masks.flatten(2).any(2).unbind(1), strict=True))
    drawn = {"sun": f.sun, "cloud": f.clouds > 0, "mountain": f.mountains > 0, "path": f.path, "wall": f.house,
             "roof": f.house, "door": f.house, "window": f.windows, "trunk": f.trees > 0, "crown": f.trees > 0}
    for name, there in drawn.items():
        there = torch.tensor(there.to_numpy(bool))
        assert not (seen[name] & ~there).any(), f"{name} is seen where none was drawn"
        assert (seen[name] & there).sum() > .9 * there.sum(), f"{name} was drawn, but is rarely seen"
    assert torch.equal(seen["crown"], torch.tensor((f.trees > 0).to_numpy())), "trees hide, and are never hidden"
    house, trees = land.labels % 2 == 1, land.labels >= 2
    assert torch.equal(house, torch.tensor(f.house.to_numpy())) and torch.equal(trees, torch.tensor((f.trees > 0).to_numpy()))
    assert torch.equal(house, seen["wall"] | seen["roof"]), "a label can be seen"
    absent = ~f.house
    assert f.house_x[absent].isna().all() and f.house_x[~absent].notna().all()
    assert f.tree2_x[f.trees < 2].isna().all() and f.tree2_x[f.trees == 2].notna().all()
    assert f.tree_kind[f.trees == 0].isna().all() and set(f.tree_kind.dropna()) == {"round", "pointed"}


def test_scenes_things_are_where_the_factors_say(land):
    f, s = land.factors, 64
    centre = (np.arange(s) + .5) / s
    for i in np.flatnonzero(f.sun & (f.clouds == 0) & (f.mountains == 0) & ~f.house & (f.trees == 0)):
        mask = land.masks[i, 2].numpy()
        y, x = (mask.sum(a) @ centre / mask.sum() for a in (1, 0))
        assert abs(x - f.sun_x[i]) < .01 and abs(y - f.sun_y[i]) < .01
        assert abs(mask.mean() - np.pi * f.sun_size[i] ** 2) < .003
    checked = 0
    for i in np.flatnonzero(f.house & (f.trees == 0)):
        house = land.masks[i, 6:10].any(0).numpy()
        y, x = np.nonzero(house)
        assert abs((y.max() + 1) / s - f.house_y[i]) <= 1.1 / s
        assert abs(y.min() / s - (f.house_y[i] - f.house_height[i] - f.roof_height[i] + .005)) <= 2.1 / s
        left = f.house_x[i] - f.house_width[i] * .625
        assert abs(x.min() / s - max(left, 0)) <= 3.1 / s, "a roof's tip is thinner than a pixel"
        checked += 1
    assert checked > 30


def test_scenes_colours_agree_with_masks(land):
    """A window is never green and grass never blue: pixels well inside a mask have its colour."""
    mean = {}
    for k, name in enumerate(land.mask_names):
        inner = torch.nn.functional.avg_pool2d(land.masks[:, k:k + 1].float(), 3, 1, 1)[:, 0] > .99
        mean[name] = land.images.movedim(1, -1)[inner].mean(0)
    assert mean["grass"].argmax() == 1 and mean["crown"].argmax() == 1 and mean["trunk"].argmax() == 0
    assert mean["cloud"].min() > .9 and mean["sun"][2] < .4 and mean["roof"].argmax() == 0
    sky = land.images.movedim(1, -1)[land.masks[:, 0] & torch.tensor((land.factors.sky == "blue").to_numpy())[:, None, None]]
    assert sky.mean(0).argmax() == 2


def test_scenes_labels_say_nothing_about_the_sky():
    f = data.scenes(3000, size=16, seed=2, masks=False)
    table = pd.crosstab(f.factors.sky, f.labels.numpy(), normalize="columns")
    assert (table - 1 / 3).abs().to_numpy().max() < .06
    assert (f.labels.bincount() / 3000 - .25).abs().max() < .05


def test_a_thousand_scenes_in_time_and_memory():
    data.scenes(1)
    tracemalloc.start()
    start = time.process_time()
    d = data.scenes(1000)
    seconds = time.process_time() - start
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    kept = d.images.numel() * 4 / 2**20  # numpy's part of what is returned; the masks are torch's
    assert seconds < 8, f"{seconds:.1f} s"
    assert peak < kept + 160, f"{peak:.0f} MiB at the peak, {kept:.0f} of them kept"


@pytest.mark.parametrize("make", [lambda n, s: data.scenes(n, seed=s), lambda n, s: data.shapes(n, seed=s),
                                  lambda n, s: data.sentences(n, seed=s)], ids=["scenes", "shapes", "sentences"])
def test_same_seed_same_picture(make):
    few, again, more, other = make(5, 7), make(5, 7), make(270, 7), make(5, 8)
    for name in ("inputs", "labels", "masks", "weights"):
        a = getattr(few, name)
        if a is not None:
            assert torch.equal(a, getattr(again, name)) and torch.equal(a, getattr(more, name)[:5])
    assert few.factors.equals(again.factors) and few.factors.equals(more[:5].factors)
    assert not torch.equal(few.inputs, other.inputs)
    one, two = more.inputs[:5], more.inputs[-5:]
    assert not torch.equal(one, two), "the second chunk does not repeat the first"


def test_scenes_are_the_same_at_every_size():
    big, small = data.scenes(20, size=64, seed=1), data.scenes(20, size=32, seed=1)
    assert big.factors.equals(small.factors)
    assert (torch.nn.functional.avg_pool2d(big.images, 2) - small.images).abs().mean() < .02


def test_shapes_train_and_test_share_no_picture():
    one, two = data.shapes(100), data.shapes(100, split="test")
    assert not {i.numpy().tobytes() for i in one.images} & {i.numpy().tobytes() for i in two.images}
    assert not set(one.factors.shape1_x) & set(two.factors.shape1_x)


# photos ------------------------------------------------------------------------------------------------------

def test_photos_are_whole_and_in_colour():
    d = data.photos(size=64)
    assert d.images.shape == (13, 3, 64, 64) and d.labels.tolist() == list(range(13))
    grey = {c for c, x in zip(d.classes, d.images, strict=True) if (x[0] - x[1]).abs().max() < 1e-6}
    assert grey == {"camera", "coins", "moon", "brick", "grass", "gravel"}
    assert (d.images.flatten(1).std(1) > .02).all()
    assert data.photos().images.shape[-1] == 224
    cat = data.photo("chelsea")
    assert cat.shape == (1, 3, 300, 451)
    from skimage.data import chelsea

    assert np.array_equal((cat[0].permute(1, 2, 0) * 255).round().byte().numpy(), chelsea())


def test_photos_never_download(monkeypatch):
    import socket

    def refuse(*a, **k):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    data.photos.__globals__["_read"].cache_clear()
    assert len(data.photos(size=32)) == 13


# sentences ---------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def said():
    return data.sentences(1500)


def test_sentence_weights_sum_to_the_score_and_make_the_label(said):
    total = said.weights.sum(1)
    assert torch.allclose(total, torch.tensor(said.factors.score.to_numpy(), dtype=torch.float32), atol=1e-4)
    assert (total.abs() > .4).all(), "no sentence is undecided"
    assert torch.equal(said.labels, (total > 0).long())
    assert (said.weights[said.tokens == 0] == 0).all()
    assert torch.equal(said.lengths, (said.tokens > 0).sum(1))
    assert all(" ".join(data.decode(t)) == text for t, text in zip(said.tokens, said.factors.text, strict=True))


def test_sentence_weights_can_be_read_off_the_words(said):
    """An independent reading of the grammar: for every opinion word, look back for its degree and its negation."""
    for tokens, weights, text in zip(said.tokens, said.weights, said.factors.text, strict=True):
        words, expected = data.decode(tokens), {}
        for i, word in enumerate(words):
            if word not in VALUE:
                continue
            j = i - 1
            degree = j if words[j] in DEGREE else None
            j -= degree is not None
            j -= words[j] in ("a", "an")
            negation = j if j >= 0 and words[j] in ("not", "never", "hardly") else None
            credit = shapley(VALUE[word], DEGREE[words[degree]] if degree is not None else 1, negation is not None)
            for place, value in zip((i, degree, negation), credit, strict=True):
                if place is not None:
                    expected[place] = value
        actual = {i: w for i, w in enumerate(weights.tolist()) if w or i in expected}
        assert actual.keys() == expected.keys() and all(abs(actual[i] - expected[i]) < 1e-5 for i in actual), text


@given(st.sampled_from([-2, -1, 1, 2]), st.sampled_from([1.0, 2.0, .5]), st.booleans())
def test_shapley_closed_form_is_the_mean_over_all_orders(value, degree, negated):
    from itertools import permutations

    def game(players):
        if "o" not in players:
            return 0
        return value * (degree if "d" in players else 1) * (-1 if negated and "n" in players else 1)

    credit = dict.fromkeys("odn", 0)
    for order in permutations("odn"):
        for k, player in enumerate(order):
            credit[player] += (game(order[:k + 1]) - game(order[:k])) / 6
    assert np.allclose(list(credit.values()), shapley(value, degree, negated))


def test_sentences_have_negation_degrees_and_distractors(said):
    f = said.factors
    for column in ("negations", "degrees", "distractors"):
        assert .3 < (f[column] > 0).mean() < .7
    assert .45 < said.labels.float().mean() < .55
    # a bag of opinion words alone is not enough: negation turns a good share of the labels round
    plain = np.array([sum(VALUE.get(w, 0) for w in text.split()) for text in f.text])
    assert .6 < ((plain > 0) == said.labels.numpy().astype(bool)).mean() < .85
    # and some negations and degrees say nothing
    idle = [t for t in f.text if "not shot" in t or "very" in t and "cinema" in t]
    assert len(idle) > 50


def test_sentences_split_by_text_whatever_the_seed():
    train, test = (set(data.sentences(800, split=s, seed=k).factors.text) for s, k in (("train", 1), ("test", 2)))
    assert len(train) == 800 and len(test) == 800 and not train & test
    assert all(zlib.crc32(t.encode()) % 5 == 0 for t in test)


def test_encode_knows_its_words():
    ids = data.encode("The plot is NOT very clever, zebra.")
    assert ids.shape == (1, 32) and data.decode(ids[0]) == ["the", "plot", "is", "not", "very", "clever", ",", "<unk>", "."]


# mnist and cifar10 -------------------------------------------------------------------------------------------

def idx(array):
    return bytes([0, 0, 8, array.ndim]) + b"".join(s.to_bytes(4, "big") for s in array.shape) + array.tobytes()


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setenv("XAIKIT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XAIKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path


def write_mnist(root, n=12):
    raw = root / "mnist" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (n, 28, 28), np.uint8), rng.integers(0, 10, n).astype(np.uint8)
    (raw / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    (raw / "t10k-labels-idx1-ubyte").write_bytes(idx(labels))
    return raw, images, labels


@pytest.mark.parametrize("where", ["data", "cache"])
def test_mnist_is_read_packed_or_not_from_either_folder(shelf, where):
    raw, images, labels = write_mnist(shelf / where)
    for file in raw.iterdir():
        file.chmod(0o444)
    raw.chmod(0o555)
    d = data.mnist("test")
    assert np.array_equal((d.images[:, 0] * 255).round().byte().numpy(), images) and d.labels.tolist() == labels.tolist()
    assert len(data.mnist("test", n=5)) == 5
    raw.chmod(0o755)
    with pytest.raises(ValueError, match="12 images, not 13"):
        data.mnist("test", n=13)


@pytest.mark.parametrize("harm", [lambda b: b[:len(b) // 2], lambda b: b[:200] + bytes(80) + b[280:],
                                  lambda b: b"no such thing", lambda b: b"", lambda b: gzip.compress(b"\0\0\x08\x03")])
def test_damaged_mnist_is_named(shelf, harm):
    raw, *_ = write_mnist(shelf / "data")
    file = raw / "t10k-images-idx3-ubyte.gz"
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(DamagedFile, match="t10k-images-idx3-ubyte.gz"):
        data.mnist("test")


@pytest.mark.parametrize("get, name", [(data.mnist, "mnist"), (data.cifar10, "cifar10")])
def test_absent_files_say_the_remedy_and_ask_no_network(shelf, monkeypatch, get, name):
    import socket

    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: pytest.fail("the network was asked"))
    with pytest.raises(OfflineError, match=rf"data\.{name}\(download=True\)"):
        get()
    monkeypatch.setenv("XAIKIT_OFFLINE", "1")
    with pytest.raises(OfflineError, match="XAIKIT_OFFLINE"):
        get(download=True)


def test_a_failed_download_is_an_offline_error(shelf, monkeypatch):
    import socket

    def refuse(*a, **k):
        raise OSError("no route")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(OfflineError, match="the download failed"):
        data.mnist("test", download=True)
    assert socket.getdefaulttimeout() is None


def test_cifar10_from_npz_and_its_damage(shelf):
    root = shelf / "data" / "cifar10"
    root.mkdir(parents=True)
    x = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), np.uint8)
    np.savez(root / "some.npz", x_train=x, y_train=np.arange(9))
    d = data.cifar10(n=4)
    assert d.images.shape == (4, 3, 32, 32) and d.classes[d.labels[3]] == "cat"
    assert np.array_equal((data.cifar10().images.permute(0, 2, 3, 1) * 255).round().byte().numpy(), x)
    with pytest.raises(ValueError, match="9 images, not 10"):
        data.cifar10(n=10)
    with pytest.raises(OfflineError):
        data.cifar10("test")
    raw = (root / "some.npz").read_bytes()
    (root / "some.npz").write_bytes(raw[:len(raw) // 2])
    with pytest.raises(DamagedFile, match="some.npz"):
        data.cifar10()


def test_cifar10_opens_no_pickle_but_the_original(shelf):
    folder = shelf / "data" / "cifar10" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "test_batch").write_bytes(b"cos\nsystem\n(S'touch /tmp/never'\ntR.")
    with pytest.raises(DamagedFile, match="test_batch"):
        data.cifar10("test")


@pytest.mark.skipif(not REAL or not Path(REAL, "mnist").is_dir(), reason="XAIKIT_DATA has no MNIST")
def test_real_mnist_and_cifar10():
    d = data.mnist("train")
    assert len(d) == 60_000 and abs(d.images.mean() - .1307) < 1e-3 and d.labels[:5].tolist() == [5, 0, 4, 1, 9]
    c = data.cifar10("train", n=100)
    assert c.classes[c.labels[0]] == "frog" and len(c) == 100
