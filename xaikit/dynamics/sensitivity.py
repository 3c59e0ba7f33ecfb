"""How strongly the loss hangs on single examples: loss sensitivity, its inequality, and the same class by class.

Arpit et al. 2017, section 3.2.  ``f`` maps inputs (…, D) to logits (…, K), so that one network on (N, D) and a stack of
networks on (E, N, D) are one case.
"""
import torch
import torch.nn.functional as F


def loss_sensitivity(f, x, y):
    """g_x = ‖∂L(x, y)/∂x‖₁ of every example in one backward pass: L the cross entropy of its own label.

    f: (N, D) → logits (N, K); x (N, D), y (N,) int64 → (N,).  The losses are summed: row n of the sum's gradient is
    the gradient of loss n alone.  Leading axes more are allowed.
    """
    x = x.detach().clone().requires_grad_()
    losses = F.cross_entropy(f(x).flatten(0, -2), y.flatten(), reduction="sum")
    (slope,) = torch.autograd.grad(losses, x)
    return slope.abs().sum(-1)


def gini(g):
    """Gini coefficient of the values g ≥ 0, along the last axis: Σᵢⱼ|gᵢ − gⱼ| / (2n²ḡ), 0 where all are 0.

    g (…, n) → (…).  0: all alike; 1 − 1/n: one has everything (Gini 1913).
    """
    g = torch.as_tensor(g)
    g = (g if g.is_floating_point() else g.double()).sort(-1).values
    n = g.shape[-1]
    weights = 2 * torch.arange(1, n + 1, dtype=g.dtype) - n - 1
    total = g.sum(-1)
    return torch.where(total == 0, 0.0, (weights * g).sum(-1) / (n * torch.where(total == 0, 1.0, total)))


def class_sensitivity(f, x, y, classes=10):
    """g_ij = mean ‖∂ℓᵢ/∂x‖₁ over the examples x of class j.  f as above, x (N, D), y (N,) → (classes, classes).

    ℓᵢ is class i's term of the cross entropy, class i against the rest: −log pᵢ if the label is i, else −log(1 − pᵢ).
    (In the sum Σᵢ −[y = i] log pᵢ alone every term with i ≠ j would be 0.)  Leading axes more are allowed.
    """
    x = x.detach().clone().requires_grad_()
    z = f(x)
    rows, own = [], F.one_hot(y, classes).to(z.dtype)
    for i in range(classes):
        rest = z.masked_fill(torch.arange(classes) == i, -torch.inf).logsumexp(-1)  # log(1 − pᵢ) + log Σ exp z
        term = z.logsumexp(-1) - torch.where(y == i, z[..., i], rest)
        (slope,) = torch.autograd.grad(term.sum(), x, retain_graph=i + 1 < classes)
        rows.append(slope.abs().sum(-1))
    return torch.stack(rows, -2) @ own / own.sum(-2, keepdim=True)
