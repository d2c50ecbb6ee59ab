"""What voting takes of people, worked by hand."""

from datetime import timedelta

import pytest

from bot.energy.breakeven import BreakEven, took
from bot.energy.effort import CAP_S, People, people
from bot.energy.prices import Prices
from storage.energy import EnergyTotal
from storage.models import Posting
from tests.bot.cards import T0
from tests.storage.records import card, cast, new_run, question, withdrawn


@pytest.fixture
def asked(store):
    run = new_run(store)
    return [card(question(run), n) for n in range(3)]


def at(second):
    return T0 + timedelta(seconds=second)


def shown(ballots, second=0):
    return [
        Posting(
            key=f"card:{b.ballot_id}", platform="memory", channel="c", ref=f"memory:c:{i}",
            ballot_id=b.ballot_id, posted_at=at(second),
        )
        for i, b in enumerate(ballots)
    ]  # fmt: skip


def vote(ballot, second, who="memory:ana", **changes):
    return cast(ballot, who, at=at(second), received_at=at(second), **changes)


def measured(ballots, events, postings=None, **changes):
    posted = shown(ballots) if postings is None else postings
    return people(ballots, events, posted, {}, assumed_s=8.0, **changes)


def test_time_runs_from_the_card_or_from_the_same_persons_answer_before(asked):
    """Cards at 0 s; Ana answers at 5, 9 and 20 s: 5, 4 and 11 s; Bo at 30 s: 30 s."""
    events = [vote(asked[0], 5), vote(asked[1], 9), vote(asked[2], 20)]
    events.append(vote(asked[0], 30, "memory:bo"))

    found = measured(asked, events)

    assert (found.seconds, found.median_s, found.measured) == (50.0, 8.0, 4)
    assert (found.votes, found.voters, found.assumed_votes) == (4, 2, 0)
    assert found.source == "measured per answer"


def test_the_two_accounts_of_a_person_take_turns(asked):
    """Ana answers at 5 s here and at 9 s there."""
    events = [vote(asked[0], 5), vote(asked[1], 9, "memory:ana2")]
    persons = {"memory:ana": "ana", "memory:ana2": "ana"}

    found = people(asked, events, shown(asked), persons, assumed_s=8.0)

    assert (found.seconds, found.voters) == (9.0, 1)


def test_whoever_goes_for_lunch_is_counted_up_to_the_cap(asked):
    assert measured(asked, [vote(asked[0], 4000)]).seconds == CAP_S


def test_a_form_is_one_answer_of_several_votes(asked):
    events = [vote(asked[0], 12, subject=key) for key in "ABCD"]

    found = measured(asked, events)

    assert (found.votes, found.measured, found.seconds) == (4, 1, 12.0)


def test_the_numbers_of_a_sheet_are_looks_and_what_is_said_of_all_others_is_one_more(asked):
    """Two are tapped at 5 and 9 s, all others fit at 12 s, and the next card is done at 15 s."""
    rest = [vote(asked[0], 12, subject=key, is_rest=True) for key in "123456"]
    events = [vote(asked[0], 5, subject="3"), vote(asked[0], 9, subject="5"), *rest]
    events.append(vote(asked[1], 15))

    found = measured(asked, events)

    assert (found.votes, found.measured, found.seconds) == (7, 4, 15.0)


def test_a_number_tapped_after_all_others_is_a_look_but_no_further_vote(asked):
    rest = [vote(asked[0], 4, subject=key, is_rest=True) for key in "123"]

    found = measured(asked, [*rest, vote(asked[0], 10, subject="2")])

    assert (found.votes, found.measured, found.seconds) == (3, 2, 10.0)


def test_what_is_tapped_within_a_second_is_one_look(asked):
    events = [vote(asked[0], 5 + n / 4, subject=key) for n, key in enumerate("123")]

    found = measured(asked, events)

    assert (found.votes, found.measured, found.seconds) == (3, 1, 5.0)


def test_of_a_card_found_by_a_look_what_was_heard_is_measured(asked):
    """One number was heard at 5 s, two more stood there at the close."""
    missed = [vote(asked[0], 60, subject=key, source="snapshot") for key in "45"]

    found = measured(asked, [vote(asked[0], 5, subject="3"), *missed])

    assert (found.seconds, found.measured, found.assumed_votes) == (5.0 + 16.0, 1, 2)


def test_an_answer_that_is_changed_takes_its_time_once(asked):
    events = [
        vote(asked[0], 5),
        withdrawn(asked[0], "memory:ana", second=6),
        vote(asked[0], 7, value=-1.0),
    ]

    assert measured(asked, events).seconds == 5.0


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({"source": "snapshot"}, {}),
        ({}, {"machines": {"memory:ana"}}),
        ({}, {"postings": []}),
    ],
    ids=["found by a look", "a program", "posted before this was kept"],
)
def test_what_cannot_be_measured_is_assumed_and_said_to_be(asked, changes, how):
    found = measured(asked, [vote(asked[0], 5, **changes)], **how)

    assert (found.seconds, found.measured, found.assumed_votes) == (8.0, 0, 1)
    assert "(assumed at 8.0 s a vote)" in took(found)


def test_votes_that_came_too_late_cost_nobody_here_anything(asked):
    assert measured(asked, [vote(asked[0], 5, is_late=True)]).votes == 0


def test_measured_time_is_said_with_its_median_and_count(asked):
    said = took(measured(asked, [vote(asked[0], 5), vote(asked[1], 12)]))

    assert said == "People spent 12 s on 2 votes (measured, median 6.0 s over 2 answers)"


# --- break-even ---------------------------------------------------------------------------------

CONTROL = EnergyTotal(energy_j=1000.0, u_j=50.0, by_provenance={"M-ctr": 1000.0})


def even(saved_j, prices=None, device_j=100.0):
    voted = People.assumed(10, 9.0)
    return BreakEven(saved_j, CONTROL, voted, device_j, prices or Prices())


def test_from_what_size_of_run_on_votes_pay():
    """A quarter saved for 100 J of devices: from runs of 400 J on; 90 s at 40 EUR/h = 1 EUR, which
    a quarter of 16 kWh at 0.25 EUR brings."""
    found = even(250.0, Prices("EUR", 0.25, 40.0))

    assert found.from_j == pytest.approx(400)
    assert found.from_j_in_money == pytest.approx(16 * 3.6e6)
    energy_said, money_said = found.said()
    assert (
        "the votes still pay; from runs of ≈ 400 J ±201 (estimated) on, these votes pay."
        in energy_said
    )
    assert "1.00 EUR of people's time: the votes do not pay; from runs of ≈ 16.00 kWh" in money_said


def test_votes_that_save_nothing_pay_at_no_size():
    found = even(-10.0, Prices("EUR", 0.25, 40.0))

    assert found.from_j is None
    assert "the votes do not pay." in found.said()[0]
    assert "at no size of run" in found.said()[1]


def test_without_prices_nothing_is_said_of_money():
    assert len(even(250.0).said()) == 1


def test_a_rented_gpu_saves_time():
    """50 J less at 0.1 s of a board each: 5 s of 3.60 EUR an hour = half a cent."""
    prices = Prices("EUR", None, 0.0, 3.6)

    assert prices.machine(50.0, 50.0 * 0.1) == pytest.approx(0.005)
    assert prices.missing == ()
    assert Prices().missing[0] == "JOULERY_LABOUR_PER_HOUR"
