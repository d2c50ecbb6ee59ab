"""FakeSlack: a workspace on loopback that unmodified slack_bolt and slack_sdk talk to.

It refuses what Slack refuses and fails as Slack fails. People act on it with `react`, `reply`,
`press` and so on; faults come from `fail_next`, `delivery` and the attributes of `methods`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.fake_slack.delivery import Delivered, Delivery
from tests.fake_slack.methods import SCOPES, Methods, TooFast, read_args
from tests.fake_slack.workspace import (
    APP,
    BOT_ID,
    BOT_USER,
    CHANNEL,
    TEAM,
    Message,
    SlackError,
    Workspace,
)
from tests.fakes import Where

BOT_TOKEN = "xoxb-1111-2222-fakefakefakefakefakefake"
APP_TOKEN = "xapp-1-A0JOULERY-3333-fakefakefakefake"
SIGNING_SECRET = "0123456789abcdef0123456789abcdef"


@dataclass
class Fault:
    """What happens to the next calls of a method; "" is any method."""

    method: str
    times: int
    status: int = 200
    error: str = ""
    retry_after_s: int | None = None
    drop_after: bool = False  # do it, and then cut the line
    delay_s: float = 0.0
    until: float = 0.0  # by the loop's clock; then it is over, however few calls there were


class FakeSlack:
    """The server, its workspace, and the people in it."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.workspace = Workspace(clock)
        self.delivery = Delivery(SIGNING_SECRET)
        self.methods = Methods(self.workspace, lambda: self.api_url, self.delivery.tickets)
        self.scopes = set(SCOPES.values()) | {"commands", "groups:history"}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.responses: list[dict[str, Any]] = []
        self.refused: list[str] = []  # methods that were called too fast
        self._faults: list[Fault] = []
        self._runner: web.AppRunner | None = None
        self._port = 0

    # --- coming and going -----------------------------------------------------------------------

    async def __aenter__(self) -> FakeSlack:
        app = web.Application()
        app.router.add_get("/link", self.delivery.serve)
        app.router.add_post("/respond/{id}", self._respond)
        app.router.add_post("/api/upload/{file}", self._upload)
        app.router.add_route("*", "/api/{method}", self._api)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.delivery.close()
        self.delivery.drop_sockets()
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/api/"

    # --- faults ---------------------------------------------------------------------------------

    def fail_next(self, method: str = "", times: int = 1, **how: Any) -> None:
        """The next calls of a method fail: status=, error=, retry_after_s=, drop_after=, delay_s=."""
        self._faults.append(Fault(method, times, **how))

    def storm(self, seconds: float, retry_after_s: int = 1) -> None:
        """Every call is refused with 429 for a while."""
        until = asyncio.get_running_loop().time() + seconds
        how = {"status": 429, "retry_after_s": retry_after_s, "until": until}
        self.fail_next("", times=1_000_000, **how)

    def heal(self) -> None:
        """No further faults."""
        self._faults.clear()

    # --- the Web API ----------------------------------------------------------------------------

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        raw: dict[str, Any] = dict(request.query)
        if request.content_type == "application/json":
            raw |= await request.json()
        elif request.can_read_body:
            raw |= dict(await request.post())
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        token = token or str(raw.pop("token", ""))
        args = read_args(raw)
        self.calls.append((method, args))
        fault = self._fault(method)
        if fault and fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault and (fault.status != 200 or fault.error) and not fault.drop_after:
            return self._failed(fault)
        try:
            self._check_token(method, token, args)
            answer = {"ok": True, **self.methods.call(method, args)}
        except SlackError as error:
            answer = error.answer
        except TooFast:
            self.refused.append(method)
            return self._failed(Fault(method, 1, status=429, retry_after_s=1))
        if fault and fault.drop_after:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()  # goes nowhere
        return self._answer(answer)

    def _answer(self, answer: dict[str, Any]) -> web.Response:
        return web.json_response(answer, headers={"x-oauth-scopes": ",".join(sorted(self.scopes))})

    def _failed(self, fault: Fault) -> web.Response:
        if fault.status == 429:
            headers = {"Retry-After": str(fault.retry_after_s or 1)}
            body = {"ok": False, "error": "ratelimited"}
            return web.json_response(body, status=429, headers=headers)
        if fault.status != 200:
            return web.Response(status=fault.status, text="upstream connect error")
        return self._answer({"ok": False, "error": fault.error})

    def _fault(self, method: str) -> Fault | None:
        now = asyncio.get_running_loop().time()
        self._faults = [f for f in self._faults if not 0 < f.until < now]
        found = next((f for f in self._faults if f.method in ("", method)), None)
        if found is not None:
            found.times -= 1
            if found.times <= 0:
                self._faults.remove(found)
        return found

    def _check_token(self, method: str, token: str, args: dict[str, Any]) -> None:
        if token not in (BOT_TOKEN, APP_TOKEN):
            raise SlackError("invalid_auth" if token else "not_authed")
        if (method == "apps.connections.open") != (token == APP_TOKEN):
            raise SlackError("not_allowed_token_type")
        needed = SCOPES.get(method)
        channel = self.workspace.channels.get(str(args.get("channel")))
        if needed and channel and channel.is_private:
            needed = needed.replace("channels:", "groups:")
        if needed and needed not in self.scopes:
            provided = ",".join(sorted(self.scopes))
            raise SlackError("missing_scope", needed=needed, provided=provided)

    async def _upload(self, request: web.Request) -> web.Response:
        data = await request.read()
        self.workspace.files[request.match_info["file"]] |= {"size": len(data)}
        return web.Response(text=f"OK - {len(data)}")

    async def _respond(self, request: web.Request) -> web.Response:
        self.responses.append({"id": request.match_info["id"], **await request.json()})
        return web.Response(text="ok")

    # --- people ---------------------------------------------------------------------------------

    async def react(self, who: str, where: Where, emoji: str) -> bool:
        """Put an emoji on a message; whether the bot was told at once."""
        users = self._at(where).reactions.setdefault(emoji, [])
        if (user := self.workspace.user(who)) in users:
            return True
        users.append(user)
        return await self._reacted("reaction_added", user, where, emoji)

    async def unreact(self, who: str, where: Where, emoji: str) -> bool:
        """Take an emoji back, if it is there."""
        users = self._at(where).reactions.get(emoji, [])
        if (user := self.workspace.user(who)) not in users:
            return True
        users.remove(user)
        return await self._reacted("reaction_removed", user, where, emoji)

    async def _reacted(self, kind: str, user: str, where: Where, emoji: str) -> bool:
        item = {"type": "message", "channel": where.channel, "ts": where.message}
        return await self.delivery.emit(
            {
                "type": kind, "user": user, "reaction": emoji, "item": item,
                "item_user": self._at(where).user, "event_ts": self.workspace.next_ts(),
            }
        )  # fmt: skip

    async def say(
        self, who: str, text: str, where: Where | None = None, *, subtype: str | None = None
    ) -> str:
        """Say something in the channel or in a thread; the message's ts."""
        channel = where.channel if where else CHANNEL
        thread_ts = (self._at(where).thread_ts or where.message) if where else None
        return await self._write(who, escaped(text), channel, thread_ts, subtype)

    async def mention(self, who: str, words: str, where: Where | None = None) -> str:
        """Say `@Joulery words`."""
        channel = where.channel if where else CHANNEL
        thread_ts = where.message if where else None
        return await self._write(who, f"<@{BOT_USER}> {escaped(words)}", channel, thread_ts)

    async def _write(
        self, who: str, text: str, channel: str, thread_ts: str | None, subtype: str | None = None
    ) -> str:
        message = self.workspace.add(
            Message(
                channel,
                self.workspace.next_ts(),
                self.workspace.user(who),
                text,
                thread_ts=thread_ts,
                subtype=subtype,
            )
        )
        event = message.as_json() | {"channel": channel, "channel_type": "channel"}
        if thread_ts is not None:
            event["parent_user_id"] = self.workspace.message(channel, thread_ts).user
        await self.delivery.emit(event | {"event_ts": message.ts})
        return message.ts

    async def edit(self, where: Where, ts: str, text: str) -> None:
        """Change one of one's own messages."""
        message = self.workspace.message(where.channel, ts)
        before = message.as_json()
        message.text, message.edited_ts = escaped(text), self.workspace.next_ts()
        await self._changed("message_changed", where, message.as_json(), before)

    async def unfurl(self, where: Where, ts: str) -> None:
        """Slack itself touches a message: a link got a preview, the words stay the same."""
        message = self.workspace.message(where.channel, ts).as_json()
        shown = message | {"attachments": [{"title": "a page"}]}
        await self._changed("message_changed", where, shown, message)

    async def delete(self, where: Where, ts: str) -> None:
        """Delete a message; one with replies leaves a tombstone."""
        message = self.workspace.messages.pop((where.channel, ts))
        before = message.as_json()
        replies = any(
            m.thread_ts == ts and m.channel == where.channel
            for m in self.workspace.messages.values()
        )
        if replies:
            tombstone = before | {"subtype": "tombstone", "text": "This message was deleted."}
            tombstone |= {"user": "USLACKBOT"}
            await self._changed("message_changed", where, tombstone, before)
        else:
            await self._changed("message_deleted", where, None, before)

    async def _changed(
        self, subtype: str, where: Where, now: dict[str, Any] | None, before: dict[str, Any]
    ) -> None:
        ts = self.workspace.next_ts()
        event = {
            "type": "message", "subtype": subtype, "channel": where.channel, "hidden": True,
            "previous_message": before, "ts": ts, "event_ts": ts, "channel_type": "channel",
        }  # fmt: skip
        event |= {"message": now} if now else {"deleted_ts": before["ts"]}
        await self.delivery.emit(event)

    async def press(self, who: str, where: Where, value: str) -> Delivered:
        """Press the button with this value, or whose text contains it.

        Raises:
            LookupError: the message has no such button.
        """
        message = self._at(where)
        button, block_id = _button(message, value)
        return await self.delivery.send(
            "interactive",
            {
                "type": "block_actions", "user": self._person(who), "team": {"id": TEAM},
                "api_app_id": APP, "trigger_id": self._trigger(),
                "container": {
                    "type": "message", "message_ts": message.ts, "channel_id": message.channel,
                    "is_ephemeral": False,
                    **({"thread_ts": message.thread_ts} if message.thread_ts else {}),
                },
                "channel": {"id": message.channel, "name": "training"},
                "message": message.as_json(),
                "response_url": self._response_url(),
                "actions": [
                    {
                        "type": "button", "action_id": button["action_id"], "block_id": block_id,
                        "value": button.get("value", ""), "action_ts": self.workspace.next_ts(),
                        "text": button["text"],
                    }
                ],
            },
        )  # fmt: skip

    async def submit(
        self, who: str, view: Mapping[str, Any], values: Mapping[str, str]
    ) -> Delivered:
        """Choose levels in an open modal, by the labels' block ids, and send it."""
        state: dict[str, Any] = {}
        for block in view["blocks"]:
            if block["type"] == "input":
                element, given = block["element"], values.get(block["block_id"])
                state[block["block_id"]] = {element["action_id"]: _filled(element["type"], given)}
        shown = dict(view) | {"state": {"values": state}}
        return await self.delivery.send(
            "interactive",
            {
                "type": "view_submission", "user": self._person(who), "team": {"id": TEAM},
                "api_app_id": APP, "trigger_id": self._trigger(), "view": shown,
                "response_urls": [],
            },
        )  # fmt: skip

    async def suggest(self, who: str, view: Mapping[str, Any], field: str, typed: str) -> list[str]:
        """Type into a field that offers what may be meant; what it offers."""
        [element] = [b["element"] for b in view["blocks"] if b.get("block_id") == field]
        done = await self.delivery.send(
            "interactive",
            {
                "type": "block_suggestion", "user": self._person(who), "team": {"id": TEAM},
                "api_app_id": APP, "view": dict(view), "block_id": field, "value": typed,
                "action_id": element["action_id"],
            },
        )  # fmt: skip
        return [option["value"] for option in done.answer["options"]]

    async def command(self, who: str, words: str, channel: str = CHANNEL) -> Delivered:
        """Say `/joulery words` in a channel; threads have no slash commands."""
        person = self._person(who)
        return await self.delivery.send(
            "slash_commands",
            {
                "command": "/joulery", "text": words, "user_id": person["id"],
                "user_name": person["name"], "channel_id": channel, "channel_name": "training",
                "team_id": TEAM, "api_app_id": APP, "trigger_id": self._trigger(),
                "response_url": self._response_url(),
            },
        )  # fmt: skip

    async def open_home(self, who: str) -> bool:
        """Open the app's Home tab."""
        ts = self.workspace.next_ts()
        event = {
            "type": "app_home_opened", "user": self.workspace.user(who), "channel": "D1",
            "tab": "home", "event_ts": ts,
        }  # fmt: skip
        return await self.delivery.emit(event)

    # --- helpers --------------------------------------------------------------------------------

    def _at(self, where: Where) -> Message:
        return self.workspace.message(where.channel, where.message)

    def _person(self, who: str) -> dict[str, Any]:
        user_id = self.workspace.user(who)
        return {"id": user_id, "username": who, "name": who, "team_id": TEAM}

    def _trigger(self) -> str:
        trigger = f"{next(self.workspace.numbers)}.{TEAM}.abc"
        self.methods.triggers[trigger] = self.workspace.clock()
        return trigger

    def _response_url(self) -> str:
        number = next(self.workspace.numbers)
        return f"http://127.0.0.1:{self._port}/respond/{number}"


def _filled(kind: str, given: str | None) -> dict[str, Any]:
    """A field of a form as Slack hands it on."""
    option = {"value": given, "text": {"type": "plain_text", "text": "?"}} if given else None
    return {
        "static_select": {"selected_option": option},
        "external_select": {"selected_option": option},
        "checkboxes": {"selected_options": [option] if option else []},
        "users_select": {"selected_user": given},
        "plain_text_input": {"value": given},
    }[kind] | {"type": kind}


def escaped(text: str) -> str:
    """A person's text as Slack hands it on."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def buttons(message: Message) -> Sequence[dict[str, Any]]:
    """All buttons of a message, in order."""
    return [
        element
        for block in message.blocks
        if block["type"] == "actions"
        for element in block["elements"]
    ]


def _button(message: Message, wanted: str) -> tuple[dict[str, Any], str]:
    """A button and its block's id, which Slack gives where the app does not."""
    found = [
        (button, block.get("block_id", f"b{number}"))
        for number, block in enumerate(message.blocks)
        if block["type"] == "actions"
        for button in block["elements"]
    ]
    exact = [pair for pair in found if pair[0].get("value") == wanted]
    similar = [pair for pair in found if wanted in pair[0]["text"]["text"]]
    if not (exact or similar):
        raise LookupError(f"no button {wanted!r} among {[b['text']['text'] for b, _ in found]}")
    return (exact or similar)[0]


__all__ = ["BOT_ID", "BOT_USER", "CHANNEL", "FakeSlack", "SlackError"]
