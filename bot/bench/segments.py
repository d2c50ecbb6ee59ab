"""An arm in training, segment by segment, as the bot would train it: its curve and what it cost."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bot.bench.figures import BenchError
from trainer.launch import LocalLauncher
from trainer.marks import Mark
from trainer.segment import Opinions, Questions, SegmentError, SegmentPlan, SegmentReport
from trainer.spec import RunSpec

FREE = ("load", "evaluate")
"""Phases that are no part of what an arm costs."""


class ArmInTraining:
    """One arm of ours, through the same child process as the bot's runs.

    Args:
        name: what an error calls it.
        arm: which; see `trainer.arms`.
        spec: of its run.
        folder: its own; checkpoints stay there.
        launcher: of the children.
        hear: hears their marks.
    """

    def __init__(
        self,
        name: str,
        arm: str,
        spec: RunSpec,
        folder: Path,
        launcher: LocalLauncher,
        hear: Callable[[Mark], None] = lambda _: None,
    ) -> None:
        self._name, self._arm, self.spec, self.folder = name, arm, spec, folder
        self._launcher, self._hear = launcher, hear
        self.plans: list[SegmentPlan] = []
        self.reports: list[SegmentReport] = []
        self.checkpoint: str | None = None
        self.curve: list[dict[str, Any]] = []
        """Evaluations so far: samples, tokens, cpu_s, forwards, metric, dev; costs count from the
        first, tokens are those trained on."""
        self.cpu_s = self.forwards = self.load_s = 0.0
        """Spent so far, loading and evaluations left out; a trained sample is 2.2 forwards."""
        self.score_s = 0.0
        """The part of `cpu_s` that went into looking at the pool and choosing from it."""
        self.samples = self.tokens = 0
        """Trained on so far."""

    async def segment(
        self, until: float, opinions: Opinions | None = None, questions: Questions | None = None
    ) -> SegmentReport:
        """Train to `until`, a share of the planned samples.

        Raises:
            BenchError: it was refused, or its child died.
        """
        number = len(self.plans)
        plan = SegmentPlan(
            run_id="bench", arm=self._arm, segment=number, attempt=1,
            lease_token=secrets.token_hex(8), spec=self.spec, seed=self.spec.train.seed,
            folder=str(self.folder / f"segment-{number}-1"), arm_folder=str(self.folder),
            checkpoint=self.checkpoint, until=until, opinions=opinions or Opinions(),
            questions=questions,
        )  # fmt: skip
        child = await self._launcher.start(plan, self._hear)
        await child.wait()
        try:
            report = await asyncio.to_thread(SegmentReport.read, plan.report_path)
        except SegmentError as err:
            raise BenchError(f"{self._name}: the segment left no report: {err}") from err
        if report.outcome != "done":
            raise BenchError(f"{self._name}: {report.message or report.outcome}")
        self.plans.append(plan)
        self.reports.append(report)
        self._book(report)
        return report

    def goes_to_its_end(self) -> None:
        """From here on it is trained as long as a control, however flat its dev set is."""
        train = self.spec.train.model_copy(update={"patience": 0})
        self.spec = self.spec.model_copy(update={"train": train})

    def branch(self, folder: Path) -> ArmInTraining:
        """The same arm as it stands, to be trained on apart from this one."""
        shutil.copytree(self.folder, folder)
        twin = ArmInTraining(self._name, self._arm, self.spec, folder, self._launcher)
        twin.plans, twin.reports, twin.curve = [*self.plans], [*self.reports], [*self.curve]
        twin.checkpoint, twin.samples = self.checkpoint, self.samples
        twin.cpu_s, twin.forwards, twin.load_s = self.cpu_s, self.forwards, self.load_s
        twin.score_s, twin.tokens = self.score_s, self.tokens
        return twin

    def _book(self, report: SegmentReport) -> None:
        for point in report.evaluations:
            self.curve.append({
                "samples": point.samples, "tokens": self.tokens + point.tokens,
                "cpu_s": self.cpu_s + point.cpu_s,
                "forwards": self.forwards + point.forwards, "metric": point.metric,
                "dev": point.dev_metric,
            })  # fmt: skip
        cost = {c.phase: c.cpu_s for c in report.costs}
        self.load_s += cost.get("load", 0.0)
        self.cpu_s += sum(s for phase, s in cost.items() if phase not in FREE)
        self.score_s += cost.get("score", 0.0)
        self.tokens += _tokens_in(report, self.samples)
        self.samples += report.samples_trained
        self.forwards += report.samples_needed + 2.2 * report.samples_trained
        if report.checkpoint is not None:
            self.checkpoint = report.checkpoint.path

    def found(self) -> dict[str, Any]:
        """Curve and costs, as plain data."""
        return {
            "curve": self.curve, "cpu_s": self.cpu_s, "load_s": self.load_s,
            "forwards": self.forwards, "samples": self.samples, "tokens": self.tokens,
            "score_s": self.score_s,
            "is_flat": bool(self.reports) and self.reports[-1].is_flat,
        }  # fmt: skip


def _tokens_in(report: SegmentReport, before: int) -> int:
    """Trained on in a segment; after its last evaluation as many per sample as until then.

    Args:
        report: of the segment.
        before: samples trained on before it.
    """
    last = report.evaluations[-1] if report.evaluations else None
    if last is None or last.samples <= before:
        return 0
    return round(last.tokens * report.samples_trained / (last.samples - before))


async def run_module(name: str, task: Mapping[str, Any]) -> None:
    """Run one of the trainer's modules in a process of its own; its words go where errors go.

    Raises:
        BenchError: it failed; the text is the last thing it said.
    """
    quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", name,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE, env={**os.environ, **quiet},
    )  # fmt: skip
    _, said = await process.communicate(json.dumps(task).encode())
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines()
        raise BenchError(lines[-1] if lines else f"{name} ended with {process.returncode}")
