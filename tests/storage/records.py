"""Nouns as the tests of the database need them: runs, rounds, votes, mail and readings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar

from storage.models import (
    Ballot,
    Choice,
    EnergyReading,
    OutboxItem,
    OutboxKind,
    Round,
    RoundState,
    Run,
    Segment,
    SegmentState,
    Subject,
    SubjectKind,
    VoteEvent,
    VoteOp,
)
from storage.store.store import Store

T0 = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CHOICES = (
    Choice(id="yes", label="It fits", value=1.0, emoji=("up",)),
    Choice(id="no", label="It does not", value=-1.0, emoji=("down",)),
    Choice(id="unsure", label="Can't tell", value=None),
)

R = TypeVar("R")


def at(seconds: float) -> datetime:
    """A moment, counted from the tests' noon."""
    return T0 + timedelta(seconds=seconds)


def in_threads(n: int, act: Callable[[int], R]) -> list[R]:
    """What `act(0)` to `act(n - 1)` return when all of them start at the same moment."""
    start = Barrier(n)

    def one(i: int) -> R:
        start.wait(30)
        return act(i)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(one, range(n)))


# --- runs ---------------------------------------------------------------------------------------


def new_run(store: Store, arms: Sequence[str] = ("human", "control"), **changes: Any) -> Run:
    """A queued run with its arms."""
    values: dict[str, Any] = {
        "name": "banking", "spec": {"epochs": 2}, "seed": 7, "arms": arms,
        "runs_folder": Path("runs"), "who": "memory:ana", "now": T0,
    }  # fmt: skip
    return store.runs.create(**(values | changes))


def segment(arm_id: str, n: int = 0, attempt: int = 1, **changes: Any) -> Segment:
    """An attempt at a segment, planned."""
    values: dict[str, Any] = {
        "segment_id": f"{arm_id}.{n}.{attempt}", "arm_id": arm_id, "n": n, "attempt": attempt,
        "state": SegmentState.PLANNED, "until": 0.5, "lease_token": f"token-{attempt}",
        "planned_at": T0,
    }  # fmt: skip
    return Segment(**(values | changes))


# --- questions and votes ------------------------------------------------------------------------


def question(run: Run, n: int = 0, **changes: Any) -> Round:
    """A round of the arm `human`, open."""
    arm_id = f"{run.run_id}.human"
    values: dict[str, Any] = {
        "round_id": f"{arm_id}.q{n}", "arm_id": arm_id, "run_id": run.run_id, "n": n,
        "state": RoundState.OPEN, "opened_at": at(n), "closes_at": at(n + 60), "quorum": 2,
    }  # fmt: skip
    return Round(**(values | changes))


def card(asked: Round, n: int = 0, subjects: int = 1) -> Ballot:
    """'Does the label fit?' on some samples."""
    return Ballot(
        ballot_id=f"{asked.round_id}.{n}",
        round_id=asked.round_id,
        run_id=asked.run_id,
        ask="fits",
        subjects=tuple(
            Subject(key=str(i), kind=SubjectKind.SAMPLE, target=f"pool-{i}", label="lost_card")
            for i in range(1, subjects + 1)
        ),
        choices=CHOICES,
        labels=("lost_card", "card arrival"),
        view={"sample_id": "pool-1", "text": "¿Dónde está? 💳"},
    )


def ask(
    store: Store, n: int = 0, *, run: Run | None = None, cards: int = 1, subjects: int = 1,
    **changes: Any,
) -> list[Ballot]:  # fmt: skip
    """The ballots of a round that was just opened, in a run of its own unless one is given."""
    run = run or new_run(store)
    asked = question(run, n, **changes)
    ballots = [card(asked, i, subjects) for i in range(cards)]
    part = segment(asked.arm_id, n)
    store.runs.plan_segment(part)
    assert store.runs.book_report(
        part, {"lease_token": part.lease_token}, planned_samples=100, checkpoint=None,
        evaluations=[], now=T0, asked=asked, ballots=ballots,
    )  # fmt: skip
    return ballots


def cast(
    ballot: Ballot, voter: str, value: float | None = 1.0, second: float = 0, **changes: Any
) -> VoteEvent:
    """Somebody put a mark on a card; the mark is named after its value."""
    names = {1.0: ("r:+1", "yes"), -1.0: ("r:-1", "no"), None: ("r:shrug", "unsure")}
    mark, answer = names[value]
    values: dict[str, Any] = {
        "ballot_id": ballot.ballot_id, "voter": voter, "subject": "1", "mark": mark,
        "op": VoteOp.CAST, "value": value, "answer": answer, "via": "reaction",
        "at": at(second), "received_at": at(second),
    }  # fmt: skip
    return VoteEvent(**(values | changes))


def withdrawn(
    ballot: Ballot, voter: str, value: float | None = 1.0, second: float = 0, **changes: Any
) -> VoteEvent:
    """Somebody took that mark back."""
    return cast(ballot, voter, value, second, op=VoteOp.WITHDRAWN, **changes)


# --- mail ---------------------------------------------------------------------------------------


def item(key: str, text: str = "hello", channel: str = "c", **changes: Any) -> OutboxItem:
    """Something to be posted in a channel of the platform `memory`."""
    values: dict[str, Any] = {
        "key": key, "platform": "memory", "channel": channel, "kind": OutboxKind.POST,
        "payload": {"text": text},
    }  # fmt: skip
    return OutboxItem(**(values | changes))


def edit(target: str, text: str, channel: str = "c") -> OutboxItem:
    """The new appearance of what was posted under `target`."""
    return item(f"edit:{target}", text, channel, kind=OutboxKind.EDIT, target=target)


# --- energy -------------------------------------------------------------------------------------


def reading(
    seq: int, energy_j: float | None, seconds: float = 1.0, **changes: Any
) -> EnergyReading:
    """The GPU's joules in the slice `[seq, seq + seconds)` of the arm `human`."""
    values: dict[str, Any] = {
        "run_id": "r1", "arm": "human", "segment_id": None, "phase": "train",
        "device": "GPU-1", "source": "nvml", "provenance": "M-ctr", "boot_id": "boot",
        "seq": seq, "started_at": at(seq), "ended_at": at(seq + seconds),
        "duration_s": seconds, "energy_j": energy_j,
        "note": "" if energy_j is not None else "the counter could not be read",
    }  # fmt: skip
    return EnergyReading(**(values | changes))
