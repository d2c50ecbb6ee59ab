"""Texts to and from Discord's markdown. Pure."""

from __future__ import annotations

import re

from adapters.text import CUT, clean

_MARKUP = re.compile(r"[!#&()*+\-./:<=>@\[\\\]^_`{|}~]")
_MENTION = re.compile(r"<@(&?)!?(\d+)>")


def escaped(text: str, limit: int = 4000) -> str:
    """Text that Discord shows letter by letter: no mention, link, heading or formatting.

    A backslash before a punctuation mark takes its meaning away (help centre, "Markdown Text 101");
    links are only seen where `://` stands as it is.
    """
    shown = _MARKUP.sub(r"\\\g<0>", clean(text, limit))
    if len(shown) <= limit:
        return shown
    kept = shown[: limit - len(CUT) - 2]
    if (len(kept) - len(kept.rstrip("\\"))) % 2:  # never half an escape
        kept = kept[:-1]
    return kept + CUT.replace("(", r"\(").replace(")", r"\)")


def quoted(text: str, limit: int) -> str:
    """The same as a block quote; every line of it is one."""
    spare = limit
    while True:
        shown = "\n".join(f"> {line}" for line in escaped(text, spare).split("\n"))
        if len(shown) <= limit or spare < 40:
            return shown[:limit]
        spare = spare * 3 // 4


def fenced(text: str, limit: int) -> str:
    """Text in a code block, with which nothing in it can do away."""
    kept = clean(text, limit - 8).replace("`", "\u02cb")  # looks the same and ends no block
    return f"```\n{kept}\n```"


def typed(text: str) -> str:
    """What a person typed; mentions of people and roles become the house's ids."""
    return _MENTION.sub(lambda m: f"discord:{'role-' if m[1] else ''}{m[2]}", text).strip()


def after_mention(text: str, own_id: int) -> str | None:
    """What follows a leading `@Joulery`; None where the text does not begin with it."""
    found = re.match(rf"\s*<@!?{own_id}>", text)
    return text[found.end() :].strip() if found else None
