"""Smoothed shares of the answers: what is claimed where voters cannot be told apart. Pure."""

from __future__ import annotations

import numpy as np

from storage.consensus.hypotheses import Floats, Table, tally


def shares(table: Table) -> Floats:
    """(h,) The share of the answers each hypothesis got, as if one undecided answer had come too.

    Whether the given label fits is one question, what else it may be another: a plain no says
    nothing about the second, where the undecided answer goes to "something else".
    Gold is obeyed.
    """
    answer, hypothesis = table.cells()
    fits, has_given = table.fits, (table.given >= 0)[table.item]
    names = table.said[answer] == table.label[hypothesis]
    got = tally(hypothesis, len(fits), names.astype(float))
    cast = tally(hypothesis, len(fits))
    size = table.per_item(np.ones(len(fits)))[table.item]
    keep = (got + 0.5) / (cast + 1)
    kept = table.per_item(np.where(fits, keep, 0.0))[table.item]
    rivals = np.where(fits, 0.0, got)
    is_last = np.append(np.diff(table.item) > 0, True)
    undecided = np.where(is_last & ~fits, 1.0, 0.0)
    rest = (rivals + undecided) / (table.per_item(rivals) + 1)[table.item]
    share = np.where(
        has_given, np.where(fits, keep, (1 - kept) * rest), (got + 1 / size) / (cast + 1)
    )
    # the truth of a gold item may be a label that nobody named
    share = np.where(table.is_allowed, np.maximum(share, 1e-9), 0.0)
    return np.asarray(share / table.per_item(share)[table.item])
