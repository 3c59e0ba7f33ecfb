"""A generator of pictures, trained against a critic, which a penalty on its slope keeps from running away.

The recipe: non-saturating loss (Goodfellow et al. 2014, section 3); R1 (Mescheder et al. 2018, equation 9)
every few steps (Karras et al. 2020); the standard deviation over groups of pictures as a map for the critic,
and the average of the generator over the last steps (Karras et al. 2018, section 3 and appendix).  Upsampling
and then a convolution, in place of transposed convolutions, whose uneven overlap draws checkerboards
(Odena et al. 2016).
"""
import copy
import itertools
import os
from collections import OrderedDict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from ..errors import DamagedFile
from .hessian import hessian_penalty


class Generator(nn.Sequential):
    """Codes (N, latent) of standard normal numbers -> pictures (N, 3, S, S) in [0, 1], S = 4 · 2^(blocks −
    1).

    Blocks are named after the size of their maps.  ``block4`` is a linear layer to ``widths[0]`` maps of 4 ×
    4; each of ``block8``, ``block16`` … doubles the size and convolves (3 × 3); all end in batch norm and
    ReLU. ``rgb`` makes the picture.  ValueError for codes of another shape.
    """

    def __init__(self, widths=(128, 96, 64, 32, 16), latent=64):
        w = widths[0]
        first = nn.Linear(latent, 16 * w, bias=False)
        blocks = OrderedDict()
        blocks["block4"] = nn.Sequential(first, nn.Unflatten(1, (w, 4, 4)), nn.BatchNorm2d(w), nn.ReLU())
        for k, (a, b) in enumerate(itertools.pairwise(widths), 1):
            convolve = nn.Conv2d(a, b, 3, padding=1, bias=False)
            blocks[f"block{4 << k}"] = nn.Sequential(nn.Upsample(scale_factor=2), convolve,
                                                     nn.BatchNorm2d(b), nn.ReLU())
        blocks["rgb"] = nn.Sequential(nn.Conv2d(widths[-1], 3, 3, padding=1), nn.Sigmoid())
        super().__init__(blocks)
        self.latent, self.size = latent, 2 << len(widths)

    def forward(self, z):
        if z.ndim != 2 or z.shape[1] != self.latent:
            raise ValueError(f"this generator takes codes of shape (N, {self.latent}), not {tuple(z.shape)}")
        return super().forward(z)

    def codes(self, n, seed=0):
        """(n, latent) codes drawn from ``seed``; the first k are the same for every n."""
        return torch.randn(n, self.latent, generator=torch.Generator().manual_seed(seed))


class Critic(nn.Module):
    """Pictures (N, 3, S, S) in [0, 1] -> scores (N,), high for what looks real; ``group`` divides N."""

    def __init__(self, widths, size, group=4):
        super().__init__()
        layers = []
        for a, b in itertools.pairwise((3, *widths)):
            layers += [nn.Conv2d(a, b, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.features, self.group, w = nn.Sequential(*layers), group, widths[-1]
        self.joint = nn.Sequential(nn.Conv2d(w + 1, w, 3, padding=1), nn.LeakyReLU(0.2), nn.Flatten(),
                                   nn.Linear(w * (size >> len(widths)) ** 2, 1))

    def forward(self, x):
        h = self.features(2 * x - 1)
        spread = (h.unflatten(0, (-1, self.group)).var(1, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
        spread = spread.repeat_interleave(self.group)[:, None, None, None].expand(-1, 1, *h.shape[2:])
        return self.joint(torch.cat([h, spread], 1))[:, 0]


def fit_gan(generator, images, steps=36_000, batch_size=32, lr=1e-3, critic=(32, 64, 96, 128), gamma=0.1,
            every=8, noise=0.03, average=0.999, hessian=0.0, warm=0, cool=12_000, augment=None, seed=0,
            progress=True, checkpoint=None, save_every=500):
    """Train ``generator`` in place and leave it in eval mode with its averaged weights; returns the critic.

    images: (N, 3, S, S) in [0, 1].  R1 with weight ``gamma`` is taken every ``every`` steps, ``every`` times
    as strong; ``hessian`` is the weight of the Hessian penalty.  Real and generated pictures get normal
    ``noise`` before the critic sees them: it hides the texture, drawn pixel by pixel, that no code of a few
    numbers can hold.  ``lr`` falls linearly to 0 over the last ``cool`` steps.  For the first ``warm`` steps
    the critic, which is always new, learns alone: what a trained generator needs, so as not to be led away by
    a critic that knows nothing.  Runs where the generator's parameters are.

    What step k draws follows from ``seed`` and k alone.  With ``checkpoint``, a path, the state is written
    there whole every ``save_every`` steps, and a run that finds such a file goes on from it as if it had
    never stopped. ValueError for pictures of another size or a file from other settings, DamagedFile for one
    that cannot be read.
    """
    shape = (3, generator.size, generator.size)
    if batch_size % 8 or images.shape[1:] != shape:
        raise ValueError(f"needs a batch size that 8 divides and pictures (N, {', '.join(map(str, shape))}), "
                         f"not {batch_size} and {tuple(images.shape)}")
    from tqdm.auto import tqdm

    settings = {"steps": steps, "batch_size": batch_size, "lr": lr, "critic": list(critic), "gamma": gamma,
                "every": every, "noise": noise, "average": average, "hessian": hessian, "warm": warm,
                "cool": cool, "seed": seed}
    device = next(generator.parameters()).device
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(seed)
        judge = Critic(critic, generator.size).to(device, memory_format=torch.channels_last)
        generator.train().to(memory_format=torch.channels_last)
        mean = copy.deepcopy(generator)
        adam, adam_judge = (torch.optim.Adam(m.parameters(), lr, betas=(0.0, 0.99), fused=True)
                            for m in (generator, judge))
        state = {"generator": generator, "average": mean, "critic": judge, "adam": adam,
                 "adam critic": adam_judge}
        start = _resume(checkpoint, state, settings)
        images, draw = images.to(device), torch.Generator(device)
        kept, new = ([v for v in m.state_dict().values() if v.is_floating_point()] for m in (mean, generator))

        def normal(n):
            return torch.randn(n, generator.latent, generator=draw, device=device)

        def noisy(x):
            return x + noise * torch.randn(x.shape, generator=draw, device=device)

        for step in tqdm(range(start, steps), desc="fit", unit="step", delay=2, disable=not progress,
                         leave=False, initial=start, total=steps):
            draw.manual_seed(seed * 10_000_019 + step)
            for one in (adam, adam_judge):
                one.param_groups[0]["lr"] = lr * min(1.0, (steps - step) / max(1, cool))
            rows = torch.randint(len(images), (batch_size,), generator=draw, device=device)
            real = images[rows] if augment is None else augment(images[rows], draw)
            regular = bool(gamma) and step % every == 0
            with torch.set_grad_enabled(step >= warm):
                fake = generator(normal(batch_size))
            both = noisy(torch.cat([real, fake.detach()])).requires_grad_(regular)
            scores = judge(both)
            loss = F.softplus(-scores[:batch_size]).mean() + F.softplus(scores[batch_size:]).mean()
            if regular:
                slope, = torch.autograd.grad(scores[:batch_size].sum(), both, create_graph=True)
                loss = loss + every * gamma / 2 * slope[:batch_size].square().sum((1, 2, 3)).mean()
            _step(adam_judge, loss)
            if step >= warm:
                judge.requires_grad_(False)  # the generator's turn
                loss = F.softplus(-judge(noisy(fake))).mean()
                if hessian:
                    loss = loss + hessian * hessian_penalty(generator, normal(batch_size // 8), draw)
                _step(adam, loss)
                judge.requires_grad_(True)
            with torch.no_grad():  # short at first, so that the start is forgotten
                torch._foreach_lerp_(kept, new, 1 - min(average, (1 + step) / (10 + step)))
            if checkpoint and ((step + 1) % save_every == 0 or step + 1 == steps):
                _keep(checkpoint, state, settings, step + 1)
    generator.load_state_dict(mean.state_dict())
    for parameter in generator.parameters():
        parameter.grad = None
    generator.eval()
    return judge


def _step(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _keep(path, state, settings, step):
    """Write the state whole: a run that is cut off while it writes leaves the file before."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    torch.save({"settings": settings, "step": step} | {k: v.state_dict() for k, v in state.items()}, part)
    os.replace(part, path)


def _resume(path, state, settings):
    """Put the state of the file ``path`` back, if there is one; the step to go on with."""
    if not path or not Path(path).exists():
        return 0
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        same, step = found["settings"] == settings, found["step"]
    except Exception as error:  # pickle, zip and torch each have errors of their own
        raise DamagedFile(f"{path} is no state of this training ({str(error)[:120]}): "
                          "delete it to begin anew") from error
    if not same:
        raise ValueError(f"{path} is of a training with other settings, {found['settings']}: "
                         "delete it to begin anew")
    for name, each in state.items():
        each.load_state_dict(found[name])
    return step
