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
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from bot import ask, booking, messages, outgoing, sheets, weighing
from bot.dirt import is_audit
from bot.energy import metering
from bot.house import House
from bot.opinions import Heard, experts, opinions
from bot.steps import Train, wanted
from bot.worth import is_like_control
from storage.models import (
    Arm,
    Ballot,
    Checkpoint,
    Run,
    Segment,
    SegmentState,
)
from trainer.energy.track import Slot
from trainer.launch import Child, Handle, tail
from trainer.marks import EndMark, Mark, PhaseMark, ProgressMark, SelectionMark
from trainer.segment import SegmentError, SegmentPlan, SegmentReport
from trainer.spec import RunSpec
from trainer.worker import DISK_TROUBLE, NO_ROOM, no_room

log = logging.getLogger(__name__)


class Segments:
    """Starts, attends to and books segments."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._children: dict[str, Child] = {}  # arm_id -> the child at work

    def ask_to_stop(self, arm_ids: Sequence[str]) -> None:
        """Ask the children of these arms for a checkpoint and an early end."""
        for arm_id in arm_ids:
            child = self._children.get(arm_id)
            if child is not None:
                child.ask_to_stop()

    async def begin(
        self, run: Run, arm: Arm, spec: RunSpec, step: Train, has_device: Callable[[], None]
    ) -> None:
        """Plan a segment and carry it out, as soon as the device is free."""
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
        async with house.slot.held(arm.position):
            has_device()
            if not await self._may_train(run):  # stopped while it waited for the device
                return
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
                await self._failed(segment, no_room(err), is_final=True)
                return
            house.probe.training.watch(child.handle.pid)
            await house.call(
                house.store.runs.started, segment.segment_id, child.handle.model_dump()
            )
            status = await self._until_end(run, arm, segment, plan, child)
        await self._book(run, arm, spec, segment, plan, status)

    async def attend(
        self, run: Run, arm: Arm, spec: RunSpec, segment: Segment, has_device: Callable[[], None]
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
                async with house.slot.held(arm.position):
                    has_device()
                    house.probe.training.watch(child.handle.pid, from_now=True)
                    house.meter.switch(Slot(run.run_id, arm.name, segment.segment_id))
                    status = await self._until_end(run, arm, segment, plan, child)
        await self._book(run, arm, spec, segment, plan, status)

    # --- before ---------------------------------------------------------------------------------

    def _plan(
        self, run: Run, arm: Arm, spec: RunSpec, step: Train, segment: Segment
    ) -> SegmentPlan:
        store = self._house.store
        checkpoints = store.runs.checkpoints(arm.arm_id)
        is_heard = arm.name == "human" and not is_like_control(store.votes.rounds(run.run_id))
        said = {"opinions": self.heard(run).opinions} if is_heard else {}
        shown = [s for b in store.votes.ballots(run_id=run.run_id) for s in b.subjects]
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
            questions=wanted(step, spec.ask, shown),
            **said,
        )

    def heard(self, run: Run, ballots: Sequence[Ballot] | None = None) -> Heard:
        """What the team has said so far, on all cards of the run or on some."""
        votes = self._house.store.votes
        chosen = votes.ballots(run_id=run.run_id) if ballots is None else ballots
        return opinions(chosen, votes.current([b.ballot_id for b in chosen]))

    def _folder(self, run: Run, arm: Arm, n: int, attempt: int) -> Path:
        return Path(run.folder) / arm.name / f"segment-{n}-{attempt}"

    # --- meanwhile ------------------------------------------------------------------------------

    async def _until_end(
        self, run: Run, arm: Arm, segment: Segment, plan: SegmentPlan, child: Child
    ) -> int | None:
        """The exit status of the child once it has ended; None when it was another bot's."""
        house = self._house
        self._children[arm.arm_id] = child
        if not await self._may_train(run):  # stopped while the child started
            child.ask_to_stop()
        try:
            with house.cap.held():
                return await child.wait()
        except asyncio.CancelledError:  # the bot is leaving: let the child save its work
            await child.end(grace_s=30)
            raise
        finally:
            self._children.pop(arm.arm_id, None)
            house.meter.switch(await self._idle_slot(run))

    async def _may_train(self, run: Run) -> bool:
        now = await self._house.call(self._house.store.runs.get, run.run_id)
        return now is not None and now.state.is_moving

    async def rest(self, run: Run, arm: Arm) -> None:
        """An arm waits, for people or for the grid: unless another trains, so does the machine."""
        if not self._house.slot.is_taken:
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
                items = booking.selection_items(house.channels, run, arm, mark)
                house.store.mail.enqueue(items, house.now())
                house.office.wake_from_thread()

    # --- after ----------------------------------------------------------------------------------

    async def _book(
        self,
        run: Run,
        arm: Arm,
        spec: RunSpec,
        segment: Segment,
        plan: SegmentPlan | None,
        status: int | None,
    ) -> None:
        house = self._house
        runs, now = house.store.runs, house.now()
        try:
            if plan is None:
                raise SegmentError("the bot stopped before the training process was started")
            report = await house.call(SegmentReport.read, plan.report_path)
        except SegmentError as err:
            log_tail = tail(plan) if plan else ""
            log.error(
                "segment died",
                extra={"segment": segment.segment_id, "why": str(err), "log": log_tail},
            )
            has_report = plan is not None and plan.report_path.exists()
            why = str(err)[:300] if plan is None or has_report else _how_it_ended(status, log_tail)
            await self._failed(segment, why, is_final=status == DISK_TROUBLE)
            return
        if status is None:  # for a while nobody metered it
            slot, books = Slot(run.run_id, arm.name, segment.segment_id), house.store.ledger
            watts, sources = house.probe.watts_per_core, house.probe.sources
            await house.call(metering.fill_from_report, house.meter, books, watts, slot, report)
            await house.call(metering.mark_unmetered, house.meter, books, sources, slot, report)
        if report.outcome == "refused":
            await self._failed(segment, report.message, report=report.model_dump(mode="json"))
            return
        asked, items = None, booking.thread_items(house.channels, run, arm, report)
        wakes_at = ask.asleep_until(spec.ask, house.settings.quiet, now)
        if plan.questions is not None and wakes_at is not None:
            items += booking.asleep_items(house.channels, run, segment, wakes_at)
        elif plan.questions is not None:
            asked = await self._asked(run, arm, spec, report, now)
            if asked and not await self._may_ask(run):
                # taken up again, it asks then: the same segment is cheap to repeat
                await self._failed(segment, "the run was stopped before it could ask")
                return
        if asked:  # before its cards can go out; drawn again after a crash, to the same file
            await asyncio.to_thread(sheets.draw_for, asked.ballots)
        items = [*(asked.items if asked else ()), *items]
        await house.call(
            runs.book_report,
            segment,
            report.model_dump(mode="json"),
            planned_samples=report.planned_samples,
            checkpoint=booking.checkpoint(arm, report),
            evaluations=booking.evaluations(arm, report),
            now=now,
            asked=asked.round if asked else None,
            ballots=asked.ballots if asked else (),
            samples=asked.samples if asked else (),
            items=items,
        )
        house.office.wake()

    async def _asked(
        self, run: Run, arm: Arm, spec: RunSpec, report: SegmentReport, now: datetime
    ) -> ask.Questions | None:
        """The round a segment ends in; a closed one without cards where asking would not pay."""
        house = self._house
        asked = ask.questions(
            run,
            arm,
            spec,
            report,
            number=len(await house.call(house.store.votes.rounds, run.run_id)),
            now=now,
            channels=house.channels,
            experts=await house.call(self._experts, run, report.labels),
            earlier=await house.call(house.store.votes.ballots, run_id=run.run_id),
            quiet=house.settings.quiet,
        )
        if asked is None:
            return None
        decision = await house.call(weighing.before_ballot, house, run, arm.arm_id, report, asked)
        if decision is not None and not decision.go:
            return weighing.not_asked(house, run, asked, decision, now)
        if is_audit(asked.ballots):
            key = f"audit:{asked.round.round_id}"
            first = outgoing.in_thread(house.channels, run.run_id, key, messages.audit_opened())
            return replace(asked, items=(*first, *asked.items))
        return asked

    def _experts(self, run: Run, labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Label -> names of people whose votes show that they know it well."""
        consensus = self.heard(run).consensus
        members = self._house.store.votes.members().values()
        names = {member.person_id: member.name for member in members}
        return {label: experts(consensus, label, names) for label in labels}

    async def _may_ask(self, run: Run) -> bool:
        now = await self._house.call(self._house.store.runs.get, run.run_id)
        return now is not None and not now.state.is_final

    async def _failed(
        self,
        segment: Segment,
        why: str,
        *,
        is_final: bool = False,
        report: dict[str, Any] | None = None,
    ) -> None:
        """The segment brought nothing; `is_final`: trying again by ourselves would not help."""
        if is_final:
            report = {"outcome": "refused"}
        runs = self._house.store.runs
        await self._house.call(
            runs.segment_failed, segment.segment_id, why, self._house.now(), report
        )


async def _handle(folder: Path, segment: Segment) -> Handle | None:
    """The child of a segment: from the database, else from the file it left at its start."""
    if segment.handle is not None:
        return Handle.model_validate(segment.handle)
    for wait_s in (0.0, 1.0):  # forked just before the bot died, it may still be about to write
        await asyncio.sleep(wait_s)
        with contextlib.suppress(OSError, ValueError):
            return Handle.model_validate_json((folder / "process.json").read_bytes())
    return None


def _how_it_ended(status: int | None, log_tail: str) -> str:
    """Why a training process left no report, in one plain sentence."""
    if status is not None and status < 0:
        return f"the training process was killed (signal {-status}), maybe for want of memory"
    if status == DISK_TROUBLE:
        return NO_ROOM
    said = _last_line(log_tail)
    return f"the training process broke off: {said}" if said else "the training process broke off"


def _newest(checkpoints: Sequence[Checkpoint]) -> str | None:
    """Where the newest checkpoint that is still there lies; None = from the start."""
    there = [c.path for c in checkpoints if Path(c.path).is_dir()]
    return there[-1] if there else None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
