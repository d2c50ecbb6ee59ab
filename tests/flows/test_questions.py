"""Questions that nobody answers, in Slack and Discord: the buttons go, the card says why."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.discord.platform import DiscordChat
from adapters.slack.platform import SlackChat
from bot import confirming
from bot.app import running
from tests.fake_discord import server as fake_discord
from tests.fake_slack import server as fake_slack
from tests.flows.people import comes_true
from tests.flows.untrained import spec_of, untrained


@pytest.fixture
def soon(monkeypatch):
    """A question is outdated at the first look after it was asked."""
    monkeypatch.setattr("bot.confirming.LIFE", timedelta(seconds=-9))


async def test_in_slack_a_question_loses_its_buttons_once_nobody_answered(settings, soon):
    async with fake_slack.FakeSlack() as slack:
        chat = SlackChat(
            fake_slack.BOT_TOKEN, fake_slack.CHANNEL, app_token=fake_slack.APP_TOKEN,
            base_url=slack.api_url,
        )  # fmt: skip
        given = {"slack_channel": fake_slack.CHANNEL, "operators": ("slack:UANA",)}
        async with running(settings.model_copy(update=given), {"slack": chat}) as bot:
            await untrained(bot, spec_of())
            await slack.command("ana", "budget r1 0.5 kWh")
            asked = "Set the budget of run r1 to 0.5 kWh?"
            await comes_true(lambda: [m for m in slack.workspace.cards() if m.text == asked], 10)
            [card] = [m for m in slack.workspace.cards() if m.text == asked]
            had = len(fake_slack.buttons(card))
            await comes_true(lambda: not fake_slack.buttons(card), 10)

            assert had == 2
            assert confirming.UNANSWERED in str(card.blocks)
            assert bot.house.store.runs.get("r1").budget == ""


async def test_in_discord_a_question_loses_its_buttons_once_nobody_answered(
    settings, soon, tmp_path
):
    async with fake_discord.FakeDiscord() as discord:
        chat = DiscordChat(
            fake_discord.TOKEN, fake_discord.CHANNEL, folder=tmp_path / "d",
            base_url=discord.api_url,
        )  # fmt: skip
        ana = f"discord:{discord.world.user('ana')}"
        given = {"discord_channel": fake_discord.CHANNEL, "operators": (ana,)}
        async with running(settings.model_copy(update=given), {"discord": chat}) as bot:
            await untrained(bot, spec_of())
            await discord.command("ana", "stop", {"run": "r1"})

            def question():
                found = [m for m in discord.world.cards() if "stop r1" in str(m.embeds)]
                return [m for m in found if not fake_discord.buttons(m)]

            await comes_true(question, 10)
            told = str(question()[0].embeds).replace("\\", "")

            assert confirming.UNANSWERED.split(";")[0] in told
            assert not bot.house.store.runs.get("r1").state.is_final
