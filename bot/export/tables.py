"""Tables as parquet, jsonl or csv, and back."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bot.energy.export import ExportError
from bot.export.rows import Column, Table

if TYPE_CHECKING:
    import pyarrow as pa

Form = Literal["parquet", "jsonl", "csv"]

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Cells that begin so are formulas to a spreadsheet (OWASP, CSV Injection)."""
MAX_CELL = 2**24
"""Characters of a csv cell; the csv module stops at 2^17, and prompts may be longer."""


def write_table(folder: Path, table: Table, form: Form, pictures_in: Path | None = None) -> Path:
    """Write a table under its name; where.

    Args:
        folder: where to.
        table: what.
        form: how; parquet holds the pictures themselves.
        pictures_in: what the paths of pictures count from; None = the folder.

    Raises:
        ExportError: it cannot be written there.
    """
    path = folder / f"{table.name}.{form}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if form == "parquet":
            _write_parquet(path, table, pictures_in or folder)
        elif form == "jsonl":
            lines = (_whole(row, table.columns) for row in table.rows)
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            path.write_text(text, encoding="utf-8")
        else:
            _write_csv(path, table)
    except OSError as err:
        raise ExportError(f"cannot write {path}: {err.strerror}; name another --out") from err
    return path


def _whole(row: Mapping[str, Any], columns: Mapping[str, Column]) -> dict[str, Any]:
    return {name: row.get(name) for name in columns}


def _write_csv(path: Path, table: Table) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)  # ends lines as RFC 4180 does: else a cell with \r is not quoted
        writer.writerow(map(_cell, table.columns))
        writer.writerows([_cell(row.get(name)) for name in table.columns] for row in table.rows)


def _cell(value: object) -> object:
    """A list as JSON; a text that a spreadsheet would run is quoted as a spreadsheet quotes it."""
    if isinstance(value, list):
        value = json.dumps(value, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and _is_formula(value) else value


def _is_formula(text: str) -> bool:
    """Also one that was defused before: so that nothing is lost on the way back."""
    return text.lstrip("'").startswith(FORMULA)


def plain(cell: str) -> str:
    """What stood in a csv cell before it was defused."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell


def _write_parquet(path: Path, table: Table, pictures_in: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {}
    for name, kind in table.columns.items():
        cells = [row.get(name) for row in table.rows]
        if name == table.pictures:
            columns[name] = pa.array(
                [c and {"bytes": (pictures_in / c).read_bytes(), "path": c} for c in cells],
                pa.struct({"bytes": pa.binary(), "path": pa.string()}),
            )
        else:
            columns[name] = pa.array(cells, _type(kind, cells))
    found = pa.table(columns)
    if table.pictures is not None:  # else they would be read as a struct
        found = found.replace_schema_metadata({"huggingface": _features(found, table.pictures)})
    pq.write_table(found, path)


def _type(kind: Column, cells: list[Any]) -> pa.DataType | None:
    import pyarrow as pa

    if any(isinstance(cell, list) for cell in cells):
        return None  # labels or messages: as they come
    return {
        "text": pa.string(), "number": pa.float64(), "count": pa.int64(), "flag": pa.bool_(),
    }[kind]  # fmt: skip


def _features(table: pa.Table, pictures: str) -> str:
    """What `datasets` keeps beside a table, so that it shows pictures as pictures."""
    own = {
        name: {"_type": "Image"} if name == pictures else _feature(table.schema.field(name).type)
        for name in table.column_names
    }
    return json.dumps({"info": {"features": own}})


def _feature(kind: pa.DataType) -> dict[str, Any]:
    import pyarrow as pa

    if pa.types.is_list(kind):
        return {"_type": "List", "feature": _feature(kind.value_type)}
    return {"_type": "Value", "dtype": {"double": "float64"}.get(str(kind), str(kind))}


# --- and back -----------------------------------------------------------------------------------


def read_table(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, row) of a file, as its ending says; lines of csv and jsonl, from 1; rows of parquet.

    Raises:
        ExportError: it is no such file; the text names the line.
    """
    form = path.suffix.lower().removeprefix(".")
    readers = {"csv": _csv_rows, "jsonl": _json_rows, "parquet": _parquet_rows}
    if form not in readers:
        raise ExportError(f"{path.name} is no .csv, .jsonl or .parquet; name a file that ends so")
    try:
        yield from readers[form](path)
    except FileNotFoundError:
        raise ExportError(f"there is no file {path}; check the path") from None
    except UnicodeDecodeError:
        raise ExportError(f"{path.name} is not UTF-8; save it as UTF-8") from None
    except OSError as err:
        raise ExportError(f"cannot read {path}: {err.strerror or err}") from err


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(MAX_CELL)
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        try:
            for row in reader:
                yield reader.line_num, {k: plain(v) for k, v in row.items() if k and v}
        except csv.Error as err:
            raise ExportError(f"{path.name}, line {reader.line_num}: {err}") from err


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as err:
                raise ExportError(f"{path.name}, line {number}: no JSON ({err})") from err
            if not isinstance(row, dict):
                raise ExportError(f"{path.name}, line {number}: give an object with named columns")
            yield number, row


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OverflowError) as err:  # a moment beyond what Python counts to
        raise ExportError(
            f"{path.name} is no parquet file, or holds what cannot be read: {err}"
        ) from err
