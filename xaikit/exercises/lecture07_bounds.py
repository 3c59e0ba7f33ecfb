"""Lecture 07, exercises 7.4 and 7.5: the decoder bound, and the noise that a linear layer bears.

Darlow, Storkey 2020, section 3, with Salimans et al. 2017, eq. 2; Guan et al. 2019, the linear case.
"""
import numpy as np

from .formula import formula


def decoder_bound(k, mean, scale, entropy, levels):
    """H(x) + E log2 q(x|h) for a discretised logistic.  k, mean (N, D), scale (D,), two numbers → a number"""
    import torch

    above = torch.sigmoid((k + 0.5 - mean) / scale)
    below = torch.sigmoid((k - 0.5 - mean) / scale)
    above = torch.where(k == levels - 1, torch.ones_like(above), above)
    below = torch.where(k == 0, torch.zeros_like(below), below)
    return entropy + torch.log2(above - below).sum(1).mean()


def largest_noise(W, radius, cap):
    """The σ of the largest entropy that moves Wx by ``radius`` at most.  W (J, I), two numbers → (I,)"""
    import torch

    squares = (W ** 2).sum(0)
    free = torch.ones_like(squares, dtype=torch.bool)
    while True:
        share = (radius ** 2 - (cap ** 2 * squares[~free]).sum()) / free.sum()
        over = free & (cap ** 2 * squares <= share)
        if not over.any():
            return torch.where(free, (share / squares).sqrt(), torch.full_like(squares, cap))
        free = free & ~over


# ---- 7.4 ----------------------------------------------------------------------------------------------------

def _bound_cases(rng):
    made = []
    for n, d, levels, note in ((5, 7, 17, "five images of seven pixels"), (6, 3, 2, "black and white images"),
                               (1, 1, 5, "one image of one pixel"), (4, 9, 17, "small scales"),
                               (3, 4, 9, "images that are all black or white"), (4, 3, 6, "a decoder that is far off")):
        k = rng.integers(0, levels, (n, d))
        if note == "images that are all black or white":
            k = np.where(rng.random((n, d)) < 0.5, 0, levels - 1)
            k[0, 0], k[1, 0] = 0, levels - 1
        elif note == "small scales":
            k = k.clip(1, levels - 3)  # ends that do not occur: levels is given, not k.max() + 1
        elif n > 1:
            k[0, 0], k[1, -1] = 0, levels - 1
        scale = rng.uniform(0.25, 0.6, d) if note == "small scales" else rng.uniform(0.6, 2.5, d)
        mean = k + rng.normal(size=(n, d)) * scale * 1.2
        if "far off" in note:  # probabilities down to 2e-5, where float32 still has them
            k = k.clip(max=levels - 2)
            mean = k + scale * rng.uniform(10, 11, (n, d))
        entropy = rng.uniform(0.5, 3) if n == 3 else rng.uniform(1.5, 4) * d
        made.append({"k": k, "mean": mean, "scale": scale, "entropy": entropy, "levels": levels, "note": note})
    return made


def _sigmoid(v):
    return 1 / (1 + np.exp(-v))


def _mass(k, mean, scale, levels, low=True, high=True, half=(0.5, 0.5)):
    above, below = _sigmoid((k + half[0] - mean) / scale), _sigmoid((k - half[1] - mean) / scale)
    return np.where((k == levels - 1) & high, 1, above) - np.where((k == 0) & low, 0, below)


def _bound(k, mean, scale, entropy, levels, log=np.log2, **options):
    return entropy + log(_mass(k, mean, scale, levels, **options)).sum(1).mean()


def _bits(k, mean, scale, levels):
    return np.log2(_mass(k, mean, scale, levels))


def _density(k, mean, scale, entropy, levels):
    z = (k - mean) / scale
    return entropy + np.log2(_sigmoid(z) * _sigmoid(-z) / scale).sum(1).mean()


_BOUND = formula(
    id="7.4", title="The decoder bound", points=3, minutes=12, difficulty=2,
    finite="log2 of 0 or of a negative number: the probability is s at k + ½ minus s at k − ½, each over (k ± ½ − mean) / scale.",
    task="decoder_bound(k, mean, scale, entropy, levels): the bound H(x) + E log₂ q(x|h) in bits. k (N, D) levels "
         "0 … levels − 1 of N images, mean (N, D) what the decoder makes of their h, scale (D,), entropy = H(x) in "
         "bits. q(k) = s((k + ½ − mean)/scale) − s((k − ½ − mean)/scale), s the sigmoid; the first level takes all "
         "that lies below it, the last all above. → a number. Tolerance 1e-3.",
    library=decoder_bound, cases=_bound_cases, truth=_bound,
    mistakes=[
        ("These are nats: entropy is in bits, so take log2.",
         lambda **c: _bound(**c, log=np.log)),
        ("The ends are closed: level 0 takes everything below it, the last level everything above, so that the "
         "probabilities of all levels add up to 1.", lambda **c: _bound(**c, low=False, high=False)),
        ("The last level is closed: all above it is its own too.", lambda **c: _bound(**c, high=False)),
        ("Level 0 is closed: all below it is its own too.", lambda **c: _bound(**c, low=False)),
        ("Averaged over the pixels as well: the log-probability of an image is the sum over its pixels; only over "
         "images is it a mean.", lambda k, mean, scale, entropy, levels: entropy + _bits(k, mean, scale, levels).mean()),
        ("Summed over the images as well: E is the mean over images.",
         lambda k, mean, scale, entropy, levels: entropy + _bits(k, mean, scale, levels).sum()),
        ("H(x) is missing: E log q alone is minus the decoder's cross-entropy.",
         lambda k, mean, scale, entropy, levels: _bits(k, mean, scale, levels).sum(1).mean()),
        ("The sign of E log q is turned: a worse decoder must make the bound smaller.",
         lambda k, mean, scale, entropy, levels: entropy - _bits(k, mean, scale, levels).sum(1).mean()),
        ("H(x) is subtracted: I(x; h) = H(x) − H(x|h), and E log q stands for −H(x|h).",
         lambda k, mean, scale, entropy, levels: _bits(k, mean, scale, levels).sum(1).mean() - entropy),
        ("The bound was cut off at 0. It may be negative, with a bad decoder: it is then true and useless.",
         lambda **c: max(_bound(**c), 0.0), 0.5),
        ("That is the logarithm of the mean of q(x|h): take the logarithm first, then the mean (Jensen).",
         lambda k, mean, scale, entropy, levels: entropy + np.log2(_mass(k, mean, scale, levels).prod(1).mean())),
        ("That is the density at k, not the probability of the bin from k − ½ to k + ½.", _density),
        ("The bin reaches from k to k + 1: it is k − ½ to k + ½.", lambda **c: _bound(**c, half=(1.0, 0.0))),
        ("The bin reaches from k − 1 to k: it is k − ½ to k + ½.", lambda **c: _bound(**c, half=(0.0, 1.0))),
        ("The bin is two levels wide: it is k − ½ to k + ½.", lambda **c: _bound(**c, half=(1.0, 1.0))),
        ("Multiplied by the scale: divide by it.",
         lambda k, mean, scale, entropy, levels: _bound(k, mean, 1 / scale, entropy, levels)
         if (_mass(k, mean, 1 / scale, levels) > 0).all() else np.nan),
        *[("A small number was added to the probabilities, or they were cut off below: the bound is then better than it is.",
           lambda k, mean, scale, entropy, levels, cut=cut, e=10.0**-n: entropy + np.log2(
               cut(_mass(k, mean, scale, levels), e)).sum(1).mean()) for cut in (np.add, np.maximum) for n in range(2, 7)],
        ("The last level is levels − 1, also where no pixel has it.",
         lambda k, mean, scale, entropy, levels: _bound(k, mean, scale, entropy, k.max() + 1)),
        ("Summed over images and averaged over pixels: the log-probability of an image is the sum over its pixels.",
         lambda k, mean, scale, entropy, levels: entropy + _bits(k, mean, scale, levels).sum(0).mean()),
        ("One value for each image came back: average over the images.",
         lambda k, mean, scale, entropy, levels: entropy + _bits(k, mean, scale, levels).sum(1)),
    ],
    hints=("First the probability of every pixel's level, (N, D): two sigmoids and a difference. Where k is 0 the "
           "lower one is 0, where k is levels − 1 the upper one is 1: `torch.where`.",
           "Logarithm of base 2; sum over the pixels (axis 1), mean over the images; add the entropy.",
           "`above = torch.where(k == levels - 1, 1.0, torch.sigmoid((k + 0.5 - mean) / scale))`\n"
           "`below = torch.where(k == 0, 0.0, torch.sigmoid((k - 0.5 - mean) / scale))`\n"
           "`return entropy + torch.log2(above - below).sum(1).mean()`"),
    insight="Whatever the decoder, the number is never above I(x; h) in expectation: a low value may be the "
            "decoder's fault, a high one cannot be.")


# ---- 7.5 ----------------------------------------------------------------------------------------------------

def _noise_cases(rng):
    made = []

    def add(W, radius, cap, note):
        made.append({"W": W, "radius": float(radius), "cap": float(cap), "note": note})

    def weights(*shape):
        return rng.normal(size=shape) + 0.3 * np.sign(rng.normal(size=shape))

    W = weights(4, 6)
    add(W, rng.uniform(0.5, 0.9), 50, "a cap that nothing reaches")
    W = weights(5, 5)
    W[:, 2] = 0
    add(W, rng.uniform(1, 2), 3, "a pixel that no output sees")
    # sensitivities that fall by steps: each round of capping frees budget that lifts the next pixel to the cap
    direction = rng.normal(size=(3, 7))
    direction /= np.linalg.norm(direction, axis=0)
    norms = np.array([4.0, 0.05, 0.92, 1.04, 2.5, 0.3, 6.0]) * rng.uniform(0.99, 1.01, 7)
    add(direction * norms, np.sqrt(7.0), 1.0, "caps that are reached one after the other")
    norms = np.sqrt([16.0, 1.40, 0.01, 1.05]) * rng.uniform(0.995, 1.005, 4)
    add(direction[:, :4] * norms, 2.0, 1.0, "caps that are reached in three rounds")
    # five rounds, each of which lifts one more: its square is just above the share of the round before
    squares, left, share = [1e-4], 6 - 1e-4, 1.0
    for free in (5, 4, 3, 2):
        squares.append(share + 0.02 * (left / free - share))
        share, left = left / free, left - squares[-1]
    norms = np.sqrt([*squares, 1.3])
    add(direction[:, :6] * norms, np.sqrt(6.0), 1.0, "caps that are reached in five rounds")
    add(weights(2, 4) * 0.2, 9.0, 1.5, "a radius that is never used up")
    add(weights(1, 1), 0.7, 30, "one weight")
    W = weights(4, 5)
    W[:, 1] *= 0.05
    for unit, note in ((1e-4, "small"), (1e3, "large")):  # σ does not know the layer's units
        add(W * unit, 1.5 * unit, 2.0, f"outputs in {note} units, and the radius too")
    return made


def _squares(W):
    return (W ** 2).sum(0)


def _fill(squares, radius, cap, rounds=100, share_of_all=False):
    free = np.ones(len(squares), bool)
    for _ in range(rounds):
        count = len(squares) if share_of_all else max(1, free.sum())
        share = max(0.0, radius ** 2 - (cap ** 2 * squares[~free]).sum()) / count
        over = free & (cap ** 2 * squares <= share)
        if not over.any():
            break
        free &= ~over
    count = len(squares) if share_of_all else max(1, free.sum())
    share = max(0.0, radius ** 2 - (cap ** 2 * squares[~free]).sum()) / count
    with np.errstate(divide="ignore"):
        return np.where(free, np.minimum(np.sqrt(share / np.maximum(squares, 1e-300)), cap), cap)


def _noise(W, radius, cap):
    return _fill(_squares(W), radius, cap)


def _clamped(value, cap):
    return np.minimum(np.nan_to_num(value, nan=cap, posinf=cap), cap)


def _ratio(a, b):
    with np.errstate(all="ignore"):
        return a / b


_NOISE = formula(
    id="7.5", title="The noise a linear layer bears", points=3, minutes=18, difficulty=3,
    finite="An input that no output sees has a column of norm 0: no noise moves Wx, and its σ is the cap, as no σ may exceed it.",
    task="largest_noise(W, radius, cap): for f(x) = Wx, W (J, I), the standard deviations σ (I,) of independent "
         "Gaussian noise ε on the inputs that make Σ ln σᵢ as large as possible, with E‖Wε‖² ≤ radius² and "
         "σᵢ ≤ cap. Mind an input that no output sees, and that what inputs at the cap leave over is shared by "
         "the others. → (I,). Tolerance 1e-3.",
    library=largest_noise, cases=_noise_cases, truth=_noise, axes="(I,)",
    mistakes=[
        ("Inputs at the cap use less than their share of radius²; the rest of it belongs to the others: compute "
         "their share anew, until no more inputs reach the cap.",
         lambda W, radius, cap: _fill(_squares(W), radius, cap, rounds=0), 0.5),
        ("The rest was shared out once, and then more inputs reached the cap: repeat until none does.",
         lambda W, radius, cap: _fill(_squares(W), radius, cap, rounds=1), 0.7),
        ("The rest was shared out twice, and then more inputs reached the cap: repeat until none does.",
         lambda W, radius, cap: _fill(_squares(W), radius, cap, rounds=2), 0.8),
        *[(f"The rest was shared out {k} times, and then more inputs reached the cap: repeat until none does.",
           lambda W, radius, cap, k=k: _fill(_squares(W), radius, cap, rounds=k), 0.8) for k in (3, 4)],
        ("What is left is shared by the inputs that are still free, not by all I.",
         lambda W, radius, cap: _fill(_squares(W), radius, cap, share_of_all=True), 0.5),
        ("Those are the norms of the rows: σᵢ meets the column W[:, i], the sum over outputs is axis 0.",
         lambda W, radius, cap: _fill((W ** 2).sum(1), radius, cap)),
        ("That spends the whole radius² on every input: each of the I inputs gets the share radius² / I.",
         lambda W, radius, cap: _clamped(_ratio(radius, np.sqrt(_squares(W))), cap)),
        ("Those are variances: return σ, the square root.", lambda W, radius, cap: _noise(W, radius, cap) ** 2),
        ("The constraint is E‖Wε‖² ≤ radius²; the radius itself was taken.",
         lambda W, radius, cap: _fill(_squares(W), np.sqrt(radius), cap)),
        ("All inputs have the same noise: an input that f sees less bears more.",
         lambda W, radius, cap: np.full(W.shape[1], min(cap, radius / np.sqrt(max(1e-300, _squares(W).sum()))))),
        ("σᵢ goes with one over the norm of the column, not over its square.",
         lambda W, radius, cap: _clamped(_ratio(np.sqrt(radius ** 2 / W.shape[1]), _squares(W)), cap)),
        ("σᵢ goes with one over the column's Euclidean norm; that is the sum of absolute values.",
         lambda W, radius, cap: _fill(np.abs(W).sum(0) ** 2, radius, cap)),
        ("The weights of a column were added up with their signs: square them first.",
         lambda W, radius, cap: _fill(W.sum(0) ** 2, radius, cap)),
        ("The radius² was shared among the J outputs: there is one σ for each of the I inputs.",
         lambda W, radius, cap: _fill(_squares(W), radius * np.sqrt(W.shape[1] / W.shape[0]), cap)),
        ("The cap is an argument, and it bounds σ, not σ².", lambda W, radius, cap: _fill(_squares(W), radius, np.sqrt(cap))),
        ("The cap is an argument: it is not always 1.", lambda W, radius, cap: _fill(_squares(W), radius, 1.0)),
        ("An input that no output sees bears any noise: its σ is the cap, not 0.",
         lambda W, radius, cap: np.where(_squares(W) > 0, _fill(_squares(W), radius, cap), 0.0), 0.5),
    ],
    laws=[("No σ may exceed the cap.", lambda sigma, W, radius, cap: (sigma <= cap * 1.001).all()),
          ("E‖Wε‖² = Σ σᵢ² ‖W[:, i]‖² exceeds radius².",
           lambda sigma, W, radius, cap: (sigma ** 2 * _squares(W)).sum() <= radius ** 2 * 1.003),
          ("Some of radius² was not used, though not all inputs are at the cap.",
           lambda sigma, W, radius, cap: (sigma >= cap * 0.999).all()
           or (sigma ** 2 * _squares(W)).sum() >= radius ** 2 * 0.997)],
    hints=("The noises are independent, so E‖Wε‖² = Σᵢ σᵢ² ‖W[:, i]‖². Forget the cap: setting the derivative of "
           "Σ ln σᵢ − λ(Σ σᵢ² ‖W[:, i]‖² − radius²) to 0 gives every input the same share, "
           "σᵢ² ‖W[:, i]‖² = radius² / I.",
           "With the cap: inputs with cap² ‖W[:, i]‖² below their share get σᵢ = cap. Take what they use off "
           "radius², share the rest among the others, and look again, until no more inputs reach the cap. An input "
           "that no output sees is the first of them.",
           "`squares = (W ** 2).sum(0); free = torch.ones_like(squares, dtype=torch.bool)`\n`while True:`\n"
           "`    share = (radius ** 2 - (cap ** 2 * squares[~free]).sum()) / free.sum()`\n"
           "`    over = free & (cap ** 2 * squares <= share)`\n"
           "`    if not over.any(): return torch.where(free, (share / squares).sqrt(), cap)`\n`    free = free & ~over`"),
    insight="Every input that is not wholly discarded moves the feature by the same amount: the noise tells how "
            "strongly the layer sees it, in units of the input and not of the layer.")

EXERCISES = [_BOUND, _NOISE]
