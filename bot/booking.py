"""What a segment's report means for the store, and what the run's thread hears of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot import digest, messages, metrics, outgoing, words
from bot.wording import arm_said, kind_of
from storage.models import Arm, Checkpoint, Evaluation, OutboxItem, Round, Run, Segment
from trainer.segment import SegmentReport, SelectionReport


def checkpoint(arm: Arm, report: SegmentReport) -> Checkpoint | None:
    """The checkpoint it left; None before any training."""
    saved = report.checkpoint
    if saved is None:
        return None
    return Checkpoint(
        arm_id=arm.arm_id,
        samples=saved.samples,
        path=saved.path,
        weights_sha256=saved.weights_sha256,
        created_at=report.ended_at,
    )


def evaluations(arm: Arm, report: SegmentReport) -> list[Evaluation]:
    """Its points of the arm's history."""
    return [
        Evaluation(
            arm_id=arm.arm_id,
            samples=point.samples,
            metric=point.metric,
            dev_metric=point.dev_metric,
            at=point.at,
        )
        for point in report.evaluations
    ]


def asleep_items(
    channels: Mapping[str, str], run: Run, segment: Segment, wakes_at: datetime
) -> list[OutboxItem]:
    """Why a pause at night asked nobody."""
    said = (
        f"Quiet hours until {wakes_at:%H:%M %Z}: nobody is asked at this pause and training goes on; "
        "pauses by day ask."
    )
    return outgoing.in_thread(channels, run.run_id, f"night:{segment.segment_id}", said)


def answers_items(
    channels: Mapping[str, str], run: Run, segment: Segment, report: SegmentReport
) -> list[OutboxItem]:
    """What the model answers by now, for a pause at which nobody is asked anything."""
    if not report.generations:
        return []
    said = messages.own_answers(report.generations)
    return outgoing.in_thread(channels, run.run_id, f"answers:{segment.segment_id}", said)


def thread_items(
    channels: Mapping[str, str],
    run: Run,
    arm: Arm,
    report: SegmentReport,
    rounds: Sequence[Round],
) -> list[OutboxItem]:
    """What was left out of the data, said once a run, and what the votes did."""
    items: list[OutboxItem] = []
    if report.skipped and arm.position == 0 and report.segment == 0:
        said = messages.skipped_said(report.skipped)
        items += outgoing.in_thread(channels, run.run_id, f"skipped:{run.run_id}", said)
    if report.checkpoint is not None and report.evaluations:
        items += _checkpoint_items(channels, run, arm, report)
    if report.selection is not None:
        items += selection_items(channels, run, arm, report.selection, rounds)
    return items


def _checkpoint_items(
    channels: Mapping[str, str], run: Run, arm: Arm, report: SegmentReport
) -> list[OutboxItem]:
    """How an arm does at a checkpoint, for channels that want to hear all."""
    assert report.checkpoint is not None
    kind, at = kind_of(run.spec), report.checkpoint.samples
    metric = metrics.said(report.evaluations[-1].metric, kind)
    said = (
        f"{arm_said(arm.name, run.spec).capitalize()}: checkpoint after {words.count(at)} of "
        f"{words.count(report.planned_samples)} samples, {kind.metric} {metric}."
    )
    return outgoing.in_thread(channels, run.run_id, f"checkpoint:{arm.arm_id}:{at}", said)


def selection_items(
    channels: Mapping[str, str],
    run: Run,
    arm: Arm,
    found: SelectionReport,
    rounds: Sequence[Round],
) -> list[OutboxItem]:
    """What the votes did; told when the child decides, and once more (no-op) at its end.

    It is added to the digest of the last round; only what undoes votes is a message of its own.
    """
    if arm.name != "human" or found.votes == 0:
        return []
    if found.undone:
        what = f"{found.votes}-{found.dropped}-{found.reweighted}-{found.relabelled}"
        text = messages.selection_said(found, kind_of(run.spec))
        key = f"selection:{arm.arm_id}:{what}-undone"
        return outgoing.in_thread(channels, run.run_id, key, text)
    told = digest.with_effect(rounds, found, kind_of(run.spec))
    return outgoing.reworded(channels, *told) if told else []
