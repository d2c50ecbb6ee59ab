"""From yes and no to what the team thinks: small tables worked by hand, then properties."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import digamma

from storage.consensus import GIVEN, SOMETHING_ELSE, Consensus, YesNo, aggregate
from storage.consensus.classes import MIN_GOLD


def votes(table):
    """`{"item": "ana bo-"}`: ana says yes to it, bo says no."""
    return [
        YesNo(item, name.rstrip("-"), not name.endswith("-"))
        for item, names in table.items()
        for name in names.split()
    ]


def team(right, votes_per_item, seed, items=200):
    """(votes, truth) of voters with (P(yes | good), P(no | bad)) each; 45 % are good."""
    rng = np.random.default_rng(seed)
    truth = {f"i{n:03d}": bool(rng.random() < 0.45) for n in range(items)}
    cast = [
        YesNo(item, f"v{who}", (rng.random() < right[who][not good]) == good)
        for item, good in truth.items()
        for who in rng.choice(len(right), votes_per_item, replace=False)
    ]
    return cast, truth


def share_right(posterior, truth):
    """A tie is half right."""
    return np.mean([0.5 if p == 0.5 else (p > 0.5) == truth[item] for item, p in posterior.items()])


def majority(cast):
    yes = {vote.item: [] for vote in cast}
    for vote in cast:
        yes[vote.item].append(vote.is_yes)
    return {item: sum(said) / len(said) for item, said in yes.items()}


# --- too little to compare voters: a smoothed majority ------------------------------------------


def test_without_overlap_the_smoothed_share_of_yes_is_all_that_is_claimed():
    """One yes of one: (1 + .5) / (1 + 1) = .75; one no: .25. Nobody voted with anybody."""
    found = aggregate(votes({"a": "ana", "b": "ana-", "c": "bo"}))

    assert found.posterior == {"a": 0.75, "b": 0.25, "c": 0.75}
    assert found.classes["a"] == {GIVEN: 0.75, SOMETHING_ELSE: 0.25}
    assert found.votes == {"a": 1, "b": 1, "c": 1}
    assert (found.voters, found.alpha, found.method) == ({}, None, "shares")


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


def test_nobody_answers_the_same_question_twice():
    with pytest.raises(ValueError, match="twice"):
        aggregate(votes({"a": "ana ana-"}))


# --- voters who are all alike: everybody counts the same -----------------------------------------


def test_two_who_agree_on_one_good_and_one_bad_item():
    """A fixed point worked by hand: nothing tells the two apart.

    Both say yes to a, no to b. By symmetry P(b) = 1 - q with q = P(a), and no class is preferred.
    Together they are right 4q times of 4. Twenty usual people (.75) and this pair, which counts
    4 / (4 + 4), put the prior at m = (20 * .75 + 4q / 8) / 20.5, worth four answers. The two votes
    on a are then worth logit q = 2 (digamma(4q + 4m) - digamma(4 (1 - q) + 4 (1 - m))).
    """

    def gap(q):
        m = (15 + 4 * q / 8) / 20.5
        right, wrong = 4 * q + 4 * m, 4 * (1 - q) + 4 * (1 - m)
        return 2 * (digamma(right) - digamma(wrong)) - np.log(q / (1 - q))

    q = brentq(gap, 0.7, 1 - 1e-9)

    found = aggregate(votes({"a": "ana bo", "b": "ana- bo-"}))

    assert found.method == "equal"
    assert found.posterior == pytest.approx({"a": q, "b": 1 - q}, abs=1e-4)
    assert q > 0.95
    assert found.alpha == 1.0


@pytest.mark.parametrize("votes_per_item", [2, 3, 5])
@pytest.mark.parametrize("with_gold", [False, True])
def test_a_team_of_equally_weak_voters_does_not_fall_below_its_majority(votes_per_item, with_gold):
    """Five voters of accuracy .7: Dawid-Skene alone loses 2 to 6 points here."""
    lost = []
    for seed in range(6):
        cast, truth = team([(0.7, 0.7)] * 5, votes_per_item, seed)
        gold = dict(list(truth.items())[:20]) if with_gold else {}
        found = aggregate(cast, gold)
        asked = {i: p for i, p in majority(cast).items() if i not in gold}
        lost.append(share_right(asked, truth) - share_right(found.posterior, truth))

    assert np.mean(lost) < 0.01


def test_agreement_of_good_voters_makes_surer_than_agreement_of_weak_ones():
    good, _ = team([(0.95, 0.95)] * 5, 3, seed=0)
    weak, _ = team([(0.65, 0.65)] * 5, 3, seed=0)

    surest_good = max(aggregate(good).posterior.values())
    surest_weak = max(aggregate(weak).posterior.values())

    assert surest_good > 0.98 > 0.95 > surest_weak


# --- voters who differ: Dawid-Skene -------------------------------------------------------------


def test_reliability_is_counted_on_gold_with_three_right_and_one_wrong_to_start_with():
    """Two good and two bad gold cards, worked by hand.

    The prior, worth four answers, is what twenty usual people (.75) and these two are like; one of
    n answers counts n / (n + 4). On good cards ana is right 1 of 2 times, bo 2 of 2:
    (15 + 1/6 + 2/6) / (20 + 2/6 + 2/6) = .75; so ana: (1 + 3) / 6, bo: (2 + 3) / 6.
    On bad ones ana 2 of 2, bo never: (15 + 2/6) / (20 + 4/6) = .741935, that is 2.96774 of four;
    so ana: (2 + 2.96774) / 6 = .82796, bo: 2.96774 / 6 = .49462.
    """
    table = {"g1": "ana bo", "g2": "ana- bo", "b1": "ana- bo", "b2": "ana- bo"}
    gold = {"g1": True, "g2": True, "b1": False, "b2": False}

    found = aggregate(votes(table), gold)

    ana, bo = found.voters["ana"], found.voters["bo"]
    assert (ana.right_on_good, ana.right_on_bad) == pytest.approx((4 / 6, 0.82796), abs=1e-5)
    assert (bo.right_on_good, bo.right_on_bad) == pytest.approx((5 / 6, 0.49462), abs=1e-5)
    assert ana.accuracy == pytest.approx((4 / 6 + 0.82796) / 2, abs=1e-5)
    assert (ana.votes, ana.gold, bo.gold) == (4, (3, 4), (2, 4))


def test_the_interval_of_a_reliability_is_that_of_its_beta_posterior():
    """Alone with three gold cards, all said yes to: on bad ones Beta(3, 1) moved by nobody.

    Beta(3, 1) has the distribution function x^3: its 5 % and 95 % quantiles are .05^(1/3) = .3684
    and .95^(1/3) = .9830.
    """
    found = aggregate(votes({f"g{n}": "ana" for n in range(8)}), {f"g{n}": True for n in range(8)})

    on_bad = found.voters["ana"].on_bad
    assert (on_bad.low, on_bad.high) == pytest.approx((0.05 ** (1 / 3), 0.95 ** (1 / 3)))
    assert on_bad.votes == 0
    assert found.voters["ana"].on_good.low > 0.7


HONEST = {f"good{n}": "ana bo" for n in range(6)} | {f"bad{n}": "ana- bo-" for n in range(6)}
TRUTH = {item: item.startswith("good") for item in HONEST}


def with_yes_men(table, *names):
    return {item: " ".join([given_, *names]) for item, given_ in table.items()}


def test_somebody_who_always_says_yes_flips_nothing_and_is_found_out():
    found = aggregate(votes(with_yes_men(HONEST, "yes")))

    assert found.method == "dawid-skene"
    assert {item: p > 0.5 for item, p in found.posterior.items()} == TRUTH
    assert found.voters["yes"].right_on_good > 0.8
    assert found.voters["yes"].right_on_bad < 0.4
    assert found.voters["ana"].accuracy > found.voters["yes"].accuracy + 0.2
    assert found.voters["ana"].on_bad.low > found.voters["yes"].on_bad.high


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


def test_where_voters_differ_their_team_beats_its_majority():
    """Two who always say yes and three of accuracy .9 (section 9 of the design: .847 -> .972)."""
    cast, truth = team([(1, 0)] * 2 + [(0.9, 0.9)] * 3, 5, seed=1)

    found = aggregate(cast)

    assert share_right(found.posterior, truth) > share_right(majority(cast), truth) + 0.08


def test_one_good_voter_among_weak_ones_is_found_by_an_accuracy_each():
    """.95 and four times .6, a tenth is gold: confusion matrices alone would be too dear."""
    gains = []
    for seed in range(8):
        cast, truth = team([(0.95, 0.95)] + [(0.6, 0.6)] * 4, 5, seed)
        gold = dict(list(truth.items())[:20])
        asked = {i: p for i, p in majority(cast).items() if i not in gold}
        found = aggregate(cast, gold)
        gains.append(share_right(found.posterior, truth) - share_right(asked, truth))

    assert np.mean(gains) > 0.1


def test_a_crowd_that_said_little_each_is_left_to_its_majority():
    """60 voters of two minds with 5 votes each: that they differ shows, who is who does not."""
    cast, _ = team([(0.95, 0.2)] * 30 + [(0.2, 0.95)] * 30, 3, seed=2, items=100)

    found = aggregate(cast)

    assert found.method == "shares"


def test_gold_that_contradicts_overrules_dawid_skene():
    """Four who copy each other agree so well that they look like the only ones who know."""
    cast, truth = team([(0.75, 0.75)] * 5 + [(0.65, 0.65)], 6, seed=0, items=300)
    copies = [
        YesNo(v.item, f"copy{n}", v.is_yes) for v in cast if v.voter == "v5" for n in range(3)
    ]
    gold = dict(list(truth.items())[:40])

    blind, found = aggregate([*cast, *copies]), aggregate([*cast, *copies], gold)

    assert (blind.method, found.method) == ("dawid-skene", "shares")
    assert share_right(found.posterior, truth) > share_right(blind.posterior, truth) + 0.05


# --- gold ---------------------------------------------------------------------------------------


def test_gold_measures_voters_and_gets_no_opinion():
    found = aggregate(votes(HONEST | {"new": "ana bo"}), TRUTH)

    assert found.posterior.keys() == found.classes.keys() == found.votes.keys() == {"new"}
    assert found.voters["ana"].gold == (12, 12)


def test_gold_that_nobody_voted_on_changes_nothing():
    asked = votes(HONEST)

    assert aggregate(asked, {"unseen": True}) == aggregate(asked)


def test_who_is_surely_wrong_on_gold_is_not_heard():
    """0 of 12: the upper Wilson bound is 3.84 / 15.84 = .24. Unheard, a lone vote says nothing."""
    table = {item: f"{given_} mix{'-' if TRUTH[item] else ''}" for item, given_ in HONEST.items()}

    found = aggregate(votes(table | {"new": "mix", "other": "ana mix-"}), TRUTH)

    assert found.ignored == {"mix"}
    assert (found.votes["new"], found.votes["other"]) == (0, 1)
    assert found.posterior["new"] == pytest.approx(0.5, abs=0.05)
    assert found.posterior["other"] > 0.8
    assert found.voters["mix"].gold == (0, 12)
    assert found.voters["mix"].accuracy < 0.5


@pytest.mark.parametrize(
    ("right", "asked", "is_ignored"),
    [(0, 2, False), (0, 3, True), (1, 5, False), (2, 8, True), (3, 8, False), (7, 8, False)],
)
def test_a_voter_is_ignored_only_where_gold_leaves_no_doubt(right, asked, is_ignored):
    """Upper Wilson bounds: .66, .56, .62, .591, .69, .98."""
    gold = {f"g{n}": True for n in range(asked)}

    found = aggregate(
        votes({item: "ana" + "-" * (n >= right) for n, item in enumerate(gold)}), gold
    )

    assert found.ignored == ({"ana"} if is_ignored else set())


def test_when_nobody_is_heard_nothing_is_known():
    gold = {f"g{n}": True for n in range(9)}

    found = aggregate(votes(dict.fromkeys(gold, "ana-") | {"new": "ana"}), gold)

    assert found.posterior == {"new": 0.5}
    assert found.voters == {}


def test_gold_has_to_speak_of_what_was_asked():
    with pytest.raises(ValueError, match="given"):
        aggregate(votes({"a": "ana"}), {"a": "a label"})


# --- in comparison ------------------------------------------------------------------------------


def plain_dawid_skene(cast, steps=200):
    """{item: P(good)} by the EM of Dawid and Skene (1979), without any prior."""
    items, voters = (sorted({getattr(v, name) for v in cast}) for name in ("item", "voter"))
    said = np.zeros((len(items), len(voters), 2))
    for v in cast:
        said[items.index(v.item), voters.index(v.voter), int(v.is_yes)] = 1
    belief = said.sum(axis=1) / said.sum(axis=(1, 2))[:, None]
    for _ in range(steps):
        confusion = np.einsum("nk,nvj->vkj", belief, said)
        confusion /= confusion.sum(axis=2, keepdims=True)
        logs = np.einsum("nvj,vkj->nk", said, np.log(np.clip(confusion, 1e-9, 1)))
        belief = belief.mean(axis=0) * np.exp(logs - logs.max(axis=1, keepdims=True))
        belief /= belief.sum(axis=1, keepdims=True)
    return dict(zip(items, belief[:, 1].tolist(), strict=True))


def test_with_many_votes_priors_fade_and_plain_dawid_skene_is_left():
    cast, _ = team([(0.9, 0.6), (0.6, 0.9), (0.85, 0.85), (0.7, 0.7), (0.95, 0.5)], 5, 4, items=800)

    found, plain = aggregate(cast).posterior, plain_dawid_skene(cast)

    assert np.mean([abs(found[item] - plain[item]) for item in plain]) < 0.02
    assert np.mean([(found[item] > 0.5) == (plain[item] > 0.5) for item in plain]) > 0.985


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
def test_every_voted_item_that_is_no_gold_gets_a_probability(cast, gold):
    found = aggregate(cast, gold)

    assert set(found.posterior) == set(found.votes) == {vote.item for vote in cast} - set(gold)
    assert all(0 <= p <= 1 for p in found.posterior.values())
    assert all(found.classes[item][GIVEN] == p for item, p in found.posterior.items())
    assert all(sum(of.values()) == pytest.approx(1) for of in found.classes.values())
    assert all(
        0 < share.low < share.mean < share.high < 1
        for voter in found.voters.values()
        for share in (voter.on_good, voter.on_bad)
    )
