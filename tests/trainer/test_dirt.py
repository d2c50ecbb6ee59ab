"""Dirt on purpose: as much as was asked for, and the truth is kept."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from trainer.data.dirt import add_dirt
from trainer.data.samples import OFF_TOPIC, DataError, Sample, pair
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


# --- prompts with answers -----------------------------------------------------------------------

ANSWERS = [
    Sample(f"pool-{i}", {"prompt": f"Question {i}", "answer": f"Answer {i}"}, "answer")
    for i in range(100)
]
PAIRS = [
    pair(f"pool-{i}", {"prompt": f"Question {i}"}, f"Good {i}", f"Bad {i}") for i in range(100)
]


def test_shuffled_answers_are_exchanged_between_prompts():
    pool = dirty(pool=ANSWERS, shuffled=0.3)

    moved = [(a, b) for a, b in zip(ANSWERS, pool, strict=True) if a.fields != b.fields]
    assert len(moved) == 30
    assert {b.truth for _, b in moved} == {OFF_TOPIC}
    assert sorted(s.fields["answer"] for s in pool) == sorted(s.fields["answer"] for s in ANSWERS)
    assert [s.prompt for s in pool] == [s.prompt for s in ANSWERS]
    assert {s.label for s in pool} == {"answer"}
    assert sum(s.truth == "answer" for s in pool) == 70


def test_an_answer_that_says_the_same_stays_a_good_one():
    pool = [Sample(f"pool-{i}", {"prompt": f"{i}?", "answer": "Yes"}, "answer") for i in range(9)]

    assert {s.truth for s in dirty(pool=pool, shuffled=0.9)} == {"answer"}


def test_a_chat_keeps_its_messages_when_answers_are_exchanged():
    pool = [
        Sample(f"p-{i}", {**s.fields, "messages": (("system", f"{i}"), ("user", "?"))}, "answer")
        for i, s in enumerate(ANSWERS)
    ]

    assert [s.fields["messages"] for s in dirty(pool=pool, shuffled=0.9)] == [
        s.fields["messages"] for s in pool
    ]


def test_shuffled_pairs_are_turned_round():
    pool = dirty(pool=PAIRS, shuffled=0.3)

    assert sum(s.label != s.truth for s in pool) == 30
    assert [s.truth for s in pool] == [s.label for s in PAIRS]
    assert [s.fields for s in pool] == [s.fields for s in PAIRS]


def test_a_pair_that_is_wrong_or_bad_already_stays_so():
    known = [Sample(s.sample_id, s.fields, s.label, OFF_TOPIC) for s in PAIRS]
    wrong = [Sample(s.sample_id, s.fields, s.label, "B" if s.label == "A" else "A") for s in PAIRS]

    assert dirty(pool=known, shuffled=0.9) == known
    assert dirty(pool=wrong, shuffled=0.9) == wrong


@pytest.mark.parametrize("pool", [ANSWERS, PAIRS], ids=["answers", "pairs"])
@pytest.mark.parametrize("key", ["bulk", "off_topic"])
def test_other_dirt_among_answers_is_a_thing_of_the_standard_library(pool, key):
    with pytest.raises(DataError, match=rf"data\.dirt\.{key} = 0\.1 .*builtin:stdlib has; set it"):
        dirty(pool=pool, **{key: 0.1})
