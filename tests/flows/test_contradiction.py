"""People who contradict each other: their round counts for nothing, and the thread says why."""

import asyncio
from collections import defaultdict

from bot.safety import OUTCOME
from storage.models import RunState
from tests.flows.people import asking, ended, head, thread
from tests.flows.test_audit import emoji, weights

ASK = {"at": [0.3], "audit": 0, "cards": 14, "feature_cards": 0, "quorum": 2, "deadline": 60}


async def answer(chat, bot, run, *patterns):
    """Each person answers card after card by a pattern of yes and no, until the run has ended."""
    store, answered = bot.house.store, defaultdict(int)

    async def keep_voting():
        while True:
            for post in asking(chat):
                posting = store.mail.posting_at(str(post.ref))
                if posting is None or posting.ballot_id in answered:
                    continue
                ballot, _ = store.votes.ballot(posting.ballot_id)
                n = answered[posting.ballot_id] = len(answered)
                for who, pattern in zip(("ana", "bo"), patterns, strict=True):
                    is_yes = pattern[n % len(pattern)] == "y"
                    await chat.react(who, post.ref, emoji(ballot, is_yes))
            await asyncio.sleep(0.05)

    voting = asyncio.create_task(keep_voting())
    try:
        return await ended(bot, run)
    finally:
        voting.cancel()


async def test_a_round_of_contradictions_trains_as_if_nobody_had_voted(open_bot, chat, tiny_spec):
    spec = tiny_spec(ask=ASK)
    async with open_bot() as bot:
        run = await bot.rounds.begin(spec, who="memory:ana", arms=("human", "control"))
        run = await answer(chat, bot, run, "yn", "ny")

        assert run.state is RunState.FINISHED
        [round_] = bot.house.store.votes.rounds(run.run_id)
        assert round_.outcome["votes"] == 28
        assert "contradict each other 100% of the time" in round_.outcome[OUTCOME]
        said = "\n".join(thread(chat, head(chat, run).ref))
        assert "counts for nothing" in said
        assert "set aside" not in said
        assert bot.rounds.segments.reports.heard(run).opinions.samples == ()
        assert weights(bot, run, "human") == weights(bot, run, "control")


async def test_a_round_of_people_who_agree_counts(open_bot, chat, tiny_spec):
    spec = tiny_spec(ask=ASK)
    async with open_bot() as bot:
        run = await bot.rounds.begin(spec, who="memory:ana", arms=("human",))
        run = await answer(chat, bot, run, "yn", "yn")

        [round_] = bot.house.store.votes.rounds(run.run_id)
        assert OUTCOME not in round_.outcome
        assert len(bot.rounds.segments.reports.heard(run).opinions.samples) >= 12  # but for gold
