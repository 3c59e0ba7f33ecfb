"""What two trained networks kept of a picture, depth by depth: bounds through training, and samples of q(x|h).

Darlow, Storkey 2020, sections 4 and 5: a classifier and an auto-encoder, four hidden layers each.
"""
import functools

import torch

from . import bounds, pixelcnn

TASKS = ("classifier", "auto-encoder")
WEIGHTS = "07-pixelcnn.safetensors"  # in data/studies: one pair of networks, their PixelCNNs
_STEPS = 1000  # of a PixelCNN


def held_back(count=1350, seed=0):
    """``count`` of the moved digits of the test part, in random order: images (N, 1, 10, 10), labels (N,)."""
    images, labels = bounds.moved_digits("test")
    rows = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:count]
    return images[rows], labels[rows]


def curves(task, seed, moments, **options):
    """Train a network and measure both bounds at ``moments``: rows of the table (dicts).

    ``options`` go to `bounds.information`.
    """
    kept = bounds.watch(task, seed, max(moments), moments)
    images, labels = bounds.moved_digits()
    test, test_labels = held_back()
    h = [layer for _, state in kept for layer in bounds.hidden(state, images)]
    h_test = [layer for _, state in kept for layer in bounds.hidden(state, test)]
    x_bits, y_bits = bounds.information(h, bounds.level(images), labels, h_test, bounds.level(test), test_labels,
                                        seed=seed, **options)
    places = [(step, layer) for step, _ in kept for layer in bounds.LAYERS]
    return [{"task": task, "seed": seed, "step": step, "layer": layer, "x_bits": x, "y_bits": y}
            for (step, layer), x, y in zip(places, x_bits.tolist(), y_bits.tolist(), strict=True)]


@functools.cache
def live(task="classifier", moments=(0, 50, 150, 400)):
    """``curves`` of one network that learns for a few seconds: a tuple of rows."""
    return tuple(curves(task, 0, moments, steps=200))


def decoded(task, state, seed=0):
    """What a PixelCNN of each layer says of a network's ``state``, rows (dicts); and all weights, halved in precision.

    pixelcnn_bits: E log2 q(x|h) − E log2 q(x), both by PixelCNNs; alone: −E log2 q(x), at least H(x) in
    expectation; same_label, apart, from_original: see ``measured``.
    """
    state = {name: value.half() for name, value in state.items()}
    images, _ = bounds.moved_digits()
    test, labels = held_back()
    exact = {name: value.float() for name, value in state.items()}
    h, h_test = bounds.hidden(exact, images), bounds.hidden(exact, test)
    alone = pixelcnn.bits(_unconditional(), test)
    rows, weights = [], {f"{task}.network.{name}": value for name, value in state.items()}
    for i, layer in enumerate(bounds.LAYERS):
        codes = bounds.Principal.of(h[i])
        codes = bounds.Principal(codes.mean.half().float(), codes.basis.half().float())
        model = pixelcnn.fit(images, codes(h[i]), _STEPS, seed=seed)
        gained = pixelcnn.bits(model, test, codes(h_test[i])) - alone
        rows.append({"task": task, "seed": seed, "layer": layer, "alone": -alone, "pixelcnn_bits": gained,
                     **measured(model, codes(h_test[i]), test, labels)})
        found = {"mean": codes.mean, "basis": codes.basis, **model.state_dict()}
        weights |= {f"{task}.{layer}.{name}": value.half() for name, value in found.items()}
    return rows, weights


@functools.cache
def _unconditional():
    return pixelcnn.fit(bounds.moved_digits()[0], None, _STEPS)


def measured(model, codes, images, labels, count=300):
    """Of two samples each for ``count`` codes: how often a judge gives them the original's label, and the root
    mean squared differences of pixels between the two samples and between sample and original."""
    codes, images, labels = codes[:count], images[:count], labels[:count]
    first, second = (pixelcnn.sample(model, codes, seed) for seed in (0, 1))

    def distance(a, b):
        return (a - b).square().mean().sqrt().item()

    return {"same_label": (judge(first) == labels).float().mean().item(), "apart": distance(first, second),
            "from_original": distance(first, images)}


def judge(images):
    """Labels (N,) of images (N, 1, 10, 10) by their three nearest neighbours among the training images: a
    judge that shares nothing with the networks."""
    return torch.from_numpy(_neighbours().predict(images.flatten(1).numpy()))


@functools.cache
def _neighbours():
    from sklearn.neighbors import KNeighborsClassifier

    images, labels = bounds.moved_digits()
    return KNeighborsClassifier(3).fit(images.flatten(1).numpy(), labels.numpy())


def save(tensors, path):
    """Tensors by name into a safetensors file."""
    from safetensors.torch import save_file

    save_file({name: value.contiguous() for name, value in tensors.items()}, str(path))


def read(path):
    """The tensors of such a file by name."""
    from safetensors.torch import load_file

    return load_file(str(path))


@functools.cache
def shipped():
    """task → layer → (images → codes (N, 64), PixelCNN): one classifier, one auto-encoder and their decoders, of 07/samples.

    FileNotFoundError with the remedy where the file is missing.
    """
    from .. import home

    path = home() / "data" / "studies" / WEIGHTS
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: `xaikit run 07/samples --full` makes it in about 20 minutes")
    tensors, found = read(path), {}

    def part(prefix):
        return {name.removeprefix(prefix): value.float() for name, value in tensors.items() if name.startswith(prefix)}

    for task in TASKS:
        state, found[task] = part(f"{task}.network."), {}
        for i, layer in enumerate(bounds.LAYERS):
            own = part(f"{task}.{layer}.")
            codes = bounds.Principal(own.pop("mean"), own.pop("basis"))
            model = pixelcnn.PixelCNN()
            model.load_state_dict(own)
            found[task][layer] = (functools.partial(_codes, state, i, codes), model.eval())
    return found


def _codes(state, index, codes, images):
    return codes(bounds.hidden(state, images)[index])
