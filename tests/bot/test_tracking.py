"""Trackers: their own readers read back what was written, and none of them can stop anything."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from dataclasses import asdict
from datetime import timedelta

import pytest

from bot.history import ArmHistory, Point
from bot.tracking.points import series, tracked
from bot.tracking.told import Tracked
from storage import energy
from storage.models import Evaluation, SegmentState
from tests.storage.records import T0, new_run, segment

POINTS = [
    Tracked(100, T0, {"accuracy": 0.5, "energy_j": 12.5, "loss": 1.25}),
    Tracked(200, T0 + timedelta(seconds=60), {"accuracy": 0.75, "energy_j": 30.0}),
]


@pytest.fixture
def arm(store):
    """A run's first arm, as trackers know it."""
    run = new_run(store, spec={"task": "text-classification", "train": {"epochs": 2}})
    return series(run, store.runs.arms("r1")[0])


def tell(tracker, one, folder, points=POINTS, **environment):
    """What the trackers' process answers."""
    lines = [
        {
            "series": asdict(one),
            "point": {"step": p.step, "at": p.at.isoformat(), "values": p.values},
        }
        for p in points
    ]
    head = {"tracker": tracker, "folder": str(folder)}
    text = "".join(json.dumps(line) + "\n" for line in (head, *lines))
    done = subprocess.run(
        [sys.executable, "-m", "bot.tracking.child"], input=text, text=True, capture_output=True,
        env={**os.environ, **environment}, check=True, timeout=120,
    )  # fmt: skip
    return json.loads(done.stdout)


# --- TensorBoard --------------------------------------------------------------------------------


def events_in(path):
    """The events of a file, read by the format's own rules: length, masked CRC-32C, bytes."""
    from tensorboardX.crc32c import crc32c
    from tensorboardX.proto.event_pb2 import Event

    def masked(data):
        crc = crc32c(data)
        return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert struct.unpack("<I", data[8:12])[0] == masked(data[:8])
        body = data[12 : 12 + length]
        assert struct.unpack("<I", data[12 + length : 16 + length])[0] == masked(body)
        found.append(Event.FromString(body))
        data = data[16 + length :]
    return found


def test_tensorboard_events_hold_every_number_with_its_step_and_time(arm, tmp_path):
    assert tell("tensorboard", arm, tmp_path) == ""

    files = [*(tmp_path / "tensorboard" / "banking-r1" / "human").iterdir()]
    found = {
        (v.tag, e.step): (v.simple_value, e.wall_time)
        for e in events_in(files[0]) for v in e.summary.value
    }  # fmt: skip
    assert found == {
        (name, p.step): (pytest.approx(value), p.at.timestamp())
        for p in POINTS for name, value in p.values.items()
    }  # fmt: skip


def test_tensorboards_own_reader_reads_them_from_several_processes(arm, tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="TensorBoard itself is not installed (pip install tensorboard)",
    )
    for point in POINTS:  # a process per segment, a file each
        assert tell("tensorboard", arm, tmp_path, [point]) == ""

    folder = tmp_path / "tensorboard" / "banking-r1" / "human"
    read = [accumulator.EventAccumulator(str(path)).Reload() for path in sorted(folder.iterdir())]
    steps = sorted((e.step, e.value) for one in read for e in one.Scalars("accuracy"))
    assert steps == [(100, 0.5), (200, 0.75)]


def test_the_trackers_process_loads_neither_torch_nor_the_bot(arm, tmp_path):
    code = (
        "import sys, io; sys.stdin = io.StringIO(sys.argv[1]); from bot.tracking import child\n"
        "child.main()\n"
        "print([m for m in ('torch', 'sqlmodel', 'bot.house') if sys.modules.get(m)], file=sys.stderr)"
    )
    line = {"series": asdict(arm), "point": {"step": 1, "at": T0.isoformat(), "values": {"x": 1}}}
    text = "\n".join(
        json.dumps(x) for x in ({"tracker": "tensorboard", "folder": str(tmp_path)}, line)
    )

    done = subprocess.run(
        [sys.executable, "-c", code, text], capture_output=True, text=True, check=True
    )

    assert done.stderr.strip() == "[]"


# --- the others, where they are installed -------------------------------------------------------


def test_mlflow_keeps_one_run_per_arm_however_often_it_is_told(arm, tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="not installed: pip install 'joulery[mlflow]'")
    where = f"sqlite:///{tmp_path}/mlflow.db"
    for point in POINTS:
        assert tell("mlflow", arm, tmp_path, [point], MLFLOW_TRACKING_URI=where) == ""

    client = mlflow.MlflowClient(tracking_uri=where)
    experiment = client.get_experiment_by_name("joulery")
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 1
    history = client.get_metric_history(runs[0].info.run_id, "accuracy")
    assert [(m.step, m.value) for m in history] == [(100, 0.5), (200, 0.75)]
    assert runs[0].data.params["train.epochs"] == "2"


def test_wandb_writes_offline_runs_without_an_account(arm, tmp_path):
    pytest.importorskip("wandb", reason="not installed: pip install 'joulery[wandb]'")

    assert tell("wandb", arm, tmp_path, WANDB_MODE="offline") == ""

    files = [*tmp_path.glob("wandb/offline-run-*/*.wandb")]
    assert len(files) == 1
    assert files[0].stat().st_size > 200


def test_trackio_keeps_the_points_in_its_own_database(arm, tmp_path):
    pytest.importorskip("trackio", reason="not installed: pip install 'joulery[trackio]'")

    assert tell("trackio", arm, tmp_path, TRACKIO_DIR=str(tmp_path / "t")) == ""

    assert any((tmp_path / "t").rglob("*.db"))


# --- what goes wrong ----------------------------------------------------------------------------


def test_a_tracker_that_is_not_installed_is_told_with_the_remedy(arm, tmp_path):
    code = "import sys; sys.modules['mlflow'] = None\nfrom bot.tracking import child; child.main()"
    line = {"series": asdict(arm), "point": {"step": 1, "at": T0.isoformat(), "values": {}}}
    text = "\n".join(json.dumps(x) for x in ({"tracker": "mlflow", "folder": "."}, line))

    done = subprocess.run(
        [sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True
    )

    assert (
        json.loads(done.stdout)
        == "mlflow: mlflow is not installed; run: pip install 'joulery[mlflow]'"
    )


def test_a_tracker_that_cannot_write_is_told_in_one_line(arm, tmp_path):
    (tmp_path / "tensorboard").write_text("a file where a folder should be")

    trouble = tell("tensorboard", arm, tmp_path)

    assert trouble.startswith("tensorboard: ")
    assert "\n" not in trouble


# --- what is told -------------------------------------------------------------------------------


def test_points_join_metric_joules_loss_and_what_votes_did(store):
    run = new_run(store, spec={"task": "causal-lm"})
    told = Evaluation(arm_id="r1.human", samples=10, metric=0.05, dev_metric=0.04, at=T0)
    history = ArmHistory("human", (Point(10, 77.0, 0.05, 0.04),), energy.total([]))
    report = {
        "evaluations": [{"samples": 10, "loss": 2.5}],
        "selection": {"kept": 60, "dropped": 12, "relabelled": 3, "votes": 40, "auc": None},
    }
    booked = segment("r1.human", state=SegmentState.DONE, report=report)

    found = tracked(run, history, [told], [booked])

    assert found == [Tracked(10, T0, {
        "perplexity": pytest.approx(20), "energy_j": 77.0, "dev_perplexity": pytest.approx(25),
        "loss": 2.5, "pool_kept": 60.0, "pool_dropped": 12.0, "pool_relabelled": 3.0,
        "pool_votes": 40.0,
    })]  # fmt: skip


def test_a_number_that_is_none_is_left_out(store):
    told = Evaluation(arm_id="r1.human", samples=10, metric=0.0, at=T0)
    history = ArmHistory("human", (Point(10, 7.0, 0.0),), energy.total([]))

    found = tracked(new_run(store, spec={"task": "causal-lm"}), history, [told], [])

    assert found[0].values == {"energy_j": 7.0}
