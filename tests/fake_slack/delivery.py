"""How the fake tells the bot: over its sockets or by signed HTTP, with retries and every mishap."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
import random
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

from aiohttp import ClientError, ClientSession, WSMsgType, web

from tests.fake_slack.workspace import APP, BOT_USER, TEAM
from tests.fakes import Withholding

Kind = Literal["events_api", "interactive", "slash_commands"]
RETRIES_S = (0.0, 60.0, 300.0)
"""When Slack tries an event again that was not acknowledged, after each failed attempt."""


@dataclass
class Delivered:
    """What became of something that was sent: `answer` is what the bot said with its ack."""

    is_acked: bool
    answer: dict[str, Any] = field(default_factory=dict)
    wait_s: float = 0.0


class Delivery(Withholding):
    """Sends payloads to the bot.

    Attributes:
        ack_timeout_s: how long Slack waits; 3 s at the real one.
        retries_s: pauses before each further attempt at an event.
        share_twice, share_late: how many events come a second time, and how many behind later ones.
        http_url: where to post instead of using sockets; `signing_secret` signs.
    """

    def __init__(self, signing_secret: str) -> None:
        super().__init__()
        self.ack_timeout_s = 3.0
        self.retries_s: Sequence[float] = RETRIES_S
        self.http_url: str | None = None
        self.rng: random.Random | None = None  # of the shares below
        self.share_twice = self.share_late = 0.0
        self.twice = self.late = 0
        self.signing_secret = signing_secret
        self.sockets: list[web.WebSocketResponse] = []
        self.connections = 0
        self.refuse_sockets = 0  # how many of the next connections are turned away
        self.tickets: set[str] = set()
        self.sent: list[dict[str, Any]] = []  # event bodies, oldest first
        self.ack_waits_s: list[float] = []
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._retries: set[asyncio.Task[None]] = set()

    # --- sockets --------------------------------------------------------------------------------

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One Socket Mode connection; a ticket is good for one attempt."""
        ticket = request.query.get("ticket", "")
        is_good = ticket in self.tickets
        self.tickets.discard(ticket)
        if not is_good or self.refuse_sockets > 0:
            self.refuse_sockets -= is_good
            raise web.HTTPForbidden
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json(
            {
                "type": "hello",
                "num_connections": len(self.sockets) + 1,
                "debug_info": {"host": "fake", "approximate_connection_time": 18060},
                "connection_info": {"app_id": APP},
            }
        )
        self.sockets.append(socket)
        self.connections += 1
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._heard(json.loads(message.data))
        finally:
            self.sockets.remove(socket)
        return socket

    def _heard(self, ack: dict[str, Any]) -> None:
        waiting = self._waiting.get(ack["envelope_id"])
        if waiting is not None and not waiting.done():
            waiting.set_result(ack.get("payload") or {})

    def drop_sockets(self) -> None:
        """Cut every line without a word."""
        for socket in self.sockets:
            transport = socket._req.transport if socket._req else None
            if transport is not None:
                transport.abort()

    async def refresh(self) -> None:
        """Announce the end of the connections, as Slack does every few hours."""
        for socket in list(self.sockets):
            await socket.send_json({"type": "disconnect", "reason": "refresh_requested"})

    # --- events ---------------------------------------------------------------------------------

    async def emit(self, event: dict[str, Any]) -> bool:
        """Tell the bot of something that happened; False if the first attempt was not acked."""
        number = next(self._numbers)
        body = {
            "type": "event_callback", "team_id": TEAM, "api_app_id": APP,
            "event_id": f"Ev{number:08d}", "event_time": int(float(event["event_ts"])),
            "authorizations": [{"team_id": TEAM, "user_id": BOT_USER, "is_bot": True}],
            "event": event,
        }  # fmt: skip
        self.sent.append(body)
        if self.withholds(lambda: self.attempt(body)):
            return False
        if self.rng is None:
            return await self.attempt(body)
        return await self._carelessly(body, self.rng)

    async def _carelessly(self, body: dict[str, Any], rng: random.Random) -> bool:
        if rng.random() < self.share_twice:
            self.twice += 1
            self._later(self._after(rng.uniform(0.0, 2.0), body))
        if rng.random() < self.share_late:
            self.late += 1
            self._later(self._after(rng.uniform(0.2, 1.5), body))
            return True
        return await self.attempt(body)

    async def _after(self, seconds: float, body: dict[str, Any]) -> None:
        await asyncio.sleep(seconds)
        await self.attempt(body)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._retries.add(task)
        task.add_done_callback(self._retries.discard)

    async def attempt(self, body: dict[str, Any], number: int = 0) -> bool:
        """Deliver an event; what is not acknowledged is tried again later."""
        reason = {"retry_attempt": number, "retry_reason": "timeout" if number else ""}
        done = await self.send("events_api", body, reason)
        if not done.is_acked and number < len(self.retries_s):
            self._later(self._again(body, number + 1))
        return done.is_acked

    async def _again(self, body: dict[str, Any], number: int) -> None:
        await asyncio.sleep(self.retries_s[number - 1])
        await self.attempt(body, number)

    async def duplicate(self, count: int = 1) -> None:
        """Deliver the last events once more."""
        for body in self.sent[-count:]:
            await self.send("events_api", body)

    # --- one payload ----------------------------------------------------------------------------

    async def send(
        self, kind: Kind, payload: dict[str, Any], retry: dict[str, Any] | None = None
    ) -> Delivered:
        """Send a payload and wait for its acknowledgement."""
        started = asyncio.get_running_loop().time()
        if self.http_url is not None:
            done = await self._post(kind, payload, retry)
        else:
            done = await self._over_a_socket(kind, payload, retry)
        done.wait_s = asyncio.get_running_loop().time() - started
        if done.is_acked:
            self.ack_waits_s.append(done.wait_s)
        return done

    async def _over_a_socket(
        self, kind: Kind, payload: dict[str, Any], retry: dict[str, Any] | None
    ) -> Delivered:
        live = [socket for socket in self.sockets if not socket.closed]
        if not live:
            return Delivered(is_acked=False)
        envelope_id = f"env-{next(self._numbers)}"
        ack = self._waiting[envelope_id] = asyncio.get_running_loop().create_future()
        envelope = {
            "envelope_id": envelope_id, "type": kind, "payload": payload,
            "accepts_response_payload": kind != "events_api", **(retry or {}),
        }  # fmt: skip
        try:
            await live[-1].send_json(envelope)
            async with asyncio.timeout(self.ack_timeout_s):
                return Delivered(is_acked=True, answer=await ack)
        except (TimeoutError, ConnectionError):
            return Delivered(is_acked=False)
        finally:
            del self._waiting[envelope_id]

    async def _post(
        self, kind: Kind, payload: dict[str, Any], retry: dict[str, Any] | None
    ) -> Delivered:
        assert self.http_url is not None
        as_json = "application/json"
        body, content_type = {
            "events_api": (json.dumps(payload), as_json),
            "interactive": (urlencode({"payload": json.dumps(payload)}), "form"),
            "slash_commands": (urlencode(payload), "form"),
        }[kind]
        headers = sign(self.signing_secret, body)
        headers["Content-Type"] = (
            as_json if content_type == as_json else "application/x-www-form-urlencoded"
        )
        if retry and retry["retry_attempt"]:
            headers["X-Slack-Retry-Num"] = str(retry["retry_attempt"])
        try:
            async with (
                ClientSession() as session,
                asyncio.timeout(self.ack_timeout_s),
                session.post(self.http_url, data=body.encode(), headers=headers) as response,
            ):
                text = await response.text()
                answer = json.loads(text) if text.startswith("{") else {}
                return Delivered(is_acked=response.status == 200, answer=answer)
        except (TimeoutError, ClientError):
            return Delivered(is_acked=False)

    async def close(self) -> None:
        """Stop trying."""
        for task in list(self._retries):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def sign(secret: str, body: str, at: float | None = None) -> dict[str, str]:
    """The headers with which Slack says that a request is its own."""
    import time

    stamp = str(int(time.time() if at is None else at))
    basis = f"v0:{stamp}:{body}".encode()
    signature = hmac.new(secret.encode(), basis, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={signature}"}
