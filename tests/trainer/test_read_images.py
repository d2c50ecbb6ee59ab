"""The data of a run on images: from folders, tables and the hub, to checked splits."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from trainer.data.images import ImageFile, opened
from trainer.data.read import read_splits
from trainer.data.samples import DataError, Splits, duplicate_groups
from trainer.spec import parse_spec

OUTSIDE = "pool image lies outside the folder of the data"


def png(number: int) -> bytes:
    """A small image unlike that of any other number."""
    pixels = np.random.default_rng(number).integers(0, 255, (6, 6, 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def splits_of(pool: str, *, task: str = "image-classification", **data: Any) -> Splits:
    raw = {"name": "demo", "task": task, "model": "toy", "data": {"pool": pool, **data}}
    return read_splits(parse_spec(raw, where="the test's spec"), seed=0)


def write_images(folder: Path, numbers: Sequence[int]) -> str:
    """Even numbers are cats, odd ones dogs."""
    for number in numbers:
        path = folder / ("cats", "dogs")[number % 2] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
    return f"imagefolder:{folder}"


def write_parquet(path: Path, cells: Sequence[Any], **columns: Sequence[Any]) -> str:
    labels = ["cats", "dogs"] * len(cells)
    pq.write_table(pa.table({"image": cells, "label": labels[: len(cells)], **columns}), path)
    return f"parquet:{path}"


def write_jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return f"jsonl:{path}"


@pytest.fixture
def dev(tmp_path) -> str:
    return write_images(tmp_path / "dev", range(900, 904))


# --- folders ------------------------------------------------------------------------------------


def test_a_folder_of_labels_is_a_pool(tmp_path, dev):
    splits = splits_of(write_images(tmp_path / "pool", range(6)), dev=dev)

    assert splits.labels == ("cats", "dogs")
    assert [s.shown for s in splits.pool][:3] == ["cats/000.png", "cats/002.png", "cats/004.png"]
    assert [s.sample_id for s in splits.pool][-1] == "pool-5"
    assert opened(splits.pool[0].fields["image"]).size == (6, 6)
    assert splits.skipped.rows() == ()
    assert not splits.has_truth
    assert all(s.truth == s.label for s in splits.dev)


def test_a_share_of_the_folder_and_dirt_for_simulations(tmp_path):
    splits = splits_of(
        write_images(tmp_path, range(40)), dev=0.2, limit=20, dirt={"shuffled": 0.25}
    )

    assert (len(splits.pool), len(splits.dev)) == (20, 8)
    assert sum(s.label != s.truth for s in splits.pool) == 5


def test_one_folder_with_its_splits_serves_all_three(tmp_path):
    for name, start in (("train", 0), ("val", 100), ("test", 200)):
        source = write_images(tmp_path / name, range(start, start + 4))
    source = f"imagefolder:{tmp_path}"

    splits = splits_of(source, dev=source, test=source)

    assert [len(split) for split in (splits.pool, splits.dev, splits.test)] == [4, 4, 4]
    assert splits.dev[0].shown == "cats/100.png"


def test_damaged_images_are_skipped_and_counted_with_a_name_and_the_reason(tmp_path, dev):
    pool = write_images(tmp_path / "pool", range(6))
    (tmp_path / "pool/cats/000.png").write_bytes(png(0)[:90])
    (tmp_path / "pool/dogs/001.png").write_bytes(b"<html>404</html>")

    splits = splits_of(pool, dev=dev)

    ((reason, count, example),) = splits.skipped.rows()
    assert (reason, count) == ("pool image cannot be read", 2)
    assert example.startswith("cats/000.png (")
    assert len(splits.pool) == 4


def test_a_pool_of_nothing_but_damaged_images_is_refused_with_the_count(tmp_path, dev):
    pool = write_images(tmp_path / "pool", range(3))
    for path in (tmp_path / "pool").glob("*/*.png"):
        path.write_bytes(b"")

    with pytest.raises(DataError, match=r"3 x pool image cannot be read, e\.g\. 'cats/000\.png"):
        splits_of(pool, dev=dev)


def test_a_link_to_an_image_elsewhere_is_not_followed(tmp_path, dev):
    write_images(tmp_path / "elsewhere", [50])
    pool = write_images(tmp_path / "pool", range(4))
    (tmp_path / "pool/cats/link.png").symlink_to(tmp_path / "elsewhere/cats/050.png")

    splits = splits_of(pool, dev=dev)

    assert splits.skipped.rows() == ((OUTSIDE, 1, "cats/link.png"),)
    assert len(splits.pool) == 4


def test_a_file_name_in_no_encoding_is_read_and_shown(tmp_path, dev):
    pool = write_images(tmp_path / "pool", range(4))
    (tmp_path / "pool/cats/000.png").rename(
        os.fsdecode(os.fsencode(tmp_path) + b"/pool/cats/\xff.png")
    )

    splits = splits_of(pool, dev=dev)

    assert len(splits.pool) == 4
    assert {s.shown for s in splits.pool} >= {"cats/?.png"}


# --- tables -------------------------------------------------------------------------------------


def test_parquet_holds_bytes(tmp_path, dev):
    splits = splits_of(write_parquet(tmp_path / "p", [png(i) for i in range(200)]), dev=dev)

    assert len(splits.pool) == 200
    assert splits.pool[3].fields["image"] == ImageFile(None, png(3))


def test_parquet_holds_bytes_with_a_name_as_hugging_face_writes_them(tmp_path, dev):
    cells = [{"bytes": png(i), "path": f"img/{i}.png"} for i in range(4)]

    splits = splits_of(write_parquet(tmp_path / "p", cells, key=list("abcd")), dev=dev, id="key")

    assert [s.shown for s in splits.pool] == [f"img/{i}.png" for i in range(4)]
    assert [s.sample_id for s in splits.pool][-1] == "pool-d"
    assert splits.pool[0].fields["image"].read() == png(0)


def test_empty_and_odd_cells_are_skipped_each_with_its_reason(tmp_path, dev):
    cells = [
        {"bytes": png(0), "path": "0.png"},
        {"bytes": png(1), "path": None},
        None,
        {"bytes": None, "path": None},
        {"bytes": b"", "path": "gone.png"},
        {"bytes": b"GIF89a", "path": None},
        {"bytes": png(6), "path": "nameless.png"},
    ]
    labels = ["cats", "dogs", "cats", "cats", "cats", "cats", ""]

    splits = splits_of(write_parquet(tmp_path / "p", cells, label=labels), dev=dev)

    assert len(splits.pool) == 2
    found = {reason: (count, example) for reason, count, example in splits.skipped.rows()}
    assert found["pool image is missing"] == (2, "pool-2")
    assert found["pool image cannot be read"] == (2, "gone.png (no such file)")
    assert found["pool label is missing"] == (1, "nameless.png")


def test_numbers_are_no_images(tmp_path, dev):
    with pytest.raises(DataError, match=r"2 x pool image cannot be read, e\.g\. 'pool-0 \(int,"):
        splits_of(write_parquet(tmp_path / "p", [1, 2]), dev=dev)


@pytest.mark.parametrize("reader", ["csv", "jsonl", "parquet"])
def test_paths_count_from_the_folder_of_the_file(tmp_path, dev, reader, monkeypatch):
    write_images(tmp_path / "data/img", range(4))
    rows = [
        {"image": f"img/{label}/{i:03}.png", "label": label}
        for i, label in enumerate(["cats", "dogs"] * 2)
    ]
    path = tmp_path / "data/pool"
    if reader == "csv":
        path.write_text("image,label\n" + "".join(f"{r['image']},{r['label']}\n" for r in rows))
    elif reader == "jsonl":
        write_jsonl(path, rows)
    else:
        write_parquet(path, [row["image"] for row in rows])
    monkeypatch.chdir(tmp_path)

    splits = splits_of(f"{reader}:{path}", dev=dev)

    assert [s.shown for s in splits.pool] == [r["image"].removeprefix("img/") for r in rows]
    assert splits.pool[1].fields["image"].read() == png(1)


def test_a_path_that_leaves_the_folder_of_the_file_is_refused(tmp_path, dev):
    write_images(tmp_path / "data/img", range(2))
    write_images(tmp_path / "private", [50])
    (tmp_path / "data/link").symlink_to(tmp_path / "private")
    inside = str(tmp_path / "data/img/dogs/001.png")
    leaving = ["../private/cats/050.png", str(tmp_path / "private/cats/050.png"),
               "link/cats/050.png", "img/../../private/cats/050.png", "a\0b.png"]  # fmt: skip
    paths = ["img/cats/000.png", inside, *leaving]
    rows = [{"image": p, "label": ("cats", "dogs")[i % 2]} for i, p in enumerate(paths)]

    splits = splits_of(write_jsonl(tmp_path / "data/pool.jsonl", rows), dev=dev)

    assert [s.shown for s in splits.pool] == ["cats/000.png", "dogs/001.png"]
    assert splits.skipped.rows() == ((OUTSIDE, 5, "cats/050.png"),)


def test_a_missing_column_is_named_with_the_key_that_names_it(tmp_path, dev):
    with pytest.raises(
        DataError, match=r"no column 'picture'; it has 'image', 'label': .*data\.image"
    ):
        splits_of(write_parquet(tmp_path / "p", [png(0)]), dev=dev, image="picture")


@pytest.mark.parametrize("shape", ["bytes in parquet", "a folder"])
def test_the_hubs_library_reads_images_and_leaves_them_encoded(tmp_path, dev, shape):
    """The real `datasets` library: one of the hub's tables, and a folder as its loader finds it."""
    folder = tmp_path / "hub"
    if shape == "a folder":
        write_images(folder / "train", range(4))
    else:
        import datasets

        folder.mkdir()
        features = datasets.Features(
            image=datasets.Image(), label=datasets.ClassLabel(names=["cats", "dogs"])
        )
        cells = [{"bytes": png(i), "path": f"{i}.png"} for i in range(4)]
        table = {"image": cells, "label": [0, 1, 0, 1]}
        datasets.Dataset.from_dict(table, features).to_parquet(str(folder / "train.parquet"))

    splits = splits_of(f"hf:{folder}", dev=dev)

    assert sorted(s.fields["image"].read() for s in splits.pool) == sorted(map(png, range(4)))
    assert splits.labels == ("cats", "dogs")


# --- what holds for all of them -----------------------------------------------------------------


def test_copies_are_found_and_held_out_copies_refused_with_their_number(tmp_path):
    pool = write_parquet(tmp_path / "p", [png(i // 4) for i in range(8)])
    dev = write_parquet(tmp_path / "d", [png(i) for i in range(1, 5)])

    splits = splits_of(pool, dev=write_parquet(tmp_path / "e", [png(8), png(9)]))
    assert duplicate_groups(splits.pool).tolist() == [0, 1, 0, 1, 4, 5, 4, 5]
    with pytest.raises(
        DataError, match=r"1 of 4 dev samples also stand in the pool \(e\.g\. 'image "
    ):
        splits_of(pool, dev=dev)


def test_the_digest_changes_with_the_content_of_one_image(tmp_path, dev):
    pool = write_images(tmp_path / "pool", range(4))
    before = splits_of(pool, dev=dev).digest()
    (tmp_path / "pool/cats/000.png").write_bytes(png(77))

    assert splits_of(pool, dev=dev).digest() != before
    (tmp_path / "pool/cats/000.png").write_bytes(png(0))
    assert splits_of(pool, dev=dev).digest() == before


def test_digits_are_a_pool_of_their_own(tmp_path):
    pytest.importorskip("sklearn")
    digits = "builtin:digits"

    splits = splits_of(
        digits, dev=digits, test=digits, limit=100, dirt={"shuffled": 0.1, "off_topic": 0.1}
    )

    assert [len(split) for split in (splits.pool, splits.dev, splits.test)] == [100, 100, 300]
    assert splits.has_truth
    assert sum(s.label != s.truth for s in splits.pool) == 20


@pytest.mark.parametrize(
    ("source", "task", "right"),
    [
        ("imagefolder:x", "text-classification", "image-classification"),
        ("builtin:digits", "text-classification", "image-classification"),
        ("builtin:stdlib", "image-classification", "text-classification"),
    ],
)
def test_a_source_of_the_other_kind_is_refused_with_the_task_it_suits(source, task, right):
    with pytest.raises(DataError, match=f"{source} holds .*; set task: {right}"):
        splits_of(source, task=task)


def test_a_folder_has_no_column_of_truths(tmp_path):
    with pytest.raises(DataError, match=r"no column 'right'; leave out data\.truth"):
        splits_of(write_images(tmp_path, range(4)), truth="right")
