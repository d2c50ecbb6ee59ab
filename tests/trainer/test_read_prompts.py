"""The data of a run that learns from answers or from pairs, from its spec to checked splits."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainer.data.read import read_splits
from trainer.data.samples import OFF_TOPIC, DataError, Splits
from trainer.spec import parse_spec

Rows = list[dict[str, Any]]


def splits_of(task: str, pool: str, *, seed: int = 0, **data: Any) -> Splits:
    raw = {"name": "demo", "task": task, "model": "toy", "data": {"pool": pool, **data}}
    return read_splits(parse_spec(raw, where="the test's spec"), seed)


def answers(n: int, start: int = 0) -> Rows:
    return [{"prompt": f"Name word {i}", "answer": f"It is {i}"} for i in range(start, start + n)]


def pairs(n: int, start: int = 0) -> Rows:
    return [
        {"prompt": f"Name word {i}", "chosen": f"It is {i}", "rejected": f"Unlike {i}"}
        for i in range(start, start + n)
    ]


def write(path: Path, rows: Rows) -> str:
    """A source of these rows, of the kind the file's suffix says."""
    reader = path.suffix[1:]
    if reader == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif reader == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return f"{reader}:{path}"


TASKS = {"causal-lm": answers, "preference": pairs}


@pytest.fixture(params=TASKS)
def task(request) -> str:
    return str(request.param)


@pytest.mark.parametrize("reader", ["csv", "jsonl", "parquet"])
def test_every_reader_gives_the_same_samples(task, reader, tmp_path):
    rows = TASKS[task](30)

    splits = splits_of(task, write(tmp_path / f"pool.{reader}", rows), dev=0.2)

    assert len(splits.pool) == 24
    assert len(splits.dev) == pytest.approx(6, abs=2)
    assert splits.labels == {"causal-lm": ("answer",), "preference": ("A", "B")}[task]
    assert {s.prompt for s in (*splits.pool, *splits.dev)} == {row["prompt"] for row in rows}
    assert not splits.has_truth


def test_held_out_samples_are_true_and_the_pool_as_the_data_says(tmp_path):
    said = ["true", "no", "1", "bad"]
    rows = [row | {"ok": said[i % 4]} for i, row in enumerate(answers(8))]
    dev = write(tmp_path / "dev.csv", answers(3, start=50))

    splits = splits_of("causal-lm", write(tmp_path / "pool.csv", rows), dev=dev, truth="ok")

    assert [s.truth for s in splits.pool] == ["answer", OFF_TOPIC] * 4
    assert [s.truth for s in splits.dev] == ["answer"] * 3
    assert splits.has_truth


def test_the_truth_of_pairs_is_read(tmp_path):
    said = ["chosen", "rejected", "tie"]
    rows = [row | {"best": said[i % 3]} for i, row in enumerate(pairs(9))]
    dev = write(tmp_path / "dev.csv", pairs(3, start=50))

    splits = splits_of("preference", write(tmp_path / "pool.csv", rows), dev=dev, truth="best")

    assert [s.truth == s.label for s in splits.pool] == [True, False, False] * 3
    assert [s.truth == OFF_TOPIC for s in splits.pool] == [False, False, True] * 3


def test_answers_to_one_prompt_are_never_on_both_sides(task, tmp_path):
    rows = [row | {"prompt": f"Question {i % 15}"} for i, row in enumerate(TASKS[task](60))]

    splits = splits_of(task, write(tmp_path / "pool.csv", rows), dev=0.2)

    assert splits.dev
    assert not {s.prompt for s in splits.pool} & {s.prompt for s in splits.dev}


def test_the_same_answers_in_the_pool_and_the_dev_set_are_refused(task, tmp_path):
    pool = write(tmp_path / "pool.csv", TASKS[task](10))
    dev = write(tmp_path / "dev.csv", TASKS[task](10, start=8))

    with pytest.raises(DataError, match=r"2 of 10 dev samples also stand in the pool.*Name word 8"):
        splits_of(task, pool, dev=dev)


def test_the_same_pair_the_other_way_round_is_refused_too(tmp_path):
    pool = write(tmp_path / "pool.csv", pairs(10))
    turned = [
        {"prompt": row["prompt"], "chosen": row["rejected"], "rejected": row["chosen"]}
        for row in pairs(3)
    ]

    with pytest.raises(DataError, match="3 of 3 dev samples"):
        splits_of("preference", pool, dev=write(tmp_path / "dev.csv", turned))


def test_unusable_rows_are_left_out_and_counted(tmp_path):
    bad: Rows = [
        {"prompt": "", "chosen": "a", "rejected": "b"},
        {"prompt": "x", "chosen": "", "rejected": "b"},
        {"prompt": "x", "chosen": "a b", "rejected": "a  b"},
        {"prompt": "y", "chosen": "a", "rejected": "a"},
    ]

    splits = splits_of("preference", write(tmp_path / "pool.csv", bad + pairs(10)), dev=0.2)

    assert splits.skipped.rows() == (
        ("pool answers of the pair are the same", 2, "pool-2"),
        ("pool prompt is empty", 1, "pool-0"),
        ("pool answer is empty", 1, "pool-1"),
    )


def test_a_pool_of_chats_without_an_answer_is_refused_with_the_count(tmp_path):
    rows: Rows = [{"messages": [{"role": "user", "content": f"Hi {i}"}]} for i in range(3)]

    with pytest.raises(
        DataError,
        match=r"pool is empty \(3 x pool chat does not end with the assistant's answer, e\.g\. ",
    ):
        splits_of("causal-lm", write(tmp_path / "pool.jsonl", rows), messages="messages")


@pytest.mark.parametrize("reader", ["jsonl", "parquet"])
def test_chats_are_read_from_files(tmp_path, reader):
    rows: Rows = [
        {
            "messages": [
                {"role": "user", "content": f"Say {i}"},
                {"role": "assistant", "content": f"So {i}"},
            ]
        }
        for i in range(10)
    ]

    pool = write(tmp_path / f"pool.{reader}", rows)
    splits = splits_of("causal-lm", pool, dev=0.2, messages="messages")

    assert {s.prompt for s in splits.pool} < {f"Say {i}" for i in range(10)}
    assert len(splits.pool) == 8


@pytest.mark.parametrize(
    ("task_", "columns", "remedy"),
    [
        (
            "causal-lm",
            ["question", "reply"],
            "set data.prompt, data.answer, data.messages, data.id",
        ),
        (
            "preference",
            ["question", "a", "b"],
            "set data.prompt, data.chosen, data.rejected, data.id",
        ),
    ],
)
def test_a_missing_column_is_answered_with_the_keys_that_name_it(tmp_path, task_, columns, remedy):
    pool = write(tmp_path / "pool.csv", [dict.fromkeys(columns, "x")])

    with pytest.raises(DataError, match=rf"no column .*it has 'question'.*{remedy} or data.truth"):
        splits_of(task_, pool)


def test_an_id_that_stands_twice_is_refused(task, tmp_path):
    rows = [row | {"key": "7"} for row in TASKS[task](4)]

    with pytest.raises(DataError, match="'pool-7' stands twice"):
        splits_of(task, write(tmp_path / "pool.csv", rows), id="key")


def test_pictures_hold_no_prompts(task):
    with pytest.raises(DataError, match="holds images; set task: image-classification"):
        splits_of(task, "builtin:digits")


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_dirt_is_added_to_files(task, tmp_path, share):
    pool = write(tmp_path / "pool.csv", TASKS[task](50))

    splits = splits_of(task, pool, dev=0.2, dirt={"shuffled": share})

    wrong = [s for s in splits.pool if s.truth != s.label]
    assert len(wrong) == round(40 * share)
    assert splits.has_truth


# --- the hub ------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_rest(monkeypatch) -> None:
    """The library rests for five seconds after each stream, lest a process ends at that moment."""
    monkeypatch.setattr(datasets.config, "SLEEP_TIME_ON_THREADS_SHUTDOWN", 0.0)


@pytest.fixture
def hub(tmp_path, task) -> str:
    """The real `datasets` library on a folder, as it reads one of the hub."""
    for shard in range(4):
        write(tmp_path / f"train-{shard}.parquet", TASKS[task](500, start=500 * shard))
    return f"hf:{tmp_path}"


def test_a_whole_data_set_is_read_without_a_limit(task, hub):
    assert len(splits_of(task, hub, dev=0.1).pool) == 1800


def test_with_a_limit_no_more_is_read_than_needed(task, tmp_path):
    write(tmp_path / "train.parquet", TASKS[task](3000))

    splits = splits_of(task, f"hf:{tmp_path}", dev=0.1, limit=20)

    assert len(splits.pool) == 20
    assert splits.dev
    read = [int(s.prompt.split()[-1]) for s in (*splits.pool, *splits.dev)]
    assert len(set(read)) == len(read)
    assert 30 < max(read) < 500


def test_what_is_drawn_depends_on_the_seed_alone(task, hub):
    def prompts(seed: int) -> list[str]:
        return [s.prompt for s in splits_of(task, hub, dev=0.1, limit=20, seed=seed).pool]

    assert prompts(1) == prompts(1)
    assert prompts(1) != prompts(2)


def test_a_limit_above_what_there_is_reads_all(task, hub):
    assert len(splits_of(task, hub, dev=0.1, limit=5000).pool) == 1800


def test_a_missing_column_of_the_hub_is_named(task, hub):
    with pytest.raises(DataError, match=r"no column 'ask'; it has 'prompt'"):
        splits_of(task, hub, prompt="ask", limit=5)


def test_an_unknown_split_of_the_hub_is_refused(task, hub):
    with pytest.raises(DataError, match=r"cannot load .* from the hub: .*check the name"):
        splits_of(task, f"{hub}@nowhere", limit=5)
