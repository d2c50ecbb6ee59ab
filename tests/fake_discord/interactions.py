"""Presses, forms and commands: 3 s to answer, once; 15 min to follow up."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fake_discord.gateway import Gateway
from tests.fake_discord.limits import check_message, check_modal
from tests.fake_discord.world import APP, BOT_USER, CHANNEL, GUILD, Refusal, World, unknown

Json = dict[str, Any]
ANSWER_S, TOKEN_S = 3.0, 900.0


@dataclass
class Asked:
    """Something a person did and what the bot said to it.

    Attributes:
        modal: the form that was opened.
        text: what only they see, as it stands.
        wait_s: how long the first answer took.
    """

    id: str
    token: str
    born: float
    user: str
    modal: Json | None = None
    choices: list[str] = field(default_factory=list)
    text: str = ""
    response: int | None = None
    wait_s: float = 0.0
    follow_ups: list[Json] = field(default_factory=list)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_recorded(self) -> bool:
        """Whether the person was told that it was."""
        return self.finished.is_set() and not self.text.startswith("Not recorded")


class Interactions:
    """All interactions by id."""

    def __init__(self, world: World, gateway: Gateway) -> None:
        self._world, self._gateway = world, gateway
        self.asked: dict[str, Asked] = {}
        self.patience_s = ANSWER_S

    async def ask(self, who: str, kind: int, data: Json, channel: str, more: Json) -> Asked:
        """Tell the bot and wait for its answer; the person sees "did not respond" without one."""
        world, number = self._world, self._world.snowflake()
        user = world.user(who)
        asked = Asked(number, f"secret-token-{number}", world.clock(), user)
        self.asked[number] = asked
        where = world.channel(channel)
        payload = {
            "id": number, "application_id": APP, "type": kind, "token": asked.token, "version": 1,
            "data": data, "guild_id": GUILD, "guild": {"id": GUILD, "features": []},
            "channel": where.as_json(), "channel_id": channel, "attachment_size_limit": 10_000_000,
            "member": world.member(user) | {"permissions": "0"}, "locale": "en-US",
            "app_permissions": "0", "entitlements": [], "context": 0,
            "authorizing_integration_owners": {"0": GUILD}, **more,
        }  # fmt: skip
        began = asyncio.get_running_loop().time()
        await self._gateway.emit("INTERACTION_CREATE", lambda _: payload)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.patience_s):
                await asked.answered.wait()
        asked.wait_s = asyncio.get_running_loop().time() - began
        if asked.response in (5, 6):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.patience_s):
                    await asked.finished.wait()
        return asked

    # --- routes ---------------------------------------------------------------------------------

    async def respond(self, request: web.Request, body: Json) -> Json:
        asked = self.asked.get(request.match_info["id"])
        if asked is None or asked.token != request.match_info["token"]:
            raise unknown("interaction", 10062)
        if self._world.clock() - asked.born > ANSWER_S:
            raise unknown("interaction", 10062)
        if asked.response is not None:
            raise Refusal(400, 40060, "Interaction has already been acknowledged.")
        data, resource = body.get("data") or {}, {"type": body["type"]}
        match body["type"]:
            case 4:
                check_message(data, 0)
                asked.text = data.get("content") or ""
                resource["message"] = self._message(asked, data)
            case 8:
                if len(data["choices"]) > 25:
                    raise Refusal(400, 50035, "Invalid Form Body")
                asked.choices = [choice["value"] for choice in data["choices"]]
            case 9:
                check_modal(data)
                asked.modal = data
        asked.response = body["type"]
        asked.answered.set()
        if body["type"] != 5:
            asked.finished.set()
        about = {"id": asked.id, "type": 3, "response_message_id": asked.id}
        return {"interaction": about, "resource": resource}

    async def follow_up(self, request: web.Request, body: Json) -> Json:
        asked = self._by_token(request)
        check_message(body, 0)
        asked.follow_ups.append(body)
        return self._message(asked, body)

    async def edit(self, request: web.Request, body: Json) -> Json:
        asked = self._by_token(request)
        if asked.response is None:
            raise unknown("Message", 10008)
        check_message(body, 0)
        asked.text = body.get("content") or ""
        asked.finished.set()
        return self._message(asked, body)

    def _by_token(self, request: web.Request) -> Asked:
        token = request.match_info["token"]
        found = next((a for a in self.asked.values() if a.token == token), None)
        if found is None:
            raise unknown("Webhook", 10015)
        if self._world.clock() - found.born > TOKEN_S:
            raise Refusal(401, 50027, "Invalid Webhook Token")
        return found

    def _message(self, asked: Asked, body: Json) -> Json:
        return {
            "id": self._world.snowflake(), "channel_id": CHANNEL, "type": 20, "tts": False,
            "content": body.get("content") or "", "author": self._world.users[BOT_USER],
            "timestamp": "2026-01-01T00:00:00+00:00", "edited_timestamp": None, "pinned": False,
            "mention_everyone": False, "mentions": [], "mention_roles": [], "attachments": [],
            "embeds": [], "components": [], "flags": 64,
        }  # fmt: skip
