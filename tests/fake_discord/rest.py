"""REST v10: the routes the bot uses, with the errors, limits and pages of the real ones."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.fake_discord.gateway import Gateway
from tests.fake_discord.interactions import Interactions
from tests.fake_discord.limits import check_commands, check_message
from tests.fake_discord.world import (
    APP,
    BOT_USER,
    CONTENT_FLAG,
    GUILD,
    MEMBERS_FLAG,
    Channel,
    Message,
    Refusal,
    World,
    unknown,
)

Json = dict[str, Any]
NONCE_LIFE_S = 300.0
MAX_REACTIONS = 20


@dataclass
class Fault:
    """What happens to the next calls whose `METHOD /path` contains `route`."""

    route: str
    times: int
    status: int = 200
    code: int = 0
    retry_after_s: float | None = None
    is_global: bool = False
    drop_after: bool = False  # do it, and then cut the line
    delay_s: float = 0.0


@dataclass
class Bucket:
    """A rate limit: so many calls in so many seconds per channel."""

    limit: int
    window_s: float


class Rest:
    """The HTTP side.

    Attributes:
        buckets: `METHOD name` of a route -> its limit; routes without one have none.
        calls: all that was asked, in order.
        refused: calls that came too fast.
    """

    def __init__(
        self, world: World, gateway: Gateway, interactions: Interactions, token: str
    ) -> None:
        self.world, self._gateway, self._interactions = world, gateway, interactions
        self._token = token
        self.buckets: dict[str, Bucket] = {}
        self.calls: list[str] = []
        self.refused: list[str] = []
        self.faults: list[Fault] = []
        self.storm_until, self.storm_retry_s = 0.0, 1.0
        self._past: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._nonces: dict[tuple[str, str], tuple[float, Message]] = {}

    def attach(self, router: web.UrlDispatcher) -> None:
        """Add all routes."""
        channel, message = "/channels/{channel}", "/channels/{channel}/messages/{message}"
        routes: dict[str, Callable[[web.Request, Json], Awaitable[Any]]] = {
            "GET /users/@me": self._me,
            "GET /users/{user}": self._user,
            "POST /users/@me/channels": self._direct,
            "GET /oauth2/applications/@me": self._application,
            "GET /gateway/bot": self._gateway_bot,
            "GET /applications/{app}/guilds/{guild}/commands": self._commands,
            "PUT /applications/{app}/guilds/{guild}/commands": self._sync,
            "GET /guilds/{guild}": self._guild,
            "GET /guilds/{guild}/members/search": self._search,
            "GET /guilds/{guild}/members/{user}": self._member,
            "GET /guilds/{guild}/members": self._members,
            f"GET {channel}": self._channel,
            f"PATCH {channel}": self._edit_channel,
            f"POST {channel}/messages": self._post,
            f"GET {channel}/messages": self._history,
            f"GET {message}": self._get,
            f"PATCH {message}": self._edit,
            f"POST {message}/threads": self._open_thread,
            f"PUT {message}/reactions/{{emoji}}/@me": self._react,
            f"GET {message}/reactions/{{emoji}}": self._voters,
            "POST /interactions/{id}/{token}/callback": self._interactions.respond,
            "POST /webhooks/{app}/{token}": self._interactions.follow_up,
            "PATCH /webhooks/{app}/{token}/messages/{message}": self._interactions.edit,
        }
        for route, handle in routes.items():
            method, path = route.split(" ")
            router.add_route(method, f"/api/v10{path}", self._wrapped(route, handle))

    def _wrapped(
        self, route: str, handle: Callable[[web.Request, Json], Awaitable[Any]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            called = f"{request.method} {request.path.removeprefix('/api/v10')}"
            self.calls.append(called)
            fault = self._fault(called)
            if fault and fault.delay_s:
                await asyncio.sleep(fault.delay_s)
            if fault and fault.status != 200 and not fault.drop_after:
                return self._failed(fault)
            if time.monotonic() < self.storm_until:
                return _too_many(self.storm_retry_s, {}, is_global=True)
            headers, wait_s = self._pace(route, request.match_info.get("channel", ""))
            if wait_s:
                self.refused.append(called)
                return _too_many(wait_s, headers)
            try:
                self._check_token(route, request)
                answer = await handle(request, await _body(request))
            except Refusal as refusal:
                return _json(refusal.answer, refusal.status, headers)
            if fault and fault.drop_after:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()  # goes nowhere
            if answer is None:
                return web.Response(status=204, headers=headers)
            return _json(answer, 200, headers)

        return serve

    def _check_token(self, route: str, request: web.Request) -> None:
        is_open = "/interactions/" in route or "/webhooks/" in route
        if not is_open and request.headers.get("Authorization") != f"Bot {self._token}":
            raise Refusal(401, 0, "401: Unauthorized")

    # --- limits and faults ----------------------------------------------------------------------

    def _fault(self, called: str) -> Fault | None:
        found = next((f for f in self.faults if f.route in called), None)
        if found is not None:
            found.times -= 1
            if found.times <= 0:
                self.faults.remove(found)
        return found

    def _failed(self, fault: Fault) -> web.Response:
        if fault.status == 429:
            return _too_many(fault.retry_after_s or 1.0, {}, is_global=fault.is_global)
        if fault.code:
            return _json({"code": fault.code, "message": "said the test"}, fault.status, {})
        return web.Response(status=fault.status, text="upstream connect error")

    def _pace(self, route: str, major: str) -> tuple[dict[str, str], float]:
        """(headers, s to wait): a bucket per route and channel, as Discord counts."""
        bucket = self.buckets.get(route)
        if bucket is None:
            return {}, 0.0
        past, now = self._past[route, major], time.monotonic()
        while past and now - past[0] >= bucket.window_s:
            past.popleft()
        reset_s = bucket.window_s - (now - past[0]) if past else bucket.window_s
        is_over = len(past) >= bucket.limit
        if not is_over:
            past.append(now)
        headers = {
            "X-RateLimit-Bucket": f"b{abs(hash(route))}", "X-RateLimit-Limit": str(bucket.limit),
            "X-RateLimit-Remaining": str(bucket.limit - len(past)),
            "X-RateLimit-Reset": str(time.time() + reset_s),
            "X-RateLimit-Reset-After": f"{reset_s:.3f}",
        }  # fmt: skip
        return headers, reset_s if is_over else 0.0

    # --- who and where --------------------------------------------------------------------------

    async def _me(self, _: web.Request, __: Json) -> Json:
        return self.world.users[BOT_USER]

    async def _user(self, request: web.Request, _: Json) -> Json:
        found = self.world.users.get(request.match_info["user"])
        if found is None:
            raise unknown("User", 10013)
        return found

    async def _application(self, _: web.Request, __: Json) -> Json:
        return {
            "id": APP, "name": "Joulery", "description": "", "icon": None, "bot_public": False,
            "bot_require_code_grant": False, "verify_key": "0", "flags": self.world.flags,
            "owner": {"id": "1", "username": "owner", "discriminator": "0", "avatar": None},
            "team": None, "interactions_endpoint_url": None, "rpc_origins": None, "summary": "",
        }  # fmt: skip

    async def _gateway_bot(self, _: web.Request, __: Json) -> Json:
        limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
        return {"url": self._gateway.url, "shards": 1, "session_start_limit": limit}

    def _in_guild(self, request: web.Request) -> None:
        if request.match_info["guild"] != GUILD or not self.world.is_member:
            raise Refusal(403, 50001, "Missing Access")

    async def _guild(self, request: web.Request, _: Json) -> Json:
        self._in_guild(request)
        return self.world.guild_json()

    async def _member(self, request: web.Request, _: Json) -> Json:
        self._in_guild(request)
        user = request.match_info["user"]
        if user not in self.world.users:
            raise unknown("Member", 10007)
        return self.world.member(user)

    async def _members(self, request: web.Request, _: Json) -> list[Json]:
        self._in_guild(request)
        if not self.world.flags & MEMBERS_FLAG:
            raise Refusal(403, 50001, "Missing Access")
        after, limit = int(request.query.get("after", 0)), int(request.query.get("limit", 1))
        known = sorted(int(u) for u in self.world.users if int(u) > after)
        return [self.world.member(str(u)) for u in known[:limit]]

    async def _search(self, request: web.Request, _: Json) -> list[Json]:
        """Whose name or nickname begins so."""
        self._in_guild(request)
        wanted = request.query["query"].casefold()
        known = [self.world.member(user) for user in self.world.users]
        found = [
            m for m in known
            if any((n or "").casefold().startswith(wanted) for n in (m["user"]["username"], m["nick"]))
        ]  # fmt: skip
        return found[: int(request.query.get("limit", 1))]

    async def _commands(self, request: web.Request, _: Json) -> list[Json]:
        self._in_guild(request)
        return self.world.commands

    async def _sync(self, request: web.Request, body: Any) -> list[Json]:
        self._in_guild(request)
        check_commands(body)
        self.world.commands = [
            {
                "id": self.world.snowflake(), "application_id": APP, "guild_id": GUILD,
                "version": "1", "default_member_permissions": None, **command,
            }
            for command in body
        ]  # fmt: skip
        return self.world.commands

    # --- channels -------------------------------------------------------------------------------

    async def _channel(self, request: web.Request, _: Json) -> Json:
        channel = self.world.channel(request.match_info["channel"])
        self.world.may(channel)
        return channel.as_json()

    async def _edit_channel(self, request: web.Request, body: Json) -> Json:
        channel = self.world.channel(request.match_info["channel"])
        if channel.is_locked and channel.is_archived:
            self.world.may(channel, "manage_threads")
        self.world.may(channel, "send_messages_in_threads")
        channel.is_archived = body.get("archived", channel.is_archived)
        await self._gateway.emit("THREAD_UPDATE", lambda _: channel.as_json())
        return channel.as_json()

    async def _direct(self, _: web.Request, body: Json) -> Json:
        user = str(body["recipient_id"])
        if user not in self.world.users:
            raise unknown("User", 10013)
        channel = self.world.channels.setdefault(
            f"9{user}", Channel(f"9{user}", "", recipient=user)
        )
        return channel.as_json()

    async def _open_thread(self, request: web.Request, body: Json) -> Json:
        message = self._message(request)
        parent = self.world.channel(message.channel)
        self.world.may(parent, "create_public_threads")
        if message.id in self.world.channels:
            raise Refusal(400, 160004, "A thread has already been created for this message")
        if not 1 <= len(body["name"]) <= 100:
            raise Refusal(400, 50035, "Invalid Form Body")
        thread = Channel(message.id, body["name"], parent=parent.id)
        self.world.channels[thread.id] = thread
        await self._gateway.emit(
            "THREAD_CREATE", lambda _: thread.as_json() | {"newly_created": True}
        )
        return thread.as_json()

    # --- messages -------------------------------------------------------------------------------

    async def _post(self, request: web.Request, body: Json) -> Json:
        channel = self.world.channel(request.match_info["channel"])
        self._may_write(channel, body)
        files = body.pop("_files", [])
        check_message(body, len(files))
        nonce = body.get("nonce") if body.get("enforce_nonce") else None
        kept = self._nonces.get((channel.id, nonce)) if nonce else None
        if kept is not None and time.monotonic() - kept[0] < NONCE_LIFE_S:
            return self._shown(kept[1], nonce)
        if channel.is_locked:
            self.world.may(channel, "manage_threads")
        if channel.is_archived:  # a message wakes a thread that is not locked
            channel.is_archived = False
        message = Message(
            channel.id, self.world.snowflake(), BOT_USER, body.get("content") or "",
            embeds=body.get("embeds") or [], components=body.get("components") or [],
            attachments=[self._attachment(f, body) for f in files],
            allowed_mentions=body.get("allowed_mentions"), nonce=nonce,
        )  # fmt: skip
        self.world.messages[channel.id, message.id] = message
        if nonce:
            self._nonces[channel.id, nonce] = (time.monotonic(), message)
        shown = self._shown(message, nonce)
        if not channel.recipient:
            await self._gateway.emit("MESSAGE_CREATE", lambda _: shown | {"guild_id": GUILD})
        return shown

    def _may_write(self, channel: Channel, body: Json) -> None:
        names = ["send_messages_in_threads" if channel.parent else "send_messages"]
        names += ["embed_links"] if body.get("embeds") else []
        names += ["attach_files"] if body.get("_files") else []
        self.world.may(channel, *names)

    def _attachment(self, file: tuple[int, str, bytes], body: Json) -> Json:
        number, name, data = file
        told = next((a for a in body.get("attachments", []) if str(a["id"]) == str(number)), {})
        url = f"https://cdn.invalid/{name}"
        return {
            "id": self.world.snowflake(), "filename": name, "size": len(data), "url": url,
            "proxy_url": url, "description": told.get("description"),
        }  # fmt: skip

    def _shown(self, message: Message, nonce: str | None = None) -> Json:
        reads = bool(self.world.flags & CONTENT_FLAG)
        shown = self.world.as_json(message, reads_content=reads)
        return shown | {"nonce": nonce} if nonce else shown

    def _message(self, request: web.Request) -> Message:
        at = request.match_info
        self.world.may(self.world.channel(at["channel"]), "read_message_history")
        return self.world.message(at["channel"], at["message"])

    async def _get(self, request: web.Request, _: Json) -> Json:
        return self._shown(self._message(request))

    async def _edit(self, request: web.Request, body: Json) -> Json:
        message = self._message(request)
        if self.world.channel(message.channel).is_archived:
            raise Refusal(400, 50083, "Thread is archived")
        if message.author != BOT_USER:
            raise Refusal(403, 50005, "Cannot edit a message authored by another user")
        check_message({"embeds": message.embeds, **body}, 0)
        for name in ("content", "embeds", "components"):
            if name in body:
                setattr(message, name, body[name] or ("" if name == "content" else []))
        shown = self._shown(message)
        await self._gateway.emit("MESSAGE_UPDATE", lambda _: shown | {"guild_id": GUILD})
        return shown

    async def _history(self, request: web.Request, _: Json) -> list[Json]:
        channel = self.world.channel(request.match_info["channel"])
        self.world.may(channel, "read_message_history")
        limit = int(request.query.get("limit", 50))
        if not 1 <= limit <= 100:
            raise Refusal(400, 50035, "Invalid Form Body")
        found = self.world.in_channel(channel.id)
        if after := request.query.get("after"):  # the oldest of them, still newest first
            page = [m for m in found if int(m.id) > int(after)][:limit]
        else:
            before = int(request.query.get("before", 1 << 63))
            page = [m for m in found if int(m.id) < before][-limit:]
        return [self._shown(m) for m in reversed(page)]

    # --- reactions ------------------------------------------------------------------------------

    async def _react(self, request: web.Request, _: Json) -> None:
        message, emoji = self._message(request), _emoji(request)
        channel = self.world.channel(message.channel)
        if emoji not in message.reactions:
            self.world.may(channel, "add_reactions")
        if not _is_emoji(emoji):
            raise unknown("Emoji", 10014)
        if emoji not in message.reactions and len(message.reactions) >= MAX_REACTIONS:
            raise Refusal(400, 30010, "Maximum number of reactions reached (20)")
        message.reactions.setdefault(emoji, {})[BOT_USER] = False
        data = {
            "user_id": BOT_USER, "channel_id": message.channel, "message_id": message.id,
            "guild_id": GUILD, "emoji": {"id": None, "name": emoji}, "type": 0, "burst": False,
            "member": self.world.member(BOT_USER),
        }  # fmt: skip
        await self._gateway.emit("MESSAGE_REACTION_ADD", lambda _: data)

    async def _voters(self, request: web.Request, _: Json) -> list[Json]:
        users = self._message(request).reactions.get(_emoji(request), {})
        limit = int(request.query.get("limit", 25))
        if not 1 <= limit <= 100:
            raise Refusal(400, 50035, "Invalid Form Body")
        after, is_burst = int(request.query.get("after", 0)), request.query.get("type") == "1"
        found = sorted(int(u) for u, burst in users.items() if burst == is_burst and int(u) > after)
        return [self.world.users[str(u)] for u in found[:limit]]


def _emoji(request: web.Request) -> str:
    return unquote(request.match_info["emoji"])


def _is_emoji(text: str) -> bool:
    return bool(text) and any(ord(c) > 0x203B for c in text)


async def _body(request: web.Request) -> Any:
    """The JSON of a request; files of a multipart one lie under `_files`."""
    if not request.can_read_body:
        return {}
    if not request.content_type.startswith("multipart/"):
        return json.loads(await request.text() or "{}")
    body: Json = {}
    files = []
    async for part in await request.multipart():
        if part.name == "payload_json":
            body |= json.loads(await part.text())
        else:
            number = int(part.name.removeprefix("files[").removesuffix("]"))
            files.append((number, part.filename, bytes(await part.read())))
    return body | {"_files": files}


def _json(data: Any, status: int, headers: dict[str, str]) -> web.Response:
    # "application/json; charset=utf-8" makes discord.py read a string
    return web.Response(
        status=status, body=json.dumps(data).encode(), headers=headers, content_type="application/json"
    )  # fmt: skip


def _too_many(wait_s: float, headers: dict[str, str], *, is_global: bool = False) -> web.Response:
    body = {"message": "You are being rate limited.", "retry_after": wait_s, "global": is_global}
    return _json(body, 429, headers | {"Via": "1.1 google", "Retry-After": str(int(wait_s) + 1)})
