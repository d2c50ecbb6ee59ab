"""Bars on the terminal: every run is told by its own kind, whoever watches."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from rich.console import Console

from bot.terminal import Bars
from storage.models import Run, RunState


def run_of(run_id: str, task: str) -> Run:
    return Run(
        run_id=run_id, name="x", spec={"task": task}, seed=0, state=RunState.TRAINING, folder="x",
        created_by="t", created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def test_runs_of_two_kinds_are_told_by_their_own_metrics():
    out = Console(file=io.StringIO(), width=120, force_terminal=True)
    bars = Bars(out)
    with bars:
        bars.evaluated(run_of("r1", "causal-lm"), "control", 10, 0.01)
        bars.evaluated(run_of("r2", "preference"), "no_votes", 10, 0.847)
        bars.progress(run_of("r2", "preference"), "no_votes", "training", 5, 10)

    shown = out.file.getvalue()
    assert "perplexity 100.0" in shown
    assert "accuracy 84.7 %" in shown
    assert "r2 automatic signals only" in shown
