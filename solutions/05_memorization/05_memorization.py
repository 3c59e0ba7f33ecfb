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

from xaikit import claims, data, demos, plot
from xaikit.exercises import answer, check
from xaikit.source import show_source

# %% [markdown]
# ## 1 · Six ways to spoil a data set
#
# (Being written.)

# %% [markdown]
# ## 2 · From a little noise to nothing but noise
#
# (Being written.)

# %% [markdown]
# ## 3 · Do regularisers explain it?
#
# (Being written.)

# %% [markdown]
# ## 4 · Any labels, with 2n + d weights
#
# (Being written.)

# %% [markdown]
# ## 5 · Of all solutions, the smallest
#
# (Being written.)

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
# (Being written.)

# %% [markdown]
# ## Paper against here
#
# What the sources claim, and what came out on our data, computed in this moment.
