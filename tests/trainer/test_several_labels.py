"""Texts under several labels at once: a sample per label, told apart by how many are right."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import FILLER, TOPICS
from tests.trainer.plans import ASK, Arm, learner_of, votes
from trainer.data.read import read_splits
from trainer.data.samples import OFF_TOPIC
from trainer.segment import Opinions


def write_several(path: Path, n: int, seed: int, truth: bool = False) -> None:
    """Texts with words of one or two topics, under a list of them; every tenth has a wrong one."""
    rng = random.Random(seed)
    lines = []
    for i in range(n):
        mine = rng.sample(sorted(TOPICS), k=rng.choice([1, 2]))
        words = [w for t in mine for w in rng.choices(TOPICS[t], k=2)] + rng.choices(FILLER, k=2)
        row = {"text": " ".join(words), "label": list(mine)}
        if truth:
            row["truth"] = list(mine)
            if i % 10 == 0:
                row["label"][0] = rng.choice([t for t in TOPICS if t not in mine])
        lines.append(json.dumps(row))
    path.write_text("\n".join(lines))


@pytest.fixture
def several_spec(tiny_spec, tmp_path):
    write_several(tmp_path / "several.jsonl", 80, seed=1, truth=True)
    write_several(tmp_path / "several-dev.jsonl", 30, seed=2)
    return lambda **parts: tiny_spec(
        data={
            "pool": f"jsonl:{tmp_path}/several.jsonl", "dev": f"jsonl:{tmp_path}/several-dev.jsonl",
            "truth": "truth",
        } | parts.pop("data", {}),
        **parts,
    )  # fmt: skip


def test_a_text_under_two_labels_is_two_samples_with_a_truth_each(several_spec):
    splits = read_splits(several_spec(), 0)

    by_text: dict[str, list] = {}
    for sample in splits.pool:
        by_text.setdefault(sample.text, []).append(sample)
    assert {len(samples) for samples in by_text.values()} == {1, 2}
    assert splits.labels == tuple(sorted(TOPICS))
    for samples in by_text.values():
        assert tuple(s.label for s in samples) == samples[0].labels
        for s in samples:
            is_right = bool(set(s.text.split()) & set(TOPICS[s.label]))
            assert s.truth == (s.label if is_right else OFF_TOPIC)
    assert sum(s.truth == OFF_TOPIC for s in splits.pool) == 8


def test_a_label_is_hit_where_it_is_among_as_many_as_its_text_has(several_spec, tmp_path):
    arm = Arm(several_spec(train={"epochs": 8}), tmp_path / "arm")
    report = arm.go(1.0, questions=ASK)

    assert report.outcome == "done"
    assert max(e.metric for e in report.evaluations) > 0.7
    assert all(c.options == () for c in report.candidates)  # two may fit: which one is no question
    assert all(c.view.label for c in report.candidates)


def test_hits_are_by_rank_and_ties_by_place(several_spec, tmp_path):
    learner = learner_of(several_spec(), tmp_path / "arm")
    n = len(learner.splits.dev)
    truth = learner._truth["dev"]
    right = learner._n_right["dev"]
    two = right == 2
    best_but_one = torch.zeros(n, 3)
    best_but_one[torch.arange(n), truth] = 1.0
    best_but_one[torch.arange(n), (truth + 1) % 3] = 2.0

    assert torch.equal(learner._hits(best_but_one, "dev"), two)
    assert torch.equal(learner._hits(torch.zeros(n, 3), "dev"), truth < right)
    assert two.any()
    assert not two.all()


def test_lists_without_a_label_are_left_out(several_spec, tmp_path):
    path = tmp_path / "several.jsonl"
    path.write_text(
        path.read_text() + '\n{"text": "bare words", "label": [], "truth": []}\n'
        '{"text": "empty words", "label": [" ", null], "truth": []}\n'
    )
    skipped = read_splits(several_spec(), 0).skipped.rows()
    assert skipped == (("pool label is missing", 2, "bare words"),)


def test_votes_on_one_label_of_a_text_leave_the_other(several_spec, tmp_path):
    spec = several_spec()
    pool = read_splits(spec, 0).pool
    wrong = [s.sample_id for s in pool if s.truth == OFF_TOPIC]
    rest = [s.sample_id for s in pool if s.truth != OFF_TOPIC][::4]
    opinions = votes(wrong, 0.05).samples + votes(rest, 0.95).samples
    Arm(spec, tmp_path / "arm", opinions=Opinions(samples=opinions)).go(0.3)

    chosen = json.loads((tmp_path / "arm" / "selection.json").read_text())
    assert all(chosen[i][1] == 0 for i in wrong)
    assert np.mean([chosen[i][1] > 0 for i in rest]) > 0.9
