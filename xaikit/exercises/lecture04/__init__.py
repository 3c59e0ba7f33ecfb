"""Lecture 04, integrated gradients: its seven exercises.

Formulas: Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, sections 2 to 4.
In all of them f maps a batch (N, D) to (N,) and the rows do not mix.
"""

from ..core import Exercise
from . import answers, gradients, integrated, networks, paths, twins
from .networks import as_module

__all__ = ["EXERCISES", "as_module"]

EXERCISES = [
    gradients.GRADIENT,
    Exercise(
        id="4.2",
        lecture="04",
        title="Integrated gradients",
        points=3,
        minutes=10,
        difficulty=2,
        task="integrated_gradients(f, x, baseline, steps=32): the midpoint sum (x − x′) · (1/m) Σₖ ∇f(x′ +"
        " (k − ½)/m (x − x′)), k = 1 … m,"
        " for each row. x, baseline (N, D) → (N, D). Tolerance 1e-3.",
        library=answers.integrated_gradients,
        cases=integrated.integrated_cases,
        observe=integrated.integrated_observe,
        judge=integrated.integrated_judge,
        hints=(
            "You need the gradient at m points between baseline and x; 4.1 gives it at one point. A loop"
            " over the steps is fine.",
            "Point k is x′ + αₖ (x − x′) with αₖ = (k − ½)/m. Average the m gradients, then multiply by x −"
            " x′, feature by feature.",
            "Start with `total = 0` and, for each `k in range(steps)`, add\n`gradient_credit(f, baseline +"
            " (k + 0.5) / steps * (x - baseline))`\n"
            "`return (x - baseline) * total / steps`",
        ),
        insight="The credits add up to f(x) − f(x′): completeness, up to the error of the sum, which falls"
        " as 1/m² where f is smooth; section 4 shows what kinks do.",
    ),
    gradients.GAP,
    Exercise(
        id="4.4",
        lecture="04",
        title="Any path",
        points=3,
        minutes=15,
        difficulty=3,
        task="path_gradients(f, path, steps=100): ∫ ∂f/∂γᵢ(α) · γᵢ′(α) dα from 0 to 1. path maps α (S,) to"
        " points (S, D), is differentiable, and"
        " runs from baseline to input. → (D,). Tolerance 30/m², at least 1e-3.",
        library=answers.path_gradients,
        cases=paths.path_cases,
        observe=paths.path_observe,
        judge=paths.path_judge,
        hints=(
            "As in 4.2, but the direction changes along the way: what replaces the constant factor x − x′?",
            "γ′(α) dα is the small step that the path takes: γ(k/m) − γ((k−1)/m). Multiply it by the"
            " gradient at the midpoint, "
            "input by input, and sum over k.",
            "`edges = torch.linspace(0, 1, steps + 1)`\n`mid = (edges[1:] + edges[:-1]) / 2`\n"
            "`return (gradient_credit(f, path(mid)) * (path(edges[1:]) - path(edges[:-1]))).sum(0)`",
        ),
        insight="Every path is complete: its credits add up to what f moves from end to end. Which feature"
        " gets how much depends on the path.",
    ),
    Exercise(
        id="4.5",
        lecture="04",
        title="Equal networks, different credits",
        points=3,
        minutes=10,
        difficulty=2,
        task="twin_networks(): return f, g, two ReLU networks of the same two to eight inputs, equal"
        " everywhere, to which DeepLIFT (rescale rule,"
        " baseline 0) gives different credits at some point (5 % of what the output moves there). Each is an"
        " nn.Sequential of nn.Linear and nn.ReLU,"
        " or a list of (weight, bias) pairs with ReLU between them. Networks of section 3's function do not count, however written, nor its multiples,"
        " with inputs swapped or beside unused inputs; other thresholds or weights do.",
        library=answers.twin_networks,
        cases=twins.twin_cases,
        observe=networks.twin_observe,
        judge=twins.twin_judge,
        hints=(
            "DeepLIFT treats each ReLU as a straight line from its baseline value to its value now. Compute"
            " the same thing in another order, "
            "and the lines differ. Where does the pair of section 3 do so?",
            "ReLU(ReLU(a) − c) = ReLU(a − c) for any c ≥ 0; and max(max(a, b), c) = max(a, max(b, c)) with"
            " max(a, b) = b + ReLU(a − b).",
            "f with layers x → (ReLU(x₁), ReLU(x₂)) → ReLU(first − c − second) and g with layers x →"
            " (ReLU(x₁ − c), ReLU(x₂)) → ReLU(first − second);"
            " choose your own c and your own weights in front of x₁ and x₂.",
        ),
        insight="The functions are equal, so a method that explains functions must answer alike; DeepLIFT"
        " explains the way they are written.",
    ),
    Exercise(
        id="4.6",
        lecture="04",
        title="A path that takes sides",
        points=2,
        minutes=5,
        difficulty=1,
        task="bent_path(alpha, baseline, x): a continuous path from baseline to x, both (2,), at the values"
        " alpha (S,) → (S, 2), so that the two"
        " features of f(x₁, x₂) = x₁·x₂ get different credit (by 5 % of (x₁ − x′₁)²) although baseline and x"
        " treat them alike.",
        library=answers.bent_path,
        cases=paths.bent_cases,
        observe=paths.bent_observe,
        judge=paths.bent_judge,
        hints=(
            "On the straight line both coordinates have come equally far at every α. Which path of the"
            " lecture lets one go ahead?",
            "γᵢ(α) = x′ᵢ + α^{pᵢ} (xᵢ − x′ᵢ) starts and ends right for any p > 0; p₁ = p₂ = 1 is the"
            " straight line.",
            "`share = torch.stack([alpha, alpha**3], dim=1)`\n`return baseline + share * (x - baseline)`",
        ),
        insight="On x₁·x₂ the credits differ by twice the area between the path and the diagonal: only a"
        " path whose signed area is 0 treats both alike.",
    ),
    Exercise(
        id="4.7",
        lecture="04",
        title="In two calls",
        points=2,
        minutes=10,
        difficulty=2,
        task="quick_integrated_gradients(f, x, baseline, steps=32): as 4.2, with at most two calls of f. x,"
        " baseline (N, D) → (N, D). Tolerance 1e-3.",
        library=answers.quick_integrated_gradients,
        cases=integrated.quick_cases,
        observe=integrated.integrated_observe,
        judge=integrated.quick_judge,
        hints=(
            "f takes any number of rows. How many points are there in all, over all steps and all rows?",
            "Make alpha of shape (m, 1, 1): broadcasting gives the points as (m, N, D); f wants (m·N, D),"
            " and the gradient comes back so.",
            "`points = (baseline + alpha[:, None, None] * (x - baseline)).reshape(-1,"
            " x.shape[1])`\n`gradient = gradient_credit(f, points)`\n"
            "`return (x - baseline) * gradient.reshape(steps, *x.shape).mean(0)`",
        ),
        insight="One large batch costs the same arithmetic as many small ones, and far less overhead; in"
        " practice it is cut into chunks that fit the memory.",
    ),
]
