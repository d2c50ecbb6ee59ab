"""What the fake platforms have in common."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

Tell = Callable[[], Awaitable[Any]]


class Where(Protocol):
    """A message: the house's `Ref` will do."""

    @property
    def channel(self) -> str: ...
    @property
    def message(self) -> str: ...


class Withholding:
    """Events that are never told, or kept back until they are let go."""

    def __init__(self) -> None:
        self._kept: list[Tell] | None = None
        self._to_lose = 0

    def lose(self, count: int = 1) -> None:
        """The next events are never told."""
        self._to_lose += count

    @property
    def is_telling(self) -> bool:
        """Whether the next event is told at once."""
        return not self._to_lose and self._kept is None

    def hold(self) -> None:
        """Keep events back until `release`."""
        self._kept = []

    async def release(self, rng: random.Random | None = None) -> None:
        """Tell what was held back, shuffled by `rng` if given."""
        kept, self._kept = self._kept or [], None
        if rng:
            rng.shuffle(kept)
        for tell in kept:
            await tell()

    def withholds(self, tell: Tell) -> bool:
        """Whether an event is not told now."""
        if self._to_lose:
            self._to_lose -= 1
            return True
        if self._kept is not None:
            self._kept.append(tell)
            return True
        return False
