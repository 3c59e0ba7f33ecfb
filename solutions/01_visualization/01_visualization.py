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
from xaikit.errors import OfflineError
from xaikit.exercises import answer, check
from xaikit.source import show_source

# %% [markdown]
# ## 0 · A toy network to play with

# %% [markdown]
# ## 1 · First-layer filters are pictures

# %% [markdown]
# ## 2 · The patches a unit likes best

# %% [markdown]
# ## 3 · Activation maximisation: one answer or many?

# %% [markdown]
# ### A stacked denoising auto-encoder and a deep belief network

# %% [markdown]
# ## 4 · Sampling from a unit

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
