"""From votes to what the team thinks: small tables worked by hand, then properties."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.consensus import (
    MIN_GOLD,
    Consensus,
    YesNo,
    aggregate,
    importance,
    krippendorff_alpha,
)

NAN = math.nan


def votes(table):
    """`{"item": "ana bo-"}`: ana says yes to it, bo says no."""
    return [
        YesNo(item, name.rstrip("-"), not name.endswith("-"))
        for item, names in table.items()
        for name in names.split()
    ]


# --- too little to compare voters: a smoothed majority ------------------------------------------


def test_without_overlap_the_smoothed_share_of_yes_is_all_that_is_claimed():
    """One yes of one: (1 + .5) / (1 + 1) = .75; one no: .25. Nobody voted with anybody."""
    found = aggregate(votes({"a": "ana", "b": "ana-", "c": "bo"}))

    assert found.posterior == {"a": 0.75, "b": 0.25, "c": 0.75}
    assert found.votes == {"a": 1, "b": 1, "c": 1}
    assert (found.voters, found.alpha) == ({}, None)


def test_below_a_fifth_of_shared_items_voters_are_not_compared():
    """1 of 6 items has two votes. Two of two yes: (2 + .5) / 3 = .8333."""
    found = aggregate(votes({"a": "ana bo"} | {f"x{n}": "ana-" for n in range(5)}))

    assert found.posterior["a"] == pytest.approx(2.5 / 3)
    assert found.voters == {}


def test_from_a_fifth_of_shared_items_on_voters_are_compared():
    found = aggregate(votes({"a": "ana bo"} | {f"x{n}": "ana-" for n in range(4)}))

    assert set(found.voters) == {"ana", "bo"}


def test_enough_gold_makes_voters_comparable_without_overlap():
    gold = {f"{who}{n}": n % 2 == 0 for who in ("ana", "bo") for n in range(MIN_GOLD)}
    answers = {item: item[:-1] + ("" if good else "-") for item, good in gold.items()}
    few = {item: answer for item, answer in answers.items() if item != "bo0"}

    assert set(aggregate(votes(answers), gold).voters) == {"ana", "bo"}
    assert aggregate(votes(few), gold).voters == {}


def test_no_votes_no_consensus():
    assert aggregate([]) == Consensus({}, {}, {}, None)


# --- Dawid-Skene --------------------------------------------------------------------------------


def test_reliability_is_counted_on_gold_with_three_right_and_one_wrong_to_start_with():
    """Two good and two bad gold cards, worked by hand.

    ana: yes on 1 of 2 good: (1 + 3) / (2 + 4) = 4/6; no on 2 of 2 bad: (2 + 3) / (2 + 4) = 5/6.
    bo always says yes: 5/6 on the good ones, (0 + 3) / 6 = 3/6 on the bad ones.
    """
    table = {"g1": "ana bo", "g2": "ana- bo", "b1": "ana- bo", "b2": "ana- bo"}
    gold = {"g1": True, "g2": True, "b1": False, "b2": False}

    found = aggregate(votes(table), gold)

    ana, bo = found.voters["ana"], found.voters["bo"]
    assert (ana.right_on_good, ana.right_on_bad) == pytest.approx((4 / 6, 5 / 6))
    assert (bo.right_on_good, bo.right_on_bad) == pytest.approx((5 / 6, 3 / 6))
    assert (ana.accuracy, bo.accuracy) == pytest.approx((0.75, 2 / 3))
    assert (ana.votes, bo.votes) == (4, 4)
    assert found.posterior == {"g1": 1.0, "g2": 1.0, "b1": 0.0, "b2": 0.0}


def test_two_who_agree_on_one_good_and_one_bad_item():
    """A fixed point worked by hand.

    Both say yes to a, no to b. By symmetry P(b) = 1 - q with q = P(a), and the share of good items
    is 1/2. Each voter: P(yes | good) = P(no | bad) = (q + 3) / 5. So
    q / (1 - q) = ((q + 3) / (2 - q))^2, that is 2q^3 + q^2 + 7q - 9 = 0, whose root is 0.93117;
    and (0.93117 + 3) / 5 = 0.78623.
    """
    found = aggregate(votes({"a": "ana bo", "b": "ana- bo-"}))

    assert found.posterior == pytest.approx({"a": 0.93117, "b": 0.06883}, abs=1e-4)
    assert found.voters["ana"].right_on_good == pytest.approx(0.78623, abs=1e-4)
    assert found.voters["bo"].right_on_bad == pytest.approx(0.78623, abs=1e-4)
    assert found.alpha == 1.0


HONEST = {f"good{n}": "ana bo" for n in range(6)} | {f"bad{n}": "ana- bo-" for n in range(6)}
TRUTH = {item: item.startswith("good") for item in HONEST}


def with_yes_men(table, *names):
    return {item: " ".join([given_, *names]) for item, given_ in table.items()}


def test_somebody_who_always_says_yes_flips_nothing_and_is_found_out():
    found = aggregate(votes(with_yes_men(HONEST, "yes")))

    assert {item: p > 0.5 for item, p in found.posterior.items()} == TRUTH
    assert found.voters["yes"].right_on_good > 0.8
    assert found.voters["yes"].right_on_bad < 0.4
    assert found.voters["ana"].accuracy > found.voters["yes"].accuracy + 0.2


def test_a_yes_of_somebody_who_always_says_yes_means_little():
    """Both cards have one yes and nothing else; only one of the two voters can say no."""
    found = aggregate(votes(with_yes_men(HONEST, "yes") | {"by ana": "ana", "by yes": "yes"}))

    assert found.posterior["by ana"] > 0.8
    assert found.posterior["by yes"] < 0.7


def test_gold_cards_turn_a_majority_that_always_says_yes():
    """One honest voter against two who always say yes: only known truth tells who is right."""
    table = with_yes_men(
        {item: given_.split()[0] for item, given_ in HONEST.items()}, "yes1", "yes2"
    )
    asked = votes(table | {"new": "ana- yes1 yes2"})

    assert aggregate(asked).posterior["new"] > 0.5
    assert aggregate(asked, TRUTH).posterior["new"] < 0.5


def test_gold_cards_turn_the_votes_of_somebody_who_mixes_the_buttons_up():
    table = {item: "mix-" if good else "mix" for item, good in TRUTH.items()} | {"new": "mix"}

    found = aggregate(votes(table), TRUTH)

    assert found.voters["mix"].accuracy < 0.5
    assert found.posterior["new"] < 0.5


def test_gold_that_nobody_voted_on_changes_nothing():
    asked = votes(HONEST)

    assert aggregate(asked, {"unseen": True}) == aggregate(asked)


ballots = st.dictionaries(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["ana", "bo", "cy", "di"])),
    st.booleans(),
    max_size=24,
).map(lambda cells: [YesNo(item, voter, is_yes) for (item, voter), is_yes in cells.items()])
golds = st.dictionaries(st.sampled_from("abcdef"), st.booleans(), max_size=3)


@given(ballots, golds, st.randoms(use_true_random=False))
def test_the_order_of_the_votes_means_nothing(cast, gold, rng: random.Random):
    shuffled = rng.sample(cast, len(cast))

    assert aggregate(shuffled, gold) == aggregate(cast, gold)


def test_what_voters_are_called_means_nothing():
    table = with_yes_men(HONEST, "yes") | {"new": "ana bo- yes"}
    renamed = {
        item: given_.replace("ana", "zoe").replace("yes", "abe") for item, given_ in table.items()
    }

    one, other = aggregate(votes(table)), aggregate(votes(renamed))
    assert other.posterior == pytest.approx(one.posterior)
    assert other.voters["zoe"].accuracy == pytest.approx(one.voters["ana"].accuracy)


@given(ballots, golds)
def test_every_voted_item_gets_a_probability_and_gold_keeps_its_truth(cast, gold):
    found = aggregate(cast, gold)

    assert set(found.posterior) == set(found.votes) == {vote.item for vote in cast}
    assert all(0 <= p <= 1 for p in found.posterior.values())
    assert sum(found.votes.values()) == len(cast)
    assert all(0 < r.right_on_good < 1 and 0 < r.right_on_bad < 1 for r in found.voters.values())
    if found.voters:
        assert all(found.posterior[i] == good for i, good in gold.items() if i in found.posterior)


# --- agreement ----------------------------------------------------------------------------------


def columns(*rows):
    """(items, voters) from one row of codes per voter, `.` = no answer."""
    codes = [[NAN if c == "." else float(ord(c)) for c in row.replace(" ", "")] for row in rows]
    return np.array(codes).T


@pytest.mark.parametrize(
    ("table", "alpha"),
    [
        pytest.param(
            columns("0100000010", "1110010000"), 0.095, id="A: two answers, two observers"
        ),
        pytest.param(columns("aabbdcccedda", "babbbccceddd"), 0.692, id="B: five answers"),
        pytest.param(
            columns("123321412...", "1233224125.3", ".3332342251.", "12332441251."),
            0.743,
            id="C: four observers, answers missing",
        ),
    ],
)
def test_alpha_is_the_published_one(table, alpha):
    """Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, examples A to C (nominal).

    A by hand: 10 items, 4 of them answered differently, 14 zeros and 6 ones among 20 answers:
    1 - 19 * 4 / (14 * 6) = 0.0952.
    """
    assert krippendorff_alpha(table) == pytest.approx(alpha, abs=5e-4)


@pytest.mark.parametrize(
    ("table", "alpha"),
    [
        pytest.param(columns("0101", "0101"), 1.0, id="all agree"),
        pytest.param(columns("01", "10"), -0.5, id="all disagree"),
        pytest.param(columns("1111", "1111"), None, id="all answers alike"),
        pytest.param(columns("01.", "..1"), None, id="nobody answered together"),
        pytest.param(columns("..", ".."), None, id="nobody answered"),
    ],
)
def test_alpha_at_the_ends_of_its_range(table, alpha):
    """All disagree, by hand: 4 answers, 2 zeros, 2 ones, 2 items split: 1 - 3 * 2 / (2 * 2) = -.5."""
    found = krippendorff_alpha(table)

    assert found == (None if alpha is None else pytest.approx(alpha))


def test_items_with_a_single_answer_say_nothing_about_agreement():
    table = columns("0101", "0111")
    more = columns("010101", "0111..")

    assert krippendorff_alpha(more) == pytest.approx(krippendorff_alpha(table))


# --- what matters -------------------------------------------------------------------------------


def test_importance_is_shrunk_as_if_two_indifferent_people_had_voted_too():
    """One 1: (1 + 1) / 3; three 1s: (3 + 1) / 5; one -1: (-1 + 1) / 3 = 0; 1, 0, 0: (1 + 1) / 5."""
    given_ = {"refund": [1.0], "card": [1.0] * 3, "typo": [-1.0], "lost": [1.0, 0.0, 0.0]}
    cast = [(feature, f"u{n}", v) for feature, vs in given_.items() for n, v in enumerate(vs)]

    assert importance(cast) == {
        "refund": (pytest.approx(2 / 3), 1),
        "card": (pytest.approx(0.8), 3),
        "typo": (pytest.approx(0.0), 1),
        "lost": (pytest.approx(0.4), 3),
    }


def test_nothing_matters_without_a_vote():
    assert importance([]) == {}


@given(st.floats(-1, 1), st.integers(1, 50))
def test_the_more_agree_the_closer_importance_comes_to_what_they_say(value, n):
    def of(voters):
        return importance([("f", f"u{i}", value) for i in range(voters)])["f"][0]

    assert min(value, 0.5) - 1e-9 <= of(n) <= max(value, 0.5) + 1e-9
    assert abs(of(n + 1) - value) <= abs(of(n) - value) + 1e-9
