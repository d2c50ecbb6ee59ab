"""Questions before what cannot be undone: asked, answered, and put away once they are outdated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from adapters.base import ButtonPressed, Card, CommandInvoked, ThreadReply
from bot import confirming, outgoing
from bot.access import Access
from bot.commands.finding import run_of
from bot.commands.grammar import (
    Command,
    CommandError,
    amount_of,
    first_word,
    is_run,
    parse,
    somebody_else,
)
from bot.confirming import Wish
from bot.energy import budget
from bot.energy.budget import BudgetError
from bot.energy.budgets import Budgets
from bot.house import House
from bot.members import shown_name
from bot.verbs import BY_NAME
from storage.database import StoreError
from storage.models import Posting, Run

LATE: Final = timedelta(seconds=10)
"""So long after its time a question still waits for a press that is on its way."""
SURE: Final = frozenset({"yes", "later"})
"""Flags of what needs no question: it is meant, or can be taken back."""


@dataclass(frozen=True, slots=True)
class Open:
    """A question: where it stands, and what it is about."""

    platform: str
    channel: str
    run_id: str | None
    wish: Wish


class Questions:
    """The questions that stand, each a card with two buttons."""

    def __init__(self, house: House, access: Access, budgets: Budgets) -> None:
        self._house, self._access, self._budgets = house, access, budgets
        self._open: dict[str, Open] = {}  # by outbox key

    async def recover(self) -> None:
        """Take over what a former bot asked."""
        items = await self._house.call(self._house.store.upkeep.not_done, confirming.KEY)
        for item in items:
            wish = confirming.wish_of(Card.model_validate(item.payload))
            if wish is not None:
                self._open[item.key] = Open(item.platform, item.channel, item.run_id, wish)

    async def wanted(self, user: str, text: str, here: str | None) -> tuple[str, Run] | None:
        """The command and its run, where it cannot be undone and is not asked for twice."""
        try:
            command = parse(text)
            other = somebody_else(command, user)
            asks = BY_NAME[command.verb].asks_back(is_about_other=other is not None)
            if not asks or SURE & command.flags:
                return None
            if self._access.may_command(user, command.verb, other):
                return None
            if command.verb == "budget" and not self._budgets.check(amount_of(command.names)):
                return None
            run = await self._house.call(run_of, self._house.store.runs, command, here)
        except (CommandError, BudgetError, StoreError):
            return None  # the answer says what is wrong with it
        if run is None or (run.state.is_final and not other):
            return None
        return _in_full(command, run), run

    async def ask(
        self, event: CommandInvoked | ThreadReply, name: str, words: str, run: Run
    ) -> None:
        """Ask somebody whether they mean it, and let the run's thread know.

        Args:
            event: how they said it.
            name: what they are called before others.
            words: what they said, in full.
            run: the run it is about.
        """
        house = self._house
        key = confirming.key(event.event_id)
        wish = Wish(words, event.user, house.now() + confirming.LIFE)
        await self.overtake(event.user, words, run.run_id, key)
        platform, channel = event.ref.platform, event.ref.channel
        card = confirming.question(
            _question(words, event.user, run), wish, name, house.settings.zone
        )
        await house.office.queue(
            outgoing.post(key, platform, channel, card, run_id=run.run_id),
            *outgoing.in_thread(
                house.channels, run.run_id, _line(key),
                f"{_said(name, words)} and is asked to confirm it.",
            ),
        )  # fmt: skip
        self._open.setdefault(key, Open(platform, channel, run.run_id, wish))

    async def refused(self, event: ButtonPressed, wish: Wish, posting: Posting) -> str:
        """Why a press is no answer to a question; empty where it is one, which now waits no more."""
        if event.user != wish.user:
            return f"Only {wish.user}, who asked for it, can answer that."
        if await self._house.call(self._house.store.upkeep.done, [posting.key]):
            return "That question is closed; its card says what came of it."
        self._open.pop(posting.key, None)
        return ""

    async def settle(
        self, key: str, question: Open, answer: str, *, is_confirmed: bool = False
    ) -> None:
        """Say on its card and in the run's thread what came of a question: it is over."""
        house, wish = self._house, question.wish
        self._open.pop(key, None)
        card = confirming.answered(f"“{wish.words}”", answer)
        items = [outgoing.edit(key, question.platform, question.channel, card)]
        members = await house.call(house.store.votes.members)
        said = _said(shown_name(wish.user, members), wish.words)
        became = "confirmed it" if is_confirmed else "did not confirm it"
        items += outgoing.reworded(house.channels, _line(key), f"{said} and {became}.")
        await house.call(house.store.upkeep.once, key, house.now(), items)
        house.office.wake()

    async def look(self) -> None:
        """Put away what is outdated: nobody answered in time, or its run has ended meanwhile."""
        for key, question in list(self._open.items()):
            if why := await self._outdated(question):
                await self.settle(key, question, why)

    async def _outdated(self, question: Open) -> str:
        house, run = self._house, None
        if house.now() > question.wish.until + LATE:
            return confirming.UNANSWERED
        is_of_votes = somebody_else(parse(question.wish.words), question.wish.user) is not None
        if question.run_id is not None and not is_of_votes:
            run = await house.call(house.store.runs.get, question.run_id)
        if run is None or not run.state.is_final:
            return ""
        return f"No longer needed: run {run.run_id} is {run.state}."

    async def overtake(self, user: str, words: str, run_id: str, key: str = "") -> None:
        """Put away what somebody asked for before, of the same kind and run, but for one question."""
        verb = first_word(words)
        for other, question in list(self._open.items()):
            is_same = (question.wish.user, question.run_id) == (user, run_id)
            if other != key and is_same and first_word(question.wish.words) == verb:
                await self.settle(other, question, f"Not done: you said “{words}” after it.")


def _line(key: str) -> str:
    """The key of what a run's thread is told of a question."""
    return f"asked:{key.removeprefix(confirming.KEY)}"


def _said(name: str, words: str) -> str:
    return f"{name} said “{words}”"


def _in_full(command: Command, run: Run) -> str:
    """What was said, with the run by name."""
    words = [command.verb, run.run_id, *(n for n in command.names if not is_run(n))]
    return " ".join([*words, *(f"--{flag}" for flag in sorted(command.flags))])


def _question(words: str, user: str, run: Run) -> str:
    """What would happen, as a question."""
    command = parse(words)
    spoken, other = BY_NAME[command.verb], somebody_else(command, user)
    asked = spoken.confirms_others if other else spoken.confirms
    amount = amount_of(command.names)
    spelt = budget.parse(amount).spelt if command.verb == "budget" else ""
    return asked.format(run=run.run_id, who=other, amount=spelt)
