"""Automatic hints on every sample of a pool: what neighbours, class means and label names say.

Pure numpy, in blocks: no table of all samples against all samples is ever held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

Array = np.ndarray

NEIGHBOURS = 15
BLOCK = 2048
NAME_WEIGHT = 1.0
"""How many samples a label's name counts for beside the samples thought good."""
SHARPNESS = 16.0
"""Cosines to log-probabilities: temperature 1/16, as for unit vectors of sentence encoders."""
CHANCE_RANK = 0.45
"""Names whose own label ranks in the middle on average say nothing; .5 = chance."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What stands in for label and label names where samples have none that mean anything.

    Attributes:
        signals: float (n, k), standardised; higher mostly means better.
        filed: float32 (n, d), unit rows of what a sample is filed under: the prompt of an answer.
            Near ones are as good as the same label.
        prior: float (n,) in [-2, 2], what is thought of each sample before anybody voted.
    """

    signals: Array
    filed: Array
    prior: Array


@dataclass(frozen=True, slots=True)
class PoolView:
    """What the vote model knows of the pool. All arrays are over its n samples.

    Attributes:
        embeddings: float32 (n, d), unit rows.
        labels: int64 (n,), class ids.
        names: float32 (classes, d), unit rows; None where label names mean nothing.
        group: int64 (n,), index of the first exact duplicate (itself where there is none).
        hints: what is known instead where labels tell nothing of a sample.
    """

    embeddings: Array
    labels: Array
    names: Array | None
    group: Array
    hints: Hints | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def n_classes(self) -> int:
        """Number of labels."""
        return int(self.labels.max()) + 1 if self.names is None else len(self.names)


def signals(pool: PoolView) -> Array:
    """Automatic hints per sample, standardised: float (n, 5), or (n, 9) where names mean something.

    Neighbour agreement and its margin, density, leave-one-out class-mean cosine and its margin;
    then cosine to the label's name, its margin, minus log rank, and the best name's cosine. Where
    labels tell nothing, the task's own: float (n, k).
    """
    if pool.hints is not None:
        return pool.hints.signals
    columns = [*_neighbour_signals(pool), *_class_mean_signals(pool)]
    if pool.names is not None:
        columns += _name_signals(pool, pool.names)
    return standardised(np.stack(columns, axis=1))


def standardised(x: Array) -> Array:
    """Columns of mean 0 and standard deviation 1; constant ones become 0."""
    spread = x.std(axis=0)
    result: Array = (x - x.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    return result


def refined_signals(pool: PoolView, keep: Array) -> Array:
    """The hints once more, now that it is known which samples are probably good: float (n, 7).

    Structured dirt looks right to its like; beside class means and neighbours that are weighted by
    `keep`, it does not. Every sample is left out of what it is compared with.

    Args:
        pool: the samples.
        keep: float (n,), probability that each is good.
    """
    if pool.hints is not None:
        pool = replace(pool, labels=np.zeros_like(pool.labels))
    weight = keep * (pool.group == np.arange(len(pool)))
    x = np.stack([*_kept_mean_signals(pool, weight), *_kept_neighbour_signals(pool, keep)], axis=1)
    return standardised(x)


def _kept_mean_signals(pool: PoolView, weight: Array) -> list[Array]:
    e, y, n = pool.embeddings, pool.labels, len(pool)
    total = np.zeros((pool.n_classes, e.shape[1]))
    if pool.names is not None:
        total += NAME_WEIGHT * pool.names
    np.add.at(total, y, e * weight[:, None])
    means = _unit(total)
    own, other, log_p = np.zeros(n), np.zeros(n), np.zeros(n)
    for rows in blocks(n):
        cosine = e[rows] @ means.T
        copy = pool.group[rows]  # what stands for the sample in its label's mean
        left = _unit(total[y[rows]] - e[copy] * weight[copy, None])
        own[rows] = (e[rows] * left).sum(axis=1)
        cosine[np.arange(len(cosine)), y[rows]] = own[rows]
        other[rows] = _own_and_best_other(cosine, y[rows])[1]
        log_p[rows] = SHARPNESS * own[rows] - logsumexp(SHARPNESS * cosine, axis=1)
    return [own, own - other, log_p, np.maximum(own, other)]


def _kept_neighbour_signals(pool: PoolView, keep: Array) -> list[Array]:
    n = len(pool)
    label_share, good_share, good_alike = np.zeros(n), np.zeros(n), np.full(n, 0.5)
    for rows, near, weight in _neighbours(pool):
        good, is_same = keep[near], pool.labels[near] == pool.labels[rows, None]
        label_share[rows] = (weight * is_same * good).sum(1) / (weight * (good + 0.05)).sum(1)
        good_share[rows] = (weight * good).sum(1) / weight.sum(1)
        doubt = 0.02 * weight.sum(1)  # where no neighbour shares the label: one half
        same = (weight * is_same).sum(1)
        good_alike[rows] = ((weight * is_same * good).sum(1) + 0.5 * doubt) / (same + doubt)
    return [label_share, good_share, good_alike]


def prior_mean(pool: PoolView) -> Array:
    """What label names alone say: float (n,) in [-2, 2], higher = the label fits; 0 without names.

    Where labels tell nothing, what the task thinks.
    """
    if pool.hints is not None:
        return pool.hints.prior
    if pool.names is None:
        return np.zeros(len(pool))
    return prior_of(-np.log1p(name_rank(pool, pool.names)))


def prior_of(score: Array) -> Array:
    """A score, higher = better, as a prior: standardised, cut to [-2, 2]; float (n,)."""
    result: Array = np.clip(standardised(score[:, None])[:, 0], -2, 2)
    return result


def name_rank(pool: PoolView, names: Array) -> Array:
    """How many label names are closer to the sample than its own label's: int64 (n,)."""
    rank = np.empty(len(pool), dtype=np.int64)
    for rows in blocks(len(pool)):
        cosine = pool.embeddings[rows] @ names.T
        own = np.take_along_axis(cosine, pool.labels[rows, None], axis=1)
        rank[rows] = (cosine > own).sum(axis=1)
    return rank


def names_speak(pool: PoolView, names: Array) -> bool:
    """Whether label names are closer to their own samples than chance; ids and codes are not."""
    others = max(1, len(names) - 1)
    return bool(len(pool) == 0 or (name_rank(pool, names) / others).mean() < CHANCE_RANK)


def places_of_first(group: Array) -> Array:
    """For each of some samples the place among them of the first of its group: int64 (n,)."""
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    places: Array = first[inverse]
    return places


def blocks(n: int) -> Iterator[slice]:
    """`range(n)` in slices of bounded size."""
    for start in range(0, n, BLOCK):
        yield slice(start, min(start + BLOCK, n))


def _neighbours(pool: PoolView) -> Iterator[tuple[slice, Array, Array]]:
    """(block, index (r, k), weight (r, k)) of the nearest samples, duplicates left out."""
    k = min(NEIGHBOURS, len(pool) - 1)
    if k < 1:
        return
    for rows in blocks(len(pool)):
        cosine = pool.embeddings[rows] @ pool.embeddings.T
        cosine[pool.group[rows, None] == pool.group[None, :]] = -1.0  # itself and its duplicates
        near = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
        closeness = np.maximum(np.take_along_axis(cosine, near, axis=1), 0.0)
        yield rows, near, closeness**4 + 1e-12


def _neighbour_signals(pool: PoolView) -> list[Array]:
    n = len(pool)
    share, margin, density = np.zeros(n), np.zeros(n), np.zeros(n)
    for rows, near, weight in _neighbours(pool):
        density[rows] = (weight**0.25).mean(axis=1)
        by_class = np.zeros((len(near), pool.n_classes))
        np.add.at(by_class, (np.arange(len(near))[:, None], pool.labels[near]), weight)
        by_class /= by_class.sum(axis=1, keepdims=True)
        own, best_other = _own_and_best_other(by_class, pool.labels[rows])
        share[rows], margin[rows] = own, own - best_other
    return [share, margin, density]


def _class_mean_signals(pool: PoolView) -> list[Array]:
    e, y = pool.embeddings, pool.labels
    total = np.zeros((pool.n_classes, e.shape[1]), dtype=np.float64)
    np.add.at(total, y, e)
    own, margin = np.zeros(len(pool)), np.zeros(len(pool))
    means = _unit(total)
    for rows in blocks(len(pool)):
        cosine = e[rows] @ means.T
        left = _unit(total[y[rows]] - e[rows])  # the class without the sample itself
        own[rows] = (e[rows] * left).sum(axis=1)
        cosine[np.arange(len(cosine)), y[rows]] = own[rows]
        margin[rows] = own[rows] - _own_and_best_other(cosine, y[rows])[1]
    return [own, margin]


def _name_signals(pool: PoolView, names: Array) -> list[Array]:
    own, margin, best = np.zeros(len(pool)), np.zeros(len(pool)), np.zeros(len(pool))
    for rows in blocks(len(pool)):
        cosine = pool.embeddings[rows] @ names.T
        own[rows] = np.take_along_axis(cosine, pool.labels[rows, None], axis=1)[:, 0]
        best[rows] = cosine.max(axis=1)
        margin[rows] = own[rows] - best[rows]
    return [own, margin, -np.log1p(name_rank(pool, names)), best]


def _own_and_best_other(table: Array, own: Array) -> tuple[Array, Array]:
    rows = np.arange(len(table))
    mine = table[rows, own].copy()
    others = table.copy()
    others[rows, own] = -np.inf
    return mine, others.max(axis=1) if table.shape[1] > 1 else np.zeros(len(table))


def _unit(rows: Array) -> Array:
    result: Array = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return result
