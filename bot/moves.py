"""Moving runs: every change of state goes through here, is stored with who, when and why, and said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from bot import outgoing, words
from bot.house import House
from bot.live import Live
from storage.database import StoreError
from storage.models import OutboxItem, Run, RunState, Transition

BOT = "joulery"
"""Who moved a run when nobody asked for it."""


class Moves:
    """Moves runs from state to state."""

    def __init__(self, house: House, live: Live) -> None:
        self._house, self._live = house, live

    async def move(
        self,
        run_id: str,
        to: RunState,
        who: str,
        why: str,
        also: Sequence[OutboxItem] = (),
        deadlines: Mapping[str, datetime] = MappingProxyType({}),
    ) -> None:
        """Move a run, and say so where people want to know; where it stands there already, nothing.

        What the bot does by itself neither sets a run going that a person holds or ended, nor moves
        one that a person moved since it looked. `deadlines` of open rounds go with the move, or not at all.

        Raises:
            StoreError: there is no such run, or it cannot go there from where it stands.
        """
        house = self._house
        run = await self.run(run_id)
        is_own_idea = who == BOT
        is_held = to.is_moving and not run.state.is_moving
        if run.state is to or (is_own_idea and (run.state.is_final or is_held)):
            return
        items: list[OutboxItem] = []
        if to.is_final or not is_own_idea:
            key = f"state:{run_id}:{len(await self.all(run_id))}"
            stands = f"goes on: {why}" if to.is_moving else f"is {words.stands(to, why)}"
            said = f"Run {run_id} {stands}."
            items = outgoing.in_thread(house.channels, run_id, key, said)
        await house.call(
            house.store.runs.move, run_id, to, who=who, why=why, now=house.now(), items=[*items, *also],
            only_from=run.state if is_own_idea else None, deadlines=deadlines,
        )  # fmt: skip
        house.office.wake()
        await self._live.show(run_id)

    async def run(self, run_id: str) -> Run:
        """A run as it stands now.

        Raises:
            StoreError: there is none of that name.
        """
        run = await self._house.call(self._house.store.runs.get, run_id)
        if run is None:
            raise StoreError(f"there is no run {run_id}; say: status")
        return run

    async def all(self, run_id: str) -> Sequence[Transition]:
        """All moves of a run so far, oldest first."""
        return await self._house.call(self._house.store.runs.transitions, run_id)

    async def since(self, run_id: str) -> datetime:
        """When a person last set the run going."""
        return max(move.at for move in await self.all(run_id) if move.who != BOT)

    async def goes_on(self, run_id: str) -> bool:
        """Whether nobody holds the run, and it has not ended."""
        return (await self.run(run_id)).state.is_moving

    async def is_asking(self, run_id: str) -> bool:
        """Whether a round of the run is open."""
        open_rounds = await self._house.call(self._house.store.votes.open_rounds)
        return any(round_.run_id == run_id for round_ in open_rounds)
