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
# # 00 · Start here
#
# A trained network says “2”. *Why?* This course is about methods that answer, about how to tell a good answer from
# a pretty one, and about what networks do while they learn.
#
# | | |
# |---|---|
# | **You will be able to** | make and read a heatmap · move a live figure · have an exercise checked · find your way through the methods of the field |
# | **Time** | 20 minutes; the first heatmap stands after two |
# | **Builds on** | a little Python; having met a neural network before |
# | **Sources** | Xie et al. 2020, *Explainable deep learning: a field guide for the uninitiated*; Zhang et al. 2020, *A survey on neural network interpretability* |
#
# Click into the grey box below and press **Shift+Enter**. It runs, and the next one is selected: go on like this.
# Nothing is downloaded. The data and the trained networks came with the course, so it all works without a network.

# %%
from IPython.display import Math

from xaikit import attribution, data, exercises, methods_map, plot, widgets, zoo
from xaikit.demos.canvas import Canvas
from xaikit.exercises import answer, check

# %% [markdown]
# ## 1 · A heatmap in three cells
#
# **First, something to explain.** `data.digits` holds handwriting that real people left on real paper: 1,797 digits
# that scikit-learn ships, here the 450 that no network of the course was trained on. `zoo.load` gives a small
# convolutional network that reads them.

# %%
digits = data.digits(split="test")
net = zoo.load("digits-cnn")
print(f"{digits}: the network reads {zoo.card('digits-cnn')['accuracy']:.1%} of them right")

# %% [markdown]
# **Second, the explanation.** An *attribution* gives every pixel a number, its *credit*: how much the pixel speaks for
# the answer. One of the methods that do this is called integrated gradients; lecture 04 takes it apart.

# %%
twos = digits[digits.labels == 2]
x = twos.images[:1]  # a batch of one: (1, 1, 28, 28)
credit = attribution.integrated_gradients(net, x, target=2)
print(f"image {tuple(x.shape)} → credit {tuple(credit.shape)}; the network says {net(x).argmax().item()}")

# %% [markdown]
# **Third, look.**

# %%
fig, (left, right) = plot.subplots(1, 2)
plot.image(x, left, "what the network sees")
plot.heatmap(credit, ax=right, title="what speaks for “2”")
plot.describe(fig, "A handwritten two, white on black; beside it its heatmap, red where a pixel speaks for a two and "
                   "blue where it speaks against. The reddest part is the stroke at the foot.")

# %% [markdown]
# **Red speaks for, blue speaks against**, and what is pale got little credit from this method. These colours mean the same in every
# figure of the course, and zero is always the pale middle. The numbers beside the bar are the credit of one pixel, in
# units of the network's output: the score of class 2, before the softmax.
#
# The reddest pixels are the stroke at the foot of the two: there the network found its best reason. Look at the empty
# background, too: its credit is exactly zero. The explanation asks *what changed from a black image to this one?*, and
# there nothing did. That it asks this, and that one could ask something else, is what a good part of
# the course is about.

# %% [markdown]
# ## 2 · Try it: move something
#
# The figure below is alive. Pick a method, a digit, and the class that you ask about. With the keyboard: **Tab**
# reaches a control, **Enter** presses a button, the **arrow keys** move a slider.
#
# Things to try:
# * Ask about a class that the digit does *not* belong to. What speaks for a 9 in a 4?
# * Keep the digit and change the method. Do they point at the same pixels? They explain the same network.
# * Mind the numbers at the colour bar: each picture is drawn on the scale of its own largest credit, and a strong red may
#   stand for next to nothing. Each method has its own units, too.

# %% tags=["demo"]
METHODS = ("integrated_gradients", "gradient", "gradient_x_input", "lrp_epsilon", "grad_cam", "occlusion")
first = [int((digits.labels == d).nonzero()[0]) for d in range(10)]  # one image of each class


def explain(method, digit, about):
    """A digit, what speaks for and against calling it `about`, and what the network makes of it."""
    image = digits.images[first[digit]][None]
    heat = attribution.METHODS[method].function(net, image, target=about)
    chance = net(image).softmax(1)[0, about].item()
    board = Canvas(650, 330)
    board.text(20, 12, f"the digit: a {digit}", bold=True)
    board.text(310, 12, f"for and against “{about}”", bold=True)
    board.picture((plot.pixels(image) * 255).astype("uint8"), 20, 36, 260)
    board.picture(plot.signed_rgb(heat), 310, 36, 260)
    board.scale(plot.limit_of(plot.flat(heat)), 585, 36, 260)
    board.text(310, 316, f"the network's probability of {about}: {chance:.1%}", anchor="ls")
    return board.jpeg()


names = {attribution.METHODS[name].label: name for name in METHODS}
widgets.explore(
    explain,
    alt="A handwritten digit and beside it the heatmap of the chosen method for the chosen class, red for, blue against.",
    method=widgets.Toggle(names, label="method"),
    digit=widgets.Slider(0, 9, 4, label="digit"),
    about=widgets.Slider(0, 9, 4, label="class asked about"),
)

# %% [markdown]
# Every method of the library is called the same way, `method(model, x, target)`, and gives back a credit for each
# number in `x`. What they have in common and where they differ can therefore be measured, and it will be.
#
# `attribution.METHODS` knows each one's formula and where it comes from:

# %%
chosen = attribution.METHODS["integrated_gradients"]
print(f"{chosen.label}: {chosen.source}")
Math(chosen.formula)

# %% [markdown]
# ## 3 · Exercises, and how they are checked
#
# An exercise asks you to write a small function. You put your code where it says `...  # your code here`, run the
# cell, then run the cell below it with `check(...)`. A card tells you at once how it stands:
#
# * **not attempted** while the `...` is there,
# * **not yet right**, with what was expected, what came, and the likely mistake where it can be told,
# * **right**, with the points.
#
# Each failed check lets you open one more hint, and in the end a solution. You may check as often as you like; only
# the last state of your notebook counts. A check tries your function on several cases, never on a single one, and looks
# at what it does: a loop, a batch, numpy or torch are all fine.
#
# If you skip an exercise nothing breaks. `answer("0.1")` is your function if it passed, and the library's if not, and
# whatever comes after uses that.
#
# Try the card now. Run the check once *before* you write anything, once with a mistake (forget the `return`, or take
# the mean), and once with the answer.
#
# ### Exercise 0.1 — a heatmap in one number ★☆☆ · 2 min · 1 point
#
# Write `total_credit(heatmap)`: the sum of all credits of a heatmap of shape (H, W).

# %% nbgrader={"grade": false, "grade_id": "answer-0.1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def total_credit(heatmap):
    """The sum of all credits.  heatmap: tensor (H, W) → one number"""
    ### BEGIN SOLUTION
    return heatmap.sum()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-0.1", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
check("0.1", total_credit)

# %% [markdown]
# Put to use on the two from above, next to something that looks unrelated: how much higher the network scores class 2
# on this image than on a black one.

# %%
total = float(answer("0.1")(credit[0, 0]))
rise = (net(x) - net(0 * x))[0, 2].item()
print(f"all credits together: {total:.3f}\nwhat the image added to the score of 2: {rise:.3f}")

# %% [markdown]
# Nearly the same number, and no accident. Lecture 04 shows why, makes “nearly” as small as you like, and shows
# methods for which it fails.

# %% [markdown]
# ## 4 · Working with the notebooks
#
# **Opening a lecture.** The file browser on the left shows a folder for each lecture: double-click `04_ig_axioms`, then the
# notebook in it. The titles in the table of section 6 are links. From a terminal in the course's folder, `make lab` opens
# this page, and `.venv/bin/xaikit lab 04` a lecture.
#
# **Keyboard.**
#
# | keys | what they do |
# |---|---|
# | Shift+Enter | run the cell and go to the next |
# | Ctrl+Enter | run the cell and stay |
# | Esc, then ↑ ↓ | leave the cell, move between cells; Enter goes back in |
# | Esc, then B | a new cell below, for your own tries |
# | Tab | complete a name; below a figure's cell, go to its next control |
# | Shift+Tab | with the cursor on a function: its documentation |
# | ← → ↑ ↓ | move a slider that has the focus |
# | Ctrl+S | save (⌘S on a Mac) |
#
# **Reading code.** `attribution.integrated_gradients?` in a cell shows a function's documentation, with `??` its source.
# The library is small and meant to be read.
#
# **Running cells twice** gives the same result; nothing is used up. Random things have a `seed=`, and the same seed gives
# the same picture.
#
# **When you are stuck**
#
# 1. A cell complains that a name is not defined: you have skipped a cell above. Menu *Run* → *Run All Above Selected Cell*.
# 2. It gets odd: menu *Kernel* → *Restart Kernel and Run All Cells…*. Your text stays; only what Python remembers is forgotten.
# 3. A cell does not end (`[*]` on its left): the black square in the toolbar stops it.
# 4. It still does not work: run `.venv/bin/xaikit doctor` in a terminal, in the course's folder. It prints one line for each
#    thing the course needs, OK or FAIL, and with each FAIL what to do. From a notebook, a new cell with these two lines
#    does the same:
#    ```
#    import sys
#    !{sys.executable} -m xaikit doctor
#    ```
#
# **Where the data comes from.** Digits: scikit-learn's scans. Photographs: scikit-image's. Shapes, scenes and sentences
# are drawn and written by the library itself, so that their truth is known and an explanation can be scored against it.
# The trained networks lie in `data/`; `data/README.md` says how each was made, and `zoo.card("digits-cnn")` what it can do.
# MNIST, CIFAR-10 and the large ImageNet networks are optional: where a cell could use them and they are not on your
# machine, it says so in one sentence and goes on.
#
# **Handing in.** Save, and hand in the notebook file (`.ipynb`), under any name. It is run and checked again on fresh cases.

# %% [markdown]
# ## 5 · The map of explanation methods
#
# The field has produced a great many methods. Zhang et al. (2020) order them along **three dimensions**:
#
# 1. **Approach.** *Passive* (or post hoc) methods explain a trained network as it is. *Active* ones change the architecture or
#    the training so that there is something to read.
# 2. **Kind of explanation**, in the order of rising explanatory power: *examples*, *attribution*, *hidden semantics*, *rules*.
# 3. **Scope.** *Local* explains one prediction, *global* the network as a whole, *semi-local* something in between, such as a
#    group of similar inputs.
#
# Xie et al. (2020) ask what an explanation is **for** and name four traits: **confidence** (when does it work, when not?),
# **trust** (can its answers be used unchecked?), **safety** (does it do what is expected when conditions change?), **ethics** (is its reasoning
# compatible with what we hold to be right?).
#
# Here is the map: the methods of the slides behind this course, in one table. Set a filter, or type a word: `zhang`, `2017`,
# `lrp`. Rest the pointer on a method's name to see its paper and its slide.

# %% tags=["demo"]
methods_map.explore()

# %% [markdown]
# Three things to know when you read it:
#
# * **Who placed a method.** The slides' own table places the attribution methods that it names. The rest we placed, by the
#   definitions above; the pointer on a name says which. Whether integrated gradients is *local* or *semi-local* can be
#   argued about: a baseline stands in for other inputs, yet the answer is about one.
# * **Traits.** The slides say what the traits are and assign no methods to them. The column follows four rules, printed below.
# * **In xaikit** is not typed in: it lists what the library has at this moment.

# %%
methods = methods_map.table()
for trait in methods_map.TRAITS:
    held = methods["traits"].str.contains(trait.name).sum()
    print(f"{trait.name}: {held} methods\n    {trait.question}\n    It counts what {trait.because}.")

# %% [markdown]
# The map is a DataFrame, so it can be asked things. How many methods stand where?

# %%
methods_map.crossing("attribution", count=True)

# %% [markdown]
# The fullest corner explains single predictions of finished networks by giving credit to inputs. The course starts there,
# and goes on to the others: what a unit stands for (01, 02, 08), what a network learns in which order (05, 06), and what
# its layers throw away (07).
#
# ### Try it
#
# Use the filters to answer: which methods are *active* and *local*? Which one explains by *rules* and looks at more than one
# input? Which lectures build something *active*?

# %% [markdown]
# ## 6 · The lectures
#
# Titles that are links can be opened now.

# %%
methods_map.syllabus(exercises.catalog())

# %% [markdown]
# And every exercise there is:

# %%
exercises.catalog()

# %% [markdown]
# That is all you need. Go on with [04 · Integrated gradients](../04_ig_axioms/04_ig_axioms.ipynb).
