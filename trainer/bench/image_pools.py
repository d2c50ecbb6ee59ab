"""Pools of pictures with recorded votes: `python -m trainer.bench.image_pools`.

Reads an `Order` as JSON from its standard input and writes pool, dev and test tables as anybody's
data would come, and beside them what people said of each picture, which no run reads.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from trainer.bench.cifar import FOR_BODY, NAMES, Images, is_learnt, test_images, train_images
from trainer.bench.image_body import body
from trainer.data.samples import OFF_TOPIC, DataError
from trainer.files import write_whole

TEST_ROWS, DEV_ROWS = 1000, 250
MOST_MISTAKES = 2000
"""Pictures of a pool that is two fifths real mistakes: there are 946 of those in all."""
IN_BULK = {"cat": "horse", "ship": "automobile"}
OFF_IN_BULK = {"dog": "bird", "truck": "ship", "deer": "cat"}
"""What `sys` files where: right pictures under a wrong class, and pictures of no class at all."""

Rows = list[tuple[int, str]]
"""Which picture, under which label."""


class Order(BaseModel):
    """What is to be cooked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str  # the folder of public data sets
    pools: tuple[tuple[str, int, int], ...]  # (recipe, pictures, seed)
    out: str


def cook_all(order: Order) -> None:
    """Write a folder per pool, unless it is there already, and where the body lies.

    Raises:
        DataError: the data cannot be read, or is too small.
    """
    source, out = Path(order.source), Path(order.out)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "body.json", json.dumps({"body": str(body(source))}))
    train, test = train_images(source), test_images(source)
    dev_rows, test_rows = held_out(test)
    for recipe, n, seed in order.pools:
        folder = out / f"{recipe}-{n}-{seed}"
        if (folder / "pool.parquet").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        write_table(folder / "dev.parquet", test, dev_rows)
        write_table(folder / "test.parquet", test, test_rows)
        drawn = RECIPES[recipe](train, n, np.random.default_rng([seed, 31]))
        said = {str(i): _others(train, i) for i, _ in drawn}
        write_whole(folder / "said.json", json.dumps(said))
        write_table(folder / "pool.parquet", train, drawn)


def held_out(test: Images) -> tuple[Rows, Rows]:
    """(dev, test): pictures of the task's classes under their true names, the same for all pools."""
    rows = np.flatnonzero(is_learnt(test.gold))
    order = np.random.default_rng(7).permutation(rows)[: DEV_ROWS + TEST_ROWS]
    right = [(int(i), NAMES[test.gold[i]]) for i in order]
    return right[:DEV_ROWS], right[DEV_ROWS:]


def _others(images: Images, i: int) -> list[str]:
    """What the people said of a picture whose label is not the first one's, or is nobody's."""
    return [NAMES[int(c)] for c in images.said[i, 1:]]


def as_it_is(train: Images, n: int, rng: np.random.Generator) -> Rows:
    """Pictures as one person labelled them: 18 % wrong."""
    first = train.said[:, 0]
    rows = rng.permutation(np.flatnonzero(is_learnt(first)))[:n]
    return [(int(i), NAMES[first[i]]) for i in rows]


def enriched(train: Images, n: int, rng: np.random.Generator) -> Rows:
    """The same with two fifths of it mistakes, all of them real."""
    n = min(n, MOST_MISTAKES)
    right, wrong = _by_first(train)
    n_wrong = round(0.4 * n)
    chosen = [*_some(wrong, n_wrong, rng), *_some(right, n - n_wrong, rng)]
    return [(i, NAMES[train.said[i, 0]]) for i in rng.permutation(chosen).tolist()]


def systematic(train: Images, n: int, rng: np.random.Generator) -> Rows:
    """.45 right, .15 filed in bulk under a wrong class, .25 off topic in bulk, .15 real mistakes.

    Where a picture is filed is made up, what people said of it is not. No picture is chosen by what
    anybody but the first person said.
    """
    right, wrong = _by_first(train)
    drawn: Rows = [(i, NAMES[train.said[i, 0]]) for i in _some(wrong, round(0.15 * n), rng)]
    taken = {i for i, _ in drawn}
    for heap, share in ((IN_BULK, 0.15), (OFF_IN_BULK, 0.25)):
        for name, filed in heap.items():
            is_of = train.gold == NAMES.index(name)
            if heap is OFF_IN_BULK:
                is_of &= np.arange(len(train)) >= FOR_BODY
            free = np.array([i for i in np.flatnonzero(is_of) if i not in taken])
            chosen = _some(free, round(share * n / len(heap)), rng)
            taken |= set(chosen)
            drawn += [(i, filed) for i in chosen]
    free = np.array([i for i in right if i not in taken])
    drawn += [(i, NAMES[train.gold[i]]) for i in _some(free, n - len(drawn), rng)]
    return [drawn[i] for i in rng.permutation(len(drawn))]


RECIPES: Mapping[str, Callable[[Images, int, np.random.Generator], Rows]] = {
    "h1": as_it_is,
    "enr": enriched,
    "sys": systematic,
}


def _by_first(train: Images) -> tuple[np.ndarray, np.ndarray]:
    """Pictures that the first person gave a label of the task: the right ones, the wrong ones."""
    first = train.said[:, 0]
    is_mine = is_learnt(first)
    is_right = first == train.gold
    return np.flatnonzero(is_mine & is_right), np.flatnonzero(is_mine & ~is_right)


def _some(rows: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
    if count > len(rows):
        raise DataError(
            f"the recipe needs {count} pictures and there are {len(rows)}; ask for less"
        )
    return [int(i) for i in rng.permutation(rows)[:count]]


def write_table(path: Path, images: Images, rows: Sequence[tuple[int, str]]) -> None:
    """Pictures with label, truth and number, as a parquet file; whole or not at all."""
    table = pa.table({
        "id": [str(i) for i, _ in rows],
        "image": pa.array([images.jpeg[i] for i, _ in rows], pa.binary()),
        "label": [label for _, label in rows],
        "truth": [_truth(images, i) for i, _ in rows],
    })  # fmt: skip
    part = path.with_name(f"{path.name}.part")
    pq.write_table(table, part)
    part.replace(path)


def _truth(images: Images, i: int) -> str:
    gold = images.gold[i]
    return NAMES[int(gold)] if is_learnt(gold) else OFF_TOPIC


if __name__ == "__main__":
    try:
        cook_all(Order.model_validate_json(sys.stdin.read()))
    except DataError as err:
        sys.exit(str(err))
