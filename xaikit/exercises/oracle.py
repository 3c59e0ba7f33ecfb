"""A function that stays with the judge: the student's side sees values and products, and value calls count.

The same torch function, `remote`, is used in a notebook (where the oracle is an object in the same process)
and in grading (where it is at the other end of a pipe), so that an answer behaves alike in both.
"""

from collections.abc import Callable

import numpy as np

from . import functions

ROWS = 200_000  # rows evaluated for one case, values and products together


class Oracle:
    """Answers for the function of `case` and counts how often its value was asked for."""

    def __init__(self, case):
        self.case, self.calls, self.rows, self.kept, self.gradients = case, 0, 0, [], {}

    def answer(self, request) -> dict:
        """The reply to one request; see the package's docstring for the formats. Never raises."""
        try:
            return self._answer(request)
        except Exception as error:  # whatever a hostile request holds, the judge goes on
            return {"error": f"{type(error).__name__}: {str(error)[:200]}"}

    def _answer(self, request):
        if not isinstance(request, dict) or request.get("op") not in ("value", "vjp"):
            return {"error": "a request is {'op': 'value', 'points'} or {'op': 'vjp', 'token', 'cotangent'}"}
        if request["op"] == "value":
            self.calls += 1
            x, inputs = request.get("points"), functions.inputs_of(self.case.data)
            if not _floats(x) or x.ndim != 2 or x.shape[1] != inputs:
                return {"error": f"points must be a float array of shape (N, {inputs})"}
            self._spend(len(x))
            y, gradient = functions.gradient(self.case.data, x)
            self.kept.append(gradient)
            return {"token": len(self.kept) - 1, "values": y}
        token, cotangent = request.get("token"), request.get("cotangent")
        if type(token) is not int or not 0 <= token < len(self.kept):
            return {"error": "no such token"}
        gradient = self.kept[token]
        if not _floats(cotangent) or cotangent.shape != gradient.shape[:1]:
            return {"error": f"the cotangent must be a float array of shape {gradient.shape[:1]}"}
        self._spend(len(gradient))
        return {"gradient": cotangent[:, None].astype(np.float64) * gradient}

    def _spend(self, rows):
        self.rows += rows
        if self.rows > ROWS:
            raise ValueError(f"more than {ROWS} rows were asked for in one case")

    def measured(self) -> dict[str, int]:
        """What the judge adds to the observed values: the number of value calls."""
        return {"calls": self.calls}


def _floats(x) -> bool:
    return type(x) is np.ndarray and x.dtype.kind == "f"


def remote(ask: Callable[[dict], dict], inputs: int):
    """f as the student gets it, (N, D) → (N,), differentiable through `ask`: one call, one value request."""
    import torch

    from .functions import require_batch

    def request(**message):
        reply = ask(message)
        if "error" in reply:
            raise RuntimeError(f"the network could not be evaluated: {reply['error']}")
        return reply

    rows = {}  # rows asked for under each token

    class Value(torch.autograd.Function):
        @staticmethod
        def forward(x):
            reply = request(op="value", points=x.detach().cpu().double().numpy().copy())
            rows[int(reply["token"])] = len(x)
            return torch.from_numpy(np.asarray(reply["values"])).to(x.dtype), torch.tensor(
                int(reply["token"])
            )

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.token = output[1]
            ctx.mark_non_differentiable(output[1])
            ctx.set_materialize_grads(True)

        @staticmethod
        def backward(ctx, grad, _):
            return Product.apply(grad, ctx.token)

        @staticmethod
        def jvp(ctx, tangent, *_):  # forwards the same products do
            gradient = Product.apply(tangent.new_ones(len(tangent)), ctx.token)
            return (gradient * tangent).sum(1), None

        @staticmethod
        def vmap(info, in_dims, x):
            # a function mapped over examples is still one call: fold the mapped axis into the batch
            folded = x.movedim(in_dims[0], 0)
            y, token = Value.apply(folded.reshape(-1, folded.shape[-1]))
            return (y.reshape(folded.shape[:-1]), token), (0, None)

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(grad, token):
            # leading axes are rows of the forward pass (mapped with it), or many cotangents for all of them
            batches = grad.detach().cpu().double().reshape(-1, rows[int(token)]).numpy()
            products = [
                request(op="vjp", token=int(token), cotangent=row.copy())["gradient"] for row in batches
            ]
            return torch.from_numpy(np.asarray(products)).to(grad.dtype).reshape(*grad.shape, -1)

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, grad):
            raise RuntimeError("this network gives first derivatives only")

        @staticmethod
        def vmap(info, in_dims, grad, token):
            return Product.apply(grad.movedim(in_dims[0], 0), token), 0

    def f(x):
        require_batch(x, inputs)
        return Value.apply(x)[0]

    return f
