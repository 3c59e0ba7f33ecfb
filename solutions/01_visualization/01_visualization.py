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
# | **Time** | 160 minutes, of which 74 for the seven exercises; sections 0 to 4 make one session, 5 to 7 another |
# | **Builds on** | convolution, pooling and gradients in PyTorch |
# | **Sources** | Erhan, Bengio, Courville, Vincent 2009, *Visualizing Higher-Layer Features of a Deep Network*; Simonyan, Vedaldi, Zisserman 2014, *Deep Inside Convolutional Networks*; Olah, Mordvintsev, Schubert 2017, *Feature Visualization* |

# %%
import copy

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display

from xaikit import attribution, claims, data, demos, features, hooks, plot, zoo
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
        *_, right = game.measure()  # losses and shares of right colours, training and test points
        rows.setdefault(dataset, {})[activation] = right
pd.DataFrame(rows).T.style.set_uuid("v1").format("{:.0%}").set_caption("test points right, two hidden layers of six units")

# %% [markdown]
# **What to see.** Without an activation the network draws one straight line, however many layers it has: enough for two clouds
# (*gauss*), and no better than a guess on *xor*. With tanh both *circle* and *xor* are solved; the spiral takes longer or another layer.
#
# <details><summary>Answers to 1 to 5, after you tried</summary>
#
# 1. A product of matrices is a matrix: without an activation all layers together are one linear map. 2. Circle: three, whose edges enclose the disc as a triangle; with two there is an open side.
# Xor: four, an edge for each corner; two make a band along a diagonal, which leaves about one point in six on the wrong side, three get nearly all. 3. In the second layer; in the first each unit is one straight edge, whatever it learns. 4. The test loss, once the network bends
# around single points; the training loss goes on falling. 5. The units become all red or all blue, with an edge outside the square: saturated, and the gradient through them is nearly 0, so that
# it seldom recovers.
#
# </details>
#
# In two dimensions we can look at a unit's whole surface. A picture of 28 × 28 pixels is a point in 784 dimensions, and nobody
# can draw the surface over those. All that follows is about what to look at instead.

# %% [markdown]
# ## 1 · First-layer filters are pictures
#
# **Claim.** In the first layer nothing has to be searched for: a unit's weights *are* a picture, the one that it answers to most strongly.
#
# **Formula.** A first-layer unit computes $w\cdot x+b$. Among all inputs of length $\rho$ this is largest at $x^*=\rho\,w/\lVert w\rVert$, by the
# Cauchy–Schwarz inequality. So draw $w$: red where a bright pixel raises the unit, blue where it lowers it.
#
# A layer also holds units that are good for nothing. Three things to count:
#
# * **dead**: the unit is at or below 0 for every training picture, so that nothing leaves its ReLU and no gradient comes back,
# * **duplicate**: its filter has a cosine above 0.9 with another unit's filter,
# * **grain**: the share of the filter's energy in waves faster than half the Nyquist frequency. (The Nyquist frequency, half a cycle per pixel, is the
#   fastest wave that pixels can hold.) Random numbers have a share of about 0.8, something smooth has little.

# %%
show_source(features.fast_share)

# %% [markdown]
# Twenty-four of the 192 units of `digits-mlp`, sorted by their grain (the number behind the unit's): the eight smoothest, eight from the middle, the eight grainiest.

# %%
cnn, mlp, scenes_cnn = (zoo.load(name) for name in ("digits-cnn", "digits-mlp", "scenes-cnn"))
train, scenes = data.digits(split="train"), data.scenes(n=400, seed=5)


def filters_of(network):
    """The first layer's weights as pictures (units, C, k, k)."""
    w = next(p for p in network.parameters() if p.dim() > 1).detach()
    return w.view(len(w), 1, 28, 28) if w.dim() == 2 else w


w = filters_of(mlp)
grain = features.fast_share(w)
highest = features.responses(mlp, "1", train.images).amax(0)  # of each unit over all training pictures, before the ReLU
by_grain = grain.argsort()
shown = [*by_grain[:8].tolist(), *by_grain[92:100].tolist(), *by_grain[-8:].tolist()]
axes = plot.grid([w[u] for u in shown], columns=8, signed=True, size=1.15,
                 titles=[f"{u}: {grain[u]:.2f}" + (" dead" if highest[u] <= 0 else "") for u in shown])
plot.describe(axes[0], "Three rows of eight first-layer filters of digits-mlp, red and blue, sorted by grain: smooth strokes and patches in the first row, "
                       "strokes under some noise in the second, and nothing but noise in the last, where nearly all are marked as dead.")

# %%
def nearest_other(w):
    """The cosine of each filter with the most similar of the others."""
    unit = torch.nn.functional.normalize(w.flatten(1), dim=1)
    return (unit @ unit.T).fill_diagonal_(-1).amax(1)


table = {}
for name, network, layer, pictures in (("digits-mlp", mlp, "1", train.images), ("digits-cnn", cnn, "features.0", train.images),
                                       ("scenes-cnn", scenes_cnn, "features.0", scenes.images)):
    w, top = filters_of(network), features.responses(network, layer, pictures).transpose(0, 1).flatten(1).amax(1)
    rival = torch.randn(w.shape, generator=torch.Generator().manual_seed(0))
    table[name] = {"units": len(w), "pixels": w[0].numel(), "dead": (top <= 0).sum().item(), "duplicates": (nearest_other(w) > 0.9).sum().item(),
                   "largest cosine": nearest_other(w).max().item(), "… of random filters": nearest_other(rival).max().item(),
                   "median grain": features.fast_share(w).median().item(), "… of random": features.fast_share(rival).median().item()}
pd.DataFrame(table).T.style.set_uuid("v2").format("{:.0f}", subset=["units", "pixels", "dead", "duplicates"]).format(
    "{:.2f}", subset=["largest cosine", "… of random filters", "median grain", "… of random"])

# %%
dead = highest <= 0
without = {"as it is": torch.zeros_like(dead), "without the dead units": dead, "without as many living ones": torch.tensor(
    np.isin(np.arange(len(dead)), np.random.default_rng(0).choice(np.flatnonzero(~dead), int(dead.sum()), replace=False)))}
test, right = data.digits(split="test"), {}
for name, gone in without.items():
    with torch.no_grad(), hooks.edit(mlp, {"2": lambda y, gone=gone: y.index_fill(1, gone.nonzero().flatten(), 0.0)}):  # behind the ReLU
        right[name] = (mlp(test.images).argmax(1) == test.labels).float().mean().item()
print(f"dead among the grainiest {int(dead.sum())}: {dead[by_grain[-int(dead.sum()):]].float().mean():.0%}, among the others: "
      f"{dead[by_grain[:-int(dead.sum())]].float().mean():.0%}")
fires = features.responses(mlp, "1", test.images)[:, dead].amax(0)
print(f"dead units that fire for a test digit: {(fires > 0).sum()}, the largest value {fires.max():.2f} (of the living ones {highest.max():.1f})")
pd.Series(right).map("{:.1%}".format).rename("test digits right").to_frame()

# %% [markdown]
# **What to see.** The first row shows what the network looks for: a stroke here, an empty place there. The last row looks like the random numbers that every filter
# began with, and that is what it is: nearly all of these units are dead. A step of training may push a unit below 0 for every picture; from then on no gradient reaches
# it, and what it is stays for good. A filter that is all noise died at once, or nearly (unit 98 is just above 0 for some picture); about a third of the dead units had learned something smooth before they died, and these no look at the filter
# finds. Taking all of them out changes no answer. Dead means dead on the *training* pictures; next to nothing comes from these units for test digits, as the second line of numbers says.
#
# No two filters are duplicates, though in the dense network some are far more alike than random ones would be. For the 5 × 5 filters of `digits-cnn` the random
# columns warn: with 25 numbers a cosine of 0.55 comes by chance, and a grain of 0.7 says nothing, as all its units live. A filter that small is hardly a picture. For such units, and for all
# above the first layer, we need another way of looking.
#
# **To try.** Copy a filter over another one, set a bias to −100, and see whether the counts find it:

# %%
planted = copy.deepcopy(mlp)
with torch.no_grad():
    planted[1].weight[7] = planted[1].weight[11] + 0.02 * torch.randn(784, generator=torch.Generator().manual_seed(0))
    planted[1].bias[13] = -100
found = features.responses(planted, "1", train.images).amax(0) <= 0
print("duplicates:", (nearest_other(filters_of(planted)) > 0.9).nonzero().flatten().tolist(), "· newly dead:", (found & ~dead).nonzero().flatten().tolist())

# %% [markdown]
# ## 2 · The patches a unit likes best
#
# **Claim.** For a unit anywhere in a network, a heap of pictures holds an answer already: look up which of them excite it most. A convolutional unit sees only part of each; cut this part out.
#
# **Formula.** The part of the input that a unit can see is its **receptive field**. For the input itself size and stride are 1 and the start is 0; the rest follows layer by layer (Araujo, Norris, Sim 2019), and is yours to find:

# %% [markdown]
# ### Exercise 1.1 — the receptive field of a stack ★★☆ · 10 min · 2 points
#
# A unit of a deep layer sees a box of pixels, its *receptive field*. Along one axis of the picture, the unit at place $p$ of a layer's map sees the pixels
#
# $$\text{start}+p\cdot\text{stride}\ \ldots\ \text{start}+p\cdot\text{stride}+\text{size}-1 .$$
#
# Pixels are counted from 0; a negative start lies in the padding, before the picture.
#
# Write `stack_field(layers)`. `layers` is a whole-number tensor (L, 4), one row for each convolution or pooling, the first layer first:
# its kernel $k$ (number of places under it), its stride $s$, its padding $q$ (places added on each side) and its dilation $d$ (distance of neighbouring places under the kernel, 1 as usual).
# Return `size, stride, start` of the *last* layer's units, three whole numbers in this order.
#
# *Example.* Kernel 3, padding 1, then pooling 2 with stride 2: `stack_field(torch.tensor([[3, 1, 1, 1], [2, 2, 0, 1]]))` gives `4, 2, -1`. Place 0 of the pooled map sees the
# pixels −1 … 2, place 1 sees 1 … 4.


# %% nbgrader={"grade": false, "grade_id": "answer-1.1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def stack_field(layers):
    """The receptive field of a stack on one axis.  layers (L, 4): k, s, q, d of each → size, stride, start"""
    ### BEGIN SOLUTION
    size, stride, start = 1, 1, 0
    for k, s, q, d in layers.tolist():
        size += d * (k - 1) * stride  # by the stride so far, that of the layer below
        start -= q * stride
        stride *= s
    return size, stride, start
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-1.1", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("1.1", stack_field)


# %% [markdown]
# The library follows one forward pass, and so it also knows branches, concatenations and residual blocks. Is it right? There is a test that needs no formula: the gradient of one unit with respect
# to the picture can only be nonzero inside its field, and with random weights it reaches the field's edges. (The weights are made positive so that no ReLU closes; max pooling passes the gradient to one pixel only,
# so we add it up over 64 random pictures.)

# %%
def seen(network, layer, shape):
    """Rows of the picture on which the unit in the middle of the layer's map depends: measured with random weights, all positive, and 64 pictures."""
    network, generator = copy.deepcopy(network), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(torch.rand(p.shape, generator=generator) * (p.dim() > 1))
    x = torch.rand(64, *shape, generator=generator).requires_grad_()
    with hooks.record(network, layer, stop=True) as acts:
        network(x)
    middle = acts[layer].shape[2] // 2
    gradient, = torch.autograd.grad(acts[layer][:, :, middle, middle].sum(), x)
    rows = gradient.abs().sum((0, 1, 3)).nonzero()
    return middle, f"{rows.min()} … {rows.max()}"


rows = {}
for name, network, shape in (("digits-cnn", cnn, (1, 28, 28)), ("scenes-cnn", scenes_cnn, (3, 64, 64))):
    for layer in [n for n, m in network.named_modules() if isinstance(m, torch.nn.Conv2d | torch.nn.MaxPool2d)]:
        field, (middle, measured) = features.receptive_field(network, layer), seen(network, layer, shape)
        first, end = field.box(middle, middle)[0]
        rows[name, layer] = {"size": field.size[0], "stride": field.stride[0], "start": field.start[0], "place": middle,
                             "sees rows": f"{first} … {end - 1}", "of these in the picture": f"{max(first, 0)} … {min(end, shape[1]) - 1}", "measured": measured}
table = pd.DataFrame(rows).T
print(f"computed and measured agree in {(table['of these in the picture'] == table['measured']).sum()} of {len(table)} layers")
table

# %% [markdown]
# **What to see.** Each stride makes the later kernels larger: from 5 pixels to 80 in five layers. The fields of `scenes-cnn`'s last layer are larger than the picture, and much of them lies in the padding.

# %% [markdown]
# ### Exercise 1.2 — top-k patches ★★☆ · 15 min · 3 points
#
# Show a unit by the patches of pictures that it likes best. Write `strongest_patches(maps, images, k, size, stride, start)`:
#
# - `maps` (N, h, w) holds the unit's activations on N pictures, at h × w places; they can be negative, and no two are equal,
# - `images` (N, H, W) are these pictures, in grey,
# - `size`, `stride`, `start` (whole numbers) are the unit's receptive field, as in Exercise 1.1, the same for rows and columns: the unit at row $r$, column $c$ of its map sees the
#   `size` × `size` box whose first pixel is row $\text{start}+r\cdot\text{stride}$, column $\text{start}+c\cdot\text{stride}$.
#
# Each picture counts by its strongest place only, so that no picture is shown twice. Take the `k` ≤ N pictures that are highest there, the strongest first, and cut out the box of that place.
# Where a box reaches over the border of the picture, put 0. Return a tensor (k, size, size).


# %% nbgrader={"grade": false, "grade_id": "answer-1.2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def strongest_patches(maps, images, k, size, stride, start):
    """The k best patches of a unit, strongest first.  maps (N, h, w), images (N, H, W) → (k, size, size)"""
    ### BEGIN SOLUTION
    best, place = maps.flatten(1).max(1)  # one place from each picture
    border = size + abs(start)
    padded = torch.nn.functional.pad(images, [border] * 4)  # zeros all round, so that no box ends outside
    patches = []
    for n in best.argsort(descending=True)[:k].tolist():
        row, column = divmod(place[n].item(), maps.shape[2])
        top, left = border + start + stride * row, border + start + stride * column
        patches.append(padded[n, top:top + size, left:left + size])
    return torch.stack(patches)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-1.2", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("1.2", strongest_patches)


# %% [markdown]
# Your two functions together (the library's where a check did not pass): the receptive field of the second convolution of `digits-cnn`, and eight patches for one of its units.

# %%
field_of, patches_of, unit = answer("1.1"), answer("1.2"), 5
size, stride, start = field_of(torch.tensor([[5, 1, 2, 1], [2, 2, 0, 1], [3, 1, 1, 1]]))  # features.0, pooling, features.3
maps = features.responses(cnn, "features.3", test.images)[:, unit]
favourites = torch.as_tensor(patches_of(maps, test.images[:, 0], 8, int(size), int(stride), int(start)))
axes = plot.grid(favourites, columns=8, size=1.0, titles=[f"unit {unit}, {int(size)} × {int(size)}", *[""] * 7])
plot.describe(axes[0], "Eight grey patches of ten by ten pixels from test digits: in each a bright horizontal stroke above a dark hollow.")

# %% [markdown]
# **What to see.** A bright stroke above a dark hollow, eight times; the demo below shows where in a digit such patches lie.
#
# For a data set that does not fit into memory `features.top_patches` goes through it once, batch by batch, and keeps for every unit only the best so far. Four layers of `scenes-cnn`, the best of 400 landscapes that
# it was not trained on; in each layer four units, one a row, from the most active one to one in the middle of the order. Black is outside the picture:

# %%
fig, axes = plot.subplots(2, 2, size=(9.6, 8.0))
for ax, layer in zip(axes.flat, ("features.3", "features.6", "features.9", "features.12"), strict=True):
    top = features.top_patches(scenes_cnn, layer, None, scenes, k=5)
    order = top.activations[:, 0].argsort(descending=True)
    units = order[[0, len(order) // 6, len(order) // 3, len(order) // 2]].tolist()
    sheet = torch.nn.functional.pad(top.patches[units], [max(1, top.field.size[0] // 16)] * 4, value=1.0)  # a white frame round each
    ax.imshow(plot.pixels(sheet.permute(2, 0, 3, 1, 4).flatten(3).flatten(1, 2)))
    for row, unit in enumerate(units):  # the unit's number beside its row
        ax.text(-0.08 * sheet.shape[3], (row + 0.5) * sheet.shape[3], str(unit), ha="right", va="center", fontsize=9)
    ax.set_title(f"{layer}: {top.field.size[0]} × {top.field.size[1]} pixels")
    ax.axis("off")
plot.describe(fig, "Four sheets of patches from small landscapes, for four layers; in each four rows, the units, of five patches. In the lowest two rows of mixed patches and two with crowns over walls, doors and trunks, "
                   "then gables and house fronts, then pointed trees on a sky; in the last layer whole pictures with or without houses.")
plt.show()

# %% [markdown]
# **What to see.** Most rows are of one kind: a dark crown beside a wall, a gable, a house front, a pointed tree against the sky. The first two rows are not: eaves, corners of
# doors, crowns, clouds at the border of the picture; we see nothing that they share. So a unit's best patches can be a mixture. With depth the kinds become nameable, and the fields so large that they hold nearly everything: in the
# last sheet one can no longer say *which part* of the patch the unit answers to. That question belongs to lectures 02 to 04. And beware of the best five: they show what a unit likes *most*, in the pictures we happen to have. A unit may also like other things somewhat less.
#
# **Try it.** Choose a layer and move through its units. Which units can you name in one word? How do the patches of the class scores differ?

# %% tags=["demo"]
demos.get("01/patches").show()

# %% [markdown]
# ## 3 · Activation maximisation: one answer or many?
#
# **Claim.** One can also ask without any data: which of *all* pictures excites the unit most? (Erhan et al. 2009.)
#
# **Formula.** For the unit's activation $a(x)$, a linear function of the layer below in the simplest case, larger pictures simply give larger values. So fix the length:
#
# $$x^*=\arg\max_{x:\ \lVert x\rVert=\rho} a(x).$$
#
# Begin at random; take a step of length $\eta$ along the gradient; scale back to length $\rho$; repeat. We take $a$ *before* the ReLU: behind it a unit that is off has gradient 0, and the search would never start.

# %% [markdown]
# ### Exercise 1.3 — one step of norm-constrained ascent ★★☆ · 8 min · 2 points
#
# Write `ascent_step(f, x, rho, eta)`, one step of the search for the input of norm $\rho$ that makes $f$ largest. For each row $x$ of the batch, with $g=\nabla f(x)$,
#
# $$x\ \leftarrow\ \rho\,\frac{x+\eta\,g/\|g\|}{\big\|x+\eta\,g/\|g\|\big\|}\,.$$
#
# `f` maps a tensor (N, D) to (N,), each row by itself, and can be differentiated; `x` is (N, D); `rho` and `eta` are positive numbers: the radius of the sphere and the length of the step. $\|\cdot\|$ is the Euclidean
# norm of one row. Return the new `x` (N, D), and leave the old one as it was.
#
# *Example.* With $f(x)=x_2$, $\rho=1$ and $\eta=1$ the row $(1,0)$ becomes $(1,1)/\sqrt2\approx(0.71,0.71)$.


# %% nbgrader={"grade": false, "grade_id": "answer-1.3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ascent_step(f, x, rho, eta):
    """One step uphill, of length η, and back to ‖x‖ = ρ, row by row.  f takes (N, D), x (N, D) → (N, D)"""
    ### BEGIN SOLUTION
    x = x.detach().clone().requires_grad_(True)
    gradient = torch.autograd.grad(f(x).sum(), x)[0]
    x = x.detach() + eta * gradient / gradient.norm(dim=1, keepdim=True)
    return rho * x / x.norm(dim=1, keepdim=True)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-1.3", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("1.3", ascent_step)


# %% [markdown]
# Your step (the library's if the check did not pass) for the score of class 3 of `digits-cnn`: nine random starts, 80 steps each.

# %%
step, rho = answer("1.3"), train.images.flatten(1).norm(dim=1).mean().item()  # the average length of a digit
score = lambda x: cnn(x.view(-1, 1, 28, 28))[:, 3]
x = torch.rand(9, 784, generator=torch.Generator().manual_seed(0))
x, curve = rho * x / x.norm(dim=1, keepdim=True), []
for i in range(80):
    with torch.no_grad():
        curve.append(score(x))
    x = torch.as_tensor(step(score, x, rho, 0.1 * rho * (1 - i / 80))).float().detach()
curve, best = torch.stack(curve, 1), features.top_images(cnn, "head", 3, train, k=1)
fig, ax = plot.subplots(size=(4.6, 2.7))
ax.plot(curve.T, color=plot.COLORS[0], lw=1)
ax.axhline(best.activations.item(), color=plot.COLORS[1], ls="--", lw=1.2, label="the best training digit")
ax.set(xlabel="step", ylabel="score of class 3")
ax.legend(loc="center right")
plot.describe(fig, "Nine curves rise steeply within twenty steps and level off at different heights, all far above a dashed line for the best training digit.")
with torch.no_grad():
    said = cnn(x.view(-1, 1, 28, 28))
axes = plot.grid(x.view(-1, 28, 28), columns=9, size=1.0, signed=True, titles=[f"3: {v[3]:.0f}, {v.argmax()}: {v.max():.0f}" for v in said])
plot.describe(axes[0], "Nine pictures of slanted red and blue stripes, similar in direction but not in place; each is taken for a 5.")
plt.show()

# %% [markdown]
# **What to see.** Every start ends far above the best of 1,347 training digits; none of the pictures looks like a 3. The stripes cover the picture because this network *averages* its last map over
# all places before it scores: the stroke that speaks most for a 3 speaks again at every place. So the picture tells us how the network computes, not what a 3 is.
# Above each picture stand its score for 3 and the largest of its ten scores: all nine are taken for a **5**. Stripes speak for a 3, and even more for a 5, and nobody asked the search to care. A high score is not a class; section 5 comes back to it.
#
# **As numbers**, for up to 32 units of every layer (a test of the library asks all 170): is the found picture really better than the best one in the data? To be fair, it gets only the length of what the unit sees there, the patch in its receptive field (for the class scores the whole picture).

# %%
rows = {}
for layer in ("features.0", "features.3", "features.6", "head"):
    best = (features.top_images if layer == "head" else features.top_patches)(cnn, layer, range(10 if layer == "head" else 32), train, k=1)
    n, lengths = len(best.units), best.patches[:, 0].flatten(1).norm(dim=1)
    found = features.maximize(cnn, features.neuron(layer, torch.arange(n)), (1, 28, 28), n=n, steps=32, norm=lengths)
    real = best.activations[:, 0]
    rows[layer] = {"units": n, "at least the best in the data": (found.values >= real).float().mean().item(),
                   "times as high, median": (found.values / real)[real > 0.1].median().item()}
    if layer == "features.6":
        pictures = features.top_images(cnn, layer, range(8), train, k=1).patches[:, 0], found.images[:8]
display(pd.DataFrame(rows).T.style.set_uuid("v3").format({"units": "{:.0f}", "at least the best in the data": "{:.0%}", "times as high, median": "{:.1f}"}))
axes = plot.grid([*pictures[0], *pictures[1]], columns=8, size=1.1, signed=[False] * 8 + [True] * 8, titles=[f"unit {u}" for u in range(8)] + [""] * 8)
plot.describe(axes[0], "Two rows for eight units of features.6: the best training digits above, and below the maxima under the same norm, patterns of red and blue in a square field in the middle.")

# %% [markdown]
# **What to see.** With the same length the search gains a factor of two to three in every layer, and it fails for no unit here. The best real picture of a unit says *where in the data* it is high, the maximum says *what it computes*: mostly red and blue patterns that no digit has (unit 3, a single thick stroke, is the exception). They fill only the
# middle of the picture, the receptive field of the unit in the middle of the map; outside nothing pulls, and the noise of the start shrinks away as the length is spent inside.
#
# **Is it one picture?** The paper's “very surprising” finding is that for a given unit the search ends at one and the same picture from any start. As a number, for six units of three layers: the mean cosine similarity between the answers from five starts.

# %%
rows = {}
for name, layer, units in (("digits-cnn, features.0", "features.0", range(6)), ("digits-cnn, features.6", "features.6", range(6)), ("digits-cnn, class scores", "head", range(6))):
    index = torch.tensor(units).repeat_interleave(5)
    found = features.maximize(cnn, features.neuron(layer, index), (1, 28, 28), n=len(index), steps=40, norm=rho)
    alike, values = features.agreement(found.images.view(len(units), 5, -1)), found.values.view(len(units), 5)
    rows[name] = {"cosine, mean of 6 units": alike.mean().item(), "worst unit": alike.min().item(), "spread of the values": (values.std(1) / values.mean(1)).mean().item()}
pd.DataFrame(rows).T.style.set_uuid("v4").format({"cosine, mean of 6 units": "{:.2f}", "worst unit": "{:.2f}", "spread of the values": "{:.0%}"})

# %% [markdown]
# **What to see.** For the first layer, one answer, as there must be: the function is linear. Higher up, several: the search ends on different hills, of nearly but not quite the same height. The paper's networks were of another kind; so take theirs.

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
# log-likelihood of a test digit, where the constant $\log Z$ of the upper RBM comes from annealed importance sampling (Salakhutdinov and Murray 2008; a lecture of its own, you need not know it here).

# %%
nets = {"digits-sdae": zoo.load("digits-sdae"), "digits-dbn": zoo.load("digits-dbn")}
digits_28 = data.digits(split="test").images
rho = digits_28.flatten(1).norm(dim=1).mean().item()  # the average length of a digit
pd.set_option("display.max_colwidth", None)
pd.DataFrame({name: {"layers": " – ".join(map(str, net.widths)), "on test digits": f"{zoo.card(name)['measured']}: {zoo.card(name)['score']:.1f}"}
              for name, net in nets.items()}).T

# %%
some, flat, mean_digit = [3, 30, 60, 90, 120, 150], digits_28.flatten(1), train.images.mean(0).flatten()
nats = lambda p: torch.nn.functional.binary_cross_entropy(p.expand_as(flat), flat, reduction="none").sum(1).mean().item()
with torch.no_grad():
    restored = {name: net.reconstruct(digits_28) for name, net in nets.items()}
    rows = {name: {"KL, nats": nats(x.flatten(1)) - nats(flat), "digits-cnn reads": (cnn(x.view(-1, 1, 28, 28)).argmax(1) == test.labels).float().mean().item()}
            for name, x in {"the digit itself": flat, **{f"restored by {name}": x for name, x in restored.items()}, "the mean training digit": mean_digit.expand_as(flat)}.items()}
display(pd.DataFrame(rows).T.style.set_uuid("v11").format({"KL, nats": "{:.1f}", "digits-cnn reads": "{:.0%}"}))
print(f"log-likelihood, nats a test image: {-nats(mean_digit):.1f} where every pixel is drawn by itself with the mean digit's probability; {-nats(flat):.1f} at the very most")
axes = plot.grid([*digits_28[some], *(x for name in nets for x in restored[name][some])], columns=6, size=1.1,
                 titles=["test digits", *[""] * 5, "restored by the SDAE", *[""] * 5, "restored by the DBN", *[""] * 5])
plot.describe(axes[0], "Three rows of six: test digits, and the same digits restored from the third layer of the SDAE and the second of the DBN; "
                       "the restored ones are smoother, and the SDAE's are more alike.")

# %% [markdown]
# **What to see.** Both tops hold most of what makes a digit: `digits-cnn` still reads most of the restored ones. The narrower third layer of the SDAE loses more of what makes it *this* digit, but far less than the mean digit, which
# knows nothing of it. The DBN's bound of the table before lies between the two log-likelihoods printed here, nearer to the upper one. The lower one knows only how bright each pixel is on average; nothing beats the upper one,
# since a grey pixel counts as a probability, and its draw cannot be guessed. Now Erhan's question, asked of every layer: which $x$ with $\lVert x\rVert=\rho$ excites a unit most? The
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
# **One answer or many?** Two units of each, nine starts:

# %%
for name, net in nets.items():
    x = features.maximize_units(net, [2, 3], rho)[0]
    axes = plot.grid(x.view(-1, 28, 28), columns=9, size=1.0, signed=True,
                     titles=[f"{name.removeprefix('digits-').upper()}, unit {u}" if i == 0 else "" for u in (2, 3) for i in range(9)])
    plot.describe(axes[0], f"Two rows of nine pictures for two units of the top layer of {name}: within a row the nine answers from nine "
                           "random starts look the same.")

# %%
rows = {}
for name, net in nets.items():
    rival = features.scrambled(net)  # the same numbers in each weight matrix, shuffled
    for layer in range(1, net.depth + 1):
        answers = {"trained": features.maximize_units(net, range(24), rho, layer, starts=5)[0], "shuffled weights": features.maximize_units(rival, range(24), rho, layer, starts=5)[0]}
        found = {which: features.agreement(x) for which, x in answers.items()}
        rows[f"{name}, layer {layer}"] = {("mean of 24 units", k): v.mean().item() for k, v in found.items()} | {
            ("worst unit", k): v.min().item() for k, v in found.items()}
pd.DataFrame(rows).T.style.set_uuid("v5").format("{:.3f}").set_caption("cosine similarity between the answers from five starts (1: all the same)")

# %% [markdown]
# **What to see.** Nine starts give one answer, unit after unit: the paper's finding holds here, and the numbers are close to 1 in each layer. (In the first layer it *must* be 1.)
#
# But look at the other column, which the paper does not have: with the weights *shuffled* the answers agree about as well, with a few worse units in the third layer of the SDAE. A random stack
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
# ### Exercise 1.4 — one Gibbs step with a clamped unit ★★☆ · 7 min · 2 points
#
# Write `gibbs_step(v, W, b, c, unit, u_h, u_v)` for N chains at once: draw all hidden units given `v`, hold hidden unit `unit` at 1 in every
# chain, draw all visible units given that `h`, and return `h` and the new `v`. `W` is (H, V). To *draw* means: 1 where a uniform random number lies below the probability, else 0; the
# uniform numbers are given, `u_h` (N, H) and `u_v` (N, V), so that everybody gets the same answer.


# %% nbgrader={"grade": false, "grade_id": "answer-1.4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gibbs_step(v, W, b, c, unit, u_h, u_v):
    """One block Gibbs step, unit held at 1.  v (N, V), W (H, V) → h (N, H), new v (N, V), both 0s and 1s"""
    ### BEGIN SOLUTION
    h = (u_h < torch.sigmoid(v @ W.T + b)).float()
    h[:, unit] = 1.0  # before v is drawn: the visible units must feel it
    return h, (u_v < torch.sigmoid(h @ W + c)).float()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-1.4", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("1.4", gibbs_step)

# %% [markdown]
# Your step, run for 60 steps on twelve chains that start from noise, for one unit of the belief network (the library's step if the check did not pass):

# %%
dbn, step, generator = nets["digits-dbn"].requires_grad_(False), answer("1.4"), torch.Generator().manual_seed(0)
top, v, frames = dbn.rbm(2), (torch.rand(12, 200, generator=generator) < 0.5).float(), []
for i in range(61):
    v = torch.as_tensor(v).float()  # yours may be of another type
    if i in (0, 1, 5, 60):
        frames.append(dbn.rbm(1).down(v))  # the pixels' probabilities, given layer 1
    h, v = step(v, top.weight, top.hidden_bias, top.visible_bias, 3, torch.rand(12, 200, generator=generator), torch.rand(12, 200, generator=generator))
axes = plot.grid(torch.cat(frames).view(-1, 28, 28), columns=12, size=0.85,
                 titles=[f"step {n}" if i == 0 else "" for n in (0, 1, 5, 60) for i in range(12)])
plot.describe(axes[0], "Four rows of twelve chains: faint scribbles at first, digit-like shapes after one step, about half of them readable digits after five and after sixty steps.")

# %% [markdown]
# **What to see.** What one step makes of noise is digit-like at once; after five steps about half of the pictures can be read. Between five and sixty they get no better, but other: a chain wanders from one digit to another
# (follow a column downwards). So a chain is soon among the pictures that the network believes in, and needs much longer to see all of them.

# %% [markdown]
# **Picture.** As on the slides: each row is a unit of layer 2, first the mean of its samples, then some of them.

# %%
show_source(features.sample_unit)

# %%
chosen = [3, 2, 5, 8, 1, 6]
samples = features.sample_unit(dbn, chosen, chains=64, steps=80)
axes = plot.grid([p.view(28, 28) for row in samples for p in (row.mean(0), *row[:9])], columns=10, size=0.95,
                 titles=[f"unit {u}: mean" if i == 0 else "" for u in chosen for i in range(10)])
plot.describe(axes[0], "Six rows, one for each unit: the mean of the samples, a blurred digit, and nine samples, many of them readable digits of several classes, some of them blobs.")

# %% [markdown]
# **What to see.** The samples are whole, digit-like, about half of them readable, and of several classes in one row: a unit is not a class. What the digits of a row have in common is for us to find out, and the mean
# gives it away only in part, since all rows' means share the blurred shape that *every* digit has.
#
# **The third view** is the oldest (Lee, Ekanadham, Ng 2008): a second-layer unit adds up first-layer units with its weights, so add up their filters,
#
# $$\text{view}_u=\sum_j W^{(2)}_{uj}\,W^{(1)}_{j\cdot}\,,$$
#
# over all $j$, or over the strongest few. It forgets the sigmoids between the layers. Side by side, for the same units:

# %%
everyone = range(dbn.widths[-1])
mean = features.sample_unit(dbn, everyone, chains=16, steps=40).mean(1)
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
pd.DataFrame(found, index=["own one is nearest", "median cosine"]).T.style.set_uuid("v6").format({"own one is nearest": "{:.0%}", "median cosine": "{:.2f}"}).set_caption(
    f"{dbn.widths[-1]} units of layer 2; by chance {1 / dbn.widths[-1]:.1%} would be nearest")

# %%
train_28 = data.digits(split="train").images
two = (digits_28 + digits_28[torch.randperm(len(digits_28), generator=torch.Generator().manual_seed(0))]) / 2
near = {"test digits": digits_28, "two test digits averaged": two, "samples": samples[:, :9].flatten(0, 1), "maxima (negative pixels as 0)": best.clamp(min=0)}
without_mean = lambda x: x.flatten(1) - train_28.mean(0).flatten()  # all digits have the mean digit in common
rows = {}
for name, x in near.items():
    with torch.no_grad():
        sure = cnn(x.view(-1, 1, 28, 28)).softmax(1).amax(1) > 0.9
    rows[name] = {"cosine to the nearest training digit": features.nearest(without_mean(x), without_mean(train_28)).median().item(), "digits-cnn is 90 % sure": sure.float().mean().item()}
pd.DataFrame(rows).T.style.set_uuid("v7").format({"cosine to the nearest training digit": "{:.2f}", "digits-cnn is 90 % sure": "{:.0%}"})

# %% [markdown]
# Maximum and combination find each other without fail, and sample and maximum far more often than chance would; so the three views do speak of the same unit. The second
# table says how they differ; the mean digit is taken away first, since any blur resembles it. Samples lie nearer to real digits than maxima do, and the network reads more of them; but they are no new digits: two digits
# averaged, which nobody would call an example, come at least as near. The paper's authors say it of their pictures: maximisation produces
# *features*, and we must decide which examples fit; sampling produces *examples*, and we must decide what they have in common. Our samples are on the way from one to the other.
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
#
# **Claim.** The same search for a class score $S_c$ gives a picture of what a network takes this class to be, and which objective one climbs matters (Simonyan et al. 2014).
#
# **Formula.** Instead of fixing the length, punish it, with a weight $\lambda$:
#
# $$\arg\max_I\ S_c(I)-\lambda\lVert I\rVert_2^2 .$$
#
# $S_c$ is the score *before* the softmax. The share $p_c=e^{S_c}/\sum_k e^{S_k}$ would be the obvious objective, but only the gap between $S_c$ and the others counts there: it can be raised by keeping the strongest rival down.

# %%
ten, rows, table = torch.arange(10), {}, {}
for weight in (0.1, 1.0):
    rows[f"λ = {weight:g}"] = features.maximize(cnn, features.logit(ten) - weight * features.l2(), (1, 28, 28), n=10, steps=48).images
for name, objective in {"score, ‖I‖ = ρ": features.logit(ten), "log share, ‖I‖ = ρ": features.probability(ten)}.items():
    rows[name] = features.maximize(cnn, objective, (1, 28, 28), n=10, steps=48, norm=rho).images
for name, x in rows.items():
    with torch.no_grad():
        scores = cnn(x)
    own = scores[ten, ten]
    table[name] = {"length of the picture": x.flatten(1).norm(dim=1).mean().item(), "own score": own.mean().item(),
                   "highest other score": scores.scatter(1, ten[:, None], -torch.inf).amax(1).mean().item(),
                   "cosine to the first row": torch.nn.functional.cosine_similarity(x.flatten(1), rows["λ = 0.1"].flatten(1)).mean().item(), "recognised as its class": (scores.argmax(1) == ten).float().mean().item()}
axes = plot.grid([x for row in rows.values() for x in row], columns=10, size=0.95, signed=True,
                 titles=[name if c == 0 else "" for name in rows for c in range(10)])
plot.describe(axes[0], "Four rows of ten pictures in red and blue, one for each class: stripes and strokes of different slants. The rows for the score resemble each other, the row for the log share is different.")
display(pd.DataFrame(table).T.style.set_uuid("v8").format("{:.1f}").format("{:.2f}", subset=["cosine to the first row"]).format("{:.0%}", subset=["recognised as its class"]))

# %% [markdown]
# **What to see.** The length goes like $1/\lambda$; the pictures drift with it (see the cosines), as they would with another random start. (Each picture has a colour scale of its own.) Now compare the last two lines of the table. Climbing the
# score drives the highest rival up along with the class, at times above it: stripes that are good for a 3 and better for a 5. Climbing the share keeps the rival down, every picture is recognised, and its own score is a third.
# The paper prefers the score because it gives the better pictures; in ours, on a small network, neither is a digit.
#
# **The class saliency map** asks the reverse: given a picture, which pixels would change the score? To first order $S_c(I)\approx w\cdot I+b$ with $w=\partial S_c/\partial I$, and the paper draws, pixel by pixel, the largest $|w|$ over the colours:

# %%
houses = scenes[scenes.labels == 1]
with torch.no_grad():
    houses = houses[scenes_cnn(houses.images).argmax(1) == 1]
saliency = attribution.gradient(scenes_cnn, houses.images[:60], 1).abs().amax(1)
axes = plot.grid([*houses.images[:5], *(saliency[:5] / saliency[:5].amax((1, 2), keepdim=True)).sqrt()], columns=5, size=1.8,
                 titles=["landscape", *[""] * 4, "max |∂S/∂I|, square root", *[""] * 4])
plot.describe(axes[0], "Five landscapes with a house, and below each its saliency map in grey: bright specks gather on the roof's edge and the walls, some lie elsewhere.")
house = houses.masks[:60][:, [houses.mask_names.index(n) for n in ("wall", "roof", "door", "window")]].any(1)
strongest = saliency.flatten(1) >= saliency.flatten(1).quantile(0.95, dim=1, keepdim=True)
print(f"of the 5 % most salient pixels {house.flatten(1)[strongest].float().mean():.0%} lie on the house, which covers {house.float().mean():.0%} of the picture")

# %% [markdown]
# **What to see.** Specks on the house and its outline, and some where there is no house. The paper cuts objects out of photographs with such maps; lectures 02 to 04 ask what may be read from them, and lecture 03 scores them against masks.

# %% [markdown]
# ## 6 · Regularisers
#
# **Claim.** What comes out of the search is decided as much by *how we search* as by the unit. Each way has its own idea of what a picture is, and its effect is a number, too: the grain of section 1.
#
# | name | what is done | idea |
# |---|---|---|
# | none | pixels between 0 and 1, nothing else | any picture will do |
# | L2 | $-\lambda\lVert x\rVert^2$ about mid-grey, $x$ the pixels minus ½ | few strong pixels |
# | total variation | $-\lambda\,\mathrm{TV}(x)$ (Mahendran, Vedaldi 2015) | neighbours are alike |
# | blur | the picture is blurred in every step, and with it the gradient | fine grain is invisible |
# | Fourier | climb in the waves' coefficients, the fast ones scaled down (Olah et al. 2017) | slow waves come first |
# | shaken | in each step the network sees the picture shifted, turned, scaled at random | the answer must survive it |
# | learned prior | climb in the code of a decoder learned from data; here 64 principal components of landscapes | the picture is like the data |
#
# A network gets by with high frequencies that pictures hardly contain; strided convolutions and pooling even add to them, since their gradients reach some pixels more often than others. First write three of these ways yourself.

# %% [markdown]
# ### Exercise 1.5 — total variation and its gradient ★★☆ · 10 min · 2 points
#
# The total variation of a picture is here the sum of the *squared* differences of neighbouring pixels, in both directions (the quadratic variant, β = 2 of Mahendran and Vedaldi 2015;
# the classical one, of Rudin, Osher and Fatemi 1992, has no square and keeps edges):
#
# $$\mathrm{TV}(x)=\sum_{i,j}\,(x_{i+1,j}-x_{i,j})^2+\sum_{i,j}\,(x_{i,j+1}-x_{i,j})^2 ,$$
#
# over all pairs that lie inside the picture: the last row has no neighbour below it. Write `variation_and_gradient(x)` for pictures `x` (N, H, W). Return two tensors: TV of each picture, (N,), and its
# gradient $\partial\,\mathrm{TV}/\partial x_{i,j}$, (N, H, W). By hand it is four lines, and worth it: what does a step *against* this gradient do to a picture?
#
# *Example.* For the picture `[[0., 1., 0.]]` (one row) TV is 2 and the gradient is `[[-2., 4., -2.]]`.


# %% nbgrader={"grade": false, "grade_id": "answer-1.5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def variation_and_gradient(x):
    """Σ (differences of neighbours)², and its gradient.  x (N, H, W) → (N,), (N, H, W)"""
    ### BEGIN SOLUTION
    down, right = x[:, 1:] - x[:, :-1], x[:, :, 1:] - x[:, :, :-1]
    gradient = torch.zeros_like(x)
    gradient[:, 1:] += 2 * down  # a difference pulls at both of its ends
    gradient[:, :-1] -= 2 * down
    gradient[:, :, 1:] += 2 * right
    gradient[:, :, :-1] -= 2 * right
    return down.square().sum((1, 2)) + right.square().sum((1, 2)), gradient
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-1.5", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("1.5", variation_and_gradient)


# %% [markdown]
# ### Exercise 1.6 — frequency-scaled Fourier pictures ★★★ · 15 min · 3 points
#
# A picture of H × W pixels is a sum of waves; each wave has a complex coefficient, and `torch.fft.irfft2` adds the waves up. Write `waves_to_image(real, imaginary, width, decay)`,
# which makes pictures from coefficients $a+ib$ and damps the fast waves on the way:
#
# $$x=\mathrm{irfft2}\big((a+ib)\cdot\max(f,f_{\min})^{-\text{decay}}\big),\qquad f=\sqrt{u^2+v^2},\qquad f_{\min}=\frac1{\max(H,W)} .$$
#
# - `real`, `imaginary` (N, H, W // 2 + 1) are $a$ and $b$. Half the columns are enough, as the picture is real.
# - $u$ is the frequency of a wave from row to row, `torch.fft.fftfreq(H)` (H,), and $v$ that from column to column, `torch.fft.rfftfreq(W)` (W // 2 + 1,), both in cycles per pixel.
# - The constant, the only wave slower than $f_{\min}$, has $f=0$ and gets the factor $f_{\min}^{-\text{decay}}$.
# - `width` is W, a whole number: it may be odd, which cannot be seen from the coefficients. `decay` is a number; 0 would damp nothing.
# - The transform is the orthonormal one, `norm="ortho"`.
#
# Return the pictures (N, H, W).


# %% nbgrader={"grade": false, "grade_id": "answer-1.6", "locked": false, "schema_version": 3, "solution": true, "task": false}
def waves_to_image(real, imaginary, width, decay):
    """Waves of coefficient (a + ib) · max(f, 1/max(H, W))^−decay.  a, b (N, H, W // 2 + 1) → (N, H, W)"""
    ### BEGIN SOLUTION
    height = real.shape[1]
    f = (torch.fft.fftfreq(height)[:, None] ** 2 + torch.fft.rfftfreq(width) ** 2).sqrt()  # (H, W // 2 + 1)
    gain = f.clamp_min(1 / max(height, width)) ** -decay
    return torch.fft.irfft2(torch.complex(real, imaginary) * gain, s=(height, width), norm="ortho")
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-1.6", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("1.6", waves_to_image)


# %% [markdown]
# ### Exercise 1.7 — jitter that does not leak ★★☆ · 9 min · 2 points
#
# Write `jitter(x, down, right, fill)`: the pictures `x` (N, H, W), moved `down` pixels down and `right` pixels to the right. Both are whole numbers of either sign (negative: up, left; 0: not at all), |down| < H and
# |right| < W. Pixels that come in at one side are the number `fill`; what goes out at the other side is lost, and must not come in again. Return (N, H, W).
#
# *Example.* `jitter(torch.tensor([[[1., 2.], [3., 4.]]]), 1, 0, 9.)` is `[[[9., 9.], [1., 2.]]]`.


# %% nbgrader={"grade": false, "grade_id": "answer-1.7", "locked": false, "schema_version": 3, "solution": true, "task": false}
def jitter(x, down, right, fill):
    """The pictures x (N, H, W) moved by whole pixels of either sign, fill coming in → (N, H, W)"""
    ### BEGIN SOLUTION
    height, width = x.shape[1:]
    padded = torch.nn.functional.pad(x, (abs(right), abs(right), abs(down), abs(down)), value=fill)
    top, left = abs(down) - down, abs(right) - right
    return padded[:, top:top + height, left:left + width]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-1.7", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("1.7", jitter)


# %% [markdown]
# Your three (the library's where a check did not pass) at work: noise after steps against the gradient of 1.5; the same random waves of 1.6 at four decays; a landscape moved by 1.7. Above the first two rows stands the grain.

# %%
variation_of, waves_of, moved, generator = answer("1.5"), answer("1.6"), answer("1.7"), torch.Generator().manual_seed(0)
x, pictures, titles = torch.rand(1, 64, 64, generator=generator), [], []
for i in range(31):
    if i in (0, 1, 5, 30):
        pictures.append(x[0])
        titles.append(f"step {i}: {features.fast_share(x[None]).item():.2f}")
    x = x - 0.1 * torch.as_tensor(variation_of(x)[1]).float()
a, b = torch.randn(2, 1, 64, 33, generator=generator)
for decay in (0, 0.5, 1, 2):
    waves = torch.as_tensor(waves_of(a, b, 64, decay)).float()
    pictures.append((waves[0] - waves.min()) / (waves.max() - waves.min()))  # between 0 and 1, for the eye
    titles.append(f"decay {decay}: {features.fast_share(waves[None]).item():.2f}")
for down, right in ((0, 0), (9, 0), (-6, 20), (0, -30)):
    pictures.append(torch.as_tensor(moved(scenes.images[30].mean(0, keepdim=True), down, right, 0.5))[0])
    titles.append(f"down {down}, right {right}")
axes = plot.grid(pictures, columns=4, size=1.35, titles=titles)
plot.describe(axes[0], "Three rows of four grey pictures: noise that is smoothed to an even grey in 30 steps; noise from waves that turns into soft clouds as the decay grows; "
                       "a tree in a landscape, moved in three ways, with even grey where it left.")

# %% [markdown]
# **What to see.** A step against the gradient of TV is a blur: it takes the fast waves first, and in the end all. The decay does the same to the fast waves, but to the *start* and to the *steps*, not to the picture that is reached: a large
# coefficient can still bring any wave back. And the jitter lets nothing in at the other side.
#
# **Picture.** One toggle at a time, and then three together: the scores of the four classes of `scenes-cnn` are climbed at once, each in a picture of its own, from the same starts. Shown is *house*, after 12, 24 and 36 steps. Above each
# picture: its grain · its score.

# %%
prior = features.principal_components(data.scenes(n=400, seed=1, masks=False).images, 64)
variation, pull = features.variation(), features.Objective((features.objectives.PICTURE,), lambda acts: (acts[features.objectives.PICTURE] - 0.5).flatten(1).square().sum(1))
shaken = {"jitter": 6, "rotate": 10.0, "scale": 0.1}
ways = {"none": {}, "L2": {"minus": 0.1 * pull}, "total variation": {"minus": 0.01 * variation}, "blur": {"blur": 1.0}, "Fourier": {"parameters": features.Fourier()},
        "shaken": shaken, "learned prior": {"parameters": prior, "bounds": None}, "Fourier, shaken, TV": {"parameters": features.Fourier(), "minus": 0.01 * variation, **shaken}}


def score_of(x, unit):
    """The score of the picture as one sees it, between 0 and 1 (the learned prior's go beyond)."""
    with torch.no_grad():
        return scenes_cnn(x.clamp(0, 1))[torch.arange(len(x)), unit]


four, last, pictures, titles = torch.arange(4), {}, [], []
for name, way in ways.items():
    way = {"bounds": (0, 1), **way}
    objective = features.logit(four) - way.pop("minus") if "minus" in way else features.logit(four)
    for found in list(features.ascend(scenes_cnn, objective, (3, 64, 64), n=4, steps=36, every=12, **way))[1:]:
        x, last[name] = found.images.clamp(0, 1), found.images
        pictures.append(x[1])
        titles.append(f"{name if found.step == 12 else ''}\n{features.fast_share(x)[1].item():.2f} · {score_of(x, four)[1].item():.0f}")
axes = plot.grid(pictures, columns=6, size=1.4, titles=titles)  # two ways a row
plot.describe(axes[0], "Eight ways of searching, three pictures each, after 12, 24 and 36 steps. Without a regulariser dark strokes in coloured noise; with total variation and blur the same strokes in calmer surroundings; "
                       "with Fourier and with all three, bold dark eaves over light walls and little noise; with the learned prior a blurred landscape with a dark roof in the middle.")

# %% [markdown]
# **What to see.** One motif in every way of searching: something dark and flat above something light, *eaves over a wall*. That is what `scenes-cnn` calls a house, and section 2's patches agree. Around it each regulariser draws what it
# likes: noise, calm, broad waves, a landscape. Only the learned prior puts *one* roof where houses stand, and this knowledge comes from the prior, not from the network. Fourier's white ground comes from its slowest wave, which is the cheapest. And the score pays for every regulariser: nothing adds to it as noise does.
#
# **As numbers**, the mean over all four classes at the end:

# %%
rows = {}
for name, (x, unit) in {**{name: (x.clamp(0, 1), four) for name, x in last.items()}, "real landscapes": (scenes.images[:200], scenes.labels[:200])}.items():
    with torch.no_grad():
        said = scenes_cnn(x).argmax(1)
    rows[name] = {"grain": features.fast_share(x).mean().item(), "score": score_of(x, unit).mean().item(), "recognised": (said == unit).float().mean().item()}
grains = {k: v["grain"] for k, v in rows.items()}
display(pd.DataFrame(rows).T.style.set_uuid("v9").format({"grain": "{:.3f}", "score": "{:.1f}", "recognised": "{:.0%}"}))
free = last["learned prior"]
with torch.no_grad():
    named = [scenes.classes[k] for k in scenes_cnn(free.clamp(0, 1)).argmax(1)]
pd.DataFrame({"brightness with Fourier": last["Fourier"].mean((1, 2, 3)), "of real landscapes": [scenes.images[scenes.labels == k].mean().item() for k in four],
              "learned prior: values outside 0 … 1": ((free < 0) | (free > 1)).float().mean((1, 2, 3)), "taken for": named}, index=scenes.classes).style.set_uuid("v12").format(
    {"brightness with Fourier": "{:.2f}", "of real landscapes": "{:.2f}", "learned prior: values outside 0 … 1": "{:.0%}"})

# %%
lower = {k: grains[k] / grains["none"] for k in ("total variation", "blur", "Fourier", "shaken", "learned prior")}
Markdown("Against no regulariser the grain is " + ", ".join(f"× {v:.2f} with {k}" for k, v in lower.items())
         + f"; with an L2 penalty × {grains['L2'] / grains['none']:.2f}.")

# %% [markdown]
# **What to see.** All lower the grain, an L2 penalty by far the least: a weak picture need not be a smooth one. Real landscapes are as smooth as the prior's pictures; only all three ways together overshoot. The second table, by class: with Fourier
# the classes without trees turn brighter than real landscapes and those with trees darker, though the real ones of all four classes are about equally bright. For this network brightness speaks against trees, and the slowest wave makes use of it. The learned prior's code has no bounds, and for
# trees much of what it says lies outside 0 … 1 and is cut off before we measure; its one failure is *trees*, taken for a house with trees.
#
# The ways differ in what they leave possible. Fourier changes only the coordinates in which we climb: every picture can still be
# reached, but the steepest way leads elsewhere. A penalty makes some pictures dearer. Blur and the prior make most pictures impossible: 64 numbers span a small part of all pictures, and grain is not in it. The number cannot tell the two apart: blur and Fourier have the same grain.

# %% [markdown]
# ## 7 · Objectives
#
# **Claim.** “What does it look for?” needs an *it*. One neuron, a channel, a whole layer, a direction, a class: each is an objective, and each gives another picture of the same network (Olah et al. 2017).
#
# **Formula.** With $a_{k}(i,j)$ the activation of channel $k$ at place $(i,j)$ of a layer's map:
#
# | objective | to be maximised |
# |---|---|
# | neuron | $a_k(i,j)$ at one place |
# | channel | the mean of $a_k$ over all places |
# | layer | the mean of $a_k(i,j)^2$ over everything, behind the ReLU: make *more of whatever is there* (DeepDream) |
# | direction | $\sum_k v_k a_k(i,j)/\lVert v\rVert$, mean over places; $v$ need not be an axis |
# | class score | $S_c$ |
#
# The direction here is the one from pictures without a house to pictures with one: the difference $v$ of the mean activations. The neuron and the channel are those with the largest $v_k$.

# %%
layer, some, calm = "features.9", scenes[:200], {"bounds": (0, 1), "parameters": features.Fourier(), "jitter": 4, "rotate": 10.0, "scale": 0.1}
means = features.responses(scenes_cnn, layer, some.images).mean((2, 3))
with_house = (some.labels == 1) | (some.labels == 3)
v = means[with_house].mean(0) - means[~with_house].mean(0)
strongest = v.argmax().item()
objectives = {f"neuron {strongest}": features.neuron(layer, strongest), f"channel {strongest}": features.channel(layer, strongest), "all of features.10": features.layer("features.10"),
              "direction “house”": features.direction(layer, v), "direction “no house”": features.direction(layer, -v), "class score “house”": features.logit(1)}
found = {name: features.maximize(scenes_cnn, objective, (3, 64, 64), steps=48, **calm).images for name, objective in objectives.items()}
with torch.no_grad():
    said = {name: scenes.classes[scenes_cnn(x).argmax()] for name, x in found.items()}
axes = plot.grid([x[0] for x in found.values()], columns=3, size=2.1, titles=[f"{name}\n→ {said[name]}" for name in found])
plot.describe(axes[0], "Six pictures: a small motif in the middle for the neuron, the motif repeated for the channel, a mix of shapes for the layer, "
                       "white patches under dark bars for the direction house, nearly white for no house, and dark strokes over light for the class score.")

# %% [markdown]
# **What to see.** The neuron's motif stands in the middle, in its field of 40 × 40 pixels (the smooth rest is the Fourier waves' spill), the channel's everywhere. But neuron, channel, layer, direction “house” and class score all show the same: dark eaves
# over something white. So here the claim holds only in part: the objectives differ in *where* and *how much*, and the texture is common to them. Below each name stands what the network takes the picture for. It calls nearly every strong texture
# a house with trees, so this tells little of the unit. “No house” is no failure of the plot: an empty, bright picture is what has nothing on the grass.
# **DeepDream** starts from a picture instead of noise. It makes more of what the layer already finds there, and what it finds depends on the picture:

# %%
chosen = scenes.images[[(scenes.labels == k).nonzero()[2, 0].item() for k in range(4)]].clamp(0.02, 0.98)  # nothing, house, trees, both
dreams = features.maximize(scenes_cnn, features.layer("features.10"), (3, 64, 64), n=4, start=torch.logit(chosen), bounds=(0, 1), rate=0.05, jitter=4, steps=40).images
with torch.no_grad():
    before, after = (scenes_cnn(x).softmax(1) for x in (chosen, dreams))
titles = [f"{scenes.classes[p.argmax()]}, {p.max():.0%}" for p in (*before, *after)]
axes = plot.grid([*chosen, *dreams], columns=4, size=1.9, titles=titles)
plot.describe(axes[0], "Above four landscapes, below the same after the dream: dark bars on windows, door and eaves of the houses, specks on the crowns of the trees, and on the empty meadow tree-like columns at the border.")

# %% [markdown]
# **What to see.** The house gets more of its eaves, windows and door, the trees coarse dark specks on their crowns. Then read the titles: two of the four answers changed. On the empty meadow
# the layer makes something of the little it finds, columns of coloured noise at the border of the picture, and the network calls them trees. And the trees of the third picture become a house with trees, where we see no house at all. Here what the network believes and what we see part.

# %% [markdown]
# **Several facets of one unit.** Starting several searches for one channel gives several pictures, but are they different *answers*? A **diversity** term takes away what they share: it subtracts the mean cosine
# between the pictures' Gram matrices $G=AA^\top$, where $A$ holds the layer's activations, channels × places. (So it compares textures, wherever they are in the picture.) Three weights $w$:

# %%
show_source(features.diversity)

# %%
pictures, titles = [], []
for weight in (0, 4, 8):
    objective = features.channel(layer, strongest) + weight * features.diversity(layer)
    x = features.maximize(scenes_cnn, objective, (3, 64, 64), n=4, steps=32, seed=1, **calm).images
    acts = features.responses(scenes_cnn, layer, x)
    alike, value = -features.diversity(layer)({layer: acts}).mean(), acts[:, strongest].mean((1, 2))
    pictures += list(x)
    titles += [f"w = {weight}: alike {alike:.2f}\nvalue {v:.1f}" if i == 0 else f"\nvalue {v:.1f}" for i, v in enumerate(value)]
axes = plot.grid(pictures, columns=4, size=1.5, titles=titles)
plot.describe(axes[0], "Three rows of four pictures of one channel. Without the term and with a weight of 4 all show the same strokes; with 8 two become quite different and one emptier, and their values drop.")
print(f"mean of channel {strongest} over a landscape, the largest of {len(means)} real ones: {means[:, strongest].max():.2f}")

# %% [markdown]
# **What to see.** Without the term: four times the same texture, and with a weight of 4 still (the fourth gets darker). From some weight on the pictures differ, but look at the values: those that differ most leave the channel altogether, at values near 0,
# and the one in between (weight 8, the third) has the same strokes, only fewer.
# A second facet would be a picture that differs and whose value stays high; at these weights we found none. The price is not paid bit by bit: below that weight the term does next to nothing, above it single pictures are given up. Always print the value.

# %% [markdown]
# ## Live: layer × unit × objective × regularisers
#
# Press play. The picture forms while you watch, and begins anew the moment you pick another unit. (The layers are named as in this notebook, and the orange number is the grain. The blue one compares with the best real picture at the length of a *whole* picture; the table of section 3
# gave the search only the length of the patch, so its factors are smaller.) Find a unit whose picture you can name, then take its regularisers away one by one: what remains?

# %% tags=["demo"]
demos.get("01").show()

# %% [markdown]
# **With a network trained on photographs**, where its weights are on this machine (`xaikit.zoo.imagenet` gets them once there is a network). Fourier and shaken together, ten classes in one batch.

# %%
try:
    squeezenet, preprocess, names = zoo.imagenet("squeezenet1_1")
except OfflineError as error:
    print(f"Not here: {error}")
else:
    from torchvision.transforms.v2 import Normalize

    network, classes = torch.nn.Sequential(Normalize(preprocess.mean, preprocess.std), squeezenet), torch.tensor([1, 130, 207, 291, 340, 417, 487, 555, 817, 954])
    x = features.maximize(network, features.logit(classes), (3, 128, 128), n=10, steps=48, bounds=(0, 1), parameters=features.Fourier(),
                          jitter=12, rotate=10.0, scale=0.1).images
    with torch.no_grad():
        said = network(x).argmax(1)
    axes = plot.grid(list(x), columns=5, size=1.9, titles=[names[c].split(",")[0] + (" ✓" if c == k else f", taken for {names[k]}") for c, k in zip(classes, said, strict=True)])
    plot.describe(axes[0], "Ten pictures from noise, one for each class, with parts of animals and things repeated all over.")
    display(Markdown("**What to see.** Beaks, eyes, manes and stripes appear, the same ones several times and in no order: this network, too, averages over places."))

# %% [markdown]
# ## Paper against here
#
# What the sources claim, and what came out on our networks and data, computed in this moment.

# %%
paper = claims.table("01")
claims.styled(paper.drop(columns="lecture"))

# %% [markdown]
# **To take along.**
# * A unit's best patches show what it likes *in the data*, its maximum shows *what it computes*. They are answers to two questions.
# * A picture that maximises a unit is made by the unit and by the regulariser. Say which one you used; show the value beside the picture.
# * Always run the control: shuffled weights, random filters, several starts. Beside it “one answer from all starts” turned out to hold without any learning, and “samples look like digits” to hold of averages, too.
