"""Rivals that choose while they train: `trainer.batches.Batches` of InfoBatch and of RHO-LOSS.

What they choose by is in `trainer.bench.rivals`. Training itself is the loop's, as for any arm.
"""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path

import numpy as np

from trainer.bench import exemplars
from trainer.bench.rivals import InfoBatch, irreducible_losses, rho_choice
from trainer.ragged import length_batches
from trainer.sampler import Cursor, Sampler
from trainer.segment import Refusal, SegmentPlan
from trainer.selection import Selection
from trainer.tasks.base import Learner

SCORED_PER_TRAINED = 3
"""Candidates that `rho` looks at for each one it trains on. The paper's 10 would cost, at a third
of a forward each, more than training itself does here."""


def infobatch(plan: SegmentPlan, learner: Learner, selection: Selection) -> InfoBatches:
    """As many passes over the pool as the plan has, less what they leave out."""
    train = plan.spec.train
    planned = round(train.epochs * len(learner.splits.pool))
    return InfoBatches(
        np.flatnonzero(selection.weight > 0), learner.lengths, train.batch_size, plan.seed, planned
    )


def rho(plan: SegmentPlan, learner: Learner, selection: Selection) -> RhoBatches:
    """The best third of every large batch, judged with the exemplars in the arm's folder.

    Raises:
        Refusal: there are none.
    """
    class_id = {label: i for i, label in enumerate(learner.splits.labels)}
    known = [(t, class_id[c]) for t, c in exemplars.read(Path(plan.arm_folder)) if c in class_id]
    if not known:
        raise Refusal("none of the exemplars has a label of the pool; give some that have")
    irreducible = irreducible_losses(
        learner.view(np.arange(len(learner.splits.pool))).embeddings,
        learner.labels,
        learner.embed([text for text, _ in known]),
        np.array([label for _, label in known]),
    )
    size = SCORED_PER_TRAINED * plan.spec.train.batch_size
    sampler = Sampler(selection.weight, learner.lengths, size, plan.seed)
    return RhoBatches(sampler, learner, irreducible)


class InfoBatches:
    """Pass after pass over the same samples, some of the well-learnt left out of each.

    Over once so many samples were trained on or left out as a training without InfoBatch takes.

    Args:
        kept: int64 (k,), pool indices.
        lengths: int64 (n,), tokens of every pool sample.
        batch_size: samples per step.
        seed: of what is left out and of the order.
        planned: samples of the whole training, left out or not.
    """

    def __init__(
        self, kept: np.ndarray, lengths: np.ndarray, batch_size: int, seed: int, planned: int
    ) -> None:
        self._kept, self._lengths, self._batch_size = kept, lengths, batch_size
        self._rng = np.random.default_rng([seed, 8])
        self._info = InfoBatch(epochs=planned / len(kept))
        self._losses = np.full(len(lengths), np.nan)
        self._left = planned
        self._batches: deque[np.ndarray] = deque()
        self.cursor = Cursor("infobatch", -1, 0)

    @property
    def is_over(self) -> bool:
        """Whether the last pass is through."""
        return self._left <= 0 and not self._batches

    def next(self) -> tuple[np.ndarray, np.ndarray]:
        """The next batch: int64 (batch,), and its factors, float32 (batch,)."""
        if not self._batches:
            self._begin(self.cursor.epoch + 1)
        index = self._batches.popleft()
        self.cursor = Cursor(self.cursor.selection, self.cursor.epoch, self.cursor.batch + 1)
        return index, self._weight[index]

    def hear(self, index: np.ndarray, losses: np.ndarray) -> None:
        """Remember each sample's last loss."""
        self._losses[index] = losses

    def _begin(self, epoch: int) -> None:
        order, weight = self._info.epoch(epoch, self._losses[self._kept], self._rng)
        if self._left < len(self._kept):
            # a part of a pass ends it; a sample that weighs 2 stands for one that was left out, too
            order = order[: np.searchsorted(np.cumsum(weight[order]), self._left, side="right")]
        self._left -= len(self._kept)
        self._weight = np.zeros(len(self._lengths), dtype=np.float32)
        self._weight[self._kept] = weight
        batches = length_batches(self._lengths, self._kept[order], self._batch_size)
        # shuffled as the sampler does, but near by: the end of a pass has to stay its end
        near = np.arange(len(batches)) // 8
        turns = np.lexsort((self._rng.random(len(batches)), near))
        self._batches.extend(batches[i] for i in turns)
        self.cursor = Cursor(self.cursor.selection, epoch, 0)


class RhoBatches:
    """Of every large batch the part that is most worth a step for the model as it stands.

    Args:
        sampler: draws the candidates.
        learner: tells their losses; the forwards are booked there.
        irreducible: float (n,), loss of every pool sample under a model of clean data alone.
    """

    is_over = False

    def __init__(self, sampler: Sampler, learner: Learner, irreducible: np.ndarray) -> None:
        self._sampler, self._learner, self._irreducible = sampler, learner, irreducible

    @property
    def cursor(self) -> Cursor:
        """Where the candidates stand."""
        return self._sampler.cursor

    def next(self) -> tuple[np.ndarray, np.ndarray]:
        """The best third of the next candidates: int64 (batch,), float32 (batch,)."""
        index, weight = self._sampler.next()
        opinion = self._learner.opinion(index)
        assert opinion is not None  # benchmarks run it on classifiers
        losses = -opinion[:, 0]
        # a pass ends ragged: a third of what there is, else the last would be taken unseen
        k = math.ceil(len(index) / SCORED_PER_TRAINED)
        best = rho_choice(losses, self._irreducible[index], k)
        return index[best], weight[best]

    def hear(self, index: np.ndarray, losses: np.ndarray) -> None:
        """Nothing: it asks the model itself, before every step."""
