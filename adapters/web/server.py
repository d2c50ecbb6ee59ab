"""The pages of the web chat, the way in, pictures and live updates; `api` has the rest."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from aiohttp import web

from adapters.web.actions import Actions, Refusal
from adapters.web.api import Api, Body, Text, number, read_body
from adapters.web.feed import Feed, Hub
from adapters.web.guard import BODY_LIMIT, VISITOR, Guard
from adapters.web.pages import HERE, PAGE_LENGTH, Pages
from adapters.web.people import SESSION_LIFE, People, Visitor
from adapters.web.pictures import CONTENT_TYPES, Pictures
from adapters.web.state import State
from adapters.web.views import MessageView, message_view


class Entering(Body):
    """A link's token, and a name where the link asks for one."""

    token: Text
    name: Text = ""


class Server:
    """Assembles the application from its parts."""

    def __init__(
        self,
        state: State,
        people: People,
        actions: Actions,
        hub: Hub,
        *,
        channel: str,
        pictures: Pictures,
        cookie: str,
    ) -> None:
        self._state = state
        self._people = people
        self._api = Api(state, actions)
        self._hub = hub
        self._pages = Pages(channel)
        self._pictures = pictures
        self._cookie = cookie

    def app(self, hosts: frozenset[str]) -> web.Application:
        """The application, guarded; it answers to these hosts only."""
        app = web.Application(client_max_size=BODY_LIMIT)
        Guard(self._people, self._cookie, hosts, self._refuse).protect(app)
        app.add_routes(
            [
                web.get("/", self._channel),
                web.get("/enter", self._enter_page, name="enter"),
                web.post("/enter", self._enter, name="entering"),
                web.get("/whoami", self._whoami, name="whoami"),
                web.get("/favicon.ico", self._favicon, name="favicon"),
                web.get(r"/files/{name:[0-9a-f]{64}\.(?:png|jpg|gif|webp)}", self._file),
                web.get("/events", self._events),
                *self._api.routes(),
            ]
        )
        app.router.add_static("/static", HERE / "static", name="static")
        app.on_shutdown.append(self._close_feeds)
        return app

    async def _channel(self, request: web.Request) -> web.StreamResponse:
        visitor, revision = request[VISITOR], self._state.revision()
        before = number(request, "before")
        found = self._state.channel(visitor.id, before=before, limit=PAGE_LENGTH)
        views = [message_view(message, visitor.id) for message in found]
        has_older = sum(view.thread is None for view in views) == PAGE_LENGTH
        return self._pages.channel(
            visitor, views, revision=revision, before=before, has_older=has_older
        )

    async def _enter_page(self, request: web.Request) -> web.StreamResponse:
        invitation = self._people.invitation(request.query.get("token", ""))
        visitor = request.get(VISITOR)
        if visitor and (invitation is None or invitation.name in (None, visitor.name)):
            raise web.HTTPSeeOther("/")
        if invitation is None:
            raise Refusal(410, "This link has been used or has expired. Ask for a new one.")
        return self._pages.enter(invitation)

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        body = await read_body(request, Entering)
        invitation = self._people.invitation(body.token)
        visitor = request.get(VISITOR)
        if visitor and invitation and invitation.name is None:
            return web.json_response(_about(visitor))  # a second tab stays the same person
        try:
            entered = self._people.enter(invitation, body.name) if invitation else None
        except ValueError as err:
            raise Refusal(422, str(err)) from err
        if entered is None:
            raise Refusal(410, "This link has been used or has expired. Ask for a new one.")
        secret, visitor = entered
        response = web.json_response(_about(visitor))
        response.set_cookie(
            self._cookie,
            secret,
            max_age=int(SESSION_LIFE.total_seconds()),
            httponly=True,
            samesite="Strict",
            secure=request.headers["Origin"].startswith("https:"),
        )
        return response

    async def _whoami(self, request: web.Request) -> web.Response:
        """Lets the page outside see that a session exists, which a link from elsewhere hides."""
        visitor = request.get(VISITOR)
        return web.json_response({"id": visitor and f"web:{visitor.id}"})

    async def _favicon(self, _request: web.Request) -> web.FileResponse:
        return web.FileResponse(HERE / "static" / "favicon.svg")

    async def _file(self, request: web.Request) -> web.FileResponse:
        name = request.match_info["name"]
        kind = CONTENT_TYPES[name.rpartition(".")[2]]
        cached = {"Cache-Control": "private, max-age=31536000, immutable", "Content-Type": kind}
        return web.FileResponse(self._pictures.path(name), headers=cached)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        viewer = request[VISITOR].id
        draw = self._pages.piece if request.query.get("as") == "html" else _data
        last = request.headers.get("Last-Event-ID", "")
        after = int(last) if last.isdecimal() else number(request, "after")
        await response.prepare(request)
        with self._hub.reader(lambda: _abort(request)) as queue, suppress(ConnectionResetError):
            async for event in Feed(self._state, viewer, draw).events(queue, after):
                await response.write(event)
        return response

    async def _close_feeds(self, _app: web.Application) -> None:
        self._hub.publish(None)

    def _refuse(self, request: web.Request, status: int, text: str) -> web.Response:
        is_page = request.method == "GET" and "text/html" in request.headers.get("Accept", "")
        if is_page and status != 421:  # a foreign host gets no page of ours
            return self._pages.refusal(status, text)
        return web.json_response({"error": text}, status=status)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _data(view: MessageView) -> dict[str, Any]:
    return view.model_dump(mode="json")


def _about(visitor: Visitor) -> dict[str, str]:
    return {"id": f"web:{visitor.id}", "name": visitor.name, "csrf": visitor.csrf}
