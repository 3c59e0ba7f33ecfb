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
# Shuffle the labels of a training set, so that there is nothing left to learn from them, and train a network on it. It
# reaches 100 % all the same. So why does it not simply memorise real data as well? This lecture follows two papers:
# the first shows that neither the network nor its regularisers forbid memorising, the second that
# a network still does something else first.
#
# | | |
# |---|---|
# | **You will be able to** | run a randomisation test and say what it rules out · build a network that fits any labels, with two weights per example and one per input · solve for the minimum-norm interpolant and say why gradient descent finds it · tell memorising from learning by five measurements: easy examples, filters, loss sensitivity, capacity and the critical sample ratio · judge whether a regulariser hinders noise more than it hinders data |
# | **Time** | 165 minutes, of which 70 for the seven exercises; a break fits well before section 6 |
# | **Builds on** | training a small network in PyTorch; no earlier lecture is needed |
# | **Sources** | Zhang, Bengio, Hardt, Recht, Vinyals 2017, *Understanding deep learning requires rethinking generalization* (“Zhang”); Arpit et al. 2017, *A Closer Look at Memorization in Deep Networks* (“Arpit”) |

# %%
import pandas as pd
import torch
from IPython.display import display

from xaikit import claims, demos, plot, studies
from xaikit.claims import lecture05_examples
from xaikit.dynamics import (
    capacity,
    easiness,
    interpolation,
    memorization,
    regularised,
    resistance,
    sensitivity,
    smallest,
    stages,
)
from xaikit.exercises import answer, check
from xaikit.source import show_source

# %% [markdown]
# ## 1 · Six ways to spoil a data set
#
# **Claim** (Zhang, section 2.1). A network that learns real data also fits data in which little or nothing is left to
# learn, with the same optimiser, the same step size and the same number of weights.
#
# A **randomisation test** spoils a data set and trains as if nothing had happened. Let $x_i$ be an image,
# $y_i$ its label, and $p$ a probability. Zhang use six data sets:
#
# | data set | what happens to example $i$ |
# |---|---|
# | true labels | nothing |
# | partially corrupted labels | with probability $p$, $y_i$ is drawn anew from all classes (in the figures $p=\frac12$: “half the labels random”) |
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
# plus standard deviation of x times noise, both over all of x; divide by $ND$ there, `correction=0`). Return x
# and y.


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
by = answer("5.1")
sets = {name: by(x[:6], y[:6], kind, p, *draws) for name, (kind, p) in memorization.SIX.items()}
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


def with_interval(values, digits=3):
    """Mean and 95 % interval over five networks, as text."""
    mean, low, high = (f"{v:.{digits}g}" for v in memorization.interval(values))
    return f"{mean} ({low} … {high})"


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
# **What to see.** All six data sets are fitted to 100 %, by every network. (The lines of true labels and shuffled
# pixels lie on each other, nearly; so do those of random pixels and Gaussian. Errors are measured every ten steps or
# more, which is why two rows can agree to the digit.) The order of difficulty:
# shuffled pixels cost what true labels cost (a network whose layers are dense does not know which pixels are
# neighbours); pure noise as input comes next; labels without meaning on real images are hardest. That noise
# images are *easier* than real ones with random labels surprises at first. But they lie far apart in 64
# dimensions, while two threes lie close together, and random labels ask the network to part them. Even the
# hardest costs a small factor only, as Zhang say: optimisation stays easy where learning has become
# impossible, as with random labels. (Not every spoiling goes so far: shuffled pixels keep all that a dense network can use, and a
# permutation for each image keeps how much ink there is.)
#
# What this rules out: whatever explains generalisation cannot look at the network and the optimiser alone,
# for these are the same in all six rows. A **Rademacher complexity** $\hat{\mathfrak R}_n(\mathcal
# H)=\mathbb E_\sigma\big[\sup_{h\in\mathcal H}\frac1n\sum_i\sigma_ih(x_i)\big]$ asks how well a class
# $\mathcal H$ of functions fits random signs $\sigma_i\in\{-1,1\}$. Here it is about 1, its largest value, and
# a bound on the test error that grows with it says nothing. (Two random classes are easier still than the ten that we drew.)

# %% [markdown]
# **Larger images, from the longer run.** The same six data sets, made of 1,000 images of MNIST (28 × 28 pixels, a network
# like ours with 256 units in each layer) and of 1,000 of CIFAR-10 (32 × 32 in colour), these for a small CNN, trained with Adam,
# and for the MLP once more, so that data and network can be told apart; five networks each. (`xaikit run 05/scale --full` makes the table again where both are on the machine: in
# the folder that `XAIKIT_DATA` names. Where they are not, it says so and where to put them.)

# %%
scale = studies.table("05/scale")
took = {"digits, MLP": {name: fitted[own].numpy() for name, own in six.items()}}
took |= {which: {n: rows.steps.to_numpy() for n, rows in part.groupby("name", sort=False)}
         for which, part in scale.groupby("data", sort=False)}
fig, panels = plot.subplots(2, 2, size=(9.6, 4.8), sharey=True)
for ax, (title, steps) in zip(panels.flat, took.items(), strict=True):
    found = [memorization.interval(v / steps["true labels"].mean()) for v in steps.values()]
    plot.intervals(*zip(*found, strict=True), list(steps), ax=ax, title=title + ", longer run" * ("digits" not in title),
                   xlabel="steps until all are right, true labels = 1" if ax in panels[1] else "", muted=("true labels",), chance=1)
    ax.set_xlim(0, 5.6)
plot.describe(
    fig,
    "Steps until all training examples are right, as multiples of those for true labels, for the six data sets, four panels. Digits and "
    "MNIST: random labels at four to five, shuffled pixels at one, noise images at one and a half for digits and at one or below for "
    "MNIST. CIFAR-10 with a CNN: all between a half and one and a quarter, shuffled pixels last, random labels below one. CIFAR-10 with "
    "the MLP: random labels at one and a third, noise images at a half and a tenth.",
)
pd.DataFrame(
    {which: {name: with_interval(rows.test_error) for name, rows in part.groupby("name", sort=False)}
     for which, part in scale.groupby("data", sort=False)}
).rename(columns=lambda which: f"{which}: test error")
# %% [markdown]
# **What to see.** Every network fits every set again, MLP or CNN. The *order* is no law. On MNIST labels without meaning cost
# four and a half times the steps, as on our digits, but noise images now cost no more than true labels on real ones: in 784
# dimensions they lie farther apart still. On CIFAR-10 random labels take the same MLP only about a third longer than true ones (its interval contains 1), and the CNN not
# at all. Most of that is due to the *data*, since the MLP is MNIST's: random labels can only be slower where there is
# something quick to learn in true ones; of 1,000 photographs these networks learn little (nearly two thirds of the test images are wrong), so that most of the true labels, too,
# have to be learned by heart. What is due to the *network*: shuffled pixels cost the CNN about a fifth more steps
# and the MLP none (the intervals are wide), since a convolution looks at neighbours and the permutation has parted them; and random pixels, which the
# MLP fits in about half the steps, cost the CNN nearly as many as photographs. The paper's networks see 50,000 images. There random pixels are fitted
# sooner than random labels; so they are by our MLP, and not by our CNN.
#
# The test errors are those of guessing, 0.9, but for two sets. Shuffled pixels keep everything, for an MLP. And random *pixels* lie below 0.9,
# since the permutation of each image keeps how much ink there is, of which ones have little.

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
    "Left: time to fit relative to true labels jumps to more than three times at p = 0.1 and ends between four and "
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
# fit some three and a half times as long, and beyond a quarter more noise hardly matters. In the paper's figure time
# grows up to $p=1$ for some architectures and levels off for others; on 500 digits it levels off early.
# Right, the test error at the end grows in step with the noise (dotted: the line from 0 to 0.9, the error of
# guessing). The orange line is worth a second look. *On the way*, before it had fitted the noise, the same
# network was far better: with half of the labels random it went through a moment when only about an eighth
# of the test digits were wrong. Something was learned before the rest was memorised. Sections 6 and 10 take it up. (The best
# moment is chosen *on the test set*, so the orange line is too good: at $p=1$ there is nothing to learn, and yet it lies
# below the 0.9 of guessing.)
#
# **Try it.** Move p: the curves of the five networks at that level.

# %% tags=["demo"]
demos.get("05/corruption").show()

# %% [markdown]
# ## 3 · Do regularisers explain it?
#
# If the network could memorise and yet does not, perhaps something stops it. A **regulariser** is anything in the training
# that is meant to help on new data, often by making the training set harder to fit:
#
# | regulariser | what it does here |
# |---|---|
# | data augmentation | *random crop*: each time a digit is seen it has moved by up to a pixel, both ways |
# | weight decay | adds $\frac\lambda2\lVert w\rVert^2$ to the loss, $\lambda=0.005$ |
# | dropout | in training each hidden unit is 0 with probability 0.3 |
# | batch norm | each unit is scaled to mean 0 and variance 1 over the batch; Zhang count it as *implicit*: it is there for speed |
# | early stopping | keeps the weights of the step with the best test error (as in the paper: chosen on the test set, it looks too good) |
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
    "labels only the random crop keeps the training accuracy far below 100, after 450 steps.",
)

# %% [markdown]
# **What to see.** The upper table is ours, on 300 digits and a network of two layers of 64 units, the lower
# one the paper's, on CIFAR-10. The pattern is the same: the best regulariser is worth two points here (dropout), three and a half
# there (the crop), and the network without any is already good. *Not needed* holds. (The crop even costs two points here: the digits are
# centred, in the test set too, and after 450 steps its network is not done.) *Not enough* holds for weight decay,
# dropout and batch norm: with each of them the network fits random labels (nearly) to the end. The random crop
# seems to be an exception. Nine places for each digit make 2,700 examples out of 300, and 8,970 weights have
# not fitted them in 450 steps. Have they not *yet*, or can they not? One number of steps cannot say.
#
# Early stopping is the last column: it wins next to nothing on true labels, here as in the paper on CIFAR-10. On noisy
# labels it is worth tens of points: the distance of the two lines of section 2.
#
# **The crop with more steps, from the longer run** (`xaikit run 05/budget --full` makes the table again). Each point is a training of
# its own; its step size falls to a tenth after four fifths of its steps.

# %%
budget = studies.table("05/budget")
crops = budget.query("section == 3").groupby("steps")[["memorised", "validation"]].agg(["mean", "min", "max"])
ax = plot.bands(
    {label: (crops.index, *(100 * crops[name][k] for k in ("mean", "min", "max")))
     for label, name in (("random labels: training accuracy", "memorised"), ("true labels: test accuracy", "validation"))},
    log="x", xlabel="steps of SGD, random crop", ylabel="accuracy, %", title="from the longer run",
)
ax.set_xticks(crops.index, [f"{steps:,}" for steps in crops.index])
ax.minorticks_off()
plot.describe(
    ax,
    "With the random crop, training accuracy on random labels against steps, five networks: about a third after 450, "
    "nearly nine tenths after 2,000, all after 6,000. Test accuracy on true labels is near 95 per cent from 2,000 on.",
)

# %% [markdown]
# **What to see.** After 6,000 steps every label is fitted, crop and all. So *not enough* holds for augmentation too: with
# it the last labels take somewhere between 2,000 and 6,000 steps, where the plain network above is done within 450, but they
# are fitted. The paper says the same of CIFAR-10 (appendix E,
# table 4: 99.93 % on random labels with random crops). A regulariser that delays looks like one that forbids
# if we stop early. Section 11 therefore looks at several numbers of steps.

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
display(show_source(interpolation.hinges), show_source(interpolation.two_layers))

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
shown = panels[0].imshow(A.masked_fill(A == 0, torch.nan), cmap="cividis", vmin=0)  # zeros stay white
fig.colorbar(shown, ax=panels[0], label="entry")
panels[0].set_title("A = max(z − b, 0)", loc="left", fontsize=10.5)
for i in range(8):
    for j in range(i + 1):
        panels[0].text(j, i, f"{A[i, j]:.1f}", ha="center", va="center", fontsize=7,
                       color="white" if A[i, j] < 0.6 * A.max() else "black")
panels[0].set(xlabel="unit j", ylabel="example i", xticks=range(8), yticks=range(8),
              xticklabels=range(1, 9), yticklabels=range(1, 9))
line = torch.linspace(b[0] - 0.5, z[-1] + 0.5, 600, dtype=torch.float64)
plot.curves({"C": interpolation.hinges(line, b) @ w}, x=line, ax=panels[1], xlabel="projection a · x",
            ylabel="C(x)", title="the network along a")
panels[1].plot(z, random_labels[order], "o", color=plot.FOR, ms=6)
panels[1].plot(b, interpolation.hinges(b, b) @ w, "|", color=plot.INK, ms=9)
plot.describe(
    fig,
    "Left: the eight by eight matrix is zero (white) above its diagonal and positive on and below it. Right: a line "
    "with a bend before each of eight points, marked by a tick, that passes through all of them.",
)

# %% [markdown]
# **1,000 random labels.** Constructed, not trained, in float64, for five draws of $a$ and of the labels. The
# condition leaves open *where* between two projections a knot stands. `gap` says it: 0.5 is half-way, 0.99 just
# right of $z_{i-1}$, the projection before.

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
                      "median |C| at the knots": (interpolation.hinges(b, b) @ w).abs().median().item(),
                      "right on the test set": right})
found = pd.DataFrame(found)
grouped = found.groupby("gap").agg({"weights": "max", "labels met, of 1,000": "min", "largest |C(x) − y|": "max",
                                    "largest |w|": "max", "median |C| at the knots": "median", "right on the test set": "mean"})
forms = {"largest |C(x) − y|": "{:.0e}", "largest |w|": "{:.1e}", "median |C| at the knots": "{:.0f}", "right on the test set": "{:.2f}"}
grouped.assign(**{name: grouped[name].map(form.format) for name, form in forms.items()})

# %% [markdown]
# **What to see.** All 1,000 labels are met with 2,064 weights; what differs is rounding. Let $s_i$ be the slope of $C$ where it passes
# example $i$, and $\gamma$ the `gap`, the share of the way to the next example that has the new slope. To meet the next label,
# $(1-\gamma)s_i+\gamma s_{i+1}$ must be the slope $m_i=(y_{i+1}-y_i)/(z_{i+1}-z_i)$ of the straight way there, so
#
# $$s_{i+1}=\frac{m_i}{\gamma}-\frac{1-\gamma}{\gamma}\,s_i .$$
#
# With knots half-way the factor is −1: two labels that lie close together ask for a steep slope, and it is never forgotten, it only
# changes its sign from knot to knot. So $C$ swings; at its knots it is hundreds away from 0 … 9 in the median, and hardly a
# test digit is right by luck. With $\gamma=0.99$ the factor is −0.01,
# $C$ is all but the polygon through the points, the rounding error is smaller by
# orders of magnitude, and a tenth of the test digits are right, which is guessing (with random labels no network could do better). Either way the network knows nothing: it
# orders the digits along a random direction and looks its table up. Being able to represent something and finding it by gradient descent are two things.
#
# ### Exercise 5.2 — The 2n + d construction ★★☆ · 10 min · 3 points
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
# The library's function, which made the figure and the table. It takes `gap`, so its first knot stands `gap` below
# $z_1$, where yours stands 1 below.

# %%
show_source(interpolation.fit_any)

# %% [markdown]
# ## 5 · Of all solutions, the smallest
#
# Take the simplest model with more weights than examples: $f(x)=w\cdot x$ with $w,x\in\mathbb R^d$, and $n<d$
# examples, the rows of $X\in\mathbb R^{n\times d}$. If they are independent, $Xw=y$ has infinitely many
# solutions, and all have training error 0. Which one do we get? Not one that the *loss* prefers: it is 0, and
# has the same curvature, at all of them.
#
# **Formula.** The loss on an example is half its squared error. SGD takes an example $i_t$ and steps $w_{t+1}=w_t-\eta_te_tx_{i_t}$, with the step size $\eta_t$ and the
# error $e_t=w_t\cdot x_{i_t}-y_{i_t}$, a number. From $w_0=0$ it can only ever add multiples of examples, so $w=\sum_i\alpha_ix_i=X^\top\alpha$.
# Put into $Xw=y$ this gives
#
# $$XX^\top\alpha=y,$$
#
# an $n\times n$ system with a single solution if the examples are independent. Its $w=X^\top\alpha$ is the solution of the **smallest norm**: any other is
# $w+v$ with $Xv=0$; then $w\cdot v=\alpha\cdot Xv=0$ and $\lVert w+v\rVert^2=\lVert w\rVert^2+\lVert v\rVert^2$. Only the **kernel matrix** $K=XX^\top$ of all inner
# products is needed. So each $x$ may be replaced by features $\phi(x)$ of any number, as long as we can compute
# $K_{ij}=\phi(x_i)\cdot\phi(x_j)$. Four kinds here:
#
# * **pixels** themselves, centred ($d=64$, of which 61 ever change: enough for 30 examples, not for 500),
# * the **Gaussian kernel** $K_{ij}=\exp(-\lVert x_i-x_j\rVert^2/2\sigma^2)$, $\sigma$ being 0.35 of the
#   median distance of two digits; it has infinitely many features,
# * **random convolutions**: 192 random 3 × 3 filters, ReLU of both signs, average over 2 × 2 pixels,
# * **Gabor filters**: the same with 192 filters of 5 × 5, each a cosine wave of random direction, phase and period that
#   fades out from the middle like a Gaussian: detectors of edges and strokes, written down and not learned.
#
# Ten classes are ten labels $y$ of 0 and 1, with a $w$ each; the largest output is the answer. No
# regulariser anywhere.

# %%
display(show_source(interpolation.minimum_norm), show_source(interpolation.sgd_epochs))

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
    "pixels in less than a thousand, with Gabor filters in little more than a thousand.",
)
pd.DataFrame({"first epoch below 10⁻³, slowest of 5": {n: (v.amax(1) < 1e-3).nonzero()[0].item() for n, v in distances.items()},
              "distance at the end, largest of 5": {n: f"{v[-1].max().item():.0e}" for n, v in distances.items()}})

# %% [markdown]
# **What to see.** SGD comes to the smallest solution in all four representations, without being asked: this is
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
# smallest to do so. As a control a third one fits the test digits' *true* labels. (Pixels could do neither: 61
# features fit no 480 labels.)

# %%
sizes = smallest.table()
sizes.groupby(["n", "features", "solution"]).agg(
    **{"test error": ("test_error", with_interval), "‖w‖": ("norm", lambda v: with_interval(v, 4))}
)

# %% [markdown]
# **What to see.** With 500 digits and no regulariser the interpolants make about half the errors of section 2's networks at
# $p=0$, which saw as many. The poisoned ones show that this is not because all that fits is good: their training error is 0
# too, and they are always wrong on new digits. They are also longer. Part of that is the number of labels
# alone: who fits 480 or 950 is longer than who fits 30 or 500 of them. The control takes that part away, and the poisoned
# solution is still 1.7 to 3.1 times as long (the norm is that of all ten $w$ together). So the norm tells *these two* apart, in each representation. But compare
# the rows of one size. At 500, random convolutions and Gabor filters have a norm more than thirty times that of the Gaussian kernel,
# and the intervals of the three test errors overlap. At 30, Gabor filters have more than twice the norm of pixels, and half
# the error. Zhang found the like on MNIST (a norm of 220 without preprocessing, 390
# after a Gabor wavelet transform, and half the test error). Across representations the norm predicts
# nothing. It cannot: features twice as large have a $w$ half as long.
#
# **At scale: from the longer run.** On MNIST's 60,000 images Zhang report a test error of 1.2 %, and 30 GB for $K$.
# Here the Gaussian kernel fits a subset of n images, up to 16,000. Half of the symmetric $K$ is kept in tiles of 32-bit
# numbers (7 GiB for all 60,000), and $K\alpha=y$ is solved by conjugate gradients, for which multiplying by
# $K$ is enough (`xaikit run 05/kernel --full` makes the table again; σ in the distance of images in [0, 1]).

# %%
kernel = studies.table("05/kernel")
trend = kernel.groupby(["sigma", "n"]).test_error.agg(["mean", "min", "max"])
ax = plot.curves({f"σ = {s:g}": (rows.index.get_level_values("n"), 100 * rows["mean"]) for s, rows in trend.groupby("sigma")},
                 log="xy", xlabel="training images of MNIST, all fitted", ylabel="test error, %",
                 title="from the longer run")
for k, (_, rows) in enumerate(trend.groupby("sigma")):
    n = rows.index.get_level_values("n")
    ax.fill_between(n, 100 * rows["min"], 100 * rows["max"], color=plot.COLORS[k], alpha=0.2, lw=0)
    ax.plot(n, 100 * rows["mean"], "o", color=plot.COLORS[k], ms=4)
ax.axhline(1.2, color=plot.MUTED, lw=0.9, ls=":")
ax.set_yticks([1.2, 2, 3, 4, 6, 8], ["1.2", "2", "3", "4", "6", "8"])
ax.set_xticks(sorted(set(kernel.n)), [f"{n:,}" for n in sorted(set(kernel.n))])
ax.minorticks_off()
plot.describe(
    ax,
    "Test error of Gaussian kernels that fit n images of MNIST exactly, against n, both on log scales: it falls "
    "steadily; the dotted line is the 1.2 per cent of the paper.",
)
largest = kernel[kernel.n == kernel.n.max()].sort_values("test_error").iloc[0]
print(f"{largest.n:,.0f} images: test error {largest.test_error:.2%} with σ = {largest.sigma:g}, training error "
      f"{largest.train_error:.2%}, ‖w‖ = {largest.norm:.0f}, {largest.iterations:.0f} iterations")

# %% [markdown]
# **What to see.** A straight line in this picture is a power law: each doubling of the data takes off the same share
# of the error. (The shade is the range of five runs; the last point is a single one, of the better σ alone.) The paper's number (dotted) stands for four times as many images as our last point; where the line
# leads to, the table at the end says. All training images are fitted, and no regulariser is anywhere.

# %% [markdown]
# ## 6 · Easy examples
#
# **Claim** (Arpit, section 3.1). Networks *can* memorise; that does not say that they *do*. If a network
# treated its data as a list to be learned by heart, no example would be easier than another: what is
# memorised would not matter. On real data some examples are learned long before others.
#
# Arpit compares three data sets: **real** ones, **randX** (the inputs replaced by Gaussian noise, labels
# kept) and **randY** (inputs kept, labels random). Take 1,000 digits, train 100 networks that differ only in
# their initial weights and in the order of the data for *one* epoch each, and ask of every example: what
# share of the networks gets it wrong? Sorted, these misclassification rates make a curve.
#
# **Formula.** A sorted curve always rises, also for pure chance. So what would chance alone look like? Let
# $\hat p$ be the mean rate over all examples. If all were equally hard, the number $K$ of the $E=100$
# networks that fail on an example would be **binomial**, $P(K=k)=\binom Ek\hat p^k(1-\hat p)^{E-k}$, and the
# rates would have the variance $\hat p(1-\hat p)/E$. The **index of dispersion** compares the two,
#
# $$D=\frac{\operatorname{Var}_i(\text{rate}_i)}{\hat p(1-\hat p)/E},$$
#
# about 1 if all $n$ examples are equally hard; then $(n-1)D$ follows a $\chi^2$ distribution with $n-1$
# degrees of freedom, which gives a $p$-value.

# %% [markdown]
# ### Exercise 5.4 — If all examples were equally hard ★★☆ · 10 min · 2 points
#
# Write `equally_hard(wrong)`: `wrong` (E, n) says which of n examples each of E networks gets wrong. Return
# the sorted curve (n,) that chance alone would give, the easiest first: at rank $i=1\dots n$ the smallest $k$
# with $P(K\le k)\ge(i-\frac12)/n$, divided by E. (`math.comb` gives $\binom Ek$; scipy may be used, too.)


# %% nbgrader={"grade": false, "grade_id": "answer-5.4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def equally_hard(wrong):
    """The sorted misclassification rates under "all are equally hard".  wrong (E, n) → (n,) ascending"""
    ### BEGIN SOLUTION
    E, n = wrong.shape
    p = wrong.double().mean()
    k = torch.arange(E + 1).double()
    ways = torch.lgamma(torch.tensor(E + 1.0).double()) - torch.lgamma(k + 1) - torch.lgamma(E - k + 1)
    below = (ways + torch.xlogy(k, p) + torch.xlogy(E - k, 1 - p)).exp().cumsum(0)  # P(K ≤ k)
    quantiles = (torch.arange(n).double() + 0.5) / n
    return (below < quantiles[:, None]).sum(1).clamp(max=E) / E
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-5.4", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("5.4", equally_hard)

# %% [markdown]
# **Picture.** Three data sets, 100 networks each (one hidden width, 32; 100 examples of each class, so that
# no class is easier for being larger), and for randX (in the table only) and randY a control in which the noise is drawn
# *anew for every network*. The table has five draws of each noise.

# %%
shown = [
    ("real", "real", 0),
    ("randX", "randX", 0),
    ("randY", "randY", 0),
    ("randY, labels anew\nfor each network", "randY", None),
]
chance_curve = answer("5.4")
fig, axes = plot.subplots(1, 4, size=(11, 2.9), sharey=True)
for ax, (title, kind, draw) in zip(axes, shown, strict=True):
    wrong = easiness.one_epoch(kind, draw)
    plot.curves(
        {"measured": wrong.float().mean(0).sort().values, "equally hard": chance_curve(wrong)},
        ax=ax,
        xlabel="example, sorted",
        ylabel="misclassification rate" if ax is axes[0] else "",
        title=title,
        legend=ax is axes[0],
    )
    ax.set_ylim(-0.02, 1.02)
plot.describe(
    fig,
    "Four panels of sorted misclassification rates with the binomial curve: on real data the measured "
    "curve runs from 0 to almost 1 while the binomial one stays between 0.2 and 0.5; for randX and randY "
    "both are near 0.87, randY's a little steeper than the binomial one; with new labels for each network "
    "they coincide.",
)

# %%
lecture05_examples.dispersions().rename(columns={"ratio": "D"}).round({"mean rate": 3, "D": 2, "low": 2, "high": 2, "p": 3})

# %% [markdown]
# **What to see.** On real data some examples are right in nearly every network and some wrong in nearly every one: the
# variance is tens of times what chance gives. Noise has almost none of that. Almost: with one fixed draw of
# the labels, randY's variance is still more than twice the binomial one, randX's a tenth to three tenths above it, and the test is
# sure of it but for one draw of randX.
#
# The reason is in the draw, not in the networks. Among the hundred fours, say, the label 7 may come up sixteen times;
# that is a pattern, all the networks find it, and these sixteen get easier. (In randX, Gaussian points of one class may happen to lie on one
# side.) The control shows it: with labels
# that are drawn anew for each network nothing is shared, and $D$ is 1 within its interval (from drawing the
# examples again). For randX drawn anew it comes out a little below 1, which is chance: under $\chi^2$ two in a hundred fall that low.
# (The interval draws only the examples again, not the networks, so it is too narrow.) The $p$-value asks only whether $D$ is too large. Arpit's sets are larger, so chance patterns are weaker there.
#
# Two more traps. Classes of different sizes make the larger one easier, for noise too: that is why they are
# balanced here. And an early enough moment makes real data look binomial as well, because nothing is learned
# yet.

# %% [markdown]
# ## 7 · The first layer's filters
#
# **Claim** (Arpit, figure 2). What a network learns from real labels looks different from what it learns from
# random ones: filters for strokes and blobs against filters for nothing in particular.
#
# The networks from here on to section 8, and again in section 10, are those of one training: 2 hidden layers
# of 64 units, 500 digits, 600 steps of SGD, five seeds each of real, randX, randY and of sets of which only
# half is noise; the weights are kept at thirteen moments.
#
# **Picture.** The 64 weights of a hidden unit, drawn as an 8 × 8 image, for the sixteen units whose drawn weights have the largest norm.
# First the weights $W_0$ before training; then, for real and for random labels, what training has *added*,
# $W-W_0$, as the random start is still part of $W$. Each tile has its own scale of colours.

# %%
pictures, smooth = {}, {}
for name, kind in (("untrained: W₀", "real"), ("real labels: W − W₀", "real"), ("random labels: W − W₀", "randY")):
    first, last = (stages.measured("state", kind)[t, :, : 64 * 64].reshape(-1, 64, 8, 8) for t in (0, -1))
    weights = first if "untrained" in name else last - first  # (seeds, units, 8, 8)
    largest = weights[0].flatten(1).norm(dim=1).topk(16).indices
    pictures[name] = [plot.tile(w, signed=True) for w in weights[0][largest]]
    along = (weights[..., 1:] * weights[..., :-1]).sum((-1, -2, -3)) / weights[..., 1:].square().sum((-1, -2, -3))
    smooth[name] = {
        "neighbouring pixels agree": along.mean(),
        "least": along.min(),
        "most": along.max(),
        "norm": weights.flatten(1).norm(dim=1).mean(),
    }
ax = plot.sheet(pictures.values(), labels=pictures, size=0.6)
plot.describe(
    ax,
    "Three rows of sixteen small red and blue pictures. Untrained: salt and pepper. What real labels have "
    "added: many connected patches of one sign. What random labels have added looks much the same at first sight, its patches a little "
    "smaller and broken.",
)
pd.DataFrame(smooth).T.astype(float).round(3)

# %% [markdown]
# **What to see.** The eye is not sure: what real labels add has connected patches of one sign, but the second and the third
# row do not look very different. The table decides, over five seeds: “neighbouring pixels agree” is how far a weight repeats its left
# neighbour, 0 for noise and 1 for a flat filter; it is several times as large for real labels. Random labels move the weights nearly three times as far (the norm),
# in directions without a pattern. The paper's CIFAR-10 filters show it in $W$ itself: colour blobs and edges
# against noise.

# %% [markdown]
# ## 8 · Loss sensitivity
#
# **Claim** (Arpit, section 3.2). On real data the loss hangs on a few examples; on noise it hangs on nearly
# all of them, as it must when each has to be learned by itself.
#
# **Formula.** How strongly does the loss react to example $x$? Let $\mathcal L_t$ be the loss on it after $t$
# steps. The **loss sensitivity** is
#
# $$g^t_x=\Big\|\frac{\partial\mathcal L_t}{\partial x}\Big\|_1,\qquad \bar g_x=\frac1T\sum_{t=1}^Tg^t_x ,$$
#
# with $\|\cdot\|_1$ the sum of absolute values over the pixels; $\bar g_x$ is its mean over the training (here
# over the thirteen moments that were kept, denser early on, with the untrained network the first).

# %% [markdown]
# ### Exercise 5.5 — Loss sensitivity of a whole batch ★★☆ · 8 min · 2 points
#
# Write `loss_sensitivity(f, x, y)`: $g_n=\|\partial\mathcal L(x_n,y_n)/\partial x_n\|_1$ for every example of a
# batch in *one* backward pass (a loop over the examples is right too, but slow), $\mathcal L$ the cross entropy.
# `f` maps (N, D) to logits (N, K), which may be large: use `cross_entropy` or `log_softmax`, not the log of a
# softmax. Called again on the same `x` it gives the same, with another `f` that of the other; leave `x` as it came, its
# `requires_grad` included. `x` (N, D), `y` (N,) → (N,).


# %% nbgrader={"grade": false, "grade_id": "answer-5.5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def loss_sensitivity(f, x, y):
    """g of every example.  f: (N, D) → logits (N, K), x (N, D), y (N,) → (N,)"""
    ### BEGIN SOLUTION
    x = x.detach().clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(f(x), y, reduction="sum")
    (slope,) = torch.autograd.grad(loss, x)
    return slope.abs().sum(1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-5.5", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("5.5", loss_sensitivity)

# %% [markdown]
# “A few or all” is a question of inequality, and economists have a number for it. The **Gini coefficient** of
# values $g_1\dots g_n\ge0$ with mean $\bar g$,
#
# $$G=\frac{\sum_i\sum_j|g_i-g_j|}{2\,n^2\,\bar g},$$
#
# is 0 if all are equal and $1-1/n$ if one has everything.

# %% [markdown]
# ### Exercise 5.6 — The Gini coefficient ★☆☆ · 6 min · 1 point
#
# Write `gini(g)` for values `g` (n,) ≥ 0 → a number. Where all are 0, return 0.


# %% nbgrader={"grade": false, "grade_id": "answer-5.6", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gini(g):
    """The Gini coefficient.  g (n,) → number"""
    ### BEGIN SOLUTION
    g = g.double()
    if g.sum() == 0:
        return torch.tensor(0.0)
    return (g[:, None] - g).abs().sum() / (2 * len(g) * g.sum())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-5.6", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
check("5.6", gini)

# %% [markdown]
# **Picture.** One network of each kind with your two functions: $\bar g_x$ of the 500 examples, sorted; and
# the Gini coefficient of $\bar g_x$ up to each moment, the mean of five seeds.

# %%
sensitivity_of, gini_of = answer("5.5"), answer("5.6")
fig, axes = plot.subplots(1, 2, size=(9.4, 3.2))
ranked = {}
for kind in ("real", "randX", "randY"):
    inputs, labels, _ = stages.sets(kind, 0)
    states = stages.measured("state", kind)[:, 0]  # (moments, weights)
    g = sum(
        sensitivity_of(lambda z, s=s: stages.networks(s[None])(z[None])[0], inputs, labels) for s in states
    ) / len(states)
    ranked[f"{kind}, G = {float(gini_of(g)):.2f}"] = g.sort(descending=True).values / g.mean()
plot.curves(
    ranked,
    ax=axes[0],
    xlabel="example, sorted",
    ylabel="ḡ / its mean",
    title="who is the loss sensitive to?",
)
plot.bands(
    {kind: stages.band(stages.gini_over_time(kind)) for kind in ("real", "randX", "randY")},
    ax=axes[1],
    xlabel="steps",
    ylabel="Gini of ḡ",
    title="inequality, five seeds",
)
plot.describe(
    fig,
    "Left, sorted loss sensitivities: real data fall steeply from several times the mean to a small part "
    "of it, noise stays near the mean. Right, the Gini coefficient against steps: real data rise to "
    "almost 0.4, randY to 0.2, randX to 0.15.",
)

# %% [markdown]
# **What to see.** On real data a few hard examples carry much of the sensitivity, and most lie below the mean. On noise
# the examples are much more alike. From step 20 on the band of real data (least to
# largest of five seeds) lies above the other two.
#
# **Class by class.** Let $\ell_i$ be the term of class $i$ in the loss, and
#
# $$\bar g_{i,j}=\mathbb E_{(x,y),\,y=j}\;\frac1T\sum_t\Big\|\frac{\partial\ell_i}{\partial x}\Big\|_1 :$$
#
# how sensitive is class $i$'s term to examples of class $j$? In the usual cross entropy every term but that
# of the true class is 0 times something. So we take class $i$ against the rest, $\ell_i=-\log p_i$ if $y=i$ and
# $-\log(1-p_i)$ if not, $p$ the softmax.

# %%
show_source(sensitivity.class_sensitivity)

# %%
kinds = ("real", "randX", "randY")
fig, axes = plot.subplots(1, 3, size=(9.6, 3.1))
for ax, kind in zip(axes, kinds, strict=True):
    matrix = stages.class_matrix(kind).mean(0)
    shown = ax.imshow((matrix / matrix.diagonal().mean()).log10(), cmap="viridis", vmin=-1.8, vmax=0.3)
    ax.set(
        xlabel="class j of the example",
        ylabel="class i of the term" if kind == "real" else "",
        xticks=range(10),
        yticks=range(10),
    )
    ax.set_title(kind, loc="left")
bar = fig.colorbar(shown, ax=axes, fraction=0.03)
bar.set_label("log₁₀ ḡᵢⱼ, diagonal mean = 0")
plot.describe(
    fig,
    "Three 10 × 10 maps on a log scale. All have a bright diagonal. Off it, real data have light and dark "
    "cells, such as 1 with 8 and 3 with 9; randX and randY are nearly even.",
)
pd.DataFrame(
    {
        kind: {
            "off the diagonal / on it": off.mean(),
            "variation off the diagonal (σ / mean)": spread.mean(),
            "least": spread.min(),
            "most": spread.max(),
        }
        for kind, (off, spread) in lecture05_examples.class_spread().items()
    }
).T.astype(float).round(2)

# %% [markdown]
# **What to see.** The diagonal is brightest in all three, as the paper says. Its other sentence, “more spread
# out for real data”, needs care. The *mean* off the diagonal is about 0.12 of the diagonal for all three, and
# at least a ninth: $\sum_ip_i=1$, so $\sum_{i\ne j}\partial p_i=-\partial p_j$, and where the network is sure ($\partial\ell_j\approx-\partial p_j$,
# $\partial\ell_i\approx\partial p_i$) the nine norms add up to that of the true class or more. What differs is the
# *pattern*. For real data the cells off the diagonal differ strongly (ones are confused with eights, threes
# with nines and twos); for noise they are alike. These are the cross-category patterns of the paper.

# %% [markdown]
# ## 9 · Capacity and noise
#
# **Claim** (Arpit, sections 3.3 and 3.4). With noise among the training data the best validation accuracy
# needs *more* capacity, not less; and both fewer units and more examples slow training down, noise more than
# real data. (Old wisdom says to restrict capacity where there is noise.)
#
# We train networks of 8 to 128 units in each of two hidden layers on 200 digits until all are right, for real
# data, for sets of which half the inputs or half the labels are noise, and for pure noise, 75 epochs at most, looked at once an epoch. (All
# networks of one width train together, so those that are done early train on until the last is.) Validation is on real digits, after the last step. Then the width is 64 and the number of examples changes.

# %%
by_width, by_size = capacity.by_width(), capacity.by_size()
fig, axes = plot.subplots(1, 2, size=(9.4, 3.3))
limit = capacity.EPOCHS
wide = {
    name: by_width.pivot_table(index=["kind", "width"], columns="seed", values=name)
    for name in ("validation", "epochs")
}


def over_width(name, kind):
    """Widths; mean, least, largest of five seeds, what was not fitted in time at the limit."""
    values = wide[name].loc[kind].clip(upper=limit)
    return values.index, values.mean(axis=1), values.min(axis=1), values.max(axis=1)


plot.bands(
    {kind: over_width("validation", kind) for kind in ("real", "half randX", "half randY")},
    ax=axes[0],
    among=stages.KINDS,
    log="x",
    xlabel="hidden units per layer",
    ylabel="validation accuracy",
    title="capacity and noise",
    legend=False,
)
plot.bands(
    {kind: over_width("epochs", kind) for kind in stages.KINDS},
    ax=axes[1],
    log="x",
    xlabel="hidden units per layer",
    ylabel="epochs until all are right",
    title="time to fit 200 examples",
)
axes[1].axhline(limit, color=plot.MUTED, lw=0.8)
axes[1].annotate("limit", (128, limit), xytext=(0, -10), textcoords="offset points", fontsize=8, color=plot.MUTED, ha="right")
axes[1].legend(loc="upper left", bbox_to_anchor=(1.02, 1.0))
for ax in axes:
    ax.set_xticks(capacity.WIDTHS, capacity.WIDTHS)
    ax.minorticks_off()
plot.describe(
    fig,
    "Left, validation accuracy against width: real data are near their best from 32 units on; with half "
    "the inputs or labels noise it goes on rising to 128, from far lower, with wide bands for labels. Right, the number of epochs to fit against width "
    "falls for all, most steeply for random labels; a grey line marks where training was stopped.",
)
display(
    pd.Series(lecture05_examples.needed_width(), name="least width within 2 % of the best")
    .loc[["real", "half randX", "half randY"]]
    .to_frame()
    .T
)
spans = by_size.groupby(["kind", "n"])["epochs"].agg(lambda v: f"{v.median():.0f} ({v.min():.0f} … {v.max():.0f})")
spans.unstack("n").rename(columns="epochs, n = {}".format)

# %% [markdown]
# **What to see.** Left: all three rise with every doubling; from 32 units to 128 real data gain least, and where half the set is
# noise, more is gained. The paper's explanation is that large networks fit the noise where it does not disturb. The table
# reads off the least width whose mean is at least 0.98 of the best. For half randY the bands of five seeds overlap a lot, so
# trust the order in it more than the widths; and the best may lie beyond 128 units. Right: less capacity costs everybody
# time, noise more, and half of the labels random cost as much as all of them, as in section 2; where a band touches the grey line some network was not fitted in time, and its mean is a lower bound.
#
# The last table changes the number of examples at 64 units (median, least … largest of five). Four times as many need *fewer* epochs on real
# data: new digits repeat what old ones said, and an epoch has four times as many steps. Random labels need more epochs
# all the same: each is news. The paper finds an increase for noise of both kinds. Our randX does not show it:
# 64-dimensional Gaussian points are so far apart that 400 are as easily told apart as 100.

# %% [markdown]
# ## 10 · Critical samples
#
# **Claim** (Arpit, section 4). Networks learn simple patterns first. As they go on to fit noise, the function
# gets more complex, and that can be measured.
#
# **Formula.** Let $f(x)=(f_1(x),\dots,f_K(x))$ be the outputs. A sample $x$ is **critical** if somewhere near
# it another class is predicted,
#
# $$\exists\,\hat x:\quad\arg\max_if_i(\hat x)\ne\arg\max_if_i(x)\quad\text{and}\quad\|\hat x-x\|_\infty\le r,$$
#
# and the **critical sample ratio** (CSR) is the share of critical samples in a data set. $\|\cdot\|_\infty$ is
# the largest change of a single pixel, so $\hat x$ lies in a box of **radius** $r$.
#
# To find $\hat x$, **Langevin adversarial sample search** (LASS, Arpit's Algorithm 1) walks against the sign
# of the gradient, with some noise $\eta$ so that it does not stand still where the gradient is 0. Let
# $k=\arg\max_if_i(x)$. Start from $\tilde x=x$ and repeat
#
# $$\tilde x\leftarrow\tilde x-\alpha\,\operatorname{sign}\frac{\partial f_k(\tilde x)}{\partial\tilde x}+\beta\,\eta,\qquad
# \tilde x_i\leftarrow x_i+r\,\operatorname{sign}(\tilde x_i-x_i)\ \text{ where }|\tilde x_i-x_i|>r,$$
#
# until $\arg\max_if_i(\tilde x)\ne k$; then $\hat x=\tilde x$. (Algorithm 1 as printed has $+\alpha$ and the gradient at
# $x$. To leave class $k$, $f_k$ must fall, and with the gradient of the start the walk would not look round.)

# %% [markdown]
# ### Exercise 5.7 — Langevin adversarial sample search ★★★ · 18 min · 4 points
#
# Write `lass(f, x, alpha, beta, radius, noise)` for a batch: `f` maps (N, D) to outputs (N, K), `x` is (N, D),
# `noise` (T, N, D) holds $\eta$ of each of the T iterations. Take `f` as it is, without a softmax. Every row has its own $k$. A row that has found
# another class stays where it is, and `x` stays as it came, its `requires_grad` included. Return $\hat x$ (N, D), which is the last $\tilde x$ where nothing was found,
# and `found` (N,) bool.


# %% nbgrader={"grade": false, "grade_id": "answer-5.7", "locked": false, "schema_version": 3, "solution": true, "task": false}
def lass(f, x, alpha, beta, radius, noise):
    """LASS of a batch.  f: (N, D) → (N, K), x (N, D), noise (T, N, D) → x̂ (N, D), found (N,) bool"""
    ### BEGIN SOLUTION
    k = f(x).argmax(1)
    moved, found = x.clone(), torch.zeros(len(x), dtype=torch.bool)
    for eta in noise:
        moved = moved.detach().requires_grad_()
        (slope,) = torch.autograd.grad(f(moved).gather(1, k[:, None]).sum(), moved)
        step = moved.detach() - alpha * slope.sign() + beta * eta
        step = x + (step - x).clamp(-radius, radius)
        moved = torch.where(found[:, None], moved.detach(), step)
        found = found | (f(moved).argmax(1) != k)
    return moved, found
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-5.7", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("5.7", lass)

# %% [markdown]
# **Picture.** First your search on two trained networks, one per kind of label, over several radii. $f$ is
# the log-softmax. Its gradient is tiny where the network is sure, but the search uses only the *sign*; pixels lie in
# 0 … 1; $\alpha=r/2$, $\beta=r/5$, ten
# iterations, 150 held-out digits.

# %%
find, radii = answer("5.7"), lecture05_examples.RADII
found = {}
for kind in ("real", "randY"):
    net = stages.networks(stages.measured("state", kind)[-1, :1])
    held = stages.sets(kind, 0)[2][:150]
    noise = torch.randn(10, 150, 64, generator=torch.Generator().manual_seed(0))
    found[kind] = [
        find(lambda z, net=net: net(z[None])[0].log_softmax(1), held, r / 2, r / 5, r, noise)[1]
        .float()
        .mean()
        .item()
        for r in radii
    ]
pd.DataFrame(found, index=pd.Index(radii, name="radius r")).T.round(2)

# %% [markdown]
# Then all kinds, five seeds: over the radius at the end of training, and at $r=0.04$ through training. Held-out
# points are of the kind that the network saw: digits, and for randX new Gaussian points.

# %%
fig, axes = plot.subplots(1, 2, size=(9.8, 3.3), sharey=True)
plot.bands(
    {kind: stages.band(stages.ratio_over_radius(kind, radii), radii) for kind in stages.KINDS},
    ax=axes[0],
    log="x",
    xlabel="radius r",
    ylabel="critical sample ratio",
    title="trained networks",
)
plot.bands(
    {kind: stages.band(stages.ratio_over_time(kind)) for kind in stages.KINDS},
    ax=axes[1],
    xlabel="steps",
    title="through training, r = 0.04",
    legend=False,
)
plot.describe(
    fig,
    "Left, critical sample ratio against radius: all rise to 1, randY from about 0.3, randX from 0.2, real from "
    "near 0 and far to the right of them. Right, against steps at r = 0.04: real falls from 0.86 to 0.12; randX and randY "
    "stay high and rise; half randY falls first and then rises to above 0.9.",
)

# %% [markdown]
# **What to see.** Networks on noise are surrounded by class borders, networks on real digits are not. But the
# finding lives in a window of radii: at the smallest radius networks on real digits have next to none, and even those on pure noise fewer
# than half, and from about $r=0.16$ on everything is critical, noise or not. A CSR without its radius says nothing. (And what the search does
# not find may be there all the same: every ratio here is a lower bound.)
#
# One sentence of the paper does not hold here: that the ratio grows from the start for all three. Our
# untrained networks begin with borders everywhere (their outputs are small differences of random numbers);
# real data *remove* them. At $r=0.04$ the ratio does grow for randX and randY, by little, since it begins high; and it grows in the
# curve for half-random labels, the next figure's subject. (This, too, hangs on the radius: at $r=0.005$ it begins low and grows by half or more for both.)
#
# **Try it.** Move the radius and watch the three curves part and meet; take another example, and the digits show what the search found.

# %% tags=["demo"]
demos.get("05/radius").show()

# %% [markdown]
# **Patterns first, noise later.** Half of the training labels are random, the validation digits are clean:

# %%
fig, axes = plot.subplots(1, 2, size=(9.8, 3.3), sharey=True)
for ax, kind in zip(axes, ("half randY", "half randX"), strict=True):
    lines = {
        "training accuracy": stages.measured("train", kind),
        "validation accuracy": stages.measured("validation", kind),
        "critical sample ratio": stages.ratio_over_time(kind),
    }
    plot.bands(
        {name: stages.band(v) for name, v in lines.items()},
        ax=ax,
        xlabel="steps",
        title=kind,
        legend=ax is axes[0],
    )
plot.describe(
    fig,
    "Left, half the labels random: validation accuracy peaks near 0.85 after some 30 steps, when half the "
    "training set is right, then falls to 0.56 while training accuracy goes to 1 and the critical sample "
    "ratio rises. Right, half the inputs noise: validation accuracy rises to 0.9 and stays.",
)
lecture05_examples.peaks().round(2)

# %% [markdown]
# **What to see.** With label noise, validation accuracy is at its best when just over half of the training
# set is right: the clean half (and a tenth of the rest, by luck). From there on what is learned is noise;
# validation falls, the critical sample ratio rises. Stopping early works here because the patterns come
# first. Noise in the inputs is milder: it lies elsewhere in pixel space, and learning it does not disturb the
# digits.

# %% [markdown]
# ## 11 · Which regulariser stops memorisation?
#
# **Claim** (Arpit, section 5). A well-chosen regulariser hinders learning noise *more* than learning data.
#
# We train one network (two layers of 32 units, 200 digits, SGD with step size 0.1) on random labels and on true ones
# with dropout (the rate), weight decay (the coefficient λ), input noise (its σ) and **adversarial training** (each step
# sees $x+\varepsilon\operatorname{sign}\partial\mathcal L/\partial x$ in place of $x$), each weak and strong, five
# seeds. From the longer run comes a sixth line, adversarial training with *five* smaller steps, after each of which the
# change of a pixel is cut back to $\pm\varepsilon$ (Madry et al. 2018), which finds a worse $x$ than a single one. Left we stop after 200 steps, when the plain network has fitted everything; right are 3,000 steps, from the
# longer run. Each line goes from the plain network over the weak to the strong setting, whose strength is written at it.

# %%
budget = studies.table("05/budget").query("section == 11")
slow = budget[budget.by.isin(resistance.SLOW) & (budget.steps == 200)]
moments = {200: pd.concat([resistance.trained(), slow]), 3000: budget[budget.steps == 3000]}
fig, axes = plot.subplots(1, 2, size=(10.4, 3.8), sharex=True, sharey=True)
for ax, (steps, rows) in zip(axes, moments.items(), strict=True):
    means = lecture05_examples.resisting(rows)
    start = means.loc[("none", 0.0)]
    for i, (name, part) in enumerate(means.drop(index="none", level="by").groupby(level="by", sort=False)):
        across, up = (pd.concat([start[v].to_frame().T, part[v]]) for v in ("memorised", "validation"))
        spread = [[(v["mean"] - v["min"]).clip(0), (v["max"] - v["mean"]).clip(0)] for v in (across, up)]
        ax.errorbar(across["mean"], up["mean"], yerr=spread[1], xerr=spread[0], marker="o", label=name, elinewidth=0.7,
                    color=plot.COLORS[i], ls=plot.DASHES[i])
        ax.annotate(f"{part.index[-1][1]:g}", (across["mean"].iloc[-1], up["mean"].iloc[-1]), xytext=(5, 5),
                    textcoords="offset points", fontsize=8)
    ax.plot(start["memorised"]["mean"], start["validation"]["mean"], "ks", ms=7)
    ax.set(xlabel="training accuracy on random labels (less memorised →)")
    ax.set_title(f"{steps:,} steps" + ", from the longer run" * (steps > 200), loc="left")
axes[0].set_ylabel("validation accuracy on real digits")
axes[0].set(xlim=(1.05, 0.05), ylim=(0.88, 0.99))
axes[0].legend(loc="lower left", frameon=False, ncols=2)
plot.describe(
    fig,
    "Lines from the plain network, top left, to the right as each regulariser gets stronger; bars show the range of five "
    "seeds. After 200 steps strong adversarial training, of one step or of five, is far to the right without a loss. After 3,000 "
    "both are back at the left, near the plain network; weight decay of 0.03 has stayed at the right, two points lower.",
)
budget.groupby(["by", "strength", "steps"], sort=False).memorised.mean().unstack("steps").round(2).rename(columns="{:,} steps".format)

# %% [markdown]
# **What to see.** The square is the plain network, which fits all random labels. To the right less is memorised; a line
# that does not fall costs nothing on real digits. The bars (five seeds) say which differences to believe: a hundredth up
# or down is not one of them. The table gives the share of random labels that is fitted, from the longer run. Stop after
# 200 steps, and adversarial training looks like the cure: it fits a fifth of the random labels and loses nothing on
# real digits. Go on, and it fits nearly all of them. It *delays*. So do the weak settings. The stronger attack of five steps
# delays longer (after 1,000 steps little more than a third is fitted) and does no more: after 3,000 it is above nine tenths. What *lasts* up to 3,000
# steps is the strong weight decay, which caps memorising at little more than a quarter and costs about two points, and in
# part the strong input noise (which gains about two points on real digits, as adversarial training does) and the strong dropout (at more than four points).
#
# Why should decay last? At the end of training it still balances the loss: large weights, which random labels need,
# cost more than these labels are worth. Adversarial training and input noise change what the network *sees*, and a network
# that fits the labels all the same may exist: the first comes near it, the second still rises. Dropout has all but stopped
# too, but at a level that hinders little. In the paper dropout does best; here it does not. And “stops memorisation” is a statement
# about a regulariser, its strength *and* a number of steps.

# %% [markdown]
# ## The live demo
#
# Press play and watch a network memorise. p is the share of the 300 training digits that is spoiled, the
# toggle says how, the width is that of its two hidden layers. Left the training error (blue) and the test error
# (orange) against steps; right training digits that it gets wrong at this moment, with the label that it is told and
# what it says. With random labels and a p of 0.3: of the digits that are wrong last, how many are spoiled ones? Guess first; a red frame
# marks them.

# %% tags=["demo"]
demos.get("05").show()

# %% [markdown]
# ## Paper against here
#
# What the sources claim, and what came out on our data, computed in this moment; rows that say so come from
# the longer run.

# %%
paper = claims.table("05")
claims.styled(paper.drop(columns="lecture"))

# %% [markdown]
# **The rows that do not hold**, and the one that was not tested. That more examples cost noise more epochs holds for
# random labels and not for random inputs (section 9; an epoch of four times as many examples has four times as many
# steps). The critical sample ratio does not grow for all three kinds of data (section 10), nor is the finding about it
# independent of the radius. Random pixels are fitted sooner than random labels by the MLPs, and not by our CNN on 1,000
# images of CIFAR-10 (section 1). Networks that share one draw of the noise are near the binomial curve and not on it (section
# 6). And of four regularisers it was not dropout that did best here, once all had time (section 11). What was not tested is MNIST with *all* its images: the longer run stops at 16,000, and the row says where its
# trend leads.
#
# **Rows that hold with a reservation.** With the *random crop* our network does fit random labels, as the paper says, but only after 2,000
# to 6,000 steps in place of 300 (section 3). And the time to fit *grows with the share of random labels* up to a quarter, beyond that
# hardly (section 2).
#
# **To take along.**
# * A randomisation test changes the data and nothing else. What explains generalisation must be able to tell the
#   two apart.
# * Being able to fit anything is cheap: two weights for each example, and one for each input.
# * Regularisers add a few points on real data. Most of them only delay memorising: give them more steps before you say
#   that one forbids it. Strong weight decay does cap it, at a price.
# * Gradient descent chooses among the solutions: for linear models the smallest. The norm tells good from bad
#   within one representation, not across them.
# * Networks learn what examples share first, and memorise what is left later: stop between the two if labels are noisy.
