"""Taylor-type decomposition: the gradient at a root point x₀ on the decision boundary, times the way from there to x.

The decision function of class t is f(x) = F_t(x) − max_{k≠t} F_k(x), positive where the network says t and zero where it
cannot decide; a network with one output is its own decision function.
"""
import torch
from torch import nn

from .call import explaining
from .checks import check_baseline, check_steps


def taylor(model, x, target=None, root=None, steps=40):
    """R_i = (x_i − x₀_i) ∂F_t/∂x_i (x₀): the first-order Taylor expansion of the score around a root point.  → (N, …)

    ``root``: x₀, a tensor of x's or of one image's shape, or None for the nearest root that ``nearest_root`` finds in
    ``steps`` steps (where it finds none, x₀ is the least decided point on its way).  For the decomposition of the
    decision function itself explain ``Decision(model, t)``: there Σ R ≈ f(x), with the residuum of the expansion as error.
    Source: Bach et al. 2015, eqs. 13–15 and "Taylor-type decomposition".
    Raises as ``call.explaining``; ValueError or TypeError for a root that is none of these.
    """
    with explaining(model, x, target) as score:
        score.predicted()
        start = _search(score, check_steps(steps))[0] if root is None else check_baseline(root, score.x, "root")
        gradient = torch.cat([score.gradient(start[rows], rows) for rows in score.chunks()])
        return (score.x - start) * gradient


class Decision(nn.Module):
    """f(x) = F_t(x) − max_{k≠t} F_k(x) as a network with one output, (N, …) → (N, 1).

    For a network with a single output it is that output.  ValueError for a target that the network does not have.
    """

    def __init__(self, model, target):
        super().__init__()
        self.model, self.target = model, int(target)
        self.training = model.training

    def forward(self, x):
        logits = self.model(x)
        logits = logits if logits.dim() == 2 else logits[:, None]
        if not 0 <= self.target < logits.shape[1]:
            raise ValueError(f"target {self.target} is out of range: the network has {logits.shape[1]} outputs")
        return margin(logits, torch.full((len(x),), self.target, device=x.device))[:, None]


def margin(logits, target):
    """F_t − max_{k≠t} F_k for logits (N, K) and targets (N,); F itself where K = 1.  → (N,)"""
    own = logits.gather(1, target[:, None])[:, 0]
    if logits.shape[1] == 1:
        return own
    hidden = torch.zeros_like(logits, dtype=torch.bool).scatter(1, target[:, None], True)
    return own - logits.masked_fill(hidden, -torch.inf).amax(1)


def line_root(model, x, others, target=None, candidates=1, steps=40, choose="distance"):
    """A root on the straight line from each x to a neighbour of another class, by interval bisection.  → (N, …)

    ``others``: (M, …) points to look among; candidates for an x are those on the other side of the decision, and of them
    the ``candidates`` nearest to x give a root each.  ``choose``: which of these roots is returned, the one at the least
    "distance" from x or with the least "residuum" |f(x) − Σ R| of the expansion around it.  ``steps``: halvings.
    Source: Bach et al. 2015, "line search".  Raises ValueError where no candidate is on the other side.
    """
    steps, candidates = check_steps(steps), check_steps(candidates, "candidates")
    if choose not in ("distance", "residuum"):
        raise ValueError(f"choose must be 'distance' or 'residuum', not {choose!r}")
    if others.shape[1:] != x.shape[1:]:
        raise ValueError(f"others has shape {tuple(others.shape)}, x has {tuple(x.shape)}: their images must be of one shape")
    with explaining(model, x, target) as score, torch.no_grad():
        others = others.to(score.x)
        side = torch.cat([_margin(score.predicted(), score.x[rows], rows) for rows in score.chunks()])
        logits = torch.cat([score.logits(others[rows]) for rows in score.chunks(len(others))])
        beyond = {int(t): margin(logits, t.expand(len(others))) for t in score.target.unique()}
        opposite = torch.stack([beyond[int(t)] for t in score.target]) * side[:, None] < 0
        if not opposite.any(1).all():
            i = int((~opposite.any(1)).nonzero()[0])
            raise ValueError(f"image {i}: none of the {len(others)} others is on the other side of the decision for class "
                             f"{int(score.target[i])}")
        distance = torch.cdist(score.x.flatten(1), others.flatten(1)).masked_fill(~opposite, torch.inf)
        near, index = distance.topk(min(candidates, len(others)), dim=1, largest=False)
        index = torch.where(near.isfinite(), index, index[:, :1]).flatten()  # where there are fewer, the nearest again
        image = torch.arange(len(x), device=index.device).repeat_interleave(near.shape[1])
        roots, badness = [], []
        for part in score.chunks(len(index)):
            rows, at = image[part], score.x[image[part]]
            roots.append(_bisect(score, at, others[index[part]], rows, steps))
            way = (at - roots[-1]).flatten(1)
            badness.append(way.norm(dim=1) if choose == "distance" else
                           (side[rows] - (way * _margin_gradient(score, roots[-1], rows)[1].flatten(1)).sum(1)).abs())
        best = torch.cat(badness).view(len(x), -1).argmin(1)
        return torch.cat(roots).view(len(x), -1, *x.shape[1:])[torch.arange(len(x)), best]


def nearest_root(model, x, target=None, steps=40, within=None):
    """A root near each x by local search: Newton's method until the boundary is crossed, then back towards x along it.

    Before: x₀ ← x₀ − f(x₀) ∇f(x₀) / |∇f(x₀)|².  Beyond: half-way to x − (f(x₀) + ∇f(x₀)·(x − x₀)) ∇f(x₀) / |∇f(x₀)|²,
    the foot of the perpendicular from x on the linearised boundary; at the nearest root x − x₀ is parallel to ∇f(x₀).
    At last an interval bisection between x and the nearest point met beyond.  (N, …) → (N, …).  ``within``: (low, high),
    the range of x's values, into which every step is brought back: (0, 1) for a root that is a picture.
    Source: Bach et al. 2015, "optimization-based search"; the two steps are those of DeepFool (Moosavi-Dezfooli et al.
    2016, algorithm 1) and of Hasofer and Lind 1974.
    Raises ValueError, naming the image, where no point beyond the boundary was met, and where x is not ``within``.
    """
    with explaining(model, x, target) as score:
        score.predicted()
        if within is not None and not torch.equal(score.x, score.x.clamp(*within)):
            raise ValueError(f"x has values outside of [{within[0]}, {within[1]}]: a root within could not be near it")
        roots, crossed = _search(score, check_steps(steps), within)
        if not crossed.all():
            raise ValueError(f"image {int((~crossed).nonzero()[0])}: no root was met in {steps} steps; give it more, or take "
                             "line_root with points of another class")
        return roots


def _search(score, steps, within=None):
    """(roots (N, …), was the boundary crossed (N,)); where it was not, the least decided point met."""
    roots, crossed = [], []
    for rows in score.chunks():
        x = score.x[rows]
        side = _margin(score, x, rows).detach()
        here, beyond = x.clone(), x.clone()
        nearest, least, best = torch.full_like(side, torch.inf), side.abs(), x.clone()
        for _ in range(steps):
            f, slope = _margin_gradient(score, here, rows)
            distance = (here - x).flatten(1).norm(dim=1)
            over_there = f * side <= 0
            over = over_there & (distance < nearest)
            nearest, beyond = torch.where(over, distance, nearest), torch.where(_each(over, x), here, beyond)
            closer = f.abs() < least
            least, best = torch.where(closer, f.abs(), least), torch.where(_each(closer, x), here, best)
            size = slope.flatten(1).square().sum(1)
            scale = torch.where(size > 0, 1 / torch.where(size > 0, size, 1), 0)
            # on the near side: Newton's step to the boundary and a little beyond; on the far side: half of the way to
            # the foot of the perpendicular from x on the linearised boundary, and a little beyond
            height = f + ((x - here) * slope).flatten(1).sum(1)
            foot = (here + x - _each(1.02 * height * scale, x) * slope) / 2
            here = torch.where(_each(over_there, x), foot, here - _each(1.02 * f * scale, x) * slope)
            here = here if within is None else here.clamp(*within)
        met = nearest.isfinite()
        roots.append(torch.where(_each(met, x), _bisect(score, x, beyond, rows, 40), best))
        crossed.append(met)
    return torch.cat(roots), torch.cat(crossed)


@torch.no_grad()
def _bisect(score, inside, outside, rows, steps):
    """The point between (M, …) and (M, …) where the decision changes: the last one found on the side of ``outside``."""
    low, high = (torch.full((len(inside),), v, dtype=inside.dtype, device=inside.device) for v in (0.0, 1.0))
    side = _margin(score, inside, rows)
    for _ in range(steps):
        middle = (low + high) / 2
        same = _margin(score, inside + _each(middle, inside) * (outside - inside), rows) * side > 0
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    return inside + _each(high, inside) * (outside - inside)


def _margin(score, points, rows):
    logits = score.logits(points)
    return margin(logits, score.classes(logits, rows))


@torch.enable_grad()
def _margin_gradient(score, points, rows):
    points = points.detach().requires_grad_()
    f = _margin(score, points, rows)
    slope, = torch.autograd.grad(f.sum(), points, allow_unused=True) if f.requires_grad else (None,)
    return f.detach(), torch.zeros_like(points) if slope is None else slope


def _each(values, like):
    return values.view(-1, *[1] * (like.dim() - 1))
