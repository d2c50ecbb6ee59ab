"""How voters come to their answers: three models, as dials that a fit turns. Pure.

A dial is a categorical distribution (one of a voter's shares, or the class balance); a setting is
one of its outcomes. Every hypothesis is the product of the settings it needs: its own prior and,
for every answer on its item, how that voter would come to say this were it true.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from storage.consensus.answers import SOMETHING_ELSE
from storage.consensus.hypotheses import Bools, Floats, Ints, Table, tally

PRIOR_RIGHT, PRIOR_WRONG = 3.0, 1.0
"""Beta(4, 2) as pseudo-counts of its mode: three right answers and one wrong one."""
PRIOR = PRIOR_RIGHT + PRIOR_WRONG
CROWD = 20.0
"""Usual people, right by the prior, whom a crowd's own people have to outweigh."""
NOTHING_FITS = 0.5
"""Where the given label does not fit: how often no label does, before anything is known."""

Factor = tuple[Ints, Ints, Floats]
"""(hypotheses, settings, log of what is known), one entry each; setting -1: nothing to learn."""


class Voters(Enum):
    """What tells voters apart."""

    ALIKE = "one accuracy for all"
    ACCURATE = "an accuracy each"
    CONFUSED = "a confusion matrix each"


@dataclass(frozen=True, slots=True)
class Model:
    """A likelihood with its priors.

    Settings lie in this order: for each voter right and wrong of three dials (sensitivity,
    specificity, choosing); for each voter and truth the row of a confusion matrix, if there are
    such; whether given labels fit; how common each of the few classes is.

    Attributes:
        hypothesis, setting: (c,) which setting each hypothesis needs; one entry per factor.
        constant: (h,) log of the factors that are known.
        dial: (p,) the dial each setting belongs to.
        crowd: number of voters.
        rows: size of the confusion matrices, 0 = none.
        balance: the first setting that is no voter's.
    """

    hypothesis: Ints
    setting: Ints
    constant: Floats
    dial: Ints
    crowd: int
    rows: int
    balance: int

    def pseudo_counts(self, counts: Floats) -> Floats:
        """(p,) The prior: Beta(4, 2), moved by what the crowd and the voter are like elsewhere."""
        flat = np.ones(len(self.dial) - self.balance)
        binary = _like_the_crowd(counts[: 6 * self.crowd].reshape(self.crowd, 3, 2))
        if self.rows == 0:
            return np.concatenate([binary.ravel(), flat])
        table = counts[6 * self.crowd : self.balance].reshape(self.crowd, self.rows, self.rows)
        return np.concatenate([binary.ravel(), _like_oneself(table).ravel(), flat])


def _like_the_crowd(counts: Floats) -> Floats:
    """(voters, 3, 2) Pseudo-counts of each share: people of one crowd resemble each other.

    As if `CROWD` usual people had also been there, so a team keeps its prior and a crowd learns it.
    """
    share = counts[..., 0] / (counts.sum(axis=2) + PRIOR)  # of those who said little, little
    weight = counts.sum(axis=2) / (counts.sum(axis=2) + PRIOR)
    mean = (CROWD * PRIOR_RIGHT / PRIOR + share.sum(axis=0)) / (CROWD + weight.sum(axis=0))
    return np.broadcast_to(PRIOR * np.stack([mean, 1 - mean], axis=1), counts.shape)


def _like_oneself(table: Floats) -> Floats:
    """(voters, K, K) Pseudo-counts of each row: right as often as this voter is over all classes.

    Few answers fill K x K shares badly; what is wrong falls anywhere at first.
    """
    k = table.shape[1]
    right = np.trace(table, axis1=1, axis2=2)
    accuracy = (right + PRIOR_RIGHT) / (table.sum(axis=(1, 2)) + PRIOR)
    each = PRIOR * (1 - accuracy) / max(k - 1, 1)
    rows = np.repeat(each[:, None], k * k, axis=1)
    rows[:, :: k + 1] = (PRIOR * accuracy)[:, None]
    return rows.reshape(table.shape)


def right_or_wrong(first: Ints | int, is_right: Bools) -> Ints:
    """The settings of two-way dials: `right` comes first."""
    return np.asarray(2 * first + ~is_right)


def model(table: Table, voters: Voters) -> Model:
    """The model of `table` under which voters differ as told."""
    k, crowd = table.classes, len(table.voters)
    rows = k if table.is_few and voters is Voters.CONFUSED else 0
    settings = np.repeat([2, k, 2, k], [3 * crowd, rows * crowd, 1, 1])
    balance = 6 * crowd + rows * k * crowd
    tell = _confused if voters is Voters.CONFUSED else _plain
    factors = [*tell(table, voters), _class_prior(table, balance)]
    at, setting, known = (np.concatenate(column) for column in zip(*factors, strict=True))
    is_dialled = setting >= 0
    return Model(
        hypothesis=at[is_dialled],
        setting=setting[is_dialled],
        constant=tally(at, len(table.item), known),
        dial=np.repeat(np.arange(len(settings)), settings),
        crowd=crowd,
        rows=rows,
        balance=balance,
    )


def _plain(table: Table, voters: Voters) -> list[Factor]:
    """One share of right answers per kind of question; a wrong choice falls anywhere."""
    answer, hypothesis = table.cells()
    right, is_choice = table.is_right(answer, hypothesis), table.is_choice[answer]
    alike = table.is_machine[table.by].astype(np.int64)  # all people, and it
    who = (table.by if voters is Voters.ACCURATE else alike)[answer]
    spread = _spread(is_choice & ~right, table.classes - 1)
    return [(hypothesis, right_or_wrong(3 * who + 2 * is_choice, right), spread)]


def _confused(table: Table, _: Voters) -> list[Factor]:
    """Is it the given label (sensitivity, specificity), else which one is it?

    A confusion matrix over all labels would take somebody who always confirms the given one for
    good at each label. It is for items that have no given label.
    """
    answer, hypothesis = table.cells()
    k, who, said = table.classes, table.by[answer], table.said[answer]
    is_choice, yes = table.is_choice[answer], table.is_yes[answer]
    truth, fits = table.label[hypothesis], table.fits[hypothesis]
    has_given = table.given[table.at[answer]] >= 0
    judged = np.where(has_given, right_or_wrong(3 * who + ~fits, fits == yes), -1)
    lost = is_choice & has_given & fits & ~yes
    # and if neither the truth nor the answer is the given label: which one is it?
    chosen = is_choice & ~(has_given & (yes | fits))
    is_found = said == truth
    which = right_or_wrong(3 * who + 2, is_found)
    in_row = table.is_few & ~has_given
    if table.is_few:
        row = 6 * len(table.voters) + (who * k + truth) * k + said
        which = np.where(in_row, row, which)
    missed = chosen & ~is_found & ~in_row
    return [
        (hypothesis, judged, _spread(lost, k - 1)),
        (hypothesis, np.where(chosen, which, -1), _spread(missed, k - 1 - has_given)),
    ]


def _spread(is_wrong: Bools, others: Ints | int) -> Floats:
    """Log of the chance of just this label, where a wrong one of `others` was named."""
    return np.where(is_wrong, -np.log(np.maximum(others, 1)), 0.0)


def _class_prior(table: Table, first: int) -> Factor:
    """How common a class is: does the given label fit, and the balance of the few classes."""
    has_given = (table.given >= 0)[table.item]
    balance = first + 2 + table.label if table.is_few else np.full(len(table.item), -1)
    setting = np.where(has_given, first + ~table.fits, balance)
    return np.arange(len(table.item)), setting, np.log(_known_prior(table, has_given))


def _known_prior(table: Table, has_given: Bools) -> Floats:
    """(h,) What is taken as known of a class: where the given label fits not, which other does.

    "Something else" holds its own share and that of the labels nobody named.
    """
    k = table.classes
    is_else = np.array([name == SOMETHING_ELSE for name in table.labels])[table.label]
    named = table.per_item((~is_else).astype(float))[table.item]
    each = (1 - NOTHING_FITS) / max(k - 2, 1)
    rival = np.where(is_else, 1 - each * (named - 1), each)
    flat = 1.0 if table.is_few else np.where(is_else, 1 - named / k, 1 / k)
    return np.where(has_given, np.where(table.fits, 1.0, rival), flat)
