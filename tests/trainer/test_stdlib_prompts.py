"""Prompts that every Python can answer by its own docstrings, and dirt of three kinds among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from trainer.data.duplicates import fingerprint
from trainer.data.samples import OFF_TOPIC, DataError, Sample
from trainer.data.stdlib_prompts import (
    DEV_SIZE,
    POOL_SIZE,
    REFUSAL,
    TEST_SIZE,
    about_areas,
    about_other_modules,
    read_stdlib_answers,
    read_stdlib_pairs,
)
from trainer.spec import DirtSpec

READERS = [read_stdlib_answers, read_stdlib_pairs]
RIGHT = dict(about_areas())
ELSEWHERE = dict(about_other_modules())

Reader = Callable[..., list[Sample]]
each = pytest.mark.parametrize("reader", READERS, ids=["answers", "pairs"])


def read(
    reader: Reader, split: str = "pool", seed: int = 0, limit: int | None = None, **dirt: float
):
    return reader(split, seed=seed, limit=limit, dirt=DirtSpec(**dirt))


def better(sample: Sample) -> str:
    return str(sample.fields[sample.label.lower()])


def worse(sample: Sample) -> str:
    return str(sample.fields["b" if sample.label == "A" else "a"])


def wrong(samples: list[Sample]) -> int:
    return sum(sample.truth != sample.label for sample in samples)


def test_there_are_thousands_of_distinct_prompts_and_answers():
    assert len(RIGHT) == len(about_areas()) >= 2500
    assert len({fingerprint(answer) for answer in RIGHT.values()}) == len(RIGHT)
    assert len(ELSEWHERE) >= 150
    assert not set(RIGHT.values()) & set(ELSEWHERE.values())
    assert all(5 <= len(answer.split()) <= 60 for answer in RIGHT.values())
    assert RIGHT["What does shutil.which do?"].startswith("Given a command, mode, and a PATH")


@each
def test_the_splits_have_their_sizes_and_share_no_prompt(reader):
    splits = [read(reader, split, shuffled=0.5) for split in ("pool", "dev", "test")]

    assert [len(split) for split in splits] == [POOL_SIZE, DEV_SIZE, TEST_SIZE]
    prompts = [sample.prompt for split in splits for sample in split]
    assert len(set(prompts)) == len(prompts)
    ids = [sample.sample_id for split in splits for sample in split]
    assert len(set(ids)) == len(ids)


@each
@pytest.mark.parametrize("split", ["dev", "test"])
def test_held_out_samples_are_clean_whatever_the_dirt(reader, split):
    held = read(reader, split, shuffled=0.3, bulk=0.3, off_topic=0.1)

    assert wrong(held) == 0
    assert held == read(reader, split)


@each
def test_the_same_seed_gives_the_same_samples_and_another_seed_others(reader):
    def pool(seed: int) -> list[Sample]:
        return read(reader, seed=seed, shuffled=0.2, bulk=0.2, off_topic=0.1)

    assert pool(3) == pool(3)
    assert [s.prompt for s in pool(3)] != [s.prompt for s in pool(4)]


@each
def test_a_limit_is_the_size_of_the_pool(reader):
    assert len(read(reader, limit=300)) == 300


@each
def test_the_pool_has_the_stated_share_of_dirt(reader):
    pool = read(reader, shuffled=0.25, bulk=0.2, off_topic=0.1)

    assert wrong(pool) == 550
    assert len({s.sample_id for s in pool}) == len(pool) == POOL_SIZE
    assert all(s.truth for s in pool)


@each
def test_more_off_topic_dirt_than_there_is_is_refused(reader):
    with pytest.raises(DataError, match=r"off_topic = 0\.9 takes .* has only"):
        read(reader, limit=3000, off_topic=0.9)


# --- answers ------------------------------------------------------------------------------------


def test_a_clean_pool_holds_docstrings_alone():
    assert all(s.fields["answer"] == RIGHT[s.prompt] for s in read(read_stdlib_answers))


def test_shuffled_answers_are_other_prompts_answers():
    bad = [s for s in read(read_stdlib_answers, shuffled=0.3) if s.truth == OFF_TOPIC]

    assert len(bad) == 300
    assert all(s.fields["answer"] != RIGHT[s.prompt] for s in bad)
    assert {s.fields["answer"] for s in bad} == {RIGHT[s.prompt] for s in bad}


def test_bulk_answers_are_one_refusal():
    pool = read(read_stdlib_answers, bulk=0.3)

    assert {s.fields["answer"] for s in pool if s.truth == OFF_TOPIC} == {REFUSAL}
    assert wrong(pool) == 300


def test_off_topic_answers_are_about_other_modules_and_cut_off():
    bad = [s for s in read(read_stdlib_answers, off_topic=0.1) if s.truth == OFF_TOPIC]

    assert len(bad) == 100
    for sample in bad:
        whole, (said,) = ELSEWHERE[sample.prompt], sample.answers
        assert whole.startswith(said)
        assert 1 <= len(said.split()) <= len(whole.split()) / 2


# --- pairs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["pool", "test"])
def test_the_better_answer_is_the_docstring_and_the_worse_one_of_four_kinds(split):
    styles: Counter[str] = Counter()
    for sample in read(read_stdlib_pairs, split):
        right, said = better(sample), worse(sample)
        assert right == RIGHT[sample.prompt] != said
        if said == REFUSAL:
            styles["refusal"] += 1
        elif right.startswith(said):
            styles["cut"] += 1
        elif sorted(said.split()) == sorted(right.split()):
            styles["disorder"] += 1
        else:
            assert said in RIGHT.values()
            styles["another"] += 1

    assert len(styles) == 4
    assert max(styles.values()) - min(styles.values()) <= 1


def test_sides_are_drawn():
    sides = Counter(s.label for s in read(read_stdlib_pairs))
    of_refusals = Counter(s.label for s in read(read_stdlib_pairs, bulk=0.5) if s.truth != s.label)

    assert 400 < sides["A"] < 600
    assert 200 < of_refusals["A"] < 300


def test_bulk_dirt_calls_every_refusal_the_better_answer():
    pool = read(read_stdlib_pairs, bulk=0.3)

    turned = [s for s in pool if s.truth != s.label]
    assert len(turned) == 300
    assert {better(s) for s in turned} == {REFUSAL}
    assert all(worse(s) == RIGHT[s.prompt] for s in turned)
    assert not any(worse(s) == REFUSAL for s in pool)


def test_shuffled_pairs_are_turned_round():
    pool = read(read_stdlib_pairs, shuffled=0.2)

    turned = [s for s in pool if s.truth != s.label]
    assert len(turned) == 200
    assert all(worse(s) == RIGHT[s.prompt] for s in turned)


def test_off_topic_pairs_are_about_other_modules_on_both_sides():
    bad = [s for s in read(read_stdlib_pairs, off_topic=0.1) if s.truth == OFF_TOPIC]

    assert len(bad) == 100
    assert {answer for s in bad for answer in s.answers} <= set(ELSEWHERE.values())
