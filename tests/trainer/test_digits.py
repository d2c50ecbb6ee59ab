"""Images that come with scikit-learn: disjoint splits, and dirt as much as was asked for."""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
import pytest

from trainer.data import digits
from trainer.data.digits import read_digits, unlabelled_digits
from trainer.data.images import opened
from trainer.data.samples import OFF_TOPIC, DataError, Sample
from trainer.spec import DirtSpec

pytest.importorskip("sklearn")

CLEAN = DirtSpec()
POOL = 1397  # 1797 less 10 and 30 of each of ten labels


def read(
    split: str, seed: int = 0, limit: int | None = None, dirt: DirtSpec = CLEAN
) -> list[Sample]:
    return read_digits(split, seed=seed, limit=limit, dirt=dirt)


def test_the_splits_are_disjoint_and_held_out_labels_are_alike_in_number():
    pool, dev, test = (read(split) for split in ("pool", "dev", "test"))

    contents = {s.content for s in (*pool, *dev, *test)}
    assert len(contents) == len(pool) + len(dev) + len(test) == 1797
    assert Counter(s.label for s in dev) == dict.fromkeys(digits.NAMES, 10)
    assert Counter(s.label for s in test) == dict.fromkeys(digits.NAMES, 30)
    assert all(s.label == s.truth for s in (*pool, *dev, *test))
    assert [s.sample_id for s in pool[:2]] == ["pool-0", "pool-1"]


def test_the_same_seed_gives_the_same_samples_and_another_seed_others():
    dirt = DirtSpec(shuffled=0.1, bulk=0.1, off_topic=0.1)

    assert read("pool", 3, 50, dirt) == read("pool", 3, 50, dirt)
    assert read("pool", 3, 50, dirt) != read("pool", 4, 50, dirt)
    assert read("dev", 3) == read("dev", 3, 50, dirt)
    assert read("dev", 3) != read("dev", 4)


def test_an_image_has_32_pixels_a_side_and_shows_ink():
    picture = np.asarray(opened(read("dev")[0].fields["image"]))

    assert picture.shape == (32, 32, 3)
    assert picture.min() == 0
    assert picture.max() == 255


@pytest.mark.parametrize("seed", range(3))
def test_dirt_is_the_stated_share_of_each_kind(seed):
    """Of 1000: 100 shuffled, 150 in bulk under one label, 50 off topic; 300 wrong in all."""
    pool = read("pool", seed, 1000, DirtSpec(shuffled=0.1, bulk=0.15, off_topic=0.05))

    wrong = [s for s in pool if s.label != s.truth]
    assert len(pool) == 1000
    assert len(wrong) == 300
    assert sum(s.truth == OFF_TOPIC for s in pool) == 50
    ((_, most), (_, next_most)) = Counter(s.label for s in wrong).most_common(2)
    assert most >= 150 > 3 * next_most
    clean = Counter(s.label for s in pool if s.label == s.truth)
    assert min(clean[name] for name in digits.NAMES) >= 20  # no label is emptied


def test_off_topic_images_are_no_digits_of_the_pool():
    pool = read("pool", limit=100, dirt=DirtSpec(off_topic=0.5))

    plain = {s.content for s in read("pool")}
    off = [s for s in pool if s.truth == OFF_TOPIC]
    assert len(off) == 50
    assert not {s.content for s in off} & plain
    assert np.mean([np.mean(opened(s.fields["image"])) for s in off]) > 128  # a negative


def test_more_in_bulk_than_the_labels_can_spare_is_refused():
    with pytest.raises(DataError, match=r"data\.dirt\.bulk = 0\.8 files 80 .* only \d+; set a"):
        read("pool", limit=100, dirt=DirtSpec(bulk=0.8))


def test_digits_without_labels_have_the_side_that_is_asked_for():
    pictures = unlabelled_digits(16)

    assert pictures.shape == (1797, 16, 16, 3)
    assert pictures.dtype == np.uint8


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    digits._digits.cache_clear()

    with pytest.raises(DataError, match=r"pip install 'joulery\[bench\]'"):
        read("pool")
