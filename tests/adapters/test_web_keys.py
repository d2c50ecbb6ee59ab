"""Answers by key and by number on the page, and where their buttons stand."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from adapters.web.platform import WebChat
from tests.adapters.cards import PAIR, QUESTION, SHEET, SHEET_BLIND, WHICH, WHICH_BLIND
from tests.adapters.drivers import CHANNEL, Ears, Visit

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def expect_marked(page: Page, numbers: str) -> None:
    """Wait until these numbers of a sheet, and no others, are marked."""
    await page.wait_for_function(
        "wanted => [...document.querySelectorAll('[data-part][aria-pressed=true]')]"
        ".map(one => one.dataset.part).join('') === wanted",
        arg=numbers,
    )


async def test_keys_answer_one_card_after_the_other(chat: WebChat, visit: Visit) -> None:
    cards = [await chat.post_card(CHANNEL, QUESTION, f"k{number}") for number in range(3)]
    page = await visit("Ana")
    await expect(page.locator(".waiting")).to_have_text("3 waiting")

    for key in "jynu":
        await page.keyboard.press(key)

    await expect(page.locator(".waiting")).to_be_hidden()
    shots = [(await chat.snapshot(card)).reactions for card in cards]
    assert shots == [{"up": {"web:ana"}}, {"down": {"web:ana"}}, {"unsure": {"web:ana"}}]


async def test_digits_choose_among_labels_one_card_after_the_other(
    chat: WebChat, visit: Visit
) -> None:
    cards = [await chat.post_card(CHANNEL, WHICH, f"k{number}") for number in range(4)]
    page = await visit("Ana")

    for key in "j20nu":
        await page.keyboard.press(key)

    await expect(page.locator(".waiting")).to_be_hidden()
    given = [set((await chat.snapshot(card)).reactions) for card in cards]
    assert given == [{"two"}, {"ten"}, {"down"}, {"unsure"}]


async def test_letters_choose_a_side_one_pair_after_the_other(chat: WebChat, visit: Visit) -> None:
    cards = [await chat.post_card(CHANNEL, PAIR, f"k{number}") for number in range(4)]
    page = await visit("Ana")

    for key in "jabtu":
        await page.keyboard.press(key)

    await expect(page.locator(".waiting")).to_be_hidden()
    given = [set((await chat.snapshot(card)).reactions) for card in cards]
    assert given == [{"a"}, {"b"}, {"same"}, {"unsure"}]


async def test_the_sides_of_a_pair_stand_side_by_side_on_a_phone(
    chat: WebChat, visit: Visit
) -> None:
    await chat.post_card(CHANNEL, PAIR, "k")
    page = await visit("Ana", width=390)

    await expect(page.locator(".part h3")).to_have_text(["Prompt", "A", "B"])
    # at one moment: what loads meanwhile moves them all
    tops = await page.evaluate(
        "names => names.map(n => "
        "document.querySelector(`[data-react=${n}]`).getBoundingClientRect().top)",
        list(PAIR.seeds),
    )
    assert tops[:2] == pytest.approx([tops[0]] * 2, abs=1)
    assert tops[2:] == pytest.approx([tops[2]] * 3, abs=1)
    assert tops[2] > tops[0] + 10


async def test_digits_press_the_buttons_of_a_blind_card(
    chat: WebChat, visit: Visit, ears: Ears
) -> None:
    for number in range(2):
        await chat.post_card(CHANNEL, WHICH_BLIND, f"k{number}")
    page = await visit("Ana")

    for key in "j30":
        await page.keyboard.press(key)

    await expect(page.locator(".waiting")).to_be_hidden()
    assert [event.model_dump()["choice"] for event in ears.events] == ["#3", "#10"]


async def test_digits_mark_pictures_of_a_sheet_and_the_card_waits_for_the_others(
    chat: WebChat, visit: Visit
) -> None:
    card = await chat.post_card(CHANNEL, SHEET, "k")
    page = await visit("Ana")

    await page.keyboard.press("j")
    for key, marked in [("3", "3"), ("7", "37"), ("0", "3710"), ("3", "710")]:
        await page.keyboard.press(key)
        await expect_marked(page, marked)
    await expect(page.locator(".waiting")).to_have_text("1 waiting")
    await page.keyboard.press("y")

    await expect(page.locator(".waiting")).to_be_hidden()
    assert set((await chat.snapshot(card)).reactions) == {"seven", "ten", "up"}


async def test_digits_press_the_numbers_of_a_blind_sheet_and_take_them_back(
    chat: WebChat, visit: Visit, ears: Ears
) -> None:
    await chat.post_card(CHANNEL, SHEET_BLIND, "k")
    page = await visit("Ana")

    await page.keyboard.press("j")
    for key, marked in [("3", "3"), ("7", "37"), ("3", "7")]:
        await page.keyboard.press(key)
        await expect_marked(page, marked)
    await page.keyboard.press("y")

    await expect(page.locator(".waiting")).to_be_hidden()
    await expect_marked(page, "7")
    given = [event.model_dump() for event in ears.events]
    assert [event.get("choice") or event["values"] for event in given] == [
        "3:no",
        "7:no",
        {"3": "yes"},
        "yes",
    ]


async def test_a_sheet_whose_every_line_is_filled_in_waits_for_nothing(
    chat: WebChat, visit: Visit
) -> None:
    await chat.post_card(CHANNEL, SHEET_BLIND, "k")
    page = await visit("Ana")

    await page.get_by_text("Each picture by itself").click()
    for number in range(10):
        await page.locator(".option").nth(number).get_by_label("Fits", exact=True).check()
    await page.locator("[data-form] .primary").click()

    await expect(page.locator(".waiting")).to_be_hidden()
    await expect_marked(page, "")


async def test_other_answers_for_all_replace_each_other_and_no_number(
    chat: WebChat, visit: Visit
) -> None:
    card = await chat.post_card(CHANNEL, SHEET, "k")
    page = await visit("Ana")

    for emoji in ("three", "up", "bad"):
        button = page.locator(f"[data-emoji={emoji}]")
        await button.click()
        await expect(button).to_have_attribute("aria-pressed", "true")

    await expect(page.locator("[aria-pressed=true]")).to_have_count(2)
    assert set((await chat.snapshot(card)).reactions) == {"three", "bad"}


@pytest.mark.parametrize("width", [390, 1200])
async def test_the_numbers_of_a_sheet_stand_above_what_is_said_of_all(
    chat: WebChat, visit: Visit, width: int
) -> None:
    await chat.post_card(CHANNEL, SHEET, "k")
    page = await visit("Ana", width)

    boxes = await page.evaluate(
        "() => [...document.querySelectorAll('.vote')].map((one) => {"
        " const { top, bottom, width, height } = one.getBoundingClientRect();"
        " return [top, bottom, width, height]; })"
    )
    numbers, others = boxes[:10], boxes[10:]
    assert max(bottom for _, bottom, _, _ in numbers) < min(top for top, _, _, _ in others)
    assert len({top for top, _, _, _ in numbers}) == (2 if width == 390 else 1)
    assert min(min(w, h) for _, _, w, h in boxes) > 39.9  # a thumb hits it
    assert await page.evaluate("document.documentElement.scrollWidth") == width


async def test_another_number_replaces_the_first(chat: WebChat, visit: Visit) -> None:
    card = await chat.post_card(CHANNEL, WHICH, "k")
    page = await visit("Ana")

    for name in ("lost_card", "C++"):
        await page.get_by_role("button", name=name).click()
        await expect(page.get_by_role("button", name=name)).to_have_attribute(
            "aria-pressed", "true"
        )

    await expect(page.locator("[aria-pressed=true]")).to_have_count(1)
    assert (await chat.snapshot(card)).reactions == {"four": {"web:ana"}}


@pytest.mark.parametrize(("width", "columns"), [(320, 2), (390, 2), (1280, 3)])
async def test_labels_stand_in_columns_with_their_numbers(
    chat: WebChat, visit: Visit, width: int, columns: int
) -> None:
    await chat.post_card(CHANNEL, WHICH, "k1")
    closed = WHICH.model_copy(update={"is_closed": True, "tally": "lost_card 2"})
    await chat.post_card(CHANNEL, closed, "k2")
    page = await visit("Ana", width)
    await expect(page.locator(".card")).to_have_count(2)

    for place in range(2):
        votes = page.locator(".card").nth(place).locator(".vote")
        left = await votes.evaluate_all("all => all.map(one => one.getBoundingClientRect().left)")
        cut = await votes.evaluate_all(
            "all => all.filter((one) => one.scrollWidth > one.clientWidth).map((e) => e.innerText)"
        )
        keys = await page.locator(".card").nth(place).locator(".keycap").all_inner_texts()

        assert len(left) == 12
        assert len(set(left)) == columns
        assert cut == []
        assert keys == [str(number) for number in range(1, 11)]
    assert await page.evaluate("document.documentElement.scrollWidth") == width
