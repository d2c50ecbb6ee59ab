"""Gold that everybody contradicts."""

import random

import pytest

from storage.consensus import YesNo, aggregate

PEOPLE = ("ana", "bo", "cy")


def on_gold(people, n=8):
    """Everybody of these says no to what gold calls right."""
    return [YesNo(f"gold-{i}", who, False) for who in people for i in range(n)]


def on_cards(people, n=10):
    """Everybody says yes to even cards and no to odd ones."""
    return [YesNo(f"card-{i}", who, i % 2 == 0) for who in people for i in range(n)]


GOLD = {f"gold-{i}": True for i in range(8)}


def test_gold_that_nearly_everybody_contradicts_silences_nobody():
    """In a pool that was filed wrong in bulk, what looks surest is what is wrong."""
    consensus = aggregate(on_gold(PEOPLE) + on_cards(PEOPLE), GOLD)

    assert not consensus.ignored
    assert consensus.posterior["card-0"] > 0.7
    assert consensus.posterior["card-1"] < 0.3
    assert consensus == aggregate(on_cards(PEOPLE))


def test_who_alone_contradicts_gold_is_not_heard():
    right = [YesNo(f"gold-{i}", who, True) for who in PEOPLE[1:] for i in range(8)]

    consensus = aggregate(on_gold(PEOPLE[:1]) + right + on_cards(PEOPLE), GOLD)

    assert consensus.ignored == {"ana"}


@pytest.mark.parametrize("share_of_yes", [1.0, 0.5], ids=["yes to everything", "anything"])
def test_people_who_do_not_look_are_not_heard_however_many_they_are(share_of_yes):
    rng = random.Random(0)
    answers = [
        YesNo(f"card-{i}", who, rng.random() < share_of_yes) for who in PEOPLE for i in range(12)
    ]

    consensus = aggregate(on_gold(PEOPLE) + answers, GOLD)

    assert consensus.ignored == set(PEOPLE)
