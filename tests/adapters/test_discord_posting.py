"""What Discord does to what the bot says."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from adapters.base import (
    ChatRefused,
    ChatSetupError,
    ChatUnavailable,
    Picture,
)
from adapters.discord.posting import Shelf
from tests.adapters.cards import CLOSED, PNG, QUESTION, RUN
from tests.adapters.discord_driver import CHANNEL, DiscordDriver
from tests.fake_discord.rest import Bucket

POST = "POST /channels/2000/messages"


async def test_discord_itself_returns_the_first_post_under_a_nonce(
    in_discord: DiscordDriver,
) -> None:
    first = await in_discord.chat.post_card(CHANNEL, QUESTION, "k")
    in_discord.chat._posting._shelves[int(CHANNEL)] = Shelf(
        is_known=True
    )  # as if it had not been seen

    assert await in_discord.chat.post_card(CHANNEL, QUESTION, "k") == first
    assert in_discord.posted() == 1


async def test_a_buckets_pause_is_kept_and_nothing_is_lost(in_discord: DiscordDriver) -> None:
    in_discord.discord.rest.buckets["POST /channels/{channel}/messages"] = Bucket(3, 0.5)
    started = time.monotonic()

    await asyncio.gather(*(in_discord.chat.say(CHANNEL, f"{n}", f"k{n}") for n in range(8)))

    assert sorted(in_discord.discord.world.said()) == [str(n) for n in range(8)]
    assert time.monotonic() - started >= 0.9
    assert len(in_discord.discord.rest.refused) <= 1


@pytest.mark.parametrize("is_global", [True, False], ids=["global", "bucket"])
async def test_a_429_is_waited_out(in_discord: DiscordDriver, is_global: bool) -> None:
    in_discord.discord.fail_next(POST, status=429, retry_after_s=0.3, is_global=is_global)
    started = time.monotonic()

    await in_discord.chat.say(CHANNEL, "hello", "s")

    assert time.monotonic() - started >= 0.3
    assert in_discord.posted() == 1


async def test_a_long_429_is_handed_on_with_its_pause(in_discord: DiscordDriver) -> None:
    in_discord.discord.fail_next(POST, status=429, retry_after_s=70.0)

    with pytest.raises(ChatUnavailable) as refusal:
        await in_discord.chat.say(CHANNEL, "hello", "s")

    assert refusal.value.retry_after_s == 70.0
    assert in_discord.posted() == 0


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ({"status": 503}, ChatUnavailable),
        ({"status": 400, "code": 30046}, ChatUnavailable),
        ({"status": 403, "code": 50013}, ChatSetupError),
        ({"status": 403, "code": 50001}, ChatSetupError),
        ({"status": 401, "code": 0}, ChatSetupError),
        ({"status": 400, "code": 50035}, ChatRefused),
    ],
    ids=lambda value: str(value),
)
async def test_failures_say_whether_trying_again_helps(
    in_discord: DiscordDriver, how: dict[str, Any], kind: type[Exception]
) -> None:
    in_discord.discord.fail_next(POST, **how)

    with pytest.raises(kind, match="Discord"):
        await in_discord.chat.say(CHANNEL, "hello", "s")


async def test_pictures_are_posted_with_their_card(
    in_discord: DiscordDriver, tmp_path: Path
) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    pictures = tuple(Picture(path=str(path), alt=f"picture {n}") for n in range(12))

    card = await in_discord.chat.post_card(
        CHANNEL, QUESTION.model_copy(update={"pictures": pictures}), "k"
    )

    [more] = in_discord.discord.world.in_channel(card.message)
    shown = [*in_discord.discord.find(card.message).attachments, *more.attachments]
    assert [a["description"] for a in shown] == [f"picture {n}" for n in range(12)]
    assert (await in_discord.chat.snapshot(card)).replies == ()


async def test_a_closed_card_has_no_buttons(in_discord: DiscordDriver) -> None:
    card = await in_discord.chat.post_card(CHANNEL, QUESTION, "k")

    await in_discord.chat.edit_card(card, CLOSED)

    shown = in_discord.discord.find(card.message)
    assert shown.components == []
    assert "2 relevant, 1 not" in shown.embeds[0]["footer"]["text"]


async def test_cards_name_people_and_samples_stay_as_they_are(in_discord: DiscordDriver) -> None:
    ana = in_discord.user("ana")
    asked = RUN.model_copy(update={"lines": (f"{ana} asked for it; put `{ana}` into it",)})
    sample = QUESTION.model_copy(
        update={"parts": (QUESTION.parts[0].model_copy(update={"text": f"{ana} wrote"}),)}
    )

    run = await in_discord.chat.post_card(CHANNEL, asked, "run")
    card = await in_discord.chat.post_card(CHANNEL, sample, "k")

    named = in_discord.discord.find(run.message).embeds[0]["description"].replace("\\", "")
    assert f"Ana asked for it; put `{ana}` into it" in named
    shown = in_discord.discord.find(card.message).embeds[0]["description"]
    assert shown.replace("\\", "").startswith(f"> {ana} wrote")


async def test_a_thread_is_opened_by_the_first_thing_said_in_it(in_discord: DiscordDriver) -> None:
    run = await in_discord.chat.post_card(CHANNEL, RUN, "run")
    assert run.message not in in_discord.discord.world.channels

    await in_discord.chat.say(run, "Round 1 is open.", "s1")
    await in_discord.chat.say(run, "Round 1 is closed.", "s2")

    assert in_discord.discord.world.channels[run.message].name == "docs-7"
    said = in_discord.discord.world.in_channel(run.message)
    assert [m.embeds[0]["description"] for m in said] == [
        r"Round 1 is open\.",
        r"Round 1 is closed\.",
    ]


async def test_an_archived_thread_is_woken_and_a_locked_one_is_told(
    in_discord: DiscordDriver,
) -> None:
    run = await in_discord.chat.post_card(CHANNEL, RUN, "run")
    await in_discord.chat.say(run, "one", "s1")
    thread = in_discord.discord.world.channels[run.message]

    thread.is_archived = True
    in_discord.discord.fail_next(f"POST /channels/{run.message}/messages", status=400, code=50083)
    await in_discord.chat.say(run, "two", "s2")
    assert not thread.is_archived
    thread.is_archived = thread.is_locked = True
    with pytest.raises(ChatSetupError, match="permission"):
        await in_discord.chat.say(run, "three", "s3")

    assert len((await in_discord.chat.snapshot(run)).replies) == 0


async def test_a_thread_that_was_archived_after_the_start_still_tells_whose_it_is(
    in_discord: DiscordDriver,
) -> None:
    card = await in_discord.chat.post_card(CHANNEL, QUESTION, "k")
    await in_discord.discord.open_thread(card)
    in_discord.discord.world.channels[card.message].is_archived = True
    await in_discord.stop_bot()
    await in_discord.start_bot()

    await in_discord.reply("ana", card, "refund 5")

    [event] = in_discord.ears.events
    assert event.ref == card
