"""Answers to lecture 04's exercises as students write them: right ones, each in another manner, and wrong
ones that look right.
"""

import numpy as np
import torch
from torch import nn

from xaikit.exercises import get


def grad(f, x):
    x = x.detach().clone().requires_grad_(True)
    return torch.autograd.grad(f(x).sum(), x)[0]


# ---- 4.1


def by_backward(g, z):
    z = z.clone()
    z.requires_grad = True
    g(z).sum().backward()
    return z.grad


def by_numpy_differences(f, x, h=1e-4):
    points = x.numpy().astype(np.float64)
    columns = []
    for i in range(points.shape[1]):
        step = np.zeros(points.shape[1])
        step[i] = h
        high, low = f(torch.from_numpy(points + step)), f(torch.from_numpy(points - step))
        columns.append((high - low).numpy() / (2 * h))
    return np.stack(columns, axis=1)


def by_rows_as_list(f, x):
    return [grad(f, row[None])[0].tolist() for row in x]


def by_vmap(f, x):
    return torch.func.vmap(torch.func.grad(lambda row: f(row[None])[0]))(x)


def times_input(f, x):
    return x * grad(f, x)


def negative(f, x):
    return -grad(f, x)


def averaged(f, x):
    x = x.clone().requires_grad_(True)
    return torch.autograd.grad(f(x).mean(), x)[0]


def first_row_only(f, x):
    x = x.clone().requires_grad_(True)
    return torch.autograd.grad(f(x)[0], x)[0]


def without_batch(f, x):
    return grad(f, x)[0]


def absolute(f, x):
    return grad(f, x).abs()


def value_itself(f, x):
    return f(x)


def never_asked(f, x):
    return torch.autograd.grad(f(x).sum(), x)[0]


def not_summed(f, x):
    x = x.clone().requires_grad_(True)
    return torch.autograd.grad(f(torch.cat([x, x])), x)[0]


def one_sided_without_half(f, x, h=1e-3):
    x = x.double()
    eye = h * torch.eye(x.shape[1], dtype=x.dtype)
    return torch.stack([(f(x + e) - f(x - e)) / h for e in eye], 1)


def features_summed(f, x):
    return grad(f, x).sum(1)


def tuple_of_one(f, x):
    x = x.clone().requires_grad_(True)
    return torch.autograd.grad(f(x).sum(), x)


def squeezed(f, x):
    return grad(f, x).squeeze()


def doubled_where_positive(f, x):
    return grad(f, x) * torch.where(x > 0, 2.0, 1.0)


# ---- 4.2


def ig(f, x, baseline, alphas, factor=None, divide=None):
    total = torch.zeros_like(x)
    for a in alphas:
        total = total + grad(f, baseline + a * (x - baseline))
    return (x - baseline if factor is None else factor) * total / (divide or len(alphas))


def mid(steps):
    return [(k + 0.5) / steps for k in range(steps)]


def ig_batch(f, x, baseline, steps=32):
    a = ((torch.arange(steps) + 0.5) / steps).view(-1, 1, 1)
    p = (baseline + a * (x - baseline)).flatten(0, 1)
    return (x - baseline) * grad(f, p).view(steps, *x.shape).mean(0)


def ig_rows_in_numpy(f, x, baseline, steps=32):
    out = []
    for here, there in zip(x.numpy().astype(np.float64), baseline.numpy().astype(np.float64), strict=True):
        alphas = (np.arange(steps)[:, None] + 0.5) / steps
        points = there + alphas * (here - there)
        slopes = by_numpy_differences(f, torch.from_numpy(points))
        out.append((here - there) * slopes.mean(axis=0))
    return np.array(out)


def ig_einsum(f, x, baseline, steps=32):
    w = torch.full((steps,), 1 / steps)
    g = torch.stack([grad(f, torch.lerp(baseline, x, a)) for a in mid(steps)])
    return torch.einsum("s,snd,nd->nd", w, g, x - baseline)


def ig_left(f, x, baseline, steps=32):
    return ig(f, x, baseline, [k / steps for k in range(steps)])


def ig_right(f, x, baseline, steps=32):
    return ig(f, x, baseline, [(k + 1) / steps for k in range(steps)])


def ig_linspace(f, x, baseline, steps=32):
    return ig(f, x, baseline, torch.linspace(0, 1, steps))


def ig_no_factor(f, x, baseline, steps=32):
    return ig(f, x, baseline, mid(steps), factor=1.0)


def ig_times_x(f, x, baseline, steps=32):
    return ig(f, x, baseline, mid(steps), factor=x)


def ig_sign(f, x, baseline, steps=32):
    return ig(f, x, baseline, mid(steps), factor=baseline - x)


def ig_no_baseline(f, x, baseline, steps=32):
    return ig(f, x, torch.zeros_like(x), mid(steps))


def ig_path_without_baseline(f, x, baseline, steps=32):
    return ig(f, x, torch.zeros_like(x), mid(steps), factor=x - baseline)


def ig_way_alone(f, x, baseline, steps=32):
    total = sum(grad(f, a * (x - baseline)) for a in mid(steps))
    return (x - baseline) * total / steps


def ig_overshoot(f, x, baseline, steps=32):
    return (x - baseline) * sum(grad(f, baseline + a * x) for a in mid(steps)) / steps


def ig_sum(f, x, baseline, steps=32):
    return ig(f, x, baseline, mid(steps), divide=1)


def ig_off_by_one(f, x, baseline, steps=32):
    return ig(f, x, baseline, mid(steps)[1:], divide=steps)


def ig_divide_by_more(f, x, baseline, steps=32):
    return ig(f, x, baseline, mid(steps), divide=steps + 1)


def ig_fixed_steps(f, x, baseline, steps=32):
    return ig(f, x, baseline, mid(32))


def ig_gradient_at_x(f, x, baseline, steps=32):
    return (x - baseline) * grad(f, x)


def ig_mean_before_backward(f, x, baseline, steps=32):
    return ig(f, x, baseline, mid(steps)) / len(x)


def ig_one_row(f, x, baseline, steps=32):
    points = torch.stack([baseline[0] + a * (x[0] - baseline[0]) for a in mid(steps)])
    return (x - baseline) * grad(f, points).mean(0)


def ig_mixed_axes(f, x, baseline, steps=32):
    points = torch.stack([baseline + a * (x - baseline) for a in mid(steps)]).reshape(-1, x.shape[1])
    return (x - baseline) * grad(f, points).reshape(len(x), steps, -1).mean(1)


def ig_wrong_axis(f, x, baseline, steps=32):
    points = torch.stack([baseline + a * (x - baseline) for a in mid(steps)])
    return ((x - baseline) * grad(f, points.flatten(0, 1)).view(steps, *x.shape)).mean(1)


def ig_in_place(f, x, baseline, steps=32):
    credit = ig(f, x, baseline, mid(steps))
    x -= baseline
    return credit


def ig_trapezoid(f, x, baseline, steps=32):
    alphas = torch.linspace(0, 1, steps + 1)
    slopes = torch.stack([grad(f, baseline + a * (x - baseline)) for a in alphas])
    return (x - baseline) * torch.trapezoid(slopes, alphas, dim=0)


def ig_shifted(f, x, baseline, steps=32):
    return ig(f, x, baseline, [(k + 0.5) / steps for k in range(1, steps + 1)])


def ig_doubled(f, x, baseline, steps=32):
    return 2 * ig(f, x, baseline, mid(steps))


def ig_plain_gradient(f, x, baseline, steps=32):
    return grad(f, x)


def ig_last_midpoint(f, x, baseline, steps=32):
    return (x - baseline) * grad(f, baseline + mid(steps)[-1] * (x - baseline))


# ---- 4.3


def gap_loop(network, here, there, credit):
    return torch.stack(
        [
            sum(row) - (network(p[None])[0] - network(q[None])[0])
            for row, p, q in zip(credit, here, there, strict=True)
        ]
    )


def gap_absolute_numpy(f, x, baseline, attributions):
    return np.abs(attributions.numpy().sum(axis=1) - f(x).numpy() + f(baseline).numpy())


def gap_no_baseline(f, x, baseline, attributions):
    return attributions.sum(1) - f(x)


def gap_sign(f, x, baseline, attributions):
    return f(x) - f(baseline) - attributions.sum(1)


def gap_brackets(f, x, baseline, attributions):
    return attributions.sum(1) - f(x) - f(baseline)


def gap_mean(f, x, baseline, attributions):
    return attributions.mean(1) - (f(x) - f(baseline))


def gap_all_rows(f, x, baseline, attributions):
    return attributions.sum() - (f(x) - f(baseline))


def gap_wrong_axis(f, x, baseline, attributions):
    return attributions.sum(0)


def gap_one_number(f, x, baseline, attributions):
    return (attributions.sum(1) - (f(x) - f(baseline))).sum()


def gap_swapped(f, x, baseline, attributions):
    return attributions.sum(1) - (f(baseline) - f(x))


def gap_keepdim(f, x, baseline, attributions):
    return attributions.sum(1, keepdim=True) - (f(x) - f(baseline))


def gap_features_kept(f, x, baseline, attributions):
    return attributions - (f(x) - f(baseline))[:, None]


# ---- 4.4


def path_by_jvp(f, path, steps=100):
    a = (torch.arange(steps) + 0.5) / steps
    points, speed = torch.func.jvp(path, (a,), (torch.ones_like(a),))
    return (grad(f, points) * speed).mean(0)


def path_by_loop(f, path, steps=100):
    credit = 0
    for k in range(steps):
        here, there, between = (path(t / steps) for t in (k, k + 1, k + 0.5))
        credit = credit + grad(f, between[None])[0] * (there - here)
    return credit


def path_trapezoid_numpy(f, path, steps=100):
    p = path(torch.linspace(0, 1, steps + 1))
    g = grad(f, p).numpy()
    return ((g[1:] + g[:-1]) / 2 * np.diff(p.numpy(), axis=0)).sum(0)


def middles(steps):
    return (torch.arange(steps) + 0.5) / steps


def speed_at(path, a):
    return torch.func.jvp(path, (a,), (torch.ones_like(a),))[1]


def path_no_speed(f, path, steps=100):
    return grad(f, path(middles(steps))).mean(0)


def path_straight_factor(f, path, steps=100):
    return grad(f, path(middles(steps))).mean(0) * (path(1.0) - path(0.0))


def path_straight_line(f, path, steps=100):
    start, end = path(0.0), path(1.0)
    return grad(f, start + middles(steps)[:, None] * (end - start)).mean(0) * (end - start)


def path_itself(f, path, steps=100):
    p = path(middles(steps))
    return (grad(f, p) * p).mean(0)


def path_left(f, path, steps=100):
    p = path(torch.linspace(0, 1, steps + 1))
    return (grad(f, p[:-1]) * (p[1:] - p[:-1])).sum(0)


def path_sign(f, path, steps=100):
    return -path_by_jvp(f, path, steps)


def path_not_divided(f, path, steps=100):
    return path_by_jvp(f, path, steps) * steps


def path_divided_twice(f, path, steps=100):
    return path_by_loop(f, path, steps) / steps


def path_one_number(f, path, steps=100):
    return path_by_loop(f, path, steps).sum()


def path_steps_kept(f, path, steps=100):
    a = middles(steps)
    return grad(f, path(a)) * speed_at(path, a) / steps


def path_means_apart(f, path, steps=100):
    a = middles(steps)
    return grad(f, path(a)).mean(0) * speed_at(path, a)[-1]


def path_one_number_a_step(f, path, steps=100):
    a = middles(steps)
    return (grad(f, path(a)) * speed_at(path, a)).sum(1) / steps


def path_both_ends(f, path, steps=100):
    a = torch.linspace(0, 1, steps)
    return (grad(f, path(a)) * speed_at(path, a)).mean(0)


def path_absolute(f, path, steps=100):
    return path_by_jvp(f, path, steps).abs()


def grad_of_the_caller(f, x):
    x.requires_grad_(True)
    f(x).sum().backward()
    return x.grad  # a second call adds to it


def ig_through_x(f, x, baseline, steps=32):
    start, total = x.detach().clone().requires_grad_(True), 0
    for a in mid(steps):
        total = total + torch.autograd.grad(f(baseline + a * (start - baseline)).sum(), start)[0]
    return (x - baseline) * total / steps


def ig_from_x(f, x, baseline, steps=32):
    return sum(grad(f, x + a * (x - baseline)) for a in mid(steps)) * (x - baseline) / steps


def ig_divided_twice(f, x, baseline, steps=32):
    return ig_batch(f, x, baseline, steps) / steps


def ig_zero_over_zero(f, x, baseline, steps=32):
    right = ig_batch(f, x, baseline, steps)
    return right / (x - baseline) * (x - baseline)


def path_fixed_steps(f, path, steps=100):
    return path_by_loop(f, path, 100)


def path_one_piece_less(f, path, steps=100):
    return path_by_loop(f, path, steps - 1)


def path_last_missing(f, path, steps=100):
    edges = torch.linspace(0, 1, steps + 1)
    way = path(edges[1:]) - path(edges[:-1])
    return (grad(f, path((edges[1:] + edges[:-1]) / 2)) * way)[:-1].sum(0)


# ---- 4.5


def linear(weight, bias):
    layer = nn.Linear(len(weight[0]), len(weight))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight, dtype=torch.float32))
        layer.bias.copy_(torch.tensor(bias, dtype=torch.float32))
    return layer


def slide(threshold=1.0, a=1.0, b=1.0):
    """ReLU(ReLU(a·x₁) − t − ReLU(b·x₂)) and ReLU(ReLU(a·x₁ − t) − ReLU(b·x₂))."""
    first = [[a, 0.0], [0.0, b]]
    end = linear([[1.0, -1.0]], [-threshold]), linear([[1.0, -1.0]], [0.0])
    return (
        nn.Sequential(linear(first, [0.0, 0.0]), nn.ReLU(), end[0], nn.ReLU()),
        nn.Sequential(linear(first, [-threshold, 0.0]), nn.ReLU(), end[1], nn.ReLU()),
    )


def twins_with_short_biases():  # None and one number for a bias
    f, g = slide_as_lists(2.0)
    return [f[0], f[1], (f[2][0], None)], [g[0], g[1], (g[2][0], 0.0)]


def slide_as_lists(threshold):
    first, out = [[1.0, 0.0], [0.0, 1.0]], ([[1.0]], [0.0])
    return (
        [(first, [0.0, 0.0]), ([[1.0, -1.0]], [-threshold]), out],
        [(first, [-threshold, 0.0]), ([[1.0, -1.0]], [0.0]), out],
    )


def twins_as_list_of_modules():
    return tuple(list(net) for net in slide(2.0))


def twins_none():
    return None, None


def twins_dict():
    return dict(zip("fg", slide_as_lists(2.0), strict=True))


def twins_rounded():
    f, g = slide_as_lists(2.0)
    return f, [([[1.0 + 1e-5, 0.0], [0.0, 1.0]], g[0][1]), *g[1:]]


def twins_as_modules():
    return slide(threshold=2.0, a=1.5, b=0.5)


def twins_of_three_inputs():
    first = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    f = [(first, np.zeros(2)), (np.array([[1.0, -1.0]]), np.array([-0.5])), (np.ones((1, 1)), np.zeros(1))]
    g = [
        (first, np.array([-0.5, 0.0])),
        (np.array([[1.0, -1.0]]), np.zeros(1)),
        (np.ones((1, 1)), np.zeros(1)),
    ]
    return f, g


def twins_slide():
    return slide()


def twins_slide_swapped_and_doubled():
    w = [[0.0, 1.0], [1.0, 0.0]]
    return ([(w, [0, 0]), ([[1, -1]], [-1]), ([[2]], [0])], [(w, [-1, 0]), ([[1, -1]], [0]), ([[2]], [0])])


def twins_same():
    f, _ = twins_as_modules()
    return f, f


def twins_negative_threshold():
    return slide(threshold=-2.0, a=1.5, b=0.5)  # ReLU(ReLU(a) − c) = ReLU(a − c) needs c ≥ 0


def twins_without_bias():
    return (
        [([[1, -1], [0, 1], [0, -1]], [0, 0, 0]), ([[1, 1, -1]], [0])],
        [([[-1, 1], [1, 0], [-1, 0]], [0, 0, 0]), ([[1, 1, -1]], [0])],
    )  # max(x₁, x₂), both ways round


def twins_equal_near_origin():
    same = ([[1, 0], [0, 1]], [0, 0])
    return (
        [same, ([[1, -1]], [-0.5]), ([[1]], [0])],
        [([[1, 0], [0, 1], [1, 0]], [0, 0, -5]), ([[1, -1, -1]], [-0.5]), ([[1]], [0])],
    )


def twins_equal_where_positive():
    return [([[1, 0], [0, 1]], [0, 0]), ([[1, 2]], [0])], [
        ([[1, 0], [0, 1], [-1, 0]], [0, 0, 0]),
        ([[1, 2, -1]], [0]),
    ]


def twins_of_other_weights():
    return slide(threshold=2.0, a=1.5)[0], slide(threshold=2.0, a=1.6)[1]


def twins_one_input():
    return [([[1]], [0]), ([[1]], [-1]), ([[1]], [0])], [([[1]], [-1]), ([[1]], [0])]


def twins_only_one():
    return twins_as_modules()[0]


def twins_constant():
    return [([[0, 0]], [1]), ([[1]], [0])], [([[0, 0]], [2]), ([[0.5]], [0])]


def twins_with_tanh():
    f, g = twins_as_modules()
    return nn.Sequential(f[0], nn.Tanh(), f[2]), g


def twins_transposed_weights():
    f, g = twins_of_three_inputs()
    return [(w.T, b) for w, b in f], [(w.T, b) for w, b in g]


def twins_relu_first():
    first = linear([[1.5, 0.0], [0.0, 0.7]], [-2.0, 0.0])
    return (
        nn.Sequential(nn.ReLU(), linear([[1.5, -0.7]], [-2.0]), nn.ReLU()),
        nn.Sequential(first, nn.ReLU(), linear([[1.0, -1.0]], [0.0]), nn.ReLU()),
    )


def twins_nested_with_linears_in_a_row():
    f = nn.Sequential(
        nn.Sequential(linear([[0.3, 0.0], [0.0, 0.7]], [0.0, 0.0]), nn.ReLU()),
        linear([[3.0, 0.0], [0.0, 1.0]], [0.0, 0.0]),
        linear([[1.0, -1.0]], [-0.37]),
        nn.ReLU(),
        nn.ReLU(),
    )
    g = nn.Sequential(
        linear([[0.9, 0.0], [0.0, 0.7]], [-0.37, 0.0]), nn.ReLU(), linear([[1.0, -1.0]], [0.0]), nn.ReLU()
    )
    return f, g  # 3 · 0.3 is 0.9 in float32 but for rounding


def _twins_and(rows, shifts, ends, shift=0.0):
    """A pair of one's own, and to g is added ReLU(ends · ReLU(rows x + shifts) + shift)."""
    first, last = [[1.5, 0.0], [0.0, 0.5]], ([[1.0]], [0.0])
    f = [(first, [0.0, 0.0]), ([[1.0, -1.0]], [-2.0]), last]
    second = [[1.0, -1.0] + [0.0] * len(rows), [0.0, 0.0, *ends]]
    return f, [(first + rows, [-2.0, 0.0, *shifts]), (second, [0.0, shift]), ([[1.0, 1.0]], [0.0])]


def twins_but_for_a_strip():
    return _twins_and([[1.0, 0.0]] * 3, [-3.332, -3.333, -3.334], [10.0, -20.0, 10.0])


def twins_but_for_a_spot():
    rows = [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]
    return _twins_and(rows, [-1.234, 1.234, -3.456, 3.456], [-10.0] * 4, 0.1)


def twins_but_for_a_spot_among_many_kinks():
    f, g = twins_but_for_a_spot()
    rng = np.random.default_rng(0)
    rows, shifts = rng.normal(size=(50, 2)), 5 * rng.normal(size=50)
    for network in (f, g):  # 50 more ReLUs that nothing listens to
        (first, bias), (second, shift) = network[:2]
        network[0] = np.vstack([first, rows]), np.append(bias, shifts)
        network[1] = np.pad(np.asarray(second), ((0, 0), (0, 50))), shift
    return f, g


def twins_of_a_distant_kink():
    f, g = ([(np.array(w, float), b) for w, b in n] for n in get("4.5").library())
    scale = np.array([0.01, 1.0])
    return [(f[0][0] * scale, f[0][1]), *f[1:]], [(g[0][0] * scale, g[0][1]), *g[1:]]


def twins_but_far_out():
    return _twins_and([[0.1, 0.0]], [-500.0], [0.1])


def twins_slide_hardly_changed():
    first = [[1, 0], [0, 1]]
    return (
        [(first, [0, 0]), ([[1, -1], [1e-4, 0]], [-1, 0]), ([[1, 1]], [0])],
        [([[1, 0], [0, 1], [1, 0]], [-1, 0, 0]), ([[1, -1, 0], [0, 0, 1e-4]], [0, 0]), ([[1, 1]], [0])],
    )


# ---- 4.6


def bent_two_legs(alpha, baseline, x):
    share = torch.stack([(2 * alpha).clamp(0, 1), (2 * alpha - 1).clamp(0, 1)], 1)
    return baseline + share * (x - baseline)


def bent_in_numpy(a, x0, x1):
    a, x0, x1 = a.numpy(), x0.numpy(), x1.numpy()
    bump = np.sin(np.pi * a)
    return np.stack([x0[0] + a * (x1[0] - x0[0]), x0[1] + (a - 0.4 * bump) * (x1[1] - x0[1])], axis=-1)


def bent_straight(alpha, baseline, x):
    return baseline + alpha[:, None] ** 2 * (x - baseline)


def bent_no_baseline(alpha, baseline, x):
    return torch.stack([alpha, alpha**3], 1) * x


def bent_unit_box(alpha, baseline, x):
    return torch.stack([alpha, alpha**3], 1)


def bent_backwards(alpha, baseline, x):
    return bent_two_legs(1 - alpha, baseline, x)


def bent_swapped_axes(alpha, baseline, x):
    return bent_two_legs(alpha, baseline, x).T


def bent_jump(alpha, baseline, x):
    share = torch.stack([alpha, (alpha > 0.999).to(alpha.dtype)], 1)
    return baseline + share * (x - baseline)


def bent_both_sides(alpha, baseline, x):
    share = torch.stack([alpha, alpha + 0.3 * torch.sin(2 * torch.pi * alpha)], 1)
    return baseline + share * (x - baseline)


def bent_hardly(alpha, baseline, x):
    return baseline + torch.stack([alpha, alpha**1.05], 1) * (x - baseline)


def bent_does_not_arrive(alpha, baseline, x):
    share = torch.stack([alpha, alpha / 2], 1)
    return baseline + share * (x - baseline)


def bent_fourth_root(alpha, baseline, x):
    return baseline + torch.stack([alpha**0.25, alpha], 1) * (x - baseline)


def bent_masks(alpha, baseline, x):
    first, second = 2 * alpha[alpha < 0.5], 2 * alpha[alpha >= 0.5] - 1
    legs = torch.stack([first, 0 * first], 1), torch.stack([1 + 0 * second, second], 1)
    return baseline + torch.cat(legs) * (x - baseline)


def bent_stairs(alpha, baseline, x):
    return baseline + torch.stack([torch.floor(100 * alpha) / 100, alpha**3], 1) * (x - baseline)


def bent_fine_stairs(alpha, baseline, x):
    return baseline + torch.stack([torch.floor(1000 * alpha) / 1000, alpha**3], 1) * (x - baseline)


def bent_rounded(alpha, baseline, x):
    return baseline + torch.stack([alpha**0.5, alpha.round(decimals=3)], 1) * (x - baseline)


def bent_two_rows(alpha, baseline, x):
    return torch.stack([alpha, alpha**3]) * (x - baseline)[:, None] + baseline[:, None]


def bent_steep(alpha, baseline, x):  # steep, and continuous
    return baseline + torch.stack([alpha, alpha**200], 1) * (x - baseline)


def bent_switch(alpha, baseline, x):
    soft = torch.sigmoid(500 * (alpha - 0.7))
    low, high = torch.sigmoid(torch.tensor(-350.0)), torch.sigmoid(torch.tensor(150.0))
    return baseline + torch.stack([alpha, (soft - low) / (high - low)], 1) * (x - baseline)


def bent_own_alpha(alpha, baseline, x):
    return bent_two_legs(torch.linspace(0, 1, len(alpha)), baseline, x)


def bent_scaled_alpha(alpha, baseline, x):
    return bent_two_legs(alpha / alpha.max(), baseline, x)


# ---- 4.7


def quick_functional(f, x, baseline, steps=32):
    a = ((torch.arange(steps) + 0.5) / steps)[None, :, None]
    points = baseline[:, None] + a * (x - baseline)[:, None]  # rows first, then steps
    slopes = torch.func.grad(lambda p: f(p).sum())(points.reshape(-1, x.shape[1]))
    return (x - baseline) * slopes.reshape(len(x), steps, -1).mean(1)


def quick_with_a_look_at_x(f, x, baseline, steps=32):
    f(x)  # the second call that is allowed
    return ig_batch(f, x, baseline, steps)


def quick_vmap(f, x, baseline, steps=32):
    one = torch.func.grad(lambda row: f(row[None])[0])
    a = (torch.arange(steps) + 0.5) / steps
    points = baseline + a[:, None, None] * (x - baseline)
    return (x - baseline) * torch.func.vmap(torch.func.vmap(one))(points).mean(0)


def _all_pairs(alpha, f, x, baseline, steps):
    points = baseline.repeat(steps, 1) + alpha[:, None] * (x - baseline).repeat(steps, 1)
    points = points.detach().requires_grad_(True)
    gradient = torch.autograd.grad(f(points).sum(), points)[0]
    return (x - baseline) * gradient.reshape(steps, *x.shape).mean(0)


def quick_paired(f, x, baseline, steps=32):  # right where N and steps have no common factor
    return _all_pairs(((torch.arange(steps) + 0.5) / steps).repeat(len(x)), f, x, baseline, steps)


def quick_interleaved(f, x, baseline, steps=32):
    return _all_pairs(((torch.arange(steps) + 0.5) / steps).repeat_interleave(len(x)), f, x, baseline, steps)


def quick_order_swapped(f, x, baseline, steps=32):
    points = baseline[:, None] + middles(steps)[:, None] * (x - baseline)[:, None]
    return (x - baseline) * grad(f, points.flatten(0, 1)).reshape(steps, *x.shape).mean(0)


def quick_loop(f, x, baseline, steps=32):
    return ig(f, x, baseline, mid(steps))


def quick_row_by_row(f, x, baseline, steps=32):
    return torch.cat([ig_batch(f, p[None], q[None], steps) for p, q in zip(x, baseline, strict=True)])


def quick_numpy_differences(f, x, baseline, steps=32):
    return ig_rows_in_numpy(f, x, baseline, steps)


def quick_never_calls(f, x, baseline, steps=32):
    return torch.zeros_like(x)


def quick_forward_mode(f, x, baseline, steps=32):
    points = torch.stack([baseline + a * (x - baseline) for a in mid(steps)]).flatten(0, 1)
    slopes = torch.func.jacfwd(lambda p: f(p).sum())(points)
    return (x - baseline) * slopes.view(steps, *x.shape).mean(0)
