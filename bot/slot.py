"""One training process per device: who waits for it, and who goes first."""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an arm stands in the queue; lower goes first.

    Attributes:
        rank: 0 where people wait for their votes to count; arms that only compare come after.
        since: since when it waits.
        number: the run's, where several came at once.
        arm_id: which arm.
        run_id: of which run.
    """

    rank: int
    since: datetime
    number: int
    arm_id: str
    run_id: str = field(compare=False)


class DeviceSlot:
    """A lock with an order: whoever waits stands in a queue that can be looked at."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Place, asyncio.Future[bool]]] = []
        self._holder: Place | None = None

    @property
    def holder(self) -> Place | None:
        """Who holds the device."""
        return self._holder

    @property
    def waiting(self) -> Sequence[Place]:
        """Who waits for it, first come first."""
        return [place for place, turn in self._waiting if not turn.done()]

    @asynccontextmanager
    async def held(
        self, place: Place, placed: Callable[[], None] = lambda: None
    ) -> AsyncIterator[bool]:
        """Hold the device; False where the wait was called off.

        Args:
            place: who wants it.
            placed: called at once, when the place in the queue is taken.
        """
        if not await self._take(place, placed):
            yield False
            return
        try:
            yield True
        finally:
            self._pass_on()

    def call_off(self, run_id: str) -> None:
        """Let all arms of a run that wait come back without the device, to look what to do now."""
        for place, turn in [*self._waiting]:
            if place.run_id == run_id and not turn.done():
                turn.set_result(False)

    async def _take(self, place: Place, placed: Callable[[], None]) -> bool:
        if self._holder is None:
            self._holder = place
            placed()
            return True
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        entry = (place, turn)
        bisect.insort(self._waiting, entry, key=lambda waiting: waiting[0])
        placed()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():  # it was our turn already
                self._pass_on()
            raise
        finally:
            self._waiting.remove(entry)

    def _pass_on(self) -> None:
        self._holder = None
        for place, turn in self._waiting:
            if not turn.done():
                self._holder = place
                turn.set_result(True)
                return
