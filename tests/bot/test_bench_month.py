"""A few days of daily use in half a minute: real bot, real kills, and an oracle that sees what is amiss."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.bench.month import suite
from bot.bench.month.check import due_days
from bot.bench.month.clock import LEAST_TICK_S, FastClock, Pace
from bot.bench.month.mishaps import Outages, kill
from bot.bench.month.people import LAST, plan
from bot.bench.month.plan import MONTH, QUICK
from bot.settings import Settings
from tests.storage.records import new_run, question

NOON = datetime(2026, 10, 24, 12, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Berlin")


@pytest.mark.slow
async def test_a_few_days_with_kills_and_locks_lose_and_double_nothing(tiny_spec):
    found = await suite.run(tiny_spec(), quick=True, progress=lambda done, total: None)

    amiss = {f.name: f.value for f in found.figures if f.holds is False and f.unit != "s"}
    assert amiss == {}, found.setting["notes"]
    assert (found.setting["kills"], found.setting["runs"]) == (QUICK.kills, QUICK.runs)
    votes = QUICK.runs * (QUICK.people * QUICK.cards - 1)
    assert 0.5 * votes < found.setting["votes"] <= votes  # a busy machine holds some people up
    assert found.setting["commands"] > 0
    assert found.setting["summaries_posted"] >= 1


def test_the_clock_runs_fast_and_goes_on_in_another_process(tmp_path):
    pace = Pace(starts=NOON.timestamp(), wall=0.0, speed=1000.0)
    pace.keep(tmp_path / "pace.json")

    again = Pace.read(tmp_path / "pace.json")

    assert again == pace
    assert pace.wall_s(timedelta(hours=1)) == 3.6
    assert abs((Pace.from_now(NOON, 1000.0).now() - NOON).total_seconds()) < 1000


def test_looks_come_less_often_than_time_runs_but_the_frequent_ones_most():
    ticks = [FastClock(Pace(0.0, 0.0, 2000.0)).tick_s(seconds) for seconds in (1, 10, 30, 300)]

    assert ticks == sorted(ticks)
    assert ticks[0] == LEAST_TICK_S
    assert ticks[-1] < 3


def test_people_answer_every_card_but_one_long_before_the_round_closes(store):
    asked = question(new_run(store), opened_at=NOON, closes_at=NOON + timedelta(days=2))
    offered = {f"c{n}": ("yes", "no") for n in range(5)}

    acts = plan(asked, offered, ["ana", "bo"], "bo", random.Random(1))

    given = {(one.who, one.act.card) for one in acts}
    assert len(given) == 9
    assert sum(who == "bo" for who, _ in given) == 4
    assert [one.at for one in acts] == sorted(one.at for one in acts)
    assert acts[-1].at < NOON + (LAST + 0.06) * timedelta(days=2)


def test_where_everybody_answers_nobody_changes_their_mind(store):
    """The last answer closes the round."""
    asked = question(new_run(store), opened_at=NOON, closes_at=NOON + timedelta(days=2))

    acts = plan(asked, {"c1": ("yes", "no")}, [f"p{n}" for n in range(50)], None, random.Random(1))

    assert len(acts) == 50


def test_what_is_left_of_a_time_after_outages():
    outages = Outages(
        [(NOON, NOON + timedelta(hours=1)), (NOON + timedelta(hours=3), NOON + timedelta(hours=9))]
    )

    assert outages.up(NOON, NOON + timedelta(hours=4)) == 2 * 3600
    assert outages.up(NOON + timedelta(hours=4), NOON + timedelta(hours=5)) == 0


def test_a_day_is_due_only_where_the_bot_was_up_long_enough_to_see_to_it():
    """Summaries are due at nine; at the end it was down for four of the ten hours since the last."""
    settings = Settings(_env_file=None, timezone="UTC", summary_hour=9)
    end = datetime(2026, 10, 27, 19, tzinfo=UTC)
    down = Outages([(end - timedelta(hours=8), end - timedelta(hours=4))])

    always, partly = (due_days(NOON, end, settings, one) for one in (Outages(), down))

    assert [str(day.date) for day in always] == ["2026-10-24", "2026-10-25", "2026-10-26"]
    assert partly == always[:-1]


class SlowBot:
    """Takes long to start."""

    def kill(self):
        pass

    async def start(self):
        await asyncio.sleep(0.06)


async def test_kills_come_in_time_on_a_machine_where_starting_takes_long():
    loop = asyncio.get_running_loop()
    began = loop.time()

    outages = await kill(SlowBot(), 10, 1.0, Pace.from_now(NOON, 1.0), random.Random(1))

    assert len(outages.spans) == 10
    assert loop.time() - began < 1.6


def test_a_month_has_the_hour_that_comes_twice_and_its_votes():
    for month in (MONTH, QUICK):
        lengths = month.ends.astimezone(UTC) - month.starts.astimezone(UTC)
        assert lengths == timedelta(days=month.days, hours=1)
    votes = MONTH.runs * len(MONTH.pauses) * MONTH.people * MONTH.cards
    assert votes >= 6_000
    assert (MONTH.runs, MONTH.days, MONTH.kills) == (12, 30, 40)
