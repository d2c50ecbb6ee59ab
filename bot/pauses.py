"""`joulery verify-pause SPEC`: whether pauses change anything, by training with and without them.

A pause is what it is in a run: the child chooses what to ask, leaves a checkpoint and ends; another
one goes on from there. Whoever sees one bit of another weight, loss or metric has found a fault.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot import words
from bot.bench.segments import ArmInTraining
from bot.steps import pauses
from trainer.launch import LocalLauncher
from trainer.marks import Mark, ProgressMark
from trainer.segment import EvaluationPoint, Questions
from trainer.spec import RunSpec

USUAL = (0.25, 0.5, 0.75, 1.0)
"""Where the spec itself has no pause."""
STEPS = 30
"""What a pause can change, it changes within a few steps of the optimizer: no need to train for hours."""
LEAST_POOL = 480
"""Samples of the pool at least, so that a label hardly lacks any; else half as many as are trained on."""
EVALUATIONS = 6
KEPT = {
    "weights": "the weights", "averages": "their moving average", "best": "the best of them",
    "optimizer": "the optimizer's state",
}  # fmt: skip
"""What a checkpoint keeps, as files of tensors."""


WITH = {"straight": "without pauses", "paused": "with pauses"}


@dataclass(frozen=True, slots=True)
class Sides:
    """One training without pauses and one with them, alike in all else.

    Attributes:
        pauses: shares of the training at which the second was left.
        straight, paused: their evaluations, in order.
        kept: what each left at its end -> SHA-256.
        samples: trained on by each.
        batch_size: samples of an optimizer's step.
    """

    pauses: tuple[float, ...]
    straight: tuple[EvaluationPoint, ...]
    paused: tuple[EvaluationPoint, ...]
    kept: tuple[Mapping[str, str], Mapping[str, str]]
    samples: tuple[int, int]
    batch_size: int = 1

    @property
    def differences(self) -> list[str]:
        """What is not the same to the last bit, in plain words; empty where all is."""
        found = []
        if self.samples[0] != self.samples[1]:
            found.append(f"samples: {self.samples[0]} without pauses, {self.samples[1]} with them")
        for name, unit in (("loss", " nats"), ("dev_metric", ""), ("metric", "")):
            first = self._first_difference(name)
            if first is not None:
                found.append(f"{name.replace('_', ' ')}{unit and f' ({unit.strip()})'}: {first}")
        for name, digest in self.kept[0].items():
            other = self.kept[1][name]
            if digest != other:
                found.append(
                    f"{KEPT[name]}: SHA-256 {digest[:12]}... without pauses, {other[:12]}... with them"
                )
        return found

    def _first_difference(self, name: str) -> str | None:
        if len(self.straight) != len(self.paused):
            return (
                f"evaluated {len(self.straight)} times without pauses, {len(self.paused)} with them"
            )
        for one, other in zip(self.straight, self.paused, strict=True):
            mine, theirs = getattr(one, name), getattr(other, name)
            if (one.samples, mine) != (other.samples, theirs):
                return f"{mine!r} without pauses, {theirs!r} with them, after sample {one.samples}"
        return None

    def said(self) -> list[str]:
        """What was compared, and how it came out."""
        where = ", ".join(f"{100 * share:g} %" for share in self.pauses)
        differences = self.differences
        if differences:
            return [f"Pauses at {where} of the training changed it:", *differences]
        *kept, last = KEPT.values()
        steps = math.ceil(self.samples[0] / self.batch_size)
        return [
            f"Pauses at {where} of the training changed nothing: {words.plural(steps, 'step')}, "
            f"{words.count(self.samples[0])} samples, {len(self.straight)} evaluations with their losses, and {', '.join(kept)} and {last} at "
            f"the end (SHA-256 of the weights {self.kept[0]['weights'][:12]}...) are the same bit for "
            "bit."
        ]


def shortened(spec: RunSpec) -> RunSpec:
    """The same training on a part of the pool, for about `STEPS` steps: two passes, at usual batch sizes."""
    batch, data, train = spec.train.batch_size, spec.data, spec.train
    limit = min(data.limit or math.inf, max(LEAST_POOL, STEPS // 2 * batch))
    changes = {
        "epochs": min(train.epochs, STEPS * batch / limit),
        "evaluations": min(train.evaluations, EVALUATIONS),
    }
    return spec.model_copy(
        update={
            "data": data.model_copy(update={"limit": int(limit)}),
            "train": train.model_copy(update=changes),
        }
    )


Progress = Callable[[str, int, int], None]
"""Hears what is done now, and how much of all, a hundred per training."""


async def verify(spec: RunSpec, progress: Progress) -> Sides:
    """Train a spec twice, without people: straight on, and with its own pauses.

    Args:
        spec: what is trained, and when it pauses.
        progress: hears how far it is.

    Raises:
        BenchError: it could not be trained.
    """
    launcher = LocalLauncher()
    await launcher.warm()
    ends = tuple(share for share in pauses("human", spec.ask) if share > 0)
    ends = ends if len(ends) > 1 else USUAL
    asks = Questions(cards=spec.ask.cards, feature_cards=spec.ask.feature_cards)
    done: dict[str, int] = {}

    def hear(name: str) -> Callable[[Mark], None]:
        def mark(one: Mark) -> None:
            if isinstance(one, ProgressMark) and one.total:
                if one.what == "training":
                    done[name] = min(100, 100 * one.done // one.total)
                progress(f"{WITH[name]}: {one.what}", sum(done.values()), 200)

        return mark

    with tempfile.TemporaryDirectory(prefix="joulery-pause-") as folder:
        arms: Mapping[str, ArmInTraining] = {
            name: ArmInTraining(name, "human", spec, Path(folder) / name, launcher, hear(name))
            for name in WITH
        }
        await arms["straight"].segment(1.0)
        for end in ends:
            if not _is_over(arms["paused"]):
                await arms["paused"].segment(end, questions=asks if end < 1 else None)
        progress("comparing", 200, 200)
        straight, paused = arms.values()
        return Sides(
            pauses=ends[:-1],
            straight=_evaluations(straight),
            paused=_evaluations(paused),
            kept=(_kept(straight), _kept(paused)),
            samples=(straight.samples, paused.samples),
            batch_size=spec.train.batch_size,
        )


def _is_over(arm: ArmInTraining) -> bool:
    """Whether it ended before its time, as nothing got better any more."""
    return bool(arm.reports) and arm.reports[-1].is_flat


def _evaluations(arm: ArmInTraining) -> tuple[EvaluationPoint, ...]:
    return tuple(point for report in arm.reports for point in report.evaluations)


def _kept(arm: ArmInTraining) -> dict[str, str]:
    assert arm.checkpoint is not None  # it trained to its end
    files = {name: Path(arm.checkpoint) / f"{name}.safetensors" for name in KEPT}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
