"""Carrying out one segment: plan, child, marks to the meter, report to the store.

Whatever dies on the way, the same steps taken again end the same: a plan is stored before its
child is started, a report is booked once, and a child that outlived a bot is found again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from bot import booking
from bot.energy import metering
from bot.house import House
from bot.reports import Reports, wants
from bot.steps import Train, is_extra, pauses, shown, wanted
from bot.watchdog import Watchdog
from bot.worth import is_like_control
from storage.models import (
    Arm,
    Checkpoint,
    Run,
    Segment,
    SegmentState,
)
from trainer.energy.track import Slot
from trainer.launch import Child, Handle
from trainer.marks import EndMark, Mark, PhaseMark, ProgressMark, SelectionMark
from trainer.segment import SegmentError, SegmentPlan
from trainer.spec import RunSpec
from trainer.worker import no_room

log = logging.getLogger(__name__)


Hold = Callable[[Run, Arm, Callable[[], None]], AbstractAsyncContextManager[bool]]
"""Hold the device for an arm; the callable hears when it stands in the queue. See `bot.waiting`."""


class Segments:
    """Starts, attends to and books segments.

    Args:
        house: the bot's parts.
        hold: takes the device, in turn.
    """

    def __init__(self, house: House, hold: Hold) -> None:
        self._house, self._hold = house, hold
        self.watchdog = Watchdog(house)
        self.reports = Reports(house, self.watchdog)
        self._children: dict[str, Child] = {}  # arm_id -> the child at work
        self._warm_for: set[str] = set()  # runs that found the fork server with torch loaded

    def ask_to_stop(self, arm_ids: Sequence[str]) -> None:
        """Ask the children of these arms for a checkpoint and an early end."""
        for arm_id in arm_ids:
            child = self._children.get(arm_id)
            if child is not None:
                child.ask_to_stop()

    async def begin(
        self, run: Run, arm: Arm, spec: RunSpec, step: Train, placed: Callable[[], None]
    ) -> None:
        """Plan a segment and carry it out, once the device is free; nothing where that is called off.

        `placed` is called when the arm stands in the queue.
        """
        house = self._house
        segment = Segment(
            segment_id=f"{arm.arm_id}.{step.n}.{step.attempt}",
            arm_id=arm.arm_id,
            n=step.n,
            attempt=step.attempt,
            state=SegmentState.PLANNED,
            until=step.until,
            lease_token=secrets.token_hex(8),
            planned_at=house.now(),
        )
        plan = await house.call(self._plan, run, arm, spec, step, segment)
        async with self._hold(run, arm, placed) as has_device:
            if not has_device or not await self._may_train(run):  # stopped while it waited
                return
            await self._charge_bot(run)
            await self._warm(run)
            await house.call(
                metering.keep_baselines,
                house.meter,
                house.store.ledger,
                house.probe.sources,
                run.run_id,
                house.now(),
            )
            await house.call(house.store.runs.plan_segment, segment)
            house.meter.switch(Slot(run.run_id, arm.name, segment.segment_id, "load"))
            try:
                child = await house.launcher.start(plan, lambda m: self._mark(run, arm, segment, m))
            except OSError as err:
                await self.reports.failed(segment, no_room(err), is_final=True)
                return
            house.probe.training.watch(child.handle.pid)
            await house.call(
                house.store.runs.started, segment.segment_id, child.handle.model_dump()
            )
            status = await self._until_end(run, arm, segment, plan, child)
        await self.reports.book(run, arm, spec, segment, plan, status)

    async def attend(
        self, run: Run, arm: Arm, spec: RunSpec, segment: Segment, placed: Callable[[], None]
    ) -> None:
        """Go on with a segment a former bot planned: wait for its child, or book its report."""
        house = self._house
        folder = self._folder(run, arm, segment.n, segment.attempt)
        try:
            plan = await house.call(SegmentPlan.read, folder / "plan.json")
        except SegmentError:  # the bot died before the child was started
            plan = None
        status = None
        if plan is not None and not plan.report_path.exists():
            handle = await _handle(folder, segment)
            child = house.launcher.adopt(handle, plan) if handle else None
            if child is not None:
                log.info("child adopted", extra={"segment": segment.segment_id})
                async with self._hold(run, arm, placed):  # called off or not: it is at work
                    await self._charge_bot(run)
                    house.probe.training.watch(child.handle.pid, from_now=True)
                    house.meter.switch(Slot(run.run_id, arm.name, segment.segment_id))
                    status = await self._until_end(run, arm, segment, plan, child)
        await self.reports.book(run, arm, spec, segment, plan, status)

    # --- before ---------------------------------------------------------------------------------

    def _plan(
        self, run: Run, arm: Arm, spec: RunSpec, step: Train, segment: Segment
    ) -> SegmentPlan:
        store = self._house.store
        checkpoints = store.runs.checkpoints(arm.arm_id)
        ballots, rounds = store.votes.ballots(run_id=run.run_id), store.votes.rounds(run.run_id)
        answered = {vote.ballot_id for vote in store.votes.current([b.ballot_id for b in ballots])}
        is_heard = arm.name == "human" and not is_like_control(rounds)
        said = {"opinions": self.reports.heard(run).opinions} if is_heard else {}
        folder = self._folder(run, arm, step.n, step.attempt)
        return SegmentPlan(
            run_id=run.run_id,
            arm=arm.name,
            segment=step.n,
            attempt=step.attempt,
            lease_token=segment.lease_token,
            spec=spec,
            seed=run.seed,
            folder=str(folder),
            arm_folder=str(folder.parent),
            checkpoint=_newest(checkpoints),
            until=step.until,
            questions=wanted(step, spec.ask, shown(ballots, rounds, answered), rounds),
            **said,
        )

    def _folder(self, run: Run, arm: Arm, n: int, attempt: int) -> Path:
        return Path(run.folder) / arm.name / f"segment-{n}-{attempt}"

    async def _charge_bot(self, run: Run) -> None:
        """The bot works for this run, too, from when it first has the device until it ends."""
        arms = await self._house.call(self._house.store.runs.arms, run.run_id)
        self._house.meter.charge_bot_to(run.run_id, arms[0].name)

    async def _warm(self, run: Run) -> None:
        """Start the fork server; what it costs is a line of its own, shared by all arms."""
        if run.run_id in self._warm_for:
            return
        house = self._house
        house.meter.switch(Slot(run.run_id, None, None, "load"))
        server = await house.launcher.warm()
        if server is not None:
            house.probe.training.watch(server)
        self._warm_for.add(run.run_id)

    def let_cool(self, run_id: str) -> None:
        """A run is taken up: who knows whether its fork server still stands."""
        self._warm_for.discard(run_id)

    # --- meanwhile ------------------------------------------------------------------------------

    async def _until_end(
        self, run: Run, arm: Arm, segment: Segment, plan: SegmentPlan, child: Child
    ) -> int | None:
        """The exit status of the child once it has ended; None when it was another bot's."""
        house = self._house
        self._children[arm.arm_id] = child
        if await self._is_to_end(run, plan):  # asked for while the child started
            child.ask_to_stop()
        try:
            with house.cap.held(), self.watchdog.watching(run, arm, segment, child):
                return await child.wait()
        except asyncio.CancelledError:  # the bot is leaving: let the child save its work
            await child.end(grace_s=30)
            raise
        finally:
            self._children.pop(arm.arm_id, None)
            house.meter.switch(await self._idle_slot(run))

    async def _is_to_end(self, run: Run, plan: SegmentPlan) -> bool:
        """Whether a child is to leave a checkpoint and end before its pause."""
        now = await self._house.call(self._house.store.runs.get, run.run_id)
        if now is None or not now.state.is_moving:
            return True
        is_asking = is_extra(plan.until, pauses(plan.arm, plan.spec.ask))  # it does so already
        return wants(now, "ask") and plan.arm == "human" and not is_asking

    async def _may_train(self, run: Run) -> bool:
        now = await self._house.call(self._house.store.runs.get, run.run_id)
        return now is not None and now.state.is_moving and not wants(now, "stop")

    async def rest(self, run: Run, arm: Arm) -> None:
        """An arm waits, for people or for the grid: unless another trains, so does the machine."""
        await self._charge_bot(run)
        if self._house.slot.holder is None:
            self._house.meter.switch(Slot(run.run_id, arm.name, None, "wait"))

    async def _idle_slot(self, run: Run) -> Slot:
        """Who the machine works for while no child does: the arm whose questions are open."""
        for round_ in await self._house.call(self._house.store.votes.open_rounds):
            if round_.run_id == run.run_id:
                return Slot(run.run_id, round_.arm_id.partition(".")[2], None, "wait")
        return Slot(run.run_id, None, None, "other")

    def _mark(self, run: Run, arm: Arm, segment: Segment, mark: Mark) -> None:
        """A mark of the child; called from the thread that hears it."""
        house = self._house
        self.watchdog.heard(segment.segment_id)
        match mark:
            case PhaseMark() | EndMark():
                child = self._children.get(arm.arm_id)
                if child is not None:
                    house.probe.training.note(child.handle.pid, mark.cpu_s)
                phase = mark.phase if isinstance(mark, PhaseMark) else "other"
                house.meter.switch(Slot(run.run_id, arm.name, segment.segment_id, phase))
            case ProgressMark():
                for watcher in house.watchers:
                    watcher.progress(run, arm.name, mark.what, mark.done, mark.total)
                    if mark.metric is not None:
                        watcher.evaluated(run, arm.name, mark.done, mark.metric)
            case SelectionMark():
                rounds = house.store.votes.rounds(run.run_id)
                items = booking.selection_items(house.channels, run, arm, mark.report, rounds)
                house.store.mail.enqueue(items, house.now())
                house.office.wake_from_thread()


async def _handle(folder: Path, segment: Segment) -> Handle | None:
    """The child of a segment: from the database, else from the file it left at its start."""
    if segment.handle is not None:
        return Handle.model_validate(segment.handle)
    for wait_s in (0.0, 1.0):  # forked just before the bot died, it may still be about to write
        await asyncio.sleep(wait_s)
        with contextlib.suppress(OSError, ValueError):
            return Handle.model_validate_json((folder / "process.json").read_bytes())
    return None


def _newest(checkpoints: Sequence[Checkpoint]) -> str | None:
    """Where the newest checkpoint that is still there lies; None = from the start."""
    there = [c.path for c in checkpoints if Path(c.path).is_dir()]
    return there[-1] if there else None
