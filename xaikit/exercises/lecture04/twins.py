"""4.5 two networks that are equal everywhere and that DeepLIFT tells apart: cases, observation, judgement.

The judge gets plain layers and rebuilds the networks itself. What it tests: the two agree (to 3e-6 of how
far the output moves at such a distance, room for float32) on points drawn from boxes of half-width 1, 10
and 1000, on the integer grid, and on random lines from end to end: all kinks of both networks along a line
are found exactly, and between two of them both are straight. Most lines run along kinks. DeepLIFT's rescale rule, from the zero baseline, differs at some
point by at least 5 % of what the output moved there. The slide's own pair does not count, nor does that
pair with its inputs swapped, beside unused ones, or its output rescaled.
"""

import numpy as np

from ..core import Case, Verdict
from ..judging import kind_of, read, show, text_of, unusable
from .networks import DEEPEST

WIDEST, LARGEST_WEIGHT, MARGIN = 64, 1e3, 0.05
EQUAL, LINES, KNOTS, POINTS, FAR = 3e-6, 400, 400, 150_000, 1e6


def twin_cases(seed):
    """One case: the points that the networks are compared on are drawn from the seed, by the judge."""
    return [Case({"judge.seed": int(np.random.default_rng([seed, 45]).integers(2**31))}, "the two networks")]


def _network(observed, name):
    """(layers, None), or (None, what is wrong)."""
    count = observed.get(f"{name}.count")
    if type(count) is not int or not 1 <= count <= DEEPEST:
        return None, f"{name} must have 1 to {DEEPEST} layers"
    layers, width = [], None
    for i in range(count):
        weight, bias = observed.get(f"{name}.weight.{i}"), observed.get(f"{name}.bias.{i}")
        if (
            type(weight) is not np.ndarray
            or weight.ndim != 2
            or not all(1 <= n <= WIDEST for n in weight.shape)
        ):
            return None, f"the weight of layer {i} of {name} must have shape (out, in), both at most {WIDEST}"
        bias, wrong = read({"kind": "array", "value": bias}, (weight.shape[0],))
        if wrong:
            return (
                None,
                f"the bias of layer {i} of {name} must have shape ({weight.shape[0]},), one for each row of"
                f" the weight",
            )
        weight, wrong = read({"kind": "array", "value": weight}, weight.shape)
        if wrong or np.abs(weight).max() > LARGEST_WEIGHT or np.abs(bias).max() > LARGEST_WEIGHT:
            return None, f"the numbers in layer {i} of {name} must be finite and at most {LARGEST_WEIGHT:g}"
        if width is not None and weight.shape[1] != width:
            return (
                None,
                f"layer {i} of {name} takes {weight.shape[1]} values; the layer before it gives {width}",
            )
        width = weight.shape[0]
        layers.append((weight, bias))
    if width != 1:
        return None, f"{name} must end in a single output; it has {width}"
    return layers, None


def _hidden(layers, x):
    """Preactivations of all hidden layers, and the output (N,)."""
    before, h = [], x
    for i, (weight, bias) in enumerate(layers):
        z = h @ weight.T + bias
        if i < len(layers) - 1:
            before.append(z)
            h = np.maximum(z, 0)
    return before, z[:, 0]


def rescale(layers, x, tie=0.0) -> np.ndarray:
    """DeepLIFT's credits (rescale rule) of x (N, D) against the zero baseline: at a ReLU the slope is
    Δout/Δin.

    Where Δin = 0 it is the ReLU's derivative, and `tie` at the kink itself.
    """
    here, _ = _hidden(layers, x)
    there, _ = _hidden(layers, np.zeros_like(x[:1]))
    back = np.repeat(layers[-1][0], len(x), axis=0)
    for i in reversed(range(len(layers) - 1)):
        moved = here[i] - there[i]
        still = np.abs(moved) < 1e-9
        slope = (np.maximum(here[i], 0) - np.maximum(there[i], 0)) / np.where(still, 1, moved)
        back = (back * np.where(still, np.where(np.abs(here[i]) < 1e-9, tie, here[i] > 0), slope)) @ layers[
            i
        ][0]
    return back * x


def _points(rng, inputs):
    """Where the credits are compared, and the networks: boxes, a grid, the axes."""
    sets = [rng.uniform(-w, w, size=(n, inputs)) for w, n in ((1, 500), (10, 3000), (1000, 500))]
    sets.append(rng.integers(-4, 5, size=(1500, inputs)).astype(float))
    sets.append(rng.uniform(-10, 10, size=(300, 1)) * np.eye(inputs)[rng.integers(inputs, size=300)])
    sets.append(rng.uniform(-100, 100, size=(8000, inputs)))
    return np.concatenate(sets)


def _knots(networks, start, way):
    """All t, to |t| = `FAR`, at which a ReLU switches along start + t·way, layer after layer."""
    found = [np.zeros(1)]
    for layers in networks:
        t = np.zeros(1)
        for i in range(len(layers) - 1):
            t = np.concatenate([[t[0] - 1], t, [t[-1] + 1]])  # straight from here on, on both sides
            z = _hidden(layers[: i + 2], start + t[:, None] * way)[0][i]
            a, b, gap = z[:-1], z[1:], np.diff(t)[:, None]
            share = a / np.where(a == b, np.nan, a - b)
            inside = (share >= 0) & (share <= 1)
            inside[0] |= share[0] < 0
            inside[-1] |= share[-1] > 1
            zeros = (t[:-1, None] + share * gap)[inside]
            t = np.unique(np.append(t[1:-1], zeros[np.abs(zeros) <= FAR]))
            t = t[:: len(t) // KNOTS + 1]
        found.append(t)
    return np.unique(np.concatenate(found))


def _normals(networks, x):
    """Of the ReLUs that switch at the point x: the directions across their kinks."""
    found = []
    for layers in networks:
        slope, h = np.eye(len(x)), x
        for weight, bias in layers[:-1]:
            z, slope = weight @ h + bias, weight @ slope
            size = np.abs(weight) @ np.abs(h) + np.abs(bias)
            found += [
                n / np.linalg.norm(n)
                for n in slope[np.abs(z) <= 1e-9 * (1 + size)]
                if np.abs(n).max() > 1e-12
            ]
            h, slope = np.maximum(z, 0), slope * (z > 0)[:, None]
    return found


def _lines(rng, inputs, networks):
    """Kinks along random lines, and points between and beyond; then along a line that stays on one of those
    kinks, then on one more, until no direction is left.
    """
    sets = []
    for _ in range(LINES):
        if sum(map(len, sets)) > POINTS:
            break
        start, across = rng.uniform(-10, 10, size=inputs), np.zeros((0, inputs))
        for _ in range(inputs):
            way = rng.normal(size=inputs)
            way -= np.linalg.pinv(across) @ (across @ way)
            way /= np.linalg.norm(way)
            t = _knots(networks, start, way)
            beyond = [t[0] - 1, 2 * t[0] - 1e3, t[-1] + 1, 2 * t[-1] + 1e3]
            sets.append(start + np.concatenate([t, (t[1:] + t[:-1]) / 2, beyond])[:, None] * way)
            start = start + rng.choice(t) * way
            kinks = [n for n in _normals(networks, start) if abs(n @ way) > 1e-9]
            if not kinks:
                break
            across = np.vstack([across, kinks[rng.integers(len(kinks))]])
    return np.concatenate(sets)


def _is_slide(x, y) -> bool:
    """Whether y is a·s + c, to one in a thousand, with s the slide's function of some two of the inputs."""
    inputs = x.shape[1]
    relu = np.maximum(x, 0)
    for i in range(inputs):
        for j in range(inputs):
            s = np.maximum(relu[:, i] - 1 - relu[:, j], 0)
            if i != j:
                design = np.stack([s, np.ones_like(s)], 1)
                rest = np.abs(design @ np.linalg.lstsq(design, y, rcond=None)[0] - y).max()
                if rest < 1e-3 * np.ptp(y):
                    return True
    return False


def twin_judge(case, observed):
    """Equal everywhere, different credits, not the slide's pair: see the module's docstring."""
    if kind_of(observed) != "networks":
        verdict = unusable(observed) or Verdict(0.0, "Two networks are expected.")
        if kind_of(observed) == "other":
            hint = "Return f, g: two lists of (weight, bias), or two nn.Sequential of Linear and ReLU."
            return Verdict(
                0.0,
                text_of(observed, "message") or "Two networks are expected.",
                hint,
                "f, g",
                text_of(observed, "type"),
            )
        return verdict
    pair = []
    for name in ("f", "g"):
        layers, wrong = _network(observed, name)
        if wrong:
            return Verdict(
                0.0, f"The network cannot be built: {wrong}.", "A layer is (weight (out, in), bias (out,))."
            )
        pair.append(layers)
    f, g = pair
    inputs = f[0][0].shape[1]
    if g[0][0].shape[1] != inputs:
        return Verdict(
            0.0,
            "The networks take different numbers of inputs.",
            "Equal functions have equal inputs.",
            f"{inputs} inputs",
            f"{g[0][0].shape[1]} inputs",
        )
    if not 2 <= inputs <= 8:
        return Verdict(
            0.0,
            f"The networks take {inputs} inputs.",
            "With one input completeness fixes its credit: two networks need two inputs at least (eight at"
            " most).",
        )
    with np.errstate(all="ignore"):
        rng = np.random.default_rng(int(case["judge.seed"]))
        x, lines = _points(rng, inputs), _lines(rng, inputs, pair)
        near = lines[np.abs(lines).max(1) <= 1000][:4000]
        return _compare(f, g, np.concatenate([x, near]), lines)


def _compare(f, g, x, lines):
    origin = _hidden(f, 0 * x[:1])[1]
    moved = np.abs(_hidden(f, x)[1] - origin)
    scale = (moved / (1 + np.abs(x).max(1))).max()  # how far the output moves, for each unit of x
    if scale <= 1e-9 * (1 + np.abs(origin[0])):
        scale = 0.0
    everywhere = np.concatenate([x, lines])
    of_f, of_g = _hidden(f, everywhere)[1], _hidden(g, everywhere)[1]
    off = np.abs(of_f - of_g) / (1 + np.abs(everywhere).max(1)) / (scale or 1.0)
    if not (off <= EQUAL).all():
        x, differ = everywhere, np.nonzero(~(off <= EQUAL))[0]
        worst = differ[np.argmin(np.abs(x[differ]).sum(1))]  # the simplest point, not the largest difference
        inner = np.abs(x).max(1) <= 1
        near = (off[inner] <= EQUAL).all() and np.ptp(of_f[inner]) > 1e-6
        positive = (off[(x >= 0).all(1)] <= EQUAL).all()
        hint = "Check each identity that you used by hand at this point, layer by layer."
        if (off < 1e-3).all():
            hint = "They are nearly equal: a weight or bias was rounded."
        elif near:
            hint = "They agree near the origin only: a ReLU switches further out in one and not in the other."
        elif positive:
            hint = (
                "They agree for positive inputs only: is a ReLU on an input missing in one, or c < 0 in"
                " ReLU(ReLU(a) − c) = ReLU(a − c)?"
            )
        return Verdict(
            0.0,
            f"The networks differ: at x = {show(np.round(x[worst], 9) + 0.0)}.",
            hint,
            f"g = f = {of_f[worst]:.6g}",
            f"g = {of_g[worst]:.6g}",
        )
    if not scale:
        return Verdict(
            0.0,
            "The networks are equal, and constant.",
            "Nothing moves, so no feature gets credit: let f depend on x.",
        )
    if _is_slide(x[:3500], of_f[:3500]):
        return Verdict(
            0.0,
            "These are networks of section 3's function, ReLU(ReLU(x₁) − 1 − ReLU(x₂)), however written.",
            "Find a pair of your own: another threshold or other weights in front of x₁ and x₂, three"
            " inputs, a maximum …",
        )
    credit_f, credit_g = rescale(f, x), rescale(g, x)
    # at a kink DeepLIFT's slope is a convention: a difference counts if it is there whatever the convention
    ties = [np.abs(rescale(f, x, p) - rescale(g, x, q)).max(1) for p in (0.0, 1.0) for q in (0.0, 1.0)]
    apart = np.min(ties, axis=0) / moved
    apart[moved < 1e-3 * scale * (1 + np.abs(x).max(1))] = 0
    apart = np.nan_to_num(apart, posinf=0.0)
    best = int(np.argmax(apart))
    if not apart[best] >= MARGIN:
        hint = (
            "DeepLIFT sees each ReLU's jump from the baseline: give one network a ReLU inside a ReLU where"
            " the other has a single one, and a bias."
        )
        if all(np.abs(bias).max() == 0 for layers in (f, g) for _, bias in layers):
            hint = (
                "Without a bias no ReLU switches on the way from the baseline 0: DeepLIFT is gradient × input"
                " for both. Add one."
            )
        return Verdict(
            0.0,
            "The networks are equal, and DeepLIFT gives both the same credits.",
            hint,
            "credits that differ by 5 % or more",
            f"at most {100 * apart[best]:.2g} %",
        )
    # a witness in small whole numbers reads best
    small = np.nonzero((apart >= MARGIN) & (x == np.round(x)).all(1))[0]
    best = small[np.argmin(np.abs(x[small]).sum(1))] if len(small) else best
    return Verdict(
        1.0,
        f"At x = {show(x[best])} DeepLIFT gives {show(credit_f[best])} on f and {show(credit_g[best])} on g.",
    )
