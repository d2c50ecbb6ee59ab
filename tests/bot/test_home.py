"""A person's own page says what they answered in the words of the cards, whatever they answered."""

import pytest

from adapters.slack import blocks
from bot.home import page
from bot.votes import CONFLICT
from storage.models import WHOLE_CARD
from tests.bot.cards import feature_ballot, sample_ballot, vote, which_ballot
from tests.bot.test_sheet_cards import sheet


@pytest.mark.parametrize(
    ("ballot", "subject", "answer", "line"),
    [
        (sample_ballot(), "1", "no", "r1 · “sqrt: Return the root.”: does not fit"),
        (which_ballot(), "1", "#3", "r1 · “sqrt: Return the root.”: “lost_card”"),
        (which_ballot(), "1.label", "maths", "r1 · “sqrt: Return the root.”: it is “maths”"),
        (
            sample_ballot(), "1", CONFLICT,
            "r1 · “sqrt: Return the root.”: two answers that contradict each other",
        ),
        (feature_ballot("sum"), "A", "4", "r1 · what matters for “maths”: “sum” 4 of 5"),
        (
            feature_ballot("sum"), "words.maths", "sum, root",
            "r1 · what matters for “maths”: what “maths” means: “sum, root”",
        ),
        (sheet(), "2", "no", "r1 · cat-0: does not fit"),
        (sheet(), "words.cat", "fur", "r1 · “cat”: what “cat” means: “fur”"),
    ],
    ids=["fits", "which", "label", "conflict", "feature", "words", "sheet", "words of a sheet"],
)  # fmt: skip
def test_a_vote_is_told_in_the_words_of_its_card(ballot, subject, answer, line):
    given = vote(ballot, "slack:U1", None, subject=subject, answer=answer)

    assert page([], [(given, ballot)]).sections[1].lines == (line,)


def test_who_could_not_tell_is_told_so_and_the_page_fits_slack():
    ballot = feature_ballot("sum")
    votes = [(vote(ballot, "u", None, subject=WHOLE_CARD, answer=None), ballot)] * 300
    shown = page([], votes, "your votes\ncount")

    assert shown.sections[1].title == "What you said: 300 votes"
    assert shown.sections[1].lines[0] == "r1 · what matters for “maths”: can't tell"
    assert len(shown.sections[1].lines) == 20
    assert len(blocks.home(shown)["blocks"]) < 100
