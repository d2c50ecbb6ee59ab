"""The daily summary through a real bot: once per channel and local day, whatever happens."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters.base import ChatUnavailable
from adapters.memory import MemoryChat
from bot.app import running
from bot.days import LocalDay
from bot.energy.summaries import Summaries, key
from storage.models import RunState
from tests.flows.people import thread
from tests.storage.records import new_run, reading

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MORNING = datetime(2026, 11, 22, 9, 0, 30, tzinfo=UTC)


def book(store, *moments, run=None, **changes):
    """A second of a run's training at each moment: 3600 J."""
    run_id = run.run_id if run else None
    values = {"run_id": run_id, "arm": "human" if run else None}
    values |= {"phase": "train" if run else "bot", **changes}
    store.ledger.add(
        [
            reading(
                int(at.timestamp()), 3600.0,
                started_at=at, ended_at=at + timedelta(seconds=1), **values,
            )
            for at in moments
        ]
    )  # fmt: skip


@pytest.fixture
def summed(open_bot):
    """A bot whose clock stands at a moment."""

    @asynccontextmanager
    async def start(now, **changes):
        async with open_bot(**changes) as bot:
            bot.house.now = lambda: now
            yield bot

    return start


def read_picture(path):
    return Path(path).read_bytes()


def leave_broken_report(run):
    path = Path(run.folder) / "report.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{")


async def posts(bot, chat):
    await bot.house.office.drained(10)
    return [
        p for p in chat.posts.values() if (p.key or "").startswith("energy:") and not p.ref.thread
    ]


async def test_a_day_is_posted_once_with_a_picture_and_its_details_in_the_thread(summed, chat):
    async with summed(MORNING) as bot:
        store = bot.house.store
        book(store, NOON, NOON + timedelta(minutes=1), run=new_run(store))

        await Summaries(bot.house).look()
        await Summaries(bot.house).look()  # as after a restart
        [post] = await posts(bot, chat)

        assert post.key == "energy:memory:joulery:2026-11-21"
        assert post.card.title == "Energy, Sat 21 Nov 2026: 2.00 Wh ±0.10 (measured)"
        assert len(read_picture(post.card.pictures[0].path)) > 10_000
        assert "2.00 Wh ±0.10" in post.card.pictures[0].alt
        [details] = thread(chat, post.ref)
        assert "train 2.00 Wh ±0.10" in details


async def test_where_no_picture_can_be_drawn_words_do(summed, chat, settings):
    async with summed(MORNING) as bot:
        store = bot.house.store
        (settings.data_dir / "summaries").write_text("in the way")
        book(store, NOON, run=new_run(store))

        await Summaries(bot.house).look()

        [post] = await posts(bot, chat)
        assert post.card.pictures == ()


async def test_a_run_whose_report_is_broken_is_summed_up_without_it(summed, chat, tmp_path):
    async with summed(MORNING) as bot:
        store = bot.house.store
        run = new_run(store, runs_folder=tmp_path / "runs")
        book(store, NOON, run=run)
        store.runs.move(run.run_id, RunState.TRAINING, who="ana", why="", now=NOON)
        store.runs.move(run.run_id, RunState.FINISHED, who="ana", why="", now=NOON)
        leave_broken_report(store.runs.get(run.run_id))

        await Summaries(bot.house).look()

        assert len(await posts(bot, chat)) == 1


async def test_every_platform_gets_it_once_also_one_that_does_not_answer_at_the_hour(
    settings, chat
):
    other = MemoryChat()
    other.name = "other"
    async with running(settings, {"memory": chat, "other": other}) as bot:
        bot.house.now = lambda: MORNING
        book(bot.house.store, NOON, run=new_run(bot.house.store))
        other.fail_next(ChatUnavailable("the chat is down"))

        await Summaries(bot.house).look()
        await Summaries(bot.house).look()

        assert [len(await posts(bot, where)) for where in (chat, other)] == [1, 1]


async def test_two_bots_post_it_once(summed, chat):
    async with summed(MORNING) as bot:
        store = bot.house.store
        book(store, NOON, run=new_run(store))

        await asyncio.gather(*(Summaries(bot.house).look() for _ in range(3)))

        assert len(await posts(bot, chat)) == 1


async def test_what_was_missed_while_the_bot_was_down_is_made_up_for(summed, chat):
    """Down for a week: the last three days with anything in them are posted, as late."""
    back = MORNING + timedelta(hours=5)
    async with summed(back) as bot:
        store = bot.house.store
        run = new_run(store)
        book(store, *(NOON - timedelta(days=ago) for ago in (0, 2, 3, 6)), run=run)

        await Summaries(bot.house).look()

        assert [p.card.title for p in await posts(bot, chat)] == [
            "Energy, Thu 19 Nov 2026 (late): 1.000 Wh ±0.050 (measured)",
            "Energy, Sat 21 Nov 2026 (late): 1.000 Wh ±0.050 (measured)",
        ]


async def test_before_the_hour_nothing_is_posted(summed, chat):
    async with summed(MORNING - timedelta(minutes=1)) as bot:
        book(bot.house.store, NOON, run=new_run(bot.house.store))

        await Summaries(bot.house).look()

        assert await posts(bot, chat) == []


async def test_days_without_runs_are_quiet(summed, chat):
    """Nothing booked: no word. The bot alone: a line from 0.01 kWh on, and less is no word either."""
    async with summed(MORNING) as bot:
        store = bot.house.store
        book(store, NOON - timedelta(days=1))  # 1 Wh
        book(store, *(NOON + timedelta(seconds=n) for n in range(20)))  # 20 Wh

        await Summaries(bot.house).look()

        [post] = await posts(bot, chat)
        assert post.text == (
            "Energy, Sat 21 Nov 2026: no runs; the bot itself 20.0 Wh ±1.0 (measured)."
        )


@pytest.mark.parametrize(
    ("moments", "day", "said"),
    [
        # 25 h: from 22:00 UTC to 23:00 UTC the day after; both 02:30s lie in it
        (
            ["2026-10-24T22:00", "2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T22:59"],
            25,
            "4.00",
        ),
        (["2026-10-24T21:59", "2026-10-25T23:00", "2026-10-25T12:00"], 25, "1.000"),
    ],
    ids=["all within", "one within"],
)
async def test_a_day_of_25_hours_has_all_its_hours_and_no_other(summed, chat, moments, day, said):
    now = datetime(2026, 10, 26, 8, 1, tzinfo=UTC)  # 09:01 in Berlin, winter time
    async with summed(now, timezone="Europe/Berlin") as bot:
        store = bot.house.store
        times = [datetime.fromisoformat(f"{text}+00:00") for text in moments]
        book(store, *times, run=new_run(store))

        await Summaries(bot.house).look()

        [post] = [p for p in await posts(bot, chat) if p.key.endswith(f"-{day}")]
        assert f": {said} Wh" in post.card.title
        assert "a day of 25 h" in post.card.footer


def test_platforms_with_channels_of_one_name_do_not_share_a_summary():
    day = LocalDay(date(2026, 11, 21), ZoneInfo("UTC"))

    assert key("slack", "joulery", day) != key("web", "joulery", day)


async def test_old_readings_are_folded_once_a_day(summed):
    async with summed(MORNING) as bot:
        store = bot.house.store
        run = new_run(store)
        old = [NOON - timedelta(days=3) + timedelta(seconds=n) for n in range(120)]
        book(store, *old, run=run)
        before = store.ledger.sums(run.run_id)

        summaries = Summaries(bot.house)
        await summaries.fold()
        folded = len(store.ledger.of_run(run.run_id))
        book(store, *(at + timedelta(hours=1) for at in old), run=run)
        await summaries.fold()

        assert folded == 2
        assert len(store.ledger.of_run(run.run_id)) == 122
        assert store.ledger.sums(run.run_id)[0].energy_j == 2 * before[0].energy_j


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("energy day", "Energy, Sun 22 Nov 2026, so far"),
        ("energy week", "• Sat 21 Nov 2026: 1.000 Wh ±0.050 (measured)"),
        ("energy run", "Run r1: 2.00 Wh ±0.10 (measured)"),
        ("energy r1", "Net of idle: not known"),
    ],
)
async def test_energy_is_told_on_demand(summed, chat, words, said):
    async with summed(MORNING) as bot:
        store = bot.house.store
        book(store, NOON, MORNING - timedelta(hours=1), run=new_run(store))

        await chat.command("ana", words, "joulery")
        async with asyncio.timeout(30):
            await chat.until(lambda: any(said in p.text for p in chat.posts.values()))

        assert sum(said in p.text for p in chat.posts.values()) == 1
