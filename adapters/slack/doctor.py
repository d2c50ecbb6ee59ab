"""What stands well with a Slack installation and what does not: every step from the token to the channel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from adapters.base import ChatError
from adapters.slack import scopes
from adapters.slack.calls import SLACK_URL, Calls, said

MAX_SKEW_S = 30.0
"""Slack's signatures are good for 300 s; votes are put in order by its time and ours."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        what: its name.
        is_fine: None where it could not be looked at.
        found: what was found, in words.
        remedy: what to do; empty where nothing is to be done.
    """

    what: str
    is_fine: bool | None
    found: str
    remedy: str = ""


async def examine(
    bot_token: str,
    channel: str,
    app_token: str = "",
    signing_secret: str = "",
    base_url: str = SLACK_URL,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Check]:
    """Look at tokens, scopes, the way events come in, the channel and the clock."""
    calls = Calls(bot_token, base_url)
    try:
        checks, headers = await _token(calls)
        if headers is not None:
            checks += _scopes(headers)
            checks.append(_clock(headers, now()))
        checks.append(await _way_in(calls, app_token, signing_secret))
        if headers is not None:
            checks.append(await _channel(calls, channel))
        return checks
    finally:
        await calls.close()


async def _token(calls: Calls) -> tuple[list[Check], dict[str, str] | None]:
    headers: dict[str, str] = {}

    async def ask() -> Any:
        response = await calls.again.auth_test()
        headers.update({name.lower(): value for name, value in response.headers.items()})
        return response

    try:
        me = await said(ask())
    except ChatError as err:
        remedy = "copy the Bot User OAuth Token (xoxb-) into JOULERY_SLACK_BOT_TOKEN"
        return [Check("bot token", False, str(err), remedy)], None
    found = f"{me.get('user')} in {me.get('team')}"
    return [Check("bot token", True, found)], headers


def _scopes(headers: dict[str, str]) -> list[Check]:
    granted = {name.strip() for name in headers.get("x-oauth-scopes", "").split(",")}
    missing = scopes.REQUIRED - granted
    install = (
        "add it under OAuth & Permissions, or paste slack-manifest.yaml again; then install anew"
    )
    checks = [
        Check("scopes", False, f"without {', '.join(sorted(missing))}", install)
        if missing
        else Check("scopes", True, "all that are needed")
    ]
    for scope, lost in scopes.OPTIONAL.items():
        if scope not in granted:
            checks.append(Check(f"scope {scope}", None, f"not given: no {lost}", install))
    return checks


def _clock(headers: dict[str, str], now: datetime) -> Check:
    if "date" not in headers:
        return Check("clock", None, "Slack does not say what time it is")
    skew_s = (now - parsedate_to_datetime(headers["date"])).total_seconds()
    is_fine = abs(skew_s) <= MAX_SKEW_S
    found = f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} Slack's"
    return Check("clock", is_fine, found, "" if is_fine else "let NTP set this machine's clock")


async def _way_in(calls: Calls, app_token: str, signing_secret: str) -> Check:
    if not app_token:
        if signing_secret:
            return Check("events", None, "by HTTP: only Slack can say whether it reaches us")
        remedy = "make an app-level token with connections:write; set JOULERY_SLACK_APP_TOKEN"
        return Check("events", False, "neither an app token nor a signing secret is set", remedy)

    def opened() -> Awaitable[Any]:
        return calls.once.apps_connections_open(app_token=app_token)

    try:
        await said(opened())
    except ChatError as err:
        remedy = (
            "under Basic Information make an app-level token with connections:write, copy it (xapp-) "
            "into JOULERY_SLACK_APP_TOKEN, and switch Socket Mode on"
        )
        return Check("events", False, str(err), remedy)
    return Check("events", True, "Socket Mode lets us in")


async def _channel(calls: Calls, channel: str) -> Check:
    if not channel:
        remedy = "set JOULERY_SLACK_CHANNEL to the channel's id, at the bottom of its details"
        return Check("channel", False, "none is set", remedy)
    try:
        await said(calls.again.conversations_history(channel=channel, limit=1))
    except ChatError as err:
        return Check("channel", False, str(err), "say /invite @Joulery in the channel")
    return Check("channel", True, f"the bot is in {channel}")
