"""Sequences of different lengths in one flat tensor."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.ragged import Ragged, length_batches

sequences = st.lists(
    st.lists(st.integers(0, 1000), min_size=1, max_size=12), min_size=1, max_size=20
)


@given(sequences, st.data())
def test_a_batch_gives_every_sequence_back_and_masks_the_padding(lists, data):
    index = np.array(data.draw(st.lists(st.integers(0, len(lists) - 1), min_size=1, max_size=9)))
    ragged = Ragged.from_lists(lists)

    padded, mask = ragged.batch(index)

    assert len(ragged) == len(lists)
    assert ragged.lengths.tolist() == [len(s) for s in lists]
    assert [row[m].tolist() for row, m in zip(padded, mask, strict=True)] == [
        lists[i] for i in index
    ]
    assert padded.shape[1] == max(len(lists[i]) for i in index)


@given(sequences, st.integers(1, 5), st.integers(0, 9))
def test_putting_a_batch_is_the_inverse_of_taking_it(lists, size, seed):
    ids = Ragged.from_lists(lists)
    original = ids.empty_like(3, torch.float32)
    original.values = torch.randn(len(ids.values), 3, generator=torch.manual_seed(seed))
    copy = ids.empty_like(3, torch.float32)
    copy.values.fill_(-1)

    order = np.random.default_rng(seed).permutation(len(lists))
    for index in length_batches(ids.lengths, order, size):
        copy.put(index, *original.batch(index))

    assert torch.equal(copy.values, original.values)


def test_padding_repeats_the_last_value_so_that_it_is_finite():
    padded, mask = Ragged.from_lists([[1, 2, 3], [7]]).batch(np.array([1, 0]))

    assert padded.tolist() == [[7, 7, 7], [1, 2, 3]]
    assert mask.tolist() == [[True, False, False], [True, True, True]]


@given(st.lists(st.integers(1, 50), max_size=80), st.integers(1, 9), st.integers(0, 9))
def test_batches_by_length_are_a_permutation_in_pieces(lengths, size, seed):
    order = np.random.default_rng(seed).permutation(len(lengths))

    batches = length_batches(np.array(lengths, dtype=np.int64), order, size)

    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert [len(b) for b in batches].count(size) == len(lengths) // size
