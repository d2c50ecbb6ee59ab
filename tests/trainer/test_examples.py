"""The specs we ship: what a newcomer copies has to be right."""

from pathlib import Path

import pytest

from tests.trainer.plans import ASK, Arm
from trainer.data.read import read_splits
from trainer.kinds import KINDS
from trainer.spec import read_spec

SPECS = [*sorted(Path("examples").glob("*.yaml")), Path("bot/demo.yaml")]


@pytest.mark.parametrize("path", SPECS, ids=[path.stem for path in SPECS])
def test_a_shipped_spec_reads_its_data_and_simulated_voters_have_a_truth(path):
    splits = read_splits(read_spec(path), seed=0)

    assert len(splits.pool) >= 100
    assert splits.dev
    assert splits.has_truth
    assert any(sample.label != sample.truth for sample in splits.pool)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fine_tuning_has_an_example_of_its_name(kind):
    spec = read_spec(Path(f"examples/{kind}.yaml"))

    assert (spec.name, spec.task) == (kind, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_trains_and_asks(kind, tmp_path):
    """With its own data, model and settings, for the first steps."""
    spec = read_spec(Path(f"examples/{kind}.yaml"))
    short = spec.train.model_copy(update={"epochs": 0.2, "evaluations": 1})
    arm = Arm(spec.model_copy(update={"train": short}), tmp_path / "arm")

    report = arm.go(1.0, questions=ASK)

    first, *_, last = report.evaluations
    assert report.outcome == "done"
    assert report.candidates
    assert report.features
    assert last.samples > 0 == first.samples
    assert 0 < last.metric <= 1


def test_there_is_an_example_of_a_file_to_copy():
    assert "tickets" in {path.stem for path in SPECS}
