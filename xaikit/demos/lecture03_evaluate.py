"""Lecture 03's demos on judging maps: digits against their classes' ink, pixel flipping, and maps against the
truth."""
import functools

import numpy as np
import torch

from .. import attribution, data, evaluate, plot, zoo
from ..evaluate.flipping import flipped, flipping_order, levels, replacement
from ..evaluate.maps import chosen, maps_of
from ..widgets import Slider, Toggle
from . import Demo
from .canvas import Canvas, Chart, number

_STEPS = 40  # levels of the flipping demo, 4 pixels each
_QUICK = {"smoothgrad": {"samples": 8}, "integrated_gradients": {"steps": 8}, "path_gradients": {"steps": 8},
          "taylor": {"steps": 8}}
_WINDOW = {"digits": 7, "shapes": 26, "scenes": 16}


@functools.cache
def _set(name):
    """(network, data set of pictures that it gets right) of a demo: ten digits, eight shapes, eight
    scenes."""
    net = zoo.load(f"{name}-cnn")
    if name == "digits":
        found = data.digits(split="test")
        with torch.no_grad():
            right = net(found.images).argmax(1) == found.labels
        return net, found.take([int((right & (found.labels == d)).nonzero()[0]) for d in range(10)])
    found = data.shapes(24, split="test") if name == "shapes" else data.scenes(32)
    with torch.no_grad():
        right = (net(found.images).argmax(1) == found.labels) & evaluate.cause(found).flatten(1).any(1)
    return net, found.take(right.nonzero()[:8, 0].tolist())


def _methods(*more):
    """{label: name} of all methods that the three networks allow, then ``more`` controls."""
    known = {m.label: name for name, m in attribution.METHODS.items() if m.needs <= {"conv", "gap"}}
    return known | {evaluate.CONTROLS[m][0]: m for m in more}


@functools.lru_cache(maxsize=256)
def _map(name, index, method, target):
    """The (H, W) map of one picture, and the method's label; what takes many passes takes few here, for
    speed."""
    net, found = _set(name)
    window = _WINDOW[name]
    options = _QUICK | {"occlusion": {"window": window, "stride": max(2, window * 3 // 5)}}
    if name == "digits":  # there black pixels are to speak, too: "no stroke here"
        options["lrp_composite"] = {"preset": "epsilon_gamma_box"}
    _, label, function = chosen([method], {method: options[method]} if method in options else None)[0]
    made = maps_of(function, net, found.images[index:index + 1], torch.tensor([target]))
    return (made if isinstance(made, str) else made[0]), label


@functools.cache
def _density():
    train = data.digits(split="train")
    return evaluate.ink_density(train.images, train.labels)


def _rgb(x):
    return (plot.pixels(x) * 255).round().astype(np.uint8)


def _no_map(board, x, label, why):
    import textwrap

    board.text(x, 60, f"{label} has no map here", 12, plot.FOR, bold=True)
    for i, line in enumerate(textwrap.wrap(why, 60)):
        board.text(x, 84 + 18 * i, line, 11)
    return board.jpeg()


def digits(digit, target, method):
    """Section 6: the digit, the evidence for any class, that class's ink, and all logits."""
    net, found = _set("digits")
    board, image = Canvas(900, 290), found.images[digit]
    relevance, label = _map("digits", digit, method, target)
    board.text(20, 26, f"digit {digit}", 12, bold=True, anchor="ls")
    board.picture(_rgb(image), 20, 36, 200, smooth=True)
    if isinstance(relevance, str):
        return _no_map(board, 244, label, relevance)
    limit, density = plot.limit_of(relevance, 0.998), _density()[target]
    board.text(244, 26, f"{label}: evidence for {target}", 12, bold=True, anchor="ls")
    board.picture(plot.signed_rgb(relevance, limit), 244, 36, 200)
    board.scale(limit, 452, 44, 184, label="relevance")
    board.text(530, 26, f"ink density "
                        f"d{str(target).translate(str.maketrans('0123456789', '₀₁₂₃₄₅₆₇₈₉'))}", 12, bold=True,
                        anchor="ls")
    share = (density - 0.1).nan_to_num()
    board.picture(plot.signed_rgb(share, 0.2), 530, 36, 160)
    board.text(530, 202, "red: more than a tenth of the ink", 9.5, plot.MUTED)
    board.text(530, 226, "correlation with the map", 11, plot.MUTED)
    board.text(530, 242, number(float(evaluate.density_correlation(relevance[None], density)), True, 2), 22,
               bold=True)
    with torch.no_grad():
        logits = net(image[None])[0]
    board.text(724, 26, "logits", 12, bold=True, anchor="ls")
    board.bars(748, 34, 140,
               [(f"▸ {k}" if k == target else str(k), v) for k, v in enumerate(logits.tolist())],
               float(logits.abs().max()) * 2.4, row_height=24, digits=2)
    total = float(relevance.sum())
    board.text(244, 250, f"sum of the map {number(total, True)}, logit of {target} "
                         f"{number(float(logits[target]), True)}", 11, plot.MUTED)
    return board.jpeg()


@functools.lru_cache(maxsize=256)
def _flips(digit, method, order, replace):
    """(flips, pictures, own, best other's probability, its class) of one digit at every level."""
    net, found = _set("digits")
    image, label = found.images[digit], int(found.labels[digit])
    relevance, _ = _map("digits", digit, method, label)
    flips = levels(image[0].numel(), _STEPS, 160 / 784)
    turns = flipping_order(relevance[None], order)[0]
    pictures = flipped(image, replacement(image[None], replace)[0], turns, flips)
    with torch.no_grad():
        p = net(pictures).softmax(1)
    rivals = p.clone()
    rivals[:, label] = -1
    best, who = rivals.max(1)
    return flips.tolist(), pictures, p[:, label].tolist(), best.tolist(), who.tolist()


_WORDS = {"highest": "highest first", "near_zero": "near zero first", "lowest": "lowest first",
          "random": "random"}


def flipping(flips, order, method, digit, replace):
    """Section 7: the picture after so many flips, and the class's score against the best wrong class's."""
    _, found = _set("digits")
    board, label = Canvas(900, 370), int(found.labels[digit])
    relevance, name = _map("digits", digit, method, label)
    if isinstance(relevance, str):
        return _no_map(board, 20, name, relevance)
    xs, pictures, own, other, who = _flips(digit, method, order, replace)
    k = int(np.argmin([abs(x - flips) for x in xs]))
    limit = plot.limit_of(relevance)
    board.text(20, 26, name, 12, bold=True, anchor="ls")
    board.picture(plot.signed_rgb(relevance, limit), 20, 36, 190)
    board.scale(limit, 218, 44, 174, label="relevance")
    board.text(284, 26, f"{xs[k]} pixels changed", 12, bold=True, anchor="ls")
    board.picture(_rgb(pictures[k]), 284, 36, 190)
    board.text(284, 244, f"p({label}) = {own[k]:.2f}", 12, plot.COLORS[0], bold=True)
    board.text(284, 264, f"p({who[k]}) = {other[k]:.2f}  (best wrong class)", 12, plot.COLORS[1], bold=True)
    chart = Chart(board, (560, 50, 310, 220), (0, xs[-1]), (0, 1), "pixels changed", "probability",
                  (0, 40, 80, 120, 160),
                  (0, 0.25, 0.5, 0.75, 1))
    by_chance = _flips(digit, method, "random", replace)[2]
    chart.lines((xs, by_chance, plot.MUTED, 1.4, 5), (xs, other, plot.COLORS[1], 2),
                (xs, own, plot.COLORS[0], 3),
                ([xs[k]] * 2, [0, 1], plot.INK, 0.8))
    chart.dot(xs[k], own[k], plot.COLORS[0])
    chart.dot(xs[k], other[k], plot.COLORS[1])
    area = float(evaluate.area_over_curve(torch.tensor(own)))
    dashed = float(evaluate.area_over_curve(torch.tensor(by_chance)))
    board.text(540, 318, f"area over the curve {number(area, True, 2)}   (random order: "
                         f"{number(dashed, True, 2)})", 11)
    board.text(540, 340, f"{_WORDS[order]}, x → "
                         f"{dict(flip='1 − x', zero='0', mean='mean', blurred='blurred')[replace]}", 11,
                         plot.MUTED)
    return board.jpeg()


def truth(picture, method):
    """Section 9: a map with the cause outlined, and its three scores beside those of chance."""
    name, index = picture.split()
    net, found = _set(name)
    index = int(index)
    board, label = Canvas(900, 360), int(found.labels[index])
    x, mask = found.images[index], evaluate.cause(found)[index]
    side = x.shape[-1]
    fine = 3 if side > 80 else 5
    board.text(20, 26, f"{found.classes[label]}, the cause outlined", 12, bold=True, anchor="ls")
    board.picture(plot.outlined(_rgb(x), mask, fine), 20, 36, 300)
    relevance, shown = _map(name, index, method, label)
    if isinstance(relevance, str):
        return _no_map(board, 340, shown, relevance)
    limit = plot.limit_of(relevance, 0.995)
    board.text(340, 26, f"{shown}: relevance for {found.classes[label]}", 12, bold=True, anchor="ls")
    board.picture(plot.outlined(plot.signed_rgb(relevance, limit), mask, fine, (30, 30, 30)), 340, 36, 300)
    board.scale(limit, 648, 44, 284, label="relevance")
    scores = {k: float(v) for k, v in evaluate.against_truth(relevance[None], mask[None]).items()}
    chance = float(mask.float().mean())
    for i, (measure, says) in enumerate((("mass", "of the positive relevance on the cause"),
                                         ("rank", "of the top pixels on the cause"),
                                         ("pointing", "the highest pixel on the cause"))):
        top = 46 + 86 * i
        word = "hit" if scores[measure] else "miss"
        name = {"mass": "relevance mass", "rank": "rank accuracy", "pointing": "pointing game"}[measure]
        board.text(720, top, name, 11, plot.MUTED)
        board.text(720, top + 15, word if measure == "pointing" else f"{scores[measure]:.0%}", 22, bold=True)
        board.text(720, top + 46, says, 9, plot.MUTED)
        if measure != "pointing":
            board.rectangle(808, top + 22, 80, 12, plot.RULE)
            board.rectangle(808, top + 22, 80 * scores[measure], 12, plot.COLORS[0])
            board.line([(808 + 80 * chance, top + 18), (808 + 80 * chance, top + 38)], plot.INK, 1.5)
    board.text(720, 318, f"chance {chance:.0%} (tick)", 10, plot.MUTED)
    return board.jpeg()


def demos():
    pictures = {f"{found.classes[int(found.labels[i])]} {i + 1} ({name})": f"{name} {i}"
                for name in ("scenes", "shapes") for _, found in [_set(name)] for i in range(len(found))}
    tens = {str(d): d for d in range(10)}
    return [
        Demo("03/digits", "03", "Evidence for and against every class",
             lambda digit, target, method: digits(digit, target, method),
             {"digit": Toggle(tens, 4), "target": Toggle(tens, 9, "class"),
              "method": Toggle(_methods(), "lrp_composite", "method")},
             "Red pixels are evidence for the chosen class, blue ones against it. The ink density says "
             "where that class writes.",
             "A handwritten digit, the map of evidence for the chosen class, that class's ink density with "
             "its correlation to the "
             "map, and bars of the ten logits.", 900),
        Demo("03/flipping", "03", "Pixel flipping",
             lambda flips, order, method, digit, replace: flipping(flips, order, method, digit, replace),
             {"flips": Slider(0, 160, 24, 4, "pixels"),
              "order": Toggle({w: o for o, w in _WORDS.items()}, "highest"),
              "method": Toggle(_methods("random", "sobel"), "lrp_epsilon", "method"),
              "digit": Toggle(tens, 4),
              "replace": Toggle({"1 − x": "flip", "0": "zero", "mean": "mean", "blurred": "blurred"}, "flip",
                                "x →")},
             "Blue: the digit's own class; orange: the best wrong class; dashed: pixels in random order. A "
             "map that found what matters lets the blue curve fall early when its highest pixels go first, "
             "and late when its lowest do.",
             "A map, the digit with the chosen number of pixels changed in its order, and the probabilities "
             "of the digit's class and "
             "of the best wrong class against the number of changed pixels.", 900),
        Demo("03/truth", "03", "A map against the truth", lambda picture, method: truth(picture, method),
             {"picture": Toggle(pictures, None, "picture"),
              "method": Toggle(_methods("random", "sobel"), "lrp_alpha_beta", "method")},
             "Outlined are the pixels that cause the class: house and trees in a scene, the border of a "
             "shape. The tick on each bar is what chance would get.",
             "A picture with the pixels that cause its class outlined, a method's map with the same outline, "
             "and the map's "
             "relevance mass, rank accuracy and pointing game.", 900),
    ]
