"""How dirty is the pool? Read off random cards, corrected for the errors of those who answered. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from storage.consensus import Consensus
from storage.models import Ballot, SubjectKind, Vote

MIN_CARDS = 5
"""Audit cards that must have an answer before anything is concluded from them."""
ASSUMED_ACCURACY = 0.87
"""Of a voter who could not be compared with others: CIFAR-10N's annotators, read as yes or no."""

Verdict = Literal["go", "no-go", "again"]

_SHARES = np.linspace(0.0, 1.0, 1001)


@dataclass(frozen=True, slots=True)
class Judgement:
    """One voter's answer on a card, and how far it can be trusted.

    Attributes:
        is_yes: the label fits, they say.
        on_good: P(yes | it fits), in (0, 1).
        on_bad: P(no | it does not), in (0, 1).
    """

    is_yes: bool
    on_good: float = ASSUMED_ACCURACY
    on_bad: float = ASSUMED_ACCURACY


@dataclass(frozen=True, slots=True)
class Dirt:
    """The share of the pool that does not deserve its place: posterior mean, 10 and 90 % bounds."""

    mean: float
    low: float
    high: float
    cards: int  # that were answered

    def verdict(self, bound: float, *, is_last: bool) -> Verdict:
        """Whether asking on pays where dirt must surely exceed `bound`; unsettled: look once more.

        Of pools with 45 % dirt one audit of 27 cards turns 14 in 100 down, a second one after an
        unsettled first 1; clean ones, which it turns down, ask for a second in up to 21 of 100
        (voters of .85 and .95, bound .15).

        Args:
            bound: share of dirt, in [0, 1].
            is_last: no other audit follows, so what is not surely above the bound is below it.
        """
        if self.low > bound:
            return "go"
        return "no-go" if is_last or self.mean <= bound else "again"


def dirt_share(cards: Iterable[Sequence[Judgement]]) -> Dirt | None:
    """The posterior of the dirt share from cards drawn at random; None below MIN_CARDS of them.

    Each card is dirty with probability d or clean with 1 - d, and its votes are as likely as their
    voters are right on such cards; d is uniform beforehand. With one vote a card, all voters alike,
    that is the yes-share corrected for their errors (Rogan & Gladen 1978) with its uncertainty.
    """
    answered = [card for card in cards if card]
    if len(answered) < MIN_CARDS:
        return None
    log_likelihood = np.zeros_like(_SHARES)
    for card in answered:
        clean = np.prod([j.on_good if j.is_yes else 1 - j.on_good for j in card])
        dirty = np.prod([1 - j.on_bad if j.is_yes else j.on_bad for j in card])
        log_likelihood += np.log(_SHARES * dirty + (1 - _SHARES) * clean + 1e-300)
    weight = np.exp(log_likelihood - log_likelihood.max())
    weight /= weight.sum()
    low, high = np.searchsorted(np.cumsum(weight), [0.1, 0.9])
    mean = float(weight @ _SHARES)
    return Dirt(mean, float(_SHARES[low]), float(_SHARES[min(high, 1000)]), len(answered))


def is_audit(ballots: Sequence[Ballot]) -> bool:
    """Whether a round is one of random cards alone (gold ones among them)."""
    asked = (s for b in ballots for s in b.subjects)
    roles = {s.role for s in asked if s.kind is not SubjectKind.GENERATION}
    return "audit" in roles and roles <= {"audit", "gold"}


def audit_answers(
    ballots: Sequence[Ballot], votes: Sequence[Vote], consensus: Consensus
) -> list[list[Judgement]]:
    """What was said on the random cards, card by card; nothing of voters whom gold cards refute."""
    subjects = {
        (b.ballot_id, s.key): s
        for b in ballots
        for s in b.subjects
        if s.role == "audit" and s.kind is SubjectKind.SAMPLE
    }
    said: dict[tuple[str, str], dict[str, bool]] = defaultdict(dict)
    for vote in sorted(votes, key=_place):
        key, label, _ = vote.subject.partition(".label")
        subject = subjects.get((vote.ballot_id, key))
        if subject is None or vote.person in consensus.ignored:
            continue
        mine = said[vote.ballot_id, key]
        if label:  # a better label says no to the given one, the same one again says yes
            mine[vote.person] = vote.answer == subject.label
        elif vote.value is not None:
            mine[vote.person] = vote.value > 0
        else:
            mine.pop(vote.person, None)
    return [[_judgement(*one, consensus) for one in said[k].items()] for k in subjects if k in said]


def _place(vote: Vote) -> tuple[datetime, bool, bool]:
    """The last answer counts; of two at one moment the one that says more, as in `bot.opinions`."""
    is_name = vote.subject.endswith(".label")
    return vote.at, is_name, vote.value is not None


def _judgement(person: str, is_yes: bool, consensus: Consensus) -> Judgement:
    known = consensus.voters.get(person)
    if known is None:
        return Judgement(is_yes)
    return Judgement(is_yes, known.right_on_good, known.right_on_bad)
