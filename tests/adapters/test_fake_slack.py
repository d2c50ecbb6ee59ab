"""The fake refuses what Slack refuses: otherwise no test on it would mean anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.fake_slack import server as fake
from tests.fake_slack.limits import check_blocks, check_view
from tests.fake_slack.workspace import SlackError

CHANNEL = fake.CHANNEL


class Clock:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def slack(clock: Clock) -> AsyncIterator[fake.FakeSlack]:
    async with fake.FakeSlack(clock) as server:
        yield server


def client(slack: fake.FakeSlack, token: str = fake.BOT_TOKEN) -> AsyncWebClient:
    return AsyncWebClient(token, base_url=slack.api_url, retry_handlers=[])


async def refusal(call: Any) -> str:
    with pytest.raises(SlackApiError) as error:
        await call
    return str(error.value.response["error"])


def button(text: str = "Yes", **changes: Any) -> dict[str, Any]:
    label = {"type": "plain_text", "text": text}
    return {"type": "button", "action_id": "a", "text": label, "value": "v", **changes}


def actions(n: int) -> dict[str, Any]:
    return {"type": "actions", "elements": [button(action_id=f"a{i}") for i in range(n)]}


def section(n: int) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "plain_text", "text": "x" * n}}


@pytest.mark.parametrize(
    ("fits", "too_much"),
    [
        ([{"type": "divider"}] * 50, [{"type": "divider"}] * 51),
        ([section(3000)], [section(3001)]),
        ([actions(25)], [actions(26)]),
        (
            [{"type": "actions", "elements": [button("x" * 75)]}],
            [{"type": "actions", "elements": [button("x" * 76)]}],
        ),
        (
            [{"type": "actions", "elements": [button(action_id="a" * 255)]}],
            [{"type": "actions", "elements": [button(action_id="a" * 256)]}],
        ),
        (
            [{"type": "actions", "elements": [button(value="v" * 2000)]}],
            [{"type": "actions", "elements": [button(value="v" * 2001)]}],
        ),
        ([section(3000)] * 4, [section(3000)] * 5),
        ([section(1)], [section(0)]),
    ],
    ids=["blocks", "section", "buttons", "label", "action_id", "value", "all together", "empty"],
)
def test_sizes(fits: list[dict[str, Any]], too_much: list[dict[str, Any]]) -> None:
    check_blocks(fits)
    with pytest.raises(SlackError, match=r"invalid_blocks|msg_blocks_too_long"):
        check_blocks(too_much)


def test_a_modals_title_has_24_characters() -> None:
    view = {"type": "modal", "title": {"type": "plain_text", "text": "x" * 25}, "blocks": []}

    with pytest.raises(SlackError, match="invalid_arguments"):
        check_view(view)


async def test_one_post_a_second_in_a_channel(slack: fake.FakeSlack, clock: Clock) -> None:
    await client(slack).chat_postMessage(channel=CHANNEL, text="one")
    with pytest.raises(SlackApiError) as error:
        await client(slack).chat_postMessage(channel=CHANNEL, text="two")
    clock.now += 1.0
    await client(slack).chat_postMessage(channel=CHANNEL, text="two")

    assert error.value.response.status_code == 429
    assert error.value.response.headers["Retry-After"] == "1"


async def test_a_reaction_stands_once_and_must_be_known(slack: fake.FakeSlack) -> None:
    sent = await client(slack).chat_postMessage(channel=CHANNEL, text="card")

    def react(name: str) -> Any:
        return client(slack).reactions_add(channel=CHANNEL, timestamp=sent["ts"], name=name)

    await react("+1")
    assert await refusal(react("+1")) == "already_reacted"
    assert await refusal(react("regional_indicator_c")) == "invalid_name"


async def test_a_trigger_opens_one_form_within_three_seconds(
    slack: fake.FakeSlack, clock: Clock
) -> None:
    view = {"type": "modal", "title": {"type": "plain_text", "text": "t"}, "blocks": []}
    first, second = slack._trigger(), slack._trigger()
    await client(slack).views_open(trigger_id=first, view=view)
    clock.now += 3.1

    assert await refusal(client(slack).views_open(trigger_id=first, view=view)) == (
        "exchanged_trigger_id"
    )
    assert await refusal(client(slack).views_open(trigger_id=second, view=view)) == (
        "expired_trigger_id"
    )


async def test_tokens_scopes_and_places(slack: fake.FakeSlack) -> None:
    assert await refusal(client(slack, "xoxb-other").auth_test()) == "invalid_auth"
    assert await refusal(client(slack, fake.APP_TOKEN).auth_test()) == "not_allowed_token_type"
    opening = client(slack).apps_connections_open(app_token=fake.BOT_TOKEN)
    assert await refusal(opening) == "not_allowed_token_type"
    assert await refusal(client(slack).chat_postMessage(channel="C9", text="x")) == (
        "channel_not_found"
    )
    slack.scopes.discard("chat:write")
    assert await refusal(client(slack).chat_postMessage(channel=CHANNEL, text="x")) == (
        "missing_scope"
    )


async def test_a_private_channel_needs_another_scope(slack: fake.FakeSlack) -> None:
    slack.workspace.channels[CHANNEL].is_private = True
    slack.scopes.discard("groups:history")

    assert await refusal(client(slack).conversations_history(channel=CHANNEL)) == "missing_scope"


async def test_long_texts_are_cut_not_refused(slack: fake.FakeSlack) -> None:
    sent = await client(slack).chat_postMessage(channel=CHANNEL, text="x" * 40_001)

    assert len(sent["message"]["text"]) == 40_000
