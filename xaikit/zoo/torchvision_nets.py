"""ImageNet networks through torchvision: from this machine where they are, else downloaded, never waited for."""
import difflib
import os
import socket
from pathlib import Path

import torch

from ..data.downloads import PATIENCE, unreachable
from ..errors import DamagedFile, OfflineError


def imagenet(name="squeezenet1_1"):
    """(network in eval mode, preprocess, classes): a torchvision classifier with its default ImageNet weights.

    preprocess takes a PIL image, a uint8 tensor or a float tensor in [0, 1], (3, H, W) or (N, 3, H, W), and gives what
    the network takes.  The weights are looked for in ``TORCH_HOME``, the hub cache and ``XAIKIT_DATA/torch_home``, and
    else downloaded.  OfflineError, with the remedy, if they cannot be had (at once where ``XAIKIT_OFFLINE=1``);
    DamagedFile if the file is broken; ValueError for a name torchvision does not have.
    """
    from torchvision import models

    weights = _weights(name)
    path = _path(weights) or _download(name, weights)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        # these two were trained on inputs scaled otherwise, and scale them themselves if told to
        more = {"transform_input": True, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
        with torch.random.fork_rng():
            network = models.get_model(name, weights=None, **more)
        # .float(): a file may hold half precision
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    except Exception as error:  # pickle, zip and torch each have errors of their own
        raise DamagedFile(f"{path} does not hold the weights of {name} ({str(error)[:120]}): delete it and try again") \
            from error
    return network.eval(), weights.transforms(), list(weights.meta["categories"])


def cached(name="squeezenet1_1"):
    """Whether ``imagenet(name)`` finds its weights on this machine."""
    return _path(_weights(name)) is not None


def _weights(name):
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0)
        raise ValueError(f"torchvision has no classifier called {name!r}.  Did you mean {near[0]!r}?")
    return models.get_model_weights(name).DEFAULT


def _folders():
    folders = [Path(torch.hub.get_dir()) / "checkpoints"]
    if os.environ.get("XAIKIT_DATA"):
        folders.append(Path(os.environ["XAIKIT_DATA"]) / "torch_home" / "hub" / "checkpoints")
    return folders


def _path(weights):
    file = weights.url.rsplit("/", 1)[-1]
    return next((f / file for f in _folders() if (f / file).is_file()), None)


def _download(name, weights):
    file, folder = weights.url.rsplit("/", 1)[-1], _folders()[0]
    remedy = (f"{file} ({name}) is not on this machine and could not be downloaded ({{}}).  With a network, call "
              f"zoo.imagenet({name!r}) once; or put that file into {folder}")
    if os.environ.get("XAIKIT_OFFLINE", "0") not in ("", "0"):
        raise OfflineError(remedy.format("XAIKIT_OFFLINE is set"))
    why = unreachable(weights.url)
    if why:
        raise OfflineError(remedy.format(why))
    before = socket.getdefaulttimeout()
    try:
        socket.setdefaulttimeout(PATIENCE)  # a connection that goes silent ends, too
        torch.hub.load_state_dict_from_url(weights.url, str(folder), map_location="cpu", check_hash=True, progress=True,
                                           weights_only=True)
    except Exception as error:
        raise OfflineError(remedy.format(error)) from error
    finally:
        socket.setdefaulttimeout(before)
    return folder / file
