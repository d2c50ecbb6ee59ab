"""What is set up wrongly on Slack is said in words, and no log shows a token."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from adapters.base import (
    ChatSetupError,
    ChatUnavailable,
    Reconnected,
)
from adapters.slack.calls import library_log
from adapters.slack.platform import SlackChat
from tests.adapters.cards import QUESTION
from tests.adapters.drivers import Ears
from tests.adapters.slack_driver import CHANNEL, SlackDriver, chat_to
from tests.fake_slack import server as fake
from tests.fake_slack.delivery import sign


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bot_token": "xoxb-wrong"}, "the token is not valid"),
        ({"app_token": "xapp-wrong"}, "the token is not valid"),
        ({"bot_token": fake.APP_TOKEN}, "xoxb- goes into"),
        ({"channel": "C9"}, "channel C9: .*say /invite @Joulery there"),
    ],
    ids=["bot token", "app token", "swapped", "channel"],
)
async def test_what_is_set_up_wrongly_is_said_at_the_start(
    changes: dict[str, Any], words: str
) -> None:
    async with fake.FakeSlack() as slack:
        with pytest.raises(ChatSetupError, match=words):
            await chat_to(slack, **changes).connect(Ears())


async def test_missing_scopes_are_named_and_optional_ones_are_only_told() -> None:
    async with fake.FakeSlack() as slack:
        slack.scopes.discard("reactions:read")
        with pytest.raises(ChatSetupError, match="lacks reactions:read"):
            await chat_to(slack).connect(Ears())

        slack.scopes = slack.scopes | {"reactions:read", "groups:history"} - {"im:write"}
        slack.scopes.discard("im:write")
        chat = chat_to(slack)
        await chat.connect(Ears())
        assert "without im:write" in chat.health().detail
        await chat.close()
        assert not chat.health().is_connected


async def test_a_bot_that_is_not_in_the_channel_says_how_to_get_in() -> None:
    async with fake.FakeSlack() as slack:
        slack.workspace.channels[CHANNEL].members.clear()

        with pytest.raises(ChatSetupError, match="say /invite @Joulery there"):
            await chat_to(slack).connect(Ears())


def test_without_a_way_for_events_it_does_not_begin() -> None:
    with pytest.raises(ChatSetupError, match="JOULERY_SLACK_APP_TOKEN"):
        SlackChat("xoxb-1", CHANNEL)


async def test_unsigned_and_stale_requests_are_turned_away(tmp_path: Path) -> None:
    async with (
        SlackDriver.started(tmp_path, is_http=True) as in_slack,
        ClientSession() as session,
    ):
        body = '{"type":"event_callback","event_id":"Ev1","event":{"type":"reaction_added"}}'
        stale = sign(fake.SIGNING_SECRET, body, at=datetime.now(UTC).timestamp() - 600)
        wrong = sign("another secret", body)
        json_type = {"Content-Type": "application/json"}
        for headers in ({}, stale, wrong):
            async with session.post(
                in_slack.chat.events_url, data=body, headers=headers | json_type
            ) as response:
                assert response.status == 401

        assert in_slack.ears.events == []


async def test_who_is_not_connected_says_so_and_may_be_asked_later() -> None:
    async with fake.FakeSlack() as slack:
        slack.fail_next("auth.test", times=2, status=500)
        chat = chat_to(slack)
        with pytest.raises(ChatUnavailable):
            await chat.connect(Ears())
        with pytest.raises(ChatUnavailable, match="not connected"):
            await chat.post_card(CHANNEL, QUESTION, "k")

        await chat.connect(Ears())
        assert await chat.post_card(CHANNEL, QUESTION, "k")
        await chat.close()


@pytest.mark.parametrize(
    "said",
    [
        "Failed (url wss://slack/link/?ticket=abc-123&app_id=1)",
        "token xoxb-1-2-abc refused",
        "got xapp-1-A-2-abc",
        "posted to https://hooks.slack.com/commands/T1/2/abc",
    ],
)
def test_what_the_libraries_log_is_rid_of_secrets(
    said: str, caplog: pytest.LogCaptureFixture
) -> None:
    library_log().warning("%s", said)

    assert caplog.text
    assert "abc" not in caplog.text


async def test_no_log_ever_shows_a_token(
    in_slack: SlackDriver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("slack_bolt", "slack_sdk", "aiohttp", "adapters"):
        logging.getLogger(name).setLevel(logging.NOTSET)

    card = await in_slack.chat.post_card(CHANNEL, QUESTION, "k")
    in_slack.slack.fail_next("apps.connections.open", status=500)
    in_slack.slack.delivery.drop_sockets()
    await in_slack.ears.until(Reconnected)
    in_slack.ears.is_deaf = True
    await in_slack.press("ana", card, "yes")
    await in_slack.command("ana", "stop")
    with pytest.raises(ChatSetupError):
        await chat_to(in_slack.slack, bot_token="xoxb-wrong-secret").connect(Ears())

    said = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert caplog.records
    for secret in ("xoxb-", "xapp-", "secret-ticket", "/respond/", fake.SIGNING_SECRET):
        assert secret not in said
