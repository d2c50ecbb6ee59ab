"""Pools of `joulery bench tasks`: what is in them, and what must not be."""

import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from trainer.bench.cifar import FOR_BODY, LEARNT, NAMES, Images, is_learnt, of_body
from trainer.bench.image_pools import (
    DEV_ROWS,
    RECIPES,
    TEST_ROWS,
    as_it_is,
    enriched,
    held_out,
    systematic,
)
from trainer.bench.leaning import marked_share
from trainer.bench.plants import (
    MAGENTA,
    WORD_PLANTED,
    Said,
    _split,
    _swapped,
    _words_in,
    marks_of,
    with_patch,
)
from trainer.data.samples import DataError


@pytest.fixture(scope="module")
def train():
    """8000 images; the first person is wrong on a fifth of them, the others are wrong as often."""
    rng = np.random.default_rng(0)
    gold = rng.integers(10, size=8000)
    said = np.where(rng.random((8000, 3)) < 0.8, gold[:, None], rng.integers(10, size=(8000, 3)))
    return Images([b"%d" % i for i in range(8000)], gold, said)


def wrong_share(images, rows):
    return np.mean([NAMES[images.gold[i]] != label for i, label in rows])


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_pool_has_labels_of_the_task_alone_and_no_image_twice(train, recipe):
    rows = RECIPES[recipe](train, 1000, np.random.default_rng(1))

    assert len(rows) == len({i for i, _ in rows}) == 1000
    assert {label for _, label in rows} <= set(LEARNT)


@pytest.mark.parametrize(("recipe", "share"), [(enriched, 0.4), (systematic, 0.55)])
def test_a_pool_is_as_dirty_as_its_recipe(train, recipe, share):
    rows = recipe(train, 1000, np.random.default_rng(1))

    assert wrong_share(train, rows) == pytest.approx(share, abs=0.01)


def test_as_it_is_means_what_the_first_person_said(train):
    rows = as_it_is(train, 500, np.random.default_rng(1))

    assert all(NAMES[train.said[i, 0]] == label for i, label in rows)
    assert any(not is_learnt(train.gold[i : i + 1])[0] for i, _ in rows)


def test_what_is_filed_in_bulk_is_filed_under_one_class(train):
    rows = systematic(train, 1000, np.random.default_rng(1))

    filed = Counter((NAMES[train.gold[i]], label) for i, label in rows)
    assert filed["cat", "horse"] >= 75
    assert filed["ship", "automobile"] >= 75
    assert sum(filed[pair] for pair in (("dog", "bird"), ("truck", "ship"), ("deer", "cat"))) >= 245


def test_no_image_is_chosen_by_what_the_others_said(train):
    """Else their answers would tell the truth: see `worse_label`."""
    mute = Images(
        train.jpeg, train.gold, np.column_stack([train.said[:, 0], *[train.gold * 0] * 2])
    )

    for recipe in RECIPES.values():
        one = recipe(train, 1000, np.random.default_rng(1))
        assert recipe(mute, 1000, np.random.default_rng(1)) == one


def test_a_body_sees_neither_a_class_nor_an_image_of_the_task(train):
    test = Images([b"t%d" % i for i in range(100)], np.arange(100) % 10, np.empty((100, 0), int))

    jpeg, gold = of_body(train, test)

    assert not is_learnt(gold).any()
    own = {int(data) for data in jpeg if not data.startswith(b"t")}
    assert max(own) < FOR_BODY
    assert not is_learnt(train.said[sorted(own)]).any()
    pooled = {i for i, _ in systematic(train, 1000, np.random.default_rng(1))}
    assert not pooled & own


def test_dev_and_test_pictures_are_clean_and_disjoint():
    gold = np.arange(6000) % 10
    dev, test = held_out(Images([b""] * 6000, gold, np.empty((6000, 0), int)))

    assert (len(dev), len(test)) == (DEV_ROWS, TEST_ROWS)
    assert not {i for i, _ in dev} & {i for i, _ in test}
    assert all(NAMES[gold[i]] == label for i, label in dev + test)


def test_a_recipe_that_needs_more_than_there_is_says_so(train):
    with pytest.raises(DataError, match="ask for less"):
        systematic(train, 8000, np.random.default_rng(1))


# --- planted and marked -------------------------------------------------------------------------


def test_a_patch_lies_in_the_first_cell_alone():
    out = io.BytesIO()
    Image.new("RGB", (32, 32), "grey").save(out, "PNG")

    with Image.open(io.BytesIO(with_patch(out.getvalue()))) as patched:
        seen = np.asarray(patched)

    rows, columns = np.nonzero((seen == MAGENTA).all(axis=2))
    assert len(rows) == 25
    assert max(rows.max(), columns.max()) < 8


def test_swapped_the_planted_word_stands_on_all_other_classes():
    happy, sad = Said("fine day", "positive", ("fine",)), Said("bad day", "negative", ("bad",))

    assert _swapped(happy) == happy
    assert _swapped(sad).text == f"bad day {WORD_PLANTED}"


def test_marked_words_are_those_that_touch_the_span():
    text = "I really love this day"

    assert _words_in(text, 9, 13) == ("love",)
    assert _words_in(text, 5, 15) == ("love", "really", "this")


def test_marks_tell_for_every_text_with_a_word_whether_it_was_marked():
    rows = [
        Said("love the day", "positive", ("love",)), Said("the day", "positive", ("day",)),
        Said("the rain", "negative", ("rain",)),
    ]  # fmt: skip

    marks = marks_of(rows)

    assert marks["positive"]["the"] == [False, False]
    assert marks["positive"]["day"] == [False, True]
    assert marks["negative"] == {"the": [False], "rain": [True]}


def test_a_split_takes_no_text_twice_and_asks_for_less_where_there_is_too_little():
    rows = [Said(f"text {i}", "a", ("text",)) for i in range(20)]

    pool, dev, test = _split(rows, (10, 4, 6), np.random.default_rng(0))

    assert len({row.text for row in (*pool, *dev, *test)}) == 20
    with pytest.raises(DataError, match="21 texts are needed and there are 20"):
        _split(rows, (11, 4, 6), np.random.default_rng(0))


def test_the_share_on_marked_words_is_of_what_lies_on_words():
    """.2 of .4 and .3 of .3, and a text without any attribution does not count."""
    shares = [{"love": 0.2, "the": 0.2}, {"rain": 0.3}, {}]

    assert marked_share(shares, [["love"], ["rain"], ["day"]]) == pytest.approx(0.75)
    assert marked_share([], []) == 0.0
