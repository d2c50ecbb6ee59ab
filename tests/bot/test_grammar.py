"""The closed language of card threads: what counts, and above all what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.grammar import PICTURES_ALONE, Said, Spoken, read_reply
from tests.bot.cards import feature_ballot, sample_ballot, which_ballot

FEATURES = feature_ballot("refund", "late delivery", "typo", "price")


def said(text, ballot=FEATURES):
    return {one.subject: one.answer for one in read_reply(text, ballot).said}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("refund 5", {"A": "5"}),
        ("refund=4, typo: 0", {"A": "4", "C": "0"}),
        ("#3 1", {"C": "1"}),
        ("#3 = 4", {"C": "4"}),
        ("+refund -typo", {"A": "3", "C": "-3"}),
        ('-"late delivery" +refund x5', {"B": "-3", "A": "5"}),
        ("+“late delivery”", {"B": "3"}),
        ("\u2212typo", {"C": "-3"}),
        ("*refund* 2", {"A": "2"}),
        ("REFUND 5", {"A": "5"}),
        ("late_delivery=2", {"B": "2"}),
        ("I think refund=5 really", {"A": "5"}),
        ("refund 1\ntypo 2", {"A": "1", "C": "2"}),
        ("refund 1\nrefund 5", {"A": "5"}),
        ("price=-3", {"D": "-3"}),
        ("+refund&amp;", {}),
    ],
)
def test_words_of_the_card_are_understood_in_all_their_spellings(text, expected):
    assert said(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "price is 5 dollars", "well-typo", "refund 5.5", "refund=9", "12:30", "I like the price",
        "https://example.com/?refund=5", "price 5 dollars", "", "   ", "5", "refunds 5", "+", "=5",
        "#9 1", "#0=1",
    ],
)  # fmt: skip
def test_prose_says_nothing(text):
    assert said(text) == {}


CELLS = feature_ballot("B2", "A1", "D4", "C1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B2 5, A1 0", {"A": "5", "B": "0"}),
        ("b2 5 a1 0", {"A": "5", "B": "0"}),
        ("B2=5; D4: 1", {"A": "5", "C": "1"}),
        ("+B2 -A1 x5", {"A": "3", "B": "-5"}),
        ("the cat is there: B2=4", {"A": "4"}),
        ("#1 5, A1 2", {"A": "5", "B": "2"}),  # the card's first feature, whatever it is called
        ("C1 3\nC1 2", {"D": "2"}),
    ],
)
def test_cells_of_a_picture_are_voted_on_by_their_names(text, expected):
    assert said(text, CELLS) == expected


@pytest.mark.parametrize(
    "text",
    [
        "B2",
        "B2 6",
        "B25",
        "B 2 5",
        "A2 5",
        "+A2",
        "B2 5 is the eye",
        "A 5",
        "1 5",
        "B2 A1",
        "D4 5.5",
    ],
)
def test_what_names_no_cell_of_the_card_says_nothing(text):
    assert read_reply(text, CELLS) == Spoken()


def test_a_near_miss_is_hinted_at_and_not_counted():
    spoken = read_reply("+refnd", FEATURES)

    assert spoken.said == ()
    assert spoken.hint == "Did you mean refund?"


@pytest.mark.parametrize(
    ("text", "answer", "value"),
    [
        ("+1", "yes", 1.0),
        ("-1", "no", -1.0),
        ("yes", "yes", 1.0),
        ("Does not fit", "no", -1.0),
        ("can't tell", "unsure", None),
        ("bad card", "bad", None),
    ],
)
def test_a_whole_message_can_be_the_answer(text, answer, value):
    (one,) = read_reply(text, sample_ballot()).said

    assert (one.subject, one.answer, one.value) == ("1", answer, value)


def test_plus_one_is_never_a_feature():
    assert said("+1") == {}


def test_cards_with_several_samples_are_answered_by_number():
    assert said("3: yes, 1 no; 2=can't tell", sample_ballot(3)) == {
        "3": "yes",
        "1": "no",
        "2": "unsure",
    }


@pytest.mark.parametrize("text", ["yes", "4: yes", "1: maybe", "1: yes please"])
def test_cards_with_several_samples_need_a_known_number_and_answer(text):
    assert said(text, sample_ballot(3)) == {}


@pytest.mark.parametrize("text", ["label: lost card", "Label: LOST_CARD", "label 1: “lost card”"])
def test_a_better_label_is_given_by_its_name(text):
    assert said(text, sample_ballot()) == {"1.label": "lost_card"}


def test_an_unknown_label_is_answered_with_the_nearest_names():
    spoken = read_reply("label: lst card", sample_ballot())

    assert spoken.said == ()
    assert "lost_card" in spoken.hint


def test_a_label_with_a_colon_in_its_name_can_be_described():
    ballot = sample_ballot(labels=("a", "a: b"))

    assert read_reply("words a: b: foo, bar", ballot).said == (
        Said("words.a: b", None, "foo, bar"),
    )
    assert read_reply("about a: see b", ballot).said == (Said("about.a", None, "see b"),)


def test_words_and_descriptions_of_a_label_are_kept_whole():
    assert said("words card arrival: where,  when\nabout maths: numbers, all of them") == {
        "words.card arrival": "where, when",
        "about.maths": "numbers, all of them",
    }


def test_a_feature_card_speaks_of_one_label_so_its_name_may_be_left_out():
    assert said("words: sum, root\nabout : what one can count") == {
        "words.maths": "sum, root",
        "about.maths": "what one can count",
    }
    assert said("words: sum, root", sample_ballot()) == {}


@pytest.mark.parametrize(
    ("text", "answer", "value"),
    [
        ("lost card", "#3", -1.0),
        ("LOST_CARD", "#3", -1.0),
        ("“maths”", "#1", 1.0),
        ("2", "#2", -1.0),
        ("#2", "#2", -1.0),
        ("label: lost card", "#3", -1.0),
        ("label: maths", "#1", 1.0),
        ("none of these", "none", -1.0),
        ("none", "none", -1.0),
        ("Can't tell", "unsure", None),
        ("Can\u2019t tell", "unsure", None),
    ],
)
def test_which_of_these_is_answered_by_name_or_number(text, answer, value):
    (one,) = read_reply(text, which_ballot()).said

    assert (one.subject, one.answer, one.value) == ("1", answer, value)


@pytest.mark.parametrize(
    "text", ["4", "0", "#4", "+1", "-1", "yes", "fits", "1 2", "I say maths", "maths or lost_card"]
)
def test_what_is_no_answer_to_which_of_these_says_nothing(text):
    assert said(text, which_ballot()) == {}


def test_a_label_that_is_not_offered_can_be_named():
    ballot = which_ballot(options=("maths", "lost_card"))

    assert said("label: card arrival", ballot) == {"1.label": "card arrival"}
    assert said("card arrival", ballot) == {}


def test_an_unknown_label_is_whispered_about_on_which_of_these_too():
    assert "lost_card" in read_reply("label: lst card", which_ballot()).hint


@pytest.mark.parametrize(
    ("text", "answer"), [("3", "#1"), ("1", "#2"), ("#1", "#1"), ("none", "#3"), ("2", "#2")]
)
def test_what_a_label_is_called_outranks_its_number(text, answer):
    ballot = which_ballot(options=("3", "1", "none"), given="3", labels=("3", "1", "none"))

    assert said(text, ballot) == {"1": answer}


@pytest.mark.parametrize(
    ("text", "answer"), [("y", "#1"), ("n", "#2"), ("+1", "#3"), ("A_b", "#4"), ("a b", "#5")]
)
def test_a_label_is_chosen_as_it_is_spelt(text, answer):
    names = ("y", "n", "+1", "A_b", "a b")

    assert said(text, which_ballot(options=names, given="y", labels=names)) == {"1": answer}


def test_a_label_with_a_dash_or_an_apostrophe_is_found_as_it_is_written():
    ballot = sample_ballot(labels=("A\u2013B", "won\u2019t pay"))

    assert said("label: A\u2013B", ballot) == said("label: a-b", ballot) == {"1.label": "A\u2013B"}
    assert said("label: won't pay", ballot) == {"1.label": "won\u2019t pay"}


def test_labels_that_differ_in_case_alone_are_told_apart_by_it():
    ballot = sample_ballot(labels=("Go", "go"))

    assert said("label: Go", ballot) == {"1.label": "Go"}
    assert said("label: go", ballot) == {"1.label": "go"}


@given(st.text(max_size=300))
def test_whatever_is_typed_which_of_these_gets_one_of_its_answers(text):
    ballot = which_ballot()
    choices = {c.id: c.value for c in ballot.choices}

    for one in read_reply(text, ballot).said:
        assert one.subject != "1" or choices[one.answer or ""] == one.value


@given(st.text(max_size=300))
def test_whatever_is_typed_only_known_subjects_are_voted_on(text):
    keys = {s.key for s in FEATURES.subjects}
    known = keys | {f"{verb}.{label}" for verb in ("words", "about") for label in FEATURES.labels}

    for one in read_reply(text, FEATURES).said:
        assert one.subject in known
        assert one.value is None or -1 <= one.value <= 1


@pytest.mark.parametrize("shown", [{"image_path": "a.png"}, {"pictures": ["a"]}, {"grid": 4}])
def test_who_describes_a_label_under_a_picture_hears_that_no_words_are_read(shown):
    ballot = sample_ballot(labels=("cat", "dog"))
    under_it = ballot.model_copy(update={"view": {**ballot.view, **shown}})

    found = read_reply("about cat: it has whiskers", under_it)

    assert found == Spoken((), PICTURES_ALONE)
    assert read_reply("about that: maybe", under_it).said == ()
    assert read_reply("label: dog", under_it).said == read_reply("label: dog", ballot).said != ()
