"""Blind cards: what everybody can see counts on no platform, on cards with forms neither."""

from __future__ import annotations

from adapters.base import Ref
from adapters.discord.platform import DiscordChat
from adapters.slack.platform import SlackChat
from bot.app import running
from bot.wording import ONLY_BUTTONS
from tests.fake_discord import server as fake_discord
from tests.fake_slack import server as fake_slack
from tests.flows.people import asking, comes_true, open_cards
from tests.flows.untrained import ask_of, spec_of, untrained

SPEC = spec_of(style="buttons")


async def ask_blindly(bot) -> None:
    await ask_of(bot, await untrained(bot, SPEC), SPEC)


def given(bot) -> list[tuple[str, str, str | None]]:
    """(voter, subject, answer) of all that counts."""
    votes = bot.house.store.votes
    current = votes.current([b.ballot_id for b in votes.ballots(run_id="r1")])
    return sorted((v.voter, v.subject, v.answer) for v in current)


async def test_a_reply_on_a_blind_card_counts_nowhere_for_all_can_read_it(open_bot, chat):
    async with open_bot() as bot:
        await ask_blindly(bot)
        cards = await open_cards(chat, 2)
        [sample, words] = sorted(cards, key=lambda post: post.card.menu is not None)
        assert all(post.card.is_blind and ONLY_BUTTONS in post.card.footer for post in asking(chat))

        await chat.reply("bo", words.ref, "apple 5")
        await chat.reply("cy", sample.ref, "yes")
        await comes_true(lambda: len(chat.whispers) == 2)
        await chat.submit("ana", words.ref, {"A": "4"})
        await bot.look_at_open_cards()
        await bot.house.office.settled()

        assert given(bot) == [("memory:ana", "A", "4")]
        assert all("This card is blind" in w.text for w in chat.whispers)
        assert [p.card.tally for p in cards] == ["", ""]


def at(bot, platform: str, ask: str) -> Ref:
    """Where the card that asks so stands."""
    votes = bot.house.store.votes
    ballot = next(b for b in votes.ballots(run_id="r1") if b.ask == ask)
    postings = bot.house.store.mail.postings(ballot.ballot_id)
    return Ref.parse(next(p.ref for p in postings if p.platform == platform))


async def stand(bot) -> None:
    await comes_true(lambda: not bot.house.store.mail.pending())


async def test_in_slack_a_blind_feature_card_is_answered_by_its_form_alone(settings):
    async with fake_slack.FakeSlack() as slack:
        chat = SlackChat(
            fake_slack.BOT_TOKEN, fake_slack.CHANNEL, app_token=fake_slack.APP_TOKEN,
            base_url=slack.api_url,
        )  # fmt: skip
        given_channel = settings.model_copy(update={"slack_channel": fake_slack.CHANNEL})
        async with running(given_channel, {"slack": chat}) as bot:
            await ask_blindly(bot)
            await stand(bot)
            words = at(bot, "slack", "importance")
            await slack.say("bo", "apple 5", words)
            await slack.react("bo", words, "shrug")
            await slack.react("cy", words, "+1")
            await slack.react("cy", words, "-1")
            await slack.press("ana", words, "menu")
            [view] = slack.workspace.views.values()
            await slack.submit("ana", view, {"A": "4"})
            await comes_true(lambda: given(bot) and slack.workspace.whispers)
            await bot.look_at_open_cards()

            shown = slack.workspace.messages[words.channel, words.message]
            assert given(bot) == [("slack:UANA", "A", "4")]
            assert ONLY_BUTTONS in str(shown.blocks)
            assert "reply" not in str(shown.blocks)
            assert {w["user"] for w in slack.workspace.whispers} == {"UBO"}
            assert all("This card is blind" in w["text"] for w in slack.workspace.whispers)


async def test_in_discord_a_blind_feature_card_is_answered_by_its_form_alone(settings, tmp_path):
    async with fake_discord.FakeDiscord() as discord:
        chat = DiscordChat(
            fake_discord.TOKEN, fake_discord.CHANNEL, folder=tmp_path / "d",
            base_url=discord.api_url,
        )  # fmt: skip
        given_channel = settings.model_copy(update={"discord_channel": fake_discord.CHANNEL})
        async with running(given_channel, {"discord": chat}) as bot:
            await ask_blindly(bot)
            await stand(bot)
            words = at(bot, "discord", "importance")
            await discord.answer("bo", "apple 5", words)
            await discord.react("bo", words, "🤷")
            opened = await discord.press("ana", words, "0")
            await discord.submit("ana", words, opened.modal, {"A": "4"})
            await comes_true(lambda: given(bot))
            await bot.look_at_open_cards()
            await bot.house.office.settled()

            footer = discord.find(words.message).embeds[0]["footer"]["text"]
            assert given(bot) == [(f"discord:{discord.world.user('ana')}", "A", "4")]
            assert ONLY_BUTTONS in footer
            assert "reply" not in footer
