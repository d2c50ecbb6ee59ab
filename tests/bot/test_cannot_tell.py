"""Every card can be answered by “can't tell” and “bad card”, and neither says anything of the data."""

from __future__ import annotations

import pytest

from adapters import base
from bot.ask import _feature_ballot
from bot.cards import question, which, with_tally
from bot.grammar import read_reply
from bot.opinions import counted, opinions
from bot.votes import hear
from bot.wording import CANNOT, FITS, HAPPY, WORTH, prefer
from storage.models import WHOLE_CARD, FeatureView, Vote
from tests.bot.cards import REF, at, feature_ballot, reacted, spec, vote
from trainer.spec import AskSpec

LABELS = [f"label {i}" for i in range(10)]


@pytest.mark.parametrize(
    "choices", [FITS, WORTH, HAPPY, which(LABELS, LABELS[0]), prefer("A"), CANNOT]
)
def test_every_kind_of_card_offers_both(choices):
    found = {choice.id: choice for choice in choices}

    assert found["unsure"].value is None
    assert "bad" in found
    assert len(choices) <= 20  # reactions on one message


def words_card():
    ballot = feature_ballot("root", "price")
    return ballot.model_copy(update={"choices": CANNOT})


def pressed(user, choice, second=1):
    return base.ButtonPressed(
        event_id=f"{user}-{choice}", user=user, at=at(second), ref=REF, choice=choice
    )


def test_a_card_about_words_is_asked_with_both():
    class Asked:
        round_id, run_id = "r1.human.q0", "r1"

    view = FeatureView(label="maths", features=("root", "price"), shares=(0.2, 0.1))
    ballot = _feature_ballot(Asked, 0, view, ["maths"], "runs/r1", AskSpec())

    shown = question(ballot, spec(), closes="closes by 14:00")

    assert [button.label for button in shown.buttons] == ["Can't tell", "Bad card"]
    assert shown.menu is not None


@pytest.mark.parametrize(
    "event",
    [
        pressed("u:ana", "unsure"),
        reacted("u:ana", "shrug", "unsure"),
    ],
    ids=["button", "reaction"],
)
def test_who_cannot_tell_what_matters_has_answered_once(event):
    ballot = words_card()

    (said,) = hear(event, ballot, [], at(2)).events

    assert (said.subject, said.value, said.answer) == (WHOLE_CARD, None, "unsure")


@pytest.mark.parametrize(("text", "answer"), [("can't tell", "unsure"), ("Bad card", "bad")])
def test_it_can_be_typed_and_a_level_is_still_a_level(text, answer):
    assert [(s.subject, s.answer) for s in read_reply(text, words_card()).said] == [
        (WHOLE_CARD, answer)
    ]
    assert [(s.subject, s.answer) for s in read_reply("root 5", words_card()).said] == [("A", "5")]


def test_levels_are_filled_in_as_before():
    form = base.FormSubmitted(
        event_id="f", user="u:ana", at=at(1), ref=REF, values={"A": "4", "B": "unsure"}
    )

    (said,) = hear(form, words_card(), [], at(2)).events

    assert (said.subject, said.value) == ("A", 0.8)


def test_it_weighs_nothing_and_is_told_apart_in_the_tally():
    ballot = words_card()
    levels = [vote(ballot, "ana", 0.8, answer="4"), vote(ballot, "bo", 0.2, answer="1")]
    abstains: Vote = vote(ballot, "cy", None, answer="unsure", subject=WHOLE_CARD)

    heard, without = opinions([ballot], [*levels, abstains]), opinions([ballot], levels)
    answers = counted([ballot], [*levels, abstains])[ballot.ballot_id]
    card = with_tally(question(ballot, spec(), closes="closed"), ballot, answers, is_closed=True)

    assert heard.opinions == without.opinions
    assert card.tally == "2 votes · can't tell 1"
