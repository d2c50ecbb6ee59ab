"""A run's pool as plain rows, for export and import: `python -m trainer.pool`, a task on stdin.

A process of its own: reading data may need libraries that the bot never loads.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from pathlib import Path
from typing import Any

from trainer.data.images import ImageFile
from trainer.data.read import read_splits
from trainer.data.samples import Sample
from trainer.segment import Refusal
from trainer.spec import RunSpec

PICTURES = "images"


def row(sample: Sample) -> dict[str, Any]:
    """A sample without its picture: what a table holds of it, and the hash others know it by."""
    fields = {k: v for k, v in sample.fields.items() if k != "image"}
    if "messages" in fields:
        fields["messages"] = [{"role": r, "content": said} for r, said in fields["messages"]]
    if "labels" in fields:
        fields["labels"] = list(fields["labels"])
    return {
        "sample_id": sample.sample_id, **fields, "label": sample.label,
        "content_sha256": _sha256(sample),
    }  # fmt: skip


def _sha256(sample: Sample) -> str:
    """Of the text or prompt in UTF-8, or of the picture's file: what other tools can tell, too."""
    if sample.image:
        return sample.image.digest
    return hashlib.sha256((sample.text or sample.prompt).encode()).hexdigest()


def write_pool(spec: RunSpec, seed: int, path: Path, pictures: Path | None) -> None:
    """Write a row of JSON per sample of the pool.

    Args:
        spec: of the run.
        seed: of the run.
        path: where the rows go.
        pictures: a folder for the pictures, if they are wanted; rows then have them as `image`,
            under this folder's own name.

    Raises:
        Refusal: the data cannot be read.
        OSError: a file cannot be written.
    """
    with path.open("w", encoding="utf-8") as file:
        for number, sample in enumerate(read_splits(spec, seed).pool):
            found = row(sample)
            if sample.image and pictures is not None:
                found["image"] = f"{PICTURES}/{_write_picture(sample.image, pictures, number)}"
            file.write(json.dumps(found, ensure_ascii=False) + "\n")


def _write_picture(image: ImageFile, folder: Path, number: int) -> str:
    """As it came, under a name that says nothing of where it came from."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    data = image.read()
    with Image.open(io.BytesIO(data)) as found:
        name = f"{number:06d}.{(found.format or 'png').lower()}"
    (folder / name).write_bytes(data)
    return name


def main() -> None:
    """Read {spec, seed, path, pictures}; say on stdout, in JSON, whether the data were refused."""
    task = json.load(sys.stdin)
    said, sys.stdout = sys.stdout, sys.stderr  # libraries print
    pictures = Path(task["pictures"]) if task["pictures"] else None
    try:
        spec = RunSpec.model_validate(task["spec"])
        write_pool(spec, task["seed"], Path(task["path"]), pictures)
        told = {}
    except Refusal as err:
        told = {"refused": str(err)}
    json.dump(told, said)


if __name__ == "__main__":
    main()
