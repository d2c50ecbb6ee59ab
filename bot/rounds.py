"""The heart: train a segment, ask, listen, learn; go on after a restart as if nothing had been.

All that is needed to go on stands in the database, so a killed bot loses nothing but the time until
it is started again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from bot import weighing
from bot.access import Access
from bot.conclusion import conclude
from bot.energy.budgets import Budgets
from bot.energy.shift import Shift, require_forecast
from bot.house import House
from bot.listening import Listening
from bot.live import Live
from bot.moves import BOT, Moves
from bot.news import News
from bot.post import until
from bot.reports import wants
from bot.segments import Segments
from bot.steps import CUT_SHORT
from bot.training import Training
from bot.waiting import Queue
from bot.wishes import Wishes
from storage.database import StoreError
from storage.models import ArmState, OutboxItem, Run, RunState, SegmentState, Wish
from trainer.spec import RunSpec

log = logging.getLogger(__name__)

FAIL_AGAIN_S = 5.0
PLACED_S = 30.0
"""How long a run may take to find its place in the queue before the next one looks for its own."""
SAID_S = 2.0
"""How long whoever starts a run waits to hear its place: others want to be answered, too."""


class Rounds:
    """All runs that are under way."""

    def __init__(self, house: House, access: Access) -> None:
        self._house = house
        self.live = Live(house)
        self.moves = Moves(house, self.live)
        self.queue = Queue(house, self.moves, self.live.left_s)
        self.segments = Segments(house, self.queue.turn)
        self.listening = Listening(house, access, self.changed)
        self.budgets = Budgets(house, lambda run_id, why: self.stop(run_id, BOT, why))
        self.shift = Shift(house, self.live.left_s)
        self.live.remark = self.remark
        self._wishes = Wishes(house, self.moves, self.listening, self.live)
        self._news = News()
        self._training = Training(
            house, self.moves, self.segments, self.listening, self.shift, self.live,
            self._news, self.stop,
        )  # fmt: skip
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._placed: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._again: set[str] = set()  # runs that were set going while they came to rest

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
        self._drive(run.run_id)
        await until(self._placed[run.run_id], SAID_S)
        await self.live.show(run.run_id)  # with its place in the queue
        return run

    async def stop(self, run_id: str, who: str, why: str = "") -> None:
        """End a run at its next step; its last checkpoint stays.

        Raises:
            StoreError: it cannot be stopped from where it stands.
        """
        await self.moves.move(run_id, RunState.STOPPED, who, why or f"stopped by {who}")
        await self._training.halt(run_id)
        self._drive(run_id)  # its open questions are closed

    async def stop_later(self, run_id: str, who: str) -> bool:
        """End a run at its next pause; False where it does not train now and is stopped at once.

        Raises:
            StoreError: it cannot be stopped from where it stands.
        """
        holder = self._house.slot.holder
        if holder is None or holder.run_id != run_id:
            await self.stop(run_id, who)
            return False
        await self._wishes.keep(
            run_id, Wish(what="stop", who=who), f"{who} wants it to stop at its next pause."
        )
        return True

    async def pause(self, run_id: str, who: str) -> None:
        """Checkpoint at the next step and hold.

        Raises:
            StoreError: it cannot be paused from where it stands.
        """
        await self.moves.move(run_id, RunState.PAUSED, who, f"paused by {who}")
        await self._training.halt(run_id)

    async def ask(self, run_id: str, who: str) -> None:
        """Open a round as soon as training can be interrupted, at its next step.

        Raises:
            StoreError: that makes no sense where the run stands.
        """
        arm = await self._wishes.arm_that_asks(await self.moves.run(run_id))
        await self._wishes.keep(run_id, Wish(what="ask", who=who), f"{who} wants questions now.")
        self.segments.ask_to_stop([arm.arm_id])
        self._house.slot.call_off(run_id)
        self.changed(run_id)

    async def resume(self, run_id: str, who: str, since: str | None = None) -> str:
        """Go on: from the last checkpoint, or from an earlier one; what that means, in words.

        Args:
            run_id: which run.
            who: who says so.
            since: the checkpoint to go back to, by its samples, or `best`; None = the last.

        Raises:
            StoreError: it is under way already, or cannot be resumed from where it stands.
        """
        run = await self.moves.run(run_id)
        is_in_haste = self.shift.hurry(run_id)  # of a held run, too: once it goes on, then at once
        if run.state.is_moving and since is None and wants(run, "stop"):
            await self._wishes.keep(run_id, None, f"{who} wants it to go on after its next pause.")
            return f"Run {run_id} goes on after its next pause."
        if run.state.is_moving and since is None and is_in_haste:
            self.changed(run_id)
            return f"Run {run_id} goes on."
        if run.state.is_moving:
            raise StoreError(f"run {run_id} is under way already; it is {run.state}")
        if run.state is RunState.FINISHED:
            raise StoreError(f"run {run_id} is finished; start a new one")
        await self.budgets.refuse_used_up(run)
        went_back = "" if since is None else await self._go_back(run, since)
        later, items = await self._time_back(run)
        if wants(run, "stop"):
            house = self._house
            await house.call(house.store.runs.set_wish, run_id, None, (), house.now())
        await self.moves.move(
            run_id, RunState.QUEUED, who, f"resumed by {who}{went_back}", items, later
        )
        self._drive(run_id)
        return f"Run {run_id} goes on{went_back}."

    async def _go_back(self, run: Run, since: str) -> str:
        if run.run_id in self._tasks:
            raise StoreError(f"run {run.run_id} still saves its work; say it again in a moment")
        arm, samples = await self._wishes.go_back(run, since)
        self.live.forget_after(run.run_id, arm.name, samples)
        return f" from its checkpoint at {samples} samples"

    async def _time_back(self, run: Run) -> tuple[dict[str, datetime], list[OutboxItem]]:
        """The deadlines of open questions with the time that the run was held, and what is said of it."""
        house, deadlines, items = self._house, {}, []
        if run.state is RunState.PAUSED:
            now, since = house.now(), (await self.moves.all(run.run_id))[-1].at
            for round_ in await house.call(house.store.votes.open_rounds):
                if round_.run_id == run.run_id:
                    closes_at = house.settings.quiet.held(round_.closes_at, since, now)
                    later = round_.model_copy(update={"closes_at": closes_at})
                    deadlines[round_.round_id] = closes_at
                    items += await house.call(self.listening.new_deadline, run, later)
        return deadlines, items

    async def wait(self, run_id: str) -> Run:
        """The run once it has ended."""
        while True:
            news = self._news.of(run_id)
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
        """Go on with every run a former bot left under way, each at its place in the queue."""
        runs = self._house.store.runs
        left = await self._house.call(runs.left_behind)
        for run_id in [*left, *await self._house.call(self._in_order)]:
            log.info("run goes on", extra={"run": run_id})
            self._drive(run_id)
            await until(self._placed[run_id], timeout_s=PLACED_S)

    def _in_order(self) -> list[str]:
        """The runs that move: first who has the device, then who waited longest for it."""
        store = self._house.store.runs
        order = []
        for run in store.all(is_open=True):
            segments = [s for a in store.arms(run.run_id) for s in store.segments(a.arm_id)]
            is_at_work = any(s.state is SegmentState.RUNNING for s in segments)
            waits = run.state is RunState.QUEUED
            since = store.transitions(run.run_id)[-1].at
            if run.state.is_moving:
                order.append((not is_at_work, waits, since, run.run_id))
        return [run_id for *_, run_id in sorted(order)]

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
        self._placed[run_id].clear()
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
            self._placed[run_id].set()
            self.changed(run_id)

    async def _run(self, run_id: str) -> None:
        placed = self._placed[run_id].set
        try:
            if await self.moves.goes_on(run_id):
                await self._training.run(run_id, placed)
            if not await self.moves.goes_on(run_id):
                await self._training.settle(run_id, placed)
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
                await self.moves.move(run_id, RunState.FAILED, BOT, why)
                return
            except StoreError:
                log.exception("cannot say that a run failed; trying again")
                await asyncio.sleep(FAIL_AGAIN_S)

    async def _conclude(self, run_id: str) -> None:
        """Move the run to its end, with its last words, once all its arms are done."""
        house = self._house
        house.meter.release(run_id)
        await asyncio.to_thread(house.meter.flush)
        run = await self.moves.run(run_id)
        arms = await house.call(house.store.runs.arms, run_id)
        if run.state.is_moving and all(arm.state is ArmState.DONE for arm in arms):
            last_words = await conclude(house, run)
            await self.moves.move(
                run_id, RunState.FINISHED, BOT, "all arms are trained", last_words
            )
        elif run.state.is_final:
            await self._close_rounds(run)
        await self.live.show(run_id)

    async def _close_rounds(self, run: Run) -> None:
        """Nobody is to be asked about a run that has ended; taken up again, it asks anew."""
        house = self._house
        for round_ in await house.call(house.store.votes.open_rounds):
            if round_.run_id == run.run_id:
                await house.call(house.store.checkpoints.unask, round_.arm_id)
                await self.listening.close(round_, f"{CUT_SHORT}{run.state}")

    # --- small things ---------------------------------------------------------------------------

    async def remark(self, run_id: str) -> str:
        """What holds a run up that is under way, or will; "" where nothing does."""
        waits = self.shift.note(run_id) or await self.queue.note(run_id)
        wish = (await self.moves.run(run_id)).wish
        if waits or wish is None:
            return waits
        return {
            "stop": "Training; it stops at its next pause.",
            "ask": "Questions come in a moment.",
        }[wish.what]

    def changed(self, run_id: str) -> None:
        """Something happened to a run: whoever waits for news looks again."""
        self._news.changed(run_id)


def _innermost(error: BaseException) -> str:
    """What went wrong, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename})"
    kind = "" if isinstance(error, StoreError) else f"{type(error).__name__}: "
    return f"{kind}{' '.join(str(error).split())[:200]}"
