"""Rows with prompts and answers: plain texts and chats, and what is left out of them."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.data.prompts import (
    UnusableError,
    answer_columns,
    answer_in,
    answer_truth,
    pair_columns,
    pair_in,
    pair_truth,
)
from trainer.data.samples import OFF_TOPIC, Sample
from trainer.kinds import ANSWER, SIDES
from trainer.spec import DataSpec

USER = {"role": "user", "content": "How high is it?"}
SAID = {"role": "assistant", "content": "12 m."}
SYSTEM = {"role": "system", "content": "Be brief."}


def data(**columns: Any) -> DataSpec:
    return DataSpec(pool="csv:pool.csv", **columns)


def answer(row: dict[str, Any], **columns: Any) -> Sample:
    return answer_in(row, data(**columns), "pool-0")


def pair(row: dict[str, Any], **columns: Any) -> Sample:
    return pair_in(row, data(**columns), "pool-0")


def better(sample: Sample) -> str:
    """The text that is filed as the better one."""
    return str(sample.fields[sample.label.lower()])


# --- answers ------------------------------------------------------------------------------------


def test_a_prompt_and_its_answer_are_read_without_white_space_around_them():
    sample = answer({"prompt": " How high? ", "answer": "\n12 m.\n"})

    assert sample.fields == {"prompt": "How high?", "answer": "12 m."}
    assert (sample.label, sample.truth) == (ANSWER, None)


@pytest.mark.parametrize(
    ("value", "said"), [(True, "true"), (False, "false"), (12, "12"), (0.5, "0.5")]
)
def test_flags_and_numbers_are_answers(value, said):
    assert answer({"prompt": "?!", "answer": value}).fields["answer"] == said


def test_the_last_message_of_a_chat_is_its_answer():
    sample = answer({"chat": [USER, SAID]}, messages="chat")

    assert sample.fields == {"prompt": "How high is it?", "answer": "12 m."}


def test_a_longer_chat_is_kept_message_by_message_and_written_out():
    sample = answer({"chat": [SYSTEM, USER, SAID, USER, SAID]}, messages="chat")

    assert sample.fields["messages"] == (
        ("system", "Be brief."),
        ("user", "How high is it?"),
        ("assistant", "12 m."),
        ("user", "How high is it?"),
    )
    assert sample.prompt.startswith("system: Be brief.\n\nuser: How high is it?")
    assert sample.answers == ("12 m.",)


def test_a_chat_in_a_csv_cell_is_read_as_json():
    cell = '[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]'

    assert answer({"chat": cell}, messages="chat").fields == {"prompt": "Hi", "answer": "Ho"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "", "answer": "x"}, "prompt is empty"),
        ({"prompt": None, "answer": "x"}, "prompt is empty"),
        ({"prompt": "\u200b", "answer": "x"}, "prompt is empty"),
        ({"prompt": "x", "answer": " "}, "answer is empty"),
        ({"prompt": "x", "answer": None}, "answer is empty"),
        ({"prompt": "x", "answer": {"text": "y"}}, "answer is no text"),
        ({"prompt": {"text": "y"}, "answer": "x"}, "prompt is no text"),
    ],
)
def test_what_is_empty_or_no_text_is_said(row, reason):
    with pytest.raises(UnusableError, match=reason):
        answer(row)


@pytest.mark.parametrize(
    ("chat", "reason"),
    [
        ([USER], "does not end with the assistant's answer"),
        ([USER, SAID, USER], "does not end with the assistant's answer"),
        ([], "does not end with the assistant's answer"),
        ([SAID], "prompt is empty"),
        ([USER, {"role": "assistant", "content": None}], "answer is empty"),
        ([USER, {"role": "assistant", "content": [{"type": "text"}]}], "message is no text"),
        (["Hi", "Ho"], "no list of messages"),
        ([{"from": "human", "value": "Hi"}], "no list of messages"),
        ("Hi", "does not end with the assistant's answer"),
        ("[1, 2]", "no list of messages"),
        ("[Hi", "does not end with the assistant's answer"),
        (None, "no list of messages"),
        (7, "no list of messages"),
    ],
)
def test_a_chat_that_is_none_is_said(chat, reason):
    with pytest.raises(UnusableError, match=reason):
        answer({"chat": chat}, messages="chat")


@pytest.mark.parametrize("value", [True, "true", "True", 1, "1", 1.0, "yes", "GOOD", "answer"])
def test_what_sounds_true_calls_an_answer_good(value):
    assert answer_truth(value) == ANSWER


@pytest.mark.parametrize("value", [False, "false", 0, "no", "bad", "(off topic)"])
def test_everything_else_calls_it_bad(value):
    assert answer_truth(value) == OFF_TOPIC


@pytest.mark.parametrize("truth", [answer_truth, lambda value: pair_truth(value, "A")])
def test_an_empty_truth_is_unknown(truth):
    assert [truth(value) for value in (None, "", "  ")] == [None, None, None]


# --- pairs --------------------------------------------------------------------------------------


def test_a_pair_is_filed_under_the_side_of_the_chosen_answer():
    for n in range(20):
        sample = pair({"prompt": f"Question {n}", "chosen": f"Good {n}", "rejected": f"Bad {n}"})

        assert better(sample) == f"Good {n}"
        assert sample.truth is None


def test_the_side_says_nothing_and_the_same_two_texts_always_stand_alike():
    rows = [(f"Question {n}", f"Good {n}", "I can't say.") for n in range(400)]
    pairs = [pair({"prompt": p, "chosen": c, "rejected": r}) for p, c, r in rows]
    turned = [pair({"prompt": p, "chosen": r, "rejected": c}) for p, c, r in rows]

    assert 150 < sum(sample.label == "A" for sample in pairs) < 250
    assert [s.fields for s in pairs] == [s.fields for s in turned]
    assert {a.label + b.label for a, b in zip(pairs, turned, strict=True)} == {"AB", "BA"}


def test_the_prompt_may_stand_in_both_chats():
    row = {
        "prompt": "ignored",
        "chosen": [USER, SAID],
        "rejected": [USER, SAID | {"content": "?!"}],
    }

    for sample in (pair(row), pair(row, prompt=None)):
        assert sample.prompt == "How high is it?"
        assert better(sample) == "12 m."


def test_prompt_and_answers_may_be_lists_of_messages_of_their_own():
    row = {"prompt": [SYSTEM, USER], "chosen": [SAID], "rejected": [SAID | {"content": "no"}]}

    sample = pair(row)

    assert sample.fields["messages"] == (("system", "Be brief."), ("user", "How high is it?"))
    assert better(sample) == "12 m."


def test_a_chat_may_be_written_out_where_there_is_no_prompt_column():
    """As Anthropic's hh-rlhf has it."""
    start = "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: And?\n\nAssistant:"

    sample = pair({"chosen": f"{start} Good.", "rejected": f"{start} Bad."}, prompt=None)

    assert sample.fields["messages"] == (("user", "Hi"), ("assistant", "Hello."), ("user", "And?"))
    assert better(sample) == "Good."


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (
            {"prompt": "x", "chosen": "a  b", "rejected": "a\nb "},
            "answers of the pair are the same",
        ),
        ({"prompt": "x", "chosen": "", "rejected": "b"}, "answer is empty"),
        ({"prompt": "x", "chosen": "a", "rejected": None}, "answer is empty"),
        ({"prompt": "", "chosen": "a", "rejected": "b"}, "prompt is empty"),
        ({"prompt": "x", "chosen": [USER], "rejected": [USER, SAID]}, "does not end"),
        ({"prompt": "x", "chosen": [USER, SAID], "rejected": [SYSTEM, SAID]}, "different prompts"),
    ],
)
def test_pairs_that_nothing_can_be_learnt_from_are_said(row, reason):
    with pytest.raises(UnusableError, match=reason):
        pair(row)


def test_the_truth_of_a_pair_is_a_side_or_neither():
    for label, other in (SIDES, SIDES[::-1]):
        assert pair_truth("chosen", label) == label
        assert pair_truth("Rejected", label) == other
        assert pair_truth("tie", label) == OFF_TOPIC


# --- columns ------------------------------------------------------------------------------------


def test_only_the_columns_that_are_wanted_are_read():
    assert answer_columns(data()) == {"prompt": "prompt", "answer": "answer"}
    assert answer_columns(data(messages="chat")) == {"messages": "chat"}
    assert pair_columns(data(chosen="good")) == {
        "prompt": "prompt",
        "chosen": "good",
        "rejected": "rejected",
    }
    assert pair_columns(data(prompt=None)) == {"chosen": "chosen", "rejected": "rejected"}
