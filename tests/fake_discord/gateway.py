"""The gateway: sessions with numbered events, RESUME, invalid sessions, close codes, every mishap."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.fake_discord.world import APP, BOT_USER, CONTENT_FLAG, GUILD, MEMBERS_FLAG, World
from tests.fakes import Withholding

Json = dict[str, Any]
GUILDS, MEMBERS, MESSAGES, REACTIONS, CONTENT = 1 << 0, 1 << 1, 1 << 9, 1 << 10, 1 << 15
KNOWN_INTENTS = (1 << 26) - 1
INTENT_OF = {
    "MESSAGE_CREATE": MESSAGES, "MESSAGE_UPDATE": MESSAGES, "MESSAGE_DELETE": MESSAGES,
    "MESSAGE_REACTION_ADD": REACTIONS, "MESSAGE_REACTION_REMOVE": REACTIONS,
    "MESSAGE_REACTION_REMOVE_ALL": REACTIONS, "MESSAGE_REACTION_REMOVE_EMOJI": REACTIONS,
    "THREAD_CREATE": GUILDS, "THREAD_UPDATE": GUILDS, "INTERACTION_CREATE": 0,
}  # fmt: skip


@dataclass
class Session:
    """What the gateway remembers of a bot: all it was sent, numbered."""

    id: str
    intents: int
    socket: web.WebSocketResponse | None
    sent: list[Json] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))


class Gateway(Withholding):
    """Sends events to the bots that are connected.

    Attributes:
        resumes: whether RESUME works; where not, the session is invalid.
        refuse_with: a close code for whoever identifies.
        share_twice: how many events come a second time, once `rng` is there to choose them.
    """

    def __init__(self, world: World, token: str) -> None:
        super().__init__()
        self._world, self._token = world, token
        self.resumes = True
        self.refuse_with: int | None = None
        self.url = ""
        self.sessions: dict[str, Session] = {}
        self.identified = self.resumed = 0
        self.rng: random.Random | None = None
        self.share_twice, self.twice = 0.0, 0
        self._ids = itertools.count(1)
        self._beats = asyncio.Event()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One connection."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"op": 10, "d": {"heartbeat_interval": 41_250}})
        session: Session | None = None
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                said = json.loads(message.data)
                match said["op"]:
                    case 1:
                        self._beats.set()
                        await socket.send_json({"op": 11})
                    case 2:
                        session = await self._identify(socket, said["d"])
                    case 6:
                        session = await self._resume(socket, said["d"])
        finally:
            if session is not None and session.socket is socket:
                session.socket = None
                if socket.close_code in (1000, 1001):  # who says goodbye cannot resume
                    self.sessions.pop(session.id, None)
        return socket

    async def _identify(self, socket: web.WebSocketResponse, said: Json) -> Session | None:
        self.identified += 1
        intents = said["intents"]
        code = self.refuse_with
        if said["token"] != self._token:
            code = 4004
        elif intents & ~KNOWN_INTENTS:
            code = 4013
        elif (intents & CONTENT and not self._world.flags & CONTENT_FLAG) or (
            intents & MEMBERS and not self._world.flags & MEMBERS_FLAG
        ):
            code = 4014
        if code is not None:
            await socket.close(code=code, message=b"refused")
            return None
        session = Session(f"session-{next(self._ids)}", intents, socket)
        self.sessions[session.id] = session
        await self._dispatch(
            session,
            "READY",
            {
                "v": 10, "user": self._world.users[BOT_USER], "session_id": session.id,
                "guilds": [{"id": GUILD, "unavailable": True}] if self._world.is_member else [],
                "resume_gateway_url": self.url, "private_channels": [],
                "application": {"id": APP, "flags": self._world.flags},
            },
        )  # fmt: skip
        if self._world.is_member:
            await self._dispatch(session, "GUILD_CREATE", self._world.guild_json())
        return session

    async def _resume(self, socket: web.WebSocketResponse, said: Json) -> Session | None:
        session = self.sessions.get(said["session_id"])
        if session is None or not self.resumes:
            self.sessions.pop(said["session_id"], None)
            await socket.send_json({"op": 9, "d": False})
            return None
        self.resumed += 1
        session.socket = socket
        for payload in [p for p in session.sent if p["s"] > said["seq"]]:
            await socket.send_json(payload)
        await self._dispatch(session, "RESUMED", {})
        return session

    # --- events ---------------------------------------------------------------------------------

    async def emit(self, name: str, data: Callable[[bool], Json]) -> bool:
        """Tell all bots with the intent; `data` is asked whether contents may be read.

        False when nobody was told at once.
        """
        if self.withholds(lambda: self._tell(name, data)):
            return False
        return await self._tell(name, data)

    async def _tell(self, name: str, data: Callable[[bool], Json]) -> bool:
        told = False
        for session in list(self.sessions.values()):
            needed = INTENT_OF[name]
            if session.intents & needed == needed:
                told |= await self._dispatch(session, name, data(bool(session.intents & CONTENT)))
        return told

    async def _dispatch(self, session: Session, name: str, data: Json) -> bool:
        payload = {"op": 0, "t": name, "s": next(session.numbers), "d": data}
        session.sent.append(payload)
        told = await self._send(session, payload)
        if self.rng is not None and self.rng.random() < self.share_twice:
            self.twice += 1
            await self._send(session, payload)
        return told

    async def _send(self, session: Session, payload: Json) -> bool:
        if session.socket is None or session.socket.closed:
            return False
        try:
            await session.socket.send_json(payload)
        except ConnectionError:
            return False
        return True

    # --- mishaps --------------------------------------------------------------------------------

    async def duplicate(self, count: int = 1) -> None:
        """Send the last events again, under the numbers they had."""
        for session in self.sessions.values():
            for payload in session.sent[-count:]:
                await self._send(session, payload)

    def drop_sockets(self) -> None:
        """Cut every line without a word."""
        for session in self.sessions.values():
            request = session.socket._req if session.socket else None
            if request is not None and request.transport is not None:
                request.transport.abort()
            session.socket = None

    async def ask_to_reconnect(self) -> None:
        """Say `reconnect`, as Discord does now and then."""
        for session in self.sessions.values():
            if session.socket is not None:
                await session.socket.send_json({"op": 7, "d": None})

    async def close_sockets(self, code: int) -> None:
        """Close every line with a code; 1000, 1001 and the fatal ones end the session."""
        for session in list(self.sessions.values()):
            socket, session.socket = session.socket, None
            if code in (1000, 1001) or 4003 < code < 4015:
                del self.sessions[session.id]
            if socket is not None:
                await socket.close(code=code)

    def forget_sessions(self) -> None:
        """As after minutes away: RESUME finds nothing."""
        self.drop_sockets()
        self.sessions.clear()

    async def round_trip(self) -> None:
        """Ask for a heartbeat: it comes when all that was sent before has been read."""
        for session in self.sessions.values():
            if session.socket is not None and not session.socket.closed:
                self._beats.clear()
                await session.socket.send_json({"op": 1, "d": None})
                await self._beats.wait()

    async def until_connected(self, timeout_s: float = 15.0) -> None:
        """Wait for a bot."""
        async with asyncio.timeout(timeout_s):
            while not any(s.socket for s in self.sessions.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
