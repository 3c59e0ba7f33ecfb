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
# # 04 · Axiomatic attribution: integrated gradients
#
# A network says “three”. A heatmap says *because of these pixels*. Another heatmap says *no, because of
# those*. Nobody can look into the network to see who is right, so this lecture asks something else: which
# properties must *any* sensible heatmap have? It turns out that a handful of modest wishes rules out most
# methods, and that among those which follow a path from “nothing” to the input only the straight one is left.
#
# | | |
# |---|---|
# | **You will be able to** | state six axioms of attribution, and break most methods with two inputs and a pencil · write integrated gradients and path gradients · check an attribution by its completeness gap · choose a baseline and say what it asks · read a witness |
# | **Time** | 140 minutes, of which 58 for the seven exercises; what is marked *optional* (the proof of theorem 1, section 6's nine plots, section 7's second look) can be left out: about 25 minutes less |
# | **Builds on** | gradients in PyTorch; lecture 02 (deconvnet, guided backprop) and 03 (LRP) help, but are not needed |
# | **Sources** | Sundararajan, Taly, Yan 2017, *Axiomatic Attribution for Deep Networks* (“the paper”); Shapley 1953, *A value for n-person games*; Friedman 2004, *Paths and consistency in additive cost sharing* |

# %%
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display

from xaikit import attribution, claims, data, demos, evaluate, plot, widgets, zoo
from xaikit.evaluate import families
from xaikit.exercises import answer, check
from xaikit.exercises.lecture04 import as_module
from xaikit.source import show_source

# %% [markdown]
# ## The question
#
# Let $F:\mathbb R^n\to\mathbb R$ be one output of a network: the score of one class, or the one number that
# it returns. Let $x\in\mathbb R^n$ be the **input** to explain and $x'\in\mathbb R^n$ the **baseline**, an
# input that stands for “nothing there”: a black picture, a sentence of zero vectors. An **attribution** is
# a vector
#
# $$A_F(x, x') = (a_1,\dots,a_n)\in\mathbb R^n,$$
#
# where $a_i$ is the part that input $i$ has in the prediction $F(x)$ (definition 1 of the paper). We call
# $a_i$ the **credit** of input $i$; it may be negative.
#
# Why a baseline at all? Because blame is counterfactual: to say that *this* caused *that*, one compares
# with a world in which *this* is absent. A baseline makes the comparison explicit.
#
# The question is old. In a game, players earn a reward together; who should get how much? Shapley (1953)
# wrote down four wishes for a fair division: *linearity*, *dummy*, *symmetry* and *efficiency*. Read
# “input” for player and “output of the network” for reward, and you will meet all four again today,
# efficiency under the name of *completeness*.

# %% [markdown]
# ## 1 · A gradient can vanish where the function moved
#
# **Claim** (the paper, section 2.1). The gradient gives no credit to the only input there is, although it
# changed the output from 0 to 1.
#
# **Sensitivity (a)** is the wish that this must not happen: if $x$ and $x'$ differ in one input only, and
# $F(x)\ne F(x')$, then that input's credit is not 0.
#
# **Formula.** One input, one ReLU, where $\mathrm{ReLU}(z)=\max(z,0)$:
#
# $$f(x) = 1-\mathrm{ReLU}(1-x),\qquad x'=0,\qquad x=2.$$
#
# The library has it as a real network, a Linear layer, a ReLU and a Linear layer, so that every method can
# be run on it.

# %%
ramp = families.flat_beyond_one()
print("\n".join(families.formula(ramp)))

x, baseline = torch.tensor([[2.0]], dtype=torch.float64), torch.tensor([[0.0]], dtype=torch.float64)
print(f"\nf(x') = {ramp(baseline).item():g},  f(x) = {ramp(x).item():g}")
print(f"gradient at x:        {attribution.gradient(ramp, x).item():g}")
print(f"gradient × input:     {attribution.gradient_x_input(ramp, x).item():g}")
print(
    f"integrated gradients: {attribution.integrated_gradients(ramp, x, baseline=baseline).item():g}"
)

# %% [markdown]
# Integrated gradients, the last line, is the hero of this lecture and gets its formula in section 4. For
# now: it looks at the whole way from $x'$ to $x$, not at the end alone.
#
# **Picture.** Left, the function; right, the credit that three methods give to $x$, for each $x$. Beyond 1,
# where the function is flat, the gradient drops to 0 and takes gradient × input with it, while integrated
# gradients stays at $f(x)-f(0)$, the height that was climbed.

# %%
xs = torch.linspace(-1, 3, 201, dtype=torch.float64)[:, None]
fig, (left, right) = plot.subplots(1, 2, size=(9.6, 3.2))
plot.curves(
    {"f": ramp(xs)[:, 0]},
    x=xs[:, 0],
    ax=left,
    xlabel="input x",
    ylabel="f(x)",
    title="f(x) = 1 − ReLU(1 − x)",
)
left.plot([0, 2], ramp(torch.cat([baseline, x])), "o", color=plot.INK)
left.annotate("baseline", (0, 0), xytext=(8, -12), textcoords="offset points")
left.annotate("input", (2, 1), xytext=(-4, -14), textcoords="offset points")
plot.curves(
    {
        "gradient": attribution.gradient(ramp, xs)[:, 0],
        "gradient × input": attribution.gradient_x_input(ramp, xs)[:, 0],
        "integrated gradients": attribution.integrated_gradients(ramp, xs, steps=400)[:, 0],
    },
    x=xs[:, 0],
    ax=right,
    xlabel="input x",
    ylabel="credit of x",
    title="what x is given, baseline 0",
)
plot.describe(
    fig,
    "Left: f rises with slope 1 up to x = 1 and is flat from there. Right: for x above 1 the "
    "gradient and gradient times input are 0, integrated gradients stays at 1.",
)

# %% [markdown]
# **Try it.** Move $x$ over the bend and watch the three bars.

# %% tags=["demo"]
demos.get("04/vanishing").show()

# %% [markdown]
# ### Exercise 4.1 — the gradient's credit ★☆☆ · 5 min · 1 point
#
# Write `gradient_credit(f, x)`: the gradient $\partial f/\partial x$ for every row of `x`.
#
# In all exercises of this lecture `f` takes a batch `(N, D)`, that is N inputs of D numbers, and returns
# `(N,)`; rows do not influence each other. When your function passes, ask yourself why the ramp at $x=2$
# gets 0.


# %% nbgrader={"grade": false, "grade_id": "answer-4.1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gradient_credit(f, x):
    """∂f/∂x, row by row.  x: (N, D) → (N, D)"""
    ### BEGIN SOLUTION
    x = x.detach().clone().requires_grad_(True)
    # rows do not mix, so the sum keeps each row's own gradient
    return torch.autograd.grad(f(x).sum(), x)[0]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-4.1", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
check("4.1", gradient_credit)

# %% [markdown]
# ## 2 · Deconvnet and guided backprop miss an input
#
# **Claim** (the paper, section 2.1 and appendix B). Deconvnet and guided backprop break sensitivity (a)
# too, and not only on a flat piece.
#
# Both send a signal back from the output as the gradient does, except at each ReLU. Let $R$ be the signal
# that arrives from above and $z$ what went into the ReLU on the way up:
#
# | | what goes on down |
# |---|---|
# | gradient | $R$ where $z>0$, else 0 |
# | deconvnet | $\max(R, 0)$ |
# | guided backprop | $\max(R, 0)$ where $z>0$, else 0 |
#
# **Formula.** Two inputs:
#
# $$f(x_1,x_2)=\mathrm{ReLU}\big(\mathrm{ReLU}(x_1)-1-\mathrm{ReLU}(x_2)\big).$$
#
# Fix $x_1>1$. As $x_2$ grows from 0 to $x_1-1$ the output falls from $x_1-1$ to 0. But the signal that
# arrives at $\mathrm{ReLU}(x_2)$ is never positive, because of the minus in front of it, and both rules
# cut it off. So $x_2$ gets nothing, at any input at all.

# %%
f, g = families.slides_pair()  # g comes in section 3
print("\n".join(families.formula(f)))

x, baseline = (
    torch.tensor([[3.0, 1.0]], dtype=torch.float64),
    torch.tensor([[3.0, 0.0]], dtype=torch.float64),
)
print(f"\nf(3, 0) = {f(baseline).item():g},  f(3, 1) = {f(x).item():g}: x2 alone moved the output")
names = ["deconvnet", "guided_backprop", "gradient", "gradient_x_input"]
credit = {attribution.METHODS[n].label: attribution.METHODS[n](f, x)[0].tolist() for n in names}
credit["Integrated gradients"] = attribution.integrated_gradients(
    f, x, baseline=baseline, steps=300
)[0].tolist()
pd.DataFrame(credit, index=["credit of x1", "credit of x2"]).T.round(3)

# %% [markdown]
# Deconvnet and guided backprop give $x_2$ nothing, though it alone moved the output. Integrated gradients,
# from the baseline $(3, 0)$, gives the whole change to $x_2$ and none to $x_1$, which did not move.
#
# **Picture.** The credit of $x_2$ as $x_2$ grows, at $x_1=3$. Deconvnet and guided backprop lie on the zero
# line from end to end; the gradient is $-1$ as long as the output falls and 0 where it has reached the
# floor; integrated gradients runs along with the change of the output and stays there.

# %%
x2 = torch.linspace(0.01, 3, 121, dtype=torch.float64)
along = torch.stack([torch.full_like(x2, 3), x2], 1)
start = along * torch.tensor([1.0, 0.0])
fig, (left, right) = plot.subplots(1, 2, size=(9.6, 3.2))
plot.curves(
    {"f": f(along)[:, 0]},
    x=x2,
    ax=left,
    xlabel="input x₂",
    ylabel="f(3, x₂)",
    title="the output falls, then rests",
)
plot.curves(
    {
        "deconvnet": attribution.deconvnet(f, along)[:, 1],
        "guided backprop": attribution.guided_backprop(f, along)[:, 1],
        "gradient": attribution.gradient(f, along)[:, 1],
        "integrated gradients": attribution.integrated_gradients(
            f, along, baseline=start, steps=300
        )[:, 1],
    },
    x=x2,
    ax=right,
    xlabel="input x₂",
    ylabel="credit of x₂",
    title="what x₂ is given, baseline (3, 0)",
)
plot.describe(
    fig,
    "Left: f(3, x2) falls from 2 to 0 at x2 = 2 and stays there. Right: the credit of x2 by "
    "deconvnet and guided backprop is 0 everywhere; the gradient is -1, then 0; integrated "
    "gradients falls to -2 and stays.",
)

# %% [markdown]
# **Try it.** Two sliders for $x_1$ and $x_2$; a shaded row is a method that misses $x_2$ although $x_2$
# changed the output. The baseline is $(x_1,0)$, as in the picture: only $x_2$ moves, and so sensitivity (a)
# has something to say. (DeepLIFT and LRP, the last two rows, come in section 3. LRP knows no baseline; where
# the output is 0 it has nothing to share out.) Which rows are never shaded?

# %% tags=["demo"]
demos.get("04/sensitivity").show()

# %% [markdown]
# ## 3 · Two networks, one function, two explanations
#
# Two networks are **functionally equivalent** if their outputs are equal for all inputs, however
# differently they are built.
#
# **Implementation invariance** is the wish that the credit is then the same: an explanation of *what is
# computed* should not depend on *how it is written down*. Otherwise two trainings that end in the same
# function could be explained differently.
#
# **Claim** (the paper, section 2.2 and appendix B). Gradients have this property, by the chain rule.
# DeepLIFT and LRP do not.
#
# **Formula.** The network $f$ of section 2, and
#
# $$g(x_1,x_2)=\mathrm{ReLU}\big(\mathrm{ReLU}(x_1-1)-\mathrm{ReLU}(x_2)\big).$$
#
# They are equal everywhere. Where $x_1\ge1$ it is the same expression; where $x_1<1$ both are 0.

# %%
print("f:", *families.formula(f), sep="\n   ")
print("g:", *families.formula(g), sep="\n   ")
grid = torch.cartesian_prod(*[torch.linspace(-5, 5, 201, dtype=torch.float64)] * 2)
print(
    f"\nlargest difference on a grid of {len(grid)} points: {(f(grid) - g(grid)).abs().max().item():.0e} (rounding)"
)

# %% [markdown]
# **DeepLIFT** (its rescale rule) and **LRP** go back layer by layer like the gradient, but replace slopes
# by *discrete gradients*, differences between here and the baseline. For a ReLU with input $z$ here and
# $z'$ at the baseline, DeepLIFT uses $\frac{\mathrm{ReLU}(z)-\mathrm{ReLU}(z')}{z-z'}$ instead of the
# derivative. A Linear layer hands on through its weights, as the gradient does, and at the input what
# arrives is multiplied by $x_i-x'_i$. LRP has no baseline: it starts with the output itself, $R=F(x)$, and
# shares the relevance $R_j$ of a neuron $j$ among the inputs $i$ of its layer, where input $i$ has the value
# $x_i$ and the weight $w_{ij}$, in proportion to what they contributed ($0/0$ counts as 0):
#
# $$R_i=\sum_j \frac{x_i w_{ij}}{\sum_{k} x_{k}w_{kj}}\,R_j .$$
#
# *By pencil*, $f$ at $(3,1)$ with the baseline $(0,0)$. The last ReLU has the input $z=3-1-1=1$ here and
# $z'=-1$ at the baseline. For DeepLIFT its slope is $\frac{1-0}{1-(-1)}=\frac12$; the two inner ReLUs have
# slope 1, the weights are $1$ and $-1$: credit $\frac12\cdot1\cdot3=1.5$ and $\frac12\cdot(-1)\cdot1=-0.5$.
# LRP shares out $f(3,1)=1$ in proportion to $3$ and $-1$, whose sum is 2: again $1.5$ and $-0.5$. Do the
# same for $g$ before you look.
#
# The chain rule holds for derivatives and fails for discrete gradients in general, and so the credit comes
# to depend on where a network puts its intermediate results. At $(3, 1)$ with the baseline $(0, 0)$:

# %%
x, zero = torch.tensor([[3.0, 1.0]], dtype=torch.float64), torch.zeros(1, 2, dtype=torch.float64)
methods = {
    "Integrated gradients": lambda net: attribution.integrated_gradients(
        net, x, baseline=zero, steps=300
    ),
    "DeepLIFT": lambda net: attribution.deep_lift(net, x, baseline=zero),
    "LRP, bias excluded": lambda net: attribution.lrp(
        net, x, rules=attribution.Epsilon(0, bias="excluded")
    ),
    "LRP, bias kept": lambda net: attribution.lrp(net, x, rules=attribution.Epsilon(0)),
}
pair = {name: [*method(f)[0].tolist(), *method(g)[0].tolist()] for name, method in methods.items()}
columns = pd.MultiIndex.from_product([["on f", "on g"], ["x1", "x2"]])
pd.DataFrame.from_dict(pair, orient="index", columns=columns).round(2)

# %%
fig, axes = plot.subplots(1, 4, size=(11, 2.6), sharex=True)
for ax, (name, (f1, f2, g1, g2)) in zip(axes, pair.items(), strict=True):
    plot.bars({"x₁": [f1, g1], "x₂": [f2, g2]}, labels=["f", "g"], ax=ax, title=name)
    ax.set_xlim(-3, 5)
plot.describe(
    fig,
    "Credits of x1 and x2 at (3, 1) on the equal networks f and g. Integrated gradients and "
    "LRP with the bias kept agree on both networks; DeepLIFT and LRP with the bias excluded "
    "give x1 more on g than on f, and x2 less.",
)

# %% [markdown]
# **What to see.** In the first and the last panel the bars for $f$ and $g$ are equal, in the two between
# they are not.
#
# **The bias matters, and the paper does not say so.** The LRP formula above, as the paper uses it, has no
# bias in its denominator, and only that variant gives the paper's numbers. With the neuron's bias $b_j$
# kept in the denominator, $\sum_k x_kw_{kj}+b_j$, as the ε-rule of most libraries has it, the two networks
# get the *same* credit.
#
# That is no accident. With the bias kept, the denominator is the neuron's own value $z_j$. The relevance of
# an active ReLU neuron divided by $z_j$ is then simply passed down with the weights, which is what the
# gradient does, and at the input $R_i=x_i\,\partial F/\partial x_i$. So for ReLU networks this LRP is
# gradient × input, as far as no stabiliser ε is in the way; it inherits implementation invariance from the
# gradient, and with it the gradient's blindness of section 1.

# %%
random_net = families.random_dense(np.random.default_rng(0), (3, 8, 8, 1))
points = torch.randn(200, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
gap = attribution.lrp(
    random_net, points, rules=attribution.Epsilon(0)
) - attribution.gradient_x_input(random_net, points)
print(
    f"LRP (bias kept, ε = 0) against gradient × input, 200 points of a random network: largest difference {gap.abs().max():.0e}"
)
print(
    f"LRP on the ramp of section 1 at x = 2: {attribution.lrp(ramp, torch.tensor([[2.0]], dtype=torch.float64)).item():g}"
)

# %% [markdown]
# So what is left of the claim? **It is true of DeepLIFT; of LRP it is true where the bias is excluded; and
# where the bias is kept, the pair is no counterexample.** And the axiom that LRP was said to fulfil,
# sensitivity (a), fails: on the ramp it says 0 (section 7 finds that with the bias excluded, too). When you
# read “LRP does this or that”, ask where the bias goes.
#
# Every library function can be read here. This is the whole of the network pair:

# %%
show_source(families.slides_pair)

# %% [markdown]
# ## 4 · Completeness: nothing lost, nothing invented
#
# **Formula.** Walk from $x'$ to $x$ in a straight line, $x'+\alpha(x-x')$ with $\alpha$ from 0 to 1, and
# collect the gradient on the way:
#
# $$\mathrm{IG}_i(x)=(x_i-x'_i)\int_0^1\frac{\partial F\big(x'+\alpha(x-x')\big)}{\partial x_i}\,d\alpha .$$
#
# **Claim** (the paper, proposition 1, which asks for “differentiable almost everywhere”; safe is: continuous,
# piecewise smooth, and differentiable at almost every point of the line). **Integrated gradients** is
# **complete**: $\sum_i \mathrm{IG}_i(x)=F(x)-F(x')$.
#
# *Why.* By the chain rule,
# $\frac{d}{d\alpha}F(x'+\alpha(x-x'))=\sum_i (x_i-x'_i)\frac{\partial F}{\partial x_i}$. Integrate both
# sides from 0 to 1: on the left stands $F(x)-F(x')$, on the right the sum of the credits. It is the
# fundamental theorem of calculus along a line.
#
# With these factors, completeness gives sensitivity (a): if only input $i$ differs, all other $x_k-x'_k$
# are 0, and so the whole difference $F(x)-F(x')\ne0$ is its credit. Only gradients enter, so implementation
# invariance holds as well.
#
# **Code.** A computer replaces the integral by a sum over $m$ **steps**. The paper takes the right end of
# each step, $\alpha=k/m$ for $k=1,\dots,m$; the middle, $\alpha=(k-\tfrac12)/m$, is better, as you will
# see.

# %% [markdown]
# ### Exercise 4.2 — integrated gradients ★★☆ · 10 min · 3 points
#
# Write the midpoint sum, for a whole batch at once:
#
# $$\mathrm{IG}_i\approx(x_i-x'_i)\,\frac1m\sum_{k=1}^{m}\frac{\partial f}{\partial x_i}\Big(x'+\tfrac{k-1/2}{m}(x-x')\Big).$$


# %% nbgrader={"grade": false, "grade_id": "answer-4.2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def integrated_gradients(f, x, baseline, steps=32):
    """Midpoint sum of the path integral.  x, baseline: (N, D) → (N, D)"""
    ### BEGIN SOLUTION
    total = torch.zeros_like(x)
    for k in range(steps):
        point = (baseline + (k + 0.5) / steps * (x - baseline)).detach().requires_grad_(True)
        total += torch.autograd.grad(f(point).sum(), point)[0]
    return (x - baseline) * total / steps
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-4.2", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("4.2", integrated_gradients)

# %% [markdown]
# ### Exercise 4.3 — the completeness gap ★☆☆ · 3 min · 1 point
#
# Write what is missing from completeness, $\sum_i a_i-\big(f(x)-f(x')\big)$, for every row. It is the one
# check that costs two forward passes and needs no ground truth; the paper advises to make it a habit.


# %% nbgrader={"grade": false, "grade_id": "answer-4.3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def completeness_gap(f, x, baseline, attributions):
    """Σ attributions − (f(x) − f(x′)), row by row.  x, baseline, attributions: (N, D) → (N,)"""
    ### BEGIN SOLUTION
    return attributions.sum(1) - (f(x) - f(baseline))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-4.3", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
check("4.3", completeness_gap)

# %% [markdown]
# From here on `answer("4.2")` stands for your function if it passed, and for the library's if it did not (a
# badge says which). Here they are on real handwriting. `digits-cnn` takes a picture of 28 × 28 numbers
# between 0 (black) and 1 (white) and returns ten scores, called *logits*; the exercise's functions want
# rows of 784 numbers and one score.

# %%
digits = data.digits(split="test")
cnn = zoo.load("digits-cnn")
three = digits.images[digits.labels == 3][:1]


def as_rows(rows):
    """The logit of class 3 for rows of 784 numbers: (N, 784) → (N,)."""
    return cnn(rows.view(-1, 1, 28, 28))[:, 3]


ig, gap = answer("4.2"), answer("4.3")
row, black = three.flatten(1), torch.zeros(1, 784)
for m in (1, 4, 32, 128):
    print(
        f"m = {m:3d}: completeness gap {gap(as_rows, row, black, ig(as_rows, row, black, m)).item():+.5f}"
    )
print(f"F(x) − F(x') = {(as_rows(row) - as_rows(black)).item():.5f}")

# %% [markdown]
# **Picture.** How fast does the gap close? Five ways to turn the integral into a sum: the **left** ends of
# the steps, their **right** ends, the **midpoints**, the **trapezoid** (both ends, each with half the
# weight), and **Gauss–Legendre** (points and weights that are exact for polynomials of high degree).
#
# The proof above shows how to be quick about it. The credits add up to $\int_0^1 s(\alpha)\,d\alpha$ with
# the slope $s(\alpha)=\frac{d}{d\alpha}F(x'+\alpha(x-x'))$ along the line; so one slope per point serves
# all rules and all $m$ that share the point. Both axes are logarithmic: a gap that behaves like $m^{-p}$ is
# a straight line of slope $-p$.

# %%
steps = [2**k for k in range(8)]
sums = {
    (rule, m): attribution.quadrature(m, rule) for rule in attribution.RULES for m in steps
}  # points and weights
alphas = torch.unique(torch.cat([points for points, _ in sums.values()]))
some = digits.take(torch.tensor([int((digits.labels == d).nonzero()[0]) for d in range(10)]))


def slopes(x, target):
    """s(α) at every α of ``alphas``, for one picture from the black one."""
    return (
        (attribution.gradient(cnn, alphas.float()[:, None, None, None] * x, target) * x)
        .flatten(1)
        .sum(1)
        .double()
    )


with torch.no_grad():
    rise = (
        (cnn(some.images) - cnn(torch.zeros(1, 1, 28, 28))).double().diagonal()
    )  # digit d's logit for class d
slope = torch.stack([slopes(some.images[d : d + 1], d) for d in range(10)])
errors = {
    rule: [
        (slope[:, torch.searchsorted(alphas, sums[rule, m][0])] @ sums[rule, m][1] - rise)
        .abs()
        .mean()
        .item()
        for m in steps
    ]
    for rule in attribution.RULES
}
fig, (left, right) = plot.subplots(1, 2, size=(9.6, 3.6))
plot.curves(
    {"Gauss–Legendre" if rule == "gauss" else rule: e for rule, e in errors.items()},
    x=steps,
    ax=left,
    log="xy",
    xlabel="number of steps m",
    ylabel="|Σ IG − (F(x) − F(x′))|  (logits)",
    title="completeness error, mean of ten digits",
)
plot.curves(
    {"s": slope[3]}, x=alphas, ax=right, xlabel="α", ylabel="s(α)  (logits)", title="the slope, digit 3"
)
plot.describe(
    fig,
    "Left: completeness error against number of steps on logarithmic axes for five quadrature "
    "rules. With few steps the order changes; from m = 16 on all fall, and the left and right sums "
    "lie highest, then trapezoid, midpoint and Gauss-Legendre. Right: the slope along the line from "
    "black to a three. It starts below 0, jumps about, rises to a peak near α = 0.1 and comes down to a "
    "level where it stays from about 0.4 on.",
)

# %%
fits = {rule: np.polyfit(np.log(steps[4:]), np.log(e[4:]), 1)[0] for rule, e in errors.items()}
pd.DataFrame(
    {
        "slope from m = 16 on": fits,
        **{
            f"error at m = {m}": {r: e[steps.index(m)] for r, e in errors.items()}
            for m in (4, 16, 32, 128)
        },
        "m for 5 %": {
            r: next(m for m, error in zip(steps, e, strict=True) if error < 0.05 * rise.mean())
            for r, e in errors.items()
        },
    }
).round(4)

# %% [markdown]
# **What to see.** Right, what is summed: the slope starts below 0, jumps about while the picture is almost
# black, has a peak near $\alpha=0.1$, and is nearly level from 0.4 on. A handful of points does not see the
# beginning, and up to $m=8$ luck decides: at $m=4$ the trapezoid does worse than the right ends, and
# midpoints hardly better. From $m=16$ on there is order. The one-sided sums fall like $1/m$: they are off
# by half a step's worth of the slope's change from one end of the way to the other. Midpoints remove most
# of that error; the trapezoid, the mean of left and right, about halves it here. What is left comes from
# the kinks. A ReLU network's slope *jumps* wherever the line crosses one, so that no rule keeps the promise
# it makes for smooth functions: $m^{-2}$ for midpoints and trapezoid, and much more for Gauss–Legendre,
# which is the best of the five from $m=8$ on and yet falls no faster than the others. Midpoints are simple
# and good; whatever you take, look at the gap. (For one picture the gap jumps about: you saw it small by
# luck at $m=1$, and no smaller at $m=128$ than at $m=32$.)
#
# **Try it.** The slider is $m$, the toggle is the rule. A small gap does not yet mean a settled map; how
# far is the map of the three from the one at $m=300$?

# %%
settled = attribution.integrated_gradients(cnn, three, 3, steps=300)
rise_of_three = as_rows(row).item() - as_rows(black).item()
for m in (1, 16, 32):
    now = attribution.integrated_gradients(cnn, three, 3, steps=m)
    off = ((now - settled).norm() / settled.norm()).item()
    missing = abs(now.sum().item() - rise_of_three) / rise_of_three
    print(f"m = {m:2d}: the map is {off:.1%} off, the gap is {missing:.2%} of F(x) − F(x')")

# %% tags=["demo"]
demos.get("04/steps").show()

# %% [markdown]
# ## 5 · Other paths
#
# Why a straight line? A **path** is a function $\gamma:[0,1]\to\mathbb R^n$ with $\gamma(0)=x'$ and
# $\gamma(1)=x$; $\gamma_i(\alpha)$ is where input $i$ is at $\alpha$. **Path gradients** collect the
# gradient along it:
#
# $$\mathrm{PG}^\gamma_i(x)=\int_0^1\frac{\partial F(\gamma(\alpha))}{\partial \gamma_i(\alpha)}\,\frac{\partial\gamma_i(\alpha)}{\partial\alpha}\,d\alpha .$$
#
# With $\gamma(\alpha)=x'+\alpha(x-x')$ this is integrated gradients.
#
# **Claim** (the paper, remark 3 and proposition 2, after Friedman 2004). *Every* path method is complete
# and implementation invariant, and sensitive (a) as long as no input moves away and comes back; and path
# methods (single ones, and averages over several paths) are the only ones with implementation invariance,
# sensitivity (b), linearity and completeness (section 6 has the two that are new).

# %% [markdown]
# ### Exercise 4.4 — any path ★★★ · 15 min · 3 points
#
# Write `path_gradients(f, path, steps)`. `path` takes numbers α of shape `(S,)` and returns the points
# `(S, D)`. Cut [0, 1] into `steps` equal pieces; in each, take the gradient at the middle and the way the
# path travels from one end to the other. (Why is that better than asking autograd for
# $\partial\gamma/\partial\alpha$? Your sum then ends exactly in $x$, however the path bends.)


# %% nbgrader={"grade": false, "grade_id": "answer-4.4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def path_gradients(f, path, steps=100):
    """∫ ∂f/∂γᵢ · γᵢ′ dα, midpoint by midpoint.  path: α (S,) → (S, D);  result (D,)"""
    ### BEGIN SOLUTION
    edges = torch.linspace(0, 1, steps + 1)
    corners = path(edges).detach()
    middle = path((edges[1:] + edges[:-1]) / 2).detach().requires_grad_(True)
    gradient = torch.autograd.grad(f(middle).sum(), middle)[0]
    return (gradient * (corners[1:] - corners[:-1])).sum(0)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-4.4", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("4.4", path_gradients)

# %% [markdown]
# **Picture.** Three paths from $(0,0)$ to $(1,1)$, as in the paper's figure: $P_1$ moves $x_2$ first, $P_2$
# is straight, $P_3$ moves $x_1$ first. And a fourth, $\gamma_i(\alpha)=\alpha^{p_i}$ with $p=(3,1)$, on
# which $x_1$ comes late. The function is the simplest one that lets its inputs interact,
# $F(x_1,x_2)=x_1x_2$.


# %%
def corner(first):
    """The path along two sides of the unit square; coordinate ``first`` moves before the other."""
    return lambda a: torch.stack([(2 * a - int(i != first)).clamp(0, 1) for i in range(2)], 1)


def powers(p1, p2):
    """γ(α) = (α^p1, α^p2)."""
    return lambda a: torch.stack([a**p1, a**p2], 1)


def product(z):
    """F(x₁, x₂) = x₁ x₂."""
    return z[:, 0] * z[:, 1]


paths = {
    "P₁": corner(1),
    "P₂ (straight)": powers(1, 1),
    "P₃": corner(0),
    "p = (3, 1)": powers(3, 1),
}
pg = answer("4.4")
found = {name: pg(product, path, 200) for name, path in paths.items()}
alpha = torch.linspace(0, 1, 201)
ax = plot.curves(
    {name: tuple(path(alpha).T) for name, path in paths.items()},
    ax=plot.subplots(size=(5.0, 3.6))[1],
    xlabel="x₁",
    ylabel="x₂",
    title="four ways from (0, 0) to (1, 1)",
)
ax.set_aspect("equal")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plot.describe(
    ax,
    "Four paths from (0, 0) to (1, 1): P1 up and then right, P2 along the diagonal, P3 right "
    "and then up, and a curve above the diagonal.",
)
rows = [(name, *credit.tolist(), credit.sum().item()) for name, credit in found.items()]
pd.DataFrame(rows, columns=["path", "credit of x1", "credit of x2", "sum"]).set_index("path").round(
    3
)

# %% [markdown]
# **What to see.** Every sum is $F(1,1)-F(0,0)=1$: each path is complete. But the shares differ as much as
# they can. On $P_3$, $x_1$ moves while $x_2=0$, where it can change nothing, and so $x_2$, which comes
# last, takes all. The straight path alone shares equally.
#
# **Try it.** Sliders for $p_1$ and $p_2$. For which pairs are the shares equal?

# %% tags=["demo"]
demos.get("04/paths").show()

# %% [markdown]
# **Only the straight one is fair** (the paper, theorem 1). Two inputs $i$ and $j$ are *symmetric* for $F$
# if swapping them never changes $F$. A method is **symmetry-preserving** if symmetric inputs with equal
# values, in $x$ and in $x'$, get equal credit. *Theorem 1: integrated gradients is the only
# symmetry-preserving path method.* (“Straight” is meant of the line: how fast one walks along it does not
# matter.)
#
# *The proof (optional).* Let $x'=(0,\dots,0)$, $x=(1,\dots,1)$, and take a path from one to the other on
# which no input ever goes back. If it is not straight, we build a function that convicts it. There is then
# a stretch $(t_1,t_2)$ on which one coordinate is ahead of another, say $\gamma_i>\gamma_j$, while at both
# of its ends the two are equal: $a=\gamma_i(t_1)=\gamma_j(t_1)$ and $b=\gamma_i(t_2)=\gamma_j(t_2)$. Write
# $\mathrm{clip}(u)=\min(\max(u,a),b)$ and let
#
# $$f(x)=\big(\mathrm{clip}(x_i)-a\big)\big(\mathrm{clip}(x_j)-a\big).$$
#
# Up to $t_1$ neither input is above $a$, and from $t_2$ on neither is below $b$: there $f$ does not change
# along the path, and nothing is handed out. On the stretch, the slope for one input is what the *other* one
# has reached, less $a$. When $x_i$, ahead, passes a value $u$ between $a$ and $b$, the other is still below
# $u$, and so $x_i$ earns less than $u-a$ per unit of way; when $x_j$ passes the same value, it earns more
# than $u-a$. Both travel from $a$ to $b$, so $x_j$ gets more in all. Yet $f$ is symmetric. Let us build it,
# for a path that weaves about the diagonal. (Between path and diagonal it encloses as much area on one side
# as on the other, so $x_1x_2$ alone would not convict it; that is why the proof needs its $f$.) The last
# two lines are for $P_3$, whose leader reaches $b$ and waits: first our $f$, then the one that the paper
# prints.


# %%
def weave(a):
    """x₂ ahead up to the middle, x₁ ahead after it."""
    swing = 0.15 * torch.sin(2 * torch.pi * a)
    return torch.stack([a - swing, a + swing], 1)


ahead = alpha[(weave(alpha)[:, 1] - weave(alpha)[:, 0] > 1e-6)]
t1, t2 = alpha[alpha < ahead.min()].max().item(), alpha[alpha > ahead.max()].min().item()
a, b = weave(torch.tensor([t1]))[0, 0].item(), weave(torch.tensor([t2]))[0, 0].item()
proof = families.TheoremOne(a, b)
print(f"x₂ is ahead on ({t1:.2f}, {t2:.2f});  a = {a:.2f},  b = {b:.2f}")


def printed(z):
    """The paper's f for a = 0, b = 1: 0 where min ≤ a, (b − a)² where max ≥ b, (x₁ − a)(x₂ − a) otherwise."""
    top = torch.where(z.amax(1) >= 1, torch.ones(len(z)), product(z))
    return torch.where(z.amin(1) <= 0, torch.zeros(len(z)), top)


convicts = {
    "straight": (powers(1, 1), lambda z: proof(z)[:, 0]),
    "weaving": (weave, lambda z: proof(z)[:, 0]),
    "P₃": (corner(0), lambda z: families.TheoremOne(0.0, 1.0)(z)[:, 0]),
    "P₃, printed f": (corner(0), printed),
}
for name, (path, of) in convicts.items():
    c1, c2 = pg(of, path, 2000).tolist()
    rise = (of(torch.ones(1, 2)) - of(torch.zeros(1, 2))).item()
    print(
        f"{name:14s} credit of x₁ {c1:.4f}, of x₂ {c2:.4f}, sum {c1 + c2:.4f}   (F(1,1) − F(0,0) = {rise:.4f})"
    )

# %%
side = torch.linspace(0, 1, 201)
x1, x2 = torch.meshgrid(side, side, indexing="xy")
value = proof(torch.stack([x1, x2], -1).view(-1, 2)).view(201, 201)
fig, ax = plot.subplots(size=(5.2, 3.9))
shown = ax.imshow(value, origin="lower", extent=(0, 1, 0, 1), cmap="Greys", vmax=1.3 * (b - a) ** 2)
for label, path, style in (("straight", powers(1, 1), "-"), ("weaving", weave, "--")):
    ax.plot(*path(alpha).T, style, color=plot.COLORS[label == "weaving"], label=label, lw=2.2)
ax.set(xlabel="x₁", ylabel="x₂")
ax.set_title("the function of the proof, and two paths", loc="left")
ax.legend(loc="upper left")
fig.colorbar(shown, ax=ax, label="f(x₁, x₂)")
plot.describe(
    fig,
    "The function of the proof as grey levels over the unit square: white along the two axes, "
    "where the smaller input is a = 0, rising to the corner (b, b), and constant grey where both "
    "inputs are at least b. The straight path runs along the diagonal, the weaving "
    "path above it first and below it later.",
)

# %% [markdown]
# **What to see.** The picture is the same when mirrored at the diagonal: $f$ is symmetric. The weaving path
# crosses the hump above the diagonal only; its second half, below, lies on the plateau, where nothing
# changes. So $x_1$, which is behind on the hump, gets the larger share: what it does counts more because
# $x_2$ is already there.
#
# The paper prints another $f$: the same inside the square $[a,b]^2$, but $(b-a)^2$ *wherever* the larger
# input is at least $b$. It jumps where the larger one reaches $b$ and the smaller one has not, and just
# there goes a path whose leader reaches $b$ and waits. A gradient does not see a jump. In the last line
# above, nothing is handed out although $f$ rises by 1: $f$ is not continuous, so completeness does not
# apply, and $P_3$ is not convicted. With clipped inputs it is.

# %% [markdown]
# ### Exercise 4.5 — equal networks, different credits ★★☆ · 10 min · 3 points
#
# All path methods are implementation invariant, because they know a network by its gradients only. DeepLIFT
# is not, and you are going to show it with a pair of your own.
#
# Write `twin_networks()`: two ReLU networks `f, g` of the same two to eight inputs, equal *everywhere*, to
# which DeepLIFT with baseline 0 gives different credit at some point. Each is an `nn.Sequential` of
# `nn.Linear` and `nn.ReLU`, or a list of `(weight, bias)` with the weight of shape (out, in). Networks of
# section 3's function do not count, however they are written, nor that function times a number, with its
# inputs swapped, or beside inputs that do nothing; another threshold, or other weights in front of $x_1$
# and $x_2$, do count.
#
# If that is too easy, find a pair that does not come from section 3 at all (★★★, 10 minutes more): two
# different orders of doing the same thing, such as $\max(\max(x_1,x_2),1)=\max(x_1,\max(x_2,1))$, where
# $\max(p,q)=q+\mathrm{ReLU}(p-q)$; a number of either sign passes a ReLU as
# $\mathrm{ReLU}(p)-\mathrm{ReLU}(-p)$.


# %% nbgrader={"grade": false, "grade_id": "answer-4.5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def twin_networks():
    """Two networks, equal everywhere, that DeepLIFT tells apart; a network is a list of (weight (out, in), bias (out,))."""
    ### BEGIN SOLUTION
    f = [  # max(max(x₁, x₂), 1)
        ([[1, -1], [0, 1], [0, -1]], [0, 0, 0]),  # x₁ − x₂; x₂ and −x₂ carry x₂ through the ReLU
        ([[1, 1, -1]], [-1]),  # ReLU(x₁ − x₂) + x₂ − 1
        ([[1]], [1]),
    ]
    g = [  # max(x₁, max(x₂, 1))
        ([[0, 1], [1, 0], [-1, 0]], [-1, 0, 0]),
        (
            [[-1, 1, -1], [1, 0, 0]],
            [-1, 1],
        ),  # x₁ − max(x₂, 1), and max(x₂, 1) itself, which is positive
        ([[1, 1]], [0]),
    ]
    return f, g
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-4.5", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("4.5", twin_networks)

# %% [markdown]
# On the networks of the exercise, DeepLIFT beside a path method; the path is a bent one, to be fair. The
# points are random; the larger the difference, the more an explanation depends on the writing.

# %%
twins = [as_module(net).double() for net in answer("4.5")()]
width = twins[0][0].in_features
points = torch.as_tensor(np.random.default_rng(0).uniform(-3, 3, (300, width)))
bend = torch.linspace(0, 1, 65, dtype=torch.float64)[:, None, None] ** torch.arange(1, width + 1)
lift = [attribution.deep_lift(net, points, 0) for net in twins]
bent = [attribution.path_gradients(net, points, 0, path=bend * points, steps=64) for net in twins]
print(
    f"largest difference of the outputs:           {(twins[0](points) - twins[1](points)).abs().max().item():.0e}"
)
print(f"largest difference of DeepLIFT's credits:    {(lift[0] - lift[1]).abs().max().item():.3f}")
print(f"largest difference of path gradients:        {(bent[0] - bent[1]).abs().max().item():.0e}")

# %% [markdown]
# ## 6 · Dummy, linearity, symmetry
#
# Three more wishes, all of them Shapley's.
#
# * **Sensitivity (b)**, or *dummy*: if $F$ does not depend on input $i$ at all, its credit is 0.
# * **Linearity**: if $F=a f_1+b f_2$ with numbers $a$, $b$, then the credit for $F$ is $a$ times that for
#   $f_1$ plus $b$ times that for $f_2$.
# * **Symmetry**, as in section 5.
#
# “Does not depend” means mathematically: an input may be wired to a hundred neurons as long as their
# effects cancel. That makes dummies that are hard to spot. Here are random ReLU networks for all three,
# made by putting networks side by side (the nine plots below are optional; the table after them says it in
# numbers):
#
# | | network | what must come out |
# |---|---|---|
# | dummy | $k-\tilde k+h$ with $\tilde k$ equal to $k$ but written differently, and $h$ blind to $x_1$ | credit of $x_1$ is 0 |
# | linearity | $1.5f_1-f_2$ as one network | the same as $1.5$ times the credit for $f_1$ minus that for $f_2$ |
# | symmetry | $k(x_1,x_2)+\tilde k(x_2,x_1)$, at $x_1=x_2$ | $x_1$ and $x_2$ get the same |


# %%
def three_laws(method, seeds=12, inputs=25):
    """(credit of a dummy), (credit of a sum, sum of credits), (credits of two symmetric inputs): points of scatter plots."""
    dummy, linear, symmetric = [], [], []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        x = torch.as_tensor(rng.uniform(-6, 6, (inputs, 2)))
        k, twin = families.random_slides_pair(rng, 2)
        if seed % 3 == 0:
            k = families.random_dense(rng, (2, 4, 3, 1))
            twin = families.flipped(k, rng)
        h = families.blinded(families.random_dense(rng, (2, 4, 3, 1)), 0)
        f1, f2 = (families.random_dense(rng, (2, 4, 1)) for _ in range(2))
        dummy.append(
            torch.stack(
                [x[:, 0], method(families.weighted_sum((k, twin, h), (1, -1, 1)), x)[:, 0]], 1
            )
        )
        both = (
            method(families.weighted_sum((f1, f2), (1.5, -1)), x),
            1.5 * method(f1, x) - method(f2, x),
        )
        linear.append(torch.stack([c.flatten() for c in both], 1))
        level = x[:, :1].expand(-1, 2)
        symmetric.append(method(families.weighted_sum((k, families.swapped(twin)), (1, 1)), level))
    return [torch.cat(points) for points in (dummy, linear, symmetric)]


tried = {
    "integrated gradients": lambda net, x: attribution.integrated_gradients(net, x, 0, steps=128),
    "DeepLIFT": lambda net, x: attribution.deep_lift(net, x, 0),
    "guided backprop": lambda net, x: attribution.guided_backprop(net, x, 0),
}
fig, axes = plot.subplots(3, 3, size=(9.6, 8))
labels = [
    ("value of the dummy x₁", "its credit"),
    ("credit of the sum", "sum of the credits"),
    ("credit of x₁", "credit of x₂"),
]
summary = {}
for row, (name, method) in zip(axes, tried.items(), strict=True):
    laws = three_laws(method)
    summary[name] = [
        laws[0][:, 1].abs().max().item(),
        *((p[:, 0] - p[:, 1]).abs().max().item() for p in laws[1:]),
    ]
    for column, (ax, points, (xlabel, ylabel)) in enumerate(zip(row, laws, labels, strict=True)):
        ax.scatter(*points.T, s=9, alpha=0.6, color=plot.COLORS[0])
        if column:
            ax.axline((0, 0), slope=1, color=plot.MUTED, lw=0.8)
        else:
            ax.axhline(0, color=plot.MUTED, lw=0.8)
            limit = max(0.8, 1.1 * points[:, 1].abs().max().item())  # no axis that blows rounding up
            ax.set_ylim(-limit, limit)
        ax.set(xlabel=xlabel, ylabel=ylabel)
        ax.set_title(
            f"{name}: " + ("dummy", "linearity", "symmetry")[column], loc="left", fontsize=10
        )
plot.describe(
    fig,
    "Nine scatter plots: integrated gradients, DeepLIFT and guided backprop against dummy, "
    "linearity and symmetry. Integrated gradients lies on the grey line in all three; "
    "DeepLIFT lies on it for linearity only; guided backprop in none.",
)

# %%
table = pd.DataFrame(summary, index=["dummy", "linearity", "symmetry"]).T
table.index.name = "largest violation"
table.map(lambda v: f"{v:.0e}" if v < 1e-6 else f"{v:.3f}")

# %% [markdown]
# **What to see.** Points on the grey line obey the law. Integrated gradients obeys all three. DeepLIFT is
# linear, yet it rewards a dummy and tells symmetric inputs apart. Both follow from section 3: $k-\tilde k$
# is 0 everywhere, but DeepLIFT's credits for $k$ and for $\tilde k$ do not cancel. A method that depends on
# the writing cannot be trusted with inputs that do nothing. Guided backprop breaks all three; its cut
# $\max(R,0)$ is not linear, so the sign in $1.5f_1-f_2$ is enough.

# %% [markdown]
# ### Exercise 4.6 — a path that takes sides ★☆☆ · 5 min · 2 points
#
# The function $f(x_1,x_2)=x_1x_2$ is symmetric. Baseline and input treat its two inputs alike: $x'=(c,c)$
# and $x=(d,d)$. Write `bent_path(alpha, baseline, x)`, a continuous path from baseline to `x`, on which the
# two get different credit. (Section 5 has shown paths that do so from $(0,0)$ to $(1,1)$; mind the ends.
# Once it passes: for which path is the credit of $x_1$, from $(0,0)$ to $(1,1)$, exactly ¾?)


# %% nbgrader={"grade": false, "grade_id": "answer-4.6", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bent_path(alpha, baseline, x):
    """A path from baseline to x on which the features of x₁·x₂ get different credit.  alpha: (S,), baseline, x: (2,) → (S, 2)"""
    ### BEGIN SOLUTION
    share = torch.stack(
        [alpha, alpha**3], dim=1
    )  # the first feature goes ahead, the second catches up at the end
    return baseline + share * (x - baseline)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-4.6", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("4.6", bent_path)

# %%
bent = answer("4.6")
ends = torch.zeros(2), torch.ones(2)
c1, c2 = answer("4.4")(product, lambda s: bent(s, *ends), 500).tolist()
line = bent(torch.linspace(0, 1, 2001), *ends).detach()
way, middle = line[1:] - line[:-1], (line[1:] + line[:-1]) / 2
area = (
    middle[:, 0] * way[:, 1]
).sum().item() - 0.5  # ∫ x₁ dx₂ along the path, less that along the diagonal
print(
    f"credit of x₂ − credit of x₁ = {c2 - c1:+.3f};  twice the signed area between path and diagonal = {2 * area:+.3f}"
)

# %% [markdown]
# The two numbers agree: on $x_1x_2$ a path is as unfair as the area it encloses with the diagonal. (Green's
# theorem, if you like: the credit of $x_2$ is $\int x_1\,dx_2$, that of $x_1$ is $\int x_2\,dx_1$.)
#
# ## 7 · Every method against every axiom
#
# **Claim** (the paper, sections 2 and 4). Gradients, deconvnet and guided backprop fail
# sensitivity (a); DeepLIFT and LRP fail implementation invariance; integrated gradients fails none.
#
# Claims of this kind can be *refuted* by a single example, a **witness**, and examples can be searched for.
# `evaluate.axioms` takes each of our methods and each axiom and tries networks until one breaks it: the
# paper's counterexamples first, then random ones built as in section 6. A cell says `holds` if 200 tries
# found nothing. Mind what that means: *not found* is not *not there*, and only a proof says never.
#
# Six methods of the table have not been met yet. *SmoothGrad* averages the gradient over noisy copies of
# the input; *occlusion* hides a part and measures how the score drops; *CAM* and *Grad-CAM* weigh the maps
# of the last convolution by what each means for the class, and enlarge the sum to the size of the picture;
# *LRP αβ* shares positive and negative contributions apart, with weights α = 2 and β = −1; *LRP composite*
# (`lrp_composite`) takes the ε-rule in Linear layers and another one in convolutions. Other lectures take
# them up. (The rows have the names of the library's functions: `deep_lift` is DeepLIFT, `lrp_epsilon` the
# ε-rule with the bias kept.)

# %%
table = evaluate.axioms(trials=200, seed=0)
evaluate.styled(table)


# %%
def fails(method, axiom):
    """Whether the search found a witness."""
    return isinstance(table.loc[method, axiom], evaluate.Witness)


assert all(fails(m, "sensitivity (a)") for m in ("gradient", "deconvnet", "guided_backprop"))
assert all(fails(m, "implementation invariance") for m in ("deep_lift", evaluate.SLIDES_LRP))
assert not any(fails("integrated_gradients", axiom) for axiom in table)
count = table.map(lambda cell: isinstance(cell, evaluate.Witness)).sum(axis=1)
print("axioms broken:", ", ".join(f"{m} {n}" for m, n in count.sort_values().items()))

# %% [markdown]
# **Try it.** A click on a red cell of the table opens its witness: the input, the baseline, the network
# written out, and the credit. Or choose a method and an axiom below to see it drawn. Recompute one with a
# pencil.


# %%
def witness(method, axiom):
    """The cell of the table as a picture."""
    return table.loc[method, axiom].show()


widgets.explore(
    witness,
    "The witness of the chosen cell: a network, an input, a baseline and the credit that each input gets.",
    method=widgets.Toggle(tuple(table.index), "gradient", "method"),
    axiom=widgets.Toggle(tuple(table.columns), "sensitivity (a)", "axiom"),
)

# %% [markdown]
# Here is one that takes more thought: DeepLIFT on a function that is symmetric in its two inputs, at a point
# where both have the same value.

# %%
fig = table.loc["deep_lift", "symmetry"].show()

# %% [markdown]
# **What to see.** $F$ is the pair of section 3 again, once as it stands and once with its inputs swapped,
# with $2x_1$ in place of $x_1$; it adds up to a symmetric function, and the two halves are explained
# differently.
#
# Some cells of the table deserve a second look (optional).
#
# * **Integrated gradients** holds everywhere, *path gradients* (here along a bent path) everywhere but in
#   symmetry: theorem 1, found by search.
# * **LRP ε with the bias kept** behaves like gradient × input in all columns but one. In *implementation
#   invariance* the search found a network whose first layer is scaled down a million times, and the second
#   up: there the stabiliser ε is no longer small beside the neurons, and the credit changes. As ε → 0 the
#   violation goes away. With the **bias excluded** it fails on the paper's pair, and more besides.
# * “Holds” is about what the search met, and random points are not *on* a kink. Where the whole line lies
#   in one, code has to choose a derivative, and PyTorch takes $\mathrm{ReLU}'(0)=0$; the cell below shows
#   that then even integrated gradients depends on how $\max(x_1,x_2)$ is written.
# * **Gradient × input and LRP** fail *completeness* although LRP is famous for its conservation. Two things
#   can break it. Conserved is the logit $F(x)$, not the difference $F(x)-F(x')$; and biases take a share.
#   In their witness, the ramp at $x=2$, only the second counts, since $F(x')=0$: with the bias kept, the
#   last layer's bias takes all of $F(x)$; with the bias excluded, the last layer has only zeros to share
#   among, and the $0/0$ counts as 0.
# * **SmoothGrad** fails *symmetry* by chance: two equal inputs meet different noise. The more samples, the
#   smaller the violation. (With the same seed two equal networks meet the same noise, so implementation
#   invariance holds.)
# * **Occlusion** fails completeness only: what the inputs do together is counted once for each of them, or
#   not at all.
# * **CAM and Grad-CAM** are tried on small convolutional networks. They read the last map, and where a
#   kernel looks to the side, the map lies beside the pixels that it speaks of.

# %%
class Larger(torch.nn.Module):
    """max(x₁, x₂), written as the j-th input plus ReLU(the i-th − the j-th)."""

    def __init__(self, i, j):
        super().__init__()
        self.i, self.j = i, j

    def forward(self, x):
        return x[:, self.j] + torch.relu(x[:, self.i] - x[:, self.j])


for i, j in ((0, 1), (1, 0)):
    on_kink = attribution.integrated_gradients(Larger(i, j), torch.ones(1, 2), 0)[0].tolist()
    print(f"x{j + 1} + ReLU(x{i + 1} − x{j + 1}) at (1, 1): integrated gradients {on_kink}")

# %%
columns = ["sensitivity (a)", "implementation invariance", "completeness"]
for method in ("lrp_epsilon", evaluate.SLIDES_LRP):
    print(method, *(f"  {axiom}: {table.loc[method, axiom]!r}" for axiom in columns), sep="\n")
scaled = table.loc["lrp_epsilon", "implementation invariance"]
exact = [
    attribution.lrp(net, scaled.x[None], 0, rules=attribution.Epsilon(0)) for net in scaled.networks
]
print(
    f"the witness below was found with ε = {attribution.Epsilon().eps:g}; with ε = 0 the credit differs by {(exact[0] - exact[1]).abs().max().item():.0e}"
)
fig = scaled.show()

# %% [markdown]
# ## 8 · Which baseline?
#
# The axioms do not choose the baseline; it is part of the question. *Why a three, rather than a black
# picture? rather than a white one? rather than the average digit?* Completeness holds for each, with
# another difference to share out.
#
# **Claim** (the paper, section 1, on the need for a baseline). For most networks there is a natural
# baseline, where the prediction is neutral; for pictures, the black one. Is it neutral here? The paper
# gives no threshold; we call it neutral, in a weak sense, if no class gets twice its even share.

# %%
with torch.no_grad():
    blank = cnn(torch.zeros(1, 1, 28, 28)).softmax(1)[0]
print(
    "what the network says of a black picture:",
    ", ".join(f"{d}: {p:.0%}" for d, p in enumerate(blank.tolist())),
)
even, most = 1 / len(blank), blank.max().item()
print(f"largest share {most:.0%}, even share {even:.0%}:", "neutral" if most < 2 * even else "not neutral", "in this sense")

# %% [markdown]
# A candidate is blind where it equals the input: since $x_i-x'_i=0$ there, pixel $i$ gets exactly 0. With
# the black baseline no black pixel can ever matter, though it is the black *inside* a zero that makes it a
# zero. Five baselines and the average over many:

# %%
zero_digit = digits.images[digits.labels == 0][:1]
train = data.digits(split="train").images
noise = torch.rand(zero_digit.shape, generator=torch.Generator().manual_seed(0))
soft = torch.nn.functional.avg_pool2d(zero_digit, 9, 1, 4, count_include_pad=False)
baselines = {
    "black": torch.zeros_like(zero_digit),
    "white": torch.ones_like(zero_digit),
    "mean digit": train.mean(0, keepdim=True),
    "blurred": soft,
    "noise": noise,
}
maps = {
    name: attribution.integrated_gradients(cnn, zero_digit, 0, baseline=b, steps=64)
    for name, b in baselines.items()
}
many = train[torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:32]]
each = attribution.integrated_gradients(
    cnn, zero_digit.expand(32, -1, -1, -1), 0, baseline=many, steps=32
)
maps["32 digits"], baselines["32 digits"] = each.mean(0, keepdim=True), many.mean(0, keepdim=True)

titles = list(maps)
axes = plot.grid(
    [zero_digit, *baselines.values(), zero_digit, *maps.values()],
    titles=["input", *titles, "input", *[f"from {t}" for t in titles]],
    columns=7,
    signed=[False] * 8 + [True] * 6,
    size=1.5,
)
plot.describe(
    axes[0],
    "First column: the input, a handwritten zero. Upper row: the baselines black, white, mean digit, blurred, noise, and 32 training "
    "digits (their mean is shown). Lower row: the credit of a handwritten zero from each; "
    "red speaks for zero, blue against. From black only the strokes get credit, from the "
    "others also the dark inside.",
)

# %%
with torch.no_grad():
    rises = {
        n: (cnn(zero_digit) - cnn(many if n == "32 digits" else b)).mean(0)[0].item()
        for n, b in baselines.items()
    }
dark = (zero_digit < 0.05).float()
pd.DataFrame(
    {
        "F(x) − F(x′)": rises,
        "Σ credit": {n: m.sum().item() for n, m in maps.items()},
        "share of |credit| on dark pixels": {
            n: ((m.abs() * dark).sum() / m.abs().sum()).item() for n, m in maps.items()
        },
    }
).round(3)

# %% [markdown]
# **What to see.** Upper row: baselines; lower row: the credit of the same zero from each, every map on its
# own scale. From black, the strokes alone have colour, and the last column of the table says that the dark
# pixels get next to nothing. From the mean digit and from many digits the inside of the zero turns red:
# *there is no stroke here, where others have one*. From white, the dark pixels take the largest share of
# all, for they are what differs most from white. Noise baselines give noisy maps. All sums agree with their
# differences; all six are right answers, to six questions.
#
# **Try it.** The toggle is the baseline; choose another digit (or a photograph, if you have the network for
# it).

# %% tags=["demo"]
demos.get("04/baseline").show()

# %% [markdown]
# ### Exercise 4.7 — in two calls ★★☆ · 10 min · 2 points
#
# An average over 32 baselines with 32 steps each needs 1,024 gradients. A loop calls the network 1,024
# times; a network is happier with a few large batches. Write integrated gradients with **at most two
# calls** of `f`, whatever `steps` and the number of rows.


# %% nbgrader={"grade": false, "grade_id": "answer-4.7", "locked": false, "schema_version": 3, "solution": true, "task": false}
def quick_integrated_gradients(f, x, baseline, steps=32):
    """Integrated gradients with at most two calls of f.  x, baseline: (N, D) → (N, D)"""
    ### BEGIN SOLUTION
    alpha = (torch.arange(steps, dtype=x.dtype) + 0.5) / steps
    points = (
        (baseline + alpha[:, None, None] * (x - baseline))
        .reshape(-1, x.shape[1])
        .detach()
        .requires_grad_(True)
    )
    gradient = torch.autograd.grad(f(points).sum(), points)[0]
    return (x - baseline) * gradient.reshape(steps, *x.shape).mean(0)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-4.7", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("4.7", quick_integrated_gradients)

# %% [markdown]
# The library does the same in chunks that fit the processor's cache; this is the function that section 9
# uses. Most of it is words.

# %%
show_source(attribution.integrated_gradients)

# %% [markdown]
# ## 9 · Applications
#
# **Digits.** Five test digits, the credit for the class that the network predicts, black baseline. Red
# pixels speak for the prediction, blue ones against. The sum of each map is the logit's rise over that of
# the black picture.

# %%
rows = [int((digits.labels == d).nonzero()[0]) for d in (2, 4, 5, 7, 8)]
shown = digits.images[rows]
predicted = cnn(shown).argmax(1)
quick = answer("4.7")


def explain(picture, label):
    """Integrated gradients of one picture (1, 28, 28) for the logit of ``label``, from black."""

    def logit(rows):
        return cnn(rows.view(-1, 1, 28, 28))[:, label]

    return quick(logit, picture.view(1, 784), torch.zeros(1, 784), 64).view_as(picture)


credit = torch.stack([explain(*each) for each in zip(shown, predicted.tolist(), strict=True)])
axes = plot.grid(
    [*shown, *credit],
    titles=[f"digit {digits.labels[i]}" for i in rows]
    + [f"credit for {p}" for p in predicted.tolist()],
    columns=5,
    signed=[False] * 5 + [True] * 5,
)
plot.describe(
    axes[0],
    "Five handwritten digits and below each its credit map from a black baseline: mostly red "
    "strokes with some blue ones.",
)
gaps = attribution.completeness_gap(cnn, shown, credit, predicted)
print("completeness gaps (logits):", ", ".join(f"{v:.3f}" for v in gaps.tolist()))
blue = credit.clamp(max=0).flatten(1).sum(1) / -credit.abs().flatten(1).sum(1)
print("share of |credit| that is blue:", ", ".join(f"{v:.0%}" for v in blue.tolist()))

# %% [markdown]
# **What to see.** Blue lies on the digit's own strokes, for from black nothing else can get credit. It does
# not mean that the stroke is wrong: on the way from black to $x$, brighter pixels at this place lowered the
# logit of this class, as a stroke does that other digits have there, too. Completeness is about the sum of
# red and blue.

# %% [markdown]
# **A photograph.** The paper explains an ImageNet classifier. Ours is torchvision's SqueezeNet; its weights
# do not ship with the course, so the next cell says what it would show if they are not on this machine. As
# in the paper, the map is summed over the colour channels and the photograph is scaled by it: bright is
# what counted.


# %%
def photograph(name="chelsea", steps=50):
    """A photograph, its integrated gradients and the photograph seen through them; a note where there is no network for it."""
    if not zoo.cached("squeezenet1_1"):
        return display(
            Markdown(
                "*No picture here: the weights of `squeezenet1_1` are not on this machine. With a network connection, "
                '`zoo.imagenet("squeezenet1_1")` fetches them (5 MB); then run this cell again.*'
            )
        )
    net, preprocess, classes = zoo.imagenet("squeezenet1_1")
    x = preprocess(data.photo(name, 224))
    black = preprocess(torch.zeros(1, 3, 224, 224))
    with torch.no_grad():
        logits = net(x)[0]
    target = int(logits.argmax())
    credit = attribution.integrated_gradients(net, x, target, baseline=black, steps=steps)
    size = credit.sum(1).abs()[0]
    seen = data.photo(name, 224)[0] * (size / size.quantile(0.99)).clamp(0, 1)
    axes = plot.grid(
        [data.photo(name, 224)[0], credit[0], seen],
        size=2.6,
        signed=[False, True, False],
        titles=[
            f"{classes[target]} ({logits.softmax(0)[target]:.0%})",
            "integrated gradients",
            "photograph × |credit|",
        ],
    )
    plot.describe(
        axes[0],
        f"A photograph of {name}, its integrated gradients for the class {classes[target]}, and "
        "the photograph scaled by them.",
    )
    gap = attribution.completeness_gap(net, x, credit, target, baseline=black).item()
    print(
        f"F(x) − F(x') = {(logits[target] - net(black)[0, target]).item():.2f}, completeness gap {gap:.3f} at {steps} steps"
    )


photograph()

# %% [markdown]
# **Sentences.** `sentiment-cnn` reads a short film review and says whether it is positive. Its input is a
# row of word numbers, of which there is no gradient; we start after the *embedding*, which turns each word
# into a vector. The baseline is the zero vector, which is also what padding looks like; so padding gets
# exactly 0. A word's credit is the sum over its vector, for the score “positive minus negative”. By
# linearity that is the difference of the two logits' credits.
#
# The reviews come from a grammar that knows what each word is worth, an opinion, a degree (“very”), a
# negation or nothing; the worth is the word's Shapley value for the grammar's own score. We can do what
# nobody can with real reviews: compare with the truth.

# %%
reviews = data.sentences(split="test").take(slice(0, 200))
reader = zoo.load("sentiment-cnn")
with torch.no_grad():
    vectors = reader.embedding(reviews.tokens)


def word_credit(method, **options):
    """The credit of each word for “positive minus negative”, (N, T)."""
    return (
        method(reader.body, vectors, 1, **options) - method(reader.body, vectors, 0, **options)
    ).sum(2)


found = word_credit(attribution.integrated_gradients, steps=4)  # why so few? see below
facts = reviews.factors.assign(length=reviews.lengths).sort_values("length", kind="stable")
kinds = [
    "opinions == 1 and degrees == 1 and negations == 0 and distractors == 1",
    "negations == 1 and degrees == 0 and opinions == 2",
    "opinions == 2 and degrees == 1 and negations == 1",
]
for i in [facts.query(kind).index[0] for kind in kinds]:
    n = int(reviews.lengths[i])
    tokens = [reviews.vocabulary[t] for t in reviews.tokens[i, :n].tolist()]
    display(plot.words(tokens, found[i, :n]))
    print(
        "truth:",
        ", ".join(
            f"{t} {w:+.2g}"
            for t, w in zip(tokens, reviews.weights[i, :n].tolist(), strict=True)
            if w
        ),
        "\n",
    )

# %% [markdown]
# **What to see.** Red words speak for *positive*, blue ones against; compare with the line below each,
# which lists what the grammar says (all other words are worth 0). The two are on different scales: the
# grammar counts opinions, the network logits. They mostly agree on which word matters, and not on how a
# negation is booked: “hardly clumsy” together is worth +1, and by Shapley's rule all of that belongs to
# “hardly” (“clumsy” alone pulls down by as much as it pulls up once negated), while the network's credit is
# shared between the two words. In the last review even a sign differs: “fine” has a little positive worth
# and gets a little negative credit. How close are the methods to the truth, over all words of 200 reviews?
# Scored is the correlation of credit and truth, and how often the word with the largest credit is one that
# has any worth at all.

# %%
real = reviews.tokens > 0


def score(credit):
    """(correlation with the true worth over all words, share of reviews whose largest credit is on a word that has worth)."""
    truth = np.corrcoef(credit[real], reviews.weights[real])[0, 1]
    top = credit.abs().masked_fill(~real, -1).argmax(1, keepdim=True)
    return truth, (reviews.weights.gather(1, top) != 0).float().mean().item()


compared = {
    "Integrated gradients": found,
    "DeepLIFT": word_credit(attribution.deep_lift),
    "Gradient × input": word_credit(attribution.gradient_x_input),
    "Gradient": word_credit(attribution.gradient),
    "Guided backprop": word_credit(attribution.guided_backprop),
}
with torch.no_grad():
    logits = reader.body(vectors) - reader.body(torch.zeros_like(vectors))
moved = logits[:, 1] - logits[:, 0]
pd.DataFrame(
    {name: (*score(c), (c.sum(1) - moved).abs().max().item()) for name, c in compared.items()},
    index=["correlation with the truth", "top word has worth", "largest completeness gap"],
).T.round(3)

# %% [markdown]
# **What to see.** The first three rows agree to the last digit, and that is no accident. This network's
# convolutions have no biases, so doubling all vectors doubles what arrives at the last layer: on the line
# from zero to $x$ the gradient never changes. Then the integral is the gradient at $x$, integrated
# gradients *is* gradient × input (and DeepLIFT too), and one step would do. It takes biases, or a baseline
# other than 0, to tell these methods apart. On this network biases are absent for a reason: padding must
# say nothing.
#
# The last two rows lack the factor $x-x'$. A word's gradient, summed over its vector, says what would
# happen if every number in the vector grew alike, which no word does. The last column tells the rows apart:
# the first three are complete *on this network*, the last two far from it. That is one more reason to look
# at the gap on the network at hand. In section 7's table gradient × input and the gradient fail the same
# axioms, for there the networks have biases.

# %%
gap = attribution.completeness_gap(
    reader.body, vectors, attribution.integrated_gradients(reader.body, vectors, 1, steps=1), 1
)
print(
    f"integrated gradients with a single step: largest completeness gap over {len(reviews)} reviews {gap.abs().max():.0e}"
)

# %% [markdown]
# One caution: what is scored here is method *and* network together. Where the network itself misreads a
# negation, a faithful explanation disagrees with the grammar, and rightly so.
#
# ## The live demo
#
# Any method, any baseline, any number of steps, on any digit. Watch the completeness gap.

# %% tags=["demo"]
demos.get("04").show()

# %% [markdown]
# ## Paper against here
#
# What the sources claim, and what came out on our networks and data, computed in this moment.

# %%
paper = claims.table("04")
claims.styled(paper.drop(columns="lecture"))

# %% [markdown]
# **One row does not hold as written, and it is about LRP**: in either form it gives the ramp's only input
# nothing, although the paper counts it among the methods that step over flat regions. And one row is no
# test of the paper, which does not say what becomes of the bias: with the bias kept, LRP gives the two
# networks the same credit. What the paper calls LRP has a baseline of 0 in mind and no biases; much depends
# on such details.
#
# **To take along.**
# * An attribution is an answer to “why $F(x)$ *rather than* $F(x')$?”. Say which $x'$.
# * Check the completeness gap. It is one number, and it is cheap.
# * Axioms are tests that a method can fail, with a witness that fits on a postcard. They do not say that a
#   method which passes shows what you wanted to know.
# * Theorem 1 singles out integrated gradients among the *path methods*. Shapley values average over all
#   paths along the edges from $x'$ to $x$. That is not a single path, so the theorem does not exclude them;
#   they keep all six axioms as well, at the price of $2^n$ evaluations for $n$ inputs.
