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
# # 08 · Dissection: which unit draws the tree?
#
# A network has a hundred units in a layer. Does one of them stand for “tree”? The first answer compares: where
# is the unit active, where are the trees? That is *network dissection*. It finds units that go *with* trees,
# and says nothing about what they *do*. In a network that **draws**, one can ask more: switch the unit off and
# see whether the trees go. That is *GAN dissection*, and it ends with a brush that paints trees by switching
# units on.
#
# | | |
# |---|---|
# | **You will be able to** | score a unit against a concept by IoU, with a control · find a quantile in a stream · switch units off and on, and measure the causal effect · tell correlation from cause in a network · find directions of a latent space without training · invert and edit a picture |
# | **Time** | 110 minutes, of which 51 for the six exercises |
# | **Builds on** | hooks and feature maps (lecture 01); nothing else |
# | **Sources** | Bau, Zhou et al. 2017, *Network Dissection*; Zhou, Bau et al. 2018, *Interpreting Deep Visual Representations via Network Dissection*; Bau et al. 2019, *GAN Dissection*; Shen, Zhou 2021, *Closed-Form Factorization of Latent Semantics in GANs* (“SeFa”); Peebles et al. 2020, *The Hessian Penalty* |

# %%
import numpy as np
import pandas as pd
import torch

from xaikit import claims, data, demos, dissect, evaluate, hooks, plot, studies, zoo
from xaikit.exercises import answer, check
from xaikit.source import show_source
from xaikit.studies import dissected
from xaikit.studies.dissected import best_units

# %% [markdown]
# ## 1 · A network that draws
#
# **Claim.** A generator learns, from pictures alone and without any label, to draw scenes that a segmenter
# and a classifier take for real ones.
#
# A **generator** is a network $G$ that turns a **latent code** $z\in\mathbb R^{64}$, drawn from
# $\mathcal N(0, I)$, into a picture $x=G(z)$. Ours was trained against a *critic* that tells its pictures from
# the drawn scenes of the earlier lectures (a generative adversarial network); it has never seen a mask or a
# label. A linear map turns $z$ into maps of $4\times4$ places, `block4` (128 units); four blocks follow, each of which
# doubles the height and width: `block8` (96 units), `block16` (64), `block32` (32), `block64` (16); and `rgb`
# makes three colours of the last.
#
# To know *what* it draws we need masks. For drawn scenes they are known; for generated ones a **segmenter**
# names, for each pixel, one of twelve objects. It learned on drawn scenes, where it is right for 99.5 % of
# the pixels; on a generated picture its word is a measurement, not the truth.

# %%
G, segmenter = zoo.load("scenes-gan"), zoo.load("scenes-segmenter")
real = data.scenes(60, seed=88)
CONCEPTS = real.mask_names
see = dissect.seen_by(segmenter, CONCEPTS)
z = G.codes(160, seed=8)
with torch.no_grad():
    drawn = torch.cat([G(part) for part in z.split(80)])
seen = see(drawn)
# each object in its mean colour, so that a map of objects reads like a picture
PALETTE = torch.einsum("nxhw,nchw->cx", real.images, real.masks.float()) / real.masks.sum((0, 2, 3))[:, None]
PALETTE = (PALETTE * 255).byte().numpy()


def coloured(masks):
    """Masks (C, H, W) bool as a picture (H, W, 3) uint8, a colour for each concept."""
    return PALETTE[masks.byte().argmax(0).numpy()]


rows = [[plot.tile(x) for x in real.images[:10]], [plot.tile(x) for x in drawn[:10]], [coloured(m) for m in seen[:10]]]
ax = plot.sheet(rows, labels=["real", "generated", "as segmented"], size=0.85)
plot.describe(
    ax,
    "Ten drawn scenes with houses, trees, suns and paths; ten generated scenes of the same kind, a little softer, "
    "one with two suns, one with fused trees; below them what the segmenter sees in the generated ones, each "
    "object in its mean colour.",
)

# %% [markdown]
# **What to see.** The generated scenes have skies, suns, houses with roof and door, paths that lead to doors,
# trees on trunks. Look for faults, too: two suns in one sky, trees that have grown together.
#
# How good is it, in numbers? Two measures. First, **areas**: is each object as common as in real scenes?
# Second, the **Fréchet distance** of real and generated pictures in the features of a classifier
# (`scenes-cnn`, the means of its last maps): with means $\mu$ and covariances $\Sigma$ of two sets of features,
#
# $$d^2=\lVert\mu_a-\mu_b\rVert^2+\operatorname{tr}\big(\Sigma_a+\Sigma_b-2(\Sigma_a\Sigma_b)^{1/2}\big).$$
#
# Two samples of the *same* distribution are not at zero, so real against real stands beside it.

# %%
classifier = zoo.load("scenes-cnn")
card, card_penalty = zoo.card("scenes-gan"), zoo.card("scenes-gan-hessian")
print(f"{card['test_items']} pictures: Fréchet distance of generated to held-back real scenes {card['score']:.3f}, of other real "
      f"scenes {card['real_against_real']:.3f}")
areas = pd.DataFrame(card["areas"], index=["generated", "real"]).T.sort_values("real", ascending=False)
areas["ratio"] = areas.generated / areas.real
areas.style.format("{:.2%}").format("{:.2f}", subset="ratio").set_uuid("areas")

# %% [markdown]
# These numbers come with the weights: on the few dozen pictures that a notebook can draw in a moment they would
# mostly measure how many houses there happen to be. **What to see.** The generated set is farther from the
# real one than another real set is, by two thirds. No object's area is off by more than a tenth; most
# of the smaller objects are a little short. Good enough to be worth dissecting, and not perfect.
#
# ## 2 · What do the units of a classifier detect?
#
# **Claim.** (Bau, Zhou et al. 2017) Many units of a network that was trained for one task detect concepts
# nobody asked for; the share grows with depth; and it has to do with the *axes*: random directions of the
# same layer detect less.
#
# Let $A_k(x)$ be the activation map of unit $k$ for picture $x$, and $T_k$ the threshold that it exceeds at a
# share of 1 % of all places over the data set, $P(a_k>T_k)=0.01$ (the paper takes 0.5 %; our pictures are
# fewer and smaller). Enlarge the map to the picture's size; the unit's mask is $M_k(x)=\{A_k(x)>T_k\}$. With
# $L_c(x)$ the true mask of concept $c$,
#
# $$\mathrm{IoU}_{k,c}=\frac{\sum_x|M_k(x)\cap L_c(x)|}{\sum_x|M_k(x)\cup L_c(x)|}.$$
#
# A unit **detects** $c$ if $c$ is its best concept and $\mathrm{IoU}_{k,c}>0.04$ (the paper's level). The sums run
# over all pictures *before* the division.

# %% [markdown]
# ### Exercise 8.1 — How well a unit fits a concept ★☆☆ · 5 min · 1 point
#
# Write `iou(maps, masks, threshold)`: maps (N, H, W) are already enlarged, masks (N, H, W) are bool. Over all
# pixels of all pictures together: the number where maps > threshold **and** the mask holds, divided by the
# number where at least one of the two holds; 0 if there are none. Returns a number.

# %% nbgrader={"grade": false, "grade_id": "answer-8.1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def iou(maps, masks, threshold):
    """|maps > t ∩ masks| / |maps > t ∪ masks| over all images together.  (N, H, W), (N, H, W) bool → number"""
    ### BEGIN SOLUTION
    active, there = maps > threshold, masks.bool()
    return (active & there).sum() / (active | there).sum().clamp(min=1)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check-8.1", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
check("8.1", iou)
iou = answer("8.1")

# %% [markdown]
# The threshold is a quantile over *all* places of *all* pictures. For real data sets that is more than fits
# into memory: Bau et al. have tens of thousands of pictures, 256 units and 169 places in each map: $10^9$ numbers and more.
# It must be found while they stream by.
#
# ### Exercise 8.2 — A quantile in a stream ★★★ · 18 min · 3 points
#
# Write `streaming_quantile(batches, q, bins)`: the $q$-quantile of each of $U$ units over the rows of all
# batches (n, U), off by at most (largest − smallest value of the unit) / `bins`. You may run through `batches`
# more than once (`for batch in batches:` each time), but a batch is **overwritten** when the next one comes,
# so keep counts: a real layer's rows do not fit into memory. Returns (U,). A unit may be constant.

# %% nbgrader={"grade": false, "grade_id": "answer-8.2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def streaming_quantile(batches, q, bins):
    """The q-quantile of each of U units over all rows of the batches (n, U), within a bin's width.  → (U,)"""
    ### BEGIN SOLUTION
    low = torch.stack([batch.amin(0) for batch in batches]).amin(0)
    high = torch.stack([batch.amax(0) for batch in batches]).amax(0)
    width = ((high - low) / bins).clamp(min=1e-30)
    counts = torch.zeros(len(low), bins)
    for batch in batches:
        place = ((batch - low) / width).long().clamp(0, bins - 1)
        counts.scatter_add_(1, place.T, torch.ones_like(batch).T)
    first = (counts.cumsum(1) < q * counts.sum(1, keepdim=True)).sum(1)  # the bin in which the share q is reached
    return torch.minimum(low + (first + 0.5) * width, high)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check-8.2", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("8.2", streaming_quantile)
streaming_quantile = answer("8.2")

# %% [markdown]
# The library does the same in one pass, with a sketch whose bins follow the values, and turns every
# intersection of the layer into **one matrix product**: the units' masks (pixels × units) times the concepts'
# (pixels × concepts). Beside each IoU stands its **control**: the overlap with the masks of *another*
# picture. Houses stand near the middle in every picture, so a unit that fires near the middle overlaps with
# houses it never saw. Only what exceeds the control says that the unit has looked.
#
# Mind a ceiling, too: a mask of 1 % of the pixels cannot fill a sky. Its IoU is at most its area over the
# concept's: about .02 for sky and .03 for grass, which can therefore hardly pass .04 here, about .3 for clouds and crowns.
# (Hardly: brought to the size at which masks are compared, 1 % of the places can become 2 % of the pixels.)

# %%
show_source(dissect.units, dissect.detectors)

# %%
scenes, LAYERS = dissected.scenes(), dissected.LAYERS
show_source(dissected.classifier_table)

# %%
tables = {name: dissected.classifier_table(layer) for layer, name in LAYERS.items()}
found = {name: dissect.detectors(table) for name, table in tables.items()}
# the detectors of two networks of the same build that have learned nothing
untrained = {name: [dissected.classifier_table(layer, untrained=seed) for seed in (0, 1)] for layer, name in LAYERS.items()}
summary = pd.DataFrame({
    name: {"units": table.unit.nunique(), "detectors": len(found[name]), "share": len(found[name]) / table.unit.nunique(),
           "concepts": found[name].concept.nunique(), "detectors, control": len(dissect.detectors(table, column="control")),
           "untrained": ", ".join(str(len(dissect.detectors(t))) for t in untrained[name]),
           "best IoU": table.iou.max(), "its control": table.control[table.iou.idxmax()],
           "best IoU, untrained": max(t.iou.max() for t in untrained[name])}
    for name, table in tables.items()}).T.rename_axis("layer")
decimals = ["best IoU", "its control", "best IoU, untrained"]
summary.style.format("{:.2f}", subset=decimals).format("{:.0%}", subset="share").set_uuid("layers")

# %% [markdown]
# Detectors of *what*? Each entry: how many the layer has for the concept, and in brackets how many the two untrained
# networks have.

# %%
def counts(concept, name):
    """How many detectors of a concept a layer has: trained (untrained, untrained)."""
    mine, *others = ((d.concept == concept).sum() for d in [found[name], *map(dissect.detectors, untrained[name])])
    return f"{mine} ({', '.join(map(str, others))})"


# the deeper layers have smaller maps: the same with all maps averaged to layer 4's 8 × 8 places, and to layer 5's 4 × 4
for places, factors in ((8, {"features.7": 2, "features.10": 1}), (4, {"features.7": 4, "features.10": 2, "features.13": 1})):
    alike = {layer: dissected.classifier_table(layer, pooled=factor) for layer, factor in factors.items()}
    print(f"share of detectors, maps of {places} × {places} places:",
          {f"layer {LAYERS[k]}": f"{len(dissect.detectors(t)) / t.unit.nunique():.0%}" for k, t in alike.items()})
pd.DataFrame({f"layer {name}": [counts(c, name) for c in CONCEPTS] for name in tables}, index=CONCEPTS)

# %% [markdown]
# For six concepts, the best unit among those that detect it, whatever its layer, on the three pictures where it covers
# most: outside its mask they are dimmed.

# %%
best = pd.concat([t.assign(layer=layer) for layer, t in zip(LAYERS, found.values(), strict=True)], ignore_index=True)
best = best.loc[best.groupby("concept").iou.idxmax()].sort_values("iou", ascending=False).head(6)


def lit(picture, mask):
    """A picture (3, H, W) as (H, W, 3) uint8, dimmed outside the mask (H, W) bool."""
    return (plot.tile(picture) * np.where(mask[..., None], 1, 0.3)).astype(np.uint8)


def masked(layer, unit, threshold, pictures, count=3):
    """The ``count`` pictures where the unit's mask is largest, with this mask."""
    with hooks.record(classifier, layer) as seen_maps, torch.no_grad():
        classifier(pictures)
    maps = torch.nn.functional.interpolate(seen_maps[layer][:, unit, None], pictures.shape[2:], mode="bilinear")[:, 0]
    top = (maps > threshold).sum((1, 2)).topk(count).indices
    return [lit(pictures[i], maps[i] > threshold) for i in top]


rows = [masked(r.layer, r.unit, r.threshold, scenes.images) for r in best.itertuples()]
labels = [f"{r.concept} · layer {LAYERS[r.layer]}, unit {r.unit}\nIoU {r.iou:.2f}, control {r.control:.2f}" for r in best.itertuples()]
half = len(rows) // 2
fig, axes = plot.subplots(1, 2, size=(9.6, 4.4))
for part, ax in zip((slice(0, half), slice(half, None)), axes, strict=True):
    plot.sheet(rows[part], labels=labels[part], ax=ax)
plot.describe(
    fig,
    "Six rows of three scenes, one row for the best unit of each of six concepts, dimmed outside the unit's mask; what is "
    "lit are clouds, parts of roofs, pairs of crowns, a window with the wall beside it, thin edges at doors, trunks with "
    "the grass around them.",
)

# %% [markdown]
# **What to see.** The classifier was asked for one of four labels: nothing, house, trees, house with trees. Nobody asked
# for a crown, a roof or a window, and its units found them. But these are the parts that tell the labels apart. Of what
# no label needs, its layers have nothing for sky, sun, mountain and grass, and for clouds two detectors in layer 1, one
# in layer 2 and none above. The *untrained* networks, of the same build with random weights, have more clouds than that,
# up to six in a layer: a filter that answers to brightness or a colour has clouds and paths for nothing. (Their few skies
# and meadows match hardly better than the control.) Training takes these away and puts parts of houses and trees in
# their place. In layers 1 and 2 the untrained have about half as many detectors; the difference is largest in
# layers 3 to 5. Even there a single number can mislead: in layer 4 the best overlap of all is an untrained unit's, with a path.
#
# The share of detectors rises to layer 3, drops, and rises again. The maps become coarser, too ($16\times16$, $8\times 8$
# and $4\times 4$ places in layers 3, 4 and 5), and a coarse mask fits small objects badly. The two printed lines take this out:
# with $4\times4$ places in all three, layer 5 has by far the largest share; but layer 4 has less than layer 3 at
# any size. The control has hardly any detector: for these objects place alone does not make one.
#
# That the masks cover only a part of a crown or a cloud is in part the 1 %.
#
# **Are the axes special?** Turn the layer: replace the units by directions, $Q\,a$ with a random rotation $Q$.
# The information is the same, and a linear layer above could undo it. If detectors came from the *space*, there
# would be as many. Five rotations of layers 3 and 4:

# %%
rng_seeds = range(5)
def unique(layer, seed=None):
    """How many concepts have a detector: the paper's unique detectors."""
    return dissect.detectors(dissected.classifier_table(layer, seed)).concept.nunique()


turned = pd.DataFrame([
    {"layer": LAYERS[layer], "units: detectors": len(dissect.detectors(dissected.classifier_table(layer))),
     "units: unique": unique(layer), "directions: unique": ", ".join(str(unique(layer, s)) for s in rng_seeds),
     "units: mean best IoU": dissected.classifier_table(layer).groupby("unit").iou.max().mean(),
     "directions: detectors": f"{np.mean(n):.1f} ± {np.std(n, ddof=1):.1f}",
     "directions: mean best IoU": f"{np.mean(m):.3f} ± {np.std(m, ddof=1):.3f}"}
    for layer in ("features.7", "features.10")
    for n, m in [([len(dissect.detectors(dissected.classifier_table(layer, s))) for s in rng_seeds],
                  [dissected.classifier_table(layer, s).groupby("unit").iou.max().mean() for s in rng_seeds])]]).set_index("layer")
turned.style.format("{:.3f}", subset=["units: mean best IoU"]).set_uuid("turned")

# %% [markdown]
# **What to see.** No loss at all. The random directions of both layers have as many detectors as the units, or
# more, for as many different concepts, and the same mean overlap. In the large networks of the paper a full rotation costs four fifths of the
# unique detectors. Why not here? Our network is small, and so are the concepts: a roof is a red patch with
# an edge, and many mixtures of feature maps are high there. The claim is about networks that had reason to
# give a concept a unit of its own; this one had not. (The rotated maps lose the ReLU's zeros, too; the thresholds
# are found anew for each direction.)
#
# ## 3 · Dissecting the generator
#
# **Claim.** (Bau et al. 2019) Units of a generator match objects, most of all in the middle layers, though no
# label has been shown to it.
#
# Now $A_k(z)$ is the map of unit $k$ inside the generator, and $L_c$ what the segmenter sees in the picture.
# A fixed quantile is a poor threshold here: grass covers a third of every picture, and a unit that draws it
# must be on in a third of the places. Bau et al. choose, for each unit and concept, the threshold with the
# largest **information-quality ratio**, the mutual information of the two masks as a share of their joint
# entropy,
#
# $$\mathrm{IQR}_{k,c}=\frac{I(M_k;L_c)}{H(M_k,L_c)}\in[0,1],$$
#
# where $M_k$ and $L_c$ are read as two yes-or-no questions about a pixel. It is chosen on every second
# picture and the IoU is measured on the others, so that the choice does not flatter itself. (*Which* unit is best is
# still read off the half that measures it, here and in section 2: that flatters a little.)

# %%
show_source(dissected.generator_table)

# %%
blocks = {block: dissected.generator_table(block) for block in dissected.BLOCKS}
peaks = pd.DataFrame({layer: table.groupby("concept").iou.max() for layer, table in blocks.items()})
peaks = peaks.loc[peaks.max(axis=1).sort_values(ascending=False).index].rename_axis("best IoU of a unit")
for layer, table in blocks.items():
    n, control = (dissect.detectors(table, 0.2, column) for column in ("iou", "control"))
    print(f"{layer:8}{table.unit.nunique():4} units; IoU above .2: {n.concept.nunique():2} concepts "
          f"(against another picture's masks: {control.concept.nunique()})")
peaks.style.format("{:.2f}").background_gradient(cmap="Greens", vmin=0, vmax=1, axis=None).set_uuid("peaks")

# %% [markdown]
# The units themselves: one row for each of six objects, its best unit in `block16`, where it is on.

# %%
LARGE = torch.nn.Upsample(scale_factor=4, mode="bilinear")
with hooks.record(G, "block16") as inside, torch.no_grad():
    G(z[:160])
rows, labels = [], []
for concept in ("crown", "cloud", "sun", "grass", "roof", "door"):
    unit = best_units(blocks["block16"], concept, 1).iloc[0]
    maps = LARGE(inside["block16"][:, unit.unit, None])[:, 0]
    top = (maps > unit.threshold).sum((1, 2)).topk(6).indices
    rows.append([lit(drawn[i], maps[i] > unit.threshold) for i in top])
    labels.append(f"{concept} · unit {unit.unit}\nIoU {unit.iou:.2f}, control {unit.control:.2f}")
ax = plot.sheet(rows, labels=labels, size=0.95)
plot.describe(
    ax,
    "Six rows of six generated scenes, dimmed outside a unit's mask. The mask follows tree crowns, clouds, suns and the "
    "meadow closely; the roof's unit covers the eaves and bits of the meadow, the door's the front of the house.",
)

# %% [markdown]
# **What to see.** Nobody told the generator what a tree is, and still single units of the middle blocks are on
# just where the crowns, clouds and suns will be, long before there are pixels. For the parts of the house no
# single unit is as clear. The meadow's and the sky's numbers look best, and mean least: their control is high
# as well (the meadow's stands beside its row), since every picture has grass below and sky above.

# %% [markdown]
# ## 4 · Switching units: from correlation to cause
#
# **Claim.** (Bau et al. 2019) Units that match a concept also *make* it: switched off, the object goes and the
# rest of the picture stays; switched on at a place, the object comes, unless the surroundings do not allow it.
#
# A match is a correlation. To see what units do, we change them and let the rest of the generator go on:
# write $r$ for the maps of a layer, $f$ for the blocks above, and $U$ for a set of units. **Ablation** puts
# $r_U=0$, everywhere or at the places $P$; **insertion** puts $r_{U,P}=k$, where $k_u$ is the mean of unit $u$
# where the concept is seen.

# %% [markdown]
# ### Exercise 8.3 — Units switched off ★★☆ · 8 min · 2 points
#
# Write `ablated(model, layer, units, x)`: the output `model(x)` while the channels `units` (a list of numbers,
# maybe empty) of the output (N, C, H, W) of the module named `layer` (as in `model.get_submodule(layer)`) are 0.
# Afterwards the model is what it was, its mode and other hooks too, also when `model(x)` raises an error, which is
# to go on to the caller. (Lecture 01's `hooks.edit` is allowed; so is a hook of your own.)

# %% nbgrader={"grade": false, "grade_id": "answer-8.3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ablated(model, layer, units, x):
    """model(x) with the channels ``units`` of the layer's output at 0; the model is afterwards what it was."""
    ### BEGIN SOLUTION
    def switch_off(output):
        output = output.clone()
        output[:, units] = 0
        return output

    with hooks.edit(model, {layer: switch_off}):
        return model(x)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check-8.3", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("8.3", ablated)
ablated = answer("8.3")

# %% [markdown]
# Below, the eight units of `block8` with the largest IoU for “crown” are switched off everywhere, and, as a
# control, eight units drawn at random. One random draw proves nothing, as the table will show.

# %%
table = blocks["block8"]
with_trees = seen[:, CONCEPTS.index("crown")].float().mean((1, 2)).topk(9).indices
crown = best_units(table, "crown", 8).unit.tolist()
chance = dissect.random_sets(96, 8, 5, seed=4, without=crown)
with torch.no_grad():
    versions = {"as drawn": G(z[with_trees]), "crown units off": ablated(G, "block8", crown, z[with_trees]),
                "random units off": ablated(G, "block8", chance[0], z[with_trees]),
                "other random units off": ablated(G, "block8", chance[1], z[with_trees])}
ax = plot.sheet([[plot.tile(x) for x in v] for v in versions.values()], labels=list(versions), size=0.85)
plot.describe(
    ax,
    "Nine scenes with trees; the same with most of their crowns gone, a pale smear or a small wreck of a tree where they "
    "stood; and twice with eight random units off, which keeps the trees.",
)

# %%
show_source(dissected.ablations)

# %%
ranks = {c: {u: i + 1 for i, u in enumerate(best_units(table, c, 8).unit)} for c in ("mountain", "sun")}
for i, units in enumerate(chance):
    print(f"random {i + 1}, ranks by IoU below nine:", {c: sorted(rank[u] for u in units if u in rank) for c, rank in ranks.items()})
change = dissected.ablations()[["crown", "cloud", "sun", "wall", "roof", "door", "mountain", "sky", "grass"]]
change.style.format("{:+.0%}").background_gradient(cmap="RdBu", vmin=-1, vmax=1, axis=None).set_uuid("change")

# %% [markdown]
# **What to see.** Each number is the relative change of an object's area over 40 scenes. Without their units,
# four fifths of the crowns go, and clouds and suns all but vanish, while sky and grass hardly change: they fill
# the gap. Nothing comes without side effects: where clouds are gone, suns come out (+59 %), behind the houses
# there were mountains. The units of
# “wall” take the **whole house** with them, roof and door too: in this layer there is no wall without a house.
# And look down the columns: no random draw takes the crowns, but one takes the mountains and two take most of
# the suns, as if they had been looked for. Eight of 96 units at random hit some object's units by chance: random 3
# holds the mountain's three best matches, random 4 the sun's third and fourth, random 5 its third and seventh. (Random 3
# holds the sun's second best match as well, and the suns stay, +10 %: a match without an effect.) Who shows one random
# control can show anything.
#
# **How many units make a tree?** Two orders, from the longer run (`xaikit run 08 --full`): the units with the
# largest IoU first, or *greedily*, each time the unit that takes most of what is left.

# %%
orders = studies.table("08/greedy")
fig, axes = plot.subplots(1, 4, size=(10.4, 2.7), sharey=True)
for ax, (concept, rows) in zip(axes, orders.groupby("concept", sort=False), strict=True):
    lines = {name: (rows[rows.order == name]["size"], 1 + rows[rows.order == name].change) for name in ("greedy", "IoU")}
    random = rows[rows.order.str.startswith("random")].groupby("size").change.agg(["mean", "min", "max"]) + 1
    lines = {name: (x, y, y, y) for name, (x, y) in lines.items()} | {
        "random (range of 5)": (random.index, random["mean"], random["min"], random["max"])}
    plot.bands(lines, ax=ax, xlabel="units switched off", ylabel="area left" if ax is axes[0] else "", title=concept,
               legend=False)
    ax.set_ylim(0, 1.25)
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
plot.describe(
    fig,
    "Four panels, for crown, cloud, wall and door: the area left against the number of units switched off. Greedy and "
    "IoU orders fall steeply, greedy faster at first; random units stay near one with a wide range.",
)

# %% [markdown]
# **What to see.** Eight units of 96 make most of each object, and of the house too: without the eight for “door” hardly
# a door is left. The greedy order is ahead, for all four at three units, because units that match the *same* thing are
# redundant: the second-best match often adds nothing to the best. (It was chosen on other codes than it was measured
# on.) No random set does so to one of these four.
#
# The measure that Bau et al. use puts off and on together. The **average causal effect** of the units $U$ on the
# concept $c$ is
#
# $$\delta_{U\to c}=\mathbb E_{z,P}\,[\,s_c(f(r\text{ with }r_{U,P}=k))\,]-\mathbb E_{z,P}\,[\,s_c(f(r\text{ with }r_{U,P}=0))\,],$$
#
# where $s_c$ is the share of the picture that the segmenter takes for $c$.

# %% [markdown]
# ### Exercise 8.4 — Average causal effect ★★☆ · 8 min · 2 points
#
# Write `average_causal_effect(f, r, units, place, k)`: the mean over the N rows of `f`(r with the units set to
# their k at the place) − `f`(r with the units set to 0 at the place). `f` takes features (N, C, P) and returns
# (N,); `r` (N, C, P), P places in a row; `units` (u,) numbers of channels; `place` (P,) bool; `k` (C,), a value
# for each channel. Everything else in `r` stays as it is. Returns a number.

# %% nbgrader={"grade": false, "grade_id": "answer-8.4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def average_causal_effect(f, r, units, place, k):
    """E f(r with k at the units and place) − E f(r with 0 there).  r (N, C, P), units (u,), place (P,) bool, k (C,) → number"""
    ### BEGIN SOLUTION
    there = torch.zeros(r.shape[1:], dtype=torch.bool)
    there[units] = place
    return (f(torch.where(there, k[:, None], r)) - f(torch.where(there, 0.0, r))).mean()
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check-8.4", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("8.4", average_causal_effect)
average_causal_effect = answer("8.4")

# %% [markdown]
# With it, the effect of eight units of `block8` on the area of crowns, at four places of the meadow (rows 5 and 6,
# columns 1 and 2 of the 8 × 8 map, counted from 0), over 24 scenes: the crown's units, and five random sets for which $k$ is the same kind of mean.

# %%
with hooks.record(G, "block8") as inside8, torch.no_grad():
    G(z[:24])
r = inside8["block8"].flatten(2)
spot = torch.zeros(8, 8, dtype=torch.bool)
spot[5:7, 1:3] = True
k = torch.tensor(table[table.concept == "crown"].sort_values("unit").inside.to_numpy(), dtype=torch.float32)


above = torch.nn.Sequential(*list(G)[2:])  # the generator from block16 on: f of the formula


def crown_area(features):
    """The share of crowns in the pictures of the maps (N, 96, 64) of block8."""
    with torch.no_grad():
        pictures = above(features.unflatten(2, (8, 8)))
    return see(pictures)[:, CONCEPTS.index("crown")].float().mean((1, 2))


effects = {name: float(average_causal_effect(crown_area, r, torch.tensor(units), spot.flatten(), k))
           for name, units in {"crown": crown, **{f"random {i + 1}": c for i, c in enumerate(chance)}}.items()}
print("average causal effect on the crowns' share of the picture:", {n: f"{v:+.2%}" for n, v in effects.items()})
print(f"the four places are {spot.float().mean():.2%} of it; of these, crown:", f"{effects['crown'] / spot.float().mean():.0%}")

# %% [markdown]
# **What to see.** The crown's units turn three tenths of the four places into crown, random units next to nothing.
#
# Now switch units **on**, in a box of 16 × 16 pixels (2 × 2 places of `block8`). The value $k$ is the unit's mean
# where the concept is seen, times a strength: with strength 1 the object often stays a hint, with 2 it is there.

# %%
show_source(dissected.insert)

# %%
few = z[[0, 3, 4, 7, 9, 11, 12, 15]]
MEADOW, HEAVEN = (40, 8, 56, 24), (0, 40, 16, 56)
places = (("crown", "on the meadow", MEADOW), ("crown", "in the sky", HEAVEN), ("cloud", "in the sky", HEAVEN),
          ("cloud", "on the meadow", MEADOW), ("path", "on the meadow", MEADOW), ("path", "in the sky", HEAVEN),
          ("door", "on the meadow", MEADOW))
versions = {"as drawn": dissect.ablate(G, "block8", [], few)} | {
    f"{concept}, {where}": dissected.insert(concept, few, box) for concept, where, box in places}
ax = plot.sheet([[plot.tile(x) for x in v] for v in versions.values()], labels=list(versions), size=0.85)
plot.describe(
    ax,
    "Eight scenes as drawn; with a green bush on the left of the meadow; with the same bush in the sky; with a white "
    "cloud more in the sky; with a white block on the meadow, striped with colours; with a sandy patch on the meadow; "
    "with the path's units on in the sky, where a faint, torn patch stays; and with the door's units on the meadow, "
    "which draw a house front, cream and red, with a dark door in it.",
)

# %% [markdown]
# Which surroundings accept which object? At eight boxes of sixteen pictures the units are switched on; a try
# counts as *accepted* if a judge then sees the object in a quarter of the box. The surroundings are what
# covers most of the box before; boxes that show the object already are left out.
#
# A refusal may be the generator's, or the **judge's**: the segmenter has never seen a path in the sky. Three controls:
# * **the same pixels elsewhere**: boxes that were accepted on grass are pasted into the sky, and boxes that were refused
#   in the sky are pasted on grass;
# * **true objects**, cut from drawn scenes and pasted in both places;
# * **a judge that knows no place**: it is shown the box alone, and names a pixel by its colours and those of its eight
#   neighbours, as most of the five nearest of 3,600 examples, 300 for each object.

# %%
show_source(dissected.attempts, dissected.by_pixels)

# %%
counted = dissected.tries().set_index(["inserted", "context"])
share = counted[["accepted", "alone"]].unstack().loc[list(dissected.INSERTED)]
moved = dissected.pasted()
accepted = pd.DataFrame({
    ("units on", "grass"): share["accepted", "grass"], ("units on", "sky"): share["accepted", "sky"],
    ("same pixels pasted", "grass → sky"): moved["moved up"], ("same pixels pasted", "refused: sky → grass"): moved["moved down"],
    ("true objects", "grass"): moved["true down"], ("true objects", "sky"): moved["true up"],
    ("units on, judged by pixels", "grass"): share["alone", "grass"], ("units on, judged by pixels", "sky"): share["alone", "sky"]})
print("tries:", {k: f"{n.min():.0f}–{n.max():.0f}" for k, n in counted.tries.unstack(0).loc[["grass", "sky"]].iterrows()})
right = (dissected.by_pixels(real.images[:10]) & real.masks[:10]).sum((0, 2, 3)) / real.masks[:10].sum((0, 2, 3))
print("pixels that the judge by pixels names rightly, in ten other scenes:",
      {name: f"{right[CONCEPTS.index(name)]:.0%}" for name in dissected.INSERTED})
accepted.style.format("{:.0%}", na_rep="–").background_gradient(cmap="Greens", vmin=0, vmax=1, axis=None).set_uuid("contexts")

# %% [markdown]
# **What to see.** In the first two columns, by the segmenter, a **path** comes on the meadow and never in the sky; a
# **door** seldom there, a **wall** less often than on grass. But the *same pixels* that it takes for a path on grass
# are none in the sky, half of the sky's refused paths pass on grass, and *true* paths and walls are refused in the sky,
# too. So these refusals are the segmenter's; of the generator they say nothing. For doors this rests on the pasted
# pixels alone (5 % pass in the sky): a true door, cut from its house, the segmenter seldom knows anywhere, and rather in
# the sky (41 %) than on grass (15 %). With walls the units even do better in the sky, in half of the boxes, than the
# same pixels pasted there (26 %) and than true walls (9 %).
# The judge without place finds paths in four fifths of the sky boxes, walls as well, and doors no less
# often than on grass: the sandy patch in the figure's sky is there, except where a cloud was (columns 1, 4 and 7), which it
# only wrecks. What is left is weak: paths and walls come somewhat less
# often in the sky, clouds less often on grass. The paper's finding, doors that are refused by trees and sky, is not
# confirmed here; its judge was a segmenter, too. (Its finest case, doors on walls, is missing: every wall of our scenes has
# its door already.)
#
# What the blocks above add one does see: with a door's units comes not a door in the grass but a house front around it.
# They mean something like “the lower front of a house is here”.
#
# ## 5 · Units that spoil the picture
#
# **Claim.** (Bau et al. 2019) Some units make artefacts; without them the pictures get better, by eye and by
# Fréchet distance.
#
# The same intervention, another judge. The longer run switched off each of the 64 units of `block16` by itself
# (150 codes, 1,000 real scenes) and sorted them by what that did to the Fréchet distance. Choosing the best of
# 64 numbers flatters; so the best were switched off **together**, on 400 *other* codes, beside five random sets. And the
# best eight, and eight others drawn at random, were switched off one by one again, on four further draws of 150 codes.

# %%
spoilt = studies.table("08/artefacts")
alone, again = spoilt[spoilt.removed == "one unit"], spoilt[spoilt.removed.str.startswith("again")]
together = spoilt.drop([*alone.index, *again.index])
fig, axes = plot.subplots(1, 2, size=(9.6, 2.9), gridspec_kw={"width_ratios": [1.5, 1]})
axes[0].bar(range(len(alone)), alone.change, color=np.where(alone.change < 0, plot.AGAINST, plot.FOR))
axes[0].set(xlabel="units of block16, sorted", ylabel="change of the distance", title="each unit by itself (150 codes)")
axes[0].set_yscale("symlog", linthresh=0.1)
best_first, chance_sets = together[together.removed == "best first"], together[together.removed != "best first"]
axes[1].plot(best_first["size"], best_first.change, "o-", color=plot.AGAINST, label="best first")
axes[1].plot(chance_sets["size"], chance_sets.change, "o", color=plot.MUTED, label="random sets of eight")
axes[1].axhline(0, color=plot.MUTED, lw=0.8)
axes[1].set(xlabel="units switched off", ylabel="change of the distance", title="together, on other codes")
axes[1].set_yscale("symlog", linthresh=0.1)
axes[1].set_ylim(-0.2, 20)
axes[1].legend(frameon=False)
plot.describe(
    fig,
    "Left, the change of the Fréchet distance for each of 64 units, sorted: 27 below zero, the others above, some far "
    "above. Right, what the best units do together on other codes, rising with their number, above the random sets.",
)
print(f"{(alone.change < 0).sum()} of 64 units lower the distance when they are switched off alone; the largest gain {-alone.change.min():.3f}, "
      f"the largest loss {alone.change.max():.2f}, of a distance of {(alone.distance - alone.change).iloc[0]:.3f}")
together = pd.concat([best_first.sort_values("size"), chance_sets])
together.assign(change=together.change.map("{:+.3f}".format), distance=together.distance.map("{:.3f}".format)).set_index("removed")[["size", "distance", "change"]]

# %%
again = again.assign(whole=again.distance - again.change, chosen=again.unit.isin(alone.unit.head(8)))
draws = pd.DataFrame({
    "distance, all units on": again.groupby("removed").whole.first(),
    "mean change, the best eight": again[again.chosen].groupby("removed").change.mean(),
    "mean change, eight others": again[~again.chosen].groupby("removed").change.mean(),
    **{f"unit {u}": again[again.unit == u].set_index("removed").change for u in ("7", "58", "26")}})
draws.style.format("{:+.2f}").format("{:.2f}", subset="distance, all units on").set_uuid("draws")

# %% [markdown]
# (The scale is linear up to ±0.1 and logarithmic beyond. The distance itself is larger on fewer codes, so compare
# changes only.) **What to see.** Left, 27 of the 64 units look like artefact units: without them the distance falls, without
# the best one by two fifths. Right, on other codes, it does **not** fall: the very best unit makes it a little worse, and the best eight together ruin the
# pictures, more than any of the random sets: units that do least harm alone may do much together.
#
# Was the gain on the left only the luck of the best of 64? The last table says: not only. From draw to draw the
# distance itself differs, by a factor of three and more. Where it is largest the best eight gain again, unit 7 most of
# all but one; where it is smallest they lose; unit 58, second on the left, gains nothing any more. (The eight others
# gain in no draw, on the mean.) It looks as if much of what a unit mends were the offset of *these* 150 codes: on 400, where the
# distance is smaller than in any draw, unit 7 mends nothing. We have found no unit of `block16` that is shown to be an artefact unit. (Unit 26 lowers the distance
# in every draw of 150; it would be the one to try on many codes.) In the paper twenty units, chosen *by people* who looked for artefacts, brought the
# Fréchet inception distance from 43 to 27. Our generator is small and its faults are of another kind: nothing
# wrong is added, something is missing.
#
# ## 6 · Directions instead of units
#
# **Claim.** (Shen, Zhou 2021) The latent space has directions that each change one thing that people can name,
# and they can be read off the first weight matrix without data. (Peebles et al. 2020) A penalty in training makes
# the latent *axes* such directions.
#
# The first step of our generator is linear: $z\mapsto Az$ (then a batch norm scales and shifts each channel, which is
# left out). A direction $n$ that $A$ stretches much should change the picture much. SeFa asks for
#
# $$\max_{\lVert n\rVert=1}\lVert A\,n\rVert^2,$$
#
# then for the best direction orthogonal to the first, and so on.

# %% [markdown]
# ### Exercise 8.5 — SeFa in three lines ★★☆ · 6 min · 2 points
#
# Write `sefa(A, k)`: the k directions of length 1, orthogonal to each other, for which $\lVert A\,n\rVert^2$ is
# largest, as **rows**, the strongest first. A (M, D) → (k, D); k may be larger than M. The sign of a direction is free.

# %% nbgrader={"grade": false, "grade_id": "answer-8.5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sefa(A, k):
    """The k unit directions of z that A z answers most to, as rows, the strongest first.  A (M, D) → (k, D)"""
    ### BEGIN SOLUTION
    values, vectors = torch.linalg.eigh(A.T @ A)  # rising
    return vectors.T.flip(0)[:k]
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check-8.5", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("8.5", sefa)
sefa = answer("8.5")

# %%
A = G.block4[0].weight.detach()
turns = torch.as_tensor(sefa(A, 6), dtype=torch.float32)
start = G.codes(60, seed=8)[12:13]
walk = dissect.moved(G, start, turns, steps=(-4, -2, 0, 2, 4))[:, :, 0]
ax = plot.sheet([[plot.tile(x) for x in row] for row in walk], columns=["−4", "−2", "0", "+2", "+4"],
                labels=[f"direction {i + 1}" for i in range(6)], size=0.95)
plot.describe(
    ax,
    "Six rows of five pictures, one row for each of SeFa's first directions, from four steps against it to four steps "
    "along it; the middle picture is the same in all rows. Along some rows the sky's colours change, along others houses, "
    "trees or mountains come and go, mostly several of them at once.",
)

# %% [markdown]
# **What to see.** The directions are strong: two steps often bring another sky or a house. (A step is a standard deviation of $z$ along the
# direction; at ±4, where the generator was hardly ever trained, some things tear.) Does one change *one thing*? In part:
# direction 4 changes the sky's colour and little else; four of the others bring or take a house.
# To ask without eyes: measure in each picture the area and the place of every object and the mean colour, the
# **factors**; move many codes along a direction, and see which factors change. A direction whose effects fall on
# one factor alone has **disentanglement** 1; one that moves all alike, 0 (one minus the entropy of its effects'
# shares, as a part of the largest; Eastwood, Williams 2018); **completeness** asks the same of each factor: is it
# moved by one direction alone? Mind that a direction which brings *a house* moves the areas and places of wall, roof,
# door and path at once, and what they cover: it scores low though it means one thing. The scores are there to
# compare sets of directions, not to be near 1.

# %% tags=["demo"]
demos.get("08/directions").show()

# %% [markdown]
# What could make an *axis* change one thing? Two latents $z_i,z_j$ act by themselves if
# $\partial^2G/\partial z_i\partial z_j=0$. The **Hessian penalty** adds to the generator's loss what is off the
# diagonal of the Hessian $H$ of each output, and estimates it without ever building $H$: for random signs
# $v\in\{-1,1\}^D$,
#
# $$\operatorname{Var}_v\big(v^\top Hv\big)=2\sum_{i\neq j}H_{ij}^2,\qquad
# v^\top Hv\approx\frac{G(z+\varepsilon v)-2G(z)+G(z-\varepsilon v)}{\varepsilon^2}.$$

# %% [markdown]
# ### Exercise 8.6 — The Hessian penalty by differences ★★☆ · 6 min · 2 points
#
# Write `hessian_penalty(f, z, v, eps)`: the second differences
# $(f(z+\varepsilon v)-2f(z)+f(z-\varepsilon v))/\varepsilon^2$ for every row of `v` (k, D), and their unbiased
# variance over the k rows. `f` takes (N, D) and returns (N,); `z` (D,). Returns a number. (In training, $f$ is one
# output of one block, before its ReLU; the paper adds up the blocks' largest variances, we their means.)

# %% nbgrader={"grade": false, "grade_id": "answer-8.6", "locked": false, "schema_version": 3, "solution": true, "task": false}
def hessian_penalty(f, z, v, eps):
    """The unbiased variance over the rows of v of f's second difference at z along them.  z (D,), v (k, D) → number"""
    ### BEGIN SOLUTION
    second = (f(z + eps * v) - 2 * f(z[None]) + f(z - eps * v)) / eps**2
    return second.var()
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check-8.6", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("8.6", hessian_penalty)
hessian_penalty = answer("8.6")

# %% [markdown]
# `scenes-gan-hessian` is `scenes-gan`, trained further with this penalty. Its control, in the longer run, was trained
# further just so, but without it. First your function, for the mean brightness of the picture: how large are the mixed
# terms? (Through ReLUs a second difference also counts the kinks between $z-\varepsilon v$ and $z+\varepsilon v$, and so
# depends on $\varepsilon$: compare at one $\varepsilon$ only.) Then, from the longer run, the penalty itself, the quality
# of the pictures, and how disentangled SeFa's directions, the principal directions of `block8`'s features, random
# directions and the latent axes themselves are.

# %%
H = zoo.load("scenes-gan-hessian")
signs = torch.randint(0, 2, (12, G.latent), generator=torch.Generator().manual_seed(0)) * 2.0 - 1
with torch.no_grad():
    off = {name: np.array([float(hessian_penalty(lambda rows, net=net: net(rows).mean((1, 2, 3)), code, signs, 0.1))
                           for code in net.codes(24, seed=61)]) for name, net in (("plain", G), ("with the penalty", H))}
print("variance of vᵀHv for the mean brightness, median of 24 codes:", {k: f"{np.median(v):.2e}" for k, v in off.items()},
      f"; smaller with the penalty for {(off['with the penalty'] < off['plain']).sum()} of them")
turned = studies.table("08/directions")
for name, rows in turned.groupby("generator", sort=False):
    print(f"{name}: Hessian penalty {rows.penalty.iloc[0]:.0f}, Fréchet distance {rows.distance.iloc[0]:.2f}")
score = turned.groupby(["generator", "directions"], sort=False).agg(
    disentanglement=("disentanglement", "mean"), spread=("disentanglement", "std"), completeness=("completeness", "mean"),
    effect=("effect", "mean"))
score.style.format("{:.3f}").set_uuid("directions")

# %% [markdown]
# **What to see.** First the score, in the upper third: SeFa's directions change the pictures four tenths more than
# random ones do (`effect`, in standard deviations of the factors; `spread` is over five draws of codes), and are a
# little more disentangled. So the first matrix does know something. But hardly any direction changes one thing alone,
# as the rows of pictures showed: a house comes along with most of them. (The principal directions are the components
# of `block8`'s features, carried back to $z$ by least squares.)
#
# Then the penalty. It did what it was asked for: it is less than half of the control's, and the brightness, which
# nobody asked about, has smaller mixed terms too. But the **latent axes are no more disentangled than the control's**,
# and no more than random directions. A small mixed derivative says that two latents do not *interact*, not that each
# means one thing. There is a price, too: the control's pictures are somewhat farther from the real ones than those of
# the generator that it began with, and those of the penalised one more than twice as far as the control's. All this is
# a null result of one short training; the paper trains from the start, and for longer.
#
# ## 7 · Inversion: a given picture, edited
#
# **Claim.** (Zhu et al. 2016; Bau et al. 2019) For a given picture a code can be found whose picture is close; then the
# picture can be edited with the generator's own units.
#
# A brush that paints only on invented pictures is a toy. For a given $x$ we look for
#
# $$z^\ast=\arg\min_z\ \frac{\lVert G(z)-x\rVert^2}{3\cdot64\cdot64}+w\,\frac{\lVert\phi(G(z))-\phi(x)\rVert^2}{\lVert\phi(x)\rVert^2}+\lambda\,\frac{\lVert z\rVert^2}{64},$$
#
# with $\phi$ the classifier's features, $w=0.1$ and $\lambda=0.001$, by Adam from the two best of 256 random codes (the loss has many local
# minima). The *pixel error* and the *feature error* below are the **roots** of the first fraction (values of pixels lie
# in $[0,1]$) and of the second. The scene is held back: the generator has not seen it.

# %%
show_source(dissected.inverted)

# %%
target, found = dissected.inverted()
edited = dissected.insert("crown", found.z, (44, 44, 60, 60))
cut = dissect.ablate(G, "block8", crown, found.z)
axes = plot.grid([target[0], found.picture[0], edited[0], cut[0]], ["given", "nearest G(z)", "a crown put in", "crown units off"], size=1.9)
plot.describe(
    axes[0],
    "The given scene with a house and two trees; the generator's nearest picture, alike in layout, with small "
    "faults; the same with a blurred green bush put in at the lower right; the same with the tree cut down to half.",
)
many = studies.table("08/inversion")
print(f"this scene: pixel error {found.pixel:.3f} (the best random code: {found.start:.3f}), feature error {found.feature:.3f}")
print(f"eight held-back scenes (longer run): pixel error {many.pixel.median():.3f} (median; {many.pixel.min():.3f} to "
      f"{many.pixel.max():.3f}), the best random code {many.start.median():.3f}; feature error {many.feature.median():.3f}")

# %% [markdown]
# **What to see.** The layout is found: a house and a tree where they were, with the colours of roof and sky.
# The rest is as the generator likes it: the sun became a cloud, two trees one, the cream wall grey, and windows were added. The nearest
# picture is not the picture; what an edit then shows is an edit of the *generator's* scene. It works there as on
# any other: something green, more bush than crown, comes where it is asked for, and half of the tree goes without its units.
#
# ## The live demo: the paintbrush
#
# Pick an object, brush over the picture, and the units of that object are switched on (or, to erase, off) under the
# brush; the whole picture is drawn anew. Paint a crown on the meadow, then a cloud on the meadow; erase a house; change the
# layer. (At first it takes six units of `block16`, with strength 3; section 4 took eight of the block before it, with
# strength 2. So a single stroke shows.)

# %% tags=["demo"]
demos.get("08/paintbrush").show()

# %% [markdown]
# ## Paper against here
#
# What the sources claim, and what came out on our generator and scenes. Rows that name the longer run read its table;
# all others were computed in this moment.

# %%
paper = claims.table("08")
claims.styled(paper.drop(columns="lecture"))

# %% [markdown]
# **The rows that do not hold.** *Axes*: here units detect no more than random directions do; section 2 says why
# that may be. *Depth*: the share of detectors rises over three layers, drops, and rises again; with maps of the same
# size layer 5 leads, but layer 4 is behind layer 3. *Refusals*: they are the segmenter's (section 4). *Artefacts*: the units that looked best one by one on 150 codes
# ruin the pictures together. *SeFa* and the *Hessian penalty*: what the directions change is many things at once, with and without.
#
# **To take along.**
# * An IoU is a correlation, and needs a control. An intervention is a cause, and needs several.
# * A judge that has learned from usual pictures refuses the unusual. Before you believe a refusal, show it the same pixels
#   elsewhere, and true ones in that place.
# * Choose on one half, measure on the other, and on more than one other: the best of 64 looks good on the half that chose
#   it, and a small sample has an offset that many units seem to mend.
