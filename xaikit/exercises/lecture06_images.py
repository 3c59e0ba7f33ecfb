"""Lecture 06's exercises on images and margins, 6.6 and 6.7: the split of the spectrum, and DeepFool in a subspace."""
import numpy as np

from . import functions
from .formula import formula


def split(images, r):
    """The low and the high component of each image.  images (N, H, W), r a number → (N, H, W), (N, H, W)"""
    import torch

    N, H, W = images.shape
    down, across = torch.arange(H) - H // 2, torch.arange(W) - W // 2
    inside = down[:, None] ** 2 + across**2 <= r**2
    spectrum = torch.fft.fftshift(torch.fft.fft2(images), dim=(1, 2)) * inside
    low = torch.fft.ifft2(torch.fft.ifftshift(spectrum, dim=(1, 2))).real
    return low, images - low


def subspace_margin(f, x, basis, steps, overshoot):
    """DeepFool inside the span of the basis' rows: δ, ‖δ‖ and whether the class changed.
    x (N, D), basis (S, D) → (N, D), (N,), (N,) bool"""
    import torch

    side = f(x).sign()
    delta = torch.zeros_like(x)
    for _ in range(steps):
        at = (x + delta).detach().requires_grad_(True)
        value = f(at)
        slope = torch.autograd.grad(value.sum(), at)[0] @ basis.T @ basis  # its part in the subspace
        step = -(value / (slope**2).sum(1).clamp(min=1e-30))[:, None] * slope  # flat in S: no step
        delta = torch.where((value.sign() == side)[:, None], delta + step, delta).detach()
    delta = (1 + overshoot) * delta
    return delta, delta.norm(dim=1), f(x + delta).sign() != side


# ---- the same in numpy, with a place for each mistake


def _distance(H, W, middle=None):
    a, b = (np.arange(n) - (n // 2 if middle is None else (n - middle) / 2) for n in (H, W))
    return a[:, None], b[None, :]


def _split(images, r, inside=None, middle=None, axes=(1, 2), there=True, back=True, real=np.real, whole=False, same=False):
    a, b = _distance(*images.shape[1:], middle)
    mask = (inside or (lambda a, b: a**2 + b**2 <= r**2))(a, b)
    z = np.fft.fftn(images, axes=(0, 1, 2) if whole else axes)
    z = (np.fft.fftshift(z, axes) if there else z) * mask
    home = np.fft.fftshift if same else np.fft.ifftshift
    low = real(np.fft.ifftn(home(z, axes) if back else z, axes=(0, 1, 2) if whole else axes))
    return low, images - low


def _split_cases(rng):
    sizes = [(2, 8, 8, 2.0), (3, 7, 7, 1.0), (1, 6, 9, 2.5), (4, 8, 8, 4.0), (2, 5, 10, 0.0), (2, 9, 9, 5.0)]
    return [{"images": rng.normal(size=(n, h, w)) + rng.uniform(0.5, 1.5), "r": r,
             "note": f"{n} image{'s' * (n > 1)} of {h} × {w}, r = {r:g}"} for n, h, w, r in sizes]


def _shifted(images, r):
    """The shift over all three axes, back over two: the images come in another order."""
    a, b = _distance(*images.shape[1:])
    z = np.fft.fftshift(np.fft.fft2(images)) * (a**2 + b**2 <= r**2)
    low = np.fft.ifft2(np.fft.ifftshift(z, (1, 2))).real
    return low, images - low


def _again(images, r, **options):
    """The high component made by a mask of its own, of the same kind as the low one's."""
    return _split(images, r, **options)


def _without_mean(images, r):
    low, high = _split(images, r)
    return low - images.mean((1, 2), keepdims=True), high


SPLIT = formula(
    id="6.6", title="Low and high frequencies of an image", points=2, minutes=8, difficulty=2,
    task="split(images, r): x_l, what the frequencies of each image (N, H, W) at distance r or less from the constant one "
         "make, and x_h = x − x_l. In the centred discrete Fourier transform the constant frequency stands at (H // 2, W // 2). → "
         "low (N, H, W), high (N, H, W), real numbers. H and W may be odd or differ. Tolerance 1e-3.",
    library=split, cases=_split_cases, truth=_split, outputs=("low", "high"),
    mistakes=[
        ("The mask stands in the middle and the spectrum was not moved there: fft2 puts the constant frequency at (0, 0), "
         "fftshift moves it.", lambda images, r: _again(images, r, there=False, back=False)),
        ("The spectrum was not moved back: ifftshift before ifft2, or the picture comes out as a chessboard.",
         lambda images, r: _again(images, r, back=False)),
        ("fftshift twice does not lead back where a size is odd: ifftshift before ifft2.",
         lambda images, r: _again(images, r, same=True)),
        ("The shift ran over the images as well: dim=(1, 2).", _shifted),
        ("A frequency at the very distance r belongs to the low ones: ≤, not <.",
         lambda images, r: _again(images, r, inside=lambda a, b: a**2 + b**2 < r**2)),
        ("That mask is a square: the distance is √(a² + b²).",
         lambda images, r: _again(images, r, inside=lambda a, b: np.maximum(abs(a), abs(b)) <= r)),
        ("That mask is a diamond, |a| + |b| ≤ r: the distance is √(a² + b²).",
         lambda images, r: _again(images, r, inside=lambda a, b: abs(a) + abs(b) <= r)),
        ("r is a distance, not a squared one: compare a² + b² with r².",
         lambda images, r: _again(images, r, inside=lambda a, b: a**2 + b**2 <= r)),
        ("The constant frequency stands at H // 2, not at (H − 1)/2: for even sizes that is half a step away.",
         lambda images, r: _again(images, r, middle=1)),
        ("The constant frequency stands at H // 2, not at H/2: for odd sizes that is half a step away.",
         lambda images, r: _again(images, r, middle=0)),
        ("Low and high are exchanged.", lambda images, r: _split(images, r)[::-1]),
        ("The transform ran over the images as well: fft2, or dim=(1, 2).",
         lambda images, r: _again(images, r, whole=True)),
        ("That is the modulus of the inverse transform: take its real part, pixels may be negative.",
         lambda images, r: _again(images, r, real=np.abs)),
        ("The real part of the spectrum was taken before going back: that mirrors the image. Take it after the inverse "
         "transform.", lambda images, r: (low := _real_spectrum(images, r), images - low)),
        ("The mean is a low frequency as well, the lowest: keep it in x_l.", _without_mean, 0.5),
        ("The two components add up to the image: x_h = x − x_l.", lambda images, r: (_split(images, r)[0], images), 0.5),
    ],
    hints=("Distances first: a = arange(H) − H // 2 down, b = arange(W) − W // 2 across; the mask is a² + b² ≤ r².",
           "`fft2`, then `fftshift` over the two axes of the picture, times the mask; `ifftshift`, `ifft2`, real part. "
           "Shift over dim=(1, 2) and not over the images.",
           "`z = torch.fft.fftshift(torch.fft.fft2(images), dim=(1, 2))`\n"
           "`low = torch.fft.ifft2(torch.fft.ifftshift(z * mask, dim=(1, 2))).real`\n`return low, images - low`"),
    insight="Both parts are linear in x and orthogonal to each other, so that the energies add up: |x|² = |x_l|² + |x_h|².")


def _real_spectrum(images, r):
    a, b = _distance(*images.shape[1:])
    z = np.fft.fftshift(np.fft.fft2(images), (1, 2)).real * (a**2 + b**2 <= r**2)
    return np.fft.ifft2(np.fft.ifftshift(z, (1, 2))).real


def _deepfool(f, x, basis, steps, overshoot, within=True, full=False, squared=True, sign=-1, stay=False, stop=True,
              together=False, last=False, grow=1.0):
    side, delta = np.sign(f(x)), np.zeros_like(x)
    for _ in range(steps):
        at = x if stay else x + delta
        value, raw = f(at), f.gradient(at)
        slope = raw @ (basis.T @ basis) if within else raw
        size = ((raw if full else slope)**2).sum(1, keepdims=True)
        step = grow * sign * value[:, None] / np.maximum(size if squared else np.sqrt(size), 1e-30) * slope
        holds = np.sign(f(x + delta)) == side
        holds = np.full(len(x), holds.all()) if together else holds if stop else np.full(len(x), True)
        delta = np.where(holds[:, None], delta + step, delta)
    return delta @ (basis.T @ basis) if last else delta


def _told(f, x, delta, overshoot, grown=True, norm=None, asked=None):
    own = (1 + overshoot) * delta
    measure = np.linalg.norm(own if grown else delta, axis=1)
    end = own if asked is None else asked * delta
    return own, measure if norm is None else norm(own), np.sign(f(x + end)) != np.sign(f(x))


def _margin(f, x, basis, steps, overshoot, told=None, **how):
    delta = _deepfool(f, x, basis, steps, overshoot, **how)
    return _told(f, x, delta, overshoot, **(told or {}))


def _no_overshoot(f, x, basis, steps, overshoot):
    delta = _deepfool(f, x, basis, steps, overshoot)
    return delta, np.linalg.norm(delta, axis=1), np.sign(f(x + delta)) != np.sign(f(x))


def _each(f, x, basis, steps, overshoot, end=0.0):
    """The overshoot in every step, and ``end`` of it at the end."""
    return _told(f, x, _deepfool(f, x, basis, steps, overshoot, grow=1 + overshoot), end * overshoot)


BY_OVERSHOOT = 9


def _crossings(f, x, basis, steps, overshoot):
    """The step at which each row crosses (0: it does not; BY_OVERSHOOT: only the lengthening at the end takes it across),
    and whether each step of it is clear: no value that rounding could take to the other side, no nearly flat place."""
    side, first, clear = np.sign(f(x)), np.zeros(len(x), int), np.full(len(x), True)
    for k in range(steps + 1):
        delta = _deepfool(f, x, basis, k, overshoot)
        value, slope = f(x + delta), np.linalg.norm(f.gradient(x + delta) @ basis.T, axis=1)
        first = np.where((first == 0) & (np.sign(value) != side), k, first)
        clear &= (abs(value) > 5e-3) & (slope > 0.1)
    clear &= np.linalg.norm(_deepfool(f, x, basis, steps, overshoot, sign=1), axis=1) < 50  # nor on the way that walks away
    own = (1 + overshoot) * delta
    first[(first == 0) & (np.sign(f(x + own)) != side)] = BY_OVERSHOOT
    clear &= (abs(f(x + own)) > 5e-3) & ((np.sign(f(x + own)) != side) == (first > 0)) & (np.linalg.norm(own, axis=1) < 6)
    return first, clear


def _margin_cases(rng):
    """Rows that cross in the first, second and third step, and some that do not, so that each mistake shows."""
    made = []
    for D, S, kind, steps, overshoot, wanted in (
            (5, 2, "network", 3, 0.05, (1, 2, 3, 1, 2)), (6, 3, "network", 3, 0.05, (2, 3)), (4, 2, "polynomial", 2, 0.1, (1, 1, 0)),
            (4, 1, "network", 2, 0.05, (2,)), (5, 3, "network", 1, 0.3, (0, 1, BY_OVERSHOOT, 1, BY_OVERSHOOT))):
        for _ in range(60):
            data = functions.random_network(rng, D) if kind == "network" else functions.polynomial(
                D, rng.normal(size=(D, D)), rng.normal(size=D), rng.normal())
            f = lambda z, data=data: functions.value(data, z)  # noqa: E731
            f.gradient = lambda z, data=data: functions.gradient(data, z)[1]
            basis, x = np.linalg.qr(rng.normal(size=(D, S)))[0].T, 1.5 * rng.normal(size=(1500, D))
            with np.errstate(all="ignore"):
                first, clear = _crossings(f, x, basis, steps, overshoot)
            free = {k: list(np.flatnonzero(clear & (first == k))) for k in (0, 1, 2, 3, BY_OVERSHOOT)}
            rows = [free[k].pop() for k in wanted if free[k]]
            if len(rows) == len(wanted):
                break
        made.append({**data, "x": x[rows], "basis": basis, "steps": steps, "overshoot": overshoot,
                     "note": f"{len(rows)} input{'s' * (len(rows) > 1)} of {D} numbers, a subspace of {S}, {steps} step{'s' * (steps > 1)}"})
    return made


MARGIN = formula(
    id="6.7", title="DeepFool in a subspace, and the margin", points=4, minutes=15, difficulty=3,
    task="subspace_margin(f, x, basis, steps, overshoot): the class of x is the sign of f(x); f takes (N, D) and returns (N,). "
         "Begin with δ = 0; `steps` times, for each row whose f(x + δ) still has the sign of f(x): δ ← δ − f(x + δ) g / ‖g‖², with g "
         "the part of ∇f(x + δ) that lies in the span of the orthonormal rows of basis (S, D). At the end lengthen δ by the factor 1 + "
         "overshoot. → delta (N, D), its length margin (N,), also where no other class was found, and found (N,): whether x + δ, "
         "lengthened, is of another class. Tolerance 1e-3.",
    library=subspace_margin, cases=_margin_cases, truth=_margin, outputs=("delta", "margin", "found"), quiet=("x",),
    finite="Return the length of δ also where no other class was found, not infinity; found says which rows these are.",
    mistakes=[
        ("δ leaves the subspace: project the gradient, g = ∇f Bᵀ B, before you step.",
         lambda **v: _margin(**v, within=False)),
        ("The projection came only at the end: each step must stay in the subspace, and its length counts g, not ∇f.",
         lambda **v: _margin(**v, within=False, last=True)),
        ("Divided by the whole gradient's ‖∇f‖²: inside the subspace only its part g counts, and the step is longer.",
         lambda **v: _margin(**v, full=True)),
        ("Divided by ‖g‖: one ‖g‖ makes the direction a unit vector, the other turns f into a distance. It is ‖g‖².",
         lambda **v: _margin(**v, squared=False)),
        ("You walk away from the boundary: minus f(x + δ).", lambda **v: _margin(**v, sign=1)),
        ("The slope is that of x itself in every step: take f and ∇f at x + δ.", lambda **v: _margin(**v, stay=True)),
        ("One step only: the boundary is curved, repeat it.", lambda **v: _margin(**{**v, "steps": 1})),
        ("A row that has crossed must rest: going on leads it back to the boundary.",
         lambda **v: _margin(**v, stop=False)),
        ("All rows stopped when the first had crossed: each row for itself.", lambda **v: _margin(**v, together=True)),
        ("The overshoot is missing: at the end, δ times 1 + overshoot.", _no_overshoot, 0.5),
        ("The overshoot came in every step: only once, at the end, δ times 1 + overshoot.", _each, 0.5),
        ("The overshoot came in every step: only once, at the end, δ times 1 + overshoot.", lambda **v: _each(**v, end=1.0), 0.5),
        ("The margin is the length of the δ that you return, overshoot included.",
         lambda **v: _margin(**v, told={"grown": False}), 0.75),
        ("found is asked of the δ that you return, overshoot included.", lambda **v: _margin(**v, told={"asked": 1.0}), 0.75),
        ("The overshoot is an argument: it is not always 0.05.", lambda **v: _margin(**{**v, "overshoot": 0.05}), 0.5),
        ("That is ‖δ‖²: the margin is a length.", lambda **v: _margin(**v, told={"norm": lambda d: (d**2).sum(1)}), 0.75),
        ("That is the sum of |δ|: the margin is the Euclidean length.",
         lambda **v: _margin(**v, told={"norm": lambda d: abs(d).sum(1)}), 0.75),
    ],
    hints=("The gradient of all rows at once: `torch.autograd.grad(f(at).sum(), at)`, as row n of f depends on row n of at alone. "
           "Its part in the subspace is `slope @ basis.T @ basis`.",
           "`torch.where(same[:, None], delta + step, delta)` lets the rows rest that have crossed. The step is "
           "`-(value / (g**2).sum(1).clamp(min=1e-30))[:, None] * g`: where g = 0 there is no step.",
           "`side, delta = f(x).sign(), torch.zeros_like(x)`\n`for _ in range(steps):`\n"
           "`    at = (x + delta).detach().requires_grad_(True)`\n`    value = f(at)`\n"
           "`    g = torch.autograd.grad(value.sum(), at)[0] @ basis.T @ basis`\n"
           "`    step = -(value / (g**2).sum(1).clamp(min=1e-30))[:, None] * g`\n"
           "`    delta = torch.where((value.sign() == side)[:, None], delta + step, delta).detach()`\n"
           "`delta = (1 + overshoot) * delta`\n`return delta, delta.norm(dim=1), f(x + delta).sign() != side`"),
    insight="The fewer directions are allowed, the longer the way: the exact margin in a subspace is never below that in a larger one.")

EXERCISES = [SPLIT, MARGIN]
