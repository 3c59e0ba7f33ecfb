"""MNIST and CIFAR-10: from this machine where they are, from torchvision's sources only when asked."""
import gzip
import os
import socket
import threading
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
import torch

from ..errors import DamagedFile, OfflineError
from .dataset import Dataset, check_count, check_split

PATIENCE = 6.0  # seconds for a first answer from the host of a download
_FILES = {"train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
          "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")}
_CIFAR = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
_BATCHES = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}


def mnist(split="train", n=None, download=False):
    """MNIST, (N, 1, 28, 28): the first ``n`` of 60,000 (split "train") or 10,000 ("test"), in the original order.

    Looked for in ``$XAIKIT_DATA/mnist`` and in the cache folder (``$XAIKIT_CACHE``, else ``~/.cache/xaikit``), packed
    (.gz) or not; nothing there is changed.  ``download=True`` lets torchvision fetch what is missing.  OfflineError,
    with the remedy, where it is not to be had; DamagedFile if a file is broken.
    """
    check_split(split)
    if n is not None:
        check_count(n)

    def find():
        return next((found for root in _roots("mnist")
                     if all(found := [_either(root / "MNIST" / "raw" / f) for f in _FILES[split]])), None)

    images, labels = find() or _fetch("MNIST", "mnist", find, download, f"MNIST/raw/{_FILES[split][0]}.gz …")
    pictures, marks = _idx(images, 3, n), _idx(labels, 1, n)
    if len(pictures) != len(marks):
        raise DamagedFile(f"{images} holds {len(pictures)} images, {labels} {len(marks)} labels: get them again")
    _enough(n, len(marks), f"MNIST's {split} part")
    return Dataset(images=_unit(pictures[:, None]), labels=torch.from_numpy(marks.astype(np.int64)),
                   classes=[str(d) for d in range(10)], name=f"MNIST ({split})")


def cifar10(split="train", n=None, download=False):
    """CIFAR-10, (N, 3, 32, 32): the first ``n`` of 50,000 (split "train") or 10,000 ("test"), in the original order.

    Looked for in ``$XAIKIT_DATA/cifar10`` — torchvision's folder, or an .npz with ``x_train`` (N, 32, 32, 3) and
    ``y_train``, which may hold only the first ones: then these are what there is — and in the cache folder.
    ``download=True`` and errors as for ``mnist``.
    """
    check_split(split)
    if n is not None:
        check_count(n)

    def find():
        for root in _roots("cifar10"):
            batches = [root / "cifar-10-batches-py" / b for b in _BATCHES[split]]
            if all(b.is_file() for b in batches):
                return batches
        for root in _roots("cifar10"):
            for file in sorted(root.glob("*.npz")):
                if f"x_{split}.npy" in _names(file):
                    return [file]
        return None

    files = find() or _fetch("CIFAR10", "cifar10", find, download, f"cifar-10-batches-py/{_BATCHES[split][0]} …")
    pictures, marks = _npz(files[0], split) if files[0].suffix == ".npz" else _pickled(files, n)
    _enough(n, len(marks), f"CIFAR-10's {split} part on this machine")
    return Dataset(images=_unit(pictures[:n].transpose(0, 3, 1, 2)), labels=torch.from_numpy(marks[:n].astype(np.int64)),
                   classes=list(_CIFAR), name=f"CIFAR-10 ({split})")


def cache():
    """The folder for what is downloaded: ``$XAIKIT_CACHE``, else ``~/.cache/xaikit``."""
    return Path(os.environ.get("XAIKIT_CACHE") or Path.home() / ".cache" / "xaikit")


def _roots(name):
    given = os.environ.get("XAIKIT_DATA")
    return ([Path(given) / name] if given else []) + [cache() / name]


def _either(path):
    packed = path.with_name(path.name + ".gz")
    return path if path.is_file() else packed if packed.is_file() else None


def _fetch(dataset, name, find, download, layout):
    """What ``find`` finds after torchvision has downloaded ``dataset``; OfflineError if that may not be or fails."""
    where = cache() / name
    remedy = (f"{dataset} is not on this machine (looked in {', '.join(map(str, _roots(name)))}).  "
              f"With a network: data.{name}(download=True).  Without: copy torchvision's files there ({layout})")
    if not download:
        raise OfflineError(remedy)
    if os.environ.get("XAIKIT_OFFLINE", "0") not in ("", "0"):
        raise OfflineError(f"XAIKIT_OFFLINE is set.  {remedy}")
    from torchvision import datasets

    sources = getattr(datasets.MNIST, "mirrors", []) if dataset == "MNIST" else [datasets.CIFAR10.url]
    why = [unreachable(source) for source in sources]
    if all(why):
        raise OfflineError(f"the download failed ({why[0]}).  {remedy}")
    before = socket.getdefaulttimeout()
    try:
        socket.setdefaulttimeout(20)  # a source that goes silent is given up
        getattr(datasets, dataset)(str(where), download=True)
    except Exception as error:
        raise OfflineError(f"the download failed ({str(error)[:200]}).  {remedy}") from error
    finally:
        socket.setdefaulttimeout(before)
        for packed in where.glob("cifar-10-*.tar.gz"):  # unpacked by now
            packed.unlink()
    if not (found := find()):
        raise OfflineError(f"the download did not bring what was expected.  {remedy}")
    return found


def _idx(path, rank, n):
    """The first ``n`` items of an IDX file of bytes (LeCun's format: 0, 0, 8, rank, then big-endian sizes, then data)."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            head = file.read(4 * (1 + rank))
            shape = [int.from_bytes(head[4 * i:4 * i + 4], "big") for i in range(1, rank + 1)]
            if len(head) < 4 * (1 + rank) or head[:4] != bytes([0, 0, 8, rank]) or rank == 3 and shape[1:] != [28, 28]:
                raise DamagedFile(f"{path} does not begin like a file of MNIST: get it again")
            shape[0] = shape[0] if n is None else min(n, shape[0])
            raw = file.read(int(np.prod(shape)))
            if n is None:
                file.read(1)  # gzip compares its checksum only when it meets the end
    except (OSError, EOFError, ValueError) as error:
        raise DamagedFile(f"{path} is damaged ({error}): get it again") from error
    except Exception as error:  # zlib's own error type
        if isinstance(error, DamagedFile):
            raise
        raise DamagedFile(f"{path} is damaged ({error}): get it again") from error
    if len(raw) < np.prod(shape):
        raise DamagedFile(f"{path} is truncated: {len(raw)} bytes of {np.prod(shape)}; get it again")
    return np.frombuffer(raw, np.uint8).reshape(shape)


def _names(file):
    try:
        with zipfile.ZipFile(file) as box:
            return box.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise DamagedFile(f"{file} is damaged ({error}): get it again") from error


def _npz(file, split):
    try:
        with np.load(file, allow_pickle=False) as box:
            return box[f"x_{split}"], box[f"y_{split}"].reshape(-1)
    except Exception as error:
        raise DamagedFile(f"{file} is damaged ({error}): get it again") from error


def _pickled(files, n):
    """torchvision's own batches: dicts of b"data" (10000, 3072) and b"labels", pickled, checked by torchvision's md5s."""
    import pickle

    from torchvision import datasets
    from torchvision.datasets.utils import check_integrity

    sums = dict(datasets.CIFAR10.train_list + datasets.CIFAR10.test_list)
    pictures, marks = [], []
    for file in files:
        if not check_integrity(str(file), sums[file.name]):  # also: nobody else's pickle is opened
            raise DamagedFile(f"{file} is damaged: its md5 is not CIFAR-10's; delete the folder and get it again")
        with open(file, "rb") as opened:
            batch = pickle.load(opened, encoding="bytes")
        pictures.append(batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        marks.append(np.array(batch[b"labels"]))
        if n is not None and sum(map(len, marks)) >= n:
            break
    return np.concatenate(pictures), np.concatenate(marks)


def _enough(n, there, what):
    if n is not None and n > there:
        raise ValueError(f"{what} holds {there} images, not {n}")


def _unit(pictures):
    return torch.from_numpy(np.array(pictures)).float().div_(255)  # a copy: bytes from a file cannot be written to


def unreachable(url, patience=PATIENCE):
    """Why ``url`` cannot be had, or None if its host answers.  Returns within ``patience`` seconds, come what may."""
    answer = [f"no answer within {patience:g} s"]

    def ask():
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=patience).close()
            answer[0] = None
        except urllib.error.HTTPError:
            answer[0] = None  # an answer, if a grumpy one: the download will tell
        except Exception as error:
            answer[0] = str(getattr(error, "reason", error))

    # a thread, because looking up a host's name knows no time-out
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(patience)
    return answer[0]
