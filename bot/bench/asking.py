"""Asking a benchmark's people as the bot would: an audit by lot, then what tells most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from bot.bench.segments import ArmInTraining
from bot.dirt import Dirt
from trainer.segment import Opinions, Questions, SegmentReport

AUDIT_VOTES = 30
GOLD_SHARE = 0.1
AUDIT_SHARE = 0.1
"""Of later ballots."""

Ballots = Sequence[tuple[float, int]]
"""(share of the training, answers there are after it) of every ballot, audits first."""


class People(Protocol):
    """Whoever answers."""

    @property
    def votes(self) -> int:
        """Answers so far, gold and repeats included."""

    @property
    def asked(self) -> tuple[str, ...]:
        """Samples that stood on a card."""

    @property
    def dirt(self) -> Dirt | None:
        """What the random cards so far tell; None where they are too few."""

    def answer(self, report: SegmentReport, budget: int) -> None:
        """Answer cards until `budget` answers are given in all."""

    def told(self) -> Opinions:
        """What they think, as the trainer is told."""


async def ask(
    arm: ArmInTraining, people: People, ballots: Callable[[int], Ballots], bound: float
) -> tuple[bool, SegmentReport]:
    """Train from ballot to ballot; (whether asking was worth it, what the last one said).

    Args:
        arm: in training.
        people: who is asked.
        ballots: number of audits, 1 or 2 -> the ballots; the first is the same either way.
        bound: of the share of dirt, see `Dirt.verdict`.
    """
    audits, done = 1, 0
    planned = ballots(audits)
    while done < len(planned):
        share, budget = planned[done]
        is_audit = done < audits
        done += 1
        if people.votes >= budget:
            continue
        questions = Questions(
            cards=budget - people.votes, feature_cards=0, asked=people.asked,
            gold_share=GOLD_SHARE, audit_share=1 - GOLD_SHARE if is_audit else AUDIT_SHARE,
        )  # fmt: skip
        report = await arm.segment(share, people.told() if people.votes else Opinions(), questions)
        people.answer(report, budget)
        if not is_audit or people.dirt is None:
            continue
        is_last = audits > 1 or people.votes >= planned[-1][1]
        verdict = people.dirt.verdict(bound, is_last=is_last)
        if verdict == "no-go":
            return False, report
        if verdict == "again":
            audits, planned = 2, ballots(2)
    return True, report
