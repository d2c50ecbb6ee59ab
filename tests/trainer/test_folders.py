"""Images in folders: a label is a folder's name, and what else lies about does no harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.data.folders import folder_rows
from trainer.data.samples import DataError, Skipped


def make(folder: Path, *names: str) -> Path:
    """Files in `folder`; what ends in / is a folder."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(b"not looked at here")
    return folder


def read(folder: Path, split: str = "pool") -> tuple[list[str], list[tuple[str, int, str]]]:
    """("label: path") of every row, and what was skipped."""
    skipped = Skipped()
    rows = [
        f"{label}: {Path(path).relative_to(folder)}"
        for path, label in folder_rows(str(folder), split, skipped)
    ]
    return rows, sorted(skipped.rows())


def test_rows_are_sorted_by_label_then_by_name(tmp_path):
    make(tmp_path, "dogs/b.png", "dogs/a.JPG", "cats/2.webp", "cats/10.gif", "cats/1.bmp")

    rows, skipped = read(tmp_path)

    assert rows == [
        "cats: cats/1.bmp", "cats: cats/10.gif", "cats: cats/2.webp",
        "dogs: dogs/a.JPG", "dogs: dogs/b.png",
    ]  # fmt: skip
    assert skipped == []


def test_hidden_files_are_passed_over_and_other_files_counted(tmp_path):
    make(
        tmp_path, "cats/1.png", "cats/.DS_Store", "cats/._1.png", ".git/1.png", "README.md",
        "cats/more/2.png", "cats/notes.txt", "cats/x.png/", "empty/", "loose.png",
    )  # fmt: skip

    rows, skipped = read(tmp_path)

    assert rows == ["cats: cats/1.png"]
    assert skipped == [
        ("pool file is no image", 3, "cats/more"),
        ("pool image lies in no label's folder", 1, f"{tmp_path.name}/loose.png"),
    ]


@pytest.mark.parametrize("val", ["val", "valid", "validation", "dev"])
def test_a_folder_of_splits_is_read_split_by_split(tmp_path, val):
    make(tmp_path, "train/cats/1.png", f"{val}/cats/2.png", "test/dogs/3.png")

    assert read(tmp_path)[0] == ["cats: train/cats/1.png"]
    assert read(tmp_path, "dev")[0] == [f"cats: {val}/cats/2.png"]
    assert read(tmp_path, "test")[0] == ["dogs: test/dogs/3.png"]
    assert read(tmp_path / "train", "dev")[0] == ["cats: cats/1.png"]


def test_a_split_that_is_not_there_is_refused_with_the_names_it_may_have(tmp_path):
    make(tmp_path, "train/cats/1.png")

    with pytest.raises(DataError, match=r"none for the dev set \(val, valid, validation, dev\)"):
        read(tmp_path, "dev")


def test_images_of_trains_are_no_split(tmp_path):
    make(tmp_path, "train/1.png", "plane/1.png")

    assert read(tmp_path)[0] == ["plane: plane/1.png", "train: train/1.png"]


def test_links_are_followed_inside_the_folder_alone(tmp_path):
    """What lies elsewhere is refused by whoever opens it, a folder elsewhere is not even listed."""
    make(tmp_path, "elsewhere/secret.png", "data/cats/1.png")
    (tmp_path / "data/felines").symlink_to(tmp_path / "data/cats")
    (tmp_path / "data/stolen").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data/dangling").symlink_to(tmp_path / "nowhere")

    rows, skipped = read(tmp_path / "data")

    assert rows == ["cats: cats/1.png", "felines: felines/1.png"]
    assert skipped == [("pool folder lies outside the folder of the data", 1, "data/stolen")]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no folder of images at .*nowhere; check the path"):
        read(tmp_path / "nowhere")
