"""4.5, the student's side: networks given as modules or as lists become plain arrays, and lists become
modules.
"""

from ..observe import LONGEST, call, failure, plain

DEEPEST = 6


def layers_from(network) -> list:
    """(weight, bias) tensors or lists of a network given as such a list, or as an nn.Sequential of Linear
    and ReLU.
    """
    from torch import nn

    if not isinstance(network, nn.Module):
        return [tuple(layer) for layer in network]
    if not isinstance(network, nn.Sequential):
        raise ValueError(f"a {type(network).__name__}: only an nn.Sequential can be taken apart")
    layers, bent = [], True
    for part in network:
        if isinstance(part, nn.Linear):
            if not bent:
                raise ValueError("two Linear layers in a row: put a ReLU between them")
            bias = part.bias if part.bias is not None else [0.0] * part.out_features
            layers.append((part.weight, bias))
            bent = False
        elif isinstance(part, nn.ReLU):
            if bent:
                raise ValueError("a ReLU must follow a Linear layer")
            bent = True
        elif not isinstance(part, (nn.Identity, nn.Flatten)):
            raise ValueError(f"a {type(part).__name__} layer: only Linear and ReLU are allowed")
    if bent and layers:  # a ReLU at the very end: one more layer that changes nothing follows it
        layers.append(([[1.0]], [0.0]))
    return layers


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
