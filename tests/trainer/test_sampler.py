"""The order of training: every sample once a pass, and resumable at any step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.sampler import Cursor, Sampler

lengths_of_pools = st.lists(st.integers(1, 30), min_size=1, max_size=60).map(np.array)
sizes = st.integers(1, 12)
seeds = st.integers(0, 2**32)


def everything(lengths: np.ndarray) -> np.ndarray:
    """Equal weights."""
    return np.ones(len(lengths))


def weighing(kept: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Weight 1 for the kept samples, 0 for all others."""
    return np.isin(np.arange(len(lengths)), kept).astype(float)


def one_pass(sampler: Sampler) -> list[list[int]]:
    """The batches of the pass the sampler stands in, from where it stands."""
    epoch, batches = sampler.cursor.epoch, []
    while True:
        before = sampler.cursor
        batch, _ = sampler.next()
        if sampler.cursor.epoch != epoch:
            sampler.cursor = before
            return batches
        batches.append(batch.tolist())


@given(lengths_of_pools, sizes, seeds)
def test_a_pass_takes_every_kept_sample_once(lengths, size, seed):
    kept = np.arange(len(lengths))[:: 2 if len(lengths) > 1 else 1]

    batches = one_pass(Sampler(weighing(kept, lengths), lengths, size, seed))

    assert sorted(i for batch in batches for i in batch) == kept.tolist()
    assert all(len(batch) <= size for batch in batches)
    assert len(batches) == -(-len(kept) // size)


@given(lengths_of_pools, sizes, seeds, st.integers(0, 150))
def test_going_on_from_any_cursor_is_going_on_uninterrupted(lengths, size, seed, steps):
    kept = everything(lengths)
    straight = Sampler(kept, lengths, size, seed)
    for _ in range(steps):
        straight.next()

    resumed = Sampler(kept, lengths, size, seed, straight.cursor)

    for _ in range(2 * len(kept) // size + 3):
        assert resumed.next()[0].tolist() == straight.next()[0].tolist()
        assert resumed.cursor == straight.cursor


@given(lengths_of_pools, sizes, seeds, st.integers(0, 40))
def test_another_selection_begins_a_new_pass(lengths, size, seed, steps):
    before = Sampler(everything(lengths), lengths, size, seed)
    for _ in range(steps):
        before.next()
    fewer = np.arange(max(1, len(lengths) // 2))

    after = Sampler(weighing(fewer, lengths), lengths, size, seed, before.cursor)

    if len(fewer) == len(lengths):
        assert after.cursor == before.cursor
    else:
        epoch = before.cursor.epoch + 1
        assert after.cursor == Cursor(after.cursor.selection, epoch, 0, began=epoch)
        assert after.cursor.passes == 0
        assert after.cursor.selection != before.cursor.selection
        assert sorted(i for batch in one_pass(after) for i in batch) == fewer.tolist()


def test_every_pass_and_every_seed_has_an_order_of_its_own():
    lengths = np.tile(np.arange(1, 9), 8)
    kept = everything(lengths)
    first = Sampler(kept, lengths, 8, 0)
    selection = first.cursor.selection

    orders = [
        one_pass(first),
        one_pass(Sampler(kept, lengths, 8, 0, Cursor(selection, 1, 0))),
        one_pass(Sampler(kept, lengths, 8, 1)),
    ]

    assert orders[0] != orders[1]
    assert orders[0] != orders[2]


def test_batches_hold_texts_of_about_equal_length():
    """Of 64 texts of 1 to 64 tokens a random batch of 8 spans 50 tokens; one of ours spans 8."""
    lengths = np.random.default_rng(0).permutation(np.arange(1, 65))

    batches = one_pass(Sampler(everything(lengths), lengths, 8, 0))

    assert {int(np.ptp(lengths[batch])) for batch in batches} == {7}


def test_a_batch_comes_with_the_weights_of_its_samples():
    weight = np.array([0.5, 0.0, 2.0, 1.5])

    index, weighs = Sampler(weight, np.ones(4, int), 3, 0).next()

    assert sorted(index) == [0, 2, 3]
    assert weighs.tolist() == weight[index].tolist()
    assert weighs.dtype == np.float32


def test_a_sample_of_half_the_weight_is_in_every_second_pass_at_full_weight():
    weight = np.r_[np.full(200, 1.0), np.full(200, 0.5), np.zeros(50)]
    sampler = Sampler(weight, np.full(450, 7), 10, seed=1, thins=True)
    seen = np.zeros(450)
    while sampler.cursor.epoch < 10:
        before = sampler.cursor.epoch
        index, weights = sampler.next()
        assert (weights == 1).all()
        if sampler.cursor.epoch < 10:
            seen[index] += 1
        assert sampler.cursor.epoch - before <= 1

    assert (seen[:200] == 10).all()
    assert seen[200:400].mean() == pytest.approx(5, abs=0.5)
    assert (seen[400:] == 0).all()


def test_a_thinned_pass_goes_on_where_it_stopped_and_other_weights_begin_a_new_one():
    weight = np.linspace(0.2, 1.0, 60)
    sampler = Sampler(weight, np.full(60, 7), 8, seed=1, thins=True)
    sampler.next()

    again = Sampler(weight, np.full(60, 7), 8, seed=1, cursor=sampler.cursor, thins=True)
    other = Sampler(weight**2, np.full(60, 7), 8, seed=1, cursor=sampler.cursor, thins=True)

    assert (again.next()[0] == sampler.next()[0]).all()
    assert other.cursor.epoch == 1


def test_batches_sorted_in_smaller_groups_mix_more_lengths():
    lengths = np.random.default_rng(0).permutation(np.arange(1, 65))

    by_two = one_pass(Sampler(everything(lengths), lengths, 8, 0, together=2))
    unsorted = one_pass(Sampler(everything(lengths), lengths, 8, 0, together=1))

    spans = [np.mean([np.ptp(lengths[b]) for b in batches]) for batches in (by_two, unsorted)]
    assert 7 < spans[0] < spans[1]
    assert sorted(np.concatenate(by_two).tolist()) == list(range(64))
