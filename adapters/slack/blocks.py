"""Cards, forms and the Home tab as Slack's Block Kit, always within its limits. Pure.

Texts of people and samples go into rich text and plain text, which Slack shows letter by letter:
no mention, no link, no formatting comes of them (docs, "Rich text block").
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from adapters.base import Button, Card, CardPart, Home, Menu, Ref
from adapters.slack import emoji
from adapters.text import chart, clean, one_line

Block = dict[str, Any]

MAX_JSON = 12_000
"""Characters of all blocks together; Slack fails near 13,200 (bolt-js 2509)."""
MAX_HEADER, MAX_BUTTON, MAX_LINE = 150, 75, 300
PER_ACTIONS = 25
LEVELS, MENU, CHOICE = "levels", "menu", "choice"
"""callback_id of the form, action_id of the button that opens it, prefix of an answer's."""
BLIND = "blind"
"""What the block_ids of a blind card's buttons begin with: nothing else shows that they were pressed."""


def message(card: Card) -> list[Block]:
    """A card's blocks; long texts are cut, with a mark, until Slack takes them."""
    limit = 3000
    while True:
        blocks = list(_card(card, limit))
        if limit <= MAX_LINE // 10 or len(json.dumps(blocks, ensure_ascii=False)) <= MAX_JSON:
            return blocks
        limit = limit * 3 // 4


def form(menu: Menu, about: Ref) -> Block:
    """The modal of a card's menu: a level for each option, none of them compulsory."""
    options = [
        option(value, label if label.startswith(value) else f"{value} – {label}")
        for value, label in menu.levels
    ]
    return {
        "type": "modal",
        "callback_id": LEVELS,
        "private_metadata": str(about),
        "title": plain_text("Joulery", 24),
        "submit": plain_text("Send", 24),
        "close": plain_text("Cancel", 24),
        "blocks": [
            {"type": "section", "text": plain_text(menu.title, MAX_LINE)},
            *(
                {
                    "type": "input",
                    "block_id": key,
                    "optional": True,
                    "label": plain_text(label, MAX_HEADER),
                    "element": {"type": "static_select", "action_id": "level", "options": options},
                }
                for key, label in menu.options
            ),
        ],
    }


def read_form(view: Mapping[str, Any]) -> dict[str, str]:
    """The levels chosen in a submitted form."""
    chosen = {
        key: fields.get("level", {}).get("selected_option")
        for key, fields in view["state"]["values"].items()
    }
    return {key: option["value"] for key, option in chosen.items() if option}


def home(shown: Home) -> Block:
    """A person's Home tab."""
    blocks: list[Block] = [{"type": "header", "text": plain_text(shown.title, MAX_HEADER)}]
    for section in shown.sections[:30]:
        blocks.append(_rich(_run("rich_text_section", section.title, bold=True)))
        lines = [one_line(line, MAX_LINE) for line in section.lines[:40]]
        if lines:
            blocks.append(_rich(_run("rich_text_section", "\n".join(lines))))
        blocks.append({"type": "divider"})
    return {"type": "home", "blocks": blocks}


# --- a card -------------------------------------------------------------------------------------


def _card(card: Card, limit: int) -> Iterator[Block]:
    if card.title:
        yield {"type": "header", "text": plain_text(card.title, MAX_HEADER)}
    for part in card.parts:
        yield _part(part, limit)
    if card.lines:
        lines = "\n".join(clean(line, min(limit, 600)) for line in card.lines if line)
        yield _rich(_run("rich_text_section", lines or "–"))
    if card.bars:
        yield _rich(_run("rich_text_preformatted", chart(card.bars, limit)))
    if not (card.title or card.parts or card.lines or card.bars):
        yield _rich(_run("rich_text_section", clean(card.text, limit) or "–"))
    if card.pictures:
        yield {"type": "context", "elements": [plain_text(_where_pictures_are(card), MAX_LINE)]}
    if not card.is_closed:
        yield from _controls(card)
    for said in (card.tally, card.footer):
        if said:
            yield {"type": "context", "elements": [plain_text(said, 600)]}
    if card.until is not None and not card.is_closed:
        yield {"type": "context", "elements": [_on_your_clock(card.until)]}


def _on_your_clock(until: datetime) -> Block:
    """The deadline on each reader's own clock (docs, "Formatting text": date formatting)."""
    fallback = f"{until.astimezone(UTC):%H:%M} UTC"
    shown = f"<!date^{int(until.timestamp())}^{{date_short_pretty}} at {{time}}|{fallback}>"
    return {"type": "mrkdwn", "text": f"On your clock: {shown}"}


def _where_pictures_are(card: Card) -> str:
    n = len(card.pictures)
    return f"🖼️ {'The picture is' if n == 1 else f'{n} pictures are'} in the thread, just below."


def _part(part: CardPart, limit: int) -> Block:
    shown = [_run("rich_text_quote", clean(part.text, limit).strip() or "(empty)")]
    if part.title:
        shown.insert(0, _run("rich_text_section", one_line(part.title, MAX_HEADER), bold=True))
    if note := clean(part.note, min(limit, 600)).strip():
        shown.append(_run("rich_text_section", note, italic=True))
    return _rich(*shown)


def _controls(card: Card) -> Iterator[Block]:
    elements = [_button(number, button) for number, button in enumerate(card.buttons)]
    if card.menu is not None:
        title = plain_text(card.menu.title, MAX_BUTTON)
        elements.append({"type": "button", "action_id": MENU, "text": title, "value": MENU})
    for start in range(0, len(elements), PER_ACTIONS):
        row: Block = {"type": "actions", "elements": elements[start : start + PER_ACTIONS]}
        yield row | {"block_id": f"{BLIND}-{start}"} if card.is_blind else row


def _button(number: int, button: Button) -> Block:
    glyph = emoji.GLYPHS.get(button.emoji or "", "")
    return {
        "type": "button",
        "action_id": f"{CHOICE}-{number}",
        "text": plain_text(f"{glyph} {button.label}".strip(), MAX_BUTTON),
        "value": button.id,
    }


# --- pieces -------------------------------------------------------------------------------------


def plain_text(text: str, limit: int) -> Block:
    """A text object without markup, one line long and never empty."""
    return {"type": "plain_text", "text": one_line(text, limit), "emoji": False}


def option(value: str, label: str) -> Block:
    """Something to choose in a menu."""
    return {"text": plain_text(label, MAX_BUTTON), "value": value}


def _rich(*elements: Block) -> Block:
    return {"type": "rich_text", "elements": list(elements)}


def _run(kind: str, text: str, **style: bool) -> Block:
    run: Block = {"type": "text", "text": text}
    return {"type": kind, "elements": [run | {"style": style} if style else run]}
