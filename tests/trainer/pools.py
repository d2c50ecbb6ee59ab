"""Synthetic pools whose dirt is known, as the vote model sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer.signals import PoolView, signals
from trainer.surrogate import Evidence, VoteModel


@dataclass(frozen=True)
class DirtyPool:
    """A pool view and which of its samples carry the right label."""

    view: PoolView
    is_good: np.ndarray


def dirty_pool(
    n: int = 300, classes: int = 4, dirt: float = 0.3, seed: int = 0, *, names: bool = True,
    spread: float = 2.5,
) -> DirtyPool:  # fmt: skip
    """Gaussian clusters around class directions; a share of the labels moved to another class."""
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.normal(size=(24, classes)))[0].T
    truth = rng.integers(0, classes, n)
    vectors = centres[truth] + spread * rng.normal(size=(n, 24)) / np.sqrt(24)
    is_good = rng.random(n) >= dirt
    labels = np.where(is_good, truth, (truth + rng.integers(1, classes, n)) % classes)
    words = centres + 0.3 * rng.normal(size=centres.shape) / np.sqrt(24)
    view = PoolView(
        embeddings=unit(vectors),
        labels=labels.astype(np.int64),
        names=unit(words) if names else None,
        group=np.arange(n),
    )
    return DirtyPool(view, is_good)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1, float32."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def voted_on(pool: DirtyPool, votes: int, seed: int = 0, wrong: float = 0.0) -> VoteModel:
    """The model after honest votes on random samples, a share of them mistaken."""
    rng = np.random.default_rng(seed)
    index = rng.choice(len(pool.view), votes, replace=False)
    said = pool.is_good[index] ^ (rng.random(votes) < wrong)
    return VoteModel(pool.view, signals(pool.view), Evidence.of(index, np.where(said, 0.85, 0.15)))
