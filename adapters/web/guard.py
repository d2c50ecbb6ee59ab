"""The guard in front of every route: right host, known visitor, our own page, nothing too large.

421  the Host is not ours (DNS rebinding)
401  nobody we know: no session cookie, or an expired one
403  a write from another site (Origin), or without the session's token (X-CSRF-Token)
413  more than 8 KiB were sent; counted while reading, whatever Content-Length says
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from adapters.base import ChatUnavailable
from adapters.web.actions import Refusal
from adapters.web.people import People, Visitor

log = logging.getLogger(__name__)

BODY_LIMIT = 8 * 1024
PUBLIC = frozenset(
    {"enter", "entering", "whoami", "static", "favicon"}
)  # routes for those still outside
VISITOR = web.RequestKey("visitor", Visitor)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Refuse = Callable[[web.Request, int, str], web.StreamResponse]

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Lets through what may pass and turns every refusal into a plain answer."""

    def __init__(self, people: People, cookie: str, hosts: frozenset[str], refuse: Refuse) -> None:
        self._people = people
        self._cookie = cookie
        self._hosts = hosts
        self._refuse = refuse

    def protect(self, app: web.Application) -> None:
        """Stand in front of all routes of `app`."""
        app.middlewares.append(self._guard)
        app.on_response_prepare.append(_add_headers)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            self._check(request)
            return await handler(request)
        except Refusal as refusal:
            return self._refuse(request, refusal.status, str(refusal))
        except ChatUnavailable as err:
            log.exception("the web chat cannot answer")
            return self._refuse(request, 503, str(err))
        except web.HTTPException as err:
            if err.status < 400:
                raise
            return self._refuse(request, err.status, _WORDS.get(err.status, err.reason))

    def _check(self, request: web.Request) -> None:
        if request.host.lower() not in self._hosts:
            raise Refusal(421, "This address is not served here.")
        visitor = self._people.visitor(request.cookies.get(self._cookie, ""))
        is_public = request.match_info.route.name in PUBLIC
        if visitor is None and not is_public:
            raise Refusal(401, "Please open the link you were given first.")
        if request.method not in ("GET", "HEAD"):
            if not _is_ours(request):
                raise Refusal(403, "That came from another site.")
            token = request.headers.get("X-CSRF-Token", "")
            if visitor and not is_public and not _same(token, visitor.csrf):
                raise Refusal(403, "This page is out of date; please load it again.")
        if visitor:
            request[VISITOR] = visitor


def _is_ours(request: web.Request) -> bool:
    origin = urlsplit(request.headers.get("Origin", ""))
    return origin.scheme in ("http", "https") and origin.netloc == request.host


def _same(left: str, right: str) -> bool:
    return secrets.compare_digest(left.encode(errors="replace"), right.encode())


_WORDS = {
    404: "There is nothing here.",
    405: "That cannot be done here.",
    413: f"That is too long: at most {BODY_LIMIT // 1024} KiB can be sent at once.",
}


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    is_file = isinstance(response, web.FileResponse)  # has an ETag to ask again with
    response.headers.setdefault("Cache-Control", "no-cache" if is_file else "no-store")
