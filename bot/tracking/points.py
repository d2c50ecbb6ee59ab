"""What trackers are told of a run, read off what is booked. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bot import metrics
from bot.history import ArmHistory
from bot.tracking.told import Series, Tracked
from bot.wording import kind_of
from storage.models import Arm, Evaluation, Run, Segment, SegmentState
from trainer.kinds import Kind


def series(run: Run, arm: Arm) -> Series:
    """What an arm is called; two bots may both have a run r1, but not at the same moment."""
    began = run.created_at.strftime("%Y%m%d%H%M%S%f")
    return Series(f"{run.name}-{began}-{arm.name}", f"{run.name}-{run.run_id}", arm.name, run.spec)


def tracked(
    run: Run, history: ArmHistory, evaluations: Sequence[Evaluation], segments: Iterable[Segment]
) -> list[Tracked]:
    """An arm's points, oldest first: one per evaluation, and what votes did to the pool.

    Args:
        run: whose.
        history: the arm's curve with its joules.
        evaluations: the same points, with their times.
        segments: the arm's.
    """
    kind = kind_of(run.spec)
    found = []
    losses = _losses(segments)
    for point, evaluation in zip(history.points, evaluations, strict=True):
        values = {kind.metric: _plain(point.metric, kind), "energy_j": point.energy_j}
        if point.dev_metric is not None:
            values[f"dev_{kind.metric}"] = _plain(point.dev_metric, kind)
        values |= losses.get(point.samples, {})
        known = {name: value for name, value in values.items() if math.isfinite(value)}
        found.append(Tracked(point.samples, evaluation.at, known))
    return found


def _plain(metric: float, kind: Kind) -> float:
    """An accuracy as a share; a perplexity as one, as people are told it."""
    return metrics.on_axis(metric, kind) if kind.metric == "perplexity" else metric


def _losses(segments: Iterable[Segment]) -> dict[int, dict[str, float]]:
    """Samples -> what reports alone know: the loss, and how the pool was chosen from."""
    found: dict[int, dict[str, float]] = {}
    for segment in segments:
        report = segment.report or {}
        if segment.state is not SegmentState.DONE:
            continue
        chosen = report.get("selection") or {}
        pool = {
            f"pool_{name}": float(chosen[name])
            for name in ("kept", "dropped", "relabelled", "votes") if name in chosen
        }  # fmt: skip
        for point in report.get("evaluations", ()):
            loss = {} if point["loss"] is None else {"loss": float(point["loss"])}
            found[point["samples"]] = {**loss, **pool}
    return found
