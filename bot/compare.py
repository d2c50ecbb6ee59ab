"""Runs with a control beside them: the demo, and `joulery compare`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from adapters.web.platform import WebChat
from bot import conclusion, pictures, report
from bot.app import Bot, running
from bot.house import Watcher
from bot.jury import Task
from bot.serving import web_chat
from bot.settings import Settings
from storage.models import Run, RunState
from trainer.spec import RunSpec

Jury = Literal["mixed", "people", "simulated"]
ARMS = ("human", "control", "no_votes")
TERMINAL = "the terminal"
"""Who started a run that no chat command did."""

PACE_S: Mapping[Jury, float] = {"mixed": 2.5, "simulated": 0.02}
"""Seconds a simulated colleague takes for a card: a human pace beside people, none alone."""


class CompareError(Exception):
    """The comparison ended without a result; the text says why."""


class InputRefused(CompareError):  # noqa: N818 -- reads as what happened
    """The data, the model or the disk cannot be used; the text names the remedy."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a comparison leaves behind."""

    report: dict[str, Any]
    picture: Path


@asynccontextmanager
async def compared(
    settings: Settings,
    spec: RunSpec,
    *,
    seeds: Sequence[int],
    jury: Jury,
    watcher: Watcher,
    announce: Any,
) -> AsyncIterator[Outcome]:
    """Train all arms for every seed, with votes from `jury`; the page stays up inside.

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
    comparison = f"c-{spec.name}-{seeds[0]}-{len(seeds)}" if len(seeds) > 1 else None
    reports = []
    async with running(settings, {chat.name: chat}) as bot:
        bot.house.watchers.append(watcher)
        announce(chat.entry_url())
        async with _simulated(jury, chat, settings, seeds[0]):
            for seed in seeds:
                run = await bot.rounds.begin(
                    spec, who=TERMINAL, seed=seed, arms=ARMS, comparison_id=comparison
                )
                run = await bot.rounds.wait(run.run_id)
                if run.state is not RunState.FINISHED:
                    raise await _failure(bot, run)
                reports.append(await asyncio.to_thread(conclusion.read_report, run))
            whole = report.comparison_report(reports)
            picture = conclusion.picture_path(run)
            if comparison is not None:
                picture = settings.data_dir.resolve() / f"{comparison}.png"
                await pictures.draw(pictures.metric_over_energy(whole, spec.name), picture)
            await bot.house.office.drained(timeout_s=30)
        yield Outcome(whole, picture)


async def _failure(bot: Bot, run: Run) -> CompareError:
    """Why a run has no result: its input was refused, or something broke."""
    segments = [
        segment
        for arm in await bot.house.call(bot.house.store.runs.arms, run.run_id)
        for segment in await bot.house.call(bot.house.store.runs.segments, arm.arm_id)
    ]
    if any((segment.report or {}).get("outcome") == "refused" for segment in segments):
        return InputRefused(run.reason)
    return CompareError(f"run {run.run_id} {run.state}: {run.reason}")


@asynccontextmanager
async def _simulated(
    jury: Jury, chat: WebChat, settings: Settings, seed: int
) -> AsyncIterator[None]:
    """Simulated colleagues on the page, in a process of their own: their joules are not ours."""
    pace_s = PACE_S.get(jury)
    if pace_s is None:
        yield
        return
    task = Task(chat.entry_url(), str(settings.runs_dir), pace_s, seed)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot.jury",
        stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(json.dumps(asdict(task)).encode())
    process.stdin.close()
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
