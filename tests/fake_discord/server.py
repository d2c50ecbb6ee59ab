"""FakeDiscord: a guild on loopback that unmodified discord.py talks to.

It refuses what Discord refuses and fails as Discord fails. People act on it with `react`, `say`,
`press` and so on; faults come from `fail_next`, `gateway` and the attributes of `world` and `rest`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from discord.gateway import DiscordWebSocket
from discord.http import Route

from tests.fake_discord.gateway import Gateway
from tests.fake_discord.interactions import Asked, Interactions
from tests.fake_discord.rest import Bucket, Fault, Rest
from tests.fake_discord.world import (
    APP,
    BOT_USER,
    CHANNEL,
    GUILD,
    PERMISSIONS,
    Channel,
    Message,
    World,
    emoji_json,
)
from tests.fakes import Where

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4OQ.GfAkEt.fakefakefakefakefakefakefakefakefakefake"
Json = dict[str, Any]


class FakeDiscord:
    """The server, its world, and the people in it; where discord.py was sent before is kept."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.world = World(clock)
        self.gateway = Gateway(self.world, TOKEN)
        self.interactions = Interactions(self.world, self.gateway)
        self.rest = Rest(self.world, self.gateway, self.interactions, TOKEN)
        self.api_url = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> FakeDiscord:
        app = web.Application()
        self.rest.attach(app.router)
        app.router.add_get("/gateway/", self.gateway.serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port = self._runner.addresses[0][1]
        self.gateway.url = f"ws://127.0.0.1:{port}/gateway/"
        self._routes = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
        self.api_url = f"http://127.0.0.1:{port}/api/v10"
        return self

    async def __aexit__(self, *_: object) -> None:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = self._routes
        self.gateway.drop_sockets()
        assert self._runner is not None
        await self._runner.cleanup()

    def fail_next(self, route: str = "", times: int = 1, **how: Any) -> None:
        """The next calls to a route fail: status=, code=, retry_after_s=, drop_after=, delay_s=."""
        self.rest.faults.append(Fault(route, times, **how))

    def storm(self, seconds: float, retry_after_s: float = 1.0) -> None:
        """For so long every call is answered with 429, wherever it goes."""
        self.rest.storm_until, self.rest.storm_retry_s = time.monotonic() + seconds, retry_after_s

    def heal(self) -> None:
        """No further faults."""
        self.rest.faults.clear()

    # --- people ---------------------------------------------------------------------------------

    async def react(self, who: str, where: Where, emoji: str, *, is_super: bool = False) -> bool:
        """Put an emoji on a message; whether the bot was told at once."""
        users = self._at(where).reactions.setdefault(emoji, {})
        if (user := self.world.user(who)) in users:
            return True
        users[user] = is_super
        data = self._reaction(where, emoji) | {
            "user_id": user, "member": self.world.member(user), "burst": is_super,
            "type": int(is_super), "message_author_id": BOT_USER,
        }  # fmt: skip
        return await self.gateway.emit("MESSAGE_REACTION_ADD", lambda _: data)

    async def unreact(self, who: str, where: Where, emoji: str) -> bool:
        """Take an emoji back, if it is there."""
        users = self._at(where).reactions.get(emoji, {})
        if (user := self.world.user(who)) not in users:
            return True
        is_super = users.pop(user)
        data = self._reaction(where, emoji)
        data |= {"user_id": user, "burst": is_super, "type": int(is_super)}
        return await self.gateway.emit("MESSAGE_REACTION_REMOVE", lambda _: data)

    async def clear_reactions(self, where: Where, emoji: str | None = None) -> None:
        """Remove all reactions, or all of one emoji, as a moderator can."""
        reactions = self._at(where).reactions
        data = self._reaction(where, emoji or "")
        if emoji:
            reactions.pop(emoji, None)
            await self.gateway.emit("MESSAGE_REACTION_REMOVE_EMOJI", lambda _: data)
        else:
            reactions.clear()
            del data["emoji"]
            await self.gateway.emit("MESSAGE_REACTION_REMOVE_ALL", lambda _: data)

    def _reaction(self, where: Where, emoji: str) -> Json:
        return {
            "channel_id": where.channel, "message_id": where.message, "guild_id": GUILD,
            "emoji": emoji_json(emoji),
        }  # fmt: skip

    async def say(self, who: str, text: str, where: Where | None = None) -> str:
        """Say something in the channel or in a message's thread, which is opened; its id."""
        if where is None:
            return (await self._write(who, text, CHANNEL)).id
        await self.open_thread(where)
        return (await self._write(who, text, where.message)).id

    async def open_thread(self, where: Where) -> None:
        """Open a message's thread, as anybody may."""
        if where.message not in self.world.channels:
            thread = Channel(where.message, "a thread", parent=where.channel)
            self.world.channels[thread.id] = thread
            opened = thread.as_json() | {"newly_created": True}
            await self.gateway.emit("THREAD_CREATE", lambda _: opened)

    async def answer(self, who: str, text: str, where: Where) -> str:
        """Reply to a message in its channel, without a thread."""
        return (await self._write(who, text, where.channel, where.message)).id

    async def _write(self, who: str, text: str, channel: str, to: str | None = None) -> Message:
        world, user = self.world, self.world.user(who)
        message = Message(channel, world.snowflake(), user, text, replies_to=to)
        message.type = 19 if to else 0
        world.messages[channel, message.id] = message
        await self.gateway.emit("MESSAGE_CREATE", lambda reads: self._told(message, reads))
        return message

    def _told(self, message: Message, reads: bool) -> Json:
        member = self.world.member(message.author, with_user=False)
        shown = self.world.as_json(message, reads_content=reads)
        return shown | {"guild_id": GUILD, "member": member}

    async def edit(self, message_id: str, text: str) -> None:
        """Change a message."""
        message = self.find(message_id)
        message.content, message.edited = text, datetime.now(UTC).isoformat()
        await self.gateway.emit("MESSAGE_UPDATE", lambda reads: self._told(message, reads))

    async def unfurl(self, message_id: str) -> None:
        """Discord itself touches a message: a link got a preview, the words stay the same."""
        message = self.find(message_id)
        message.embeds = [{"type": "link", "title": "a page"}]
        await self.gateway.emit("MESSAGE_UPDATE", lambda reads: self._told(message, reads))

    async def delete(self, message_id: str) -> None:
        """Delete a message; its thread stays."""
        message = self.find(message_id)
        del self.world.messages[message.channel, message.id]
        data = {"id": message.id, "channel_id": message.channel, "guild_id": GUILD}
        await self.gateway.emit("MESSAGE_DELETE", lambda _: data)

    async def press(self, who: str, where: Where, wanted: str) -> Asked:
        """Press the button with this custom_id or choice, or whose label contains it.

        Raises:
            LookupError: the message has no such button.
        """
        message = self._at(where)
        button = _button(message, wanted)
        data = {"custom_id": button["custom_id"], "component_type": 2}
        shown = {"message": self.world.as_json(message, reads_content=True)}
        return await self.interactions.ask(who, 3, data, message.channel, shown)

    async def submit(self, who: str, where: Where, modal: Json, values: Mapping[str, str]) -> Asked:
        """Choose levels in an open form, by the selects' custom ids, and send it."""
        labels = []
        for label in modal["components"]:
            select = label["component"]
            chosen = values.get(select["custom_id"])
            offered = [option["value"] for option in select["options"]]
            assert chosen is None or chosen in offered
            labels.append(
                {
                    "type": 18, "id": 1,
                    "component": {
                        "type": 3, "id": 2, "custom_id": select["custom_id"],
                        "values": [chosen] if chosen is not None else [],
                    },
                }
            )  # fmt: skip
        data = {"custom_id": modal["custom_id"], "components": labels}
        message = self._at(where)
        shown = {"message": self.world.as_json(message, reads_content=True)}
        return await self.interactions.ask(who, 5, data, message.channel, shown)

    async def command(
        self, who: str, verb: str, options: Mapping[str, Any] | None = None, thread: str = CHANNEL
    ) -> Asked:
        """Give `/joulery verb` with typed options, in the channel or a thread."""
        data = self._command(verb, options or {}, None)
        return await self.interactions.ask(who, 2, data, thread, {})

    async def complete(self, who: str, verb: str, option: str, typed: str) -> list[str]:
        """What is offered while somebody types an option."""
        data = self._command(verb, {option: typed}, option)
        return (await self.interactions.ask(who, 4, data, CHANNEL, {})).choices

    def _command(self, verb: str, options: Mapping[str, Any], focused: str | None) -> Json:
        [group] = self.world.commands
        sub = next(o for o in group["options"] if o["name"] == verb)
        kinds = {o["name"]: o["type"] for o in sub.get("options", [])}
        given = [
            {"name": name, "type": kinds[name], "value": value}
            | ({"focused": True} if name == focused else {})
            for name, value in options.items()
        ]
        inner = {"name": verb, "type": 1, "options": given}
        named = {o["value"] for o in given if o["type"] == 9}
        resolved = {
            "roles": {r["id"]: r for r in self.world.roles_json() if r["id"] in named},
            "users": {u: self.world.users[u] for u in named & self.world.users.keys()},
        }
        return {
            "id": group["id"], "name": group["name"], "type": 1, "options": [inner],
            "resolved": resolved,
        }  # fmt: skip

    # --- helpers --------------------------------------------------------------------------------

    def find(self, message_id: str) -> Message:
        """A message by its id alone."""
        return next(m for (_, found), m in self.world.messages.items() if found == message_id)

    def _at(self, where: Where) -> Message:
        return self.world.message(where.channel, where.message)


def buttons(message: Message) -> list[Json]:
    """All buttons of a message, in order."""
    return [item for row in message.components for item in row["components"]]


def _button(message: Message, wanted: str) -> Json:
    found = buttons(message)
    exact = [b for b in found if b["custom_id"].partition(":")[2] == wanted]
    similar = [b for b in found if wanted in (b.get("label") or "")]
    if not (exact or similar):
        raise LookupError(f"no button {wanted!r} among {[b.get('label') for b in found]}")
    return (exact or similar)[0]


__all__ = ["APP", "BOT_USER", "CHANNEL", "GUILD", "PERMISSIONS", "TOKEN", "Bucket", "FakeDiscord"]
