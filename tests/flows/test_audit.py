"""The audit before any expensive work: go, no-go, nobody there; and the ballots after it."""

import itertools

import pytest

from bot.conclusion import read_report
from bot.weighing import NOT_ASKED
from storage.models import RoundState, RunState, SegmentState
from tests.conftest import write_topics
from tests.flows.people import (
    answer_each,
    asking,
    certain_of,
    ended,
    head,
    thread,
    vote_until_ended,
)
from tests.flows.served import Ballots, Served, assert_all_stands_once, run_ended, until, write_spec
from trainer.segment import SegmentPlan, SegmentReport

ASK = {"at": [0, 0.5], "audit": 12, "cards": 16, "feature_cards": 0}
"""12 random cards first, then 4, then 16."""


async def vote_by(chat, bot, run, fits, careless=()):
    """Answer every card of the run as it opens, until it has ended.

    Args:
        chat: where the cards are.
        bot: knows which ballot a card shows.
        run: whose cards.
        fits: yields for each card whether Ana says that the label fits; gold cards she has right.
        careless: people who answer after her, wherever it is known what is right always wrongly.
    """

    async def answer(post, ballot):
        [subject] = ballot.subjects
        is_gold = subject.role == "gold"
        is_yes = subject.truth > 0.5 if is_gold else next(fits)
        await chat.react("ana", post.ref, emoji(ballot, is_yes))
        for who in careless:
            await chat.react(who, post.ref, emoji(ballot, is_yes is not is_gold))

    return await answer_each(chat, bot, run, answer)


def emoji(ballot, is_yes):
    """What says whether the given label fits, on either kind of card."""
    return [c for c in ballot.choices if c.value == (1.0 if is_yes else -1.0)][-1].emoji[0]


def said_in(chat, run):
    return "\n".join(thread(chat, head(chat, run).ref))


def weights(bot, run, arm):
    return bot.house.store.runs.checkpoints(f"{run.run_id}.{arm}")[-1].weights_sha256


def forwards(bot, run, arm):
    """What an arm computed: a trained sample counts 2.2, measuring accuracy nothing."""
    segments = bot.house.store.runs.segments(f"{run.run_id}.{arm}")
    reports = [SegmentReport.model_validate(s.report) for s in segments]
    return sum(r.samples_needed + 2.2 * r.samples_trained for r in reports)


async def test_a_clean_pool_is_trained_on_as_the_control_does_and_nobody_is_asked_again(
    open_bot, chat, tiny_spec, tmp_path
):
    """The same weights, bit for bit, for at most 1.02 of the control's computing."""
    write_topics(tmp_path / "pool.csv", 90, seed=1)
    async with open_bot() as bot:
        run = await bot.rounds.begin(
            tiny_spec(ask=ASK), who="memory:ana", arms=("human", "control")
        )
        run = await vote_by(chat, bot, run, itertools.repeat(True))
        [audit] = bot.house.store.votes.rounds(run.run_id)
        segments = bot.house.store.runs.segments(f"{run.run_id}.human")

        assert run.state is RunState.FINISHED
        assert audit.outcome["votes"] == 12
        assert audit.outcome["decision"]["go"] is False
        assert [s.until for s in segments] == [0.0, 1.0]
        assert weights(bot, run, "human") == weights(bot, run, "control")
        assert forwards(bot, run, "human") <= 1.02 * forwards(bot, run, "control")
        said = said_in(chat, run)
        assert "An audit, before anything is trained" in said
        assert "of the pool looks wrong (likely" in said
        assert "nothing more is asked, and training goes on with the whole pool" in said
        report = read_report(run)
        assert report["decisions"] == [audit.outcome["decision"]]
        assert report["verdict"][0].startswith("Asking was broken off: About")
        assert report["verdicts"]["quality-at-equal-energy"]["pays"] is False


async def test_a_dirty_pool_is_asked_about_on(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask=ASK), who="memory:ana")
        run = await vote_by(chat, bot, run, itertools.cycle([False, False, True]))
        first, *others = bot.house.store.votes.rounds(run.run_id)

        assert run.state is RunState.FINISHED
        assert first.outcome["decision"]["go"] is True
        assert others
        said = said_in(chat, run)
        assert "of accuracy at equal energy. So asking goes on: 20 more cards at most." in said


async def test_an_audit_that_settles_nothing_is_asked_once_more_and_both_decide(
    open_bot, chat, tiny_spec
):
    """Three refusals on twelve random cards may or may not be 15 % dirt; three on 24 are not."""
    ask = {**ASK, "cards": 30}
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask=ask), who="memory:ana")
        run = await vote_by(chat, bot, run, itertools.chain([False] * 3, itertools.repeat(True)))
        first, second = bot.house.store.votes.rounds(run.run_id)
        decisions = [r.outcome["decision"] for r in (first, second)]
        segments = bot.house.store.runs.segments(f"{run.run_id}.human")

        assert run.state is RunState.FINISHED
        assert [(d["go"], d["is_again"]) for d in decisions] == [(True, True), (False, False)]
        assert [d["dirt"]["cards"] for d in decisions] == [12, 24]
        assert [s.until for s in segments] == [0.0, 0.0, 1.0]
        said = said_in(chat, run)
        assert "So 12 more cards at random, to be sure." in said
        assert said.count("An audit, before anything is trained") == 2


async def test_when_nobody_answers_the_audit_asking_goes_on_as_planned(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        spec = tiny_spec(ask={**ASK, "deadline": 0.5})
        run = await bot.rounds.begin(spec, who="memory:ana", arms=("human", "control"))
        run = await ended(bot, run)
        rounds = bot.house.store.votes.rounds(run.run_id)

        assert [r.closed_by for r in rounds] == ["deadline"] * 3
        assert not any("decision" in r.outcome for r in rounds)
        assert weights(bot, run, "human") == weights(bot, run, "control")
        assert said_in(chat, run).count("no votes, so nothing changes") == 3


async def test_money_stops_what_quality_would_go_on_with(open_bot, chat, tiny_spec):
    async with open_bot(labour_per_hour=40.0, tariff_per_kwh=0.25) as bot:
        spec = tiny_spec(ask=ASK, value="money")
        run = await bot.rounds.begin(spec, who="memory:ana")
        run = await vote_by(chat, bot, run, itertools.cycle([False, False, True]))
        [audit] = bot.house.store.votes.rounds(run.run_id)

        assert audit.outcome["decision"]["go"] is False
        assert audit.outcome["decision"]["unit"] == "EUR"
        assert (
            "Asking on should lose 1.78 EUR, with 2 min 40 s of people's time counted"
            in said_in(chat, run)
        )


async def test_a_ballot_that_promises_too_little_is_not_asked_and_the_votes_so_far_count(
    open_bot, chat, tiny_spec
):
    """20 cards would take the dirt from 20 to 19.9 %: .03 points of the .2 that they should bring."""
    async with open_bot() as bot:
        certain_of(bot, impurity=0.2, after=0.199)
        run = await bot.rounds.begin(tiny_spec(ask=ASK), who="memory:ana")
        run = await vote_by(chat, bot, run, itertools.cycle([False, False, True]))
        store = bot.house.store
        _, refused = store.votes.rounds(run.run_id)
        segments = store.runs.segments(f"{run.run_id}.human")

        assert run.state is RunState.FINISHED
        assert (refused.state, refused.closed_by) == (RoundState.CLOSED, NOT_ASKED)
        assert store.votes.ballots(round_id=refused.round_id) == []
        assert [s.until for s in segments] == [0.0, 0.0, 1.0]
        assert segments[-1].report["selection"]["votes"] >= 10
        assert len(asking(chat)) == 0
        assert "training goes on with what you have said so far" in said_in(chat, run)


async def test_where_a_ballot_is_not_worth_it_the_thread_still_shows_what_the_model_answers(
    open_bot, chat, answers_spec
):
    async with open_bot() as bot:
        certain_of(bot, impurity=0.2, after=0.199)
        ask = {"at": [0.5], "audit": 12, "cards": 16, "feature_cards": 0}
        run = await bot.rounds.begin(answers_spec(ask=ask), who="memory:ana")
        run = await vote_by(chat, bot, run, itertools.cycle([False, False, True]))
        rounds = bot.house.store.votes.rounds(run.run_id)

        assert rounds[-1].closed_by == NOT_ASKED
        assert said_in(chat, run).count("What the model answers by now") == 1


async def test_who_fails_the_gold_cards_is_told_so_in_private_and_once(open_bot, chat, tiny_spec):
    """Six gold cards of sixty, all wrong; there is gold where the model knows what labels mean."""
    ask = {"at": [0], "audit": 60, "cards": 60, "feature_cards": 0, "quorum": 2}
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask=ask, model="minilm"), who="memory:ana")
        fits = itertools.cycle([False, False, True])
        run = await vote_by(chat, bot, run, fits, careless=["bo"])
        [audit] = bot.house.store.votes.rounds(run.run_id)

        assert [(w.user, w.text[:77]) for w in chat.whispers] == [
            (
                "memory:bo",
                "Some cards show samples whose answer is known. You had 0 of 6 of them right, ",
            )
        ]
        assert audit.outcome["decision"]["dirt"]["mean"] == pytest.approx(0.7, abs=0.15)


async def test_what_matters_is_said_once_words_were_voted_on(open_bot, chat, tiny_spec):
    ask = {"at": [0.5], "audit": 0, "cards": 2, "feature_cards": 1}
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask=ask), who="memory:ana")
        run = await vote_until_ended(chat, bot, run)

        assert "What matters, from 0 = does not matter to 5 = matters most" in said_in(chat, run)


@pytest.mark.slow
async def test_a_bot_killed_right_after_the_audit_stands_by_its_decision(tmp_path, tiny_spec):
    write_topics(tmp_path / "pool.csv", 90, seed=1)
    served = Served(tmp_path)
    write_spec(served, tiny_spec(ask=ASK))
    await served.start()
    try:
        async with served.guests("Ana") as [ana]:
            await ana.say("/joulery start tiny")
            store, ballots = served.store(), Ballots(served.store())
            for card in await ballots.opened(ana, 12):
                await vote_rightly(store, ballots, ana, card)
            await until(lambda: store.votes.rounds("r1")[0].state is RoundState.CLOSED, 0.001)
            served.kill()
            [before] = store.votes.rounds("r1")
            at_death = store.runs.segments("r1.human")
            await served.start()
            run = await run_ended(store)

            assert run.state is RunState.FINISHED
            assert before.outcome["decision"]["go"] is False
            assert [s.n for s in at_death if s.state is SegmentState.DONE] == [0]
            assert store.votes.rounds("r1") == [before]
            done = [s for s in store.runs.segments("r1.human") if s.state is SegmentState.DONE]
            assert [s.until for s in done] == [0.0, 1.0]
            folder = f"segment-1-{done[-1].attempt}"  # it may have been planned before the kill
            plan = SegmentPlan.read(tmp_path / "data/runs/r1/human" / folder / "plan.json")
            assert plan.opinions.samples == ()
            await assert_all_stands_once(ana, store)
    finally:
        await served.close()


async def vote_rightly(store, ballots, guest, card):
    """Say that the label fits, but on gold cards what is true."""
    ballot, _ = store.votes.ballot(ballots._ballot_of(card))
    [subject] = ballot.subjects
    is_yes = subject.role != "gold" or subject.truth > 0.5
    await guest.react(card["id"], emoji(ballot, is_yes), key=f"v-{card['id']}")
