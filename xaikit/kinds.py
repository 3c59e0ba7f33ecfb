"""What kind of operation a function of torch is, by its name (with or without the in-place underscore)."""

_KINDS = {
    "relu": "relu relu_ __relu__",
    "activation": "leaky_relu elu selu celu gelu silu mish softplus softsign hardtanh relu6 hardswish hardsigmoid "
                  "sigmoid tanh logsigmoid abs exp log sqrt square pow __pow__ clamp clip clamp_min threshold",
    "softmax": "softmax log_softmax",
    "linear": "linear", "matmul": "matmul __matmul__ mm bmm addmm baddbmm einsum bilinear",
    "conv": "conv1d conv2d conv3d", "conv_transpose": "conv_transpose1d conv_transpose2d conv_transpose3d",
    "batch_norm": "batch_norm", "norm": "layer_norm group_norm instance_norm local_response_norm",
    "max_pool": "max_pool1d max_pool2d max_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d amax max",
    "avg_pool": "avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d mean",
    "sum": "sum", "add": "add __add__ __radd__ __iadd__", "sub": "sub __sub__ __rsub__ rsub __isub__",
    "mul": "mul __mul__ __rmul__ __imul__ multiply", "div": "div __truediv__ true_divide __rtruediv__ __itruediv__",
    "neg": "neg __neg__", "cat": "cat concat concatenate stack",
    "reshape": "reshape view flatten unflatten permute transpose t squeeze unsqueeze contiguous expand movedim swapaxes "
               "__getitem__ narrow select chunk split pad upsample interpolate clone to float double identity "
               "type_as view_as reshape_as expand_as",
    "dropout": "dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout",
    "embedding": "embedding",
    "query": "__get__ __set__ size dim numel stride is_floating_point is_complex __len__ item tolist "
             "has_names data_ptr get_device is_contiguous detach nelement element_size __repr__ __bool__ "
             "_is_view requires_grad_ storage_offset ndimension is_cuda is_pinned __format__",
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names.split()}
_seen = {}  # the functions met so far: torch has some hundred


def kind_of(func):
    """"relu", "conv", "linear", "batch_norm", "add", …; "query" for a question about a tensor, "other" for what is unknown."""
    if func not in _seen:
        name = getattr(func, "__name__", "")
        _seen[func] = _KIND_OF.get(name) or _KIND_OF.get(name.rstrip("_"), "other")
    return _seen[func]
