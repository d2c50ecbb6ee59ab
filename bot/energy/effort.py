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


@dataclass(frozen=True, slots=True)
class People:
    """What voting took of people.

    Attributes:
        votes: that stand; a form holds several.
        voters: people.
        seconds: of all of them together.
        measured: answers whose time was measured; a form is one answer.
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
    marks: dict[tuple[str, str], list[VoteEvent]] = defaultdict(list)
    for event in events:
        if event.op is VoteOp.CAST and not event.is_late:
            marks[event.ballot_id, person_of.get(event.voter, event.voter)].append(event)
    firsts = sorted(marks.items(), key=lambda mark: mark[1][0].received_at)
    before: dict[tuple[str, str], datetime] = {}
    spans, votes, unmeasured = [], 0, 0
    for (ballot_id, person), own in firsts:
        first, n = own[0], len({event.subject for event in own})
        votes += n
        since = shown.get((ballot_id, first.voter.partition(":")[0]))
        is_seen = first.source == "event" and first.voter not in machines and since is not None
        if since is None or not is_seen:
            unmeasured += n
            continue
        turn = (round_of.get(ballot_id, ""), person)
        begun = max(since, before.get(turn, since))
        spans.append(min(CAP_S, max(0.0, (first.received_at - begun).total_seconds())))
        before[turn] = first.received_at
    return People(
        votes=votes,
        voters=len({person for _, person in marks}),
        seconds=sum(spans) + unmeasured * assumed_s,
        measured=len(spans),
        median_s=median(spans) if spans else None,
        assumed_votes=unmeasured,
        assumed_s=assumed_s,
    )
