"""How far each voter can be trusted, and how sure that is. Pure."""

from __future__ import annotations

import numpy as np
from scipy.special import betaincinv, ndtri

from storage.consensus.answers import GIVEN, SOMETHING_ELSE, Reliability, Share
from storage.consensus.doubt import answers_worth
from storage.consensus.emissions import PRIOR, PRIOR_RIGHT, PRIOR_WRONG
from storage.consensus.hypotheses import FEW, Bools, Floats, Table, tally
from storage.consensus.variational import Fit

CARELESS = 0.6
"""Nobody is heard whose share of right answers on gold surely lies below this."""
LOW, HIGH = 0.05, 0.95


def gold_answers(table: Table) -> tuple[Floats, Floats]:
    """(right, asked), (voters,) each: answers on items whose truth is known."""
    answer, hypothesis = table.cells()
    may_be = table.is_allowed[hypothesis] & table.is_gold[table.at[answer]]
    hit = np.unique(answer[may_be & table.is_right(answer, hypothesis)])
    asked = table.by[table.is_gold[table.at]]
    crowd = len(table.voters)
    return tally(table.by[hit], crowd), tally(asked, crowd)


def is_careless(right: Floats, asked: Floats) -> Bools:
    """(voters,) Whose upper Wilson bound (95 %) on gold lies below `CARELESS`.

    The upper one: a lower bound would dismiss honest voters who were asked little, as one with
    seven right answers of eight (.53 to .98) or five of five (.57 to 1).
    """
    z, n = ndtri(0.975), np.maximum(asked, 1)
    share = right / n
    spread = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    upper = (share + z**2 / (2 * n) + spread) / (1 + z**2 / n)
    return np.asarray((asked > 0) & (upper < CARELESS))


def reliabilities(
    table: Table, fitted: Fit, right: Floats, asked: Floats
) -> dict[str, Reliability]:
    """Voter -> reliability under a fit of the model with confusion matrices.

    Args:
        table: the answers.
        fitted: that fit.
        right: (voters,) right answers on gold.
        asked: (voters,) all answers on gold.
    """
    crowd = len(table.voters)
    weight = fitted.weight[: 6 * crowd].reshape(crowd, 3, 2).copy()
    if table.is_few:
        weight[:, 2] += _choices(table, fitted)
    worth = answers_worth(table, fitted, weight)
    main = _shares(weight, worth)
    kept = (worth - PRIOR).sum(axis=1) / (weight.sum(axis=2) - PRIOR).sum(axis=1)
    by_class, names = _by_class(table, fitted, kept)
    cast = tally(table.by, crowd)
    has_chosen = tally(table.by[table.is_choice], crowd) > 0
    return {
        voter: Reliability(
            on_good=main[j][0],
            on_bad=main[j][1],
            choosing=main[j][2] if has_chosen[j] else None,
            of_class=dict(zip(names, by_class[j], strict=True)),
            votes=int(cast[j]),
            gold=(int(right[j]), int(asked[j])),
        )
        for j, voter in enumerate(table.voters)
    }


def _choices(table: Table, fitted: Fit) -> Floats:
    """(voters, 2) Expected right and wrong choices."""
    k, crowd = table.classes, len(table.voters)
    rows = fitted.counts[6 * crowd :][: crowd * k * k].reshape(crowd, k, k)
    right = np.trace(rows, axis1=1, axis2=2)
    return np.stack([right, rows.sum(axis=(1, 2)) - right], axis=1)


def _by_class(table: Table, fitted: Fit, kept: Floats) -> tuple[list[list[Share]], list[str]]:
    """Per voter one share per class, in the order of the names that come second.

    A judgement is about the given label, a choice about the true one. Shrunk to what the voter is
    right about over all classes, with the weight of the prior. Of what the answers would say if the
    truth were known, a share `kept` (voters,) is left, taken to be the same for all classes.
    """
    classes = [k for k, name in enumerate(table.labels) if name not in (GIVEN, SOMETHING_ELSE)]
    if len(classes) > FEW:
        classes = []
    crowd, size = len(table.voters), len(table.labels)
    answer, hypothesis = table.cells()
    given = table.given[table.at[answer]]
    about = np.where(table.is_choice[answer], table.label[hypothesis], given)
    cell = (table.by[answer] * size + about) * 2 + ~table.is_right(answer, hypothesis)
    seen = tally(cell, crowd * size * 2, fitted.belief[hypothesis])
    counts = seen.reshape(crowd, size, 2)
    overall = counts.sum(axis=1, keepdims=True) + np.array([PRIOR_RIGHT, PRIOR_WRONG])
    overall *= PRIOR / overall.sum(axis=2, keepdims=True)
    worth = PRIOR + kept[:, None] * counts.sum(axis=2)
    shares = _shares((counts + overall)[:, classes], worth[:, classes])
    return shares, [table.labels[k] for k in classes]


def _shares(weight: Floats, worth: Floats) -> list[list[Share]]:
    """Of Beta posteriors: `weight` (voters, shares, right and wrong), as sure as `worth` answers."""
    total = weight.sum(axis=2)
    mean = weight[..., 0] / total
    right, wrong = worth * mean, worth * (1 - mean)
    columns = (
        mean,
        betaincinv(right, wrong, LOW),
        betaincinv(right, wrong, HIGH),
        total - PRIOR,
    )
    stacked = np.stack(columns, axis=-1).tolist()
    return [[Share(*numbers) for numbers in shares] for shares in stacked]
