"""Calls to Slack's Web API: one session, no token in a log, every failure in the house's words."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from adapters.base import ChatError, ChatRefused, ChatSetupError, ChatUnavailable
from adapters.redacting import quieten

SLACK_URL = "https://slack.com/api/"
TIMEOUT_S = 20.0  # below the outbox' lease: a call that is given up was never made twice
PAGE = 200

SETUP = {
    "invalid_auth": "the token is not valid; copy it again from the app's pages",
    "not_authed": "no token was sent; set JOULERY_SLACK_BOT_TOKEN",
    "account_inactive": "the app was uninstalled or its team is gone; install it again",
    "token_revoked": "the token was revoked; install the app again and copy the new one",
    "token_expired": "the token is out of date; switch token rotation off and install again",
    "not_allowed_token_type": "xoxb- goes into JOULERY_SLACK_BOT_TOKEN, xapp- into _APP_TOKEN",
    "missing_scope": "the app may not do that; add the scope and install the app again",
    "no_permission": "the team does not let the app do that; ask its administrator",
}
REFUSED = {
    "channel_not_found": "it knows no such channel, or the bot is not in it; name it by its id and "
    "say /invite @Joulery there",
    "not_in_channel": "the bot is not in the channel; say /invite @Joulery there",
    "is_archived": "the channel is archived",
    "message_not_found": "there is no message like that (any more)",
    "thread_not_found": "there is no message like that (any more)",
    "user_not_in_channel": "this person is not in the channel",
}
LATER = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable",
     "request_timeout"}
)  # fmt: skip

_SECRET = re.compile(r"\bx(?:ox[a-z]|app|wfp)-[\w-]+|(?<=ticket=)[^&\s'\"]+|(?<=/commands/)\S+")


class SlackRefused(ChatRefused):
    """A refusal with Slack's own word for it."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def library_log() -> logging.Logger:
    """What slack_bolt and slack_sdk log to."""
    log = logging.getLogger("adapters.slack.sdk")
    quieten(log, _SECRET)
    return log


class Calls:
    """The Web API under one bot token.

    Attributes:
        once: never repeats a call by itself: what posts must not be posted twice.
        again: waits out a 429 and tries once more after a hiccup; for what may be repeated.
    """

    def __init__(self, token: str, base_url: str = SLACK_URL) -> None:
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        log = library_log()
        self.once = AsyncWebClient(
            token, base_url, session=self.session, retry_handlers=[], logger=log
        )
        self.again = AsyncWebClient(
            token,
            base_url,
            session=self.session,
            retry_handlers=[
                AsyncRateLimitErrorRetryHandler(max_retry_count=3),
                AsyncConnectionErrorRetryHandler(),
                AsyncServerErrorRetryHandler(),
            ],
            logger=log,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self.session.close()

    async def respond(self, url: str, text: str) -> bool:
        """Answer a command or press for its giver's eyes only; False where that is not possible."""
        answer = AsyncWebhookClient(url, session=self.session, logger=library_log())
        try:
            sent = await answer.send(text=text, response_type="ephemeral", replace_original=False)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
        return sent.status_code == 200

    async def pages(self, method: str, **args: Any) -> AsyncIterator[list[dict[str, Any]]]:
        """The messages that `conversations_history` or `_replies` lists, page by page.

        Raises:
            ChatError: a page could not be had.
        """
        cursor: str | None = None
        while True:
            listing = getattr(self.again, method)
            page = await said(listing(limit=PAGE, cursor=cursor, **args))
            yield page["messages"]
            cursor = page.get("response_metadata", {}).get("next_cursor")
            if not cursor:
                return


async def said(call: Awaitable[AsyncSlackResponse]) -> dict[str, Any]:
    """What Slack answers.

    Raises:
        ChatSetupError: a person must act.
        ChatRefused: it will never work.
        ChatUnavailable: it may work later.
    """
    try:
        response = await call
    except SlackApiError as err:
        raise explained(err) from None  # the original shows the request
    except (aiohttp.ClientError, TimeoutError, OSError, SlackClientError) as err:
        raise ChatUnavailable(f"Slack cannot be reached: {type(err).__name__}.") from None
    answer: dict[str, Any] = response.data if isinstance(response.data, dict) else {}
    return answer


def explained(err: SlackApiError) -> ChatError:
    """A refusal of Slack's in the house's words."""
    response: Any = err.response
    status: int = getattr(response, "status_code", 0) or getattr(response, "status", 0)
    headers = getattr(response, "headers", {})
    if status == 429:
        return ChatUnavailable("Slack asks us to wait.", _seconds(headers))
    data = getattr(response, "data", None)
    answer: Mapping[str, Any] = data if isinstance(data, dict) else {}
    code = str(answer.get("error", ""))
    if status >= 500 or code in LATER or not code:
        return ChatUnavailable(f"Slack has a problem ({code or status}).", _seconds(headers))
    if code in SETUP:
        lacking = f" ({answer['needed']})" if code == "missing_scope" else ""
        return ChatSetupError(f"Slack says {code}{lacking}: {SETUP[code]}.")
    details = "; ".join(map(str, answer.get("response_metadata", {}).get("messages", ())))[:300]
    why = REFUSED.get(code, details or "it will not do that")
    return SlackRefused(f"Slack says {code}: {why}.", code)


def _seconds(headers: Mapping[str, str]) -> float | None:
    found = {name.lower(): value for name, value in headers.items()}.get("retry-after", "")
    return float(found) if found.isdigit() else None
