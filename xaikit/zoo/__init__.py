"""Trained networks by name: ``zoo.load("digits-cnn")``.

The weights ship with the course (``data/weights``), each with a card that says on what and how it was trained and how
well it does; ``zoo.train`` runs the same recipe again.
"""
import difflib

import torch

from .. import train as _train
from ..errors import DamagedFile
from . import store
from .networks import ConvNet, Mlp, ResNet, Segmenter, SentenceNet, merge_batch_norm
from .recipes import RECIPES
from .torchvision_nets import cached, imagenet

__all__ = ["ConvNet", "Mlp", "ResNet", "Segmenter", "SentenceNet", "accuracy", "cached", "card",
           "imagenet", "load", "names", "restarts", "save", "score", "train"]


def names():
    """The names that ``load`` knows."""
    return list(RECIPES)


def card(name):
    """What is known about a shipped network: dict with about, data, recipe, accuracy, parameters, sha256, seed …"""
    _recipe(name)
    return store.card(name)


def load(name):
    """The network ``name`` with its shipped weights, on the CPU in eval mode.

    ValueError for a name that is not known (with the nearest one), DamagedFile if the file is not the one on the card.
    """
    with torch.random.fork_rng():  # what a new network starts from is drawn, and then overwritten
        network = _recipe(name).build()
    state = store.read(name)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise DamagedFile(f"{store.folder() / name}.safetensors holds another network's weights: {error}") from error
    return network.eval()


def restarts(name):
    """Whether the recipe of ``name`` keeps a checkpoint to go on from."""
    return _recipe(name).restarts


def train(name, seed=0, progress=True, checkpoint=None, **changes):
    """Run the recipe of ``name`` and return the new network in eval mode; nothing is written but ``checkpoint``.

    changes: settings in place of the recipe's own, such as ``hessian=0.0`` for the control of a training with a penalty.

    Recipes that take hours (``restarts(name)``) keep their state in the file ``checkpoint`` and go on from it.
    ValueError for a checkpoint where the recipe has none, or one of other settings.
    """
    recipe = _recipe(name)
    if checkpoint and not recipe.restarts:
        raise ValueError(f"the recipe of {name} is too short for a checkpoint")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = recipe.build(norm=True) if recipe.norm else recipe.build()
    if recipe.start:
        network.load_state_dict(store.read(recipe.start))
    options = {"seed": seed, "progress": progress, "augment": recipe.augment, **recipe.fit, **changes}
    if checkpoint:
        options["checkpoint"] = checkpoint
    if recipe.learn:
        recipe.learn(network, recipe.train().images, **options)
        return network.eval()
    _train.fit(network, recipe.train(), **options)
    return merge_batch_norm(network) if recipe.norm else network


def accuracy(name, model):
    """The share of the recipe's test data that ``model`` labels right; ValueError for a network that gives no labels."""
    recipe = _recipe(name)
    if recipe.measure:
        raise ValueError(f"{name} gives no labels; its card states: {recipe.measured} (zoo.score)")
    return _train.accuracy(model, recipe.test())


def score(name, model):
    """The number that a card states: the accuracy on the recipe's test data, or what the recipe measures instead."""
    recipe = _recipe(name)
    return recipe.measure(model, recipe.test()) if recipe.measure else accuracy(name, model)


def save(name, model, seed=None):
    """Make ``model`` the shipped ``name``: write its weights and its card (test accuracy, sha256 …); returns the path."""
    recipe = _recipe(name)
    test = recipe.test()
    stated = {"measured": recipe.measured, "score": recipe.measure(model, test)} if recipe.measure else {
        "accuracy": _train.accuracy(model, test)}
    if recipe.facts:
        stated |= recipe.facts(model, test)
    if recipe.start:  # what another network was made from is part of how it was made
        stated |= {"start": recipe.start, "start_sha256": store.card(recipe.start)["sha256"]}
    train_n, test_n = _items(recipe.train()), _items(test)
    return store.write(name, model.state_dict(), {
        "about": recipe.about, "data": recipe.data, "train_items": train_n, "test_items": test_n, **stated,
        "recipe": recipe.fit | {"augment": recipe.augment.__name__, "batch_norm_merged": recipe.norm}, "seed": seed,
        "parameters": sum(p.numel() for p in model.parameters())})


def _items(found):
    return len(found[0]) if isinstance(found, tuple) else len(found)


def _recipe(name):
    if name not in RECIPES:
        near = difflib.get_close_matches(str(name), RECIPES, n=1, cutoff=0)
        raise ValueError(f"no network is called {name!r}.  Did you mean {near[0]!r}?  Known: {', '.join(RECIPES)}")
    return RECIPES[name]
