"""What Slack tells a bot, late, twice, or over a new socket."""

from __future__ import annotations

import asyncio
import random

from adapters.base import (
    ReactionAdded,
    ReactionRemoved,
    Reconnected,
)
from tests.adapters.cards import QUESTION
from tests.adapters.slack_driver import CHANNEL, SlackDriver


async def test_an_event_the_house_could_not_keep_comes_again(in_slack: SlackDriver) -> None:
    card = await in_slack.chat.post_card(CHANNEL, QUESTION, "k")
    in_slack.ears.is_deaf = True
    in_slack.slack.delivery.ack_timeout_s = 0.2
    in_slack.slack.delivery.retries_s = (0.0, 0.1, 0.1)

    await in_slack.slack.react("ana", card, "+1")
    in_slack.ears.is_deaf = False

    [event] = await in_slack.ears.until(ReactionAdded)
    assert event.user_name == "Ana"
    assert (event.timezone, event.locale) == ("Europe/Amsterdam", "nl-NL")


async def test_one_persons_events_stay_in_order_in_a_burst(in_slack: SlackDriver) -> None:
    card = await in_slack.chat.post_card(CHANNEL, QUESTION, "k")
    in_slack.slack.fail_next("users.info", delay_s=0.2)

    await asyncio.gather(
        in_slack.slack.react("ana", card, "+1"),
        in_slack.slack.unreact("ana", card, "+1"),
        in_slack.slack.react("ana", card, "-1"),
    )

    assert [type(e) for e in in_slack.ears.events] == [
        ReactionAdded,
        ReactionRemoved,
        ReactionAdded,
    ]


async def test_somebody_slow_to_be_named_is_asked_for_once(in_slack: SlackDriver) -> None:
    card = await in_slack.chat.post_card(CHANNEL, QUESTION, "k")
    in_slack.slack.fail_next("users.info", delay_s=1.3)

    await in_slack.slack.react("ana", card, "+1")
    await in_slack.slack.unreact("ana", card, "+1")

    assert [e.user_name for e in in_slack.ears.events] == ["", "Ana"]
    assert [name for name, _ in in_slack.slack.calls].count("users.info") == 1


async def test_duplicates_and_shuffled_events_keep_their_ids_and_times(
    in_slack: SlackDriver,
) -> None:
    card = await in_slack.chat.post_card(CHANNEL, QUESTION, "k")
    in_slack.slack.delivery.hold()
    for who in ("ana", "bo", "cy", "dee"):
        await in_slack.slack.react(who, card, "+1")
    await in_slack.slack.unreact("ana", card, "+1")

    await in_slack.slack.delivery.release(random.Random(3))
    await in_slack.slack.delivery.duplicate(5)

    told = in_slack.ears.heard()
    assert len(told) == 5
    assert len(in_slack.ears.events) == 10
    last = max(told, key=lambda e: e.at)
    assert isinstance(last, ReactionRemoved)


async def test_shuffled_events_keep_their_times(in_slack: SlackDriver) -> None:
    card = await in_slack.chat.post_card(CHANNEL, QUESTION, "k")
    in_slack.hold()
    for who in ("ana", "bo", "cy", "dee"):
        await in_slack.slack.react(who, card, "+1")
    await in_slack.slack.unreact("ana", card, "+1")

    await in_slack.release(random.Random(3), twice=5)

    assert len(in_slack.ears.events) == 10
    assert isinstance(max(in_slack.ears.heard(), key=lambda e: e.at), ReactionRemoved)


async def test_a_new_socket_is_told_with_the_gap_before_it(in_slack: SlackDriver) -> None:
    await in_slack.slack.delivery.refresh()
    [first] = await in_slack.ears.until(Reconnected)
    in_slack.slack.delivery.drop_sockets()
    _, second = await in_slack.ears.until(Reconnected, 2)

    assert first.gap_since is not None
    assert second.gap_since >= first.gap_since
    assert first.event_id != second.event_id
    assert in_slack.chat.health().is_connected


async def test_a_socket_that_was_refused_is_asked_for_anew(in_slack: SlackDriver) -> None:
    in_slack.slack.delivery.refuse_sockets = 1

    in_slack.slack.delivery.drop_sockets()

    await in_slack.ears.until(Reconnected)
    assert in_slack.chat.health().is_connected


async def test_a_lost_socket_is_said(in_slack: SlackDriver) -> None:
    in_slack.slack.delivery.refuse_sockets = 1000
    in_slack.slack.delivery.drop_sockets()
    async with asyncio.timeout(10):
        while in_slack.chat.health().is_connected:  # noqa: ASYNC110 -- health signals nothing
            await asyncio.sleep(0.02)

    assert in_slack.chat.health().detail == "no line to Slack"
