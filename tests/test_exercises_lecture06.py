"""Lecture 06's exercises 6.1 to 6.5: every right answer passes, every wrong one gets the hint that names its mistake."""
import numpy as np
import pytest
import torch

from xaikit.dynamics import decay, manifolds
from xaikit.exercises import get
from xaikit.exercises.feedback import evaluate

PI = np.pi


# ---- 6.1


def by_scipy(k, power):
    from scipy.optimize import minimize_scalar

    k, power = k.double().numpy(), power.double().numpy()
    x = np.log(k / k[0])

    def likelihood(a):
        return np.log((power * np.exp(2 * a * x)).mean()) - 2 * a * x.mean()

    return minimize_scalar(likelihood, bounds=(0, 5), method="bounded", options={"xatol": 1e-7}).x


def by_newton(k, power):
    k, power, a = k.double(), power.double(), torch.tensor(1.0, dtype=torch.float64)
    x = k.log() - k.log().mean()
    for _ in range(60):
        w = power * (2 * a * x).exp()
        w = w / w.sum()
        slope = (w * x).sum()
        spread = (w * x * x).sum() - slope**2
        a = (a - (slope / (2 * spread)).clamp(-0.3, 0.3)).clamp(0, 5)
    return [float(a)]


def by_line(k, power):
    return -np.polyfit(np.log(k.numpy()), np.log(power.numpy() + 1e-30), 1)[0] / 2


def zeros_left_out(k, power):
    return get("6.1").library(k[power > 0], power[power > 0])


def smallest_size(k, power):
    a = torch.linspace(0, 5, 2001, dtype=torch.float64)[:, None]
    k, power = k.double(), power.double()
    return a[(k**(2 * a) * power * (k.log() - k.log().mean())).sum(1).abs().argmin(), 0]


def half_degree(k, power):
    return get("6.1").library(k, power) * 2


def no_centre(k, power):
    log_k, centred = k.log(), k.log() - k.log().mean()
    low, high = 0.0, 5.0
    for _ in range(40):
        a = (low + high) / 2
        low, high = (low, a) if ((2 * a * centred).exp() * power * log_k).sum() > 0 else (a, high)
    return low


# ---- 6.2


def looped(z, k, A, phi):
    n = len(z)
    v = np.array([sum(float(a) * np.sin(2 * PI * float(f) * float(t) + float(p)) for f, a, p in zip(k, A, phi, strict=True))
                  for t in z])
    found = []
    for f in range(1, (n + 1) // 2):
        wave = np.exp(-2j * PI * f * np.arange(n) / n)
        found.append(2 * abs((v * wave).sum()) / n)
    return v.tolist(), found


def by_einsum(z, k, A, phi):
    v = torch.einsum("k,kn->n", A.double(), torch.sin(2 * PI * torch.outer(k.double(), z.double()) + phi[:, None]))
    c = torch.fft.fft(v)[1:(len(z) - 1) // 2 + 1]
    return v, c.abs() * 2 / len(z)


def waves_with(z, k, A, phi, form=torch.sin, turns=2 * PI):
    v = (A[:, None] * form(turns * k[:, None] * z + phi[:, None])).sum(0)
    return v, (2 * torch.fft.rfft(v).abs() / len(z))[1:(len(z) + 1) // 2]


# ---- 6.3


def by_moments(outputs, k, A, steps, level):
    n, share, first = outputs.shape[1], [], [int(steps[-1]) + 1] * len(k)
    for t in range(len(steps) - 1, -1, -1):
        c = np.abs(np.fft.fft(outputs[t].numpy())) * 2 / n
        row = [c[int(f)] / float(a) for f, a in zip(k, A, strict=True)]
        first = [int(steps[t]) if r >= level else w for r, w in zip(row, first, strict=True)]
        share.insert(0, row)
    return share, first


def by_projections(outputs, k, A, steps, level):
    n = outputs.shape[1]
    z = torch.arange(n, dtype=torch.float64) / n
    basis = torch.exp(-2j * PI * torch.outer(k.double(), z))
    share = (outputs.to(torch.complex128) @ basis.T).abs() * 2 / n / A
    late = torch.where(share >= level, steps[:, None].double(), torch.inf).amin(0)
    return share, late.clamp(max=float(steps[-1]) + 1)


def without_any(outputs, k, A, steps, level):
    share = get("6.3").library(outputs, k, A, steps, level)[0]
    return share, steps[(share >= level).int().argmax(0)]


def with_the_end(outputs, k, A, steps, level):
    share, first = get("6.3").library(outputs, k, A, steps, level)
    return share, first.clamp(max=int(steps[-1]))


def by_the_last(outputs, k, A, steps, level):
    share, first = get("6.3").library(outputs, k, A, steps, level)
    last = len(steps) - 1 - (share >= level).flip(0).int().argmax(0)
    return share, torch.where((share >= level).any(0), steps[last], first)


def censored(otherwise=None, ever=None, rows=slice(None)):
    """The right shares, and another way to tell "never"."""
    def answer(outputs, k, A, steps, level):
        share = get("6.3").library(outputs, k, A, steps, level)[0]
        at, reached = steps[rows], share[rows] >= level
        i = reached.int().argmax(0)
        never = steps[-1] + 1 if otherwise is None else otherwise
        return share, torch.where(ever(reached, i) if ever else reached.any(0), at[i], never)
    return answer


def by_the_least_product(outputs, k, A, steps, level):
    share = get("6.3").library(outputs, k, A, steps, level)[0]
    m = (share >= level) * steps[:, None]
    m[m == 0] = steps[-1] + 1
    return share, m.amin(0)


# ---- 6.4


def one_by_one(x, theta, u, delta, k):
    def c(p):
        w, b, v = p.double()
        out = sum(v[h] * (w[h] * x.double() + b[h]).clamp(min=0) for h in range(len(w)))
        return torch.stack([(out * torch.exp(-2j * PI * f * torch.arange(len(x)) / len(x))).sum() for f in k.double()])

    before = c(theta)
    return sum((c(theta + delta * d / d.norm()) / before).real for d in u) / len(u)


def by_vmap(x, theta, u, delta, k):
    def c(p):
        return torch.fft.rfft(p[2] @ (p[0][:, None] * x + p[1][:, None]).relu())[k]

    unit = u / (u**2).sum((1, 2), keepdim=True).sqrt()
    after, before = torch.vmap(c)(theta + delta * unit), c(theta)
    return ((after * before.conj()).real / before.abs() ** 2).mean(0).numpy()


def shaken(x, theta, u, delta, k, scale=True, read=lambda after, before: (after / before).real, mean=0):
    def c(p):
        w, b, v = (p[..., i, :, None] for i in range(3))
        return torch.fft.rfft((v * (w * x + b).relu()).sum(-2))[..., k]

    u = u / u.flatten(1).norm(dim=1)[:, None, None] if scale else u
    found = read(c(theta + delta * u), c(theta))
    return found if mean is None else found.mean(mean)


def along_x(x, theta, u, delta, k, turn=torch.pi):
    """The sum written out over x = 2z − 1: π in place of 2π is right, the phase cancels."""
    waves = torch.exp(-1j * turn * k[:, None] * x)

    def c(p):
        w, b, v = (p[..., i, :, None] for i in range(3))
        return ((v * (w * x + b).relu()).sum(-2)[..., None, :] * waves).sum(-1)

    return (c(theta + delta * u / u.flatten(1).norm(dim=1)[:, None, None]) / c(theta)).real.mean(0)


# ---- 6.5


def flower_numpy(f, z, L, goal):
    t = z.numpy().astype(np.float64)
    x = (1 + np.sin(2 * PI * L * t) / 2)[:, None] * np.column_stack([np.cos(2 * PI * t), np.sin(2 * PI * t)])
    points = torch.from_numpy(x).float()
    return x, float(torch.mean((f(points) - goal) ** 2))


def flower_library(f, z, L, goal):
    x = manifolds.flower(z, L)
    return x, torch.nn.functional.mse_loss(f(x), goal)


def flower_with(f, z, L, goal, swell=0.5, turns=2 * PI, error=lambda e: (e**2).mean(), flip=False):
    r = 1 + swell * torch.sin(turns * L * z)
    x = torch.stack([r * torch.cos(2 * PI * z), r * torch.sin(2 * PI * z)], 1)
    x = x.flip(1) if flip else x
    return x, error(f(x) - goal)


RIGHT = {"6.1": [by_scipy, by_newton], "6.2": [looped, by_einsum], "6.3": [by_moments, by_projections],
         "6.4": [one_by_one, by_vmap, along_x], "6.5": [flower_numpy, flower_library]}

WRONG = [  # id, answer, how the hint begins
    ("6.1", by_line, ""),
    ("6.1", half_degree, "P falls as"),
    ("6.1", lambda k, p: -get("6.1").library(k, p), "The exponent of a decay"),
    ("6.1", lambda k, p: get("6.1").library(k, p**2), "P is a power already"),
    ("6.1", lambda k, p: get("6.1").library(k, p.sqrt()), "P is the power"),
    ("6.1", no_centre, "log k has to be centred"),
    ("6.1", lambda k, p: 2.0, ""),
    ("6.1", lambda k, p: round(get("6.1").library(k, p), 1), ""),
    ("6.1", zeros_left_out, "A frequency whose power is 0"),
    ("6.1", smallest_size, ""),
    ("6.1", lambda k, p: 0.0, "log k has to be centred (subtract its mean), and its sum's change of sign"),
    ("6.1", lambda k, p: -np.polyfit(np.log(k[p > 0]), np.log(p[p > 0]), 1)[0] / 2,
     "That is the straight line through log P against log k, with"),
    ("6.2", lambda *a: (v := waves_with(*a)[0], 2 / len(v) * torch.fft.rfft(v)[1:(len(v) + 1) // 2]), "Is the real part asked for"),
    ("6.2", lambda *a: (v := waves_with(*a)[0], 2 / len(v) * torch.fft.rfft(v).real[1:(len(v) + 1) // 2]), "That is the real part"),
    ("6.2", lambda *a: (v := waves_with(*a)[0], 2 / len(v) * torch.fft.rfft(v).imag[1:(len(v) + 1) // 2]), "That is the imaginary"),
    ("6.2", lambda *a: (v := waves_with(*a)[0], 2 / len(v) * torch.fft.rfft(v).abs()[1:len(v) // 2]), "Where N is odd"),
    ("6.2", lambda *a: waves_with(*a, form=torch.cos), "The waves are sines"),
    ("6.2", lambda *a: waves_with(*a, turns=1.0), "2π is missing"),
    ("6.2", lambda z, k, A, phi: waves_with(z, k, A, 2 * PI * k * phi), "The phase φ is added"),
    ("6.2", lambda *a: (waves_with(*a)[0], waves_with(*a)[1] / 2), "Half of each wave"),
    ("6.2", lambda *a: (waves_with(*a)[0], waves_with(*a)[1] ** 2), "Amplitudes are asked for"),
    ("6.2", lambda *a: (waves_with(*a)[0], waves_with(*a)[1] * len(a[0])), "rfft is a sum"),
    ("6.2", lambda *a: (v := waves_with(*a)[0], 2 * torch.fft.rfft(v).abs()[:(len(v) + 1) // 2] / len(v)), "rfft begins"),
    ("6.2", lambda *a: (v := waves_with(*a)[0], 2 * torch.fft.rfft(v).abs()[1:] / len(v)), "rfft ends"),
    ("6.3", censored(ever=lambda reached, i: i > 0), "argmax gives 0 also"),
    ("6.3", censored(ever=lambda reached, i: reached[-1]), "Reached once is learned"),
    ("6.3", censored(rows=slice(1, None)), "The first moment counts as well"),
    ("6.3", censored(rows=slice(None, -1)), "The last moment counts as well"),
    ("6.3", by_the_least_product, "The first moment counts as well"),
    ("6.3", censored(otherwise=torch.inf), "A frequency that was never learned"),
    ("6.3", without_any, "argmax of a row"),
    ("6.3", with_the_end, "Never learned is later"),
    ("6.3", by_the_last, "The first time is asked"),
    ("6.3", lambda o, k, A, s, level: get("6.3").library(o, k, torch.ones_like(A), s, level), "Each amplitude is divided"),
    ("6.3", lambda o, k, A, s, level: get("6.3").library(o, k, 2 * A, s, level), "The amplitude is 2/N"),
    ("6.3", lambda o, k, A, s, level: get("6.3").library(o, k - 1, A, s, level), "rfft begins"),
    ("6.4", lambda *a: shaken(*a, scale=False), "A direction has length 1"),
    ("6.4", lambda *a: shaken(*a, read=lambda c, b: c.abs() / b.abs()), "|c_δ| / |c| counts"),
    ("6.4", lambda *a: shaken(*a, read=lambda c, b: (c - b).abs() / b.abs()), "That is how much changed"),
    ("6.4", lambda *a: shaken(*a).abs(), "T is a signed number: a wave that comes back upside down counts below 0. No |·| after"),
    ("6.4", lambda *a: shaken(*a, mean=None).abs().mean(0),
     "T is a signed number: a wave that comes back upside down counts below 0. No |·| before"),
    ("6.4", lambda *a: shaken(*a).clamp(min=0), "T is a signed number: a wave that comes back upside down counts below 0. It is"),
    ("6.4", lambda *a: shaken(*a, mean=None, read=lambda c, b: c / b).mean(0).abs(), "That is |mean of c_δ| / |c|"),
    ("6.4", lambda *a: shaken(*a, mean=None), "The mean over the directions"),
    ("6.4", lambda x, t, u, d, k: shaken(x, t, u / u.norm(dim=2, keepdim=True), d, k, scale=False),
     "A direction is one vector"),
    ("6.4", lambda x, t, u, d, k: shaken(x, t, u / u.flatten(1).norm(dim=1)[:, None, None] * t, d, k, scale=False),
     "δu is added as it is"),
    ("6.4", lambda x, t, u, d, k: shaken(x, t, u, d, k - 1), "rfft begins"),
    ("6.4", lambda x, t, u, d, k: shaken(x, t, u[:1], d, k), ""),
    ("6.4", lambda x, t, u, d, k: along_x(x, t, u, d, k, 2 * torch.pi), "That is frequency 2k"),
    ("6.5", lambda *a: flower_with(*a, swell=1.0), "The radius swings"),
    ("6.5", lambda *a: flower_with(*a, turns=1.0), "2π is missing"),
    ("6.5", lambda *a: flower_with(*a, flip=True), "First cos"),
    ("6.5", lambda *a: flower_with(*a, error=lambda e: (e**2).sum()), "The error is a mean"),
    ("6.5", lambda *a: flower_with(*a, error=lambda e: e.abs().mean()), "The error is squared"),
    ("6.5", lambda *a: flower_with(*a, error=lambda e: (e**2).mean().sqrt()), "The error is the mean square"),
    ("6.5", lambda *a: (flower_with(*a)[0].T, flower_with(*a)[1]), ""),
]


@pytest.mark.parametrize("name, answer", [(n, f) for n, fs in RIGHT.items() for f in (get(n).library, *fs)],
                         ids=lambda v: getattr(v, "__name__", v))
def test_right_answers_pass(name, answer):
    for seed in range(4):
        score, verdict, _ = evaluate(get(name), answer, seed)
        assert score == get(name).points, (seed, verdict.message, verdict.hint, verdict.expected, verdict.came)


@pytest.mark.parametrize("name, answer, hint", WRONG, ids=[f"{n} {h}" for n, _, h in WRONG])
def test_wrong_answers_fail_with_their_hint(name, answer, hint):
    score, verdict, _ = evaluate(get(name), answer)
    assert score == 0 and verdict.hint.startswith(hint), (verdict.message, verdict.hint)
    for seed in range(1, 4):
        assert evaluate(get(name), answer, seed)[0] < get(name).points, seed


def bisected(k, power, low=0.0, high=5.0, least=0.0):
    log_k = k.log() - k.log().mean()
    for _ in range(40):
        alpha = (low + high) / 2
        trend = ((2 * alpha * log_k).exp() * power * log_k).sum()
        if abs(trend) < least:
            return alpha
        low, high = (low, alpha) if trend > 0 else (alpha, high)
    return alpha


def masked(outputs, k, A, steps, level):
    """The frequencies by a mask, which forgets their order."""
    share = 2 * torch.fft.rfft(outputs, dim=1).abs() / outputs.shape[1]
    share = share[:, torch.isin(torch.arange(share.shape[1]), k)] / A
    return share, torch.where((share >= level).any(0), steps[(share >= level).int().argmax(0)], steps[-1] + 1)


CUT = "T may be above 1: a wave can grow."


@pytest.mark.parametrize("seed", [0, 3, 11])
@pytest.mark.parametrize("name, answer, hint", [
    ("6.1", lambda k, P: bisected(k, P, high=4.0), "The sum is not 0 there."),
    ("6.1", lambda k, P: bisected(k, P, low=0.2), "The sum is not 0 there."),
    ("6.1", lambda k, P: bisected(k, P, least=1e-6), "The sum is not 0 there."),
    ("6.3", masked, "The frequencies came in rising order"),
    ("6.4", lambda *a: get("6.4").library(*a).clamp(max=1), CUT),
    ("6.4", lambda *a: get("6.4").library(*a).clamp(-1, 1), CUT),
])
def test_near_misses_fail_on_every_seed(name, answer, hint, seed):
    score, verdict, _ = evaluate(get(name), answer, seed)
    assert score == 0 and verdict.hint.startswith(hint), verdict
    assert evaluate(get("6.1"), bisected, seed)[0] == 2


@pytest.mark.parametrize("name, written", [("6.2", 2), ("6.3", 0), ("6.4", 2), ("6.5", 1)])
def test_an_answer_that_writes_into_its_input_is_told(name, written):
    def answer(*args):
        result = get(name).library(*args)
        args[written].mul_(2) if args[written].dtype.is_floating_point else args[written].add_(1)
        return result

    if name == "6.5":
        def answer(f, z, L, goal):  # noqa: F811
            result = get(name).library(f, z, L, goal)
            z.mul_(2)
            return result
    score, verdict, _ = evaluate(get(name), answer)
    assert score < get(name).points and "wrote into its input" in verdict.message


def test_the_answers_are_the_librarys():
    """What the exercises ask for is what the lecture runs."""
    rng = np.random.default_rng(0)
    k = np.arange(4, 60)
    power = rng.exponential(size=(3, len(k))) * k**-3.0
    for p, alpha in zip(power, decay.exponent(k, power), strict=True):
        assert float(get("6.1").library(torch.tensor(k / 1.0), torch.tensor(p))) == pytest.approx(alpha, abs=1e-6)
    z = torch.arange(20) / 20
    assert torch.allclose(get("6.5").library(lambda x: x[:, 0], z, 4, z)[0], manifolds.flower(z, 4), atol=1e-6)


@pytest.mark.parametrize("name", RIGHT)
def test_texts_are_whole_and_the_cases_depend_on_the_seed(name):
    exercise = get(name)
    assert len(exercise.hints) == 3 and len(exercise.insight) > 20 and "def " in exercise.solution()
    one, other = exercise.cases(0), exercise.cases(1)
    arrays = [(a.data[k], b.data[k]) for a, b in zip(one, other, strict=True) for k in a.data
              if isinstance(a.data[k], np.ndarray) and a.data[k].shape == b.data[k].shape]
    assert any((a != b).any() for a, b in arrays)


def test_at_least_the_level_and_steps_not_moments():
    right = get("6.3").library

    def above(outputs, k, A, steps, level):
        share = right(outputs, k, A, steps, level)[0]
        reached = share > level
        return share, torch.where(reached.any(0), steps[reached.int().argmax(0)], steps[-1] + 1)

    def moment(outputs, k, A, steps, level):
        share, first = right(outputs, k, A, steps, level)
        reached = share >= level
        return share, torch.where(reached.any(0), reached.int().argmax(0), first)

    for answer, hint in ((above, "At least the level"), (moment, "That is the number of the moment")):
        score, verdict, _ = evaluate(get("6.3"), answer)
        assert score < 2 and verdict.hint.startswith(hint), (verdict.message, verdict.hint)
