"""Sequences of different lengths in one flat tensor: token ids, or cached hidden states."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class Ragged:
    """`n` sequences; sequence i is `values[offsets[i]:offsets[i + 1]]`.

    Args:
        values: (total,) token ids or (total, width) hidden states.
        offsets: int64 (n + 1,), starting at 0.
    """

    def __init__(self, values: Tensor, offsets: Tensor) -> None:
        self.values = values
        self.offsets = offsets

    @classmethod
    def from_lists(cls, sequences: Sequence[Sequence[int]]) -> Ragged:
        """Token ids, int64."""
        offsets = torch.tensor([0, *map(len, sequences)], dtype=torch.int64).cumsum(0)
        flat = [token for sequence in sequences for token in sequence]
        return cls(torch.tensor(flat, dtype=torch.int64), offsets)

    def empty_like(self, width: int, dtype: torch.dtype) -> Ragged:
        """Room for hidden states of the same sequences: (total, width)."""
        return Ragged(torch.empty(len(self.values), width, dtype=dtype), self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens per sequence: int64 (n,)."""
        lengths: np.ndarray = self.offsets.diff().numpy()
        return lengths

    def batch(self, index: np.ndarray) -> tuple[Tensor, Tensor]:
        """(padded values, mask) of some sequences: (batch, longest, ...) and bool (batch, longest).

        Padding repeats the sequence's last value: finite, and hidden by the mask.
        """
        rows = torch.from_numpy(np.ascontiguousarray(index))
        start = self.offsets[rows]
        length = self.offsets[rows + 1] - start
        step = torch.arange(int(length.max()))
        mask = step[None, :] < length[:, None]
        position = start[:, None] + torch.minimum(step[None, :], length[:, None] - 1)
        return self.values[position], mask

    def put(self, index: np.ndarray, padded: Tensor, mask: Tensor) -> None:
        """Store what `batch` would give back: the inverse of `batch`."""
        for row, i in enumerate(index):
            start, end = int(self.offsets[i]), int(self.offsets[i + 1])
            self.values[start:end] = padded[row, : end - start].to(self.values.dtype)


GROUP = 8
"""Batches that are sorted by length together, where nothing else is said."""


def length_batches(
    lengths: np.ndarray, order: np.ndarray, size: int, together: int = GROUP
) -> list[np.ndarray]:
    """`order` cut into batches of about equal lengths: sorted inside groups of some batches.

    A random batch's longest text is twice its mean (design measurements), all padding; groups keep
    the order random enough for SGD.
    """
    batches = []
    for start in range(0, len(order), together * size):
        group = order[start : start + together * size]
        group = group[np.argsort(lengths[group], kind="stable")]
        batches += [group[i : i + size] for i in range(0, len(group), size)]
    return batches
