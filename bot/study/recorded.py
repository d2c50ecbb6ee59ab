"""What recorded votes of real people are worth, against the seconds they took; no training.

CIFAR-10N has three votes on each image and the seconds of every batch of ten; the crowds of
`bot.bench.crowds` have up to 39 votes an item and no seconds, so theirs are assumed.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.bench import crowds
from bot.bench.learning.team import SECONDS_PER_VOTE
from storage.consensus import Choice, aggregate

CIFAR = "cifar10_train_n"
CROWDS = "crowd_votes"
RATERS = (1, 2, 3, 5, 10, 20)
"""Per item."""
BATCH = 10
"""Images of a batch whose seconds were recorded."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Precision:
    """How often the votes on an item come to the truth.

    Attributes:
        task: name of the data set.
        items: how many were judged.
        raters: votes on each of them, each by another person.
        seconds: of labour per item.
        is_recorded: whether these seconds were measured; else they are assumed.
        ours: share of right items by `storage.consensus.aggregate`; a tie counts its share.
        majority: the same by counting.
    """

    task: str
    items: int
    raters: int
    seconds: float
    is_recorded: bool
    ours: float
    majority: float

    def as_json(self) -> dict[str, Any]:
        """One line of `study.jsonl`."""
        return {"kind": "recorded", **asdict(self)}


def recorded(folder: Path, *, is_quick: bool = False) -> list[Precision]:
    """All that lies in `folder`; data sets that do not are left out.

    Raises:
        OSError: a data set is there but cannot be read.
    """
    found: list[Precision] = []
    if (folder / CIFAR).is_dir():
        found += images(folder / CIFAR, limit=2000 if is_quick else 10_000)
    if (folder / CROWDS).is_dir():
        for name in crowds.WANTED:
            crowd = crowds.read_crowd(folder / CROWDS, name)
            found += _crowd(crowd, draws=3 if is_quick else crowds.DRAWS)
    return found


def images(folder: Path, limit: int) -> list[Precision]:
    """One to three votes on CIFAR-10 images, by the seconds their labelling took on average.

    The votes carry no person: first votes count as one voter's in ours, second ones as another's. So
    it can't tell people apart, but learns which labels are taken for which.

    Raises:
        OSError: a file is missing.
    """
    import pyarrow.parquet as pq  # heavy, and nothing the bot itself needs

    columns = ["label", "human1", "human2", "human3"]
    table = pq.read_table(folder / "cifar10_train_0_9999.parquet", columns=columns)
    truth, *said = (np.asarray(table.column(name))[:limit] for name in columns)
    per_vote_s = seconds_per_image(folder / "labour_seconds.csv")
    return [
        Precision(
            "CIFAR-10N", len(truth), k, k * per_vote_s, True,
            _by_us(said[:k], truth), share_of_majority(np.stack(said[:k], axis=1), truth),
        )
        for k in range(1, len(said) + 1)
    ]  # fmt: skip


def seconds_per_image(path: Path) -> float:
    """Mean seconds of labour per image: labour adds up, so no median.

    Raises:
        OSError: the file is missing.
    """
    with path.open(newline="") as file:
        return fmean(float(row["seconds"]) for row in csv.DictReader(file)) / BATCH


def share_of_majority(said: Ints, truth: Ints) -> float:
    """Share of items whose most frequent answer is right; a tie of k counts 1/k.

    Args:
        said: (items, votes), one answer each.
        truth: (items,).
    """
    counts = np.stack([(said == answer).sum(axis=1) for answer in range(said.max() + 1)], axis=1)
    is_top = counts == counts.max(axis=1, keepdims=True)
    hit = np.array([t < is_top.shape[1] and row[t] for row, t in zip(is_top, truth, strict=True)])
    return float((hit / is_top.sum(axis=1)).mean())


def _by_us(said: Sequence[Ints], truth: Ints) -> float:
    answers = [
        Choice(str(item), f"vote {k}", str(label))
        for k, column in enumerate(said)
        for item, label in enumerate(column.tolist())
    ]
    classes = aggregate(answers, labels=[str(k) for k in range(int(truth.max()) + 1)]).classes
    right = 0.0
    for item, label in enumerate(truth.tolist()):
        mine = classes[str(item)]
        top = [name for name, p in mine.items() if p > max(mine.values()) - 1e-9]
        right += (str(label) in top) / len(top)
    return right / len(truth)


def _crowd(crowd: crowds.Crowd, draws: int) -> list[Precision]:
    most = len(crowd.votes) // len(crowd.truth)
    found = []
    for k in (k for k in RATERS if k <= most):
        one = crowds.accuracy(crowd, k, draws)
        judged = len(crowd.truth) - round(crowds.GOLD_SHARE * len(crowd.truth))
        seconds = k * SECONDS_PER_VOTE
        found.append(Precision(crowd.name, judged, k, seconds, False, one.ours, one.majority))
    return found


def by_data_set(found: Sequence[Precision]) -> list[tuple[str, ...]]:
    """A heading, and a row per data set: ours / majority in % by people per item. Pure."""
    rows = [("data set", "items", "s a vote", *(f"{k} per item" for k in RATERS))]
    for task in dict.fromkeys(one.task for one in found):
        mine = {one.raters: one for one in found if one.task == task}
        first = mine[min(mine)]
        source = "recorded" if first.is_recorded else "assumed"
        rows.append((
            task, str(first.items), f"{first.seconds / first.raters:.1f} {source}",
            *(f"{100 * mine[k].ours:.1f} / {100 * mine[k].majority:.1f}" if k in mine else "-"
              for k in RATERS),
        ))  # fmt: skip
    return rows
