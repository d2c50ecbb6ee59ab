"""Dirt on purpose: as much as was asked for, and the truth is kept."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from trainer.data.dirt import add_dirt
from trainer.data.samples import DataError, Sample
from trainer.spec import DirtSpec

LABELS = ("fruit", "tools", "weather", "music")
POOL = [Sample(f"pool-{i}", {"text": f"text {i}"}, LABELS[i % 4]) for i in range(200)]


def dirty(seed: int = 0, pool: list[Sample] = POOL, **shares: float) -> list[Sample]:
    return add_dirt(pool, DirtSpec(**shares), np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_dirt_is_the_stated_share_of_wrong_labels(seed):
    pool = dirty(seed, shuffled=0.3)

    assert sum(s.label != s.truth for s in pool) == 60
    assert [s.truth for s in pool] == [s.label for s in POOL]
    assert {s.label for s in pool} == set(LABELS)


@pytest.mark.parametrize("seed", range(3))
def test_bulk_dirt_files_one_label_under_one_other(seed):
    pool = dirty(seed, bulk=0.15)

    moves = Counter((s.truth, s.label) for s in pool if s.truth != s.label)
    assert list(moves.values()) == [30]


def test_both_kinds_add_up():
    assert sum(s.label != s.truth for s in dirty(shuffled=0.2, bulk=0.1)) == 60


def test_texts_and_ids_stay_as_they_were():
    assert [(s.sample_id, s.text) for s in dirty(shuffled=0.5)] == [
        (s.sample_id, s.text) for s in POOL
    ]


def test_the_same_seed_makes_the_same_dirt():
    assert dirty(4, shuffled=0.3, bulk=0.1) == dirty(4, shuffled=0.3, bulk=0.1)
    assert dirty(4, shuffled=0.3) != dirty(5, shuffled=0.3)


def test_a_known_truth_outranks_the_label_it_stood_under():
    pool = [Sample("pool-0", {}, "fruit", "tools"), Sample("pool-1", {}, "tools", "tools")]

    assert [s.truth for s in dirty(pool=pool, shuffled=0.5)] == ["tools", "tools"]


def test_added_dirt_never_puts_a_wrong_label_right():
    """Shuffled samples get a wrong label even where the one they had was wrong already."""
    pool = [Sample(f"pool-{i}", {}, LABELS[i % 4], LABELS[(i + 1) % 4]) for i in range(200)]

    assert all(s.label != s.truth for s in dirty(pool=pool, shuffled=0.9))


def test_bulk_dirt_takes_no_label_out_of_the_pool():
    """40 % of the pool are more than any of four labels holds."""
    try:
        pool = dirty(bulk=0.4)
    except DataError:
        return

    assert {s.label for s in pool} == set(LABELS)


def test_off_topic_dirt_needs_samples_from_elsewhere():
    with pytest.raises(
        DataError,
        match=r"off_topic = 0\.1 .* only builtin:stdlib and builtin:digits have; set it to 0",
    ):
        dirty(off_topic=0.1)
