"""What Slack does to what the bot says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from adapters.base import (
    Card,
    CardPart,
    ChatRefused,
    ChatSetupError,
    ChatUnavailable,
    Picture,
)
from tests.adapters.cards import BLIND, PNG, QUESTION
from tests.adapters.slack_driver import CHANNEL, SlackDriver


async def test_a_429_is_handed_on_with_its_pause(in_slack: SlackDriver) -> None:
    in_slack.slack.fail_next("chat.postMessage", status=429, retry_after_s=7)

    with pytest.raises(ChatUnavailable) as refusal:
        await in_slack.chat.say(CHANNEL, "hello", "s")

    assert refusal.value.retry_after_s == 7.0
    assert in_slack.posted() == 0


async def test_more_than_one_post_a_second_is_refused_and_may_come_later(
    in_slack: SlackDriver,
) -> None:
    in_slack.slack.methods.post_interval_s = 1.0
    await in_slack.chat.say(CHANNEL, "one", "1")

    with pytest.raises(ChatUnavailable) as refusal:
        await in_slack.chat.say(CHANNEL, "two", "2")

    assert refusal.value.retry_after_s == 1.0


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ({"status": 500}, ChatUnavailable),
        ({"status": 503}, ChatUnavailable),
        ({"error": "internal_error"}, ChatUnavailable),
        ({"error": "is_archived"}, ChatRefused),
        ({"error": "msg_blocks_too_long"}, ChatRefused),
        ({"error": "token_revoked"}, ChatSetupError),
    ],
    ids=lambda value: str(value),
)
async def test_failures_say_whether_trying_again_helps(
    in_slack: SlackDriver, how: dict[str, Any], kind: type[Exception]
) -> None:
    in_slack.slack.fail_next("chat.postMessage", **how)

    with pytest.raises(kind, match="Slack"):
        await in_slack.chat.say(CHANNEL, "hello", "s")


async def test_pictures_go_into_the_thread_once_also_after_a_failure(
    in_slack: SlackDriver, tmp_path: Path
) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    pictures = tuple(Picture(path=str(path), alt=f"picture {n}") for n in (1, 2))
    card = QUESTION.model_copy(update={"pictures": pictures})
    in_slack.slack.fail_next("files.completeUploadExternal", drop_after=True)

    with pytest.raises(ChatUnavailable):
        await in_slack.chat.post_card(CHANNEL, card, "k")
    await in_slack.stop_bot()
    await in_slack.start_bot()
    ref = await in_slack.chat.post_card(CHANNEL, card, "k")

    thread = in_slack.slack.workspace.thread(CHANNEL, ref.message)
    shared = [file for message in thread for file in message.files]
    assert [file["alt_txt"] for file in shared] == ["picture 1", "picture 2"]
    assert (await in_slack.chat.snapshot(ref)).replies == ()


async def test_people_are_called_by_name_but_not_in_samples(in_slack: SlackDriver) -> None:
    in_slack.user("ana")
    said = "stopped by slack:UANA, not slack:UNOBODY; put `slack:UANA` into it"
    about = Card(text="r1", lines=(said,), tone="run")
    part = CardPart(key="1", text="write to slack:UANA")

    await in_slack.chat.post_card(CHANNEL, about, "run")
    await in_slack.chat.post_card(CHANNEL, QUESTION.model_copy(update={"parts": (part,)}), "q")
    await in_slack.chat.say(CHANNEL, "started by slack:UANA", "s")

    run, question = in_slack.slack.workspace.cards()
    assert "stopped by Ana, not slack:UNOBODY; put `slack:UANA` into it" in str(run.blocks)
    assert "write to slack:UANA" in str(question.blocks)
    assert in_slack.slack.workspace.said() == ["started by Ana"]


async def test_groups_are_called_by_their_handles(in_slack: SlackDriver) -> None:
    in_slack.slack.workspace.usergroups["S0OPS"] = ["UANA"]

    for n in range(2):
        await in_slack.chat.say(CHANNEL, "slack:S0OPS may stop it, slack:SNONE may not", f"s{n}")

    assert set(in_slack.slack.workspace.said()) == {"@s0ops may stop it, slack:SNONE may not"}
    assert [name for name, _ in in_slack.slack.calls].count("usergroups.list") <= 2
    in_slack.slack.scopes.discard("usergroups:read")
    await in_slack.chat.say(CHANNEL, "slack:SMORE may", "more")
    assert in_slack.slack.workspace.said()[-1] == "slack:SMORE may"


async def test_only_a_press_on_a_blind_card_is_confirmed_in_words(in_slack: SlackDriver) -> None:
    named = BLIND.buttons[0].model_copy(update={"label": "Relevant <!here>"})
    blind = await in_slack.chat.post_card(
        CHANNEL, BLIND.model_copy(update={"buttons": (named,)}), "blind"
    )
    seen = await in_slack.chat.post_card(CHANNEL, QUESTION, "seen")

    await in_slack.press("ana", seen, "yes")
    await in_slack.press("ana", blind, "yes")
    async with asyncio.timeout(5):
        while not in_slack.slack.responses:  # noqa: ASYNC110 -- the fake signals nothing
            await asyncio.sleep(0.01)

    [told] = in_slack.slack.responses
    assert told["text"] == "Recorded: 👍 Relevant &lt;!here&gt;"
    assert told["response_type"] == "ephemeral"
