"""The architectures.  Small, plain, and named so that a layer can be asked for: ``features.6``, ``head``."""
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class ConvNet(nn.Module):
    """Convolutions (``features``), the average of each map, one linear layer (``head``): what CAM needs.

    (N, C, H, W) in [0, 1] -> (N, classes) logits.  Zhou et al. 2016, section 2.  ``norm=True`` puts a batch norm after
    each convolution, which ``merge_batch_norm`` takes out again.
    """

    def __init__(self, channels, classes, kernel=3, first=5, norm=False):
        super().__init__()
        layers = []
        for i, (a, b) in enumerate(zip(channels, channels[1:], strict=False)):
            k = first if i == 0 else kernel
            layers += [nn.Conv2d(a, b, k, padding=k // 2), *([nn.BatchNorm2d(b)] if norm else []), nn.ReLU(),
                       nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers[:-1])  # no pooling after the last: its maps are what CAM shows
        self.head = nn.Linear(channels[-1], classes)
        _start(self)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


def merge_batch_norm(network):
    """Take the batch norms out of a trained ConvNet: each is, in eval mode, a scale and a shift of the maps before it.

    The network is changed in place and returned, in eval mode; it computes what it did, as a plain ConvNet.
    """
    network.eval()
    plain = []
    for layer in network.features:
        if isinstance(layer, nn.BatchNorm2d):
            layer = fuse_conv_bn_eval(plain.pop(), layer)
        plain.append(layer)
    network.features = nn.Sequential(*plain)
    return network


class Mlp(nn.Sequential):
    """Flatten, then linear layers with ReLU between them.  (N, C, H, W) -> (N, widths[-1]) logits."""

    def __init__(self, widths):
        layers = [nn.Flatten()]
        for a, b in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(a, b), nn.ReLU()]
        super().__init__(*layers[:-1])
        _start(self)


class Block(nn.Module):
    """y = ReLU(x + BN(conv(ReLU(BN(conv(x)))))), with a 1 × 1 convolution on x where the shape changes (He et al. 2016)."""

    def __init__(self, a, b, stride=1):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b)
        self.conv2, self.bn2 = nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b)
        self.skip = nn.Identity() if a == b and stride == 1 else nn.Sequential(
            nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.skip(x))


class ResNet(nn.Module):
    """A stem, residual blocks (``features``), average pooling, ``head``.  (N, C, H, W) -> (N, classes) logits."""

    def __init__(self, channels, classes):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels[0], channels[1], 3, padding=1, bias=False),
                                  nn.BatchNorm2d(channels[1]), nn.ReLU())
        self.features = nn.Sequential(*(Block(a, b, 1 if i == 0 else 2) for i, (a, b) in
                                        enumerate(zip(channels[1:], channels[2:], strict=False))))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(channels[-1], classes)
        _start(self)

    def forward(self, x):
        return self.head(self.pool(self.features(self.stem(x))).flatten(1))


class SentenceBody(nn.Module):
    """Word vectors (N, T, D) -> (N, classes) logits: two convolutions over neighbouring words, their sum, a linear layer.

    The convolutions have no bias, so that padding (zero vectors) says nothing, however much of it there is.
    """

    def __init__(self, width, hidden, classes):
        super().__init__()
        self.conv1 = nn.Conv1d(width, hidden, 5, padding=2, bias=False)
        self.conv2 = nn.Conv1d(hidden, hidden, 3, padding=1, bias=False)
        self.head = nn.Linear(hidden, classes)

    def forward(self, vectors):
        maps = F.relu(self.conv2(F.relu(self.conv1(vectors.transpose(1, 2)))))
        return self.head(maps.sum(2) / 8)


class SentenceNet(nn.Module):
    """Token ids (N, T) -> logits, as ``body(embedding(ids))``; the padding's vector is zero and stays zero."""

    def __init__(self, words, width=24, hidden=48, classes=2):
        super().__init__()
        self.embedding = nn.Embedding(words, width, padding_idx=0)
        self.body = SentenceBody(width, hidden, classes)
        _start(self)

    def forward(self, ids):
        return self.body(self.embedding(ids))


class Segmenter(nn.Module):
    """A small U-Net: three times down, up again, each size joined with what was seen of it on the way down.

    (N, 3, H, W) in [0, 1] -> (N, classes, H, W) logits; H and W are multiples of 8.  Ronneberger et al. 2015, figure 1.
    """

    def __init__(self, width=16, classes=12):
        super().__init__()
        w = width
        self.down = nn.ModuleList([_conv_norm(3, w), _conv_norm(w, 2 * w, 2), _conv_norm(2 * w, 2 * w, 2),
                                   _conv_norm(2 * w, 2 * w, 2)])
        self.up = nn.ModuleList([_conv_norm(4 * w, 2 * w), _conv_norm(4 * w, 2 * w), _conv_norm(3 * w, w)])
        self.head = nn.Conv2d(w, classes, 3, padding=1)
        _start(self)

    def forward(self, x):
        seen = []
        for block in self.down:
            x = block(x)
            seen.append(x)
        x = seen.pop()
        for block in self.up:
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0), seen.pop()], 1))
        return self.head(x)


def _conv_norm(a, b, stride=1):
    return nn.Sequential(nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())


def _start(model):
    """He et al. 2015 for layers before a ReLU; the last layer starts small, so that all classes start alike."""
    layers = [m for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv1d, nn.Conv2d))]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    with torch.no_grad():
        layers[-1].weight.mul_(0.1)
