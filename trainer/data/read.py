"""The data of one run, from its spec."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from trainer.data.digits import read_digits
from trainer.data.dirt import add_dirt
from trainer.data.folders import folder_rows
from trainer.data.images import ImageError, ImageFile, OutsideError, image_in, opened, short_name
from trainer.data.prompts import (
    UnusableError,
    answer_columns,
    answer_in,
    answer_truth,
    pair_columns,
    pair_in,
    pair_truth,
)
from trainer.data.samples import OFF_TOPIC, DataError, Sample, Skipped, Splits, check, hold_out
from trainer.data.stdlib import read_stdlib
from trainer.data.stdlib_prompts import read_stdlib_answers, read_stdlib_pairs
from trainer.data.tables import Draw, as_text, folders_of, read_rows
from trainer.kinds import ANSWER, KINDS, SIDES
from trainer.spec import RunSpec

LABELS = {"label": (), "answer": (ANSWER,), "pair": SIDES}
"""What a kind of fine-tuning asks about -> its labels; none where the pool brings its own."""
ALSO = {"causal-lm": ("messages",)}
"""Task -> keys that may name a column instead."""
HOLDS = {"builtin:stdlib": "texts", "builtin:digits": "images", "imagefolder": "images"}
"""Sources, or readers of such, that hold one kind alone; tables hold what their columns hold."""


def read_splits(spec: RunSpec, seed: int) -> Splits:
    """Pool, dev and test set of a run, checked.

    Raises:
        DataError: nothing there to learn from; the text says why and what to do.
    """
    data, skipped = spec.data, Skipped()
    rng = np.random.default_rng([seed, 2])
    pool = _read(spec, data.pool, "pool", seed, skipped)
    if isinstance(data.dev, str):
        dev = _read(spec, data.dev, "dev", seed, skipped)
    else:
        pool, dev = hold_out(pool, data.dev, rng)
    test = _read(spec, data.test, "test", seed, skipped) if data.test else []
    if data.limit is not None and len(pool) > data.limit:
        chosen = np.sort(rng.permutation(len(pool))[: data.limit])
        pool = [pool[i] for i in chosen]
    if not data.pool.startswith("builtin:") and data.dirt.total > 0:
        pool = add_dirt(pool, data.dirt, rng)
    return check(pool, dev, test, skipped, LABELS[KINDS[spec.task].asks])


def _read(spec: RunSpec, source: str, split: str, seed: int, skipped: Skipped) -> list[Sample]:
    data = spec.data
    reader, _, where = source.partition(":")
    kind = HOLDS.get(source) or HOLDS.get(reader)
    if kind and KINDS[spec.task].holds != kind:
        fitting = " or ".join(task for task, known in KINDS.items() if known.holds == kind)
        raise DataError(f"{source} holds {kind}; set task: {fitting}, or name another source")
    if source == "builtin:digits":
        return read_digits(split, seed=seed, limit=data.limit, dirt=data.dirt)
    asks = KINDS[spec.task].asks
    if source == "builtin:stdlib" and asks != "label":
        read = read_stdlib_answers if asks == "answer" else read_stdlib_pairs
        return read(split, seed=seed, limit=data.limit, dirt=data.dirt)
    if source == "builtin:stdlib":
        samples, left_out = read_stdlib(split, seed=seed, limit=data.limit, dirt=data.dirt)
        if left_out and split == "pool":
            skipped.add(f"{left_out} areas with too few docstrings", "")
        return samples
    if reader == "imagefolder":
        if split == "pool" and data.truth:
            raise DataError(f"{source} has no column {data.truth!r}; leave out data.truth")
        return list(_from_folder(where, split, skipped))
    draw = _draw(spec, source, split, seed)
    if asks == "label":
        labelled = _with_unique_ids(source, _labelled_rows(spec, source, split, skipped, draw))
        return _drawn(labelled, draw) if draw else list(labelled)
    prompted = _with_unique_ids(source, _prompted_rows(spec, source, split, skipped, draw))
    return list(islice(prompted, draw.n if draw else None))


def _draw(spec: RunSpec, source: str, split: str, seed: int) -> Draw | None:
    """How much is kept of a pool that may not fit into memory, where the spec sets a limit.

    Where there are labels these are often sorted, and the beginning would show one alone: then all is
    read, and let go of again.
    """
    data, has_labels = spec.data, KINDS[spec.task].asks == "label"
    large = ("hf:", "parquet:") if has_labels else ("hf:",)
    if data.limit is None or split != "pool" or not source.startswith(large):
        return None
    rest = 1 - data.dev if isinstance(data.dev, float) else 1
    return Draw(math.ceil(data.limit / rest), seed, is_sorted=has_labels)


def _drawn(samples: Iterator[Sample], draw: Draw) -> list[Sample]:
    """As many samples as are wanted, each as likely as any other, in their order.

    Never more than that are kept at a time (reservoir sampling, Vitter 1985).
    """
    rng = np.random.default_rng([draw.seed, 8])
    kept: list[tuple[int, Sample]] = []
    for number, sample in enumerate(samples):
        if number < draw.n:
            kept.append((number, sample))
        elif (place := int(rng.integers(number + 1))) < draw.n:
            kept[place] = (number, sample)
    return [sample for _, sample in sorted(kept, key=lambda one: one[0])]


def _from_folder(where: str, split: str, skipped: Skipped) -> Iterator[Sample]:
    folders = [Path(where).resolve()]
    for number, (path, name) in enumerate(folder_rows(where, split, skipped)):
        image, label = _image(path, folders, split, path, skipped), as_text(name)
        if image and not label:
            skipped.add(f"{split} label is missing", image.name)
        elif image:
            truth = label if split != "pool" else None
            yield Sample(f"{split}-{number}", {"image": image}, label, truth)


def _labelled_rows(
    spec: RunSpec, source: str, split: str, skipped: Skipped, draw: Draw | None
) -> Iterator[Sample]:
    data = spec.data
    shows_text = KINDS[spec.task].holds == "texts"
    what = {"text": data.text} if shows_text else {"image": data.image}
    folders = folders_of(source)
    for sample_id, row in _rows(spec, source, split, {**what, "label": data.label}, draw):
        labels, has_many = _labels_in(row[data.label])
        shown: str | ImageFile | None  # None is counted already
        if shows_text:
            shown = _text(row[data.text], split, sample_id, skipped)
        else:
            shown = _image(row[data.image], folders, split, sample_id, skipped)
        if shown is None:
            continue
        if not labels:
            example = shown if isinstance(shown, str) else shown.name
            skipped.add(f"{split} label is missing", example)
        told = _labels_in(row[data.truth])[0] if split == "pool" and data.truth else ()
        for number, label in enumerate(labels):
            fields: dict[str, Any] = {"text" if shows_text else "image": shown}
            if has_many:
                fields["labels"] = labels
            own_id = f"{sample_id}.{number}" if has_many else sample_id
            truth = label if split != "pool" else _truth(label, told, has_many=has_many)
            yield Sample(own_id, fields, label, truth)


def _labels_in(value: object) -> tuple[tuple[str, ...], bool]:
    """(labels of a row, whether it may have several): where a table holds lists, it may."""
    has_many = isinstance(value, list | tuple)
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(dict.fromkeys(filter(None, map(as_text, values)))), has_many


def _truth(label: str, told: tuple[str, ...], *, has_many: bool) -> str | None:
    """The right label of a sample that is filed under one of its labels; None where unknown."""
    if not told:
        return None
    return (label if label in told else OFF_TOPIC) if has_many else told[0]


def _prompted_rows(
    spec: RunSpec, source: str, split: str, skipped: Skipped, draw: Draw | None
) -> Iterator[Sample]:
    data, is_pair = spec.data, KINDS[spec.task].asks == "pair"
    columns = pair_columns(data) if is_pair else answer_columns(data)
    for sample_id, row in _rows(spec, source, split, columns, draw):
        try:
            sample = (pair_in if is_pair else answer_in)(row, data, sample_id)
        except UnusableError as err:
            skipped.add(f"{split} {err}", sample_id)
            continue
        if split != "pool":
            yield replace(sample, truth=sample.label)
        elif data.truth:
            told = row[data.truth]
            truth = pair_truth(told, sample.label) if is_pair else answer_truth(told)
            yield replace(sample, truth=truth)
        else:
            yield sample


def _rows(
    spec: RunSpec, source: str, split: str, named: dict[str, str], draw: Draw | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(sample id, row) of a table; `named` is key of `data` -> column, besides id and truth."""
    data = spec.data
    columns = [*named.values(), *filter(None, (data.id,))]
    if split == "pool" and data.truth:
        columns.append(data.truth)
    keys = (*dict.fromkeys((*named, *ALSO.get(spec.task, ()))), "id", "truth")
    for number, row in enumerate(read_rows(source, columns, keys, draw)):
        yield f"{split}-{as_text(row[data.id]) if data.id else number}", row


def _with_unique_ids(source: str, samples: Iterator[Sample]) -> Iterator[Sample]:
    seen: set[str] = set()
    for sample in samples:
        if sample.sample_id in seen:
            raise DataError(
                f"{source}: the id {sample.sample_id!r} stands twice; name a column with unique ids"
            )
        seen.add(sample.sample_id)
        yield sample


def _text(value: object, split: str, sample_id: str, skipped: Skipped) -> str | None:
    text = as_text(value)
    if not text:
        skipped.add(f"{split} text is empty", sample_id)
    return text or None


def _image(
    value: object, folders: Sequence[Path], split: str, sample_id: str, skipped: Skipped
) -> ImageFile | None:
    """Looked at once and let go of: what is kept is what it was encoded as."""
    path = value.get("path") if isinstance(value, dict) else value
    name = short_name(path) if path and isinstance(path, str) else sample_id
    try:
        image = image_in(value, folders)
        if image is None:
            skipped.add(f"{split} image is missing", sample_id)
        else:
            opened(image)
    except OutsideError:
        skipped.add(f"{split} image lies outside the folder of the data", name)
        return None
    except ImageError as err:
        skipped.add(f"{split} image cannot be read", f"{name} ({err})")
        return None
    return image
