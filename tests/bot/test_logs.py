"""A log line tells what happened with its facts."""

from __future__ import annotations

import logging

from bot.logs import WithFacts


def line(*args, **more):
    record = logging.getLogger("bot.x").makeRecord("bot.x", logging.INFO, "x.py", 1, *args, **more)
    return WithFacts("%(levelname)s %(name)s %(message)s").format(record)


def test_facts_stand_behind_the_event():
    said = line("step", (), None, extra={"arm": "r1.human", "left_s": 1.5})

    assert said == "INFO bot.x step arm='r1.human' left_s=1.5"


def test_an_event_without_facts_is_left_as_it_is():
    assert line("100 %% of %s", ("it",), None) == "INFO bot.x 100 % of it"


def test_a_fact_over_several_lines_stays_on_one():
    assert line("died", (), None, extra={"log": "a\nb %s"}) == "INFO bot.x died log='a\\nb %s'"


def test_a_traceback_comes_last():
    try:
        raise ValueError("no")
    except ValueError as err:
        said = line("failed", (), (type(err), err, err.__traceback__), extra={"job": "lease"})

    first, *_, last = said.splitlines()
    assert first == "INFO bot.x failed job='lease'"
    assert last == "ValueError: no"
