"""Plans of segments, and arms that carry them out in the test's own process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from trainer import compute
from trainer.data.read import read_splits
from trainer.loop import train_segment
from trainer.marks import MARK, Mark, Marks
from trainer.segment import Opinions, Questions, SampleOpinion, SegmentPlan, SegmentReport
from trainer.spec import RunSpec
from trainer.tasks.registry import task_of

ASK = Questions(cards=6, feature_cards=3)


def plan_of(
    spec: RunSpec, folder: Path, *, until: float = 1.0, segment: int = 0, **parts: Any
) -> SegmentPlan:
    """A plan of the human arm; keywords replace parts of it."""
    values: dict[str, Any] = {
        "run_id": "r1", "arm": "human", "segment": segment, "attempt": 1, "lease_token": "t",
        "spec": spec, "seed": spec.train.seed, "folder": str(folder / f"s{segment}"),
        "arm_folder": str(folder), "checkpoint": None, "until": until,
    }  # fmt: skip
    return SegmentPlan(**(values | parts))


class Arm:
    """Segments of one arm, each from the checkpoint of the one before."""

    def __init__(self, spec: RunSpec, folder: Path, **parts: Any) -> None:
        self.spec, self.folder, self.parts = spec, folder, parts
        self.reports: list[SegmentReport] = []
        self.marks: list[Mark] = []

    def go(self, until: float, **parts: Any) -> SegmentReport:
        """Train the next segment."""
        last = self.reports[-1].checkpoint if self.reports else None
        plan = plan_of(
            self.spec, self.folder, until=until, segment=len(self.reports),
            **({"checkpoint": last.path if last else None} | self.parts | parts),
        )  # fmt: skip
        Path(plan.folder).mkdir(parents=True, exist_ok=True)
        marks = Marks(lambda line: self.marks.append(MARK.validate_json(line)))
        self.reports.append(train_segment(plan, marks, datetime.now(UTC)))
        return self.reports[-1]

    @property
    def weights(self) -> str:
        """Digest of the weights after the last segment."""
        checkpoint = self.reports[-1].checkpoint
        assert checkpoint is not None
        return checkpoint.weights_sha256


def pool_ids(spec: RunSpec, keep: Callable[[Any], bool] = lambda _: True) -> list[str]:
    """Ids of the pool's samples that fulfil a condition."""
    return [s.sample_id for s in read_splits(spec, spec.train.seed).pool if keep(s)]


def votes(ids: Iterable[str], keep: float, n: int = 2, relabel: str | None = None) -> Opinions:
    """The same opinion on every sample."""
    return Opinions(
        samples=tuple(SampleOpinion(sample_id=i, keep=keep, votes=n, relabel=relabel) for i in ids)
    )


def both(*opinions: Opinions) -> Opinions:
    """Several opinions at once."""
    return Opinions(
        samples=tuple(o for each in opinions for o in each.samples),
        features=tuple(o for each in opinions for o in each.features),
    )


def learner_of(spec: RunSpec, folder: Path, opinions: Opinions | None = None) -> Any:
    """A learner that looks at the whole pool."""
    task, hardware = task_of(spec), compute.set_up(spec.train)
    folder.mkdir(exist_ok=True)
    model, said = task.load(spec, 0), opinions or Opinions()
    learner = task.learner(spec, read_splits(spec, 0), model, hardware, folder, said)
    rows = np.arange(len(learner.splits.pool))
    learner.prepare(rows, rows, Marks())
    return learner
