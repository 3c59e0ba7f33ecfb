"""What every attribution method does before its mathematics: check what came in, set the network up, put it
back.

``explaining(model, x, target)`` is the one way in.  It yields a ``Score``: the number that is explained, as a
function of the input.  A method is then a few lines on ``score(points)`` and ``score.gradient(points)``.
"""

import contextlib
import math
from dataclasses import dataclass

import torch
from torch import nn

from .. import hooks, layout
from ..errors import UnsupportedLayer
from .checks import check_input, check_model, check_target, misfit, watched

# How much goes through the network at once: small chunks stay in the processor's cache and bound the memory.
# 8 images or 32,768 values of the input, whichever is more (41 digits, 16,384 points of the plane), but never
# more than 5 · 2^18 (8 photos of 224 × 224).
_IMAGES, _VALUES, _MOST = 8, 2**15, 5 * 2**18


@contextlib.contextmanager
def explaining(model, x, target=None, many=False):
    """Check the question, run the block with the network in eval mode, and leave everything as it was.

    ``x``: (N, …) floating; ``target``: an int, a (N,) tensor of ints, or None for the predicted class.
    Yields a ``Score``. Inside the block the parameters ask for no gradient, and gradients to the input work
    also where the caller is under ``no_grad`` or ``inference_mode``.  Raises TypeError or ValueError for
    anything that cannot be explained; what only the network can tell (channels, number of classes) is raised
    by the first ``score(…)``, before there is a heatmap. ``many``: the method will send many points through,
    so that laying the weights out for it pays.
    """
    modules, parameters = check_model(model)
    check_input(x)
    with torch.inference_mode(False), torch.enable_grad(), hooks.unchanged(model, modules), _frozen(parameters):
        x = x.clone() if x.is_inference() else x.detach()
        score = Score(model, x, check_target(target, x), [p for p in parameters if p.dim() > 2])
        if score.kernels and layout.views(modules):
            score.to_turn = layout.NEVER
        if many and score.channels_last_possible():
            with _turned(score):
                yield score
        else:
            yield score


@dataclass(slots=True)
class Score:
    """The score of the explained class, as a function of the input.

    Made by ``explaining``.  ``x``: (N, …) the checked input, detached.  ``target``: (N,) classes, or None as
    long as the predicted class is meant and not known yet. A network that returns (N, K) is asked for column
    ``target``; one that returns (N,) has one score per image, its target is 0 or None.
    """

    model: nn.Module
    x: torch.Tensor
    target: torch.Tensor | None
    kernels: list  # the convolutions' weights
    span: tuple | None = None  # the least and the greatest target
    to_turn: int | None = None  # how many weights are not channels last
    own: tuple | list = ()  # the memory of the kernels, while they are turned

    def __call__(self, points, rows=None, handler=None):
        """The scores (M,) of ``points`` (M, …); ``rows``: which of the N images each belongs to (slice or
        (M,) index).

        Without ``rows`` the points are the N images' own, in order.  ``handler``: see ``logits``.
        """
        logits = self.logits(points, handler)
        return finite(logits.gather(1, self.classes(logits, rows)[:, None])[:, 0])

    def classes(self, logits, rows=None):
        """(M,) the class explained for each row of logits (M, K).  ValueError where the network has no such
        class."""
        if self.target is None:  # only with the images themselves: others must ask for .predicted() first
            return logits.detach().argmax(1)
        target, count = self.target if rows is None else self.target[rows], logits.shape[1]
        if self.span is None:  # looked at once: on a small network these questions are what costs
            numbers = self.target.tolist()
            self.span = min(numbers), max(numbers)
        if self.span[0] < 0 or self.span[1] >= count:
            for bad in target[(target < 0) | (target >= count)].tolist():
                raise ValueError(
                    f"target {bad} is out of range: the network has {count} output{'s' * (count > 1)}, "
                    f"so a target is 0 … {count - 1}"
                )
        return target

    def logits(self, points, handler=None):
        """All outputs (M, K) for ``points`` (M, …).  ValueError that names the layer where the points do
        not fit.

        ``handler``: is given every operation of the network, see ``hooks.interpose``.
        """
        try:
            try:
                out = self._forward(points, handler, self._layout(points))
            except RuntimeError as error:
                if handler is not None or self.to_turn == layout.NEVER or not layout.wants_contiguous(error):
                    raise
                self.to_turn = layout.NEVER
                for k, own in zip(self.kernels, self.own, strict=False):  # the weights turn back, too
                    k.data = own
                out = self._forward(points, handler, torch.contiguous_format)
        except (UnsupportedLayer, torch.OutOfMemoryError):
            raise
        except (RuntimeError, IndexError, ValueError) as error:
            raise misfit(self, points, error) from error
        if not torch.is_tensor(out):
            raise TypeError(
                f"the network returns a {type(out).__name__}; a tensor (N, classes) is needed: "
                "wrap it in a module that picks one"
            )
        if out.dim() not in (1, 2) or len(out) != len(points):
            raise ValueError(
                f"x of shape {tuple(self.x.shape)}: for {len(points)} of such images the network's output has "
                f"shape {tuple(out.shape)}; needed is ({len(points)}, classes) or ({len(points)},).  Is the "
                "batch's dimension missing?  (x[None])"
            )
        return out if out.dim() == 2 else out[:, None]

    def _forward(self, points, handler, memory_format):
        # a copy, so that a network that begins with an in-place operation writes into nothing of the caller's
        inside = points.clone(memory_format=memory_format)
        with contextlib.ExitStack() as doors:
            if handler is not None:
                doors.enter_context(hooks.interpose(self.model, handler))
            if points.dim() < max((k.dim() for k in self.kernels), default=0):
                # an image without its batch, which a convolution would take for one?
                doors.enter_context(watched(self.model, []))
            return self.model(inside)

    def gradient(self, points, rows=None, handler=None):
        """d score / d point, for each point on its own; shaped like ``points``.  ``handler``: see ``logits``."""
        points = points.detach().requires_grad_()
        logits, seed = self.seeded(points, rows, handler)
        return derivative(logits, points, seed)

    def seeded(self, points, rows=None, handler=None):
        """The logits (M, K) of ``points`` and what to send back from them: 1 at the explained class, else 0.

        The derivative of the score, without the steps that pick it out.
        """
        logits = self.logits(points, handler)
        classes = self.classes(logits, rows)[:, None]
        plain = logits.detach()
        finite(plain.gather(1, classes))
        return logits, torch.zeros_like(plain).scatter_(1, classes, 1)

    def sum_gradients(self, weights, point, velocity=None):
        """Σₖ wₖ ∂F(point(k))/∂x [⊙ velocity(k)] for every image: (N, …).  The k run through shared chunks,
        one after the other.

        ``weights``: (K,).  ``point`` and ``velocity`` get two index tensors (M,), the k and the image of each
        of M points, and return (M, …).
        """
        self.predicted()
        images = len(self.x)
        total = torch.zeros_like(self.x, dtype=torch.promote_types(self.x.dtype, torch.float32))
        for pairs in self.chunks(len(weights) * images):
            pair = torch.arange(pairs.start, pairs.stop, device=total.device)
            k, rows = pair // images, pair % images
            gradients = self.gradient(point(k, rows), rows)
            if velocity is not None:
                gradients = gradients * velocity(k, rows)
            total.index_add_(0, rows, each(weights[k.to(weights.device)], total) * gradients)
        return total.to(self.x.dtype)

    def predicted(self):
        """Settle the target: where it was None it becomes the class predicted for x.  Returns self."""
        if self.target is None:
            with torch.no_grad():
                self.target = torch.cat([self.logits(self.x[rows]).argmax(1) for rows in self.chunks()])
        return self

    def values(self, points):
        """``self(points)`` for N points, without a graph and in chunks."""
        with torch.no_grad():
            return torch.cat([self(points[rows], rows) for rows in self.chunks()])

    def _layout(self, points):
        """Channels last makes convolutions on a CPU up to three times faster, unless there are so many
        weights, which
        are turned round at every call, for so few images that turning costs more than it brings."""
        if self.to_turn is None:
            self.to_turn = sum(
                k.numel() for k in self.kernels if not k.is_contiguous(memory_format=torch.channels_last)
            ) if self.channels_last_possible() else layout.NEVER
        return torch.channels_last if self.to_turn < 16 * (points.numel() + 2**17) else torch.contiguous_format

    def channels_last_possible(self):
        return (
            self.to_turn != layout.NEVER
            and layout.fits(self.x)
            and len(self.kernels) > 0
            and all(k.dim() == 4 for k in self.kernels)
        )

    def chunks(self, count=None):
        """Slices that cover ``range(count)`` (the N images), each small enough to go through the network at
        once."""
        count, values = len(self.x) if count is None else count, math.prod(self.x.shape[1:])
        most = _MOST if self.x.device.type == "cpu" else 16 * _MOST
        least = _VALUES if self.x.device.type == "cpu" else most
        size = max(1, min(max(_IMAGES, least // values), most // values))
        size = math.ceil(
            count / math.ceil(count / size)
        )  # all about equal: a last chunk of one would be slow
        return [slice(i, min(i + size, count)) for i in range(0, count, size)]

    def per_image(self, function):
        """``function(images, rows)`` for each chunk of the images, joined."""
        parts = [function(self.x[rows], rows) for rows in self.chunks()]
        return parts[0] if len(parts) == 1 else torch.cat(parts)


def each(numbers, like):
    """(M,) numbers so that they multiply (M, …)."""
    return numbers.to(like).view(-1, *[1] * (like.dim() - 1))


def finite(scores):
    """The scores; ValueError if one of them is not finite."""
    plain = scores.detach()
    if not math.isfinite(plain if plain.numel() == 1 else plain.sum()) and not scores.isfinite().all():  # the sum is quick
        raise ValueError(
            f"the network's output is {scores[~scores.isfinite()][0].item()} for finite input; "
            "look at its weights, or at an overflow in a narrow dtype"
        )
    return scores


def derivative(scores, points, seed=None):
    """d (sum of seed · scores) / d points, which is each image's own derivative since images do not meet in
    eval mode.  ``seed``: None is 1 for every score."""
    grad = None
    if scores.requires_grad:
        seed = torch.ones_like(scores) if seed is None else seed
        (grad,) = torch.autograd.grad(scores, points, seed, allow_unused=True)
    if grad is None:
        raise ValueError(
            "the network's output has no gradient to x: is there a detach(), a no_grad() or an argmax inside?"
        )
    return grad


@contextlib.contextmanager
def _frozen(parameters):
    """No parameter asks for a gradient: less to keep in memory, and no graph before the layer that Grad-CAM
    starts from."""
    asking = [p for p in parameters if p.requires_grad]
    try:
        for p in asking:
            p.requires_grad_(False)
        yield
    finally:
        for p in asking:
            p.requires_grad_(True)


@contextlib.contextmanager
def _turned(score):
    """The same weights, channels last in memory; afterwards the parameters hold their own memory again."""
    score.own = [k.data for k in score.kernels]
    try:
        for k in score.kernels:
            k.data = k.data.contiguous(memory_format=torch.channels_last)
        yield
    finally:
        for k, data in zip(score.kernels, score.own, strict=True):
            k.data = data
