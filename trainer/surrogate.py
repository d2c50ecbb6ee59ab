"""A model of the team's votes: what they would say of samples nobody was asked about.

Gaussian process regression on the posteriors of the voted samples, over the frozen embedding, the
given label and automatic signals; `Phi(mu / sqrt(var + .3))` is the probability that the team
would keep a sample. Pure numpy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.special import ndtr
from scipy.stats import rankdata

Array = np.ndarray

PROBIT_NOISE = 0.3
MIN_NOISE = 0.05
MIN_VOTES_TO_FIT = 20
NEIGHBOURS = 15
BLOCK = 2048


@dataclass(frozen=True, slots=True)
class PoolView:
    """What the vote model knows of the pool. All arrays are over its n samples.

    Attributes:
        embeddings: float32 (n, d), unit rows.
        labels: int64 (n,), class ids.
        names: float32 (classes, d), unit rows; None where label names mean nothing.
        group: int64 (n,), index of the first exact duplicate (itself where there is none).
    """

    embeddings: Array
    labels: Array
    names: Array | None
    group: Array

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def n_classes(self) -> int:
        """Number of labels."""
        return int(self.labels.max()) + 1 if self.names is None else len(self.names)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Votes as the model reads them.

    Attributes:
        index: int64 (k,), which samples.
        target: float (k,), 2q - 1 with q the posterior that the sample is good.
        noise: float (k,), variance of the target.
    """

    index: Array
    target: Array
    noise: Array

    @classmethod
    def of(cls, index: Array, keep: Array) -> Evidence:
        """Evidence of posteriors `keep` in [0, 1]; what people disagree on hardly counts."""
        q = np.asarray(keep, dtype=float)
        return cls(np.asarray(index, dtype=np.int64), 2 * q - 1, MIN_NOISE + 4 * q * (1 - q))


def signals(pool: PoolView) -> Array:
    """Automatic hints per sample, standardised: float (n, 5), or (n, 9) where names mean something.

    Neighbour agreement and its margin, density, leave-one-out class-mean cosine and its margin;
    then cosine to the label's name, its margin, minus log rank, and the best name's cosine.
    """
    columns = [*_neighbour_signals(pool), *_class_mean_signals(pool)]
    if pool.names is not None:
        columns += _name_signals(pool, pool.names)
    x = np.stack(columns, axis=1)
    spread = x.std(axis=0)
    standardised: Array = (x - x.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    return standardised


def prior_mean(pool: PoolView) -> Array:
    """What label names alone say: float (n,) in [-2, 2], higher = the label fits; 0 without names."""
    if pool.names is None:
        return np.zeros(len(pool))
    score = -np.log1p(name_rank(pool, pool.names))
    spread = score.std()
    result: Array = np.clip((score - score.mean()) / (spread if spread > 1e-9 else 1.0), -2, 2)
    return result


def name_rank(pool: PoolView, names: Array) -> Array:
    """How many label names are closer to the sample than its own label's: int64 (n,)."""
    rank = np.empty(len(pool), dtype=np.int64)
    for rows in _blocks(len(pool)):
        cosine = pool.embeddings[rows] @ names.T
        own = np.take_along_axis(cosine, pool.labels[rows, None], axis=1)
        rank[rows] = (cosine > own).sum(axis=1)
    return rank


def _blocks(n: int) -> Iterator[slice]:
    for start in range(0, n, BLOCK):
        yield slice(start, min(start + BLOCK, n))


def _neighbour_signals(pool: PoolView) -> list[Array]:
    n, k = len(pool), min(NEIGHBOURS, len(pool) - 1)
    share, margin, density = np.zeros(n), np.zeros(n), np.zeros(n)
    if k < 1:
        return [share, margin, density]
    for rows in _blocks(n):
        cosine = pool.embeddings[rows] @ pool.embeddings.T
        cosine[pool.group[rows, None] == pool.group[None, :]] = -1.0  # itself and its duplicates
        near = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
        weight = np.maximum(np.take_along_axis(cosine, near, axis=1), 0.0)
        density[rows] = weight.mean(axis=1)
        weight = weight**4 + 1e-12
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
    means = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)
    for rows in _blocks(len(pool)):
        cosine = e[rows] @ means.T
        left = total[y[rows]] - e[rows]  # the class without the sample itself
        left /= np.maximum(np.linalg.norm(left, axis=1, keepdims=True), 1e-9)
        own[rows] = (e[rows] * left).sum(axis=1)
        cosine[np.arange(len(cosine)), y[rows]] = own[rows]
        margin[rows] = own[rows] - _own_and_best_other(cosine, y[rows])[1]
    return [own, margin]


def _name_signals(pool: PoolView, names: Array) -> list[Array]:
    own, margin, best = np.zeros(len(pool)), np.zeros(len(pool)), np.zeros(len(pool))
    for rows in _blocks(len(pool)):
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


@dataclass(frozen=True, slots=True)
class _Kernel:
    """Weights of the covariance: text, text within a label, signals (near, linear); of the prior."""

    same_text: float
    same_label: float
    near_signals: float
    linear_signals: float
    prior: float


GRID = tuple(
    _Kernel(*weights)
    for weights in product((0.1, 0.5), (0.1, 1.0), (0.1, 1.0), (0.1, 1.0), (0.0, 0.4, 0.8))
)
START = _Kernel(0.3, 0.3, 0.3, 0.05, 0.6)
"""While votes are too few to choose by."""
BIAS = 0.2
EXPERTS = 6
"""How many kernels are averaged at most; the rest of the grid weighs next to nothing."""


@dataclass(frozen=True, slots=True)
class _Expert:
    """One kernel fitted to the votes, weighted by its marginal likelihood."""

    kernel: _Kernel
    weight: float
    lower: Array  # Cholesky factor of the voted samples' covariance plus noise
    alpha: Array


class VoteModel:
    """The fitted Gaussian process over a pool: an average over kernels, not the luckiest one."""

    def __init__(self, pool: PoolView, x: Array, evidence: Evidence) -> None:
        self.pool, self.x, self.evidence = pool, x, evidence
        self._prior = prior_mean(pool)
        index = evidence.index
        gaps = 2 - 2 * pool.embeddings[index] @ pool.embeddings[index].T
        off = gaps[~np.eye(len(index), dtype=bool)]
        self._scale = max(0.25 * float(np.median(off)) if off.size else 0.25, 1e-6)
        self._experts = self._fit()

    def _fit(self) -> list[_Expert]:
        index, t = self.evidence.index, self.evidence.target
        if len(index) == 0:
            return [_Expert(START, 1.0, np.zeros((0, 0)), np.zeros(0))]
        parts = self._parts(index, index)
        found = []
        for kernel in GRID if len(index) >= MIN_VOTES_TO_FIT else (START,):
            covariance = _combine(kernel, parts) + np.diag(self.evidence.noise)
            lower = np.linalg.cholesky(covariance)
            rest = t - kernel.prior * self._prior[index]
            alpha = cho_solve((lower, True), rest)
            likelihood = -0.5 * float(rest @ alpha) - float(np.log(np.diag(lower)).sum())
            found.append((likelihood, kernel, lower, alpha))
        found.sort(key=lambda entry: -entry[0])
        found = found[:EXPERTS]
        weights = np.exp([entry[0] - found[0][0] for entry in found])
        weights /= weights.sum()
        return [
            _Expert(kernel, float(weight), lower, alpha)
            for weight, (_, kernel, lower, alpha) in zip(weights, found, strict=True)
        ]

    def _parts(self, rows: Array, columns: Array) -> tuple[Array, Array, Array, Array]:
        """The four kernels between some samples: (r, c) each."""
        e, y, x = self.pool.embeddings, self.pool.labels, self.x
        near = np.exp(-np.maximum(2 - 2 * (e[rows] @ e[columns].T), 0.0) / self._scale)
        linear = x[rows] @ x[columns].T
        gaps = (x[rows] ** 2).sum(1)[:, None] + (x[columns] ** 2).sum(1)[None, :] - 2 * linear
        alike = np.exp(-np.maximum(gaps, 0.0) / (2 * x.shape[1]))
        same = y[rows][:, None] == y[columns][None, :]
        return near, near * same, alike, linear / x.shape[1]

    def _own_variance(self, kernel: _Kernel, rows: Array) -> Array:
        linear = (self.x[rows] ** 2).sum(axis=1) / self.x.shape[1]
        constant = kernel.same_text + kernel.same_label + kernel.near_signals + BIAS
        variance: Array = constant + kernel.linear_signals * linear
        return variance

    def _moments(self, rows: Array) -> Iterator[tuple[slice, float, Array, Array]]:
        """(block, weight, mean, variance) of every expert over blocks of `rows`."""
        for block in _blocks(len(rows)):
            part = rows[block]
            parts = self._parts(part, self.evidence.index)
            for expert in self._experts:
                cross = _combine(expert.kernel, parts)
                mean = expert.kernel.prior * self._prior[part] + cross @ expert.alpha
                half = solve_triangular(expert.lower, cross.T, lower=True)
                variance = self._own_variance(expert.kernel, part) - (half**2).sum(axis=0)
                yield block, expert.weight, mean, np.maximum(variance, 1e-9)

    def mean(self, rows: Array) -> Array:
        """Mean of the latent score of some samples: float (r,)."""
        result = np.zeros(len(rows))
        for block, weight, mean, _ in self._moments(rows):
            result[block] += weight * mean
        return result

    def keep(self) -> Array:
        """Probability that the team would keep each sample of the pool: float (n,) in (0, 1)."""
        p = np.zeros(len(self.pool))
        for block, weight, mean, variance in self._moments(np.arange(len(self.pool))):
            p[block] += weight * ndtr(mean / np.sqrt(variance + PROBIT_NOISE))
        return p

    def posterior_covariance(self, rows: Array, columns: Array) -> Array:
        """Covariance of latent scores given the votes, by the likeliest kernel: float (r, c)."""
        best = self._experts[0]
        voted = self.evidence.index
        prior = _combine(best.kernel, self._parts(rows, columns))
        half_r = solve_triangular(
            best.lower, _combine(best.kernel, self._parts(rows, voted)).T, lower=True
        )
        half_c = solve_triangular(
            best.lower, _combine(best.kernel, self._parts(columns, voted)).T, lower=True
        )
        covariance: Array = prior - half_r.T @ half_c
        return covariance

    def leave_one_out_auc(self) -> float | None:
        """How well the model ranks each vote from all the others; None when it cannot be told.

        Closed form: mu_-i = t_i - [K^-1 (t - m)]_i / [K^-1]_ii (Rasmussen & Williams 5.4.2).
        """
        t = self.evidence.target
        if len(t) < 8 or (t > 0).all() or (t <= 0).all():
            return None
        left_out = np.zeros(len(t))
        for expert in self._experts:
            inverse = cho_solve((expert.lower, True), np.eye(len(t)))
            left_out += expert.weight * (t - expert.alpha / np.diag(inverse))
        return auc(left_out, t > 0)


def _combine(kernel: _Kernel, parts: tuple[Array, Array, Array, Array]) -> Array:
    text, label, near, linear = parts
    covariance: Array = (
        kernel.same_text * text
        + kernel.same_label * label
        + kernel.near_signals * near
        + kernel.linear_signals * linear
        + BIAS
    )
    return covariance


def auc(score: Array, is_good: Array) -> float | None:
    """Area under the ROC curve, ties counted half; None when one side is empty."""
    good, bad = int(is_good.sum()), int((~is_good).sum())
    if not good or not bad:
        return None
    ranks = rankdata(score)
    return float((ranks[is_good].sum() - good * (good + 1) / 2) / (good * bad))


def auc_slack(score: float, is_good: Array) -> float:
    """How much the area may be larger by chance: 1.28 standard errors (Hanley & McNeil 1982).

    Args:
        score: the area under the ROC curve, in [0, 1].
        is_good: bool (k,), the votes it was measured on, of both kinds.
    """
    good, bad = int(is_good.sum()), int((~is_good).sum())
    q1, q2 = score / (2 - score), 2 * score**2 / (1 + score)
    variance = score * (1 - score) + (good - 1) * (q1 - score**2) + (bad - 1) * (q2 - score**2)
    return 1.28 * math.sqrt(max(variance, 0.0) / (good * bad))
