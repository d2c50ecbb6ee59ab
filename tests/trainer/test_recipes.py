"""Dirty pools with a known truth: the shares are what the recipe says."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from trainer.bench.recipes import RECIPES, Recipe, Rows, cook, nearest_labels
from trainer.data.samples import OFF_TOPIC, DataError

LABELS = [f"l{i}" for i in range(20)]
NEAREST = {label: LABELS[(i + 1) % 20] for i, label in enumerate(LABELS)}
ON = Rows([f"on {i}" for i in range(1600)], [LABELS[i % 20] for i in range(1600)])
OFF = Rows([f"off {i}" for i in range(600)], [f"topic{i // 30}" for i in range(600)])


def cooked(recipe: str | Recipe, n: int = 1000, off: Rows | None = OFF, seed: int = 0):
    what = RECIPES[recipe] if isinstance(recipe, str) else recipe
    return cook(what, n, ON, off, NEAREST, np.random.default_rng(seed))


@pytest.mark.parametrize("name", RECIPES)
def test_the_shares_are_those_of_the_recipe(name):
    pool, recipe = cooked(name), RECIPES[name]

    assert len(pool) == 1000
    unique = len({s.text for s in pool})
    assert unique == pytest.approx(1000 * (1 - recipe.duplicate), abs=2)
    first = {s.text: s for s in pool}.values()
    right = sum(s.label == s.truth for s in first)
    off = sum(s.truth == OFF_TOPIC for s in first)
    assert right == pytest.approx(1000 * recipe.clean, abs=2)
    assert off == pytest.approx(1000 * (recipe.off_topic + recipe.off_topic_bulk), abs=2)


def test_systematic_dirt_lies_in_heaps_under_the_nearest_label():
    wrong = [s for s in cooked("sys") if s.truth not in (s.label, OFF_TOPIC)]
    heaps = Counter((s.truth, s.label) for s in wrong)

    assert all(NEAREST[truth] == label for truth, label in heaps)
    assert max(heaps.values()) >= 20


def test_a_foreign_topic_filed_in_bulk_lies_under_one_label():
    recipe = Recipe(clean=0.7, off_topic_bulk=0.3)
    foreign = [s for s in cooked(recipe) if s.truth == OFF_TOPIC]
    of_topic: dict[str, set[str]] = {}
    for s in foreign:
        of_topic.setdefault(OFF.labels[OFF.texts.index(s.text)], set()).add(s.label)

    assert all(len(labels) == 1 for labels in of_topic.values())


def test_the_same_seed_cooks_the_same_pool_and_another_one_another():
    assert cooked("mix", seed=1) == cooked("mix", seed=1)
    assert cooked("mix", seed=1) != cooked("mix", seed=2)


def test_without_foreign_texts_their_share_is_filed_wrong():
    pool = cooked("mix", off=None)

    assert not any(s.truth == OFF_TOPIC for s in pool)
    assert sum(s.truth != s.label for s in pool) > 400


def test_too_few_rows_are_refused_with_the_number_missing():
    with pytest.raises(DataError, match="needs 400 more rows"):
        cooked("clean", n=2000)


def test_the_nearest_label_is_that_of_the_closest_mean():
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9], [0.8, 0.3]], dtype=float)

    assert nearest_labels(vectors, ["a", "a", "b", "b", "c"]) == {"a": "c", "b": "c", "c": "a"}
