"""People at work in the chat in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from adapters.base import Ref
from adapters.memory import MemoryChat, Post
from bot.app import Bot
from storage.models import Ballot, Run
from trainer.segment import SegmentPlan, SegmentReport


def asking(chat: MemoryChat) -> list[Post]:
    """The question cards that are open now."""
    return [
        post
        for post in chat.posts.values()
        if post.card and post.card.tone == "question" and not post.card.is_closed
    ]


async def open_cards(chat: MemoryChat, n: int, timeout_s: float = 60) -> list[Post]:
    """The open question cards, once there are `n` of them."""
    async with asyncio.timeout(timeout_s):
        await chat.until(lambda: len(asking(chat)) >= n)
    return asking(chat)


def spelt(post: Post, emoji: str) -> str:
    """The same answer on either kind of card: where labels are offered, `up` is the first one."""
    assert post.card is not None
    return emoji if emoji in post.card.seeds or not post.card.seeds else post.card.seeds[0]


async def vote_on_all(chat: MemoryChat, who: str, emoji: str = "up") -> int:
    """Answer every open card; how many there were."""
    cards = asking(chat)
    for post in cards:
        assert post.card is not None
        if post.card.menu:
            await chat.submit(who, post.ref, {key: "5" for key, _ in post.card.menu.options})
        else:
            await chat.react(who, post.ref, spelt(post, emoji))
    return len(cards)


async def vote_until_ended(chat: MemoryChat, bot: Bot, run: Run, who: str = "ana") -> Run:
    """Answer whatever is asked until the run has ended and everything was said."""

    async def keep_voting() -> None:
        while True:
            await vote_on_all(chat, who)
            await asyncio.sleep(0.05)

    voting = asyncio.create_task(keep_voting())
    try:
        return await ended(bot, run)
    finally:
        voting.cancel()


async def answer_each(
    chat: MemoryChat, bot: Bot, run: Run, answer: Callable[[Post, Ballot], Awaitable[None]]
) -> Run:
    """Answer every card once, as it opens, until the run has ended and everything was said."""
    store, answered = bot.house.store, set()

    async def keep_answering() -> None:
        while True:
            for post in asking(chat):
                posting = store.mail.posting_at(str(post.ref))
                if posting is None or posting.ballot_id is None or posting.ballot_id in answered:
                    continue
                found = store.votes.ballot(posting.ballot_id)
                assert found is not None
                await answer(post, found[0])
                answered.add(posting.ballot_id)
            await asyncio.sleep(0.05)

    answering = asyncio.create_task(keep_answering())
    try:
        return await ended(bot, run)
    finally:
        answering.cancel()


async def ended(bot: Bot, run: Run, timeout_s: float = 90) -> Run:
    """The run once it has ended and everything was said."""
    async with asyncio.timeout(timeout_s):
        run = await bot.rounds.wait(run.run_id)
    await bot.house.office.drained(10)
    return run


def head(chat: MemoryChat, run: Run) -> Post:
    """The run's first message."""
    return next(p for p in chat.posts.values() if p.key == f"head:{run.run_id}:memory")


def thread(chat: MemoryChat, ref: Ref) -> list[str]:
    """What the bot said in a message's thread."""
    return [p.text for p in chat.posts.values() if p.ref.thread == ref.message]


async def comes_true(look: Callable[[], object], timeout_s: float = 90) -> None:
    """Wait for something in a fake server, which signals nothing."""
    async with asyncio.timeout(timeout_s):
        while not look():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def certain_of(bot: Bot, *, impurity: float, after: float) -> None:
    """From now on every report of a child says how dirty what it trains on is."""
    start = bot.house.launcher.start

    async def started(plan: SegmentPlan, on_mark: Any) -> Any:
        child = await start(plan, on_mark)
        wait = child.wait

        async def waited() -> int:
            status = await wait()
            report = SegmentReport.read(plan.report_path)
            known = {"impurity": impurity, "impurity_after": after}
            selection = report.selection.model_copy(update=known)
            report.model_copy(update={"selection": selection}).write(plan.report_path)
            return status

        child.wait = waited
        return child

    bot.house.launcher.start = started
