"""Whatever people do and in whatever order: the snapshot is what stands, the events are what happened."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.base import (
    Inbound,
    ReactionAdded,
    ReactionRemoved,
    Ref,
    ReplyDeleted,
    ReplyEdited,
    ThreadReply,
)
from tests.adapters.cards import QUESTION
from tests.adapters.conftest import DRIVERS
from tests.adapters.drivers import Driver


class Standing(NamedTuple):
    """What should stand: (user, emoji), and reply id -> (user, text)."""

    reactions: set[tuple[str, str]]
    replies: dict[str, tuple[str, str]]


class Step(NamedTuple):
    """One thing somebody does; `what` is an emoji or a text."""

    who: str
    act: str
    what: str


PEOPLE = st.sampled_from(["ana", "bo", "cy"])
STEPS = st.one_of(
    st.builds(Step, PEOPLE, st.sampled_from(["react", "unreact"]), st.sampled_from(["up", "down"])),
    st.builds(Step, PEOPLE, st.sampled_from(["reply", "edit"]), st.sampled_from(["+a", "a 3 💡"])),
    st.builds(Step, PEOPLE, st.sampled_from(["delete", "repeat", "restart"]), st.just("")),
)


async def play(driver: Driver, card: Ref, step: Step, expected: Standing) -> None:
    """Do the step on the platform and in the oracle."""
    user = driver.user(step.who)
    own = [reply_id for reply_id, (author, _) in expected.replies.items() if author == user]
    match step.act:
        case "react":
            await driver.react(step.who, card, step.what)
            expected.reactions.add((user, driver.raw(step.what)))
        case "unreact":
            await driver.unreact(step.who, card, step.what)
            expected.reactions.discard((user, driver.raw(step.what)))
        case "reply":
            expected.replies[await driver.reply(step.who, card, step.what)] = (user, step.what)
        case "edit" if own:
            await driver.edit_reply(step.who, card, own[0], step.what)
            expected.replies[own[0]] = (user, step.what)
        case "delete" if own:
            await driver.delete_reply(step.who, card, own[0])
            del expected.replies[own[0]]
        case "repeat":
            await driver.repeat_last()
        case "restart":
            await driver.stop_bot()
            await driver.start_bot()


def fold(events: list[Inbound]) -> Standing:
    """What the events say should stand."""
    told = Standing(set(), {})
    for event in events:
        match event:
            case ReactionAdded():
                told.reactions.add((event.user, event.emoji.raw))
            case ReactionRemoved():
                told.reactions.discard((event.user, event.emoji.raw))
            case ThreadReply() | ReplyEdited():
                told.replies[event.reply_id] = (event.user, event.text)
            case ReplyDeleted():
                del told.replies[event.reply_id]
    return told


async def standing(driver: Driver, card: Ref) -> Standing:
    shot = await driver.chat.snapshot(card)
    reactions = {(user, emoji) for emoji, users in shot.reactions.items() for user in users}
    return Standing(reactions, {r.reply_id: (r.user, r.text) for r in shot.replies})


async def live_through(
    start: Callable[[Path], AbstractAsyncContextManager[Driver]],
    steps: list[Step],
    deaf_from: int,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with start(Path(folder)) as driver:
            card = await driver.chat.post_card(driver.channel, QUESTION, "k")
            expected = Standing(set(), {})
            for number, step in enumerate(steps):
                driver.ears.is_deaf = number >= deaf_from
                await play(driver, card, step, expected)

            assert await standing(driver, card) == expected
            if deaf_from >= len(steps):
                assert fold(driver.ears.heard()) == expected


@pytest.mark.parametrize(
    ("platform", "examples"), [("memory", 60), ("web", 12), ("slack", 12), ("discord", 12)]
)
def test_any_interleaving_ends_in_the_same_snapshot_and_events(
    platform: str, examples: int
) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(st.lists(STEPS, min_size=1, max_size=14), st.integers(0, 20))
    def holds(steps: list[Step], deaf_from: int) -> None:
        asyncio.run(live_through(DRIVERS[platform], steps, deaf_from))

    holds()
