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
# | **Time** | 175 minutes, of which 81 for the eight exercises; a break fits well before section 5 |
# | **Builds on** | gradients in PyTorch; lecture 02 (what a backward signal may look like) helps, but is not needed |
# | **Sources** | Bach, Binder, Montavon, Klauschen, Müller, Samek 2015, *On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance Propagation* (“the paper”); Montavon, Lapuschkin, Binder, Samek, Müller 2017, *Explaining nonlinear classification decisions with deep Taylor decomposition*; Montavon, Binder, Lapuschkin, Samek, Müller 2019, *Layer-Wise Relevance Propagation: An Overview*; Samek et al. 2017, *Evaluating the visualization of what a deep neural network has learned*; Adebayo et al. 2018, *Sanity Checks for Saliency Maps* |

# %%
import numpy as np
import pandas as pd
import torch
from IPython.display import display
from sklearn.linear_model import LogisticRegression

from xaikit import attribution, claims, data, demos, evaluate, plot, studies, zoo
from xaikit.demos.lecture03 import photograph
from xaikit.evaluate import by_hand
from xaikit.exercises import answer, check
from xaikit.features import bow, bow_relevance
from xaikit.source import show_source

# %% [markdown]
# ## 1 · A score as a sum
#
# Let $f:\mathbb R^V\to\mathbb R$ be a classifier's score for an image $x$ with $V$ pixels: $f(x)>0$ says that
# what was learned is there, $f(x)<0$ that it is not. A **decomposition** writes the score as a sum over the
# pixels,
#
# $$f(x)\approx\sum_{d=1}^V R_d .$$
#
# $R_d$ is the **relevance** of pixel $d$. The **sign convention**: $R_d>0$ is evidence *for* the structure,
# $R_d<0$ evidence *against* it. If the classifier works in layers $l$, with a vector of values in each, the
# paper asks for relevances $R^{(l)}_d$ of all of them whose sum is the same in every layer, a **conservation
# law**:
#
# $$f(x)=\dots=\sum_d R^{(l+1)}_d=\sum_d R^{(l)}_d=\dots=\sum_d R^{(1)}_d .$$
#
# **Claim** (the paper, “pixel-wise decomposition as a general concept”). Conservation alone is neither unique
# nor worth anything. The counterexample is a classifier with one layer,
#
# $$f(x)=b+\sum_d\alpha_d\,\phi_d(x_d),$$
#
# where each pixel passes through its own function $\phi_d$, gets the weight $\alpha_d$, and $b$ is a bias.
# Two decompositions of it:
#
# $$R_d=f(x)\,\frac{|\alpha_d\phi_d(x_d)|}{\sum_{d'}|\alpha_{d'}\phi_{d'}(x_{d'})|}\ \text{(and $\tfrac bV$ where all terms are 0)}
# \qquad\text{against}\qquad R_d=\frac bV+\alpha_d\,\phi_d(x_d).$$
#
# Both add up to $f(x)$. In the first, every pixel has the sign of the prediction: everything is for it,
# nothing ever speaks against. Six numbers show it, each with a function of its own:

# %%
phi = [np.sin, np.square, np.abs, np.tanh, np.cbrt, lambda v: v]
alpha, b = np.array([2.0, -0.8, 0.5, -1.5, 1.0, 0.7]), 0.6
x = np.array([1.0, 1.2, -1.0, 0.8, -0.5, 1.5])


def by_size(terms, b):
    """The counterexample: f(x) shared in proportion to |α_d φ_d|; b / V where all terms are 0."""
    total = np.abs(terms).sum()
    return (b + terms.sum()) * np.abs(terms) / total if total else np.full(len(terms), b / len(terms))


def by_term(terms, b):
    """Each term as it is, and an equal share of the bias."""
    return b / len(terms) + terms


terms = alpha * np.array([p(v) for p, v in zip(phi, x, strict=True)])
table = pd.DataFrame(
    {"α φ(x)": terms, "∝ |α φ(x)|": by_size(terms, b), "b/V + α φ(x)": by_term(terms, b)},
    index=[f"pixel {d + 1}" for d in range(6)],
)
print(f"f(x) = {b + terms.sum():.3f}; the sums are", *(f"{table[c].sum():.3f}" for c in table.columns[1:]))
table.round(3)

# %% [markdown]
# Pixels 2, 4 and 5 pull the score down; the first decomposition praises them, pixel 2 more than any but pixel
# 1.
#
# **Picture.** The same on a real classifier: logistic regression that tells 4 from 9 on handwritten digits,
# for which $\phi_d(x_d)=x_d$ and $f>0$ means “four”. The four that it finds hardest, and below how many of
# the sixty pixels that a decomposition likes best speak *against* a four, and what is left of the score
# without them.

# %%
pair = data.digits(split="train")
pair = pair.take((pair.labels == 4) | (pair.labels == 9))
line = LogisticRegression(C=0.05, max_iter=500).fit(pair.images.flatten(1), pair.labels == 4)
weights, offset = line.coef_[0], line.intercept_[0]
digits = data.digits(split="test")
fours = digits.images[digits.labels == 4].flatten(1).double().numpy()
scores = fours @ weights + offset
four = fours[np.where(scores > 0, scores, np.inf).argmin()]
maps = {"∝ |α φ(x)|": by_size(weights * four, offset), "b/V + α φ(x)": by_term(weights * four, offset)}


def best(relevance, count=60):
    """The ``count`` pixels of the largest relevance."""
    return np.argsort(-relevance)[:count]


def without(pixels):
    """The score after these pixels were made black."""
    kept = four.copy()
    kept[pixels] = 0
    return weights @ kept + offset


axes = plot.grid(
    [four.reshape(1, 28, 28), *(m.reshape(28, 28) for m in maps.values())],
    signed=[False, True, True],
    size=2.1,
    titles=["a four", *maps],
)
plot.describe(
    axes[0],
    "A handwritten four; beside it the decomposition in proportion to the size of the terms, red on the ink "
    "and nowhere blue; then the terms themselves, red where ink speaks for a four and blue where it speaks for "
    "a nine.",
)
score = weights @ four + offset
pd.DataFrame(
    {
        n: {
            "f(x)": score,
            "Σ R": m.sum(),
            "ink with R < 0": (m[four > 0.1] < 0).mean(),
            "of its 60 best, against a four": ((weights * four)[best(m)] < 0).mean(),
            "f without its 60 best": without(best(m)),
        }
        for n, m in maps.items()
    }
).T.round(2)

# %% [markdown]
# **What to see.** Both maps have the same sum. The first is never blue and cannot tell which strokes make it
# a four and which look like a nine: a good part of the pixels that it likes best speak for a nine (fourth
# column). The second names both kinds. (That taking away *its* best pixels costs more of the
# score is no proof: in a linear model the largest terms must cost most.) Conservation is a check on the
# books, not on the truth of what is in them.

# %% [markdown]
# ## 2 · Relevance travels in messages
#
# **Claim** (the paper, “layer-wise relevance propagation”). A classifier made of neurons can be decomposed
# with one rule for each connection.
#
# The slides' network has seven neurons: inputs 1, 2, 3, hidden neurons 4, 5, 6, and the output 7. On the way
# up neuron $i$ sends $a_iw_{ik}$ to neuron $k$, its **activation** times the weight between them. On the way
# down every neuron $k$ sends a **message** $R_{i\leftarrow k}$ to each of its inputs $i$. Two assumptions
# make a conservation law of it:
#
# $$R_i=\sum_{k:\,i\text{ feeds }k}R_{i\leftarrow k}\qquad\text{and}\qquad R_k=\sum_{i:\,i\text{ feeds }k}R_{i\leftarrow k}.$$
#
# A neuron's relevance is what it receives, and what it has it hands on. Then the sum over a layer is the sum
# over all edges below it, counted from above or from below:
# $\sum_kR_k=\sum_k\sum_iR_{i\leftarrow k}=\sum_i\sum_kR_{i\leftarrow k}=\sum_iR_i$.
#
# **Formula.** In which proportions? As the neuron was fed:
#
# $$R_{i\leftarrow k}=R_k\,\frac{a_iw_{ik}}{\sum_ha_hw_{hk}},\qquad R_7=f(x).$$

# %%
show_source(by_hand.messages)

# %%
a, z = by_hand.forward((1.0, 0.5, 1.5))
relevance, sent = by_hand.messages(a, z)
for (i, k), r in sent.items():
    print(f"R{i}←{k} = {r:+.3f}   since a{i} w{i}{k} = {a[i] * by_hand.EDGES[i, k]:+.2f} of {z[k]:+.2f}")
sums = [sum(relevance[n] for n in layer) for layer in by_hand.LAYERS]
print("\nlayer sums, from the inputs up:", ", ".join(f"{v:.6f}" for v in sums))

# %% [markdown]
# **What to see.** The sign of a message turns round where a neuron fired *against* the trend of the one above
# it: neuron 6 pulls the output down, so it receives negative relevance, and what drove it (input 3) inherits
# that, while what held it back (input 2) is rewarded.
#
# **Try it.** Left, what goes up; right, the relevance that comes down, on every edge. Move an input until a
# hidden neuron dies: its edges go grey and its share is passed to the others. With biases, a part of the
# relevance stays with them.

# %% tags=["demo"]
demos.get("03/messages").show()

# %% [markdown]
# **No derivative is needed.** The formula uses activations and weights only, so it also works where a neuron
# is a step or a sign and the gradient is 0 everywhere. Here the hidden neurons return
# $\operatorname{sign}(z)$; the rule for such a layer is to let relevance pass:


# %%
class Sign(torch.nn.Module):
    """y = sign(z), value by value: its derivative is 0 wherever it has one."""

    def forward(self, z):
        return torch.sign(z)


torch.manual_seed(0)
jumps = torch.nn.Sequential(
    torch.nn.Linear(3, 4, bias=False), Sign(), torch.nn.Linear(4, 1, bias=False)
).double()
point = torch.tensor([[1.0, 0.5, 1.5]], dtype=torch.float64)
found = attribution.lrp(jumps, point, 0, rules={Sign: attribution.Pass(), "*": attribution.Epsilon(0)})
print(f"f(x) = {jumps(point).item():.6f}")
print(
    "gradient:",
    attribution.gradient(jumps, point, 0)[0].tolist(),
    "  LRP:",
    found[0].numpy().round(3),
    f"  Σ R = {found.sum().item():.6f}",
)

# %% [markdown]
# **Order.** Conservation leaves much open, and the paper suggests a further wish: of two positive
# contributions $z_{ik}=a_iw_{ik}$ to a neuron with positive relevance and positive sum, the larger shall not
# get the smaller message, $0<z_{ik}<z_{i'k}\Rightarrow R_{i\leftarrow k}\le R_{i'\leftarrow k}$. Sharing in
# proportion keeps it. So would sharing by $z^2$; sharing the relevance equally, as section 3's flat rule
# does, only just.

# %%
rng = np.random.default_rng(0)
z = rng.normal(size=(2000, 6))
z = z[z.sum(1) > 0.1]
ways = {
    "∝ z": z / z.sum(1, keepdims=True),
    "∝ z²": z**2 / (z**2).sum(1, keepdims=True),
    "equally": np.full_like(z, 1 / 6),
    "∝ 1/z": (1 / z) / (1 / z).sum(1, keepdims=True),
}
both = (z[:, :, None] > 0) & (z[:, :, None] < z[:, None, :])  # 0 < z of i < z of i′
for name, message in ways.items():
    wrong = (message[:, :, None] > message[:, None, :] + 1e-12) & both
    print(
        f"{name:8} conserves: {np.allclose(message.sum(1), 1)}, pairs in the wrong order: "
        f"{wrong.sum() / both.sum():.0%}"
    )

# %% [markdown]
# ## 3 · Rules, and where the relevance goes
#
# **Claim** (the paper, eqs. 56 to 60). Two things get in the way of the messages above: a denominator near 0
# sends gigantic ones, and a bias is no input that could take its share. Two families of rules deal with the
# first, and what the second costs can be said beforehand.
#
# Here $x_i$ are the inputs of a layer, $z_{ij}=x_iw_{ij}$ their contributions to neuron $j$,
# $z_j=\sum_iz_{ij}+b_j$ what the neuron adds up, bias included, and $x_j=g(z_j)$ its activation. A **rule**
# says how $R_j$ is shared among the inputs.
#
# **The ε-rule** (the paper, eq. 58) adds a **stabiliser** $\varepsilon\ge0$ that moves the denominator away
# from 0:
#
# $$R_{i\leftarrow j}=\frac{z_{ij}}{z_j\pm\varepsilon}R_j,\qquad\pm\text{ the sign of }z_j,\text{ and + where }z_j=0.$$

# %% [markdown]
# ### Exercise 3.1 — the ε-rule ★☆☆ · 8 min · 2 points
#
# Write `lrp_epsilon(a, W, b, R, eps)` for one dense layer: inputs `a` (N, I), weights `W` (I, J), biases `b`
# (J,), relevance of the outputs `R` (N, J) → relevance of the inputs (N, I). Mind a neuron whose $z_j$ is
# exactly 0.


# %% nbgrader={"grade": false, "grade_id": "answer-3.1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def lrp_epsilon(a, W, b, R, eps):
    """The ε-rule of one dense layer.  a (N, I), W (I, J), b (J,), R (N, J) → (N, I)"""
    ### BEGIN SOLUTION
    z = a @ W + b
    sign = torch.where(z >= 0, 1.0, -1.0)  # torch.sign(0) is 0, and 0 / 0 no number
    return a * ((R / (z + eps * sign)) @ W.T)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-3.1", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("3.1", lrp_epsilon)

# %% [markdown]
# ### Exercise 3.2 — where relevance leaks ★★☆ · 8 min · 2 points
#
# Do the messages of a neuron still add up to $R_j$? Its $z_j$ contains $b_j$, which no input sent, and under
# the fraction stands an ε that nobody sent either. Predict the sum before you compute a single message: write
# `passed_on(z, b, R, eps)`, how much a layer under the ε-rule hands on in all, per row, from `z`, `R` (N, J)
# and `b` (J,) → (N,). You need neither weights nor inputs.


# %% nbgrader={"grade": false, "grade_id": "answer-3.2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def passed_on(z, b, R, eps):
    """What a layer under the ε-rule passes on in all.  z, R (N, J), b (J,) → (N,)"""
    ### BEGIN SOLUTION
    sign = torch.where(z >= 0, 1.0, -1.0)
    return (R * (1 - (b + eps * sign) / (z + eps * sign))).sum(1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-3.2", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("3.2", passed_on)

# %% [markdown]
# **What leaks.** The contributions add up to $z_j-b_j$, so of $R_j$ there is passed on
#
# $$\sum_iR_{i\leftarrow j}=R_j\Big(1-\frac{b_j\pm\varepsilon}{z_j\pm\varepsilon}\Big):$$
#
# the bias keeps $b_j/(z_j\pm\varepsilon)$ of it, the stabiliser $\pm\varepsilon/(z_j\pm\varepsilon)$. One
# neuron, and the formula beside what the library does:

# %%
neuron = torch.nn.Linear(3, 1).double()
neuron.weight.data = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
neuron.bias.data = torch.tensor([0.3], dtype=torch.float64)
inputs = torch.tensor([[1.0, 0.4, 0.6]], dtype=torch.float64)
z, b = neuron(inputs).item(), neuron.bias.item()
rows = {}
for eps in (0.0, 0.1, 1.0, 100.0):
    kept = attribution.relevance_budget(neuron, inputs, 0, attribution.Epsilon(eps)).iloc[0]
    rows[f"ε = {eps:g}"] = {
        "R_j": z,
        **kept[["input", "bias", "stabiliser"]],
        "formula": z * (1 - (b + eps) / (z + eps)),
    }
pd.DataFrame(rows).T.round(4)

# %% [markdown]
# `relevance_budget` does the books of a whole network: what reaches the input, what biases keep, what
# stabilisers keep; the three add up to the score. With a very large ε nothing gets through: the paper says
# so, and the last row shows it.
#
# **Picture.** The fraction that is passed on, as a function of $z_j$. Left with no bias: ε takes most where
# the neuron is undecided. Right with the bias $b_j=0.3$: between 0 and the bias the fraction is negative.
# Just left of 0 it exceeds 1 as long as $|b_j|>\varepsilon$, and without bound if ε is 0: this is what ε is
# for. An ε larger than the bias, as for the last curve, keeps it below 1.

# %%
near = np.geomspace(1e-4, 2, 400)  # finer towards 0, where the smallest ε acts
zs = np.concatenate([-near[::-1], [0], near])
sign = np.where(zs >= 0, 1, -1)
fig, axes = plot.subplots(1, 2, size=(9.6, 3.2), sharey=True)
for ax, bias in zip(axes, (0.0, 0.3), strict=True):
    shares = {
        f"ε = {e:g}": np.where(np.arange(801) == 400, np.nan, 1 - (bias + e * sign) / (zs + e * sign))
        for e in (0.01, 0.1, 0.5)
    }
    plot.curves(
        shares,
        x=zs,
        ax=ax,
        xlabel="what the neuron adds up, $z_j$",
        ylabel="share of $R_j$ passed on",
        title=f"bias $b_j$ = {bias:g}",
    )
    ax.set_ylim(-1, 3)
plot.describe(
    fig,
    "The share of a neuron's relevance that is passed on against z, for three stabilisers. Without bias it "
    "dips to 0 at z = 0. With a bias of 0.3 it is negative between 0 and 0.3; left of 0 it is larger than 1 "
    "for the two stabilisers below 0.3, the smaller the larger, and below 1 for the one above.",
)

# %% [markdown]
# **The αβ-rule** (the paper, eq. 60) never lets positive and negative contributions cancel, so that a
# denominator is small only where all its contributions are. With $z^+$ for the positive part and $z^-$ for
# the negative one, and the bias split alike,
#
# $$R_{i\leftarrow j}=R_j\Big(\alpha\frac{z_{ij}^+}{z_j^+}+\beta\frac{z_{ij}^-}{z_j^-}\Big),\qquad\alpha+\beta=1.$$
#
# $\alpha$ weighs what speaks for, $\beta$ what speaks against; $\alpha=1$ shows only what speaks for. The
# paper sets no sign for $\beta$: its own example is $\alpha=\beta=\frac12$, whose leak it states as
# $\sum_iR_{i\leftarrow j}=R_j\big(1-\frac{b_j^+}{2z_j^+}-\frac{b_j^-}{2z_j^-}\big)$. Later papers take
# $\beta\le0$, so that what speaks against comes out blue, and the library refuses the rest, the paper's
# example too (below). Your function shall take any α, and so test that example.
#
# (The library adds a tiny ε = 10⁻⁶ to each of the two denominators all the same. In one layer it does not
# show. In deep networks with large α it does: where relevance of both signs, many times the score, meets
# small sums, the tiny shares add up; the table at the end says how much.)

# %% [markdown]
# ### Exercise 3.3 — the αβ-rule ★★☆ · 15 min · 3 points
#
# Write `lrp_alpha_beta(a, W, b, R, alpha)` with $\beta=1-\alpha$ for one dense layer; shapes as in 3.1.
# Inputs may be negative. If a neuron has no positive (negative) contribution, that half passes nothing.


# %% nbgrader={"grade": false, "grade_id": "answer-3.3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def lrp_alpha_beta(a, W, b, R, alpha):
    """The αβ-rule of one dense layer, β = 1 − α.  a (N, I), W (I, J), b (J,), R (N, J) → (N, I)"""
    ### BEGIN SOLUTION
    contributions = a[:, :, None] * W  # (N, I, J)
    plus, minus = contributions.clamp(min=0), contributions.clamp(max=0)
    zp, zm = plus.sum(1) + b.clamp(min=0), minus.sum(1) + b.clamp(max=0)
    zp, zm = zp.masked_fill(zp == 0, 1), zm.masked_fill(zm == 0, 1)  # nothing of that sign: nothing to share
    return (alpha * plus * (R / zp)[:, None] + (1 - alpha) * minus * (R / zm)[:, None]).sum(2)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-3.3", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("3.3", lrp_alpha_beta)

# %%
rng = torch.Generator().manual_seed(0)
a, W, b, R = (torch.randn(shape, generator=rng) for shape in ((4, 6), (6, 5), (5,), (4, 5)))
z = a[:, :, None] * W
plus, minus = z.clamp(min=0).sum(1) + b.clamp(min=0), z.clamp(max=0).sum(1) + b.clamp(max=0)
formula = (R * (1 - b.clamp(min=0) / (2 * plus) - b.clamp(max=0) / (2 * minus))).sum(1)
passed = answer("3.3")(a, W, b, R, 0.5).sum(1)
print(
    "α = β = ½, passed on in four rows:",
    passed.numpy().round(4),
    "  by the formula:",
    formula.numpy().round(4),
)
try:
    attribution.AlphaBeta(0.5, 0.5)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# **Picture.** A handwritten three under ε and under αβ with growing α. Red is evidence for a three.
# `digits-cnn` has three convolutions, average pooling and a linear layer. Every panel has a scale of its own,
# which ends at its largest |R| (first column of the table): compare shapes in the picture and sizes in the
# table.

# %%
cnn = zoo.load("digits-cnn")
three = digits.images[digits.labels == 3][:1]
shown = {
    "ε = 10⁻⁶": attribution.Epsilon(1e-6),
    "ε = 1": attribution.Epsilon(1.0),
    **{
        f"α = {al:g}, β = {1 - al:g}".replace("-", "−"): attribution.AlphaBeta(al, 1 - al)
        for al in (1.0, 1.5, 2.0, 3.0)
    },
}
maps = {name: attribution.lrp(cnn, three, 3, rule) for name, rule in shown.items()}
axes = plot.grid(
    [three[0], *(m[0] for m in maps.values())],
    signed=[False] + [True] * 6,
    columns=7,
    size=1.55,
    titles=["x", *maps],
)
plot.describe(
    axes[0],
    "A three and its relevance under the epsilon rule with a small and a larger stabiliser, and under "
    "alpha-beta for alpha 1, 1.5, 2 and 3: from red only to red and blue in ever stronger alternation.",
)
pd.DataFrame(
    {
        n: {
            "largest |R|": m.abs().max().item(),
            "Σ R": m.sum().item(),
            "Σ positive R": m.clamp(min=0).sum().item(),
            "Σ negative R": m.clamp(max=0).sum().item(),
        }
        for n, m in maps.items()
    }
).T.round(2)

# %% [markdown]
# **What to see.** At $\alpha=1$ there is no blue at all, whatever the digit. Raising α adds to the positive
# and to the negative sum alike (table): the contrast grows, their difference hardly moves at first. ε = 1
# calms the map down, but it keeps more than half of the score for itself, and takes more of what spoke
# against (87 %) than of what spoke for (74 %). The rule is a dial for contrast, not a discovery of more
# evidence. At $\alpha=3$ both sums are many times the score, and the biases, which take their part of each,
# keep or add as much as the whole score: the sum of the map is then no longer near it. Every layer multiplies
# the two by α and |β|, so deep networks get there sooner.
#
# **More rules, each for a purpose.** The third column is what replaces $z_{ij}$ in
# $R_{i\leftarrow j}=\frac{(\cdot)_{ij}}{\sum_i(\cdot)_{ij}}R_j$. For γ it is written for inputs $x_i\ge0$, as
# behind a ReLU, and $z_j>0$.
#
# | rule | for | replaces $z_{ij}$ by | source |
# |---|---|---|---|
# | γ | lower layers | $x_i(w_{ij}+\gamma w_{ij}^+)$, with $\gamma\ge0$: $\gamma=0$ is the ε-rule with $\varepsilon=0$, and for such inputs $\gamma\to\infty$ the αβ-rule with $\alpha=1$ | Montavon et al. 2019 |
# | $z^{\mathcal B}$ | pixels in $[l,h]$ | $x_iw_{ij}-l_iw_{ij}^+-h_iw_{ij}^-$: black and white pixels both can matter | Montavon et al. 2017 |
# | $w^2$ | inputs without bounds | $w_{ij}^2$ | Montavon et al. 2017 |
# | flat | to draw receptive fields | $1$: every input alike | Lapuschkin et al. 2019 |
#
# How the library writes them: a `Branch` is one fraction of a rule. It names pairs (version of the inputs,
# version of the weights) whose products add up to a denominator, the bias beside them, and a factor on the
# relevance. z^B has one branch with three pairs. γ has two, one for neurons with $z_j>0$, as in the table,
# and the same with signs turned round for $z_j<0$ (their factor is 0 for the other neurons); `_halves` splits
# the inputs by sign, since a negative input makes a negative contribution of a positive weight, and `kept` is
# the bias if it is to absorb its share.

# %%
show_source(attribution.Gamma, attribution.ZBox)

# %% [markdown]
# So a rule is data, and one engine does the rest for all of them. The engine runs each linear operation once
# more with those, divides, and sends the quotient back through it. That is one **vector-Jacobian product**,
# $\big(J^\top s\big)_i=\sum_jw_{ij}s_j$ with $s_j=R_j/(z_j\pm\varepsilon)$, which automatic differentiation
# gives for any linear operation; for a convolution nobody has to write out which pixel feeds which neuron.

# %% [markdown]
# ### Exercise 3.4 — a convolution in one vector-Jacobian product ★★★ · 12 min · 3 points
#
# Write `lrp_conv(x, weight, bias, R, eps, padding)`: the ε-rule of a convolution with stride 1, without a
# loop over pixels. `x` (N, C, H, W), `weight` (K, C, k, k), `bias` (K,), `R` (N, K, H′, W′) → (N, C, H, W).
# As before, $z_j=0$ counts as positive.


# %% nbgrader={"grade": false, "grade_id": "answer-3.4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def lrp_conv(x, weight, bias, R, eps, padding):
    """The ε-rule of a convolution.  x (N, C, H, W), R (N, K, H′, W′) → (N, C, H, W)"""
    ### BEGIN SOLUTION
    x = x.clone().requires_grad_()
    z = torch.nn.functional.conv2d(x, weight, bias, padding=padding)
    s = (R / (z + eps * torch.where(z >= 0, 1.0, -1.0))).detach()
    (back,) = torch.autograd.grad(z, x, s)
    return (x * back).detach()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-3.4", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("3.4", lrp_conv)

# %% [markdown]
# **The first layer.** The same network, ε in all upper layers, another rule for the pixels. What a pixel's
# own value may say:

# %%
first = {
    "ε": attribution.Epsilon(),
    "αβ, α = 2": attribution.AlphaBeta(),
    "γ = ¼": attribution.Gamma(0.25),
    "zᴮ": attribution.ZBox(0, 1),
    "w²": attribution.WSquare(),
    "flat": attribution.Flat(),
}
maps = {
    n: attribution.lrp(cnn, three, 3, {"features.0": rule, "*": attribution.Epsilon()})
    for n, rule in first.items()
}
axes = plot.grid(
    [three[0], *(m[0] for m in maps.values())],
    signed=[False] + [True] * 6,
    columns=7,
    size=1.55,
    titles=["x", *maps],
)
plot.describe(
    axes[0],
    "A three and its relevance with six rules in the first layer: with epsilon, alpha-beta and gamma black "
    "pixels get none, with z-B, w-square and flat the surroundings of the strokes get some; w-square and "
    "flat are blurred to the size of the filters.",
)
dark = (three == 0).float()
pd.DataFrame(
    {
        n: {"share of |R| on black pixels": ((m.abs() * dark).sum() / m.abs().sum()).item()}
        for n, m in maps.items()
    }
).T.round(3)

# %% [markdown]
# **What to see.** In the first three maps a black pixel gets exactly nothing, since $x_i=0$ is a factor.
# $z^{\mathcal B}$ counts how far a pixel is from where it *could* be, and black pixels speak too. $w^2$ and
# flat do not look at the pixels at all: they say which filter fired where, in the resolution of the filters.
# (Even so black pixels get little: the relevance that comes from above lies over the strokes.)
#
# **Composites.** No rule suits all depths. Near the output few neurons carry meanings apart, and the ε-rule
# keeps them apart; near the pixels many noisy neurons meet, and γ or αβ smooth them; the pixels have their
# own. A **composite** is a table from depth or kind of layer to a rule. `attribution.layers` says which layer
# lies where; `attribution.PRESETS` holds those of the literature. (“Plus” is their name for the αβ-rule with
# α = 1, β = 0, which keeps the positive half only.)

# %%
print(*(f"{name:12} {block:7} {kind}" for name, block, kind in attribution.layers(cnn, three)), sep="\n")
mine = attribution.composite(
    cnn,
    three,
    {"first": attribution.ZBox(0, 1), "conv": attribution.Gamma(0.25), "dense": attribution.Epsilon()},
)
print("\nas a mapping:", *(f"{name}: {rule!r}" for name, rule in mine.items()), sep="\n   ")
presets = pd.DataFrame(
    [
        {
            "preset": p.name,
            "label": p.label,
            "rules": ", ".join(f"{place}: {rule}" for place, rule in p.places.items()),
            "source": p.source,
        }
        for p in attribution.PRESETS.values()
    ]
)
with pd.option_context("display.max_colwidth", None):
    display(presets)

# %%
shapes_net = zoo.load("shapes-cnn")
polygon = data.shapes(40, split="test").images[data.shapes(40, split="test").labels == 1][:1]
names = ["epsilon", "alpha2_beta1", "epsilon_plus", "epsilon_plus_flat", "epsilon_gamma_box", "lrp_cmp"]
rows = [(cnn, three), (shapes_net, polygon)]
maps = [attribution.lrp_composite(net, x, preset=name)[0] for net, x in rows for name in names]
maps = [
    m.clamp(-(top := m.abs().quantile(0.998)), top) for m in maps
]  # a few bright pixels would leave the rest pale
pictures = [p for r, (_, x) in enumerate(rows) for p in (x[0], *maps[r * len(names) : (r + 1) * len(names)])]
axes = plot.grid(
    pictures,
    signed=([False] + [True] * len(names)) * 2,
    columns=len(names) + 1,
    size=1.5,
    titles=[
        "x",
        *(
            attribution.PRESETS[n]
            .label.split(" (")[0]
            .replace(", ", ",\n")
            .replace(" every", "\nevery")
            .replace(" by", "\nby")
            for n in names
        ),
    ]
    + [None] * (1 + len(names)),
)
plot.describe(
    axes[0],
    "A three in the upper row and a picture of polygons in the lower one, each with its relevance under six "
    "composites.",
)

# %% [markdown]
# **What to see.** Six of the ten; read each row from left to right. Uniform ε is sharp and noisy; with α2β1
# in every layer red and blue alternate; the composites with $\alpha=1$ (ε-plus) or γ below are calm and lie
# on what was drawn. Flat and $z^{\mathcal B}$ in front change what the background gets.
#
# **A photograph.** The papers explain networks trained on ImageNet. Ours is torchvision's SqueezeNet, whose
# weights do not ship with the course. It sees colours normalised by channel, so that the zᴮ-rule's bounds are
# a normalised black and white, one for each channel.

# %%
if photograph("chelsea") is None:
    print(
        'no weights of squeezenet1_1 here; with a network connection zoo.imagenet("squeezenet1_1") '
        "fetches them (5 MB)"
    )

# %% [markdown]
# **Where the relevance goes.** All these maps claim to share out one score. How much of it arrives? A bar for
# each composite, averaged over twenty digits, divided by the score; the black mark is where input, biases and
# stabilisers add up to, and must stand at 1. Left the network from above, right a residual network with batch
# norms, which are merged into the convolutions before them.

# %%
twenty = digits.images[:20]
books, worst = {}, 0.0
for name in ("digits-cnn", "digits-resnet"):
    net = zoo.load(name)
    rules = {p.label.split(" (")[0]: p(net, twenty) for p in attribution.PRESETS.values()} | {
        "ε = 1 everywhere": attribution.Epsilon(1.0)
    }
    each = {label: attribution.relevance_budget(net, twenty, rules=rule) for label, rule in rules.items()}
    books[name] = pd.DataFrame({label: table.mean() for label, table in each.items()}).T
    worst = max(
        worst,
        *((t["logit"] - t[["input", "bias", "stabiliser"]].sum(axis=1)).abs().max() for t in each.values()),
    )
fig, axes = plot.subplots(1, 2, size=(11, 4.6), sharey=True)
for ax, (name, table) in zip(axes, books.items(), strict=True):
    plot.budget(table, ax=ax, title=name)
plot.describe(
    fig,
    "Stacked bars, one for each composite and network: on digits-cnn nearly all of the score reaches the "
    "input, on the residual network biases keep or add a large part; a large stabiliser keeps most of it. "
    "All bars add up to one.",
)
print(f"largest distance of an image's books from its score: {worst:.1e}")

# %% [markdown]
# **What to see.** On the plain network nearly all of the score arrives, under any composite; α2β1 hands the
# input a little more than there was, which the biases add. On the residual network biases, batch norms'
# shifts among them, keep about half: a heatmap there explains half of the score, however well it looks.
# Stabilisers of ε = 1 keep half of the score in four layers and most of it, 87 %, in ten. The composite by
# depth has the next longest bar of stabilisers there: its middle layers have ε = ¼.
#
# A denominator that is exactly 0 with ε = 0 passes nothing: 0 · (anything / 0) is taken for 0, there is no
# NaN, and what is not passed is booked as the stabiliser's. A layer that no rule covers, a softmax say,
# raises `UnsupportedLayer` with the layer's name rather than making up a heatmap:

# %%
with_softmax = torch.nn.Sequential(cnn, torch.nn.Softmax(1))
try:
    attribution.lrp(with_softmax, three, 3)
except attribution.UnsupportedLayer as error:
    print("UnsupportedLayer:", str(error)[:130], "…")

# %% [markdown]
# Layer by layer, for one digit under the uniform ε-rule: `arrives` is the relevance at a layer's output, and
# what it does not send on its bias and its stabiliser keep.

# %%
relevance, by_layer = attribution.relevance_by_layer(cnn, three, 3)
display(by_layer.drop(columns="image").round(6))
kept = by_layer[["bias", "stabiliser"]].to_numpy().sum()
print(f"logit {by_layer.arrives[0]:.6f} = pixels {relevance.sum().item():.6f} + kept on the way {kept:.6f}")

# %% [markdown]
# ## 4 · Taylor: relevance from a root point
#
# **Claim** (the paper, “Taylor-type decomposition”). There is another way to a sum: expand $f$ to first order
# around a point $x_0$,
#
# $$f(x)\approx f(x_0)+\sum_d\frac{\partial f}{\partial x_d}(x_0)\,(x_d-x_{0,d}).$$
#
# If $x_0$ is a **root**, $f(x_0)=0$, a point where the classifier cannot decide, then the terms of the sum
# are a decomposition:
#
# $$R_d=(x_d-x_{0,d})\,\frac{\partial f}{\partial x_d}(x_0),\qquad\sum_dR_d\approx f(x).$$
#
# The error is the **residuum** $f(x)-\sum_dR_d$; of two roots of one $x$ the nearer mostly leaves the smaller.
# The gradient *at $x$* is something else: it points where the score grows fastest, and has nothing to say
# about where it comes from. “Derivatives at the prediction point are not useful for achieving our aim.”
#
# **Picture** (after the slides' two). A classifier of the plane, a support vector machine with a Gaussian
# kernel, trained on blue dots ($f>0$, red ground) and green ones. Left, the gradient at a grid of points;
# right, the way from each point's nearest root to it. (Of the roots on the lines to the fifty nearest points
# of a fine grid that lie beyond the boundary, the nearest.) The dashed line is the decision boundary.

# %%
points, labels, f2 = by_hand.plane()
axis = torch.linspace(-2.2, 2.2, 12, dtype=torch.float64)
at = torch.cartesian_prod(axis, axis)
with torch.no_grad():
    at = at[f2(at)[:, 0] > 0.15]
slope = attribution.gradient(f2, at, 0)
side = torch.linspace(-3, 3, 121, dtype=torch.float64)
roots = attribution.line_root(f2, at, torch.cartesian_prod(side, side), 0, candidates=50)
angle = torch.rad2deg(torch.arccos(torch.nn.functional.cosine_similarity(slope, at - roots).clamp(-1, 1)))
shades = [plot.COLORS[1] if apart > 45 else plot.INK for apart in angle]
fig, axes = plot.subplots(1, 2, size=(9.8, 4.6), sharex=True, sharey=True)
with torch.no_grad():
    ground = f2(torch.cartesian_prod(side, side)).reshape(121, 121).T
for ax, arrows, title in zip(
    axes,
    (0.4 * slope / slope.norm(dim=1, keepdim=True), at - roots),
    ("gradient at x", "from the nearest root to x"),
    strict=True,
):
    ax.contourf(
        side, side, ground, levels=np.linspace(-2.5, 2.5, 21), cmap=plot.SIGNED, alpha=0.45, extend="both"
    )
    ax.contour(side, side, ground, levels=[0], colors=plot.INK, linestyles="--", linewidths=1.2)
    for y, colour in ((1, plot.COLORS[0]), (-1, plot.COLORS[2])):
        ax.plot(*points[labels == y].T, "o", ms=2.5, color=colour, alpha=0.7)
    tail = at if ax is axes[0] else roots
    ax.quiver(*tail.T, *arrows.T, angles="xy", scale_units="xy", scale=1, width=0.005, color=shades)
    ax.set(xlim=(-3, 3), ylim=(-3, 3), xlabel="x₁", ylabel="x₂", aspect="equal")
    ax.set_title(title, loc="left")
plot.describe(
    fig,
    "The plane with two classes and the decision boundary. Left, arrows of the gradient climb to the two "
    "clumps of blue dots. Right, arrows lead from the boundary to each point. Where the two differ by more "
    "than 45° both are orange: a few points well inside.",
)
print(
    f"angle between the two at {len(at)} points: median {angle.median():.0f}°, above 45° at "
    f"{(angle > 45).sum()}, above 90° at {(angle > 90).sum()}"
)
near = (at - roots).norm(dim=1).argsort().argsort() < len(at) / 2
print(
    f"median of the half nearer to their roots {angle[near].median():.0f}°, of the farther "
    f"{angle[~near].median():.0f}°"
)

# %% [markdown]
# **What to see.** Near the boundary the two agree well: at half of the nearer points to about five degrees
# (lines below the picture). Further in, the arrows on the left run to the nearest summit, while those on the
# right tell what separates $x$ from the other class. Where they part by more than 45° both are orange; at a
# few points the gradient points the wrong way altogether. The paper's “may be misleading” is a “may”.
#
# **Try it.** Move $x$. The bars are the two relevances; watch the residuum grow as $x$ moves away from its
# root.

# %% tags=["demo"]
demos.get("03/taylor").show()

# %% [markdown]
# **How to find a root.** The paper has two ways. *Line search:* take a point $x'$ that the classifier puts on
# the other side, $f(x)f(x')<0$; on the line $l(t)=x+t(x'-x)$ the sign changes, and halving the interval finds
# where. Each such $x'$ gives a root; take the nearest, or that of least residuum. *Local search:* go to the
# nearest root by following the gradient.
#
# ### Exercise 3.5 — a root by line search ★★☆ · 10 min · 2 points
#
# Write `line_root(f, x, other, steps)`: on the line from each `x` to its `other`, where $f$ has the opposite
# sign, a point with $f=0$, by halving the interval `steps` times. `f` takes (N, D) and returns (N,);
# `x`, `other` (N, D) → (N, D).


# %% nbgrader={"grade": false, "grade_id": "answer-3.5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def line_root(f, x, other, steps):
    """A root of f between each x and its other by interval bisection.  x, other (N, D) → (N, D)"""
    ### BEGIN SOLUTION
    low, high = torch.zeros(len(x), 1), torch.ones(len(x), 1)
    side = f(x).sign()[:, None]
    for _ in range(steps):
        middle = (low + high) / 2
        same = f(x + middle * (other - x)).sign()[:, None] == side
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    return x + high * (other - x)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-3.5", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("3.5", line_root)

# %% [markdown]
# **Digits.** With ten classes the decision function of class $t$ is $f(x)=F_t(x)-\max_{k\ne t}F_k(x)$,
# positive where the network says $t$; `attribution.Decision` makes a network of it. For four digits: the
# nearest training digit of another class, the root on the line to it, the relevance from there; then the root
# by local search, what it changed in the digit, and the relevance from there. (Every step of the local search
# is brought back into [0, 1], so that the root is a picture too.)

# %%
train = data.digits(split="train").images
chosen = torch.cat([digits.images[digits.labels == d][:1] for d in (0, 3, 4, 7)])
local_roots = attribution.nearest_root(cnn, chosen, torch.tensor([0, 3, 4, 7]), within=(0, 1))
with torch.no_grad():
    said = cnn(train).argmax(1)
panels, rows, search = [], [], answer("3.5")
for x, local, d in zip(chosen.split(1), local_roots.split(1), (0, 3, 4, 7), strict=True):
    f, beyond = attribution.Decision(cnn, d), train[said != d]
    neighbour = beyond[(beyond - x).flatten(1).norm(dim=1).argmin()][None]
    on_line = search(
        lambda rows, f=f: f(rows.view(-1, 1, 28, 28))[:, 0].detach(), x.flatten(1), neighbour.flatten(1), 30
    ).view_as(x)
    panels += [x[0], neighbour[0], on_line[0]]
    for way, root in (("line", on_line), ("local", local)):
        R = attribution.taylor(f, x, 0, root=root)
        panels += [R[0]] if way == "line" else [root[0], (x - root)[0], R[0]]
        rows.append(
            {
                "digit": d,
                "root by": way,
                "f(x)": f(x).item(),
                "f(x₀)": f(root).item(),
                "Σ R": R.sum().item(),
                "Σ negative R": R.clamp(max=0).sum().item(),
                "residuum": f(x).item() - R.sum().item(),
                "|x − x₀|": (x - root).norm().item(),
                "to the neighbour": (x - neighbour).norm().item(),
            }
        )
axes = plot.grid(
    panels,
    columns=7,
    size=1.5,
    signed=[False, False, False, True, False, True, True] * 4,
    titles=["x", "neighbour", "root on the line", "R from there", "root nearby", "x − root", "R from there"]
    + [None] * 21,
)
plot.describe(
    axes[0],
    "Four digits in rows: the digit, its nearest neighbour of another class, the root on the line between "
    "them, a blend of both, and the relevance; then the root by local search, which looks like the digit, "
    "the small difference, and the relevance from it.",
)
pd.DataFrame(rows).round(3)

# %% [markdown]
# **What to see.** The root on the line is a blend of two digits that no one would have written. The root
# nearby looks like the digit, but for faint specks beside the 3: to the eye it is the same number, though the
# network cannot decide about it. The paper warns of both: a local root is “perceptually equivalent” to $x$,
# and a straight line leads away from real digits: leaving out the digit where the line ends, the blends are
# farther from the training set than the test digits are, as the table at the end measures. The relevance from
# the line is readable, it says what makes this a zero *rather than that six*, but its residuum is large: on
# so long a way $f$ is not straight. The local root has the smaller residuum and a map with hardly a minus.
# That is no accident: at the nearest root $x-x_0$ is parallel to $\nabla f(x_0)$, but for pixels that have to
# stay at black or white, so $R_d=\lambda\,(\partial f/\partial x_d)^2$ (or 0), the squared gradient in new
# clothes, and all pixels agree with the prediction, as in section 1's counterexample. LRP needs no second
# point.
#
# One bridge between the two: with ε = 0 and the bias kept, LRP in a ReLU network is gradient × input, that
# is, the linear piece of the score that $x$ lies on, expanded at the black picture. Black is a root of that
# piece only without biases; with them the piece is there worth just what the biases keep:

# %%
exact = attribution.lrp(cnn, chosen, rules=attribution.Epsilon(0)) - attribution.gradient_x_input(cnn, chosen)
print(f"LRP with ε = 0 against gradient × input on four digits: largest difference {exact.abs().max():.0e}")
with torch.no_grad():
    dark = cnn(torch.zeros_like(three))[0, 3]
print(
    f"the three above: its linear piece at the black picture {kept:.2f}, the network itself there {dark:.2f}"
)

# %% [markdown]
# ## 5 · A bag of words, explained down to its pixels
#
# Relevance does not need a neural network. Before 2012 pictures were classified by *bags of words*: cut out
# many small windows, look each up in a vocabulary, count, and let a support vector machine judge the counts.
# Bach et al. explain such a pipeline, stage by stage, to the pixels. We build all of it and take it apart
# again.
#
# | stage | forward | backward |
# |---|---|---|
# | pixels $q$ → **local descriptors** $l_1,\dots,l_L$ | a histogram of edge directions in each window | $R^{(1)}_q$ |
# | descriptors → **bag of words** $x\in\mathbb R^V$ | $m_d(l)$: how much $l$ speaks word $d$; pooled over $l$ | $R^{(2)}_l$ |
# | bag of words → **score** | $f(x)=b+\sum_i\alpha_iy_i\,k(x_i,x)$ | $R^{(3)}_d$ |
#
# The task is the paper's: is there a polygon ($f>0$) or are there circles only ($f<0$)? Its pictures are also
# 102 × 102 pixels, though a polygon may have circles beside it there, and ours hold one kind only; ours come
# with masks of edges and corners, so that we can *measure* what the paper shows.
#
# **Forward.** Windows of 12 and of 18 pixels (the ratio of the paper's SIFT scales 2 and 3), one every 3
# pixels; for each size 128 words, found by k-means. The **rank mapping** lets a descriptor speak its four
# nearest words,
#
# $$m_d(l)=2^{-\mathrm{rk}_d(l)}\ \text{ if }\ \mathrm{rk}_d(l)\le4,\ \text{ else }0,$$
#
# where $\mathrm{rk}_d(l)=1$ for the nearest. **Soft assignment** lets it speak all of them,
# $m_d(l)=e^{-\beta|l-b_d|}/\sum_{d'}e^{-\beta|l-b_{d'}|}$ with the word's centre $b_d$. Pooling is the
# **p-mean** $x_d=\big(\frac1L\sum_l m_d(l)^p\big)^{1/p}$: the sum (up to $1/L$) for $p=1$, the maximum for
# $p=\infty$.

# %%
test = data.shapes(150, split="test")
vocabulary, train_bags, train_labels = bow.course_bags()  # 400 pictures, every mapping: some seconds
test_bags = bow.bags(vocabulary, test.images, tuple(bow.MAPPINGS), (1.0, float("inf")))
show_source(bow.rank_mapping, bow.soft_assignment, bow.pool, doc=False)

# %% [markdown]
# **Picture.** One window on its way: where it lies, what it shows, its descriptor, and the four words that it
# speaks under the rank mapping.

# %%
first = int((test.labels == 1).nonzero()[5])
corners = test.masks[first, 2].float()
tall, wide = bow.grid(corners.shape, 18)
inner = torch.nn.functional.avg_pool2d(corners[None, None, 6:, 6:], 6, bow.STRIDE)[0, 0, :tall, :wide]
at = int(inner.argmax())  # the window with the most of a corner in its middle
top, left = at // wide * bow.STRIDE, at % wide * bow.STRIDE
local = bow.descriptors(bow.integral_maps(test.images[first : first + 1]), 18)[0, at]
spoken = bow.rank_mapping(local[None], vocabulary.words[1])[0]
nearest = spoken.argsort(descending=True)[:4]


def tiles_of(words):
    """Each word of the large windows as the four training windows nearest to it, contrast stretched."""
    looks = bow_relevance.windows_of_words(vocabulary, data.shapes(200).images, 1, words)
    low, high = looks.amin((2, 3), keepdim=True), looks.amax((2, 3), keepdim=True)
    looks = torch.nn.functional.pad((looks - low) / (high - low), [1] * 4, value=1.0)
    return [torch.cat([torch.cat(list(row[:2]), 1), torch.cat(list(row[2:]), 1)], 0) for row in looks]


fig, axes = plot.subplots(1, 7, size=(12.4, 2.0))
titles = ["a picture, a window", "the window", "its descriptor", *(f"m = {spoken[w]:g}" for w in nearest)]
window = test.images[first][:, top : top + 18, left : left + 18]
for ax, shown, title in zip(
    axes, [test.images[first], window, None, *tiles_of(nearest)], titles, strict=True
):
    if shown is not None:
        plot.image(shown, ax=ax, title=title)
axes[0].plot(
    *(left + 18 * np.array([0, 1, 1, 0, 0]), top + 18 * np.array([0, 0, 1, 1, 0])), color=plot.FOR, lw=1.5
)
for cell, strengths in enumerate(local.view(9, 8).tolist()):  # a line per direction, along the edge
    for k, strength in enumerate(strengths):
        way = np.array([-np.sin(k * np.pi / 8), np.cos(k * np.pi / 8)]) * strength * 1.6
        axes[2].plot(*(np.array([[cell % 3], [cell // 3]]) + way[:, None] * [-1, 1]), color=plot.INK, lw=1.6)
axes[2].set(xlim=(-0.5, 2.5), ylim=(2.5, -0.5), aspect="equal", xticks=[0.5, 1.5], yticks=[0.5, 1.5])
axes[2].set_title(titles[2], loc="left", fontsize=10.5, pad=6)  # as the others
axes[2].tick_params(length=0, labelbottom=False, labelleft=False)
axes[2].grid(True)
plot.describe(
    fig,
    "A picture with a polygon and a square window at one of its corners; the window; its descriptor, nine "
    "cells with lines along the edges in them; and the four nearest words, each as four training windows, "
    "with one half to one sixteenth.",
)

# %% [markdown]
# **What to see.** The descriptor keeps which way the edges run in each of 3 × 3 cells, and forgets how bright
# they are. The nearest words are windows with edges in about the same places. This corner of a pentagon
# speaks first of all for words of arcs, then for a straight edge, and only last, with $\frac1{16}$, for a
# word with corners (and with an empty window, which has to lie nearest to some word): through so small a window
# a blunt corner is nearly round. (What the four words are worth to the classifier follows in a moment.)
#
# A **Fisher vector** is a third mapping: instead of counting words it asks how the parameters of a Gaussian
# mixture (weights, means, deviations) would move to fit $l$ better. Its $m_d(l)$ can be negative.
#
# **The kernel** compares two bags. With *histogram intersection* $k(x_i,x)=\sum_d\min(x_{id},x_d)$; the
# *additive χ²* is $\sum_d 2x_{id}x_d/(x_{id}+x_d)$; both are **sum-decomposable**, that is a sum of one
# kernel per dimension. The *exponential χ²*
# $\exp\big(-\frac1\sigma\sum_d\frac{(x_{id}-x_d)^2}{x_{id}+x_d}\big)$, which the paper uses for this task,
# and the *Gaussian* are not. (Both are called “χ² kernel”; only the first is a sum.)

# %%
accuracy = {}
for (mapping, p), bags in test_bags.items():
    for kernel, name in bow.KERNELS.items():
        if mapping == "fisher" and kernel not in ("linear", "gaussian"):
            continue  # histograms only: it needs numbers that are nowhere negative
        machine = bow.trained(mapping, kernel, p).machine
        right = (machine(bags) > 0) == (test.labels == 1)
        accuracy[name, f"{bow.MAPPINGS[mapping]}, p = {p:g}"] = right.double().mean().item()
pd.Series(accuracy).unstack(sort=False).style.set_uuid("bag0").format("{:.1%}", na_rep="–")

# %% [markdown]
# Every pipeline separates polygons from circles, and the worst errs on fewer than one picture in ten. Good: there
# is something to explain, and differences between explanations are hardly differences in skill.
#
# **Words.** $R^{(3)}$. The score of a bag $x$ compares it with the support vectors $x_i$, and a
# sum-decomposable kernel compares word by word:
#
# $$f(x)=b+\sum_i\alpha_iy_i\,k(x_i,x)=b+\sum_i\alpha_iy_i\sum_d k_d(x_{id},x_d).$$
#
# So the score is a sum over words $d$ in disguise. Which part of it is word $d$'s? (Of the bias let every
# word have the same share.)

# %% [markdown]
# ### Exercise 3.6 — R⁽³⁾: what each word said ★★☆ · 8 min · 2 points
#
# Write `word_relevance(x, support, coef, bias)` for the histogram-intersection kernel, $k_d(a,b)=\min(a,b)$:
# one number for each word, with $\sum_dR^{(3)}_d=f(x)$. Here `x` (V,) is the bag of words, the rows of
# `support` (S, V) are the support vectors $x_i$, `coef` (S,) holds $\alpha_iy_i$, and `bias` is $b$.


# %% nbgrader={"grade": false, "grade_id": "answer-3.6", "locked": false, "schema_version": 3, "solution": true, "task": false}
def word_relevance(x, support, coef, bias):
    """R⁽³⁾ for the histogram-intersection kernel.  x (V,), support (S, V), coef (S,) → (V,)"""
    ### BEGIN SOLUTION
    return bias / len(x) + coef @ torch.minimum(support, x)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-3.6", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("3.6", word_relevance)

# %% [markdown]
# In the paper's words (Definition 1), with the two sums turned round:
#
# $$R^{(3)}_d=\frac bV+\sum_i\alpha_iy_i\,k_d(x_{id},x_d).$$
#
# Now with your function (or ours): $R^{(3)}$ of all test pictures, one row each, and whether the rows add up
# to $f$.
#
# **What do the words say?** A word's relevance without the bias, added up over all pictures and divided by
# how often it was spoken, is what one mention of it is worth (by a window that speaks nothing else). Below,
# in thousandths of a unit of $f$, for the 18 × 18 windows: the words worth most for “polygon” and most
# against it, each as the four training windows that lie nearest to it.

# %%
model = bow.trained("rank", "intersection")
machine, bags = model.machine, test_bags["rank", 1.0]
words = answer("3.6")
R3 = torch.stack([words(x, machine.support, machine.coef, machine.bias) for x in bags])
print(
    f"largest |f − Σ R⁽³⁾| of {len(R3)} pictures: {(R3.sum(1) - machine(bags)).abs().max().item():.0e}; the "
    f"bias b is {machine.bias:.2f}"
)

large = machine.parts[1]  # the words of the 18 × 18 windows
mentions = bags.sum(0)[large] * tall * wide  # a bag is the mean over its windows
worth = 1000 * (R3 - machine.bias / R3.shape[1]).sum(0)[large] / mentions.clamp_min(1e-9)
order = worth.argsort(descending=True)
chosen = torch.cat([order[:4], order[-4:]])
axes = plot.grid(
    tiles_of(chosen), [f"{v:+.0f}".replace("-", "−") for v in worth[chosen].tolist()], columns=8, size=1.25
)
plot.describe(
    axes[0],
    "Eight words, each as four windows of 18 by 18 pixels from training pictures. The four worth most for "
    "polygon show mostly straight pieces and corners, the four worth most against it arcs.",
)
said = worth[nearest].tolist()
print(
    f"the four words of the window above: {', '.join(f'{v:+.0f}' for v in said)}; with the shares in which it "
    f"speaks them {(worth[nearest] * spoken[nearest]).sum():+.1f}"
)

# %% [markdown]
# Straight pieces and corners for, arcs against: mostly the classifier has learned what we hoped. But look at
# the fourth word for “polygon”: it shows arcs. A word is a cell of a partition, not a concept, and what
# windows of blunt corners and of arcs fall into one cell, the machine cannot tell apart; on the whole this
# cell came with polygons. And the corner above speaks *for* “polygon” (line below the picture), although the
# word of arcs that it speaks loudest is worth less than nothing: its other three make up for that.
#
# **Kernels that are no sum.** A kernel that is differentiable can be taken at a root point $x_0$, $f(x_0)=0$,
# found by line search towards the other class as in section 4 (Definition 2):
#
# $$R^{(3)}_d=(x-x_0)_d\,\frac{\partial f}{\partial x_d}(x_0),\qquad\sum_d R^{(3)}_d\approx f(x).$$
#
# Asking for the exact rule is an error that says so. How good is “≈”?

# %%
try:
    bow_relevance.exact_relevance(bow.trained("rank", "gaussian").machine, bags[0])
except ValueError as error:
    print("ValueError:", error, "\n")

rows = {}
for kernel in ("intersection", "chi2", "exp_chi2", "gaussian"):
    model_k = bow.trained("rank", kernel)
    found = [bow_relevance.explain(model_k, image) for image in test.images[:20]]
    f = np.array([e.score for e in found])
    sums = np.array([list(e.sums().values())[1:] for e in found])  # Σ R³, Σ R², Σ R¹
    rows[bow.KERNELS[kernel]] = [
        "exact" if kernel in bow.SUM_DECOMPOSABLE else "Taylor",
        np.median(np.abs(sums[:, 0] - f) / np.abs(f)),
        np.abs(sums[:, 0] - f).max(),
        np.abs(sums - sums[:, :1]).max(),
    ]
pd.DataFrame.from_dict(
    rows,
    orient="index",
    columns=[
        "R⁽³⁾",
        "median |f − Σ R⁽³⁾| / |f|",
        "largest |f − Σ R⁽³⁾|",
        "largest difference of Σ R⁽³⁾, Σ R⁽²⁾, Σ R⁽¹⁾",
    ],
).style.set_uuid("bag2").format(
    "{:.1e}",
    subset=pd.IndexSlice[
        :,
        ["median |f − Σ R⁽³⁾| / |f|", "largest |f − Σ R⁽³⁾|", "largest difference of Σ R⁽³⁾, Σ R⁽²⁾, Σ R⁽¹⁾"],
    ],
)

# %% [markdown]
# The sum-decomposable kernels are exact to rounding. Taylor leaves a residual that is small in the median and
# can be large for a single picture: always print it beside the heatmap. What $R^{(3)}$ holds, be it exact or
# not, the stages below hand on without loss (last column).
#
# **Descriptors.** $R^{(2)}$. A word's relevance goes to the descriptors that spoke it, in proportion to what
# each put into the pool: $m_d(l)^p$ of $\sum_{l'}m_d(l')^p$. For some words that sum is 0, mostly because
# nobody spoke them: $Z(x)=\{d:\sum_l m_d(l)^p=0\}$. They have relevance nonetheless (the bias's share, at
# least), and all $L$ descriptors get an equal part of it.

# %% [markdown]
# ### Exercise 3.7 — R⁽²⁾: who said the word ★★☆ · 12 min · 3 points
#
# Write `descriptor_relevance(R, m, p)` from $R^{(3)}$ `R` (V,), the mapping `m` (L, V) and the pooling's finite
# $p$ → (L,). What arrives must add up to what was sent. For $p=1$ the mapping may be negative (a Fisher vector's
# is): then a sum may be negative too, and it may be 0 because terms cancel.


# %% nbgrader={"grade": false, "grade_id": "answer-3.7", "locked": false, "schema_version": 3, "solution": true, "task": false}
def descriptor_relevance(R, m, p):
    """R⁽²⁾ for p-means pooling.  R (V,), m (L, V) → (L,)"""
    ### BEGIN SOLUTION
    power = m**p
    total = power.sum(0)
    share = power / torch.where(total == 0, 1.0, total)
    share[:, total == 0] = 1 / len(m)  # Z(x)
    return share @ R
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-3.7", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("3.7", descriptor_relevance)

# %% [markdown]
# As one formula (Definition 4):
#
# $$R^{(2)}_l=\sum_{d\notin Z(x)}R^{(3)}_d\,\frac{m_d(l)^p}{\sum_{l'}m_d(l')^p}+\sum_{d\in Z(x)}\frac{R^{(3)}_d}{L}.$$
#
# **Pixels.** $R^{(1)}$. A descriptor hands its relevance in equal parts to the pixels that it covers,
# $R^{(1)}_q=\sum_{l:\,q\in\mathrm{area}(l)}R^{(2)}_l/|\mathrm{area}(l)|$. For a sharper picture one may paint
# only the central 6 × 6 pixels of each window; the sum is the same. As a control, a **shifted** map: the
# $R^{(2)}$ stay side by side as they are, but all are moved round the picture by a random way (what leaves on
# the right enters on the left), so that sum, sizes and smoothness stay and only the *where* is wrong.

# %%
share = answer("3.7")
pictures = [
    int((test.labels == 1).nonzero()[3]),
    int((test.labels == 1).nonzero()[5]),
    int((test.labels == 0).nonzero()[0]),
]
shown, titles, table = [], [], {}
for i in pictures:
    image = test.images[i]
    whole = bow_relevance.explain(model, image, share=share)
    centre = bow_relevance.explain(model, image, paint=6, share=share).pixels
    shifted = bow_relevance.explain(model, image, paint=6, share=share, shift=0).pixels
    table[f"test picture {i}: {test.classes[test.labels[i]]}"] = whole.sums() | {"bias b": whole.bias}
    shown += [image, whole.pixels, centre, shifted]
    titles += [f"f = {whole.score:+.2f}".replace("-", "−"), "whole windows", "central 6 × 6", "shifted"]
axes = plot.grid(shown, titles, columns=4, signed=[False, True, True, True] * 3, size=1.9)
plot.describe(
    axes[0],
    "Two pictures of polygons and one of circles, each with its relevance painted over whole windows, over "
    "their centres, and with the map shifted. Red, for polygon, gathers at sharp corners; blue runs along "
    "the circles.",
)
pd.DataFrame(table).T.style.set_uuid("bag1").format("{:.6f}")

# %% [markdown]
# **What to see.** The quadrilateral is red all along, deepest at its corners. In the second picture ($f=+3$
# and more) the triangle pays for the score, while the hexagon is partly *blue*: inside, along its edge and at
# one corner; at its other corners it is not. Evidence against is there also where the answer is a clear yes.
# The circles are blue along their edges; the pale red ground is the share of a positive bias $b$ (last
# column), which no shape has earned.
#
# **Does the explanation sit on edges and corners?** The paper shows heatmaps in which polygons light up and
# says that corners and straight edges carry the evidence. We measure it in every polygon of 150 test
# pictures: the mean relevance of its *corners* (pixels of the edge within 4 pixels of a corner), of its
# *straight edges* (the rest of the edge), and, for comparison, of the edges of circles. The areas are the
# whole windows of the formula.

# %%
rows = bow_relevance.located()
by_sides = rows.groupby("sides")[["corner", "straight", "inside"]].mean() * 1e4
circle, sides = by_sides.loc[0, "straight"], by_sides.index[1:]


def on_corners(rows):
    """Share of polygons, by their sides, whose corners are positive and above their straight edges."""
    rows = rows[rows["sides"] > 0]
    return ((rows["corner"] > 0) & (rows["corner"] > rows["straight"])).groupby(rows["sides"]).mean()


fig, (left, right) = plot.subplots(1, 2, size=(11.4, 3.4))
plot.curves(
    {
        "corners": by_sides["corner"][1:],
        "straight edges": by_sides["straight"][1:],
        "circles' edge": np.full(len(sides), circle),
    },
    x=sides,
    ax=left,
    xlabel="sides of the polygon",
    ylabel="mean R⁽¹⁾ per pixel, in 10⁻⁴",
    title="rank mapping, p = 1",
)
left.axhline(0, color=plot.MUTED, lw=0.8)
shares = {
    "rank mapping, p = 1": on_corners(rows),
    "rank mapping, p = ∞": on_corners(bow_relevance.located(p=float("inf"), label=1)),
    "soft assignment, p = 1": on_corners(bow_relevance.located(mapping="soft", label=1)),
    "rank mapping, shifted": on_corners(bow_relevance.located(shift=0, label=1)),
}
plot.curves(
    shares,
    x=sides,
    ax=right,
    xlabel="sides of the polygon",
    ylabel="share of polygons",
    title="corners above 0 and above straight edges",
)
right.set_ylim(0, 1.05)
right.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
plot.describe(
    fig,
    "Left: relevance of corners and of straight edges falls with the number of sides, corners stay above; "
    "for eight sides both are near zero or below, towards the circles' negative edge. Right: with rank "
    "mapping nearly all polygons of up to six sides have corners above straight edges, few of seven or "
    "eight; with soft assignment few at all; shifted, about half.",
)

soft = bow_relevance.located(mapping="soft", label=1)
soft = soft[soft["sides"] <= 6][["corner", "straight"]].mean() * 1e4
sharp, blunt = (rows[rows["sides"].isin(k)] for k in ((3, 4, 5, 6), (7, 8)))
for name, part in (("3 to 6 sides", sharp), ("7 and 8 sides", blunt)):
    good = (part["corner"] > 0) & (part["corner"] > part["straight"])
    print(
        f"{name}: {len(part)} polygons; corners positive and above straight edges in {good.mean():.0%}; "
        f"straight edges negative in {(part['straight'] < 0).mean():.0%}"
    )
print(
    f"soft assignment, 3 to 6 sides, in 10⁻⁴ per pixel: corners {soft['corner']:.1f}, straight edges "
    f"{soft['straight']:.1f}"
)

# %% [markdown]
# **What to see.** Left: relevance knows geometry. The sharper the corner, the more it speaks for “polygon”.
# With seven or eight sides a corner turns so little that through a window of 12 or 18 pixels it looks like a
# piece of a circle, and circles' edges speak clearly against. So the paper's picture holds for sharp corners
# and fails for blunt ones. Straight edges of sharp polygons speak for “polygon” too, less than their corners;
# those of blunt ones mostly speak against.
#
# Right: the same pictures, the same words, another *mapping*. With soft assignment the machine is at least as
# accurate (table above), yet its straight edges carry as much evidence as its corners, even a little more
# (last line). Neither map is wrong: each conserves $f$, and each reports what *its* pipeline uses. “Polygons
# are recognised by their corners” is a statement about one pipeline, not about polygons.
#
# **Were the windows too large?** An octagon of this size has edges of 8 to 17 pixels: a window of 18 pixels
# holds two of its corners, and an arc turns in it by about as much as a corner does. If that is why blunt
# corners failed, smaller windows should mend it, for in them an arc turns by less, and a corner by as much as
# ever. They are also harder to tell apart, and need more words. So we train the same pipeline once more, with
# windows of 6 and 9 pixels and 512 words of each size; $p=2$ lets the windows that speak a word clearly carry
# more of it. (So many words take k-means half a minute; they ship as “shapes-words”.) The fourth row paints
# each window's relevance on its central cell, a ninth of it, so that what a corner earned is not smeared over
# its edges. These settings were chosen on the same test pictures; the fifth row has the polygons of 150
# others. The lines below are from a longer run, `xaikit run 03 --full`: five vocabularies, each learned from
# other windows of the training pictures.

# %%
small = zoo.load("shapes-words").vocabulary()
fine = bow_relevance.finer(small)  # some seconds
print(f"{len(fine.machine.coef)} support vectors; the bias b is {fine.machine.bias:.2f}")

# %%
right = ((fine(test.images) > 0) == (test.labels == 1)).double().mean().item()
one = bow_relevance.explain(fine, test.images[first], paint="cell")
print(
    f"accuracy {right:.1%}; largest |f − Σ R| of one picture: "
    f"{max(abs(total - one.score) for total in one.sums().values()):.0e}"
)
measured = {
    "12 and 18 pixels, 128 words, p = 1": rows[rows["sides"] > 0],
    "6 and 9 pixels, 512 words, p = 2": bow_relevance.located_finer(small, paint=None),
    "the same, shifted, on central cells": bow_relevance.located_finer(small, shift=0),
    "the same, on central cells": bow_relevance.located_finer(small),
    "the same, other pictures": bow_relevance.located_finer(small, seed=1),
}
shares = {
    name: {
        label: ((part["corner"] > 0) & (part["corner"] > part["straight"])).mean()
        for label, least, most in (("3 to 6", 3, 6), ("7", 7, 7), ("8", 8, 8), ("all", 3, 8))
        for part in [found[found["sides"].between(least, most)]]
    }
    | {"polygons": len(found)}
    for name, found in measured.items()
}
display(
    pd.DataFrame(shares)
    .T.rename_axis(columns="sides")
    .style.set_uuid("bag4")
    .format("{:.0%}", subset=["3 to 6", "7", "8", "all"])
    .format("{:.0f}", subset=["polygons"])
)
redrawn = studies.table("03/words").eval("good = share * polygons")
for name, part in (("3 to 8 sides", redrawn), ("8 sides", redrawn.query("sides == 8"))):
    sums = part.groupby(["draw", "pictures"])[["good", "polygons"]].sum()
    share = sums["good"] / sums["polygons"]
    print(f"five vocabularies, {name}: {share.mean():.0%} ({share.min():.0%} … {share.max():.0%})")

# %% [markdown]
# **What to see.** Each row: the share of polygons whose corners are positive and above their straight edges.
# With small windows and many words it holds for nearly all polygons, where the maps are painted on central
# cells for at least 95 in 100, with each of the five vocabularies, and octagons are the ones that are left.
# So the paper's picture can be had; blunt corners were not beyond a bag of words, they were beyond *these* words. Mind the order of things: we
# knew from masks where the corners are, and changed the pipeline until its maps sat there. An explanation
# that does not look as expected may report a classifier that does not see as expected.
#
# Two cautions. The bias is part of every map: $b$ is shared as $b/V$ among words, and a word that few
# descriptors speak gives each of them much, so that where $b>0$ even meaningless windows are rarely below
# zero (the shifted curve shows what a map gets that is right but for the place). And with a Fisher vector the
# shares $m_d(l)/\sum_{l'}m_d(l')$ have both signs; where the sum nearly cancels, single descriptors get huge
# relevance of both signs, while the total still holds:

# %%
rows = {}
for mapping, kernel in (("rank", "intersection"), ("soft", "intersection"), ("fisher", "linear")):
    found = [bow_relevance.explain(bow.trained(mapping, kernel), image) for image in test.images[:25]]
    size = [float(sum(R.abs().sum() for R in e.descriptors)) for e in found]
    gap = max(abs(s - e.score) for e in found for s in e.sums().values())
    rows[f"{bow.MAPPINGS[mapping]}, {bow.KERNELS[kernel]}"] = [np.median(size), max(size), gap]
pd.DataFrame.from_dict(
    rows, orient="index", columns=["median Σ |R⁽²⁾|", "largest Σ |R⁽²⁾|", "largest |f − Σ R|"]
).style.set_uuid("bag3").format(
    {"median Σ |R⁽²⁾|": "{:.1f}", "largest Σ |R⁽²⁾|": "{:.1f}", "largest |f − Σ R|": "{:.0e}"}
)

# %% [markdown]
# **Try it.** Change mapping, kernel and pooling on the same picture, and watch which sums agree and where the
# three strongest windows go. What does the octagon's score rest on? And what changes for the triangle from
# rank mapping to soft assignment?

# %% tags=["demo"]
demos.get("03/bow").show()

# %% [markdown]
# ## 6 · Digits: for and against
#
# **Claim** (the paper, experiments on handwritten digits). A heatmap can be asked about *any* class, not only
# about the winner: what in this 4 speaks for a 9, and what against it? The answer should be a stroke that is
# missing, or one that is too much.
#
# **Formula.** The relevance starts at the logit of the class $k$ that is asked about, $R^{(k)}_p$ at pixel
# $p$, with $\sum_p R^{(k)}_p\approx F_k(x)$. Which rule? With the rule of the slides,
# $R_{i\leftarrow j}=\frac{z_{ij}}{z_j}R_j$, a black pixel of our digits contributes $z_{ij}=0\cdot w_{ij}$
# and can never say anything. But “there is no stroke here” is just the evidence in question. So we take a
# composite of rules (section 3): z$^{\mathcal B}$ at the pixels, where a black pixel is compared with a white
# one, the γ-rule in the convolutions above, and the ε-rule on top.

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
    [row_of(n) for n in range(16)],
    columns=["digit", *range(10)],
    framed=[(n, 1 + winner[n]) for n in range(16)],
    size=0.8,
)
plot.describe(
    ax,
    "Sixteen handwritten digits, each with ten maps of evidence, one per class; the predicted class is "
    "framed. Framed maps are mostly red, the others mostly blue.",
)
print(f"right: {right[some].sum()} of 16")

# %% [markdown]
# **What to see.** Each row is one digit, on one scale. The framed map, the predicted class, is mostly red.
# The other nine are not its negatives: each is blue in places of its own, where *that* class wants ink and
# there is none, or the other way round.
#
# **4 against 9, 3 against 8.** The paper's two pairs. The last of four is the difference of the two maps: the
# evidence for the one *rather than* the other.


# %%
def pair(digit, other, which=0):
    """A digit, its evidence for its own class and for the other, the difference: pictures and titles."""
    x = digits.images[(digits.labels == digit) & right][which : which + 1]
    own, rival = evidence(x, digit)[0], evidence(x, other)[0]
    titles = [
        f"a{'n' * (digit == 8)} {digit}",
        f"for {digit}",
        f"for {other}",
        f"{digit} rather than {other}",
    ]
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
    "A 4 and a 3, below them a 9 and an 8; beside each the evidence for its own class, for the other class, "
    "and the difference. In the 4 the end of its right arm is blue for a 9, in the 3 the open end of its "
    "bottom stroke for an 8.",
)
for (x, _, rival, _), titles in pairs:
    against = rival.clamp(max=0)
    print(
        f"{titles[0]}, {titles[2]}: {against[x[0] < 0.1].sum() / against.sum():.0%} of what speaks against "
        "lies on black pixels"
    )

# %% [markdown]
# **What to see.** In the 3, the deepest blue of “for 8” lies on its bottom stroke, which ends in the open: an
# 8's would turn up and close the loop. In the 4 the end of the right arm speaks against a 9, whose loop would
# have gone on upwards. So the missing stroke is charged mostly to the ink beside it. Black pixels speak as
# well, but as the lines above say only with a small part of what speaks against.
#
# **Does the map know more than where a class writes?** The paper compares $R^{(k)}$ with the **class density
# ratio**: of all the ink that the training digits $N$ have at pixel $p$, the share that comes from class $k$,
#
# $$d_k(p)=\frac{\sum_{N\in\text{digits}(k)}N(p)}{\sum_{l=0}^{9}\sum_{N\in\text{digits}(l)}N(p)} .$$
#
# It knows the class, and neither the digit at hand nor the network. (Where nobody writes it is 0/0; we leave
# out pixels with less than 2 % of the ink of the blackest one.)

# %%
density = evaluate.ink_density(train.images, train.labels)  # (10, 28, 28)
pictures, titles = [], []
for label, asked in ((4, 4), (4, 9), (3, 3), (3, 8)):
    x = digits.images[digits.labels == label][1:2]
    R = evidence(x, asked)
    r = evaluate.density_correlation(R, density[asked]).item()
    pictures += [x[0], (density[asked] - 0.1).nan_to_num(), R[0]]
    titles += [
        f"a {label}",
        f"d{'₀₁₂₃₄₅₆₇₈₉'[asked]} − 1/10",
        f"for {asked}, r = {round(r, 2) + 0.0:.2f}".replace("-", "−"),
    ]
axes = plot.grid(pictures, titles=titles, columns=6, signed=[False, True, True] * 4)
plot.describe(
    axes[0],
    "Four groups of a digit, the ink density of a class less a tenth, and the evidence for that class, with "
    "their correlation r in the title.",
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
    "LRP α2β1": correlations(attribution.lrp_alpha_beta),
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
# **What to see.** For the digit's own class the maps go with the density more often than not, and more than
# for other classes; but the correlation is far from 1. It could not be: $d_k$ is the same for every 4, and a
# map is about *this* 4. A correlation of 1 would have meant a map that never looked at the digit.
#
# **Try it.** Any digit, any class, any method.

# %% tags=["demo"]
demos.get("03/digits").show()

# %% [markdown]
# ## 7 · Pixel flipping
#
# **Claim** (the paper, same experiments). If the map is right about what counts, then changing the pixels
# that it ranks highest must bring the class's score down quickly; changing those near zero must do little;
# and changing the lowest, which speak *against* a class, must bring its score up.
#
# **Formula.** Let $x^{(0)}=x$, and let $x^{(k)}$ be $x$ with the first $k$ pixels of the order replaced;
# **flipping** is $x_i\to1-x_i$. The **area over the perturbation curve** (Samek et al. 2017) is the mean loss
# along the way,
#
# $$\mathrm{AOPC}=\frac1{L+1}\sum_{k=0}^{L}\Big(f\big(x^{(0)}\big)-f\big(x^{(k)}\big)\Big),$$
#
# here with $f$ the softmax probability of the digit's class. All $L+1$ pictures of an image go through the
# network as one batch.

# %%
show_source(evaluate.flip_curves)

# %%
few = digits.take(right.nonzero()[:16, 0])
words = {
    "highest": "highest first",
    "random": "random",
    "near_zero": "near zero first",
    "lowest": "lowest first",
}
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
    "Left and middle, upper row: the probability of the digit's class falls fastest when the pixels of "
    "highest relevance go first. Left it stays longest when the lowest go first, and near zero first falls "
    "at once; in the middle near zero and random order hardly lower it, and lowest first does a little. "
    "Lower row: the best wrong class rises accordingly. Right: flipping the lowest pixels of the map for 8 "
    "in threes, and for 9 in fours, raises these classes' logits, more than a random order does.",
)
early = {
    title: {word: orders.score[replace, o][2] for o, word in words.items()}
    for replace, title in (("flip", "1 − x"), ("mean", "mean"))
}
print(f"probability of the digit's class after {orders.flips['flip', 'highest'][2]} pixels:")
pd.DataFrame(early).round(2)

# %% [markdown]
# **What to see.** Left, LRP with the slides' rule. Highest first brings the class down farthest, and lowest
# first keeps it longest: so far as in the paper. *Near zero* first should do little. Under $1-x$ it does
# much: after twelve pixels it has brought the class down even farther than highest first (table); then it
# stays below the random order, and from sixty on does as much. The pixels near zero are the black ground;
# white specks on it are like nothing in the training set, and the network loses the class to *them*, not to
# missing evidence. With the image's mean instead (middle) they hardly matter, as they should; but there
# *lowest* first lowers the class a little: its probability is near 1 and cannot rise, and what goes is ink.
# This is flipping's weak spot: it measures a map and a replacement together. Right, the paper's experiment
# with negative evidence: take 3s, ask for the evidence for 8, flip what is most *negative*, and the logit of
# 8 climbs; so it does for 4s and 9, where a random order climbs as well, but less.

# %% [markdown]
# ### Exercise 3.8 — a flipping curve and its area ★★☆ · 8 min · 2 points
#
# Write `flipping_curve(f, x, relevance)`: the scores $f(x^{(0)}),\dots,f(x^{(D)})$ while all $D$ pixels of
# `x` are flipped one after the other, $x_i\to1-x_i$, highest relevance first; and the area over this curve,
# with $L=D$. `x` and `relevance` are (D,), `f` maps (N, D) to (N,).


# %% nbgrader={"grade": false, "grade_id": "answer-3.8", "locked": false, "schema_version": 3, "solution": true, "task": false}
def flipping_curve(f, x, relevance):
    """Scores while x (D,) is flipped, highest relevance first, and the area over them.  → (D + 1,), number"""
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
# Your function on a real digit, all 784 pixels. Whatever the map, every curve ends at the same point, the
# digit's negative; only the way there differs.

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
    "The probability of one digit's class against the number of flipped pixels, up to all of them, in the "
    "order of LRP and of an edge map; LRP's falls much earlier.",
)

# %% [markdown]
# **Every method.** The same for every method, and for two controls that know nothing of the network: a random
# map (the mean of five), and the picture's own edges by a Sobel filter. And since flipping is only one way to
# take a pixel away, with three replacements: $1-x$, black, and a blurred copy. From here on,
# *LRP α2β1* has α = 2 and β = −1 in every layer, and *LRP ε-plus* is another composite than section 6's: ε on
# top, α = 1 below. (The demos and the table at the end call the first “LRP αβ”; the demo of digits has
# section 6's composite as “LRP composite”. Path gradients along a straight line *are* integrated gradients,
# and left out. Methods that need many passes run with few.)

# %%
judged = dict.fromkeys(["gradient", "smoothgrad", "gradient_x_input", "integrated_gradients", "deep_lift"])
judged |= {"lrp_epsilon": None, "LRP α2β1": attribution.lrp_alpha_beta, "LRP ε-plus": attribution.lrp_composite}
judged |= dict.fromkeys(["guided_backprop", "deconvnet", "cam", "grad_cam", "occlusion", "random", "sobel"])
quick = {
    "smoothgrad": {"samples": 8},
    "integrated_gradients": {"steps": 8},
    "occlusion": {"window": 7, "stride": 4},
}
ways = {"flip": "1 − x", "zero": "black", "blurred": "blurred"}
more = digits.take(right.nonzero()[:48, 0])
settings = {"replace": list(ways), "steps": 6, "share": 0.1, "draws": 5, "options": quick}
flips = evaluate.pixel_flipping(cnn, more.images, more.labels, judged, order="highest", **settings)
controls = [label for label, _ in evaluate.CONTROLS.values()]
of = {way: flips[flips["replace"] == way].set_index("label") for way in ways}
order = of["flip"].index
fig, panels = plot.subplots(1, 2, size=(11, 4.6), sharey=True)
for ax, way in zip(panels, ("flip", "zero"), strict=True):
    plot.intervals(
        of[way].gain,
        of[way].gain_low,
        of[way].gain_high,
        order,
        ax=ax,
        muted=controls,
        chance=0,
        xlabel="area less the random map's",
        title=f"x → {ways[way]}: mean and 95 % interval, {len(more)} digits",
    )
plot.describe(
    fig,
    "Each method's area over the flipping curve less the random map's, with the interval of this paired "
    "difference. Left, where pixels become one minus x, six methods lie right of zero, among them integrated "
    "gradients and LRP epsilon; four intervals hold zero; the rest lies left, the edges farthest. On the right, "
    "where pixels become black, all methods lie right of zero.",
)
area = pd.DataFrame({word: of[way].area for way, word in ways.items()})
table = pd.concat(
    {"area": area.round(2), "rank": area.rank(ascending=False, method="min").astype(int)}, axis=1
)
table["1 − x", "tied with the first"] = of["flip"].tied.astype(bool)
table

# %%
for way, word in ways.items():
    low, high = of[way].gain_low.drop("Random map"), of[way].gain_high.drop("Random map")
    for said, group in (("not told from", (low <= 0) & (high >= 0)), ("below", high < 0)):
        print(f"{word}, {said} the random map: {', '.join(group.index[group]) or 'none'}")
print("\nrank correlation of the methods' order, controls left out, between two replacements:")
area.drop(controls).corr("spearman").round(2)

# %% [markdown]
# **What to see.** A line is the interval of a method's difference to the random map on the same digits:
# whoever does not pass 0 has shown nothing. Under $1-x$ the random map does well, since most of the picture
# is black ground, and white specks scattered over it are strange wherever they fall. Told above it are
# integrated gradients, gradient × input, LRP-ε and DeepLIFT, nearly the same map here, SmoothGrad and
# occlusion. The plain gradient, its sign kept, α2β1, CAM and Grad-CAM are not told from it on these digits.
# Guided backprop (barely), the deconvnet and ε-plus come *below* it: their maps are smooth and put the first
# flips side by side; scattered ones seem to hurt this network more. The edge map is worst: at an edge the ink
# is half grey, and flipping grey gives grey. With black, the random map wastes its flips on pixels that are
# black already, and every method passes it.
#
# On top there is no winner but a leading group: “tied” marks the methods whose *paired* difference to the first
# cannot be told from 0. The order of the methods is much alike under the three replacements, least so between
# $1-x$ and the blurred copy (correlations); the random map's place is not.
#
# **What this ranking does not prove.** It proves that the pixels a map puts first move *this* network when
# they are replaced in *this* way. The pictures on the way were never seen in training, so a score may fall
# because the picture became strange, not because evidence went; the random map under $1-x$ shows it. And
# methods that hide or change pixels themselves, like occlusion, are judged in their own coin.
#
# A map can even be made for the test. To first order a flip changes the logit $F$ of the digit's class by
# $(1-2x_d)\,\partial F/\partial x_d$; an **attack** map orders the pixels by how much that takes away. Beside it
# the gradient with its sign, as above, and without:


# %%
def attack(model, x, target):
    """R_d = −(1 − 2 x_d) ∂F/∂x_d: what the logit loses to first order if pixel d is flipped."""
    return -attribution.gradient(model, x, target) * (1 - 2 * x)


made = {
    "attack": attack,
    "gradient": None,
    "|gradient|": lambda *asked: attribution.gradient(*asked).abs(),
    "random": None,
}
settings |= {"replace": "flip", "options": None}
made = evaluate.pixel_flipping(cnn, more.images, more.labels, made, order="highest", **settings)
columns = {"area": "area", "gain": "less the random map's", "gain_low": "from", "gain_high": "to"}
made.set_index("label")[list(columns)].rename(columns=columns).round(2)

# %% [markdown]
# **What to see.** The attack map leaves every map of the table above far behind, and explains nothing to
# anybody: half of the pixels that it ranks first are ground, no fewer than in a random map. It says what
# fools the network. The gradient's sign counts as well. A positive derivative puts a black pixel early,
# although to first order its flip *raises* the logit; $|\partial F/\partial x_d|$, which Samek et al. take as
# sensitivity, is just told from the random map, the signed one just not.
#
# **Deletion and insertion** (Petsiuk, Das, Saenko 2018, *RISE*) go all the way to the blurred picture: the
# mean probability while pixels are removed highest first (small is good), and while they are put back highest
# first (large is good). No new code: putting back highest first is removing *lowest* first, read from the
# end.

# %%
compared = ["gradient", "integrated_gradients", "lrp_epsilon", "LRP ε-plus", "grad_cam", "random", "sobel"]
both = evaluate.pixel_flipping(
    cnn,
    few.images[:8],
    few.labels[:8],
    {m: judged[m] for m in compared},
    order=["highest", "lowest"],
    replace="blurred",
    share=1.0,
    steps=14,
    options={"integrated_gradients": {"steps": 8}},
)
both = both.pivot(index="label", columns="order", values=["under", "tied"]).loc[both.label.unique()]
pd.DataFrame(
    {
        "deletion ↓": both["under", "highest"].astype(float).round(2),
        "tied with the best": both["tied", "highest"].astype(bool),
        "insertion ↑": both["under", "lowest"].astype(float).round(2),
        "tied with the best ": both["tied", "lowest"].astype(bool),
    }
)

# %% [markdown]
# **What to see.** Another question, another order: ε-plus, below the random map a moment ago, has the best mean
# at insertion. But look for the controls. At deletion the edge map, which never saw the network, is “tied” with
# the best while the gradient is not; at insertion the edge map and even the random map come before Grad-CAM and
# the gradient, since the blurred digit is already most of the digit, and any pixels that are put back help.
# With eight digits this test decides next to nothing.
#
# **Try it.** Move the number of pixels; change the order, the method and the replacement.

# %% tags=["demo"]
demos.get("03/flipping").show()

# %% [markdown]
# ## 8 · Not an edge detector
#
# **Claim** (the paper, last experiment). The decomposition is different from an edge or texture detector.
#
# The suspicion is natural, since many heatmaps look like outlines. Adebayo et al. 2018 made it a test: draw
# the network's weights anew, from the top layer down, and see whether the map notices. A map that stays as it
# was did not explain the network; an edge detector never notices.
#
# **Picture.** A scene that `scenes-cnn` calls by its house. Mountains, clouds and horizon have strong edges
# and say nothing about the label.

# %%
viewer, scenes = zoo.load("scenes-cnn"), data.scenes(40)
busy = scenes.factors.query("mountains == 2 and clouds >= 1 and house and trees == 0").index[0]
x, label = scenes.images[busy : busy + 1], scenes.labels[busy].item()
top_down = ["head", "features.12", "features.9", "features.6", "features.3", "features.0"]
shown = {
    "picture": x[0],
    "Sobel edges": evaluate.sobel(viewer, x)[0],
    "LRP α2β1": attribution.lrp_alpha_beta(viewer, x, label)[0],
}
for n in (1, 3, 6):
    shown[f"{n} of 6 layers random"] = attribution.lrp_alpha_beta(
        evaluate.randomised(viewer, top_down[:n]), x, label
    )[0]
axes = plot.grid(shown.values(), titles=shown, columns=6, size=1.9, signed=[False] + [True] * 5)
plot.describe(
    axes[0],
    "A scene with a house, mountains and a cloud; its Sobel edges, which are everywhere; its LRP map, which "
    "is on house and path; LRP maps after one and three layers were drawn anew, in the same place with "
    "another sign; and after all six, scattered.",
)

# %% [markdown]
# **What to see.** The edge map outlines everything alike; LRP keeps to house and path and leaves mountains
# and clouds out: no edge detector. But look at the half-random networks. With this new top layer the map
# turns from red to blue and stays where it was; only when all layers are random is it gone. Blue is no law:
# it is the sign of the new logit (mostly negative, since the new weights keep the old ones' mean). With other
# random top layers:

# %%
told, new = shown["LRP α2β1"].sum(0)[None], {}
for seed in range(8):
    other = evaluate.randomised(viewer, ["head"], seed=seed)
    R = attribution.lrp_alpha_beta(other, x, label).sum(1)
    with torch.no_grad():
        logit = other(x)[0, label].item()
    new[f"seed {seed}"] = {"new logit": logit, "rank correlation": evaluate.rank_correlation(told, R).item()}
pd.DataFrame(new).round(2)

# %% [markdown]
#
# **Every method, layer by layer.** Similarity to the untouched network's map after 0, 1, 2, … layers from the
# top are random: the rank correlation of $|R|$, which is what the eye sees, and of $R$ with its sign. The
# table adds **SSIM**, structural similarity (Wang et al. 2004), which compares mean, spread and correlation
# of two pictures in windows of 7 × 7 pixels and is 1 if they are the same; here of $|R|$ divided by its
# largest value, so that the strong pixels decide.

# %%
four = scenes.take((scenes.labels > 0).nonzero()[:4, 0])
brief = {
    "smoothgrad": {"samples": 4},
    "integrated_gradients": {"steps": 4},
    "occlusion": {"window": 22, "stride": 21},
}
checked = evaluate.sanity(viewer, four.images, judged, labels=four.labels, options=brief)
layers = checked.drop_duplicates("depth").layer
fig, panels = plot.subplots(1, 2, size=(11.6, 3.8), sharey=True)
drawn = ["Gradient", "LRP ε", "LRP α2β1", "LRP ε-plus", "Guided backprop", "Sobel edges", "Random map"]
for ax, column, title in zip(panels, ("absolute", "signed"), ("|R|", "R"), strict=True):
    plot.curves(
        {m: checked[checked.label == m][column] for m in drawn},
        x=range(7),
        ax=ax,
        xlabel="random from the top down to",
        title=f"rank correlation of {title}",
        legend=False,
    )
    ax.set_xticks(range(7), ["none", *layers[1:]], rotation=25)
panels[0].set_ylabel("similarity to the original map")
panels[1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
plot.describe(
    fig,
    "Similarity to the original map against the number of random layers. By absolute value guided backprop "
    "and epsilon-plus stay similar until most layers are random, LRP alpha 2 beta 1 falls sooner, LRP epsilon "
    "with the gradient. With the sign, the last two turn negative with the top layer, as epsilon-plus does; "
    "guided backprop stays positive.",
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
).loc[order].round(2)

# %% [markdown]
# **What to see.** Gradient, gradient × input and LRP-ε fall together: they depend on all layers. Guided
# backprop forgets slowly and keeps its sign. Adebayo et al. found that it mostly restores the picture's
# edges; the last column does not show that here. And by $|R|$, *ε-plus is like it*: a rule that sends only
# positive contributions down multiplies non-negative matrices, whose product soon looks the same whatever
# stands on top (Sixt, Granz, Landgraf 2020, *When Explanations Lie*). What still comes from the top is mostly
# the sign. α2β1 sends both kinds down, and by rank correlation forgets sooner, if later than LRP-ε. By SSIM
# it does not: with three layers random its map is more like the old one than any other method's. The clean
# maps pay for being clean: they tell more of *where* something is than of *what* the class needs.
#
# No method comes near the 1 of the edge map in the last column: on this network the claim holds for all of
# them.
#
# **Beware of ties.** The measure can mislead as well. On digits LRP-ε seems never to forget, by $|R|$:

# %%
tied = evaluate.sanity(cnn, few.images[:8], ["lrp_epsilon", "gradient"])
tied.pivot(index="label", columns="depth", values="absolute").round(2)

# %% [markdown]
# It is zero wherever a pixel is black, whatever the network; the ranking finds those ties again and calls it
# similarity. On the scenes, where hardly a value is zero, the same method fell with the gradient.
#
# ## 9 · Against the truth
#
# Flipping asks the network, and sanity asks whether the network matters at all. Whoever drew the pictures can
# be asked something better: **which pixels cause the class?**
#
# | data | what the label says | the pixels that cause it |
# |---|---|---|
# | `shapes` | circle or polygon | the border of each shape, for inside and outside look alike; for polygons also its *corners* alone |
# | `scenes` | which of house and trees are there | all that is visible of house (with its path) and trees; scenes of “nothing” have no such pixels and are left out |
#
# **Formula.** Let $G$ be the set of these pixels, $R$ the map summed over colours, $K=|G|$. **Relevance
# mass** is $\sum_{i\in G}R_i^+/\sum_iR_i^+$ with $R^+=\max(R,0)$; **rank accuracy** is the share of the $K$
# pixels of highest relevance that are in $G$ (both Arras, Osman, Samek 2022, *CLEVR-XAI*); the **pointing
# game** scores 1 if the highest pixel of all is in $G$ (Zhang et al. 2018, *Excitation Backprop*; no
# tolerance here). A random map gets $G$'s share of the picture. Only rightly classified images count.
#
# First a check of the truth itself: is $G$ what the *network* goes by? Paint it over with the colours of its
# own rows.

# %%
sky = ["sky", "cloud", "sun", "mountain"]
with torch.no_grad():
    kept = scenes.take((viewer(scenes.images).argmax(1) == scenes.labels) & (scenes.labels > 0))
    without, other = evaluate.painted_over(kept), evaluate.painted_over(kept, sky)
    without_says, other_says = viewer(without).argmax(1), viewer(other).argmax(1)
axes = plot.grid(
    [kept.images[0], without[0], other[0]],
    titles=["a scene", "cause painted over", "sky painted over"],
    size=1.9,
)
plot.describe(
    axes[0],
    "A scene, the same with house and trees painted over, and with everything in the sky painted over.",
)
print(
    f"cause painted over: {(without_says == 0).float().mean():.0%} of {len(kept)} scenes are called “nothing”"
)
print(
    f"sky, sun, clouds and mountains painted over: {(other_says == kept.labels).float().mean():.0%} keep "
    "their label"
)

# %% [markdown]
# The right picture is no mistake: a row of sky is filled with the mean colour of what else stands in that
# row, or, where nothing else does, of all the rest of the picture, and that is house, tree and grass only, so
# that the sky turns green or brown. It is as strange a picture as one can make without touching the cause,
# and the network does not mind.

# %%
judge, drawings = zoo.load("shapes-cnn"), data.shapes(24, split="test")
polygons, drawings = drawings.take((drawings.labels == 1).nonzero()[:6, 0]), drawings.take(slice(0, 10))
on_shapes, on_scenes = (brief | {"occlusion": {"window": w, "stride": s}} for w, s in ((26, 19), (16, 12)))
results = {
    "shapes: border": evaluate.truth(judge, drawings, judged, options=on_shapes),
    "polygons: corners": evaluate.truth(judge, polygons, judged, cause="corner", options=on_shapes),
    "scenes: house, trees": evaluate.truth(viewer, scenes.take(slice(0, 28)), judged, options=on_scenes),
}
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
    "Relevance mass on the pixels that cause the class, with 95 % intervals, for every method and two "
    "controls, on shapes, on polygons' corners and on scenes; the dashed line is chance. LRP alpha 2 beta 1 and "
    "epsilon-plus lead in all three.",
)
measures = ["mass", "rank", "pointing"]
display(
    pd.concat({name: r.set_index("label")[measures].loc[order] for name, r in results.items()}, axis=1).round(
        2
    )
)
above = evaluate.truth(
    viewer,
    scenes.take(slice(0, 28)),
    {m: judged[m] for m in ("integrated_gradients", "lrp_epsilon", "LRP α2β1", "sobel")},
    sky,
    options={"integrated_gradients": brief["integrated_gradients"]},
)
print(
    "relevance mass on sky, clouds, sun and mountains:",
    ", ".join(f"{r.label} {r.mass:.2f}" for r in above.itertuples()),
    f"(their share of the picture: {above.chance[0]:.2f})",
)

# %% [markdown]
# **What to see.** On *shapes* the Sobel map has the highest rank accuracy of all, and no wonder: the cause
# *is* the edges. A benchmark on which an edge detector wins cannot tell an explanation from an outline; that
# is what controls are for. On *scenes*, where most edges have nothing to do with the label, it puts less
# *mass* on house and trees than LRP and guided backprop do. By the other two measures it still beats or
# equals most: its rank accuracy is above that of guided backprop and LRP-ε, and its highest pixel hits as
# often as LRP-ε's and more often than α2β1's. Integrated gradients and SmoothGrad stay behind it in mass as
# well; on sky, clouds and mountains integrated gradients put about what chance gives, LRP and above all α2β1
# less (line below the table). α2β1 and ε-plus lead in mass everywhere, as Arras et al. report. So methods that forgot slowly in
# section 8 find the object best, and both can be true: *where* the object stands hardly depends on the top
# layers. CAM and Grad-CAM have maps of 4 × 4 cells on scenes: they find the place and smear their mass, but
# their rank accuracy is among the best. Occlusion with black windows paints a new dark object into the
# picture, and on shapes it is no better than chance.
#
# No method puts all its mass on the cause, and much of what misses it lies just *beside* it: a network
# recognises a border by both of its sides, and a mask that ends at the last pixel of the crown calls the
# grass below it a mistake. And the intervals speak of more images for *this* network, not of other networks.
#
# Three judges, three answers: no one number says which explanation is best. What each can say, thanks to its
# controls, is more modest and useful: which maps were not told from one that never saw the network. Here
# these were, by flipping to $1-x$, the gradient with its sign, α2β1, CAM and Grad-CAM, while guided backprop,
# the deconvnet and ε-plus did worse; by the truth, occlusion against the random map in mass and rank accuracy
# (on scenes its highest pixel does hit more often). And on shapes none had the rank accuracy of the edge map.
# Told above the random map by both were SmoothGrad and the maps near gradient × input, and these are the ones
# that look like noise; ε-plus and α2β1, which find the object best, were not.
#
# **Try it.** Any image, any method, with the cause outlined.

# %% tags=["demo"]
demos.get("03/truth").show()

# %% [markdown]
# ## The live demo
#
# A rule for each block of layers, with its dial. The bars show how the score is used up on the way down: what
# each block's biases and stabilisers keep, and what reaches the pixels.

# %% tags=["demo"]
demos.get("03").show()

# %% [markdown]
# ## Paper against here
#
# What the sources claim, and what came out on our networks and data, computed in this moment.

# %%
paper = claims.table("03")
claims.styled(paper.drop(columns="lecture"))

# %% [markdown]
# **The rows that do not hold.** The αβ-rule leaks after all: biases are split like everything else, and what
# they keep or add, in the mean over digits, grows with α; for α = 3 even the tiny stabilisers show. (Single
# digits differ in sign: a bias may keep for one and add for another, so that a sum over digits may hide it.)
# Sections 5 and 7 say what stands behind the other two.
#
# **To take along.**
# * Conservation is bookkeeping. Ask for it, look where the missing part went, and do not take it for a proof.
# * A rule is a choice, and so is where it acts: ε near the output, γ or α = 1 below, zᴮ or flat at the
#   pixels.
# * α is a dial for contrast. What a map shows at α = 2 that it did not at α = 1 is cancellation, amplified.
# * A Taylor decomposition is as good as its root point, and “rather than what?” is the root's answer.
# * Judge a heatmap by more than one test, and each test by a map that has not seen the network.
