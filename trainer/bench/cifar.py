"""CIFAR-10 as a benchmark uses it: classes to learn, classes a body was trained on, recorded votes.

Images and classes that a body saw before are in no pool and no test set. Source: CIFAR-10N (Wei et
al. 2022, three people's labels of each image, CC BY-NC 4.0) and the test images of CIFAR-10H
(Peterson et al. 2019, CC BY-NC-SA 4.0). The column `worse_label` is never read: an image keeps its
right label there only where all three were right, so the other two labels tell the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainer.data.samples import DataError

NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
LEARNT = ("automobile", "bird", "cat", "horse", "ship")
"""Classes of the task; the others are what a body was trained on, and what is off topic."""
FOR_BODY = 4000
"""Of the training images those numbered below are a body's; off-topic ones come from the rest."""
TRAIN, TEST = "cifar10_train_n/cifar10_train_0_9999.parquet", "cifar10_test_h/cifar10_test.parquet"


@dataclass(frozen=True, slots=True)
class Images:
    """Images with what is known of them.

    Attributes:
        jpeg: encoded images.
        gold: int64 (n,), true classes, places in `NAMES`.
        said: int64 (n, 3), what three people said each is; (n, 0) where nobody was asked.
    """

    jpeg: Sequence[bytes]
    gold: np.ndarray
    said: np.ndarray

    def __len__(self) -> int:
        return len(self.gold)


def train_images(folder: Path) -> Images:
    """The first 10,000 training images, each with three people's labels.

    Raises:
        DataError: the data is not there.
    """
    columns = ["jpeg", "label", "human1", "human2", "human3"]
    jpeg, gold, *said = _columns(folder / TRAIN, columns)
    return Images(jpeg, np.array(gold), np.stack([np.array(x) for x in said], axis=1))


def test_images(folder: Path) -> Images:
    """The 10,000 test images.

    Raises:
        DataError: the data is not there.
    """
    jpeg, gold = _columns(folder / TEST, ["jpeg", "label"])
    return Images(jpeg, np.array(gold), np.empty((len(gold), 0), np.int64))


def _columns(path: Path, names: Sequence[str]) -> list[list[Any]]:
    import pyarrow.parquet as pq

    if not path.is_file():
        raise DataError(f"no images at {path}; give the folder that holds {TRAIN} and {TEST}")
    table = pq.read_table(path, columns=list(names))
    return [table.column(name).to_pylist() for name in names]


def is_learnt(classes: np.ndarray) -> np.ndarray:
    """Whether each class is one of the task: bool, in the shape of `classes`."""
    mine: np.ndarray = np.isin(classes, [NAMES.index(name) for name in LEARNT])
    return mine


def of_body(train: Images, test: Images) -> tuple[list[bytes], np.ndarray]:
    """(encoded images, classes) a body may be trained on.

    Of other classes than the task's, and never taken for one by anybody.
    """
    early = np.arange(len(train)) < FOR_BODY
    mine = np.flatnonzero(early & ~is_learnt(train.gold) & ~is_learnt(train.said).any(axis=1))
    other = np.flatnonzero(~is_learnt(test.gold))
    jpeg = [train.jpeg[i] for i in mine.tolist()] + [test.jpeg[i] for i in other.tolist()]
    return jpeg, np.concatenate([train.gold[mine], test.gold[other]])
