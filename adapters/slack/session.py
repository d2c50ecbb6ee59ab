"""All that is there while the bot is in Slack: who it is, what it may, and its ways to speak."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slack_bolt.authorization import AuthorizeResult

from adapters.base import ChatSetupError, Inbound
from adapters.seeding import Seeding
from adapters.slack import emoji, scopes
from adapters.slack.calls import Calls, said
from adapters.slack.listening import Listening
from adapters.slack.payloads import Own
from adapters.slack.people import People
from adapters.slack.posted import Posted
from adapters.slack.posting import Posting


@dataclass(frozen=True, slots=True)
class Session:
    """A bot that Slack knows.

    Attributes:
        who: for Bolt, so that no event has to wait for a call to Slack.
        lacking: optional scopes that are missing.
    """

    calls: Calls
    own: Own
    who: AuthorizeResult
    lacking: frozenset[str]
    people: People
    posted: Posted
    posting: Posting
    seeding: Seeding
    listening: Listening

    @classmethod
    async def begin(
        cls,
        bot_token: str,
        base_url: str,
        tell: Callable[[Inbound], Awaitable[None]],
        now: Callable[[], datetime],
    ) -> Session:
        """Say who we are.

        Raises:
            ChatSetupError: the token will not do, or lacks a scope.
            ChatUnavailable: Slack cannot be reached.
        """
        calls = Calls(bot_token, base_url)
        try:
            me = await _who(calls)
            lacking = _lacking(me["scopes"])
        except BaseException:  # passed on; only what was opened is ours to close
            await calls.close()
            raise
        own, people = Own(me["user_id"], me["bot_id"]), People(calls)
        posted = Posted(calls, own, now)
        posting = Posting(calls, posted)
        who = AuthorizeResult(
            enterprise_id=None,
            team_id=me["team_id"],
            bot_user_id=own.user,
            bot_id=own.bot,
            bot_token=bot_token,
        )
        return cls(
            calls=calls,
            own=own,
            who=who,
            lacking=lacking,
            people=people,
            posted=posted,
            posting=posting,
            seeding=Seeding(emoji.seed, posting.react),
            listening=Listening(own, people, calls, tell, now),
        )

    async def close(self) -> None:
        """Leave off whatever is under way."""
        await self.listening.close()
        await self.seeding.close()
        await self.people.close()
        await self.calls.close()


async def _who(calls: Calls) -> dict[str, Any]:
    """`auth.test`, with what the token may do under `scopes`."""
    granted: list[str] = []

    async def ask() -> Any:
        response = await calls.again.auth_test()
        granted.extend(response.headers.get("x-oauth-scopes", "").split(","))
        return response

    return {**await said(ask()), "scopes": frozenset(name.strip() for name in granted)}


def _lacking(granted: frozenset[str]) -> frozenset[str]:
    missing = scopes.REQUIRED - granted
    if missing:
        raise ChatSetupError(
            f"the Slack app lacks {', '.join(sorted(missing))}: add it under OAuth & Permissions "
            "(or paste slack-manifest.yaml again), and install the app anew"
        )
    return frozenset(scopes.OPTIONAL) - granted
