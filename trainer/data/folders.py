"""Images in folders: one folder per label, in a folder per split or not. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainer.data.images import SUFFIXES, is_inside, short_name
from trainer.data.samples import DataError, Skipped

SPLITS = {"pool": ("train",), "dev": ("val", "valid", "validation", "dev"), "test": ("test",)}
"""Split -> the names its folder may have."""


def folder_rows(where: str, split: str, skipped: Skipped) -> Iterator[tuple[str, str]]:
    """(path, label) of every image `where/LABEL/NAME`, sorted by label, then by name.

    Where `where` has the folders of `SPLITS`, the one of `split` is read. What is hidden is passed
    over, what else is no image in a label's folder is counted. Links are followed inside `where`.

    Raises:
        DataError: no such folder, or none for this split.
    """
    root = Path(where).resolve()
    if not root.is_dir():
        raise DataError(f"no folder of images at {where}; check the path in the spec")
    try:
        for entry in _visible(_split_of(root, split)):
            if not entry.is_dir():
                if _is_image(entry):
                    skipped.add(f"{split} image lies in no label's folder", short_name(str(entry)))
            elif not is_inside(entry, [root]):
                skipped.add(
                    f"{split} folder lies outside the folder of the data", short_name(str(entry))
                )
            else:
                yield from _images_of(entry, split, skipped)
    except OSError as err:
        raise DataError(f"cannot read {err.filename}: {err.strerror}; check its rights") from err


def _images_of(folder: Path, split: str, skipped: Skipped) -> Iterator[tuple[str, str]]:
    for entry in _visible(folder):
        if _is_image(entry):
            yield str(entry), folder.name
        else:
            skipped.add(f"{split} file is no image", short_name(str(entry)))


def _split_of(root: Path, split: str) -> Path:
    train = root / "train"
    # a label may be called train, too: then there are images in its folder
    if not train.is_dir() or not all(entry.is_dir() for entry in _visible(train)):
        return root
    for name in SPLITS[split]:
        if (root / name).is_dir():
            return root / name
    raise DataError(
        f"{root} has a folder train, but none for the {split} set ({', '.join(SPLITS[split])}); "
        "add one, or name another source"
    )


def _visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.is_dir()
