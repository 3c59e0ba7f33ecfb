"""A sweep in turns: which networks train together, how many fit into the memory, and what is finished already.

Where turns run is joblib's business: in this process by default, elsewhere under ``joblib.parallel_config``.
"""
import functools
import hashlib
import json
import threading
from pathlib import Path

import numpy as np
import torch

from .batches import Data
from .checkpoint import Checkpoint, write
from .many import Histories, build, train_stack, vectorises
from .stack import groups

_alone = threading.RLock()  # initial weights and dropout come from the process's random state, which threads share


def run(plan, settings, limit, folder, progress):
    """Train all networks of ``settings`` (see ``fit_many``) and put what was measured together in their order."""
    import joblib
    from tqdm.auto import tqdm

    models = [build(plan, setting) for setting in settings]
    sample = plan.data(settings[0])[0][:4]
    turns = []
    for members in groups(models, sample):
        most = _how_many(plan, settings, models, members, limit)
        fast = vectorises(plan, [settings[i] for i in members], [models[i] for i in members])
        turns += [(members[k:k + most], fast) for k in range(0, len(members), most)]
    files = [_file(plan, folder, [settings[i] for i in rows], [models[i] for i in rows]) for rows, _ in turns]
    tasks = [(plan, [settings[i] for i in rows], fast, file)
             for (rows, fast), file in zip(turns, files, strict=True)]
    if joblib.effective_n_jobs() == 1:
        with tqdm(total=plan.steps * len(turns), desc="fit_many", unit="step", delay=2, disable=not progress, leave=False) as bar:
            results = []
            for k, task in enumerate(tasks):
                results.append(turn(*task, tick=bar.update))
                bar.update(plan.steps * (k + 1) - bar.n)
    else:
        results = joblib.Parallel()(joblib.delayed(turn)(*task) for task in tasks)
    return _assembled(plan, settings, [rows for rows, _ in turns], results)


def turn(plan, settings, fast, file=None, tick=lambda n=1: None):
    """One turn: name → array.  Read from ``file`` where it was finished before, else trained, from its last checkpoint if
    there is one, and kept there."""
    if file is not None and Path(file).exists():
        with np.load(file, allow_pickle=False) as kept:
            return dict(kept)
    kept = Checkpoint(file and Path(file).with_suffix(".checkpoint"))
    with _alone:
        models = [build(plan, setting) for setting in settings]
        stack, steps, measured, diverged = train_stack(plan, settings, models, fast, tick, kept)
    result = {"steps": np.array(steps), "diverged": diverged.numpy()}
    result |= {f"measured.{name}": value.numpy() for name, value in measured.items()}
    for i in range(len(settings)):
        result |= {f"state.{i}.{name}": value.numpy() for name, value in stack.state(i).items()}
    if file is not None:
        write(file, lambda out: np.savez(out, **result))
        kept.done()
    return result


def _file(plan, folder, settings, models):
    """Where a turn is kept: its name says all that its result follows from."""
    if folder is None:
        return None
    said = hashlib.sha256(json.dumps([settings, plan.steps, plan.batch_size, plan.optimizer, plan.moments, *(
        getattr(f, "__qualname__", repr(f)) for f in (plan.loss, plan.schedule, plan.measure, plan.until))],
        sort_keys=True, default=repr).encode())
    seen = set()
    for setting, model in zip(settings, models, strict=True):
        for tensor in (*plan.data(setting), *model.state_dict().values()):
            if tensor.data_ptr() not in seen:
                seen.add(tensor.data_ptr())
                said.update(tensor.detach().contiguous().cpu().view(torch.uint8).numpy().tobytes()
                            if tensor.dim() else str(tensor.item()).encode())
    return Path(folder) / f"turn-{said.hexdigest()[:24]}.npz"


def _how_many(plan, settings, models, members, limit):
    """How many networks of a group may train together within ``limit`` bytes: weights, gradients, the optimiser's
    moments, and what one forward pass of a batch keeps for the backward pass, measured."""
    largest = max((models[i] for i in members), key=lambda m: sum(p.numel() for p in m.parameters()))
    weights = sum(p.numel() * p.element_size() for p in largest.parameters())
    data = Data(plan, [settings[members[0]]])
    x, y = data.batch()
    kept = [x.numel() * x.element_size()]

    def count(tensor):
        kept.append(tensor.numel() * tensor.element_size())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda t: t), torch.random.fork_rng(devices=[]):
        out = largest(x[0])
        try:
            plan.loss(out, y[0])
        except (IndexError, RuntimeError, ValueError) as error:
            raise ValueError(f"the labels (of {y.dtype}, {y.min().item():g} … {y.max().item():g}) do not go with outputs of shape "
                             f"{tuple(out.shape)} and this loss: {str(error).splitlines()[0]}") from error
    each = 6 * weights + 2 * sum(kept)
    if each > limit:
        raise ValueError(f"one network needs about {each / 2**20:.0f} MiB while it trains, the limit is {limit / 2**20:.0f} MiB: "
                         "raise the limit, or take smaller batches")
    return max(1, int(limit // each))


def _assembled(plan, settings, turns, results):
    steps = sorted({int(s) for r in results for s in r["steps"]})
    place = {s: t for t, s in enumerate(steps)}
    measured, diverged, models = {}, torch.full((len(settings),), -1), [None] * len(settings)
    for rows, result in zip(turns, results, strict=True):
        diverged[rows] = torch.from_numpy(result["diverged"])
        at = torch.tensor([place[int(s)] for s in result["steps"]])
        for key in (k for k in result if k.startswith("measured.")):
            value, name = torch.from_numpy(result[key]), key.removeprefix("measured.")
            if name not in measured:
                measured[name] = torch.full((len(steps), len(settings), *value.shape[2:]), torch.nan, dtype=value.dtype)
            measured[name][at[:, None], torch.tensor(rows)] = value
        for i, e in enumerate(rows):
            prefix = f"state.{i}."
            state = {k.removeprefix(prefix): torch.from_numpy(v) for k, v in result.items() if k.startswith(prefix)}
            models[e] = functools.partial(_model, plan, settings[e], state)
    return Histories(settings, torch.tensor(steps), measured, diverged, models)


def _model(plan, setting, state):
    model = build(plan, setting)
    model.load_state_dict(state)
    return model.eval()
