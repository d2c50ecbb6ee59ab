"""What Discord refuses to draw: sizes of contents, embeds, components, modals and commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.fake_discord.world import Refusal

Json = dict[str, Any]


def check_message(body: Json, n_files: int) -> None:
    """Refuse a message as Discord does.

    Raises:
        Refusal: 50035 with what is wrong, or 50006 for an empty one.
    """
    problems = []
    if len(body.get("content") or "") > 2000:
        problems.append("content: Must be 2000 or fewer in length.")
    if len(body.get("nonce") or "") > 25:
        problems.append("nonce: Must be 25 or fewer in length.")
    if n_files > 10:
        problems.append("files: at most 10")
    embeds = body.get("embeds") or []
    problems += _embeds(embeds)
    problems += _rows(body.get("components") or [])
    _raise(problems)
    if not (body.get("content") or embeds or n_files):
        raise Refusal(400, 50006, "Cannot send an empty message")


def check_modal(modal: Json) -> None:
    """Refuse a modal as Discord does."""
    problems = list(_length("title", modal.get("title", ""), 45))
    problems += _length("custom_id", modal.get("custom_id", ""), 100)
    labels = modal["components"]
    if not 1 <= len(labels) <= 5:
        problems.append("components: 1 to 5")
    ids = [label["component"]["custom_id"] for label in labels]
    if len(set(ids)) != len(ids):
        problems.append("custom_id: duplicate")
    for label in labels:
        problems += _length("label", label["label"], 45)
        if label.get("description"):
            problems += _length("description", label["description"], 100)
        problems += _select(label["component"])
    _raise(problems)


def check_commands(commands: list[Json]) -> None:
    """Refuse application commands as Discord does."""
    problems: list[str] = []
    for command in commands:
        problems += _option(command)
    _raise(problems)


def _option(option: Json) -> Iterator[str]:
    name = option["name"]
    if not (1 <= len(name) <= 32 and name == name.lower() and " " not in name):
        yield f"name: {name!r}"
    yield from _length("description", option.get("description", ""), 100)
    inner = option.get("options", [])
    if len(inner) > 25:
        yield "options: at most 25"
    seen_optional = False
    for each in inner:
        if each["type"] not in (1, 2):
            if each.get("required") and seen_optional:
                yield "Required options must be placed before non-required options"
            seen_optional |= not each.get("required")
        yield from _option(each)
    if len(option.get("choices", [])) > 25:
        yield "choices: at most 25"


def _embeds(embeds: list[Json]) -> Iterator[str]:
    if len(embeds) > 10:
        yield "embeds: at most 10"
    total = 0
    for embed in embeds:
        fields = embed.get("fields", [])
        texts = [
            ("title", embed.get("title", ""), 256),
            ("description", embed.get("description", ""), 4096),
            ("footer", embed.get("footer", {}).get("text", ""), 2048),
            *(("field name", f["name"], 256) for f in fields),
            *(("field value", f["value"], 1024) for f in fields),
        ]
        total += sum(len(text) for _, text, _ in texts)
        if len(fields) > 25:
            yield "fields: at most 25"
        for what, text, limit in texts:
            if len(text) > limit:
                yield f"{what}: {len(text)} characters"
        url = embed.get("url")
        if url is not None and not (url.startswith(("http://", "https://")) and len(url) <= 2048):
            yield "url: not a well formed URL"
    if total > 6000:
        yield "embeds: more than 6000 characters"


def _rows(rows: list[Json]) -> Iterator[str]:
    if len(rows) > 5:
        yield "components: at most 5 rows"
    ids = [item["custom_id"] for row in rows for item in row["components"]]
    if len(set(ids)) != len(ids):
        yield "custom_id: Component custom id cannot be duplicated"
    for row in rows:
        if not 1 <= len(row["components"]) <= 5:
            yield "components: 1 to 5 in a row"
        for item in row["components"]:
            yield from _length("custom_id", item["custom_id"], 100)
            if len(item.get("label") or "") > 80:
                yield "label: at most 80"
            if not (item.get("label") or item.get("emoji")):
                yield "a button needs a label or an emoji"


def _select(select: Json) -> Iterator[str]:
    yield from _length("custom_id", select["custom_id"], 100)
    options = select["options"]
    if not 1 <= len(options) <= 25:
        yield "options: 1 to 25"
    for option in options:
        yield from _length("option label", option["label"], 100)
        yield from _length("option value", option["value"], 100)
    values = [option["value"] for option in options]
    if len(set(values)) != len(values):
        yield "options: duplicate values"


def _length(what: str, text: str, limit: int) -> Iterator[str]:
    if not 1 <= len(text) <= limit:
        yield f"{what}: Must be between 1 and {limit} in length."


def _raise(problems: list[str]) -> None:
    if problems:
        raise Refusal(400, 50035, "Invalid Form Body", errors={"_errors": problems})
