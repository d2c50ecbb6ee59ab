"""Words to commands, and commands to runs through a real chat."""

import pytest

from bot.access import Access
from bot.commands.grammar import (
    Command,
    CommandError,
    bare,
    on_card,
    parse,
    read_seed,
    somebody_else,
)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("", Command("help")),
        ("/joulery", Command("help")),
        ("/joulery STATUS r3", Command("status", ("r3",))),
        ("start demo seed=1", Command("start", ("demo",), {"seed": "1"})),
        ("start demo --control", Command("start", ("demo",), {}, frozenset({"control"}))),
        # chats turn two hyphens into a dash
        ("start demo —control", Command("start", ("demo",), {}, frozenset({"control"}))),
        ("start 'demo' --seed=2", Command("start", ("demo",), {"seed": "2"})),
        ("start ''", Command("start")),
        ("start demo budget=1 kWh", Command("start", ("demo",), {"budget": "1kWh"})),
        ("start --budget 0.5 kWh demo", Command("start", ("demo",), {"budget": "0.5kWh"})),
        ("start budget=1 demo", Command("start", ("demo",), {"budget": "1"})),
        ("stop r3 --later", Command("stop", ("r3",), {}, frozenset({"later"}))),
        ("resume r3 --from 600", Command("resume", ("r3",), {"from": "600"})),
    ],
)
def test_words_are_read_as_commands(text, command):
    assert parse(text) == command


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dance", "I don't know “dance”; say start, stop"),
        ("start demo --fast", "I don't know “fast”; there is --control"),
        ("start demo sed=1", "I don't know “sed”; there is --control, budget=..., seed=..."),
        ("pause r3 from=600", "I don't know “from”; pause takes none"),
        ("start 'demo", "a quote is not closed"),
        ("budget r1 " + "9" * 41, "too long"),
    ],
)
def test_what_is_not_known_is_answered_with_what_is(text, said):
    with pytest.raises(CommandError, match=said):
        parse(text)


@pytest.mark.parametrize("text", ["²", "-1", "1e3", "1" * 12, ""])
def test_a_seed_that_is_none_is_refused_with_an_example(text):
    with pytest.raises(CommandError, match="give a whole number"):
        read_seed(text)


@pytest.mark.parametrize("text", ["stop", " Pause ", "STATUS", "ask", "queue"])
def test_a_bare_verb_is_a_whole_message(text):
    assert bare(text) == text.strip().lower()


@pytest.mark.parametrize("text", ["stop it", "please stop", "start", "stop!"])
def test_prose_is_no_bare_verb(text):
    assert bare(text) is None


@pytest.mark.parametrize("text", ["why", " Why ", "why 3", "why #12", "undo", "undo card"])
def test_some_words_ask_about_the_card_in_whose_thread_they_stand(text):
    assert on_card(text)


@pytest.mark.parametrize("text", ["why not", "why?", "undo all", "undo that", "no", "status"])
def test_prose_and_votes_do_not(text):
    assert not on_card(text)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("undo", None),
        ("undo all r3", None),
        ("undo memory:bo r3", "memory:bo"),
        ("undo memory:ana", None),  # oneself
        ("why pool:12", None),  # a sample, though it is spelt like a person
    ],
)
def test_a_command_is_about_somebody_else_only_where_it_can_be(text, other):
    assert somebody_else(parse(text), "memory:ana") == other


def test_only_admins_undo_what_is_somebody_else_s():
    access = Access(operators=("u:op",), admins=("u:admin",))

    assert access.may_command("u:any", "undo") == ""
    assert access.may_command("u:admin", "undo", "u:bo") == ""
    assert "only admins may undo" in access.may_command("u:op", "undo", "u:bo")
    assert "JOULERY_ADMINS" in Access().may_command("u:any", "undo", "u:bo")
