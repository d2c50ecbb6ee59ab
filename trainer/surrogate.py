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

from trainer.signals import Array, PoolView, blocks, prior_mean, refined_signals

PROBIT_NOISE = 0.3
MIN_NOISE = 0.05
MIN_VOTES_TO_FIT = 20
MIN_LEAN = 0.1
"""A posterior nearer to one half, twice that distance, says nothing."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Votes as the model reads them.

    Attributes:
        index: int64 (k,), which samples.
        keep: float (k,), posterior that each is good, in [0, 1].
    """

    index: Array
    keep: Array

    @classmethod
    def of(cls, index: Array, keep: Array) -> Evidence:
        """Evidence of posteriors `keep` of the samples `index`."""
        return cls(np.asarray(index, dtype=np.int64), np.asarray(keep, dtype=float))

    @property
    def target(self) -> Array:
        """What the votes say, 1 = good and -1 = bad in the mean: float (k,); undecided ones 0.

        A vote that is right with probability a says (2a - 1) of the truth; blown up by that it is
        true in the mean, and as noisy as it deserves.
        """
        lean = 2 * self.keep - 1
        says = np.abs(lean) >= MIN_LEAN
        result: Array = np.where(says, 1 / np.where(says, lean, 1.0), 0.0)
        return result

    @property
    def noise(self) -> Array:
        """Variance of the target; what people disagree on hardly counts: float (k,)."""
        square = np.maximum((2 * self.keep - 1) ** 2, MIN_LEAN**2)
        result: Array = MIN_NOISE + (1 - square) / square
        return result


@dataclass(frozen=True, slots=True)
class _Kernel:
    """Weights of the covariance: text, text within a label, signals (near, linear); of the prior.

    `noise` says how much of the votes' stated noise is believed: few votes state too much.
    """

    same_text: float
    same_label: float
    near_signals: float
    linear_signals: float
    prior: float
    noise: float


GRID = tuple(
    _Kernel(scale * text, scale * label, scale * near, scale * linear, prior, noise)
    for scale, text, label, near, linear, prior, noise in product(
        (1.0, 0.15), (0.1, 0.5), (0.3, 1.0), (0.1, 1.0), (0.1, 1.0), (0.0, 0.4, 0.8), (0.3, 1.0)
    )
)
"""Small scales leave more to the prior where votes are careless."""
START = _Kernel(0.3, 0.3, 0.3, 0.05, 0.6, 1.0)
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


class _Process:
    """One Gaussian process over a pool: an average over kernels, not the luckiest one."""

    def __init__(self, pool: PoolView, x: Array, evidence: Evidence) -> None:
        self.pool, self.x, self.evidence = pool, x, evidence
        self._prior = prior_mean(pool)
        self._scale = _scale(pool.embeddings[evidence.index])
        if pool.hints is not None:
            self._filed_scale = _scale(pool.hints.filed[evidence.index])
        self._experts = self._fit()

    def _fit(self) -> list[_Expert]:
        index, t = self.evidence.index, self.evidence.target
        if len(index) == 0:
            return [_Expert(START, 1.0, np.zeros((0, 0)), np.zeros(0))]
        parts = self._parts(index, index)
        found = []
        for kernel in GRID if len(index) >= MIN_VOTES_TO_FIT else (START,):
            covariance = _combine(kernel, parts) + np.diag(kernel.noise * self.evidence.noise)
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
        e, x = self.pool.embeddings, self.x
        near = np.exp(-_gaps(e[rows], e[columns]) / self._scale)
        heap = np.sqrt(near)  # twice the reach: what is wrong in bulk is alike within its label
        linear = x[rows] @ x[columns].T
        gaps = (x[rows] ** 2).sum(1)[:, None] + (x[columns] ** 2).sum(1)[None, :] - 2 * linear
        alike = np.exp(-np.maximum(gaps, 0.0) / (2 * x.shape[1]))
        return near, heap * self._same(rows, columns), alike, linear / x.shape[1]

    def _same(self, rows: Array, columns: Array) -> Array:
        """How much samples are filed under the same: (r, c) in [0, 1]; labels are or are not."""
        if self.pool.hints is None:
            y = self.pool.labels
            is_same: Array = y[rows][:, None] == y[columns][None, :]
            return is_same
        filed = self.pool.hints.filed
        nearness: Array = np.exp(-_gaps(filed[rows], filed[columns]) / self._filed_scale)
        return nearness

    def _own_variance(self, kernel: _Kernel, rows: Array) -> Array:
        linear = (self.x[rows] ** 2).sum(axis=1) / self.x.shape[1]
        constant = kernel.same_text + kernel.same_label + kernel.near_signals + BIAS
        variance: Array = constant + kernel.linear_signals * linear
        return variance

    def _moments(self, rows: Array) -> Iterator[tuple[slice, float, Array, Array]]:
        """(block, weight, mean, variance) of every expert over blocks of `rows`."""
        for block in blocks(len(rows)):
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

    def left_out(self) -> Array:
        """The score of every voted sample by all the other votes: float (k,).

        Closed form: mu_-i = t_i - [K^-1 (t - m)]_i / [K^-1]_ii (Rasmussen & Williams 5.4.2).
        """
        t = self.evidence.target
        score = np.zeros(len(t))
        for expert in self._experts:
            inverse = cho_solve((expert.lower, True), np.eye(len(t)))
            score += expert.weight * (t - expert.alpha / np.diag(inverse))
        return score


class VoteModel:
    """What the team would say of every sample of a pool.

    Fitted twice: once on what is seen without any vote, and once more with hints that know which
    samples are probably good. Their mean is what is said.

    Args:
        pool: the samples.
        x: float (n, f), their hints, standardised.
        evidence: the votes.
    """

    def __init__(self, pool: PoolView, x: Array, evidence: Evidence) -> None:
        self.pool, self.x, self.evidence = pool, x, evidence
        self._first = self._last = _Process(pool, x, evidence)
        self._keep = self._first.keep()
        if len(evidence.index) >= MIN_VOTES_TO_FIT:
            known = self._keep.copy()
            known[evidence.index] = evidence.keep
            x = np.concatenate([x, refined_signals(pool, known)], axis=1)
            self._last = _Process(pool, x, evidence)
            self._keep = (self._keep + self._last.keep()) / 2

    def keep(self) -> Array:
        """Probability that the team would keep each sample of the pool: float (n,) in (0, 1)."""
        return self._keep.copy()

    def keep_unheard(self) -> Array:
        """The same without any vote, by the prior alone: float (n,) in (0, 1)."""
        return _Process(self.pool, self.x, Evidence.of(np.zeros(0), np.zeros(0))).keep()

    def mean(self, rows: Array) -> Array:
        """Mean of the latent score of some samples: float (r,)."""
        return self._last.mean(rows)

    def posterior_covariance(self, rows: Array, columns: Array) -> Array:
        """Covariance of latent scores given the votes, by the likeliest kernel: float (r, c)."""
        return self._last.posterior_covariance(rows, columns)

    def leave_one_out_auc(self) -> float | None:
        """How well the model ranks each vote from all the others; None when it cannot be told.

        By the first fit alone: the hints of the second have seen the vote that is left out.
        """
        is_good = self.evidence.target > 0
        if len(is_good) < 8 or is_good.all() or not is_good.any():
            return None
        return auc(self._first.left_out(), is_good)


def _gaps(a: Array, b: Array) -> Array:
    """Squared distances of unit rows: (len(a), len(b)), none below 0."""
    result: Array = np.maximum(2 - 2 * (a @ b.T), 0.0)
    return result


def _scale(voted: Array) -> float:
    """The reach of likeness: a quarter of the median squared distance between what was voted on."""
    off = (2 - 2 * voted @ voted.T)[~np.eye(len(voted), dtype=bool)]
    return max(0.25 * float(np.median(off)) if off.size else 0.5, 1e-6)


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
