"""People ask about votes and take them back, in a real chat with real training."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.base import CommandInvoked, Ref
from bot.members import forget_due
from storage.models import RoundState
from tests.flows.people import (
    asking,
    comes_true,
    ended,
    head,
    open_cards,
    spelt,
    thread,
    vote_until_ended,
)
from tests.flows.test_asking_back import asked, button
from trainer.segment import SegmentPlan

CHANNEL = "joulery"


async def told(chat, who, words, where=CHANNEL):
    """What somebody is told in private for a command."""
    n = len(chat.whispers)
    await chat.command(who, words, where)
    await chat.until(lambda: len(chat.whispers) > n)
    return chat.whispers[-1].text


async def said(chat, who, words, where=CHANNEL):
    """What everybody sees of the answer to a command."""
    known = set(chat.posts)
    await chat.command(who, words, where)

    def answer():
        return [
            p for ref, p in chat.posts.items() if ref not in known and p.key.startswith("answer:")
        ]

    await chat.until(answer)
    return answer()[0]


def current(bot, run):
    votes = bot.house.store.votes
    return votes.current([b.ballot_id for b in votes.ballots(run_id=run.run_id)])


async def sample_cards(chat):
    cards = await open_cards(chat, 6)
    return [post for post in cards if not post.card.menu]


async def until_asked(bot, run):
    """The ballots of the first round, once it is open."""
    votes = bot.house.store.votes
    await comes_true(lambda: votes.ballots(run_id=run.run_id), timeout_s=60)
    return votes.ballots(run_id=run.run_id)


async def two_votes(chat, bot, run):
    """Bo answers two cards; the second one."""
    first, second, *_ = await sample_cards(chat)
    for post in (first, second):
        await chat.react("bo", post.ref, spelt(post, "up"))
    await comes_true(lambda: len(current(bot, run)) == 2)
    return second


async def test_one_s_last_answer_is_taken_back_and_a_snapshot_does_not_bring_it_back(
    open_bot, chat, tiny_spec
):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask={"quorum": 9}), who="memory:ana")
        second = await two_votes(chat, bot, run)

        answer = await told(chat, "bo", "undo")
        await bot.look_at_open_cards()

        assert answer.startswith(
            "Taken back: “" if "#1" in str(second.card) else "Taken back: fits"
        )
        assert "still stands there says nothing any more" in answer
        assert len(current(bot, run)) == 1
        await chat.unreact("bo", second.ref, spelt(second, "up"))
        await chat.react("bo", second.ref, spelt(second, "up"))
        await comes_true(lambda: len(current(bot, run)) == 2)
        await bot.look_at_open_cards()
        assert len(current(bot, run)) == 2
        await bot.rounds.stop(run.run_id, "memory:ana")
        await ended(bot, run)


async def test_an_undo_that_is_heard_again_after_a_crash_takes_nothing_more_back(
    open_bot, chat, tiny_spec
):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask={"quorum": 9}), who="memory:ana")
        await two_votes(chat, bot, run)
        command = CommandInvoked(
            event_id="e-undo", user="memory:bo", at=bot.house.now(), words="undo",
            ref=Ref(platform="memory", channel=CHANNEL, message=""),
        )  # fmt: skip

        for _ in range(2):  # the bot died before it could note that it had dealt with it
            await bot.commands.hear(command, None)
        await chat.until(lambda: chat.whispers)

        assert len(current(bot, run)) == 1
        (told_once,) = chat.whispers
        assert told_once.text.startswith("Taken back: ")
        await bot.rounds.stop(run.run_id, "memory:ana")
        await ended(bot, run)


async def test_undo_in_a_card_s_thread_is_of_that_card_and_all_is_all(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask={"quorum": 9}), who="memory:ana")
        cards = await sample_cards(chat)
        for post in cards:
            await chat.react("bo", post.ref, spelt(post, "up"))
        await comes_true(lambda: len(current(bot, run)) == len(cards))

        n = len(chat.whispers)
        await chat.reply("bo", cards[0].ref, "undo")
        await chat.until(lambda: len(chat.whispers) > n)
        left = {v.ballot_id for v in current(bot, run)}
        unknown = await told(chat, "bo", "undo everything")
        answer = await told(chat, "bo", "undo all")
        nothing = await told(chat, "bo", "undo")

        assert "I don't know what “everything” means there" in unknown
        assert len(left) == len(cards) - 1
        assert f"{len(cards) - 1} votes on {len(cards) - 1} cards" in answer
        assert current(bot, run) == []
        assert nothing == "Not done: there is no vote of memory:bo in run r1 to take back"
        await bot.rounds.stop(run.run_id, "memory:ana")
        await ended(bot, run)


async def test_only_an_admin_takes_somebody_s_votes_back_and_means_it(open_bot, chat, tiny_spec):
    """The closed round is counted anew, its cards are redrawn, and training hears what is left."""
    ask = {"quorum": 2, "deadline": 15}  # in the next round one person is left to vote
    async with open_bot(admins=("memory:eve",)) as bot:
        run = await bot.rounds.begin(tiny_spec(ask=ask), who="memory:ana")
        cards = await open_cards(chat, 6)
        for who in ("bo", "cy"):
            for post in cards:
                if post.card.menu:
                    await chat.submit(who, post.ref, {post.card.menu.options[0][0]: "4"})
                else:
                    await chat.react(who, post.ref, spelt(post, "up"))
        store = bot.house.store.votes
        await comes_true(lambda: store.rounds(run.run_id)[0].state is RoundState.CLOSED)
        before = store.rounds(run.run_id)[0].outcome["votes"]

        denied = await told(chat, "bo", "undo memory:cy r1")
        await chat.command("eve", "undo memory:cy r1", CHANNEL)
        card = await asked(chat)
        votes_meanwhile = len({v.person for v in current(bot, run)})
        await chat.press("eve", card.ref, button(card, "Yes"))
        await chat.until(lambda: card.card.is_closed)
        await chat.until(lambda: any(w.user == "memory:cy" for w in chat.whispers))

        assert denied.startswith("Not done: only admins may undo what is somebody else's")
        assert card.card.title == "“undo r1 memory:cy”"
        assert votes_meanwhile == 2
        (done,) = card.card.lines
        assert done.startswith("Taken back: memory:cy's 6 votes on 6 cards.")
        assert "training hears of it from its next segment on" in done
        assert {v.person for v in current(bot, run)} == {"memory:bo"}
        outcome = store.rounds(run.run_id)[0].outcome
        assert (before, outcome["votes"], outcome["voters"]) == (12, 6, 1)
        await bot.house.office.drained(10)
        digest = next(p for p in chat.posts.values() if p.key.startswith("closed:r1.human.q0"))
        assert "Counted again, as votes were taken back: 6 votes by 1 person:" in digest.text
        assert all("2" not in post.card.tally for post in cards if not post.card.menu)
        assert ("memory:eve", "undo r1 memory:cy", True) in bot.house.store.upkeep.commands()
        run = await vote_until_ended(chat, bot, run, who="bo")
        plan = (await asyncio.to_thread(_last_plan, bot, run)).opinions.samples
        assert plan
        assert max(opinion.votes for opinion in plan) == 1


def _last_plan(bot, run):
    last = bot.house.store.runs.segments(f"{run.run_id}.human")[-1]
    return SegmentPlan.read(
        Path(run.folder) / "human" / f"segment-{last.n}-{last.attempt}" / "plan.json"
    )


async def test_why_leads_nobody_while_a_card_is_open_and_tells_all_when_it_is_closed(
    open_bot, chat, tiny_spec
):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(), who="memory:ana")
        ballots = {b.ballot_id: b for b in await until_asked(bot, run)}
        card = next(
            post
            for post in await sample_cards(chat)
            if ballots[post.key.split(":")[1]].subjects[0].role != "gold"
        )
        sample_id = card.card.footer.split(" · ")[1]
        await chat.reply("bo", card.ref, "why")
        await chat.until(lambda: thread(chat, card.ref))
        (first,) = thread(chat, card.ref)
        run = await vote_until_ended(chat, bot, run)

        after = (await said(chat, "bo", f"why {sample_id}")).text
        unknown = (await said(chat, "bo", "why pool-99999")).text
        outside = (await said(chat, "bo", "why")).text

        assert f"Sample {sample_id}" in first
        assert "so that nobody is led" in first
        assert "%" not in first
        assert "Ana: " in after
        assert "filed under" in after
        assert "vote that count" in after or "votes that count" in after
        assert "It is trained on" in after or "It is set aside" in after
        assert unknown.startswith("Not done: no sample “pool-99999” was looked at in run r1")
        assert "Say why SAMPLE" in outside


async def test_why_s_answer_is_no_vote_and_a_label_called_so_is(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask={"quorum": 9}), who="memory:ana")
        card, *_ = await sample_cards(chat)
        await chat.reply("bo", card.ref, "Why")
        await chat.until(lambda: thread(chat, card.ref))
        await chat.reply("bo", card.ref, "why is that so")
        await chat.reply("bo", card.ref, "can't tell")
        await comes_true(lambda: current(bot, run))

        assert [v.answer for v in current(bot, run)] == ["unsure"]
        assert len(thread(chat, card.ref)) == 1
        await bot.rounds.stop(run.run_id, "memory:ana")
        await ended(bot, run)


async def test_who_voted_how_often_is_for_all_what_votes_are_worth_for_one(
    open_bot, chat, tiny_spec
):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(), who="memory:ana")
        await vote_until_ended(chat, bot, run)

        votes = (await said(chat, "bo", "votes")).text
        mine = await told(chat, "ana", "me")
        none = await told(chat, "bo", "me r1")

        assert votes.startswith("Run r1: ")
        assert "• Ana: " in votes
        assert "s an answer" in votes
        assert "Agreement α" in votes
        assert "Only you see this" in mine
        assert "how reliable" in mine.lower() or "right with about" in mine
        assert none == "You have no votes in run r1. Cards come while a run asks."
        assert [p.text for p in chat.posts.values() if "Only you see this" in p.text] == []


async def test_the_curve_so_far_is_drawn_into_the_run_s_thread(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(), who="memory:ana")
        await open_cards(chat, 6)
        early = (await said(chat, "bo", "plot")).text
        run = await vote_until_ended(chat, bot, run)

        post = await said(chat, "bo", "plot r1")

        assert early == "Not done: nothing of run r1 was evaluated yet; say plot once it trains"
        assert post.ref.thread == head(chat, run).ref.message
        assert post.text.startswith(
            f"Run r1 {run.name}: accuracy over energy. So far: with your votes"
        )
        (picture,) = post.pictures
        held = await asyncio.to_thread(Path(picture.path).read_bytes)
        assert held.startswith(b"\x89PNG")


async def test_who_opts_out_is_named_nowhere_and_counts(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(), who="memory:ana")
        await sample_cards(chat)
        answer = await told(chat, "ana", "optout")
        await vote_until_ended(chat, bot, run)

        votes = (await said(chat, "bo", "votes")).text
        await told(chat, "ana", "optin")
        again = (await said(chat, "bo", "votes")).text

        assert "What you answered counts" in answer
        assert "• somebody: " in votes
        assert "Ana" not in votes
        assert "• Ana: " in again


async def test_who_is_forgotten_is_in_no_byte_of_the_database(open_bot, chat, tiny_spec, settings):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(), who="memory:zoequx")
        cards = await sample_cards(chat)
        await chat.react("zoequx", cards[0].ref, spelt(cards[0], "up"))
        await comes_true(lambda: current(bot, run))
        waits = await told(chat, "zoequx", "forget me")
        await forget_due(bot.house)
        is_known_meanwhile = "memory:zoequx" in bot.house.store.votes.members()
        run = await vote_until_ended(chat, bot, run)
        before = [(v.ballot_id, v.value, v.subject) for v in current(bot, run)]
        await forget_due(bot.house)
        after = [(v.ballot_id, v.value, v.subject) for v in current(bot, run)]

        held = [p.read_bytes() for p in settings.data_dir.glob("joulery.db*")]
        assert "cards that are still open" in waits
        assert is_known_meanwhile
        assert sorted(before) == sorted(after)
        assert sum(v.voter.startswith("memory:gone-") for v in current(bot, run)) == 1
        assert held
        assert not [text for text in held if b"zoequx" in text.lower()]
        assert not asking(chat)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("forget bo", "say forget me; nobody else can say it for you"),
        ("undo", "there are no runs yet"),
    ],
)
async def test_what_is_not_meant_is_answered_with_what_is(open_bot, chat, words, answer):
    async with open_bot():
        assert answer in await told(chat, "ana", words)


async def test_people_have_clocks_of_their_own(open_bot, chat):
    chat.clocks["ana"] = ("Asia/Tokyo", "de-DE")
    async with open_bot() as bot:
        first = await told(chat, "ana", "clock")
        second = await told(chat, "ana", "clock Europe/Berlin fr")
        wrong = await told(chat, "ana", "clock Berlin")
        again = await told(chat, "ana", "clock auto")
        known = bot.house.store.votes.members()["memory:ana"]

        assert "on the clock of Asia/Tokyo, as far as your chat says: now is" in first
        assert "on the clock of Europe/Berlin, as you said: now is" in second
        assert wrong.startswith("Not done: “Berlin” is neither a time zone nor a language")
        assert "UTC, as far as your chat says" in again  # until they do something more
        assert known.clock_set_at is None
