"""Lecture 02's exercise 2.6: an occlusion map, in at most two calls of the network."""
from dataclasses import replace

import numpy as np

from . import functions
from .core import Verdict
from .formula import formula
from .judging import kind_of


def occlusion_map(f, x, size, stride, grey=0.5):
    """f of the picture with a grey square at each place, in at most two calls of f.  x (H, W) → (rows, columns)"""
    import torch

    tops, lefts = (range(0, n - size + 1, stride) for n in x.shape)
    hidden = x.repeat(len(tops), len(lefts), 1, 1)
    for i, top in enumerate(tops):
        for j, left in enumerate(lefts):
            hidden[i, j, top:top + size, left:left + size] = grey
    return torch.as_tensor(f(hidden.flatten(0, 1))).view(len(tops), len(lefts))


def _hidden(f, x, size, stride, grey=0.5, fill=None, keep=False, pile=False, end=lambda stride: 1):
    """2.6 in numpy; the arguments after ``grey`` make its mistakes."""
    tops, lefts = (range(0, n - size + end(stride), stride) for n in x.shape)
    pictures, picture = [], x
    for t in tops:
        for left in lefts:
            square = np.zeros(x.shape, bool)
            square[t:t + size, left:left + size] = True
            picture = np.where(square != keep, grey if fill is None else fill, picture if pile else x)
            pictures.append(picture)
    if not pictures:
        return np.zeros((len(tops), len(lefts)))
    return f(np.stack(pictures).reshape(len(pictures), -1)).reshape(len(tops), len(lefts))


def _drop(f, x, size, stride, grey=0.5):
    return f(x.reshape(1, -1))[0] - _hidden(f, x, size, stride, grey)


def _picture_cases(rng):
    made = []
    for (h, w), size, stride, grey, note in (((6, 9), 3, 3, 0.5, "6 × 9 pixels, squares side by side"), ((7, 6), 2, 1, 0.5, "overlapping squares"),
                                             ((5, 8), 2, 3, 0.3, "squares with gaps, another grey"), ((4, 4), 4, 2, 0.5, "one square, as large as the picture"),
                                             ((7, 9), 3, 3, 0.5, "7 rows: the last is never hidden"),
                                             ((10, 9), 3, 4, 0.6, "squares that would hang over at the end")):
        made.append({"x": rng.uniform(size=(h, w)), "size": size, "stride": stride, "grey": grey,
                     **functions.random_network(rng, h * w), "note": note})
    return made


def _observe_map(answer, case):
    from .observe import call, tensor
    from .oracle import remote

    x = tensor(case["x"])
    f = remote(case.ask, x.numel()) if case.ask else functions.torch_function(case.data)

    def pictures(points):
        import torch

        points = torch.as_tensor(points)
        if points.dim() < 3 or tuple(points.shape[-2:]) != tuple(x.shape):
            raise ValueError(f"f takes a batch of pictures (N, {x.shape[0]}, {x.shape[1]}), not {tuple(points.shape)}")
        return f(points.reshape(len(points), x.numel()).to(torch.float32)).detach()

    return call(answer, pictures, x, case["size"], case["stride"], case["grey"])


_map = formula(
    id="2.6", title="An occlusion map, batched", points=2, minutes=6, difficulty=2,
    task="occlusion_map(f, x, size, stride, grey=0.5): f of the picture x (H, W) with a grey square of `size` at each place, the corners at 0, stride, "
         "2·stride … as long as the square fits. f takes (N, H, W) and gives (N,); call it at most twice. → (rows, columns)",
    library=occlusion_map, cases=_picture_cases, truth=_hidden, axes="(rows, columns)",
    mistakes=[
        ("That is the drop, f(x) less f of the hidden: return f of the picture with the square.", _drop, 0.5),
        ("That is the change, f of the hidden less f(x): return f of the picture with the square.", lambda **case: -_drop(**case), 0.5),
        ("Squares are black: fill them with grey.", lambda **case: _hidden(**case, fill=0.0)),
        ("grey is an argument: do not write 0.5 into the function.", lambda **case: _hidden(**case, fill=0.5)),
        ("The square is kept and the rest hidden: it should be the other way round.", lambda **case: _hidden(**case, keep=True)),
        ("The squares pile up: begin each picture with a fresh copy, x.clone().", lambda **case: _hidden(**case, pile=True)),
        ("The last square that fits is missing: range(0, H − size + 1, stride).", lambda **case: _hidden(**case, end=lambda stride: 0)),
        ("The last square hangs over the border, or was moved to fit: range(0, H − size + 1, stride) ends before it.",
         lambda **case: _hidden(**case, end=lambda stride: stride)),
        ("Each row of the result is one row of squares: .view(rows, columns).", lambda **case: _hidden(**case).ravel()),
        ("The squares move by one pixel: mind the stride.", lambda f, x, size, stride, grey: _hidden(f, x, size, 1, grey)),
        ("Rows and columns are swapped.", lambda **case: _hidden(**case).T),
        ("The values are in the wrong order: the first axis is the square's top, the second its left edge.",
         lambda **case: _hidden(**case).T.reshape(_hidden(**case).shape)),
    ],
    hints=("First make all pictures, then call f once on all of them.",
           "x.repeat(rows, columns, 1, 1) makes the copies; two loops paint one square into each: hidden[i, j, top:top + size, left:left + size] = grey.",
           "tops = range(0, H - size + 1, stride), lefts likewise; return f(hidden.flatten(0, 1)).view(len(tops), len(lefts))."),
    insight="One batch instead of a call for each place: this is what makes the sliders of this section follow your hand.")


def _judge_map(case, observed):
    verdict = _map.judge(case, observed)
    calls = observed.get("calls") if kind_of(observed) == "array" else None
    if verdict.fraction < 0.5 or type(calls) is not int or calls <= 2:
        return verdict
    return Verdict(0.0, f"The values hold, with {calls} calls of f.", "Put all pictures on the batch axis and call f once.", "at most 2 calls", f"{calls} calls")


EXERCISES = [replace(_map, observe=_observe_map, judge=_judge_map,
                     cases=lambda seed: [replace(case, oracle="f") for case in _map.cases(seed)])]
