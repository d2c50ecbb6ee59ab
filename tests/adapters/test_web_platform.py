"""What only the web chat does: its cards as data, repeats, limits, pictures, ports."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.base import (
    ChatRefused,
    ChatSetupError,
    HasBoard,
    Picture,
    ReplyEdited,
    ThreadReply,
)
from adapters.web.client import Guest, GuestRefused
from adapters.web.platform import WebChat
from tests.adapters.cards import CLOSED, FEATURES, PNG, QUESTION
from tests.adapters.drivers import CHANNEL, Ears
from tests.adapters.raw_http import ask


@pytest.fixture
async def ana(demo: WebChat) -> AsyncIterator[Guest]:
    async with Guest.enter(demo.entry_url(), "Ana") as guest:
        yield guest


async def only_message(guest: Guest) -> dict[str, Any]:
    [message] = await guest.messages()
    return message


async def test_a_card_as_data_has_all_a_scripted_voter_needs(demo: WebChat, ana: Guest) -> None:
    card = await demo.post_card(CHANNEL, QUESTION, "secret-key")

    seen = await only_message(ana)

    assert seen["id"] == int(card.message)
    assert seen["title"] == "Sample 1 of 8"
    assert seen["parts"][0]["text"].startswith("TarFile.makedir")
    assert seen["seeds"] == ["up", "down", "unsure"]
    assert [button["id"] for button in seen["buttons"]] == ["yes", "no", "skip"]
    assert not seen["is_closed"]
    assert "secret-key" not in json.dumps(seen)


async def test_a_button_that_is_a_seed_is_drawn_once(demo: WebChat, ana: Guest) -> None:
    await demo.post_card(CHANNEL, QUESTION, "k")

    seen = await only_message(ana)

    assert [(mark["emoji"], mark["label"]) for mark in seen["marks"]] == [
        ("up", "Relevant"),
        ("down", "Not relevant"),
        ("unsure", "Can't tell"),
    ]
    assert [button["id"] for button in seen["presses"]] == ["skip"]


async def test_people_see_again_what_they_gave(demo: WebChat, ana: Guest) -> None:
    card = await demo.post_card(CHANNEL, QUESTION, "k")
    form = await demo.post_card(CHANNEL, FEATURES, "f")
    await ana.react(int(card.message), "up")
    await ana.press(int(card.message), "skip")
    await ana.submit(int(form.message), {"archive": "4"})

    seen, filled = await ana.messages()

    assert seen["mine"] == {"reactions": ["up"], "choice": "skip", "values": {}}
    assert filled["mine"]["values"] == {"archive": "4"}


async def test_nothing_unrecorded_is_shown_as_given(demo: WebChat, ana: Guest, ears: Ears) -> None:
    card = await demo.post_card(CHANNEL, QUESTION, "k")
    ears.is_deaf = True

    with pytest.raises(GuestRefused, match="Not recorded"):
        await ana.press(int(card.message), "skip")

    assert (await only_message(ana))["mine"]["choice"] is None


async def test_a_closed_card_takes_no_more_answers(demo: WebChat, ana: Guest, ears: Ears) -> None:
    card = await demo.post_card(CHANNEL, QUESTION, "k")
    await ana.react(int(card.message), "up")
    await demo.edit_card(card, CLOSED)

    with pytest.raises(GuestRefused, match="closed"):
        await ana.react(int(card.message), "up", is_on=False)
    with pytest.raises(GuestRefused, match="closed"):
        await ana.press(int(card.message), "skip")
    await ana.say("a late remark", thread=int(card.message))

    assert (await demo.snapshot(card)).reactions == {"up": {"web:ana"}}
    assert isinstance(ears.events[-1], ThreadReply)


@pytest.mark.parametrize("values", [{}, {"nope": "1"}, {"archive": "9"}])
async def test_a_form_takes_only_what_the_menu_offers(
    demo: WebChat, ana: Guest, ears: Ears, values: dict[str, str]
) -> None:
    form = await demo.post_card(CHANNEL, FEATURES, "f")

    with pytest.raises(GuestRefused, match="422"):
        await ana.submit(int(form.message), values)

    assert ears.events == []


async def test_a_repeat_gets_the_same_answer_and_changes_nothing(
    demo: WebChat, ana: Guest, ears: Ears
) -> None:
    card = int((await demo.post_card(CHANNEL, QUESTION, "k")).message)
    first = await ana.say("+archive", thread=card, key="a")
    again = await ana.say("+archive", thread=card, key="a")
    await ana.react(card, "up", key="b")
    await ana.react(card, "up", is_on=False, key="c")

    late = await ana.react(card, "up", key="b")

    assert first == again == {"id": first["id"], "is_delivered": True}
    assert late["is_delivered"]
    assert len(ears.events) == 3
    assert (await ana.messages())[0]["mine"]["reactions"] == []


async def test_a_repeat_tells_the_bot_what_it_could_not_hear(
    demo: WebChat, ana: Guest, ears: Ears
) -> None:
    card = int((await demo.post_card(CHANNEL, QUESTION, "k")).message)
    ears.is_deaf = True
    unheard = await ana.say("+archive", thread=card, key="a")
    ears.is_deaf = False

    heard = await ana.say("+archive", thread=card, key="a")

    assert not unheard["is_delivered"]
    assert heard == {"id": unheard["id"], "is_delivered": True}
    assert [type(event) for event in ears.events] == [ThreadReply]
    assert len(await ana.messages()) == 2


async def test_two_people_may_use_the_same_key(demo: WebChat, ana: Guest, ears: Ears) -> None:
    card = int((await demo.post_card(CHANNEL, QUESTION, "k")).message)
    async with Guest.enter(demo.entry_url(), "Bo") as bo:
        await ana.react(card, "up", key="1")
        await bo.react(card, "up", key="1")

    assert len({event.event_id for event in ears.events}) == 2


async def test_nobody_changes_what_somebody_else_said(demo: WebChat, ana: Guest) -> None:
    said = await ana.say("mine")

    async with Guest.enter(demo.entry_url(), "Bo") as bo:
        with pytest.raises(GuestRefused, match="403"):
            await bo.edit(said["id"], "not yours")
        with pytest.raises(GuestRefused, match="403"):
            await bo.delete(said["id"])


async def test_a_whisper_can_be_dismissed_but_not_read_or_kept_by_others(
    demo: WebChat, ana: Guest
) -> None:
    await demo.whisper(ana.id, CHANNEL, "for you", None)
    whisper = await only_message(ana)

    async with Guest.enter(demo.entry_url(), "Bo") as bo:
        with pytest.raises(GuestRefused, match="404"):
            await bo.delete(whisper["id"])
    await ana.delete(whisper["id"])

    assert await ana.messages() == []


async def test_small_talk_in_the_channel_is_no_event(demo: WebChat, ana: Guest, ears: Ears) -> None:
    await ana.say("good morning")

    assert (await only_message(ana))["author"] == {"id": "web:ana", "name": "Ana"}
    assert ears.events == []


async def test_what_people_do_comes_with_their_browsers_clock(
    demo: WebChat, ana: Guest, ears: Ears
) -> None:
    ana.http.headers.update({"X-Time-Zone": "Asia/Tokyo", "Accept-Language": "de-AT,de;q=0.9"})

    await ana.say("/joulery status")

    assert (ears.events[0].timezone, ears.events[0].locale) == ("Asia/Tokyo", "de-AT")


async def test_an_unchanged_edit_is_no_event(demo: WebChat, ana: Guest, ears: Ears) -> None:
    card = int((await demo.post_card(CHANNEL, QUESTION, "k")).message)
    said = await ana.say("+archive", thread=card)

    await ana.edit(said["id"], "+archive")
    await ana.edit(said["id"], "-archive")

    assert [type(event) for event in ears.events] == [ThreadReply, ReplyEdited]


async def test_harmful_characters_never_get_in(demo: WebChat, ana: Guest, ears: Ears) -> None:
    tricky = "a\u202eb\u0000c\u2066d\x1be👩\u200d🚀"
    card = await demo.post_card(CHANNEL, QUESTION.model_copy(update={"title": tricky}), "k")
    await ana.say(tricky, thread=int(card.message))

    seen, said = await ana.messages()

    assert seen["title"] == said["text"] == "abcde👩\u200d🚀"
    assert isinstance(ears.events[0], ThreadReply)
    assert ears.events[0].text == said["text"]


async def test_a_text_without_end_is_cut_with_a_mark(demo: WebChat, ana: Guest) -> None:
    await demo.say(CHANNEL, "x" * 50_000, "s")

    text = (await only_message(ana))["text"]

    assert len(text) == demo.caps.max_text
    assert text.endswith("… (cut)")


async def test_a_posted_picture_is_served_to_people_inside_only(
    demo: WebChat, ana: Guest, tmp_path: Path
) -> None:
    path = tmp_path / "loss.png"
    path.write_bytes(PNG)
    await demo.say(CHANNEL, "The loss", "s", pictures=[Picture(path=str(path), alt="falling")])
    path.unlink()

    [picture] = (await only_message(ana))["pictures"]

    assert picture["alt"] == "falling"
    async with ana.http.get(picture["url"]) as response:
        assert (response.content_type, await response.read()) == ("image/png", PNG)
    assert (await ask(demo.url, "GET", picture["url"])).status == 401


@pytest.mark.parametrize("content", [b"<svg onload='alert(1)'/>", b"<html>", b"", None])
async def test_what_is_no_picture_is_refused(
    demo: WebChat, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ChatRefused, match=r"a\.png"):
        await demo.say(CHANNEL, "look", "s", pictures=[Picture(path=str(path), alt="")])


async def test_a_port_in_use_is_named_with_the_remedy(demo: WebChat, tmp_path: Path) -> None:
    port = int(demo.url.rpartition(":")[2])
    second = WebChat(tmp_path / "second.sqlite", port=port)

    with pytest.raises(ChatSetupError, match=rf"Port {port} .* set another port"):
        await second.connect(Ears())

    await second.close()


async def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, and long enough to be looked at" * 9)

    with pytest.raises(ChatSetupError, match="set another path"):
        WebChat(path)

    assert path.read_text().startswith("not a database")


async def test_further_hosts_are_answered_when_allowed(tmp_path: Path, ears: Ears) -> None:
    chat = WebChat(tmp_path / "chat.sqlite", port=0, allowed_hosts=["chat.example"])
    await chat.connect(ears)
    address = chat.health().detail.partition(",")[0]

    answer = await ask(address, "GET", "/enter", {"Host": "chat.example"})

    assert chat.url == "http://chat.example"
    assert answer.status == 410
    await chat.close()


async def test_another_channel_does_not_exist(demo: WebChat) -> None:
    with pytest.raises(ChatRefused, match="no channel 'elsewhere'"):
        await demo.post_card("elsewhere", QUESTION, "k")


async def test_older_messages_come_page_by_page(demo: WebChat, ana: Guest) -> None:
    for number in range(5):
        await demo.say(CHANNEL, f"m{number}", f"k{number}")

    newest = await ana.messages(limit=2)
    older = await ana.messages(before=newest[0]["id"], limit=2)

    assert [m["text"] for m in newest] == ["m3", "m4"]
    assert [m["text"] for m in older] == ["m1", "m2"]


async def test_it_can_draw_charts_and_says_how_it_is(demo: WebChat) -> None:
    assert isinstance(demo, HasBoard)
    assert demo.health().is_connected
    await demo.close()
    assert not demo.health().is_connected


async def test_the_state_file_is_private(demo: WebChat, tmp_path: Path) -> None:
    assert (tmp_path / "chat.sqlite").stat().st_mode & 0o077 == 0
