"""4.5, the student's side: networks given as modules or as lists become plain arrays, and lists become
modules.
"""

from ..observe import LONGEST, call, failure, plain

DEEPEST = 6


def layers_from(network) -> list:
    """(weight, bias) tensors or lists of a network given as such a list, or as an nn.Sequential of Linear
    and ReLU.
    """
    import torch
    from torch import nn

    if isinstance(network, (list, tuple)) and any(isinstance(part, nn.Module) for part in network):
        network = nn.Sequential(*network)
    if not isinstance(network, nn.Module):
        if not isinstance(network, (list, tuple)):
            kind = type(network).__name__
            raise ValueError(f"is a {kind}: expected a list of (weight, bias) or an nn.Sequential")
        return [(weight, _bias(weight, bias)) for weight, bias in network]
    if not isinstance(network, nn.Sequential):
        raise ValueError(f"a {type(network).__name__}: only an nn.Sequential can be taken apart")
    parts = [p for p in _flat(network) if not isinstance(p, (nn.Identity, nn.Flatten))]
    width = next((p.in_features for p in parts if isinstance(p, nn.Linear)), 1)
    layers, bent = [], True
    for part in parts + [None] * any(isinstance(p, nn.ReLU) for p in parts[-1:]):
        if isinstance(part, nn.Linear):
            weight = part.weight.detach().double()
            bias = weight.new_zeros(len(weight)) if part.bias is None else part.bias.detach().double()
            if not bent:  # two Linear layers in a row are one
                before, shift = layers.pop()
                weight, bias = weight @ before, weight @ shift + bias
            layers.append((weight, bias))
        elif part is None or isinstance(part, nn.ReLU):
            if bent:  # before a ReLU without a Linear layer, and after the last, a layer that changes nothing
                size = len(layers[-1][0]) if layers else width
                layers.append((torch.eye(size).double(), torch.zeros(size).double()))
        else:
            raise ValueError(f"a {type(part).__name__} layer: only Linear and ReLU are allowed")
        bent = isinstance(part, nn.ReLU)
    return layers


def _bias(weight, bias):
    # None and a single number stand for as many as there are outputs
    import numpy as np

    return np.zeros(len(weight)) + (bias or 0.0) if bias is None or isinstance(bias, (int, float)) else bias


def _flat(network):
    from torch import nn

    for part in network:
        yield from _flat(part) if isinstance(part, nn.Sequential) else [part]


def as_module(layers):
    """The nn.Sequential of Linear and ReLU layers that a list of (weight, bias) stands for: (N, D) → (N,
    1).
    """
    import torch
    from torch import nn

    parts = []
    for weight, bias in layers_from(layers):
        weight, bias = (
            torch.as_tensor(weight, dtype=torch.float32),
            torch.as_tensor(bias, dtype=torch.float32),
        )
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            linear.weight.copy_(weight)
            linear.bias.copy_(bias)
        parts += [linear, nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def twin_observe(answer, case):
    """Call the answer without arguments; hand on ``f.count``, ``f.weight.0``, ``f.bias.0`` … and the same
    for g.
    """
    kept = []

    def pair():
        kept.append(answer())
        return 0.0 if kept[0] is not None and kept[0] is not Ellipsis else None

    observed = call(pair)
    if observed["kind"] != "array":
        return observed
    try:
        if isinstance(kept[0], dict):
            raise ValueError("a dict is no pair, though it unpacks into its keys")
        f, g = kept[0]
    except Exception:
        return {
            "kind": "other",
            "type": type(kept[0]).__name__[:80],
            "message": "two networks are expected: return f, g",
        }
    observed = {"kind": "networks"}
    for name, network in (("f", f), ("g", g)):
        try:
            layers = layers_from(network)[: DEEPEST + 1]
            observed[f"{name}.count"] = len(layers)
            for i, (weight, bias) in enumerate(layers):
                for part, value in (("weight", plain(weight)), ("bias", plain(bias))):
                    if value["kind"] != "array":
                        raise ValueError(f"the {part} of layer {i} is no array of numbers")
                    observed[f"{name}.{part}.{i}"] = value["value"]
        except (KeyboardInterrupt, SystemExit):
            raise
        except Exception as error:
            message = failure(error)["message"]
            return {"kind": "other", "type": "network", "message": f"network {name}: {message}"[:LONGEST]}
    return observed
