"""Two classifiers small enough to follow by hand: the slides' network of seven neurons, and one of the
plane."""

import functools

import numpy as np
import torch
from torch import nn

# Neuron i feeds neuron k with the weight EDGES[i, k] (Bach et al. 2015, fig. 2: 1, 2, 3 are inputs, 7 is the
# output).
EDGES = {(1, 4): 1.0, (2, 4): -0.8, (1, 5): -0.6, (2, 5): 1.2, (3, 5): 0.5, (2, 6): -0.7, (3, 6): 1.1,
         (4, 7): 1.5, (5, 7): 1.0, (6, 7): -0.8}
BIAS = {4: 0.4, 5: -0.3, 6: 0.2, 7: 0.5}
LAYERS = ((1, 2, 3), (4, 5, 6), (7,))


def forward(inputs, bias=False):
    """(a, z): the activation of each neuron 1 … 7 and what it adds up; ReLU at 4, 5 and 6."""
    a, z = {i + 1: float(v) for i, v in enumerate(inputs)}, {}
    for layer in LAYERS[1:]:
        for k in layer:
            z[k] = sum(a[i] * w for (i, j), w in EDGES.items() if j == k) + (BIAS[k] if bias else 0.0)
            a[k] = max(z[k], 0.0) if k != 7 else z[k]
    return a, z


def messages(a, z):
    """(R, R on every edge): R_{i←k} = R_k a_i w_ik / z_k from neuron 7 down; where z_k = 0 nothing is
    sent."""
    relevance, sent = {7: a[7]}, {}
    for layer in (LAYERS[2], LAYERS[1]):
        for k in layer:
            for (i, j), w in EDGES.items():
                if j == k:
                    sent[i, k] = relevance[k] * a[i] * w / z[k] if z[k] else 0.0
        for i in LAYERS[LAYERS.index(layer) - 1]:
            relevance[i] = sum(r for (source, _), r in sent.items() if source == i)
    return relevance, sent


class Kernels(nn.Module):
    """f(x) = b + Σ_i c_i exp(−γ |x − s_i|²), (N, 2) → (N, 1): an SVM with a Gaussian kernel."""

    def __init__(self, support, weights, bias, gamma):
        super().__init__()
        self.gamma = gamma
        for name, value in (("support", support), ("weights", weights), ("bias", bias)):
            self.register_buffer(name, torch.as_tensor(np.asarray(value), dtype=torch.float64))

    def forward(self, x):
        near = torch.exp(-self.gamma * (x[:, None] - self.support).square().sum(2))
        return (near @ self.weights + self.bias)[:, None]


@functools.cache
def plane(seed=0):
    """(points (N, 2), labels (N,) ±1, the trained classifier): class +1 in two clumps, class −1 around and
    between."""
    from sklearn.svm import SVC

    rng = np.random.default_rng(seed)
    clumps = [rng.normal(at, 0.45, (60, 2)) for at in ((-1.1, 0.9), (1.2, -0.3))]
    angle = rng.uniform(0, 2 * np.pi, 110)
    around = np.stack([2.5 * np.cos(angle), 2.2 * np.sin(angle)], 1) + rng.normal(0, 0.25, (110, 2))
    between = np.array([-0.2, -0.9]) + rng.normal(0, 0.3, (40, 2))
    points = np.concatenate([*clumps, around, between])
    labels = np.repeat([1, -1], [120, 150])
    machine = SVC(C=5, gamma=1.2).fit(points, labels)
    f = Kernels(machine.support_vectors_, machine.dual_coef_[0], machine.intercept_[0], 1.2).eval()
    return torch.from_numpy(points), torch.from_numpy(labels), f
