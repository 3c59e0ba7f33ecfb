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
# # 03 · Layer-wise relevance propagation
#
# A network says “three” with a score of twelve. Which pixels earned the twelve? This lecture takes the score
# for a sum of money that flows back through the network: every neuron hands what it received down to the
# neurons that fed it, in proportion to what they contributed, and nothing is lost on the way.
#
# | | |
# |---|---|
# | **You will be able to** | say what a decomposition is and why conservation alone is worth nothing · pass relevance through a layer by the rules ε, αβ, γ, z^B, w² and flat, and say where it goes · choose a rule for each depth of a network · find a root point and write a Taylor decomposition · explain a bag of words down to its pixels · judge a heatmap by flipping pixels, by randomising weights and by the truth |
# | **Time** | 150 minutes, of which 93 for the eight exercises |
# | **Builds on** | gradients in PyTorch; lecture 02 (what a backward signal may look like) helps, but is not needed |
# | **Sources** | Bach, Binder, Montavon, Klauschen, Müller, Samek 2015, *On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance Propagation* (“the paper”); Montavon, Lapuschkin, Binder, Samek, Müller 2017, *Explaining nonlinear classification decisions with deep Taylor decomposition*; Montavon, Binder, Lapuschkin, Samek, Müller 2019, *Layer-Wise Relevance Propagation: An Overview*; Samek et al. 2017, *Evaluating the visualization of what a deep neural network has learned*; Adebayo et al. 2018, *Sanity Checks for Saliency Maps* |

# %%
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display

from xaikit import attribution, claims, data, demos, evaluate, plot, zoo
from xaikit.exercises import answer, check
from xaikit.source import show_source

# %% [markdown]
# ## 1 · A score as a sum

# %% [markdown]
# ## 2 · Relevance travels in messages

# %% [markdown]
# ## 3 · Rules, and where the relevance goes

# %% [markdown]
# ## 4 · Taylor: relevance from a root point

# %% [markdown]
# ## 5 · A bag of words, explained down to its pixels
#
# <!-- section 5 and exercises 3.6 and 3.7: "bow" -->

# %% [markdown]
# ## 6 · Digits: for and against
#
# **Claim** (the paper, experiments on handwritten digits). A heatmap can be asked about *any* class, not only about the
# winner: what in this 4 speaks for a 9, and what against it? The answer should be a stroke that is missing, or one
# that is too much.
#
# **Formula.** The relevance starts at the logit of the class $k$ that is asked about, $R^{(k)}_p$ at pixel $p$, with
# $\sum_p R^{(k)}_p\approx F_k(x)$. Which rule? With the rule of the slides, $R_{i\leftarrow j}=\frac{z_{ij}}{z_j}R_j$, a black
# pixel of our digits contributes $z_{ij}=0\cdot w_{ij}$ and can never say anything. But “there is no stroke here” is just
# the evidence in question. So we take a composite of rules (section 3): z$^{\mathcal B}$ at the pixels, where a black
# pixel is compared with a white one, the γ-rule in the convolutions above, and the ε-rule on top.

# %%
cnn, digits, train = zoo.load("digits-cnn"), data.digits(split="test"), data.digits(split="train")


def evidence(images, target):
    """What speaks for a class (red) and against it (blue).  (N, 1, 28, 28) → (N, 28, 28)"""
    return attribution.lrp_composite(cnn, images, target, preset="epsilon_gamma_box").sum(1)


with torch.no_grad():
    predicted = cnn(digits.images).argmax(1)
right = predicted == digits.labels
some = torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))[:16]
sixteen, winner = digits.images[some], predicted[some].tolist()
maps = torch.stack([evidence(sixteen, k) for k in range(10)], 1)  # (16, 10, 28, 28)


def row_of(n):
    """A digit and its ten maps, all ten on one scale."""
    limit = plot.limit_of(maps[n], 0.999)
    return [plot.tile(sixteen[n]), *[plot.tile(m, signed=True, limit=limit) for m in maps[n]]]


ax = plot.sheet(
    [row_of(n) + [None] + row_of(n + 8) for n in range(8)],
    columns=["digit", *range(10), "", "digit", *range(10)],
    framed=[(n % 8, 1 + winner[n] + 12 * (n // 8)) for n in range(16)],
    size=0.5,
)
plot.describe(
    ax,
    "Sixteen handwritten digits, each with ten maps of evidence, one per class; the predicted class is framed. Framed maps "
    "are mostly red, the others mostly blue.",
)
print(f"right: {right[some].sum()} of 16")

# %% [markdown]
# **What to see.** Each row is one digit, on one scale. The framed map, the predicted class, is mostly red. The other nine
# are not its negatives: each is blue in places of its own, where *that* class wants ink and there is none, or the other
# way round.
#
# **4 against 9, 3 against 8.** The paper's two pairs. The last of four is the difference of the two maps: the evidence
# for the one *rather than* the other.


# %%
def pair(digit, other, which=0):
    """A digit, its evidence for its own class, for the other one, and the difference, as pictures and titles."""
    x = digits.images[(digits.labels == digit) & right][which : which + 1]
    own, rival = evidence(x, digit)[0], evidence(x, other)[0]
    titles = [f"a {digit}", f"for {digit}", f"for {other}", f"{digit} rather than {other}"]
    return [x[0], own, rival, own - rival], titles


pairs = [pair(4, 9), pair(3, 8, 1), pair(9, 4), pair(8, 3)]
axes = plot.grid(
    [p for pictures, _ in pairs for p in pictures],
    titles=[t for _, titles in pairs for t in titles],
    columns=8,
    signed=[False, True, True, True] * 4,
)
plot.describe(
    axes[0],
    "A 4 and a 3, below them a 9 and an 8; beside each the evidence for its own class, for the other class, and the "
    "difference. For the 4 the right arm decides, for the 3 the missing stroke on the lower left.",
)

# %% [markdown]
# **What to see.** In the 3, the deepest blue of “for 8” lies on *black* pixels at the lower left: an 8 would have closed
# its loop there. In the 4 the end of the right arm speaks against a 9, whose loop would have gone on upwards.
#
# **Does the map know more than where a class writes?** The paper compares $R^{(k)}$ with the **class density ratio**: of
# all the ink that the training digits $N$ have at pixel $p$, the share that comes from class $k$,
#
# $$d_k(p)=\frac{\sum_{N\in\text{digits}(k)}N(p)}{\sum_{l=0}^{9}\sum_{N\in\text{digits}(l)}N(p)} .$$
#
# It knows the class, and neither the digit at hand nor the network. (Where nobody writes it is 0/0; we leave out pixels
# with less than 2 % of the ink of the blackest one.)

# %%
density = evaluate.ink_density(train.images, train.labels)  # (10, 28, 28)
pictures, titles = [], []
for label, asked in ((4, 4), (4, 9), (3, 3), (3, 8)):
    x = digits.images[digits.labels == label][1:2]
    R = evidence(x, asked)
    r = evaluate.density_correlation(R, density[asked]).item()
    pictures += [x[0], (density[asked] - 0.1).nan_to_num(), R[0]]
    titles += [f"a {label}", f"d{'₀₁₂₃₄₅₆₇₈₉'[asked]} − 1/10", f"for {asked}, r = {r:.2f}".replace("-", "−")]
axes = plot.grid(pictures, titles=titles, columns=6, signed=[False, True, True] * 4)
plot.describe(
    axes[0],
    "Four groups of a digit, the ink density of a class less a tenth, and the evidence for that class, with their "
    "correlation r in the title.",
)

# %%
forty = digits.take(slice(0, 40))
own = forty.labels[:, None] == torch.arange(10)


def correlations(method, **options):
    """(40, 10): of each digit's map for each class with that class's density."""
    R = [method(cnn, forty.images, k, **options).sum(1) for k in range(10)]
    return torch.stack([evaluate.density_correlation(R[k], density[k]) for k in range(10)], 1)


found = {
    "LRP ε (the slides' rule)": correlations(attribution.lrp_epsilon),
    "LRP αβ": correlations(attribution.lrp_alpha_beta),
    "LRP, the composite above": correlations(attribution.lrp_composite, preset="epsilon_gamma_box"),
}
pd.DataFrame(
    {
        "own class, mean r": {n: c[own].mean().item() for n, c in found.items()},
        "own class, share above 0": {n: (c[own] > 0).float().mean().item() for n, c in found.items()},
        "other classes, mean r": {n: c[~own].mean().item() for n, c in found.items()},
    }
).round(2)

# %% [markdown]
# **What to see.** For the digit's own class the maps go with the density more often than not, and more than for other
# classes; but the correlation is far from 1. It could not be: $d_k$ is the same for every 4, and a map is about *this* 4.
# A correlation of 1 would have meant a map that never looked at the digit.
#
# **Try it.** Any digit, any class, any method.

# %% tags=["demo"]
demos.get("03/digits").show()

# %% [markdown]
# ## 7 · Pixel flipping
#
# **Claim** (the paper, same experiments). If the map is right about what counts, then changing the pixels that it ranks
# highest must bring the class's score down quickly; changing those near zero must do little; and changing the lowest,
# which speak *against* a class, must bring its score up.
#
# **Formula.** Let $x^{(0)}=x$, and let $x^{(k)}$ be $x$ with the first $k$ pixels of the order replaced; **flipping** is
# $x_i\to1-x_i$. The **area over the perturbation curve** (Samek et al. 2017) is the mean loss along the way,
#
# $$\mathrm{AOPC}=\frac1{L+1}\sum_{k=0}^{L}\Big(f\big(x^{(0)}\big)-f\big(x^{(k)}\big)\Big),$$
#
# here with $f$ the softmax probability of the digit's class. All $L+1$ pictures of an image go through the network as one
# batch.

# %%
show_source(evaluate.flip_curves)

# %%
few = digits.take(right.nonzero()[:16, 0])
words = {"highest": "highest first", "random": "random", "near_zero": "near zero first", "lowest": "lowest first"}
settings = {"methods": ["lrp_epsilon"], "share": 0.1, "steps": 13}
orders = evaluate.pixel_flipping(cnn, few.images, few.labels, replace=["flip", "mean"], **settings)
orders = orders.set_index(["replace", "order"])
fig, axes = plot.subplots(2, 3, size=(11.4, 5.6), sharex=True)
for column, (replace, title) in enumerate({"flip": "x → 1 − x", "mean": "x → the image's mean"}.items()):
    for row, (score, whose) in enumerate({"score": "the digit's class", "wrong": "best wrong class"}.items()):
        plot.curves(
            {word: orders[score][replace, order] for order, word in words.items()},
            x=orders.flips["flip", "highest"],
            ax=axes[row, column],
            ylabel=f"probability of {whose}" if column == 0 else "",
            xlabel="pixels changed" if row else "",
            title=None if row else title,
            legend=row == column == 0,
        )
        axes[row, column].set_ylim(0, 1.02)
for row, (digit, other) in enumerate(((3, 8), (4, 9))):
    x = digits.images[digits.labels == digit][:16]
    asked = evaluate.pixel_flipping(cnn, x, other, order=["lowest", "random"], output="logit", **settings)
    plot.curves(
        dict(zip(asked.order.map(words), asked.score, strict=True)),
        x=asked.flips[0],
        ax=axes[row, 2],
        ylabel=f"logit of {other}",
        xlabel="pixels changed" if row else "",
        title=f"{digit}s asked about {other}, x → 1 − x",
    )
plot.describe(
    fig,
    "Left and middle, upper row: the probability of the digit's class falls fastest when the pixels of highest relevance "
    "go first and stays longest when the lowest do; near zero first falls like a random order with one minus x, and hardly "
    "with the mean. Lower row: the best wrong class rises accordingly. Right: flipping the lowest pixels of the map for 8 "
    "in threes, and for 9 in fours, raises these classes' logits, more than a random order does.",
)

# %% [markdown]
# **What to see.** Left, LRP with the slides' rule. Highest first falls fastest, and lowest first keeps the class longest:
# so far as in the paper. *Near zero* first should do little, and under $1-x$ it does as much as a random order. The
# pixels near zero are the black ground; white specks on it are like nothing in the training set, and the network loses
# the class to *them*, not to missing evidence. With the image's mean instead (middle) they hardly matter, as they should.
# This is flipping's weak spot: it measures a map and a replacement together. Right, the paper's experiment with negative
# evidence: take 3s, ask for the evidence for 8, flip what is most *negative*, and the logit of 8 climbs; so it does for 4s
# and 9, where a random order climbs as well, but less.
#
# ### Exercise 3.8 — a flipping curve and its area ★★☆ · 10 min · 2 points
#
# Write `flipping_curve(f, x, relevance)`: the scores $f(x^{(0)}),\dots,f(x^{(D)})$ while all $D$ pixels of `x` are flipped
# one after the other, $x_i\to1-x_i$, highest relevance first; and the area over this curve, with $L=D$. `x` and
# `relevance` are (D,), `f` maps (N, D) to (N,).


# %% nbgrader={"grade": false, "grade_id": "answer-3.8", "locked": false, "schema_version": 3, "solution": true, "task": false}
def flipping_curve(f, x, relevance):
    """Scores while x (D,) is flipped, highest relevance (D,) first, and the area over them.  → (D + 1,), number"""
    ### BEGIN SOLUTION
    D = len(x)
    turn = relevance.argsort(descending=True).argsort()  # each pixel's place in the order
    gone = turn < torch.arange(D + 1)[:, None]  # row k: the first k pixels are flipped
    curve = f(torch.where(gone, 1 - x, x))
    return curve, (curve[0] - curve).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-3.8", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("3.8", flipping_curve)

# %% [markdown]
# Your function on a real digit, all 784 pixels. Whatever the map, every curve ends at the same point, the digit's
# negative; only the way there differs.

# %%
x, label = few.images[0], few.labels[0].item()
measure, ours = answer("3.8"), {}
with torch.no_grad():
    for name, R in {
        "LRP ε": attribution.lrp_epsilon(cnn, x[None], label),
        "Sobel edges": evaluate.sobel(cnn, x[None]),
    }.items():
        curve, area = measure(
            lambda rows: cnn(rows.view(-1, 1, 28, 28)).softmax(1)[:, label], x.flatten(), R.flatten()
        )
        ours[f"{name}, area {float(area):.2f}"] = curve
ax = plot.curves(ours, xlabel="flipped pixels", ylabel=f"probability of {label}")
plot.describe(
    ax,
    "The probability of one digit's class against the number of flipped pixels, up to all of them, in the order of LRP and "
    "of an edge map; LRP's falls much earlier.",
)

# %% [markdown]
# **Every method.** The same for every method that this library has, and for two controls that know nothing of the network:
# a random map, and the picture's own edges by a Sobel filter. And since flipping is only one way to take a pixel away, with
# four replacements: $1-x$, black, the image's mean, and a blurred copy. (Methods that need many passes run with few here.)

# %%
quick = {
    "smoothgrad": {"samples": 8},
    "integrated_gradients": {"steps": 8},
    "path_gradients": {"steps": 8},
    "occlusion": {"window": 7, "stride": 4},
}
ways = {"flip": "1 − x", "zero": "black", "mean": "mean", "blurred": "blurred"}
flips = evaluate.pixel_flipping(
    cnn, few.images, few.labels, order="highest", replace=list(ways), steps=8, share=0.1, options=quick
)
controls = [label for label, _ in evaluate.CONTROLS.values()]
of = {way: flips[flips["replace"] == way].set_index("label") for way in ways}
order = of["flip"].sort_values("rank").index
fig, panels = plot.subplots(1, 2, size=(11, 4.8), sharey=True)
for ax, way in zip(panels, ("flip", "zero"), strict=True):
    f = of[way].loc[order]
    plot.intervals(
        f.area,
        f.low,
        f.high,
        order,
        ax=ax,
        muted=controls,
        xlabel="area over the curve",
        title=f"x → {ways[way]}: mean and 95 % interval, {len(few)} digits",
    )
plot.describe(
    fig,
    "Area over the flipping curve of every method with its interval, sorted by the left panel, where pixels become one minus "
    "x; on the right pixels become black, and the order is another: the random map falls from the middle to the bottom.",
)
area = pd.DataFrame({word: of[way].area for way, word in ways.items()}).loc[order]
table = pd.concat({"area": area.round(2), "rank": area.rank(ascending=False, method="min").astype(int)}, axis=1)
table["tied with the first (1 − x)"] = of["flip"].tied.astype(bool)
table

# %%
print("rank correlation of the methods' order between two replacements:")
area.corr("spearman").round(2)

# %% [markdown]
# **What to see.** The intervals of the first rows overlap; “tied” marks the methods whose *paired* difference to the first
# cannot be told from 0. On this network there is no single winner, but a leading group: integrated gradients, LRP-ε,
# gradient × input and DeepLIFT, which are nearly the same map here. The smooth maps that please the eye, composite LRP and
# Grad-CAM, come later. The edge map is worst under $1-x$: at an edge the ink is half grey, and flipping grey gives grey.
# The random map is in the middle there and at the bottom under black: black pixels stay black, so that it wastes its flips.
#
# **What this ranking does not prove.** It proves that the pixels a map puts first move *this* network when they are
# replaced in *this* way. The pictures on the way were never seen in training, so a score may fall because the picture
# became strange, not because evidence went; the random map under $1-x$ shows it. A map of the pixels most apt for an
# adversarial attack would come out on top, and explain nothing to anybody. And methods that hide or change pixels
# themselves, like occlusion, are judged in their own coin.
#
# **Deletion and insertion** (Petsiuk, Das, Saenko 2018, *RISE*) go all the way to the blurred picture: the mean probability while
# pixels are removed highest first (small is good), and while they are put back highest first (large is good). No new code:
# putting back highest first is removing *lowest* first, read from the end.

# %%
both = evaluate.pixel_flipping(
    cnn,
    few.images[:8],
    few.labels[:8],
    ["lrp_composite", "lrp_epsilon", "integrated_gradients", "gradient", "grad_cam", "random", "sobel"],
    order=["highest", "lowest"],
    replace="blurred",
    share=1.0,
    steps=14,
    options={"integrated_gradients": {"steps": 8}},
)
both = both.pivot(index="label", columns="order", values="under")
both.rename(columns={"highest": "deletion ↓", "lowest": "insertion ↑"}).sort_values("insertion ↑", ascending=False).round(2)

# %% [markdown]
# **What to see.** Composite LRP, in the lower half of the last table, leads at insertion: another question, another order.
#
# **Try it.** Move the number of pixels; change the order, the method and the replacement.

# %% tags=["demo"]
demos.get("03/flipping").show()

# %% [markdown]
# ## 8 · Not an edge detector
#
# **Claim** (the paper, last experiment). The decomposition is different from an edge or texture detector.
#
# The suspicion is natural, since many heatmaps look like outlines. Adebayo et al. 2018 made it a test: draw the network's
# weights anew, from the top layer down, and see whether the map notices. A map that stays as it was did not explain the
# network; an edge detector never notices.
#
# **Picture.** A scene that `scenes-cnn` calls by its house. Mountains, clouds and horizon have strong edges and say
# nothing about the label.

# %%
viewer, scenes = zoo.load("scenes-cnn"), data.scenes(40)
busy = scenes.factors.query("mountains == 2 and clouds >= 1 and house and trees == 0").index[0]
x, label = scenes.images[busy : busy + 1], scenes.labels[busy].item()
top_down = ["head", "features.12", "features.9", "features.6", "features.3", "features.0"]
shown = {"picture": x[0], "Sobel edges": evaluate.sobel(viewer, x)[0], "LRP αβ": attribution.lrp_alpha_beta(viewer, x, label)[0]}
for n in (1, 3, 6):
    shown[f"{n} of 6 layers random"] = attribution.lrp_alpha_beta(evaluate.randomised(viewer, top_down[:n]), x, label)[0]
axes = plot.grid(shown.values(), titles=shown, columns=6, size=1.9, signed=[False] + [True] * 5)
plot.describe(
    axes[0],
    "A scene with a house, mountains and a cloud; its Sobel edges, which are everywhere; its LRP map, which is on house and "
    "path; LRP maps after one and three layers were drawn anew, in the same place with another sign; and after all six, "
    "scattered.",
)

# %% [markdown]
# **What to see.** The edge map outlines everything alike; LRP keeps to house and path and leaves mountains and clouds out:
# no edge detector. But look at the half-random networks. With a new top layer the map turns from red to blue and stays
# where it was; only when all layers are random is it gone.
#
# **Every method, layer by layer.** Similarity to the untouched network's map after 0, 1, 2, … layers from the top are
# random: the rank correlation of $|R|$, which is what the eye sees, and of $R$ with its sign.

# %%
four = scenes.take((scenes.labels > 0).nonzero()[:4, 0])
brief = {
    "smoothgrad": {"samples": 4},
    "integrated_gradients": {"steps": 4},
    "path_gradients": {"steps": 4},
    "occlusion": {"window": 22, "stride": 21},
}
checked = evaluate.sanity(viewer, four.images, labels=four.labels, options=brief)
layers = checked.drop_duplicates("depth").layer
fig, panels = plot.subplots(1, 2, size=(11.6, 3.8), sharey=True)
drawn = ["gradient", "lrp_epsilon", "lrp_composite", "guided_backprop", "grad_cam", "sobel", "random"]
for ax, column, title in zip(panels, ("absolute", "signed"), ("|R|", "R"), strict=True):
    lines = {attribution.METHODS[m].label if m in attribution.METHODS else evaluate.CONTROLS[m][0]: checked[checked.method == m][column]
             for m in drawn}
    plot.curves(lines, x=range(7), ax=ax, xlabel="random from the top down to", title=f"rank correlation of {title}", legend=False)
    ax.set_xticks(range(7), ["none", *layers[1:].str.replace("features.", "conv at ", regex=False)], rotation=25)
panels[0].set_ylabel("similarity to the original map")
panels[1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
plot.describe(
    fig,
    "Similarity to the original map against the number of random layers. By absolute value guided backprop and composite LRP "
    "stay similar until most layers are random, LRP epsilon falls with the gradient. With the sign, composite LRP turns "
    "negative with the top layer; guided backprop stays positive.",
)

# %%
wide = checked.pivot(index="label", columns="depth")
pd.DataFrame(
    {
        "|R|, 1 random": wide["absolute"][1],
        "|R|, 3 random": wide["absolute"][3],
        "|R|, all random": wide["absolute"][6],
        "R, 1 random": wide["signed"][1],
        "R, all random": wide["signed"][6],
        "SSIM, 3 random": wide["ssim"][3],
        "|R| against edges": wide["edges"][0],
    }
).sort_values("|R|, 3 random").round(2)

# %% [markdown]
# **What to see.** Gradient, gradient × input and LRP-ε fall together: they depend on all layers. Guided backprop forgets
# last, with its sign; it mostly restores the picture, as Adebayo et al. found. And by $|R|$, *LRP with αβ or composite rules
# is like it*: rules that send only positive contributions down multiply non-negative matrices, whose product soon looks the
# same whatever stands on top (Sixt, Granz, Landgraf 2020, *When Explanations Lie*). What still comes from the top is mostly
# the sign. The clean maps pay for being clean: they tell more of *where* something is than of *what* the class needs.
#
# No method comes near the 1 of the edge map in the last column: on this network the claim holds for all of them.
#
# **Beware of ties.** The measure can mislead as well. On digits LRP-ε seems never to forget, by $|R|$:

# %%
tied = evaluate.sanity(cnn, few.images[:8], ["lrp_epsilon", "gradient"])
tied.pivot(index="label", columns="depth", values="absolute").round(2)

# %% [markdown]
# It is zero wherever a pixel is black, whatever the network; the ranking finds those ties again and calls it similarity. On
# the scenes, where hardly a value is zero, the same method fell with the gradient.
#
# ## 9 · Against the truth
#
# Flipping asks the network, and sanity asks whether the network matters at all. Whoever drew the pictures can be asked
# something better: **which pixels cause the class?**
#
# | data | what the label says | the pixels that cause it |
# |---|---|---|
# | `shapes` | circle or polygon | the border of each shape, for inside and outside look alike; for polygons also its *corners* alone |
# | `scenes` | which of house and trees are there | all that is visible of house (with its path) and trees; scenes of “nothing” have no such pixels and are left out |
#
# **Formula.** Let $G$ be the set of these pixels, $R$ the map summed over colours, $K=|G|$. **Relevance mass** is
# $\sum_{i\in G}R_i^+/\sum_iR_i^+$ with $R^+=\max(R,0)$; **rank accuracy** is the share of the $K$ pixels of highest relevance that are in $G$ (both
# Arras, Osman, Samek 2022, *CLEVR-XAI*); the **pointing game** scores 1 if the highest pixel of all is in $G$ (Zhang et al. 2018, *Excitation Backprop*; no tolerance here). A
# random map gets $G$'s share of the picture. Only rightly classified images count.
#
# First a check of the truth itself: is $G$ what the *network* goes by? Paint it over with the colours of its own rows.

# %%
sky = ["sky", "cloud", "sun", "mountain"]
with torch.no_grad():
    kept = scenes.take((viewer(scenes.images).argmax(1) == scenes.labels) & (scenes.labels > 0))
    without, other = evaluate.painted_over(kept), evaluate.painted_over(kept, sky)
    without_says, other_says = viewer(without).argmax(1), viewer(other).argmax(1)
axes = plot.grid([kept.images[0], without[0], other[0]], titles=["a scene", "cause painted over", "sky painted over"], size=1.7)
plot.describe(axes[0], "A scene, the same with house and trees painted over, and with everything in the sky painted over.")
print(f"cause painted over: {(without_says == 0).float().mean():.0%} of {len(kept)} scenes are called “nothing”")
print(f"sky, sun, clouds and mountains painted over: {(other_says == kept.labels).float().mean():.0%} keep their label")

# %%
judge, drawings = zoo.load("shapes-cnn"), data.shapes(24, split="test")
polygons, drawings = drawings.take((drawings.labels == 1).nonzero()[:6, 0]), drawings.take(slice(0, 10))
on_shapes, on_scenes = (brief | {"occlusion": {"window": w, "stride": s}} for w, s in ((26, 19), (16, 12)))
results = {
    "shapes: border": evaluate.truth(judge, drawings, options=on_shapes),
    "polygons: corners": evaluate.truth(judge, polygons, cause="corner", options=on_shapes),
    "scenes: house, trees": evaluate.truth(viewer, scenes.take(slice(0, 28)), options=on_scenes),
}
order = results["scenes: house, trees"].label
fig, panels = plot.subplots(1, 3, size=(12, 4.8), sharey=True)
for ax, (name, r) in zip(panels, results.items(), strict=True):
    r = r.set_index("label").loc[order]
    plot.intervals(
        r["mass"],
        r.mass_low,
        r.mass_high,
        order,
        ax=ax,
        muted=controls,
        chance=r.chance.iloc[0],
        xlabel="relevance mass on the cause",
        title=f"{name} ({r.images.iloc[0]} images)",
    )
    ax.set_xlim(0, 1)
plot.describe(
    fig,
    "Relevance mass on the pixels that cause the class, with 95 % intervals, for every method and two controls, on shapes, on "
    "polygons' corners and on scenes; the dashed line is chance. LRP alpha-beta and composite lead in all three.",
)
measures = ["mass", "rank", "pointing"]
pd.concat({name: r.set_index("label")[measures].loc[order] for name, r in results.items()}, axis=1).round(2)

# %% [markdown]
# **What to see.** On *shapes* the Sobel map has the highest rank accuracy of all, and no wonder: the cause *is* the edges. A
# benchmark on which an edge detector wins cannot tell an explanation from an outline; that is what controls are for. On
# *scenes*, where most edges have nothing to do with the label, it falls behind. LRP with αβ or composite rules leads in
# mass everywhere, as Arras et al. report. So the methods that forgot least in section 8 find the object best, and both can
# be true: *where* the object stands hardly depends on the top layers. CAM and Grad-CAM have maps of 4 × 4 cells on scenes:
# they find the place and smear their mass, but their rank accuracy is among the best. Occlusion with black windows paints a new
# dark object into the picture, and on shapes it is no better than chance.
#
# No method puts all its mass on the cause, and much of what misses it lies just *beside* it: a network recognises a border
# by both of its sides, and a mask that ends at the last pixel of the crown calls the grass below it a mistake. And the
# intervals speak of more images for *this* network, not of other networks.
#
# Three judges, three answers: no one number says which explanation is best. What they agree on is more modest, and
# useful: which maps do no better than one that never saw the network.
#
# **Try it.** Any image, any method, with the cause outlined.

# %% tags=["demo"]
demos.get("03/truth").show()

# %% [markdown]
# ## The live demo

# %% [markdown]
# ## Paper against here
#
# What the sources claim, and what came out on our networks and data, computed in this moment.

# %%
paper = claims.table("03")
claims.styled(paper.drop(columns="lecture"))
