"""What a segment brought: its report is booked once, with the cards it asks for; or why it died."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from bot import ask, booking, outgoing, safety, sheets, weighing
from bot.energy import metering
from bot.house import House
from bot.opinions import Heard, experts, opinions
from bot.steps import is_extra, pauses
from bot.watchdog import Watchdog
from storage.models import Arm, OutboxItem, Run, Segment
from storage.store.transactions import NumberTaken
from trainer.energy.track import Slot
from trainer.launch import tail
from trainer.segment import SegmentError, SegmentPlan, SegmentReport
from trainer.spec import RunSpec
from trainer.worker import DISK_TROUBLE, NO_ROOM

log = logging.getLogger(__name__)

NOTHING_TO_ASK = "There is nothing left that is worth asking; training goes on."


class Reports:
    """Books reports.

    Args:
        house: the bot's parts.
        watchdog: knows which processes it ended, and why.
    """

    def __init__(self, house: House, watchdog: Watchdog) -> None:
        self._house, self._watchdog = house, watchdog

    async def book(
        self,
        run: Run,
        arm: Arm,
        spec: RunSpec,
        segment: Segment,
        plan: SegmentPlan | None,
        status: int | None,
    ) -> None:
        """Book what a child left behind; a repeat changes nothing.

        Args:
            run: the run.
            arm: which of its arms.
            spec: what was asked for.
            segment: what was planned.
            plan: as the child got it; None where it never did.
            status: the child's exit status; None where it was another bot's.
        """
        house, now = self._house, self._house.now()
        report = await self._report(segment, plan, status)
        if plan is None or report is None:
            return
        if status is None:  # for a while nobody metered it
            slot, books = Slot(run.run_id, arm.name, segment.segment_id), house.store.ledger
            watts, sources = house.probe.watts_per_core, house.probe.sources
            await house.call(metering.fill_from_report, house.meter, books, watts, slot, report)
            await house.call(metering.mark_unmetered, house.meter, books, sources, slot, report)
        if report.outcome == "refused":
            await self.failed(segment, report.message, report=report.model_dump(mode="json"))
            return
        while True:
            try:
                await self._store(run, arm, spec, segment, plan, report, now)
                break
            except NumberTaken as taken:  # votes were imported: what is asked gets the next one
                log.info("asked again under another number", extra={"why": str(taken)})
        house.office.wake()
        await house.call(self._prune, arm)

    async def _store(
        self,
        run: Run,
        arm: Arm,
        spec: RunSpec,
        segment: Segment,
        plan: SegmentPlan,
        report: SegmentReport,
        now: datetime,
    ) -> None:
        """Book the report with what it asks, in one transaction.

        Raises:
            NumberTaken: another round was made meanwhile; nothing was booked.
        """
        house = self._house
        before = await house.call(house.store.votes.rounds, run.run_id)
        asked, items = None, booking.thread_items(house.channels, run, arm, report, before)
        is_pause = plan.questions is not None and report.outcome == "done"
        if is_pause:
            asked, more = await self._pause(run, arm, spec, segment, report, now)
            if asked is None or not asked.ballots:  # the model's own answers stand on no card
                more = [*more, *booking.answers_items(house.channels, run, segment, report)]
            if await self._may_ask(run):
                items = [*more, *items]
            else:  # taken up again it asks then, from this checkpoint: nothing is trained on twice
                report = report.model_copy(update={"outcome": "stopped"})
                asked, is_pause = None, False
        if asked:  # before its cards can go out; drawn again after a crash, to the same file
            await asyncio.to_thread(sheets.draw_for, asked.ballots)
        await house.call(
            house.store.runs.book_report,
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
            fulfils=is_pause,
        )

    async def _report(
        self, segment: Segment, plan: SegmentPlan | None, status: int | None
    ) -> SegmentReport | None:
        """What the child left; None where it died, which is booked."""
        try:
            if plan is None:
                raise SegmentError("the bot stopped before the training process was started")
            return await self._house.call(SegmentReport.read, plan.report_path)
        except SegmentError as err:
            log_tail = tail(plan) if plan else ""
            log.error(
                "segment died",
                extra={"segment": segment.segment_id, "why": str(err), "log": log_tail},
            )
            has_report = plan is not None and plan.report_path.exists()
            why = str(err)[:300] if plan is None or has_report else _how_it_ended(status, log_tail)
            why = self._watchdog.why(segment.segment_id) or why
            await self.failed(segment, why, is_final=status == DISK_TROUBLE)
            return None

    async def _pause(
        self,
        run: Run,
        arm: Arm,
        spec: RunSpec,
        segment: Segment,
        report: SegmentReport,
        now: datetime,
    ) -> tuple[ask.Questions | None, Sequence[OutboxItem]]:
        """What is asked at a pause, and what is said there; a person's wish is asked at any hour."""
        house = self._house
        is_wished = is_extra(segment.until, pauses(arm.name, spec.ask))
        wakes_at = ask.asleep_until(spec.ask, house.settings.quiet, now)
        if wakes_at is not None and not is_wished:
            return None, booking.asleep_items(house.channels, run, segment, wakes_at)
        asked = await self._asked(run, arm, spec, report, now, is_wished=is_wished)
        if asked is None and is_wished:
            key = f"nothing-to-ask:{segment.segment_id}"
            return None, outgoing.in_thread(house.channels, run.run_id, key, NOTHING_TO_ASK)
        return asked, asked.items if asked else ()

    def _prune(self, arm: Arm) -> None:
        """Keep the last checkpoints and the best; a folder that a kill left over goes with the next."""
        store = self._house.store
        store.checkpoints.prune(arm.arm_id)
        kept = [Path(checkpoint.path) for checkpoint in store.runs.checkpoints(arm.arm_id)]
        for folder in kept[-1].parent.iterdir() if kept else ():
            # newer ones may be of a segment whose report is not booked yet
            if folder not in kept and folder.name < kept[-1].name and folder.name.isdigit():
                shutil.rmtree(folder, ignore_errors=True)

    async def _asked(
        self,
        run: Run,
        arm: Arm,
        spec: RunSpec,
        report: SegmentReport,
        now: datetime,
        *,
        is_wished: bool,
    ) -> ask.Questions | None:
        """The round a segment ends in; a closed one without cards where asking would not pay."""
        house = self._house
        asked = ask.questions(
            run,
            arm,
            spec,
            report,
            number=ask.next_number(await house.call(house.store.votes.rounds, run.run_id)),
            now=now,
            channels=house.channels,
            experts=await house.call(self._experts, run, report.labels),
            earlier=await house.call(house.store.votes.ballots, run_id=run.run_id),
            quiet=house.settings.quiet,
        )
        if asked is None:
            return None
        decision = None
        if not is_wished:  # else a person decided
            decision = await house.call(
                weighing.before_ballot, house, run, arm.arm_id, report, asked
            )
        if decision is not None and not decision.go:
            return weighing.not_asked(house, run, asked, decision, now)
        return asked

    def _experts(self, run: Run, labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Label -> names of people whose votes show that they know it well."""
        consensus = self.heard(run).consensus
        members = self._house.store.votes.members().values()
        names = {m.person_id: m.name for m in members if not m.opted_out_at}
        return {label: experts(consensus, label, names) for label in labels}

    async def _may_ask(self, run: Run) -> bool:
        now = await self._house.call(self._house.store.runs.get, run.run_id)
        return now is not None and not now.state.is_final and not wants(now, "stop")

    async def failed(
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

    def heard(self, run: Run) -> Heard:
        """What the team has said so far, but for rounds that count for nothing."""
        store = self._house.store
        rounds = store.votes.rounds(run.run_id)
        segments = [s for arm_id in {r.arm_id for r in rounds} for s in store.runs.segments(arm_id)]
        left_out = safety.undone(rounds, segments)
        ballots = [b for b in store.votes.ballots(run_id=run.run_id) if b.round_id not in left_out]
        return opinions(ballots, store.votes.current([b.ballot_id for b in ballots]))


def wants(run: Run, what: Literal["stop", "ask"]) -> bool:
    """Whether somebody wants that of the run, as soon as it can be done."""
    return run.wish is not None and run.wish.what == what


def _how_it_ended(status: int | None, log_tail: str) -> str:
    """Why a training process left no report, in one plain sentence."""
    if status is not None and status < 0:
        return f"the training process was killed (signal {-status}), maybe for want of memory"
    if status == DISK_TROUBLE:
        return NO_ROOM
    said = _last_line(log_tail)
    return f"the training process broke off: {said}" if said else "the training process broke off"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
