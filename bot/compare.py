"""Runs with a control beside them: the demo, and `joulery compare`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from adapters.base import Picture
from adapters.web.platform import WebChat
from bot import ask, pictures, post, report
from bot.app import Bot, running
from bot.history import histories
from bot.house import Watcher
from bot.report import ArmRecord, RunRecord
from bot.serving import web_chat
from bot.settings import Settings
from storage import energy
from storage.models import Run, RunState, SegmentState
from trainer.segment import SegmentReport
from trainer.spec import RunSpec

Jury = Literal["mixed", "people", "simulated"]
ARMS = ("human", "control", "no_votes")
TERMINAL = "the terminal"
"""Who started a run that no chat command did."""

PACE_S: Mapping[Jury, float] = {"mixed": 3.0, "simulated": 0.02}
"""Seconds a simulated colleague takes for a card: a human pace beside people, none alone."""


class CompareError(Exception):
    """The comparison ended without a result; the text says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a comparison leaves behind."""

    report: dict[str, Any]
    picture: Path


async def compare(
    settings: Settings,
    spec: RunSpec,
    *,
    seeds: Sequence[int],
    jury: Jury,
    watcher: Watcher,
    announce: Any,
) -> Outcome:
    """Train all arms for every seed, with votes from `jury`, and report.

    Args:
        settings: where things lie and how the page is reached.
        spec: what is trained.
        seeds: one run each.
        jury: who votes.
        watcher: sees progress.
        announce: called with the page's address once it is up.

    Raises:
        CompareError: a run failed or was stopped.
        ChatSetupError: the page's port is taken.
        StoreError: the database cannot be used.
    """
    chat = web_chat(settings, open_link=True)
    reports = []
    async with running(settings, {chat.name: chat}) as bot:
        bot.house.watchers.append(watcher)
        announce(chat.entry_url())
        async with _simulated(jury, chat, settings, seeds[0]):
            for number, seed in enumerate(seeds):
                comparison = f"c-{seeds[0]}-{len(seeds)}" if len(seeds) > 1 else None
                run = await bot.rounds.begin(
                    spec, who=TERMINAL, seed=seed, arms=ARMS, comparison_id=comparison
                )
                run = await bot.rounds.wait(run.run_id)
                if run.state is not RunState.FINISHED:
                    raise CompareError(f"run {run.run_id} {run.state}: {run.reason}")
                reports.append(report.run_report(await record(bot, run)))
                await _publish(bot, run, reports, is_last=number == len(seeds) - 1)
    whole = report.comparison_report(reports)
    return Outcome(whole, Path(run.folder) / "accuracy-over-energy.png")


async def record(bot: Bot, run: Run) -> RunRecord:
    """Everything that is known of a run that has ended."""
    house = bot.house
    store = house.store
    arms = await house.call(store.runs.arms, run.run_id)
    readings = await house.call(store.ledger.of_run, run.run_id)
    evaluations = {a.arm_id: await house.call(store.runs.evaluations, a.arm_id) for a in arms}
    ballots = await house.call(store.votes.ballots, run_id=run.run_id)
    votes = await house.call(store.votes.current, [b.ballot_id for b in ballots])
    records = {}
    for arm, history in zip(arms, histories(arms, evaluations, readings), strict=True):
        segments = await house.call(store.runs.segments, arm.arm_id)
        own = [r for r in readings if r.arm == arm.name or (r.arm is None and r.phase == "load")]
        ended = [s.ended_at for s in segments if s.ended_at]
        records[arm.name] = ArmRecord(
            history=history,
            parts=energy.sums(own),
            reports=[
                SegmentReport.model_validate(s.report)
                for s in segments
                if s.state is SegmentState.DONE
            ],
            wall_s=(max(ended) - segments[0].planned_at).total_seconds() if ended else 0.0,
        )
    human_s = len(votes) * house.settings.seconds_per_vote
    return RunRecord(
        run=run,
        arms=records,
        votes=len(votes),
        cards=len(ballots),
        human_s=human_s,
        device_j=human_s * house.settings.device_watts,
        notes=house.probe.lines,
    )


async def _publish(
    bot: Bot, run: Run, reports: Sequence[Mapping[str, Any]], *, is_last: bool
) -> None:
    """The verdict and the picture, in the run's thread."""
    path = Path(run.folder) / "accuracy-over-energy.png"
    title = f"{run.name}: what the votes changed"
    drawn = await pictures.draw(pictures.accuracy_over_energy(reports, title), path)
    verdict = "\n".join(reports[-1]["verdict"])
    house = bot.house
    shown = (Picture(path=str(path), alt=f"{title}: accuracy over energy"),) if drawn else ()
    await house.office.queue(
        *(
            post.say(
                f"verdict:{run.run_id}:{platform}", platform, channel, verdict,
                thread=ask.head_key(run.run_id, platform), pictures=shown, run_id=run.run_id,
            )
            for platform, channel in house.channels.items()
        )
    )  # fmt: skip
    await house.office.drained(timeout_s=30)


@asynccontextmanager
async def _simulated(
    jury: Jury, chat: WebChat, settings: Settings, seed: int
) -> AsyncIterator[None]:
    """Simulated colleagues on the page, in a process of their own: their joules are not ours."""
    pace_s = PACE_S.get(jury)
    if pace_s is None:
        yield
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot.jury",
        chat.entry_url(), str(settings.runs_dir), str(pace_s), str(seed),
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def write_report(path: Path, outcome: Outcome) -> None:
    """Write the report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(outcome.report, indent=1, default=str), encoding="utf-8")
