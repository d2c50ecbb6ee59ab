"""What a verb is given: the parts of the bot it works with, and what somebody asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

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
    """

    user: str
    command: Command
    found: Run | None

    @property
    def run(self) -> Run:
        """The run of a verb that cannot do without one."""
        assert self.found is not None
        return self.found


Do = Callable[[Desk, Asked], Awaitable[str]]
"""Carries a verb out; the answer is one message."""
