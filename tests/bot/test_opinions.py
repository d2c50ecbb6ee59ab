"""From votes to what the trainer is told."""

from bot.opinions import opinions
from storage.models import Subject, SubjectKind
from tests.bot.cards import feature_ballot, sample_ballot, vote


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
