"""A run that is asked about and talked of, but trains nothing: for what people do around it."""

from __future__ import annotations

from typing import Any

from bot.app import Bot
from bot.ask import questions
from storage.models import FeatureView, Round, Run, SampleView, Segment, SegmentState
from trainer.segment import Candidate, SegmentReport
from trainer.spec import RunSpec

SAMPLE = SampleView(sample_id="pool-1", text="an apple", label="fruit")
WORDS = FeatureView(label="fruit", features=("apple", "pear"), shares=(0.6, 0.4))


def spec_of(**ask: Any) -> RunSpec:
    """A spec that is never trained."""
    return RunSpec(
        name="t", task="text-classification", model="toy", data={"pool": "csv:pool.csv"},
        ask={"quorum": 9, **ask},
    )  # fmt: skip


async def untrained(bot: Bot, spec: RunSpec) -> Run:
    """A run with its head message and thread, which nobody drives."""
    house = bot.house
    run = await house.call(
        house.store.runs.create, name="t", spec=spec.model_dump(mode="json"), seed=0,
        arms=("human",), runs_folder=house.settings.runs_dir, who="ana", now=house.now(),
    )  # fmt: skip
    await bot.rounds.live.show(run.run_id)
    return run


async def ask_of(bot: Bot, run: Run, spec: RunSpec, n: int = 0, **found: Any) -> Round:
    """Its round number `n`; one sample card and one feature card, where not told what a report found."""
    house = bot.house
    found = found or {
        "labels": ("fruit", "tools"),
        "candidates": (Candidate(view=SAMPLE, role="ask"),),
        "features": (WORDS,),
    }
    [arm] = await house.call(house.store.runs.arms, run.run_id)
    segment = Segment(
        segment_id=f"{arm.arm_id}.{n}.1", arm_id=arm.arm_id, n=n, attempt=1,
        state=SegmentState.PLANNED, until=0.0, lease_token="t", planned_at=house.now(),
    )  # fmt: skip
    report = SegmentReport(
        run_id=run.run_id, arm="human", segment=n, attempt=1, lease_token="t", outcome="done",
        started_at=house.now(), ended_at=house.now(), **found,
    )  # fmt: skip
    asked = questions(run, arm, spec, report, number=n, now=house.now(), channels=house.channels)
    assert asked is not None
    await house.call(house.store.runs.plan_segment, segment)
    await house.call(
        house.store.runs.book_report, segment, report.model_dump(mode="json"),
        planned_samples=10, checkpoint=None, evaluations=[], now=house.now(),
        asked=asked.round, ballots=asked.ballots, samples=asked.samples, items=asked.items,
    )  # fmt: skip
    house.office.wake()
    return asked.round
