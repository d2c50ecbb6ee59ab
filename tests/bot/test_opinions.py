"""From votes to what the trainer is told."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.messages import ignored_said, ranking_said
from bot.opinions import counted, experts, opinions
from storage.consensus import Consensus, Importance, Reliability, Share
from storage.models import Subject, SubjectKind
from tests.bot.cards import TEXTS, at, chose, feature_ballot, sample_ballot, vote, which_ballot


def ballots(n):
    return [
        sample_ballot(ballot_id=f"r1.human.q0.{i}").model_copy(
            update={
                "subjects": (
                    Subject(key="1", kind=SubjectKind.SAMPLE, target=f"pool-{i}", label="maths"),
                )
            }
        )
        for i in range(n)
    ]


def test_no_votes_are_no_opinions():
    heard = opinions(ballots(3), [])

    assert heard.opinions.samples == ()
    assert heard.tally.is_silent


def test_agreement_makes_sure_and_disagreement_does_not():
    a, b = ballots(2)
    votes = [vote(a, "ana", 1.0), vote(a, "bo", 1.0), vote(b, "ana", 1.0), vote(b, "bo", -1.0)]

    keep = {o.sample_id: o.keep for o in opinions([a, b], votes).opinions.samples}

    assert keep["pool-0"] > 0.7
    assert abs(keep["pool-1"] - 0.5) < 0.2


def test_abstentions_count_as_people_but_not_as_opinions():
    (a,) = ballots(1)

    heard = opinions([a], [vote(a, "ana", None, answer="unsure")])

    assert heard.opinions.samples == ()
    assert (heard.tally.votes, heard.tally.abstained) == (1, 1)


def test_a_gold_card_measures_voters_and_is_no_opinion():
    (gold,) = ballots(1)
    subject = gold.subjects[0].model_copy(update={"role": "gold", "truth": 0.0})
    gold = gold.model_copy(update={"subjects": (subject,)})

    heard = opinions([gold], [vote(gold, "ana", 1.0), vote(gold, "bo", -1.0)])

    assert heard.opinions.samples == ()
    assert heard.consensus.voters["bo"].accuracy > heard.consensus.voters["ana"].accuracy


def test_a_better_label_says_no_to_the_given_one_and_relabels():
    (a,) = ballots(1)
    votes = [
        vote(a, "ana", None, subject="1.label", answer="lost_card"),
        vote(a, "bo", None, subject="1.label", answer="lost_card"),
    ]

    (opinion,) = opinions([a], votes).opinions.samples

    assert opinion.relabel == "lost_card"
    assert opinion.keep < 0.4


def test_people_who_disagree_on_the_better_label_do_not_relabel():
    (a,) = ballots(1)
    votes = [
        vote(a, "ana", None, subject="1.label", answer="lost_card"),
        vote(a, "bo", None, subject="1.label", answer="card arrival"),
    ]

    (opinion,) = opinions([a], votes).opinions.samples

    assert opinion.relabel is None


def test_naming_the_given_label_again_says_that_it_fits():
    (a,) = ballots(1)

    heard = opinions([a], [vote(a, "ana", None, subject="1.label", answer="maths")])

    assert (heard.tally.yes, heard.tally.no) == (1, 0)
    assert heard.opinions.samples[0].relabel is None


def test_one_person_does_not_relabel_what_the_team_says_fits():
    (a,) = ballots(1)
    fits = [vote(a, f"p{i}", 1.0) for i in range(9)]

    heard = opinions([a], [*fits, vote(a, "cy", None, subject="1.label", answer="lost_card")])

    assert heard.opinions.samples[0].relabel is None
    assert heard.opinions.samples[0].keep > 0.5


def test_every_vote_of_a_round_is_counted_somewhere():
    (a,), card = ballots(1), feature_ballot("refund", "typo")
    votes = [
        vote(a, "ana", 1.0),
        vote(a, "bo", None),
        vote(a, "cy", None, subject="1.label", answer="lost_card"),
        vote(a, "cy", None, subject="words.maths", answer="sum, root"),
        vote(card, "ana", 0.6),
        vote(card, "ana", 0.0, subject="B"),
    ]

    tally = opinions([a, card], votes).tally

    assert (tally.yes, tally.no, tally.abstained, tally.levels, tally.words) == (1, 1, 1, 2, 1)
    assert tally.votes == 6
    assert not tally.is_silent


def test_importance_is_shrunk_so_that_one_vote_moves_little():
    card = feature_ballot("refund")

    (opinion,) = opinions([card], [vote(card, "ana", 0.0)]).opinions.features

    assert (opinion.label, opinion.feature, opinion.votes) == ("maths", "refund", 1)
    assert 0.3 < opinion.value < 0.5


def test_words_people_wrote_for_a_label_are_passed_on():
    (a,) = ballots(1)

    heard = opinions([a], [vote(a, "ana", None, subject="about.maths", answer="numbers")])

    assert [(w.label, w.words) for w in heard.opinions.words] == [("maths", ("numbers",))]


def gold(ballot, *, truth):
    subject = ballot.subjects[0].model_copy(update={"role": "gold", "truth": truth})
    return ballot.model_copy(update={"subjects": (subject,)})


# --- which of these? ----------------------------------------------------------------------------


def which_ballots(n, **changes):
    return [
        which_ballot(sample_id=f"pool-{i}", ballot_id=f"r1.human.q0.{i}", **changes)
        for i in range(n)
    ]


def the_opinion(ballots, votes):
    (opinion,) = opinions(ballots, votes).opinions.samples
    return opinion


def test_which_of_these_ends_in_one_posterior_over_the_labels():
    (a,) = which_ballots(1)

    opinion = the_opinion([a], [chose(a, "ana", "lost_card"), chose(a, "bo", "lost_card")])

    names, shares = zip(*opinion.labels, strict=True)
    assert names[0] == "lost_card"
    assert {"maths", "lost_card"} <= set(names) <= {"maths", "card arrival", "lost_card"}
    assert sum(shares) <= 1 + 1e-9
    assert list(shares) == sorted(shares, reverse=True)
    assert opinion.votes == 2
    assert opinion.keep < 0.5
    assert opinion.relabel == "lost_card"


def test_choosing_the_given_label_keeps_it():
    (a,) = which_ballots(1)

    heard = opinions([a], [chose(a, "ana", "maths"), chose(a, "bo", "maths")])

    (opinion,) = heard.opinions.samples
    assert opinion.keep > 0.7
    assert opinion.relabel is None
    assert dict(opinion.labels)["maths"] == pytest.approx(opinion.keep)
    assert (heard.tally.yes, heard.tally.no) == (2, 0)


def test_none_of_these_speaks_against_the_given_label_and_for_no_other():
    (a,) = which_ballots(1)

    heard = opinions([a], [chose(a, "ana", "None of these"), chose(a, "bo", "None of these")])

    (opinion,) = heard.opinions.samples
    assert opinion.keep < 0.4
    assert opinion.relabel is None
    assert max(share for _, share in opinion.labels) < 0.5
    assert (heard.tally.yes, heard.tally.no) == (0, 2)


def test_can_t_tell_on_which_of_these_is_no_opinion():
    (a,) = which_ballots(1)

    heard = opinions([a], [chose(a, "ana", "Can't tell")])

    assert heard.opinions.samples == ()
    assert heard.tally.abstained == 1


def test_people_split_between_two_labels_relabel_nothing():
    (a,) = which_ballots(1)

    opinion = the_opinion([a], [chose(a, "ana", "lost_card"), chose(a, "bo", "card arrival")])

    assert opinion.relabel is None


def test_a_label_that_was_not_offered_can_win():
    (a,) = which_ballots(1, options=("maths", "lost_card"))
    votes = [
        vote(a, person, None, subject="1.label", answer="card arrival") for person in ("ana", "bo")
    ]

    opinion = the_opinion([a], votes)

    assert opinion.relabel == "card arrival"
    assert {"maths", "card arrival"} <= set(dict(opinion.labels))


def test_a_name_stands_beside_none_of_these_whichever_came_first():
    (a,) = which_ballots(1, options=("maths", "lost_card"))

    for first, second in ((1, 2), (2, 1)):
        votes = [
            chose(a, "ana", "None of these", at=at(first)),
            vote(a, "ana", None, subject="1.label", answer="card arrival", at=at(second)),
        ]
        heard = opinions([a], votes)
        assert heard.tally.no == 1
        assert dict(heard.opinions.samples[0].labels)["card arrival"] > 0.3


def test_of_answers_that_contradict_each_other_the_last_one_counts():
    (a,) = ballots(1)
    name = vote(a, "ana", None, subject="1.label", answer="lost_card", at=at(1))

    assert opinions([a], [name, vote(a, "ana", 1.0, at=at(2))]).tally.yes == 1
    assert opinions([a], [name, vote(a, "ana", -1.0, at=at(2))]).tally.no == 1
    assert opinions([a], [name, vote(a, "ana", None, at=at(2))]).tally.abstained == 1
    assert opinions([a], [name, vote(a, "ana", 1.0, at=at(0))]).tally.no == 1


def test_both_kinds_of_card_about_one_sample_make_one_opinion():
    (fits,) = ballots(1)
    (which,) = which_ballots(1)
    which = which.model_copy(update={"ballot_id": "r1.human.q1.0"})

    opinion = the_opinion([fits, which], [vote(fits, "ana", 1.0), chose(which, "bo", "maths")])

    assert opinion.votes == 2
    assert opinion.keep > 0.6


def test_where_only_the_given_label_was_asked_about_there_are_no_others_to_tell_of():
    (a,) = ballots(1)

    assert the_opinion([a], [vote(a, "ana", 1.0), vote(a, "bo", -1.0)]).labels == ()


def test_what_a_label_means_is_no_answer_to_what_is_asked():
    (a,) = which_ballots(1)
    votes = [
        chose(a, "ana", "lost_card"),
        vote(a, "ana", None, subject="words.maths", answer="none"),
        vote(a, "bo", None, subject="1.label", answer="card arrival"),
    ]

    assert counted([a], votes) == {a.ballot_id: {"#3": 1, "label: card arrival": 1}}


def any_card(n):
    """The n-th card: all kinds in turn."""
    fits, which = ballots(n + 1)[-1], which_ballots(n + 1)[-1]
    some = which_ballots(n + 1, options=("maths", "lost_card"), given="card arrival")[-1]
    card = (fits, which, some, gold(fits, truth=0.0), gold(which, truth=1.0))[n % 5]
    return card.model_copy(update={"ballot_id": f"r1.human.q{n // 5}.{n}"})


CARDS = [any_card(n) for n in range(10)]
ANSWERS = {
    "fits": [("1", 1.0, "yes"), ("1", -1.0, "no"), ("1", None, "unsure"), ("1", None, "conflict")],
    "which": [("1", 1.0, "#1"), ("1", -1.0, "#2"), ("1", -1.0, "none"), ("1", None, "unsure")],
}
BESIDES = [("1.label", None, label) for label in ("maths", "lost_card", "card arrival")]


@st.composite
def any_votes(draw):
    given = {}
    for card in CARDS:
        for person in draw(st.sets(st.sampled_from("abcd"))):
            for said in draw(st.lists(st.sampled_from(ANSWERS[card.ask] + BESIDES), max_size=3)):
                when = draw(st.integers(0, 3))
                given[card.ballot_id, person, said[0]] = (card, person, said, when)
    return [
        vote(card, person, value, subject=subject, answer=answer, at=at(when))
        for card, person, (subject, value, answer), when in given.values()
    ]


@given(any_votes())
@settings(max_examples=60, deadline=None)
def test_whatever_people_answer_every_opinion_is_a_probability(votes):
    heard = opinions(CARDS, votes)

    people = {(vote.person, vote.ballot_id) for vote in votes}
    assert heard.tally.yes + heard.tally.no + heard.tally.abstained <= len(people)
    for opinion in heard.opinions.samples:
        names = [name for name, _ in opinion.labels]
        assert 0 <= opinion.keep <= 1
        assert opinion.votes > 0
        assert set(names) <= {"maths", "lost_card", "card arrival"}
        assert len(set(names)) == len(names)
        assert sum(share for _, share in opinion.labels) <= 1 + 1e-9
        assert opinion.relabel is None or (opinion.keep < 0.5 and opinion.relabel == names[0])


# --- voters -------------------------------------------------------------------------------------


def test_gold_among_labels_is_the_right_label():
    cards = [gold(b, truth=1.0) for b in which_ballots(12)]
    votes = [chose(b, "ana", "maths") for b in cards] + [chose(b, "bo", "lost_card") for b in cards]

    heard = opinions(cards, votes)

    assert heard.opinions.samples == ()
    assert heard.voters["ana"].accuracy > heard.voters["bo"].accuracy
    assert heard.voters["ana"].gold == (12, 12)
    assert heard.voters["bo"].gold == (0, 12)


def test_where_a_gold_card_s_label_is_known_to_be_wrong_any_other_answer_is_right():
    cards = [gold(b, truth=0.0) for b in which_ballots(12)]
    votes = [chose(b, "ana", "maths") for b in cards]
    votes += [
        chose(b, "bo", "lost_card" if i % 2 else "None of these") for i, b in enumerate(cards)
    ]

    heard = opinions(cards, votes)

    assert heard.voters["ana"].gold == (0, 12)
    assert heard.voters["bo"].gold == (12, 12)


def test_how_reliable_a_voter_is_comes_with_an_interval():
    cards = [gold(b, truth=float(i % 2)) for i, b in enumerate(ballots(10))]
    votes = [vote(b, "ana", 1.0 if i % 2 else -1.0) for i, b in enumerate(cards)]

    share = opinions(cards, votes).voters["ana"].on_good

    assert 0 < share.low < share.mean < share.high < 1


def test_who_fails_gold_is_set_aside_and_named_as_such():
    cards = [gold(b, truth=float(i % 2)) for i, b in enumerate(ballots(24))]
    votes = [vote(b, "ana", 1.0 if i % 2 else -1.0) for i, b in enumerate(cards)]
    votes += [vote(b, "eve", -1.0 if i % 2 else 1.0) for i, b in enumerate(cards)]

    heard = opinions(cards, votes)

    assert heard.ignored == {"eve": (0, 24)}
    assert "0 of 24" in ignored_said(*heard.ignored["eve"])


def test_who_is_set_aside_is_told_why_even_where_nobody_else_was_asked_anything():
    cards = [gold(b, truth=1.0) for b in which_ballots(12)]
    votes = [chose(b, "eve", "lost_card") for b in cards]
    (other,) = which_ballots(1, given="lost_card")
    other = other.model_copy(update={"ballot_id": "r1.human.q1.0"})

    heard = opinions([*cards, other], [*votes, chose(other, "eve", "lost_card")])

    assert heard.ignored == {"eve": (0, 12)}
    assert heard.opinions.samples == ()  # she alone said anything about it


SURE, UNSURE = Share(0.9, 0.75, 0.97, 12), Share(0.9, 0.4, 0.99, 12)
BARELY_ASKED = Share(0.9, 0.8, 0.97, 2)


def voters(**shares):
    return {
        name: Reliability(SURE, SURE, None, {"maths": share}, 12) for name, share in shares.items()
    }


def test_experts_are_those_who_surely_know_the_label_best_first():
    known = voters(ana=SURE, bo=UNSURE, cy=Share(0.95, 0.8, 0.99, 20), eve=SURE, dee=SURE)
    known |= voters(fay=BARELY_ASKED)
    consensus = Consensus({}, {}, known, None, ignored=frozenset({"eve"}))
    names = {"ana": "Ana", "bo": "Bo", "cy": "Cy", "eve": "Eve", "fay": "Fay"}

    assert experts(consensus, "maths", names) == ("Cy", "Ana")
    assert experts(consensus, "text", names) == ()


@pytest.mark.parametrize("always", ["yes", "no"])
def test_one_answer_to_everything_makes_no_expert(always):
    never = Share(0.1, 0.02, 0.3, 12)
    on_good, on_bad = (SURE, never) if always == "yes" else (never, SURE)
    linus = Reliability(on_good, on_bad, None, {"maths": SURE}, 24)

    assert experts(Consensus({}, {}, {"l": linus}, None), "maths", {"l": "Linus"}) == ()


def test_at_most_three_experts_are_named():
    known = voters(**{f"p{i}": SURE for i in range(5)})
    consensus = Consensus({}, {}, known, None)

    assert len(experts(consensus, "maths", {p: p.upper() for p in known})) == 3


# --- features -----------------------------------------------------------------------------------


def test_features_are_ranked_per_label_with_intervals():
    card = feature_ballot("refund", "typo")
    votes = [vote(card, p, 1.0) for p in ("ana", "bo")]
    votes += [vote(card, p, 0.0, subject="B") for p in ("ana", "bo")]

    ranking = opinions([card], votes).ranking

    assert [one.feature for one in ranking["maths"]] == ["refund", "typo"]
    assert all(one.low < one.mean < one.high for one in ranking["maths"])
    said = ranking_said(ranking, TEXTS)
    assert said.splitlines()[1].startswith("“maths”: refund ")
    assert len(said.splitlines()) == 2


def test_a_word_that_misleads_is_below_nothing_and_long_rankings_are_cut():
    def one(number):
        return Importance(f"word{number}", -0.5, -0.62, 0.004, 3, (1, 9), 0.1)

    said = ranking_said({"maths": tuple(map(one, range(9))), "text": ()}, TEXTS)

    assert "word0 \N{MINUS SIGN}2.5 (\N{MINUS SIGN}3.1 to 0.0) · word1" in said
    assert said.endswith("word5 \N{MINUS SIGN}2.5 (\N{MINUS SIGN}3.1 to 0.0) · and 3 more")


def test_without_votes_on_features_there_is_no_ranking_to_tell():
    assert ranking_said(opinions([feature_ballot("refund")], []).ranking, TEXTS) == ""
