"""Live updates of the web chat: who is told what, and what happens to those who fall behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.base import Board, Series
from adapters.web.client import Guest, Update
from adapters.web.feed import QUEUE, Feed, Hub
from adapters.web.platform import WebChat
from adapters.web.state import State
from tests.adapters.cards import BLIND, CLOSED, QUESTION
from tests.adapters.drivers import CHANNEL
from tests.adapters.raw_http import ask

BOARD = Board(
    board_id="loss",
    title="Loss",
    x_label="step",
    y_label="loss",
    series=(Series(name="human", x=(0, 1, 2), y=(3.0, float("nan"), 1.0)),),
    facts=(("Energy", "4.1 kJ (measured)"),),
)


@pytest.fixture
async def ana(demo: WebChat) -> AsyncIterator[Guest]:
    async with Guest.enter(demo.entry_url(), "Ana") as guest:
        yield guest


@pytest.fixture
async def bo(demo: WebChat) -> AsyncIterator[Guest]:
    async with Guest.enter(demo.entry_url(), "Bo") as guest:
        yield guest


async def take(guest: Guest, count: int, after: int = 0) -> list[Update]:
    """The next updates, waiting for as many."""
    found: list[Update] = []
    async with asyncio.timeout(10):
        async for update in guest.updates(after):
            found.append(update)
            if len(found) == count:
                break
    return found


async def test_what_one_person_does_reaches_another(demo: WebChat, ana: Guest, bo: Guest) -> None:
    card = await demo.post_card(CHANNEL, QUESTION, "k")
    told = asyncio.create_task(take(bo, 2))

    await ana.react(int(card.message), "up")

    last = (await told)[-1]
    [up, *_] = last.data["marks"]
    assert (last.kind, up["emoji"], up["count"], up["names"]) == ("message", "up", 1, ["Ana"])
    assert last.data["mine"]["reactions"] == []


async def test_a_reader_who_comes_back_gets_what_they_missed(demo: WebChat, ana: Guest) -> None:
    card = await demo.post_card(CHANNEL, QUESTION, "k")
    [seen] = await take(ana, 1)
    await demo.say(CHANNEL, "meanwhile", "s")
    await demo.edit_card(card, CLOSED)

    missed = await take(ana, 2, after=seen.revision)

    assert [update.data["text"] for update in missed] == ["meanwhile", CLOSED.text]
    assert missed[1].data["is_closed"]
    assert [update.revision for update in missed] == sorted(u.revision for u in missed)


async def test_the_browsers_own_header_resumes_too(demo: WebChat, ana: Guest) -> None:
    await demo.say(CHANNEL, "first", "1")
    [seen] = await take(ana, 1)
    await demo.say(CHANNEL, "second", "2")

    headers = {"Last-Event-ID": str(seen.revision)}
    async with ana.http.get("/events", headers=headers) as response, asyncio.timeout(10):
        text = b""
        while b"second" not in text:
            text += await response.content.readany()

    assert b"retry: 1000" in text
    assert b"first" not in text


async def test_a_reader_from_before_the_state_was_lost_starts_over(ana: Guest) -> None:
    [update] = await take(ana, 1, after=999)

    assert update.kind == "reset"


async def test_a_deletion_is_told(demo: WebChat, ana: Guest, bo: Guest) -> None:
    card = await demo.post_card(CHANNEL, QUESTION, "k")
    said = await ana.say("oops", thread=int(card.message))
    await ana.delete(said["id"])

    updates = await take(bo, 2)

    assert [(u.kind, u.data["id"]) for u in updates] == [
        ("message", int(card.message)),
        ("gone", said["id"]),
    ]


async def test_a_whisper_reaches_nobody_else(demo: WebChat, ana: Guest, bo: Guest) -> None:
    await demo.whisper(ana.id, CHANNEL, "only for you", None)
    await demo.say(CHANNEL, "for all", "s")

    assert [u.data["text"] for u in await take(ana, 2)] == ["only for you", "for all"]
    assert [u.data["text"] for u in await take(bo, 1)] == ["for all"]
    assert [m["text"] for m in await bo.messages()] == ["for all"]


async def test_a_blind_card_tells_nobody_how_others_voted(
    demo: WebChat, ana: Guest, bo: Guest
) -> None:
    card = await demo.post_card(CHANNEL, BLIND, "k")
    await ana.react(int(card.message), "up")
    await ana.react(int(card.message), "fire")

    [to_bo] = await take(bo, 1)
    [to_ana] = await take(ana, 1)

    assert "Ana" not in str(to_bo.data)
    assert {mark["count"] for mark in to_bo.data["marks"]} == {None}
    assert "fire" not in str(to_bo.data["marks"])
    assert to_ana.data["mine"]["reactions"] == ["up", "fire"]


async def test_a_chart_is_live_and_has_no_gaps_that_break_json(demo: WebChat, ana: Guest) -> None:
    await demo.show_board(BOARD)
    await demo.show_board(BOARD.model_copy(update={"title": "Loss so far"}))

    [update] = await take(ana, 1)

    assert (update.kind, update.data["title"]) == ("board", "Loss so far")
    assert update.data["series"][0]["y"] == [3.0, 1.0]


async def test_strangers_get_no_stream(demo: WebChat) -> None:
    assert (await ask(demo.url, "GET", "/events")).status == 401


async def test_a_reader_who_lags_behind_is_cut_off_and_the_others_are_not() -> None:
    hub, cut_off = Hub(), []
    with hub.reader(lambda: cut_off.append("slow")), hub.reader(lambda: None) as quick:
        for number in range(QUEUE + 1):
            hub.publish(number)
            assert quick.get_nowait() == number

        assert cut_off == ["slow"]
        assert len(hub) == 1


async def test_a_quiet_stream_is_kept_alive() -> None:
    hub = Hub()
    with hub.reader(lambda: None) as queue:
        events = Feed(_nothing(), "ana", lambda _view: {}).events(queue, None, ping_s=0.01)

        assert await anext(events) == b"retry: 1000\n\n"
        assert await anext(events) == b": ping\n\n"
        hub.publish(None)
        assert [event async for event in events] == []


def _nothing() -> State:
    return State.__new__(State)  # never asked: nothing changes


async def test_closing_the_chat_ends_the_streams(demo: WebChat, ana: Guest) -> None:
    await demo.say(CHANNEL, "hello", "s")
    stream = ana.updates(0)
    await anext(stream)

    await asyncio.wait_for(demo.close(), 5)

    assert [update async for update in stream] == []
