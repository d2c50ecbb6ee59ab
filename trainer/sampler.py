"""The order in which samples are trained on: seeded, resumable at any step. Pure numpy."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from trainer.ragged import GROUP, length_batches


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the sampler stands: the next batch of which pass over which selection."""

    selection: str  # digest of the kept samples; another selection begins a new pass
    epoch: int
    batch: int
    began: int = 0  # the selection's first pass

    @property
    def passes(self) -> int:
        """How often the selection was gone over; light samples are not in every pass."""
        return self.epoch - self.began


class Sampler:
    """Batches of pool indices, pass after pass, for ever: a `trainer.batches.Batches`.

    Samples of weight 0 are left out. The order of a pass depends on seed, epoch and selection
    alone, so a cursor is all it takes to go on exactly where another process stopped.

    Args:
        weight: float (n,), what each sample weighs.
        lengths: int64 (n,), what each costs; batches are made of equal ones.
        batch_size: samples per batch.
        seed: of the order.
        cursor: where to go on; None = at the start.
        thins: a sample of half the largest weight is in every second pass, at full weight.
        together: batches that are sorted by length together.
    """

    is_over = False

    def __init__(
        self,
        weight: np.ndarray,
        lengths: np.ndarray,
        batch_size: int,
        seed: int,
        cursor: Cursor | None = None,
        thins: bool = False,
        together: int = GROUP,
    ) -> None:
        kept = np.flatnonzero(weight > 0)
        self._kept, self._lengths = kept, lengths
        self._share = weight[kept] / weight[kept].max() if thins and len(kept) else None
        self._weight = (weight > 0 if thins else weight).astype(np.float32)
        self._batch_size, self._seed, self._together = batch_size, seed, together
        sha = hashlib.sha256(np.ascontiguousarray(kept).tobytes())
        if self._share is not None:
            sha.update(self._share.round(6).tobytes())
        digest = sha.hexdigest()[:16]
        if cursor is None:
            cursor = Cursor(digest, 0, 0)
        elif cursor.selection != digest:
            cursor = Cursor(digest, cursor.epoch + 1, 0, began=cursor.epoch + 1)
        self.cursor = cursor
        self._batches = self._order()

    def next(self) -> tuple[np.ndarray, np.ndarray]:
        """The next batch: int64 (batch,), and what its samples weigh, float32 (batch,)."""
        if self.cursor.batch >= len(self._batches):
            self.cursor = replace(self.cursor, epoch=self.cursor.epoch + 1, batch=0)
            self._batches = self._order()
        batch = self._batches[self.cursor.batch]
        self.cursor = replace(self.cursor, batch=self.cursor.batch + 1)
        return batch, self._weight[batch]

    def hear(self, index: np.ndarray, losses: np.ndarray) -> None:
        """Nothing: the order depends on no loss, which is why a cursor is enough."""

    def _order(self) -> list[np.ndarray]:
        rng = np.random.default_rng([self._seed, 3, self.cursor.epoch])
        kept = self._kept
        if self._share is not None:  # the heaviest are in every pass, so none is empty
            kept = kept[rng.random(len(kept)) < self._share]
        batches = length_batches(
            self._lengths, rng.permutation(kept), self._batch_size, self._together
        )
        return [batches[i] for i in rng.permutation(len(batches))]
