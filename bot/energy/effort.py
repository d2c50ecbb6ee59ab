"""How long people took to vote: from the moment a card was shown, or their answer before it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median

from storage.models import Ballot, Posting, VoteEvent, VoteOp

CAP_S = 120.0
"""Whoever takes longer does something else in between."""
AT_ONCE_S = 1.0
"""Answers of one person on one card within this are one look at it."""

Turn = tuple[str, str]  # ballot or round, person


@dataclass(frozen=True, slots=True)
class People:
    """What voting took of people.

    Attributes:
        votes: that stand; a form holds several.
        voters: people.
        seconds: of all of them together.
        measured: answers whose time was measured; a form is one, and so is all that is said of a
            card at once.
        median_s: of these; None where there are none.
        assumed_votes: votes whose time is assumed.
        assumed_s: seconds that each of those is taken for.
    """

    votes: int
    voters: int
    seconds: float
    measured: int = 0
    median_s: float | None = None
    assumed_votes: int = 0
    assumed_s: float = 0.0

    @classmethod
    def assumed(cls, votes: int, seconds_per_vote: float, voters: int = 0) -> People:
        """Where nothing is measured."""
        return cls(votes, voters, votes * seconds_per_vote, 0, None, votes, seconds_per_vote)

    def of_votes(self, votes: int) -> People:
        """The same time for so many votes: others were taken back."""
        return replace(self, votes=votes)

    @property
    def source(self) -> str:
        """Where the seconds come from: measured, assumed, or both."""
        if not self.measured:
            return "assumed per vote"
        return "measured per answer" + (", the rest assumed per vote" if self.assumed_votes else "")


def people(
    ballots: Iterable[Ballot],
    events: Iterable[VoteEvent],
    postings: Iterable[Posting],
    person_of: Mapping[str, str],
    *,
    assumed_s: float,
    machines: Container[str] = (),
) -> People:
    """What the votes on some ballots took.

    Args:
        ballots: the questions.
        events: everything that happened on them, in order.
        postings: when their cards were shown, per platform.
        person_of: member -> person.
        assumed_s: taken for each vote where it cannot be measured.
        machines: members that are programs; their votes take no time anybody could measure.
    """
    shown = {(p.ballot_id, p.platform): p.posted_at for p in postings}
    round_of = {ballot.ballot_id: ballot.round_id for ballot in ballots}
    marks: dict[Turn, list[VoteEvent]] = defaultdict(list)
    for event in events:
        if event.op is VoteOp.CAST and not event.is_late:
            marks[event.ballot_id, person_of.get(event.voter, event.voter)].append(event)
    looks = [(turn, look) for turn, own in marks.items() for look in _looks(own)]
    before: dict[Turn, datetime] = {}
    spans, unmeasured = [], 0
    for (ballot_id, person), look in sorted(looks, key=lambda one: one[1].at):
        since = shown.get((ballot_id, look.voter.partition(":")[0]))
        if since is None or not look.is_seen or look.voter in machines:
            unmeasured += look.votes
            continue
        turn = (round_of.get(ballot_id, ""), person)
        begun = max(since, before.get(turn, since))
        spans.append(min(CAP_S, max(0.0, (look.at - begun).total_seconds())))
        before[turn] = look.at
    return People(
        votes=sum(len({event.subject for event in own}) for own in marks.values()),
        voters=len({person for _, person in marks}),
        seconds=sum(spans) + unmeasured * assumed_s,
        measured=len(spans),
        median_s=median(spans) if spans else None,
        assumed_votes=unmeasured,
        assumed_s=assumed_s,
    )


@dataclass(frozen=True, slots=True)
class _Look:
    """What somebody said of a card at once, and had not said before.

    Attributes:
        at: when it came in.
        voter: under which account.
        is_seen: it was heard of when it happened.
        votes: subjects that had no answer before.
    """

    at: datetime
    voter: str
    is_seen: bool
    votes: int


def _looks(events: Iterable[VoteEvent]) -> list[_Look]:
    """One person's answers on a card, look by look; what is changed later takes no time.

    What is said of all others at once is one answer, each that is marked beside it one more.
    """
    found: list[_Look] = []
    given: set[tuple[str, bool]] = set()
    answered: set[str] = set()
    for event in sorted(events, key=lambda event: event.received_at):
        if (event.subject, event.is_rest) in given:
            continue
        given.add((event.subject, event.is_rest))
        is_vote = event.subject not in answered
        answered.add(event.subject)
        if found and (event.received_at - found[-1].at).total_seconds() < AT_ONCE_S:
            found[-1] = replace(found[-1], votes=found[-1].votes + is_vote)
        else:
            is_seen = event.source == "event"
            found.append(_Look(event.received_at, event.voter, is_seen, int(is_vote)))
    return found
