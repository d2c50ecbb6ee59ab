"""What the loop trains on next: the port it draws batches through, and who draws them for an arm."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from trainer.marks import Marks
from trainer.sampler import Cursor, Sampler
from trainer.segment import Refusal, SegmentPlan
from trainer.selection import Selection
from trainer.tasks.base import Learner

CHOOSE_AS_THEY_GO = ("infobatch", "rho")
"""Arms whose next batch depends on what the model has learnt so far."""


class Batches(Protocol):
    """Batches of pool samples, for ever or until `is_over`."""

    @property
    def cursor(self) -> Cursor:
        """Where it stands, for a checkpoint."""

    @property
    def is_over(self) -> bool:
        """Whether training ends here, before the planned number of samples."""

    def next(self) -> tuple[np.ndarray, np.ndarray]:
        """The next batch and what each sample of it weighs: int64 (batch,), float32 (batch,)."""

    def hear(self, index: np.ndarray, losses: np.ndarray) -> None:
        """Take note of what a batch cost in training: float32 (batch,), nats, not weighted."""


def batches_of(
    plan: SegmentPlan, learner: Learner, selection: Selection, cursor: Cursor | None, marks: Marks
) -> Batches:
    """The batches an arm trains on.

    Raises:
        Refusal: an arm that chooses as it goes is asked to go on from a checkpoint.
    """
    train = plan.spec.train
    if plan.arm not in CHOOSE_AS_THEY_GO:
        return Sampler(
            selection.weight,
            learner.lengths,
            train.batch_size,
            plan.seed,
            cursor,
            thins=learner.thins,
            together=learner.sorted_together,
        )
    if cursor is not None:
        raise Refusal(
            f"the arm {plan.arm} belongs to benchmarks and keeps no state in checkpoints; "
            "train it in one segment, from the start"
        )
    phase = marks.phase
    marks.enter("load")  # an import is no part of what an arm costs
    from trainer.bench import dynamic  # scikit-learn: an extra

    marks.enter(phase)
    draw = dynamic.infobatch if plan.arm == "infobatch" else dynamic.rho
    return draw(plan, learner, selection)
