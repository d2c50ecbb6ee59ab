"""What a run leaves behind when it has ended: its report on disk, a picture, and the last words."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from adapters.base import Picture
from bot import accounts, leaning, outgoing, pictures, report
from bot.history import histories, is_of
from bot.house import House
from bot.record import ArmRecord, RunRecord
from bot.weighing import terms
from bot.wording import kind_of
from storage import energy
from storage.models import OutboxItem, Run, SegmentState
from trainer.files import write_whole
from trainer.segment import SegmentReport
from trainer.spec import RunSpec


def picture_path(run: Run) -> Path:
    """Where the picture of a finished run lies."""
    return Path(run.folder) / f"{kind_of(run.spec).metric}-over-energy.png"


def read_report(run: Run) -> dict[str, Any]:
    """The report of a finished run; keys as documented in docs/report.md."""
    found: dict[str, Any] = json.loads((Path(run.folder) / "report.json").read_text("utf-8"))
    return found


async def conclude(house: House, run: Run) -> list[OutboxItem]:
    """Write the report and the picture of a run whose arms are done; what is to be said of it."""
    found = report.run_report(await _record(house, run))
    path = Path(run.folder) / "report.json"
    text = json.dumps(found, indent=1, default=str)
    await asyncio.to_thread(write_whole, path, text)
    title = f"{run.name}: what the votes changed"
    picture = picture_path(run)
    is_drawn = await pictures.draw(pictures.metric_over_energy(found, title), picture)
    alt = f"{title}: {kind_of(run.spec).metric} over energy"
    shown = (Picture(path=str(picture), alt=alt),) if is_drawn else ()
    leans = leaning.said([leaning.Shift(**shift) for shift in found["leanings"]])
    verdict = "\n".join(filter(None, [*found["verdict"], leans]))
    return outgoing.in_thread(house.channels, run.run_id, f"verdict:{run.run_id}", verdict, shown)


async def _record(house: House, run: Run) -> RunRecord:
    """Everything that is known of a run that has ended."""
    store = house.store
    arms = await house.call(store.runs.arms, run.run_id)
    readings = await house.call(store.ledger.of_run, run.run_id)
    evaluations = {a.arm_id: await house.call(store.runs.evaluations, a.arm_id) for a in arms}
    ballots = await house.call(store.votes.ballots, run_id=run.run_id)
    voted = await house.call(accounts.took, store, house.settings, run)
    records = {}
    for arm, history in zip(arms, histories(arms, evaluations, readings), strict=True):
        segments = await house.call(store.runs.segments, arm.arm_id)
        ended = [s.ended_at for s in segments if s.ended_at]
        records[arm.name] = ArmRecord(
            history=history,
            parts=energy.sums(r for r in readings if is_of(r, arm.name)),
            reports=[
                SegmentReport.model_validate(s.report)
                for s in segments
                if s.state is SegmentState.DONE
            ],
            wall_s=(max(ended) - segments[0].planned_at).total_seconds() if ended else 0.0,
        )
    return RunRecord(
        run=run,
        arms=records,
        rounds=await house.call(store.votes.rounds, run.run_id),
        votes=voted.votes,
        cards=sum(ballot.cards for ballot in ballots),
        terms=terms(house.settings, RunSpec.model_validate(run.spec)),
        notes=house.probe.lines,
        people=voted,
        baselines=await house.call(store.ledger.baselines, run.run_id),
        place=accounts.place(house.settings, house.grid),
    )
