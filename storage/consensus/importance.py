"""What matters most to the team: graded votes to a ranking that knows how sure it is. Pure.

A voter's value is `bias + follow * importance + noise`. Someone who gives everything a five, or
anything at random, follows nothing: `follow` goes to 0 and the votes say next to nothing. A
conjugate hierarchical model by mean-field variational Bayes (Bishop 2006, sections 3.3 and 10.1).
What corrects a voter may not say more than anybody did: idle is not misleading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from storage.consensus.hypotheses import Floats, Ints, tally

NEUTRAL = 0.5
QUORUM = 3.0
"""Voters a feature needs to speak for itself: those missing are taken for neutral ones."""
OPEN = 0.3
"""Where none is missing, importance could be anything in [-1, 1]: worth so many neutral votes."""
NOISE = 0.3
"""Typical error of one vote, on a scale from -1 (misleads) to 1 (matters most)."""
NOISE_SHAPE = 2.0
BIAS = 0.2
FOLLOW = 0.5
"""Standard deviations of voters' bias around 0 and of their follow around 1."""
STEPS = 200
ENOUGH = 1e-6
DRAWS = 4000
QUANTILE = 1.645  # of the normal distribution, 95 %


@dataclass(frozen=True, slots=True)
class Importance:
    """What the team makes of one feature.

    Attributes:
        feature: its name.
        mean: posterior mean, in [-1, 1], and within what was said of it; .5 where nobody knows.
        low: 5 % quantile.
        high: 95 % quantile.
        votes: how many gave it a value.
        ranks: 90 % interval of its rank, 1 = most important.
        in_top: P(it is one of the most important ones); how many those are is asked for.
    """

    feature: str
    mean: float
    low: float
    high: float
    votes: int
    ranks: tuple[int, int]
    in_top: float


def ranking(
    values: Sequence[tuple[str, str, float]],
    *,
    top: int = 3,
    within: Mapping[str, str] | None = None,
) -> tuple[Importance, ...]:
    """The features, most important first.

    Args:
        values: (feature, voter, value in [-1, 1]), at most one per voter and feature.
        top: how many count as the most important ones.
        within: feature -> the group it is ranked in, e.g. its label; one group if not told. How
            voters vote is learnt over all groups.
    """
    if not values:
        return ()
    names = sorted({feature for feature, _, _ in values})
    voters = sorted({voter for _, voter, _ in values})
    feature = np.array([names.index(name) for name, _, _ in values])
    voter = np.array([voters.index(name) for _, name, _ in values])
    value = np.array([given for _, _, given in values], dtype=float)
    mean, spread = _posterior(feature, voter, value)
    least, most = (np.full(len(names), NEUTRAL) for _ in range(2))
    np.minimum.at(least, feature, value)
    np.maximum.at(most, feature, value)
    groups = np.unique([(within or {}).get(name, "") for name in names], return_inverse=True)[1]
    ranks = _ranks(mean, spread, groups)
    low, high = np.quantile(ranks, [0.05, 0.95], axis=0, method="nearest").astype(int)
    sure = QUANTILE * spread
    found = [
        Importance(
            feature=name,
            mean=float(np.clip(mean[i], least[i], most[i])),
            low=float(np.clip(mean[i] - sure[i], -1, 1)),
            high=float(np.clip(mean[i] + sure[i], -1, 1)),
            votes=int((feature == i).sum()),
            ranks=(int(low[i]), int(high[i])),
            in_top=float((ranks[:, i] <= top).mean()),
        )
        for i, name in enumerate(names)
    ]
    place = {one.feature: mean[i] for i, one in enumerate(found)}  # parts those held back alike
    return tuple(sorted(found, key=lambda one: (-one.mean, -place[one.feature], one.feature)))


def importance(values: Sequence[tuple[str, str, float]]) -> dict[str, tuple[float, int]]:
    """Feature -> (importance in [-1, 1], votes): the means of `ranking`."""
    return {found.feature: (found.mean, found.votes) for found in ranking(values)}


def _posterior(feature: Ints, voter: Ints, value: Floats) -> tuple[Floats, Floats]:
    """(mean (features,), standard deviation (features,)); importance is independent and normal."""
    n, crowd = int(feature.max()) + 1, int(voter.max()) + 1
    x = value - NEUTRAL
    cast = tally(voter, crowd)
    precision = np.full(crowd, NOISE**-2)  # of a voter's noise
    line = np.tile([0.0, 1.0], (crowd, 1))  # bias, follow
    doubt = np.zeros((crowd, 2, 2))  # their covariance
    prior = np.maximum(QUORUM - tally(feature, n), OPEN) / NOISE**2
    mean = np.zeros(n)
    for _ in range(STEPS):
        bias, follow = line[voter].T
        sure = precision * (line[:, 1] ** 2 + doubt[:, 1, 1])
        variance = 1 / (prior + tally(feature, n, sure[voter]))
        pull = precision[voter] * (follow * (x - bias) - doubt[voter, 0, 1])
        moved = variance * tally(feature, n, pull) - mean
        mean = mean + moved
        line, doubt = _lines(voter, x, mean[feature], variance[feature], precision)
        error = _errors(voter, x, mean[feature], variance[feature], line, doubt)
        precision = (NOISE_SHAPE + cast / 2) / (NOISE_SHAPE * NOISE**2 + error / 2)
        if np.abs(moved).max() < ENOUGH:
            break
    return mean + NEUTRAL, np.sqrt(variance)


def _lines(
    voter: Ints, x: Floats, mean: Floats, variance: Floats, precision: Floats
) -> tuple[Floats, Floats]:
    """Bias and follow of each voter: mean (voters, 2), covariance (voters, 2, 2)."""
    crowd = len(precision)
    total = tally(voter, crowd, mean)
    inverse = np.empty((crowd, 2, 2))
    inverse[:, 0, 0] = BIAS**-2 + precision * tally(voter, crowd)
    inverse[:, 0, 1] = inverse[:, 1, 0] = precision * total
    inverse[:, 1, 1] = FOLLOW**-2 + precision * tally(voter, crowd, mean**2 + variance)
    pull = precision * np.stack([tally(voter, crowd, x), tally(voter, crowd, x * mean)])
    pull[1] += FOLLOW**-2
    doubt = np.asarray(np.linalg.inv(inverse), dtype=np.float64)
    return np.einsum("vij,jv->vi", doubt, pull), doubt


def _errors(
    voter: Ints, x: Floats, mean: Floats, variance: Floats, line: Floats, doubt: Floats
) -> Floats:
    """(voters,) Expected sum of squared noise."""
    bias, follow = line[voter].T
    square = (x - bias - follow * mean) ** 2 + follow**2 * variance
    unsure = doubt[voter]
    square += unsure[:, 0, 0] + 2 * mean * unsure[:, 0, 1]
    square += unsure[:, 1, 1] * (mean**2 + variance)
    return tally(voter, len(line), square)


def _ranks(mean: Floats, spread: Floats, groups: Ints) -> Ints:
    """(draws, features) Ranks within their group, 1 = most important, in draws of the posterior."""
    rng = np.random.default_rng(0)  # the same votes always give the same ranking
    drawn = mean + spread * rng.standard_normal((DRAWS, len(mean)))
    ranks = np.empty(drawn.shape, dtype=np.int64)
    for group in range(int(groups.max()) + 1):
        mine = groups == group
        ranks[:, mine] = (-drawn[:, mine]).argsort(axis=1).argsort(axis=1) + 1
    return ranks
