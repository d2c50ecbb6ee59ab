"""Roles given by name, on every platform: to the one person who is called so, and to nobody in doubt."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest

from adapters.discord.platform import DiscordChat
from adapters.slack.platform import SlackChat
from adapters.web.platform import WebChat
from bot.app import running
from tests.fake_discord import server as fake_discord
from tests.fake_slack import server as fake_slack
from tests.flows.people import comes_true


def role(bot, who):
    return {g.member_id: g.role for g in bot.house.store.upkeep.grants()}.get(who)


async def answers(chat, n):
    await chat.until(lambda: len(chat.said()) >= n)
    return chat.said()[n - 1]


async def test_who_was_met_is_allowed_by_name_and_namesakes_are_told_apart(open_bot, chat):
    async with open_bot(admins=("memory:ana",), operators=()) as bot:
        await chat.command("bo", "optin", "joulery")
        await chat.until(lambda: chat.whispers)
        await chat.command("ana", "allow Bo operator", "joulery")
        told = await answers(chat, 1)
        await bot.house.call(bot.house.store.votes.met, _named("memory:bo2", "Bo"))
        await chat.command("ana", "allow @bo admin", "joulery")
        doubt = await answers(chat, 2)
        await chat.command("ana", "allow Boo admin", "joulery")
        unknown = await answers(chat, 3)
        await chat.command("ana", "allow Bo king", "joulery")
        no_role = await answers(chat, 4)

        assert told.startswith("memory:bo (`memory:bo`) is now an operator.")
        assert role(bot, "memory:bo") == "operator"
        assert doubt == (
            "Not done: more than one is called “@bo”: `memory:bo` (Bo), `memory:bo2` (Bo); "
            "write an id with admin"
        )
        assert "nobody I know is called “Boo”; is it `memory:bo` (Bo)" in unknown
        assert no_role.startswith("Not done: there is no role king")


async def test_who_wants_no_name_is_in_doubt_by_id_alone(open_bot, chat):
    async with open_bot(admins=("memory:ana",), operators=()) as bot:
        await chat.command("bo", "optout", "joulery")
        await chat.until(lambda: chat.whispers)
        await bot.house.call(bot.house.store.votes.met, _named("memory:bo2", "Bo"))
        await chat.command("ana", "allow Bo admin", "joulery")

        assert "`memory:bo`, `memory:bo2` (Bo);" in await answers(chat, 1)


def _named(member_id, name):
    from storage.models import Member

    return Member(member_id=member_id, person_id=member_id, name=name)


@contextlib.asynccontextmanager
async def in_slack(settings, slack):
    chat = SlackChat(
        fake_slack.BOT_TOKEN, fake_slack.CHANNEL, app_token=fake_slack.APP_TOKEN,
        base_url=slack.api_url,
    )  # fmt: skip
    given = {"slack_channel": fake_slack.CHANNEL, "admins": ("slack:UANA",), "operators": ()}
    async with running(settings.model_copy(update=given), {"slack": chat}) as bot:
        yield bot


async def test_in_slack_anybody_in_the_workspace_is_known_by_display_or_full_name(settings):
    async with fake_slack.FakeSlack() as slack, in_slack(settings, slack) as bot:
        for name, full in (("bo", "Bo Smith"), ("bob", "Bo Jones"), ("robo", "Bo Robot")):
            user = slack.workspace.users[slack.workspace.user(name, is_bot=name == "robo")]
            user["profile"] = {"display_name": "Bo", "real_name": full}
        said = slack.workspace.said
        await slack.command("ana", "allow Bo operator")
        await comes_true(lambda: len(said()) == 1, 10)
        await slack.command("ana", "allow bo jones operator")
        await comes_true(lambda: len(said()) == 2, 10)
        slack.fail_next("users.list", error="fatal_error")
        await slack.command("ana", "allow Bo Smith operator")
        await comes_true(lambda: len(said()) == 3, 10)

        assert "`slack:UBO` (Bo, Bo Smith, bo), `slack:UBOB` (Bo, Bo Jones, bob)" in said()[0]
        assert said()[1].startswith("Bo (`slack:UBOB`) is now an operator.")
        assert said()[2].startswith("Not done: Slack")  # there might be two of them
        assert (role(bot, "slack:UBO"), role(bot, "slack:UBOB")) == (None, "operator")


async def test_people_of_discord_and_of_the_web_chat_are_known_from_slack(settings, tmp_path):
    async with fake_slack.FakeSlack() as slack, fake_discord.FakeDiscord() as discord:
        cy = f"discord:{discord.world.user('cy')}"
        in_discord = DiscordChat(
            fake_discord.TOKEN, fake_discord.CHANNEL, folder=tmp_path / "d",
            base_url=discord.api_url,
        )  # fmt: skip
        web = WebChat(tmp_path / "web.db")
        in_slack = SlackChat(
            fake_slack.BOT_TOKEN, fake_slack.CHANNEL, app_token=fake_slack.APP_TOKEN,
            base_url=slack.api_url,
        )  # fmt: skip
        given = {
            "slack_channel": fake_slack.CHANNEL, "discord_channel": fake_discord.CHANNEL,
            "admins": ("slack:UANA",), "operators": (),
        }  # fmt: skip
        platforms = {"slack": in_slack, "discord": in_discord, "web": web}
        async with running(settings.model_copy(update=given), platforms) as bot:
            token = web.invite("Dee Gray", timedelta(days=1)).partition("token=")[2]
            web._people.enter(web._people.invitation(token), "Dee Gray")
            said = slack.workspace.said
            await slack.command("ana", "allow Dee Gray voter")
            await comes_true(lambda: len(said()) == 1, 10)
            await slack.command("ana", "allow cy operator")
            await comes_true(lambda: len(said()) == 2, 10)

            assert role(bot, "web:dee-gray") == "voter"
            assert role(bot, cy) == "operator"


@pytest.mark.parametrize("words", ["allow operator", "allow Zoe operator"])
async def test_what_is_missing_is_said(open_bot, chat, words):
    async with open_bot(admins=("memory:ana",), operators=()):
        await chat.command("ana", words, "joulery")

        assert (await answers(chat, 1)).startswith("Not done: ")
