"""Exercises 5.1 to 5.3: right answers in several manners, and wrong ones with the hint that each must get."""
import numpy as np
import pytest
import torch

from xaikit.exercises import get
from xaikit.exercises.feedback import evaluate


def verdict(id, answer):
    """Score and verdict, the same for several seeds."""
    found = [evaluate(get(id), answer, seed)[:2] for seed in (0, 3, 11, 20)]
    assert len({(score, verdict.hint) for score, verdict in found}) == 1, found
    return found[0]


# ---- 5.1


def spoil(x, y, kind, p, chance, drawn, orders, noise, *, hit=None, shuffled=None, own=None, gauss=None, labels=None):
    hit = chance < p if hit is None else hit(chance, p)
    if kind == "labels":
        return x.clone(), (torch.where(hit, drawn, y) if labels is None else labels(hit, drawn, y))
    new = {"shuffled pixels": shuffled or (lambda x, o, e: x[:, o[0]]), "random pixels": own or (lambda x, o, e: x.gather(1, o)),
           "gaussian": gauss or (lambda x, o, e: x.mean() + x.std(correction=0) * e)}[kind](x, orders, noise)
    return torch.where(hit[:, None], new, x), y


def but(**how):
    return lambda *args: spoil(*args, **how)


def by_loop(x, y, kind, p, chance, drawn, orders, noise):
    images, labels = x.tolist(), y.tolist()
    mean, std = float(x.double().mean()), float(x.double().std(correction=0))
    for i in range(len(labels)):
        if chance[i] >= p:
            continue
        if kind == "labels":
            labels[i] = drawn[i].item()
        elif kind == "gaussian":
            images[i] = [mean + std * float(e) for e in noise[i]]
        else:
            o = orders[0] if kind == "shuffled pixels" else orders[i]
            images[i] = [x[i, k].item() for k in o]
    return images, labels


def in_numpy(x, y, kind, p, chance, drawn, orders, noise):
    x, y, chance, drawn, orders, noise = (v.numpy() for v in (x, y, chance, drawn, orders, noise))
    hit = chance < p
    new = {"labels": x, "shuffled pixels": x[:, orders[0]], "random pixels": np.take_along_axis(x, orders, 1),
           "gaussian": x.mean() + x.std() * noise}[kind]
    return np.where(hit[:, None], new, x), np.where(hit & (kind == "labels"), drawn, y)


@pytest.mark.parametrize("answer", [spoil, by_loop, in_numpy, lambda *a: [v.double() for v in spoil(*a)]])
def test_right_spoiling(answer):
    assert verdict("5.1", answer)[0] == 3


@pytest.mark.parametrize(("how", "hint"), [
    ({"hit": lambda c, p: torch.full(c.shape, p > 0)}, "All examples were spoiled"),
    ({"hit": lambda c, p: c >= p}, "Those that should stay"),
    ({"hit": lambda c, p: torch.arange(len(c)) < round(p * len(c))}, "The first p·N examples"),
    ({"shuffled": lambda x, o, e: x.gather(1, o)}, '"shuffled pixels" has one permutation'),
    ({"own": lambda x, o, e: x[:, o[0]]}, '"random pixels" has a permutation of its own'),
    ({"shuffled": lambda x, o, e: x[:, o[0].argsort()], "own": lambda x, o, e: x.gather(1, o.argsort(1))}, "The permutation goes the other"),
    ({"shuffled": lambda x, o, e: torch.zeros_like(x).index_copy(1, o[0], x),
      "own": lambda x, o, e: torch.zeros_like(x).scatter(1, o, x)}, "The permutation goes the other"),
    ({"gauss": lambda x, o, e: e}, "Plain noise"),
    ({"gauss": lambda x, o, e: x.mean() + x.var(correction=0) * e}, "The noise is scaled by the variance"),
    ({"gauss": lambda x, o, e: x.mean(0) + x.std(0, correction=0) * e}, "Each pixel has"),
    ({"gauss": lambda x, o, e: x.mean(1, True) + x.std(1, correction=0, keepdim=True) * e}, "Each image has"),
    ({"gauss": lambda x, o, e: x + x.mean() + x.std(correction=0) * e}, "The noise was added"),
    ({"gauss": lambda x, o, e: x.mean() + x.std() * e}, "The standard deviation divides"),
])
def test_wrong_spoiling(how, hint):
    score, found = verdict("5.1", but(**how))
    assert score < 3 and found.hint.startswith(hint), found


def labels_too(x, y, kind, p, chance, drawn, orders, noise):
    return spoil(x, y, kind, p, chance, drawn, orders, noise)[0], torch.where(chance < p, drawn, y)


def in_place(x, y, kind, p, chance, drawn, orders, noise):
    new, labels = spoil(x, y, kind, p, chance, drawn, orders, noise)
    x.copy_(new)
    return x, labels


def test_labels_that_change_with_pixels_and_an_input_written_into():
    assert verdict("5.1", labels_too)[1].hint.startswith("The labels changed")
    score, found = verdict("5.1", in_place)
    assert score == 1.5 and "wrote into its input x" in found.message


def by_the_first_hit(x, y, kind, p, chance, drawn, orders, noise):
    hit = chance < p
    if kind != "shuffled pixels":
        return spoil(x, y, kind, p, chance, drawn, orders, noise)
    x2 = x.clone()
    x2[hit] = x[hit][:, orders[hit][0]]
    return x2, y


def test_the_permutation_is_the_first_of_all_not_of_the_spoiled():
    score, found = verdict("5.1", by_the_first_hit)
    assert score == 0 and found.hint.startswith("The one permutation"), found


def test_a_wrong_order_of_the_values_is_told():
    assert "order" in verdict("5.1", lambda *a: spoil(*a)[::-1])[1].message


# ---- 5.2


def fit(x, y, a, *, knots=None, labels=None, relu=True, transpose=False, sort=True):
    z = x @ a
    order = z.argsort() if sort else torch.arange(len(z))
    z = z[order]
    b = torch.cat([z[:1] - 1, (z[1:] + z[:-1]) / 2]) if knots is None else knots(z)
    A = (z[:, None] - b).clamp(min=0) if relu else z[:, None] - b
    target = y[order] if labels is None else labels(y, order)
    A = (A.T if transpose else A).double()
    return b, torch.linalg.lstsq(A, target.double()[:, None], driver="gelsd").solution[:, 0]


def by_substitution(x, y, a):
    z, order = np.sort((x @ a).numpy()), (x @ a).numpy().argsort()
    b = [z[0] - 1, *[(p + q) / 2 for p, q in zip(z, z[1:], strict=False)]]
    w = []
    for i, k in enumerate(order):
        w.append((y[k].item() - sum(w[j] * (z[i] - b[j]) for j in range(i))) / (z[i] - b[i]))
    return b, w


@pytest.mark.parametrize("answer", [fit, by_substitution, lambda x, y, a: fit(x.double(), y, a.double()),
                                    lambda x, y, a: tuple(v.numpy() for v in fit(x, y, a))])
def test_right_construction(answer):
    assert verdict("5.2", answer)[0] == 3


@pytest.mark.parametrize(("how", "hint"), [
    ({"labels": lambda y, o: y}, "The labels were not put into the order"),
    ({"labels": lambda y, o: y[o.argsort()]}, "The labels were ordered by the inverse"),
    ({"transpose": True}, "The system is transposed"),
    ({"relu": False}, "The ReLU is missing"),
    ({"sort": False}, "The projections are not in ascending order"),
    ({"knots": lambda z: z}, "The knots stand on their examples"),
    ({"knots": lambda z: torch.cat([(z[1:] + z[:-1]) / 2, z[-1:] + 1])}, "The knots stand behind"),
    ({"knots": lambda z: torch.cat([z[:1], (z[1:] + z[:-1]) / 2])}, "The first knot stands on"),
])
def test_wrong_construction(how, hint):
    score, found = verdict("5.2", lambda x, y, a: fit(x, y, a, **how))
    assert score == 0 and found.hint.startswith(hint), found


def test_knots_and_weights_exchanged_or_descending():
    score, found = verdict("5.2", lambda x, y, a: fit(x, y, a)[::-1])
    assert score == 0 and found.hint.startswith("b and w came in the other order"), found
    score, found = verdict("5.2", lambda x, y, a: tuple(v.flip(0) for v in fit(x, y, a)))
    assert score == 1.5 and found.hint.startswith("Right units, but"), found


def test_a_network_that_does_not_fit_is_told_so():
    score, found = verdict("5.2", lambda x, y, a: (fit(x, y, a)[0], fit(x, y, a)[1] * 1.01))
    assert score == 0 and found.hint.startswith("The network of these b and w does not give the labels")
    assert verdict("5.2", lambda x, y, a: (fit(x, y, a)[0].half(), fit(x, y, a)[1].half()))[0] == 0, "half precision"


# ---- 5.3


def steps(X, y, order, eta, *, start=0.0, sign=-1, factor=1, frozen=False):
    w = torch.full((X.shape[1],), start)
    for i in order.tolist():
        e = (0 if frozen else w @ X[i]) - y[i]
        w = w + sign * factor * eta * e * X[i]
    return w


def ways(X, y, order, eta, *, first=None, second=steps):
    return (X.T @ torch.linalg.solve(X @ X.T, y) if first is None else first(X, y)), second(X, y, order, eta)


def in_numpy_too(X, y, order, eta):
    X, y, w = X.double().numpy(), y.double().numpy(), np.zeros(X.shape[1])
    for i in order.numpy():
        w += eta * (y[i] - X[i] @ w) * X[i]
    return np.linalg.pinv(X) @ y, w


def by_autograd(X, y, order, eta):
    w = torch.zeros(X.shape[1], requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=eta)
    for i in order:
        optimizer.zero_grad()
        (0.5 * (w @ X[i] - y[i]) ** 2).backward()
        optimizer.step()
    return torch.linalg.lstsq(X, y[:, None], driver="gelsd").solution[:, 0], w


@pytest.mark.parametrize("answer", [ways, in_numpy_too, by_autograd])
def test_right_ways(answer):
    assert verdict("5.3", answer)[0] == 2


def every(X, y, order, eta):
    w = torch.zeros(X.shape[1])
    for _ in order:
        w = w - eta * X.T @ (X @ w - y)
    return w


@pytest.mark.parametrize(("how", "hint"), [
    ({"first": lambda X, y: torch.linalg.solve(X @ X.T, y)}, "α came back"),
    ({"first": lambda X, y: torch.cat([torch.linalg.solve(X[:, :len(y)], y), torch.zeros(X.shape[1] - len(y))])}, "That fits, but"),
    ({"first": lambda X, y: X.T @ torch.linalg.solve(X @ X.T + 0.1 * torch.eye(len(y)), y)}, "The kernel matrix has some ridge"),
    ({"second": lambda *a: steps(*a, factor=2)}, "The step is twice as long"),
    ({"second": lambda *a: steps(*a, start=1.0)}, "SGD starts at 1"),
    ({"second": lambda *a: steps(*a, frozen=True)}, "The error e is that of the first"),
    ({"second": every}, "Each step uses all examples"),
    ({"second": lambda X, y, o, e: steps(X, y, o.sort().values, e)}, "The examples were taken in their own order"),
    ({"second": lambda X, y, o, e: X.T @ torch.linalg.solve(X @ X.T, y)}, "SGD was not run"),
])
def test_wrong_ways(how, hint):
    score, found = verdict("5.3", lambda *a: ways(*a, **how))
    assert score < 2 and found.hint.startswith(hint), found


def test_both_w_exchanged_and_a_step_size_written_in():
    score, found = verdict("5.3", lambda *a: ways(*a)[::-1])
    assert score == 0 and found.hint.startswith("The two w are exchanged"), found
    score, found = verdict("5.3", lambda X, y, order, eta: ways(X, y, order, 0.3))
    assert score == 0 and found.hint.startswith("η is an argument"), found


def rounds(X, y, order, eta):
    """The first round's order again and again: wrong where the order is no whole number of rounds."""
    n = len(X)
    return ways(X, y, order[:n].repeat(len(order) // n) if len(order) else order, eta)


@pytest.mark.parametrize("ridge", [1e-3, 1e-4, 1e-5])
def test_a_small_ridge_is_told_by_small_features(ridge):
    score, found = verdict("5.3", lambda *a: ways(*a, first=lambda X, y: X.T @ torch.linalg.solve(
        X @ X.T + ridge * torch.eye(len(y)), y)))
    assert score == 0 and found.hint.startswith("The first w does not fit"), found
    assert verdict("5.3", rounds)[0] == 0
    for seed in range(4):  # raises, or leaves the rest of the order out
        assert evaluate(get("5.3"), lambda X, y, order, eta: ways(
            X, y, order[:len(order) // len(X) * len(X)].view(-1, len(X)).flatten(), eta), seed)[0] == 0


@pytest.mark.parametrize("eps", [1e-8, 1e-10, 1e-12])
def test_an_addend_in_the_ginis_denominator_is_told(eps):
    def table(g):
        return (g[:, None] - g).abs().sum()

    for divide in (lambda g: table(g) / (2 * len(g) * g.sum() + eps), lambda g: table(g) / (2 * len(g) * g.sum()).clamp(min=eps)):
        score, found = verdict("5.6", divide)
        assert score == 0 and found.hint.startswith("Something was added"), found
    assert verdict("5.6", lambda g: torch.nan_to_num(table(g) / (2 * len(g) * g.sum())))[0] == 1


def climbing(X, y, order, eta):
    return ways(X, y, order[:12], eta, second=lambda *a: steps(*a, sign=1))


def test_a_climb_is_no_solution():
    assert verdict("5.3", climbing)[0] == 0
