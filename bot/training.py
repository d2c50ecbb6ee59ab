"""The arms of a run: each asks `bot.steps` what comes next and does it, until it is done or held."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from bot.energy.shift import Shift
from bot.house import House
from bot.listening import Listening
from bot.live import Live
from bot.moves import BOT, Moves
from bot.news import News
from bot.post import until
from bot.reports import wants
from bot.segments import Segments
from bot.steps import Attend, Finish, GiveUp, Listen, Step, Train, next_step
from storage.models import Arm, ArmState, Round, Run, RunState, SegmentState
from trainer.spec import RunSpec

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 30.0
"""News wakes whoever waits; a look now and then makes up for news that was missed."""
Placed = Callable[[], None]
"""Called once an arm stands in the queue, has the device, or waits for people instead."""


class Training:
    """Trains the arms of runs.

    Args:
        house: the bot's parts.
        moves: moves runs.
        segments: carries out what is trained.
        listening: closes rounds.
        shift: says when to wait for cleaner electricity.
        live: draws runs.
        news: of runs.
        end: stops a run, by its id, who wants it and why.
    """

    def __init__(
        self,
        house: House,
        moves: Moves,
        segments: Segments,
        listening: Listening,
        shift: Shift,
        live: Live,
        news: News,
        end: Callable[[str, str, str], Awaitable[None]],
    ) -> None:
        self._house, self._moves, self._segments = house, moves, segments
        self._listening, self._shift, self._live = listening, shift, live
        self._news, self._end = news, end

    async def run(self, run_id: str, placed: Placed) -> None:
        """Train all arms of a run that are not done; people's first."""
        house = self._house
        run = await self._moves.run(run_id)
        spec = RunSpec.model_validate(run.spec)
        since = await self._moves.since(run_id)
        arms = await house.call(house.store.runs.arms, run_id)
        await self._live.show(run_id)
        todo = [arm for arm in arms if arm.state is not ArmState.DONE]
        if not todo:
            return
        self._segments.let_cool(run_id)
        under_way = await self._under_way(todo)
        # a child that outlived a bot has the device already; else people come first
        first, *others = sorted(todo, key=lambda arm: (arm.arm_id not in under_way, arm.position))
        is_settled = asyncio.Event()

        def settled() -> None:
            is_settled.set()
            placed()

        async with asyncio.TaskGroup() as group:
            leading = group.create_task(self._train(run, first, spec, since, settled))
            leading.add_done_callback(lambda _: settled())
            await is_settled.wait()
            for arm in others:
                group.create_task(self._train(run, arm, spec, since))

    async def settle(self, run_id: str, placed: Placed) -> None:
        """See the segments of a run that is held, or has ended, to their end.

        A bot that died leaves such: it asked nobody to stop, or was not there for the report.
        """
        house = self._house
        run = await self._moves.run(run_id)
        spec = RunSpec.model_validate(run.spec)
        for arm in await house.call(house.store.runs.arms, run_id):
            for segment in await house.call(house.store.runs.segments, arm.arm_id):
                if segment.state in (SegmentState.PLANNED, SegmentState.RUNNING):
                    await self._segments.attend(run, arm, spec, segment, placed)

    async def _under_way(self, arms: Sequence[Arm]) -> set[str]:
        """The arms that a former bot left with a process at work."""
        runs = self._house.store.runs
        return {
            arm.arm_id
            for arm in arms
            for segment in await self._house.call(runs.segments, arm.arm_id)
            if segment.state is SegmentState.RUNNING
        }

    async def _train(
        self,
        run: Run,
        arm: Arm,
        spec: RunSpec,
        since: datetime,
        placed: Placed = lambda: None,
    ) -> None:
        """One arm, step by step, until it is done, fails, or the run is held.

        Args:
            run: the run.
            arm: which of its arms.
            spec: what was asked for.
            since: when a person last set the run going.
            placed: see `Placed`.
        """
        house, run_id = self._house, run.run_id
        await house.call(house.store.runs.move_arm, arm.arm_id, ArmState.ACTIVE)
        while True:
            news = self._news.of(run_id)
            run = await self._moves.run(run_id)
            if not run.state.is_moving:
                break
            rounds = await house.call(house.store.votes.rounds, run_id)
            mine = [r for r in rounds if r.arm_id == arm.arm_id]
            step = await self._step(run, arm, spec, mine, since)
            log.info("step", extra={"arm": arm.arm_id, "step": type(step).__name__})
            if await self._is_enough(run, step):
                break
            match step:
                case Listen(round=round_):
                    placed()
                    await self._moves.move(run_id, RunState.ASKING, BOT, "questions are open")
                    await self._segments.rest(run, arm)
                    await self._listening.check(round_.round_id)
                    await until(news, timeout_s=LOOK_AGAIN_S)
                    continue
                case Train():
                    wait_s = 0.0
                    if step.attempt == 1 and not wants(run, "ask"):
                        wait_s = await self._shift.wait_s(run, spec, mine)
                    if wait_s > 0:
                        placed()
                        await self._wait_for_cleaner(run, arm)
                        await until(news, timeout_s=min(wait_s, LOOK_AGAIN_S))
                        continue
                    await self._segments.begin(run, arm, spec, step, placed)
                case Attend(segment=segment):
                    await self._segments.attend(run, arm, spec, segment, placed)
                case Finish():
                    await house.call(house.store.runs.move_arm, arm.arm_id, ArmState.DONE)
                    if wants(run, "ask") and arm.name == "human":  # it ended before it could
                        await house.call(house.store.runs.set_wish, run_id, None, (), house.now())
                    break
                case GiveUp(why=why):
                    await house.call(house.store.runs.move_arm, arm.arm_id, ArmState.FAILED, why)
                    await self._moves.move(run_id, RunState.FAILED, BOT, why)
                    await self.halt(run_id)
                    break
            await self._live.show(run_id)

    async def _step(
        self, run: Run, arm: Arm, spec: RunSpec, rounds: Sequence[Round], since: datetime
    ) -> Step:
        runs = self._house.store.runs
        segments = await self._house.call(runs.segments, arm.arm_id)
        asked_at = None
        if wants(run, "ask") and arm.name == "human":
            asked_at = await self._house.call(self._stands_at, arm)
        return next_step(arm, spec.ask, segments, rounds, since, asked_at)

    def _stands_at(self, arm: Arm) -> float | None:
        """The share of its training that lies behind an arm; None before its first step."""
        runs = self._house.store.runs
        [planned] = [a.planned_samples for a in runs.arms(arm.run_id) if a.arm_id == arm.arm_id]
        saved = runs.checkpoints(arm.arm_id)
        return saved[-1].samples / planned if planned and saved and saved[-1].samples else None

    async def _is_enough(self, run: Run, step: Step) -> bool:
        """End a run that somebody wants to end at its next pause, where this is one."""
        holder = self._house.slot.holder
        is_at_work = holder is not None and holder.run_id == run.run_id  # another arm of it
        if run.wish is None or run.wish.what != "stop" or is_at_work:
            return False
        if not isinstance(step, Listen | Train):
            return False
        who = run.wish.who
        await self._end(run.run_id, who, f"at its pause, as {who} wanted")
        return True

    async def _wait_for_cleaner(self, run: Run, arm: Arm) -> None:
        if not await self._moves.is_asking(run.run_id):
            why = "it waits for cleaner electricity"
            await self._moves.move(run.run_id, RunState.QUEUED, BOT, why)
        await self._live.show(run.run_id)
        await self._segments.rest(run, arm)

    async def halt(self, run_id: str) -> None:
        """Let every arm of a run come to rest: at its next step, or out of the queue."""
        arms = await self._house.call(self._house.store.runs.arms, run_id)
        self._segments.ask_to_stop([arm.arm_id for arm in arms])
        self._house.slot.call_off(run_id)
        self._news.changed(run_id)
