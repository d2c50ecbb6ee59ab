"""The bot as a service: it runs until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping

from adapters.base import ChatPlatform
from adapters.web.platform import WebChat
from bot.app import running
from bot.settings import Settings


def web_chat(settings: Settings, *, open_link: bool = False) -> WebChat:
    """The web chat these settings describe."""
    return WebChat(
        settings.data_dir.resolve() / "web" / "chat.db",
        host=settings.web_host,
        port=settings.web_port,
        channel=settings.channel,
        open_link=open_link,
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
