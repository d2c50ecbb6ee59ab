"""The data of one run, from its spec."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from trainer.data.digits import read_digits
from trainer.data.dirt import add_dirt
from trainer.data.folders import folder_rows
from trainer.data.images import ImageError, ImageFile, OutsideError, image_in, opened, short_name
from trainer.data.samples import DataError, Sample, Skipped, Splits, check, hold_out
from trainer.data.stdlib import read_stdlib
from trainer.data.tables import folders_of, read_rows
from trainer.spec import RunSpec

TASKS = {"texts": "text-classification", "images": "image-classification"}
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
    return check(pool, dev, test, skipped)


def _read(spec: RunSpec, source: str, split: str, seed: int, skipped: Skipped) -> list[Sample]:
    data = spec.data
    reader, _, where = source.partition(":")
    kind = HOLDS.get(source) or HOLDS.get(reader)
    if kind and TASKS[kind] != spec.task:
        raise DataError(f"{source} holds {kind}; set task: {TASKS[kind]}, or name another source")
    if source == "builtin:digits":
        return read_digits(split, seed=seed, limit=data.limit, dirt=data.dirt)
    if source == "builtin:stdlib":
        samples, left_out = read_stdlib(split, seed=seed, limit=data.limit, dirt=data.dirt)
        if left_out and split == "pool":
            skipped.add(f"{left_out} areas with too few docstrings", "")
        return samples
    if reader == "imagefolder":
        if split == "pool" and data.truth:
            raise DataError(f"{source} has no column {data.truth!r}; leave out data.truth")
        return list(_from_folder(where, split, skipped))
    return list(_from_rows(spec, source, split, skipped))


def _from_folder(where: str, split: str, skipped: Skipped) -> Iterator[Sample]:
    folders = [Path(where).resolve()]
    for number, (path, name) in enumerate(folder_rows(where, split, skipped)):
        image, label = _image(path, folders, split, path, skipped), _as_text(name)
        if image and not label:
            skipped.add(f"{split} label is missing", image.name)
        elif image:
            truth = label if split != "pool" else None
            yield Sample(f"{split}-{number}", {"image": image}, label, truth)


def _from_rows(spec: RunSpec, source: str, split: str, skipped: Skipped) -> Iterator[Sample]:
    data = spec.data
    shows_text = spec.task == TASKS["texts"]
    columns = [data.text if shows_text else data.image, data.label, *filter(None, (data.id,))]
    if split == "pool" and data.truth:
        columns.append(data.truth)
    folders = folders_of(source)
    seen: set[str] = set()
    for number, row in enumerate(read_rows(source, columns)):
        sample_id = f"{split}-{_as_text(row[data.id]) if data.id else number}"
        label = _as_text(row[data.label])
        truth = _as_text(row[data.truth]) if split == "pool" and data.truth else None
        shown: str | ImageFile | None  # None is counted already
        if shows_text:
            shown = _text(row[data.text], split, sample_id, skipped)
        else:
            shown = _image(row[data.image], folders, split, sample_id, skipped)
        if shown is None:
            continue
        if not label:
            example = shown if isinstance(shown, str) else shown.name
            skipped.add(f"{split} label is missing", example)
        elif sample_id in seen:
            raise DataError(
                f"{source}: the id {sample_id!r} stands twice; name a column with unique ids"
            )
        else:
            seen.add(sample_id)
            fields = {"text" if shows_text else "image": shown}
            yield Sample(sample_id, fields, label, truth or (label if split != "pool" else None))


def _text(value: object, split: str, sample_id: str, skipped: Skipped) -> str | None:
    text = _as_text(value)
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


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()  # as csv files spell it
    text = "" if value is None else str(value).strip()
    text = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no character
    return text if any(unicodedata.category(c)[0] not in "CZ" for c in text) else ""
