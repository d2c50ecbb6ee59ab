"""Draws the pages and the pieces that live updates bring, from views; autoescaped throughout."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from adapters.web.people import Invitation, Visitor
from adapters.web.views import MessageView

HERE = Path(__file__).parent
PAGE_LENGTH = 60  # messages on one page, without those in threads
LONG_TEXT = 600  # characters after which a text is folded
LONG_LINES = 12


class Pages:
    """The templates."""

    def __init__(self, channel: str) -> None:
        self._env = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.globals["channel"] = channel
        self._env.filters |= {
            "fold": _fold,
            "clock": _clock,
            "initials": _initials,
            "breakable": _breakable,
        }
        self._macros = self._env.get_template("message.html").module

    def channel(self, visitor: Visitor, views: Sequence[MessageView], **more: Any) -> web.Response:
        """The channel with these messages, replies in their threads."""
        roots = sorted((view for view in views if view.thread is None), key=lambda view: view.id)
        replies: dict[int, list[MessageView]] = {root.id: [] for root in roots}
        for view in sorted(views, key=lambda view: view.id):
            if view.thread in replies:
                replies[view.thread].append(view)
        return self._page("channel.html", visitor=visitor, roots=roots, replies=replies, **more)

    def enter(self, invitation: Invitation) -> web.Response:
        """Where a link leads to: one press, or first a name."""
        return self._page("enter.html", invitation=invitation)

    def refusal(self, status: int, text: str) -> web.Response:
        """A refusal in plain words."""
        return self._page("refusal.html", status=status, text=text)

    def piece(self, view: MessageView) -> dict[str, Any]:
        """One message as a piece of page."""
        html = self._macros.message(view, [])  # type: ignore[attr-defined]
        return {"id": view.id, "thread": view.thread, "html": str(html)}

    def _page(self, name: str, status: int = 200, **values: Any) -> web.Response:
        html = self._env.get_template(name).render(**values, status=status)
        return web.Response(text=html, content_type="text/html", status=status)


def _fold(text: str) -> tuple[str, str]:
    """A text as what is shown at once and what is folded away, if it is long."""
    head = "\n".join(text.split("\n")[:LONG_LINES])[:LONG_TEXT]
    return (text, "") if len(text) <= len(head) + LONG_TEXT // 4 else (head, text[len(head) :])


def _clock(at: datetime) -> str:
    return at.strftime("%H:%M")


def _breakable(name: str) -> Markup:
    """A name that may break after its underscores, which browsers take for letters; escaped."""
    return Markup("_<wbr>").join(name.split("_"))


def _initials(name: str) -> str:
    return "".join(word[0] for word in name.split()[:2]).upper()
