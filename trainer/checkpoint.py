"""All state of the loop as safetensors and JSON: what makes a resume exact. No pickle."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trainer import activations
from trainer.progress import Progress
from trainer.sampler import Cursor
from trainer.segment import CheckpointReport, Refusal

FORMAT = 3
REMEDY = "remove that folder and say resume: the one before it is taken"


@dataclass(frozen=True, slots=True)
class LoopState:
    """Where the loop stands, besides the tensors.

    Attributes:
        samples: trained on so far.
        step: optimizer steps so far.
        cursor: where the sampler stands.
        progress: best dev metric so far, and how long ago that was.
        openings: how often more samples were let in.
        rows: how many samples of the pool, in the pool's seeded order, were embedded.
        opinions: digest of what people had said.
        undone: why what they had said has no effect; empty while it has.
        worse: evaluations in a row that were surely worse than before they had said it.
        loss: running training loss, nats; None before the first step.
    """

    samples: int
    step: int
    cursor: Cursor
    progress: Progress = field(default_factory=Progress)
    openings: int = 0
    rows: int = 0
    opinions: str = ""
    undone: str = ""
    worse: int = 0
    loss: float | None = None


class CheckpointError(Refusal):
    """A checkpoint cannot be read."""


def save(
    folder: Path,
    state: LoopState,
    weights: Mapping[str, Tensor],
    averages: Mapping[str, Tensor],
    best: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    names: list[str],
    seen: Mapping[str, np.ndarray],
) -> CheckpointReport:
    """Write a checkpoint under `folder/<samples>`, whole or not at all.

    `seen` has what was seen of samples by now, under names that the loop gives.

    Raises:
        OSError: the disk is full; checkpoints that stood there before are whole.
    """
    target = folder / f"{state.samples:09d}"
    temporary = folder / f".tmp-{target.name}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        activations.save(temporary / "weights.safetensors", dict(weights))
        activations.save(temporary / "averages.safetensors", dict(averages))
        activations.save(temporary / "best.safetensors", dict(best))
        arrays = {name: torch.from_numpy(values.copy()) for name, values in seen.items()}
        activations.save(temporary / "seen.safetensors", arrays)
        activations.save(temporary / "optimizer.safetensors", _optimizer_tensors(optimizer, names))
        meta = {"format": FORMAT, **asdict(state)}
        with (temporary / "meta.json").open("w", encoding="utf-8") as file:
            json.dump(meta, file)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(target, ignore_errors=True)  # a repeated segment writes the same again
    temporary.rename(target)
    return CheckpointReport(path=str(target), samples=state.samples, weights_sha256=digest(weights))


def load(
    path: Path,
    weights: Mapping[str, Tensor],
    averages: dict[str, Tensor],
    best: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    names: list[str],
) -> tuple[LoopState, dict[str, np.ndarray]]:
    """Put the checkpoint at `path` into the given tensors and optimizer.

    Returns where the loop stood, and what had been seen of samples by then.

    Raises:
        CheckpointError: the folder is missing, damaged, or of another model.
    """
    try:
        meta = json.loads((path / "meta.json").read_text(encoding="utf-8"))
        if meta["format"] != FORMAT:
            raise ValueError(f"its format is {meta['format']}, this Joulery reads {FORMAT}")
        state = LoopState(
            int(meta["samples"]), int(meta["step"]), Cursor(**meta["cursor"]),
            Progress(**meta["progress"]), int(meta["openings"]), int(meta["rows"]),
            str(meta["opinions"]), str(meta["undone"]), int(meta["worse"]), meta["loss"],
        )  # fmt: skip
        stored = activations.load(path / "weights.safetensors")
        averaged = activations.load(path / "averages.safetensors")
        best_so_far = activations.load(path / "best.safetensors")
        seen = {n: t.numpy() for n, t in activations.load(path / "seen.safetensors").items()}
        moments = activations.load(path / "optimizer.safetensors")
        rng = moments.pop("rng")
    except Exception as err:  # a damaged file can raise anything: all of it means unreadable
        raise CheckpointError(f"cannot read the checkpoint {path}: {err}; {REMEDY}") from err
    shapes = {name: tensor.shape for name, tensor in weights.items()}
    tensors = (stored, averaged, best_so_far)
    if any({n: t.shape for n, t in found.items()} != shapes for found in tensors):
        raise CheckpointError(f"{path} belongs to another model; resume with the spec it came from")
    with torch.no_grad():
        for name, tensor in weights.items():
            tensor.copy_(stored[name])
    for kept, found in ((averages, averaged), (best, best_so_far)):
        kept.update({name: t.to(weights[name].device) for name, t in found.items()})
    try:
        torch.set_rng_state(rng)
        _restore_optimizer(optimizer, names, moments)
    except (KeyError, ValueError, RuntimeError, TypeError) as err:
        raise CheckpointError(f"{path} has another optimizer's state ({err}); {REMEDY}") from err
    return state, seen


def digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over all weights, in order of their names."""
    sha = hashlib.sha256()
    for name in sorted(weights):
        sha.update(name.encode())
        sha.update(weights[name].detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()


def _optimizer_tensors(optimizer: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    tensors = {"rng": torch.get_rng_state()}
    for number, values in optimizer.state_dict()["state"].items():
        for key, value in values.items():
            tensors[f"{names[number]}:{key}"] = value
    return tensors


def _restore_optimizer(
    optimizer: torch.optim.Optimizer, names: list[str], tensors: Mapping[str, Tensor]
) -> None:
    state = optimizer.state_dict()
    numbers = {name: number for number, name in enumerate(names)}
    state["state"] = {}
    for full_name, value in tensors.items():
        name, _, key = full_name.rpartition(":")
        state["state"].setdefault(numbers[name], {})[key] = value
    optimizer.load_state_dict(state)
