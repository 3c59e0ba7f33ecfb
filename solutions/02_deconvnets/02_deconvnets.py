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
# # 02 · Deconvolutional networks: from sparse codes to a probe
#
# A convolutional network turns a picture into numbers, layer by layer. A *deconvolutional* network goes the other
# way: numbers become a picture. The idea was born as a way to learn features without labels (a picture is explained
# by a few active features), and became famous as a way to look into a trained classifier: keep one number somewhere
# inside, set all others to zero, and see which pixels it answers to. This lecture follows the idea from the first
# to the second, with one thread: *what goes down must use what happened on the way up*.
#
# | | |
# |---|---|
# | **You will be able to** | explain a picture by few active features, and say what the p in the penalty does · unpool with switches, and test that two operators are adjoint · send one activation back to the pixels through any convolutional network · say what gradient, deconvnet and guided backprop do at a ReLU, and what it costs · find dead and aliased features by looking, and say it in numbers · tell by occlusion what a prediction hangs on |
# | **Time** | 120 minutes, of which 70 for the six exercises |
# | **Builds on** | convolution, pooling and gradients in PyTorch; lecture 01 for top patches and receptive fields |
# | **Sources** | Zeiler, Krishnan, Taylor, Fergus 2010, *Deconvolutional Networks*; Zeiler, Taylor, Fergus 2011, *Adaptive Deconvolutional Networks for Mid and High Level Feature Learning*; Zeiler, Fergus 2014, *Visualizing and Understanding Convolutional Networks* (“the paper” from section 4 on); Springenberg, Dosovitskiy, Brox, Riedmiller 2015, *Striving for Simplicity: The All Convolutional Net* |

# %%
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from IPython.display import Markdown, display
from torch import nn

from xaikit import attribution, claims, data, demos, features, hooks, plot, widgets, zoo
from xaikit.exercises import answer, check
from xaikit.source import show_source

# %% [markdown]
# ## 1 · One layer as convolutional sparse coding

# %% [markdown]
# ### Exercise 2.1 — shrinkage ★★☆ · 10 min · 2 points

# %% [markdown]
# ## 2 · Denoising: sparsity against error

# %% [markdown]
# ## 3 · Adaptive deconvolutional networks: switches

# %% [markdown]
# ### Exercise 2.2 — unpool with switches ★★☆ · 10 min · 2 points

# %% [markdown]
# ### Exercise 2.3 — R and its transpose ★★☆ · 10 min · 2 points

# %% [markdown]
# ## 4 · The deconvnet as a probe

# %% [markdown]
# ## 5 · Three ways through a ReLU

# %% [markdown]
# ### Exercise 2.4 — three ReLU rules ★★★ · 15 min · 3 points

# %% [markdown]
# ### Exercise 2.5 — one activation down to pixels ★★★ · 15 min · 3 points

# %% [markdown]
# ## 6 · Features through training

# %% [markdown]
# ## 7 · Choosing an architecture by looking

# %% [markdown]
# ## 8 · Occlusion

# %% [markdown]
# ### Exercise 2.6 — occlusion map, batched ★★☆ · 10 min · 2 points

# %% [markdown]
# ## 9 · Correspondence

# %% [markdown]
# ## The live demo

# %% [markdown]
# ## Paper against here
