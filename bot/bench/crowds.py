"""What aggregation is worth on real crowds: votes of strangers whose truth is known.

Tasks of Snow et al. (2008), Welinder et al. (2010) and Ipeirotis et al. (2010); a tenth of the
items is gold, drawn anew in every draw, and all the others are judged. One set of defaults for all.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bot.bench.figures import Figure
from storage.consensus import YesNo, aggregate

WANTED: Mapping[str, float] = {"bluebirds": 0.889, "rte": 0.9275, "barzan": 0.709}
"""Crowd -> accuracy to reach with all votes."""
FEW_VOTES = (3, 5)
GOLD_SHARE = 0.1
DRAWS = 20


@dataclass(frozen=True, slots=True)
class Crowd:
    """Votes on yes/no tasks whose truth is known.

    Attributes:
        name: of the data set.
        votes: all of them.
        truth: item -> whether yes is right.
    """

    name: str
    votes: Sequence[YesNo]
    truth: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of right items, gold left out, mean over the draws; a tie is half right.

    Attributes:
        crowd: name of the data set.
        votes_per_item: how many were used at most; None = all.
        ours: of `storage.consensus.aggregate`.
        majority: of counting votes.
    """

    crowd: str
    votes_per_item: int | None
    ours: float
    majority: float


def read_crowd(folder: Path, name: str) -> Crowd:
    """The crowd in `{name}_votes.csv` (task, worker, label) and `{name}_gold.csv` (task, gold).

    Raises:
        OSError: a file is missing.
    """
    with (folder / f"{name}_votes.csv").open(newline="") as file:
        votes = [YesNo(r["task"], r["worker"], r["label"] == "1") for r in csv.DictReader(file)]
    with (folder / f"{name}_gold.csv").open(newline="") as file:
        truth = {row["task"]: row["gold"] == "1" for row in csv.DictReader(file)}
    return Crowd(name, votes, truth)


def accuracy(crowd: Crowd, votes_per_item: int | None = None, draws: int = DRAWS) -> Accuracy:
    """How often the aggregated votes are right, beside the majority.

    Args:
        crowd: the votes.
        votes_per_item: drawn at random for each item; None = all.
        draws: how many times gold (and votes) are drawn; draw n is always the same.
    """
    found = [_draw(crowd, votes_per_item, np.random.default_rng(n)) for n in range(draws)]
    ours, majority = np.mean(found, axis=0).tolist()
    return Accuracy(crowd.name, votes_per_item, ours, majority)


def accuracies(folder: Path) -> tuple[Accuracy, ...]:
    """Every crowd with all votes and with few.

    Raises:
        OSError: a file is missing.
    """
    crowds = [read_crowd(folder, name) for name in WANTED]
    return tuple(accuracy(crowd, n) for crowd in crowds for n in (None, *FEW_VOTES))


def figures(folder: Path) -> tuple[Figure, ...]:
    """The accuracies against what is wanted: with all votes a fixed mark, else the majority.

    Raises:
        OSError: a file is missing.
    """
    return tuple(
        Figure(
            name=f"{found.crowd}: right with {found.votes_per_item or 'all'} votes per item "
            f"(majority: {found.majority:.4f})",
            value=round(found.ours, 4),
            unit="share",
            target=f">= {_mark(found):.4f}",
        )
        for found in accuracies(folder)
    )


def _mark(found: Accuracy) -> float:
    return found.majority if found.votes_per_item else WANTED[found.crowd]


def _draw(
    crowd: Crowd, votes_per_item: int | None, rng: np.random.Generator
) -> tuple[float, float]:
    """(accuracy of ours, of the majority) on the items that are not gold."""
    items = sorted(crowd.truth)
    drawn = rng.permutation(len(items))[: round(GOLD_SHARE * len(items))]
    gold = {items[i]: crowd.truth[items[i]] for i in drawn}
    asked = {item: truth for item, truth in crowd.truth.items() if item not in gold}
    votes = crowd.votes if votes_per_item is None else _some(crowd.votes, votes_per_item, rng)
    return _share_right(aggregate(votes, gold).posterior, asked), _share_right(
        _shares(votes), asked
    )


def _some(votes: Sequence[YesNo], per_item: int, rng: np.random.Generator) -> list[YesNo]:
    kept: dict[str, list[YesNo]] = defaultdict(list)
    for i in rng.permutation(len(votes)):
        mine = kept[votes[i].item]
        if len(mine) < per_item:
            mine.append(votes[i])
    return [vote for mine in kept.values() for vote in mine]


def _shares(votes: Iterable[YesNo]) -> dict[str, float]:
    """Item -> share of yes."""
    cast: dict[str, list[bool]] = defaultdict(list)
    for vote in votes:
        cast[vote.item].append(vote.is_yes)
    return {item: sum(mine) / len(mine) for item, mine in cast.items()}


def _share_right(yes: Mapping[str, float], truth: Mapping[str, bool]) -> float:
    """An item that is a tie, or that nobody voted on, counts half."""
    sides = ((yes.get(item, 0.5) - 0.5) * (1 if good else -1) for item, good in truth.items())
    return float(np.mean([0.5 if abs(side) < 1e-9 else side > 0 for side in sides]))
