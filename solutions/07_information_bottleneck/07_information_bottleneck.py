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
# | **Time** | 160 minutes, of which 69 for the six exercises; a break fits well before section 4 |
# | **Builds on** | probability tables and logarithms; training a network in PyTorch |
# | **Sources** | Shwartz-Ziv, Tishby 2017, *Opening the Black Box of Deep Neural Networks via Information*; Saxe, Bansal, Dapello, Advani, Kolchinsky, Tracey, Cox 2018, *On the Information Bottleneck Theory of Deep Learning*; Darlow, Storkey 2020, *What Information Does a ResNet Compress?*; Ma, Zhang, Zhang, Zhang 2019, *Quantifying Layerwise Information Discarding of Neural Networks*; Guan et al. 2019, *Towards a Deep and Unified Understanding of Deep Neural Models in NLP*; Ren et al. 2021, *Towards Theoretical Analysis of Transformation Complexity of ReLU DNNs* |

# %%
import numpy as np
import pandas as pd
import torch

from xaikit import claims, demos, plot
from xaikit.dynamics import information
from xaikit.exercises import answer, check
from xaikit.source import show_source

# %% [markdown]
# ## 1 · Mutual information by hand
#
# To be filled.

# %% [markdown]
# ## 2 · The information plane
#
# To be filled.

# %% [markdown]
# ## 3 · Does it always compress?
#
# To be filled.

# %% [markdown]
# ## 4 · A lower bound that scales
#
# To be filled.

# %% [markdown]
# ## 5 · What was kept?
#
# To be filled.

# %% [markdown]
# ## 6 · Information discarded, pixel by pixel
#
# To be filled.

# %% [markdown]
# ## 7 · The entropy of the gates
#
# To be filled.

# %% [markdown]
# ## The live demo
#
# To be filled.

# %% [markdown]
# ## Paper against here
#
# What the sources claim, and what came out on our networks and data, computed in this moment.

# %%
paper = claims.table("07")
claims.styled(paper.drop(columns="lecture"))
