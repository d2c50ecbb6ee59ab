"""What was believed before anybody was asked measures people, and has no say in what is true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from storage.consensus import Choice, YesNo, aggregate

PEOPLE = ("ana", "bo", "cy", "dee", "eve")


def simulated(accuracies, *, machine=0.75, n=100, overlap=0.2, seed=0, lazy=()):
    """(answers, what the machine believed, truth): each item is answered by one person or two."""
    rng = np.random.default_rng(seed)
    truth = {f"{i:03d}": bool(rng.random() < 0.5) for i in range(n)}
    answers, turn = [], 0
    for item, fits in truth.items():
        for _ in range(2 if rng.random() < overlap else 1):
            who = PEOPLE[turn % len(accuracies)]
            is_right = rng.random() < accuracies[turn % len(accuracies)]
            answers.append(YesNo(item, who, who in lazy or fits == is_right))
            turn += 1
    believed = {i: fits == bool(rng.random() < machine) for i, fits in truth.items()}
    return answers, believed, truth


def right(consensus, truth):
    return np.mean([(p > 0.5) == truth[i] for i, p in consensus.posterior.items()])


def brier(consensus, truth):
    return np.mean([(p - truth[i]) ** 2 for i, p in consensus.posterior.items()])


def over_seeds(measure, **team):
    """(without, with what was believed): means over ten teams."""
    found = []
    for seed in range(10):
        answers, believed, truth = simulated(seed=seed, **team)
        found.append(
            [measure(aggregate(answers), truth),
             measure(aggregate(answers, believed=believed), truth)]
        )  # fmt: skip
    return np.mean(found, axis=0)


def test_somebody_who_lies_and_shares_few_items_with_others_stands_out():
    team = {"accuracies": (0.95, 0.95, 0.95, 0.05, 0.95), "lazy": ("eve",)}

    before, after = over_seeds(right, **team)

    assert before < 0.8
    assert after > before + 0.08
    answers, believed, _ = simulated(**team)
    voters = aggregate(answers, believed=believed).voters
    assert voters["dee"].accuracy < 0.45 < 0.7 < voters["ana"].accuracy
    assert voters["eve"].right_on_bad < 0.3


def test_good_people_lose_nothing_by_a_machine_that_is_often_wrong():
    before, after = over_seeds(right, accuracies=(0.95,) * 5, machine=0.7)
    assert after > before - 0.01
    before, after = over_seeds(brier, accuracies=(0.95,) * 5, machine=0.7)
    assert after < before


@pytest.mark.parametrize("machine", [0.5, 0.3], ids=["guesses", "is mostly wrong"])
def test_a_machine_that_knows_nothing_does_no_great_harm(machine):
    before, after = over_seeds(right, accuracies=(0.9,) * 5, machine=machine, overlap=1.0)
    assert after > before - 0.02


def test_it_has_no_say_in_what_is_true():
    """Of two items with the same answers by the same people, the same is thought."""
    answers, believed, _ = simulated((0.9,) * 5)
    alone = [a for a in answers if sum(b.item == a.item for b in answers) == 1]
    mine = [a for a in alone if a.voter == "ana" and a.is_yes]
    found = aggregate(answers, believed=believed)
    assert len({believed[a.item] for a in mine}) == 2
    assert len({round(found.posterior[a.item], 9) for a in mine}) == 1


def test_it_is_nobody():
    answers, believed, _ = simulated((0.9,) * 5)
    found, plain = aggregate(answers, believed=believed), aggregate(answers)
    assert set(found.voters) == set(PEOPLE)
    assert found.votes == plain.votes
    assert found.alpha == plain.alpha
    assert found.posterior.keys() == plain.posterior.keys()
    assert sum(v.votes for v in found.voters.values()) == len(answers)


def test_what_was_believed_of_other_items_is_left_out():
    answers, believed, _ = simulated((0.9,) * 5)
    more = believed | {"nobody was asked": True}
    assert aggregate(answers, believed=more) == aggregate(answers, believed=believed)
    nothing = {"nobody was asked": True}
    assert aggregate(answers, believed=nothing) == aggregate(answers)


def test_beside_choices_it_judges_the_given_label():
    answers, believed, truth = simulated((0.95, 0.95, 0.95, 0.05, 0.95))
    given = dict.fromkeys(truth, "maths")
    named = [Choice(a.item, a.voter, "maths" if a.is_yes else "art") for a in answers]

    found = aggregate(named, given=given, believed=believed)

    assert found.voters["dee"].accuracy < 0.45 < 0.7 < found.voters["ana"].accuracy
    assert replace(found, voters={}).classes.keys() == truth.keys()
