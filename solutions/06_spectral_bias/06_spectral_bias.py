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
# # 06 · Spectral bias: low frequencies first
#
# A network with a million weights could fit any wiggle. What it fits *first* is smooth. This lecture looks at
# networks through Fourier's glasses: which frequencies a ReLU network has at all, in which order it learns
# them, which it forgets when its weights are shaken, and how the shape of the data changes the order. Then it
# turns to images: which frequencies of a picture a classifier uses, and in which directions its boundary is
# near.
#
# | | |
# |---|---|
# | **You will be able to** | say how fast the spectrum of a ReLU network decays, and in which directions slowest · measure when a network learns a frequency, and the rank correlation with what it never learns · define what “robust to a change of the weights” means and measure it · predict which noise on the labels hurts, and when · say why a curved manifold makes high frequencies easier · split an image at a radius and tell which part a classifier uses · measure margins in subspaces |
# | **Time** | 150 minutes, of which 00 for the seven exercises; a break fits well before section 6 |
# | **Builds on** | Fourier series; training a network in PyTorch; lecture 05 (what networks memorise) helps, but is not needed |
# | **Sources** | Rahaman, Baratin, Arpit, Draxler, Lin, Hamprecht, Bengio, Courville 2018, *On the Spectral Bias of Neural Networks* (“the paper” in sections 1 to 5); Wang, Wu, Huang, Xing 2019, *High-Frequency Component Helps Explain the Generalization of Convolutional Neural Networks*; Ortiz-Jimenez, Modas, Moosavi-Dezfooli, Frossard 2020, *Hold me tight! Influence of discriminative features on deep network boundaries* |

# %%
import numpy as np
import pandas as pd
import torch

from xaikit import claims, data, demos, plot
from xaikit.exercises import answer, check
from xaikit.source import show_source

# %% [markdown]
# ## 1 · The spectrum of a ReLU network

# %% [markdown]
# ## 2 · Low frequencies are learned first

# %% [markdown]
# ## 3 · Low frequencies survive

# %% [markdown]
# ## 4 · Noise on the labels has a frequency too

# %% [markdown]
# ## 5 · Not all manifolds are learned equal

# %% [markdown]
# ## 6 · High-frequency components of images
#
# (Exercise 6.6 stands here.)

# %% [markdown]
# ## 7 · Hold me tight
#
# (Exercise 6.7 stands here.)

# %% [markdown]
# ## Paper against here
#
# What the sources claim, and what came out on our networks and data, computed in this moment.
