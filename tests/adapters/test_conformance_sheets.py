"""Cards with numbers that stand beside their answers, on every platform."""

from __future__ import annotations

from adapters.base import ButtonPressed, FormSubmitted, ReactionAdded
from tests.adapters.cards import NUMBERS, SHEET, SHEET_BLIND
from tests.adapters.drivers import Driver


async def test_numbers_and_what_is_said_of_all_others_stand_together(driver: Driver) -> None:
    card = await driver.chat.post_card(driver.channel, SHEET, "k")

    for emoji in ("three", "up", "ten"):
        await driver.react("ana", card, emoji)

    reacted = [e.emoji.canonical for e in driver.ears.events if isinstance(e, ReactionAdded)]
    assert reacted == ["three", "up", "ten"]
    standing = await driver.chat.snapshot(card)
    assert {standing.canonical[raw] for raw, who in standing.reactions.items() if who} == {
        "three", "up", "ten",
    }  # fmt: skip
    assert set(NUMBERS) < set(SHEET.seeds)


async def test_numbers_are_pressed_and_filled_in_one_by_one(driver: Driver) -> None:
    card = await driver.chat.post_card(driver.channel, SHEET_BLIND, "k")

    for choice in ("3:no", "10:no", "yes"):
        assert await driver.press("ana", card, choice)
    assert await driver.submit("ana", card, {"3": "yes", "4": "no"})

    heard = driver.ears.events
    assert [e.choice for e in heard if isinstance(e, ButtonPressed)] == ["3:no", "10:no", "yes"]
    assert [e.values for e in heard if isinstance(e, FormSubmitted)] == [{"3": "yes", "4": "no"}]
