"""Buttons and forms whose custom ids say all: they work after a restart, and nothing is kept of them.

discord.py forgets views and modals when it stops, and mixes up two people who open the same form,
so buttons are dynamic items and a form's id ends with the press that opened it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import discord
from discord.ui import Button, DynamicItem, Label, Modal, Select, View

from adapters.base import Card, ChatRefused, Menu, Ref
from adapters.discord import emoji
from adapters.text import one_line

MAX_ID, MAX_BUTTON, MAX_LABEL = 100, 80, 45
MAX_BUTTONS, LAST_ROW = 25, 4  # five rows of five
PER_FORM = 5
"""Lines in a form; a card with more of them gets a button per five."""
ANSWER, MENU, FORM = "jl1", "jl1m", "jl1f"


class Hears(Protocol):
    """The client, as the buttons see it."""

    pressed: Callable[[discord.Interaction, str, str], Awaitable[None]]
    opened: Callable[[discord.Interaction, int], Awaitable[None]]


class Answer(DynamicItem[Button[Any]], template=rf"{ANSWER}:(?P<choice>(?s:.+))"):
    """A button that answers."""

    def __init__(self, item: Button[Any], choice: str) -> None:
        super().__init__(item)
        self._choice = choice

    @classmethod
    async def from_custom_id(cls, _: Any, item: Any, match: Any) -> Answer:
        """The button as it was pressed."""
        return cls(item, match["choice"])

    async def callback(self, interaction: discord.Interaction) -> None:
        """Hand the answer on."""
        client: Any = interaction.client
        await client.pressed(interaction, self._choice, self.item.label or "")


class OpenForm(DynamicItem[Button[Any]], template=rf"{MENU}:(?P<first>\d{{1,2}})"):
    """A button that opens a card's form, from one of its lines on."""

    def __init__(self, item: Button[Any], first: int) -> None:
        super().__init__(item)
        self._first = first

    @classmethod
    async def from_custom_id(cls, _: Any, item: Any, match: Any) -> OpenForm:
        """The button as it was pressed."""
        return cls(item, int(match["first"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        """Open it."""
        client: Any = interaction.client
        await client.opened(interaction, self._first)


def view(card: Card) -> View | None:
    """A card's buttons; None for none.

    Raises:
        ChatRefused: an answer's id is too long for Discord, or there are too many.
    """
    if card.is_closed or not (card.buttons or card.menu):
        return None
    pages = _pages(card.menu)
    if len(card.buttons) + len(pages) > MAX_BUTTONS:
        raise ChatRefused(f"Discord takes no more than {MAX_BUTTONS} buttons")
    shown = View(timeout=None)
    for button in card.buttons:
        custom_id = f"{ANSWER}:{button.id}"
        if len(custom_id) > MAX_ID:
            raise ChatRefused(f"Discord takes no answer longer than {MAX_ID - 4}: {button.id!r}")
        label = one_line(button.label, MAX_BUTTON)
        item: Button[Any] = Button(
            label=label, custom_id=custom_id, emoji=emoji.glyph(button.emoji)
        )
        shown.add_item(Answer(item, button.id))
    for first, label in pages:
        row = LAST_ROW if len(pages) > 1 else None
        item = Button(label=label, custom_id=f"{MENU}:{first}", row=row)
        shown.add_item(OpenForm(item, first))
    shown.stop()  # or the library would keep it for ever
    return shown


def _pages(menu: Menu | None) -> list[tuple[int, str]]:
    """(first line, label) of the buttons that open a menu."""
    if menu is None:
        return []
    n = len(menu.options)
    if n <= PER_FORM:
        return [(0, one_line(menu.title, MAX_BUTTON))]
    return [
        (first, one_line(f"{first + 1}–{min(first + PER_FORM, n)}: {menu.title}", MAX_BUTTON))
        for first in range(0, n, PER_FORM)
    ]


def form(menu: Menu, first: int, about: Ref, press_id: int) -> Modal:
    """The form of five of a menu's lines: a level for each, none of them compulsory."""
    modal = Modal(
        title=one_line(menu.title, MAX_LABEL),
        custom_id=f"{FORM}:{about.channel}:{about.message}:{press_id}",
    )
    for key, label in menu.options[first : first + PER_FORM]:
        levels: Select[Any] = Select(
            custom_id=key,
            required=False,
            options=[
                discord.SelectOption(label=one_line(_level(value, name), 100), value=value)
                for value, name in menu.levels
            ],
        )
        short = one_line(label, MAX_LABEL)
        full = one_line(label, 100) if short.endswith("…") else None
        modal.add_item(Label(text=short, description=full, component=levels))
    modal.stop()
    return modal


def form_about(custom_id: str) -> Ref | None:
    """The card whose form this is; None for another's form."""
    kind, *rest = custom_id.split(":")
    if kind != FORM or len(rest) != 3:
        return None
    return Ref(platform="discord", channel=rest[0], message=rest[1])


def read_form(data: Mapping[str, Any]) -> dict[str, str]:
    """The levels chosen in a form that was sent."""
    fields = [row["component"] for row in data["components"] if "component" in row]
    return {field["custom_id"]: field["values"][0] for field in fields if field.get("values")}


def _level(value: str, name: str) -> str:
    return name if name.startswith(value) else f"{value} – {name}"
