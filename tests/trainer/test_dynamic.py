"""Rivals that choose while they train: what they draw, and that they train through the same loop."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from tests.conftest import TOPICS, write_topics
from tests.trainer.plans import Arm
from trainer.batches import CHOOSE_AS_THEY_GO
from trainer.bench import exemplars
from trainer.bench.dynamic import InfoBatches, RhoBatches
from trainer.data.read import read_splits
from trainer.sampler import Sampler
from trainer.segment import Refusal
from trainer.tasks.text_classification import TextClassification

N, SIZE = 400, 16
LENGTHS = np.random.default_rng(0).integers(3, 30, N)
EASY = np.arange(N) < N // 2
"""Half the samples cost .1 nats, half 2."""


def passes_of(batches: InfoBatches) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """All batches to the end, pass by pass, each heard with the loss its samples always cost."""
    found: list[list[tuple[np.ndarray, np.ndarray]]] = []
    while not batches.is_over:
        drawn = batches.next()
        batches.hear(drawn[0], np.where(EASY[drawn[0]], 0.1, 2.0))
        if batches.cursor.batch == 1:
            found.append([])
        found[-1].append(drawn)
    return found


def flat(one_pass: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    index, weight = zip(*one_pass, strict=True)
    return np.concatenate(index), np.concatenate(weight)


# --- InfoBatch ----------------------------------------------------------------------------------


def test_infobatch_leaves_half_of_the_learnt_out_after_the_first_pass():
    """Of 4 passes dropping ends at 3.5: 200 are learnt, 100 left out of passes 2 and 3."""
    first, second, third, last = map(
        flat, passes_of(InfoBatches(np.arange(N), LENGTHS, SIZE, 0, 4 * N))
    )

    assert sorted(first[0]) == list(range(N))
    assert set(first[1]) == {1.0}
    for index, weight in (second, third):
        assert len(index) == len(set(index)) == 300
        assert (weight == np.where(EASY[index], 2.0, 1.0)).all()
        assert weight.sum() == N
    assert 300 < len(last[0]) < N


def test_infobatch_leaves_nothing_out_at_the_end():
    *_, last = passes_of(InfoBatches(np.arange(N), LENGTHS, SIZE, 0, 4 * N))

    assert all((weight == 1).all() for _, weight in last[-5:])


def test_infobatch_ends_with_what_it_left_out_counted_in():
    """2.5 passes over 300 kept samples, the last a half; with none left out it would be 750."""
    kept = np.arange(0, N)[np.arange(N) % 4 != 0]

    passes = [flat(p) for p in passes_of(InfoBatches(kept, LENGTHS, SIZE, 0, 750))]

    assert [round(weight.sum()) for _, weight in passes] == pytest.approx([300, 300, 150], abs=2)
    assert all(np.isin(index, kept).all() for index, _ in passes)
    assert sum(len(index) for index, _ in passes) < 700


def test_infobatch_draws_by_its_seed_alone():
    def drawn(seed: int) -> list[int]:
        batches = InfoBatches(np.arange(N), LENGTHS, SIZE, seed, 3 * N)
        return [int(i) for p in passes_of(batches) for i in flat(p)[0]]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_batches_of_infobatch_hold_texts_of_about_equal_length():
    batches, _ = zip(*passes_of(InfoBatches(np.arange(N), LENGTHS, SIZE, 0, N))[0], strict=True)

    assert np.mean([np.ptp(LENGTHS[b]) for b in batches]) < 6


# --- RHO ----------------------------------------------------------------------------------------


def test_rho_trains_on_the_third_that_is_worth_most():
    """Loss i for the model, irreducible nothing or all of it: the best are the dearest of the one."""
    irreducible = np.where(np.arange(48) % 2 == 0, 0.0, 100.0)
    learner = SimpleNamespace(opinion=lambda index: -np.stack([index] * 3, axis=1).astype(float))
    sampler = Sampler(np.ones(48), np.ones(48, int), 24, 0)
    candidates = Sampler(np.ones(48), np.ones(48, int), 24, 0).next()[0]

    index, weight = RhoBatches(sampler, learner, irreducible).next()  # type: ignore[arg-type]

    assert index.tolist() == sorted(candidates[candidates % 2 == 0], reverse=True)[:8]
    assert weight.tolist() == [1.0] * 8


def test_of_the_ragged_end_of_a_pass_rho_takes_a_third_too():
    learner = SimpleNamespace(opinion=lambda index: np.zeros((len(index), 3)))
    sampler = Sampler(np.ones(31), np.ones(31, int), 24, 0)
    batches = RhoBatches(sampler, learner, np.zeros(31))  # type: ignore[arg-type]

    assert sorted(len(batches.next()[0]) for _ in range(2)) == [3, 8]


def test_exemplars_are_one_of_each_label_first_then_whatever_comes():
    spare = [(f"{label} {i}", label) for label in "abcx" for i in range(9)]

    few, many = (exemplars.picked(spare, ["a", "b", "c"], n, seed=3) for n in (4, 99))

    assert sorted(label for _, label in few[:3]) == ["a", "b", "c"]
    assert few == many[:4]
    assert sorted(many) == sorted(e for e in spare if e[1] != "x")
    assert few != exemplars.picked(spare, ["a", "b", "c"], 4, seed=4)


# --- through the loop ---------------------------------------------------------------------------


@pytest.fixture
def dirty_spec(tiny_spec, tmp_path):
    """A pool of 90 of which 40 % is mislabelled, and no early end."""
    write_topics(tmp_path / "pool.csv", 120, seed=1, wrong=0.4)
    return tiny_spec(train={"epochs": 4, "evaluations": 4, "patience": 9})


@pytest.fixture
def steps(monkeypatch) -> Iterator[list[np.ndarray]]:
    """The batches that were trained on."""
    seen: list[np.ndarray] = []
    plain = TextClassification.losses

    def losses(self, index, labels):
        seen.append(index)
        return plain(self, index, labels)

    monkeypatch.setattr(TextClassification, "losses", losses)
    return seen


def clean_texts() -> list[exemplars.Exemplar]:
    return [(f"{word} {more}", topic) for topic, words in TOPICS.items()
            for word in words for more in ("here", "the old")]  # fmt: skip


def test_infobatch_trains_less_than_control_and_is_evaluated_at_its_end(
    dirty_spec, tmp_path, steps
):
    control = Arm(dirty_spec, tmp_path / "control", arm="control").go(1.0)
    steps.clear()

    report = Arm(dirty_spec, tmp_path / "info", arm="infobatch").go(1.0)

    n = report.pool_size
    first = np.concatenate(steps[: math.ceil(n / 8)])
    assert sorted(first) == list(range(n))
    assert n < report.samples_trained < 0.95 * control.samples_trained
    assert report.samples_trained == sum(map(len, steps)) == report.planned_samples
    assert report.evaluations[-1].samples == report.samples_trained
    assert report.evaluations[0].metric == control.evaluations[0].metric  # the same head start
    last, start = report.evaluations[-1].forwards, report.evaluations[0].forwards
    assert last - start == pytest.approx(2.2 * report.samples_trained)


def test_rho_trains_on_cleaner_samples_than_the_pool_has(dirty_spec, tmp_path, steps):
    pool = read_splits(dirty_spec, dirty_spec.train.seed).pool
    is_right = np.array([s.truth == s.label for s in pool])
    exemplars.write(tmp_path, clean_texts())

    Arm(dirty_spec, tmp_path, arm="rho").go(1.0)

    trained = np.concatenate(steps)
    assert is_right[trained].mean() > is_right.mean() + 0.1
    assert all(len(batch) <= 8 for batch in steps)


def test_what_rho_looks_at_is_counted(dirty_spec, tmp_path, monkeypatch):
    seen = []
    plain = TextClassification.opinion
    monkeypatch.setattr(
        TextClassification,
        "opinion",
        lambda self, rows: seen.append((len(rows), self._pool.trained_share)) or plain(self, rows),
    )
    known = clean_texts()
    exemplars.write(tmp_path, known)

    report = Arm(dirty_spec, tmp_path, arm="rho").go(1.0)

    looked_at = sum(n * share for n, share in seen)
    assert 2.5 * report.samples_trained < sum(n for n, _ in seen) <= 3 * report.samples_trained
    first, last = report.evaluations[0].forwards, report.evaluations[-1].forwards
    assert last - first == pytest.approx(2.2 * report.samples_trained + looked_at)
    assert first == pytest.approx(report.pool_size + len(report.labels) + len(known))


@pytest.mark.parametrize("arm", CHOOSE_AS_THEY_GO)
def test_the_same_plan_ends_in_the_same_weights(dirty_spec, tmp_path, arm):
    arms = [Arm(dirty_spec, tmp_path / name, arm=arm) for name in "ab"]
    for each in arms:
        each.folder.mkdir()
        exemplars.write(each.folder, clean_texts())
        each.go(1.0)

    assert arms[0].weights == arms[1].weights


@pytest.mark.parametrize("arm", CHOOSE_AS_THEY_GO)
def test_a_pause_is_refused(dirty_spec, tmp_path, arm):
    exemplars.write(tmp_path, clean_texts())
    paused = Arm(dirty_spec, tmp_path, arm=arm)
    paused.go(0.5)

    with pytest.raises(Refusal, match=f"the arm {arm} belongs to benchmarks"):
        paused.go(1.0)


def test_rho_without_exemplars_says_who_brings_them(dirty_spec, tmp_path):
    with pytest.raises(Refusal, match=r"needs clean exemplars in .*run it by the benchmark"):
        Arm(dirty_spec, tmp_path, arm="rho").go(1.0)
