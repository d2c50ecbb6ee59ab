"""What an arm does next, told from what is stored: the same after a restart as before. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.worth import asks_no_more, audits
from storage.models import (
    Arm,
    Ballot,
    Round,
    RoundState,
    Segment,
    SegmentState,
    Subject,
    SubjectKind,
)
from trainer.segment import Questions
from trainer.spec import AskSpec

MAX_ATTEMPTS = 3
"""A segment whose process died is repeated from its checkpoint, at most twice."""
CUT_SHORT = "the run is "
"""How the reason begins why a round was closed, where its run ended under it."""
AUDIT_GOLD = 0.1
"""Share of gold cards in an audit; all others are random."""


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
    is_audit: bool = False  # whether they are random ones, to see whether asking pays


@dataclass(frozen=True, slots=True)
class Finish:
    """The arm is done."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The arm failed for good."""

    why: str


Step = Listen | Attend | Train | Finish | GiveUp


def pauses(arm: str, ask: AskSpec, audits: int = 1) -> tuple[float, ...]:
    """The shares of the training at which an arm's segments end; only people are worth a pause.

    Audits come first, before any step; a round at 0 then asks the rest of its cards.
    """
    if arm != "human" or ask.cards + ask.feature_cards == 0:
        return (1.0,)
    if not ask.has_audit:
        return (*ask.at, 1.0)
    later = ask.at if ask.at[0] > 0 or ask.cards_after(audits) > 0 else ask.at[1:]
    return (*[0.0] * audits, *later, 1.0)


def cards_ahead(ask: AskSpec, audits: int = 1) -> int:
    """Cards of all kinds that are planned after the audits; no feature cards before training."""
    at_once = ask.cards_after(audits)
    return sum(ask.cards + ask.feature_cards if pause > 0 else at_once for pause in ask.at)


def shown(
    ballots: Sequence[Ballot], rounds: Sequence[Round], answered: Collection[str]
) -> list[Subject]:
    """What stood on a card; not what nobody answered before its run ended: that may be asked again.

    Args:
        ballots: all of the run.
        rounds: all of the run.
        answered: the ids of ballots with a vote.
    """
    cut = {r.round_id for r in rounds if r.closed_by.startswith(CUT_SHORT)}
    return [
        s
        for ballot in ballots
        if ballot.round_id not in cut or ballot.ballot_id in answered
        for s in ballot.subjects
    ]


def wanted(
    step: Train, ask: AskSpec, shown: Sequence[Subject], rounds: Sequence[Round] = ()
) -> Questions | None:
    """The questions to be chosen at the end of a segment; None = none.

    Args:
        step: the segment.
        ask: what was planned.
        shown: what stood on a card already.
        rounds: all of the run.
    """
    if not step.asks:
        return None
    asked = tuple(sorted({s.target for s in shown if s.kind is SubjectKind.SAMPLE}))
    features = {(s.label or "", s.target) for s in shown if s.kind is SubjectKind.FEATURE}
    if step.is_audit:
        return Questions(
            cards=ask.audit,
            feature_cards=0,
            asked=asked,
            gold_share=AUDIT_GOLD,
            audit_share=1.0,  # all that are not gold
        )
    cards = ask.cards if step.until > 0 else ask.cards_after(audits(rounds))
    return Questions(
        cards=cards,
        feature_cards=ask.feature_cards,
        asked=asked,
        asked_features=tuple(sorted(features)),
    )


def next_step(
    arm: Arm,
    ask: AskSpec,
    segments: Sequence[Segment],
    rounds: Sequence[Round],
    since: datetime,
    asked_at: float | None = None,
) -> Step:
    """What the arm does next.

    Args:
        arm: the arm.
        ask: when people are asked.
        segments: all its attempts so far, in order.
        rounds: all its rounds so far; once one says that asking on does not pay, none follows.
        since: when a person last set the run going; attempts before that do not count against it.
        asked_at: the share of its training at which it stands, where somebody wants to be asked now.
    """
    for round_ in rounds:
        if round_.state is not RoundState.CLOSED:
            return Listen(round_)
    n_audits = audits(rounds)
    ends = pauses(arm.name, ask, n_audits)
    done = [s for s in segments if s.state is SegmentState.DONE]
    whole = [s for s in done if (s.report or {}).get("outcome") == "done"]
    reached = sum(not is_extra(s.until, ends) for s in whole)
    if reached >= len(ends) or any(s.until >= 1 for s in whole):
        return Finish()
    until = 1.0 if asks_no_more(rounds) else ends[reached]
    is_now = False
    if asked_at is not None and asked_at < until:
        until, is_now = asked_at, True
    gone = (SegmentState.DONE, SegmentState.UNDONE)
    number = max((s.n for s in segments if s.state in gone), default=-1) + 1
    attempts = [s for s in segments if s.n == number]
    if attempts and attempts[-1].state in (SegmentState.PLANNED, SegmentState.RUNNING):
        return Attend(attempts[-1])
    recent = [s for s in attempts if s.planned_at >= since]
    was_refused = bool(recent) and (recent[-1].report or {}).get("outcome") == "refused"
    if was_refused:
        return GiveUp(recent[-1].error)
    if len(recent) >= MAX_ATTEMPTS:
        return GiveUp(f"{recent[-1].error}; tried {len(recent)} times, say resume to try again")
    asks = until < 1  # only people are paused for
    return Train(
        n=number,
        attempt=len(attempts) + 1,
        until=until,
        asks=asks,
        is_audit=asks and reached < n_audits and ask.has_audit and not is_now,
    )


def is_extra(until: float, ends: Sequence[float]) -> bool:
    """Whether a segment ends between the planned pauses: somebody wanted to be asked there."""
    return until < 1 and until not in ends
