"""How sure voters' shares are, where the truths they are measured by are not. Pure.

A variational fit takes its beliefs for counts and is too sure of what follows from them. Louis
(1982), Finding the Observed Information Matrix when Using the EM Algorithm: what is known of the
shares is what would be known if every truth were, less what the unknown truths leave open.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, diags_array

from storage.consensus.emissions import PRIOR, Model
from storage.consensus.hypotheses import Bools, Floats, Ints, Table
from storage.consensus.variational import Fit


def answers_worth(table: Table, fitted: Fit, weight: Floats) -> Floats:
    """(voters, 3) How many answers with known truth would make as sure of each share.

    Args:
        table: the answers.
        fitted: the model with confusion matrices fitted to them.
        weight: (voters, 3, 2) right and wrong answers of each share, pseudo-counts included.
    """
    model = fitted.model
    balance = fitted.weight[model.balance :][:2]
    right = np.append(weight[..., 0], balance[0])
    total = np.append(weight.sum(axis=2), balance.sum())
    prior = np.append(np.full(3 * model.crowd, PRIOR), 2.0)
    share = right / total
    # in units of what the prior alone knows of the logit of each share
    root = np.sqrt(prior * share * (1 - share))
    known = np.diag(total / prior) - _left_open(table, fitted, share) / np.outer(root, root)
    used = np.flatnonzero(total > prior)
    size, axes = np.linalg.eigh(known[np.ix_(used, used)])
    # answers take nothing from what was known without them
    variance = (axes**2 / np.maximum(size, 1.0)).sum(axis=1)
    worth = total.copy()
    worth[used] = np.minimum(prior[used] / variance, total[used])
    return worth[:-1].reshape(model.crowd, 3)


def _left_open(table: Table, fitted: Fit, share: Floats) -> Floats:
    """(shares, shares) Covariance, over beliefs, of the slopes of the log-likelihood by logits."""
    model, belief = fitted.model, fitted.belief
    dial, is_right, is_share = _binary(model)
    used = is_share[model.setting]
    setting, hypothesis = model.setting[used], model.hypothesis[used]
    slope = csr_array(
        ((is_right - share[dial])[setting], (hypothesis, dial[setting])),
        shape=(len(belief), len(share)),
    )
    of_item = csr_array((belief, (table.item, np.arange(len(belief)))))
    mean = of_item @ slope
    covariance = slope.T @ diags_array(belief) @ slope - mean.T @ mean
    return np.asarray(covariance.toarray(), dtype=np.float64)


def _binary(model: Model) -> tuple[Ints, Bools, Bools]:
    """(share, whether it is the right side, whether it is one) of every setting.

    The shares are three of each voter, and how often given labels fit. A row of a confusion matrix
    counts as choosing; how common each class is is left out.
    """
    setting, k, crowd = np.arange(len(model.dial)), max(model.rows, 1), model.crowd
    row = setting - 6 * crowd
    in_row = (row >= 0) & (setting < model.balance)
    dial = np.where(in_row, 3 * (row // (k * k)) + 2, np.minimum(setting // 2, 3 * crowd))
    dial[model.balance :] = 3 * crowd
    is_right = np.where(in_row, row // k % k == row % k, setting % 2 == 0)
    return dial, is_right, setting < model.balance + 2
