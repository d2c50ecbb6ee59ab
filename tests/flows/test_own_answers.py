"""What people say of the model's own answers: heard, told, in nobody's way, and never trained on."""

from datetime import UTC, datetime

import pytest

from bot.pleased import OUTCOME
from storage.models import RoundState, RunState, SampleView
from tests.flows.people import ended, head, open_cards, thread
from tests.flows.untrained import ask_of, untrained
from trainer.segment import Candidate
from trainer.spec import RunSpec

SPEC = RunSpec(
    name="t", task="causal-lm", model="toy", data={"pool": "csv:pool.csv"}, ask={"quorum": 2}
)


def shown(sample_id, told):
    return SampleView(sample_id=sample_id, parts=(("Prompt", "What is a port?"), (told, "A door.")))


class Asked:
    """A run whose rounds are asked by hand: nothing is trained."""

    def __init__(self, bot, chat):
        self.bot, self.chat, self.rounds = bot, chat, 0

    async def begin(self):
        self.run = await untrained(self.bot, SPEC)

    async def round(self):
        """One sample and two of the model's own answers, on cards."""
        n, self.rounds = self.rounds, self.rounds + 1
        round_ = await ask_of(
            self.bot, self.run, SPEC, n, labels=("answer",),
            candidates=(Candidate(view=shown(f"pool-{n}", "Answer"), role="ask"),),
            generations=(shown("dev-1", "Model's answer"), shown("dev-2", "Model's answer")),
        )  # fmt: skip
        return round_, await open_cards(self.chat, 3)

    async def react(self, post, *marks):
        for who, emoji in zip(("ana", "bo", "cy"), marks, strict=False):
            await self.chat.react(who, post.ref, emoji)

    async def closed(self, round_):
        """The round after a look at it."""
        await self.bot.house.office.settled()
        await self.bot.rounds.listening.check(round_.round_id)
        await self.bot.house.office.drained(10)
        rounds = self.bot.house.store.votes.rounds(self.run.run_id)
        return next(r for r in rounds if r.round_id == round_.round_id)

    def said(self):
        return "\n".join(thread(self.chat, head(self.chat, self.run).ref))


@pytest.fixture
async def asked(open_bot, chat):
    async with open_bot() as bot:
        asked = Asked(bot, chat)
        await asked.begin()
        yield asked


async def test_the_sample_s_quorum_closes_a_round_and_the_model_s_answers_alone_do_not(asked):
    round_, (sample, one, two) = await asked.round()
    await asked.react(one, "up", "up")
    await asked.react(two, "up", "down")

    assert (await asked.closed(round_)).state is RoundState.OPEN

    await asked.react(sample, "up", "down")
    found = await asked.closed(round_)

    assert (found.state, found.closed_by) == (RoundState.CLOSED, "quorum")
    assert found.outcome["votes"] == 2
    assert found.outcome[OUTCOME] == {"good": 1, "rated": 2, "is_clear": False}
    assert "2 votes by 2 people: 1 worth learning, 1 not worth it" in asked.said()
    assert "The model's own answers: the team finds 1 of 2 good." in asked.said()
    assert [
        o.sample_id for o in asked.bot.rounds.segments.reports.heard(asked.run).opinions.samples
    ] == ["pool-0"]


async def test_stop_is_suggested_once_the_team_is_clearly_happy_and_done_by_people_alone(asked):
    for marks in (("up", "down"), ("up", "up")):
        round_, (sample, one, two) = await asked.round()
        await asked.react(one, "up", "up")
        await asked.react(two, *marks)
        await asked.react(sample, "up", "up")
        await asked.closed(round_)

    assert "finds 2 of 2 good; in the round before it was 1 of 2." in asked.said()
    assert asked.said().count("say `stop` to end here, or let it go on") == 1
    run = asked.bot.house.store.runs.get(asked.run.run_id)
    assert run.state is RunState.QUEUED


async def test_a_round_without_a_word_on_the_model_s_answers_says_nothing_of_them(asked):
    round_, (sample, *_) = await asked.round()
    await asked.react(sample, "up", "up")
    found = await asked.closed(round_)

    assert OUTCOME not in found.outcome
    assert "own answers: the team" not in asked.said()


async def test_where_nobody_is_asked_the_thread_shows_what_the_model_answers(
    open_bot, answers_spec, chat
):
    async with open_bot(timezone="Europe/Berlin", quiet_hours="22-7") as bot:
        bot.house.now = lambda: datetime(2026, 11, 21, 22, 30, tzinfo=UTC)
        spec = answers_spec(ask={"at": [0.5], "at_night": "continue"})
        run = await bot.rounds.begin(spec, who="memory:ana")
        await ended(bot, run)

        [said] = [t for t in thread(chat, head(chat, run).ref) if "the model answers by now" in t]
        assert said.count("Prompt: ") == said.count("Model's answer: ") == 3
        assert "say `stop` to end here" in said


async def test_a_pause_with_nothing_left_to_ask_shows_what_the_model_answers_and_goes_on(
    open_bot, answers_spec, chat
):
    async with open_bot() as bot:
        spec = answers_spec(ask={"at": [0.3, 0.6], "cards": 0})  # and its pool has no topics
        run = await bot.rounds.begin(spec, who="memory:ana")
        await ended(bot, run)

        assert bot.house.store.votes.rounds(run.run_id) == []
        texts = thread(chat, head(chat, run).ref)
        assert sum("What the model answers by now" in text for text in texts) == 2
