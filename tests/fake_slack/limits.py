"""What Slack refuses to draw: sizes of blocks, buttons, menus and views."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.fake_slack.workspace import SlackError

MAX_BLOCKS, MAX_VIEW_BLOCKS, MAX_JSON = 50, 100, 13_200
TEXT_LIMITS = {"header": 150, "section": 3000, "context": 2000, "button": 75, "option": 75}


def check_blocks(blocks: list[dict[str, Any]], *, is_view: bool = False) -> None:
    """Refuse blocks as Slack does.

    Raises:
        SlackError: invalid_blocks, or msg_blocks_too_long.
    """
    allowed = MAX_VIEW_BLOCKS if is_view else MAX_BLOCKS
    problems = [f"more than {allowed} blocks"] if len(blocks) > allowed else []
    for block in blocks:
        problems += _problems(block)
    ids = [b["block_id"] for b in blocks if "block_id" in b]
    if len(ids) != len(set(ids)):
        problems.append("block_id is not unique")
    if problems:
        raise SlackError("invalid_blocks", response_metadata={"messages": problems})
    if not is_view and len(json.dumps(blocks, ensure_ascii=False)) > MAX_JSON:
        raise SlackError("msg_blocks_too_long")


def check_view(view: dict[str, Any]) -> None:
    """Refuse a modal or a Home tab as Slack does."""
    check_blocks(view["blocks"], is_view=True)
    if view["type"] == "modal":
        for name in ("title", "submit", "close"):
            if name in view and not 1 <= len(view[name]["text"]) <= 24:
                raise SlackError("invalid_arguments", response_metadata={"messages": [name]})
        if len(view.get("private_metadata", "")) > 3000:
            raise SlackError("invalid_arguments")


def _problems(block: dict[str, Any]) -> Iterator[str]:
    kind = block["type"]
    if len(block.get("block_id", "")) > 255:
        yield "block_id is too long"
    match kind:
        case "header" | "section":
            yield from _text(block.get("text"), kind)
            if len(block.get("fields", ())) > 10:
                yield "too many fields"
        case "context":
            if not 1 <= len(block["elements"]) <= 10:
                yield "context needs 1 to 10 elements"
            for element in block["elements"]:
                yield from _text(element, kind)
        case "actions":
            if not 1 <= len(block["elements"]) <= 25:
                yield "actions needs 1 to 25 elements"
            ids = [e["action_id"] for e in block["elements"]]
            if len(ids) != len(set(ids)):
                yield "action_id is not unique in its block"
            for element in block["elements"]:
                yield from _element(element)
        case "input":
            yield from _text(block["label"], "context")
            yield from _element(block["element"])
        case "rich_text":
            for part in block["elements"]:
                if part["type"] not in (
                    "rich_text_section", "rich_text_quote", "rich_text_preformatted",
                ):  # fmt: skip
                    yield f"no such element: {part['type']}"
                if not part["elements"] or any(not e.get("text") for e in part["elements"]):
                    yield "an empty text"
        case "divider":
            pass
        case _:
            yield f"no such block: {kind}"


def _element(element: dict[str, Any]) -> Iterator[str]:
    if not 1 <= len(element["action_id"]) <= 255:
        yield "action_id is too long or empty"
    match element["type"]:
        case "button":
            yield from _text(element["text"], "button")
            if len(element.get("value", "")) > 2000:
                yield "value is too long"
        case "static_select":
            if not 1 <= len(element["options"]) <= 100:
                yield "a menu has 1 to 100 options"
            for option in element["options"]:
                yield from _text(option["text"], "option")
                if len(option["value"]) > 150:
                    yield "an option's value is too long"
        case "checkboxes":
            if not 1 <= len(element["options"]) <= 10:
                yield "1 to 10 boxes"
            for option in element["options"]:
                yield from _text(option["text"], "option")
        case "external_select" | "users_select":
            pass
        case "plain_text_input":
            if not 1 <= element.get("max_length", 3000) <= 3000:
                yield "max_length is 1 to 3000"
        case _:
            yield f"no such element: {element['type']}"


def _text(text: dict[str, Any] | None, kind: str) -> Iterator[str]:
    if text is None:
        return
    if text["type"] not in ("plain_text", "mrkdwn"):
        yield f"no such text: {text['type']}"
    if kind in ("header", "button", "option") and text["type"] != "plain_text":
        yield f"{kind} takes plain_text"
    if not 1 <= len(text["text"]) <= TEXT_LIMITS[kind]:
        yield f"text of {kind} has {len(text['text'])} characters"
