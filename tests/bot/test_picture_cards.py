"""Cards of pictures: what they say, and that none is lost with its picture."""

import asyncio
import contextlib
import logging

import pytest
from PIL import Image

from adapters.base import MAX_PICTURE, Picture
from adapters.memory import MemoryChat
from adapters.web.platform import WebChat
from bot import cards, outgoing
from bot.post import PostOffice
from bot.showable import is_readable
from tests.bot.cards import T0, sample_ballot, spec, which_ballot

VIEW = {"sample_id": "pool-7", "text": "", "label": "cat", "image_path": "runs/r1/7.png"}


def fits(**more):
    return sample_ballot(view=VIEW | more)


def card(ballot, **more):
    return cards.question(ballot, spec(), closes="closes by 12:00", **more)


def picture(path, size=(32, 32)):
    Image.new("RGB", size, "teal").save(path)
    return str(path)


def test_a_picture_stands_on_its_card_with_a_question_that_fits_it():
    shown = card(fits())

    assert shown.title == shown.text == "Does the label “cat” fit this picture?"
    assert [(p.path, p.alt) for p in shown.pictures] == [
        ("runs/r1/7.png", "Sample pool-7, filed under cat")
    ]
    assert [part.text for part in shown.parts] == [""]


def test_which_of_these_is_asked_of_a_picture_and_its_words_do_not_tell_the_label():
    ballot = which_ballot(view=VIEW | {"label": "maths"})

    shown = card(ballot)

    assert shown.title == "Which of these is it?"
    assert shown.text == "Which of these is it: maths, card arrival, lost_card, or none?"
    assert shown.pictures[0].alt == "Sample pool-7"


def test_texts_are_asked_about_as_before():
    assert card(sample_ballot()).title == "Does “maths” fit?"
    assert card(which_ballot()).title == "Which of these?"
    assert card(sample_ballot()).pictures == ()


def test_a_picture_stands_for_others_that_look_the_same():
    assert "37 samples that look the same" in card(fits(stands_for=37)).parts[0].note


def test_a_long_label_is_cut_beside_the_picture():
    assert len(card(fits(label="x" * 300)).pictures[0].alt) < 120


# --- posting ------------------------------------------------------------------------------------


@pytest.fixture
async def post(store):
    """Post a card, and its edited appearance, as the bot does."""
    chat = MemoryChat()
    office = PostOffice({"memory": chat}, store, lambda: T0)

    async def posted(shown, edited=None):
        await office.queue(outgoing.post("k", "memory", "c", shown))
        if edited is not None:
            await office.queue(outgoing.edit("k", "memory", "c", edited))
        working = asyncio.create_task(office.run(None))
        assert await office.drained(5)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        [one] = chat.cards()
        return one

    return posted


async def test_a_picture_that_can_be_read_is_posted(post, tmp_path):
    shown = card(fits(image_path=picture(tmp_path / "7.png")))

    assert (await post(shown)).card == shown


@pytest.mark.parametrize("trouble", ["missing", "cut off", "empty", "a folder", "no picture"])
async def test_a_card_whose_picture_is_lost_is_posted_and_says_so(post, tmp_path, caplog, trouble):
    path = tmp_path / "7.png"
    match trouble:
        case "cut off":
            picture(path)
            path.write_bytes(path.read_bytes()[:-20])
        case "empty":
            path.touch()
        case "a folder":
            path.mkdir()
        case "no picture":
            path.write_text("<svg onload='alert(1)'/>")

    with caplog.at_level(logging.WARNING):
        shown = (await post(card(fits(image_path=str(path))))).card

    assert shown.pictures == ()
    assert shown.lines == ("The picture could not be read.",)
    assert shown.buttons
    assert "picture not shown" in caplog.messages


async def test_what_was_lost_is_still_said_once_the_card_is_closed(post):
    ballot = fits(image_path="nowhere.png")
    closed = cards.with_tally(card(ballot), ballot, {"yes": 1}, is_closed=True)

    shown = (await post(card(ballot), closed)).card

    assert shown.is_closed
    assert shown.lines == ("The picture could not be read.",)


async def test_a_text_whose_picture_has_gone_is_said_without_it_in_the_web_chat(store, tmp_path):
    chat = WebChat(tmp_path / "chat.db")
    office = PostOffice({"web": chat}, store, lambda: T0)
    pictures = tuple(
        Picture(path=path, alt="a curve")
        for path in (picture(tmp_path / "7.png"), str(tmp_path / "gone.png"))
    )
    running = asyncio.create_task(office.run(nobody_hears))
    try:
        await office.queue(outgoing.say("k", "web", "joulery", "So far", pictures=pictures))
        assert await office.drained(5)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    posting = store.mail.posting_at("web:joulery:1")
    assert posting is not None
    [said] = chat._state.channel("", before=None, limit=9)
    assert said.post.text == "So far\nThe picture could not be read."
    assert [kept["alt"] for kept in said.post.pictures] == ["a curve"]
    await chat.close()


async def nobody_hears(*_):
    """Events of a test without people."""


def test_a_picture_larger_than_platforms_take_is_not_shown(tmp_path):
    path = tmp_path / "7.png"
    picture(path)
    path.write_bytes(path.read_bytes() + bytes(MAX_PICTURE))

    assert not is_readable(path)
