"""The heart: train a segment, ask, listen, learn; go on after a restart as if nothing had been.

Every arm of a run has one task that asks `bot.steps` what comes next and does it. All it needs to
know stands in the database, so a killed bot loses nothing but the time until it is started again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot import outgoing, weighing
from bot.access import Access
from bot.conclusion import conclude
from bot.energy.budgets import Budgets
from bot.energy.shift import Shift, require_forecast
from bot.house import House
from bot.listening import Listening
from bot.live import Live
from bot.post import until
from bot.segments import Segments
from bot.steps import Attend, Finish, GiveUp, Listen, Train, next_step
from storage.database import StoreError
from storage.models import Arm, ArmState, OutboxItem, Run, RunState, SegmentState
from trainer.energy.track import Slot
from trainer.spec import RunSpec

log = logging.getLogger(__name__)

FAIL_AGAIN_S = 5.0
LOOK_AGAIN_S = 30.0
"""News wakes whoever waits; a look now and then makes up for news that was missed."""
BOT = "joulery"
"""Who moved a run when nobody asked for it."""


class Rounds:
    """All runs that are under way."""

    def __init__(self, house: House, access: Access) -> None:
        self._house = house
        self.segments = Segments(house)
        self.listening = Listening(house, access, self.changed)
        self.live = Live(house)
        self.budgets = Budgets(house, lambda run_id, why: self.stop(run_id, BOT, why))
        self.shift = Shift(house, self.live.left_s)
        self.live.remark = self.shift.note
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()  # runs that were set going while they came to rest
        self._news: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    # --- what people can ask for ----------------------------------------------------------------

    async def begin(
        self,
        spec: RunSpec,
        *,
        who: str,
        seed: int | None = None,
        arms: Sequence[str] = ("human",),
        comparison_id: str | None = None,
        budget: str | None = None,
    ) -> Run:
        """Create a run, say so, and set it going; the budget is the spec's unless one is given.

        Raises:
            BudgetError: the budget is none.
            SpecError: what the spec wants needs a setting that is not there.
        """
        house = self._house
        budget = self.budgets.check(spec.budget if budget is None else budget)
        weighing.require_prices(house.settings, spec)
        require_forecast(house.settings, spec)
        run = await house.call(
            house.store.runs.create,
            name=spec.name,
            spec=spec.model_dump(mode="json"),
            seed=spec.train.seed if seed is None else seed,
            arms=arms,
            runs_folder=house.settings.runs_dir,
            who=who,
            now=house.now(),
            comparison_id=comparison_id,
            budget=budget,
        )
        await self.live.show(run.run_id)  # the head message, before anything is said in its thread
        await self._move(run.run_id, RunState.TRAINING, who, "started")
        self._drive(run.run_id)
        return run

    async def stop(self, run_id: str, who: str, why: str = "") -> None:
        """End a run at its next step; its last checkpoint stays.

        Raises:
            StoreError: it cannot be stopped from where it stands.
        """
        await self._move(run_id, RunState.STOPPED, who, why or f"stopped by {who}")
        await self._halt(run_id)
        self._drive(run_id)  # its open questions are closed

    async def pause(self, run_id: str, who: str) -> None:
        """Checkpoint at the next step and hold.

        Raises:
            StoreError: it cannot be paused from where it stands.
        """
        await self._move(run_id, RunState.PAUSED, who, f"paused by {who}")
        await self._halt(run_id)

    async def resume(self, run_id: str, who: str) -> None:
        """Go on from the last checkpoint.

        Raises:
            StoreError: it is under way already, or cannot be resumed from where it stands.
        """
        run = await self._house.call(self._house.store.runs.get, run_id)
        is_in_haste = self.shift.hurry(run_id)  # of a held run, too: once it goes on, then at once
        if run is not None and run.state.is_moving and is_in_haste:
            self.changed(run_id)
            return
        if run is not None and run.state.is_moving:
            raise StoreError(f"run {run_id} is under way already; it is {run.state}")
        if run is not None:
            await self.budgets.refuse_used_up(run)
        if run is not None and run.state is RunState.PAUSED:
            await self._give_back_time(run)
        await self._move(run_id, RunState.TRAINING, who, f"resumed by {who}")
        self._drive(run_id)

    async def _give_back_time(self, run: Run) -> None:
        """Open questions get the time that the run was held."""
        house = self._house
        moves = await house.call(house.store.runs.transitions, run.run_id)
        held = house.now() - moves[-1].at
        for round_ in await house.call(house.store.votes.open_rounds):
            if round_.run_id == run.run_id:
                closes_at = house.settings.quiet.after(round_.closes_at + held, timedelta(0))
                later = round_.model_copy(update={"closes_at": closes_at})
                items = await house.call(self.listening.new_deadline, run, later)
                await house.call(
                    house.store.votes.extend, round_.round_id, later.closes_at, house.now(), items
                )

    async def wait(self, run_id: str) -> Run:
        """The run once it has ended."""
        while True:
            news = self._news[run_id]
            run = await self._house.call(self._house.store.runs.get, run_id)
            assert run is not None
            if run.state.is_final and run_id not in self._tasks:
                return run
            await until(news, timeout_s=1.0)

    @property
    def are_under_way(self) -> bool:
        """Whether any run trains, asks or waits for its turn."""
        return bool(self._tasks)

    # --- life -----------------------------------------------------------------------------------

    async def recover(self) -> None:
        """Go on with every run a former bot left under way."""
        for run in await self._house.call(self._house.store.runs.all, is_open=True):
            if run.state is RunState.QUEUED:
                await self._move(run.run_id, RunState.TRAINING, BOT, "started after a restart")
            if run.state is not RunState.PAUSED:
                log.info("run goes on", extra={"run": run.run_id})
                self._drive(run.run_id)

    async def close(self) -> None:
        """Let all children save their work, and leave."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _drive(self, run_id: str) -> None:
        """See that somebody looks after the run, and looks again if somebody does already."""
        if run_id in self._tasks:
            self._again.add(run_id)
            self.changed(run_id)
            return
        self._tasks[run_id] = asyncio.create_task(self._look_after(run_id), name=f"run {run_id}")

    async def _look_after(self, run_id: str) -> None:
        """Everything a run does until it ends, is held, or fails."""
        try:
            while True:
                self._again.discard(run_id)
                await self._run(run_id)
                if run_id not in self._again:
                    break
        finally:
            del self._tasks[run_id]
            self.changed(run_id)

    async def _run(self, run_id: str) -> None:
        try:
            if await self._may_go_on(run_id):
                await self._run_arms(run_id)
            await self._conclude(run_id)
        except Exception as err:  # whatever a run dies of: it is marked failed, others go on
            log.exception("run failed")
            await self._fail(run_id, f"internal error: {_innermost(err)}")
        self._house.meter.release(run_id)
        self._house.spending.forget(run_id)

    async def _fail(self, run_id: str, why: str) -> None:
        """Mark a run as failed; a database that does not answer is waited for."""
        while True:
            try:
                await self._move(run_id, RunState.FAILED, BOT, why)
                return
            except StoreError:
                log.exception("cannot say that a run failed; trying again")
                await asyncio.sleep(FAIL_AGAIN_S)

    async def _run_arms(self, run_id: str) -> None:
        house = self._house
        run = await house.call(house.store.runs.get, run_id)
        assert run is not None
        spec = RunSpec.model_validate(run.spec)
        since = await self._since(run_id)
        arms = await house.call(house.store.runs.arms, run_id)
        await self.live.show(run_id)
        todo = [arm for arm in arms if arm.state is not ArmState.DONE]
        if not todo:
            return
        house.meter.charge_bot_to(run_id, arms[0].name)
        await self._warm(run_id)
        under_way = await self._under_way(todo)
        # a child that outlived a bot has the device already; else people come first
        first, *others = sorted(todo, key=lambda arm: (arm.arm_id not in under_way, arm.position))
        is_settled = asyncio.Event()  # set once the first arm has the device or can do without it
        async with asyncio.TaskGroup() as group:
            leading = group.create_task(self._train(run, first, spec, since, is_settled.set))
            leading.add_done_callback(lambda _: is_settled.set())
            await is_settled.wait()
            for arm in others:
                group.create_task(self._train(run, arm, spec, since))

    async def _under_way(self, arms: Sequence[Arm]) -> set[str]:
        """The arms that a former bot left with a process at work."""
        runs = self._house.store.runs
        return {
            arm.arm_id
            for arm in arms
            for segment in await self._house.call(runs.segments, arm.arm_id)
            if segment.state is SegmentState.RUNNING
        }

    async def _warm(self, run_id: str) -> None:
        """Start the fork server; what it costs is a line of its own, shared by all arms."""
        house = self._house
        async with house.slot.held(0):  # the meter works for one run at a time
            house.meter.switch(Slot(run_id, None, None, "load"))
            server = await house.launcher.warm()
            if server is not None:
                house.probe.training.watch(server)
            house.meter.switch(Slot())

    async def _train(
        self,
        run: Run,
        arm: Arm,
        spec: RunSpec,
        since: datetime,
        settled: Callable[[], None] = lambda: None,
    ) -> None:
        """One arm, step by step, until it is done, fails, or the run is held.

        Args:
            run: the run.
            arm: which of its arms.
            spec: what was asked for.
            since: when a person last set the run going.
            settled: called when the arm holds the device, or waits for people instead.
        """
        house = self._house
        await house.call(house.store.runs.move_arm, arm.arm_id, ArmState.ACTIVE)
        while True:
            news = self._news[
                run.run_id
            ]  # held before looking: what happens meanwhile is not missed
            if not await self._may_go_on(run.run_id):
                break
            segments = await house.call(house.store.runs.segments, arm.arm_id)
            rounds = await house.call(house.store.votes.rounds, run.run_id)
            mine = [r for r in rounds if r.arm_id == arm.arm_id]
            step = next_step(arm, spec.ask, segments, mine, since)
            log.info("step", extra={"arm": arm.arm_id, "step": type(step).__name__})
            match step:
                case Listen(round=round_):
                    settled()
                    await self._move(run.run_id, RunState.ASKING, BOT, "questions are open")
                    await self.segments.rest(run, arm)
                    await self.listening.check(round_.round_id)
                    await until(news, timeout_s=LOOK_AGAIN_S)
                    continue
                case Train():
                    wait_s = await self.shift.wait_s(run, spec, mine) if step.attempt == 1 else 0.0
                    if wait_s > 0:
                        settled()
                        await self._training_again(run.run_id, arm)
                        await self.live.show(run.run_id)
                        await self.segments.rest(run, arm)
                        await until(news, timeout_s=min(wait_s, LOOK_AGAIN_S))
                        continue
                    await self._training_again(run.run_id, arm)
                    await self.segments.begin(run, arm, spec, step, settled)
                case Attend(segment=segment):
                    await self._training_again(run.run_id, arm)
                    await self.segments.attend(run, arm, spec, segment, settled)
                case Finish():
                    await house.call(house.store.runs.move_arm, arm.arm_id, ArmState.DONE)
                    break
                case GiveUp(why=why):
                    await house.call(house.store.runs.move_arm, arm.arm_id, ArmState.FAILED, why)
                    await self._move(run.run_id, RunState.FAILED, BOT, why)
                    await self._halt(run.run_id)
                    break
            await self.live.show(run.run_id)

    async def _training_again(self, run_id: str, arm: Arm) -> None:
        if arm.position == 0:
            await self._move(run_id, RunState.TRAINING, BOT, "training goes on")

    async def _conclude(self, run_id: str) -> None:
        """Move the run to its end, with its last words, once all its arms are done."""
        house = self._house
        house.meter.release(run_id)
        await asyncio.to_thread(house.meter.flush)
        run = await house.call(house.store.runs.get, run_id)
        assert run is not None
        arms = await house.call(house.store.runs.arms, run_id)
        if run.state.is_moving and all(arm.state is ArmState.DONE for arm in arms):
            last_words = await conclude(house, run)
            await self._move(run_id, RunState.FINISHED, BOT, "all arms are trained", last_words)
        elif run.state.is_final:
            await self._close_rounds(run)
        await self.live.show(run_id)

    async def _close_rounds(self, run: Run) -> None:
        """Nobody is to be asked about a run that has ended."""
        for round_ in await self._house.call(self._house.store.votes.open_rounds):
            if round_.run_id == run.run_id:
                await self.listening.close(round_, f"the run is {run.state}")

    # --- small things ---------------------------------------------------------------------------

    async def _move(
        self, run_id: str, to: RunState, who: str, why: str, also: Sequence[OutboxItem] = ()
    ) -> None:
        house = self._house
        run = await house.call(house.store.runs.get, run_id)
        if run is None:
            raise StoreError(f"there is no run {run_id}; say: status")
        is_own_idea = who == BOT
        if run.state is to or (is_own_idea and run.state.is_final):
            return
        items: list[OutboxItem] = []
        if to.is_final or not is_own_idea:
            key = f"state:{run_id}:{len(await self._moves(run_id))}"
            said = f"Run {run_id} is {to}: {why}."
            items = outgoing.in_thread(house.channels, run_id, key, said)
        await house.call(
            house.store.runs.move, run_id, to, who=who, why=why, now=house.now(), items=[*items, *also],
            only_from=run.state if is_own_idea else None,
        )  # fmt: skip
        house.office.wake()
        await self.live.show(run_id)

    async def _moves(self, run_id: str) -> Sequence[object]:
        return await self._house.call(self._house.store.runs.transitions, run_id)

    async def _since(self, run_id: str) -> datetime:
        """When a person last set the run going."""
        moves = await self._house.call(self._house.store.runs.transitions, run_id)
        return max(m.at for m in moves if m.who != BOT)

    async def _may_go_on(self, run_id: str) -> bool:
        run = await self._house.call(self._house.store.runs.get, run_id)
        return run is not None and run.state.is_moving

    async def _halt(self, run_id: str) -> None:
        arms = await self._house.call(self._house.store.runs.arms, run_id)
        self.segments.ask_to_stop([arm.arm_id for arm in arms])
        self.changed(run_id)

    def changed(self, run_id: str) -> None:
        """Something happened to a run: whoever waits for news looks again."""
        self._news.pop(run_id, asyncio.Event()).set()


def _innermost(error: BaseException) -> str:
    """What went wrong, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename})"
    kind = "" if isinstance(error, StoreError) else f"{type(error).__name__}: "
    return f"{kind}{' '.join(str(error).split())[:200]}"
