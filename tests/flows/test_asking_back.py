"""What cannot be undone is asked back about; who may do what can be said in chat; pages of one's own."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from adapters.base import ButtonPressed
from bot import confirming
from bot.confirming import LIFE
from storage.models import RunState
from tests.flows.people import asking, ended, head, open_cards, thread
from tests.flows.untrained import spec_of, untrained

CHANNEL = "joulery"


async def asked(chat):
    """The card that asks whether somebody means it."""
    await chat.until(lambda: [p for p in chat.cards() if p.key.startswith("confirm:")])
    return [p for p in chat.cards() if p.key.startswith("confirm:")][-1]


def button(post, label):
    return next(b.id for b in post.card.buttons if b.label.startswith(label))


async def run_that_asks(bot, chat, tiny_spec):
    run = await bot.rounds.begin(tiny_spec(), who="memory:ana")
    await open_cards(chat, 6)
    return run


async def test_stop_asks_back_and_does_it_once_it_is_meant(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        run = await run_that_asks(bot, chat, tiny_spec)
        await chat.command("ana", "stop", CHANNEL)
        card = await asked(chat)
        yes = button(card, "Yes")
        assert bot.house.store.runs.get("r1").state is not RunState.STOPPED

        await chat.press("ana", card.ref, yes)
        await chat.press("ana", card.ref, yes)
        run = await ended(bot, run)
        await chat.until(lambda: card.card.is_closed)

        assert run.state is RunState.STOPPED
        assert card.card.lines == ("Run r1 is stopped; its last checkpoint stays.",)
        assert bot.house.store.upkeep.commands() == [
            ("memory:ana", "stop r1", True),
            ("memory:ana", "stop r1", True),
        ]
        said = thread(chat, head(chat, run).ref)
        assert "Ana said “stop r1” and confirmed it." in said
        assert len([text for text in said if "Run r1 is stopped" in text]) == 1


async def test_nobody_else_can_mean_it_and_no_is_no(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        await run_that_asks(bot, chat, tiny_spec)
        await chat.command("ana", "stop r1", CHANNEL)
        card = await asked(chat)

        await chat.press("bo", card.ref, button(card, "Yes"))
        await chat.until(lambda: chat.whispers)
        await chat.press("ana", card.ref, button(card, "No"))
        await chat.until(lambda: card.card.is_closed)

        assert chat.whispers[0].user == "memory:bo"
        assert "Only memory:ana" in chat.whispers[0].text
        assert card.card.lines == ("Not done: you said no.",)
        line = "Ana said “stop r1” and did not confirm it."
        await chat.until(lambda: any(post.text == line for post in chat.posts.values()))
        assert bot.house.store.runs.get("r1").state is not RunState.STOPPED


async def test_an_answer_after_a_minute_is_too_late(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        await run_that_asks(bot, chat, tiny_spec)
        await chat.command("ana", "stop r1", CHANNEL)
        card = await asked(chat)

        late = bot.house.now() + LIFE + timedelta(seconds=1)
        await bot.house.office._sink(
            ButtonPressed(
                event_id="late", user="memory:ana", at=late, ref=card.ref,
                choice=button(card, "Yes"),
            )
        )  # fmt: skip
        await chat.until(lambda: card.card.is_closed)

        assert card.card.lines == ("Not done: the answer came after 60 s; say it again.",)
        assert bot.house.store.runs.get("r1").state is not RunState.STOPPED


async def outdated(chat, card, timeout_s=10):
    """What the question says once it can be answered no more."""
    async with asyncio.timeout(timeout_s):
        await chat.until(lambda: card.card.is_closed)
    assert card.card.buttons == ()
    return card.card.lines


async def test_a_question_nobody_answers_loses_its_buttons(open_bot, chat, monkeypatch):
    monkeypatch.setattr("bot.confirming.LIFE", timedelta(seconds=-9))
    async with open_bot() as bot:
        await untrained(bot, spec_of())
        await chat.command("ana", "stop r1", CHANNEL)
        card = await asked(chat)
        yes = button(card, "Yes")

        assert await outdated(chat, card) == (confirming.UNANSWERED,)
        await chat.press("ana", card.ref, yes)
        await chat.until(lambda: chat.whispers)
        assert chat.whispers[0].text.startswith("That question is closed")
        assert not bot.house.store.runs.get("r1").state.is_final


async def test_a_question_about_a_run_that_ended_meanwhile_loses_its_buttons(open_bot, chat):
    async with open_bot() as bot:
        await untrained(bot, spec_of())
        await chat.command("ana", "stop r1", CHANNEL)
        card = await asked(chat)
        await chat.command("bo", "stop r1 --yes", CHANNEL)

        assert await outdated(chat, card) == ("No longer needed: run r1 is stopped.",)


async def test_a_question_that_is_asked_anew_is_answered_at_its_last_card(open_bot, chat):
    async with open_bot() as bot:
        await untrained(bot, spec_of())
        await chat.command("ana", "budget r1 5Wh", CHANNEL)
        first = await asked(chat)
        await chat.command("bo", "budget r1 6Wh", CHANNEL)
        await chat.command("ana", "budget r1 7 Wh", CHANNEL)
        assert await outdated(chat, first) == ("Not done: you said “budget r1 7 Wh” after it.",)
        await bot.house.office.drained(5)
        *_, of_bo, last = [p for p in chat.cards() if p.key.startswith("confirm:")]

        await chat.press("ana", last.ref, button(last, "Yes"))
        await outdated(chat, last)

        assert last.card.lines[0].startswith("Run r1 has used")
        assert bot.house.store.runs.get("r1").budget == "7Wh"
        assert not of_bo.card.is_closed  # Bo may still mean it
        await chat.command("bo", "budget r1 1kWh --yes", CHANNEL)
        assert await outdated(chat, of_bo) == (
            "Not done: you said “budget r1 1kWh --yes” after it.",
        )


async def test_a_question_that_a_former_bot_asked_is_put_away_by_the_next(
    open_bot, chat, monkeypatch
):
    async with open_bot() as bot:
        await untrained(bot, spec_of())
        await chat.command("ana", "stop r1", CHANNEL)
        card = await asked(chat)
        assert await bot.house.office.drained(5)
    monkeypatch.setattr("bot.commands.questions.LATE", -2 * LIFE)
    async with open_bot():
        assert await outdated(chat, card) == (confirming.UNANSWERED,)


async def test_a_press_whose_deed_a_crash_cut_off_is_done_by_the_next_bot(open_bot, chat):
    async with open_bot() as bot:
        await untrained(bot, spec_of())
        await chat.command("ana", "stop r1", CHANNEL)
        card = await asked(chat)
        assert await bot.house.office.drained(5)
        store, press = bot.house.store, button(card, "Yes")
        at = bot.house.now()
    event = ButtonPressed(
        event_id="before-the-crash", user="memory:ana", at=at, ref=card.ref, choice=press
    )
    store.mail.receive("memory", event.event_id, event.model_dump(mode="json"), at)
    async with open_bot():
        assert await outdated(chat, card) == ("Run r1 is stopped; its last checkpoint stays.",)


async def test_yes_at_once_asks_nobody(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        run = await run_that_asks(bot, chat, tiny_spec)
        await chat.command("ana", "stop r1 --yes", CHANNEL)
        run = await ended(bot, run)

        assert run.state is RunState.STOPPED
        assert not [p for p in chat.posts.values() if p.key.startswith("confirm:")]


async def test_a_new_budget_asks_back_and_a_look_at_it_does_not(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        await run_that_asks(bot, chat, tiny_spec)
        await chat.command("ana", "budget r1", CHANNEL)
        await chat.until(lambda: [t for t in chat.said() if "has no budget" in t])
        await chat.command("ana", "budget r1 lots", CHANNEL)  # nothing to ask back about
        await chat.until(lambda: [t for t in chat.said() if "“lots” is no budget" in t])
        await chat.command("ana", "budget r1 90 min", CHANNEL)
        card = await asked(chat)
        assert card.card.title == "Set the budget of run r1 to 90 min?"

        await chat.press("ana", card.ref, button(card, "Yes"))
        await chat.until(lambda: card.card.is_closed)

        assert bot.house.store.runs.get("r1").budget == "90min"


async def test_what_was_not_allowed_stands_in_the_runs_thread(open_bot, chat, tiny_spec):
    async with open_bot(operators=("memory:ana",)) as bot:
        run = await run_that_asks(bot, chat, tiny_spec)
        await chat.command("bo", "stop r1", CHANNEL)
        await chat.until(lambda: chat.whispers)
        line = "Bo said “stop r1” and is not allowed to."
        await chat.until(lambda: line in thread(chat, head(chat, run).ref))

        assert "ask an admin to say: allow memory:bo operator" in chat.whispers[0].text
        assert bot.house.store.upkeep.commands() == [("memory:bo", "stop r1", False)]


async def say(bot, chat, who, words):
    """What a command was answered, in the channel or in private."""
    before = len(chat.said()) + len(chat.whispers)
    await chat.command(who, words, CHANNEL)
    await chat.until(lambda: len(chat.said()) + len(chat.whispers) > before)
    assert await bot.house.office.settled()
    return (chat.whispers[-1].text if chat.whispers and not chat.said() else "") or chat.said()[-1]


async def test_admins_say_who_may_do_what(open_bot, chat):
    async with open_bot(admins=("memory:ana",), operators=()) as bot:
        assert "Operators: memory:bo." in await say(bot, chat, "ana", "allow memory:bo operator")
        assert bot.commands._access.may_command("memory:bo", "stop") == ""
        unknown = await say(bot, chat, "ana", "allow bo operator")
        assert "nobody I know is called “bo”; mention them with @" in unknown
        assert "there is no role king" in await say(bot, chat, "ana", "allow memory:bo king")

        answer = await say(bot, chat, "ana", "allow memory:cy voter")
        assert "Votes count of these alone: memory:cy." in answer
        assert not bot.commands._access.may_vote("memory:dee")
        answer = await say(bot, chat, "ana", "allow memory:cy nothing")
        assert "Votes count of every human member." in answer


async def test_roles_outlive_the_bot_and_only_admins_give_them(open_bot, chat):
    async with open_bot(admins=("memory:ana",), operators=()) as bot:
        await say(bot, chat, "ana", "allow memory:bo operator")
    async with open_bot(admins=("memory:ana",), operators=()) as bot:
        assert bot.commands._access.may_command("memory:bo", "stop") == ""
        await chat.command("bo", "allow memory:bo admin", CHANNEL)
        await chat.until(lambda: chat.whispers)

        assert "only admins may say who may do what" in chat.whispers[0].text
        assert bot.commands._access.all("admin") == ("memory:ana",)


async def test_ones_own_page_shows_the_runs_and_ones_own_votes(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        await run_that_asks(bot, chat, tiny_spec)
        post = asking(chat)[0]
        await chat.press("ana", post.ref, post.card.buttons[0].id)
        await bot.house.office.settled()
        for who in ("ana", "bo"):
            await chat.open_home(who)
        async with asyncio.timeout(10):
            await chat.until(lambda: len(chat.homes) == 2)

        ana, bo = chat.homes["memory:ana"], chat.homes["memory:bo"]
        assert ana.sections[0] == bo.sections[0]
        assert ana.sections[0].lines[0].startswith("r1 tiny: asking")
        assert ana.sections[1].title == "What you said: 1 vote"
        assert bo.sections[1].lines == ("Nothing yet. Cards come while a run asks.",)
        assert ana.sections[2].lines[0].startswith("Run r1: 1 vote of yours on 1 card")
        assert len(bo.sections) == 2  # what Ana's votes are worth is nobody else's business


@pytest.mark.parametrize("choice", ["", "yes", "yes|soon|u|w", "pause", "yes|1|u|"])
def test_a_button_of_another_kind_confirms_nothing(choice):
    from bot.confirming import read

    assert read(choice) is None


async def test_a_deleted_card_keeps_its_votes(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        await run_that_asks(bot, chat, tiny_spec)
        post = asking(chat)[0]
        await chat.press("ana", post.ref, post.card.buttons[0].id)
        await chat.delete_card("admin", post.ref)
        await bot.house.office.settled()
        await bot.look_at_open_cards()

        store = bot.house.store
        [vote] = store.votes.current([b.ballot_id for b in store.votes.ballots(run_id="r1")])
        assert vote.voter == "memory:ana"
        assert set(store.votes.members()) == {"memory:ana"}
