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
# # 05 · Memorization: what do networks do with noise?
#
# Shuffle the labels of a training set, so that there is nothing left to learn, and train a network on it. It
# reaches 100 % all the same. So why does it not do that with real data? This lecture follows two papers:
# the first shows that neither the network nor its regularisers forbid memorising, the second that
# a network still does something else first.
#
# | | |
# |---|---|
# | **You will be able to** | run a randomisation test and say what it rules out · build a network that fits any labels, with two weights per example and one per input · solve for the minimum-norm interpolant and say why gradient descent finds it · tell memorising from learning by five measurements: easy examples, filters, loss sensitivity, capacity and the critical sample ratio · judge whether a regulariser hinders noise more than it hinders data |
# | **Time** | 150 minutes, of which 60 for the exercises; a break fits well before section 6 |
# | **Builds on** | training a small network in PyTorch; no earlier lecture is needed |
# | **Sources** | Zhang, Bengio, Hardt, Recht, Vinyals 2017, *Understanding deep learning requires rethinking generalization* (“Zhang”); Arpit et al. 2017, *A Closer Look at Memorization in Deep Networks* (“Arpit”) |

# %%
import pandas as pd
import torch
from IPython.display import display

from xaikit import claims, data, demos, plot, studies
from xaikit.dynamics import interpolation, memorization, regularised, smallest
from xaikit.exercises import answer, check
from xaikit.source import show_source

# %% [markdown]
# ## 1 · Six ways to spoil a data set
#
# **Claim** (Zhang, section 2.1). A network that learns real data also fits data in which there is nothing to
# learn, with the same optimiser, the same step size and the same number of weights.
#
# A **randomisation test** spoils a data set and trains as if nothing had happened. Let $x_i$ be an image,
# $y_i$ its label, and $p$ a probability. Zhang use six data sets:
#
# | data set | what happens to example $i$ |
# |---|---|
# | true labels | nothing |
# | partially corrupted labels | with probability $p$, $y_i$ is drawn anew from all classes |
# | random labels | the same with $p=1$ |
# | shuffled pixels | one permutation of the pixels, the same for all images, also those of the test set |
# | random pixels | a permutation of its own for each image |
# | Gaussian | the image is noise with the mean and the variance of the whole data set |
#
# A drawn class may happen to be the old one; with ten classes, a tenth of the “random” labels are right.
#
# ### Exercise 5.1 — Six data sets from one ★☆☆ · 10 min · 3 points
#
# Four kinds and a probability are enough for all six. All that is random is drawn for you, so that a check
# can say what is right: `chance` (N,) in [0, 1), `drawn` (N,) classes, `orders` (N, D) permutations, `noise`
# (N, D) standard normal. Write `spoil(x, y, kind, p, chance, drawn, orders, noise)` for flat images x (N, D).
# An example is spoiled if its chance is below p. Kinds: "labels" (the label becomes the drawn one), "shuffled
# pixels" (pixel $k$ becomes pixel `orders[0][k]`), "random pixels" (`orders[i][k]`), "gaussian" (mean of x
# plus standard deviation of x times noise, both over all of x). Return x and y.


# %% nbgrader={"grade": false, "grade_id": "answer-5.1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def spoil(x, y, kind, p, chance, drawn, orders, noise):
    """Spoil each example i with chance_i < p.  x (N, D), y (N,) → x (N, D), y (N,)"""
    ### BEGIN SOLUTION
    hit = chance < p
    if kind == "labels":
        return x, torch.where(hit, drawn, y)
    if kind == "shuffled pixels":
        new = x[:, orders[0]]
    elif kind == "random pixels":
        new = x.gather(1, orders)
    else:
        new = x.mean() + x.std(correction=0) * noise
    return torch.where(hit[:, None], new, x), y
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-5.1", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("5.1", spoil)

# %% [markdown]
# **Picture.** The same six digits, 8 × 8 pixels, in each of the six data sets; above each image stands its
# label.

# %%
x, y, test_x, test_y = memorization.small_digits(500)
draws = memorization.draw(6, 64, seed=3)
sets = {name: answer("5.1")(x[:6], y[:6], kind, p, *draws) for name, (kind, p) in memorization.SIX.items()}
axes = plot.grid(
    [image.reshape(1, 8, 8) for images, _ in sets.values() for image in images],
    titles=[str(label.item()) for _, labels in sets.values() for label in labels],
    columns=6,
    size=0.95,
)
for ax, name in zip(axes[::6], sets, strict=True):
    ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
plot.describe(
    axes[0],
    "Six handwritten digits in six rows: as they are, with half of the labels or all labels drawn anew, with "
    "all pixels moved by one permutation, by one for each image, and as Gaussian noise.",
)

# %% [markdown]
# Now the test. Every network has two hidden layers of 96 ReLU units (16,522 weights) and sees 500 digits; SGD
# with step size 0.05, momentum 0.9, 50 examples a step. Nothing of this differs between the data sets. There
# are five networks for each, with other initial weights, other draws and another order of the data, and all
# of them train at once until none makes an error on its training set.

# %%
show_source(memorization.corrupt)

# %%
runs = memorization.randomised()
fitted = runs.first("train_error", lambda share: share == 0)
six = {name: [i for i, s in enumerate(runs.settings) if s["name"] == name] for name in memorization.SIX}
fig, panels = plot.subplots(1, 2, size=(10.4, 3.4))
for ax, what, label in (
    (panels[0], "train_loss", "training loss (nats)"),
    (panels[1], "train_error", "training error"),
):
    plot.curves(
        {name: runs.measured[what][:, own].nanmean(1) for name, own in six.items()},
        x=runs.steps,
        ax=ax,
        xlabel="steps of SGD",
        ylabel=label,
        legend=ax is panels[1],
    )
plot.describe(
    fig,
    "Training loss and training error against steps, mean of five networks, for the six data sets. All six "
    "fall to zero: true labels and shuffled pixels first, then random pixels and Gaussian noise, last "
    "random and half-random labels.",
)


def with_interval(values):
    """Mean and 95 % interval over five networks, as text."""
    mean, low, high = memorization.interval(values)
    return f"{mean:.3g} ({low:.3g} … {high:.3g})"


pd.DataFrame(
    {
        "networks fitted to 100 %": {n: f"{fitted[own].isfinite().sum()} of {len(own)}" for n, own in six.items()},
        "steps until then": {n: with_interval(fitted[own]) for n, own in six.items()},
        "times the true labels'": {
            n: f"{(fitted[own].mean() / fitted[six['true labels']].mean()):.1f}" for n, own in six.items()
        },
    }
)

# %% [markdown]
# **What to see.** All six data sets are fitted to 100 %, by every network. The order of difficulty:
# shuffled pixels cost what true labels cost (a network whose layers are dense does not know which pixels are
# neighbours); pure noise as input comes next; labels without meaning on real images are hardest. That noise
# images are *easier* than real ones with random labels surprises at first. But they lie far apart in 64
# dimensions, while two threes lie close together, and random labels ask the network to part them. Even the
# hardest costs a small factor only, as Zhang say: optimisation stays easy when learning has become
# impossible.
#
# What this rules out: whatever explains generalisation cannot look at the network and the optimiser alone,
# for these are the same in all six rows. A **Rademacher complexity** $\hat{\mathfrak R}_n(\mathcal
# H)=\mathbb E_\sigma\big[\sup_{h\in\mathcal H}\frac1n\sum_i\sigma_ih(x_i)\big]$ asks how well a class
# $\mathcal H$ of functions fits random signs $\sigma_i\in\{-1,1\}$. Here it is about 1, its largest value, and
# a bound on the test error that grows with it says nothing.

# %% [markdown]
# ## 2 · From a little noise to nothing but noise
#
# **Claim** (Zhang, figure 1b and c). With growing $p$ it takes longer to fit, and the test error, once the
# training error is 0, grows steadily from that of learning to that of guessing.

# %%
levels = sorted({s["p"] for s in runs.settings if s["kind"] == "labels"})
at_level = {p: [i for i, s in enumerate(runs.settings) if (s["kind"], s["p"]) == ("labels", p)] for p in levels}
slow = {p: memorization.interval(fitted[own] / fitted[at_level[0.0]].mean()) for p, own in at_level.items()}
last = {p: memorization.interval(runs.measured["test_error"][-1, own]) for p, own in at_level.items()}
best = {p: memorization.interval(runs.measured["test_error"][:, own].amin(0)) for p, own in at_level.items()}
fig, panels = plot.subplots(1, 2, size=(9.4, 3.2))
for ax, found, label in ((panels[0], {"": slow}, "time to fit, relative to p = 0"),
                         (panels[1], {"at the end": last, "best on the way": best}, "test error")):
    plot.curves({name: [v[0] for v in values.values()] for name, values in found.items()}, x=levels, ax=ax,
                xlabel="p, the probability of a random label", ylabel=label)
    for k, values in enumerate(found.values()):
        _, low, high = zip(*values.values(), strict=True)
        ax.fill_between(levels, low, high, color=plot.COLORS[k], alpha=0.2, lw=0)
panels[1].plot([0, 1], [0, 0.9], color=plot.MUTED, lw=0.9, ls=":")
plot.describe(
    fig,
    "Left: time to fit relative to true labels jumps to three times at p = 0.1 and ends between four and "
    "five. Right: the test error at the end grows nearly along the straight line from 0 to 0.9, the best "
    "test error on the way stays far below it until p is above 0.75.",
)
pd.DataFrame(
    {"time to fit": {p: "{:.2f} ({:.2f} … {:.2f})".format(*v) for p, v in slow.items()},
     "test error": {p: "{:.2f} ({:.2f} … {:.2f})".format(*v) for p, v in last.items()},
     "best test error on the way": {p: "{:.2f} ({:.2f} … {:.2f})".format(*v) for p, v in best.items()}}
).rename_axis("p")

# %% [markdown]
# **What to see.** Left, most of the price is paid for the *first* wrong labels: a tenth of them makes the
# fit about three times as long, and beyond a quarter more noise hardly matters. In the paper's figure time
# grows up to $p=1$ for some architectures and levels off for others; on 500 digits it levels off early.
# Right, the test error at the end grows in step with the noise (dotted: the line from 0 to 0.9, the error of
# guessing). The orange line is worth a second look. *On the way*, before it had fitted the noise, the same
# network was far better: with half of the labels random it went through a moment when only about an eighth
# of the test digits were wrong. Something was learned before the rest was memorised. Section 6 takes it up.
#
# **Try it.** Move p: the curves of the five networks at that level.

# %% tags=["demo"]
demos.get("05/corruption").show()

# %% [markdown]
# ## 3 · Do regularisers explain it?
#
# If the network could memorise and yet does not, perhaps something stops it. A **regulariser** is anything
# that makes fitting the training set harder for the sake of new data:
#
# | regulariser | what it does here |
# |---|---|
# | data augmentation | *random crop*: each time a digit is seen it has moved by up to a pixel, both ways |
# | weight decay | adds $\frac\lambda2\lVert w\rVert^2$ to the loss, $\lambda=0.005$ |
# | dropout | in training each hidden unit is 0 with probability 0.3 |
# | batch norm | each unit is scaled to mean 0 and variance 1 over the batch; Zhang count it as *implicit*: it is there for speed |
# | early stopping | keeps the weights of the step with the best test error |
#
# **Claim** (Zhang, section 3). Regularisers help a little. They are neither needed for generalisation (without
# any, networks still generalise) nor enough (with them on, networks still fit random labels).

# %%
own = regularised.table().set_index(["labels", "regulariser"])


def percent(row, name):
    return f"{row[name]:.1f} ({row[name + '_low']:.1f} … {row[name + '_high']:.1f})"


ours = pd.DataFrame({k: own.apply(percent, axis=1, name=n) for k, n in (
    ("training accuracy, %", "train"), ("test accuracy, %", "test"), ("best test accuracy on the way, %", "best"))})
display(ours)
regularised.PAPER.set_index("network").rename(columns=lambda c: f"{c} (Zhang, CIFAR-10), %")

# %%
fig, panels = plot.subplots(1, 2, size=(10, 2.6), sharey=True)
for ax, which, title in ((panels[0], "test", "true labels: test accuracy, %"),
                         (panels[1], "train", "random labels: training accuracy, %")):
    rows = own.loc["true" if which == "test" else "random"]
    plot.intervals(rows[which], rows[f"{which}_low"], rows[f"{which}_high"], list(rows.index), ax=ax, title=title,
                   muted=("none",))
plot.describe(
    fig,
    "Test accuracy on true labels and training accuracy on random labels for five networks with each "
    "regulariser. Without any regulariser the test accuracy is within two points of the best; on random "
    "labels only the random crop keeps the training accuracy far below 100.",
)

# %% [markdown]
# **What to see.** The upper table is ours, on 300 digits and a network of two layers of 64 units, the lower
# one the paper's, on CIFAR-10. The pattern is the same: all regularisers together are worth a few points, and
# the network without any is already good. *Not needed* holds. *Not enough* holds for weight decay, dropout
# and batch norm: with each of them the network fits random labels (nearly) to the end. It does **not** hold
# for the random crop here. Nine places for each digit make nine times as many examples, and 5,500–9,000
# weights have not fitted them in 450 steps. The paper did not try its crops on random labels of CIFAR-10; on
# ImageNet (its table 2) augmentation and random labels do not meet either. Section 11 asks the question again,
# for regularisers of all strengths.
#
# Early stopping is the last column: it wins next to nothing on true labels, here as in the paper. On noisy
# labels it wins more than all others together, as the orange line of section 2 showed.

# %% [markdown]
# ## 4 · Any labels, with 2n + d weights
#
# How large must a network be to fit *any* labels of $n$ examples? Not large.
#
# **Theorem 1** (Zhang). *There exists a two-layer neural network with ReLU activations and $2n+d$ weights that
# can represent any function on a sample of size $n$ in $d$ dimensions.*
#
# **Formula.** The proof is a recipe. The network is
#
# $$C(x)=\sum_{j=1}^nw_j\max(a\cdot x-b_j,\,0),$$
#
# with $a\in\mathbb R^d$ and $b,w\in\mathbb R^n$: $2n+d$ numbers. Choose $a$ at random; then the projections
# $z_i=a\cdot x_i$ of different examples differ. Number the examples such that $z_1<z_2<\dots<z_n$ and put a
# **knot** $b_j$ before each of them: $b_1<z_1<b_2<z_2<\dots<b_n<z_n$. What is asked, $C(x_i)=y_i$ for all
# $i$, is a linear system $Aw=y$ with $A_{ij}=\max(z_i-b_j,0)$. Where $j>i$, the knot stands behind the
# example and $A_{ij}=0$. On the diagonal $z_i-b_i>0$. So $A$ is triangular without a zero on its diagonal, and
# there is a solution for every $y$.

# %%
show_source(interpolation.fit_any)

# %% [markdown]
# **Picture.** Eight digits with random labels. Left the system: row $i$ has one number more than the row
# above. Right the function $C$ along the projection: one bend for each example.

# %%
generator = torch.Generator().manual_seed(1)
a = torch.randn(64, generator=generator, dtype=torch.float64)
few, random_labels = x[:8].double(), torch.randint(10, (8,), generator=generator)
b, w = interpolation.fit_any(few, random_labels, a)
z, order = (few @ a).sort()
A = interpolation.hinges(z, b)
fig, panels = plot.subplots(1, 2, size=(10.2, 3.7), width_ratios=[1, 1.25])
plot.heatmap(A, ax=panels[0], title="A = max(z − b, 0)", label="entry")
for i in range(8):
    for j in range(i + 1):
        panels[0].text(j, i, f"{A[i, j]:.1f}", ha="center", va="center", fontsize=7)
panels[0].set(xlabel="unit j", ylabel="example i", xticks=range(8), yticks=range(8))
line = torch.linspace(b[0] - 0.5, z[-1] + 0.5, 600, dtype=torch.float64)
plot.curves({"C": interpolation.hinges(line, b) @ w}, x=line, ax=panels[1], xlabel="projection a · x",
            ylabel="C(x)", title="the network along a")
panels[1].plot(z, random_labels[order], "o", color=plot.FOR, ms=6)
panels[1].plot(b, interpolation.hinges(b, b) @ w, "|", color=plot.INK, ms=9)
plot.describe(
    fig,
    "Left: the eight by eight matrix is zero above its diagonal and positive on and below it. Right: a line "
    "with a bend before each of eight points, marked by a tick, that passes through all of them.",
)

# %% [markdown]
# **1,000 random labels.** Constructed, not trained, in float64, for five draws of $a$ and of the labels. The
# condition leaves open *where* between two projections a knot stands. `gap` says it: 0.5 is half-way, 0.99 just
# behind the example before.

# %%
many = memorization.small_digits(1000)[0].double()
found = []
for seed in range(5):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(64, generator=generator, dtype=torch.float64)
    random_labels = torch.randint(10, (1000,), generator=generator)
    for gap in (0.5, 0.99):
        b, w = interpolation.fit_any(many, random_labels, a, gap)
        out = interpolation.two_layers(many, a, b, w)
        right = (interpolation.two_layers(test_x.double(), a, b, w).round() == test_y).double().mean().item()
        found.append({"gap": gap, "weights": a.numel() + b.numel() + w.numel(),
                      "labels met, of 1,000": (out.round() == random_labels).sum().item(),
                      "largest |C(x) − y|": (out - random_labels).abs().max().item(), "largest |w|": w.abs().max().item(),
                      "right on the test set": right})
found = pd.DataFrame(found)
grouped = found.groupby("gap").agg({"weights": "max", "labels met, of 1,000": "min", "largest |C(x) − y|": "max",
                                    "largest |w|": "max", "right on the test set": "mean"})
display(grouped.style.format({"largest |C(x) − y|": "{:.0e}", "largest |w|": "{:.1e}", "right on the test set": "{:.2f}"}))

# %% [markdown]
# **What to see.** All 1,000 labels are met with 2,064 weights; what differs is rounding. With knots half-way the
# line overshoots: to hit a point soon after the last one it must turn sharply, and until its next knot it runs on.
# The overshoot grows with the ratio of a wide gap to a narrow one, and so do the weights. With knots just
# behind the last example $C$ is all but the polygon through the points, and the rounding error is smaller by
# orders of magnitude. Either way the network knows nothing: it orders the digits along a random direction and
# looks its table up. Being able to represent something and finding it by gradient descent are two things.
#
# ### Exercise 5.2 — The 2n + d construction ★★★ · 15 min · 3 points
#
# Write `fit_any(x, y, a)` for knots half-way: with the projections in ascending order, $b_1=z_1-1$ and
# $b_i=(z_{i-1}+z_i)/2$. Return b (n,) and w (n,), both in ascending order of the knots.


# %% nbgrader={"grade": false, "grade_id": "answer-5.2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fit_any(x, y, a):
    """Knots b (n,) and weights w (n,) of the network that fits y.  x (n, d), y (n,), a (d,)"""
    ### BEGIN SOLUTION
    z, order = (x @ a).sort()
    b = torch.cat([z[:1] - 1, (z[1:] + z[:-1]) / 2])
    A = (z[:, None] - b).clamp(min=0)
    return b, torch.linalg.solve_triangular(A, y[order][:, None], upper=False)[:, 0]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-5.2", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("5.2", fit_any)

# %% [markdown]
# ## 5 · Of all solutions, the smallest
#
# Take the simplest model with more weights than examples: $f(x)=w\cdot x$ with $w,x\in\mathbb R^d$, and $n\le d$
# examples, the rows of $X\in\mathbb R^{n\times d}$. If they are independent, $Xw=y$ has infinitely many
# solutions, and all have training error 0. Which one do we get? Not one that the *loss* prefers: it is 0, and
# has the same curvature, at all of them.
#
# **Formula.** SGD takes an example $i_t$ and steps $w_{t+1}=w_t-\eta_te_tx_{i_t}$, with the step size $\eta_t$ and the
# error $e_t$, a number. From $w_0=0$ it can only ever add multiples of examples, so $w=\sum_i\alpha_ix_i=X^\top\alpha$.
# Put into $Xw=y$ this gives
#
# $$XX^\top\alpha=y,$$
#
# an $n\times n$ system with a single solution if the examples are independent. Its $w=X^\top\alpha$ is the solution of the **smallest norm**: any other is
# $w+v$ with $Xv=0$; then $w\cdot v=\alpha\cdot Xv=0$ and $\lVert w+v\rVert^2=\lVert w\rVert^2+\lVert v\rVert^2$. Only the **kernel matrix** $K=XX^\top$ of all inner
# products is needed. So each $x$ may be replaced by features $\phi(x)$ of any number, as long as we can compute
# $K_{ij}=\phi(x_i)\cdot\phi(x_j)$. Three kinds here:
#
# * **pixels** themselves, centred ($d=64$, of which 61 ever change: enough for 30 examples, not for 500),
# * the **Gaussian kernel** $K_{ij}=\exp(-\lVert x_i-x_j\rVert^2/2\sigma^2)$, $\sigma$ being 0.35 of the
#   median distance of two digits; it has infinitely many features,
# * **random convolutions**: 192 random 3 × 3 filters, ReLU of both signs, average over 2 × 2 pixels.
#
# Ten classes are ten labels $y$ of 0 and 1, with a $w$ each; the largest output is the answer. No
# regulariser anywhere.

# %%
show_source(interpolation.minimum_norm)
show_source(interpolation.sgd_epochs)

# %% [markdown]
# **SGD against the solution.** 30 digits, one at a time, from zero. The distance is $\lVert w_t-w^*\rVert/\lVert
# w^*\rVert$, $w^*$ the smallest solution.

# %%
distances = smallest.distances()
epochs = range(1, len(distances["pixels"]))
ax = plot.curves({name: v[1:].mean(1) for name, v in distances.items()}, x=epochs, log="xy",
                 xlabel="epochs of SGD (30 steps each)", ylabel="distance to the smallest solution")
for k, v in enumerate(distances.values()):
    ax.fill_between(epochs, v[1:].amin(1), v[1:].amax(1), color=plot.COLORS[k], alpha=0.2, lw=0)
ax.axhline(1e-3, color=plot.MUTED, lw=0.9, ls=":")
ax.set_ylim(1e-9, 2)
plot.describe(
    ax,
    "Distance of SGD's weights to the minimum-norm solution against epochs, five splits: with the Gaussian "
    "kernel it falls below a thousandth in about ten epochs, with random convolutions in some hundreds, with "
    "pixels in less than a thousand.",
)
pd.DataFrame({"first epoch below 10⁻³, slowest of 5": {n: (v.amax(1) < 1e-3).nonzero()[0].item() for n, v in distances.items()},
              "distance at the end, largest of 5": {n: f"{v[-1].max().item():.0e}" for n, v in distances.items()}})

# %% [markdown]
# **What to see.** SGD comes to the smallest solution in all three representations, without being asked: this is
# meant by **implicit regularisation**. The time it takes is the condition number's: pixels of digits resemble
# each other, different digits under a narrow kernel are nearly orthogonal.
#
# ### Exercise 5.3 — The smallest solution, two ways ★★☆ · 8 min · 2 points
#
# Write `two_ways(X, y, order, eta)` for one output: first $w=X^\top\alpha$ with $XX^\top\alpha=y$; second the
# $w$ of SGD from $w=0$ after one step for each $i$ of `order` (T,), in that order, with step size `eta`. X (n, d), y (n,).


# %% nbgrader={"grade": false, "grade_id": "answer-5.3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def two_ways(X, y, order, eta):
    """The smallest w with Xw = y, and SGD's w.  X (n, d), y (n,), order (T,) → (d,), (d,)"""
    ### BEGIN SOLUTION
    smallest = X.T @ torch.linalg.solve(X @ X.T, y)
    w = torch.zeros_like(X[0])
    for i in order.tolist():
        w = w - eta * (w @ X[i] - y[i]) * X[i]
    return smallest, w
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-5.3", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("5.3", two_ways)

# %% [markdown]
# **Does it generalise?** The smallest solution on 30 and on 500 digits, and beside it a *poisoned* one:
# it fits the same training digits, and a wrong label for each of the 450 test digits as well, and is the
# smallest to do so.

# %%
sizes = smallest.table()
sizes.groupby(["n", "features", "solution"]).agg(
    **{"test error": ("test_error", with_interval), "‖w‖": ("norm", with_interval)}
)

# %% [markdown]
# **What to see.** With 500 digits and no regulariser the interpolants are about as good as the networks of section
# 3. The poisoned one shows that this is not because all that fits is good: its training error is 0 too, and it is
# always wrong on new digits. It is also several times as long. So the norm tells *these two* apart. But compare
# the rows of one size: random convolutions have a much larger norm than the Gaussian kernel and are no worse. Zhang
# found the same on MNIST (a norm of 220 with the Gaussian kernel, 390 after a wavelet transform, and half the test error): across
# representations, the smallest norm is **not** the best predictor.
#
# **At scale: from the longer run.** On MNIST's 60,000 images Zhang report a test error of 1.2 %. Here the Gaussian
# kernel fits n of them, up to all. $K$ has 3.6 billion entries; half of it is kept in tiles, and
# $K\alpha=y$ is solved by conjugate gradients, for which multiplying by $K$ is enough (`xaikit run 05/kernel --full` makes the table again).

# %%
kernel = studies.table("05/kernel")
trend = kernel.groupby(["sigma", "n"]).test_error.agg(["mean", "min", "max"])
ax = plot.curves({f"σ = {s:g}": (rows.index.get_level_values("n"), 100 * rows["mean"]) for s, rows in trend.groupby("sigma")},
                 log="xy", xlabel="training images of MNIST, all fitted", ylabel="test error, %",
                 title="from the longer run")
for k, (_, rows) in enumerate(trend.groupby("sigma")):
    ax.fill_between(rows.index.get_level_values("n"), 100 * rows["min"], 100 * rows["max"], color=plot.COLORS[k], alpha=0.2, lw=0)
ax.axhline(1.2, color=plot.MUTED, lw=0.9, ls=":")
plot.describe(
    ax,
    "Test error of Gaussian kernels that fit n images of MNIST exactly, against n, both on log scales: it falls "
    "steadily; the dotted line is the 1.2 per cent of the paper.",
)
largest = kernel[kernel.n == kernel.n.max()].sort_values("test_error").iloc[0]
print(f"{largest.n:,.0f} images: test error {largest.test_error:.2%} with σ = {largest.sigma:g}, training error "
      f"{largest.train_error:.2%}, ‖w‖ = {largest.norm:.0f}, {largest.iterations:.0f} iterations")

# %% [markdown]
# **What to see.** A straight line in this picture is a power law: each doubling of the data takes off the same share of the
# error, and the trend leads to the paper's number. Nothing was held back, no label was smoothed, no weight decayed.

# %% [markdown]
# ## 6 · Easy examples
#
# (Being written.)

# %% [markdown]
# ## 7 · The first layer's filters
#
# (Being written.)

# %% [markdown]
# ## 8 · Loss sensitivity
#
# (Being written.)

# %% [markdown]
# ## 9 · Capacity and noise
#
# (Being written.)

# %% [markdown]
# ## 10 · Critical samples
#
# (Being written.)

# %% [markdown]
# ## 11 · Which regulariser stops memorisation?
#
# (Being written.)

# %% [markdown]
# ## The live demo
#
# Press play and watch a network memorise. p is the share of the 300 training digits that is spoiled, the
# toggle says how, the width is that of its two hidden layers. Left the training error (blue) and the test error
# (orange) against steps; right training digits that it gets wrong at this moment, with the label that it is told and
# what it says. With random labels and a p of 0.3, watch *which* digits are wrong last: a red frame marks the
# spoiled ones.

# %% tags=["demo"]
demos.get("05").show()

# %% [markdown]
# ## Paper against here
#
# What the sources claim, and what came out on our data, computed in this moment; the row on MNIST comes from
# the longer run.

# %%
paper = claims.table("05")
claims.styled(paper.drop(columns="lecture"))
