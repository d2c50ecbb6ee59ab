"""Who asks for what: commands are heard, allowed or not, asked back about, done, audited.

Every command, allowed or not, is audited and shown in the run's thread; answers are one message.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from adapters.base import ButtonPressed, CommandInvoked, Picture, ThreadReply
from bot import confirming, cutting, outgoing
from bot.access import Access
from bot.commands import life, people, telling, voting
from bot.commands.asked import Asked, Desk, Do, Shown
from bot.commands.finding import run_of
from bot.commands.grammar import Command, CommandError, parse, somebody_else
from bot.commands.notes import Line, Notes, Place, spelt
from bot.commands.questions import Open, Questions
from bot.doorkeeper import AllowError, Doorkeeper
from bot.energy.budget import BudgetError
from bot.house import House
from bot.linking import LinkError, Links
from bot.members import met, shown_name
from bot.rounds import Rounds
from bot.verbs import BY_NAME
from storage.database import StoreError
from storage.models import OutboxItem, Posting, Run
from trainer.spec import SpecError

log = logging.getLogger(__name__)

DOES: Final[Mapping[str, Do]] = {**life.DOES, **people.DOES, **voting.DOES, **telling.DOES}
NOT_DONE: Final = "Not done:"


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a command.

    Attributes:
        answer: what is said of it.
        verb: what was said; empty where that is none.
        run_id: the run that it was about, if any.
        is_allowed: whether who said it may.
        is_told: whether doing it was told in the run's thread.
        pictures: what goes with the answer, into the run's thread.
    """

    answer: str
    verb: str = ""
    run_id: str | None = None
    is_allowed: bool = True
    is_told: bool = False
    pictures: tuple[Picture, ...] = ()

    @property
    def is_private(self) -> bool:
        """Whether the answer is nobody else's business."""
        return self.verb in BY_NAME and BY_NAME[self.verb].is_private

    @property
    def is_look(self) -> bool:
        """Whether it is of a kind that changes nothing of a run."""
        return self.verb in BY_NAME and BY_NAME[self.verb].who == "all"


Noted = tuple[list[OutboxItem], dict[Place, Line]]
"""Lines that are to be queued, and what then stands."""


class Commands:
    """Carries out what people ask for."""

    def __init__(self, house: House, rounds: Rounds, access: Access, door: Doorkeeper) -> None:
        self._house, self._access = house, access
        self._desk = Desk(house, rounds, door, Links(house.now))
        self._notes = Notes(house)
        self.questions = Questions(house, access, rounds.budgets)

    async def hear(self, event: CommandInvoked | ThreadReply, posting: Posting | None) -> None:
        """Do what a command says and answer it, once."""
        house = self._house
        text = event.words if isinstance(event, CommandInvoked) else event.text
        if event.user_name:  # other platforms cannot name them
            await house.call(house.store.votes.met, met(event))
        run_id = posting.run_id if posting else None
        name = await self._name(event)
        if (asked := await self.questions.wanted(event.user, text, run_id)) is not None:
            words, run = asked
            await self._audit(event.user, words, run.run_id, "asked to confirm", is_allowed=True)
            await self.questions.ask(event, name, words, run)
            self._notes.end(run.run_id)
            return
        key = f"{event.ref.platform}:{event.event_id}"
        done = await self._do(event.user, text, posting, f"answer:{key}")
        await self._audit(event.user, text, done.run_id, done.answer, is_allowed=done.is_allowed)
        items = [self._reply(event, posting, done)]
        if not done.is_allowed:
            items += self._denied(event, name, text, done)
        noted, lines = self._noted(event, posting, name, text, done)
        if await house.call(
            house.store.upkeep.once, f"heard:{key}", house.now(), [*items, *noted]
        ):  # else it was heard before a crash, and all this was queued
            self._notes.stand(lines)
            house.office.wake()
        if done.run_id is not None and not done.is_look:
            self._notes.end(done.run_id)
        if done.run_id is not None and done.is_told:
            await self.questions.overtake(event.user, text, done.run_id)

    async def confirm(self, event: ButtonPressed, posting: Posting) -> None:
        """Do what somebody asked for, now that they say that they mean it; once."""
        house, wish = self._house, confirming.read(event.choice)
        if wish is None:
            return
        refused = await self.questions.refused(event, wish, posting)
        if refused:
            key = f"confirm-not:{posting.key}:{event.user}:{event.event_id}"
            await house.office.queue(
                outgoing.whisper(key, event.user, event.ref, refused, event.ctx)
            )
            return
        is_confirmed = False
        if event.at > wish.until:
            answer = confirming.TOO_LATE
        elif not wish.is_meant:
            answer = "Not done: you said no."
        else:
            done = await self._do(wish.user, wish.words, posting, posting.key)
            answer, run_id, is_confirmed = done.answer, done.run_id or posting.run_id, True
            await self._audit(wish.user, wish.words, run_id, answer, is_allowed=done.is_allowed)
        question = Open(posting.platform, posting.channel, posting.run_id, wish)
        await self.questions.settle(posting.key, question, answer, is_confirmed=is_confirmed)

    def _reply(
        self, event: CommandInvoked | ThreadReply, posting: Posting | None, done: Done
    ) -> OutboxItem:
        """The answer: for one alone, in the thread it was asked in or is about, or in the channel."""
        platform = event.ref.platform
        key = f"answer:{platform}:{event.event_id}"
        if not done.is_allowed or done.is_private:
            ctx = event.ctx if isinstance(event, CommandInvoked) else None
            return outgoing.whisper(key, event.user, event.ref, done.answer, ctx)
        thread = None
        if done.pictures and done.run_id is not None:
            thread = outgoing.head_key(done.run_id, platform)
        elif posting is not None and posting.ballot_id is not None:
            thread = posting.key  # where it was asked
        elif posting is not None and posting.run_id is not None:
            thread = outgoing.head_key(posting.run_id, platform)
        return outgoing.say(
            key, platform, event.ref.channel, done.answer, thread=thread, pictures=done.pictures
        )

    def _denied(
        self, event: CommandInvoked | ThreadReply, name: str, text: str, done: Done
    ) -> list[OutboxItem]:
        """What the team sees of a command that was not allowed, in the thread of its run."""
        if done.run_id is None:
            return []
        said = f"{name} said {spelt(text)} and is not allowed to."
        key = f"denied:{event.ref.platform}:{event.event_id}"
        return outgoing.in_thread(self._house.channels, done.run_id, key, said)

    def _noted(
        self,
        event: CommandInvoked | ThreadReply,
        posting: Posting | None,
        name: str,
        text: str,
        done: Done,
    ) -> Noted:
        """What the team sees of a command in the thread of its run, where it does not see it anyway."""
        if done.run_id is None or done.is_private or done.is_told or not done.is_allowed:
            return [], {}
        platform = event.ref.platform
        is_seen = (
            (isinstance(event, ThreadReply) or event.is_bare)  # else nobody sees the words
            and posting is not None
            and posting.key == outgoing.head_key(done.run_id, platform)
        )
        words = spelt(text) + (" (not done)" if done.answer.startswith(NOT_DONE) else "")
        return self._notes.of(
            done.run_id,
            event.user,
            name,
            words,
            f"{platform}:{event.event_id}",
            seen_on=platform if is_seen else None,
        )

    async def _name(self, event: CommandInvoked | ThreadReply) -> str:
        """How who said it is called before others."""
        members = await self._house.call(self._house.store.votes.members)
        return shown_name(event.user, members)

    async def _audit(
        self, user: str, text: str, run_id: str | None, answer: str, *, is_allowed: bool
    ) -> None:
        house = self._house
        await house.call(
            house.store.upkeep.audit,
            at=house.now(),
            member_id=user,
            words=cutting.cut(text, 200),
            run_id=run_id,
            is_allowed=is_allowed,
            answer=answer,
        )

    async def _do(self, user: str, text: str, posting: Posting | None, key: str) -> Done:
        """Carry a command out, if that is allowed."""
        here, ballot_id = (posting.run_id, posting.ballot_id) if posting else (None, None)
        done = Done("")
        try:
            command = parse(text)
            verb = command.verb
            denied = self._access.may_command(user, verb, somebody_else(command, user))
            if denied:
                run_id = await self._meant(command, here)
                return Done(f"{NOT_DONE} {denied}.", verb, run_id, is_allowed=False)
            done = Done("", verb)
            run = await self._house.call(run_of, self._house.store.runs, command, here)
            done = Done("", verb, run.run_id if run else None)
            before = await self._told(run, user)
            answer = await DOES[verb](self._desk, Asked(user, command, run, ballot_id, key))
            is_told = not done.is_look and before != await self._told(run, user)
        except (CommandError, AllowError, BudgetError, LinkError, SpecError, StoreError) as err:
            return replace(done, answer=f"{NOT_DONE} {err}")
        except Exception:  # people in chat get an answer, the log gets the traceback
            log.exception("command failed", extra={"words": text[:200]})
            said = f"{NOT_DONE} something went wrong on our side; the bot's log has it."
            return replace(done, answer=said)
        if isinstance(answer, Shown):
            return Done(answer.text, verb, answer.run_id, pictures=answer.pictures)
        return replace(done, answer=answer, is_told=is_told)

    async def _meant(self, command: Command, here: str | None) -> str | None:
        """The run that a command is about which is not carried out, if that can be told."""
        try:
            run = await self._house.call(run_of, self._house.store.runs, command, here)
        except (CommandError, StoreError):
            return None
        return run.run_id if run else None

    async def _told(self, run: Run | None, user: str) -> object:
        """What is told in a run's thread when somebody changes it: their moves, its wish, its budget."""
        if run is None:
            return None
        runs = self._house.store.runs
        moves = await self._house.call(runs.transitions, run.run_id)
        now = await self._house.call(runs.get, run.run_id)
        return sum(move.who == user for move in moves), now and (now.wish, now.budget)
