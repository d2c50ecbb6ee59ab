"""Images that need no download: scikit-learn's handwritten digits, 8x8 pixels enlarged to 32x32.

Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI repository (1998); the
1797 images of its test set come with scikit-learn.
"""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache

import numpy as np

from trainer.data.images import ImageFile
from trainer.data.samples import OFF_TOPIC, DataError, Sample
from trainer.spec import DirtSpec

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIDE = 32  # pixels
DEV_PER_LABEL = 10
TEST_PER_LABEL = 30


def read_digits(split: str, *, seed: int, limit: int | None, dirt: DirtSpec) -> list[Sample]:
    """One split: `pool` is dirty as stated, `dev` and `test` are clean; the three are disjoint.

    Off-topic samples are the halves of two digits side by side, as a negative.

    Raises:
        DataError: scikit-learn is not installed, or `dirt` asks for more than there is.
    """
    greys, classes = _digits()
    rng = np.random.default_rng([seed, 3])
    order = rng.permutation(len(greys))
    by_class = [order[classes[order] == label] for label in range(len(NAMES))]
    until = DEV_PER_LABEL + TEST_PER_LABEL
    held_out = {
        "dev": np.concatenate([rows[:DEV_PER_LABEL] for rows in by_class]),
        "test": np.concatenate([rows[DEV_PER_LABEL:until] for rows in by_class]),
    }
    if split in held_out:
        return [_sample(split, n, i, classes[i]) for n, i in enumerate(held_out[split])]
    free = rng.permutation(np.concatenate([rows[until:] for rows in by_class]))
    return _dirty_pool(free[:limit], dirt, rng)


def unlabelled_digits(side: int) -> np.ndarray:
    """All digits as they come, without their labels: uint8 (1797, side, side, 3).

    Raises:
        DataError: scikit-learn is not installed.
    """
    return np.stack([_enlarged(grey, side) for grey in _digits()[0]])


def _dirty_pool(index: np.ndarray, dirt: DirtSpec, rng: np.random.Generator) -> list[Sample]:
    greys, classes = _digits()
    truth = classes[index]
    labels = truth.copy()
    n_shuffled, n_off = (round(len(index) * share) for share in (dirt.shuffled, dirt.off_topic))
    shuffled, off, rest = np.split(rng.permutation(len(index)), [n_shuffled, n_shuffled + n_off])
    labels[shuffled] = (truth[shuffled] + rng.integers(1, len(NAMES), n_shuffled)) % len(NAMES)
    wrong_label, *sources = rng.permutation(len(NAMES))
    of_source = (rest[truth[rest] == source] for source in sources)
    spared = np.concatenate([rows[: len(rows) // 2] for rows in of_source])  # no label is emptied
    n_bulk = round(len(index) * dirt.bulk)
    if n_bulk > len(spared):
        raise DataError(
            f"data.dirt.bulk = {dirt.bulk} files {n_bulk} samples under one label, but the others "
            f"can spare only {len(spared)}; set a smaller share"
        )
    labels[spared[:n_bulk]] = wrong_label
    pool = [_sample("pool", n, i, labels[n]) for n, i in enumerate(index)]
    for n in off:
        left, right = greys[rng.choice(index, size=2)]
        mosaic = greys.max() - np.hstack([left[:, ::2], right[:, ::2]])
        pool[n] = replace(pool[n], fields={"image": _encoded(mosaic)}, truth=OFF_TOPIC)
    return pool


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    """(greys, classes): uint8 (1797, 8, 8), white on black as they come; int (1797,) in 0..9."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as err:
        raise DataError(
            "builtin:digits comes with scikit-learn; pip install 'joulery[bench]'"
        ) from err
    found = load_digits()  # ink from 0 to 16
    return np.round(found.images * (255 / 16)).astype(np.uint8), found.target


def _sample(split: str, number: int, index: int, label: int) -> Sample:
    """`label` is what it is filed under, as a class id; what it shows is its truth."""
    greys, classes = _digits()
    fields = {"image": _encoded(greys[index])}
    return Sample(f"{split}-{number}", fields, NAMES[label], NAMES[classes[index]])


def _encoded(grey: np.ndarray) -> ImageFile:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(_enlarged(grey, SIDE)).save(content, "PNG")
    return ImageFile(None, content.getvalue())


def _enlarged(grey: np.ndarray, side: int) -> np.ndarray:
    from PIL import Image

    large = Image.fromarray(grey).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(large.convert("RGB"))
