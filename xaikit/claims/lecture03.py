"""Lecture 03, layer-wise relevance propagation: what the papers claim of decompositions, rules and root
points, measured."""

from . import claim

_PAPER = "Bach et al. 2015"


def _digits(count=40):
    from .. import data, zoo

    test = data.digits(split="test")
    return zoo.load("digits-cnn"), test.images[:count]


@claim("03", f"{_PAPER}, pixel-wise decomposition", "relevance in proportion to |α_d φ_d(x_d)| conserves, "
                                                    "and all of it has the sign of f(x)",
       "not a realistic interpretation")
def _counterexample():
    import numpy as np

    rng = np.random.default_rng(0)
    terms, b = rng.normal(size=(500, 20)), rng.normal(size=(500, 1))
    f = b[:, 0] + terms.sum(1)
    shared = f[:, None] * np.abs(terms) / np.abs(terms).sum(1, keepdims=True)
    against = (b / 20 + terms) * np.sign(f)[:, None] < 0
    gap, same = float(np.abs(shared.sum(1) - f).max()), bool((shared * f[:, None] >= 0).all())
    return (f"500 linear classifiers: gap {gap:.0e}, all of one sign; with b/V + α φ {against.mean():.0%} "
            f"of the terms speak against"
            if same else "signs differ"), bool(gap < 1e-9 and same and against.any())


@claim("03", f"{_PAPER}, eq. 9 to 13", "messages R_(i←k) = R_k a_i w_ik / Σ_h a_h w_hk conserve relevance "
                                       "from layer to layer",
       "f(x) = R₇ = R₄ + R₅ + R₆ = R₁ + R₂ + R₃")
def _messages():
    import numpy as np

    from ..evaluate.by_hand import LAYERS, forward, messages

    rng, worst = np.random.default_rng(0), 0.0
    for _ in range(200):
        a, z = forward(rng.uniform(-1, 2, 3))
        if min(abs(v) for v in z.values()) > 1e-3:
            relevance, _ = messages(a, z)
            sums = [sum(relevance[n] for n in layer) for layer in LAYERS]
            worst = max(worst, abs(sums[0] - sums[2]), abs(sums[1] - sums[2]))
    return f"seven neurons, 200 inputs: largest difference {worst:.0e}", worst < 1e-9


@claim("03", f"{_PAPER}, eq. 58 and after", "the stabiliser absorbs some relevance, and all of it if ε is "
                                            "very large", "fully absorbed for large ε")
def _absorbed():
    from ..attribution import Epsilon, relevance_budget

    net, x = _digits()
    share = {}
    for eps in (1e-3, 1.0, 1e3):
        books = relevance_budget(net, x, rules=Epsilon(eps)).sum()
        share[eps] = books["stabiliser"] / books["logit"]
    text = ", ".join(f"ε = {e:g}: {s:.1%}" for e, s in share.items())
    return f"digits-cnn, kept by stabilisers: {text}", bool(
        share[1e-3] < 0.02 < share[1.0] < share[1e3] and share[1e3] > 0.99
    )


@claim("03", f"{_PAPER}, eq. 60", "treating positive and negative pre-activations separately does not leak "
                                  "relevance", "an alternative that does not leak")
def _no_leak():
    from ..attribution import AlphaBeta, relevance_budget

    net, x = _digits()
    kept = {}
    for alpha in (1.0, 2.0, 3.0):
        books = relevance_budget(net, x, rules=AlphaBeta(alpha, 1 - alpha))
        kept[alpha] = [float((books[c].abs() / books["logit"].abs()).mean()) for c in ("stabiliser", "bias")]
    text = "; ".join(f"α = {a:g}: stabilisers {s:.1%}, biases {b:.1%}" for a, (s, b) in kept.items())
    return f"digits-cnn, mean |share| of the score that each keeps or adds, {text}", all(
        s < 0.01 and b < 0.01 for s, b in kept.values()
    )


@claim("03", f"{_PAPER}, Taylor-type decomposition", "the gradient at x does not necessarily point away "
                                                     "from a near root", "may be misleading")
def _misleading():
    import torch

    from ..attribution import gradient, line_root
    from ..evaluate.by_hand import plane

    _, _, f = plane()
    at, around = (torch.cartesian_prod(*[torch.linspace(-end, end, n, dtype=torch.float64)] * 2)
                  for end, n in ((2.4, 33), (3, 121)))
    with torch.no_grad():
        at = at[f(at)[:, 0] > 0]
    roots = line_root(f, at, around, 0, candidates=5)  # so fine a grid that five come near the nearest root
    cosine = torch.nn.functional.cosine_similarity(gradient(f, at, 0), at - roots)
    wrong = float((cosine < 0).double().mean())
    return f"in the plane it points towards the nearest root at {wrong:.0%} of the points with f > 0", bool(wrong > 0)


def _distances(a, b):
    import torch

    return torch.cdist(a.flatten(1), b.flatten(1)).amin(1)


@claim("03", f"{_PAPER}, Taylor-type decomposition", "local search can lead to a root that looks just like x",
       "perceptually equivalent, non-informative")
def _local_root():
    from .. import data
    from ..attribution import nearest_root

    net, x = _digits(20)
    moved = (nearest_root(net, x, within=(0, 1)) - x).flatten(1).norm(dim=1)
    near = float((moved / _distances(x, data.digits(split="train").images)).mean())
    return f"digits: the root is {near:.2f} × as far from x as x's nearest training digit is", near < 0.5


@claim("03", f"{_PAPER}, Taylor-type decomposition", "the root on a line to the nearest neighbour of "
                                                     "another class departs from the data",
       "strongly, where the data are sparse")
def _line_root():
    import torch

    from .. import data
    from ..attribution import line_root

    net, x = _digits(20)
    train = data.digits(split="train").images
    with torch.no_grad():
        other = net(train).argmax(1) != net(x).argmax(1)[:, None]  # (20, training digits)
    apart = torch.cdist(x.flatten(1), train.flatten(1))
    # where the line leads: the root is near it by construction
    end = apart.masked_fill(~other, torch.inf).argmin(1, keepdim=True)
    roots = torch.cdist(line_root(net, x, train).flatten(1), train.flatten(1)).scatter(1, end, torch.inf)
    ratio = roots.amin(1) / apart.amin(1)
    far, farther = float(ratio.mean()), float((ratio > 1).double().mean())
    return (f"digits: {far:.2f} × as far from the nearest training digit as x is (the line's own end left "
            f"out), farther "
            f"for {farther:.0%} of {len(x)}"), bool(far > 1 and farther > 0.5)


@claim("03", "Montavon et al. 2019, section 10.2", "LRP-0 is gradient × input in a ReLU "
                                                   "network", "equivalent")
def _gradient_times_input():
    from ..attribution import Epsilon, gradient_x_input, lrp

    net, x = _digits(20)
    gap = float((lrp(net, x, rules=Epsilon(0)) - gradient_x_input(net, x)).abs().max())
    return f"digits-cnn, 20 digits: largest difference {gap:.0e}", gap < 1e-5


@claim(
    "03",
    "Montavon et al. 2019, section 10.3",
    "a composite by depth is less noisy than one rule everywhere",
    "uniform LRP-0: noisy; composite: few artefacts",
)
def _less_noisy():
    from ..attribution import lrp_composite

    net, x = _digits()

    def roughness(name):
        R = lrp_composite(net, x, preset=name)
        steps = (R.diff(dim=2).abs().sum((1, 2, 3)) + R.diff(dim=3).abs().sum((1, 2, 3)))
        return float((steps / R.abs().sum((1, 2, 3))).mean())

    uniform, depth = roughness("epsilon"), roughness("lrp_cmp")
    return (
        f"digits-cnn, Σ |differences of neighbours| / Σ |R|: {uniform:.2f} uniform ε, {depth:.2f} by depth",
        depth < uniform,
    )
