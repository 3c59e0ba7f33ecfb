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
# # 01 · Visualization: what does a unit look for?
#
# A unit of a network is a function of the picture: it is large for some pictures and small for others. Ask
# “large for which?” and you get a picture back, and pictures are what we are good at reading. There are two
# places to look for it: among pictures that exist, and among all pictures there could be. This lecture does
# both, and measures how far the answers can be trusted.
#
# | | |
# |---|---|
# | **You will be able to** | read first-layer filters and count the useless ones · compute a receptive field and cut out the patches that a unit likes best · find the picture that maximises a unit, under the constraint of your choice · say what each regulariser changes, as a number · clamp a unit of a belief network and sample what it stands for |
# | **Time** | 120 minutes, of which 75 for the seven exercises |
# | **Builds on** | convolution, pooling and gradients in PyTorch |
# | **Sources** | Erhan, Bengio, Courville, Vincent 2009, *Visualizing Higher-Layer Features of a Deep Network*; Simonyan, Vedaldi, Zisserman 2014, *Deep Inside Convolutional Networks*; Olah, Mordvintsev, Schubert 2017, *Feature Visualization* |

# %%
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display

from xaikit import claims, data, demos, features, plot, widgets, zoo
from xaikit.demos import lecture01_playground as playground
from xaikit.errors import OfflineError
from xaikit.exercises import answer, check
from xaikit.source import show_source

# %% [markdown]
# ## 0 · A toy network to play with
#
# **Claim.** A hidden unit is a picture of its own. In a network with two inputs one can *see* the whole of it:
# the input is a point $(x_1,x_2)$ of the plane, and a unit is the surface that it draws over this plane. The first layer's
# units are all alike, a straight edge with a soft or a sharp flank; what is bent is built from them by the layers above.
#
# **Formula.** Layer $k$ has the units
#
# $$h^{(k)}=\sigma\big(W^{(k)}h^{(k-1)}+b^{(k)}\big),\qquad h^{(0)}=(x_1,x_2),\qquad p(\text{red}\mid x)=\mathrm{sigmoid}\big(w\cdot h^{(\text{last})}+b\big),$$
#
# with an activation $\sigma$ such as tanh. The weights $W$, $w$ and the biases $b$ are learned from coloured points, by small steps
# against the gradient of the loss $-\log p(\text{right colour}\mid x)$.
#
# **Try it.** Press play. Each small picture is a unit, red where it is high and blue where it is low; the large one is the output.
# Things to find out:
#
# 1. With activation “none” no depth helps on *circle*. Why? (Multiply the matrices.)
# 2. How few units of *one* layer separate circle? Xor?
# 3. Spiral: watch the layers. Where do the first bent surfaces appear?
# 4. Raise the noise, with all layers and units. Which of the two loss curves goes up?
# 5. Find a rate that is too large. What do the units look like then, and does it recover?

# %% tags=["demo"]
demos.get("01/playground").show()

# %% [markdown]
# The same playground without its buttons is a plain object: `Playground(…)`, `step(n)`, `measure()`. So the first
# question can be answered with a table: the share of test points with the right colour after the same number of steps.

# %%
rows = {}
for dataset in ("circle", "xor", "gauss", "spiral"):
    for activation in ("none", "tanh"):
        game = playground.Playground(dataset, noise=0.05, depth=2, units=6, activation=activation, lr=0.03)
        game.step(250)
        rows.setdefault(dataset, {})[activation] = game.measure()[3]
pd.DataFrame(rows).T.style.format("{:.0%}").set_caption("test points right, two hidden layers of six units")

# %% [markdown]
# **What to see.** Without an activation the network draws one straight line, however many layers it has: enough for two clouds
# (*gauss*), and little better than a guess on *circle* and *xor*. With tanh both are solved; the spiral takes longer or another layer.
#
# In two dimensions we can look at a unit's whole surface. A picture of 28 × 28 pixels is a point in 784 dimensions, and nobody
# can draw the surface over those. All that follows is about what to look at instead.

# %% [markdown]
# ## 1 · First-layer filters are pictures

# %% [markdown]
# ## 2 · The patches a unit likes best

# %% [markdown]
# ## 3 · Activation maximisation: one answer or many?

# %% [markdown]
# ### A stacked denoising auto-encoder and a deep belief network
#
# Erhan and colleagues asked the question of two kinds of networks that learn **without labels**, layer by layer.
#
# **A stacked denoising auto-encoder** (SDAE). Let $x\in[0,1]^n$ be what a layer gets. Half of its entries, at random, are set to 0;
# call that $C(x)$. The layer must restore what was there:
#
# $$h=\mathrm{sigmoid}\big(b+W\,C(x)\big),\qquad \hat x=\mathrm{sigmoid}\big(c+W^\top h\big),\qquad
# \text{loss}=-\sum_i x_i\log\hat x_i+(1-x_i)\log(1-\hat x_i).$$
#
# When it has learned, its $h(x)$, without noise, is what the next layer gets.
#
# **A deep belief network** (DBN). Each layer is a **restricted Boltzmann machine** (RBM), a distribution over binary vectors $v$ (visible)
# and $h$ (hidden):
#
# $$p(v,h)\propto\exp\big(h^\top Wv+b^\top h+c^\top v\big),\qquad p(h_j=1\mid v)=\mathrm{sigmoid}(b+Wv)_j,\qquad p(v_i=1\mid h)=\mathrm{sigmoid}(c+W^\top h)_i .$$
#
# It learns by **contrastive divergence**: $\Delta W\propto\langle h v^\top\rangle_\text{data}-\langle h v^\top\rangle_\text{one Gibbs step later}$.
# The second layer is an RBM over the hidden units of the first.
#
# Both are, seen from outside, the same object: weights that serve upwards and, transposed, downwards.

# %%
show_source(features.belief.Rbm)

# %%
show_source(features.contrastive_divergence)

# %% [markdown]
# The course ships one of each, trained on `data.digits` with every digit moved, turned and scaled a little each time it is shown (the paper used
# 2.5 million deformed digits). A network without labels has no accuracy; its card states something else. For the auto-encoder:
# how far, in nats, a test digit is from what is restored of it from the third layer. For the belief network: a lower bound on the
# log-likelihood of a test digit, where the constant $\log Z$ of the upper RBM comes from annealed importance sampling (Salakhutdinov and Murray 2008).

# %%
nets = {"digits-sdae": zoo.load("digits-sdae"), "digits-dbn": zoo.load("digits-dbn")}
digits_28 = data.digits(split="test").images
rho = digits_28.flatten(1).norm(dim=1).mean().item()  # the average length of a digit
pd.DataFrame({name: {"layers": " – ".join(map(str, net.widths)), "measured": zoo.card(name)["measured"], "value": round(zoo.card(name)["score"], 1)}
              for name, net in nets.items()}).T

# %%
some = digits_28[[3, 30, 60, 90, 120, 150]]
with torch.no_grad():
    restored = [nets[name].reconstruct(some) for name in nets]
axes = plot.grid([*some, *restored[0], *restored[1]], columns=6, size=1.1,
                 titles=["test digits", *[""] * 5, "restored by the SDAE", *[""] * 5, "restored by the DBN", *[""] * 5])
plot.describe(axes[0], "Three rows of six: test digits, and the same digits restored from the third layer of the SDAE and the second of the DBN; "
                       "the restored ones are smoother, and the SDAE's are more alike.")

# %% [markdown]
# Both tops hold most of what makes a digit; the narrower third layer of the SDAE loses more of what makes it *this* digit. Now Erhan's question, asked of every layer: which $x$ with $\lVert x\rVert=\rho$ excites a unit most? The
# search starts at random pixels and goes up the gradient; after each step the length is put back to $\rho$, the average length of a
# digit. In the first layer the answer is known: the unit's sum is $w\cdot x+b$, so $x^*=\rho\,w/\lVert w\rVert$, the filter itself.

# %%
show_source(features.maximize_units)

# %%
shown, units = {}, list(range(10))
for name, net in nets.items():
    for layer in range(1, net.depth + 1):
        shown[f"{name.removeprefix('digits-').upper()} layer {layer}"] = features.maximize_units(net, units, rho, layer, starts=1)[0][:, 0]
axes = plot.grid([x.view(28, 28) for row in shown.values() for x in row], columns=10, size=1.0, signed=True,
                 titles=[name if i == 0 else "" for name in shown for i in range(10)])
plot.describe(axes[0], "Five rows of ten pictures, red and blue: maxima of ten units of layers 1, 2, 3 of the SDAE and 1, 2 of the DBN. "
                       "Layer 1 of the SDAE shows broad patterns, its layers 2 and 3 strokes in several places; the DBN's show mostly single strokes.")

# %% [markdown]
# **What to see.** Red pixels should be bright, blue ones dark (the length is fixed, the sign is not). A first-layer row shows the filters themselves: broad bright and
# dark patterns in the SDAE, smaller patches in the DBN. In the SDAE's upper layers a unit wants strokes in several places together, parts of a digit; most units of the DBN's
# second layer want one stroke, with a dark surround. These are *features*: nobody would write one of them as a numeral.
#
# **One answer or many?** Four units, nine starts each:

# %%
for name, net in nets.items():
    x = features.maximize_units(net, [2, 3, 5, 8], rho)[0]
    axes = plot.grid(x.view(-1, 28, 28), columns=9, size=1.0, signed=True,
                     titles=[f"{name.removeprefix('digits-').upper()}, unit {u}" if i == 0 else "" for u in (2, 3, 5, 8) for i in range(9)])
    plot.describe(axes[0], f"Four rows of nine pictures for four units of the top layer of {name}: within a row the nine answers from nine "
                           "random starts look the same.")

# %%
rows = {}
for name, net in nets.items():
    rival = features.scrambled(net)  # the same numbers in each weight matrix, shuffled
    for layer in range(1, net.depth + 1):
        answers = {"trained": features.maximize_units(net, range(24), rho, layer)[0], "shuffled weights": features.maximize_units(rival, range(24), rho, layer)[0]}
        found = {which: features.agreement(x) for which, x in answers.items()}
        rows[f"{name}, layer {layer}"] = {("mean of 24 units", k): v.mean().item() for k, v in found.items()} | {
            ("worst unit", k): v.min().item() for k, v in found.items()}
pd.DataFrame(rows).T.style.format("{:.3f}").set_caption("cosine similarity between the answers from nine starts (1: all the same)")

# %% [markdown]
# **What to see.** Nine starts give one answer, unit after unit: the paper's finding holds here, and the numbers are close to 1 in each layer. (In the first layer it *must* be 1.)
#
# But look at the other column, which the paper does not have: with the weights *shuffled* the answers agree at least as well. A random stack
# of sigmoids is nearly linear in $x$, and a linear function on a sphere has one maximum. So a unimodal response says little about what
# a network has learned. That is no contradiction to the paper, which calls the finding surprising and not a proof; it is a reason to always run
# the control. (Deep ReLU networks with their many kinks are another matter: compare the cells above for the convolutional network.)

# %% [markdown]
# ## 4 · Sampling from a unit
#
# A belief network can be run backwards: it is a *distribution* over pictures, so one can ask not only which picture excites a unit, but what pictures look like
# **when the unit is on**.
#
# **Formula.** The two upper layers form an RBM. **Block Gibbs sampling** draws all $h$ given $v$, then all $v$ given $h$, and again. Along the
# chain unit $j$ of the top layer, and only this unit, is **clamped**: set to 1 after each draw of $h$. From time to time, go down
# to the pixels by drawing each layer given the one above it (ancestral sampling). What comes are samples of $p(x\mid h_j=1)$, and their mean
# estimates $\mathbb E[x\mid h_j=1]$.
#
# **Code.** One step is three lines; they are yours.

# %% [markdown]
# ### Exercise 1.7 — one Gibbs step with a clamped unit ★★☆ · 12 min · 3 points
#
# Write `gibbs_step(v, W, b, c, unit, u_h, u_v)` for N chains at once: draw all hidden units given `v`, hold hidden unit `unit` at 1 in every
# chain, draw all visible units given that `h`, and return `h` and the new `v`. `W` is (H, V). To *draw* means: 1 where a uniform random number lies below the probability, else 0; the
# uniform numbers are given, `u_h` (N, H) and `u_v` (N, V), so that everybody gets the same answer.


# %% nbgrader={"grade": false, "grade_id": "answer-1.7", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gibbs_step(v, W, b, c, unit, u_h, u_v):
    """One block Gibbs step, unit held at 1.  v (N, V), W (H, V) → h (N, H), new v (N, V), both 0s and 1s"""
    ### BEGIN SOLUTION
    h = (u_h < torch.sigmoid(v @ W.T + b)).float()
    h[:, unit] = 1.0  # before v is drawn: the visible units must feel it
    return h, (u_v < torch.sigmoid(h @ W + c)).float()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-1.7", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("1.7", gibbs_step)

# %% [markdown]
# Your step, run for 60 steps on twelve chains that start from noise, for one unit of the belief network (the library's step if the check did not pass):

# %%
dbn, step, generator = nets["digits-dbn"].requires_grad_(False), answer("1.7"), torch.Generator().manual_seed(0)
top, v, frames = dbn.rbm(2), (torch.rand(12, 200, generator=generator) < 0.5).float(), []
for i in range(61):
    if i in (0, 1, 5, 60):
        frames.append(dbn.rbm(1).down(v))  # the pixels' probabilities, given layer 1
    h, v = step(v, top.weight, top.hidden_bias, top.visible_bias, 3, torch.rand(12, 200, generator=generator), torch.rand(12, 200, generator=generator))
axes = plot.grid(torch.cat(frames).view(-1, 28, 28), columns=12, size=0.85,
                 titles=[f"step {n}" if i == 0 else "" for n in (0, 1, 5, 60) for i in range(12)])
plot.describe(axes[0], "Four rows of twelve chains: faint scribbles at first, digit-like shapes after one step, mostly readable digits after five and sixty steps.")

# %% [markdown]
# **Picture.** As on the slides: each row is a unit of layer 2, first the mean of its samples, then some of them.

# %%
show_source(features.sample_unit)

# %%
chosen = [3, 2, 5, 8, 1, 6]
samples = features.sample_unit(dbn, chosen, chains=64, steps=80)
axes = plot.grid([p.view(28, 28) for row in samples for p in (row.mean(0), *row[:9])], columns=10, size=0.95,
                 titles=[f"unit {u}: mean" if i == 0 else "" for u in chosen for i in range(10)])
plot.describe(axes[0], "Six rows, one for each unit: the mean of the samples, a blurred digit, and nine samples, most of them readable digits of several classes.")

# %% [markdown]
# **What to see.** The samples are whole digits, of several classes in one row: a unit is not a class. What the digits of a row have in common is for us to find out, and the mean
# gives it away only in part, since all rows' means share the blurred shape that *every* digit has.
#
# **The third view** is the oldest (Lee, Ekanadham, Ng 2008): a second-layer unit adds up first-layer units with its weights, so add up their filters,
#
# $$\text{view}_u=\sum_j W^{(2)}_{uj}\,W^{(1)}_{j\cdot}\,,$$
#
# over all $j$, or over the strongest few. It forgets the sigmoids between the layers. Side by side, for the same units:

# %%
everyone = range(dbn.widths[-1])
mean = features.sample_unit(dbn, everyone, chains=24, steps=60).mean(1)
best = features.maximize_units(dbn, everyone, rho, starts=1)[0][:, 0]
filters = features.linear_combination(dbn)
views = {"mean sample": mean, "… minus the mean of all units": mean - mean.mean(0), "maximum": best, "combined filters": filters,
         "… of the 10 strongest": features.linear_combination(dbn, strongest=10)}
row = [3, 2, 5, 8, 1, 6, 4, 0]
axes = plot.grid([view[u].view(28, 28) for view in views.values() for u in row], columns=8, size=1.15,
                 signed=[name != "mean sample" for name in views for u in row],
                 titles=[name if u == row[0] else "" for name in views for u in row])
plot.describe(axes[0], "Five rows for eight units: the mean samples are blurred grey digits; with the mean of all units taken away they show red and blue patches in "
                       "the places where the unit's maximum and its combined filters have them.")

# %% [markdown]
# **What to see.** In most columns the lower four pictures agree on the strongest red stroke, though they were made in three quite different ways. The maximum has fine
# detail everywhere, the combination is smooth, and the samples know which strokes go together in digits.
#
# As numbers: take from each view what is common to all units, and ask whether a unit's own picture in one view is the *nearest* to its picture in the other, among all units.

# %%
pairs = [("mean sample", "maximum"), ("mean sample", "combined filters"), ("maximum", "combined filters"), ("maximum", "… of the 10 strongest")]
found = {f"{a} – {b}": features.matches(views[a], views[b]) for a, b in pairs}
pd.DataFrame(found, index=["own one is nearest", "median cosine"]).T.style.format({"own one is nearest": "{:.0%}", "median cosine": "{:.2f}"}).set_caption(
    f"{dbn.widths[-1]} units of layer 2; by chance {1 / dbn.widths[-1]:.1%} would be nearest")

# %%
train_28 = data.digits(split="train").images
near = {"test digits": digits_28, "samples": samples[:, :9].flatten(0, 1), "maxima (negative pixels as 0)": best.clamp(min=0)}
pd.DataFrame({name: {"cosine to the nearest training digit": features.nearest(x, train_28).median().item()} for name, x in near.items()}).T.round(2)

# %% [markdown]
# Maximum and combination find each other without fail, and sample and maximum far more often than chance would; so the three views do speak of the same unit. The second
# table says how they differ. Samples are nearly as close to real digits as new digits are; maxima are not. The paper's authors say it of their pictures: maximisation produces
# *features*, and we must decide which examples fit; sampling produces *examples*, and we must decide what they have in common.
#
# **When would the two be one?** The paper's argument: if $p(x\mid h_j=1)$ sits at one point $x^+$, then $\mathbb E[x\mid h_j=1]=x^+$, and by Bayes' rule
#
# $$p(h_j=1\mid x)=\frac{p(x\mid h_j=1)\,p(h_j=1)}{p(x)}$$
#
# is largest at $x^+$ too. Our rows of samples show how far from a single point this distribution is: several classes in each. So expect kinship, not equality.
#
# **Try it.** Press play and watch the chains; move to another unit; free the unit, and the network dreams of anything.

# %% tags=["demo"]
demos.get("01/dream").show()

# %% [markdown]
# ## 5 · Class models

# %% [markdown]
# ## 6 · Regularisers

# %% [markdown]
# ## 7 · Objectives

# %% [markdown]
# ## Live: layer × unit × objective × regularisers

# %% [markdown]
# ## Paper against here
