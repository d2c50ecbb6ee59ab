"""Where a run ends, how much it takes, and what it leaves: by played metrics and head starts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainer.plans import ASK, Arm, pool_ids, votes
from trainer import activations, desk
from trainer.attribution import words_of
from trainer.data.read import read_splits
from trainer.segment import FeatureOpinion, Opinions, SegmentReport
from trainer.tasks import classification
from trainer.tasks.base import HeadStart
from trainer.tasks.text_classification import TextClassification


def played(monkeypatch, *metrics: float) -> None:
    """The dev metric takes these values in turn, the last one for ever."""
    course = iter(metrics)
    last = [0.0]

    def evaluate(learner: TextClassification, split: str) -> float:
        if split == "dev":
            last[0] = next(course, last[0])
            learner.dev_scores = np.zeros(len(learner.splits.dev))
        return last[0]

    monkeypatch.setattr(TextClassification, "evaluate", evaluate)


def averages_of(report: SegmentReport, name: str = "averages") -> dict[str, torch.Tensor]:
    return activations.load(Path(report.checkpoint.path) / f"{name}.safetensors")


def test_training_that_gets_no_better_ends_before_its_time(tiny_spec, tmp_path, monkeypatch):
    """Better at the first evaluation of twelve, never again: with a patience of 3 it ends there."""
    played(monkeypatch, 0.4, 0.6, 0.5, 0.6, 0.2)
    spec = tiny_spec(train={"evaluations": 12, "patience": 3})

    report = Arm(spec, tmp_path).go(1.0)

    assert report.is_flat
    assert report.outcome == "done"
    assert [e.dev_metric for e in report.evaluations] == [0.4, 0.6, 0.5, 0.6, 0.2]
    assert report.best_samples == report.evaluations[1].samples
    assert report.samples_trained == report.evaluations[-1].samples < report.planned_samples


def test_without_patience_training_goes_on_to_its_end(tiny_spec, tmp_path, monkeypatch):
    played(monkeypatch, 0.4)

    report = Arm(tiny_spec(train={"evaluations": 12, "patience": 0}), tmp_path).go(1.0)

    assert not report.is_flat
    assert report.samples_trained >= report.planned_samples


def test_a_checkpoint_holds_the_best_weights_and_the_last_ones(tiny_spec, tmp_path, monkeypatch):
    """The best of two runs that part after their best evaluation are the same, bit for bit."""
    played(monkeypatch, 0.4, 0.9, 0.5)
    best_at_once, later = Arm(tiny_spec(), tmp_path / "a"), Arm(tiny_spec(), tmp_path / "b")

    first = best_at_once.go(0.25)
    played(monkeypatch, 0.4, 0.9, 0.5)
    last = later.go(1.0)

    assert first.best_samples == last.best_samples == first.checkpoint.samples
    for name, value in averages_of(last, "best").items():
        assert torch.equal(value, averages_of(first)[name])
        assert torch.equal(value, averages_of(first, "best")[name])
    assert any(
        not torch.equal(v, averages_of(last, "best")[n]) for n, v in averages_of(last).items()
    )


def test_the_best_of_an_earlier_segment_is_kept(tiny_spec, tmp_path, monkeypatch):
    arm = Arm(tiny_spec(), tmp_path)
    played(monkeypatch, 0.4, 0.9, 0.5)
    first = arm.go(0.5)
    played(monkeypatch, 0.7)

    second = arm.go(1.0)

    assert second.best_samples == first.best_samples
    for name, value in averages_of(second, "best").items():
        assert torch.equal(value, averages_of(first, "best")[name])


def test_where_nothing_gets_better_more_samples_are_let_in_before_it_ends(
    tiny_spec, tmp_path, monkeypatch
):
    played(monkeypatch, 0.4)
    started(monkeypatch, (1.0, 50))
    spec = tiny_spec(train={"evaluations": 24, "patience": 2})
    arm = Arm(spec, tmp_path, opinions=votes(pool_ids(spec), 0.7))

    report = arm.go(1.0)

    kept = [m.report.kept for m in arm.marks if m.kind == "selection"]
    assert kept == sorted(set(kept))
    assert len(kept) > 1
    assert report.selection.kept == kept[-1] == report.pool_size
    assert report.is_flat
    assert len(report.evaluations) == 1 + 2 * len(kept)


def rising(monkeypatch) -> None:
    """The dev metric is better each time, so that no patience ends."""
    played(monkeypatch, *(0.01 * k for k in range(1, 99)))
    started(monkeypatch, (1.0, 50))


def test_what_was_gone_over_as_often_as_planned_is_learnt_and_more_let_in(
    tiny_spec, tmp_path, monkeypatch
):
    """A few samples again and again are learnt by heart, though the dev set goes on getting better."""
    rising(monkeypatch)
    spec = tiny_spec(train={"evaluations": 24, "patience": 2, "epochs": 6.0})
    arm = Arm(spec, tmp_path, opinions=votes(pool_ids(spec), 0.7))

    report = arm.go(1.0)

    kept = [m.report.kept for m in arm.marks if m.kind == "selection"]
    assert kept == sorted(set(kept))
    assert len(kept) > 1
    assert not report.is_flat


def test_a_pause_does_not_change_when_more_is_let_in(tiny_spec, tmp_path, monkeypatch):
    spec = tiny_spec(train={"evaluations": 24, "patience": 2, "epochs": 6.0})
    said = votes(pool_ids(spec), 0.7)
    rising(monkeypatch)
    straight = Arm(spec, tmp_path / "a", opinions=said).go(1.0)

    rising(monkeypatch)
    paused = Arm(spec, tmp_path / "b", opinions=said)
    for until in (0.3, 0.55, 0.8, 1.0):
        last = paused.go(until)

    assert last.selection.kept == straight.selection.kept
    assert last.checkpoint.weights_sha256 == straight.checkpoint.weights_sha256


def test_new_opinions_give_new_patience_and_ask_the_model_too(tiny_spec, tmp_path, monkeypatch):
    played(monkeypatch, 0.4)
    spec = tiny_spec(train={"evaluations": 12, "patience": 3})
    arm = Arm(spec, tmp_path)
    ended = arm.go(0.9)
    n = len(ended.evaluations)

    again = arm.go(1.0, opinions=votes(pool_ids(spec)[:30], 0.9))

    assert ended.is_flat
    assert len(again.evaluations) > 1
    assert n == 1 + 3
    tuned = activations.load(Path(again.checkpoint.path) / "seen.safetensors")["tuned"]
    assert tuned.shape == (again.pool_size, 3)
    assert "tuned" not in activations.load(Path(ended.checkpoint.path) / "seen.safetensors")


def started(monkeypatch, *told):
    """The head starts are what they are, but this is said of them: (loss, right of 100)."""
    start, ahead = TextClassification.start, list(told)

    def tell(self, selection):
        start(self, selection)
        loss, right = ahead.pop(0) if len(ahead) > 1 else ahead[0]
        return HeadStart(loss, np.arange(100) < right)

    monkeypatch.setattr(TextClassification, "start", tell)


@pytest.mark.parametrize(
    ("losses", "chunks"), [((1.0, 1.0), 2), ((1.0, 0.5, 0.495), 3), ((1.0, 0.9, 0.8, 0.7), 4)]
)
def test_more_of_the_pool_is_looked_at_while_the_dev_set_is_served(
    tiny_spec, tmp_path, monkeypatch, losses, chunks
):
    """At least twice as much as at first: one start alone says nothing."""
    monkeypatch.setattr(classification, "MIN_CHUNK", 12)
    monkeypatch.setattr(classification, "CHUNK_PER_LABEL", 1)
    spec = tiny_spec(train={"evaluations": 4})
    started(monkeypatch, *((loss, 50) for loss in (*losses, losses[-1])))
    arm = Arm(spec, tmp_path, opinions=votes(pool_ids(spec)[::4], 0.95))

    arm.go(0.25)

    looked_at = json.loads((tmp_path / "selection.json").read_text())
    assert len(looked_at) == min(12 * 2 ** (chunks - 1), len(pool_ids(spec)))


@pytest.mark.parametrize(
    ("one_more", "everything", "is_all"),
    [(51, 60, True), (50, 51, False), (51, 51, False)],
)
def test_a_wider_selection_has_to_be_surely_better(
    tiny_spec, tmp_path, monkeypatch, one_more, everything, is_all
):
    """Of a hundred dev samples fifty are got right by what looks good: one more may be chance."""
    spec = tiny_spec(train={"evaluations": 4})
    started(monkeypatch, (1.0, 50), (0.5, one_more), (0.5, everything))

    report = Arm(spec, tmp_path, opinions=votes(pool_ids(spec), 0.7)).go(0.25)

    assert (report.selection.kept == report.pool_size) is is_all


def test_a_worse_start_on_more_of_the_pool_is_not_the_best(tiny_spec, tmp_path, monkeypatch):
    """Both starts are at sample 0; the first has .6 and the second .5."""
    monkeypatch.setattr(classification, "MIN_CHUNK", 48)
    spec = tiny_spec(train={"evaluations": 4})
    said = votes(pool_ids(spec)[::4], 0.95)
    played(monkeypatch, 0.6, 0.5)
    grown = Arm(spec, tmp_path / "grown", opinions=said).go(0.5)

    monkeypatch.setattr(desk.Desk, "can_grow", lambda self: False)
    played(monkeypatch, 0.6, 0.5)
    small = Arm(spec, tmp_path / "small", opinions=said).go(0.5)

    assert [e.samples for e in grown.evaluations[:2]] == [0, 0]
    assert grown.best_samples == small.best_samples == 0
    for name, value in averages_of(grown, "best").items():
        assert torch.equal(value, averages_of(small, "best")[name])


def test_a_word_said_to_mislead_is_masked_in_training_alone(tiny_spec, tmp_path, monkeypatch):
    """And what was best before leant on it, for all anybody knows: the best is sought anew."""
    spec = tiny_spec()
    word = words_of(read_splits(spec, 0).pool[0].text)[0]
    said = Opinions(features=(FeatureOpinion(label="x", feature=word, value=-1, votes=3),))
    plain, told = Arm(spec, tmp_path / "a"), Arm(spec, tmp_path / "b")
    for arm in (plain, told):
        played(monkeypatch, 0.9)
        arm.go(0.5)
    seen = []
    losses = TextClassification.losses

    def spied(self, index, labels):
        seen.append(self._covered)
        return losses(self, index, labels)

    monkeypatch.setattr(TextClassification, "losses", spied)
    played(monkeypatch, 0.5)
    last = told.go(1.0, opinions=said)
    played(monkeypatch, 0.5)
    plain.go(1.0)

    assert last.best_samples > told.reports[0].checkpoint.samples
    assert plain.reports[1].best_samples == plain.reports[0].best_samples
    assert told.weights != plain.weights
    covered = seen[0]
    mask = 4  # of the tiny tokenizer
    assert (covered.ids.batch(np.array([0]))[0] == mask).any()


def test_a_run_that_ended_flat_is_not_taken_up_again_when_nobody_said_anything(
    tiny_spec, tmp_path, monkeypatch
):
    played(monkeypatch, 0.4)
    arm = Arm(tiny_spec(train={"evaluations": 12, "patience": 2}), tmp_path)
    ended = arm.go(0.5)

    again = arm.go(1.0)

    assert ended.is_flat
    assert again.is_flat
    assert again.samples_trained == 0


def test_a_point_of_the_curve_knows_what_it_cost_until_then(tiny_spec, tmp_path):
    """Forwards and seconds only ever add up; what only measures is left out of both."""
    report = Arm(tiny_spec(), tmp_path).go(1.0, questions=ASK)

    forwards = [e.forwards for e in report.evaluations]
    seconds = [e.cpu_s for e in report.evaluations]
    assert forwards == sorted(forwards)
    assert seconds == sorted(seconds)
    last, first = report.evaluations[-1], report.evaluations[0]
    assert last.forwards - first.forwards == pytest.approx(2.2 * last.samples)
    assert report.pool_size <= first.forwards <= report.pool_size + len(report.labels)
    assert 0 < report.samples_evaluated < report.samples_scored
    assert report.samples_needed == report.samples_scored - report.samples_evaluated


def test_what_became_of_every_sample_is_left_on_disk(tiny_spec, tmp_path):
    spec = tiny_spec()
    said = votes(pool_ids(spec)[:9], 0.05)

    report = Arm(spec, tmp_path).go(1.0, opinions=said)

    table = json.loads((tmp_path / "selection.json").read_text())
    assert set(table) == set(pool_ids(spec))
    assert sum(weight > 0 for _, weight, _ in table.values()) == report.selection.kept
    assert all(table[o.sample_id][:2] == [0.05, 0.0] for o in said.samples)
