"""Lecture 05's exercises 5.1 and 5.2: spoiling a data set, fitting any labels."""

import numpy as np

from .formula import formula

# ---- 5.1


def spoil(x, y, kind, p, chance, drawn, orders, noise):
    """Spoil each example i with chance_i < p.  x (N, D), y (N,) → x (N, D), y (N,)"""
    import torch

    hit = chance < p
    if kind == "labels":
        return x.clone(), torch.where(hit, drawn, y)
    if kind == "shuffled pixels":
        new = x[:, orders[0]]
    elif kind == "random pixels":
        new = x.gather(1, orders)
    else:  # "gaussian"
        new = x.mean() + x.std(correction=0) * noise
    return torch.where(hit[:, None], new, x), y


def _spoil(x, y, kind, p, chance, drawn, orders, noise, hit=None, instead=None):
    """5.1 in numpy; ``hit`` and ``instead`` (kind → new pixels) make its mistakes."""
    hit = chance < p if hit is None else hit
    if kind == "labels":
        return x, np.where(hit, drawn, y)
    new = {"shuffled pixels": lambda: x[:, orders[0]], "random pixels": lambda: np.take_along_axis(x, orders, 1),
           "gaussian": lambda: x.mean() + x.std() * noise} | (instead or {})
    return np.where(hit[:, None], new[kind](), x), y


def _slip(**instead):
    """A mistake that gives other pixels for one kind: f(x, orders, noise)."""
    def wrong(x, y, kind, p, chance, drawn, orders, noise):
        named = {k.replace("_", " "): (lambda f=f: f(x, orders, noise)) for k, f in instead.items()}
        return _spoil(x, y, kind, p, chance, drawn, orders, noise, instead=named)
    return wrong


def _inverse(orders):
    return np.argsort(orders, 1)


def _hit(who):
    """A mistake that spoils others: who(chance, p) → (N,) bool."""
    def wrong(x, y, kind, p, chance, drawn, orders, noise):
        return _spoil(x, y, kind, p, chance, drawn, orders, noise, hit=who(chance, p))
    return wrong


_ranks = lambda chance: np.argsort(np.argsort(chance))  # noqa: E731


def _labels_too(x, y, kind, p, chance, drawn, orders, noise):
    new, _ = _spoil(x, y, kind, p, chance, drawn, orders, noise)
    return new, np.where(chance < p, drawn, y)


def _first_hit(x, y, kind, p, chance, drawn, orders, noise):
    first = np.argmax(chance < p)  # the first of the spoiled images lends its permutation to all
    return _spoil(x, y, kind, p, chance, drawn, orders, noise, instead={"shuffled pixels": lambda: x[:, orders[first]]})


def _never_the_same(x, y, kind, p, chance, drawn, orders, noise):
    new, labels = _spoil(x, y, kind, p, chance, drawn, orders, noise)
    return new, np.where((chance < p) & (drawn == y) & (kind == "labels"), (y + 1) % 10, labels)


def _spoil_cases(rng):
    made = []
    for kind, p, n, d, note in (("labels", 0.5, 9, 6, "partially corrupted labels"), ("labels", 1.0, 7, 5, "random labels"),
                                ("labels", 0.0, 5, 4, "true labels"), ("shuffled pixels", 1.0, 6, 9, "shuffled pixels"),
                                ("random pixels", 1.0, 5, 8, "random pixels"), ("gaussian", 1.0, 6, 7, "Gaussian"),
                                ("random pixels", 0.4, 8, 8, "random pixels in some images"),
                                ("shuffled pixels", 0.5, 8, 6, "shuffled pixels in some images"),
                                ("gaussian", 0.65, 8, 5, "Gaussian in some images"), ("labels", 0.5, 1, 3, "one example"),
                                ("labels", 0.3, 12, 3, "labels that change now and then"),
                                ("shuffled pixels", 1.0, 1, 6, "one image, shuffled"), ("random pixels", 1.0, 1, 6, "one image"),
                                ("gaussian", 1.0, 1, 6, "one image, Gaussian")):
        chance = rng.random(n)
        if p == 0:
            chance[rng.integers(n)] = 0.0  # not below p
        elif n > 1 and p < 1:  # by chance, not by number; not those that come first, nor the very first; one has chance = p
            while chance[0] < p or (chance < p).sum() in (0, int(p * n), round(p * n), int(p * n) + 1, n - 1, n):
                chance = rng.random(n)
            chance[chance.argmax()] = p
        y = rng.integers(0, 10, n)
        drawn = (y + rng.integers(1, 10, n)) % 10
        drawn[chance.argmin()] = y[chance.argmin()]  # a drawn class may be the old one
        orders = np.stack([rng.permutation(d) for _ in range(n)])
        for row in orders:  # neither the identity nor its own inverse
            while (np.argsort(row) == row).all():
                row[:] = rng.permutation(d)
        made.append({"x": rng.normal(1.0, 2.0, (n, d)), "y": y, "kind": kind, "p": p, "chance": chance, "drawn": drawn,
                     "orders": orders, "noise": rng.normal(size=(n, d)), "note": note})
    return made


_SPOIL = formula(
    id="5.1", title="Six data sets from one", points=3, minutes=10, difficulty=1,
    task="spoil(x, y, kind, p, chance, drawn, orders, noise): examples with chance_i < p are spoiled: the label becomes drawn_i; "
         "the pixels are permuted by orders_0 or by orders_i, x'_ik = x_i,orders[k]; or become mean(x) + std(x) · noise_i, "
         "mean and standard deviation (divided by N·D, correction=0) over all of x. The rest stays. → x (N, D), y (N,)",
    library=spoil, cases=_spoil_cases, truth=_spoil, outputs=("x", "y"),
    mistakes=[
        *[("All examples were spoiled: only those with chance < p.", _hit(lambda chance, p, least=least: np.full(len(chance), p >= least)))
          for least in (1e-9, 0.0)],
        *[("Those that should stay were spoiled: chance < p, not above it.", _hit(who))
          for who in (lambda chance, p: chance >= p, lambda chance, p: chance > p)],
        ("An example whose chance is p itself is spared: below p.", _hit(lambda chance, p: chance <= p)),
        ("The first p·N examples were spoiled: each example has a chance of its own.",
         _hit(lambda chance, p: np.arange(len(chance)) < round(p * len(chance)))),
        *[("A share of exactly p was spoiled: each example has a chance of its own, and how many are below p is chance, too.",
           _hit(lambda chance, p, whole=whole: _ranks(chance) < whole(p * len(chance)))) for whole in (int, round, np.ceil)],
        ("The labels changed together with the pixels: only \"labels\" touches them.", _labels_too),
        ("A drawn class may happen to be the old one; leave it. (Random labels agree with the true ones in a tenth of the cases.)",
         _never_the_same),
        ("\"shuffled pixels\" has one permutation for all images, orders[0]; a different one for each is \"random pixels\".",
         _slip(shuffled_pixels=lambda x, o, e: np.take_along_axis(x, o, 1))),
        ("The one permutation of \"shuffled pixels\" is orders[0], the first row of all orders, not that of the first spoiled "
         "image.", _first_hit),
        ("\"random pixels\" has a permutation of its own for each image: orders[i], not orders[0] for all.",
         _slip(random_pixels=lambda x, o, e: x[:, o[0]])),
        ("The permutation goes the other way round: pixel k of the new image is pixel orders[k] of the old one; scatter is gather's "
         "inverse.",
         _slip(shuffled_pixels=lambda x, o, e: x[:, _inverse(o)[0]],
               random_pixels=lambda x, o, e: np.take_along_axis(x, _inverse(o), 1))),
        ("Plain noise has mean 0 and variance 1: give it the mean and the variance of x.", _slip(gaussian=lambda x, o, e: e)),
        ("The noise is scaled by the variance: that is the square of what is needed.",
         _slip(gaussian=lambda x, o, e: x.mean() + x.var() * e)),
        ("Each pixel has a mean and variance of its own here: take both over the whole data set.",
         _slip(gaussian=lambda x, o, e: x.mean(0) + x.std(0) * e)),
        ("Each image has a mean and variance of its own here: take both over the whole data set.",
         _slip(gaussian=lambda x, o, e: x.mean(1, keepdims=True) + x.std(1, keepdims=True) * e)),
        ("The noise was added to the image: it replaces it.", _slip(gaussian=lambda x, o, e: x + x.mean() + x.std() * e)),
        ("The standard deviation divides by N·D − 1: the variance of these numbers themselves needs correction=0.",
         _slip(gaussian=lambda x, o, e: x.mean() + x.std(ddof=1) * e), 0.5),
    ],
    hints=("hit = chance < p is a mask (N,): torch.where(hit, new, old) picks for each example; for pixels it needs hit[:, None].",
           "One permutation for all images: x[:, orders[0]]. One for each: x.gather(1, orders).",
           "Gaussian: x.mean() + x.std(correction=0) * noise; the labels stay whatever happens to the pixels."),
    insight="Only the data change: network, optimiser and number of weights stay as they are. That is all a randomisation test is.")


# ---- 5.2


def fit_any(x, y, a):
    """Knots b (n,) and weights w (n,) of the network that fits y.  x (n, d), y (n,), a (d,)"""
    import torch

    z, order = (x @ a).sort()
    b = torch.cat([z[:1] - 1, (z[1:] + z[:-1]) / 2])
    A = (z[:, None] - b).clamp(min=0)
    return b, torch.linalg.solve_triangular(A, y[order][:, None], upper=False)[:, 0]


def _fit(x, y, a, knots=None, labels=None, relu=True, transpose=False, sort=True):
    """5.2 in numpy; what follows a makes its mistakes."""
    z = x @ a
    order = np.argsort(z) if sort else np.arange(len(z))
    z = z[order]
    b = np.concatenate([z[:1] - 1, (z[1:] + z[:-1]) / 2]) if knots is None else knots(z)
    A = z[:, None] - b
    A = np.maximum(A, 0) if relu else A
    return b, np.linalg.lstsq(A.T if transpose else A, (y[order] if labels is None else labels(y, order)), rcond=None)[0]


def _fits(found, x, y, a):
    b, w = found
    out = np.maximum((x @ a)[:, None] - b, 0) @ w
    return np.abs(out - y).max() <= 1e-3 * max(1.0, np.abs(y).max())


def _fit_cases(rng):
    made = []
    for n, d, note in ((1, 3, "one example"), (2, 1, "two examples of one input"), (5, 3, "five examples"), (8, 12, "eight of twelve inputs"),
                       (12, 4, "twelve examples")):
        a = rng.normal(size=d)
        z = rng.permutation(np.cumsum(rng.uniform(0.5, 1.5, n)) - n / 2)
        if n > 2:
            while (np.argsort(z) == np.argsort(np.argsort(z))).all():  # sorting and its inverse must differ
                z = rng.permutation(z)
        elif n == 2:
            z = np.sort(z)[::-1]
        x = rng.normal(size=(n, d))
        x += ((z - x @ a) / (a @ a))[:, None] * a  # the projections are z
        made.append({"x": x, "y": rng.integers(0, 10, n).astype(float) + 0.5, "a": a, "note": note})
    return made


_FIT = formula(
    id="5.2", title="The 2n + d construction", points=3, minutes=10, difficulty=2,
    task="fit_any(x, y, a): with z = a·x in ascending order z₁ < … < z_n: knots b₁ = z₁ − 1 and b_i = (z_{i−1} + z_i) / 2, and the "
         "weights w for which Σ_j w_j max(z_i − b_j, 0) is the label of the example whose projection is z_i. x (n, d), y (n,), a (d,) "
         "→ b (n,), w (n,), both in ascending order of the knots.",
    library=fit_any, cases=_fit_cases, truth=_fit, outputs=("b", "w"), tolerance=1e-4,
    laws=[("The network of these b and w does not give the labels: put the n projections in and compare.", _fits)],
    mistakes=[
        ("The labels were not put into the order of the projections: y[order].", lambda x, y, a: _fit(x, y, a, labels=lambda y, o: y)),
        ("The labels were ordered by the inverse of what is needed: y[order], with order = (x @ a).argsort().",
         lambda x, y, a: _fit(x, y, a, labels=lambda y, o: y[np.argsort(o)])),
        ("The projections are not in ascending order: sort z before the knots are placed, or the matrix is not triangular.",
         lambda x, y, a: _fit(x, y, a, sort=False)),
        ("The system is transposed: A_ij = max(z_i − b_j, 0), rows are examples, columns are units.",
         lambda x, y, a: _fit(x, y, a, transpose=True)),
        ("The ReLU is missing in A: max(z_i − b_j, 0). Without it the matrix has rank 2.", lambda x, y, a: _fit(x, y, a, relu=False)),
        ("The knots stand behind their examples: b_i < z_i < b_{i+1}, so b₁ = z₁ − 1 comes first.",
         lambda x, y, a: _fit(x, y, a, knots=lambda z: np.concatenate([(z[1:] + z[:-1]) / 2, z[-1:] + 1]))),
        ("The knots stand on their examples: then the diagonal of A is 0. Each belongs between two projections.",
         lambda x, y, a: _fit(x, y, a, knots=lambda z: z)),
        ("b and w came in the other order: knots first, then weights.", lambda x, y, a: _fit(x, y, a)[::-1]),
        ("Right units, but from the last knot to the first: ascending order is asked for.",
         lambda x, y, a: tuple(v[::-1] for v in _fit(x, y, a)), 0.5),
        ("The first knot stands on the first example; its place is one below, z₁ − 1.",
         lambda x, y, a: _fit(x, y, a, knots=lambda z: np.concatenate([z[:1], (z[1:] + z[:-1]) / 2]))),
    ],
    hints=("z, order = (x @ a).sort() gives the projections in ascending order, and which example each belongs to.",
           "Place the knots, then write the matrix A: row i the example, column j the unit. What stands on the right of A w = …? Not y as "
           "it came: row i is the example with the i-th smallest projection.",
           "b = torch.cat([z[:1] − 1, (z[1:] + z[:-1]) / 2]); A = (z[:, None] − b).clamp(min=0); w = torch.linalg.solve(A, y[order])."),
    insight="d numbers in a, n in b, n in w: with one unit per example, a network of two layers is a table with n entries.")


EXERCISES = [_SPOIL, _FIT]
