"""Functions and paths as plain data, in two hands: numpy for the judge, torch for the student.

The judge's side (`value`, `gradient`, `points`) never imports torch, so that a grader may fork after
judging; the student's side (`torch_function`, `torch_path`) is ordinary differentiable torch. A test holds
the two together.

A function is either a network of dense layers with one activation between them (``f.kind = "network"``,
``f.activation``, ``f.weight.0``, ``f.bias.0`` …) or a polynomial c + b·x + ½ xᵀAx + Σ kᵢ xᵢ³ (``f.kind =
"polynomial"``, ``f.A``, ``f.b``, ``f.c``, ``f.k``). A path is γ(α) = x′ + α^p (x − x′) + sin(πα) v
(``path.kind = "curve"``, ``path.start``, ``path.end``, ``path.power``, ``path.bend``), or runs straight
from corner to corner at equal shares of α (``path.kind = "legs"``, ``path.corners``).

A network with ``f.outputs = "all"`` is a classifier: the student's f gives (N, K), and the judge takes `outputs` and
`pull_back` for what `value` and `gradient` are to one output.
"""

import numpy as np


def network(*layers, activation="relu") -> dict:
    """A dense network as data; each layer is (weight (out, in), bias (out,)), the last has one output."""
    data = {"f.kind": "network", "f.activation": activation}
    for i, (weight, bias) in enumerate(layers):
        data[f"f.weight.{i}"] = np.asarray(weight, dtype=np.float64)
        data[f"f.bias.{i}"] = np.asarray(bias, dtype=np.float64)
    return data


def random_network(rng, inputs, width=8, activation="tanh", gain=1.0) -> dict:
    """A two-hidden-layer network with normal weights, scaled so that it bends within a unit or two of the
    origin.
    """
    sizes = [inputs, width, width, 1]
    layers = [
        (rng.normal(size=(n, m)) * gain * (1.5 / np.sqrt(m)), rng.normal(size=n) * 0.5)
        for m, n in zip(sizes[:-1], sizes[1:], strict=True)
    ]
    return network(*layers, activation=activation)


def polynomial(inputs, A=None, b=None, c=0.0, k=None) -> dict:
    """c + b·x + ½ xᵀAx + Σ kᵢ xᵢ³ as data, with A symmetric."""
    zeros = np.zeros(inputs)
    A = np.zeros((inputs, inputs)) if A is None else np.asarray(A, dtype=np.float64)
    return {
        "f.kind": "polynomial",
        "f.A": (A + A.T) / 2,
        "f.b": zeros if b is None else np.asarray(b, dtype=np.float64),
        "f.c": float(c),
        "f.k": zeros if k is None else np.asarray(k, dtype=np.float64),
    }


def layers_of(data, prefix="f.") -> list:
    """The (weight, bias) pairs of a network kept under `prefix`."""
    count = sum(key.startswith(prefix + "weight.") for key in data)
    return [(data[f"{prefix}weight.{i}"], data[f"{prefix}bias.{i}"]) for i in range(count)]


def inputs_of(data) -> int:
    """D, the number of inputs of the function in `data`."""
    return data["f.b"].shape[0] if data["f.kind"] == "polynomial" else data["f.weight.0"].shape[1]


def gradient(data, x) -> tuple[np.ndarray, np.ndarray]:
    """f(x) of shape (N,) and ∂f/∂x of shape (N, D), for x of shape (N, D), in float64."""
    x = np.asarray(x, dtype=np.float64)
    if data["f.kind"] == "polynomial":
        A, b, k = data["f.A"], data["f.b"], data["f.k"]
        return data["f.c"] + x @ b + 0.5 * ((x @ A) * x).sum(1) + (k * x**3).sum(1), x @ A + b + 3 * k * x**2
    layers, slopes, h = layers_of(data), [], x
    for i, (weight, bias) in enumerate(layers):
        h = h @ weight.T + bias
        if i < len(layers) - 1:
            if data["f.activation"] == "relu":
                slopes.append((h > 0).astype(np.float64))
                h = np.maximum(h, 0.0)
            else:
                h = np.tanh(h)
                slopes.append(1 - h**2)
    back = np.ones((len(x), 1))
    for i in reversed(range(len(layers))):
        back = back @ layers[i][0]
        if i:
            back = back * slopes[i - 1]
    return h[:, 0], back


def outputs(data, x) -> np.ndarray:
    """All outputs of a network, (N, K), for x of shape (N, D), in float64."""
    layers, h = layers_of(data), np.asarray(x, dtype=np.float64)
    for i, (weight, bias) in enumerate(layers):
        h = h @ weight.T + bias
        if i < len(layers) - 1:
            h = np.maximum(h, 0.0) if data["f.activation"] == "relu" else np.tanh(h)
    return h


def pull_back(data, x, cotangent) -> np.ndarray:
    """Σ_k c_nk ∂f_k/∂x at every row n of x (N, D), for c of shape (N, K): (N, D), in float64."""
    total = np.zeros(np.shape(x))
    for k in range(np.shape(cotangent)[1]):
        *below, (weight, bias) = layers_of(data)
        one = network(*below, (weight[k:k + 1], bias[k:k + 1]), activation=data["f.activation"])
        total += np.asarray(cotangent)[:, k:k + 1] * gradient(one, x)[1]
    return total


def value(data, x) -> np.ndarray:
    """f(x) of shape (N,) for x of shape (N, D), in float64."""
    return gradient(data, x)[0]


def points(data, alpha) -> tuple[np.ndarray, np.ndarray]:
    """γ(α) and γ′(α), both (S, D), for α of shape (S,) in [0, 1]."""
    alpha = np.asarray(alpha, dtype=np.float64)[:, None]
    if data["path.kind"] == "legs":
        corners = data["path.corners"]
        legs = len(corners) - 1
        leg = np.minimum((alpha[:, 0] * legs).astype(int), legs - 1)
        along = (corners[1:] - corners[:-1])[leg]
        return corners[leg] + (alpha * legs - leg[:, None]) * along, legs * along
    start, way, power, bend = data["path.start"], data["path.end"] - data["path.start"], *_shape(data)
    position = start + alpha**power * way + np.sin(np.pi * alpha) * bend
    return position, power * alpha ** (power - 1) * way + np.pi * np.cos(np.pi * alpha) * bend


def _shape(data):
    return data["path.power"], data["path.bend"]


def midpoints(steps) -> np.ndarray:
    """(k − ½)/m for k = 1 … m."""
    return (np.arange(steps) + 0.5) / steps


def torch_function(data):
    """f as the student gets it: (N, D) tensor → (N,) tensor of the same dtype, differentiable."""
    import torch

    count = inputs_of(data)
    held = {
        k: torch.as_tensor(v) for k, v in data.items() if k.startswith("f.") and isinstance(v, np.ndarray)
    }
    layers = layers_of(held) if data["f.kind"] == "network" else []
    act = torch.relu if data.get("f.activation") == "relu" else torch.tanh

    def f(x):
        require_batch(x, count)
        y = x.to(
            torch.float64
        )  # computed in float64 whatever comes in: the tests' tolerances are the student's alone
        if layers:
            for i, (weight, bias) in enumerate(layers):
                y = torch.nn.functional.linear(y, weight, bias)
                y = act(y) if i < len(layers) - 1 else y
            y = y if data.get("f.outputs") == "all" else y[:, 0]
        else:
            A, b, k = held["f.A"], held["f.b"], held["f.k"]
            y = data["f.c"] + y @ b + 0.5 * ((y @ A) * y).sum(1) + (k * y**3).sum(1)
        return y.to(x.dtype)

    return f


def require_batch(x, inputs):
    """Raise where x is no floating tensor of shape (N, D): the message says what to do."""
    import torch

    if not isinstance(x, torch.Tensor):
        raise TypeError(f"f takes a tensor of shape (N, {inputs}); it got {type(x).__name__}")
    if x.ndim != 2 or x.shape[1] != inputs:
        remedy = "add a batch axis: x[None]" if x.ndim == 1 else "flatten the leading axes into one first"
        raise ValueError(f"f takes a batch of shape (N, {inputs}); it got {tuple(x.shape)}: {remedy}")
    if not x.is_floating_point():
        raise TypeError(f"f takes a floating tensor; it got {x.dtype}")


def torch_path(data):
    """γ as the student gets it: α of shape (S,) → (S, D) tensor, differentiable; a single number gives
    (D,).
    """
    import torch

    held = {
        k: torch.as_tensor(v) for k, v in data.items() if k.startswith("path.") and isinstance(v, np.ndarray)
    }

    def path(alpha):
        alpha = torch.as_tensor(alpha)
        if alpha.ndim > 1:
            raise ValueError(f"path takes α of shape (S,); it got {tuple(alpha.shape)}")
        if not alpha.is_floating_point():
            alpha = alpha.to(torch.get_default_dtype())
        a = alpha.to(torch.float64).reshape(-1, 1)
        if data["path.kind"] == "legs":
            corners = held["path.corners"]
            legs = len(corners) - 1
            leg = (a[:, 0].detach() * legs).long().clamp(0, legs - 1)
            y = corners[leg] + (a * legs - leg[:, None]) * (corners[1:] - corners[:-1])[leg]
        else:
            way = held["path.end"] - held["path.start"]
            y = (
                held["path.start"]
                + a ** held["path.power"] * way
                + torch.sin(torch.pi * a) * held["path.bend"]
            )
        return y.to(alpha.dtype).reshape(*alpha.shape, -1)

    return path
