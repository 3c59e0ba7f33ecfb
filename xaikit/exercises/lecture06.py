"""Lecture 06's exercises on spectra, 6.1 to 6.3: a power law's exponent, a target and its spectrum, what is learned when."""
import numpy as np

from .formula import formula


def exponent(k, power):
    """α between 0 and 5 for which k^(2α) · power has no trend in log k.  k, power (K,) → a number"""
    log_k = k.log() - k.log().mean()
    low, high = 0.0, 5.0
    for _ in range(40):
        alpha = (low + high) / 2
        trend = ((2 * alpha * log_k).exp() * power * log_k).sum()
        low, high = (low, alpha) if trend > 0 else (alpha, high)
    return (low + high) / 2


def target_and_spectrum(z, k, A, phi):
    """λ(z) and the amplitudes of its frequencies 1, 2, … below N/2.  z (N,), k, A, phi (K,) → (N,), (⌈N/2⌉ − 1,)"""
    import math

    import torch

    values = (A[:, None] * torch.sin(2 * math.pi * k[:, None] * z + phi[:, None])).sum(0)
    amplitudes = 2 * torch.fft.rfft(values).abs() / len(z)
    return values, amplitudes[1:(len(z) + 1) // 2]


def learned(outputs, k, A, steps, level):
    """|c(k)| / A at each moment, and when it first reached the level.  outputs (T, N) → (T, K), (K,)"""
    import torch

    share = 2 * torch.fft.rfft(outputs, dim=1).abs()[:, k] / outputs.shape[1] / A
    reached = share >= level
    first = steps[reached.int().argmax(0)]
    return share, torch.where(reached.any(0), first, steps[-1] + 1)


# ---- the same in numpy, with a place for each mistake


def _exponent(k, power, degree=2.0, centred=True):
    log_k = np.log(k) - np.log(k).mean() * centred
    low, high = 0.0, 5.0
    for _ in range(60):
        alpha = (low + high) / 2
        trend = (np.exp(degree * alpha * (np.log(k) - np.log(k).mean())) * power * log_k).sum()
        low, high = (low, alpha) if trend > 0 else (alpha, high)
    return (low + high) / 2


def _near_zero(alpha, k, power):
    log_k = np.log(k) - np.log(k).mean()
    parts = np.exp(2 * np.clip(alpha, -50, 50) * log_k) * power * log_k
    return abs(parts.sum()) < 2e-3 * np.abs(parts).sum()


def _line(k, power, degree=2):
    x = np.log(k) - np.log(k).mean()
    with np.errstate(divide="ignore"):
        y = np.log(power)
    y = np.where(np.isfinite(y), y, 0)
    return -(x * y).sum() / (degree * (x**2).sum())


def _exponent_cases(rng):
    made = []
    for K, first, alpha, scale, note in ((40, 8, 2.0, 1.0, "40 frequencies from 8 on"), (12, 1, 0.7, 300.0, "a slow decay"),
                                         (60, 5, 3.0, 1.0, "a fast decay"), (20, 2, 1.3, 1.0, "some powers are exactly 0"),
                                         (15, 3, 1.8, 1e-3, "frequencies at unequal distances"),
                                         (50, 6, 4.7, 1e-9, "a very fast decay, small powers"),
                                         (30, 4, 0.05, 1e4, "hardly any decay")):
        k = np.cumsum(rng.integers(1, 6, K)) + first if "unequal" in note else np.arange(first, first + K)
        power = scale * (k / k[0]) ** (-2.0 * alpha) * rng.exponential(size=K) ** (0.1 if "very" in note or "hardly" in note else 1.0)
        power[:2] = scale * (k[:2] / k[0]) ** (-2.0 * alpha)  # the answer then lies well inside [0, 5]
        if "0" in note.split()[-1]:
            power[[5, -1, -2, -3]] = 0  # not in the middle only: the mean of log k counts them
        made.append({"k": k.astype(float), "power": power, "note": note})
    return made


def _wave(z, k, A, phi, form=np.sin, turns=2 * np.pi, inside=False):
    angle = k[:, None] * (z + phi[:, None]) * turns if inside else turns * k[:, None] * z + phi[:, None]
    return (A[:, None] * form(angle)).sum(0)


def _heights(values, factor=2.0, power=1, first=1, form=np.abs):
    n = len(values)
    return (factor * form(np.fft.rfft(values)) / n)[first:(n + 1) // 2] ** power


def _wave_cases(rng):
    made = []
    for N, k, note in ((32, [1, 3, 7], "32 points, three waves"), (15, [2], "an odd number of points, one wave"),
                       (20, [4, 4, 9], "two waves of one frequency")):
        made.append({"z": np.arange(N) / N, "k": np.array(k), "A": rng.uniform(0.5, 2, len(k)),
                     "phi": rng.uniform(0.3, 6, len(k)), "note": note})
    return made


def _learned(outputs, k, A, steps, level, factor=2.0, form=np.abs, offset=0, pick="first", never="after", own=True,
             ever=lambda reached, at: reached.any(0), rows=slice(None), least=np.greater_equal, place=False, cut=False):
    share = factor * form(np.fft.rfft(outputs, axis=1))[:, k + offset] / outputs.shape[1] / (A if own else 1.0)
    reached = np.zeros(share.shape, bool)
    reached[rows] = least(share[rows], level)
    at = {"first": reached.argmax(0), "last": len(steps) - 1 - reached[::-1].argmax(0),
          "for good": len(steps) - np.cumprod(reached[::-1], axis=0).sum(0).clip(1, len(steps))}[pick]
    otherwise = {"after": steps[-1] + 1, "zero": steps[0], "end": steps[-1]}[never]
    return share.clip(max=1) if cut else share, np.where(ever(reached, at), at if place else steps[at], otherwise).astype(float)


def _learned_cases(rng):
    made = []
    for T, N, k, level, note in ((9, 32, [1, 4, 6, 10, 13], 0.5, "waves that come, go, come again, or never come"),
                                 (5, 21, [2, 3], 0.8, "an odd number of points, all learned"),
                                 (4, 16, [5], 0.9, "one frequency, never learned"),
                                 (4, 16, [2, 5], 0.0, "nothing said at first, and a level of 0")):
        k, A = np.array(k), rng.uniform(0.4, 3, len(k))
        share = np.sort(rng.uniform(0, 1.2, (T, len(k))), axis=0)
        share[-1], share[0] = 1.1, 0.1
        if T == 9:
            share[:, 0] = [0.9, 0.8, 0.4, 0.3, 0.6, 0.7, 0.8, 0.9, 1.1]  # known from the first moment on
            share[:, 1], share[:, 3] = [0.1, 0.3, 0.7, 0.4, 0.2, 0.6, 0.9, 1.1, 1.1], rng.uniform(0, 0.4, T)
            share[:, 2] = [0.1, 0.2, 0.4, 0.8, 0.7, 0.4, 0.3, 0.2, 0.1]  # lost for good
            share[:, 4] = [0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.8]  # at the last moment only
            k = k[[2, 0, 4, 1, 3]]  # not in rising order
        if "never learned" in note:
            share[:, 0] = rng.uniform(0.1, 0.8, T)
        for critical in (level, 2 * level):  # rounding decides nothing, nor with a factor 2 forgotten
            share[np.abs(share - critical) < 0.02] += 0.04
        phases = rng.uniform(0, 2 * np.pi, (T, len(k), 1))
        waves = (share * A)[:, :, None] * np.sin(2 * np.pi * k[:, None] * np.arange(N) / N + phases)
        steps = np.cumsum(rng.integers(3, 30, T))
        steps -= steps[0] * (T == 9)  # a step 0 must not look like "never"
        if level == 0:
            waves[:2] = 0  # a share of exactly 0 is at least 0
        made.append({"outputs": waves.sum(1) + rng.normal(size=(T, 1)) * (level > 0), "k": k, "A": A, "steps": steps, "level": level, "note": note})
    return made


EXERCISES = [
    formula(
        id="6.1", title="A power law's exponent", points=2, minutes=12, difficulty=2,
        task="Write `exponent(k, power)`: the α between 0 and 5 for which k^(2α) · power has no trend in log k, Σ k^(2α) P(k) "
             "(log k − mean log k) = 0, where the sum changes its sign from − to +. `k`, `power` (K,) → a number.",
        library=exponent, cases=_exponent_cases, truth=_exponent,
        mistakes=[
            ("That is the straight line through log P against log k: it gives the deep dips of a noisy spectrum the largest "
             "say, and fails where a power is 0. Weigh by k^(2α) P instead.", _line),
            ("That is the straight line through log P against log k, with the powers that are 0 left out: weigh by k^(2α) P "
             "instead, which needs no logarithm of P.", lambda k, power: _line(k[power > 0], power[power > 0])),
            ("P falls as k^(−2α): what came is 2α.", lambda k, power: 2 * _exponent(k, power)),
            ("A power is a squared amplitude: it takes k^(2α), not k^α, to make it flat.",
             lambda k, power: _exponent(k, power, 1.0)),
            ("log k has to be centred (subtract its mean), and its sum's change of sign be found: where |sum| is smallest "
             "may be α = 0, as k^(2α) is smallest there.", lambda k, power: 0.0),
            ("A frequency whose power is 0 still counts in the mean of log k: leave none out.",
             lambda k, power: _exponent(k[power > 0], power[power > 0])),
            ("P is a power already: do not square it.", lambda k, power: _exponent(k, power**2)),
            ("P is the power, as it came: no root of it.", lambda k, power: _exponent(k, np.sqrt(power))),
            ("The exponent of a decay is given as a positive number here.", lambda k, power: -_exponent(k, power)),
        ],
        laws=[("The sum is not 0 there. α may be anywhere between 0 and 5, and P may be small: halve all of that interval until "
               "it is shorter than a thousandth, whatever the size of the sum; log k is centred by its plain mean.", lambda alpha, k, power: _near_zero(alpha, k, power))],
        hints=("The sum is negative where α is too small, and positive where it is too large. Halve the interval from 0 to 5 "
               "again and again.",
               "log_k = k.log() − k.log().mean(); (2 α log_k).exp() is k^(2α) up to a factor that does not matter.",
               "trend = ((2 * alpha * log_k).exp() * power * log_k).sum(); if trend > 0: high = alpha, else low = alpha"),
        insight="This is the maximum of Whittle's likelihood: it uses that a spectrum's scatter is exponential, and its own "
                "scatter is √(6/π²) ≈ 0.78 of the straight line's."),
    formula(
        id="6.2", title="The target and its spectrum", points=1, minutes=6, difficulty=1,
        task="Write `target_and_spectrum(z, k, A, phi)`: λ(z) = Σ A_i sin(2π k_i z + φ_i), and the amplitude of each frequency "
             "1, 2, … below N/2, so that a wave of amplitude 1 gives 1. `z` = (0, 1/N, …), (N,); `k`, `A`, `phi` (K,).",
        library=target_and_spectrum, cases=_wave_cases, outputs=("values", "amplitudes"),
        truth=lambda z, k, A, phi: (v := _wave(z, k, A, phi), _heights(v)),
        mistakes=[
            ("The phase φ is added to 2πkz; it is no shift of z.",
             lambda z, k, A, phi: (v := _wave(z, k, A, phi, inside=True), _heights(v))),
            ("2π is missing: k counts whole periods on [0, 1).",
             lambda z, k, A, phi: (v := _wave(z, k, A, phi, turns=1.0), _heights(v))),
            ("The waves are sines.", lambda z, k, A, phi: (v := _wave(z, k, A, phi, np.cos), _heights(v))),
            ("Half of each wave stands at the frequency −k, which rfft leaves out: the factor is 2/N.",
             lambda z, k, A, phi: (v := _wave(z, k, A, phi), _heights(v, 1.0))),
            ("rfft is a sum over N points: divide by N.",
             lambda z, k, A, phi: (v := _wave(z, k, A, phi), _heights(v, 2.0 * len(z)))),
            ("rfft is a sum over N points: the factor is 2/N.",
             lambda z, k, A, phi: (v := _wave(z, k, A, phi), _heights(v, float(len(z))))),
            ("Amplitudes are asked for, not powers.",
             lambda z, k, A, phi: (v := _wave(z, k, A, phi), _heights(v, power=2))),
            ("That is the real part: an amplitude is |·|, the phase must not matter.",
             lambda z, k, A, phi: (v := _wave(z, k, A, phi), _heights(v, form=np.real))),
            ("That is the imaginary part: an amplitude is |·|, the phase must not matter.",
             lambda z, k, A, phi: (v := _wave(z, k, A, phi), _heights(v, form=np.imag))),
            ("Where N is odd, [1:N // 2] loses the last frequency below N/2: [1:(N + 1) // 2].",
             lambda z, k, A, phi: (v := _wave(z, k, A, phi), _heights(v)[:len(z) // 2 - 1])),
            ("rfft begins with frequency 0, the mean: leave it out.",
             lambda z, k, A, phi: (v := _wave(z, k, A, phi), _heights(v, first=0))),
            ("rfft ends with N/2 where N is even: only frequencies below it are asked for.",
             lambda z, k, A, phi: (v := _wave(z, k, A, phi), (2 * np.abs(np.fft.rfft(v)) / len(z))[1:])),
        ],
        hints=("A[:, None] * torch.sin(2π k[:, None] * z + phi[:, None]) holds one wave in each row.",
               "torch.fft.rfft gives the frequencies 0, 1, …, N/2. |·| · 2/N is the amplitude.",
               "v = (…).sum(0); return v, (2 * torch.fft.rfft(v).abs() / len(z))[1:(len(z) + 1) // 2]"),
        insight="Two waves of one frequency make one, whose amplitude depends on their phases: the spectrum does not say what "
                "it was added up from."),
    formula(
        id="6.3", title="The normalised spectrum during training", points=2, minutes=12, difficulty=2,
        task="Write `learned(outputs, k, A, steps, level)`: the share |c(k)| / A_k at each moment, (T, K), and the first of "
             "`steps` at which it has reached `level`, (K,); last step + 1 where it never did. `outputs` (T, N), `k`, `A` (K,), "
             "`steps` (T,).",
        library=learned, cases=_learned_cases, truth=_learned, outputs=("share", "first"),
        finite="A frequency that was never learned gets last step + 1 here, not infinity.",
        mistakes=[
            ("argmax of a row without a True is 0: a frequency that was never learned looks as if it had been first. Ask "
             "any(0) too.", lambda **c: _learned(**c, never="zero")),
            ("Never learned is later than the last step: last step + 1, or it would tie with what was learned just in time.",
             lambda **c: _learned(**c, never="end")),
            ("argmax gives 0 also where the level was reached at the first moment: only any(0) tells that from never.",
             lambda **c: _learned(**c, ever=lambda reached, at: at > 0)),
            ("Reached once is learned, also if the last moment is below the level: any(0), not the last row.",
             lambda **c: _learned(**c, ever=lambda reached, at: reached[-1])),
            ("The first moment counts as well, also where its step is 0: a step 0 is no sign of \"never\", ask any(0).",
             lambda **c: _learned(**c, rows=slice(1, None))),
            ("At least the level: ≥, not >.", lambda **c: _learned(**c, least=np.greater)),
            ("That is the number of the moment: steps says when it was.", lambda **c: _learned(**c, place=True)),
            ("A share may be above 1, where the network overshoots: it is not cut off there.", lambda **c: _learned(**c, cut=True)),
            ("The last moment counts as well.", lambda **c: _learned(**c, rows=slice(None, -1))),
            ("The first time is asked for, not the last.", lambda **c: _learned(**c, pick="last")),
            ("The first time counts, even if the wave fades again afterwards.", lambda **c: _learned(**c, pick="for good")),
            ("Each amplitude is divided by its own A_k.", lambda **c: _learned(**c, own=False)),
            ("The amplitude is 2/N · |rfft|: half of it stands at −k.", lambda **c: _learned(**c, factor=1.0)),
            ("|c|, not its real part: the network's wave may have any phase.", lambda **c: _learned(**c, form=np.real)),
            ("rfft begins with frequency 0: frequency k stands at place k.", lambda **c: _learned(**c, offset=-1)),
            ("The frequencies came in rising order: a mask forgets the order of k, [:, k] keeps it.",
             lambda k, **c: _learned(k=np.sort(k), **c)),
        ],
        hints=("torch.fft.rfft(outputs, dim=1) transforms each row; [:, k] takes the frequencies.",
               "reached = share >= level is (T, K); reached.int().argmax(0) is the place of the first True, or 0 if there is "
               "none.",
               "torch.where(reached.any(0), steps[reached.int().argmax(0)], steps[-1] + 1)"),
        insight="“Not yet” is knowledge: it is later than all that was seen. Leaving such frequencies out would make the "
                "correlation blind to just those that are hardest."),
]
