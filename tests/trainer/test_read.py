"""The data of a run, from its spec to checked splits."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import write_topics
from trainer.data import read
from trainer.data.read import read_splits
from trainer.data.samples import DataError, Splits
from trainer.data.tables import Draw
from trainer.spec import parse_spec


def splits_of(pool: str, *, seed: int = 0, **data: Any) -> Splits:
    raw = {"name": "demo", "model": "minilm", "data": {"pool": pool, **data}}
    return read_splits(parse_spec(raw, where="the test's spec"), seed)


def csv(folder: Path, text: str, name: str = "pool.csv") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return f"csv:{folder / name}"


@pytest.fixture
def topics(tmp_path) -> str:
    write_topics(tmp_path / "pool.csv", 60, seed=3, wrong=0.2)
    return f"csv:{tmp_path / 'pool.csv'}"


def test_a_share_of_the_pool_becomes_the_dev_set(topics):
    splits = splits_of(topics, dev=0.2)

    assert len(splits.pool) + len(splits.dev) == 60
    assert len(splits.dev) == pytest.approx(12, abs=2)
    assert splits.labels == ("fruit", "tools", "weather")
    assert not {s.text for s in splits.pool} & {s.text for s in splits.dev}


def test_the_same_seed_reads_the_same_data(topics):
    def ids(seed: int) -> list[str]:
        splits = splits_of(topics, dev=0.2, limit=30, dirt={"shuffled": 0.2}, seed=seed)
        return [f"{s.sample_id} {s.label}" for s in (*splits.pool, *splits.dev)]

    assert ids(1) == ids(1)
    assert ids(1) != ids(2)


def test_only_as_many_samples_as_the_limit_allows_are_used(topics):
    splits = splits_of(topics, dev=0.2, limit=20)

    assert len(splits.pool) == 20
    assert len(splits.dev) == pytest.approx(12, abs=2)


def test_dev_and_test_come_from_files_of_their_own(tmp_path, topics):
    dev = csv(tmp_path, "text,label\nwet fig here,fruit\nblunt anvil,tools\n", "dev.csv")
    test = csv(tmp_path, "text,label\nblue hail there,weather\nx,unknown\n", "test.csv")

    splits = splits_of(topics, dev=dev, test=test)

    assert [s.label for s in splits.dev] == ["fruit", "tools"]
    assert [s.sample_id for s in splits.test] == ["test-0"]
    assert splits.skipped.rows() == (("test label unknown to the pool", 1, "unknown"),)


def test_empty_texts_and_missing_labels_are_skipped_and_counted(tmp_path):
    pool = csv(
        tmp_path,
        "text,label\nred fig,fruit\n,fruit\n   ,tools\nold saw,tools\nlost thing,\n"
        + "".join(f"fig {i},fruit\nsaw {i},tools\n" for i in range(5)),
    )

    splits = splits_of(pool, dev=0.2)

    assert splits.skipped.rows() == (
        ("pool text is empty", 2, "pool-1"),
        ("pool label is missing", 1, "lost thing"),
    )
    assert len(splits.pool) + len(splits.dev) == 12


def test_a_pool_of_nothing_but_empty_texts_is_refused_with_the_count(tmp_path):
    with pytest.raises(DataError, match=r"empty \(2 x pool text is empty, e\.g\. 'pool-0'\)"):
        splits_of(csv(tmp_path, "text,label\n,fruit\n ,tools\n"))


@pytest.mark.parametrize("dirt", [{}, {"shuffled": 0.2}], ids=["clean", "with dirt"])
def test_one_class_alone_is_refused(tmp_path, dirt):
    text = "text,label\n" + "".join(f"fig {i},fruit\n" for i in range(10))

    with pytest.raises(DataError, match="at least two classes"):
        splits_of(csv(tmp_path, text), dirt=dirt)


def test_dev_texts_in_the_pool_are_refused_with_their_number(topics):
    with pytest.raises(DataError, match="60 of 60 dev samples also stand in the pool"):
        splits_of(topics, dev=topics)


def test_columns_have_the_names_the_spec_gives_them(tmp_path):
    rows = "".join(f"a{i},fig {i},fruit,tools\nb{i},saw {i},tools,tools\n" for i in range(6))
    pool = csv(tmp_path, "key,body,kind,right\n" + rows)

    splits = splits_of(pool, dev=0.2, text="body", label="kind", id="key", truth="right")

    assert {s.sample_id[:6] for s in splits.pool} == {"pool-a", "pool-b"}
    assert {s.truth for s in splits.pool} == {"tools"}
    assert splits.has_truth


def test_an_id_that_stands_twice_is_refused_with_its_value(tmp_path):
    pool = csv(tmp_path, "id,text,label\n7,fig,fruit\n7,saw,tools\n")

    with pytest.raises(DataError, match="'pool-7' stands twice; name a column with unique ids"):
        splits_of(pool, id="id")


def test_a_json_flag_is_the_same_label_as_its_name_in_csv(tmp_path):
    """`true` in one file and `true` in the other are one class."""
    rows = [{"text": f"word {i}", "label": i % 2 == 0} for i in range(6)]
    (tmp_path / "dev.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    pool = csv(tmp_path, "text,label\n" + "".join(f"t {i},true\nf {i},false\n" for i in range(5)))

    splits = splits_of(pool, dev=f"jsonl:{tmp_path / 'dev.jsonl'}")

    assert len(splits.dev) == 6


def test_half_a_surrogate_pair_is_shown_as_a_question_mark(tmp_path):
    path = tmp_path / "pool.jsonl"
    rows = ['{"text": "a7 b\\ud83d", "label": "y"}', '{"text": "c", "label": "n"}']
    path.write_text("\n".join(rows), encoding="utf-8")
    dev = tmp_path / "dev.jsonl"
    dev.write_text('{"text": "d", "label": "y"}', encoding="utf-8")
    raw = {"name": "x", "model": "m", "data": {"pool": f"jsonl:{path}", "dev": f"jsonl:{dev}"}}

    splits = read_splits(parse_spec(raw, where="the test's spec"), seed=0)

    assert splits.pool[0].text == "a7 b?"
    assert splits.digest()


def test_a_text_of_invisible_characters_is_empty(tmp_path):
    path = tmp_path / "pool.jsonl"
    rows = [
        {"text": t, "label": label} for t, label in (("\u200b\u2060", "y"), ("a", "y"), ("b", "n"))
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    dev = tmp_path / "dev.jsonl"
    dev.write_text('{"text": "d", "label": "y"}', encoding="utf-8")
    raw = {"name": "x", "model": "m", "data": {"pool": f"jsonl:{path}", "dev": f"jsonl:{dev}"}}

    splits = read_splits(parse_spec(raw, where="the test's spec"), seed=0)

    assert [sample.text for sample in splits.pool] == ["a", "b"]
    assert ("pool text is empty", 1) in [(why, n) for why, n, _ in splits.skipped.rows()]


# --- pools that do not fit into memory ----------------------------------------------------------


def sorted_by_label(folder: Path, reader: str) -> str:
    """400 rows, all of one label before all of the other, as the hub often has them."""
    rows = [{"text": f"thing {i}", "label": "fruit" if i < 200 else "tools"} for i in range(400)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "train.parquet")
    return f"hf:{folder}" if reader == "hf" else f"parquet:{folder / 'train.parquet'}"


@pytest.mark.parametrize("reader", ["hf", "parquet"])
def test_with_a_limit_both_labels_of_a_sorted_pool_are_drawn(tmp_path, reader):
    source = sorted_by_label(tmp_path, reader)

    splits = splits_of(source, dev=0.2, limit=40)

    numbers = [int(s.text.split()[1]) for s in (*splits.pool, *splits.dev)]
    assert (len(splits.pool), len(splits.dev)) == (40, 10)
    assert len(set(numbers)) == 50
    assert 10 <= sum(n < 200 for n in numbers) <= 40
    assert splits.pool == splits_of(source, dev=0.2, limit=40).pool
    assert splits.pool != splits_of(source, dev=0.2, limit=40, seed=1).pool


def test_never_more_than_the_limit_is_kept():
    alive: weakref.WeakSet[Row] = weakref.WeakSet()
    most = 0

    class Row:
        def __init__(self, number: int) -> None:
            self.number = number

    def rows() -> Iterator[Row]:
        nonlocal most
        for number in range(400):
            alive.add(row := Row(number))
            most = max(most, len(alive))
            yield row

    places = [
        row.number
        for seed in range(50)
        for row in read._drawn(rows(), Draw(20, seed, is_sorted=True))
    ]

    assert most <= 24  # and what is in hands
    assert len(places) == 50 * 20
    assert 180 < sum(places) / len(places) < 220  # each as likely as any other: 199.5
