"""People who contradict each other: their round counts for nothing, and the thread says why."""

import itertools

from bot.safety import OUTCOME
from storage.models import RunState
from tests.flows.people import answer_each, head, thread
from tests.flows.test_audit import emoji, weights

ASK = {"at": [0.3], "audit": 0, "cards": 14, "feature_cards": 0, "quorum": 2, "deadline": 60}


async def answer(chat, bot, run, *patterns):
    """Ana and Bo answer card after card, each by a pattern of yes and no, until the run has ended."""
    turns = zip(*map(itertools.cycle, patterns), strict=True)

    async def both(post, ballot):
        for who, says in zip(("ana", "bo"), next(turns), strict=True):
            await chat.react(who, post.ref, emoji(ballot, says == "y"))

    return await answer_each(chat, bot, run, both)


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
