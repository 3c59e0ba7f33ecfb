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
# # 07 · Information: what is kept, what is thrown away
#
# A network that tells cats from dogs need not remember the wallpaper. Does it forget it? To ask this in
# numbers one needs a measure of what a layer knows about its input and about the label, and a way to estimate
# it. Both are here, and so is the trouble with the second: some of the best-known pictures of learning show
# the ruler more than the thing that it measures.
#
# | | |
# |---|---|
# | **You will be able to** | compute entropy, mutual information and what processing does to them · draw the information plane of a network in training and say which part of the picture is the estimator's · bound the information of a layer that is too large to bin, by a decoder · see what a layer kept · measure pixel by pixel what it discards · measure the entropy of a network's gates and penalise it |
# | **Time** | 150 minutes, of which 58 for the six exercises; a break fits well before section 4 |
# | **Builds on** | probability tables and logarithms; training a network in PyTorch |
# | **Sources** | Shwartz-Ziv, Tishby 2017, *Opening the Black Box of Deep Neural Networks via Information*; Saxe, Bansal, Dapello, Advani, Kolchinsky, Tracey, Cox 2018, *On the Information Bottleneck Theory of Deep Learning*; Darlow, Storkey 2020, *What Information Does a ResNet Compress?*; Ma, Zhang, Zhang, Zhang 2019, *Quantifying Layerwise Information Discarding of Neural Networks*; Guan et al. 2019, *Towards a Deep and Unified Understanding of Deep Neural Models in NLP*; Ren et al. 2021, *Towards Theoretical Analysis of Transformation Complexity of ReLU DNNs* |

# %%
import numpy as np
import pandas as pd
import torch

from xaikit import claims, demos, plot, studies
from xaikit.claims import lecture07_bounds as bits
from xaikit.claims.lecture07_bounds import comparison
from xaikit.demos import lecture07_bounds
from xaikit.dynamics import bounds, discarding, gates, information, kept, pixelcnn, plane
from xaikit.exercises import answer, check
from xaikit.source import show_source
from xaikit.studies import scene_noise

# %% [markdown]
# ## 1 · Mutual information by hand
#
# **Claim.** How much two things tell of each other can be said in one number, without knowing what they are.
#
# **Formula.** Let $X$ take the value $x$ with probability $p(x)$. Its **entropy** is what one learns, in the
# mean, on being told the value; the **mutual information** of $X$ and $Y$ is by how much that falls once $Y$
# is known:
#
# $$H(X)=-\sum_xp(x)\log_2p(x),\qquad I(X;Y)=H(X)-H(X|Y)=\sum_{x,y}p(x,y)\log_2\frac{p(x,y)}{p(x)\,p(y)} ,$$
#
# where $H(X|Y)=H(X,Y)-H(Y)$ is the entropy of $X$ that is left when $Y$ is known, and $0\log0=0$. The unit is
# the **bit**: a fair coin has one. (With the natural logarithm the unit is the nat.) Two small tables, the
# weather across and whether somebody carries an umbrella downwards: one person looks out of the window, the
# other does not. ($X$ is the umbrella, $Y$ the weather.)

# %%
# rows: no umbrella, umbrella; columns: dry, rain
looks = torch.tensor([[0.40, 0.05], [0.10, 0.45]], dtype=torch.float64)
# the same margins, and nothing else in common
blind = looks.sum(1, keepdim=True) * looks.sum(0, keepdim=True)
pd.DataFrame(
    {
        who: {
            "H(X)": information.entropy(table.sum(1)),
            "H(Y)": information.entropy(table.sum(0)),
            "H(X,Y)": information.entropy(table),
            "I(X;Y)": information.mutual_information(table),
        }
        for who, table in (("looks out", looks), ("does not", blind))
    }
).T.round(3)

# %% [markdown]
# **What to see.** Both carry an umbrella equally often, and it rains equally often. Only the joint table
# differs, and only in it is there information: $H(X,Y)=H(X)+H(Y)$ exactly where nothing is shared.

# %% [markdown]
# ### Exercise 7.1 — entropy and mutual information of a table ★☆☆ · 5 min · 1 point
#
# Write `table_information(joint)`: from a joint table $p(x,y)$, `joint` (K, L) with a row for each $x$, return
# $H(X)$ and $I(X;Y)$, in bits. Entries may be 0.


# %% nbgrader={"grade": false, "grade_id": "answer-7.1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def table_information(joint):
    """H(X) and I(X;Y) in bits.  joint (K, L), rows x → two numbers"""

    ### BEGIN SOLUTION
    def entropy(p):
        return -torch.special.xlogy(p, p).sum() / np.log(2)

    x, y = joint.sum(1), joint.sum(0)
    return entropy(x), entropy(x) + entropy(y) - entropy(joint)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-7.1", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
check("7.1", table_information)

# %% [markdown]
# **The chain rule.** What two variables tell of $X$ is what one of them tells, and what the other adds:
#
# $$I(X;Y,Z)=I(X;Y)+I(X;Z|Y)=I(X;Z)+I(X;Y|Z).$$
#
# **Data processing.** If $Z$ is made from $Y$ alone, with or without chance, it adds nothing: $X\to Y\to Z$ is
# a **Markov chain**, $I(X;Z|Y)=0$. What is left of the chain rule is the **data-processing inequality**,
# since a conditional mutual information is never negative:
#
# $$I(X;Y)=I(X;Z)+I(X;Y|Z)\ \ge\ I(X;Z).$$
#
# No layer of a network knows more of the input than the layer below it. The chain rule on a hundred random
# tables of three variables, and the inequality on a hundred random chains:

# %%
rng = np.random.default_rng(0)
h = information.entropy
chain, least = 0.0, np.inf
for _ in range(100):
    p = torch.tensor(rng.dirichlet(np.full(24, 0.5)).reshape(2, 3, 4))  # p(x, y, z)
    both = information.mutual_information(p.flatten(1))  # I(X; Y,Z)
    added = h(p.sum(2)) + h(p.sum(0)) - h(p) - h(p.sum((0, 2)))  # I(X;Z|Y)
    chain = max(chain, abs(both - information.mutual_information(p.sum(2)) - added))
    joint, noise = rng.dirichlet(np.ones(12)).reshape(3, 4), rng.dirichlet(np.ones(5), 4)
    after = information.through(joint, noise)
    least = min(least, information.mutual_information(joint) - information.mutual_information(after))
print(f"chain rule: largest difference {chain:.0e} bits; processing: least loss {least:.3f} bits")

# %% [markdown]
# **Try it.** A bit $X$ goes through a channel that flips it with some probability, and what comes out, $Y$,
# through another, to $Z$. Where is $I(X;Y)$ largest, and why at *both* ends? Make the second channel perfect, then
# useless.

# %% tags=["demo"]
demos.get("07/channel").show()

# %% [markdown]
# Bad tables are refused, since a sum that is not 1 gives a number all the same, only a wrong one; so is a ruler
# without bins:

# %%
for attempt in (
    lambda: information.mutual_information([[3.0, 1.0], [2.0, 4.0]]),
    lambda: information.entropy([]),
    lambda: information.binned(torch.zeros(1, 4, 2), torch.zeros(4).long(), 0, -1, 1),
):
    try:
        attempt()
    except ValueError as error:
        print("ValueError:", error)

# %% [markdown]
# ## 2 · The information plane
#
# **Claim** (Shwartz-Ziv and Tishby 2017, figures 2 to 4). Draw every layer as a point, to the right what it
# knows of the input, upwards what it knows of the label. In training there are two phases: first the layers
# **fit**, $I(T;Y)$ rises; then, for most of the time, they **compress**, $I(X;T)$ falls.
#
# Here $X$ is the input, $Y$ its label and $T$ the vector of a hidden layer's outputs. Their network has 12
# inputs, hidden layers 1 to 5 of 10, 7, 5, 4 and 3 tanh units, and as layer 6 an output of 2 (softmax). Its inputs are all $2^{12}=4096$ patterns of twelve
# bits, each once. They say which of twelve points on a sphere are there, and the label, one bit, depends on
# what a rotation of the pattern would not change. As every input occurs, nothing is estimated from a sample:
# $p(x)=1/4096$ is the whole truth.
#
# **Formula.** $T$ is continuous, so its values are put into bins, 30 equal ones from −1 to 1 for each unit
# (for layer 6, whose outputs are probabilities, from 0 to 1), and $T$ becomes a row of bin numbers. The network is deterministic: given $x$, $T$ is known, so $H(T|X)=0$
# and
#
# $$I(X;T)=H(T),\qquad I(T;Y)=H(T)+H(Y)-H(T,Y).$$

# %% [markdown]
# ### Exercise 7.2 — what a layer knows, by bins ★★☆ · 10 min · 2 points
#
# Write `binned_information(h, y, bins, low, high)`: $I(X;T)$ and $I(T;Y)$ in bits, for a layer's outputs `h`
# (N, D) on N different inputs with labels `y` (N,), any whole numbers. The bin of a value is
# $\lfloor(h-\text{low})/(\text{high}-\text{low})\cdot\text{bins}\rfloor$, cut to 0 … bins − 1; $T$ is the whole row
# of D bin numbers, of which there may be far more than fit into a table or a float. Advice: do without a Python
# loop over inputs; equal rows can be found by sorting.


# %% nbgrader={"grade": false, "grade_id": "answer-7.2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def binned_information(h, y, bins, low, high):
    """I(X;T) and I(T;Y) in bits.  h (N, D), y (N,) → two numbers"""

    ### BEGIN SOLUTION
    def entropy(states):
        counts = torch.unique(states, dim=0, return_counts=True)[1].double()
        p = counts / len(states)
        return -(p * p.log2()).sum()

    t = ((h - low) / (high - low) * bins).floor().clamp(0, bins - 1).long()
    together = torch.cat([t, y[:, None]], 1)
    return entropy(t), entropy(t) + entropy(y[:, None]) - entropy(together)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-7.2", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("7.2", binned_information)

# %% [markdown]
# Twenty such networks are trained at once, each from its own weights on its own four fifths of the inputs.
# Then your function looks at one of them, and the library, which does all twenty in one sort, at all.

# %%
show_source(information.discrete)

# %%
run = plane.train("tanh")
y = plane.twelve_bits()[1]
mine = answer("7.2")
one = [mine(layer[0], y, 30, -1.0, 1.0) for layer in run.layers(-1)[:-1]]
steps, found = plane.path("tanh")  # found: moments × (I(X;T), I(T;Y)) × seeds × layers
accuracy = run.accuracy[-1].mean(0)
print(f"inputs right, of those trained on {accuracy[0]:.1%}, of the others {accuracy[1]:.1%}")
pd.DataFrame(
    {
        "I(X;T), network 1": [float(v[0]) for v in one],
        "I(T;Y), network 1": [float(v[1]) for v in one],
        "I(X;T), mean of 20": found[-1, 0, :, :5].mean(0),
        "I(T;Y), mean of 20": found[-1, 1, :, :5].mean(0),
    },
    index=plane.LAYERS[:5],
).round(2)

# %%
mean = found.mean(2)
_, axes = plot.subplots(1, 3, size=(12, 3.5), width_ratios=[1.25, 0.75, 1.1])
plot.curves(
    {n: (mean[:, 0, k], mean[:, 1, k]) for k, n in enumerate(plane.LAYERS)},
    ax=axes[0],
    xlabel="I(X;T), bits",
    ylabel="I(T;Y), bits",
    title="the information plane, tanh, 30 bins",
)
fit = plane.fitted(mean[:, None, 1])[0]  # the moment of each layer at which I(T;Y) has nine tenths of its last value
for k, line in enumerate(axes[0].get_lines()):  # a dot where each path starts, a cross where the fit ends
    axes[0].plot(*mean[0, :, k], "o", color=line.get_color())
    axes[0].plot(*mean[fit[k], :, k], "X", color=line.get_color(), mec="k", ms=8)
plot.curves(
    {n: (mean[:, 0, k], mean[:, 1, k]) for k, n in enumerate(plane.LAYERS[:3])},
    ax=axes[1],
    xlabel="I(X;T), bits",
    title="layers 1 to 3, near the corner",
    legend=False,
)
for k, line in enumerate(axes[1].get_lines()):
    axes[1].plot(*mean[0, :, k], "o", color=line.get_color())
    axes[1].annotate(f"{k + 1}", mean[0, :, k], xytext=((-24, -12, -12)[k], -4), textcoords="offset points", color=line.get_color())
plot.curves(
    {
        f"{n}, {name}": found[:, which, :, k].mean(1) / (12 if which == 0 else 1)
        for k, n in ((3, "layer 4"), (4, "layer 5"))
        for which, name in ((0, "I(X;T) / 12"), (1, "I(T;Y)"))
    },
    x=np.maximum(steps, 1),
    ax=axes[2],
    xlabel="step (0 drawn at 1)",
    ylabel="share of what there is",
    title="two layers over time",
    log="x",
    legend=False,
)
for line, k, dashed in zip(axes[2].get_lines(), (3, 3, 4, 4), (False, True, False, True), strict=True):  # colours as on the left
    line.set(color=axes[0].get_lines()[k].get_color(), linestyle="--" if dashed else "-")
axes[2].legend()
plot.describe(
    axes[0],
    "Left, a path for each layer in the information plane, a dot at its start, a cross at the end of the fit: layers 1 to 3 "
    "stay at the right, drawn larger in the middle, where only layer 3 moves, to the left and most of the way back; layers 4 and 5 rise in a loop, to the left and back; after the cross layers 4, 5 and 6 go left. Right, over steps: the information on the label of layers 4 and 5 rises to "
    "nearly "
    "1; then the information on the input of layer 5 falls to about a half.",
)

# %%
both = {name: information.interval(v) for name, v in plane.phases("tanh").items() if "peak" not in name}
table = pd.DataFrame(
    {name: [f"{m:+.2f} ± {i:.2f}" for m, i in zip(*v, strict=True)] for name, v in both.items()},
    index=plane.LAYERS[:5],
)
down = (plane.phases("tanh")["I(X;T) after"] < 0).sum(0)
third = found[:, 0, :, 2]  # I(X;T) of layer 3, moments × seeds
low = third.mean(1).argmin()
for name, v in (("to", third[low] - third[0]), ("from", third[-1] - third[low])):
    print(f"layer 3, change of I(X;T) {name} its lowest mean at step {steps[low]}:", end=" ")
    print("{:+.2f} ± {:.2f} bits".format(*information.interval(v)))


def directions(h):
    """How many directions outputs h (E, N, D) fill, (Σλ)² / Σλ² for the eigenvalues λ of their covariance; mean of E networks."""
    centred = (h - h.mean(1, keepdim=True)).double()
    values = torch.linalg.eigvalsh(centred.mT @ centred)
    return float((values.sum(1) ** 2 / (values**2).sum(1)).mean())


for when in (0, low, low + 3):
    filled = [round(directions(h), 2) for h in run.layers(int(run.coarse[when]))[3:5]]
    print(f"step {steps[when]}: directions that the outputs of layers 4 and 5 fill: {filled}")
table.assign(**{"fell after, of 20": down})

# %% [markdown]
# **What to see.** A dot marks where a path starts, a cross where its fit ends: where $I(T;Y)$ has reached nine tenths of its
# last value. “Until” is the time up to there, “after” the rest of training; the table has means over twenty networks with
# 95 % intervals, in bits. Two moves to the left are to be told apart. The **loop** of layers 4 and 5, to the left at
# step 42 and back, lies *within* the fit: at step 42 the units of a layer all vary together, so that their outputs lie
# nearly on a line and share bins; then they part again, in layer 4 as a second direction joins (printed above: of the
# eigenvalues λ of the outputs' covariance, $(\sum\lambda)^2/\sum\lambda^2$, which is 1 on a line and 2 for two equally wide
# directions), in layer 5, where hardly one does, along the line. The **last stretch**,
# after the cross, is the compression: $I(X;T)$ of layers 4 and 5 falls, in layer 5 by well over a bit and in every network.
# Layers 1 to 3 know nine tenths of the
# label before the first step, so that “until” is no time and “after” is all of training: layer 3's fall is a dip up to
# step 42, most of which it makes up for later, and layers 1 and 2 change by a hundredth of a bit at most. That is the
# paper's picture: fitting, seen in $I(T;Y)$, then compression; but in the fit $I(X;T)$ does not rise, since at the start the
# layers know of $X$ what random weights let through, which is a lot.

# %% [markdown]
# ## 3 · Does it always compress?
#
# **Claim** (Saxe et al. 2018). Compression is not what learning does, it is what **saturation** does: a tanh
# whose input grows is pressed against ±1, into the outermost bins. A ReLU is not, and does not compress.
#
# The same networks with ReLU. Its outputs have no upper end, so one must be chosen: for each hidden layer 100 bins from 0 to the
# largest output that it has in *all* of training, the same for every moment.

# %%
relu_steps, relu = plane.path("ReLU")
mean = relu.mean(2)
ax = plot.curves(
    {n: (mean[:, 0, k], mean[:, 1, k]) for k, n in enumerate(plane.LAYERS)},
    xlabel="I(X;T), bits",
    ylabel="I(T;Y), bits",
    title="the information plane, ReLU, 100 bins",
)
for k, line in enumerate(ax.get_lines()):
    ax.plot(*mean[0, :, k], "o", color=line.get_color())
plot.describe(
    ax,
    "The information plane of the ReLU networks, a dot at each start: the paths of all hidden layers rise from lower left to "
    "upper right, but for a first small step to the left, "
    "and none of them turns left later; only the output, layer 6, does, by three bits.",
)

# %%
rows = {}
for activation in plane.ACTIVATIONS:
    for ruler in ("fixed", "snapshot"):
        of = plane.phases(activation, ruler=ruler)
        for measure in ("I(X;T) after", "last − peak"):
            m, i = information.interval(of[measure])
            rows[activation, ruler, measure] = {
                n: f"{m[k]:+.2f} ± {i[k]:.2f}" for k, n in enumerate(plane.LAYERS[:5]) if k >= 2
            } | {"fell, of 20": " ".join(str(v) for v in (of[measure] < 0).sum(0)[2:])}
right = plane.train("ReLU").accuracy[-1].mean(0)
print(f"ReLU: inputs right, of those trained on {right[0]:.1%}, of the others {right[1]:.1%}")
for when, moment in (("before", 0), ("after", -1)):
    largest = [round(float(h.amax((1, 2)).mean()), 1) for h in plane.train("ReLU").layers(moment)[:5]]
    pressed = [f"{float((h.abs() > 1 - 2 / 30).float().mean()):.0%}" for h in run.layers(moment)[:5]]
    print(f"{when} training, layers 1 to 5, mean of 20 networks: largest ReLU output {largest}; tanh outputs in an outermost bin {pressed}")
pd.DataFrame(rows).T.rename_axis(["", "bins", "change of I(X;T)"])

# %% [markdown]
# **What to see.** In the plane only the output, layer 6, turns left: it is a softmax, which saturates, so this is what Saxe's
# explanation predicts. The shares printed above the table fit it in part: of tanh's outputs hardly any begin in an outermost bin, and of layer 5,
# which compresses most, four in ten end there. But layers 1 to 3 end with more of their outputs there than layer 4, and compress less:
# with ten, seven or five units the rows of bins stay different all the same. Saturation alone does not order the layers. In the rows “fixed” and “after” ReLU layers do not compress in the mean, though about half of the
# networks fall in layers 3 and 4. (Their $I(T;Y)$ is still rising at the end, so that “after” is no long time: a compression
# after many more steps is not ruled out.) So far Saxe and his colleagues are right. But this ruler is biased too, **towards
# gain**: outputs grow in training (in layer 5 the largest from 2 to 23), so that early on they share a few of the
# 100 bins. The other rows are the same networks, measured in two ways that are **biased towards compression**:
# * **bins per snapshot**: new bins at each moment, from the layer's smallest output of that moment to its
#   largest. A single growing output widens all bins, and everything else falls together. With this ruler
#   the ReLU layers *compress* after the fit, in most networks.
# * **last minus peak**: the largest of many noisy numbers is above the last by selection alone; this measure
#   cannot be positive whatever the network does.
#
# **The number of bins.** Now the bins stay fixed and their number changes. Move the slider for tanh, from 2 to
# 10,000, and watch the verdict of all twenty networks.

# %% tags=["demo"]
demos.get("07/bins").show()

# %%
verdicts = {}
for activation in plane.ACTIVATIONS:
    of = plane.train(activation)
    for bins in (5, 30, 100, 1000, 1_000_000):
        change = plane.look(of, -1, bins)[0] - plane.look(of, 0, bins)[0]
        m, i = information.interval(change)
        verdicts[activation, f"{bins:,}"] = {
            n: f"{m[k]:+.2f} ± {i[k]:.2f}" for k, n in enumerate(plane.LAYERS[:5]) if k >= 2
        }
    m, i = information.interval(plane.exact(of, -1) - plane.exact(of, 0))
    verdicts[activation, "each number"] = {
        n: f"{m[k]:+.2f} ± {i[k]:.2f}" for k, n in enumerate(plane.LAYERS[:5]) if k >= 2
    }
    print(
        f"{activation}: with each float32 a bin of its own, I(X;T) of layers 1 to 5 after training is",
        plane.exact(of, -1).mean(0).round(2),
    )
pd.DataFrame(verdicts).T.rename_axis(["", "bins"])

# %% [markdown]
# **What to see.** Change of $I(X;T)$ from first to last moment. For tanh, layer 4 *gains* information with five
# bins, *loses* some with thirty, and with a million nothing happens at all. No result is wrong: each is
# the entropy of what it says. But the last line is the one that needs no choice beyond the arithmetic's own (a float32, too, is
# a bin, some $10^{-7}$ wide): as long as a layer sends
# different inputs to different places, $I(X;T)=H(X)=12$ bits, before training and after it. On these
# 4,096 inputs the tanh networks discard nothing. What a bin measures is how *crowded* the outputs are on the scale of
# its width, and whether crowding matters depends on who reads the layer, with which noise. Only ReLU
# really merges inputs, where all units of a layer, or of one below, are shut; whether more or less after training than before, twenty
# networks do not tell.

# %% [markdown]
# **Another ruler: a kernel.** Add noise $\varepsilon\sim\mathcal N(0,\sigma^2)$ to every unit. Then
# $I(X;T+\varepsilon)$ is finite by itself, and pairwise distances bound it (Kolchinsky and Tracey 2017):
#
# $$I(X;T+\varepsilon)\le-\frac1N\sum_i\log_2\frac1N\sum_j\exp\Big(-\frac{\lVert h_i-h_j\rVert^2}{2\sigma^2}\Big),$$
#
# $h_i$ being the layer's output for input $i$; with $8\sigma^2$ in place of $2\sigma^2$ it is a lower bound. Here
# σ stands where the width of a bin stood. On 512 of the inputs (so that 9 bits are the most there can be)
# and eight networks, the upper bound:

# %%
rows = {}
for activation in plane.ACTIVATIONS:
    for sigma in (0.01, 0.1, 0.5):
        before, after = plane.kernels(activation, sigma)
        m, i = information.interval(after - before)
        rows[activation, sigma] = {
            f"before, {n}": before[:, k].mean().round(2) for k, n in ((3, "layer 4"), (4, "layer 5"))
        } | {f"change, {n}": f"{m[k]:+.2f} ± {i[k]:.2f}" for k, n in ((3, "layer 4"), (4, "layer 5"))}
pd.DataFrame(rows).T.rename_axis(["", "σ"])

# %% [markdown]
# **What to see.** With the kernel, too, the ruler decides: by the upper bound of the fine one ($\sigma=0.01$) tanh's layers 4 and 5
# compress, by that of the coarse one ($\sigma=0.5$) they gain; bins said the same of layer 4, while of layer 5 five bins say
# neither. For ReLU no σ shows a loss (with σ fixed while the outputs grow).
#
# **A test of the ruler.** The data-processing inequality must hold for the layers. Must it hold for their
# bins? The bins of layer $k+1$ are *not* made from the bins of layer $k$, but from its exact outputs. So the
# chain may leak. How much, and whether more comes out than went in, is to be computed:

# %% [markdown]
# ### Exercise 7.3 — the data-processing inequality as a test ★★☆ · 6 min · 1 point
#
# Write `processing(p)`: from a table $p(x,y,z)$, `p` (K, L, M), return two numbers in bits: what processing
# lost, $I(X;Y)-I(X;Z)$, and what leaked past $Y$, $I(X;Z|Y)=H(X,Y)+H(Y,Z)-H(X,Y,Z)-H(Y)$. Entries may be 0.


# %% nbgrader={"grade": false, "grade_id": "answer-7.3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def processing(p):
    """I(X;Y) − I(X;Z) and I(X;Z|Y) in bits.  p (K, L, M) → two numbers"""

    ### BEGIN SOLUTION
    def entropy(p):
        return -torch.special.xlogy(p, p).sum() / np.log(2)

    xy, xz, yz, y, z = p.sum(2), p.sum(1), p.sum(0), p.sum((0, 2)), p.sum((0, 1))
    lost = (entropy(y) - entropy(xy)) - (entropy(z) - entropy(xz))
    return lost, entropy(xy) + entropy(yz) - entropy(p) - entropy(y)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-7.3", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
check("7.3", processing)

# %%
lost, leaked = answer("7.3")(torch.tensor(np.random.default_rng(1).dirichlet(np.ones(24)).reshape(2, 3, 4)))
print(f"a table that is no chain: lost {float(lost):+.3f}, leaked {float(leaked):.3f} bits")
rows = {}
for activation, bins in plane.BINS.items():
    own, leaks = plane.leaks(plane.train(activation), -1, bins)
    lost = own[:, :-1] - own[:, 1:]
    for k in range(4):
        rows[f"{activation}, layer {k + 1} → {k + 2}"] = {
            "lost, mean": lost[:, k].mean(),
            "lost, least": lost[:, k].min(),
            "leaked, mean": leaks[:, k].mean(),
            "more came out, of 20": int((lost[:, k] < 0).sum()),
        }
pd.DataFrame(rows).T.round(3).astype({"more came out, of 20": int})

# %% [markdown]
# **What to see.** “Leaked” is $I(X;T_{k+1}|T_k)$ of the binned layers, 0 for a true chain. It is nearly 0 between
# the lower layers, and not above. Where
# “lost” is negative, the binned layer seems to know *more* than the layer it was computed from, which cannot
# be. It happens in two of the 80 ReLU pairs, and in no tanh pair, though those leak as well. An estimate that breaks an inequality of the thing it estimates is an estimate of something else.

# %% [markdown]
# ## 4 · A lower bound that scales
#
# Binning ends where layers have more than a handful of units. **Claim** (Darlow and Storkey, section 3; before
# them Barber and Agakov 2003). Every decoder, however bad, gives a lower bound of the mutual information, and
# the better it is, the tighter the bound.
#
# Let $x$ be the input, $h$ the activations of a layer, and $q(x\mid h)$ *any* probability distribution over
# inputs that is computed from $h$: a **decoder**. By definition
#
# $$I(x;h)=H(x)-H(x\mid h)=H(x)+\mathbb E\,\log_2p(x\mid h),$$
#
# the expectation $\mathbb E$ over inputs and their activations. We do not know $p(x\mid h)$; so multiply and
# divide by $q$ inside the logarithm:
#
# $$I(x;h)=H(x)+\mathbb E\,\log_2 q(x\mid h)+\underbrace{\mathbb E\,\log_2\frac{p(x\mid h)}{q(x\mid h)}}_{\mathbb E\,\mathrm{KL}(p(x|h)\,\|\,q(x|h))\ \ge\ 0}
# \ \ge\ H(x)+\mathbb E\,\log_2 q(x\mid h).$$
#
# A table of two variables shows each step with numbers: the exact information, then the bound for three
# decoders, and what is missing, which is the KL divergence to the last digit.

# %%
joint = np.array([[0.30, 0.05], [0.05, 0.20], [0.05, 0.35]])  # p(x, h): three inputs, two values of h
p_x, p_h = joint.sum(1), joint.sum(0)
posterior = joint / p_h  # p(x|h): each column adds up to 1
entropy_x = -(p_x * np.log2(p_x)).sum()
exact = entropy_x + (joint * np.log2(posterior)).sum()
decoders = {
    "p(x|h) itself": posterior,
    "half of it, half uniform": 0.5 * posterior + 0.5 / 3,
    "p(x): h is not used": np.repeat(p_x[:, None], 2, 1),
    "h misread": posterior[:, ::-1],
}
pd.DataFrame(
    {
        name: {
            "I(x; h)": exact,
            "H(x) + E log q": entropy_x + (joint * np.log2(q)).sum(),
            "E KL(p ‖ q)": (joint * np.log2(posterior / q)).sum(),
        }
        for name, q in decoders.items()
    }
).T.round(4)

# %% [markdown]
# **What to see.** The last two columns add up to the first in every row. The decoder that ignores $h$ gives 0;
# one that misreads $h$ gives a negative number, which is a true bound and a useless one.
#
# **A decoder for pictures.** Our pictures are scikit-learn's digits, whose pixels are whole numbers
# $k=0,\dots,16$, each scan of 8 × 8 moved by −1, 0 or 1 pixel down and to the right in a field of 10 × 10, $D=100$ pixels: a
# thing that the label does not depend on. The decoder computes from $h$ a mean $\mu_i$ for every pixel $i$, has one scale $s_i$ for each,
# and gives to level $k$ what a logistic distribution has between $k-\frac12$ and $k+\frac12$,
#
# $$q(x_i=k\mid h)=S\Big(\frac{k+\frac12-\mu_i(h)}{s_i}\Big)-S\Big(\frac{k-\frac12-\mu_i(h)}{s_i}\Big),\qquad
# S(v)=\operatorname{sigmoid}(v)=\frac1{1+e^{-v}},$$
#
# where the lowest level takes all that lies below it and the highest all above (the **discretised logistic**
# of Salimans et al. 2017). Pixels are independent given $h$, so that the picture's log-probability is the sum
# over its pixels.

# %% [markdown]
# ### Exercise 7.4 — the decoder bound ★★☆ · 12 min · 3 points
#
# Write `decoder_bound(k, mean, scale, entropy, levels)`: the bound $H(x)+\mathbb E\log_2q(x\mid h)$ in bits.
# `k` (N, D) are the levels 0 … `levels` − 1 of N pictures with D pixels, `mean` (N, D) what the decoder made of
# their $h$, `scale` (D,), and `entropy` is $H(x)$ in bits. → a number.


# %% nbgrader={"grade": false, "grade_id": "answer-7.4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def decoder_bound(k, mean, scale, entropy, levels):
    """H(x) + E log2 q(x|h) for a discretised logistic.  k, mean (N, D), scale (D,), two numbers → a number"""
    ### BEGIN SOLUTION
    above = torch.sigmoid((k + 0.5 - mean) / scale)
    below = torch.sigmoid((k - 0.5 - mean) / scale)
    above = torch.where(k == levels - 1, torch.ones_like(above), above)
    below = torch.where(k == 0, torch.zeros_like(below), below)
    return entropy + torch.log2(above - below).sum(1).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-7.4", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("7.4", decoder_bound)

# %% [markdown]
# The library computes the same logarithm without the difference of two numbers near 1, which would round to 0
# where the decoder is sure and wrong:

# %%
show_source(bounds.log_likelihood)

# %% [markdown]
# **The label.** For $I(y;h)$ the decoder is a classifier $q(y\mid h)$, and
# $I(y;h)\ge H(y)+\mathbb E\log_2q(y\mid h)$, with $H(y)=\log_210\approx3.32$ bits for ten equally frequent digits.
#
# **The network** is a small ResNet with four hidden layers $h_1,\dots,h_4$ of 600, 300, 216 and 24 units that
# no skip connection goes round (what went round a layer would not be in it). Each layer is projected on its first 64
# principal components ($h_4$ on all its 24), with *one* scale for all; what is computed from $h$ cannot tell more than $h$, so a bound it stays. A decoder of its own, one hidden layer of 96, is trained for
# every layer at every moment, all at once, and judged on digits that neither the network nor the decoder has
# seen: on training digits a decoder that learns by heart would not give a bound.
#
# **What the axis says.** $H(x)$ of digits is not known. What can be drawn is how many bits a decoder gains
# over one that sees no $h$, $\mathbb E\log_2q(x\mid h)-\mathbb E\log_2q(x)$. The unknown constant is the same for all
# layers and moments, so *differences* between points are differences of bounds; the height of the zero line is
# not known, so a gain about $x$ is not itself a bound of $I(x;h)$, it lies above the bound by what $q(x)$ lacks. About $y$ it is simpler:
# $H(y)$ is known, and what is drawn *is* the bound $H(y)+\mathbb E\log_2q(y\mid h)$, at most 3.32 bits.
#
# And “decoder” belongs into every sentence. Without noise the layers of a network
# are functions of $x$: the first ones hardly lose anything, and $I(y;h)$ would stay near $H(y)$ all through
# training. What rises or falls is what a decoder of this size *can read*. A falling lower bound does not prove that information was
# lost: the gap, the KL divergence, may have grown in its place.
#
# **Your function on one such decoder.** The layer is $h_4$ of a trained classifier of the longer run below. With
# $H(x)$ unknown we put 0, and get the two terms whose difference is drawn:

# %%
images, labels = bounds.moved_digits()
test, _ = kept.held_back()  # digits that neither network nor decoder has seen
k, k_test = bounds.level(images), bounds.level(test)
h, h_test = (kept.shipped()["classifier"]["h4"][0](x)[None] for x in (images, test))
decoder = bounds.Decoders(1, h.shape[2], k.shape[1]).fit(h, k, labels, steps=200)
function = answer("7.4")
told = function(k_test, decoder.mean(h_test)[0].double(), decoder.scale()[0].double(), 0.0, bounds.LEVELS)
alone = bounds.alone(k, k_test)
print(f"E log q(x|h4) {float(told):.1f} bits a picture, E log q(x) {alone:.1f}: {float(told) - alone:.1f} bits gained")

# %% [markdown]
# One classifier, live, with such decoders on all its layers at four moments:

# %%
rows = pd.DataFrame(kept.live("classifier"))
figure, axes = plot.subplots(1, 2, size=(8.2, 3.2))
for axis, column, name in ((axes[0], "x_bits", "x"), (axes[1], "y_bits", "y")):
    lines = rows.pivot(index="step", columns="layer", values=column)
    plot.curves(
        {layer: lines[layer] for layer in lines},
        x=np.arange(len(lines)),
        ax=axis,
        xlabel="training step (not to scale)",
        ylabel="bits",
        title=f"what a decoder reads about {name}",
        legend=name == "y",
    )
    axis.set_xticks(range(len(lines)), lines.index)
axes[1].axhline(np.log2(10), color=plot.MUTED, lw=0.9, ls=":")
plot.describe(
    figure,
    "Two panels over the training steps 0, 50, 150 and 400, one line for each of four layers. Left, bits about "
    "the input: h1 is level, h2 and h3 lie below it and fall a little, and far below h4 falls steeply in the first "
    "steps. Right, the bound on the bits about the label, under a dotted line at log2 10: h3 and h4 dip and then climb, h4 from far below.",
)

# %% [markdown]
# **What to see.** Left, bits gained: the deeper the layer, the less a decoder reads about the picture, and of $h_4$ it reads
# far less after the first steps. Right, the bound on $I(y;h)$, under the dotted line $H(y)$: $h_4$ starts lowest and gains most. Would
# another network, with other first weights, show the same?

# %% [markdown]
# **From the longer run** (`xaikit run 07/decoder-bounds --full`; twenty seeds each): the same for 4,000 steps, and with decoders trained for 300
# steps in place of 200, so that heights can be compared within a figure, not between the two; for the classifier and for an **auto-encoder**, the same network with a head that has to return the picture from
# $h_4$.

# %%
table = studies.table("07/decoder-bounds")
figure, axes = plot.subplots(2, 2, size=(8.6, 5.6), sharey="row")
for column, task in enumerate(kept.TASKS):
    for row, (measure, name) in enumerate((("x_bits", "x"), ("y_bits", "y"))):
        lines = {}
        for layer, part in table[table.task == task].groupby("layer"):
            wide = part.pivot(index="step", columns="seed", values=measure)
            found = np.array([scene_noise.interval(seeds) for seeds in wide.to_numpy()]).T
            lines[layer] = (np.arange(len(wide)), *found)
        axis = axes[row, column]
        plot.bands(
            lines,
            ax=axis,
            ylabel="" if column else ("bits gained about x", "bound on I(y; h), bits")[row],
            title=task if row == 0 else None,
            legend=row == 1 and column == 1,
        )
        axis.set_xticks(range(len(wide)), wide.index)
        if row:
            axis.axhline(np.log2(10), color=plot.MUTED, lw=0.9, ls=":")
            axis.set_xlabel("training step (not to scale)")
plot.describe(
    figure,
    "Four panels: on the left the classifier, on the right the auto-encoder; above, bits about the input, below, "
    "bits about the label, over the training steps, one line with a shaded interval per layer. In the "
    "classifier h4 falls in bits about the input and rises in bits about the label; in the auto-encoder h4 changes "
    "little in the first hundred steps and then rises in both.",
)
columns = [("about x", "x_bits", 1, *steps) for steps in ((0, 50), (25, 100), (100, 1000), (1000, 4000), (0, 4000))]
columns += [("about y", "y_bits", 2, 0, 4000)]
changes = {
    (task, layer): {
        f"{name}, step {start} to {stop}": "{:+.{digits}f} ({:+.{digits}f} … {:+.{digits}f}) {} ↓".format(
            *bits.change(task, layer, column, start, stop)[:3], bits.fell(task, layer, column, start, stop), digits=digits
        )
        for name, column, digits, start, stop in columns
    }
    for task in kept.TASKS
    for layer in bounds.LAYERS
}
pd.DataFrame(changes).T

# %% [markdown]
# **What to see.** Means over twenty networks with their 95 % intervals, in bits, and in how many of the twenty the bound fell (↓). Of
# the label, a decoder reads more at the end than at the start from all four layers of the
# classifier, from $h_4$ by far the most. Of the picture it reads less and less from $h_4$. **Early**, by step 50, before most of the label
# has been learned, about 7 bits less, in 17 of the networks: the one above fell most of all twenty, and in three $h_4$ rose. Then little
# happens up to step 200, and from there on the curve **falls steadily** in the logarithm of time: 4 bits from step 100 to 1000, and **late**, from step
# 1000 on, when $h_4$ tells nearly all of the label, about two more, in every one of the networks. This is the late compression that Darlow and Storkey
# report, at the deepest layer. Of the layers before it, $h_2$ and $h_3$ fall between step 25 and step 100 (step 25 was
# chosen because the curves are highest there, the selection that section 3 warns of), and not late: from $h_3$ a decoder reads more
# again by step 1000, and the late changes of $h_1$, $h_2$ and $h_3$ are not told from 0.
#
# The task decides: from the auto-encoder's $h_4$, which has to return the picture, a decoder reads more and more about it from step 50 on, late as well,
# and in the end far more than from the classifier's. It reads more about the label, too, although that network never sees one. (The paper found some
# compression in an auto-encoder; ours has it early, in $h_3$.) And how little one run says: with five networks of
# 1,000 steps we first found no late loss that they agreed on. The learning rate falls to zero along a cosine, so those
# networks may have come to rest before the slow part had begun; and five networks decide less than twenty.

# %% [markdown]
# ## 5 · What was kept?
#
# A number of bits does not say which. **Claim** (Darlow and Storkey, section 5). Draw pictures from the decoder:
# what all samples from one $h$ share is what the layer kept, and what differs between them is what it dropped.
#
# Independent pixels would give noise. A **PixelCNN** draws one pixel after the other, each given those before:
#
# $$q(x\mid h)=\prod_i q(x_i\mid x_1,\dots,x_{i-1},h).$$
#
# It is a convolutional network whose filters are masked, so that a pixel sees only what lies above it and to
# its left. Ours has four masked convolutions and a softmax over the 17 levels. A small network turns $h$ into four maps of the
# picture's size, and each convolution but the first adds a weighted sum of these maps to what it gives out.

# %%
show_source(pixelcnn.Masked)

# %%
show_source(pixelcnn.sample)

# %% [markdown]
# The PixelCNNs were trained in a longer run (`xaikit run 07/samples --full`), one for each layer of five classifiers and five
# auto-encoders, the first five networks of section 4. Those of one pair ship with the course, the pair whose two $h_4$ differ by the
# most usual amount, so that the samples are drawn now:

# %%
columns = list(range(10))
sheet = [[plot.tile(image) for image in lecture07_bounds.ten()]]
labels = ["x"]
for task in kept.TASKS:
    for layer in bounds.LAYERS:
        codes, model = kept.shipped()[task][layer]
        h = codes(lecture07_bounds.ten())
        for draw in range(2 if layer == "h4" else 1):
            sheet.append([plot.tile(image) for image in pixelcnn.sample(model, h, seed=draw)])
            labels.append(f"{task}, {layer}")
axis = plot.sheet(sheet, columns=columns, labels=labels, size=0.5)
plot.describe(
    axis,
    "A sheet of ten columns, one for each digit. First row: the digit. Then samples from the decoders of the "
    "classifier's layers h1 to h4 and of the auto-encoder's. From h1 to h3 they look like the digit; from the "
    "classifier's h4 many show another shape; from the auto-encoder's h4 they stay close.",
)

# %%
drawn = studies.table("07/samples")
columns = {
    "log2 q(x|h), bits": (drawn.pixelcnn_bits - drawn.alone, 0),
    "bits gained by h": (drawn.pixelcnn_bits, 1),
    "samples with the label": (drawn.same_label, 2),
    "two samples differ by": (drawn.apart, 2),
    "sample and original differ by": (drawn.from_original, 2),
}
shown = pd.DataFrame(
    {
        name: {
            key: "{:.{d}f} ({:.{d}f} … {:.{d}f})".format(*scene_noise.interval(part), d=digits)
            for key, part in values.groupby([drawn.task, drawn.layer])
        }
        for name, (values, digits) in columns.items()
    }
).loc[list(kept.TASKS)]
test, labels = kept.held_back()
g = torch.Generator().manual_seed(0)
pairs = torch.randint(len(test), (2, 20_000), generator=g)
apart = (test[pairs[0]] - test[pairs[1]]).square().mean((1, 2, 3))
alike = labels[pairs[0]] == labels[pairs[1]]
print(f"two digits differ by {apart.mean().sqrt():.2f}, two of the same class by {apart[alike].mean().sqrt():.2f}")
shown

# %% [markdown]
# **What to see.** Five networks each, means and their 95 % intervals. The bits gained are fewer than in section 4 (from $h_1$ about half) because
# the decoder without $h$, too, is a PixelCNN now, which guesses a pixel from its neighbours, so that $h$ has less to add; the
# log-probability itself, first column, is higher than with independent pixels (the decoder of an $h_4$ in section 4 reached −165). The judge of the label is the
# vote of the three nearest training pictures; differences are root mean squares per pixel, 0 black to 1 white; the yardsticks
# are printed above the table. Down to $h_3$ both networks fix nearly all of the picture. From the classifier's $h_4$ come
# pictures that differ by four fifths of what two digits of the same class do, and only some of them have the label, though a classifier reads most of it from the same $h_4$: the
# decoder does not use all that is there, and a lower bound may be the decoder's fault. From the auto-encoder's
# $h_4$ nearly the same picture comes every time.
#
# **Try it.** Network, depth and digit: twelve samples and their mean, sharp where $h$ fixes the pixels.

# %% tags=["demo"]
demos.get("07/kept").show()

# %% [markdown]
# ## 6 · Information discarded, pixel by pixel
#
# **Claim** (Ma et al. 2019; Guan et al. 2019). One can say in units of the *input* how much of each pixel a layer
# has discarded: as much noise as the pixel bears before the feature notices. These units are the same for every
# layer and every network.
#
# Let $f$ be the network up to some layer, $x$ a picture with pixels $i=1,\dots,n$, and
# $\varepsilon\sim\mathcal N(0,\operatorname{diag}(\sigma_1^2,\dots,\sigma_n^2))$ independent noise. Of all such noises that move
# the feature by $r$ at most,
#
# $$\mathbb E\,\lVert f(x+\varepsilon)-f(x)\rVert^2\le r^2,$$
#
# take the one with the **largest entropy**, $\sum_i\log\sigma_i+\text{const}$: it says as little as possible
# about the picture, so what it leaves is what $f$ really needs. For $r^2$ we take a tenth of the feature's own
# variance over pictures $x'$, $r^2=\tau\,\mathbb E\,\lVert f(x')-\mathbb E f(x')\rVert^2$ with $\tau=0.1$, which makes it independent of
# the units of the layer. No $\sigma_i$ exceeds a **cap** of 1, the range of a pixel. The bits that pixel $i$ *kept* are
# $\log_2(1/\sigma_i)$: 0 where it may be anything.
#
# **One layer, by hand.** For $f(x)=Wx$ the left side is $\sum_i\sigma_i^2\lVert W_{:i}\rVert^2$ ($W_{:i}$: column $i$), and the
# optimum has a closed form.

# %% [markdown]
# ### Exercise 7.5 — the noise a linear layer bears ★★★ · 18 min · 3 points
#
# Write `largest_noise(W, radius, cap)` for $f(x)=Wx$, `W` (J, I): the σ (I,) that make $\sum_i\ln\sigma_i$ as large as
# possible with $\mathbb E\lVert W\varepsilon\rVert^2\le$ `radius`² and $\sigma_i\le$ `cap`. Start without the cap (Lagrange). Then mind that
# an input at the cap uses less than its share, and that the others may have what it leaves.


# %% nbgrader={"grade": false, "grade_id": "answer-7.5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def largest_noise(W, radius, cap):
    """The σ of the largest entropy that moves Wx by ``radius`` at most.  W (J, I), two numbers → (I,)"""
    ### BEGIN SOLUTION
    squares = (W**2).sum(0)
    free = torch.ones_like(squares, dtype=torch.bool)
    while True:
        share = (radius**2 - (cap**2 * squares[~free]).sum()) / free.sum()
        over = free & (cap**2 * squares <= share)
        if not over.any():
            return torch.where(free, (share / squares).sqrt(), torch.full_like(squares, cap))
        free = free & ~over
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-7.5", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("7.5", largest_noise)

# %% [markdown]
# **Every free input moves the feature by the same amount**: $\sigma_i\lVert W_{:i}\rVert$ is the same for all of them. A deep network
# has a slope $\partial f/\partial x_i$ in place of a column, and it depends on where one stands. So `discard` iterates: take the
# slopes at *noisy* pictures, set $\sigma_i\propto1/\lVert\partial f/\partial x_i\rVert$, draw new noise, and fit one factor so that the feature
# moves by τ. The squared norm of all slopes of a pixel is the mean square of
# $v^\top\partial f/\partial x_i$ over random $v$ (entries independent, mean 0, variance 1), one backward
# pass each. On a linear layer the result must be yours, up to the error of 200 such draws:

# %%
g = torch.Generator().manual_seed(0)
W = torch.randn(20, 36, generator=g) * torch.linspace(0.1, 2, 36)
W[:, 0] = 0
own = answer("7.5")(W, 2.0, 0.25)  # r = 2, that is τ = 4 times a variance of 1
found = discarding.discard(lambda x: x.flatten(1) @ W.T, torch.rand(1, 1, 6, 6, generator=g), 1.0, tau=4.0, cap=0.25, samples=200)
error = (found.sigma.flatten() / own).log().abs().max()
print(f"largest relative difference {error:.1%}; {int((own >= 0.25).sum())} of 36 inputs at the cap")

# %% [markdown]
# **A network of scenes.** `scenes-cnn` says which of house and trees stand on the grass; sky, clouds, sun and
# mountains say nothing about it. Five layers, four of twelve scenes; white pixels kept 6 bits or more, black ones
# 1 or less. The numbers above the maps are the mean bits of house and trees | of the rest.

# %%
images, masks = scene_noise.pictures()
pick = [0, 1, 2, 4]
sheet, names = [[plot.tile(images[i]) for i in pick]], ["x"]
for depth in scene_noise.DEPTHS:
    kept_bits = scene_noise.discarded(depth).kept
    sheet.append([plot.outlined(plot.tile((kept_bits[i].clamp(1, 6) - 1) / 5), masks[i].numpy()) for i in pick])
    names.append(f"{depth}\n{kept_bits[pick][masks[pick]].mean():.1f} | {kept_bits[pick][~masks[pick]].mean():.1f}")
axis = plot.sheet([list(row) for row in zip(*sheet, strict=True)], columns=names, size=1.25)
plot.describe(
    axis,
    "Four scenes and beside each the bits that its pixels kept at five layers, as grey maps with house and trees "
    "outlined. At layer 1 the maps are an even grey; at layer 5 the sky is dark, house and trees are light, and so are a mountain "
    "and the edges of some clouds.",
)

# %%
lines = {}
for label, options in (
    ("trained", {}),
    ("trained, another scene's mask", {"exchanged": True}),
    ("untrained", {"name": "untrained"}),
):
    depths = scene_noise.DEPTHS if label != "untrained" else ("layer 1", "layer 3", "layer 5")
    found = np.array([scene_noise.interval(scene_noise.contrasts(d, **options)) for d in depths]).T
    lines[label] = ([int(d[-1]) for d in depths], *found)
axis = plot.bands(lines, xlabel="layer", ylabel="bits kept, foreground − rest")
axis.set_xticks(range(1, 6))
plot.describe(
    axis,
    "Bits kept by house and trees minus those of the rest over five layers, three lines with shaded intervals. The "
    "trained network's rises steadily; with another scene's mask it rises less; the untrained network's rises "
    "least.",
)

# %% [markdown]
# **What to see.** At layer 1 every pixel is needed about equally; with depth the sky goes first, and house and trees
# keep more than the rest, in the mean. Not they alone: at layer 5 the mountain beside the tree (first row) is as bright as the tree, and the
# edges of the clouds over the house (third row), nearly as bright as the house at layer 4, still stand out from the sky, though the label
# does not depend on them. The trained
# network's contrast grows with every layer. Two controls say what part of it is
# learned. Another scene's mask gives some contrast too, because houses and trees stand in the same region of every
# scene; the trained network's own masks give more than twice as much at layer 5. And an untrained network of the
# same build has some contrast too, at every depth, from the build alone. The shades are 95 % intervals over
# twelve scenes: they speak of more scenes for *this* network, not of other networks. Grass is kept longer than the
# sky, though the label does not depend on it: a network must look at the grass to know that nothing stands there.
#
# Other networks need other trainings: five of them, from the longer run, each measured on the same twelve scenes. Here
# the brackets are 95 % intervals over *networks*.

# %%
others = studies.table("07/discarding")
columns = {"own mask": others.own, "another scene's": others.exchanged, "own − another's": others.own - others.exchanged,
           "untrained, own mask": others.untrained}
pd.DataFrame(
    {name: ["{:+.2f} [{:.2f}, {:.2f}]".format(*scene_noise.interval(part)) for _, part in values.groupby(others.layer)]
     for name, values in columns.items()},
    index=sorted(set(others.layer)),
).style.set_uuid("others")

# %% [markdown]
# **What to see.** The five hardly differ: at layer 5 their means lie within a few hundredths of each other. The network of
# the figure, which ships with the course, lies above all five there, farther than a sixth draw should, and we do not know why. The sign, the growth with depth and the order of the controls at layer 5 are the same for every seed;
# the second decimal is not.
#
# **Why not gradients?** They are in units of the layer. Multiply weights and biases of layer 2 by 10 and divide the
# weights of layer 3 by 10: with a ReLU in between the network computes what it did. The slopes of layer 2's outputs
# over the pixels are ten times as large (and those of the loss over layer 2 ten times smaller); the noise that the
# layer bears, relative to the feature's own variance, is the same.

# %%
plain, scaled = comparison(1.0), comparison(10.0)
pd.DataFrame(
    {"as it is": plain, "layer 2 × 10, layer 3 ÷ 10": scaled},
    index=["size of ∂(layer 2)/∂x", "bits kept at layer 2", "change of the network's outputs"],
).T.style.format("{:.3g}").set_uuid("comparison")

# %% [markdown]
# So “layer 4 has larger gradients than layer 2” says nothing about what either has seen, while bits kept can be
# compared between layers, and between the trained and the untrained network in the figure above. Two limits: what
# is called optimal is so for independent Gaussian noise, and the iteration neglects how the slopes themselves
# change with σ (on a small network a direct search finds hardly more entropy).
#
# **Try it.** Scene, depth, and a factor on the noise: at × 1 the feature moves by about a tenth of its variance (σ was fitted on
# one draw of the noise, the number shown is the mean of others).

# %% tags=["demo"]
demos.get("07/discarded").show()

# %% [markdown]
# ## 7 · The entropy of the gates
#
# **Claim** (Ren et al. 2021, transformation complexity). A ReLU network is linear for given
# **gates**, which ReLUs are open. How complex a function it computes can be measured by the entropy of the
# gates, and a penalty on it narrows the gap between training and test loss.
#
# **Formula.** Gate $d$ of layer $l$ is $\sigma_l^d=1$ where its pre-activation is above 0, else 0; $\Sigma_l$ is
# the whole row of $D$ gates. Its entropy, and the **total correlation**, how far the gates are from acting
# each for itself, are
#
# $$H(\Sigma_l)=-\sum_\sigma p(\sigma)\log_2p(\sigma),\qquad
# TC(\Sigma_l)=\mathrm{KL}\Big(p(\sigma_l)\,\Big\Vert\,\prod_dp(\sigma_l^d)\Big),\qquad
# H+TC=C_l=-\mathbb E\log_2\prod_dp(\sigma_l^d).$$
#
# The input decides the gates, so $H(\Sigma|X)=0$ and $I(X;\Sigma)=H(\Sigma)$. What they tell of the label is
# $I(\Sigma;Y)$; the paper writes it $I(X;\Sigma;Y)$, which is the same where $X$ decides both.

# %% [markdown]
# ### Exercise 7.6 — the entropy of gates ★★☆ · 7 min · 2 points
#
# Write `gate_entropy(z)`: from the pre-activations `z` (N, D) of a ReLU layer, return $H(\Sigma)$ and
# $TC(\Sigma)$ in bits. A gate is open where z > 0, and $TC=\sum_dH(\Sigma^d)-H(\Sigma)$. There may be more gates than an int64 has bits.


# %% nbgrader={"grade": false, "grade_id": "answer-7.6", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gate_entropy(z):
    """H(Σ) and TC(Σ) in bits of the gates z > 0.  z (N, D) → two numbers"""
    ### BEGIN SOLUTION
    gates = z > 0
    counts = torch.unique(gates, dim=0, return_counts=True)[1].double()
    p = counts / len(gates)
    own = -(p * p.log2()).sum()
    opened = gates.double().mean(0)
    apart = -(
        torch.special.xlogy(opened, opened) + torch.special.xlogy(1 - opened, 1 - opened)
    ).sum() / np.log(2)
    return own, apart - own
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-7.6", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("7.6", gate_entropy)

# %% [markdown]
# **The books.** In section 3's ReLU networks a layer has at most ten gates, 1,024 states: all three numbers
# can be computed by their own definitions, over every state, and all 4,096 inputs are there. Does $H+TC=C$?

# %%
show_source(gates.bookkeeping)

# %%
books = gates.books()  # before and after training × (H, TC, C) × seeds × layers
gap = np.abs(books[:, 0] + books[:, 1] - books[:, 2]).max()
function = answer("7.6")
mine = [function(layer[0]) for layer in plane.train("ReLU").layers(-1)[:-1]]
print(f"largest |H + TC − C| over 20 networks, 5 layers, before and after training: {gap:.0e} bits")
print("network 1, H by your function:", [round(float(v[0]), 3) for v in mine])
print("network 1, H by the table:    ", books[-1, 0, 0].round(3).tolist())

# %%
steps, told = gates.through_training()
_, axes = plot.subplots(1, 3, size=(10.8, 3.2))
for ax, k, name in zip(axes, range(3), ("H(Σ) = I(X;Σ)", "TC(Σ)", "I(Σ;Y)"), strict=True):
    plot.curves(
        {n: told[:, k, :, j].mean(1) for j, n in enumerate(plane.LAYERS[:5])},
        x=np.maximum(steps, 1),
        ax=ax,
        xlabel="step",
        ylabel="bits",
        title=name,
        log="x",
        legend=k == 2,
    )
plot.describe(
    axes[0],
    "Three panels over training steps with a line for each hidden layer. The entropy of the gates hardly "
    "changes, largest in layer 1; the total correlation rises in layer 5; what the gates know of the label rises "
    "in layers 2 to 5, most in layer 5, and in layer 1 only a little.",
)
for when, moment in (("before", 0), ("after", -1)):
    print(f"I(Σ;Y) of layers 1 to 5 {when} training:", told[moment, 2].mean(0).round(2))
change = {
    name: information.interval(told[-1, k] - told[0, k]) for k, name in enumerate(("H(Σ)", "TC(Σ)", "I(Σ;Y)"))
}
pd.DataFrame(
    {name: [f"{m:+.2f} ± {i:.2f}" for m, i in zip(*v, strict=True)] for name, v in change.items()},
    index=plane.LAYERS[:5],
).rename_axis("change in training")

# %% [markdown]
# **What to see.** The entropy of the gates changes by less than half a bit in every layer: it falls a little in
# layers 1 and 2 and rises a little in layer 5. Training hardly makes these networks more complex in this
# sense. The gates' total correlation rises most in layer 5, more than twofold: there the gates come to act together. And
# training changes *which* inputs share a pattern: $I(\Sigma;Y)$ rises, in layer 2 from 0.10 to 0.49, in layers 3 to 5
# from next to nothing to between 0.5 and 0.8 bits, in layer 1 only from 0.33 to 0.42, so that in layer 5 most of what was to be learned can be read off the gates alone.
#
# **The penalty.** $L_\text{complexity}=\sum_lH(\Sigma_l)=\sum_l-\mathbb E\log p(\sigma_l)$ needs $p$, and gradients.
# Put any other distribution $q$ in place of $p$: a cross-entropy is never below the entropy, so that
# $-\mathbb E\log q(\sigma)$ is an upper bound that may be lowered. Ours is a kernel density over the batch; for the
# sake of gradients the gates are softened to $\mathrm{sigmoid}(z)$, and then it is a bound no more, but a stand-in:

# %%
show_source(gates.complexity)

# %% [markdown]
# The task is one that invites learning by heart: 200 digits of 14 × 14 pixels, a fifth of the labels drawn at
# random, for networks with two layers of 16 gates. Three strengths of the penalty, six seeds each, all in one
# `fit_many`. (Test labels are spoiled alike, so that both losses speak of the same task; the error is counted
# against the true labels. The natural logarithm makes losses nats.)

# %%
study, rows = gates.study(), {}
for strength in gates.STRENGTHS:
    at = [i for i, s in enumerate(study.settings) if s["strength"] == strength]
    last = {name: v[-1, at].double().numpy() for name, v in study.measured.items()}
    columns = {
        "H, layer 1 (bits)": last["H"][:, 0],
        "H, layer 2": last["H"][:, 1],
        "train loss": last["train"],
        "test loss": last["test"],
        "lowest test loss": study.measured["test"][:, at].amin(0).double().numpy(),
        "gap": gates.gap_at(strength),
        "gap at train loss 1": gates.gap_at(strength, 1.0),
        "test error": last["error"],
    }
    rows[strength] = {n: "{:.2f} ± {:.2f}".format(*information.interval(v)) for n, v in columns.items()}
pd.DataFrame(rows).T.rename_axis("strength")

# %%
lines = {}
for strength in gates.STRENGTHS:
    at = [i for i, s in enumerate(study.settings) if s["strength"] == strength]
    train, test = (study.measured[k][1:, at].mean(1).numpy() for k in ("train", "test"))
    lines[f"strength {strength:g}"] = (train, test - train)
ax = plot.curves(
    lines,
    xlabel="training loss, nats (training goes from right to left)",
    ylabel="test − training loss, nats",
    title="the gap, at the same training loss",
)
plot.describe(
    ax,
    "The gap between test and training loss against the training loss, a curve for each strength. All rise "
    "as the training "
    "loss falls; the penalised curves end earlier, at a larger training loss and a smaller gap, and at "
    "training losses below about 1.3 "
    "lie above the unpenalised one.",
)

# %% [markdown]
# **What to see.** The penalty does what it says: the gates' entropy falls, and so does the gap at the end of
# training, and even the test loss. That is the paper's claim, and it holds. The column “gap at train loss 1” is
# a control that the paper does not show: each network at the moment at which it had learned *equally much*. There the
# penalised networks' gap is not smaller, it is larger. So what the penalty does here is like
# stopping early: the network fits the spoiled labels less in the same number of steps. Stopping does it better: the
# unpenalised networks pass a test loss of 1.40 on their way (column “lowest test loss”), the penalised ones, in the mean, never get
# as low. The test error at the end is the same with and without the penalty. With a strength of 0.01 hardly a
# gate of layer 1 still switches: that layer is nearly linear.

# %% [markdown]
# ## The live demo
#
# The whole plane in motion: each path is a layer of one network, its number beside it; the small dots are the same
# layer in all twenty networks, at the step named above the table, the frames their means. Press play, or set the epoch; take another network; switch to
# ReLU; then change the number of bins and decide what you would have published.

# %% tags=["demo"]
demos.get("07").show()

# %% [markdown]
# ## Paper against here
#
# What the sources claim, and what came out on our networks and data, computed in this moment, except the rows that rest on a longer
# run's table.

# %%
paper = claims.table("07")
claims.styled(paper.drop(columns="lecture"))

# %% [markdown]
# **The rows that do not hold.** *Data processing*: the inequality is a theorem and the networks obey it. Their
# binned layers need not: in two of 80 pairs of ReLU layers more came out than went in, because the upper layer's bins
# are filled from exact outputs (section 3), and with bins of another width. *Late compression
# in the layers before*: only at $h_4$ do the classifier's bounds on $I(x;h)$ fall late; those of $h_2$ and $h_3$ fall early, and then no more. In the
# paper, on a larger ResNet and photos, the fit lasts ten epochs and compression the 190 that follow (its figure 1). Our longer run has
# 4,000 steps: about twenty passes over the moved pictures, 190 over the scans that were moved. So time is hardly what is lacking; but
# layers $h_1$ to $h_3$ are wide beside pictures of 100 pixels: they need not let go of anything. *The
# penalty at equal training loss*: what looks like better generalisation at the end of training is, in our small
# networks, less training. The paper trained other and larger ones, and did not compare at equal loss.
#
# **To take along.**
# * $I(X;T)$ of a deterministic network is a property of the network *and* of a ruler: bins, noise or a decoder.
#   Say which, keep it fixed while something else changes, and show what another would have said.
# * tanh networks crowd their outputs late in training (Saxe and colleagues: near ±1); called compression, it is real on the scale of a
#   bin. ReLU networks here did not do it on fixed bins, and learned the task too.
# * Rulers and selection make findings: “last minus peak” and bins per snapshot find compression wherever one looks,
#   and fixed bins find a gain where outputs grow.
# * Before a penalty is credited with a smaller gap, compare networks that have learned equally much.
