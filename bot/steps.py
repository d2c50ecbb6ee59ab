"""What an arm does next, told from what is stored: the same after a restart as before. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.models import Arm, Round, RoundState, Segment, SegmentState
from trainer.spec import AskSpec

MAX_ATTEMPTS = 3
"""A segment whose process died is repeated from its checkpoint, at most twice."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait for the votes of an open round."""

    round: Round


@dataclass(frozen=True, slots=True)
class Attend:
    """Wait for a segment that was planned or is under way, maybe by a bot that died."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class Train:
    """Start the next segment, or the next attempt at it."""

    n: int
    attempt: int
    until: float
    asks: bool  # whether questions are wanted at its end


@dataclass(frozen=True, slots=True)
class Finish:
    """The arm is done."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The arm failed for good."""

    why: str


Step = Listen | Attend | Train | Finish | GiveUp


def pauses(arm: str, ask: AskSpec) -> tuple[float, ...]:
    """The shares of the training at which an arm's segments end; only people are worth a pause."""
    if arm == "human" and ask.cards + ask.feature_cards > 0:
        return (*ask.at, 1.0)
    return (1.0,)


def next_step(
    arm: Arm,
    ask: AskSpec,
    segments: Sequence[Segment],
    rounds: Sequence[Round],
    since: datetime,
) -> Step:
    """What the arm does next.

    Args:
        arm: the arm.
        ask: when people are asked.
        segments: all its attempts so far, in order.
        rounds: all its rounds so far.
        since: when a person last set the run going; attempts before that do not count against it.
    """
    for round_ in rounds:
        if round_.state is not RoundState.CLOSED:
            return Listen(round_)
    ends = pauses(arm.name, ask)
    done = [s for s in segments if s.state is SegmentState.DONE]
    reached = sum(1 for s in done if (s.report or {}).get("outcome") == "done")
    if reached >= len(ends):
        return Finish()
    number = max((s.n for s in done), default=-1) + 1
    attempts = [s for s in segments if s.n == number]
    if attempts and attempts[-1].state in (SegmentState.PLANNED, SegmentState.RUNNING):
        return Attend(attempts[-1])
    recent = [s for s in attempts if s.planned_at >= since]
    was_refused = bool(recent) and (recent[-1].report or {}).get("outcome") == "refused"
    if was_refused:
        return GiveUp(recent[-1].error)
    if len(recent) >= MAX_ATTEMPTS:
        return GiveUp(f"{recent[-1].error}; tried {len(recent)} times, say resume to try again")
    is_last = reached == len(ends) - 1
    return Train(
        n=number, attempt=len(attempts) + 1, until=ends[reached], asks=len(ends) > 1 and not is_last
    )
