"""Who said what about a run stands in its thread: once, in few lines, and nothing that is private."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from adapters.base import CommandInvoked, Ref
from adapters.discord.platform import DiscordChat
from adapters.slack.platform import SlackChat
from bot.app import running
from bot.commands.notes import IN_A_ROW, MOST, Line
from bot.members import forget_due
from tests.fake_discord import server as fake_discord
from tests.fake_slack import server as fake_slack
from tests.flows.people import comes_true, ended, head, open_cards, thread
from tests.flows.test_discord import write_spec as write_spec_to
from tests.flows.untrained import ask_of, spec_of, untrained

CHANNEL = "joulery"
SPEC = spec_of()


async def begun(bot, chat):
    run = await untrained(bot, SPEC)
    await chat.until(lambda: chat.cards())
    return run


async def heard(bot, chat):
    """Once all that was said is answered and stands."""
    assert await bot.house.office.settled()
    assert await bot.house.office.drained(5)


def in_thread(chat, run):
    return thread(chat, head(chat, run).ref)


async def test_looks_of_one_person_in_a_row_are_one_line(open_bot, chat):
    async with open_bot() as bot:
        run = await begun(bot, chat)
        for words in ("status", "energy r1", "Status ", "votes", "energy day", "queue", "help"):
            await chat.command("ana", words, CHANNEL)
        await chat.command("bo", "resume r1", CHANNEL)
        await chat.command("ana", "status", CHANNEL)
        await heard(bot, chat)

        assert in_thread(chat, run) == [
            "Ana said: “status”, “energy r1”, “Status”, “votes”",
            "Bo said: “resume r1” (not done)",
            "Ana said: “status”",
        ]


async def test_what_is_done_tells_of_itself_and_what_changes_nothing_is_noted(open_bot, chat):
    async with open_bot() as bot:
        run = await begun(bot, chat)
        for words in ("pause", "pause r1", "stop r1 --yes", "resume r9", "budget r1"):
            await chat.command("ana", words, CHANNEL)
            await heard(bot, chat)

        assert in_thread(chat, run) == [
            "Run r1 is paused by memory:ana.",
            "Ana said: “pause r1”",
            "Run r1 is stopped by memory:ana.",
            "Ana said: “budget r1”",
        ]


async def test_what_is_said_in_the_thread_itself_is_not_said_again(open_bot, chat):
    async with open_bot() as bot:
        run = await begun(bot, chat)
        await chat.reply("ana", head(chat, run).ref, "queue")
        await chat.reply("ana", head(chat, run).ref, "status")
        await heard(bot, chat)

        answers = in_thread(chat, run)
        assert len(answers) == 2
        assert answers[1].startswith("Run r1 (t) is queued")


async def test_a_command_in_a_thread_that_others_cannot_read_is_noted_there(open_bot, chat):
    async with open_bot() as bot:
        run = await begun(bot, chat)
        await chat.command("ana", "votes", head(chat, run).ref)  # a slash command in a thread
        await heard(bot, chat)

        assert sorted(in_thread(chat, run)) == [
            "Ana said: “votes”",
            "Run r1 has no votes so far.",
        ]


async def test_a_verb_in_quotes_is_a_verb(open_bot, chat):
    async with open_bot() as bot:
        run = await begun(bot, chat)
        await chat.command("ana", "'votes' r1", CHANNEL)
        await chat.command("bo", '"me" r1', CHANNEL)
        await heard(bot, chat)

        assert sorted(chat.said()) == ["Ana said: “'votes' r1”", "Run r1 has no votes so far."]
        assert [w.user for w in chat.whispers] == ["memory:bo"]
        assert len(in_thread(chat, run)) == 1


async def test_what_is_private_is_not_shown(open_bot, chat):
    async with open_bot() as bot:
        run = await begun(bot, chat)
        await ask_of(bot, run, SPEC)
        [card, _] = await open_cards(chat, 2)
        await chat.react("bo", card.ref, "up")
        for words in ("me", "undo", "undo all r1", "link", "forget bo", "optin", "optout"):
            await chat.command("bo", words, CHANNEL)
        await heard(bot, chat)

        assert not [text for text in in_thread(chat, run) if "said" in text]
        assert len(chat.whispers) == 7


async def test_who_wants_no_name_has_none_there_either(open_bot, chat):
    async with open_bot(operators=("memory:ana",)) as bot:
        run = await begun(bot, chat)
        for words in ("optout", "status", "pause"):
            await chat.command("bo", words, CHANNEL)
            await heard(bot, chat)

        assert in_thread(chat, run) == [
            "somebody said: “status”",
            "somebody said “pause” and is not allowed to.",
        ]


async def test_who_is_forgotten_is_in_no_line_that_the_bot_keeps(open_bot, chat, settings):
    async with open_bot() as bot:
        await begun(bot, chat)
        for words in ("status", "votes", "stop r1", "forget me"):
            await chat.command("zoequx", words, CHANNEL)
            await heard(bot, chat)
        await forget_due(bot.house)

        held = b"".join(p.read_bytes() for p in settings.data_dir.glob("joulery.db*")).lower()
        assert b"said: " in held
        assert b"zoequx" not in held


async def test_a_refused_command_is_shown_though_it_names_no_run(open_bot, chat):
    async with open_bot(operators=("memory:ana",)) as bot:
        run = await begun(bot, chat)
        for words in ("pause", "allow memory:bo admin", "budget r7 5Wh"):
            await chat.command("bo", words, CHANNEL)
        await heard(bot, chat)

        assert in_thread(chat, run) == ["Bo said “pause” and is not allowed to."]


async def test_a_command_that_is_heard_again_after_a_crash_is_shown_and_answered_once(
    open_bot, chat
):
    async with open_bot() as bot:
        run = await begun(bot, chat)
        for n in range(2):
            event = CommandInvoked(
                event_id=f"e{n}", user="memory:bo", user_name="Bo", at=bot.house.now(),
                words="votes", ref=Ref(platform="memory", channel=CHANNEL, message=""),
            )  # fmt: skip
            for _ in range(2):
                await bot.commands.hear(event, None)
        await heard(bot, chat)

        assert in_thread(chat, run) == ["Bo said: “votes” (2 times)"]
        assert chat.said().count("Run r1 has no votes so far.") == 2


async def test_a_quiet_channel_is_told_of_nobody(open_bot, chat):
    async with open_bot() as bot:
        await bot.house.call(bot.house.voices.wish, "memory", CHANNEL, "quiet")
        run = await begun(bot, chat)
        for _ in range(3):
            await chat.command("ana", "status", CHANNEL)
            await heard(bot, chat)

        assert in_thread(chat, run) == []


async def test_who_starts_a_run_and_how_stands_in_its_thread(open_bot, chat, tiny_spec, settings):
    write_spec_to(settings.specs_dir, tiny_spec(ask={"at": []}))
    async with open_bot() as bot:
        await chat.command("ana", "start tiny seed=3", CHANNEL)
        await chat.until(lambda: [t for t in chat.said() if t.startswith("Run r1 of tiny")])
        await heard(bot, chat)
        run = bot.house.store.runs.get("r1")

        await chat.command("ana", "status", CHANNEL)
        await heard(bot, chat)

        assert "Ana said: “start tiny seed=3”" in in_thread(chat, run)
        assert "Ana said: “status”" in in_thread(chat, run)
        await bot.rounds.stop("r1", "memory:ana")
        await ended(bot, run)


def test_a_line_ends_after_a_while_and_where_it_would_be_long():
    at = datetime(2026, 11, 28, tzinfo=UTC)
    line = Line("k", "u", tuple(f"“why pool-{n}”" for n in range(MOST)), at)

    assert line.takes("u", "“why pool-1”", at + IN_A_ROW)
    assert not line.takes("u", "“why pool-1”", at + IN_A_ROW + timedelta(seconds=1))
    assert not line.takes("u", "“status”", at)
    assert not line.takes("v", "“why pool-1”", at)


async def test_in_slack_and_discord_each_is_told_what_it_cannot_read(settings, tmp_path):
    """Ana asks in Slack's thread, also with a mention, then in its channel; Bo in Discord's thread, by slash command."""
    async with fake_slack.FakeSlack() as slack, fake_discord.FakeDiscord() as discord:
        in_slack = SlackChat(
            fake_slack.BOT_TOKEN, fake_slack.CHANNEL, app_token=fake_slack.APP_TOKEN,
            base_url=slack.api_url,
        )  # fmt: skip
        in_discord = DiscordChat(
            fake_discord.TOKEN, fake_discord.CHANNEL, folder=tmp_path / "d",
            base_url=discord.api_url,
        )  # fmt: skip
        channels = {"slack_channel": fake_slack.CHANNEL, "discord_channel": fake_discord.CHANNEL}
        both = {"slack": in_slack, "discord": in_discord}
        async with running(settings.model_copy(update=channels), both) as bot:
            store = bot.house.store
            await untrained(bot, SPEC)
            await comes_true(lambda: not store.mail.pending(), 10)
            [there] = slack.workspace.cards()
            [here] = discord.world.cards()
            await slack.say("ana", "votes", fake_slack_ref(there))
            await comes_true(lambda: len(store.upkeep.commands()) == 1, 10)
            await slack.mention("ana", "votes", fake_slack_ref(there))
            await comes_true(lambda: len(store.upkeep.commands()) == 2, 10)
            await slack.command("ana", "votes r1")
            await comes_true(lambda: len(store.upkeep.commands()) == 3, 10)
            await comes_true(lambda: not store.mail.pending(), 20)
            await discord.command("bo", "votes", {}, here.id)
            await comes_true(lambda: len(store.upkeep.commands()) == 4, 10)
            await comes_true(lambda: not store.mail.pending(), 20)

            told = {
                "slack": [m.text for m in slack.workspace.thread(there.channel, there.ts)],
                "discord": [
                    m.embeds[0]["description"].replace("\\", "")
                    for m in discord.world.messages.values()
                    if m.channel == here.id and m.embeds
                ],
            }
            assert [t for t in told["slack"] if "said" in t] == [
                "Ana said: “votes r1”",
                "Bo said: “votes”",
            ]
            assert [t for t in told["discord"] if "said" in t] == [
                "Ana said: “votes” (2 times), “votes r1”",
                "Bo said: “votes”",
            ]


def fake_slack_ref(message) -> Ref:
    return Ref(platform="slack", channel=message.channel, message=message.ts)
