"""The specs we ship: what a newcomer copies has to be right."""

from pathlib import Path

import pytest

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


def test_there_is_an_example_of_a_file_to_copy():
    assert "tickets" in {path.stem for path in SPECS}
