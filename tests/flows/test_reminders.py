"""Reminders: one per person and round, to those who have not answered, and to nobody else."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from adapters.base import Card
from bot import outgoing, reminders
from bot.access import Access
from bot.quiet import Quiet
from bot.reminders import Reminders
from storage.models import Member, RunState
from tests.storage.records import ask, cast, new_run, question

OPENED = datetime(2026, 11, 21, 12, tzinfo=UTC)
CLOSES = OPENED + timedelta(hours=1)
SPEC = {"name": "banking", "model": "toy", "data": {"pool": "csv:p.csv"}, "ask": {"deadline": 3600}}
SOON = CLOSES - timedelta(minutes=14)


class Asked:
    """A bot with a run that asks: an old card and two open ones, at a moment."""

    def __init__(self, bot, now):
        self.bot, self.store = bot, bot.house.store
        bot.house.now = lambda: now
        self.reminders = Reminders(bot.house, Access(voters=bot.house.settings.voters))

    async def open(self, **spec):
        asks = {**SPEC["ask"], **spec}
        self.run = new_run(self.store, spec={**SPEC, "ask": asks}, arms=("human",))
        [self.old] = ask(self.store, 0, run=self.run)
        times = {"opened_at": OPENED, "closes_at": CLOSES}
        self.cards = ask(self.store, 1, run=self.run, cards=2, **times)
        head = outgoing.post(
            outgoing.head_key(self.run.run_id, "memory"), "memory", "joulery", Card(text="head"),
            run_id=self.run.run_id,
        )  # fmt: skip
        posts = [
            outgoing.post(
                outgoing.card_key(b.ballot_id, "memory"), "memory", "joulery", Card(text="fits?"),
                run_id=self.run.run_id, ballot_id=b.ballot_id,
            )
            for b in self.cards
        ]  # fmt: skip
        await self.bot.house.office.queue(head, *posts)
        assert await self.bot.house.office.drained(10)
        return self

    def vote(self, ballot, *voters):
        for voter in voters:
            self.store.votes.met(Member(member_id=voter, person_id=voter, name=""))
            self.store.votes.add([cast(ballot, voter)])

    async def look(self):
        await self.reminders.look()
        assert await self.bot.house.office.drained(10)


@pytest.fixture
def asked(open_bot):
    @asynccontextmanager
    async def start(now=SOON, ask=None, **changes):
        async with open_bot(**changes) as bot:
            yield await Asked(bot, now).open(**(ask or {}))

    return start


def whispered(chat):
    return {(w.user, w.text) for w in chat.whispers}


async def test_who_voted_before_and_lacks_a_card_is_reminded_once(asked, chat):
    async with asked() as it:
        it.vote(it.old, "memory:ana", "memory:bo")
        it.vote(it.cards[0], "memory:ana", "memory:cy")
        it.vote(it.cards[1], "memory:cy")

        await it.look()
        await it.look()
        await Reminders(it.bot.house, Access()).look()  # as after a restart

        said = "Round 2 of run r1 (banking) closes by 13:00 UTC: {} want{} your answer. This is the only reminder; say /joulery optout for none."
        assert sorted(whispered(chat)) == [
            ("memory:ana", said.format("1 of 2 cards still", "s")),
            ("memory:bo", said.format("2 of 2 cards still", "")),
        ]
        assert len(chat.whispers) == 2
        second = next(
            p for p in chat.posts.values() if p.key == f"card:{it.cards[1].ballot_id}:memory"
        )
        assert next(w for w in chat.whispers if w.user == "memory:ana").where == second.ref


async def test_two_bots_remind_once(asked, chat):
    async with asked() as it:
        it.vote(it.old, "memory:ana")

        await asyncio.gather(*(Reminders(it.bot.house, Access()).look() for _ in range(3)))
        await it.bot.house.office.drained(10)

        assert len(chat.whispers) == 1


@pytest.mark.parametrize(
    ("now", "ask"),
    [
        (CLOSES - timedelta(minutes=16), {}),  # more than a quarter is left
        (CLOSES, {}),
        (SOON, {"deadline": 240}),  # over before anybody would look
    ],
    ids=["early", "over", "short"],
)
async def test_there_is_a_time_for_it(asked, chat, now, ask):
    async with asked(now, ask) as it:
        it.vote(it.old, "memory:ana")

        await it.look()

        assert chat.whispers == []


async def test_at_night_nobody_is_reminded_but_in_the_morning(asked, chat):
    async with asked(quiet_hours="12:30-12:50") as it:
        it.vote(it.old, "memory:ana")

        await it.look()
        at_night = len(chat.whispers)
        it.bot.house.now = lambda: CLOSES - timedelta(minutes=10)
        await it.look()

        assert (at_night, len(chat.whispers)) == (0, 1)


NIGHT = Quiet(time(22), time(7), ZoneInfo("UTC"))
"""On 21 November; a deadline of 15 hours that begins at 07:11 ends at 07:11 on the day after."""


@pytest.mark.parametrize(
    ("opened", "closes", "since"),
    [
        ("21 07:11", "22 07:11", "21 18:26"),  # not in the morning, with eleven minutes left
        ("21 12:00", "22 12:00", "22 08:15"),
        ("21 12:00", "22 14:00", "22 10:15"),  # held for two hours
    ],
)
def test_the_last_part_of_a_deadline_is_counted_by_day(store, opened, closes, since):
    def at(text):
        return datetime.strptime(f"{text} 11 2026 +0000", "%d %H:%M %m %Y %z")

    round_ = question(new_run(store), opened_at=at(opened), closes_at=at(closes))

    assert reminders.since(round_, timedelta(hours=15), NIGHT) == at(since)


async def test_of_a_held_run_nobody_is_reminded(asked, chat):
    async with asked() as it:
        it.vote(it.old, "memory:ana")
        for state in (RunState.TRAINING, RunState.ASKING, RunState.PAUSED):
            it.store.runs.move(it.run.run_id, state, who="ana", why="", now=OPENED)

        await it.look()

        assert chat.whispers == []


async def test_listed_voters_are_reminded_before_their_first_vote_and_patterns_name_nobody(
    asked, chat
):
    async with asked(voters=("memory:dee", "memory:f*")) as it:
        it.vote(it.old, "memory:ana")  # not listed: their votes do not count

        await it.look()

        assert {user for user, _ in whispered(chat)} == {"memory:dee"}


async def test_who_opted_out_and_programs_are_left_out(asked, chat):
    async with asked() as it:
        it.vote(it.old, "memory:ana", "memory:bo", "memory:cy")
        alone, program = (
            Member(member_id=f"memory:{who}", person_id=f"memory:{who}", name="", **about)
            for who, about in (("dee", {"opted_out_at": OPENED}), ("eve", {"is_simulated": True}))
        )
        for member in (alone, program):
            it.store.votes.met(member)
            it.vote(it.old, member.member_id)
        it.store.votes.join("memory:dee", "memory:bo")  # one person: what one account says holds

        await it.look()

        assert {user for user, _ in whispered(chat)} == {"memory:ana", "memory:cy"}


async def test_of_two_accounts_of_a_person_the_one_they_used_last_is_reminded(asked, chat):
    async with asked() as it:
        it.vote(it.old, "memory:ana")
        it.store.votes.join("memory:ana", "memory:other")
        it.store.votes.add([cast(it.old, "memory:other", second=5)])

        await it.look()

        assert {user for user, _ in whispered(chat)} == {"memory:other"}


async def test_whom_the_platform_cannot_reach_one_line_in_the_thread_reminds(asked, chat):
    async with asked() as it:
        it.vote(it.old, "memory:ana", "memory:bo", "memory:cy")
        chat.unreachable |= {"memory:ana", "memory:bo"}

        await it.look()

        said = [p.text for p in chat.posts.values() if (p.key or "").startswith("remind:")]
        assert said == [
            "Round 2 of run r1 (banking) closes by 13:00 UTC: some of you have not answered every "
            "card yet."
        ]
        assert {user for user, _ in whispered(chat)} == {"memory:cy"}


async def test_a_reminder_is_on_the_clock_of_who_reads_it(asked, chat):
    async with asked() as it:
        it.vote(it.old, "memory:ana", "memory:bo", "memory:cy")
        members = it.store.members
        members.set_clock("memory:ana", OPENED, timezone="Asia/Tokyo", locale="de")
        members.set_clock("memory:bo", OPENED, timezone="America/New_York", locale="en_US")

        await it.look()

        closes = {w.user: w.text.split(" closes by ")[1].split(":", 2) for w in chat.whispers}
        assert ":".join(closes["memory:ana"][:2]) == "22:00 JST"
        assert ":".join(closes["memory:bo"][:2]) == "8:00\u202fAM EST"
        assert ":".join(closes["memory:cy"][:2]) == "13:00 UTC"  # the team's
