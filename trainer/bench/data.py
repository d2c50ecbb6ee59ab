"""The data sets a benchmark cooks its pools from."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.bench.recipes import Rows
from trainer.data.samples import DataError, fingerprint
from trainer.data.tables import read_rows

BANKING_DOMAINS = ("banking", "credit_cards")
SOURCE_ROWS = 7000
EXEMPLARS = 5
"""Held-out rows per class that steer a run; all others measure it."""


@dataclass(frozen=True, slots=True)
class Kitchen:
    """What a benchmark cooks from; `dev` and `test` are clean and never in a pool.

    Attributes:
        on_topic: rows of the task.
        off_topic: rows of other tasks; None where there are none.
        dev: a few exemplars of each class.
        test: the other held-out rows.
    """

    on_topic: Rows
    off_topic: Rows | None
    dev: Rows
    test: Rows


def banking_and_clinc(shared: Path) -> Kitchen:
    """BANKING77 (CC BY 4.0), with the foreign topics of CLINC150 (CC BY 3.0) as off-topic rows.

    Raises:
        DataError: the data is not there.
    """
    train = _table(f"csv:{shared}/banking77/train.csv", "text", "label")
    held = _table(f"csv:{shared}/banking77/test.csv", "text", "label")
    return _kitchen(train, held, _clinc(shared / "clinc150"))


def any_table(source: str, text: str, label: str, off_topic: Rows | None = None) -> Kitchen:
    """A labelled table, a quarter of each class held out.

    Raises:
        DataError: the data cannot be read.
    """
    rows = _table(source, text, label)
    order = np.random.default_rng(7).permutation(len(rows))
    quota: dict[str, int] = defaultdict(int)
    for i in range(len(rows)):
        quota[rows.labels[i]] += 1
    quota = {name: n // 4 for name, n in quota.items()}
    held: list[int] = []
    rest: list[int] = []
    for i in order:
        name = rows.labels[i]
        (held if quota[name] > 0 else rest).append(int(i))
        quota[name] -= 1
    return _kitchen(rows_at(rows, rest), rows_at(rows, held), off_topic)


def _kitchen(train: Rows, held: Rows, off_topic: Rows | None) -> Kitchen:
    rng = np.random.default_rng(7)
    order = rng.permutation(len(train))
    of_class: dict[str, list[int]] = defaultdict(list)
    for i in rng.permutation(len(held)):
        of_class[held.labels[i]].append(int(i))
    dev = [i for rows in of_class.values() for i in rows[:EXEMPLARS]]
    test = [i for rows in of_class.values() for i in rows[EXEMPLARS:]]
    seen = {fingerprint(text) for text in held.texts}
    source = [int(i) for i in order if fingerprint(train.texts[i]) not in seen]
    return Kitchen(
        rows_at(train, source[:SOURCE_ROWS]),
        off_topic,
        rows_at(held, sorted(dev)),
        rows_at(held, sorted(test)),
    )


def _clinc(folder: Path) -> Rows:
    rows = _table(f"csv:{folder}/data_full.csv", "text", "label", "split")
    domains = json.loads((folder / "domains.json").read_text(encoding="utf-8"))
    near = {intent for domain in BANKING_DOMAINS for intent in domains[domain]}
    keep = [
        i
        for i, (label, split) in enumerate(zip(rows.labels, rows.extra, strict=True))
        if (split == "train" and label not in near) or split == "oos_test"
    ]
    rng = np.random.default_rng(7)
    trained = [i for i in keep if rows.extra[i] == "train"]
    outside = [i for i in keep if rows.extra[i] == "oos_test"]
    chosen = [*rng.permutation(trained)[:2600], *rng.permutation(outside)[:400]]
    return rows_at(rows, [int(i) for i in chosen])


@dataclass(frozen=True, slots=True)
class _Table(Rows):
    extra: Sequence[str] = ()


def _table(source: str, text: str, label: str, extra: str | None = None) -> _Table:
    columns = [text, label, *([extra] if extra else [])]
    texts, labels, more = [], [], []
    for row in read_rows(source, columns):
        if str(row[text] or "").strip() and str(row[label] or "").strip():
            texts.append(str(row[text]).strip())
            labels.append(str(row[label]).strip())
            more.append(str(row[extra]) if extra else "")
    if not texts:
        raise DataError(f"{source} has no labelled texts; check the columns {text} and {label}")
    return _Table(texts, labels, more)


def rows_at(rows: Rows, index: Sequence[int]) -> Rows:
    """Some of the rows, in the order of `index`."""
    return Rows([rows.texts[i] for i in index], [rows.labels[i] for i in index])
