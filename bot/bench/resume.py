"""What a pause costs: from asking for the next segment to its first training step.

Every segment ends with its process, so this price is paid at every pause. The fork server has
torch loaded already; what is left is the fork, data, model, checkpoint and cached activations.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bot.bench.figures import BenchError, BenchReport, Figure
from trainer.launch import LocalLauncher
from trainer.marks import Mark, PhaseMark
from trainer.segment import SegmentError, SegmentPlan, SegmentReport
from trainer.spec import RunSpec

WANTED_S = 1.5


async def run(spec: RunSpec, *, quick: bool, progress: Callable[[int, int], None]) -> BenchReport:
    """Train a few steps, leave, and come back, again and again.

    Raises:
        BenchError: the segments could not be trained.
    """
    resumes = 3 if quick else 15
    launcher = LocalLauncher()
    began = time.monotonic()
    await launcher.warm()
    warm_s = time.monotonic() - began
    waits: list[float] = []
    with tempfile.TemporaryDirectory(prefix="joulery-bench-") as folder:
        checkpoint: str | None = None
        for number in range(resumes + 1):
            plan = _plan(spec, Path(folder), number, 0.01 * (number + 1), checkpoint)
            wait_s, report = await _segment(launcher, plan)
            assert report.checkpoint is not None
            checkpoint = report.checkpoint.path
            waits.append(wait_s)
            progress(number + 1, resumes + 1)
    first, *rest = waits
    return BenchReport(
        setting={
            "model": spec.model,
            "pool": spec.data.pool,
            "limit": spec.data.limit,
            "resumes": resumes,
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        },
        figures=(
            Figure("resume to first training step, median", statistics.median(rest), "s", _le()),
            Figure("resume to first training step, slowest", max(rest), "s", _le()),
            Figure("first start, pool embedded, to first step", first, "s", "<= 60"),
            Figure("fork server, once per bot", warm_s, "s", "<= 60"),
        ),
    )


def _le() -> str:
    return f"<= {WANTED_S}"


def _plan(
    spec: RunSpec, folder: Path, number: int, until: float, checkpoint: str | None
) -> SegmentPlan:
    return SegmentPlan(
        run_id="bench",
        arm="control",
        segment=number,
        attempt=1,
        lease_token=secrets.token_hex(8),
        spec=spec,
        seed=0,
        folder=str(folder / "control" / f"segment-{number}-1"),
        arm_folder=str(folder / "control"),
        checkpoint=checkpoint,
        until=until,
    )


async def _segment(launcher: LocalLauncher, plan: SegmentPlan) -> tuple[float, SegmentReport]:
    """(seconds until its first step, report)."""
    steps: list[float] = []

    def hear(mark: Mark) -> None:
        if isinstance(mark, PhaseMark) and mark.phase == "train":
            steps.append(time.monotonic())

    began = time.monotonic()
    child = await launcher.start(plan, hear)
    await child.wait()
    await asyncio.sleep(0)
    try:
        report = await asyncio.to_thread(SegmentReport.read, plan.report_path)
    except SegmentError as err:
        raise BenchError(f"the segment left no report: {err}") from err
    if report.outcome == "refused" or not steps:
        raise BenchError(report.message or "the segment never trained")
    return steps[0] - began, report
