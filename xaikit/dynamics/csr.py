"""Critical samples: how close does the decision boundary come to the data?

Arpit et al. 2017, section 4.1: the critical sample ratio, found by Langevin adversarial sample search (Algorithm 1).
"""
import torch


def lass(f, x, alpha, beta, radius, noise):
    """Langevin adversarial sample search: a point of another predicted class in the box of ``radius`` around each x.

    f: (N, D) → (N, K); x (N, D); noise η (T, N, D), T the most iterations → (x̂ (N, D), found (N,) bool).  Each
    iteration: x̃ ← x̃ − α·sign(∂f_k(x̃)/∂x̃) + β·η, with k = arg maxᵢ fᵢ(x) the class at the start, then back into the
    box |x̃ − x| ≤ radius, pixel by pixel; who has another class stays there.  (Algorithm 1 writes + for the sign; as k
    is to be left, f_k must fall.)  Leading axes more are allowed, so that a stack of networks is searched at once.
    """
    x = x.detach()
    k = f(x).argmax(-1, keepdim=True).detach()
    moved, found = x.clone(), torch.zeros(x.shape[:-1], dtype=torch.bool)
    for eta in noise:
        moved = moved.detach().requires_grad_()
        (slope,) = torch.autograd.grad(f(moved).gather(-1, k).sum(), moved)
        with torch.no_grad():
            stepped = moved - alpha * slope.sign() + beta * eta
            stepped = x + (stepped - x).clamp(-radius, radius)
            moved = torch.where(found[..., None], moved, stepped)
            found |= (f(moved).argmax(-1, keepdim=True) != k)[..., 0]
    return moved.detach(), found


def critical(f, x, radius, steps=10, seed=0):
    """Which samples are critical: (…, N) bool for x (…, N, D), by ``lass`` with α = r/2, β = r/5, Gaussian η.

    ``f`` maps (…, D) to logits; what is lowered is log p_k: its gradient goes to 0 as p_k → 1, but only the sign counts.
    ValueError: a radius that is not positive.  The mean over N is the critical sample ratio.
    """
    if not 0 < radius < float("inf"):
        raise ValueError(f"the radius of the box is a number above 0, not {radius!r}")
    g = torch.Generator().manual_seed(seed)
    noise = (torch.randn(x.shape, generator=g, dtype=x.dtype) for _ in range(steps))
    return lass(lambda z: f(z).log_softmax(-1), x, radius / 2, radius / 5, radius, noise)[1]
