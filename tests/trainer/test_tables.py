"""Rows from files: what is a name stays a name, what cannot be read is said in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainer.data.samples import DataError
from trainer.data.tables import read_rows

COLUMNS = ["text", "label"]
NAMES = ["007", "true", "NA", "null", "1e3", "2020-01-01", " ", "None"]


def write_csv(path: Path, rows: list[tuple[str, str]]) -> None:
    path.write_text("text,label\n" + "".join(f'"{t}","{y}"\n' for t, y in rows), encoding="utf-8")


def write_jsonl(path: Path, rows: list[tuple[str, str]]) -> None:
    lines = [json.dumps({"text": t, "label": y}) + "\n" for t, y in rows]
    path.write_text("".join(lines), encoding="utf-8")


def write_parquet(path: Path, rows: list[tuple[str, str]]) -> None:
    pq.write_table(pa.table({"text": [t for t, _ in rows], "label": [y for _, y in rows]}), path)


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}


@pytest.fixture(params=WRITERS)
def reader(request) -> str:
    return request.param


def rows_of(reader: str, path: Path, columns: list[str] = COLUMNS) -> list[dict]:
    return list(read_rows(f"{reader}:{path}", columns))


def test_every_reader_gives_the_same_rows(reader, tmp_path):
    rows = [("one, two", "a"), ("drei\nvier", "b"), ("fünf 🍐", "a")]
    path = tmp_path / "pool"
    WRITERS[reader](path, rows)

    assert rows_of(reader, path) == [{"text": t, "label": y} for t, y in rows]


@pytest.mark.parametrize("label", NAMES)
def test_a_label_that_looks_like_a_value_stays_a_name(reader, tmp_path, label):
    path = tmp_path / "pool"
    WRITERS[reader](path, [("one", label), ("two", label)])

    assert [str(row["label"]) for row in rows_of(reader, path)] == [label, label]


def test_a_missing_column_is_named_with_those_there_are(reader, tmp_path):
    path = tmp_path / "pool"
    WRITERS[reader](path, [("one", "a")])

    with pytest.raises(DataError) as refusal:
        rows_of(reader, path, ["body", "label", "kind"])

    message = str(refusal.value)
    assert "no column 'body', 'kind'" in message
    assert "it has 'text', 'label'" in message
    assert "set data.text" in message


def test_a_missing_file_is_named(reader, tmp_path):
    with pytest.raises(DataError, match=r"no data file at .*nowhere; check the path in the spec"):
        rows_of(reader, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("reader_", "content"),
    [
        ("csv", b""),
        ("csv", b"text,label\na,b,c\n"),
        ("csv", b"text,label\n\xff\xfe\xfa,b\n"),
        ("csv", b"text,text,label\na,b,c\n"),
        ("jsonl", b""),
        ("jsonl", b'{"text": "a"\n'),
        ("jsonl", b'{"text": "a", "label": "x"}\n["b", "x"]\n'),
        ("parquet", b""),
        ("parquet", b"PAR1 but no more than that PAR1"),
    ],
    ids=[
        "empty csv", "ragged csv", "csv in no encoding", "csv with a column twice", "empty jsonl",
        "open brace", "jsonl with a list", "empty parquet", "no parquet",
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused_with_its_name_and_the_reason(tmp_path, reader_, content):
    path = tmp_path / "pool"
    path.write_bytes(content)

    with pytest.raises(DataError) as refusal:
        rows_of(reader_, path)

    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_csv_from_a_spreadsheet_is_read_without_its_byte_order_mark(tmp_path):
    path = tmp_path / "pool"
    path.write_text("\ufefftext,label\none,a\n", encoding="utf-8")

    assert rows_of("csv", path) == [{"text": "one", "label": "a"}]


def test_labels_that_are_numbers_or_categories_in_parquet_become_their_names(tmp_path):
    path = tmp_path / "pool"
    categories = pa.array(["b", "a"]).dictionary_encode()
    pq.write_table(pa.table({"text": categories, "label": pa.array([7, 8])}), path)

    assert rows_of("parquet", path) == [{"text": "b", "label": 7}, {"text": "a", "label": 8}]


def test_the_hubs_library_reads_a_data_set_and_a_missing_split_is_named(tmp_path):
    """The real `datasets` library on a folder, as it reads one of the hub."""
    (tmp_path / "train.csv").write_text("text,label\none,a\ntwo,b\n", encoding="utf-8")

    assert rows_of("hf", tmp_path) == [{"text": "one", "label": "a"}, {"text": "two", "label": "b"}]
    with pytest.raises(DataError, match=r"cannot load .*Unknown split"):
        rows_of("hf", f"{tmp_path}@nowhere")
