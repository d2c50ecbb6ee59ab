"""Which checkpoints of an arm are kept, and going back to one of them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete
from sqlmodel import col

from storage.database import StoreError
from storage.models import ArmState, Checkpoint, Evaluation, Segment, SegmentState
from storage.store.transactions import Transactions, change, find, table_of
from storage.tables import ArmRow, CheckpointRow, EvaluationRow, SegmentRow

LAST = 2
"""How many of the newest checkpoints are kept, beside the best."""


class CheckpointStore:
    """The tables `checkpoint`, `evaluation` and `segment`, where training is gone back on."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def prune(self, arm_id: str) -> None:
        """Forget all but the last ones and the best; files that no row names are the caller's to remove.

        Nothing while a segment is under way: its plan may name any of them.
        """
        mine = col(CheckpointRow.arm_id) == arm_id
        with self._transactions.write() as connection:
            if any(_is_under_way(s) for s in _segments(connection, arm_id)):
                return
            found = find(connection, Checkpoint, CheckpointRow, mine)
            points = find(
                connection, Evaluation, EvaluationRow, col(EvaluationRow.arm_id) == arm_id
            )
            stay = kept(found, points)
            for samples in {c.samples for c in found} - stay:
                same = col(CheckpointRow.samples) == samples
                connection.execute(delete(table_of(CheckpointRow)).where(mine, same))

    def go_back(self, arm_id: str, samples: int) -> list[Checkpoint]:
        """Let an arm stand where a checkpoint stood; the checkpoints after it, which are gone.

        What was trained and evaluated since counts as if it had not happened, and the pauses since
        come again. Votes stay, and so do the joules.

        Raises:
            StoreError: there is no such checkpoint, or a segment is under way.
        """
        with self._transactions.write() as connection:
            mine = col(CheckpointRow.arm_id) == arm_id
            found = find(connection, Checkpoint, CheckpointRow, mine)
            if samples not in {c.samples for c in found}:
                raise StoreError(f"{arm_id} has no checkpoint after {samples} samples")
            segments = _segments(connection, arm_id)
            if any(_is_under_way(s) for s in segments):
                raise StoreError(f"{arm_id} still saves its work; try again in a moment")
            for segment in segments:
                if _reached(segment) > samples:
                    same = col(SegmentRow.segment_id) == segment.segment_id
                    change(connection, SegmentRow, same, state=SegmentState.UNDONE)
            for row in (CheckpointRow, EvaluationRow):
                table = table_of(row)
                later = (table.c.arm_id == arm_id, table.c.samples > samples)
                connection.execute(delete(table).where(*later))
            change(
                connection, ArmRow, col(ArmRow.arm_id) == arm_id, state=ArmState.ACTIVE, reason=""
            )
            return [c for c in found if c.samples > samples]

    def unask(self, arm_id: str) -> None:
        """Let the arm's last pause count as not reached: taken up again, it asks there again."""
        with self._transactions.write() as connection:
            done = [s for s in _segments(connection, arm_id) if s.state is SegmentState.DONE]
            if done and done[-1].report is not None:
                same = col(SegmentRow.segment_id) == done[-1].segment_id
                report = {**done[-1].report, "outcome": "stopped"}
                change(connection, SegmentRow, same, report=report)


def kept(checkpoints: Sequence[Checkpoint], points: Sequence[Evaluation]) -> set[int]:
    """The samples of those that are kept: the last ones, and the one whose dev metric was best."""
    order = sorted(c.samples for c in checkpoints)
    found = best(checkpoints, points)
    return {*order[-LAST:], *([] if found is None else [found])}


def best(checkpoints: Sequence[Checkpoint], points: Sequence[Evaluation]) -> int | None:
    """The samples of the checkpoint at which the dev metric, as last told, was best; None = no telling."""
    told = [p for p in points if p.dev_metric is not None]
    served: dict[int, float] = {}
    for checkpoint in checkpoints:
        until = [p for p in told if p.samples <= checkpoint.samples]
        if until:
            last = max(until, key=lambda p: p.samples)
            served[checkpoint.samples] = last.dev_metric or 0.0
    return min(served, key=lambda s: (-served[s], s)) if served else None


def _segments(connection: Connection, arm_id: str) -> list[Segment]:
    return find(
        connection, Segment, SegmentRow, col(SegmentRow.arm_id) == arm_id,
        by=[col(SegmentRow.n), col(SegmentRow.attempt)],
    )  # fmt: skip


def _is_under_way(segment: Segment) -> bool:
    return segment.state in (SegmentState.PLANNED, SegmentState.RUNNING)


def _reached(segment: Segment) -> int:
    """Samples that the arm was trained on by the end of a segment; 0 where it left no checkpoint."""
    saved = (segment.report or {}).get("checkpoint") if segment.state is SegmentState.DONE else None
    return int(saved["samples"]) if saved else 0
