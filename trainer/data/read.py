"""The data of one run, from its spec."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import numpy as np

from trainer.data.dirt import add_dirt
from trainer.data.samples import DataError, Sample, Skipped, Splits, check, hold_out
from trainer.data.stdlib import read_stdlib
from trainer.data.tables import read_rows
from trainer.spec import DataSpec, RunSpec


def read_splits(spec: RunSpec, seed: int) -> Splits:
    """Pool, dev and test set of a run, checked.

    Raises:
        DataError: nothing there to learn from; the text says why and what to do.
    """
    data, skipped = spec.data, Skipped()
    rng = np.random.default_rng([seed, 2])
    pool = _read(data, data.pool, "pool", seed, skipped)
    if isinstance(data.dev, str):
        dev = _read(data, data.dev, "dev", seed, skipped)
    else:
        pool, dev = hold_out(pool, data.dev, rng)
    test = _read(data, data.test, "test", seed, skipped) if data.test else []
    if data.limit is not None and len(pool) > data.limit:
        chosen = np.sort(rng.permutation(len(pool))[: data.limit])
        pool = [pool[i] for i in chosen]
    if data.pool != "builtin:stdlib" and data.dirt.total > 0:
        pool = add_dirt(pool, data.dirt, rng)
    return check(pool, dev, test, skipped)


def _read(data: DataSpec, source: str, split: str, seed: int, skipped: Skipped) -> list[Sample]:
    if source == "builtin:stdlib":
        samples, left_out = read_stdlib(split, seed=seed, limit=data.limit, dirt=data.dirt)
        if left_out and split == "pool":
            skipped.add(f"{left_out} areas with too few docstrings", "")
        return samples
    return list(_from_rows(data, source, split, skipped))


def _from_rows(data: DataSpec, source: str, split: str, skipped: Skipped) -> Iterator[Sample]:
    columns = [data.text, data.label, *filter(None, (data.id,))]
    if split == "pool" and data.truth:
        columns.append(data.truth)
    seen: set[str] = set()
    for number, row in enumerate(read_rows(source, columns)):
        text, label = _as_text(row[data.text]), _as_text(row[data.label])
        sample_id = f"{split}-{_as_text(row[data.id]) if data.id else number}"
        if not text:
            skipped.add(f"{split} text is empty", sample_id)
        elif not label:
            skipped.add(f"{split} label is missing", text)
        elif sample_id in seen:
            raise DataError(
                f"{source}: the id {sample_id!r} stands twice; name a column with unique ids"
            )
        else:
            seen.add(sample_id)
            truth = _as_text(row[data.truth]) if split == "pool" and data.truth else None
            yield Sample(
                sample_id, {"text": text}, label, truth or (label if split != "pool" else None)
            )


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()  # as csv files spell it
    text = "" if value is None else str(value).strip()
    text = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no character
    return text if any(unicodedata.category(c)[0] not in "CZ" for c in text) else ""
