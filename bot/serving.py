"""The bot as a service: it runs until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from adapters.base import ChatPlatform, ChatSetupError
from adapters.web.platform import WebChat
from bot.app import running
from bot.settings import Settings

if TYPE_CHECKING:
    from adapters.slack.platform import SlackChat


def web_chat(settings: Settings, *, open_link: bool = False) -> WebChat:
    """The web chat these settings describe."""
    return WebChat(
        settings.data_dir.resolve() / "web" / "chat.db",
        host=settings.web_host,
        port=settings.web_port,
        channel=settings.channel,
        open_link=open_link,
    )


def slack_chat(settings: Settings) -> SlackChat | None:
    """Slack, where a bot token is set.

    Raises:
        ChatSetupError: a token is set, but something else is missing.
    """
    token = settings.slack_bot_token
    if token is None:
        return None
    if not settings.slack_channel:
        raise ChatSetupError(
            "JOULERY_SLACK_CHANNEL is missing: set it to the channel's id (C012AB3CD, at the bottom "
            "of its details)"
        )
    from adapters.slack.platform import SlackChat  # 8 MB that the others need not carry

    app_token, secret = settings.slack_app_token, settings.slack_signing_secret
    return SlackChat(
        token.get_secret_value(),
        settings.slack_channel,
        app_token=app_token.get_secret_value() if app_token else "",
        signing_secret=secret.get_secret_value() if secret else "",
        http_host=settings.slack_http_host,
        http_port=settings.slack_http_port,
        base_url=settings.slack_api_url,
    )


def discord_chat(settings: Settings) -> ChatPlatform | None:
    """Discord, where a token is set.

    Raises:
        ChatSetupError: a token is set, but no channel.
    """
    token = settings.discord_token
    if token is None:
        return None
    from adapters.discord.platform import DiscordChat  # 40 MB that only its users pay

    return DiscordChat(
        token.get_secret_value(),
        settings.discord_channel,
        folder=settings.data_dir.resolve() / "discord",
        base_url=settings.discord_api_url,
    )


async def serve(
    settings: Settings, platforms: Mapping[str, ChatPlatform], ready: Callable[[], None]
) -> None:
    """Run the bot until SIGINT or SIGTERM; children under way save their work first.

    Raises:
        StoreError: the database cannot be used, or another bot holds it.
        ChatSetupError: a platform cannot be connected.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running(settings, platforms):
        ready()
        await stop.wait()
