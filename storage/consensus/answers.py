"""What is asked of the aggregation and what it says: answers in, posteriors out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

SOMETHING_ELSE: Final = ""
"""The class of an item that no label fits, or none that anybody named; also an answer."""
GIVEN: Final = "\0given"
"""The class "the given label fits" of an item whose given label the caller did not tell."""

MACHINE: Final = "\0machine"
"""The voter that is none: what was believed of items before people were asked."""

Method = Literal["shares", "equal", "dawid-skene"]


@dataclass(frozen=True, slots=True)
class YesNo:
    """One vote: does the given label of `item` fit, says `voter`?"""

    item: str
    voter: str
    is_yes: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """One vote: `voter` chose `label` for `item`, or named it freely.

    Attributes:
        item: what was asked about.
        voter: who answered.
        label: a label, a side (`A`, `B`, `tie`), or `SOMETHING_ELSE` for "none of these".
    """

    item: str
    voter: str
    label: str


Answer = YesNo | Choice


@dataclass(frozen=True, slots=True)
class Share:
    """A probability somebody has, as far as the answers tell.

    Attributes:
        mean: posterior mean, in (0, 1).
        low: 5 % quantile of the posterior.
        high: 95 % quantile.
        votes: how many answers it rests on; expected ones, where the truth is not known for sure.
    """

    mean: float
    low: float
    high: float
    votes: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """What the answers say about a voter; every share with its 90 % interval.

    Attributes:
        on_good: P(says that the given label fits | it fits).
        on_bad: P(says that it does not fit | it does not).
        choosing: P(names the right label | it is not the given one, nor is that named); None for
            somebody who only judged.
        of_class: label -> P(right | it is about this label: the true one of a choice, the given
            one of a yes or no); empty where labels are many.
        votes: how many answers the voter gave, gold included.
        gold: (right, asked) of cards whose truth was known.
    """

    on_good: Share
    on_bad: Share
    choosing: Share | None
    of_class: Mapping[str, Share]
    votes: int
    gold: tuple[int, int] = (0, 0)

    @property
    def right_on_good(self) -> float:
        """P(yes | good), in (0, 1)."""
        return self.on_good.mean

    @property
    def right_on_bad(self) -> float:
        """P(no | bad), in (0, 1)."""
        return self.on_bad.mean

    @property
    def accuracy(self) -> float:
        """What a vote is worth: judging whatever the share of good items, and choosing."""
        judging = (self.right_on_good + self.right_on_bad) / 2
        if self.choosing is None:
            return judging
        judged, chosen = self.on_good.votes + self.on_bad.votes, self.choosing.votes
        share = chosen / (judged + chosen) if chosen else 0.0
        return judging + share * (self.choosing.mean - judging)


@dataclass(frozen=True, slots=True)
class Consensus:
    """What the team thinks; gold items measure voters and have no opinion here.

    Attributes:
        posterior: item -> P(its given label fits); only items that have one.
        votes: item -> number of answers that count.
        voters: voter -> reliability; empty when voters could not be compared.
        alpha: Krippendorff's alpha over items with several answers; None when it cannot be told.
        classes: item -> {class: probability}, summing to 1. The classes are the given label (or
            `GIVEN`), every label anybody named or chose for the item, and `SOMETHING_ELSE`; all
            labels there are, where these are few and none was given.
        ignored: voters whose answers count for nothing, as gold cards show; tell them in private.
        method: `shares` where only smoothed shares of the answers are claimed; `equal` where
            nothing tells voters apart and everybody counts the same.
    """

    posterior: Mapping[str, float]
    votes: Mapping[str, int]
    voters: Mapping[str, Reliability]
    alpha: float | None
    classes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    method: Method = "shares"
