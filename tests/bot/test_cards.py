"""From what a segment found worth asking to ballots and to cards as people see them."""

import json

import pytest

from bot import cards
from bot.ask import questions
from bot.wording import FITS, NUMBERS
from storage.models import Arm, ArmState, Run, RunState, SampleView
from tests.bot.cards import T0, feature_ballot, sample_ballot, spec, which_ballot
from trainer.segment import Candidate, SegmentReport

LABELS = tuple(f"label {n:02}" for n in range(12))
RUN = Run(
    run_id="r1", name="t", spec={}, seed=0, state=RunState.TRAINING, folder="r1",
    created_by="web:ana", created_at=T0,
)  # fmt: skip
ARM = Arm(arm_id="r1.human", run_id="r1", name="human", position=0, state=ArmState.ACTIVE)


def candidate(*options, label="label 03", **changes):
    view = SampleView(sample_id="pool-7", text="Where is my card?", label=label)
    return Candidate(view=view, role="ask", options=options).model_copy(update=changes)


def asked_about(found, style="reactions", **more):
    report = SegmentReport(
        run_id="r1", arm="human", segment=0, attempt=1, lease_token="t", outcome="done",
        labels=LABELS, candidates=(found,), started_at=T0, ended_at=T0,
    )  # fmt: skip
    channels = {"memory": "c"}
    asked = questions(RUN, ARM, spec(style), report, number=0, now=T0, channels=channels, **more)
    assert asked is not None
    return asked


def ballot_for(found, style="reactions"):
    (ballot,) = asked_about(found, style).ballots
    return ballot


def card(ballot, style="reactions", **more):
    return cards.question(ballot, spec(style), closes="closes by 12:00", **more)


def test_labels_to_choose_from_make_which_of_these_else_the_given_label_is_asked_about():
    assert ballot_for(candidate()).ask == "fits"
    assert ballot_for(candidate(*LABELS[:10])).ask == "which"


@pytest.mark.parametrize("options", [LABELS[:1], LABELS[:11]])
def test_too_few_or_too_many_labels_are_not_offered(options):
    assert ballot_for(candidate(*options)).choices == FITS


def test_a_label_has_one_button_and_counts_for_the_given_one_alone():
    ballot = ballot_for(candidate("label 05", "label 03", "label 09"))

    assert [(c.id, c.label, c.value, c.emoji, c.names) for c in ballot.choices] == [
        ("#1", "label 03", 1.0, ("one",), "label 03"),
        ("#2", "label 05", -1.0, ("two",), "label 05"),
        ("#3", "label 09", -1.0, ("three",), "label 09"),
        ("none", "None of these", -1.0, ("down",), None),
        ("unsure", "Can't tell", None, ("unsure",), None),
        ("bad", "Bad card", None, ("bad",), None),
    ]


@pytest.mark.parametrize("style", ["reactions", "buttons", "both"])
def test_the_card_does_not_tell_which_label_was_given(style):
    seen, counted = set(), set()
    for given in LABELS[:4]:
        ballot = ballot_for(candidate(given, *reversed(LABELS[:4]), label=given), style)
        shown = card(ballot, style, experts=("Ana",))
        seen.add(shown.model_dump_json())
        tally = cards.with_tally(shown, ballot, {"#1": 2}, is_closed=False)
        counted.add(tally.model_dump_json())

    assert (len(seen), len(counted)) == (1, 1)


def test_a_given_label_that_is_not_offered_is_not_told_either():
    shown = card(ballot_for(candidate("label 05", "label 09")))

    assert "label 03" not in json.dumps(shown.model_dump(mode="json"))


def test_all_ten_numbers_are_seeded_where_reactions_are_the_way_to_vote():
    shown = card(ballot_for(candidate(*LABELS[:10])))

    assert shown.seeds == (*NUMBERS, "down", "unsure", "bad")
    assert [b.emoji for b in shown.buttons] == list(shown.seeds)


def test_buttons_alone_are_blind_and_have_no_seeds():
    shown = card(ballot_for(candidate(*LABELS[:3]), "buttons"), "buttons")

    assert shown.seeds == ()
    assert shown.is_blind
    assert [b.id for b in shown.buttons] == ["#1", "#2", "#3", "none", "unsure", "bad"]


def test_a_long_name_is_cut_on_its_button_and_kept_whole_in_the_ballot():
    (long, _, *_rest) = cards.which(("x" * 200, "y"), "y")

    assert len(long.label) <= 75  # what the strictest platform takes
    assert long.names == "x" * 200


def test_a_label_that_is_not_on_the_card_can_be_named_and_the_card_says_how():
    assert "label: NAME" in card(ballot_for(candidate(*LABELS[:3]))).footer
    assert "label: NAME" not in card(which_ballot()).footer


@pytest.mark.parametrize("make", [sample_ballot, which_ballot])
def test_a_card_says_how_many_samples_it_stands_for(make):
    view = {"sample_id": "pool-1", "text": "t", "label": "maths"}

    assert card(make(view=view)).parts[0].note == ""
    assert "1\u202f037 samples" in card(make(view=view | {"stands_for": 1037})).parts[0].note


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("Ana",), "Ana knows “maths” well."),
        (("Ana", "Ben"), "Ana and Ben know “maths” well."),
        (("Ana", "Ben", "Cy"), "Ana, Ben and Cy know “maths” well."),
        (("<@U1>", "@everyone", " "), "U1 and everyone know “maths” well."),
        ((), ""),
    ],
)
def test_people_who_know_a_label_are_named_and_never_called(names, said):
    assert card(sample_ballot(), experts=names).parts[0].note == said
    assert (said in card(feature_ballot("sum"), experts=names).lines) == bool(said)


@pytest.mark.parametrize(("options", "is_said"), [((), True), (LABELS[:4], False)])
def test_a_round_names_those_who_know_a_card_s_label_unless_that_gives_it_away(options, is_said):
    known = {"label 03": ("Ana",), "label 05": ("Ben",)}

    (_, posted) = asked_about(candidate(*options), experts=known).items

    shown = json.dumps(posted.payload, ensure_ascii=False)
    assert ("Ana knows “label 03” well." in shown) == is_said
    assert "Ben" not in shown


def test_the_final_count_of_which_of_these_is_by_label_as_it_is_spelt():
    ballot = which_ballot(options=("Maths", "lost_card"), given="Maths")
    answers = {"#2": 2, "none": 1, "unsure": 1, "label: card arrival": 1, "nonsense": 4}

    closed = cards.with_tally(card(ballot), ballot, answers, is_closed=True)

    assert closed.tally == "lost_card 2 · none of these 1 · can't tell 1 · label: card arrival 1"
    assert closed.is_closed
    assert "reply" not in closed.footer
    assert closed.footer.startswith("r1 · pool-1 · ")


def test_a_label_called_like_a_choice_is_not_counted_for_it():
    ballot = sample_ballot(labels=("yes", "no"))

    closed = cards.with_tally(card(ballot), ballot, {"no": 1, "label: no": 2}, is_closed=True)

    assert closed.tally == "does not fit 1 · label: no 2"


def test_a_blind_card_shows_no_count_before_its_close():
    ballot = which_ballot(is_blind=True)

    assert cards.with_tally(card(ballot), ballot, {"#1": 2}, is_closed=False).tally == ""
    assert cards.with_tally(card(ballot), ballot, {"#1": 2}, is_closed=True).tally == "maths 2"


def test_a_blind_card_asks_for_no_reply_that_would_not_count():
    asked = card(which_ballot(is_blind=True))
    words = card(feature_ballot("sum").model_copy(update={"is_blind": True}))

    for shown in (asked, words):
        assert "reply" not in shown.footer
        assert "blind: only its buttons count" in shown.footer
        assert "thread" not in " ".join(shown.lines)
    assert "or reply with a name" in card(which_ballot()).footer


def test_a_closed_feature_card_tells_nobody_how_to_reply():
    ballot = feature_ballot("sum")
    closed = cards.with_tally(card(ballot), ballot, {}, is_closed=True)

    assert "reply" in card(ballot).footer
    assert "reply" not in closed.footer


def test_gold_is_asked_like_all_else_and_what_it_is_sure_of_is_kept():
    gold = ballot_for(candidate(*LABELS[:4], role="gold", truth=1.0))

    assert (gold.subjects[0].role, gold.subjects[0].truth) == ("gold", 1.0)
    assert card(gold) == card(ballot_for(candidate(*LABELS[:4])))


def test_a_feature_card_asks_what_its_label_means():
    assert "“maths” means" in " ".join(card(feature_ballot("sum")).lines)
