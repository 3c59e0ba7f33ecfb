"""Visual words that ship: k-means to its end takes half a minute, and its last digits differ between processors.

`bow` learns its small vocabulary on the spot; 512 words for each of two window sizes are a network of the zoo,
"shapes-words", that answers with the word which each window speaks.
"""
import numpy as np
import torch
from torch import nn

from . import bow

WINDOWS, COUNT = (6, 9), 512
_KNOWN: dict[tuple, bow.Vocabulary] = {}


class VisualWords(nn.Module):
    """``words`` (2, 512, 72): those of windows of 6 and of 9 pixels; called on images (N, 1, H, W) it returns the
    nearest word of each window, a tensor (N, L) of ints for each size."""

    def __init__(self, windows=WINDOWS, count=COUNT):
        super().__init__()
        self.windows = windows
        self.words = nn.Parameter(torch.zeros(len(windows), count, bow.CELLS**2 * bow.ORIENTATIONS), requires_grad=False)

    def forward(self, images):
        return [d.argmin(-1) for d in self._distances(images)]

    def _distances(self, images):
        maps = bow.integral_maps(images)
        return [torch.cdist(bow.descriptors(maps, window), words) for window, words in zip(self.windows, self.words, strict=True)]

    def vocabulary(self):
        """The words as a `bow.Vocabulary`, without Gaussian mixtures: one object for equal words, so that what was
        trained on it is found again."""
        words = self.words.detach().clone()
        return _KNOWN.setdefault((self.windows, words.numpy().tobytes()), bow.Vocabulary(self.windows, tuple(words), ()))


def fit(network, images, seed=0, progress=True, augment=None, per_image=120, iterations=60):
    """Lloyd's k-means (scikit-learn, from k-means++) on ``per_image`` windows of each of the images."""
    from sklearn.cluster import KMeans
    from tqdm.auto import tqdm

    sizes = tqdm(list(enumerate(network.windows)), "k-means", disable=not progress)
    for scale, window in sizes:
        points = sampled(images, window, per_image, seed)
        means = KMeans(network.words.shape[1], n_init=1, max_iter=iterations, random_state=seed).fit(points.numpy())
        network.words.data[scale] = torch.from_numpy(means.cluster_centers_)


def sampled(images, window, per_image, seed):
    """Descriptors of ``per_image`` windows of each image, chosen by the seed: (N · per_image, 72)."""
    rng = np.random.default_rng((seed, window))
    found = (bow.descriptors(bow.integral_maps(batch), window) for batch in images.split(32))
    return torch.cat([f[:, rng.permutation(f.shape[1])[:per_image]].flatten(0, 1) for f in found])


def error(network, test):
    """Mean squared distance of a window of ``test`` to its nearest word, the mean over the window sizes."""
    with torch.no_grad():
        sums = [[d.amin(-1).square().mean() for d in network._distances(batch)] for batch in test.images.split(16)]
    return float(torch.tensor(sums).mean())
