"""The JSON API that the page and scripts share.

A script enters once, keeps the cookie, and then does what the page does::

    POST /enter {"token": "...", "name": "Ana"}     -> {"id": "web:ana", "name", "csrf"} + cookie
    GET  /api/messages?before=ID&limit=N            -> {"messages": [MessageView], "revision": N}
    GET  /api/boards                                -> {"boards": [Board]}
    GET  /events?after=REVISION                     server-sent events: message (MessageView),
                                                    gone {"id"}, board (Board), reset {}
    POST, DELETE /api/messages/ID/reactions/EMOJI   a canonical emoji: up, down, unsure, ...
    POST /api/messages/ID/press   {"choice": "..."}           a button's id
    POST /api/messages/ID/form    {"values": {"key": "3"}}    levels of a menu's options
    POST /api/messages/ID/replies {"text": "..."}             into the message's thread
    POST /api/messages            {"text": "..."}             into the channel
    PUT, DELETE /api/messages/ID  {"text": "..."}             an own text (DELETE also: a whisper)

A text that starts with `/joulery` is a command, in the channel or in a thread. Every write needs
the headers `Origin` (the address itself), `X-CSRF-Token` (from entering) and `Idempotency-Key`
(1 to 80 of `A-Za-z0-9._:-`; the same again changes nothing). It answers `{"id", "is_delivered"}`,
commands with status 202; `is_delivered` is false when it stands but the bot could not be told
yet. Refusals are `{"error": "one plain sentence"}`; 503 means: not recorded, send it again.
`MessageView` is in `adapters.web.views`; `adapters.web.client.Visitor` does all this.
"""

from __future__ import annotations

import re
from typing import Annotated, TypeVar

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from adapters.base import Board
from adapters.text import clean
from adapters.web.actions import Actions, Actor, Refusal
from adapters.web.guard import VISITOR
from adapters.web.pages import PAGE_LENGTH
from adapters.web.state import State
from adapters.web.views import message_view

Text = Annotated[str, Field(max_length=4000), AfterValidator(clean)]


class Body(BaseModel):
    """What a request brings along."""

    model_config = ConfigDict(extra="forbid")


class Said(Body):
    """A text."""

    text: Text


class Pressed(Body):
    """A button's id."""

    choice: Text


class Filled(Body):
    """Levels of a menu's options."""

    values: dict[Text, Text]


BodyT = TypeVar("BodyT", bound=Body)


async def read_body(request: web.Request, kind: type[BodyT]) -> BodyT:
    """The request's JSON.

    Raises:
        Refusal: 422, it is none or lacks something.
    """
    try:
        return kind.model_validate_json(await request.read())
    except ValidationError as err:
        what = ".".join(str(part) for part in err.errors()[0]["loc"]) or "body"
        raise Refusal(422, f"That was not understood ({what}).") from err


class Api:
    """Reads requests, lets `Actions` act, answers in JSON."""

    def __init__(self, state: State, actions: Actions) -> None:
        self._state = state
        self._actions = actions

    def routes(self) -> list[web.RouteDef]:
        """Everything below `/api`."""
        message = r"/api/messages/{id:\d{1,12}}"
        return [
            web.get("/api/messages", self._messages),
            web.get("/api/boards", self._boards),
            web.post("/api/messages", self._say),
            web.put(message, self._edit),
            web.delete(message, self._delete),
            web.post(message + "/replies", self._say),
            web.post(message + "/press", self._press),
            web.post(message + "/form", self._submit),
            web.post(message + "/reactions/{emoji}", self._react),
            web.delete(message + "/reactions/{emoji}", self._react),
        ]

    async def _messages(self, request: web.Request) -> web.Response:
        viewer, revision = request[VISITOR].id, self._state.revision()
        limit = min(number(request, "limit") or PAGE_LENGTH, 500)
        found = self._state.channel(viewer, before=number(request, "before"), limit=limit)
        views = [message_view(message, viewer).model_dump(mode="json") for message in found]
        views.sort(key=lambda view: view["id"])
        return web.json_response({"messages": views, "revision": revision})

    async def _boards(self, _request: web.Request) -> web.Response:
        boards = [Board.model_validate(row.body) for row in self._state.boards()]
        return web.json_response({"boards": [board.model_dump(mode="json") for board in boards]})

    async def _say(self, request: web.Request) -> web.Response:
        text = (await read_body(request, Said)).text
        thread = int(request.match_info["id"]) if "id" in request.match_info else None
        answer = await self._actions.say(_actor(request), text, thread)
        return web.json_response(answer, status=200 if answer["id"] else 202)

    async def _edit(self, request: web.Request) -> web.Response:
        text = (await read_body(request, Said)).text
        return web.json_response(await self._actions.edit(_actor(request), _id(request), text))

    async def _delete(self, request: web.Request) -> web.Response:
        return web.json_response(await self._actions.delete(_actor(request), _id(request)))

    async def _press(self, request: web.Request) -> web.Response:
        choice = (await read_body(request, Pressed)).choice
        return web.json_response(await self._actions.press(_actor(request), _id(request), choice))

    async def _submit(self, request: web.Request) -> web.Response:
        values = (await read_body(request, Filled)).values
        return web.json_response(await self._actions.submit(_actor(request), _id(request), values))

    async def _react(self, request: web.Request) -> web.Response:
        emoji, is_on = request.match_info["emoji"], request.method == "POST"
        actor, post_id = _actor(request), _id(request)
        return web.json_response(await self._actions.react(actor, post_id, emoji, is_on=is_on))


MAX_CLOCK = 64
"""Characters of a time zone's or a language's name."""


def number(request: web.Request, name: str) -> int | None:
    """A whole number from the query, if it is there.

    Raises:
        Refusal: 422, it is something else.
    """
    text = request.query.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise Refusal(422, f"{name} must be a whole number.")
    return int(text)


def _id(request: web.Request) -> int:
    return int(request.match_info["id"])


def _actor(request: web.Request) -> Actor:
    key = request.headers.get("Idempotency-Key", "")
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,80}", key):
        raise Refusal(400, "An Idempotency-Key is missing.")
    visitor = request[VISITOR]
    language = request.headers.get("Accept-Language", "").partition(",")[0].partition(";")[0]
    timezone = request.headers.get("X-Time-Zone", "")
    return Actor(visitor, f"{visitor.id}/{key}", timezone[:MAX_CLOCK], language.strip()[:MAX_CLOCK])
