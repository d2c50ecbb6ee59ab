"""Hearing votes and closing rounds: at the quorum, at the deadline, or when a person says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from adapters.base import (
    ButtonPressed,
    FormSubmitted,
    Inbound,
    ReactionsCleared,
    Ref,
    ReplyDeleted,
)
from bot import ask, cards, closing, members, outgoing, post, votes
from bot.access import Access
from bot.house import House
from storage.models import (
    Ballot,
    Member,
    OutboxItem,
    Posting,
    Round,
    RoundState,
    Run,
    VoteEvent,
    VoteOp,
)
from trainer.spec import RunSpec

log = logging.getLogger(__name__)

SNAPSHOTS_AT_ONCE = 4
BLIND = (
    "This card is blind: please answer with its buttons. What everybody can see does not count here, "
    "so that nobody leads the others."
)
NO_VOTER = "Your answers do not count here: only those of voters do. Ask an admin to say:"


class Listening:
    """Turns events on cards into votes, and open rounds into closed ones."""

    def __init__(self, house: House, access: Access, news: Callable[[str], None]) -> None:
        self._house, self._access, self._news = house, access, news
        self._closing: set[str] = set()
        self._met: dict[str, Member] = {}  # member_id -> what we know

    async def hear(self, event: Inbound, posting: Posting, received_at: datetime) -> None:
        """Record what an event on one of our cards says."""
        house = self._house
        takes_away = isinstance(event, ReplyDeleted | ReactionsCleared)  # whoever did it
        if posting.ballot_id is None:
            return
        found = await house.call(house.store.votes.ballot, posting.ballot_id)
        if found is None:
            return
        ballot, round_ = found
        if not (takes_away or self._access.may_vote(event.user)):
            await self._turn_away(event, ballot, received_at)
            return
        if not takes_away and self._met.get(event.user) != (who := members.met(event)):
            await house.call(house.store.votes.met, who)
            self._met[event.user] = who
        standing = await house.call(house.store.votes.standing, ballot.ballot_id)
        heard = votes.hear(event, ballot, standing, received_at)
        if heard.events and self._is_seen_by_all(ballot, event.ref.platform, heard.events[0]):
            key = f"blind:{ballot.ballot_id}:{event.user}"  # once per voter and card
            await house.office.queue(outgoing.whisper(key, event.user, event.ref, BLIND))
            return
        if heard.events:
            await house.call(house.store.votes.add, heard.events)
        is_closed = round_.state is RoundState.CLOSED
        if is_closed and votes.is_too_late(heard.events, standing, round_.closing_at):
            key = f"late:{ballot.ballot_id}:{event.user}"
            text = "This round is closed: your answer is kept, but does not count any more."
            await house.office.queue(outgoing.whisper(key, event.user, event.ref, text))
        if heard.hint:
            key = f"hint:{ballot.ballot_id}:{event.user}"  # once per voter and card
            await house.office.queue(outgoing.whisper(key, event.user, event.ref, heard.hint))
        is_open = round_.state is RoundState.OPEN
        if heard.events and is_open and await self.is_answered(round_):
            self._news(round_.run_id)  # its run closes it: here we must not wait for ourselves

    async def _turn_away(self, event: Inbound, ballot: Ballot, received_at: datetime) -> None:
        """Tell who is no voter, once a round: a platform may have called their answer recorded."""
        given = votes.hear(event, ballot, (), received_at).events
        if any(answer.op is VoteOp.CAST for answer in given):
            key = f"no-voter:{ballot.round_id}:{event.user}"
            text = f"{NO_VOTER} allow {event.user} voter."
            ctx = event.ctx if isinstance(event, ButtonPressed | FormSubmitted) else None
            whisper = outgoing.whisper(key, event.user, event.ref, text, ctx)
            await self._house.office.queue(whisper)

    def _is_seen_by_all(self, ballot: Ballot, platform: str, event: VoteEvent) -> bool:
        """Whether others see who answered what on a blind card: it does not count then."""
        is_hidden = self._house.office.platforms[platform].caps.hides_reactions
        seen = ("reply:",) if is_hidden else ("r:", "reply:", votes.CONFLICT)
        return ballot.is_blind and event.mark.startswith(seen)

    async def check(self, round_id: str) -> None:
        """Close a round whose quorum is reached or whose deadline passed; else leave it open."""
        house = self._house
        for round_ in await house.call(house.store.votes.open_rounds):
            if round_.round_id == round_id:
                if round_.state is RoundState.CLOSING:
                    await self.close(round_, round_.closed_by)
                elif house.now() >= round_.closes_at:
                    await self.close(round_, "deadline")
                elif await self.is_answered(round_):
                    await self.close(round_, "quorum")

    async def is_answered(self, round_: Round) -> bool:
        """Whether every card has its quorum; the watchers are told how many have."""
        house = self._house
        answered = await house.call(house.store.votes.answered, round_.round_id)
        done = sum(people >= round_.quorum for people, _ in answered.values())
        votes_ = sum(n for _, n in answered.values())
        for watcher in house.watchers:
            watcher.votes(round_.run_id, done, len(answered), votes_)
        return done == len(answered)

    def new_deadline(self, run: Run, round_: Round) -> list[OutboxItem]:
        """What is said once an open round has another deadline."""
        house, spec = self._house, RunSpec.model_validate(run.spec)
        closes = ask.closing_time(round_, house.settings.zone)
        said = (
            f"Round {round_.n + 1} has the time back that the run was held: it closes by {closes}."
        )
        key = f"extended:{round_.round_id}:{round_.closes_at.isoformat()}"
        items = outgoing.in_thread(house.channels, run.run_id, key, said)
        for ballot in house.store.votes.ballots(round_id=round_.round_id):
            card = cards.question(
                ballot, spec, closes=f"closes by {closes}", until=round_.closes_at
            )
            items += [
                outgoing.edit(
                    outgoing.card_key(ballot.ballot_id, platform), platform, channel, card
                )
                for platform, channel in house.channels.items()
            ]
        return items

    async def close(self, round_: Round, closed_by: str) -> None:
        """Close a round: one last look at the platforms, the count, the cards' final appearance.

        Not to be called by whoever deals with events: what was received before has to be dealt
        with first. Safe to repeat: after a crash in the middle the same is done again, to the same end.
        """
        if round_.round_id in self._closing:
            return
        self._closing.add(round_.round_id)
        try:
            await self._close(round_, closed_by)
        finally:
            self._closing.discard(round_.round_id)
        self._news(round_.run_id)

    async def _close(self, round_: Round, closed_by: str) -> None:
        house = self._house
        store = house.store.votes
        await house.call(store.begin_closing, round_.round_id, closed_by, house.now())
        await house.office.settled()
        ballots = await house.call(store.ballots, round_id=round_.round_id)
        is_complete = await self.look(ballots)
        found = await house.call(closing.sum_up, house, round_, closed_by, is_complete=is_complete)
        now = house.now()
        if await house.call(store.close, round_.round_id, found.outcome, now, found.items):
            house.office.wake()
            for watcher in house.watchers:
                for text in found.told:
                    watcher.news(found.run_id, text)

    async def look(self, ballots: Sequence[Ballot]) -> bool:
        """Compare what stands on the cards with what we know; True when all could be seen."""
        limit = asyncio.Semaphore(SNAPSHOTS_AT_ONCE)

        async def one(ballot: Ballot) -> bool:
            async with limit:
                return await self._look_at(ballot)

        return all(await asyncio.gather(*(one(b) for b in ballots)))

    async def _look_at(self, ballot: Ballot) -> bool:
        house = self._house
        is_complete = True
        for posting in await house.call(house.store.mail.postings, ballot.ballot_id):
            platform = house.office.platforms.get(posting.platform)
            snapshot = (
                await post.snapshot_or_none(platform, Ref.parse(posting.ref)) if platform else None
            )
            if snapshot is None:
                is_complete = False
                continue
            is_complete &= snapshot.is_complete
            mine = f"{posting.platform}:"
            standing = await house.call(house.store.votes.standing, ballot.ballot_id)
            here = [mark for mark in standing if mark.voter.startswith(mine)]
            undone = await house.call(house.store.votes.undone, ballot.ballot_id)
            left = [mark for mark in undone if mark.voter.startswith(mine)]
            missed = [
                event
                for event in votes.reconcile(snapshot, ballot, here, house.now(), left)
                if self._access.may_vote(event.voter)
                and not self._is_seen_by_all(ballot, posting.platform, event)
            ]
            if missed:
                await house.call(house.store.votes.add, missed)
        return is_complete
