"""Telling trackers what was booked: seldom, by a process that ends, and at no risk to a run."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.history import histories
from bot.house import House
from bot.tracking.points import series, tracked
from bot.tracking.told import Series, Tracked
from storage.database import StoreError
from storage.models import Run
from trainer.files import write_whole

log = logging.getLogger(__name__)

LOOK_S = 30.0
"""How often is looked whether there is anything new."""
MADE_UP_FOR = timedelta(days=2)
"""After a restart, runs that ended so long ago are told of, if they were not."""
MAX_S = 120.0
"""So long a tracker may take: one that waits for a network ends here, and is told again later."""
LAST_S = 10.0
TOLD_FILE = "tracked.json"
"""In a run's folder: tracker -> arm -> samples up to which it was told."""

Points = list[tuple[str, Series, Tracked]]
"""(arm, its series, a point of it), in order."""


class Trackers:
    """Tells the trackers that are set, after segments are booked; points come in order, once.

    A process for each tells it and ends: between segments there is none, and nothing of it is ever
    in the bot. One that fails is told again once there is more to tell.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._open: set[str] = set()
        self._is_new = True
        self._failed: dict[tuple[str, str], int] = {}  # (run, tracker) -> lines it did not take
        self._troubles: set[str] = set()
        self._one_at_a_time = asyncio.Lock()

    async def look(self) -> None:
        """Tell what is new, of runs that move, or did when last looked."""
        house, names = self._house, self._house.settings.trackers
        async with self._one_at_a_time:
            for run in await house.call(self._due) if names else ():
                points = await house.call(self._points, run)
                for name in names:
                    await self._bring(run, name, points)

    async def close(self) -> None:
        """Look once more before the bot leaves, for a moment; what is missed is made up for."""
        try:
            async with asyncio.timeout(LAST_S):
                await self.look()
        except (TimeoutError, OSError, StoreError) as err:
            log.warning("trackers were not told at the end", extra={"reason": str(err)})

    def _due(self) -> list[Run]:
        runs = self._house.store.runs
        now_open = {run.run_id: run for run in runs.all(is_open=True)}
        ended = [found for one in self._open - now_open.keys() if (found := runs.get(one))]
        if self._is_new:
            since = self._house.now() - MADE_UP_FOR
            ended = [r for r in runs.all(is_open=False) if r.ended_at and r.ended_at > since]
        self._open, self._is_new = set(now_open), False
        return [*now_open.values(), *ended]

    def _points(self, run: Run) -> Points:
        """All points so far; the ledger is read only where some tracker lacks one."""
        store, told = self._house.store, _told(run)
        arms = store.runs.arms(run.run_id)
        evaluations = {arm.arm_id: store.runs.evaluations(arm.arm_id) for arm in arms}
        last = {a.name: evaluations[a.arm_id][-1].samples for a in arms if evaluations[a.arm_id]}
        if all(told.get(name) == last for name in self._house.settings.trackers):
            return []
        readings = store.ledger.of_run(run.run_id)
        return [
            (arm.name, series(run, arm), point)
            for arm, history in zip(arms, histories(arms, evaluations, readings), strict=True)
            for point in tracked(
                run, history, evaluations[arm.arm_id], store.runs.segments(arm.arm_id)
            )
        ]

    async def _bring(self, run: Run, name: str, points: Points) -> None:
        """Tell one tracker what it was not told yet."""
        told = await asyncio.to_thread(_told, run)
        mine = told.get(name, {})
        new = [p for p in points if p[2].step > mine.get(p[0], -1)]
        if not new or self._failed.get((run.run_id, name)) == len(new):
            return
        trouble = await self._tell(name, [_line(one, point) for _, one, point in new])
        if trouble:
            self._failed[run.run_id, name] = len(new)
            if trouble not in self._troubles:
                log.warning("a tracker was not told: %s", trouble)
            self._troubles.add(trouble)
            return
        told[name] = mine | {arm: point.step for arm, _, point in new}
        await asyncio.to_thread(write_whole, _told_path(run), json.dumps(told))

    async def _tell(self, name: str, lines: Sequence[str]) -> str:
        """What went wrong; nothing where all is told."""
        head = {"tracker": name, "folder": str(self._house.settings.data_dir.resolve())}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot.tracking.child",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        text = "".join(f"{line}\n" for line in (json.dumps(head), *lines))
        try:
            async with asyncio.timeout(MAX_S):
                answer, _ = await process.communicate(text.encode())
            trouble: str = json.loads(answer)
        except (TimeoutError, ValueError, OSError) as err:
            return f"{name}: its process broke off ({type(err).__name__})"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return trouble


def _line(one: Series, point: Tracked) -> str:
    told: dict[str, Any] = {"step": point.step, "at": point.at.isoformat(), "values": point.values}
    return json.dumps({"series": asdict(one), "point": told})


def _told_path(run: Run) -> Path:
    return Path(run.folder) / TOLD_FILE


def _told(run: Run) -> dict[str, dict[str, int]]:
    try:
        found: dict[str, dict[str, int]] = json.loads(_told_path(run).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found
