"""What holds for every pool, whatever it was read from."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.images import ImageFile
from trainer.data.samples import (
    DataError,
    Sample,
    Skipped,
    Splits,
    check,
    duplicate_groups,
    hold_out,
    pair,
)


def sample(number: int, text: str, label: str) -> Sample:
    return Sample(f"pool-{number}", {"text": text}, label)


def samples(*rows: tuple[str, str]) -> list[Sample]:
    return [sample(i, text, label) for i, (text, label) in enumerate(rows)]


POOL = samples(("red apple", "fruit"), ("old hammer", "tools"), ("green pear", "fruit"))
DEV = samples(("yellow melon", "fruit"), ("long saw", "tools"))


# --- held out from the pool -----------------------------------------------------------------------


rows = st.lists(st.tuples(st.sampled_from("abcdefghij"), st.sampled_from("xyz")), max_size=60)


@given(rows, st.floats(0, 1), st.integers(0, 9))
def test_holding_out_splits_the_pool_and_keeps_equal_texts_together(pool_rows, share, seed):
    pool = samples(*pool_rows)

    rest, held = hold_out(pool, share, np.random.default_rng(seed))

    assert sorted(s.sample_id for s in rest + held) == sorted(s.sample_id for s in pool)
    assert not {s.text for s in rest} & {s.text for s in held}
    assert [int(s.sample_id[5:]) for s in rest] == sorted(int(s.sample_id[5:]) for s in rest)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_about_the_asked_share_of_every_label_is_held_out(share):
    pool = samples(*((f"text {i}", label) for label in "xyz" for i in range(40 * ord(label) % 97)))
    pool = [sample(i, f"{s.text} {s.label}", s.label) for i, s in enumerate(pool)]

    _, held = hold_out(pool, share, np.random.default_rng(0))

    wanted, got = Counter(s.label for s in pool), Counter(s.label for s in held)
    assert {label: got[label] for label in wanted} == {
        label: round(share * n) for label, n in wanted.items()
    }


def test_what_is_held_out_depends_on_the_seed_alone():
    pool = samples(*((f"text {i}", "xy"[i % 2]) for i in range(50)))

    def held(seed: int) -> list[str]:
        return [s.sample_id for s in hold_out(pool, 0.3, np.random.default_rng(seed))[1]]

    assert held(1) == held(1)
    assert held(1) != held(2)


# --- fit to learn from --------------------------------------------------------------------------


def test_labels_become_class_ids_in_alphabetical_order():
    splits = check(POOL, DEV, [], Skipped())

    assert splits.labels == ("fruit", "tools")
    assert splits.pool == tuple(POOL)
    assert not splits.has_truth


def test_an_empty_pool_is_refused_with_the_reasons():
    skipped = Skipped()
    skipped.add("pool text is empty", "pool-0")

    with pytest.raises(
        DataError, match=r"\(1 x pool text is empty, e\.g\. 'pool-0'\); check the path"
    ):
        check([], DEV, [], skipped)


def test_one_class_alone_is_refused_with_its_name_and_number():
    with pytest.raises(DataError, match=r"all 2 samples .* label 'fruit'; give at least two"):
        check([POOL[0], POOL[2]], DEV, [], Skipped())


@pytest.mark.parametrize("name", ["dev", "test"])
def test_held_out_texts_in_the_pool_are_refused_with_their_number(name):
    overlap = [sample(8, "RED  apple", "fruit"), sample(9, "green pear", "tools"), *DEV]
    splits = {"dev": DEV, "test": DEV} | {name: overlap}

    with pytest.raises(DataError, match=rf"2 of 4 {name} samples also stand in the pool .*RED"):
        check(POOL, splits["dev"], splits["test"], Skipped())


def test_held_out_labels_the_pool_does_not_know_are_skipped_and_counted():
    strange = samples(("far thunder", "weather"), ("near storm", "weather"))
    skipped = Skipped()

    splits = check(POOL, [*DEV, *strange], strange[:1], skipped)

    assert splits.dev == tuple(DEV)
    assert splits.test == ()
    assert splits.skipped.rows() == (
        ("dev label unknown to the pool", 2, "weather"),
        ("test label unknown to the pool", 1, "weather"),
    )


def test_a_dev_set_without_a_known_label_is_refused():
    with pytest.raises(DataError, match=r"dev set is empty \(1 x dev label unknown"):
        check(POOL, samples(("far thunder", "weather")), [], Skipped())


def test_skipped_samples_are_counted_with_their_first_example():
    skipped = Skipped()
    skipped.add("label is missing", "first")
    skipped.add("text is empty", "x" * 500)
    skipped.add("text is empty", "second")

    assert skipped.rows() == (("text is empty", 2, "x" * 120), ("label is missing", 1, "first"))


# --- images -------------------------------------------------------------------------------------


def pictures(*rows: tuple[bytes, str]) -> list[Sample]:
    return [
        Sample(f"pool-{i}", {"image": ImageFile(f"{label}/{i}.png", data)}, label)
        for i, (data, label) in enumerate(rows)
    ]


def test_content_is_the_text_or_the_digest_of_the_image():
    (picture,) = pictures((b"one", "cats"))

    assert (POOL[0].content, POOL[0].shown) == ("red apple", "red apple")
    assert picture.content == f"image:{picture.fields['image'].digest}"
    assert (picture.text, picture.shown) == ("", "cats/0.png")


def test_images_are_duplicates_where_every_byte_and_the_label_are_the_same():
    pool = pictures(
        (b"a", "cats"),
        (b"b", "cats"),
        (b"a", "dogs"),
        (b"a", "cats"),
        (b"b", "cats"),
        (b"A", "cats"),
    )

    assert duplicate_groups(pool).tolist() == [0, 1, 2, 0, 1, 5]
    assert duplicate_groups(pool).dtype == np.int64


def test_images_that_are_held_out_leave_no_copy_in_the_pool():
    pool = pictures(*((b"%d" % (i // 3), "xy"[i // 3 % 2]) for i in range(60)))

    rest, held = hold_out(pool, 0.3, np.random.default_rng(0))

    assert len(held) == 18
    assert not {s.content for s in rest} & {s.content for s in held}


def test_held_out_images_in_the_pool_are_refused_with_their_number_and_a_name():
    pool = pictures((b"a", "cats"), (b"b", "dogs"))
    dev = pictures((b"c", "cats"), (b"b", "dogs"), (b"a", "dogs"))

    with pytest.raises(
        DataError, match=r"2 of 3 dev samples also stand in the pool \(e\.g\. 'dogs/1\.png'\)"
    ):
        check(pool, dev, [], Skipped())


def test_the_digest_of_the_splits_tells_images_apart_by_their_content():
    def digest(data: bytes) -> str:
        pool = pictures((b"a", "cats"), (data, "dogs"))
        return Splits(tuple(pool), (), (), ("cats", "dogs"), Skipped()).digest()

    assert digest(b"b") == digest(b"b")
    assert digest(b"b") != digest(b"c")


# --- prompts with answers -----------------------------------------------------------------------


def answers(*rows: tuple[str, str]) -> list[Sample]:
    return [
        Sample(f"pool-{i}", {"prompt": prompt, "answer": answer}, "answer")
        for i, (prompt, answer) in enumerate(rows)
    ]


def test_content_is_the_prompt_with_its_answers_whichever_side_they_stand_on():
    one = Sample("pool-0", {"prompt": "Q", "a": "x", "b": "y"}, "A")
    other = Sample("pool-1", {"prompt": "Q", "a": "y", "b": "x"}, "A")
    (answer,) = answers(("Q x", "y"))

    assert one.content == other.content
    assert answer.content not in {one.content, answers(("Q", "x y"))[0].content}
    assert (answer.prompt, answer.answers, answer.shown) == ("Q x", ("y",), "Q x")
    assert (one.answers, one.text, one.shown) == (("x", "y"), "", "Q")


def test_the_labels_of_a_task_need_not_all_be_in_the_pool():
    pool = [pair("pool-0", {"prompt": "Q"}, "x", "y")]
    dev = [pair("dev-0", {"prompt": "R"}, "x", "y")]

    assert check(pool, dev, [], Skipped(), ("A", "B")).labels == ("A", "B")


def test_answers_to_one_prompt_stay_on_one_side():
    pool = answers(*((f"Question {i // 3}", f"Answer {i}") for i in range(60)))

    rest, held = hold_out(pool, 0.3, np.random.default_rng(0))

    assert len(held) == 18
    assert not {s.prompt for s in rest} & {s.prompt for s in held}


def test_answers_are_duplicates_but_for_case_and_punctuation_not_for_numbers_or_symbols():
    pool = answers(
        ("How much is it in all?", "It is 5 + 7 apples."),
        ("how much is it, in all", "It is 5 + 7 apples"),
        ("How much is it in all?", "It is 5 + 8 apples."),
        ("How much is it in all?", "It is 5 - 7 apples."),
        ("How much is it?", "It is 5 + 7 apples in all."),
    )

    assert duplicate_groups(pool).tolist() == [0, 0, 2, 3, 4]


def test_one_misspelt_word_makes_no_other_answer():
    pool = answers(
        ("What does the function do with it?", "It compresses the whole directory."),
        ("What does the function do with it?", "It compresess the whole directory."),
    )

    assert duplicate_groups(pool).tolist() == [0, 0]


def test_pairs_are_duplicates_where_the_same_side_is_chosen():
    pool = [
        pair("pool-0", {"prompt": "Q"}, "One  thing", "Another thing"),
        pair("pool-1", {"prompt": "q"}, "One thing", "Another thing"),
        pair("pool-2", {"prompt": "Q"}, "Another thing", "One thing"),
    ]

    assert duplicate_groups(pool).tolist() == [0, 0, 2]


def test_sides_that_differ_in_case_alone_stand_by_their_texts_not_by_which_is_chosen():
    for n in range(20):
        good, bad = f"Answer {n}", f"answer {n}"
        one, other = pair("p", {"prompt": "Q"}, good, bad), pair("p", {"prompt": "Q"}, bad, good)
        assert (one.fields["a"], one.fields["b"]) == (other.fields["a"], other.fields["b"])
        assert one.label != other.label
