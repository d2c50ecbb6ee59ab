"""The page of the web chat, driven by a real browser."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser, expect

from adapters.base import Board, Button, Card, CardPart, Menu, Picture, Series
from adapters.web.platform import WebChat
from tests.adapters.cards import (
    CLOSED,
    FEATURES,
    LEVELS,
    PNG,
    QUESTION,
    RUN,
)
from tests.adapters.drivers import CHANNEL, Ears, Visit

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

ATTACK = "<img src=x onerror=pwned()><script>pwned()</script>"


async def test_a_click_is_seen_live_in_another_tab(chat: WebChat, visit: Visit) -> None:
    card = await chat.post_card(CHANNEL, QUESTION, "k")
    ana, bo = await visit("Ana"), await visit("Bo")

    await ana.get_by_role("button", name="Relevant", exact=True).click()

    theirs = bo.locator("[data-react=up]")
    await expect(theirs).to_have_text("Relevant1")
    await expect(theirs).to_have_attribute("title", "Ana")
    await expect(theirs).to_have_attribute("aria-pressed", "false")
    await expect(ana.locator("[data-react=up]")).to_have_attribute("aria-pressed", "true")
    assert (await chat.snapshot(card)).reactions == {"up": {"web:ana"}}


async def test_a_card_posted_later_appears_by_itself(chat: WebChat, visit: Visit) -> None:
    page = await visit("Ana")
    await expect(page.get_by_text("Nothing here yet")).to_be_visible()

    await chat.post_card(CHANNEL, QUESTION, "k")

    await expect(page.get_by_text("TarFile.makedir")).to_be_visible()
    await expect(page.get_by_text("Nothing here yet")).to_have_count(0)
    await expect(page.get_by_text("1 waiting")).to_be_visible()


async def test_another_answer_replaces_the_first(chat: WebChat, visit: Visit) -> None:
    card = await chat.post_card(CHANNEL, QUESTION, "k")
    page = await visit("Ana")

    await page.locator("[data-react=up]").click()
    await expect(page.locator("[data-react=up]")).to_have_attribute("aria-pressed", "true")
    await page.locator("[data-react=down]").click()
    await expect(page.locator("[data-react=up]")).to_have_attribute("aria-pressed", "false")

    assert (await chat.snapshot(card)).reactions == {"down": {"web:ana"}}


async def test_a_button_and_a_reaction_are_answers_to_one_question(
    chat: WebChat, visit: Visit
) -> None:
    card = await chat.post_card(CHANNEL, QUESTION, "k")
    page = await visit("Ana")
    yes, skip = page.locator("[data-react=up]"), page.locator("[data-press=skip]")

    await yes.click()
    await expect(yes).to_have_attribute("aria-pressed", "true")
    await skip.click()
    await expect(skip).to_have_attribute("aria-pressed", "true")
    await expect(yes).to_have_attribute("aria-pressed", "false")
    assert (await chat.snapshot(card)).reactions == {}

    await yes.click()
    await expect(yes).to_have_attribute("aria-pressed", "true")
    await expect(skip).to_have_attribute("aria-pressed", "false")


async def test_only_questions_wait_for_an_answer(chat: WebChat, visit: Visit) -> None:
    await chat.post_card(CHANNEL, RUN, "run")
    await chat.post_card(CHANNEL, FEATURES, "form")
    await chat.post_card(CHANNEL, CLOSED, "closed")

    page = await visit("Ana")

    await expect(page.locator(".waiting")).to_have_text("1 waiting")
    await expect(page).to_have_title("(1) #joulery · Joulery")


async def test_a_half_filled_form_survives_other_peoples_votes(
    chat: WebChat, visit: Visit, ears: Ears
) -> None:
    both = FEATURES.model_copy(update={"seeds": ("up",), "tally": "0 of 2"})
    card = await chat.post_card(CHANNEL, both, "k")
    ana, bo = await visit("Ana"), await visit("Bo")
    await ana.get_by_role("group", name="mentions an archive").get_by_label("4: much").check()

    await bo.locator("[data-react=up]").click()
    await chat.edit_card(card, both.model_copy(update={"tally": "1 of 2"}))
    await expect(ana.locator("[data-react=up]")).to_have_text("Yes1")
    await expect(ana.locator(".tally")).to_have_text("1 of 2")
    await ana.get_by_role("button", name="Send", exact=True).first.click()

    await expect(ana.get_by_text("answered")).to_be_visible()
    assert ears.events[-1].model_dump()["values"] == {"archive": "4"}


async def test_bars_stand_beside_the_lines_they_belong_to(chat: WebChat, visit: Visit) -> None:
    await chat.post_card(CHANNEL, FEATURES, "k")
    page = await visit("Ana")

    option = page.get_by_role("group", name="mentions an archive")

    await expect(option.locator(".bar-note")).to_have_text("62 %")
    await expect(page.locator(".bars li")).to_have_text("is short10 %")


async def test_a_thread_is_written_changed_and_cleared(
    chat: WebChat, visit: Visit, ears: Ears
) -> None:
    await chat.post_card(CHANNEL, QUESTION, "k")
    ana, bo = await visit("Ana"), await visit("Bo")

    await ana.locator(".thread summary").click()
    await ana.get_by_label("Reply in this thread").fill("+archive")
    await ana.keyboard.press("Enter")
    await expect(bo.locator("[data-replies]")).to_have_text("1 reply")
    await ana.get_by_role("button", name="Edit").click()
    await ana.get_by_label("Change your text").fill("-archive")
    await ana.keyboard.press("Enter")
    await bo.locator(".thread summary").click()
    await expect(bo.get_by_text("-archive")).to_be_visible()
    await expect(bo.get_by_role("button", name="Edit")).to_have_count(0)
    await ana.get_by_role("button", name="Delete").click()
    await expect(bo.locator("[data-replies]")).to_have_text("Reply")

    kinds = [event.kind for event in ears.events]
    assert kinds == ["thread_reply", "reply_edited", "reply_deleted"]


async def test_a_long_text_is_folded_and_edited_as_a_whole(chat: WebChat, visit: Visit) -> None:
    page = await visit("Ana")
    long = " ".join(f"word{number}" for number in range(300))
    await page.get_by_label("Message", exact=True).fill(long)
    await page.keyboard.press("Enter")

    await expect(page.get_by_text("word299")).to_be_hidden()
    await page.get_by_text("Show more").click()
    await expect(page.get_by_text("word299")).to_be_visible()
    await page.get_by_role("button", name="Edit").click()
    await expect(page.get_by_label("Change your text")).to_have_value(long)
    await page.keyboard.press("Enter")

    await expect(page.get_by_label("Change your text")).to_have_count(0)
    await expect(page.get_by_text("edited")).to_have_count(0)


async def test_a_press_the_bot_missed_is_said_so(
    chat: WebChat, visit: Visit, ears: Ears, complaints: list[str]
) -> None:
    await chat.post_card(CHANNEL, RUN, "k")
    page = await visit("Ana")
    ears.is_deaf = True

    await page.get_by_role("button", name="Pause").click()

    await expect(page.get_by_text("Please press again")).to_be_visible()
    await expect(page.locator("[data-press]")).to_have_attribute("aria-pressed", "false")
    assert "503" in complaints.pop()


async def test_a_vote_the_bot_missed_stands_and_is_said_so(
    chat: WebChat, visit: Visit, ears: Ears
) -> None:
    card = await chat.post_card(CHANNEL, QUESTION, "k")
    page = await visit("Ana")
    ears.is_deaf = True

    await page.locator("[data-react=up]").click()

    await expect(page.get_by_text("Kept here")).to_be_visible()
    assert (await chat.snapshot(card)).reactions == {"up": {"web:ana"}}


async def test_a_closed_card_shows_the_result_and_no_controls(chat: WebChat, visit: Visit) -> None:
    card = await chat.post_card(CHANNEL, QUESTION, "k")
    page = await visit("Ana")
    await page.locator("[data-react=up]").click()
    await expect(page.locator("[data-react=up]")).to_have_text("Relevant1")

    await chat.edit_card(card, CLOSED)

    await expect(page.get_by_text("Closed", exact=True)).to_be_visible()
    await expect(page.locator(".votes")).to_contain_text("Relevant1")
    await expect(page.locator(".card .votes button, .menu")).to_have_count(0)
    await expect(page.locator(".waiting")).to_be_hidden()


async def test_a_whisper_is_shown_at_its_card_and_can_be_dismissed(
    chat: WebChat, visit: Visit
) -> None:
    card = await chat.post_card(CHANNEL, QUESTION, "k")
    ana, bo = await visit("Ana"), await visit("Bo")

    await chat.whisper("web:ana", card, "Did you mean archive?", None)
    await expect(ana.locator(".card .whisper")).to_contain_text("only you can see this")
    await ana.get_by_role("button", name="Dismiss").click()

    await expect(ana.locator(".whisper")).to_have_count(0)
    await expect(bo.get_by_text("Did you mean")).to_have_count(0)


async def test_a_command_is_typed_into_the_message_box(
    chat: WebChat, visit: Visit, ears: Ears
) -> None:
    page = await visit("Ana")

    await page.get_by_label("Message", exact=True).fill("/joulery pause docs-7")
    await page.keyboard.press("Enter")

    await expect(page.get_by_label("Message", exact=True)).to_have_value("")
    assert ears.events[-1].model_dump()["words"] == "pause docs-7"


async def test_a_chart_is_drawn_and_its_facts_are_listed(chat: WebChat, visit: Visit) -> None:
    page = await visit("Ana")
    board = Board(
        board_id="b",
        title="Accuracy against energy",
        x_label="kJ",
        y_label="accuracy",
        series=(Series(name="human", x=(0, 1, 2), y=(0.1, 0.5, 0.6)),),
        facts=(("Energy so far", "41.2 kJ (measured)"),),
    )

    await chat.show_board(board)

    await expect(page.locator(".chart canvas")).to_be_visible()
    await expect(page.locator(".fact")).to_have_text("Energy so far41.2 kJ (measured)")
    await page.reload()
    await expect(page.locator(".chart canvas")).to_be_visible()


async def test_the_page_catches_up_after_the_bot_was_away(
    chat: WebChat, visit: Visit, ears: Ears, tmp_path: Path, complaints: list[str]
) -> None:
    page = await visit("Ana")
    port = int(chat.url.rpartition(":")[2])
    await chat.close()
    await expect(page.locator(".link")).to_have_attribute("data-state", "off")

    again = WebChat(tmp_path / "chat.sqlite", port=port, channel=CHANNEL, open_link=True)
    await again.say(CHANNEL, "Back again", "s")
    await again.connect(ears)

    await expect(page.get_by_text("Back again")).to_be_visible()
    await expect(page.locator(".link")).to_have_attribute("data-state", "on")
    await page.close()
    await again.close()
    complaints.clear()  # a stream that breaks off is one


ATTACKING_CARD = Card(
    text=ATTACK,
    title=ATTACK,
    parts=(CardPart(key=ATTACK, title=ATTACK, text=ATTACK, note=ATTACK), CardPart(key="2")),
    bars=((ATTACK, 0.5, ATTACK),),
    lines=(ATTACK, "javascript:pwned()"),
    buttons=(Button(id=ATTACK, label=ATTACK), Button(id="u", label=ATTACK, emoji="up")),
    menu=Menu(title=ATTACK, options=((ATTACK, ATTACK), ("k", ATTACK)), levels=LEVELS),
    seeds=("up", ATTACK),
    footer=ATTACK,
    tally=ATTACK,
)
ATTACKING_BOARD = Board(
    board_id=ATTACK,
    title=ATTACK,
    x_label=ATTACK,
    y_label=ATTACK,
    series=(Series(name=ATTACK, x=(0, 1), y=(0, 1)),),
    facts=((ATTACK, ATTACK),),
)


@pytest.mark.parametrize("is_live", [True, False], ids=["live", "loaded"])
async def test_hostile_texts_stay_texts(
    chat: WebChat, visit: Visit, tmp_path: Path, *, is_live: bool
) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    picture = Picture(path=str(tmp_path / "a.png"), alt=ATTACK, title=ATTACK)
    eve = await visit("<img src=x onerror=pwned()>")

    card = await chat.post_card(CHANNEL, ATTACKING_CARD, "k")
    await chat.say(CHANNEL, ATTACK, "s", pictures=[picture])
    await chat.whisper("web:img-src-x-onerror-pwned", card, ATTACK, None)
    await chat.show_board(ATTACKING_BOARD)
    await eve.get_by_label("Message", exact=True).fill(f"\u202e{ATTACK * 30}")
    await eve.keyboard.press("Enter")
    if not is_live:
        await eve.reload()

    await expect(eve.locator(".said:last-child .fold")).to_contain_text(ATTACK)
    await expect(eve.locator(".card h2")).to_have_text(ATTACK)
    await expect(eve.locator(".whisper")).to_contain_text(ATTACK)
    await expect(eve.locator(".board-title")).to_have_text(ATTACK)
    await eve.locator(f'[data-press="{ATTACK}"]').click()
    await expect(eve.locator("[aria-pressed=true]")).to_have_text(ATTACK)
    assert await eve.locator("img[onerror], .feed script, .panel script").count() == 0
    assert "\u202e" not in await eve.content()


@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_nothing_scrolls_sideways(
    chat: WebChat, visit: Visit, tmp_path: Path, width: int
) -> None:
    endless = "x" * 300
    card = QUESTION.model_copy(update={"title": endless, "footer": endless, "tally": endless})
    await chat.post_card(CHANNEL, card, "k1")
    buttons = tuple(Button(id=str(n), label=f"A rather long answer {n}") for n in range(7))
    await chat.post_card(CHANNEL, RUN.model_copy(update={"buttons": buttons}), "k2")
    await chat.post_card(CHANNEL, FEATURES, "k3")
    note = "33 % · accuracy 63.4 % · ≈ 0.0583 Wh ±0.025 (estimated)"
    arms = RUN.model_copy(update={"bars": (("label names only (nobody asked)", 0.3, note),)})
    await chat.post_card(CHANNEL, arms, "k4")
    await chat.say(CHANNEL, endless, "s")
    page = await visit("Ana with a long name", width)
    await chat.show_board(ATTACKING_BOARD)
    await expect(page.locator(".board")).to_have_count(1)

    needed = await page.evaluate("document.documentElement.scrollWidth")
    cut = await page.evaluate(
        "[...document.querySelectorAll('.bar-note')].filter((note) =>"
        " note.getBoundingClientRect().right > note.closest('.card').getBoundingClientRect().right)"
        ".map((note) => note.textContent)"
    )

    assert needed == width
    assert cut == []


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize(
    ("size", "is_tiny"),
    [
        ((32, 32), True),
        ((28, 20), True),
        ((10, 90), True),
        ((224, 160), False),
        ((900, 1500), False),
    ],
)
async def test_a_picture_is_as_large_as_helps_and_keeps_its_shape(
    chat: WebChat, visit: Visit, tmp_path: Path, size: tuple[int, int], width: int, *, is_tiny: bool
) -> None:
    path = tmp_path / "7.png"
    Image.new("RGB", size, "teal").save(path)
    shown = (Picture(path=str(path), alt="Sample 7"),)
    await chat.post_card(CHANNEL, QUESTION.model_copy(update={"pictures": shown}), "k")
    page = await visit("Ana", width)
    picture = page.get_by_role("img", name="Sample 7")
    await expect(picture).to_have_js_property("naturalWidth", size[0])

    box = await picture.bounding_box()

    assert box is not None
    box = {side: round(px, 3) for side, px in box.items()}  # a browser is off by 1e-5 px at times
    assert box["width"] / box["height"] == pytest.approx(size[0] / size[1], rel=0.02)
    rendering = await picture.evaluate("image => getComputedStyle(image).imageRendering")
    assert (rendering == "pixelated") == is_tiny
    if is_tiny and width >= 390:
        factor = box["width"] / size[0]
        assert factor == round(factor) > 1
        assert 270 <= max(box["width"], box["height"]) <= 320
    assert box["width"] <= max(320, size[0])
    assert await page.evaluate("document.documentElement.scrollWidth") == width


async def test_a_picture_s_label_stays_a_text_and_the_picture_opens_by_keyboard(
    chat: WebChat, visit: Visit, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    name = f'"{ATTACK}'
    card = QUESTION.model_copy(
        update={"pictures": (Picture(path=str(tmp_path / "a.png"), alt=name),), "parts": ()}
    )
    await chat.post_card(CHANNEL, card, "k")
    page = await visit("Ana")

    await page.get_by_role("link", name=name).focus()

    await expect(page.locator("figure img")).to_have_attribute("alt", name)
    await expect(page.locator(".card .part, .card .words")).to_have_count(0)
    await expect(page.locator("figure a")).to_be_focused()
    assert await page.locator("img[onerror], .feed script").count() == 0


async def test_a_personal_link_opens_with_one_press(browser: Browser, chat: WebChat) -> None:
    context = await browser.new_context()
    page = await context.new_page()

    await page.goto(chat.invite("Ana"))
    await page.get_by_role("button", name="Join as Ana").click()

    await expect(page.locator(".me-name")).to_have_text("Ana")
    await context.close()


async def test_a_deadline_stands_on_each_readers_own_clock_and_in_their_language(
    browser: Browser, chat: WebChat
) -> None:
    until = datetime(2026, 12, 24, 23, 30, tzinfo=UTC)
    card = QUESTION.model_copy(update={"until": until, "footer": "closes by 23:30 UTC"})
    ref = await chat.post_card(CHANNEL, card, "k")
    context = await browser.new_context(timezone_id="Asia/Tokyo", locale="de-DE")
    page = await context.new_page()
    await page.goto(chat.invite("Ana"))
    await page.get_by_role("button", name="Join as Ana").click()

    foot = page.locator("footer.note")
    await expect(foot).to_contain_text("closes by 23:30 UTC · on your clock 25.12.2026, 08:30")

    await chat.edit_card(ref, card.model_copy(update={"is_closed": True, "footer": "closed"}))
    await expect(foot).to_have_text("closed")
    await context.close()


async def test_a_name_that_will_not_do_is_explained(browser: Browser, chat: WebChat) -> None:
    context = await browser.new_context()
    page = await context.new_page()

    await page.goto(chat.entry_url())
    await page.get_by_label("Your name").fill("!!!")
    await page.get_by_role("button", name="Join").click()

    await expect(page.get_by_role("alert")).to_contain_text("at least one letter")
    await context.close()


async def test_every_control_has_a_name_and_can_be_reached_by_keyboard(
    chat: WebChat, visit: Visit
) -> None:
    await chat.post_card(CHANNEL, QUESTION, "k")
    page = await visit("Ana")

    nameless = await page.evaluate(
        """() => [...document.querySelectorAll("button, input, textarea, summary, a")]
          .filter((e) => !(e.ariaLabel || e.textContent.trim() || e.labels?.length))
          .map((e) => e.outerHTML)"""
    )
    await page.locator("[data-react=up]").focus()
    await page.keyboard.press("Enter")

    await expect(page.locator("[data-react=up]")).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("[data-react=up]")).to_be_focused()
    assert nameless == []
