"""The queue of a machine: a run trains once it has the device, and says where it stands until then."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from bot import words
from bot.house import House
from bot.moves import BOT, Moves
from bot.slot import Place
from storage.models import Arm, Run, RunState


class Queue:
    """Who waits for the device.

    Args:
        house: the bot's parts; its slot is the queue.
        moves: moves runs.
        left_s: seconds of training that are left of a run; None where that is not foretold.
    """

    def __init__(self, house: House, moves: Moves, left_s: Callable[[Run], float | None]) -> None:
        self._house, self._moves, self._left_s = house, moves, left_s

    @asynccontextmanager
    async def turn(self, run: Run, arm: Arm, placed: Callable[[], None]) -> AsyncIterator[bool]:
        """Hold the device for an arm; False where the wait was called off.

        Args:
            run: the run.
            arm: which of its arms.
            placed: called once the arm has its place in the queue, or the device.
        """
        slot, run_id = self._house.slot, run.run_id
        place = await self._place(run_id, arm)
        told = None
        while slot.holder is not None and slot.holder.run_id != told:
            told = slot.holder.run_id
            await self._stands_behind(run_id, told)
        # no pause between that look and this: nobody waits without having said so
        async with slot.held(place, placed) as has_it:
            if has_it:
                await self._has_it(run_id)
            yield has_it

    async def _place(self, run_id: str, arm: Arm) -> Place:
        """Where it stands: since it is queued, which outlives a bot."""
        last = (await self._moves.all(run_id))[-1]
        since = last.at if last.after == RunState.QUEUED else self._house.now()
        return Place(arm.position, since, int(run_id.removeprefix("r")), arm.arm_id, run_id)

    async def _stands_behind(self, run_id: str, holder: str) -> None:
        """Let a run stand where it does while another arm has the device."""
        if holder == run_id:
            await self._trains(run_id, "training goes on")
        else:
            await self._waits(run_id)

    async def _has_it(self, run_id: str) -> None:
        """The device is this run's: it trains, and those that hoped for it wait on."""
        await self._trains(run_id, "it has the device")
        for other in dict.fromkeys(place.run_id for place in self._house.slot.waiting):
            if other != run_id:
                await self._waits(other)

    async def _trains(self, run_id: str, why: str) -> None:
        if not await self._moves.is_asking(run_id):  # else an arm that only compares trains
            await self._moves.move(run_id, RunState.TRAINING, BOT, why)

    async def _waits(self, run_id: str) -> None:
        if not await self._moves.is_asking(run_id):
            await self._moves.move(run_id, RunState.QUEUED, BOT, "another run has the device")

    # --- what is said of it ---------------------------------------------------------------------

    async def note(self, run_id: str) -> str:
        """Where a run stands in the queue, in a sentence; "" where it does not."""
        ahead = self._ahead(run_id)
        if ahead is None:
            return ""
        return f"Queued, {said(len(ahead) + 1, [await self._left(other) for other in ahead])}."

    async def lines(self) -> list[str]:
        """The queue from its head, a line each."""
        found = []
        for number, run_id in enumerate(self._order(), 1):
            run, ahead = await self._moves.run(run_id), self._ahead(run_id)
            if ahead is None:
                left_s = await self._left(run_id)
                ends = f", about {_roughly(left_s)} left" if left_s is not None else ""
                stands = f"trains{ends}"
            else:
                left = [await self._left(other) for other in ahead]
                stands = f"waits, {said(number, left)}"
            found.append(f"{number}. {run_id} ({run.name}) {stands}")
        return found

    def _order(self) -> list[str]:
        """The runs that have the device or wait for it, each once, in order."""
        slot = self._house.slot
        holder = [slot.holder] if slot.holder is not None else []
        return list(dict.fromkeys(place.run_id for place in (*holder, *slot.waiting)))

    def _ahead(self, run_id: str) -> list[str] | None:
        """The runs in front of one; None where it does not wait for another."""
        order = self._order()
        return order[: order.index(run_id)] or None if run_id in order else None

    async def _left(self, run_id: str) -> float | None:
        return await self._house.call(self._left_s, await self._moves.run(run_id))


def said(number: int, left_s: Sequence[float | None]) -> str:
    """`2nd; about 14 min, maybe sooner`: a place, and how long those in front still train.

    Args:
        number: the place, from 1.
        left_s: seconds for each run in front; None where they are not foretold.
    """
    known = [seconds for seconds in left_s if seconds is not None]
    if not known:
        return f"{ordinal(number)}; how long is not known yet"
    least = _roughly(sum(known))
    if len(known) < len(left_s):
        return f"{ordinal(number)}; {least} or more"
    return f"{ordinal(number)}; about {least}, maybe sooner"  # it may stop to ask before its end


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `13th`."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number // 10 % 10 == 1 else ending}"


def _roughly(seconds: float) -> str:
    """To the minute: forecasts are no better, and a message is not edited each second."""
    return words.duration(60 * max(1, round(seconds / 60)))
