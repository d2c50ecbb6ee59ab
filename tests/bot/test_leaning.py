"""What a model leans on, before and after people said what matters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bot.leaning import Shift, of_reports, said
from storage.models import FeatureView
from trainer.segment import Leaning, SegmentReport

ASKED = FeatureView(label="cat", features=("fur", "grass", "sky"), shares=(0.3, 0.25, 0.05))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = FeatureView(label="cat", features=("fur",), shares=(0.9,))


def report_of(**parts: Any) -> SegmentReport:
    return SegmentReport(
        run_id="r1", arm="human", segment=0, attempt=1, lease_token="t", outcome="done",
        started_at=NOW, ended_at=NOW, **parts,
    )  # fmt: skip


def test_shares_when_asked_are_held_against_those_at_the_end():
    reports = [
        report_of(features=(ASKED,)),
        report_of(features=(LATER,)),  # asked again: the first time counts
        report_of(
            leanings=(
                Leaning(label="cat", feature="fur", value=0.9, votes=3, share=0.35),
                Leaning(label="cat", feature="grass", value=-0.4, votes=2, share=0.05),
                # nobody was told its share
                Leaning(label="cat", feature="tail", value=0.8, votes=1, share=0.2),
            )
        ),
    ]

    grass, fur = of_reports(reports)

    assert grass == Shift("cat", "grass", -0.4, 2, 0.25, 0.05)
    assert (fur.before, fur.after) == (0.3, 0.35)
    assert grass.is_as_said is True
    assert fur.is_as_said is True


def test_the_thread_is_told_the_largest_shifts_in_one_sentence():
    shift = Shift("cat", "grass", -0.4, 2, 0.25, 0.05)
    assert said([shift]) == (
        "What the model leans on, when you were asked and now: “grass” for “cat” 25.0 % → 5.0 %."
    )
    assert said([]) == ""
    assert said([shift] * 9).count("→") == 4


def test_nothing_is_said_of_an_arm_that_ended_before():
    assert of_reports([report_of(features=(ASKED,))]) == ()
