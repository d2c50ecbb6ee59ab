"""Votes that do harm are undone by the child itself; what is good is kept. Real training, played scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainer.plans import Arm, both, pool_ids, votes
from trainer import activations
from trainer.tasks import classification
from trainer.tasks.base import HeadStart
from trainer.tasks.text_classification import TextClassification


def dev_right(monkeypatch, *shares: float) -> list[float]:
    """Of the dev samples these shares are got right in turn, the last one for ever; what was played."""
    course, seen = iter(shares), []

    def evaluate(learner: TextClassification, split: str) -> float:
        if split == "dev":
            seen.append(next(course, seen[-1] if seen else 0.0))
            n = len(learner.splits.dev)
            learner.dev_scores = (np.arange(n) < round(seen[-1] * n)).astype(float)
        return seen[-1]

    monkeypatch.setattr(TextClassification, "evaluate", evaluate)
    return seen


@pytest.fixture
def spec(tiny_spec):
    return tiny_spec(train={"evaluations": 12, "patience": 0})


def weights(report, name: str) -> dict[str, torch.Tensor]:
    return activations.load(Path(report.checkpoint.path) / f"{name}.safetensors")


def test_a_round_after_which_the_dev_set_is_surely_worse_is_undone(spec, tmp_path, monkeypatch):
    dev_right(monkeypatch, 0.4, 0.9)
    arm = Arm(spec, tmp_path)
    before = arm.go(0.5)
    dev_right(monkeypatch, 0.2, 0.2)

    after = arm.go(1.0, opinions=votes(pool_ids(spec)[:30], 0.1))

    kept = [mark.report.kept for mark in arm.marks if mark.kind == "selection"]
    assert kept[-2] < after.pool_size
    assert kept[-1] == after.selection.kept == after.pool_size
    assert "surely worse" in after.selection.undone
    assert after.best_samples == before.best_samples
    # from the best weights on: the last ones are no descendants of what the votes led to
    assert all(
        torch.equal(v, weights(before, "best")[n]) for n, v in weights(after, "best").items()
    )


@pytest.mark.parametrize(
    "shares", [(0.9, 0.9), (0.2, 0.9, 0.2, 0.9)], ids=["no worse", "a dip at times"]
)
def test_what_does_no_harm_stays(spec, tmp_path, monkeypatch, shares):
    dev_right(monkeypatch, 0.4, 0.9)
    arm = Arm(spec, tmp_path)
    arm.go(0.5)
    dev_right(monkeypatch, *shares)

    after = arm.go(1.0, opinions=votes(pool_ids(spec)[:30], 0.1))

    assert after.selection.undone == ""
    assert after.selection.kept < after.pool_size


def test_what_is_undone_stays_so_until_people_say_something_else(spec, tmp_path, monkeypatch):
    said = votes(pool_ids(spec)[:30], 0.1)
    dev_right(monkeypatch, 0.4, 0.9)
    arm = Arm(spec, tmp_path)
    arm.go(0.3)
    dev_right(monkeypatch, 0.2)
    undone = arm.go(0.7, opinions=said)

    paused = arm.go(0.8, opinions=said)
    heard = arm.go(0.9, opinions=votes(pool_ids(spec)[:30], 0.2))

    assert undone.selection.undone
    assert paused.selection.undone == undone.selection.undone
    assert paused.selection.kept == paused.pool_size
    assert heard.selection.undone == ""
    assert heard.selection.kept < heard.pool_size


def test_a_pause_in_the_middle_forgets_no_evaluation(spec, tmp_path, monkeypatch):
    """The first bad one before the pause, the second after it."""
    said = votes(pool_ids(spec)[:30], 0.1)
    dev_right(monkeypatch, 0.4, 0.9)
    arm = Arm(spec, tmp_path)
    arm.go(0.5)
    dev_right(monkeypatch, 0.2)
    first = arm.go(7 / 12, opinions=said)
    assert len(first.evaluations) == 1
    assert first.selection.undone == ""

    second = arm.go(8 / 12, opinions=said)

    assert len(second.evaluations) == 1
    assert second.selection.undone


def test_an_arm_without_people_is_never_undone(spec, tmp_path, monkeypatch):
    dev_right(monkeypatch, 0.9, 0.2)
    report = Arm(spec, tmp_path, arm="control").go(1.0)
    assert report.selection.undone == ""


# --- before the first step ----------------------------------------------------------------------


@pytest.fixture
def said(spec):
    ids = pool_ids(spec)
    return both(votes(ids[:30], 0.9), votes(ids[30:60], 0.1))


def names_are_better(monkeypatch, is_so: bool = True) -> None:
    monkeypatch.setattr(classification, "names_speak", lambda pool, names: True)
    start = TextClassification.start

    def told(self, selection):
        start(self, selection)
        by_names = is_so and selection.auc is None  # of votes it is known
        return HeadStart(1.0, np.arange(100) < (90 if by_names else 50))

    monkeypatch.setattr(TextClassification, "start", told)


@pytest.mark.parametrize("is_so", [True, False])
def test_where_label_names_alone_are_surely_better_they_decide(
    spec, said, tmp_path, monkeypatch, is_so
):
    names_are_better(monkeypatch, is_so)
    arm = Arm(spec, tmp_path / "a", opinions=said)

    report = arm.go(0.3)
    names = Arm(spec, tmp_path / "b", arm="no_votes").go(0.3)

    assert report.selection.is_unheard is is_so
    assert (report.selection.kept == names.selection.kept) is is_so
    assert arm.go(0.6).selection.is_unheard is is_so
    more = arm.go(1.0, opinions=both(said, votes(pool_ids(spec)[60:], 0.9)))
    assert not more.selection.is_unheard  # people said more: they are heard again


def test_without_votes_there_is_nothing_to_hold_names_against(spec, tmp_path, monkeypatch):
    names_are_better(monkeypatch)
    assert not Arm(spec, tmp_path, arm="no_votes").go(0.3).selection.is_unheard
    assert not Arm(spec, tmp_path / "c").go(0.3).selection.is_unheard
