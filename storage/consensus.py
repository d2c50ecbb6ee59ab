"""Many votes to one posterior: full-confusion-matrix Dawid-Skene with priors and gold cards. Pure.

Each voter has two reliabilities, P(yes | good) and P(no | bad), with a Beta(4, 2) prior each; one
number per voter collapses as soon as somebody always says yes. Dawid & Skene 1979, MAP version. Where voters hardly overlap and no gold was asked, EM
would learn nothing but bias: then the smoothed share of yes is all that is claimed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

PRIOR_RIGHT, PRIOR_WRONG = 3.0, 1.0
"""Beta(4, 2) as pseudo-counts of its mode: three right answers and one wrong one."""
MIN_OVERLAP = 0.2
MIN_GOLD = 8
CLIP = 1e-3


@dataclass(frozen=True, slots=True)
class YesNo:
    """One vote: did `voter` say yes to `item`?"""

    item: str
    voter: str
    is_yes: bool


@dataclass(frozen=True, slots=True)
class Reliability:
    """What the votes say about a voter.

    Attributes:
        right_on_good: P(yes | good), in (0, 1).
        right_on_bad: P(no | bad), in (0, 1).
        votes: how many votes this rests on.
    """

    right_on_good: float
    right_on_bad: float
    votes: int

    @property
    def accuracy(self) -> float:
        """The mean of both: what a vote is worth whatever the share of good items."""
        return (self.right_on_good + self.right_on_bad) / 2


@dataclass(frozen=True, slots=True)
class Consensus:
    """What the team thinks.

    Attributes:
        posterior: item -> probability that it is good.
        votes: item -> number of votes.
        voters: voter -> reliability; empty when voters could not be compared.
        alpha: Krippendorff's alpha over items with several votes; None when it cannot be told.
    """

    posterior: Mapping[str, float]
    votes: Mapping[str, int]
    voters: Mapping[str, Reliability]
    alpha: float | None


def aggregate(votes: Sequence[YesNo], gold: Mapping[str, bool] | None = None) -> Consensus:
    """The posterior of every voted item, and how far each voter can be trusted.

    Args:
        votes: at most one per voter and item.
        gold: items whose truth is known beforehand; they measure voters.
    """
    known = dict(gold or {})
    items = sorted({v.item for v in votes})
    voters = sorted({v.voter for v in votes})
    if not items:
        return Consensus({}, {}, {}, None)
    row = {item: i for i, item in enumerate(items)}
    column = {voter: j for j, voter in enumerate(voters)}
    table = np.full((len(items), len(voters)), np.nan)
    for v in votes:
        table[row[v.item], column[v.voter]] = v.is_yes
    counts = {item: int((~np.isnan(table[row[item]])).sum()) for item in items}
    truth = np.array([known.get(item, np.nan) for item in items], dtype=float)
    alpha = krippendorff_alpha(table)
    if not _can_compare(table, truth):
        yes = np.nansum(table, axis=1)
        share = (yes + 0.5) / (np.array(list(counts.values())) + 1)
        return Consensus(dict(zip(items, share.tolist(), strict=True)), counts, {}, alpha)
    posterior, good, bad = _dawid_skene(table, truth)
    cast = (~np.isnan(table)).sum(axis=0)
    return Consensus(
        posterior=dict(zip(items, posterior.tolist(), strict=True)),
        votes=counts,
        voters={
            voter: Reliability(float(good[j]), float(bad[j]), int(cast[j]))
            for voter, j in column.items()
        },
        alpha=alpha,
    )


def _can_compare(table: np.ndarray, truth: np.ndarray) -> bool:
    """Whether voters overlap enough, or answered enough gold, to be told apart."""
    voted = ~np.isnan(table)
    overlap = (voted.sum(axis=1) >= 2).mean()
    gold_answers = voted[~np.isnan(truth)].sum(axis=0)
    return bool(overlap >= MIN_OVERLAP or (gold_answers >= MIN_GOLD).all())


def _dawid_skene(
    table: np.ndarray, truth: np.ndarray, steps: int = 200
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(posterior (n,), P(yes | good) (voters,), P(no | bad) (voters,)) by MAP-EM."""
    voted, yes = ~np.isnan(table), np.nan_to_num(table)
    no = voted - yes
    is_gold = ~np.isnan(truth)
    q = (yes.sum(axis=1) + 0.5) / (voted.sum(axis=1) + 1)
    q = np.where(is_gold, np.nan_to_num(truth), q)
    prior = PRIOR_RIGHT + PRIOR_WRONG
    for _ in range(steps):
        good = (q @ yes + PRIOR_RIGHT) / (q @ voted + prior)
        bad = ((1 - q) @ no + PRIOR_RIGHT) / ((1 - q) @ voted + prior)
        good, bad = np.clip(good, CLIP, 1 - CLIP), np.clip(bad, CLIP, 1 - CLIP)
        share = (q.sum() + 1) / (len(q) + 2)
        logit = (
            np.log(share / (1 - share))
            + yes @ np.log(good / (1 - bad))
            + no @ np.log((1 - good) / bad)
        )
        new = np.where(is_gold, np.nan_to_num(truth), 1 / (1 + np.exp(-np.clip(logit, -50, 50))))
        moved = float(np.abs(new - q).max())
        q = new
        if moved < 1e-5:
            break
    return q, good, bad


def krippendorff_alpha(table: np.ndarray) -> float | None:
    """Krippendorff's alpha for nominal answers: 1 = perfect agreement, 0 = chance.

    Args:
        table: (items, voters), one code per answer, nan = no vote.

    None with fewer than two answers on some item, or when all answers are alike.
    """
    answers = sorted(set(table[~np.isnan(table)].tolist()))
    if len(answers) < 2:
        return None
    counts = np.stack([(table == a).sum(axis=1) for a in answers], axis=1).astype(float)
    counts = counts[counts.sum(axis=1) >= 2]  # pairable items
    n = counts.sum()
    if n < 2 or (counts.sum(axis=0) > 0).sum() < 2:
        return None
    per_item = counts.sum(axis=1, keepdims=True)
    agreeing = (counts * (counts - 1) / (per_item - 1)).sum()
    totals = counts.sum(axis=0)
    expected = (totals * (totals - 1)).sum() / (n - 1)
    observed_disagreement, expected_disagreement = n - agreeing, n - expected
    return float(1 - observed_disagreement / expected_disagreement)


def importance(values: Sequence[tuple[str, str, float]]) -> dict[str, tuple[float, int]]:
    """Feature -> (importance in [-1, 1], voters), shrunk towards the neutral .5.

    As if two indifferent people had also voted: one careless vote cannot promote a feature.

    Args:
        values: (feature, voter, value in [-1, 1]), at most one per voter and feature.
    """
    by_feature: dict[str, list[float]] = defaultdict(list)
    for feature, _, value in values:
        by_feature[feature].append(value)
    return {
        feature: ((sum(given) + 2 * 0.5) / (len(given) + 2), len(given))
        for feature, given in by_feature.items()
    }
