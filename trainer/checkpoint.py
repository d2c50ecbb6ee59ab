"""All state of the loop as safetensors and JSON: what makes a resume exact. No pickle."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from trainer import activations
from trainer.sampler import Cursor
from trainer.segment import CheckpointReport, Refusal

FORMAT = 1
REMEDY = "remove that folder and say resume: the one before it is taken"


@dataclass(frozen=True, slots=True)
class LoopState:
    """Where the loop stands, besides the tensors."""

    samples: int
    step: int
    cursor: Cursor


class CheckpointError(Refusal):
    """A checkpoint cannot be read."""


def save(
    folder: Path,
    state: LoopState,
    weights: Mapping[str, Tensor],
    averages: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    names: list[str],
) -> CheckpointReport:
    """Write a checkpoint under `folder/<samples>`, whole or not at all.

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
    optimizer: torch.optim.Optimizer,
    names: list[str],
) -> LoopState:
    """Put the checkpoint at `path` into the given tensors and optimizer.

    Raises:
        CheckpointError: the folder is missing, damaged, or of another model.
    """
    try:
        meta = json.loads((path / "meta.json").read_text(encoding="utf-8"))
        if meta["format"] != FORMAT:
            raise ValueError(f"its format is {meta['format']}, this Joulery reads {FORMAT}")
        state = LoopState(int(meta["samples"]), int(meta["step"]), Cursor(**meta["cursor"]))
        stored = activations.load(path / "weights.safetensors")
        averaged = activations.load(path / "averages.safetensors")
        moments = activations.load(path / "optimizer.safetensors")
        rng = moments.pop("rng")
    except Exception as err:  # a damaged file can raise anything: all of it means unreadable
        raise CheckpointError(f"cannot read the checkpoint {path}: {err}; {REMEDY}") from err
    shapes = {name: tensor.shape for name, tensor in weights.items()}
    if any({n: t.shape for n, t in found.items()} != shapes for found in (stored, averaged)):
        raise CheckpointError(f"{path} belongs to another model; resume with the spec it came from")
    with torch.no_grad():
        for name, tensor in weights.items():
            tensor.copy_(stored[name])
    averages.update({name: t.to(weights[name].device) for name, t in averaged.items()})
    try:
        torch.set_rng_state(rng)
        _restore_optimizer(optimizer, names, moments)
    except (KeyError, ValueError, RuntimeError, TypeError) as err:
        raise CheckpointError(f"{path} has another optimizer's state ({err}); {REMEDY}") from err
    return state


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
