"""Runs, their arms, segments, checkpoints and evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, func, select
from sqlmodel import col

from storage.database import StoreError
from storage.models import (
    Arm,
    ArmState,
    Ballot,
    Checkpoint,
    Evaluation,
    OutboxItem,
    Round,
    RoundState,
    Run,
    RunState,
    Sample,
    Segment,
    SegmentState,
    Transition,
    Wish,
)
from storage.store import mail
from storage.store.transactions import NumberTaken, Transactions, add_new, change, find
from storage.tables import (
    ArmRow,
    BallotRow,
    CheckpointRow,
    EvaluationRow,
    RoundRow,
    RunRow,
    SampleRow,
    SegmentRow,
    TransitionRow,
)

_ENDINGS = {RunState.STOPPED, RunState.FAILED}
LEGAL: dict[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset(
        {
            RunState.TRAINING,
            RunState.ASKING,  # taken up again with its questions still open
            RunState.PAUSED,
            RunState.FINISHED,  # taken up again with nothing left to do
            *_ENDINGS,
        }
    ),
    RunState.TRAINING: frozenset(
        {
            RunState.ASKING,
            RunState.QUEUED,  # another run has the device
            RunState.PAUSED,
            RunState.FINISHED,
            *_ENDINGS,
        }
    ),
    RunState.ASKING: frozenset({RunState.TRAINING, RunState.QUEUED, RunState.PAUSED, *_ENDINGS}),
    RunState.PAUSED: frozenset({RunState.QUEUED, *_ENDINGS}),
    RunState.FAILED: frozenset({RunState.QUEUED}),  # resumed by a person, from a checkpoint
    RunState.STOPPED: frozenset({RunState.QUEUED}),
    RunState.FINISHED: frozenset(),
}
"""From each state the states a run may go to."""


class RunStore:
    """The tables `run`, `run_transition`, `arm`, `segment`, `checkpoint`, `evaluation`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    # --- runs -----------------------------------------------------------------------------------

    def create(
        self,
        *,
        name: str,
        spec: dict[str, Any],
        seed: int,
        arms: Sequence[str],
        runs_folder: Path,
        who: str,
        now: datetime,
        comparison_id: str | None = None,
        budget: str = "",
    ) -> Run:
        """A new run, queued, with its arms in order; ids count up: r1, r2, ..."""
        with self._transactions.write() as connection:
            number = connection.execute(select(func.count()).select_from(RunRow)).scalar_one() + 1
            run = Run(
                run_id=f"r{number}",
                name=name,
                spec=spec,
                seed=seed,
                state=RunState.QUEUED,
                folder=str(runs_folder / f"r{number}"),
                comparison_id=comparison_id,
                budget=budget,
                created_by=who,
                created_at=now,
            )
            if add_new(connection, RunRow, [run]) == 0:
                raise StoreError(f"run {run.run_id} was just created by somebody else; try again")
            _note(connection, run.run_id, "", RunState.QUEUED, who, "asked for", now)
            add_new(
                connection,
                ArmRow,
                [
                    Arm(
                        arm_id=f"{run.run_id}.{name}",
                        run_id=run.run_id,
                        name=name,
                        position=position,
                        state=ArmState.PENDING,
                    )
                    for position, name in enumerate(arms)
                ],
            )
            return run

    def get(self, run_id: str) -> Run | None:
        """A run by its id."""
        with self._transactions.read() as connection:
            found = find(connection, Run, RunRow, col(RunRow.run_id) == run_id)
            return found[0] if found else None

    def all(self, *, is_open: bool | None = None) -> list[Run]:
        """All runs, oldest first; only those that may still move by themselves when `is_open`."""
        states = [state for state in RunState if is_open is None or state.is_final is not is_open]
        with self._transactions.read() as connection:
            runs = find(connection, Run, RunRow, col(RunRow.state).in_(states))
        return sorted(runs, key=lambda run: int(run.run_id.removeprefix("r")))

    def move(
        self,
        run_id: str,
        to: RunState,
        *,
        who: str,
        why: str,
        now: datetime,
        items: Sequence[OutboxItem] = (),
        only_from: RunState | None = None,
        deadlines: Mapping[str, datetime] = MappingProxyType({}),
    ) -> bool:
        """Move a run to another state, and say so; False when it stands there already.

        Args:
            run_id: which run.
            to: where it goes.
            who: a person's id, or the bot.
            why: the reason in plain words.
            now: aware UTC.
            items: what is said of it, in the same transaction.
            only_from: where the caller saw it; False when somebody moved it since. What the bot
                decides by itself must not undo what a person asked for meanwhile.
            deadlines: open rounds -> when they close from now on. In the same transaction, so that
                time which is given back is given once, whatever dies meanwhile.

        Raises:
            StoreError: no such run, or it cannot go there from where it stands.
        """
        with self._transactions.write() as connection:
            same = col(RunRow.run_id) == run_id
            found = find(connection, Run, RunRow, same)
            if not found:
                raise StoreError(f"there is no run {run_id}; see: joulery status")
            before = found[0].state
            if before is to or only_from not in (None, before):
                return False
            if to not in LEGAL[before]:
                raise StoreError(f"run {run_id} is {before}; it cannot become {to}")
            values: dict[str, Any] = {"state": to, "reason": why, "ended_at": None}
            if to.is_final:
                values |= {"ended_at": now, "wish": None}
            if not change(connection, RunRow, same, col(RunRow.state) == before, **values):
                if only_from is not None:
                    return False
                raise StoreError(f"run {run_id} was moved by somebody else just now; try again")
            for round_id, closes_at in deadlines.items():
                is_open = col(RoundRow.state) == RoundState.OPEN
                change(
                    connection, RoundRow, col(RoundRow.round_id) == round_id, is_open,
                    closes_at=closes_at,
                )  # fmt: skip
            _note(connection, run_id, before, to, who, why, now)
            mail.put(connection, items, now)
            return True

    def set_budget(self, run_id: str, budget: str) -> None:
        """What a run may cost at most from now on."""
        with self._transactions.write() as connection:
            change(connection, RunRow, col(RunRow.run_id) == run_id, budget=budget)

    def set_wish(
        self, run_id: str, wish: Wish | None, items: Sequence[OutboxItem], now: datetime
    ) -> None:
        """What is to be done at the run's next pause or step, and what is said of it; None = no more."""
        with self._transactions.write() as connection:
            kept = wish.model_dump() if wish is not None else None
            change(connection, RunRow, col(RunRow.run_id) == run_id, wish=kept)
            mail.put(connection, items, now)

    def left_behind(self) -> list[str]:
        """Runs that do not move, with a segment or a round that a bot which died left unfinished."""
        is_at_work = col(SegmentRow.state).in_([SegmentState.PLANNED, SegmentState.RUNNING])
        begun = select(col(ArmRow.run_id)).join(SegmentRow).where(is_at_work)
        is_open = col(RoundRow.state) != RoundState.CLOSED
        asking = select(col(RoundRow.run_id)).where(is_open)
        ended = [state for state in RunState if state.is_final]
        still = [state for state in RunState if not state.is_moving]
        left = select(col(RunRow.run_id)).where(
            (col(RunRow.run_id).in_(begun) & col(RunRow.state).in_(still))
            | (col(RunRow.run_id).in_(asking) & col(RunRow.state).in_(ended))
        )
        with self._transactions.read() as connection:
            return sorted(connection.execute(left).scalars())

    def transitions(self, run_id: str) -> list[Transition]:
        """All changes of a run's state, oldest first."""
        with self._transactions.read() as connection:
            return find(
                connection, Transition, TransitionRow, col(TransitionRow.run_id) == run_id,
                by=[col(TransitionRow.id)],
            )  # fmt: skip

    # --- arms -----------------------------------------------------------------------------------

    def arms(self, run_id: str) -> list[Arm]:
        """The arms of a run, in order."""
        with self._transactions.read() as connection:
            return find(
                connection, Arm, ArmRow, col(ArmRow.run_id) == run_id, by=[col(ArmRow.position)]
            )

    def move_arm(self, arm_id: str, state: ArmState, reason: str = "") -> None:
        """Set where an arm stands."""
        with self._transactions.write() as connection:
            change(connection, ArmRow, col(ArmRow.arm_id) == arm_id, state=state, reason=reason)

    # --- segments -------------------------------------------------------------------------------

    def plan_segment(self, segment: Segment) -> None:
        """Store a segment before its process is started; a repeat is a no-op."""
        with self._transactions.write() as connection:
            add_new(connection, SegmentRow, [segment])

    def segments(self, arm_id: str) -> list[Segment]:
        """All attempts of an arm, oldest first."""
        with self._transactions.read() as connection:
            return find(
                connection, Segment, SegmentRow, col(SegmentRow.arm_id) == arm_id,
                by=[col(SegmentRow.n), col(SegmentRow.attempt)],
            )  # fmt: skip

    def started(self, segment_id: str, handle: dict[str, Any]) -> None:
        """A process carries the segment out; `handle` finds it again after a restart."""
        with self._transactions.write() as connection:
            same = col(SegmentRow.segment_id) == segment_id
            change(connection, SegmentRow, same, state=SegmentState.RUNNING, handle=handle)

    def segment_failed(
        self, segment_id: str, error: str, now: datetime, report: dict[str, Any] | None = None
    ) -> None:
        """The process ended without a report, or reports that its input was refused."""
        with self._transactions.write() as connection:
            change(
                connection, SegmentRow, col(SegmentRow.segment_id) == segment_id,
                col(SegmentRow.state) != SegmentState.DONE,
                state=SegmentState.FAILED, error=error, ended_at=now, report=report,
            )  # fmt: skip

    def book_report(
        self,
        segment: Segment,
        report: dict[str, Any],
        *,
        planned_samples: int,
        checkpoint: Checkpoint | None,
        evaluations: Sequence[Evaluation],
        now: datetime,
        asked: Round | None = None,
        ballots: Sequence[Ballot] = (),
        samples: Sequence[Sample] = (),
        items: Sequence[OutboxItem] = (),
        fulfils: bool = False,
    ) -> bool:
        """Book what a segment brought, and what is asked now, in one transaction.

        `fulfils`: whether that was what somebody wished for. False when the report was booked
        before, or carries another lease token.

        Raises:
            NumberTaken: somebody made a round of that number meanwhile; nothing was booked.
        """
        with self._transactions.write() as connection:
            booked = change(
                connection, SegmentRow, col(SegmentRow.segment_id) == segment.segment_id,
                col(SegmentRow.state) != SegmentState.DONE,
                col(SegmentRow.lease_token) == report["lease_token"],
                state=SegmentState.DONE, report=report, ended_at=now,
            )  # fmt: skip
            if not booked:
                return False
            arm = col(ArmRow.arm_id) == segment.arm_id
            change(connection, ArmRow, arm, planned_samples=planned_samples)
            if fulfils:
                mine = select(col(ArmRow.run_id)).where(arm).scalar_subquery()
                change(connection, RunRow, col(RunRow.run_id) == mine, wish=None)
            add_new(connection, CheckpointRow, [checkpoint] if checkpoint else [])
            add_new(connection, EvaluationRow, evaluations)
            add_new(connection, SampleRow, samples)
            if asked and add_new(connection, RoundRow, [asked]) == 0:
                raise NumberTaken(f"round {asked.n + 1} was just made by somebody else")
            add_new(connection, BallotRow, ballots)
            mail.put(connection, items, now)
            return True

    def checkpoints(self, arm_id: str) -> list[Checkpoint]:
        """The checkpoints of an arm, oldest first."""
        with self._transactions.read() as connection:
            return find(
                connection, Checkpoint, CheckpointRow, col(CheckpointRow.arm_id) == arm_id,
                by=[col(CheckpointRow.samples)],
            )  # fmt: skip

    def evaluations(self, arm_id: str) -> list[Evaluation]:
        """The history of an arm, oldest first."""
        with self._transactions.read() as connection:
            return find(
                connection, Evaluation, EvaluationRow, col(EvaluationRow.arm_id) == arm_id,
                by=[col(EvaluationRow.samples)],
            )  # fmt: skip


def _note(
    connection: Connection, run_id: str, before: str, after: str, who: str, why: str, now: datetime
) -> None:
    values = Transition(run_id=run_id, at=now, before=before, after=after, who=who, why=why)
    add_new(connection, TransitionRow, [values])
