"""Codes that make two accounts one person, and what is shown of the commands."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.commands.grammar import OPTIONS, parse
from bot.commands.hearing import DOES
from bot.linking import LENGTH, WRONG_TRIES, LinkError, Links
from bot.verbs import SHOWN

NOW = datetime(2026, 11, 28, tzinfo=UTC)


class Time:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def links(time):
    return Links(time)


def test_a_code_joins_once_however_it_is_written(links):
    code = links.offer("slack:UANA")

    assert len(code) == LENGTH
    assert links.redeem(code.lower(), "discord:5000") == "slack:UANA"
    with pytest.raises(LinkError, match="say link on the other account"):
        links.redeem(code, "discord:5001")


def test_a_code_ends_after_ten_minutes_and_with_the_next_one(links, time):
    first = links.offer("slack:UANA")
    second = links.offer("slack:UANA")
    with pytest.raises(LinkError):
        links.redeem(first, "discord:5000")
    time.now = NOW + timedelta(minutes=10)
    with pytest.raises(LinkError):
        links.redeem(second, "discord:5000")


def test_ones_own_code_joins_nothing_and_stays_good(links):
    code = links.offer("slack:UANA")

    with pytest.raises(LinkError, match="your other account"):
        links.redeem(code, "slack:UANA")
    assert links.redeem(code, "web:ana") == "slack:UANA"


def test_who_guesses_has_to_wait(links, time):
    code = links.offer("slack:UANA")
    for _ in range(WRONG_TRIES):
        with pytest.raises(LinkError, match="I don't know this code"):
            links.redeem("AAAAAA", "discord:666")

    with pytest.raises(LinkError, match="wait ten minutes"):
        links.redeem(code, "discord:666")
    assert links.redeem(code, "discord:5000") == "slack:UANA"


def test_every_command_is_shown_with_options_that_are_understood():
    assert {verb.name for verb in SHOWN} == set(DOES)
    for verb in SHOWN:
        assert {o.name for o in verb.options if o.is_named} <= OPTIONS
        flags = [f"--{o.name}" for o in verb.options if o.kind == "flag"]
        named = [f"{o.name}=1" for o in verb.options if o.is_named]
        plain = [o.name for o in verb.options if o.kind != "flag" and not o.is_named]
        assert parse(" ".join([verb.name, *plain, *named, *flags])).verb == verb.name
