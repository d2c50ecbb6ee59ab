"""Variational Bayes for a latent class per item and Dirichlet dials. Pure.

Like EM of Dawid & Skene (1979), but every share keeps its uncertainty: Simpson, Roberts, Psorakis &
Smith (2013), Dynamic Bayesian Combination of Multiple Imperfect Classifiers (IBCC-VB). It also says
how well a model explains the answers, so that models can be compared without knowing any truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, gammaln, xlogy

from storage.consensus.emissions import Model
from storage.consensus.hypotheses import Floats, Table, tally

STEPS = 200
ENOUGH = 1e-5


@dataclass(frozen=True, slots=True)
class Fit:
    """What a model makes of the answers.

    Attributes:
        model: what was fitted.
        belief: (h,) probability of each hypothesis; sums to 1 over an item.
        counts: (p,) expected number of times each setting was seen.
        weight: (p,) the same with pseudo-counts: the Dirichlet posterior.
        evidence: lower bound of log P(answers | model), nats.
    """

    model: Model
    belief: Floats
    counts: Floats
    weight: Floats
    evidence: float


def fit(model: Model, table: Table, start: Floats) -> Fit:
    """Turn beliefs into dials and dials into beliefs until nothing moves.

    Args:
        model: of the answers in `table`.
        table: the answers.
        start: (h,) first beliefs.
    """
    belief = start
    for _ in range(STEPS):
        counts, prior = _counts(model, belief)
        new = believe(model, table, log_shares(model, counts + prior))
        moved = np.abs(new - belief).max()
        belief = new
        if moved < ENOUGH:
            break
    counts, prior = _counts(model, belief)
    return Fit(model, belief, counts, counts + prior, _evidence(model, belief, counts, prior))


def log_shares(model: Model, weight: Floats) -> Floats:
    """(p,) E[log share] of every setting under its dial's Dirichlet posterior."""
    return np.asarray(digamma(weight) - digamma(np.bincount(model.dial, weight))[model.dial])


def _counts(model: Model, belief: Floats) -> tuple[Floats, Floats]:
    counts = tally(model.setting, len(model.dial), belief[model.hypothesis])
    return counts, model.pseudo_counts(counts)


def believe(model: Model, table: Table, logs: Floats) -> Floats:
    """(h,) The hypotheses of each item weighed against each other, given log shares (p,)."""
    score = model.constant + tally(model.hypothesis, len(model.constant), logs[model.setting])
    score[~table.is_allowed] = -np.inf
    score = np.exp(score - np.maximum.reduceat(score, table.starts)[table.item])
    return np.asarray(score / table.per_item(score)[table.item])


def _evidence(model: Model, belief: Floats, counts: Floats, prior: Floats) -> float:
    weight = counts + prior
    dials = gammaln(np.bincount(model.dial, prior)) - gammaln(np.bincount(model.dial, weight))
    shares = gammaln(weight) - gammaln(prior)
    unsure = -xlogy(belief, belief).sum()
    return float(unsure + (belief * model.constant).sum() + dials.sum() + shares.sum())
