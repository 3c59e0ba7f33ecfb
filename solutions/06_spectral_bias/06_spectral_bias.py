# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: nbgrader,tags,slideshow,-all
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 06 · Spectral bias: low frequencies first
#
# A network with a million weights could fit any wiggle. What it fits *first* is smooth. This lecture looks at
# networks through Fourier's glasses: which frequencies a ReLU network has at all, in which order it learns
# them, which it forgets when its weights are shaken, and how the shape of the data changes the order. Then it
# turns to images: which frequencies of a picture a classifier uses, and in which directions its boundary is
# near.
#
# | | |
# |---|---|
# | **You will be able to** | say how fast the spectrum of a ReLU network decays, and in which directions slowest · measure when a network learns a frequency, and rank those that it never learned · define what “robust to a change of the weights” means and measure it · predict which noise on the labels hurts, and when · say why a curved manifold makes high frequencies easier · split an image at a radius and tell which part a classifier uses · measure margins in subspaces |
# | **Time** | 155 minutes, of which 70 for the seven exercises; a break fits well before section 6 |
# | **Builds on** | Fourier series; training a network in PyTorch; lecture 05 (what networks memorise) helps, but is not needed |
# | **Sources** | Rahaman, Baratin, Arpit, Draxler, Lin, Hamprecht, Bengio, Courville 2018, *On the Spectral Bias of Neural Networks* (“the paper” in sections 1 to 5); Wang, Wu, Huang, Xing 2019, *High-Frequency Component Helps Explain the Generalization of Convolutional Neural Networks*; Ortiz-Jimenez, Modas, Moosavi-Dezfooli, Frossard 2020, *Hold me tight! Influence of discriminative features on deep network boundaries* |

# %%
import numpy as np
import pandas as pd
import torch
from IPython.display import display
from scipy.stats import chi2

from xaikit import claims, data, demos, plot, studies
from xaikit.dynamics import components, decay, label_noise, manifolds, margins, perturbation, spectral
from xaikit.exercises import answer, check
from xaikit.source import show_source
from xaikit.studies.lecture06 import larger_runs

# %% [markdown]
# ## 1 · The spectrum of a ReLU network
#
# A **Fourier coefficient** of $f$ says how much of the wave $e^{2\pi ik\cdot x}$ is in it,
# $\tilde f(k)=\int f(x)\,e^{-2\pi ik\cdot x}dx$; $k$ is the wave's **frequency**, a vector if $x$ is one, and
# $|\tilde f(k)|$ over $k$ is the **spectrum**. Smooth functions have next to nothing at high frequencies, a
# function that jumps has a lot.
#
# A ReLU network $f_\theta:\mathbb R^d\to\mathbb R$ with parameters $\theta$ is in between: it is made of flat pieces
# that meet in **kinks**. In one dimension one can compute its spectrum on a blackboard. Its slope is constant
# between kinks, so that its second derivative is nothing but a spike at each kink $x_j$, with the change of
# slope $a_j$ as its height. Differentiating twice multiplies $\tilde f$ by $(2\pi ik)^2$:
#
# $$f''=\sum_ja_j\,\delta_{x_j}\quad\Rightarrow\quad\tilde f(k)=-\frac1{4\pi^2k^2}\sum_ja_j\,e^{-2\pi ikx_j}.$$
#
# The sum over the kinks neither grows nor fades with $k$, so that the amplitude falls as $k^{-2}$, however many
# layers there are.
#
# **Claim** (the paper, theorem 1). In $d$ dimensions the flat pieces are polytopes, with faces of every
# dimension from $d-1$ (the kinks) down to 0 (the corners), and
#
# $$\tilde f_\theta(k)=\sum_{n=0}^d\frac{C_n(\theta,k)\,1_{H_n^\theta}(k)}{|k|^{n+1}} .$$
#
# $H_n^\theta$ is the set of directions orthogonal to some face of **codimension** $n$ (a line in the plane has
# codimension 1, a point 2), $1_H(k)$ is 1 if $k$ lies in $H$ and else 0, and $C_n$ is bounded in $k$. A face of
# codimension 0 is a whole flat piece: only $k=0$ is orthogonal to all of it, so that this term drops out for
# every wave. To a single point all directions are orthogonal: the term $n=d$ always remains. So the
# decay depends on the direction: orthogonal to a kink, $n=1$, it is slowest, $|k|^{-2}$; in almost all other
# directions only corners are left, $n=d$, and it is $|k|^{-d-1}$.
#
# How steep is a measured spectrum, that is, which $\alpha$ fits $|\tilde f(k)|\propto k^{-\alpha}$? The **power** $P(k)=|\tilde f(k)|^2$ of a sum of many waves of random phase
# scatters around its mean like an exponential variable: it is often almost 0. A straight line through
# $\log P$ against $\log k$ listens mostly to these deep dips. Better is the likelihood of exponential variables with the means
# $s\,k^{-2\alpha}$ (Whittle 1953). With the best $s$ for each $\alpha$ put in, it is largest where
# $\log\sum_kk^{2\alpha}P(k)-2\alpha\,\overline{\log k}$ is least, $\overline{\log k}$ being the mean of $\log k$. This is convex in
# $\alpha$, and its derivative is 0 where $k^{2\alpha}P(k)$ has no trend in $\log k$:
#
# $$\sum_kk^{2\alpha}P(k)\,\big(\log k-\overline{\log k}\big)=0 .$$
#
# As $\alpha$ grows, the left side changes its sign once, from − to +.

# %% [markdown]
# ### Exercise 6.1 — a power law's exponent ★★☆ · 12 min · 2 points
#
# Write `exponent(k, power)`: the $\alpha$ between 0 and 5 that solves the equation above, for `k`, `power` (K,) →
# a number, to three decimals. Some of the powers may be exactly 0.


# %% nbgrader={"grade": false, "grade_id": "answer-6.1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def exponent(k, power):
    """α between 0 and 5 for which k^(2α) · power has no trend in log k.  k, power (K,) → a number"""
    ### BEGIN SOLUTION
    log_k = k.log() - k.log().mean()
    low, high = 0.0, 5.0
    for _ in range(40):
        alpha = (low + high) / 2
        trend = ((2 * alpha * log_k).exp() * power * log_k).sum()
        low, high = (low, alpha) if trend > 0 else (alpha, high)
    return (low + high) / 2
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-6.1", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("6.1", exponent)

# %% [markdown]
# Is it worth the trouble? Made-up spectra whose exponent is known to be 2, with exponential scatter: how far
# from 2 do the two estimates fall? (Powers are multiplied by a million, which changes no exponent, to keep them at
# a handy size.)

# %%
k = np.arange(32, 129)
whittle = answer("6.1")
made_up = np.random.default_rng(0).exponential(size=(200, len(k))) * k**-4.0
estimates = {
    "Whittle's α": [float(whittle(torch.tensor(k / 1.0), torch.tensor(p * 1e6))) for p in made_up],
    "straight line": decay.habitual(k, made_up),
}
pd.DataFrame({n: {"mean": np.mean(e), "spread": np.std(e)} for n, e in estimates.items()}).T.round(3)

# %% [markdown]
# Both are right in the mean, within two standard errors; the straight line scatters by a third more, as if it had seen little more
# than half of the data.
#
# **Picture, one dimension.** Spectra of sixty random networks each, of one and of three hidden layers of 32
# ReLUs, and of one with tanh. What a network does beyond the interval that we look at must not matter, and the
# step from its last value back to its first would add a decay $k^{-1}$ of its own. So the function is faded
# out smoothly at both ends first (Kaiser's **window**).

# %%
show_source(decay.spectrum)

# %%
z = torch.arange(4096, dtype=torch.float64) / 4096
kinds = {
    "one layer of ReLUs": ((32,), torch.relu),
    "three layers of ReLUs": ((32, 32, 32), torch.relu),
    "one layer of tanh": ((32,), torch.tanh),
}
spectra = {
    n: decay.spectrum(decay.random_networks((2 * z - 1)[:, None], 60, *kind)) for n, kind in kinds.items()
}
k = np.arange(1, 513)
lines = {n: (k, *np.quantile(s[:, k], [0.5, 0.25, 0.75], axis=0)) for n, s in spectra.items()}
fig, ax = plot.subplots(size=(6.2, 3.6))
plot.bands(lines, ax=ax, log="xy", xlabel="frequency $k$", ylabel=r"amplitude $|\tilde f(k)|$")
ax.plot(k[15:], 2.0 * k[15:] ** -2.0, color=plot.MUTED, lw=1)
ax.text(60, 3.0 * 60**-2.0, "$k^{-2}$", color=plot.MUTED)
ax.set_ylim(1e-10, 10)
plot.describe(
    fig,
    "Spectra of random networks on two logarithmic axes, medians with the middle half as a shade. Both kinds "
    "of ReLU networks run parallel to a line of slope minus 2; that of tanh falls off a cliff.",
)
rows, ranges = {}, ((8, 32), (32, 128), (128, 512))
for name in list(kinds)[:2]:
    for low, high in ranges:
        found = decay.exponent(np.arange(low, high + 1), spectra[name][:, low : high + 1] ** 2)
        rows[name, f"k = {low} … {high}"] = dict(
            zip(("median α", "95 % low", "95 % high"), spectral.interval(found), strict=True)
        )
pd.DataFrame(rows).T.round(2)

# %% [markdown]
# **What to see.** Three hidden layers have more kinks than one, and the same exponent, 2. The theorem is about
# where a function may bend, not about how well it is trained. A smooth activation has no power law at all: tanh
# leaves the figure before $k=20$. The shoulder and the steep fall up to $k\approx6$, which all three share, are the window: it
# smears every frequency over so many neighbours. It may still be felt in the first row, where the exponent is
# somewhat above 2; three layers, in the same range, do not show it. (The shades in this figure are the middle half of the
# networks. Intervals in sections 1 to 5 are bootstrap intervals: the median in sections 1 and 2, the mean in 3 to 5, of
# networks drawn again and again with replacement from those that we have.)
#
# **Picture, two dimensions.** Left, a random network of two layers of 8 ReLUs on the square $[-1,1]^2$, its kinks
# in white: those of the first layer run straight, those of the second bend where they cross them. In the
# middle its spectrum, the frequency 0 in the centre: rays, each orthogonal to one straight kink. Right, the
# amplitude along two directions, marked at the rim of the spectrum: orthogonal to a long straight kink (dashed, in both), and
# the direction farthest from all kinks' normals (dotted). The function is sampled on a fine grid, 640 points a side. On a coarser
# one, the rays would run over its edge and come in again from the other side, as **aliases** that have no
# business there.

# %%
values, angles = decay.planar_network(25, points=decay.FINE)
on, (off, gap) = decay.longest(angles), decay.farthest(angles)
w = decay.window(len(values), 20.0)
plane = np.abs(np.fft.fftshift(np.fft.fft2(values * w * w[:, None]))) / values.size
centre, reach = len(values) // 2, 60
k = np.arange(16, 73)
profile = decay.along(values[None], [on, off], k)[0]
fig, axes = plot.subplots(1, 3, size=(11.4, 3.5))
seen = values[::2, ::2]  # wide enough kinks to be seen
bent = sum(np.abs(np.gradient(np.gradient(seen, axis=a), axis=a)) for a in (0, 1))
axes[0].imshow(np.where(bent > 1e-9, np.nan, seen), origin="lower", extent=(-1, 1, -1, 1), cmap="cividis")
axes[0].set(xlabel="$x_1$", ylabel="$x_2$")
axes[0].set_title("a network of 8 + 8 ReLUs", loc="left")
shown = np.log10(plane[centre - reach : centre + reach + 1, centre - reach : centre + reach + 1])
axes[1].imshow(shown, origin="lower", extent=(-reach, reach, -reach, reach), cmap="cividis", vmin=-7, vmax=-1)
for angle, dash in ((on, "--"), (off, ":")):
    for end in (-1, 1):  # at the rim only: a line would hide the ray
        axes[1].plot(*np.outer([np.cos(angle), np.sin(angle)], [end * 44, end * reach]), color="white", ls=dash)
axes[1].set(xlabel="$k_1$", ylabel="$k_2$")
axes[1].set_title(r"$\log_{10}|\tilde f(k)|$, from −7 to −1", loc="left")
plot.curves(
    {"orthogonal to a long kink": profile[0], "far from all normals": profile[1]},
    x=k,
    ax=axes[2],
    log="xy",
    xlabel="$|k|$",
    ylabel=r"$|\tilde f(k)|$",
)
for line, dash in zip(axes[2].get_lines(), ("--", ":"), strict=True):
    line.set_linestyle(dash)
axes[2].legend(frameon=False)
axes[2].set_xticks([16, 32, 64], labels=["16", "32", "64"])
axes[2].set_xticks([], minor=True)
axes[2].set_ylim(2e-9, 4e-4)
axes[2].set_title("along the two marked directions", loc="left")
plot.describe(
    fig,
    "A function on the square, flat pieces parted by white lines; its spectrum with bright rays through the centre, one for "
    "each direction of a kink; and the amplitude along two directions, of which the one on a ray falls more "
    "slowly.",
)
exponents = decay.anisotropy()
pd.DataFrame(
    {
        name: dict(zip(("median α", "95 % low", "95 % high"), spectral.interval(e), strict=True))
        for name, e in zip(("orthogonal to a long kink", "far from all kinks' normals"), exponents, strict=True)
    }
).T.round(2)

# %% [markdown]
# **What to see.** The table is over eight random networks. On a ray the exponent is 2, off the rays near
# $d+1=3$, with a wide scatter: only the few corners that lie inside the window are left there, their waves add up
# or cancel, and the rays are not far. (Networks in which every direction has some kink's normal within 15° are left
# out, since the window widens each ray.) The theorem's other statement, that the numerator is bounded by the
# number of pieces times the Lipschitz constant of $f$, says why training matters all the same: high frequencies
# need many pieces or steep ones, and both take many steps to make.

# %% [markdown]
# ## 2 · Low frequencies are learned first
#
# **Claim** (the paper, experiment 1). Let a network learn the sum of $K$ waves
#
# $$\lambda(z)=\sum_{i=1}^KA_i\sin(2\pi k_iz+\varphi_i),\qquad z\in[0,1],$$
#
# with frequencies $k_i$, amplitudes $A_i$ and random phases $\varphi_i$. Lower frequencies are learned first, even
# where the higher ones have the larger amplitudes.
#
# The spectrum is that of the network on a grid of $N$ points $z_n=n/N$. With
# $c(k)=\frac2N\sum_nf(z_n)e^{-2\pi ikz_n}$, $|c(k)|$ is the amplitude of the wave with $k$ periods; the two is
# there because half of a real wave stands at $-k$.

# %% [markdown]
# ### Exercise 6.2 — the target and its spectrum ★☆☆ · 6 min · 1 point
#
# Write `target_and_spectrum(z, k, A, phi)`, which returns $\lambda(z)$ and the amplitudes $|c(1)|,|c(2)|,\dots$ of
# all frequencies below $N/2$. `z` is the grid $0,1/N,\dots$ (N,); `k`, `A`, `phi` (K,) → (N,), (⌈N/2⌉ − 1,).


# %% nbgrader={"grade": false, "grade_id": "answer-6.2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def target_and_spectrum(z, k, A, phi):
    """λ(z) and the amplitudes of its frequencies 1, 2, … below N/2.  z (N,), k, A, phi (K,) → (N,), (⌈N/2⌉ − 1,)"""
    ### BEGIN SOLUTION
    values = (A[:, None] * torch.sin(2 * torch.pi * k[:, None] * z + phi[:, None])).sum(0)
    return values, (2 * torch.fft.rfft(values).abs() / len(z))[1 : (len(z) + 1) // 2]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-6.2", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
check("6.2", target_and_spectrum)

# %% [markdown]
# The targets of this section: ten waves, $k=1,\dots,10$, once with equal amplitudes and once with amplitudes
# that grow with $k$.

# %%
z, fine = spectral.grid()[0], torch.arange(1024) / 1024
spectrum_of = answer("6.2")
fig, axes = plot.subplots(2, 2, size=(9.6, 4.4))
for row, growing in zip(axes, (False, True), strict=True):
    A, phi = spectral.target(0, growing)
    k = torch.tensor(spectral.FREQUENCIES)
    amplitudes = spectrum_of(z, k, A, phi)[1]
    plot.curves({"λ": spectrum_of(fine, k, A, phi)[0]}, x=fine, ax=row[0], xlabel="$z$", ylabel="λ(z)")
    row[0].set_title("amplitudes that grow with $k$" if growing else "equal amplitudes", loc="left")
    row[1].bar(np.arange(1, 32), amplitudes, color=plot.COLORS[0])
    row[1].set(xlabel="frequency $k$", ylabel="$|c(k)|$")
plot.describe(
    fig,
    "Two sums of ten waves over z, and their spectra: ten bars of equal height above, ten that grow from 0.1 "
    "to 1 below, and nothing at the frequencies 11 to 31.",
)

# %% [markdown]
# ### Exercise 6.3 — the normalised spectrum during training ★★☆ · 12 min · 2 points
#
# `outputs` (T, N) holds what a network said on the grid at T moments of its training, `steps` (T,) when that
# was. Write `learned(outputs, k, A, steps, level)`, which returns the **share** $|c(k)|/A_k$ that it knows of each
# frequency, (T, K) (above 1 where the network overshoots), and for each frequency the first of `steps` at which the share was
# at least `level`, (K,).
# A frequency that never was is **censored**: all that is known is that it takes longer than we looked. Return
# one more than the last step there, so that it comes after all the others.


# %% nbgrader={"grade": false, "grade_id": "answer-6.3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def learned(outputs, k, A, steps, level):
    """|c(k)| / A at each moment, and when it first reached the level.  outputs (T, N) → (T, K), (K,)"""
    ### BEGIN SOLUTION
    share = 2 * torch.fft.rfft(outputs, dim=1).abs()[:, k] / outputs.shape[1] / A
    reached = share >= level
    first = steps[reached.int().argmax(0)]  # the place of the first True; 0 also where there is none
    return share, torch.where(reached.any(0), first, steps[-1] + 1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-6.3", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("6.3", learned)

# %% [markdown]
# **The experiment.** Networks of five hidden layers of 64 ReLUs, ten for each kind of target, each with phases
# and initial weights of its own, all trained at once with Adam. The paper's networks are larger (6 × 256) and
# learn $k=5,10,\dots,50$ in tens of thousands of steps; on a laptop, in seconds, we ask for $k=1,\dots,10$ in
# 600. The network sees $x=2z-1$.

# %%
show_source(spectral.learn, doc=False)

# %%
def fields(runs, networks):
    """What share of each frequency is learned, over the steps: a panel for each run."""
    fig, axes = plot.subplots(1, 2, size=(10.6, 3.6), sharey=True)
    for ax, (name, run) in zip(axes, runs.items(), strict=True):
        plot.field(
            np.median(run.share, 1).T,
            run.steps,
            run.k,
            ax=ax,
            xlabel="step",
            ylabel="frequency $k$",
            title=name,
            label=f"$|c(k)|\\,/\\,A_k$, median of {networks} networks",
        )
    return fig


runs = {"equal amplitudes": spectral.learn(False), "growing amplitudes": spectral.learn(True)}
fig = fields(runs, "ten")
plot.describe(
    fig,
    "Two fields of the share of each frequency that is learned, over the steps. In both the bright area begins "
    "at frequency 1 at once and spreads upwards to 7 by and by; 8, 9 and 10 end grey.",
)
rows = {}
for name, run in runs.items():
    for level in (0.5, 0.8):
        times = spectral.time_to_learn(run.share, run.steps, level)
        rho = spectral.interval(spectral.rank_correlation(run.k, times))
        rows[name, level] = {"ρ, median": rho[0], "95 % low": rho[1], "95 % high": rho[2]}
        rows[name, level]["never reached"] = np.isinf(times).mean()
        strict = spectral.time_to_learn(run.signed, run.steps, level)  # Re(c / c of the target): the phase counts
        rows[name, level]["ρ with phase, median"] = np.median(spectral.rank_correlation(run.k, strict))
table = pd.DataFrame(rows).T
table.index.names = ["target", "level"]
table.round(2)

# %% [markdown]
# **What to see.** The order is that of the frequencies, from the bottom up. Spearman's $\rho$ is the correlation
# of the *ranks* of frequency and time to reach the level; 1 would be a perfect order without ties. Censored frequencies
# share the last rank (“never reached”: how many there are); ties say nothing about the order among themselves, and lower
# the most that $\rho$ can be (of ten waves, three on the last rank: 0.99; seven: 0.81). With
# growing amplitudes the highest wave is the largest part of the loss, a quarter of it, and the three highest are
# nearly two thirds; yet they come last, and at step 600 only some two thirds of each are learned.
#
# The share $|c(k)|/A_k$ does not ask for the phase: a wave that stands at the wrong place counts as learned. So the
# last column repeats the measurement with $\operatorname{Re}c(k)/c^*(k)$, where $c^*$ is the target's coefficient; only
# the part in phase counts. Training pulls towards the right phase, and the order is the same by both measures. Section 3
# shows a case where they differ.

# %% [markdown]
# **The paper's frequencies, from the longer run.** The same with $k=5,10,\dots,50$ on 200 points, in networks of six layers of
# 128 ReLUs, five for each kind of target. (The paper's have layers of 256 units and more steps;
# `xaikit run 06/larger --full` makes the table again.)

# %%
larger = {f"{target} amplitudes, from the longer run": larger_runs(target) for target in ("equal", "growing")}
fig, rows = fields(larger, "five"), {}
for name, run in larger.items():
    for level in (0.5, 0.8):
        times, strict = (spectral.time_to_learn(share, run.steps, level) for share in (run.share, run.signed))
        rho = spectral.rank_correlation(run.k, times)
        rows[name.partition(",")[0], level] = {"ρ, median": np.median(rho), "least": rho.min(), "most": rho.max()}
        rows[name.partition(",")[0], level]["never reached"] = np.isinf(times).mean()
        rows[name.partition(",")[0], level]["ρ with phase, median"] = np.median(spectral.rank_correlation(run.k, strict))
plot.describe(
    fig,
    "Two fields of the share of each frequency from 5 to 50 that is learned, over the steps. Bright areas spread from the bottom "
    "upwards; with equal amplitudes all frequencies end bright, with growing ones the highest stay dim.",
)
table = pd.DataFrame(rows).T
table.index.names = ["target", "level"]
table.round(2)

# %% [markdown]
# **What to see.** The same order over five times the range: the bright area grows from the bottom, and with equal amplitudes
# every wave is at least half learned in the end. With growing amplitudes fewer are learned in the same number of steps,
# although the highest waves are again most of the loss; those that never were share the last rank. The $\rho$ of the last
# row is no weaker order: with about seven of ten waves on the last rank it is nearly the most there can be. (Rows that flicker at first, as $k=5$
# with growing amplitudes does, are not learning: $A$ is small there, and the network's own waves of low frequency are large beside it. And not every row waits for the
# one below it: the order is one of many waves, not a law for each pair.)
#
# **Try it.** Depth, width and the step. With one layer, almost nothing beyond the lowest frequencies is
# learned in these 600 steps.

# %% tags=["demo"]
demos.get("06/order").show()

# %% [markdown]
# ## 3 · Low frequencies survive
#
# **Claim** (the paper, experiment 2). In a trained network, low frequencies are more robust than high ones
# against random changes of the weights.
#
# **Formula.** What does “robust” mean? Let $\theta$ be all parameters of the trained network, $u$ a random
# direction of length 1 in the space of all parameters, $c_\delta(k)$ the coefficients of the network with
# $\theta+\delta u$. It would be tempting to look at $|c_\delta(k)|/|c(k)|$, what is there afterwards over what was
# there before. But a network with random weights is itself a random function, mostly of low frequencies
# (section 1), and its waves would count as survivors. What we want to know is how much of *this* wave is left,
# and that is a signed number, the **transfer**
#
# $$T(k,\delta)=\operatorname{mean}_u\operatorname{Re}\frac{c_\delta(k)}{c(k)} .$$
#
# It is 1 where the wave stays as it was, ½ where half of it is left, and 0 where only noise of any phase
# remains. A single direction says little; we take 64 for each network.

# %% [markdown]
# ### Exercise 6.4 — shaking the weights ★★☆ · 12 min · 2 points
#
# For a network with one hidden layer, $f(x)=\sum_hv_h\,\text{ReLU}(w_hx+b_h)$, with $\theta=(w,b,v)$ as the three
# rows of `theta` (3, H): write `transfer(x, theta, u, delta, k)`, the transfer $T(k,\delta)$ for the frequencies
# `k` (K,), over the directions `u` (M, 3, H). They come unscaled; a direction is one vector of $3H$ numbers. `x`
# (N,) is $2z-1$ on the grid $z_n=n/N$; $k$ counts periods in $z$, as in section 2. → (K,), signed numbers.


# %% nbgrader={"grade": false, "grade_id": "answer-6.4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def transfer(x, theta, u, delta, k):
    """T(k): mean over the directions u of Re(c_δ(k) / c(k)).  x (N,), theta (3, H), u (M, 3, H), k (K,) → (K,)"""
    ### BEGIN SOLUTION

    def coefficients(p):  # (…, 3, H) → (…, K); the factor 2/N cancels
        w, b, v = p.unsqueeze(-1).unbind(-3)  # each (…, H, 1)
        return torch.fft.rfft((v * (w * x + b).relu()).sum(-2))[..., k]

    u = u / u.flatten(1).norm(dim=1)[:, None, None]
    return (coefficients(theta + delta * u) / coefficients(theta)).real.mean(0)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-6.4", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("6.4", transfer)

# %% [markdown]
# **Picture.** The networks of section 2 (equal amplitudes), 64 directions for each of the ten. Right, the
# tempting measure beside the transfer, for the largest change.

# %%
deltas = (0.5, 1.0, 2.0, 3.0, 4.0)
survived = perturbation.survival(deltas)  # (δ, networks, frequencies)
sizes = perturbation.sizes(deltas[-1])
fig, axes = plot.subplots(1, 2, size=(10.4, 3.6))
k = runs["equal amplitudes"].k
plot.curves(
    {f"δ = {d:g}": t.mean(0) for d, t in zip(deltas, survived, strict=True)},
    x=k,
    ax=axes[0],
    xlabel="frequency $k$",
    ylabel="transfer $T(k, δ)$",
)
for i in (1, -1):  # intervals of two of them: five shades on each other could not be told apart
    low, high = spectral.interval(survived[i], np.mean)[1:]
    axes[0].fill_between(k, low, high, color=plot.COLORS[i % len(deltas)], alpha=0.18, lw=0)
plot.bands(
    {
        f"transfer, δ = {deltas[-1]:g}": (k, *spectral.interval(survived[-1], np.mean)),
        "mean of $|c_δ|/|c|$": (k, *spectral.interval(sizes, np.mean)),
    },
    ax=axes[1],
    xlabel="frequency $k$",
    ylabel="what is left",
)
for ax in axes:
    ax.axhline(1, color=plot.MUTED, lw=0.8)
plot.describe(
    fig,
    "Left, the transfer over the frequency for five sizes of the change, with 95 % intervals for two of them: all start near 1 "
    "at frequency 1 and fall with the frequency, the more the larger the change. Right, the transfer for the "
    "largest change beside the mean ratio of the amplitudes, which stays higher.",
)
theta = [torch.cat([p.flatten() for p in runs["equal amplitudes"].histories.model(e).parameters()]) for e in range(10)]
print(f"length of θ, mean of the ten networks: {np.mean([float(t.detach().norm()) for t in theta]):.1f}")
slopes = spectral.rank_correlation(k, -survived)  # (δ, networks): 1 if T falls from each frequency to the next
pd.DataFrame(
    {
        f"δ = {d:g}": {
            "T of k = 1, 2": t[:, :2].mean(),
            "T of k = 9, 10": t[:, -2:].mean(),
            "networks with T lower at k = 9, 10": (t[:, -2:].mean(1) < t[:, :2].mean(1)).mean(),
            "Spearman's ρ of k and −T, median": np.median(s),
        }
        for d, t, s in zip(deltas, survived, slopes, strict=True)
    }
).T.round(2)

# %% [markdown]
# **What to see.** The high waves fade, and the more so the larger the change; the largest is about a
# quarter of $\|\theta\|$. The low ones do not, and whether they even grow is open: the intervals of $k=1$ and 2 contain 1.
# (A transfer above 1 is no mistake: a change of the weights can make a wave larger, too.) The mean ratio of the amplitudes
# must lie above the transfer, as $|c_\delta/c|\ge\operatorname{Re}(c_\delta/c)$. The surprise is how far at $k=1$: about twice the wave seems to have
# survived, since there it counts the noise. In
# the paper's view, high frequencies need a finely tuned combination of parameters; they live in a small volume
# of the space of all weights.

# %% [markdown]
# ## 4 · Noise on the labels has a frequency too
#
# **Claim** (the paper, experiment 3). If noise is added to the targets, then noise of low frequency does more
# harm than noise of high frequency of the same amplitude, and the noise of high frequency does it later: there,
# the validation error has a dip early in training.
#
# **Formula.** Two digits, 3 and 8, of $8\times8$ pixels with values from 0 to 4, are told apart by regression: the target is $\tau_0(x)=-1$ for a 3 and $+1$ for
# an 8. To it we add $\beta$ times a **radial wave**,
#
# $$\tau(x)=\tau_0(x)+\beta\,\psi_k(x),\qquad\psi_k(x)=\sin(k\|x\|),$$
#
# with amplitude $\beta$ and frequency $k$ along the norm of the image. No noise in the usual sense, since it is a
# function of $x$, and that is the point: it can be learned, and its frequency is known. The network is trained
# on $\tau$ and judged on fresh digits by its distance from the clean $\tau_0$.

# %%
(x, clean), _ = label_noise.digits()
norms = x.norm(dim=1)
fig, ax = plot.subplots(size=(6.4, 3.0))
r = np.linspace(float(norms.min()), float(norms.max()), 600)
plot.curves(
    {f"$k$ = {k:g}": np.sin(k * r) for k in label_noise.FREQUENCIES},
    x=r,
    ax=ax,
    xlabel="norm of the image, $\\|x\\|$",
    ylabel=r"$\psi_k(x)$",
)
ax.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
ax.plot(norms, np.full(len(norms), -1.15), "|", color=plot.MUTED, ms=6)
plot.describe(
    fig,
    "The radial wave over the norm of the images for three frequencies, on the range of norms that the digits "
    "have, with a tick for each digit: for 0.1 almost a constant, for 1 most of a period, for 10 many periods.",
)

# %%
show_source(label_noise.curves, doc=False)

# %% [markdown]
# **Picture.** Five networks for each noise, $\beta=1$, no early stopping.

# %%
steps, validation, training = label_noise.curves()  # (T,), (T, noise, network)
names = ["no noise", *(f"$k$ = {k:g}" for k in label_noise.FREQUENCIES)]
fig, axes = plot.subplots(1, 2, size=(10.4, 3.6))
for ax, error, title in zip(
    axes, (validation, training), ("fresh digits, from the clean target", "training digits, from the noisy target"), strict=True
):
    plot.bands(
        {
            n: (steps[1:], *spectral.interval(error[1:, i].T, np.mean, draws=400))
            for i, n in enumerate(names)
        },
        ax=ax,
        log="x",
        xlabel="step",
        ylabel="mean squared error",
        title=title,
    )
plot.describe(
    fig,
    "Left, the error on fresh digits over the steps. Without noise it falls; with k = 0.1 it rises from the "
    "first step and ends where it began; with k = 1 and 10 it first falls as without noise and then rises again. Right, the error on "
    "the noisy training targets, which falls last for k = 10.",
)
rows, (fresh, _) = {}, label_noise.digits()[1]
squares = [0.0, *(float(label_noise.radial_wave(fresh, k).square().mean()) for k in label_noise.FREQUENCIES)]
for i, name in enumerate(["no noise", *(f"k = {k:g}" for k in label_noise.FREQUENCIES)]):
    dips = spectral.interval(label_noise.dip(validation[:, i]), np.mean)
    rows[name] = {
        "mean square of ψ": squares[i],
        "error at its best": validation[:, i].min(0).mean(),
        "error at the end": validation[-1, i].mean(),
        "dip": dips[0],
        "95 % low": dips[1],
        "95 % high": dips[2],
        "training error at the end": training[-1, i].mean(),
    }
pd.DataFrame(rows).T.round(3)

# %% [markdown]
# **What to see.** The *dip* is how far the lowest point of a curve lies below its end, as a part of the end.
# For $k=0.1$ the wave is almost the constant 1 over all digits, no more than an offset of the output. It is learned
# with the very first steps, and spoils the validation at once: at no moment is the network any good. (The bump
# near step 20: by then the output is about $+1$ for both digits, right for an 8 and wrong by 2 for a 3; half of
# $2^2$ is 2.) For $k=1$ and $k=10$ the curve first goes along
# with that of no noise, since the network learns the digits before the wave, and it turns upwards only when the
# wave is learned; the higher $k$, the later (for $k=10$ the training error, right, is still falling when we
# stop; so its dip is the shallower one, for its curve has not yet risen to its end). So “low frequencies hurt” and “high frequencies show a dip” are two sides of one thing: the validation
# suffers at once from low frequencies, and whoever stops early loses much less to high ones; not nothing, as the
# column “at its best” shows beside the row without noise. Mind which comparison carries this: $k=0.1$ is an offset more than a wave.
# Between the two real waves, $k=1$ and 10, the difference at the best moment is small (a row of the last table has it); it is large only
# at the end.
#
# Mind the size of the noise. All three waves have the same amplitude, but the constant has twice the mean
# square of the others. A network that learned $\tau$ to perfection would have this mean square as its error: for
# $k=0.1$ and $k=1$ the error at the end comes near to it, for $k=10$ it is less than half. So even at equal
# mean square the high wave does less harm, because less of it has been learned.

# %% [markdown]
# ## 5 · Not all manifolds are learned equal
#
# So far the frequency was counted along the input. But data often lie on a thin curved surface in it, a
# **manifold**, and what we call the frequency of a target, say how often it changes along the manifold, is not
# what the network sees. Let $\gamma:[0,1]\to\mathbb R^d$ be the curve on which the data lie, $\tau$ the target on it and
# $\lambda=\tau\circ\gamma$ the same target as a function of the **latent** variable $z$. Then the error on the curve is
# the error of $f\circ\gamma$ in $z$:
#
# $$\text{MSE}[f,\tau]=\mathbb E_z\,|f(\gamma(z))-\lambda(z)|^2 .$$
#
# **Claim** (the paper, experiments 4 and 5). On a curve that winds more, the same $\lambda$ is easier to learn, its
# high frequencies above all, in regression as well as in classification and whatever the loss. If $\gamma$ itself
# is full of high frequencies, then $f$ can be slow in $x$ and $f\circ\gamma$ fast in $z$.
#
# The curves are flowers with $L$ petals:
#
# $$\gamma_L(z)=\big(1+\tfrac12\sin2\pi Lz\big)\,(\cos2\pi z,\ \sin2\pi z),\qquad L=0\text{ is the circle}.$$

# %% [markdown]
# ### Exercise 6.5 — a flower and the error on it ★☆☆ · 5 min · 2 points
#
# Write `on_flower(f, z, L, goal)`, which returns the points $\gamma_L(z)$ and the mean over $z$ of
# $(f(\gamma_L(z))-\text{goal})^2$. `f` takes (N, 2) and returns (N,); `z`, `goal` (N,), `L` a whole number → (N, 2), a
# number.


# %% nbgrader={"grade": false, "grade_id": "answer-6.5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def on_flower(f, z, L, goal):
    """γ_L(z), and the mean squared error of f ∘ γ_L.  z, goal (N,), L a whole number → (N, 2), a number"""
    ### BEGIN SOLUTION
    radius, angle = 1 + 0.5 * torch.sin(2 * torch.pi * L * z), 2 * torch.pi * z
    x = torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], 1)
    return x, ((f(x) - goal) ** 2).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-6.5", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("6.5", on_flower)

# %% [markdown]
# Can a slow function of $x$ be a fast one of $z$? Take $f(x)=2(\|x\|-1)$, a cone. On the circle it is 0
# everywhere; on a flower it is a wave with $L$ periods. Here is its error for the target $\sin2\pi16z$, and the
# curves with that target as their colour:

# %%
z = torch.arange(512) / 512
fast = torch.sin(2 * torch.pi * 16 * z)
error_on = answer("6.5")
fig, axes = plot.subplots(1, 4, size=(11.6, 2.9), sharey=True)
for ax, petals in zip(axes, manifolds.PETALS, strict=True):
    points, error = error_on(lambda x: 2 * (x.norm(dim=1) - 1), z, petals, fast)
    ax.scatter(*points.T, c=fast, cmap=plot.SIGNED, s=5)
    ax.set(xlabel="$x_1$", aspect="equal")
    ax.set_title(f"L = {petals}, the cone's error {float(error):.2f}", loc="left", fontsize=9.5)
axes[0].set_ylabel("$x_2$")
plot.describe(
    fig,
    "A circle and three flowers with 4, 10 and 16 petals, coloured by the sign and size of a wave with 16 "
    "periods. Only with 16 petals every petal has one colour outside and the other inside.",
)

# %% [markdown]
# **Experiment 4: regression.** Networks $f:\mathbb R^2\to\mathbb R$ of four layers of 64 ReLUs learn the sum of ten waves,
# $k=2,4,\dots,20$, on each curve; five random sets of phases and weights, 300 steps.

# %%
flowers = manifolds.regression()
high = flowers.share[-1][..., flowers.k >= 14].mean(-1)  # (L, network)
fig, axes = plot.subplots(1, 4, size=(12.6, 3.2), width_ratios=[1, 1, 1, 1.2])
shares = {f"L = {L}": (flowers.k, *spectral.interval(s, np.mean)) for L, s in zip(flowers.petals, flowers.share[-1], strict=True)}
for ax, name in zip(axes, list(shares)[1:], strict=False):  # each flower beside the circle
    plot.bands({"circle, L = 0": shares["L = 0"], name: shares[name]}, among=("circle, L = 0", *list(shares)[1:]), ax=ax,
               xlabel="frequency $k$ along the curve", ylabel="share learned, $|c(k)|/A_k$" if ax is axes[0] else "")
    ax.set(xticks=flowers.k[::2], ylim=(0, 1.35))
means, low, up = spectral.interval(high.T, np.mean)
plot.intervals(
    means,
    low,
    up,
    [f"L = {L}" for L in flowers.petals],
    ax=axes[3],
    xlabel="share of $k$ = 14 … 20, 95 % intervals",
)
plot.describe(
    fig,
    "Three panels with the share of each frequency that is learned, for 4, 10 and 16 petals beside the circle: near 1 for low frequencies, "
    "and falling, most for the circle. Right, the share of the high frequencies with its interval, growing "
    "with the number of petals.",
)
table = pd.DataFrame(
    {
        f"L = {L}": {"share of k ≥ 14": h.mean(), "error / mean square of λ": e.mean()}
        for L, h, e in zip(flowers.petals, high, flowers.loss, strict=True)
    }
).T
for a, b in ((3, 0), (3, 2)):
    mean, low, up = spectral.interval(flowers.loss[a] - flowers.loss[b], np.mean)
    print(f"error, L = {flowers.petals[a]} less L = {flowers.petals[b]}: {mean:+.3f} ({low:+.3f} … {up:+.3f})")
middle = flowers.share[-1][..., (flowers.k >= 8) & (flowers.k <= 12)].mean(-1)
mean, low, up = spectral.interval(middle[3] - middle[1], np.mean)
print(f"share of k = 8, 10, 12, L = 16 less L = 4: {mean:+.2f} ({low:+.2f} … {up:+.2f})")
table.round(3)

# %% [markdown]
# **What to see.** The high frequencies gain with $L$, from the circle to $L=10$; from there to 16 nothing more, and
# the intervals overlap. The error as a whole falls too, but is lowest at $L=10$ in the mean; whether 16 petals are worse again, five
# networks do not decide (lines above the table). With 16 the *middle* frequencies, $k=8$ to 12, are learned less well than with 4 petals (last line; that they
# are below the circle's or those of $L=10$, too, is not decided), perhaps because what was slow in $z$ is now cut into pieces by the petals.
#
# One thing should surprise you. After the cone we expect that with 16 petals $k=16$ is learned best of all, and the
# curve has a low point there. Why? The cone is $\sin2\pi16z$, high where the petals are out and low where they are
# in. A wave with another phase is not a function of the radius, and our phases are random. So set the phase of
# this one wave, and leave the nine others random (four networks for each):

# %%
phased = {name: spectral.interval(share, np.mean) for name, share in manifolds.in_phase().items()}
pd.DataFrame(
    {
        f"{name} 2π16z on 16 petals": dict(zip(("share learned", "95 % low", "95 % high"), found, strict=True))
        for name, found in phased.items()
    }
).T.round(2)

# %% [markdown]
# **What to see.** In step with the petals the wave is learned completely; shifted by a quarter of a period, not even half of it is:
# same curve, same frequency in $z$. For the network, only the first is slow in $x$. So the number of petals is not all. They
# help a wave out of step too ($L=4$ and 10 above), perhaps because the curve is longer and the same wave slower along it;
# most they help one that winds in step with them.
#
# **Experiment 5: classification.** The label is the sign of $\sin(2\pi kz+\varphi)$; networks of 32 ReLUs per layer
# learn it with the squared error and with the cross-entropy (BCE).

# %%
right = manifolds.classification()
fig, axes = plot.subplots(1, 2, size=(10.4, 3.4), sharey=True)
for ax, (name, share) in zip(axes, right.items(), strict=True):
    plot.bands(
        {
            f"$k$ = {k}": (manifolds.PETALS, *spectral.interval(share[:, i].T, np.mean))
            for i, k in enumerate((8, 16, 24))
        },
        ax=ax,
        xlabel="petals $L$",
        ylabel="share of points with the right sign",
        title=name,
    )
    ax.axhline(0.5, color=plot.MUTED, lw=0.8)
plot.describe(
    fig,
    "The share of points classified right over the number of petals, for three frequencies and two losses. Both "
    "losses look alike. For frequency 16 it grows with the petals, for 24 it grows up to 10 petals, for 8 it falls "
    "from 4 petals to 10.",
)

# %% [markdown]
# **What to see.** Five networks for each point, 120 steps; the grey line is guessing. The two losses tell the same story. $k=16$, which the
# networks hardly learn on the circle, gains in the mean from each $L$ to the next (the last step, to 16, is not decided), and $k=24$ gains too, less, and from $L=10$ to 16 no more. $k=8$, which some
# networks learn on the circle and some do not, does not: from $L=4$ to
# 10 it gets harder. (The phases are random here, too: that five networks differ so much with 16 petals may be the effect of the phase again.) “More petals are better” holds for what was too fast for the circle, and not for everything.

# %% [markdown]
# ## 6 · High-frequency components of images
#
# **Claim** (Wang et al. 2019). People recognise an image by its low frequencies. A CNN also learns from high ones
# that people hardly see, and much that is strange about its generalisation comes from there.
#
# **Formula.** The centred discrete Fourier transform of an image $x$ has its constant frequency in the middle. With
# a radius $r$, the **low-frequency component** $x_l$ is what the frequencies at distance $r$ or less from the middle
# make; the rest is the **high-frequency component** $x_h$:
#
# $$x=x_l+x_h .$$
#
# Their images are $32\times32$ (CIFAR-10) and their radii 4, 8, 12 and 16. Our digits have $8\times8$ pixels, and
# the radii become 1, 2, 3 and 4.
#
# **Try it.** A photograph, its spectrum and its two components. How small can $r$ be until you do not recognise it
# any more? And what do you recognise in $x_h$?

# %% tags=["demo"]
demos.get("06/components").show()

# %% [markdown]
# ### Exercise 6.6 — low and high frequencies of an image ★★☆ · 8 min · 2 points
#
# Write `split(images, r)`: images (N, H, W) and a radius → $x_l$ and $x_h$, both (N, H, W) and real. In the centred
# transform the constant frequency stands at (H // 2, W // 2); a frequency at the very distance $r$ is low. H and W
# may be odd, or differ.


# %% nbgrader={"grade": false, "grade_id": "answer-6.6", "locked": false, "schema_version": 3, "solution": true, "task": false}
def split(images, r):
    """The low and the high component of each image.  images (N, H, W), r a number → (N, H, W), (N, H, W)"""
    ### BEGIN SOLUTION
    N, H, W = images.shape
    down, across = torch.arange(H) - H // 2, torch.arange(W) - W // 2
    inside = down[:, None] ** 2 + across**2 <= r**2
    spectrum = torch.fft.fftshift(torch.fft.fft2(images), dim=(1, 2)) * inside
    low = torch.fft.ifft2(torch.fft.ifftshift(spectrum, dim=(1, 2))).real
    return low, images - low
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-6.6", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("6.6", split)

# %% [markdown]
# **Picture.** Four digits with your split (or the library's, if yours has not passed), and how much of the variance
# of all digits each $x_l$ holds.

# %%
digits = components.digits()[0][:, 0]
cut, shown = answer("6.6"), digits[[3, 8, 12, 40]]
pairs = {r: cut(shown, r) for r in components.RADII}
pictures = [shown, *(part for pair in pairs.values() for part in pair)]
energy = {r: pair[1].pow(2).sum() / shown.pow(2).sum() for r, pair in pairs.items()}
names = ["x", *(text for r in pairs for text in (f"$x_l$, r = {r}", f"$x_h$, {energy[r]:.0%}"))]
axes = plot.grid(
    [p[i] for i in range(4) for p in pictures],
    titles=names + [None] * 27,
    columns=9,
    signed=[k % 9 in (2, 4, 6, 8) for k in range(36)],
    size=1.15,
)
plot.describe(
    axes[0],
    "Four digits of 8 by 8 pixels, each with its low and high component for the radii 1 to 4. At radius 1 the low "
    "part is a blur and the digit stands in the high part; at radius 3 it is the other way round.",
)
centred = digits - digits.mean(0)
for r in components.RADII:
    held = cut(centred, r)[0].pow(2).sum() / centred.pow(2).sum()
    print(f"r = {r}: x_l holds {held:.0%} of the variance, with {components.disc(8, r).sum()} of 64 frequencies")

# %% [markdown]
# **What to see.** A digit of eight pixels is a coarse thing: its strokes are two pixels wide and live at radius 2
# and 3. At $r=2$ the two components hold about half of the variance each; we come back to that.
# ($x_h$ is signed, red above 0 and blue below, each on a scale of its own; above it, how much of the squares of the four digits it holds.)
#
# **The table.** For each component five CNNs (8 kernels of $5\times5$, 32 hidden units) are trained on it alone,
# and tested on the original images. All of these networks train in one call.

# %%
show_source(components.on_components)

# %%
paper = {("low", 1): (0.9668, 0.6167), ("low", 2): (0.9786, 0.7154), ("low", 3): (0.9786, 0.7516)}
paper |= {("low", 4): (0.9839, 0.7714), ("high", 1): (0.9885, 0.2002), ("high", 2): (0.9768, 0.092)}
paper |= {("high", 3): (0.9797, 0.0997), ("high", 4): (0.9384, 0.1281), ("all", 0): None}  # the last is ours: whole images
ours, longer = components.table(), studies.table("06/cifar-components")


def cell(table, part, r, column):
    """The mean over networks and its 95 % interval, as text."""
    mean, low, high = components.interval(
        table[(table.part == part) & (table.radius == r)][column].to_numpy()
    )
    return f"{mean:.2f} ({low:.2f} … {high:.2f})"


def beside_paper(table, name, size):
    """Our table beside the paper's, which has radii of 32 × 32 images."""
    rows = {}
    for (part, r), numbers in paper.items():
        r = r * size // 8
        row = f"{part}, r = {r} of {size}" if numbers else "whole images"
        rows[row] = {f"paper: {k}": f"{v:.2f}" for k, v in zip(("train", "test"), numbers or (), strict=bool(numbers))}
        rows[row] |= {f"{name}: {c}": cell(table, part, r, c) for c in ("train", "test", "own")}
    return pd.DataFrame(rows).T.fillna("–")


beside_paper(ours, "digits", 8)

# %%
beside_paper(longer, "CIFAR-10, longer run", 32)

# %% [markdown]
# “Test” is on the original test images, as in the paper; “own” on the same component of the test images. The
# intervals (95 %, Student's t) are over five networks. The second table comes from the longer run: small CNNs on
# 1,000 images of CIFAR-10 (`xaikit run 06 --full` makes it again where CIFAR-10 is on the machine). They are trained
# for 16 passes and fit their training images by far not as well as the paper's networks do, which saw all 50,000.
#
# **What to see.** On **digits** the low half of the table is the paper's: the larger $r$, the better. The high half
# is not: networks that saw only $x_h$ recognise many of the original images, three quarters and more up to $r=2$, fewer
# beyond. The column “own”
# says why: at $r=1$ the high component *is* the digit. What the paper calls high, beyond 4 of 32, is in these small
# scans still stroke. Even at $r=4$, where only the finest stripes are left, 17 of 64 frequencies at or near the rim of the spectrum, half of the
# components themselves are told right, five times chance.
#
# On **CIFAR-10** it is the other way round. The high half is the paper's, at or near the chance of 0.1 on whole
# images, although up to $r=12$ more is right on the component itself. The low half is flat: what so small a CNN learns
# of 1,000 photographs in this time is all within $r=4$, and more detail does not help it.
#
# **What is picked up, and how much?** Train on whole images, and ask on the way how well the network does on the components
# of its *own training images*. With true labels, the authors expect, low frequencies first; with shuffled labels
# there is nothing that a low frequency would tell better, and both are memorised alike. We look at $r=2$, where
# each component holds about half of the variance: 200 digits, 300 steps of 50 images. On the right the same from the
# longer run on CIFAR-10, at its $r=4$: 500 images, 600 steps of 50, nearly four times as many passes as in the table
# above, so that these networks do learn their training images by heart.

# %%
learned, cifar = components.picked_up(), studies.table("06/cifar-labels")
fig, panels = plot.subplots(1, 4, size=(13.2, 3.1), sharey=True)
for i, kind in enumerate(("true", "shuffled")):
    mine = slice(5 * i, 5 * i + 5)
    lines = {
        label: (learned.steps, *components.interval(learned.measured[name][:, mine]))
        for label, name in (("whole images", "all"), ("$x_l$", "low 2"), ("$x_h$", "high 2"))
    }
    plot.bands(lines, ax=panels[i], xlabel="step", title=f"digits, {kind} labels, r = 2", legend=not i)
    wide = cifar[cifar.labels == kind].pivot(index="step", columns="seed")
    lines = {
        label: (wide.index.to_numpy(), *components.interval(wide[name].to_numpy()))
        for label, name in (("whole images", "all 0"), ("$x_l$", "low 4"), ("$x_h$", "high 4"))
    }
    plot.bands(lines, ax=panels[2 + i], xlabel="step", title=f"CIFAR-10, {kind} labels, r = 4", legend=False)
panels[0].set(ylabel="training accuracy", ylim=(0, 1.02))
plot.describe(
    fig,
    "Accuracy on training images and on their two components over training, digits and CIFAR-10. With true labels "
    "the low component leads the high one; on digits with shuffled labels both end near a fifth, the high one "
    "slightly ahead; on CIFAR-10 the low one leads with shuffled labels too.",
)
shares = []
for kind, mine in (("true", slice(0, 5)), ("shuffled", slice(5, 10))):
    difference = (learned.measured["low 2"] - learned.measured["high 2"])[-1, mine]
    mean, low, high = components.interval(difference)
    shares.append(f"{kind}: {mean:+.2f} ({low:+.2f} … {high:+.2f})")
print("digits, accuracy on x_l minus accuracy on x_h at the end:", "; ".join(shares))
shares = []
for kind in ("true", "shuffled"):
    end = cifar[(cifar.labels == kind) & (cifar.step == cifar.step.max())]
    mean, low, high = components.interval((end["low 4"] - end["high 4"]).to_numpy())
    shares.append(f"{kind}: {mean:+.2f} ({low:+.2f} … {high:+.2f})")
end = cifar[cifar.step == cifar.step.max()].assign(lead=lambda t: t["low 4"] - t["high 4"]).pivot(index="seed", columns="labels", values="lead")
print("CIFAR-10, the same:", "; ".join(shares), "; true less shuffled: {:+.2f} ({:+.2f} … {:+.2f})".format(*components.interval((end.true - end.shuffled).to_numpy())))
for name in ("low 2", "high 2"):
    share = learned.measured[name][:, :5].mean(1)
    first = learned.steps[(share >= 0.9 * share[-1]).int().argmax()]
    print(f"digits, true labels, {name[:-2]}: 90 % of its own end is reached at step {first}")

# %% [markdown]
# **What to see.** With true labels more is learned from $x_l$; with shuffled labels both are right in about a fifth
# of the digits, so near the chance of a tenth that a lead has no room: what is memorised hangs on both components together, and
# “both alike” is not decided. On CIFAR-10, the paper's data, there is room. The lead becomes smaller (network by network, at the
# end of the second line), and no more than that: “both alike” does not hold there. Probably $x_l$ holds most of the contrast, so that a network
# can tell the images apart by it. And this is about *how much*, not about *when*: on digits $x_h$ is as near to its own end
# after 20 or 30 steps as $x_l$ is. “Low first” would need a difference in time.
#
# **Ways to train.** Wang et al. discuss five: size of the batch, dropout, mix-up, batch norm, adversarial training. Equally many epochs each (plain: batches of 64), five networks, accuracy
# on test images and on their components at $r=2$, as a difference to plain training, seed by seed. Mix-up trains on
# $qx+(1-q)x'$ with labels mixed
# alike, $q$ random; adversarial training on $x+\varepsilon\operatorname{sign}\nabla_x\text{loss}$ with $\varepsilon=0.1$ (one step of the fast gradient sign method, FGSM), made anew at the
# beginning of each of the seven epochs (in the first, clean images).

# %%
ways = components.compared()
columns = {
    "train": "training images",
    "test": "test images",
    "low 2": "their x_l, r = 2",
    "high 2": "their x_h, r = 2",
    "roughness": "kernels: energy beyond r = 1",
}
told, wide = {}, ways.pivot(index="seed", columns="how")
for how in ways.how.unique():
    form, less = ("{:.2f}", 0) if how == "plain" else ("{:+.2f}", wide.xs("plain", axis=1, level="how"))
    spread = {c: components.interval(own) for c, own in (wide.xs(how, axis=1, level="how") - less)[list(columns)].items()}
    told[how + ", minus plain" * (how != "plain")] = {
        columns[c]: f"{form} ({form} … {form})".format(*found) for c, found in spread.items()
    }
pd.DataFrame(told).T

# %% [markdown]
# **What to see.** Larger batches train fewer steps in the same epochs and stay behind on whole images and on $x_h$. Mix-up
# probably gains on $x_h$, as the authors say (one of five comparisons, and its interval ends near 0); dropout and adversarial training perhaps too, their intervals reach 0. **Batch norm does
# not**: it has the best test accuracy and does *worst* on $x_h$, although its kernels are the roughest. Mind the measure: batch
# norm remembers mean and variance of whole images, and on $x_h$ alone they are wrong, so that the accuracy falls for a reason
# that has nothing to do with what was learned. The paper's measure has the same flaw. The kernels of adversarially trained networks are
# rougher here, not smoother as in the paper.
#
# **Two more experiments with these networks.** Wang et al. say that batch norm gains *least* where only the lowest frequencies are trained on;
# and that *smoothing* a trained network's kernels, $w_{ij}\leftarrow w_{ij}+s\sum w_{i'j'}$ over the eight neighbours, each kernel brought
# back to its length, makes it robust.

# %%
plain, normed = (found.set_index(["part", "radius", "seed"]) for found in (components.table(), components.table(norm=True)))
gains = {}
for r in components.RADII[:3]:
    gains[f"trained on x_l, r = {r}"] = {
        f"batch norm − plain, on {where}": "{:+.2f} ({:+.2f} … {:+.2f})".format(
            *components.interval((normed[column] - plain[column]).loc["low", r].to_numpy())
        )
        for where, column in (("whole images", "test"), ("x_l itself", "own"))
    }
display(pd.DataFrame(gains).T)
attacked = components.robustness().query("how == 'plain' and epsilon in (0.0, 0.05, 0.1)")
attacked.groupby(["rho", "epsilon"]).accuracy.mean().unstack("epsilon").round(2).rename_axis(index="smoothing s", columns="FGSM, ε =")

# %% [markdown]
# **What to see.** On whole images, where networks trained on $x_l$ have wrong means and variances, the first is not decided
# for all radii; on $x_l$ itself, where they are right, it is the other way round: most is gained at $r=1$ (in part because at $r=3$ plain training leaves no
# room to gain). And smoothing costs accuracy, under attack and without. A kernel of $5\times5$ on $8\times8$ pixels sees whole strokes: to
# smooth it takes them away.

# %% [markdown]
# **For those who want to go on: one step of attack or several, from the longer run.** Adversarial training with one step, or with five smaller ones that are
# cut back to $\pm\varepsilon$ after each (Madry et al. 2018), both at $\varepsilon=0.1$; attacked in one step and in twenty
# (`xaikit run 06/attacks --full` makes the table again).

# %%
attacked = studies.table("06/attacks").query("epsilon > 0 or attack == 1").groupby(["trained", "attack", "epsilon"], sort=False).accuracy
held = attacked.apply(lambda found: "{:.2f} ({:.2f} … {:.2f})".format(*components.interval(found.to_numpy())))
held.unstack(["attack", "epsilon"]).rename(
    index={0: "plain", 1: "trained against one step", 5: "trained against five"}
).rename_axis(index=None, columns=["steps of the attack", "ε"])

# %% [markdown]
# **What to see.** From $\varepsilon=0.1$ on more steps find more. Adversarial training helps against both attacks, so that it is no mere hiding from the
# single step, and costs nothing without attack (ε = 0); training against five steps in place of one adds nothing that five networks could show; that the examples are made only once an epoch may be a reason. At $\varepsilon=0.2$,
# twice what they were trained for, most is lost.

# %% [markdown]
# ## 7 · Hold me tight
#
# **Claim** (Ortiz-Jimenez et al. 2020). A network builds its boundary only along directions in which the training
# data can be told apart, its **discriminative features**. Along all others it becomes invariant.
#
# **Formula.** $F(x)$ is the class that the network gives. Inside a subspace $\mathcal S$ of the input space the
# **minimal adversarial perturbation** and the **margin** are
#
# $$\delta_{\mathcal S}(x)=\arg\min_{\delta\in\mathcal S}\|\delta\|_2\ \text{ so that }\ F(x+\delta)\ne F(x),
# \qquad\|\delta_{\mathcal S}(x)\|_2 .$$
#
# A small margin says that the boundary is near in these directions; an infinite one, that the network does not care
# about them. DeepFool (Moosavi-Dezfooli et al. 2016) searches for it: take the network for linear at $x$,
# step to where the linear function changes its sign, repeat.

# %% [markdown]
# ### Exercise 6.7 — DeepFool in a subspace, and the margin ★★★ · 15 min · 4 points
#
# Two classes: the sign of $f(x)$. Begin with $\delta=0$. `steps` times, for each row whose $f(x+\delta)$ still has the
# sign of $f(x)$:
#
# $$\delta\leftarrow\delta-\frac{f(x+\delta)}{\|g\|^2}\,g,\qquad g=\text{the part of }\nabla f(x+\delta)\text{ in }\mathcal S .$$
#
# At the end lengthen $\delta$ by the factor $1+$ `overshoot`. $\mathcal S$ is the span of the orthonormal rows of
# `basis` (S, D). Return $\delta$ (N, D), its length (N,), also where no other class was found, and whether $x+\delta$,
# lengthened, is of another class (N,). All rows at once.


# %% nbgrader={"grade": false, "grade_id": "answer-6.7", "locked": false, "schema_version": 3, "solution": true, "task": false}
def subspace_margin(f, x, basis, steps, overshoot):
    """DeepFool inside the span of the basis' rows: δ, ‖δ‖ and whether the class changed.
    x (N, D), basis (S, D) → (N, D), (N,), (N,) bool"""
    ### BEGIN SOLUTION
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
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-6.7", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("6.7", subspace_margin)

# %% [markdown]
# The library's search does the same for many classes (the nearest of their boundaries), for several networks, and for
# many subspaces in one call; in the end it halves its way back to the boundary, because a step along a curved
# function may go too far.
#
# **Data of which we know the features.** The paper's first data: $x=\tfrac\epsilon2\,y\,u_1+w$ with the class
# $y=\pm1$, a random unit vector $u_1\in\mathbb R^D$ and noise $w$ orthogonal to it with deviation $\sigma$ in each
# direction. Only $u_1$ tells the classes apart. $\epsilon=5$ and $\sigma=1$ as in the paper; $D=100$ and 4,000 points;
# five networks with data of their own. Margins of 200 new points each: along $u_1$, in all that is orthogonal to it,
# in random subspaces of three dimensions orthogonal to it, and in random ones of the whole space.

# %%
theirs = {"u₁": (1.74, 2.50, 3.22), "span{u₁}⊥": (4.85, 12.36, 31.60)}
theirs |= {"S_orth": (30.68, 102.0, 229.5), "S_rand": (17.21, 27.90, 80.61)}
rows, levels = {}, ("5 %", "median", "95 %")


def were_it_flat(middle):
    """What a flat boundary with these median margins along u₁ and across it would have in the random subspaces."""
    along, across = (middle[name] ** -2.0 for name in ("u₁", "span{u₁}⊥"))  # squared parts of its normal
    part = chi2.median(3)  # of the D squared entries of a random vector, what three dimensions hold
    return {"S_orth": f"{(across * part / 99) ** -0.5:.1f}", "S_rand": f"{((along + across) * part / 100) ** -0.5:.1f}"}


flat = {
    "paper": were_it_flat({name: found[1] for name, found in theirs.items()}),
    "here": were_it_flat({name: float(found.median(1).values.mean()) for name, found in margins.synthetic().items()}),
}
for name, found in margins.synthetic().items():
    spread = components.interval(found.quantile(torch.tensor([0.05, 0.5, 0.95]), 1).numpy())
    rows[name] = {f"paper: {q}": v for q, v in zip(levels, theirs[name], strict=True)}
    rows[name] |= {f"here: {q}": f"{m:.1f} ({a:.1f} … {b:.1f})" for q, m, a, b in zip(levels, *spread, strict=True)}
    rows[name] |= {f"{who}: median, were it flat": found.get(name, "as measured") for who, found in flat.items()}
    rows[name]["not found"] = f"{found.isinf().double().mean():.1%}"
pd.DataFrame(rows).T

# %% [markdown]
# **What to see.** Along $u_1$ the median is the paper's to the second digit: half the distance $\epsilon$ of the
# classes. Nothing forbids a boundary that is tilted; still it stands nearly upright on $u_1$ (its normal is some
# $\arctan(2.5/8.6)=16°$ away from it), and one has to go about 3.4 times as far in all the other 99 directions together. This is what was learned. The last two rows are geometry: a
# random subspace of three dimensions holds about 3/99 of the square of the boundary's normal in the mean, 2.37/99 in the median ($\chi^2$ with three
# degrees of freedom), so that the way is longer by about $\sqrt{99/2.37}=6.5$, whatever the network. From the first two medians a flat boundary would get the numbers in the columns
# “were it flat”, and ours are nearly what was measured. The paper's networks saw 10,000 points and were trained longer, which may
# be why theirs care less about $\text{span}\{u_1\}^\perp$. The paper's last two rows need another reason: they lie above those of a
# flat boundary with its first two, the one by a quarter, the other by three quarters. Its boundaries bend on the way, or its search overshoots (ours halves its way back).
#
# **Real data.** Of digits we do not know the features, but we can look along **frequencies**: the discrete cosine
# transform (DCT) writes an image as a sum of cosines, and the blocks of $2\times2$ frequencies along its diagonal are seven
# bands from low to high (each shares one frequency with the next). How far the classes' mean images lie from the mean of
# all, in units of the spread of the images within a class (both in the root mean square), says how discriminative a band is. Five networks for each kind of images; margins of
# 120 test images. The test: turn the frequency order of all images round. To us they become chequered and hard to read; for a dense network
# nothing is lost, since all distances stay what they were.

# %%
seen = data.digits(size=8).images[[3, 8, 12, 40], 0]
pictures = [*seen, *margins.flip_frequencies(seen)]
axes = plot.grid(pictures[:4] + [p / 2 + 0.5 for p in pictures[4:]], columns=8, size=1.2)
axes[0].set_title("as they are", loc="left", fontsize=9)
axes[4].set_title("frequencies turned round", loc="left", fontsize=9)
plot.describe(axes[0], "Four digits, and the same four with the order of their DCT frequencies turned round: chequered, some strokes still to be guessed.")

# %%
fig, panels = plot.subplots(1, 3, size=(12.6, 3.3))
names = {False: "digits", True: "frequencies turned round"}
plot.curves(
    {n: margins.discriminative(k) for k, n in names.items()},
    x=np.arange(1, 8),
    ax=panels[0],
    xlabel="DCT band, low to high",
    ylabel="class means apart / spread within",
    title="how discriminative a band is",
)
for ax, (optimizer, how) in zip(panels[1:], {"adam": "Adam", "sgd": "SGD"}.items(), strict=True):
    medians = {n: margins.band_margins(k, optimizer).median(2).values.numpy() for k, n in names.items()}
    plot.bands(
        {n: (np.arange(1, 8), *components.interval(m.T)) for n, m in medians.items()},
        ax=ax,
        xlabel="DCT band, low to high",
        ylabel="median margin",
        title=f"how far the boundary is, {how}",
        legend=False,
    )
    ax.set_ylim(0, 7.5)
    for k, n in names.items():
        accuracy = margins.classifiers(k, optimizer).measured["accuracy"][-1]
        print(f"{how}, {n}: test accuracy {accuracy.mean():.3f}")
plot.describe(
    fig,
    "Left: the distance of class means over the spread within, seven frequency bands, high at low and middle frequencies and low at the "
    "two highest, mirrored for turned images. Middle, trained with Adam: the median margin, largest in the highest bands for "
    "digits and in the lowest for turned images, but no mirror image. Right, trained with SGD: a mirror image.",
)

# %% [markdown]
# **What to see.** Where classes do not differ, the boundary is far: in the two highest bands of the digits, and in
# the two lowest after the turn. The network has no liking for low frequencies as such, it follows the data. Among the
# five other bands, which tell the classes about equally well, the margins differ little with SGD and up to twofold with Adam.
#
# Should the turned picture be a mirror image of the first? The turn is an orthogonal map of the inputs; the first
# layer's initial weights point nearly as often in any direction as in any other; and a step of gradient descent
# turns with the data. So for SGD (right) it must be a mirror image but for chance, and it is. Adam (middle) divides
# each weight's step by the size of that weight's own slopes: it knows the axes, that is, the pixels, and there the turned
# margins grow less. What looks like a network's liking for one kind of frequency is the optimizer's.
#
# **A few examples move the boundary.** The first 100 training images are replaced by their DeepFool examples, with
# the labels they had, and the networks train on for 100 steps. Controls: as many steps on clean images, and on 100
# images moved as far in *random* directions.

# %%
tuned = {n: m.median(2).values for n, m in margins.fine_tuned().items()}
change = {n: (tuned[n] / tuned["before"]).numpy() for n in ("clean", "noise", "deepfool")}
labels = {"clean": "clean images", "noise": "100 moved at random", "deepfool": "100 DeepFool examples"}
ax = plot.bands(
    {labels[n]: (np.arange(1, 8), *components.interval(c.T)) for n, c in change.items()},
    xlabel="DCT band, low to high",
    ylabel="median margin, after / before",
    title="a hundred steps of fine-tuning on",
)
ax.axhline(1, color=plot.MUTED, lw=0.8)
plot.describe(
    ax,
    "The median margin after fine-tuning over that before, in seven frequency bands. Clean images and random moves "
    "change it by a few per cent, DeepFool examples enlarge it in all bands.",
)

# %% [markdown]
# **What to see.** A hundred images of 1,347, moved just over the boundary, enlarge the margins of *test* images in
# every band; as large a move in random directions does next to nothing. The boundary is held by few examples close to it,
# and this is what adversarial training works with.

# %% [markdown]
# ## The live demo
#
# Three waves of your choice and a network that learns them: left the function, right its spectrum. Press
# play. Which wave is last? Can you make a lower one wait for a higher one by making its amplitude small? (“Learned so far” is
# $1-|c(k)-c^*(k)|\,/\,|c^*(k)|$, not below 0: amplitude *and* phase have to be right. Beside a small wave the network's own low frequencies are
# large, and $|c|/|c^*|$ would call it learned.)

# %% tags=["demo"]
demos.get("06").show()

# %% [markdown]
# ## Paper against here
#
# What the sources claim, and what came out on our networks and data, computed in this moment, except where it says “from the longer run”.

# %%
paper = claims.table("06")
claims.styled(paper.drop(columns="lecture"))

# %% [markdown]
# **The rows that do not hold.** In experiment 4 the high frequencies gain with $L$, the error as a whole does not fall
# all the way in the mean (row “not decided”): beyond 4 petals the middle frequencies lose some. In experiment 5 the same shows for $k=8$. The paper's networks are
# larger and train longer; where all that is slow is learned on every curve, only the gain is left to be seen, which
# may be why the paper reports no such price. Of Wang et al.'s rows, those on high frequencies alone (digits), on batch norm
# and on smooth kernels come out otherwise here, and two of CIFAR-10: a larger $r$ is no better, and with shuffled labels
# the low frequencies keep most of their lead. With shuffled digits the question is open. Section 6 says so where it measures
# them. Digits of $8\times8$ pixels have
# hardly any frequency that people do not see, and the longer runs had 1,000 and 500 of CIFAR-10's images.
#
# **To take along.**
# * A ReLU network's spectrum is a power law because of its kinks. Training decides how many of them there are
#   and where; the exponent is fixed beforehand.
# * Low frequencies first, and last to go. “Frequency” here is that of the function from input to output, seen
#   along the data: change the input's scale or the manifold, and you change the order.
# * Define the measure before the experiment: a ratio of amplitudes and a transfer give different answers to “what
#   survives”.
# * What was never reached is an observation. Rank it last; do not drop it.
