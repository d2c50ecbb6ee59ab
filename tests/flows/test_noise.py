"""How many messages a run makes, counted on a whole run; and what a channel hears of it."""

from collections import Counter

import pytest

from bot.noise import MEANING, is_wanted
from storage.models import OutboxKind, RunState
from tests.flows.people import ended, head, open_cards, thread, vote_on_all, vote_until_ended
from tests.storage.records import item

SPEC = {"at": [0, 0.3, 0.6], "cards": 6, "feature_cards": 1, "repeats": 1, "deadline": 3600}


def per_round(chat):
    """What was posted since each round's opening, until the next one: cards, and words by their kind."""
    found, now = [], Counter()
    for post in chat.posts.values():
        what = (post.key or "").partition(":")[0]
        if what == "round":
            now = Counter()
            found.append(now)
        now[what] += 1
    return found


@pytest.mark.parametrize(
    ("spec", "cards"),
    [
        (SPEC, [6, 8, 8]),  # no features before training, nothing to repeat in the first round
        ({**SPEC, "audit": 4, "at": [0.5]}, [4]),  # everybody agrees: nothing more is asked
    ],
    ids=["three rounds", "an audit"],
)
async def test_a_round_posts_its_cards_and_two_messages(open_bot, tiny_spec, chat, spec, cards):
    """At most cards + 3 are promised; the third is left for whom no private reminder reaches."""
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask=spec), who="memory:ana")
        run = await vote_until_ended(chat, bot, run)

        assert run.state is RunState.FINISHED
        rounds = per_round(chat)
        assert [found["card"] for found in rounds] == cards
        for found in rounds:
            # a decision: why the next round was not opened
            assert set(found) <= {"round", "card", "closed", "decision", "state", "verdict"}
            assert (found["round"], found["closed"]) == (1, 1)
        assert sum((found["state"], found["verdict"]) == (1, 1) for found in rounds) == 1
        keys = [p.key or "" for p in chat.posts.values()]
        assert sum(key.startswith("head:") for key in keys) == 1
        assert {p.ref.thread for p in chat.posts.values() if not p.card} == {
            head(chat, run).ref.message
        }


async def test_a_digest_says_what_was_said_what_it_took_and_what_it_changed(
    open_bot, tiny_spec, chat
):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask={"at": [0.5]}), who="memory:ana")
        await open_cards(chat, 7)
        await vote_on_all(chat, "ana")
        run = await ended(bot, run)

        [digest] = [t for t in thread(chat, head(chat, run).ref) if t.startswith("Round 1 closed")]
        counted, *more = digest.splitlines()
        assert "Round 1 closed (quorum reached): 14 votes by 1 person: " in counted
        assert "It took 1 person " in counted
        assert counted.endswith("(measured per answer). Thank you!")
        assert any("samples set aside" in line for line in more)
        assert any("from 0 = " in line for line in more)  # the features, in order


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        ("quiet", {"verdict"}),
        ("normal", {"verdict", "round", "closed", "state"}),
        ("all", {"verdict", "round", "closed", "state", "checkpoint"}),
    ],
)
async def test_a_channel_hears_as_much_as_it_wants(open_bot, tiny_spec, chat, level, heard):
    async with open_bot() as bot:
        await chat.command("ana", f"verbosity {level}", "joulery")
        await chat.until(lambda: bool(chat.posts))
        [answer] = chat.said()
        run = await bot.rounds.begin(tiny_spec(ask={"at": [0.5]}), who="memory:ana")
        run = await vote_until_ended(chat, bot, run)

        assert answer == f"This channel is {level}: it hears {MEANING[level]}."
        keys = [p.key or "" for p in chat.posts.values()]
        assert sum(key.startswith("card:") for key in keys) == 7
        said = {
            (p.key or "").partition(":")[0] for p in chat.posts.values()
            if p.ref.thread == head(chat, run).ref.message
        }  # fmt: skip
        assert said == heard
        assert bot.house.store.mail.pending() == 0


async def test_a_wish_holds_for_the_next_bot_and_for_its_own_channel_only(open_bot, chat):
    async with open_bot() as bot:
        await bot.house.call(bot.house.voices.wish, "memory", "joulery", "quiet")
        await bot.house.call(bot.house.voices.wish, "memory", "joulery", "all")
    async with open_bot() as bot:
        assert bot.house.voices.of("memory", "joulery") == "all"
        assert bot.house.voices.of("slack", "joulery") == "normal"


async def test_nobody_but_operators_may_change_it_and_a_word_too_many_is_told(open_bot, chat):
    async with open_bot(operators=("memory:ana",)) as bot:
        await chat.command("bo", "verbosity quiet", "joulery")
        await chat.until(lambda: bool(chat.whispers))
        await chat.command("ana", "verbosity loud", "joulery")
        await chat.until(lambda: bool(chat.posts))

        assert "only operators may verbosity" in chat.whispers[0].text
        assert chat.said() == ["Not done: say verbosity quiet, normal or all"]
        assert bot.house.voices.of("memory", "joulery") == "normal"


@pytest.mark.parametrize("kind", [OutboxKind.POST, OutboxKind.EDIT, OutboxKind.WHISPER])
def test_cards_edits_and_whispers_reach_everybody(kind):
    assert is_wanted(item("round:q1", kind=kind, run_id="r1"), "quiet")


def test_what_is_no_runs_reaches_everybody():
    """An alert, a summary, an answer in the channel."""
    assert is_wanted(item("energy:memory:c", kind=OutboxKind.SAY), "quiet")
