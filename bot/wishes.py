"""What people want of a run beside letting it go on: questions now, an end later, an earlier place."""

from __future__ import annotations

import asyncio
import shutil

from bot import outgoing
from bot.house import House
from bot.listening import Listening
from bot.live import Live
from bot.moves import Moves
from bot.reports import wants
from bot.steps import pauses
from bot.worth import is_like_control
from storage.database import StoreError
from storage.models import Arm, ArmState, Run, Wish
from storage.store.checkpoints import best
from trainer.spec import RunSpec


class Wishes:
    """Keeps wishes, and goes back to checkpoints."""

    def __init__(self, house: House, moves: Moves, listening: Listening, live: Live) -> None:
        self._house, self._moves = house, moves
        self._listening, self._live = listening, live

    async def keep(self, run_id: str, wish: Wish | None, said: str) -> None:
        """Keep a wish until its moment comes, or take it back, and say so in the run's thread."""
        house = self._house
        key = f"wish:{run_id}:{house.now().isoformat()}"
        items = outgoing.in_thread(house.channels, run_id, key, said)
        await house.call(house.store.runs.set_wish, run_id, wish, items, house.now())
        house.office.wake()
        await self._live.show(run_id)

    async def arm_that_asks(self, run: Run) -> Arm:
        """The arm that can ask people now.

        Raises:
            StoreError: there is none; the text says why.
        """
        arms = await self._house.call(self._house.store.runs.arms, run.run_id)
        human = next((arm for arm in arms if arm.name == "human"), None)
        why = await self._why_not(run, human)
        if why or human is None:
            raise StoreError(f"run {run.run_id} cannot ask now: {why}")
        return human

    async def _why_not(self, run: Run, human: Arm | None) -> str:
        """Why asking now makes no sense; "" where it does."""
        store, spec = self._house.store, RunSpec.model_validate(run.spec)
        if run.state.is_final or not run.state.is_moving:
            return f"it is {run.state}"
        if await self._moves.is_asking(run.run_id):
            return "its questions are open already"
        if human is None or spec.ask.cards + spec.ask.feature_cards == 0:
            return "its spec plans no questions"
        if human.state is ArmState.DONE:
            return "its training has ended, only what it is compared with still trains"
        if is_like_control(await self._house.call(store.votes.rounds, run.run_id)):
            return "its audit found that answers would not pay, so they would change nothing"
        if wants(run, "ask"):
            return "somebody wants that already"
        if wants(run, "stop"):
            return "it stops at its next pause"
        if not await self._house.call(store.runs.segments, human.arm_id):
            first = pauses("human", spec.ask)[0]
            when = f"at {first:.0%} of its training" if first > 0 else "before its first step"
            return f"it has not begun; it asks {when}"
        return ""

    async def go_back(self, run: Run, since: str) -> tuple[Arm, int]:
        """Let the arm that people steer stand where a checkpoint stood: it and its samples.

        What came after counts as if it had not happened, its open questions too; votes and joules stay.

        Args:
            run: which run; it is held or has ended.
            since: the samples of the checkpoint, or `best`.

        Raises:
            StoreError: there is no such checkpoint.
        """
        house = self._house
        arms = await house.call(house.store.runs.arms, run.run_id)
        arm = next((arm for arm in arms if arm.name == "human"), arms[0])
        samples = await house.call(self._samples, arm, since)
        gone = await house.call(house.store.checkpoints.go_back, arm.arm_id, samples)
        for checkpoint in gone:
            await asyncio.to_thread(shutil.rmtree, checkpoint.path, ignore_errors=True)
        for round_ in await house.call(house.store.votes.open_rounds):
            if gone and round_.arm_id == arm.arm_id:
                await self._listening.close(round_, "the run went back to before it")
        return arm, samples

    def _samples(self, arm: Arm, wanted: str) -> int:
        """The samples of the checkpoint that somebody named."""
        runs = self._house.store.runs
        found = runs.checkpoints(arm.arm_id)
        chosen = best(found, runs.evaluations(arm.arm_id))
        if wanted.lower() == "best" and chosen is not None:
            return chosen
        if wanted not in {str(c.samples) for c in found}:
            kept = ", ".join(
                f"{c.samples}{' (best)' if c.samples == chosen else ''}" for c in found
            )
            raise StoreError(
                f"there is no checkpoint {wanted[:20]}; kept are: {kept or 'none yet'}"
            )
        return int(wanted)
