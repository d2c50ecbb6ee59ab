"""The rows: each noun's table, its keys and indexes. Rows never leave `storage`.

Columns are declared once, in `storage.models`; here they only get keys, JSON types and indexes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ConfigDict
from sqlalchemy import JSON, Column, Index, String, UniqueConstraint
from sqlmodel import Field, SQLModel

from storage import models as m

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMING  # before the first table: Alembic needs stable names


class Row(SQLModel):
    """Undoes the frozenness of the nouns: the database session fills rows in."""

    model_config = ConfigDict(frozen=False, extra="forbid")  # type: ignore[assignment]


def _text(*, index: bool = False) -> Any:
    """A column for an enumeration: plain text, so that a new member needs no database type."""
    return Field(sa_type=String, index=index)


def _json(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(JSON, nullable=nullable))


class RunRow(m.Run, Row, table=True):
    """A run."""

    __tablename__ = "run"
    run_id: str = Field(primary_key=True)
    spec: dict[str, Any] = _json()
    state: m.RunState = _text(index=True)
    wish: m.Wish | None = _json(nullable=True)
    comparison_id: str | None = Field(default=None, index=True)


class TransitionRow(m.Transition, Row, table=True):
    """A change of a run's state; never changed, never deleted."""

    __tablename__ = "run_transition"
    id: int | None = Field(default=None, primary_key=True)
    run_id: str = Field(foreign_key="run.run_id", index=True)


class ArmRow(m.Arm, Row, table=True):
    """An arm of a run."""

    __tablename__ = "arm"
    arm_id: str = Field(primary_key=True)
    run_id: str = Field(foreign_key="run.run_id", index=True)
    state: m.ArmState = _text()


class SegmentRow(m.Segment, Row, table=True):
    """An attempt at a segment."""

    __tablename__ = "segment"
    __table_args__ = (UniqueConstraint("arm_id", "n", "attempt"),)
    segment_id: str = Field(primary_key=True)
    arm_id: str = Field(foreign_key="arm.arm_id", index=True)
    state: m.SegmentState = _text(index=True)
    handle: dict[str, Any] | None = _json(nullable=True)
    report: dict[str, Any] | None = _json(nullable=True)


class CheckpointRow(m.Checkpoint, Row, table=True):
    """A checkpoint on disk."""

    __tablename__ = "checkpoint"
    arm_id: str = Field(primary_key=True, foreign_key="arm.arm_id")
    samples: int = Field(primary_key=True)


class EvaluationRow(m.Evaluation, Row, table=True):
    """A point of an arm's history."""

    __tablename__ = "evaluation"
    arm_id: str = Field(primary_key=True, foreign_key="arm.arm_id")
    samples: int = Field(primary_key=True)


class SampleRow(m.Sample, Row, table=True):
    """A sample that people were asked about."""

    __tablename__ = "sample"
    run_id: str = Field(primary_key=True, foreign_key="run.run_id")
    sample_id: str = Field(primary_key=True)
    view: dict[str, Any] = _json()


class RoundRow(m.Round, Row, table=True):
    """The questions of one pause."""

    __tablename__ = "round"
    __table_args__ = (Index("ix_round_number", "run_id", "n", unique=True),)
    round_id: str = Field(primary_key=True)
    arm_id: str = Field(foreign_key="arm.arm_id", index=True)
    run_id: str = Field(foreign_key="run.run_id", index=True)
    state: m.RoundState = _text(index=True)
    outcome: dict[str, Any] | None = _json(nullable=True)


class BallotRow(m.Ballot, Row, table=True):
    """A question."""

    __tablename__ = "ballot"
    ballot_id: str = Field(primary_key=True)
    round_id: str = Field(foreign_key="round.round_id", index=True)
    run_id: str = Field(foreign_key="run.run_id", index=True)
    ask: m.Ask = _text()
    subjects: tuple[m.Subject, ...] = _json()
    choices: tuple[m.Choice, ...] = _json()
    labels: tuple[str, ...] = _json()
    view: dict[str, Any] = _json()


class VoteEventRow(m.VoteEvent, Row, table=True):
    """A mark appeared or went; never changed, never deleted."""

    __tablename__ = "vote_event"
    __table_args__ = (Index("ix_vote_event_standing", "ballot_id", "voter", "subject", "mark"),)
    id: int | None = Field(default=None, primary_key=True)
    ballot_id: str = Field(foreign_key="ballot.ballot_id")
    op: m.VoteOp = _text()
    source: m.VoteSource = _text()


class MemberRow(m.Member, Row, table=True):
    """Somebody in the chat."""

    __tablename__ = "member"
    member_id: str = Field(primary_key=True)
    person_id: str = Field(index=True)


class InboxRow(Row, table=True):
    """An event, committed before it was acknowledged."""

    __tablename__ = "inbox"
    __table_args__ = (UniqueConstraint("platform", "event_id"),)
    id: int | None = Field(default=None, primary_key=True)
    platform: str
    event_id: str
    payload: dict[str, Any] = _json()
    received_at: datetime
    handled_at: datetime | None = Field(default=None, index=True)
    error: str = ""


class OutboxRow(Row, table=True):
    """Something to be said exactly once."""

    __tablename__ = "outbox"
    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    platform: str
    channel: str
    kind: str
    target: str | None = None
    payload: dict[str, Any] = _json()
    run_id: str | None = None
    ballot_id: str | None = None
    state: str = Field(default="new", index=True)  # new | sending | done | failed
    version: int = 1  # raised when an edit is replaced while it is under way
    attempts: int = 0
    not_before: datetime
    lease_until: datetime | None = None
    created_at: datetime
    error: str = ""


class PostingRow(m.Posting, Row, table=True):
    """Where something stands on a platform."""

    __tablename__ = "posting"
    __table_args__ = (UniqueConstraint("platform", "key"),)
    ref: str = Field(primary_key=True)
    run_id: str | None = Field(default=None, index=True)
    ballot_id: str | None = Field(default=None, index=True)


class CommandRow(Row, table=True):
    """A command, allowed or not: the audit."""

    __tablename__ = "command_audit"
    id: int | None = Field(default=None, primary_key=True)
    at: datetime
    member_id: str
    words: str
    run_id: str | None = None
    is_allowed: bool
    answer: str


class GrantRow(m.Grant, Row, table=True):
    """A role given in chat; a new one replaces it."""

    __tablename__ = "access_grant"
    member_id: str = Field(primary_key=True)
    role: str  # type: ignore[assignment]  # a column knows no Literal


class PeriodRow(Row, table=True):
    """A scheduled thing that was done: its key can't be inserted twice."""

    __tablename__ = "period_done"
    key: str = Field(primary_key=True)
    done_at: datetime


class ChannelRow(Row, table=True):
    """What a channel wants to hear, where somebody said so."""

    __tablename__ = "channel"
    platform: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    verbosity: str


class LeaseRow(Row, table=True):
    """Which bot process holds the database; fresh until `expires_at`."""

    __tablename__ = "lease"
    name: str = Field(primary_key=True)
    holder: str
    expires_at: datetime


class EnergyRow(m.EnergyReading, Row, table=True):
    """A slice of energy; append-only."""

    __tablename__ = "energy_reading"
    __table_args__ = (
        UniqueConstraint("boot_id", "source", "device", "seq"),
        Index("ix_energy_reading_run", "run_id", "arm", "phase"),
    )
    id: int | None = Field(default=None, primary_key=True)
    started_at: datetime = Field(index=True)


class EnergyMinuteRow(m.EnergyMinute, Row, table=True):
    """A minute of energy; grows as its readings come in."""

    __tablename__ = "energy_minute"
    minute: datetime = Field(primary_key=True)
    run_id: str = Field(primary_key=True)
    arm: str = Field(primary_key=True)
    phase: str = Field(primary_key=True)
    device: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    provenance: str = Field(primary_key=True)


class EnergyCounterRow(m.EnergyCounter, Row, table=True):
    """The last booked value of a counter."""

    __tablename__ = "energy_counter"
    boot_id: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    device: str = Field(primary_key=True)


class EnergyBaselineRow(m.EnergyBaseline, Row, table=True):
    """What a device drew before a run."""

    __tablename__ = "energy_baseline"
    run_id: str = Field(primary_key=True, foreign_key="run.run_id")
    source: str = Field(primary_key=True)
    device: str = Field(primary_key=True)
