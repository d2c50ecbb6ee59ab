"""Where the chat benchmark takes place: a fake platform, its people and its mishaps.

The fakes lie with the tests and are no part of the product, so this benchmark runs from a checkout.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from adapters.base import Ref
from bot.bench.figures import BenchError

PlatformName = Literal["slack", "discord"]


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a command."""

    is_acked: bool
    wait_s: float


class Venue(Protocol):
    """One platform. On the people's side `who` is a bare name."""

    name: str
    title: str  # as people call it

    def open(self) -> AbstractAsyncContextManager[Any]:
        """The fake, for as long as it is needed."""

    def settings(self) -> Mapping[str, object]:
        """What the bot is told, beside the usual."""

    def user(self, who: str) -> str:
        """The member id of a person."""

    def glyph(self, canonical: str) -> str | None:
        """How an emoji is spelt; None where there is none."""

    async def react(self, who: str, ref: Ref, glyph: str) -> None:
        """Put an emoji on a card."""

    async def unreact(self, who: str, ref: Ref, glyph: str) -> None:
        """Take it back."""

    def toned(self, glyph: str, tone: int) -> str:
        """A thumb with a skin tone, 2 to 6; others as they are."""

    async def press(self, who: str, ref: Ref, choice: str) -> bool:
        """Press a button; False where the person saw that it failed."""

    async def say(self, who: str, text: str, ref: Ref) -> str:
        """Say something in a card's thread; its id."""

    async def edit(self, ref: Ref, said: str, text: str) -> None:
        """Change it."""

    async def delete(self, ref: Ref, said: str) -> None:
        """Take it back."""

    async def command(self, who: str, words: str) -> Answered:
        """Give a command in the channel."""

    def be_careless(self, rng: random.Random | None) -> None:
        """Deliver events twice and late as the platform may; None: no more."""

    def carelessness(self) -> Mapping[str, int]:
        """How often that happened."""

    def drop_sockets(self) -> None:
        """Cut every line."""

    def storm(self, seconds: float) -> None:
        """Refuse every call with 429."""

    def lose_answers(self, posts: int) -> None:
        """Take the bot's next posts, and cut the line before it hears of that."""

    def shown(self, ref: Ref) -> str:
        """Where a card says how many gave which answer."""

    def keys(self) -> Sequence[str]:
        """What tells the bot's messages apart, for every message that stands."""

    def refused(self) -> int:
        """Calls that came faster than the platform allows."""


def fake(name: PlatformName) -> Any:
    """The module with a platform's fake server.

    Raises:
        BenchError: this is no checkout.
    """
    try:
        return importlib.import_module(f"tests.fake_{name}.server")
    except ModuleNotFoundError as err:
        raise BenchError(
            f"bench chat needs the fake {name.title()} of the tests: run it in a checkout of Joulery, "
            "with python -m bot bench chat"
        ) from err
