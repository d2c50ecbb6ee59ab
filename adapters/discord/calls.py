"""Calls to Discord: no token in a log, every failure in the house's words."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters.base import ChatError, ChatRefused, ChatSetupError, ChatUnavailable
from adapters.redacting import quieten

DISCORD_URL = "https://discord.com/api/v10"
TIMEOUT_S = 25.0  # below the outbox' lease: a call that is given up was never made twice
LATER_S = 60.0
LONGEST_WAIT_S = 30.0
"""What the library waits out by itself when asked to slow down; it takes no less."""

UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, HAS_THREAD, ARCHIVED, LOCKED = 10003, 10008, 160004, 50083, 160005
LATER = frozenset({20016, 20022, 20028, 20029, 30046, 40062, 130000})
"""Codes that mean: not so fast; a message older than an hour takes only so many edits, for one."""
ANSWERED = 40060
UNREACHABLE = frozenset({50007, 50278, 10013, 10007})
"""Codes that mean: this person cannot be written to."""
REFUSED = {
    UNKNOWN_CHANNEL: "there is no message or channel like that (any more)",
    UNKNOWN_MESSAGE: "there is no message like that (any more)",
    10004: "the bot is in no such server; invite it with the link of joulery doctor discord",
    10062: "the answer came too late",
    ANSWERED: "another process answered: stop it, each app has one bot",
    30010: "there are 20 different reactions already",
    50083: "the thread is archived",
    LOCKED: "the thread is locked; unlock it",
}
SETUP = {
    50001: "the bot cannot see the channel; let it in, or use the link of joulery doctor discord",
    50013: "the bot may not do that there; joulery doctor discord says which permission is missing",
}

_SECRET = re.compile(
    r"(?<=/interactions/)\d+/[^/\s]+|(?<=/webhooks/)\d+/[^/\s?]+|[\w-]{23,}\.[\w-]{6}\.[\w-]{27,}"
)
_LOGS = ("client", "gateway", "http", "state", "webhook.async_", "ui.view", "interactions")


class DiscordRefused(ChatRefused):
    """A refusal with Discord's own code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def quiet_library() -> None:
    """Its debug lines show everything, its warnings addresses with tokens, or that it cannot talk."""
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    for name in _LOGS:
        quieten(logging.getLogger(f"discord.{name}"), _SECRET)


@asynccontextmanager
async def speaking(timeout_s: float = TIMEOUT_S) -> AsyncIterator[None]:
    """What is asked of Discord inside fails in the house's words.

    Raises:
        ChatSetupError: a person must act.
        ChatRefused: it will never work.
        ChatUnavailable: it may work later.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except (discord.DiscordException, aiohttp.ClientError, TimeoutError, OSError) as err:
        raise explained(err) from None  # the original shows the request
    except RuntimeError as err:
        if "closed" not in str(err):
            raise
        raise ChatUnavailable("not connected to Discord") from None


async def login(client: discord.Client, token: str, base_url: str = DISCORD_URL) -> None:
    """Log in at an address, and learn where its gateway is.

    The library keeps addresses with its classes: one process talks to one Discord.

    Raises:
        ChatError: the token is no good, or Discord cannot be reached.
    """
    Route.BASE = base_url
    async with speaking():
        await client.login(token)
        _, gateway, _ = await client.http.get_bot_gateway()
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)


def explained(err: Exception) -> ChatError:
    """A failure in the house's words."""
    match err:
        case discord.RateLimited():
            return ChatUnavailable("Discord asks us to wait.", err.retry_after)
        case discord.LoginFailure():
            return ChatSetupError(
                "Discord says the token is not valid: reset it on the app's Bot page, and copy it "
                "into JOULERY_DISCORD_TOKEN"
            )
        case discord.PrivilegedIntentsRequired():
            return ChatSetupError(
                "Discord does not let the app read messages: switch Message Content Intent on, on "
                "the app's Bot page, or off and start the bot again"
            )
        case discord.ConnectionClosed():
            return ChatSetupError(f"Discord closed the connection for good ({err.code}).")
        case discord.GatewayNotFound():
            return ChatUnavailable("Discord's gateway cannot be reached.")
        case discord.HTTPException():
            return _http(err)
        case _:
            return ChatUnavailable(f"Discord cannot be reached: {type(err).__name__}.")


def _http(err: discord.HTTPException) -> ChatError:
    if err.status == 401:
        return explained(discord.LoginFailure())
    if err.status == 429:
        return ChatUnavailable("Discord asks us to wait.")
    if err.code in LATER:
        return ChatUnavailable(f"Discord asks us to wait ({err.code}).", LATER_S)
    if err.status >= 500:
        return ChatUnavailable(f"Discord has a problem ({err.status}).")
    if err.code in SETUP:
        return ChatSetupError(f"Discord says {err.code}: {SETUP[err.code]}.")
    why = REFUSED.get(err.code, " ".join(err.text.split())[:300] or "it will not do that")
    return DiscordRefused(f"Discord says {err.code or err.status}: {why}.", err.code)
