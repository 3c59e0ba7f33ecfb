"""The photographs that lie inside the installed scikit-image; nothing is ever downloaded."""
import functools
from pathlib import Path

import numpy as np
import torch

from .dataset import Dataset, check_size, resize

FILES = {"astronaut": "astronaut.png", "camera": "camera.png", "chelsea": "chelsea.png", "coffee": "coffee.png",
         "motorcycle": "motorcycle_left.png", "rocket": "rocket.jpg", "coins": "coins.png", "moon": "moon.png",
         "retina": "retina.jpg", "hubble": "hubble_deep_field.jpg", "brick": "brick.png", "grass": "grass.png",
         "gravel": "gravel.png"}


def photos(size=None):
    """scikit-image's photographs, one of each: (13, 3, size, size), classes their names; ``size`` is 224 if not given.

    The photographs have different sizes and shapes: each is cut to its middle square and then resized with a low-pass
    filter.  Grey ones (camera, coins, moon, brick, grass, gravel) have three equal channels.
    ``photos()[data.photos().classes.index("chelsea")]`` is the cat; see also ``photo``.
    """
    size = 224 if size is None else size
    check_size(size, 8)
    return Dataset(images=torch.cat([photo(name, size) for name in FILES]), labels=torch.arange(len(FILES)),
                   classes=list(FILES), name="photos")


def photo(name, size=None):
    """One photograph (1, 3, H, W) in [0, 1]: whole, or its middle square at (size, size).  ValueError for no such name."""
    if name not in FILES:
        raise ValueError(f"no photograph is called {name!r}; there are {', '.join(FILES)}")
    picture = torch.from_numpy(_read(FILES[name])).permute(2, 0, 1)[None].float() / 255
    if size is None:
        return picture
    height, width = picture.shape[2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize(picture[:, :, top:top + side, left:left + side], size)


@functools.lru_cache(len(FILES))
def _read(file):
    """(H, W, 3) uint8 of a file in the folder of scikit-image's own data, as it is installed."""
    import importlib.util

    from PIL import Image

    from ..errors import OfflineError

    folder = Path(importlib.util.find_spec("skimage").origin).parent / "data"  # found without importing it
    if not (folder / file).is_file():
        raise OfflineError(f"{file} is not among the data of the installed scikit-image ({folder}): install the version "
                           "that requirements.lock names")
    with Image.open(folder / file) as image:
        return np.array(image.convert("RGB"))
