"""The strongest pictures and patches against sorting everything; ties, borders, forms of data, memory."""
import weakref

import pytest
import torch
from torch import nn

from xaikit import data, features, zoo
from xaikit.features import top_images, top_patches


def network(seed=0):
    """Fields of 9 × 9, stride 2, that begin at −3."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 5, 5, stride=2, padding=2),
                         nn.Conv2d(5, 6, 1), nn.AvgPool2d(2, 1)).eval()


def pictures(n=23, seed=1, side=(13, 15)):
    return torch.rand(n, 2, *side, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def brute_force(net, layer, unit, images, k, fill=0.0, crop=True):
    """All maps at once, sorted by (−value, picture, place); each box cut out pixel by pixel."""
    maps = net[:int(layer) + 1](images)[:, unit]
    field = features.receptive_field(net, layer)
    found = sorted((-m.max().item(), n, m.argmax().item()) for n, m in enumerate(maps))[:k]
    values, indices, positions, patches = [], [], [], []
    for value, n, place in found:
        row, column = divmod(place, maps.shape[2])
        patch = images[n]
        if crop:
            patch = torch.full((images.shape[1], *field.size), fill)
            for i in range(field.size[0]):
                for j in range(field.size[1]):
                    y = field.start[0] + field.stride[0] * row + i
                    x = field.start[1] + field.stride[1] * column + j
                    if 0 <= y < images.shape[2] and 0 <= x < images.shape[3]:
                        patch[:, i, j] = images[n, :, y, x]
        values.append(-value)
        indices.append(n)
        positions.append([row, column])
        patches.append(patch)
    return torch.stack(patches), torch.tensor(values), torch.tensor(indices), torch.tensor(positions)


def agrees(top, expected):
    patches, values, indices, positions = expected
    torch.testing.assert_close(top.activations, values)
    assert torch.equal(top.indices, indices) and torch.equal(top.positions, positions)
    assert torch.equal(top.patches, patches)


@pytest.mark.parametrize("layer", ["0", "2", "4"])
@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_equal_to_sorting_everything(layer, batch_size):
    net, images = network(), pictures()
    for unit in (0, 3):
        agrees(top_patches(net, layer, unit, images, k=7, batch_size=batch_size, fill=0.25),
               brute_force(net, layer, unit, images, 7, fill=0.25))
        agrees(top_images(net, layer, unit, images, k=7, batch_size=batch_size),
               brute_force(net, layer, unit, images, 7, crop=False))


def test_several_units_in_one_pass():
    net, images = network(), pictures()
    everyone = top_patches(net, "4", None, images, k=5, batch_size=6)
    assert everyone.units == tuple(range(6)) and everyone.patches.shape == (6, 5, 2, 9, 9)
    some = top_patches(net, "4", [4, 1, 1], images, k=5)
    assert some.units == (4, 1, 1)
    alone = top_patches(net, "4", torch.tensor(1), images, k=5)
    assert alone.patches.shape == (5, 2, 9, 9)
    as_tensor = top_patches(net, "4", torch.tensor([4, 1, 1]), images, k=5)
    for name in ("patches", "activations", "indices", "positions", "boxes"):
        one = getattr(top_patches(net, "4", 1, images, k=5), name)
        # the batches differ in size, and with them the order in which a convolution adds up
        assert torch.allclose(getattr(everyone, name)[1], one, atol=1e-6) and torch.equal(getattr(some, name)[2], one)
        assert torch.equal(getattr(some, name), getattr(as_tensor, name))


def test_boxes_are_the_inside_of_the_patches():
    net, images = network(), pictures()
    top = top_patches(net, "4", None, images, k=9, fill=-1.0)
    outside = 0
    for u in range(6):
        for r in range(9):
            t, left, b, right = top.boxes[u, r].tolist()
            (y, _), (x, _) = top.field.box(*top.positions[u, r].tolist())
            inside = torch.zeros(top.field.size, dtype=torch.bool)
            inside[t - y:b - y, left - x:right - x] = True
            assert torch.equal(top.patches[u, r][:, inside].view(2, b - t, right - left),
                               images[top.indices[u, r], :, t:b, left:right])
            assert (top.patches[u, r][:, ~inside] == -1).all()
            outside += (~inside).any().item()
    assert outside > 5  # the border was met


class Batches:
    """An iterable that is no generator, and counts how often it is read."""

    def __init__(self, items):
        self.items, self.reads = items, 0

    def __iter__(self):
        self.reads += 1
        return iter(self.items)


def test_any_form_of_data():
    net, images = network(), pictures()
    labels = torch.arange(len(images))
    expected = top_patches(net, "4", 2, images, k=6)
    pairs = torch.utils.data.TensorDataset(images, labels)
    forms = {
        "batches": Batches(images.split(5)), "a generator": (b for b in images.split(4)),
        "with labels": Batches(list(zip(images.split(5), labels.split(5), strict=True))),
        "lists with labels": [[a, b] for a, b in zip(images.split(7), labels.split(7), strict=True)],
        "pictures": iter(images), "a tuple of pictures": tuple(images),
        "a TensorDataset": pairs, "a loader": torch.utils.data.DataLoader(pairs, batch_size=3),
        "batches of several sizes": iter(images.split([1, 9, 2, 11])),
        "a subset": torch.utils.data.Subset(pairs, range(23)),
    }
    for name, form in forms.items():
        top = top_patches(net, "4", 2, form, k=6, batch_size=8)
        torch.testing.assert_close(top.activations, expected.activations, msg=name)
        assert torch.equal(top.indices, expected.indices) and torch.equal(top.patches, expected.patches), name
    assert forms["batches"].reads == 1
    digits = data.digits(split="test")
    cnn = zoo.load("digits-cnn")
    a, b = (top_patches(cnn, "features.6", 5, form, k=4) for form in (digits, digits.images))
    assert torch.equal(a.patches, b.patches) and torch.equal(a.indices, b.indices)


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_a_tie_goes_to_the_first_picture_and_the_first_place(batch_size):
    net = network()
    images = pictures(4).repeat(3, 1, 1, 1)  # each picture three times
    top = top_patches(net, "4", 0, images, k=12, batch_size=batch_size)
    assert all((top.indices[i:i + 3].diff() == 4).all() for i in range(0, 12, 3))
    flat = top_patches(net, "2", 1, torch.zeros(5, 2, 9, 9), k=5, batch_size=batch_size)
    assert flat.indices.tolist() == list(range(5))
    with torch.no_grad():
        torch.testing.assert_close(flat.activations, net[:3](torch.zeros(5, 2, 9, 9))[:, 1].amax((1, 2)))


def test_fewer_pictures_than_k_and_pictures_smaller_than_the_field():
    net = network()
    assert top_patches(net, "4", 0, pictures(3), k=9).patches.shape == (3, 2, 9, 9)
    small = pictures(6, side=(5, 4))
    agrees(top_patches(net, "2", 3, small, k=4, fill=0.5), brute_force(net, "2", 3, small, 4, fill=0.5))


def test_a_layer_without_a_map():
    cnn, images = zoo.load("digits-cnn"), data.digits(split="test").images[:200]
    top = top_patches(cnn, "head", [3, 8], images, k=5)
    assert top.field.whole and top.positions.shape == (2, 5, 0)
    assert torch.equal(top.patches[0], images[top.indices[0]])
    with torch.no_grad():
        values, indices = cnn(images)[:, 8].topk(5)
    torch.testing.assert_close(top.activations[1], values)
    assert torch.equal(top.indices[1], indices) and (top.boxes == torch.tensor([0, 0, 28, 28])).all()
    mlp = zoo.load("digits-mlp")
    name = [n for n, m in mlp.named_modules() if isinstance(m, nn.Linear)][0]
    assert top_images(mlp, name, 2, images, k=3).field is None
    with pytest.raises(ValueError, match="no convolution"):
        top_patches(mlp, name, 2, images)


@pytest.mark.parametrize("times", [1, 4, 16])
def test_memory_does_not_grow_with_the_data(times):
    """Of all batches ever read at most two are alive, this one and the next; what is kept holds none."""
    net, alive, most = network(), [], 0

    def stream():
        nonlocal most
        generator = torch.Generator().manual_seed(0)
        for _ in range(8 * times):
            batch = torch.rand(4, 2, 13, 15, generator=generator)
            alive.append(weakref.ref(batch.untyped_storage()))
            alive[:] = [ref for ref in alive if ref() is not None]
            most = max(most, len(alive))
            yield batch
            del batch

    top = top_patches(net, "4", None, stream(), k=3)
    assert most <= 2
    kept = top.patches, top.activations, top.indices, top.positions, top.boxes
    held = sum(t.untyped_storage().nbytes() for t in kept)
    assert held < 6 * 3 * (2 * 9 * 9 * 4 + 64) * 3  # whatever the data: that of six units' three patches


def test_the_network_is_as_it_was_also_after_an_exception():
    net = network().train()
    state, before = torch.get_rng_state(), {k: v.clone() for k, v in net.state_dict().items()}
    top_patches(net, "4", 0, pictures())
    bad = pictures()
    bad[20, 0, 5, 5] = float("nan")
    with pytest.raises(ValueError, match="16 … 22 are not all finite"):
        top_patches(net, "4", 0, bad, batch_size=8)
    assert net.training and torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())


@pytest.mark.parametrize("unit", [6, -1, 99, [0, 6]])
def test_a_unit_that_does_not_exist(unit):
    with pytest.raises(ValueError, match="has 6 units"):
        top_patches(network(), "4", unit, pictures())


def test_bad_input():
    net, images = network(), pictures()
    for unit in (True, 1.0, [0.5], "3"):
        with pytest.raises(TypeError, match="whole number"):
            top_patches(net, "4", unit, images)
    with pytest.raises(ValueError, match="no layer '9'"):
        top_patches(net, "9", 0, images)
    for bad in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match="k is a whole number"):
            top_patches(net, "4", 0, images, k=bad)
        with pytest.raises(ValueError, match="batch_size is a whole number"):
            top_images(net, "4", 0, images, batch_size=bad)
    for none in (images[:0], [], iter(())):
        with pytest.raises(ValueError, match="no pictures"):
            top_patches(net, "4", 0, none)
    with pytest.raises(ValueError, match="no unit"):
        top_patches(net, "4", [], images)
    with pytest.raises(ValueError, match="N, C, H, W"):
        top_patches(net, "4", 0, images[0])
    with pytest.raises(TypeError, match="floating point"):
        top_patches(net, "4", 0, (255 * images).byte())
    for nonsense in (["a"], [1, 2], [images[0, 0]]):
        with pytest.raises(TypeError, match="images is"):
            top_patches(net, "4", 0, nonsense)
    with pytest.raises(ValueError, match="several sizes"):
        top_images(net, "4", 0, [images[:2], images[:2, :, :9]])
