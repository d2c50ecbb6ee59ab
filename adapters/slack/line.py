"""The line on which Slack speaks to us: Socket Mode, or signed HTTP requests.

Events are acknowledged after they were committed (`process_before_response`): a handler that
raises leaves them unacknowledged, and Slack sends them again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from adapters.base import ChatSetupError, ChatUnavailable
from adapters.slack.calls import library_log, said

log = logging.getLogger(__name__)

HELLO_S = 15.0
PATH = "/slack/events"

Gap = Callable[[datetime], Awaitable[None]]
"""Called on every new connection but the first, with the time since when events may be missing."""


class Line(Protocol):
    """How events get here."""

    async def open(self) -> None:
        """Return when events flow."""

    async def close(self) -> None:
        """Take no more."""

    def is_up(self) -> bool:
        """Whether events flow."""


def bolt(client: AsyncWebClient, who: AuthorizeResult, signing_secret: str = "") -> AsyncApp:
    """A Bolt app that knows who it is, so that no event has to wait for a call to Slack."""
    anonymous = AsyncWebClient(
        base_url=client.base_url, session=client.session, logger=library_log(), retry_handlers=[]
    )

    async def authorize(**_: Any) -> AuthorizeResult:
        return who

    return AsyncApp(
        client=anonymous,
        authorize=authorize,
        signing_secret=signing_secret,
        process_before_response=True,
        # a deletion of our own card looks like our own doing and would be dropped
        ignoring_self_events_enabled=False,
        logger=library_log(),
        name="joulery",
    )


class SocketLine:
    """Socket Mode: we call Slack, so no address of ours need be reachable."""

    def __init__(self, app: AsyncApp, app_token: str, gap: Gap, ping_s: float) -> None:
        self._app, self._app_token, self._gap, self._ping_s = app, app_token, gap, ping_s
        self._handler: AsyncSocketModeHandler | None = None
        self._said_hello = asyncio.Event()
        self._heard_at = datetime.now(UTC)
        self._tasks: set[asyncio.Task[None]] = set()
        self._watcher: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            ChatSetupError: the app-level token will not do.
            ChatUnavailable: Slack cannot be reached.
        """
        client = self._app.client
        # the library would try a wrong token for ever
        opened = await said(client.apps_connections_open(app_token=self._app_token))
        self._handler = AsyncSocketModeHandler(
            self._app, self._app_token, logger=library_log(), ping_interval=self._ping_s
        )
        self._handler.client.wss_uri = opened["url"]
        self._handler.client.message_listeners.append(self._heard)
        await self._handler.client.connect()  # type: ignore[no-untyped-call]  # the library's
        self._watcher = asyncio.create_task(self._watch(), name="slack socket")
        try:
            async with asyncio.timeout(HELLO_S):
                await self._said_hello.wait()
        except TimeoutError:
            await self.close()
            raise ChatUnavailable("Slack did not greet us on its socket.") from None

    async def close(self) -> None:
        """Hang up."""
        for task in list(self._tasks):
            task.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if self._handler is not None:
            await self._handler.client.close()  # type: ignore[no-untyped-call]  # the library's
            self._handler = None

    def is_up(self) -> bool:
        """Whether a socket is open."""
        session = self._handler.client.current_session if self._handler else None
        return session is not None and not session.closed

    async def _heard(self, _: Any, message: dict[str, Any], __: str | None = None) -> None:
        before, self._heard_at = self._heard_at, datetime.now(UTC)
        if message.get("type") != "hello":
            return
        if not self._said_hello.is_set() and message.get("num_connections", 1) > 1:
            log.warning(
                "another process is connected as this Slack app: it takes some of the events"
            )
        if self._said_hello.is_set():  # not awaited: what follows on the socket must not wait
            task = asyncio.ensure_future(self._tell(before))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._said_hello.set()

    async def _tell(self, since: datetime) -> None:
        await self._gap(since)

    async def _watch(self) -> None:
        """Where a new socket could not be had, the library would try its used ticket for ever."""
        while True:
            await asyncio.sleep(2 * self._ping_s)
            if self._handler is not None and not self.is_up():
                self._handler.client.wss_uri = None


class HttpLine:
    """Slack calls us: an address of ours must be reachable by https, through a proxy of yours."""

    def __init__(self, app: AsyncApp, host: str, port: int) -> None:
        self._app, self._host, self._port = app, host, port
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Listen.

        Raises:
            ChatSetupError: the address cannot be listened on.
        """
        server = web.Application()
        server.router.add_post(PATH, self._take)
        self._runner = web.AppRunner(server, access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as err:
            await self.close()
            raise ChatSetupError(
                f"cannot listen on {self._host}:{self._port} for Slack ({err.strerror}); "
                "set JOULERY_SLACK_HTTP_PORT to a free port"
            ) from err

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def is_up(self) -> bool:
        """Whether we listen; whether Slack reaches us only Slack knows."""
        return self._runner is not None

    @property
    def port(self) -> int:
        """The port, also where any free one was asked for."""
        assert self._runner is not None
        return int(self._runner.addresses[0][1])

    async def _take(self, request: web.Request) -> web.Response:
        answer = await self._app.async_dispatch(await to_bolt_request(request))
        return await to_aiohttp_response(answer)
