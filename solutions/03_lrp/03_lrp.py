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
# # 03 · Layer-wise relevance propagation
#
# A network says “three” with a score of twelve. Which pixels earned the twelve? This lecture takes the score
# for a sum of money that flows back through the network: every neuron hands what it received down to the
# neurons that fed it, in proportion to what they contributed, and nothing is lost on the way.
#
# | | |
# |---|---|
# | **You will be able to** | say what a decomposition is and why conservation alone is worth nothing · pass relevance through a layer by the rules ε, αβ, γ, z^B, w² and flat, and say where it goes · choose a rule for each depth of a network · find a root point and write a Taylor decomposition · explain a bag of words down to its pixels · judge a heatmap by flipping pixels, by randomising weights and by the truth |
# | **Time** | 150 minutes, of which 93 for the eight exercises |
# | **Builds on** | gradients in PyTorch; lecture 02 (what a backward signal may look like) helps, but is not needed |
# | **Sources** | Bach, Binder, Montavon, Klauschen, Müller, Samek 2015, *On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance Propagation* (“the paper”); Montavon, Lapuschkin, Binder, Samek, Müller 2017, *Explaining nonlinear classification decisions with deep Taylor decomposition*; Montavon, Binder, Lapuschkin, Samek, Müller 2019, *Layer-Wise Relevance Propagation: An Overview*; Samek et al. 2017, *Evaluating the visualization of what a deep neural network has learned*; Adebayo et al. 2018, *Sanity Checks for Saliency Maps* |

# %%
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display

from xaikit import attribution, claims, data, demos, evaluate, plot, zoo
from xaikit.exercises import answer, check
from xaikit.source import show_source

# %% [markdown]
# ## 1 · A score as a sum

# %% [markdown]
# ## 2 · Relevance travels in messages

# %% [markdown]
# ## 3 · Rules, and where the relevance goes

# %% [markdown]
# ## 4 · Taylor: relevance from a root point

# %% [markdown]
# ## 5 · A bag of words, explained down to its pixels
#
# <!-- section 5 and exercises 3.6 and 3.7: "bow" -->

# %% [markdown]
# ## 6 · Digits: for and against
#
# <!-- sections 6, 7, 8 and exercise 3.8: "eval" -->

# %% [markdown]
# ## 7 · Pixel flipping
#
# <!-- "eval" -->

# %% [markdown]
# ## 8 · Not an edge detector
#
# <!-- "eval" -->

# %% [markdown]
# ## 9 · Against the truth
#
# <!-- scoring against masks where the truth is known: "eval" -->

# %% [markdown]
# ## The live demo

# %% [markdown]
# ## Paper against here
#
# What the sources claim, and what came out on our networks and data, computed in this moment.

# %%
paper = claims.table("03")
claims.styled(paper.drop(columns="lecture"))
