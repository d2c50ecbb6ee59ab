"""Commands with typed options, and the words they stand for."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.base import Option, Verb
from adapters.discord import verbs
from bot.verbs import SHOWN
from tests.fake_discord.limits import check_commands


def given(verb: str, *options: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "joulery", "options": [{"name": verb, "type": 1, "options": options}], **more}


def option(name: str, kind: int, value: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "value": value, **more}


def test_discord_takes_the_commands_there_are() -> None:
    commands = verbs.payload(SHOWN)

    check_commands(commands)
    [group] = commands
    start = next(o for o in group["options"] if o["name"] == "start")
    assert [(o["name"], o["type"]) for o in start["options"]] == [
        ("spec", 3),
        ("seed", 4),
        ("budget", 3),
        ("control", 5),
    ]
    assert start["options"][0]["autocomplete"]
    assert start["options"][0]["required"]


def test_the_digest_changes_with_the_commands_alone() -> None:
    one, same = verbs.payload(SHOWN), verbs.payload(tuple(SHOWN))

    assert verbs.digest(one) == verbs.digest(same)
    assert verbs.digest(one) != verbs.digest(verbs.payload(SHOWN[:-1]))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (given("help"), "help"),
        (given("stop", option("run", 3, "r1"), option("yes", 5, True)), "stop r1 --yes"),
        (
            given(
                "start",
                option("control", 5, True),
                option("seed", 4, 7),
                option("spec", 3, "tiny"),
                option("budget", 3, "5 Wh"),
            ),
            "start tiny seed=7 budget=5Wh --control",
        ),
        (given("start", option("spec", 3, "tiny"), option("control", 5, False)), "start tiny"),
        (
            given("allow", option("who", 9, "5001"), option("role", 3, "voter")),
            "allow discord:5001 voter",
        ),
        (
            given(
                "allow",
                option("who", 9, "4001"),
                option("role", 3, "voter"),
            )
            | {"resolved": {"roles": {"4001": {}}}},
            "allow discord:role-4001 voter",
        ),
        (given("stop", option("run", 3, "r1\nr2")), "stop r1 r2"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_become_the_words_the_house_knows(data: dict[str, Any], words: str) -> None:
    assert verbs.words(SHOWN, data) == words


def test_what_is_being_typed_is_told() -> None:
    data = given("stop", option("run", 3, "r", focused=True))

    assert verbs.focused(data) == ("stop", "run", "r")


def test_more_choices_and_letters_than_discord_takes_are_left_out() -> None:
    much = Verb(
        name="x",
        about="a" * 300,
        options=(Option(name="o", about="b" * 300, choices=tuple(str(n) for n in range(40))),),
    )

    check_commands(verbs.payload((much,)))
