"""Who asks for what: commands are heard, allowed or not, asked back about, done, audited.

Every command, allowed or not, is audited and shown in the run's thread; answers are one message.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from adapters.base import ButtonPressed, CommandInvoked, Picture, ThreadReply
from bot import confirming, messages, outgoing
from bot.access import Access
from bot.commands import life, people, telling, voting
from bot.commands.asked import Asked, Desk, Do, Shown
from bot.commands.grammar import (
    Command,
    CommandError,
    first_word,
    is_run,
    parse,
    somebody_else,
)
from bot.doorkeeper import AllowError, Doorkeeper
from bot.energy.budget import BudgetError
from bot.house import House
from bot.linking import LinkError, Links
from bot.rounds import Rounds
from bot.verbs import BY_NAME
from storage.database import StoreError
from storage.models import Member, OutboxItem, Posting, Run
from trainer.spec import SpecError

log = logging.getLogger(__name__)

DOES: Final[Mapping[str, Do]] = {**life.DOES, **people.DOES, **voting.DOES, **telling.DOES}


class Commands:
    """Carries out what people ask for."""

    def __init__(self, house: House, rounds: Rounds, access: Access, door: Doorkeeper) -> None:
        self._house, self._access = house, access
        self._desk = Desk(house, rounds, door, Links(house.now))

    async def hear(self, event: CommandInvoked | ThreadReply, posting: Posting | None) -> None:
        """Do what a command says and answer it, once."""
        house = self._house
        text = event.words if isinstance(event, CommandInvoked) else event.text
        if event.user_name:  # other platforms cannot name them
            who = Member(member_id=event.user, person_id=event.user, name=event.user_name)
            await house.call(house.store.votes.met, who)
        run_id = posting.run_id if posting else None
        if (asked := await self._to_confirm(event.user, text, run_id)) is not None:
            await self._ask(event, *asked)
            return
        key = f"answer:{event.ref.platform}:{event.event_id}"
        done, is_allowed = await self._answer(event.user, text, posting, key)
        answer = done.text if isinstance(done, Shown) else done
        await self._audit(event.user, text, run_id, answer, is_allowed=is_allowed)
        spoken = BY_NAME.get(first_word(text))
        if not is_allowed or (spoken is not None and spoken.is_private):
            ctx = event.ctx if isinstance(event, CommandInvoked) else None
            items = [outgoing.whisper(key, event.user, event.ref, answer, ctx)]
            items += [] if is_allowed else await self._denied_items(event, text, run_id)
            await house.office.queue(*items)
            return
        platform, thread = event.ref.platform, None
        pictures: tuple[Picture, ...] = ()
        if isinstance(done, Shown):
            thread, pictures = outgoing.head_key(done.run_id, platform), done.pictures
        elif posting is not None and posting.ballot_id is not None:
            thread = posting.key  # where it was asked
        elif run_id:
            thread = outgoing.head_key(run_id, platform)
        await house.office.queue(
            outgoing.say(key, platform, event.ref.channel, answer, thread=thread, pictures=pictures)
        )

    async def confirm(self, event: ButtonPressed, posting: Posting) -> None:
        """Do what somebody asked for, now that they say that they mean it; once."""
        house, wish = self._house, confirming.read(event.choice)
        if wish is None:
            return
        if event.user != wish.user:
            text = f"Only {wish.user}, who asked for it, can answer that."
            key = f"confirm-not:{posting.key}:{event.user}"
            await house.office.queue(outgoing.whisper(key, event.user, event.ref, text, event.ctx))
            return
        if not await house.call(house.store.upkeep.once, posting.key, house.now()):
            return
        if event.at > wish.until:
            answer = f"Not done: the answer came after {confirming.LIFE.seconds} s; say it again."
        elif not wish.is_meant:
            answer = "Not done: you said no."
        else:
            done, is_allowed = await self._answer(wish.user, wish.words, posting, posting.key)
            answer = done.text if isinstance(done, Shown) else done
            await self._audit(wish.user, wish.words, posting.run_id, answer, is_allowed=is_allowed)
        card = confirming.answered(f"“{wish.words}”", answer)
        platform, channel = posting.platform, posting.channel
        await house.office.queue(outgoing.edit(posting.key, platform, channel, card))

    async def _to_confirm(self, user: str, text: str, run_id: str | None) -> tuple[str, Run] | None:
        """The command and its run, where it cannot be undone and is not asked for twice."""
        try:
            command = parse(text)
            spoken, other = BY_NAME[command.verb], somebody_else(command, user)
            is_sure = {"yes", "later"} & command.flags  # what comes later can be taken back
            if is_sure or self._access.may_command(user, command.verb, other):
                return None
            if command.verb == "budget" and not self._desk.rounds.budgets.check(
                life.amount_of(command.names)
            ):
                return None
            if not (spoken.confirms_others if other else spoken.confirms):
                return None
            run = await self._run(command, run_id)
        except (CommandError, BudgetError, StoreError):
            return None  # the answer says what is wrong with it
        if run is None or (run.state.is_final and not other):
            return None
        words = [command.verb, run.run_id, *(n for n in command.names if not is_run(n))]
        words += [f"--{flag}" for flag in sorted(command.flags)]
        return " ".join(words), run

    async def _ask(self, event: CommandInvoked | ThreadReply, words: str, run: Run) -> None:
        house, name = self._house, event.user_name or event.user
        wish = confirming.Wish(words, event.user, house.now() + confirming.LIFE)
        spoken, other = BY_NAME[first_word(words)], somebody_else(parse(words), event.user)
        asked = spoken.confirms_others if other else spoken.confirms
        asked = asked.format(run=run.run_id, words=words, who=other)
        await self._audit(event.user, words, run.run_id, "asked to confirm", is_allowed=True)
        key = confirming.key(event.event_id)
        card = confirming.question(asked, wish, name, house.settings.zone)
        platform, channel = event.ref.platform, event.ref.channel
        await house.office.queue(
            outgoing.post(key, platform, channel, card, run_id=run.run_id),
            *outgoing.in_thread(
                house.channels, run.run_id, f"asked:{event.event_id}",
                f"{name} said “{words}” and is asked to confirm it.",
            ),
        )  # fmt: skip

    async def _audit(
        self, user: str, text: str, run_id: str | None, answer: str, *, is_allowed: bool
    ) -> None:
        house = self._house
        await house.call(
            house.store.upkeep.audit,
            at=house.now(),
            member_id=user,
            words=messages.cut(text, 200),
            run_id=run_id,
            is_allowed=is_allowed,
            answer=answer,
        )

    async def _denied_items(
        self, event: CommandInvoked | ThreadReply, text: str, run_id: str | None
    ) -> list[OutboxItem]:
        """What the team sees of a command that was not allowed, in the thread of its run."""
        named = [word for word in text.split() if is_run(word)]
        about = named[0] if named else run_id
        if about is None or await self._house.call(self._house.store.runs.get, about) is None:
            return []
        name = event.user_name or event.user
        said = f"{name} said “{messages.cut(text, 60)}” and is not allowed to."
        key = f"denied:{event.ref.platform}:{event.event_id}"
        return outgoing.in_thread(self._house.channels, about, key, said)

    async def _answer(
        self, user: str, text: str, posting: Posting | None, key: str
    ) -> tuple[str | Shown, bool]:
        run_id, ballot_id = (posting.run_id, posting.ballot_id) if posting else (None, None)
        try:
            command = parse(text)
            denied = self._access.may_command(user, command.verb, somebody_else(command, user))
            if denied:
                return f"Not done: {denied}.", False
            run = await self._run(command, run_id)
            asked = Asked(user, command, run, ballot_id, key)
            return await DOES[command.verb](self._desk, asked), True
        except (CommandError, AllowError, BudgetError, LinkError, SpecError, StoreError) as err:
            return f"Not done: {err}", True
        except Exception:  # people in chat get an answer, the log gets the traceback
            log.exception("command failed", extra={"words": text[:200]})
            return "Not done: something went wrong on our side; the bot's log has it.", True

    async def _run(self, command: Command, run_id: str | None) -> Run | None:
        """The run a command is about: named, or of this thread, or the only one under way."""
        store, spoken = self._house.store.runs, BY_NAME[command.verb]
        if spoken.of == "nothing":
            return None
        names = [n for n in command.names if is_run(n) or not spoken.has_words]
        name = names[0] if names else run_id
        if name is not None:
            run = await self._house.call(store.get, name)
            if run is None:
                raise CommandError(f"there is no run {messages.cut(name, 30)}; say status")
            return run
        runs = await self._house.call(store.all)
        moving = [run for run in runs if not run.state.is_final]
        if spoken.of == "any run":
            return moving[-1] if moving else (runs[-1] if runs else None)
        if len(moving) != 1:
            known = ", ".join(run.run_id for run in moving) or "none"
            raise CommandError(f"which run? Under way: {known}. Say {command.verb} RUN")
        return moving[0]
