"""How far people agree beyond chance: Krippendorff's alpha. Pure.

Krippendorff (2011), Computing Krippendorff's Alpha-Reliability.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def krippendorff_alpha(table: Floats) -> float | None:
    """Alpha for nominal answers: 1 = perfect agreement, 0 = chance.

    Args:
        table: (items, voters), one code per answer, nan = no vote.

    None with fewer than two answers on every item, or when all answers are alike.
    """
    answers = np.unique(table[~np.isnan(table)])
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


def interval_alpha(table: Floats) -> float | None:
    """Alpha for graded answers, whose differences count squared: 1 = perfect, 0 = chance.

    Args:
        table: (items, voters), one value per answer, nan = no vote.

    None with fewer than two answers on every item, or when all answers are alike.
    """
    table = table[(~np.isnan(table)).sum(axis=1) >= 2]  # pairable items
    values = table[~np.isnan(table)]
    if len(values) == 0 or values.min() == values.max():
        return None
    per_item = (~np.isnan(table)).sum(axis=1)
    within = np.nanvar(table, axis=1) * per_item**2  # sum of (a - b)^2 over pairs of an item
    observed = (within / (per_item - 1)).sum() / len(values)
    return float(1 - observed * (len(values) - 1) / (len(values) * values.var()))
