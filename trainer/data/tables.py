"""Rows with named columns from csv, jsonl, parquet or the hub."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.data.samples import DataError

ROWS_AT_ONCE = 64
"""Of a parquet file; a row may hold an image of some MB."""
KEYS = ("text", "image", "label", "id", "truth")
DRAWN_FROM = 10
"""So many times the rows that are wanted are looked at to draw them from."""
MAX_DRAWN_FROM = 10_000


@dataclass(frozen=True, slots=True)
class Draw:
    """Some rows of the hub at random, instead of all of them in order.

    Attributes:
        n: how many are wanted; who wants more gets more.
        seed: what they are drawn with.
        is_sorted: rows of one label may stand together, so all of them come, in order.
    """

    n: int
    seed: int
    is_sorted: bool = False


def read_rows(
    source: str, columns: Sequence[str], keys: Sequence[str] = KEYS, draw: Draw | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of `source` (`csv:`, `jsonl:`, `parquet:` path or `hf:name[:config][@split]`).

    Args:
        source: as a spec names it.
        columns: those wanted.
        keys: of the spec's `data`, which name columns; told where one is missing.
        draw: `hf` alone: stream only what is asked for, of data sets that may be larger than a
            disk. The order of the data still shows in what is drawn.

    Raises:
        DataError: unreadable, or without one of `columns`.
    """
    reader, _, where = source.partition(":")
    try:
        if reader == "hf":
            yield from _hub_rows(where, columns, draw)
        elif not Path(where).is_file():
            raise DataError(f"no data file at {where}; check the path in the spec")
        elif reader == "jsonl":
            yield from _json_rows(where, columns)
        else:
            yield from _table_rows(reader, where, columns)
    except _MissingError as err:
        *others, last = (f"data.{key}" for key in keys)
        raise DataError(f"{err}: set {', '.join(others)} or {last} in the spec") from None


def as_text(value: object) -> str:
    """What one cell says, without the white space around it; empty where nothing can be seen."""
    if isinstance(value, bool):
        return str(value).lower()  # as csv files spell it
    text = "" if value is None else str(value).strip()
    text = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no character
    return text if any(unicodedata.category(c)[0] not in "CZ" for c in text) else ""


def folders_of(source: str) -> tuple[Path, ...]:
    """Where files that the rows of `source` name may lie; relative names count from the first."""
    reader, _, where = source.partition(":")
    if reader != "hf":
        return (Path(where).resolve().parent,)
    from datasets import config

    # what a row of the hub names must have come from there: it may name any file of this machine
    return (Path(_hub_name(where)).resolve(), Path(config.HF_CACHE_HOME).resolve())


class _MissingError(Exception):
    """Columns are missing; the text says which, and which there are."""


def _json_rows(path: str, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Line by line and as it stands: readers of tables take `2020-01-01` for a moment in time."""
    rows: list[dict[str, Any]] = []
    try:
        with Path(path).open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise DataError(f"{path}, line {number}: no object with named values")
                    rows.append(row)
    except (OSError, UnicodeDecodeError) as err:
        raise DataError(f"cannot read {path} as jsonl: {err}; check the file") from err
    except json.JSONDecodeError as err:
        raise DataError(f"cannot read {path} as jsonl: line {number}: {err}; mend it") from err
    _require(path, list(dict.fromkeys(key for row in rows for key in row)), columns)
    for row in rows:
        yield {column: row.get(column) for column in columns}


def _table_rows(reader: str, path: str, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    import pyarrow as pa  # heavy, and only needed here

    try:
        for batch in _batches(reader, path, list(dict.fromkeys(columns))):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as err:
        reason = " ".join(str(err).split())[:200]
        raise DataError(f"cannot read {path} as {reader}: {reason}; check the file") from err


def _batches(reader: str, path: str, columns: Sequence[str]) -> Iterator[Any]:
    import pyarrow.parquet

    if reader == "csv":
        table = _csv_table(path, columns)
        _require(path, table.column_names, columns)
        yield from table.select(columns).to_batches()
        return
    with pyarrow.parquet.ParquetFile(path) as file:
        _require(path, file.schema_arrow.names, columns)
        yield from file.iter_batches(ROWS_AT_ONCE, columns=columns)


def _csv_table(path: str, columns: Sequence[str]) -> Any:
    import pyarrow as pa
    import pyarrow.csv

    return pyarrow.csv.read_csv(
        path,
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        # labels such as 007 or true are names, not numbers or flags
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
        ),
    )


def _hub_rows(where: str, columns: Sequence[str], draw: Draw | None) -> Iterator[dict[str, Any]]:
    import datasets

    try:
        data = _loaded(where, streaming=draw is not None)
        # a stream of files knows its columns by the first row
        found = data.column_names or list(next(iter(data), {}))
        _require(where, found, columns)
        features = data.features or {}
        for column in columns:
            if isinstance(features.get(column), datasets.Image):  # decoded by us, one at a time
                data = data.cast_column(column, datasets.Image(decode=False))
        names = {
            column: inner.int2str  # of one class or of a list of them
            for column, feature in features.items()
            if column in columns
            and hasattr(inner := getattr(feature, "feature", feature), "int2str")
        }
        data = data.select_columns(list(dict.fromkeys(columns)))
        if draw and not draw.is_sorted:
            size = min(MAX_DRAWN_FROM, DRAWN_FROM * draw.n)
            data = data.shuffle(seed=draw.seed, buffer_size=size)
        for row in data:
            yield {c: names[c](v) if c in names and v is not None else v for c, v in row.items()}
    except (DataError, _MissingError):
        raise
    except Exception as err:  # the hub's library raises a zoo: all of it means not loaded
        raise DataError(
            f"cannot load {_hub_name(where)!r} from the hub: {' '.join(str(err).split())[:200]}; "
            "check the name, the split and the connection"
        ) from err


def _loaded(where: str, *, streaming: bool) -> Any:
    import datasets

    name, _, split = where.partition("@")
    _, _, config = name.partition(":")
    return datasets.load_dataset(
        _hub_name(where), config or None, split=split or "train", streaming=streaming
    )


def _hub_name(where: str) -> str:
    return where.partition("@")[0].partition(":")[0]


def _require(where: str, found: Sequence[str], columns: Sequence[str]) -> None:
    twice = sorted({column for column in columns if found.count(column) > 1})
    if twice:
        raise DataError(
            f"{where} has the column {', '.join(map(repr, twice))} more than once; rename one"
        )
    missing = [column for column in columns if column not in found]
    if missing:
        raise _MissingError(
            f"{where} has no column {', '.join(map(repr, missing))}; "
            f"it has {', '.join(map(repr, found))}"
        )
