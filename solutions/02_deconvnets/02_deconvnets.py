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
# # 02 · Deconvolutional networks: from sparse codes to a probe
#
# A convolutional network turns a picture into numbers, layer by layer. A *deconvolutional* network goes the other
# way: numbers become a picture. The idea was born as a way to learn features without labels (a picture is explained
# by a few active features), and became famous as a way to look into a trained classifier: keep one number somewhere
# inside, set all others to zero, and see which pixels it answers to. This lecture follows the idea from the first
# to the second, with one thread: *what goes down must use what happened on the way up*.
#
# | | |
# |---|---|
# | **You will be able to** | explain a picture by few active features, and say what the p in the penalty does · unpool with switches, and test that two operators are adjoint · send one activation back to the pixels through any convolutional network · say what gradient, deconvnet and guided backprop do at a ReLU, and what it costs · find dead and aliased features by looking, and say it in numbers · tell by occlusion what a prediction hangs on |
# | **Time** | 145 minutes, of which 56 for the six exercises |
# | **Builds on** | convolution, pooling and gradients in PyTorch; lecture 01 for top patches and receptive fields |
# | **Sources** | Zeiler, Krishnan, Taylor, Fergus 2010, *Deconvolutional Networks*; Zeiler, Taylor, Fergus 2011, *Adaptive Deconvolutional Networks for Mid and High Level Feature Learning*; Zeiler, Fergus 2014, *Visualizing and Understanding Convolutional Networks* (“the paper” from section 4 on); Springenberg, Dosovitskiy, Brox, Riedmiller 2015, *Striving for Simplicity: The All Convolutional Net* |

# %%
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from IPython.display import Markdown, display
from torch import nn

from xaikit import attribution, claims, data, demos, features, plot, train, zoo
from xaikit.exercises import answer, check
from xaikit.source import show_source

# %% [markdown]
# ## 1 · One layer as convolutional sparse coding
#
# **Claim** (Zeiler et al. 2010). A picture can be explained from the top down, as a sum of few small strokes. If the
# strokes are learned from photographs, nobody says “edge”, and edges are what comes.
#
# **Formula.** Let $y^i$ be picture $i$ with channels $y^i_c$, $f_{k,c}$ small filters that all pictures share, and $z^i_k$ one
# *feature map* for each filter and picture, a little larger than the picture. With the convolution $\oplus$, an entry of
# $z_k$ paints a copy of filter $k$ at its place, as strong as the entry, and the picture is the sum of all copies. There are
# as many maps as filters, so there are many ways to paint one picture; the one with few strokes is wanted:
#
# $$C_1(y)=\frac\lambda2\sum_c\Big\|\sum_k z_k\oplus f_{k,c}-y_c\Big\|_2^2+\sum_k|z_k|^p ,\qquad |z|^p=\sum_{i,j}|z(i,j)|^p .$$
#
# $\lambda>0$ says what a misfit costs in strokes: a **small** $\lambda$ makes codes sparse. $p=1$ is convex, $p<1$ prefers few strong strokes to many weak ones.
#
# **How it is minimised.** A *continuation* (the paper's “inferring feature maps”): let a copy $x$ of $z$ carry the penalty and tie the two,
#
# $$\hat C_1=\frac\lambda2\|Fz-y\|^2+\frac\beta2\|z-x\|^2+\sum|x|^p ,$$
#
# where $F$ is the convolution with all filters, written as a matrix. Then take turns, while $\beta$ grows:
#
# * **x sub-problem**, one number at a time: $\min_x \frac\beta2(z-x)^2+|x|^p$. For $p=1$ the answer, *shrinkage*, is
#   short (exercise 2.1). For general $p$ there is no formula (for ½ and ⅔ a cubic and a quartic equation can be solved;
#   Krishnan and Fergus 2009). A table does for every $p$, and is made once: with $s=\beta^{-1/(2-p)}$ the problem for any
#   $\beta$ is that for $\beta=1$ with $z/s$ in place of $z$.
# * **z sub-problem**, all maps at once: $(\lambda F^\top F+\beta)z=\lambda F^\top y+\beta x$. The filters compete for the picture. That is a huge
#   system with one unknown for each entry of $z$; but $z=x+F^\top(FF^\top+\frac\beta\lambda)^{-1}(y-Fx)$ is the same, and needs a
#   system with one unknown per *pixel*. Conjugate gradients solve it.
#
# Two other ways take a gradient step and then shrink: **ISTA**, $z\leftarrow\mathrm{shrink}\big(z-\tfrac1LF^\top(Fz-y)\big)$, the
# x sub-problem's solution with $\beta=\lambda L$, $L=\|F^\top F\|$; and **FISTA**, the same with momentum.

# %% [markdown]
# ### Exercise 2.1 — shrinkage ★★☆ · 5 min · 2 points
#
# Write `shrink(z, beta)`: for every entry of `z` the $x$ that minimises $\frac\beta2(z-x)^2+|x|$. Derive it first: set the derivative to zero for
# $x>0$, then for $x<0$. When is neither possible? And why does the same path not lead to a formula for $|x|^{0.8}$?


# %% nbgrader={"grade": false, "grade_id": "answer-2.1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def shrink(z, beta):
    """argmin over x of β/2 (z − x)² + |x|, entry by entry.  z: (N, D) → (N, D)"""
    ### BEGIN SOLUTION
    # x > 0: β (x − z) + 1 = 0; x < 0: β (x − z) − 1 = 0; neither fits where |z| ≤ 1/β, and x = 0 is left
    return (z.abs() - 1 / beta).clamp_min(0) * z.sign()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-2.1", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("2.1", shrink)

# %% [markdown]
# In the library, the formula for $p=1$ and the table for every other $p$:

# %%
show_source(features.shrink)

# %% [markdown]
# **Picture.** The x sub-problem as a curve, at $\beta=1$. For $p=1$ everything moves towards zero by the same amount. For
# $p<1$ there is a jump: a stroke is either not there or large, and the smaller $p$, the less a large one is made smaller.

# %%
zs = torch.linspace(-4, 4, 801, dtype=torch.float64)
ax = plot.curves({f"p = {p:g}": features.shrink(zs, 1.0, p) for p in (1.0, 0.8, 0.5, 0.2)} | {"x = z": zs}, x=zs,
                 xlabel="z", ylabel="x", title="the x that minimises ½ (z − x)² + |x|ᵖ")
plot.describe(ax, "x against z: zero around the middle for all p; for p = 1 then parallel to the diagonal, for smaller p "
                  "after a jump closer and closer to the diagonal.")

# %% [markdown]
# **Filters from photographs.** Alternate: codes for given filters, then a step of the filters down the gradient of the misfit (the paper's algorithm 1).
# Four of scikit-image's photographs are made grey and **high-passed** (minus a blurred copy), so that strokes need not
# explain slow changes of light; cut-outs are taken where something happens. Sixteen filters of 9 × 9 start as noise.

# %%
learned = features.photo_codes.photo_filters()
share, angle = features.orientation(learned.filters)
noise = torch.randn(1000, 1, 9, 9, generator=torch.Generator().manual_seed(0))
control = features.orientation(noise)[0]
shown = learned.filters / learned.filters.abs().amax((2, 3), keepdim=True)
fig = plot.grid(shown / 2 + 0.5, [f"{s:.0%}" for s in share], columns=8, size=1.15)[0].figure
plot.describe(fig, "Sixteen learned filters: bars and edges of many directions, each a bright stroke beside a dark one.")

# %%
fig = plot.grid(noise[:8] / noise[:8].abs().amax((2, 3), keepdim=True) / 2 + 0.5, [f"{s:.0%}" for s in control[:8]], columns=8, size=1.15)[0].figure
plot.describe(fig, "Eight filters of random numbers: no direction.")
print(f"oriented (60 % of the energy in one band of 45°): {int((share > 0.6).sum())} of {len(share)} learned, "
      f"{int((control > 0.6).sum())} of {len(control)} random filters")
print(f"mean share: learned {share.mean():.2f}, random {control.mean():.2f}")

# %% [markdown]
# **What to see.** Above, edges and bars of many directions, some long, some short; below them, as a control, filters of random
# numbers, the kind of noise that learning began with. The number above a filter is the share of its spectral energy $|\hat f|^2$ in the best band of orientations, 45° of 180° wide. Random filters
# get somewhat more than a quarter, because the *best* band is taken.
#
# Not from the paper, but needed to get there in seconds: the filters' step is divided by the energy of each map, and λ
# starts larger than it ends.
#
# **Three ways to one minimum.** One cut-out of 32 × 32 pixels, $p=1$.

# %%
show_source(features.photo_codes.minimisers)

# %%
y, runs = features.photo_codes.minimisers()
runs["above"] = runs.objective / runs.objective.min() - 1
fig, axes = plot.subplots(1, 2, size=(9.6, 3.2))
for ax, column, label in zip(axes, ("steps", "seconds"), ("steps in all", "CPU time in seconds"), strict=True):
    plot.curves({name: (run[column], run.above.clip(lower=1e-4)) for name, run in runs[runs.steps > 0].groupby("method", sort=False)},
                ax=ax, xlabel=label, ylabel="objective above the best", log="xy")
    ax.lines[2].set_marker("o")
    ax.axhline(0.01, color=plot.MUTED, lw=0.8)
plot.describe(fig, "The relative distance of the objective to the best one against the number of steps and against time, falling for all: FISTA "
                   "lowest; by steps the continuation's four ends lie between FISTA and ISTA, by time they lie at or above ISTA.")
ends = runs[runs.steps.isin(features.photo_codes.STEPS)]
ends.pivot(index="steps", columns="method", values="above").map("{:.2%}".format).replace("nan%", "not run")

# %% [markdown]
# **What to see.** Where $p=1$ the problem is convex, so that all three go to the same minimum, given enough steps (“the best” is FISTA's last value; what is nearer than 10⁻⁴ is drawn there). FISTA and ISTA do not
# know how many steps they will get, and each is one curve. The continuation divides the way of $\beta$ by its steps: every point is a run
# of its own, and only its end counts. At equal numbers of steps it ends between the two others, and it lies within one per cent (grey line) only when $\beta$ grows
# slowly: while $\beta$ is small, $x$ is far from $z$, and when it is large, $z$ moves little. Each of its steps solves a
# system, so that by time (right; this machine's, and another one each time the notebook is run) it has no lead over ISTA. FISTA, of 2009, is
# simply better for $p=1$.
#
# Momentum may climb, also at $p=1$ (the bump of FISTA). For $p<1$ there are many minima; which one is reached depends on the way. The table below compares at a hundred steps each.
# For $p=1$ the continuation's end is the lower one, as above. For $p<1$ ISTA's is: the continuation begins with a loose tie and a high bar
# for every stroke, and ends with very few strokes, and more of the picture left over.

# %%
rows = {}
for p in (1.0, 0.8, 0.5):
    for method in ("ista", "continuation"):
        run = features.sparse_code(y, learned.filters, lam=1.0, p=p, method=method, iterations=100)
        rows[f"p = {p:g}", method] = {"objective": float(run.objective), "nonzero entries": int((run.maps != 0).sum()),
                                      "left of y": float((run.picture - y).square().sum() / y.square().sum())}
pd.DataFrame(rows).T.round(3)

# %% [markdown]
# **Low frequencies.** A raw photograph is not high-passed. The paper adds one map $z_0$ with a uniform filter $f_0$, and instead
# of sparsity the prior $\|\nabla z_0\|^2$: it may be large everywhere, but must change slowly. It takes the light, and leaves
# the edges to the strokes.

# %%
raw = data.photo("camera", 128).mean(1, keepdim=True)[:, :, 16:80, 32:96]
code = features.sparse_code(raw, learned.filters, lam=20.0, smooth=6.0, iterations=120)
fig, axes = plot.subplots(1, 4, size=(10.4, 2.9))
for ax, x, title in zip(axes, (raw, code.low, code.picture), ("photograph", "f₀ ⊕ z₀", "all together"), strict=False):
    plot.image(x[0], ax, title)
plot.heatmap((code.picture - code.low)[0], ax=axes[3], title="the strokes alone", label="grey value")
plot.describe(fig, "A photograph, its smooth part, the smooth part with the strokes, and the strokes alone: edges.")

# %% [markdown]
# **Try it.** λ is the price of a misfit, $p$ the shape of the penalty, and the last β says how close $x$ has come to $z$ when the steps
# are over. Make λ small and watch which strokes stay. (The demo takes twelve steps, not a hundred as the table does, so that more entries are left and the fit is worse. For $p=0.5$ and a small λ nothing is left at all: the continuation begins with every stroke too dear, as said above the table.)

# %% tags=["demo"]
demos.get("02/price").show()

# %% [markdown]
# ## 2 · Denoising: sparsity against error
#
# **Claim** (Zeiler et al. 2010). Noise has no edges: a code that must be sparse leaves it out. At the same sparsity the
# convolutional code is closer to the clean picture than a dictionary of patches (Mairal et al.).
#
# A patch dictionary explains every patch by itself, as if its neighbours did not exist: an edge that
# moves by one pixel needs another atom. The convolutional code is for the whole picture, and a stroke can stand anywhere.
#
# **Setting.** Gaussian noise of deviation 0.1 on the middles of the four photographs; sixteen filters or atoms of 9 × 9 each, both
# learned on those photographs. Convolutional code: λ varies, $z_0$ has the low frequencies. Patches (scikit-learn's
# `MiniBatchDictionaryLearning`, orthogonal matching pursuit): $k$ atoms for each patch, the mean of the patch has the low
# frequencies; either one patch at every pixel, averaged, or patches side by side.
#
# **Formula.** What comes out, $\hat y$, is compared with the clean picture $y$ of $M$ pixels with values in $[0,1]$ by the
# *peak signal-to-noise ratio*, in decibels: $\mathrm{PSNR}=-10\log_{10}\big(\tfrac1M\|\hat y-y\|^2\big)$.

# %%
denoised = features.photo_codes.denoising()
ax = plot.curves({name: (group.nonzeros, group.psnr) for name, group in denoised.groupby("method", sort=False) if name != "nothing done"},
                 xlabel="nonzero entries per pixel", ylabel="PSNR in dB", log="x")
for line in ax.lines:
    line.set_marker("o")
ax.axhline(denoised.psnr[0], color=plot.MUTED, lw=0.8)
plot.describe(ax, "PSNR against the number of nonzero entries per pixel. The convolutional code rises to a peak and falls where it "
                  "begins to paint the noise; so do overlapping patches, with more entries and lower, and tiled patches, with few entries and lowest.")
best = denoised.loc[denoised.groupby("method", sort=False).psnr.idxmax()].set_index("method")
best[["setting", "nonzeros", "psnr"]].round(2)

# %%
clean, noisy = features.photo_codes.noisy_photographs()
kinds = ["convolutional code", "overlapping patches", "tiled patches"]
fig = plot.grid([x for i in range(2) for x in (clean[i], noisy[i], *(best.picture[kind][i] for kind in kinds))], ["clean", "noisy", *kinds] * 2, columns=5, size=1.9)[0].figure
plot.describe(fig, "Two pictures, each clean, with noise, and as the three methods give it back at their best: after the convolutional code edges are kept and grain is gone, "
                   "overlapping patches are softer, tiled patches show the seams of a grid of squares.")

# %% [markdown]
# **What to see.** The grey line is the noisy picture. Each method has a best sparsity, the table's row: too few entries and the picture is
# missing, too many and the noise is painted too. (Each best setting is picked with the clean picture at hand, for all three alike.) The convolutional code reaches a higher peak with fewer entries per pixel than
# overlapping patches. The claim is about equal sparsity: go up from the best of the tiled patches, and the code's line, at the same number of entries, lies above it. And tiled patches are blocky: a square knows nothing of the next one. (The smooth map and the patches' means are not counted.)

# %% [markdown]
# ## 3 · Adaptive deconvolutional networks: switches
#
# **Claim** (Zeiler et al. 2011). Several such layers can each explain the *pixels*, not just the layer below, if
# what was lost by pooling is remembered in switches; in the course of inference the switches settle.
#
# **Formula.** *Pooling* takes, in each small block of places **and neighbouring maps**, the entry of largest absolute value, and
# records where it was: $[p,s]=P(z)$. For a fixed switch setting $s$ this is a selection, $p=P_sz$, with a matrix of zeros and ones. *Unpooling* puts
# each value back to its place and zeros elsewhere: $\hat z=U_sp$, $U_s=P_s^\top$. From maps $z_l$ in layer $l$ down to the pixels:
#
# $$\hat y_l=F_1U_{s_1}F_2U_{s_2}\cdots F_l\,z_l=R_l z_l,\qquad R_l^\top=F_l^\top P_{s_{l-1}}\cdots P_{s_1}F_1^\top .$$
#
# Given the switches everything is linear, so the gradient of $C_l(y)=\frac{\lambda_l}2\|R_lz_l-y\|^2+\sum|z_l|$ is easy:
# carry the error at the pixels up by $R_l^\top$. Inference is ISTA with moving switches. Let $\tau_l$ be
# what is taken off a number in one step (the paper writes $\beta_l$ for it; section 1's $\beta$, the tie, is another thing). Then
#
# $$z\leftarrow z-\lambda_l\tau_l\,R_l^\top(R_lz-y),\qquad z\leftarrow\max(|z|-\tau_l,0)\,\mathrm{sign}(z),\qquad [p,s]\leftarrow P(z),\quad z\leftarrow U_sp .$$
#
# For fixed switches this descends if $\tau_l\le1/(\lambda_l\|R_l^\top R_l\|)$; we take the largest.

# %% [markdown]
# ### Exercise 2.2 — unpool with switches ★★☆ · 3 min · 2 points
#
# Write `unpool(pooled, switches, size)`. Each row of `pooled` (N, M) holds the values of M blocks, the same row of `switches`
# says to which of the `size` places they go.


# %% nbgrader={"grade": false, "grade_id": "answer-2.2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def unpool(pooled, switches, size):
    """Values back to their places.  pooled (N, M), switches (N, M) int64 → (N, size)"""
    ### BEGIN SOLUTION
    return torch.zeros(len(pooled), size).scatter_add(1, switches, pooled)  # added: two may name one place
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-2.2", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("2.2", unpool)

# %% [markdown]
# In the library, with pooling beside it, for blocks of places and maps:

# %%
show_source(features.adaptive.pool, features.adaptive.unpool)

# %%
try:
    features.adaptive.unpool(torch.ones(1, 2, 4, 4), None)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ### Exercise 2.3 — R and its transpose ★★★ · 20 min · 3 points
#
# A matrix too large to write down can still be tested for being the transpose of another: $B=A^\top$ if and only if
# $\langle Ap,y\rangle=\langle p,By\rangle$ for all $p$ and $y$; random ones will do. Take one layer with one picture channel and pooled values: here
# $R=F_1U_{s_1}$. So $R\,p$ unpools `p` (N, M) by `switches` (places in the flattened maps (K, H+h−1, W+w−1)) and convolves with `filters` (K, h, w). The maps are larger than the
# picture, and the convolution is the *valid* one: only where a filter lies wholly on the map. Write
# `dot_product_test(p, y, filters, switches)`: return $R^\top y$ and both sides, one number for each item. Mind that `F.conv2d` is a correlation.


# %% nbgrader={"grade": false, "grade_id": "answer-2.3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def dot_product_test(p, y, filters, switches):
    """Rᵀy (N, M), ⟨R p, y⟩ (N,), ⟨p, Rᵀy⟩ (N,).  p, switches (N, M), y (N, H, W), filters (K, h, w)"""
    ### BEGIN SOLUTION
    k, h, w = filters.shape
    shape = (len(y), k, y.shape[1] + h - 1, y.shape[2] + w - 1)
    kernel = filters.flip(1, 2)[None]  # conv2d correlates: turned round, it convolves
    z = torch.zeros(len(p), k * shape[2] * shape[3]).scatter_add(1, switches, p).reshape(shape)
    painted = F.conv2d(z, kernel)[:, 0]
    projected = F.conv_transpose2d(y[:, None], kernel).flatten(1).gather(1, switches)
    return projected, (painted * y).sum((1, 2)), (p * projected).sum(1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-2.3", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("2.3", dot_product_test)

# %% [markdown]
# **Two layers.** The first begins with the filters of section 1. Each epoch infers maps and switches, then solves for the filters by conjugate gradients
# ($R_l z_l$ is linear in the filters too). The second sees the pooled maps of the first: its filters say which edges go together, and start as pieces of those
# maps. First the dot-product test on the whole two-layer operator, with switches set at random.

# %%
deep = features.photo_codes.photo_layers()
first, second = deep.layers
g = torch.Generator().manual_seed(0)
z, y = torch.randn(second.maps.shape, generator=g), torch.randn(deep.y.shape, generator=g)
any_place = features.adaptive.Switches(torch.randint(first.maps[0].numel(), first.switches.index.shape, generator=g), first.switches.shape)
left = (features.adaptive.paint(z, deep.filters, [any_place]) * y).sum()
right = (z * features.adaptive.project(y, deep.filters, [any_place])).sum()
print(f"⟨R z, y⟩ = {left:.3f}, ⟨z, Rᵀ y⟩ = {right:.3f}: apart by {abs(left - right) / abs(left):.0e} of their size (float32)")

# %%
show_source(features.photo_codes.first_layer)

# %%
states = {"z = 0": 0.0, "z ~ N(0, 0.03²)": 0.03, "z ~ N(0, 0.1²)": 0.1}
fig, (left, right) = plot.subplots(1, 2, size=(9.6, 3.2))
inferred = {name: features.photo_codes.first_layer(start) for name, start in states.items()}
histories = {name: layer.history for name, layer in inferred.items()}
plot.curves({n: (h.step, h.moved.clip(1e-4)) for n, h in histories.items()}, ax=left, xlabel="step of ISTA", ylabel="share of switches that moved", log="xy")
plot.curves({n: (h.step, h.objective) for n, h in histories.items()}, ax=right, xlabel="step of ISTA", ylabel="C₁, summed over pictures", log="y", legend=False)
plot.describe(fig, "Left: the share of switches that move in a step. From z = 0 nearly all move in step 1, and about one in a thousand from then on; from noise the share falls after step 1, "
                   "rises again for some steps and then falls to a few in a thousand. Right: the objectives fall, fast at first, and still a little at the end.")
end, *others = inferred.values()
for name, layer in zip(list(inferred)[1:], others, strict=True):
    both = (end.pooled != 0) & (layer.pooled != 0)
    print(f"{name}: of the blocks that hold something here and from z = 0, {(layer.switches.index != end.switches.index)[both].float().mean():.0%} have another switch")
for name, layer in inferred.items():
    after = features.adaptive.infer(deep.y, deep.filters[:1], lam=1.0, steps=1, z=layer.maps)
    still = (after.switches.index != layer.switches.index) & (after.pooled != 0)
    print(f"{name}, one step more: where the switch moves |p| is {after.pooled[still].abs().mean():.3f}, in all blocks that hold something {after.pooled[after.pooled != 0].abs().mean():.2f}; "
          f"C₁ falls by {1 - after.history.objective.iloc[-1] / layer.history.objective.iloc[-1]:.2%}")

# %% [markdown]
# **What to see.** The switches settle. From zero, step 1 decides nearly all of them, for then $z$ is proportional to $R^\top y$; from step 2 on
# whoever leads keeps the lead: the others in its block are set back to 0 each time. From noise it takes some tens of steps
# (from much noise fewer move at first, and more again after step 2: noise must shrink before a neighbour can overtake it). What still moves in the last step are blocks whose value is almost 0.
# But “settled” is not “solved”. $C_1$ still falls at the end, and other starts end with other switches: about a third of them, in blocks that hold something.
#
# **Filters of both layers.** The second layer's are shown as the paper does: the strongest activation over all pictures, alone down to the pixels with *its* switches.

# %%
looks = features.adaptive.look(deep.filters, second, [first.switches])
tiles = [w / w.abs().max() / 2 + 0.5 for w in (*deep.filters[0], *looks)]
fig = plot.grid(tiles, [f"1: {k + 1}" for k in range(16)] + [f"2: {k + 1}" for k in range(16)], columns=8, size=1.2)[0].figure
plot.describe(fig, "Two rows of first-layer filters, edges and bars; two rows of second-layer filters in pixels: longer edges, "
                   "bent lines, parallel lines, corners, a T-junction.")

# %% [markdown]
# **Reconstructions**, and the strongest activations of layer 2 one at a time.

# %%
item = 3
pictures, table = features.adaptive.strongest(second, deep.filters, [first.switches], count=6, item=item)
limit = plot.limit_of(deep.y[item], 0.995)
row = [deep.y[item], first.picture[item], second.picture[item], *pictures]
fig = plot.grid([(x / (limit if i < 3 else plot.limit_of(x)) / 2 + 0.5).clamp(0, 1) for i, x in enumerate(row)],
                ["input y", "from layer 1", "from layer 2", *[f"map {m + 1}: {v:+.1f}".replace("-", "−") for m, v in zip(table["map"], table["value"], strict=True)]],
                columns=9, size=1.25)[0].figure
plot.describe(fig, "A picture, its reconstructions from layers 1 and 2, both close to it, and six activations of layer 2 alone: pieces of the long edge and of the blob.")
print("left of the pictures: " + ", ".join(f"layer {i + 1} {float((l.picture - deep.y).square().sum() / deep.y.square().sum()):.0%}, "
      f"{float((l.maps != 0).sum()) / deep.y.numel():.2f} nonzero entries per pixel" for i, l in enumerate(deep.layers)))

# %% [markdown]
# Is that more than layer 1 could paint? Measure how far the energy of one activation's picture lies from its centre, and look at one map, the sixteenth, in the three pictures where it is strongest.

# %%
def spread(pictures):
    """Root mean square distance of the energy of pictures (N, 1, H, W) from its centre, in pixels: (N,)."""
    energy = pictures[:, 0].square()
    centre = features.parts.middle(energy)[:, :, None, None]
    squares = (torch.stack(torch.meshgrid(*(torch.arange(float(n)) for n in energy.shape[1:]), indexing="ij")) - centre).square().sum(1)
    return ((energy * squares).sum((1, 2)) / energy.sum((1, 2))).sqrt()


unit = 15  # map 16
items = second.maps[:, unit].flatten(1).abs().amax(1).topk(3).indices.tolist()
alone = [features.adaptive.strongest(second, deep.filters, [first.switches], 1, i, unit)[0] for i in items]
fig = plot.grid([x for i, a in zip(items, alone, strict=True) for x in ((deep.y[i] / plot.limit_of(deep.y[i], 0.995) / 2 + 0.5).clamp(0, 1), a[0] / a.abs().max() / 2 + 0.5)],
                [t for i in items for t in (f"input n° {i}", "map 16, one entry")], columns=6, size=1.6)[0].figure
plot.describe(fig, "Three pictures, and beside each what the strongest activation of map 16 alone paints in it: a slanted light stroke beside a dark one, a little different each time.")
strongest = torch.cat([features.adaptive.strongest(second, deep.filters, [first.switches], 6, i)[0] for i in range(len(deep.y))])
print(f"spread: filters of layer 1 {spread(deep.filters[0]).mean():.1f} pixels, activations of layer 2 {spread(strongest).mean():.1f}; "
      f"map 16 in the three pictures {', '.join(f'{float(spread(a)[0]):.1f}' for a in alone)}")

# %% [markdown]
# **What to see.** An activation of layer 2 reaches about twice as far as a filter of layer 1. Some are long strokes, many are a bundle of short ones. The same map paints a slightly
# different stroke in each picture: its filter says which strokes of layer 1 go together, the switches say where exactly each one goes.
# Everything here runs on sixteen small cut-outs; the paper has four layers and thousands of pictures, whose fourth layer shows parts of objects. Ours does not claim that.
#
# **Try it.** Move the step, and see which switches are still moving.

# %% tags=["demo"]
demos.get("02/switches").show()

# %% [markdown]
# ## 4 · The deconvnet as a probe
#
# Now the other use of the same machine. A classifier is trained and left alone; somewhere inside it, a number is large for some picture.
# *What in the picture made it large?*
#
# **Claim** (Zeiler and Fergus 2014, sections 2.1 and 3.1). Send one activation back down the layers, and the pattern that comes out shows
# the structure in the picture that the unit answers to.
#
# **Formula.** On the way up, layer $\ell$ filters, rectifies and pools: $z^\ell=W_\ell\,a^{\ell-1}+b_\ell$, then $\max(z^\ell,0)$, then max pooling,
# $a^\ell=P_s\max(z^\ell,0)$; $P_s$ picks the largest value of each window, and the **switches** $s$ record where it was. On the way down nothing is learned. Let
# $h$ be the activation of one unit at one place, and $r$ the map that holds $h$ there and 0 everywhere else. Then, layer by layer,
#
# $$r\;\leftarrow\;\underbrace{W_\ell^\top}_{\text{filter}}\;\underbrace{\max(\,\cdot\,,0)}_{\text{rectify}}\;\underbrace{P_s^\top}_{\text{unpool}}\;r .$$
#
# * **Unpool.** $P_s^\top$ puts each value where its maximum was, and 0 elsewhere: section 3's operator. Where windows overlap and share a maximum, values add up.
# * **Rectify.** Features of the way up are never negative, so those of the way down should not be: $\max(r,0)$. Below the first filters there are only pixels and no ReLU, so that the picture that comes out has both signs.
# * **Filter.** $W_\ell^\top$: the same filters, flipped in both directions. The bias plays no part, and contrast normalisation is stepped over.
#
# Unpooling and filtering are just what backpropagation does at these layers. Only the rectifying differs, and that is section 5. The code is
# therefore a backward pass with another rule at each ReLU, and takes branches, strides and any other architecture as they come.

# %%
show_source(features.deconvnet_probe)

# %% [markdown]
# We ask `scenes-cnn`, a small network that says whether a house or trees stand in a drawn landscape of 64 × 64 pixels. Its layers, by the names that the probe wants:

# %%
cnn, scenes = zoo.load("scenes-cnn"), data.scenes(300, seed=2)
for k, conv in enumerate(m for m in cnn.features if isinstance(m, nn.Conv2d)):
    below = f", features.{3 * k + 2} max pooling" if 3 * k + 2 < len(cnn.features) else ""
    print(f"block {k + 1}: features.{3 * k} convolution {conv.in_channels} → {conv.out_channels}, features.{3 * k + 1} ReLU{below}")

# %% [markdown]
# **Picture** (the paper's figure 2). For three units of the fourth block, the nine pictures they like best: upper rows, the patch that the unit can see
# (its receptive field, lecture 01); lower rows, what comes down from that one activation. The three colour channels are added, which leaves one signed number for each
# pixel: red where the filters call for a brighter pixel, blue where they call for a darker one. Each projection has its own scale; a white margin lies outside the picture.

# %%
units = [3, 29, 9]
top, down = features.top_projections(cnn, "features.10", units, scenes.images)
rows = [part for u in range(3) for part in (*top.patches[u], *down[u])]
axes = plot.grid(rows, columns=9, size=1.05, signed=([False] * 9 + [True] * 9) * 3, titles=[f"unit {u}" if k == 0 else None for u in units for k in range(18)])
plot.describe(axes[0], "Three units, nine patches and nine projections each. Unit 3: houses; the projections show dark doors and the roof's lower edge. "
              "Unit 29: trees; the projections show crowns and trunks. Unit 9: houses; the projections show a horizontal band, the edge under the roof.")

# %%
named = {n: scenes.masks[:, i] for i, n in enumerate(scenes.mask_names)}
parts = {"tree": named["crown"] | named["trunk"], "door": named["door"], "roof": named["roof"], "house": named["wall"] | named["roof"] | named["door"] | named["window"]}


def on_parts(layer, units, relu="deconvnet"):
    """Share of the projections' size that falls on each part, divided by the part's share of the seen pixels; mean over nine pictures."""
    found = features.top_patches(cnn, layer, units, scenes.images)
    table = {}
    for u, unit in enumerate(units):
        picked = found.indices[u]
        size = features.deconvnet_probe(cnn, layer, unit, scenes.images[picked], found.positions[u], relu).abs().sum(1)
        seen = torch.zeros_like(size)
        for r, (t, left, b, right) in enumerate(found.boxes[u].tolist()):
            seen[r, t:b, left:right] = 1
        table[f"unit {unit}"] = {n: float((size * m[picked]).sum() / size.sum() / ((seen * m[picked]).sum() / seen.sum())) for n, m in parts.items()}
    return pd.DataFrame(table).T


blue = [float(-d.clamp(max=0).sum() / d.abs().sum()) for d in down.nan_to_num().sum(2)]
print("blue share of the projections: " + ", ".join(f"unit {u} {b:.0%}" for u, b in zip(units, blue, strict=True)))
on_parts("features.10", units).round(1)

# %% [markdown]
# **What to see.** The patches of a row differ a lot: other colours, another sky, houses of all widths. The projections agree: *the same piece* of each
# picture comes out, wherever it stands. That is the paper's point about invariance. Most of it is blue (line above): trees, doors and roofs are the dark things of these landscapes, and
# darkness is what the units ask for; red runs along their lower edges, where what lies below is brighter: the ground, the path, or a wall under its roof. The table says it in numbers: how many times more of the projection falls on a
# part than the part's share of the seen area would give it (1 is “no more than anywhere”). The tree unit gets doors too: they are dark as well.
#
# Two warnings, both the paper's own. These are *not samples* of anything: every stroke was in the picture, and the switches put it back where it was. And each
# shows *one* activation, not what the layer does together.
#
# **Without switches.** How much of the projection is the unit's, and how much is the switches'? Spread the signal evenly over each pooling window instead.

# %%
x, where = scenes.images[top.indices[1]], top.positions[1]
sharp, spread = (features.deconvnet_probe(cnn, "features.10", 29, x, where, switches=s) for s in (True, False))


def likeness(a, b):
    """Cosine of the angle between pictures, for each pair of rows."""
    return F.cosine_similarity(a.flatten(1)[:, None], b.flatten(1)[None], dim=2)


inside = [(p, box) for p, box in enumerate(top.boxes[1].tolist()) if box[2] - box[0] == box[3] - box[1] == top.field.size[0]]
cut = [torch.stack([way[p][:, t:b, left:right] for p, (t, left, b, right) in inside]) for way in (sharp, spread)]
axes = plot.grid([*x[:4], *sharp[:4], *spread[:4]], columns=4, size=1.6, signed=[False] * 4 + [True] * 8,
                 titles=["picture"] * 4 + ["with switches"] * 4 + ["without"] * 4)
plot.describe(axes[0], "Four pictures with trees; their projections with switches show the trees' outlines; without switches a blurred blob that looks alike in all four.")
off = ~torch.eye(len(inside), dtype=torch.bool)
print(f"likeness of two pictures' projections, cut to the field: with switches {likeness(cut[0], cut[0])[off].mean():.2f}, "
      f"without {likeness(cut[1], cut[1])[off].mean():.2f}  ({len(inside)} patches that lie wholly inside their pictures)")

# %% [markdown]
# **What to see.** Without switches the unit draws *exactly* the same blob in every picture, moved to where it was active. It must: filters do not know the picture, and rectifying looks
# at the signal alone. The switches are the deconvnet's only memory of the picture. The blob is what the *unit* knows; all that makes a projection look like *this* tree comes from
# the switches, that is from the picture. Both are worth knowing; only do not take one for the other.
#
# ## 5 · Three ways through a ReLU
#
# **Claim** (Springenberg et al. 2015, section 3.4; the paper, section 2.1). The deconvnet differs from the gradient at the ReLU only. Cutting by both criteria,
# *guided backprop*, gives sharper pictures than either.
#
# **Formula.** $R$ arrives from above at $y=\max(z,0)$; this goes on down:
#
# | | rule | asks |
# |---|---|---|
# | gradient | $R\cdot\mathbb 1[z>0]$ | was the ReLU open on the way up? |
# | deconvnet | $R\cdot\mathbb 1[R>0]=\max(R,0)$ | is the signal positive on the way down? |
# | guided backprop | $R\cdot\mathbb 1[z>0]\cdot\mathbb 1[R>0]$ | both |

# %% [markdown]
# ### Exercise 2.4 — three ReLU rules ★★★ · 10 min · 3 points
#
# Write `relu_with(rule)`, which returns a class derived from `torch.autograd.Function`. Its `forward(ctx, z)` is $\max(z,0)$ for all three; its
# `backward(ctx, R)` follows `rule`: `"gradient"`, `"deconvnet"` or `"guided"`. A ReLU at $z=0$ exactly is shut.


# %% nbgrader={"grade": false, "grade_id": "answer-2.4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def relu_with(rule):
    """A torch.autograd.Function: forward max(z, 0), backward by ``rule``, "gradient", "deconvnet" or "guided"."""
    ### BEGIN SOLUTION
    class ReLU(torch.autograd.Function):
        @staticmethod
        def forward(ctx, z):
            ctx.save_for_backward(z)
            return z.clamp(min=0)

        @staticmethod
        def backward(ctx, R):
            (z,) = ctx.saved_tensors
            if rule != "gradient":  # deconvnet and guided: only a positive signal goes on
                R = R.clamp(min=0)
            if rule != "deconvnet":  # gradient and guided: only where the ReLU was open
                R = R * (z > 0)
            return R

    return ReLU
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-2.4", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("2.4", relu_with)

# %% [markdown]
# **Picture.** Four of unit 29's activations, sent down in three ways; and, for all nine, where the signal is cut. Of the signal's size $\sum|R|$ that arrives at a
# ReLU, each column says which share met an open ($z>0$) or shut ReLU with a positive or negative sign; the last says what the rule sets to zero.

# %%
ways = {r: features.deconvnet_probe(cnn, "features.10", 29, x, where, r) for r in ("gradient", "deconvnet", "guided")}
axes = plot.grid([*x[:4], *(p for way in ways.values() for p in way[:4])], columns=4, size=1.6, signed=[False] * 4 + [True] * 12,
                 titles=["picture"] * 4 + [r for r in ways for _ in range(4)])
plot.describe(axes[0], "Four pictures with trees and below them the projections of one unit by gradient, deconvnet and guided backprop: the gradient is speckled, "
              "the other two show crowns and trunks.")

# %%
cuts = pd.concat({r: features.relu_cuts(cnn, "features.10", 29, x, where, r).set_index("layer") for r in ways}, names=["rule"])
tree = parts["tree"][top.indices[1]][:, None]
print("share of the projections' size that lies on trees: " + ", ".join(f"{r} {float((way.abs() * tree).sum() / way.abs().sum()):.0%}" for r, way in ways.items()))
(100 * cuts).round().astype(int).add_suffix(" (%)")

# %% [markdown]
# **What to see.** At the first ReLU under the unit nothing is cut: one positive activation arrives, and its ReLU is open. From the next one on, all rules
# receive the same kind of mixture, and drop different parts of it. The gradient cuts what meets shut ReLUs, the deconvnet every minus, and
# guided backprop both, which is the most. What is cut does not come back.
#
# What does the cutting buy? To the eye, the speckle of the gradient goes, and deconvnet and guided backprop look almost alike. The share that lies on trees sees no speckle: by this number guided backprop is ahead of the deconvnet by as much as that is of the gradient, a few per cent each.
#
# And there is a price. A projection should depend on *which unit* was asked. Take one picture and one place of a layer, that where most units are active, ask sixteen of those,
# and compare their projections: likeness 1 means that the answer is the same whoever is asked. (The same place for all, for two projections of places far apart would differ only because they do not overlap.)

# %%
def unit_likeness(layer, relu, picture):
    """Mean |cosine| between the projections of sixteen units that are active at one place of a picture (1, C, H, W)."""
    active = features.responses(cnn, layer, picture)[0] > 0
    row, column = divmod(int(active.sum(0).argmax()), active.shape[2])
    units = active[:, row, column].nonzero()[:16, 0]
    found = features.deconvnet_probe(cnn, layer, units, picture.expand(len(units), -1, -1, -1), (row, column), relu)
    found = found[found.flatten(1).norm(dim=1) > 0]
    pairs = likeness(found, found).abs()
    return float((pairs.sum() - len(found)) / (len(found) * (len(found) - 1)))


some = scenes.images[scenes.labels == 3][:2, None]
pd.DataFrame({layer: {r: np.mean([unit_likeness(layer, r, p) for p in some]) for r in ways} for layer in ("features.4", "features.7", "features.10", "features.13")}).round(2)

# %% [markdown]
# **What to see.** In every column the gradient tells units apart best, and guided backprop worst. For the two
# rules that cut by sign, likeness grows with each layer up. Part of a clean
# outline is then the *picture's* outline, which the way down finds whoever sends the signal. (Mahendran and Vedaldi showed this in 2016 for large networks.) A pretty
# projection is not yet an explanation; lecture 04 will meet the same two rules as breakers of an axiom.
#
# **Try it.** One toggle for the rule, one for the layer, a slider for the unit; the bars are the cuts.

# %% tags=["demo"]
demos.get("02/relu").show()

# %% [markdown]
# ### Exercise 2.5 — one activation down to pixels ★★★ · 12 min · 3 points
#
# All in one function, for a network of conv (`w1`, 3 × 3, no padding) – ReLU – max pooling (2 × 2) – conv (`w2`, 3 × 3, no padding), without biases. `x` is one
# picture `(C, H, W)`. Find the strongest activation of map `unit` at the top, keep it *with its value* (it may be negative), set all others to zero, and send it down by the deconvnet's rules.
# (A last row or column that pooling leaves out is 0 on the way down.)


# %% nbgrader={"grade": false, "grade_id": "answer-2.5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def to_pixels(x, w1, w2, unit):
    """The strongest activation of map ``unit`` after conv–ReLU–pool–conv, sent down.  x (C, H, W) → (C, H, W)"""
    ### BEGIN SOLUTION
    up = F.conv2d(x[None], w1).clamp(min=0)
    pooled, switches = F.max_pool2d(up, 2, return_indices=True)
    top = F.conv2d(pooled, w2)
    signal = torch.zeros_like(top)
    place = top[0, unit].argmax()
    signal[0, unit].view(-1)[place] = top[0, unit].view(-1)[place]
    signal = F.conv_transpose2d(signal, w2)
    signal = F.max_unpool2d(signal, switches, 2, output_size=up.shape[2:])
    return F.conv_transpose2d(signal.clamp(min=0), w1)[0]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-2.5", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("2.5", to_pixels)

# %% [markdown]
# **Is the library's probe the deconvnet?** Your function was for one small network; here is the same, operation by operation, for the first three blocks of `scenes-cnn`,
# against the backward pass of section 4. `features.unpool` is the scatter of section 3.

# %%
show_source(features.unpool)

# %%
def written_out(x, unit):
    """One activation of the third block's convolution, by F.conv_transpose2d, unpooling and max(·, 0)."""
    conv1, conv2, conv3 = cnn.features[0], cnn.features[3], cnn.features[6]
    z1 = conv1(x)
    a1, s1 = F.max_pool2d(z1.clamp(min=0), 2, return_indices=True)
    z2 = conv2(a1)
    a2, s2 = F.max_pool2d(z2.clamp(min=0), 2, return_indices=True)
    z3 = conv3(a2)
    r = torch.zeros_like(z3)
    place = z3[0, unit].argmax()
    r[0, unit].view(-1)[place] = z3[0, unit].view(-1)[place]  # one is kept, all others are zero
    for conv, switches, below in ((conv3, s2, z2), (conv2, s1, z1)):
        r = F.conv_transpose2d(r, conv.weight, padding=conv.padding)
        r = features.unpool(r, switches, below.shape[2:]).clamp(min=0)
    return F.conv_transpose2d(r, conv1.weight, padding=conv1.padding)


with torch.no_grad():
    by_hand = written_out(scenes.images[:1], 3)
probed = features.deconvnet_probe(cnn, "features.6", 3, scenes.images[:1])
print(f"largest difference between the two: {(probed - by_hand).abs().max():.1e}, at values up to {by_hand.abs().max():.2g}")

# %% [markdown]
# **At full size.** torchvision's SqueezeNet, with its branches and overlapping pooling, on photographs, if its weights are on this machine. Of five layers from bottom to top, the
# strongest unit's strongest activation. No code changes.


# %%
def squeezenet_layers(name="chelsea"):
    """A photograph and the projections of five layers' strongest activations; a note where the weights are missing."""
    if not zoo.cached("squeezenet1_1"):
        return display(Markdown("*No picture here: the weights of `squeezenet1_1` are not on this machine. With a network connection, "
                                '`zoo.imagenet("squeezenet1_1")` fetches them (5 MB); then run this cell again.*'))
    net, preprocess, _ = zoo.imagenet("squeezenet1_1")
    photo = preprocess(data.photo(name, 224))
    shown, titles = [data.photo(name, 224)[0]], [name]
    for layer in ("features.1", "features.4", "features.7", "features.10", "features.12"):
        unit = int(features.responses(net, layer, photo)[0].flatten(1).amax(1).argmax())
        shown.append(features.deconvnet_probe(net, layer, unit, photo)[0])
        titles.append(f"{layer}, unit {unit}")
    axes = plot.grid(shown, titles, columns=3, size=2.3, signed=[False] + [True] * 5)
    plot.describe(axes[0], f"The photograph {name}, and five projections from lower to higher layers: a dot, short strokes, then larger and larger pieces.")


squeezenet_layers()

# %% [markdown]
# ## 6 · Features through training
#
# **Claim** (the paper, section 3.2, figure 4). During training the lower layers settle within a few epochs; the upper ones need many more.
#
# The paper shows, for a unit at epochs 1, 2, 5, 10, 20, 30, 40, 64, the strongest input and its projection. We do the same with a network of four convolutions that tells from which of
# scikit-image's thirteen photographs a patch of 48 × 48 pixels was cut (it learns on the photographs' left parts and is tested on the right ones). Its weights at these epochs ship with the course in
# `data/studies`; `features.study.make()` trains them anew, in about three minutes.

# %%
show_source(features.study.fit)

# %%
study = features.study
patches, labels = study.crops("test", 40)
stages = {e: study.at_epoch(e) for e in study.EPOCHS}
final = stages[64]
# the strongest unit of each of two layers, by the end
followed = {layer: int(features.responses(final, layer, patches[::2]).transpose(0, 1).flatten(1).amax(1).argmax()) for layer in ("relu2", "relu4")}
rows, titles = [], []
for layer, unit in followed.items():
    each = {e: features.top_projections(model, layer, unit, patches[::2], k=1) for e, model in stages.items() if e > 0}
    rows += [t.patches[0] for t, _ in each.values()] + [p[0] for _, p in each.values()]
    titles += [f"{layer}, {e}" for e in each] + [f"n° {int(t.indices[0])}" for t, _ in each.values()]
axes = plot.grid(rows, titles, columns=8, size=1.25, signed=([False] * 8 + [True] * 8) * 2)
plot.describe(axes[0], "For one unit of the second and one of the fourth layer, the strongest patch at epochs 1, 2, 5, 10, 20, 30, 40 and 64 and its projection below. "
              "The patch changes from epoch to epoch early on and later stays the same for the lower unit.")

# %% [markdown]
# **A measure.** “Settled” needs one. For each unit of a layer, correlate its responses (all patches, all places) at an epoch with the same unit's at the end, and average over the layer's
# units. A layer has settled from the first kept epoch on from which that stays at 0.9 or more. Epoch 0 is the random start.

# %%
show_source(features.settling)

# %%
table, settled = study.evolution()
layers = list(table)
fig, (left, right) = plot.subplots(1, 2, size=(9.6, 3.3))
plot.curves({n: table[n] for n in layers}, x=table.index, ax=left, xlabel="epoch", ylabel="correlation with the end", title="how like its end each layer is")
left.axhline(0.9, color=plot.MUTED, lw=0.8, ls=":")
way = (table - table.loc[0]) / (1 - table.loc[0])
plot.curves({n: way[n] for n in layers}, x=way.index, ax=right, xlabel="epoch", ylabel="share of the way", title="the same, from the random start")
plot.describe(fig, "Left: correlation with the end against epochs, rising for all four layers; conv1 lies highest throughout, conv3 and conv4 lowest. "
              "Right: the same as a share of the way from the random start; the four curves lie much closer together.")
for seed in (1, 2, 3):  # other random networks beside the trained one
    other = features.settling({0: study.network(seed=seed), 64: final}, layers, patches[::2])[0].loc[0]
    print(f"random network of seed {seed}, correlation with the end: " + ", ".join(f"{n} {v:+.2f}" for n, v in other.items()))
kept = [F.cosine_similarity(*(getattr(stages[e], n).weight.detach().flatten(1) for e in (0, 64))).mean() for n in layers]
print("cosine of a unit's weights at the start and at the end: " + ", ".join(f"{n} {v:.2f}" for n, v in zip(layers, kept, strict=True)))
print("settled (correlation ≥ 0.9) from epoch:", {layer: int(e) for layer, e in settled.items()})
print("test accuracy:", {e: round(train.accuracy(m, (patches, labels)), 2) for e, m in stages.items()})

# %% [markdown]
# **What to see.** Left, the paper's claim: the lower a layer, the earlier it is at home. Right, a doubt. The lowest layer *starts* nearer to its end than the others, and the control says why: it is
# its *own* start that it resembles. A random network of another seed correlates with the end hardly at all, in any layer. Learned weights keep a good part of the start that they were given, in all layers (the cosines; that of two random filters is about 0); but the higher
# a layer, the more has changed below it, and the less of that is left in what its units do. Measured from its own start, every layer covers its way at much the same pace. “Lower layers converge first” is true of
# what units *do*; that their learning is faster does not follow.
#
# In the picture the strongest patch jumps (the number under it is its place in the set), as the paper saw with “sudden jumps in appearance”. The jumps need no large change: the unit of layer 4 still jumps between
# epochs 40 and 64, when its layer has “settled”. Two patches that please a unit almost equally may change places at any time.
#
# Two reservations. At epoch 64 the correlation is 1 because the end is compared with itself; the accuracy still rises, so that a longer training would put every layer's settling later. And this is one network, of one seed.
#
# **Try it.** A slider for the epoch, from the random start to the end; choose a layer and a unit.

# %% tags=["demo"]
demos.get("02/epochs").show()

# %% [markdown]
# ## 7 · Choosing an architecture by looking
#
# **Claim** (the paper, section 4.1, figure 6). In the first layer of the network of 2012, 11 × 11 filters at stride 4, (i) filters are a mix of very high and very low frequencies, with little between,
# and some are dead; (ii) the second layer shows *aliasing*, from the large stride. 7 × 7 at stride 2 cures both, and classifies better.
#
# **Aliasing, measured.** A map that is read every $s$ pixels can tell frequencies up to $1/(2s)$ cycles per pixel apart (the *Nyquist* frequency). Whatever the filter passes beyond that is not lost: it
# folds over and poses as a lower frequency. So compute the map at *every* pixel, the **dense** map, of which the network's own is every $s$-th value, and ask which share of its energy
# (without the mean level) lies beyond Nyquist:
#
# $$\text{aliased share}=\frac{\sum_{\max(|f_x|,|f_y|)>1/(2s)}|\hat m(f)|^2}{\sum_{f\ne0}|\hat m(f)|^2}.$$
#
# In layer 2 the strides multiply: one pooling of stride 2 makes it 8 pixels against 4.

# %%
show_source(features.aliasing)

# %%
show_source(features.dense_maps)

# %% [markdown]
# **Picture.** Four seeds of each architecture were trained as in section 6, for 25 epochs, everything above the first layer being equal (`data/studies` again). The filters of the first seeds, each on its own
# scale, and the spectra of what they answer to eight photographs of 160 × 160 pixels.

# %%
nets = {(first, seed): study.trained(first, seed) for first in study.FIRST for seed in study.SEEDS}
for first in study.FIRST:
    w = nets[first, 0].conv1.weight.detach()
    axes = plot.grid(w / w.abs().amax((1, 2, 3), keepdim=True) / 2 + 0.5, columns=8, size=1.0)
    axes[0].set_title(first, fontsize=9)
    plot.describe(axes[0], f"Sixteen first-layer filters, {first}: noisy edges and bars.")

# %%
photographs = torch.cat([data.photo(n, 160).mean(1, keepdim=True) for n in study.SEEN])
frequency = torch.fft.rfftfreq(160)
lines = {}
for first in study.FIRST:
    power = features.spectrum(features.dense_maps(nets[first, 0], "conv1", photographs)).mean(0)
    across = power.sum(0)  # over vertical frequencies: energy at each horizontal one
    lines[first] = (frequency[1:], (across / across[1:].sum())[1:])
ax = plot.curves(lines, ax=plot.subplots(size=(6.4, 3.3))[1], xlabel="horizontal frequency (cycles per pixel)", ylabel="share of the energy", log="y",
                 title="what the first layer passes, and where its stride folds")
for k, (first, (_, stride)) in enumerate(study.FIRST.items()):
    ax.axvline(1 / (2 * stride), color=plot.COLORS[k], lw=1, ls=":")
    ax.annotate(f"Nyquist, stride {stride}", (1 / (2 * stride), ax.get_ylim()[1]), xytext=(3, -10), textcoords="offset points", fontsize=8, color=plot.COLORS[k])
plot.describe(ax, "Energy of the first layer's dense maps against horizontal frequency, falling steeply for both. A dotted line at 1/8 marks the limit of stride 4, one at 1/4 that of stride 2; "
              "much more of the energy lies right of the first.")

# %%
show_source(study.architectures)

# %%
seeds = study.architectures()
seeds.groupby("first layer", sort=False).agg(["mean", "std"]).drop(columns="seed").round(3).T

# %%
pairs = seeds.pivot(index="seed", columns="first layer", values="accuracy")
difference = pairs["7 × 7, stride 2"] - pairs["11 × 11, stride 4"]
print(f"accuracy, stride 2 less stride 4, seed by seed: {', '.join(f'{d:+.3f}' for d in difference)}; mean {difference.mean():+.3f} ± {difference.std() / len(difference) ** 0.5:.3f}")
for layer in (1, 2):
    by = seeds.pivot(index="seed", columns="first layer", values=f"aliased, layer {layer}")
    print(f"aliased share, layer {layer}: stride 4 over stride 2 is " + ", ".join(f"{q:.1f}" for q in by["11 × 11, stride 4"] / by["7 × 7, stride 2"]) + ", seed by seed")
read_at_4 = [float(features.aliasing(nets["7 × 7, stride 2", seed], "conv1", photographs, stride=4).mean()) for seed in study.SEEDS]
print(f"the 7 × 7 filters' maps, had they been read at stride 4: {min(read_at_4):.1%} to {max(read_at_4):.1%} aliased")

# %% [markdown]
# **What to see.** The aliasing is real, in both layers and for every seed: with stride 4 more of the maps' energy folds over, in layer 1 about twice as much. The stride is to blame, not the filters: the maps of the 7 × 7 ones,
# read at stride 4, would alias twice as much as those of the 11 × 11 ones (last line). The rest of the claim does not show here. No first-layer
# unit is dead in either network (a unit counts as dead if its largest response is under 1 % of the layer's). The filters do not avoid the middle frequencies (between 0.08 and 0.25 cycles per pixel). And the
# accuracies differ by less than the seeds do among themselves. A first layer of sixteen filters, trained for half a minute on a thousand patches, is not AlexNet; what carries over is the way
# to look: name the fault, then *measure* it.
#
# **Try it.** One first-layer map at every pixel, and the same map read at the stride of your choice. Watch what becomes of thin slanted lines, and the share that is folded over.

# %% tags=["demo"]
demos.get("02/stride").show()

# %% [markdown]
# ## 8 · Occlusion
#
# **Claim** (the paper, section 4.2, figure 7). The network looks at the object, not at its surroundings: cover the object with a grey square, and the probability of its class drops;
# and cover what the projection of the strongest feature map shows, and that map falls silent.
#
# **Formula.** For every place $(i,j)$ of a grey square let $x^{(i,j)}$ be the picture with it. Three maps over $(i,j)$:
#
# * the **activity** of one feature map $k$ of the last convolution, $\sum_{u,v} a_k(x^{(i,j)})_{uv}$, where $k$ is the map with the largest activation in $x$;
# * the **probability** $p_c(x^{(i,j)})$ of the true class $c$;
# * the **most likely class**, $\arg\max_c p_c(x^{(i,j)})$.

# %%
show_source(features.occlusion_maps)

# %%
picture = scenes.images[scenes.labels == 3][:1]
seen = features.occlusion_maps(cnn, picture, "features.13", 3, size=14, stride=5)
projected = features.deconvnet_probe(cnn, "features.13", seen.unit, picture)
at, outline = (seen.tops, seen.lefts, seen.size), (parts["house"] | parts["tree"])[scenes.labels == 3][0]
fig, axes = plot.subplots(1, 5, size=(13, 2.7))
plot.image(picture[0], axes[0], "picture")
plot.heatmap(projected[0], ax=axes[1], title=f"projection of unit {seen.unit}", colorbar=False)
plot.levels(seen.activity, axes[2], f"activity of unit {seen.unit}", at=at, over=outline)
plot.levels(seen.probability, axes[3], f"P({scenes.classes[3]})", high=1.0, at=at, over=outline)
plot.classes(seen.prediction, scenes.classes, axes[4], "most likely class", at=at, over=outline)
plot.describe(fig, "A scene with a house and a tree, the projection of its strongest map, and three maps over the places of a grey square: the activity of that map, "
              "the probability of the class, and the most likely class. Outlines of house and tree lie over the maps: activity is lowest about the house and the tree, probability at two places on the tree; one of these changes the class.")
print(f"activity of unit {seen.unit}: {seen.before[0]:.0f} without a square; with one between {seen.activity.min():.0f} and {seen.activity.max():.0f}")
hidden = F.avg_pool2d(projected.abs().sum(1), seen.size, 1)[0][seen.tops][:, seen.lefts] * seen.size**2 / projected.abs().sum()
print(f"the square that hides most of the projection hides {hidden.max():.0%} of it, and leaves {seen.activity.flatten()[hidden.argmax()] / seen.before[0]:.0%} of the activity; "
      f"correlation over all squares {np.corrcoef(hidden.flatten(), seen.activity.flatten())[0, 1]:+.2f}")
print("squares that change the class:", *(f"to “{scenes.classes[c]}”" for c in seen.prediction[seen.prediction != 3]))

# %% [markdown]
# **What to see.** Each cell of the three maps stands where the square's middle was; dark is low; the outlines are those of house and tree. One place, on the tree, turns “house with trees” into “house”; no square of this size undoes the house.
# The second half of the claim comes out weaker. The more of the projection a square hides, the lower the map's activity (lines above), but it does not fall silent: this map sums over many places, and no square hides
# more than about a quarter of what the projection shows. Elsewhere a square can even raise it, for a grey square is itself something to see. Does the first half hold beyond one picture?
# Take thirty scenes; in each, the square that costs the true class most. How often does it touch the object, and how often would any square?


# %%
def touches(index, size=14, stride=8):
    """(the class, does the costliest square touch house or trees, the share of squares that do, its cost in probability) for one scene."""
    there = (parts["house"] | parts["tree"])[index]
    found = features.occlusion_maps(cnn, scenes.images[index:index + 1], "features.13", int(scenes.labels[index]), size, stride)
    touching = F.avg_pool2d(there[None, None].float(), size, 1)[0, 0][found.tops][:, found.lefts] > 0.05
    return scenes.classes[scenes.labels[index]], bool(touching.flatten()[found.probability.argmin()]), float(touching.float().mean()), float(found.before[1] - found.probability.min())


looked = pd.DataFrame([touches(int(i)) for i in (scenes.labels > 0).nonzero()[:30, 0]], columns=["class", "touches", "chance", "cost"])
print(f"the costliest square touches house or trees (at least 5 % of it) in {looked.touches.sum()} of {len(looked)} scenes; of all squares {looked.chance.mean():.0%} do")
some = looked[looked.cost > 0.1]
print(f"where it costs more than 0.1: in {some.touches.sum()} of {len(some)}; elsewhere no square matters")
looked.groupby("class").agg(scenes=("touches", "size"), touches=("touches", "sum"), chance=("chance", "mean"), median_cost=("cost", "median"), largest_cost=("cost", "max")).round(2)

# %% [markdown]
# So far the paper's answer stands: what hurts lies on the object, where anything hurts. A house is hard to hide: one square takes little from its class, for what is left still says “house”. In scenes with
# trees alone a square beside them can cost as much as one on them: it is an object too. The size of the square matters more than the method admits. A small one leaves enough of everything; a large one
# is itself a thing that the network has never seen. **Try it:** two sliders.

# %% tags=["demo"]
demos.get("02/occlusion").show()

# %% [markdown]
# ### Exercise 2.6 — occlusion map, batched ★★☆ · 6 min · 2 points
#
# Write `occlusion_map(f, x, size, stride, grey=0.5)`. `x` is a picture `(H, W)`; `f` takes pictures `(N, H, W)` and returns a number for each, `(N,)`. The square's corner stands
# at 0, `stride`, 2·`stride` … as long as the whole square fits. Return $f$ of the hidden pictures, `(rows, columns)`, and call `f` at most twice.


# %% nbgrader={"grade": false, "grade_id": "answer-2.6", "locked": false, "schema_version": 3, "solution": true, "task": false}
def occlusion_map(f, x, size, stride, grey=0.5):
    """f of the picture with a grey square at each place, in at most two calls of f.  x (H, W) → (rows, columns)"""
    ### BEGIN SOLUTION
    tops, lefts = (range(0, n - size + 1, stride) for n in x.shape)
    hidden = x.repeat(len(tops), len(lefts), 1, 1)
    for i, top in enumerate(tops):
        for j, left in enumerate(lefts):
            hidden[i, j, top:top + size, left:left + size] = grey
    return torch.as_tensor(f(hidden.flatten(0, 1))).view(len(tops), len(lefts))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-2.6", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("2.6", occlusion_map)

# %% [markdown]
# Your function on a handwritten digit: which strokes carry the answer? Twice, with a grey square and with a black one.

# %%
reader, sevens = zoo.load("digits-cnn"), data.digits(split="test")
seven = sevens.images[sevens.labels == 7][11, 0]
read = lambda batch: reader(batch[:, None]).softmax(1)[:, 7]  # noqa: E731
with torch.no_grad():
    chance = {name: answer("2.6")(read, seven, 6, 2, grey) for name, grey in (("grey, 0.5", 0.5), ("black, 0", 0.0))}
    whole = float(read(seven[None]))
ink = F.avg_pool2d(seven[None, None], 6, 2)[0, 0]  # how bright the square's place is
at = (torch.arange(0, 23, 2), torch.arange(0, 23, 2), 6)
fig, axes = plot.subplots(1, 3, size=(9.6, 2.8))
plot.image(seven[None], axes[0], "a seven")
for ax, (name, values) in zip(axes[1:], chance.items(), strict=True):
    plot.levels(values, ax, f"P(7), a square of {name}", high=1.0, at=at, over=seven > 0.5)
    print(f"square of {name}: least P(7) {values.min():.2f} (whole: {whole:.2f}), at a place of mean brightness {ink.flatten()[values.argmin()]:.2f}; "
          f"correlation of P(7) with the brightness covered {np.corrcoef(ink.flatten(), values.flatten())[0, 1]:+.2f}")
plot.describe(fig, "A handwritten seven, and the probability of seven for each place of a square of 6 pixels, with the seven's outline: a grey square costs most on the empty "
                   "black beside the strokes, a black one on the strokes.")

# %% [markdown]
# **What to see.** The two maps contradict each other. Grey on black is not “nothing”: it *adds* ink, and costs most where there was none. Black takes ink away, and costs most on the strokes, which is what was asked. A grey square is neutral
# only where grey is nothing special; choose the filling by what “absent” means in your data, and try two.

# %% [markdown]
# ## 9 · Correspondence
#
# Does the network know that *this* roof and *that* roof are the same kind of thing? Nobody told it so: its labels say house or no house.
#
# **Claim** (the paper, section 4.3, table 1). Hide the same part (the left eye) in several pictures of dogs, and the features of a middle layer change in a consistent way; hide random parts, and they do not.
# In the topmost layer the difference is gone, for there the network only asks which breed it is.
#
# **Formula.** $x_i^\ell$ and $\tilde x_i^\ell$ are the features of picture $i$ in layer $\ell$ before and after hiding, $\epsilon_i^\ell=x_i^\ell-\tilde x_i^\ell$ the change, and
# $H$ the Hamming distance, the number of features in which two signs differ:
#
# $$\Delta_\ell=\sum_{i\ne j}H\big(\mathrm{sign}(\epsilon_i^\ell),\mathrm{sign}(\epsilon_j^\ell)\big).$$
#
# A **low** value means that hiding the part does the same to all pictures. We divide by the number of pairs and of features: a share between 0 and 1.
#
# With random signs +1 and −1 the share would be ½. But most features of a map do not change at all (sign 0) when a small square comes, and are then equal for free: far below ½ is nothing by itself. What a value
# means, only a control says.
#
# Here the truth about parts is known: each scene comes with the masks of its door, windows, roof. A grey square of ten pixels is put on the middle of the part; for comparison, on a random place of the house,
# and anywhere.

# %%
show_source(features.parts.house_places)

# %%
houses, spots = features.parts.house_places()
shown = [features.hide(houses[:5], *(c[:5] - 5).round().long().T, 10) for c in spots.values()]
axes = plot.grid([p for row in shown for p in row], columns=5, size=1.15)
for k, name in enumerate(spots):
    axes[5 * k].set_title(name, fontsize=8)
plot.describe(axes[0], "Five houses in five rows; a grey square hides the door, the left window, the roof, a random place of the house, a random place of the picture.")

# %%
blocks = {"features.4": "block 2", "features.7": "block 3", "features.10": "block 4", "features.13": "block 5 (last)"}
found = features.parts.hidden_parts(cnn, blocks)
found["Δ"] = [f"{m:.3f} ± {e:.3f}" for m, e in zip(found.delta, found.error, strict=True)]
print(f"{len(houses)} houses; ± is one standard error over the houses (jackknife)")
found.pivot(index=["features", "block"], columns="hidden", values="Δ")[list(spots)].loc[["place by place", "averaged over places"]]

# %% [markdown]
# **What to see.** *Place by place*, as the paper counts it: in blocks 2 to 4 hiding any of the three parts changes the features more consistently than hiding a random place of the house. The differences are small, for the
# houses stand anywhere in the picture, and the same change at another place of the map counts as another one; the paper's dogs all looked into the camera. Squares *anywhere* come close to the parts in blocks 2 and 3, and look the most consistent of all in block 4: one on
# the sky changes next to nothing, alike in all pictures. That is why the control that counts is the random place of the house. In the last block no part is told from it any more, as in the paper.
#
# *Averaged over places*, a feature is “how much of unit $k$ is there”, and it no longer matters where a house stands. In blocks 2 to 4 hiding the door, or the roof, does much the same to every house; a random spot does not. (A square anywhere is now the *least* consistent: averaged, every change has a sign, however small it is.) The left window is
# not told from a random place of the house, which often is a window or a wall anyway. In the last block the door alone is still told by this count: here the network
# needs only to know whether there is a house. The measure is as good as its control: ask for both.
#
# **Try it.** Choose the part, the size of the square and the block (ten houses, so that it follows your hand).

# %% tags=["demo"]
demos.get("02/parts").show()

# %% [markdown]
# ## The live demo
#
# Layer × unit × picture × ReLU rule, and a grey square that you move. Take the unit that is strongest in block 4, put the square on what its projection shows, and see the unit change; then put it on the sky.

# %% tags=["demo"]
demos.get("02").show()

# %% [markdown]
# ## Paper against here
#
# What the sources claim, and what came out on our networks and data, computed in this moment.

# %%
paper = claims.table("02")
claims.styled(paper.drop(columns="lecture"))

# %% [markdown]
# **To take along.**
# * What goes down must use what happened on the way up: the switches are that memory, and much of what a projection shows is theirs.
# * The three ReLU rules differ in one line. The more a rule cuts, the prettier the picture, and the less it depends on which unit was asked.
# * “Dead”, “aliased”, “settled”, “consistent”: each of the paper's words can be made a number. Some of its claims then hold here, and some do not.
