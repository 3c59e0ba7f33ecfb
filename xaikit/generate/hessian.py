"""The Hessian penalty: a generator whose output bends along each axis of its code on its own."""
import torch


def hessian_penalty(generator, z, draw, directions=2, step=0.1):
    """How far the Hessians of the activations by the code are from diagonal: a scalar, differentiable.

    For one output f with Hessian H, Var_v(vᵀHv) over random signs v is 2 Σ_{i≠j} H_ij² (Peebles et al. 2020,
    equation 3).  vᵀHv is estimated by (f(z + εv) − 2 f(z) + f(z − εv)) / ε² with ε = ``step``, the variance
    from ``directions`` signs for each code of z (N, latent); its mean over outputs and codes is summed over
    the blocks.  (Section 3.3 takes the largest in place of the mean, which follows one unit at a time.)
    Outputs are those of each block before its last function, as ReLU has no second derivative.
    ``generator`` is a sequence of blocks, each of them a sequence; ``draw`` a torch.Generator on z's device.
    """
    signs = torch.randint(0, 2, (directions, *z.shape), generator=draw, device=z.device) * 2.0 - 1
    many = torch.cat([z[None], z + step * signs, z - step * signs])  # (1 + 2 directions, N, latent)
    h, total = many.flatten(0, 1), 0.0
    for block in generator:
        before = block[:-1](h)
        f = before.unflatten(0, many.shape[:2])
        bend = (f[1:directions + 1] - 2 * f[0] + f[directions + 1:]) / step ** 2
        total = total + bend.var(0).mean()
        h = block[-1](before)
    return total
