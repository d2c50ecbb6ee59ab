"""The pool every Python carries: its own docstrings, by subject area."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from trainer.data import stdlib
from trainer.data.duplicates import fingerprint
from trainer.data.samples import OFF_TOPIC, Sample
from trainer.data.stdlib import read_stdlib
from trainer.spec import DirtSpec

DIRT = DirtSpec(shuffled=0.15, bulk=0.05, off_topic=0.1)


def read(
    split: str, seed: int = 0, limit: int | None = None, dirt: DirtSpec = DIRT
) -> list[Sample]:
    return read_stdlib(split, seed=seed, limit=limit, dirt=dirt)[0]


def test_there_are_thousands_of_distinct_docstrings():
    assert len({found.text for found in stdlib.docstrings()}) >= 4000


def test_about_a_dozen_areas_are_large_enough_and_the_others_counted():
    labels = {s.label for s in read("pool")}
    left_out = read_stdlib("pool", seed=0, limit=None, dirt=DIRT)[1]

    assert 10 <= len(labels) <= 14
    assert len(labels) + left_out == len(stdlib.AREAS)


def test_the_splits_share_no_text():
    texts = [{fingerprint(s.text) for s in read(split)} for split in ("pool", "dev", "test")]

    assert not texts[0] & texts[1]
    assert not texts[0] & texts[2]
    assert not texts[1] & texts[2]


@pytest.mark.parametrize(("split", "per_area"), [("dev", 10), ("test", 50)])
def test_held_out_samples_are_clean_and_every_area_has_as_many(split, per_area):
    held = read(split)

    assert all(s.label == s.truth for s in held)
    assert set(Counter(s.label for s in held).values()) == {per_area}
    assert len({s.sample_id for s in held}) == len(held)


def test_the_pool_has_the_stated_size_and_dirt_on_top_of_natures():
    """15 % shuffled, 5 % in bulk, 10 % off topic; what nature had wrong among them counts once."""
    pool, plain = read("pool"), read("pool", dirt=DirtSpec())

    assert len(pool) == len(plain) == stdlib.POOL_SIZE
    natural = sum(s.label != s.truth for s in plain) / len(plain)
    wrong = sum(s.label != s.truth for s in pool) / len(pool)
    assert 0 < natural < 0.5
    assert wrong == pytest.approx(0.3 + 0.7 * natural, abs=0.04)
    off = sum(s.truth == OFF_TOPIC for s in pool) / len(pool)
    natural_off = sum(s.truth == OFF_TOPIC for s in plain) / len(plain)
    assert off == pytest.approx(0.1 + 0.9 * natural_off, abs=0.03)


def test_areas_are_alike_but_for_the_one_that_bulk_dirt_is_filed_under():
    plain = Counter(s.label for s in read("pool", dirt=DirtSpec()))
    bulk = Counter(s.label for s in read("pool", dirt=DirtSpec(bulk=0.05)))

    assert max(plain.values()) - min(plain.values()) <= 1
    (_, most), (_, next_most), *_ = bulk.most_common()
    assert most - next_most == pytest.approx(0.05 * stdlib.POOL_SIZE, abs=1)


def test_a_limit_is_the_size_of_the_pool():
    assert len(read("pool", limit=300)) == 300


def test_the_same_seed_gives_the_same_samples_and_another_seed_others():
    for split in ("pool", "dev", "test"):
        assert read(split, seed=3) == read(split, seed=3)
        assert [s.text for s in read(split, seed=3)] != [s.text for s in read(split, seed=4)]


def test_the_pool_does_not_depend_on_what_else_the_process_has_loaded():
    """A repeated segment must see the same samples: libraries that bind lazily or patch classes
    of the standard library (as transformers does with `logging.Logger`) must not add any."""
    show = """
from hashlib import sha256
from trainer.data.stdlib import DirtSpec, read_stdlib
print(sha256(repr(read_stdlib("pool", seed=0, limit=None, dirt=DirtSpec())).encode()).hexdigest())
"""
    busy = """
import concurrent.futures, logging
concurrent.futures.ThreadPoolExecutor
def info_once(self, message):
    "Emit the message with severity INFO, but only once for every message."
logging.Logger.info_once = info_once
"""

    bare, patched = (
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout
        for code in (show, busy + show)
    )

    assert len(bare.strip()) == 64
    assert patched == bare


def test_ids_are_unique_and_say_their_split():
    ids = [s.sample_id for split in ("pool", "dev", "test") for s in read(split)]

    assert len(set(ids)) == len(ids)
    assert all(i.startswith(("pool-", "dev-", "test-")) for i in ids)
