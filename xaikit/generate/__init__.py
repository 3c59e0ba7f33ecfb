"""Networks that draw pictures: the generator, how it is trained, and the Hessian penalty."""
from .gan import Critic, Generator, fit_gan
from .hessian import hessian_penalty

__all__ = ["Critic", "Generator", "fit_gan", "hessian_penalty"]
