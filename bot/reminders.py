"""Reminders: once a round, in private, to those who have answered some of a run's cards but not all.

Who is left out: whoever opted out, and programs. At night nobody is reminded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from adapters.base import Ref
from bot import ask, outgoing, words
from bot.access import Access
from bot.clocks import clock_of
from bot.house import House
from bot.quiet import Quiet
from storage.models import (
    Ballot,
    Member,
    OutboxItem,
    Posting,
    Round,
    RoundState,
    Run,
    RunState,
    Vote,
)
from trainer.spec import RunSpec

LAST_PART = 0.25
"""Of a deadline: when so much of it is left, people are reminded."""
WORTH_IT = timedelta(minutes=5)
"""A shorter deadline is over before anybody would look."""


class Reminders:
    """Reminds people of open cards; each call is a tick of the schedule."""

    def __init__(self, house: House, access: Access) -> None:
        self._house, self._access = house, access
        self._done: set[str] = set()  # saves a look into the database each time

    async def look(self) -> None:
        """Remind of every round that closes soon; once each, whatever happens to the bot."""
        house, now = self._house, self._house.now()
        if house.settings.quiet.until(now) is not None:
            return
        for round_ in await house.call(house.store.votes.open_rounds):
            if round_.state is RoundState.OPEN and round_.round_id not in self._done:
                run = await house.call(house.store.runs.get, round_.run_id)
                if run is not None and run.state is not RunState.PAUSED:
                    await self._look_at(run, round_)

    async def _look_at(self, run: Run, round_: Round) -> None:
        house, now = self._house, self._house.now()
        given = timedelta(seconds=RunSpec.model_validate(run.spec).ask.deadline)
        if (
            given < WORTH_IT
            or not since(round_, given, house.settings.quiet) <= now < round_.closes_at
        ):
            return
        items = await house.call(self._items, run, round_)
        await house.call(house.store.upkeep.once, f"remind:{round_.round_id}", now, items)
        self._done.add(round_.round_id)
        house.office.wake()

    def _items(self, run: Run, round_: Round) -> list[OutboxItem]:
        votes, members = self._house.store.votes, self._house.store.votes.members()
        ballots = votes.ballots(run_id=run.run_id)
        given = votes.current([b.ballot_id for b in ballots])
        cards = [b for b in ballots if b.round_id == round_.round_id and b.ask != "happy"]
        lacking = missing(cards, given, members, self._access)
        return [
            item
            for who, unanswered in sorted(lacking.items())
            if (item := self._item(run, round_, who, members.get(who), unanswered, len(cards)))
            is not None
        ]

    def _item(
        self, run: Run, round_: Round, who: str, member: Member | None,
        unanswered: Sequence[Ballot], of: int,
    ) -> OutboxItem | None:  # fmt: skip
        platform, team = who.partition(":")[0], self._house.settings.zone
        place = self._place(platform, unanswered)
        if place is None:
            return None
        which = f"Round {round_.n + 1} of run {run.run_id} ({run.name}) closes by"
        otherwise = outgoing.say(
            f"remind:{round_.round_id}:{platform}", platform, place.channel,
            f"{which} {ask.closing_time(round_, team)}: some of you have not answered every card yet.",
            thread=outgoing.head_key(run.run_id, platform), run_id=run.run_id,
        )  # fmt: skip
        closes = clock_of(member, team).moment(round_.closes_at, self._house.now())
        text = (
            f"{which} {closes}: {words.count(len(unanswered))} of {words.plural(of, 'card')} still "
            f"{'wants' if len(unanswered) == 1 else 'want'} your answer. This is the only reminder; say /joulery optout for none."
        )
        key = f"remind:{round_.round_id}:{who}"
        return outgoing.whisper(
            key, who, Ref.parse(place.ref), text, otherwise=otherwise, is_at_most_once=True
        )

    def _place(self, platform: str, unanswered: Sequence[Ballot]) -> Posting | None:
        """The first card that somebody has not answered, where it stands."""
        for ballot in unanswered:
            for posting in self._house.store.mail.postings(ballot.ballot_id):
                if posting.platform == platform:
                    return posting
        return None


def since(round_: Round, given: timedelta, quiet: Quiet) -> datetime:
    """From when on people are reminded: the last part of the deadline, by day.

    A round that was held has as much later a deadline, and is reminded of as much later.
    """
    held = round_.closes_at - quiet.after(round_.opened_at, given)
    return quiet.after(round_.opened_at, (1 - LAST_PART) * given) + held


def missing(
    cards: Sequence[Ballot], votes: Sequence[Vote], members: Mapping[str, Member], access: Access
) -> dict[str, list[Ballot]]:
    """Whom to remind, by the account they vote with, and the open cards they have not answered.

    Args:
        cards: the open cards.
        votes: all current votes of the run, on these cards and on earlier ones.
        members: everybody we know.
        access: whose votes count, and who is named as a voter.
    """
    account_of = {_person(who, members): who for who in sorted(access.named_voters())}
    account_of |= {vote.person: vote.voter for vote in sorted(votes, key=lambda vote: vote.at)}
    answered: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for vote in votes:
        answered[vote.person].add((vote.ballot_id, vote.subject))
    left_out = {m.person_id for m in members.values() if m.is_simulated or m.opted_out_at}
    lacking = {
        who: [card for card in cards if not _is_answered(card, answered[person])]
        for person, who in account_of.items()
        if person not in left_out and access.may_vote(who)
    }
    return {who: unanswered for who, unanswered in lacking.items() if unanswered}


def _person(member_id: str, members: Mapping[str, Member]) -> str:
    return members[member_id].person_id if member_id in members else member_id


def _is_answered(card: Ballot, answers: Collection[tuple[str, str]]) -> bool:
    """A sheet wants an answer for each picture on it, any other card one of any kind."""
    if card.is_sheet:
        return all((card.ballot_id, subject.key) in answers for subject in card.subjects)
    return any(ballot_id == card.ballot_id for ballot_id, _ in answers)
