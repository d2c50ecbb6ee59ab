"""What a verb is given: the parts of the bot it works with, and what somebody asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from adapters.base import Picture
from bot.commands.grammar import Command
from bot.doorkeeper import Doorkeeper
from bot.house import House
from bot.linking import Links
from bot.rounds import Rounds
from storage.models import Run


@dataclass(frozen=True, slots=True)
class Desk:
    """The parts of the bot that commands reach."""

    house: House
    rounds: Rounds
    door: Doorkeeper
    links: Links


@dataclass(frozen=True, slots=True)
class Asked:
    """A command of somebody who may give it.

    Attributes:
        user: the member id of who said it.
        command: what they said.
        found: the run it is about; None where there is none, or the verb is about nothing.
        ballot_id: the card in whose thread it was said.
        key: names the command: what is heard again after a crash has the same.
    """

    user: str
    command: Command
    found: Run | None
    ballot_id: str | None
    key: str

    @property
    def run(self) -> Run:
        """The run of a verb that cannot do without one."""
        assert self.found is not None
        return self.found


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer that is more than words.

    Attributes:
        text: the words.
        run_id: the run it is about.
        pictures: with any, the answer goes into the thread of its run.
    """

    text: str
    run_id: str
    pictures: tuple[Picture, ...] = ()


Do = Callable[[Desk, Asked], Awaitable[str | Shown]]
"""Carries a verb out; the answer is one message."""
