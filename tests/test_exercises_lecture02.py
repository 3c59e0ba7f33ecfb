"""Exercises 2.4 to 2.6: right answers in several manners, and wrong ones with the hint that each must get."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from xaikit.exercises import get
from xaikit.exercises.feedback import evaluate


def verdict(id, answer):
    """Score and verdict, the same for several seeds."""
    found = [evaluate(get(id), answer, seed)[:2] for seed in (0, 3, 11, 20)]
    assert len({(score, verdict.hint) for score, verdict in found}) == 1, found
    return found[0]


# ---- 2.4


def rules(change):
    """relu_with whose backward is change(z, R, rule)."""
    def relu_with(rule):
        class ReLU(torch.autograd.Function):
            @staticmethod
            def forward(ctx, z):
                ctx.save_for_backward(z)
                return z.clamp(min=0)

            @staticmethod
            def backward(ctx, R):
                return change(ctx.saved_tensors[0], R, rule)
        return ReLU
    return relu_with


def right(z, R, rule):
    return {"gradient": (z > 0) * R, "deconvnet": R.clamp(min=0), "guided": (z > 0) * R.clamp(min=0)}[rule]


def with_numpy(rule):
    class Rule(torch.autograd.Function):
        @staticmethod
        def forward(ctx, z):
            y = torch.from_numpy(np.maximum(z.detach().numpy(), 0))
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, R):
            (y,) = ctx.saved_tensors
            keep = {"gradient": y > 0, "deconvnet": R > 0, "guided": (y > 0) & (R > 0)}[rule]
            return torch.from_numpy(np.where(keep.numpy(), R.numpy(), 0))
    return Rule


def by_hooks(rule):
    def relu(z):  # no autograd function: a hook on the tensor
        y = F.relu(z) if rule != "deconvnet" else z + (F.relu(z) - z).detach()
        if rule != "gradient":
            y.register_hook(lambda R: R.clamp(min=0))
        return y
    return relu


@pytest.mark.parametrize("answer", [rules(right), with_numpy, by_hooks, lambda rule: rules(right)(rule).apply])
def test_right_rules(answer):
    assert verdict("2.4", answer)[0] == 3


@pytest.mark.parametrize(("change", "hint"), [
    (lambda z, R, rule: (z > 0) * R if rule == "deconvnet" else right(z, R, rule), "The deconvnet does not look at z"),
    (lambda z, R, rule: (z > 0) * R, "All three rules"),
    (lambda z, R, rule: R.clamp(min=0) if rule == "guided" else right(z, R, rule), "Guided backprop cuts twice: where z ≤ 0 and where R < 0. The gate"),
    (lambda z, R, rule: (z > 0) * R if rule == "guided" else right(z, R, rule), "Guided backprop cuts twice: where z ≤ 0 and where R < 0. The rectified"),
    (lambda z, R, rule: right(z, R, {"deconvnet": "guided", "guided": "deconvnet"}.get(rule, rule)), "Deconvnet and guided backprop are swapped"),
    (lambda z, R, rule: (z >= 0) * right(z + (z == 0), R, rule) if rule != "deconvnet" else R.clamp(min=0), "Where z is exactly 0"),
    (lambda z, R, rule: right(z, R if rule == "gradient" else R.abs(), rule), "The size of the signal"),
])
def test_wrong_rules(change, hint):
    score, found = verdict("2.4", rules(change))
    assert score < 3 and found.hint.startswith(hint), found


def test_a_rule_that_changes_the_way_up():
    def answer(rule):
        class Linear(rules(right)(rule)):
            @staticmethod
            def forward(ctx, z):
                ctx.save_for_backward(z)
                return z.clone()
        return Linear
    assert verdict("2.4", answer)[1].hint.startswith("The way up")


def shared_class(rule):
    shared_class.rule = rule
    return rules(lambda z, R, _: right(z, R, shared_class.rule))("")


def z_in_the_class(rule):
    class ReLU(torch.autograd.Function):
        @staticmethod
        def forward(ctx, z):
            ReLU.z = z
            return z.clamp(min=0)

        @staticmethod
        def backward(ctx, R):
            return right(ReLU.z, R, rule)
    return ReLU


def first_z(rule):
    seen = []

    class ReLU(torch.autograd.Function):
        @staticmethod
        def forward(ctx, z):
            seen.append(z)
            return z.clamp(min=0)

        @staticmethod
        def backward(ctx, R):
            return right(seen[0], R, rule)
    return ReLU


def writes_into_z(rule):
    class ReLU(torch.autograd.Function):
        @staticmethod
        def forward(ctx, z):
            ctx.open = (z > 0).float()
            return z.clamp_(min=0).clone()

        @staticmethod
        def backward(ctx, R):
            return right(ctx.open, R, rule)
    return ReLU


def writes_into_R(rule):
    def change(z, R, rule):
        if rule != "gradient":
            R.clamp_(min=0)
        return R * (z > 0) if rule != "deconvnet" else R
    return rules(change)(rule)


@pytest.mark.parametrize(("answer", "score", "hint"), [
    (shared_class, 0, "All three functions follow the rule that came last"),
    (z_in_the_class, 0, "A function that is used twice forgets"), (first_z, 0, "A function that is used twice goes on"),
    (writes_into_z, 1.5, "The caller still needs z"), (writes_into_R, 1.5, "The caller still needs R"),
    (lambda rule: rules(lambda z, R, rule: None)(rule), 0, "No gradient came down to this tensor: is a `return` missing"),
    (lambda rule: type("Rule", (rules(right)(rule),), {"forward": staticmethod(lambda ctx, z: None)}), 0,
     "Something is None that should be a tensor: is a `return` missing"),
])
def test_rules_with_a_state_and_without_a_return(answer, score, hint):
    got, found = verdict("2.4", answer)
    assert got == score and found.hint.startswith(hint), found


@pytest.mark.parametrize(("answer", "name"), [
    (lambda rule: torch.nn.Softplus(), "an object of type Softplus"), (lambda rule: rules(right)(rule)(), "an object of type ReLU"), (lambda rule: 3, "an object of type int"),
    (lambda rule: torch.nn.ReLU, "the class ReLU"),
])
def test_what_is_no_rule_is_named(answer, name):
    score, found = verdict("2.4", answer)
    assert score == 0 and found.message == f"relu_with returned {name}." and "Return the class itself" in found.hint


@pytest.mark.parametrize("answer", [lambda rule: None, lambda rule: 3, lambda z: (), lambda rule: torch.nn.Softplus()])
def test_no_rules_at_all(answer):
    assert verdict("2.4", answer)[0] == 0


@pytest.mark.parametrize("least", [1e-4, 1e-5])
def test_small_numbers_are_no_zeros(least):
    score, found = verdict("2.4", rules(lambda z, R, rule: torch.where(right(z, R, rule) == 0, least, right(z, R, rule))))
    assert score == 0 and found.hint.startswith("Where nothing comes through"), found


# ---- 2.5


def by_autograd(x, w1, w2, unit):
    """The same through autograd, with 2.4's rule at the ReLU."""
    x = x[None].clone().requires_grad_()
    top = F.conv2d(F.max_pool2d(rules(right)("deconvnet").apply(F.conv2d(x, w1)), 2), w2)[0, unit].max()
    return torch.autograd.grad(top, x, top.detach())[0][0]


def by_loops(x, w1, w2, unit):
    x, w1, w2 = x.double(), w1.double(), w2.double()
    up = F.conv2d(x[None], w1)[0].clamp(min=0)
    c, h, w = up.shape
    pooled, at = torch.zeros(c, h // 2, w // 2, dtype=torch.float64), {}
    for k in range(c):
        for i in range(h // 2):
            for j in range(w // 2):
                window = [(up[k, 2 * i + a, 2 * j + b].item(), (2 * i + a, 2 * j + b)) for a in (0, 1) for b in (0, 1)]
                pooled[k, i, j], at[k, i, j] = max(window, key=lambda v: v[0])
    top = F.conv2d(pooled[None], w2)[0, unit]
    i, j = divmod(int(top.argmax()), top.shape[1])
    below = torch.zeros_like(up)
    for k in range(c):
        for a in range(3):
            for b in range(3):
                below[k][at[k, i + a, j + b]] += max(top[i, j] * w2[unit, k, a, b], 0)
    out = torch.zeros_like(x)
    for k, y, z in below.nonzero().tolist():
        out[:, y:y + 3, z:z + 3] += below[k, y, z] * w1[k]
    return out.tolist()


def switched(x, w1, w2, unit, before=False, last=False, square=False, transposed=False, one=False, kept="unit"):
    """By hand: the switches before the ReLU or after it, the first of equals or the last."""
    z = F.conv2d(x[None], w1)
    h, w = z.shape[2] // 2 * 2, z.shape[3] // 2 * 2
    windows = (z if before else z.relu())[..., :h, :w].unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)  # (1, C, h, w, 4)
    switch = 3 - windows.flip(4).argmax(4) if last else windows.argmax(4)
    top = F.conv2d(windows.amax(4).relu(), w2)[0]
    map_ = top[unit]
    place = int({"unit": map_, "absolute": map_.abs(), "all": top.amax(0)}[kept].argmax())
    signal = torch.zeros_like(top)
    rows = map_.shape[0] if transposed else map_.shape[1]
    signal[unit, place // rows, place % rows] = 1.0 if one else map_.flatten()[place]
    below = F.conv_transpose2d(signal[None], w2)[..., None] * F.one_hot(switch, 4)
    below = below.unflatten(4, (2, 2)).transpose(3, 4).flatten(4, 5).flatten(2, 3)
    below = F.pad(below, [0, z.shape[3] - w, 0, z.shape[2] - h])
    found = F.conv_transpose2d(below.relu(), w1)[0]
    found = found * map_.max() if one else found
    return found[:, :, :x.shape[1]] if square else found


def rectified(x, w1, w2, unit):
    """The top goes through a ReLU, too."""
    top = F.conv2d(F.max_pool2d(F.conv2d(x[None], w1).relu(), 2), w2)
    return probe(x, w1, w2, unit) * float(top[0, unit].max() > 0)


def of_any_map(x, w1, w2, unit):
    up = F.conv2d(x[None], w1).relu()
    top = F.conv2d(F.max_pool2d(up, 2), w2)
    return probe(x, w1, w2, int(top.amax((0, 2, 3)).argmax()))


def probe(x, w1, w2, unit, relu="deconvnet", start=True, rectify=True, whole=False, last=False, flip=False, nearest=False, everything=False):
    up = F.conv2d(x[None], w1)
    pooled, switches = F.max_pool2d(up.clamp(min=0), 2, return_indices=True)
    top = F.conv2d(pooled, w2)
    signal = torch.zeros_like(top)
    place = top[0, unit].argmax()
    signal[0, unit].view(-1)[place] = top[0, unit].max() if start else 1
    if whole:
        signal[0, unit] = top[0, unit]
    signal = F.conv_transpose2d(top if everything else signal, w2)
    signal = (F.pad(F.interpolate(signal, scale_factor=2), [0, up.shape[3] % 2, 0, up.shape[2] % 2]) if nearest
              else F.max_unpool2d(signal, switches, 2, output_size=up.shape[2:]))
    signal = signal.clamp(min=0) if rectify and relu != "gradient" else signal
    signal = signal * (up > 0) if relu != "deconvnet" else signal
    out = F.conv_transpose2d(signal, w1.flip(2, 3) if flip else w1)[0]
    return out.clamp(min=0) if last else out


@pytest.mark.parametrize("answer", [by_autograd, by_loops, probe, switched, lambda *given: switched(*given, before=True),
                                    lambda *given: switched(*given, last=True),
                                    lambda *given: switched(*given, before=True, last=True)])
def test_right_projections(answer):
    assert verdict("2.5", answer)[0] == 3


@pytest.mark.parametrize(("how", "hint"), [
    ({"relu": "gradient"}, "That is the gradient's way"), ({"relu": "guided"}, "That is guided backprop"),
    ({"rectify": False}, "The signal is not rectified"), ({"start": False}, "The signal starts with 1"),
    ({"whole": True}, "The whole map was kept"), ({"everything": True}, "All maps were kept"),
    ({"nearest": True}, "The signal is repeated"), ({"flip": True}, "The filters w1 are not flipped"), ({"last": True}, "The pixels are rectified"),
])
def test_wrong_projections(how, hint):
    _projects_wrong(lambda *given: probe(*given, **how), hint, 1.5 if "start" in how else 0)


@pytest.mark.parametrize(("answer", "hint"), [
    (lambda *given: switched(*given, kept="absolute"), "The strongest by absolute value"),
    (lambda *given: switched(*given, kept="all"), "The strongest place of all maps"), (of_any_map, "The strongest place of all maps"),
    (lambda *given: switched(*given, one=True), ""),  # scaled in the end: the ReLU below minds a negative activation
    (rectified, "A negative activation was set to 0"),
    (lambda *given: switched(*given, square=True), ""), (lambda *given: switched(*given, transposed=True), ""),
])
def test_answers_for_square_pictures_and_other_places(answer, hint):
    _projects_wrong(answer, hint)


def _projects_wrong(answer, hint, points=0):
    score, found = verdict("2.5", answer)
    assert score == points and found.hint.startswith(hint), found


# ---- 2.6


def by_mask(f, x, size, stride, grey=0.5):
    """No loop: which pixels does which square hold?"""
    t, left = (torch.arange(0, n - size + 1, stride) for n in x.shape)
    rows, columns = ((torch.arange(n) >= c[:, None]) & (torch.arange(n) < c[:, None] + size) for n, c in zip(x.shape, (t, left), strict=True))
    square = rows[:, None, :, None] & columns[None, :, None, :]
    return f(torch.where(square, grey, x).flatten(0, 1)).reshape(len(t), len(left))


def by_numpy(f, x, size, stride, grey=0.5):
    x, made = x.numpy(), []
    for t in range(0, x.shape[0] - size + 1, stride):
        for left in range(0, x.shape[1] - size + 1, stride):
            made.append(x.copy())
            made[-1][t:t + size, left:left + size] = grey
    return f(np.stack(made)).numpy().reshape(-1, len(range(0, x.shape[1] - size + 1, stride)))


def looped(f, x, size, stride, grey=0.5, batched=False, off=0, fresh=True, step=None, invert=False, sign=0):
    rows, picture, step = [], x.clone(), step or stride
    for t in range(0, x.shape[0] - size + 1 - off, step):
        row = []
        for left in range(0, x.shape[1] - size + 1 - off, step):
            picture = x.clone() if fresh else picture
            if invert:
                picture = torch.full_like(x, grey)
                picture[t:t + size, left:left + size] = x[t:t + size, left:left + size]
            else:
                picture[t:t + size, left:left + size] = grey
            row.append(picture.clone())
        rows.append(torch.stack(row))
    if not batched:
        return torch.stack([torch.cat([f(p[None]) for p in row]) for row in rows])
    out = f(torch.cat(rows)).view(len(rows), -1)
    return sign * (f(x[None]) - out) if sign else out


def at(f, x, size, tops, lefts, grey, parts=1):
    """f with squares at these places; slices end where the picture ends."""
    hidden = x.repeat(len(tops), len(lefts), 1, 1)
    for i, top in enumerate(tops):
        for j, left in enumerate(lefts):
            hidden[i, j, top:top + size, left:left + size] = grey
    hidden = hidden.flatten(0, 1)
    half = len(hidden) // parts
    found = torch.cat([f(hidden[:half]), f(hidden[half:])]) if parts == 2 else f(hidden)
    return found.reshape(len(tops), len(lefts))


def in_two_halves(f, x, size, stride, grey=0.5):
    """The first half of one picture is none."""
    return at(f, x, size, *(range(0, n - size + 1, stride) for n in x.shape), grey, parts=2)


def hanging_over(f, x, size, stride, grey=0.5):
    return at(f, x, size, *(range(0, n - size + stride, stride) for n in x.shape), grey)


def rounded(f, x, size, stride, grey=0.5):
    return at(f, x, size, *([i * stride for i in range(round((n - size) / stride) + 1)] for n in x.shape), grey)


def evenly_spaced(f, x, size, stride, grey=0.5):
    places = [np.linspace(0, n - size, -((size - n) // stride) + 1).round().astype(int).tolist() for n in x.shape]
    return at(f, x, size, *places, grey)


def unbatched(f, x, size, stride, grey=0.5):
    return f(x).reshape(1, 1)


@pytest.mark.parametrize("answer", [by_mask, by_numpy, lambda *given: looped(*given, batched=True), in_two_halves])
def test_right_maps(answer):
    assert verdict("2.6", answer)[0] == 2


@pytest.mark.parametrize(("answer", "score", "words"), [
    (looped, 0, "Put all pictures on the batch axis"),
    (lambda *given: looped(*given, batched=True, sign=1), 1, "That is the drop"),
    (lambda *given: looped(*given, batched=True, sign=-1), 1, "That is the change"),
    (lambda *given: looped(*given, batched=True, fresh=False), 0, "The squares pile up"),
    (lambda *given: looped(*given, batched=True, invert=True), 0, "The square is kept"),
    (lambda f, x, size, stride, grey: by_mask(f, x, size, stride, 0.0), 0, "Squares are black"),
    (lambda f, x, size, stride, grey: by_mask(f, x, size, stride, 0.5), 0, "grey is an argument"),
    (lambda f, x, size, stride, grey: by_mask(f, x, size, 1, grey), 0, "The squares move by one pixel"),
    (lambda *given: by_mask(*given).T, 0, "Rows and columns are swapped"),
    (hanging_over, 0, "The last square hangs over"), (rounded, 0, "The last square hangs over"),
    (evenly_spaced, 0, "The last square hangs over"),
    (lambda *given: by_mask(*given).flatten(), 0, "Each row of the result is one row of squares"),
    (unbatched, 0, "Mind the shape: f maps pictures (N, H, W) to (N,)"),
    (lambda *given: by_mask(*given) + 0j, 0, "Is the real part asked for"),
    (lambda *given: by_mask(*given).T.reshape(by_mask(*given).shape), 0, ""),
])
def test_wrong_maps(answer, score, words):
    got, found = verdict("2.6", answer)
    assert got == score and found.hint.startswith(words), found


@pytest.mark.parametrize("id", ["2.4", "2.5", "2.6"])
def test_the_library_s_answer_passes_and_is_shown(id):
    exercise = get(id)
    score, found = verdict(id, exercise.library)
    assert score == exercise.points and found.message == exercise.insight
    assert exercise.solution().startswith("def ") and len(exercise.hints) == 3
