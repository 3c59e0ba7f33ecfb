"""Lecture 04, integrated gradients: what the paper claims, measured."""

from . import claim

_PAPER = "Sundararajan, Taly, Yan 2017"


def _numbers(credit):
    return "(" + ", ".join(f"{v:.3g}".replace("-", "−") for v in (credit.flatten() + 0.0).tolist()) + ")"


def _pair_credits(method, **options):
    """The credits of (3, 1) on f and on g, and whether they are the ones on the slide."""
    import torch

    from ..evaluate.families import slides_pair

    x = torch.tensor([[3.0, 1.0]], dtype=torch.float64)
    return [method(net, x, 0, **options)[0] for net in slides_pair()]


def _on_pair(paper, method, **options):
    import torch

    found = _pair_credits(method, **options)
    same = all(
        torch.allclose(a, torch.tensor(p, dtype=a.dtype), atol=5e-3)
        for a, p in zip(found, paper, strict=True)
    )
    return " and ".join(map(_numbers, found)), bool(same)


@claim(
    "04",
    f"{_PAPER}, sec. 2.1",
    "gradients break sensitivity (a): f = 1 − ReLU(1 − x), x = 2, x′ = 0",
    "f moves by 1, gradient 0",
)
def _vanishing():
    import torch

    from ..attribution import gradient
    from ..evaluate.families import flat_beyond_one

    f, x = flat_beyond_one(), torch.tensor([[2.0]], dtype=torch.float64)
    moved, slope = float(f(x) - f(0 * x)), float(gradient(f, x, 0))
    return f"f moves by {moved:.3g}, gradient {slope:.3g}", bool(moved != 0 and slope == 0)


@claim(
    "04",
    f"{_PAPER}, sec. 2.1",
    "deconvnet and guided backprop give x₂ nothing, at any input",
    "credit 0 although f falls with x₂",
)
def _blocked():
    import torch

    from ..attribution import deconvnet, guided_backprop
    from ..evaluate.families import slides_pair

    f, x = (
        slides_pair()[0],
        torch.rand(500, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 6 - 1,
    )
    most = max(float(m(f, x, 0)[:, 1].abs().max()) for m in (deconvnet, guided_backprop))
    at = torch.tensor([[3.0, 0.0], [3.0, 1.0]], dtype=torch.float64)
    fell = float(f(at)[0] - f(at)[1])
    return f"largest credit at 500 points: {most:.3g}; f falls by {fell:.3g} from (3, 0) to (3, 1)", bool(
        most == 0 and fell > 0
    )


@claim(
    "04", f"{_PAPER}, appendix B", "integrated gradients, (3, 1) on f and on g", "(1.5, −0.5) and (1.5, −0.5)"
)
def _pair_ig():
    from ..attribution import integrated_gradients

    return _on_pair([(1.5, -0.5), (1.5, -0.5)], integrated_gradients, steps=300)


@claim("04", f"{_PAPER}, appendix B", "DeepLIFT, (3, 1) on f and on g", "(1.5, −0.5) and (2, −1)")
def _pair_deep_lift():
    from ..attribution import deep_lift

    return _on_pair([(1.5, -0.5), (2, -1)], deep_lift)


@claim(
    "04",
    f"{_PAPER}, appendix B",
    "LRP, (3, 1) on f and on g, biases excluded from the denominators",
    "(1.5, −0.5) and (2, −1)",
)
def _pair_lrp_excluded():
    from ..attribution import Epsilon, lrp

    return _on_pair([(1.5, -0.5), (2, -1)], lrp, rules=Epsilon(0, bias="excluded"))


@claim(
    "04",
    f"{_PAPER}, appendix B",
    "LRP, the same with biases kept, as most libraries have it",
    "not stated",
)
def _pair_lrp_kept():
    from ..attribution import Epsilon, lrp

    return " and ".join(map(_numbers, _pair_credits(lrp, rules=Epsilon(1e-9)))), None


def _credit_in_the_flat(method):
    import torch

    from ..evaluate.families import flat_beyond_one

    found = float(method(flat_beyond_one(), torch.tensor([[2.0]], dtype=torch.float64), 0))
    return f"{found:.3g}", bool(found != 0)


@claim(
    "04",
    f"{_PAPER}, sec. 2.1",
    "DeepLIFT takes a large discrete step and so avoids the flat region of the first row",
    "credit ≠ 0",
)
def _flat_deep_lift():
    from ..attribution import deep_lift

    return _credit_in_the_flat(deep_lift)


@claim(
    "04",
    f"{_PAPER}, sec. 2.1",
    "LRP takes a large discrete step and so avoids the flat region of the first row",
    "credit ≠ 0",
)
def _flat_lrp():
    from ..attribution import lrp

    return _credit_in_the_flat(lrp)


@claim(
    "04",
    f"{_PAPER}, sec. 3, prop. 1",
    "integrated gradients adds up to F(x) − F(x′): digits-cnn, 10 digits, 100 midpoint steps",
    "equal",
)
def _complete():
    worst = float(_digit_gaps(range(10), 100).max())
    return f"largest gap {worst:.2%} of F(x) − F(x′)", bool(worst < 0.01)


@claim(
    "04",
    f"{_PAPER}, sec. 5",
    "20 to 300 steps bring the sum within 5 %: digits-cnn, 50 digits, equation 3 (right ends)",
    "20 to 300",
)
def _enough_steps():
    left, tried = list(range(50)), []
    for steps in (5, 10, 20, 50, 100, 200, 300):
        far = _digit_gaps(left, steps, rule="right") > 0.05
        left = [i for i, is_far in zip(left, far.tolist(), strict=True) if is_far]
        tried.append(f"{50 - len(left)} within 5 % at {steps}")
        if not left:
            break
    return ", ".join(tried), bool(not left)


def _digit_gaps(which, steps, rule="midpoint"):
    """Completeness gaps of integrated gradients on test digits from black, as shares of |F(x) − F(x′)|."""
    import torch

    from .. import attribution, data, zoo

    net, x = zoo.load("digits-cnn"), data.digits(split="test").images[list(which)]
    with torch.no_grad():
        logits = net(x)
        target = logits.argmax(1)
        rise = (logits - net(torch.zeros_like(x[:1]))).gather(1, target[:, None])[:, 0].abs()
    credit = attribution.integrated_gradients(net, x, target, steps=steps, rule=rule)
    return attribution.completeness_gap(net, x, credit, target) / rise


@claim(
    "04",
    f"{_PAPER}, sec. 1",
    "at the natural baseline, for pictures the black one, the prediction is neutral: digits-cnn",
    "neutral (10 % for each of ten classes)",
)
def _neutral():
    import torch

    from .. import zoo

    with torch.no_grad():
        share = float(zoo.load("digits-cnn")(torch.zeros(1, 1, 28, 28)).softmax(1).max())
    return f"the largest class has {share:.0%} (we ask for less than twice its even share)", bool(share < 0.2)


@claim(
    "04",
    f"{_PAPER}, theorem 1",
    "of the path methods only the straight line preserves symmetry: the proof's f, γ = (α, α³)",
    "x₁ and x₂: equal, and not equal",
)
def _theorem():
    import torch

    from ..attribution import path_gradients
    from ..evaluate.families import TheoremOne

    alpha, f = torch.linspace(0, 1, 201, dtype=torch.float64), TheoremOne(0.0, 1.0)
    paths = [torch.stack([alpha, alpha**p], 1)[:, None] for p in (1, 3)]
    found = [path_gradients(f, path[-1], 0, path=path, steps=400)[0] for path in paths]
    gaps = [float((a[0] - a[1]).abs()) for a in found]
    return " and ".join(map(_numbers, found)), bool(gaps[0] < 1e-6 < gaps[1])


def _fails(methods, axioms, trials=40):
    """{method: axioms of these it fails} by search."""
    from ..evaluate import Witness
    from ..evaluate import axioms as search

    found = search(methods, trials=trials)
    return {m: [a for a in axioms if isinstance(found.loc[m, a], Witness)] for m in methods}


@claim(
    "04",
    f"{_PAPER}, sec. 4.2",
    "path methods satisfy implementation invariance, sensitivity (b), linearity and completeness",
    "no violation is possible",
)
def _friedman():
    four = ["implementation invariance", "sensitivity (b)", "linearity", "completeness"]
    found = _fails(["integrated_gradients", "path_gradients"], four)
    broken = [f"{m}: {', '.join(a)}" for m, a in found.items() if a]
    return "; ".join(broken) or "none found in 40 tries each", bool(not broken)
