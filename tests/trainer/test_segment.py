"""Plans and reports: plain data that survives its file, whole or not at all."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.models import FeatureView, SampleView
from tests.trainer.limits import no_file_above
from tests.trainer.plans import ASK, plan_of, votes
from trainer.segment import (
    Candidate,
    CheckpointReport,
    EvaluationPoint,
    PhaseCost,
    SegmentError,
    SegmentPlan,
    SegmentReport,
    SelectionReport,
)

AT = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)


def report(message: str = "", candidates: int = 2) -> SegmentReport:
    view = SampleView(sample_id="pool-1", text='“quoted” \n text \u2028 🍐 \\ "', label="fruit")
    return SegmentReport(
        run_id="r1", arm="human", segment=2, attempt=1, lease_token="t", outcome="done",
        message=message, pool_size=70, planned_samples=140, labels=("fruit", "tools"),
        skipped=(("text is empty", 2, "pool-3"),),
        checkpoint=CheckpointReport(path="/a/000000040", samples=40, weights_sha256="ab" * 32),
        is_flat=True, best_samples=0, unsettled=("tools", "fruit"),
        evaluations=(
            EvaluationPoint(
                samples=40, metric=1 / 3, dev_metric=0.1, loss=None, at=AT, cpu_s=0.1, forwards=88.7
            ),
        ),
        candidates=(Candidate(view=view, role="gold", truth=0.0, keep=0.1 + 0.2),) * candidates,
        features=(FeatureView(label="fruit", features=("fig",), shares=(0.25,)),),
        selection=SelectionReport(pool=70, kept=60, dropped=10, reweighted=3, auc=0.7, note="-"),
        samples_trained=40, samples_scored=35.5, samples_evaluated=5.25, flops_estimate=1e12,
        costs=(PhaseCost(phase="train", wall_s=1.5, cpu_s=2.5),), started_at=AT, ended_at=AT,
        versions={"torch": "2.6"},
    )  # fmt: skip


def test_a_plan_survives_its_file(tiny_spec, tmp_path):
    plan = plan_of(
        tiny_spec(), tmp_path, opinions=votes(["pool-1", "pool-ü"], 1 / 3, relabel="fruit"),
        questions=ASK, cuda_device="GPU-1",
    )  # fmt: skip

    plan.write(tmp_path / "plan.json")

    assert SegmentPlan.read(tmp_path / "plan.json") == plan


def test_a_report_survives_its_file(tmp_path):
    report().write(tmp_path / "report.json")

    back = SegmentReport.read(tmp_path / "report.json")
    assert back == report()
    assert back.evaluations[0].at.tzinfo is not None
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_a_report_from_before_there_were_costs_of_points_can_still_be_read():
    old = report().model_dump(mode="json")
    for key in ("is_flat", "best_samples", "unsettled", "samples_evaluated"):
        del old[key]
    for key in ("cpu_s", "forwards"):
        del old["evaluations"][0][key]

    back = SegmentReport.model_validate(old)

    assert (back.is_flat, back.best_samples, back.evaluations[0].forwards) == (False, None, 0)


def test_what_an_arm_needs_is_what_it_scored_but_for_measuring_it():
    assert report().samples_needed == 35.5 - 5.25


@given(st.text(max_size=200))
def test_any_text_survives(text):
    before = report(message=text)

    assert SegmentReport.model_validate_json(before.model_dump_json()) == before


def test_report_and_stop_file_lie_in_the_attempts_folder(tiny_spec, tmp_path):
    plan = plan_of(tiny_spec(), tmp_path)

    assert plan.report_path == Path(plan.folder) / "report.json"
    assert plan.stop_path.parent == Path(plan.folder)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"run_id": "r1"}', b"\xff\xfe", b'{"future": 1}'],
    ids=["empty", "half", "list", "null", "too little", "no text", "unknown key"],
)
def test_what_is_no_report_is_an_error_with_its_path(tmp_path, content):
    (tmp_path / "report.json").write_bytes(content)

    with pytest.raises(SegmentError, match=r"cannot read .*report\.json"):
        SegmentReport.read(tmp_path / "report.json")


def test_a_missing_report_is_an_error_with_its_path(tmp_path):
    with pytest.raises(SegmentError, match=r"cannot read .*report\.json"):
        SegmentReport.read(tmp_path / "report.json")


def test_a_half_written_report_is_never_seen(tmp_path):
    """One thread writes large reports over each other, another reads all the while."""
    path = tmp_path / "report.json"
    reports = [report("a" * 100_000, 200), report("b" * 10, 2)]
    reports[0].write(path)
    done = threading.Event()

    def write() -> None:
        for number in range(40):
            reports[number % 2].write(path)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = {0, 1} & {0}
    while not done.is_set():
        seen.add(reports.index(SegmentReport.read(path)))
    writer.join()

    assert seen == {0, 1}


def test_a_report_that_does_not_fit_leaves_the_older_one_whole(tmp_path):
    path = tmp_path / "report.json"
    report("old").write(path)

    with no_file_above(8000), pytest.raises(OSError, match=r".+"):
        report("new", candidates=500).write(path)

    assert SegmentReport.read(path) == report("old")


def test_a_writer_that_is_killed_leaves_a_whole_report(tmp_path):
    path = tmp_path / "report.json"
    report("old", 300).write(path)
    code = (
        "import sys; from pathlib import Path; from trainer.segment import SegmentReport\n"
        "path = Path(sys.argv[1]); report = SegmentReport.read(path)\n"
        "print('begin', flush=True)\n"
        "while True: report.write(path)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout.readline() == b"begin\n"
        writer.kill()

    assert SegmentReport.read(path) == report("old", 300)
